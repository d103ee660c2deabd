"""Directions: unit vectors, orthonormal frames and rotations, exact as far as floats or rationals can be.

unit_vectors(d)               v/‖v‖ for an integer v, of norm 1 to the last digit
vectors(d, norms)             a direction times a length
orthonormal_frames(d, count)  exact Gram-Schmidt over the integers, then normalized
cayley_rotations(d)           (I − A)(I + A)^(−1), A skew with rational entries: exactly orthogonal
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from .numbers import exact_fraction, reals

__all__ = ["cayley_rotations", "orthonormal_frames", "unit_vectors", "vectors"]

_ENTRIES = st.integers(-99, 99)


def unit_vectors(d: int) -> SearchStrategy[np.ndarray]:
    """Vectors of norm 1 in R^d, shape (d,); they shrink towards the first coordinate vector.

    Raises:
        ValueError: if d < 1.

    >>> from hypothesis import find
    >>> find(unit_vectors(3), lambda v: True)
    array([1., 0., 0.])
    """
    return orthonormal_frames(d, 1).map(lambda frame: frame[0])


def vectors(d: int, norms: tuple[Any, Any] = (0, 2)) -> SearchStrategy[np.ndarray]:
    """Vectors of R^d, shape (d,), with a norm in the given range; they shrink towards (low, 0, …, 0).

    Raises:
        ValueError: for d < 1, a negative norm or an empty range.

    >>> from hypothesis import find
    >>> find(vectors(3, norms=(1, 2)), lambda v: True)
    array([1., 0., 0.])
    """
    low, high = norms
    if exact_fraction(low, "norms[0]") < 0:
        raise ValueError(f"expected nonnegative norms, got norms={norms}")
    return st.builds(lambda length, direction: length * direction, reals(low, high), unit_vectors(d))


def orthonormal_frames(d: int, count: int = 2) -> SearchStrategy[np.ndarray]:
    """Orthonormal vectors of R^d as the rows of an array of shape (count, d).

    Integer vectors are made orthogonal exactly (Gram-Schmidt without division), then divided by their
    norms: rows have norm 1, and are orthogonal, to the last digit. They shrink towards coordinate vectors.

    Raises:
        ValueError: unless 1 ≤ count ≤ d.

    >>> from hypothesis import find
    >>> find(orthonormal_frames(3, 2), lambda frame: True)
    array([[1., 0., 0.],
           [0., 1., 0.]])
    """
    if not (isinstance(d, int) and isinstance(count, int) and 1 <= count <= d):
        raise ValueError(f"expected whole numbers 1 <= count <= d, got count={count}, d={d}")
    rows = st.lists(st.lists(_ENTRIES, min_size=d, max_size=d), min_size=count, max_size=count)
    return rows.map(_orthonormal)


def _orthonormal(rows: Sequence[Sequence[int]]) -> np.ndarray:
    d = len(rows[0])
    basis: list[list[int]] = []
    for row in rows:
        # A dependent row is replaced by the first coordinate vector that is independent of the others.
        candidates = [list(row), *([int(i == j) for j in range(d)] for i in range(d))]
        residuals = (_orthogonal_part(candidate, basis) for candidate in candidates)
        basis.append(next(residual for residual in residuals if any(residual)))
    return np.array([_normalized(vector) for vector in basis])


def _orthogonal_part(vector: list[int], basis: Sequence[Sequence[int]]) -> list[int]:
    """The part of an integer vector orthogonal to an orthogonal integer basis, times a whole number."""
    for other in basis:
        along = sum(x * y for x, y in zip(vector, other, strict=True))
        square = sum(y * y for y in other)
        vector = [square * x - along * y for x, y in zip(vector, other, strict=True)]
        divisor = math.gcd(*vector)
        vector = [x // divisor for x in vector] if divisor > 1 else vector
    return vector


def _normalized(vector: Sequence[int]) -> np.ndarray:
    # The norm to 64 bits more than it has, in whole numbers, so that each quotient is rounded once.
    norm = math.isqrt(sum(x * x for x in vector) << 128)
    return np.array([float(Fraction(x << 64, norm)) for x in vector])


def cayley_rotations(d: int) -> SearchStrategy[sp.ImmutableMatrix]:
    """Exactly orthogonal d × d matrices with rational entries and determinant 1.

        Q = (I − A)(I + A)^(−1),    Aᵀ = −A

    They shrink towards the identity.

    Raises:
        ValueError: if d < 1.

    >>> from hypothesis import find
    >>> find(cayley_rotations(2), lambda Q: Q != sp.eye(2))
    Matrix([
    [63/65, -16/65],
    [16/65,  63/65]])
    """
    if not (isinstance(d, int) and d >= 1):
        raise ValueError(f"expected a whole number d >= 1, got d={d}")
    size = d * (d - 1) // 2
    eighths = st.lists(st.integers(-16, 16), min_size=size, max_size=size)
    return eighths.map(lambda entries: _cayley(entries, d))


def _cayley(entries: Sequence[int], d: int) -> sp.ImmutableMatrix:
    skew = sp.zeros(d, d)
    above = ((i, j) for i in range(d) for j in range(i + 1, d))
    for (i, j), entry in zip(above, entries, strict=True):
        skew[i, j], skew[j, i] = sp.Rational(entry, 8), -sp.Rational(entry, 8)
    return sp.ImmutableMatrix((sp.eye(d) - skew) * (sp.eye(d) + skew).inv())
