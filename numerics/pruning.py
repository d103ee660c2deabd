"""Where no zero of a field is: branch and prune on thousands of cells at once, with batched intervals.

On a cell X with middle m, radii r, J ⊇ F′(X) and C ≈ mid(J)⁻¹:

    no zero       0 ∉ F_i(X),  or 0 ∉ F_i(m) + Σ_j J_ij [−r_j, r_j],  or K(X) ∩ X = ∅,  or a constraint fails on X
    smaller       every zero of X lies in K(X) = m − C F(m) + (I − C J)[−r, r]
    one zero      K(X) ⊂ int X

A cell with one zero, or one that floats cannot decide, is handed to balls; the rest is proven to be empty. All
floats are rounded outwards: matrix products carry the a priori bound (n + 3)u|A||B|.

References: Neumaier, Interval Methods for Systems of Equations (1990), chapter 5; Rump, Acta Numerica 19 (2010).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from .intervals import TINY, ULP, IntervalProgram, down, up
from .root_guesses import roots_from

__all__ = ["IntervalField", "Pruned", "prune"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

BATCH = 4096
FINEST = 2.0**-24
"""Cells below this fraction of the box are left to balls: floats have few digits left there."""
MOST_LEFT = 4000
"""So many undecided cells are a curve of zeros, a multiple zero or a flat region, not single zeros."""
UNDERFLOW = 2.0**-900
LEAST_SHARE = 0.5
"""No coordinate gets this much finer than the widest one."""
CUT = 0.4873
"""Cells are cut a little off the middle, where symmetric problems have their zeros."""


class IntervalField:
    """A field, its derivative and the constraints on its zeros, on batches of cells.

    Args:
        components: F₁, …, F_n.
        variables: x₁, …, x_n.
        constraints: expressions that are nonnegative wherever a zero counts.
        jacobian: ∂F_i/∂x_j row by row, when written better than by differentiating.

    Raises:
        NoIntervalRule: for an expression that intervals cannot enclose.
    """

    def __init__(
        self,
        components: Sequence[sp.Expr],
        variables: Sequence[sp.Symbol],
        constraints: Sequence[sp.Expr] = (),
        jacobian: Sequence[sp.Expr] | None = None,
    ) -> None:
        self.size = len(variables)
        self._values = IntervalProgram(components, variables)
        slopes = [f.diff(x) for f in components for x in variables] if jacobian is None else jacobian
        self._slopes = IntervalProgram(slopes, variables)
        self._constraints = IntervalProgram(constraints, variables)

    def excluded(self, low: Array, high: Array) -> tuple[Flags, Flags]:
        """(no zero in the cell, some component too small for floats), by plain evaluation; cells are columns."""
        cells = list(zip(low, high, strict=True))
        empty = np.zeros(low.shape[1], dtype=bool)
        faint = np.zeros(low.shape[1], dtype=bool)
        for bottom, top in self._values(cells):
            empty |= (bottom > 0) | (top < 0)
            faint |= np.maximum(np.abs(bottom), np.abs(top)) < UNDERFLOW
        for _, top in self._constraints(cells):
            empty |= top < 0
        return empty, faint & ~empty

    def values(self, points: Array) -> tuple[Array, Array]:
        """Middles and radii of F at points, shape (N, n)."""
        return _middles(self._values([(x, x) for x in points]))

    def roots_from(self, points: Array) -> Array:
        """Where the field seems to vanish, from starts of shape (N, n)."""
        return roots_from(self._values, self._slopes, points)

    def slopes(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Middles and radii of the Jacobian on cells, shape (N, n, n)."""
        middle, radius = _middles(self._slopes(list(zip(low, high, strict=True))))
        return middle.reshape(-1, self.size, self.size), radius.reshape(-1, self.size, self.size)


def _middles(ends: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    low = np.stack([end[0] for end in ends], axis=-1)
    high = np.stack([end[1] for end in ends], axis=-1)
    with np.errstate(all="ignore"):
        middle = (low + high) / 2
        return middle, up(np.maximum(up(middle - low), up(high - middle)))


@dataclass(frozen=True)
class Pruned:
    """What pruning leaves: columns are cells; the rest of the box is proven to hold no zero outside known regions.

    Args:
        low, high: ends of the cells that are left, shape (n, N).
        cells: how many cells were examined.
        reason: why cells are left, or "".
    """

    low: Array
    high: Array
    cells: int
    reason: str


def prune(
    field: IntervalField,
    ends: Sequence[tuple[float, float]],
    is_settled: Callable[[Array, Array], bool],
    regions: Callable[[], Sequence[tuple[Array, Array]]],
    deadline: float,
    tries: int = 1,
) -> Pruned:
    """Cut a box into cells until each is empty, in a known region, or left to balls.

    Args:
        field: what must vanish.
        ends: the box, floats that enclose it.
        is_settled: asked about a cell that holds exactly one zero, or may be close to one; it looks with balls,
            notes the zero's region, and says whether the cell needs no further search.
        regions: inner ends of the regions settled by now: no zero in them is of interest any more.
        deadline: of `time.monotonic`.
        tries: how many cells of a batch that look close to a zero are shown to `is_settled`.
    """
    low, high = (np.array(side, dtype=float)[:, None] for side in zip(*ends, strict=True))
    widths = np.where(high > low, high - low, 1.0)
    left: list[tuple[Array, Array]] = []
    count, cells = 0, 0
    while low.shape[1]:
        if time.monotonic() > deadline:
            left.append((low, high))
            return Pruned(*_joined(left), cells, "time")
        if count > MOST_LEFT:
            left.append((low, high))
            return Pruned(*_joined(left), cells, "degenerate")
        first = max(low.shape[1] - BATCH, 0)
        below, above, low, high = low[:, first:], high[:, first:], low[:, :first], high[:, :first]
        cells += below.shape[1]
        inside = _covered(below, above, regions())
        below, above = below[:, ~inside], above[:, ~inside]
        empty, faint = field.excluded(below, above)
        if faint.any():
            left.append((below[:, faint], above[:, faint]))
            count += int(faint.sum())
        below, above = below[:, ~empty & ~faint], above[:, ~empty & ~faint]
        if not below.shape[1]:
            continue
        below, above, single, step, smear, blurred = _contracted(field, below, above)
        if blurred.any():  # the field at the middle is zero as far as floats can tell
            left.append((below[:, blurred], above[:, blurred]))
            count += int(blurred.sum())
            below, above, smear = below[:, ~blurred], above[:, ~blurred], smear[:, ~blurred]
            single, step = single[~blurred], step[~blurred]
        settled = np.zeros(below.shape[1], dtype=bool)
        near = np.argsort(step)[:tries]
        for i in [*np.flatnonzero(single), *(i for i in near if not single[i] and step[i] <= 1)]:
            if not settled[i] and is_settled(below[:, i], above[:, i]):
                settled[i] = True
        below, above, smear = below[:, ~settled], above[:, ~settled], smear[:, ~settled]
        inside = _covered(below, above, regions())
        below, above, smear = below[:, ~inside], above[:, ~inside], smear[:, ~inside]
        if not below.shape[1]:
            continue
        relative = (above - below) / widths
        fine = relative.max(axis=0) < FINEST
        if fine.any():
            left.append((below[:, fine], above[:, fine]))
            count += int(fine.sum())
        low, high = _halves(low, high, below[:, ~fine], above[:, ~fine], widths, smear[:, ~fine])
    return Pruned(*_joined(left, len(ends)), cells, "")


def _joined(parts: list[tuple[Array, Array]], size: int = 0) -> tuple[Array, Array]:
    if not parts:
        return np.empty((size, 0)), np.empty((size, 0))
    return np.concatenate([p[0] for p in parts], axis=1), np.concatenate([p[1] for p in parts], axis=1)


def _covered(low: Array, high: Array, regions: Sequence[tuple[Array, Array]]) -> Flags:
    """The cells that lie in a known region."""
    covered = np.zeros(low.shape[1], dtype=bool)
    for bottom, top in regions:
        covered |= np.all((low >= bottom[:, None]) & (high <= top[:, None]), axis=0)
    return covered


def _halves(low: Array, high: Array, below: Array, above: Array, widths: Array, smear: Array) -> tuple[Array, Array]:
    """The stack with both parts of each cell, cut where that changes the field most."""
    relative = (above - below) / widths
    fair = np.where(relative > LEAST_SHARE * relative.max(axis=0), np.nan_to_num(smear, nan=0.0, posinf=0.0), -1.0)
    which = np.argmax(fair + 1e-9 * relative, axis=0)
    every = np.arange(below.shape[1])
    cut = below[which, every] + CUT * (above[which, every] - below[which, every])
    first, second = above.copy(), below.copy()
    first[which, every] = cut
    second[which, every] = cut
    return np.concatenate([low, below, second], axis=1), np.concatenate([high, first, above], axis=1)


def _contracted(field: IntervalField, low: Array, high: Array) -> tuple[Array, Array, Flags, Array, Array, Flags]:
    """Cells that may hold a zero, made smaller; which hold exactly one; how far Newton's step goes, in radii;
    what share of the field's change on the cell each coordinate has; where rounding hides the field."""
    n = field.size
    guard = (n + 3) * ULP
    with np.errstate(all="ignore"):
        middle = low + (high - low) / 2
        radius = up(np.maximum(up(middle - low), up(high - middle))).T
        value, noise = field.values(middle)
        slope, spread = field.slopes(low, high)
        steep = np.abs(slope) + spread
        reach = (steep @ radius[:, :, None])[:, :, 0] * (1 + guard) + noise
        smear = np.sum(steep * radius[:, None, :] / (reach[:, :, None] + TINY), axis=1)
        keep = np.asarray(~(np.abs(value) > reach * (1 + guard) + TINY).any(axis=1), dtype=np.bool_)
        low, high, middle = low[:, keep], high[:, keep], middle[:, keep].T
        radius, value, noise, slope, spread = radius[keep], value[keep], noise[keep], slope[keep], spread[keep]
        inverse, usable = _inverses(slope)
        size = np.abs(inverse)
        error = np.abs(np.eye(n) - inverse @ slope) + size @ (spread + guard * np.abs(slope)) + guard
        shift = (inverse @ value[:, :, None])[:, :, 0]
        spill = (error @ radius[:, :, None])[:, :, 0]
        spill += (size @ (noise + guard * np.abs(value))[:, :, None])[:, :, 0] + guard * np.abs(middle)
        spill = up(spill * (1 + guard))
        bottom, top = down(middle - shift - spill).T, up(middle - shift + spill).T
        usable &= np.isfinite(bottom).all(axis=0) & np.isfinite(top).all(axis=0)
        gone = usable & np.any((bottom > high) | (top < low), axis=0)
        single = usable & np.all((bottom > low) & (top < high), axis=0)
        step = np.where(usable, np.max(np.abs(shift) / radius, axis=1), np.inf)
        new_low = np.where(usable & (bottom > low), bottom, low)
        new_high = np.where(usable & (top < high), top, high)
        # a cell with one zero is kept whole: inside it the zero is the only one
        new_low, new_high = np.where(single, low, new_low), np.where(single, high, new_high)
    stays = ~gone
    blurred = (np.abs(value) <= noise).all(axis=1) & ~single
    return new_low[:, stays], new_high[:, stays], single[stays], step[stays], smear[keep][stays].T, blurred[stays]


def _inverses(matrices: Array) -> tuple[Array, Flags]:
    """Approximate inverses, and which are usable."""
    usable: Flags = np.asarray(np.isfinite(matrices).all(axis=(1, 2)), dtype=np.bool_)
    safe = np.where(usable[:, None, None], matrices, np.eye(matrices.shape[-1]))
    usable &= np.abs(np.linalg.det(safe)) > 0
    safe = np.where(usable[:, None, None], safe, np.eye(matrices.shape[-1]))
    try:
        inverses = np.linalg.inv(safe)
    except np.linalg.LinAlgError:
        return safe, np.zeros(len(safe), dtype=bool)
    usable &= np.isfinite(inverses).all(axis=(1, 2))
    return np.where(usable[:, None, None], inverses, 0.0), usable
