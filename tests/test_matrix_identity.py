"""Equality of matrix expressions by exact normal forms: what it proves, and what it must not."""

from __future__ import annotations

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from numerics.entrywise import exact_value
from proofs_check import Context, SymbolicIdentity
from proofs_check.claim import Claim
from proofs_check.entrywise import Entrywise
from theory import Domain, Expectation, GaussianMatrix, GaussianVector, dot, equal, quad
from theory.matrix_identity import holds_matrices, matrices_agree

n, d = sp.symbols("n d", integer=True, positive=True)
s = sp.Symbol("s", positive=True)
A, B, C, S = (sp.MatrixSymbol(name, d, d) for name in "ABCS")
u, v = sp.MatrixSymbol("u", d, 1), sp.MatrixSymbol("v", d, 1)
tr, had = sp.Trace, sp.HadamardProduct
one = sp.OneMatrix(d, 1)

TRUE = [
    (tr(A * B * C), tr(C.T * B.T * A.T)),
    (tr(A) * (1 + s), tr(A) + s * tr(A)),
    (quad(u, A), dot(u, A.T * u)),
    (tr(had(A, B)), dot(sp.DiagonalOf(A), sp.DiagonalOf(B))),
    (dot(one, had(A, B) * one), tr(A * B.T)),
    (dot(u, had(A, B) * v), tr(sp.DiagMatrix(u) * A * sp.DiagMatrix(v) * B.T)),
    (sp.DiagMatrix(u) * A * sp.DiagMatrix(v), had(u * v.T, A)),
    (A * B * B.inv(), A),
    ((A + B) * C, A * C + B * C),
    (had(A, sp.OneMatrix(d, d)), A + sp.ZeroMatrix(d, d)),
    (sp.DiagonalMatrix(A * B), sp.DiagMatrix(sp.DiagonalOf(B.T * A.T))),
    (tr(sp.Identity(d) * s), s * d),
]
FALSE = [
    (tr(A * B * C), tr(A * C * B)),
    (tr(A * B), tr(A * B.T)),
    (tr(A) ** 2, tr(A**2)),
    (tr(had(A, B)), tr(A * B)),
    (had(A, B), A * B),
    (sp.DiagonalMatrix(A), A),
    (quad(u, A) * dot(v, v), dot(u, A * v) ** 2),
    (A.T, A),
    (tr(S * A), tr(S.T * A)),
]


@pytest.mark.parametrize(("lhs", "rhs"), TRUE, ids=str)
def test_true_identities_are_proven(lhs, rhs):
    assert matrices_agree(lhs, rhs)


@pytest.mark.parametrize(("lhs", "rhs"), FALSE, ids=str)
def test_false_ones_are_not(lhs, rhs):
    assert not matrices_agree(lhs, rhs)


def test_symmetric_letters_are_known():
    assert matrices_agree(tr(S * A), tr(S * A.T), frozenset({S}))


LETTERS = st.sampled_from([A, B, A.T, had(A, B), sp.DiagonalMatrix(A), u * v.T])


@given(st.lists(LETTERS, min_size=1, max_size=4), st.lists(LETTERS, min_size=1, max_size=4))
def test_what_agrees_has_the_same_value(first, second):
    """At one generic rational point; and what has another value does not agree."""
    lhs, rhs = (tr(sp.MatMul(*word) if len(word) > 1 else word[0]) for word in (first, second))
    point = {
        A: sp.Matrix([[2, 3], [5, 7]]),
        B: sp.Matrix([[11, -13], [17, 19]]),
        u: sp.Matrix([23, -29]),
        v: sp.Matrix([31, 37]),
        d: 2,
    }
    values = []
    for side in (lhs, rhs):
        needed = {symbol: value for symbol, value in point.items() if symbol in side.free_symbols or symbol == d}
        values.append(exact_value(side, {k: v for k, v in needed.items() if k != d or side.free_symbols & {d}}))
    if matrices_agree(lhs, rhs):
        assert values[0] == values[1]
    if values[0] != values[1]:
        assert not matrices_agree(lhs, rhs)


def test_what_holds_matrices():
    assert holds_matrices(tr(A)) and holds_matrices(A) and holds_matrices(dot(u, v))
    assert not holds_matrices(s + d)


# --- as checks -------------------------------------------------------------------------------


def a_claim(statement):
    return Claim("c", "a claim.", lambda: statement, Domain({}), "", ())


def context():
    import numpy as np

    return Context(np.random.default_rng(0))


def test_a_false_formula_gets_a_witness_from_enumeration_and_no_proof():
    x = GaussianVector("x", d, covariance=S)
    false = a_claim(equal(Expectation(quad(x, A) ** 2), tr(A * S) ** 2 + 2 * tr(A * S * A * S)))
    assert SymbolicIdentity().run(false, context()).undecided
    verdict = Entrywise([{d: 2}]).run(false, context())
    assert verdict.fails and verdict.witness is not None
    assert "typed" in verdict.witness.note


def test_a_wrong_engine_is_named_by_enumeration(monkeypatch):
    X = GaussianMatrix("X", n, d, covariance=S)
    claim = a_claim(equal(Expectation(tr(X.T * X * A)), n * tr(A * S)))
    assert Entrywise([{n: 2, d: 2}]).run(claim, context()).holds
    monkeypatch.setattr(type(claim.statement.lhs), "doit", lambda self, **hints: tr(A * S))
    verdict = Entrywise([{n: 2, d: 2}]).run(claim, context())
    assert verdict.fails and "engine" in verdict.witness.note


def test_a_pole_among_small_numbers_does_not_keep_a_witness_back():
    x, u = GaussianVector("x", d, covariance=S), sp.MatrixSymbol("u", d, 1)
    scaled = dot(x, u) / dot(u, u)  # one of a few whole numbers is 0 for d = 1
    false = a_claim(equal(Expectation(scaled**2 * dot(u, u)), 2 * quad(u, S) / dot(u, u)))
    verdict = Entrywise([{d: 1}, {d: 2}]).run(false, context())
    assert verdict.fails and verdict.witness is not None


def test_nothing_tried_is_undecided():
    assert Entrywise().run(a_claim(equal(tr(A), tr(A.T))), context()).undecided
    x = GaussianVector("x", d, covariance=S)
    large = a_claim(equal(Expectation(quad(x, A) ** 6), tr(A)))
    assert Entrywise([{d: 60}]).run(large, context()).undecided
