"""The statistical rung on nine integrands: false alarms when formula and bound are true, samples when it is wrong.

    python -m benchmarks.statistical_rung                 1e5 runs an integrand: a quarter of an hour on one core
    python -m benchmarks.statistical_rung --runs 1000     half a minute

Mean and second moment of every integrand come from the exact engine. A run of the first table draws a thousand values,
looks four times, at 125, 250, 500 and 1,000, and is an alarm when the formula or the bound of its variance is refuted,
half of α = 1e-3 for each, as `proofs_check.comparison` does. The rate has to be at most α; with it stands the upper
end of its 95 % interval (Clopper and Pearson), and what a t-test at six standard errors would have done.

The second table: the median number of draws that refute a formula off by δ, at α = 1e-6, against the prediction
2 log(2/α)(cv/δ)².
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, replace

import numpy as np
import sympy as sp

from benchmarks.e_process import samples_to_refute
from numerics import binomial_interval, compile, value
from numerics.e_process import CatoniProcess, doubling_batches, expected_samples
from theory import E, gaussians

ALPHA, REFUTING_ALPHA = 1e-3, 1e-6
DRAWS, FIRST = 1000, 125
AT_ONCE = 100  # runs; their draws stay in the second-level cache
FRACTIONS = 4.0 ** -np.arange(1, 7)  # the bets of `BoundProcess`
(z,) = gaussians("z")
INTEGRANDS = (
    sp.erf(z) ** 2,
    sp.tanh(z) ** 2,
    sp.Abs(z),
    sp.Heaviside(z - 2),
    z**2,
    sp.exp(z),
    z**4,
    z**6,
    z**8,
)


@dataclass(frozen=True)
class Law:
    """A function of a normal, with its exact moments."""

    expr: sp.Expr

    @property
    def mean(self) -> float:
        return float(value(E(self.expr), {}))

    @property
    def variance(self) -> float:
        return float(value(E(self.expr**2), {})) - self.mean**2

    @property
    def name(self) -> str:
        return str(self.expr).replace("**", "^")

    def drawer(self):
        """draw(rng, n), compiled once."""
        plain = sp.Dummy("z", real=True)
        function = compile(self.expr.xreplace({z: plain}), (plain,))
        return lambda rng, n: np.asarray(function(rng.standard_normal(n)), dtype=float)


def false_alarms(runs: int) -> None:
    print(f"false alarms: {runs:,} runs of {DRAWS:,} draws with the true mean and variance, α = {ALPHA:g}")
    columns = f"{'cv':>6} {'alarms':>7} {'rate':>9} {'95 % below':>11} {'formula':>8} {'bound':>6} {'|t| > 6':>8}"
    print(f"  {'integrand':<18} {columns}")
    for index, expr in enumerate(INTEGRANDS):
        law = Law(expr)
        mean, variance, draw = law.mean, law.variance, law.drawer()
        rng = np.random.default_rng(index)
        counts = np.zeros(4, dtype=int)
        compare_with_the_library(draw, mean, variance)
        for start in range(0, runs, AT_ONCE):
            counts += alarms(draw, mean, variance, min(AT_ONCE, runs - start), rng)
        either, formula, bound, beyond = counts
        _, highest = binomial_interval(int(either), runs, 0.05)
        print(
            f"  {law.name:<18} {math.sqrt(variance) / mean:>6.2f} {either:>7} {either / runs:>9.1e}"
            f" {highest:>11.1e} {formula:>8} {bound:>6} {beyond / runs:>8.1e}",
            flush=True,
        )


def alarms(draw, mean: float, variance: float, runs: int, rng: np.random.Generator) -> np.ndarray:
    """In how many of so many runs the rung, the formula, the bound, and |t| > 6 raise an alarm; all runs at once."""
    moment = variance + mean**2
    processes = CatoniProcess((mean,) * runs, variance)
    wealth, highest = np.zeros((runs, len(FRACTIONS))), np.zeros(runs)
    total, squares = np.zeros(runs), np.zeros(runs)
    for size in doubling_batches(DRAWS, first=FIRST):
        values = draw(rng, runs * size).reshape(runs, size)
        processes = followed(processes, values)
        gain = values**2 / moment - 1
        wealth += np.stack([np.log(1 + fraction * gain).sum(axis=1) for fraction in FRACTIONS], axis=1)
        highest = np.maximum(highest, np.logaddexp.reduce(wealth, axis=1) - math.log(len(FRACTIONS)))
        total, squares = total + values.sum(axis=1), squares + (values**2).sum(axis=1)
    formula, bound = processes.refutes(ALPHA / 2), highest >= math.log(2 / ALPHA)
    error = np.sqrt(np.maximum(squares / DRAWS - (total / DRAWS) ** 2, 0) / DRAWS)
    beyond = np.abs(total / DRAWS - mean) > 6 * error
    return np.array([(formula | bound).sum(), formula.sum(), bound.sum(), beyond.sum()])


def followed(processes: CatoniProcess, values: np.ndarray) -> CatoniProcess:
    """Every row of draws to the process of its own; only the sums of φ are written again, for many rows at once."""
    standardized = (values - processes.hypotheses[0]) / math.sqrt(processes.variance_bound)
    sign, size = np.sign(standardized), np.abs(standardized)
    growth = processes.growth.copy()
    for k in range(growth.shape[1]):
        size *= 0.5
        growth[:, k] += np.einsum("ij,ij->i", sign, np.log(1 + size * (1 + 0.5 * size)))
    count = processes.count + values.shape[1]
    after = CatoniProcess(processes.hypotheses, processes.variance_bound, count, growth, processes.log_maxima)
    return replace(after, log_maxima=np.maximum(processes.log_maxima, after.log_e_values))


def compare_with_the_library(draw, mean: float, variance: float) -> None:
    """The many processes at once are those of the library, one by one."""
    values = draw(np.random.default_rng(0), 3 * FIRST).reshape(3, FIRST)
    together = followed(CatoniProcess((mean,) * 3, variance), values)
    alone = [CatoniProcess((mean,), variance).update(row).log_e_values[0] for row in values]
    assert np.allclose(together.log_e_values, alone, rtol=1e-9, atol=1e-9)


def samples(repetitions: int) -> None:
    print(f"\nmedian draws that refute a formula off by δ, α = {REFUTING_ALPHA:g}, of {repetitions} runs")
    print(f"  {'integrand':<18} {'cv':>6} {'δ':>5} {'median':>12} {'predicted':>12} {'ratio':>6}")
    for expr in INTEGRANDS:
        law = Law(expr)
        mean, variance, draw = law.mean, law.variance, law.drawer()
        for delta in (0.1, 0.01):
            predicted = expected_samples(REFUTING_ALPHA, delta * mean / math.sqrt(variance))
            wrong = (1 + delta) * mean
            counts = [
                samples_to_refute(draw, wrong, variance, REFUTING_ALPHA, seed, predicted) for seed in range(repetitions)
            ]
            median = float(np.median(counts))
            print(
                f"  {law.name:<18} {math.sqrt(variance) / mean:>6.2f} {delta:>5} {median:>12,.0f} {predicted:>12,}"
                f" {median / predicted:>6.2f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=100_000, help="runs an integrand of the first table")
    parser.add_argument("--repetitions", type=int, default=7, help="runs of each line of the second table")
    options = parser.parse_args()
    begin = time.perf_counter()
    false_alarms(options.runs)
    samples(options.repetitions)
    print(f"\n{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
