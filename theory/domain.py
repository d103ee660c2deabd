"""Where a statement is asserted: an interval for each symbol, and conditions between them.

    D = {(s₁, …, s_r) : low_i ≤ s_i ≤ high_i, conditions}

A domain draws *generic* rational points, whose numerators and denominators are primes of
three to five digits: zeros, ones and midpoints are where wrong terms vanish. A condition
is a sympy relational, or an object with `holds(point)` and `text()` such as `FeasibleGram`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational as RationalNumber
from typing import Any, Protocol, runtime_checkable

import sympy as sp
from sympy.logic.boolalg import Boolean, BooleanFalse, BooleanTrue

from .latex import to_latex

__all__ = ["Condition", "Domain", "FeasibleGram", "Symmetric"]

Point = dict[sp.Symbol, sp.Rational]

NUMBER = re.compile(r"[+-]?[0-9]{1,100}(\.[0-9]{1,100}|/0*[1-9][0-9]{0,99})?")

ATTEMPTS = 10_000
INTEGERS_TRIED = 40
PRIMES = tuple(sp.primerange(101, 20_000))


@runtime_checkable
class Condition(Protocol):
    """What can be asked of a point besides its intervals."""

    def holds(self, point: Mapping) -> bool | None:
        """Whether the point satisfies the condition; None if that cannot be told."""

    def text(self) -> str:
        """The condition as a phrase."""


@dataclass(frozen=True)
class FeasibleGram:
    """The inner products in a symmetric matrix are those of some vectors.

        G = (⟨x_i, x_j⟩)  exists  ⟺  G is positive semidefinite

    Args:
        matrix: explicit and symmetric, of symbols and numbers.

    Raises:
        ValueError: if the matrix is not square and symmetric.

    >>> c = sp.Symbol("c", real=True)
    >>> condition = FeasibleGram(sp.Matrix([[1, c], [c, 1]]))
    >>> condition.holds({c: sp.Rational(1, 2)}), condition.holds({c: 2})
    (True, False)
    """

    matrix: sp.ImmutableMatrix

    def __post_init__(self) -> None:
        matrix = sp.ImmutableMatrix(self.matrix)
        if matrix.rows != matrix.cols or matrix != matrix.T:
            raise ValueError(f"expected a symmetric matrix of inner products, got {self.matrix}")
        object.__setattr__(self, "matrix", matrix)

    def holds(self, point: Mapping) -> bool | None:
        """Whether the matrix is positive semidefinite at the point, by exact elimination."""
        values = _exact_point(point)
        entries = [values.get(entry) or entry.xreplace(values) for entry in self.matrix.flat()]
        if not all(isinstance(entry, sp.Rational) for entry in entries):
            return sp.ImmutableMatrix(*self.matrix.shape, entries).is_positive_semidefinite
        numbers = [Fraction(int(entry.p), int(entry.q)) for entry in entries]
        size = self.matrix.rows
        return _is_positive_semidefinite([numbers[i * size : (i + 1) * size] for i in range(size)])

    def restrict(self, values: Mapping) -> FeasibleGram:
        """The same condition with some symbols fixed."""
        return FeasibleGram(self.matrix.subs(dict(values), simultaneous=True))

    def text(self) -> str:
        return f"the Gram matrix {self.matrix.tolist()} is positive semidefinite"

    def latex(self) -> str:
        return f"{_latex(self.matrix)} \\succeq 0"


def _is_positive_semidefinite(rows: list[list[Fraction]]) -> bool:
    """Exact LDLᵀ: no pivot is negative, and a zero pivot has a zero row."""
    rows = [list(row) for row in rows]
    size = len(rows)
    for i in range(size):
        pivot = rows[i][i]
        if pivot < 0 or (pivot == 0 and any(rows[i][j] != 0 for j in range(i + 1, size))):
            return False
        for k in range(i + 1, size):
            if rows[k][i] == 0:
                continue
            factor = rows[k][i] / pivot
            for j in range(i + 1, size):
                rows[k][j] -= factor * rows[i][j]
    return True


@dataclass(frozen=True)
class Symmetric:
    """A matrix parameter is its own transpose, or even a covariance.

        A = Aᵀ        with is_covariance also  uᵀ A u ≥ 0

    The matrices of a domain are not drawn as its numbers are; checks that know matrices ask `Domain.symmetric`.

    Args:
        matrix: a square matrix symbol.
        is_covariance: whether it is positive semidefinite as well.

    Raises:
        TypeError: if it is no matrix symbol.
        ValueError: if it is not square.

    >>> A = sp.MatrixSymbol("A", 2, 2)
    >>> Domain({}, conditions=(Symmetric(A),)).symmetric
    frozenset({A})
    """

    matrix: sp.MatrixSymbol
    is_covariance: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.matrix, sp.MatrixSymbol):
            raise TypeError(f"expected a matrix symbol that is symmetric, got {self.matrix!r}")
        if self.matrix.rows != self.matrix.cols:
            raise ValueError(f"expected a square matrix, got {self.matrix} of shape {self.matrix.shape}")

    def holds(self, point: Mapping) -> bool | None:
        """Whether the matrix, if the point gives it, is symmetric, and semidefinite where it has to be."""
        value = point.get(self.matrix)
        if value is None:
            return True
        if sp.Matrix(value) != sp.Matrix(value).T:
            return False
        return FeasibleGram(value).holds({}) if self.is_covariance else True

    def restrict(self, values: Mapping) -> Symmetric:
        """The same condition: numbers do not touch it."""
        return self

    def text(self) -> str:
        return f"{self.matrix.name} {'a covariance' if self.is_covariance else 'symmetric'}"

    def latex(self) -> str:
        equation = rf"{_latex(self.matrix)}^{{T}} = {_latex(self.matrix)}"
        return equation + (r" \succeq 0" if self.is_covariance else "")


@dataclass(frozen=True)
class _Fixed:
    """A condition in which some symbols have been given values."""

    condition: Condition
    values: tuple[tuple[sp.Symbol, sp.Expr], ...]

    def holds(self, point: Mapping) -> bool | None:
        exact = _exact_point(point)
        return self.condition.holds({**exact, **{symbol: expr.xreplace(exact) for symbol, expr in self.values}})

    def text(self) -> str:
        return self.condition.text() + " with " + ", ".join(f"{symbol}={expr}" for symbol, expr in self.values)


def _latex(expr: sp.Basic) -> str:
    return to_latex(expr, width=10**6)


def _exact(value: Any, name: Any) -> sp.Expr:
    """A number as an exact sympy number; floats as the binary fractions they are, text as written."""
    if isinstance(value, sp.Expr) and not value.has(sp.Float):
        return value
    if isinstance(value, RationalNumber) and not isinstance(value, bool):
        return sp.Rational(int(value.numerator), int(value.denominator))
    if isinstance(value, (float, sp.Float)):
        return sp.Rational(value)
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return sp.Rational(*Fraction(value).as_integer_ratio())
    raise TypeError(f"expected a number for {name}, got {value!r} of type {type(value).__name__}")


def _exact_point(point: Mapping) -> dict[sp.Symbol, sp.Expr]:
    return {symbol: _exact(value, symbol) for symbol, value in point.items()}


@dataclass(frozen=True)
class Domain:
    """Where a statement is asserted.

    Args:
        intervals: a dict from symbol to (low, high), exact numbers, also as text ("1/10"), or ±oo. The ends
            belong to the domain as far as the symbol's own assumptions allow; integer symbols take
            integer values.
        conditions: sympy relationals, or objects with `holds(point)` and `text()`.

    Raises:
        TypeError: if a key is no symbol or an end no exact number.
        ValueError: if an interval is empty or a condition is false.

    >>> kappa, lam = sp.Symbol("kappa", real=True), sp.Symbol("lam", positive=True)
    >>> unit = Domain({kappa: (-1, 1), lam: (0, sp.oo)})
    >>> print(unit)
    kappa in [-1, 1], lam in (0, oo)
    >>> unit.contains({kappa: 2, lam: 1})
    False
    """

    intervals: Any
    conditions: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        items = self.intervals.items() if isinstance(self.intervals, Mapping) else self.intervals
        intervals = tuple((symbol, _interval(symbol, ends)) for symbol, ends in items)
        names = [symbol for symbol, _ in intervals]
        if len(set(names)) < len(names):
            raise ValueError(f"expected every symbol once, got {names}")
        given = self.conditions if isinstance(self.conditions, (tuple, list, set)) else (self.conditions,)
        conditions = tuple(_condition(condition) for condition in given if condition not in (True, sp.true))
        object.__setattr__(self, "intervals", intervals)
        object.__setattr__(self, "conditions", conditions)

    @property
    def symbols(self) -> tuple[sp.Symbol, ...]:
        """The symbols, in the order they were given."""
        return tuple(symbol for symbol, _ in self.intervals)

    @property
    def symmetric(self) -> frozenset[sp.MatrixSymbol]:
        """The matrices that are symmetric by a condition."""
        return frozenset(condition.matrix for condition in self.conditions if isinstance(condition, Symmetric))

    @property
    def covariances(self) -> frozenset[sp.MatrixSymbol]:
        """The matrices among the symmetric ones that are positive semidefinite by a condition."""
        conditions = (c for c in self.conditions if isinstance(c, Symmetric) and c.is_covariance)
        return frozenset(condition.matrix for condition in conditions)

    def interval(self, symbol: sp.Symbol) -> tuple[sp.Expr, sp.Expr]:
        """The two ends for a symbol.

        Raises:
            KeyError: if the domain does not speak of the symbol.
        """
        try:
            return dict(self.intervals)[symbol]
        except KeyError:
            raise KeyError(f"the domain has no symbol {symbol}; it has {', '.join(map(str, self.symbols))}") from None

    def contains(self, point: Mapping) -> bool | None:
        """Whether a point belongs to the domain; None when that cannot be told.

        Args:
            point: a number for each symbol. A symbol without a value makes the answer None,
                unless another one is already outside; other symbols are ignored.
        """
        values = _exact_point(point)
        answers = [_inside(symbol, low, high, values.get(symbol)) for symbol, (low, high) in self.intervals]
        if False in answers:
            return False
        if None in answers and not set(self.symbols) <= set(values):
            return None
        answers += [_satisfied(condition, values) for condition in self.conditions]
        return False if False in answers else None if None in answers else True

    def draw(self, rng: Any) -> Point:
        """A generic rational point, inside every interval and satisfying every condition.

        Args:
            rng: a numpy Generator (or a `random.Random`).

        Raises:
            ValueError: if no admissible point is found, naming the condition that refused most.
        """
        refused: dict[Any, int] = {}
        for _ in range(ATTEMPTS):
            point = self._candidate(rng)
            failing = next((c for c in self.conditions if _satisfied(c, point) is not True), None)
            if failing is None:
                return point
            refused[failing] = refused.get(failing, 0) + 1
        worst = max(refused, key=lambda condition: refused[condition])
        raise ValueError(
            f"no admissible point in {ATTEMPTS} draws from {self._box_text()}: "
            f"{_condition_text(worst)} was violated in {refused[worst]} of them; "
            "narrow the intervals or relax the condition"
        )

    def generic_points(self, count: int, seed: int) -> list[Point]:
        """So many different generic points, the same for the same seed.

        Fewer come back when the domain has no more, as when all its symbols are integers.

        >>> x = sp.Symbol("x", real=True)
        >>> len(Domain({x: (0, 1)}).generic_points(3, seed=0))
        3
        """
        rng = random.Random(seed)
        points: list[Point] = []
        for _ in range(4 * count):
            if len(points) == count:
                break
            point = self.draw(rng)
            if point not in points:
                points.append(point)
        return points

    def widened(self, fraction: Any) -> Domain:
        """The domain with every finite end moved outwards, by a fraction of the interval's width.

        With one infinite end the width is taken as max(1, |finite end|).

        >>> x = sp.Symbol("x", real=True)
        >>> print(Domain({x: (-1, 1)}).widened(sp.Rational(1, 4)))
        x in [-3/2, 3/2]
        """
        by = _exact(fraction, "fraction")
        return Domain({symbol: _widened(low, high, by) for symbol, (low, high) in self.intervals}, self.conditions)

    def restrict(self, values: Mapping) -> Domain:
        """The domain with some symbols fixed, to numbers or to expressions in the others.

        Raises:
            KeyError: if the domain does not speak of a symbol.
            ValueError: if a number lies outside.

        >>> x, y = sp.symbols("x y", real=True)
        >>> print(Domain({x: (-1, 1), y: (0, 3)}, conditions=(x < y,)).restrict({x: 0}))
        y in [0, 3], 0 < y
        """
        fixed = {symbol: _exact(value, symbol) for symbol, value in values.items()}
        conditions: list[Any] = []
        for symbol, value in fixed.items():
            low, high = self.interval(symbol)
            inside = _inside(symbol, low, high, value)
            if inside is False:
                raise ValueError(f"expected {symbol} in {_interval_text(symbol, low, high)}, got {symbol}={value}")
            if inside is None:
                conditions += [relation for relation in (low <= value, value <= high) if relation != sp.true]
        conditions += [_restricted(condition, fixed) for condition in self.conditions]
        return Domain({symbol: ends for symbol, ends in self.intervals if symbol not in fixed}, tuple(conditions))

    def text(self) -> str:
        """The domain on one line."""
        return ", ".join(part for part in (self._box_text(), self.conditions_text()) if part)

    def conditions_text(self) -> str:
        """The conditions on one line; empty when there are none."""
        return ", ".join(_condition_text(condition) for condition in self.conditions)

    def latex(self) -> str:
        """The domain in LaTeX, without dollar signs."""
        parts = [_interval_latex(symbol, low, high) for symbol, (low, high) in self.intervals]
        return r",\ ".join(parts + [_condition_latex(condition) for condition in self.conditions])

    def __str__(self) -> str:
        return self.text()

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def _box_text(self) -> str:
        return ", ".join(f"{symbol} in {_interval_text(symbol, low, high)}" for symbol, (low, high) in self.intervals)

    def _candidate(self, rng: Any) -> Point:
        """A generic point of the intervals; two symbols share a value only when they must."""
        point: Point = {}
        for symbol, (low, high) in self.intervals:
            for _ in range(5):
                ends = _usable_ends(symbol, low, high)
                value = _generic_integer(*ends, rng) if symbol.is_integer else _generic_rational(*ends, rng)
                if value not in point.values() and -value not in point.values():
                    break
            point[symbol] = value
        return point


def _interval(symbol: Any, ends: Any) -> tuple[sp.Expr, sp.Expr]:
    if not isinstance(symbol, sp.Symbol):
        raise TypeError(f"expected a symbol, got {symbol!r} with the interval {ends}")
    if not isinstance(ends, (tuple, list, sp.Tuple)) or len(ends) != 2:
        raise TypeError(f"expected (low, high) for {symbol}, got {ends!r}")
    low, high = (_end(end, symbol) for end in ends)
    if not (low <= high) == sp.true or low == sp.oo or high == -sp.oo:
        raise ValueError(f"expected low <= high for {symbol}, got ({low}, {high})")
    if _usable_ends(symbol, low, high)[0] > _usable_ends(symbol, low, high)[1]:
        raise ValueError(f"no value of {symbol} between {low} and {high} meets its assumptions")
    return low, high


def _end(end: Any, symbol: sp.Symbol) -> sp.Expr:
    if isinstance(end, float) or (isinstance(end, sp.Basic) and end.has(sp.Float)):
        raise TypeError(f'expected exact ends for {symbol}, got the float {end}; write sp.Rational("{end}")')
    exact = _exact(end, symbol)
    if exact.free_symbols or exact.is_extended_real is not True:
        raise TypeError(
            f"expected real numbers as ends for {symbol}, got {exact}; put relations between symbols "
            "into the conditions"
        )
    return exact


def _condition(condition: Any) -> Any:
    if isinstance(condition, BooleanFalse) or condition is False:
        raise ValueError("a condition of the domain is false; no point would be admissible")
    if isinstance(condition, (Boolean, Condition)):
        return condition
    raise TypeError(
        f"expected a sympy relational or an object with holds(point) and text() as condition, got {condition!r}"
    )


def _condition_text(condition: Any) -> str:
    return str(condition) if isinstance(condition, Boolean) else condition.text()


def _condition_latex(condition: Any) -> str:
    if isinstance(condition, Boolean):
        return to_latex(condition)
    return condition.latex() if hasattr(condition, "latex") else rf"\text{{{condition.text()}}}"


def _restricted(condition: Any, values: dict) -> Any:
    if isinstance(condition, Boolean):
        return condition.subs(values, simultaneous=True)
    return condition.restrict(values) if hasattr(condition, "restrict") else _Fixed(condition, tuple(values.items()))


def _satisfied(condition: Any, point: Mapping) -> bool | None:
    if not isinstance(condition, Boolean):
        return condition.holds(point)
    answer = condition.xreplace(dict(point))
    return True if isinstance(answer, BooleanTrue) else False if isinstance(answer, BooleanFalse) else None


def _inside(symbol: sp.Symbol, low: sp.Expr, high: sp.Expr, value: sp.Expr | None) -> bool | None:
    """Whether a value lies between the ends and meets the symbol's assumptions."""
    if value is None:
        return None
    answers = [_satisfied(sp.And(low <= value, value <= high), {})]
    for fact, expected in symbol.assumptions0.items():
        if fact in ("integer", "positive", "negative", "nonnegative", "nonpositive", "nonzero", "real"):
            actual = getattr(value, f"is_{fact}")
            answers.append(None if actual is None else actual == expected)
    return False if False in answers else None if None in answers else True


def _usable_ends(symbol: sp.Symbol, low: sp.Expr, high: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """The ends that the assumptions positive and negative leave."""
    if symbol.is_nonnegative:
        low = sp.Max(low, 0)
    if symbol.is_nonpositive:
        high = sp.Min(high, 0)
    return low, high


def _generic_integer(low: sp.Expr, high: sp.Expr, rng: Any) -> sp.Integer:
    """An integer of the interval near its finite end, not 0 or ±1 if there is another."""
    finite_low = int(sp.ceiling(low)) if low.is_finite else None
    finite_high = int(sp.floor(high)) if high.is_finite else None
    if finite_low is None:
        finite_low = -INTEGERS_TRIED // 2 if finite_high is None else finite_high - INTEGERS_TRIED
    last = finite_low + INTEGERS_TRIED if finite_high is None else min(finite_high, finite_low + 10 * INTEGERS_TRIED)
    if last < finite_low:
        raise ValueError(f"there is no integer between {low} and {high}")
    value = finite_low
    for _ in range(20):
        value = finite_low + _below(last - finite_low + 1, rng)
        if abs(value) > 1:
            break
    return sp.Integer(value)


def _generic_rational(low: sp.Expr, high: sp.Expr, rng: Any) -> sp.Rational:
    """A rational strictly inside: low + (high − low)·p/q with primes p < q; infinite ends by q/p."""
    if low == high:
        return low
    q = PRIMES[len(PRIMES) // 2 + _below(len(PRIMES) // 2, rng)]
    p = PRIMES[_below(len(PRIMES) // 2, rng)]
    ratio = sp.Rational(int(p), int(q))
    if low.is_finite and high.is_finite:
        inner_low, inner_high = _rational_inside(low, high)
        share = ratio if _below(2, rng) else 1 - ratio
        return inner_low + (inner_high - inner_low) * share
    away = ratio * sp.Integer(1 + _below(4, rng))
    if low.is_finite:
        return _rational_above(low) + away
    if high.is_finite:
        return -_rational_above(-high) - away
    return away if _below(2, rng) else -away


def _rational_above(number: sp.Expr) -> sp.Rational:
    """The number if it is rational, otherwise a rational a little above it."""
    return number if isinstance(number, sp.Rational) else sp.ceiling(number * 10**6) / sp.Integer(10**6)


def _rational_inside(low: sp.Expr, high: sp.Expr) -> tuple[sp.Rational, sp.Rational]:
    """Rational ends of an interval inside the given one."""
    if isinstance(low, sp.Rational) and isinstance(high, sp.Rational):
        return low, high
    scale = 10**6 * (1 + sp.ceiling(1 / (high - low)))
    return sp.ceiling(low * scale) / sp.Integer(scale), sp.floor(high * scale) / sp.Integer(scale)


def _widened(low: sp.Expr, high: sp.Expr, by: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    if low.is_finite and high.is_finite:
        return low - by * (high - low), high + by * (high - low)
    return (
        low - by * sp.Max(1, abs(low)) if low.is_finite else low,
        high + by * sp.Max(1, abs(high)) if high.is_finite else high,
    )


def _is_open_below(symbol: sp.Symbol, low: sp.Expr) -> bool:
    return bool(low.is_infinite or (low.is_zero and symbol.is_positive))


def _is_open_above(symbol: sp.Symbol, high: sp.Expr) -> bool:
    return bool(high.is_infinite or (high.is_zero and symbol.is_negative))


def _interval_text(symbol: sp.Symbol, low: sp.Expr, high: sp.Expr) -> str:
    if symbol.is_integer and low.is_finite:
        return f"{{{low}, {low + 1}, ...}}" if high.is_infinite else f"{{{low}, ..., {high}}}"
    left, right = "(" if _is_open_below(symbol, low) else "[", ")" if _is_open_above(symbol, high) else "]"
    return f"{left}{low}, {high}{right}"


def _interval_latex(symbol: sp.Symbol, low: sp.Expr, high: sp.Expr) -> str:
    name = _latex(symbol)
    if symbol.is_integer and low.is_finite:
        members = rf"{low}, {low + 1}, \dots" if high.is_infinite else rf"{low}, \dots, {high}"
        return rf"{name} \in \{{{members}\}}"
    left, right = "(" if _is_open_below(symbol, low) else "[", ")" if _is_open_above(symbol, high) else "]"
    return rf"{name} \in {left}{_latex(low)}, {_latex(high)}{right}"


def _below(bound: int, rng: Any) -> int:
    """An integer in 0, …, bound − 1 from a numpy Generator or a `random.Random`."""
    return int(rng.integers(bound)) if hasattr(rng, "integers") else rng.randrange(bound)
