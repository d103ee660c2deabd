"""An inequality proven on a whole box: branch and prune with Taylor expansions in balls.

A box is cut into cells until on each of them the enclosure of left minus right has a sign. On a cell with
centre c and half widths u, Taylor's theorem gives one enclosure for each order k

    f(c + tu)  ∈  Σ_{j<k} f_j t^j + F_k t^k,    t ∈ [−1, 1],

with f_j the coefficients at the centre (thin balls) and F_k the k-th coefficient over the whole cell (a wide
ball): k = 0 is naive evaluation, k = 1 the mean value form; they are intersected. In one symbol k goes up to
six. In several, f_1 is the gradient at the centre and F_1, F_2 are taken in the direction of the ball
[−u, u], up to the second order. This is done at *every node* of the tree, so that a product of large and
small factors does not lose the range of either.

The expansion runs through the tree of the expression, every node a truncated power series of balls. A special
function F(s) is F(s₀) + ∫ Σ F_i(s) s_i′ with its partial derivatives F_i from sympy, so a new one needs no
rule here. What may jump (floor, a piecewise function) has its naive enclosure and no more; Abs, Max and Min
have one order, with their subgradients. Functions are real: beyond its domain log has no value.

References: R. E. Moore, R. B. Kearfott, M. J. Cloud, Introduction to Interval Analysis (2009), chapters 6
and 9.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache, reduce
from operator import add, mul
from typing import Any, TypeAlias

import sympy as sp
from flint import arb, arb_series, ctx, fmpq

from numerics.balls import ball, compile_ball
from numerics.certify import exact_ends
from theory.domain import Domain
from theory.integral import GaussianIntegral
from theory.special import BivariateNormalCDF, NormalCDF, OwenT
from theory.statement import Inequality, evaluate_expectations

from .check import Check, Checkable, Context
from .verdict import Evidence, Outcome, Verdict, Witness

__all__ = ["CertifiedOnBox"]

BITS = 128
ORDERS = 6  # of Taylor's theorem in one symbol: cheaper than the cells it saves
MOST_SYMBOLS = 3
SMALLEST = 2.0**-40  # of the domain's width: below it a cell is left alone
WITNESS_DIGITS = 20
UNABLE = (NotImplementedError, ValueError, ArithmeticError)

Series: TypeAlias = Any  # arb_series
Cell = tuple[tuple[fmpq, fmpq], ...]


@dataclass(frozen=True)
class CertifiedOnBox(Check):
    """An inequality in one to three symbols, proven at every point of a compact domain.

    Conditions of the domain that are relations take cells away; other conditions are not used, so that the
    inequality is proven on more than was asked. Symbols of integers are treated as reals, except where a
    witness is needed.

    Args:
        seconds: time budget of the check; by default the context's.

    Verdicts: *holds* (certified, "on the whole domain") when every cell is proven; *fails* with a point where
    the inequality is certainly violated; *undecided* when the time ends or the two sides come too close,
    saying how much of the domain was proven.

    >>> import numpy as np
    >>> from proofs_check.claim import Claim
    >>> x = sp.Symbol("x", real=True)
    >>> below = lambda: Inequality(1 + x/2, "<", sp.exp(x))
    >>> claim = Claim("line", "1 + x/2 < eˣ.", below, Domain({x: (1, 4)}), "", ())
    >>> print(CertifiedOnBox().run(claim, Context(np.random.default_rng(0))).scope)
    on the whole domain
    """

    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"expected seconds > 0, got seconds={self.seconds!r}")

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Cut the claim's domain into cells and prove or refute the inequality on each."""
        start = time.monotonic()
        seconds = context.seconds if self.seconds is None else self.seconds

        def verdict(outcome: Outcome, scope: str, reason: str, witness: Witness | None = None) -> Verdict:
            elapsed = time.monotonic() - start
            return Verdict(outcome, Evidence.CERTIFIED, scope, reason, witness, context.seed, elapsed)

        statement = claim.statement.map(evaluate_expectations)
        if not isinstance(statement, Inequality):
            kind = type(statement).__name__
            return verdict(Outcome.UNDECIDED, "", f"a box decides an Inequality, not a {kind}; use another check")
        try:
            symbols, box = _box(statement, claim.domain)
            search = _Search(statement, claim.domain, symbols, box)
            witness = search.run(start + seconds)
        except UNABLE as error:
            return verdict(Outcome.UNDECIDED, "", str(error))
        if witness is not None:
            return verdict(Outcome.FAILS, "at a point of the domain", "the balls of the two sides say so", witness)
        if not search.unproven:
            count = f"{search.cells:,} cell{'s' * (search.cells != 1)}"
            return verdict(Outcome.HOLDS, "on the whole domain", f"proven on each of {count}")
        return verdict(Outcome.UNDECIDED, "", search.what_is_left(seconds))


def _box(statement: Inequality, domain: Domain) -> tuple[tuple[sp.Symbol, ...], Cell]:
    """The symbols of the inequality with an outer interval for each, exact rationals."""
    free = statement.lhs.free_symbols | statement.rhs.free_symbols
    strangers = sorted(str(symbol) for symbol in free - set(domain.symbols))
    if strangers:
        raise ValueError(
            f"the statement contains {', '.join(strangers)}, which the domain does not name "
            "(the same name with other assumptions is another symbol); add an interval for it"
        )
    symbols = tuple(symbol for symbol in domain.symbols if symbol in free)
    if len(symbols) > MOST_SYMBOLS:
        raise ValueError(
            f"expected at most {MOST_SYMBOLS} symbols for a proof by cells, got "
            f"{', '.join(map(str, symbols))}; give some of them values, or use CertifiedNumerics at points"
        )
    box = []
    for symbol in symbols:
        ends = domain.interval(symbol)
        if not all(end.is_finite for end in ends):
            raise ValueError(
                f"expected a compact domain, got {symbol} in [{ends[0]}, {ends[1]}]; substitute a variable "
                "with finite ends"
            )
        low, high = (_outer(end) for end in ends)
        box.append((low[0], high[1]))
    return symbols, tuple(box)


def _outer(end: sp.Expr) -> tuple[fmpq, fmpq]:
    """Rationals on either side of an end; the end itself if it is rational."""
    if isinstance(end, sp.Rational):
        return (_fmpq(end),) * 2
    low, high = exact_ends(ball(end))
    return _fmpq(low), _fmpq(high)


def _fmpq(number: sp.Rational) -> fmpq:
    return fmpq(int(number.p), int(number.q))


def _rational(number: fmpq) -> sp.Rational:
    return sp.Rational(int(number.p), int(number.q))


# --- the search ----------------------------------------------------------------------------


@dataclass
class _Search:
    """The cells that are still open, the largest first, and what became of the others."""

    statement: Inequality
    domain: Domain
    symbols: tuple[sp.Symbol, ...]
    box: Cell
    cells: int = 0
    proven: Fraction = Fraction(0)
    unproven: list[Cell] = field(default_factory=list)
    timed_out: bool = False

    def __post_init__(self) -> None:
        lhs, rhs = self.statement.lhs, self.statement.rhs
        self.strict = self.statement.relation in ("<", ">")
        self.upwards = self.statement.relation in (">", ">=")
        margin = lhs - rhs if self.upwards else rhs - lhs
        relations = [c for c in self.domain.conditions if isinstance(c, RELATIONALS)]
        usable = [c for c in relations if c.free_symbols <= set(self.symbols)]
        slacks = [(c.lhs - c.rhs) * (1 if isinstance(c, (sp.Ge, sp.Gt)) else -1) for c in usable]
        self.program = _program((margin, lhs, rhs, *slacks), self.symbols)
        self.widths = [high - low for low, high in self.box]

    def run(self, deadline: float) -> Witness | None:
        """A witness, or None with the cells that stay unproven."""
        with ctx.workprec(BITS):
            for corner in itertools.product(*self.box):
                if (witness := self._witness(corner)) is not None:
                    return witness
            order = itertools.count()
            heap = [(Fraction(-1), next(order), self.box)]
            while heap:
                share, _, cell = heapq.heappop(heap)
                if time.monotonic() > deadline:
                    self.timed_out = True
                    self.unproven += [cell, *(left for _, _, left in heap)]
                    return None
                self.cells += 1
                halves = self._examine(cell)
                if isinstance(halves, Witness):
                    return halves
                if not halves:
                    self.proven -= share
                elif halves[0] == cell:
                    self.unproven.append(cell)
                for half in halves if halves[0:1] != [cell] else ():
                    heapq.heappush(heap, (share / 2, next(order), half))
        return None

    def _examine(self, cell: Cell) -> Witness | list[Cell]:
        """A witness; nothing if the cell is proven; its halves; or the cell itself if it is too small."""
        margin, *others = _expand(self.program, cell)
        sides, slacks = others[:2], others[2:]
        if any(slack.range < 0 for slack in slacks):
            return []
        is_proven = margin.range > 0 if self.strict else margin.range >= 0
        if is_proven and all(side.range.is_finite() for side in sides):
            return []
        if margin.centre <= 0:
            middle = tuple((low + high) / 2 for low, high in cell)
            if (witness := self._witness(middle)) is not None:
                return witness
        return self._halves(cell, margin.slopes)

    def _witness(self, exact: Sequence[fmpq]) -> Witness | None:
        """The point, with integers where they belong, if the inequality is certainly violated there."""
        point = {}
        for symbol, number in zip(self.symbols, exact, strict=True):
            value = _rational(number)
            point[symbol] = sp.Integer(sp.floor(value + sp.Rational(1, 2))) if symbol.is_integer else value
        try:
            whole = {**point, **self._others(point)}
            if self.domain.contains(whole) is not True:
                return None
            left, right = (
                ball(side, _own(side, point), WITNESS_DIGITS) for side in (self.statement.lhs, self.statement.rhs)
            )
        except UNABLE:
            return None
        difference = left - right if self.upwards else right - left
        if not (difference <= 0 if self.strict else difference < 0):
            return None
        found, claimed = (side.str(WITNESS_DIGITS // 2, radius=False) for side in (left, right))
        return Witness(whole, found, claimed, f"claimed {self.statement.relation}")

    def _others(self, point: dict[sp.Symbol, sp.Expr]) -> dict[sp.Symbol, sp.Expr]:
        """Values for the symbols of the domain that the inequality does not hold."""
        if set(point) == set(self.domain.symbols):
            return {}
        return self.domain.restrict(point).draw(random.Random(0))

    def _halves(self, cell: Cell, slopes: Sequence[float]) -> list[Cell]:
        """The cell cut across the symbol that matters most: a wide side, a steep slope."""
        relative = [
            float((high - low) / width) if width else 0.0 for (low, high), width in zip(cell, self.widths, strict=True)
        ]
        if max(relative, default=0.0) < SMALLEST:
            return [cell]
        steepest = max(slopes) or 1.0
        weights = [side * (slope / steepest + 0.125) for side, slope in zip(relative, slopes, strict=True)]
        i = weights.index(max(weights))
        low, high = cell[i]
        middle = (low + high) / 2
        return [(*cell[:i], side, *cell[i + 1 :]) for side in ((low, middle), (middle, high))]

    def what_is_left(self, seconds: float) -> str:
        """How much of the domain was proven, where it was not, and what to do."""
        share = math.floor(self.proven * 100_000) / 1000
        cell = self.unproven[-1]
        place = ", ".join(
            f"{symbol}={arb((low + high) / 2).str(6, radius=False)}"
            for symbol, (low, high) in zip(self.symbols, cell, strict=True)
        )
        done = f"{share:g} % of the domain is proven, by {self.cells:,} cells"
        if self.timed_out:
            return f"the {seconds:g} s ended: {done}; raise seconds, or make the domain smaller"
        where = f"near {place} " if place else ""
        return f"{done}; {where}the two sides touch, or one has no value: take that place out of the domain"


RELATIONALS = (sp.Gt, sp.Ge, sp.Lt, sp.Le)


def _own(expr: sp.Expr, point: dict[sp.Symbol, sp.Expr]) -> dict[sp.Symbol, sp.Expr]:
    return {symbol: value for symbol, value in point.items() if symbol in expr.free_symbols}


# --- expansions on a cell ------------------------------------------------------------------

Jet: TypeAlias = list[Series]
"""The series of one node: at the centre (one for each symbol), and last over the whole cell."""


@dataclass(frozen=True)
class _Expanded:
    """An expression on a cell: its range, its value at the centre, its change with each symbol."""

    range: arb
    centre: arb
    slopes: list[float]


def _expand(program: Program, cell: Cell) -> list[_Expanded]:
    """The expressions of the program on a cell."""
    centre = [arb((low + high) / 2) for low, high in cell]
    half = [arb((high - low) / 2) for low, high in cell]
    wide = [_up_to(arb(high)) if low == 0 else arb(low).union(arb(high)) for low, high in cell]
    if len(cell) == 1:
        n = ORDERS + 1
        inputs = [[_series([centre[0], half[0]], n), _series([wide[0], half[0]], n)]]
    else:
        inputs = []
        for i, (x, u, ball) in enumerate(zip(centre, half, wide, strict=True)):
            thin = [_series([x, u if i == j else 0], 2) for j in range(len(cell))]
            inputs.append([*thin, _series([ball, arb(0, u.abs_upper())], 3)])
    orders = (ORDERS + 1,) * 2 if len(cell) == 1 else (2,) * len(cell) + (3,)
    return [_expanded(jet) for jet in program(inputs, orders, _tightened_on_line if len(cell) == 1 else _tightened)]


def _expanded(jet: Jet) -> _Expanded:
    *thin, wide = jet
    slopes = [_size(series[1]) for series in thin]
    return _Expanded(wide[0], thin[0][0] if thin else wide[0], slopes)


def _tightened_on_line(jet: Jet) -> Jet:
    """Each coefficient over the cell within Taylor's theorem for that derivative.

    f⁽ʲ⁾(c + t)/j!  =  Σ_{i<n−j} C(j+i, i) f_{j+i} tⁱ  +  C(n, j) F_n t^{n−j},    n = 1, 2, …
    """
    thin, wide = jet
    n = next((k for k in range(ORDERS, 0, -1) if wide[k].is_finite()), 0)
    if not n or not thin[n - 1].is_finite():
        return jet
    coefficients = [wide[k] for k in range(ORDERS + 1)]
    terms = [*(thin[k] for k in range(n)), wide[n]]
    for j in range(n):
        around = terms[j]
        for i in range(1, n - j + 1):
            around += terms[j + i] * BINOMIALS[j + i][i]
        coefficients[j] = _meet(coefficients[j], around)
    return [thin, arb_series(coefficients, ORDERS + 1)]


def _tightened(jet: Jet) -> Jet:
    """The range over the cell within the mean value form and the second order of Taylor's theorem."""
    *thin, wide = jet
    if not thin:
        return jet
    value = _meet(wide[0], thin[0][0] + wide[1])
    linear = sum((series[1] * arb(0, 1) for series in thin), arb(0))
    return [*thin, arb_series([_meet(value, thin[0][0] + linear + wide[2]), wide[1], wide[2]], 3)]


# C(k, i) tⁱ for t in [−1, 1]
BINOMIALS = [
    [math.comb(k, i) * (arb(0, 1) if i % 2 else arb(0).union(arb(1))) for i in range(k + 1)] for k in range(ORDERS + 1)
]


def _meet(one: arb, other: arb) -> arb:
    """The intersection of two balls that hold the same numbers; nan knows nothing."""
    if not one.is_finite():
        return other
    return one.intersection(other) if other.is_finite() else one


def _size(x: arb) -> float:
    return float(x.abs_upper()) if x.is_finite() else 0.0


# --- Taylor arithmetic ---------------------------------------------------------------------


def _series(coefficients: Sequence[Any], order: int) -> Series:
    return arb_series(list(coefficients)[:order], order)


def _unknown(order: int, known: Sequence[arb] = ()) -> Series:
    """A series of which only the first coefficients are known."""
    return arb_series([*known[:order], *[arb.nan()] * (order - len(known))], order)


Rule = Callable[[list[Series], int], Series]


@dataclass(frozen=True)
class Program:
    """Expressions as a list of steps, a shared subexpression one of them; the symbols come first."""

    steps: tuple[tuple[Rule, tuple[int, ...]], ...]
    roots: tuple[int, ...]

    def __call__(self, inputs: Sequence[Jet], orders: Sequence[int], tightened: Callable[[Jet], Jet]) -> list[Jet]:
        registers = list(inputs)
        for rule, inner in self.steps:
            jet = [rule([registers[i][k] for i in inner], order) for k, order in enumerate(orders)]
            full = [
                s if s.prec >= n else _unknown(n, [s[k] for k in range(s.prec)])
                for s, n in zip(jet, orders, strict=True)
            ]
            registers.append(tightened(full))
        return [registers[root] for root in self.roots]

    def series(self, inputs: Sequence[Series], order: int) -> Series:
        """The one expression as a series."""
        return self([[s] for s in inputs], (order,), lambda jet: jet)[0][0]


@lru_cache(maxsize=256)
def _program(expressions: tuple[sp.Expr, ...], symbols: tuple[sp.Basic, ...]) -> Program:
    """The expressions as a program on series of the symbols."""
    steps: list[tuple[Rule, tuple[int, ...]]] = []
    places: dict[sp.Basic, int] = {symbol: i for i, symbol in enumerate(symbols)}

    def place(node: sp.Basic) -> int:
        if node not in places:
            rule, arguments = _rule(node)
            inner = tuple(place(argument) for argument in arguments)
            steps.append((rule, inner))
            places[node] = len(symbols) + len(steps) - 1
        return places[node]

    roots = tuple(place(expr) for expr in expressions)
    return Program(tuple(steps), roots)


def _rule(node: sp.Basic) -> tuple[Rule, Sequence[sp.Basic]]:
    """How a node is computed, and from what."""
    if not node.free_symbols:
        number = compile_ball(node, ())
        return (lambda _, order: _series([number(())], order)), ()
    if isinstance(node, sp.Add):
        return (lambda terms, order: reduce(add, terms)), node.args
    if isinstance(node, sp.Mul):
        return (lambda factors, order: reduce(mul, factors)), node.args
    if isinstance(node, sp.exp):
        return (lambda s, order: s[0].exp()), node.args
    if isinstance(node, sp.log):
        return (lambda s, order: s[0].log() if s[0][0] > 0 else _unknown(order)), node.args
    if isinstance(node, sp.Pow):
        return _power(node)
    if isinstance(node, sp.Abs):
        return _absolute, node.args
    if isinstance(node, (sp.Max, sp.Min)):
        pick = _maximum if isinstance(node, sp.Max) else _minimum
        return (lambda s, order: reduce(lambda x, y: pick(x, y, order), s)), node.args
    if type(node) in SMOOTH:
        return _smooth(type(node), len(node.args)), node.args
    return _opaque(node)


SMOOTH: frozenset[Any] = frozenset(
    {
        sp.sin,
        sp.cos,
        sp.tan,
        sp.asin,
        sp.acos,
        sp.atan,
        sp.sinh,
        sp.cosh,
        sp.tanh,
        sp.asinh,
        sp.acosh,
        sp.atanh,
    }
    | {sp.erf, sp.erfc, sp.erfi, NormalCDF, OwenT, BivariateNormalCDF}
)
"""Functions that are analytic wherever their derivative has a finite ball."""
INSIDE = {
    sp.asin: lambda x: abs(x) <= 1,
    sp.acos: lambda x: abs(x) <= 1,
    sp.atanh: lambda x: abs(x) < 1,
    sp.acosh: lambda x: x >= 1,
}
"""Where a function of a real number is real, if not everywhere."""


def _power(node: sp.Pow) -> tuple[Rule, Sequence[sp.Basic]]:
    base, exponent = node.args
    if isinstance(exponent, sp.Integer):
        return (lambda s, order: _integer_power(s[0], int(exponent), order)), (base,)
    if isinstance(exponent, sp.Rational):
        return (lambda s, order: _rational_power(s[0], exponent, order)), (base,)
    return (lambda s, order: (s[1] * s[0].log()).exp() if s[0][0] > 0 else _unknown(order)), (base, exponent)


def _integer_power(s: Series, exponent: int, order: int) -> Series:
    if exponent < 0:
        return _inverse(_integer_power(s, -exponent, order), order)
    power = s
    for _ in range(exponent - 1):
        power = power * s
    if exponent % 2 == 0 and s[0].contains(0):  # an even power is nonnegative, its ball as a product is not
        top = s[0].abs_upper()
        power = _with_value(power, _up_to(top**exponent), order)
    return power


def _inverse(s: Series, order: int) -> Series:
    return _unknown(order) if s[0].contains(0) else 1 / s


def _rational_power(s: Series, exponent: sp.Rational, order: int) -> Series:
    if s[0] > 0:
        root = s.sqrt() if exponent.q == 2 else (s.log() / int(exponent.q)).exp()
        return _integer_power(root, int(exponent.p), order)
    if s[0] >= 0 and exponent > 0:
        x = sp.Symbol("x", nonnegative=True)
        top = compile_ball(x**exponent, (x,))([s[0].abs_upper()])
        return _unknown(order, [_up_to(top)])
    return _unknown(order)


def _up_to(top: arb) -> arb:
    """A ball for [0, top] that holds nothing negative: its radius, rounded up, is its midpoint too."""
    around = arb(0, (top / 2).abs_upper())
    return around + around.rad()


def _with_value(s: Series, value: arb, order: int) -> Series:
    return arb_series([value, *(s[k] for k in range(1, order))], order)


def _absolute(s: list[Series], order: int) -> Series:
    x = s[0]
    if x[0] >= 0:
        return x
    if x[0] <= 0:
        return -x
    return _unknown(order, [_up_to(x[0].abs_upper()), x[1] * arb(0, 1)])


def _maximum(x: Series, y: Series, order: int) -> Series:
    if x[0] >= y[0]:
        return x
    if x[0] <= y[0]:
        return y
    return _unknown(order, [x[0].max(y[0]), x[1].union(y[1])])


def _minimum(x: Series, y: Series, order: int) -> Series:
    return -_maximum(-x, -y, order)


def _smooth(function: Any, arity: int) -> Rule:
    """F(s) = F(s₀) + ∫ Σ F_i(s) s_i′."""
    arguments = tuple(sp.Symbol(f"x_{i}", real=True) for i in range(arity))
    applied = function(*arguments)
    value = compile_ball(applied, arguments)
    inside = INSIDE.get(function, lambda *_: True)

    def rule(s: list[Series], order: int) -> Series:
        values = [x[0] for x in s]
        if not inside(*values):
            return _unknown(order)
        first = value(values)
        if order == 1:
            return _series([first], 1)
        slopes = _partial_derivatives(applied)
        lower = [_series([x[k] for k in range(order - 1)], order - 1) for x in s]
        rate = reduce(
            add, (slope.series(lower, order - 1) * x.derivative() for slope, x in zip(slopes, s, strict=True))
        )
        coefficients = [rate[k] / (k + 1) if k < rate.prec else arb.nan() for k in range(order - 1)]
        return arb_series([first, *coefficients], order)

    return rule


@lru_cache(maxsize=256)
def _partial_derivatives(applied: sp.Expr) -> tuple[Program, ...]:
    return tuple(_program((applied.diff(x),), applied.args) for x in applied.args)


def _opaque(node: sp.Basic) -> tuple[Rule, Sequence[sp.Basic]]:
    """A node with a ball rule only: its value, and for a smooth Gaussian integral two derivatives."""
    symbols = tuple(sorted(node.free_symbols, key=sp.default_sort_key))
    value = compile_ball(node, symbols)
    if not isinstance(node, GaussianIntegral) or not _is_smooth(node.integrand):
        return (lambda s, order: _unknown(order, [_tried(value, [x[0] for x in s])])), symbols
    slopes = [compile_ball(node.diff(x), symbols) for x in symbols]
    second = [[compile_ball(node.diff(x, y), symbols) for y in symbols] for x in symbols]

    def rule(s: list[Series], order: int) -> Series:
        at = [x[0] for x in s]
        known = [_tried(value, at)]
        if order > 1:
            gradient = [_tried(slope, at) for slope in slopes]
            known.append(sum((g * x[1] for g, x in zip(gradient, s, strict=True)), arb(0)))
        if order > 2:
            straight = sum((g * x[2] for g, x in zip(gradient, s, strict=True)), arb(0))
            pairs = itertools.product(range(len(s)), repeat=2)
            known.append(straight + sum((_tried(second[i][j], at) * s[i][1] * s[j][1] for i, j in pairs), arb(0)) / 2)
        return _unknown(order, known)

    return rule, symbols


def _tried(function: Callable[..., arb], values: Sequence[arb]) -> arb:
    """The ball, or nan: on a wide cell an integral may seem infinite, on its halves not."""
    try:
        return function(values)
    except UNABLE:
        return arb.nan()


def _is_smooth(integrand: sp.Expr) -> bool:
    """Whether differentiating under the integral sign is safe: analytic functions, no negative powers."""
    nodes: Iterator[sp.Basic] = sp.preorder_traversal(integrand)
    return all(
        node.is_Atom
        or isinstance(node, (sp.Add, sp.Mul, sp.exp))
        or type(node) in SMOOTH - set(INSIDE)
        or (isinstance(node, sp.Pow) and node.exp.is_Integer and node.exp.is_positive)
        for node in nodes
    )
