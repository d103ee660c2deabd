"""A polynomial ideal with finitely many zeros, as a finite-dimensional algebra: counts and all real zeros, exactly.

    A = Q[x]/I,    dim A = zeros in Cⁿ with multiplicity
    rank and signature of  (a, b) ↦ tr(M_ab)  =  different complex zeros, different real zeros   (Hermite)

M_a is multiplication by a. When u = Σ c_j x_j tells all zeros apart, its characteristic polynomial χ has
the values of u as roots, and the zeros are rational functions of them (Rouillier): with χ̄ the squarefree
part of χ, of degree r, and H_i its Horner polynomials,

    x_j = g_j(u)/g(u),    g_v = Σ_{i<r} tr(M_v M_uⁱ) H_{r−1−i},    χ̄(u) = 0

so that multiple zeros are no harder than simple ones.

References: Cox, Little and O'Shea, Using Algebraic Geometry (2005), chapter 2; Rouillier (1999), AAECC 9.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp
from flint import arb, ctx, fmpq, fmpq_mat, fmpq_poly, fmpz_mpoly, fmpz_mpoly_ctx, fmpz_mpoly_vec, fmpz_poly

from .exact_numbers import PRECISIONS
from .exact_polynomials import closed_roots, real_roots
from .krawczyk import Point
from .polynomial_field import Exponent, Terms

__all__ = ["QuotientAlgebra", "groebner_basis", "quotient_algebra"]

LONGEST, WIDEST = 200, 60_000
"""Terms in a polynomial and bits in a coefficient past which Buchberger's algorithm is taken to be lost. A reduced
polynomial has at most as many terms as the algebra has dimensions, and one."""

STARTS = 4_000, 500
"""Bits at which the algorithm is first stopped, for its polynomials to be reduced by each other and made
primitive: what swells in one attempt seldom swells in another."""

LARGEST = 96
"""Dimension of an algebra whose multiplication matrices are still formed."""


def groebner_basis(equations: Sequence[Terms], size: int) -> tuple[Terms, ...] | None:
    """The reduced Gröbner basis over Q for the graded reverse order; None when it is out of reach.

    >>> groebner_basis([{(2, 0): 1, (0, 1): -1}, {(1, 1): 1, (0, 0): -1}], 2)
    ({(2, 0): 1, (0, 1): -1}, {(1, 1): 1, (0, 0): -1}, {(0, 2): 1, (1, 0): -1})
    """
    ring = fmpz_mpoly_ctx.get([f"x{j}" for j in range(size)], "degrevlex")
    start = [ring.from_dict(_integral(f)) for f in equations if f]
    reduced = next(filter(None, (_buchberger(start, bits) for bits in STARTS)), None)
    if reduced is None:
        return None
    if not all(f.reduction_primitive_part(reduced) == 0 for f in start):
        raise AssertionError("the equations do not reduce to 0 by their own Gröbner basis: this is a bug")
    return tuple({tuple(map(int, a)): fmpq(c) / g.leading_coefficient() for a, c in g.terms()} for g in reduced)


def _buchberger(start: list[fmpz_mpoly], bits: int) -> fmpz_mpoly_vec | None:
    """FLINT's algorithm, started again from its own reduced polynomials whenever coefficients get too wide."""
    ring = start[0].context()
    now = fmpz_mpoly_vec(start, ring)
    longest = max(LONGEST, *map(len, start))
    while bits <= WIDEST:
        found, finished = now.buchberger_naive(limits=(2_000, longest, bits))
        # Stopped early it returns only some of the ideal: the equations themselves go back in.
        gathered = found if finished else fmpz_mpoly_vec([*start, *found], ring)
        reduced = fmpz_mpoly_vec([f.primitive()[1] for f in gathered.autoreduction() if f != 0], ring)
        if finished:
            return reduced
        widest = max(int(c).bit_length() for f in reduced for c in f.coeffs())
        bits = max(2 * bits if len(reduced) <= len(now) else bits, 2 * widest)
        now = reduced
    return None


def _integral(terms: Terms) -> dict[Exponent, int]:
    denominator = math.lcm(*(int(fmpq(c).q) for c in terms.values()))
    return {a: int((fmpq(c) * denominator).p) for a, c in terms.items()}


@dataclass(frozen=True)
class QuotientAlgebra:
    """Q[x]/I by the matrices of multiplication with the variables.

    Args:
        staircase: the monomials that are a basis.
        multiplications: M_{x_j}, one a variable; column b holds x_j b in the basis.
    """

    staircase: tuple[Exponent, ...]
    multiplications: tuple[fmpq_mat, ...]

    @property
    def dimension(self) -> int:
        """The number of complex zeros with multiplicity."""
        return len(self.staircase)

    def trace_form(self) -> fmpq_mat:
        """The matrix tr(M_{ab}) over the basis."""
        D = self.dimension
        products = [self._product_matrix(b) for b in self.staircase]
        traces = fmpq_mat(1, D, [_trace(M) for M in products])
        rows = [(traces * M).entries() for M in products]
        return fmpq_mat(D, D, [entry for row in rows for entry in row])

    def counts(self) -> tuple[int, int]:
        """(different complex zeros, different real zeros): rank and signature of the trace form."""
        positive, negative = _signature(self.trace_form())
        return positive + negative, positive - negative

    def _product_matrix(self, monomial: Exponent) -> fmpq_mat:
        product = _unit(self.dimension)
        for M, power in zip(self.multiplications, monomial, strict=True):
            for _ in range(power):
                product = product * M
        return product

    def real_zeros(self, precision: int = PRECISIONS[1]) -> tuple[Point, ...]:
        """All real zeros, one ball a coordinate, different zeros in different balls."""
        distinct, real = self.counts()
        if not real:
            return ()
        form, charpoly = self._separating_form(distinct)
        radical = fmpq_poly(charpoly) // charpoly.gcd(charpoly.derivative())
        values = real_roots(fmpz_poly(list(radical.numer())), precision)
        if len(values) != real:
            raise AssertionError(f"Hermite counts {real} real zeros, the representation {len(values)}: this is a bug")
        horner = [fmpq_poly([1])]
        coefficients = list(radical)
        lead = coefficients[-1]
        for c in reversed(coefficients[1:-1]):
            horner.append(horner[-1] * fmpq_poly([0, 1]) + c / lead)
        unit = _unit(self.dimension)
        numerators = [self._represented(M, form, horner) for M in self.multiplications]
        denominator = self._represented(unit, form, horner)
        with ctx.workprec(precision):
            return tuple(tuple(_at(g, u) / _at(denominator, u) for g in numerators) for u in values)

    def exactly(self, zero: Point) -> tuple[sp.Expr | None, ...]:
        """The coordinates of a real zero that are rational or roots of a quadratic, None for the others."""
        return tuple(self._coordinate(M, ball) for M, ball in zip(self.multiplications, zero, strict=True))

    @staticmethod
    def _coordinate(M: fmpq_mat, ball: arb) -> sp.Expr | None:
        """A coordinate is an eigenvalue of its multiplication: the one real root in its ball, if there is one."""
        roots = closed_roots(fmpz_poly(list(fmpq_poly(M.charpoly()).numer())))
        near = [exact for root, exact in roots if root.overlaps(ball)]
        return near[0] if len(near) == 1 else None

    def _represented(self, v: fmpq_mat, u: fmpq_mat, horner: list[fmpq_poly]) -> fmpq_poly:
        """g_v = Σ_i tr(M_v M_uⁱ) H_{r−1−i}."""
        total, power = fmpq_poly([]), v
        for H in reversed(horner):
            total += H * _trace(power)
            power = power * u
        return total

    def _separating_form(self, distinct: int) -> tuple[fmpq_mat, fmpq_poly]:
        """u = Σ c_j x_j with as many values as there are zeros; of (1, k, k², …) some k ≤ n N² serves."""
        for k in range(1, 2 + len(self.multiplications) * distinct * distinct):
            u = self.multiplications[0]
            for j, M in enumerate(self.multiplications[1:], start=1):
                u = u + M * fmpq(k**j)
            charpoly = fmpq_poly(u.charpoly())
            if charpoly.degree() - charpoly.gcd(charpoly.derivative()).degree() == distinct:
                return u, charpoly
        raise AssertionError("no linear form separates finitely many points: this is a bug")


def _unit(size: int) -> fmpq_mat:
    return fmpq_mat([[int(i == j) for j in range(size)] for i in range(size)])


def _trace(matrix: fmpq_mat) -> fmpq:
    return sum((matrix[i, i] for i in range(matrix.nrows())), fmpq(0))


def _signature(form: fmpq_mat) -> tuple[int, int]:
    """Positive and negative eigenvalues of a symmetric matrix, exactly (Descartes: all roots are real)."""
    coefficients = list(fmpq_poly(form.charpoly()))
    flipped = [c if i % 2 == 0 else -c for i, c in enumerate(coefficients)]

    def variations(values: list[fmpq]) -> int:
        signs = [c > 0 for c in values if c != 0]
        return sum(a != b for a, b in itertools.pairwise(signs))

    return variations(coefficients), variations(flipped)


def _at(polynomial: fmpq_poly, x: arb) -> arb:
    value = arb(0)
    for c in reversed(list(polynomial)):
        value = value * x + arb(c)
    return value


def quotient_algebra(basis: Sequence[Terms], size: int) -> QuotientAlgebra | None:
    """The algebra of a reduced Gröbner basis; None when it is infinite-dimensional, or too large."""
    leading = {next(iter(g)): g for g in basis}
    if not all(any(a[j] and sum(a) == a[j] for a in leading) or (0,) * size in leading for j in range(size)):
        return None
    staircase = _staircase(list(leading), size)
    if staircase is None:
        return None
    place = {a: i for i, a in enumerate(staircase)}
    border = sorted({_times(b, j) for b in staircase for j in range(size)} - set(place), key=_grevlex)
    forms: dict[Exponent, dict[int, fmpq]] = {b: {i: fmpq(1)} for b, i in place.items()}
    for a in border:
        if a in leading:
            forms[a] = {place[b]: -fmpq(c) for b, c in leading[a].items() if b != a}
            continue
        j = next(j for j in range(size) if a[j] and _over(a, j) in forms and _over(a, j) not in place)
        forms[a] = {}
        for i, c in forms[_over(a, j)].items():
            for k, d in forms[_times(staircase[i], j)].items():
                forms[a][k] = forms[a].get(k, fmpq(0)) + c * d
    D = len(staircase)
    matrices = []
    for j in range(size):
        matrix = fmpq_mat(D, D)
        for column, b in enumerate(staircase):
            for row, c in forms[_times(b, j)].items():
                matrix[row, column] = c
        matrices.append(matrix)
    return QuotientAlgebra(tuple(staircase), tuple(matrices))


def _staircase(leading: list[Exponent], size: int) -> list[Exponent] | None:
    """The monomials under all leading ones, in the order of the basis; None when they are too many."""
    level: set[Exponent] = {(0,) * size}
    found: list[Exponent] = []
    while level:
        level = {a for a in level if not any(all(x >= y for x, y in zip(a, b, strict=True)) for b in leading)}
        found += level
        if len(found) > LARGEST:
            return None
        level = {_times(a, j) for a in level for j in range(size)}
    return sorted(found, key=_grevlex)


def _grevlex(a: Exponent) -> tuple[int, ...]:
    return (sum(a), *(-x for x in reversed(a)))


def _times(a: Exponent, j: int) -> Exponent:
    return (*a[:j], a[j] + 1, *a[j + 1 :])


def _over(a: Exponent, j: int) -> Exponent:
    return (*a[:j], a[j] - 1, *a[j + 1 :])
