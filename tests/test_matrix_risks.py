"""Risks of a matrix in closed form: the equation is met, the list is all there is, and what is flat is said."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.entrywise import exact_value
from numerics.solve import stationary_points
from theory.gaussian import NoClosedForm
from theory.quadratic import quadratic_stationary_points
from theory.risk import Risk
from theory.spectral import spectral_stationary_points
from theory.stationary import Nature
from theory.variables import dot, quad

d, k = sp.symbols("d k", integer=True, positive=True)
rho = sp.Symbol("rho", positive=True)
S, C, W = (sp.MatrixSymbol(name, d, d) for name in "SCW")
IMPUTER = sp.Trace(S) - 2 * rho * sp.Trace(W * S) + rho * sp.Trace(W * C * W.T)
KNOWN = (sp.Q.symmetric(S), sp.Q.positive_definite(C))


def test_the_linear_imputer_is_s_times_the_inverse_of_c():
    found = stationary_points(Risk(IMPUTER, (W,), conditions=KNOWN))
    (point,) = found
    assert point[W] == S * C**-1 and point.nature() is Nature.MINIMUM and found.complete
    assert point.value() == sp.Trace(S) - rho * sp.Trace(S * C**-1 * S)
    assert "C being positive definite" in found.termination


def test_without_knowledge_the_condition_is_said_and_the_nature_is_not():
    (point,) = found = stationary_points(Risk(IMPUTER, (W,)))
    assert point[W] == 2 * S.T * (C + C.T) ** -1 and point.nature() is Nature.UNKNOWN
    assert "where C + C.T is invertible; a minimum where it is positive definite" in found.termination


def test_a_concave_risk_has_a_maximum_and_a_vector_is_solved_from_the_left():
    (point,) = quadratic_stationary_points(-IMPUTER, W, KNOWN)
    assert point[W] == S * C**-1 and point.nature() is Nature.MAXIMUM
    b, w = sp.MatrixSymbol("b", d, 1), sp.MatrixSymbol("w", d, 1)
    (point,) = quadratic_stationary_points(quad(w, C) - 2 * dot(b, w), w, KNOWN)
    assert point[w] == C**-1 * b and point.nature() is Nature.MINIMUM


# --- W between two matrices: what all terms begin and end with is cancelled --------------------------

t = sp.Symbol("t", nonnegative=True)
BETWEEN = sp.Trace(W * S * W.T * (S * C * S + (sp.Trace(S * C) + t) * S)) - 2 * sp.Trace(W * S * C * S)
DEFINITE = (sp.Q.positive_definite(S), sp.Q.positive_definite(C))


def test_a_matrix_between_two_that_all_terms_share_is_solved_for():
    (point,) = found = quadratic_stationary_points(BETWEEN, W, DEFINITE)
    assert point[W] == (C * S + (sp.Trace(C * S) + t) * sp.Identity(d)) ** -1 * C
    assert point.nature() is Nature.MINIMUM and "C and S being positive definite" in found.termination


def test_the_solution_and_its_value_are_those_of_the_explicit_equation():
    """Against elimination over the rationals, which does not cancel anything."""
    at = {S: sp.ImmutableMatrix([[2, 1], [1, 3]]), C: sp.ImmutableMatrix([[1, -1], [-1, 4]]), t: sp.Rational(1, 3)}
    (point,) = quadratic_stationary_points(BETWEEN, W, DEFINITE)
    V = sp.MatrixSymbol("W", 2, 2)
    s, c = at[S], at[C]
    explicit = sp.Trace(V * s * V.T * (s * c * s + ((s * c).trace() + at[t]) * s)) - 2 * sp.Trace(V * s * c * s)
    (reference,) = quadratic_stationary_points(explicit, V)
    assert exact_value(point[W], at) == reference[V]
    assert exact_value(point.value(), at) == reference.value()


def test_a_matrix_that_may_be_singular_is_not_cancelled():
    with pytest.raises(NoClosedForm, match="between two matrices"):
        quadratic_stationary_points(BETWEEN, W, (sp.Q.symmetric(S), sp.Q.positive_definite(C)))


def test_a_square_needs_no_condition():
    (point,) = found = quadratic_stationary_points(sp.Trace(W * W.T) - 2 * sp.Trace(W * C), W)
    assert point[W] == C.T and point.nature() is Nature.MINIMUM and point.value() == -sp.Trace(C.T * C)
    assert "whatever the other matrices are" in found.termination


def test_a_form_with_a_negative_term_is_not_called_a_minimum():
    risk = sp.Trace(W * S * W.T * (S * C * S - t * S)) - 2 * sp.Trace(W * S * C * S)
    (point,) = quadratic_stationary_points(risk, W, DEFINITE)
    assert point[W] == (C * S - t * sp.Identity(d)) ** -1 * C and point.nature() is Nature.UNKNOWN


entries = st.integers(-3, 3)


@settings(max_examples=25, deadline=None)
@given(st.lists(entries, min_size=6, max_size=6), st.lists(entries, min_size=4, max_size=4))
def test_explicit_matrices_are_solved_exactly(root, linear):
    V = sp.MatrixSymbol("V", 2, 2)
    half = sp.ImmutableMatrix(2, 3, root)
    gram, B = half * half.T, sp.ImmutableMatrix(2, 2, linear)
    found = quadratic_stationary_points(sp.Trace(V * gram * V.T) - 2 * sp.Trace(B.T * V), V)
    rank = gram.rank()
    if found.points:
        assert rank == 2 and found.points[0][V] * gram == B and found.points[0].nature() is Nature.MINIMUM
    elif found.orbits:
        (orbit,) = found.orbits
        assert orbit.dimension == 2 * (2 - rank) and orbit[V] * gram == B
        assert orbit.certificate.signature == (2 * rank, 0, 0)
    else:
        assert "no stationary point" in found.termination
        assert sp.Matrix.hstack(gram.T, B.T).rank() > rank
    assert found.complete


def test_entries_that_do_not_matter_are_named():
    V = sp.MatrixSymbol("V", 2, 2)
    (orbit,) = stationary_points(Risk(V[0, 1] ** 2 - V[0, 1] + 3 * V[1, 0] ** 2, (V,))).orbits
    assert orbit.dimension == 2 and orbit.symmetry == "shifts of V[0, 0], V[1, 1], which do not matter"
    assert orbit[V] == sp.ImmutableMatrix([[0, sp.Rational(1, 2)], [0, 0]]) and orbit.nature() is Nature.MINIMUM


def test_an_indefinite_quadratic_has_a_saddle():
    V = sp.MatrixSymbol("V", 2, 2)
    (point,) = stationary_points(Risk(sp.Trace(V * V) - sp.Trace(V), (V,)))
    # tr V² = a² + d² + 2bc: three squares of one sign and one of the other
    assert point[V] == sp.eye(2) / 2 and point.certificate.signature == (3, 1, 0)


# --- spectral families ------------------------------------------------------------------------------


def hessian_at(expr, entries, place):
    at = dict(zip(entries, map(float, place), strict=True))
    compiled = sp.lambdify(entries, [expr, *(expr.diff(e) for e in entries), sp.hessian(expr, entries)], dummify=True)
    value, *rest = compiled(*at.values())
    return value, np.array(rest[:-1], dtype=float), np.array(rest[-1], dtype=float)


@pytest.mark.parametrize("curvature", [(0, 1), (2, 3), (1, 0)])
@pytest.mark.parametrize(("spectrum", "rank"), [((3, 2, 1), 1), ((3, 2, 1), 2), ((2, 2, 1), 2), ((3, 1), 3)])
def test_the_listed_hessian_is_the_hessian(spectrum, rank, curvature):
    size, (a, b) = len(spectrum), curvature
    V = sp.MatrixSymbol("V", size, rank)
    found = spectral_stationary_points(spectrum, rank, V, a, b, 7)
    entries = sp.symbols(f"v:{size * rank}", real=True)
    plain = sp.Matrix(size, rank, entries)
    N, diagonal = plain * plain.T, sp.diag(*spectrum)
    expr = sp.expand(
        (7 * sp.eye(1))[0] - 2 * (diagonal * N).trace() + (N * (a * diagonal + b * sp.eye(size)) * N).trace()
    )
    assert found.complete
    for point in (*found.points, *found.orbits):
        value, gradient, hessian = hessian_at(expr, entries, point[V])
        assert np.allclose(gradient, 0, atol=1e-12) and value == pytest.approx(float(point.value()))
        listed = sorted(float(v) for v in point.certificate.eigenvalues)
        assert np.allclose(np.linalg.eigvalsh(hessian), listed, atol=1e-9)
        assert sum(v == 0 for v in point.certificate.eigenvalues) == getattr(point, "dimension", 0)


def test_the_lowest_subset_is_the_leading_one_and_all_others_are_strict_saddles():
    V = sp.MatrixSymbol("V", 4, 2)
    found = spectral_stationary_points([4, 3, 2, 1], 2, V)
    assert len(found.points) == 1 and len(found.orbits) == 4 + 6
    lowest = [o for o in found.orbits if o.nature() is Nature.MINIMUM]
    assert len(lowest) == 1 and lowest[0].value() == -25
    assert all(o.certificate.is_strict for o in found.orbits if o is not lowest[0])


def test_symbols_keep_the_list_and_leave_open_what_is_not_known():
    s, t = sp.symbols("s t", positive=True)
    w = sp.MatrixSymbol("w", 2, 1)
    found = spectral_stationary_points([s, t], 1, w)
    assert {p.value() for p in found} == {0, -(s**2), -(t**2)}
    assert [p.nature() for p in found if p.value() == -(s**2)] == [Nature.UNKNOWN] * 2


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        (sp.Trace(W * C * W * S * W), "linear"),
        (sp.Trace(C * W * S * W.T) + sp.Trace(W), "between two matrices"),
        (sp.Determinant(W), "explicit S|gradient"),
    ],
)
def test_what_has_no_closed_form_is_refused_by_name(expr, message):
    with pytest.raises(NoClosedForm, match=message):
        stationary_points(Risk(expr, (W,)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], 1, sp.MatrixSymbol("w", 3, 1)), "shape"),
        (([1, 2], 1, sp.MatrixSymbol("w", 2, 1), -1, 1), "a, b >= 0"),
        (([1, -2], 1, sp.MatrixSymbol("w", 2, 1), 1, 1), "positive eigenvalues"),
        (([sp.Symbol("s"), 2], 1, sp.MatrixSymbol("w", 2, 1)), "known sign"),
    ],
)
def test_wrong_use_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        spectral_stationary_points(*arguments)
