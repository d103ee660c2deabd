"""A mean with its standard error and count: merging, printing, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.estimate import Estimate

samples = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


def test_an_estimate_is_the_mean_and_its_standard_error():
    estimate = Estimate.from_samples([1.0, 2.0, 3.0, 6.0])
    assert estimate.mean == 3.0
    assert estimate.standard_error == pytest.approx(math.sqrt(14 / 3 / 4))
    assert estimate.standard_deviation == pytest.approx(math.sqrt(14 / 3))
    assert estimate.relative_error == pytest.approx(estimate.standard_error / 3)
    assert Estimate(0.0, 1.0, 5).relative_error == math.inf


@given(samples, samples)
def test_merging_is_the_estimate_of_the_joined_sample(first, second):
    merged = Estimate.from_samples(first) + Estimate.from_samples(second)
    joined = Estimate.from_samples(first + second)
    size = max(map(abs, first + second)) or 1.0
    assert merged.count == joined.count
    # rounding of sums of at most 60 squares
    assert merged.mean == pytest.approx(joined.mean, rel=1e-12, abs=1e-12 * size)
    assert merged.standard_error == pytest.approx(joined.standard_error, rel=1e-7, abs=1e-7 * size)


@given(samples, samples, samples)
def test_merging_is_associative_up_to_rounding(a, b, c):
    a, b, c = map(Estimate.from_samples, (a, b, c))
    size = max(abs(a.mean), abs(b.mean), abs(c.mean), 1.0)
    assert ((a + b) + c).mean == pytest.approx((a + (b + c)).mean, abs=1e-10 * size)


def test_merging_keeps_the_digits_of_a_small_spread_around_a_large_mean():
    values = 1e9 + np.random.default_rng(0).standard_normal(2000)
    merged = Estimate.from_samples(values[:700]) + Estimate.from_samples(values[700:])
    assert merged.standard_error == pytest.approx(values.std(ddof=1) / math.sqrt(2000), rel=1e-9)


def test_one_sample_tells_nothing_of_the_spread():
    one = Estimate.from_samples([2.0])
    assert one.standard_error == math.inf
    assert str(one) == "2 ± inf (n = 1)"
    assert one + Estimate.from_samples([4.0]) == Estimate.from_samples([2.0, 4.0])


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.123451, 0.000123, 1_000_000), "0.12345 ± 0.00012 (n = 1e6)"),
        (Estimate(-12.3456, 0.5, 1500), "-12.35 ± 0.50 (n = 1,500)"),
        (Estimate(123456.0, 250.0, 1_234_567), "123456 ± 250 (n = 1.23e6)"),
        (Estimate(1.2345e-9, 1.2e-12, 100), "(1.2345 ± 0.0012)e-9 (n = 100)"),
        (Estimate(0.5, 0.0, 10), "0.5 ± 0 (n = 10)"),
        (Estimate(0.0, 0.01, 10**9), "0.000 ± 0.010 (n = 1e9)"),
    ],
)
def test_printing_shows_two_digits_of_the_error(estimate, text):
    assert str(estimate) == text


def test_latex():
    assert Estimate(0.123451, 0.000123, 10**6)._repr_latex_() == r"$0.12345 \pm 0.00012 \; (n = 10^{6})$"
    assert Estimate(1.2345e-9, 1.2e-12, 1500)._repr_latex_() == (
        r"$(1.2345 \pm 0.0012) \times 10^{-9} \; (n = 1{,}500)$"
    )
    assert r"\infty" in Estimate.from_samples([1.0])._repr_latex_()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Estimate(math.nan, 0.1, 5), "mean=nan"),
        (lambda: Estimate(0.0, -0.1, 5), "standard_error=-0.1"),
        (lambda: Estimate(0.0, math.nan, 5), "standard_error=nan"),
        (lambda: Estimate(0.0, 0.1, 0), "count=0"),
        (lambda: Estimate(0.0, 0.1, 2.5), "count=2.5"),
        (lambda: Estimate.from_samples([]), "at least one sample"),
        (lambda: Estimate.from_samples([[1.0]]), r"got shape \(1, 1\)"),
        (lambda: Estimate.from_samples([0.0, math.inf]), "inf at index 1"),
        (lambda: Estimate(0.0, 0.1, 5).interval(0), "standard_errors=0"),
    ],
)
def test_wrong_use_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_estimate_is_frozen_and_adds_to_estimates_only():
    estimate = Estimate(0.0, 1.0, 4)
    with pytest.raises(AttributeError):
        estimate.mean = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        estimate + 1  # type: ignore[operator]
