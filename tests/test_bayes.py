"""The Bayes risk: one certified integral against brute force, simulation, limits and laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from flint import arb
from scipy.special import gammaln

from numerics import simulate
from numerics.balls import ball
from numerics.quadrature import QuadratureBudgetExceeded
from proofs_check.certified import CertifiedNumerics
from proofs_check.check import Context
from proofs_check.monte_carlo import MonteCarloAgreement
from proofs_check.studies import _bayes
from proofs_check.studies._bayes import (
    BAYES_SIMULATOR,
    MODELS,
    BayesExcess,
    WithSimulator,
    bayes_claims,
    bayes_excess_at,
    bayes_excess_ball,
    second_moment_of_the_loss,
)

R = sp.Rational

# γ = σ = 1: (ν = m², L), and the value computed by hand, right in all its digits
EQUAL = [
    (R(1, 2), 2, "0.3979728672"),
    (2, 2, "0.2247997546"),
    (5, 2, "0.0843965125"),
    (20, 2, "0.0012056574"),
    (2, 3, "0.3524232689"),
    (5, 5, "0.2317120288"),
    (9, 4, "0.0652022172"),
    (1, 10, "0.7903319941"),
]
# γ² = 1/2, σ = 1, m = √(d/2): (d, L), the value by hand, the certified one. The first two by hand miss in the
# last digits.
UNEQUAL = [
    (3, 4, "0.2437454891", "0.243745488773"),
    (10, 10, "0.1088108670", "0.108810866813"),
    (5, 3, "0.1165622677", "0.116562267713"),
]


def holds_to(x: arb, decimal: str) -> bool:
    """The decimal is the number to within one unit of its last digit."""
    return bool(abs(x - arb(decimal)) < arb(10) ** -len(decimal.split(".")[1]))


def excess_by_brute_force(L, m, gamma, sigma, d, step=0.08, step_in_time=0.25):
    """γ² − ∫ E[g² z² e^{−tg}] (E e^{−tg})^{L−1} dt in floats, over ⟨X, k*⟩ and the norm of the rest, no square
    completed."""
    wide = max(1.0, gamma / sigma)
    s = np.arange(-9 * wide, 9 * wide, step)
    y = np.arange(-60 / max(d - 1, 1), math.log((60 + 10 * d) * wide**2), step)
    S, N = np.meshgrid(s, np.exp(y), indexing="ij")
    log_ratio = d * math.log(sigma / gamma) + (1 - sigma**2 / gamma**2) / 2 * (S**2 + N)
    log_ratio += m * sigma * S / gamma**2 - m**2 / (2 * gamma**2)
    normal = np.exp(-s * s / 2) / math.sqrt(2 * math.pi) * step

    def chi_square(n):
        return np.exp(n / 2 * y - np.exp(y) / 2 - n / 2 * math.log(2) - gammaln(n / 2)) * step

    plain, weighted = np.outer(normal, chi_square(d - 1)), np.outer(normal, chi_square(d + 1))
    total = 0.0
    for x in np.arange(-35 - max(0.0, 0.75 * log_ratio.max()), 45, step_in_time):
        t_times_ratio = np.exp(np.minimum(x + log_ratio, 300))
        kernel = np.exp(-t_times_ratio)
        inner = (weighted * t_times_ratio**2 * kernel).sum() * (plain * kernel).sum() ** (L - 1)
        total += step_in_time * math.exp(-x) * inner
    return gamma**2 - sigma**2 * total


@pytest.mark.parametrize(("nu", "L", "by_hand"), EQUAL)
def test_equal_variances_agree_with_the_values_by_hand(nu, L, by_hand):
    assert holds_to(bayes_excess_ball(L, sp.sqrt(nu), 1, digits=11), by_hand)


@pytest.mark.parametrize(("d", "L", "by_hand", "certified"), UNEQUAL)
def test_the_constants_of_the_paper(d, L, by_hand, certified):
    found = bayes_excess_ball(L, sp.sqrt(R(d, 2)), sp.sqrt(R(1, 2)), 1, d, digits=12)
    assert holds_to(found, certified)
    assert abs(found - arb(by_hand)) < arb("4e-10")
    assert holds_to(found, by_hand) == (d == 5)
    assert float(found) == pytest.approx(excess_by_brute_force(L, math.sqrt(d / 2), 0.5**0.5, 1.0, d), abs=1e-11)


@pytest.mark.parametrize(
    ("L", "m", "gamma", "sigma", "d"), [(3, 1.25, 1.375, 0.75, 5), (4, 1.0, 0.5, 1.5, 2), (2, 0.5, 2.0, 1.0, 3)]
)
def test_other_variances_agree_with_brute_force(L, m, gamma, sigma, d):
    found = bayes_excess_ball(L, m, gamma, sigma, d, digits=12)
    assert float(found) == pytest.approx(excess_by_brute_force(L, m, gamma, sigma, d), abs=1e-9)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"L={model['L']}")
def test_the_simulated_bayes_predictor(model):
    estimate = simulate(BAYES_SIMULATOR, model, 200_000, seed=3)
    excess = bayes_excess_at(model["L"], model["m"], model["gamma"], model["sigma"], len(model["k_star"]))
    assert abs(estimate.mean - excess - model["epsilon"] ** 2) < 5 * estimate.standard_error


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"L={model['L']}")
def test_the_bound_of_the_squared_loss(model):
    rng = np.random.default_rng(5)
    tokens, target = BAYES_SIMULATOR.draw(rng, 200_000, **model)
    named = {name: model[name] for name in ("k_star", "v_star", "gamma", "m", "sigma")}
    fourth = np.mean((target - BAYES_SIMULATOR.predict(tokens, **named)) ** 4)
    assert fourth < second_moment_of_the_loss(**model) < 30 * fourth


@pytest.mark.parametrize(("gamma", "sigma"), [(R(3, 2), 1), (1, 1), (R(1, 2), 1)])
def test_more_digits_lie_in_fewer(gamma, sigma):
    fewer, more = (bayes_excess_ball(3, 1, gamma, sigma, 4, digits=digits) for digits in (6, 25))
    assert fewer.overlaps(more) and more.rad() < arb("1e-25") and fewer.rad() < arb("1e-6")


def test_units_of_length_do_not_matter():
    one, scaled = (bayes_excess_ball(4, 1 * c, R(3, 2) * c, R(2, 3) * c, 3, digits=15) for c in (1, R(7, 3)))
    assert (one * arb(49) / 9).overlaps(scaled)


def test_the_dimension_and_the_sign_of_the_signal_do_not_matter_where_they_should_not():
    assert bayes_excess_ball(3, 1, 1, 1, 2).overlaps(bayes_excess_ball(3, -1, 1))
    assert bayes_excess_ball(3, 1, 2, 1, 4).overlaps(bayes_excess_ball(3, -1, 2, 1, 4))
    assert not bayes_excess_ball(3, 1, 2, 1, 4).overlaps(bayes_excess_ball(3, 1, 2, 1, 5))


def test_nearly_equal_variances_are_between():
    below, at, above = (float(bayes_excess_ball(3, 1, R(100 + i, 100), 1, 4)) for i in (-1, 0, 1))
    assert below < at < above and abs((below + above) / 2 - at) < 1e-3


def test_without_a_signal_the_location_is_a_guess():
    assert bayes_excess_ball(7, 0, 2, 2).overlaps(arb(4) * 6 / 7)
    assert bayes_excess_ball(1, 3, 1) == 0


def test_very_strong_signals_keep_their_digits():
    found = bayes_excess_ball(10, sp.sqrt(200), 1, digits=10)
    assert found < arb("1e-21") and found.rad() < found * arb("1e-10")


def test_the_ratio_at_nu_80_is_that_of_three_terms():
    """The notes have .9666 there; it is .9713, as the next term of their own expansion says."""
    leading = arb.pi().sqrt() / (2 * arb(80).sqrt()) * (-arb(20)).exp()
    ratio = float(bayes_excess_ball(2, sp.sqrt(80), 1, digits=10) / leading)
    three_terms = 1 - math.pi**2 / 320 + 5 * math.pi**4 / (32 * 6400)
    assert ratio == pytest.approx(0.9712803, abs=1e-7)
    assert ratio == pytest.approx(three_terms, abs=4e-4)


def test_the_budget_is_kept_and_named():
    with pytest.raises(QuadratureBudgetExceeded, match=r"8 digits of the Bayes excess .* 0\.05 s"):
        bayes_excess_ball(10, sp.sqrt(200), sp.sqrt(R(1, 2)), 1, 400, seconds=0.05)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((0, 1, 1), "L=0"),
        ((2.0, 1, 1), "L=2.0"),
        ((True, 1, 1), "L=True"),
        ((2, 1, 0), "gamma=0"),
        ((2, 1, 1, -1), "sigma=-1"),
        ((2, math.nan, 1), "m=nan"),
        ((2, "1", 1), "m='1'"),
        ((2, 1, 1, 2), "d=None"),
        ((2, 1, 1, 2, 1), "d=1"),
        ((2, 1, 1, 1, None, 0), "digits=0"),
    ],
)
def test_wrong_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        bayes_excess_ball(*arguments)


def test_the_expression_has_a_ball_at_points_and_none_on_boxes():
    m = sp.Symbol("m", real=True)
    at = ball(BayesExcess(2, m, 1, 1, 2) + 1, {m: R(7, 5)}, 20)
    assert at.overlaps(1 + bayes_excess_ball(2, R(7, 5), 1, digits=20))
    assert not _bayes._ball_of_excess(arb(2), arb(1, 0.1), arb(1), arb(1), arb(2)).is_finite()
    assert not _bayes._ball_of_excess(arb(2), arb(1), arb(1), arb(1, 0.1), arb(2)).is_finite()


def run(claim, seed=2):
    return claim.checks[0].run(claim, Context(np.random.default_rng(seed), alpha=1e-7, seed=seed))


@pytest.mark.parametrize("claim", bayes_claims, ids=lambda claim: claim.name)
def test_claims(claim):
    verdict = run(claim)
    assert verdict.fails if claim.expected == "refuted" else verdict.holds, verdict


def test_controls_of_the_certified_claims_are_refuted():
    identity = next(claim for claim in bayes_claims if "general-integral" in claim.name)
    assert run(identity.perturbed("1e-12")).fails
    for claim in bayes_claims:
        if isinstance(claim.checks[0], CertifiedNumerics) and claim.expected == "holds" and claim is not identity:
            assert run(claim.perturbed("0.1")).fails, claim.name


def test_controls_of_the_simulations_are_refuted():
    for claim in bayes_claims[:2]:
        assert isinstance(claim.checks[0], WithSimulator) and claim.is_statistical
        assert run(claim.perturbed("0.2" if "risk" in claim.name else "0.05")).fails, claim.name


def test_a_check_with_its_own_simulator_leaves_the_context_alone():
    context = Context(np.random.default_rng(0), simulator="the study's")
    check = WithSimulator(MonteCarloAgreement(absolute=0.05, models=MODELS[:1], variance=1), BAYES_SIMULATOR)
    assert check.name == "MonteCarloAgreement"
    check.run(bayes_claims[1], context)
    assert context.simulator == "the study's"
