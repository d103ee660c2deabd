"""Where the means of a statement are finite: a closed form goes on beyond, and means nothing there.

    E exp(λ(g² + h²)) = 1/(1 − 2λ)    for λ < 1/2;  at λ = 2 the formula says −1/3, and the mean is infinite

The derivation of a mean records what it needed (`derive(expr).conditions`). A check that evaluates the closed form at
a point asks here first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp
from sympy.logic.boolalg import Boolean

from theory.derivation import derive
from theory.domain import Domain
from theory.expectation import Expectation
from theory.statement import Statement

__all__ = ["finite_mean_conditions", "infinite_mean_at", "infinite_mean_within"]

_GROWING = (sp.exp, sp.cosh, sp.sinh)
_POINTS = 8


def finite_mean_conditions(statement: Statement) -> tuple[Boolean, ...]:
    """The relations between symbols under which every mean in a statement is finite.

    Means of polynomials and of bounded functions are always finite; only those of exponentials are derived again.

    >>> from theory import equal, gaussians
    >>> lam = sp.Symbol("lam", positive=True)
    >>> (g,) = gaussians("g")
    >>> finite_mean_conditions(equal(Expectation(sp.exp(lam*g**2)), 1/sp.sqrt(1 - 2*lam)))
    (1 - 2*lam > 0,)
    """
    found: dict[Boolean, None] = {}

    def look(expr: sp.Basic) -> sp.Basic:
        for node in sp.preorder_traversal(expr):
            if isinstance(node, Expectation) and node.has(*_GROWING):
                found.update(dict.fromkeys(c for c in _conditions(node) if isinstance(c, Boolean)))
        return expr

    statement.map(look)
    return tuple(found)


def _conditions(node: Expectation) -> tuple[Any, ...]:
    try:
        return tuple(derive(node.args[0]).conditions)
    except (NotImplementedError, ValueError):  # no closed form: nothing will be evaluated
        return ()


def infinite_mean_at(conditions: tuple[Boolean, ...], point: Mapping[sp.Symbol, Any]) -> str:
    """Why a closed form says nothing at a point, or an empty text where nothing speaks against it."""
    for condition in conditions:
        if condition.xreplace(dict(point)) == sp.false:
            return f"a mean is infinite there, because {condition} is violated; narrow the domain"
    return ""


def infinite_mean_within(statement: Statement, domain: Domain) -> str:
    """The same for a few generic points of a domain, with the point; empty if none was found."""
    conditions = finite_mean_conditions(statement)
    if not conditions:
        return ""
    try:
        points = domain.generic_points(_POINTS, seed=0) if domain.symbols else [{}]
    except ValueError:
        return ""
    for point in points:
        if reason := infinite_mean_at(conditions, point):
            return f"at {', '.join(f'{symbol}={x}' for symbol, x in point.items())}: {reason}"
    return ""
