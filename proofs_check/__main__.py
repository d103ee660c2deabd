"""The command line: `python -m proofs_check list | verify | check | mutants | derive | latex`.

Exit codes: 0 every claim met its expectation, 1 a claim did not, 2 wrong use, 3 a claim that should
be decided is undecided (1 beats 3).
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from theory.latex import document

from .claim import Claim, Study
from .claims_file import read_claims
from .formula.limits import FormulaError
from .killing import Toll, kill_mutants
from .report import STANDING_COLORS, Line, Report, verify
from .studies import studies

__all__ = ["main"]

WRONG_USE = 2
UNDECIDED = 3
INTERRUPTED = 130  # 128 + SIGINT
BROKEN_PIPE = 141  # 128 + SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        arguments: as typed after `python -m proofs_check`; by default those of this process.
    """
    try:
        code = _run(_parser().parse_args(arguments))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("interrupted; what was printed above is complete, nothing else was checked", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away, as `| head` does. What Python still wants to flush goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="proofs-check",
        description="Claims on attention layers, checked: each with its evidence or its witness.",
        epilog="exit codes: 0 as expected, 1 a claim was not, 2 wrong use, 3 undecided",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="the studies and their claims").set_defaults(run=_list)

    checking = commands.add_parser("verify", help="check every claim of the studies")
    checking.add_argument("studies", nargs="*", metavar="STUDY", help="by default all of them")
    checking.add_argument("--json", type=Path, metavar="F", help="write the report to a file as JSON")
    checking.add_argument("--seed", type=_at_least(0), default=0, metavar="N", help="root seed (0)")
    checking.add_argument("--workers", type=_at_least(1), default=1, metavar="N", help="processes (1)")
    checking.set_defaults(run=_verify)

    reading = commands.add_parser("check", help="check the claims of a file")
    reading.add_argument("file", type=Path, metavar="FILE", help="claims in TOML, such as draft.claims.toml")
    reading.add_argument("--json", type=Path, metavar="F", help="write the report to a file as JSON")
    reading.add_argument("--seed", type=_at_least(0), default=0, metavar="N", help="root seed (0)")
    reading.set_defaults(run=_check, workers=1)

    mutating = commands.add_parser("mutants", help="wrong neighbours of every claim, and which of them the checks miss")
    mutating.add_argument("studies", nargs="*", metavar="STUDY", help="by default all of them")
    mutating.add_argument("--json", type=Path, metavar="F", help="write the report to a file as JSON")
    mutating.add_argument("--seed", type=_at_least(0), default=0, metavar="N", help="root seed (0)")
    mutating.add_argument("--seconds", type=_at_least(1), default=60, metavar="S", help="time for a claim (60)")
    mutating.set_defaults(run=_mutants)

    deriving = commands.add_parser("derive", help="the derivations of a study, step by step")
    deriving.add_argument("studies", nargs=1, metavar="STUDY")
    deriving.set_defaults(run=_derive)

    typesetting = commands.add_parser("latex", help="every formula and derivation as one LaTeX file")
    typesetting.add_argument("studies", nargs="*", metavar="STUDY", help="by default all of them")
    typesetting.add_argument("-o", "--output", type=Path, metavar="F", help="the file; by default printed")
    typesetting.set_defaults(run=_latex)
    return parser


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"expected at least {least}, got {value}")
        return value

    return number


def _run(options: argparse.Namespace) -> int:
    try:
        known = studies()
    except Exception:
        traceback.print_exc()
        return _wrong_use("a study could not be loaded; its file and line are named above")
    chosen = []
    for given in getattr(options, "studies", None) or known:
        name = given.replace("_", "-")
        if name not in known:
            return _wrong_use(_unknown(given, known))
        if known[name] not in chosen:
            chosen.append(known[name])
    return options.run(options, chosen)


def _unknown(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name.replace("_", "-"), known, n=3, cutoff=0.5)
    advice = f"did you mean {' or '.join(close)}?" if close else f"there are: {', '.join(known) or 'none'}"
    return f"no study is called {name!r}; {advice}"


def _wrong_use(message: str) -> int:
    print(f"proofs-check: {message}", file=sys.stderr)
    return WRONG_USE


def _unwritable(path: Path | None) -> str:
    """Why a file cannot be written, asked before the work and not after it; empty when it can."""
    if path is None:
        return ""
    if path.is_dir():
        return f"expected a file to write to, got the folder {path}"
    if not path.absolute().parent.is_dir():
        return f"there is no folder {path.absolute().parent} to write {path.name} to"
    target = path if path.exists() else path.absolute().parent
    return "" if os.access(target, os.W_OK) else f"{path} cannot be written to"


def _list(options: argparse.Namespace, chosen: list[Study]) -> int:
    for study in chosen:
        print(f"{study.name}: {study.title} ({len(study.claims)} claims)")
        print(f"    {study.source}")
        for claim in study.claims:
            expected = "" if claim.expected == "holds" else f" [{claim.expected}]"
            print(f"    {claim.name}{expected}: {claim.sentence}")
    if not chosen:
        print("there is no study")
    return 0


def _verify(options: argparse.Namespace, chosen: list[Study]) -> int:
    if problem := _unwritable(options.json):
        return _wrong_use(problem)
    console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    width = max((len(f"{study.name}/{claim.name}") for study in chosen for claim in study.claims), default=0)
    if console.is_terminal:
        report = _verify_on_a_terminal(options, chosen, console, width)
    else:
        report = verify(chosen, options.seed, options.workers, progress=lambda line: _print_plainly(line, width))
        print(report.summary())
    if options.json is not None:
        report.to_json(options.json)
    return report.exit_code


def _check(options: argparse.Namespace, chosen: list[Study]) -> int:
    try:
        study = read_claims(options.file)
    except (FormulaError, OSError) as error:
        return _wrong_use(f"{options.file}: {error}")
    return _verify(options, [study])


def _mutants(options: argparse.Namespace, chosen: list[Study]) -> int:
    if problem := _unwritable(options.json):
        return _wrong_use(problem)
    width = max((len(f"{study.name}/{claim.name}") for study in chosen for claim in study.claims), default=0)

    def show(toll: Toll) -> None:
        print("\n    ".join([toll.text(width), *toll.details()]), flush=True)

    report = kill_mutants(chosen, options.seed, options.seconds, progress=show)
    print(report.summary())
    if options.json is not None:
        report.to_json(options.json)
    return report.exit_code


def _print_plainly(line: Line, width: int) -> None:
    print("\n    ".join(part for part in (line.text(width), line.details()) if part), flush=True)


def _verify_on_a_terminal(options: argparse.Namespace, chosen: list[Study], console: Console, width: int) -> Report:
    total = sum(len(study.claims) for study in chosen)
    columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("checking", total=total)

        def show(line: Line) -> None:
            console.print(Text(line.text(width), style=STANDING_COLORS[line.standing]))
            if details := line.details():
                console.print(Text(f"    {details}"))
            bar.advance(task)

        report = verify(chosen, options.seed, options.workers, progress=show)
    console.print(Text(report.summary()))
    return report


def _derive(options: argparse.Namespace, chosen: list[Study]) -> int:
    code = 0
    for study in chosen:
        print(f"{study.title} ({study.source})")
        if not study.derivations:
            print(f"study {study.name} has no derivations")
        for function in study.derivations:
            print(f"\n{_title_of(function)}\n")
            try:
                print(function())
            except Exception as error:
                print(f"not derived: {type(error).__name__}: {error}")
                code = UNDECIDED
    return code


def _title_of(function: Callable[[], Any]) -> str:
    """The first line of a derivation's docstring, or its name."""
    words = (function.__doc__ or "").strip().splitlines()
    return words[0] if words else getattr(function, "__name__", "derivation").replace("_", " ")


def _latex(options: argparse.Namespace, chosen: list[Study]) -> int:
    if problem := _unwritable(options.output):
        return _wrong_use(problem)
    text = document([(study.title, _formulas(study)) for study in chosen])
    if options.output is None:
        print(text, end="")
    else:
        options.output.write_text(text, encoding="utf-8")
        print(f"wrote {options.output}")
    return 0


def _formulas(study: Study) -> list[tuple[str, Any]]:
    """What a LaTeX file shows of a study: sentences, each with its formula."""
    items: list[tuple[str, Any]] = [(f"Source: {study.source}", None)]
    for claim in study.claims:
        first, *others = claim.statement.displays()
        items += [(_caption(claim), first), *(("", formula) for formula in others)]
        if domain := claim.domain.latex():
            items.append(("for", _in_rows(domain.split(r",\ "))))
    items += [(_title_of(function), function().latex()) for function in study.derivations]
    return items


def _in_rows(parts: list[str], most: int = 6) -> str:
    rows = [r",\ ".join(parts[i : i + most]) for i in range(0, len(parts), most)]
    return rows[0] if len(rows) == 1 else "\\begin{gathered}\n" + ",\\\\\n".join(rows) + "\n\\end{gathered}"


def _caption(claim: Claim) -> str:
    standing = {"holds": "", "refuted": "Refuted: ", "open": "Open: "}[claim.expected]
    source = f" ({claim.source})" if claim.source else ""
    return f"{standing}{claim.sentence}{source}"


if __name__ == "__main__":
    sys.exit(main())
