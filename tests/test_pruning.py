"""Pruning throws nothing away: planted zeros survive, wherever they lie and whatever is asked of them."""

from __future__ import annotations

import time

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.pruning import IntervalField, prune

x, y = sp.symbols("x y", real=True)


def pruned(field, ends, tries=0, seconds=10.0, constraints=()):
    program = IntervalField(field, (x, y), constraints)
    return prune(program, ends, lambda low, high: False, lambda: (), time.monotonic() + seconds, tries)


@settings(max_examples=10, deadline=None)
@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(1, 4), st.integers(-3, 3))
def test_a_planted_zero_is_in_a_cell_that_is_left(a, b, power, shear):
    p, q = sp.Rational(a), sp.Rational(b)
    field = [(x - p) * (2 + y**power) + shear * (y - q), sp.erf(y - q) + (x - p) ** 3]
    left = pruned(field, [(-1.0, 1.0), (-1.0, 1.0)])
    assert any(
        low[0] <= a <= high[0] and low[1] <= b <= high[1] for low, high in zip(left.low.T, left.high.T, strict=True)
    )


def test_a_box_without_zeros_is_empty():
    left = pruned([x**2 + y**2 + 1, x - y], [(-5.0, 5.0), (-5.0, 5.0)])
    assert left.low.shape == (2, 0) and left.reason == ""


def test_a_constraint_takes_its_side_away():
    field = [x**2 - sp.Rational(1, 4), y]
    both = pruned(field, [(-1.0, 1.0), (-1.0, 1.0)])
    right = pruned(field, [(-1.0, 1.0), (-1.0, 1.0)], constraints=[x])
    assert both.low[0].min() < 0 < right.low[0].min()


def test_a_curve_of_zeros_ends_the_search_by_itself():
    circle = x**2 + y**2 - 1
    start = time.monotonic()
    left = pruned([x * circle, (y - 3) * circle], [(-2.0, 2.0), (-2.0, 2.0)], seconds=60)
    assert left.reason == "degenerate" and time.monotonic() - start < 30


def test_past_the_deadline_everything_is_left():
    left = pruned([sp.sin(9 * x), sp.cos(9 * y)], [(-9.0, 9.0), (-9.0, 9.0)], seconds=-1)
    assert left.reason == "time" and left.cells == 0 and left.low.shape == (2, 1)


def test_what_floats_cannot_see_is_left_to_balls():
    # e^{−x²} is below 1e−300 for x > 27: its sign is certain, floats do not know it
    left = pruned([sp.exp(-(x**2)) * (2 + y), y], [(30.0, 40.0), (-1.0, 1.0)])
    assert left.reason == "" and left.low.shape[1] >= 1
    assert np.all(left.low[0] >= 30)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_scale_of_the_field_does_not_matter(scale):
    factor = sp.Rational(scale)
    left = pruned([factor * (x**2 + y**2 - 1), factor * (x - y)], [(-2.0, 2.0), (-2.0, 2.0)])
    assert left.reason == "" and left.low.shape[1] <= 40
