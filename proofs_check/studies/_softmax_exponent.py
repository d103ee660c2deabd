"""How fast softmax attention over n tokens reaches its limit on average over Gaussian queries: bounds, and slopes.

For a query x ~ N(0, 1) the scores have the variance q = λx², and the mean participation ratio is

    P̄(n, λ) = E_x P(2; n, λx²),    P(2; n, q) = E Σ p_i²,   p = softmax(√q z)

**Certified bounds.** By the heat equation ∂P/∂q = E[S₂ + 3S₂² − 4S₃] with the power sums S_k = Σ p_i^k. As
S₂² ≤ S₃ ≤ S₂^{3/2},

    −1/3 ≤ ∂ log P/∂q ≤ 1

so that on a cell of queries where q varies by 2ρ the moment at the middle is right up to e^{±ρ}; beyond the last cell
P ≤ 1. The bounds are crude, but n spans thirty orders of magnitude.

**Slopes.** The trapezoidal rule over queries with certified moments at the nodes; its own error is not proven.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp
from flint import arb, ctx, fmpz

from numerics import ball
from numerics.softmax_moments import softmax_moment_ball
from proofs_check.check import Check, Checkable, Context
from proofs_check.verdict import Evidence, Outcome, Verdict, Witness
from theory import GaussianIntegral, Inequality, Limit, SoftmaxMoment

__all__ = ["QueryMeans", "SlopesTowards", "mean_participation", "participation_bounds"]

_BITS = 32


def mean_participation(n: sp.Expr, lam: sp.Expr) -> sp.Expr:
    """P̄(n, λ) = E_x P(2; n, λx²) as an expression.

    >>> n = sp.Symbol("n", integer=True, positive=True)
    >>> mean_participation(n, sp.Integer(1)).dimension
    1
    """
    t = sp.Symbol("t", real=True)
    return GaussianIntegral(SoftmaxMoment(n, lam * t**2, 2), (t,))


def _moment(n: int, q: arb) -> arb:
    with ctx.workprec(_BITS):
        return softmax_moment_ball(arb(fmpz(n)), q, arb(2))


@lru_cache
def participation_bounds(n: int, lam: sp.Rational, rho: sp.Rational) -> arb:
    """A ball that holds P̄(n, λ), by cells on which λx² varies by 2ρ, until the rest of the queries weighs little.

    >>> enclosed = participation_bounds(1, sp.Integer(1), sp.Rational(1, 2))
    >>> enclosed.contains(1)
    True
    """
    with ctx.workprec(_BITS):
        scale, width = arb(lam.p) / lam.q, arb(rho.p) / rho.q
        low = high = arb(0)
        cell, beyond = 0, arb(1)
        while not beyond < low * width / 8:
            edge = (width * (cell + 1) / scale).sqrt()  # x/√2 where λx² = 2ρ(cell + 1)
            mass, beyond = beyond - edge.erfc(), edge.erfc()
            weighted = mass * _moment(n, (2 * cell + 1) * width)
            low += weighted * (-width).exp()
            high += weighted * width.exp()
            cell += 1
        return low.union(high + beyond)


@lru_cache
def participation_by_trapezoid(n: int, lam: float, step: float = 0.5) -> float:
    """P̄(n, λ) by the trapezoidal rule over queries."""
    total, largest, term, k = 0.0, 0.0, 1.0, 0
    while k * step < 5 or term > 1e-6 * largest:
        query = k * step
        term = float(_moment(n, arb(lam * query * query))) * math.exp(-query * query / 2) * (2 if k else 1)
        total, largest, k = total + term, max(largest, term), k + 1
    return total * step / math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class QueryMeans(Check):
    """An inequality between numbers in which means P̄(n, λ) stand, each enclosed by `participation_bounds`.

    Args:
        rho: half of what q varies by on a cell.
    """

    rho: sp.Rational

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Enclose both sides."""
        statement = claim.statement
        if not isinstance(statement, Inequality):
            return _undecided(f"expected an inequality, got a {type(statement).__name__}")
        sides = []
        for side in (statement.lhs, statement.rhs):
            known = {sp.Dummy(positive=True): node for node in side.atoms(GaussianIntegral)}
            values = {symbol: self._enclosed(node) for symbol, node in known.items()}
            named = side.xreplace({node: symbol for symbol, node in known.items()})
            sides.append(ball(named, values, digits=8))
        left, right = sides
        holds = {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}
        fails = {"<": left >= right, "<=": left > right, ">": left <= right, ">=": left < right}
        if holds[statement.relation]:
            return Verdict(
                Outcome.HOLDS, Evidence.CERTIFIED, "without parameters", f"{left.str(6)} against {right.str(6)}"
            )
        if fails[statement.relation]:
            witness = Witness({}, left.str(6), right.str(6), f"claimed {statement.relation}")
            return Verdict(Outcome.FAILS, Evidence.CERTIFIED, "without parameters", "the balls are apart", witness)
        return _undecided(f"{left.str(6)} and {right.str(6)} overlap; lower rho={self.rho}")

    def _enclosed(self, node: GaussianIntegral) -> arb:
        (moment,) = node.atoms(SoftmaxMoment)
        (t,) = node.variables
        lam = sp.cancel(moment.args[1] / t**2)
        if node != mean_participation(moment.args[0], lam):
            raise TypeError(f"expected a mean of SoftmaxMoment(n, lam*t**2, 2), got {node}")
        return participation_bounds(int(moment.args[0]), lam, self.rho)


@dataclass(frozen=True)
class SlopesTowards(Check):
    """What a search finds of an exponent lim log P̄(n, λ)/log n: slopes between powers of ten, and no verdict.

    Args:
        lam: λ.
        exponents: the powers of ten.
        candidate: the conjectured exponent, for the reader.
    """

    lam: float
    exponents: tuple[int, ...]
    candidate: Callable[[], sp.Expr]

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """The slopes, in the reason of an undecided verdict."""
        if not isinstance(claim.statement, Limit):
            return _undecided(f"expected a limit, got a {type(claim.statement).__name__}")
        values = {k: participation_by_trapezoid(10**k, self.lam) for k in self.exponents}
        slopes = [
            f"{(math.log(values[k]) - math.log(values[j])) / ((k - j) * math.log(10)):.5f} from 1e{j} to 1e{k}"
            for j, k in zip(self.exponents, self.exponents[1:])
        ]
        return _undecided(
            f"numerical evidence only: slopes {', '.join(slopes)}, conjectured {float(self.candidate()):.5f}; "
            "the moments at the nodes are certified, the sum over queries is not, and no slope is a limit"
        )


def _undecided(reason: str) -> Verdict:
    return Verdict(Outcome.UNDECIDED, Evidence.CERTIFIED, "", reason)
