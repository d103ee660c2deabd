"""Random expressions: what E answers is right, and brute force answers whatever the grammar writes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics import EntrywiseBudgetExceeded, agrees_entrywise
from theory import E, NoClosedForm

spec = importlib.util.spec_from_file_location("random_expressions", Path(__file__).with_name("random_expressions.py"))
grammar = sys.modules["random_expressions"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(grammar)

n, d, K = grammar.n, grammar.d, grammar.K
SIZES = st.sampled_from([{n: 2, d: 2, K: 2}, {n: 3, d: 2, K: 1}, {n: 2, d: 3, K: 2}])
BUDGET = 3_000_000  # below a second


def claimed_zero(expr: sp.Expr) -> sp.Expr:
    return sp.ZeroMatrix(*expr.shape) if getattr(expr, "is_Matrix", False) else sp.Integer(0)


def compared(expr, claimed, sizes, seed):
    try:
        return agrees_entrywise(expr, claimed, sizes=[sizes], seed=seed, budget=BUDGET)
    except EntrywiseBudgetExceeded:
        return None


@settings(max_examples=60)
@given(grammar.expressions(), SIZES, st.integers(0, 1000))
def test_what_e_answers_is_right(expr, sizes, seed):
    try:
        mean = E(expr)
    except NoClosedForm:
        return
    result = compared(expr, mean, sizes, seed)
    assert result is None or result.holds, result


@settings(max_examples=60)
@given(grammar.expressions(), SIZES, st.integers(0, 1000))
def test_brute_force_answers_whatever_the_grammar_writes(expr, sizes, seed):
    """And finds the claim that the mean is another one to be wrong."""
    result = compared(expr, claimed_zero(expr), sizes, seed)
    if result is not None and not result.holds:
        assert compared(expr, result.mean, sizes, seed).holds
        assert not compared(expr, 2 * result.mean, sizes, seed).holds


@pytest.mark.parametrize("name", sorted(grammar.CASTS))
def test_every_kind_of_letter_occurs(name):
    """In an expression whose mean is not zero."""
    seen = []

    @settings(max_examples=25, database=None)
    @given(grammar.expressions(casts=(name,), degree=3))
    def look(expr):
        seen.append(expr)

    look()
    assert any(not compared(expr, claimed_zero(expr), {n: 2, d: 2, K: 2}, 1).holds for expr in seen)


@settings(max_examples=40)
@given(grammar.expressions(degree=4))
def test_degrees_are_bounded(expr):
    assert grammar.degree_of(expr) <= 4
