"""Every outcome of the random symbols of an expression: discrete ones enumerated, Gaussian ones as letters.

    X = 1 mᵀ + Z D^½ Lᵀ   with Σ = L D Lᵀ over the rationals,    E ε^k = (k − 1)!! D^{k/2}  for ε = D^½ z

Labels, masks, latent locations and the order of the tokens take each of their finitely many values with its exact
probability; given those, an entry of a Gaussian object is a linear polynomial in independent letters ε.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import comb, factorial, prod
from typing import Any

import sympy as sp
from flint import fmpq, fmpq_mpoly_ctx

from theory.variables import (
    GaussianFamily,
    GaussianVector,
    Labels,
    Latent,
    Mask,
    MixtureMatrix,
    RandomRows,
    TokenMatrix,
)

from .entries import Entries, Table, diagonal, reciprocal, total_of, turned
from .entry_bounds import Degree, Meter, Work
from .rationals import factored

__all__ = ["Outcome", "Outcomes", "random_variables"]


def random_variables(*exprs: sp.Basic) -> list[sp.Basic]:
    """The random symbols of the expressions, families for scalars and whole matrices for rows, in a fixed order.

    Raises:
        ValueError: if one name carries two laws.
    """
    kinds = (GaussianFamily, GaussianVector, RandomRows, Latent)
    found = {node for expr in exprs for node in sp.preorder_traversal(expr) if isinstance(node, kinds)}
    laws: dict[str, sp.Basic] = {}
    for variable in found:
        for name in variable.names if isinstance(variable, GaussianFamily) else (variable.name,):
            if laws.setdefault(name, variable) != variable:
                raise ValueError(f"expected one law for each name, got two for {name}; give one another name")
    return sorted(found, key=sp.default_sort_key)


@dataclass(frozen=True)
class _Normal:
    """N(m, Σ) with Σ = L D Lᵀ: the entry j is mⱼ + Σ_k L_jk ε_k, with independent ε_k ~ N(0, D_k)."""

    mean: list[Any]
    root: Table
    variances: list[fmpq]


def _normal(mean: Table, covariance: Table, name: str, genuine: bool) -> _Normal:
    """The law factored; a covariance that is none is refused, unless only polynomial identities matter."""
    factors = factored(covariance)
    if factors is None or (genuine and any(variance < 0 for variance in factors[1])):
        kind = "symmetric" if covariance != turned(covariance) else "positive semidefinite"
        raise ValueError(f"expected a {kind} covariance of {name}, got {_shown(covariance)}")
    return _Normal([entry for row in mean for entry in row], *factors)


def _shown(table: Table) -> str:
    return str([[str(entry) for entry in row] for row in table])


@dataclass(frozen=True)
class Outcome:
    """One outcome of the discrete variables: the entries of every random symbol, and the variances of the letters."""

    tables: dict[sp.Basic, Any]
    variances: list[fmpq]

    def mean(self, entry: Any) -> fmpq:
        """E ∏ ε_i^{k_i} = ∏ (k_i − 1)!! D_i^{k_i/2}, and 0 where a power is odd."""
        if isinstance(entry, (int, fmpq)):
            return fmpq(entry)
        total = fmpq(0)
        for powers, coefficient in zip(entry.monoms(), entry.coeffs(), strict=True):
            if not any(k & 1 for k in powers):
                for k, variance in zip(powers, self.variances, strict=True):
                    if k:
                        coefficient *= prod(range(1, k, 2)) * variance ** (k // 2)
                total += coefficient
        return total


@dataclass(frozen=True)
class Outcomes:
    """The random symbols of an expression at one point: what is enumerated, and which letters stand for what.

    Args:
        variables: the random symbols; the labels of mixtures among them.
        parameters: reads the parameters of the laws.
        genuine: whether probabilities must lie in [0, 1] and covariances be positive semidefinite.
        first_letter: of each Gaussian object, whose row i has the letters first + i d, …, first + i d + d − 1.
        letters: how many there are in all.
    """

    variables: tuple[sp.Basic, ...]
    parameters: Entries
    genuine: bool
    first_letter: Mapping[sp.Basic, int]
    letters: int

    @classmethod
    def of(cls, expr: sp.Basic, parameters: Entries, genuine: bool) -> Outcomes:
        """The laws in an expression."""
        mixtures = [v for v in random_variables(expr) if isinstance(v, MixtureMatrix)]
        variables = random_variables(expr, *(mixture.labels for mixture in mixtures))
        first: dict[sp.Basic, int] = {}
        letters = 0
        for variable in variables:
            if isinstance(variable, (GaussianFamily, GaussianVector, TokenMatrix, MixtureMatrix)):
                rows, d = _rows_and_dimension(parameters, variable)
                first[variable] = letters
                letters += rows * d
        return cls(tuple(variables), parameters, genuine, first, letters)

    def of_kind(self, kind: type | tuple[type, ...]) -> list[Any]:
        """The random symbols of a kind."""
        return [variable for variable in self.variables if isinstance(variable, kind)]

    # --- how many outcomes, and what they are

    @property
    def outcomes(self) -> int:
        """The number of outcomes of all discrete variables together."""
        count = prod(self.parameters.whole(J.size) for J in self.of_kind(Latent))
        for X in self.of_kind(TokenMatrix):
            sizes = [size for size, group in zip(self._sizes(X), X.groups, strict=True) if group.at is None]
            count *= factorial(sum(sizes)) // prod(factorial(size) for size in sizes)
        for C in self.of_kind(Labels):
            rows, K = self.parameters.shape(C)
            count *= K**rows
        for M in self.of_kind(Mask):
            rows, d = _mask_shape(self.parameters, M)
            kind, law = M.law
            count *= (comb(d, max(self.parameters.whole(law[0]), 0)) if kind == "size" else 2**d) ** rows
        return count

    def worlds(self) -> Iterator[tuple[fmpq, Outcome]]:
        """Every outcome with its probability."""
        ring = fmpq_mpoly_ctx.get([f"e{i}" for i in range(self.letters)], "degrevlex")
        letters = ring.gens()
        choices: list[tuple[sp.Basic, list[tuple[fmpq, Any]]]] = [
            *((C, list(self._label_rows(C))) for C in self.of_kind(Labels)),
            *((M, list(self._mask_rows(M))) for M in self.of_kind(Mask)),
        ]
        normals = {variable: self._normals(variable) for variable in self.first_letter}
        drawn = {
            variable: [
                [self._drawn(normal, letters, variable, i) for normal in laws]
                for i in range(_rows_and_dimension(self.parameters, variable)[0])
            ]
            for variable, laws in normals.items()
        }
        for share, located in self._locations():
            for arranged in product(*(list(self._orders(X, located)) for X in self.of_kind(TokenMatrix))):
                for chosen in product(*(rows for _, rows in choices)):
                    outcomes = {v: choice for (v, _), (_, choice) in zip(choices, chosen, strict=True)}
                    groups = dict(zip(self.of_kind(TokenMatrix), (order for _, order in arranged), strict=True))
                    probability = share * prod((p for p, _ in (*arranged, *chosen)), start=fmpq(1))
                    if probability:
                        yield probability, self._world(located, groups, outcomes, normals, drawn)

    def _world(self, located: dict, groups: dict, outcomes: dict, normals: dict, drawn: dict) -> Outcome:
        tables: dict[sp.Basic, Any] = dict(located)
        for M in self.of_kind(Mask):
            tables[M] = turned(outcomes[M]) if M.is_vector else outcomes[M]
        for C in self.of_kind(Labels):
            K = self.parameters.shape(C)[1]
            tables[C] = [[fmpq(int(k == label)) for k in range(K)] for label in outcomes[C]]
        variances = [fmpq(0)] * self.letters
        for variable, first in self.first_letter.items():
            rows, d = _rows_and_dimension(self.parameters, variable)
            if isinstance(variable, MixtureMatrix):
                which = outcomes[variable.labels]
            else:
                which = groups.get(variable, (0,) * rows)
            for i, g in enumerate(which):
                variances[first + i * d : first + (i + 1) * d] = normals[variable][g].variances
            table = [drawn[variable][i][g] for i, g in enumerate(which)]
            tables[variable] = turned(table) if isinstance(variable, (GaussianFamily, GaussianVector)) else table
        return Outcome(tables, variances)

    def _drawn(self, normal: _Normal, letters: Sequence[Any], variable: sp.Basic, i: int) -> list[Any]:
        d = len(normal.mean)
        own = letters[self.first_letter[variable] + i * d :][:d]
        return [
            total_of(iter([mean, *(c * e for c, e, v in zip(row, own, normal.variances, strict=True) if c and v)]))
            for mean, row in zip(normal.mean, normal.root, strict=True)
        ]

    def _normals(self, variable: sp.Basic) -> list[_Normal]:
        """The Gaussian laws that a row may have."""
        walk = self.parameters
        return [
            _normal(mean, covariance, _name(variable), self.genuine) for mean, covariance in _components(walk, variable)
        ]

    def _locations(self) -> Iterator[tuple[fmpq, dict[sp.Basic, fmpq]]]:
        """Latent locations, uniform; those that one prompt puts tokens at are different."""
        latents = self.of_kind(Latent)
        together = [[group.at for group in X.groups if group.at is not None] for X in self.of_kind(TokenMatrix)]
        allowed = []
        for places in product(*(range(self.parameters.whole(J.size)) for J in latents)):
            at = dict(zip(latents, places, strict=True))
            seats = [[at[place] if place in at else int(place) for place in prompt] for prompt in together]
            if all(len(set(prompt)) == len(prompt) for prompt in seats):
                allowed.append({J: fmpq(place) for J, place in at.items()})
        if not allowed:
            raise ValueError(f"expected as many tokens as places, got too few of them for {latents} to be different")
        for located in allowed:
            yield fmpq(1, len(allowed)), located

    def _sizes(self, X: TokenMatrix) -> list[int]:
        sizes = [self.parameters.whole(group.size) for group in X.groups]
        if any(size < 0 for size in sizes):
            raise ValueError(f"expected nonnegative sizes of the groups of {X.name}, got {sizes}")
        return sizes

    def _orders(self, X: TokenMatrix, located: Mapping[sp.Basic, fmpq]) -> Iterator[tuple[fmpq, tuple[int, ...]]]:
        """The group of every row, in a uniformly random order of those that have no place."""
        rows = self.parameters.whole(X.shape[0])
        sizes = self._sizes(X)
        placed = {
            int(located[group.at].p) if group.at in located else int(group.at): g
            for g, group in enumerate(X.groups)
            if group.at is not None
        }
        if any(place >= rows for place in placed):
            raise ValueError(f"expected places below {rows} for the tokens of {X.name}, got {max(placed)}")
        free = [i for i in range(rows) if i not in placed]
        counts = [size if group.at is None else 0 for size, group in zip(sizes, X.groups, strict=True)]
        orders = list(_arrangements(counts))
        for order in orders:
            groups = placed | dict(zip(free, order, strict=True))
            yield fmpq(1, len(orders)), tuple(groups[i] for i in range(rows))

    def _label_rows(self, C: Labels) -> Iterator[tuple[fmpq, tuple[int, ...]]]:
        rows, _ = self.parameters.shape(C)
        weights = [entry for row in self.parameters.table(C.weights) for entry in row]
        if sum(weights, start=fmpq(0)) != 1 or (self.genuine and any(weight < 0 for weight in weights)):
            shown = ", ".join(map(str, weights))
            raise ValueError(f"expected weights of {C.name} that are probabilities with sum one, got {shown}")
        for labels in product(range(len(weights)), repeat=rows):
            yield prod((weights[k] for k in labels), start=fmpq(1)), labels

    def _mask_rows(self, M: Mask) -> Iterator[tuple[fmpq, Table]]:
        rows, d = _mask_shape(self.parameters, M)
        chances = _pattern_chances(self.parameters, M, d)
        if self.genuine and any(chance < 0 for chance in chances) and _is_complete(M, d):
            shown = ", ".join(map(str, chances))
            raise ValueError(f"expected a law of the mask {M.name} with probabilities of its patterns, got {shown}")
        patterns = [bits for bits in product((0, 1), repeat=d) if chances[sum(bits)]]
        for table in product(patterns, repeat=rows):
            chance = prod((chances[sum(bits)] for bits in table), start=fmpq(1))
            yield chance, [[fmpq(bit) for bit in bits] for bits in table]

    # --- the bounds known beforehand

    def entries(
        self, gaussian: Mapping[sp.Basic, Any], bit: Any, masks: Mapping[Mask, Any] | None = None
    ) -> Iterator[dict[sp.Basic, Any]]:
        """For every outcome of the locations: one entry for all of a Gaussian object, one for labels and masks."""
        masks = masks or {}
        for _, located in self._locations():
            tables: dict[sp.Basic, Any] = dict(located)
            for variable in self.variables:
                if variable in self.first_letter:
                    rows, d = _rows_and_dimension(self.parameters, variable)
                    table = [[gaussian[variable]] * d for _ in range(rows)]
                    flat = isinstance(variable, (GaussianFamily, GaussianVector))
                    tables[variable] = turned(table) if flat else table
                elif isinstance(variable, (Labels, Mask)):
                    rows, columns = self.parameters.shape(variable)
                    tables[variable] = [[masks.get(variable, bit)] * columns for _ in range(rows)]
            yield tables

    def as_work(self, meter: Meter) -> Iterator[dict[sp.Basic, Any]]:
        """Entries that only know how many terms they have."""
        dimensions = {v: _rows_and_dimension(self.parameters, v)[1] for v in self.first_letter}
        return self.entries({v: Work(d + 1, 1, meter) for v, d in dimensions.items()}, Work(1, 0, meter))

    def as_degrees(self, bounds: Entries) -> Iterator[dict[sp.Basic, Any]]:
        """Entries that only know their degree in the parameters: a pair of them stands for an entry of Σ."""
        degrees = {}
        for variable in self.first_letter:
            parts = [part for law in _components(bounds, variable) for part in law]
            parameters = [entry for part in parts for row in part for entry in row]
            largest = Degree.largest(parameters)
            common = largest.denominator * len(parameters)
            degrees[variable] = Degree(largest.numerator + common, common)
        return self.entries(degrees, Degree(0))

    def check_moments(self, expr: sp.Basic) -> None:
        """A mask given by fewer moments than it has entries serves expressions up to that degree in it."""
        for M in self.of_kind(Mask):
            d, given = _mask_shape(self.parameters, M)[1], len(M.law[1])
            if not _is_complete(M, d):
                flat = {variable: Degree(0) for variable in self.first_letter}
                walks = (Entries(self.parameters.point, t) for t in self.entries(flat, Degree(0), {M: Degree(1)}))
                degree = Degree.of_entries(walk.value(expr) for walk in walks).numerator
                if degree > given:
                    raise ValueError(f"expected at least {min(d, degree)} moments of the mask {M.name}, got {given}")

    def degree_of_probability(self, bounds: Entries) -> Degree:
        """A bound for the probability of an outcome."""
        total = Degree(0)
        for C in self.of_kind(Labels):
            weights = [entry for row in bounds.table(C.weights) for entry in row]
            total = total * Degree.largest(weights) ** self.parameters.shape(C)[0]
        for M in self.of_kind(Mask):
            rows, d = _mask_shape(self.parameters, M)
            total = total * Degree.largest(_pattern_chances(bounds, M, d)) ** rows
        return total


def _name(variable: Any) -> str:
    return ", ".join(variable.names) if isinstance(variable, GaussianFamily) else variable.name


def _rows_and_dimension(walk: Entries, variable: Any) -> tuple[int, int]:
    """How many independent rows a Gaussian object has, and how long they are."""
    if isinstance(variable, GaussianFamily):
        return 1, len(variable.names)
    rows, columns = walk.shape(variable)
    return (1, rows) if isinstance(variable, GaussianVector) else (rows, columns)


def _components(walk: Entries, variable: Any) -> list[tuple[Table, Table]]:
    """Mean and covariance of each Gaussian law that a row may have."""
    if isinstance(variable, TokenMatrix):
        return [(walk.table(group.mean), walk.table(group.covariance)) for group in variable.groups]
    if not isinstance(variable, MixtureMatrix):
        return [(walk.table(variable.mean), walk.table(variable.covariance))]
    if isinstance(variable.means, sp.Tuple):
        means = [walk.table(mean) for mean in variable.means]
    else:
        means = [[[entry] for entry in row] for row in walk.table(variable.means)]
    if isinstance(variable.covariances, sp.Tuple):
        covariances = [walk.table(covariance) for covariance in variable.covariances]
        covariances = covariances * (len(means) // len(covariances))
    else:
        covariances = [diagonal([row[0]] * len(means[0])) for row in walk.table(variable.covariances)]
    return list(zip(means, covariances, strict=True))


def _mask_shape(walk: Entries, M: Mask) -> tuple[int, int]:
    rows, columns = walk.shape(M)
    return (1, rows) if M.is_vector else (rows, columns)


def _is_complete(M: Mask, d: int) -> bool:
    """Whether its law gives the probability of every pattern of d entries."""
    kind, parameters = M.law
    return kind != "moments" or len(parameters) >= d


def _pattern_chances(walk: Entries, M: Mask, d: int) -> list[Any]:
    """The probability of a given pattern of a row, by its number of observed entries 0, …, d.

        ρˢ(1 − ρ)ᵈ⁻ˢ;   1/C(d, k) at s = k;   (a)_s (b)_{d−s}/(a + b)_d;   Σ_j (−1)ʲ C(d − s, j) r_{s+j}

    The last is inclusion and exclusion; moments that were not given count as zero, which no expression of the
    degrees that were given can see (`Outcomes.check_moments`).
    """
    kind, parameters = M.law
    if kind == "size":
        size = walk.whole(parameters[0])
        if not 0 <= size <= d:
            raise ValueError(f"expected between 0 and {d} observed entries of the mask {M.name}, got {size}")
        return [fmpq(1, comb(d, size)) if s == size else fmpq(0) for s in range(d + 1)]
    numbers = [walk.scalar(parameter) for parameter in parameters]
    if kind == "rho":
        missing = fmpq(-1) * numbers[0] + fmpq(1)
        return [numbers[0] ** s * missing ** (d - s) for s in range(d + 1)]
    if kind == "rate":
        a, b = numbers
        everything = reciprocal(_rising(a + b, d), M)
        return [_rising(a, s) * _rising(b, d - s) * everything for s in range(d + 1)]
    moments = [fmpq(1), *numbers, *[fmpq(0)] * d]
    return [total_of(fmpq((-1) ** j * comb(d - s, j)) * moments[s + j] for j in range(d - s + 1)) for s in range(d + 1)]


def _rising(a: Any, k: int) -> Any:
    """a (a + 1) ⋯ (a + k − 1)."""
    return prod((a + fmpq(i) for i in range(k)), start=fmpq(1))


def _arrangements(counts: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All orders of counts[0] zeros, counts[1] ones, …

    >>> sorted(_arrangements([1, 2]))
    [(0, 1, 1), (1, 0, 1), (1, 1, 0)]
    """
    if not any(counts):
        yield ()
        return
    for g, count in enumerate(counts):
        if count:
            for rest in _arrangements([*counts[:g], count - 1, *counts[g + 1 :]]):
                yield (g, *rest)
