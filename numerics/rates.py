"""At which rate a limit is reached: the linearised flow against what a path shows.

    ẋ = −grad R(x) near a limit x̄:    ‖x(t) − x̄‖ ~ C e^{−μt},   μ an eigenvalue of the Hessian of R at x̄

`linear_rates` gives the eigenvalues μ from the linearised flow, `fitted_rate` the rate that a trajectory shows. A
descent with step α shrinks by |1 − αμ| a step: `rate_of_steps`.

The error of a fit has two parts. Other eigenvalues bend log‖x − x̄‖; the records of the window are fitted in two halves
and the difference is what is left of them. And the records themselves are known to rounding, so the window ends where
the distance comes near it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.risk import Risk

from .starts import prepare
from .trajectory import Trajectory

__all__ = ["FittedRate", "fitted_rate", "linear_rates", "rate_of_steps"]

STEP = float(np.finfo(float).eps ** (1 / 3))  # of a central difference: rounding and curvature weigh the same


def linear_rates(
    risk: Risk, at: Mapping[Any, Any], values: Mapping[Any, Any] | None = None, manifold: Any = None
) -> np.ndarray:
    """The rates μ of the flow near a stationary point, increasing; positive ones attract.

    The eigenvalues of the derivative of grad R, by central differences of the exact gradient: each is right to about
    eps^(2/3) of the largest. Directions across the manifold, which the flow never takes, are left out.

    Args:
        risk, values, manifold: as for `gradient_flow`.
        at: the point, as a start.

    Raises:
        ValueError: if the point is not stationary: its gradient is above what rounding and the input explain.

    >>> import sympy as sp
    >>> x, y = sp.symbols("x y", real=True)
    >>> linear_rates(Risk(x**2 + 3*y**2, (x, y)), {"x": 0.0, "y": 0.0}).round(6)
    array([2., 6.])
    """
    begin = prepare(risk, at, values, manifold)
    slope, state = begin.slope, begin.state
    if not begin.single:
        raise ValueError("expected one point, got several")
    shapes = [block.shape[1:] for block in state]
    sizes = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    flat = np.concatenate([block.ravel() for block in state])

    def tangent_basis() -> np.ndarray:
        columns = []
        for direction in np.eye(len(flat)):
            parts = [part.reshape(1, *shape) for part, shape in zip(np.split(direction, sizes), shapes, strict=True)]
            tangents = [
                part if manifold is None else manifold.tangent(x, part)
                for manifold, x, part in zip(slope.manifolds, state, parts, strict=True)
            ]
            columns.append(np.concatenate([part.ravel() for part in tangents]))
        left, size, _ = np.linalg.svd(np.array(columns).T)
        return left[:, size > 0.5]  # a projection: its singular values are 0 and 1

    basis = tangent_basis()
    scale = max(1.0, float(np.abs(flat).max()))
    offsets = np.concatenate([basis.T, -basis.T]) * STEP * scale
    moved = [
        part.reshape(len(offsets), *shape)
        for part, shape in zip(np.split(flat + offsets, sizes, axis=1), shapes, strict=True)
    ]
    moved = [x if manifold is None else manifold.project(x) for manifold, x in zip(slope.manifolds, moved, strict=True)]
    gradients = np.concatenate([g.reshape(len(offsets), -1) for g in slope.gradient(moved, 0.0)], axis=1)
    half = len(basis.T)
    jacobian = basis.T @ ((gradients[:half] - gradients[half:]) / (2 * STEP * scale)).T
    here = np.concatenate([g.ravel() for g in slope.gradient(state, 0.0)])
    size = float(np.linalg.norm(here))
    allowed = 1e-6 * max(1.0, float(np.abs(jacobian).max()))  # six digits of the point, as users type them
    if not size <= allowed:
        raise ValueError(f"expected a stationary point, got a gradient of norm {size:.3g} there")
    return np.sort(np.linalg.eigvals(jacobian).real)


def rate_of_steps(rate: float, step: float) -> float:
    """The rate a step of descent with step α near a limit where the flow has the rate μ: −log|1 − αμ|.

    >>> round(rate_of_steps(2.0, 0.25), 12) == round(math.log(2), 12)
    True
    """
    factor = abs(1 - step * rate)
    return -math.log(factor) if factor > 0 else math.inf


@dataclass(frozen=True)
class FittedRate:
    """The rate that a path shows on its way to a limit.

    Args:
        rate: of the distance, a unit of time.
        error: what a wrong limit of the window could have changed; see the top of the file.
        window: first and last time of the records used.
        records: how many.
    """

    rate: float
    error: float
    window: tuple[float, float]
    records: int

    def agrees_with(self, rate: float) -> bool:
        """Whether a predicted rate is within the stated error."""
        return bool(abs(self.rate - rate) <= self.error)

    def __str__(self) -> str:
        return f"{self.rate:.6g} ± {self.error:.2g} ({self.records} records, {self.window[0]:g} to {self.window[1]:g})"


def fitted_rate(trajectory: Trajectory, limit: Mapping[str, float]) -> FittedRate:
    """The rate at which a single path reaches a limit, from the last part of it that rounding does not blur.

        log‖x(t) − x̄‖ = c − μt,    by least squares over the second half of the usable records

    Args:
        trajectory: of one start, recorded often.
        limit: a number for each of some parameters or overlaps; the distance is Euclidean in these.

    Returns:
        The rate with a stated error: the difference of the fits on the two halves of the window, and what rounding of
        the distances can do to the slope.

    Raises:
        ValueError: for many starts, an unknown name, fewer than 8 usable records, or a path that does not approach.

    >>> import sympy as sp
    >>> from .descent import projected_gradient_descent
    >>> x = sp.Symbol("x", real=True)
    >>> path = projected_gradient_descent(
    ...     Risk(sp.cosh(x), (x,)), {"x": 1.0}, step=0.1, steps=200, record=201, tolerance=0
    ... )
    >>> fitted_rate(path, {"x": 0.0}).agrees_with(rate_of_steps(1.0, 0.1))
    True
    """
    if trajectory.risk.ndim != 1:
        raise ValueError("expected a trajectory of one start; take the rate of each by itself")
    paths = {**trajectory.parameters, **trajectory.overlaps}
    unknown = [name for name in limit if name not in paths]
    if unknown:
        raise ValueError(f"expected names among {', '.join(paths)}, got {', '.join(unknown)}")
    gaps = np.stack([paths[name] - float(number) for name, number in limit.items()])
    distance = np.sqrt(np.sum(gaps**2, axis=0))
    size = max(1.0, max(abs(float(number)) for number in limit.values()))
    rounding = 16 * np.finfo(float).eps * size * math.sqrt(len(limit))
    usable = distance > 1e4 * rounding  # four digits of the distance
    last = len(usable) if usable.all() else int(np.argmin(usable))
    window = np.arange(last // 2, last)
    if len(window) < 8:
        raise ValueError(
            f"expected at least 8 records before the distance comes near rounding, got {len(window)}; record more often"
        )
    times, logs = trajectory.times[window], np.log(distance[window])
    half = len(window) // 2
    rate, early, late = (
        -_slope(times[part], logs[part]) for part in (slice(None), slice(None, half), slice(half, None))
    )
    if not late > 0:
        raise ValueError(f"expected a path that approaches the limit, got the rate {late:.3g}; is the limit right?")
    blur = rounding / float(distance[window].min()) * 4 / float(times[-1] - times[0])
    return FittedRate(
        late, abs(late - early) + abs(late - rate) + blur, (float(times[0]), float(times[-1])), len(window)
    )


def _slope(times: np.ndarray, logs: np.ndarray) -> float:
    """The slope of the least squares line."""
    centred = times - times.mean()
    return float(centred @ logs / (centred @ centred))
