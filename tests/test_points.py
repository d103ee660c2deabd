"""Generic values for the letters of a statement."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.points import generic_values, letters, matrices_in, with_values
from theory import Conserved, Domain, E, Expectation, GaussianVector, Limit, Symmetric, dot, equal, quad

d = sp.Symbol("d", integer=True, positive=True)
A, S = sp.MatrixSymbol("A", d, d), sp.MatrixSymbol("S", d, d)
k = sp.MatrixSymbol("k", d, 1)
x = GaussianVector("x", d, covariance=S)
t, u = sp.symbols("t u", real=True)
STATEMENT = equal(Expectation(quad(x, A) * dot(x, k) ** 2), 0)
SIZES = Domain({d: (1, sp.oo)})


def test_letters_are_found_in_laws_and_beside_expressions():
    assert letters(STATEMENT) == {d, A, S, k, x}
    assert letters(Limit(t / u, t, sp.oo, sp.oo)) == {t, u}
    assert letters(Conserved({t: 1}, t * u)) == {t, u}


def test_bound_letters_are_left_out():
    i = sp.Symbol("i", integer=True)
    assert letters(equal(sp.Sum(t**i, (i, 0, d)), 0)) == {t, d}


@given(st.integers(0, 2**32), st.integers(1, 4))
def test_a_covariance_is_one_and_a_symmetric_matrix_is_symmetric(seed, size):
    domain = Domain({d: (1, sp.oo)}, conditions=(Symmetric(A),))
    values = generic_values(STATEMENT, domain, np.random.default_rng(seed), size)
    assert values[d] == size
    assert values[S] == values[S].T and values[S].is_positive_definite
    assert values[A] == values[A].T
    assert values[k].shape == (size, 1)


@given(st.integers(0, 2**32))
def test_values_and_expectations_commute(seed):
    """E at explicit matrices is the value of the formula for symbolic ones."""
    values = generic_values(STATEMENT, SIZES, np.random.default_rng(seed))
    body = quad(x, A) * dot(x, k) ** 2
    explicit = with_values(E(body), values)
    there = GaussianVector("x", 2, covariance=values[S])
    numbers = {**values, x: there}
    assert explicit == E(quad(there, values[A]) * dot(there, values[k]) ** 2), numbers


def test_whole_matrices_become_explicit():
    expr = (sp.Identity(d) + A) * sp.ZeroMatrix(d, d) + sp.OneMatrix(d, d)
    assert with_values(expr, {d: 2, A: sp.Matrix([[1, 2], [3, 4]])}) == sp.ones(2, 2)


def test_matrices_come_in_order():
    assert matrices_in(S * A, A * k) == [A, S, k]


def test_an_empty_domain_is_said():
    with pytest.raises(ValueError, match="no admissible point"):
        generic_values(equal(t, u), Domain({t: (0, 1), u: (0, 1)}, conditions=(t > u + 2,)), np.random.default_rng(0))
