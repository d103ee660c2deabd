"""Is a claimed mean the mean? Compared exactly at random rational parameters, with the chance of a false agreement.

    E expr − claimed = P/Q,   P ≠ 0 of degree p   ⟹   P(P vanishes at a random point) ≤ p/|S|

for parameters drawn independently and uniformly from sets of |S| rationals (Schwartz 1980, Zippel 1979). Sizes
are not drawn: the verdict is about the sizes that were tried. A law stays a law at every point: probabilities of
K events lie in (0, 1/K), variances are positive, and a covariance is L D Lᵀ with L unit lower triangular and D > 0,
in whose entries the degree is counted.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from theory.domain import Domain
from theory.expectation import Expectation, MatrixExpectation
from theory.gradient import Gradient, MatrixGradient
from theory.variables import Dot

from .entries import unknowns
from .entry_bounds import Degree
from .entrywise import BUDGET, degree_bound, entrywise_mean, exact_value
from .literal import literal_degree, literal_value
from .outcomes import random_variables
from .parameter_kinds import Dice, ParameterKinds, exact_value_of, parameter_kinds, restricted_to, tried_sizes
from .rationals import rational

__all__ = ["EntrywiseAgreement", "agrees_entrywise", "random_points", "sides_agree"]

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

    def mean(values: _Values) -> _Known:
        at = restricted_to(values, expr)
        return entrywise_mean(expr, at, budget=budget, formal=True), lambda degrees: degree_bound(expr, at, degrees)

    def formula(values: _Values) -> _Known:
        at = restricted_to(values, claimed)
        return exact_value(claimed, at), lambda degrees: degree_bound(claimed, at, degrees)

    kinds = parameter_kinds(expr, claimed, frozenset(symmetric))
    return _compared(kinds, mean, formula, sizes, draws, Dice(random.Random(seed), choices))


def sides_agree(
    lhs: sp.Expr,
    rhs: sp.Expr,
    *,
    domain: Domain | None = None,
    sizes: Iterable[Mapping[Any, int]] | None = None,
    draws: int = 1,
    seed: int = 0,
    budget: int = BUDGET,
    choices: int = SET,
) -> EntrywiseAgreement:
    """Whether two formulas are equal as they are written, means by enumeration and gradients by differencing.

    Args:
        lhs, rhs: scalars or matrices of one shape, see `literal_value`: rational in their parameters, polynomial
            in random symbols.
        domain: where they are claimed to be equal: its sizes are tried, its matrices are symmetric, and a witness
            lies inside. Two quotients of polynomials that are equal somewhere are equal everywhere; formulas with
            other functions of a parameter, such as |s|, are compared inside the domain only, with no error bound.
        sizes, draws, seed, budget, choices: as for `agrees_entrywise`.

    Returns:
        The verdict with its error bound, and the witness of a failure.

    Raises:
        NotPolynomial, EntrywiseBudgetExceeded, ValueError: as `literal_value` does; ValueError also where they
            differ, but no point inside the domain was found at which they do.

    >>> from theory.gradient import Gradient
    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> A, W = sp.MatrixSymbol("A", d, d), sp.MatrixSymbol("W", d, d)
    >>> sides_agree(Gradient(sp.Trace(A*W), W), A.T).verdict, sides_agree(Gradient(sp.Trace(A*W), W), A).verdict
    ('holds', 'fails')
    """
    if draws < 1:
        raise ValueError(f"expected at least one draw, got draws={draws}")
    where = Domain({}) if domain is None else domain
    kinds = parameter_kinds(sp.Tuple(lhs, rhs), sp.Integer(0), where.symmetric, where.covariances)
    if not sizes:
        kinds = kinds.with_free(_whole_numbers(lhs, rhs))
    tried = list(sizes) if sizes else _sizes_inside(kinds, where)

    def side(expr: sp.Expr) -> Callable[[_Values], _Known]:
        def known(values: _Values) -> _Known:
            at = restricted_to(values, expr)
            return literal_value(expr, at, budget=budget), lambda degrees: literal_degree(expr, at, degrees)

        return known

    both = side(lhs), side(rhs)
    rng = random.Random(seed)
    if _is_rational(lhs) and _is_rational(rhs):
        found = _compared(kinds, *both, tried, draws, Dice(rng, choices))
        if found.holds or _is_inside(found.witness or {}, where, rng):
            return found
        found = _compared(kinds, *both, tried, max(draws, _REDRAWS), Dice(rng, choices), where)
        if found.holds:
            raise ValueError(f"they differ, but not at {found.points} points of {where}")
        return found
    found = _compared(kinds, *both, tried, max(draws, _REDRAWS), Dice(rng, choices), where)
    return replace(found, error_bound=1.0) if found.holds else found


def _is_rational(expr: sp.Basic) -> bool:
    """Whether numbers enter through sums, products and powers alone, so that what is equal somewhere is everywhere."""
    for node in sp.preorder_traversal(expr):
        is_power = isinstance(node, sp.Pow) and not node.exp.is_integer
        if isinstance(node, (sp.Function, sp.Piecewise)) or is_power:
            if any(not s.is_integer for s in node.free_symbols):
                return False
    return True


_RATIONAL = (
    *(sp.Symbol, sp.Add, sp.Mul, sp.MatAdd, sp.MatMul, sp.HadamardProduct, sp.Transpose, sp.Inverse, sp.Trace),
    *(sp.Determinant, sp.MatrixBase, Dot, Expectation, MatrixExpectation, Gradient, MatrixGradient),
)


def _whole_numbers(*exprs: sp.Basic) -> set[sp.Basic]:
    """The integers that enter through sums, products and whole powers alone, and may be as large as any number."""
    letters = {s for expr in exprs for s in unknowns(expr) if s.is_integer and not isinstance(s, sp.MatrixSymbol)}
    for expr in exprs:
        for node in sp.preorder_traversal(expr):
            if isinstance(node, _RATIONAL) or (isinstance(node, (sp.Pow, sp.MatPow)) and node.exp.is_Integer):
                continue
            letters -= (
                node.free_symbols if not isinstance(node, sp.MatrixSymbol) else sp.Tuple(*node.shape).free_symbols
            )
    return letters


def _sizes_inside(kinds: ParameterKinds, domain: Domain) -> list[dict[sp.Basic, int]]:
    """The smallest sizes from 2 on that the domain admits, then one larger, one size after the other."""
    ends = dict(domain.intervals)
    ordered = sorted(kinds.sizes, key=sp.default_sort_key)
    least = {s: 2 if s in kinds.shapes else 1 for s in ordered}
    base = {s: int(sp.Max(least[s], sp.ceiling(ends[s][0]))) if s in ends else least[s] for s in ordered}
    base = {s: int(sp.Min(k, sp.floor(ends[s][1]))) if s in ends else k for s, k in base.items()}
    larger = [
        {**base, s: base[s] + 1} for s in ordered if s in kinds.shapes and (s not in ends or base[s] < ends[s][1])
    ]
    return [base, *larger]


def _is_inside(point: Mapping[sp.Basic, Any], domain: Domain, rng: random.Random) -> bool:
    """Whether a point belongs to the domain, other symbols of which may take any value."""
    own = {s: value for s, value in point.items() if s in domain.symbols}
    return domain.contains({**domain.draw(rng), **own}) is True if domain.symbols else True


_Values = Mapping[sp.Basic, Any]
_Known = tuple[Any, Callable[[Mapping[sp.Basic, int]], Degree]]

_REDRAWS = 20
"""How often a point may be drawn again at which a formula divides by zero."""


def _compared(
    kinds: ParameterKinds,
    first: Callable[[_Values], _Known],
    second: Callable[[_Values], _Known],
    sizes: Iterable[Mapping[Any, int]] | None,
    draws: int,
    dice: Dice,
    domain: Domain | None = None,
) -> EntrywiseAgreement:
    """Both values at random points, and how often they could agree by chance, unless they are those of a domain."""
    tried = tuple(tried_sizes(kinds, sizes))
    points, degree = 0, 0
    for size in tried:
        for _ in range(draws):
            values, (found, degree_found), (said, degree_said) = _at_a_point(kinds, size, dice, domain, first, second)
            points += 1
            if getattr(found, "shape", None) != getattr(said, "shape", None):
                raise ValueError(
                    "expected a claimed mean of the shape of the expression, got "
                    f"{getattr(said, 'shape', 'a scalar')} against {getattr(found, 'shape', 'a scalar')}"
                )
            if found != said:
                witness = {symbol: exact_value_of(value) for symbol, value in values.items()}
                return EntrywiseAgreement("fails", points, degree, 0.0, tried, witness, found, said)
            if domain is not None:
                continue
            one, other = degree_found(kinds.degrees), degree_said(kinds.degrees)
            crossed = one.numerator + other.denominator, other.numerator + one.denominator
            poles = one.denominator + other.denominator
            degree = max(degree, *(k + poles for k in crossed))
    return EntrywiseAgreement("holds", points, degree, min(1.0, (degree / dice.choices) ** draws), tried)


def random_points(
    expr: sp.Expr,
    claimed: sp.Expr,
    *,
    sizes: Iterable[Mapping[Any, int]] | None = None,
    seed: int = 0,
    choices: int = SET,
) -> Iterator[dict[sp.Basic, Any]]:
    """The points at which `agrees_entrywise` compares, one for each of the sizes: exact rationals and tables of them.

    Args:
        expr, claimed, sizes, seed, choices: as there.

    >>> from theory.variables import gaussians
    >>> s = sp.Symbol("s", positive=True)
    >>> (w,) = gaussians("w", covariance=[[s]])
    >>> [dict(point) for point in random_points(w**2, s, choices=1)]
    [{s: 1}]
    """
    kinds = parameter_kinds(expr, claimed)
    dice = Dice(random.Random(seed), choices)
    for size in tried_sizes(kinds, sizes):
        yield kinds.draw(size, dice)


def _at_a_point(
    kinds: ParameterKinds,
    size: Mapping[sp.Basic, int],
    dice: Dice,
    domain: Domain | None,
    first: Callable[[_Values], _Known],
    second: Callable[[_Values], _Known],
) -> tuple[dict[sp.Basic, Any], _Known, _Known]:
    """Both sides at a random point where both have a value."""
    pole: ZeroDivisionError | None = None
    for _ in range(_REDRAWS):
        values = kinds.draw(size, dice)
        if domain is not None:
            numbers = domain.draw(dice.rng)
            values |= {s: rational(numbers[s], str(s)) for s in kinds.parameters if s in numbers}
        try:
            return values, first(values), second(values)
        except ZeroDivisionError as error:
            pole = error
    assert pole is not None
    raise pole
