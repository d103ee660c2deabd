"""Many points of a domain at once, in floating point, and how suspicious a statement is at each.

    |l − r| / (|l| + |r|)        for l = r
    (l − r) / (|l| + |r|)        for l < r and l ≤ r, and with the sides exchanged for > and ≥

Nothing is concluded here: suspicion says which points are worth a proof. Where formulas go wrong is not uniform:
near the ends, at large or tiny arguments, where two symbols are equal or opposite. So a point is drawn in one of
several ways, the same for all its symbols or another one for each, and some points are neighbours of the most
suspicious ones so far. Every coordinate is a float, that is an exact rational.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp
from sympy.logic.boolalg import Boolean

from numerics.compile import compile_screen
from theory.domain import Domain, FeasibleGram

from .strategies.points import Interval, interval_of, interval_table

__all__ = ["Screen", "draw_many"]

_LARGEST = 6.0  # powers of ten, up and down, for unbounded symbols
_CLOSEST = 8.0  # powers of ten, of the distance to an end relative to the width
_WAYS = 5


@dataclass(frozen=True)
class Screen:
    """A statement over a domain, ready to be looked at in many points.

    Args:
        domain: with an interval for each symbol.
        pairs: both sides of what has to hold, componentwise.
        relation: "=" or that of an inequality.

    Raises:
        NotImplementedError: for a function without a float rule.

    >>> x = sp.Symbol("x", real=True)
    >>> screen = Screen(Domain({x: (0, 1)}), ((x, x**2),), "=")
    >>> screen.suspicion(np.array([[0.5], [1.0]])).round(3)
    array([0.333, 0.   ])
    """

    domain: Domain
    pairs: tuple[tuple[sp.Expr, sp.Expr], ...]
    relation: str

    def __post_init__(self) -> None:
        symbols = self.domain.symbols
        sides = [side for pair in self.pairs for side in pair]
        object.__setattr__(self, "_sides", compile_screen(sides, symbols))
        conditions = [c for c in self.domain.conditions if isinstance(c, Boolean)]
        object.__setattr__(self, "_conditions", _compiled_conditions(conditions, symbols))

    def suspicion(self, points: np.ndarray) -> np.ndarray:
        """How suspicious the worst component is at each row of points; −∞ where it cannot be told."""
        values = self._sides(list(points.T))  # type: ignore[attr-defined]
        worst = np.full(len(points), -np.inf)
        with np.errstate(all="ignore"):
            for left, right in zip(values[::2], values[1::2], strict=True):
                size = np.abs(left) + np.abs(right)
                gap = left - right if self.relation in ("<", "<=") else right - left
                gap = np.abs(gap) if self.relation == "=" else gap
                worst = np.fmax(worst, np.where(size > 0, gap / size, 0.0))
        return worst

    def draw(self, count: int, rng: np.random.Generator, suspects: np.ndarray | None = None) -> np.ndarray:
        """Points of the domain as far as floats can tell, shape (at most count, symbols)."""
        points = draw_many(self.domain, count, rng, suspects)
        for condition in self.domain.conditions:
            if isinstance(condition, FeasibleGram):
                points = _made_feasible(self.domain, condition, points)
        for condition in self._conditions:  # type: ignore[attr-defined]
            points = points[condition(list(points.T))[0] > 0] if len(points) else points
        return points


def _compiled_conditions(conditions: Sequence[Boolean], symbols: Sequence[sp.Symbol]) -> list[Callable]:
    """Those conditions that have a float rule; the others are left to the exact test."""
    compiled = []
    for condition in conditions:
        try:
            compiled.append(compile_screen([condition], symbols))
        except (NotImplementedError, TypeError, ValueError):
            continue
    return compiled


def draw_many(domain: Domain, count: int, rng: np.random.Generator, suspects: np.ndarray | None = None) -> np.ndarray:
    """Points of the box of a domain, shape (count, symbols); the conditions are not looked at.

    Args:
        domain: where.
        count: how many.
        rng: the dice.
        suspects: points, shape (k, symbols), a quarter of the points are drawn around.

    >>> x = sp.Symbol("x", real=True)
    >>> points = draw_many(Domain({x: (0, 1)}), 1000, np.random.default_rng(0))
    >>> points.shape, bool(points.min() >= 0), bool(points.max() <= 1)
    ((1000, 1), True, True)
    """
    symbols = domain.symbols
    intervals = [interval_of(domain, symbol) for symbol in symbols]
    together = rng.integers(_WAYS, size=count)
    alike = rng.random(count) < 0.5
    points = np.empty((count, len(symbols)))
    for i, interval in enumerate(intervals):
        ways = np.where(alike, together, rng.integers(_WAYS, size=count))
        points[:, i] = _column(interval, ways, rng)
    for i in range(1, len(symbols)):  # ties to an earlier symbol: equal, opposite, or nearly so
        tied = rng.random(count) < 0.1
        other = points[np.arange(count), rng.integers(i, size=count)]
        other = other * rng.choice([1.0, 1.0, -1.0], size=count)
        close = other * (1 + 10 ** rng.uniform(-_CLOSEST, -1, count))
        points[:, i] = np.where(tied, np.where(rng.random(count) < 0.5, other, close), points[:, i])
    if suspects is not None and len(suspects):
        points[: count // 4] = _around(suspects, count // 4, rng)
    for i, interval in enumerate(intervals):
        points[:, i] = _inside(interval, points[:, i])
    return points


def _column(interval: Interval, ways: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Numbers of an interval: uniform, from the table, close to an end (or far out), of any scale."""
    count = len(ways)
    table = np.array([float(x) for x in interval_table(interval)])
    low, high = (None if end is None else float(end) for end in (interval.low, interval.high))
    signs = rng.choice([-1.0, 1.0], size=count)
    powers = 10 ** rng.uniform(-_LARGEST, _LARGEST, count)
    if low is not None and high is not None:
        anywhere = rng.uniform(low, high, count)
        close = (high - low) * 10 ** rng.uniform(-_CLOSEST, 0, count)
        near = np.where(signs < 0, low + close, high - close)
        scaled = np.clip(signs * powers, low, high) if low < 0 < high else anywhere
    else:
        end, inwards = (low, 1.0) if low is not None else (high, -1.0)
        moderate = 3 * np.abs(rng.standard_normal(count))
        if end is None:
            anywhere, near, scaled = signs * moderate, signs * powers, signs * 10 ** rng.uniform(-2, 2, count)
        else:
            anywhere, near = end + inwards * moderate, end + inwards * powers
            scaled = end + inwards * 10 ** rng.uniform(-2, 2, count)
    return np.select(
        [ways == 0, ways == 1, ways == 2, ways == 3],
        [rng.choice(table, size=count), near, scaled, anywhere],
        default=anywhere,
    )


def _around(suspects: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Neighbours of points at all distances."""
    chosen = suspects[rng.integers(len(suspects), size=count)]
    distance = 10 ** rng.uniform(-_CLOSEST, 0, (count, 1))
    return chosen + distance * rng.standard_normal(chosen.shape) * (np.abs(chosen) + distance)


def _inside(interval: Interval, numbers: np.ndarray) -> np.ndarray:
    """The numbers moved into the interval; whole where they have to be."""
    if interval.integer:
        numbers = np.rint(numbers)
    if interval.low is not None and interval.high is not None and interval.low == interval.high:
        return np.full_like(numbers, float(interval.low))
    low = -np.inf if interval.low is None else _float_inside(interval, float(interval.low), 1)
    high = np.inf if interval.high is None else _float_inside(interval, float(interval.high), -1)
    return np.clip(numbers, low, high)


def _float_inside(interval: Interval, end: float, inwards: int) -> float:
    """The float nearest to an end that belongs to the interval; for whole numbers the first of them."""
    if interval.integer:
        first = float(np.ceil(end) if inwards > 0 else np.floor(end))
        return first if interval.holds(interval_table(interval)[0].from_float(first)) else first + inwards
    if interval.holds(interval_table(interval)[0].from_float(end)):
        return end
    # Beside an open zero a subnormal number would say more about floats than about the formula.
    return 1e-12 * inwards if end == 0 else float(np.nextafter(end, np.inf * inwards))


def _made_feasible(domain: Domain, condition: FeasibleGram, points: np.ndarray) -> np.ndarray:
    """The points with inner products scaled down by halves until the Gram matrix is positive semidefinite."""
    matrix = condition.matrix
    size = matrix.rows
    entries = compile_screen(matrix.flat(), domain.symbols)
    diagonal = {s for i in range(size) for s in matrix[i, i].free_symbols}
    scaled = np.array([s in matrix.free_symbols and s not in diagonal for s in domain.symbols])
    points = points.copy()
    for _ in range(6):
        grams = np.stack(entries(list(points.T)), axis=-1).reshape(-1, size, size)
        bad = ~(np.linalg.eigvalsh(np.nan_to_num(grams))[:, 0] >= 0)
        if not bad.any():
            break
        points[np.ix_(bad, scaled)] /= 2
    return points[~bad]
