"""What a name stands for, said in Python: the words of `where=`.

    real  positive  negative  nonnegative  nonpositive  nonzero  integer      numbers; positive & integer is both
    vector(d)   matrix(n, d)   matrix(d, d, "symmetric")                      parameters; d a number, a symbol or a name
    Gaussian(mean, variance)                                                  a random scalar

    check(r"\\mathbb{E}[g^2] = s", where={"g": Gaussian(0, "s"), "s": positive})

Beside these words `where=` takes an interval (low, high), a declaration as a claims file has it
("gaussian vector(d), covariance S"), and symbols and random variables themselves; see `declarations`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = [
    "ASSUMPTIONS",
    "Gaussian",
    "MatrixKind",
    "NumberKind",
    "integer",
    "matrix",
    "negative",
    "nonnegative",
    "nonpositive",
    "nonzero",
    "positive",
    "real",
    "vector",
]

ASSUMPTIONS = ("real", "positive", "negative", "nonnegative", "nonpositive", "nonzero", "integer")


@dataclass(frozen=True)
class NumberKind:
    """A number with assumptions, all of which it satisfies.

    >>> (positive & integer).assumptions
    ('positive', 'integer')
    """

    assumptions: tuple[str, ...]

    def __and__(self, other: NumberKind) -> NumberKind:
        if not isinstance(other, NumberKind):
            return NotImplemented
        return NumberKind(tuple(dict.fromkeys(self.assumptions + other.assumptions)))

    def __repr__(self) -> str:
        return " & ".join(self.assumptions)


real = NumberKind(("real",))
positive = NumberKind(("positive",))
negative = NumberKind(("negative",))
nonnegative = NumberKind(("nonnegative",))
nonpositive = NumberKind(("nonpositive",))
nonzero = NumberKind(("nonzero",))
integer = NumberKind(("integer",))


@dataclass(frozen=True)
class MatrixKind:
    """A matrix parameter, n × d; a vector where there is one column."""

    rows: Any
    columns: Any
    is_symmetric: bool = False


def vector(d: Any) -> MatrixKind:
    """A vector parameter, d × 1.

    >>> vector("d")
    MatrixKind(rows='d', columns=1, is_symmetric=False)
    """
    return MatrixKind(d, 1)


def matrix(rows: Any, columns: Any = None, *properties: str) -> MatrixKind:
    """A matrix parameter, rows × columns; square where one size is given.

    Args:
        rows, columns: whole numbers, symbols, or names, which become positive integers.
        properties: "symmetric", or nothing.

    Raises:
        ValueError: for an unknown property, or a symmetric matrix that is not square.

    >>> matrix("d", "d", "symmetric").is_symmetric
    True
    """
    unknown = [word for word in properties if word != "symmetric"]
    if unknown:
        raise ValueError(f'expected "symmetric" or nothing after the sizes of a matrix, got {unknown[0]!r}')
    columns = rows if columns is None else columns
    if properties and rows != columns:
        raise ValueError(f"expected a square symmetric matrix, got the sizes {rows} and {columns}")
    return MatrixKind(rows, columns, bool(properties))


@dataclass(frozen=True)
class Gaussian:
    """The law N(mean, variance) of a random scalar; several under one `where=` are independent.

    Args:
        mean, variance: numbers, expressions, or formulas as text in names of the same `where=`.

    >>> Gaussian(0, 1)
    Gaussian(mean=0, variance=1)
    """

    mean: Any = 0
    variance: Any = 1
