"""Frequencies: exact intervals, basins of attraction, and claims about them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import comb

from numerics import basins, binomial_interval, projected_gradient_descent
from proofs_check import BinomialFrequency, Context, claim
from theory import Domain, Frequency, Risk

x = sp.Symbol("x", real=True)
Q = sp.Rational


def tail(count: int, trials: int, p: float) -> float:
    """P(X >= count) of a binomial law."""
    return sum(comb(trials, j, exact=True) * p**j * (1 - p) ** (trials - j) for j in range(count, trials + 1))


@given(st.integers(1, 60), st.data(), st.sampled_from([0.3, 0.05, 1e-4]))
def test_the_ends_of_the_interval_are_where_the_tails_are_half_of_alpha(trials, data, alpha):
    count = data.draw(st.integers(0, trials))
    low, high = binomial_interval(count, trials, alpha)
    assert 0 <= low <= count / trials <= high <= 1
    if count:
        assert math.isclose(tail(count, trials, low), alpha / 2, rel_tol=1e-7)
    if count < trials:
        assert math.isclose(1 - tail(count + 1, trials, high), alpha / 2, rel_tol=1e-6, abs_tol=1e-12)


@pytest.mark.parametrize("p", [0.02, 0.1, 0.31, 0.97])
def test_the_interval_covers_as_often_as_it_says(p):
    """Summed exactly over all outcomes, for n = 25; the normal interval is the control that does not."""
    n, alpha = 25, 0.05
    chance = [comb(n, j, exact=True) * p**j * (1 - p) ** (n - j) for j in range(n + 1)]
    covered = sum(
        c for j, c in enumerate(chance) if binomial_interval(j, n, alpha)[0] <= p <= binomial_interval(j, n, alpha)[1]
    )
    normal = sum(c for j, c in enumerate(chance) if abs(j / n - p) <= 1.96 * math.sqrt(j / n * (1 - j / n) / n))
    assert covered >= 1 - alpha
    assert normal < 1 - alpha


def test_wrong_counts_are_refused():
    for bad in ((3, 2), (-1, 2), (0, 0), (True, 2)):
        with pytest.raises(ValueError, match="expected"):
            binomial_interval(*bad)
    with pytest.raises(ValueError, match="alpha"):
        binomial_interval(1, 2, 0.0)


def path(step: float = 0.01, starts: int = 400):
    start = {"x": np.random.default_rng(0).uniform(-1.0, 3.0, starts)}
    return projected_gradient_descent(Risk((x**2 - 1) ** 2, (x,)), start, step=step, steps=1000)


def test_basins_of_a_double_well():
    """Uniform starts on [−1, 3] fall to the left with probability 1/4."""
    found = basins(path(), {"left": lambda e: e["x"] < -0.9, "right": lambda e: e["x"] > 0.9}, alpha=1e-6)
    low, high = found["left"].interval
    assert low < 0.25 < high and found["left"].count + found["right"].count == 400
    assert found.elsewhere.count == 0 and str(found).startswith("left: ")
    with pytest.raises(KeyError, match="no limit 'middle'; there are left, right"):
        found["middle"]


def test_starts_that_are_lost_are_elsewhere():
    """Steps of 0.3 throw the far starts out to infinity; they count, and belong nowhere."""
    lost = path(step=0.3)
    found = basins(lost, {"anywhere": lambda e: np.isfinite(e["x"])})
    assert 0 < found.elsewhere.count < 400 and dict(found.endings)
    assert found["anywhere"].count + found.elsewhere.count == 400


def test_wrong_limits_are_refused():
    with pytest.raises(ValueError, match="do not overlap"):
        basins(path(), {"a": lambda e: e["x"] > 0, "b": lambda e: e["x"] > 0.5})
    with pytest.raises(ValueError, match="400 booleans"):
        basins(path(), {"a": lambda e: e["x"]})
    single = projected_gradient_descent(Risk(x**2, (x,)), {"x": 1.0}, step=0.1, steps=3)
    with pytest.raises(ValueError, match="many starts"):
        basins(single, {})


# --- claims ----------------------------------------------------------------------------------------


def coin(p: float):
    return lambda rng, n: rng.random(n) < p


def verdict(p: float, low, high=1, trials: int = 600, alpha: float = 1e-6):
    @claim(on=Domain({}), by=[BinomialFrequency(coin(p), trials)])
    def frequency():
        """A coin shows heads often enough."""
        return Frequency("heads", low, high)

    context = Context(np.random.default_rng(7), alpha=alpha)
    return frequency, frequency.checks[0].run(frequency, context)


def test_a_true_frequency_holds_and_its_control_fails():
    made, found = verdict(0.5, Q(1, 3), Q(2, 3))
    assert found.holds and "600 independent trials" in found.scope
    assert made.checks[0].run(made.perturbed("0.1"), Context(np.random.default_rng(7))).fails
    made, found = verdict(0.99, Q(9, 10))
    assert found.holds
    assert made.checks[0].run(made.perturbed("0.1"), Context(np.random.default_rng(7))).fails


def test_a_false_frequency_fails_with_the_count():
    _, found = verdict(0.5, Q(3, 4))
    assert found.fails and "of 600, probability in" in found.witness.text()


def test_a_bound_within_the_interval_is_undecided():
    _, found = verdict(0.5, Q(1, 2))
    assert found.undecided and "make more trials" in found.reason


def test_no_false_alarm_in_many_runs():
    """At α = 1/100 a true claim with its bound at the very probability is refuted in at most about 1 of 100 runs."""
    rng = np.random.default_rng(11)
    check = BinomialFrequency(coin(0.5), 50)
    made, _ = verdict(0.5, Q(1, 2))
    refuted = sum(check.run(made, Context(rng, alpha=0.01)).fails for _ in range(2000))
    assert refuted <= 40  # twice what the level allows; the chance of more is below 1e-4


def test_frequencies_are_read_and_wrong_ones_refused():
    assert Frequency("heads", Q(1, 3)).text() == "1/3 <= P(heads) <= 1"
    assert r"\text{heads}" in Frequency("heads", Q(1, 3)).latex()
    for low, high in ((0, 1), (Q(2, 3), Q(1, 3)), (-1, 1), (0, 2)):
        with pytest.raises(ValueError, match="expected"):
            Frequency("heads", low, high)
    with pytest.raises(ValueError, match="trials >= 1"):
        BinomialFrequency(coin(0.5), 0)
    broken = BinomialFrequency(lambda rng, n: np.ones(n), 10)
    made, _ = verdict(0.5, Q(1, 2))
    with pytest.raises(TypeError, match="10 booleans"):
        broken.run(made, Context(np.random.default_rng(0)))
