"""Which values the parameters of a formula with random symbols may take, and drawing them.

A law stays a law at every point: probabilities of K events lie in (0, 1/K), variances are positive, and a covariance
is L D Lᵀ with L unit lower triangular and D > 0. Where the numbers come from is the business of the dice: uniform
ones for the lemma of Schwartz and Zippel, those of Hypothesis for a witness that can be read.

Definitions: `parameter_kinds`, `ParameterKinds.draw`, `tried_sizes`; `Dice`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

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
from .outcomes import random_variables
from .rationals import from_rational

__all__ = [
    "Dice",
    "Numbers",
    "ParameterKinds",
    "exact_value_of",
    "parameter_kinds",
    "restricted_to",
    "tried_sizes",
]


class Numbers(Protocol):
    """What parameters are made of."""

    @property
    def choices(self) -> int:
        """The largest positive number."""

    def positive(self) -> fmpq:
        """A whole number from 1 to `choices`."""

    def signed(self) -> fmpq:
        """A whole number around zero."""


@dataclass(frozen=True)
class Dice:
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
class ParameterKinds:
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

    def with_free(self, letters: set[sp.Basic]) -> ParameterKinds:
        """With some of the whole numbers drawn like other numbers; those of shapes stay small."""
        free = letters & (self.sizes - self.shapes)
        parameters = tuple(sorted({*self.parameters, *free}, key=sp.default_sort_key))
        return replace(self, sizes=self.sizes - free, parameters=parameters)

    def draw(
        self, sizes: Mapping[sp.Basic, int], dice: Numbers, given: Mapping[sp.Basic, Any] | None = None
    ) -> dict[sp.Basic, Any]:
        """A point with these sizes, and with the values that are given; the dice are thrown for the others."""
        values: dict[sp.Basic, Any] = {**sizes, **(given or {})}
        for symbol in self.parameters:
            if symbol in values:
                continue
            if isinstance(symbol, sp.MatrixSymbol):
                rows, columns = (int(side.xreplace(sizes)) for side in symbol.shape)
                values[symbol] = self._table(symbol, rows, columns, dice)
            else:
                values[symbol] = self._number(symbol, dice)
        return values

    def _number(self, symbol: sp.Basic, dice: Numbers) -> fmpq:
        if symbol in self.probabilities:
            return dice.positive() / (dice.choices * (len(self.probabilities) + 1))
        if symbol in self.positive or symbol.is_positive or symbol.is_nonnegative:
            return dice.positive()
        return -dice.positive() if symbol.is_negative else dice.signed()

    def _table(self, symbol: sp.Basic, rows: int, columns: int, dice: Numbers) -> list[list[fmpq]]:
        if symbol in self.distributions:
            first = [dice.positive() / (dice.choices * rows) for _ in range(rows - 1)]
            return [[entry] for entry in [*first, 1 - sum(first, start=fmpq(0))]]
        if symbol in self.covariances:
            return _covariance(rows, dice)
        if symbol in self.positive:
            return [[dice.positive() for _ in range(columns)] for _ in range(rows)]
        # The last entry first, so that dice which shrink prefer [[0, 1], [0, 0]] to [[0, 0], [1, 0]].
        table = [[dice.signed() for _ in range(columns)][::-1] for _ in range(rows)][::-1]
        if symbol in self.symmetric:
            table = [[table[max(i, j)][min(i, j)] for j in range(columns)] for i in range(rows)]
        return table


def _covariance(d: int, dice: Numbers) -> list[list[fmpq]]:
    """L D Lᵀ with L unit lower triangular and D positive."""
    root = [[dice.signed() if j < i else fmpq(int(i == j)) for j in range(d)] for i in range(d)]
    scales = [dice.positive() for _ in range(d)]
    return [
        [sum((a * scale * b for a, scale, b in zip(r, scales, s, strict=True)), start=fmpq(0)) for s in root]
        for r in root
    ]


def parameter_kinds(
    expr: sp.Basic,
    claimed: sp.Basic,
    symmetric: frozenset[sp.Basic] = frozenset(),
    covariances: frozenset[sp.Basic] = frozenset(),
) -> ParameterKinds:
    """What the parameters of a mean and of the value claimed for it are.

    Args:
        expr: an expression, with or without random symbols, whose laws tell covariances and probabilities.
        claimed: another one, free of random symbols.
        symmetric: matrix symbols to be drawn symmetric; covariances always are.
        covariances: matrix symbols to be drawn as covariances, beside those of the laws.
    """
    needed = unknowns(expr, claimed)
    shapes = frozenset(letter for letter in _letters_of_shapes(expr, claimed) if letter in needed)
    sizes = shapes | {s for s in needed if not isinstance(s, sp.MatrixSymbol) and s.is_integer}
    probabilities: set[sp.Basic] = set()
    distributions: set[sp.Basic] = set()
    positive: set[sp.Basic] = set()
    of_laws: set[sp.Basic] = set()
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
                of_laws.add(symbol)
            positive |= {s for s in covariance.free_symbols if not isinstance(s, sp.MatrixSymbol)}
    return ParameterKinds(
        sizes=frozenset(sizes),
        shapes=shapes,
        parameters=tuple(sorted(needed - sizes, key=sp.default_sort_key)),
        probabilities=frozenset(probabilities - sizes),
        distributions=frozenset(distributions),
        positive=frozenset(positive),
        covariances=covariances | of_laws,
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


def tried_sizes(
    kinds: ParameterKinds, given: Iterable[Mapping[Any, int]] | None = None
) -> Iterator[dict[sp.Basic, int]]:
    """Sizes by symbol: those given; or 2 for every shape and 1 for other integers, then 3 and 2, one after the other.

    Raises:
        ValueError: for given sizes that leave one out.
    """
    ordered = sorted(kinds.sizes, key=sp.default_sort_key)
    if given is None:
        base = {letter: 2 if letter in kinds.shapes else 1 for letter in ordered}
        yield base
        # One more of each: at 1 alone, n⁴ and n⁵ would be the same.
        yield from ({**base, letter: k + 1} for letter, k in base.items())
        return
    for numbers in given:
        named = {symbol if isinstance(symbol, sp.Basic) else str(symbol): k for symbol, k in numbers.items()}
        size = {letter: named.get(letter, named.get(letter.name)) for letter in ordered}
        missing = [str(letter) for letter, k in size.items() if k is None]
        if missing:
            raise ValueError(f"expected a whole number for each size, got sizes={dict(numbers)}; missing: {missing}")
        yield {letter: int(k) for letter, k in size.items() if k is not None}


def restricted_to(values: Mapping[sp.Basic, Any], expr: sp.Basic) -> dict[sp.Basic, Any]:
    """The values of the symbols of an expression, the letters of its sizes among them."""
    return {symbol: values[symbol] for symbol in unknowns(expr)}


def exact_value_of(value: Any) -> sp.Basic:
    """A number or a table of flint's rationals as sympy's."""
    if isinstance(value, list):
        return sp.ImmutableDenseMatrix([[from_rational(entry) for entry in row] for row in value])
    return from_rational(fmpq(value))
