"""Tilting in vectors: against the scalar engine, against quadrature, conditions, refusals."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics import value
from theory import (
    E,
    GaussianMatrix,
    GaussianVector,
    InfiniteExpectation,
    MixtureMatrix,
    NoClosedForm,
    derive,
    dot,
    gaussians,
    quad,
    reduces_to_zero,
)
from theory.matrix_identity import matrices_agree
from theory.tilting import PositiveSpectrum, TiltedCovariance, tilt, tilted_source

n, d = sp.symbols("n d", integer=True, positive=True)
s, w, p = sp.symbols("s w p", positive=True)
A, S, T, W = (sp.MatrixSymbol(name, d, d) for name in "ASTW")
b, k, m, u = (sp.MatrixSymbol(name, d, 1) for name in ("b", "k", "m", "u"))
x = GaussianVector("x", d, mean=m, covariance=S)
y = GaussianVector("y", d, mean=u, covariance=T)

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(60)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def quadrature(function, mean, covariance):
    """E function(x) by 60² nodes, exact to rounding for the smooth integrands here."""
    root = np.linalg.cholesky(covariance)
    grid = np.stack(np.meshgrid(NODES, NODES, indexing="ij"), -1).reshape(-1, 2)
    weight = np.outer(WEIGHTS, WEIGHTS).reshape(-1)
    return np.tensordot(weight, function(mean + grid @ root.T), axes=1)


def laws(seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(2, 2)) / 2
    form = rng.normal(size=(2, 2)) / 4
    cov = root @ root.T + np.eye(2) / 10
    return {
        "S": cov,
        "W": form - np.eye(2) * (np.abs(np.linalg.eigvals(form)).max() + 0.2),
        "m": rng.normal(size=2) / 2,
        "b": rng.normal(size=2) / 2,
        "k": rng.normal(size=2) / 2,
        "A": rng.normal(size=(2, 2)),
    }


CASES = {
    "mean": (sp.exp(quad(x, W) / 2 + dot(b, x)), lambda v, at: np.ones(len(v))),
    "vector": (sp.exp(quad(x, W) / 2 + dot(b, x)) * x, lambda v, at: v[:, :, None]),
    "matrix": (sp.exp(quad(x, W) / 2 + dot(b, x)) * (x * x.T), lambda v, at: v[:, :, None] * v[:, None, :]),
    "form": (
        sp.exp(quad(x, W) / 2 + dot(b, x)) * quad(x, A) * dot(x, k),
        lambda v, at: np.einsum("ni,ij,nj->n", v, at["A"], v) * (v @ at["k"]),
    ),
    "cosine": (sp.exp(quad(x, W) / 2 + dot(b, x)) * sp.cos(dot(x, k)), lambda v, at: np.cos(v @ at["k"])),
    "square of a form in the exponent": (
        sp.exp(quad(x, W) / 2 + dot(b, x)) * sp.exp(-(dot(x, k) ** 2)),
        lambda v, at: np.exp(-((v @ at["k"]) ** 2)),
    ),
}


@lru_cache
def mean_of(name):
    return E(CASES[name][0])


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=5)
@given(seed=st.integers(0, 10**6))
def test_against_quadrature(name, seed):
    _, function = CASES[name]
    at = laws(seed)
    mean = mean_of(name)
    used = {key: array for key, array in at.items() if key in {str(symbol) for symbol in mean.free_symbols}}

    def integrand(v):
        weight = np.exp(np.einsum("ni,ij,nj->n", v, at["W"], v) / 2 + v @ at["b"])
        f = function(v, at)
        return weight.reshape(-1, *[1] * (f.ndim - 1)) * f

    expected = quadrature(integrand, at["m"], at["S"])
    assert value(mean, used) == pytest.approx(expected, rel=1e-9, abs=1e-9)  # rounding of 3600 terms


def test_two_vectors_in_one_exponent():
    """E exp(xᵀAy) by tilting one after the other: det(I − TAᵀSA)^{−1/2} exp(…); for one dimension a scalar law."""
    a, t = sp.symbols("a t", positive=True)
    first, second = GaussianVector("x", 1, covariance=s), GaussianVector("y", 1, covariance=t)
    scalar1, scalar2 = gaussians("x_1 y_1", covariance=[[s, 0], [0, t]])
    by_vectors = E(sp.exp(a * dot(first, second)))
    assert reduces_to_zero(by_vectors - E(sp.exp(a * scalar1 * scalar2)))
    assert derive(sp.exp(a * dot(first, second))).conditions


def test_the_order_of_tilting_does_not_matter():
    q = quad(x, W) / 2 + dot(x, A * y) - dot(y, y)
    at = laws(5)
    at |= {"W": -np.eye(2), "A": at["A"] / 4, "u": at["b"], "T": np.eye(2) / 3}
    one = value(E(sp.exp(q)), {key: at[key] for key in ("S", "W", "m", "A", "u", "T")})
    renamed = {x: GaussianVector("z", d, mean=m, covariance=S), y: GaussianVector("a", d, mean=u, covariance=T)}
    other = value(E(sp.exp(q.xreplace(renamed))), {key: at[key] for key in ("S", "W", "m", "A", "u", "T")})
    assert one == pytest.approx(other, rel=1e-12)


def test_softmax_attention_on_a_gaussian_is_affine():
    g = GaussianVector("g", d, mean=m, covariance=S)
    above, below = E(sp.exp(dot(k, g)) * g), E(sp.exp(dot(k, g)))
    assert matrices_agree(above, below * (m + S * k), frozenset({S}))


def test_softmax_attention_on_a_mixture():
    """The quotient of two tilted means against quadrature over each component."""
    Z = MixtureMatrix("Z", 1, d, weights=[p, 1 - p], means=[m, u], covariance=[S, T])
    z = Z[0, :].T
    above, below = E(sp.exp(dot(k, z)) * z), E(sp.exp(dot(k, z)))
    at = {**laws(3), "u": np.array([0.4, -0.2]), "T": np.eye(2) / 2, "p": 0.3}
    names = ("S", "T", "m", "u", "k", "p")
    got = value(above, {key: at[key] for key in names}) / value(below, {key: at[key] for key in names})
    top = bottom = 0
    for weight, mean, cov in ((0.3, at["m"], at["S"]), (0.7, at["u"], at["T"])):
        top = top + weight * quadrature(lambda v: np.exp(v @ at["k"])[:, None] * v, mean, cov)
        bottom = bottom + weight * quadrature(lambda v: np.exp(v @ at["k"]), mean, cov)
    assert got[:, 0] == pytest.approx(top / bottom, rel=1e-10)


@pytest.mark.parametrize("covariance", [k * k.T, sp.ZeroMatrix(d, d), 2 * sp.Identity(d)])
def test_singular_covariances(covariance):
    g = GaussianVector("g", d, mean=m, covariance=covariance)
    mean = E(sp.exp(-quad(g, A * A.T) / 2) * dot(g, b))
    at = laws(1)
    if isinstance(covariance, sp.ZeroMatrix):
        expected = np.exp(-at["m"] @ at["A"] @ at["A"].T @ at["m"] / 2) * (at["m"] @ at["b"])
    else:
        cov = np.outer(at["k"], at["k"]) if covariance == k * k.T else 2 * np.eye(2)
        root = np.linalg.cholesky(cov + 1e-300 * np.eye(2)) if covariance != k * k.T else None
        line = np.outer(NODES, at["k"]) if root is None else None
        if line is not None:
            points, weight = at["m"] + line, WEIGHTS
        else:
            grid = np.stack(np.meshgrid(NODES, NODES, indexing="ij"), -1).reshape(-1, 2)
            points, weight = at["m"] + grid @ root.T, np.outer(WEIGHTS, WEIGHTS).reshape(-1)
        form = at["A"] @ at["A"].T
        expected = weight @ (np.exp(-np.einsum("ni,ij,nj->n", points, form, points) / 2) * (points @ at["b"]))
    names = {str(symbol) for symbol in mean.free_symbols}
    got = value(mean, {key: array for key, array in at.items() if key in names})
    assert got == pytest.approx(expected, rel=1e-8)  # 60 nodes of a steep Gaussian


def test_scaled_identities_need_no_letters():
    g = GaussianVector("g", d, covariance=s)
    assert E(sp.exp(-w * dot(g, g) / 2)) == (s * w + 1) ** (-d / 2)
    assert TiltedCovariance not in {type(node) for node in sp.preorder_traversal(E(sp.exp(-quad(x, S)) * x))}


# --- conditions ----------------------------------------------------------------------------------


def test_a_form_of_the_covariance_itself_needs_no_letters():
    """ΣW = cI: e^{t xᵀΣ⁻¹x} only scales the covariance, and the condition is on the number."""
    z = GaussianVector("z", d, covariance=S)
    tilted = sp.exp(w * dot(sp.Inverse(S) * z, S * sp.Inverse(S) * z))
    scale = 1 - 2 * w
    assert reduces_to_zero(E(tilted) - scale ** (-d / 2))
    assert matrices_agree(E(tilted * quad(z, A)), scale ** (-d / 2) * sp.Trace(A * S) / scale, frozenset({S}))
    assert derive(tilted).conditions == (scale > 0,)
    with pytest.raises(InfiniteExpectation):
        E(sp.exp(dot(sp.Inverse(S) * z, z)))


def test_a_form_made_of_symmetric_letters_is_known_to_be_symmetric():
    z = GaussianVector("z", d, covariance=S)
    complement = sp.Identity(d) - 2 * S * A.T * S * A
    found = E(sp.exp(dot(A * z, S * A * z)) * quad(z, W))
    typed = sp.Trace(W * sp.Inverse(complement) * S) / sp.sqrt(sp.Determinant(complement))
    assert matrices_agree(found, typed, frozenset({S}))
    cov, forms = np.array([[1.0, 0.3], [0.3, 0.5]]), {"A": np.array([[0.4, -0.1], [0.2, 0.3]]), "W": np.eye(2)}
    exact = value(found, {"S": cov, **forms})
    form = forms["A"].T @ cov @ forms["A"]
    integral = quadrature(
        lambda grid: np.exp(np.einsum("ij,jk,ik->i", grid, form, grid)) * (grid**2).sum(axis=1), np.zeros(2), cov
    )
    assert exact == pytest.approx(integral, rel=1e-9)


def test_the_condition_is_recorded():
    conditions = derive(sp.exp(quad(GaussianVector("g", d, covariance=S), W) / 2)).conditions
    assert [type(condition) for condition in conditions] == [PositiveSpectrum]
    assert "eigenvalues" in str(conditions[0])


def test_no_condition_where_the_form_is_negative():
    g = GaussianVector("g", d, covariance=S)
    assert derive(sp.exp(-dot(g, g))).conditions == ()
    assert derive(sp.exp(-quad(g, A.T * A))).conditions == ()


def test_a_scalar_condition_where_everything_is_isotropic():
    g = GaussianVector("g", d, covariance=s)
    assert derive(sp.exp(w * dot(g, g) / 2)).conditions == (sp.Gt(1 - s * w, 0),)


@pytest.mark.parametrize(
    "expr",
    [
        sp.exp(dot(GaussianVector("g", d), GaussianVector("g", d))),
        sp.exp(dot(GaussianVector("g", d), GaussianVector("g", d)) / 2) * GaussianVector("g", d),
        sp.exp(quad(GaussianVector("g", 2), sp.ImmutableDenseMatrix([[0, 2], [2, 0]]))),
        sp.exp(
            quad(GaussianVector("g", 2, covariance=[[2, 1], [1, 2]]), sp.ImmutableDenseMatrix([[1, 0], [0, -5]]) / 2)
        ),
    ],
)
def test_an_infinite_mean_is_refused_with_its_condition(expr):
    with pytest.raises(InfiniteExpectation, match="eigenvalues of I"):
        E(expr)


def test_the_last_of_them_is_finite_below_the_threshold():
    """The control: with a fifth in place of one half the mean is finite."""
    g = GaussianVector("g", 2, covariance=[[2, 1], [1, 2]])
    mean = E(sp.exp(quad(g, sp.ImmutableDenseMatrix([[sp.Rational(1, 5), 0], [0, -5]]))))
    assert mean.is_finite and mean.is_positive


def test_refusals_by_name():
    with pytest.raises(NoClosedForm, match="quadratic"):
        tilt(dot(x, x) ** 2, x)
    with pytest.raises(NoClosedForm):
        E(sp.exp(dot(x, x) ** 2))
    G = GaussianMatrix("G", n, d)
    with pytest.raises(NoClosedForm):
        E(sp.exp(sp.Trace(G.T * G)))


def test_what_an_exponent_is_quadratic_in():
    assert tilted_source(dot(x, A * y)) in (x, y)
    assert tilted_source(dot(x, x) + dot(x, y)) == y  # it meets only x, so it needs no condition
    assert tilted_source(dot(x, k)) is None
