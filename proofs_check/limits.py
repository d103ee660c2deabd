"""Limits by the limit laws: proven, or not given at all.

sympy's own `limit` may be right and proves nothing. Here a limit comes from

    lim (f + g) = lim f + lim g,   lim f g = lim f · lim g,   lim φ(f) = φ(lim f) for continuous φ
    lim p(x)/q(x) = ratio of the leading coefficients, for polynomials of one degree as x → ±∞
    lim f(x)/g(x) = f⁽ʲ⁾(c)/g⁽ʲ⁾(c), for f, g analytic at c, f and g with their first j − 1 derivatives
                    zero there and g⁽ʲ⁾(c) ≠ 0; and with x = 1/t for c = ±∞

where every *zero* is an exact normal form and every *nonzero* a sign proven on the domain.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from theory.domain import Domain
from theory.identity import reduces_to_zero
from theory.special import NormalCDF, OwenT

__all__ = ["by_distances", "proven_limit", "sign_on_domain"]

Sign = Callable[[sp.Expr], int | None]

LARGEST = 2_000  # operations in an expression that is brought to one fraction

# Continuous on the whole line, with their limits at −∞ and +∞ (None: no limit).
CONTINUOUS: dict[type, tuple[sp.Expr | None, sp.Expr | None]] = {
    sp.erf: (sp.Integer(-1), sp.Integer(1)),
    sp.erfc: (sp.Integer(2), sp.Integer(0)),
    sp.exp: (sp.Integer(0), sp.oo),
    sp.tanh: (sp.Integer(-1), sp.Integer(1)),
    sp.atan: (-sp.pi / 2, sp.pi / 2),
    sp.sinh: (-sp.oo, sp.oo),
    sp.cosh: (sp.oo, sp.oo),
    sp.asinh: (-sp.oo, sp.oo),
    sp.Abs: (sp.oo, sp.oo),
    sp.sin: (None, None),
    sp.cos: (None, None),
    NormalCDF: (sp.Integer(0), sp.Integer(1)),
}


def proven_limit(expr: sp.Expr, symbol: sp.Symbol, point: sp.Expr, domain: Domain) -> sp.Expr | None:
    """The limit of an expression, by the laws at the top of this file; None where they do not reach.

    Every denominator and every leading coefficient that is used is shown to be nonzero on the domain.

    >>> m = sp.Symbol("m", positive=True)
    >>> L = sp.Symbol("L", integer=True, positive=True)
    >>> proven_limit(m**2 * L*(L - 1)/(L**2 + m**2*(L - 1)), m, sp.oo, Domain({L: (2, sp.oo)}))
    L
    """

    def sign(part: sp.Expr) -> int | None:
        return sign_on_domain(part, domain)

    def limit(part: sp.Expr) -> sp.Expr | None:
        by_laws = limit_by_laws(part)
        return by_laws if by_laws is not None else _limit_of_analytic_quotient(part, symbol, point, sign)

    def limit_by_laws(part: sp.Expr) -> sp.Expr | None:
        if symbol not in part.free_symbols:
            return part
        if part == symbol:
            return point
        rational = _limit_of_fraction(part, symbol, point, sign)
        if rational is not None:
            return rational
        if isinstance(part, (sp.Add, sp.Mul)):
            parts = [limit(argument) for argument in part.args]
            known = [value for value in parts if value is not None]
            if len(known) < len(parts):
                return None
            return _sum(known) if isinstance(part, sp.Add) else _product(known, sign)
        if isinstance(part, sp.Pow) and symbol not in part.exp.free_symbols:
            base = limit(part.base)
            return None if base is None else _power(base, part.exp, sign)
        if isinstance(part, sp.Pow) and part.base.is_positive and symbol not in part.base.free_symbols:
            part = sp.exp(part.exp * sp.log(part.base), evaluate=False)
        if isinstance(part, (sp.asin, sp.acos)):  # continuous on the closed interval, its ends included
            inner = limit(part.args[0])
            return part.func(inner) if inner is not None and inner.is_finite and sign(1 - inner**2) in (0, 1) else None
        if type(part) in CONTINUOUS and len(part.args) == 1:
            inner = limit(part.args[0])
            if inner is None:
                return None
            at_minus, at_plus = CONTINUOUS[type(part)]
            return at_plus if inner == sp.oo else at_minus if inner == -sp.oo else part.func(inner)
        return None

    found = limit(expr)
    return None if found is None or found.has(sp.nan, sp.zoo) else found


def _limit_of_fraction(expr: sp.Expr, symbol: sp.Symbol, point: sp.Expr, sign: Sign) -> sp.Expr | None:
    """The limit of p(x)/q(x), with polynomials p and q in the symbol."""
    if not expr.is_rational_function(symbol) or expr.count_ops() > LARGEST:
        return None
    upper, lower = sp.fraction(sp.cancel(sp.together(expr)))
    if point.is_finite:
        below = lower.subs(symbol, point)
        return upper.subs(symbol, point) / below if sign(below) else None
    numerator, denominator = sp.Poly(upper, symbol), sp.Poly(lower, symbol)
    leading = denominator.LC()
    if not sign(leading):
        return None
    excess = numerator.degree() - denominator.degree()
    if excess < 0:
        return sp.Integer(0)
    ratio = sp.cancel(numerator.LC() / leading)
    if excess == 0:
        return ratio
    direction = sign(ratio)
    if not direction:
        return None
    return direction * sp.oo * (-1 if point == -sp.oo and excess % 2 else 1)


ORDERS = 8  # of vanishing, at most, of the two parts of an analytic quotient

ENTIRE = (sp.exp, sp.erf, sp.erfc, sp.sin, sp.cos, sp.sinh, sp.cosh, NormalCDF, OwenT)
ANALYTIC_ON_THE_LINE = (sp.atan, sp.tanh, sp.asinh)
ANALYTIC_WITHIN_ONE = (sp.asin, sp.acos, sp.atanh)


def _limit_of_analytic_quotient(expr: sp.Expr, symbol: sp.Symbol, point: sp.Expr, sign: Sign) -> sp.Expr | None:
    """The limit of f(x)/g(x) from the first derivatives of f and g that do not vanish at the point."""
    if expr.count_ops() > LARGEST:
        return None
    if point.is_infinite:
        nearby = sp.Dummy(positive=True)
        turned = expr.xreplace({symbol: 1 / nearby if point == sp.oo else -1 / nearby})
        return _limit_of_analytic_quotient(turned, nearby, sp.Integer(0), sign)
    upper, lower = sp.fraction(sp.together(expr))
    if not all(_is_analytic(part, symbol, point, sign) for part in (upper, lower)):
        return None
    for _ in range(ORDERS):
        above, below = (part.subs(symbol, point) for part in (upper, lower))
        if sign(below):
            return above / below
        if not (reduces_to_zero(below) and reduces_to_zero(above)):
            return None
        upper, lower = upper.diff(symbol), lower.diff(symbol)
    return None


def _is_analytic(expr: sp.Expr, symbol: sp.Symbol, point: sp.Expr, sign: Sign) -> bool:
    """Whether an expression is certainly real analytic in the symbol around a finite point."""
    if symbol not in expr.free_symbols or expr == symbol:
        return True
    if not all(_is_analytic(argument, symbol, point, sign) for argument in expr.args):
        return False
    if isinstance(expr, (sp.Add, sp.Mul, *ENTIRE)):
        return True
    there = expr.args[0].subs(symbol, point)
    if isinstance(expr, ANALYTIC_ON_THE_LINE):
        return there.is_extended_real is True
    if isinstance(expr, ANALYTIC_WITHIN_ONE):
        return sign(1 - there**2) == 1
    if isinstance(expr, sp.log):
        return sign(there) == 1
    if isinstance(expr, sp.Pow):
        if expr.exp.is_integer and expr.exp.is_number:
            return bool(expr.exp.is_nonnegative) or sign(there) in (1, -1)
        return sign(there) == 1
    return False


def _sum(parts: list[sp.Expr]) -> sp.Expr | None:
    infinite = {part for part in parts if part.is_infinite}
    if len(infinite) > 1:
        return None
    return infinite.pop() if infinite else sp.Add(*parts)


def _product(parts: list[sp.Expr], sign: Sign) -> sp.Expr | None:
    if not any(part.is_infinite for part in parts):
        return sp.Mul(*parts)
    total = 1
    for part in parts:
        direction = (1 if part == sp.oo else -1) if part.is_infinite else sign(part)
        if not direction:
            return None
        total *= direction
    return total * sp.oo


def _power(base: sp.Expr, exponent: sp.Expr, sign: Sign) -> sp.Expr | None:
    if base.is_infinite:
        if base == sp.oo or (exponent.is_integer and exponent.is_number):
            direction = sign(exponent)
            infinite = sp.oo if base == sp.oo else base**exponent
            return {1: infinite, -1: sp.Integer(0)}.get(direction or 0)
        return None
    if exponent.is_integer and exponent.is_nonnegative:
        return base**exponent
    direction = sign(base)
    if direction == 1 or (direction == -1 and exponent.is_integer):
        return base**exponent
    return sp.Integer(0) if base == 0 and sign(exponent) == 1 else None


def sign_on_domain(expr: sp.Expr, domain: Domain) -> int | None:
    """1 or −1 if the expression is proven to have that sign on the whole domain, 0 if it is zero, else None.

    A polynomial is written in the distances from the ends of the intervals, y = s − low ≥ 0; when no
    coefficient is negative and one term cannot vanish, it is positive.

    >>> L = sp.Symbol("L", integer=True, positive=True)
    >>> sign_on_domain(L**2 - L - 1, Domain({L: (2, sp.oo)}))
    1
    """
    if expr.is_zero or expr == 0:
        return 0
    if expr.is_positive or expr.is_negative:
        return 1 if expr.is_positive else -1
    shifts = by_distances(domain)
    if not expr.free_symbols or not expr.free_symbols <= set(shifts):
        return None
    upper, lower = sp.fraction(sp.together(expr))
    signs = [_sign_of_polynomial(part.xreplace(shifts)) for part in (upper, lower)]
    return signs[0] * signs[1] if signs[0] is not None and signs[1] is not None else None


def by_distances(domain: Domain) -> dict[sp.Symbol, sp.Expr]:
    """Each symbol with a finite end by its distance from there, a letter that is not negative."""
    shifts: dict[sp.Symbol, sp.Expr] = {}
    for symbol, (low, high) in domain.intervals:
        distance = sp.Dummy(positive=True) if low == 0 and symbol.is_positive else sp.Dummy(nonnegative=True)
        if low.is_finite:
            shifts[symbol] = low + distance
        elif high.is_finite:
            shifts[symbol] = high - distance
    return shifts


def _sign_of_polynomial(expr: sp.Expr) -> int | None:
    distances = sorted(expr.free_symbols, key=str)
    if not distances:
        return 1 if expr.is_positive else -1 if expr.is_negative else None
    if not expr.is_polynomial(*distances) or expr.count_ops() > LARGEST:
        return None
    terms = sp.Poly(expr, *distances).terms()
    for direction in (1, -1):
        if all((direction * coefficient).is_nonnegative for _, coefficient in terms) and any(
            (direction * coefficient).is_positive
            and all(power == 0 or distance.is_positive for power, distance in zip(powers, distances))
            for powers, coefficient in terms
        ):
            return direction
    return None
