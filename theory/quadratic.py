"""Risks that are quadratic in a matrix: their stationary points by a linear equation, all of them.

    R(W) = c − 2 tr(B′W) + Σ tr(W′A_i W C_i),    ∇R = Σ_i A_i W C_i + … − 2B = 0

With symbols the equation W C = B has the one solution B C⁻¹ where C is invertible, and it is the minimum where C is
positive definite. Positive definite matrices that all terms begin or end with are cancelled first: F A W G = F B G is
solved by A⁻¹B. With explicit matrices it is solved exactly over the rationals, whatever its form; what is flat
(entries that do not matter, a covariance without full rank) comes out as an affine set with its dimension.

Definitions: `quadratic_stationary_points`, `known_symmetric`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

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
        With symbols one point, B C⁻¹ or A⁻¹B, complete where C or A is invertible: the sentence says so. With explicit
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
    gradient = sp.expand(matrix_gradient(expr, W, known=symmetric).doit())
    linear, free = _terms(gradient, W)
    scale = _scale(linear)
    is_definite = all(_is_definite(term, scale, definite) for term in linear)
    side, coefficient, constant = _equation(*_cancelled(linear, free, definite), W, scale)
    inverse = sp.Inverse(coefficient) if coefficient != sp.Identity(coefficient.shape[0]) else coefficient
    solution = (constant * inverse if side == "right" else inverse * constant).doit()
    best = Nature.MINIMUM if scale.is_positive else Nature.MAXIMUM if scale.is_negative else Nature.UNKNOWN
    if is_definite:
        names = _definite_names(linear)
        condition = f"{names} being positive definite" if names else "whatever the other matrices are"
    else:
        condition = f"where {coefficient} is invertible; a {best} where it is positive definite"
    nature = best if is_definite else Nature.UNKNOWN
    transposes = {sp.Transpose(matrix): matrix for matrix in symmetric}
    value = (expr.subs(W, sp.ZeroMatrix(*W.shape)).doit() - _half_product(free, solution)).xreplace(transposes).doit()
    equation = f"{W * coefficient if side == 'right' else coefficient * W} = {constant}"
    certificate = Certificate((), f"the linear equation {equation} has one solution", nature=nature, value=value)
    sentence = f"The gradient is linear in {W}: one stationary point, {condition}."
    return StationarySet((StationaryPoint(((W, solution),), certificate),), (), (), True, sentence)


@dataclass(frozen=True)
class _Term:
    """scalar · before · W · after; a term free of W has everything in `before`."""

    scalar: sp.Expr
    before: tuple[sp.MatrixExpr, ...]
    after: tuple[sp.MatrixExpr, ...] = ()


def _terms(gradient: sp.MatrixExpr, W: sp.MatrixSymbol) -> tuple[list[_Term], list[_Term]]:
    """The terms of a gradient with W, and those without."""
    linear: list[_Term] = []
    free: list[_Term] = []
    for term in sp.MatAdd.make_args(gradient) if isinstance(gradient, sp.MatAdd) else (gradient,):
        scalar, factors = _factors(term)
        count = sum(factor.has(W) for factor in factors)
        if scalar.has(W) or count > 1 or any(f.has(W) and f != W for f in factors):
            raise NoClosedForm(f"expected a gradient that is linear in {W}, got the term {term}")
        if count == 0:
            free += [] if isinstance(term, sp.ZeroMatrix) else [_Term(-scalar, tuple(factors))]
        else:
            i = factors.index(W)
            linear.append(_Term(scalar, tuple(factors[:i]), tuple(factors[i + 1 :])))
    if not linear:
        raise NoClosedForm(f"expected a gradient that depends on {W}, got {gradient}")
    return linear, free


def _cancelled(linear: list[_Term], free: list[_Term], definite: frozenset[sp.Expr]) -> tuple[list[_Term], list[_Term]]:
    """The terms without the positive definite, hence invertible, factors that all of them begin or end with."""
    while all(term.before for term in (*linear, *free)):
        first = linear[0].before[0]
        if first not in definite or any(term.before[0] != first for term in (*linear, *free)):
            break
        linear, free = ([replace(term, before=term.before[1:]) for term in terms] for terms in (linear, free))
    while all(term.after for term in linear) and all(term.before for term in free):
        last = linear[0].after[-1]
        ends = [term.after[-1] for term in linear] + [term.before[-1] for term in free]
        if last not in definite or any(end != last for end in ends):
            break
        linear = [replace(term, after=term.after[:-1]) for term in linear]
        free = [replace(term, before=term.before[:-1]) for term in free]
    return linear, free


def _scale(linear: list[_Term]) -> sp.Expr:
    """What the numbers before W have in common: everything up to rational factors, or a rational number."""
    first = linear[0].scalar
    if all((term.scalar / first).is_Rational for term in linear):
        return first
    content = sp.gcd_list([sp.expand(term.scalar).as_content_primitive()[0] for term in linear])
    return -content if all(term.scalar.could_extract_minus_sign() for term in linear) else content


def _equation(
    linear: list[_Term], free: list[_Term], W: sp.MatrixSymbol, scale: sp.Expr
) -> tuple[str, sp.MatrixExpr, sp.MatrixExpr]:
    """(side, C, B) of the equation W C = B or C W = B."""
    for term in linear:
        if term.before and term.after:
            raise NoClosedForm(
                f"no closed form for an equation with {W} between two matrices, as in "
                f"{_product(term.scalar, (*term.before, W, *term.after), W.shape[0])}; give explicit matrices, "
                "or say which ones are positive definite"
            )
    if any(term.before for term in linear) and any(term.after for term in linear):
        raise NoClosedForm(f"no closed form for an equation with {W} on both sides; give explicit matrices")
    side = "left" if any(term.before for term in linear) else "right"
    size = W.shape[0] if side == "left" else W.shape[1]
    coefficient = sp.MatAdd(*(_product(t.scalar / scale, t.before + t.after, size) for t in linear)).doit()
    terms = [_product(term.scalar / scale, term.before, W.shape[0]) for term in free]
    return side, coefficient, sp.MatAdd(*terms).doit() if terms else sp.ZeroMatrix(*W.shape)


def _product(scalar: sp.Expr, factors: tuple[sp.MatrixExpr, ...], size: sp.Expr) -> sp.MatrixExpr:
    return sp.MatMul(scalar, *(factors or (sp.Identity(size),)))


def _half_product(free: list[_Term], solution: sp.MatrixExpr) -> sp.Expr:
    """½ tr(B′W): by Euler's formula for quadratic functions R(W) = R(0) − ½ tr(B′W) where ∇R(W) = 0."""
    products = [
        term.scalar / 2 * sp.Trace(solution * sp.Transpose(_product(sp.Integer(1), term.before, solution.shape[0])))
        for term in free
    ]
    return sp.Add(*products)


def _factors(term: sp.MatrixExpr) -> tuple[sp.Expr, list[sp.MatrixExpr]]:
    if not isinstance(term, sp.MatMul):
        return sp.Integer(1), [term]
    scalar, matrices = term.as_coeff_matrices()
    return scalar, list(matrices)


def _definite_names(linear: list[_Term]) -> str:
    """The matrices of the terms, in the order of the alphabet."""
    factors = {factor for term in linear for factor in (*term.before, *term.after)}
    return " and ".join(sorted(str(factor) for factor in factors if not isinstance(factor, sp.Identity)))


def _is_definite(term: _Term, scale: sp.Expr, definite: frozenset[sp.Expr]) -> bool:
    """Whether D ↦ tr(D′ · before · D · after)·scalar/scale is a positive definite form."""
    sides_are = all(_is_definite_word(word, definite) for word in (term.before, term.after))
    return sides_are and _is_positive(sp.expand(term.scalar / scale), definite)


def _is_definite_word(word: tuple[sp.MatrixExpr, ...], definite: frozenset[sp.Expr]) -> bool:
    """A palindrome of positive definite matrices, as ABA is; the empty word counts as the identity."""
    return word == word[::-1] and all(factor in definite or isinstance(factor, sp.Identity) for factor in word)


def _is_positive(scalar: sp.Expr, definite: frozenset[sp.Expr]) -> bool:
    """Whether a number is positive, traces of products of two positive definite matrices being so."""
    if isinstance(scalar, sp.Add):
        parts = [part for part in scalar.args if not part.is_nonnegative]
        return all(_is_positive(part, definite) for part in parts) and bool(parts or scalar.is_positive)
    if isinstance(scalar, sp.Mul):
        return all(_is_positive(part, definite) for part in scalar.args)
    if isinstance(scalar, sp.Trace):
        number, word = _factors(scalar.arg)
        pair = len(word) <= 2 and all(factor in definite or isinstance(factor, sp.Identity) for factor in word)
        return bool(number.is_positive) and (pair or _is_definite_word(tuple(word), definite))
    return bool(scalar.is_positive)


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
