"""Moments for numeric covariances: Isserlis, laws, two other routes, and floats within their error bound."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from flint import fmpq
from hypothesis import given
from hypothesis import strategies as st

import numerics.gaussian_moments
from numerics import entrywise_mean, gaussian_moment
from theory import E, gaussians


def exact(powers, covariance, mean=None) -> Fraction:
    moment = gaussian_moment(powers, covariance, mean)
    assert moment.error_bound == 0
    return Fraction(int(moment.value.p), int(moment.value.q))


@st.composite
def covariances(draw, size=None):
    """LLᵀ for a rational L, at times singular."""
    d = draw(st.integers(1, 5)) if size is None else size
    number = st.builds(Fraction, st.integers(-4, 4), st.integers(1, 3))
    columns = draw(st.integers(1, d))
    root = [[draw(number) for _ in range(columns)] for _ in range(d)]
    return [[sum((a * b for a, b in zip(r, s, strict=True)), Fraction(0)) for s in root] for r in root]


@st.composite
def moments(draw, largest=6, centred=False):
    """Powers, covariance, mean."""
    covariance = draw(covariances())
    d = len(covariance)
    powers = draw(st.lists(st.integers(0, 4), min_size=d, max_size=d).filter(lambda p: sum(p) <= largest))
    mean = [Fraction(draw(st.integers(-3, 3)), draw(st.integers(1, 3))) for _ in range(d)]
    return powers, covariance, None if centred or draw(st.booleans()) else mean


def pairings(items):
    if not items:
        yield []
        return
    first, *rest = items
    for i, partner in enumerate(rest):
        for others in pairings(rest[:i] + rest[i + 1 :]):
            yield [(first, partner), *others]


# --- laws ----------------------------------------------------------------------------------


@given(covariances(4))
def test_isserlis(S):
    assert exact([1] * 4, S) == S[0][1] * S[2][3] + S[0][2] * S[1][3] + S[0][3] * S[1][2]


@given(moments(largest=8, centred=True))
def test_the_sum_over_pairings(given_moment):
    powers, S, _ = given_moment
    letters = [i for i, power in enumerate(powers) for _ in range(power)]
    total = Fraction(0) if len(letters) % 2 else sum(
        (math.prod((S[i][j] for i, j in pairing), start=Fraction(1)) for pairing in pairings(letters)), Fraction(0)
    )  # fmt: skip
    assert exact(powers, S) == total


@given(moments(), st.randoms(use_true_random=False))
def test_invariance_under_permutations(given_moment, rng):
    powers, S, mean = given_moment
    order = list(range(len(powers)))
    rng.shuffle(order)
    shuffled = [[S[i][j] for j in order] for i in order]
    shifts = None if mean is None else [mean[i] for i in order]
    assert exact([powers[i] for i in order], shuffled, shifts) == exact(powers, S, mean)


@given(moments(), st.fractions(-5, 5, max_denominator=7))
def test_scaling(given_moment, c):
    powers, S, mean = given_moment
    scaled = [[c * c * entry for entry in row] for row in S]
    shifts = None if mean is None else [c * entry for entry in mean]
    assert exact(powers, scaled, shifts) == c ** sum(powers) * exact(powers, S, mean)


@given(moments())
def test_the_binomial_theorem_for_the_mean(given_moment):
    """E (x₀ + c)^p from the central and the shifted moments."""
    powers, S, mean = given_moment
    c = Fraction(2, 3)
    start = [Fraction(0)] * len(powers) if mean is None else mean
    shifted = [start[0] + c, *start[1:]]
    total = sum(
        math.comb(powers[0], k) * c ** (powers[0] - k) * exact([k, *powers[1:]], S, start)
        for k in range(powers[0] + 1)
    )  # fmt: skip
    assert exact(powers, S, shifted) == total


@given(moments(largest=5))
def test_the_expectation_of_gaussian_scalars(given_moment):
    powers, S, mean = given_moment
    names = " ".join(f"x{i}" for i in range(len(powers)))
    letters = gaussians(names, mean=mean, covariance=sp.Matrix(S))
    product = sp.Mul(*(x**power for x, power in zip(letters, powers, strict=True)))
    value = gaussian_moment(powers, S, mean).value
    assert value == E(product) == entrywise_mean(product, {})


def test_one_coordinate_is_known():
    assert [exact([k], [[4]]) for k in range(9)] == [1, 0, 4, 0, 48, 0, 960, 0, 26880]
    assert exact([3], [[2]], [5]) == 5**3 + 3 * 5 * 2


def test_repeated_coordinates_merge():
    S = [[2, 1], [1, 3]]
    repeated = [[S[i // 3][j // 3] for j in range(6)] for i in range(6)]
    assert exact([3, 3], S) == exact([1] * 6, repeated)
    assert exact(Counter([0, 1, 0, 1, 1, 0]), S) == exact([3, 3], S)
    assert exact([60, 60], S) > 0  # 119!! pairings


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.booleans())
def test_states_are_counted_beforehand(powers, with_mean):
    layers = numerics.gaussian_moments._built(tuple(powers), with_mean)
    built = 1 + sum(len(layer.first) for layer in layers)
    count = numerics.gaussian_moments.number_of_states(powers, with_mean)
    if with_mean or sum(powers) % 2 == 0:
        assert built == count


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_what_repeats_most_comes_last(powers):
    count = numerics.gaussian_moments.number_of_states
    assert count(sorted(powers)) <= min(count(powers), count(sorted(powers, reverse=True)))


def test_every_kind_of_exact_number():
    assert gaussian_moment([2, 2], [[fmpq(1, 2), 0], [0, 1]]).value == sp.Rational(1, 2)
    assert gaussian_moment([2, 2], sp.Matrix([[sp.Rational(1, 2), 0], [0, 1]])).value == sp.Rational(1, 2)
    assert gaussian_moment([2, 2], np.array([[1, 0], [0, 1]])).value == 1


# --- floats --------------------------------------------------------------------------------


def as_fractions(array):
    return [[Fraction(entry) for entry in row] for row in np.atleast_2d(array).tolist()]


@given(st.integers(1, 10), st.integers(0, 10_000), st.booleans(), st.sampled_from([0, 2, 30]))
def test_floats_are_within_their_bound(d, seed, with_mean, spread):
    """Whatever the scales: against the exact moment of the floats as they are."""
    rng = np.random.default_rng(seed)
    scales = 10 ** rng.uniform(-spread, spread, d)
    root = rng.standard_normal((d, d)) * scales[:, None]
    S = root @ root.T
    S = (S + S.T) / 2
    mean = rng.standard_normal(d) * scales if with_mean else None
    powers = rng.multinomial(min(2 * d, 10), np.full(d, 1 / d)).tolist()
    moment = gaussian_moment(powers, S, mean)
    truth = exact(powers, as_fractions(S), None if mean is None else as_fractions(mean)[0])
    assert abs(Fraction(moment.value) - truth) <= Fraction(moment.error_bound)
    assert moment.error_bound <= 2.0**-26 * abs(moment.value) or truth == 0


def test_where_the_power_traces_give_nothing():
    """E x⁶yz = 15 σ⁶ s + 90 σ⁴ a b = 15,000,090; thewalrus 0.22 returns 0 for this 8 × 8 hafnian by default."""
    S = [[100.0, 0.01, 0.01], [0.01, 1e10, 1.0], [0.01, 1.0, 1e10]]
    moment = gaussian_moment([6, 1, 1], S)
    assert abs(moment.value - 15_000_090) <= moment.error_bound < 1e-6


def test_cancelling_pairings_are_computed_again_exactly():
    """Σ01 Σ23 + Σ02 Σ13 + Σ03 Σ12 = 1 + 1 − (2 − 2⁻⁵²)."""
    third = 2 - 2.0**-52
    S = 4 * np.eye(4)
    for i, j, c in ((0, 1, 1.0), (2, 3, 1.0), (0, 2, 1.0), (1, 3, 1.0), (0, 3, 1.0), (1, 2, -third)):
        S[i, j] = S[j, i] = c
    moment = gaussian_moment([1] * 4, S)
    assert moment.value == 2.0**-52 and moment.error_bound == 0
    loose = gaussian_moment([1] * 4, S, relative_error=1e3)
    assert loose.error_bound > 1e-17


def test_extreme_floats():
    assert gaussian_moment([2], [[1e-300]]).value == pytest.approx(1e-300)
    assert gaussian_moment([1, 1], [[1e300, 1e-10], [1e-10, 1e-300]]).value == pytest.approx(1e-10)
    assert gaussian_moment([2], [[0.0]], [3.0]).value == 9
    assert gaussian_moment([2, 2], [[1.0, 1e-300], [1e-300, 1.0]]).value == 1
    assert gaussian_moment([1, 1], [[1.0, 1e-300], [1e-300, 1.0]]).value == 1e-300
    expected = Fraction(math.prod(range(1, 400, 2)), 2**2000)
    assert Fraction(gaussian_moment([400], [[2.0**-10]]).value) == pytest.approx(expected)
    for power, variance in ((4, 1e300), (400, 1.0)):
        with pytest.raises(OverflowError, match="exact"):
            gaussian_moment([power], [[variance]])


def test_floats_and_exact_numbers_together():
    assert gaussian_moment([2, 2], [[0.5, 0], [0, Fraction(1, 2)]]).value == 0.25


# --- controls and refusals -----------------------------------------------------------------


def test_a_planted_bug_is_caught(monkeypatch):
    """Multiplicities forgotten."""
    right = numerics.gaussian_moments._layers

    def wrong(exponents, with_mean):
        layers = right(exponents, with_mean)
        return [type(layer)(**{**vars(layer), "times": np.ones_like(layer.times)}) for layer in layers]

    monkeypatch.setattr(numerics.gaussian_moments, "_layers", wrong)
    assert exact([1] * 4, np.ones((4, 4), dtype=int)) == 3  # nothing is repeated
    assert exact([4], [[1]]) != 3


@pytest.mark.parametrize(
    ("powers", "covariance", "mean", "error", "named"),
    [
        ([1, 1], [[1, 2], [2, 1]], None, ValueError, "semidefinite"),
        ([1, 1], [[1.0, 2.0], [2.0, 1.0]], None, ValueError, "semidefinite"),
        ([1, 1], [[1, 2], [3, 9]], None, ValueError, "symmetric"),
        ([1], [[1, 0], [0, 1]], None, ValueError, "expected 2 powers"),
        ([1, -1], [[1, 0], [0, 1]], None, ValueError, "nonnegative"),
        ([1, 0.5], [[1, 0], [0, 1]], None, TypeError, "whole number"),
        ({2: 1}, [[1, 0], [0, 1]], None, ValueError, "between 0 and 1"),
        ([1, 1], [[1, 0], [0, 1]], [1], ValueError, "expected 2 means"),
        ([1, 1], [[1.0, 0], [0, 1]], [1], ValueError, "expected 2 finite means"),
        ([1, 1], [[1.0, 0], [0, 1]], [math.nan, 1], ValueError, "finite means"),
        ([1, 1], [[math.inf, 0], [0, 1]], None, ValueError, "finite"),
        ([1, 1], "identity", None, TypeError, "text"),
        ([1], [["1"]], None, TypeError, "exact rational"),
        ([1], [1], None, ValueError, "rows"),
        ([1] * 64, np.eye(64, dtype=int), None, ValueError, "states"),
        ([10**9], [[1]], None, ValueError, "degree up to"),
        ([2] * 30, np.eye(30, dtype=int), None, ValueError, "states"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_refusals_by_name(powers, covariance, mean, error, named):
    with pytest.raises(error, match=named):
        gaussian_moment(powers, covariance, mean)
