"""The door from symbols to floats: agreement with sympy's own digits, blocks, integrals, bad input."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from importlib import import_module

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.compile import compile, gradient, value
from numerics.float_quadrature import _GAUSS_WEIGHTS, _KRONROD_WEIGHTS, _NODES
from numerics.float_rules import FUNCTIONS as FLOAT_RULES
from numerics.tape_writer import Writer
from theory.domain import Domain
from theory.integral import GaussianIntegral
from theory.risk import Risk
from theory.special import BivariateNormalCDF, NormalCDF, OwenT
from theory.variables import dot, gaussians, quad

module = import_module("numerics.compile")  # the front door's function of that name hides the module

x, y, z, t = sp.symbols("x y z t", real=True)
p = sp.Symbol("p", positive=True)
n = sp.Symbol("n", integer=True, positive=True)
d = sp.Symbol("d", integer=True, positive=True)
k, v = sp.MatrixSymbol("k", d, 1), sp.MatrixSymbol("v", d, 1)
A = sp.MatrixSymbol("A", d, d)

rationals = st.fractions(min_value=-2, max_value=2, max_denominator=97)


def digits(expr: sp.Expr, point: dict[sp.Symbol, Fraction]) -> float:
    """A second evaluation: sympy's, to 30 digits."""
    exact = {symbol: sp.Rational(number.numerator, number.denominator) for symbol, number in point.items()}
    return float(sp.re(sp.N(expr.subs(exact), 30)))


# --- agreement with a second evaluation -----------------------------------------------------

LEAVES = st.sampled_from([x, y, z, sp.Integer(1), sp.Rational(-3, 7), sp.pi, sp.sqrt(2)])


def _grow(children: st.SearchStrategy[sp.Expr]) -> st.SearchStrategy[sp.Expr]:
    pairs = st.tuples(children, children)
    return st.one_of(
        pairs.map(lambda pair: pair[0] + pair[1]),
        pairs.map(lambda pair: pair[0] * pair[1]),
        pairs.map(lambda pair: pair[0] - 2 * pair[1]),
        pairs.map(lambda pair: sp.Max(*pair)),
        pairs.map(lambda pair: pair[0] / (1 + pair[1] ** 2)),
        children.map(sp.erf),
        children.map(sp.tanh),
        children.map(sp.cos),
        children.map(lambda u: sp.exp(-(u**2))),
        children.map(lambda u: (2 + u**2) ** sp.Rational(-3, 2)),
        children.map(lambda u: u**3),
        children.map(sp.Abs),
    )


@settings(max_examples=150, deadline=None)
@given(st.recursive(LEAVES, _grow, max_leaves=12), st.tuples(rationals, rationals, rationals))
def test_random_formulas_agree_with_sympys_digits(expr, numbers):
    point = dict(zip((x, y, z), numbers, strict=True))
    expected = digits(expr, point)
    if abs(expected) > 1e8:
        return
    f = compile(expr, (x, y, z))
    scalars = [float(number) for number in numbers]
    found = f(*scalars)
    # inputs are rounded to 1e-16 and the steepest function in twelve leaves has a slope below 1e4
    assert found == pytest.approx(expected, rel=1e-11, abs=1e-11)
    on_arrays = f(np.full(3, scalars[0]), scalars[1], np.full(3, scalars[2]))
    assert on_arrays == pytest.approx([found] * 3, rel=1e-12, abs=1e-12)


FUNCTIONS = [
    sp.exp(x), sp.log(p), sp.sin(x), sp.cos(x), sp.tan(x), sp.cot(x), sp.sec(x), sp.csc(x),
    sp.asin(x), sp.acos(x), sp.atan(x), sp.acot(x), sp.asec(2 + p), sp.acsc(2 + p), sp.atan2(x, p),
    sp.sinh(x), sp.cosh(x), sp.tanh(x), sp.coth(x), sp.sech(x), sp.csch(x), sp.asinh(x), sp.acosh(1 + p),
    sp.atanh(x), sp.acoth(2 + p), sp.asech(x**2), sp.acsch(x), sp.floor(3 * x), sp.ceiling(3 * x),
    sp.Mod(7 * x, 2), sp.Abs(x), sp.sign(x), sp.Heaviside(x), sp.Max(x, p), sp.Min(x, p, 0),
    sp.erf(x), sp.erfc(x), sp.erfi(x), sp.erfinv(x),
    sp.gamma(p), sp.loggamma(p), sp.digamma(p), sp.polygamma(2, p), sp.factorial(p), sp.binomial(5 + p, p),
    sp.RisingFactorial(p, p), sp.FallingFactorial(5 + p, p), sp.cbrt(p), p**p, p**sp.Rational(7, 3), x**-5,
    p ** sp.Rational(-5, 2), sp.sqrt(p), 2**x, x**70,
    sp.Piecewise((x**2, x < 0), (sp.sin(x), x < 1), (3, True)),
    sp.Piecewise((1, sp.And(x > -1, sp.Not(x > 5))), (0, True)), sp.EulerGamma * x, sp.GoldenRatio + x,
    NormalCDF(x), OwenT(x, p), BivariateNormalCDF(x, p, x / 2), sp.Float("0.25") * x,
]  # fmt: skip


@pytest.mark.parametrize("expr", FUNCTIONS, ids=str)
def test_every_function_agrees_with_sympys_digits(expr):
    for at in (Fraction(31, 97), Fraction(-53, 71)):
        point = {x: at, p: Fraction(83, 61)}
        given_ = {symbol: float(point[symbol]) for symbol in expr.free_symbols}
        assert value(expr, given_) == pytest.approx(digits(expr, point), rel=1e-13, abs=1e-14)


def test_functions_that_sympy_does_not_evaluate():
    assert value(sp.erf2(x, p), {x: 0.3, p: 1.4}) == pytest.approx(math.erf(1.4) - math.erf(0.3), rel=1e-14)
    assert value(sp.erfc(sp.erfcinv(x)), {x: 0.3}) == pytest.approx(0.3, rel=1e-14)


def test_values_at_the_jumps_are_the_usual_ones():
    assert value(sp.Heaviside(x), {x: 0}) == 0.5
    assert value(sp.Heaviside(x, 1), {x: 0}) == 1.0
    assert value(sp.sign(x), {x: 0}) == 0.0


def test_complex_steps_with_a_real_total():
    expr = sp.erf(x + sp.I * y) + sp.erf(x - sp.I * y)
    ys = np.linspace(-1, 1, 5)
    expected = [float((2 * mpmath.erf(mpmath.mpc(0.3, s))).real) for s in ys]
    assert value(expr, {x: 0.3, y: ys}) == pytest.approx(expected, rel=1e-14)
    assert value(sp.re(sp.erf(x + sp.I * y)) + sp.im(sp.exp(sp.I * y)), {x: 0.3, y: 0.5}) == pytest.approx(
        float(mpmath.erf(mpmath.mpc(0.3, 0.5)).real) + math.sin(0.5), rel=1e-14
    )
    with pytest.raises(ValueError, match=r"expected a finite real number.*x=0\.3, y=0\.5"):
        value(sp.erf(x + sp.I * y), {x: 0.3, y: 0.5})


# --- structure ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 4095, 4096, 4097, 10_001])
def test_blocks_do_not_show(size):
    f = compile(sp.erf(x * y) * sp.exp(-x) + y**2 / (1 + x**2), (x, y))
    xs = np.linspace(-1, 1, size)
    whole = f(xs, 0.7)
    assert whole.shape == (size,)
    for i in {0, size // 2, size - 1}:
        assert whole[i] == pytest.approx(f(float(xs[i]), 0.7), rel=1e-14)


def test_shapes_layouts_and_types_of_the_arrays():
    f = compile(x - 2 * y, (x, y))
    xs = np.arange(12).reshape(3, 4)
    assert np.array_equal(f(xs.T, np.float32(0.5)), xs.T - 1.0)
    assert np.array_equal(f(xs[:, ::2], xs[:, 1::2]), xs[:, ::2] - 2.0 * xs[:, 1::2])
    assert f(np.empty(0), 1).shape == (0,)
    assert f([1, 2], Fraction(1, 2)).tolist() == [0.0, 1.0]
    assert f(Decimal("0.5"), 0) == 0.5
    assert isinstance(f(1, sp.Rational(1, 2)), float)
    assert f(np.array([1, Fraction(1, 2)], dtype=object), 0).tolist() == [1.0, 0.5]


def test_a_constant_takes_the_common_shape():
    assert value(sp.Integer(3), {}) == 3.0
    assert compile(sp.Integer(3), (x,))(np.zeros((2, 3))).tolist() == [[3.0] * 3] * 2


def test_sequences_and_matrices():
    first, second = compile([x + y, sp.Integer(2)], (x, y))(np.arange(3.0), 1.0)
    assert first.tolist() == [1.0, 2.0, 3.0] and second.tolist() == [2.0] * 3
    matrix = compile(sp.Matrix([[x, y], [1, x * y]]), (x, y))
    assert matrix(2, 3).tolist() == [[2, 3], [1, 6]]
    assert matrix(np.ones(5), 3).shape == (5, 2, 2)


def test_the_inputs_are_left_alone():
    xs = np.linspace(0, 1, 5000)
    before = xs.copy()
    compile(sp.exp(x) ** 2 * x, (x,))(xs)
    assert np.array_equal(xs, before)


def test_a_repeated_subexpression_is_computed_once():
    u = x * y
    expr = sp.erf(u) ** 2 + sp.erf(u) * x + sp.exp(-sp.erf(u))
    writer = Writer((x, y), (0, 1))
    tape = writer.tape((writer.node(expr),))
    assert sum(step.operation is FLOAT_RULES[sp.erf] for step in tape.block_steps) == 1


def test_what_depends_on_scalars_alone_is_computed_once_a_call():
    writer = Writer((x, y), (0,))
    tape = writer.tape((writer.node(sp.erf(y) * x * sp.exp(y) + sp.cos(y)),))
    assert len(tape.block_steps) == 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(-9, 9), *[st.integers(0, 3)] * 3), min_size=1, max_size=30))
def test_horner_form_is_the_polynomial(terms):
    expr = sp.Add(*(c * x**a * y**b * z**e for c, a, b, e in terms))
    rng = np.random.default_rng(0)
    xs, ys, zs = rng.uniform(-1, 1, (3, 50))
    expected = sum(c * xs**a * ys**b * zs**e for c, a, b, e in terms)
    # rounding of a sum of at most 30 terms below 9
    assert compile(expr, (x, y, z))(xs, ys, zs) == pytest.approx(expected + np.zeros(50), abs=1e-12)


def test_ratios_of_exponentials_do_not_overflow():
    softmax = sp.exp(x) / (sp.exp(x) + 3 * sp.exp(y) + 1)
    assert value(softmax, {x: 2000, y: 1000}) == 1.0
    assert value(softmax, {x: 1000, y: 2000}) == 0.0
    assert value(softmax, {x: 0.3, y: -0.4}) == pytest.approx(
        math.exp(0.3) / (math.exp(0.3) + 3 * math.exp(-0.4) + 1), rel=1e-14
    )
    slope = sp.diff(1 / (1 + sp.exp(-x)), x)
    assert value(slope, {x: np.array([-900.0, 0.0, 900.0])}) == pytest.approx([0.0, 0.25, 0.0])


def test_a_symbol_is_never_run(tmp_path):
    mark = tmp_path / "mark"
    hostile = sp.Symbol(f"__import__('pathlib').Path({str(mark)!r}).touch()", real=True)
    assert value(sp.erf(hostile), {hostile: 0.0}) == 0.0
    assert not mark.exists()


@given(rationals.filter(bool), rationals, st.floats(-2, 2))
def test_linearity(a, b, at):
    f, g = sp.erf(x) * x, sp.cos(x) + 1
    alone = float(a) * value(f, {x: at}) + float(b) * value(g, {x: at})
    together = sp.Rational(a.numerator, a.denominator) * f + sp.Rational(b.numerator, b.denominator) * g
    assert value(together, {x: at}) == pytest.approx(alone, abs=1e-13)


# --- integrals ------------------------------------------------------------------------------


def test_the_quadrature_rule_is_exact_for_polynomials():
    for power in range(0, 32, 2):
        exact = 2 / (power + 1)
        assert _NODES**power @ _KRONROD_WEIGHTS == pytest.approx(exact, rel=1e-14)
        if power < 20:
            assert _NODES**power @ _GAUSS_WEIGHTS == pytest.approx(exact, rel=1e-14)


SECOND_MOMENT = GaussianIntegral(sp.erf(x * t + y) ** 2, (t,))
CLOSED_FORM = 1 - 8 * OwenT(sp.sqrt(2) * y / sp.sqrt(1 + 2 * x**2), 1 / sp.sqrt(1 + 4 * x**2))


@settings(max_examples=60, deadline=None)
@given(st.floats(-3, 7), st.floats(-3, 3))
def test_integrals_agree_with_the_closed_form_at_every_slope(log_slope, location):
    point = {x: 10.0**log_slope, y: location * 10.0**log_slope}
    assert value(SECOND_MOMENT, point) == pytest.approx(value(CLOSED_FORM, point), rel=1e-12, abs=1e-13)


def test_hermite_nodes_are_the_trap_that_this_quadrature_avoids():
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    steep = GaussianIntegral(sp.Heaviside(t - y) + 0 * x, (t,))
    hermite = weights @ (nodes > 0.3) / weights.sum()
    exact = 0.5 * math.erfc(0.3 / math.sqrt(2))
    assert abs(hermite / exact - 1) > 1e-3
    assert value(steep, {y: 0.3}) == pytest.approx(exact, rel=1e-13)


LORENTZ = math.sqrt(math.pi / 2) * math.erfc(1e-6 / math.sqrt(2))  # E x/(1 + x²t²) at x = 1e6


@pytest.mark.parametrize(
    ("integrand", "at", "exact"),
    [
        (t**6, {}, 15.0),
        (sp.exp(x * t), {x: 25.0}, math.exp(312.5)),
        (sp.exp(x * t**2), {x: 0.49}, 1 / math.sqrt(0.02)),
        (sp.exp(-x * (t - y) ** 2), {x: 1e10, y: 1.3}, math.exp(-1.69 / (2 + 1e-10)) / math.sqrt(1 + 2e10)),
        (sp.cos(x * t), {x: 3.0}, math.exp(-4.5)),
        (sp.Max(0, x * t + y), {x: 2.0, y: 0.0}, 2 / math.sqrt(2 * math.pi)),
        (sp.Abs(t - y), {y: 0.0}, math.sqrt(2 / math.pi)),
        (1 / sp.sqrt(sp.Abs(t)), {}, 2**0.75 * math.gamma(0.25) / math.sqrt(math.pi) / 2),
        (sp.sign(t**2 - y), {y: 1.0}, 2 * math.erfc(1 / math.sqrt(2)) - 1),
        (1 / (1 + sp.exp(-x * t)), {x: 1000.0}, 0.5),
        (x / (1 + sp.exp(-x * t)) ** 2 * sp.exp(-x * t), {x: 1e6}, 1 / math.sqrt(2 * math.pi)),
        (x / (1 + x**2 * (t - y) ** 2), {x: 1e6, y: 0.0}, LORENTZ),
        (sp.Piecewise((1, t < y), (0, True)), {y: -0.4}, 0.5 * math.erfc(0.4 / math.sqrt(2))),
    ],
    ids=str,
)  # fmt: skip
def test_integrals_of_growth_gates_spikes_and_corners(integrand, at, exact):
    # 1e-11: the slope of 1e6 gives 1/sqrt(2 pi) up to 1.6e-12
    assert value(GaussianIntegral(integrand, (t,)), at) == pytest.approx(exact, rel=1e-11)


def test_integrals_at_many_points_and_inside_a_formula():
    xs = np.linspace(0.1, 30, 300)
    expr = x * SECOND_MOMENT + sp.exp(-x)
    expected = x * CLOSED_FORM + sp.exp(-x)
    assert value(expr, {x: xs, y: 0.4}) == pytest.approx(value(expected, {x: xs, y: 0.4}), rel=1e-12)


def test_infinite_means_and_higher_dimensions_are_refused():
    for integrand in (sp.exp(x * t**2), 1 / sp.Abs(t), sp.exp(t**4)):
        with pytest.raises(ValueError, match="finite real number"):
            value(GaussianIntegral(integrand + 0 * x, (t,)), {x: 0.6} if integrand.has(x) else {})
    with pytest.raises(NotImplementedError, match="dimension 2"):
        value(GaussianIntegral(sp.tanh(t * y), (t, y)), {})


# --- vectors --------------------------------------------------------------------------------


def test_scalars_made_of_vectors_and_matrices():
    rng = np.random.default_rng(3)
    ks, vs, As = rng.standard_normal(4), rng.standard_normal(4), rng.standard_normal((4, 4))
    expr = dot(k, v) ** 2 + d * quad(v, A) + sp.erf(dot(A * k, A * v)) * x + sp.Trace(A)
    expected = (ks @ vs) ** 2 + 4 * vs @ As @ vs + math.erf((As @ ks) @ (As @ vs)) * 0.3 + np.trace(As)
    found = value(expr, {"k": ks, "v": vs[:, None], "A": As, "x": 0.3})
    assert found == pytest.approx(expected, rel=1e-13)
    many = value(expr, {"k": ks, "v": vs, "A": As, "x": np.full(3, 0.3), "d": 4})
    assert many == pytest.approx([expected] * 3, rel=1e-13)


def test_matrix_expressions_give_arrays():
    found = value(2 * x * A * k + v, {"A": np.eye(2), "k": [1, 2], "v": [0, 1], "x": 1})
    assert found.tolist() == [[2.0], [5.0]]
    explicit = dot(sp.Matrix([x, 1]), sp.MatrixSymbol("u", 2, 1))
    assert value(explicit, {"x": 2, "u": [3, 4]}) == 10.0


def test_wrong_shapes_of_vectors_are_named():
    with pytest.raises(ValueError, match=r"v of shape \(d, 1\) with d=3, got shape \(2, 1\)"):
        value(dot(k, v), {"k": [1, 2, 3], "v": [1, 2]})
    with pytest.raises(ValueError, match=r"d=5"):
        value(dot(k, v), {"k": [1, 2, 3], "v": [1, 2, 3], "d": 5})
    with pytest.raises(ValueError, match=r"expected A of shape \(d, d\)"):
        value(quad(k, A), {"k": [1, 2], "A": np.ones(4)})
    with pytest.raises(ValueError, match="k=nan at index"):
        value(dot(k, v), {"k": [1, np.nan], "v": [1, 2]})


# --- risks ----------------------------------------------------------------------------------

RISK = Risk(sp.erf(p * x) ** 2 - 2 * y * sp.erf(p * x), (x, y), Domain({x: (-1, 1), y: (-1, 1), p: (0, sp.oo)}))


@given(st.floats(-0.9, 0.9), st.floats(-0.9, 0.9), st.floats(0.1, 3))
def test_the_gradient_is_the_slope_of_the_value(at_x, at_y, at_p):
    point = {"x": at_x, "y": at_y, "p": at_p}
    slopes = gradient(RISK, point)
    assert set(slopes) == {"x", "y"}
    for name, slope in slopes.items():
        h = 1e-5
        up, down = ({**point, name: point[name] + sign * h} for sign in (1, -1))
        difference = (value(RISK, up) - value(RISK, down)) / (2 * h)
        # third derivatives below 2 * 3**3 * 10 give 1e-10 * 540 / 6; rounding gives 1e-16 / 1e-5
        assert slope == pytest.approx(difference, abs=2e-8)
        assert slope + 1e-3 != pytest.approx(difference, abs=2e-8)


def test_gradients_on_arrays_and_of_constants():
    risk = Risk(3 * x, (x, y))
    found = gradient(risk, {"x": np.arange(4.0)})
    assert found["x"].tolist() == [3.0] * 4 and found["y"].tolist() == [0.0] * 4


def test_a_risk_is_evaluated_beyond_its_domain_but_not_beyond_its_conditions():
    assert value(RISK, {"x": 1.5, "y": 0, "p": 1}) == pytest.approx(math.erf(1.5) ** 2)
    finite = Risk(1 / sp.sqrt(1 - x), (x,), None, "", (x < sp.Rational(1, 2),))
    assert value(finite, {"x": 0.25}) == pytest.approx(math.sqrt(4 / 3))
    with pytest.raises(ValueError, match=r"expected x < 1/2, under which .* got x=0.75"):
        value(finite, {"x": np.array([0.1, 0.75])})


def test_what_a_solver_may_assume_is_no_condition_of_the_formula():
    size = sp.Symbol("d", integer=True, positive=True)
    S = sp.MatrixSymbol("S", size, size)
    known = Risk(sp.Trace(S), (S,), None, "", (sp.Q.positive_definite(S),))
    assert value(known, {"S": np.diag([1.0, -3.0])}) == -2.0


# --- bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expr", "values", "error", "message"),
    [
        (x * y, {"x": 1.0}, ValueError, "expected a value for each of x, y; missing: y"),
        (x * y, {"x": 1, "y": 1, "w": 1}, ValueError, "unknown: w"),
        (sp.Symbol("gamma") * x, {"x": 1, "gama": 1}, ValueError, "did you mean gamma"),
        (x * y, {"x": 1, sp.Symbol("y"): 1}, ValueError, "other assumptions; pass its name"),
        (x * sp.Symbol("x"), {"x": 1}, ValueError, "2 that differ in their assumptions"),
        (x, {"x": 1, x: 2}, ValueError, "two: by name and by symbol"),
        (x, {"x": math.nan}, ValueError, "finite number for x, got x=nan"),
        (x, {"x": np.array([0.0, np.inf])}, ValueError, r"x=inf at index \(1,\)"),
        (x, {"x": "0.5"}, TypeError, "real number.*for x, got x='0.5'"),
        (x, {"x": 1j}, TypeError, "for x, got x=1j"),
        (x, {"x": True}, TypeError, "of type bool"),
        (x, {"x": None}, TypeError, "of type NoneType"),
        (x, {"x": 10**400}, TypeError, "too large"),
        (x * y, {"x": np.ones(3), "y": np.ones(1)}, ValueError, r"common shape, got x of shape \(3,\)"),
        (x * y, {"x": np.ones((3, 1)), "y": np.ones(3)}, ValueError, "common shape"),
        (sp.sqrt(p), {"p": 0}, ValueError, "expected p > 0 for p, got p=0.0"),
        (sp.sqrt(p), {"p": np.array([1.0, -2.0])}, ValueError, r"p=-2.0 at index \(1,\)"),
        (n * x, {"n": 2.5, "x": 1}, ValueError, "expected an integer for n, got n=2.5"),
        (sp.sqrt(x), {"x": np.array([1.0, -4.0])}, ValueError, r"nan at x=-4.0 \(index \(1,\)\) from"),
        (1 / x, {"x": 0}, ValueError, "got inf at x=0.0 from 1/x"),
        (sp.polylog(2, x), {"x": 0.5}, NotImplementedError, r"polylog, needed by polylog\(2, x\)"),
        (sp.Function("f")(x), {"x": 0.5}, NotImplementedError, "no float rule for f"),
        (sp.DiracDelta(x), {"x": 0.5}, NotImplementedError, "DiracDelta"),
        (gaussians("a")[0] * x, {"x": 1}, NotImplementedError, r"random variable a; take the mean first"),
        (x + 10**400, {"x": 1}, ValueError, "below 1.8e308"),
        (x * sp.oo, {"x": 1}, ValueError, "finite numbers in a formula"),
        ("x + 1", {"x": 1}, TypeError, "expected a sympy expression, got 'x \\+ 1'"),
        (x, [1.0], TypeError, "expected a dict"),
    ],
)  # fmt: skip
def test_wrong_use_is_refused_by_name(expr, values, error, message):
    with pytest.raises(error, match=message):
        value(expr, values)


def test_wrong_arguments_of_compile():
    with pytest.raises(ValueError, match="missing: y"):
        compile(x * y, (x,))
    with pytest.raises(ValueError, match="x more than once"):
        compile(x, (x, x))
    with pytest.raises(TypeError, match="expected symbols"):
        compile(x, ("x",))
    with pytest.raises(TypeError, match=r"expected 1 values, for x, got 2"):
        compile(x, (x,))(1, 2)
    with pytest.raises(NotImplementedError, match="zeta"):
        compile(sp.zeta(x), (x,))


def test_compiled_formulas_are_kept_and_the_store_is_bounded():
    module._compiled.cache_clear()
    for _ in range(3):
        value(sp.erf(x) + 17, {"x": 0.1})
    assert module._compiled.cache_info().misses == 1
    assert module._compiled.cache_info().maxsize == 256
