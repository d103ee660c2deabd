"""Polynomials over Q: values, determinants, dimension, and when one system says no more than another."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import sympy as sp
from flint import arb, ctx, fmpq, fmpq_mpoly, fmpz_poly

from .exact_numbers import PRECISIONS

__all__ = [
    "are_multiples",
    "as_rational",
    "ball_at",
    "closed_roots",
    "determinant",
    "dimension_of",
    "exact_at",
    "implies",
    "minors",
    "real_roots",
]


def as_rational(value: fmpq) -> sp.Rational:
    """The same fraction for sympy."""
    return sp.Rational(int(value.p), int(value.q))


def ball_at(f: fmpq_mpoly, at: Mapping[int, arb], precision: int = PRECISIONS[1]) -> arb:
    """A polynomial at balls, by the index of the variable."""
    with ctx.workprec(precision):
        total = arb(0)
        for a, c in f.terms():
            term = arb(c)
            for j, power in enumerate(a):
                for _ in range(power):
                    term = term * at[j]
            total += term
        return total


def exact_at(f: fmpq_mpoly, closed: Mapping[int, sp.Expr | None]) -> sp.Expr | None:
    """An affine function of numbers known exactly; None when one of them is not."""
    total = sp.Integer(0)
    for a, c in f.terms():
        j = next((j for j, power in enumerate(a) if power), None)
        if j is not None and closed[j] is None:
            return None
        total += as_rational(c) * (1 if j is None else closed[j])
    return sp.expand(total)


def determinant(rows: Sequence[Sequence[fmpq_mpoly]]) -> fmpq_mpoly:
    """A determinant by Laplace's rule, each minor once."""
    size = len(rows)
    minors: dict[tuple[int, ...], fmpq_mpoly] = {(): rows[0][0].context().constant(1)}
    for k in range(1, size + 1):
        row = rows[k - 1]
        minors = {
            columns: sum(
                ((-1) ** (k - 1 - i) * row[c] * minors[columns[:i] + columns[i + 1 :]] for i, c in enumerate(columns)),
                row[0].context().constant(0),
            )
            for columns in itertools.combinations(range(size), k)
        }
    return minors[tuple(range(size))]


def minors(rows: Sequence[Sequence[fmpq_mpoly]], size: int) -> list[fmpq_mpoly]:
    """All minors of a size that do not vanish identically."""
    found = []
    for chosen in itertools.combinations(rows, size):
        for columns in itertools.combinations(range(len(rows[0])), size):
            minor = determinant([[row[c] for c in columns] for row in chosen])
            if minor != 0:
                found.append(minor)
    return found


def dimension_of(basis: Sequence[fmpq_mpoly], variables: Sequence[int]) -> int:
    """The dimension over C of the zeros of a Gröbner basis: the most variables that make no leading monomial alone."""
    leading = [f.monoms()[0] for f in basis]
    supports = [{j for j, power in enumerate(a) if power} for a in leading]
    for size in range(len(variables), 0, -1):
        for chosen in itertools.combinations(variables, size):
            if not any(support <= set(chosen) for support in supports):
                return size
    return 0


def are_multiples(some: Sequence[fmpq_mpoly], others: Sequence[fmpq_mpoly]) -> bool:
    """The same equations up to order and constant factors."""
    names = [sorted(str(f / f.leading_coefficient()) for f in each if f != 0) for each in (some, others)]
    return names[0] == names[1]


def implies(equations: Sequence[fmpq_mpoly], others: Sequence[fmpq_mpoly]) -> bool:
    """Each of the other equations is a multiple of one of these: the first set lies in the second."""
    return all(any(divmod(g, f)[1] == 0 for f in equations if f != 0) for g in others)


def real_roots(polynomial: fmpz_poly, precision: int = PRECISIONS[1]) -> tuple[arb, ...]:
    """The different real roots of a polynomial, isolated.

    >>> [round(float(root), 3) for root in real_roots(fmpz_poly([0, -2, 0, 1]))]
    [-1.414, 0.0, 1.414]
    """
    with ctx.workprec(precision):
        roots = [root.real for root, _ in polynomial.complex_roots() if root.imag == 0]
    return tuple(sorted(roots, key=lambda root: float(root.mid())))


def closed_roots(polynomial: fmpz_poly, precision: int = PRECISIONS[1]) -> list[tuple[arb, sp.Expr | None]]:
    """The different real roots of a polynomial, each with its closed form when it is the root of a quadratic.

    >>> [exact for _, exact in closed_roots(fmpz_poly([2, -4, -1, 2]))]
    [-sqrt(2), 1/2, sqrt(2)]
    """
    found: list[tuple[arb, sp.Expr | None]] = []
    for factor, _ in polynomial.factor()[1]:
        roots: list[sp.Expr | None] = [None] * factor.degree()
        if factor.degree() == 1:
            roots = [-sp.Rational(int(factor[0]), int(factor[1]))]
        elif factor.degree() == 2:
            c, b, a = (sp.Integer(int(k)) for k in factor)
            root, middle = sp.sqrt(b**2 - 4 * a * c) / (2 * abs(a)), -b / (2 * a)
            roots = [middle - root, middle + root]
        balls = real_roots(factor, precision)
        found += zip(balls, roots[: len(balls)], strict=True)
    return sorted(found, key=lambda pair: float(pair[0].mid()))
