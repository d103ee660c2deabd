"""The study of the rules for matrices: every claim, its controls, and planted bugs that must turn claims red."""

from __future__ import annotations

import importlib
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
import sympy as sp

from proofs_check import Context, studies
from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import perturb
from proofs_check.entrywise import Entrywise
from proofs_check.report import judge
from proofs_check.symbolic import SymbolicIdentity
from proofs_check.verdict import strongest
from theory import coincidences, expectation, graph_expectation, reading, tilting
from theory.graph_expectation import GraphAverage
from theory.variables import Mask
from theory.wick import Wick

module = importlib.import_module("proofs_check.studies.matrix_rules")
STUDY = studies()["matrix-rules"]
HOLDING = [claim for claim in STUDY.claims if claim.expected == "holds"]


def context(name: str) -> Context:
    return Context(np.random.default_rng(crc32(name.encode())))


@pytest.mark.parametrize("claim", HOLDING, ids=lambda claim: claim.name)
def test_every_kind_of_evidence_holds(claim):
    for check in claim.checks:
        verdict = check.run(claim, context(claim.name))
        assert verdict.holds, f"{type(check).__name__}: {verdict}"


def test_what_is_expected_to_be_refuted_is():
    for claim in STUDY.claims:
        if claim.expected == "refuted":
            verdict = strongest([verdict for _, verdict in judge(claim)])
            assert verdict.fails and verdict.witness is not None


@pytest.mark.parametrize("claim", HOLDING, ids=lambda claim: claim.name)
def test_an_error_of_1e_9_is_seen(claim):
    """No check holds the control; where enumeration or balls apply, they show a witness."""
    false = perturb(claim.statement, sp.Rational(1, 10**9), crc32(claim.name.encode()))
    control = replace(claim, make_statement=lambda: false)
    verdicts = [(check, check.run(control, context(claim.name))) for check in claim.checks]
    assert not any(verdict.holds for _, verdict in verdicts)
    decisive = [verdict for check, verdict in verdicts if isinstance(check, (Entrywise, CertifiedNumerics))]
    assert all(verdict.fails for verdict in decisive)


def test_all_claims_have_evidence_that_does_not_share_the_engine():
    """But for identities between two of its own routes, and means that are no polynomials in any dimension."""
    alone = [c.name for c in HOLDING if all(isinstance(check, SymbolicIdentity) for check in c.checks)]
    assert set(alone) <= {
        "partitions-and-words-agree",
        "gradient-of-traces",
        "softmax-attention-on-a-gaussian",
        "softmax-attention-on-a-mixture",
        "exponential-of-a-quadratic-form",
    }


# --- planted bugs ------------------------------------------------------------------------------


def without_covariance(original):
    def mutated(self, chosen, a, b, rest, graph):
        for c, factors, vertices in original(self, chosen, a, b, rest, graph):
            yield 2 * c, factors, vertices

    return mutated


def without_mean(original):
    def mutated(self, chosen, rest, graph):
        yield from ()

    return mutated


def wrong_moment(original):
    return lambda self, j: original(self, j + 1) if j > 1 else original(self, j)


def wrong_sign(original):
    def mutated(carriers, busy, vertices):
        for number, joins, blocks, after in original(carriers, busy, vertices):
            yield sp.Abs(number) if number.is_number else number, joins, blocks, after

    return mutated


def one_step_short(original):
    return lambda n, k: original(n + 1, k)


def forget_a_partner(original):
    def mutated(self, state):
        steps = original(self, state)
        return dict(list(steps.items())[:-1]) if len(steps) > 1 else steps

    return mutated


def half_the_exponent(original):
    return lambda *args, **kwargs: replace(original(*args, **kwargs), shift=args[1].mean)


def no_determinant(original):
    return lambda covariance, form: sp.Integer(1)


def rows_alike(original):
    def mutated(matrix, places):
        for probability, kinds in original(matrix, places):
            yield probability, [kinds[0]] * len(kinds)

    return mutated


def no_weights(original):
    return lambda self, graph, family: ((1, f, v) for _, f, v in list(original(self, graph, family))[:1])


BUGS = {
    "Isserlis: a partner forgotten": (Wick, "_steps", forget_a_partner),
    "Stein: covariance doubled": (GraphAverage, "_covariance", without_covariance),
    "Stein: mean forgotten": (GraphAverage, "_mean_of", without_mean),
    "masks: r_{j+1} for r_j": (Mask, "moment", wrong_moment),
    "coincidences: Möbius without its sign": (graph_expectation, "coincidences", wrong_sign),
    "coincidences: n(n+1) for n(n−1)": (coincidences, "falling_factorial", one_step_short),
    "labels: one partition only": (GraphAverage, "_over_labels", no_weights),
    "tokens in groups: all of one kind": (graph_expectation, "row_laws", rows_alike),
    "tilting: the mean not moved": (expectation, "tilt", half_the_exponent),
    "tilting: no determinant": (tilting, "_normalizer", no_determinant),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_planted_in_a_rule_turns_a_claim_red(monkeypatch, bug):
    """Some claim that held is refuted, with a witness, by enumeration or by balls; an engine that falls over is not
    what is tested here."""
    where, name, change = BUGS[bug]
    monkeypatch.setattr(where, name, change(getattr(where, name)))
    reading.is_random.cache_clear()
    red = []
    for claim in HOLDING:
        checks = [check for check in claim.checks if not isinstance(check, SymbolicIdentity)]
        fresh = replace(claim)  # the statement is made anew
        try:
            red += [claim.name for check in checks if check.run(fresh, context(claim.name)).fails]
        except (NotImplementedError, ValueError, TypeError, AssertionError):
            continue
        if red:
            break
    assert red, f"no claim saw the bug {bug}"


def test_no_bug_no_red():
    """The control of the controls."""
    for claim in HOLDING[:6]:
        assert all(check.run(replace(claim), context(claim.name)).holds for check in claim.checks)
