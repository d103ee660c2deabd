"""A sentence that we stand behind, with its formula; and the studies that collect them.

A claim is a function: its name is the id, its docstring the sentence, its return value the
formula. Nothing is derived before somebody asks for the statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from numbers import Rational
from typing import Any
from zlib import crc32

import sympy as sp

from theory.domain import Domain
from theory.statement import (
    Agreement,
    Conserved,
    Frequency,
    Identity,
    Inequality,
    Invariant,
    Limit,
    Statement,
    Stationary,
    StationaryCount,
)
from theory.stationary_list import StationaryList

from .check import Check

__all__ = ["Claim", "Study", "claim", "perturb"]

EXPECTATIONS = ("holds", "refuted", "open")


@dataclass(frozen=True)
class Claim:
    """A sentence with its formula, where it is asserted, how it is checked, where it is from.

    Args:
        name: the id, in words joined by hyphens.
        sentence: what is claimed, for a reader.
        make_statement: a function of no arguments that returns the statement; called once, when asked.
        domain: where the statement is asserted.
        source: author (year), number; or how it was derived.
        checks: the ways of testing it, in the order they run.
        expected: "holds"; "refuted" for a published statement that we show to be false; "open" for a
            conjecture.
        models: where a simulation draws its models from, if the claim says so.
    """

    name: str
    sentence: str
    make_statement: Callable[[], Statement] = field(repr=False)
    domain: Domain
    source: str
    checks: tuple[Check, ...]
    expected: str = "holds"
    models: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.\-]*", self.name):
            raise ValueError(
                f"expected letters, digits, dots and hyphens in the name of a claim, got name={self.name!r}"
            )
        if self.expected not in EXPECTATIONS:
            raise ValueError(f"claim {self.name}: expected is one of {', '.join(EXPECTATIONS)}, got {self.expected!r}")
        if not isinstance(self.domain, Domain):
            raise TypeError(f"claim {self.name}: expected a Domain, got {self.domain!r}")
        if not callable(self.make_statement):
            raise TypeError(
                f"claim {self.name}: expected a function returning the statement, got {self.make_statement!r}"
            )
        checks = tuple(self.checks)
        for check in checks:
            if not isinstance(check, Check):
                raise TypeError(f"claim {self.name}: expected checks such as SymbolicIdentity(), got {check!r}")
        object.__setattr__(self, "checks", checks)

    @cached_property
    def statement(self) -> Statement:
        """The formula.

        Raises:
            TypeError: if the function did not return a statement.
        """
        statement = self.make_statement()
        if not isinstance(statement, Statement):
            raise TypeError(f"claim {self.name}: expected a statement such as equal(lhs, rhs), got {statement!r}")
        return statement

    def __call__(self) -> Statement:
        """The formula, as the decorated function would have returned it."""
        return self.statement

    def perturbed(self, by: Any) -> Claim:
        """A control: the claim made false by a little, which every check of it must refute.

        Args:
            by: relative size of the change; a float is read in decimal, 1e-12 as 10⁻¹².

        Returns:
            The same claim about the perturbed statement (see `perturb`), expected to be refuted.
        """
        size = _decimal(by)
        return replace(
            self,
            name=f"{self.name}-perturbed-by-{by}".replace("/", "-over-").replace("+", ""),
            sentence=f"A control that must be refuted: {self.sentence}",
            make_statement=lambda: perturb(self.statement, size, crc32(self.name.encode())),
            expected="refuted",
        )

    @property
    def is_statistical(self) -> bool:
        """Whether one of its checks draws on the false-alarm budget of a run."""
        return any(check.is_statistical for check in self.checks)


def _decimal(by: Any) -> sp.Rational:
    if isinstance(by, bool) or not isinstance(by, (Rational, float, str, Decimal)):
        raise TypeError(f"expected a number, got by={by!r}")
    try:
        ratio = by if isinstance(by, Rational) else Fraction(*Decimal(str(by)).as_integer_ratio())
    except (ArithmeticError, ValueError):
        raise ValueError(f"expected a finite number, got by={by!r}") from None
    size = sp.Rational(int(ratio.numerator), int(ratio.denominator))
    if size == 0:
        raise ValueError("expected by != 0: a claim perturbed by nothing is no control")
    return size


def perturb(statement: Statement, by: sp.Rational, which: int = 0) -> Statement:
    """A statement that is false if the given one is true, and nearly the same.

        lhs = rhs (1 + by),   or   lhs = by   where rhs is 0

    A limit changes in its value, an agreement in its formula, a flow or a gradient by the constant
    `by` in one component, a count by one, a list in the number of one of its rows. An inequality has no false
    neighbour; its control is its negation. The bounds of a frequency are replaced by what lies outside of them.

    Args:
        statement: a true statement.
        by: the relative size of the change.
        which: an arbitrary number that chooses the component, where there are several.

    >>> x = sp.Symbol("x")
    >>> perturb(Identity(2*x, x + x), sp.Rational(1, 10)).text()
    '2*x = 11*x/5'
    """
    match statement:
        case Identity(lhs, sp.Tuple() as rhs):
            return Identity(lhs, sp.Tuple(*_shifted_at(list(rhs), which, by)))
        case Identity(lhs, sp.MatrixBase() as rhs):
            return Identity(lhs, sp.ImmutableMatrix(rhs.rows, rhs.cols, _shifted_at(list(rhs), which, by)))
        case Identity(lhs, rhs):
            return Identity(lhs, _shifted(rhs, by))
        case Inequality():
            return statement.negated()
        case Limit(expr, symbol, point, value):
            return Limit(expr, symbol, point, -value if value.is_infinite else _shifted(value, by))
        case Invariant(field_, manifold):
            across = manifold[which % len(manifold)][0]
            return Invariant(
                tuple((symbol, expr + by if symbol == across else expr) for symbol, expr in field_), manifold
            )
        case Stationary(expr, parameters, at):
            return Stationary(expr + by * parameters[which % len(parameters)], parameters, at)
        case StationaryCount():
            return replace(statement, number=(statement.number or 0) + 1)
        case Conserved(field_, quantity):
            moving = [i for i, (symbol, _) in enumerate(field_) if symbol in quantity.free_symbols]
            chosen = moving[which % len(moving)]
            return Conserved(
                tuple((symbol, expr + by if i == chosen else expr) for i, (symbol, expr) in enumerate(field_)), quantity
            )
        case Frequency(event, low, high) if high < 1:
            return Frequency(event, high, sp.Integer(1))
        case Frequency(event, low, _):
            return Frequency(event, sp.Integer(0), low * (1 - min(abs(by), sp.Rational(1, 2))))
        case StationaryList():
            rows = list(statement.rows)
            row = rows[which % len(rows)]
            rows[which % len(rows)] = replace(row, number=row.number + 1)
            return replace(statement, rows=tuple(rows))
        case Agreement(formula, quantity):
            return Agreement(_shifted(formula, by), quantity)
    raise TypeError(f"no perturbation is known for a statement of type {type(statement).__name__}")


def _shifted(expr: sp.Expr, by: sp.Rational) -> sp.Expr:
    return sp.sympify(by, strict=True) if expr == 0 else expr * (1 + by)


def _shifted_at(parts: list, which: int, by: sp.Rational) -> list:
    chosen = which % len(parts)
    return [_shifted(part, by) if i == chosen else part for i, part in enumerate(parts)]


def claim(
    *,
    on: Domain,
    by: Sequence[Check],
    source: str = "",
    expected: str = "holds",
    name: str | None = None,
    models: Any = None,
) -> Callable[[Callable[[], Statement]], Claim]:
    """Make a claim of a function that returns a statement.

    Args:
        on: the domain, in full and as large as the claim is true.
        by: the checks, in the order they run.
        source: author (year), number.
        expected: "holds", "refuted" or "open".
        name: the id; by default the function's name with hyphens.
        models: where a simulation draws its models from.

    Raises:
        ValueError: if the function has no docstring, which is the sentence of the claim.

    >>> x = sp.Symbol("x", real=True)
    >>> @claim(on=Domain({x: (-1, 1)}), by=[], source="school")
    ... def square_of_a_sum():
    ...     '''(x + 1)² is x² + 2x + 1.'''
    ...     return Identity((x + 1)**2, x**2 + 2*x + 1)
    >>> square_of_a_sum.name
    'square-of-a-sum'
    """

    def decorate(function: Callable[[], Statement]) -> Claim:
        sentence = " ".join((function.__doc__ or "").split())
        if not sentence:
            raise ValueError(f"claim {function.__name__} needs a docstring: the sentence that is claimed")
        return Claim(
            name or function.__name__.strip("_").replace("_", "-"),
            sentence,
            function,
            on,
            source,
            tuple(by),
            expected,
            models,
        )

    return decorate


@dataclass(frozen=True)
class Study:
    """The claims of one paper or note.

    Args:
        name: the id; the file's name with hyphens.
        title: for a reader.
        source: the paper or note.
        claims: what is claimed.
        simulator: the literal transcription of the definition, for simulations.
        risk: a function of no arguments that returns the population risk, if the study has one.
        derivations: functions of no arguments that return derivations.

    Raises:
        ValueError: if two claims share a name.
    """

    name: str
    title: str
    source: str
    claims: tuple[Claim, ...]
    simulator: Any = None
    risk: Callable[[], Any] | None = None
    derivations: tuple[Callable[[], Any], ...] = ()

    def __post_init__(self) -> None:
        claims = tuple(self.claims.values() if isinstance(self.claims, Mapping) else self.claims)
        for item in claims:
            if not isinstance(item, Claim):
                raise TypeError(f"study {self.name}: expected claims (is the decorator missing?), got {item!r}")
        names = [item.name for item in claims]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"study {self.name}: two claims are called {', '.join(twice)}")
        object.__setattr__(self, "claims", claims)
        object.__setattr__(self, "derivations", tuple(self.derivations))

    def __getitem__(self, name: str) -> Claim:
        """The claim of that name.

        Raises:
            KeyError: if there is none; it lists those there are.
        """
        for item in self.claims:
            if item.name == name:
                return item
        raise KeyError(f"study {self.name} has no claim {name!r}; it has {', '.join(_names(self.claims))}")


def _names(claims: Iterable[Claim]) -> list[str]:
    return [item.name for item in claims]
