"""The real zeros of a polynomial system, case by case.

The system is taken apart over the reals (`numerics.real_cases`) until each case is settled:

    no variable left         a rational point
    one variable             real roots isolated exactly
    as many equations        a homotopy's ends, proven by balls, as many as Bézout allows (`numerics.complex_zeros`)
    finitely many            Hermite's count, Rouillier's representation (`numerics.quotient_algebra`)
    infinitely many          {det J = 0} apart from {det J ≠ 0}, where zeros are isolated; then sets of zeros:
                             a real point where k equations in m variables have rank k lies on a manifold of
                             dimension m − k; where a group of linear symmetries moves it, on an orbit

Every case is exact: its real zeros are zeros of the system, and every real zero of the system is in a case.
What is not settled is noted as open, never dropped. A `Piece` is what a case was found to hold.

References: Cox, Little and O'Shea, Using Algebraic Geometry (2005); Sommese and Wampler (2005).
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import sympy as sp
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat, fmpq_mpoly, fmpq_mpoly_ctx, fmpz_poly
from sympy.polys.constructor import construct_domain
from sympy.polys.polyclasses import ANP

from theory.identity import reduces_to_zero

from .complex_zeros import complex_zeros
from .exact_numbers import PRECISIONS, constant_ball, exact_ends
from .exact_polynomials import (
    are_multiples,
    as_rational,
    ball_at,
    closed_roots,
    determinant,
    dimension_of,
    exact_at,
    minors,
)
from .krawczyk import Point
from .linear_symmetries import eigenbasis, is_gradient, is_rotation, linear_symmetries, potential_at
from .polynomial_field import PolynomialField
from .quotient_algebra import QuotientAlgebra, quotient_algebra
from .real_cases import Case, alternatives, consequences
from .signature import signature

__all__ = ["BITS", "CaseSearch", "Ends", "Piece", "on_one_level", "position_in"]

PATHS = 20_000
"""Homotopies with more paths than this are not begun."""

REPRESENTED = 32
"""Dimension of an algebra up to which its zeros are written as rational functions of one number."""

SMALL = 16
"""Up to so many paths the quotient algebra is quicker than a homotopy."""

RADICALS = 3
"""So many different roots in the coefficients are written by one number; its degree doubles with each, at least."""

MINORS = 500
"""So many minors are asked to vanish together, at most."""

BITS = PRECISIONS[1]

Ends = tuple[tuple[sp.Expr, sp.Expr], ...]


@dataclass(frozen=True)
class Piece:
    """Zeros that a case was found to hold: a point, or a set by one of its points.

    Args:
        at: a ball for each variable of the system.
        exact: the coordinates that are known exactly, None for the others.
        dimension: 0 for a point, otherwise that of the set.
        equations: those of the case, in the system's variables.
        region: a box in which the point is the system's only zero, and a simple one; None when not looked for.
        symmetry: what moves the point along its set, as a phrase.
        own: the point in the coordinates of the case, by the ring's variables.
        case: points of one case share the number; they are all its zeros, in disjoint balls.
    """

    at: Point
    exact: tuple[sp.Expr | None, ...]
    dimension: int = 0
    equations: tuple[fmpq_mpoly, ...] = ()
    region: Point | None = None
    symmetry: str = ""
    own: Mapping[int, arb] = field(default_factory=dict)
    case: int = -1


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


class CaseSearch:
    """Settles cases; gathers pieces, how they were proven, and what is left open.

    Args:
        field: the system, square.
        variables: its variables.
        ends: the box, ±oo where it is not bounded; pieces outside are kept, sets are looked for inside.
        deadline: a `time.monotonic()` to stop at.
        seconds: the time budget, for the sentence about it.
    """

    def __init__(
        self, field: PolynomialField, variables: tuple[sp.Symbol, ...], ends: Ends, deadline: float, seconds: float
    ) -> None:
        self.field, self.variables, self.ends = field, variables, ends
        self.deadline, self.seconds = deadline, seconds
        self.size = len(variables)
        # Two more variables: one for 1 − t g, one for the number that generates the coefficients over Q.
        self.ring = fmpq_mpoly_ctx.get([f"x{j}" for j in range(self.size + 2)], "degrevlex")
        self.generator: sp.Expr | None = None
        self.frame: fmpq_mat | None = None
        self.pieces: list[Piece] = []
        self.open: list[str] = []
        self.proofs: list[str] = []

    def run(self) -> None:
        """Settle the whole system."""
        if not self._is_rational() and self._run_numerically():
            return
        equations = self._equations()
        if equations is None:
            self.open.append("more zeros are not excluded, and no exact rule applies to these coefficients")
            return
        self.pieces = []  # exact cases say more
        axes = eigenbasis(self.field)
        if axes is not None:
            framed = self._framed(equations, axes)
            if sum(map(len, framed)) < sum(map(len, equations)):
                self.frame, equations = axes, framed
        self._settle(Case(equations, (), self.size + 2), _History(whole=self.generator is None))

    def _equations(self) -> tuple[fmpq_mpoly, ...] | None:
        """F over Q; algebraic coefficients in powers of one number, whose minimal polynomial joins the equations."""
        parts = self.field.components
        if self._is_rational():
            return tuple(self.ring.from_dict({(*a, 0, 0): c for a, c in f.items()}) for f in parts)
        irrational = list(dict.fromkeys(c for f in parts for c in f.values() if not isinstance(c, fmpq)))
        radicals = set().union(*(c.atoms(sp.Pow) for c in irrational))
        if not all(c.is_algebraic for c in irrational) or len(radicals) > RADICALS:
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

    def _is_rational(self) -> bool:
        return all(isinstance(c, fmpq) for f in self.field.components for c in f.values())

    def _run_numerically(self) -> bool:
        """Bézout's count with balls for coefficients; whether it was reached."""
        if min(self.field.degrees) < 1 or math.prod(self.field.degrees) > PATHS:
            return False
        found = complex_zeros(self.field, self.deadline)
        nothing = (None,) * self.size
        self.pieces += [Piece(box, nothing, region=region) for box, region in found.real]
        if found.complete:
            self.proofs.append(_bezout_sentence(found.bound, len(found.real)))
        return found.complete

    def _settle(self, case: Case, history: _History) -> None:
        """Take a case apart, or find its zeros."""
        if time.monotonic() > self.deadline:
            self.open.append(f"stopped after {self.seconds:g} s; give more seconds")
            return
        parts = alternatives(case)
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
        for root, exact in closed_roots(fmpz_poly([int((c * denominator).p) for c in coefficients]), BITS):
            self._keep(case, (root,), (exact,))
        self.proofs.append("real roots isolated exactly")

    def _settle_by_bezout(self, case: Case, history: _History) -> None:
        """As many proven zeros as there can be, or else algebra."""
        found = complex_zeros(PolynomialField(case.terms(), len(case.variables)), self.deadline)
        if not found.complete:
            known, before = tuple(box for box, _ in found.real), len(self.open)
            self._settle_algebraically(case, replace(history, square=case, known=known))
            if len(self.open) > before:  # what is proven stays
                for box in known:
                    self._keep(case, box, (None,) * len(box))
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
        small = algebra.dimension <= REPRESENTED
        if len(history.known) < real and not small:
            self.open.append(f"{len(history.known)} of {real} real zeros found")
            return
        for box in history.known if len(history.known) == real else algebra.real_zeros(BITS):
            self._keep(case, box, algebra.exactly(box) if small else (None,) * len(box))
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
        directions = self._symmetries(case)
        if len(case.equations) == codimension:
            rows, rank = _gradients(case), codimension
        else:
            rows, rank = directions, dimension
        if len(rows) < rank or math.comb(len(rows), rank) * math.comb(len(rows[0]), rank) > MINORS:
            self.open.append(f"the dimension of a set of zeros (at most {dimension}) was not proven")
            return
        points = self._points_on(case, dimension, rows, rank)
        if not points:
            self.open.append(f"no real point was found where a complex set of dimension {dimension} is a manifold")
            return
        if not self._is_empty(case.with_equations(*minors(rows, rank))):
            self.open.append(f"a set of zeros of dimension {dimension} may have singular points")
        for point in points:
            moves = directions and _rank_at(directions, point) >= dimension
            turns = all(is_rotation(A) for A in self._generators)
            symmetry = ("rotations" if turns else "linear symmetries") if moves else ""
            values = tuple(point[j] for j in case.variables)
            self._keep(case, values, tuple(map(_fraction_of, values)), None, dimension, symmetry)
            self.proofs.append(f"a manifold of dimension {dimension}")

    def _points_on(
        self, case: Case, dimension: int, rows: Sequence[Sequence[fmpq_mpoly]], rank: int
    ) -> list[dict[int, arb]]:
        """Real zeros of a case on one of a few rational slices, where rows have their rank: one a level met."""
        for place in itertools.combinations(case.variables, dimension):
            for values in itertools.islice(itertools.product(*(self._slices(j) for j in place)), 12):
                inner = self._inner()
                cuts = [self.ring.gens()[j] - value for j, value in zip(place, values, strict=True)]
                inner._settle(case.with_equations(*cuts), _History(cut=True))
                found: list[Piece] = []
                for piece in inner.pieces:
                    if piece.dimension or position_in(self.ends, piece) != "inside":
                        continue
                    new = not any(on_one_level(self.field, piece, other) for other in found)
                    if new and _rank_at(rows, piece.own) >= rank:
                        found.append(piece)
                if found:
                    return [dict(piece.own) for piece in found]
        return []

    def _slices(self, j: int) -> list[fmpq]:
        low, high = self.ends[j] if self.frame is None and j < self.size else (-sp.oo, sp.oo)
        fractions = [sp.Rational(p, q) for p, q in ((1, 2), (1, 3), (3, 5), (2, 7), (8, 11), (1, 11))]
        if low.is_Rational and high.is_Rational:
            return [fmpq(int(v.p), int(v.q)) for v in (low + f * (high - low) for f in fractions)]
        start = low if low.is_Rational else high if high.is_Rational else sp.Integer(0)
        signs = (1,) if low.is_Rational else (-1,) if high.is_Rational else (1, -1)
        steps = [start + s * v for v in (sp.Rational(1, 3), sp.Rational(1), sp.Rational(3)) for s in signs]
        return [fmpq(int(v.p), int(v.q)) for v in steps]

    def _inner(self) -> CaseSearch:
        """A search of its own for a part of a case."""
        inner = CaseSearch(self.field, self.variables, self.ends, self.deadline, self.seconds)
        inner.generator, inner.frame = self.generator, self.frame
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

    # --- pieces ----------------------------------------------------------------------------------

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
        self.pieces.append(
            Piece(place, known, dimension + len(free), equations, region, symmetry, at, len(self.proofs))
        )

    def _is_generator(self, ball: arb) -> bool:
        """Whether a root of the minimal polynomial is the generator, and not one of its conjugates."""
        assert self.generator is not None
        if ball.rad() > arb(2) ** (-BITS // 4):  # finer than conjugates of a field of small degree and height are close
            self.open.append("a generator of the coefficients was not told from its conjugates")
        return bool(ball.overlaps(constant_ball(self.generator)(BITS)))


def position_in(ends: Ends, found: Piece) -> str:
    """Where a point lies: "inside" the closed box, "outside", or "edge" when that is not decided."""
    for ball, value, (low, high) in zip(found.at, found.exact, ends, strict=True):
        for end, sign in ((low, 1), (high, -1)):
            if end.is_infinite:
                continue
            gap = (ball - constant_ball(end)(BITS)) * sign
            if gap < 0:
                return "outside"
            if not gap >= 0 and not (value is not None and reduces_to_zero(value - end)):
                return "edge"
    return "inside"


def on_one_level(field: PolynomialField, one: Piece, other: Piece) -> bool:
    """The potential, constant on a connected set of stationary points, is not proven different at two."""
    if not is_gradient(field):
        return True
    return bool(potential_at(field, one.at).overlaps(potential_at(field, other.at)))


def _powers(element: ANP) -> list[fmpq]:
    """A number of Q(θ) by its coefficients of 1, θ, θ², …"""
    return [fmpq(int(c.numerator), int(c.denominator)) for c in reversed(element.to_list())]


def _fraction_of(ball: arb) -> sp.Rational | None:
    """An exact ball as the fraction it is."""
    return exact_ends(ball)[0] if ball.is_exact() else None


def _short(point: Mapping[int, arb]) -> str:
    return ", ".join(ball.str(5, radius=False) for ball in point.values())


def _bezout_sentence(bound: int, real: int) -> str:
    return f"all {bound} complex zeros that Bézout allows are proven, {real} of them real"


def _rank_at(rows: Sequence[Sequence[fmpq_mpoly]], point: Mapping[int, arb]) -> int:
    """A rank that a matrix of polynomials is proven to have at a point: positive eigenvalues of M Mᵀ."""
    with ctx.workprec(BITS):
        M = arb_mat([[ball_at(f, point) for f in row] for row in rows])
        return signature(M * M.transpose())[0]


def _gradients(case: Case) -> list[list[fmpq_mpoly]]:
    return [[f.derivative(j) for j in case.variables] for f in case.equations]
