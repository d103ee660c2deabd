"""Agreement with a simulation: true formulas hold, wrong ones fail with a witness, the rest is undecided."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from scipy.special import erf

from numerics.simulators import Simulator
from proofs_check.check import Context
from proofs_check.claim import Claim
from proofs_check.monte_carlo import (
    BoundedFormula,
    ClaimedMean,
    MonteCarloAgreement,
    agreement_of_expectation,
    compare,
)
from proofs_check.strategies import models, reals
from theory.domain import Domain
from theory.statement import Agreement, equal

t = sp.Symbol("t", positive=True)
DOMAIN = Domain({t: (sp.Rational(1, 2), 2)})

# y = erf(z t)², a bounded loss: E erf(tz)² = (2/π) arcsin(2t²/(1 + 2t²)).
BOUNDED = Simulator(
    draw=lambda rng, n, t: (rng.standard_normal((n, 1, 1)), np.zeros(n)),
    predict=lambda tokens, t: erf(t * tokens[:, 0, 0]),
)
BOUNDED_MEAN = 2 * sp.asin(2 * t**2 / (1 + 2 * t**2)) / sp.pi

# y = (t z)², E y² = 3 t⁴.
SQUARE = Simulator(
    draw=lambda rng, n, t: (np.zeros((n, 1, 1)), t * rng.standard_normal(n)),
    predict=lambda tokens, t: np.zeros(len(tokens)),
)


def agreement(formula, check, domain=DOMAIN, **kwargs):
    return Claim("a-claim", "A sentence.", lambda: Agreement(formula), domain, "here", (check,), **kwargs)


def run(claim, simulator, seed=0, alpha=1e-6, seconds=30.0):
    context = Context(np.random.default_rng(seed), simulator, alpha, seconds, seed)
    return claim.checks[0].run(claim, context)


def test_a_true_formula_holds_and_says_to_within_what():
    check = MonteCarloAgreement(resolution=0.02, points=2, second_moment=1)
    verdict = run(agreement(BOUNDED_MEAN, check), BOUNDED)
    assert verdict.holds
    assert verdict.evidence.value == "statistical"
    assert verdict.scope == "to within 0.02 max(|θ|, √v) at 2 models"
    assert "samples, false-alarm rate 1e-06" in verdict.reason


@pytest.mark.parametrize("by", ["1/100", "-1/100"])
def test_one_percent_is_refuted_for_a_bounded_loss(by):
    # |erf| ≤ 1 proves E y² ≤ 1. At t = 2, cv is about 0.9: 2 log(4/α) 8100 = 250,000 draws.
    check = MonteCarloAgreement(resolution=0.002, models=[{"t": 2.0}], second_moment=1)
    control = agreement(BOUNDED_MEAN, check).perturbed(sp.Rational(by))
    verdict = run(control, BOUNDED)
    assert verdict.fails
    assert verdict.witness.point == {"t": 2.0}
    estimate = float(verdict.witness.lhs.split(" ± ")[0])
    truth = float(BOUNDED_MEAN.subs(t, 2))
    assert abs(estimate - truth) < abs(estimate - float(verdict.witness.rhs))


def test_the_bound_may_be_a_function_of_the_model_or_an_expression():
    for second_moment in (lambda t: 3 * t**4, 3 * t**4):
        check = MonteCarloAgreement(0.05, models=[{"t": 1.5}], second_moment=second_moment)
        assert run(agreement(t**2, check), SQUARE).holds
    check = MonteCarloAgreement(0.05, models=[{"t": 1.5}], variance=lambda t: 2 * t**4)
    assert run(agreement(t**2, check), SQUARE).holds


def test_models_may_be_drawn_by_a_function_or_a_strategy():
    for source in (lambda rng: {"t": rng.uniform(1, 2)}, models(t=reals(1, 2))):
        check = MonteCarloAgreement(0.05, points=2, models=source, second_moment=3 * t**4)
        assert run(agreement(t**2, check), SQUARE).holds
    check = MonteCarloAgreement(0.05, second_moment=3 * t**4)
    assert run(agreement(t**2, check, models=[{"t": 1.0}]), SQUARE).scope.endswith("at 1 model")


def test_a_formula_in_other_letters_than_the_simulator_takes_its_coordinates():
    s = sp.Symbol("s", positive=True)
    check = MonteCarloAgreement(0.05, models=[{"t": 1.5}], second_moment=3 * s**2, coordinates=lambda t: {"s": t**2})
    assert run(agreement(s, check), SQUARE).holds
    without = MonteCarloAgreement(0.05, models=[{"t": 1.5}], second_moment=3 * s**2)
    verdict = run(agreement(s, without), SQUARE)
    assert verdict.undecided
    assert "coordinates=" in verdict.reason


def test_the_same_seed_gives_the_same_verdict():
    check = MonteCarloAgreement(0.05, points=1, second_moment=3 * t**4)
    wrong = agreement(t**2 * sp.Rational(6, 5), check)
    first, again, other = (run(wrong, SQUARE, seed) for seed in (1, 1, 2))
    assert first == again
    assert first.witness.lhs != other.witness.lhs


def test_an_understated_bound_is_refuted_itself_and_the_formula_left_alone():
    check = MonteCarloAgreement(0.02, models=[{"t": 1.0}], second_moment=1.2)
    verdict = run(agreement(t**2, check), SQUARE)
    assert verdict.undecided
    assert "the second_moment bound 1.2 is itself refuted" in verdict.reason
    check = MonteCarloAgreement(0.02, models=[{"t": 1.0}], variance=0.2)
    verdict = run(agreement(t**2, check), SQUARE)
    assert verdict.undecided
    assert "the variance bound 0.2 is itself refuted" in verdict.reason


def test_an_understated_bound_rarely_passes_for_a_wrong_formula():
    # Understated a hundredfold the e-process of a true formula is unsafe; the test of the bound is quicker.
    verdicts = []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        claimed = ClaimedMean(1.0, variance=0.02)
        verdicts.append(compare(lambda rng, n: rng.standard_normal(n) ** 2, claimed, rng, resolution=0.05))
    assert all(result.bound_is_refuted for result in verdicts)


def test_a_budget_that_is_too_small_says_what_to_raise():
    check = MonteCarloAgreement(0.001, models=[{"t": 1.0}], second_moment=3, max_samples=5000)
    verdict = run(agreement(t**2, check), SQUARE)
    assert verdict.undecided
    assert "5,000 samples" in verdict.reason
    assert "raise max_samples" in verdict.reason


def test_a_finished_time_budget_is_undecided():
    check = MonteCarloAgreement(0.001, points=2, second_moment=3 * t**4)
    assert run(agreement(t**2, check), SQUARE, seconds=0.0).undecided


@pytest.mark.parametrize(
    "bounds, reason",
    [
        ({}, "no variance bound"),
        ({"second_moment": lambda t: math.inf}, "infinite, and plain sampling is refused"),
        ({"variance": lambda t: math.nan}, "nonnegative variance, got nan"),
        ({"second_moment": -1}, "nonnegative second_moment, got -1"),
        ({"variance": 0}, "the loss is a constant"),
    ],
)
def test_without_a_usable_bound_sampling_is_refused_by_name(bounds, reason):
    check = MonteCarloAgreement(0.05, models=[{"t": 1.0}], **bounds)
    verdict = run(agreement(t**2, check), SQUARE)
    assert verdict.undecided
    assert reason in verdict.reason
    assert "t=1.0" in verdict.reason


def test_nothing_tested_is_undecided():
    assert "nothing was tested" in run(agreement(t**2, MonteCarloAgreement(models=[], second_moment=1)), SQUARE).reason
    assert "no simulator" in run(agreement(t**2, MonteCarloAgreement(second_moment=1)), None).reason


def test_a_simulator_that_returns_no_numbers_is_refused():
    broken = Simulator(
        draw=lambda rng, n, t: (np.zeros((n, 1, 1)), np.zeros(n)),
        predict=lambda tokens, t: np.full(len(tokens), math.nan),
    )
    assert run(agreement(t**2, MonteCarloAgreement(second_moment=1)), broken).undecided


def test_misuse_raises():
    with pytest.raises(ValueError, match="resolution=0"):
        MonteCarloAgreement(resolution=0)
    with pytest.raises(ValueError, match="one bound"):
        BoundedFormula(t, second_moment=1, variance=1)
    check = MonteCarloAgreement(second_moment=1)
    identity = Claim("an-identity", "A sentence.", lambda: equal(t, t), DOMAIN, "here", (check,))
    with pytest.raises(TypeError, match="expected an Agreement with a simulation for MonteCarloAgreement"):
        run(identity, SQUARE)


def test_a_zero_mean_is_resolved_on_the_scale_of_the_standard_deviation():
    claimed = ClaimedMean(0.0, variance=1.0)
    rng = np.random.default_rng(0)
    result = compare(lambda rng, n: rng.standard_normal(n), claimed, rng, resolution=0.02)
    assert result.is_resolved
    assert result.tolerance == 0.02


def test_an_absolute_resolution_replaces_the_relative_one():
    claimed = ClaimedMean(100.0, variance=1.0)
    rng = np.random.default_rng(0)
    result = compare(lambda rng, n: 100 + rng.standard_normal(n), claimed, rng, absolute=0.05)
    assert result.is_resolved
    assert result.tolerance == 0.05
    with pytest.raises(ValueError, match="tolerance of at least"):
        compare(lambda rng, n: rng.standard_normal(n), claimed, rng, absolute=1e-5)


def test_a_formula_beyond_its_own_second_moment_is_refuted():
    # θ² > S contradicts the bound; the draws, which satisfy it, refute the formula.
    claimed = ClaimedMean(2.0, second_moment=1.0)
    result = compare(lambda rng, n: rng.standard_normal(n), claimed, np.random.default_rng(0))
    assert result.is_refuted
    assert not result.bound_is_refuted


def test_false_alarms_of_whole_comparisons_stay_below_nominal():
    # α = 10 %, 300 comparisons of true claims with heavy tails (z⁴), both tests included. If the rate is α,
    # more than 60 alarms have probability below 1e-6.
    alarms = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        result = compare(
            lambda rng, n: rng.standard_normal(n) ** 4,
            ClaimedMean(3.0, second_moment=105.0),
            rng,
            resolution=0.1,
            alpha=0.1,
            max_samples=4000,
        )
        alarms += result.is_refuted or result.bound_is_refuted
    assert alarms <= 60


z, w, a = sp.symbols("z w a", real=True)


def test_the_expectation_of_an_expression():
    expr, values = sp.erf(a * z + w) * z, {a: sp.Rational(3, 4)}
    # E erf(az + w) z = a E erf′ = 2a/√π (1 + 2(1 + a²))^(-1/2) for independent z, w; |erf| ≤ 1, E z² = 1.
    closed = 2 * a / sp.sqrt(sp.pi * (1 + 2 * (1 + a**2)))
    verdict = agreement_of_expectation(expr, closed, (z, w), values=values, second_moment=1, resolution=0.02)
    assert verdict.holds
    wrong = closed.subs(a, a * sp.Rational(11, 10))
    verdict = agreement_of_expectation(expr, wrong, (z, w), values=values, second_moment=1, resolution=0.02)
    assert verdict.fails
    assert verdict.witness.point == {"a": sp.Rational(3, 4)}


def test_the_expectation_under_a_correlated_and_a_singular_law():
    # Isserlis: E z²w² = s t + 2 r², E z⁴w⁴ ≤ 105 for unit variances.
    for r in (sp.Rational(1, 2), 1):
        law = {"covariance": [[1, a], [a, 1]], "values": {a: r}, "second_moment": 105}
        assert agreement_of_expectation(z**2 * w**2, 1 + 2 * a**2, (z, w), resolution=0.02, **law).holds
        assert agreement_of_expectation(z**2 * w**2, 1 + a**2, (z, w), resolution=0.02, **law).fails
    with pytest.raises(ValueError, match="positive semidefinite covariance"):
        agreement_of_expectation(z * w, 2, (z, w), covariance=[[1, 2], [2, 1]], second_moment=3)
    with pytest.raises(ValueError, match="symmetric covariance"):
        agreement_of_expectation(z * w, 2, (z, w), covariance=[[1, 0], [1, 1]], second_moment=3)


def test_an_expectation_with_infinite_variance_is_refused():
    # E exp(z²/3)² is infinite, though the mean is √3.
    verdict = agreement_of_expectation(sp.exp(z**2 / 3), sp.sqrt(3), (z,), second_moment=sp.oo)
    assert verdict.undecided
    assert "infinite, and plain sampling is refused" in verdict.reason


def test_text_is_never_read_as_a_formula():
    with pytest.raises(TypeError, match="got the text '0'"):
        agreement_of_expectation(z, "0", (z,), second_moment=1)
