"""Expectations of matrix words: laws, tables, and random expressions against entrywise brute force.

The second route is `numerics.agrees_entrywise`: every matrix written out, E zᵏ = (k − 1)!!, no rule in common.
"""

from __future__ import annotations

from math import prod

import pytest
import sympy as sp
from hypothesis import assume, given
from hypothesis import strategies as st
from sympy.matrices.expressions.matexpr import MatrixElement

import theory.wick
from numerics import agrees_entrywise
from theory import NoClosedForm
from theory.matrix_gradient import matrix_gradient
from theory.variables import (
    GaussianMatrix,
    GaussianVector,
    Latent,
    Row,
    TokenGroup,
    Tokens,
    dot,
    gaussians,
    quad,
)
from theory.wick import Wick, matrix_expectation, scalar_moment, wick, word_polynomial
from theory.wishart import isotropic_moment, wishart_moment

E = matrix_expectation
n, d = sp.symbols("n d", integer=True, positive=True)
A, B, C, S, T = (sp.MatrixSymbol(name, d, d) for name in "ABCST")
P = sp.MatrixSymbol("P", n, n)
Q = sp.MatrixSymbol("Q", d, n)
u, m = sp.MatrixSymbol("u", d, 1), sp.MatrixSymbol("m", d, 1)
w = sp.MatrixSymbol("w", n, 1)
X = GaussianMatrix("X", n, d, mean=m, covariance=S)
Y = GaussianMatrix("Y", n, d)
G = GaussianMatrix("G", n, d, covariance=S)
x = GaussianVector("x", d, mean=u, covariance=T)
y = GaussianVector("y", n, covariance=3)
U = Tokens("U", d, [TokenGroup(1, covariance=2), TokenGroup(n)])
z = GaussianVector("z", d, mean=2 * m - u, covariance=2 * S)


# --- the second route ----------------------------------------------------------------------


def holds(expr: sp.Expr, mean: sp.Expr | None = None, sizes=((1, 1), (2, 2), (3, 2), (2, 3))) -> bool:
    mean = E(expr) if mean is None else mean
    return agrees_entrywise(expr, mean, sizes=[{n: a, d: b} for a, b in sizes]).holds


# --- what the issue names ------------------------------------------------------------------


def test_the_fourth_moment_of_a_gaussian_matrix():
    expected = n**2 * sp.Trace(A * S * B * S) + n * sp.Trace(A * S * B.T * S) + n * sp.Trace(A * S) * sp.Trace(B * S)
    assert E(sp.Trace(G.T * G * A * G.T * G * B)) == expected


def test_a_matrix_comes_back_as_a_matrix():
    mean = E(G.T * G * A * G.T * G)
    assert mean == n * sp.Trace(A * S) * S + n * S * A.T * S + n**2 * S * A * S
    assert mean.shape == (d, d)


def test_three_quadratic_forms():
    v = GaussianVector("v", d, covariance=S)
    mean = E(quad(v, A) * quad(v, B) * quad(v, C))
    assert len(word_polynomial(mean, frozenset({S})).terms) == 15  # general A, B, C: nothing merges
    assert holds(quad(v, A) * quad(v, B) * quad(v, C))
    symmetric = E(quad(v, A) * quad(v, B) * quad(v, C), symmetric=frozenset({A, B, C}))
    tr = sp.Trace
    expected = (
        tr(A * S) * tr(B * S) * tr(C * S)
        + 2 * tr(A * S) * tr(B * S * C * S)
        + 2 * tr(B * S) * tr(A * S * C * S)
        + 2 * tr(C * S) * tr(A * S * B * S)
        + 8 * tr(A * S * B * S * C * S)
    )
    assert symmetric == expected


# Muirhead (1982), Letac and Massam (2004): E tr Wᵏ for Σ = I as polynomials in n and d.
TABLE = {
    1: n * d,
    2: n * d * (n + d + 1),
    3: n * d * (n**2 + d**2 + 3 * n * d + 3 * n + 3 * d + 4),
    4: n * d * (n**3 + d**3 + 6 * n**2 * d + 6 * n * d**2 + 6 * n**2 + 6 * d**2 + 17 * n * d + 21 * n + 21 * d + 20),
}


@pytest.mark.parametrize("k", TABLE)
def test_moments_of_the_white_wishart_matrix_are_those_of_the_tables(k):
    assert sp.expand(E(sp.Trace((Y.T * Y) ** k)) - TABLE[k]) == 0


def test_third_moment_of_a_wishart_matrix():
    """E W³ = (n³ + 3n² + 4n) Σ³ + (2n² + 2n) tr(Σ) Σ² + (n² + n) tr(Σ²) Σ + n tr(Σ)² Σ."""
    tr = sp.Trace
    terms = (
        (n**3 + 3 * n**2 + 4 * n) * S**3,
        (2 * n**2 + 2 * n) * tr(S) * S**2,
        ((n**2 + n) * tr(S**2) + n * tr(S) ** 2) * S,
    )
    difference = word_polynomial(E((G.T * G) ** 3) - sp.MatAdd(*terms), frozenset({S}))
    assert all(sp.expand(c) == 0 for c in merged_sizes(difference).values())


def merged_sizes(polynomial) -> dict:
    """Coefficients with the sizes put back, so that equal words meet."""
    result: dict = {}
    for words, c in polynomial.terms.items():
        result[words] = result.get(words, 0) + c
    return result


@pytest.mark.parametrize("k", range(1, 6))
def test_wishart_moments_by_brute_force(k):
    sizes = ((1, 2), (2, 1), (2, 2), (3, 2)) if k < 5 else ((2, 1), (1, 2), (2, 2))
    assert holds(sp.Trace((G.T * G) ** k), sizes=sizes)
    assert holds((G.T * G) ** k * A, sizes=sizes[:3])


SINGLE = [
    sp.Trace(X.T * X * A),
    sp.Trace(X.T * P * X * A * X.T * X),
    (x.T * A * x) ** 2,
    quad(x, A) * dot(x, u) * dot(x, m),
    x * x.T * A * x,
    X.T * P * X * A,
    X * A * X.T,
    sp.Trace((sp.Identity(n) - X * A * X.T / n) ** 2),
    dot(X[0, :], A * X.T * X * X[0, :].T),
    dot(X[0, :], X[0, :]) ** 2 * dot(X[0, :], u),
    X.T * X * X[0, :].T,
    X * A * X[0, :].T,
    X * X[0, :].T * u.T,
    sp.Trace(X * Q) * (A * x * X[0, :] * u),
    dot(w, X * X[0, :].T),
    P * X * X[0, :].T,
    X[0, :].T * X[0, :] * A * X.T * y,
    sp.Trace(X.T * Y * A * Y.T * X),
    sp.Trace(X * A * Y.T) ** 2,
    sp.Trace(X.T * Y) * quad(x, A) * dot(y, Y * x),
    dot(z, X.T * y) * dot(y, X * z),
    quad(z, A) ** 2,
    sp.Trace(X * Q) ** 3,
    sp.Trace(X * Q * X * Q),
    sp.Trace(X.T * X) * X.T * w,
    (X - Y).T * (X + 2 * Y),
    sp.OneMatrix(1, n) * X * A * X.T * sp.OneMatrix(n, 1),
    MatrixElement(X.T * X * A, 0, 0),
    MatrixElement(P * X * A * X.T, 0, 0),
    sp.Integer(7),
    A * S,
]


@pytest.mark.parametrize("expr", SINGLE, ids=lambda expr: str(expr)[:60])
def test_against_brute_force(expr):
    assert holds(expr)


def test_rows_told_apart():
    sizes = ((2, 2), (3, 2))
    for expr in (
        dot(X[0, :], A * X[1, :].T) ** 2,
        dot(X[0, :], X.T * X * X[1, :].T) * dot(X[1, :], u),
        quad(X[0, :].T, A) * dot(X[1, :], X[1, :]) * sp.Trace(X.T * X),
        X.T * X * X[1, :].T * X[0, :] * A,
    ):
        assert holds(expr, sizes=sizes)


def test_numbers_for_sizes():
    Z = GaussianMatrix("Z", 3, 2, mean=[1, -2], covariance=[[2, 1], [1, 3]])
    D = sp.ImmutableDenseMatrix([[1, 2], [3, 4]])
    value = E(sp.Trace(Z.T * Z * D * Z.T * Z))
    assert value.is_Integer
    # By hand from the law: E W D W with W = Σ rows, second and fourth moments of one row.
    cov, mean = sp.Matrix([[2, 1], [1, 3]]), sp.Matrix([1, -2])
    a, b = gaussians("a b", mean=[1, -2], covariance=[[2, 1], [1, 3]])
    one = sp.Matrix([a, b])
    second = cov + mean * mean.T
    fourth = sp.expand((one * one.T * D * one * one.T).trace())
    assert value == 3 * scalar_moment(fourth) + 6 * (second * D * second).trace()


def test_a_latent_row_is_a_row():
    J = Latent("J", n)
    assert E(dot(G[J, :], A * G.T * G * G[J, :].T)) == E(dot(G[0, :], A * G.T * G * G[0, :].T))
    with pytest.raises(NoClosedForm, match="latent"):
        E(dot(G[J, :], G.T * P * G * G[J, :].T))


def test_random_scalars_beside_matrices():
    a, b = gaussians("a b", mean=[1, 0], covariance=[[2, 1], [1, 3]])
    assert E(a**2 * b * sp.Trace(G.T * G)) == 2 * n * sp.Trace(S)
    assert E(a * G.T * G) == n * S
    with pytest.raises(NoClosedForm, match="erf"):
        E(sp.erf(a) * sp.Trace(G.T * G))
    assert E(sp.erf(a) * sp.Trace(G.T * G), scalars=lambda factor: sp.Integer(5)) == 5 * n * sp.Trace(S)


def test_explicit_matrices_are_taken_entry_by_entry():
    v = GaussianVector("v", d, mean=m, covariance=S)
    mean = E(sp.Matrix([[quad(v, A), dot(v, u)], [1, 0]]))
    assert mean == sp.Matrix([[sp.Trace(A * S) + dot(m, A * m), dot(m, u)], [1, 0]])


# --- laws ----------------------------------------------------------------------------------


def test_covariance_of_several_terms():
    """Σ = sI + tS: S is symmetric, because the sum is."""
    s, t = sp.symbols("s t", positive=True)
    v = GaussianVector("v", d, covariance=s * sp.Identity(d) + t * S)
    assert E(quad(v, A)) == s * sp.Trace(A) + t * sp.Trace(A * S)
    assert sp.expand(E(dot(v, v) ** 2) - (E(dot(v, v)) ** 2 + 2 * E(quad(v, s * sp.Identity(d) + t * S)))) == 0


def test_a_sum_of_two_unknown_matrices_stays_together():
    v = GaussianVector("v", d, covariance=S + T)
    assert E(quad(v, A) - quad(v, A.T)) == 0


def test_zero_covariance_is_the_mean():
    v = GaussianVector("v", d, mean=m, covariance=sp.ZeroMatrix(d, d))
    assert E(quad(v, A) ** 2) == quad(m, A) ** 2


def test_centring_takes_one_degree_of_freedom():
    centring = sp.Identity(n) - sp.OneMatrix(n, n) / n
    assert E(X.T * centring * X) == (n - 1) * S


def test_singular_covariance():
    v = GaussianVector("v", d, covariance=u * u.T)
    assert E(quad(v, A) ** 2) == 3 * quad(u, A) ** 2


def test_linearity_and_independence():
    first, second = sp.Trace(X.T * X * A), quad(x, B) ** 2
    assert sp.expand(E(3 * first - n * second) - 3 * E(first) + n * E(second)) == 0
    assert sp.expand(E(first * second) - E(first) * E(second)) == 0


def test_invariance_under_orthogonal_change_of_basis():
    """E f(RG) = E f(G) and the mean of f(GO) for Σ = I is the mean of f(G), for OOᵀ = I."""
    O, R = sp.ImmutableDenseMatrix([[0, 1], [-1, 0]]), sp.ImmutableDenseMatrix([[3, 4], [-4, 3]]) / 5
    Z = GaussianMatrix("Z", 2, 2)
    D = sp.MatrixSymbol("D", 2, 2)
    f = sp.Trace(Z.T * Z * D * Z.T * Z * D.T) + sp.Trace(Z * D) ** 2
    for change in (O, R):
        rotated = f.xreplace({D: sp.ImmutableDenseMatrix([[1, 2], [3, 5]])})
        turned_f = rotated.xreplace({Z: sp.MatMul(change, Z, change.T)})
        assert E(turned_f) == E(rotated)


def test_cyclicity():
    word = [X.T, X, A, Y.T, Y, B]
    means = {E(sp.Trace(sp.MatMul(*word[i:], *word[:i]))) for i in range(6)}
    assert len(means) == 1


def test_gradient_and_expectation_commute():
    expr = sp.Trace(X.T * X * A * X.T * X * A.T) + quad(x, A) ** 2
    first = matrix_gradient(E(expr), A)
    assert holds(matrix_gradient(expr, A), first, sizes=((2, 2), (1, 2)))


# --- both routes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expr",
    [
        *(sp.Trace((M.T * M) ** k) for M in (G, Y) for k in range(1, 8)),
        sp.Trace(G.T * G) ** 3 * sp.Trace((G.T * G) ** 2),
        sp.Trace(A * (G.T * G) ** 3) * sp.Trace(G.T * G),
        (G.T * G) ** 4,
        (Y.T * Y) ** 4 * sp.Trace(Y * Y.T),
        (Y * Y.T) ** 3,
        dot(x, x) ** 3,
        quad(y, P) * dot(y, y) ** 2,
    ],
    ids=lambda expr: str(expr)[:60],
)
def test_partitions_and_words_agree(expr):
    polynomial = word_polynomial(expr)
    assert wick(polynomial).terms == wick(polynomial, by_partitions=False).terms


def test_isotropic_and_general_moments_agree():
    for parts in ((4,), (3, 1), (2, 2, 1), (5, 1, 1)):
        general: dict = {}
        for (s, a, partition), c in wishart_moment(0, parts).items():
            assert s == 0
            general[a, len(partition)] = general.get((a, len(partition)), 0) + c
        assert general == isotropic_moment(parts)


def test_the_coefficients_count_pairings():
    for k in (5, 12, 20):
        assert sum(isotropic_moment((k,)).values()) == prod(range(1, 2 * k, 2))
    assert sum(wishart_moment(3, (4, 1)).values()) == prod(range(1, 16, 2))


def test_equal_products_are_computed_once():
    polynomial = word_polynomial(sp.Trace((G.T * G) ** 8))
    engine = Wick(polynomial.alphabet, by_partitions=False)
    engine.mean(next(iter(polynomial.terms)))
    assert len(engine.memory) < 2000  # of 15!! = 2,027,025 pairings


# --- random expressions --------------------------------------------------------------------

LETTERS = [X, Y, G.T, X.T, Y.T, A, A.T, B, S, P, Q, Q.T, x, z, y, x.T, y.T, u, w.T, m.T, X[0, :], X[0, :].T, G]
RANDOM = {X, Y, G, x, y, z}
CLOSING = {(d, n): Q, (n, d): Q.T, (n, 1): w, (d, 1): u, (1, n): w.T, (1, d): u.T}


@st.composite
def paths(draw, start=None, end=None):
    """A product of letters whose shapes fit."""
    word = [draw(st.sampled_from([a for a in LETTERS if start is None or a.shape[0] == start]))]
    for _ in range(draw(st.integers(0, 5))):
        word.append(draw(st.sampled_from([a for a in LETTERS if a.shape[0] == word[-1].shape[1]])))
    end = word[0].shape[0] if end is None else end
    if word[-1].shape[1] != end:
        word.append(CLOSING[word[-1].shape[1], end])
    return sp.MatMul(*word) if len(word) > 1 else word[0]


@st.composite
def closed_scalars(draw):
    if draw(st.booleans()):
        return sp.Trace(draw(paths()))
    side = draw(st.sampled_from([n, d]))
    left, right = draw(paths(side, sp.Integer(1))), draw(paths(side, sp.Integer(1)))
    return dot(left, right)


COEFFICIENTS = st.sampled_from([sp.Integer(1), sp.Rational(-2, 3), n, 1 / n, d + 1])


@st.composite
def expressions(draw):
    """Sums of products of scalars, sometimes times a matrix, of degree 6 at most in random letters."""
    shape = draw(st.sampled_from([None, (d, d), (n, d), (d, sp.Integer(1))]))
    terms = []
    for _ in range(draw(st.integers(1, 2))):
        factors = [draw(closed_scalars()) for _ in range(draw(st.integers(shape is None, 2)))]
        term = draw(COEFFICIENTS) * sp.Mul(*factors)
        if shape is not None:
            term = sp.MatMul(term, draw(paths(*shape)))
        assume(degree(term) <= 6)
        terms.append(term)
    return sp.Add(*terms) if shape is None else sp.MatAdd(*terms)


def degree(term: sp.Basic) -> int:
    if isinstance(term, (sp.Pow, sp.MatPow)) and term.exp.is_positive:
        return int(term.exp) * degree(term.base)
    if term in RANDOM or isinstance(term, Row):
        return 1
    return sum(degree(arg) for arg in term.args)


@given(expressions(), st.sampled_from([(1, 1), (1, 2), (2, 1), (2, 2), (3, 2)]), st.integers(1, 1000))
def test_random_expressions_against_brute_force(expr, sizes, seed):
    """Nothing is special-cased: what the grammar writes comes out right."""
    assert agrees_entrywise(expr, E(expr), sizes=[dict(zip((n, d), sizes))], seed=seed).holds


# --- refusals and controls -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("expr", "named"),
    [
        (sp.exp(quad(x, A)), "exp"),
        (sp.Trace((X.T * X).I), "inverse"),
        (sp.sqrt(dot(x, x)), "Pow"),
        (sp.Trace(sp.HadamardProduct(X, Y) * X.T), "HadamardProduct"),
        (sp.Determinant(X.T * X), "Determinant"),
        (sp.Trace((G.T * G) ** 40), "order at most 22"),
        (sp.Sum(dot(X[sp.Symbol("l", integer=True), :], u), (sp.Symbol("l", integer=True), 0, n - 1)), "Sum"),
        (dot(X[0, :], X[sp.Symbol("l", integer=True), :].T), "coincide"),
        (sp.Trace(U.T * U), "several laws"),
        (Latent("J", n) * sp.Trace(G.T * G), "random factor"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refusals_by_name(expr, named):
    with pytest.raises(NoClosedForm, match=named):
        E(expr)


def test_text_is_refused():
    with pytest.raises(TypeError, match="text"):
        E("x")


def test_a_trace_of_a_rectangle_is_refused():
    with pytest.raises((ValueError, TypeError)):
        E(sp.Trace(X * A))


def planted(monkeypatch, change) -> None:
    """One rule of the recursion changed."""
    rule = Wick._steps
    monkeypatch.setattr(Wick, "_steps", lambda self, state: change(rule(self, state)))


@pytest.mark.parametrize("route", ["words", "partitions"])
def test_a_planted_bug_is_caught(monkeypatch, route):
    if route == "words":

        def forget_one(steps):
            return dict(list(steps.items())[:-1]) if len(steps) > 1 else steps

        planted(monkeypatch, forget_one)
        assert not holds(sp.Trace(X.T * X * A * X.T * X * B))
    else:
        steps = theory.wishart._steps
        monkeypatch.setattr(
            theory.wishart, "_steps", lambda b, mu: ((state, c, shift) for state, c, shift in steps(b, mu) if shift)
        )
        assert not holds(sp.Trace((G.T * G) ** 3))


def test_a_covariance_forgotten_is_caught():
    v = GaussianVector("v", d, mean=m)
    wrong = E(quad(v, A)).xreplace({v: x})
    assert not holds(quad(x, A), wrong)
