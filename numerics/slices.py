"""Parts of a space that every orbit meets, and coordinates on spheres: what branch and prune can search.

**Slices.** A one-parameter group that turns the pairs (x_p, y_p) moves every point to one with y_p = 0 ≤ x_p for the
pair p that is longest. Where x_p > 0 the group leaves the slice, so that a stationary point of the risk restricted to
{y_p = 0} is one of the risk; where all pairs vanish the point is fixed and the slope in y_p is zero by symmetry. Hence

    stationary points = orbits of the stationary points of R on the slices {y_p = 0, x_p ≥ 0, x_p² ≥ x_q² + y_q²}

A coordinate that does not matter is set to one value. A restricted risk may have symmetries again.

**Charts.** A unit vector is seen from the pole −e_n or e_n:

    x_i = 2y_i/(1 + |y|²),  x_n = ±(1 − |y|²)/(1 + |y|²),  |y| ≤ 1

Two charts cover the sphere; stationary points and the signs of the Hessian there do not depend on the chart.

Definitions: `Part` (a risk on a box and on spheres), `slices_of`, `Chart`, `charts_of`.

Reference: R. Palais, Comm. Math. Phys. 69 (1979), the principle of symmetric criticality.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import sympy as sp

from .symmetries import Generator, linear_symmetries, sign_symmetries

__all__ = ["Chart", "Part", "charts_of", "slices_of"]

Ends = tuple[sp.Expr, sp.Expr]


@dataclass(frozen=True)
class Part:
    """A risk on part of a space: some coordinates in intervals, some on unit spheres, some fixed.

    Args:
        expr: the risk in the coordinates that are left.
        intervals: exact ends by coordinate, for those on spheres too.
        spheres: groups of coordinates of unit vectors.
        constraints: nonnegative where a point counts.
        fixed: coordinates that have been given a value.
        turned: by what group the part was reached.
    """

    expr: sp.Expr
    intervals: tuple[tuple[sp.Symbol, Ends], ...]
    spheres: tuple[tuple[sp.Symbol, ...], ...] = ()
    constraints: tuple[sp.Expr, ...] = ()
    fixed: tuple[tuple[sp.Symbol, sp.Expr], ...] = ()
    turned: tuple[Generator, ...] = ()

    @cached_property
    def variables(self) -> tuple[sp.Symbol, ...]:
        """The coordinates that are not fixed."""
        return tuple(x for x, _ in self.intervals)

    @cached_property
    def floats(self) -> dict[sp.Symbol, tuple[float, float]]:
        """The intervals, roughly."""
        return {x: (float(low), float(high)) for x, (low, high) in self.intervals}

    @cached_property
    def symmetries(self) -> tuple[Generator, ...]:
        """Linear symmetries of the restricted risk and of its spheres."""
        return linear_symmetries(self.expr, self.variables, self.floats, self.spheres)


def slices_of(part: Part) -> tuple[list[Part], tuple[Generator, ...]]:
    """Parts without a continuous symmetry, whose stationary points stand for all orbits.

    Returns:
        The parts, and the symmetries that could not be taken out: none if the parts are enough.

    >>> x, y = sp.symbols("x y", real=True)
    >>> parts, left = slices_of(Part((x**2 + y**2 - 1)**2, ((x, (-2, 2)), (y, (-2, 2)))))
    >>> parts[0].expr, parts[0].intervals, left
    ((x**2 - 1)**2, ((x, (0, 2*sqrt(2))),), ())
    """
    if not part.symmetries:
        return [part], ()
    stuck: list[Generator] = []
    for generator in part.symmetries:
        pieces = _cut(part, generator)
        if pieces is None:
            stuck.append(generator)
            continue
        leaves: list[Part] = []
        for piece in pieces:
            found, left = slices_of(piece)
            if left:
                return [part], left
            leaves += found
        return leaves, ()
    return [part], tuple(stuck)


def _cut(part: Part, generator: Generator) -> list[Part] | None:
    """The slices of one generator; None when it is of no kind that is known here, or turns the constraints."""
    variables = part.variables
    if not all(generator.annihilates(c) for c in part.constraints):
        return None
    if generator.idle is not None:
        x = variables[generator.idle]
        low, high = dict(part.intervals)[x]
        return [_fix(part, generator, x, sp.Integer(0) if low <= 0 <= high else (low + high) / 2)]
    if not generator.rotations:
        return None
    pairs = [(variables[i], variables[j]) for i, j, _ in generator.rotations]
    ends = dict(part.intervals)
    bound = {x for sphere in part.spheres for x in sphere}
    longest = {}
    for x, y in pairs:
        if x in bound:
            longest[x, y] = sp.Integer(1)
            continue
        sides = [max(-low, high, key=lambda v: v) for low, high in (ends[x], ends[y])]
        longest[x, y] = sp.sqrt(sides[0] ** 2 + sides[1] ** 2)
    pieces = []
    for x, y in pairs:
        intervals = dict(ends)
        constraints = list(part.constraints)
        for p, q in pairs:
            far, near = longest[p, q], _nearest(ends[p], ends[q]) if p not in bound else sp.Integer(0)
            if p == x:
                intervals[p] = (near, far)
                continue
            intervals[p] = intervals[q] = (-far, far)
            constraints.append(x**2 - p**2 - q**2)
            if near > 0:
                constraints.append(p**2 + q**2 - near**2)
        intervals = {s: (low, high) for s, (low, high) in intervals.items()}
        wider = replace(part, intervals=tuple(intervals.items()), constraints=tuple(constraints))
        pieces.append(_fix(wider, generator, y, sp.Integer(0)))
    return pieces


def _nearest(one: Ends, other: Ends) -> sp.Expr:
    """The least norm of a point of a rectangle."""
    gaps = [sp.Max(low, -high, 0) for low, high in (one, other)]
    return sp.sqrt(gaps[0] ** 2 + gaps[1] ** 2)


def _fix(part: Part, generator: Generator, x: sp.Symbol, value: sp.Expr) -> Part:
    return replace(
        part,
        expr=part.expr.xreplace({x: value}),
        intervals=tuple((y, ends) for y, ends in part.intervals if y != x),
        spheres=tuple(tuple(y for y in sphere if y != x) for sphere in part.spheres),
        constraints=tuple(c.xreplace({x: value}) for c in part.constraints),
        fixed=(*part.fixed, (x, value)),
        turned=(*part.turned, generator),
    )


# --- charts ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chart:
    """Coordinates on part of a space: every coordinate of the part as a function of free ones in a box."""

    at: tuple[tuple[sp.Symbol, sp.Expr], ...]
    intervals: tuple[tuple[sp.Symbol, Ends], ...]
    constraints: tuple[sp.Expr, ...]

    @cached_property
    def variables(self) -> tuple[sp.Symbol, ...]:
        """The free coordinates."""
        return tuple(y for y, _ in self.intervals)

    def pulled(self, expr: sp.Expr) -> sp.Expr:
        """An expression of the part in the coordinates of the chart."""
        return expr.xreplace(dict(self.at))


def charts_of(part: Part) -> tuple[list[Chart], tuple[frozenset[sp.Symbol], ...]]:
    """Charts that cover a part up to changes of sign, and these changes of sign.

    Returns:
        The charts, and a basis of the sign changes that leave the risk and the constraints alone; images of points
        under them complete the cover.

    >>> x, y = sp.symbols("x y", real=True)
    >>> charts, signs = charts_of(Part(x, ((x, (-1, 1)), (y, (-1, 1))), ((x, y),)))
    >>> len(charts), signs
    (1, (frozenset({y}),))
    """
    variables = part.variables
    flips = sign_symmetries((part.expr, *part.constraints), variables, part.floats)
    signs = tuple(frozenset(variables[i] for i in flip) for flip in flips)
    pivots = [variables[min(flip)] for flip in flips]
    bound = {x for sphere in part.spheres for x in sphere}
    ends = dict(part.intervals)
    free = [(x, (max(low, 0) if x in pivots else low, high)) for x, (low, high) in part.intervals if x not in bound]
    options = [list(_caps(sphere, pivots, ends)) for sphere in part.spheres]
    charts = []
    for caps in product(*options):
        at = dict(pair for cap in caps for pair in cap[0].items())
        intervals = (*free, *(pair for cap in caps for pair in cap[1]))
        own = [c for cap in caps for c in cap[2]]
        pulled = [c.xreplace(at) for c in part.constraints]
        charts.append(Chart(tuple(at.items()), tuple(intervals), (*own, *pulled)))
    return charts, signs


Cap = tuple[dict[sp.Symbol, sp.Expr], list[tuple[sp.Symbol, Ends]], list[sp.Expr]]


def _caps(sphere: tuple[sp.Symbol, ...], pivots: list[sp.Symbol], ends: Mapping[sp.Symbol, Ends]) -> Iterator[Cap]:
    """Halves of a sphere seen from a pole, one of them if a coordinate that may be taken nonnegative is the pole."""
    positive = [x for x in sphere if x in pivots or ends[x][0] >= 0]
    pole = positive[0] if positive else sphere[-1]
    others = [x for x in sphere if x != pole]
    flat = {x: sp.Dummy(f"y_{x}", real=True) for x in others}
    square = sp.Add(*(y**2 for y in flat.values()))
    for sign in (1,) if positive else (1, -1):
        at = {x: 2 * y / (1 + square) for x, y in flat.items()}
        at[pole] = sign * (1 - square) / (1 + square)
        intervals = [(y, (sp.Integer(0 if x in positive else -1), sp.Integer(1))) for x, y in flat.items()]
        yield at, intervals, [1 - square] if len(others) > 1 else []
