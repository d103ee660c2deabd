"""Exact conditioning on the scores against raw sampling of single-location regression, at equal accuracy.

    python benchmarks/conditioning.py [draws]

L = 10, d = 50, the paper's m = 5, γ² = 1/2, σ = 1, λ = 0.1 to 0.9. The seconds that raw sampling takes to reach a
standard error, over those that conditioning takes to reach the same one, on one core:

    ratio = (seconds a draw · variance)_raw / (seconds a draw · variance)_conditioned

Variances are estimated from the same runs; seconds are medians over interleaved runs. The last column is the gap
between the two means in standard errors. The target: a ratio of at least 100. That both estimate the same risk is
a claim of its own, checked here on raw draws by the e-process.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from numerics import simulate
from proofs_check.check import Context
from proofs_check.studies._conditioned import CONDITIONED, DIFFERENCE, conditioned_losses_have_the_raw_mean
from proofs_check.studies.single_location import SIMULATOR

L, D, REPEATS = 10, 50, 5


def points() -> dict[str, dict]:
    """Directions k, v: the teachers', ones between them and the rest, uniform ones, strongly correlated ones."""
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.standard_normal((D, 4)))[0].T
    k_star, v_star, other_k, other_v = directions
    teachers = {"k_star": k_star, "v_star": v_star, "L": L, "gamma": 0.5**0.5, "epsilon": 0.1}
    uniform = [x / np.linalg.norm(x) for x in rng.standard_normal((2, D))]
    pairs = {
        "oracle": (k_star, v_star),
        "halfway": ((k_star + other_k) / 2**0.5, (v_star + other_v) / 2**0.5),
        "uniform": uniform,
        "⟨k, v⟩ = 0.8": (directions.T @ [0.5, 0.5, 0.5, 0.5], directions.T @ [0.5, 0.5, -0.1, 0.7]),
    }
    return {
        f"{name}, λ = {lam}": {**teachers, "k": k, "v": v, "lam": lam}
        for name, (k, v) in pairs.items()
        for lam in (0.1, 0.4, 0.9)
    }


def main(draws: int = 60_000) -> None:
    for check in conditioned_losses_have_the_raw_mean.checks:
        verdict = check.run(conditioned_losses_have_the_raw_mean, Context(np.random.default_rng(0), DIFFERENCE))
        print(f"{check.name}: {verdict}")
    print(f"{'point':<22} {'speed':>6} {'variance':>9} {'ratio':>6} {'gap':>6}")
    for name, values in points().items():
        seconds: list[tuple[float, float]] = []
        with ThreadPoolExecutor(1) as executor:
            raw = conditioned = None
            for seed in range(REPEATS):
                begin = time.perf_counter()
                drawn = simulate(SIMULATOR, values, draws, seed, executor)
                middle = time.perf_counter()
                scored = simulate(CONDITIONED, values, 10 * draws, seed, executor)
                seconds.append((middle - begin, (time.perf_counter() - middle) / 10))
                raw = drawn if raw is None else raw + drawn
                conditioned = scored if conditioned is None else conditioned + scored
        assert raw is not None and conditioned is not None
        speed = float(np.median([first / second for first, second in seconds]))
        variance = (raw.standard_error**2 * raw.count) / (conditioned.standard_error**2 * conditioned.count)
        gap = (raw.mean - conditioned.mean) / np.hypot(raw.standard_error, conditioned.standard_error)
        print(f"{name:<22} {speed:6.1f} {variance:9.2f} {speed * variance:6.0f} {gap:+6.2f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
