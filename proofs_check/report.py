"""Running the claims of studies, and what came out: one line a claim, then the counts.

`verify` gives every claim its own generator (from the root seed and a stable hash of the claim's
name) and every statistical claim its share of one false-alarm budget, so that a report depends
on the seed and on nothing else: not on the number of workers, not on the order of the claims.
"""

from __future__ import annotations

import html
import importlib
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from .check import Context, named_error, run_check
from .claim import Claim, Study
from .verdict import COLORS, Outcome, Verdict, Witness, strongest

__all__ = ["FALSE_ALARM_BUDGET", "Line", "Report", "judge", "verify"]

FALSE_ALARM_BUDGET = 1e-6
SECONDS = 60.0
SCHEMA = "proofs-check-report"
VERSION = 1


@dataclass(frozen=True)
class Line:
    """A claim with its verdict.

    Args:
        study: name of the study.
        claim: the claim.
        verdict: the strongest of the verdicts.
        verdicts: pairs (name of the check, its verdict), in the order they ran.
        statement: the statement as text; empty if it could not be made.
        latex: the statement in LaTeX; empty if it could not be made.
    """

    study: str
    claim: Claim
    verdict: Verdict
    verdicts: tuple[tuple[str, Verdict], ...]
    statement: str = ""
    latex: str = ""

    @property
    def name(self) -> str:
        """study/claim"""
        return f"{self.study}/{self.claim.name}"

    @property
    def seconds(self) -> float:
        """Wall time of all checks together."""
        return sum(verdict.seconds for _, verdict in self.verdicts)

    @property
    def standing(self) -> str:
        """What the outcome is worth against what was expected: "met", "missed", "undecided" or "open"."""
        if self.claim.expected == "open":
            return "open"
        if self.verdict.undecided:
            return "undecided"
        expected = Outcome.FAILS if self.claim.expected == "refuted" else Outcome.HOLDS
        return "met" if self.verdict.outcome is expected else "missed"

    def text(self, width: int = 0) -> str:
        """The line of the table, the name padded to a width."""
        verdict = self.verdict
        evidence = verdict.evidence.value if verdict.evidence and not verdict.undecided else "-"
        return (
            f"{self.name:<{width}} {verdict.outcome.value:<9} "
            f"expected {self.claim.expected:<8} {evidence:<11} "
            f"{verdict.scope or '-'}  {self.seconds:.2f} s"
        )

    def details(self) -> str:
        """What a reader asks next: the witness, or why it is undecided; empty when the claim holds."""
        verdict = self.verdict
        if verdict.witness is not None:
            repair = f"; it holds for {verdict.repair.special}" if verdict.repair else ""
            return f"witness: {verdict.witness.text()}{repair}"
        if verdict.undecided:
            rungs = verdict.rungs or self.verdicts
            return "; ".join(f"{name}: {each.reason}" for name, each in rungs) or verdict.reason
        return ""


@dataclass(frozen=True)
class Report:
    """What a run found.

    Args:
        lines: one for each claim, in the order of the studies.
        seed: the root seed of the run.
        alpha: false-alarm probability given to each statistical claim.
    """

    lines: tuple[Line, ...]
    seed: int = 0
    alpha: float = FALSE_ALARM_BUDGET

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, name: str) -> Line:
        """The line of a claim, by "claim" or "study/claim".

        Raises:
            KeyError: if there is none, or more than one.
        """
        found = [line for line in self.lines if name in (line.name, line.claim.name)]
        if len(found) != 1:
            raise KeyError(f"expected one claim called {name!r}, found {len(found)}")
        return found[0]

    @property
    def exit_code(self) -> int:
        """0 every claim met its expectation, 1 one did not, 3 one is undecided or nothing was tested."""
        standings = {line.standing for line in self.lines}
        if "missed" in standings:
            return 1
        return 3 if "undecided" in standings or not self.lines else 0

    def counts(self) -> dict[str, int]:
        """How many claims hold, fail and are undecided, how many met what was expected; open ones apart."""
        settled = [line for line in self.lines if line.claim.expected != "open"]
        return {
            "claims": len(self.lines),
            "hold": sum(line.verdict.holds for line in settled),
            "fail": sum(line.verdict.fails for line in settled),
            "undecided": sum(line.verdict.undecided for line in settled),
            "open": len(self.lines) - len(settled),
            "met": sum(line.standing == "met" for line in settled),
            "missed": sum(line.standing == "missed" for line in settled),
            "statistical": sum(line.claim.is_statistical for line in self.lines),
        }

    def summary(self) -> str:
        """The counts and the false-alarm budget, in two lines."""
        counts = self.counts()
        if not self.lines:
            return "no claims: nothing was tested"
        refuted = sum(line.standing == "met" and line.verdict.fails for line in self.lines)
        fails = f"{counts['fail']} fail" + (f" ({refuted} of them refuted as expected)" if refuted else "")
        parts = [f"{counts['hold']} hold", fails, f"{counts['undecided']} undecided"]
        if counts["open"]:
            parts.append(f"{counts['open']} open")
        first = f"{counts['claims']} claims: {', '.join(parts)}; {counts['missed']} against expectation"
        return f"{first}\n{self._budget()}; seed {self.seed}"

    def _budget(self) -> str:
        statistical = self.counts()["statistical"]
        if not statistical:
            return "no statistical claim: no false alarm is possible"
        return (
            f"false-alarm probability of the run at most {FALSE_ALARM_BUDGET:g} "
            f"(alpha {self.alpha:.3g} for each of {statistical} statistical claims)"
        )

    def text(self) -> str:
        """One line a claim, its witness or reason below it, then the counts."""
        width = max((len(line.name) for line in self.lines), default=0)
        rows = [row for line in self.lines for row in (line.text(width), _indented(line.details())) if row]
        return "\n".join([*rows, self.summary()])

    def __str__(self) -> str:
        return self.text()

    def to_json(self, path: str | os.PathLike | None = None) -> str:
        """The report as JSON; written to a file as well if a path is given.

        The schema is stable: fields are added, never renamed, and `version` rises when a meaning changes.
        """
        record = {
            "schema": SCHEMA,
            "version": VERSION,
            "seed": self.seed,
            "false_alarm_budget": FALSE_ALARM_BUDGET,
            "alpha": self.alpha,
            "exit_code": self.exit_code,
            "counts": self.counts(),
            "claims": [_line_record(line) for line in self.lines],
        }
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    def _repr_html_(self) -> str:
        """A table that needs nothing from outside."""
        header = "".join(
            f'<th style="text-align:left">{name}</th>'
            for name in ("claim", "outcome", "expected", "evidence", "scope", "seconds")
        )
        rows = "".join(_html_row(line) for line in self.lines)
        summary = html.escape(self.summary()).replace("\n", "<br>")
        return f"<table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table><p>{summary}</p>"


STANDING_COLORS = {
    "met": COLORS[Outcome.HOLDS],
    "missed": COLORS[Outcome.FAILS],
    "undecided": COLORS[Outcome.UNDECIDED],
    "open": "#57606a",
}


def _indented(text: str) -> str:
    return f"    {text}" if text else ""


def _html_row(line: Line) -> str:
    verdict = line.verdict
    evidence = verdict.evidence.value if verdict.evidence and not verdict.undecided else ""
    details = line.details()
    cells = [
        f'{html.escape(line.name)}<br><span style="opacity:0.7">{html.escape(line.claim.sentence)}</span>',
        f'<b style="color:{STANDING_COLORS[line.standing]}">{html.escape(verdict.outcome.value)}</b>',
        html.escape(line.claim.expected),
        html.escape(evidence),
        html.escape(verdict.scope) + (f"<br>{html.escape(details)}" if details else ""),
        f"{line.seconds:.2f}",
    ]
    return "<tr>" + "".join(f'<td style="text-align:left;vertical-align:top">{cell}</td>' for cell in cells) + "</tr>"


def _line_record(line: Line) -> dict[str, Any]:
    return {
        "study": line.study,
        "name": line.claim.name,
        "sentence": line.claim.sentence,
        "source": line.claim.source,
        "expected": line.claim.expected,
        "standing": line.standing,
        "domain": line.claim.domain.text(),
        "statement": line.statement,
        "latex": line.latex,
        **_verdict_record(line.verdict),
        "seconds": round(line.seconds, 6),
        "checks": [{"check": name, **_verdict_record(verdict)} for name, verdict in line.verdicts],
    }


def _verdict_record(verdict: Verdict) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if verdict.rungs:
        more["rungs"] = [{"check": name, **_verdict_record(each)} for name, each in verdict.rungs]
    if verdict.repair:
        more["holds_for"] = verdict.repair.special
    return {
        "outcome": verdict.outcome.value,
        "evidence": verdict.evidence.value if verdict.evidence else None,
        "scope": verdict.scope,
        "reason": verdict.reason,
        "witness": _witness_record(verdict.witness),
        "seed": verdict.seed,
        "seconds": round(verdict.seconds, 6),
        **more,
    }


def _witness_record(witness: Witness | None) -> dict[str, Any] | None:
    if witness is None:
        return None
    point = {str(symbol): str(value) for symbol, value in witness.point.items()}
    return {"point": point, "lhs": witness.lhs, "rhs": witness.rhs, "note": witness.note}


# --- Running ------------------------------------------------------------------------------------


def verify(
    studies: Study | Iterable[Study],
    seed: int = 0,
    workers: int = 1,
    seconds: float | None = None,
    progress: Callable[[Line], None] | None = None,
) -> Report:
    """Check every claim of one or several studies.

    Args:
        studies: a study or several of them.
        seed: the root seed; the report depends on it and on nothing else, apart from the times.
        workers: processes. Studies that live in a module are shared out among them; one that was made
            on the spot is checked here.
        seconds: time budget of each check; 60 by default.
        progress: called with each line as it is ready, in order.

    Returns:
        A report; a check that raises leaves its claim undecided, with the exception named.

    Raises:
        TypeError: if something else than studies was given.
        ValueError: if workers < 1 or seconds <= 0.
    """
    chosen = (studies,) if isinstance(studies, Study) else tuple(studies)
    for study in chosen:
        if not isinstance(study, Study):
            raise TypeError(f'expected a Study, such as studies()["single-location"], got {study!r}')
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ValueError(f"expected workers >= 1, got workers={workers!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"expected a seed >= 0, got seed={seed!r}")
    budget = SECONDS if seconds is None else seconds
    if not budget > 0:
        raise ValueError(f"expected seconds > 0, got seconds={seconds!r}")

    tasks = [(study, claim) for study in chosen for claim in study.claims]
    alpha = FALSE_ALARM_BUDGET / max(1, sum(claim.is_statistical for _, claim in tasks))
    lines: list[Line] = []
    results = _in_processes if workers > 1 and len(tasks) > 1 else _one_by_one
    for line in results(tasks, seed, alpha, budget, workers):
        lines.append(line)
        if progress is not None:
            progress(line)
    return Report(tuple(lines), seed, alpha)


def judge(
    claim: Claim,
    simulator: Any = None,
    seed: int = 0,
    alpha: float = FALSE_ALARM_BUDGET,
    seconds: float = SECONDS,
) -> tuple[tuple[str, Verdict], ...]:
    """The verdict of each check of a claim, as pairs (name of the check, verdict).

    All checks run in order; after a symbolic *holds* only the statistical ones still do. Statistical
    checks of one claim share its alpha.

    Args:
        claim: the claim.
        simulator: the simulator of its study.
        seed: the root seed.
        alpha: false-alarm probability of the claim.
        seconds: time budget of each check.
    """
    share = alpha / max(1, sum(check.is_statistical for check in claim.checks))
    verdicts: list[tuple[str, Verdict]] = []
    proven = False
    for position, check in enumerate(claim.checks):
        if proven and not check.is_statistical:
            continue
        rng = np.random.default_rng([seed, crc32(claim.name.encode()), position])
        context = Context(rng, simulator, share, seconds, seed)
        verdict = run_check(check, claim, context)
        verdicts.append((check.name, verdict))
        proven = proven or _is_proven(verdict)
    if not verdicts:
        verdicts = [("none", Verdict(Outcome.UNDECIDED, None, "", "nothing was tested: the claim has no check"))]
    return tuple(verdicts)


def _is_proven(verdict: Verdict) -> bool:
    return verdict.holds and verdict.scope.startswith("identically")


Task = tuple[Study, Claim]
Findings = tuple[tuple[tuple[str, Verdict], ...], str, str]


def _findings(study: Study, claim: Claim, seed: int, alpha: float, seconds: float) -> Findings:
    """What a run has to know of one claim: the verdicts, the statement and its LaTeX."""
    verdicts = judge(claim, study.simulator, seed, alpha, seconds)
    try:
        return verdicts, claim.statement.text(), claim.statement.latex()
    except Exception:  # a statement that cannot be made or printed has already been reported by its check
        return verdicts, "", ""


def _line(study: Study, claim: Claim, findings: Findings) -> Line:
    verdicts, text, latex = findings
    return Line(study.name, claim, strongest([verdict for _, verdict in verdicts]), verdicts, text, latex)


def _one_by_one(tasks: list[Task], seed: int, alpha: float, seconds: float, workers: int) -> Iterator[Line]:
    for study, claim in tasks:
        yield _line(study, claim, _findings(study, claim, seed, alpha, seconds))


def _in_processes(tasks: list[Task], seed: int, alpha: float, seconds: float, workers: int) -> Iterator[Line]:
    """The same lines, in the same order; a process that dies costs its claims and no others."""
    with _one_thread_each(), _pool(workers) as pool:
        futures = [
            pool.submit(_findings_by_name, *address, claim.name, seed, alpha, seconds) if address else None
            for (_, claim), address in ((task, _address(task[0])) for task in tasks)
        ]
        try:
            for (study, claim), future in zip(tasks, futures):
                if future is None:
                    yield _line(study, claim, _findings(study, claim, seed, alpha, seconds))
                    continue
                try:
                    yield _line(study, claim, future.result())
                except BrokenProcessPool:
                    reason = (
                        "the worker process died (out of memory? a script that is not guarded by "
                        'if __name__ == "__main__"?); run with workers=1'
                    )
                    yield _line(study, claim, _lost(reason))
                except Exception as error:
                    yield _line(study, claim, _lost(f"the check raised {named_error(error)}"))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _lost(reason: str) -> Findings:
    return (("process", Verdict(Outcome.UNDECIDED, None, "", reason)),), "", ""


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """While workers start, their linear algebra is told to use one thread."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _address(study: Study) -> tuple[str, str] | None:
    """The module and the name under which another process finds a study; None if it has none."""
    for module_name in dict.fromkeys(claim.make_statement.__module__ for claim in study.claims):
        module = sys.modules.get(module_name)
        if module is None or module_name == "__main__":
            continue
        for attribute, value in vars(module).items():
            if value is study:
                return module_name, attribute
    return None


def _findings_by_name(
    module: str, attribute: str, claim_name: str, seed: int, alpha: float, seconds: float
) -> Findings:
    """In a worker: find the claim again and check it."""
    study: Study = getattr(importlib.import_module(module), attribute)
    return _findings(study, study[claim_name], seed, alpha, seconds)
