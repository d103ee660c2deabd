"""Polynomial maps and their derivatives, as functions of floats (many points at once) and of balls.

    F_i(x) = Σ_α c_{iα} x^α,    ∂F_i/∂x_j = Σ_α α_j c_{iα} x^{α−e_j}

All monomials that occur are formed once, each from a smaller one by one product; F and its derivative are
then a single matrix of coefficients times the column of monomials. The matrix holds floats or balls; the
column holds complex floats for many points at once, real balls, or complex balls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np
import sympy as sp
from flint import acb, acb_mat, arb, arb_mat, ctx, fmpq

from .exact_numbers import constant_ball, excludes_zero

__all__ = ["Exponent", "PolynomialField", "Terms", "derivative", "terms_of"]

Exponent = tuple[int, ...]
Terms = Mapping[Exponent, fmpq | sp.Expr]
"""A polynomial: exponent -> coefficient, a rational number or another exact real number."""


def terms_of(f: sp.Expr, variables: Sequence[sp.Symbol]) -> Terms | None:
    """The terms of a polynomial with exact real coefficients; None for anything else.

    >>> x, y = sp.symbols("x y", real=True)
    >>> sorted(terms_of((x + 1) * (x - y/2), (x, y)).items())
    [((0, 1), -1/2), ((1, 0), 1), ((1, 1), -1/2), ((2, 0), 1)]
    >>> terms_of(sp.erf(x), (x, y)) is None
    True
    """
    if not f.is_polynomial(*variables):
        return None
    poly = sp.Poly(f, *variables)
    if poly.domain.is_QQ or poly.domain.is_ZZ:
        return {exponent: fmpq(int(c.p), int(c.q)) for exponent, c in poly.terms() if c}
    found: dict[Exponent, fmpq | sp.Expr] = {}
    for exponent, c in poly.terms():
        if c.free_symbols or not c.is_real or c.has(sp.Float):
            return None
        found[exponent] = fmpq(int(c.p), int(c.q)) if c.is_Rational else c
    return found


def derivative(terms: Terms, j: int) -> Terms:
    """∂/∂x_j of a polynomial."""
    return {(*a[:j], a[j] - 1, *a[j + 1 :]): a[j] * c for a, c in terms.items() if a[j]}


class PolynomialField:
    """F: Rⁿ → Rᵏ with its derivative; offers what `numerics.krawczyk` asks of a field.

    Args:
        components: the terms of F₁, …, F_k.
        size: the number n of variables.
    """

    def __init__(self, components: Sequence[Terms], size: int) -> None:
        self.size = size
        self.components = tuple(components)
        self.degrees = tuple(max(map(sum, f), default=0) for f in self.components)
        rows = [*self.components, *(derivative(f, j) for f in self.components for j in range(size))]
        self.monomials, steps = _ladder({a for f in rows for a in f}, size)
        self._rows = rows
        self._parents, self._factors = [parent for parent, _ in steps], [factor for _, factor in steps]
        degree = [sum(a) for a in self.monomials]
        self._levels = [
            np.array(list(level)) for _, level in groupby(range(1, len(self.monomials)), key=lambda k: degree[k])
        ]
        self._balls = lru_cache(maxsize=None)(self._ball_matrix)
        self._slices = lru_cache(maxsize=None)(self._some_rows)

    def _ball_matrix(self, precision: int) -> arb_mat:
        place = {a: k for k, a in enumerate(self.monomials)}
        matrix = arb_mat(len(self._rows), len(self.monomials))
        with ctx.workprec(precision):
            for i, f in enumerate(self._rows):
                for a, c in f.items():
                    matrix[i, place[a]] = arb(c) if isinstance(c, fmpq) else constant_ball(c)(precision)
        return matrix

    def _some_rows(self, precision: int, first: int, last: int) -> arb_mat:
        whole = self._balls(precision)
        width = whole.ncols()
        return arb_mat(last - first, width, whole.entries()[first * width : last * width])

    def coefficients(self) -> np.ndarray:
        """The matrix (k + kn, monomials) as floats: F first, then the derivative row by row."""
        matrix = self._balls(64)
        return np.array([[float(matrix[i, j].mid()) for j in range(matrix.ncols())] for i in range(matrix.nrows())])

    def at(self, points: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """F and its derivative at many points.

        Args:
            points: (n, P), complex.
            matrix: `coefficients()`, perhaps scaled.

        Returns:
            arrays (k, P) and (k, n, P).
        """
        column = np.empty((len(self.monomials), points.shape[1]), dtype=complex)
        column[0] = 1
        parents, factors = np.array([0, *self._parents[1:]]), np.array([0, *self._factors[1:]])
        for level in self._levels:
            column[level] = column[parents[level]] * points[factors[level]]
        result, k = _product(matrix, column.view(float)).view(complex), len(self.components)
        return result[:k], result[k:].reshape(k, self.size, -1)

    def _rows_at(self, point: Sequence[arb], precision: int, first: int, last: int) -> list[arb]:
        with ctx.workprec(precision):
            column = [arb(1)]
            for parent, factor in zip(self._parents[1:], self._factors[1:], strict=True):
                column.append(column[parent] * point[factor])
            return (self._slices(precision, first, last) * arb_mat(len(column), 1, column)).entries()

    def _complex_rows_at(self, point: Sequence[acb], precision: int, first: int, last: int) -> list[acb]:
        with ctx.workprec(precision):
            column = [acb(1)]
            for parent, factor in zip(self._parents[1:], self._factors[1:], strict=True):
                column.append(column[parent] * point[factor])
            return (acb_mat(self._slices(precision, first, last)) * acb_mat(len(column), 1, column)).entries()

    def values(self, point: Sequence[arb], precision: int) -> list[arb]:
        """F(x), one ball a component."""
        return self._rows_at(point, precision, 0, len(self.components))

    def jacobian(self, point: Sequence[arb], precision: int) -> arb_mat:
        """∂F_i/∂x_j as a matrix of balls."""
        k = len(self.components)
        return arb_mat(k, self.size, self._rows_at(point, precision, k, k + k * self.size))

    def complex_values(self, point: Sequence[acb], precision: int) -> list[acb]:
        """F(z), one complex ball a component."""
        return self._complex_rows_at(point, precision, 0, len(self.components))

    def complex_jacobian(self, point: Sequence[acb], precision: int) -> acb_mat:
        """∂F_i/∂z_j as a matrix of complex balls."""
        k = len(self.components)
        return acb_mat(k, self.size, self._complex_rows_at(point, precision, k, k + k * self.size))

    def excludes(self, point: Sequence[arb], precision: int) -> bool:
        """Some component is proven to have no zero on the box."""
        return any(excludes_zero(value) for value in self.values(point, precision))


def _product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """left @ right, in blocks of columns so small that OpenBLAS keeps to one thread.

    Its threads wait for each other in a loop: on a busy machine they made 729 paths 5 times slower.
    """
    width = max(8, 200_000 // left.size)
    product = np.empty((left.shape[0], right.shape[1]))
    for first in range(0, right.shape[1], width):
        np.matmul(left, right[:, first : first + width], out=product[:, first : first + width])
    return product


def _ladder(monomials: set[Exponent], size: int) -> tuple[list[Exponent], list[tuple[int, int]]]:
    """Monomials by degree, closed under one way down, and for each (a smaller one, the missing factor)."""
    needed, way = set(monomials) | {(0,) * size}, {}
    for degree in range(max(map(sum, needed)), 0, -1):
        for a in sorted(b for b in needed if sum(b) == degree):
            below = [(j, (*a[:j], a[j] - 1, *a[j + 1 :])) for j in range(size) if a[j]]
            j, smaller = next((step for step in below if step[1] in needed), below[-1])
            needed.add(smaller)
            way[a] = (smaller, j)
    ordered = sorted(needed, key=lambda a: (sum(a), a))
    place = {a: k for k, a in enumerate(ordered)}
    return ordered, [(0, 0), *((place[way[a][0]], way[a][1]) for a in ordered[1:])]
