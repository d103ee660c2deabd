"""The e-process: safe for every law with the variance it was told, and quick to refute a wrong mean."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.e_process import (
    SMALLEST_BET,
    BoundProcess,
    CatoniProcess,
    carried_on,
    combined,
    doubling_batches,
    expected_samples,
)


def phi(x: float) -> float:
    return math.copysign(math.log(1 + abs(x) + x * x / 2), x)


def literal_e_value(draws: list[float], theta: float, v: float) -> float:
    """The displayed formula, term by term."""
    bets = [sign * 2.0**-k for k in range(1, 13) for sign in (1, -1)]
    u = [(y - theta) / math.sqrt(v) for y in draws]
    wealth = [math.exp(sum(phi(bet * x) for x in u) - len(u) * math.log(1 + bet**2 / 2)) for bet in bets]
    return sum(wealth) / 24


numbers = st.floats(-50, 50)
positive = st.floats(0.01, 100)


@given(st.lists(numbers, min_size=1, max_size=8), numbers, positive)
def test_the_process_is_the_displayed_formula(draws, theta, v):
    process = CatoniProcess((theta,), v).update(np.array(draws))
    assert process.log_e_values[0] == pytest.approx(math.log(literal_e_value(draws, theta, v)), abs=1e-11)


@given(st.floats(0.001, 0.999), positive, numbers)
def test_no_two_point_law_makes_the_mean_of_one_step_exceed_one(p, spread, theta):
    # y = θ + b with probability p, θ − a otherwise, mean θ and variance a b: no statistics in this test.
    b, a = spread * (1 - p), spread * p
    after = [CatoniProcess((0.0,), a * b).update(np.array([y])).log_e_values[0] for y in (b, -a)]
    assert p * math.exp(after[0]) + (1 - p) * math.exp(after[1]) <= 1 + 1e-12


def e_values(rng, runs, n, power, v_over_truth=1.0):
    """Terminal e-values under a true hypothesis, for the mean of z^power."""
    moments = {2: (1, 3), 8: (105, 2_027_025)}
    mean, second = moments[power]
    v = (second - mean**2) * v_over_truth
    draws = rng.standard_normal((runs, n)) ** power
    return np.exp([CatoniProcess((mean,), v).update(row).log_e_values[0] for row in draws])


@pytest.mark.parametrize("power", [2, 8])
def test_the_mean_of_the_e_value_is_at_most_one(power):
    # E-values are nonnegative with mean at most one: exactly what BoundProcess tests, so that this test
    # raises a false alarm with probability at most 1e-9.
    values = e_values(np.random.default_rng(1), runs=4000, n=40, power=power)
    assert not BoundProcess(1.0).update(values).refutes(1e-9)


def test_the_mean_of_the_e_value_exceeds_one_when_the_variance_is_understated_tenfold():
    values = e_values(np.random.default_rng(1), runs=4000, n=40, power=2, v_over_truth=0.1)
    assert BoundProcess(1.0).update(values).refutes(1e-9)


def test_false_alarms_for_the_eighth_power_stay_far_below_nominal():
    # A six-sigma t-test rejects the true mean of z⁸ in 1.5 % of such runs. Here α = 5 %: 100 alarms of 2000
    # are allowed. If the true rate is α/5 or less, more than 50 alarms have probability below 1e-8.
    rng = np.random.default_rng(2)
    alarms = 0
    for _ in range(2000):
        process = CatoniProcess((105.0,), 2_027_025 - 105**2)
        for size in doubling_batches(1000, first=125):
            process = process.update(rng.standard_normal(size) ** 8)
        alarms += bool(process.refutes(0.05)[0])
    assert alarms <= 50


def test_a_wrong_mean_is_refuted_at_about_the_expected_cost():
    # Normal draws with a mean off by 0.05 standard deviations, α = 1e-6.
    expected = expected_samples(1e-6, 0.05)
    counts = []
    for seed in range(21):
        rng, process = np.random.default_rng(seed), CatoniProcess((0.05,), 1.0)
        while not process.refutes(1e-6)[0]:
            process = process.update(rng.standard_normal(200))
        counts.append(process.count)
    assert expected / 2 < np.median(counts) < 2 * expected


@given(st.lists(numbers, min_size=1, max_size=30), numbers, positive, st.floats(0.01, 10))
def test_shifting_and_scaling_everything_changes_nothing(draws, theta, v, scale):
    y = np.array(draws)
    plain = CatoniProcess((theta,), v).update(y)
    moved = CatoniProcess((scale * theta + 3,), v * scale**2).update(scale * y + 3)
    assert moved.log_e_values == pytest.approx(plain.log_e_values, abs=1e-9)


@given(st.lists(numbers, min_size=1, max_size=30), positive)
def test_each_half_of_the_bets_is_monotone_in_the_hypothesis(draws, v):
    process = CatoniProcess((-2.0, -0.5, 0.0, 0.1, 3.0), v).update(np.array(draws))
    assert np.all(np.diff(process.log_e_too_low) <= 1e-12)
    assert np.all(np.diff(process.log_e_too_high) >= -1e-12)


def test_a_mirror_exchanges_the_halves():
    y = np.random.default_rng(3).standard_exponential(500)
    process, mirrored = CatoniProcess((1.2,), 1.0).update(y), CatoniProcess((-1.2,), 1.0).update(-y)
    assert process.log_e_too_high == pytest.approx(mirrored.log_e_too_low, abs=1e-10)
    assert process.log_e_values == pytest.approx(mirrored.log_e_values, abs=1e-10)


def test_draws_may_come_in_any_batches():
    y = np.random.default_rng(4).standard_normal(20_000)
    together = CatoniProcess((0.0, 0.1), 1.0).update(y)
    apart = CatoniProcess((0.0, 0.1), 1.0)
    for start in range(0, len(y), 777):
        apart = apart.update(y[start : start + 777])
    assert apart.count == together.count
    assert apart.log_e_values == pytest.approx(together.log_e_values, abs=1e-8)


def test_the_running_maximum_remembers_a_crossing():
    crossed = CatoniProcess((0.0,), 1.0).update(np.full(200, 1.0))
    later = crossed.update(np.full(600, -0.9))
    assert later.log_e_values[0] < crossed.log_e_values[0]
    assert later.log_maxima[0] == crossed.log_maxima[0]
    assert later.refutes(1e-6)[0]


def test_update_leaves_the_process_as_it_was():
    process = CatoniProcess((0.0,), 1.0)
    process.update(np.ones(100))
    assert process.count == 0
    assert process.log_e_values[0] == pytest.approx(0.0, abs=1e-12)


def test_nothing_overflows():
    far_off = CatoniProcess((0.0,), 1.0).update(np.full(1_000_000, 10.0))
    assert 1e5 < far_off.log_e_values[0] < math.inf
    with np.errstate(over="raise", invalid="raise"):
        huge = CatoniProcess((0.0,), 1.0).update(np.array([1e300, -1e300, 1e-300]))
    assert np.isfinite(huge.log_e_values).all()


@pytest.mark.parametrize(
    "excess, refuted", [(1.0, False), (1 / 1.2, True), (0.1, True)], ids=["exact", "a-fifth-short", "tenfold"]
)
def test_a_second_moment_that_is_too_small_is_refuted(excess, refuted):
    # The false alarm of the first case is at most 1e-6 by Ville's inequality.
    draws = np.random.default_rng(5).standard_normal(20_000) ** 2
    assert BoundProcess(excess).update(draws).refutes(1e-6) is refuted


def test_combined_e_values_have_mean_exactly_one_when_each_has():
    # Six independent e-values, 1/2 or 3/2 with equal probability: all 64 outcomes.
    outcomes = [combined(np.log(outcome)) for outcome in product([0.5, 1.5], repeat=6)]
    assert np.mean(np.exp(outcomes)) == pytest.approx(1, abs=1e-12)


def test_combining_keeps_both_a_crowd_of_weak_witnesses_and_a_single_strong_one():
    assert combined([2.0] * 50) > 90
    assert combined([60.0] + [-2.0] * 49) > 45
    assert combined([0.0] * 50) == pytest.approx(0, abs=1e-12)
    assert math.isfinite(combined([1e6] * 50))


def test_carrying_the_bets_on_is_the_process_of_the_standardized_draws():
    rng = np.random.default_rng(6)
    y, x = rng.standard_normal(300), 5 + 3 * rng.standard_normal(200)
    apart = carried_on([CatoniProcess((0.1,), 1.0).update(y), CatoniProcess((5.0,), 9.0).update(x)])
    standardized = CatoniProcess((0.0,), 1.0).update(np.concatenate([y - 0.1, (x - 5) / 3]))
    assert apart.count == 500
    assert apart.log_e_values == pytest.approx(standardized.log_e_values, abs=1e-10)


@given(st.integers(1, 10**6), st.integers(1, 1000), st.integers(1000, 10**5))
@settings(max_examples=50)
def test_doubling_batches_end_at_the_total(total, first, largest):
    sizes = list(doubling_batches(total, first, largest))
    assert sum(sizes) == total
    assert max(sizes) <= largest


def test_the_smallest_bet_is_the_twelfth():
    assert SMALLEST_BET == 2.0**-12


@pytest.mark.parametrize("v", [0.0, -1.0, math.inf, math.nan])
def test_a_bound_that_is_no_bound_is_refused(v):
    with pytest.raises(ValueError, match="variance_bound"):
        CatoniProcess((0.0,), v)
    with pytest.raises(ValueError, match="bound="):
        BoundProcess(v)


def test_draws_that_are_no_numbers_are_refused():
    process = CatoniProcess((0.0,), 1.0)
    with pytest.raises(ValueError, match="got nan as number 1"):
        process.update(np.array([1.0, math.nan]))
    with pytest.raises(ValueError, match=r"shape \(2, 1\)"):
        process.update(np.ones((2, 1)))
    with pytest.raises(ValueError, match="alpha=0"):
        process.refutes(0)
    with pytest.raises(ValueError, match="nonnegative draws, got -1"):
        BoundProcess(1.0).update(np.array([-1.0]))
    with pytest.raises(ValueError, match="finite hypotheses"):
        CatoniProcess((math.inf,), 1.0)
