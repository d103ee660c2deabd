"""All real zeros of a polynomial system in a box or in Rⁿ, and the proof that they are all.

`numerics.case_search` takes the system apart and settles the cases. Here their pieces are put together: each
zero once, as exact as can be, alone in a region where it is simple; those outside the box left out; sets of
zeros apart. `complete` is true when no case is left open. In a bounded box branch and prune may still decide
what algebra left open (`numerics.certify`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import sympy as sp
from flint import arb, fmpq, fmpq_mpoly, fmpz_poly

from theory.identity import reduces_to_zero
from theory.stationary import Box

from .case_search import BITS, CaseSearch, Ends, Piece, on_one_level, position_in
from .cells import rational_hull
from .certify import Zero, certified_zeros
from .exact_numbers import constant_ball, simplest_fraction
from .exact_polynomials import as_rational, implies, real_roots
from .krawczyk import Point, is_apart, is_inside, krawczyk, lies_in
from .polynomial_field import PolynomialField, Terms, terms_of

__all__ = ["RealZeros", "ZeroSet", "is_polynomial", "polynomial_zeros"]


@dataclass(frozen=True)
class ZeroSet:
    """Real zeros that are not isolated: a manifold of them, by one of its points.

    The manifold may have several parts. Where F is a gradient there is a point for each value that the
    potential was seen to take on them.

    Args:
        at: a ball for each variable around a point of the set.
        exact: the coordinates of that point where they are known exactly, None where they are not.
        dimension: of the set, proven at the point.
        equations: the set is where these vanish.
        symmetry: what moves the point along the set, as a phrase; "" when no linear symmetry does.
    """

    at: Point
    exact: tuple[sp.Expr | None, ...]
    dimension: int
    equations: tuple[sp.Expr, ...]
    symmetry: str = ""


@dataclass(frozen=True)
class RealZeros:
    """What is proven about the real zeros of a polynomial system in a box; iterable over the isolated ones.

    Args:
        zeros: isolated, each proven, all different.
        sets: of zeros that are not isolated.
        unresolved: boxes that may hold further zeros; with infinite ends when nothing is known.
        complete: zeros and sets are proven to be all.
        termination: why these are all, or what is missing, as a sentence.
    """

    zeros: tuple[Zero, ...]
    sets: tuple[ZeroSet, ...]
    unresolved: tuple[Box, ...]
    complete: bool
    termination: str

    def __iter__(self) -> Iterator[Zero]:
        return iter(self.zeros)

    def __len__(self) -> int:
        return len(self.zeros)


def is_polynomial(components: Sequence[sp.Expr], variables: Sequence[sp.Symbol]) -> bool:
    """All components are polynomials with exact real coefficients."""
    return all(terms_of(sp.sympify(f, strict=True), variables) is not None for f in components)


def polynomial_zeros(
    components: Sequence[sp.Expr],
    variables: Sequence[sp.Symbol],
    box: Mapping[sp.Symbol, tuple] | None = None,
    seconds: float = 60.0,
) -> RealZeros:
    """All real zeros of a square polynomial system, in a box or in all of Rⁿ.

        {x ∈ box : F₁(x) = … = F_n(x) = 0},    F_i ∈ R[x₁, …, x_n]

    Args:
        components: F₁, …, F_n with exact real coefficients. Those that are not algebraic leave only the
            count by Bézout's theorem, and branch and prune in a bounded box.
        variables: x₁, …, x_n.
        box: closed interval (low, high) by variable, the ends exact or ±oo; None for Rⁿ.
        seconds: time budget; past it the list is not complete, and says so.

    Returns:
        The isolated zeros with their proofs, the sets of others with their dimension, and whether these are all.

    Raises:
        ValueError: for components that are no such polynomials, unequal numbers, or an empty interval.

    >>> x, y = sp.symbols("x y", real=True)
    >>> found = polynomial_zeros([x**3 - x*y**2 - x, y**2 - x - 1], (x, y))
    >>> found.complete, [zero.exact for zero in found]
    (True, [(-1, 0), (0, -1), (0, 1), (2, -sqrt(3)), (2, sqrt(3))])
    """
    variables = tuple(variables)
    components = tuple(sp.sympify(f, strict=True) for f in components)
    if len(components) != len(variables) or not variables:
        raise ValueError(f"expected as many components as variables, got {len(components)} and {len(variables)}")
    terms = [terms_of(f, variables) for f in components]
    for f, known in zip(components, terms, strict=True):
        if known is None:
            raise ValueError(f"expected a polynomial in {', '.join(map(str, variables))} with exact numbers, got {f}")
    ends = _ends(variables, box)
    field = PolynomialField([known for known in terms if known is not None], len(variables))
    search = CaseSearch(field, variables, ends, time.monotonic() + seconds, seconds)
    search.run()
    return _Reading(search, components).answer()


def _ends(variables: tuple[sp.Symbol, ...], box: Mapping[sp.Symbol, tuple] | None) -> Ends:
    ends = []
    for x in variables:
        if box is not None and x not in box:
            raise ValueError(f"expected an interval for every variable, got none for {x}")
        low, high = (-sp.oo, sp.oo) if box is None else (sp.sympify(end, strict=True) for end in box[x])
        if low.has(sp.Float) or high.has(sp.Float):
            raise ValueError(f"expected exact ends for {x}, got ({low}, {high}); write Rational('0.5')")
        if not low < high:
            raise ValueError(f"expected low < high for {x}, got ({low}, {high})")
        ends.append((low, high))
    return tuple(ends)


# --- reading the pieces ------------------------------------------------------------------------


class _Reading:
    """What the pieces of a search say about the zeros in a box."""

    def __init__(self, search: CaseSearch, components: tuple[sp.Expr, ...]) -> None:
        self.search, self.components = search, components
        self.field, self.variables, self.ends = search.field, search.variables, search.ends
        self.open = list(search.open)

    def answer(self) -> RealZeros:
        """Pieces as zeros and sets, those outside left out, and an honest sentence."""
        carriers = self._carriers()
        sets = [self._zero_set(piece) for piece in carriers]
        zeros: list[Zero] = []
        middles = np.empty((0, len(self.variables)))
        unresolved: list[Box] = []
        for piece in self.search.pieces:
            if piece.dimension:
                continue
            zero = self._zero(piece)
            place = position_in(self.ends, replace(piece, at=zero.box, exact=zero.exact))
            middle = np.array([float(ball.mid()) for ball in zero.box])
            # Only boxes with middles this close can have a point in common: radii are far below 2^-20.
            reach = 2.0**-20 * np.maximum(1, np.abs(middle))
            near = [zeros[i] for i in np.flatnonzero((np.abs(middles - middle) < reach).all(axis=1))]
            if place == "outside" or any(self._is_same(zero, known) for known in near):
                continue
            doubt = ""
            if any(float(ball.rad()) > r / 4 for ball, r in zip(zero.box, reach, strict=True)):
                doubt = "a zero was not enclosed tightly enough to be told from others"
            elif place == "edge":
                doubt = "a zero at the edge of the box may lie inside or outside"
            elif True in (on := self._sets_under(zero, piece, carriers)):
                continue
            elif None in on:
                doubt = "a multiple zero may lie on a set of zeros"
            elif not all(is_apart(zero.box, known.box) for known in near):
                doubt = "two zeros could not be told apart"
            if doubt:
                self.open.append(doubt)
                unresolved.append(rational_hull(self.variables, zero.box))
            else:
                zeros.append(zero)
                middles = np.vstack([middles, middle])
        if self.open:  # what is open may touch a multiple zero
            zeros = [zero for zero in zeros if zero.simple]
        if self.open and not unresolved:
            return self._by_subdivision(zeros, sets)
        zeros.sort(key=lambda zero: [float(x.mid()) for x in zero.box])
        complete = not self.open
        sentence = _proof(self.search.proofs) if complete else _sentence(self.open)
        return RealZeros(tuple(zeros), tuple(sets), tuple(unresolved), complete, sentence)

    def _by_subdivision(self, zeros: list[Zero], sets: list[ZeroSet]) -> RealZeros:
        """What algebra left open, branch and prune may still decide in a bounded box."""
        bounded = all(end.is_finite for ends in self.ends for end in ends)
        left = self.search.deadline - time.monotonic()
        if bounded and left > 0 and not sets:
            found = certified_zeros(self.components, self.variables, self.ends, left)
            more = [zero for zero in zeros if not any(self._is_same(zero, known) for known in found.zeros)]
            every = sorted([*found.zeros, *more], key=lambda zero: [float(x.mid()) for x in zero.box])
            sentence = f"{_sentence(self.open)} By subdivision: {found.termination}"
            return RealZeros(tuple(every), (), found.unresolved, found.complete and not more, sentence)
        whole = tuple((x, low, high) for x, (low, high) in zip(self.variables, self.ends, strict=True))
        return RealZeros(tuple(zeros), tuple(sets), (whole,), False, _sentence(self.open))

    def _zero(self, piece: Piece) -> Zero:
        """A zero as exact as can be, and alone in a region when it is simple."""
        box, exact = piece.at, self._recognized(piece)
        if None not in exact:
            box = tuple(constant_ball(value)(BITS) for value in exact)
        region = piece.region
        if region is None:
            region = self._region(box)
        return Zero(box, region or box, exact, region is not None)

    def _recognized(self, piece: Piece) -> tuple[sp.Expr | None, ...]:
        """The coordinates exactly, when they are known or turn out to be fractions."""
        if None not in piece.exact:
            return piece.exact
        guess = [simplest_fraction(ball) for ball in piece.at]
        if None in guess or not all(self._vanishes(f, guess) for f in self.field.components):
            return piece.exact
        if piece.region is not None or self._region(piece.at) is not None or self._solves(piece, guess):
            return tuple(guess)
        return piece.exact

    def _solves(self, piece: Piece, guess: Sequence[sp.Rational]) -> bool:
        """A fraction in the ball of a zero is that zero when it solves its case, whose zeros are in disjoint balls."""
        terms = [terms_of(f, self.variables) for f in map(self._as_expr, piece.equations)]
        if any(any(a[len(self.variables) :]) for f in piece.equations for a in f.monoms()):
            return False  # t or a generator takes part
        others = [p for p in self.search.pieces if p is not piece and p.case == piece.case]
        rivals = [p for p in others if not is_apart(p.at, piece.at)]
        return not rivals and all(f is not None and self._vanishes(f, guess) for f in terms)

    @staticmethod
    def _vanishes(terms: Terms, point: Sequence[sp.Rational]) -> bool:
        """A polynomial over Q is 0 at a rational point."""
        if not all(isinstance(c, fmpq) for c in terms.values()):
            return False
        place = [fmpq(int(v.p), int(v.q)) for v in point]
        values = (c * math.prod((v**k for v, k in zip(place, a, strict=True)), start=fmpq(1)) for a, c in terms.items())
        return sum(values, fmpq(0)) == 0

    def _region(self, box: Point) -> Point | None:
        """A box around a given zero in which it is proven to be alone and simple."""
        middle = [x.mid() for x in box]
        for power in (-12, -20, -28, -36, -60, -100, -140):
            region = tuple(arb(x, ((1 + abs(x)) * arb(2) ** power).upper()) for x in middle)
            image = krawczyk(self.field, region, BITS)
            if image is not None and is_inside(image, region):
                return region if lies_in(box, region) else None
        return None

    @staticmethod
    def _is_same(zero: Zero, known: Zero) -> bool:
        """Two zeros are proven to be the same."""
        if (known.simple and lies_in(zero.box, known.region)) or (zero.simple and lies_in(known.box, zero.region)):
            return True
        pairs = list(zip(zero.exact, known.exact, strict=True))
        return all(a is not None and b is not None and (a == b or reduces_to_zero(a - b)) for a, b in pairs)

    def _carriers(self) -> list[Piece]:
        """The sets of zeros that meet the box, each once; one inside another says nothing new."""
        found: list[Piece] = []
        for piece in sorted((p for p in self.search.pieces if p.dimension), key=lambda p: -p.dimension):
            if any(implies(piece.equations, o.equations) and on_one_level(self.field, piece, o) for o in found):
                continue
            place = position_in(self.ends, piece)
            if place == "inside":
                found.append(piece)
            elif not self._misses(piece):
                self.open.append("a set of zeros may or may not meet the box")
        return found

    def _misses(self, piece: Piece) -> bool:
        """A coordinate is fixed on a set, to values outside the box."""
        for f in piece.equations:
            terms = terms_of(self._as_expr(f), self.variables)
            used = {j for a in terms or () for j, power in enumerate(a) if power}
            if len(used) != 1 or not all(isinstance(c, fmpq) for c in (terms or {}).values()):
                continue
            (j,) = used
            coefficients = {a[j]: int(c.p) for a, c in (terms or {}).items()}  # no fractions: see _as_expr
            roots = real_roots(fmpz_poly([coefficients.get(k, 0) for k in range(max(coefficients) + 1)]), BITS)
            low, high = (constant_ball(end)(BITS) if end.is_finite else None for end in self.ends[j])
            if all((low is not None and root < low) or (high is not None and root > high) for root in roots):
                return True
        return False

    def _zero_set(self, piece: Piece) -> ZeroSet:
        equations = tuple(f for f in map(self._as_expr, piece.equations) if f != 0)
        return ZeroSet(piece.at, piece.exact, piece.dimension, equations, piece.symmetry)

    def _as_expr(self, f: fmpq_mpoly) -> sp.Expr:
        """An equation as it is written, without fractions."""
        whole = f * math.lcm(*(int(c.q) for c in f.coeffs()))
        whole = whole if whole.leading_coefficient() > 0 else -whole
        symbols = (
            *self.variables,
            sp.Integer(1),
            sp.Integer(1) if self.search.generator is None else self.search.generator,
        )
        monomials = [(c, sp.Mul(*(x ** int(p) for x, p in zip(symbols, a, strict=True)))) for a, c in whole.terms()]
        return sp.Add(*(as_rational(c) * monomial for c, monomial in monomials))

    def _sets_under(self, zero: Zero, piece: Piece, carriers: Sequence[Piece]) -> list[bool | None]:
        """For each set whether a multiple zero lies on it; None when that is not decided. A simple one does not."""
        return [] if zero.simple else [self._lies_on(carrier, zero, piece) for carrier in carriers]

    def _lies_on(self, carrier: Piece, zero: Zero, piece: Piece) -> bool | None:
        if implies(piece.equations, carrier.equations):
            return True
        equations = [f for f in map(self._as_expr, carrier.equations) if f != 0]
        if None not in zero.exact:
            at = dict(zip(self.variables, zero.exact, strict=True))
            return all(reduces_to_zero(f.xreplace(at)) for f in equations)
        terms = [terms_of(f, self.variables) for f in equations]
        field = PolynomialField([f for f in terms if f is not None], len(self.variables))
        return False if field.excludes(zero.box, BITS) else None


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(dict.fromkeys(parts))
    return f"{text[0].upper()}{text[1:]}."


def _proof(parts: Sequence[str]) -> str:
    """How a complete list was proven."""
    if not parts:
        return "The equations contradict each other over the reals."
    if len(parts) == 1:
        return _sentence(parts)
    return f"The system falls apart into {len(parts)} cases over the reals, and the zeros of each are counted."
