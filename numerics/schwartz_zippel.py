"""Is a claimed mean the mean? Compared exactly at random rational parameters, with the chance of a false agreement.

    E expr − claimed = P/Q,   P ≠ 0 of degree p   ⟹   P(P vanishes at a random point) ≤ p/|S|

for parameters drawn independently and uniformly from sets of |S| rationals (Schwartz 1980, Zippel 1979). Sizes
are not drawn: the verdict is about the sizes that were tried. A law stays a law at every point: probabilities of
K events lie in (0, 1/K), variances are positive, and a covariance is L D Lᵀ with L unit lower triangular and D > 0,
in whose entries the degree is counted.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from .entrywise import BUDGET, degree_bound, entrywise_mean, exact_value
from .outcomes import random_variables
from .parameter_kinds import Dice, exact_value_of, parameter_kinds, restricted_to, tried_sizes

__all__ = ["EntrywiseAgreement", "agrees_entrywise"]

SET = 2**60
"""|S|: how many values a parameter is drawn from."""


@dataclass(frozen=True)
class EntrywiseAgreement:
    """What comparing a claimed mean with brute force at random rational points has shown.

    Args:
        verdict: "holds" or "fails".
        points: how many points were compared.
        degree: the largest degree of the difference in the drawn parameters, as bounded.
        error_bound: a claim that is wrong at one of the sizes is told to hold at most so often.
        sizes: the sizes that were tried.
        witness: the values at which they differ, and None where they do not.
        mean, claimed: both values at the witness.
    """

    verdict: str
    points: int
    degree: int
    error_bound: float
    sizes: tuple[Mapping[sp.Basic, int], ...]
    witness: Mapping[sp.Basic, Any] | None = None
    mean: sp.Expr | None = None
    claimed: sp.Expr | None = None

    @property
    def holds(self) -> bool:
        """Whether mean and claim agreed at every point."""
        return self.verdict == "holds"

    def __bool__(self) -> bool:
        raise TypeError("a verdict is no truth value; ask for .holds")

    def __str__(self) -> str:
        tried = "; ".join(", ".join(f"{symbol}={k}" for symbol, k in size.items()) for size in self.sizes)
        where = f"{self.points} random rational points ({tried or 'no sizes'})"
        if self.holds:
            return (
                f"holds at {where}; degree {self.degree}, a wrong claim passes with probability {self.error_bound:.1g}"
            )
        return f"fails at one of {where}: the mean is {self.mean}, not {self.claimed}"


def agrees_entrywise(
    expr: sp.Expr,
    claimed: sp.Expr,
    *,
    sizes: Iterable[Mapping[Any, int]] | None = None,
    draws: int = 1,
    seed: int = 0,
    symmetric: Iterable[sp.MatrixSymbol] = (),
    budget: int = BUDGET,
    choices: int = SET,
) -> EntrywiseAgreement:
    """Whether `claimed` is the mean of `expr`, by brute force over the rationals at random parameters.

    Args:
        expr: a polynomial expression in random symbols, see `entrywise_mean`.
        claimed: its mean, as `theory.E` returns it or as typed from a paper.
        sizes: for each point a whole number for every size, by symbol or name; default all 2, then 3 for
            one size after the other.
        draws: random points for each of the sizes; the error bound is a power of it.
        seed: of the draws.
        symmetric: matrix symbols to be drawn symmetric; covariances always are.
        budget: see `entrywise_mean`.
        choices: |S|, from how many rationals a parameter is drawn; few of them make a witness that can be read, and
            an agreement that says little.

    Returns:
        The verdict with its error bound, and the witness of a failure.

    Raises:
        ValueError: for missing sizes, and a claim of another shape.
        NotPolynomial, EntrywiseBudgetExceeded: as `entrywise_mean` does.

    >>> from theory.variables import GaussianMatrix
    >>> n, d = sp.symbols("n d", integer=True, positive=True)
    >>> A, S = sp.MatrixSymbol("A", d, d), sp.MatrixSymbol("S", d, d)
    >>> X = GaussianMatrix("X", n, d, covariance=S)
    >>> print(agrees_entrywise(sp.Trace(X.T*X*A), n*sp.Trace(A*S), sizes=[{n: 2, d: 2}]))
    holds at 1 random rational points (d=2, n=2); degree 7, a wrong claim passes with probability 6e-18
    >>> agrees_entrywise(sp.Trace(X.T*X*A), sp.Trace(A*S)).verdict
    'fails'
    """
    expr, claimed = sp.sympify(expr, strict=True), sp.sympify(claimed, strict=True)
    if draws < 1:
        raise ValueError(f"expected at least one draw, got draws={draws}")
    random_letters = random_variables(claimed)
    if random_letters:
        raise ValueError(f"expected a claimed mean free of random symbols, got {random_letters[0]} in it")
    kinds = parameter_kinds(expr, claimed, frozenset(symmetric))
    tried = tuple(tried_sizes(kinds, sizes))
    dice = Dice(random.Random(seed), choices)
    points, degree = 0, 0
    for size in tried:
        for _ in range(draws):
            values = kinds.draw(size, dice)
            points += 1
            left, right = restricted_to(values, expr), restricted_to(values, claimed)
            mean, said = entrywise_mean(expr, left, budget=budget, formal=True), exact_value(claimed, right)
            if getattr(mean, "shape", None) != getattr(said, "shape", None):
                raise ValueError(f"expected a claimed mean of the shape of {expr}, got {claimed}")
            first, second = degree_bound(expr, left, kinds.degrees), degree_bound(claimed, right, kinds.degrees)
            crossed = first.numerator + second.denominator, second.numerator + first.denominator
            poles = first.denominator + second.denominator
            degree = max(degree, *(k + poles for k in crossed))
            if mean != said:
                witness = {symbol: exact_value_of(value) for symbol, value in values.items()}
                return EntrywiseAgreement("fails", points, degree, 0.0, tried, witness, mean, said)
    return EntrywiseAgreement("holds", points, degree, min(1.0, (degree / choices) ** draws), tried)
