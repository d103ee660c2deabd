"""A risk ready for descent: its value and its gradient at many states at once, at a time.

Three kinds of risks, one interface, `Slope`:

    ScalarSlope     R(p₁, p₂, …), symbols; perhaps with an inverse metric
    OverlapSlope    R(κ, ν, …), inner products of vectors: ∇_x R = Σ_y R_{⟨x,y⟩} y (twice that for y = x)
    MatrixSlope     R(W, k, …), any formula in matrix symbols, one start after the other

A state is a list of blocks, arrays of shape (starts, ...), each on a manifold or in flat space: the parameters; or,
for overlaps, all trained vectors in one block (starts, trained, d). Every other symbol has a number, or is a
*schedule*, a function of the time. The scalar formulas run on one tape that is bound to the number of starts.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp

from theory.risk import Risk
from theory.variables import Dot

from .compile import gradient, value
from .manifolds import Manifold, Sphere
from .overlaps import Overlaps
from .parameters import by_symbol
from .tape import BoundTape
from .tape_writer import Writer

__all__ = ["BadSchedule", "Formulas", "MatrixSlope", "OverlapSlope", "ScalarSlope", "Settings", "Slope", "settings_of"]

Blocks = list[np.ndarray]
Schedule = Callable[[float], float]

SIGNS = (
    ("is_positive", lambda x: x > 0, "positive"),
    ("is_nonnegative", lambda x: x >= 0, "nonnegative"),
    ("is_negative", lambda x: x < 0, "negative"),
    ("is_nonpositive", lambda x: x <= 0, "nonpositive"),
)


class BadSchedule(ValueError):
    """A schedule gave a number that its symbol cannot have."""


@dataclass(frozen=True)
class Settings:
    """The numbers of the symbols that are no parameters, and the schedules of those that change with time."""

    numbers: Mapping[sp.Symbol, float]
    schedules: Mapping[sp.Symbol, Schedule] = field(default_factory=dict)

    def at(self, time: float) -> dict[sp.Symbol, float]:
        """Every number at a time.

        Raises:
            BadSchedule: naming the symbol, the value and the time, for one that is not finite or against the
                assumptions of its symbol.
        """
        return {**self.numbers, **self.scheduled(time)}

    def scheduled(self, time: float) -> dict[sp.Symbol, float]:
        """The numbers of the schedules alone."""
        found = {}
        for symbol, schedule in self.schedules.items():
            number = float(schedule(time))
            if not math.isfinite(number):
                raise BadSchedule(f"the schedule of {symbol} gave {number} at time {time:g}")
            for assumption, holds, word in SIGNS:
                if getattr(symbol, assumption) and not holds(number):
                    raise BadSchedule(f"the schedule of {symbol}, which is {word}, gave {number} at time {time:g}")
            found[symbol] = number
        return found


def settings_of(risk: Risk, needed: Iterable[sp.Basic], values: Mapping[Any, Any] | None) -> Settings:
    """The settings from values by symbol or by name, functions of time among them.

    Raises:
        ValueError: for a symbol left symbolic, an unknown name, a value that is not one finite number.
    """
    needed = frozenset(needed)
    own = set(risk.domain.symbols) if risk.domain is not None else set()
    names = {symbol.name for symbol in needed | own} | set(needed | own)
    try:
        given = by_symbol(risk, needed, values or {})
    except ValueError as error:
        left = sorted(str(x) for x in needed if x not in (values or {}) and x.name not in (values or {}))
        if not left or any(key not in names for key in values or {}):
            raise
        raise ValueError(
            f"expected a number or a schedule for every symbol but the parameters, got {', '.join(left)} left "
            f"symbolic; give values={{{left[0]!r}: ...}}"
        ) from error
    numbers: dict[sp.Symbol, float] = {}
    schedules: dict[sp.Symbol, Schedule] = {}
    for symbol, number in given.items():
        if symbol in risk.parameters and symbol not in needed:
            raise ValueError(
                f"expected values for what is no parameter, got {symbol}={number!r}; it begins at the start"
            )
        if symbol not in needed:
            continue
        if callable(number) and not isinstance(number, sp.Basic):
            schedules[symbol] = number
            continue
        if isinstance(number, (str, bytes, bool)) or np.ndim(number):
            raise ValueError(f"expected one number or a function of time for {symbol}, got {symbol}={number!r}")
        numbers[symbol] = float(number)
        if not math.isfinite(numbers[symbol]):
            raise ValueError(f"expected a finite number for {symbol}, got {symbol}={numbers[symbol]!r}")
    return Settings(numbers, schedules)


class Slope(ABC):
    """A risk and its gradient at many states at once.

    A subclass also has `manifolds`, the manifold of each block or None for flat space, and `scheduled`, whether
    the risk changes with time.
    """

    manifolds: tuple[Manifold | None, ...]
    scheduled: bool

    @abstractmethod
    def risk(self, state: Blocks, time: float) -> np.ndarray:
        """The risk at each start, shape (starts,); nan where there is none."""

    @abstractmethod
    def gradient(self, state: Blocks, time: float) -> Blocks:
        """The gradient at each start: Riemannian where a block has a manifold."""

    @abstractmethod
    def read(self, state: Blocks) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Parameters and overlaps by name, arrays of first dimension starts."""


class Formulas:
    """Formulas of varying symbols at arrays of points; every other symbol is set."""

    def __init__(self, formulas: Sequence[sp.Expr], varying: Sequence[sp.Basic], settings: Settings) -> None:
        self.settings = settings
        self.symbols = (*settings.numbers, *settings.schedules)
        self.count = len(varying)
        writer = Writer((*varying, *self.symbols), range(self.count))
        self.tape = writer.tape(tuple(writer.node(formula) for formula in formulas))
        self._bound: BoundTape | None = None
        self._size = 0
        self._time: float | None = None

    def __call__(self, points: Sequence[np.ndarray], time: float) -> list[np.ndarray]:
        """The values of the formulas, valid until the next call; points of shape (size,) each."""
        size = len(points[0])
        if self._bound is None or size != self._size:
            numbers = self.settings.at(time)
            inputs = {self.count + i: numbers[symbol] for i, symbol in enumerate(self.symbols)}
            changing = frozenset(
                self.count + i for i, symbol in enumerate(self.symbols) if symbol in self.settings.schedules
            )
            self._bound, self._size, self._time = BoundTape(self.tape, size, inputs, changing), size, time
        elif self.settings.schedules and time != self._time:
            for i, number in enumerate(self.settings.scheduled(time).values(), len(self.settings.numbers)):
                cell = self._bound.moving.get(self.count + i)
                if cell is not None:
                    cell[...] = number
            self._time = time
        for position, cell in self._bound.varying.items():
            cell[...] = points[position]
        self._bound.run()
        return self._bound.outputs


class ScalarSlope(Slope):
    """A risk of symbols; one block, the parameters in order: (starts, parameters), or of the manifold's shape.

    Args:
        risk: with symbols as parameters.
        settings: of every other symbol.
        manifold: on which the parameters are the coordinates of a point, in C order; None for flat space.
        metric: the inverse metric g⁻¹ by parameter, 1 where none is given; the gradient is then g⁻¹ ∇R.
    """

    def __init__(
        self,
        risk: Risk,
        settings: Settings,
        manifold: Manifold | None = None,
        metric: Mapping[sp.Symbol, sp.Expr] | None = None,
    ) -> None:
        self.parameters = risk.parameters
        self.manifolds = (manifold,)
        self.scheduled = bool(settings.schedules)
        slopes = risk.gradient()
        scaled = [sp.sympify((metric or {}).get(p, 1), strict=True) * slopes[p] for p in self.parameters]
        self._risk = Formulas([risk.expr], self.parameters, settings)
        self._gradient = Formulas(scaled, self.parameters, settings)

    def _columns(self, state: Blocks) -> list[np.ndarray]:
        return list(state[0].reshape(len(state[0]), -1).T)

    def risk(self, state: Blocks, time: float) -> np.ndarray:
        return np.array(self._risk(self._columns(state), time)[0])

    def gradient(self, state: Blocks, time: float) -> Blocks:
        (manifold,) = self.manifolds
        slopes = np.stack(self._gradient(self._columns(state), time), axis=1).reshape(state[0].shape)
        return [slopes if manifold is None else manifold.tangent(state[0], slopes)]

    def read(self, state: Blocks) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        return {str(p): x.copy() for p, x in zip(self.parameters, self._columns(state), strict=True)}, {}


class OverlapSlope(Slope):
    """A risk of overlaps; one block, the trained vectors (starts, trained, d), unit ones on their spheres.

    Args:
        risk: of symbols that `overlaps` knows.
        overlaps: which vectors they are the inner products of.
        settings: of every other symbol.
        fixed: the fixed vectors, shape (fixed, d).
        show_vectors: the vectors are the parameters to be read, not their overlaps alone.
    """

    def __init__(
        self, risk: Risk, overlaps: Overlaps, settings: Settings, fixed: np.ndarray, show_vectors: bool
    ) -> None:
        self.overlaps = overlaps
        self.scheduled = bool(settings.schedules)
        self.fixed = fixed
        self.show_vectors = show_vectors
        self.manifolds = (Sphere(fixed.shape[1]),) if overlaps.unit else (None,)
        expr = risk.expr.xreplace(overlaps.constant_entries())
        moving = {symbol: pair for symbol, pair in overlaps.moving.items() if expr.has(symbol)}
        plain = {symbol: sp.Dummy(str(symbol), real=True) if isinstance(symbol, Dot) else symbol for symbol in moving}
        expr = expr.xreplace(plain)
        symbols = tuple(plain.values())
        slopes = Risk(expr, symbols).gradient()
        self._risk = Formulas([expr], symbols, settings)
        self._gradient = Formulas([slopes[symbol] for symbol in symbols], symbols, settings)
        place = {vector: i for i, vector in enumerate((*overlaps.trained, *overlaps.fixed))}
        self._pairs = [(place[one], place[other]) for one, other in moving.values()]
        trained, width = len(overlaps.trained), len(overlaps.vectors)
        self._cells = [i * width + j for i, j in self._pairs]
        self._mirrored = [(j * width + i, n) for n, (i, j) in enumerate(self._pairs) if j < trained]
        self._diagonal = np.arange(trained) * (width + 1)

    def _gram(self, state: Blocks) -> tuple[np.ndarray, np.ndarray]:
        """All vectors, and the inner products of the trained ones with all."""
        trained = state[0]
        starts, count, size = trained.shape
        everything = np.empty((starts, count + len(self.fixed), size))
        everything[:, :count], everything[:, count:] = trained, self.fixed
        return everything, trained @ everything.swapaxes(1, 2)

    def risk(self, state: Blocks, time: float) -> np.ndarray:
        _, gram = self._gram(state)
        return np.array(self._risk([gram[:, i, j] for i, j in self._pairs], time)[0])

    def gradient(self, state: Blocks, time: float) -> Blocks:
        everything, gram = self._gram(state)
        slopes = self._gradient([gram[:, i, j] for i, j in self._pairs], time)
        weights = np.zeros_like(gram)
        flat = weights.reshape(len(gram), -1)
        for cell, slope in zip(self._cells, slopes, strict=True):
            flat[:, cell] = slope
        for cell, position in self._mirrored:  # ⟨x, y⟩ of two trained vectors moves both
            flat[:, cell] += slopes[position]
        if self.overlaps.unit:  # the tangent part, ∇_x R − ⟨∇_x R, x⟩ x, read off the Gram matrix
            flat[:, self._diagonal] -= np.einsum("saj,saj->sa", weights, gram)
        return [weights @ everything]

    def read(self, state: Blocks) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        trained = state[0]
        vectors = {vector: trained[:, i] for i, vector in enumerate(self.overlaps.trained)}
        vectors |= {
            vector: np.broadcast_to(row, trained[:, 0].shape) for vector, row in zip(self.overlaps.fixed, self.fixed)
        }
        overlaps = self.overlaps.of(vectors)
        if not self.show_vectors:
            return overlaps, overlaps
        return {str(vector): vectors[vector].copy() for vector in self.overlaps.trained}, overlaps


class MatrixSlope(Slope):
    """Any risk of matrices and vectors, by `value` and `gradient`; one block a parameter, one start after the other.

    Args:
        risk: with matrix symbols as parameters.
        settings: of the symbols that are no matrices.
        constants: an array for each matrix symbol that is no parameter.
        manifolds: of each parameter, None for flat space.
    """

    def __init__(
        self,
        risk: Risk,
        settings: Settings,
        constants: Mapping[sp.MatrixSymbol, np.ndarray],
        manifolds: tuple[Manifold | None, ...],
    ) -> None:
        self.formula = risk
        self.scheduled = bool(settings.schedules)
        self.settings = settings
        self.constants = dict(constants)
        self.manifolds = manifolds
        dots = sorted({node for node in sp.preorder_traversal(risk.expr) if isinstance(node, Dot)}, key=str)
        symbols = {*risk.parameters, *self.constants}
        self._dots = [node for node in dots if set(node.args) <= symbols and set(node.args) & set(risk.parameters)]

    def _point(self, state: Blocks, start: int, numbers: Mapping[sp.Symbol, float]) -> dict[sp.Basic, Any]:
        at = {p: block[start] for p, block in zip(self.formula.parameters, state, strict=True)}
        return {**self.constants, **numbers, **at}

    def risk(self, state: Blocks, time: float) -> np.ndarray:
        numbers = self.settings.at(time)
        points = (self._point(state, start, numbers) for start in range(len(state[0])))
        return np.array([np.nan if (found := _or_none(value, self.formula, at)) is None else found for at in points])

    def gradient(self, state: Blocks, time: float) -> Blocks:
        numbers = self.settings.at(time)
        result = [np.full_like(block, np.nan) for block in state]
        for start in range(len(state[0])):
            slopes = _or_none(gradient, self.formula, self._point(state, start, numbers))
            for block, p in zip(result, self.formula.parameters if slopes is not None else (), strict=False):
                block[start] = slopes[str(p)].reshape(block.shape[1:])
        return [
            g if manifold is None else manifold.tangent(x, g)
            for manifold, x, g in zip(self.manifolds, state, result, strict=True)
        ]

    def read(self, state: Blocks) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        parameters = {str(p): block.copy() for p, block in zip(self.formula.parameters, state, strict=True)}
        starts = len(state[0])
        arrays = {symbol: np.broadcast_to(array, (starts, *array.shape)) for symbol, array in self.constants.items()}
        arrays |= dict(zip(self.formula.parameters, state, strict=True))
        overlaps = {str(node): np.einsum("sd,sd->s", *(arrays[side] for side in node.args)) for node in self._dots}
        return parameters, overlaps


def _or_none(compute: Callable[..., Any], *arguments: Any) -> Any:
    """The value, or None where the formula has none: what a descent meets on its way is an outcome, no error."""
    try:
        return compute(*arguments)
    except ValueError:
        return None
