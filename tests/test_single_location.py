"""The first study: its claims, their controls, and the plain numeric calls."""

from __future__ import annotations

import importlib
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics import ball, simulate, stationary_points, value
from proofs_check import (
    CertifiedNumerics,
    Context,
    MonteCarloAgreement,
    PropertyBasedAgreement,
    SymbolicIdentity,
    studies,
)
from proofs_check.pytest_plugin import parametrize
from proofs_check.strategies import draw_examples
from theory import Agreement, Identity, Nature, to_latex
from theory.notation import L, c, epsilon, eta, gamma, kappa, lam, m, nu, q_k, q_v, rho, sigma, theta

module = importlib.import_module("proofs_check.studies.single_location")
STUDY = studies()["single-location"]
MODELS = draw_examples(module.single_location_models(), 12, seed=0)


def context(name, alpha=1e-9):
    return Context(np.random.default_rng(crc32(name.encode())), STUDY.simulator, alpha, seconds=120)


@parametrize(STUDY)
def test_every_claim_meets_its_expectation(claim, verdict):
    """Each in a test, with one false-alarm budget for the run; what is refuted shows its witness."""
    assert (verdict.witness is not None) == (claim.expected == "refuted")


EXACT = [claim for claim in STUDY.claims if isinstance(claim.statement, Identity) and claim.expected == "holds"]


@pytest.mark.parametrize("claim", EXACT, ids=lambda claim: claim.name)
def test_an_error_of_1e_12_is_refuted(claim):
    """The control of every identity, by balls wherever its symbols have numbers."""
    control = claim.perturbed(1e-12)
    assert not SymbolicIdentity().run(control, context("symbolic")).holds
    verdict = CertifiedNumerics(digits=30).run(control, context(claim.name))
    assert verdict.fails and verdict.witness is not None, str(verdict)


def test_monte_carlo_refutes_an_error_of_one_percent():
    claim = STUDY["risk-with-the-constants-of-the-paper"].perturbed(0.01)
    check = MonteCarloAgreement(
        resolution=0.005,
        models=[min(draw_examples(module.orthogonal_models(), 8, seed=1), key=lambda model: model["L"])],
        second_moment=module.second_moment_at,
        coordinates=module.coordinates,
    )
    assert check.run(claim, context("1 %")).fails


def test_the_property_based_check_refutes_an_error_of_ten_percent():
    claim = STUDY["risk-is-the-mean-of-the-model"]
    (check,) = (check for check in claim.checks if isinstance(check, PropertyBasedAgreement))
    for by in ("0.1", "-0.1"):
        verdict = check.run(claim.perturbed(sp.Rational(by)), context(by, alpha=1e-6))
        assert verdict.fails and "k_star" in str(verdict.witness), str(verdict)


def test_the_second_moment_bounds_what_is_drawn():
    """The variance bound is a claim too: E loss² of the simulator is the derived one."""
    agreement = replace(
        STUDY["risk-is-the-mean-of-the-model"],
        make_statement=lambda: Agreement(module.second_moment().expr, "squared loss"),
    )
    squared = replace(STUDY.simulator, loss=lambda y, t: (y - t) ** 4)
    # E loss⁴ has no use of its own; a crude bound that needs none: the losses of these models have a
    # kurtosis below 200, so S = 200 (E loss²)², and the check itself watches whether S is refuted
    check = MonteCarloAgreement(
        resolution=0.2,
        models=MODELS[:3],
        second_moment=lambda **model: 200 * module.second_moment_at(**model) ** 2,
        coordinates=module.coordinates,
    )
    verdict = check.run(agreement, replace(context("fourth"), simulator=squared))
    assert verdict.holds, str(verdict)


# --- the plain calls -----------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS, ids=range(len(MODELS)))
def test_risk_at_is_the_mean_of_the_simulation(model):
    estimate = simulate(STUDY.simulator, model, samples=20_000, seed=5)
    # six standard errors of a heavy-tailed mean are no proof; the e-process above is. Here the two must be near.
    assert abs(module.risk_at(**model) - estimate.mean) < 10 * estimate.standard_error


@pytest.mark.parametrize("model", MODELS, ids=range(len(MODELS)))
def test_gradient_at_is_the_slope_of_risk_at(model):
    in_k, in_v = module.gradient_at(**model)
    rng = np.random.default_rng(3)
    for name, slope in (("k", in_k), ("v", in_v)):
        direction = rng.standard_normal(len(model["k"]))
        h = 1e-5
        ahead, behind = (module.risk_at(**{**model, name: model[name] + s * h * direction}) for s in (1, -1))
        # central differences: error h² times a third derivative, plus rounding over h
        assert (ahead - behind) / (2 * h) == pytest.approx(slope @ direction, rel=1e-6, abs=1e-7)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_the_risk_depends_on_the_overlaps_only(seed):
    """Rotating all four vectors together changes nothing."""
    model = MODELS[seed % len(MODELS)]
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(model["k"]),) * 2))[0]
    turned = {name: rotation @ x if name in ("k", "v", "k_star", "v_star") else x for name, x in model.items()}
    for name in ("k_star", "v_star"):
        turned[name] = turned[name] / np.linalg.norm(turned[name])
    assert module.risk_at(**turned) == pytest.approx(module.risk_at(**model), rel=1e-12)


def test_published_numbers_of_the_oracle():
    """The population risk at the oracle for d = 400, L = 10, γ² = 1/2 (authors' experiments, λ = 0.1 and 0.9)."""
    k_star, v_star = np.eye(400)[:2]
    for temperature, published in ((0.1, 0.113498083), (0.9, 3.8193600018)):
        ours = module.risk_at(k_star, v_star, k_star, v_star, L=10, lam=temperature, gamma=0.5**0.5)
        assert ours == pytest.approx(published, abs=5e-10)


def test_value_at_overlaps_and_its_ball_agree():
    risk = module.risk()
    at = {"kappa": "0.3", "nu": "-0.2", "theta": "0.1", "eta": "0.4", "rho": "0.2", "q_k": 1, "q_v": 1}
    at |= {"L": 4, "lam": "0.7", "m": 2, "gamma": "0.5", "sigma": 1, "epsilon": "0.1"}
    enclosed = ball(risk, at, 30)
    assert abs(value(risk, {name: float(x) for name, x in at.items()}) - float(enclosed)) < 1e-14
    assert enclosed.rel_accuracy_bits() > 95


def test_stationary_points_of_the_reduced_risk():
    constants = {L: 10, lam: sp.Rational(1, 2), m: 2, gamma: 1, sigma: 1, epsilon: 0}
    found = stationary_points(
        module.reduced_risk().restrict(constants),
        {kappa: (-1, 1), nu: (-1, 1)},
        manifold={kappa: 1 - kappa**2, nu: 1 - nu**2},
    )
    natures = [point.nature() for point in found]
    assert found.complete and len(natures) == 5
    assert natures.count(Nature.MINIMUM) == 2 and natures.count(Nature.SADDLE) == 1


GOOD = {"k": [1, 0], "v": [0, 1], "k_star": [1, 0], "v_star": [0, 1], "L": 3, "lam": 1.0, "gamma": 1.0}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"k_star": [1, 1]}, "unit vector k_star"),
        ({"v_star": [0, 2]}, "unit vector v_star"),
        ({"k": [np.nan, 0]}, "finite entries in k"),
        ({"k": [1, 0, 0]}, "one dimension"),
        ({"k": [[1, 0]]}, r"shape \(d,\)"),
        ({"k": "ab"}, "real vector k"),
        ({"L": 0}, "L >= 1, got L=0"),
        ({"L": 2.5}, "integer L"),
        ({"lam": 0}, "lam > 0, got lam=0"),
        ({"lam": -1.0}, "lam > 0"),
        ({"gamma": -0.5}, "gamma >= 0, got gamma=-0.5"),
        ({"sigma": -1}, "sigma >= 0"),
        ({"epsilon": -1}, "epsilon >= 0"),
        ({"gamma": np.inf}, "finite number gamma"),
        ({"m": "2"}, "real number m"),
        ({"lam": 1j}, "real number lam"),
    ],
)
def test_bad_input_is_named(change, words):
    with pytest.raises(ValueError, match=words):
        module.risk_at(**{**GOOD, **change})
    with pytest.raises(ValueError, match=words):
        module.gradient_at(**{**GOOD, **change})


def test_a_misspelt_name_is_named():
    with pytest.raises(TypeError, match="lamda"):
        module.risk_at(**{**GOOD, "lamda": 1})
    with pytest.raises(ValueError, match="kapa"):
        value(module.risk(), {"kapa": 1})
    with pytest.raises(ValueError, match="gama"):
        simulate(STUDY.simulator, {**GOOD, "gama": 1}, samples=10, seed=0)


def test_any_angle_between_the_teacher_directions_is_served():
    oblique = {**GOOD, "v_star": [0.6, 0.8]}
    estimate = simulate(
        STUDY.simulator,
        {name: np.asarray(x) if isinstance(x, list) else x for name, x in oblique.items()},
        samples=100_000,
        seed=1,
    )
    assert abs(module.risk_at(**oblique) - estimate.mean) < 10 * estimate.standard_error


# --- shape of the result -------------------------------------------------------------------


def test_the_derivation_ends_in_the_reduced_risk():
    derivation = module.derivation_of_the_risk()
    assert {"exchangeable sums", "independence", "Stein", "erf moment"} <= set(derivation.rules())
    reduced = module.reduced_risk().expr
    point = {kappa: 0.3, nu: 0.8, L: 5, lam: 0.7, m: 2, gamma: 0.5, sigma: 1.1, epsilon: 0.2}
    for step in derivation.steps:  # every line of the derivation, not only the last
        line = step.after.doit().xreplace({node: sp.sympify(x) for node, x in module.OVERLAPS.items()})
        line = line.subs({theta: 0, eta: 0, rho: 0, c: 0, q_k: 1, q_v: 1})
        assert value(line, point) == pytest.approx(value(reduced, point), rel=1e-12)


def test_the_risk_prints_with_the_letters_of_the_field():
    text = to_latex(module.risk().expr)
    assert r"\kappa" in text and r"\operatorname{T}" in text and "lam" not in text.replace(r"\lambda", "")
