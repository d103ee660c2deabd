"""Admissible overlaps: Gram matrices of vectors, exactly positive semidefinite over the rationals.

    v_i = ((1 − |t|²) e_i + 2t)/(1 + |t|²),   t ⟂ e_i rational        a rational unit vector, e_i for t = 0
    G   = (|x_i| |x_j| ⟨v_i, v_j⟩)                                    feasible by construction

Orthogonal vectors are the simplest: overlaps shrink to zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import isqrt
from typing import Any

import sympy as sp
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from theory.domain import Domain, FeasibleGram

from .points import points

__all__ = ["gram_matrices", "overlaps"]


@st.composite
def _unit_rows(draw: Callable, count: int, rank: int) -> list[list[Fraction]]:
    """Rational unit vectors of R^rank, the i-th near e_i; of R¹ they are ±1."""
    rows = []
    for i in range(count):
        axis = i % rank
        t = [Fraction(draw(st.integers(-16, 16)), 8) if j != axis else Fraction(0) for j in range(rank)]
        square = sum((x * x for x in t), Fraction(0))
        row = [2 * x / (1 + square) for x in t]
        row[axis] = (1 - square) / (1 + square)
        # A sign, because stereographic coordinates up to 2 stay near e_i.
        rows.append([-x for x in row] if i and draw(st.booleans()) else row)
    return rows


def _gram(rows: Sequence[Sequence[Fraction]]) -> list[list[Fraction]]:
    return [[sum((x * y for x, y in zip(u, v, strict=True)), Fraction(0)) for v in rows] for u in rows]


def gram_matrices(count: int, rank: int | None = None) -> SearchStrategy[sp.ImmutableMatrix]:
    """Gram matrices of unit vectors: ones on the diagonal, exactly positive semidefinite; they shrink to I.

    Args:
        count: how many vectors.
        rank: the dimension they live in, by default `count`; smaller for Gram matrices on the boundary.

    Raises:
        ValueError: unless 1 ≤ rank ≤ count.

    >>> from hypothesis import find
    >>> find(gram_matrices(2), lambda G: G[0, 1] > sp.Rational(1, 2))
    Matrix([
    [    1, 48/73],
    [48/73,     1]])
    """
    dimension = count if rank is None else rank
    if not (isinstance(count, int) and isinstance(dimension, int) and 1 <= dimension <= count):
        raise ValueError(f"expected whole numbers 1 <= rank <= count, got count={count}, rank={rank}")
    return _unit_rows(count, dimension).map(
        lambda rows: sp.ImmutableMatrix([[_rational(x) for x in row] for row in _gram(rows)])
    )


def overlaps(gram: FeasibleGram, rank: int | None = None) -> SearchStrategy[dict[sp.Symbol, sp.Rational]]:
    """Values of overlaps for which vectors exist: a dict from the symbols of a Gram matrix to rationals.

    Args:
        gram: of symbols and numbers. With ones, squares of rationals or symbols on the diagonal and different symbols
            off it, values are made from vectors; other matrices (zeros, a symbol twice) are filtered.
        rank: the dimension the vectors live in, for a matrix of the first kind.

    Raises:
        TypeError: for something else than a FeasibleGram.
        ValueError: for a rank of a matrix of the second kind.

    >>> from hypothesis import find
    >>> kappa = sp.Symbol("kappa", real=True)
    >>> find(overlaps(FeasibleGram(sp.Matrix([[1, kappa], [kappa, 1]]))), lambda at: at[kappa] < 0)
    {kappa: -16/65}
    """
    if not isinstance(gram, FeasibleGram):
        raise TypeError(f"expected a FeasibleGram, got {gram!r}")
    matrix = gram.matrix
    size = matrix.rows
    norms = [_norm(matrix[i, i]) for i in range(size)]
    beside = [matrix[i, j] for i in range(size) for j in range(i)]
    symbols = [entry for entry in (*beside, *matrix.diagonal()) if isinstance(entry, sp.Symbol)]
    if None in norms or not all(isinstance(entry, sp.Symbol) for entry in beside) or len(set(symbols)) < len(symbols):
        if rank is not None:
            raise ValueError(
                f"expected different symbols off the diagonal where a rank is given, got {matrix.tolist()}"
            )
        largest = 1 if all(matrix[i, i] == 1 for i in range(size)) else sp.oo
        ends = {s: (0 if s in matrix.diagonal() else -largest, largest) for s in sorted(matrix.free_symbols, key=str)}
        return points(Domain(ends, (gram,)))
    dimension = size if rank is None else rank
    if not 1 <= dimension <= size:
        raise ValueError(f"expected 1 <= rank <= {size}, got rank={rank}")

    @st.composite
    def values(draw: Callable) -> dict[sp.Symbol, sp.Rational]:
        rows = draw(_unit_rows(size, dimension))
        lengths = [draw(_LENGTHS) if norm == 0 else norm for norm in norms]
        scaled = [[length * x for x in row] for length, row in zip(lengths, rows, strict=True)]
        found = _gram(scaled)
        return {
            matrix[i, j]: _rational(found[i][j])
            for i in range(size)
            for j in range(i + 1)
            if isinstance(matrix[i, j], sp.Symbol)
        }

    return values()


# In the order 1, 1/2, …: the simplest length is one.
_LENGTHS = st.sampled_from([Fraction(k, 8) for k in (8, 4, 12, 16, 2, 6, 10, 14, 24, 1, 3, 5, 7)])


def _norm(entry: Any) -> Fraction | None:
    """The square root of a diagonal entry; 0 for a symbol, None if it is not rational."""
    if isinstance(entry, sp.Symbol):
        return Fraction(0)
    if not isinstance(entry, sp.Rational) or entry <= 0:
        return None
    root = Fraction(isqrt(int(entry.p)), isqrt(int(entry.q)))
    return root if root * root == Fraction(int(entry.p), int(entry.q)) else None


def _rational(x: Fraction) -> sp.Rational:
    return sp.Rational(x.numerator, x.denominator)
