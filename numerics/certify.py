"""All zeros of a smooth field in a box, each with a proof, and the signs of eigenvalues.

`certified_zeros` splits the box into cells until every cell is proven to hold no zero, or to lie
in a region proven to hold exactly one. The two proofs, on a cell X with middle m:

    no zero          0 ∉ F_i(X) for some i, with F_i(X) a ball enclosure; or the same for the
                     mean-value form F(m) + J(X)(X − m)
    exactly one      K(X) ⊂ int X, with  K(X) = m − C F(m) + (I − C J(X))(X − m)
                     the Krawczyk operator, J the exact derivative, C ≈ J(m)⁻¹

Every zero in X lies in K(X), so K also shrinks cells. Around a zero the region is inflated, so
that a zero on the border between cells, or on the edge of the box, is met once and counted once.
Products are taken apart first: F₁ = f g vanishes where f or g does, factors that never vanish
(exp) are dropped, erf(f) vanishes where f does, and a factor that is linear in one variable
fixes that variable exactly. What cannot be decided is listed, never guessed.

Definitions: `certified_zeros`, `signature` (interval LDLᵀ), `eigenvalue_balls`.

References: Krawczyk (1969), Computing 4; Neumaier, Interval Methods for Systems of Equations
(1990), chapter 5; Johansson, Arb: efficient arbitrary-precision midpoint-radius interval
arithmetic (2017).
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import sympy as sp
from flint import acb, acb_mat, arb, arb_mat, ctx

from theory.identity import reduces_to_zero
from theory.stationary import Box

from .balls import compile_ball, compile_balls

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

Point = tuple[arb, ...]
Cell = tuple[tuple[float, float], ...]
Ends = tuple[tuple[sp.Expr, sp.Expr], ...]

PRECISIONS = (64, 256, 1024)
"""Bits tried in turn where rounding alone hides a sign."""

FINEST = 2.0**-36
"""Cells are not split below this fraction of the box: what is left there is a multiple zero, a
curve of zeros, or zeros closer than that."""

KINKS = sp.Abs, sp.sign, sp.Heaviside, sp.DiracDelta, sp.Max, sp.Min, sp.Piecewise, sp.floor, sp.ceiling
ONLY_ZERO_AT_ZERO = (sp.erf, sp.erfi, sp.tanh, sp.sinh, sp.asinh, sp.atan, sp.asin, sp.atanh)
NEVER_ZERO = (sp.exp, sp.erfc, sp.cosh)


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
) -> Zeros:
    """All zeros of a smooth field in a closed box, by branch and prune with proofs.

        {x in box : F₁(x) = … = F_n(x) = 0},    F: R^n → R^n

    Args:
        components: F₁, …, F_n, smooth, with exact numbers and no symbols but the variables.
        variables: x₁, …, x_n.
        box: closed interval (low, high) by variable, or one a variable in their order; exact and finite.
        seconds: the search stops after this time with what is proven by then.

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
    components = tuple(sp.sympify(f) for f in components)
    variables = tuple(variables)
    ends = _ends(variables, box)
    _refuse_wrong_use(components, variables)
    search = _Search(components, variables, ends, time.monotonic() + seconds, seconds)
    for branch in _branches(components, variables, {}, dict(zip(variables, ends, strict=True))):
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
        low, high = sp.sympify(low), sp.sympify(high)
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


# --- taking products apart -------------------------------------------------------------------


@dataclass(frozen=True)
class _Branch:
    """Part of the zero set: the zeros of simpler components, some variables fixed exactly."""

    components: tuple[sp.Expr, ...]
    variables: tuple[sp.Symbol, ...]
    fixed: dict[sp.Symbol, sp.Expr] = field(hash=False)
    is_singular: bool = False  # a component vanishes identically, or is a number of unknown sign


def _branches(
    components: tuple[sp.Expr, ...],
    variables: tuple[sp.Symbol, ...],
    fixed: dict,
    ends: dict,
    most: int = 256,
) -> Iterator[_Branch]:
    """Branches whose zeros together are all zeros of the field where it is finite."""
    choices = []
    for f in components:
        factors = _factors(f, variables)
        if not factors:
            return
        choices.append(factors)
    is_number = any(not f.free_symbols for factors in choices for f in factors)
    if is_number or any(f.has(sp.nan, sp.zoo) for f in components):
        yield _Branch(components, variables, fixed, is_singular=True)
        return
    if math.prod(len(factors) for factors in choices) > most:
        yield _Branch(components, variables, fixed)
        return
    for i, factors in enumerate(choices):
        if len(factors) > 1:
            for f in factors:
                yield from _branches((*components[:i], f, *components[i + 1 :]), variables, fixed, ends, most)
            return
    single = tuple(factors[0] for factors in choices)
    for i, f in enumerate(single):
        root = _linear_root(f)
        if root is None:
            continue
        symbol, value = root
        if _position(_constant(value), *ends[symbol]) == "outside":
            return
        others = tuple(g.xreplace({symbol: value}) for j, g in enumerate(single) if j != i)
        left = tuple(x for x in variables if x != symbol)
        yield from _branches(others, left, {**fixed, symbol: value}, ends, most)
        return
    yield _Branch(single, variables, fixed)


def _factors(f: sp.Expr, variables: tuple[sp.Symbol, ...]) -> list[sp.Expr]:
    """Factors whose zeros make up the zeros of f where f is finite; none if f never vanishes."""
    if f.is_Mul:
        found: list[sp.Expr] = []
        for factor in f.args:
            found += [g for g in _factors(factor, variables) if g not in found]
        return found
    if f.is_Pow and f.exp.is_number and f.exp.is_real and f.base.free_symbols:
        return _factors(f.base, variables) if f.exp.is_positive else []
    if isinstance(f, NEVER_ZERO):
        return []
    if isinstance(f, ONLY_ZERO_AT_ZERO):
        return _factors(f.args[0], variables)
    if not f.free_symbols:
        return [] if _is_nonzero(f) else [f]
    if f.is_polynomial(*variables) and all(c.is_Rational for c in sp.Poly(f, *variables).coeffs()):
        return [g for g, _ in sp.factor_list(f, *variables)[1]]
    common = sp.factor_terms(f) if f.is_Add else f
    return _factors(common, variables) if common.is_Mul else [f]


def _linear_root(f: sp.Expr) -> tuple[sp.Symbol, sp.Expr] | None:
    """(x, −b/a) when f = a x + b with numbers a ≠ 0 and b."""
    if len(f.free_symbols) != 1:
        return None
    (symbol,) = f.free_symbols
    slope = f.diff(symbol)
    if slope.free_symbols or not _is_nonzero(slope):
        return None
    return symbol, -f.xreplace({symbol: sp.Integer(0)}) / slope


def _is_nonzero(number: sp.Expr) -> bool:
    """True when balls prove it; False is no proof of anything."""
    evaluate = _constant(number)
    return any(_excludes_zero(evaluate(precision)) for precision in PRECISIONS)


def _constant(number: sp.Expr) -> Callable[[int], arb]:
    """precision -> ball of an exact number."""
    evaluate = compile_ball(number, ())
    return lambda precision: evaluate((), precision)


def _always(ball: arb) -> Callable[[int], arb]:
    return lambda precision: ball


def _position(evaluate: Callable[[int], arb], low: sp.Expr, high: sp.Expr) -> str:
    """Where a number lies: "inside" (low, high), "outside" [low, high], or "edge" if balls cannot tell."""
    for precision in PRECISIONS:
        with ctx.workprec(precision):
            value, bottom, top = evaluate(precision), _constant(low)(precision), _constant(high)(precision)
            if value < bottom or value > top:
                return "outside"
            if value > bottom and value < top:
                return "inside"
    return "edge"


# --- fields on balls -------------------------------------------------------------------------


class _Field:
    """A field and its exact derivative, as functions of balls."""

    def __init__(self, components: tuple[sp.Expr, ...], variables: tuple[sp.Symbol, ...]) -> None:
        self.size = len(variables)
        self._values = compile_balls(components, variables)
        self._slopes = compile_balls([f.diff(x) for f in components for x in variables], variables)

    def values(self, point: Sequence[arb], precision: int) -> list[arb]:
        """F(x), one ball a component."""
        return list(self._values(point, precision))

    def excludes(self, point: Sequence[arb], precision: int) -> bool:
        """Some component is proven to have no zero on the box."""
        return any(_excludes_zero(value) for value in self._values(point, precision))

    def jacobian(self, point: Sequence[arb], precision: int) -> arb_mat:
        """∂F_i/∂x_j as a matrix of balls."""
        return arb_mat(self.size, self.size, list(self._slopes(point, precision)))


def _excludes_zero(value: arb) -> bool:
    return value.is_finite() and not value.contains(0)


def _inverse(matrix: arb_mat) -> arb_mat | None:
    """An approximate inverse of the middle of a matrix of balls; None when there is none in sight."""
    if not all(entry.is_finite() for entry in matrix.entries()):
        return None
    try:
        inverse = matrix.mid().inv().mid()
    except ZeroDivisionError:
        return None
    return inverse if all(entry.is_finite() for entry in inverse.entries()) else None


def _column(values: Iterable[arb]) -> arb_mat:
    values = list(values)
    return arb_mat(len(values), 1, values)


def _identity(size: int) -> arb_mat:
    return arb_mat([[int(i == j) for j in range(size)] for i in range(size)])


def _krawczyk(
    system: _Field, box: Point, precision: int, slope: arb_mat | None = None, value: list[arb] | None = None
) -> Point | None:
    """K(X) = m − C F(m) + (I − C J(X))(X − m): holds every zero of X; None without an inverse."""
    with ctx.workprec(precision):
        middle = [x.mid() for x in box]
        slope = system.jacobian(box, precision) if slope is None else slope
        inverse = _inverse(slope)
        if inverse is None:
            return None
        value = system.values(middle, precision) if value is None else value
        spread = _column(x - m for x, m in zip(box, middle, strict=True))
        image = _column(middle) - inverse * _column(value) + (_identity(system.size) - inverse * slope) * spread
        entries = tuple(image.entries())
        return entries if all(entry.is_finite() for entry in entries) else None


def _is_inside(inner: Point, outer: Point) -> bool:
    return all(big.contains_interior(small) for small, big in zip(inner, outer, strict=True))


def _lies_in(inner: Point, outer: Point) -> bool:
    return all(big.contains(small) for small, big in zip(inner, outer, strict=True))


def _is_apart(one: Point, other: Point) -> bool:
    return any(not a.overlaps(b) for a, b in zip(one, other, strict=True))


def _newton(system: _Field, start: Sequence[arb], precision: int, steps: int = 12) -> list[arb] | None:
    """Newton's iteration on middles: a guess, proven by nobody."""
    point = [x.mid() for x in start]
    before: list[arb] = []
    with ctx.workprec(precision):
        for i in range(steps):
            inverse = _inverse(system.jacobian(point, precision))
            if inverse is None:
                return None
            step = (inverse * _column(system.values(point, precision))).entries()
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


def _certify(system: _Field, center: Sequence[arb], radii: Sequence[arb], precision: int) -> tuple[Point, Point] | None:
    """(box, region): a zero, and the largest tried region around it proven to hold no other."""
    smallest = 3 - precision // 6

    def attempt(power: int) -> tuple[Point, Point] | None:
        scale = arb(8) ** power
        region = tuple(arb(x.mid(), (r * scale).upper()) for x, r in zip(center, radii, strict=True))
        image = _krawczyk(system, region, precision)
        return (image, region) if image is not None and _is_inside(image, region) else None

    with ctx.workprec(precision):
        proof = attempt(smallest)  # where even the smallest region fails the larger ones are hopeless
        if proof is not None:
            proof = next(filter(None, map(attempt, range(0, smallest, -1))), proof)
    return None if proof is None else (_refine(system, proof[0], precision), proof[1])


def _refine(system: _Field, box: Point, precision: int, steps: int = 40) -> Point:
    """Shrink a box known to hold exactly one zero, as far as the precision goes."""
    with ctx.workprec(precision):
        least = arb(0, arb(2) ** (-2 * precision))
        root = _newton(system, box, precision)
        if root is not None:  # a small box around the root, if it is proven, saves the slow first steps
            close = tuple(arb(x, (1 + abs(x)).upper() * arb(2) ** (-precision // 4)) for x in root)
            image = _krawczyk(system, close, precision)
            if image is not None and _is_inside(image, close) and _lies_in(image, box):
                box = image
        for _ in range(steps):
            image = _krawczyk(system, box, precision)
            if image is None:
                return box
            smaller = tuple((x.intersection(y) + least).intersection(x) for x, y in zip(box, image, strict=True))
            if all(new.rad() * 2 >= old.rad() for new, old in zip(smaller, box, strict=True)):
                return smaller
            box = smaller
    return box


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
    ) -> None:
        self.components, self.variables, self.ends = (
            components,
            variables,
            dict(zip(variables, ends, strict=True)),
        )
        self.deadline, self.seconds = deadline, seconds
        self.whole = _Field(components, variables)
        self.zeros: list[Zero] = []
        self.unresolved: list[Box] = []
        self.reasons: list[str] = []
        self.cells = 0

    def run(self, branch: _Branch) -> None:
        """Find the zeros of one branch."""
        if branch.is_singular:
            where = ", ".join(f"{x} = {value}" for x, value in branch.fixed.items()) or "the whole box"
            self._leave(self._box(branch), f"on {where} a component vanishes identically, or is not finite")
            return
        if not branch.variables:
            exact = tuple(branch.fixed[x] for x in self.variables)
            self._found(tuple(_constant(value)(PRECISIONS[1]) for value in exact), exact, None)
            return
        system = self.whole if branch.components == self.components else _Field(branch.components, branch.variables)
        found, left = self._subdivide(system, [self.ends[x] for x in branch.variables])
        for box, region in {id(box): (box, region) for box, region in found}.values():  # one region a zero
            self._place(branch, system, box, region)
        for cells in _clusters(left):
            ends = [(sp.Rational(low), sp.Rational(high)) for low, high in cells]
            sides = dict(zip(branch.variables, ends, strict=True))
            self._leave(self._box(branch, sides), "")

    def _subdivide(
        self, system: _Field, ends: list[tuple[sp.Expr, sp.Expr]]
    ) -> tuple[list[tuple[Point, Point]], list[Cell]]:
        """Branch and prune: proven zeros with their regions, and the cells left undecided."""
        first: Cell = tuple(_outer(low, high) for low, high in ends)
        widths = [high - low for low, high in first]
        found: list[tuple[Point, Point]] = []
        left: list[Cell] = []
        queue = deque([first])
        while queue:
            if time.monotonic() > self.deadline:
                self.reasons.append(
                    f"stopped after {self.seconds:g} s with {len(queue) + len(left)} cells undecided; "
                    "give more seconds or a smaller box"
                )
                return found, [*left, *queue]
            cell = queue.popleft()
            self.cells += 1
            rest = self._examine(system, cell, found)
            if rest is None:
                continue
            cell = rest
            relative = [(high - low) / width for (low, high), width in zip(cell, widths, strict=True)]
            halves = _halves(cell, relative.index(max(relative)))
            if max(relative) < FINEST or cell in halves:
                left.append(cell)
            else:
                queue.extend(halves)
        if left:
            self.reasons.append(
                f"{len(left)} cells could not be decided at the finest subdivision: a multiple zero, "
                "a curve of zeros, zeros too close to tell apart, or a border of where the field is finite"
            )
        return found, left

    def _examine(self, system: _Field, cell: Cell, found: list[tuple[Point, Point]]) -> Cell | None:
        """What is left of a cell to search: None when it is decided."""
        for precision in PRECISIONS:
            with ctx.workprec(precision):
                box = _balls(cell)
                if any(_lies_in(box, region) for _, region in found) or system.excludes(box, precision):
                    return None
                middle = [x.mid() for x in box]
                value = system.values(middle, precision)
                slope = system.jacobian(box, precision)
                spread = _column(x - m for x, m in zip(box, middle, strict=True))
                if any(_excludes_zero(v + d) for v, d in zip(value, (slope * spread).entries(), strict=True)):
                    return None
                image = _krawczyk(system, box, precision, slope, value)
                if image is not None:
                    if _is_inside(image, box):
                        self._keep(system, _refine(system, image, PRECISIONS[1]), box, found)
                        return None
                    shrunk = _meet(cell, image)
                    if shrunk is None:
                        return None
                    if self._try_root(system, cell, box, middle, value, found):
                        return None
                    cell = shrunk
                if all(_excludes_zero(v) for v in value):
                    return cell
        return cell

    def _try_root(
        self,
        system: _Field,
        cell: Cell,
        box: Point,
        middle: list[arb],
        value: list[arb],
        found: list[tuple[Point, Point]],
    ) -> bool:
        """Look for a zero near the cell and prove it; True when its region covers the cell."""
        inverse = _inverse(system.jacobian(middle, ctx.prec))
        if inverse is None:
            return False
        step = (inverse * _column(value)).entries()
        if any(abs(s.mid()) > 3 * x.rad() for s, x in zip(step, box, strict=True)):
            return False
        precision = max(PRECISIONS[1], ctx.prec)
        root = _newton(system, middle, precision)
        if root is None or any(abs(r - m) > 4 * x.rad() for r, m, x in zip(root, middle, box, strict=True)):
            return False
        if any(_lies_in(tuple(root), region) for _, region in found):
            return False
        reach = [(abs(r - x)).upper() * arb(1.001) for r, x in zip(root, box, strict=True)]
        proof = _certify(system, root, reach, precision)
        if proof is None:
            return False
        self._keep(system, *proof, found)
        return _lies_in(box, proof[1])

    @staticmethod
    def _keep(system: _Field, box: Point, region: Point, found: list[tuple[Point, Point]]) -> None:
        """Note a zero, unless it is one that is known: a zero inside a region is the region's zero."""
        if not any(_lies_in(box, known) or _lies_in(other, region) for other, known in found):
            found.append((box, region))
            return
        # The same zero with another region: both regions are free of further zeros.
        same = next(other for other, known in found if _lies_in(box, known) or _lies_in(other, region))
        found.append((same, region))

    def _place(self, branch: _Branch, system: _Field, box: Point, region: Point) -> None:
        """Decide whether a zero of a branch lies in the box asked for, as exactly as can be."""
        fine = _refine(system, box, PRECISIONS[2])
        guess = [self._guess(x, ball) for x, ball in zip(branch.variables, fine, strict=True)]
        if None not in guess and _lies_in(tuple(_constant(v)(PRECISIONS[1]) for v in guess), region):
            point = dict(zip(branch.variables, guess, strict=True))
            if all(reduces_to_zero(f.xreplace(point)) for f in branch.components):
                exact = {**branch.fixed, **point}
                values = tuple(exact[x] for x in self.variables)
                self._found(tuple(_constant(value)(PRECISIONS[1]) for value in values), values, None)
                return
        balls = dict(zip(branch.variables, fine, strict=True))
        full = tuple(balls[x] if x in balls else _constant(branch.fixed[x])(PRECISIONS[2]) for x in self.variables)
        exact_or_none = tuple(branch.fixed.get(x) for x in self.variables)
        self._found(full, exact_or_none, region if system is self.whole else None)

    def _guess(self, x: sp.Symbol, ball: arb) -> sp.Expr | None:
        """An exact number that a coordinate may be: an end of its range, or a simple fraction."""
        for end in self.ends[x]:
            if _constant(end)(PRECISIONS[2]).overlaps(ball):
                return end
        return _simplest(ball)

    def _found(self, box: Point, exact: tuple[sp.Expr | None, ...], region: Point | None) -> None:
        """Take in a proven zero: in the box or not, simple or not, new or not."""
        for x, ball, value in zip(self.variables, box, exact, strict=True):
            low, high = self.ends[x]
            place = _position(_always(ball), low, high)
            if place == "outside":
                return
            if place == "edge" and not (value is not None and _is_end(value, low, high)):
                reason = f"a zero at the edge of the range of {x} may lie inside or outside"
                self._leave(_hull(self.variables, box), reason)
                return
        simple = region is not None
        if region is None:
            radii = [arb(2) ** -4 * (_constant(high)(64) - _constant(low)(64)) for low, high in self.ends.values()]
            proof = _certify(self.whole, [ball.mid() for ball in box], radii, PRECISIONS[1])
            # The proof is about this zero when this zero lies in the region.
            simple = proof is not None and _lies_in(box, proof[1])
            region = proof[1] if proof is not None and simple else box
        if not all(value.is_finite() for value in self.whole.values(box, PRECISIONS[1])):
            self._leave(_hull(self.variables, box), "a zero of the factors lies where the field is not finite")
            return
        for known in self.zeros:
            if (known.simple and _lies_in(box, known.region)) or (simple and _lies_in(known.box, region)):
                return
            if _are_equal(exact, known.exact):
                return
            if not _is_apart(box, known.box):
                self._leave(_hull(self.variables, box), "two zeros could not be told apart")
                return
        self.zeros.append(Zero(box, region, exact, simple))

    def _box(self, branch: _Branch, sides: Mapping[sp.Symbol, tuple] | None = None) -> Box:
        box: list[tuple[sp.Symbol, sp.Rational, sp.Rational]] = []
        for x in self.variables:
            if x in branch.fixed:
                box += _hull((x,), (_constant(branch.fixed[x])(64),))
            elif sides is not None:
                box.append((x, *sides[x]))
            else:
                low, high = _outer(*self.ends[x])
                box.append((x, sp.Rational(low), sp.Rational(high)))
        return tuple(box)

    def _leave(self, box: Box, reason: str) -> None:
        self.unresolved.append(box)
        if reason:
            self.reasons.append(reason)

    def answer(self) -> Zeros:
        """The zeros in a fixed order, with an honest sentence about the rest."""
        for zero in [zero for zero in self.zeros if not zero.simple]:
            hull = _hull(self.variables, zero.box)
            if any(_touch(hull, box) for box in self.unresolved):
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


def _are_equal(one: Sequence[sp.Expr | None], other: Sequence[sp.Expr | None]) -> bool:
    """Two points are proven to be the same."""
    pairs = list(zip(one, other, strict=True))
    return all(a is not None and b is not None and (a == b or reduces_to_zero(a - b)) for a, b in pairs)


def _is_end(value: sp.Expr, low: sp.Expr, high: sp.Expr) -> bool:
    return any(value == end or reduces_to_zero(value - end) for end in (low, high))


def _outer(low: sp.Expr, high: sp.Expr) -> tuple[float, float]:
    """Floats just outside an exact interval."""
    return _below(_constant(low)(64)), _above(_constant(high)(64))


def _below(value: arb) -> float:
    """A float at or below every number of a ball: itself when the ball is a float."""
    low = value.lower()
    near = float(low)
    return near if arb(near) <= low else math.nextafter(near, -math.inf)


def _above(value: arb) -> float:
    return -_below(-value)


def _balls(cell: Cell) -> Point:
    return tuple(arb(low).union(arb(high)) for low, high in cell)


def _meet(cell: Cell, image: Point) -> Cell | None:
    """The part of a cell inside a box of balls; None when they are apart."""
    sides = tuple((max(low, _below(x)), min(high, _above(x))) for (low, high), x in zip(cell, image, strict=True))
    return None if any(low > high for low, high in sides) else sides


def _halves(cell: Cell, i: int) -> tuple[Cell, Cell]:
    """Two parts that meet a little off the middle, where symmetric problems have their zeros."""
    low, high = cell[i]
    cut = low + 0.4873 * (high - low)
    return (*cell[:i], (low, cut), *cell[i + 1 :]), (*cell[:i], (cut, high), *cell[i + 1 :])


def _clusters(cells: list[Cell], most: int = 64) -> list[Cell]:
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


def _hull(variables: Sequence[sp.Symbol], box: Sequence[arb]) -> Box:
    """Rational ends around balls."""
    return tuple(
        (x, sp.Rational(_below(ball)), sp.Rational(_above(ball))) for x, ball in zip(variables, box, strict=True)
    )


def _touch(one: Box, other: Box) -> bool:
    return all(a <= d and c <= b for (_, a, b), (_, c, d) in zip(one, other, strict=True))


def _simplest(ball: arb, bits: int = 40) -> sp.Rational | None:
    """The fraction with the smallest denominator in a very small ball, when far simpler than the ball."""
    if not ball.is_finite() or ball.rad() > arb(2) ** (-4 * bits):
        return None
    simple = _between(*(Fraction(int(end.p), int(end.q)) for end in exact_ends(ball)))
    if max(abs(simple.numerator), simple.denominator) >= 2**bits:
        return None
    return sp.Rational(simple.numerator, simple.denominator)


def exact_ends(ball: arb) -> tuple[sp.Rational, sp.Rational]:
    """The two ends of a finite ball, exactly, unless they are below 1e-3000; then just outside.

    >>> low, high = exact_ends(arb(2, 0.5))
    >>> 1 < low <= sp.Rational(3, 2), sp.Rational(5, 2) <= high < 3
    (True, True)
    """
    tiny = arb(2) ** -10_000  # a fraction with the exponent of a much smaller ball would not fit in memory
    if ball.rad() < tiny and not ball.is_exact():
        ball = arb(ball.mid(), tiny)
    if abs(ball.mid()) < tiny and not ball.mid().is_zero():
        ball = arb(0, ball.rad() + tiny)
    middle, radius = ball.mid().fmpq(), ball.rad().fmpq()
    return tuple(sp.Rational(int(end.p), int(end.q)) for end in (middle - radius, middle + radius))


def _between(low: Fraction, high: Fraction) -> Fraction:
    """The fraction with the smallest denominator in [low, high], by continued fractions."""
    if low <= 0 <= high:
        return Fraction(0)
    if high < 0:
        return -_between(-high, -low)
    whole = math.ceil(low)
    if whole <= high:
        return Fraction(whole)
    whole -= 1
    return whole + 1 / _between(1 / (high - whole), 1 / (low - whole))


# --- signs of eigenvalues --------------------------------------------------------------------


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
    return _Field(tuple(components), tuple(variables)).jacobian(tuple(point), precision)


def flow_signature(jacobian: arb_mat) -> tuple[int, int, int]:
    """Proven numbers of stable and unstable eigenvalues of a linearised flow ẋ = J x.

    Returns:
        (stable, unstable, undecided): eigenvalues with negative real part, with positive real part,
        and the others. For a gradient descent flow these are the positive and negative eigenvalues
        of the Hessian.

    >>> flow_signature(arb_mat([[-1, 0], [5, 2]]))
    (1, 1, 0)
    """
    parts = [value.real for value in eigenvalue_balls(jacobian)]
    stable, unstable = sum(part < 0 for part in parts), sum(part > 0 for part in parts)
    return stable, unstable, len(parts) - stable - unstable


def signature(matrix: arb_mat) -> tuple[int, int, int]:
    """Proven numbers of positive and negative eigenvalues of a symmetric matrix of balls.

        B = Qᵀ A Q = L D Lᵀ,    (signs in D) = (signs of the eigenvalues of A)

    Q holds the approximate eigenvectors of the middle, so that D is close to the eigenvalues;
    whatever Q is, a sign proven in D is proven for A (Sylvester's law of inertia).

    Args:
        matrix: n×n, symmetric; the balls must overlap their mirror images.

    Returns:
        (positive, negative, undecided) with sum n. Of the undecided eigenvalues nothing is said.

    Raises:
        ValueError: if the matrix is not square, or proven not to be symmetric.

    >>> signature(arb_mat([[2, 1], [1, -3]]))
    (1, 1, 0)
    >>> signature(arb_mat([[1, 1], [1, 1]]))
    (1, 0, 1)
    """
    size = matrix.nrows()
    if matrix.ncols() != size:
        raise ValueError(f"expected a square matrix, got {size}x{matrix.ncols()}")
    for i in range(size):
        for j in range(i):
            if not matrix[i, j].overlaps(matrix[j, i]):
                raise ValueError(f"expected a symmetric matrix, got {matrix[i, j]} and {matrix[j, i]} at ({i}, {j})")
    if not all(entry.is_finite() for entry in matrix.entries()):
        return 0, 0, size
    turn = _approximate_eigenvectors(matrix)
    with ctx.workprec(PRECISIONS[1]):
        schur = (turn.transpose() * matrix * turn).tolist()
        positive = negative = 0
        left = list(range(size))
        while left:
            pivot = max(left, key=lambda i: float(abs(schur[i][i]).lower()))
            d = schur[pivot][pivot]
            if not _excludes_zero(d):
                break
            positive, negative = positive + int(d > 0), negative + int(d < 0)
            left.remove(pivot)
            for i in left:
                for j in left:
                    if j <= i:
                        schur[i][j] = schur[j][i] = schur[i][j] - schur[i][pivot] * schur[j][pivot] / d
    return positive, negative, len(left)


def _approximate_eigenvectors(matrix: arb_mat) -> arb_mat:
    size = matrix.nrows()
    middle = np.array([[float(matrix[i, j].mid()) for j in range(size)] for i in range(size)])
    scale = np.abs(middle).max(initial=0.0)
    if not (0 < scale < math.inf):
        return _identity(size)
    vectors = np.linalg.eigh((middle + middle.T) / (2 * scale))[1]
    return arb_mat(vectors.tolist())


def eigenvalue_balls(matrix: arb_mat, is_symmetric: bool = False) -> tuple[acb, ...]:
    """Balls for all eigenvalues of a square matrix of balls, by real part; real where that is proven.

    Args:
        matrix: n×n, real.
        is_symmetric: the matrix inside the balls is known to be symmetric.

    Returns:
        n balls, each with its eigenvalue; where they overlap their union counts multiplicity.
        Imaginary parts are exactly 0 for eigenvalues proven to be real. Not finite: undecided.

    >>> [round(float(value.real)) for value in eigenvalue_balls(arb_mat([[0, 1], [2, 1]]))]
    [-1, 2]
    """
    size = matrix.nrows()
    if size == 1:
        return (acb(matrix[0, 0]),)
    values = [acb(arb("nan"), arb("nan"))] * size
    for precision in PRECISIONS[1:]:
        try:
            with ctx.workprec(precision):
                values = list(acb_mat(matrix).eig(multiple=True))
            break
        except ValueError:  # not isolated at this precision
            continue
    # Eigenvalues come in conjugate pairs: alone with its mirror image, an eigenvalue is real.
    for i, value in enumerate(values):
        mirror = value.conjugate()
        if is_symmetric or not any(mirror.overlaps(other) for j, other in enumerate(values) if j != i):
            values[i] = acb(value.real)
    return tuple(sorted(values, key=lambda value: float(value.real.mid())))
