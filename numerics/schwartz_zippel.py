"""Is a claimed mean the mean? Compared exactly at random rational parameters, with the chance of a false agreement.

    E expr − claimed = P/Q,   P ≠ 0 of degree p   ⟹   P(P vanishes at a random point) ≤ p/|S|

for parameters drawn independently and uniformly from sets of |S| rationals (Schwartz 1980, Zippel 1979). Sizes
are not drawn: the verdict is about the sizes that were tried. A law stays a law at every point: probabilities of
K events lie in (0, 1/K), variances are positive, and a covariance is L D Lᵀ with L unit lower triangular and D > 0,
in whose entries the degree is counted.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from flint import fmpq

from theory.variables import (
    GaussianFamily,
    GaussianVector,
    Labels,
    Latent,
    Mask,
    MixtureMatrix,
    TokenMatrix,
)

from .entries import unknowns
from .entrywise import BUDGET, degree_bound, entrywise_mean, exact_value
from .outcomes import random_variables
from .rationals import from_rational

__all__ = ["EntrywiseAgreement", "agrees_entrywise", "random_points"]

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
    kinds = _kinds(expr, claimed, frozenset(symmetric))
    tried = tuple(_sizes(kinds.sizes, kinds.shapes, sizes))
    dice = _Dice(random.Random(seed), choices)
    points, degree = 0, 0
    for size in tried:
        for _ in range(draws):
            values = kinds.draw(size, dice)
            points += 1
            left, right = _restricted(values, expr), _restricted(values, claimed)
            mean, said = entrywise_mean(expr, left, budget=budget, formal=True), exact_value(claimed, right)
            if getattr(mean, "shape", None) != getattr(said, "shape", None):
                raise ValueError(f"expected a claimed mean of the shape of {expr}, got {claimed}")
            first, second = degree_bound(expr, left, kinds.degrees), degree_bound(claimed, right, kinds.degrees)
            crossed = first.numerator + second.denominator, second.numerator + first.denominator
            poles = first.denominator + second.denominator
            degree = max(degree, *(k + poles for k in crossed))
            if mean != said:
                witness = {symbol: _shown(value) for symbol, value in values.items()}
                return EntrywiseAgreement("fails", points, degree, 0.0, tried, witness, mean, said)
    return EntrywiseAgreement("holds", points, degree, min(1.0, (degree / choices) ** draws), tried)


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
    kinds = _kinds(expr, claimed, frozenset())
    dice = _Dice(random.Random(seed), choices)
    for size in _sizes(kinds.sizes, kinds.shapes, sizes):
        yield kinds.draw(size, dice)


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
    for variable in random_variables(expr):
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
