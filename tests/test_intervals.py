"""Batched intervals contain what balls say: at random points, at ends, on wide boxes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.balls import compile_ball
from numerics.intervals import IntervalProgram, NoIntervalRule, float_ends
from theory.special import BivariateNormalCDF, NormalCDF, OwenT

x, y, z = sp.symbols("x y z", real=True)
R = sp.Rational
FORMULAS = [
    x + y - sp.Rational(1, 3),
    x * y * z,
    x / (2 + y**2),
    (x - y) ** 2 * z**3,
    (x * y) ** 5 - z**7,
    sp.exp(-(x**2)) * y,
    sp.exp(x * y - z),
    sp.erf(x) * sp.erfc(y),
    sp.sqrt(1 + x**2) / sp.sqrt(2 + sp.sin(y)),
    (1 + x**2) ** sp.Rational(-3, 2),
    sp.sin(3 * x) * sp.cos(y + z),
    sp.cos(40 * x) + sp.sin(x) * y,
    sp.log(1 + x**2 + y**2),
    sp.tanh(x) + sp.atan(y) - sp.sinh(z / 4) + sp.cosh(x / 3) + sp.asinh(y),
    sp.asin(x / 20) * sp.pi,
    OwenT(x, y),
    OwenT(sp.sqrt(2) * x, sp.Rational(1, 3)) * z,
    NormalCDF(x) * BivariateNormalCDF(y, z, sp.Rational(1, 4)),
    x * sp.erf(x * y) + sp.exp(-(z**2)) / sp.sqrt(sp.pi),
]
PROGRAMS = [(IntervalProgram([f], (x, y, z)), compile_ball(f, (x, y, z)), f) for f in FORMULAS]
floats = st.floats(-8, 8) | st.floats(-1e-300, 1e-300) | st.sampled_from([0.0, -0.0, 1.0, math.pi, -math.pi / 2])


def ball_of(low: float, high: float) -> arb:
    return arb(low).union(arb(high))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(floats, floats, st.floats(0, 1)), min_size=3, max_size=3), st.integers(0, len(FORMULAS) - 1))
def test_no_value_in_the_box_escapes(sides, which):
    program, evaluate, f = PROGRAMS[which]
    cells = [(np.array([min(a, b)]), np.array([max(a, b)])) for a, b, _ in sides]
    ((low, high),) = program(cells)
    inside = [min(max(min(a, b) + t * (max(a, b) - min(a, b)), min(a, b)), max(a, b)) for a, b, t in sides]
    for point in (inside, [min(a, b) for a, b, _ in sides], [max(a, b) for a, b, _ in sides]):
        value = evaluate([arb(p) for p in point], 200)
        if not (np.isnan(low[0]) or np.isnan(high[0])):
            assert arb(low[0]) <= value and value <= arb(high[0]), f"{f} at {point}"


def test_thin_intervals_stay_thin_and_hold_the_ball():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(0, 2, (400, 3)), rng.normal(0, 1e-5, (100, 3)), rng.uniform(-8, 8, (300, 3))])
    for program, evaluate, f in PROGRAMS:
        ((low, high),) = program([(column, column) for column in points.T])
        assert not np.isnan(low).any(), f
        for i, point in enumerate(points):
            value = evaluate([arb(p) for p in point.tolist()], 160)
            assert arb(low[i]) <= value and value <= arb(high[i]), f"{f} at {point}"
        scale = 1 + np.abs(low) + sum(np.abs(points).T) ** 7 * f.has(z**7) + 1e3 * f.has(sp.exp(x * y - z)) * high
        assert np.all(high - low < 1e-11 * scale), f


@pytest.mark.parametrize("kind", [sp.exp, sp.erf, sp.erfc, NormalCDF, sp.tanh, sp.sin, sp.cos, sp.atan])
def test_the_margins_of_float_functions_are_never_used_up(kind):
    # A margin is a guess about a library: here the error actually made is at most a quarter of it.
    rng = np.random.default_rng(1)
    points = np.concatenate([rng.uniform(-30, 30, 1500), rng.normal(0, 1, 1500), 10.0 ** rng.uniform(-300, 1, 500)])
    points = points[np.abs(points) < (25 if kind in (sp.erfc, NormalCDF) else 700)]
    ((low, high),) = IntervalProgram([kind(x)], (x,))([(points, points)])
    evaluate = compile_ball(kind(x), (x,))
    for point, a, b in zip(points.tolist(), low.tolist(), high.tolist(), strict=True):
        value = evaluate([arb(point)], 160)
        room = (arb(b) - arb(a)) / 4
        at_bound = value > 1 - arb(2) ** -40 or value < arb(2) ** -40 - 1 or abs(value) < arb(2) ** -1000
        assert at_bound or (arb(a) + room / 2 < value and value < arb(b) - room / 2), (kind, point)


def test_where_nothing_is_known_nothing_is_said():
    program = IntervalProgram([1 / x, sp.sqrt(x), sp.log(x), sp.asin(x)], (x,))
    results = program([(np.array([-1.0]), np.array([2.0]))])
    assert all(np.isnan(low[0]) and np.isnan(high[0]) for low, high in results)


def test_a_constant_is_enclosed_and_an_even_power_is_not_negative():
    ((low, high),) = IntervalProgram([sp.pi * x**0 + R(1, 3)], (x,))([(np.zeros(1), np.ones(1))])
    with ctx.workprec(200):
        exact = arb.pi() + arb(1) / 3
        assert arb(low[0]) <= exact.lower() and exact.upper() <= arb(high[0])
    ((low, high),) = IntervalProgram([x**4], (x,))([(np.array([-2.0]), np.array([1.0]))])
    assert low[0] == 0 and 16 <= high[0] < 16.0001


def test_what_has_no_rule_is_named():
    with pytest.raises(NoIntervalRule, match="zeta"):
        IntervalProgram([sp.zeta(x)], (x,))


@given(st.floats(-1e300, 1e300))
def test_float_ends_hold_the_ball(value):
    third = arb(value) / 3
    low, high = float_ends(third)
    assert arb(low) <= third.lower() and arb(high) >= third.upper()
