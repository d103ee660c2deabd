"""One zero of a smooth field on a box of balls: the Krawczyk operator, and what it proves.

    K(X) = m − C F(m) + (I − C J(X))(X − m),    J the exact derivative, C ≈ J(m)⁻¹, m the middle of X

Every zero in X lies in K(X), so K shrinks boxes; if K(X) ⊂ int X then X holds exactly one zero.

References: Krawczyk (1969), Computing 4; Neumaier, Interval Methods for Systems of Equations (1990),
chapter 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Protocol

import sympy as sp
from flint import arb, arb_mat, ctx

from .balls import compile_balls
from .exact_numbers import PRECISIONS, excludes_zero

__all__ = [
    "BallField",
    "Field",
    "Point",
    "approximate_inverse",
    "column_of",
    "identity_matrix",
    "is_apart",
    "is_inside",
    "jacobian_balls",
    "krawczyk",
    "lies_in",
    "newton",
    "prove_zero",
    "refine",
]

Point = tuple[arb, ...]


class Field(Protocol):
    """What a proof asks of a field: its size, and balls around its values and its derivative."""

    size: int

    def values(self, point: Sequence[arb], precision: int) -> list[arb]:
        """F(x), one ball a component."""

    def jacobian(self, point: Sequence[arb], precision: int) -> arb_mat:
        """∂F_i/∂x_j as a matrix of balls."""


class BallField:
    """A field and its exact derivative, as functions of balls."""

    def __init__(
        self,
        components: tuple[sp.Expr, ...],
        variables: tuple[sp.Symbol, ...],
        jacobian: Sequence[sp.Expr] | None = None,
    ) -> None:
        self.size = len(variables)
        self._values = compile_balls(components, variables)
        slopes = [f.diff(x) for f in components for x in variables] if jacobian is None else jacobian
        self._slopes = compile_balls(slopes, variables)

    def values(self, point: Sequence[arb], precision: int) -> list[arb]:
        """F(x), one ball a component."""
        return list(self._values(point, precision))

    def excludes(self, point: Sequence[arb], precision: int) -> bool:
        """Some component is proven to have no zero on the box."""
        return any(excludes_zero(value) for value in self._values(point, precision))

    def jacobian(self, point: Sequence[arb], precision: int) -> arb_mat:
        """∂F_i/∂x_j as a matrix of balls."""
        return arb_mat(self.size, self.size, list(self._slopes(point, precision)))


def approximate_inverse(matrix: arb_mat) -> arb_mat | None:
    """An approximate inverse of the middle of a matrix of balls; None when there is none in sight."""
    if not all(entry.is_finite() for entry in matrix.entries()):
        return None
    try:
        inverse = matrix.mid().inv().mid()
    except ZeroDivisionError:
        return None
    return inverse if all(entry.is_finite() for entry in inverse.entries()) else None


def column_of(values: Iterable[arb]) -> arb_mat:
    """Numbers as an n×1 matrix."""
    values = list(values)
    return arb_mat(len(values), 1, values)


def identity_matrix(size: int) -> arb_mat:
    """The n×n identity."""
    return arb_mat([[int(i == j) for j in range(size)] for i in range(size)])


def krawczyk(
    system: Field, box: Point, precision: int, slope: arb_mat | None = None, value: list[arb] | None = None
) -> Point | None:
    """K(X) = m − C F(m) + (I − C J(X))(X − m): holds every zero of X; None without an inverse."""
    with ctx.workprec(precision):
        middle = [x.mid() for x in box]
        slope = system.jacobian(box, precision) if slope is None else slope
        inverse = approximate_inverse(slope)
        if inverse is None:
            return None
        value = system.values(middle, precision) if value is None else value
        spread = column_of(x - m for x, m in zip(box, middle, strict=True))
        contraction = identity_matrix(system.size) - inverse * slope
        image = column_of(middle) - inverse * column_of(value) + contraction * spread
        entries = tuple(image.entries())
        return entries if all(entry.is_finite() for entry in entries) else None


def is_inside(inner: Point, outer: Point) -> bool:
    """The first box is proven to lie in the interior of the second."""
    return all(big.contains_interior(small) for small, big in zip(inner, outer, strict=True))


def lies_in(inner: Point, outer: Point) -> bool:
    """The first box is proven to lie in the second."""
    return all(big.contains(small) for small, big in zip(inner, outer, strict=True))


def is_apart(one: Point, other: Point) -> bool:
    """Two boxes are proven to have no point in common."""
    return any(not a.overlaps(b) for a, b in zip(one, other, strict=True))


def newton(system: Field, start: Sequence[arb], precision: int, steps: int = 12) -> list[arb] | None:
    """Newton's iteration on middles: a guess, proven by nobody."""
    point = [x.mid() for x in start]
    before: list[arb] = []
    with ctx.workprec(precision):
        for i in range(steps):
            inverse = approximate_inverse(system.jacobian(point, precision))
            if inverse is None:
                return None
            step = (inverse * column_of(system.values(point, precision))).entries()
            point = [_snapped((x - s).mid(), precision) for x, s in zip(point, step, strict=True)]
            if not all(x.is_finite() for x in point):
                return None
            size = [abs(s.mid()) for s in step]
            if all(s <= (1 + abs(x)) * arb(2) ** (-precision // 2) for s, x in zip(size, point, strict=True)):
                return point
            if i > 3 and 4 * max(size, key=float) > max(before, key=float):
                return None  # creeping, as towards a multiple zero
            before = size
    return None


def _snapped(x: arb, precision: int) -> arb:
    """Zero for what is next to zero: an iteration towards 0 triples the exponent a step, without end."""
    return x if abs(x) > arb(2) ** (-2 * precision) else arb(0)


def prove_zero(
    system: Field, center: Sequence[arb], radii: Sequence[arb], precision: int
) -> tuple[Point, Point] | None:
    """(box, region): a zero, and the largest tried region around it proven to hold no other."""
    smallest = 3 - precision // 6

    def attempt(power: int) -> tuple[Point, Point] | None:
        scale = arb(8) ** power
        region = tuple(arb(x.mid(), (r * scale).upper()) for x, r in zip(center, radii, strict=True))
        image = krawczyk(system, region, precision)
        return (image, region) if image is not None and is_inside(image, region) else None

    with ctx.workprec(precision):
        proof = attempt(smallest)  # where even the smallest region fails the larger ones are hopeless
        if proof is not None:
            proof = next(filter(None, map(attempt, range(0, smallest, -1))), proof)
    return None if proof is None else (refine(system, proof[0], precision), proof[1])


def refine(system: Field, box: Point, precision: int, steps: int = 40) -> Point:
    """Shrink a box known to hold exactly one zero, as far as the precision goes."""
    with ctx.workprec(precision):
        least = arb(0, arb(2) ** (-2 * precision))
        root = newton(system, box, precision)
        if root is not None:  # a small box around the root, if it is proven, saves the slow first steps
            close = tuple(arb(x, (1 + abs(x)).upper() * arb(2) ** (-precision // 4)) for x in root)
            image = krawczyk(system, close, precision)
            if image is not None and is_inside(image, close) and lies_in(image, box):
                box = image
        for _ in range(steps):
            image = krawczyk(system, box, precision)
            if image is None:
                return box
            smaller = tuple((x.intersection(y) + least).intersection(x) for x, y in zip(box, image, strict=True))
            if all(new.rad() * 2 >= old.rad() for new, old in zip(smaller, box, strict=True)):
                return smaller
            box = smaller
    return box


def jacobian_balls(
    components: Sequence[sp.Expr],
    variables: Sequence[sp.Symbol],
    point: Sequence[arb],
    precision: int = PRECISIONS[1],
) -> arb_mat:
    """The matrix ∂F_i/∂x_j at a point or on a box, as balls.

    >>> x, y = sp.symbols("x y", real=True)
    >>> jacobian_balls([x*y, y**2], (x, y), (arb(2), arb(3)))
    [3.00000000000000, 2.00000000000000]
    [               0, 6.00000000000000]
    """
    return _field(tuple(components), tuple(variables)).jacobian(tuple(point), precision)


@lru_cache(maxsize=8)
def _field(components: tuple[sp.Expr, ...], variables: tuple[sp.Symbol, ...]) -> BallField:
    """A compiled field; the same one is asked for at every zero."""
    return BallField(components, variables)
