"""The validator of covariances: what it accepts, what it refuses, and what it says."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.covariance import validate_float_covariance
from theory.covariance import psd_conditions, validate_covariance

r = sp.Symbol("r", real=True)
s, t = sp.symbols("s t", positive=True)

rationals = st.fractions(min_value=-9, max_value=9, max_denominator=9)


@st.composite
def symmetric_matrices(draw, largest=4):
    d = draw(st.integers(1, largest))
    entries = draw(st.lists(rationals, min_size=d * d, max_size=d * d))
    value = sp.Matrix(d, d, [sp.Rational(x.numerator, x.denominator) for x in entries])
    return value + value.T


@st.composite
def products(draw, largest=5):
    """A Aᵀ with fewer columns than rows at times: singular covariances."""
    d, rank = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    entries = draw(st.lists(rationals, min_size=d * rank, max_size=d * rank))
    value = sp.Matrix(d, rank, [sp.Rational(x.numerator, x.denominator) for x in entries])
    return value * value.T


@given(products())
def test_every_product_with_its_transpose_is_a_covariance(value):
    assert validate_covariance(value) == sp.ImmutableDenseMatrix(value)
    assert psd_conditions(value) == ()


@settings(deadline=None, max_examples=60)
@given(symmetric_matrices())
def test_the_decision_over_the_rationals_is_that_of_all_principal_minors(value):
    rows = range(value.rows)
    minors = (value.extract(list(c), list(c)).det() for k in rows for c in combinations(rows, k + 1))
    if all(minor >= 0 for minor in minors):
        assert validate_covariance(value) == sp.ImmutableDenseMatrix(value)
    else:
        with pytest.raises(ValueError, match="positive semidefinite"):
            validate_covariance(value)


@settings(deadline=None)
@given(products(), st.integers(0, 4), st.fractions(min_value=Fraction(1, 10**30), max_value=1))
def test_a_singular_covariance_lowered_by_anything_is_refused(value, index, amount):
    i = index % value.rows
    kernel = value.nullspace()
    if not kernel or kernel[0][i] == 0:
        return
    lowered = value.copy()
    lowered[i, i] -= sp.Rational(amount.numerator, amount.denominator)
    with pytest.raises(ValueError, match="positive semidefinite"):
        validate_covariance(lowered)


def test_the_refusal_shows_a_direction_in_which_the_variance_is_negative():
    with pytest.raises(ValueError, match=r"x'\*noise\*x = -3 for x = \(-2, 1, 0\)"):
        validate_covariance([[1, 2, 0], [2, 1, 0], [0, 0, 1]], name="noise")


def test_numbers_of_python_and_of_sympy_mix_and_the_result_is_immutable():
    value = validate_covariance([[1, Fraction(1, 2)], [sp.Rational(1, 2), s]])
    assert value == sp.ImmutableDenseMatrix([[1, sp.Rational(1, 2)], [sp.Rational(1, 2), s]])
    assert isinstance(value, sp.ImmutableDenseMatrix)


def test_an_array_of_integers_is_exact():
    assert validate_covariance(np.array([[2, 1], [1, 2]])) == sp.ImmutableDenseMatrix([[2, 1], [1, 2]])


def test_the_same_covariance_written_in_two_ways_is_symmetric():
    value = validate_covariance([[s, (s + 1) ** 2], [s**2 + 2 * s + 1, t]])
    assert value[0, 1] == value[1, 0]


def test_symbols_come_back_with_their_conditions():
    assert psd_conditions([[s, r], [r, t]]) == (sp.Ge(s * t - r**2, 0),)
    assert psd_conditions([[1, r], [r, 1]]) == (sp.Ge(1 - r**2, 0),)
    assert psd_conditions([[1 + r**2, r], [r, 1]]) == ()
    assert psd_conditions([[s, 0], [0, t]]) == ()
    assert psd_conditions([[s**2, s * t], [s * t, t**2]]) == ()  # singular: one variable twice
    u = sp.Symbol("u", real=True)
    assert psd_conditions([[u]]) == (sp.Ge(u, 0),)


def test_the_conditions_speak_only_about_variables_that_are_coupled():
    value = sp.diag(sp.Matrix([[1, r], [r, 1]]), sp.Matrix([[2, 1], [1, 2]]), s)
    assert psd_conditions(value) == (sp.Ge(1 - r**2, 0),)


def test_a_large_block_of_symbols_is_accepted_and_its_conditions_are_refused_by_name():
    value = sp.Matrix(7, 7, lambda i, j: sp.Symbol(f"s_{min(i, j)}{max(i, j)}", real=True))
    assert validate_covariance(value).rows == 7
    with pytest.raises(ValueError, match="at most 5 coupled variables"):
        psd_conditions(value)


@pytest.mark.parametrize(
    ("matrix", "error", "says"),
    [
        ([[1, 2], [3, 4]], ValueError, r"covariance\[0, 1\] = 2 and covariance\[1, 0\] = 3"),
        ([[s, r], [r + 1, t]], ValueError, "symmetric"),
        ([[1, 2], [2, 1]], ValueError, "positive semidefinite"),
        ([[0, 1], [1, 5]], ValueError, "positive semidefinite"),
        ([[-s, r], [r, t]], ValueError, r"covariance\[0, 0\] is -s, negative for all values"),
        ([[s, 2 * s], [2 * s, s]], ValueError, r"minor in rows \(0, 1\) is -3\*s\*\*2"),
        ([[sp.sqrt(2), 2], [2, sp.sqrt(2)]], ValueError, "positive semidefinite"),
        ([[sp.pi, 3], [3, sp.Rational(5, 2)]], ValueError, "positive semidefinite"),
        ([[1, 0.5], [0.5, 1]], ValueError, r"covariance\[0, 1\] = 0.5; write sympy.Rational"),
        ([[sp.Float(1)]], ValueError, "exact entries"),
        ([[float("nan")]], ValueError, "nan"),
        ([[sp.nan]], ValueError, "finite"),
        ([[1, sp.oo], [sp.oo, 1]], ValueError, r"finite entries, got covariance\[0, 1\]"),
        ([[1, sp.I], [sp.I, 1]], ValueError, r"real entries, got covariance\[0, 1\] = I"),
        ([[1j]], ValueError, "exact entries"),
        ([["1", 0], [0, 1]], TypeError, r"the text covariance\[0, 0\] = '1'"),
        ([[True]], TypeError, "bool"),
        ([[None]], TypeError, "NoneType"),
        ([1, 2], ValueError, r"covariance\[0\] = 1, which is not a row"),
        ([[1, 2], [3]], ValueError, "1 entries in row 1"),
        ([[1, 0]], ValueError, "1 rows and 2 entries"),
        ([], ValueError, "without rows"),
        ("[[1]]", TypeError, "the text"),
        (5, TypeError, "type int"),
        (sp.MatrixSymbol("S", 2, 2), TypeError, "MatrixSymbol"),
    ],
)
def test_what_is_no_covariance_is_refused_with_its_place_and_value(matrix, error, says):
    with pytest.raises(error, match=says):
        validate_covariance(matrix)


def test_a_covariance_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"noise of shape \(3, 3\), got shape \(2, 2\)"):
        validate_covariance(sp.eye(2), name="noise", size=3)


# ------------------------------------------------------------ floating-point arrays


def random_covariance(d, rank, seed):
    factor = np.random.default_rng(seed).standard_normal((d, rank))
    return factor @ factor.T


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
@pytest.mark.parametrize("seed", range(20))
def test_singular_covariances_computed_in_floats_are_accepted_and_symmetrized(seed, scale):
    value = random_covariance(30, 3, seed) * scale
    value[0, 1] *= 1 + 2**-52
    accepted = validate_float_covariance(value)
    assert (accepted == accepted.T).all()
    assert np.abs(accepted / scale - value / scale).max() <= 1e-13


@pytest.mark.parametrize("seed", range(5))
def test_a_negative_eigenvalue_beyond_rounding_is_refused_with_its_value(seed):
    value = random_covariance(10, 9, seed)
    direction = np.linalg.eigh(value)[1][:, 0]
    value -= 1e-10 * np.outer(direction, direction)
    with pytest.raises(ValueError, match=r"smallest eigenvalue -(1e-10|9\.99|1\.00)"):
        validate_float_covariance((value + value.T) / 2)


@pytest.mark.parametrize(
    ("array", "error", "says"),
    [
        ([[1.0, 0.1], [0.2, 1.0]], ValueError, r"covariance\[0, 1\] = 0.1 and covariance\[1, 0\] = 0.2"),
        ([[1.0, np.nan], [np.nan, 1.0]], ValueError, r"covariance\[0, 1\] = nan"),
        ([[np.inf]], ValueError, "inf"),
        ([[1j]], TypeError, "complex"),
        ([["a"]], TypeError, "real numbers"),
        ([[True]], TypeError, "bool"),
        ([[s]], TypeError, "theory.validate_covariance"),
        ([1.0, 2.0], ValueError, r"shape \(2,\)"),
        ([[1.0, 2.0]], ValueError, r"shape \(1, 2\)"),
        ([[1.0], [1.0, 2.0]], ValueError, "one length"),
        (np.zeros((0, 0)), ValueError, r"shape \(0, 0\)"),
        ([[-1.0]], ValueError, "smallest eigenvalue -1"),
    ],
)
def test_what_is_no_float_covariance_is_refused(array, error, says):
    with pytest.raises(error, match=says):
        validate_float_covariance(array)


def test_the_zero_covariance_and_integers_are_accepted():
    assert (validate_float_covariance(np.zeros((3, 3))) == 0).all()
    assert validate_float_covariance([[2, 1], [1, 2]]).dtype == np.float64
    with pytest.raises(ValueError, match=r"noise of shape \(3, 3\)"):
        validate_float_covariance(np.eye(2), name="noise", size=3)
