"""Taking a polynomial system apart over the reals, exactly: cases whose real zeros together are all of them.

    f g = 0                      f = 0 or g = 0, for all equations at once; cases that imply another are dropped
    a x_j + b(others) = 0        x_j is replaced, where b is affine
    Σ t_i f_i ≡ 0                an equation is dropped
    Σ c_k m_k² + c = 0, c_k > 0  nothing is left when c > 0; all m_k = 0 when c = 0 (m_k monomials)
    xᵀAx + 2bᵀx + c = 0          the same for a semidefinite form, by its squares (LDLᵀ)
    Σ t_i q_i > 0 on Rⁿ          nothing is left: quadratic equations q_i with a definite combination

The second half of this list is what algebra over C cannot see: the rest points of Oja's flow lie on a complex
curve {wᵀSw = 0, |w|² = 2} and at seven points; over the reals the curve is empty.

Everything is over Q, in one ring; a `Case` knows which variables are expressed by the others.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from flint import fmpq, fmpq_mat, fmpq_mpoly

from .polynomial_field import Exponent, Terms
from .quotient_algebra import groebner_basis

__all__ = ["Case", "alternatives", "consequences"]

MOST = 4_096
"""Products of factors are multiplied out into cases up to this number."""


@dataclass(frozen=True)
class Case:
    """Part of the zero set.

    Args:
        equations: polynomials over Q that vanish, none of them constant.
        fixed: (j, x_j as an affine function of the variables that are not fixed).
        size: the number of variables of the ring.
        algebraic: the equations are known to be a Gröbner basis.
    """

    equations: tuple[fmpq_mpoly, ...]
    fixed: tuple[tuple[int, fmpq_mpoly], ...]
    size: int
    algebraic: bool = False

    @property
    def variables(self) -> tuple[int, ...]:
        """The variables that occur in the equations."""
        return tuple(
            j for j, powers in enumerate(zip(*(f.degrees() for f in self.equations), strict=True)) if any(powers)
        )

    @property
    def free(self) -> tuple[int, ...]:
        """The variables of which nothing is asked."""
        taken = {j for j, _ in self.fixed} | set(self.variables)
        return tuple(j for j in range(self.size) if j not in taken)

    def with_equations(self, *more: fmpq_mpoly) -> Case:
        """The case with further equations."""
        return Case((*self.equations, *more), self.fixed, self.size)

    def terms(self) -> list[Terms]:
        """The equations in the variables that occur, in their order."""
        variables = self.variables
        return [{tuple(int(a[j]) for j in variables): c for a, c in f.terms()} for f in self.equations]


def alternatives(case: Case) -> list[Case] | None:
    """The cases that a single equation or its factors lead to; none when there is no real zero.

    Returns:
        None when no rule applies, or factors make too many cases.
    """
    equations = _distinct(f / f.leading_coefficient() for f in case.equations if f != 0)
    if not equations:
        return [Case((), case.fixed, case.size)] if case.equations else None
    if any(f.is_constant() for f in equations) or (case.algebraic and _has_definite_combination(equations)):
        return []
    affine = next((f for f in equations if f.total_degree() == 1), None)
    if affine is not None:
        return [_substituted(Case(tuple(equations), case.fixed, case.size), affine)]
    for f in equations:
        parts = _vanishing_squares(f)
        if parts is not None:
            rest = [g for g in equations if g != f]
            return [] if any(g.is_constant() for g in parts) else [Case((*rest, *parts), case.fixed, case.size)]
    choices = [tuple(g / g.leading_coefficient() for g, _ in f.factor()[1]) for f in equations]
    if choices == [(f,) for f in equations] and len(equations) == len(case.equations):
        basis = _span(equations)
        return None if len(basis) == len(equations) else [Case(basis, case.fixed, case.size)]
    chosen = _minimal_choices(choices)
    return None if chosen is None else [Case(equations, case.fixed, case.size) for equations in chosen]


def _substituted(case: Case, affine: fmpq_mpoly) -> Case:
    """x_j from an affine equation, put into everything else."""
    ring = affine.context()
    j = next(j for a in affine.monoms() for j, power in enumerate(a) if power)
    slope = affine[tuple(int(i == j) for i in range(ring.nvars()))]
    value = ring.gens()[j] - affine / slope
    place = [value if i == j else x for i, x in enumerate(ring.gens())]
    equations = [f.compose(*place, ctx=ring) for f in case.equations if f != affine]
    fixed = [(i, f.compose(*place, ctx=ring)) for i, f in case.fixed]
    return Case(tuple(f for f in equations if f != 0), (*fixed, (j, value)), case.size)


def _span(equations: Sequence[fmpq_mpoly]) -> tuple[fmpq_mpoly, ...]:
    """A reduced basis of the linear span of the equations over Q."""
    ring = equations[0].context()
    monomials = sorted({a for f in equations for a in f.monoms()}, key=lambda a: (sum(a), *(-k for k in a[::-1])))[::-1]
    entries = [f[a] for f in equations for a in monomials]
    reduced, rank = fmpq_mat(len(equations), len(monomials), entries).rref()
    rows = [{a: reduced[i, k] for k, a in enumerate(monomials)} for i in range(rank)]
    return tuple(ring.from_dict({a: c for a, c in row.items() if c != 0}) for row in rows)


def _distinct(polynomials: Iterable[fmpq_mpoly]) -> list[fmpq_mpoly]:
    """Each polynomial once; they have no hash, but one printed form."""
    return list({str(f): f for f in polynomials}.values())


def _minimal_choices(choices: Sequence[Sequence[fmpq_mpoly]]) -> list[tuple[fmpq_mpoly, ...]] | None:
    """One factor of every equation, as sets; a set with another one inside says nothing new."""
    named = {str(g): g for factors in choices for g in factors}
    sets: list[frozenset[str]] = [frozenset()]
    for factors in choices:
        names = [str(g) for g in factors]
        grown = {old if not old.isdisjoint(names) else old | {g} for old in sets for g in names}
        if len(grown) > MOST:
            return None
        ordered = sorted(grown, key=lambda names: (len(names), sorted(names)))
        sets = [s for i, s in enumerate(ordered) if not any(small < s for small in ordered[:i])]
    return [tuple(named[name] for name in sorted(names)) for names in sets]


def _vanishing_squares(f: fmpq_mpoly) -> list[fmpq_mpoly] | None:
    """What vanishes with f over the reals when f or −f is a sum of squares; None when that is not seen.

    A constant among the answers says that f has no real zero.
    """
    signs = {c > 0 for c in f.coeffs()}
    ring = f.context()
    if len(signs) == 1 and all(power % 2 == 0 for a in f.monoms() for power in a):
        return [ring.from_dict({tuple(min(power, 1) for power in a): 1}) for a in f.monoms()]
    return _quadratic_squares(f) if f.total_degree() == 2 else None


def _quadratic_matrix(f: fmpq_mpoly) -> dict[tuple[int, int], fmpq]:
    """The symmetric matrix of a quadratic in (1, x), index −1 for 1."""
    matrix: dict[tuple[int, int], fmpq] = {}
    for a, c in f.terms():
        i, j = [-1] * (2 - sum(a)) + [j for j, power in enumerate(a) for _ in range(power)]
        matrix[i, j] = matrix[j, i] = fmpq(c) if i == j else fmpq(c) / 2
    return matrix


def _quadratic_squares(f: fmpq_mpoly) -> list[fmpq_mpoly] | None:
    """The linear forms l_k of f = ± Σ d_k l_k², d_k > 0; None for an indefinite f."""
    matrix, ring = _quadratic_matrix(f), f.context()
    left = sorted({i for i, _ in matrix}, reverse=True)
    squares, signs = [], set()
    while left:
        pivot = left[0]  # the constant comes last
        d = matrix.get((pivot, pivot), fmpq(0))
        row = {j: matrix.get((pivot, j), fmpq(0)) for j in left}
        if d == 0:
            if any(c != 0 for c in row.values()):
                return None
        else:
            signs.add(d > 0)
            gens = {**dict(enumerate(ring.gens())), -1: ring.constant(1)}
            squares.append(sum((gens[j] * (c / d) for j, c in row.items()), ring.constant(0)))
            for i, j in itertools.product(left, repeat=2):
                matrix[i, j] = matrix.get((i, j), fmpq(0)) - row[i] * row[j] / d
        left = left[1:]
    return squares if len(signs) == 1 else None


def consequences(case: Case) -> Case | None:
    """The same zeros by a Gröbner basis, in which `alternatives` may see more.

    Returns:
        None when the basis is out of reach.
    """
    basis = groebner_basis(case.terms(), len(case.variables))
    if basis is None:
        return None
    ring = case.equations[0].context()
    equations = tuple(ring.from_dict(_widened(g, case)) for g in basis)
    return Case(equations, case.fixed, case.size, algebraic=True)


def _widened(terms: Terms, case: Case) -> dict[Exponent, fmpq]:
    place = {j: k for k, j in enumerate(case.variables)}
    return {tuple(a[place[j]] if j in place else 0 for j in range(case.size)): c for a, c in terms.items()}


def _has_definite_combination(equations: Iterable[fmpq_mpoly]) -> bool:
    """Some Σ t_i q_i of the quadratic equations is proven positive on all of Rⁿ.

    The t that works is looked for with floats, by ascending the least eigenvalue, a concave function of t,
    and then proven with fractions.
    """
    quadratics = [f for f in equations if f.total_degree() <= 2]
    if len(quadratics) < 2:
        return False
    forms = [_quadratic_matrix(f) for f in quadratics]
    indices = sorted({i for form in forms for i, _ in form})
    stack = np.array([[[float(form.get((i, j), 0)) for j in indices] for i in indices] for form in forms])
    size = np.abs(stack).max(axis=(1, 2))
    t = _ascended(stack / size[:, None, None])
    if t is None:
        return False
    ring = quadratics[0].context()
    weights = [
        fmpq(round(float(c) * 2**20), 2**20) / fmpq(round(s * 2**20), 2**20) for c, s in zip(t, size, strict=True)
    ]
    total = sum((f * w for f, w in zip(quadratics, weights, strict=True)), ring.constant(0))
    if total == 0 or total.total_degree() < 2:
        return total != 0 and total.is_constant()
    squares = _quadratic_squares(total)
    return squares is not None and any(l.is_constant() for l in squares)


def _ascended(stack: np.ndarray, steps: int = 400) -> np.ndarray | None:
    """A t with Σ t_i A_i positive definite, by subgradients; None when none turns up."""
    t = np.zeros(len(stack))
    for step in range(steps):
        values, vectors = np.linalg.eigh(np.tensordot(t, stack, axes=1))
        if values[0] > 1e-4 * max(1e-300, float(np.abs(values).max())):
            return t
        v = vectors[:, 0]
        slope = np.einsum("i,kij,j->k", v, stack, v)
        t = t + slope / (np.linalg.norm(slope) + 1e-300) / math.sqrt(step + 1)
        t = t / max(1.0, float(np.linalg.norm(t)))
    return None
