"""Reading an expression into index graphs.

A matrix expression is read between two indices, its row and its column:

    (AB)_{ij} = Σ_a A_{ia} B_{aj},   (A ∘ B)_{ij} = A_{ij} B_{ij},   (diag v)_{ij} = δ_{ij} v_i,   1_{ij} = 1

a scalar as a sum of products of traces, forms, entries and sums over tokens; the index of a sum over tokens is an
index like any other, so `Sum(f(⟨X_l, k⟩) X_l ⋯)` and `X.T*X` meet. A scalar function of tokens or vectors that is
not a polynomial is one factor, a `Function`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import product

import sympy as sp
from sympy.matrices.expressions.diagonal import DiagonalMatrix, DiagonalOf
from sympy.matrices.expressions.matexpr import MatrixElement

from .gaussian import NoClosedForm
from .index_graph import EQUAL, ONE, Factor, Function, Graph, Letters, PlacedAt, Vertex, assembled, placeholder_row
from .reading import LARGEST_POWER, is_random
from .variables import Dot, GaussianScalar, GaussianVector, Labels, Latent, Mask, RandomRows, Row, Tokens
from .words import unit_index

__all__ = ["GraphReader", "Polynomial", "matrix_shape", "read_graphs"]

Draft = tuple[sp.Expr, tuple[Factor, ...]]  # coefficient, factors
Polynomial = dict[Graph, sp.Expr]


FORMS = (sp.Trace, Dot, MatrixElement)


def read_graphs(expr: sp.Expr, letters: Letters, constants: bool = False) -> Polynomial:
    """An expression as Σ coefficient · graph; a matrix has its two open indices.

    Args:
        expr: a scalar or matrix expression.
        letters: the order of the letters.
        constants: read the traces and forms of parameters as well; they are coefficients otherwise.

    Raises:
        NoClosedForm: for what is no polynomial in random matrices and functions of tokens; the message names it.
    """
    reader = GraphReader(letters, constants)
    if (shape := matrix_shape(expr)) is not None:
        row, column = (reader.vertex(size, opens=(o,)) for o, size in enumerate(shape))
        drafts = reader.matrix(expr, row, column)
    else:
        drafts = reader.scalar(expr)
    return collected(map(reader.placed, drafts), reader.vertices, letters)


def matrix_shape(expr: sp.Basic) -> tuple[sp.Expr, sp.Expr] | None:
    """The shape of a matrix-valued expression, a sum of matrices included; None for a scalar or 1 × 1."""
    if isinstance(expr, sp.Sum):
        return matrix_shape(expr.function)
    return expr.shape if getattr(expr, "is_Matrix", False) and expr.shape != (1, 1) else None


def collected(drafts: Iterable[Draft], vertices: list[Vertex], letters: Letters) -> Polynomial:
    """Drafts as graphs, equal ones together."""
    parts: dict[Graph, list[sp.Expr]] = {}
    for coefficient, factors in drafts:
        found = assembled(factors, vertices, letters)
        if found is not None:
            parts.setdefault(found[1], []).append(coefficient * found[0])
    return {graph: total for graph, cs in parts.items() if (total := sp.Add(*cs)) != 0}


@dataclass
class GraphReader:
    """The indices of one computation, and the positions that have names: bound indices, locations, numbered rows."""

    letters: Letters
    constants: bool = False  # read forms of parameters too, instead of keeping them as coefficients
    vertices: list[Vertex] = field(default_factory=list)
    places: dict[tuple[sp.Expr, sp.Expr], int] = field(default_factory=dict)
    bound: dict[sp.Expr, int] = field(default_factory=dict)

    # --- indices ---

    def vertex(self, size: sp.Expr, opens: tuple[int, ...] = ()) -> int:
        """A new index; in a range of one position there is one index only."""
        size = sp.sympify(size, strict=True)
        if size == 1 and not opens:
            return self.place(sp.Integer(0), size)
        self.vertices.append(Vertex(size, opens, sp.Integer(0) if size == 1 else None))
        return len(self.vertices) - 1

    def place(self, position: sp.Expr, size: sp.Expr) -> int:
        """The index at a position: a bound index, a latent location, or one pinned to a number or a symbol."""
        position = sp.sympify(position, strict=True)
        if position in self.bound:
            v = self.bound[position]
            if sp.expand(self.vertices[v].size - size) != 0:
                raise NoClosedForm(
                    f"expected the sum over {position} to run over all {size} positions, got {self.vertices[v].size}"
                )
            return v
        if position.free_symbols & set(self.bound) or (is_random(position) and not isinstance(position, Latent)):
            raise NoClosedForm(f"no rule for the position {position}; write an index, a number or a location by itself")
        key = (position, size)
        if key not in self.places:
            if isinstance(position, Latent):
                if sp.expand(position.size - size) != 0:
                    raise ValueError(f"expected a location among {size}, got {position} among {position.size}")
                self.vertices.append(Vertex(size, latent=True))
            else:
                self.vertices.append(Vertex(size, pin=position))
            self.places[key] = len(self.vertices) - 1
        return self.places[key]

    def placed(self, draft: Draft) -> Draft:
        """The draft, with the places of token groups marked: at a number, or at a location that it depends on."""
        coefficient, factors = draft
        letters = [f.letter for f in factors]
        inside = (row.matrix for f in letters if isinstance(f, Function) for row in f.expr.atoms(Row))
        prompts = dict.fromkeys(m for m in (*letters, *inside) if isinstance(m, Tokens))
        used = {v for f in factors for v in f.ends}
        marks = []
        for prompt in prompts:
            for g, group in enumerate(prompt.groups):
                if group.at is None or len(prompt.groups) == 1:
                    continue
                key = (group.at, prompt.shape[0])
                if isinstance(group.at, Latent) and self.places.get(key) not in used:
                    continue
                marks.append(Factor(PlacedAt(prompt, g), (self.place(*key),)))
        return coefficient, (*factors, *marks)

    # --- scalars ---

    def scalar(self, expr: sp.Expr) -> list[Draft]:
        """A scalar as Σ coefficient · product of factors."""
        if getattr(expr, "is_Matrix", False):
            if expr.shape != (1, 1):
                raise NoClosedForm(f"expected a scalar, got the matrix {expr} of shape {expr.shape}")
            one = self.vertex(sp.Integer(1))
            return self.matrix(expr, one, one)
        if not self.takes_part(expr) and not (self.constants and expr.has(*FORMS)):
            return [(expr, ())] if expr != 0 else []
        if isinstance(expr, sp.Add):
            return [draft for arg in expr.args for draft in self.scalar(arg)]
        if isinstance(expr, sp.Mul):
            return self.products([self.scalar(arg) for arg in expr.args])
        if isinstance(expr, sp.Pow) and expr.exp.is_Integer and expr.exp > 0 and not self.is_function(expr.base):
            if expr.exp > LARGEST_POWER:
                raise NoClosedForm(f"expected powers up to {LARGEST_POWER}, got {expr}")
            return self.products([self.scalar(expr.base) for _ in range(int(expr.exp))])
        if isinstance(expr, sp.Trace):
            rows, columns = expr.arg.shape
            if rows != columns and sp.expand(rows - columns) != 0:
                raise ValueError(f"expected a square matrix inside a trace, got {expr.arg} of shape {expr.arg.shape}")
            v = self.vertex(rows)
            return self.matrix(expr.arg, v, v)
        if isinstance(expr, Dot):
            v = self.vertex(expr.right.shape[0])
            return self.products([self.column(expr.left, v), self.column(expr.right, v)])
        if isinstance(expr, MatrixElement):
            rows, columns = expr.parent.shape
            return self.matrix(expr.parent, self.place(expr.i, rows), self.place(expr.j, columns))
        if isinstance(expr, sp.Sum):
            return self.sum(expr, self.scalar)
        if isinstance(expr, sp.KroneckerDelta):
            size = next((size for arg in expr.args[:2] if (size := self.range_of(arg)) is not None), None)
            if size is None:
                raise NoClosedForm(f"no rule for {expr} outside of a sum over tokens")
            ends = tuple(self.place(arg, size) for arg in expr.args[:2])
            return [(sp.Integer(1), (Factor(EQUAL, ends),))]
        return [(sp.Integer(1), (self.function(expr),))]

    def range_of(self, position: sp.Expr) -> sp.Expr | None:
        """The number of positions of a bound index or a location; None where it is not known."""
        if position in self.bound:
            return self.vertices[self.bound[position]].size
        return position.size if isinstance(position, Latent) else None

    def takes_part(self, expr: sp.Basic) -> bool:
        """Whether an expression is random or depends on a bound index."""
        return is_random(expr) or bool(self.bound and expr.free_symbols & set(self.bound))

    def is_function(self, expr: sp.Basic) -> bool:
        """Whether an expression is read as one random factor."""
        return isinstance(expr, GaussianScalar) or not isinstance(
            expr, (sp.Add, sp.Mul, sp.Pow, sp.Trace, Dot, MatrixElement, sp.Sum, sp.KroneckerDelta, sp.MatrixExpr)
        )

    def products(self, factors: list[list[Draft]]) -> list[Draft]:
        """The product of sums of drafts, multiplied out."""
        return [
            (sp.Mul(*(c for c, _ in chosen)), tuple(f for _, fs in chosen for f in fs)) for chosen in product(*factors)
        ]

    def sum(self, expr: sp.Sum, read: Callable[[sp.Expr], list[Draft]]) -> list[Draft]:
        """A sum over all positions; its index is a vertex."""
        outside, taken = dict(self.bound), []
        for index, low, high in expr.limits:
            if low != 0:
                raise NoClosedForm(f"expected the sum over {index} to start at 0, got {low}")
            v = self.vertex(sp.expand(high + 1))
            self.bound[index] = v
            taken.append(Factor(ONE, (v,)))
        try:
            return [(c, (*factors, *taken)) for c, factors in read(expr.function)]
        finally:
            self.bound = outside

    def function(self, expr: sp.Expr) -> Factor:
        """A random scalar that is no polynomial, its tokens at placeholders."""
        if expr.has(sp.Sum):
            raise NoClosedForm(
                f"no rule for a function of a sum over tokens: {expr.func.__name__} of {expr.args[0]}; "
                "expectations are taken of polynomials in such sums"
            )
        whole = next((m for m in expr.atoms(RandomRows) if self.stands_alone(expr, m)), None)
        if whole is not None:
            raise NoClosedForm(f"no rule for {expr.func.__name__} of random matrices other than a polynomial: {expr}")
        rows = sorted({node for node in sp.preorder_traversal(expr) if isinstance(node, Row)}, key=sp.default_sort_key)
        indices = list(dict.fromkeys((row.index, row.matrix.shape[0]) for row in rows))
        ends = [self.place(index, size) for index, size in indices]
        where = {index: placeholder_row(k) for k, index in enumerate(indices)}
        moved = expr.xreplace({row: Row(row.matrix, where[row.index, row.matrix.shape[0]]) for row in rows})
        if (self.takes_part(moved) and moved.free_symbols & set(self.bound)) or moved.has(Latent):
            raise NoClosedForm(f"the summand depends on its position other than through the token there: {expr}")
        return Factor(Function(moved), tuple(ends))

    def stands_alone(self, expr: sp.Basic, matrix: RandomRows) -> bool:
        """Whether a random matrix appears in an expression other than through its rows."""
        if isinstance(expr, Row):
            return False
        return expr == matrix or any(self.stands_alone(arg, matrix) for arg in expr.args)

    # --- matrices ---

    def column(self, vector: sp.Expr, v: int) -> list[Draft]:
        """The entry of a column at an index."""
        return self.matrix(vector, v, self.vertex(sp.Integer(1)))

    def matrix(self, expr: sp.Expr, i: int, j: int) -> list[Draft]:
        """The entry of a matrix expression at two indices.

        Raises:
            NoClosedForm: for random matrices inside an inverse or another function; the message names it.
        """
        one = sp.Integer(1)
        if isinstance(expr, sp.Sum):
            return self.sum(expr, lambda body: self.matrix(body, i, j))
        if isinstance(expr, sp.MatAdd):
            return [draft for arg in expr.args for draft in self.matrix(arg, i, j)]
        if isinstance(expr, sp.MatMul):
            return self.chain(expr, i, j)
        if isinstance(expr, (sp.Transpose, sp.Adjoint)):
            return self.matrix(expr.arg, j, i)
        if isinstance(expr, sp.ZeroMatrix) or (isinstance(expr, sp.MatrixBase) and expr.is_zero_matrix):
            return []
        if isinstance(expr, sp.Identity):
            return [(one, (Factor(EQUAL, (i, j)),))]
        if isinstance(expr, sp.OneMatrix):
            return [(one, (Factor(ONE, (i,)), Factor(ONE, (j,))))]
        if isinstance(expr, sp.HadamardProduct):
            return self.products([self.matrix(arg, i, j) for arg in expr.args])
        if isinstance(expr, sp.HadamardPower) and expr.exp.is_Integer and 0 < expr.exp <= LARGEST_POWER:
            return self.products([self.matrix(expr.base, i, j) for _ in range(int(expr.exp))])
        if isinstance(expr, sp.DiagMatrix):
            equal = (one, (Factor(EQUAL, (i, j)),))
            return self.products([[equal], self.column(_as_column(expr.args[0]), i)])
        if isinstance(expr, DiagonalMatrix):
            return self.products([[(one, (Factor(EQUAL, (i, j)),))], self.matrix(expr.arg, i, j)])
        if isinstance(expr, DiagonalOf):
            return self.matrix(expr.arg, i, i)
        if isinstance(expr, Row):
            return [(one, (Factor(expr.matrix, (self.place(expr.index, expr.matrix.shape[0]), j)),))]
        if isinstance(expr, GaussianVector) or (isinstance(expr, Mask) and expr.is_vector):
            return [(one, (Factor(expr, (i,)),))]
        if isinstance(expr, (RandomRows, Labels)):
            return [(one, (Factor(expr, (i, j)),))]
        if isinstance(expr, sp.FunctionMatrix) and (index := unit_index(expr)) is not None:
            return [(one, (Factor(EQUAL, (i, self.place(index, expr.shape[0]))),))]
        if isinstance(expr, sp.MatrixBase) and is_random(expr):
            return self.entries(expr, i, j)
        if isinstance(expr, sp.MatPow) and expr.exp.is_Integer and expr.exp >= 0:
            if expr.exp > LARGEST_POWER:
                raise NoClosedForm(f"expected a matrix power of at most {LARGEST_POWER}, got {expr}")
            if expr.exp == 0:
                return [(one, (Factor(EQUAL, (i, j)),))]
            return self.chain(sp.MatMul(*[expr.base] * int(expr.exp), evaluate=False), i, j)
        if is_random(expr):
            if isinstance(expr, (sp.Inverse, sp.MatPow)):
                raise NoClosedForm(
                    f"no rule for a random matrix inside an inverse or a power other than a whole one: {expr}"
                )
            raise NoClosedForm(f"no rule for random matrices inside {type(expr).__name__}: {expr}")
        return [self.constant(expr, i, j)]

    def chain(self, expr: sp.MatMul, i: int, j: int) -> list[Draft]:
        """(A₁⋯A_r)_{ij}: a new index between neighbours."""
        coefficient, factors = expr.as_coeff_matrices()
        parts = [self.scalar(coefficient)]
        left = i
        for k, factor in enumerate(factors):
            right = j if k == len(factors) - 1 else self.vertex(factor.shape[1])
            parts.append(self.matrix(factor, left, right))
            left = right
        return self.products(parts)

    def entries(self, matrix: sp.MatrixBase, i: int, j: int) -> list[Draft]:
        """A matrix of random entries: each at its own pinned position."""
        drafts: list[Draft] = []
        for (a, b), entry in matrix.todok().items():
            rows, columns = map(sp.Integer, matrix.shape)
            at = (
                Factor(EQUAL, (i, self.place(sp.Integer(a), rows))),
                Factor(EQUAL, (j, self.place(sp.Integer(b), columns))),
            )
            drafts += [(c, (*factors, *at)) for c, factors in self.scalar(entry)]
        return drafts

    def constant(self, matrix: sp.Expr, i: int, j: int) -> Draft:
        """The entry of a parameter; an index that has one position only is left out."""
        if isinstance(matrix, sp.MatrixBase):
            matrix = matrix.as_immutable()
        ends = ((i, matrix.shape[0]), (j, matrix.shape[1]))
        if matrix.shape == (1, 1):
            return matrix[0, 0], tuple(Factor(ONE, (v,)) for v, _ in ends)
        if matrix.shape[0] == 1:
            matrix = sp.Transpose(matrix).doit() if not isinstance(matrix, sp.MatrixBase) else matrix.T
        left_out = tuple(Factor(ONE, (v,)) for v, size in ends if size == 1)
        return sp.Integer(1), (Factor(matrix, tuple(v for v, size in ends if size != 1)), *left_out)


def _as_column(vector: sp.Expr) -> sp.Expr:
    return vector if vector.shape[1] == 1 else sp.Transpose(vector).doit()
