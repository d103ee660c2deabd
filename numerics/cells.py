"""Cells: boxes with floats for ends, laid around balls and exact numbers, split and gathered.

    outer, meet, halves_of    around an exact interval; what a box of balls leaves; two parts
    clusters_of               few boxes that cover many cells
    rational_hull, touch      boxes with rational ends, as results show them

The ends are floats just outside, so that no point is lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import sympy as sp
from flint import arb

from theory.stationary import Box

from .exact_numbers import constant_ball
from .krawczyk import Point

__all__ = ["Cell", "ball_cell", "clusters_of", "halves_of", "meet", "outer", "rational_hull", "touch"]

Cell = tuple[tuple[float, float], ...]


def outer(low: sp.Expr, high: sp.Expr) -> tuple[float, float]:
    """Floats just outside an exact interval."""
    return _below(constant_ball(low)(64)), _above(constant_ball(high)(64))


def _below(value: arb) -> float:
    """A float at or below every number of a ball: itself when the ball is a float."""
    low = value.lower()
    near = float(low)
    return near if arb(near) <= low else math.nextafter(near, -math.inf)


def _above(value: arb) -> float:
    return -_below(-value)


def ball_cell(cell: Cell) -> Point:
    """A cell as a box of balls."""
    return tuple(arb(low).union(arb(high)) for low, high in cell)


def meet(cell: Cell, image: Point) -> Cell | None:
    """The part of a cell inside a box of balls; None when they are apart."""
    sides = tuple((max(low, _below(x)), min(high, _above(x))) for (low, high), x in zip(cell, image, strict=True))
    return None if any(low > high for low, high in sides) else sides


def halves_of(cell: Cell, i: int) -> tuple[Cell, Cell]:
    """Two parts that meet a little off the middle, where symmetric problems have their zeros."""
    low, high = cell[i]
    cut = low + 0.4873 * (high - low)
    return (*cell[:i], (low, cut), *cell[i + 1 :]), (*cell[:i], (cut, high), *cell[i + 1 :])


def clusters_of(cells: list[Cell], most: int = 64) -> list[Cell]:
    """Boxes that cover the cells, cells that touch in one box."""
    hulls: list[np.ndarray] = []
    for hull in _binned(cells):
        touching = [
            i
            for i, other in enumerate(hulls)
            if np.all(hull[:, 0] <= other[:, 1]) and np.all(other[:, 0] <= hull[:, 1])
        ]
        while touching:
            for i in reversed(touching):
                other = hulls.pop(i)
                hull = np.stack([np.minimum(hull[:, 0], other[:, 0]), np.maximum(hull[:, 1], other[:, 1])], axis=1)
            touching = [
                i
                for i, other in enumerate(hulls)
                if np.all(hull[:, 0] <= other[:, 1]) and np.all(other[:, 0] <= hull[:, 1])
            ]
        hulls.append(hull)
    if len(hulls) > most:
        everything = np.array(hulls)
        hulls = [np.stack([everything[:, :, 0].min(axis=0), everything[:, :, 1].max(axis=0)], axis=1)]
    return [tuple((float(low), float(high)) for low, high in hull) for hull in hulls]


def _binned(cells: list[Cell], most: int = 1000, bins: int = 16) -> list[np.ndarray]:
    """The cells, or if they are many the hulls of those with their middles in one bin of a grid."""
    if len(cells) <= most:
        return [np.array(cell) for cell in cells]
    sides = np.array(cells)
    low, high = sides[:, :, 0].min(axis=0), sides[:, :, 1].max(axis=0)
    places = ((sides.mean(axis=2) - low) / np.where(high > low, high - low, 1.0) * bins).astype(int)
    _, group = np.unique(places, axis=0, return_inverse=True)
    group = group.ravel()
    hulls = np.empty((group.max() + 1, *sides.shape[1:]))
    hulls[:, :, 0], hulls[:, :, 1] = np.inf, -np.inf
    np.minimum.at(hulls[:, :, 0], group, sides[:, :, 0])
    np.maximum.at(hulls[:, :, 1], group, sides[:, :, 1])
    return list(hulls)


def rational_hull(variables: Sequence[sp.Symbol], box: Sequence[arb]) -> Box:
    """Rational ends around balls."""
    return tuple(
        (x, sp.Rational(_below(ball)), sp.Rational(_above(ball))) for x, ball in zip(variables, box, strict=True)
    )


def touch(one: Box, other: Box) -> bool:
    """Two rational boxes have a point in common."""
    return all(a <= d and c <= b for (_, a, b), (_, c, d) in zip(one, other, strict=True))
