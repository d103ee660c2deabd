"""Geodesics: the straight lines of spheres, products of them and orthonormal frames.

    sphere       cos‖u‖ x + sin‖u‖ u/‖u‖
    Stiefel      [X, U] exp([[A, −S], [I, A]]) [I, 0]ᵀ exp(−A),   A = XᵀU,  S = UᵀU

for the metric of the surrounding space. Reference: A. Edelman, T. Arias, S. Smith, The geometry of algorithms with
orthogonality constraints (1998), section 2.2.2.
"""

from __future__ import annotations

import numpy as np
import scipy

from .manifolds import Array, Manifold, ProductOfSpheres, Sphere, Stiefel

__all__ = ["geodesic"]


def geodesic(manifold: Manifold, point: Array, vector: Array) -> Array:
    """The point that the geodesic from x with velocity u reaches after time one.

    Args:
        manifold: a `Sphere`, a `ProductOfSpheres` or a `Stiefel` manifold.
        point, vector: x on the manifold and u tangent there, of shape (..., *shape).

    Returns:
        Points of the manifold, projected on it once more so that rounding does not add up.

    >>> geodesic(Sphere(2), np.array([1.0, 0.0]), np.array([0.0, np.pi / 2])).round(12)
    array([0., 1.])
    """
    if isinstance(manifold, Sphere):
        angle = np.linalg.norm(vector, axis=-1, keepdims=True)
        return manifold.project(np.cos(angle) * point + np.sinc(angle / np.pi) * vector)
    if isinstance(manifold, ProductOfSpheres):
        arcs = [geodesic(sphere, point[..., at], vector[..., at]) for sphere, at in manifold.parts]
        return np.concatenate(arcs, axis=-1)
    if isinstance(manifold, Stiefel):
        return _geodesic_of_frames(manifold, point, vector)
    raise NotImplementedError(f"no geodesics for a {type(manifold).__name__}; use projected_gradient_descent")


def _geodesic_of_frames(manifold: Stiefel, point: Array, vector: Array) -> Array:
    turn = np.swapaxes(point, -1, -2) @ vector
    speed = np.swapaxes(vector, -1, -2) @ vector
    identity = np.broadcast_to(np.eye(manifold.columns), turn.shape)
    generator = np.concatenate(
        [np.concatenate([turn, -speed], axis=-1), np.concatenate([identity, turn], axis=-1)], axis=-2
    )
    moved = (
        np.concatenate([point, vector], axis=-1)
        @ scipy.linalg.expm(generator)[..., : manifold.columns]
        @ scipy.linalg.expm(-turn)
    )
    return manifold.project(moved)
