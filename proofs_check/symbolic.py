"""Checking by exact algebra: the difference of the two sides has normal form zero.

sympy is believed only where exact arithmetic says *zero*; that a difference does not reduce
proves nothing, so this check never says *fails*. Limits come from the limit laws, applied to
rational functions, sums, products, powers and continuous functions; there is no guessing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from theory.domain import Domain
from theory.identity import reduces_to_zero
from theory.special import NormalCDF
from theory.statement import (
    Identity,
    Invariant,
    Limit,
    Statement,
    Stationary,
    evaluate_expectations,
)

from .check import Check, Checkable, Context
from .verdict import Evidence, Outcome, Verdict

__all__ = ["SymbolicIdentity", "identities_of", "proven_limit", "sign_on_domain"]


@dataclass(frozen=True)
class SymbolicIdentity(Check):
    """The difference of the two sides reduces to zero, by exact normal forms.

    For identities, "is stationary", "is invariant", and limits that the limit laws give. Says
    *holds* (symbolic, identically) or *undecided*, never *fails*.
    """

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Reduce the difference of the two sides."""
        statement = claim.statement.map(evaluate_expectations)
        if isinstance(statement, Limit):
            value = proven_limit(statement.expr, statement.symbol, statement.point, claim.domain)
            if value is None:
                return _undecided("the limit laws do not give it; CertifiedNumerics tries them at points")
            if value == statement.value:
                return _holds("the limit laws give the claimed value", claim.domain)
            identities: tuple[Identity, ...] = (Identity(value, statement.value),)
        else:
            found = identities_of(statement)
            if found is None:
                return _undecided(f"no exact route for an {type(statement).__name__}; use another check")
            identities = found
        for identity in identities:
            for position, (lhs, rhs) in enumerate(identity.components(), start=1):
                if lhs != rhs and not reduces_to_zero(lhs - rhs):
                    return _undecided(
                        f"{_which(position, identity)} did not reduce to zero by exact normal forms, which "
                        "proves nothing; use CertifiedNumerics to look for a witness"
                    )
        return _holds("the difference of the sides reduces to zero by exact normal forms", claim.domain)


def identities_of(statement: Statement) -> tuple[Identity, ...] | None:
    """The identities a statement consists of; None if it is of another kind."""
    if isinstance(statement, Identity):
        return (statement,)
    if isinstance(statement, (Invariant, Stationary)):
        return statement.identities()
    return None


def _holds(reason: str, domain: Domain) -> Verdict:
    conditions = domain.conditions_text()
    return Verdict(
        Outcome.HOLDS,
        Evidence.SYMBOLIC,
        "identically",
        reason + (f"; under {conditions}" if conditions else ""),
    )


def _undecided(reason: str) -> Verdict:
    return Verdict(Outcome.UNDECIDED, Evidence.SYMBOLIC, "", reason)


def _which(position: int, identity: Identity) -> str:
    return "the difference" if len(identity.components()) == 1 else f"the difference of component {position}"


# --- Limits, by the limit laws ----------------------------------------------------------------------

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
    """The limit of an expression, by the limit laws alone; None where they do not reach.

        lim (f + g) = lim f + lim g,   lim f g = lim f · lim g,   lim φ(f) = φ(lim f) for continuous φ
        lim p(x)/q(x) = ratio of the leading coefficients, for polynomials of one degree as x → ±∞

    Every denominator and every leading coefficient that is used is shown to be nonzero on the domain.

    >>> m = sp.Symbol("m", positive=True)
    >>> L = sp.Symbol("L", integer=True, positive=True)
    >>> proven_limit(m**2 * L*(L - 1)/(L**2 + m**2*(L - 1)), m, sp.oo, Domain({L: (2, sp.oo)}))
    L
    """

    def sign(part: sp.Expr) -> int | None:
        return sign_on_domain(part, domain)

    def limit(part: sp.Expr) -> sp.Expr | None:
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
        if type(part) in CONTINUOUS and len(part.args) == 1:
            inner = limit(part.args[0])
            if inner is None:
                return None
            at_minus, at_plus = CONTINUOUS[type(part)]
            return at_plus if inner == sp.oo else at_minus if inner == -sp.oo else part.func(inner)
        return None

    found = limit(expr)
    return None if found is None or found.has(sp.nan, sp.zoo) else found


def _limit_of_fraction(
    expr: sp.Expr, symbol: sp.Symbol, point: sp.Expr, sign: Callable[[sp.Expr], int | None]
) -> sp.Expr | None:
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
    ratio = numerator.LC() / leading
    if excess == 0:
        return ratio
    direction = sign(ratio)
    if not direction:
        return None
    return direction * sp.oo * (-1 if point == -sp.oo and excess % 2 else 1)


def _sum(parts: list[sp.Expr]) -> sp.Expr | None:
    infinite = {part for part in parts if part.is_infinite}
    if len(infinite) > 1:
        return None
    return infinite.pop() if infinite else sp.Add(*parts)


def _product(parts: list[sp.Expr], sign: Callable[[sp.Expr], int | None]) -> sp.Expr | None:
    if not any(part.is_infinite for part in parts):
        return sp.Mul(*parts)
    total = 1
    for part in parts:
        direction = (1 if part == sp.oo else -1) if part.is_infinite else sign(part)
        if not direction:
            return None
        total *= direction
    return total * sp.oo


def _power(base: sp.Expr, exponent: sp.Expr, sign: Callable[[sp.Expr], int | None]) -> sp.Expr | None:
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
    shifts: dict[sp.Symbol, sp.Expr] = {}
    for symbol, (low, high) in domain.intervals:
        distance = sp.Dummy(positive=True) if low == 0 and symbol.is_positive else sp.Dummy(nonnegative=True)
        if low.is_finite:
            shifts[symbol] = low + distance
        elif high.is_finite:
            shifts[symbol] = high - distance
    if not expr.free_symbols or not expr.free_symbols <= set(shifts):
        return None
    upper, lower = sp.fraction(sp.together(expr))
    signs = [_sign_of_polynomial(part.xreplace(shifts)) for part in (upper, lower)]
    return signs[0] * signs[1] if signs[0] is not None and signs[1] is not None else None


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
