"""The published descents of single-location regression, reduced to the overlaps.

Source: the authors' public code (see `single_location`), its four population experiments. All have d = 400, L = 10,
γ² = 1/2, σ = 1, m = √(d/2), no label noise, and step tangent to the spheres before they normalize:

    manifold     from {k ⊥ v*, v ⊥ k*, k ⊥ v}   λ = 0.1                α = 4e-3     20,000 steps
    sphere       from the spheres               λ = 0.1                α = 4e-3     20,000
    large        from the spheres               λ = 0.9                α = 1e-3    120,000
    schedule     from the spheres               λ = 1/(1 + 1e-4 t)     α = 4e-3    120,000

A start is drawn as its five overlaps, with the exact law of uniform vectors in R^400. What is known of the published
runs, 30 starts each in single precision, is in `PUBLISHED`: means over the starts at the steps given. Their risk is
logged one step late: at step t stands that of step t − 1, with its λ.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from numerics import Overlaps, Trajectory, draw_overlaps, projected_gradient_descent
from theory import Risk

__all__ = ["EXPERIMENTS", "LIMITS", "PUBLISHED", "Experiment", "distance_to_manifold", "is_at_oracle", "is_swapped"]

DIMENSION = 400
CONSTANTS = {"L": 10, "gamma": math.sqrt(0.5), "m": math.sqrt(DIMENSION / 2), "sigma": 1.0, "epsilon": 0.0}


@dataclass(frozen=True)
class Experiment:
    """One descent: the inverse temperature, the step, how many steps, and where it starts.

    Args:
        lam: λ, or a function of the number of the step.
        step: α.
        steps: how many.
        on_manifold: the starts are uniform on the invariant manifold, otherwise on the spheres.
    """

    lam: float | Callable[[float], float]
    step: float
    steps: int
    on_manifold: bool = False

    def starts(self, overlaps: Overlaps, count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """The overlaps of so many random starts."""
        k, v = overlaps.trained
        k_star, v_star = overlaps.fixed
        pairs = ((k, v_star), (v, k_star), (v, k)) if self.on_manifold else ()
        return draw_overlaps(overlaps, DIMENSION, count, rng, orthogonal=pairs)

    def run(
        self,
        risk: Risk,
        overlaps: Overlaps,
        count: int,
        rng: np.random.Generator,
        steps: int | None = None,
        record: int = 2,
    ) -> Trajectory:
        """The descent from so many random starts, shorter than published where `steps` says so."""
        return projected_gradient_descent(
            risk,
            self.starts(overlaps, count, rng),
            step=self.step,
            steps=self.steps if steps is None else steps,
            values={**CONSTANTS, "lam": self.lam},
            manifold=overlaps,
            record=record,
        )


def inverse_time(first: float, rate: float = 1e-4) -> Callable[[float], float]:
    """The schedule λ_t = λ₀/(1 + rate·t).

    >>> inverse_time(1.0)(10_000)
    0.5
    """
    return lambda t: first / (1 + rate * t)


EXPERIMENTS = {
    "manifold": Experiment(0.1, 4e-3, 20_000, on_manifold=True),
    "sphere": Experiment(0.1, 4e-3, 20_000),
    "large": Experiment(0.9, 1e-3, 120_000),
    "schedule": Experiment(inverse_time(1.0), 4e-3, 120_000),
}

# experiment -> quantity -> {step: mean over 30 starts of the published run}
PUBLISHED: dict[str, dict[str, dict[int, float]]] = {
    "manifold": {
        "risk": {0: 0.618698, 2000: 0.143769, 4000: 0.116316, 10000: 0.114187, 20000: 0.113697},
        "kappa": {2000: 0.69427, 10000: 0.94863, 20000: 0.98280},
    },
    "sphere": {"nu": {20000: 0.53334}},
    "large": {"risk": {24000: 3.819185, 120000: 3.810776}, "kappa": {120000: 0.29701}, "nu": {120000: 0.96528}},
    "schedule": {
        "risk": {
            12000: 1.724963, 24000: 0.848323, 36000: 0.495582, 48000: 0.321949, 60000: 0.225130,
            72000: 0.166141, 84000: 0.127922, 96000: 0.102357, 108000: 0.085477, 120000: 0.075014,
        },
        "kappa": {
            12000: 0.26782, 24000: 0.44973, 36000: 0.57134, 48000: 0.68487, 60000: 0.78882,
            72000: 0.87820, 84000: 0.94618, 96000: 0.98570, 108000: 0.99853, 120000: 0.99997,
        },
    },
}  # fmt: skip


# --- where a start has ended -----------------------------------------------------------------------


def is_at_oracle(end: dict[str, np.ndarray]) -> np.ndarray:
    """Within a quarter of ±(k*, v*) in the five overlaps: √((|κ|−1)² + (|ν|−1)² + θ² + η² + ρ²) < 1/4, κν > 0."""
    gap = (np.abs(end["kappa"]) - 1) ** 2 + (np.abs(end["nu"]) - 1) ** 2 + distance_to_manifold(end) ** 2
    return (gap < 1 / 16) & (end["kappa"] * end["nu"] > 0)


def is_swapped(end: dict[str, np.ndarray]) -> np.ndarray:
    """Near k = ±v*, v = ±(θ_s k* + …): |η| > 0.95, κ, ν, ρ below 0.2, θη > 0."""
    small = np.maximum(np.maximum(np.abs(end["kappa"]), np.abs(end["nu"])), np.abs(end["rho"])) < 0.2
    return small & (np.abs(end["eta"]) > 0.95) & (end["theta"] * end["eta"] > 0)


LIMITS = {"oracle": is_at_oracle, "swapped": is_swapped}


def distance_to_manifold(end: dict[str, np.ndarray]) -> np.ndarray:
    """√(θ² + η² + ρ²), the authors' distance to the invariant manifold."""
    return np.sqrt(end["theta"] ** 2 + end["eta"] ** 2 + end["rho"] ** 2)
