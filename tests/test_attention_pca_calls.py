"""The plain calls of the study of attention PCA: against simulation, finite differences, and one another."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from numerics import ball, simulate, value
from proofs_check import studies
from theory import Expectation, NoClosedForm, gaussians

module = importlib.import_module("proofs_check.studies.attention_pca")
softmax = importlib.import_module("proofs_check.studies._attention_pca_softmax")
model = importlib.import_module("proofs_check.studies._attention_pca_model")
SIMULATOR = studies()["attention-pca"].simulator
risk_at, stationary_points_at, minimizer = module.risk_at, module.stationary_points_at, module.minimizer


def covariance(seed: int, d: int, spectrum=None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.standard_normal((d, d)))[0]
    s = rng.uniform(0.2, 2, d) if spectrum is None else np.asarray(spectrum, dtype=float)
    return (rotation * s) @ rotation.T


def weights(seed: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed + 1000)
    return rng.standard_normal((d, d)) / d, rng.standard_normal((d, d)) / d


SETTINGS = [(None, "fresh"), (1, "fresh"), (3, "fresh"), (1, "inside"), (3, "inside")]


# --- the risk ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "query", "attention"),
    [
        (None, "fresh", "linear"),
        (4, "fresh", "linear"),
        (4, "inside", "linear"),
        (1, "inside", "linear"),
        (1, "fresh", "softmax"),
        (2, "fresh", "softmax"),
        (6, "fresh", "softmax"),
    ],
)
def test_the_risk_is_the_mean_of_the_simulation(n, query, attention):
    B, V = weights(3, 3)
    case = {"B": 2 * B, "V": 2 * V, "Sigma": covariance(3, 3), "n": n, "query": query, "attention": attention}
    estimate = simulate(SIMULATOR, case, samples=100_000, seed=7)
    # the proof is the e-process of the study; here the two must be near
    assert abs(risk_at(**case) - estimate.mean) < 10 * estimate.standard_error


@given(st.integers(0, 2**20), st.sampled_from(SETTINGS))
@settings(max_examples=20)
def test_rotating_everything_changes_nothing(seed, case):
    (n, query), d = case, 3
    Sigma, (B, V) = covariance(seed, d), weights(seed, d)
    R = np.linalg.qr(np.random.default_rng(seed + 7).standard_normal((d, d)))[0]
    turned = risk_at(R @ B @ R.T, R @ Sigma @ R.T, V=R @ V @ R.T, n=n, query=query)
    assert turned == pytest.approx(risk_at(B, Sigma, V=V, n=n, query=query), rel=1e-11)


@pytest.mark.parametrize("query", ["fresh", "inside"])
@pytest.mark.parametrize("attention", ["linear", "softmax"])
def test_a_long_prompt_is_an_infinite_one(query, attention):
    B, V = (x / 6 for x in weights(5, 3))
    Sigma = covariance(5, 3)
    limit = risk_at(B, Sigma, V=V, query=query, attention=attention)
    if (query, attention) != ("inside", "softmax"):
        gaps = [risk_at(B, Sigma, V=V, n=n, query=query, attention=attention) - limit for n in (10**5, 2 * 10**5)]
        assert abs(gaps[0]) < 1e-3 and gaps[0] == pytest.approx(2 * gaps[1], rel=1e-3)
    assert limit == risk_at(B, Sigma, V=V, query=query, attention="linear")


def test_softmax_with_one_token_copies_it():
    B, V = weights(2, 3)
    Sigma = covariance(2, 3)
    expected = (np.trace(Sigma) + np.trace(V @ Sigma @ V.T)) / 2
    assert risk_at(B, Sigma, V=V, n=1, attention="softmax") == pytest.approx(expected, rel=1e-10)


def test_softmax_of_small_scores_is_the_mean():
    Sigma, (_, V) = covariance(2, 3), weights(2, 3)
    expected = (np.trace(Sigma) + np.trace(V @ Sigma @ V.T) / 5) / 2
    for scale in (0, 1e-9):
        assert risk_at(scale * np.eye(3), Sigma, V=V, n=5, attention="softmax") == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("q", [0.01, 0.9, 1.1, 25.0])
@pytest.mark.parametrize("n", [2, 10, 10**6])
def test_participation_does_not_depend_on_the_step(monkeypatch, n, q):
    coarse = softmax.participation(n, q)
    monkeypatch.setattr(softmax, "STEP", 0.1)
    fine = softmax.participation(n, q)
    assert (coarse.second, coarse.squared, coarse.third) == pytest.approx(
        (fine.second, fine.squared, fine.third), rel=1e-10
    )
    assert 1 / n <= fine.second <= 1 and fine.second**2 <= fine.squared <= fine.third + 1e-15


@pytest.mark.parametrize("q", ["1/4", "4"])
def test_participation_of_two_tokens_is_a_certified_integral(q):
    """The softmax of two tokens is a logistic function of one normal number of variance 2q."""
    scale = sp.sqrt(2 * sp.Rational(q))
    (z,) = gaussians("z")
    weight = 1 / (1 + sp.exp(scale * z))
    second = weight**2 + (1 - weight) ** 2
    third = weight**3 + (1 - weight) ** 3
    certified = [float(ball(Expectation(f).doit(), {}, 15)) for f in (second, second**2, third)]
    found = softmax.participation(2, float(sp.Rational(q)))
    assert (found.second, found.squared, found.third) == pytest.approx(certified, rel=1e-12)


def test_means_over_the_query_are_the_moments_of_chi_squares():
    scales = np.array([3.0, 1.0, 1e-3])
    freedoms = np.array([[1.0, 1, 1], [3, 1, 1], [1, 1, 5]])
    found = softmax.mean_over_query(lambda q: (1, q, q * q, np.exp(-q / 3)), scales, freedoms)
    mean = freedoms @ scales
    square = mean**2 + 2 * freedoms @ scales**2
    laplace = np.exp(-(freedoms @ np.log1p(2 * scales / 3)) / 2)
    assert found == pytest.approx(np.column_stack([np.ones(3), mean, square, laplace]), rel=1e-8)


# --- stationary points ---------------------------------------------------------------------


def numerical_derivatives(Sigma, W, n, query):
    """Gradient and Hessian of `risk_at` in the entries of W: central differences, exact for a quartic after one step of
    Richardson's extrapolation, but for rounding."""
    size = W.size

    def risk(x):
        shaped = x.reshape(W.shape)
        return risk_at(shaped @ shaped.T, Sigma, n=n, query=query)

    def differences(h):
        x, steps = W.ravel(), np.eye(size) * h
        slope = np.array([(risk(x + e) - risk(x - e)) / (2 * h) for e in steps])
        second = np.zeros((size, size))
        for i in range(size):
            for j in range(i + 1):
                e, f = steps[i], steps[j]
                corners = risk(x + e + f) - risk(x + e - f) - risk(x - e + f) + risk(x - e - f)
                second[i, j] = second[j, i] = corners / (4 * h * h)
        return slope, second

    return ((4 * fine - coarse) / 3 for fine, coarse in zip(differences(0.1), differences(0.2), strict=True))


@pytest.mark.parametrize(("n", "query"), SETTINGS)
@pytest.mark.parametrize(("spectrum", "rank"), [((2.0, 1.0, 0.5), 2), ((1.5, 1.5, 0.4), 2), ((2.0, 1.0, 0.0), 1)])
def test_every_listed_point_is_stationary_with_the_listed_hessian(n, query, spectrum, rank):
    Sigma = covariance(4, 3, spectrum)
    found = stationary_points_at(Sigma, rank, n=n, query=query)
    assert [point.subset for point in found] == sorted({p.subset for p in found}, key=lambda s: (len(s), s))
    for point in found:
        gradient, hessian = numerical_derivatives(Sigma, point.W, n, query)
        assert np.allclose(gradient, 0, atol=1e-11)
        assert np.linalg.eigvalsh(hessian) == pytest.approx(point.hessian_eigenvalues, abs=1e-9)
        assert point.risk == pytest.approx(risk_at(point.W @ point.W.T, Sigma, n=n, query=query), rel=1e-12)
        root = np.linalg.cholesky(Sigma + 1e-300 * np.eye(3)) if min(spectrum) > 0 else None
        if root is not None:
            shrunk = np.sort(np.linalg.eigvalsh(root.T @ point.W @ point.W.T @ root))[::-1]
            assert shrunk[: len(point.subset)] == pytest.approx(np.sort(point.nu)[::-1], rel=1e-9)


def test_all_subsets_are_there_and_the_leading_one_is_the_minimum():
    Sigma = covariance(6, 4, [2.0, 1.0, 0.6, 0.3])
    for n, query in SETTINGS:
        found = stationary_points_at(Sigma, 2, n=n, query=query)
        assert len(found) == 1 + 4 + 6
        best = min(found, key=lambda point: point.risk)
        assert best.subset == (0, 1) and best.hessian_eigenvalues[0] > -1e-9
        assert all(point.hessian_eigenvalues[0] < -1e-3 for point in found if point is not best)


def test_repeated_eigenvalues_are_one_family():
    Sigma = covariance(1, 4, [1.0, 1.0, 1.0, 0.5])
    found = {point.subset: point for point in stationary_points_at(Sigma, 2)}
    assert sorted(found) == [(), (0,), (0, 1), (0, 3), (3,)]
    assert found[0,].eigenspace == (0, 1, 2) and found[0,].dimension == 2
    assert found[0, 1].dimension == 2 and found[0, 3].dimension == 2 and found[3,].dimension == 0
    whole = {p.subset: p for p in stationary_points_at(Sigma, 3)}
    assert whole[0, 1, 2].dimension == 0 and whole[0, 1, 2].eigenspace == ()
    for point in found.values():  # zeros of the Hessian: the family, and the rotations of the columns
        r = len(point.subset)
        zeros = np.sum(np.abs(point.hessian_eigenvalues) < 1e-12)
        assert zeros == point.dimension + r * (2 - r) + r * (r - 1) // 2


def test_descent_finds_no_other_points():
    """Least squares of ‖∇R‖² from many starts end at listed values only."""
    Sigma = np.diag([2.0, 1.0, 0.5])
    rng = np.random.default_rng(0)
    seen = {}
    for n, query in [(None, "fresh"), (2, "fresh"), (2, "inside")]:
        which = "mean field" if n is None else query
        slope = model.gradient_in(which, model.W)
        point = {"Sigma": Sigma} | ({} if n is None else {"n": n})

        def residual(w, slope=slope, point=point):
            return np.asarray(value(slope, {**point, "W": w.reshape(3, 2)})).ravel()

        listed = np.array([p.risk for p in stationary_points_at(Sigma, 2, n=n, query=query)])
        for scale in np.geomspace(0.2, 1, 6):
            end = least_squares(residual, scale * rng.standard_normal(6), xtol=1e-14, ftol=1e-14, gtol=1e-14)
            if end.cost < 1e-20:
                W = end.x.reshape(3, 2)
                risk = risk_at(W @ W.T, Sigma, n=n, query=query)
                assert np.min(np.abs(listed - risk)) < 1e-7
                seen.setdefault(which, set()).add(int(np.argmin(np.abs(listed - risk))))
    assert all(len(found) >= 2 for found in seen.values())


def test_too_many_families_are_refused():
    with pytest.raises(ValueError, match=r"at most 4,096 families.*lower the rank"):
        stationary_points_at(np.diag(np.arange(1.0, 65)), 3)
    assert len(stationary_points_at(np.eye(64), 3)) == 4


# --- the best weights ----------------------------------------------------------------------


def risk_of(parts, Sigma, n, d):
    V, B = parts.reshape(2, d, d)
    return risk_at(B, Sigma, V=V, n=n)


@pytest.mark.parametrize("n", [1, 2, 7, 100, None])
@pytest.mark.parametrize("seed", range(3))
def test_nothing_near_or_far_is_better(n, seed):
    Sigma, rng = covariance(seed, 4, [3.0, 1.0, 0.2, 0.02]), np.random.default_rng(seed)
    V, B = minimizer(Sigma, n=n)
    best = risk_at(B, Sigma, V=V, n=n)
    fixed = minimizer(Sigma, n=n, train_value=False)
    assert np.array_equal(fixed[0], np.eye(4))
    at_fixed = risk_at(fixed[1], Sigma, n=n)
    assert best <= at_fixed + 1e-12
    for size in (1e-3, 1e-1, 1.0):
        for _ in range(20):
            noise = size * rng.standard_normal((2, 4, 4))
            assert risk_at(B + noise[0], Sigma, V=V + noise[1], n=n) >= best - 1e-12
            assert risk_at(fixed[1] + noise[0], Sigma, n=n) >= at_fixed - 1e-12


def test_weak_directions_are_dropped():
    Sigma = covariance(0, 5, [4, 1, 0.25, 0.04, 0.01])
    ranks = [np.linalg.matrix_rank(minimizer(Sigma, n=n)[0]) for n in (1, 2, 10, 100, 10_000)]
    assert ranks == sorted(ranks) and ranks[1] == 2 and ranks[-1] == 5
    V, B = minimizer(Sigma, n=2)
    assert risk_at(B, Sigma, V=V, n=2) == pytest.approx(19 / 12, rel=1e-12)


def test_a_direction_without_variance_is_left_alone():
    Sigma = np.diag([2.0, 1.0, 0.0])
    for n in (5, None):
        V, B = minimizer(Sigma, n=n)
        assert not V[2].any() and not B[2].any()
        _, B = minimizer(Sigma, n=n, train_value=False)
        assert np.isfinite(B).all() and (n is None) == (B[2, 2] == 0)
    for n in (5, None):
        assert not np.any(minimizer(np.zeros((2, 2)), n=n)[1])
        assert not np.any(minimizer(np.zeros((2, 2)), n=n, train_value=False)[1])
        assert [p.subset for p in stationary_points_at(np.zeros((2, 2)), 1, n=n)] == [()]


# --- bad input -----------------------------------------------------------------------------

GOOD = {"B": np.eye(2), "Sigma": np.eye(2)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Sigma": [[1, 2], [2, 1]]}, "positive semidefinite Sigma, got smallest eigenvalue -1"),
        ({"Sigma": [[1, 0.5], [0, 1]]}, "symmetric Sigma"),
        ({"Sigma": [[1, np.nan], [0, 1]]}, "finite entries, got Sigma"),
        ({"Sigma": [1, 2]}, "Sigma of shape"),
        ({"B": np.eye(3)}, r"B of shape \(2, 2\)"),
        ({"B": [[1, np.inf], [0, 1]]}, r"finite entries in B, got B\[0, 1\]"),
        ({"B": "ab"}, "real 2 × 2 matrix B"),
        ({"B": [[1j, 0], [0, 1]]}, "real 2 × 2 matrix B"),
        ({"V": [1, 2]}, "V of shape"),
        ({"n": 0}, "integer n >= 1, got n=0"),
        ({"n": 2.5}, "integer n >= 1, got n=2.5"),
        ({"n": True}, "integer n >= 1"),
        ({"query": "outside"}, "query one of fresh, inside, got query='outside'"),
        ({"attention": "relu"}, "attention one of linear, softmax"),
        ({"attention": None}, "attention one of"),
    ],
)
def test_bad_input_is_named(change, words):
    with pytest.raises(ValueError, match=words):
        risk_at(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"Sigma": np.eye(2), "rank": 3}, "1 <= rank <= 2.*got rank=3"),
        ({"Sigma": np.eye(2), "rank": 0}, "integer rank >= 1"),
        ({"Sigma": np.eye(2), "rank": 1.0}, "integer rank >= 1"),
        ({"Sigma": -np.eye(2), "rank": 1}, "positive semidefinite"),
        ({"Sigma": np.eye(2), "rank": 1, "n": -1}, "integer n >= 1"),
        ({"Sigma": np.eye(2), "rank": 1, "query": 3}, "query one of"),
    ],
)
def test_bad_input_of_the_list_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        stationary_points_at(**arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"Sigma": [[1, 2], [2, 1]], "n": 3}, "positive semidefinite"),
        ({"Sigma": np.eye(2), "n": 0}, "integer n >= 1"),
        ({"Sigma": np.eye(2), "n": 3, "train_value": "yes"}, "train_value"),
    ],
)
def test_bad_input_of_the_minimizer_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        minimizer(**arguments)


def test_what_has_no_closed_form_is_refused_by_name():
    with pytest.raises(NoClosedForm, match=r"softmax attention with the query inside a finite prompt.*n=3"):
        risk_at(**GOOD, n=3, query="inside", attention="softmax")


def test_rounding_is_forgiven():
    Sigma = covariance(8, 5)
    rough = Sigma + 1e-16 * np.random.default_rng(0).standard_normal((5, 5))
    assert risk_at(np.eye(5), rough) == pytest.approx(risk_at(np.eye(5), Sigma), rel=1e-14)


def test_wrong_words_of_a_simulation_are_named():
    good = {"B": np.eye(2), "Sigma": np.eye(2), "n": 3}
    with pytest.raises(ValueError, match="query='outside'"):
        simulate(SIMULATOR, {**good, "query": "outside"}, samples=10, seed=0)
    with pytest.raises(ValueError, match="attention='relu'"):
        simulate(SIMULATOR, {**good, "attention": "relu"}, samples=10, seed=0)
