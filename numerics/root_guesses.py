"""Where a field seems to vanish: roots in floats from many starts at once, proven by nobody.

    (JᵀJ + μI) s = −JᵀF,   μ smaller after a step that makes ‖F‖ smaller, larger after one that does not

`roots_from` is Levenberg and Marquardt's method, which finds saddles as well as minima; `descended` moves points
downhill first. What they return is tried with balls (`numerics.krawczyk`) and believed only then.

Reference: Nocedal and Wright, Numerical Optimization (2006), chapters 10 and 3.4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .intervals import IntervalProgram

__all__ = ["SAME", "descended", "distinct", "roots_from"]

Array = NDArray[np.float64]

STEPS = 60
SAME = 1e-6
"""Guesses closer than this are one guess."""


def roots_from(values: IntervalProgram, slopes: IntervalProgram, points: Array, steps: int = STEPS) -> Array:
    """Points where the field seems to vanish, shape (M, n), from starts of shape (N, n).

    Args:
        values: F.
        slopes: its Jacobian, row by row.
    """
    size = points.shape[1]
    damping = np.full(len(points), 1e-2)
    found: list[Array] = []
    with np.errstate(all="ignore"):
        residual = values.floats(points)
        for _ in range(steps):
            good = np.isfinite(residual).all(axis=1)
            points, residual, damping = points[good], residual[good], damping[good]
            if not len(points):
                break
            jacobian = slopes.floats(points).reshape(-1, size, size)
            jacobian = np.nan_to_num(jacobian, nan=0.0, posinf=0.0, neginf=0.0)
            scale = np.abs(jacobian).max(axis=(1, 2)) + 1e-300
            normal = jacobian.transpose(0, 2, 1) @ jacobian + (damping * scale**2)[:, None, None] * np.eye(size)
            right = jacobian.transpose(0, 2, 1) @ residual[:, :, None]
            step = np.linalg.solve(normal, right)[:, :, 0]
            trial = points - step
            ahead = values.floats(trial)
            better = np.linalg.norm(ahead, axis=1) < np.linalg.norm(residual, axis=1)
            done = (np.abs(residual).max(axis=1) < 1e-12 * scale) | (
                better & (np.abs(step).max(axis=1) < 1e-9) & (np.abs(ahead).max(axis=1) < 1e-9 * scale)
            )
            points = np.where(better[:, None], trial, points)
            residual = np.where(better[:, None], ahead, residual)
            damping = np.clip(np.where(better, damping / 5, damping * 4), 1e-14, 1e8)
            found += list(points[done])
            points, residual, damping = points[~done], residual[~done], damping[~done]
    return np.array(found).reshape(-1, size)


def distinct(points: Array) -> list[Array]:
    """One of each cluster of points."""
    kept: list[Array] = []
    for point in points:
        if not any(np.max(np.abs(point - other)) < SAME for other in kept):
            kept.append(point)
    return kept


def descended(values: IntervalProgram, slopes: IntervalProgram, points: Array, steps: int = 25) -> Array:
    """Steps −|H|⁻¹∇R, not longer than one half: downhill, and away from saddles."""
    n = points.shape[1]
    with np.errstate(all="ignore"):
        for _ in range(steps):
            gradient, hessian = values.floats(points), slopes.floats(points).reshape(-1, n, n)
            good = np.isfinite(gradient).all(axis=1) & np.isfinite(hessian).all(axis=(1, 2))
            points, gradient, hessian = points[good], gradient[good], hessian[good]
            sizes, axes = np.linalg.eigh((hessian + hessian.transpose(0, 2, 1)) / 2)
            floor = 1e-3 * np.abs(sizes).max(axis=1, keepdims=True, initial=1e-300)
            along = (axes.transpose(0, 2, 1) @ gradient[:, :, None])[:, :, 0] / np.maximum(np.abs(sizes), floor)
            step = (axes @ along[:, :, None])[:, :, 0]
            length = np.linalg.norm(step, axis=1, keepdims=True)
            points = points - step * np.minimum(1.0, 0.5 / np.maximum(length, 1e-300))
    return points
