"""Wrong neighbours of a statement: what our checks must refute.

    mutants(equal(E f, formula))     the statement with one slip in its formula, or off by 10⁻¹ … 10⁻¹²

A check that finds nothing wrong proves little, until it has been seen to find what is wrong. A mutant changes the
*typed* side: the right one of an identity (the left one is what is checked), both of an inequality, the value of a
limit, the formula of an agreement, the point that is said to be stationary, the manifold that is said to be invariant,
the numbers of a list. What an expression can suffer stands in `mutations`, what a statement can, in `slips`; here are
the errors of a given size, and the domain that is a tenth too wide.

Some mutants are true: a factor of what is zero, a weaker inequality. To tell them from those that a check has
missed is the work of `killing`.

Reference: R. DeMillo, R. Lipton, F. Sayward, Hints on test data selection: help for the practicing programmer,
Computer 11 (1978) 34.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sympy as sp

from theory.domain import Domain
from theory.expectation import Expectation
from theory.identity import normal_form
from theory.matrix_identity import holds_matrices
from theory.statement import (
    Agreement,
    Frequency,
    Identity,
    Statement,
    StationaryCount,
)
from theory.stationary_list import StationaryList
from theory.words import covariances

from .mutations import Change, changes
from .slips import Slot, slips, slots

__all__ = ["Mutant", "mutants"]

LEAST = 25
MOST = 60
NORMALISED = 300  # operations in an expression whose neighbours are told apart by their normal forms
SIZES = tuple(sp.Rational(1, 10**k) for k in range(1, 13))
TENTH = sp.Rational(1, 10)


@dataclass(frozen=True)
class Mutant:
    """A wrong neighbour of a statement.

    Args:
        operator: what was done, such as "dropped term".
        where: to what, for a reader.
        statement: the statement after it.
        domain: where it is asserted, if elsewhere than the original.
    """

    operator: str
    where: str
    statement: Statement
    domain: Domain | None = None

    def __str__(self) -> str:
        return f"{self.operator}: {self.where}"


def mutants(formula: Statement | sp.Basic, domain: Domain | None = None, *, most: int = MOST) -> tuple[Mutant, ...]:
    """Wrong neighbours of a formula, well-shaped, distinct from it and from each other.

    Args:
        formula: a statement; or an expression e, whose neighbours e′ come as the statements e = e′.
        domain: where it is asserted; with it, the statement on a domain wider by a tenth is a mutant too.
        most: so many at most, of every operator in turn.

    Returns:
        At least 25, where there is so much to change: a formula that is no number, or a number with the errors of
        either sign from 10⁻¹ to 10⁻¹². A list, a count and a frequency have fewer.

    Raises:
        TypeError: if the formula is neither a statement nor an expression.

    >>> x = sp.Symbol("x", positive=True)
    >>> found = mutants(sp.asin(x / (1 + x)))
    >>> len(found) >= 25, str(found[0])
    (True, 'sign of a term: asin(x/(x + 1)) -> -asin(x/(x + 1))')
    """
    statement = Identity(formula, formula) if isinstance(formula, sp.Basic) else formula
    if not isinstance(statement, Statement):
        raise TypeError(f"expected a statement such as equal(lhs, rhs), or an expression, got {formula!r}")
    if most < LEAST:
        raise ValueError(f"expected most >= {LEAST}, got most={most}")
    places = slots(statement)
    made: list[Mutant] = []
    seen: list[Any] = [statement, *((slot.name, _normal(slot.expr)) for slot in places)]

    def add(candidates: Iterator[Candidate], room: int) -> None:
        for mutant, key in candidates:
            if len(made) >= room:
                return
            if mutant.statement not in seen and key not in seen:
                seen.extend((mutant.statement, key))
                made.append(mutant)

    errors = list(_errors(statement, places))
    sized, others = errors[: len(SIZES)], errors[len(SIZES) :]
    add(_of_its_own(statement), most // 2)
    add(_changed(statement, places), most - len(sized))
    add(iter(sized), most)
    add(iter(others), LEAST)
    return (*made, *_wider(statement, domain))


# --- slips and errors of a size ---------------------------------------------------------------


Candidate = tuple[Mutant, Any]
"""A mutant with what tells it from the others: its expression, in normal form."""


def _normal(expr: sp.Basic) -> sp.Basic:
    """The normal form of a scalar of moderate size; a large one, and matrices, as they are."""
    if holds_matrices(expr) or expr.has(Expectation) or expr.count_ops() > NORMALISED:
        return expr
    try:
        return normal_form(expr)
    except (ValueError, TypeError):
        return expr


def _changed(statement: Statement, places: list[Slot]) -> Iterator[Candidate]:
    """One change in one expression of the statement, of each expression in turn."""
    symmetric = covariances(statement.lhs) if isinstance(statement, Identity) else frozenset()
    queues = [(slot, changes(slot.expr, symmetric, first)) for first, slot in enumerate(places)]
    while queues:
        for slot, queue in list(queues):
            change = next(queue, None)
            if change is None:
                queues.remove((slot, queue))
            else:
                yield from _mutant(change.operator, _described(slot, change, len(places)), slot, change.expr)


def _described(slot: Slot, change: Change, count: int) -> str:
    what = f"{_short(change.old)} -> {_short(change.new)}"
    return what if count == 1 else f"{slot.name}: {what}"


def _short(expr: sp.Basic, most: int = 60) -> str:
    text = " ".join(str(expr).split())
    return text if len(text) <= most else f"{text[: most - 4]} ..."


def _mutant(operator: str, where: str, slot: Slot, expr: sp.Basic) -> Iterator[Candidate]:
    try:
        yield Mutant(operator, where, slot.put(expr)), (slot.name, _normal(expr))
    except (ValueError, TypeError):
        return  # the statement refuses it: a limit that depends on its symbol, a point off its manifold


def _errors(statement: Statement, places: list[Slot]) -> Iterator[Candidate]:
    """Off by 10⁻¹ … 10⁻¹², relative where there is something to be relative to, in each expression in turn."""
    first = [slot for slot in places if slot.name.startswith(("right", "value", "formula"))] or places
    for sign, (k, size) in itertools.product((1, -1), enumerate(SIZES)):
        if not first:
            return
        slot = first[k % len(first)]
        if slot.expr.is_infinite:
            continue
        is_zero = slot.expr == 0
        error = sp.Integer(sign) * size
        name = f"{'absolute' if is_zero else 'relative'} {'' if sign > 0 else '-'}1e-{k + 1}"
        yield from _mutant(name, slot.name, slot, error if is_zero else (1 + error) * slot.expr)


def _wider(statement: Statement, domain: Domain | None) -> tuple[Mutant, ...]:
    """The same statement, asserted on a tenth more."""
    if domain is None or isinstance(statement, (Agreement, Frequency, StationaryCount, StationaryList)):
        return ()
    wider = domain.widened(TENTH)
    wider = Domain({symbol: _possible(symbol, domain, wider) for symbol in domain.symbols}, domain.conditions)
    return () if wider == domain else (Mutant("wider domain", f"{domain} -> {wider}", statement, wider),)


def _possible(symbol: sp.Symbol, domain: Domain, wider: Domain) -> tuple[sp.Expr, sp.Expr]:
    """The wider interval as far as the symbol allows: integers move by one, no end moves across 0 against the sign."""
    (old_low, old_high), (low, high) = domain.interval(symbol), wider.interval(symbol)
    if symbol.is_integer:
        low, high = old_low - 1, old_high + 1
        return (old_low if symbol.is_positive and low < 1 else low), high
    if symbol.is_nonnegative and (low > 0) != sp.true:
        low = old_low * (1 - TENTH)
    if symbol.is_nonpositive and (high < 0) != sp.true:
        high = old_high * (1 - TENTH)
    return low, high


def _of_its_own(statement: Statement) -> Iterator[Candidate]:
    for slip in slips(statement):
        try:
            yield Mutant(slip.operator, slip.where, slip.make()), (slip.operator, slip.where)
        except (ValueError, TypeError):
            continue
