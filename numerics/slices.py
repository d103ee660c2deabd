"""Parts of a space that every orbit meets, and coordinates on spheres: what branch and prune can search.

**Slices.** A one-parameter group that turns the pairs (x_p, y_p) moves every point to one with y_p = 0 ≤ x_p for the
pair p that is longest. Where x_p > 0 the group leaves the slice, so that a stationary point of the risk restricted to
{y_p = 0} is one of the risk; where all pairs vanish the point is fixed and the slope in y_p is zero by symmetry. Hence

    stationary points = orbits of the stationary points of R on the slices {y_p = 0, x_p ≥ 0, x_p² ≥ x_q² + y_q²}

In the same way O(K) turns the longest row of K coordinates to (x, 0, …, 0) and leaves O(K − 1) to the others.
A coordinate that does not matter is set to one value. A restricted risk may have symmetries again.

**Charts.** A unit vector is seen from the pole −e_n or e_n:

    x_i = 2y_i/(1 + |y|²),  x_n = ±(1 − |y|²)/(1 + |y|²),  |y| ≤ 1

Two charts cover the sphere; stationary points and the signs of the Hessian there do not depend on the chart.

Definitions: `Part` (a risk on a box and on spheres), `slices_of`, `Chart`, `charts_of`.

Reference: R. Palais, Comm. Math. Phys. 69 (1979), the principle of symmetric criticality.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import sympy as sp

from .symmetries import Generator, columns_of, linear_symmetries, sign_symmetries

__all__ = ["Chart", "Part", "charts_of", "slices_of"]

Ends = tuple[sp.Expr, sp.Expr]

BEYOND = sp.Rational(1, 16)
"""How far a search goes past a mirror or an equator, so that a zero on it lies inside."""


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
    def slopes(self) -> list[sp.Expr]:
        """First derivatives."""
        return [self.expr.diff(x) for x in self.variables]

    @cached_property
    def bends(self) -> dict[tuple[int, int], sp.Expr]:
        """Second derivatives by position, i <= j."""
        names, count = self.variables, len(self.variables)
        return {(i, j): self.slopes[i].diff(names[j]) for i in range(count) for j in range(i, count)}

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
    ((x**2 - 1)**2, ((x, (-sqrt(2)/8, 2*sqrt(2))),), ())
    """
    if not part.symmetries:
        return [part], ()
    columns = columns_of(part.symmetries)
    if columns is not None and all(g.annihilates(c) for g in part.symmetries for c in part.constraints):
        return _slices_of_all(_turned_rows(part, list(zip(*columns, strict=True)), part.symmetries[0]), part)
    stuck: list[Generator] = []
    for generator in part.symmetries:
        pieces = _cut(part, generator)
        if pieces is None:
            stuck.append(generator)
            continue
        return _slices_of_all(pieces, part)
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
    return _turned_rows(part, [(variables[i], variables[j]) for i, j, _ in generator.rotations], generator)


def _slices_of_all(pieces: Sequence[Part], part: Part) -> tuple[list[Part], tuple[Generator, ...]]:
    leaves: list[Part] = []
    for piece in pieces:
        found, left = slices_of(piece)
        if left:
            return [part], left
        leaves += found
    return leaves, ()


def _turned_rows(part: Part, rows: Sequence[tuple[sp.Symbol, ...]], generator: Generator) -> list[Part]:
    """For each row the part where it is the longest one and has been turned to (x, 0, …, 0)."""
    bound = {x for sphere in part.spheres for x in sphere}
    ends = dict(part.intervals)
    one, none = sp.Integer(1), sp.Integer(0)
    longest = {row: one if row[0] in bound else _norm(max(-ends[x][0], ends[x][1]) for x in row) for row in rows}
    least = {row: none if row[0] in bound else _norm(sp.Max(ends[x][0], -ends[x][1], 0) for x in row) for row in rows}
    pieces = []
    for row in rows:
        intervals, constraints = dict(ends), list(part.constraints)
        far, near = longest[row], least[row]
        intervals[row[0]] = (near if near > 0 else -BEYOND * far, far)
        for other in rows:
            if other != row:
                square = sp.Add(*(x**2 for x in other))
                intervals.update(dict.fromkeys(other, (-longest[other], longest[other])))
                constraints.append(row[0] ** 2 - square)
                constraints += [square - least[other] ** 2] if least[other] > 0 else []
        piece = replace(part, intervals=tuple(intervals.items()), constraints=tuple(constraints))
        for x in row[1:]:
            piece = _fix(piece, generator, x, none)
        pieces.append(piece)
    return pieces


def _norm(sides: Iterable[sp.Expr]) -> sp.Expr:
    return sp.sqrt(sp.Add(*(side**2 for side in sides)))


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

    def slopes(self, part: Part) -> tuple[list[sp.Expr], list[sp.Expr]]:
        """First and second derivatives, in the chart, of the risk of a part.

            ∂_a = Σ_i R_i ∂_a x_i,    ∂_ab = Σ_ij R_ij ∂_a x_i ∂_b x_j + Σ_i R_i ∂_ab x_i

        left as they are written here: narrower on cells, and quicker, than what comes of differentiating R(x(y)).
        """
        at, own = dict(self.at), self.variables
        if not at:
            return [part.expr.diff(y) for y in own], [part.expr.diff(y).diff(z) for y in own for z in own]
        places = [at.get(x, x) for x in part.variables]
        moves = [[place.diff(y) for y in own] for place in places]
        slopes = [f.xreplace(at) for f in part.slopes]
        bends = {pair: f.xreplace(at) for pair, f in part.bends.items()}
        count, size = range(len(places)), range(len(own))
        first = [sp.Add(*(slopes[i] * moves[i][a] for i in count)) for a in size]
        second: dict[tuple[int, int], sp.Expr] = {}
        for a in size:
            for b in range(a, len(own)):
                terms = [slopes[i] * places[i].diff(own[a]).diff(own[b]) for i in count]
                for i in count:
                    row = sp.Add(*(bends[min(i, j), max(i, j)] * moves[j][b] for j in count))
                    terms.append(moves[i][a] * row)
                second[a, b] = second[b, a] = sp.Add(*terms)
        return first, [second[a, b] for a in size for b in size]


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
    free = [
        (x, (max(low, -BEYOND * high) if x in pivots else low, high))
        for x, (low, high) in part.intervals
        if x not in bound
    ]
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
    positive = [x for x in sphere if x in pivots or ends[x][0] > -1]
    pole = positive[0] if positive else sphere[-1]
    others = [x for x in sphere if x != pole]
    flat = {x: sp.Dummy(f"y_{x}", real=True) for x in others}
    square = sp.Add(*(y**2 for y in flat.values()))
    for sign in (1,) if positive else (1, -1):
        at = {x: 2 * y / (1 + square) for x, y in flat.items()}
        at[pole] = sign * (1 - square) / (1 + square)
        intervals = [(y, (-BEYOND if x in positive else -1 - BEYOND, 1 + BEYOND)) for x, y in flat.items()]
        yield at, intervals, [1 - square] if others else []
