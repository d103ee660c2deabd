"""What a gradient field F = ∇R says of its potential R: its values, its linear symmetries, its own axes.

R(x) − R(0) = Σ_i x_i Σ_α c_{iα} x^α / (|α| + 1),    F_i = Σ_α c_{iα} x^α
⟨F(x), A x⟩ ≡ 0   ⟺   R(exp(sA) x) = R(x) for all s
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from flint import arb, ctx, fmpq, fmpq_mat, fmpq_poly, fmpz_poly

from .exact_numbers import PRECISIONS, constant_ball
from .polynomial_field import PolynomialField, derivative

__all__ = ["eigenbasis", "is_gradient", "is_rotation", "linear_symmetries", "potential_at"]


def potential_at(field: PolynomialField, point: Sequence[arb], precision: int = PRECISIONS[1]) -> arb:
    """R(x) − R(0), where F is the gradient of R."""
    with ctx.workprec(precision):
        total = arb(0)
        for x, f in zip(point, field.components, strict=True):
            for a, c in f.items():
                number = arb(c) if isinstance(c, fmpq) else constant_ball(c)(precision)
                powers = (y for y, k in zip(point, a, strict=True) for _ in range(k))  # ** fails across zero
                total += x * number * math.prod(powers, start=arb(1)) / (sum(a) + 1)
        return total


def is_gradient(field: PolynomialField) -> bool:
    """F is the gradient of a potential: its derivative is symmetric."""
    n, F = field.size, field.components
    return all(dict(derivative(F[i], j)) == dict(derivative(F[j], i)) for i in range(n) for j in range(i))


def linear_symmetries(field: PolynomialField) -> tuple[fmpq_mat, ...]:
    """A basis of {A : ⟨F(x), A x⟩ ≡ 0} for a gradient F; nothing for other fields."""
    n, F = field.size, field.components
    if not all(isinstance(c, fmpq) for f in F for c in f.values()):
        return ()
    if not is_gradient(field):
        return ()
    columns: list[dict] = []
    for i, j in itertools.product(range(n), repeat=2):
        columns.append({(*a[:j], a[j] + 1, *a[j + 1 :]): c for a, c in F[i].items()})
    monomials = {a: k for k, a in enumerate(sorted({a for column in columns for a in column}))}
    matrix = fmpq_mat(len(monomials), n * n)
    for k, column in enumerate(columns):
        for a, c in column.items():
            matrix[monomials[a], k] = c
    return tuple(fmpq_mat(n, n, vector) for vector in _kernel(matrix))


def eigenbasis(field: PolynomialField) -> fmpq_mat | None:
    """Orthogonal eigenvectors of the Hessian at 0, when they are rational and not the axes.

    In these coordinates a rank-one risk on rotated data falls apart into products, x_j times a rest.
    """
    n = field.size
    unit = [tuple(int(i == j) for i in range(n)) for j in range(n)]
    entries = [
        fmpq(f.get(e, 0)) if isinstance(f.get(e, fmpq(0)), fmpq) else None for f in field.components for e in unit
    ]
    if None in entries:
        return None
    hessian = fmpq_mat(n, n, entries)
    if hessian != hessian.transpose() or all(hessian[i, j] == 0 for i in range(n) for j in range(i)):
        return None
    vectors: list[list[fmpq]] = []
    for factor, _ in fmpz_poly(list(fmpq_poly(hessian.charpoly()).numer())).factor()[1]:
        if factor.degree() != 1:
            return None
        root = -fmpq(factor[0]) / fmpq(factor[1])
        for v in _kernel(hessian - fmpq_mat([[root * int(i == j) for j in range(n)] for i in range(n)])):
            for w in vectors:
                along = _dot(v, w) / _dot(w, w)
                v = [a - along * b for a, b in zip(v, w, strict=True)]
            vectors.append(v)
    return fmpq_mat(n, n, [vectors[j][i] for i in range(n) for j in range(n)])


def _dot(v: Sequence[fmpq], w: Sequence[fmpq]) -> fmpq:
    return sum((a * b for a, b in zip(v, w, strict=True)), fmpq(0))


def _kernel(matrix: fmpq_mat) -> list[list[fmpq]]:
    """A basis of the vectors that a matrix sends to 0."""
    reduced, rank = matrix.rref()
    width = matrix.ncols()
    pivots = [next(j for j in range(width) if reduced[i, j] != 0) for i in range(rank)]
    basis = []
    for free in (j for j in range(width) if j not in pivots):
        vector = [fmpq(0)] * width
        vector[free] = fmpq(1)
        for i, j in enumerate(pivots):
            vector[j] = -reduced[i, free]
        basis.append(vector)
    return basis


def is_rotation(A: fmpq_mat) -> bool:
    """exp(sA) turns: A is skew."""
    return -A.transpose() == A
