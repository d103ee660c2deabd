"""The door from symbols to balls: right values, valid enclosures, refusals by name."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy as sp
from flint import acb, arb, arb_mat, ctx, fmpq
from hypothesis import given
from hypothesis import strategies as st

from numerics.balls import NonFiniteBall, ball, compile_ball, compile_balls, register_ball_rule
from numerics.envelopes import NoBallRule, NoStrip, envelope_plan
from numerics.quadrature import NotIntegrable, QuadratureBudgetExceeded
from theory.domain import Domain
from theory.integral import GaussianIntegral
from theory.risk import Risk
from theory.special import (
    BivariateNormalCDF,
    NormalCDF,
    OwenT,
    _mp_bivariate_normal_cdf,
    _mp_owens_t,
)
from theory.variables import dot, quad

x, y, z, a, b, t, s = sp.symbols("x y z a b t s", real=True)
half, third = sp.Rational(1, 2), sp.Rational(1, 3)


def mean(integrand: sp.Expr, *variables: sp.Symbol) -> GaussianIntegral:
    return GaussianIntegral(integrand, variables or (t,))


def accurate(value: arb, digits: int = 30) -> bool:
    return value.rad() <= arb(10) ** -digits * max(abs(float(value.mid())), 1e-300)


# --- elementary functions -----------------------------------------------------------------------

FORMULAS = [
    x + y * z,
    x**3 / y**2 - z,
    sp.sqrt(y) * sp.cbrt(y),
    y ** sp.Rational(-5, 3),
    y**x,
    sp.exp(x) + sp.log(y),
    sp.sin(x) * sp.cos(y) + sp.tan(z),
    sp.sinh(x) - sp.cosh(y) * sp.tanh(z),
    sp.asin(x / 9) + sp.acos(z / 9) + sp.atan(y),
    sp.asinh(x) + sp.acosh(y + 1) + sp.atanh(z / 9),
    sp.erf(x) * sp.erfc(y) + sp.erfi(z),
    sp.Abs(x - y) + sp.sign(x) * sp.Heaviside(z),
    sp.Max(x, y, z) + sp.Min(x, 0, z),
    sp.pi * x + sp.E * y + sp.EulerGamma,
    sp.gamma(y) + sp.factorial(y),
    sp.Piecewise((x, x > y), (y**2, x <= z), (z, True)),
    sp.erf(x + sp.I * y) + sp.erf(x - sp.I * y),
    sp.re(sp.exp(x + sp.I * y)) + sp.im(sp.sqrt(-y)),
    sp.sqrt(-y) * sp.sqrt(-y - 1),
    sp.log(-y) * sp.conjugate(sp.log(-y)),
    sp.Sum(x**a / sp.factorial(a), (a, 0, 20)),
    sp.Sum(sp.Sum(a * b * x, (a, 1, b)), (b, 1, 4)),
    NormalCDF(x) * OwenT(y, z) + BivariateNormalCDF(x, z, x / 9),
    sp.sec(x) + sp.csc(y) + sp.cot(z) + sp.sech(x) + sp.csch(y) + sp.coth(z) + sp.acot(y),
]


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
def test_values_agree_with_mpmath(formula):
    for point in (
        {x: sp.Rational(7, 5), y: sp.Rational(13, 7), z: -third},
        {x: -third, y: sp.Rational(1, 9), z: half},
    ):
        values = {symbol: value for symbol, value in point.items() if symbol in formula.free_symbols}
        exact = ball(formula, values, digits=40)
        assert accurate(exact, 40)
        # mpmath by way of sympy, term by term: a second implementation
        other = formula.xreplace(values).doit().n(45, strict=False)
        with ctx.workprec(200), mpmath.workdps(60):
            real = arb(mpmath.nstr(sp.re(other)._to_mpmath(200), 44))
            assert abs(real - exact) < arb(10) ** -36 * (1 + abs(exact)), (formula, values)


def test_rationals_stay_exact_so_that_signs_are_decided():
    at = {"x": "0.1", "y": Fraction(1, 10)}
    assert ball(sp.Heaviside(x - y), at) == arb(0.5)
    assert ball(sp.sign(x - y), at) == 0 and ball(sp.Abs(x - y), at) == 0
    assert ball(sp.Piecewise((1, x > y), (2, sp.Eq(x, y)), (3, True)), at) == 2
    assert ball(sp.Max(x, y) - sp.Min(x, y), at) == 0


def test_an_undecided_sign_gives_an_enclosure_not_a_guess():
    zero = sp.sqrt(2) * sp.sqrt(3) - sp.sqrt(6) + sp.sin(x) ** 2 + sp.cos(x) ** 2 - 1
    for function, low, high in ((sp.Heaviside, 0, 1), (sp.sign, -1, 1)):
        value = ball(function(zero, evaluate=False), {x: 1})
        assert value.contains(arb(low)) and value.contains(arb(high)) and value.rad() < 1.01
    value = ball(sp.Piecewise((1, zero > 0), (5, True)), {x: 1})
    assert value.contains(arb(1)) and value.contains(arb(5))


def test_inputs_of_every_kind_mean_the_same_number():
    expected = fmpq(1, 8)
    for given_value in (
        Fraction(1, 8),
        sp.Rational(1, 8),
        "0.125",
        "1/8",
        "125e-3",
        Decimal("0.125"),
        0.125,
        np.float64(0.125),
    ):
        assert ball(x, {x: given_value}) == arb(expected)
    assert ball(x, {"x": np.int64(3)}) == 3 == ball(x, {"x": 3})


def test_text_is_the_rational_and_a_float_its_binary_value():
    assert ball(10 * x - 1, {x: "0.1"}) == 0
    assert ball(10 * x - 1, {x: 0.1}, digits=20) == arb(10 * fmpq(*(0.1).as_integer_ratio()) - 1)


def test_exact_irrational_inputs():
    assert abs(ball(x**2, {x: sp.sqrt(2)}, digits=40) - 2) < arb(10) ** -39


def test_powers_across_zero_are_products():
    f = compile_ball(x**2, [x])
    image = f([arb(0, 1)])
    assert image.is_finite() and image >= arb("-1e-8") and image.contains(arb(1))
    cube = compile_ball(x**3 + x**5, [x])([arb(fmpq(-1, 2), 1)])
    assert cube.contains(arb(fmpq(-27, 8)) + arb(fmpq(-243, 32))) and cube.rad() < 7
    assert not compile_ball(x**-2, [x])([arb(0, 1)]).is_finite()


def test_true_zeros_are_small_balls_about_zero():
    identity = sp.asin(2 * x**2 / (1 + 2 * x**2)) - 2 * sp.atan(sp.sqrt(1 + 4 * x**2)) + sp.pi / 2
    value = ball(identity, {x: "0.7"}, digits=40)
    assert value.contains(0) and value.rad() < arb(10) ** -40


def test_cancellation_is_met_with_more_bits():
    value = ball(sp.cosh(x) - sp.exp(x) / 2, {x: 100})
    assert value.overlaps(arb(-100).exp() / 2)
    with ctx.workprec(200):
        assert abs(ball(sp.sin(10**40 * x), {x: 1}, digits=30) - (arb(10) ** 40).sin()) < arb(10) ** -29


def test_a_pole_is_an_error_with_a_name():
    for expr in (1 / (x - half), sp.log(x - half), sp.tan(sp.pi * x)):
        with pytest.raises(NonFiniteBall, match="no finite ball for"):
            ball(expr, {x: "0.5"})


def test_a_value_that_is_not_real_is_refused():
    with pytest.raises(ValueError, match="expected a real value"):
        ball(sp.sqrt(-x), {x: 2})


# --- enclosure ------------------------------------------------------------------------------------

ENCLOSED = [
    x**2 * y - x * y**3,
    sp.exp(x) * sp.erf(y),
    sp.erfc(x) + sp.tanh(x * y),
    sp.sqrt(1 + x**2) / (2 + sp.sin(y)),
    sp.sqrt(x + y),
    (x * y) ** sp.Rational(2, 3),
    sp.atan(x) * sp.asin(y / 4) + sp.acos(x / 4),
    sp.Max(x, y) * sp.Abs(x) + sp.Heaviside(y - x) + sp.sign(x + y),
    sp.Piecewise((x**2, x > y), (sp.cos(y), True)),
    sp.Piecewise((x, (x >= 0) & (y < 1)), (y, (x < -1) | (y > 2)), (7, True)),
    sp.log(3 + x) + sp.cosh(y) + sp.sinh(x),
    NormalCDF(x) * OwenT(x, y),
    BivariateNormalCDF(x, y, x / 4),
    sp.sqrt(1 - (x / 3) ** 2),
    sp.re(sp.exp(sp.I * x * y)),
]
middles = st.fractions(min_value=-3, max_value=3, max_denominator=16)
radii = st.sampled_from([Fraction(0), Fraction(1, 10**12), Fraction(1, 100), Fraction(1, 3), Fraction(2)])
positions = st.fractions(min_value=-1, max_value=1, max_denominator=8)


def rational(q: Fraction) -> fmpq:
    return fmpq(q.numerator, q.denominator)


@pytest.mark.parametrize("formula", ENCLOSED, ids=str)
@given(middles, middles, radii, radii, positions, positions)
def test_the_image_of_a_box_holds_the_values_at_its_points(formula, mx, my, rx, ry, at_x, at_y):
    f = compile_ball(formula, [x, y])
    image = f([arb(rational(mx)) + arb(0, arb(rational(rx))), arb(rational(my)) + arb(0, arb(rational(ry)))])
    value = f([rational(mx + at_x * rx), rational(my + at_y * ry)], 200)
    if image.is_finite() and value.is_finite():
        assert image.overlaps(value)
    if value.is_nan():
        assert not image.is_finite() or rx or ry


@given(middles, middles, radii, radii, positions, positions)
def test_the_image_of_a_box_under_a_gaussian_integral_holds_the_values(mx, my, rx, ry, at_x, at_y):
    rx, ry = min(rx, Fraction(1, 3)), min(ry, Fraction(1, 3))
    f = compile_ball(mean(sp.tanh(x * t + y) * sp.Abs(t - y)), [x, y])
    with ctx.workprec(64):
        image = f([arb(rational(mx)) + arb(0, arb(rational(rx))), arb(rational(my)) + arb(0, arb(rational(ry)))])
        value = f([rational(mx + at_x * rx), rational(my + at_y * ry)])
    assert image.is_finite() and image.overlaps(value)


# --- Gaussian integrals ----------------------------------------------------------------------------

phi = lambda u: sp.exp(-(u**2) / 2) / sp.sqrt(2 * sp.pi)  # noqa: E731
CLOSED = [
    (sp.erf(a * t + b), sp.erf(b / sp.sqrt(1 + 2 * a**2))),
    (
        sp.erf(a * t + b) ** 2,
        1 - 8 * OwenT(sp.sqrt(2) * b / sp.sqrt(1 + 2 * a**2), 1 / sp.sqrt(1 + 4 * a**2)),
    ),
    (NormalCDF(a * t + b), NormalCDF(b / sp.sqrt(1 + a**2))),
    (t * NormalCDF(a * t + b), a / sp.sqrt(1 + a**2) * phi(b / sp.sqrt(1 + a**2))),
    (sp.Heaviside(t - b) * sp.erfc(t), None),
    (sp.exp(a * t), sp.exp(a**2 / 2)),
    (sp.exp(-(t**2)) * t**2, 1 / sp.sqrt(27)),
    (sp.cos(a * t + b), sp.cos(b) * sp.exp(-(a**2) / 2)),
    (sp.Abs(a * t + b), 2 * sp.Abs(a) * phi(b / a) + b * sp.erf(b / (sp.sqrt(2) * a))),
    (sp.Max(0, t - b), phi(b) - b * NormalCDF(-b)),
    (sp.Min(t, b), b - phi(b) - b * NormalCDF(b)),
    (sp.sign(t - b), 1 - 2 * NormalCDF(b)),
    (sp.Heaviside(t - b) * sp.exp(a * t), sp.exp(a**2 / 2) * NormalCDF(a - b)),
    (sp.Piecewise((t, t > b), (0, True)), phi(b)),
    (sp.Heaviside(t - b) * sp.Heaviside(2 * t - 2 * b), NormalCDF(-b)),
    (sp.exp(sp.Abs(t)), 2 * sp.exp(half) * NormalCDF(1)),
    (sp.Abs(t**2 - 1), 4 * phi(sp.Integer(1))),
    (sp.sqrt(sp.Abs(t)), 2 ** sp.Rational(1, 4) * sp.gamma(sp.Rational(3, 4)) / sp.sqrt(sp.pi)),
    (1 / (1 + sp.exp(-a * t)), half),
    (sp.exp(a * t) / (1 + sp.exp(a * t)), half),
    (sp.log(1 + sp.exp(a * t)) - a * t / 2 - sp.log(2 * sp.cosh(a * t / 2)), sp.Integer(0)),
    (sp.sinh(t) ** 2, (sp.exp(2) - 1) / 2),
    (1 / (1 + t**2), sp.sqrt(sp.pi / 2) * sp.exp(half) * sp.erfc(1 / sp.sqrt(2))),
    (OwenT(a * t, 1 + b**2), None),
    (BivariateNormalCDF(t, b, half), BivariateNormalCDF(0, b, half / sp.sqrt(2))),
    (sp.exp(sp.I * a * t) * sp.exp(sp.I * b), None),
]


@pytest.mark.parametrize(
    "integrand, closed", [pair for pair in CLOSED if pair[1] is not None], ids=lambda e: str(e)[:40]
)
def test_gaussian_integrals_with_a_closed_form(integrand, closed):
    point = {a: sp.Rational(13, 10), b: sp.Rational(-2, 7)}
    node = mean(integrand)
    values = {symbol: value for symbol, value in point.items() if symbol in node.free_symbols}
    expected = {symbol: value for symbol, value in point.items() if symbol in closed.free_symbols}
    digits = 12 if integrand.has(BivariateNormalCDF) else 30
    found = ball(node, values, digits=digits)
    assert found.overlaps(ball(closed, expected, digits=40))
    assert found.rad() < arb(10) ** -digits


def test_a_derivative_of_a_gaussian_integral_is_its_slope():
    node = mean(sp.log(1 + sp.exp(a * t + b)) * sp.tanh(t - b))
    step = fmpq(1, 10**20)
    f, slope = compile_ball(node, [a, b]), compile_ball(node.diff(a), [a, b])
    with ctx.workprec(220):
        difference = (f([fmpq(1, 3) + step, fmpq(1, 7)]) - f([fmpq(1, 3) - step, fmpq(1, 7)])) / (2 * arb(step))
        assert abs(difference - slope([fmpq(1, 3), fmpq(1, 7)])) < arb(10) ** -35


def test_the_softmax_of_two_scores_has_a_value():
    weight = sp.exp(a * t) / (sp.exp(a * t) + sp.exp(-a * t))
    assert ball(mean(weight**2 * (1 - weight)), {a: 3}).overlaps(ball(mean(weight * (1 - weight)), {a: 3}) / 2)


@pytest.mark.parametrize(
    "integrand, closed",
    [
        (sp.tanh(t) * sp.tanh(s), sp.Integer(0)),
        (1 / (1 + sp.exp(-t - s)), half),
        (sp.erf(t + s) * sp.erf(t - s), sp.Integer(0)),
        (sp.cos(t + 2 * s), sp.exp(-sp.Rational(5, 2))),
        (t**2 * s**2 + t + 1, sp.Integer(2)),
        (sp.exp(sp.Rational(3, 10) * t * s), 1 / sp.sqrt(1 - sp.Rational(9, 100))),
        (sp.exp(t) / (sp.exp(t) + sp.exp(s)), half),
        (sp.Abs(t) * s**2, sp.sqrt(2 / sp.pi)),
    ],
    ids=lambda e: str(e)[:40],
)
def test_plane_integrals(integrand, closed):
    found = ball(mean(integrand, t, s), digits=14)
    assert found.overlaps(ball(closed, digits=30)) and found.rad() < arb(10) ** -13


@pytest.mark.parametrize(
    "integrand, error, text",
    [
        (sp.exp(t**2 / 2), NotIntegrable, r"the integrand is exp\(t_0\*\*2/2\)"),
        (sp.exp(a * t**2), NotIntegrable, "infinite or cannot be bounded"),
        (sp.cosh(t**2), NotIntegrable, "infinite"),
        (sp.exp(t**3), NoBallRule, "exp of an"),
        (1 / t, NoBallRule, "denominator is not known to stay away from zero"),
        (sp.log(t**2), NoBallRule, "logarithm of an expression that is not known to stay positive"),
        (sp.tan(t), NoBallRule, "no rule for the growth of tan"),
        (sp.polylog(2, t), NoBallRule, "no ball rule for polylog, needed by polylog"),
        (sp.gamma(t), NoBallRule, "growth of gamma"),
        (sp.erf(sp.I * t**2), NoBallRule, "complex"),
        (1 / (sp.exp(t) - sp.exp(-t) + 1), NoBallRule, "denominator"),
    ],
    ids=lambda e: str(e)[:30],
)
def test_integrands_that_cannot_be_bounded_are_refused_by_name(integrand, error, text):
    node = mean(integrand)
    with pytest.raises(error, match=text):
        ball(node, dict.fromkeys(node.free_symbols, 2))


def test_higher_dimensions_and_kinks_in_the_plane_are_refused_by_name():
    with pytest.raises(NoBallRule, match="dimension two"):
        ball(mean(sp.Abs(t + s), t, s))
    with pytest.raises(NoBallRule, match="dimension 3"):
        ball(mean(sp.tanh(t + s + x), t, s, x))
    with pytest.raises(QuadratureBudgetExceeded):
        ball(mean(sp.tanh(20 * t + 20 * s) * sp.tanh(s), t, s), seconds=0.2)
    assert issubclass(NoBallRule, NotImplementedError)


def test_independent_factors_and_idle_variables_lower_the_dimension():
    assert ball(mean(t**2 * s**4 * x**2, t, s, x)).overlaps(arb(3))
    assert ball(mean(a * s**2, t, s), {a: 5}).overlaps(arb(5))


ENVELOPED = [
    (t**3 - a * t + b) * sp.erf(a * t + b),
    sp.exp(a * t + b - t**2) * sp.erfc(t),
    sp.exp(t**2 / 3 + sp.I * a * t),
    sp.exp((1 + sp.I) * t**2 / 9 + sp.I * b),
    sp.exp(sp.tanh(t) - a * t) * sp.tanh(a * t + b),
    sp.exp(sp.sqrt(1 + t**2)),
    sp.sin(a * t) * sp.cos(b * t) + sp.sinh(t) - sp.cosh(a * t),
    1 / (1 + sp.exp(a * t + b)) ** 2,
    sp.exp(a * t) / (sp.exp(a * t) + b**2 * sp.exp(-t) + 2),
    1 / (sp.exp(a * t) + sp.exp(b * t)),
    sp.log(1 + sp.exp(a * t + b)) ** 2,
    sp.log(2 + sp.sin(t)) + sp.log(3 + t**2),
    sp.sqrt(1 + t**4) + (1 + t**2) ** sp.Rational(3, 2) + (2 + sp.cos(t)) ** sp.Rational(-1, 2),
    NormalCDF(a * t + b) * sp.atan(t / 9) + sp.sech(t / 9),
    OwenT(a * t + b, half) + OwenT(t, b * t) + BivariateNormalCDF(t, b, third),
    sp.Max(a * t, b, t**2) + sp.Abs(t) ** 3 * sp.sign(t - b) + sp.Heaviside(t) * sp.Min(t, a),
    sp.Piecewise((t**2, t > b), (sp.exp(t), True)),
    sp.erfi(t / 2) + sp.erf(t + sp.I),
    sp.asin(sp.tanh(t)),
]


@pytest.mark.parametrize("integrand", ENVELOPED, ids=lambda e: str(e)[:40])
@pytest.mark.parametrize("width", [None, 0.2, 1.0])
def test_envelopes_bound_the_integrand_on_the_line_and_in_the_strip(integrand, width):
    coefficients: list[sp.Expr] = []

    def register(expr: sp.Expr) -> int:
        coefficients.append(expr)
        return len(coefficients) - 1

    plan = envelope_plan(integrand, (t,), register)
    at = {a: sp.Rational(13, 10), b: sp.Rational(-2, 7)}
    exact = [complex(c.xreplace(at).evalf(20)) for c in coefficients]
    values = [arb(c.real) if c.imag == 0 else acb(c.real, c.imag) for c in exact]
    try:
        envelope = plan(values, None if width is None else arb(width))
    except NoStrip:
        assert width is not None
        return
    f = sp.lambdify(
        t,
        integrand.xreplace(at).rewrite(sp.Piecewise) if width is None else integrand.xreplace(at),
        MPMATH,
        dummify=True,
    )
    for index in range(-60, 61):
        for eta in (0,) if width is None else (-width, 0, width / 2, width):
            real = index / 4
            point = mpmath.mpf(real) if eta == 0 else mpmath.mpc(real, eta)
            bound = sum(
                float(g.c)
                * mpmath.mpf(abs(real)) ** g.p[0]
                * mpmath.exp(float(g.a[0]) * abs(real) + float(g.b[0]) * real**2)
                for g in envelope.terms
            )
            assert abs(f(point)) <= bound * (1 + 1e-12), (real, eta)


MPMATH = [
    {
        "NormalCDF": lambda u: mpmath.erfc(-u / mpmath.sqrt(2)) / 2,
        "OwenT": lambda u, v: _mp_owens_t(mpmath.mpmathify(u), mpmath.mpmathify(v)),
        "BivariateNormalCDF": lambda u, v, w: _mp_bivariate_normal_cdf(*map(mpmath.mpmathify, (u, v, w))),
    },
    "mpmath",
]

# --- refusals and names ------------------------------------------------------------------------------


def test_what_has_no_rule_is_named():
    with pytest.raises(
        NoBallRule, match=r"no ball rule for polylog, needed by polylog\(2, x\); add it to numerics.balls"
    ):
        ball(1 + sp.polylog(2, x), {x: half})
    with pytest.raises(NoBallRule, match="Integral"):
        ball(sp.Integral(sp.exp(-(t**2)) / t, (t, 1, 2)))
    with pytest.raises(NoBallRule, match="no ball rule for f, needed by f"):
        ball(sp.Function("f")(x), {x: 1})
    with pytest.raises(NoBallRule, match="infinitely many"):
        ball(sp.Sum(1 / a**2, (a, 1, sp.oo)))


def test_names_are_checked():
    with pytest.raises(ValueError, match=r"expected a value for each of x, y; missing: y"):
        ball(x + y, {x: 1})
    kappa = sp.Symbol("kappa", real=True)
    with pytest.raises(ValueError, match=r"missing: kappa; unknown: kapa \(did you mean kappa\?\)"):
        ball(kappa**2, {"kapa": 1})
    with pytest.raises(ValueError, match="other assumptions; pass its name"):
        ball(x, {sp.Symbol("x"): 1})
    with pytest.raises(ValueError, match="two: by name and by symbol"):
        ball(x, {x: 1, "x": 1})
    with pytest.raises(ValueError, match="differ in their assumptions"):
        ball(x + sp.Symbol("x"), {"x": 1})


@pytest.mark.parametrize(
    "wrong",
    [
        float("nan"),
        float("inf"),
        "abc",
        "1/0",
        "nan",
        "1e999999999",
        None,
        True,
        1j,
        "__import__('os')",
        sp.oo,
        x,
        [],
    ],
)
def test_values_that_are_no_finite_numbers_are_refused(wrong):
    with pytest.raises((ValueError, TypeError), match="for y"):
        ball(y, {y: wrong})


@pytest.mark.parametrize("digits", [0, -3, 2.5, 10**6])
def test_digits_are_checked(digits):
    with pytest.raises(ValueError, match="digits"):
        ball(sp.pi, digits=digits)


def test_text_is_not_an_expression():
    with pytest.raises(TypeError, match="expected a sympy expression or a risk"):
        ball("x + 1", {"x": 1})
    with pytest.raises(TypeError, match="expected a sympy expression"):
        compile_ball("x + 1", [x])


# --- risks, vectors, own rules -------------------------------------------------------------------------


def test_a_risk_and_its_domain():
    risk = Risk(sp.erf(x) * y, (x, y), Domain({x: (-1, 1), y: (0, 2)}))
    assert accurate(ball(risk, {"x": "0.3", "y": 1}))
    with pytest.raises(ValueError, match="x"):
        ball(risk, {"x": 2, "y": 1})
    assert ball(Risk(x**2, (x, y)), {"x": 2, "y": 1}) == 4


def test_scalar_products_of_vectors():
    d = sp.Symbol("d", integer=True, positive=True)
    k, v, A = sp.MatrixSymbol("k", d, 1), sp.MatrixSymbol("v", d, 1), sp.MatrixSymbol("A", d, d)
    values = {"k": [1, 2, "1/2"], "v": [Fraction(1, 3), 0, 4], "A": [[1, 2, 3], [0, 1, 0], [2, 0, 1]]}
    assert ball(dot(k, v), {n: values[n] for n in "kv"}).overlaps(arb(fmpq(7, 3)))
    assert (
        abs(ball(quad(k, A) + d * dot(k, k), {n: values[n] for n in "kA"}) - arb(fmpq(47, 4)) - 3 * arb(fmpq(21, 4)))
        < arb(10) ** -25
    )
    assert ball(sp.Trace(A) + sp.Determinant(A), {"A": values["A"]}).contains(arb(-2))
    assert ball(A[0, 2] * k[1, 0], {n: values[n] for n in "Ak"}) == 6
    with pytest.raises(ValueError, match="shape"):
        ball(dot(k, v), {"k": [1, 2, 3], "v": [1, 2]})
    f = compile_ball(dot(k, v), [k, v])
    assert f([arb_mat(3, 1, [1, 2, 3]), arb_mat(3, 1, [1, 1, arb(0, 1)])]).contains(arb(5))


def test_a_rule_of_ones_own():
    class Cosh2(sp.Function):
        pass

    with pytest.raises(NoBallRule, match="Cosh2"):
        ball(Cosh2(x), {x: 1})
    register_ball_rule(Cosh2, lambda u: u.cosh() * u.cosh())
    assert ball(Cosh2(x) - sp.cosh(x) ** 2, {x: 1}).contains(0)
    with pytest.raises(NoBallRule, match="variable of integration"):
        ball(mean(Cosh2(t)))
    with pytest.raises(TypeError, match="subclass"):
        register_ball_rule("Cosh2", abs)


# --- compiled ------------------------------------------------------------------------------------------


def test_compiled_expressions_share_and_keep_their_order():
    shared = sp.exp(x * y)
    first, second = compile_balls([shared + 1, shared**2], [y, x])([fmpq(1, 2), fmpq(3)], 100)
    assert first.overlaps(arb(1.5).exp() + 1) and second.overlaps(arb(3).exp())
    with pytest.raises(ValueError, match="expected 2 values, for y, x, got 1"):
        compile_balls([shared], [y, x])([arb(1)])
    with pytest.raises(ValueError, match="expected a value for y"):
        compile_ball(x + y, [x])


def test_two_precisions_overlap():
    formula = sp.erf(x) ** 2 * sp.exp(-y) + OwenT(x, y) + mean(sp.tanh(x * t + y) ** 2)
    f = compile_ball(formula, [x, y])
    coarse, fine = f([fmpq(1, 3), fmpq(5, 7)], 64), f([fmpq(1, 3), fmpq(5, 7)], 500)
    assert coarse.overlaps(fine) and coarse.rel_accuracy_bits() > 50 and fine.rel_accuracy_bits() > 480


def test_the_precision_of_the_caller_is_left_alone():
    before = ctx.prec
    ball(sp.pi * x, {x: 1}, digits=100)
    compile_ball(x, [x])([arb(1)], 300)
    assert ctx.prec == before


def test_a_ball_given_as_a_value_is_carried_through():
    value = ball(x**2, {x: arb(3, 0.001)})
    assert value.contains(arb(9)) and value.rad() > 0.005


def test_complex_intermediate_values_give_real_balls():
    f = compile_ball(sp.erf(x + sp.I * y) * sp.erf(x - sp.I * y), [x, y])
    assert isinstance(f([arb(1), arb(2)]), arb)
    assert f([arb(1), arb(2)]).overlaps(abs(acb(1, 2).erf()) ** 2)


def test_a_registered_rule_sees_balls_for_constants_too():
    """At parameters that are balls, where the constants of the tree are integers inside."""

    class Shifted(sp.Function):
        pass

    register_ball_rule(Shifted, lambda x, n: x + n.unique_fmpz())
    assert compile_ball(Shifted(x, 2), [x])([arb("0.5")]).contains(arb("2.5"))


def test_powers_and_diagonals_of_matrices():
    A = sp.MatrixSymbol("A", 2, 2)
    values = {"A": [[1, 2], [3, 4]]}
    assert ball(sp.Trace(A**2), values).contains(arb(29)) and ball(sp.Trace(A**-1), values).contains(arb(-5) / 2)
    assert ball(sp.Trace(sp.DiagonalMatrix(A) * A), values).contains(arb(17))
