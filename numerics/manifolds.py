"""Manifolds in Euclidean space: spheres, products of spheres, orthonormal frames.

    M = {x : g(x) = 0},   T_x = {u : g′(x)u = 0},   P_x the orthogonal projection onto T_x

    grad f = P_x ∇f,    Hess f[u] = P_x(∇²f[u] − Σ_i λ_i ∇²g_i[u]),   λ with ∇f = Σ_i λ_i ∇g_i + grad f

with the metric of the surrounding space. A manifold knows the nearest point (`project`), the projection on
the tangent space (`tangent`), its bending (`bend`, the sum over λ_i ∇²g_i) and its equations as formulas.
Everything else follows: `retract`, `riemannian_gradient`, `riemannian_hessian`, `distance_off`, `random_points`.

Arrays: a point has the manifold's `shape`; leading axes are a batch, so that many starts move at once.

References: P.-A. Absil, R. Mahony, R. Sepulchre, Optimization Algorithms on Matrix Manifolds (2008); N. Boumal,
An Introduction to Optimization on Smooth Manifolds (2023), chapters 3, 5 and 7.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Manifold",
    "ProductOfSpheres",
    "Sphere",
    "Stiefel",
    "distance_off",
    "random_points",
    "retract",
    "riemannian_gradient",
    "riemannian_hessian",
]

Array = NDArray[np.float64]


class Manifold(ABC):
    """A submanifold of a space of arrays, with the metric of that space.

    A subclass also has `shape`, the shape of one point, and `dimension`.
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of a point."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """How many directions there are to move in."""

    @abstractmethod
    def project(self, point: ArrayLike) -> Array:
        """The nearest point of the manifold, for points of shape (..., *shape); nan where there is none."""

    @abstractmethod
    def tangent(self, point: ArrayLike, vector: ArrayLike) -> Array:
        """P_x u, the part of a vector that is tangent at a point of the manifold."""

    @abstractmethod
    def bend(self, point: ArrayLike, gradient: ArrayLike, vector: ArrayLike) -> Array:
        """Σ_i λ_i ∇²g_i[u] with ∇f = Σ_i λ_i ∇g_i + tangent: what the manifold's bending takes off ∇²f[u]."""

    @abstractmethod
    def equations(self, coordinates: Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
        """g(x), independent, zero exactly on the manifold; the coordinates are the entries of a point in C order."""


@dataclass(frozen=True)
class Sphere(Manifold):
    """The unit sphere {x in R^n : ‖x‖ = 1}.

        P_x u = u − ⟨x, u⟩x,    Hess f[u] = P_x(∇²f[u] − ⟨x, ∇f⟩u)

    Args:
        size: n, the dimension of the surrounding space.

    >>> Sphere(3).tangent([1.0, 0, 0], [5.0, 2, 0])
    array([0., 2., 0.])
    """

    size: int

    def __post_init__(self) -> None:
        _refuse_size("size", self.size)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.size,)

    @property
    def dimension(self) -> int:
        return self.size - 1

    def project(self, point: ArrayLike) -> Array:
        point = np.asarray(point, dtype=float)
        with np.errstate(invalid="ignore", divide="ignore"):
            return point / np.linalg.norm(point, axis=-1, keepdims=True)

    def tangent(self, point: ArrayLike, vector: ArrayLike) -> Array:
        point, vector = np.asarray(point, dtype=float), np.asarray(vector, dtype=float)
        return vector - _dot(point, vector) * point

    def bend(self, point: ArrayLike, gradient: ArrayLike, vector: ArrayLike) -> Array:
        return _dot(np.asarray(point, dtype=float), np.asarray(gradient, dtype=float)) * np.asarray(vector, dtype=float)

    def equations(self, coordinates: Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
        return (sp.Add(*(x**2 for x in coordinates)) - 1,)


@dataclass(frozen=True, init=False)
class ProductOfSpheres(Manifold):
    """Several unit vectors, one after the other in one array: S^{n₁−1} × S^{n₂−1} × …

    Args:
        sizes: n₁, n₂, …; a point has shape (n₁ + n₂ + …,).

    >>> ProductOfSpheres(2, 3).project([3.0, 4, 0, 0, 2])
    array([0.6, 0.8, 0. , 0. , 1. ])
    """

    sizes: tuple[int, ...]

    def __init__(self, *sizes: int) -> None:
        if not sizes:
            raise ValueError("expected the sizes of the spheres, got none; write ProductOfSpheres(d, d)")
        for size in sizes:
            _refuse_size("size", size)
        object.__setattr__(self, "sizes", tuple(sizes))

    @property
    def shape(self) -> tuple[int, ...]:
        return (sum(self.sizes),)

    @property
    def dimension(self) -> int:
        return sum(self.sizes) - len(self.sizes)

    @property
    def parts(self) -> tuple[tuple[Sphere, slice], ...]:
        """Each sphere, and where its coordinates are."""
        ends = [sum(self.sizes[:i]) for i in range(len(self.sizes) + 1)]
        return tuple((Sphere(size), slice(ends[i], ends[i + 1])) for i, size in enumerate(self.sizes))

    def project(self, point: ArrayLike) -> Array:
        point = np.asarray(point, dtype=float)
        return np.concatenate([sphere.project(point[..., at]) for sphere, at in self.parts], axis=-1)

    def tangent(self, point: ArrayLike, vector: ArrayLike) -> Array:
        point, vector = np.asarray(point, dtype=float), np.asarray(vector, dtype=float)
        return np.concatenate([sphere.tangent(point[..., at], vector[..., at]) for sphere, at in self.parts], axis=-1)

    def bend(self, point: ArrayLike, gradient: ArrayLike, vector: ArrayLike) -> Array:
        arrays = [np.asarray(a, dtype=float) for a in (point, gradient, vector)]
        return np.concatenate([sphere.bend(*(a[..., at] for a in arrays)) for sphere, at in self.parts], axis=-1)

    def equations(self, coordinates: Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
        return tuple(g for sphere, at in self.parts for g in sphere.equations(tuple(coordinates)[at]))


@dataclass(frozen=True)
class Stiefel(Manifold):
    """Orthonormal frames {X in R^{d×k} : XᵀX = I}; the rotations and reflections O(d) for k = d.

        P_X U = U − X sym(XᵀU),    Hess f[U] = P_X(∇²f[U] − U sym(Xᵀ∇f)),    sym A = (A + Aᵀ)/2

    The nearest point to A = UΣVᵀ is the polar factor UVᵀ.

    Args:
        rows: d.
        columns: k <= d.

    >>> frame = Stiefel(3, 2)
    >>> frame.dimension, float(distance_off(frame, [[1.0, 0], [0, 1], [0, 0]]))
    (3, 0.0)
    """

    rows: int
    columns: int

    def __post_init__(self) -> None:
        _refuse_size("rows", self.rows)
        _refuse_size("columns", self.columns)
        if self.columns > self.rows:
            raise ValueError(
                f"expected at most as many columns as rows, got {self.rows} x {self.columns}; "
                "no more than d vectors of R^d are orthonormal"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.rows, self.columns)

    @property
    def dimension(self) -> int:
        return self.rows * self.columns - self.columns * (self.columns + 1) // 2

    def project(self, point: ArrayLike) -> Array:
        left, _, right = np.linalg.svd(np.asarray(point, dtype=float), full_matrices=False)
        return left @ right

    def tangent(self, point: ArrayLike, vector: ArrayLike) -> Array:
        point, vector = np.asarray(point, dtype=float), np.asarray(vector, dtype=float)
        return vector - point @ _symmetric(np.swapaxes(point, -1, -2) @ vector)

    def bend(self, point: ArrayLike, gradient: ArrayLike, vector: ArrayLike) -> Array:
        point, gradient = np.asarray(point, dtype=float), np.asarray(gradient, dtype=float)
        return np.asarray(vector, dtype=float) @ _symmetric(np.swapaxes(point, -1, -2) @ gradient)

    def equations(self, coordinates: Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
        frame = sp.Matrix(self.rows, self.columns, list(coordinates))
        gram = frame.T * frame - sp.eye(self.columns)
        return tuple(gram[i, j] for i in range(self.columns) for j in range(i + 1))


# --- what follows from these ----------------------------------------------------------------------


def retract(manifold: Manifold, point: ArrayLike, vector: ArrayLike) -> Array:
    """The nearest point to x + u: a step along a tangent vector, right to second order.

    >>> retract(Sphere(2), [1.0, 0], [0, 1.0]).round(6)
    array([0.707107, 0.707107])
    """
    return manifold.project(np.asarray(point, dtype=float) + np.asarray(vector, dtype=float))


def riemannian_gradient(manifold: Manifold, point: ArrayLike, gradient: ArrayLike) -> Array:
    """grad f = P_x ∇f from the Euclidean gradient at a point of the manifold.

    >>> riemannian_gradient(Sphere(2), [1.0, 0], [3.0, 4.0])
    array([0., 4.])
    """
    return manifold.tangent(point, gradient)


def riemannian_hessian(
    manifold: Manifold, point: ArrayLike, gradient: ArrayLike, hessian_times_vector: ArrayLike, vector: ArrayLike
) -> Array:
    """Hess f[u] = P_x(∇²f[u] − Σ_i λ_i ∇²g_i[u]) for a tangent vector u.

    Args:
        point, gradient: x and ∇f(x).
        hessian_times_vector: ∇²f(x)[u], Euclidean.
        vector: u, tangent at x.

    >>> riemannian_hessian(Sphere(2), [1.0, 0], [3.0, 0.0], [0.0, 5.0], [0.0, 1.0])
    array([0., 2.])
    """
    bent = np.asarray(hessian_times_vector, dtype=float) - manifold.bend(point, gradient, vector)
    return manifold.tangent(point, bent)


def distance_off(manifold: Manifold, point: ArrayLike) -> Array:
    """How far points are from the manifold, in the Euclidean norm.

    Raises:
        ValueError: if the last axes do not have the manifold's shape.

    >>> float(distance_off(Sphere(2), [0.0, 3.0]))
    2.0
    """
    point = np.asarray(point, dtype=float)
    shape = manifold.shape
    if point.shape[-len(shape) :] != shape:
        raise ValueError(f"expected points of shape (..., {', '.join(map(str, shape))}), got {point.shape}")
    gap = point - manifold.project(point)
    return np.sqrt(np.sum(gap**2, axis=tuple(range(-len(shape), 0))))


def random_points(manifold: Manifold, count: int, rng: np.random.Generator) -> Array:
    """Uniform points: normal arrays, projected. Shape (count, *shape)."""
    return manifold.project(rng.standard_normal((count, *manifold.shape)))


def _dot(one: Array, other: Array) -> Array:
    return np.sum(one * other, axis=-1, keepdims=True)


def _symmetric(matrix: Array) -> Array:
    return (matrix + np.swapaxes(matrix, -1, -2)) / 2


def _refuse_size(name: str, size: int) -> None:
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1 or not math.isfinite(size):
        raise ValueError(f"expected a positive integer {name}, got {name}={size!r}")
