"""Checking by balls: both sides enclosed, with a proven error, at generic rational points.

Disjoint balls are a witness: the two sides differ there, with certainty. Balls that overlap and
are small enough are agreement to so many digits at so many points, which is what the verdict says.
What is not accurate enough is undecided, with what to raise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp
from flint import arb, ctx

from numerics.balls import NotReal, ball
from theory.domain import Domain
from theory.statement import Inequality, Limit, Statement, evaluate_expectations

from .check import Check, Checkable, Context
from .finite_means import finite_mean_conditions, infinite_mean_at
from .limits import proven_limit
from .points import expressions_of, generic_values, matrices_in, with_values
from .symbolic import identities_of
from .verdict import Evidence, Outcome, Verdict, Witness
from .witness_script import ball_script

__all__ = ["CertifiedNumerics", "certainly", "told_apart"]

GUARD_DIGITS = 8
REFINEMENTS = (1, 2, 4)
MOST_DIGITS = 1000
UNABLE = (NotImplementedError, ValueError, ArithmeticError)
SIZES = [2, 3]  # of matrices whose sizes are symbols, one after the other

Point = dict[sp.Symbol, sp.Expr]


@dataclass(frozen=True)
class CertifiedNumerics(Check):
    """Both sides as balls at generic points of the domain.

    Identities (also "is stationary", "is invariant") and limits *hold* at so many points to so many
    digits, relative to the larger side, or absolute where both balls contain zero. An inequality *holds*
    where it is certain at every point. A point where a ball is certainly on the wrong side is a witness.
    Matrices get generic rational entries and small sizes; sides that are matrices are compared entry by entry.

    Args:
        digits: how many digits have to agree.
        points: how many points are tried.

    Raises:
        ValueError: if digits or points is not a positive integer.
    """

    digits: int = 25
    points: int = 5

    def __post_init__(self) -> None:
        for name in ("digits", "points"):
            given = getattr(self, name)
            if isinstance(given, bool) or not isinstance(given, int) or given < 1:
                raise ValueError(f"expected {name} >= 1, got {name}={given!r}")
        if self.digits > MOST_DIGITS - GUARD_DIGITS:
            raise ValueError(f"expected digits <= {MOST_DIGITS - GUARD_DIGITS}, got digits={self.digits}")

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Evaluate the statement at generic points of the claim's domain."""
        statement = claim.statement.map(evaluate_expectations)
        examine = self._examiner(statement)
        if examine is None:
            return _undecided(f"balls at points cannot decide a {type(statement).__name__}; use another check")
        free = _free_symbols(statement)
        matrices = matrices_in(*expressions_of(statement))
        named = {*claim.domain.symbols, *matrices} | {side for matrix in matrices for side in _sizes_of(matrix)}
        strangers = sorted(str(symbol) for symbol in free - named)
        if strangers:
            return _undecided(
                f"the statement contains {', '.join(strangers)}, which the domain does not name "
                "(the same name with other assumptions is another symbol); add an interval for it"
            )
        try:
            points = [{}] if not free else self._points(claim, bool(matrices), context)
        except ValueError as error:
            return _undecided(f"nothing was tested: {error}")
        unclear = ""
        conditions = finite_mean_conditions(claim.statement)
        deadline = time.monotonic() + context.seconds
        for done, point in enumerate(points):
            if done and time.monotonic() > deadline:
                return _undecided(
                    f"the {context.seconds:g} s ended after {done} of {len(points)} points; raise the budget"
                )
            found = infinite_mean_at(conditions, point) or examine(point)
            if isinstance(found, Witness):
                scope = "at a point of the domain"
                return Verdict(Outcome.FAILS, Evidence.CERTIFIED, scope, "the balls are disjoint", found)
            unclear = unclear or (f"{_place(point)}: {found}" if found else "")
        if unclear:
            return _undecided(unclear)
        scope = self._scope(statement, len(points), bool(free))
        sizes = " and ".join(map(str, SIZES[: len(points)]))
        return Verdict(Outcome.HOLDS, Evidence.CERTIFIED, scope, f"sizes {sizes}" if matrices else "")

    def _points(self, claim: Checkable, has_matrices: bool, context: Context) -> list[Point]:
        if not has_matrices:
            return _distinct_points(claim.domain, self.points, context)
        sizes = (SIZES * self.points)[: self.points]
        return [generic_values(claim.statement, claim.domain, context.rng, size) for size in sizes]

    def _scope(self, statement: Statement, count: int, has_parameters: bool) -> str:
        where = f"at {count} generic point{'s' if count > 1 else ''}" if has_parameters else "without parameters"
        return where if isinstance(statement, Inequality) else f"{where}, to {self.digits} digits"

    def _examiner(self, statement: Statement) -> Callable[[Point], Witness | str] | None:
        """The test of one point: a witness, or why it is unclear, or an empty text when all is well."""
        if isinstance(statement, Inequality):
            return lambda point: self._examine_inequality(statement, point)
        if isinstance(statement, Limit):
            return lambda point: self._examine_limit(statement, point)
        identities = identities_of(statement)
        if identities is None:
            return None
        pairs = [pair for identity in identities for pair in identity.components()]
        return lambda point: self._examine_pairs(pairs, point)

    def _examine_pairs(self, pairs: list[tuple[sp.Expr, sp.Expr]], point: Point) -> Witness | str:
        unclear = ""
        if any(isinstance(symbol, sp.MatrixSymbol) for symbol in point):
            pairs = [entry for lhs, rhs in pairs for entry in _entries_at(lhs, rhs, point)]
        for position, (lhs, rhs) in enumerate(pairs, start=1):
            note = f"component {position} of {len(pairs)}" if len(pairs) > 1 else ""
            found = self._compare(lhs, rhs, point, note)
            if isinstance(found, Witness):
                return found
            unclear = unclear or found
        return unclear

    def _compare(self, lhs: sp.Expr, rhs: sp.Expr, point: Point, note: str = "") -> Witness | str:
        """A witness if the balls of the two sides are disjoint, an empty text if they agree to the digits."""
        reason = ""
        written = _digits_written(lhs, rhs)
        for refinement in REFINEMENTS:
            digits = min(refinement * (self.digits + GUARD_DIGITS) + written, MOST_DIGITS)
            try:
                left, right = _real_or_not(lhs, point, digits), _real_or_not(rhs, point, digits)
            except UNABLE as error:
                return str(error)
            if isinstance(left, NotReal) or isinstance(right, NotReal):
                return _one_is_not_real(left, right, point, note)
            if not (left.is_finite() and right.is_finite()):
                reason = "a side is not a finite number at this point; is it a pole, or outside the real domain?"
                continue
            if not left.overlaps(right):
                script = ball_script(lhs, rhs, point, digits)
                return Witness(point, *told_apart(left, right, digits), note, script)
            accuracy = self._accuracy(left, right, digits)
            if accuracy == "relative" or (accuracy == "absolute" and refinement > 1):
                return ""
            reason = (
                f"the balls {left.str(8)} and {right.str(8)} overlap, not known to {self.digits} digits; "
                "ask for fewer digits, or write the formula so that it cancels less"
            )
        return reason

    def _accuracy(self, left: arb, right: arb, digits: int) -> str:
        """Whether two overlapping balls agree to the digits asked for: relative, absolute, or not."""
        with ctx.workdps(digits + GUARD_DIGITS):
            radius, unit = left.rad() + right.rad(), arb(10) ** (-self.digits)
            if any(radius <= unit * side.abs_lower() for side in (left, right)) or left == right:
                return "relative"
            return "absolute" if left.contains(0) and right.contains(0) and radius <= unit else ""

    def _examine_inequality(self, statement: Inequality, point: Point) -> Witness | str:
        reason = ""
        for refinement in REFINEMENTS:
            digits = refinement * (self.digits + GUARD_DIGITS)
            try:
                left, right = _enclosed(statement.lhs, point, digits), _enclosed(statement.rhs, point, digits)
            except UNABLE as error:
                return str(error)
            if certainly(left, statement.relation, right):
                return ""
            if certainly(left, statement.negated().relation, right):
                values = told_apart(left, right, self.digits)
                script = ball_script(statement.lhs, statement.rhs, point, digits)
                return Witness(point, *values, f"claimed {statement.relation}", script)
            reason = f"{left.str(8)} and {right.str(8)} are too close to call; raise digits={self.digits}"
        return reason

    def _examine_limit(self, statement: Limit, point: Point) -> Witness | str:
        """The limit by the limit laws, exact once the other symbols have values, against the claimed one."""
        at = {symbol: value for symbol, value in point.items() if symbol != statement.symbol}
        expr, value = statement.expr.xreplace(at), statement.value.xreplace(at)
        limit = proven_limit(expr, statement.symbol, statement.point.xreplace(at), Domain({}))
        if limit is None:
            return "the limit laws do not give this limit, and values on the way to it prove nothing; " + _approach(
                expr, statement
            )
        note = f"the limit as {statement.symbol} -> {statement.point}, against the claimed one"
        if limit.is_infinite or value.is_infinite:
            return "" if limit == value else Witness(at, str(limit), str(value), note)
        found = self._compare(limit, value, {}, note)
        return Witness(at, found.lhs, found.rhs, note) if isinstance(found, Witness) else found


def _sizes_of(matrix: sp.MatrixSymbol) -> set[sp.Basic]:
    return {symbol for side in matrix.shape for symbol in side.free_symbols}


def _entries_at(lhs: sp.Expr, rhs: sp.Expr, point: Point) -> list[tuple[sp.Expr, sp.Expr]]:
    """The pairs of numbers, once the matrices of both sides have values."""
    left, right = with_values(lhs, point), with_values(rhs, point)
    if not isinstance(left, sp.MatrixBase) and not isinstance(right, sp.MatrixBase):
        return [(left, right)]
    if getattr(left, "shape", None) != getattr(right, "shape", None):
        raise NotImplementedError(f"expected two sides of one shape, got {left} and {right}")
    return list(zip(left, right, strict=True))


def _enclosed(expr: sp.Expr, point: Point, digits: int) -> arb:
    """The ball of an expression, which gets the values of its own symbols and no others."""
    needed = expr.free_symbols
    own = {symbol: value for symbol, value in point.items() if symbol in needed}
    return ball(expr, own, min(digits, MOST_DIGITS))


def _digits_written(*sides: sp.Expr) -> int:
    """Digits of the longest rational in the sides beyond an ordinary one: a term of 10⁻⁶⁰ is not seen with fewer."""
    numbers = [number for side in sides for number in side.atoms(sp.Rational)]
    longest = max((len(str(max(abs(number.p), number.q))) for number in numbers), default=0)
    return longest if longest > GUARD_DIGITS else 0


def _real_or_not(expr: sp.Expr, point: Point, digits: int) -> arb | NotReal:
    try:
        return _enclosed(expr, point, digits)
    except NotReal as error:
        return error


def _one_is_not_real(left: arb | NotReal, right: arb | NotReal, point: Point, note: str) -> Witness | str:
    """Where one side is a finite real number and the other certainly is none, they differ."""
    if isinstance(left, NotReal) and isinstance(right, NotReal):
        return str(left)
    if not all(side.is_finite() for side in (left, right) if not isinstance(side, NotReal)):
        return "a side is not a finite number at this point"
    lhs, rhs = (side.number if isinstance(side, NotReal) else side.str(8, radius=False) for side in (left, right))
    return Witness(point, lhs, rhs, "; ".join(filter(None, (note, "one side is not real there"))))


def _undecided(reason: str) -> Verdict:
    return Verdict(Outcome.UNDECIDED, Evidence.CERTIFIED, "", reason)


def _free_symbols(statement: Statement) -> set[sp.Basic]:
    """The symbols that need a value before the statement can be evaluated."""
    if isinstance(statement, Limit):
        return (statement.expr.free_symbols | statement.value.free_symbols | statement.point.free_symbols) - {
            statement.symbol
        }
    if isinstance(statement, Inequality):
        return statement.lhs.free_symbols | statement.rhs.free_symbols
    sides = [side for identity in identities_of(statement) or () for side in (identity.lhs, identity.rhs)]
    return set().union(*(side.free_symbols for side in sides))


def _distinct_points(domain: Domain, count: int, context: Context) -> list[Point]:
    points: list[Point] = []
    for _ in range(4 * count):
        if len(points) == count:
            break
        point = domain.draw(context.rng)
        if point not in points:
            points.append(point)
    return points


def _place(point: Point) -> str:
    return "at " + ", ".join(f"{symbol}={value}" for symbol, value in point.items()) if point else "evaluated"


def told_apart(left: arb, right: arb, digits: int) -> tuple[str, str]:
    """Two disjoint balls with as many digits as it takes to see that they differ, and two more."""
    for shown in range(6, 2 * digits + 20):
        texts = left.str(shown, radius=False), right.str(shown, radius=False)
        if texts[0] != texts[1]:
            return left.str(shown + 2, radius=False), right.str(shown + 2, radius=False)
    return left.str(digits), right.str(digits)


def certainly(left: arb, relation: str, right: arb) -> bool:
    """Whether the relation holds for every choice of a number in each ball."""
    if not (left.is_finite() and right.is_finite()):
        return False
    if relation == "<":
        return left < right
    if relation == "<=":
        return left <= right
    return left > right if relation == ">" else left >= right


def _approach(expr: sp.Expr, statement: Limit) -> str:
    """Two values on the way to the limit, for the reader."""
    steps = (
        [sp.sign(statement.point) * 10**k for k in (3, 6)]
        if statement.point.is_infinite
        else [statement.point + sp.Rational(1, 10**k) for k in (3, 6)]
    )
    try:
        seen = [f"{_enclosed(expr, {statement.symbol: step}, 15).str(8, radius=False)} at {step}" for step in steps]
    except UNABLE as error:
        return str(error)
    return f"it is {' and '.join(seen)}, claimed to tend to {statement.value}"
