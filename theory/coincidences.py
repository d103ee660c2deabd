"""Which indices coincide: averages over exchangeable positions.

For indices i₁, …, i_r that carry exchangeable random variables, with the mean h(π) when they coincide exactly as the
partition π says,

    E f_{i₁} ⋯ f_{i_r} = Σ_π h(π) [exactly π],    [exactly π] = Σ_{τ ≥ π} μ(π, τ) [equal within blocks of τ]

with the Möbius function μ(π, τ) = ∏ (−1)^{m−1} (m − 1)! over the blocks of τ, made of m blocks of π. An index that
carries nothing else is summed at once: n(n − 1)⋯ for blocks at different positions, the factorial moments. One
rule serves labels, masks, functions of tokens, and prompts whose tokens come in groups.

References: Rota (1964) for μ; Johnson, Kotz, Balakrishnan (1997) for factorial moments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import product
from math import factorial

import sympy as sp
from sympy.functions.combinatorial.numbers import stirling

from .counting import falling_factorial, set_partitions
from .index_graph import EQUAL, Factor, Vertex
from .variables import GaussianMatrix, Latent, MixtureMatrix, RandomRows

__all__ = ["RowLaw", "coincidences", "equalities", "is_tied", "merged_weight", "row_laws"]


def is_tied(v: int, busy: set[int], vertices: Sequence[Vertex]) -> bool:
    """Whether an index carries something else, is an index of the result, or is pinned."""
    return v in busy or bool(vertices[v].opens) or vertices[v].pin is not None


def coincidences(
    carriers: Sequence[int], busy: set[int], vertices: Sequence[Vertex]
) -> Iterator[tuple[sp.Expr, list[Factor], list[list[int]], list[Vertex]]]:
    """The ways in which some indices can coincide: (coefficient, equalities, blocks, vertices).

    Indices that carry nothing else are summed over positions that differ from all others; for the others, positions
    that differ are written by equalities (Möbius).
    """

    def holds_tied(block: list[int]) -> bool:
        return any(is_tied(v, busy, vertices) for v in block)

    for blocks in set_partitions(list(carriers)):
        tied = [block for block in blocks if holds_tied(block)]
        free = [block for block in blocks if not holds_tied(block)]
        after = list(vertices)
        for block in free:
            for v in block:
                after[v] = Vertex(sp.Integer(1))
        n = vertices[carriers[0]].size
        number = falling_factorial(n - len(tied), len(free))
        within = [equality for block in blocks for equality in equalities(block[:-1], block[1:])]
        for merged in set_partitions(tied):
            sign = sp.Integer(1)
            across: list[Factor] = []
            for group in merged:
                sign *= (-1) ** (len(group) - 1) * factorial(len(group) - 1)
                heads = [block[0] for block in group]
                across += equalities(heads[:-1], heads[1:])
            yield sign * number, [*within, *across], blocks, after


@cache
def merged_weight(sizes: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """(j, c) with Σ_j c r_j the weight of equal indices in blocks of the given sizes, r_j the mean at j positions.

        E f_{i₁} ⋯ f_{i_r} = Σ_τ [equal within blocks of τ] Σ_{π ≤ τ} μ(π, τ) r_{|π|}

    A block of size t splits into m blocks in S(t, m) ways, Stirling's numbers of the second kind.

    >>> merged_weight((2,))  # r₁ − r₂
    ((1, 1), (2, -1))
    """
    total = {0: 1}
    for size in sizes:
        ways = {m: int(stirling(size, m)) * (-1) ** (m - 1) * factorial(m - 1) for m in range(1, size + 1)}
        joined: dict[int, int] = {}
        for j, c in total.items():
            for m, w in ways.items():
                joined[j + m] = joined.get(j + m, 0) + c * w
        total = joined
    return tuple(sorted(total.items()))


def equalities(first: Iterable[int], second: Iterable[int]) -> list[Factor]:
    """That the indices of two lists are equal, one by one."""
    return [Factor(EQUAL, pair) for pair in zip(first, second, strict=True)]


RowLaw = tuple[str, sp.Expr, sp.Expr]  # a suffix for the name, mean, covariance


def row_laws(matrix: RandomRows, places: list[set[int]]) -> Iterator[tuple[sp.Expr, list[RowLaw]]]:
    """The laws that rows at different positions can have, with their probability.

    Args:
        matrix: i.i.d. rows, a mixture, or tokens in groups, whose order is uniformly random.
        places: for each row the groups whose place it is known to be.
    """
    if isinstance(matrix, GaussianMatrix):
        group = matrix.groups[0]
        yield sp.Integer(1), [("", group.mean, group.covariance)] * len(places)
        return
    if isinstance(matrix, MixtureMatrix):
        for chosen in product(range(int(matrix.labels.shape[1])), repeat=len(places)):
            weight = sp.Mul(*(matrix.weights[k, 0] for k in chosen))
            yield weight, [(f"{k},", *matrix.component(k)) for k in chosen]
        return
    known = [next(iter(groups), None) for groups in places]
    if any(len(groups) > 1 for groups in places) or len({g for g in known if g is not None}) < sum(
        g is not None for g in known
    ):
        return
    length, q = matrix.shape[0], sum(g is not None for g in known)
    latent = sum(isinstance(matrix.groups[g].at, Latent) for g in known if g is not None)
    fixed = q - latent
    # each location has been given the weight 1/length; different ones never coincide
    share = sp.Mul(*(length / (length - fixed - i) for i in range(latent)))
    free = [g for g in range(len(matrix.groups)) if g not in known]
    for chosen in product(free, repeat=len(places) - q):
        counts = Counter(chosen)
        ways = sp.Mul(*(falling_factorial(matrix.groups[g].size, count) for g, count in counts.items()))
        probability = share * ways / falling_factorial(length - q, len(chosen))
        if probability == 0:
            continue
        rest = iter(chosen)
        kinds = [g if g is not None else next(rest) for g in known]
        yield probability, [(f"{g},", matrix.groups[g].mean, matrix.groups[g].covariance) for g in kinds]
