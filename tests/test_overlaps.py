"""Overlaps: Gram matrices, vectors with given ones, and the exact law of random ones."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from numerics.overlaps import Overlaps, draw_overlaps, embed
from theory.notation import c, eta, kappa, nu, q_k, q_v, rho, theta
from theory.variables import dot

d = sp.Symbol("d", integer=True, positive=True)
k, v, k_star, v_star = (sp.MatrixSymbol(name, d, 1) for name in ("k", "v", "k_star", "v_star"))
PRODUCTS = {
    dot(k, k_star): kappa,
    dot(v, v_star): nu,
    dot(v, k_star): theta,
    dot(k, v_star): eta,
    dot(k, v): rho,
    dot(k, k): q_k,
    dot(v, v): q_v,
    dot(k_star, k_star): 1,
    dot(v_star, v_star): 1,
    dot(k_star, v_star): 0,
}
OVERLAPS = Overlaps(PRODUCTS, trained=(k, v))


def gram_of(rows: np.ndarray) -> np.ndarray:
    return rows @ rows.swapaxes(1, 2)


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 7))
def test_embedded_vectors_have_the_gram_matrix(seed, size, dimension):
    """Whatever the rank, vectors that coincide and vectors in a plane among them."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((3, size, dimension))
    gram = gram_of(vectors)
    scale = np.abs(gram).max()
    assert np.abs(gram_of(embed(gram)) - gram).max() <= 1e-7 * scale if dimension < size else 1e-13 * scale


def test_embedding_keeps_coincident_vectors_together():
    gram = np.ones((1, 3, 3))
    assert embed(gram)[0].tolist() == [[1, 0, 0], [1, 0, 0], [1, 0, 0]]


def test_zero_overlaps_stay_exactly_zero():
    """θ = η = ρ = 0 puts k and v on axes of their own."""
    rows = embed(OVERLAPS.gram({kappa: 0.3, nu: -0.7, theta: 0.0, eta: 0.0, rho: 0.0}, 1))[0]
    assert rows[2] @ rows[3] == 0 and rows[2] @ rows[1] == 0 and rows[3] @ rows[0] == 0


def test_overlaps_that_no_vectors_have_are_refused():
    with pytest.raises(ValueError, match=r"Gram matrix with the eigenvalue -0\.\d+ at start 1; no vectors"):
        embed(np.array([[[1.0, 0.5], [0.5, 1.0]], [[1.0, 1.5], [1.5, 1.0]]]))


def test_overlaps_that_are_too_large_are_shortened_on_request():
    """k = (0.9, 0.9) against k*, v* becomes (1, 1)/√2; feasible rows are untouched."""
    gram = OVERLAPS.gram({kappa: np.array([0.9, 0.3]), nu: 0.2, theta: 0.1, eta: np.array([0.9, 0.1]), rho: 0.0}, 2)
    rows = embed(gram, project=True)
    assert np.allclose(rows[0, 2], [0.5**0.5, 0.5**0.5, 0, 0])
    assert np.allclose(np.einsum("sid,sid->si", rows, rows), 1, atol=1e-15)
    assert (rows[1] == embed(gram[1:])[0]).all()


def test_names_and_entries():
    assert OVERLAPS.names == ("kappa", "nu", "theta", "eta", "rho")
    assert OVERLAPS.fixed == (k_star, v_star)
    assert OVERLAPS.entry(k, k) == 1
    free = Overlaps(PRODUCTS, trained=(k, v), unit=False)
    assert free.names == ("kappa", "nu", "theta", "eta", "rho", "q_k", "q_v")
    assert Overlaps({dot(k, k_star): kappa, dot(k_star, v_star): c}, trained=(k,)).fixed_symbols().keys() >= {c}


def test_wrong_products_are_refused():
    A = sp.MatrixSymbol("A", d, d)
    with pytest.raises(TypeError, match="inner products of two vectors"):
        Overlaps({dot(k, A * v): kappa}, trained=(k,))
    with pytest.raises(TypeError, match="a symbol or a number"):
        Overlaps({dot(k, v): kappa + 1}, trained=(k,))
    with pytest.raises(ValueError, match="got kappa twice"):
        Overlaps({dot(k, k_star): kappa, dot(v, v_star): kappa}, trained=(k, v))
    with pytest.raises(ValueError, match=r"a symbol for dot\(k, v_star\), which a trained vector is part of, got 0"):
        Overlaps({dot(k, k_star): kappa, dot(k, v_star): 0}, trained=(k,))
    with pytest.raises(ValueError, match="1, the norm of a unit vector"):
        Overlaps({dot(k, k_star): kappa, dot(k, k): 4}, trained=(k,))
    with pytest.raises(TypeError, match="expected trained vectors, d × 1, at least one, got A"):
        Overlaps({dot(k, k_star): kappa}, trained=(k, A))
    with pytest.raises(TypeError, match="got none"):
        Overlaps({dot(k, k_star): kappa}, trained=())


def moments(draws: dict[str, np.ndarray]) -> np.ndarray:
    """Second and fourth moments and the products that tell wrong laws apart."""
    a, b, t, e, r = (draws[name] for name in OVERLAPS.names)
    samples = np.stack([a**2, b**2, t**2, e**2, r**2, a**4, a**2 * e**2, a * t * r, a * e * t * b, r**2 * a**2])
    return np.stack([samples.mean(axis=1), samples.std(axis=1) / np.sqrt(samples.shape[1])])


@pytest.mark.parametrize("dimension", [2, 3, 4, 7])
def test_drawn_overlaps_have_the_law_of_vectors(dimension):
    """Against vectors drawn in full: every moment within 6 standard errors of the difference."""
    count = 40_000
    drawn = moments(draw_overlaps(OVERLAPS, dimension, count, np.random.default_rng(1)))
    vectors = np.random.default_rng(2).standard_normal((2, count, dimension))
    key, val = vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
    first, second = np.eye(dimension)[:2]
    full = moments(OVERLAPS.of({k: key, v: val, k_star: np.broadcast_to(first, key.shape), v_star: second + 0 * key}))
    assert (np.abs(drawn[0] - full[0]) <= 6 * np.hypot(drawn[1], full[1])).all()


def test_the_law_of_another_dimension_is_told_apart():
    """The control of the test above."""
    a = moments(draw_overlaps(OVERLAPS, 4, 40_000, np.random.default_rng(1)))
    b = moments(draw_overlaps(OVERLAPS, 5, 40_000, np.random.default_rng(2)))
    assert (np.abs(a[0] - b[0]) > 6 * np.hypot(a[1], b[1])).any()


def test_draws_on_the_manifold_are_on_it():
    """And κ² has the mean 1/(d−1) of a uniform vector orthogonal to v*."""
    pairs = ((k, v_star), (v, k_star), (v, k))
    draws = draw_overlaps(OVERLAPS, 6, 40_000, np.random.default_rng(3), orthogonal=pairs)
    assert all((draws[name] == 0).all() for name in ("theta", "eta", "rho"))
    squares = draws["kappa"] ** 2
    assert abs(squares.mean() - 1 / 5) < 6 * squares.std() / np.sqrt(len(squares))


def test_draws_know_the_angle_of_the_fixed_vectors():
    """c = ⟨k*, v*⟩ = 1/2: E κη = c/d."""
    slanted = Overlaps({**PRODUCTS, dot(k_star, v_star): c}, trained=(k, v))
    draws = draw_overlaps(slanted, 5, 40_000, np.random.default_rng(4), fixed={c: 0.5})
    products = draws["kappa"] * draws["eta"]
    assert abs(products.mean() - 0.1) < 6 * products.std() / np.sqrt(len(products))


def test_pairs_that_come_too_late_are_refused():
    with pytest.raises(ValueError, match=r"got \(k, v\)"):
        draw_overlaps(OVERLAPS, 6, 10, np.random.default_rng(0), orthogonal=((k, v),))
    with pytest.raises(ValueError, match="dimension >= 2"):
        draw_overlaps(OVERLAPS, 1, 10, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"expected a number for dot\(k_star, k_star\)"):
        draw_overlaps(Overlaps({dot(k, k_star): kappa}, (k,)), 6, 10, np.random.default_rng(0))
    with pytest.raises(ValueError, match="no uniform law of free"):
        draw_overlaps(Overlaps(PRODUCTS, (k, v), unit=False), 6, 10, np.random.default_rng(0))
