"""Three outcomes, no booleans, no failure without a witness."""

from __future__ import annotations

import itertools

import pytest
import sympy as sp

from proofs_check.verdict import Evidence, Outcome, Verdict, Witness, strongest

WITNESS = Witness({sp.Symbol("kappa"): sp.Rational(1, 3)}, "0.123", "0.456")


def holds(evidence=Evidence.CERTIFIED):
    return Verdict(Outcome.HOLDS, evidence, "at 5 points", "")


def fails(evidence=Evidence.CERTIFIED):
    return Verdict(Outcome.FAILS, evidence, "at a point", "", WITNESS)


def undecided():
    return Verdict(Outcome.UNDECIDED, None, "", "no admissible point")


@pytest.mark.parametrize("verdict", [holds(), fails(), undecided()])
def test_a_verdict_is_no_boolean(verdict):
    with pytest.raises(TypeError, match=r"verdict\.holds"):
        bool(verdict)
    assert [verdict.holds, verdict.fails, verdict.undecided].count(True) == 1


def test_a_failure_shows_its_witness():
    with pytest.raises(ValueError, match="witness"):
        Verdict(Outcome.FAILS, Evidence.CERTIFIED, "at a point", "the sides differ")
    assert str(fails()) == "fails (certified, at a point): at kappa=1/3: 0.123 against 0.456"


@pytest.mark.parametrize("outcome", [Outcome.HOLDS, Outcome.UNDECIDED])
def test_only_a_failure_has_a_witness(outcome):
    with pytest.raises(ValueError, match="only a verdict that fails"):
        Verdict(outcome, Evidence.CERTIFIED, "at a point", "because", WITNESS)


def test_what_holds_names_its_scope_and_what_is_undecided_its_reason():
    with pytest.raises(ValueError, match="scope"):
        Verdict(Outcome.HOLDS, Evidence.SYMBOLIC, "", "")
    with pytest.raises(ValueError, match="scope"):
        Verdict(Outcome.HOLDS, None, "identically", "")
    with pytest.raises(ValueError, match="why"):
        Verdict(Outcome.UNDECIDED, None, "", "")
    with pytest.raises(TypeError, match="Outcome"):
        Verdict("holds", Evidence.SYMBOLIC, "identically", "")


def test_evidence_is_ordered():
    assert Evidence.SYMBOLIC.strength > Evidence.CERTIFIED.strength > Evidence.STATISTICAL.strength


def test_a_witness_outweighs_everything_and_the_order_of_the_checks_does_not_matter():
    verdicts = [holds(Evidence.SYMBOLIC), fails(Evidence.STATISTICAL), undecided(), holds()]
    for order in itertools.permutations(verdicts):
        assert strongest(order).fails


def test_the_strongest_evidence_is_shown():
    assert strongest([holds(Evidence.STATISTICAL), undecided(), holds()]).evidence is Evidence.CERTIFIED
    assert strongest([undecided()]).undecided
    with pytest.raises(ValueError, match="at least one"):
        strongest([])


def test_a_card_escapes_what_it_shows():
    hostile = Witness({"<script>": "1"}, "<b>", "&")
    verdict = Verdict(Outcome.FAILS, Evidence.CERTIFIED, "<i>", "<script>alert(1)</script>", hostile)
    card = verdict._repr_html_()
    assert "<script>" not in card and "&lt;script&gt;" in card and "<b>:" not in card
    assert "http" not in card


def test_the_latex_of_a_card_escapes_what_it_shows():
    verdict = Verdict(Outcome.UNDECIDED, None, "", r"a_b & 50% \input{x}")
    assert r"a\_b \& 50\% \textbackslash{}input\{x\}" in verdict._repr_latex_()


def test_a_witness_does_not_change_with_the_dict_it_was_made_from():
    point = {"x": 1}
    witness = Witness(point, "1", "2")
    point["x"] = 5
    assert witness.text() == "at x=1: 1 against 2"
