"""Checking a mean of matrices against brute force over the rationals.

Both what the engine makes of E[f] and the typed formula are compared, exactly, with the mean of f written out entry
by entry and enumerated (`numerics.agrees_entrywise`), at random rational parameters and small sizes. No rule of
the engine takes part. A polynomial identity that is wrong at a size passes a random point with a probability
below degree/2⁶⁰ (Schwartz, Zippel), which the reason states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numerics.entries import NotPolynomial
from numerics.entrywise import EntrywiseBudgetExceeded
from numerics.schwartz_zippel import agrees_entrywise
from theory.expectation import Expectation, MatrixExpectation
from theory.statement import Identity, evaluate_expectations

from .check import Check, Checkable, Context
from .matrix_witness import MatrixFailure, exact_witness, simplest_failure
from .verdict import Evidence, Outcome, Verdict

__all__ = ["Entrywise"]


@dataclass(frozen=True)
class Entrywise(Check):
    """E[f] = formula, for polynomials f, compared with enumeration at random rational points.

    Args:
        sizes: the sizes tried, each a mapping from size symbols to small integers; default all 2, then 3 for one
            after the other.
        draws: random points for each of them.
        engine: whether the engine's own value is held to enumeration as well; a claim that is wrong only there is a
            bug of the engine, not of the claim.
    """

    sizes: Sequence[Mapping[Any, int]] = ()
    draws: int = 2
    engine: bool = True

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Compare the typed value, and the engine's, with brute force."""
        statement = claim.statement
        if not isinstance(statement, Identity):
            return _undecided(f"expected an identity E[f] = formula, got a {type(statement).__name__}")
        points, bound = 0, 0.0
        for lhs, rhs in statement.components():
            if not isinstance(lhs, (Expectation, MatrixExpectation)):
                return _undecided("the left side is not one expectation")
            values = [(evaluate_expectations(rhs), "typed")]
            if self.engine:
                values.insert(0, (evaluate_expectations(lhs), "the engine's"))
            for claimed, whose in values:
                try:
                    found = agrees_entrywise(
                        lhs.args[0],
                        claimed,
                        sizes=list(self.sizes) or None,
                        draws=self.draws,
                        seed=context.seed,
                        symmetric=claim.domain.symmetric,
                    )
                except EntrywiseBudgetExceeded as error:
                    return _undecided(f"{error}; give smaller sizes")
                except NotPolynomial as error:
                    return _undecided(f"enumeration knows polynomials only: {error}")
                if not found.holds:
                    expr = lhs.args[0]
                    failure = simplest_failure(
                        expr, claimed, domain=claim.domain, sizes=list(self.sizes) or None, seed=context.seed
                    ) or MatrixFailure(found.witness or {}, found.mean, found.claimed)
                    return Verdict(
                        Outcome.FAILS,
                        Evidence.CERTIFIED,
                        "at a rational point",
                        "enumeration gives another mean",
                        exact_witness(failure, expr, claimed, f"the {whose} value is wrong" if self.engine else ""),
                        context.seed,
                    )
                points, bound = points + found.points, max(bound, found.error_bound)
        tried = "; ".join(", ".join(f"{symbol}={value}" for symbol, value in size.items()) for size in self.sizes)
        chance = f"; a wrong formula passes with probability below {bound:.0e}" if bound else ""
        return Verdict(
            Outcome.HOLDS,
            Evidence.CERTIFIED,
            f"at {points} random rational points" + (f" ({tried})" if tried else ""),
            f"equal to the mean by enumeration{chance}",
            seed=context.seed,
        )


def _undecided(reason: str) -> Verdict:
    return Verdict(Outcome.UNDECIDED, Evidence.CERTIFIED, "", reason)
