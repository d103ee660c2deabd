"""Balls at generic points: agreement to so many digits, or two disjoint balls."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.certified import CertifiedNumerics
from proofs_check.check import Context
from proofs_check.claim import perturb
from proofs_check.verdict import Evidence
from theory.domain import Domain
from theory.statement import Agreement, Inequality, Invariant, Limit, Stationary, equal

x, y = sp.symbols("x y", real=True)
lam, m = sp.symbols("lam m", positive=True)
DOMAIN = Domain({x: (-1, 1), y: (-1, 1), lam: (0, sp.oo), m: (1, sp.oo)})


def run(statement, domain=DOMAIN, seed=0, seconds=60.0, **options):
    asked = SimpleNamespace(name="asked", statement=statement, domain=domain, models=None)
    return CertifiedNumerics(**options).run(asked, Context(np.random.default_rng(seed), seconds=seconds))


TRUE = [
    equal((x + y) ** 3, sp.expand((x + y) ** 3)),
    equal(sp.erf(x) * sp.exp(-(x**2)), -sp.erf(-x) / sp.exp(x**2)),
    equal([x, sp.sin(x) ** 2], [x, 1 - sp.cos(x) ** 2]),
    equal(sp.sin(x) ** 2 + sp.cos(x) ** 2 - 1, 0),
    Inequality(sp.erf(lam), "<", 1),
    Inequality(x**2, ">=", 0),
    Stationary(x**2 * y + sp.cos(y), (x, y), {x: 0, y: 0}),
    Invariant({x: y * sp.exp(lam), y: sp.sin(y + x) - sp.sin(x)}, {y: 0}),
    Limit((x + m) / (m + 1), m, sp.oo, 1),
    Limit(sp.erf(lam * m), m, sp.oo, 1),
]


@pytest.mark.parametrize("statement", TRUE, ids=lambda statement: statement.text()[:40])
def test_true_statements_hold_at_the_points(statement):
    verdict = run(statement)
    assert verdict.holds and verdict.evidence is Evidence.CERTIFIED
    assert "digits" in verdict.scope or isinstance(statement, Inequality)


@pytest.mark.parametrize("statement", TRUE, ids=lambda statement: statement.text()[:40])
@pytest.mark.parametrize("by", [1, sp.Rational(1, 100), sp.Rational(1, 10**12)])
def test_controls_are_refuted_down_to_a_relative_error_of_1e_minus_12(statement, by):
    verdict = run(perturb(statement, by))
    assert verdict.fails and verdict.witness.lhs != verdict.witness.rhs
    assert DOMAIN.contains(verdict.witness.point) is not False


def test_a_witness_can_be_put_back_into_the_formula():
    verdict = run(equal(sp.sin(x), x))
    point = verdict.witness.point
    assert abs(sp.sin(point[x]).evalf(30) - sp.Rational(verdict.witness.lhs)) < 1e-6
    assert abs(point[x].evalf(30) - sp.Rational(verdict.witness.rhs)) < 1e-6


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=5), st.integers(0, 2**32))
def test_a_polynomial_and_its_horner_form(coefficients, seed):
    expr = sp.Poly(coefficients, x).as_expr()
    assert run(equal(expr, sp.horner(expr)), seed=seed, points=2).holds
    if expr != 0:
        assert run(equal(expr, sp.horner(expr) + sp.Rational(1, 10**20)), seed=seed, points=2).fails


def test_tiny_and_huge_sides_are_compared_relative_to_their_size():
    tiny, huge = sp.exp(-200), sp.exp(300)
    for size in (tiny, huge):
        assert run(equal(size * lam, lam * size)).holds
        assert run(equal(size * lam, lam * size * (1 + sp.Rational(1, 10**20)))).fails
    assert run(equal(tiny, 0)).fails


def test_a_tiny_disagreement_below_the_digits_is_not_called_agreement_when_it_can_be_seen():
    assert run(equal(x, x + sp.Rational(1, 10**30)), digits=25).fails


def test_a_disagreement_beyond_the_precision_is_within_the_scope():
    verdict = run(equal(sp.exp(x), sp.exp(x) + sp.exp(-1000)), digits=25)
    assert verdict.holds and "25 digits" in verdict.scope


def test_inequalities_that_touch_are_undecided():
    assert run(Inequality(sp.sin(x) ** 2 + sp.cos(x) ** 2, "<=", 1)).undecided
    assert not run(Inequality(x, "<=", x)).fails
    assert run(Inequality(x, "<", x - 1)).fails


def test_a_statement_without_parameters_is_evaluated_once():
    verdict = run(equal(4 * sp.atan(1), sp.pi), Domain({}))
    assert verdict.holds and verdict.scope == "without parameters, to 25 digits"
    assert run(equal(sp.pi, sp.Rational(22, 7)), Domain({})).witness.point == {}


def test_nothing_tested_is_undecided():
    impossible = Domain({x: (0, 1), y: (0, 1)}, conditions=(x + y > 3,))
    verdict = run(equal(x, x + 1), impossible)
    assert verdict.undecided and "x + y > 3" in verdict.reason


def test_a_symbol_the_domain_does_not_name_is_named():
    stranger = sp.Symbol("x")
    verdict = run(equal(stranger, stranger + 1))
    assert verdict.undecided and "x, which the domain does not name" in verdict.reason


def test_a_pole_is_undecided():
    verdict = run(equal(1 / (lam - lam * (1 + x) + lam * x), 1), Domain({x: (0, 1), lam: (0, 1)}))
    assert verdict.undecided


def test_a_function_without_ball_rule_is_undecided_and_named():
    verdict = run(equal(sp.Function("mystery")(x), 1))
    assert verdict.undecided and "mystery" in verdict.reason


def test_what_needs_another_check_says_so():
    assert "another check" in run(Agreement(x)).reason


def test_limits_that_no_law_gives_are_undecided_and_shown():
    verdict = run(Limit(m * sp.exp(-m), m, sp.oo, 0))
    assert verdict.undecided and "prove nothing" in verdict.reason
    assert run(Limit(m * sp.exp(-m), m, sp.oo, 1)).undecided


def test_a_wrong_limit_is_refuted_by_the_right_one():
    verdict = run(Limit((x + 2 * m) / (m + 1), m, sp.oo, 1))
    assert verdict.fails and verdict.witness.lhs.startswith("2.0") and "limit" in verdict.witness.note
    assert run(Limit(m, m, sp.oo, 0)).fails
    assert run(Limit(m, m, sp.oo, sp.oo)).holds


def test_the_budget_ends_in_undecided_and_not_in_holds():
    verdict = run(equal(sp.erf(x), sp.erf(x)), seconds=1e-9)
    assert verdict.undecided and "raise" in verdict.reason


def test_the_points_depend_on_the_generator_alone():
    wrong = equal(x, y)
    assert run(wrong, seed=3) == run(wrong, seed=3)
    assert run(wrong, seed=3).witness != run(wrong, seed=4).witness


@pytest.mark.parametrize("options", [{"digits": 0}, {"points": 0}, {"digits": 2.5}, {"points": True}, {"digits": 1000}])
def test_misuse_is_named(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        CertifiedNumerics(**options)
