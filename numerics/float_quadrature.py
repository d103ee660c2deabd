"""Gaussian integrals of dimension one in floats: adaptive Gauss-Kronrod quadrature, many points at once.

    ∫ f(t) φ(t) dt,    φ the standard normal density

The panels are placed where the arguments of the integrand turn, and halved until two rules agree.
Gauss-Hermite nodes would be 3 % off at a gate of slope 20, without a warning. The certified value is
that of `numerics.quadrature`.

Reference: Piessens et al., QUADPACK (1983), for the 21-point Gauss-Kronrod rule and its error estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .tape import Tape, run

__all__ = ["GaussianQuadrature"]


# Gauss-Kronrod, 21 points of which 10 are Gauss points: nodes in [0, 1), the rest by symmetry.
_KRONROD = np.array([
    [0.995657163025808080, 0.011694638867371874, 0.0],
    [0.973906528517171720, 0.032558162307964727, 0.066671344308688137],
    [0.930157491355708226, 0.054755896574351996, 0.0],
    [0.865063366688984510, 0.075039674810919952, 0.149451349150580593],
    [0.780817726586416897, 0.093125454583697605, 0.0],
    [0.679409568299024406, 0.109387158802297641, 0.219086362515982043],
    [0.562757134668604683, 0.123491976262065851, 0.0],
    [0.433395394129247190, 0.134709217311473325, 0.269266719309996355],
    [0.294392862701460198, 0.142775938577060080, 0.0],
    [0.148874338981631210, 0.147739104901338491, 0.295524224714752870],
    [0.0, 0.149445554002916905, 0.0],
])  # fmt: skip
_NODES, _KRONROD_WEIGHTS, _GAUSS_WEIGHTS = np.concatenate([_KRONROD * [-1, 1, 1], _KRONROD[-2::-1]]).T


def _at(points: np.ndarray, inputs: Sequence[Any]) -> list[Any]:
    return [given[points] if np.ndim(given) else given for given in inputs]


class GaussianQuadrature:
    """∫ f(t) φ(t) dt at many points at once: Gauss-Kronrod panels, halved where the two rules disagree.

    The first panels end at fixed places and around every feature of the integrand. A panel is accepted
    when its estimated error is below TOLERANCE of ∫|f|φ. The line is cut where φ falls below the smallest
    float; where f φ has not decayed there, as for f = exp(0.49 t²), the reach grows. A point that needs
    too many panels, or whose integrand never decays (an infinite mean), is nan: the caller reports it.
    """

    REACHES = (1.0, 8.0, 64.0)  # in units of the last of ENDS
    TOLERANCE = 1e-13
    DEPTH = 200
    MOST_PANELS = 4000  # a point
    POINTS = 64  # taken together, so that memory stays constant
    ENDS = np.array([0.5, 1.5, 3.0, 4.5, 6.0, 8.0, 11.0, 16.0, 24.0, 38.0])
    WIDTHS = np.concatenate([[0.0], 5.0 ** np.arange(16), -(5.0 ** np.arange(16))])  # panel ends around a feature

    def __init__(self, tape: Tape, parameters: int) -> None:
        self.tape = tape
        self.parameters = parameters

    def __call__(self, *inputs: Any) -> Any:
        size = max((np.size(given) for given in inputs if np.ndim(given)), default=0)
        if size == 0 and not any(np.ndim(given) for given in inputs):
            return self._integrate(inputs, 1)[0]
        result = np.empty(size)
        for start in range(0, size, self.POINTS):
            points = np.arange(start, min(start + self.POINTS, size))
            result[points] = self._integrate(_at(points, inputs), len(points))
        return result

    def _integrate(self, inputs: Sequence[Any], n: int) -> np.ndarray:
        result, left = np.full(n, np.nan), np.arange(n)
        for reach in self.REACHES:
            here = _at(left, inputs)
            total, size = self._adaptively(here, len(left), reach)
            end = reach * self.ENDS[-1]
            ends = [
                run(self.tape, [np.full(len(left), t), *here[: self.parameters]], len(left))[0] for t in (-end, end)
            ]
            decayed = np.abs(ends[0]) + np.abs(ends[1]) <= self.TOLERANCE / end * size
            result[left[decayed]] = total[decayed]
            left = left[~decayed & np.isfinite(total)]
            if not left.size:
                break
        return result

    def _adaptively(self, inputs: Sequence[Any], n: int, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """∫ f φ, nan where it is not resolved, and ∫ |f| φ."""
        parameters, features = inputs[: self.parameters], inputs[self.parameters :]
        point, low, high = self._first_panels(features, n, reach)
        total, size = np.zeros(n), np.zeros(n)
        failed = np.zeros(n, dtype=bool)
        for _ in range(self.DEPTH):
            kronrod, magnitude, error = self._panels(parameters, point, low, high)
            here = size + np.bincount(point, magnitude, n)
            failed |= ~np.isfinite(here)
            resolved = error <= self.TOLERANCE * here[point]
            left = np.bincount(point[~resolved], magnitude[~resolved], n)
            resolved |= (left <= self.TOLERANCE * here)[point]  # a jump, in a panel too narrow to matter
            total += np.bincount(point[resolved], kronrod[resolved], n)
            size += np.bincount(point[resolved], magnitude[resolved], n)
            failed |= np.bincount(point[~resolved], minlength=n) > self.MOST_PANELS
            halved = ~resolved & ~failed[point]
            if not halved.any():
                return np.where(failed, np.nan, total), size
            point, low, high = np.tile(point[halved], 2), low[halved], high[halved]
            middle = (low + high) / 2
            low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        failed[point] = True
        return np.where(failed, np.nan, total), size

    def _first_panels(self, features: Sequence[Any], n: int, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ends = np.concatenate([self.ENDS * times for times in self.REACHES if times <= reach])
        ends = np.concatenate([-ends, ends])
        most = ends.max()
        columns = [np.broadcast_to(end, n) for end in ends]
        for center, width in zip(features[::2], features[1::2], strict=True):
            columns += [np.broadcast_to(center + times * width, n) for times in self.WIDTHS]
        grid = np.nan_to_num(np.stack(columns, axis=1), nan=self.ENDS[0], posinf=most, neginf=-most)
        grid = np.sort(np.clip(grid, -most, most), axis=1)
        low, high = grid[:, :-1], grid[:, 1:]
        point, panel = np.nonzero(high > low)
        return point, low[point, panel], high[point, panel]

    def _panels(
        self, parameters: Sequence[Any], point: np.ndarray, low: np.ndarray, high: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Integral, integral of |f φ| and error of each panel, the error estimated as in QUADPACK."""
        half, middle = (high - low) / 2, (high + low) / 2
        t = (middle[:, None] + half[:, None] * _NODES).ravel()
        nodes = len(_NODES)
        given = [np.repeat(parameter[point], nodes) if np.ndim(parameter) else parameter for parameter in parameters]
        (values,) = run(self.tape, [t, *given], t.size)
        f = values.reshape(-1, nodes)
        kronrod, gauss = f @ _KRONROD_WEIGHTS, f @ _GAUSS_WEIGHTS
        magnitude = np.abs(f) @ _KRONROD_WEIGHTS * half
        spread = np.abs(f - kronrod[:, None] / 2) @ _KRONROD_WEIGHTS * half
        error = np.abs(kronrod - gauss) * half
        with np.errstate(all="ignore"):
            sharper = spread * np.minimum(1.0, (200 * error / spread) ** 1.5)
        error = np.where((spread > 0) & (error > 0), sharper, error)
        return kronrod * half, magnitude, error
