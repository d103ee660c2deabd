"""`python -m proofs_check`: what it prints, what it writes, how it ends."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from proofs_check.__main__ import main

ROOT = Path(__file__).resolve().parents[1]

STUDY = '''
"""A study for the tests of the command line."""
from dataclasses import dataclass
import time
import sympy as sp
from proofs_check.certified import CertifiedNumerics
from proofs_check.check import Check
from proofs_check.claim import Study, claim
from proofs_check.symbolic import SymbolicIdentity
from proofs_check.verdict import Evidence, Outcome, Verdict
from theory.domain import Domain
from theory.statement import Inequality, equal

x = sp.Symbol("x", real=True)
BOTH = (SymbolicIdentity(), CertifiedNumerics(points=2))
LINE = Domain({x: (-1, 1)})

@dataclass(frozen=True)
class Step:
    rule: str
    before: sp.Expr
    after: sp.Expr

@dataclass(frozen=True)
class Derivation:
    """Looks like theory's."""
    start: sp.Expr
    steps: tuple
    result: sp.Expr

    def __str__(self):
        return "; ".join([str(self.start), *(f"= {step.after}  [{step.rule}]" for step in self.steps)])

    def latex(self, printer=sp.latex):
        return printer(self.start) + "".join(f" = {printer(step.after)}" for step in self.steps)

class Sleeps(Check):
    def run(self, claim, context):
        time.sleep(SECONDS)
        return Verdict(Outcome.HOLDS, Evidence.CERTIFIED, "after a while", "")

@claim(on=LINE, by=BOTH, source="school")
def double_angle():
    """The sine of the double angle."""
    return equal(sp.sin(2*x), 2*sp.sin(x)*sp.cos(x))

@claim(on=LINE, by=BOTH, source="a slip", expected="refuted")
def half_angle():
    """The sine of the half angle, as a pupil wrote it: 50% off & more."""
    return equal(sp.sin(x/2), sp.sin(x)/2)

@claim(on=LINE, by=BOTH, source="nobody", expected="EXPECTED")
def extra():
    """One more."""
    return RESULT

@claim(on=LINE, by=[Sleeps()], source="nobody")
def slow():
    """It sleeps."""
    return equal(x, x)

def square():
    """The square of a sum."""
    return Derivation((x + 1)**2, (Step("expand", (x + 1)**2, x**2 + 2*x + 1),), x**2 + 2*x + 1)

study = Study("toy-trigonometry", "Toy trigonometry", "school (1900)", CLAIMS, derivations=(square,))
'''


def write_study(folder, claims="(double_angle, half_angle)", expected="holds", result="equal(x, x)", seconds=0):
    text = textwrap.dedent(STUDY).replace("CLAIMS", claims).replace("EXPECTED", expected)
    text = text.replace("RESULT", result).replace("SECONDS", str(seconds))
    (folder / "toy_trigonometry.py").write_text(text, encoding="utf-8")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder in the place of the studies."""
    monkeypatch.setattr(importlib.import_module("proofs_check.studies"), "__path__", [str(tmp_path)])
    yield tmp_path
    sys.modules.pop("proofs_check.studies.toy_trigonometry", None)


def test_list_names_the_claims_and_what_is_expected(folder, capsys):
    write_study(folder)
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    assert "toy-trigonometry: Toy trigonometry (2 claims)" in printed
    assert "double-angle: The sine" in printed and "half-angle [refuted]:" in printed


def test_verify_prints_a_line_a_claim_then_the_counts(folder, capsys):
    write_study(folder)
    assert main(["verify"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split()[:2] == ["toy-trigonometry/double-angle", "holds"]
    assert rows[1].split()[:2] == ["toy-trigonometry/half-angle", "fails"]
    assert rows[2].startswith("    witness: at x=")
    assert rows[3].startswith("2 claims: 1 hold, 1 fail (1 of them refuted as expected)")
    assert "seed 0" in rows[4] and len(rows) == 5


@pytest.mark.parametrize(
    ("expected", "result", "code"),
    [
        ("holds", "equal(x, x)", 0),
        ("holds", "equal(x, 2*x)", 1),
        ("refuted", "equal(x, x)", 1),
        ("open", "equal(x, x)", 0),
        ("holds", "Inequality(sp.Function('mystery')(x), '<', 1)", 3),
        ("holds", "1/0", 3),
    ],
)
def test_the_exit_code_follows_the_expectation(folder, capsys, expected, result, code):
    write_study(folder, "(double_angle, extra)", expected, result)
    assert main(["verify", "toy-trigonometry"]) == code


def test_json_and_seed(folder, tmp_path, capsys):
    write_study(folder)
    path = tmp_path / "report.json"
    assert main(["verify", "--json", str(path), "--seed", "9"]) == 0
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["seed"] == 9 and [line["outcome"] for line in record["claims"]] == ["holds", "fails"]


@pytest.mark.parametrize("name", ["toy-trigonometry", "toy_trigonometry"])
def test_a_study_is_called_by_either_spelling(folder, capsys, name):
    write_study(folder)
    assert main(["verify", name, name]) == 0
    assert capsys.readouterr().out.count("double-angle") == 1


def test_an_unknown_study_is_answered_with_the_closest(folder, capsys):
    write_study(folder)
    assert main(["verify", "toy-trigonometri"]) == 2
    assert "did you mean toy-trigonometry?" in capsys.readouterr().err
    assert main(["derive", "qqq"]) == 2
    assert "there are: toy-trigonometry" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["prove"],
        ["verify", "--workers", "0"],
        ["verify", "--seed", "x"],
        ["derive"],
        ["verify", "--fast"],
    ],
)
def test_wrong_use_ends_with_2(folder, capsys, arguments):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2 and "usage" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["verify", "--json"], ["latex", "-o"]])
def test_a_file_that_cannot_be_written_is_refused_before_the_work(folder, capsys, command):
    write_study(folder)
    assert main([*command, str(folder / "missing" / "out")]) == 2
    assert main([*command, str(folder)]) == 2
    captured = capsys.readouterr()
    assert "no folder" in captured.err and "expected a file" in captured.err and not captured.out


def test_no_study_is_not_green(folder, capsys):
    assert main(["verify"]) == 3
    assert main(["list"]) == 0
    assert "nothing was tested" in capsys.readouterr().out


def test_derive_prints_the_steps(folder, capsys):
    write_study(folder)
    assert main(["derive", "toy-trigonometry"]) == 0
    printed = capsys.readouterr().out
    assert "The square of a sum." in printed and "expand" in printed and "x**2 + 2*x + 1" in printed


def test_latex_writes_every_formula(folder, capsys):
    write_study(folder)
    path = folder / "out.tex"
    assert main(["latex", "-o", str(path)]) == 0
    text = path.read_text(encoding="utf-8")
    assert text.startswith(r"\documentclass") and r"\section{Toy trigonometry}" in text
    assert r"\sin{\left(2 x \right)}" in text and "Refuted: " in text and r"50\% off \& more" in text
    assert r"\left(x + 1\right)^{2} = x^{2} + 2 x + 1" in text and text.rstrip().endswith(r"\end{document}")
    capsys.readouterr()
    assert main(["latex", "toy-trigonometry"]) == 0
    assert capsys.readouterr().out == text


@pytest.mark.parametrize(
    ("text", "message"), [("study = 1", "study = Study"), ("", "found None"), ("1/0", "ZeroDivisionError")]
)
def test_a_file_without_a_study_is_named(folder, capsys, text, message):
    (folder / "toy_trigonometry.py").write_text(text, encoding="utf-8")
    assert main(["list"]) == 2
    err = capsys.readouterr().err
    assert message in err and "toy_trigonometry" in err and "could not be loaded" in err


def test_a_study_is_called_like_its_file(folder, capsys):
    write_study(folder)
    (folder / "toy_trigonometry.py").rename(folder / "another.py")
    assert main(["list"]) == 2
    assert "to be called another" in capsys.readouterr().err
    sys.modules.pop("proofs_check.studies.another", None)


START = (
    "import sys, importlib; importlib.import_module('proofs_check.studies').__path__[:] = [sys.argv.pop(1)]; "
    "from proofs_check.__main__ import main; sys.exit(main())"
)


def start(folder, *arguments, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen(
        [sys.executable, "-c", START, str(folder), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options,
    )  # fmt: skip


def test_a_process_of_its_own_prints_plain_lines(tmp_path):
    write_study(tmp_path)
    with start(tmp_path, "verify") as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and not err
    assert "\x1b" not in out and out.splitlines()[0].startswith("toy-trigonometry/double-angle")


def test_a_reader_who_leaves_early_is_no_error(tmp_path):
    write_study(tmp_path, "(double_angle, slow, half_angle)", seconds=1)
    with start(tmp_path, "verify") as process:
        assert process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=60)
    assert process.returncode == 141 and "Traceback" not in err and "Exception" not in err


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_control_c_ends_with_130_and_keeps_what_was_printed(tmp_path):
    write_study(tmp_path, "(double_angle, slow)", seconds=60)
    with start(tmp_path, "verify") as process:
        first = process.stdout.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert first.startswith("toy-trigonometry/double-angle")
    assert process.returncode == 130 and "interrupted" in err and "Traceback" not in err


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_a_terminal_gets_a_progress_bar(tmp_path):
    import pty

    write_study(tmp_path, "(double_angle, slow)", seconds=1)
    reader, writer = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT) + os.pathsep + os.environ.get("PYTHONPATH", "")}
    environment |= {"TERM": "xterm", "COLUMNS": "200"}
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(tmp_path), "verify"], stdout=writer, stderr=writer, env=environment
    )
    os.close(writer)
    shown = b""
    while True:
        try:
            block = os.read(reader, 65536)
        except OSError:
            break
        if not block:
            break
        shown += block
    os.close(reader)
    assert process.wait(timeout=60) == 0
    assert b"checking" in shown and b"1/2" in shown and b"2 claims: 2 hold" in shown
