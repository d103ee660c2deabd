"""Risks that are quadratic in a matrix: their stationary points by a linear equation, all of them.

    R(W) = c − 2 tr(B′W) + Σ tr(W′A_i W C_i),    ∇R = Σ_i A_i W C_i + … − 2B = 0

With symbols the equation W C = B has the one solution B C⁻¹ where C is invertible, and it is the minimum where C is
positive definite. With explicit matrices it is solved exactly over the rationals, whatever its form; what is flat
(entries that do not matter, a covariance without full rank) comes out as an affine set with its dimension.

Definitions: `quadratic_stationary_points`, `known_symmetric`.
"""

from __future__ import annotations

from collections.abc import Iterable

import flint
import sympy as sp

from .gaussian import NoClosedForm
from .matrix_gradient import matrix_gradient
from .stationary import Certificate, Nature, Orbit, StationaryPoint, StationarySet
from .words import covariances

__all__ = ["explicit_stationary_points", "known_symmetric", "quadratic_stationary_points"]


def known_symmetric(expr: sp.Expr, conditions: Iterable = ()) -> tuple[frozenset[sp.Expr], frozenset[sp.Expr]]:
    """Matrices known to be symmetric and those known to be positive definite: covariances, and what is assumed.

    Args:
        conditions: of a risk or domain; `sp.Q.symmetric(C)` and `sp.Q.positive_definite(C)` are read.
    """
    definite, symmetric = set(), set(covariances(expr))
    for condition in conditions:
        for fact in sp.And.make_args(condition) if isinstance(condition, sp.Basic) else ():
            if isinstance(fact, sp.AppliedPredicate) and fact.function == sp.Q.positive_definite:
                definite.add(fact.arg)
            if isinstance(fact, sp.AppliedPredicate) and fact.function == sp.Q.symmetric:
                symmetric.add(fact.arg)
    return frozenset(symmetric | definite), frozenset(definite)


def quadratic_stationary_points(expr: sp.Expr, W: sp.MatrixSymbol, conditions: Iterable = ()) -> StationarySet:
    """All stationary points of a risk that is quadratic in W, in closed form.

    Args:
        expr: sums of traces and forms of words with W at most twice.
        W: the parameter, any shape, sizes may be symbols.
        conditions: what is known of other matrices, such as `sp.Q.positive_definite(C)`.

    Returns:
        With symbols one point, B C⁻¹ or A⁻¹B, complete where C is invertible: the sentence says so. With explicit
        matrices the one point, or the affine set with its dimension.

    Raises:
        NoClosedForm: if the gradient is not linear in W, or W stands between two different symbolic matrices.

    >>> d, rho = sp.Symbol("d", integer=True, positive=True), sp.Symbol("rho", positive=True)
    >>> S, C, W = (sp.MatrixSymbol(name, d, d) for name in "SCW")
    >>> known = (sp.Q.symmetric(S), sp.Q.positive_definite(C))
    >>> risk = sp.Trace(S) - 2*rho*sp.Trace(W*S) + rho*sp.Trace(W*C*W.T)
    >>> print(quadratic_stationary_points(risk, W, known).points[0])
    W = S*C**(-1): minimum
    """
    symbols = expr.atoms(sp.MatrixSymbol) - {W}
    if not symbols and all(size.is_Integer for size in W.shape):
        entries = sp.Matrix(W.shape[0], W.shape[1], lambda i, j: sp.Dummy(f"{W.name}_{i}{j}", real=True))
        plain = _explicit(expr, W, entries)
        return explicit_stationary_points(plain, entries, W)
    symmetric, definite = known_symmetric(expr, conditions)
    gradient = matrix_gradient(expr, W, known=symmetric)
    side, coefficient, constant, scale = _linear_form(sp.expand(gradient.doit()), W)
    inverse = sp.Inverse(coefficient) if coefficient != sp.Identity(coefficient.shape[0]) else coefficient
    solution = (constant * inverse if side == "right" else inverse * constant).doit()
    what = f"{coefficient}"
    is_definite = _is_definite(coefficient, definite)
    best = Nature.MINIMUM if scale.is_positive else Nature.MAXIMUM if scale.is_negative else Nature.UNKNOWN
    if is_definite is None:
        condition = f"where {what} is invertible; a {best} where it is positive definite"
    else:
        condition = f"{what} being positive definite"
    nature = best if is_definite else Nature.UNKNOWN
    transposes = {sp.Transpose(matrix): matrix for matrix in symmetric}
    value = expr.subs(W, solution).doit().xreplace(transposes).doit()
    equation = f"{W}*{coefficient} = {constant}" if side == "right" else f"{coefficient}*{W} = {constant}"
    certificate = Certificate((), f"the linear equation {equation} has one solution", nature=nature, value=value)
    sentence = f"The gradient is linear in {W}: one stationary point, {condition}."
    return StationarySet((StationaryPoint(((W, solution),), certificate),), (), (), True, sentence)


def _linear_form(gradient: sp.MatrixExpr, W: sp.MatrixSymbol) -> tuple[str, sp.MatrixExpr, sp.MatrixExpr, sp.Expr]:
    """(side, C, B, s) with ∇R = s(W C − B) or s(C W − B), C without a number in front of its first term."""
    right: list[sp.MatrixExpr] = []
    left: list[sp.MatrixExpr] = []
    free: list[sp.MatrixExpr] = []
    plain = sp.Integer(0)
    for term in sp.MatAdd.make_args(gradient) if isinstance(gradient, sp.MatAdd) else (gradient,):
        scalar, factors = _factors(term)
        count = sum(factor.has(W) for factor in factors)
        if scalar.has(W) or count > 1 or any(f.has(W) and f != W for f in factors):
            raise NoClosedForm(f"expected a gradient that is linear in {W}, got the term {term}")
        if count == 0:
            free.append(-term)
            continue
        i = factors.index(W)
        before, after = factors[:i], factors[i + 1 :]
        if before and after:
            raise NoClosedForm(
                f"no closed form for an equation with {W} between two matrices, as in {term}; give explicit matrices"
            )
        if before:
            left.append(sp.MatMul(scalar, *before))
        elif after:
            right.append(sp.MatMul(scalar, *after))
        else:
            plain += scalar
    if left and right:
        raise NoClosedForm(f"no closed form for an equation with {W} on both sides; give explicit matrices")
    if not (left or right or plain != 0):
        raise NoClosedForm(f"expected a gradient that depends on {W}, got {gradient}")
    side = "left" if left else "right"
    size = W.shape[0] if left else W.shape[1]
    terms = (left or right) + ([plain * sp.Identity(size)] if plain != 0 else [])
    scale = _factors(terms[0])[0]
    coefficient = sp.MatAdd(*(term / scale for term in terms)).doit()
    constant = sp.MatAdd(*(term / scale for term in free)).doit() if free else sp.ZeroMatrix(*W.shape)
    return side, coefficient, constant, scale


def _factors(term: sp.MatrixExpr) -> tuple[sp.Expr, list[sp.MatrixExpr]]:
    if not isinstance(term, sp.MatMul):
        return sp.Integer(1), [term]
    scalar, matrices = term.as_coeff_matrices()
    return scalar, list(matrices)


def _is_definite(coefficient: sp.MatrixExpr, definite: frozenset[sp.Expr]) -> bool | None:
    """True when a sum of positive multiples of positive definite matrices; None when that is not known."""
    for term in sp.MatAdd.make_args(coefficient) if isinstance(coefficient, sp.MatAdd) else (coefficient,):
        scalar, factors = _factors(term)
        good = len(factors) == 1 and (factors[0] in definite or isinstance(factors[0], sp.Identity))
        if not (good and scalar.is_positive):
            return None
    return True


# --- explicit matrices ----------------------------------------------------------------------------


def _explicit(expr: sp.Expr, W: sp.MatrixSymbol, entries: sp.Matrix) -> sp.Expr:
    return sp.expand(expr.xreplace({W: sp.ImmutableMatrix(entries)}).doit())


def explicit_stationary_points(plain: sp.Expr, entries: sp.Matrix, W: sp.MatrixSymbol) -> StationarySet:
    """Stationary points of a quadratic polynomial in the entries of a matrix, over the rationals.

    Raises:
        NoClosedForm: if the polynomial is not quadratic with rational coefficients.
    """
    variables = list(entries)
    poly = sp.Poly(plain, *variables)
    if poly.total_degree() > 2 or not all(c.is_Rational for c in poly.coeffs()):
        raise NoClosedForm(f"expected a quadratic polynomial with rational coefficients in the entries of {W}")
    size = len(variables)
    slopes = [sp.Poly(plain.diff(x), *variables) for x in variables]
    hessian = [[slope.coeff_monomial(y) for y in variables] for slope in slopes]
    constant = [-slope.coeff_monomial(1) for slope in slopes]
    augmented = flint.fmpq_mat(
        size, size + 1, [_fraction(v) for row, b in zip(hessian, constant, strict=True) for v in (*row, b)]
    )
    reduced, rank = augmented.rref()
    pivots = [next(j for j in range(size + 1) if reduced[i, j] != 0) for i in range(rank)]
    if size in pivots:
        return StationarySet((), (), (), True, "The linear equations contradict each other: no stationary point.")
    solution = [sp.Integer(0)] * size
    for i, j in enumerate(pivots):
        solution[j] = sp.Rational(int(reduced[i, size].p), int(reduced[i, size].q))
    at = sp.ImmutableMatrix(*entries.shape, solution)
    value = plain.xreplace(dict(zip(variables, solution, strict=True)))
    positive, negative = _inertia(hessian)
    flat = size - rank
    certificate = Certificate(
        (),
        "solved exactly over the rationals",
        nature=Nature.from_signature(positive, negative, 0),
        signature=(positive, negative, 0),
        value=value,
    )
    if flat == 0:
        sentence = "The gradient is linear with an invertible Hessian: one stationary point."
        return StationarySet((StationaryPoint(((W, at),), certificate),), (), (), True, sentence)
    idle = [i for i in range(size) if not any(hessian[i])]
    if len(idle) == flat:
        shape = entries.shape[1]
        names = ", ".join(f"{W.name}[{i // shape}, {i % shape}]" for i in idle)
        symmetry = f"shifts of {names}, which do not matter" if flat < size else "nothing matters"
    else:
        symmetry = "shifts along the kernel of the Hessian"
    sentence = f"The gradient is linear: the stationary points are one affine set of dimension {flat}."
    return StationarySet((), (Orbit(((W, at),), flat, symmetry, certificate),), (), True, sentence)


def _fraction(value: sp.Rational) -> flint.fmpq:
    return flint.fmpq(int(value.p), int(value.q))


def _inertia(hessian: list[list[sp.Rational]]) -> tuple[int, int]:
    """Numbers of positive and negative eigenvalues of a rational symmetric matrix, by exact congruence."""
    rows = [[_fraction(v) for v in row] for row in hessian]
    left = list(range(len(rows)))
    positive = negative = 0
    while left:
        pivot = next((i for i in left if rows[i][i] != 0), None)
        if pivot is None:
            pair = next(((i, j) for i in left for j in left if i < j and rows[i][j] != 0), None)
            if pair is None:
                break
            i, j = pair  # x_i x_j alone: adding row j to row i brings a diagonal entry
            for k in left:
                rows[i][k] += rows[j][k]
            for k in left:
                rows[k][i] += rows[k][j]
            continue
        d = rows[pivot][pivot]
        positive, negative = positive + int(d > 0), negative + int(d < 0)
        left.remove(pivot)
        for i in left:
            factor = rows[i][pivot] / d
            for k in left:
                rows[i][k] -= factor * rows[pivot][k]
    return positive, negative
