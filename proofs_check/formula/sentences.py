"""Statements that are sentences: what is stationary, invariant or conserved.

    (a x)^2 - 2 a is stationary in a at a = 1/x^2
    y = 0 is invariant under dx/dt = -x, dy/dt = x*y
    x*y is conserved by dx/dt = x, dy/dt = -y

The formulas between the words are those of `text`; the points, the manifold and the velocities are equations
between commas. `Statement.text` prints the same sentences, with a set in braces for the manifold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sympy as sp

from theory.statement import Conserved, Invariant, Statement, Stationary

from .building import build
from .limits import FormulaError, Limits
from .text import TextReader
from .vocabulary import Vocabulary

__all__ = ["Sentence", "is_sentence", "read_sentence"]

INVARIANT, CONSERVED = " is invariant under ", " is conserved by "
VELOCITY = re.compile(r"\s*d\s*([A-Za-z][A-Za-z0-9_]*)\s*/\s*dt\s*", re.ASCII)


@dataclass(frozen=True)
class Sentence:
    """A statement that was read, with what it took, as in `Reading`."""

    statement: Statement
    nodes: int
    work: int
    effort: int


def is_sentence(text: str) -> bool:
    """Whether a text has the words of one of the sentences.

    >>> is_sentence("x^2 is stationary in x at x = 0"), is_sentence("x^2 = 0")
    (True, False)
    """
    return any(words in text for words in (" is stationary in ", INVARIANT, CONSERVED))


def read_sentence(text: str, vocabulary: Vocabulary, limits: Limits) -> Sentence:
    """The statement of a sentence.

    Raises:
        FormulaError: with the place in the whole text.

    >>> x, y = sp.symbols("x y", real=True)
    >>> read_sentence("{y = 0} is invariant under dx/dt = -x, dy/dt = x*y", Vocabulary([x, y]), Limits()).statement
    Invariant(field=((x, -x), (y, x*y)), manifold=((y, 0),))
    """
    reader = _Reader(text, vocabulary, limits)
    try:
        statement = reader.statement()
    except FormulaError as error:
        error.work = max(error.work, reader.work)
        raise
    except (TypeError, ValueError) as error:
        raise FormulaError(" ".join(str(error).split())[:300], 0, text) from None
    return Sentence(statement, reader.nodes, reader.work, reader.effort)


Pairs = tuple[tuple[sp.Symbol, Any], ...]
Piece = tuple[int, str]  # where it begins in the whole text, and its characters


class _Reader:
    """Reads the pieces of one sentence, and adds up what they take."""

    def __init__(self, text: str, vocabulary: Vocabulary, limits: Limits) -> None:
        self.text, self.vocabulary, self.limits = text, vocabulary, limits
        self.nodes = self.effort = 0
        self.work = len(text)

    def statement(self) -> Statement:
        """The statement of the whole text."""
        if INVARIANT in self.text:
            at = self.text.index(INVARIANT)
            manifold = self._without_braces((0, self.text[:at]))
            return Invariant(self._field(self._after(at, INVARIANT)), self._equations(manifold))
        if CONSERVED in self.text:
            at = self.text.index(CONSERVED)
            return Conserved(self._field(self._after(at, CONSERVED)), self._formula((0, self.text[:at])))
        words = " is stationary in "
        at = self.text.index(words)
        names, where = self._after(at, words), self.text.find(" at ", at)
        if where < 0:
            raise FormulaError("expected 'at' and the point after 'is stationary in ...'", len(self.text), self.text)
        names = (names[0], self.text[names[0] : where])
        parameters = tuple(self._symbol(piece) for piece in self._listed(names))
        return Stationary(self._formula((0, self.text[:at])), parameters, self._equations(self._after(where, " at ")))

    def _after(self, at: int, words: str) -> Piece:
        start = at + len(words)
        return start, self.text[start:]

    def _without_braces(self, piece: Piece) -> Piece:
        start, text = piece
        stripped = text.strip()
        if stripped.startswith("{") and stripped.endswith("}"):
            return start + text.index("{") + 1, stripped[1:-1]
        return piece

    def _field(self, piece: Piece) -> Pairs:
        """Velocities dx/dt = f, between commas."""
        field = []
        for at, part in self._listed(piece):
            left, equals, right = part.partition("=")
            match = VELOCITY.fullmatch(left)
            if match is None or not equals:
                raise FormulaError("expected a velocity such as dx/dt = -x", at, self.text)
            symbol = self._symbol((at + match.start(1), match.group(1)))
            field.append((symbol, self._formula((at + len(left) + 1, right))))
        return tuple(field)

    def _equations(self, piece: Piece) -> Pairs:
        """Coordinates x = value, between commas."""
        pairs = []
        for at, part in self._listed(piece):
            left, equals, right = part.partition("=")
            if not equals:
                raise FormulaError("expected a coordinate such as x = 0", at, self.text)
            pairs.append((self._symbol((at, left)), self._formula((at + len(left) + 1, right))))
        return tuple(pairs)

    def _listed(self, piece: Piece) -> Iterator[Piece]:
        """The parts between the commas that stand outside brackets."""
        begin, text = piece
        depth, start = 0, 0
        for i, character in enumerate(text):
            depth += (character in "([") - (character in ")]")
            if character == "," and depth == 0:
                yield begin + start, text[start:i]
                start = i + 1
        yield begin + start, text[start:]

    def _symbol(self, piece: Piece) -> sp.Symbol:
        value = self._formula(piece)
        if not isinstance(value, sp.Symbol):
            raise FormulaError(f"expected the name of a number, got {piece[1].strip()[:40]}", piece[0], self.text)
        return value

    def _formula(self, piece: Piece) -> Any:
        start, text = piece
        try:
            reader = TextReader(text, self.vocabulary, self.limits)
            value = build(reader.formula(), reader.grow)
        except FormulaError as error:
            moved = FormulaError(error.reason, start + error.position, self.text)
            moved.work = self.work + error.work
            raise moved from None
        self.nodes += reader.grow.nodes
        self.work += reader.grow.work
        self.effort += reader.grow.effort
        for limit, spent in (("nodes", self.nodes), ("effort", self.effort)):
            if spent > getattr(self.limits, limit):
                raise FormulaError(f"expected at most {getattr(self.limits, limit)} {limit}", start, self.text)
        return value
