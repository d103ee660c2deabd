"""One stationary point of a risk on a manifold, with the group that moves it: the equations, and what they prove.

    ∇R(x) − Σ_i λ_i ∇g_i(x) − Σ_a τ_a w_a = 0,    g(x) = 0,    ⟨w_a, x − p⟩ = 0

in (x, λ, τ): λ are the multipliers of the manifold g = 0, and w_a ≈ ξ_a(p) are directions of symmetries ξ_a of R
and g. At a zero the products with ξ_b give Σ_a τ_a ⟨w_a, ξ_b(x)⟩ = 0; where this matrix is invertible, τ = 0 and x
is a stationary point, the only one near p up to the group. So an orbit is as good as a point.

The nature is the signature of ∇²R − Σ λ_i ∇²g_i on the directions that are tangent to the manifold and orthogonal to
the orbit, read off the bordered matrix (signs of H on ker B):

    [[H, Bᵀ], [B, 0]]  has  (p + b, q + b)  positive and negative eigenvalues,  b = rows of B of full rank

Definitions: `Landscape`, `CriticalPoint`, `certify_point`, `nature_at`, `candidates`.

References: Nocedal and Wright, Numerical Optimization (2006), chapter 16; Absil, Mahony, Sepulchre (2008), chapter 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sympy as sp
from flint import acb, arb, arb_mat, ctx
from numpy.typing import NDArray

from .balls import compile_balls
from .intervals import IntervalProgram, NoIntervalRule
from .krawczyk import BallField, Point, newton, prove_zero
from .root_guesses import SAME, descended, distinct, roots_from
from .signature import eigenvalue_balls, signature
from .symmetries import Generator

__all__ = ["CriticalPoint", "Landscape", "candidates", "certify_point", "nature_at"]

Array = NDArray[np.float64]

BITS = 256


@dataclass(frozen=True)
class Landscape:
    """A risk on a manifold, with its symmetries.

    Args:
        expr: the risk, free of other symbols than the variables.
        variables: x₁, …, x_n.
        equations: g, independent on the manifold; () for all of space.
        generators: linear symmetries of the risk and of the equations.
    """

    expr: sp.Expr
    variables: tuple[sp.Symbol, ...]
    equations: tuple[sp.Expr, ...] = ()
    generators: tuple[Generator, ...] = ()

    @cached_property
    def multipliers(self) -> tuple[sp.Dummy, ...]:
        """One for each equation."""
        return tuple(sp.Dummy(f"lambda_{i}", real=True) for i in range(len(self.equations)))

    @cached_property
    def conditions(self) -> tuple[sp.Expr, ...]:
        """∇R − Σ λ_i ∇g_i and g."""
        free = [
            slope - sp.Add(*(m * row[i] for m, row in zip(self.multipliers, self.normals, strict=True)))
            for i, slope in enumerate(self.slopes)
        ]
        return (*free, *self.equations)

    @cached_property
    def slopes(self) -> list[sp.Expr]:
        """∇R."""
        return [self.expr.diff(x) for x in self.variables]

    @cached_property
    def normals(self) -> list[list[sp.Expr]]:
        """∇g, a row for each equation."""
        return [[g.diff(x) for x in self.variables] for g in self.equations]

    @cached_property
    def bends(self) -> list[list[sp.Expr]]:
        """∇²(R − Σ λ g); each entry is differentiated once."""
        names, count = self.variables, len(self.variables)
        half = {(i, j): self.conditions[i].diff(names[j]) for i in range(count) for j in range(i, count)}
        return [[half[min(i, j), max(i, j)] for j in range(count)] for i in range(count)]

    @cached_property
    def jacobian(self) -> list[sp.Expr]:
        """The derivative of the conditions in (x, λ), row by row: [[∇²L, −∇gᵀ], [∇g, 0]]."""
        empty = [sp.Integer(0)] * len(self.equations)
        top = [entry for i, row in enumerate(self.bends) for entry in (*row, *(-normal[i] for normal in self.normals))]
        return top + [entry for row in self.normals for entry in (*row, *empty)]

    @cached_property
    def hessian_balls(self):  # type: ignore[no-untyped-def]
        """∇²(R − Σ λ g) and ∇g as functions of balls (x, λ)."""
        entries = [entry for row in (*self.bends, *self.normals) for entry in row]
        return compile_balls(entries, (*self.variables, *self.multipliers))

    @cached_property
    def slope_balls(self):  # type: ignore[no-untyped-def]
        """∇R as functions of balls x."""
        return compile_balls(self.slopes, self.variables)

    @cached_property
    def value_ball(self):  # type: ignore[no-untyped-def]
        """R as a function of balls x."""
        return compile_balls([self.expr], self.variables)

    @cached_property
    def system(self) -> BallField:
        """The conditions in (x, λ) and their Jacobian, for balls."""
        return BallField(self.conditions, (*self.variables, *self.multipliers), self.jacobian)

    @cached_property
    def program(self) -> tuple[IntervalProgram, IntervalProgram]:
        """The conditions and their Jacobian in floats."""
        everything = (*self.variables, *self.multipliers)
        return IntervalProgram(self.conditions, everything), IntervalProgram(self.jacobian, everything)


@dataclass(frozen=True)
class CriticalPoint:
    """A proven stationary point, or one point of an orbit of them.

    Args:
        at: balls for the coordinates.
        region: balls around it that hold no other stationary point, on an orbit none on the slice through `at`.
        generators: independent symmetries that move the point: as many as the orbit has dimensions.
        signature: proven (positive, negative, undecided) of the Hessian across the orbit.
        eigenvalues: balls, across and along the orbit; those along it hold zero.
        value: the risk.
    """

    at: Point
    region: Point
    generators: tuple[Generator, ...]
    signature: tuple[int, int, int]
    eigenvalues: tuple[acb, ...]
    value: arb


def certify_point(
    landscape: Landscape, guess: Sequence[float | arb], reach: float = 2.0**-4, precision: int = BITS
) -> CriticalPoint | None:
    """Prove a stationary point close to a guess, up to the symmetries; None when that fails.

    Args:
        landscape: the risk with its manifold and its symmetries.
        guess: coordinates, close enough for Newton's method.
        reach: how far around the point uniqueness is tried first.

    >>> x, y = sp.symbols("x y", real=True)
    >>> point = certify_point(Landscape((x**2 + 3)*y, (x, y), (x**2 + y**2 - 1,)), [0.1, 0.99])
    >>> [round(float(v), 6) for v in point.at], point.signature
    ([0.0, 1.0], (0, 1, 0))
    """
    n, m = len(landscape.variables), len(landscape.equations)
    floats = np.array([float(v) for v in guess])
    moving = _moving(landscape.generators, floats)
    exact = [sp.Rational(v) for v in floats.tolist()]
    anchors = [[sp.Rational(round(float(w) * 2**20), 2**20) for w in _velocity(g, floats)] for g in moving]
    taus = tuple(sp.Dummy(f"tau_{a}", real=True) for a in range(len(moving)))
    system = landscape.system
    if moving:
        system = _anchored(landscape, anchors, exact, taus)
    with ctx.workprec(precision):
        start = [arb(v) for v in floats.tolist()]
        unknowns = [*start, *_multipliers(landscape, start, precision), *([arb(0)] * len(taus))]
        root = newton(system, unknowns, precision, steps=24)
        if root is None:
            return None
        radii = [arb(reach)] * n + [arb(64 * reach)] * (m + len(taus))
        proof = prove_zero(system, root, radii, precision)
        if proof is None:
            return None
        box, region = proof
        at = box[:n]
        if moving and not _is_transversal(moving, anchors, at):
            return None
        return CriticalPoint(
            at,
            region[:n],
            tuple(moving),
            *_nature(landscape, at, box[n : n + m], moving, precision),
            landscape.value_ball(at, precision)[0],
        )


def _anchored(
    landscape: Landscape,
    anchors: Sequence[Sequence[sp.Rational]],
    point: Sequence[sp.Rational],
    taus: Sequence[sp.Dummy],
) -> BallField:
    """The conditions with −Σ τ_a w_a, and ⟨w_a, x − p⟩ = 0; in (x, λ, τ)."""
    n, size = len(landscape.variables), len(landscape.conditions)
    components = list(landscape.conditions)
    rows = [landscape.jacobian[i * size : (i + 1) * size] for i in range(size)]
    for tau, w in zip(taus, anchors, strict=True):
        for i in range(size):
            along = w[i] if i < n else sp.Integer(0)
            components[i] = components[i] - tau * along
            rows[i] = [*rows[i], -along]
        components.append(sp.Add(*(c * (x - p) for c, x, p in zip(w, landscape.variables, point, strict=True))))
    rows += [[*w, *([sp.Integer(0)] * (size - n + len(taus)))] for w in anchors]
    variables = (*landscape.variables, *landscape.multipliers, *taus)
    return BallField(tuple(components), variables, [entry for row in rows for entry in row])


def nature_at(
    landscape: Landscape, at: Point, precision: int = BITS
) -> tuple[tuple[Generator, ...], tuple[int, int, int], tuple[acb, ...]]:
    """What a proven stationary point is: the symmetries that move it, the signature across, the eigenvalues.

    Args:
        at: small balls that hold a stationary point.
    """
    n, m = len(landscape.variables), len(landscape.equations)
    moving = _moving(landscape.generators, np.array([float(v) for v in at]))
    with ctx.workprec(precision):
        found: Point = ()
        if m:
            zero = [arb(0)] * m
            normals = arb_mat(m, n, list(landscape.hessian_balls([*at, *zero], precision))[n * n :])
            slopes = arb_mat(n, 1, list(landscape.slope_balls(at, precision)))
            try:
                found = tuple(((normals * normals.transpose()).inv() * normals * slopes).entries())
            except ZeroDivisionError:
                return tuple(moving), (0, 0, n - m - len(moving)), ()
        return tuple(moving), *_nature(landscape, at, found, moving, precision)


def _velocity(generator: Generator, point: Array) -> Array:
    return np.array(generator.matrix, dtype=float) @ point + np.array(generator.shift, dtype=float).ravel()


def _moving(generators: Sequence[Generator], point: Array) -> list[Generator]:
    """Independent generators at a point, by the size of floats; what is concluded from them is proven later."""
    chosen: list[Generator] = []
    basis: list[Array] = []
    for g in generators:
        rest = _velocity(g, point)
        size = np.linalg.norm(rest)
        for b in basis:
            rest = rest - (b @ rest) * b
        if np.linalg.norm(rest) > 1e-7 * (1 + size):
            chosen.append(g)
            basis.append(rest / np.linalg.norm(rest))
    return chosen


def _multipliers(landscape: Landscape, point: Sequence[arb], precision: int) -> list[arb]:
    """Least squares multipliers: a guess."""
    m, n = len(landscape.equations), len(landscape.variables)
    if not m:
        return []
    numbers = landscape.hessian_balls([*point, *([arb(0)] * m)], precision)[n * n :]
    normals = np.array([float(v) for v in numbers]).reshape(m, n)
    slopes = landscape.slope_balls(point, precision)
    found = np.linalg.lstsq(normals.T, np.array([float(v) for v in slopes]), rcond=None)[0]
    return [arb(v) for v in found.tolist()]


def _velocity_balls(generator: Generator, point: Point) -> list[arb]:
    matrix, shift = generator.matrix, generator.shift
    rows = []
    for i in range(matrix.rows):
        total = arb(0)
        for j in range(matrix.cols):
            if matrix[i, j] != 0:
                total += point[j] * int(matrix[i, j].p) / int(matrix[i, j].q)
        rows.append(total + arb(int(shift[i].p)) / int(shift[i].q))
    return rows


def _is_transversal(moving: Sequence[Generator], anchors: Sequence[Sequence[sp.Rational]], point: Point) -> bool:
    """The matrix ⟨w_a, ξ_b(x)⟩ is proven to be invertible."""
    rows = []
    velocities = [_velocity_balls(g, point) for g in moving]
    for w in anchors:
        weights = [arb(int(c.p)) / int(c.q) for c in w]
        rows.append([sum((c * v for c, v in zip(weights, xi, strict=True)), arb(0)) for xi in velocities])
    determinant = arb_mat(rows).det()
    return determinant.is_finite() and not determinant.contains(0)


def _nature(
    landscape: Landscape, at: Point, multipliers: Point, moving: Sequence[Generator], precision: int
) -> tuple[tuple[int, int, int], tuple[acb, ...]]:
    """Signature across the orbit and the eigenvalues of the Riemannian Hessian."""
    n, m, r = len(at), len(multipliers), len(moving)
    numbers = list(landscape.hessian_balls([*at, *multipliers], precision))
    hessian = arb_mat(n, n, numbers[: n * n])
    border = [numbers[n * n + i * n : n * n + (i + 1) * n] for i in range(m)]
    border += [_velocity_balls(g, at) for g in moving]
    size = n + m + r
    whole = arb_mat(size, size)
    for i in range(n):
        for j in range(n):
            whole[i, j] = hessian[i, j]
    for a, row in enumerate(border):
        for j in range(n):
            whole[n + a, j] = whole[j, n + a] = row[j]
    positive, negative, _ = signature(whole)
    # Of a bordered matrix with full rank b signs of each kind belong to the border; fewer are said otherwise.
    across = n - m - r
    positive, negative = max(positive - m - r, 0), max(negative - m - r, 0)
    signs = (positive, negative, across - positive - negative)
    return signs, _eigenvalues(hessian, border[:m])


def _eigenvalues(hessian: arb_mat, normals: list[list[arb]]) -> tuple[acb, ...]:
    """Eigenvalues of P H P on the tangent space: those of PHP + c(I − P), c above all of them, but the largest m."""
    n, m = hessian.nrows(), len(normals)
    if not m:
        return eigenvalue_balls(hessian, is_symmetric=True)
    normal = arb_mat(normals)
    try:
        inverse = (normal * normal.transpose()).inv()
    except ZeroDivisionError:
        return ()
    off = normal.transpose() * inverse * normal
    tangent = arb_mat([[int(i == j) for j in range(n)] for i in range(n)]) - off
    bent = tangent * hessian * tangent
    bound = sum((abs(entry).upper() for entry in bent.entries()), arb(1))
    values = eigenvalue_balls(bent + off * (2 * bound), is_symmetric=True)
    return values[: n - m]


def candidates(landscape: Landscape, starts: Array, inside: tuple[Array, Array] | None = None) -> list[list[float]]:
    """Where the conditions of a stationary point seem to vanish: guesses for `certify_point`, proven by nobody.

    Args:
        landscape: the risk.
        starts: shape (N, n).
        inside: lowest and highest coordinates; candidates outside are dropped.
    """
    n, m = len(landscape.variables), len(landscape.equations)
    try:
        values, slopes = landscape.program
    except NoIntervalRule:
        return []
    if not m:  # half of the starts go downhill first, to where the minima are
        half = len(starts) // 2
        starts = np.concatenate([starts[:half], descended(values, slopes, starts[half:])])
    points = np.concatenate([starts, np.zeros((len(starts), m))], axis=1)
    points[:, n:] = _starting_multipliers(values, slopes, points, n, m)
    found = roots_from(values, slopes, points)[:, :n]
    if inside is not None:
        found = found[np.all((found >= inside[0] - SAME) & (found <= inside[1] + SAME), axis=1)]
    return [point.tolist() for point in distinct(found)]


def _starting_multipliers(values: IntervalProgram, slopes: IntervalProgram, points: Array, n: int, m: int) -> Array:
    if not m:
        return np.zeros((len(points), 0))
    gradient = values.floats(points)[:, :n]
    normals = -slopes.floats(points).reshape(-1, n + m, n + m)[:, :n, n:]
    return (np.linalg.pinv(normals) @ gradient[:, :, None])[:, :, 0]
