"""Symmetries of a risk that act linearly: found by linear algebra on floats, believed when proven by symbols.

    ξ = Σ_i (Ax + b)_i ∂_i,    ξR = 0        a one-parameter group x ↦ e^{tξ}x that leaves R alone
    R(±x₁, …, ±x_n) = R(x₁, …, x_n)          changes of sign

The condition ξR = 0 is linear in (A, b): its values at many points give a matrix whose kernel holds every linear
symmetry at once: rotations of two coordinates, of all heads together, scalings, directions that do not matter.
On spheres only those are asked for that leave each sphere in place.

Definitions: `Generator`, `linear_symmetries`, `sign_symmetries`.

Reference: P. Olver, Applications of Lie Groups to Differential Equations (1993), chapter 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theory.identity import reduces_to_zero

from .intervals import IntervalProgram, NoIntervalRule

__all__ = ["Generator", "columns_of", "linear_symmetries", "sign_symmetries", "symmetry_text"]

Box = Mapping[sp.Symbol, tuple[float, float]]

KERNEL = 1e-9
"""Relative size below which a singular value may be zero; symbols decide."""
DENOMINATORS = 48
MOST_SIGNS = 12


@dataclass(frozen=True)
class Generator:
    """A linear vector field ξ = Σ_i (Ax + b)_i ∂_i.

    >>> x, y = sp.symbols("x y", real=True)
    >>> turn = Generator((x, y), sp.ImmutableMatrix([[0, -1], [1, 0]]), sp.ImmutableMatrix([0, 0]))
    >>> turn.velocity, turn.rotations, str(turn)
    ((-y, x), ((0, 1, 1),), 'rotations of (x, y)')
    """

    variables: tuple[sp.Symbol, ...]
    matrix: sp.ImmutableMatrix
    shift: sp.ImmutableMatrix

    @cached_property
    def velocity(self) -> tuple[sp.Expr, ...]:
        """The field's components Ax + b."""
        return tuple(self.matrix * sp.Matrix(self.variables) + self.shift)

    def annihilates(self, expr: sp.Expr) -> bool:
        """ξ expr = 0, proven."""
        return reduces_to_zero(sp.Add(*(v * expr.diff(x) for v, x in zip(self.velocity, self.variables, strict=True))))

    @cached_property
    def rotations(self) -> tuple[tuple[int, int, sp.Rational], ...]:
        """Pairs of coordinates (i, j) with a speed w when the group turns them: ẋ_i = −w x_j, ẋ_j = w x_i; else ()."""
        A, size = self.matrix, len(self.variables)
        if any(self.shift) or A != -A.T or any(sum(entry != 0 for entry in A.row(i)) > 1 for i in range(size)):
            return ()
        return tuple((i, j, A[j, i]) for i in range(size) for j in range(i + 1, size) if A[j, i] != 0)

    @cached_property
    def idle(self) -> int | None:
        """The coordinate that does not matter, when the group moves it alone; else None."""
        moved = [i for i, v in enumerate(self.velocity) if v != 0]
        return moved[0] if len(moved) == 1 and self.velocity[moved[0]].is_number else None

    @cached_property
    def scaling(self) -> tuple[sp.Rational, ...]:
        """The exponents w with x_i ↦ e^{w_i t} x_i, when the group scales; else ()."""
        A = self.matrix
        diagonal = not any(self.shift) and all(A[i, j] == 0 for i in range(A.rows) for j in range(A.cols) if i != j)
        return tuple(A[i, i] for i in range(A.rows)) if diagonal else ()

    def __str__(self) -> str:
        names = [str(x) for x in self.variables]
        if self.rotations:
            return "rotations of " + ", ".join(f"({names[i]}, {names[j]})" for i, j, _ in self.rotations)
        if self.idle is not None:
            return f"shifts of {names[self.idle]}"
        if self.scaling:
            weights = {name: w for name, w in zip(names, self.scaling, strict=True) if w}
            up = [name for name, w in weights.items() if w > 0]
            down = [name for name, w in weights.items() if w < 0]
            return f"scalings of {', '.join(up)}" + (f" against {', '.join(down)}" if down else "")
        moves = ", ".join(f"d{x} = {v}" for x, v in zip(names, self.velocity, strict=True) if v != 0)
        return f"the linear flow {moves}"


def symmetry_text(generators: Sequence[Generator]) -> str:
    """The group of some generators as a phrase; O(K) where they turn K columns into each other.

    >>> a, b, c = sp.symbols("a b c", real=True)
    >>> symmetry_text(linear_symmetries((a**2 + b**2 + c**2) ** 2, (a, b, c)))
    'O(3) on (a, b, c)'
    """
    columns = columns_of(generators)
    if columns is None:
        return "; ".join(map(str, generators))
    rows = list(zip(*columns, strict=True))
    return f"O({len(columns)}) on " + ", ".join(f"({', '.join(map(str, row))})" for row in rows)


def columns_of(generators: Sequence[Generator]) -> list[tuple[sp.Symbol, ...]] | None:
    """The K columns that O(K) mixes, when the generators are exactly its K(K−1)/2 >= 3 turns of pairs; else None."""
    if len(generators) < 3 or not all(g.rotations for g in generators):
        return None
    names = generators[0].variables
    rows: list[set[int]] = []  # coordinates that are mixed with each other
    for g in generators:
        for i, j, _ in g.rotations:
            touching = [row for row in rows if row & {i, j}]
            rows = [row for row in rows if row not in touching] + [set().union({i, j}, *touching)]
    sizes = {len(row) for row in rows}
    if len(sizes) != 1:
        return None
    (count,) = sizes
    if len(generators) != count * (count - 1) // 2:
        return None
    ordered = sorted(sorted(row) for row in rows)
    place = {i: k for row in ordered for k, i in enumerate(row)}
    for g in generators:
        if len(g.rotations) != len(rows) or len({(place[i], place[j], w) for i, j, w in g.rotations}) != 1:
            return None
    return [tuple(names[row[k]] for row in ordered) for k in range(count)]


def linear_symmetries(
    expr: sp.Expr,
    variables: Sequence[sp.Symbol],
    box: Box | None = None,
    spheres: Sequence[Sequence[sp.Symbol]] = (),
) -> tuple[Generator, ...]:
    """Generators of all linear one-parameter symmetries of an expression, each proven.

    Args:
        expr: smooth, no symbols but the variables.
        variables: x₁, …, x_n.
        box: where the expression is defined, finite; by default [−3/2, 3/2].
        spheres: disjoint groups of variables; only symmetries that leave the norm of each alone.

    Returns:
        A basis with few nonzero entries; empty when there are none, or none could be proven.

    >>> x, y, z = sp.symbols("x y z", real=True)
    >>> [str(g) for g in linear_symmetries((x**2 + y**2 - 1)**2 + z**2, (x, y, z))]
    ['rotations of (x, y)']
    >>> [str(g) for g in linear_symmetries((x*y - 1)**2, (x, y, z))]
    ['scalings of y against x', 'shifts of z']
    """
    variables, box = tuple(variables), box or {}
    bound = {x for sphere in spheres for x in sphere}
    idle = [x for x in variables if x not in expr.free_symbols and x not in bound]
    shifts = tuple(_shift(variables, x) for x in idle)
    active = tuple(x for x in variables if x not in idle)
    return tuple(_embedded(g, variables) for g in _searched(expr, active, box, spheres)) + shifts


def _shift(variables: tuple[sp.Symbol, ...], x: sp.Symbol) -> Generator:
    size = len(variables)
    unit = sp.ImmutableMatrix(size, 1, [int(y == x) for y in variables])
    return Generator(variables, sp.ImmutableMatrix.zeros(size, size), unit)


def _embedded(generator: Generator, variables: tuple[sp.Symbol, ...]) -> Generator:
    """The same field in more variables."""
    places = [variables.index(x) for x in generator.variables]
    size = len(variables)
    matrix, shift = sp.zeros(size, size), sp.zeros(size, 1)
    for i, p in enumerate(places):
        shift[p] = generator.shift[i]
        for j, q in enumerate(places):
            matrix[p, q] = generator.matrix[i, j]
    return Generator(variables, sp.ImmutableMatrix(matrix), sp.ImmutableMatrix(shift))


def _searched(
    expr: sp.Expr, variables: tuple[sp.Symbol, ...], box: Box, spheres: Sequence[Sequence[sp.Symbol]]
) -> tuple[Generator, ...]:
    size = len(variables)
    allowed = _allowed(variables, spheres)
    count = allowed.shape[1]
    if not count:
        return ()
    try:
        program = IntervalProgram([expr.diff(x) for x in variables], variables)
    except NoIntervalRule:
        return ()
    rng = np.random.default_rng(0)  # generic points; what is found is proven by symbols
    ends = np.array([box.get(x, (-1.5, 1.5)) for x in variables], dtype=float)
    points = rng.uniform(ends[:, 0], ends[:, 1], (2 * count + 8, size))
    slopes = program.floats(points)
    good = np.isfinite(slopes).all(axis=1)
    points, slopes = points[good], slopes[good]
    if len(points) < count + 2:
        return ()
    with np.errstate(all="ignore"):
        norms = np.linalg.norm(slopes, axis=1, keepdims=True)
        slopes = np.where(norms > 0, slopes / norms, 0.0)
    rows = np.concatenate([(slopes[:, :, None] * points[:, None, :]).reshape(len(points), -1), slopes], axis=1)
    _, singular, right = np.linalg.svd(rows @ allowed)
    rank = int(np.sum(singular > KERNEL * max(singular.max(initial=0.0), 1e-300)))
    kernel = _echelon((allowed @ right[rank:].T).T)
    found = []
    for vector in kernel:
        exact = [_rational(entry) for entry in vector]
        if None in exact:
            continue
        generator = Generator(
            variables,
            sp.ImmutableMatrix(size, size, exact[: size * size]),
            sp.ImmutableMatrix(size, 1, exact[size * size :]),
        )
        if generator.annihilates(expr):
            found.append(generator)
    return tuple(found)


def _allowed(variables: tuple[sp.Symbol, ...], spheres: Sequence[Sequence[sp.Symbol]]) -> NDArray:
    """Columns spanning the fields (A, b) that leave the spheres alone: antisymmetric there, and apart."""
    size = len(variables)
    group = {x: i for i, sphere in enumerate(spheres) for x in sphere}
    columns = []
    for i, x in enumerate(variables):
        for j, y in enumerate(variables):
            if x in group and group.get(y) == group[x]:
                if i < j:
                    column = np.zeros(size * size + size)
                    column[i * size + j], column[j * size + i] = -1.0, 1.0
                    columns.append(column)
            elif x not in group:
                column = np.zeros(size * size + size)
                column[i * size + j] = 1.0
                columns.append(column)
        if x not in group:
            column = np.zeros(size * size + size)
            column[size * size + i] = 1.0
            columns.append(column)
    return np.array(columns).T if columns else np.empty((size * size + size, 0))


def _echelon(rows: NDArray) -> NDArray:
    """Reduced row echelon form with the last entries as pivots first, so that shifts come out alone."""
    rows = rows[:, ::-1].copy()
    pivot = 0
    for column in range(rows.shape[1]):
        if pivot == len(rows):
            break
        best = pivot + int(np.argmax(np.abs(rows[pivot:, column])))
        if abs(rows[best, column]) < 1e-6:
            rows[pivot:, column] = 0.0
            continue
        rows[[pivot, best]] = rows[[best, pivot]]
        rows[pivot] /= rows[pivot, column]
        for i in range(len(rows)):
            if i != pivot:
                rows[i] -= rows[i, column] * rows[pivot]
        pivot += 1
    return rows[:pivot, ::-1][::-1]


def _rational(value: float) -> sp.Rational | None:
    near = Fraction(value).limit_denominator(DENOMINATORS)
    return sp.Rational(near.numerator, near.denominator) if abs(float(near) - value) < 1e-6 else None


def sign_symmetries(
    expressions: Sequence[sp.Expr], variables: Sequence[sp.Symbol], box: Box | None = None
) -> tuple[frozenset[int], ...]:
    """Changes of sign that leave all expressions alone: a basis, each with a coordinate that no other one changes.

    Returns:
        Sets of positions; the first entry of each, in the order of the variables, is in no other set. Hence every
        point has an image where these coordinates are nonnegative.

    >>> x, y, z = sp.symbols("x y z", real=True)
    >>> [sorted(flip) for flip in sign_symmetries([x*y + z**2], (x, y, z))]
    [[0, 1], [2]]
    """
    variables, size = tuple(variables), len(variables)
    if not 0 < size <= MOST_SIGNS or not expressions:
        return ()
    box = box or {}
    try:
        program = IntervalProgram(list(expressions), variables)
    except NoIntervalRule:
        return ()
    rng = np.random.default_rng(1)
    reach = np.array([min(-low, high) for low, high in (box.get(x, (-1.5, 1.5)) for x in variables)])
    symmetric = np.array([low == -high for low, high in (box.get(x, (-1.5, 1.5)) for x in variables)])
    point = rng.uniform(0.3, 1.0, size) * np.where(reach > 0, reach, 1.0)
    masks = (np.arange(1 << size)[:, None] >> np.arange(size)) & 1
    masks = masks[~np.any(masks[:, ~symmetric], axis=1)]
    signs = 1 - 2 * masks
    same = np.ones(len(masks), dtype=bool)
    for low, high in program([(c, c) for c in (signs * point).T]):
        middle, radius = (low + high) / 2, (high - low) / 2
        same &= np.abs(middle - middle[0]) <= 4 * (radius + radius[0]) + 1e-12 * np.abs(middle[0])
    basis: list[int] = []
    for mask in masks[same]:
        vector = int(sum(1 << i for i in np.flatnonzero(mask)))
        for other in basis:
            vector = min(vector, vector ^ other)
        if vector:
            basis = [other ^ vector if _lowest(vector) & other else other for other in basis] + [vector]
    flips = [frozenset(i for i in range(size) if vector >> i & 1) for vector in _reduced(basis)]
    return tuple(sorted((f for f in flips if _leaves_alone(f, expressions, variables)), key=min))


def _lowest(vector: int) -> int:
    return vector & -vector


def _reduced(basis: list[int]) -> list[int]:
    """Each vector's lowest bit is in no other vector."""
    result: list[int] = []
    for vector in basis:
        for other in result:
            if vector & _lowest(other):
                vector ^= other
        if vector:
            result = [other ^ vector if other & _lowest(vector) else other for other in result] + [vector]
    return result


def _leaves_alone(flip: frozenset[int], expressions: Sequence[sp.Expr], variables: tuple[sp.Symbol, ...]) -> bool:
    signs = {variables[i]: -variables[i] for i in flip}
    return all(reduces_to_zero(f.xreplace(signs) - f) for f in expressions)
