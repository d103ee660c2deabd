"""Mutants: the slips of the table are made, well-shaped and distinct; and our checks kill what is false."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics import Simulator
from proofs_check import (
    CertifiedNumerics,
    Claim,
    MonteCarloAgreement,
    Mutant,
    Study,
    SymbolicIdentity,
    kill_mutants,
    mutants,
    studies,
)
from proofs_check import killing as killing_module
from proofs_check.__main__ import main
from proofs_check.boxes import CertifiedOnBox
from proofs_check.killing import KILLED, MutationReport
from proofs_check.mutations import OPERATORS, changes
from theory import (
    Agreement,
    BivariateNormalCDF,
    Domain,
    Expectation,
    GaussianVector,
    Identity,
    Inequality,
    Invariant,
    Limit,
    NormalCDF,
    OwenT,
    Stationary,
    StationaryCount,
    dot,
    equal,
    gaussians,
    normal_form,
    quad,
)

x, y = sp.symbols("x y", real=True)
s, t = sp.symbols("s t", positive=True)
n, d = sp.symbols("n d", integer=True, positive=True)
A, B, S = (sp.MatrixSymbol(name, d, d) for name in ("A", "B", "S"))
tr = sp.Trace
UNIT = Domain({x: (-1, 1)})


# --- what is made --------------------------------------------------------------------------------

SLIPS = [
    ("sign of a term", x**2 + s, x**2 - s),
    ("sign of a term", sp.exp(-x), sp.exp(x)),
    ("dropped term", x**2 + s, x**2),
    ("dropped factor", s * sp.cos(x), sp.cos(x)),
    ("constant", sp.erf(x) + 3, sp.erf(x) + 4),
    ("constant", sp.erf(x) + 3, sp.erf(x) + 2),
    ("factor 2", s * sp.cos(x), s * sp.cos(x) / 2),
    ("factor 2", sp.cos(x) + s, 2 * sp.cos(x) + s),
    ("exponent", (1 + 2 * s) ** sp.Rational(3, 2), sp.sqrt(1 + 2 * s)),
    ("exponent", sp.erf(x) ** 2, sp.erf(x) ** 3),
    ("size", d * s, (d + 1) * s),
    ("swapped symbols", s**2 * t, t**2 * s),
    ("swapped symbols", s * x + y, s * x + x),
    ("wrong function", sp.asin(x), sp.atan(x)),
    ("wrong function", sp.erf(x), sp.erfc(x)),
    ("wrong function", sp.sin(x), sp.cos(x)),
    ("wrong function", sp.Max(x, y), sp.Min(x, y)),
    ("wrong function", NormalCDF(x), 1 - NormalCDF(x)),
    ("wrong function", OwenT(x, s), OwenT(s, x)),
    ("wrong function", BivariateNormalCDF(x, y, s / 9), BivariateNormalCDF(x, y, -s / 9)),
    ("transposed factor", tr(A * S * B * S), tr(A * S * B.T * S)),
    ("regrouped traces", tr(A * S) * tr(B), tr(A * S * B)),
    ("regrouped traces", tr(A) ** 2, tr(A * A)),
    ("regrouped traces", tr(A * A), tr(A) ** 2),
    ("power of a matrix", tr(A * S), tr(A * S * S)),
    ("power of a matrix", A + S, A + sp.Identity(d)),
    ("factors in another order", A.T * B, B * A.T),
    ("product entry by entry", sp.HadamardProduct(A, B), A * B),
    ("product entry by entry", sp.DiagonalMatrix(A), A),
]


@pytest.mark.parametrize("operator, formula, wrong", SLIPS, ids=lambda part: str(part)[:24])
def test_every_slip_of_the_table_is_made(operator, formula, wrong):
    """And by the operator that bears its name."""
    assert (operator, wrong) in [(change.operator, change.expr) for change in changes(formula)]


def test_the_table_of_slips_is_complete():
    assert {operator for operator, _, _ in SLIPS} == set(OPERATORS)


FORMULAS = [
    sp.Rational(1, 2),
    sp.asin(2 * s / (1 + 2 * s)) / sp.pi,
    4 * OwenT(sp.sqrt(2) * x / sp.sqrt(1 + 2 * s), t),
    tr(A * S) * tr(B * S) + tr(A * S * B * S) + tr(A * S * B.T * S),
    n**2 * S * A * S + n * S * A.T * S + (n * tr(A * S)) * S,
    sp.S.Zero,
]


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
def test_there_are_enough_and_no_two_are_the_same(formula):
    found = mutants(formula)
    assert all(isinstance(mutant, Mutant) and mutant.statement.lhs == formula for mutant in found)
    assert all(getattr(m.statement.rhs, "shape", None) == getattr(formula, "shape", None) for m in found)
    wrong = [mutant.statement.rhs for mutant in found]
    assert len(wrong) >= 25 and len(set(wrong)) == len(wrong) and formula not in wrong
    if not formula.has(sp.MatrixSymbol):
        normal = [normal_form(each) for each in (formula, *wrong)]
        assert len(set(normal)) == len(normal)


@pytest.mark.parametrize("k", range(1, 13))
def test_errors_of_every_size_are_made(k):
    statement = equal(Expectation(quad(GaussianVector("x", d, covariance=S), A)), tr(A * S))
    assert Identity(statement.lhs, (1 + sp.Rational(1, 10**k)) * tr(A * S)) in [
        mutant.statement for mutant in mutants(statement)
    ]


def test_what_is_checked_is_left_alone():
    """The left side, and every mean on the right."""
    vector = GaussianVector("x", d, covariance=S)
    mean = Expectation(quad(vector, A))
    statement = equal(Expectation(quad(vector, A) * quad(vector, B)), 2 * mean * tr(B) + tr(A * S))
    for mutant in mutants(statement):
        assert mutant.statement.lhs == statement.lhs
        assert mutant.statement.rhs.atoms(Expectation) <= {mean}


def test_a_covariance_is_not_transposed():
    vector = GaussianVector("x", d, covariance=S)
    statement = equal(Expectation(quad(vector, A) * quad(vector, B)), tr(A * S * B * S))
    assert not any(mutant.statement.rhs.has(S.T) for mutant in mutants(statement))


@settings(max_examples=30)
@given(st.recursive(st.sampled_from([x, s, n, sp.Integer(2)]), lambda inner: st.tuples(inner, inner), max_leaves=5))
def test_mutants_are_finite_and_other_expressions(tree):
    def build(node):
        return sp.erf(build(node[0])) * build(node[1]) + 1 if isinstance(node, tuple) else node

    formula = build(tree)
    for change in changes(formula):
        assert change.expr != formula
        assert not change.expr.has(sp.nan, sp.zoo, sp.oo)


def test_other_kinds_of_statements():
    below = {mutant.statement for mutant in mutants(Inequality(x**2, "<=", 1))}
    assert {Inequality(x**2, op, 1) for op in (">", ">=", "<")} | {Inequality(x**3, "<=", 1)} <= below
    limit = {mutant.statement for mutant in mutants(Limit(s / (1 + s), s, sp.oo, 1))}
    assert {Limit(s / (1 + s), s, sp.oo, value) for value in (0, 2, sp.oo)} <= limit
    flow = Invariant({x: x + y, y: y * x}, {y: 0})
    assert Invariant(flow.field, {x: 0}) in [mutant.statement for mutant in mutants(flow)]
    point = Stationary(x**2, (x,), {x: 0})
    assert Stationary(x**2, (x,), {x: 1}) in [mutant.statement for mutant in mutants(point)]
    count = StationaryCount((x**3 - x,), (x,), {x: (-2, 2)}, number=3)
    assert {mutant.statement.number for mutant in mutants(count)} == {1, 2, 4, 5}


def test_the_domain_is_made_a_tenth_wider():
    domain = Domain({x: (-1, 1), s: (sp.Rational(1, 20), 1), n: (2, 5), y: (-sp.oo, sp.oo)})
    (wider,) = (mutant.domain for mutant in mutants(equal(x, x), domain) if mutant.domain is not None)
    assert wider.interval(x) == (-sp.Rational(6, 5), sp.Rational(6, 5))
    assert wider.interval(n) == (1, 6)
    assert 0 < wider.interval(s)[0] < sp.Rational(1, 20)
    assert not any(mutant.domain for mutant in mutants(equal(y, y), Domain({y: (-sp.oo, sp.oo)})))


def test_wrong_use():
    with pytest.raises(TypeError, match="expected a statement"):
        mutants("x + 1")
    with pytest.raises(ValueError, match="expected most >= 25"):
        mutants(x, most=3)


# --- what is killed ------------------------------------------------------------------------------


PROOFS = (SymbolicIdentity(), CertifiedNumerics())


def about(statement, domain=UNIT, checks=PROOFS, simulator=None, **options) -> MutationReport:
    claim = Claim("one", "A claim.", lambda: statement, domain, "", tuple(checks), **options)
    return kill_mutants(Study("school", "School", "", (claim,), simulator))


CATALOGUE = {
    "expectation-rules": ["linearity", "one-gate", "o-gelu"],
    "matrix-rules": ["two-quadratic-forms", "softmax-attention-on-a-gaussian"],
    "single-location": ["sign-of-the-saturated-block", "leading-order-of-the-background"],
}


@pytest.mark.parametrize("name", CATALOGUE)
def test_no_false_neighbour_of_a_claim_survives(name):
    """A sample of the catalogue, down to errors of 1e-12; all of it is `proofs-check mutants`."""
    study = studies()[name]
    report = kill_mutants(replace(study, claims=tuple(study[claim] for claim in CATALOGUE[name])))
    counts = report.counts()
    assert counts["claims"] == len(CATALOGUE[name]) and counts["made"] >= 25 * counts["claims"], str(report)
    assert report.exit_code == 0 and report.kill_rate == 1 and counts["killed"] > 0.85 * counts["made"], str(report)
    for toll in report:
        smallest = [fate for fate in toll.fates if fate.mutant.operator.endswith(("relative 1e-12", "absolute 1e-12"))]
        assert [fate.outcome for fate in smallest] == [KILLED], str(report)


def test_statistical_claims_from_their_resolution_up():
    """E s z² = s, with a resolution of a tenth of max(|θ|, √v) = √2 s: 20 % is seen, 10 % is below."""
    simulator = Simulator(
        draw=lambda rng, n, s: (np.zeros((n, 1, 1)), np.sqrt(s) * rng.standard_normal(n)),
        predict=lambda tokens, s: np.zeros(len(tokens)),
    )
    check = MonteCarloAgreement(resolution=0.1, second_moment=3 * s**2, points=2)
    (toll,) = report = about(Agreement(s), Domain({s: (1, 2)}), (check,), simulator)
    fates = {fate.mutant.statement.formula: fate for fate in toll.fates}
    assert fates[2 * s].outcome == fates[-s].outcome == fates[s**2].outcome == KILLED, str(report)
    assert toll.tiers() == {"statistical": toll.count(KILLED)} and not toll.survivors
    assert {fates[(1 + sp.Rational(1, 10**k)) * s].outcome for k in range(1, 13)} == {"below resolution"}


def test_what_is_still_true_is_proven_so():
    report = about(Inequality(x**2, "<=", 2), checks=(CertifiedOnBox(),))
    (toll,) = report
    kept = {fate.mutant.statement for fate in toll.fates if fate.outcome == "still true"}
    assert Inequality(x**2, "<=", 3) in kept and Inequality(x**2, "<", 2) in kept
    killed = {fate.mutant.statement for fate in toll.fates if fate.outcome == KILLED}
    assert Inequality(x**2, ">", 2) in killed and Inequality(x**2, "<=", -2) in killed
    assert report.exit_code == 0


def test_an_inequality_known_at_points_has_open_neighbours():
    report = about(Inequality(x, "<", x + 1), checks=(CertifiedNumerics(),))
    fates = {fate.mutant.statement: fate.outcome for fate in report.tolls[0].fates if fate.mutant.domain is None}
    assert fates[Inequality(x, "<", x)] == fates[Inequality(x, "<", x - 1)] == KILLED
    assert fates[Inequality(x, "<", x + 2)] == "open" and report.exit_code == 0


def test_a_wider_domain_is_killed_where_the_claim_ends():
    report = about(Inequality(x**2, "<=", sp.Rational(11, 10)), checks=(CertifiedOnBox(),))
    (fate,) = (fate for fate in report.tolls[0].fates if fate.mutant.operator == "wider domain")
    assert fate.outcome == KILLED


def test_equivalent_mutants_are_proven_equivalent():
    """⟨u, Sv⟩ and ⟨v, Su⟩ are the same for a covariance S."""
    u, v = (sp.MatrixSymbol(name, d, 1) for name in "uv")
    vector = GaussianVector("x", d, covariance=S)
    report = about(
        equal(Expectation(dot(vector, u) * dot(vector, v)), dot(u, S * v)), Domain({}), (SymbolicIdentity(),)
    )
    (toll,) = report
    assert toll.count("equivalent") >= 1 and toll.count("survivor") == 0, str(report)


# --- controls of the machine itself ----------------------------------------------------------------


class Unknown(sp.Function):
    """A function without a ball."""


def test_what_no_tier_can_refute_survives():
    """A function that nothing is known of: the neighbours are false, nobody can tell, and the report says so."""
    report = about(equal(Unknown(x), Unknown(x)), checks=(SymbolicIdentity(),))
    assert report.counts()["survivor"] >= 20 and report.exit_code == 1 and report.kill_rate < 0.2
    assert "survivor: relative 1e-1" in report.text()


def test_a_proof_of_what_was_refuted_is_a_survivor(monkeypatch):
    """A planted bug in the normal forms: everything reduces to zero."""
    monkeypatch.setattr(killing_module, "reduces_to_zero", lambda expr: True)
    report = about(equal((x + 1) ** 2, x**2 + 2 * x + 1))
    assert report.counts()["survivor"] >= 25 and report.exit_code == 1
    assert "one of them is wrong" in report.text()


@pytest.mark.parametrize(
    "rhs, options, note",
    [
        (x**2 + 2 * x + 2, {}, "does not hold on its own"),
        (x**2 + 2 * x + 2, {"expected": "refuted"}, "expected refuted"),
        (x**2 + 2 * x + 1, {"expected": "open"}, "expected open"),
    ],
)
def test_only_what_holds_has_mutants(rhs, options, note):
    report = about(equal((x + 1) ** 2, rhs), **options)
    assert note in report.tolls[0].note and not report.tolls[0].fates and report.exit_code == 3


def test_the_end_of_the_time_is_said():
    claim = Claim("one", "A claim.", lambda: equal(x, x), UNIT, "", (SymbolicIdentity(),))
    report = kill_mutants(Study("school", "School", "", (claim,)), seconds=1e-9)
    counts = report.counts()
    assert counts["not tried"] == counts["made"] > 0 and report.exit_code == 3


def test_the_command_line(monkeypatch, tmp_path, capsys):
    claim = Claim("one", "A claim.", lambda: equal((x + 1) ** 2, x**2 + 2 * x + 1), UNIT, "", (SymbolicIdentity(),))
    study = Study("school", "School", "", (claim,))
    monkeypatch.setattr(importlib.import_module("proofs_check.__main__"), "studies", lambda: {"school": study})
    path = tmp_path / "mutants.json"
    assert main(["mutants", "school", "--json", str(path), "--seconds", "30"]) == 0
    printed = capsys.readouterr().out
    assert "school/one" in printed and "0 survivor" in printed and "kill rate 100.00 %" in printed
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["exit_code"] == 0 and record["counts"]["killed"] == len(record["claims"][0]["mutants"]) - 1
    assert main(["mutants", "shool"]) == 2
    assert main(["mutants", "--json", str(tmp_path)]) == 2


def test_the_same_seed_gives_the_same_fates():
    statement = equal(sp.cos(2 * x), 1 - 2 * sp.sin(x) ** 2)
    first, second = (about(statement) for _ in range(2))
    assert [fate.outcome for fate in first.tolls[0].fates] == [fate.outcome for fate in second.tolls[0].fates]


def test_a_size_that_is_swapped_leaves_the_matrices_their_shapes():
    n, d = sp.symbols("n d", integer=True, positive=True)
    A, B = (sp.MatrixSymbol(name, d, d) for name in "AB")
    (w,) = gaussians("w")
    made = mutants(equal(Expectation(w**2), n * sp.Trace(A) + d * sp.Trace(A * B)))
    swapped = [mutant.statement for mutant in made if mutant.operator == "swapped symbols"]
    assert swapped and all(each.rhs.atoms(sp.MatrixSymbol) <= {A, B} for each in swapped)
    assert any(each.rhs == d * sp.Trace(A) + n * sp.Trace(A * B) for each in swapped)
    assert any(each.rhs == n * sp.Trace(B) + d * sp.Trace(A * B) for each in swapped)
