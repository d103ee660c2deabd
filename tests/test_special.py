"""Φ, Owen's T and Φ₂: algebra in sympy, digits in mpmath, floats in numpy, balls in flint."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
import sympy as sp
from flint import acb, arb, ctx, fmpq
from hypothesis import given
from hypothesis import strategies as st

from numerics.balls import ball, compile_ball
from numerics.special import (
    bivariate_normal_cdf,
    bivariate_normal_cdf_ball,
    normal_cdf,
    normal_cdf_ball,
    owens_t,
    owens_t_ball,
)
from theory.special import BivariateNormalCDF, NormalCDF, OwenT

BITS = 200  # 50 digits and a margin
FIFTY_DIGITS = 166  # bits
POINTS = 500

h, k, a, rho = sp.symbols("h k a rho", real=True)


@pytest.fixture(autouse=True)
def fifty_digits():
    with ctx.workprec(BITS):
        yield


# Independent values: the definitions, integrated with certified error. They share no line with the kernels.


def integral(f, low: arb, high: arb) -> arb:
    return acb.integral(f, low, high, abs_tol=arb(2) ** -8000).real


def defined_owens_t(h: arb, a: arb) -> arb:
    half = h * h / 2
    factor = (-half).exp() / (2 * arb.pi())
    cuts = [arb(0)]
    if a.abs_upper() * h.abs_upper() > 30:  # the integrand is a spike at 0
        cuts.append(a.sgn() * 8 / h.abs_lower())
    cuts.append(a)
    f = lambda x, _: (-half * x * x).exp() / (1 + x * x)  # noqa: E731
    return factor * sum((integral(f, low, high) for low, high in pairwise(cuts)), arb(0))


def defined_bivariate(h: arb, k: arb, rho: arb) -> arb:
    """Plackett: ∂Φ₂/∂ρ is the density, from Φ₂(ρ = 0) = Φ(h)Φ(k), with ρ = sin θ."""
    squares, product = h * h + k * k, 2 * h * k

    def density(theta, _):
        sine, cosine = theta.sin_cos()
        return (-(squares - product * sine) / (2 * cosine * cosine)).exp()

    independent = defined_normal_cdf(h) * defined_normal_cdf(k)
    return independent + integral(density, arb(0), rho.asin()) / (2 * arb.pi())


def defined_normal_cdf(x: arb) -> arb:
    density = lambda t, _: (-t * t / 2).exp()  # noqa: E731
    if x < -6:  # relative digits: from the tail, cut at 200 bits below
        rest = (-(x - 12) * (x - 12) / 2).exp() / 12
        return (integral(density, x - 12, x) + arb(0).union(rest)) / (2 * arb.pi()).sqrt()
    return arb(1) / 2 + integral(density, arb(0), x) / (2 * arb.pi()).sqrt()


def rationals(rng: random.Random, scales: tuple[int, int]) -> arb:
    """A rational of random size, as the exact middle of its ball."""
    size = fmpq(10) ** rng.randint(*scales)
    return arb(fmpq(rng.randint(-(10**6), 10**6), 10**6) * size).mid()


# --- balls: fifty digits over all branches -----------------------------------------------------


def test_normal_cdf_has_fifty_digits_at_500_points():
    rng = random.Random(1)
    for _ in range(POINTS):
        x = rationals(rng, (-4, 1))
        value = normal_cdf_ball(x)
        assert value.overlaps(defined_normal_cdf(x)) and value.rel_accuracy_bits() >= FIFTY_DIGITS, x


def test_owens_t_has_fifty_digits_at_500_points():
    rng = random.Random(2)
    for _ in range(POINTS):
        x, slope = rationals(rng, (-4, 2)), rationals(rng, (-4, 3))
        value = owens_t_ball(x, slope)
        assert value.rel_accuracy_bits() >= FIFTY_DIGITS, (x, slope)
        assert value.overlaps(defined_owens_t(x, slope)), (x, slope)


def test_bivariate_normal_cdf_has_fifty_digits_at_500_points():
    rng = random.Random(3)
    for index in range(POINTS):
        x, y, r = rationals(rng, (-2, 1)), rationals(rng, (-2, 1)), rationals(rng, (-2, 0))
        if index % 10 == 0:
            x = arb(0)
        if index % 15 == 0:
            y = x
        if index % 7 == 0:
            r = (r.sgn() * (1 - arb(10) ** -rng.randint(1, 4))).mid()
        value = bivariate_normal_cdf_ball(x, y, r)
        assert value.rel_accuracy_bits() >= FIFTY_DIGITS, (x, y, r)
        assert value.overlaps(defined_bivariate(x, y, r)), (x, y, r)


@pytest.mark.parametrize("bits", [64, 333, 1000])
def test_two_precisions_overlap_and_each_is_accurate(bits):
    rng = random.Random(bits)
    for _ in range(30):
        x, y, slope = (rationals(rng, (-3, 2)) for _ in range(3))
        r = rationals(rng, (0, 0))
        for kernel, point in ((owens_t_ball, (x, slope)), (bivariate_normal_cdf_ball, (x / 8, y / 8, r))):
            fine = kernel(*point)
            with ctx.workprec(bits):
                coarse = kernel(*point)
                assert coarse.overlaps(fine), point
                assert coarse.rel_accuracy_bits() >= bits - 4, point


HUGE = [arb("1e-2000"), arb("1e-300"), arb("1e20"), arb("1e300"), arb("1e3000")]


@pytest.mark.parametrize("x", [arb(0), arb(1), arb(-3), arb.pos_inf(), arb.neg_inf(), *HUGE])
def test_huge_tiny_and_infinite_arguments_give_finite_balls(x):
    for y in (arb(0), arb(-1), arb(2) / 7, arb.pos_inf(), arb.neg_inf(), *HUGE):
        x, y = x.mid(), y.mid()
        assert owens_t_ball(x, y).is_finite() and abs(owens_t_ball(x, y)) <= arb("0.2500001")
        for r in (arb(0), arb(1), arb(-1), arb(1) / 3, 1 - arb(2) ** -150, arb(2) ** -400 - 1):
            value = bivariate_normal_cdf_ball(x, y, r.mid())
            assert value.is_finite() and value >= arb("-1e-40") and value <= arb("1.0000001"), (x, y, r)


def test_known_values_at_the_ends():
    tail = normal_cdf_ball(arb(-1))
    assert owens_t_ball(arb(-1), arb.pos_inf()).overlaps(tail / 2)
    assert owens_t_ball(arb(1), arb.neg_inf()).overlaps(-tail / 2)
    assert owens_t_ball(arb.pos_inf(), arb(2)) == 0
    assert owens_t_ball(arb(0), arb.pos_inf()).overlaps(arb(1) / 4)
    assert bivariate_normal_cdf_ball(arb(1), arb.pos_inf(), arb(1) / 3).overlaps(1 - tail)
    assert bivariate_normal_cdf_ball(arb(1), arb.neg_inf(), arb(1) / 3) == 0
    assert bivariate_normal_cdf_ball(arb(-1), arb(2), arb(1)).overlaps(tail)
    assert bivariate_normal_cdf_ball(arb(0), arb(0), arb(1) / 2).overlaps(arb(1) / 3)
    far = bivariate_normal_cdf_ball(arb(-1000), arb(-1000), arb(1) / 2)
    assert far > 0 and far.rel_accuracy_bits() > FIFTY_DIGITS  # 9.2e-289537: digits of the result, not of one


def test_a_correlation_outside_or_undefined_is_nan_and_one_rounded_past_the_end_is_cut():
    assert bivariate_normal_cdf_ball(arb(1), arb(1), arb(2)).is_nan()
    assert bivariate_normal_cdf_ball(arb(1), arb(1), arb.nan()).is_nan()
    assert owens_t_ball(arb.nan(), arb(1)).is_nan() and owens_t_ball(arb(1), arb.nan()).is_nan()
    nearly_one = arb(1, arb(10) ** -40)
    assert bivariate_normal_cdf_ball(arb(1), arb(2), nearly_one).overlaps(normal_cdf_ball(arb(1)))


reals = st.fractions(min_value=-6, max_value=6, max_denominator=97)
radii = st.fractions(min_value=0, max_value=3, max_denominator=50)
positions = st.fractions(min_value=-1, max_value=1, max_denominator=11)


def box(middle, radius) -> arb:
    return arb(fmpq(*middle.as_integer_ratio())) + arb(0, arb(fmpq(*radius.as_integer_ratio())))


def inside(middle, radius, position) -> arb:
    return arb(fmpq(*(middle + radius * position).as_integer_ratio()))


@given(reals, reals, radii, radii, positions, positions)
def test_owens_t_of_a_box_holds_owens_t_of_its_points(x, y, dx, dy, at_x, at_y):
    image = owens_t_ball(box(x, dx), box(y, dy))
    assert image.overlaps(owens_t_ball(inside(x, dx, at_x), inside(y, dy, at_y)))
    assert image.is_finite() and image.rad() < 0.26


@given(reals, reals, reals, radii, radii, radii, positions, positions, positions)
def test_bivariate_normal_cdf_of_a_box_holds_that_of_its_points(x, y, z, dx, dy, dz, at_x, at_y, at_z):
    r = max(-1, min(1, z / 6 + dz / 3 * at_z))
    image = bivariate_normal_cdf_ball(box(x, dx), box(y, dy), box(z / 6, dz / 3))
    point = inside(x, dx, at_x), inside(y, dy, at_y), inside(r, r * 0, 0)
    assert image.overlaps(bivariate_normal_cdf_ball(*point))


@given(reals, reals, radii, positions, positions)
def test_complex_balls_hold_the_values_at_their_points(x, slope, radius, at_x, at_y):
    wide = acb(box(x, radius / 9), box(slope / 9, radius / 9))
    point = acb(inside(x, radius / 9, at_x), inside(slope / 9, radius / 9, at_y))
    fixed = arb(fmpq(*slope.as_integer_ratio()))
    assert owens_t_ball(wide, fixed).overlaps(owens_t_ball(point, fixed))
    bivariate = bivariate_normal_cdf_ball(wide, fixed, arb(1) / 3)
    assert bivariate.overlaps(bivariate_normal_cdf_ball(point, fixed, arb(1) / 3))


def test_complex_values_continue_the_real_ones():
    x, tiny = arb(7) / 5, arb(10) ** -30
    near = owens_t_ball(acb(x, tiny), arb(1) / 3)
    slope = -(-x * x / 2).exp() * (x / 3 / arb(2).sqrt()).erf() / (2 * (2 * arb.pi()).sqrt())
    assert abs(near.real - owens_t_ball(x, arb(1) / 3)) < arb(10) ** -58
    assert abs(near.imag / tiny - slope) < arb(10) ** -25
    assert not owens_t_ball(acb(1), acb(arb(0, 1), 2)).is_finite()  # across the cut of a


# --- floats ------------------------------------------------------------------------------------


def test_floats_lie_in_the_balls():
    rng = np.random.default_rng(4)
    n = 400
    x = rng.normal(size=n) * 10 ** rng.uniform(-3, 1.3, n)
    y = np.where(rng.random(n) < 0.3, x * (1 + 10 ** rng.uniform(-16, -1, n)), rng.normal(size=n) * 3)
    close_to_one = np.sign(rng.normal(size=n)) * (1 - 10 ** rng.uniform(-16, -1, n))
    r = np.where(rng.random(n) < 0.5, rng.uniform(-1, 1, n), close_to_one)
    for float_kernel, ball_kernel, arguments in (
        (normal_cdf, normal_cdf_ball, (x,)),
        (owens_t, owens_t_ball, (x, y)),
        (bivariate_normal_cdf, bivariate_normal_cdf_ball, (x, y, r)),
    ):
        values = float_kernel(*arguments)
        for value, *point in zip(values, *arguments):
            exact = ball_kernel(*(arb(float(p)).mid() for p in point))
            assert abs(arb(float(value)) - exact) < 2e-15, (float_kernel.__name__, point)


def test_floats_at_infinity_and_nan():
    inf, nan = np.inf, np.nan
    tail = normal_cdf(-1.0)
    np.testing.assert_allclose(owens_t([1, 1, -1, 0], [inf, -inf, inf, inf]), [tail / 2, -tail / 2, tail / 2, 0.25])
    np.testing.assert_array_equal(owens_t([inf, -inf, inf], [2.0, inf, 0.0]), 0.0)
    assert np.isnan(owens_t([nan, 1, inf, nan], [1, nan, nan, 0])).all()
    assert np.isnan(bivariate_normal_cdf([nan, 1, 1, 1], [1, nan, 1, 1], [0.5, 0.5, nan, 1.01])).all()
    np.testing.assert_array_equal(bivariate_normal_cdf([-inf, 1], [inf, -inf], 0.3), 0.0)
    np.testing.assert_allclose(bivariate_normal_cdf([inf, 1, inf], [1, inf, inf], 0.3), [1 - tail, 1 - tail, 1])
    np.testing.assert_allclose(bivariate_normal_cdf([0.0, -0.0], [0.0, 0.0], [0.5, -0.5]), [1 / 3, 1 / 6])


def test_floats_broadcast():
    assert owens_t(np.ones((3, 1)), np.ones(4)).shape == (3, 4)
    assert bivariate_normal_cdf(0.0, np.zeros((2, 1)), np.zeros(5)).shape == (2, 5)


# --- sympy -------------------------------------------------------------------------------------


def test_symmetries_are_applied_when_the_expression_is_made():
    assert OwenT(-h, a) == OwenT(h, a)
    assert OwenT(h, -a) == -OwenT(h, a)
    assert OwenT(sp.Abs(h), a) == OwenT(h, a)
    assert OwenT(h - k, a - rho) == -OwenT(k - h, rho - a)
    assert BivariateNormalCDF(h, k, rho) == BivariateNormalCDF(k, h, rho)


def test_special_values():
    assert OwenT(h, 0) == 0 and OwenT(sp.oo, a) == 0 and OwenT(0, a) == sp.atan(a) / (2 * sp.pi)
    assert OwenT(0, sp.oo) == sp.Rational(1, 4) and OwenT(0, -sp.oo) == -sp.Rational(1, 4)
    assert OwenT(h, 1) == (1 - sp.erf(h / sp.sqrt(2)) ** 2) / 8 == -OwenT(h, -1)
    assert OwenT(h, sp.oo) == sp.erfc(sp.Abs(h) / sp.sqrt(2)) / 4
    assert OwenT(sp.nan, a) is sp.nan
    assert NormalCDF(sp.oo) == 1 and NormalCDF(-sp.oo) == 0 and NormalCDF(0) == sp.Rational(1, 2)
    assert BivariateNormalCDF(h, k, 0) == NormalCDF(h) * NormalCDF(k)
    assert BivariateNormalCDF(h, k, 1) == NormalCDF(sp.Min(h, k))
    assert BivariateNormalCDF(h, -sp.oo, rho) == 0 and BivariateNormalCDF(sp.oo, k, rho) == NormalCDF(k)
    assert BivariateNormalCDF(0, 0, rho) == sp.Rational(1, 4) + sp.asin(rho) / (2 * sp.pi)
    with pytest.raises(ValueError, match="rho=2"):
        BivariateNormalCDF(h, k, 2)


@pytest.mark.parametrize(
    "made, near",
    [
        (OwenT(h, 1), OwenT(h, 1 - sp.Rational(1, 10**30))),
        (OwenT(h, sp.oo), OwenT(h, sp.Integer(10) ** 30)),
        (OwenT(0, a), OwenT(sp.Rational(1, 10**30), a)),
        (BivariateNormalCDF(h, k, 1), BivariateNormalCDF(h, k, 1 - sp.Rational(1, 10**60))),
        (BivariateNormalCDF(h, k, -1), BivariateNormalCDF(h, k, -1 + sp.Rational(1, 10**60))),
        (BivariateNormalCDF(h, k, 0), BivariateNormalCDF(h, k, sp.Rational(1, 10**30))),
        (BivariateNormalCDF(h, sp.oo, rho), BivariateNormalCDF(h, sp.Integer(10) ** 3, rho)),
        (BivariateNormalCDF(0, 0, rho), BivariateNormalCDF(0, sp.Rational(1, 10**30), rho)),
    ],
)
def test_special_values_are_limits(made, near):
    values = {h: sp.Rational(7, 5), k: sp.Rational(-3, 7), a: sp.Rational(5, 3), rho: sp.Rational(2, 9)}
    at = {symbol: value for symbol, value in values.items() if symbol in near.free_symbols}
    assert abs(ball(made, {s: v for s, v in at.items() if s in made.free_symbols}) - ball(near, at)) < arb(10) ** -28


@pytest.mark.parametrize("function", [NormalCDF(h), OwenT(h, a), BivariateNormalCDF(h, k, rho)])
def test_every_derivative_is_the_slope(function):
    """Mean value theorem on balls: the difference quotient lies in the image of the step."""
    symbols = sorted(function.free_symbols, key=str)
    rng = random.Random(5)
    value = compile_ball(function, symbols)
    slopes = [compile_ball(function.diff(symbol), symbols) for symbol in symbols]
    for _ in range(10):
        point = [arb(fmpq(rng.randint(-999, 999), 1000)).mid() for _ in symbols]
        for index, slope in enumerate(slopes):
            step = arb(2) ** -60
            moved = [x + step if i == index else x for i, x in enumerate(point)]
            between = [x.union(x + step) if i == index else x for i, x in enumerate(point)]
            quotient = (value(moved) - value(point)) / step
            assert slope(between).overlaps(quotient), (function, symbols[index], point)
            assert quotient.rad() < arb(2) ** -100


def test_rewriting():
    assert sp.expand(NormalCDF(h).rewrite(sp.erf) + NormalCDF(-h).rewrite(sp.erf)) == 1
    assert NormalCDF(h).rewrite(sp.erfc) == sp.erfc(-sp.sqrt(2) * h / 2) / 2
    point = BivariateNormalCDF(sp.Rational(1, 2), sp.Rational(-3, 4), sp.Rational(1, 3))
    assert abs(ball(point) - ball(point.rewrite(OwenT))) < arb(10) ** -28
    assert BivariateNormalCDF(h, k, rho).rewrite(OwenT) == BivariateNormalCDF(h, k, rho)
    assert isinstance(OwenT(h, a).rewrite(sp.Integral), sp.Mul)


def test_what_is_known_of_their_sign():
    positive = sp.Symbol("p", positive=True)
    assert OwenT(h, positive).is_positive and OwenT(h, a).is_real and OwenT(h, a).is_positive is None
    assert NormalCDF(h).is_positive and BivariateNormalCDF(h, k, rho).is_nonnegative
    assert OwenT(sp.Symbol("z"), a).is_real is None


def test_latex():
    assert sp.latex(NormalCDF(h)) == r"\Phi\left(h\right)"
    assert sp.latex(OwenT(h, a) ** 2) == r"\operatorname{T}^{2}\left(h, a\right)"
    assert sp.latex(BivariateNormalCDF(h, k, rho)) == r"\Phi_{2}\left(h, k; \rho\right)"


@pytest.mark.parametrize("digits", [15, 40, 110])
def test_evalf_is_right_to_the_digits_asked(digits):
    rng = random.Random(digits)
    for _ in range(8 if digits < 100 else 2):
        x, y, slope = (sp.Rational(rng.randint(-(10**4), 10**4), 10**3) for _ in range(3))
        r = sp.Rational(rng.randint(-999, 999), 1000)
        for number in (NormalCDF(x), OwenT(x, slope), BivariateNormalCDF(x / 3, y / 3, r)):
            exact, given = ball(number, digits=digits + 5), ball(number.evalf(digits), digits=digits + 5)
            assert abs(given - exact) <= abs(exact) * arb(10) ** (1 - digits), number


def test_evalf_of_floats_symbols_and_complex_numbers():
    assert OwenT(h, sp.Rational(1, 2)).evalf() == OwenT(h, sp.Rational(1, 2))
    assert abs(float(OwenT(0.5, 0.25)) - float(owens_t(0.5, 0.25))) < 1e-15
    continued = owens_t_ball(acb(0, 1), arb(1) / 2).real
    assert abs(ball(OwenT(sp.I, sp.Rational(1, 2)).evalf(20)) - continued) < arb(10) ** -19
    assert NormalCDF(-40).evalf(20) > 0
