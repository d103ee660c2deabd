"""All real zeros of a polynomial system, and the proof that they are all.

The system is taken apart over the reals (`numerics.real_cases`) until each case is settled:

    no variable left         a rational point
    one variable             real roots isolated exactly
    as many equations        a homotopy's ends, proven by balls, as many as Bézout allows (`numerics.complex_zeros`)
    finitely many            Hermite's count, Rouillier's representation (`numerics.quotient_algebra`)
    infinitely many          {det J = 0} apart from {det J ≠ 0}, where zeros are isolated; then sets of zeros:
                             a real point where k equations in m variables have rank k lies on a manifold of
                             dimension m − k; where a group of linear symmetries moves it, on an orbit

Every case is exact: its real zeros are zeros of the system, and every real zero of the system is in a case.
What is not settled is said, never dropped; `complete` is true when nothing of the kind is left.

References: Cox, Little and O'Shea, Using Algebraic Geometry (2005); Sommese and Wampler (2005).
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import sympy as sp
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat, fmpq_mpoly, fmpq_mpoly_ctx, fmpz_poly
from sympy.polys.constructor import construct_domain
from sympy.polys.polyclasses import ANP

from theory.identity import reduces_to_zero
from theory.stationary import Box

from .cells import rational_hull
from .certify import Zero, certified_zeros
from .complex_zeros import complex_zeros
from .exact_numbers import PRECISIONS, constant_ball, exact_ends, simplest_fraction
from .exact_polynomials import are_multiples, as_rational, ball_at, determinant, dimension_of, exact_at, implies, minors
from .krawczyk import Point, is_apart, is_inside, krawczyk, lies_in
from .linear_symmetries import eigenbasis, is_gradient, is_rotation, linear_symmetries, potential_at
from .polynomial_field import PolynomialField, Terms, terms_of
from .quotient_algebra import QuotientAlgebra, quotient_algebra, real_roots
from .real_cases import Case, alternatives, consequences
from .signature import signature

__all__ = ["RealZeros", "ZeroSet", "is_polynomial", "polynomial_zeros"]

PATHS = 20_000
"""Homotopies with more paths than this are not begun."""

REPRESENTED = 32
"""Dimension of an algebra up to which its zeros are written as rational functions of one number."""

SMALL = 16
"""Up to so many paths the quotient algebra is quicker than a homotopy."""

MINORS = 500
"""So many minors are asked to vanish together, at most."""

BITS = PRECISIONS[1]

Ends = tuple[tuple[sp.Expr, sp.Expr], ...]


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
    search = _Search(field, variables, ends, time.monotonic() + seconds, seconds)
    search.run()
    return search.answer(components)


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


# --- the search --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Piece:
    """Zeros that a case was found to hold: a point, or a set by one of its points."""

    at: Point
    exact: tuple[sp.Expr | None, ...]
    dimension: int = 0
    equations: tuple[fmpq_mpoly, ...] = ()
    region: Point | None = None
    symmetry: str = ""
    own: Mapping[int, arb] = field(default_factory=dict)
    """The point in the coordinates of the case, by the ring's variables."""


@dataclass(frozen=True)
class _History:
    """What is known of a case from the one it was made of.

    Args:
        whole: the case is the system itself, so that its proofs are the system's.
        square: equations of the same zero set, as many as variables.
        known: proven simple real zeros of the square system, in the case's variables.
        cut: the case is one side of a split along det J.
    """

    whole: bool = False
    square: Case | None = None
    known: tuple[Point, ...] = ()
    cut: bool = False


class _Search:
    """Settles cases, gathers pieces and reasons, and answers."""

    def __init__(
        self, field: PolynomialField, variables: tuple[sp.Symbol, ...], ends: Ends, deadline: float, seconds: float
    ) -> None:
        self.field, self.variables, self.ends = field, variables, ends
        self.deadline, self.seconds = deadline, seconds
        self.size = len(variables)
        # Two more variables: one for 1 − t g, one for the number that generates the coefficients over Q.
        self.ring = fmpq_mpoly_ctx.get([f"x{j}" for j in range(self.size + 2)], "degrevlex")
        self.generator: sp.Expr | None = None
        self.frame = eigenbasis(field)
        self.pieces: list[_Piece] = []
        self.open: list[str] = []
        self.proofs: list[str] = []

    def run(self) -> None:
        """Settle the whole system."""
        equations = self._equations()
        if equations is None:
            self._run_numerically()
            return
        if self.frame is not None:
            equations = self._framed(equations, self.frame)
        self._settle(Case(equations, (), self.size + 2), _History(whole=self.generator is None))

    def _equations(self) -> tuple[fmpq_mpoly, ...] | None:
        """F over Q; algebraic coefficients in powers of one number, whose minimal polynomial joins the equations."""
        parts = self.field.components
        if all(isinstance(c, fmpq) for f in parts for c in f.values()):
            return tuple(self.ring.from_dict({(*a, 0, 0): c for a, c in f.items()}) for f in parts)
        irrational = list(dict.fromkeys(c for f in parts for c in f.values() if not isinstance(c, fmpq)))
        if not all(c.is_algebraic for c in irrational):
            return None
        number_field, elements = construct_domain(irrational, extension=True)
        if not number_field.is_Algebraic:
            return None
        written = dict(zip(irrational, (_powers(e) for e in elements), strict=True))
        self.generator = number_field.ext.as_expr()
        minimal = self.ring.from_dict(
            {(*(0,) * (self.size + 1), k): c for k, c in enumerate(_powers(number_field.mod))}
        )
        found = []
        for f in parts:
            terms: dict[tuple[int, ...], fmpq] = {}
            for a, c in f.items():
                for k, power in enumerate([c] if isinstance(c, fmpq) else written[c]):
                    terms[(*a, 0, k)] = power
            found.append(self.ring.from_dict(terms))
        return (*found, minimal)

    def _framed(self, equations: tuple[fmpq_mpoly, ...], P: fmpq_mat) -> tuple[fmpq_mpoly, ...]:
        """Pᵀ F(P y), the gradient in other coordinates, and the equations that are not of F."""
        turned = [f.compose(*self._linear(P), ctx=self.ring) for f in equations]
        zero, n = self.ring.constant(0), self.size
        return (*(sum((turned[i] * P[i, j] for i in range(n)), zero) for j in range(n)), *turned[n:])

    def _linear(self, P: fmpq_mat) -> list[fmpq_mpoly]:
        """P y as polynomials, the further variables as they are."""
        y, zero, n = self.ring.gens(), self.ring.constant(0), self.size
        return [*(sum((y[j] * P[i, j] for j in range(n)), zero) for i in range(n)), *y[n:]]

    def _run_numerically(self) -> None:
        """Coefficients that are not rational: Bézout's count or nothing."""
        if min(self.field.degrees) < 1 or math.prod(self.field.degrees) > PATHS:
            self.open.append("no exact rule applies to these coefficients")
            return
        found = complex_zeros(self.field, self.deadline)
        nothing = (None,) * self.size
        self.pieces += [_Piece(box, nothing, region=region) for box, region in found.real]
        if found.complete:
            self.proofs.append(_bezout_sentence(found.bound, len(found.real)))
        else:
            self.open.append(f"{found.count} of at most {found.bound} complex zeros proven, the others not excluded")

    def _settle(self, case: Case, history: _History) -> None:
        """Take a case apart, or find its zeros."""
        if time.monotonic() > self.deadline:
            self.open.append(f"stopped after {self.seconds:g} s; give more seconds")
            return
        try:
            parts = alternatives(case)
        except OverflowError as error:
            self.open.append(f"too many products to take apart ({error})")
            parts = []
        if parts is not None:
            whole = history.whole and len(parts) == 1 and are_multiples(parts[0].equations, case.equations)
            for part in parts:
                self._settle(part, history if whole else _History(cut=history.cut))
        elif not case.equations:
            self._keep(case, (), ())
            self.proofs.append(
                "a rational point" if min(case.free, default=self.size) >= self.size else "an affine space"
            )
        elif len(case.variables) == 1:
            self._settle_univariate(case)
        elif self._is_square(case) and SMALL < math.prod(f.total_degree() for f in case.equations) <= PATHS:
            self._settle_by_bezout(case, history)
        else:
            square = case if self._is_square(case) else history.square
            self._settle_algebraically(case, replace(history, square=square))

    def _is_square(self, case: Case) -> bool:
        """As many equations as variables, and nothing known that a homotopy would forget."""
        return len(case.equations) == len(case.variables) and not case.algebraic and self.size not in case.variables

    def _settle_univariate(self, case: Case) -> None:
        if len(case.equations) > 1:
            return  # different irreducible polynomials have no common root
        (terms,) = case.terms()
        degree = max(a for (a,) in terms)
        coefficients = [terms.get((i,), fmpq(0)) for i in range(degree + 1)]
        denominator = math.lcm(*(int(c.q) for c in coefficients))
        roots = real_roots(fmpz_poly([int((c * denominator).p) for c in coefficients]), BITS)
        closed: list[sp.Expr | None] = [None] * len(roots)
        if degree == 2 and roots:
            c, b, a = (as_rational(v) for v in coefficients)
            closed = [(-b + sign * sp.sqrt(b**2 - 4 * a * c)) / (2 * a) for sign in (-1, 1)]
            closed.sort(key=lambda value: float(constant_ball(value)(BITS).mid()))
        for root, value in zip(roots, closed, strict=True):
            self._keep(case, (root,), (value,))
        self.proofs.append("real roots isolated exactly")

    def _settle_by_bezout(self, case: Case, history: _History) -> None:
        """As many proven zeros as there can be, or else algebra."""
        found = complex_zeros(PolynomialField(case.terms(), len(case.variables)), self.deadline)
        if not found.complete:
            known = tuple(box for box, _ in found.real)
            for box in known:
                self._keep(case, box, (None,) * len(box))
            self._settle_algebraically(case, replace(history, square=case, known=known))
            return
        for box, region in found.real:
            self._keep(case, box, (None,) * len(box), region if history.whole else None)
        self.proofs.append(_bezout_sentence(found.bound, len(found.real)))

    def _settle_algebraically(self, case: Case, history: _History) -> None:
        if time.monotonic() > self.deadline:
            self.open.append(f"stopped after {self.seconds:g} s; give more seconds")
            return
        if not case.algebraic:
            basis = consequences(case)
            if basis is None:
                self.open.append("a Gröbner basis is out of reach")
            elif alternatives(basis) is not None:
                self._settle(basis, _History(cut=history.cut))
            else:
                self._settle_algebraically(basis, history)
            return
        algebra = quotient_algebra(case.terms(), len(case.variables))
        if algebra is not None:
            self._settle_finite(case, algebra, history)
        elif history.square is not None and not history.cut:
            self._cut(history.square)
        elif self.size in case.variables:
            self.open.append("zeros off the singular ones were not proven to be finitely many")
        else:
            self._settle_manifold(case)

    def _settle_finite(self, case: Case, algebra: QuotientAlgebra, history: _History) -> None:
        """Finitely many zeros: Hermite counts the real ones."""
        distinct, real = algebra.counts()
        sentence = f"{real} of {distinct} different complex zeros real (Hermite's form)"
        if len(history.known) == real:
            pass  # these are all, and noted
        elif algebra.dimension <= REPRESENTED:
            for box in algebra.real_zeros(BITS):
                self._keep(case, box, (None,) * len(box))
        else:
            self.open.append(f"{len(history.known)} of {real} real zeros found")
            return
        self.proofs.append(sentence)

    def _cut(self, square: Case) -> None:
        """{det J = 0}, and the rest by the first equation g of that set which does not vanish: 1 = t g."""
        singular = consequences(square.with_equations(determinant(_gradients(square))))
        if singular is None:
            self.open.append("a Gröbner basis of the singular zeros is out of reach")
            return
        self._settle(singular, _History(cut=True))
        before: list[fmpq_mpoly] = []
        t = self.ring.gens()[self.size]
        for g in sorted(singular.equations, key=lambda f: f.total_degree()):
            self._settle(square.with_equations(*before, t * g - 1), _History(cut=True))
            before.append(g)

    # --- sets of zeros ---------------------------------------------------------------------------

    def _settle_manifold(self, case: Case) -> None:
        """Infinitely many zeros, over C at least: a manifold of real ones, if that can be proven."""
        dimension = dimension_of(case.equations, case.variables)
        codimension = len(case.variables) - dimension
        points = self._points_on(case, dimension)
        if not points:
            self.open.append(f"no real point was found on a complex set of dimension {dimension}")
            return
        directions = self._symmetries(case)
        if len(case.equations) == codimension:
            rows, rank = _gradients(case), codimension
        else:
            rows, rank = directions, dimension
        if math.comb(len(rows), rank) * math.comb(len(rows[0]) if rows else 0, rank) > MINORS or len(rows) < rank:
            self.open.append(f"the dimension of a set of zeros (at most {dimension}) was not proven")
            return
        if not self._is_empty(case.with_equations(*minors(rows, rank))):
            self.open.append(f"a set of zeros of dimension {dimension} may have singular points")
        for point in points:
            if _rank_at(rows, point) < rank:
                self.open.append(f"a set of zeros is not seen to be a manifold at {_short(point)}")
                continue
            symmetry = ""
            if directions and _rank_at(directions, point) >= dimension:
                symmetry = "rotations" if all(is_rotation(A) for A in self._generators) else "linear symmetries"
            values = tuple(point[j] for j in case.variables)
            self._keep(case, values, tuple(map(_fraction_of, values)), None, dimension, symmetry)
            self.proofs.append(f"a manifold of dimension {dimension}")

    def _points_on(self, case: Case, dimension: int) -> list[dict[int, arb]]:
        """Real zeros of a case on one of a few rational slices, one for each level of the potential met."""
        for place in itertools.combinations(case.variables, dimension):
            for values in itertools.islice(itertools.product(*(self._slices(j) for j in place)), 12):
                inner = self._inner()
                cuts = [self.ring.gens()[j] - value for j, value in zip(place, values, strict=True)]
                inner._settle(case.with_equations(*cuts), _History(cut=True))
                found: list[_Piece] = []
                for piece in inner.pieces:
                    new = not any(self._on_one_level(piece, other) for other in found)
                    if new and piece.dimension == 0 and self._position(piece.at, piece.exact) == "inside":
                        found.append(piece)
                if found:
                    return [dict(piece.own) for piece in found]
        return []

    def _on_one_level(self, one: _Piece, other: _Piece) -> bool:
        """The potential, constant on a connected set of stationary points, is not proven different at two."""
        if not is_gradient(self.field):
            return True
        return bool(potential_at(self.field, one.at).overlaps(potential_at(self.field, other.at)))

    def _slices(self, j: int) -> list[fmpq]:
        low, high = self.ends[j] if self.frame is None and j < self.size else (-sp.oo, sp.oo)
        fractions = [sp.Rational(p, q) for p, q in ((1, 2), (1, 3), (3, 5), (2, 7), (8, 11), (1, 11))]
        if low.is_Rational and high.is_Rational:
            return [fmpq(int(v.p), int(v.q)) for v in (low + f * (high - low) for f in fractions)]
        start = low if low.is_Rational else high if high.is_Rational else sp.Integer(0)
        signs = (1,) if low.is_Rational else (-1,) if high.is_Rational else (1, -1)
        steps = [start + s * v for v in (sp.Rational(1, 3), sp.Rational(1), sp.Rational(3)) for s in signs]
        return [fmpq(int(v.p), int(v.q)) for v in steps]

    def _inner(self) -> _Search:
        """A search of its own for a part of a case."""
        inner = _Search(self.field, self.variables, self.ends, self.deadline, self.seconds)
        inner.generator = self.generator
        return inner

    def _is_empty(self, case: Case) -> bool:
        inner = self._inner()
        inner._settle(case, _History(cut=True))
        return not inner.open and not inner.pieces

    @cached_property
    def _generators(self) -> tuple[fmpq_mat, ...]:
        """Matrices A with ⟨F(x), A x⟩ = 0 identically, F a gradient: x ↦ exp(sA) x leaves the potential alone."""
        return linear_symmetries(self.field)

    def _symmetries(self, case: Case) -> list[list[fmpq_mpoly]]:
        """The directions A x, one a generator, by the variables of the case."""
        turn = self.frame
        generators = [A if turn is None else turn.inv() * A * turn for A in self._generators]
        x = [dict(case.fixed).get(j, x_j) for j, x_j in enumerate(self.ring.gens())]
        zero = self.ring.constant(0)
        return [[sum((x[j] * A[i, j] for j in range(self.size)), zero) for i in range(self.size)] for A in generators]

    # --- pieces and the answer -------------------------------------------------------------------

    def _keep(
        self,
        case: Case,
        values: Sequence[arb],
        exact: Sequence[sp.Expr | None],
        region: Point | None = None,
        dimension: int = 0,
        symmetry: str = "",
    ) -> None:
        """Note a zero of a case, by the values of the variables that occur in it."""
        with ctx.workprec(BITS):
            at: dict[int, arb] = dict(zip(case.variables, values, strict=True))
            closed: dict[int, sp.Expr | None] = dict(zip(case.variables, exact, strict=True))
            free = [j for j in case.free if j < self.size]
            for j in free:
                start = self._slices(j)[0]
                at[j], closed[j] = arb(start), as_rational(start)
            for j, f in reversed(case.fixed):
                at[j] = ball_at(f, at)
                closed[j] = exact_at(f, closed)
        if self.generator is not None and not self._is_generator(at[self.size + 1]):
            return  # zeros of a conjugate system
        equations = (*case.equations, *(self.ring.gens()[j] - f for j, f in case.fixed))
        place = tuple(at[j] for j in range(self.size))
        known = tuple(closed[j] for j in range(self.size))
        if self.frame is not None:
            forms = self._linear(self.frame)[: self.size]
            back = self._linear(self.frame.inv())
            place, known = tuple(ball_at(f, at) for f in forms), tuple(exact_at(f, closed) for f in forms)
            equations, region = tuple(f.compose(*back, ctx=self.ring) for f in equations), None
        self.pieces.append(_Piece(place, known, dimension + len(free), equations, region, symmetry, at))

    def _is_generator(self, ball: arb) -> bool:
        """Whether a root of the minimal polynomial is the generator, and not one of its conjugates."""
        assert self.generator is not None
        if ball.rad() > arb(2) ** (-BITS // 4):  # finer than conjugates of a field of small degree and height are close
            self.open.append("a generator of the coefficients was not told from its conjugates")
        return bool(ball.overlaps(constant_ball(self.generator)(BITS)))

    def _position(self, at: Point, exact: tuple[sp.Expr | None, ...]) -> str:
        """inside, outside, or edge when that is not decided."""
        for ball, value, (low, high) in zip(at, exact, self.ends, strict=True):
            for end, sign in ((low, 1), (high, -1)):
                if end.is_infinite:
                    continue
                gap = (ball - constant_ball(end)(BITS)) * sign
                if gap < 0:
                    return "outside"
                if not gap >= 0 and not (value is not None and reduces_to_zero(value - end)):
                    return "edge"
        return "inside"

    def answer(self, components: tuple[sp.Expr, ...]) -> RealZeros:
        """Pieces as zeros and sets, those outside left out, and an honest sentence."""
        sets = self._sets()
        zeros: list[Zero] = []
        middles = np.empty((0, self.size))
        unresolved: list[Box] = []
        for piece in self.pieces:
            if piece.dimension:
                continue
            zero = self._zero(piece)
            place = self._position(zero.box, zero.exact)
            middle = np.array([float(ball.mid()) for ball in zero.box])
            # Only boxes with middles this close can have a point in common: radii are far below 2^-20.
            reach = 2.0**-20 * np.maximum(1, np.abs(middle))
            near = [zeros[i] for i in np.flatnonzero((np.abs(middles - middle) < reach).all(axis=1))]
            if place == "outside" or any(self._is_same(zero, known) for known in near):
                continue
            doubt = ""
            if max(float(ball.rad()) for ball in zero.box) > 2.0**-22:
                doubt = "a zero was not enclosed tightly enough to be told from others"
            elif place == "edge":
                doubt = "a zero at the edge of the box may lie inside or outside"
            elif not zero.simple and (holding := [self._holds(s, zero) for s in sets]) and True in holding:
                continue
            elif not zero.simple and sets and None in holding:
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
            return self._by_subdivision(components, zeros, sets)
        zeros.sort(key=lambda zero: [float(x.mid()) for x in zero.box])
        complete = not self.open
        sentence = _proof(self.proofs) if complete else _sentence(self.open)
        return RealZeros(tuple(zeros), tuple(sets), tuple(unresolved), complete, sentence)

    def _by_subdivision(self, components: tuple[sp.Expr, ...], zeros: list[Zero], sets: list[ZeroSet]) -> RealZeros:
        """What algebra left open, branch and prune may still decide in a bounded box."""
        bounded = all(end.is_finite for ends in self.ends for end in ends)
        left = self.deadline - time.monotonic()
        if bounded and left > 0 and not sets:
            found = certified_zeros(components, self.variables, self.ends, left)
            more = [zero for zero in zeros if not any(self._is_same(zero, known) for known in found.zeros)]
            every = sorted([*found.zeros, *more], key=lambda zero: [float(x.mid()) for x in zero.box])
            sentence = f"{_sentence(self.open)} By subdivision: {found.termination}"
            return RealZeros(tuple(every), (), found.unresolved, found.complete, sentence)
        whole = tuple((x, low, high) for x, (low, high) in zip(self.variables, self.ends, strict=True))
        return RealZeros(tuple(zeros), tuple(sets), (whole,), False, _sentence(self.open))

    def _zero(self, piece: _Piece) -> Zero:
        """A zero as exact as can be, and alone in a region when it is simple."""
        box, exact = piece.at, self._recognized(piece)
        if None not in exact:
            box = tuple(constant_ball(value)(BITS) for value in exact)
        region = piece.region
        if region is None:
            region = self._region(box)
        return Zero(box, region or box, exact, region is not None)

    def _recognized(self, piece: _Piece) -> tuple[sp.Expr | None, ...]:
        """The coordinates exactly, when they are known or turn out to be fractions."""
        if None not in piece.exact:
            return piece.exact
        guess = [simplest_fraction(ball) for ball in piece.at]
        if None in guess or not all(self._vanishes(f, guess) for f in self.field.components):
            return piece.exact
        if piece.region is not None or self._region(piece.at) is not None or self._solves(piece, guess):
            return tuple(guess)
        return piece.exact

    def _solves(self, piece: _Piece, guess: Sequence[sp.Rational]) -> bool:
        """A fraction in the ball of a zero is that zero when it solves its case, whose zeros are in disjoint balls."""
        terms = [terms_of(f, self.variables) for f in map(self._as_expr, piece.equations)]
        if any(any(a[self.size :]) for f in piece.equations for a in f.monoms()):
            return False  # t or a generator takes part
        rivals = [p for p in self.pieces if p is not piece and not p.dimension and not is_apart(p.at, piece.at)]
        return not rivals and all(f is not None and self._vanishes(f, guess) for f in terms)

    @staticmethod
    def _vanishes(terms: Terms, point: Sequence[sp.Rational]) -> bool:
        if not all(isinstance(c, fmpq) for c in terms.values()):
            return False
        place = [fmpq(int(v.p), int(v.q)) for v in point]
        return (
            sum(
                (
                    c * math.prod((v**a for v, a in zip(place, alpha, strict=True)), start=fmpq(1))
                    for alpha, c in terms.items()
                ),
                fmpq(0),
            )
            == 0
        )

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
        if (known.simple and lies_in(zero.box, known.region)) or (zero.simple and lies_in(known.box, zero.region)):
            return True
        pairs = list(zip(zero.exact, known.exact, strict=True))
        return all(a is not None and b is not None and (a == b or reduces_to_zero(a - b)) for a, b in pairs)

    def _sets(self) -> list[ZeroSet]:
        """The sets of zeros, each once; one inside another says nothing new."""
        found: list[tuple[_Piece, ZeroSet]] = []
        for piece in sorted((p for p in self.pieces if p.dimension), key=lambda p: -p.dimension):
            if any(implies(piece.equations, o.equations) and self._on_one_level(piece, o) for o, _ in found):
                continue
            place = self._position(piece.at, piece.exact)
            if place != "inside":
                self.open.append("a set of zeros may or may not meet the box")
                continue
            equations = tuple(f for f in map(self._as_expr, piece.equations) if f != 0)
            found.append((piece, ZeroSet(piece.at, piece.exact, piece.dimension, equations, piece.symmetry)))
        return [each for _, each in found]

    def _as_expr(self, f: fmpq_mpoly) -> sp.Expr:
        whole = f * math.lcm(*(int(c.q) for c in f.coeffs()))
        whole = whole if whole.leading_coefficient() > 0 else -whole
        symbols = (*self.variables, sp.Integer(1), sp.Integer(1) if self.generator is None else self.generator)
        monomials = [(c, sp.Mul(*(x ** int(p) for x, p in zip(symbols, a, strict=True)))) for a, c in whole.terms()]
        return sp.Add(*(as_rational(c) * monomial for c, monomial in monomials))

    def _holds(self, zero_set: ZeroSet, zero: Zero) -> bool | None:
        """Whether a zero lies on a set; None when that is not decided."""
        if None not in zero.exact:
            at = dict(zip(self.variables, zero.exact, strict=True))
            return all(reduces_to_zero(f.xreplace(at)) for f in zero_set.equations)
        terms = [terms_of(f, self.variables) for f in zero_set.equations]
        field = PolynomialField([f for f in terms if f is not None], self.size)
        return False if field.excludes(zero.box, BITS) else None


# --- small things --------------------------------------------------------------------------------


def _powers(element: ANP) -> list[fmpq]:
    """A number of Q(θ) by its coefficients of 1, θ, θ², …"""
    return [fmpq(int(c.numerator), int(c.denominator)) for c in reversed(element.to_list())]


def _fraction_of(ball: arb) -> sp.Rational | None:
    """An exact ball as the fraction it is."""
    return exact_ends(ball)[0] if ball.is_exact() else None


def _short(point: Mapping[int, arb]) -> str:
    return ", ".join(ball.str(5, radius=False) for ball in point.values())


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


def _bezout_sentence(bound: int, real: int) -> str:
    return f"all {bound} complex zeros that Bézout allows are proven, {real} of them real"


def _rank_at(rows: Sequence[Sequence[fmpq_mpoly]], point: Mapping[int, arb]) -> int:
    """A rank that a matrix of polynomials is proven to have at a point: positive eigenvalues of M Mᵀ."""
    with ctx.workprec(BITS):
        M = arb_mat([[ball_at(f, point) for f in row] for row in rows])
        return signature(M * M.transpose())[0]


def _gradients(case: Case) -> list[list[fmpq_mpoly]]:
    return [[f.derivative(j) for j in case.variables] for f in case.equations]
