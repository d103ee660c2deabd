"""Checking by exact algebra: the difference of the two sides has normal form zero.

sympy is believed only where exact arithmetic says *zero*; that a difference does not reduce
proves nothing, so this check never says *fails*. Limits come from the limit laws, applied to
rational functions, sums, products, powers and continuous functions; there is no guessing.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from theory.domain import Domain
from theory.identity import reduces_to_zero
from theory.matrix_identity import holds_matrices, matrices_agree
from theory.statement import (
    Conserved,
    Identity,
    Invariant,
    Limit,
    Statement,
    Stationary,
    evaluate_expectations,
)
from theory.words import covariances

from .check import Check, Checkable, Context
from .finite_means import infinite_mean_within
from .limits import proven_limit
from .verdict import Evidence, Outcome, Verdict

__all__ = ["SymbolicIdentity", "identities_of"]


@dataclass(frozen=True)
class SymbolicIdentity(Check):
    """The difference of the two sides reduces to zero, by exact normal forms.

    For identities, "is stationary", "is invariant", "is conserved", and limits that the limit laws give. Says
    *holds* (symbolic, identically) or *undecided*, never *fails*.
    """

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Reduce the difference of the two sides."""
        statement = claim.statement.map(evaluate_expectations)
        symmetric = _symmetric(claim.statement) | claim.domain.symmetric
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
                if lhs != rhs and not _agree(lhs, rhs, symmetric, claim.domain):
                    return _undecided(
                        f"{_which(position, identity)} did not reduce to zero by exact normal forms, which "
                        "proves nothing; use CertifiedNumerics to look for a witness"
                    )
        if reason := infinite_mean_within(claim.statement, claim.domain):
            return _undecided(f"the closed forms agree, but not as means: {reason}")
        return _holds("the difference of the sides reduces to zero by exact normal forms", claim.domain)


def _agree(lhs: sp.Expr, rhs: sp.Expr, symmetric: frozenset[sp.Expr], domain: Domain) -> bool:
    if holds_matrices(lhs) or holds_matrices(rhs):
        return matrices_agree(lhs, rhs, symmetric)
    if reduces_to_zero(lhs - rhs):
        return True
    difference = lhs - rhs
    assumed = difference.xreplace(_assumed(domain))
    return assumed != difference and reduces_to_zero(assumed)


def _assumed(domain: Domain) -> dict[sp.Basic, sp.Basic]:
    """For each symbol one that is real, and of the sign that its interval gives it."""
    replaced: dict[sp.Basic, sp.Basic] = {}
    for symbol, (low, high) in domain.intervals:
        facts = {"real": True}
        if low.is_nonnegative:
            facts["positive" if low.is_positive else "nonnegative"] = True
        if high.is_nonpositive:
            facts["negative" if high.is_negative else "nonpositive"] = True
        if any(getattr(symbol, f"is_{fact}") is not True for fact in facts):
            replaced[symbol] = sp.Dummy(symbol.name, **{**symbol._assumptions_orig, **facts})
    return replaced


def _symmetric(statement: Statement) -> frozenset[sp.Expr]:
    """The covariances of the laws in a statement; they are symmetric."""
    if not isinstance(statement, Identity):
        return frozenset()
    return covariances(statement.lhs) | covariances(statement.rhs)


def identities_of(statement: Statement) -> tuple[Identity, ...] | None:
    """The identities a statement consists of; None if it is of another kind."""
    if isinstance(statement, Identity):
        return (statement,)
    if isinstance(statement, (Conserved, Invariant, Stationary)):
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
