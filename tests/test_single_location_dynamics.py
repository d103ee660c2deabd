"""The published descents of single-location regression, in short: the whole of them is in benchmarks/dynamics.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics import fitted_rate, gradient_flow, linear_rates, projected_gradient_descent, rate_of_steps
from proofs_check import Context
from proofs_check.studies import single_location as study
from proofs_check.studies._single_location_dynamics import (
    CONSTANTS,
    DIMENSION,
    EXPERIMENTS,
    PUBLISHED,
    distance_to_manifold,
    is_at_oracle,
    is_swapped,
)
from theory.notation import kappa, nu

AT_ORACLE = {"kappa": 1.0, "nu": 1.0, "theta": 0.0, "eta": 0.0, "rho": 0.0}


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.1, 0.5, 0.9]), st.sampled_from([5, 12, DIMENSION]))
def test_a_reduced_step_is_the_step_of_the_authors_code(seed, temperature, dimension):
    """k⁺ = (k − α(I − kkᵀ)∇_k R)/‖·‖ with the gradient in R^d, v the same, both at once."""
    rng = np.random.default_rng(seed)
    k, v = rng.standard_normal((2, dimension))
    k, v = k / np.linalg.norm(k), v / np.linalg.norm(v)
    k_star, v_star = np.linalg.qr(rng.standard_normal((dimension, 2)))[0].T
    constants = {**CONSTANTS, "m": math.sqrt(dimension / 2)}
    start = {name: x for name, x in study.overlaps(k, v, k_star, v_star).items() if not name.startswith("q")}
    reduced = projected_gradient_descent(
        study.risk(), start, step=4e-3, steps=1, values={**constants, "lam": temperature}, manifold=study.DESCENT
    ).final
    in_k, in_v = study.gradient_at(k, v, k_star, v_star, L=10, lam=temperature, gamma=constants["gamma"])
    new_k, new_v = k - 4e-3 * (in_k - (in_k @ k) * k), v - 4e-3 * (in_v - (in_v @ v) * v)
    wanted = study.overlaps(new_k / np.linalg.norm(new_k), new_v / np.linalg.norm(new_v), k_star, v_star)
    assert max(abs(float(reduced[name]) - wanted[name]) for name in start) < 1e-12


def test_the_schedule_passes_the_published_numbers():
    """At step 12,000 |κ| = 0.26782 and the risk 1.724963, which the authors log one step late and in single precision:
    medians of eight starts, since about one start of twenty-five goes to the swapped solution."""
    path = EXPERIMENTS["schedule"].run(study.risk(), study.DESCENT, 8, np.random.default_rng(0), steps=11_999)
    published = {quantity: rows[12_000] for quantity, rows in PUBLISHED["schedule"].items()}
    assert np.median(np.abs(path.final["kappa"])) == pytest.approx(published["kappa"], abs=3e-5)
    assert np.median(path.risk[-1]) == pytest.approx(published["risk"], abs=3e-6)


def test_descent_on_the_manifold_stays_on_it_and_goes_to_the_oracle():
    path = EXPERIMENTS["manifold"].run(study.risk(), study.DESCENT, 30, np.random.default_rng(1), steps=4_000)
    assert (distance_to_manifold(path.final) == 0).all()
    assert is_at_oracle(path.final).all()
    # where they go is decided by the separatrix, of slope −(√(a'² + 4) − a')/2 at the saddle (0, 0)
    D, a = 1 + 2 * 0.01 * 0.5, 1 / math.sqrt(1 + 4 * 0.01 * 0.5)
    slope = 2 / math.sqrt(math.pi) * a * 0.1 * CONSTANTS["m"] / math.sqrt(D)
    side = path.overlaps["nu"][0] + (math.sqrt(slope**2 + 4) - slope) / 2 * path.overlaps["kappa"][0]
    far = np.abs(side) > 0.02  # near the separatrix its curvature decides
    assert (np.sign(side[far]) == np.sign(path.final["kappa"][far])).all() and far.sum() > 15


def test_the_two_limits_are_where_they_are_said_to_be():
    ends = {
        name: np.array(numbers)
        for name, numbers in {
            "kappa": [1.0, -0.98, 0.0, 0.0, 1.0],
            "nu": [1.0, -1.0, 0.0, 0.0, -1.0],
            "theta": [0.0, 0.0, 0.63, -0.63, 0.0],
            "eta": [0.0, 0.0, 1.0, 1.0, 0.0],
            "rho": [0.0] * 5,
        }.items()
    }
    assert is_at_oracle(ends).tolist() == [True, True, False, False, False]
    assert is_swapped(ends).tolist() == [False, False, True, False, False]


def test_the_oracle_is_reached_at_the_rate_of_the_linearised_flow():
    """On the manifold, against the closed form of the claim, and against paths of the flow and of steps."""
    values = {**CONSTANTS, "m": 3.0, "lam": 0.3}
    rates = linear_rates(study.risk(), AT_ORACLE, values, study.DESCENT)
    metric = {kappa: 1 - kappa**2, nu: 1 - nu**2}
    reduced = linear_rates(study.reduced_risk(), {"kappa": 1.0, "nu": 1.0}, values, metric)
    D, a, u = 1 + 2 * 0.09 * 0.5, 1 / math.sqrt(1 + 4 * 0.09 * 0.5), 0.3 * 3.0 / math.sqrt(1 + 2 * 0.09 * 0.5)
    closed = sorted([
        8 * 0.5 * 3.0 * 0.3 / math.sqrt(math.pi * D) * math.exp(-(u**2)) * math.erfc(a * u),
        4 * 0.5 * math.erf(u),
    ])  # fmt: skip
    assert np.allclose(reduced, closed, rtol=1e-7)
    assert len(rates) == 6 and np.allclose(rates[:2], reduced[0] / 2, rtol=1e-7)
    path = gradient_flow(
        study.reduced_risk(), {"kappa": 0.5, "nu": 0.3}, 60.0, values=values, manifold=metric, record=401, tolerance=0
    )
    assert fitted_rate(path, {"kappa": 1.0, "nu": 1.0}).agrees_with(reduced[0])
    start = {"kappa": 0.5, "nu": 0.3, "theta": 0.0, "eta": 0.0, "rho": 0.0}
    steps = projected_gradient_descent(
        study.risk(), start, step=0.02, steps=4000, values=values, manifold=study.DESCENT, record=2001, tolerance=0
    )
    fit = fitted_rate(steps, {"kappa": 1.0, "nu": 1.0})
    assert fit.agrees_with(2 * rate_of_steps(rates[0], 0.02))
    assert not fit.agrees_with(rate_of_steps(rates[0], 0.02))


NEW = (
    "manifold-is-invariant-under-descent",
    "descent-on-the-manifold",
    "rates-at-the-oracle",
    "oracle-is-not-the-best-for-large-temperature",
)


@pytest.mark.parametrize("name", NEW)
def test_controls_fail(name):
    """The perturbed claims are refuted by the check that can refute."""
    control = study.study[name].perturbed("0.01")
    outcomes = [check.run(control, Context(np.random.default_rng(0))) for check in control.checks]
    assert any(found.fails for found in outcomes) and not any(found.holds for found in outcomes)
