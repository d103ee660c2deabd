"""Overlaps: vectors seen through their inner products alone.

    κ = ⟨k, k*⟩, ν = ⟨v, v*⟩, …          G = (⟨x_i, x_j⟩), the Gram matrix of trained and fixed vectors

A risk that depends on vectors of R^d through their overlaps moves them along one another: each step is a linear
combination of the p vectors there are. So the Gram matrix after a step follows from the one before, and the
vectors may as well live in R^p: `embed` finds vectors of R^p with the same Gram matrix, and the descent of these
is the descent of those in R^d, to the last overlap. Gram matrices kept this way are positive semidefinite by
construction. The frame of R^p is that of Gram and Schmidt, the fixed vectors first, so that overlaps that are
zero stay exactly zero.

`draw_overlaps` draws the overlaps of vectors that are uniform on spheres of R^d, for any d, without drawing vectors:
in such a frame a normal vector has normal coordinates and one chi for all that is new (Bartlett's decomposition).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from theory.variables import Dot, dot

__all__ = ["Overlaps", "draw_overlaps", "embed"]

Vectors = dict[sp.MatrixSymbol, np.ndarray]


@dataclass(frozen=True)
class Overlaps:
    """The inner products of trained and fixed vectors, by the symbols of a risk.

    Args:
        products: a symbol or an exact number for inner products, as `population_risk` takes them:
            {dot(k, k_star): kappa, dot(k_star, k_star): 1, …}. What is left out is called `dot(k, v)`.
        trained: the vectors that move; all others in the products are fixed.
        unit: the trained vectors have norm one and stay on their spheres; otherwise they are free.

    Raises:
        TypeError: for a key that is not an inner product of two vectors, a value that is neither symbol nor number, or
            no trained vector.
        ValueError: for one symbol of two products, or a number for a product that changes.

    >>> from theory.variables import dot
    >>> k, k_star = sp.MatrixSymbol("k", 9, 1), sp.MatrixSymbol("k_star", 9, 1)
    >>> overlaps = Overlaps({dot(k, k_star): sp.Symbol("kappa"), dot(k_star, k_star): 1}, trained=(k,))
    >>> overlaps.names
    ('kappa',)
    """

    products: Any
    trained: Any
    unit: bool = True

    def __post_init__(self) -> None:
        given = self.products.items() if isinstance(self.products, Mapping) else self.products
        pairs = []
        for node, value in given:
            if not isinstance(node, Dot) or not all(isinstance(side, sp.MatrixSymbol) for side in node.args):
                raise TypeError(f"expected inner products of two vectors such as dot(k, k_star), got {node}")
            value = sp.sympify(value, strict=True)
            if not isinstance(value, sp.Symbol) and not value.is_number:
                raise TypeError(f"expected a symbol or a number for {node}, got {value}")
            pairs.append((node, value))
        trained = tuple(self.trained) if isinstance(self.trained, (list, tuple)) else (self.trained,)
        strange = [vector for vector in trained if not (isinstance(vector, sp.MatrixSymbol) and vector.shape[1] == 1)]
        if strange or not trained:
            raise TypeError(f"expected trained vectors, d × 1, at least one, got {strange[0] if strange else 'none'}")
        symbols = [value for _, value in pairs if isinstance(value, sp.Symbol)]
        twice = sorted({str(symbol) for symbol in symbols if symbols.count(symbol) > 1})
        if twice:
            raise ValueError(f"expected a symbol of its own for each inner product, got {', '.join(twice)} twice")
        for node, value in pairs:
            if value.is_number and not set(node.args).isdisjoint(trained):
                is_norm = self.unit and node.left == node.right
                if not (is_norm and value == 1):
                    wanted = "1, the norm of a unit vector," if is_norm else "a symbol"
                    raise ValueError(f"expected {wanted} for {node}, which a trained vector is part of, got {value}")
        object.__setattr__(self, "products", tuple(pairs))
        object.__setattr__(self, "trained", trained)

    @property
    def fixed(self) -> tuple[sp.MatrixSymbol, ...]:
        """The vectors that do not move, by name."""
        sides = dict.fromkeys(side for node, _ in self.products for side in node.args)
        return tuple(sorted((side for side in sides if side not in self.trained), key=str))

    @property
    def vectors(self) -> tuple[sp.MatrixSymbol, ...]:
        """The fixed vectors, then the trained ones."""
        return (*self.fixed, *self.trained)

    def entry(self, one: sp.MatrixSymbol, other: sp.MatrixSymbol) -> sp.Expr:
        """The symbol or the number of ⟨x, y⟩: 1 for a unit vector; a symbol called `dot(x, y)` where none is given."""
        if one == other and self.unit and one in self.trained:
            return sp.Integer(1)
        return self.named(dot(one, other))

    def named(self, node: Dot) -> sp.Expr:
        """The symbol or the number that was given for an inner product, or a symbol called as it is written."""
        known = dict(self.products)
        return known[node] if node in known else sp.Symbol(str(node), real=True)

    def in_symbols(self, expr: sp.Expr) -> sp.Expr:
        """An expression with its inner products of these vectors replaced by their symbols."""
        nodes = {node for node in sp.preorder_traversal(expr) if isinstance(node, Dot)}
        return expr.xreplace({node: self.named(node) for node in nodes if set(node.args) <= set(self.vectors)})

    @property
    def moving(self) -> dict[sp.Expr, tuple[sp.MatrixSymbol, sp.MatrixSymbol]]:
        """The overlaps that change: symbol -> the two vectors, the trained one first."""
        found: dict[sp.Expr, tuple[sp.MatrixSymbol, sp.MatrixSymbol]] = {}
        for i, one in enumerate(self.trained):
            for other in (*self.fixed, *self.trained[i:]):
                entry = self.entry(one, other)
                if not entry.is_number:
                    found[entry] = (one, other)
        order = {value: i for i, (_, value) in enumerate(self.products)}
        return dict(sorted(found.items(), key=lambda item: order.get(item[0], len(order))))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the overlaps that change, in the order they were given."""
        return tuple(map(str, self.moving))

    def fixed_symbols(self) -> dict[sp.Expr, tuple[sp.MatrixSymbol, sp.MatrixSymbol]]:
        """The symbols of overlaps of fixed vectors, which are constants of the dynamics."""
        pairs = [(one, other) for i, one in enumerate(self.fixed) for other in self.fixed[i:]]
        return {self.entry(*pair): pair for pair in pairs if not self.entry(*pair).is_number}

    def constant_entries(self) -> dict[sp.Expr, sp.Integer]:
        """The symbols that the unit norms fix, such as q_k = 1."""
        if not self.unit:
            return {}
        norms = [self.named(dot(x, x)) for x in self.trained]
        return {norm: sp.Integer(1) for norm in norms if not norm.is_number}

    def gram(self, values: Mapping[sp.Expr, Any], starts: int) -> np.ndarray:
        """The Gram matrices, shape (starts, p, p), in the order of `vectors`; values by symbol."""
        size = len(self.vectors)
        matrices = np.empty((starts, size, size))
        for i, one in enumerate(self.vectors):
            for j, other in enumerate(self.vectors[: i + 1]):
                entry = self.entry(one, other)
                number = float(entry) if entry.is_number else values[entry]
                matrices[:, i, j] = matrices[:, j, i] = number
        return matrices

    def of(self, vectors: Mapping[sp.MatrixSymbol, np.ndarray]) -> dict[str, np.ndarray]:
        """The overlaps that change, by name, from vectors of shape (..., d)."""
        return {
            str(symbol): np.einsum("...d,...d->...", vectors[one], vectors[other])
            for symbol, (one, other) in self.moving.items()
        }


def embed(gram: np.ndarray, project: bool = False) -> np.ndarray:
    """Vectors with given Gram matrices, in the frame of Gram and Schmidt.

    Args:
        gram: symmetric positive semidefinite to within 10·p·eps, relative to its diagonal; shape (starts, p, p).
        project: where it is not, shorten the part of a vector that lies in the span of those before it, so that its
            norm is what the diagonal says.

    Returns:
        Rows x_1, …, x_p, shape (starts, p, p), lower triangular: row i has i + 1 entries that may differ from zero.

    Raises:
        ValueError: with the smallest eigenvalue, for a matrix that no vectors have.

    >>> embed(np.array([[[1.0, 0.6], [0.6, 1.0]]]))[0]
    array([[1. , 0. ],
           [0.6, 0.8]])
    """
    size = gram.shape[-1]
    lowest = np.linalg.eigvalsh(gram)[:, 0]
    slack = 10 * size * np.finfo(float).eps * np.einsum("sii->s", gram)
    if np.any(lowest < -slack) and not project:
        at = int(np.argmin(lowest + slack))
        raise ValueError(
            f"expected overlaps of some vectors, got a Gram matrix with the eigenvalue {lowest[at]:.3g} at start {at}; "
            "no vectors have these inner products; pass project=True to shorten them"
        )
    rows = np.zeros_like(gram)
    for i in range(size):
        for j in range(i):
            pivot = rows[:, j, j]
            rest = gram[:, i, j] - np.einsum("sl,sl->s", rows[:, i, :j], rows[:, j, :j])
            # A vector within the span of those before it has a pivot of rounding size; what is left over it is noise.
            usable = pivot > np.sqrt(slack)
            rows[:, i, j] = np.where(usable, rest / np.where(usable, pivot, 1.0), 0.0)
        inside = np.einsum("sl,sl->s", rows[:, i, :i], rows[:, i, :i])
        left = gram[:, i, i] - inside
        if project:
            long = left < 0
            rows[long, i, :i] *= np.sqrt(np.maximum(gram[long, i, i], 0.0) / inside[long])[:, None]
        rows[:, i, i] = np.sqrt(np.maximum(left, 0.0))
    return rows


def draw_overlaps(
    overlaps: Overlaps,
    dimension: int,
    starts: int,
    rng: np.random.Generator,
    orthogonal: Iterable[tuple[sp.MatrixSymbol, sp.MatrixSymbol]] = (),
    fixed: Mapping[Any, float] | None = None,
) -> dict[str, np.ndarray]:
    """The overlaps of independent uniform unit vectors of R^d, with the exact law and without the vectors.

    Args:
        overlaps: of unit vectors.
        dimension: d, at least the number of fixed vectors.
        starts: how many draws.
        rng: where the draws come from.
        orthogonal: pairs (x, y) that are made orthogonal: x, a trained vector, is drawn uniform on the sphere of the
            vectors orthogonal to every such y, which is fixed or trained and drawn before x.
        fixed: numbers for the overlaps of fixed vectors that are symbols, by symbol or by name.

    Returns:
        An array of shape (starts,) for each overlap that changes, by name.

    Raises:
        ValueError: for a dimension or a pair that leaves no direction, an overlap of fixed vectors without a number.

    >>> from theory.variables import dot
    >>> k, k_star = sp.MatrixSymbol("k", 400, 1), sp.MatrixSymbol("k_star", 400, 1)
    >>> overlaps = Overlaps({dot(k, k_star): sp.Symbol("kappa"), dot(k_star, k_star): 1}, trained=(k,))
    >>> draws = draw_overlaps(overlaps, 400, 10_000, np.random.default_rng(0))["kappa"]
    >>> bool(abs(400 * draws.var() - 1) < 0.1)
    True
    """
    if not overlaps.unit:
        raise ValueError("expected overlaps of unit vectors; there is no uniform law of free ones")
    count = len(overlaps.fixed)
    size = len(overlaps.vectors)
    if dimension < max(count, 1):
        raise ValueError(f"expected dimension >= {max(count, 1)}, the number of fixed vectors, got {dimension}")
    given = {str(symbol): float(number) for symbol, number in (fixed or {}).items()}
    missing = [str(symbol) for symbol in overlaps.fixed_symbols() if str(symbol) not in given]
    if missing:
        raise ValueError(
            f"expected a number for {', '.join(missing)}, inner products of fixed vectors; give it in the products of "
            "Overlaps, or in fixed="
        )
    numbers = {symbol: given[str(symbol)] for symbol in overlaps.fixed_symbols()}
    gram = np.eye(size)[None]
    block = overlaps.gram({**dict.fromkeys(overlaps.moving, 0.0), **numbers}, 1)[:, :count, :count]
    gram[:, :count, :count] = block
    frame = np.zeros((starts, size, size))
    frame[:, :count, :count] = embed(block) if count else block
    order = {vector: i for i, vector in enumerate(overlaps.vectors)}
    partners: dict[int, list[int]] = {}
    for one, other in orthogonal:
        if one not in overlaps.trained or other not in order or order[other] >= order[one]:
            raise ValueError(
                f"expected pairs of a trained vector and a fixed one or one before it in "
                f"{', '.join(map(str, overlaps.vectors))}, got ({one}, {other})"
            )
        partners.setdefault(order[one], []).append(order[other])
    for i in range(count, size):
        normal = np.zeros((starts, size))
        known = min(i, dimension)
        normal[:, :known] = rng.standard_normal((starts, known))
        if dimension > i:
            normal[:, i] = np.sqrt(rng.chisquare(dimension - i, starts))
        for _ in range(2):  # the second projection takes away the rounding of the first
            for axis in _axes(frame, partners.get(i, ())):
                normal -= np.einsum("sd,sd->s", normal, axis)[:, None] * axis
        norm = np.linalg.norm(normal, axis=1, keepdims=True)
        if not (norm > 0).all():
            raise ValueError(f"no direction is left for {overlaps.vectors[i]} in dimension {dimension}")
        frame[:, i] = normal / norm
    drawn = overlaps.of({vector: frame[:, i] for vector, i in order.items()})
    for i, others in partners.items():
        for j in others:  # zero, where rounding says 1e-17
            drawn[str(overlaps.entry(overlaps.vectors[j], overlaps.vectors[i]))][:] = 0.0
    return drawn


def _axes(frame: np.ndarray, rows: Iterable[int]) -> list[np.ndarray]:
    """An orthonormal basis of the span of some rows, by Gram and Schmidt; rows of norm about zero are left out."""
    axes: list[np.ndarray] = []
    for row in rows:
        axis = frame[:, row].copy()
        for known in axes:
            axis -= np.einsum("sd,sd->s", axis, known)[:, None] * known
        norm = np.linalg.norm(axis, axis=1, keepdims=True)
        axes.append(np.where(norm > 1e-12, axis / np.where(norm > 0, norm, 1.0), 0.0))
    return axes
