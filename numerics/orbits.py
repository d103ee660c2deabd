"""All stationary points up to symmetry: points, orbits, and the proof that there are no others.

A risk with a continuous symmetry has whole orbits of stationary points. The groups are found first
(`numerics.symmetries`), taken out by slices, unit vectors are put into charts (`numerics.slices`), and branch and
prune proves the list complete there (`numerics.certify`). Each zero is carried back, copied by the changes of sign,
and told apart from the others; its nature is read where it is, on the manifold and across its orbit
(`numerics.critical`). Where a symmetry cannot be taken out, or a manifold has no charts here, points are looked for
from many starts and proven one by one, and the list is not called complete.

Definitions: `stationary_up_to_symmetry`, `stationary_from_starts`.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp
from flint import acb, arb, ctx
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from theory.stationary import Box, Certificate, Nature, Orbit, StationaryPoint, StationarySet

from .balls import compile_balls
from .cells import rational_hull, touch
from .certify import Zero, certified_zeros
from .critical import Landscape, candidates, certify_point, nature_at
from .exact_numbers import constant_ball
from .intervals import IntervalProgram
from .krawczyk import Point, is_apart, lies_in
from .slices import Chart, Part, charts_of, slices_of
from .symmetries import Generator, symmetry_text

__all__ = ["stationary_from_starts", "stationary_up_to_symmetry"]

Array = NDArray[np.float64]

BITS = 256
MEET = 1e-9
"""Two representatives that the group brings this close, in floats, are one orbit: proven regions are far larger."""
OUT_OF_SIGHT = "no point of an orbit was seen inside the box, which it may touch"
TURNS, SWEEPS, SEEN = 12, 200, 4000


@dataclass(frozen=True)
class _Found:
    """A stationary point in all coordinates."""

    at: Point
    exact: tuple[sp.Expr | None, ...]
    simple: bool
    moving: tuple[Generator, ...]
    signature: tuple[int, int, int]
    eigenvalues: tuple[acb, ...]
    value: arb


def stationary_up_to_symmetry(landscape: Landscape, part: Part, seconds: float) -> StationarySet:
    """All stationary points of a risk on a box and spheres, up to its continuous symmetries.

    Args:
        landscape: the risk, the equations of the spheres, its linear symmetries.
        part: the same risk, with intervals, spheres and constraints.
        seconds: time budget.
    """
    parts, stuck = slices_of(part)
    found = _searched(landscape, part, parts, seconds if not stuck else seconds / 2)
    if not stuck or found.complete:
        return found
    proven = stationary_from_starts(landscape, part, _starts(part))
    reason = f"{found.termination} The symmetry ({symmetry_text(stuck)}) could not be taken out. {proven.termination}"
    return StationarySet(proven.points, proven.orbits, found.unresolved, False, reason)


def _searched(landscape: Landscape, whole: Part, parts: Sequence[Part], seconds: float) -> StationarySet:
    """Branch and prune on every chart of every part."""
    deadline = time.monotonic() + seconds
    gathered: list[_Found] = []
    unresolved: list[Box] = []
    reasons: list[str] = []
    cells = 0
    jobs = [(piece, *charts_of(piece)) for piece in parts]
    left = sum(len(charts) for _, charts, _ in jobs)
    for piece, charts, signs in jobs:
        for chart in charts:
            budget = max(deadline - time.monotonic(), 0.0) / left
            left -= 1
            zeros, boxes, reason, count = _search(piece, chart, budget)
            cells += count
            reasons += [reason] if reason else []
            for box in boxes:
                unresolved += _mirrored(_ambient_box(landscape, piece, chart, box), signs)
            for zero in zeros:
                home = _carried(landscape, piece, chart, zero)
                for image in _images(landscape, home, signs):
                    inside = _admissible(whole, landscape, image)
                    if inside is False:
                        continue
                    trouble = _gather(landscape, image, gathered) if inside else OUT_OF_SIGHT
                    if trouble:
                        reasons.append(trouble)
                        unresolved.append(rational_hull(landscape.variables, image.at))
    kept = [found for found in gathered if not (found.simple is False and _touches(found, landscape, unresolved))]
    points, orbits = _reported(landscape, kept)
    group = symmetry_text(landscape.generators)
    if unresolved:
        sentence = "; ".join(dict.fromkeys(reasons)) + f" ({cells} cells examined)."
        sentence = sentence[0].upper() + sentence[1:]
    else:
        sentence = f"The domain is covered ({cells} cells examined): it holds no other stationary point"
        sentence += f", up to {group}." if group else "."
    return StationarySet(points, orbits, tuple(unresolved), not unresolved, sentence)


# --- one chart of one part ------------------------------------------------------------------------


def _search(part: Part, chart: Chart, seconds: float) -> tuple[list[Zero], list[Box], str, int]:
    """Zeros of the slope in one chart, what is unresolved, why, and how many cells were examined."""
    if any(c.is_negative for c in chart.constraints):
        return [], [], "", 0
    if not chart.variables:
        return [Zero((), (), (), True)], [], "", 0
    first, second = chart.slopes(part)
    jacobian = second if chart.at else None
    found = certified_zeros(
        first, chart.variables, dict(chart.intervals), seconds, chart.constraints, jacobian=jacobian
    )
    return (
        list(found),
        list(found.unresolved),
        "" if found.complete else found.termination.rpartition(" (")[0],
        found.cells,
    )


def _carried(landscape: Landscape, part: Part, chart: Chart, zero: Zero) -> tuple[Point, tuple, bool]:
    """A zero of a chart in all coordinates: balls, exact values where known, whether it is simple."""
    known = dict(chart.at)
    known.update((y, y) for y in chart.variables if y in part.variables)
    known.update(part.fixed)
    exact_chart = {y: v for y, v in zip(chart.variables, zero.exact, strict=True) if v is not None}
    formulas = [known[x] for x in landscape.variables]
    with ctx.workprec(BITS):
        balls = tuple(compile_balls(formulas, chart.variables)(zero.box, BITS))
    exact: list[sp.Expr | None] = []
    for formula in formulas:
        value = formula.xreplace(exact_chart)
        exact.append(value if not value.free_symbols else None)
    balls = tuple(constant_ball(v)(BITS) if v is not None else b for b, v in zip(balls, exact, strict=True))
    return balls, tuple(exact), zero.simple


def _images(
    landscape: Landscape, home: tuple[Point, tuple, bool], signs: Sequence[frozenset[sp.Symbol]]
) -> Iterable[_Found]:
    """The point and its copies under the changes of sign, each with its nature."""
    at, exact, simple = home
    moving, signature, eigenvalues = nature_at(landscape, at)
    value = landscape.value_ball(at, BITS)[0]
    for chosen in itertools.product((False, True), repeat=len(signs)):
        flipped: set[sp.Symbol] = set()
        for use, flip in zip(chosen, signs, strict=True):
            flipped ^= flip if use else frozenset()
        turn = [-1 if x in flipped else 1 for x in landscape.variables]
        image = tuple(s * x for s, x in zip(turn, at, strict=True))
        values = tuple(v if v is None else s * v for s, v in zip(turn, exact, strict=True))
        again = moving if not flipped else nature_at(landscape, image)[0]
        yield _Found(image, values, simple, again, signature, eigenvalues, value)


def _gather(landscape: Landscape, new: _Found, gathered: list[_Found]) -> str:
    """Take in a point unless it is known; what is wrong when that cannot be told."""
    for known in gathered:
        if len(known.moving) != len(new.moving) or not known.value.overlaps(new.value):
            continue
        if new.moving:
            if _on_one_orbit(landscape, known, new):
                return ""
        elif not is_apart(known.at, new.at):
            if all(a is not None and a == b for a, b in zip(known.exact, new.exact, strict=True)):
                return ""
            proof = certify_point(landscape, [x.mid() for x in new.at])
            if proof is not None and lies_in(known.at, proof.region) and lies_in(new.at, proof.region):
                return ""
            return "two stationary points could not be told apart"
    gathered.append(new)
    return ""


def _admissible(part: Part, landscape: Landscape, found: _Found) -> bool | None:
    """Whether a point, or some point of its orbit, lies in the domain or on its edge; None when none was seen there."""
    if part.constraints:
        values = compile_balls(list(part.constraints), landscape.variables)(found.at, BITS)
        if any(value < 0 for value in values):
            return False
    ends = dict(part.intervals)
    sides = [(constant_ball(ends[x][0])(64), constant_ball(ends[x][1])(64)) for x in landscape.variables]
    if not any(x < low or x > high for x, (low, high) in zip(found.at, sides, strict=True)):
        return True
    if not found.moving:
        return False
    turns = [g.rotations for g in landscape.generators if g.rotations]
    low, high = (np.array([float(side[i]) for side in sides]) for i in (0, 1))
    point, rng = np.array([float(x) for x in found.at]), np.random.default_rng(4)
    for _ in range(SEEN):
        for pairs in turns:
            point = _turned(point, pairs, rng.uniform(-np.pi, np.pi))
        if np.all((point >= low) & (point <= high)):
            return True
    return None


def _on_one_orbit(landscape: Landscape, known: _Found, new: _Found) -> bool:
    """Whether some element of the group, found in floats, brings one representative to the other."""
    if any(not a.overlaps(b) for a, b in zip(known.eigenvalues, new.eigenvalues, strict=True)):
        return False
    target, start = (np.array([float(x) for x in found.at]) for found in (known, new))
    turns = [g.rotations for g in landscape.generators if g.rotations]
    rng = np.random.default_rng(2)
    for i in range(1 if len(turns) == 1 else TURNS):
        point = start.copy()
        for pairs in turns if i else ():  # other starts: coordinate ascent has local maxima
            point = _turned(point, pairs, rng.uniform(-np.pi, np.pi))
        for _ in range(SWEEPS):
            before = point
            for pairs in turns:
                point = _turned(point, pairs, _best_angle(point, target, pairs))
            if np.max(np.abs(point - target)) < MEET:
                return True
            if np.max(np.abs(point - before)) < MEET / 10:
                break
    return False


Turns = tuple[tuple[int, int, sp.Rational], ...]


def _turned(point: Array, pairs: Turns, angle: float) -> Array:
    turned = point.copy()
    for i, j, speed in pairs:
        c, s = np.cos(angle * float(speed)), np.sin(angle * float(speed))
        turned[i], turned[j] = c * point[i] - s * point[j], s * point[i] + c * point[j]
    return turned


def _best_angle(point: Array, target: Array, pairs: Turns) -> float:
    """The angle that brings a point closest to the target: in closed form when all pairs turn alike."""
    if len({abs(speed) for _, _, speed in pairs}) == 1:
        overlap = complex(0)
        for i, j, speed in pairs:
            product = complex(target[i], target[j]) * complex(point[i], -point[j])
            overlap += product if speed > 0 else product.conjugate()
        return float(np.angle(overlap)) / float(abs(pairs[0][2]))
    angles = np.linspace(-np.pi, np.pi, 4000) * max(int(speed.q) for _, _, speed in pairs)
    gaps = [np.sum((_turned(point, pairs, a) - target) ** 2) for a in angles]
    near = float(angles[int(np.argmin(gaps))])
    return float(minimize_scalar(lambda a: np.sum((_turned(point, pairs, a) - target) ** 2), (near, near + 1e-3)).x)


# --- what is reported -----------------------------------------------------------------------------


def _reported(
    landscape: Landscape, gathered: Sequence[_Found]
) -> tuple[tuple[StationaryPoint, ...], tuple[Orbit, ...]]:
    points: list[tuple[list[float], StationaryPoint]] = []
    orbits: list[tuple[list[float], Orbit]] = []
    for found in gathered:
        at = {x: b if v is None else v for x, b, v in zip(landscape.variables, found.at, found.exact, strict=True)}
        certificate = Certificate(
            box=rational_hull(landscape.variables, found.at),
            method="unique by the Krawczyk test" if found.simple else "isolated by exact factors",
            simple=found.simple,
            nature=Nature.from_signature(*found.signature),
            signature=found.signature,
            eigenvalues=found.eigenvalues,
            value=found.value,
        )
        place = [round(float(x), 9) for x in found.at]
        if found.moving:
            moved = [g for g in landscape.generators if _moves(g, found)]
            orbits.append((place, Orbit(tuple(at.items()), len(found.moving), symmetry_text(moved), certificate)))
        else:
            points.append((place, StationaryPoint(tuple(at.items()), certificate)))
    order: Callable[[tuple], list[float]] = lambda pair: pair[0]  # noqa: E731
    return tuple(p for _, p in sorted(points, key=order)), tuple(o for _, o in sorted(orbits, key=order))


def _moves(generator: Generator, found: _Found) -> bool:
    point = np.array([float(x) for x in found.at])
    velocity = np.array(generator.matrix, dtype=float) @ point + np.array(generator.shift, dtype=float).ravel()
    return bool(np.max(np.abs(velocity)) > 1e-7)


def _touches(found: _Found, landscape: Landscape, boxes: Sequence[Box]) -> bool:
    hull = rational_hull(landscape.variables, found.at)
    return any(touch(hull, box) for box in boxes)


def _ambient_box(landscape: Landscape, part: Part, chart: Chart, box: Box) -> Box:
    """A box of a chart as a box of all coordinates."""
    known = dict(chart.at)
    known.update((y, y) for y in chart.variables if y in part.variables)
    known.update(part.fixed)
    sides = [
        (np.array([np.nextafter(float(low), -np.inf)]), np.array([np.nextafter(float(high), np.inf)]))
        for _, low, high in box
    ]
    ends = IntervalProgram([known[x] for x in landscape.variables], chart.variables)(sides)
    return tuple(
        (x, sp.Rational(float(low[0])), sp.Rational(float(high[0])))
        for x, (low, high) in zip(landscape.variables, ends, strict=True)
    )


def _mirrored(box: Box, signs: Sequence[frozenset[sp.Symbol]]) -> list[Box]:
    """A box and its images under the changes of sign."""
    images = {box}
    for flip in signs:
        images |= {tuple((x, -high, -low) if x in flip else (x, low, high) for x, low, high in one) for one in images}
    return sorted(images, key=str)


# --- from many starts -----------------------------------------------------------------------------


def stationary_from_starts(landscape: Landscape, part: Part, starts: Array) -> StationarySet:
    """Stationary points proven one by one from guesses; nothing is said about others."""
    ends = np.array([part.floats[x] for x in landscape.variables])
    gathered: list[_Found] = []
    groups: list[tuple[float, ...]] = []
    for guess in candidates(landscape, starts, inside=(ends[:, 0], ends[:, 1])):
        if landscape.generators:
            value = float(landscape.value_ball([arb(x) for x in guess], 64)[0])
            if any(abs(value - other[0]) < 1e-7 * (1 + abs(value)) for other in groups):
                continue
            groups.append((value,))
        proof = certify_point(landscape, guess)
        if proof is None:
            continue
        exact: tuple[sp.Expr | None, ...] = (None,) * len(guess)
        new = _Found(proof.at, exact, True, proof.generators, proof.signature, proof.eigenvalues, proof.value)
        if _admissible(part, landscape, new):
            _gather(landscape, new, gathered)
    points, orbits = _reported(landscape, gathered)
    sentence = f"Newton's method from {len(starts)} starts; each point is proven, nothing is proven about others."
    return StationarySet(points, orbits, (), False, sentence)


def _starts(part: Part, count: int = 200) -> Array:
    rng = np.random.default_rng(3)
    ends = np.array([part.floats[x] for x in part.variables])
    points = rng.uniform(ends[:, 0], ends[:, 1], (count, len(ends)))
    for sphere in part.spheres:
        at = [part.variables.index(x) for x in sphere]
        vectors = rng.standard_normal((count, len(at)))
        points[:, at] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return points
