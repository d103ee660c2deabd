r"""A derivation by hand, every step checked on its own: `Proof`.

    proof = (
        Proof("gradient", where={"x": "gaussian vector(d), covariance S", "k": vector("d")})
        .start("grad(E[<x, k>^4], k)")
        .step("E[grad(<x, k>^4, k)]", because="under the mean")
        .step("4 E[<x, k>^3 x]", because="chain rule")
        .step("12 <k, S k> S k", because="Stein")
    )
    proof.check()

A step is a sympy expression with `Expectation` and `Gradient` nodes, or a text, plain or LaTeX, in the names that
`where` declares. It is checked against the line before, by all that `check` knows. A wrong step is named, with its
witness. The first line and the last are compared as well: two wrong steps may cancel, and then the result is right
and the derivation is not.

    holds       every step holds; the evidence is that of the weakest
    fails       a step fails, or the first line and the last differ
    undecided   no step fails, and one is undecided
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import sympy as sp

from theory.derivation import Derivation
from theory.domain import Domain, Symmetric
from theory.latex import LINE, chain, to_latex
from theory.statement import Identity, Statement

from .checking import check
from .declarations import Declarations, declare_where, default_interval, read_condition
from .formula.chains import links_of
from .formula.limits import FormulaError
from .formula.reading import combine, read
from .points import covariances_in, expressions_of, letters
from .verdict import COLORS, Evidence, Outcome, Verdict

__all__ = ["Proof", "ProofLine", "ProofVerdict"]

SECONDS = 20.0
DIRECTIONS = {"=": 0, "<": 1, "<=": 1, ">": -1, ">=": -1}


@dataclass(frozen=True)
class ProofLine:
    """A line of a proof: its relation to the line before, the expression, the reason.

    Args:
        expr: the expression.
        because: the reason, in words.
        relation: =, <, <=, > or >=; of no meaning on the first line.
    """

    expr: sp.Basic
    because: str = ""
    relation: str = "="


@dataclass(frozen=True)
class Proof:
    """A chain of steps from one expression to another; every call returns a new one.

    Args:
        name: what it is called.
        where: a `Domain`, or what the names stand for, as in `check`.
        given: conditions on top of that, as in `check`.
        lines: the first expression and the steps, as far as they are written.

    Raises:
        TypeError: for a line that is no expression.
        ValueError: for a line of another shape than the one before, or an inequality against the direction of the
            chain; the message says which step it is.
        FormulaError: for a text that is no formula, with the place.

    >>> x = sp.Symbol("x", real=True)
    >>> proof = Proof("square").start((x + 1)**2).step(x**2 + x + x + 1, "multiply").step(2*x, "squares", ">")
    >>> proof.conclusion.text()
    '(x + 1)**2 > 2*x'
    >>> print(Proof("slip").start((x + 1)**2).step(x**2 + x + 1, "multiply").check())  # doctest: +ELLIPSIS
    "slip" fails at step 1 (multiply): (x + 1)**2 = x**2 + x + 1. Witness: x=...
    """

    name: str
    where: Any = None
    given: Sequence[Any] = ()
    lines: tuple[ProofLine, ...] = ()

    def start(self, expr: Any) -> Proof:
        """The first line."""
        if self.lines:
            raise ValueError(f"expected one start, got a second one: {expr}; a further line is a step")
        return replace(self, lines=(ProofLine(self._expression(expr, "the start")),))

    def step(self, expr: Any, because: str = "", relation: str = "=") -> Proof:
        """The next line.

        Args:
            expr: what the line before is equal to.
            because: the reason, a few words, shown in the margin.
            relation: <, <=, > or >= for an estimate.
        """
        number = len(self.lines)
        if not self.lines:
            raise ValueError("expected the first line before a step; call .start(expr) first")
        if relation not in DIRECTIONS:
            raise ValueError(f"step {number}: expected one of {', '.join(DIRECTIONS)} as relation, got {relation!r}")
        against = next((line for line in self.lines[1:] if DIRECTIONS[line.relation] * DIRECTIONS[relation] < 0), None)
        if against is not None:
            raise ValueError(
                f"step {number}: expected the direction of {against.relation}, as a chain of {against.relation} and "
                f"{relation} proves nothing, got {relation}"
            )
        made = self._expression(expr, f"step {number}")
        try:
            statement = combine(self.lines[-1].expr, relation, made)
        except (TypeError, ValueError) as error:
            raise type(error)(f"step {number}: {error}") from None
        return replace(self, lines=(*self.lines, ProofLine(_right(statement), because, relation)))

    @classmethod
    def from_derivation(cls, derivation: Derivation, name: str = "derivation") -> Proof:
        """The lines of a derivation of the engine, to be checked one by one.

        >>> from theory.derivation import derive
        >>> from theory.variables import gaussians
        >>> lam, s, r = sp.symbols("lam s r", positive=True)
        >>> a, b = gaussians("a b", covariance=[[s, r], [r, 1]])
        >>> print(Proof.from_derivation(derive(sp.erf(lam*a)*b)).check())
        "derivation" holds: 2 steps, each symbolic.
        """
        numbers = {s for step in derivation.steps for side in (step.before, step.after) for s in side.free_symbols}
        numbers |= derivation.start.free_symbols
        intervals = {
            s: default_interval(s) for s in sorted(numbers, key=sp.default_sort_key) if isinstance(s, sp.Symbol)
        }
        conditions = tuple(c for c in derivation.conditions if c.free_symbols <= set(intervals))
        proof = cls(name, Domain(intervals, conditions)).start(derivation.start)
        for step in derivation.steps:
            proof = proof.step(step.after, step.rule)
        return proof

    @classmethod
    def from_latex(cls, name: str, tex: str, where: Any = None) -> Proof:
        r"""The proof that an aligned block shows, such as one from a paper, or one of `latex()`.

        >>> from proofs_check.kinds import real
        >>> tex = r"(x + 1)^2 &= x^2 + 2 x + 1 \\ &\ge 2 x && \text{squares}"
        >>> Proof.from_latex("square", tex, {"x": real}).lines[2]
        ProofLine(expr=2*x, because='squares', relation='>=')
        """
        first, *rest = links_of(tex)
        proof = cls(name, where)
        proof = proof.start(proof._expression(first.tex, "the start", latex=True))
        for number, link in enumerate(rest, 1):
            expr = proof._expression(link.tex, f"step {number}", latex=True)
            proof = proof.step(expr, link.reason, link.relation)
        return proof

    @property
    def conclusion(self) -> Statement:
        """What the steps prove together: the first line against the last.

        Raises:
            ValueError: if there is no step yet.
        """
        if len(self.lines) < 2:
            raise ValueError(f"expected at least one step in the proof {self.name!r}, got none; call .step(expr)")
        relations = {line.relation for line in self.lines[1:]}
        strict = relations & {"<", ">"}
        relation = min(strict) if strict else next(iter(relations - {"="}), "=")
        return combine(self.lines[0].expr, relation, self.lines[-1].expr)

    def statements(self) -> tuple[Statement, ...]:
        """What each step claims, in order."""
        return tuple(combine(before.expr, line.relation, line.expr) for before, line in zip(self.lines, self.lines[1:]))

    def check(self, *, seconds: float = SECONDS, seed: int = 0) -> ProofVerdict:
        """Check every step, and the first line against the last.

        Args:
            seconds: time budget of each.
            seed: of points and samples.

        Returns:
            A verdict that shows itself as a card, step by step.
        """
        statements = self.statements()
        conclusion = self.conclusion
        known: dict[Statement, Verdict] = {}
        for statement in (*statements, conclusion):
            if statement not in known:
                known[statement] = check(statement, self._domain(statement), seconds=seconds, seed=seed)
        return ProofVerdict(self, tuple(known[statement] for statement in statements), known[conclusion])

    def latex(self) -> str:
        """An aligned block, one line a step, the reasons in the margin."""
        return self._block(lambda number: "")

    def _block(self, mark: Callable[[int], str]) -> str:
        steps = [
            (line.expr, line.because + mark(number), line.relation) for number, line in enumerate(self.lines[1:], 1)
        ]
        return chain(self.lines[0].expr, steps) if steps else to_latex(self.lines[0].expr)

    def __str__(self) -> str:
        width = max((len(line.because) for line in self.lines), default=0)
        return "\n".join(
            f"{line.because:>{width}} {line.relation if number else '':>2} {line.expr}"
            for number, line in enumerate(self.lines)
        )

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {self.latex()}$" if self.lines else ""

    def _repr_html_(self) -> str | None:
        """The card of `check()`, once there is a step."""
        return self._checked._repr_html_() if len(self.lines) > 1 else None

    @cached_property
    def _checked(self) -> ProofVerdict:
        return self.check()

    @cached_property
    def _declarations(self) -> Declarations:
        where = dict(self.where.intervals) if isinstance(self.where, Domain) else self.where
        return declare_where(where or {})

    def _expression(self, given: Any, role: str, latex: bool | None = None) -> Any:
        """A line as an expression, in the symbols that `where` declares."""
        vocabulary = self._declarations.vocabulary
        try:
            if isinstance(given, str):
                return read(given, vocabulary, latex=latex).value
            made = Identity(given, given)
        except FormulaError as error:
            raise FormulaError(f"{role}: {error.reason}", error.position, error.text) from None
        except (TypeError, ValueError) as error:
            raise type(error)(f"{role}: {error}") from None
        names = vocabulary.names
        called = {letter: names.get(str(letter.name), letter) for letter in letters(made)}
        return made.lhs.xreplace({letter: known for letter, known in called.items() if known != letter})

    def _domain(self, statement: Statement) -> Domain:
        """Where a step is asserted; a covariance is one also in a line that has lost its random variable."""
        vocabulary = self._declarations.vocabulary
        conditions = [read_condition(c, vocabulary) if isinstance(c, str) else c for c in self.given]
        free = letters(statement).union(*(getattr(c, "free_symbols", ()) for c in conditions))
        domain = self.where if isinstance(self.where, Domain) else self._declarations.domain(free, {}, ())
        named = [value for value in vocabulary.names.values() if isinstance(value, sp.Basic)]
        known = covariances_in([*(line.expr for line in self.lines), *named])
        lost = known & letters(statement) - covariances_in(expressions_of(statement))
        laws = (Symmetric(S, is_covariance=True) for S in sorted(lost, key=sp.default_sort_key))
        return Domain(domain.intervals, (*domain.conditions, *conditions, *laws))


def _right(statement: Statement) -> sp.Basic:
    right: sp.Basic = statement.rhs  # type: ignore[attr-defined]
    return right


# --- what came out ------------------------------------------------------------------------------


@dataclass(frozen=True)
class ProofVerdict:
    """The verdicts on the steps of a proof, and on its first line against its last.

    Args:
        proof: the proof.
        steps: the verdict on each step, in order.
        conclusion: the verdict on the first line against the last, compared directly.

    Raises:
        TypeError: when used as a boolean.
    """

    proof: Proof
    steps: tuple[Verdict, ...]
    conclusion: Verdict

    @property
    def outcome(self) -> Outcome:
        """Holds when every step does; fails when one fails, or the first line and the last differ."""
        if any(verdict.fails for verdict in (*self.steps, self.conclusion)):
            return Outcome.FAILS
        return Outcome.HOLDS if all(verdict.holds for verdict in self.steps) else Outcome.UNDECIDED

    @property
    def holds(self) -> bool:
        """True when every step was found to hold, and nothing against the conclusion."""
        return self.outcome is Outcome.HOLDS

    @property
    def fails(self) -> bool:
        """True when there is a witness against a step, or against the conclusion."""
        return self.outcome is Outcome.FAILS

    @property
    def undecided(self) -> bool:
        """True when no step fails and not all hold."""
        return self.outcome is Outcome.UNDECIDED

    @property
    def wrong_steps(self) -> tuple[int, ...]:
        """The numbers of the steps that fail, from 1."""
        return tuple(number for number, verdict in enumerate(self.steps, 1) if verdict.fails)

    @property
    def wrong_step(self) -> int | None:
        """The number of the first step that fails, from 1; None if none does."""
        return next(iter(self.wrong_steps), None)

    @property
    def undecided_steps(self) -> tuple[int, ...]:
        """The numbers of the steps that are undecided, from 1."""
        return tuple(number for number, verdict in enumerate(self.steps, 1) if verdict.undecided)

    @property
    def errors_cancel(self) -> bool:
        """Whether a step fails and the first line still agrees with the last."""
        return bool(self.wrong_steps) and self.conclusion.holds

    @property
    def evidence(self) -> Evidence | None:
        """That of the weakest step, if all hold."""
        found = [verdict.evidence for verdict in self.steps if verdict.evidence is not None]
        return min(found, key=lambda evidence: evidence.strength) if self.holds and found else None

    @property
    def seconds(self) -> float:
        """Wall time of all checks together."""
        return sum(verdict.seconds for verdict in (*self.steps, self.conclusion))

    def __bool__(self) -> bool:
        raise TypeError("a verdict has three outcomes; ask for verdict.holds, verdict.fails or verdict.undecided")

    def __str__(self) -> str:
        return " ".join(self._sentences())

    __repr__ = __str__

    def _sentences(self) -> list[str]:
        name = f'"{self.proof.name}"'
        if self.holds:
            count = f"{len(self.steps)} step{'s' if len(self.steps) > 1 else ''}"
            assert self.evidence is not None
            kinds = {verdict.evidence for verdict in self.steps}
            how = "the weakest " if len(kinds) > 1 else "each " if len(self.steps) > 1 else ""
            return [f"{name} holds: {count}, {how}{self.evidence.value}."]
        sentences = []
        for i, number in enumerate(self.wrong_steps):
            verdict = self.steps[number - 1]
            assert verdict.witness is not None
            head = f"{name} fails at" if i == 0 else "So does"
            sentences.append(f"{head} {self._called(number)}{self._claimed(number)}.")
            sentences.append(f"Witness: {verdict.witness.text().removeprefix('at ')}.")
        if not self.wrong_steps and self.conclusion.witness is not None:
            witness = self.conclusion.witness.text().removeprefix("at ")
            claimed = self.proof.conclusion.text()
            sentences.append(f"{name} fails, though no step was refuted: not {claimed}. Witness: {witness}.")
        if self.errors_cancel:
            several = len(self.wrong_steps) > 1
            agree = "the errors cancel" if several else "so an undecided step is wrong as well"
            sentences.append(f"The first line and the last agree all the same: {agree}.")
        for number in self.undecided_steps:
            head = f"{name} is undecided at" if not sentences else "Undecided is"
            sentences.append(f"{head} {self._called(number)}: {self.steps[number - 1].reason}.")
        return sentences

    def _called(self, number: int) -> str:
        because = self.proof.lines[number].because
        return f"step {number}" + (f" ({because})" if because else "")

    def _claimed(self, number: int) -> str:
        """The formula of a step, if a line has room for it."""
        text = self.proof.statements()[number - 1].text()
        return f": {text}" if len(text) <= LINE else ""

    def _headline(self) -> str:
        """What follows the outcome on a card: no formulas and witnesses, which stand beside the steps."""
        if self.holds:
            return self._sentences()[0].partition(" holds")[2]
        numbers = self.wrong_steps or self.undecided_steps
        if not numbers:
            return ", though no step was refuted"
        agree = "; the first line and the last agree all the same" if self.errors_cancel else ""
        return " at " + ", ".join(map(self._called, numbers)) + agree

    def text(self) -> str:
        """The whole card as text: the lines, and below each what was found."""
        proof = self.proof
        lines = [str(self), f"    {proof.lines[0].expr}"]
        for number, (line, verdict) in enumerate(zip(proof.lines[1:], self.steps, strict=True), 1):
            because = f"   [{line.because}]" if line.because else ""
            lines += [f"{number:>2} {line.relation:>2} {line.expr}{because}", f"       {_found(verdict)}"]
        return "\n".join([*lines, f"first line against the last: {_found(self.conclusion)}"])

    def latex(self) -> str:
        """The aligned block of the proof, with the steps that fail or are undecided marked in the margin."""
        marks = {
            **dict.fromkeys(self.wrong_steps, "wrong"),
            **dict.fromkeys(self.undecided_steps, "undecided"),
        }

        def mark(number: int) -> str:
            if number not in marks:
                return ""
            return f"{' ' if self.proof.lines[number].because else ''}[{marks[number]}]"

        return self.proof._block(mark)

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {self.latex()}$"

    def _repr_html_(self) -> str:
        """A card that needs nothing from outside; a notebook typesets its formulas."""
        color = COLORS[self.outcome]
        rows = [_row("", self.proof.lines[0].expr, "", "", "")]
        for number, (line, verdict) in enumerate(zip(self.proof.lines[1:], self.steps, strict=True), 1):
            rows.append(_row(str(number), line.expr, line.relation, line.because, _cell(verdict)))
        rows.append(
            f'<tr><td colspan="3" style="{CELL};opacity:0.7">first line against the last</td>'
            f'<td style="{CELL}">{_cell(self.conclusion)}</td></tr>'
        )
        return (
            f'<div style="border-left:4px solid {color};padding:0.3em 0.8em;margin:0.3em 0">'
            f'<i>{html.escape(self.proof.name)}</i>: <b style="color:{color}">{self.outcome.value}</b>'
            f"{html.escape(self._headline())}"
            f'<table style="border:none;margin:0.2em 0">{"".join(rows)}</table></div>'
        )


CELL = "text-align:left;vertical-align:top;padding:0 1em 0 0"
SIGNS = {"=": "=", "<": "<", "<=": r"\le", ">": ">", ">=": r"\ge"}


def _found(verdict: Verdict) -> str:
    return str(replace(verdict, subject=None))


def _cell(verdict: Verdict) -> str:
    backing = ", ".join(filter(None, (verdict.evidence.value if verdict.evidence else "", verdict.scope)))
    details = verdict.witness.text() if verdict.witness else verdict.reason if verdict.undecided else backing
    color = COLORS[verdict.outcome]
    return (
        f'<b style="color:{color}">{html.escape(verdict.outcome.value)}</b> '
        f'<span style="opacity:0.8">{html.escape(details)}</span>'
    )


def _row(number: str, expr: sp.Basic, relation: str, because: str, found: str) -> str:
    sign = SIGNS[relation] + " " if relation else ""
    formula = html.escape(rf"$\displaystyle {sign}{to_latex(expr)}$")
    cells = (number, formula, html.escape(because), found)
    return "<tr>" + "".join(f'<td style="{CELL}">{cell}</td>' for cell in cells) + "</tr>"
