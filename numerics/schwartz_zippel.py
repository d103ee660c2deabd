"""Is a claimed mean the mean? Compared exactly at random rational parameters, with the chance of a false agreement.

    E expr − claimed = P/Q,   P ≠ 0 of degree p   ⟹   P(P vanishes at a random point) ≤ p/|S|

for parameters drawn independently and uniformly from sets of |S| rationals (Schwartz 1980, Zippel 1979). Sizes
are not drawn: the verdict is about the sizes that were tried. A law stays a law at every point: probabilities of
K events lie in (0, 1/K), variances are positive, and a covariance is L D Lᵀ with L unit lower triangular and D > 0,
in whose entries the degree is counted.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp
from flint import fmpq

from theory.domain import Domain
from theory.expectation import Expectation, MatrixExpectation
from theory.gradient import Gradient, MatrixGradient
from theory.variables import (
    Dot,
    GaussianFamily,
    GaussianVector,
    Labels,
    Latent,
    Mask,
    MixtureMatrix,
    TokenMatrix,
)

from .entries import unknowns
from .entry_bounds import Degree
from .entrywise import BUDGET, degree_bound, entrywise_mean, exact_value
from .literal import literal_degree, literal_value
from .outcomes import random_variables
from .rationals import from_rational, rational

__all__ = ["EntrywiseAgreement", "agrees_entrywise", "sides_agree"]

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
        at = _restricted(values, expr)
        return entrywise_mean(expr, at, budget=budget, formal=True), lambda degrees: degree_bound(expr, at, degrees)

    def formula(values: _Values) -> _Known:
        at = _restricted(values, claimed)
        return exact_value(claimed, at), lambda degrees: degree_bound(claimed, at, degrees)

    kinds = _kinds(expr, claimed, frozenset(symmetric))
    return _compared(kinds, mean, formula, sizes, draws, _Dice(random.Random(seed), choices))


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
    kinds = _kinds(lhs, rhs, where.symmetric)
    kinds = replace(kinds, covariances=kinds.covariances | where.covariances)
    if not sizes:
        kinds = kinds.with_free(_whole_numbers(lhs, rhs))
    tried = list(sizes) if sizes else _sizes_inside(kinds, where)

    def side(expr: sp.Expr) -> Callable[[_Values], _Known]:
        def known(values: _Values) -> _Known:
            at = _restricted(values, expr)
            return literal_value(expr, at, budget=budget), lambda degrees: literal_degree(expr, at, degrees)

        return known

    both = side(lhs), side(rhs)
    rng = random.Random(seed)
    if _is_rational(lhs) and _is_rational(rhs):
        found = _compared(kinds, *both, tried, draws, _Dice(rng, choices))
        if found.holds or _is_inside(found.witness or {}, where, rng):
            return found
        found = _compared(kinds, *both, tried, max(draws, _REDRAWS), _Dice(rng, choices), where)
        if found.holds:
            raise ValueError(f"they differ, but not at {found.points} points of {where}")
        return found
    found = _compared(kinds, *both, tried, max(draws, _REDRAWS), _Dice(rng, choices), where)
    return replace(found, error_bound=1.0) if found.holds else found


def _is_rational(expr: sp.Basic) -> bool:
    """Whether numbers enter through sums, products and powers alone, so that what is equal somewhere is everywhere."""
    for node in sp.preorder_traversal(expr):
        is_power = isinstance(node, sp.Pow) and not node.exp.is_integer
        if isinstance(node, (sp.Function, sp.Piecewise)) or is_power:
            if any(not s.is_integer and not isinstance(s, sp.MatrixSymbol) for s in node.free_symbols):
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


def _sizes_inside(kinds: _Kinds, domain: Domain) -> list[dict[sp.Basic, int]]:
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
    kinds: _Kinds,
    first: Callable[[_Values], _Known],
    second: Callable[[_Values], _Known],
    sizes: Iterable[Mapping[Any, int]] | None,
    draws: int,
    dice: _Dice,
    domain: Domain | None = None,
) -> EntrywiseAgreement:
    """Both values at random points, and how often they could agree by chance, unless they are those of a domain."""
    tried = tuple(_sizes(kinds.sizes, kinds.shapes, sizes))
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
                witness = {symbol: _shown(value) for symbol, value in values.items()}
                return EntrywiseAgreement("fails", points, degree, 0.0, tried, witness, found, said)
            if domain is not None:
                continue
            one, other = degree_found(kinds.degrees), degree_said(kinds.degrees)
            crossed = one.numerator + other.denominator, other.numerator + one.denominator
            poles = one.denominator + other.denominator
            degree = max(degree, *(k + poles for k in crossed))
    return EntrywiseAgreement("holds", points, degree, min(1.0, (degree / dice.choices) ** draws), tried)


def _at_a_point(
    kinds: _Kinds,
    size: Mapping[sp.Basic, int],
    dice: _Dice,
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


def _restricted(values: Mapping[sp.Basic, Any], expr: sp.Basic) -> dict[sp.Basic, Any]:
    return {symbol: values[symbol] for symbol in unknowns(expr)}


def _shown(value: Any) -> sp.Basic:
    if isinstance(value, list):
        return sp.ImmutableDenseMatrix([[from_rational(entry) for entry in row] for row in value])
    return from_rational(fmpq(value))


# --- which values a parameter takes ------------------------------------------------------


@dataclass(frozen=True)
class _Dice:
    """Draws from so many rationals each."""

    rng: random.Random
    choices: int

    def positive(self) -> fmpq:
        """1, …, choices."""
        return fmpq(self.rng.randint(1, self.choices))

    def signed(self) -> fmpq:
        """As many, around zero."""
        return fmpq(self.rng.randrange(self.choices) - self.choices // 2)


@dataclass(frozen=True)
class _Kinds:
    """What each parameter is drawn as."""

    sizes: frozenset[sp.Basic]
    shapes: frozenset[sp.Basic]
    parameters: tuple[sp.Basic, ...]
    probabilities: frozenset[sp.Basic]
    distributions: frozenset[sp.Basic]
    positive: frozenset[sp.Basic]
    covariances: frozenset[sp.Basic]
    symmetric: frozenset[sp.Basic]

    @property
    def degrees(self) -> dict[sp.Basic, int]:
        """The degree of each parameter in what is drawn: L D Lᵀ has degree 3."""
        return {symbol: 3 if symbol in self.covariances else 1 for symbol in self.parameters}

    def with_free(self, letters: set[sp.Basic]) -> _Kinds:
        """With some of the whole numbers drawn like other numbers; those of shapes stay small."""
        free = letters & (self.sizes - self.shapes)
        parameters = tuple(sorted({*self.parameters, *free}, key=sp.default_sort_key))
        return replace(self, sizes=self.sizes - free, parameters=parameters)

    def draw(self, sizes: Mapping[sp.Basic, int], dice: _Dice) -> dict[sp.Basic, Any]:
        """A random point with these sizes."""
        values: dict[sp.Basic, Any] = dict(sizes)
        for symbol in self.parameters:
            if isinstance(symbol, sp.MatrixSymbol):
                rows, columns = (int(side.xreplace(sizes)) for side in symbol.shape)
                values[symbol] = self._table(symbol, rows, columns, dice)
            else:
                values[symbol] = self._number(symbol, dice)
        return values

    def _number(self, symbol: sp.Basic, dice: _Dice) -> fmpq:
        if symbol in self.probabilities:
            return dice.positive() / (dice.choices * (len(self.probabilities) + 1))
        if symbol in self.positive or symbol.is_positive or symbol.is_nonnegative:
            return dice.positive()
        return -dice.positive() if symbol.is_negative else dice.signed()

    def _table(self, symbol: sp.Basic, rows: int, columns: int, dice: _Dice) -> list[list[fmpq]]:
        if symbol in self.distributions:
            first = [dice.positive() / (dice.choices * rows) for _ in range(rows - 1)]
            return [[entry] for entry in [*first, 1 - sum(first, start=fmpq(0))]]
        if symbol in self.covariances:
            return _covariance(rows, dice)
        if symbol in self.positive:
            return [[dice.positive() for _ in range(columns)] for _ in range(rows)]
        table = [[dice.signed() for _ in range(columns)] for _ in range(rows)]
        if symbol in self.symmetric:
            table = [[table[max(i, j)][min(i, j)] for j in range(columns)] for i in range(rows)]
        return table


def _covariance(d: int, dice: _Dice) -> list[list[fmpq]]:
    """L D Lᵀ with L unit lower triangular and D positive."""
    root = [[dice.signed() if j < i else fmpq(int(i == j)) for j in range(d)] for i in range(d)]
    scales = [dice.positive() for _ in range(d)]
    return [
        [sum((a * scale * b for a, scale, b in zip(r, scales, s, strict=True)), start=fmpq(0)) for s in root]
        for r in root
    ]


def _kinds(expr: sp.Basic, claimed: sp.Basic, symmetric: frozenset[sp.Basic]) -> _Kinds:
    needed = unknowns(expr, claimed)
    shapes = frozenset(letter for letter in _letters_of_shapes(expr, claimed) if letter in needed)
    sizes = shapes | {s for s in needed if not isinstance(s, sp.MatrixSymbol) and s.is_integer}
    probabilities: set[sp.Basic] = set()
    distributions: set[sp.Basic] = set()
    positive: set[sp.Basic] = set()
    covariances: set[sp.Basic] = set()
    for variable in random_variables(expr, claimed):
        if isinstance(variable, (Labels, MixtureMatrix)):
            into = distributions if isinstance(variable.weights, sp.MatrixSymbol) else probabilities
            into |= variable.weights.free_symbols
        elif isinstance(variable, Mask) and variable.law[0] != "size":
            into = positive if variable.law[0] == "rate" else probabilities
            into |= {symbol for parameter in variable.law[1] for symbol in parameter.free_symbols}
        for covariance in _covariances(variable):
            if isinstance(covariance, sp.MatrixSymbol) and covariance.shape[1] == 1 != covariance.shape[0]:
                positive.add(covariance)
                continue
            for symbol in _square_symbols(covariance):
                covariances.add(symbol)
            positive |= {s for s in covariance.free_symbols if not isinstance(s, sp.MatrixSymbol)}
    return _Kinds(
        sizes=frozenset(sizes),
        shapes=shapes,
        parameters=tuple(sorted(needed - sizes, key=sp.default_sort_key)),
        probabilities=frozenset(probabilities - sizes),
        distributions=frozenset(distributions),
        positive=frozenset(positive),
        covariances=frozenset(covariances),
        symmetric=symmetric,
    )


def _covariances(variable: Any) -> Sequence[sp.Basic]:
    if isinstance(variable, TokenMatrix):
        return [group.covariance for group in variable.groups]
    if isinstance(variable, MixtureMatrix):
        given = variable.covariances
        return list(given) if isinstance(given, sp.Tuple) else [given]
    return [variable.covariance] if isinstance(variable, (GaussianFamily, GaussianVector)) else []


def _square_symbols(covariance: sp.Basic) -> Iterator[sp.Basic]:
    """The symbols of a covariance that must be covariances themselves: S in aS + B T Bᵀ, and T."""
    if isinstance(covariance, sp.MatrixSymbol):
        yield covariance
    elif isinstance(covariance, sp.MatMul):
        word = list(covariance.as_coeff_matrices()[1])
        while len(word) > 2 and word[0] == sp.Transpose(word[-1]).doit():
            word = word[1:-1]
        if len(word) == 1 or len(set(word)) == 1:
            yield from _square_symbols(word[0])
    elif isinstance(covariance, (sp.MatAdd, sp.HadamardProduct, sp.MatPow)):
        for part in covariance.args:
            yield from _square_symbols(part)


def _letters_of_shapes(*exprs: sp.Basic) -> Iterator[sp.Basic]:
    for expr in exprs:
        for node in sp.preorder_traversal(expr):
            if isinstance(node, Latent):
                yield from node.size.free_symbols
            elif getattr(node, "is_Matrix", False):
                for side in node.shape:
                    yield from sp.sympify(side, strict=True).free_symbols


def _sizes(
    letters: frozenset[sp.Basic], shapes: frozenset[sp.Basic], given: Iterable[Mapping[Any, int]] | None
) -> Iterator[dict[sp.Basic, int]]:
    """Those given; or 2 for every shape, then 3 for one after the other, and 1 for the letters of no shape."""
    ordered = sorted(letters, key=sp.default_sort_key)
    if given is None:
        base = {letter: 2 if letter in shapes else 1 for letter in ordered}
        yield base
        yield from ({**base, letter: 3} for letter in ordered if letter in shapes)
        return
    for numbers in given:
        named = {symbol if isinstance(symbol, sp.Basic) else str(symbol): k for symbol, k in numbers.items()}
        size = {letter: named.get(letter, named.get(letter.name)) for letter in ordered}
        missing = [str(letter) for letter, k in size.items() if k is None]
        if missing:
            raise ValueError(f"expected a whole number for each size, got sizes={dict(numbers)}; missing: {missing}")
        yield {letter: int(k) for letter, k in size.items() if k is not None}
