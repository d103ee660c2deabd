"""Exact algebra proves identities and limits, and never refutes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import sympy as sp

from proofs_check.check import Context
from proofs_check.claim import perturb
from proofs_check.symbolic import SymbolicIdentity
from proofs_check.verdict import Evidence
from theory.domain import Domain
from theory.statement import Agreement, Inequality, Invariant, Limit, Stationary, equal

x, y = sp.symbols("x y", real=True)
lam, m = sp.symbols("lam m", positive=True)
L = sp.Symbol("L", integer=True, positive=True)
DOMAIN = Domain({x: (-1, 1), y: (-1, 1), lam: (0, sp.oo), m: (0, sp.oo), L: (2, sp.oo)})


def run(statement, domain=DOMAIN):
    asked = SimpleNamespace(name="asked", statement=statement, domain=domain, models=None)
    return SymbolicIdentity().run(asked, Context(np.random.default_rng(0)))


TRUE = [
    equal((x + y) ** 3, sp.expand((x + y) ** 3)),
    equal([x, sp.sin(x) ** 2], [x, 1 - sp.cos(x) ** 2]),
    equal(sp.exp(x + y), sp.exp(x) * sp.exp(y)),
    Stationary(x**2 * y + sp.cos(y), (x, y), {x: 0, y: 0}),
    Invariant({x: y * sp.exp(lam), y: -x * y}, {y: 0}),
    Limit(m**2 * L * (L - 1) / (L**2 + m**2 * (L - 1)), m, sp.oo, L),
    Limit(sp.erf(lam * m), m, sp.oo, 1),
]


@pytest.mark.parametrize("statement", TRUE, ids=lambda statement: statement.text()[:40])
def test_true_statements_hold_identically(statement):
    verdict = run(statement)
    assert verdict.holds and verdict.evidence is Evidence.SYMBOLIC and verdict.scope == "identically"


@pytest.mark.parametrize("statement", TRUE, ids=lambda statement: statement.text()[:40])
@pytest.mark.parametrize("by", [sp.Rational(1, 10), sp.Rational(1, 10**12)])
def test_controls_are_never_proven_and_never_refuted_without_a_point(statement, by):
    verdict = run(perturb(statement, by))
    assert verdict.undecided and "CertifiedNumerics" in verdict.reason


@pytest.mark.parametrize("statement", [Inequality(x, "<", x + 1), Agreement(x)])
def test_what_algebra_does_not_decide_is_undecided(statement):
    assert run(statement).undecided


def test_conditions_of_the_domain_are_shown():
    verdict = run(equal(x, x), Domain({x: (0, 1), y: (0, 1)}, conditions=(x < y,)))
    assert verdict.holds and "x < y" in verdict.reason
