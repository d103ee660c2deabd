"""Raw simulation of single-location regression against the generator alone.

    python benchmarks/simulation.py [samples]

Prints the rate of `simulate` at L = 10, d = 50, in normals a second, over the rate at which numpy's
generator fills the same normals on the same cores, medians over interleaved runs; then the largest
memory in use, which does not depend on the number of samples. The target: at least 70 %.
"""

from __future__ import annotations

import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.special import erf

from numerics.simulators import BLOCK, Simulator, _cores, simulate

L, D, REPEATS = 10, 50, 7


def draw(rng, n, k_star, v_star, *, L, gamma, m, sigma, epsilon):  # type: ignore[no-untyped-def]
    """X_l ~ N(0, σ² I), but X_J ~ N(m k*, γ² I) at a uniform location J; Y = ⟨X_J, v*⟩ + ε ξ."""
    tokens = rng.standard_normal((n, L, len(k_star)))
    tokens *= sigma
    informative = np.arange(n), rng.integers(L, size=n)
    tokens[informative] = m * k_star + gamma / sigma * tokens[informative]
    return tokens, tokens[informative] @ v_star + epsilon * rng.standard_normal(n)


def predict(tokens, k, v, *, lam):  # type: ignore[no-untyped-def]
    """T(X) = Σ_l erf(λ ⟨X_l, k⟩) ⟨X_l, v⟩."""
    return (erf(lam * (tokens @ k)) * (tokens @ v)).sum(axis=1)


def fill(seed: int, normals: int) -> None:
    """The generator alone, into a buffer that stays in the cache."""
    rng, buffer = np.random.Generator(np.random.SFC64(seed)), np.empty(BLOCK)
    for _ in range(normals // BLOCK):
        rng.standard_normal(out=buffer)


def main(samples: int = 200_000) -> None:
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.standard_normal((D, 4)))[0].T
    names = ("k_star", "v_star", "k", "v")
    numbers = {"L": L, "gamma": 0.7, "m": 5.0, "sigma": 1.0, "epsilon": 0.1, "lam": 0.4}
    values = {**dict(zip(names, directions)), **numbers}
    simulator = Simulator(draw, predict)
    normals = samples * L * D
    for workers in sorted({1, _cores()}):
        ratios, rates = [], []
        with ThreadPoolExecutor(workers) as executor:
            for seed in range(REPEATS):
                start = time.perf_counter()
                list(executor.map(fill, range(workers), [normals // workers] * workers))
                filled = time.perf_counter()
                simulate(simulator, values, samples, seed, executor)
                done = time.perf_counter()
                ratios.append((filled - start) / (done - filled))
                rates.append(normals / (done - filled))
        print(
            f"{workers} workers: {np.median(rates) / 1e6:6.1f} million normals/s simulated, "
            f"{np.median(ratios):.2f} of the generator's rate"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    simulate(simulator, values, 4 * samples, 0)
    later = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory {peak / 1024:.0f} MiB, after four times the samples {later / 1024:.0f} MiB")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
