"""Checking an inequality by exact algebra: the difference of its sides has a sign on the whole domain.

    f < g  on D   ⟸   g − f is positive: by the assumptions on its symbols, as a product of factors of known sign
                      (squares among them), or as a polynomial in the distances from the ends of the intervals

It needs no compact domain, and says nothing where it does not see a sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from theory.domain import Domain
from theory.statement import Inequality, evaluate_expectations

from .check import Check, Checkable, Context
from .limits import LARGEST, by_distances, sign_on_domain
from .verdict import Evidence, Outcome, Verdict

__all__ = ["ProvenSign"]


@dataclass(frozen=True)
class ProvenSign(Check):
    """An inequality whose sides differ by an expression of known sign.

    Says *holds* (symbolic, on the whole domain) or *undecided*, never *fails*.

    >>> import numpy as np
    >>> from proofs_check.claim import Claim
    >>> x, y = sp.symbols("x y", real=True)
    >>> claim = Claim("am-gm", "", lambda: Inequality(2*x*y, "<=", x**2 + y**2), Domain({}), "", ())
    >>> print(ProvenSign().run(claim, Context(np.random.default_rng(0))))
    holds (symbolic, on the whole domain): the difference of the sides is x**2 - 2*x*y + y**2
    """

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Look for the sign of the larger side minus the smaller one."""
        statement = claim.statement.map(evaluate_expectations)
        if not isinstance(statement, Inequality):
            return _undecided(f"a sign proves an inequality, got an {type(statement).__name__}")
        lhs, rhs = statement.lhs, statement.rhs
        larger, smaller = (lhs, rhs) if statement.relation.startswith(">") else (rhs, lhs)
        difference = sp.expand(larger - smaller) if (larger - smaller).count_ops() < LARGEST else larger - smaller
        if _is_above_zero(difference, claim.domain, strictly="=" not in statement.relation):
            shown = str(difference)
            reason = f"the difference of the sides is {shown}" if len(shown) < 200 else "the difference has a sign"
            return Verdict(Outcome.HOLDS, Evidence.SYMBOLIC, "on the whole domain", reason)
        return _undecided("exact algebra sees no sign of the difference of the sides, which proves nothing")


def _is_above_zero(expr: sp.Expr, domain: Domain, strictly: bool) -> bool:
    sign = sign_on_domain(expr, domain)
    if sign is not None:
        return sign > 0 or (sign == 0 and not strictly)
    if expr.count_ops() > LARGEST:
        return False
    shifted = sp.expand(expr.xreplace(by_distances(domain)))
    seen = (sp.factor(expr), shifted, sp.factor(shifted))
    return any(each.is_positive if strictly else each.is_nonnegative for each in seen)


def _undecided(reason: str) -> Verdict:
    return Verdict(Outcome.UNDECIDED, Evidence.SYMBOLIC, "", reason)
