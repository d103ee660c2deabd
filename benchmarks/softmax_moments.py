"""Softmax attention over n Gaussian tokens: what an exact mean participation ratio costs, as ratios in one run.

    python benchmarks/softmax_moments.py

- E Σ p_i² to 15 certified digits for n from 10 to 10⁴⁰, beside the samples of a simulation in the same time
- the same for n = 2 against certified quadrature of the difference of the scores, to 30 digits
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import sympy as sp
from flint import arb, ctx, fmpz

from numerics import ball
from numerics.softmax_moments import _moment, softmax_moment_ball
from theory import GaussianIntegral


def seconds(task: Callable[[], object], repetitions: int = 3) -> float:
    """The best of a few runs, nothing remembered between them."""
    best = float("inf")
    for _ in range(repetitions):
        _moment.cache_clear()
        start = time.perf_counter()
        task()
        best = min(best, time.perf_counter() - start)
    return best


def certified(n: int, q: float, bits: int = 64) -> arb:
    """E Σ p_i²."""
    with ctx.workprec(bits):
        return softmax_moment_ball(arb(fmpz(n)), arb(q), arb(2))


def simulated(n: int, q: float, budget: float) -> tuple[float, float]:
    """The mean over as many prompts as fit into the time, and its standard error."""
    rng, total, square, count = np.random.default_rng(0), 0.0, 0.0, 0
    start = time.perf_counter()
    while time.perf_counter() - start < budget or count == 0:
        p = np.exp(math.sqrt(q) * rng.standard_normal((max(1, 20_000 // n), n)))
        ratios = ((p / p.sum(axis=1, keepdims=True)) ** 2).sum(axis=1)
        total, square, count = total + ratios.sum(), square + (ratios**2).sum(), count + len(ratios)
    mean = total / count
    return mean, math.sqrt(max(square / count - mean**2, 0) / count)


def main() -> None:
    """Print the rows."""
    print(f"{'n':>8} {'q':>5} {'ms':>8}   {'certified digits':>16}   {'digits of a simulation in the same time':>40}")
    for n, q in ((10, 1.0), (1000, 4.0), (10**6, 9.0), (10**20, 40.0), (10**40, 100.0)):
        cost = seconds(lambda n=n, q=q: certified(n, q))  # type: ignore[misc]
        exact = certified(n, q)
        digits = exact.rel_accuracy_bits() * math.log10(2)
        if n <= 1000:
            _, error = simulated(n, q, cost)
            beside = f"{-math.log10(error / float(exact)):.1f}"
        else:
            beside = "cannot be drawn" if n > 10**9 else "not drawn"
        print(f"{n:8.0e} {q:5.0f} {cost * 1e3:8.1f}   {digits:16.1f}   {beside:>40}")

    t = sp.Symbol("t", real=True)
    firsts = (1 / (1 + sp.exp(-sp.sqrt(8 + sp.Rational(k, 10**6)) * t)) for k in range(3))  # new to every memory
    integrals = iter([GaussianIntegral(p**2 + (1 - p) ** 2, (t,)) for p in firsts])
    ours, theirs = seconds(lambda: certified(2, 4.0, 110)), seconds(lambda: ball(next(integrals), {}, 30))
    print(f"n = 2, q = 4, 30 digits: {ours * 1e3:.1f} ms by tokens, {theirs * 1e3:.1f} ms by quadrature of the gap")


if __name__ == "__main__":
    main()
