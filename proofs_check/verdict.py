"""What a check may say: *holds*, *fails* or *undecided*, on what evidence, and how far.

A `Verdict` that *fails* shows a `Witness`, a point of the domain with both values; without
one there is only *undecided*. A verdict that *holds* names its scope: identically, or at so
many points to so many digits. Evidence comes in three strengths:

    symbolic (exact normal forms)  >  certified (balls, boxes)  >  statistical
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import sympy as sp

__all__ = ["Evidence", "Outcome", "Repair", "Subject", "Verdict", "Witness", "shown_value", "strongest"]


class Outcome(Enum):
    """What a check found."""

    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"


class Evidence(Enum):
    """What stands behind a verdict, strongest first."""

    SYMBOLIC = "symbolic"
    CERTIFIED = "certified"
    STATISTICAL = "statistical"

    @property
    def strength(self) -> int:
        """3 for symbolic, 2 for certified, 1 for statistical."""
        return {Evidence.SYMBOLIC: 3, Evidence.CERTIFIED: 2, Evidence.STATISTICAL: 1}[self]


def shown_value(value: Any) -> str:
    """A value of a witness on one line: matrices as lists of rows, the identity as I, columns as one list.

    >>> shown_value(sp.Matrix([[0, 1], [0, 0]])), shown_value(sp.eye(2)), shown_value(sp.Rational(1, 3))
    ('[[0,1],[0,0]]', 'I', '1/3')
    """
    if not isinstance(value, sp.MatrixBase):
        return str(value)
    if value.rows == value.cols > 1 and value == sp.eye(value.rows):
        return "I"
    rows = ["[" + ",".join(map(str, value.row(i))) + "]" for i in range(value.rows)]
    if value.cols == 1 < value.rows:
        return "[" + ",".join(map(str, value)) + "]"
    return "[" + ",".join(rows) + "]"


@dataclass(frozen=True)
class Witness:
    """A point of the domain where a statement fails, with both values as text.

    Args:
        point: the values of the symbols, exact where they are exact; the keys are symbols or names.
        lhs: the value found on the left, with its error if it has one.
        rhs: the value claimed on the right.
        note: what the two values are, when they are not the two sides at the point.
        script: a few lines of Python that print both values again; it stands in the card, not in the text.

    >>> print(Witness({"kappa": "1/3"}, "0.123", "0.456"))
    at kappa=1/3: 0.123 against 0.456
    """

    point: Mapping
    lhs: str
    rhs: str
    note: str = ""
    script: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "point", dict(self.point))

    def text(self) -> str:
        """The witness as a phrase."""
        place = ", ".join(f"{symbol}={shown_value(value)}" for symbol, value in self.point.items())
        values = f"{self.lhs} against {self.rhs}"
        return (f"at {place}: " if place else "") + values + (f" ({self.note})" if self.note else "")

    def reproduced(self) -> str:
        """The script that prints both values again, under the witness as a comment; empty if there is none."""
        comment = " ".join(self.text().split())
        return f"# {comment}\n{self.script}" if self.script else ""

    def __str__(self) -> str:
        return self.text()


@dataclass(frozen=True)
class Subject:
    """What a verdict is about, for a reader who has only the verdict.

    Args:
        text: the statement on one line.
        latex: its displayed formulas, without dollar signs.
        domain: where it is asserted, on one line; empty where there is nothing to say.
        sentence: the claim in words, if there is one.
    """

    text: str
    latex: tuple[str, ...] = ()
    domain: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class Repair:
    """A restriction under which a statement that fails does hold.

    Args:
        general: what it fails for: "a general A".
        special: what it holds for: "symmetric A".
    """

    general: str
    special: str

    def text(self) -> str:
        """The restriction as a phrase."""
        return f"for {self.general} (holds for {self.special})"


@dataclass(frozen=True)
class Verdict:
    """The answer of a check to a claim.

    Args:
        outcome: holds, fails or undecided.
        evidence: what stands behind the outcome; None where nothing was examined.
        scope: how far it reaches, as a phrase ("identically", "at 5 points to 25 digits").
        reason: why, in a sentence; for *undecided*, what to do next.
        witness: where it fails.
        seed: the root seed of the run, where points or samples were drawn.
        seconds: wall time of the check.
        subject: what the verdict is about, where it has to be understood by itself.
        rungs: the verdicts it was made of, each with the name of its check, in the order they came.
        repair: where the statement does hold, if it fails and that is known.

    Raises:
        TypeError: when used as a boolean.
        ValueError: for *fails* without a witness, *holds* without a scope or evidence,
            *undecided* without a reason.

    >>> print(Verdict(Outcome.HOLDS, Evidence.SYMBOLIC, "identically", "the difference reduces to zero"))
    holds (symbolic, identically): the difference reduces to zero
    """

    outcome: Outcome
    evidence: Evidence | None
    scope: str
    reason: str
    witness: Witness | None = None
    seed: int | None = None
    seconds: float = field(default=0.0, compare=False)
    subject: Subject | None = field(default=None, compare=False)
    rungs: tuple[tuple[str, Verdict], ...] = field(default=(), compare=False)
    repair: Repair | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.outcome, Outcome):
            raise TypeError(f"expected an Outcome, got outcome={self.outcome!r}")
        if self.evidence is not None and not isinstance(self.evidence, Evidence):
            raise TypeError(f"expected an Evidence or None, got evidence={self.evidence!r}")
        if self.fails and self.witness is None:
            raise ValueError("a verdict that fails needs a witness; without one it is undecided")
        if not self.fails and self.witness is not None:
            raise ValueError(
                f"only a verdict that fails has a witness, got {self.witness} with outcome={self.outcome.value}"
            )
        if self.holds and not (self.scope and self.evidence):
            raise ValueError(
                "a verdict that holds names its scope and its evidence, "
                f"got scope={self.scope!r}, evidence={self.evidence}"
            )
        if self.undecided and not self.reason:
            raise ValueError("an undecided verdict says why, got an empty reason")

    @property
    def holds(self) -> bool:
        """True when the claim was found to hold within the scope."""
        return self.outcome is Outcome.HOLDS

    @property
    def fails(self) -> bool:
        """True when there is a witness against the claim."""
        return self.outcome is Outcome.FAILS

    @property
    def undecided(self) -> bool:
        """True when neither was found."""
        return self.outcome is Outcome.UNDECIDED

    def __bool__(self) -> bool:
        raise TypeError("a verdict has three outcomes; ask for verdict.holds, verdict.fails or verdict.undecided")

    def __str__(self) -> str:
        if self.subject is not None:
            return self._sentence()
        backing = ", ".join(part for part in (self.evidence.value if self.evidence else "", self.scope) if part)
        head = self.outcome.value + (f" ({backing})" if backing else "")
        tail = "; ".join(part for part in (self.witness.text() if self.witness else "", self.reason) if part)
        return f"{head}: {tail}" if tail else head

    __repr__ = __str__

    def _sentence(self) -> str:
        """The verdict for somebody who typed the statement."""
        if self.witness is not None:
            head = "Fails" + (f" {self.repair.text()}" if self.repair else "")
            return f"{head}. Witness: {self.witness.text().removeprefix('at ')}."
        if self.holds:
            assert self.evidence is not None
            return f"Holds {self.scope} ({self.evidence.value})" + (f": {self.reason}." if self.reason else ".")
        return f"Undecided: {self.reason}."

    def text(self) -> str:
        """The whole card as text: what was claimed, where, what was found, and what each check said."""
        lines = [name.ljust(WIDTH) + text for name, text in self._rows()]
        lines += [f"  {name}: {_brief(verdict)}" for name, verdict in self.rungs]
        return "\n".join([str(self), *lines])

    def _rows(self) -> list[tuple[str, str]]:
        """The lines of a card, below its head."""
        subject = self.subject or Subject("")
        rows = [
            ("claim", subject.sentence),
            ("formula", subject.text),
            ("domain", subject.domain),
            ("evidence", self.evidence.value if self.evidence else ""),
            ("scope", self.scope),
            ("witness", self.witness.text() if self.witness else ""),
            ("holds for", self.repair.special if self.repair else ""),
            ("reason", self.reason),
            ("seed", "" if self.seed is None else str(self.seed)),
            ("seconds", f"{self.seconds:.2f}" if self.seconds else ""),
        ]
        return [(name, text) for name, text in rows if text]

    def _repr_html_(self) -> str:
        """A card that needs nothing from outside; a notebook typesets its formula."""
        formulas = self.subject.latex if self.subject else ()
        rows = [
            (name, _math(formulas) if name == "formula" and formulas else html.escape(text))
            for name, text in self._rows()
        ]
        rows += [
            (html.escape(name), f'<span style="opacity:0.8">{html.escape(_brief(verdict))}</span>')
            for name, verdict in self.rungs
        ]
        cells = "".join(
            f'<tr><th style="text-align:left;vertical-align:top;padding:0 1em 0 0;font-weight:normal;'
            f'opacity:0.7">{name}</th><td style="text-align:left">{cell}</td></tr>'
            for name, cell in rows
        )
        head = self.outcome.value + (f" {self.repair.text()}" if self.repair else "")
        script = html.escape(self.witness.script) if self.witness else ""
        shown = f'<pre style="margin:0.4em 0 0;overflow-x:auto">{script}</pre>' if script else ""
        return (
            f'<div style="border-left:4px solid {COLORS[self.outcome]};padding:0.3em 0.8em;margin:0.3em 0">'
            f'<b style="color:{COLORS[self.outcome]}">{html.escape(head)}</b>'
            f'<table style="border:none;margin:0.2em 0">{cells}</table>{shown}</div>'
        )

    def _repr_latex_(self) -> str:
        formulas = self.subject.latex if self.subject else ()
        if not formulas:
            return rf"$\text{{{_escaped_latex(str(self))}}}$"
        lines = [*formulas, rf"\text{{{_escaped_latex(str(self))}}}"]
        return "$\\displaystyle \\begin{gathered}\n" + " \\\\\n".join(lines) + "\n\\end{gathered}$"


WIDTH = 12  # of the names on a card of text


def _brief(verdict: Verdict) -> str:
    """The verdict of one check on a line, with its time."""
    time = f" [{verdict.seconds:.2f} s]" if verdict.seconds else ""
    return f"{replace(verdict, subject=None)}{time}"


def _math(formulas: Sequence[str]) -> str:
    return "<br>".join(f"${html.escape(formula)}$" for formula in formulas)


COLORS = {Outcome.HOLDS: "#1a7f37", Outcome.FAILS: "#b42318", Outcome.UNDECIDED: "#9a6700"}

_LATEX_CHARACTERS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
}


def _escaped_latex(text: str) -> str:
    return "".join(_LATEX_CHARACTERS.get(character, character) for character in text)


def strongest(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of a claim from those of its checks, which are alternative ways to the same end.

    A witness counts most; then the *holds* with the strongest evidence; then the first *undecided*.

    Raises:
        ValueError: if there is no verdict.
    """
    if not verdicts:
        raise ValueError("expected the verdict of at least one check, got none")
    failing = [verdict for verdict in verdicts if verdict.fails]
    holding = [verdict for verdict in verdicts if verdict.holds]
    ranked = sorted(failing or holding, key=lambda verdict: -(verdict.evidence.strength if verdict.evidence else 0))
    return ranked[0] if ranked else verdicts[0]
