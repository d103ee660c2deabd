"""Simulation: the result depends on the seed alone, means are right, bad input is named.

Statistical tests compare a mean of bounded or Gaussian losses with its exact value at 6 standard
errors; with 2e5 draws and fourth moments below 105 a false alarm is rarer than 1e-7 a test.
"""

from __future__ import annotations

import math
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest
from scipy.special import erf

from numerics.estimate import Estimate
from numerics.simulators import Simulator, losses, simulate, squared_error


def draw(rng, n, mean, *, L, noise=0.0):
    tokens = rng.standard_normal((n, L, len(mean))) + mean
    return tokens, tokens[:, 0, 0] + noise * rng.standard_normal(n)


def predict(tokens, k, lam=1.0):
    return (erf(lam * (tokens @ k))).mean(axis=1)


MODEL = Simulator(draw, predict)
VALUES = {"mean": np.array([0.5, -1.0, 0.0]), "L": 4, "k": [1.0, 0.0, 2.0], "noise": 0.3}


def zero(tokens):
    return np.zeros(len(tokens))


def chi_square(rng, n, d):
    tokens = rng.standard_normal((n, 1, d))
    return tokens, tokens.sum(axis=(1, 2))


@pytest.mark.parametrize("samples", [2, 3, 1000, 300_000])
def test_the_result_depends_on_the_seed_and_not_on_the_workers(samples):
    results = []
    for workers in (1, 2, 4):
        with ThreadPoolExecutor(workers) as executor:
            results.append(simulate(MODEL, VALUES, samples, seed=7, executor=executor))
    results.append(simulate(MODEL, VALUES, samples, seed=7))
    assert len(set(results)) == 1
    assert results[0].count == samples
    assert simulate(MODEL, VALUES, samples, seed=8) != results[0]


class Backwards(Executor):
    """Runs what it was given in the opposite order, when the first result is asked for."""

    def __init__(self):
        self.tasks = []

    def submit(self, function, /, *args, **kwargs):
        future = Future()
        future.result = lambda timeout=None: self.run(future)
        self.tasks.append((future, function, args, kwargs))
        return future

    def run(self, wanted):
        for future, function, args, kwargs in reversed(self.tasks):
            future.set_result(function(*args, **kwargs))
        self.tasks.clear()
        return Future.result(wanted)


def test_any_executor_serves_in_any_order():
    samples = 500_000  # several chunks
    assert simulate(MODEL, VALUES, samples, 7, executor=Backwards()) == simulate(MODEL, VALUES, samples, 7)


def test_the_mean_is_the_mean_of_the_model():
    estimate = simulate(Simulator(chi_square, zero), {"d": 4}, 200_000, seed=1)
    assert abs(estimate.mean - 4) < 6 * estimate.standard_error
    assert estimate.standard_error == pytest.approx(math.sqrt(2 * 16 / 200_000), rel=0.05)
    assert abs(estimate.mean - 4 * 1.1) > 6 * estimate.standard_error  # the control


def test_chunks_are_independent():
    """The means of the chunks of one seed scatter as their standard errors say."""
    model = Simulator(chi_square, zero)
    parts = [simulate(model, {"d": 1000}, 1000, seed=seed) for seed in range(60)]
    whole = simulate(model, {"d": 1000}, 60_000, seed=0)
    spread = np.std([part.mean for part in parts], ddof=1)
    # sixty normal means: their standard deviation is within 50 % of the truth with error below 1e-7
    assert spread / (whole.standard_error * math.sqrt(60)) == pytest.approx(1.0, abs=0.5)
    assert len({part.mean for part in parts}) == 60


def test_losses_are_what_the_functions_say():
    found = losses(MODEL, VALUES, np.random.default_rng(5), 500)
    tokens, target = draw(np.random.default_rng(5), 500, VALUES["mean"], L=4, noise=0.3)
    assert found.shape == (500,)
    assert np.array_equal(found, (target - predict(tokens, np.array(VALUES["k"]))) ** 2)


def test_large_requests_are_drawn_in_blocks_of_constant_memory():
    sizes = []

    def watched(rng, n, d):
        sizes.append(n)
        return chi_square(rng, n, d)

    found = losses(Simulator(watched, zero), {"d": 1000}, np.random.default_rng(0), 2000)
    assert found.shape == (2000,) and max(sizes) <= 64


def test_vector_targets_and_other_losses():
    model = Simulator(
        lambda rng, n: ((X := rng.standard_normal((n, 2, 3))), X.sum(axis=1)),
        lambda tokens: np.zeros((len(tokens), 3)),
    )
    estimate = simulate(model, {}, 100_000, seed=0)  # E ‖x₁ + x₂‖² = 6
    assert abs(estimate.mean - 6) < 6 * estimate.standard_error
    absolute = Simulator(chi_square, zero, loss=lambda target, prediction: np.abs(target - prediction))
    estimate = simulate(absolute, {"d": 1}, 100_000, seed=0)
    assert abs(estimate.mean - math.sqrt(2 / math.pi)) < 6 * estimate.standard_error


def test_squared_error_sums_over_the_entries_of_a_draw():
    assert squared_error(np.ones((2, 3)), np.zeros((2, 3))).tolist() == [3.0, 3.0]


def test_what_was_computed_survives_an_interrupt():
    calls = 0

    def interrupted(rng, n, d):
        nonlocal calls
        calls += 1
        if calls > 200:
            raise KeyboardInterrupt
        return chi_square(rng, n, d)

    with ThreadPoolExecutor(1) as executor, pytest.raises(KeyboardInterrupt) as caught:
        simulate(Simulator(interrupted, zero), {"d": 1000}, 10**6, seed=0, executor=executor)
    assert isinstance(caught.value.estimate, Estimate)
    assert 0 < caught.value.estimate.count < 10**6
    assert "so far:" in caught.value.__notes__[0]


def test_names_are_read_from_the_functions():
    assert MODEL.names == ("mean", "L", "noise", "k", "lam")
    lenient = Simulator(lambda rng, n, d, **rest: chi_square(rng, n, d), zero)
    assert lenient.names == ("d",)
    with pytest.raises(ValueError, match="unknown: D"):
        simulate(lenient, {"d": 2, "D": 3}, 10, seed=0)


def column(tokens):
    return np.zeros((len(tokens), 1))


def short(rng, n):
    return np.zeros((3, 1, 1)), np.zeros(n)


def nowhere(tokens):
    return np.full(len(tokens), np.nan)


def fails(model, values, samples=10, seed=0, executor=None):
    return lambda: simulate(model, values, samples, seed, executor)


def with_(**changes):
    return {**VALUES, **changes}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (fails(MODEL, {**VALUES, "gama": 1}), ValueError, "unknown: gama"),
        (fails(MODEL, {**VALUES, "lamb": 1}), ValueError, "unknown: lamb .did you mean lam"),
        (fails(MODEL, {"mean": VALUES["mean"]}), ValueError, "L, noise, k, lam; missing: L, k"),
        (fails(MODEL, with_(noise=math.nan)), ValueError, "finite noise, got noise=nan"),
        (fails(MODEL, with_(k=[1.0, math.inf, 0.0])), ValueError, r"k=inf at index \(1,\)"),
        (fails(MODEL, with_(k="abc")), TypeError, "for k, got k='abc'"),
        (fails(MODEL, with_(k=1j)), TypeError, "for k"),
        (fails(MODEL, VALUES, samples=1), ValueError, "samples >= 2, got samples=1"),
        (fails(MODEL, VALUES, samples=1e3), TypeError, "integer for samples"),
        (fails(MODEL, VALUES, seed=1.5), TypeError, "integer for seed, got seed=1.5"),
        (fails(MODEL, VALUES, seed=None), TypeError, "integer for seed"),
        (fails(MODEL, VALUES, seed=-1), ValueError, "seed >= 0"),
        (fails(MODEL, VALUES, executor=4), TypeError, "Executor, got executor=4"),
        (fails(draw, VALUES), TypeError, "expected a Simulator"),
        (fails(MODEL, 3), TypeError, "expected a dict"),
        (fails(Simulator(chi_square, column), {"d": 2}), ValueError, "from predict"),
        (fails(Simulator(chi_square, lambda tokens: 0.0), {"d": 2}), ValueError, "got .. from predict"),
        (fails(Simulator(lambda rng, n: np.zeros(n), zero), {}), ValueError, "expected a pair"),
        (fails(Simulator(short, zero), {}), ValueError, "tokens of first dimension 1, got shape"),
        (fails(Simulator(chi_square, zero, lambda a, b: 1.0), {"d": 2}), ValueError, "from loss"),
        (fails(Simulator(chi_square, nowhere), {"d": 2}), ValueError, "got nan"),
        (lambda: Simulator(lambda rng, n, **rest: None, zero).names, TypeError, "names each of"),
        (lambda: Simulator(None, zero), TypeError, "function for draw"),
        (lambda: losses(MODEL, VALUES, 3, 5), TypeError, "Generator for rng"),
        (lambda: losses(MODEL, VALUES, np.random.default_rng(0), 0), ValueError, "n >= 1"),
    ],
)  # fmt: skip
def test_wrong_use_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_default_may_be_left_out_and_none_may_be_passed():
    model = Simulator(lambda rng, n, d, m=None: chi_square(rng, n, d if m is None else m), zero)
    assert simulate(model, {"d": 3}, 100, 0) == simulate(model, {"d": 3, "m": None}, 100, 0)


def test_a_parameter_with_a_word_as_default_takes_words_and_nothing_else():
    def chosen(rng, n, d, side="left"):
        tokens, _ = chi_square(rng, n, d)
        return tokens, np.full(n, float(side == "left"))

    model = Simulator(chosen, zero)
    means = [simulate(model, {"d": 1, **given}, 10, 0).mean for given in ({}, {"side": "left"}, {"side": "right"})]
    assert means == [1.0, 1.0, 0.0]
    with pytest.raises(TypeError, match="a word for side, got side=3"):
        simulate(model, {"d": 1, "side": 3}, 10, 0)
    with pytest.raises(TypeError, match="for d, got d='left'"):
        simulate(model, {"d": "left"}, 10, 0)
