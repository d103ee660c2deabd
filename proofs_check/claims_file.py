"""Claims written in a file: TOML, read as data.

    [symbols]
    A = "matrix(d, d)"

    [random]
    x = "gaussian vector(d), covariance S"

    [[claim]]
    name = "second moment of a quadratic form"
    lhs = "E[(x' A x)^2]"
    relation = "="
    rhs = "tr(A S)^2 + tr(A S A S) + tr(A S A' S)"
    source = "..."
    expected = "holds"

The declarations are those of `declarations`, the formulas those of `formula`: text, or LaTeX where there is a
backslash or a brace in them. Instead of the two sides, `statement` may hold a whole one: "lim(x, 0, sin(x)/x) = 1",
"x^2 is stationary in x at x = 0". Optional in a claim: `relation` (=, <, <=, >, >=; by default =), `expected` (holds,
refuted, open), `sentence`, and `domain`, a list of intervals and conditions: ["kappa in [0, 1]", "a^2 + b^2 <= 1"].
At the top of the file, `title` and `source`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sympy as sp

from theory.domain import Domain
from theory.statement import Statement

from .checking import Ladder
from .claim import Claim, Study
from .declarations import Declarations, declare, read_condition, read_interval
from .formula.limits import FormulaError
from .formula.reading import combine, read, read_formula, read_statement
from .points import letters

__all__ = ["parse_claims", "read_claims"]

LARGEST_FILE = 1_000_000
TOP = ("title", "source", "symbols", "random", "claim")
KEYS = ("name", "sentence", "statement", "lhs", "relation", "rhs", "source", "expected", "domain")
RELATIONS = ("=", "<", "<=", ">", ">=")


def read_claims(path: str | Path) -> Study:
    """The claims of a file, as a study.

    Args:
        path: a TOML file, conventionally `name.claims.toml`.

    Returns:
        A study named after the file, its claims with checks that suit their statements.

    Raises:
        FormulaError: naming the claim, the key and the place in the formula.
        OSError: if the file cannot be read.
    """
    file = Path(path)
    size = file.stat().st_size
    if size > LARGEST_FILE:
        raise FormulaError(f"{file.name}: expected at most {LARGEST_FILE} bytes, got {size}", 0, "")
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FormulaError(f"{file.name}: expected a text in UTF-8: {error.reason}", error.start, "") from None
    return parse_claims(text, file.name.removesuffix(".toml").removesuffix(".claims"))


def parse_claims(text: str, name: str = "claims") -> Study:
    """The claims of a text in TOML, as a study of that name.

    >>> study = parse_claims('''
    ... [random]
    ... g = "gaussian, variance 2"
    ... [[claim]]
    ... name = "fourth moment"
    ... lhs = "E[g^4]"
    ... rhs = "12"
    ... ''')
    >>> study["fourth-moment"].statement.text()
    'Expectation(g**4) = 12'
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormulaError(f"{name}: expected TOML: {error}", 0, "") from None
    except RecursionError:
        raise FormulaError(f"{name}: expected TOML that is not nested so deeply", 0, "") from None
    _check_keys(content, TOP, name)
    tables = [_table(content, key, name) for key in ("symbols", "random")]
    declarations = declare(*tables)
    entries = content.get("claim")
    if not isinstance(entries, list) or not entries:
        raise FormulaError(f"{name}: expected at least one [[claim]]", 0, "")
    source = _prose(content, "source", name, "")
    claims = tuple(
        _claim(entry, declarations, source, f"{name}, claim {i}") for i, entry in enumerate(entries, start=1)
    )
    try:
        return Study(_slug(name), _prose(content, "title", name, name), source, claims)
    except ValueError as error:
        raise FormulaError(str(error), 0, "") from None


def _check_keys(table: Any, known: tuple[str, ...], where: str) -> None:
    if not isinstance(table, dict):
        raise FormulaError(f"{where}: expected a table with {', '.join(known)}", 0, "")
    strangers = [key for key in table if key not in known]
    if strangers:
        raise FormulaError(f"{where}: expected the keys {', '.join(known)}, got {strangers[0]!a}", 0, "")


def _table(content: Mapping[str, Any], key: str, where: str) -> Mapping[str, str]:
    table = content.get(key, {})
    if not isinstance(table, dict):
        raise FormulaError(f"{where}: expected a table [{key}]", 0, "")
    return table


def _text(table: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str):
        raise FormulaError(f"{where}: expected {key} = a text, got {ascii(value)[:60]}", 0, "")
    return value


def _prose(table: Mapping[str, Any], key: str, where: str, default: str) -> str:
    """A text for readers, on one line, without characters that command a terminal."""
    text = _text(table, key, where, default)
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.") or "claims"


def _claim(entry: Any, declarations: Declarations, source: str, where: str) -> Claim:
    _check_keys(entry, KEYS, where)
    required = ("name", "statement") if "statement" in entry else ("name", "lhs", "rhs")
    for key in required:
        if key not in entry:
            raise FormulaError(f"{where}: expected the key {key}", 0, "")
    name = _prose(entry, "name", where, "")
    where = f"{where} ({ascii(name)[:60]})"
    statement = _statement_of(entry, declarations, where)
    domain = _domain_of(entry, statement, declarations, where)
    with _placed(where):
        return Claim(
            _slug(name),
            _prose(entry, "sentence", where, name),
            lambda: statement,
            domain,
            _prose(entry, "source", where, source),
            (Ladder(),),
            _text(entry, "expected", where, "holds"),
        )


def _statement_of(entry: Mapping[str, Any], declarations: Declarations, where: str) -> Statement:
    if "statement" in entry:
        if strangers := [key for key in ("lhs", "relation", "rhs") if key in entry]:
            raise FormulaError(f"{where}: expected a statement or two sides, got both: {strangers[0]}", 0, "")
        with _placed(f"{where}, statement"):
            return read_statement(_text(entry, "statement", where), declarations.vocabulary)
    relation = _text(entry, "relation", where, "=")
    if relation not in RELATIONS:
        raise FormulaError(f"{where}: expected relation among {' '.join(RELATIONS)}, got {ascii(relation)[:20]}", 0, "")
    lhs, rhs = (_text(entry, key, where) for key in ("lhs", "rhs"))
    if lhs.lstrip().startswith(("lim", r"\lim")):
        with _placed(f"{where}, limit"):
            return read_statement(f"{lhs} {relation} {rhs}", declarations.vocabulary)
    with _placed(f"{where}, lhs"):
        left = read(lhs, declarations.vocabulary).value
    with _placed(f"{where}, rhs"):
        right = read(rhs, declarations.vocabulary).value
    with _placed(where):
        return combine(left, relation, right)


@contextmanager
def _placed(where: str) -> Iterator[None]:
    """Errors that say where in the file they are."""
    try:
        yield
    except FormulaError as error:
        raise FormulaError(f"{where}: {error.reason}", error.position, error.text) from None
    except (TypeError, ValueError) as error:
        raise FormulaError(f"{where}: {error}", 0, "") from None


def _domain_of(entry: Mapping[str, Any], statement: Statement, declarations: Declarations, where: str) -> Domain:
    given = entry.get("domain", [])
    parts = [given] if isinstance(given, str) else given
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise FormulaError(f'{where}: expected domain = a list such as ["kappa in [0, 1]"]', 0, "")
    narrowed: dict[sp.Symbol, Any] = {}
    conditions: list[Any] = []
    with _placed(f"{where}, domain"):
        for part in parts:
            name, is_interval, interval = part.partition(" in ")
            if is_interval:
                symbol = read_formula(name.strip(), declarations.vocabulary)
                if not isinstance(symbol, sp.Symbol):
                    raise FormulaError("expected a declared number before 'in'", 0, part)
                narrowed[symbol] = read_interval(interval, symbol)
            else:
                conditions.append(read_condition(part, declarations.vocabulary))
        free = letters(statement).union(*(condition.free_symbols for condition in conditions))
        return declarations.domain(free, narrowed, tuple(conditions))
