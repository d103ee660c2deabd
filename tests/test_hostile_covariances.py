"""Every hostile covariance we could think of, at every door that takes one from a user.

What is exact is decided exactly; what was rounded is accepted up to 10·d·ε·‖Σ‖ and made symmetric; singular laws are
laws; and a refusal says what was expected, what was given, and the smallest eigenvalue.
"""

from __future__ import annotations

import warnings
from decimal import Decimal
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy as sp
from flint import fmpq
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.covariance import validate_float_covariance
from numerics.gaussian_moments import gaussian_moment
from proofs_check.monte_carlo import agreement_of_expectation
from proofs_check.strategies import (
    covariances,
    degenerate_covariances,
    draw_examples,
    near_singular_covariances,
    prompts,
)
from theory import E, GaussianMatrix, GaussianVector, MixtureMatrix, TokenGroup, Tokens, gaussians
from theory.covariance import psd_conditions, settle_measured_covariance, validate_covariance
from theory.decimals import exact_decimals

R = sp.Rational
HALVES = [R(1, 2), R(1, 2)]
r = sp.Symbol("r", real=True)
s = sp.Symbol("s", positive=True)
d = sp.Symbol("d", integer=True, positive=True)

DOORS = {
    "gaussians": lambda v, n: gaussians(" ".join(f"a{i}" for i in range(n)), covariance=v),
    "GaussianVector": lambda v, n: GaussianVector("x", n, covariance=v),
    "GaussianMatrix": lambda v, n: GaussianMatrix("X", 3, n, covariance=v),
    "Tokens": lambda v, n: Tokens("X", n, [TokenGroup(3, covariance=v)]),
    "MixtureMatrix": lambda v, n: MixtureMatrix("Z", 3, n, weights=HALVES, means=[0, 0], covariance=[v, v]),
}
NUMERIC_DOORS = {
    "validate_float_covariance": lambda v, n: validate_float_covariance(v),
    "gaussian_moment": lambda v, n: gaussian_moment([2] + [0] * (n - 1), v),
    "prompts": lambda v, n: prompts(2, n, covariance=v),
}


class Table:
    """What a data frame looks like from outside."""

    def __init__(self, rows):
        self.rows = np.array(rows)

    def to_numpy(self):
        return self.rows

    def __array__(self, dtype=None, copy=None):
        return self.rows


def hilbert(n, minus=0):
    return [[R(1, i + j + 1) - (minus if i == j else 0) for j in range(n)] for i in range(n)]


def outer(*v):
    return np.outer(v, v)


# --- what is a covariance, exactly ---------------------------------------------------------------

EXACT = {
    "one by one zero": [[0]],
    "zero": [[0, 0], [0, 0]],
    "singular": [[1, 1], [1, 1]],
    "blocks, all singular": sp.diag(sp.Matrix([[1, 1], [1, 1]]), sp.Matrix([[2, -2], [-2, 2]])),
    "nearly singular": [[1, 1], [1, 1 + R(1, 10**40)]],
    "hilbert": hilbert(12),
    "integers that overflow": np.full((2, 2), 2**62, dtype=np.int64),
    "unsigned bytes": np.array([[200, 100], [100, 200]], dtype=np.uint8),
    "beyond any float": [[10**400, 0], [0, Fraction(1, 10**400)]],
    "objects": np.array([[R(1, 2), 0], [0, Fraction(1, 3)]], dtype=object),
    "numpy's integers in lists": [[np.int64(2), 1], [1, np.int32(2)]],
    "flint's rationals": [[fmpq(1, 2), 0], [0, 1]],
    "decimals of Python": [[Decimal("0.1"), 0], [0, 1]],
    "nested tuples": ((2, 1), (1, 2)),
    "a transposed view": np.array([[2, 1], [1, 2]]).T,
    "numpy's old matrices": np.asmatrix([[2, 1], [1, 2]]),
    "a sparse matrix": sp.SparseMatrix([[2, 1], [1, 2]]),
    "a table with labels": Table([[2, 1], [1, 2]]),
    "roots": [[sp.sqrt(2), 1], [1, 1 / sp.sqrt(2)]],
    "roots, singular": [[sp.sqrt(2) + 1, 1], [1, sp.sqrt(2) - 1]],
    "of unknown sign": [[r, 0], [0, 1]],
}


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("matrix", EXACT.values(), ids=EXACT)
def test_exact_covariances_come_back_as_they_are(matrix):
    value = validate_covariance(matrix)
    assert value == value.T
    assert all(not entry.has(sp.Float) for entry in value)
    for door in DOORS.values():
        door(matrix, value.rows)


def test_integers_do_not_overflow_on_the_way():
    assert validate_covariance(np.full((2, 2), 2**62, dtype=np.int64))[0, 1] == 2**62
    assert validate_covariance(np.array([[200, 100], [100, 200]], dtype=np.uint8)).det() == 30_000


# --- what is none, exactly -----------------------------------------------------------------------

NOT_EXACT = {
    "asymmetric by a hair": ([[1, R(1, 3)], [R(1, 3) + R(1, 2**60), 1]], ValueError, "symmetric"),
    "indefinite by 1e-18": ([[1, 1], [1, 1 - R(1, 10**18)]], ValueError, "smallest eigenvalue -5.00000e-19"),
    "hilbert less 1e-16": (hilbert(12, R(1, 10**15)), ValueError, "smallest eigenvalue -8.95"),
    "negative": ([[-1]], ValueError, "smallest eigenvalue -1"),
    "zero variance, a covariance": ([[0, 1], [1, 5]], ValueError, "smallest eigenvalue -0.19"),
    "the most negative byte": (np.array([[-128, 0], [0, 1]], dtype=np.int8), ValueError, "eigenvalue -128"),
    "roots, indefinite by 1e-30": (
        [[sp.sqrt(2) + 1, 1], [1, sp.sqrt(2) - 1 - R(1, 10**30)]],
        ValueError,
        "positive semidefinite",
    ),
    "six coupled roots": (sp.sqrt(2) * (sp.eye(6) * R(11, 10) - sp.ones(6, 6) / 4), ValueError, "semidefinite"),
    "a negative symbol": ([[-s, 0], [0, 1]], ValueError, "negative for all values"),
    "nan": ([[float("nan"), 0], [0, 1]], ValueError, "finite"),
    "infinity": ([[float("inf"), 0], [0, 1]], ValueError, "finite"),
    "sympy's nan": ([[sp.nan, 0], [0, 1]], ValueError, "finite"),
    "sympy's infinity": ([[sp.oo, 0], [0, 1]], ValueError, "finite"),
    "complex infinity": ([[sp.zoo, 0], [0, 1]], ValueError, "finite"),
    "Python's complex": ([[1, 1j], [-1j, 1]], ValueError, "exact"),
    "sympy's complex": ([[1, sp.I], [-sp.I, 1]], ValueError, "real"),
    "imaginary symbol": ([[sp.Symbol("i", imaginary=True), 0], [0, 1]], ValueError, "real"),
    "truth values": ([[True, False], [False, True]], TypeError, "bool"),
    "an array of truth values": (np.eye(2, dtype=bool), TypeError, "bool"),
    "sympy's truth": ([[sp.true, 0], [0, 1]], TypeError, "BooleanTrue"),
    "text": ("[[1, 0], [0, 1]]", TypeError, "text"),
    "bytes": (b"1001", TypeError, "text"),
    "rows of text": ([["1", "0"], ["0", "1"]], TypeError, "text"),
    "text among objects": (np.array([["1", 0], [0, 1]], dtype=object), TypeError, "text"),
    "code": ([["__import__('os')", 0], [0, 1]], TypeError, "text"),
    "nothing": ([], ValueError, "without rows"),
    "no columns": ([[]], ValueError, "square"),
    "0 by 0": (np.zeros((0, 0)), ValueError, "without rows"),
    "sympy's 0 by 0": (sp.Matrix(0, 0, []), ValueError, "without rows"),
    "no rows of three": (np.zeros((0, 3)), ValueError, "without rows"),
    "not square": ([[1, 2, 3], [2, 3, 4]], ValueError, "square"),
    "a column": ([[1], [2]], ValueError, "square"),
    "a vector": ([1, 2], ValueError, "not a row"),
    "ragged": ([[1, 0], [0]], ValueError, "square"),
    "too deep": ([[[1]]], TypeError, "list"),
    "a list in itself": ((lambda a: a.append(a) or [a])([]), TypeError, "list"),
    "three-dimensional": (np.zeros((2, 2, 2), dtype=int), TypeError, "list"),
    "a dict": ({0: [1, 0], 1: [0, 1]}, TypeError, "dict"),
    "a set": ({(1, 0), (0, 1)}, TypeError, "set"),
    "masked": (np.ma.masked_array([[1, 0], [0, 1]], mask=[[0, 1], [1, 0]]), TypeError, "None"),
    "dates": (np.array([["2020", "2021"], ["2021", "2022"]], dtype="datetime64[Y]"), TypeError, "date"),
    "records": (np.zeros((2, 2), dtype=[("a", float)]), TypeError, "tuple"),
    "an equation": ([[sp.Eq(r, 1), 0], [0, 1]], TypeError, "Equality"),
    "operators": ([[sp.Symbol("a", commutative=False), 0], [0, 1]], TypeError, "Symbol"),
    "an unsymmetric symbol": (sp.MatrixSymbol("S", 2, 2).as_explicit(), ValueError, "symmetric"),
    "mpmath's floats": ([[mpmath.mpf(1), 0], [0, 1]], ValueError, "exact"),
    "an infinite decimal": ([[Decimal("Infinity"), 0], [0, 1]], TypeError, "Decimal"),
}


@pytest.mark.parametrize("name", NOT_EXACT)
def test_what_is_no_covariance_is_refused_with_the_reason(name):
    matrix, error, says = NOT_EXACT[name]
    with pytest.raises(error, match=says):
        validate_covariance(matrix)
    with pytest.raises((TypeError, ValueError)):
        psd_conditions(matrix)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", NOT_EXACT)
def test_no_door_lets_it_in(name, door):
    matrix, _, _ = NOT_EXACT[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((TypeError, ValueError), match=r"expected .*got |expected a mean"):
            DOORS[door](matrix, getattr(matrix, "shape", (len(matrix),))[0] or 2)


@pytest.mark.parametrize("name", ["indefinite by 1e-18", "negative", "zero variance, a covariance"])
def test_the_refusal_shows_a_direction_and_the_smallest_eigenvalue(name):
    matrix = NOT_EXACT[name][0]
    with pytest.raises(ValueError, match=r"smallest eigenvalue -.*x'\*covariance\*x = -.* for x = \("):
        validate_covariance(matrix)


# --- floats --------------------------------------------------------------------------------------

ROUNDED = {
    "asymmetric by one ulp": [[1.0, 0.5], [float(np.nextafter(0.5, 1)), 1.0]],
    "singular with noise": outer(0.1, 0.2, 0.3, 1 / 3),
    "rank one less 1e-16": outer(*(np.arange(1, 7) / 7)) - 1e-16 * np.eye(6),
    "floats that are singular": [[1.0, 1.0], [1.0, 1 - 1e-18]],
    "one by one zero": [[0.0]],
    "minus zero": [[-0.0, 0.0], [0.0, 1.0]],
    "huge": 1e300 * np.array([[1, 0.9], [0.9, 1]]),
    "tiny": 1e-300 * np.array([[1, 0.5], [0.5, 1]]),
    "huge and tiny": np.array([[1e300, 0], [0, 1e-300]]),
    "the largest": np.full((2, 2), 1.7e308),
    "the smallest": np.array([[5e-324, 0], [0, 5e-324]]),
    "hilbert": np.array([[1 / (i + j + 1) for j in range(12)] for i in range(12)]),
    "single precision": np.eye(2, dtype=np.float32),
    "half precision": np.eye(2, dtype=np.float16),
    "a sample covariance of too few points": np.cov(np.random.default_rng(0).normal(size=(3, 5)).T),
}
NOT_ROUNDED = {
    "asymmetric by 1e-9": ([[1.0, 0.5], [0.5 + 1e-9, 1.0]], "symmetric"),
    "indefinite by 1e-6": (outer(*(np.arange(1, 7) / 7)) - 1e-6 * np.eye(6), "smallest eigenvalue -1"),
    "indefinite": ([[1.0, 2.0], [2.0, 1.0]], "smallest eigenvalue -1"),
    "nan": ([[float("nan"), 0.0], [0.0, 1.0]], "finite"),
    "infinity": ([[np.inf, 0.0], [0.0, 1.0]], "finite"),
    "the smallest number off the diagonal alone": (np.array([[5e-324, 5e-324], [0, 5e-324]]), "symmetric"),
}


@pytest.mark.parametrize("matrix", ROUNDED.values(), ids=ROUNDED)
def test_rounding_is_made_good_at_every_door(matrix):
    array = validate_float_covariance(matrix)
    assert (array == array.T).all() and np.isfinite(array).all()
    assert np.abs(array - np.array(matrix, dtype=float)).max() <= 1e-14 * np.abs(array).max()
    n = len(array)
    for door in DOORS.values():
        door(matrix, n)
    covariance = GaussianVector("x", n, covariance=matrix).covariance
    assert validate_covariance(covariance) == covariance  # from here on it is one exactly
    exact = np.array([[float(entry) for entry in row] for row in covariance.tolist()])
    assert np.abs(exact - array).max() <= 20 * n * np.finfo(float).eps * np.abs(array).max() * n


@pytest.mark.parametrize("door", [*DOORS, *NUMERIC_DOORS])
@pytest.mark.parametrize("name", NOT_ROUNDED)
def test_what_rounding_does_not_explain_is_refused_at_every_door(name, door):
    matrix, says = NOT_ROUNDED[name]
    with pytest.raises(ValueError, match=says):
        {**DOORS, **NUMERIC_DOORS}[door](matrix, len(matrix))


def test_variances_of_very_different_size_keep_their_values():
    array = validate_float_covariance(np.array([[1e300, 0], [0, 1e-300]]))
    assert array.tolist() == [[1e300, 0.0], [0.0, 1e-300]]
    assert validate_float_covariance(np.array([[5e-324]])).tolist() == [[5e-324]]


def test_a_masked_array_is_not_read_through_its_mask():
    with pytest.raises(ValueError, match="masked"):
        validate_float_covariance(np.ma.masked_array(np.eye(2), mask=[[0, 1], [1, 0]]))


@pytest.mark.parametrize("number", [0.1, 0.500000001, 1 / 3, 1e-300, 123456789.123456789, 5e-324, 2.0**-60, -0.0])
def test_floats_are_read_as_the_decimals_they_print_as(number):
    """sympy's own conversion makes 1/2 of 0.500000001, so that a false claim would be made true by reading it."""
    assert exact_decimals(sp.Float(number)) == R(*Fraction(repr(number)).as_integer_ratio())
    (a,) = gaussians("a", mean=[number])
    assert float(E(a)) == number
    assert E(number * a) == exact_decimals(sp.Float(number)) ** 2


def test_a_law_of_measured_numbers_that_is_singular_up_to_rounding_has_moments():
    a, b = gaussians("a b", covariance=outer(0.1, 0.3))
    assert abs(float(E((3 * a - b) ** 2))) < 1e-15
    assert E((3 * a - b) ** 2) >= 0


@settings(deadline=None, max_examples=15)
@given(st.integers(2, 4).flatmap(covariances), st.integers(-60, 60))
def test_every_covariance_survives_the_way_through_floats(S, power):
    scaled = [[float(entry) * 2.0**power for entry in row] for row in S.tolist()]
    settled = settle_measured_covariance([[exact_decimals(sp.Float(x)) for x in row] for row in scaled])
    assert validate_covariance(settled) == settled
    assert all(abs(float(u) - v) <= 1e-13 * 2.0**power * 8 for u, v in zip(settled, np.ravel(scaled), strict=True))


def test_the_strategies_of_hostile_covariances_pass_the_validator():
    drawn = [
        *draw_examples(degenerate_covariances(3), 15, seed=0),
        *draw_examples(near_singular_covariances(3, 10**30), 15, seed=0),
    ]
    assert all(validate_covariance(S) == S for S in drawn)
    lowered = drawn[-1] - sp.eye(3) * R(2, 10**30)
    with pytest.raises(ValueError, match="smallest eigenvalue -1"):
        validate_covariance(lowered)


def test_the_monte_carlo_check_accepts_rounding_and_refuses_more():
    x, y = sp.symbols("x y", real=True)

    def check(covariance):
        return agreement_of_expectation(
            x * y, R(1, 2), [x, y], covariance=covariance, second_moment=10, max_samples=2**12, seed=0
        )

    assert not check([[1.0, 0.5], [float(np.nextafter(0.5, 1)), 1.0]]).fails
    for matrix, says in NOT_ROUNDED.values():
        if len(matrix) == 2:
            with pytest.raises(ValueError, match=says if says != "finite" else "expected"):
                check(matrix)
