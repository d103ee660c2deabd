"""Claims as tests.

    from proofs_check.pytest_plugin import parametrize

    @parametrize(study)
    def test_the_claims_of_the_paper(claim, verdict):
        ...

gives one test a claim. The claim is judged, and has to meet its expectation, before the body runs, which may ask for
more of the claim or of its verdict, or take neither and say nothing. And

    pytest -p proofs_check.pytest_plugin draft.claims.toml

makes every claim of a file a test, says at the end what came out, and how much of the false-alarm budget was used.

A claim that holds, or is refuted as expected, passes, and so does an open one; *undecided* fails, with that word. One
false-alarm budget serves the whole run: every statistical claim among the tests that were collected has the same
share, whatever worker runs it. The draws depend on the seed (`--claims-seed`) and on the claim, not on the order.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .claim import Claim, Study
from .claims_file import read_claims
from .formula.limits import FormulaError
from .report import FALSE_ALARM_BUDGET, Line, judge
from .verdict import strongest

__all__ = ["parametrize"]

SECONDS = 60.0
PROPERTY = "claim"
LINES = pytest.StashKey[dict[tuple[str, str], Line]]()


# --- one claim ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Task:
    """A claim of a study, as a parameter of a test."""

    study: Study
    claim: Claim

    @property
    def key(self) -> tuple[str, str]:
        return self.study.name, self.claim.name


class _ClaimFailed(AssertionError):
    """A claim did not meet its expectation; the message is for the reader of the test's report."""


def _tasks(items: Iterable[pytest.Item]) -> Iterator[_Task]:
    """The claims among the tests of a run."""
    for item in items:
        if isinstance(item, ClaimItem):
            yield item.task
        elif getattr(getattr(item, "function", None), "judges_claims", False):
            yield item.callspec.params["claim"]  # type: ignore[attr-defined]


def _alpha(session: pytest.Session) -> float:
    """The share of every statistical claim in the false-alarm budget of the run."""
    return FALSE_ALARM_BUDGET / max(1, len({task.key for task in _tasks(session.items) if task.claim.is_statistical}))


def _judged(task: _Task, item: pytest.Item, seconds: float) -> Line:
    """The claim with its verdict, judged once a run; noted for the summary."""
    lines = item.config.stash.setdefault(LINES, {})
    seed = item.config.getoption("claims_seed", 0)
    if task.key not in lines:
        verdicts = judge(task.claim, task.study.simulator, seed, _alpha(item.session), seconds)
        verdict = strongest([verdict for _, verdict in verdicts])
        lines[task.key] = Line(task.study.name, task.claim, verdict, verdicts)
    line = lines[task.key]
    item.user_properties.append((PROPERTY, _note(line, _alpha(item.session))))
    return line


def _note(line: Line, alpha: float) -> dict[str, Any]:
    """What the summary needs to know, in plain types, which travel between the processes of pytest-xdist."""
    return {
        "name": line.name,
        "outcome": line.verdict.outcome.value,
        "expected": line.claim.expected,
        "standing": line.standing,
        "alpha": alpha if line.claim.is_statistical else 0.0,
    }


def _complaint(line: Line) -> str:
    """Why a test fails; empty when the claim met its expectation, or is open."""
    if line.standing in ("met", "open"):
        return ""
    verdict = line.verdict
    expected = "" if line.claim.expected == "holds" else f", expected to be {line.claim.expected}"
    backing = ", ".join(part for part in (verdict.evidence.value if verdict.evidence else "", verdict.scope) if part)
    rows = [
        f"{verdict.outcome.value}{expected}: {line.name}",
        line.claim.sentence,
        _statement(line.claim),
        line.details() or verdict.reason,
        f"evidence: {backing}" if backing and not verdict.undecided else "",
        f"domain: {line.claim.domain}" if line.claim.domain.text() else "",
        f"source: {line.claim.source}" if line.claim.source else "",
    ]
    return "\n    ".join(row for row in rows if row)


def _statement(claim: Claim) -> str:
    try:
        return claim.statement.text()
    except Exception as error:  # the check has said so already; the reader still wants the rest
        return f"the statement could not be made: {type(error).__name__}: {error}"


# --- tests of a study ---------------------------------------------------------------------------

Test = Callable[..., None]


def parametrize(studies: Study | Iterable[Study], *, seconds: float = SECONDS) -> Callable[[Test], Test]:
    """Make one test of every claim of a study; each has to meet its expectation before the body runs.

    Args:
        studies: a study, or several.
        seconds: time budget of each check.

    Returns:
        A decorator of test functions, which may take `claim` (a `Claim`), `verdict` (the strongest one), and fixtures.

    Raises:
        TypeError: if something else than studies was given.
        ValueError: if there is no claim, so that nothing would be tested.

    >>> from theory import Domain, equal
    >>> from proofs_check import Claim, Study, SymbolicIdentity
    >>> one = Claim("one", "1 = 1.", lambda: equal(1, 1), Domain({}), "", (SymbolicIdentity(),))
    >>> @parametrize(Study("school", "School", "", (one,)))
    ... def test_school(claim, verdict):
    ...     assert verdict.holds
    >>> test_school.pytestmark[0].kwargs["ids"]
    ['one']
    """
    chosen = (studies,) if isinstance(studies, Study) else tuple(studies)
    for study in chosen:
        if not isinstance(study, Study):
            raise TypeError(f'expected a Study, such as studies()["single-location"], got {study!r}')
    tasks = [_Task(study, claim) for study in chosen for claim in study.claims]
    if not tasks:
        raise ValueError("expected a study with claims, got none: nothing would be tested")
    names = [task.claim.name if len(chosen) == 1 else "/".join(task.key) for task in tasks]

    def decorate(test: Test) -> Test:
        signature = inspect.signature(test)
        wanted = [name for name in ("claim", "verdict") if name in signature.parameters]

        @functools.wraps(test)
        def judged(*args: Any, request: pytest.FixtureRequest, claim: _Task, **fixtures: Any) -> None:
            line = _judged(claim, request.node, seconds)
            if complaint := _complaint(line):
                pytest.fail(complaint, pytrace=False)
            offered = {"claim": line.claim, "verdict": line.verdict}
            if "request" in signature.parameters:
                fixtures["request"] = request
            test(*args, **fixtures, **{name: offered[name] for name in wanted})

        others = [
            parameter for name, parameter in signature.parameters.items() if name not in ("claim", "verdict", "request")
        ]
        own = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in ("request", "claim")]
        judged.__signature__ = signature.replace(parameters=[*others, *own])  # type: ignore[attr-defined]
        judged.judges_claims = True  # type: ignore[attr-defined]
        return pytest.mark.parametrize("claim", tasks, ids=names)(judged)

    return decorate


# --- files of claims ----------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--claims-seed N` and `--claims-seconds S`."""
    group = parser.getgroup("claims", "claims checked by proofs_check")
    group.addoption("--claims-seed", type=_seed, default=0, metavar="N", help="root seed of the claims (0)")
    group.addoption(
        "--claims-seconds",
        type=_seconds,
        default=SECONDS,
        metavar="S",
        help=f"time budget of each check of a claim in a file ({SECONDS:g})",
    )


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"expected a seed >= 0, got {text}")
    return int(text)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not seconds > 0:
        raise ValueError(f"expected seconds > 0, got {text}")
    return seconds


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ClaimsFile | None:
    """A file called `name.claims.toml` holds claims."""
    return ClaimsFile.from_parent(parent, path=file_path) if file_path.name.endswith(".claims.toml") else None


class ClaimsFile(pytest.File):
    """A file of claims; a claim that cannot be read is an error of collection, with its place in the file."""

    def collect(self) -> Iterator[ClaimItem]:
        """One test a claim."""
        try:
            study = read_claims(self.path)
        except (FormulaError, OSError) as error:
            raise self.CollectError(str(error)) from None
        for claim in study.claims:
            yield ClaimItem.from_parent(self, name=claim.name, task=_Task(study, claim))


class ClaimItem(pytest.Item):
    """A claim of a file as a test."""

    def __init__(self, *, task: _Task, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.task = task

    def runtest(self) -> None:
        """Judge the claim."""
        complaint = _complaint(_judged(self.task, self, self.config.getoption("claims_seconds", SECONDS)))
        if complaint:
            raise _ClaimFailed(complaint)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The verdict as text, with its witness; the traceback of our own code is of no use to a reader."""
        if isinstance(excinfo.value, _ClaimFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the claim stands."""
        return self.path, None, f"claim {self.name}"


# --- the summary --------------------------------------------------------------------------------


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many claims were checked, what came out, and the false-alarm budget that was used."""
    notes: dict[str, dict[str, Any]] = {}
    for outcome in ("passed", "failed", "error", "skipped", "xfailed", "xpassed"):
        for report in terminalreporter.getreports(outcome):
            for name, note in getattr(report, "user_properties", ()):
                if name == PROPERTY and isinstance(note, dict):
                    notes[note["name"]] = note
    if notes:
        terminalreporter.write_sep("-", "claims")
        terminalreporter.write_line(_summary(list(notes.values())))


def _summary(notes: list[dict[str, Any]]) -> str:
    settled = [note for note in notes if note["standing"] != "open"]

    def count(outcome: str) -> int:
        return sum(note["outcome"] == outcome for note in settled)

    refuted = sum(note["outcome"] == "fails" and note["standing"] == "met" for note in settled)
    parts = [
        f"{count('holds')} hold",
        f"{count('fails')} fail" + (f" ({refuted} of them refuted as expected)" if refuted else ""),
        f"{count('undecided')} undecided",
    ]
    if len(settled) < len(notes):
        parts.append(f"{len(notes) - len(settled)} open")
    missed = sum(note["standing"] == "missed" for note in notes)
    shares = [note["alpha"] for note in notes if note["alpha"]]
    by = f"{len(shares)} statistical claim{'' if len(shares) == 1 else 's'}"
    budget = (
        f"false-alarm budget used: {sum(shares):.2g} of {FALSE_ALARM_BUDGET:g}, by {by}"
        if shares
        else "no statistical claim: no false alarm is possible"
    )
    return f"{len(notes)} claims: {', '.join(parts)}; {missed} against expectation; {budget}"
