"""Descent in steps: on manifolds, reduced to overlaps, from many starts, with schedules; and how it may end."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics import (
    Ending,
    Overlaps,
    Sphere,
    Stiefel,
    gradient,
    gradient_flow,
    projected_gradient_descent,
    riemannian_gradient_descent,
)
from numerics.geodesics import geodesic
from numerics.manifolds import ProductOfSpheres, distance_off, random_points
from theory import Domain, Dot, GaussianMatrix, Law, PointwiseAttention, Risk, dot, population_risk
from theory.notation import eta, kappa, lam, nu, q_k, q_v, rho, theta

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
FREE = Overlaps(PRODUCTS, trained=(k, v), unit=False)
SYMBOLS = (kappa, nu, theta, eta, rho, q_k, q_v)
x, y = sp.symbols("x y", real=True)


def random_risk(seed: int) -> Risk:
    """A smooth function of all seven overlaps, none of them alone."""
    rng = np.random.default_rng(seed)
    numbers = [sp.Rational(int(n), 7) for n in rng.integers(-9, 10, 14)]
    linear = sp.Add(*(c * s for c, s in zip(numbers, SYMBOLS)))
    square = sp.Add(*(c * s for c, s in zip(numbers[7:], SYMBOLS)))
    return Risk(sp.erf(linear / 3) + square**2 / 20 + lam * kappa * rho + sp.exp(-(theta**2) * q_k), SYMBOLS)


def random_vectors(seed: int, dimension: int, starts: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    frame = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0]
    trained = rng.standard_normal((2, starts, dimension))
    trained /= np.linalg.norm(trained, axis=2, keepdims=True)
    return {"k": trained[0], "v": trained[1], "k_star": frame[0], "v_star": frame[1]}


def overlaps_of(at: dict[str, np.ndarray], unit: bool = True) -> dict[str, np.ndarray]:
    pairs = {
        "kappa": ("k", "k_star"),
        "nu": ("v", "v_star"),
        "theta": ("v", "k_star"),
        "eta": ("k", "v_star"),
        "rho": ("k", "v"),
        "q_k": ("k", "k"),
        "q_v": ("v", "v"),
    }
    return {name: (at[a] * at[b]).sum(axis=-1) for name, (a, b) in list(pairs.items())[: 5 if unit else 7]}


def step_by_hand(risk: Risk, at: dict[str, np.ndarray], step: float, unit: bool, start: int) -> dict[str, np.ndarray]:
    """One step of the vectors of one start, written from the definition with the chain rule."""
    one = {name: a if a.ndim == 1 else a[start] for name, a in at.items()}
    slope = gradient(risk, {**overlaps_of(one, unit=False), "lam": 0.3})
    a, b = one["k_star"], one["v_star"]
    in_k = slope["kappa"] * a + slope["eta"] * b + slope["rho"] * one["v"] + 2 * slope["q_k"] * one["k"]
    in_v = slope["theta"] * a + slope["nu"] * b + slope["rho"] * one["k"] + 2 * slope["q_v"] * one["v"]
    moved = {}
    for name, g in (("k", in_k), ("v", in_v)):
        w = one[name]
        new = w - step * (g - (g @ w) * w if unit else g)
        moved[name] = new / np.linalg.norm(new) if unit else new
    return {**one, **moved}


# --- reduced = full --------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.booleans())
def test_a_reduced_step_is_the_step_of_the_vectors(seed, dimension, unit):
    """For any risk of the overlaps, in any dimension, on the spheres and for free vectors."""
    risk, at = random_risk(seed), random_vectors(seed, dimension, 3)
    after = projected_gradient_descent(
        risk,
        overlaps_of(at, unit),
        step=0.05,
        steps=1,
        values={"lam": 0.3},
        manifold=OVERLAPS if unit else FREE,
    ).final
    for start in range(3):
        wanted = overlaps_of(step_by_hand(risk, at, 0.05, unit, start), unit)
        assert max(abs(after[name][start] - number) for name, number in wanted.items()) < 1e-13


def test_a_wrong_reduced_map_is_told_apart():
    """The control: the step without normalizing, or with the sign of one slope turned, is another."""
    risk, at = random_risk(1), random_vectors(1, 6, 3)
    after = projected_gradient_descent(
        risk, overlaps_of(at), step=0.05, steps=1, values={"lam": 0.3}, manifold=OVERLAPS
    ).final
    unnormalized = overlaps_of(step_by_hand(risk, at, 0.05, False, 0))
    turned = overlaps_of(step_by_hand(Risk(risk.expr.subs(eta, -eta), SYMBOLS), at, 0.05, True, 0))
    for wrong in (unnormalized, turned):
        assert max(abs(after[name][0] - number) for name, number in wrong.items()) > 1e-4


@pytest.mark.parametrize("descent", [projected_gradient_descent, riemannian_gradient_descent])
def test_reduced_and_full_paths_agree(descent):
    """Sixty steps from the same starts: overlaps, or vectors of R^9."""
    risk, at = random_risk(5), random_vectors(5, 9, 4)
    options = {"step": 0.02, "steps": 60, "manifold": OVERLAPS, "record": 61}
    reduced = descent(risk, overlaps_of(at), values={"lam": 0.3}, **options)
    fixed = {name: at[name] for name in ("k_star", "v_star")}
    full = descent(risk, {"k": at["k"], "v": at["v"]}, values={"lam": 0.3, **fixed}, **options)
    assert full.parameters["k"].shape == (61, 4, 9) and reduced.parameters["kappa"].shape == (61, 4)
    assert np.abs(reduced.risk - full.risk).max() < 1e-12
    assert max(np.abs(reduced.overlaps[name] - full.overlaps[name]).max() for name in OVERLAPS.names) < 1e-12


def test_a_risk_of_vectors_is_reduced_by_itself():
    """A risk written in dot(k, k_star), … moves as the one in overlaps."""
    risk, at = random_risk(7), random_vectors(7, 6, 3)
    named = {symbol: node for node, symbol in PRODUCTS.items() if isinstance(symbol, sp.Symbol)}
    in_vectors = Risk(risk.expr.xreplace(named), (k, v))
    fixed = {name: at[name] for name in ("k_star", "v_star")}
    options = {"step": 0.02, "steps": 20, "values": {"lam": 0.3, **fixed}}
    start = {"k": at["k"], "v": at["v"]}
    ours = projected_gradient_descent(in_vectors, start, manifold={k: Sphere(6), v: Sphere(6)}, **options)
    named_ones = projected_gradient_descent(risk, start, manifold=OVERLAPS, **options)
    assert np.abs(ours.final["k"] - named_ones.final["k"]).max() < 1e-13


def test_a_derived_risk_needs_no_names_for_its_overlaps():
    """A risk straight from `population_risk`, in dot(k, v), …, free vectors and unit ones: as the risk of vectors."""

    class Planted(Law):
        def tokens(self):
            return GaussianMatrix("X", 3, d)

        def target(self):
            return dot(self.tokens()[0, :], v_star)

    derived = population_risk(Planted(), PointwiseAttention(k, v, lam, lambda score: 1 + score))
    assert all(isinstance(p, Dot) for p in derived.parameters)
    vectors = np.random.default_rng(1).standard_normal((3, 2, 5))
    start = {"k": vectors[0], "v": vectors[1]}
    call = {"step": 0.05, "steps": 20, "values": {"lam": 0.4, "v_star": np.eye(5)[2]}}
    of_vectors = projected_gradient_descent(Risk(derived.expr, (k, v)), start, **call)
    free = Overlaps({dot(v_star, v_star): 1}, trained=(k, v), unit=False)
    of_overlaps = projected_gradient_descent(derived, start, manifold=free, **call)
    assert np.abs(of_vectors.final["k"] - of_overlaps.final["k"]).max() < 1e-14
    with pytest.raises(ValueError, match=r"got the parameter dot\(v, v_star\)"):
        projected_gradient_descent(derived, start, manifold=Overlaps({}, trained=(k, v), unit=False), **call)
    names = Overlaps({dot(v_star, v_star): 1}, trained=(k, v))
    at_overlaps = {dot(k, v_star): 0.1, dot(v, v_star): 0.2, dot(k, v): -0.3}
    reduced = projected_gradient_descent(derived, at_overlaps, step=0.05, steps=20, values={"lam": 0.4}, manifold=names)
    assert set(reduced.overlaps) == {"dot(k, v_star)", "dot(v, v_star)", "dot(k, v)"}
    assert reduced.risk[-1] < reduced.risk[0]


def test_vectors_that_coincide_keep_their_overlaps():
    """k = v = k* to rounding: the Gram matrix is singular, and stays that of unit vectors."""
    risk = Risk(-kappa - theta + rho / 10, SYMBOLS)
    start = {"kappa": 1 - 1e-15, "nu": 0.0, "theta": 1.0, "eta": 0.0, "rho": 1 - 1e-15}
    path = projected_gradient_descent(risk, start, step=0.1, steps=200, manifold=OVERLAPS)
    assert all(abs(float(path.final[name]) - 1) < 1e-12 for name in ("kappa", "theta", "rho"))


def test_an_exact_invariant_manifold_is_kept_exactly():
    """A risk even in θ, η, ρ jointly: zero overlaps are zero after a thousand steps, not 1e-17."""
    risk = Risk(kappa * nu + theta**2 + eta * rho - 3 * theta * rho, SYMBOLS)
    start = {"kappa": [0.1, -0.3], "nu": [0.2, 0.1], "theta": 0.0, "eta": 0.0, "rho": 0.0}
    final = projected_gradient_descent(risk, start, step=0.05, steps=1000, manifold=OVERLAPS, tolerance=0).final
    assert all((final[name] == 0).all() for name in ("theta", "eta", "rho"))
    assert (final["kappa"] * final["nu"] < -0.999).all()


# --- laws of descent -------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_small_steps_lower_the_risk(seed):
    at = random_vectors(seed, 5, 3)
    path = projected_gradient_descent(
        random_risk(seed), overlaps_of(at), step=1e-3, steps=60, values={"lam": 0.3}, manifold=OVERLAPS, record=61
    )
    assert (np.diff(path.risk, axis=0) <= 1e-13).all()


def test_rotating_everything_changes_nothing():
    at = random_vectors(3, 7, 2)
    turn = np.linalg.qr(np.random.default_rng(8).standard_normal((7, 7)))[0]
    turned = {name: a @ turn for name, a in at.items()}
    paths = [
        projected_gradient_descent(
            random_risk(3), {"k": a["k"], "v": a["v"]}, step=0.02, steps=30,
            values={"lam": 0.3, "k_star": a["k_star"], "v_star": a["v_star"]}, manifold=OVERLAPS,
        )
        for a in (at, turned)
    ]  # fmt: skip
    assert np.abs(paths[0].parameters["k"] @ turn - paths[1].parameters["k"]).max() < 1e-12


def test_many_starts_are_so_many_single_ones():
    at = random_vectors(4, 6, 3)
    many = projected_gradient_descent(
        random_risk(4), overlaps_of(at), step=0.02, steps=40, values={"lam": 0.3}, manifold=OVERLAPS
    )
    for start in range(3):
        one = projected_gradient_descent(
            random_risk(4),
            {name: float(values[start]) for name, values in overlaps_of(at).items()},
            step=0.02,
            steps=40,
            values={"lam": 0.3},
            manifold=OVERLAPS,
        )
        assert one.risk.shape == one.times.shape and np.abs(one.risk - many.risk[:, start]).max() < 1e-13


def test_schedules_of_the_step_and_of_a_symbol():
    """x ← (1 − α_t λ_t) x: the product of the factors, in closed form."""
    risk = Risk(lam * x**2 / 2, (x,))
    path = projected_gradient_descent(
        risk,
        {"x": 3.0},
        step=lambda t: 1 / (3 + t),
        steps=50,
        values={"lam": lambda t: 1 + 1 / (1 + t)},
        record=51,
    )
    factors = [1 - (1 + 1 / (1 + t)) / (3 + t) for t in range(50)]
    assert np.allclose(path.parameters["x"], 3 * np.concatenate([[1], np.cumprod(factors)]), rtol=1e-13, atol=0)
    assert np.allclose(path.risk, (1 + 1 / (1 + path.times)) * path.parameters["x"] ** 2 / 2, rtol=1e-13, atol=0)
    assert path.endings == (Ending.TIME_UP,)


def test_leading_eigenvectors_are_found_on_the_frames():
    """min −tr WᵀAW over frames is minus the sum of the largest eigenvalues; both descents, many starts."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((5, 5))
    A = A + A.T
    W, S = sp.MatrixSymbol("W", 5, 2), sp.MatrixSymbol("S", 5, 5)
    risk = Risk(-sp.Trace(W.T * S * W), (W,))
    start = random_points(Stiefel(5, 2), 3, rng)
    best = -np.sort(np.linalg.eigvalsh(A))[-2:].sum()
    for descent in (projected_gradient_descent, riemannian_gradient_descent):
        path = descent(
            risk, {"W": start}, step=0.05, steps=300, values={"S": A}, manifold=Stiefel(5, 2), tolerance=1e-7
        )
        assert set(path.endings) == {Ending.CONVERGED}
        assert np.allclose(path.risk[-1], best, rtol=1e-12)
        assert float(np.max(distance_off(Stiefel(5, 2), path.final["W"]))) < 1e-14


def test_symbols_that_are_coordinates_of_a_manifold():
    """Rayleigh's quotient in symbols on a sphere, and two spheres whose points attract: as with vectors."""
    a, b, c = sp.symbols("a b c", real=True)
    risk = Risk(a**2 + 2 * b**2 + 5 * c**2 + a * b, (a, b, c))
    matrix = np.array([[1.0, 0.5, 0], [0.5, 2, 0], [0, 0, 5]])
    start = {"a": [0.6, 0.0], "b": [0.0, 0.8], "c": [0.8, 0.6]}
    path = projected_gradient_descent(risk, start, step=0.1, steps=500, manifold=Sphere(3))
    assert set(path.endings) == {Ending.CONVERGED}
    assert np.allclose(path.risk[-1], np.linalg.eigvalsh(matrix)[0], rtol=1e-12)
    flow = gradient_flow(risk, start, 60.0, manifold=Sphere(3))
    assert np.allclose(flow.risk[-1], path.risk[-1], rtol=1e-12)
    with pytest.raises(ValueError, match=r"at distance 0\.4"):
        projected_gradient_descent(risk, {"a": 0.6, "b": 0.0, "c": 0.0}, step=0.1, steps=5, manifold=Sphere(3))


def test_free_matrices_with_a_constant_one():
    W, S = sp.MatrixSymbol("W", 3, 2), sp.MatrixSymbol("S", 3, 2)
    risk = Risk(sp.Trace((W - S).T * (W - S)), (W,))
    target = np.arange(6.0).reshape(3, 2)
    path = projected_gradient_descent(risk, {"W": np.zeros((3, 2))}, step=0.25, steps=80, values={"S": target})
    assert path.endings == (Ending.CONVERGED,) and np.allclose(path.final["W"], target, atol=1e-11)


@pytest.mark.parametrize("manifold", [Sphere(4), ProductOfSpheres(2, 3), Stiefel(4, 2), Stiefel(3, 3)])
def test_geodesics_are_straight(manifold):
    """γ(0) = x, γ′(0) = u, on the manifold, of constant speed, and γ″ normal to it."""
    rng = np.random.default_rng(2)
    point = random_points(manifold, 1, rng)[0]
    velocity = manifold.tangent(point, rng.standard_normal(manifold.shape))
    h = 1e-4
    before, here, after = (geodesic(manifold, point, t * velocity) for t in (0.7 - h, 0.7, 0.7 + h))
    assert np.abs(geodesic(manifold, point, 0 * velocity) - point).max() < 1e-15
    assert float(distance_off(manifold, here)) < 1e-14
    assert np.abs((geodesic(manifold, point, h * velocity) - point) / h - velocity).max() < 1e-2
    speed = np.linalg.norm(after - before) / (2 * h)
    assert abs(speed - np.linalg.norm(velocity)) < 1e-6
    bent = (after - 2 * here + before) / h**2
    assert np.abs(manifold.tangent(here, bent)).max() < 1e-5


# --- endings ---------------------------------------------------------------------------------------


def test_steps_that_are_too_large_diverge_and_the_others_go_on():
    """Curvature 2 and 200, step 0.1: the first start converges on its axis, the second runs away."""
    risk = Risk(x**2 + 100 * y**2, (x, y))
    path = projected_gradient_descent(risk, {"x": [1.0, 1.0], "y": [0.0, 1.0]}, step=0.1, steps=1000)
    assert path.endings == (Ending.CONVERGED, Ending.DIVERGED)
    assert "lower it" in path.termination and "0.1" in path.termination
    assert np.isfinite(path.risk[-1]).all() and abs(path.final["x"][0]) < 1e-11
    assert path.stopped[1] < 200


def test_a_cycle_is_divergence_when_it_climbs_and_advice_when_it_does_not():
    bound = projected_gradient_descent(Risk(sp.sqrt(1 + x**2), (x,)), {"x": 0.1}, step=50.0, steps=100)
    assert bound.endings == (Ending.DIVERGED,)
    tilted = Risk(sp.sqrt(1 + x**2) + x / 5, (x,))
    ends = [projected_gradient_descent(tilted, {"x": 3.0}, step=4.0, steps=n) for n in (100, 101)]
    assert {path.endings for path in ends} == {(Ending.TIME_UP,)}
    assert sum("steps of 4 oscillate, lower them" in path.termination for path in ends) == 1


def test_values_that_are_not_finite_end_one_start_and_lose_nothing():
    """√x has no slope at x ≤ 0; the path until there is kept."""
    risk = Risk(sp.sqrt(x), (x,))
    path = projected_gradient_descent(risk, {"x": [1.0, 100.0]}, step=0.3, steps=30, record=31)
    assert path.endings == (Ending.NOT_FINITE, Ending.TIME_UP)
    assert "not finite at step" in path.termination and "last finite state is kept" in path.termination
    before = path.parameters["x"][: int(path.stopped[0]), 0]
    assert (np.diff(before) < 0).all() and np.isfinite(path.parameters["x"]).all()


def test_a_schedule_that_leaves_its_assumptions_stops_with_the_path_so_far():
    risk = Risk(lam * x**2, (x,))
    path = projected_gradient_descent(
        risk, {"x": 1.0}, step=0.1, steps=100, values={"lam": lambda t: 1 - t / 50}, record=101
    )
    assert path.endings == (Ending.BAD_SCHEDULE,) and "lam, which is positive, gave 0.0 at time 50" in path.termination
    assert path.times[-1] == 50 and len(path) == 51
    shrinking = projected_gradient_descent(Risk(x**2, (x,)), {"x": 1.0}, step=lambda t: 0.1 - t / 100, steps=100)
    assert shrinking.endings == (Ending.BAD_SCHEDULE,) and "step" in shrinking.termination


def test_a_stationary_start_has_converged_at_once():
    path = projected_gradient_descent(Risk(x**4, (x,)), {"x": 0.0}, step=0.1, steps=10)
    assert path.endings == (Ending.CONVERGED,) and path.stopped == 0 and len(path) == 1


def test_an_interrupt_loses_nothing():
    def schedule(t: float) -> float:
        if t == 30:
            raise KeyboardInterrupt
        return 0.1

    with pytest.raises(KeyboardInterrupt) as caught:
        projected_gradient_descent(Risk(x**2, (x,)), {"x": [1.0, 2.0]}, step=schedule, steps=100, record=101)
    path = caught.value.trajectory
    assert set(path.endings) == {Ending.INTERRUPTED} and path.times[-1] == 30
    assert np.allclose(path.parameters["x"][:, 0], 0.8**path.times)


def test_memory_does_not_grow_with_the_steps():
    def peak(steps: int) -> int:
        tracemalloc.start()
        projected_gradient_descent(Risk(x**2 + y**4, (x, y)), {"x": 1.0, "y": 1.0}, step=1e-4, steps=steps, record=5)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(20)
    assert peak(4000) < 1.5 * peak(400)


# --- bad input -------------------------------------------------------------------------------------

OK = {"kappa": 0.1, "nu": 0.2, "theta": 0.0, "eta": 0.0, "rho": 0.0}


@pytest.mark.parametrize(
    ("start", "options", "message"),
    [
        ({**OK, "kappa": math.nan}, {}, "expected a finite start, got kappa=nan"),
        ({**OK, "kappa": [0.1, math.inf]}, {}, r"got kappa=inf at index \(1,\)"),
        ({**OK, "kappa": "a lot"}, {}, "expected numbers in the start of kappa"),
        ({**OK, "kappa": "0.1"}, {}, "expected numbers in the start of kappa"),
        ({**OK, "kappa": ["0.1", "0.2"]}, {}, "expected numbers in the start of kappa"),
        ({**OK, "kappa": [[0.1], [0.1, 0.2]]}, {}, "expected numbers in the start of kappa"),
        ({**OK, "kappa": [[0.1]]}, {}, "expected a number or an array of them as the start of kappa"),
        ({**OK, "kappa": [0.1, 0.2], "nu": [0.1, 0.2, 0.3]}, {}, "as many starts for each parameter"),
        ({**OK, "kapa": 0.1}, {}, r"unknown: kapa \(did you mean kappa"),
        ({"kappa": 0.1}, {}, "missing: nu, theta, eta, rho"),
        ({**OK, "kappa": 0.9, "eta": 0.9}, {}, "no vectors have these inner products"),
        (OK, {"values": {}}, "got lam left symbolic"),
        (OK, {"values": {"lam": math.nan}}, "expected a finite number for lam"),
        (OK, {"values": {"lam": -1.0}}, "expected lam > 0"),
        (OK, {"values": {"lam": [0.1, 0.2]}}, "one number or a function of time for lam"),
        (OK, {"values": {"lam": 0.1, "lamb": 2}}, "unknown: lamb"),
        (OK, {"values": {"lam": 0.1, "kappa": 0.5}}, "no parameter, got kappa=0.5"),
        (OK, {"step": 0.0}, "expected a finite step > 0, got step=0.0"),
        (OK, {"step": -0.1}, "expected a finite step > 0"),
        (OK, {"step": "small"}, "expected a positive number or a function"),
        (OK, {"steps": 0}, "expected an integer steps >= 1"),
        (OK, {"record": 1}, "expected an integer record >= 2"),
        (OK, {"tolerance": -1.0}, "expected tolerance >= 0"),
        ([0.1, 0.2], {}, "expected a dict of numbers or arrays"),
    ],
)
def test_bad_input_is_named(start, options, message):
    call = {"step": 0.1, "steps": 5, "values": {"lam": 0.3}, "manifold": OVERLAPS, **options}
    with pytest.raises((ValueError, TypeError), match=message):
        projected_gradient_descent(random_risk(0), start, **call)


def test_starts_off_the_manifold_are_refused_with_the_distance_or_projected():
    at = random_vectors(6, 5, 2)
    start = {"k": at["k"] * np.array([[1.0], [1.5]]), "v": at["v"]}
    call = {
        "step": 0.01,
        "steps": 3,
        "values": {"lam": 0.3, "k_star": at["k_star"], "v_star": at["v_star"]},
        "manifold": OVERLAPS,
    }
    with pytest.raises(ValueError, match=r"for k, got one at distance 0\.5 from it \(start 1\); pass project=True"):
        projected_gradient_descent(random_risk(6), start, **call)
    projected = projected_gradient_descent(random_risk(6), start, project=True, **call)
    plain = projected_gradient_descent(random_risk(6), {"k": at["k"], "v": at["v"]}, **call)
    assert np.abs(projected.risk - plain.risk).max() < 1e-14
    infeasible = {"kappa": 0.9, "nu": 0.2, "theta": 0.0, "eta": 0.9, "rho": 0.0}
    reduced = {**call, "values": {"lam": 0.3}}
    with pytest.raises(ValueError, match="pass project=True to shorten"):
        projected_gradient_descent(random_risk(6), infeasible, **reduced)
    shortened = projected_gradient_descent(random_risk(6), infeasible, project=True, **reduced)
    assert abs(shortened.overlaps["kappa"][0] - 0.5**0.5) < 1e-15
    W = sp.MatrixSymbol("W", 3, 2)
    with pytest.raises(ValueError, match="distance"):
        projected_gradient_descent(
            Risk(sp.Trace(W.T * W), (W,)), {"W": np.ones((3, 2))}, step=0.1, steps=2, manifold=Stiefel(3, 2)
        )


def test_wrong_shapes_of_vectors_are_named():
    at = random_vectors(6, 5, 2)
    fixed = {"lam": 0.3, "k_star": at["k_star"], "v_star": at["v_star"]}
    call = {"step": 0.01, "steps": 3, "manifold": OVERLAPS}
    with pytest.raises(ValueError, match="vectors of one dimension"):
        projected_gradient_descent(random_risk(6), {"k": np.eye(4)[0], "v": np.eye(4)[1]}, values=fixed, **call)
    with pytest.raises(ValueError, match="missing: v_star"):
        missing = {name: a for name, a in fixed.items() if name != "v_star"}
        projected_gradient_descent(random_risk(6), {"k": at["k"], "v": at["v"]}, values=missing, **call)
    with pytest.raises(ValueError, match="as was said"):
        slanted = {**fixed, "v_star": at["k_star"]}
        projected_gradient_descent(random_risk(6), {"k": at["k"], "v": at["v"]}, values=slanted, **call)
    with pytest.raises(ValueError, match="the parameter x"):
        projected_gradient_descent(Risk(x + kappa, (x, kappa)), OK, step=0.1, steps=1, manifold=OVERLAPS)


def test_vectors_of_two_spaces_and_of_the_wrong_sphere():
    """⟨a, b⟩ in R³ and ⟨u, w⟩ in R² in one risk: moved as matrices are, since they have no common frame."""
    a, b = sp.MatrixSymbol("a", 3, 1), sp.MatrixSymbol("b", 3, 1)
    u, w = sp.MatrixSymbol("u", 2, 1), sp.MatrixSymbol("w", 2, 1)
    risk = Risk(-dot(a, b) - 2 * dot(u, w), (a, u))
    call = {"step": 0.2, "steps": 200, "values": {"b": np.eye(3)[0], "w": np.eye(2)[1]}}
    spheres = {a: Sphere(3), u: Sphere(2)}
    path = projected_gradient_descent(risk, {"a": [0.0, 0.6, 0.8], "u": [1.0, 0.0]}, manifold=spheres, **call)
    assert np.allclose(path.final["a"], [1, 0, 0]) and np.allclose(path.final["u"], [0, 1])
    with pytest.raises(ValueError, match=r"expected starts of shape \(4,\) for a"):
        wrong = {a: Sphere(4), u: Sphere(2)}
        projected_gradient_descent(risk, {"a": [0.0, 0.6, 0.8], "u": [1.0, 0.0]}, manifold=wrong, **call)


def test_a_risk_without_a_value_at_the_start_is_refused():
    with pytest.raises(ValueError, match="finite real number"):
        projected_gradient_descent(Risk(sp.log(x), (x,)), {"x": -1.0}, step=0.1, steps=1)
    with pytest.raises(TypeError, match="expected a risk"):
        projected_gradient_descent(x**2, {"x": 1.0}, step=0.1, steps=1)


def test_the_domain_of_a_risk_may_name_more_symbols():
    risk = Risk(x**2, (x,), Domain({x: (-1, 1), y: (0, 1)}))
    assert projected_gradient_descent(risk, {"x": 0.5}, step=0.1, steps=1, values={"y": 0.5}).risk[0] == 0.25
