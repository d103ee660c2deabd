"""What can be known of an entry before it is computed: how many terms it has, and its degree in the parameters.

`numerics.entrywise` walks through an expression with entries that add and multiply. Walked with numbers and
polynomials it gives the value; with `Work` in the place of random entries, what the value will cost; with `Degree`
in the place of parameters, how often a wrong formula can agree by chance (`numerics.schwartz_zippel`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Any

__all__ = ["Degree", "Meter", "Work"]


@dataclass
class Meter:
    """Counts the products of terms that a computation in so many variables will take."""

    variables: int
    spent: int = 0

    def most_terms(self, degree: int) -> int:
        """The number of monomials up to a degree."""
        return comb(self.variables + degree, degree)


@dataclass(frozen=True)
class Work:
    """A polynomial of which only the degree and a bound for its number of terms are known.

    >>> meter = Meter(variables=2)
    >>> square = Work(3, 1, meter) * Work(3, 1, meter)
    >>> square.terms, square.degree, meter.spent
    (6, 2, 9)
    """

    terms: int
    degree: int
    meter: Meter = field(repr=False, compare=False)

    def __add__(self, other: Any) -> Work:
        terms, degree = (other.terms, other.degree) if isinstance(other, Work) else (1, 0)
        degree = max(self.degree, degree)
        self.meter.spent += terms
        return Work(min(self.terms + terms, self.meter.most_terms(degree)), degree, self.meter)

    def __mul__(self, other: Any) -> Work:
        terms, degree = (other.terms, other.degree) if isinstance(other, Work) else (1, 0)
        self.meter.spent += self.terms * terms
        degree += self.degree
        return Work(min(self.terms * terms, self.meter.most_terms(degree)), degree, self.meter)

    def __pow__(self, exponent: int) -> Work:
        result = Work(1, 0, self.meter)
        for _ in range(exponent):
            result = result * self
        return result

    __radd__, __rmul__ = __add__, __mul__


@dataclass(frozen=True)
class Degree:
    """A quotient P/Q of polynomials in the parameters of which only bounds of the degrees are known.

    Sums are brought to the product of their denominators, so the bounds are never too small, if often too large.

    >>> Degree(2) * Degree(1, 1) + Degree(1)
    Degree(numerator=3, denominator=1)
    """

    numerator: int
    denominator: int = 0

    def __add__(self, other: Any) -> Degree:
        other = other if isinstance(other, Degree) else Degree(0)
        crossed = self.numerator + other.denominator, other.numerator + self.denominator
        return Degree(max(crossed), self.denominator + other.denominator)

    def __mul__(self, other: Any) -> Degree:
        other = other if isinstance(other, Degree) else Degree(0)
        return Degree(self.numerator + other.numerator, self.denominator + other.denominator)

    def __pow__(self, exponent: int) -> Degree:
        return Degree(exponent * self.numerator, exponent * self.denominator)

    __radd__, __rmul__ = __add__, __mul__

    def reciprocal(self) -> Degree:
        """Q/P."""
        return Degree(self.denominator, self.numerator)

    def repeated(self, times: int) -> Degree:
        """A sum of so many of them with different denominators."""
        return Degree(self.numerator + (times - 1) * self.denominator, times * self.denominator)

    @staticmethod
    def largest(entries: Sequence[Any]) -> Degree:
        """A bound for every one of the entries, which may be plain numbers too."""
        degrees = [entry for entry in entries if isinstance(entry, Degree)]
        return Degree(
            max((degree.numerator for degree in degrees), default=0),
            max((degree.denominator for degree in degrees), default=0),
        )

    @staticmethod
    def of_entries(values: Iterable[Any]) -> Degree:
        """A bound for every entry of some scalars and tables."""
        return Degree.largest(
            [entry for value in values for row in (value if isinstance(value, list) else [[value]]) for entry in row]
        )

    @staticmethod
    def of_inverse(matrix: Sequence[Sequence[Any]]) -> Degree:
        """An entry of the inverse of a k × k matrix N/Q, Q the product of all denominators: Q adj(N)/det(N)."""
        k = len(matrix)
        largest = Degree.largest([entry for row in matrix for entry in row])
        common = k * k * largest.denominator
        numerator = largest.numerator + common
        return Degree(common + (k - 1) * numerator, k * numerator)
