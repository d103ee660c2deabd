"""Rational numbers and matrices of them, as flint keeps them, read from what users have and given back to sympy.

Exact numbers only: a float is refused, because nobody knows which rational was meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Rational
from typing import Any

import sympy as sp
from flint import fmpq, fmpz

__all__ = ["factored", "from_rational", "rational", "rational_matrix"]


def rational(given: Any, name: str) -> fmpq:
    """The number as an fmpq.

    Args:
        given: an int, a Fraction, a sympy Rational, an fmpq or a fmpz.
        name: what it is called, for the error.

    Raises:
        TypeError: for anything else, floats and text among it.

    >>> rational(sp.Rational(3, 6), "x")
    1/2
    >>> rational(0.5, "x")
    Traceback (most recent call last):
    ...
    TypeError: expected an exact rational for x, got 0.5 of type float; write Fraction(1, 10) or Rational(1, 10) for 0.1
    """
    if isinstance(given, (fmpq, fmpz)):
        return fmpq(given)
    if isinstance(given, sp.Rational):
        return fmpq(int(given.p), int(given.q))
    if isinstance(given, Integral) and not isinstance(given, bool):
        return fmpq(int(given))
    if isinstance(given, Rational) and not isinstance(given, bool):
        return fmpq(int(given.numerator), int(given.denominator))
    raise TypeError(
        f"expected an exact rational for {name}, got {given!r:.60} of type {type(given).__name__}; "
        "write Fraction(1, 10) or Rational(1, 10) for 0.1"
    )


def rational_matrix(given: Any, name: str, columns: int | None = None) -> list[list[fmpq]]:
    """The rows of a matrix of exact rationals; a flat list is a column, or a row where `columns` is not 1.

    Raises:
        ValueError: if it is no matrix, is empty, or has rows of several lengths.

    >>> rational_matrix([1, 2], "u")
    [[1], [2]]
    """
    rows = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(rows, (str, bytes)) or not isinstance(rows, Sequence) or not rows:
        raise ValueError(f"expected a matrix of exact rationals for {name}, got {given!r:.60}")
    if not isinstance(rows[0], Sequence) or isinstance(rows[0], str):
        rows = [[entry] for entry in rows] if columns in (None, 1) else [list(rows)]
    widths = {len(row) for row in rows}
    if len(widths) != 1 or 0 in widths:
        raise ValueError(f"expected rows of one length for {name}, got lengths {sorted(widths)}")
    return [[rational(entry, f"{name}[{i}, {j}]") for j, entry in enumerate(row)] for i, row in enumerate(rows)]


def from_rational(number: fmpq) -> sp.Rational:
    """The same number for sympy.

    >>> from_rational(fmpq(1, 3))
    1/3
    """
    return sp.Rational(int(number.p), int(number.q))


def factored(table: list[list[fmpq]]) -> tuple[list[list[fmpq]], list[fmpq]] | None:
    """L and D with the symmetric matrix equal to L D Lᵀ, L unit lower triangular and D diagonal, over the rationals.

    None if the matrix is not symmetric, or has no such factors; a covariance always has, with D ≥ 0.

    >>> factored([[fmpq(2), fmpq(1)], [fmpq(1), fmpq(1)]])
    ([[1, 0], [1/2, 1]], [2, 1/2])
    >>> factored([[fmpq(0), fmpq(1)], [fmpq(1), fmpq(0)]]) is None
    True
    """
    d = len(table)
    if any(len(row) != d for row in table) or any(table[i][j] != table[j][i] for i in range(d) for j in range(i)):
        return None
    rest = [list(row) for row in table]  # the lower half is kept up to date
    root = [[fmpq(int(i == j)) for j in range(d)] for i in range(d)]
    diagonal = []
    for k in range(d):
        pivot = rest[k][k]
        column = [rest[i][k] for i in range(d)]
        if pivot == 0 and any(column[k + 1 :]):
            return None
        for i in range(k + 1, d):
            if column[i]:
                factor = root[i][k] = column[i] / pivot
                for j in range(k + 1, i + 1):
                    rest[i][j] -= factor * column[j]
        diagonal.append(pivot)
    return root, diagonal
