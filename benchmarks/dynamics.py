"""The published descents of single-location regression, reduced to the overlaps.

    python benchmarks/dynamics.py [starts]

Prints the four experiments with 30 starts each (the targets: under 60 s in total on two cores; one reduced step equal
to the step of the vectors in R^400 to 1e-10; memory that does not grow with the number of steps), what a step costs
against the same step of vectors in R^400, and where `starts` (300) random starts end, with confidence intervals.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
import tracemalloc
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from numerics import Basins, Trajectory, basins, projected_gradient_descent
from proofs_check.studies import single_location as study
from proofs_check.studies._single_location_dynamics import (
    CONSTANTS,
    DIMENSION,
    EXPERIMENTS,
    LIMITS,
    PUBLISHED,
    distance_to_manifold,
)

STARTS = 30
PREDICTED = {"lam": 0.1, **{name: CONSTANTS[name] for name in ("L", "gamma", "m", "sigma", "epsilon")}}


def experiment(name: str, starts: int, seed: int, record: int) -> tuple[str, Trajectory, float]:
    """One experiment with its seconds of processor time, which a busy machine does not stretch by waiting."""
    start = time.process_time()
    rng = np.random.default_rng(seed)
    path = EXPERIMENTS[name].run(study.risk(), study.DESCENT, starts, rng, record=record)
    return name, path, time.process_time() - start


def all_experiments(starts: int, seed: int, record: int) -> tuple[dict[str, tuple[Trajectory, float]], float]:
    """The four of them on two processes, the long ones first, and the seconds that this took."""
    start = time.perf_counter()
    names = sorted(EXPERIMENTS, key=lambda name: -EXPERIMENTS[name].steps)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(experiment, name, starts, seed, record) for name in names]
        done = [job.result() for job in jobs]
    return {name: (path, seconds) for name, path, seconds in done}, time.perf_counter() - start


def compare_with_published(name: str, path: Trajectory) -> None:
    """Means and medians over the starts beside the published means; one stray start moves a mean, not a median."""
    for quantity, rows in PUBLISHED[name].items():
        series = path.risk if quantity == "risk" else np.abs(path.overlaps[quantity])
        for step, published in rows.items():
            at = int(np.searchsorted(path.times, step))
            if path.times[at] == step:
                mean, median = series[at].mean(), np.median(series[at])
                print(f"    step {step:7,}: {quantity:5} {mean:.6f}, median {median:.6f}, published {published:.6f}")


def largest_gap_of_a_step() -> float:
    """The gap of the overlaps after one step: reduced, against vectors of R^400 moved by the study's own gradient."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for name in ("sphere", "large"):
        lam, step = EXPERIMENTS[name].lam, EXPERIMENTS[name].step
        assert isinstance(lam, float)
        path = EXPERIMENTS[name].run(study.risk(), study.DESCENT, 10, rng, steps=3_000, record=6)
        for record in range(len(path)):
            for start in range(10):
                overlaps = {x: float(path.overlaps[x][record, start]) for x in study.DESCENT.names}
                after = projected_gradient_descent(
                    study.risk(), overlaps, step=step, steps=1, values={**CONSTANTS, "lam": lam}, manifold=study.DESCENT
                ).final
                frame = np.linalg.qr(rng.standard_normal((DIMENSION, 4)))[0].T
                k_star, v_star, k, v = vectors_with(overlaps, frame)
                in_k, in_v = study.gradient_at(k, v, k_star, v_star, L=10, lam=lam, gamma=CONSTANTS["gamma"])
                k, v = k - step * (in_k - (in_k @ k) * k), v - step * (in_v - (in_v @ v) * v)
                moved = study.overlaps(k / np.linalg.norm(k), v / np.linalg.norm(v), k_star, v_star)
                worst = max(worst, max(abs(moved[x] - float(after[x])) for x in study.DESCENT.names))
    return worst


def vectors_with(overlaps: dict[str, float], frame: np.ndarray) -> tuple[np.ndarray, ...]:
    """k*, v*, k, v with these overlaps, in the span of a random orthonormal frame of R^400."""
    k_star, v_star, third, fourth = frame
    kappa, nu, theta, eta, rho = (overlaps[name] for name in ("kappa", "nu", "theta", "eta", "rho"))
    left = np.sqrt(max(0.0, 1 - kappa**2 - eta**2))
    k = kappa * k_star + eta * v_star + left * third
    along = (rho - kappa * theta - eta * nu) / left if left > 1e-8 else 0.0
    v = theta * k_star + nu * v_star + along * third
    return k_star, v_star, k, v + np.sqrt(max(0.0, 1 - v @ v)) * fourth


def seconds_a_step(dimension: int | None, starts: int, steps: int = 2_000) -> float:
    """Seconds of a step of all starts: reduced (None), or of vectors in so many dimensions; the better of three."""
    rng = np.random.default_rng(0)
    values = dict(PREDICTED)
    if dimension is None:
        start = EXPERIMENTS["sphere"].starts(study.DESCENT, starts, rng)
    else:
        vectors = rng.standard_normal((2, starts, dimension))
        vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
        start = {"k": vectors[0], "v": vectors[1]}
        values |= {"k_star": np.eye(dimension)[0], "v_star": np.eye(dimension)[1]}
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        projected_gradient_descent(
            study.risk(), start, step=4e-3, steps=steps, values=values, manifold=study.DESCENT, record=2
        )
        times.append(time.perf_counter() - begin)
    return min(times) / steps


def peak_memory(steps: int) -> int:
    """The largest number of bytes that a descent of so many steps holds beyond what it began with."""
    rng = np.random.default_rng(0)
    EXPERIMENTS["sphere"].run(study.risk(), study.DESCENT, STARTS, rng, steps=10)
    tracemalloc.start()
    EXPERIMENTS["sphere"].run(study.risk(), study.DESCENT, STARTS, rng, steps=steps)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def where_they_end(name: str, path: Trajectory) -> None:
    """The basins, and for the large λ how many end below the oracle's risk."""
    found: Basins = basins(path, LIMITS)
    for basin in (*found.basins, found.elsewhere):
        if basin.count:
            print(f"    {basin}")
    if name == "large":
        k_star, v_star = np.eye(DIMENSION)[:2]
        oracle = study.risk_at(k_star, v_star, k_star, v_star, L=10, lam=0.9, gamma=CONSTANTS["gamma"])
        below = path.risk[-1] < oracle
        print(f"    {basins(path, {'below the risk of the oracle': lambda end: below}).basins[0]}")
        print(f"    median distance to the manifold {np.median(distance_to_manifold(path.final)):.4f}")


def main(starts: int = 300) -> None:
    print(f"four experiments, {STARTS} starts each, two processes")
    found, seconds = all_experiments(STARTS, seed=0, record=241)
    for name, (path, own) in found.items():
        steps = EXPERIMENTS[name].steps
        print(f"  {name:9} {steps:8,} steps {own:6.1f} s, {own / steps / STARTS * 1e6:5.2f} us a step and start")
        compare_with_published(name, path)
    cost = sum(own for _, own in found.values())
    print(f"  together {seconds:.1f} s by the clock, {cost:.1f} s of processor time (target: 60 s by the clock)")

    print(
        f"one step, reduced against vectors in R^{DIMENSION}: largest gap {largest_gap_of_a_step():.1e} (target: 1e-10)"
    )
    reduced = seconds_a_step(None, STARTS)
    for label, other in (
        (f"vectors in R^{DIMENSION}, {STARTS} starts at once", seconds_a_step(DIMENSION, STARTS)),
        (f"reduced, one start at a time, {STARTS} times", STARTS * seconds_a_step(None, 1)),
        ("reduced, 300 starts at once, a tenth", seconds_a_step(None, 300) / 10),
    ):
        print(f"  {label:48} {other * 1e6:8.1f} us a step, {other / reduced:6.2f} of reduced, {STARTS} starts at once")
    few, many = peak_memory(1_000), peak_memory(10_000)
    print(f"peak memory of 1,000 steps {few / 1e3:.0f} kB, of 10,000 steps {many / 1e3:.0f} kB, ratio {many / few:.2f}")

    print(f"where {starts} starts end, with intervals of 95 %")
    found, seconds = all_experiments(starts, seed=1, record=2)
    for name, (path, _) in found.items():
        print(f"  {name}")
        where_they_end(name, path)
    print(f"  in {seconds:.1f} s")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
