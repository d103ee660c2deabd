"""Taking a field apart before its zeros are searched: the zeros of products, and of factors in one variable.

F₁ = f g vanishes where f or g does; factors that never vanish (exp) are dropped; erf(f) vanishes where f
does; and a factor that is linear in one variable fixes that variable exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import sympy as sp

from .exact_numbers import constant_ball, is_nonzero, position_of

__all__ = ["Branch", "branches_of"]

ONLY_ZERO_AT_ZERO = (sp.erf, sp.erfi, sp.tanh, sp.sinh, sp.asinh, sp.atan, sp.asin, sp.atanh)
NEVER_ZERO = (sp.exp, sp.erfc, sp.cosh)


@dataclass(frozen=True)
class Branch:
    """Part of the zero set: the zeros of simpler components, some variables fixed exactly."""

    components: tuple[sp.Expr, ...]
    variables: tuple[sp.Symbol, ...]
    fixed: dict[sp.Symbol, sp.Expr] = field(hash=False)
    is_singular: bool = False  # a component vanishes identically, or is a number of unknown sign


def branches_of(
    components: tuple[sp.Expr, ...],
    variables: tuple[sp.Symbol, ...],
    fixed: dict,
    ends: dict,
    most: int = 256,
) -> Iterator[Branch]:
    """Branches whose zeros together are all zeros of the field where it is finite."""
    choices = []
    for f in components:
        factors = _factors(f, variables)
        if not factors:
            return
        choices.append(factors)
    is_number = any(not f.free_symbols for factors in choices for f in factors)
    if is_number or any(f.has(sp.nan, sp.zoo) for f in components):
        yield Branch(components, variables, fixed, is_singular=True)
        return
    if math.prod(len(factors) for factors in choices) > most:
        yield Branch(components, variables, fixed)
        return
    for i, factors in enumerate(choices):
        if len(factors) > 1:
            for f in factors:
                yield from branches_of((*components[:i], f, *components[i + 1 :]), variables, fixed, ends, most)
            return
    single = tuple(factors[0] for factors in choices)
    for i, f in enumerate(single):
        root = _linear_root(f)
        if root is None:
            continue
        symbol, value = root
        if position_of(constant_ball(value), *ends[symbol]) == "outside":
            return
        others = tuple(g.xreplace({symbol: value}) for j, g in enumerate(single) if j != i)
        left = tuple(x for x in variables if x != symbol)
        yield from branches_of(others, left, {**fixed, symbol: value}, ends, most)
        return
    yield Branch(single, variables, fixed)


def _factors(f: sp.Expr, variables: tuple[sp.Symbol, ...]) -> list[sp.Expr]:
    """Factors whose zeros make up the zeros of f where f is finite; none if f never vanishes."""
    if f.is_Mul:
        found: list[sp.Expr] = []
        for factor in f.args:
            found += [g for g in _factors(factor, variables) if g not in found]
        return found
    if f.is_Pow and f.exp.is_number and f.exp.is_real and f.base.free_symbols:
        return _factors(f.base, variables) if f.exp.is_positive else []
    if isinstance(f, NEVER_ZERO):
        return []
    if isinstance(f, ONLY_ZERO_AT_ZERO):
        return _factors(f.args[0], variables)
    if not f.free_symbols:
        return [] if is_nonzero(f) else [f]
    if f.is_polynomial(*variables) and all(c.is_Rational for c in sp.Poly(f, *variables).coeffs()):
        return [g for g, _ in sp.factor_list(f, *variables)[1]]
    common = sp.factor_terms(f) if f.is_Add else f
    return _factors(common, variables) if common.is_Mul else [f]


def _linear_root(f: sp.Expr) -> tuple[sp.Symbol, sp.Expr] | None:
    """(x, −b/a) when f = a x + b with numbers a ≠ 0 and b."""
    if len(f.free_symbols) != 1:
        return None
    (symbol,) = f.free_symbols
    slope = f.diff(symbol)
    if slope.free_symbols or not is_nonzero(slope):
        return None
    return symbol, -f.xreplace({symbol: sp.Integer(0)}) / slope
