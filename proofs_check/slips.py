"""What can go wrong with a statement: the expressions in it, and slips of its own kind.

    slots(statement)     the typed expressions, each with the statement that has another in its place
    slips(statement)     a relation turned around, another point of a limit, a forgotten zero, a wrong row of a list, …

The left side of an identity is what is checked, and stays; but where the right one is a number, and no mean is
asked for, as in det(H − μ) = 0, the formula stands on the left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import sympy as sp

from theory.expectation import Expectation, MatrixExpectation
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
from theory.stationary import Nature
from theory.stationary_list import StationaryList, StationaryRow

__all__ = ["Slip", "Slot", "slips", "slots"]

TWENTIETH = sp.Rational(1, 20)
SMALL = sp.Rational(1, 1000)  # a velocity or a slope that is not there; balls see it wherever it is


@dataclass(frozen=True)
class Slot:
    """An expression of a statement.

    Args:
        name: where it stands.
        expr: what stands there.
        put: the statement with another expression there; raises ValueError or TypeError if it does not fit.
    """

    name: str
    expr: sp.Basic
    put: Callable[[sp.Basic], Statement]


@dataclass(frozen=True)
class Slip:
    """Something wrong with a statement besides its expressions.

    Args:
        operator, where: what was done, and to what.
        make: the statement after it; raises ValueError or TypeError if there is none.
    """

    operator: str
    where: str
    make: Callable[[], Statement]


# --- expressions --------------------------------------------------------------------------------


def slots(statement: Statement) -> list[Slot]:
    """The expressions of a statement that somebody typed.

    >>> x = sp.Symbol("x", real=True)
    >>> (slot,) = slots(Identity(x, x))
    >>> slot.put(x + 1).text()
    'x = x + 1'
    """
    match statement:
        case Identity():
            return list(_slots_of_identity(statement))
        case Inequality(lhs, _, rhs):
            return [
                Slot("right", rhs, partial(_with_field, statement, "rhs")),
                Slot("left", lhs, partial(_with_field, statement, "lhs")),
            ]
        case Limit(value=value):
            return [Slot("value", value, partial(_with_field, statement, "value"))]
        case Agreement(formula=formula):
            return [Slot("formula", formula, partial(_with_field, statement, "formula"))]
        case Conserved(quantity=quantity):
            return [Slot("quantity", quantity, partial(_with_field, statement, "quantity"))]
        case Invariant(manifold=pairs):
            return list(_slots_of_pairs(statement, "manifold", pairs, "on the manifold"))
        case Stationary(at=pairs):
            return list(_slots_of_pairs(statement, "at", pairs, "at the point"))
        case StationaryCount(points=points):
            return [
                Slot(f"{symbol} at zero {i + 1}", value, partial(_moved, statement, i, symbol))
                for i, point in enumerate(points)
                for symbol, value in point.items()
            ]
    return []


def _slots_of_identity(statement: Identity) -> Iterator[Slot]:
    pairs = statement.components()
    for side in ("rhs", "lhs"):
        for i, (lhs, rhs) in enumerate(pairs):
            is_typed = rhs.is_Number and not lhs.is_Number and not lhs.has(Expectation, MatrixExpectation)
            if side == "rhs" or is_typed:
                name = {"rhs": "right", "lhs": "left"}[side] + (f", component {i + 1}" if len(pairs) > 1 else "")
                yield Slot(name, rhs if side == "rhs" else lhs, partial(_with_component, statement, side, i))


def _slots_of_pairs(statement: Statement, field: str, pairs: tuple, where: str) -> Iterator[Slot]:
    for i, (symbol, expr) in enumerate(pairs):
        yield Slot(f"{symbol} {where}", expr, partial(_with_pair, statement, field, i))


def _with_field(statement: Statement, field: str, new: object) -> Statement:
    return replace(statement, **{field: new})  # type: ignore[type-var]


def _with_component(statement: Identity, side: str, i: int, new: sp.Basic) -> Statement:
    whole = getattr(statement, side)
    if isinstance(whole, sp.Tuple):
        new = sp.Tuple(*whole.args[:i], new, *whole.args[i + 1 :])
    elif isinstance(whole, sp.MatrixBase):
        entries = list(whole)
        new = sp.ImmutableMatrix(whole.rows, whole.cols, [*entries[:i], new, *entries[i + 1 :]])
    return _with_field(statement, side, new)


def _with_pair(statement: Statement, field: str, i: int, new: sp.Basic) -> Statement:
    pairs = getattr(statement, field)
    return _with_field(statement, field, _replaced(pairs, i, (pairs[i][0], new)))


def _moved(statement: StationaryCount, i: int, symbol: sp.Symbol, new: sp.Basic) -> Statement:
    return replace(statement, points=_replaced(statement.points, i, {**statement.points[i], symbol: new}))


def _replaced(items: tuple, i: int, *new: object) -> tuple:
    return (*items[:i], *new, *items[i + 1 :])


# --- slips of each kind -------------------------------------------------------------------------


def slips(statement: Statement) -> Iterator[Slip]:
    """What can go wrong with a statement of this kind besides its expressions.

    >>> x = sp.Symbol("x", real=True)
    >>> [slip.make().text() for slip in slips(Inequality(x, "<", 1))]
    ['x >= 1', 'x > 1', 'x <= 1']
    """
    match statement:
        case Inequality():
            yield from _of_inequality(statement)
        case Limit():
            yield from _of_limit(statement)
        case Invariant():
            yield from _of_invariant(statement)
        case Stationary(expr=expr, parameters=parameters):
            for p in parameters:
                yield Slip("a slope", f"+ {p}/1000", partial(_with_field, statement, "expr", expr + SMALL * p))
        case Conserved(field=field):
            for i, (symbol, velocity) in enumerate(field):
                yield Slip("sign of a velocity", str(symbol), partial(_with_pair, statement, "field", i, -velocity))
        case StationaryCount():
            yield from _of_count(statement)
        case StationaryList():
            yield from _of_list(statement)
        case Frequency():
            yield from _of_frequency(statement)


def _of_inequality(statement: Inequality) -> Iterator[Slip]:
    relation = statement.relation
    reverse = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}[relation]
    other = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}[relation]
    yield Slip("negated", "", statement.negated)
    yield Slip("turned around", f"{relation} -> {reverse}", partial(_with_field, statement, "relation", reverse))
    yield Slip("with or without equality", f"{relation} -> {other}", partial(_with_field, statement, "relation", other))


def _of_limit(statement: Limit) -> Iterator[Slip]:
    symbol, point, value = statement.symbol, statement.point, statement.value
    for other in (sp.Integer(0), sp.Integer(1), sp.Integer(2), sp.oo, -sp.oo):
        if other != point and not (symbol.is_positive and other == -sp.oo):
            yield Slip("another point", f"{point} -> {other}", partial(_with_field, statement, "point", other))
    for other in (sp.Integer(0), sp.oo, -sp.oo):
        if other != value:
            yield Slip("another value", f"-> {other}", partial(_with_field, statement, "value", other))


def _of_invariant(statement: Invariant) -> Iterator[Slip]:
    field, manifold = statement.field, statement.manifold
    pinned = {symbol for symbol, _ in manifold}
    free = [symbol for symbol, _ in field if symbol not in pinned]
    for i, (symbol, expr) in enumerate(manifold):
        if len(manifold) > 1:
            fewer = partial(_with_field, statement, "manifold", _replaced(manifold, i))
            yield Slip("dropped condition", f"{symbol} is free", fewer)
        for other in free:
            moved = partial(_with_field, statement, "manifold", _replaced(manifold, i, (other, expr)))
            yield Slip("condition on another coordinate", f"{symbol} -> {other}", moved)
            yield Slip("another manifold", f"{symbol} = {other}", partial(_with_pair, statement, "manifold", i, other))
    for i, (symbol, velocity) in enumerate(field):
        if symbol in pinned:
            drifting = partial(_with_pair, statement, "field", i, velocity + SMALL)
            yield Slip("a constant velocity", f"of {symbol}", drifting)


def _of_count(statement: StationaryCount) -> Iterator[Slip]:
    number = statement.number or 0
    for other in (number - 2, number - 1, number + 1, number + 2):
        if other >= 0:
            yield Slip("number of zeros", f"{number} -> {other}", partial(replace, statement, number=other))
    natures = statement.natures or ()
    for i, nature in enumerate(natures):
        for kind in (Nature.MINIMUM, Nature.SADDLE, Nature.MAXIMUM):
            if kind is not nature:
                changed = partial(replace, statement, natures=_replaced(natures, i, kind))
                yield Slip("another nature", f"zero {i + 1}: {nature.value} -> {kind.value}", changed)
    for i in range(len(statement.points)):
        fewer = {"points": _replaced(statement.points, i), "natures": _replaced(natures, i) or None}
        yield Slip("forgotten zero", f"zero {i + 1}", partial(replace, statement, **fewer, number=number - 1))


def _of_list(statement: StationaryList) -> Iterator[Slip]:
    unit = sp.Rational(1, 10**statement.digits)
    for i, row in enumerate(statement.rows):
        for operator, where, new in _wrong_rows(row, unit):
            rows = _replaced(statement.rows, i, new)
            yield Slip(operator, f"row {i + 1}: {where}", partial(replace, statement, rows=rows))
        yield Slip("dropped row", f"row {i + 1}", partial(replace, statement, rows=_replaced(statement.rows, i)))


def _wrong_rows(row: StationaryRow, unit: sp.Rational) -> Iterator[tuple[str, str, StationaryRow]]:
    for sign in (1, -1):
        yield "number in a row", f"{sign:+}", replace(row, number=row.number + sign)
        yield "last digit", f"{sign:+}", replace(row, risk=row.risk + sign * unit)
    yield "index", "+1", replace(row, index=row.index + 1)
    if row.gain is not None:
        yield "gain", "+1", replace(row, gain=row.gain + 1)


def _of_frequency(statement: Frequency) -> Iterator[Slip]:
    """Bounds that leave the claimed ones out, wider and wider."""
    event, low, high = statement.event, statement.low, statement.high
    for share in (sp.Rational(k, 10) for k in range(10)):
        if low > 0:
            below = share * low, low * (1 - TWENTIETH)
            yield Slip("bounds below", f"[{below[0]}, {below[1]}]", partial(Frequency, event, *below))
        if high < 1:
            above = high + (1 - high) * TWENTIETH, 1 - share * (1 - high) / 2
            yield Slip("bounds above", f"[{above[0]}, {above[1]}]", partial(Frequency, event, *above))
