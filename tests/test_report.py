"""A run loses no claim, spends one false-alarm budget, and depends on its seed alone."""

from __future__ import annotations

import importlib
import json
import sys
import textwrap
import threading
from dataclasses import dataclass
from typing import ClassVar

import pytest
import sympy as sp

from proofs_check.certified import CertifiedNumerics
from proofs_check.check import Check
from proofs_check.claim import Study, claim
from proofs_check.report import FALSE_ALARM_BUDGET, Report, judge, verify
from proofs_check.symbolic import SymbolicIdentity
from proofs_check.verdict import Evidence, Outcome, Verdict, Witness
from theory.domain import Domain
from theory.statement import equal

x = sp.Symbol("x", real=True)
LINE = Domain({x: (-1, 1)})
BOTH = (SymbolicIdentity(), CertifiedNumerics())


@dataclass(frozen=True)
class Says(Check):
    """A check that gives the answer it was made with, and remembers what it was given."""

    outcome: Outcome
    evidence: Evidence = Evidence.CERTIFIED
    seen: tuple = ()

    def run(self, claim, context):
        witness = Witness({x: 1}, "1", "2") if self.outcome is Outcome.FAILS else None
        scope = "identically" if self.evidence is Evidence.SYMBOLIC else "at a point"
        return Verdict(self.outcome, self.evidence, scope, "as told", witness)


@dataclass(frozen=True)
class Draws(Check):
    """A statistical check that records its alpha and its first random number."""

    is_statistical: ClassVar[bool] = True

    def run(self, claim, context):
        return Verdict(
            Outcome.HOLDS,
            Evidence.STATISTICAL,
            f"alpha={context.alpha!r}",
            f"{context.rng.random()} {context.seed}",
        )


@dataclass(frozen=True)
class Breaks(Check):
    def run(self, claim, context):
        raise RecursionError("too deep <here>")


def make(name, *checks, expected="holds", statement=None):
    def function():
        """A sentence with <b>brackets</b> & more."""
        return statement if statement is not None else equal(x, x)

    return claim(on=LINE, by=checks, source="school", expected=expected, name=name)(function)


def study(*claims):
    return Study("toy", "Toy", "school", claims)


HOLDS, FAILS, UNDECIDED = (Says(outcome) for outcome in Outcome)


@pytest.mark.parametrize(
    ("expected", "check", "standing", "code"),
    [
        ("holds", HOLDS, "met", 0),
        ("holds", FAILS, "missed", 1),
        ("holds", UNDECIDED, "undecided", 3),
        ("refuted", FAILS, "met", 0),
        ("refuted", HOLDS, "missed", 1),
        ("refuted", UNDECIDED, "undecided", 3),
        ("open", HOLDS, "open", 0),
        ("open", FAILS, "open", 0),
        ("open", UNDECIDED, "open", 0),
    ],
)
def test_the_exit_code_follows_the_expectation(expected, check, standing, code):
    report = verify(study(make("one", check, expected=expected)))
    assert [line.standing for line in report] == [standing]
    assert report.exit_code == code


def test_a_missed_claim_beats_an_undecided_one():
    assert verify(study(make("a", UNDECIDED), make("b", FAILS), make("c", HOLDS))).exit_code == 1


def test_nothing_tested_is_not_green():
    assert verify([]).exit_code == 3 and "nothing was tested" in str(verify([]))
    assert verify(study(make("one"))).exit_code == 3


def test_open_claims_never_count_as_holding():
    report = verify(study(make("a", HOLDS, expected="open"), make("b", HOLDS)))
    counts = report.counts()
    assert (counts["hold"], counts["open"], counts["claims"]) == (1, 1, 2)
    assert "1 hold" in report.summary() and "1 open" in report.summary()


def test_a_check_that_raises_loses_nothing():
    def broken():
        """Its statement cannot be made."""
        raise ZeroDivisionError("in the derivation")

    failing = claim(on=LINE, by=BOTH, source="")(broken)
    report = verify(study(make("a", Breaks()), failing, make("b", *BOTH), make("c", Breaks(), HOLDS)))
    assert [line.verdict.outcome.value for line in report] == ["undecided", "undecided", "holds", "holds"]
    assert "RecursionError: too deep <here>" in report["a"].verdict.reason
    assert "ZeroDivisionError: in the derivation" in str(report)


def test_control_c_is_not_swallowed():
    class Interrupts(Check):
        def run(self, claim, context):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(study(make("a", Interrupts())))


def test_a_proof_spares_the_points_but_not_the_samples():
    proof = Says(Outcome.HOLDS, Evidence.SYMBOLIC)
    names = [name for name, _ in judge(make("a", proof, Breaks(), Draws()))]
    assert names == ["Says", "Draws"]
    assert len(judge(make("a", HOLDS, HOLDS, Draws()))) == 3


def test_a_witness_of_any_check_decides():
    report = verify(study(make("a", Says(Outcome.HOLDS, Evidence.SYMBOLIC), Draws()), make("b", HOLDS, FAILS)))
    assert report["a"].verdict.evidence is Evidence.SYMBOLIC
    assert report["b"].verdict.fails and len(report["b"].verdicts) == 2


def test_one_false_alarm_budget_for_the_whole_run():
    claims = [make(f"s{i}", Draws()) for i in range(3)] + [make("two", Draws(), Draws()), make("none", HOLDS)]
    report = verify([study(*claims[:2]), study(*claims[2:])])
    assert report.alpha == FALSE_ALARM_BUDGET / 4
    spent = [float(v.scope.removeprefix("alpha=")) for line in report for _, v in line.verdicts if "alpha" in v.scope]
    assert len(spent) == 5 and sum(spent) == pytest.approx(FALSE_ALARM_BUDGET)
    assert "4 statistical claims" in report.summary()
    assert "no statistical claim" in verify(study(make("none", HOLDS))).summary()


def test_the_draws_of_a_claim_depend_on_the_seed_and_its_name_alone():
    alone = verify(study(make("a", Draws())), seed=7)
    among = verify(study(make("b", HOLDS), make("a", Draws()), make("c", Draws())), seed=7)
    assert alone["a"].verdict.reason == among["a"].verdict.reason != among["c"].verdict.reason
    assert verify(study(make("a", Draws())), seed=8)["a"].verdict.reason != alone["a"].verdict.reason


MODULE = '''
"""A study that other processes can find."""
import os
import sympy as sp
from proofs_check.certified import CertifiedNumerics
from proofs_check.check import Check
from proofs_check.claim import Study, claim
from proofs_check.symbolic import SymbolicIdentity
from theory.domain import Domain
from theory.statement import equal

x = sp.Symbol("x", real=True)
LINE = Domain({x: (-1, 1)})
BOTH = (SymbolicIdentity(), CertifiedNumerics(points=2))

class Dies(Check):
    def run(self, claim, context):
        os._exit(1)

@claim(on=LINE, by=BOTH, source="school")
def double_angle():
    """The sine of the double angle."""
    return equal(sp.sin(2*x), 2*sp.sin(x)*sp.cos(x))

@claim(on=LINE, by=BOTH, source="a slip", expected="refuted")
def half_angle():
    """The sine of the half angle, wrongly."""
    return equal(sp.sin(x/2), sp.sin(x)/2)

@claim(on=LINE, by=BOTH, source="school")
def slip():
    """A statement that cannot be made."""
    raise RuntimeError("no statement")

@claim(on=LINE, by=[Dies()], source="")
def deadly():
    """It takes its process down."""
    return equal(x, x)

study = Study("NAME", "A toy", "school", (double_angle, half_angle, slip))
deadly_study = Study("deadly", "A toy", "school", (deadly, double_angle))
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    name = "study_for_workers"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(MODULE), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


def without_times(report):
    record = json.loads(report.to_json())

    def clean(node):
        if isinstance(node, dict):
            return {key: clean(value) for key, value in node.items() if key != "seconds"}
        return [clean(each) for each in node] if isinstance(node, list) else node

    return clean(record)


def test_the_number_of_workers_changes_nothing(module):
    on_the_spot = study(make("local", *BOTH))
    both = [module.study, on_the_spot]
    one, two = verify(both, seed=5), verify(both, seed=5, workers=2)
    assert without_times(one) == without_times(two)
    assert [line.verdict.outcome.value for line in two] == ["holds", "fails", "undecided", "holds"]
    assert two["half-angle"].verdict.witness == one["half-angle"].verdict.witness


def test_a_process_that_dies_costs_its_claims_only(module):
    report = verify([module.deadly_study, study(make("local", *BOTH))], workers=2)
    assert report["deadly"].verdict.undecided and "worker process died" in report["deadly"].verdict.reason
    assert report["local"].verdict.holds and report.exit_code == 3


def test_lines_come_in_order_as_they_are_ready():
    seen = []
    report = verify(study(make("a", HOLDS), make("b", FAILS)), progress=seen.append)
    assert tuple(seen) == report.lines and [line.claim.name for line in seen] == ["a", "b"]


def test_the_text_has_one_line_a_claim_and_the_details_below():
    report = verify(study(make("good", *BOTH), make("bad", *BOTH, statement=equal(x, x + 1))))
    rows = str(report).splitlines()
    assert rows[0].split()[:2] == ["toy/good", "holds"] and "identically" in rows[0]
    assert rows[1].split()[:4] == ["toy/bad", "fails", "expected", "holds"]
    assert rows[2].startswith("    witness: at x=")
    assert rows[3].startswith("2 claims: 1 hold, 1 fail, 0 undecided; 1 against expectation")
    assert rows[4].endswith("seed 0")


def test_the_json_has_a_stable_schema(tmp_path):
    report = verify(study(make("bad", *BOTH, statement=equal(x, x + 1))), seed=11)
    path = tmp_path / "report.json"
    text = report.to_json(path)
    record = json.loads(path.read_text(encoding="utf-8"))
    assert path.read_text(encoding="utf-8") == text
    assert (record["schema"], record["version"], record["seed"], record["exit_code"]) == (
        "proofs-check-report", 1, 11, 1,
    )  # fmt: skip
    (line,) = record["claims"]
    assert set(line) == {
        "study", "name", "sentence", "source", "expected", "standing", "domain", "statement", "latex",
        "outcome", "evidence", "scope", "reason", "witness", "seed", "seconds", "checks",
    }  # fmt: skip
    assert line["statement"] == "x = x + 1" and line["witness"]["point"].keys() == {"x"}
    assert [each["check"] for each in line["checks"]] == ["SymbolicIdentity", "CertifiedNumerics"]


def test_the_page_is_escaped_and_self_contained():
    hostile = Study("toy", "Toy", "<script>", (make("bad", Breaks()),))
    page = verify(hostile)._repr_html_()
    assert "<b>brackets" not in page and "&lt;b&gt;brackets" in page and "&lt;here&gt;" in page
    assert "http" not in page and "<script" not in page


def test_a_line_is_found_by_either_name():
    report = verify(study(make("a", HOLDS)))
    assert report["a"] is report["toy/a"]
    with pytest.raises(KeyError, match="found 0"):
        report["b"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"workers": 0}, ValueError),
        ({"seed": -1}, ValueError),
        ({"seconds": 0}, ValueError),
        ({"seed": 0.5}, ValueError),
    ],
)
def test_misuse_is_named(options, error):
    with pytest.raises(error, match=next(iter(options))):
        verify(study(make("a", HOLDS)), **options)


def test_only_studies_are_verified():
    with pytest.raises(TypeError, match="expected a Study"):
        verify(["single-location"])


def test_a_report_can_be_made_in_another_thread():
    reports: list[Report] = []
    thread = threading.Thread(target=lambda: reports.append(verify(study(make("a", *BOTH)))))
    thread.start()
    thread.join()
    assert reports[0].exit_code == 0
