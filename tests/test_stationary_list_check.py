"""The check of a list: it holds for the true list, and every wrong number, index, risk or gain turns it red."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from proofs_check.check import Context
from proofs_check.claim import claim, perturb
from proofs_check.stationary_list_check import CertifiedList
from proofs_check.verdict import Outcome
from theory.domain import Domain
from theory.statement import Identity
from theory.stationary_list import StationaryList, euler_characteristic

x, y, z, w = sp.symbols("x y z w", real=True)
FORM = x**2 + 2 * y**2 + 4 * z**2
WIDER = (FORM + 4 * w**2, ((x, y, z, w),))  # one more of the largest: the smaller ones do not gain
ROWS = [(2, 0, 1, 0), (2, 1, 2, 0), (2, 2, 4, 0)]


def verdict(statement, seconds=60.0):
    made = claim(on=Domain({}), by=[CertifiedList()])(_says(statement))
    return CertifiedList().run(made, Context(np.random.default_rng(0), seconds=seconds))


def _says(statement):
    def listed():
        """The list."""
        return statement

    return listed


def test_the_true_list_holds():
    found = verdict(StationaryList(FORM, ((x, y, z),), ROWS))
    assert found.outcome is Outcome.HOLDS and found.scope == "complete"
    assert euler_characteristic(StationaryList(FORM, ((x, y, z),), ROWS).rows) == 2


def test_the_index_is_followed_into_the_next_dimension():
    bigger = FORM + w**2  # one more of the smallest: the two others gain one direction down
    rows = [(2, 1, 2, 1), (2, 2, 4, 1)]
    wider = (bigger + x**2 * 0, ((x, y, z, w),))
    assert verdict(StationaryList(FORM, ((x, y, z),), [(2, 0, 1, 0), *rows], wider=wider)).outcome is Outcome.HOLDS
    wrong = [(2, 0, 1, 0), (2, 1, 2, 0), (2, 2, 4, 1)]
    assert verdict(StationaryList(FORM, ((x, y, z),), wrong, wider=wider)).outcome is Outcome.FAILS


@pytest.mark.parametrize(
    "rows",
    [
        [(2, 0, 1), (2, 1, 2)],
        [(2, 0, 1), (2, 1, 2), (3, 2, 4)],
        [(2, 0, 1), (1, 1, 2), (2, 2, 4)],
        [(2, 0, 1), (2, 1, 3), (2, 2, 4)],
        [(2, 0, 1), (2, 2, 2), (2, 2, 4)],
        [(2, 0, sp.Rational("1.000001")), (2, 1, 2), (2, 2, 4)],
    ],
)
def test_a_wrong_list_fails_with_a_witness(rows):
    found = verdict(StationaryList(FORM, ((x, y, z),), rows))
    assert found.outcome is Outcome.FAILS and found.witness is not None


@pytest.mark.parametrize("which", range(3))
def test_perturbed_lists_fail(which):
    statement = perturb(StationaryList(FORM, ((x, y, z),), ROWS), sp.Rational(1, 10), which)
    assert verdict(statement).outcome is Outcome.FAILS


def test_without_time_it_is_undecided():
    assert verdict(StationaryList(FORM + sp.erf(x * y), ((x, y, z),), ROWS), seconds=0).outcome is Outcome.UNDECIDED


def test_orbits_are_not_counted_as_points():
    found = verdict(StationaryList(x**2 + y**2 + 4 * z**2, ((x, y, z),), ROWS))
    assert found.outcome is Outcome.UNDECIDED and "orbit" in found.reason


def test_wrong_use_is_named():
    with pytest.raises(ValueError, match="no symbols but the coordinates of the spheres, got w"):
        StationaryList(w * x, ((x, y),), [(1, 0, 0)])
    with pytest.raises(TypeError, match="checks a StationaryList, got Identity"):
        verdict(Identity(x, x))


def test_it_reads_as_a_sentence():
    statement = StationaryList(FORM, ((x, y, z),), ROWS)
    assert statement.text().startswith("the risk on S^2 has exactly 6 stationary points: 2 of index 0 + 0(d - 3)")
    assert statement.latex().endswith("= 6") and len(statement.displays()) == 4
