"""The claims of the catalogue, given to `check` as a reader would type them: no check of their own is used.

A part of them runs here; `python benchmarks/ladder.py` runs them all.
"""

from __future__ import annotations

from zlib import crc32

import pytest
import sympy as sp

from proofs_check import Vocabulary, check, ladder, read_statement, studies
from proofs_check.formula import GENEROUS
from proofs_check.points import letters
from theory import Conserved, Invariant, Stationary

CLAIMS = [
    pytest.param(claim, id=f"{study.name}/{claim.name}")
    for study in studies().values()
    for claim in study.claims
    if crc32(claim.name.encode()) % 9 == 0
]


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_ladder_agrees_with_what_is_expected(claim):
    if not ladder(claim.statement):
        assert claim.is_statistical, "only what a simulator decides has no ladder"
        return
    verdict = check(claim.statement, claim.domain, seconds=8)
    if claim.expected == "refuted":
        assert verdict.fails, verdict.text()
    else:
        assert not verdict.fails, verdict.text()


def test_the_sentences_of_the_catalogue_read_back():
    statements = [claim.statement for study in studies().values() for claim in study.claims]
    sentences = [each for each in statements if isinstance(each, (Conserved, Invariant, Stationary))]
    assert sentences
    for statement in sentences:
        names = Vocabulary([letter for letter in letters(statement) if not isinstance(letter, sp.MatrixBase)])
        assert read_statement(statement.text(), names, latex=False, limits=GENEROUS) == statement
