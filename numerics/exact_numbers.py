"""Exact numbers and the balls around them: signs, places in an interval, the fractions that a ball holds.

A sign is proven at one of a few precisions or not at all; that no ball proves a number to be nonzero is no
proof of anything.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp
from flint import arb, ctx

from .balls import compile_ball

__all__ = [
    "PRECISIONS",
    "constant_ball",
    "exact_ends",
    "excludes_zero",
    "is_nonzero",
    "position_of",
    "simplest_fraction",
]

PRECISIONS = (64, 256, 1024)
"""Bits tried in turn where rounding alone hides a sign."""


def excludes_zero(value: arb) -> bool:
    """A ball is proven not to hold zero."""
    return value.is_finite() and not value.contains(0)


def is_nonzero(number: sp.Expr) -> bool:
    """True when balls prove it; False is no proof of anything."""
    evaluate = constant_ball(number)
    return any(excludes_zero(evaluate(precision)) for precision in PRECISIONS)


def constant_ball(number: sp.Expr) -> Callable[[int], arb]:
    """precision -> ball of an exact number."""
    evaluate = compile_ball(number, ())
    return lambda precision: evaluate((), precision)


def position_of(evaluate: Callable[[int], arb], low: sp.Expr, high: sp.Expr) -> str:
    """Where a number lies: "inside" (low, high), "outside" [low, high], or "edge" if balls cannot tell."""
    for precision in PRECISIONS:
        with ctx.workprec(precision):
            value, bottom, top = evaluate(precision), constant_ball(low)(precision), constant_ball(high)(precision)
            if value < bottom or value > top:
                return "outside"
            if value > bottom and value < top:
                return "inside"
    return "edge"


def simplest_fraction(ball: arb, bits: int = 40) -> sp.Rational | None:
    """The fraction with the smallest denominator in a very small ball, when far simpler than the ball."""
    if not ball.is_finite() or ball.rad() > arb(2) ** (-4 * bits):
        return None
    low, high = exact_ends(ball)
    if low <= 0 <= high:
        return sp.Integer(0)
    if low > 0:
        return _between(low, high, 2**bits)
    simple = _between(-high, -low, 2**bits)
    return None if simple is None else -simple


def exact_ends(ball: arb) -> tuple[sp.Rational, sp.Rational]:
    """The two ends of a finite ball, exactly, unless they are below 1e-3000; then just outside.

    >>> low, high = exact_ends(arb(2, 0.5))
    >>> 1 < low <= sp.Rational(3, 2), sp.Rational(5, 2) <= high < 3
    (True, True)
    """
    tiny = arb(2) ** -10_000  # a fraction with the exponent of a much smaller ball would not fit in memory
    if ball.rad() < tiny and not ball.is_exact():
        ball = arb(ball.mid(), tiny)
    if abs(ball.mid()) < tiny and not ball.mid().is_zero():
        ball = arb(0, ball.rad() + tiny)
    middle, radius = ball.mid().fmpq(), ball.rad().fmpq()
    return tuple(sp.Rational(int(end.p), int(end.q)) for end in (middle - radius, middle + radius))


def _between(low: sp.Rational, high: sp.Rational, limit: int) -> sp.Rational | None:
    """The fraction with the smallest denominator in [low, high], low > 0, by continued fractions.

    None when numerator or denominator reach the limit.
    """
    a, b, c, d = int(low.p), int(low.q), int(high.p), int(high.q)
    p, q, before_p, before_q = 1, 0, 0, 1
    while max(p, q) < limit:
        whole = -(-a // b)
        if whole * d <= c:
            p, q = whole * p + before_p, whole * q + before_q
            return sp.Rational(p, q) if max(p, q) < limit else None
        whole -= 1
        p, q, before_p, before_q = whole * p + before_p, whole * q + before_q, p, q
        a, b, c, d = d, c - whole * d, b, a - whole * b
    return None
