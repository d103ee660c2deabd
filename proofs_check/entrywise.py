"""Checking formulas about matrices by brute force over the rationals.

Both sides are evaluated exactly as they are written (`numerics.sides_agree`) at random rational parameters and small
sizes: matrices entry by entry, a mean by enumeration, a gradient by differencing. No rule of the engine takes part.
What the engine makes of the means and gradients is held to the same. Formulas that are rational in their parameters
and wrong at a size pass a random point with a probability below degree/2⁶⁰ (Schwartz, Zippel), which the reason
states.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from numerics.entries import NotPolynomial
from numerics.entrywise import EntrywiseBudgetExceeded
from numerics.schwartz_zippel import EntrywiseAgreement, sides_agree
from theory.domain import Domain
from theory.gaussian import InfiniteExpectation, NoClosedForm
from theory.statement import Identity, evaluate_expectations, unevaluated

from .check import Check, Checkable, Context
from .matrix_witness import MatrixFailure, exact_witness, simplest_failure
from .verdict import Evidence, Outcome, Verdict

__all__ = ["Entrywise"]


@dataclass(frozen=True)
class Entrywise(Check):
    """Both sides of an identity, compared exactly at random rational points.

    For polynomials in random symbols inside means, and traces, forms, inverses, determinants and gradients of
    parameters.

    Args:
        sizes: the sizes tried, each a mapping from size symbols to small integers; default all 2, or the smallest
            that the domain admits, then one more for one after the other.
        draws: random points for each of them.
        engine: whether the engine's own value is held to enumeration as well; a claim that is wrong only there is a
            bug of the engine, not of the claim.
    """

    sizes: Sequence[Mapping[Any, int]] = ()
    draws: int = 2
    engine: bool = True

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Compare the two sides, and the engine's value of each, with brute force."""
        statement = claim.statement
        if not isinstance(statement, Identity):
            return _undecided(f"expected an identity, got a {type(statement).__name__}")
        points, bound, sizes = 0, 0.0, dict[str, None]()
        for lhs, rhs in statement.components():
            for left, right, note in self._comparisons(lhs, rhs):
                try:
                    found = self._agreement(left, right, claim.domain, context.seed)
                except EntrywiseBudgetExceeded as error:
                    return _undecided(f"{error}; give smaller sizes")
                except NotPolynomial as error:
                    return _undecided(f"enumeration knows polynomials only: {error}")
                except (ValueError, ZeroDivisionError) as error:
                    return _undecided(f"enumeration came to no value: {error}")
                if not found.holds:
                    return self._refutation(found, left, right, note, claim.domain, context)
                points, bound = points + found.points, max(bound, found.error_bound)
                sizes |= {
                    ", ".join(f"{symbol}={value}" for symbol, value in size.items()): None for size in found.sizes
                }
        tried = "; ".join(filter(None, sizes))
        chance = f"; a wrong formula passes with probability below {bound:.0e}" if 0 < bound < 1 else ""
        return Verdict(
            Outcome.HOLDS,
            Evidence.CERTIFIED,
            f"at {points} random rational points" + (f" ({tried})" if tried else ""),
            f"equal by enumeration{chance}",
            seed=context.seed,
        )

    def _comparisons(self, lhs: sp.Expr, rhs: sp.Expr) -> Iterator[tuple[sp.Expr, sp.Expr, str]]:
        """What has to agree, and what is wrong where it does not."""
        has_nodes = [bool(unevaluated(side)) for side in (lhs, rhs)]
        if self.engine:
            for side, holds_nodes in zip((lhs, rhs), has_nodes, strict=True):
                closed = _closed_form(side) if holds_nodes else None
                if closed is not None:
                    yield side, closed, "the engine's value is wrong"
        yield lhs, rhs, "the typed value is wrong" if self.engine and has_nodes == [True, False] else ""

    def _agreement(self, lhs: sp.Expr, rhs: sp.Expr, domain: Domain, seed: int) -> EntrywiseAgreement:
        return sides_agree(lhs, rhs, domain=domain, sizes=list(self.sizes) or None, draws=self.draws, seed=seed)

    def _refutation(
        self, found: EntrywiseAgreement, lhs: sp.Expr, rhs: sp.Expr, note: str, domain: Domain, context: Context
    ) -> Verdict:
        simplest = simplest_failure(
            lhs,
            rhs,
            domain=domain,
            sizes=list(self.sizes) or None,
            seed=context.seed,
            seconds=context.seconds / 4,  # the comparison has taken its part
        )
        failure = simplest or MatrixFailure(found.witness or {}, found.mean, found.claimed)
        witness = exact_witness(failure, lhs, rhs, note)
        reason = "enumeration gives another value"
        return Verdict(Outcome.FAILS, Evidence.CERTIFIED, "at a rational point", reason, witness, context.seed)


def _closed_form(expr: sp.Expr) -> sp.Expr | None:
    """What the engine makes of the means and gradients; None where it comes to none."""
    try:
        return evaluate_expectations(expr)
    except (NoClosedForm, InfiniteExpectation):
        return None


def _undecided(reason: str) -> Verdict:
    return Verdict(Outcome.UNDECIDED, Evidence.CERTIFIED, "", reason)
