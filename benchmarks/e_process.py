"""What the e-process costs and what it finds: speed, samples, false alarms, detection of planted errors.

    python -m benchmarks.e_process                ten minutes on one core
    python -m benchmarks.e_process --runs 100     half a minute

Speed is a ratio to the time in which numpy draws as many normals. Costs are compared with the prediction
2 log(2/α)(cv/δ)². A planted error of 10 % must be found in at least 99.9 % of runs; the rate is given with
its one-sided 95 % confidence bound (Clopper and Pearson), which needs 3,000 runs to come above 99.9 %.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
from scipy.special import erf

from numerics.e_process import (
    BoundProcess,
    CatoniProcess,
    carried_on,
    combined,
    doubling_batches,
    expected_samples,
)
from numerics.simulators import Simulator
from proofs_check.property_based import assert_agrees
from proofs_check.strategies import models, reals

ALPHA = 1e-6


def best_time(function, repetitions: int = 5) -> float:
    times = []
    for _ in range(repetitions):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def speed() -> None:
    n = 1_000_000
    rng = np.random.default_rng(0)
    draws = rng.standard_normal(n)
    drawing = best_time(lambda: rng.standard_normal(n))
    print(f"speed: 1e6 samples x 24 bets (numpy draws 1e6 normals in {drawing:.3f} s)")
    for hypotheses in ((0.0,), (0.0, 0.01, -0.01)):
        spent = best_time(lambda hypotheses=hypotheses: CatoniProcess(hypotheses, 1.0).update(draws))
        print(f"  {len(hypotheses)} hypotheses      {spent:.3f} s   {spent / drawing:5.1f} x the drawing")
    spent = best_time(lambda: BoundProcess(1.0).update(draws**2))
    print(f"  test of the bound {spent:.3f} s   {spent / drawing:5.1f} x the drawing")


def samples_to_refute(draw, mean: float, v: float, alpha: float, seed: int, limit: int) -> int:
    """The number of draws at which a hypothesis is refuted, looking every twentieth of the prediction."""
    rng, process = np.random.default_rng(seed), CatoniProcess((mean,), v)
    for size in doubling_batches(20 * limit, first=max(limit // 20, 1), largest=max(limit // 20, 1)):
        process = process.update(draw(rng, size))
        if process.refutes(alpha)[0]:
            return process.count
    return process.count


def cost() -> None:
    print(f"\ncost: median samples to refute a mean off by δ, α = {ALPHA:g}, against 2 log(2/α)(cv/δ)²")
    sure = 2 / math.pi * math.asin(2 / 3)
    fourth = 0.33664  # E erf(z)⁴ = 0.336636…, rounded up
    laws = {
        "erf(z)²": (lambda rng, n: erf(rng.standard_normal(n)) ** 2, sure, fourth - sure**2),
        "z²": (lambda rng, n: rng.standard_normal(n) ** 2, 1.0, 2.0),
        "z⁴": (lambda rng, n: rng.standard_normal(n) ** 4, 3.0, 96.0),
        "z⁸": (lambda rng, n: rng.standard_normal(n) ** 8, 105.0, 2_027_025.0 - 105**2),
    }
    for name, (draw, mean, v) in laws.items():
        for delta in (0.1, 0.01):
            wrong = mean * (1 + delta)
            predicted = expected_samples(ALPHA, delta * mean / math.sqrt(v))
            if predicted > 5_000_000:
                continue
            runs = 15 if predicted < 200_000 else 5
            counts = [samples_to_refute(draw, wrong, v, ALPHA, seed, predicted) for seed in range(runs)]
            median = np.median(counts)
            print(
                f"  {name:8} δ = {delta:<5} cv {math.sqrt(v) / mean:5.2f}   "
                f"{median:>11,.0f} of {predicted:>11,} predicted   ratio {median / predicted:.2f}"
            )


def false_alarms(runs: int) -> None:
    print(f"\nfalse alarms: {runs} runs of 1,000 draws with the true mean, looking four times")
    for power, mean, second in ((2, 1.0, 3.0), (4, 3.0, 105.0), (8, 105.0, 2_027_025.0)):
        rows = []
        for understated in (1, 2, 10, 100):
            counts = {0.05: 0, 0.001: 0}
            for seed in range(runs):
                rng = np.random.default_rng(seed)
                process = CatoniProcess((mean,), (second - mean**2) / understated)
                for size in doubling_batches(1000, first=125):
                    process = process.update(rng.standard_normal(size) ** power)
                for alpha in counts:
                    counts[alpha] += bool(process.refutes(alpha)[0])
            rows.append(f"v/{understated}: {counts[0.05] / runs:.4f}, {counts[0.001] / runs:.5f}")
        print(f"  z^{power} at α = 0.05, 0.001    {'    '.join(rows)}")


def detection(runs: int) -> None:
    """A formula that is off at each of 50 examples, cv 3.3, 1e4 samples an example."""
    print(f"\ndetection of planted errors: z⁴ (cv 3.3), 50 examples x 10,000 samples, α = {ALPHA:g}")
    errors = {"+10 %": 1.1, "-10 %": 0.9, "+5 %": 1.05, "-5 %": 0.95, "+3 %": 1.03, "none": 1.0}
    wrong = tuple(3 * factor for factor in errors.values())
    threshold, for_one_example = math.log(2 / ALPHA), math.log(2 * 50 / ALPHA)
    found, products, alone = (np.zeros(len(errors), dtype=int) for _ in range(3))
    rng = np.random.default_rng(0)
    for _ in range(runs):
        processes = [CatoniProcess(wrong, 96.0).update(rng.standard_normal(10_000) ** 4) for _ in range(50)]
        each = np.array([process.log_e_values for process in processes])
        together, product = np.full(len(errors), -np.inf), np.full(len(errors), -np.inf)
        for i in range(1, 51):
            of_product = np.array([combined(column) for column in each[:i].T])
            throughout = carried_on(processes[:i]).log_e_values
            product = np.maximum(product, of_product)
            together = np.maximum(together, np.logaddexp(of_product, throughout) - math.log(2))
        found += together >= threshold
        products += product >= threshold
        alone += each.max(axis=0) >= for_one_example
    print("         found          rate above   by products only   by Bonferroni over the examples")
    for k, name in enumerate(errors):
        print(
            f"  {name:6} {found[k]:>5} of {runs:<5} {lower_bound(int(found[k]), runs):>8.4f}"
            f" {products[k]:>12} {alone[k]:>18}"
        )


def lower_bound(successes: int, runs: int) -> float:
    """A one-sided 95 % confidence bound for a rate, Clopper and Pearson."""
    from scipy.stats import beta

    return 0.0 if successes == 0 else float(beta.ppf(0.05, successes, runs - successes + 1))


def whole_check(runs: int) -> None:
    """The check as users call it: the examples by Hypothesis, a witness confirmed."""
    simulator = Simulator(
        draw=lambda rng, n, s: (np.zeros((n, 1, 1)), s * rng.standard_normal(n) ** 2),
        predict=lambda tokens, s: np.zeros(len(tokens)),
    )
    scales = models(s=reals("1/2", 3))
    print(f"\nthe whole check, assert_agrees, z⁴ scaled by s in [1/2, 3]: {runs} runs each")
    for name, factor in (("true", 1.0), ("+10 %", 1.1), ("-10 %", 0.9)):
        said = {"holds": 0, "fails": 0, "undecided": 0}
        begin = time.perf_counter()
        for seed in range(runs):
            try:
                verdict = assert_agrees(
                    lambda s, factor=factor: 3 * factor * s**2,
                    simulator,
                    scales,
                    second_moment=lambda s: 105 * s**4,
                    seed=seed,
                )
                said[verdict.outcome.value] += 1
            except AssertionError as error:
                said[str(error).split()[0]] += 1
        spent = (time.perf_counter() - begin) / runs
        print(f"  {name:6} {said}   {spent:.2f} s a run")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3000, help="runs of the detection experiment")
    runs = parser.parse_args().runs
    speed()
    cost()
    false_alarms(runs)
    detection(runs)
    whole_check(max(runs // 30, 1))


if __name__ == "__main__":
    main()
