r"""Index graphs: the general normal form of polynomials in matrices, masks and labels.

A *vertex* is an index, a *factor* an entry of a matrix at its ends, and a graph the sum over all closed vertices
of the product of its factors:

    tr(A B Aᵀ)              Σ_{abc} A_{ab} B_{bc} A_{ac}
    Σ_i P_{ii} ⟨x_i, k⟩²     P at (i, i), X at (i, a) and (i, b), k at a and at b

Words are the graphs in which every vertex has two ends; products entry by entry, diagonals, masks and labels need
vertices with more, the *copy nodes*. A vertex is summed over, or *open* (the row or the column index of the
result), or *pinned* to a position. Equal indices are one vertex.

    `Graph`       factors and vertices in canonical form: graphs that differ in the names of indices are equal
    `assembled`   factors as drafted, with equalities between indices, as a coefficient and a graph

Letters are sympy matrices, random symbols, `Function`s of tokens, and the means and covariances of a mixture's
components, which have the component as an index of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import sympy as sp

from .gaussian import NoClosedForm
from .variables import Labels, Mask, MixtureMatrix, Tokens

__all__ = [
    "EQUAL",
    "ONE",
    "CovarianceOf",
    "Factor",
    "Function",
    "Graph",
    "Letters",
    "MeanOf",
    "PlacedAt",
    "Vertex",
    "assembled",
    "placeholder_row",
]

ONE, EQUAL = "1", "="  # a factor 1 that mentions a vertex, and the equality of two of them


class Vertex(NamedTuple):
    """An index: its range, whether it is an index of the result, where it is pinned."""

    size: sp.Expr
    opens: tuple[int, ...] = ()  # 0 for the row index of the result, 1 for its column index
    pin: sp.Expr | None = None
    latent: bool = False  # uniform rather than summed: a closed vertex with the weight 1/size


class Factor(NamedTuple):
    """An entry of a letter at its ends."""

    letter: Any
    ends: tuple[int, ...]


@dataclass(frozen=True)
class MeanOf:
    """The means of a mixture's components: μ_{ka}."""

    mixture: MixtureMatrix


@dataclass(frozen=True)
class CovarianceOf:
    """The covariances of a mixture's components: (Σ_k)_{ab}."""

    mixture: MixtureMatrix


@dataclass(frozen=True)
class PlacedAt:
    """That the token at an index is the one of a group whose place is known."""

    tokens: Tokens
    group: int


@dataclass(frozen=True)
class Function:
    """A random scalar that is not a polynomial, with its tokens written as rows at placeholders.

    The i-th end of the factor is the position of `placeholder_row(i)`.
    """

    expr: sp.Expr


@lru_cache(maxsize=64)
def placeholder_row(i: int) -> sp.Dummy:
    """The position of the i-th token of a `Function`; no user's symbol is equal to it."""
    return sp.Dummy(f"r_{i}", integer=True)


@dataclass(frozen=True)
class Graph:
    """A product of factors, summed over its closed vertices; equal up to the names of the vertices."""

    factors: tuple[Factor, ...]
    vertices: tuple[Vertex, ...]


@dataclass
class Letters:
    """The order of the letters, sizes and pins of one computation, and which letters are symmetric."""

    symmetric: frozenset[sp.Expr] = frozenset()
    ranks: dict[Any, int] = field(default_factory=dict)

    def rank(self, letter: Any) -> int:
        """The place of a letter in the order of first use."""
        return self.ranks.setdefault(letter, len(self.ranks))


# --- from a draft to a graph -----------------------------------------------------------------


def assembled(factors: Iterable[Factor], vertices: Sequence[Vertex], letters: Letters) -> tuple[sp.Expr, Graph] | None:
    """The graph of drafted factors, with the coefficient of what is summed away; None if it is zero.

    Equal indices become one vertex; C_{ik} C_{il} = δ_{kl} C_{ik} for labels and m² = m for masks; a closed vertex
    without a factor is a factor, its size.

    Args:
        factors: entries, `ONE`s and `EQUAL`s; every vertex that takes part is an end of one of them.
        vertices: what the numbers in the ends mean.
        letters: the order of the letters.

    Raises:
        NoClosedForm: where two symbolic positions meet that may or may not coincide.
    """
    drafted = list(factors)
    parent = _joined(drafted, len(vertices))
    groups: dict[int, list[int]] = {}
    mentioned = [v for factor in drafted for v in factor.ends] + [v for v, w in enumerate(vertices) if w.opens]
    for v in dict.fromkeys(mentioned):
        groups.setdefault(_root(parent, v), []).append(v)
    merged: dict[int, Vertex] = {}
    coefficient: sp.Expr = sp.Integer(1)
    for root, members in groups.items():
        vertex = _merged([vertices[v] for v in members])
        if vertex is None:
            return None
        coefficient /= sp.Mul(*(vertices[v].size for v in members if vertices[v].latent))
        merged[root] = vertex
    kept: list[Factor] = []
    once: set[Factor] = set()
    for letter, ends in drafted:
        if letter is ONE or letter is EQUAL:
            continue
        factor = Factor(letter, tuple(_root(parent, v) for v in ends))
        if isinstance(letter, (Mask, Labels, PlacedAt)):
            if factor in once:
                continue
            once.add(factor)
        kept.append(factor)
    used = {v for factor in kept for v in factor.ends}
    for root, vertex in merged.items():
        if root not in used and not vertex.opens and vertex.pin is None:
            coefficient *= vertex.size
    present = [v for v in merged if v in used or merged[v].opens]
    return coefficient, _canonical(kept, {v: merged[v] for v in present}, letters)


def _root(parent: list[int], v: int) -> int:
    while parent[v] != v:
        v = parent[v]
    return v


def _joined(factors: list[Factor], count: int) -> list[int]:
    """Which vertices are equal, as a forest: what the equalities say, and what one-hot labels force."""
    parent = list(range(count))

    def join(a: int, b: int) -> bool:
        a, b = _root(parent, a), _root(parent, b)
        parent[max(a, b)] = min(a, b)
        return a != b

    for letter, ends in factors:
        if letter is EQUAL:
            join(*ends)
    labels = [factor for factor in factors if isinstance(factor.letter, Labels)]
    changed = bool(labels)
    while changed:
        changed = False
        component: dict[tuple[Labels, int], int] = {}
        for letter, (row, label) in labels:
            first = component.setdefault((letter, _root(parent, row)), label)
            changed = join(first, label) or changed
    return parent


def _merged(members: list[Vertex]) -> Vertex | None:
    """Vertices that are equal, as one; None where they are pinned to different positions."""
    if len(members) == 1:
        return members[0]._replace(latent=False)
    size = members[0].size
    for other in members[1:]:
        if other.size != size and sp.expand(other.size - size) != 0:
            raise ValueError(f"expected equal ranges of indices that are equal, got {size} and {other.size}")
    pins = list(dict.fromkeys(v.pin for v in members if v.pin is not None))
    for pin in pins[1:]:
        difference = sp.expand(pin - pins[0])
        if difference == 0:
            continue
        if difference.is_nonzero:
            return None
        raise NoClosedForm(f"cannot tell whether the positions {pins[0]} and {pin} coincide")
    opens = tuple(sorted(dict.fromkeys(o for v in members for o in v.opens)))
    return Vertex(size, opens, pins[0] if pins else None)


# --- canonical form ----------------------------------------------------------------------------


def _canonical(factors: list[Factor], vertices: dict[int, Vertex], letters: Letters) -> Graph:
    """The graph with its vertices numbered in a way that does not depend on their names: component by component."""
    blocks = _components(factors, vertices)
    parts = []
    for members, inside in blocks:
        names = {v: i for i, v in enumerate(members)}
        shape = tuple(
            (letters.rank(letter), tuple(names[v] for v in ends), letter in letters.symmetric)
            for letter, ends in inside
        )
        colours = tuple(letters.rank((vertices[v].size, vertices[v].opens, vertices[v].pin)) for v in members)
        order, key = _numbering(shape, colours)
        place = {members[i]: k for k, i in enumerate(order)}
        placed = [
            Factor(letter, tuple(sorted(place[v] for v in ends) if flat else (place[v] for v in ends)))
            for (letter, ends), (_, _, flat) in zip(inside, shape, strict=True)
        ]
        placed.sort(key=lambda factor: (letters.rank(factor.letter), factor.ends))
        parts.append((key, placed, [vertices[members[i]] for i in order]))
    parts.sort(key=lambda part: part[0])
    result: list[Factor] = []
    numbered: list[Vertex] = []
    for _, placed, found in parts:
        shift = len(numbered)
        result += [Factor(letter, tuple(v + shift for v in ends)) for letter, ends in placed]
        numbered += found
    return Graph(tuple(result), tuple(numbered))


def _components(factors: list[Factor], vertices: dict[int, Vertex]) -> list[tuple[list[int], list[Factor]]]:
    """The connected parts: their vertices and factors. A factor without ends is a part of its own."""
    label = {v: v for v in vertices}
    for _, ends in factors:
        roots = {label[v] for v in ends}
        if len(roots) > 1:
            least = min(roots)
            label = {v: least if root in roots else root for v, root in label.items()}
    parts: dict[int, tuple[list[int], list[Factor]]] = {}
    for v, root in label.items():
        parts.setdefault(root, ([], []))[0].append(v)
    alone: list[tuple[list[int], list[Factor]]] = []
    for factor in factors:
        if factor.ends:
            parts[label[factor.ends[0]]][1].append(factor)
        else:
            alone.append(([], [factor]))
    return [*parts.values(), *alone]


Shape = tuple[tuple[int, tuple[int, ...], bool], ...]  # (rank of the letter, ends, symmetric)


@lru_cache(maxsize=1 << 16)
def _numbering(shape: Shape, colours: tuple[int, ...]) -> tuple[tuple[int, ...], tuple]:
    """The vertices in canonical order, and a key equal for isomorphic components alone.

    Colours are refined by what is seen from a vertex until nothing changes; where vertices still look alike, each
    is singled out in turn and the least result is kept.
    """
    refined = _refined(shape, _dense(list(colours)))
    best: tuple[tuple, tuple[int, ...]] | None = None
    pending = [refined]
    while pending:
        classes = pending.pop()
        sizes = [0] * len(classes)
        for colour in classes:
            sizes[colour] += 1
        tied = next((c for c, size in enumerate(sizes) if size > 1), None)
        if tied is None:
            order = tuple(sorted(range(len(classes)), key=classes.__getitem__))
            key = tuple(
                sorted(
                    (rank, tuple(sorted(classes[v] for v in ends)) if flat else tuple(classes[v] for v in ends))
                    for rank, ends, flat in shape
                )
            )
            if best is None or key < best[0]:
                best = (key, order)
            continue
        for v in (v for v, colour in enumerate(classes) if colour == tied):
            single = [2 * colour + (colour == tied and u != v) for u, colour in enumerate(classes)]
            pending.append(_refined(shape, _dense(single)))
    assert best is not None
    key, order = best
    return order, (key, tuple(colours[v] for v in order))


def _dense(colours: list[Any]) -> list[int]:
    """Colours as 0, 1, …, in their order."""
    order = {colour: i for i, colour in enumerate(sorted(set(colours)))}
    return [order[colour] for colour in colours]


def _refined(shape: Shape, colours: list[int]) -> list[int]:
    count = len(set(colours))
    while count < len(colours):
        seen: list[list[tuple]] = [[] for _ in colours]
        for rank, ends, flat in shape:
            around = tuple(colours[v] for v in ends)
            for place, v in enumerate(ends):
                if flat:
                    seen[v].append((rank, -1, around[1 - place]) if len(ends) == 2 else (rank, -1, -1))
                else:
                    seen[v].append((rank, place, around))
        signatures = [(colour, tuple(sorted(views))) for colour, views in zip(colours, seen, strict=True)]
        order = {signature: i for i, signature in enumerate(sorted(set(signatures)))}
        finer = [order[signature] for signature in signatures]
        if len(order) == count:
            break
        colours, count = finer, len(order)
    return colours
