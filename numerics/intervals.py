"""Batched intervals: arrays of lower and upper ends, rounded outwards, for pruning by the thousand.

    [a] ∘ [b] ⊇ {x ∘ y : a ≤ x ≤ ā, b ≤ y ≤ b̄},    one interval an entry of two numpy arrays

Every sum, product, quotient and root is rounded to nearest by the processor and then moved outwards by one unit
in the last place. Functions are evaluated at ends and turning points, and moved outwards by a margin far above
the error of the float function; the margins are stated in `MARGINS` and tested against balls. An end that is nan
says nothing: what a comparison with it decides is never taken for a proof.

One batch of 2,000 cells costs about as much as 40 balls. Zeros are proven with balls (`numerics.krawczyk`);
intervals only say where no zero is.

References: Neumaier, Interval Methods for Systems of Equations (1990), chapter 1; Rump, Acta Numerica 19 (2010).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sympy as sp
from flint import arb
from numpy.typing import NDArray
from scipy import special

from theory.special import BivariateNormalCDF, NormalCDF, OwenT

from .ball_rules import CONSTANTS
from .balls import compile_ball
from .special import bivariate_normal_cdf, normal_cdf, owens_t

__all__ = ["Interval", "IntervalProgram", "NoIntervalRule", "add", "divide", "float_ends", "multiply", "power"]

Array = NDArray[np.float64]
Interval = tuple[Any, Any]  # lower and upper ends, floats or arrays of one shape

ULP = 2.0**-52
TINY = 2.0**-1021

MARGINS = {"elementary": 2.0**-48, "special": 2.0**-44}
"""Relative errors granted to float functions: 16 units in the last place for exp, log, sin, …, 256 for erf,
Φ, and x² times as much in the tails of erfc and Φ; for Owen's T and Φ₂ the second one is absolute."""


class NoIntervalRule(NotImplementedError):
    """An expression holds something that intervals cannot enclose; balls may."""


def down(x: Any) -> Any:
    """At or below every number that rounds to x."""
    room = np.abs(x) * ULP
    room += TINY
    return x - room


def up(x: Any) -> Any:
    """At or above every number that rounds to x."""
    room = np.abs(x) * ULP
    room += TINY
    return x + room


def float_ends(ball: arb) -> tuple[float, float]:
    """Floats at or below, at or above every number of a ball."""
    low, high = float(ball.lower()), float(ball.upper())
    low = low if arb(low) <= ball.lower() else float(np.nextafter(low, -np.inf))
    high = high if arb(high) >= ball.upper() else float(np.nextafter(high, np.inf))
    return low, high


def add(a: Interval, b: Interval) -> Interval:
    """[a] + [b]."""
    return down(a[0] + b[0]), up(a[1] + b[1])


def multiply(a: Interval, b: Interval) -> Interval:
    """[a][b], by the four products of ends; by two where one factor is a number."""
    if type(a[0]) is float and a[0] == a[1]:
        a, b = b, a
    if type(b[0]) is float and b[0] == b[1]:
        low, high = (a[0] * b[0], a[1] * b[0]) if b[0] >= 0 else (a[1] * b[0], a[0] * b[0])
        return down(low), up(high)
    one, two = a[0] * b[0], a[0] * b[1]
    low, high = np.minimum(one, two), np.maximum(one, two)
    one, two = a[1] * b[0], a[1] * b[1]
    low, high = np.minimum(low, one), np.maximum(high, one)
    return down(np.minimum(low, two)), up(np.maximum(high, two))


def negate(a: Interval) -> Interval:
    """−[a], exactly."""
    return -a[1], -a[0]


def reciprocal(a: Interval) -> Interval:
    """1/[a]; unknown where a holds zero."""
    holds_zero = ~((a[0] > 0) | (a[1] < 0))
    low, high = down(1 / a[1]), up(1 / a[0])
    return np.where(holds_zero, np.nan, low), np.where(holds_zero, np.nan, high)


def divide(a: Interval, b: Interval) -> Interval:
    """[a]/[b]; unknown where b holds zero."""
    return multiply(a, reciprocal(b))


def power(a: Interval, n: int) -> Interval:
    """[a]ⁿ for n ≥ 1, without the loss of a·a across zero."""
    if n == 1:
        return a
    if n % 2 == 0:
        least = np.where((a[0] <= 0) & (a[1] >= 0), 0.0, np.minimum(np.abs(a[0]), np.abs(a[1])))
        least = np.where(np.isnan(a[0]) | np.isnan(a[1]), np.nan, least)
        most = np.maximum(np.abs(a[0]), np.abs(a[1]))
        return np.maximum(_repeated(least, n, down), 0.0), _repeated(most, n, up)
    # odd powers are increasing: magnitudes are rounded away from, or towards, zero by sign
    low = np.where(a[0] >= 0, _repeated(np.abs(a[0]), n, down), -_repeated(np.abs(a[0]), n, up))
    high = np.where(a[1] >= 0, _repeated(np.abs(a[1]), n, up), -_repeated(np.abs(a[1]), n, down))
    return low, high


def _repeated(x: Any, n: int, round_: Callable[[Any], Any]) -> Any:
    """xⁿ for x ≥ 0, every product rounded one way."""
    result, square = None, x
    while n:
        if n % 2:
            result = square if result is None else np.maximum(round_(result * square), 0.0)
        n //= 2
        if n:
            square = np.maximum(round_(square * square), 0.0)
    return result


def square_root(a: Interval) -> Interval:
    """√[a]; unknown where a may be negative."""
    with np.errstate(invalid="ignore"):
        low, high = np.maximum(down(np.sqrt(a[0])), 0.0), up(np.sqrt(a[1]))
    bad = ~(a[0] >= 0)
    return np.where(bad, np.nan, low), np.where(bad, np.nan, high)


def _widened(low: Any, high: Any, margin: float) -> Interval:
    return low - (np.abs(low) * margin + TINY), high + (np.abs(high) * margin + TINY)


def _increasing(
    function: Callable[[Any], Any], margin: float, least: float = -np.inf, most: float = np.inf
) -> Callable[[Interval], Interval]:
    def rule(a: Interval) -> Interval:
        low, high = _widened(function(a[0]), function(a[1]), margin)
        return np.maximum(low, least), np.minimum(high, most)

    return rule


def _tailed(function: Callable[[Any], Any]) -> Callable[[Interval], Interval]:
    """An increasing function with a tail e^{−x²}: the float of x² there errs by x² units."""

    def rule(a: Interval) -> Interval:
        low, high = (function(end) for end in a)
        margins = [np.abs(value) * _S * (1 + end * end) + TINY for value, end in zip((low, high), a, strict=True)]
        return low - margins[0], high + margins[1]

    return rule


def cosine(a: Interval) -> Interval:
    """cos [a]: the ends, and ±1 where a turning point may lie inside."""
    # a multiple kπ inside: its neighbourhood is decided with room for the rounding of a/π
    room = 2.0**-40 * (1 + np.maximum(np.abs(a[0]), np.abs(a[1])))
    with np.errstate(invalid="ignore"):
        first, last = np.ceil((a[0] - room) / np.pi), np.floor((a[1] + room) / np.pi)
        one, two = np.cos(a[0]), np.cos(a[1])
        low, high = _widened(np.minimum(one, two), np.maximum(one, two), MARGINS["elementary"])
        low, high = low - MARGINS["elementary"] * room * 2**40, high + MARGINS["elementary"] * room * 2**40
        some, several = last >= first, last >= first + 1
        even = np.mod(first, 2) == 0
        high = np.where(several | (some & even), 1.0, high)
        low = np.where(several | (some & ~even), -1.0, low)
        large = ~(np.maximum(np.abs(a[0]), np.abs(a[1])) < 1e6)
    high = np.where(large, 1.0, np.minimum(high, 1.0))
    low = np.where(large, -1.0, np.maximum(low, -1.0))
    unknown = np.isnan(a[0]) | np.isnan(a[1])
    return np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)


HALF_PI: Interval = float_ends(arb.pi() / 2)


def sine(a: Interval) -> Interval:
    """sin [a] = cos([a] − π/2)."""
    return cosine(add(a, negate(HALF_PI)))


def hyperbolic_cosine(a: Interval) -> Interval:
    """cosh [a]: even, least at zero."""
    least = np.where((a[0] <= 0) & (a[1] >= 0), 0.0, np.minimum(np.abs(a[0]), np.abs(a[1])))
    most = np.maximum(np.abs(a[0]), np.abs(a[1]))
    least = np.where(np.isnan(most), np.nan, least)
    low, high = _widened(np.cosh(least), np.cosh(most), MARGINS["elementary"])
    return np.maximum(low, 1.0), high


def owen(h: Interval, a: Interval) -> Interval:
    """T([h], [a]): even in h and falling in |h| where a > 0; increasing and odd in a."""
    near = np.where((h[0] <= 0) & (h[1] >= 0), 0.0, np.minimum(np.abs(h[0]), np.abs(h[1])))
    far = np.maximum(np.abs(h[0]), np.abs(h[1]))
    low = owens_t(np.where(a[0] >= 0, far, near), a[0])
    high = owens_t(np.where(a[1] >= 0, near, far), a[1])
    unknown = np.isnan(h[0]) | np.isnan(h[1])
    margin = MARGINS["special"]
    return np.where(unknown, np.nan, low - margin), np.where(unknown, np.nan, high + margin)


def bivariate(h: Interval, k: Interval, rho: Interval) -> Interval:
    """Φ₂, increasing in all three arguments."""
    margin = MARGINS["special"]
    return bivariate_normal_cdf(h[0], k[0], rho[0]) - margin, bivariate_normal_cdf(h[1], k[1], rho[1]) + margin


def logarithm(a: Interval) -> Interval:
    """log [a]; unknown where a may not be positive."""
    with np.errstate(invalid="ignore", divide="ignore"):
        # near one the value is small: the margin is absolute too
        low, high = _widened(np.log(a[0]), np.log(a[1]), MARGINS["elementary"])
    bad = ~(a[0] > 0)
    return np.where(bad, np.nan, low - TINY), np.where(bad, np.nan, high + TINY)


def _on(rule: Callable[[Interval], Interval], least: float, most: float) -> Callable[[Interval], Interval]:
    """A rule for arguments that are proven to lie in [least, most]."""

    def guarded(a: Interval) -> Interval:
        bad = ~((a[0] >= least) & (a[1] <= most))
        with np.errstate(invalid="ignore"):
            low, high = rule(a)
        return np.where(bad, np.nan, low), np.where(bad, np.nan, high)

    return guarded


_E, _S = MARGINS["elementary"], MARGINS["special"]

RULES: dict[Any, Callable[..., Interval]] = {
    sp.exp: _increasing(np.exp, _E, least=0.0),
    sp.log: logarithm,
    sp.sin: sine,
    sp.cos: cosine,
    sp.tanh: _increasing(np.tanh, _E, -1.0, 1.0),
    sp.sinh: _increasing(np.sinh, _E),
    sp.cosh: hyperbolic_cosine,
    sp.atan: _increasing(np.arctan, _E),
    sp.asinh: _increasing(np.arcsinh, _E),
    sp.asin: _on(_increasing(np.arcsin, _E), -1.0, 1.0),
    sp.erf: _increasing(special.erf, _S, -1.0, 1.0),
    sp.erfc: lambda a: negate(_tailed(lambda x: -special.erfc(x))(a)),
    NormalCDF: _tailed(normal_cdf),
    OwenT: owen,
    BivariateNormalCDF: bivariate,
}

FLOATS: dict[Any, Callable[..., Any]] = {
    sp.exp: np.exp,
    sp.log: np.log,
    sp.sin: np.sin,
    sp.cos: np.cos,
    sp.tanh: np.tanh,
    sp.sinh: np.sinh,
    sp.cosh: np.cosh,
    sp.atan: np.arctan,
    sp.asinh: np.arcsinh,
    sp.asin: np.arcsin,
    sp.erf: special.erf,
    sp.erfc: special.erfc,
    NormalCDF: normal_cdf,
    OwenT: owens_t,
    BivariateNormalCDF: bivariate_normal_cdf,
}


class IntervalProgram:
    """Expressions as a list of batched instructions; a shared subexpression is computed once.

    >>> x = sp.Symbol("x", real=True)
    >>> ((low, high),) = IntervalProgram([x**2 - 1], (x,))([(np.array([-1.0, 2.0]), np.array([1.0, 3.0]))])
    >>> low.round(6).tolist(), high.round(6).tolist()
    ([-1.0, 3.0], [0.0, 8.0])
    """

    def __init__(self, expressions: Sequence[sp.Expr], variables: Sequence[sp.Symbol]) -> None:
        self._places: dict[Any, int] = {x: i for i, x in enumerate(variables)}
        self._constants: dict[int, Interval] = {}
        self._steps: list[tuple[int, Callable[..., Interval], Callable[..., Any], tuple[int, ...]]] = []
        self._count = len(self._places)
        self.size = self._count
        self._roots = [self._place(expr) for expr in expressions]

    def __call__(self, values: Sequence[Interval]) -> list[Interval]:
        """One interval array an expression, for one a variable."""
        cells: list[Any] = [None] * self._count
        cells[: self.size] = values
        for place, ends in self._constants.items():
            cells[place] = ends
        with np.errstate(all="ignore"):
            for place, rule, _, arguments in self._steps:
                cells[place] = rule(*(cells[i] for i in arguments))
        shape = np.shape(values[0][0]) if values else ()
        return [tuple(np.broadcast_to(end, shape) for end in cells[root]) for root in self._roots]  # type: ignore[misc]

    def floats(self, points: Array) -> Array:
        """Plain floats without bounds at points of shape (N, n): shape (N, expressions). Guesses, never proofs.

        >>> x = sp.Symbol("x", real=True)
        >>> IntervalProgram([x**2 - 1, sp.exp(x)], (x,)).floats(np.array([[0.0], [3.0]])).round(3).tolist()
        [[-1.0, 1.0], [8.0, 20.086]]
        """
        cells: list[Any] = [None] * self._count
        cells[: self.size] = list(points.T)
        for place, (low, high) in self._constants.items():
            cells[place] = (low + high) / 2
        with np.errstate(all="ignore"):
            for place, _, float_rule, arguments in self._steps:
                cells[place] = float_rule(*(cells[i] for i in arguments))
        return np.stack([np.broadcast_to(cells[root], len(points)) for root in self._roots], axis=1)

    # writing

    def _place(self, expr: sp.Expr) -> int:
        if expr not in self._places:
            self._places[expr] = self._write(expr)
        return self._places[expr]

    def _new(self) -> int:
        self._count += 1
        return self._count - 1

    def _step(self, key: Any, rule: Callable[..., Interval], float_rule: Callable[..., Any], *arguments: int) -> int:
        key = (key, arguments)
        if key not in self._places:
            if all(i in self._constants for i in arguments):
                with np.errstate(all="ignore"):
                    low, high = rule(*(self._constants[i] for i in arguments))
                place = self._new()
                self._constants[place] = float(low), float(high)
            else:
                place = self._new()
                self._steps.append((place, rule, float_rule, arguments))
            self._places[key] = place
        return self._places[key]

    def _constant(self, expr: sp.Expr) -> int:
        ball = compile_ball(expr, ())((), 128)
        if not ball.is_finite():
            raise NoIntervalRule(f"expected a finite number, got {expr}")
        place = self._new()
        self._constants[place] = float_ends(ball)
        return place

    def _write(self, expr: sp.Expr) -> int:
        if not expr.free_symbols:
            if not (expr.is_number or expr in CONSTANTS):
                raise NoIntervalRule(f"no interval rule for {expr}")
            return self._constant(expr)
        if isinstance(expr, sp.Add):
            return self._chain("+", add, np.add, expr.args)
        if isinstance(expr, sp.Mul):
            negative = expr.args[0] == -1
            place = self._chain("*", multiply, np.multiply, expr.args[1:] if negative else expr.args)
            return self._step("-", negate, np.negative, place) if negative else place
        if isinstance(expr, sp.Pow):
            return self._power(*expr.args)
        rule = RULES.get(type(expr))
        if rule is None:
            raise NoIntervalRule(f"no interval rule for {type(expr).__name__}, needed by {expr}")
        return self._step(type(expr), rule, FLOATS[type(expr)], *(self._place(argument) for argument in expr.args))

    def _chain(
        self, key: str, rule: Callable[..., Interval], float_rule: Callable[..., Any], terms: Sequence[sp.Expr]
    ) -> int:
        numbers = [term for term in terms if not term.free_symbols]
        others = [self._place(term) for term in terms if term.free_symbols]
        if numbers:
            others.insert(0, self._place(sp.Add(*numbers) if key == "+" else sp.Mul(*numbers)))
        total = others[0]
        for place in others[1:]:
            total = self._step(key, rule, float_rule, total, place)
        return total

    def _power(self, base: sp.Expr, exponent: sp.Expr) -> int:
        if not exponent.is_Rational or exponent.q not in (1, 2) or abs(exponent.p) > 64:
            raise NoIntervalRule(f"no interval rule for the exponent {exponent} of {base}")
        place = self._place(base)
        if exponent.q == 2:
            place = self._step("sqrt", square_root, np.sqrt, place)
        n = abs(int(exponent.p))
        if n > 1:
            place = self._step(("power", n), lambda a: power(a, n), lambda x: x**n, place)
        return self._step("1/", reciprocal, np.reciprocal, place) if exponent < 0 else place
