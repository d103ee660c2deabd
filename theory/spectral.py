"""Factorised risks with a spectral answer: all stationary points are subsets of eigenvectors, with shrinkage.

    R(W) = c − 2 tr(S N) + tr(N Γ N),    N = W Wᵀ,  W in R^{d×k},  Γ = aS + bI

(principal components: a = 0, b = 1 gives ‖S − WWᵀ‖²; a prompt of n tokens gives a = 1 + 1/n, b = tr S/n). S is
symmetric with eigenvalues s_i and eigenvectors u_i, γ_i = a s_i + b; a, b ≥ 0 not both zero, and S > 0 unless a = 0:

    ∇R = 0   ⟺   N = Σ_{i ∈ I} ν_i u_i u_iᵀ,  ν_i = s_i/γ_i > 0,  |I| ≤ k,        R_I = c − Σ_I s_i²/γ_i

With W = Σ_I √ν_i u_i e_iᵀ the second variation is diagonal (r = |I|):

    −4 s_j                               k − r times, j ∉ I          columns that are not used
    2 (s_i(γ_i + γ_j) − 2 s_j γ_i)/γ_i   i ∈ I, j ∉ I                one eigenvector against another
    8 s_i                                i ∈ I                       the length
    2 (ν_i + ν_j)(γ_i + γ_j) and 0       i < j in I                  and the rotations of W
    0                                    r(k − r) times              rotations into columns that are not used

Where eigenvalues repeat, I counts how many directions of each eigenspace are used and the points fill a Grassmannian;
W ↦ WQ, Q in O(k), adds a Stiefel manifold. The dimension of the orbit is the number of zeros.

Why there are no others. ∇R = 0 reads ΓN² + NΓN = 2SN. NΓN is symmetric, so S commutes with M = 2N − aN², and
SM = 2bN² + aNSN. On an eigenspace of M, of eigenvalue μ, N has at most two eigenvalues ν, ν′ with a(ν + ν′) = 2 and
aνν′ = μ; the diagonal blocks there give S_νν a(ν′ − ν) = 2bν and S_ν′ν′ a(ν − ν′) = 2bν′. They cannot both be
positive; so N has one eigenvalue there, commutes with S, and each of its eigenvectors gives 2γν = 2s or ν = 0.

Source: Baldi and Hornik, Neural Networks 2 (1989), for Γ = I; derived here for Γ = aS + bI.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import sympy as sp

from .gaussian import NoClosedForm
from .matrix_gradient import matrix_gradient
from .stationary import Certificate, Nature, Orbit, StationaryPoint, StationarySet

__all__ = ["factorised_stationary_points", "spectral_stationary_points"]

MOST = 4096


def spectral_stationary_points(
    eigenvalues: Sequence[sp.Expr],
    rank: int,
    W: sp.MatrixSymbol,
    a: sp.Expr = sp.S.Zero,
    b: sp.Expr = sp.S.One,
    constant: sp.Expr = sp.S.Zero,
    vectors: sp.Matrix | None = None,
) -> StationarySet:
    """All stationary points of R(W) = c − 2 tr(S WWᵀ) + tr(WWᵀ(aS + bI)WWᵀ).

    Args:
        eigenvalues: of S with multiplicity; exact numbers, or symbols, which are taken to be different.
        rank: k, the columns of W.
        W: the parameter, d×k.
        a, b: Γ = aS + bI; nonnegative, not both zero.
        constant: c.
        vectors: orthonormal eigenvectors as columns; the axes by default.

    Returns:
        Points where they are isolated, orbits with their dimension otherwise, each with the exact risk, the signature
        across the orbit and the exact eigenvalues of the Hessian.

    Raises:
        ValueError: if a or b is negative, both are zero, or S is not positive while a is not zero.
        NoClosedForm: if there are more than 4,096 subsets.

    >>> w = sp.MatrixSymbol("w", 2, 1)
    >>> for point in spectral_stationary_points([3, 2], 1, w):
    ...     print(point.value(), point.nature(), point.certificate.signature)
    0 maximum (0, 2, 0)
    -4 saddle (1, 1, 0)
    -4 saddle (1, 1, 0)
    -9 minimum (2, 0, 0)
    -9 minimum (2, 0, 0)
    """
    s = [sp.sympify(value, strict=True) for value in eigenvalues]
    a, b, constant = (sp.sympify(value, strict=True) for value in (a, b, constant))
    if not (a.is_nonnegative and b.is_nonnegative and (a + b).is_positive):
        raise ValueError(f"expected a, b >= 0, not both zero, got a={a}, b={b}")
    if a != 0 and not all(value.is_positive for value in s):
        raise ValueError(f"expected positive eigenvalues where a is not zero, got {s}; declare symbols positive")
    d = len(s)
    if W.shape != (d, rank):
        raise ValueError(f"expected {W} of shape {(d, rank)}, eigenvalues by rank, got {W.shape}")
    groups: dict[sp.Expr, list[int]] = {}
    for i, value in enumerate(s):
        groups.setdefault(value, []).append(i)
    # an eigenvalue that is not positive cannot be used: ν would not be positive
    usable = [(value, places) for value, places in groups.items() if value.is_positive]
    choices = math.prod(len(places) + 1 for _, places in usable)
    if choices > MOST:
        raise NoClosedForm(f"expected at most {MOST} subsets of eigenvectors, got {choices}")
    undecided = [value for value in groups if value.is_positive is None]
    if undecided:
        raise ValueError(f"expected eigenvalues of known sign, got {undecided}; declare symbols positive")
    points: list[StationaryPoint] = []
    orbits: list[Orbit] = []
    for counts in itertools.product(*(range(len(places) + 1) for _, places in usable)):
        used = [i for count, (_, places) in zip(counts, usable, strict=True) for i in places[:count]]
        if len(used) > rank:
            continue
        gamma = [a * value + b for value in s]
        spectrum, zeros = _spectrum(s, gamma, used, rank)
        at = sp.zeros(d, rank)
        for column, i in enumerate(used):
            at[i, column] = sp.sqrt(s[i] / gamma[i])
        at = sp.ImmutableMatrix(at if vectors is None else vectors * at)
        positive = sum(value.is_positive is True for value in spectrum)
        negative = sum(value.is_negative is True for value in spectrum)
        signature = (positive, negative, len(spectrum) - positive - negative)
        certificate = Certificate(
            (),
            "a subset of the eigenvectors",
            nature=Nature.from_signature(*signature),
            signature=signature,
            eigenvalues=(*sorted(spectrum, key=sp.default_sort_key), *([sp.S.Zero] * zeros)),
            value=constant - sp.Add(*(s[i] ** 2 / gamma[i] for i in used)),
        )
        if zeros:
            orbits.append(Orbit(((W, at),), zeros, _group(counts, usable, rank), certificate))
        else:
            points.append(StationaryPoint(((W, at),), certificate))
            if used:
                points.append(StationaryPoint(((W, -at),), certificate))
    sentence = "Every stationary point is a subset of the eigenvectors, shrunk: all of them are listed"
    sentence += f", up to O({rank}) on the columns of {W}." if rank > 1 else "."
    return StationarySet(tuple(points), tuple(orbits), (), True, sentence)


def factorised_stationary_points(expr: sp.Expr, W: sp.MatrixSymbol) -> StationarySet:
    """All stationary points of a risk that is recognised as c − 2 tr(S WWᵀ) + tr(WWᵀ(aS + bI)WWᵀ).

    Args:
        expr: traces of words with W, explicit symmetric rational matrices and the identity.
        W: d×k with explicit sizes.

    Raises:
        NoClosedForm: if the risk is of another form, or the eigenvalues of S are not rational.

    >>> w, S = sp.MatrixSymbol("w", 2, 1), sp.ImmutableMatrix([[2, 1], [1, 2]])
    >>> risk = sp.Trace(S*S) - 2*sp.Trace(S*w*w.T) + sp.Trace(w*w.T*w*w.T)
    >>> found = factorised_stationary_points(risk, w)
    >>> [(point.value(), str(point.nature())) for point in found]
    [(10, 'maximum'), (9, 'saddle'), (9, 'saddle'), (1, 'minimum'), (1, 'minimum')]
    """
    refusal = NoClosedForm(f"expected c − 2 tr(S N) + tr(N(aS + bI)N) with N = {W}*{W}.T and an explicit S, got {expr}")
    if not all(size.is_Integer for size in W.shape):
        raise refusal
    # two columns instead of one: sympy writes products with a single column in another way
    wide = sp.MatrixSymbol(W.name, W.shape[0], max(W.shape[1], 2))
    gradient, given, W = sp.expand(matrix_gradient(expr.xreplace({W: wide}), wide).doit()), W, wide
    linear, cubic, quartic = sp.zeros(*(W.shape[0],) * 2), sp.Integer(0), sp.zeros(*(W.shape[0],) * 2)
    for term in gradient.args if isinstance(gradient, sp.MatAdd) else (gradient,):
        scalar, factors = term.as_coeff_matrices() if isinstance(term, sp.MatMul) else (sp.Integer(1), [term])
        explicit = [f for f in factors if isinstance(f, sp.MatrixBase)]
        shape = [
            ("S" if isinstance(f, sp.MatrixBase) else "W" if f == W else "T" if f == W.T else "?") for f in factors
        ]
        word = "".join(shape)
        if not scalar.is_Rational or "?" in word or len(explicit) > 1:
            raise refusal
        if word in ("SW", "W"):
            linear += scalar * (explicit[0] if explicit else sp.eye(W.shape[0]))
        elif word == "WTW":
            cubic += scalar
        elif word in ("SWTW", "WTSW"):
            quartic += scalar * explicit[0]
        else:
            raise refusal
    # ∇R = −4 S W + 2(Γ W Wᵀ W + W Wᵀ Γ W)
    S, Gamma = -linear / 4, (quartic + cubic * sp.eye(W.shape[0])) / 4
    a, b = sp.symbols("a b")
    fit = sp.linsolve(
        [*(a * S + b * sp.eye(S.rows) - Gamma), *([a] if S.is_diagonal() and len(set(S.diagonal())) == 1 else [])], a, b
    )
    if S != S.T or not fit:
        raise refusal
    ((slope, offset),) = fit
    values, vectors = _diagonal(S)
    constant = expr.xreplace({given: sp.ImmutableMatrix.zeros(*given.shape)}).doit()
    return spectral_stationary_points(values, int(given.shape[1]), given, slope, offset, constant, vectors)


def _diagonal(S: sp.Matrix) -> tuple[list[sp.Expr], sp.Matrix]:
    """Rational eigenvalues, largest first, and orthonormal eigenvectors."""
    roots = sp.Poly(S.charpoly().as_expr(), S.charpoly().gen).factor_list()[1]
    if any(factor.degree() > 1 for factor, _ in roots):
        raise NoClosedForm(f"expected rational eigenvalues, got the matrix {S.tolist()}; give a diagonal one")
    pairs = sorted(S.eigenvects(), key=lambda entry: entry[0], reverse=True)
    values: list[sp.Expr] = []
    columns: list[sp.Matrix] = []
    for value, multiplicity, basis in pairs:
        values += [value] * multiplicity
        columns += sp.GramSchmidt(basis, orthonormal=True)
    return values, sp.Matrix.hstack(*columns)


def _spectrum(
    s: Sequence[sp.Expr], gamma: Sequence[sp.Expr], used: Sequence[int], rank: int
) -> tuple[list[sp.Expr], int]:
    """The eigenvalues of the Hessian that are not zero by symmetry, and how many are."""
    rest = [j for j in range(len(s)) if j not in used]
    spectrum = [-4 * s[j] for j in rest for _ in range(rank - len(used))]
    zeros = len(used) * (rank - len(used))
    for i in used:
        spectrum.append(8 * s[i])
        for j in rest:
            if s[i] == s[j]:
                zeros += 1
            else:
                spectrum.append(sp.factor(2 * (s[i] * (gamma[i] + gamma[j]) - 2 * s[j] * gamma[i]) / gamma[i]))
    for i, j in itertools.combinations(used, 2):
        spectrum.append(2 * (s[i] / gamma[i] + s[j] / gamma[j]) * (gamma[i] + gamma[j]))
        zeros += 1
    return spectrum, zeros


def _group(counts: Sequence[int], usable: Sequence[tuple[sp.Expr, list[int]]], rank: int) -> str:
    parts = [f"O({rank}) on the columns"] if rank > 1 else []
    for count, (value, places) in zip(counts, usable, strict=True):
        if 0 < count < len(places):
            parts.append(f"O({len(places)}) on the eigenspace of {value}")
    return ", ".join(parts)
