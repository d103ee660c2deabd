"""Polynomial risks: every stationary point, what it is, and the proof that there is no other."""

from __future__ import annotations

import itertools
import math
import time
from functools import cache

import numpy as np
import pytest
import sympy as sp
from flint import arb, fmpq, fmpq_mpoly_ctx, fmpz_poly
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.complex_zeros import bezout_bound, complex_zeros, prove_zeros
from numerics.exact_numbers import constant_ball, simplest_fraction
from numerics.exact_polynomials import determinant, real_roots
from numerics.homotopy import path_ends
from numerics.linear_symmetries import is_rotation, linear_symmetries
from numerics.polynomial_field import PolynomialField, terms_of
from numerics.polynomial_zeros import polynomial_zeros
from numerics.quotient_algebra import groebner_basis, quotient_algebra
from numerics.real_cases import Case, alternatives
from numerics.solve import stationary_points
from theory.domain import Domain, FeasibleGram
from theory.risk import Risk
from theory.stationary import Nature, StationarySet

R = sp.Rational
a, b, c, e = sp.symbols("a b c e", real=True)
x, y, z = sp.symbols("x y z", real=True)
w = sp.symbols("w1:9", real=True)


def everywhere(variables):
    return Domain(dict.fromkeys(variables, (-sp.oo, sp.oo)))


def stationary(expr, variables) -> StationarySet:
    return stationary_points(Risk(expr, tuple(variables)), everywhere(variables))


def field_of(expr, variables) -> PolynomialField:
    return PolynomialField([terms_of(sp.expand(expr).diff(v), variables) for v in variables], len(variables))


def soon() -> float:
    return time.monotonic() + 30


# --- risks with a name ---------------------------------------------------------------------------


def wells(variables):
    """Independent double wells: 3^d points, 2^d minima."""
    return sum((v**2 - 1) ** 2 for v in variables)


def autoencoder(S):
    """E‖X − w wᵀX‖²: tr S − 2 wᵀSw + |w|² wᵀSw, whose gradient flow is Oja's rule up to a factor."""
    v = sp.Matrix(w[: S.rows])
    return S.trace() - 2 * (v.T * S * v)[0] + (v.T * v)[0] * (v.T * S * v)[0]


def factorisation(S):
    """‖S − w wᵀ‖², up to a constant."""
    v = sp.Matrix(w[: S.rows])
    return (v.T * v)[0] ** 2 - 2 * (v.T * S * v)[0]


def turned(*spectrum):
    """A full matrix with a given rational spectrum: diag in the frame of a reflection."""
    v = sp.Matrix([1, *[2] * (len(spectrum) - 1)])
    H = sp.eye(len(spectrum)) - 2 * v * v.T / (v.T * v)[0]
    return H * sp.diag(*spectrum) * H


def clusters(C0, C1, C2, C3):
    """C0 + C1(x² + y²) + C2(x⁴ + y⁴) + C3 x²y², the form of a reduced two-head risk."""
    return C0 + C1 * (x**2 + y**2) + C2 * (x**4 + y**4) + C3 * x**2 * y**2


def two_layers(M, ridge):
    """‖M − u vᵀ‖² + ridge (|u|² + |v|²)."""
    u, v = sp.Matrix(w[:2]), sp.Matrix(w[2:4])
    D = M - u * v.T
    return (D.T * D).trace() + ridge * ((u.T * u)[0] + (v.T * v)[0])


QUARTIC = (
    6 * (a**2 + b**2 - 1) ** 2 + 6 * (c**2 + e**2 - 1) ** 2 + 8 * (a * c + b * e) ** 2
    + 3 * a**2 * b**2 + 5 * c**2 * e**2 - 4 * a**2 - 3 * e**2 + 2 * a * b * c * e - 2 * b**2
)  # fmt: skip
IRRATIONAL = sp.Matrix([[5, 1, 2], [1, 3, -1], [2, -1, 7]])
FIVE = sp.Matrix(5, 5, lambda i, j: 7 + i if i == j else (i * j) % 3 - 1)
PLANE = sp.Matrix([[3, 1], [1, 2]])
MAP = sp.Matrix([[2, 1], [0, 3]])

# risk, parameters, how many (minima, saddles, maxima, others)
COUNTED = {
    "double well": (wells([x]), [x], (2, 0, 1, 0)),
    "tilted double well": (wells([x]) + x / 5, [x], (2, 0, 1, 0)),
    "double well tilted away": (wells([x]) + 5 * x, [x], (1, 0, 0, 0)),
    "two double wells": (wells([x, y]), [x, y], (4, 4, 1, 0)),
    "three double wells": (wells([x, y, z]), [x, y, z], (8, 18, 1, 0)),
    "coupled double wells": (wells([x, y]) + x * y / 10, [x, y], (4, 4, 1, 0)),
    "strongly coupled double wells": (wells([x, y]) + 5 * x * y, [x, y], (2, 1, 0, 0)),
    "coupled and tilted": (wells([x, y]) + x * y / 10 + x / 10, [x, y], (4, 4, 1, 0)),
    "sixth order": (x**6 - 3 * x**4 + 2 * x**2 + y**2, [x, y], (3, 2, 0, 0)),
    "autoencoder, d = 2": (autoencoder(sp.diag(1, 2)), w[:2], (2, 2, 1, 0)),
    "autoencoder, d = 3": (autoencoder(sp.diag(1, 2, 4)), w[:3], (2, 4, 1, 0)),
    "autoencoder, d = 4": (autoencoder(sp.diag(1, 2, 3, 5)), w[:4], (2, 6, 1, 0)),
    "autoencoder, d = 3, turned": (autoencoder(turned(1, 2, 4)), w[:3], (2, 4, 1, 0)),
    "autoencoder, d = 4, turned": (autoencoder(turned(1, 2, 3, 5)), w[:4], (2, 6, 1, 0)),
    "autoencoder, d = 2, irrational": (autoencoder(PLANE), w[:2], (2, 2, 1, 0)),
    "autoencoder, d = 3, irrational": (autoencoder(IRRATIONAL), w[:3], (2, 4, 1, 0)),
    "autoencoder, d = 5, irrational": (autoencoder(FIVE), w[:5], (2, 8, 1, 0)),
    "autoencoder, d = 8": (autoencoder(sp.diag(*range(1, 9))), w[:8], (2, 14, 1, 0)),
    "factorisation, d = 2": (factorisation(sp.diag(1, 2)), w[:2], (2, 2, 1, 0)),
    "factorisation, d = 3": (factorisation(sp.diag(1, 2, 4)), w[:3], (2, 4, 1, 0)),
    "factorisation, d = 3, irrational": (factorisation(IRRATIONAL), w[:3], (2, 4, 1, 0)),
    "factorisation, d = 4, turned": (factorisation(turned(1, 2, 3, 5)), w[:4], (2, 6, 1, 0)),
    "factorisation, one direction negative": (factorisation(sp.diag(2, -1)), w[:2], (2, 1, 0, 0)),
    "two layers with ridge": (two_layers(MAP, R(1, 10)), w[:4], (2, 3, 0, 0)),
    "clusters, repelling": (clusters(3, -2, 1, 5), [x, y], (4, 4, 1, 0)),
    "clusters, attracting": (clusters(3, -2, 1, -1), [x, y], (4, 4, 1, 0)),
    "clusters, convex": (clusters(1, 2, 1, 1), [x, y], (1, 0, 0, 0)),
    "quartic of two heads": (QUARTIC, [a, b, c, e], (8, 40, 1, 0)),
    "monkey saddle in a bowl": (x**3 - 3 * x * y**2 + (x**2 + y**2) ** 2, [x, y], (3, 0, 0, 1)),
    "square root of two in it": (x**4 - sp.sqrt(2) * x**2 + x * y + y**2, [x, y], (2, 1, 0, 0)),
    "two square roots in it": (x**4 - sp.sqrt(2) * x**2 + sp.sqrt(3) * y**2 * x + 2 * y**4 - x, [x, y], (3, 2, 0, 0)),
    "four square roots in it": (
        x**4 + sp.sqrt(2) * y**4 - sp.sqrt(3) * x**2 - sp.sqrt(5) * y**2 + sp.sqrt(7) * x * y, [x, y], (2, 2, 1, 0)
    ),
    "pi in it": (x**4 - sp.pi * x**2 + y**2 * x + 2 * y**4 - x, [x, y], (3, 3, 1, 0)),
}  # fmt: skip


@cache
def solved(name) -> StationarySet:
    """Each problem is solved once for all tests of this file."""
    expr, variables, _ = COUNTED[name]
    return stationary(expr, variables)


@pytest.mark.parametrize("name", COUNTED)
def test_every_stationary_point_is_found_and_named(name):
    points, (minima, saddles, maxima, others) = solved(name), COUNTED[name][2]
    assert points.complete, points.termination
    assert not points.orbits and not points.unresolved
    counts = [len(points.of(n)) for n in (Nature.MINIMUM, Nature.SADDLE, Nature.MAXIMUM)]
    assert (*counts, len(points) - sum(counts)) == (minima, saddles, maxima, others)


@pytest.mark.parametrize("name", COUNTED)
def test_no_signature_is_wrong(name):
    """Against the eigenvalues of the Hessian in floats, at every point."""
    expr, variables, _ = COUNTED[name]
    hessian = sp.lambdify([tuple(variables)], sp.hessian(expr, list(variables)), "numpy", dummify=True)
    for point in solved(name):
        eigenvalues = np.linalg.eigvalsh(np.array(hessian([float(point[v]) for v in variables]), dtype=float))
        positive, negative, undecided = point.certificate.signature
        assert np.sum(eigenvalues > 1e-7) >= positive and np.sum(eigenvalues < -1e-7) >= negative
        assert undecided == np.sum(np.abs(eigenvalues) < 1e-7) and positive + negative + undecided == len(eigenvalues)
        assert point.certificate.simple == (undecided == 0)


@pytest.mark.parametrize("name", [n for n, (*_, counts) in COUNTED.items() if not counts[3]])
def test_the_indices_of_a_coercive_risk_add_up_to_one(name):
    """Σ (−1)^index = χ(Rⁿ) = 1 (Poincaré and Hopf): no point is missing, none is misnamed."""
    assert sum((-1) ** point.certificate.signature[1] for point in solved(name)) == 1


@pytest.mark.parametrize("name", COUNTED)
def test_the_gradient_vanishes_in_every_ball_and_changes_when_the_risk_does(name):
    """The control: with the gradient moved by 1e-20 no ball holds a zero any more."""
    expr, variables, _ = COUNTED[name]
    field = field_of(expr, variables)
    moved = field_of(expr + R(1, 10**20) * sum(variables), variables)
    for point in solved(name):
        box = [v if isinstance(v, arb) else constant_ball(v)(256) for v in (point[s] for s in variables)]
        assert all(value.contains(0) for value in field.values(box, 256))
        assert moved.excludes(box, 256)


# --- laws that hold everywhere -------------------------------------------------------------------


def monomials(variables, degree):
    return [sp.Mul(*m) for k in range(1, degree + 1) for m in itertools.combinations_with_replacement(variables, k)]


@st.composite
def bowls(draw, variables):
    """Dense quartics with lowest terms at random and Σ v⁴ on top: coercive, as 30 Σ v⁴ outweighs the other quartics."""
    inner = monomials(variables, 4)
    coefficients = draw(st.lists(st.integers(-4, 4), min_size=len(inner), max_size=len(inner)))
    total = sum(4 for m in inner if sp.total_degree(m) == 4)
    return sum(k * m for k, m in zip(coefficients, inner, strict=True)) + total * sum(v**4 for v in variables)


@settings(max_examples=15)
@given(bowls([x, y]))
def test_two_variables_agree_with_resultants(expr):
    """After a generic shear the real roots of the resultant are the real zeros, one each."""
    points = stationary(expr, [x, y])
    assert points.complete, points.termination
    f, g = (sp.expand(expr).diff(v).subs(x, x + 7 * y) for v in (x, y))
    eliminant = sp.Poly(sp.resultant(sp.expand(f), sp.expand(g), y), x)
    radical = sp.Poly(sp.sqf_part(eliminant), x)
    if eliminant.degree() == radical.degree() == 9:  # nine different complex zeros, told apart by the shear
        assert len(points) == radical.count_roots()
        assert sum((-1) ** p.certificate.signature[1] for p in points) == 1
    else:
        assert len(points) <= radical.count_roots()


@settings(max_examples=4)
@given(bowls([x, y, z]))
def test_three_variables_agree_with_the_trace_form(expr):
    """Paths and balls on one side, a Gröbner basis and Hermite's signature on the other."""
    field = field_of(expr, [x, y, z])
    found = complex_zeros(field, soon())
    distinct, real = quotient_algebra(groebner_basis(field.components, 3), 3).counts()
    assert len(found.real) <= real and found.count <= distinct
    if distinct == 27:
        assert found.complete and len(found.real) == real


@settings(max_examples=4)
@given(st.lists(st.integers(1, 5), min_size=4, max_size=4), st.integers(-3, 3), st.integers(1, 4))
def test_the_indices_of_four_coupled_wells_add_up(weights, tilt, coupling):
    v = w[:4]
    expr = sum(k * (s**2 - 1) ** 2 for k, s in zip(weights, v, strict=True)) + R(tilt, 7) * v[0]
    expr += sum(coupling * p**2 * q**2 for p, q in itertools.combinations(v, 2)) - v[0] * v[1] + v[2] * v[3] / 3
    points = stationary(expr, v)
    assert points.complete, points.termination
    if all(p.certificate.simple for p in points):
        assert sum((-1) ** p.certificate.signature[1] for p in points) == 1


@settings(max_examples=6)
@given(bowls([x, y]), st.integers(-3, 3), st.integers(-3, 3))
def test_a_change_of_coordinates_moves_points_and_keeps_natures(expr, shift, shear):
    points = stationary(expr, [x, y])
    there = stationary(sp.expand(expr.xreplace({x: x + shear * y + shift})), [x, y])
    assert len(points) == len(there)
    back = [(float(p[x]) + shear * float(p[y]) + shift, float(p[y]), p.nature()) for p in there]
    for p in points:
        assert any(abs(p[x] - u) < 1e-9 and abs(p[y] - v) < 1e-9 and p.nature() is n for u, v, n in back)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=6), st.integers(1, 5))
def test_one_variable_by_its_roots(roots, scale):
    """∏ (x − r): the different roots, exactly, and those of even multiplicity are not extrema."""
    f = sp.expand(scale * sp.Mul(*(x - r for r in roots)))
    found = polynomial_zeros([f], [x])
    assert found.complete and [zero.exact for zero in found] == [(r,) for r in sorted(set(roots))]
    assert [zero.simple for zero in found] == [roots.count(r) == 1 for r in sorted(set(roots))]


@given(st.fractions(max_denominator=10**6).filter(lambda q: abs(q) < 10**6))
def test_a_fraction_is_recognised_in_its_ball(q):
    ball = arb(fmpq(q.numerator, q.denominator)) + arb(0, arb(2) ** -200)
    if ball.rad() < arb(2) ** -160:
        assert simplest_fraction(ball) == R(q.numerator, q.denominator)


# --- multiple zeros, sets of zeros, infinity -----------------------------------------------------


def test_double_roots_are_isolated_and_said_to_be_multiple():
    found = stationary((x**2 - 2) ** 3 + y**3 - 3 * y, [x, y])
    assert found.complete and len(found) == 6
    multiple = [p for p in found if not p.certificate.simple]
    assert {(p[x], p[y]) for p in multiple} == {(s * sp.sqrt(2), t) for s in (-1, 1) for t in (-1, 1)}
    assert {p.nature() for p in multiple} == {Nature.DEGENERATE}


def test_a_double_root_that_no_factor_shows():
    """The cusp catastrophe on its fold: two points meet where 8a³ + 27b² = 0."""
    found = stationary(x**4 / 4 - R(3, 2) * x**2 + 2 * x + (y - x**2) ** 2 / 2, [x, y])
    assert found.complete, found.termination
    assert sorted((p[x], p.certificate.simple) for p in found) == [(-2, True), (1, False)]


def test_a_circle_of_minima_is_one_orbit():
    found = stationary((x**2 + y**2 - sp.sqrt(2)) ** 2, [x, y])
    assert found.complete and [(p[x], p[y], p.nature()) for p in found] == [(0, 0, Nature.MAXIMUM)]
    (circle,) = found.orbits
    assert circle.dimension == 1
    assert sum(float(value) ** 2 for _, value in circle.at) == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize(
    ("expr", "variables", "points", "dimensions", "symmetry"),
    [
        ((x**2 + y**2 + z**2 - 2) ** 2, [x, y, z], 1, [2], "rotations"),
        (autoencoder(sp.diag(1, 2, 2)), w[:3], 3, [1], "rotations"),
        (factorisation(sp.diag(1, 1, 3)), w[:3], 3, [1], "rotations"),
        (factorisation(sp.diag(3, 3, 1)), w[:3], 3, [1], "rotations"),
        ((3 - x * y) ** 2, [x, y], 1, [1], "linear symmetries"),
        (two_layers(MAP, 0), w[:4], 1, [1, 1], "linear symmetries"),  # one for each singular value
        ((x - y) ** 2, [x, y], 0, [1], ""),
        (x**2 * y**2, [x, y], 0, [1, 1], ""),
        (x**2, [x, y, z], 0, [2], ""),
    ],
)
def test_sets_that_are_not_isolated_come_with_their_dimension(expr, variables, points, dimensions, symmetry):
    found = stationary(expr, variables)
    assert found.complete, found.termination
    assert len(found) == points and [orbit.dimension for orbit in found.orbits] == dimensions
    assert [orbit.symmetry for orbit in found.orbits] == [symmetry] * len(dimensions)


def test_a_set_with_a_singular_point_is_not_called_complete():
    """The cusp y² = x³: at the origin it is no manifold, and whether something else is there is not proven."""
    found = stationary((y**2 - x**3) ** 2, [x, y])
    assert not found.complete and "singular" in found.termination


def test_complex_curves_do_not_hide_real_points():
    """Oja's risk in d = 3: seven real points, a complex curve {wᵀSw = 0, |w|² = 2} with no real one."""
    field = field_of(autoencoder(IRRATIONAL), w[:3])
    assert quotient_algebra(groebner_basis(field.components, 3), 3) is None  # infinitely many over C
    assert not complex_zeros(field, soon()).complete
    assert len(stationary(autoencoder(IRRATIONAL), w[:3])) == 7


def test_zeros_at_infinity_are_not_missed_ones():
    """Bézout allows 81 for the two layers, of which 72 are at infinity."""
    field = field_of(two_layers(MAP, R(1, 10)), w[:4])
    assert bezout_bound(field) == 81
    assert quotient_algebra(groebner_basis(field.components, 4), 4).counts() == (9, 5)


NOON = [v * (x**2 + y**2 + z**2 - v**2) - R(11, 10) * v + 1 for v in (x, y, z)]
KATSURA = [x + 2 * y + 2 * z - 1, x**2 + 2 * y**2 + 2 * z**2 - x, 2 * x * y + 2 * y * z - y]
CAPRASSE = [
    y**2 * z + 2 * x * y * a - 2 * x - z,
    -(x**3) * z
    + 4 * x * y**2 * z
    + 4 * x**2 * y * a
    + 2 * y**3 * a
    + 4 * x**2
    - 10 * y**2
    + 4 * x * z
    - 10 * y * a
    + 2,
    2 * y * z * a + x * a**2 - x - 2 * z,
    -x * z**3 + 4 * y * z**2 * a + 4 * x * z * a**2 + 2 * y * a**3 + 4 * x * z + 4 * z**2 - 10 * y * a - 10 * a**2 + 2,
]


@pytest.mark.parametrize(
    ("system", "variables", "real"),
    [(NOON, [x, y, z], 7), (KATSURA, [x, y, z], 4), (CAPRASSE, [x, y, z, a], 18)],
    ids=["noon, 21 zeros", "katsura, 4 zeros", "caprasse, 32 zeros, 8 of them multiple"],
)
def test_systems_of_the_literature(system, variables, real):
    """Zeros at infinity in the first and the last."""
    found = polynomial_zeros([sp.expand(f) for f in system], variables)
    assert found.complete and len(found) == real


# --- the parts -----------------------------------------------------------------------------------

small_polynomials = st.dictionaries(
    st.tuples(st.integers(0, 3), st.integers(0, 3)), st.integers(-5, 5).filter(bool).map(fmpq), min_size=1, max_size=5
)


@settings(max_examples=40)
@given(st.tuples(small_polynomials, small_polynomials), st.tuples(st.integers(-9, 9), st.integers(-9, 9)))
def test_a_field_has_the_values_and_slopes_of_its_expressions(terms, place):
    """Matrix of coefficients times column of monomials against sympy's substitution, in floats and balls."""
    field = PolynomialField(terms, 2)
    exprs = [sum(R(int(c.p), int(c.q)) * x**i * y**j for (i, j), c in f.items()) for f in terms]
    at = dict(zip((x, y), place, strict=True))
    values = [f.xreplace(at) if f.free_symbols else f for f in map(sp.sympify, exprs)]
    slopes = [sp.diff(f, v).subs(at) for f in exprs for v in (x, y)]
    balls = [arb(k) for k in place]
    assert all(ball.contains(int(v)) for ball, v in zip(field.values(balls, 64), values, strict=True))
    assert all(ball.contains(int(v)) for ball, v in zip(field.jacobian(balls, 64).entries(), slopes, strict=True))
    floats, derivative = field.at(np.array(place, dtype=complex)[:, None], field.coefficients())
    assert np.allclose(floats[:, 0], [int(v) for v in values])
    assert np.allclose(derivative[..., 0].ravel(), [int(v) for v in slopes])


@settings(max_examples=15)
@given(st.integers(2, 3), st.integers(1, 3), st.integers(1, 3))
def test_dense_systems_have_as_many_zeros_as_bezout_allows(n, d, seed):
    rng = np.random.default_rng(seed)
    exponents = [m for m in itertools.product(range(d + 1), repeat=n) if sum(m) <= d]
    field = PolynomialField([{m: fmpq(int(rng.integers(1, 99))) for m in exponents} for _ in range(n)], n)
    found = complex_zeros(field, soon())
    assert found.complete and found.count == d**n


RING = fmpq_mpoly_ctx.get(("x", "y", "z"), "degrevlex")
X, Y, Z = RING.gens()


def cases(*equations, algebraic=False):
    return alternatives(Case(equations, (), 3, algebraic))


def test_a_sum_of_squares_vanishes_where_all_of_them_do():
    assert cases(X**2 + 3 * Y**4 + 2) == []
    (case,) = cases(X**2 + 2 * Y**2)
    assert set(map(str, case.equations)) == {"x", "y"}
    (case,) = cases((X + Y) ** 2 + (X - 2 * Z) ** 2)
    assert len(case.equations) == 2 and all(f.total_degree() == 1 for f in case.equations)
    assert cases(-((X + Y) ** 2) - (X - 1) ** 2 - (X + 1) ** 2) == []
    assert cases(X**2 - 2 * Y**2) is None and cases(X**2 + Y**2 - 1) is None and cases(X * Y + Z) is None


def test_two_quadrics_without_a_common_real_point_are_seen():
    sphere, cone, saddle = X**2 + Y**2 + Z**2 - 2, X**2 + 2 * Y**2 + 4 * Z**2, X**2 - Y**2 + Z**2
    assert cases(sphere, cone + 3 * sphere, algebraic=True) == []
    assert cases(sphere, saddle, algebraic=True) is None  # they meet
    assert cases(sphere, cone + 3 * sphere) is None  # only looked for in a basis of the ideal


def test_factors_make_cases_and_the_larger_of_two_is_dropped():
    found = cases(X * (X**2 + Y**2 - 1), Y * (X**2 + Y**2 - 1))
    assert sorted(sorted(map(str, case.equations)) for case in found) == [["x", "y"], ["x^2 + y^2 - 1"]]


@given(st.lists(st.integers(-9, 9), min_size=16, max_size=16))
def test_a_determinant_is_sympys(entries):
    rows = [entries[4 * i : 4 * i + 4] for i in range(4)]
    assert determinant([[RING.constant(k) for k in row] for row in rows]) == int(sp.Matrix(rows).det())


def test_linear_symmetries_are_those_of_the_potential():
    (turn,) = linear_symmetries(field_of((x**2 + y**2) ** 2 - x**2 - y**2, [x, y]))
    assert is_rotation(turn) and not is_rotation(linear_symmetries(field_of((3 - x * y) ** 2, [x, y]))[0])
    assert linear_symmetries(field_of(wells([x, y]), [x, y])) == ()
    assert len(linear_symmetries(field_of((x**2 + y**2 + z**2) ** 2, [x, y, z]))) == 3


def test_weights_sharpen_bezout():
    """x = y², x y = 1 has three zeros, not four; y = x², y² = x again as many as the degrees say."""
    assert bezout_bound(PolynomialField([{(1, 0): 1, (0, 2): -1}, {(1, 1): 1, (0, 0): -1}], 2)) == 3
    assert bezout_bound(PolynomialField([{(0, 1): 1, (2, 0): -1}, {(0, 2): 1, (1, 0): -1}], 2)) == 4


@given(st.integers(1, 4), st.integers(1, 4), st.integers(-3, 3))
def test_the_algebra_has_the_dimension_and_the_counts_of_its_zeros(m, n, k):
    """x^m = k, y^n = x: dimension mn, all different unless k = 0."""
    equations = [{(m, 0): fmpq(1), (0, 0): fmpq(-k)}, {(0, n): fmpq(1), (1, 0): fmpq(-1)}]
    equations = [{a: c for a, c in f.items() if c != 0} for f in equations]
    algebra = quotient_algebra(groebner_basis(equations, 2), 2)
    real = len({r for r in np.roots([1, *[0] * (m - 1), -k]) if abs(r.imag) < 1e-9} if k else {0})
    positive = int(k > 0) if m % 2 == 0 or k > 0 else 0
    expected = 1 if k == 0 else real if n % 2 else 2 * positive
    assert algebra.dimension == m * n
    assert algebra.counts() == (m * n if k else 1, expected)
    assert len(algebra.real_zeros()) == expected


# --- what must not pass --------------------------------------------------------------------------


def test_a_missed_zero_makes_the_count_incomplete():
    field = field_of(QUARTIC, [a, b, c, e])
    ends = path_ends(field, np.random.default_rng(0), soon())
    whole = prove_zeros(field, ends)
    assert whole.complete and (whole.count, len(whole.real)) == (81, 49)
    assert not prove_zeros(
        field, ends[[i for i in range(len(ends)) if np.abs(ends[i].imag).max() > 1e-6 or i % 7]]
    ).complete
    lost = np.array(
        [end for end in ends if np.abs(end - ends[0]).max() > 1e-6 and np.abs(end.conj() - ends[0]).max() > 1e-6]
    )
    assert prove_zeros(field, lost).count in (79, 80)


def test_a_zero_found_twice_is_counted_once():
    field = field_of(wells([x, y]), [x, y])
    ends = path_ends(field, np.random.default_rng(0), soon())
    assert prove_zeros(field, np.concatenate([ends, ends + 1e-9, ends.conj()])).count == 9


def test_a_false_zero_is_not_proven():
    field = field_of(wells([x, y]) + x / 5, [x, y])
    nowhere = np.array([[0.5, 0.5], [3, -2 + 1j]], dtype=complex)
    proven = prove_zeros(field, nowhere)
    assert all(field.values(box, 128)[0].contains(0) for box, _ in proven.real)
    assert not PolynomialField([{(1, 0): fmpq(1)}, {(1, 0): fmpq(1), (0, 1): fmpq(1)}], 2).excludes(
        [arb(0), arb(0)], 64
    )


def test_hermite_tells_a_perturbed_system_apart():
    """x² + ε: two real zeros, one double, none."""
    counts = [
        quotient_algebra(groebner_basis([{(2,): fmpq(1), (0,): fmpq(k, 10**9)}], 1), 1).counts() for k in (-1, 0, 1)
    ]
    assert counts == [(2, 2), (1, 1), (2, 0)]


def test_past_the_budget_the_list_is_not_complete():
    expr = (
        sum((v**2 - 1) ** 2 for v in w) + sum(p**2 * q**2 for p, q in itertools.combinations(w, 2)) - w[0] * w[1] + w[2]
    )
    found = polynomial_zeros([sp.expand(expr).diff(v) for v in w], w, seconds=0.05)
    assert not found.complete and found.unresolved and "more seconds" in found.termination


# --- domains -------------------------------------------------------------------------------------


def test_a_box_cuts_and_its_border_belongs_to_it():
    risk = Risk(wells([x, y]), (x, y))
    assert len(stationary_points(risk, {x: (0, 1), y: (-1, R(1, 2))})) == 4
    assert len(stationary_points(risk, {x: (R(1, 10**9), 1), y: (-1, R(1, 2))})) == 2
    shifted = Risk((x**2 - 2) ** 2, (x,))
    (point, other) = stationary_points(shifted, {x: (-1, sp.sqrt(2))})
    assert (point[x], other[x]) == (0, sp.sqrt(2))
    assert len(stationary_points(shifted, {x: (-1, sp.sqrt(2) - R(1, 10**30))})) == 1


def test_a_zero_that_cannot_be_told_from_the_border_is_unresolved():
    (ball,) = real_roots(fmpz_poly([-1, -1, 0, 0, 0, 1]), 1024)  # finer than the search will ask
    middle = ball.mid().fmpq()
    found = polynomial_zeros([x**5 - x - 1], [x], {x: (0, R(int(middle.p), int(middle.q)))})
    assert not found.complete and len(found.unresolved) == 1 and "edge" in found.termination


def test_a_border_through_one_exact_coordinate_is_decided():
    """The zero (0.57…, −3, 0.43…), two coordinates of degree three, lies on the border y = −3."""
    field = [4 * x + 4 * y * z**2, 4 * x * z**2 - z, 8 * x * y * z - y + 3]
    found = polynomial_zeros(field, [x, y, z], dict.fromkeys((x, y, z), (-3, 3)))
    assert found.complete and {zero.exact for zero in found} == {(0, 3, 0), (None, -3, None)}


def test_half_lines_are_domains_too():
    found = stationary_points(Risk(wells([x, y]), (x, y)), Domain({x: (0, sp.oo), y: (-sp.oo, 0)}))
    assert found.complete and {(p[x], p[y]) for p in found} == {(0, 0), (0, -1), (1, 0), (1, -1)}


def test_conditions_of_the_domain_filter_the_points():
    gram = FeasibleGram(sp.Matrix([[R(1, 2), x], [x, R(1, 2)]]))
    found = stationary_points(Risk(wells([x, y]), (x, y)), Domain({x: (-2, 2), y: (-2, 2)}, (gram, y >= 0)))
    assert found.complete and {(p[x], p[y]) for p in found} == {(0, 0), (0, 1)}


def test_an_orbit_outside_the_conditions_is_not_claimed():
    circle = Risk((x**2 + y**2 - 1) ** 2, (x, y))
    found = stationary_points(circle, Domain({x: (-2, 2), y: (-2, 2)}, (x + y > 5,)))
    assert not found.orbits and not found.points


def test_a_metric_is_part_of_the_system():
    found = stationary_points(Risk(x * y, (x, y)), {x: (-1, 1), y: (-1, 1)}, (1 - x**2, 1 - y**2))
    assert found.complete and {(p[x], p[y]) for p in found} == {(0, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)}


def test_coefficients_that_are_not_algebraic_leave_double_zeros_open():
    """(x² − e)³: no exact rule applies, and the subdivision says where it could not decide."""
    field = [sp.expand(sp.diff((x**2 - sp.E) ** 3, x)), 2 * y]
    everywhere_, inside = polynomial_zeros(field, [x, y]), polynomial_zeros(field, [x, y], {x: (-1, 1), y: (-1, 1)})
    assert not everywhere_.complete and everywhere_.unresolved == (((x, -sp.oo, sp.oo), (y, -sp.oo, sp.oo)),)
    assert inside.complete and [zero.exact for zero in inside] == [(0, 0)]


@pytest.mark.parametrize(
    ("components", "variables", "box", "message"),
    [
        ([x**2], [x, y], None, "as many components"),
        ([sp.erf(x)], [x], None, "expected a polynomial"),
        ([x**2 - 0.5], [x], None, "exact numbers"),
        ([x * y], [x], None, "expected a polynomial"),
        ([x**2 - 2], [x], {x: (0, 0.5)}, "exact ends"),
        ([x**2 - 2], [x], {x: (1, 0)}, "low < high"),
        ([x**2 - 2], [x], {y: (1, 2)}, "got none for x"),
    ],
)
def test_wrong_use_is_named(components, variables, box, message):
    with pytest.raises(ValueError, match=message):
        polynomial_zeros(components, variables, box)
