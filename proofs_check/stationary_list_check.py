"""The check of a list: "on these spheres the risk has these stationary points and no others".

The points are enclosed and counted with proofs (`numerics.solve`), each with its Riemannian index and a ball for its
risk, and compared with the rows of the list. A point more or less, a wrong index or a wrong digit refutes the claim,
with the point as witness. How an index grows with the dimension is read off the same risk with one more dimension.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp
from flint import arb

from numerics.critical import Landscape, nature_at
from numerics.exact_numbers import constant_ball
from numerics.manifolds import ProductOfSpheres
from numerics.solve import stationary_points
from numerics.symmetries import linear_symmetries
from theory.risk import Risk
from theory.statement import evaluate_expectations
from theory.stationary import StationaryPoint, StationarySet
from theory.stationary_list import StationaryList

from .check import Check, Checkable, Context
from .verdict import Evidence, Outcome, Verdict, Witness

__all__ = ["CertifiedList"]

BITS = 256


@dataclass(frozen=True)
class CertifiedList(Check):
    """Encloses, counts and classifies all stationary points on spheres, and compares them with a list.

    Args:
        seconds: time budget of the check; by default the context's.

    Verdicts: *holds* (certified, "complete") when the search covered the spheres and every row is met; *fails* with
    a point that no row has room for, or a row that is not met; *undecided* otherwise, with what was proven.
    """

    seconds: float | None = None

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Find all stationary points and put each into its row."""
        start = time.monotonic()
        statement = claim.statement
        if not isinstance(statement, StationaryList):
            kind = type(statement).__name__
            raise TypeError(f"CertifiedList checks a StationaryList, got {kind} in {claim.name}")
        statement = statement.map(evaluate_expectations)
        seconds = context.seconds if self.seconds is None else self.seconds
        found = _search(statement.expr, statement.variables, tuple(map(len, statement.spheres)), seconds)

        def verdict(outcome: Outcome, scope: str, reason: str, witness: Witness | None = None) -> Verdict:
            evidence = None if outcome is Outcome.UNDECIDED else Evidence.CERTIFIED
            return Verdict(outcome, evidence, scope, reason, witness, context.seed, time.monotonic() - start)

        if found.orbits:
            return verdict(Outcome.UNDECIDED, "", f"expected isolated points, got the orbit {found.orbits[0]}")
        left = [row.number for row in statement.rows]
        wider = None if statement.wider is None else _landscape(*statement.wider)
        for point in found:
            place = _row_of(statement, point, wider)
            if place is None:
                return verdict(Outcome.UNDECIDED, "", f"the index or risk of {point} was not decided")
            if place < 0 or not left[place]:
                seen = f"index {point.certificate.index}, risk {float(point.value()):.8g}"
                allowed = "one in the list, with its index for every d" if place < 0 else f"{statement.rows[place]}"
                return verdict(Outcome.FAILS, "", found.termination, Witness(_place(point), seen, allowed, "point"))
            left[place] -= 1
        if not found.complete:
            proven = f"{len(found)} of {statement.number} points proven; {found.termination}"
            return verdict(Outcome.UNDECIDED, "", proven)
        for missing, row in zip(left, statement.rows, strict=True):
            if missing:
                note = f"stationary points of index {row.index} and risk {sp.N(row.risk, 8)}"
                return verdict(
                    Outcome.FAILS, "", found.termination, Witness({}, str(row.number - missing), str(row.number), note)
                )
        reason = f"exactly {statement.number} stationary points, each enclosed; the rest is proven to hold none"
        return verdict(Outcome.HOLDS, "complete", reason)


@lru_cache(maxsize=4)
def _search(expr: sp.Expr, variables: tuple[sp.Symbol, ...], spheres: tuple[int, ...], seconds: float) -> StationarySet:
    """All stationary points; several lists about one risk are compared with one search."""
    return stationary_points(Risk(expr, variables), None, ProductOfSpheres(*spheres), seconds)


@lru_cache(maxsize=4)
def _landscape(expr: sp.Expr, spheres: tuple[tuple[sp.Symbol, ...], ...]) -> Landscape:
    """The risk with one more dimension, its spheres and its symmetries."""
    variables = tuple(x for sphere in spheres for x in sphere)
    equations = tuple(sp.Add(*(x**2 for x in sphere)) - 1 for sphere in spheres)
    generators = linear_symmetries(expr, variables, dict.fromkeys(variables, (-1.0, 1.0)), spheres)
    return Landscape(expr, variables, equations, generators)


def _row_of(statement: StationaryList, point: StationaryPoint, wider: Landscape | None) -> int | None:
    """The row a point belongs to; −1 when proven to be in none, None when undecided."""
    index, value = point.certificate.index, point.value()
    if index is None:
        return None
    half = sp.Rational(1, 2 * 10**statement.digits)
    undecided = False
    for i, row in enumerate(statement.rows):
        low, high = (constant_ball(row.risk + side)(BITS) for side in (-half, half))
        if row.index != index or value < low or value > high:
            continue
        if not (value > low and value < high):
            undecided = True
            continue
        if row.gain is not None and wider is not None:
            gained = _gain(statement, point, wider, index)
            if gained is None:
                return None
            if gained != row.gain:
                continue
        return i
    return None if undecided else -1


def _gain(statement: StationaryList, point: StationaryPoint, wider: Landscape, index: int) -> int | None:
    """By how much the index is larger with one more dimension."""
    assert statement.wider is not None
    at: list[arb] = []
    for sphere, larger in zip(statement.spheres, statement.wider[1], strict=True):
        at += [_ball(point[x]) for x in sphere] + [arb(0)] * (len(larger) - len(sphere))
    _, signs, _ = nature_at(wider, tuple(at))
    return None if signs[2] else signs[1] - index


def _ball(value: object) -> arb:
    return value if isinstance(value, arb) else constant_ball(value)(BITS)  # type: ignore[arg-type]


def _place(point: StationaryPoint) -> dict:
    return {x: value if isinstance(value, sp.Basic) else value.str(10, radius=False) for x, value in point.at}
