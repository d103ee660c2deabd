"""The check of a count: "the field has exactly so many zeros in the box, these, of this nature".

At a generic point of the claim's remaining parameters the zeros are enclosed and counted with
proofs (`numerics.certify`), and compared with what the statement names. One wrong count, one
named point that is no zero, or one wrong nature refutes the claim, with the zero as witness.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

import sympy as sp
from flint import arb

from numerics.balls import compile_ball
from numerics.certify import Zero, Zeros, certified_zeros, flow_signature, jacobian_balls, signature
from numerics.solve import is_singular
from theory.identity import reduces_to_zero
from theory.statement import StationaryCount, evaluate_expectations
from theory.stationary import Nature

from .check import Check, Checkable, Context
from .verdict import Evidence, Outcome, Verdict, Witness

__all__ = ["CertifiedZeros"]

BITS = 256


@dataclass(frozen=True)
class CertifiedZeros(Check):
    """Encloses and counts all zeros of a field at generic points of the remaining parameters.

    A claim with `natures` is about the flow ẋ = field(x) of a descent: a zero that attracts is a
    minimum, one that repels a maximum, one that does both a saddle.

    Args:
        points: how many parameter points are drawn from the claim's domain.
        seconds: time budget of the check; by default the context's.
        of_gradient: the field is a gradient rather than a flow, so that natures are read from the
            signs of its Jacobian, the Hessian.

    Verdicts: *holds* (certified, "complete at n parameter points") when at every point the search
    was complete and everything agreed; *fails* with the zero that is too many, missing, or of
    another nature; *undecided* otherwise.
    """

    points: int = 3
    seconds: float | None = None
    of_gradient: bool = False

    def __post_init__(self) -> None:
        if self.points < 1:
            raise ValueError(f"expected points >= 1, got points={self.points}")

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Count the zeros at each parameter point; the first disagreement ends the check."""
        start = time.monotonic()
        statement = claim.statement
        if not isinstance(statement, StationaryCount):
            kind = type(statement).__name__
            raise TypeError(f"CertifiedZeros checks a StationaryCount, got {kind} in {claim.name}")
        statement = statement.map(evaluate_expectations)
        seconds = context.seconds if self.seconds is None else self.seconds

        def verdict(outcome: Outcome, scope: str, reason: str, witness: Witness | None = None) -> Verdict:
            evidence = None if outcome is Outcome.UNDECIDED else Evidence.CERTIFIED
            return Verdict(outcome, evidence, scope, reason, witness, context.seed, time.monotonic() - start)

        needed = _parameters(statement)
        unknown = sorted(symbol.name for symbol in needed - set(claim.domain.symbols))
        if unknown:
            return verdict(Outcome.UNDECIDED, "", f"the claim's domain says nothing of {', '.join(unknown)}")
        draws = self.points if needed else 1
        doubts: list[str] = []
        for i in range(draws):
            left = start + seconds - time.monotonic()
            if left <= 0:
                doubts.append(f"the budget of {seconds:g} s ended after {i} of {draws} parameter points")
                break
            drawn = claim.domain.draw(context.rng) if needed else {}
            point = {symbol: drawn[symbol] for symbol in sorted(needed, key=str)}
            there = statement.map(methodcaller("xreplace", point))
            found = certified_zeros(there.field, there.variables, dict(there.box), left / (draws - i))
            witness, doubt = self._compare(there, found, point)
            if witness is not None:
                return verdict(Outcome.FAILS, "at one parameter point", found.termination, witness)
            if doubt:
                doubts.append(doubt)
        if doubts:
            return verdict(Outcome.UNDECIDED, "", doubts[0])
        scope = f"complete at {draws} parameter point{'s' if draws > 1 else ''}" if needed else "complete"
        zeros = f"exactly {statement.number} zero{'s' if statement.number != 1 else ''}"
        return verdict(Outcome.HOLDS, scope, f"{zeros}, each enclosed; the rest of the box is proven to hold none")

    def _compare(self, statement: StationaryCount, found: Zeros, point: Mapping) -> tuple[Witness | None, str]:
        """A witness against the statement at one parameter point, or why it is not decided, or neither."""
        variables = statement.variables
        doubts = [] if found.complete else [found.termination]
        matched: list[Zero] = []
        for i, named in enumerate(statement.points):
            zero, refuted = _match(statement, found, named)
            place = {**point, **named}
            if refuted:
                return Witness(place, refuted, "a zero in the box", "a zero that is named"), ""
            if zero is None:
                doubts.append(f"the named zero {_text(named)} was not matched to an enclosed one")
                continue
            matched.append(zero)
            if statement.natures is None:
                continue
            claimed, nature = Nature(statement.natures[i]), self._nature(statement, zero)
            if nature is Nature.UNKNOWN:
                doubts.append(f"the nature of {_text(named)} was not decided")
            elif nature is not claimed:
                return Witness(place, nature.value, claimed.value, "nature"), ""
        claimed_number = statement.number or 0
        too_many = len(found) > claimed_number
        if too_many or (found.complete and len(found) < claimed_number):
            extra = next((zero for zero in found if zero not in matched), None) if too_many else None
            where = {} if extra is None else dict(zip(variables, _shown(extra), strict=True))
            shown = "; one that is not named is shown" if statement.points and extra else ""
            note = f"certified zeros in the box{shown}"
            return Witness({**point, **where}, str(len(found)), str(claimed_number), note), ""
        return None, doubts[0] if doubts else ""

    def _nature(self, statement: StationaryCount, zero: Zero) -> Nature:
        jacobian = jacobian_balls(statement.field, statement.variables, zero.box, BITS)
        signs = signature(jacobian) if self.of_gradient else flow_signature(jacobian)
        nature = Nature.from_signature(*signs)
        if nature is Nature.UNKNOWN and is_singular(statement.field, statement.variables, zero):
            return Nature.DEGENERATE
        return nature


def _parameters(statement: StationaryCount) -> set[sp.Symbol]:
    expressions = [*statement.field, *(end for _, ends in statement.box for end in ends)]
    expressions += [value for named in statement.points for value in named.values()]
    return set().union(*(expr.free_symbols for expr in expressions)) - set(statement.variables)


def _match(statement: StationaryCount, found: Zeros, named: Mapping[sp.Symbol, sp.Expr]) -> tuple[Zero | None, str]:
    """The certified zero that a named point is; or why it is none."""
    exact = tuple(named[x] for x in statement.variables)
    balls = tuple(compile_ball(value, ())((), BITS) for value in exact)
    ends = [tuple(compile_ball(end, ())((), BITS) for end in ends) for _, ends in statement.box]
    if any(ball < low or ball > high for ball, (low, high) in zip(balls, ends, strict=True)):
        return None, "outside the box"
    for f in statement.field:
        value = compile_ball(f, statement.variables)(balls, BITS)
        if value.is_finite() and not value.contains(0):
            return None, f"a component of the field is {arb(value).str(8, radius=False)}"
    for zero in found:
        pairs = list(zip(zero.exact, exact, strict=True))
        if all(value is not None and reduces_to_zero(value - claimed) for value, claimed in pairs):
            return zero, ""
    # A region holds one zero: a named point inside it that is proven to be a zero is that one.
    inside = [zero for zero in found if all(r.contains(b) for r, b in zip(zero.region, balls, strict=True))]
    at = dict(zip(statement.variables, exact, strict=True))
    if inside and all(reduces_to_zero(f.xreplace(at)) for f in statement.field):
        return inside[0], ""
    return None, ""


def _shown(zero: Zero) -> Sequence[Any]:
    pairs = zip(zero.box, zero.exact, strict=True)
    return [ball.str(10, radius=False) if exact is None else exact for ball, exact in pairs]


def _text(named: Mapping[sp.Symbol, sp.Expr]) -> str:
    return ", ".join(f"{symbol}={value}" for symbol, value in named.items())
