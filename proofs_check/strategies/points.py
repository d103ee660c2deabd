"""Points of a domain, exact rationals that shrink to the simplest ones.

    points(domain)            a dict from symbol to rational, admissible
    points(domain, near=p)    the same near a known point p: the rationals on the way from the simplest to p

The value of a symbol is drawn from a short table made for its interval, simplest first: the rationals of small
height, then primes over primes, the ends and what is close to them, and large numbers where the interval is
unbounded; or it is tied to the value of an earlier symbol, because formulas go wrong where two symbols
are equal, opposite or nearly so. A linear condition narrows the interval of the symbol that is drawn last in it, and
inner products are scaled down until their Gram matrix is positive semidefinite; the rest is left to filtering.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy as sp
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from theory.domain import Domain, FeasibleGram

__all__ = ["interval_table", "points", "simplest_rationals"]

Point = dict[sp.Symbol, sp.Rational]

_SIMPLE = 24
_CLOSE = tuple(Fraction(1, 10**k) for k in (1, 3, 6))
_LARGE = tuple(Fraction(10**k) for k in (1, 2, 3, 6))
_GENERIC = (Fraction(23, 61), Fraction(67, 89), Fraction(13, 97), Fraction(89, 97), Fraction(53, 71), Fraction(3, 89))
_HALVINGS = 6
_TIES: tuple[Callable[[Fraction], Fraction], ...] = (
    lambda x: x,
    lambda x: -x,
    lambda x: x + Fraction(1, 1000),
)


@dataclass(frozen=True)
class Interval:
    """Between two ends, None for an infinite one; open ends do not belong to it.

    Args:
        low, high: the ends.
        open_low, open_high: whether an end is left out.
        integer: only whole numbers belong to it.
    """

    low: Fraction | None
    high: Fraction | None
    open_low: bool = False
    open_high: bool = False
    integer: bool = False

    def holds(self, x: Fraction) -> bool:
        """Whether a number belongs to the interval."""
        if self.integer and x.denominator != 1:
            return False
        above = self.low is None or x > self.low or (x == self.low and not self.open_low)
        return above and (self.high is None or x < self.high or (x == self.high and not self.open_high))

    def below(self, end: Fraction, is_open: bool) -> Interval:
        """The part up to an end."""
        if self.high is not None and (self.high < end or (self.high == end and not is_open)):
            return self
        return Interval(self.low, end, self.open_low, is_open, self.integer)

    def above(self, end: Fraction, is_open: bool) -> Interval:
        """The part from an end on."""
        if self.low is not None and (self.low > end or (self.low == end and not is_open)):
            return self
        return Interval(end, self.high, is_open, self.open_high, self.integer)

    @property
    def width(self) -> Fraction | None:
        """high − low, None for infinity."""
        return None if self.low is None or self.high is None else self.high - self.low


def simplest_rationals(interval: Interval, count: int = _SIMPLE) -> list[Fraction]:
    """The rationals of smallest height max(|p|, q) in an interval; the one of smallest denominator comes with them.

    >>> [str(x) for x in simplest_rationals(Interval(Fraction(0), Fraction(1), open_low=True), 6)]
    ['1', '1/2', '1/3', '2/3', '1/4', '3/4']
    """
    first = _simplest_between(interval)
    if first is None:
        return []
    found = {first}
    for q in range(1, 2 if interval.integer else 13):
        nearest = _nearest_zero(interval, q)
        found.update(x for p in nearest if interval.holds(x := Fraction(p, q)))
    return sorted(found, key=_height)[:count]


def _height(x: Fraction) -> tuple[int, int, int, bool]:
    size = abs(x.numerator)
    return (max(size, x.denominator) if size else 0, x.denominator, size, x < 0)


def _nearest_zero(interval: Interval, q: int) -> Iterator[int]:
    """A dozen numerators p, those of the smallest |p| first, with p/q between the ends."""
    low = -math.inf if interval.low is None else math.ceil(interval.low * q)
    high = math.inf if interval.high is None else math.floor(interval.high * q)
    if low > 0 or high < 0:
        start, step = (int(low), 1) if low > 0 else (int(high), -1)
        numbers: Any = (start + step * j for j in range(12))
    else:
        numbers = (sign * j for j in range(12) for sign in (1, -1))
    return (p for p in numbers if low <= p <= high)


def _simplest_between(interval: Interval) -> Fraction | None:
    """The rational of smallest denominator and numerator in an interval, by the Stern-Brocot tree; None if empty."""
    if interval.holds(Fraction(0)):
        return Fraction(0)
    if interval.width is not None and interval.width <= 0:
        return interval.low if interval.low is not None and interval.holds(interval.low) else None
    if interval.low is None or (interval.high is not None and interval.high <= 0):  # mirrored to the right of zero
        low = None if interval.high is None else -interval.high
        high = None if interval.low is None else -interval.low
        mirrored = Interval(low, high, interval.open_high, interval.open_low, interval.integer)
        if mirrored.low is None:
            return None
        answer = _simplest_between(mirrored)
        return None if answer is None else -answer
    whole = math.floor(interval.low) + (interval.low.denominator != 1 or interval.open_low)
    if interval.holds(Fraction(whole)):
        return Fraction(whole)
    if interval.integer:
        return None
    base = math.floor(interval.low)
    rest, high = interval.low - base, None if interval.high is None else interval.high - base
    if high is None:
        return None
    turned = Interval(1 / high, 1 / rest if rest else None, interval.open_high, interval.open_low)
    inner = _simplest_between(turned)
    return None if inner is None else base + 1 / inner


@lru_cache(maxsize=4096)
def interval_table(interval: Interval) -> tuple[Fraction, ...]:
    """What a symbol is drawn from: simple rationals, generic ones, ends, close to the ends, large; at most 60.

    >>> [str(x) for x in interval_table(Interval(Fraction(0), None, integer=True))[-4:]]
    ['10', '100', '1000', '1000000']
    """
    chosen: dict[Fraction, None] = dict.fromkeys(simplest_rationals(interval))
    width = interval.width
    for part in _GENERIC:
        for x in _spread(interval, part):
            chosen.setdefault(x)
    scale = Fraction(1) if width is None else min(width, Fraction(1))
    for end, inwards in ((interval.low, 1), (interval.high, -1)):
        if end is not None:
            chosen.setdefault(end)
            for close in _CLOSE:
                chosen.setdefault(end + inwards * scale * close)
    for large in _LARGE:
        for x in (large, -large):
            chosen.setdefault(x)
    kept = [x for x in chosen if interval.holds(x)]
    last = [x for x in kept if interval.integer and x in _LARGE]  # large numbers last, wherever they came in
    return tuple([x for x in kept if x not in last] + last)


def _spread(interval: Interval, part: Fraction) -> Iterator[Fraction]:
    """A generic point of the interval, or two of an unbounded one."""
    width = interval.width
    if interval.low is not None and width is not None:
        yield interval.low + width * part
    elif interval.low is not None:
        yield interval.low + 3 * part
    elif interval.high is not None:
        yield interval.high - 3 * part
    else:
        yield from (3 * part, -3 * part)


@lru_cache(maxsize=4096)
def _on_the_way(interval: Interval, x: Fraction) -> tuple[Fraction, ...]:
    """From the simplest rationals of an interval to x, which comes last: at most 33.

    Between them stand x with smaller denominators, and x with its distance from zero or from an end rounded to one
    digit, or a tenth of it.
    """
    closer = [x.limit_denominator(limit) for limit in (4, 16, 64, 1000, 10**6)]
    anchors = dict.fromkeys(end for end in (Fraction(0), interval.low, interval.high) if end is not None)
    rounded = [anchor + step for anchor in anchors for step in _one_digit(x - anchor)]
    chosen = dict.fromkeys(y for y in (*simplest_rationals(interval, 10), *closer, *rounded) if interval.holds(y))
    return (*sorted(list(chosen)[:32], key=_complexity), x)


def _one_digit(distance: Fraction) -> list[Fraction]:
    """1, 2 and 5 times the powers of ten from a tenth of a number to just above it."""
    if distance == 0:
        return []
    size, sign = abs(distance), 1 if distance > 0 else -1
    power = Fraction(10) ** (len(str(size.numerator)) - len(str(size.denominator)))
    steps = [power * Fraction(10) ** k * digit for k in (-2, -1, 0, 1) for digit in (1, 2, 5)]
    above = next(i for i, step in enumerate(steps) if step >= size)
    return [sign * step for step in steps[max(above - 4, 0) : above + 1]]


def _complexity(x: Fraction) -> tuple[int, int, int, int, bool]:
    """Fewest significant digits first, then by height: 1, 1/2, 3, …, 1000 before 1/13."""
    digits = len(str(abs(x.numerator)).rstrip("0") or "0") + len(str(x.denominator).rstrip("0"))
    return (digits, *_height(x))


# --- a point of a domain -----------------------------------------------------------------


@dataclass(frozen=True)
class _Bound:
    """A linear condition on a symbol: slope · (symbol − end) ≤ 0, or < 0, both free of the symbol."""

    slope: sp.Expr
    end: sp.Expr
    is_open: bool

    def narrowed(self, interval: Interval, known: Mapping[sp.Symbol, sp.Rational]) -> Interval:
        """The interval as far as the condition allows, given the symbols drawn before."""
        slope, end = self.slope.xreplace(known), self.end.xreplace(known)
        if not (isinstance(slope, sp.Rational) and isinstance(end, sp.Rational)) or slope == 0:
            return interval
        cut = interval.below if (slope > 0) else interval.above
        return cut(_fraction(end), self.is_open)


def points(domain: Domain, near: Mapping[sp.Symbol, sp.Rational] | None = None) -> SearchStrategy[Point]:
    """Admissible points of a domain: exact rationals that shrink to the simplest.

    Args:
        domain: intervals, also unbounded, assumptions of the symbols, and conditions. Linear conditions and
            feasible Gram matrices are respected by construction, others by filtering.
        near: a point of the domain; then values are drawn on the way to it, most often the point itself, so that
            shrinking starts from there.

    Raises:
        TypeError: if it is no domain.

    >>> from hypothesis import find
    >>> x, n = sp.Symbol("x", positive=True), sp.Symbol("n", integer=True, positive=True)
    >>> find(points(Domain({x: (0, sp.oo), n: (1, sp.oo)})), lambda at: at[x] * at[n] > 2)
    {x: 1, n: 3}
    """
    if not isinstance(domain, Domain):
        raise TypeError(f"expected a Domain, got {domain!r}")
    return _points(domain, tuple((near or {}).items()))


@st.composite
def _points(draw: Callable, domain: Domain, near: tuple[tuple[sp.Symbol, sp.Rational], ...]) -> Point:
    known: Point = {}
    target = dict(near)
    bounds = _bounds_of(domain)
    for symbol in domain.symbols:
        interval = interval_of(domain, symbol)
        for bound in bounds.get(symbol, ()):
            interval = bound.narrowed(interval, known)
        if symbol in target and interval.holds(_fraction(target[symbol])):
            table = _on_the_way(interval, _fraction(target[symbol]))
            # Three times out of four the target itself.
            x = table[min(draw(st.integers(0, min(4 * len(table), 99) - 1)), len(table) - 1)]
        else:
            table = interval_table(interval)
            tied = [x for value in known.values() for tie in _TIES if interval.holds(x := tie(_fraction(value)))]
            choices = (*table, *tied[: 99 - len(table)])
            assume(choices)
            x = choices[draw(st.integers(0, len(choices) - 1))]
        known[symbol] = _rational(x)
    point = made_feasible(domain, known)
    assume(point is not None and (not domain.conditions or domain.contains(point) is True))
    return point if point is not None else known


def made_feasible(domain: Domain, point: Point) -> Point | None:
    """The point with its inner products scaled by 1, 1/2, 1/4, … until every Gram matrix is positive semidefinite.

    Only symbols that stand off the diagonal, and nowhere on it, are scaled. None if that does not help.
    """
    grams = [condition for condition in domain.conditions if isinstance(condition, FeasibleGram)]
    if not grams:
        return point
    scaled = _inner_products(tuple(grams))
    for halvings in range(_HALVINGS):
        tried = {symbol: x / 2**halvings if symbol in scaled else x for symbol, x in point.items()}
        if all(gram.holds(tried) is True for gram in grams):
            return tried
    return None


@lru_cache(maxsize=256)
def _inner_products(grams: tuple[FeasibleGram, ...]) -> frozenset[sp.Basic]:
    on_diagonal = {s for gram in grams for i in range(gram.matrix.rows) for s in gram.matrix[i, i].free_symbols}
    return frozenset(s for gram in grams for s in gram.matrix.free_symbols if s not in on_diagonal)


@lru_cache(maxsize=4096)
def interval_of(domain: Domain, symbol: sp.Symbol) -> Interval:
    """The interval of a symbol with what its assumptions leave of it; irrational ends are moved inwards."""
    low, high = domain.interval(symbol)
    interval = Interval(_end(low, inwards=1), _end(high, inwards=-1), integer=bool(symbol.is_integer))
    zero = Fraction(0)
    if symbol.is_nonnegative:
        interval = interval.above(zero, bool(symbol.is_positive))
    if symbol.is_nonpositive:
        interval = interval.below(zero, bool(symbol.is_negative))
    return interval


def _end(end: sp.Expr, inwards: int) -> Fraction | None:
    if end.is_infinite:
        return None
    if isinstance(end, sp.Rational):
        return _fraction(end)
    scaled = end * 10**12
    rounded = sp.ceiling(scaled) if inwards > 0 else sp.floor(scaled)
    return Fraction(int(rounded), 10**12)


@lru_cache(maxsize=256)
def _bounds_of(domain: Domain) -> dict[sp.Symbol, tuple[_Bound, ...]]:
    """The linear conditions, by the symbol that is drawn last in each."""
    order = {symbol: i for i, symbol in enumerate(domain.symbols)}
    bounds: dict[sp.Symbol, list[_Bound]] = {}
    for condition in _relations(domain.conditions):
        symbols = condition.free_symbols
        if not symbols or not symbols <= set(order):
            continue
        last = max(symbols, key=lambda s: order[s])
        difference = condition.lts - condition.gts  # is to be negative
        slope = difference.diff(last)
        if last in slope.free_symbols:
            continue
        end = -difference.subs(last, 0) / slope
        is_open = isinstance(condition, (sp.StrictLessThan, sp.StrictGreaterThan))
        bounds.setdefault(last, []).append(_Bound(slope, end, is_open))
    return {symbol: tuple(found) for symbol, found in bounds.items()}


def _relations(conditions: Any) -> Iterator[Any]:
    for condition in conditions:
        if isinstance(condition, sp.And):
            yield from _relations(condition.args)
        elif isinstance(condition, (sp.LessThan, sp.GreaterThan, sp.StrictLessThan, sp.StrictGreaterThan)):
            yield condition


def _fraction(x: sp.Rational) -> Fraction:
    return Fraction(int(x.p), int(x.q))


def _rational(x: Fraction) -> sp.Rational:
    return sp.Rational(x.numerator, x.denominator)
