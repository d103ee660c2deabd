"""Brute force over the rationals: cases by hand, laws, a literal enumeration, draws, and what is refused."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from sympy.matrices.expressions.diagonal import DiagMatrix, DiagonalMatrix, DiagonalOf
from sympy.matrices.expressions.matexpr import MatrixElement

import numerics.outcomes
from numerics import (
    CatoniProcess,
    EntrywiseBudgetExceeded,
    NotPolynomial,
    agrees_entrywise,
    entrywise_mean,
    exact_value,
)
from numerics.entries import unknowns
from numerics.entry_bounds import Degree
from numerics.entrywise import degree_bound
from theory import (
    GaussianMatrix,
    GaussianVector,
    Labels,
    Latent,
    Mask,
    MixtureMatrix,
    TokenGroup,
    Tokens,
    dot,
    gaussians,
    quad,
)

n, d, K = sp.symbols("n d K", integer=True, positive=True)
l, i = sp.symbols("l i", integer=True)
p, rho, s, t = sp.symbols("p rho s t", positive=True)
A, B, S, T = (sp.MatrixSymbol(name, d, d) for name in "ABST")
m, u = sp.MatrixSymbol("m", d, 1), sp.MatrixSymbol("u", d, 1)
X = GaussianMatrix("X", n, d, mean=m, covariance=S)
Y = GaussianMatrix("Y", n, d)
x = GaussianVector("x", d, mean=u, covariance=S)
MIX = MixtureMatrix("Z", n, d, weights=[p, 1 - p], means=[m, -m], covariance=2)
I, J = Latent("I", n), Latent("J", n)
PAIR = Tokens("U", d, [TokenGroup(1, covariance=2, at=I), TokenGroup(1, at=J), TokenGroup(n - 2)])
tr, had = sp.Trace, sp.HadamardProduct
R = sp.Rational


def mask(**law) -> Mask:
    return Mask("M", d, **law)


# --- by hand -------------------------------------------------------------------------------

VALUES = {A: [[1, 2], [3, 4]], S: [[2, 1], [1, 3]], m: [1, -1], u: [1, 2], d: 2}


@pytest.mark.parametrize(
    ("expr", "values", "mean"),
    [
        (tr(Y.T * Y), {n: 3, d: 2}, 6),
        (tr(Y.T * Y * Y.T * Y), {n: 3, d: 2}, 36),  # n d (n + d + 1)
        (X.T * X, {n: 2, d: 2, m: [1, -1], S: [[2, 1], [1, 3]]}, sp.Matrix([[6, 0], [0, 8]])),  # n (S + m mᵀ)
        (quad(x, A), {k: VALUES[k] for k in (A, S, u, d)}, 19 + 27),  # tr(A S) + uᵀ A u
        (sp.Determinant(Y.T * Y), {n: 3, d: 2}, 6),  # n!/(n − d)!
        (HAD := had(mask(rho=rho), GaussianVector("z", d, covariance=S)), {S: VALUES[S], rho: R(1, 3)}, None),
        (sp.Sum(dot(Y[l, :], Y[0, :]) ** 2, (l, 0, n - 1)), {n: 3, d: 2}, 8 + 2 * 2),  # d (d + 2) + (n − 1) d
        (Labels("C", n, [p, 1 - p]).T * sp.OneMatrix(n, 1), {n: 4, p: R(1, 4)}, sp.Matrix([1, 3])),
        (Latent("J", n) ** 2, {n: 3}, R(5, 3)),
        (sp.KroneckerDelta(Latent("J", n), 1), {n: 3}, R(1, 3)),
        (s ** Latent("J", n), {n: 3, s: 2}, R(1 + 2 + 4, 3)),
        (sp.Piecewise((s, sp.Eq(Latent("J", n), 0)), (1, True)), {n: 3, s: 4}, 2),
        (sp.HadamardPower(mask(size=1), 3), {d: 3}, sp.Matrix([R(1, 3)] * 3)),
        (mask(rate=(1, 2)) * mask(rate=(1, 2)).T, {d: 2}, sp.Matrix([[R(1, 3), R(1, 6)], [R(1, 6), R(1, 3)]])),
        (mask(moments=[R(1, 2), R(1, 3)]).T * sp.OneMatrix(d, 1), {d: 3}, R(3, 2)),
        (tr(DiagMatrix(Y[0, :].T) * DiagMatrix(Y[0, :].T)), {n: 1, d: 3}, 3),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_means_by_hand(expr, values, mean):
    mean = sp.zeros(2, 1) if mean is None else mean
    assert entrywise_mean(expr, values) == mean


def test_masked_second_moment():
    """E z zᵀ = ρ(ρΣ + (1 − ρ) diag Σ) for z = M ∘ x."""
    assert entrywise_mean(HAD * HAD.T, {S: VALUES[S], rho: R(1, 3)}) == sp.Matrix([[R(2, 3), R(1, 9)], [R(1, 9), 1]])


def test_powers_of_gaussian_scalars():
    a, b = gaussians("a b", mean=[1, 0], covariance=[[2, 1], [1, 3]])
    assert entrywise_mean(a**2, {}) == 3
    assert entrywise_mean(a**2 * b**2, {}) == 1 * 3 + 2 * 3 + 2 * 1
    assert [entrywise_mean(b**k, {}) for k in (1, 2, 3, 4, 6)] == [0, 3, 0, 27, 15 * 27]


def test_a_token_at_a_latent_location():
    """E Σ ⟨X_l, X_J⟩²: the token with covariance 2I with itself, 4 d (d + 2), and n − 1 others, 2 d each."""
    J = Latent("J", n)
    prompt = Tokens("X", d, [TokenGroup(1, covariance=2, at=J), TokenGroup(n - 1)])
    total = sp.Sum(dot(prompt[l, :], prompt[J, :]) ** 2, (l, 0, n - 1))
    assert entrywise_mean(total, {n: 3, d: 2}) == 32 + 2 * 4
    assert entrywise_mean(dot(prompt[0, :], prompt[0, :]), {n: 3, d: 2}) == R(2 * 2 + 2 + 2, 3)


def test_tokens_at_two_places_are_different():
    """A uniform third location meets each of them with probability 1/n."""
    third = Latent("H", n)
    assert entrywise_mean(dot(PAIR[I, :], PAIR[J, :]) ** 2, {n: 3, d: 2}) == 2 * 2
    assert entrywise_mean(dot(PAIR[third, :], PAIR[third, :]), {n: 3, d: 2}) == R(4 + 2 + 2, 3)
    assert entrywise_mean(sp.KroneckerDelta(I, J) + dot(PAIR[I, :], PAIR[J, :]), {n: 3, d: 2}) == 0


def test_groups_come_in_a_random_order():
    prompt = Tokens("X", 1, [TokenGroup(1, mean=[s]), TokenGroup(2, mean=[t])])
    first, second = (dot(prompt[k, :], [1]) for k in (0, 1))
    assert entrywise_mean(first * second, {s: 5, t: 7}) == R(2 * 5 * 7 + 7 * 7, 3)


def test_mixtures():
    Z = MixtureMatrix("Z", n, d, weights=[p, 1 - p], means=[m, -m], covariance=[1, S])
    labels = Z.labels
    values = {k: VALUES[k] for k in (m, S, d)} | {n: 2, p: R(1, 4)}
    second = sp.Matrix([[1, -1], [-1, 1]]) + R(1, 4) * sp.eye(2) + R(3, 4) * sp.Matrix(VALUES[S])
    assert entrywise_mean(Z.T * Z, values) == 2 * second
    assert entrywise_mean(labels.T * Z, values) == 2 * sp.Matrix([[R(1, 4), -R(1, 4)], [-R(3, 4), R(3, 4)]])


def test_a_symbolic_number_of_components():
    w, M = sp.MatrixSymbol("w", K, 1), sp.MatrixSymbol("M", K, d)
    v = sp.MatrixSymbol("v", K, 1)
    Z = MixtureMatrix("Z", n, d, weights=w, means=M, covariance=v)
    values = {w: [R(1, 2), R(1, 2)], M: [[1, 0], [0, 2]], v: [1, 5], n: 3}
    claimed = n * (M.T * DiagMatrix(w) * M + tr(w.T * v) * sp.Identity(d))
    assert entrywise_mean(Z.T * Z, values) == exact_value(claimed, values) == 3 * sp.diag(R(7, 2), 5)


# --- values --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expr", "value"),
    [
        (tr(A * S) * n**-1, 19 / sp.Integer(2)),
        (A.I * A, sp.eye(2)),
        (A**-2 * A**3, sp.Matrix([[1, 2], [3, 4]])),
        (sp.Determinant(A) + sp.Integer(7), 5),
        (sp.Sum(A[i, i] * S[i, 0], (i, 0, d - 1)), 2 + 4),
        (sp.Sum(sp.Sum(A[i, l], (l, 0, i)), (i, 0, d - 1)), 1 + 3 + 4),
        (sp.Product(A[i, 0] + 1, (i, 0, d - 1)), 2 * 4),
        (had(A, S) + sp.HadamardPower(A, 2), sp.Matrix([[3, 6], [12, 28]])),
        (DiagonalOf(A), sp.Matrix([1, 4])),
        (DiagonalMatrix(A), sp.diag(1, 4)),
        (dot(u, A * m) * dot(u, u), (1 * -1 + 2 * -1) * 5),
        (sp.FunctionMatrix(d, 1, sp.Lambda((i, l), sp.KroneckerDelta(i, 1))), sp.Matrix([0, 1])),
        (sp.OneMatrix(1, d) * A, sp.Matrix([[4, 6]])),
        (sp.Piecewise((tr(A), sp.Eq(d, 1)), (tr(A) + 1, True)), 6),
        (sp.sqrt(n + 2) * sp.Adjoint(A), sp.Matrix([[2, 6], [4, 8]])),
        (sp.FallingFactorial(n, 2) + sp.factorial(d), 4),
        (MatrixElement(A * A, 1, 0), 15),
        (sp.ImmutableDenseMatrix([[tr(A), 1], [n, d]]), sp.Matrix([[5, 1], [2, 2]])),
        (sp.Sum(A * i, (i, 1, 2)), sp.Matrix([[3, 6], [9, 12]])),
    ],
    ids=lambda value: str(value)[:40],
)
def test_values_by_hand(expr, value):
    needed = expr.free_symbols
    assert exact_value(expr, {k: v for k, v in {**VALUES, n: 2}.items() if k in needed or k == d}) == value


def test_values_by_name_and_sizes_from_the_matrices():
    assert exact_value(d * tr(A), {"A": [[1, 2], [3, 4]]}) == 10
    assert exact_value(s * tr(A), {"A": [[1, 2], [3, 4]], "s": Fraction(1, 3)}) == R(5, 3)


# --- a literal enumeration, in plain Python ------------------------------------------------


def test_a_mixture_inside_a_mask_by_a_literal_enumeration():
    """E tr(W Wᵀ A W ⋯): every label, every mask and every pair of Gaussian letters written out."""
    M = Mask("M", d, rho, rows=n)
    Z = MixtureMatrix("Z", n, d, weights=[p, 1 - p], means=[m, -2 * m], covariance=[1, 4])
    W = had(M, Z)
    matrix = [[Fraction(1), Fraction(2)], [Fraction(3), Fraction(5)]]
    chance, share, mean = Fraction(1, 3), Fraction(1, 4), (Fraction(1), Fraction(-1))

    def entry_moments(center, variance):  # of N(center, variance), to the fourth
        return (
            Fraction(1),
            center,
            center**2 + variance,
            center**3 + 3 * center * variance,
            center**4 + 6 * center**2 * variance + 3 * variance**2,
        )

    total = Fraction(0)
    places = list(product(range(2), range(2)))
    for labels in product((0, 1), repeat=2):
        for bits in product((0, 1), repeat=4):
            observed = dict(zip(places, bits, strict=True))
            weight = Fraction(1)
            for k in labels:
                weight *= share if k == 0 else 1 - share
            for bit in bits:
                weight *= chance if bit else 1 - chance
            for a, b, c, e, f in product(range(2), repeat=5):  # tr(W A Wᵀ W Wᵀ) = W_ab A_bc W_ec W_ef W_af
                at = [(a, b), (e, c), (e, f), (a, f)]
                if not all(observed[place] for place in at):
                    continue
                value = matrix[b][c]
                for row, column in set(at):
                    center = mean[column] * (1 if labels[row] == 0 else -2)
                    variance = Fraction(1 if labels[row] == 0 else 4)
                    value *= entry_moments(center, variance)[at.count((row, column))]
                total += weight * value
    expr = tr(W * A * W.T * W * W.T)
    values = {n: 2, d: 2, A: matrix, m: [1, -1], p: share, rho: chance}
    assert entrywise_mean(expr, values) == R(total.numerator, total.denominator)


# --- draws ---------------------------------------------------------------------------------


def test_against_draws_with_a_proven_error():
    """The e-process does not refute the mean, and refutes a mean that is a tenth of its scale away."""
    Z = MixtureMatrix("Z", 3, 2, weights=[R(1, 4), R(3, 4)], means=[[1, 0], [0, -1]], covariance=[1, R(1, 4)])
    M = Mask("M", 2, rows=3, size=1)
    expr = tr(had(M, Z).T * Z)
    mean, square = (float(entrywise_mean(expr**k, {})) for k in (1, 2))
    rng = np.random.default_rng(11)
    count = 200_000
    labels = rng.random((count, 3)) < 1 / 4
    centers = np.where(labels[..., None], np.array([1.0, 0.0]), np.array([0.0, -1.0]))
    Z_drawn = centers + np.where(labels, 1.0, 0.5)[..., None] * rng.standard_normal((count, 3, 2))
    first = rng.random((count, 3)) < 1 / 2
    drawn = np.where(first, Z_drawn[..., 0] ** 2, Z_drawn[..., 1] ** 2).sum(axis=1)
    hypotheses = [mean, mean + 0.1 * square**0.5, mean - 0.1 * square**0.5]
    process = CatoniProcess(hypotheses, square).update(drawn)
    assert list(process.refutes(1e-9)) == [False, True, True]


# --- laws ----------------------------------------------------------------------------------

SIZES = st.fixed_dictionaries({n: st.integers(1, 3), d: st.integers(1, 3)})


def numbers(sizes, seed):
    rng = np.random.default_rng(seed)
    k = sizes[d]

    def table(rows, columns):
        return [[Fraction(int(a), int(b)) for a, b in zip(*rng.integers(1, 9, (2, columns)))] for _ in range(rows)]

    root = np.array(table(k, k))
    return {**sizes, A: table(k, k), B: table(k, k), S: (root @ root.T).tolist(), m: table(k, 1), u: table(k, 1)}


def mean_at(expr, values):
    needed = expr.free_symbols | {n, d} if expr.has(n) else expr.free_symbols | {d}
    return entrywise_mean(expr, {k: v for k, v in values.items() if k in needed | {d}})


@given(SIZES, st.integers(0, 1000))
def test_linearity_and_independence(sizes, seed):
    values = numbers(sizes, seed)
    first, second = tr(X.T * X * A), quad(GaussianVector("y", d, mean=m, covariance=S), B)
    one, other = mean_at(first, values), mean_at(second, values)
    assert mean_at(3 * first - second / 2, values) == 3 * one - other / 2
    assert mean_at(first * second, values) == one * other


@given(SIZES, st.integers(0, 1000))
def test_the_covariance_is_the_second_moment(sizes, seed):
    values = numbers(sizes, seed)
    assert mean_at((x - u) * (x - u).T, values) == exact_value(S, {S: values[S]})


def test_labels_are_those_of_the_mixture():
    """The label times the distance from its mean is centred."""
    Z = MixtureMatrix("Z", n, d, weights=[p, 1 - p], means=[m, u])
    centers = sp.ImmutableDenseMatrix([[1, 0]]).T * m.T + sp.ImmutableDenseMatrix([[0, 1]]).T * u.T
    expr = Z.labels.T * (Z - Z.labels * centers)
    assert entrywise_mean(expr, {n: 2, p: R(1, 3), m: [1, 2], u: [3, 5]}) == sp.zeros(2, 2)


# --- agreement -----------------------------------------------------------------------------


def test_a_right_claim_holds_and_says_how_surely():
    result = agrees_entrywise(tr(X.T * X * A), n * tr(A * S) + n * quad(m, A), draws=2)
    assert result.holds and result.points == 6 and result.witness is None
    assert 0 < result.error_bound < 1e-30
    assert "a wrong claim passes with probability" in str(result)


@pytest.mark.parametrize(
    ("expr", "wrong"),
    [
        (tr(X.T * X * A), n * tr(A * S)),
        (tr(X.T * X * A), n * tr(A * S) + n * quad(m, A) + sp.Rational(1, 10**30)),
        (X.T * X * A, n * (S + m * m.T) * A.T),
        (Mask("M", d, rho).T * Mask("M", d, rho), d * rho**2),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_claim_fails_with_its_witness(expr, wrong):
    result = agrees_entrywise(expr, wrong)
    assert result.verdict == "fails" and result.mean != result.claimed
    values = {k: v for k, v in result.witness.items() if k in wrong.free_symbols | {n, d}}
    assert exact_value(wrong, {k: v for k, v in values.items() if k in wrong.free_symbols or k == d}) == result.claimed


def test_every_kind_of_parameter_is_drawn():
    w, M = sp.MatrixSymbol("w", K, 1), sp.MatrixSymbol("M", K, d)
    Z = MixtureMatrix("Z", n, d, weights=w, means=M, covariance=s * sp.Identity(d))
    claim = n * (M.T * DiagMatrix(w) * M + s * sp.Identity(d))
    assert agrees_entrywise(Z.T * Z, claim).holds
    a, b = sp.symbols("a b", positive=True)
    beta = Mask("M", d, rate=(a, b))
    total = beta.T * sp.OneMatrix(d, 1)
    assert agrees_entrywise(total**2, d * a / (a + b) + d * (d - 1) * a * (a + 1) / ((a + b) * (a + b + 1))).holds
    r1, r2 = sp.symbols("r1 r2")
    given_moments = Mask("M", d, moments=[r1, r2])
    assert agrees_entrywise((given_moments.T * sp.OneMatrix(d, 1)) ** 2, d * r1 + d * (d - 1) * r2).holds
    k = sp.Symbol("k", integer=True, nonnegative=True)
    fixed = Mask("M", d, size=k)
    assert agrees_entrywise(fixed * fixed.T * u, k / d * (k - 1) / (d - 1) * sp.OneMatrix(d, d) * u
                            + (k / d - k / d * (k - 1) / (d - 1)) * u).holds  # fmt: skip
    v = GaussianVector("v", d, covariance=A * S * A.T + s * T.I)
    assert agrees_entrywise(v * v.T, A * S * A.T + s * T.I).holds


def test_symmetric_letters_on_request():
    claim = n * tr(A.T * S) + n * quad(m, A)
    assert agrees_entrywise(tr(X.T * X * A), claim).holds  # tr(AᵀS) = tr(AS)
    wrong = X.T * X * A.T
    assert not agrees_entrywise(wrong, n * (S + m * m.T) * A).holds
    assert agrees_entrywise(wrong, n * (S + m * m.T) * A, symmetric=[A]).holds


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3))
def test_degrees_are_not_underestimated(j, k, power):
    """Of quotients whose degree is known."""
    a, b = sp.symbols("a b")
    expr = (a**j + 1) / (b**k + a) ** power
    top = Degree(1)
    bound = (top**j + 1) * ((top**k + top) ** power).reciprocal()
    numerator, denominator = sp.fraction(sp.together(expr))
    assert sp.Poly(numerator, a, b).total_degree() <= bound.numerator
    assert sp.Poly(denominator, a, b).total_degree() <= bound.denominator


@pytest.mark.parametrize(
    ("expr", "degrees"),
    [
        (tr(X.T * X * A) ** 2, {A: 1, m: 1, S: 3}),
        (quad(x, A) * dot(x, B * u), {A: 1, B: 1, u: 1, S: 3}),
        (mask(rho=rho).T * A * mask(rho=rho), {A: 1, rho: 1}),
        (tr(MIX.T * MIX * A), {A: 1, p: 1, m: 1}),
        ((mask(moments=[s, t]).T * u) ** 2, {s: 1, t: 1, u: 1}),
        (s ** (2 * Latent("J", n)) * p, {s: 1, p: 1}),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_degrees_bound_the_mean_on_a_line(expr, degrees):
    """The mean at points of a random line is a polynomial of at most that degree: differences of it vanish."""
    rng = np.random.default_rng(5)

    def numbers_on_lines():
        lines = {symbol: rng.integers(1, 9, (2, 2, 2)) for symbol in degrees}
        sizes = {letter: 2 for letter in (n, d) if letter in unknowns(expr)}
        return lambda at: sizes | {symbol: shaped(symbol, start + at * step) for symbol, (start, step) in lines.items()}

    def shaped(symbol, table):
        if symbol == S:  # L D Lᵀ
            root = np.array([[1, 0], [table[1, 0], 1]], dtype=object)
            return (root @ np.diag(table[0].astype(object)) @ root.T).tolist()
        table = table.astype(object)
        return table[:, :1].tolist() if symbol in (m, u) else table.tolist() if symbol in (A, B) else table[0, 0]

    values = numbers_on_lines()
    bound = degree_bound(expr, values(0), degrees)
    assert bound.denominator == 0
    means = [entrywise_mean(expr, values(at), formal=True) for at in range(bound.numerator + 2)]
    assert len(set(means)) > 1
    for _ in range(bound.numerator + 1):
        means = [b - a for a, b in pairwise(means)]
    assert means == [0]


def test_a_planted_bug_is_caught(monkeypatch):
    """Patterns of a mask in the wrong order of probabilities."""
    right = numerics.outcomes._pattern_chances
    M = Mask("M", d, rho)
    claim = d * rho
    assert agrees_entrywise(M.T * M, claim).holds
    monkeypatch.setattr(numerics.outcomes, "_pattern_chances", lambda *given: right(*given)[::-1])
    assert not agrees_entrywise(M.T * M, claim).holds


# --- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expr", "values", "error", "named"),
    [
        (sp.exp(quad(Y[0, :].T, A)), {n: 1, A: [[1]]}, NotPolynomial, "exp"),
        (tr((Y.T * Y).I), {n: 2, d: 2}, NotPolynomial, "inverted"),
        (1 / dot(Y[0, :], Y[0, :]), {n: 2, d: 2}, NotPolynomial, "divided"),
        (tr((Y.T * Y) ** 8), {n: 9, d: 9}, EntrywiseBudgetExceeded, "products of terms"),
        (tr(had(Mask("M", d, rho, rows=n), Y).T * Y), {n: 9, d: 9, rho: R(1, 2)}, EntrywiseBudgetExceeded, "outcomes"),
        (quad(x, sp.Identity(d)), {S: [[1, 2], [2, 1]], u: [0, 0]}, ValueError, "semidefinite"),
        (quad(x, sp.Identity(d)), {S: [[0, 2], [2, 0]], u: [0, 0]}, ValueError, "semidefinite"),
        (quad(x, sp.Identity(d)), {S: [[1, 2], [3, 9]], u: [0, 0]}, ValueError, "symmetric"),
        (quad(x, sp.Identity(d)), {S: [[1, 0], [0, 1]], u: [0, 0, 0]}, ValueError, "shape"),
        (mask(rho=rho).T * u, {rho: 2, u: [1, 2]}, ValueError, "probabilities"),
        (mask(size=n).T * u, {n: 3, u: [1, 2]}, ValueError, "between 0 and 2"),
        ((mask(moments=[R(1, 2)]).T * u) ** 2, {u: [1, 2]}, ValueError, "at least 2 moments"),
        (Labels("C", n, [p, 1 - p]), {n: 1, p: 2}, ValueError, "probabilities"),
        (dot(PAIR[I, :], PAIR[J, :]), {n: 1, d: 1}, ValueError, "nonnegative sizes"),
        (dot(Y[3, :], Y[0, :]), {n: 2, d: 2}, ValueError, "row 3"),
        (tr(A), {}, ValueError, "missing: A"),
        (tr(A), {A: [[0.5]]}, TypeError, "exact rational"),
        (tr(A), {A: [[1, 2]]}, ValueError, "shape"),
        (sp.sqrt(s), {s: 2}, NotPolynomial, "Pow"),
        (s**t, {s: 2, t: R(1, 2)}, ValueError, "whole number"),
        (s ** mask(rho=1)[0, 0], {s: 2, d: 1}, ValueError, "no fixed number"),
        (sp.KroneckerDelta(dot(Y[0, :], Y[0, :]), 1), {n: 1, d: 1}, NotPolynomial, "indices"),
        (sp.Piecewise((1, quad(x, A) > 0), (0, True)), {A: [[1]], S: [[1]], u: [0]}, NotPolynomial, "conditions"),
        (sp.pi * s, {s: 2}, NotPolynomial, "Pi"),
        (sp.Float(0.5) * s, {s: 2}, NotPolynomial, "Float"),
        (dot(x, x) * dot(GaussianVector("x", d), u), {S: [[1]], u: [1]}, ValueError, "one law"),
        ("x", {}, TypeError, "text"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_refusals_by_name(expr, values, error, named):
    with pytest.raises(error, match=named):
        entrywise_mean(expr, values)


def test_a_formal_mean_takes_any_law():
    assert entrywise_mean(quad(x, sp.Identity(d)), {S: [[1, 2], [2, 1]], u: [0, 0]}, formal=True) == 2
    assert entrywise_mean(mask(rho=rho).T * u, {rho: 2, u: [1, 2]}, formal=True) == 6


def test_a_value_has_no_random_symbols():
    with pytest.raises(ValueError, match="free of random"):
        exact_value(tr(Y.T * Y), {n: 1, d: 1})
    with pytest.raises(ValueError, match="free of random"):
        agrees_entrywise(tr(Y.T * Y), tr(Y.T * Y))


def test_a_verdict_is_no_truth_value():
    with pytest.raises(TypeError, match="holds"):
        bool(agrees_entrywise(tr(Y.T * Y), n * d))


def test_sizes_must_be_given_in_full():
    with pytest.raises(ValueError, match="missing"):
        agrees_entrywise(tr(Y.T * Y), n * d, sizes=[{n: 2}])


def test_integers_that_are_no_sizes_take_more_than_one_value():
    """At n = 1 alone every power of n is the same."""
    n = sp.Symbol("n", integer=True, positive=True)
    (w,) = gaussians("w")
    assert agrees_entrywise(n**4 * w**2, n**4).holds
    assert not agrees_entrywise(n**4 * w**2, n**5).holds
