r"""Formulas and statements from text: what users of the package call.

    read_formula("tr(A S)^2", {"A": A, "S": S})
    read_latex(r"\frac{2}{\pi} \arcsin\frac{2\lambda^2}{1 + 2\lambda^2}", {"lambda": lam})
    read_statement("E[(x' A x)] = tr(A S)", ...)

A text is data. It names symbols of yours, it never makes one, and no function of sympy sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from theory.statement import Identity, Inequality, Limit, Statement

from .building import build, shape_of
from .limits import FormulaError, Limits
from .sentences import is_sentence, read_sentence
from .tex import LatexReader, is_latex
from .text import TextReader
from .tree import Node
from .vocabulary import Vocabulary

__all__ = ["Reading", "combine", "read", "read_formula", "read_latex", "read_statement"]

Symbols = Vocabulary | Mapping[str, Any] | Iterable[Any]
DEFAULT = Limits()


@dataclass(frozen=True)
class Reading:
    """What was read, and what it took.

    Args:
        value: the expression or the statement.
        nodes: nodes of the tree.
        work: tokens looked at and nodes made; at most `WORK` a character.
        effort: what sympy had to do, in the units of `Limits`.
    """

    value: Any
    nodes: int
    work: int
    effort: int


WORK = 64  # steps a character: what the tests and the benchmark hold the readers to


def read(
    text: str, symbols: Symbols, *, latex: bool | None = None, statement: bool = False, limits: Limits = DEFAULT
) -> Reading:
    """Read a formula or a statement, and say what it took.

    Args:
        text: the formula as text, or in LaTeX without dollar signs.
        symbols: what the names stand for, see `Vocabulary`.
        latex: whether it is LaTeX; by default, if there is a backslash or a brace in it.
        statement: whether a relation is expected.
        limits: what the text may hold.

    Raises:
        FormulaError: if it is not a formula of the grammar, or too large, or ambiguous.
        TypeError: if it is no text.
    """
    if not isinstance(text, str):
        raise TypeError(f"expected a text, got {text!r} of type {type(text).__name__}")
    if len(text) > limits.characters:
        raise FormulaError(f"expected at most {limits.characters} characters, got {len(text)}", 0, text[:1])
    vocabulary = symbols if isinstance(symbols, Vocabulary) else Vocabulary(symbols)
    if statement and not latex and "\\" not in text and is_sentence(text):
        found = read_sentence(text, vocabulary, limits)
        return Reading(found.statement, found.nodes, found.work, found.effort)
    reader_type = LatexReader if (is_latex(text) if latex is None else latex) else TextReader
    reader = reader_type(text, vocabulary, limits)
    try:
        value = _statement(*reader.statement(), reader) if statement else build(reader.formula(), reader.grow)
    except FormulaError as error:
        error.work = reader.grow.work
        raise
    except RecursionError:  # the limit on depth comes first, unless the caller's own stack is deep
        raise FormulaError("expected a formula that is nested less deeply", 0, text) from None
    return Reading(value, reader.grow.nodes, reader.grow.work, reader.grow.effort)


def read_formula(text: str, symbols: Symbols, limits: Limits = DEFAULT) -> sp.Basic:
    """The expression a text stands for; the grammar is that of `formula.text`.

    Raises:
        FormulaError: with the place, and what to do.

    >>> x, lam = sp.Symbol("x", real=True), sp.Symbol("lam", positive=True)
    >>> read_formula("erf(lambda x)^2 - 0.1", {"x": x, "lambda": lam})
    erf(lam*x)**2 - 1/10
    >>> read_formula("1/2 x", {"x": x})
    Traceback (most recent call last):
        ...
    proofs_check.formula.limits.FormulaError: expected * or brackets after a quotient: ... (position 4)
        1/2 x
            ^
    """
    value: sp.Basic = read(text, symbols, latex=False, limits=limits).value
    return value


def read_latex(text: str, symbols: Symbols, limits: Limits = DEFAULT) -> sp.Basic:
    r"""The expression a formula in LaTeX stands for; the grammar is that of `formula.tex`.

    Raises:
        FormulaError: with the place, and what to do.

    >>> lam = sp.Symbol("lam", positive=True)
    >>> read_latex(r"\frac2\pi \arcsin\frac{2\lambda^2}{1+2\lambda^2}", [lam])
    2*asin(2*lam**2/(2*lam**2 + 1))/pi
    """
    value: sp.Basic = read(text, symbols, latex=True, limits=limits).value
    return value


def read_statement(text: str, symbols: Symbols, latex: bool | None = None, limits: Limits = DEFAULT) -> Statement:
    """The statement a text stands for: an identity, an inequality, a limit, or one of the `sentences`.

    >>> x = sp.Symbol("x", real=True)
    >>> read_statement("(x + 1)^2 = x^2 + 2*x + 1", [x]).text()
    '(x + 1)**2 = x**2 + 2*x + 1'
    """
    value: Statement = read(text, symbols, latex=latex, statement=True, limits=limits).value
    return value


def _statement(lhs: Node, relation: str, rhs: Node, reader: TextReader | LatexReader) -> Statement:
    grow = reader.grow
    parts = [build(part, grow) for part in (lhs.parts if lhs.kind == "limit" else (lhs,))]
    right = build(rhs, grow)
    try:
        if lhs.kind == "limit":
            variable, point, body = parts
            return Limit(body, variable, point, right)
        return combine(parts[0], relation, right)
    except (TypeError, ValueError) as error:
        raise grow.refuse(" ".join(str(error).split())[:300], rhs.at) from None


def combine(left: Any, relation: str, right: Any) -> Statement:
    """The statement of two expressions; beside a matrix, 0 is the zero matrix.

    Raises:
        TypeError, ValueError: if the two do not make a statement.
    """
    shapes = shape_of(left), shape_of(right)
    if shapes[0] is not None and shapes[1] is None and right == 0:
        right = sp.ZeroMatrix(*shapes[0])
    if shapes[1] is not None and shapes[0] is None and left == 0:
        left = sp.ZeroMatrix(*shapes[1])
    return Identity(left, right) if relation == "=" else Inequality(left, relation, right)
