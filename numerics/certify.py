"""All zeros of a smooth field in a box, each with a proof.

`certified_zeros` splits the box into cells until every cell is proven to hold no zero, or to lie
in a region proven to hold exactly one. The two proofs, on a cell X with middle m:

    no zero          0 ∉ F_i(X) for some i, with F_i(X) a ball enclosure; or the same for the
                     mean-value form F(m) + J(X)(X − m)
    exactly one      K(X) ⊂ int X, with K the Krawczyk operator (`numerics.krawczyk`)

Every zero in X lies in K(X), so K also shrinks cells. Around a zero the region is inflated, so
that a zero on the border between cells, or on the edge of the box, is met once and counted once.
Products are taken apart first (`numerics.branches`). What cannot be decided is listed, never guessed.
The nature of a zero is read off the eigenvalues of its Jacobian (`numerics.signature`).

References: Krawczyk (1969), Computing 4; Neumaier, Interval Methods for Systems of Equations
(1990), chapter 5.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp
from flint import arb, ctx

from theory.identity import reduces_to_zero
from theory.stationary import Box

from .branches import Branch, branches_of
from .cells import Cell, ball_cell, clusters_of, halves_of, meet, outer, rational_hull, touch
from .exact_numbers import PRECISIONS, constant_ball, exact_ends, excludes_zero, position_of, simplest_fraction
from .intervals import NoIntervalRule, float_ends
from .krawczyk import (
    BallField,
    Point,
    approximate_inverse,
    column_of,
    is_apart,
    is_inside,
    jacobian_balls,
    krawczyk,
    lies_in,
    newton,
    prove_zero,
    refine,
)
from .pruning import IntervalField, prune
from .root_guesses import distinct
from .signature import eigenvalue_balls, flow_signature, signature

__all__ = [
    "Zero",
    "Zeros",
    "certified_zeros",
    "eigenvalue_balls",
    "exact_ends",
    "flow_signature",
    "jacobian_balls",
    "signature",
]

Ends = tuple[tuple[sp.Expr, sp.Expr], ...]

FINEST = 2.0**-36
"""Cells are not split below this fraction of the box: what is left there is a multiple zero, a
curve of zeros, or zeros closer than that."""

BALL_CELLS = 600
"""Where floats give up, so many cells are examined with balls, which see what rounding hides from floats."""

FROM_STARTS, STARTS = 4, 100
"""From so many variables on, zeros are looked for from random starts before the box is cut: there is then little
left to find, and they are proven even if time ends before the box is covered."""

UNDECIDABLE = (
    "{} cells could not be decided at the finest subdivision: a multiple zero, a curve of zeros, "
    "zeros too close to tell apart, or a border of where the field is finite"
)

KINKS = sp.Abs, sp.sign, sp.Heaviside, sp.DiracDelta, sp.Max, sp.Min, sp.Piecewise, sp.floor, sp.ceiling


@dataclass(frozen=True)
class Zero:
    """One proven zero of a field.

    Args:
        box: a ball for each variable; the zero lies inside.
        region: a larger box, proven to hold no other zero; equal to `box` for a multiple zero.
        exact: the coordinate where it is known exactly, None where it is not.
        simple: the Jacobian is proven invertible on the region. A multiple zero is proven by the
            factors of the components, and listed only if its box is proven to hold no other.
    """

    box: Point
    region: Point
    exact: tuple[sp.Expr | None, ...]
    simple: bool


@dataclass(frozen=True)
class Zeros:
    """What is proven about the zeros of a field in a box; iterable over the zeros.

    Args:
        zeros: each proven to be a zero, in the box, and all different.
        unresolved: boxes that may hold further zeros; the rest of the box is proven to hold none.
        complete: the list is proven to hold every zero of the box.
        termination: why the search stopped, as a sentence.
        cells: how many cells were examined.
    """

    zeros: tuple[Zero, ...]
    unresolved: tuple[Box, ...]
    complete: bool
    termination: str
    cells: int = 0

    def __iter__(self) -> Iterator[Zero]:
        return iter(self.zeros)

    def __len__(self) -> int:
        return len(self.zeros)


def certified_zeros(
    components: Sequence[sp.Expr],
    variables: Sequence[sp.Symbol],
    box: Mapping[sp.Symbol, tuple] | Sequence[tuple],
    seconds: float = 60.0,
    constraints: Sequence[sp.Expr] = (),
    guesses: Sequence[Sequence[float]] = (),
    jacobian: Sequence[sp.Expr] | None = None,
) -> Zeros:
    """All zeros of a smooth field in a closed box, by branch and prune with proofs.

        {x in box : F₁(x) = … = F_n(x) = 0},    F: R^n → R^n

    Args:
        components: F₁, …, F_n, smooth, with exact numbers and no symbols but the variables.
        variables: x₁, …, x_n.
        box: closed interval (low, high) by variable, or one a variable in their order; exact and finite.
        seconds: the search stops after this time with what is proven by then.
        constraints: expressions in the variables; parts of the box where one of them is proven to be
            negative are not searched, and say nothing about completeness.
        guesses: points where zeros are tried first; a good one saves time, a bad one costs little.
        jacobian: ∂F_i/∂x_j row by row, where it can be written better than by differentiating; the field
            is then taken as it is, and not apart into factors.

    Returns:
        The zeros with their proofs, what is unresolved, and whether the list is complete. A zero
        where F is not finite on a neighbourhood is left unresolved.

    Raises:
        ValueError: for a symbol without a value, floats, a field that is not smooth, an unbounded
            or empty interval, or unequal numbers of components and variables.

    Source: Neumaier (1990), chapter 5.

    >>> x, y = sp.symbols("x y", real=True)
    >>> found = certified_zeros([x**2 + y**2 - 1, y - sp.erf(2*x)], (x, y), {x: (-2, 2), y: (-2, 2)})
    >>> len(found), found.complete
    (2, True)
    """
    components = tuple(sp.sympify(f, strict=True) for f in components)
    variables = tuple(variables)
    ends = _ends(variables, box)
    _refuse_wrong_use(components, variables)
    search = _Search(
        components, variables, ends, time.monotonic() + seconds, seconds, tuple(constraints), guesses, jacobian
    )
    if jacobian is not None:
        search.run(Branch(components, variables, {}))
        return search.answer()
    for branch in branches_of(components, variables, {}, dict(zip(variables, ends, strict=True))):
        search.run(branch)
    return search.answer()


# --- what is asked ---------------------------------------------------------------------------


def _ends(variables: tuple[sp.Symbol, ...], box: Mapping[sp.Symbol, tuple] | Sequence[tuple]) -> Ends:
    if isinstance(box, Mapping):
        missing = [symbol.name for symbol in variables if symbol not in box]
        if missing:
            raise ValueError(f"expected an interval for every variable, got none for {', '.join(missing)}")
        pairs = [box[symbol] for symbol in variables]
    else:
        pairs = list(box)
        if len(pairs) != len(variables):
            raise ValueError(f"expected {len(variables)} intervals, one a variable, got {len(pairs)}")
    ends = []
    for symbol, (low, high) in zip(variables, pairs, strict=True):
        low, high = sp.sympify(low, strict=True), sp.sympify(high, strict=True)
        if not (low.is_finite and high.is_finite and low.is_real and high.is_real):
            raise ValueError(f"expected finite ends for {symbol}, got ({low}, {high}); give a bounded box")
        if low.has(sp.Float) or high.has(sp.Float):
            raise ValueError(f"expected exact ends for {symbol}, got ({low}, {high}); write Rational('0.5')")
        if not low < high:
            raise ValueError(f"expected low < high for {symbol}, got ({low}, {high})")
        ends.append((low, high))
    return tuple(ends)


def _refuse_wrong_use(components: tuple[sp.Expr, ...], variables: tuple[sp.Symbol, ...]) -> None:
    if len(components) != len(variables) or not variables:
        counts = f"{len(components)} and {len(variables)}"
        raise ValueError(f"expected as many components as variables, got {counts}")
    left = set().union(*(f.free_symbols for f in components)) - set(variables)
    if left:
        names = ", ".join(sorted(symbol.name for symbol in left))
        raise ValueError(f"expected numbers for every symbol but the variables, got {names} without a value")
    for f in components:
        if f.has(sp.Float):
            number = sorted(f.atoms(sp.Float), key=str)[0]
            raise ValueError(f"expected exact numbers, got {number}; write Rational('0.1') for 0.1")
        if f.has(*KINKS):
            kind = next(kind for kind in KINKS if f.has(kind))
            raise ValueError(f"expected a smooth field, got {kind.__name__} in {f}")


# --- the search ------------------------------------------------------------------------------


class _Search:
    """Runs over the branches, gathers proven zeros and what is left, and answers."""

    def __init__(
        self,
        components: tuple[sp.Expr, ...],
        variables: tuple[sp.Symbol, ...],
        ends: Ends,
        deadline: float,
        seconds: float,
        constraints: tuple[sp.Expr, ...] = (),
        guesses: Sequence[Sequence[float]] = (),
        jacobian: Sequence[sp.Expr] | None = None,
    ) -> None:
        self.components, self.variables, self.ends = (
            components,
            variables,
            dict(zip(variables, ends, strict=True)),
        )
        self.deadline, self.seconds = deadline, seconds
        self.constraints, self.guesses, self.jacobian = constraints, guesses, jacobian
        self.whole = BallField(components, variables, jacobian)
        self.zeros: list[Zero] = []
        self.unresolved: list[Box] = []
        self.reasons: list[str] = []
        self.cells = 0

    def run(self, branch: Branch) -> None:
        """Find the zeros of one branch."""
        if branch.is_singular:
            where = ", ".join(f"{x} = {value}" for x, value in branch.fixed.items()) or "the whole box"
            self._leave(self._box(branch), f"on {where} a component vanishes identically, or is not finite")
            return
        if not branch.variables:
            exact = tuple(branch.fixed[x] for x in self.variables)
            self._found(tuple(constant_ball(value)(PRECISIONS[1]) for value in exact), exact, None)
            return
        system = self.whole if branch.components == self.components else BallField(branch.components, branch.variables)
        found, left = self._subdivide(system, branch)
        for box, region in {id(box): (box, region) for box, region in found}.values():  # one region a zero
            self._place(branch, system, box, region)
        for cells in clusters_of(left):
            ends = [(sp.Rational(low), sp.Rational(high)) for low, high in cells]
            sides = dict(zip(branch.variables, ends, strict=True))
            self._leave(self._box(branch, sides), "")

    def _subdivide(self, system: BallField, branch: Branch) -> tuple[list[tuple[Point, Point]], list[Cell]]:
        """Branch and prune: proven zeros with their regions, and the cells left undecided."""
        first: Cell = tuple(outer(*self.ends[x]) for x in branch.variables)
        found: list[tuple[Point, Point]] = []
        for guess in self.guesses:
            start = [guess[self.variables.index(x)] for x in branch.variables]
            self._try_guess(system, first, start, found)
        constraints = [g for g in (c.xreplace(branch.fixed) for c in self.constraints) if g.free_symbols]
        try:
            field = IntervalField(branch.components, branch.variables, constraints, self.jacobian)
        except NoIntervalRule:
            return found, self._with_balls(system, [first], first, found)
        if len(branch.variables) >= FROM_STARTS:
            for point in distinct(field.roots_from(_random(first))):
                self._try_guess(system, first, point.tolist(), found)
        settle = _Settler(self, system, found)
        pruned = prune(field, first, settle, settle.regions, self.deadline)
        self.cells += pruned.cells
        cells: list[Cell] = [
            tuple((float(low), float(high)) for low, high in zip(*sides, strict=True))
            for sides in zip(pruned.low.T, pruned.high.T, strict=True)
        ]
        if pruned.reason == "time":
            self._out_of_time(len(cells))
            return found, cells
        if pruned.reason == "degenerate":
            rest = self._with_balls(system, [first], first, found, BALL_CELLS)
            if rest:
                self.reasons.append(UNDECIDABLE.format(len(cells)))
            return found, cells if rest else []
        return found, self._with_balls(system, cells, first, found)

    def _out_of_time(self, cells: int) -> None:
        self.reasons.append(
            f"stopped after {self.seconds:g} s with {cells} cells undecided; give more seconds or a smaller box"
        )

    def _with_balls(
        self,
        system: BallField,
        cells: list[Cell],
        first: Cell,
        found: list[tuple[Point, Point]],
        most: float = math.inf,
    ) -> list[Cell]:
        """Examine cells one at a time, with as many bits as it takes; the cells that stay undecided.

        With `most`, an attempt that is given up after so many cells, for others to give the reason.
        """
        widths = [high - low for low, high in first]
        left: list[Cell] = []
        queue = deque(cells)
        while queue:
            if time.monotonic() > self.deadline:
                self._out_of_time(len(queue) + len(left))
                return [*left, *queue]
            if most <= 0:
                return [*left, *queue]
            most -= 1
            cell = queue.popleft()
            self.cells += 1
            rest = self._examine(system, cell, found)
            if rest is None:
                continue
            cell = rest
            relative = [(high - low) / width for (low, high), width in zip(cell, widths, strict=True)]
            halves = halves_of(cell, relative.index(max(relative)))
            if max(relative) < FINEST or cell in halves:
                left.append(cell)
            else:
                queue.extend(halves)
        if left and most == math.inf:
            self.reasons.append(UNDECIDABLE.format(len(left)))
        return left

    def _try_guess(
        self, system: BallField, cell: Cell, start: Sequence[float], found: list[tuple[Point, Point]]
    ) -> None:
        """Prove a zero close to a point, with the largest region that a part of the box allows."""
        precision = PRECISIONS[1]
        with ctx.workprec(precision):
            root = newton(system, [arb(x) for x in start], precision)
            if root is None or any(lies_in(tuple(root), region) for _, region in found):
                return
            if any(x < arb(low) or x > arb(high) for x, (low, high) in zip(root, cell, strict=True)):
                return
            reach = [arb(2) ** -4 * (arb(high) - arb(low)) for low, high in cell]
            proof = prove_zero(system, root, reach, precision)
        if proof is not None:
            self._keep(system, *proof, found)

    def _examine(self, system: BallField, cell: Cell, found: list[tuple[Point, Point]]) -> Cell | None:
        """What is left of a cell to search: None when it is decided."""
        for precision in PRECISIONS:
            with ctx.workprec(precision):
                box = ball_cell(cell)
                if any(lies_in(box, region) for _, region in found) or system.excludes(box, precision):
                    return None
                middle = [x.mid() for x in box]
                value = system.values(middle, precision)
                slope = system.jacobian(box, precision)
                spread = column_of(x - m for x, m in zip(box, middle, strict=True))
                if any(excludes_zero(v + d) for v, d in zip(value, (slope * spread).entries(), strict=True)):
                    return None
                image = krawczyk(system, box, precision, slope, value)
                if image is not None:
                    if is_inside(image, box):
                        self._keep(system, refine(system, image, PRECISIONS[1]), box, found)
                        return None
                    shrunk = meet(cell, image)
                    if shrunk is None:
                        return None
                    if self._try_root(system, cell, box, middle, value, found):
                        return None
                    cell = shrunk
                if all(excludes_zero(v) for v in value):
                    return cell
        return cell

    def _try_root(
        self,
        system: BallField,
        cell: Cell,
        box: Point,
        middle: list[arb],
        value: list[arb],
        found: list[tuple[Point, Point]],
    ) -> bool:
        """Look for a zero near the cell and prove it; True when its region covers the cell."""
        inverse = approximate_inverse(system.jacobian(middle, ctx.prec))
        if inverse is None:
            return False
        step = (inverse * column_of(value)).entries()
        if any(abs(s.mid()) > 3 * x.rad() for s, x in zip(step, box, strict=True)):
            return False
        precision = max(PRECISIONS[1], ctx.prec)
        root = newton(system, middle, precision)
        if root is None or any(abs(r - m) > 4 * x.rad() for r, m, x in zip(root, middle, box, strict=True)):
            return False
        if any(lies_in(tuple(root), region) for _, region in found):
            return False
        reach = [(abs(r - x)).upper() * arb(1.001) for r, x in zip(root, box, strict=True)]
        proof = prove_zero(system, root, reach, precision)
        if proof is None:
            return False
        self._keep(system, *proof, found)
        return lies_in(box, proof[1])

    @staticmethod
    def _keep(system: BallField, box: Point, region: Point, found: list[tuple[Point, Point]]) -> None:
        """Note a zero, unless it is one that is known: a zero inside a region is the region's zero."""
        if not any(lies_in(box, known) or lies_in(other, region) for other, known in found):
            found.append((box, region))
            return
        # The same zero with another region: both regions are free of further zeros.
        same = next(other for other, known in found if lies_in(box, known) or lies_in(other, region))
        found.append((same, region))

    def _place(self, branch: Branch, system: BallField, box: Point, region: Point) -> None:
        """Decide whether a zero of a branch lies in the box asked for, as exactly as can be."""
        fine = refine(system, box, PRECISIONS[2])
        guess = [self._guess(x, ball) for x, ball in zip(branch.variables, fine, strict=True)]
        if None not in guess and lies_in(tuple(constant_ball(v)(PRECISIONS[1]) for v in guess), region):
            point = dict(zip(branch.variables, guess, strict=True))
            if all(reduces_to_zero(f.xreplace(point)) for f in branch.components):
                exact = {**branch.fixed, **point}
                values = tuple(exact[x] for x in self.variables)
                self._found(tuple(constant_ball(value)(PRECISIONS[1]) for value in values), values, None)
                return
        balls = dict(zip(branch.variables, fine, strict=True))
        full = tuple(balls[x] if x in balls else constant_ball(branch.fixed[x])(PRECISIONS[2]) for x in self.variables)
        exact_or_none = tuple(branch.fixed.get(x) for x in self.variables)
        self._found(full, exact_or_none, region if system is self.whole else None)

    def _guess(self, x: sp.Symbol, ball: arb) -> sp.Expr | None:
        """An exact number that a coordinate may be: an end of its range, or a simple fraction."""
        for end in self.ends[x]:
            if constant_ball(end)(PRECISIONS[2]).overlaps(ball):
                return end
        return simplest_fraction(ball)

    def _found(self, box: Point, exact: tuple[sp.Expr | None, ...], region: Point | None) -> None:
        """Take in a proven zero: in the box or not, simple or not, new or not."""
        for x, ball, value in zip(self.variables, box, exact, strict=True):
            low, high = self.ends[x]
            place = position_of(_always(ball), low, high)
            if place == "outside":
                return
            if place == "edge" and not (value is not None and _is_end(value, low, high)):
                reason = f"a zero at the edge of the range of {x} may lie inside or outside"
                self._leave(rational_hull(self.variables, box), reason)
                return
        simple = region is not None
        if region is None:
            widths = [constant_ball(high)(64) - constant_ball(low)(64) for low, high in self.ends.values()]
            radii = [arb(2) ** -4 * width for width in widths]
            proof = prove_zero(self.whole, [ball.mid() for ball in box], radii, PRECISIONS[1])
            # The proof is about this zero when this zero lies in the region.
            simple = proof is not None and lies_in(box, proof[1])
            region = proof[1] if proof is not None and simple else box
        if not all(value.is_finite() for value in self.whole.values(box, PRECISIONS[1])):
            self._leave(rational_hull(self.variables, box), "a zero of the factors lies where the field is not finite")
            return
        for known in self.zeros:
            if (known.simple and lies_in(box, known.region)) or (simple and lies_in(known.box, region)):
                return
            if _are_equal(exact, known.exact):
                return
            if not is_apart(box, known.box):
                self._leave(rational_hull(self.variables, box), "two zeros could not be told apart")
                return
        self.zeros.append(Zero(box, region, exact, simple))

    def _box(self, branch: Branch, sides: Mapping[sp.Symbol, tuple] | None = None) -> Box:
        box: list[tuple[sp.Symbol, sp.Rational, sp.Rational]] = []
        for x in self.variables:
            if x in branch.fixed:
                box += rational_hull((x,), (constant_ball(branch.fixed[x])(64),))
            elif sides is not None:
                box.append((x, *sides[x]))
            else:
                low, high = outer(*self.ends[x])
                box.append((x, sp.Rational(low), sp.Rational(high)))
        return tuple(box)

    def _leave(self, box: Box, reason: str) -> None:
        self.unresolved.append(box)
        if reason:
            self.reasons.append(reason)

    def answer(self) -> Zeros:
        """The zeros in a fixed order, with an honest sentence about the rest."""
        for zero in [zero for zero in self.zeros if not zero.simple]:
            hull = rational_hull(self.variables, zero.box)
            if any(touch(hull, box) for box in self.unresolved):
                self.zeros.remove(zero)
                self._leave(hull, "a multiple zero was not proven to be isolated")
        zeros = sorted(self.zeros, key=lambda zero: [float(x.mid()) for x in zero.box])
        complete = not self.unresolved
        cells = f"{self.cells} cell{'s' if self.cells != 1 else ''}"
        if complete:
            sentence = f"The box is covered ({cells} examined): every part holds no zero or exactly one of the list."
        else:
            sentence = "; ".join(dict.fromkeys(self.reasons)) + f" ({cells} examined)."
            sentence = sentence[0].upper() + sentence[1:]
        return Zeros(tuple(zeros), tuple(self.unresolved), complete, sentence, self.cells)


def _random(cell: Cell) -> np.ndarray:
    low, high = np.array(cell).T
    return np.random.default_rng(0).uniform(low, high, (STARTS, len(cell)))


class _Settler:
    """Looks with balls at cells that intervals find close to a zero, and knows the regions settled so far."""

    def __init__(self, search: _Search, system: BallField, found: list[tuple[Point, Point]]) -> None:
        self.search, self.system, self.found = search, system, found
        self._known: list[tuple[np.ndarray, np.ndarray]] = []

    def __call__(self, low: np.ndarray, high: np.ndarray) -> bool:
        """A zero near the cell was proven, and its region covers the cell."""
        cell: Cell = tuple(zip(low.tolist(), high.tolist(), strict=True))
        with ctx.workprec(PRECISIONS[0]):
            box = ball_cell(cell)
            middle = [x.mid() for x in box]
            value = self.system.values(middle, PRECISIONS[0])
            return self.search._try_root(self.system, cell, box, middle, value, self.found)

    def regions(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Floats just inside the regions of the zeros proven so far."""
        for _, region in self.found[len(self._known) :]:
            low = np.array([float_ends(x.lower())[1] for x in region])
            high = np.array([float_ends(x.upper())[0] for x in region])
            self._known.append((low, high))
        return self._known


def _are_equal(one: Sequence[sp.Expr | None], other: Sequence[sp.Expr | None]) -> bool:
    """Two points are proven to be the same."""
    pairs = list(zip(one, other, strict=True))
    return all(a is not None and b is not None and (a == b or reduces_to_zero(a - b)) for a, b in pairs)


def _is_end(value: sp.Expr, low: sp.Expr, high: sp.Expr) -> bool:
    return any(value == end or reduces_to_zero(value - end) for end in (low, high))


def _always(ball: arb) -> Callable[[int], arb]:
    return lambda precision: ball
