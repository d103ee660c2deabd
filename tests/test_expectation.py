"""E against brute force that shares nothing with it, and the laws every expectation obeys."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import erf, erfc, ndtr

from numerics import value
from theory import (
    BivariateNormalCDF,
    E,
    Expectation,
    GaussianIntegral,
    GaussianMatrix,
    GaussianVector,
    InfiniteExpectation,
    NoClosedForm,
    NormalCDF,
    OwenT,
    derive,
    dot,
    gaussians,
    quad,
)

mu, s, r, t, lam, b0 = sp.symbols("mu s r t lam b_0", positive=True)
half = sp.Rational(1, 2)


def at(expr, **point):
    """The value of an expression at the numbers it needs."""
    return value(expr, {name: x for name, x in point.items() if name in {str(f) for f in expr.free_symbols}})


# --- brute force ---------------------------------------------------------------------------
#
# A random product is written twice: as a sympy expression and as a numpy function, and the numpy
# function is averaged over (a, b) = mean + B z. Smooth products: tensor Gauss-Hermite with 120
# nodes an axis, against 100 nodes for the error. Products with kinks: the kink of sign(ℓ) is a line,
# so z is rotated to have it at a constant first coordinate, and the axis is split there.

NODES = {n: hermegauss(n) for n in (100, 120)}


def hermite(f, mean, B, n):
    z, w = NODES[n]
    z1, z2 = np.meshgrid(z, z, indexing="ij")
    weight = np.outer(w, w) / (2 * np.pi)
    return float(np.sum(weight * f(mean[0] + B[0][0] * z1 + B[0][1] * z2, mean[1] + B[1][0] * z1 + B[1][1] * z2)))


def split(f, mean, B, kink):
    """∫ f over the plane, with a kink on the line kink · (a, b, 1) = 0; Gauss-Legendre on panels."""
    direction = np.array([kink[0] * B[0][0] + kink[1] * B[1][0], kink[0] * B[0][1] + kink[1] * B[1][1]])
    length = np.hypot(*direction)
    if length == 0:
        return hermite(f, mean, B, 120)
    u = direction / length
    place = -(kink[0] * mean[0] + kink[1] * mean[1] + kink[2]) / length
    x, w = np.polynomial.legendre.leggauss(24)

    def panels(edges):
        nodes = np.concatenate([(hi - lo) / 2 * x + (hi + lo) / 2 for lo, hi in pairwise(edges)])
        weights = np.concatenate([(hi - lo) / 2 * w for lo, hi in pairwise(edges)])
        return nodes, weights * np.exp(-(nodes**2) / 2) / np.sqrt(2 * np.pi)

    edges = np.unique(np.clip(np.concatenate([np.linspace(-11, 11, 12), [place]]), -11, 11))
    (y1, w1), (y2, w2) = panels(edges), panels(np.linspace(-11, 11, 12))
    g1, g2 = np.meshgrid(y1, y2, indexing="ij")
    z1, z2 = u[0] * g1 - u[1] * g2, u[1] * g1 + u[0] * g2
    values = f(mean[0] + B[0][0] * z1 + B[0][1] * z2, mean[1] + B[1][0] * z1 + B[1][1] * z2)
    return float(np.sum(np.outer(w1, w2) * values))


fractions = st.builds(lambda p, q: sp.Rational(p, q), st.integers(-4, 4), st.integers(3, 6))
forms = st.tuples(fractions, fractions, fractions)
SMOOTH = {
    "erf": (sp.erf, erf),
    "erfc": (sp.erfc, erfc),
    "cdf": (NormalCDF, ndtr),
    "cos": (sp.cos, np.cos),
    "sin": (sp.sin, np.sin),
    "exp": (sp.exp, np.exp),
    "bump": (lambda x: sp.exp(-(x**2)), lambda x: np.exp(-(x**2))),
    "identity": (lambda x: x, lambda x: x),
    "square": (lambda x: x**2, lambda x: x**2),
    "tanh": (sp.tanh, np.tanh),
}
KINKED = {
    "sign": (sp.sign, np.sign),
    "step": (sp.Heaviside, lambda x: np.heaviside(x, 0.5)),
    "abs": (sp.Abs, np.abs),
    "relu": (lambda x: sp.Max(0, x), lambda x: np.maximum(x, 0)),
}


@st.composite
def laws(draw):
    rows = draw(st.lists(st.lists(st.integers(-2, 2), min_size=2, max_size=2), min_size=2, max_size=2))
    B = [[sp.Rational(entry, 3) for entry in row] for row in rows]
    mean = draw(st.lists(fractions, min_size=2, max_size=2))
    covariance = sp.Matrix(B) * sp.Matrix(B).T
    return mean, B, gaussians("a b", mean=mean, covariance=covariance)


def product(variables, factors):
    a, b = variables
    return sp.prod([f(c[0] * a + c[1] * b + c[2]) for (f, _), c in factors])


def numeric(factors):
    coefficients = [[float(x) for x in c] for _, c in factors]
    functions = [g for (_, g), _ in factors]
    return lambda a, b: np.prod([g(c[0] * a + c[1] * b + c[2]) for g, c in zip(functions, coefficients)], axis=0)


@settings(max_examples=60, deadline=None)
@given(laws(), st.lists(st.tuples(st.sampled_from(sorted(SMOOTH)), forms), min_size=1, max_size=3))
def test_smooth_products_agree_with_a_tensor_quadrature(law, chosen):
    mean, B, variables = law
    factors = [(SMOOTH[name], form) for name, form in chosen]
    result = E(product(variables, factors))
    if any(integral.dimension > 1 for integral in result.atoms(GaussianIntegral)):
        return  # two functions without a rule, of two different forms: a named integral, valued elsewhere
    f, m, matrix = numeric(factors), [float(x) for x in mean], [[float(x) for x in row] for row in B]
    fine, coarse = hermite(f, m, matrix, 120), hermite(f, m, matrix, 100)
    scale = 1 + abs(hermite(lambda x, y: f(x, y) ** 2, m, matrix, 120)) ** 0.5
    # the quadrature is its own judge: twice the step between two orders, above rounding
    assert abs(float(value(result, {})) - fine) <= 10 * abs(fine - coarse) + 1e-11 * scale


@settings(max_examples=40, deadline=None)
@given(
    laws(),
    st.tuples(st.sampled_from(sorted(KINKED)), forms),
    st.lists(st.tuples(st.sampled_from(["erf", "identity", "square", "cos", "bump"]), forms), max_size=2),
)
def test_products_with_a_kink_agree_with_a_split_quadrature(law, kinked, chosen):
    mean, B, variables = law
    factors = [(KINKED[kinked[0]], kinked[1]), *((SMOOTH[name], form) for name, form in chosen)]
    expr = product(variables, factors)
    if not expr.free_symbols and expr.is_number:
        return
    f, m, matrix = numeric(factors), [float(x) for x in mean], [[float(x) for x in row] for row in B]
    reference = split(f, m, matrix, [float(x) for x in kinked[1]])
    scale = 1 + abs(split(lambda x, y: f(x, y) ** 2, m, matrix, [float(x) for x in kinked[1]])) ** 0.5
    # 24-point panels of width 2 leave 1e-12 on entire functions with slopes below 6
    assert abs(float(value(E(expr), {})) - reference) <= 1e-9 * scale


def test_brute_force_would_notice_a_wrong_formula():
    """The control of the two tests above: an error of 1e-6 is far outside their tolerance."""
    a, b = gaussians("a b", covariance=[[1, half], [half, 1]])
    exact = float(value(E(sp.erf(a) * b), {}))
    reference = hermite(lambda x, y: erf(x) * y, [0, 0], [[1, 0], [0.5, 0.75**0.5]], 120)
    assert abs(exact - reference) < 1e-11 < abs(exact * (1 + 1e-6) - reference)


SYMBOLIC = gaussians(
    "a b",
    mean=sp.symbols("mu_1 mu_2", real=True),
    covariance=[[s, sp.Symbol("c", real=True)], [sp.Symbol("c", real=True), t]],
)


@settings(max_examples=80, deadline=None)
@given(
    st.tuples(fractions, fractions, st.sampled_from([1, 2]), st.sampled_from([1, 3]), st.sampled_from([1, half])),
    st.lists(
        st.tuples(st.sampled_from(["erf", "identity", "square", "bump", "cos", "sign", "relu", "erf", "cdf"]), forms),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([1, 2]),
)
def test_symbols_first_or_numbers_first(law, chosen, power):
    """The closed form at a point is the closed form of the point: no branch of a root is lost with symbols."""
    mu1, mu2, var1, var2, cov = law
    a, b = SYMBOLIC
    table = SMOOTH | KINKED

    def expr(variables):
        return product(variables, [(table[name], form) for name, form in chosen]) ** power

    numbers = gaussians("a b", mean=[mu1, mu2], covariance=[[var1, cov], [cov, var2]])
    try:
        symbolic = E(expr((a, b)))
    except NoClosedForm:
        return
    point = {"mu_1": mu1, "mu_2": mu2, "s": var1, "t": var2, "c": cov}
    direct = E(expr(numbers))
    if any(node.dimension > 1 for node in (symbolic + direct).atoms(GaussianIntegral)):
        return
    assert at(symbolic, **point) == pytest.approx(float(value(direct, {})), rel=1e-9, abs=1e-10)


# --- laws ----------------------------------------------------------------------------------

ATOMS = [sp.erf, lambda x: x, lambda x: x**2, sp.sign, sp.Abs, lambda x: sp.exp(-(x**2)), sp.cos]


def pair():
    return gaussians("a b", mean=[mu, 0], covariance=[[s, r], [r, t]])


def test_linearity():
    a, b = pair()
    first, second = sp.erf(lam * a) * b, a**2 * sp.sign(b)
    combined = E(3 * first - second / 2)
    assert sp.expand(combined - 3 * E(first) + E(second) / 2) == 0


def test_a_family_of_independent_variables_factorizes():
    (a,), (b,) = gaussians("a", mean=[mu]), gaussians("b", covariance=[[s]])
    for f in ATOMS:
        for g in ATOMS:
            assert sp.expand(E(f(a) * g(b)) - E(f(a)) * E(g(b))) == 0


def test_constants_come_back_unchanged():
    assert E(mu**2 + 1) == mu**2 + 1
    assert E(3) == 3


@pytest.mark.parametrize("f", [sp.erf, NormalCDF, sp.sign, sp.Abs, lambda x: sp.erf(x) ** 2, lambda x: sp.Max(0, x)])
def test_derivative_in_the_mean_is_the_mean_of_the_derivative(f):
    """d/dμ E f(a) = E f(a)(a − μ)/s, the score identity: Stein's lemma read backwards."""
    a, _ = pair()
    difference = E(f(lam * a)).diff(mu) - E(f(lam * a) * (a - mu)) / s
    assert at(difference, mu=0.7, s=1.3, lam=0.9) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("f", [sp.erf, lambda x: sp.erf(x) ** 2, lambda x: sp.exp(-(x**2)) * x, sp.cos])
def test_heat_equation(f):
    """d/ds E f(a) = ½ d²/dμ² E f(a) for a ~ N(μ, s)."""
    a, _ = pair()
    closed = E(f(lam * a))
    difference = closed.diff(s) - closed.diff(mu, 2) / 2
    assert at(difference, mu=0.7, s=1.3, lam=0.9) == pytest.approx(0, abs=1e-14)


def test_sign_is_the_limit_of_steep_erfs():
    a, b = gaussians("a b", mean=[half, 0], covariance=[[1, half], [half, 2]])
    for g in (b, b**2, sp.erf(b), sp.sign(b)):
        steep = value(E(sp.erf(10**8 * a) * g), {})
        assert steep == pytest.approx(value(E(sp.sign(a) * g), {}), abs=1e-7)


def test_singular_covariances():
    a, b = gaussians("a b", covariance=[[s, s], [s, s]])  # b is a
    assert E(sp.erf(a) * sp.erf(b)) == E(sp.erf(a) ** 2)
    assert E(sp.sign(a) * sp.sign(b)) == 1
    assert E(a * b) == s
    (constant,) = gaussians("c", mean=[mu], covariance=[[0]])
    assert E(sp.erf(constant) * constant**3) == mu**3 * sp.erf(mu)
    assert E(sp.sign(constant)) == 1


# --- tables --------------------------------------------------------------------------------

x, y, al, be = sp.symbols("x y alpha beta", positive=True)
(z,) = gaussians("z")

TABLE = [
    # Owen (1980), A table of normal integrals, in the numbering of that paper; φ = density, Φ = NormalCDF
    ("10,010.8", E(NormalCDF(al + be * z)), NormalCDF(al / sp.sqrt(1 + be**2))),
    ("10,011.1", E(z * NormalCDF(be * z)), be / sp.sqrt(2 * sp.pi * (1 + be**2))),
    (
        "10,011.2",
        E(z * NormalCDF(al + be * z)),
        be / sp.sqrt(1 + be**2) * sp.exp(-(al**2) / (2 * (1 + be**2))) / sp.sqrt(2 * sp.pi),
    ),
    (
        "10,012.2",
        E(z**2 * NormalCDF(al + be * z)),
        NormalCDF(al / sp.sqrt(1 + be**2))
        - al * be**2 / (1 + be**2) ** sp.Rational(3, 2) * sp.exp(-(al**2) / (2 * (1 + be**2))) / sp.sqrt(2 * sp.pi),
    ),
    (
        "20,010.3",
        E(NormalCDF(al + be * z) ** 2),
        NormalCDF(al / sp.sqrt(1 + be**2)) - 2 * OwenT(al / sp.sqrt(1 + be**2), 1 / sp.sqrt(1 + 2 * be**2)),
    ),
    (
        "20,010.1",
        E(NormalCDF(al + z) * NormalCDF(be + z)),
        BivariateNormalCDF(al / sp.sqrt(2), be / sp.sqrt(2), half),
    ),
    # Williams (1997): the arcsine kernel
    ("arcsine", E(sp.erf(be * z) ** 2), 2 / sp.pi * sp.asin(2 * be**2 / (1 + 2 * be**2))),
    # Wikipedia, List of integrals of Gaussian functions; elementary facts
    ("absolute value", E(sp.Abs(z)), sp.sqrt(2 / sp.pi)),
    ("absolute cube", E(sp.Abs(z) ** 3), 2 * sp.sqrt(2 / sp.pi)),
    ("relu", E(sp.Max(0, be * z)), be / sp.sqrt(2 * sp.pi)),
    ("maximum", E(sp.Max(*gaussians("z1 z2"))), 1 / sp.sqrt(sp.pi)),
    ("characteristic function", E(sp.cos(al * z)), sp.exp(-(al**2) / 2)),
    ("moment generating function", E(sp.exp(al * z)), sp.exp(al**2 / 2)),
    ("chi-square", E(sp.exp(-al * z**2)), 1 / sp.sqrt(1 + 2 * al)),
    ("eighth moment", E(z**8), sp.Integer(105)),
    ("gelu", E(z * NormalCDF(z)), 1 / (2 * sp.sqrt(sp.pi))),
    ("sine times value", E(z * sp.sin(al * z)), al * sp.exp(-(al**2) / 2)),
    ("sine times gate", E(sp.sin(al * z) * sp.erf(z)), sp.exp(-(al**2) / 2) * sp.erfi(al / sp.sqrt(3))),
]


@pytest.mark.parametrize(("name", "ours", "table"), TABLE, ids=[row[0] for row in TABLE])
def test_tables_of_normal_integrals(name, ours, table):
    point = {"alpha": 0.7, "beta": 1.3}
    assert at(ours, **point) == pytest.approx(at(table, **point), rel=1e-13)


def test_orthants_of_two_signs_are_sheppards():
    a, b = gaussians("a b", covariance=[[1, r], [r, 1]])
    assert E(sp.Heaviside(a) * sp.Heaviside(b)) == sp.Rational(1, 4) + sp.asin(r) / (2 * sp.pi)


def test_the_arc_cosine_kernel():
    """E relu(a) relu(b) = (√(1−r²) + (π − arccos r) r)/(2π). Source: Cho and Saul (2009)."""
    a, b = gaussians("a b", covariance=[[1, r], [r, 1]])
    kernel = (sp.sqrt(1 - r**2) + (sp.pi - sp.acos(r)) * r) / (2 * sp.pi)
    assert value(E(sp.Max(0, a) * sp.Max(0, b)) - kernel, {r: 0.37}) == pytest.approx(0, abs=1e-15)


# --- what has no closed form ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "dimension"),
    [
        (lambda a, b: sp.tanh(a), 1),
        (lambda a, b: b**2 / (1 + sp.exp(-a)), 1),
        (lambda a, b: sp.erf(a) * sp.erf(a + 1) * sp.erf(a + 2), 1),
        (lambda a, b: sp.erf(a) * sp.erf(b) * sp.erf(a + b + 1), 1),
        (lambda a, b: sp.tanh(a) * sp.erf(b) * sp.erf(b + 1), 1),
        (lambda a, b: sp.tanh(a + b) * sp.cos(a), 1),
        (lambda a, b: sp.tanh(a) * sp.tanh(b), 2),
        (lambda a, b: sp.log(1 + sp.exp(a)), 1),
    ],
)
def test_a_named_integral_of_the_smallest_dimension(f, dimension):
    result = E(f(*pair()))
    assert {integral.dimension for integral in result.atoms(GaussianIntegral)} == {dimension}


def test_three_centred_erfs_vanish_by_parity():
    a, b = gaussians("a b", covariance=[[s, r], [r, t]])
    assert E(sp.erf(a) * sp.erf(b) * sp.erf(a + b)) == 0


# --- existence -----------------------------------------------------------------------------


def test_infinite_expectations_are_named():
    with pytest.raises(InfiniteExpectation, match=r"exp\(.*\) is infinite|infinite"):
        E(sp.exp(z**2))
    with pytest.raises(InfiniteExpectation):
        E(z**2 * sp.exp(z**2 / 2))
    z1, z2 = gaussians("z1 z2")
    with pytest.raises(InfiniteExpectation):
        E(sp.exp(2 * z1 * z2))


def test_the_condition_is_exact():
    z1, z2 = gaussians("z1 z2")
    almost = sp.Rational(999, 1000)
    assert E(sp.exp(almost * z1 * z2)) == 1 / sp.sqrt(1 - almost**2)
    with pytest.raises(InfiniteExpectation):
        E(sp.exp(z1 * z2))


def test_symbols_record_the_condition():
    q = sp.Symbol("q", real=True)
    assert derive(sp.exp(q * z**2)).conditions == (sp.Gt(1 - 2 * q, 0),)
    assert derive(sp.exp(-al * z**2)).conditions == ()


def test_finiteness_for_singular_covariances():
    """Only the part of the exponent that the law can see matters: a − b is constant here."""
    a, b = gaussians("a b", covariance=[[1, 1], [1, 1]])
    assert E(sp.exp(5 * (a - b) ** 2)) == 1
    with pytest.raises(InfiniteExpectation):
        E(sp.exp(5 * (a + b) ** 2))


def test_decay_of_gates_decides_or_refuses():
    with pytest.raises(InfiniteExpectation):
        E(sp.exp(z**2) * sp.erfc(z))  # erfc does not decay to the left
    with pytest.raises(NoClosedForm, match="finite only through the decay"):
        E(sp.exp(z**2) * sp.Heaviside(z) * sp.erfc(z))
    assert E(sp.exp(z**2 / 4) * sp.erfc(z)).is_finite is not False


def test_a_large_exponential_is_not_called_infinite_when_another_factor_may_tame_it():
    """e^{z²}/(1 + e^{2z²}) is bounded: refused, not infinite."""
    with pytest.raises(NoClosedForm, match="cannot decide"):
        E(sp.exp(z**2) / (1 + sp.exp(2 * z**2)))


def test_softmax_weights_are_integrals_of_one_form_less():
    """e^a/(e^a + e^b) = 1/(1 + e^{b−a}); the two weights add up to one."""
    a, b = gaussians("a b", mean=[1, 0], covariance=[[1, half], [half, 2]])
    first, second = (E(sp.exp(x) / (sp.exp(a) + sp.exp(b))) for x in (a, b))
    assert {node.dimension for node in (first + second).atoms(GaussianIntegral)} == {1}
    assert at(first) + at(second) == pytest.approx(1, abs=1e-14)
    squared = E(b * (2 * sp.exp(a) / (sp.exp(a) + 3 * sp.exp(b))) ** 2)
    reference = hermite(lambda x, y: y * (2 / (1 + 3 * np.exp(y - x))) ** 2, [1, 0], [[1, 0], [0.5, 1.75**0.5]], 120)
    assert at(squared) == pytest.approx(reference, rel=1e-9)
    assert E(sp.exp(z**2) / (1 + sp.exp(z**2))).atoms(GaussianIntegral)


def test_unknown_functions_of_independent_variables_factorize():
    (a,), (b,) = gaussians("a", mean=[1]), gaussians("b", covariance=[[2]])
    assert E(sp.tanh(a) * sp.tanh(b + 1)) == E(sp.tanh(a)) * E(sp.tanh(b + 1))


def test_a_density_comes_before_an_exponential():
    """Under δ(z − 1) the exponential is a number, however large."""
    assert E(sp.exp(z**2) * sp.DiracDelta(z - 1)) == sp.exp(1) * sp.exp(-half) / sp.sqrt(2 * sp.pi)


@pytest.mark.parametrize("name", ["t", "t_0", "z_0", "l_1", "l_2"])
def test_no_name_of_a_user_is_captured(name):
    """Bound variables and placeholders are nobody's symbols."""
    for assumptions in ({}, {"real": True}, {"integer": True}):
        symbol = sp.Symbol(name, **assumptions)
        closed = E(sp.tanh(symbol * z + 1))
        assert closed.free_symbols == {symbol}
        assert value(closed, {name: 2}) == pytest.approx(value(E(sp.tanh(2 * z + 1)), {}), rel=1e-12)
        rows = GaussianMatrix("X", 3, 2)
        index = sp.Symbol("j", integer=True)
        total = sp.Sum(symbol * dot(rows[index, :], sp.Matrix([1, 1])) ** 2, (index, 0, 2))
        assert sp.expand(E(total**2)) == 60 * symbol**2  # E (2χ²₃)² = 4(9 + 6)


def test_growth_that_cannot_be_bounded_is_refused():
    for wild in (sp.exp(sp.exp(z)), sp.exp(z**4), 1 / z, sp.log(z), sp.gamma(z)):
        with pytest.raises(NoClosedForm):
            E(wild)


def test_functions_of_linear_growth_may_stand_in_an_exponential():
    closed = 2 * sp.exp(half) * NormalCDF(-1)
    assert at(E(sp.exp(-sp.Abs(z)))) == pytest.approx(at(closed), rel=1e-12)


@pytest.mark.parametrize("wrong", [None, [z], z > 0, sp.Eq(z, 1), "z"])
def test_what_is_no_scalar_is_refused(wrong):
    with pytest.raises(TypeError, match="expected"):
        E(wrong)


@pytest.mark.parametrize("wrong", [sp.oo * z, sp.nan, sp.zoo + z])
def test_what_is_not_finite_is_refused(wrong):
    with pytest.raises(ValueError, match="finite"):
        E(wrong)


def test_floats_are_read_as_decimals():
    exact = gaussians(
        "a b", mean=[half, 0], covariance=[[sp.Rational(3, 10), sp.Rational(1, 10)], [sp.Rational(1, 10), 1]]
    )
    assert gaussians("a b", mean=[0.5, 0], covariance=[[0.3, 0.1], [0.1, 1.0]]) == exact
    assert gaussians("a b", mean=np.array([0.5, 0]), covariance=np.array([[0.3, 0.1], [0.1, 1.0]])) == exact
    assert GaussianVector("x", 2, covariance=np.eye(2)) == GaussianVector("x", 2, covariance=sp.eye(2))


def test_misuse_is_named():
    with pytest.raises(TypeError, match="text"):
        E("a**2")
    first, second = gaussians("a", mean=[1]), gaussians("a", mean=[2])
    with pytest.raises(ValueError, match="two laws"):
        E(first[0] * second[0])
    with pytest.raises(NoClosedForm, match="powers up to"):
        E(z**1000)


def test_the_same_call_twice_is_the_same_variable():
    assert gaussians("a b") == gaussians("a b")
    assert gaussians("a", mean=[1]) != gaussians("a", mean=[2])


# --- vectors -------------------------------------------------------------------------------

d = sp.Symbol("d", integer=True, positive=True)
k, v, m = (sp.MatrixSymbol(name, d, 1) for name in "kvm")
S, A = sp.MatrixSymbol("S", d, d), sp.MatrixSymbol("A", d, d)


def test_scalar_products_of_a_vector():
    vector = GaussianVector("x", d, mean=m, covariance=S)
    assert E(dot(vector, k)) == dot(m, k)
    assert E(dot(vector, k) * dot(vector, v)) == dot(m, k) * dot(m, v) + dot(k, S * v)
    assert E(sp.erf(lam * dot(vector, k))) == sp.erf(lam * dot(m, k) / sp.sqrt(2 * lam**2 * dot(k, S * k) + 1))


def test_quadratic_forms_of_a_vector():
    vector = GaussianVector("x", d, mean=m, covariance=s)
    assert E(dot(vector, vector)) == dot(m, m) + s * d
    assert sp.expand(E(dot(vector, vector) ** 2) - ((dot(m, m) + s * d) ** 2 + 2 * s**2 * d + 4 * s * dot(m, m))) == 0
    assert E(quad(vector, A)) == s * sp.Trace(A) + quad(m, A)


def test_explicit_vectors_agree_with_scalars():
    covariance = sp.Matrix([[2, 1], [1, 3]])
    vector = GaussianVector("x", 2, mean=[1, -1], covariance=covariance)
    a, b = gaussians("a b", mean=[1, -1], covariance=covariance)
    for f in (lambda p, q: p**2 * q**2, lambda p, q: sp.erf(p) * q, lambda p, q: sp.sign(p) * sp.sign(q)):
        assert sp.expand(E(f(vector[0, 0], vector[1, 0])) - E(f(a, b))) == 0
    general = sp.Matrix([[1, 2], [-1, 3]])
    form = E(quad(vector, general) ** 2 * sp.erf(dot(vector, sp.Matrix([1, 1]))))
    scalar = a**2 + a * b + 3 * b**2
    assert value(form - E(scalar**2 * sp.erf(a + b)), {}) == pytest.approx(0, abs=1e-12)


def test_two_independent_vectors():
    first, second = GaussianVector("x", d), GaussianVector("y", d, covariance=s)
    assert E(dot(first, second) ** 2) == s * d
    assert E(dot(first, second)) == 0
    assert E(dot(first, second) * dot(first, k) * dot(second, v)) == s * dot(k, v)


def test_one_by_one_matrices_are_scalars():
    vector = GaussianVector("x", d, mean=m)
    assert E(k.T * vector) == dot(k, m)
    assert E((vector.T * A * vector) ** 2) == E(quad(vector, A) ** 2)


def test_functions_of_quadratic_forms_are_refused_by_name():
    vector = GaussianVector("x", d)
    with pytest.raises(NoClosedForm, match="quadratic form"):
        E(sp.erf(dot(vector, vector)))


def test_expectation_is_a_node():
    a, b = pair()
    node = Expectation(a * sp.erf(b))
    assert node.doit() == E(a * sp.erf(b))
    assert (2 * node + 1).doit() == 2 * E(a * sp.erf(b)) + 1
    assert node.free_symbols == {mu, s, r, t}
