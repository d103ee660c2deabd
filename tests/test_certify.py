"""Certified zeros: all of them, each once, none invented; and the signs of eigenvalues."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
import sympy as sp
from flint import arb, arb_mat, fmpq
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp

from numerics.certify import (
    certified_zeros,
    eigenvalue_balls,
    exact_ends,
    flow_signature,
    jacobian_balls,
    signature,
)

x, y, z = sp.symbols("x y z", real=True)
kappa, nu = sp.symbols("kappa nu", real=True)
R = sp.Rational
SQUARE = ((-1, 1), (-1, 1))


PUBLISHED = {"lam": R(1, 10), "gamma": sp.sqrt(R(1, 2)), "m": sp.sqrt(200)}


def reduced_flow(**constants):
    """κ' = −(1−κ²) ∂κR, ν' = −(1−ν²) ∂νR of single-location regression."""
    lam, gamma, m = ((PUBLISHED | constants)[name] for name in ("lam", "gamma", "m"))
    D = 1 + 2 * lam**2 * gamma**2
    a = 1 / sp.sqrt(1 + 4 * lam**2 * gamma**2)
    u = lam * m * kappa / sp.sqrt(D)
    slope_kappa = 4 * gamma**2 * m * lam / sp.sqrt(sp.pi * D) * sp.exp(-(u**2)) * (sp.erf(a * u) - nu)
    slope_nu = -2 * gamma**2 * sp.erf(u)
    return -(1 - kappa**2) * slope_kappa, -(1 - nu**2) * slope_nu


def mixed(field):
    """The same zeros, with no factor left in sight."""
    return field[0] + 2 * field[1], field[0] - 3 * field[1]


def rational(value) -> arb:
    value = R(value)
    return arb(fmpq(int(value.p), int(value.q)))


def holds_point(zero, point) -> bool:
    return all(
        exact == value if exact is not None else ball.contains(rational(value))
        for ball, exact, value in zip(zero.box, zero.exact, point, strict=True)
    )


# --- the reduced flow ------------------------------------------------------------------------

CORNERS_AND_CENTER = [(-1, -1), (-1, 1), (0, 0), (1, -1), (1, 1)]


@pytest.mark.parametrize("hide", [tuple, mixed], ids=["as written", "factors hidden"])
@pytest.mark.parametrize(
    "constants",
    [{}, {"lam": R(37, 101), "m": R(211, 101), "gamma": R(97, 89)}],
    ids=["published", "generic"],
)
def test_the_reduced_flow_has_exactly_five_zeros(constants, hide):
    start = time.perf_counter()
    found = certified_zeros(hide(reduced_flow(**constants)), (kappa, nu), SQUARE)
    assert found.complete and not found.unresolved
    assert [zero.exact for zero in found] == CORNERS_AND_CENTER
    assert all(zero.simple for zero in found)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("constants", [{"lam": R(9, 10)}, {"lam": R(7, 3), "m": R(37, 3)}])
def test_a_gate_so_steep_that_floats_see_a_flat_field_is_decided_all_the_same(constants):
    # erf(5.8) is 1 to 15 digits, and e^(-u²) below 1e-38: every κ > 0 looks stationary at ν = 1.
    found = certified_zeros(reduced_flow(**constants), (kappa, nu), SQUARE)
    assert found.complete and [zero.exact for zero in found] == CORNERS_AND_CENTER


def test_without_its_factors_a_flat_field_is_never_given_a_wrong_count():
    found = certified_zeros(mixed(reduced_flow(lam=R(9, 10))), (kappa, nu), SQUARE, seconds=3)
    assert {zero.exact for zero in found} <= set(CORNERS_AND_CENTER)
    assert len(found) == 5 or not found.complete


# --- counts that are known -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "box", "count"),
    [
        ((x**2 + y**2 - 1, y - sp.erf(2 * x)), [(-2, 2)] * 2, 2),
        ((x**2 + 4 * y**2 - 4, 4 * x**2 + y**2 - 4), [(-3, 3)] * 2, 4),
        ((x - sp.erf(2 * x),), [(-2, 2)], 3),
        ((x - sp.erf(x / 2),), [(-2, 2)], 1),
        ((y - sp.erf(3 * x), x - sp.erf(3 * y)), [(-2, 2)] * 2, 3),
        ((y + sp.erf(3 * x), x - sp.erf(3 * y)), [(-2, 2)] * 2, 1),
        ((sp.exp(-(x**2)) - R(1, 2), sp.cos(y) + x), [(-2, 2), (-4, 4)], 6),
        (
            (x + 2 * y + 2 * z - 1, x**2 + 2 * y**2 + 2 * z**2 - x, 2 * x * y + 2 * y * z - y),
            [(-2, 2)] * 3,
            4,
        ),
        ((x**3 - 3 * x * y**2 - 1, 3 * x**2 * y - y**3), [(-2, 2)] * 2, 3),
        ((sp.sqrt(x) - x, y - x), [(R(1, 4), 2), (-1, 2)], 1),
        ((1 / x - x, y * x), [(R(1, 4), 2), (-1, 2)], 1),
        ((x**2 + y**2 + 1, x - y), [(-5, 5)] * 2, 0),
        ((sp.atan(x) - y, sp.tanh(5 * y) - x), [(-2, 2)] * 2, 3),
    ],
)
def test_systems_with_a_known_number_of_zeros(field, box, count):
    variables = (x, y, z)[: len(field)]
    found = certified_zeros(field, variables, box, seconds=20)
    assert found.complete, found.termination
    assert len(found) == count


def test_a_zero_that_is_no_dyadic_number_is_known_to_full_precision():
    (zero,) = certified_zeros(((3 * x - 1) * (x**2 + 1), 7 * y - sp.erf(0) - x), (x, y), [(0, 1), (0, 1)])
    assert zero.exact == (R(1, 3), R(1, 21)) and zero.simple
    assert all(ball.rel_accuracy_bits() > 200 for ball in zero.box)


def test_the_boxes_of_two_zeros_are_apart_and_hold_a_change_of_sign():
    found = certified_zeros((x - sp.erf(2 * x),), (x,), [(-2, 2)])
    for left, right in pairwise(found):
        assert left.box[0] < right.box[0]
    root = found.zeros[-1].box[0]
    low, high = exact_ends(root)
    assert high - low < R(1, 10**30)
    with mp.workdps(500):
        below, above = (mp.mpf(end.p) / end.q for end in (low, high))
        assert (below - mp.erf(2 * below)) * (above - mp.erf(2 * above)) < 0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-9, 9), min_size=2, max_size=6).filter(lambda c: c[-1] != 0 and any(c[:-1])))
def test_as_many_real_roots_as_sturm_counts(coefficients):
    polynomial = sp.Poly(list(reversed(coefficients)), x)
    hidden = polynomial.as_expr() * sp.exp(x) - polynomial.as_expr() * (sp.exp(x) - 1) * sp.Integer(1)
    squarefree = sp.Poly(sp.quo(polynomial, sp.gcd(polynomial, polynomial.diff(x))), x)
    found = certified_zeros((hidden,), (x,), [(-3, 3)], seconds=10)
    expected = squarefree.count_roots(-3, 3)
    assert len(found) <= expected
    if found.complete:
        assert len(found) == expected
    if squarefree.degree() == polynomial.degree():
        assert found.complete, found.termination


PLACES = st.lists(st.fractions(-1, 1, max_denominator=12), min_size=1, max_size=3, unique=True)


@settings(max_examples=12, deadline=None)
@given(PLACES, PLACES, st.integers(-2, 2), st.integers(1, 3))
def test_all_planted_roots_of_a_polynomial_system_are_found(first, second, shear, weight):
    # f(X) = 0 = g(Y) on a grid of roots, sheared and mixed until nothing factors.
    X, Y = x, y + shear * x
    f = sp.Mul(*(X - R(r) for r in first))
    g = sp.Mul(*(Y - R(r) for r in second))
    field = (sp.expand(f + weight * g), sp.expand(f - 2 * g))
    found = certified_zeros(field, (x, y), [(-1, 1), (-4, 4)], seconds=20)
    planted = [(R(r), R(s) - shear * R(r)) for r in first for s in second]
    assert found.complete, found.termination
    assert len(found) == len(planted)
    assert all(zero.simple for zero in found)
    for point in planted:
        assert sum(holds_point(zero, point) for zero in found) == 1


# --- what must not be certified --------------------------------------------------------------


def test_a_flat_region_holds_no_root_however_small_the_field():
    found = certified_zeros((sp.exp(-20 * x**2) + R(1, 10**40),), (x,), [(-3, 3)])
    assert found.complete and len(found) == 0


def test_a_flat_tail_does_not_hide_or_invent_the_root():
    flat = sp.exp(-20 * x**2) * (x - R(1, 3))
    found = certified_zeros((flat + y, 2 * flat - y), (x, y), [(-2, 2), (-1, 1)])
    assert len(found) == 1 and holds_point(found.zeros[0], (R(1, 3), 0))


@pytest.mark.parametrize(
    ("field", "box"),
    [
        ((sp.cos(x) - 1,), [(-1, 2)]),
        ((x**2 + y**2 - 1, (x - 2) ** 2 + y**2 - 1), [(-2, 3), (-2, 2)]),
        ((sp.exp(x) - 1 - x,), [(-1, 1)]),
        ((x - sp.sin(x),), [(-1, 1)]),
    ],
)
def test_a_multiple_zero_that_no_factor_isolates_is_left_unresolved(field, box):
    found = certified_zeros(field, (x, y)[: len(field)], box, seconds=20)
    assert len(found) == 0 and not found.complete and found.unresolved
    assert "multiple zero" in found.termination
    assert sum(float(high - low) for _, low, high in found.unresolved[0]) < 1e-3


def test_a_double_zero_that_a_factor_isolates_is_listed_as_multiple():
    found = certified_zeros(((x - y) ** 2, x + y - 1), (x, y), [(-2, 2)] * 2)
    assert found.complete and [(zero.exact, zero.simple) for zero in found] == [((R(1, 2), R(1, 2)), False)]


def test_a_multiple_zero_may_be_irrational():
    found = certified_zeros(((sp.sin(x) - R(1, 3)) ** 2, y - x), (x, y), [(-1, 1)] * 2)
    assert found.complete and [(zero.exact, zero.simple) for zero in found] == [((None, None), False)]
    assert abs(float(found.zeros[0].box[0]) - np.arcsin(1 / 3)) < 1e-15


def test_two_zeros_a_millionth_apart_are_two():
    found = certified_zeros((sp.cos(x) - 1 + R(1, 10**12) / 2,), (x,), [(-1, 2)])
    assert found.complete and len(found) == 2


def test_no_zeros_are_cells_of_a_curve():
    circle = x**2 + y**2 - 1
    found = certified_zeros((x * circle, (y - 3) * circle), (x, y), [(-2, 2)] * 2, seconds=60)
    assert not found.complete and len(found) == 0 and found.unresolved
    assert "a curve of zeros" in found.termination


def test_a_component_that_vanishes_on_a_line_is_said_to():
    found = certified_zeros((x * (y - 1), x * (y + 1)), (x, y), [(-2, 2)] * 2)
    assert not found.complete and len(found) == 0
    assert "on x = 0 a component vanishes identically" in found.termination.lower()


def test_where_the_field_is_not_finite_nothing_is_claimed():
    found = certified_zeros((x / y, x + y), (x, y), [(-1, 1)] * 2, seconds=5)
    assert len(found) == 0 and not found.complete


# --- borders, edges, budget ------------------------------------------------------------------


def test_zeros_on_the_edges_of_the_box_belong_to_it():
    found = certified_zeros((sp.sin(sp.pi * x),), (x,), [(-1, 1)])
    assert found.complete and [zero.exact[0] for zero in found] == [-1, 0, 1]


def test_an_irrational_edge_is_recognised():
    inside = certified_zeros((x**2 - 2,), (x,), [(0, sp.sqrt(2))])
    outside = certified_zeros((x**2 - 2,), (x,), [(0, R(141421356237309504, 10**17))])
    assert inside.complete and [zero.exact[0] for zero in inside] == [sp.sqrt(2)]
    assert outside.complete and len(outside) == 0


@pytest.mark.parametrize("cut", [R(0), R(1, 2), R("0.4873")])
def test_a_zero_on_the_border_of_cells_is_counted_once(cut):
    field = (sp.sin(x - cut) + (y - cut) ** 3, (y - cut) + sp.sin(x - cut) ** 3)
    found = certified_zeros(field, (x, y), [(cut - R(1, 2), cut + R(1, 2))] * 2)
    assert found.complete and len(found) == 1


def test_a_large_box_far_from_zero():
    found = certified_zeros((x - 10**6 - R(1, 3), y * x - 1), (x, y), [(10**6, 10**6 + 1), (-1, 1)])
    assert found.complete and [zero.exact for zero in found] == [(R(3 * 10**6 + 1, 3), R(3, 3 * 10**6 + 1))]


def test_past_the_budget_what_is_left_is_listed():
    field = mixed(reduced_flow())
    found = certified_zeros(field, (kappa, nu), SQUARE, seconds=0)
    assert not found.complete and found.unresolved and "stopped after 0 s" in found.termination.lower()


@pytest.mark.parametrize(
    ("field", "variables", "box", "message"),
    [
        ((x + y,), (x,), [(-1, 1)], "got y without a value"),
        ((x, y), (x,), [(-1, 1)], "as many components as variables, got 2 and 1"),
        ((x,), (x,), [(1, -1)], r"low < high for x, got \(1, -1\)"),
        ((x,), (x,), [(0, sp.oo)], "finite ends for x"),
        ((x,), (x,), {y: (0, 1)}, "got none for x"),
        ((x,), (x,), [(0, 1), (0, 1)], "one a variable, got 2"),
        ((x - 0.1,), (x,), [(0, 1)], "exact numbers, got -0.1"),
        ((x,), (x,), [(0, 0.5)], "exact ends for x"),
        ((sp.Abs(x) - 1,), (x,), [(-2, 2)], "smooth field, got Abs"),
        ((), (), [], "got 0 and 0"),
    ],
)
def test_wrong_use_is_named(field, variables, box, message):
    with pytest.raises(ValueError, match=message):
        certified_zeros(field, variables, box)


# --- signs -----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-5, 5).filter(bool), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_signature_is_the_planted_inertia(diagonal, random):
    size = len(diagonal)
    factor = sp.Matrix(size, size, lambda i, j: 1 if i == j else random.randint(-4, 4) if j < i else 0)
    matrix = factor * sp.diag(*diagonal) * factor.T
    balls = arb_mat([[rational(entry) for entry in row] for row in matrix.tolist()])
    assert signature(balls) == (sum(d > 0 for d in diagonal), sum(d < 0 for d in diagonal), 0)


@pytest.mark.parametrize(
    ("matrix", "signs"),
    [
        ([[0, 1], [1, 0]], (1, 1, 0)),
        ([[0, 0], [0, 0]], (0, 0, 2)),
        ([[1, 1], [1, 1]], (1, 0, 1)),
        ([[4, 2, 0], [2, 1, 0], [0, 0, -3]], (1, 1, 1)),
        ([[arb(1, 2)]], (0, 0, 1)),
        ([[arb("nan")]], (0, 0, 1)),
        ([[arb(3, 0.5), arb(0, 1)], [arb(0, 1), arb(-2, 0.5)]], (1, 1, 0)),
        ([[arb("1e-300"), 0], [0, arb("-1e300")]], (1, 1, 0)),
    ],
)
def test_signs_that_are_not_proven_are_left_undecided(matrix, signs):
    assert signature(arb_mat(matrix)) == signs


@pytest.mark.parametrize(("matrix", "message"), [([[1, 2], [3, 4]], "symmetric"), ([[1, 2]], "square")])
def test_a_signature_needs_a_symmetric_matrix(matrix, message):
    with pytest.raises(ValueError, match=message):
        signature(arb_mat(matrix))


def test_eigenvalues_are_enclosed_and_called_real_only_when_proven():
    rotation = eigenvalue_balls(arb_mat([[0, -2], [2, 0]]))
    parts = sorted((value.imag for value in rotation), key=float)
    assert parts[0].contains(-2) and parts[1].contains(2)
    triangular = eigenvalue_balls(arb_mat([[1, 5, 6], [0, -2, 7], [0, 0, 3]]))
    assert [round(float(value.real.mid()), 9) for value in triangular] == [-2, 1, 3]
    assert all(value.imag == 0 for value in triangular)


def test_eigenvalues_agree_with_numpy_on_random_matrices():
    rng = np.random.default_rng(7)
    for size in (2, 3, 5):
        matrix = rng.standard_normal((size, size))
        balls = eigenvalue_balls(arb_mat(matrix.tolist()))
        for value in np.linalg.eigvals(matrix):
            assert min(abs(complex(ball.mid()) - value) for ball in balls) < 1e-9


@pytest.mark.parametrize(
    ("matrix", "signs"),
    [
        ([[-1, 100], [0, -2]], (2, 0, 0)),
        ([[1, -3], [3, 1]], (0, 2, 0)),
        ([[0, 1], [2, 1]], (1, 1, 0)),
        ([[0, -1], [1, 0]], (0, 0, 2)),
        ([[-2, 0], [0, -2]], (2, 0, 0)),
    ],
)
def test_the_signs_of_a_linearised_flow(matrix, signs):
    assert flow_signature(arb_mat(matrix)) == signs


def test_the_jacobian_on_a_box_holds_the_one_at_each_point():
    field = reduced_flow()
    wide = jacobian_balls(field, (kappa, nu), (arb(0.3, 0.2), arb(-0.1, 0.3)))
    sharp = jacobian_balls(field, (kappa, nu), (arb(0.4), arb(0.1)))
    assert wide.contains(sharp)
