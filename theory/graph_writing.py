"""Writing index graphs as sympy expressions.

An index that is summed over and has two ends is a matrix product, a chain that closes is a trace; parallel factors
are products entry by entry, a factor with both ends at one index is a diagonal, a free end is a sum along a row:

    Σ_b A_{ab} B_{bc}        A B                  Σ_{ab} A_{ab} B_{ab} u_a v_b    ⟨u, (A ∘ B) v⟩
    Σ_b A_{ab} u_b B_{bc}    A diag(u) B          Σ_a A_{aa} B_{aa}              tr(A ∘ B)

These four moves are applied until nothing is left. What they do not reach (the complete graph on four indices is
the smallest) is written as a sum over indices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce

import sympy as sp
from sympy.matrices.expressions.diagonal import DiagonalMatrix, DiagonalOf
from sympy.matrices.expressions.matexpr import MatrixElement

from .index_graph import CovarianceOf, Factor, Function, Graph, MeanOf, Vertex, placeholder_row
from .variables import Mask, MixtureMatrix, RandomRows, Row, dot
from .words import unit_vector

__all__ = ["graph_expr", "graph_parts", "parted"]


def graph_parts(
    graph: Graph, shape: tuple[sp.Expr, sp.Expr] | None = None, symmetric: frozenset[sp.Expr] = frozenset()
) -> tuple[list[sp.Expr], sp.Expr | None]:
    """A graph as scalars to be multiplied, and for a given shape a matrix.

    Args:
        graph: with its two open vertices for a matrix.
        shape: that of a matrix-valued result.
        symmetric: letters that are symmetric.
    """
    network = _Network.of(graph, symmetric)
    network.contract()
    if shape is None:
        return network.scalar(), None
    return network.matrix(shape)


def graph_expr(
    graph: Graph, shape: tuple[sp.Expr, sp.Expr] | None = None, symmetric: frozenset[sp.Expr] = frozenset()
) -> sp.Expr:
    """A graph as one expression, scalar or a matrix of the given shape."""
    scalars, body = graph_parts(graph, shape, symmetric)
    if body is None:
        return sp.Mul(*scalars)
    return sp.MatMul(sp.Mul(*scalars), body).doit(deep=False)


def parted(graph: Graph, belongs: Callable[[Factor], bool]) -> tuple[Graph, Graph]:
    """The connected parts without any factor that belongs, and those with one, as two graphs.

    Parts with an index of the result stay together.
    """
    label = {v: v for v in range(len(graph.vertices))}
    opened = [v for v, vertex in enumerate(graph.vertices) if vertex.opens]
    for group in [opened, *(factor.ends for factor in graph.factors)]:
        roots = {label[v] for v in group}
        if len(roots) > 1:
            label = {v: min(roots) if root in roots else root for v, root in label.items()}
    chosen = {label[v] for factor in graph.factors if belongs(factor) for v in factor.ends}

    def part(inside: bool) -> Graph:
        kept = [v for v, root in label.items() if (root in chosen) == inside]
        number = {v: i for i, v in enumerate(kept)}
        factors = [
            Factor(f.letter, tuple(number[v] for v in f.ends))
            for f in graph.factors
            if (f.ends[0] in number if f.ends else belongs(f) == inside)
        ]
        return Graph(tuple(factors), tuple(graph.vertices[v] for v in kept))

    return part(False), part(True)


@dataclass
class _Network:
    """Vectors at vertices and matrices between them; contracted move by move."""

    vertices: dict[int, Vertex]
    symmetric: frozenset[sp.Expr]
    vectors: dict[int, list[sp.Expr]] = field(default_factory=dict)
    edges: list[tuple[int, int, sp.Expr]] = field(default_factory=list)
    scalars: list[sp.Expr] = field(default_factory=list)
    limits: list[tuple[sp.Symbol, sp.Expr, sp.Expr]] = field(default_factory=list)  # of sums over tokens

    @classmethod
    def of(cls, graph: Graph, symmetric: frozenset[sp.Expr]) -> _Network:
        network = cls(dict(enumerate(graph.vertices)), symmetric)
        tokens = dict.fromkeys(
            v for factor in graph.factors if isinstance(factor.letter, Function) for v in factor.ends
        )
        for v in tokens:
            network.name(v)
        for factor in graph.factors:
            network.add(factor)
        return network

    def name(self, v: int) -> None:
        """The position of a token that a function depends on gets a letter, summed over in the end."""
        vertex = self.vertices[v]
        if vertex.pin is None and not vertex.opens:
            letter = sp.Symbol(f"l_{len(self.limits) + 1}", integer=True)
            self.limits.append((letter, sp.Integer(0), vertex.size - 1))
            self.vertices[v] = vertex._replace(pin=letter)

    def add(self, factor: Factor) -> None:
        """One factor; every end at a pinned index has an index of its own, with a unit vector."""
        letter, ends = factor
        if isinstance(letter, Function):
            self.scalars.append(self.function(letter, ends))
            return
        if isinstance(letter, CovarianceOf):
            self.add_labelled(letter.mixture.covariances, ends)
            return
        matrix = _stacked(letter.mixture) if isinstance(letter, MeanOf) else letter
        if isinstance(letter, RandomRows) and not (isinstance(letter, Mask) and letter.is_vector):
            pin = self.vertices[ends[0]].pin
            if pin is not None and letter.shape[0] != 1 and letter.shape[1] != 1:
                matrix, ends = sp.Transpose(Row(letter, pin)), ends[1:]
            else:
                matrix, ends = self.without_single_positions(letter, ends)
        places = [self.loose(v) for v in ends]
        if len(places) == 2:
            self.edges.append((places[0], places[1], matrix))
        elif places:
            self.vectors.setdefault(places[0], []).append(matrix)
        else:
            self.scalars.append(matrix)

    def add_labelled(self, covariances: sp.Expr, ends: tuple[int, ...]) -> None:
        label, a, b = ends
        pin = self.vertices[label].pin
        if pin is None:
            raise AssertionError("labels are numbers before covariances are written")
        self.edges.append((a, b, covariances[int(pin)]))

    def without_single_positions(self, letter: RandomRows, ends: tuple[int, ...]) -> tuple[sp.Expr, tuple[int, ...]]:
        """X with n = 1 or d = 1: an index with one position is no index."""
        kept = tuple(v for v, size in zip(ends, letter.shape, strict=True) if size != 1)
        if len(kept) == 2:
            return letter, kept
        if not kept:
            return MatrixElement(letter, sp.Integer(0), sp.Integer(0)), ()
        return (letter if letter.shape[1] == 1 else sp.Transpose(letter)), kept

    def loose(self, v: int) -> int:
        """The vertex itself, or for a pinned one a new vertex that holds its unit vector."""
        vertex = self.vertices[v]
        if vertex.pin is None:
            return v
        fresh = len(self.vertices)
        self.vertices[fresh] = Vertex(vertex.size)
        self.vectors[fresh] = [unit_vector(vertex.size, vertex.pin)]
        return fresh

    def function(self, letter: Function, ends: tuple[int, ...]) -> sp.Expr:
        """A function of tokens whose positions are known."""
        return letter.expr.xreplace({placeholder_row(k): self.vertices[v].pin for k, v in enumerate(ends)})

    def turned(self, matrix: sp.Expr) -> sp.Expr:
        """The transpose, factor by factor; a symmetric letter is its own."""
        if isinstance(matrix, sp.MatMul):
            coefficient, factors = matrix.as_coeff_matrices()
            return sp.MatMul(coefficient, *(self.turned(factor) for factor in reversed(factors))).doit(deep=False)
        if isinstance(matrix, sp.HadamardProduct):
            return sp.HadamardProduct(*map(self.turned, matrix.args)).doit(deep=False)
        if matrix in self.symmetric or isinstance(matrix, (sp.DiagMatrix, DiagonalMatrix)):
            return matrix
        if _is_explicit(matrix):
            return matrix.T.as_immutable()
        return sp.Transpose(matrix).doit(deep=False)

    # --- moves ---

    def contract(self) -> None:
        """The moves, as long as one applies."""
        while self.merge_parallel() or self.shorten() or self.trim():
            pass
        self.close()

    def is_inner(self, v: int) -> bool:
        return not self.vertices[v].opens

    def ends_at(self, v: int) -> list[int]:
        """The edges with an end at a vertex."""
        return [k for k, (a, b, _) in enumerate(self.edges) if v in (a, b)]

    def shorten(self) -> bool:
        """A vertex with two ends of different edges: a product."""
        best: tuple[int, int, list[int]] | None = None
        for v in self.vertices:
            if not self.is_inner(v):
                continue
            at = self.ends_at(v)
            if len(at) == 2 and all(self.edges[k][0] != self.edges[k][1] for k in at):
                cost = len(self.vectors.get(v, ()))
                if best is None or cost < best[0]:
                    best = (cost, v, at)
        if best is None:
            return False
        _, v, at = best
        first, second = (self.edges[k] for k in at)
        left = first if first[1] == v else (first[1], first[0], self.turned(first[2]))
        right = second if second[0] == v else (second[1], second[0], self.turned(second[2]))
        between = [_diagonal(_entrywise(self.vectors.pop(v)))] if self.vectors.get(v) else []
        self.edges = [edge for k, edge in enumerate(self.edges) if k not in at]
        self.edges.append((left[0], right[1], _product(left[2], *between, right[2])))
        del self.vertices[v]
        return True

    def merge_parallel(self) -> bool:
        """Edges between the same two vertices: a product entry by entry, unless the two close a trace."""
        for k, (a, b, M) in enumerate(self.edges):
            twins = [m for m in range(k + 1, len(self.edges)) if {self.edges[m][0], self.edges[m][1]} == {a, b}]
            if a == b or not twins:
                continue
            if len(twins) == 1 and any(self.is_bare(v) and len(self.ends_at(v)) == 2 for v in (a, b)):
                continue  # Σ_b A_{ab} B_{ab} = (A Bᵀ)_{aa}
            if not self.edges_beside(k, twins) and all(map(self.is_bare, (a, b))):
                twins.pop()  # Σ_{ab} A_{ab} B_{ab} C_{ab} = tr((A ∘ B) Cᵀ)
            turned = [M, *(self.edges[m][2] if self.edges[m][0] == a else self.turned(self.edges[m][2]) for m in twins)]
            self.edges = [edge for m, edge in enumerate(self.edges) if m not in (k, *twins)]
            self.edges.append((a, b, _entrywise(turned)))
            return True
        return False

    def is_bare(self, v: int) -> bool:
        """Whether a vertex is summed over and carries no vector."""
        return self.is_inner(v) and not self.vectors.get(v)

    def edges_beside(self, k: int, twins: list[int]) -> bool:
        """Whether other edges end where these do."""
        ends = {*self.edges[k][:2]}
        return any(ends & {*edge[:2]} for m, edge in enumerate(self.edges) if m not in (k, *twins))

    def trim(self) -> bool:
        """A vertex with one edge: a vector at its other end; a loop beside other things: a diagonal."""
        for v in list(self.vertices):
            at = self.ends_at(v)
            loops = [k for k in at if self.edges[k][0] == self.edges[k][1]]
            if loops and (len(at) > len(loops) or not self.is_inner(v)):
                for k in loops:
                    self.vectors.setdefault(v, []).append(_diagonal_of(self.edges[k][2]))
                self.edges = [edge for k, edge in enumerate(self.edges) if k not in loops]
                return True
            if self.is_inner(v) and len(at) == 1 and not loops:
                a, b, M = self.edges.pop(at[0])
                other, matrix = (a, M) if b == v else (b, self.turned(M))
                size = self.vertices[v].size
                vector = _entrywise(self.vectors.pop(v)) if self.vectors.get(v) else sp.OneMatrix(size, 1)
                self.vectors.setdefault(other, []).append(_product(matrix, vector))
                del self.vertices[v]
                return True
        return False

    def close(self) -> None:
        """Vertices that nothing else is tied to: scalars."""
        for v in [v for v in self.vertices if self.is_inner(v)]:
            at = self.ends_at(v)
            if any(self.edges[k][0] != self.edges[k][1] for k in at):
                continue
            matrices, vectors = [self.edges[k][2] for k in at], self.vectors.pop(v, [])
            if not matrices and not vectors:
                self.scalars.append(sp.Integer(1) if self.vertices[v].pin is not None else self.vertices[v].size)
            elif not matrices:
                self.scalars.append(_scalar_product(vectors, self.vertices[v].size))
            elif not vectors:
                self.scalars.append(_trace(_entrywise(matrices)))
            else:
                diagonals = [_diagonal_of(M) for M in matrices]
                self.scalars.append(_scalar_product([*vectors, *diagonals], self.vertices[v].size))
            self.edges = [edge for k, edge in enumerate(self.edges) if k not in at]
            del self.vertices[v]

    # --- results ---

    def scalar(self) -> list[sp.Expr]:
        """The scalars, and what is left as a sum over indices."""
        scalars = list(self.scalars)
        if self.vertices:
            names = {v: sp.Symbol(f"i_{k + 1}", integer=True) for k, v in enumerate(self.vertices)}
            limits = [(name, 0, self.vertices[v].size - 1) for v, name in names.items()]
            scalars.append(sp.Sum(self.entries(names), *limits))
        return [sp.Sum(sp.Mul(*scalars), *self.limits)] if self.limits else scalars

    def entries(self, names: Mapping[int, sp.Expr]) -> sp.Expr:
        """The product of what is left, entry by entry."""
        entries = [_entry(M, names[a], names[b]) for a, b, M in self.edges]
        entries += [_entry(u, names[v], sp.Integer(0)) for v, us in self.vectors.items() for u in us]
        return sp.Mul(*entries)

    def matrix(self, shape: tuple[sp.Expr, sp.Expr]) -> tuple[list[sp.Expr], sp.Expr]:
        """The scalars, and the matrix between the open vertices."""
        body = self.between(shape)
        if self.limits:
            return [], sp.Sum(sp.MatMul(sp.Mul(*self.scalars), body).doit(deep=False), *self.limits)
        return self.scalars, body

    def between(self, shape: tuple[sp.Expr, sp.Expr]) -> sp.Expr:
        """The matrix between the open vertices."""
        row, column = (next(v for v, vertex in self.vertices.items() if o in vertex.opens) for o in (0, 1))
        if len(self.vertices) > len({row, column}):
            return self.summed(shape, row, column)
        vectors = {v: _entrywise(us) for v, us in self.vectors.items() if us}
        for v in (row, column):
            if (pin := self.vertices[v].pin) is not None and self.vertices[v].size != 1:
                unit = unit_vector(self.vertices[v].size, pin)
                vectors[v] = unit if v not in vectors else _entrywise([unit, vectors[v]])
        if row == column:
            body = _diagonal(vectors[row]) if row in vectors else sp.Identity(shape[0])
        elif self.edges:
            ((a, _, M),) = self.edges
            body = M if a == row else self.turned(M)
            left = [_diagonal(vectors[row])] if row in vectors else []
            right = [_diagonal(vectors[column])] if column in vectors else []
            body = _product(*left, body, *right)
        else:
            columns = [vectors.get(v, sp.OneMatrix(size, 1)) for v, size in zip((row, column), shape, strict=True)]
            if shape[1] == 1:
                body = columns[0]
            else:
                body = self.turned(columns[1]) if shape[0] == 1 else _product(columns[0], self.turned(columns[1]))
        return body

    def summed(self, shape: tuple[sp.Expr, sp.Expr], row: int, column: int) -> sp.Expr:
        """A matrix given by its entries, sums over the other indices."""
        i, j = sp.symbols("i j", integer=True, nonnegative=True)
        inner = [v for v in self.vertices if v not in (row, column)]
        names: dict[int, sp.Expr] = {v: sp.Symbol(f"i_{k + 1}", integer=True) for k, v in enumerate(inner)}
        limits = [(names[v], 0, self.vertices[v].size - 1) for v in inner]
        body = sp.Sum(self.entries({**names, row: i, column: i if row == column else j}), *limits)
        if row == column:
            body = sp.KroneckerDelta(i, j) * body
        return sp.FunctionMatrix(*shape, sp.Lambda((i, j), body))


# --- matrices ----------------------------------------------------------------------------------


def _is_explicit(matrix: sp.Expr) -> bool:
    return isinstance(matrix, sp.MatrixBase)


def _product(*factors: sp.Expr) -> sp.Expr:
    """A product, its explicit neighbours multiplied out."""
    flat = [f for factor in factors for f in (factor.args if isinstance(factor, sp.MatMul) else (factor,))]
    kept: list[sp.Expr] = []
    for factor in flat:
        if kept and _is_explicit(factor) and _is_explicit(kept[-1]):
            kept[-1] = (kept[-1] * factor).as_immutable()
        else:
            kept.append(factor)
    return kept[0] if len(kept) == 1 else sp.MatMul(*kept)


def _entrywise(matrices: list[sp.Expr]) -> sp.Expr:
    """A ∘ B ∘ ⋯"""
    explicit = [M for M in matrices if _is_explicit(M)]
    others = [M for M in matrices if not _is_explicit(M) and not isinstance(M, sp.OneMatrix)]
    if explicit:
        others.append(reduce(lambda A, B: A.multiply_elementwise(B).as_immutable(), explicit))
    if not others:
        return matrices[0]
    return others[0] if len(others) == 1 else sp.HadamardProduct(*others).doit(deep=False)


def _diagonal(vector: sp.Expr) -> sp.Expr:
    """diag(u), of the diagonal of a matrix the diagonal part of it."""
    if isinstance(vector, DiagonalOf):
        return DiagonalMatrix(vector.arg)
    if isinstance(vector, sp.OneMatrix):
        return sp.Identity(vector.shape[0])
    return sp.diag(*vector).as_immutable() if _is_explicit(vector) else sp.DiagMatrix(vector)


def _diagonal_of(matrix: sp.Expr) -> sp.Expr:
    """The diagonal as a column."""
    if _is_explicit(matrix):
        return sp.ImmutableDenseMatrix(matrix.rows, 1, list(matrix.diagonal()))
    if isinstance(matrix, sp.DiagMatrix):
        return matrix.args[0]
    return DiagonalOf(matrix)


def _trace(matrix: sp.Expr) -> sp.Expr:
    return matrix.trace() if _is_explicit(matrix) else sp.Trace(matrix)


def _scalar_product(vectors: list[sp.Expr], size: sp.Expr) -> sp.Expr:
    if len(vectors) == 1:
        return dot(vectors[0], sp.OneMatrix(size, 1))
    return dot(vectors[0], _entrywise(vectors[1:]))


def _entry(matrix: sp.Expr, i: sp.Expr, j: sp.Expr) -> sp.Expr:
    if isinstance(matrix, sp.MatMul):
        coefficient, factors = matrix.as_coeff_matrices()
        if len(factors) == 1:
            return coefficient * _entry(factors[0], i, j)
    if isinstance(matrix, sp.Transpose):
        return _entry(matrix.arg, j, i)
    if isinstance(matrix, sp.HadamardProduct):
        return sp.Mul(*(_entry(arg, i, j) for arg in matrix.args))
    return MatrixElement(matrix, i, j)


def _stacked(mixture: MixtureMatrix) -> sp.Expr:
    if isinstance(mixture.means, sp.Tuple):
        raise AssertionError("labels are numbers before means are written")
    return mixture.means
