"""Expressions written out entry by entry over the rationals: exact values, and exact means by enumeration.

Every size is a number here, so a random matrix is a table of polynomials in independent standard letters,

    X = 1 mᵀ + Z D^½ Lᵀ   with Σ = L D Lᵀ over the rationals,    E ε^k = (k − 1)!! D^{k/2}  for ε = D^½ z,

and whatever is discrete (labels, masks, locations, the order of the tokens) is enumerated with its probabilities.
The mean of a polynomial expression is then a finite sum, computed without rounding. It shares no rule with
`theory.E`: no words, no pairings, no counting of tokens. Two routes that agree are evidence.

    mean = Σ over outcomes of the discrete variables   P(outcome) · Σ over monomials   coefficient · ∏ E ε_i^{k_i}

What it will cost is bounded beforehand by walking through the expression with `numerics.entry_bounds.Work`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp
from flint import fmpq

from .entries import Entries, added, exact_point, rows_of
from .entry_bounds import Degree, Meter, Work
from .outcomes import Outcomes, random_variables
from .rationals import from_rational

__all__ = ["EntrywiseBudgetExceeded", "degree_bound", "entrywise_mean", "exact_value"]

BUDGET = 300_000_000
"""Products of terms: about a minute."""

_OVERHEAD = 5_000  # products of terms that take as long as walking once through an expression


class EntrywiseBudgetExceeded(RuntimeError):
    """Writing the expression out would take too long; the message holds the estimate."""


def entrywise_mean(
    expr: Any, values: Mapping[Any, Any], *, budget: int = BUDGET, formal: bool = False
) -> sp.Rational | sp.ImmutableDenseMatrix:
    """The exact mean of a polynomial expression in random symbols, by brute force over the rationals.

    Args:
        expr: a scalar or a matrix expression; parameters may be inverted, random entries may not.
        values: an exact rational for each scalar symbol, a whole number for each size, a matrix of exact
            rationals for each matrix symbol, by symbol or by name. Sizes that matrices tell may be left out.
        budget: products of terms that may be formed, as bounded before the start.
        formal: take the mean as the polynomial in the parameters of the laws that it is, also where they give
            negative probabilities or variances.

    Returns:
        A sympy Rational for a scalar or 1×1 expression, an explicit matrix for any other.

    Raises:
        NotPolynomial: for a function without a rational value, or a random entry that is divided by.
        EntrywiseBudgetExceeded: if it would take too long; nothing has been computed then.
        ValueError: for missing values, a covariance that is none, probabilities that are none, and an index
            out of range.

    >>> from theory.variables import GaussianMatrix
    >>> n, d = sp.symbols("n d", integer=True, positive=True)
    >>> X = GaussianMatrix("X", n, d)
    >>> entrywise_mean(sp.Trace(X.T*X*X.T*X), {n: 3, d: 2})       # n d (n + d + 1)
    36
    """
    expr = _as_expression(expr)
    point = exact_point([expr], values)
    laws = Outcomes.of(expr, Entries(point), not formal)
    estimate = laws.outcomes * _OVERHEAD
    if estimate <= budget:
        laws.check_moments(expr)
        estimate = laws.outcomes * _work(expr, laws)
    if estimate > budget:
        raise EntrywiseBudgetExceeded(
            f"expected at most {budget:,} products of terms, got up to {estimate:,} in {laws.outcomes:,} outcomes "
            f"of the discrete variables with {laws.letters} Gaussian letters; take smaller sizes or raise the budget"
        )
    total: Any = None
    for probability, world in laws.worlds():
        value = Entries(point, world.tables).value(expr)
        mean = [[probability * world.mean(entry) for entry in row] for row in rows_of(value)]
        total = mean if total is None else added(total, mean)
    return _result(total if isinstance(value, list) else total[0][0])


def exact_value(expr: Any, values: Mapping[Any, Any]) -> sp.Rational | sp.ImmutableDenseMatrix:
    """The exact value of an expression free of random symbols: traces, inverses, determinants, sums over indices.

    Args:
        expr: what `theory.E` returns, or a formula from a paper.
        values: as for `entrywise_mean`.

    Raises:
        NotPolynomial: if its value is no rational number by the rules of this file.
        ValueError: for missing values, random symbols, and an index out of range.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> A = sp.MatrixSymbol("A", d, d)
    >>> exact_value(sp.Trace(A.I) + sp.Determinant(A), {A: [[1, 2], [3, 4]]})
    -9/2
    """
    expr = _as_expression(expr)
    random = random_variables(expr)
    if random:
        raise ValueError(f"expected an expression free of random symbols, got {random[0]} in it; see entrywise_mean")
    return _result(Entries(exact_point([expr], values)).value(expr))


def _as_expression(expr: Any) -> sp.Basic:
    if isinstance(expr, str):
        raise TypeError(f"expected a sympy expression, got the text {expr!r:.60}")
    return sp.sympify(expr, strict=True)


def _work(expr: sp.Basic, laws: Outcomes) -> int:
    """The products of terms that one outcome takes; everything that is refused is refused here."""
    most = 0
    meter = Meter(laws.letters)
    for tables in laws.as_work(meter):
        meter.spent = _OVERHEAD
        for row in rows_of(Entries(laws.parameters.point, tables).value(expr)):
            for entry in row:
                meter.spent += entry.terms if isinstance(entry, Work) else 1
        most = max(most, meter.spent)
    return most


def degree_bound(expr: sp.Basic, values: Mapping[sp.Basic, Any], degrees: Mapping[sp.Basic, int | Degree]) -> Degree:
    """A bound of the degree of an expression, or of its mean, in what its parameters are made of.

    Args:
        expr: an expression, perhaps in random symbols.
        values: of its parameters by symbol; all that matters is which laws there are and their shapes.
        degrees: of the parameters that vary, as a number or as that of a quotient; all others stay at their value.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> A = sp.MatrixSymbol("A", d, d)
    >>> degree_bound(sp.Trace(A*A), {A: [[1, 2], [3, 4]], d: 2}, {A: 1})
    Degree(numerator=2, denominator=0)
    """
    point = exact_point([expr], values)

    def raised(symbol: sp.Basic, value: Any) -> Any:
        if symbol not in degrees:
            return value
        given = degrees[symbol]
        degree = given if isinstance(given, Degree) else Degree(given)
        return [[degree for _ in row] for row in value] if isinstance(value, list) else degree

    bounds = Entries({symbol: raised(symbol, value) for symbol, value in point.items()})
    laws = Outcomes.of(expr, Entries(point), genuine=False)
    largest = Degree.of_entries(Entries(bounds.point, tables).value(expr) for tables in laws.as_degrees(bounds))
    total = largest * laws.degree_of_probability(bounds)
    return total.repeated(laws.outcomes) if total.denominator else total


def _result(value: Any) -> sp.Rational | sp.ImmutableDenseMatrix:
    if isinstance(value, list):
        return sp.ImmutableDenseMatrix([[from_rational(fmpq(entry)) for entry in row] for row in value])
    return from_rational(fmpq(value))
