"""What imputation costs: the minimizer, the Bayes risk by enumeration, EM, each against the obvious alternative.

    python -m benchmarks.imputation               a minute or two
    python -m benchmarks.imputation --quick       seconds, small sizes

Every line is a ratio of two times in one run. They are processor times, so that other work on the machine does not
count; run it with one thread for linear algebra (OMP_NUM_THREADS=1).
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from proofs_check.studies.imputation import AttentionImputer, bayes_risk_at, minimizer, study


def seconds(function: Callable[[], Any], repetitions: int = 1) -> float:
    """The best of some processor times."""
    times = []
    for _ in range(repetitions):
        begin = time.process_time()
        function()
        times.append(time.process_time() - begin)
    return min(times)


def covariance(d: int, seed: int = 0) -> np.ndarray:
    factor = np.random.default_rng(seed).standard_normal((d, 2 * d))
    return factor @ factor.T / (2 * d)


def derivations() -> None:
    for derivation in study.derivations:
        print(f"  {derivation.__name__:34s} {seconds(derivation):6.2f} s   (target 5 s)")


def one_minimizer(d: int) -> None:
    S = covariance(d)
    minimizer(S[:5, :5], rho=0.7)
    spent, inverse = seconds(lambda: minimizer(S, rho=0.7), 3), seconds(lambda: np.linalg.inv(S), 3)
    print(f"  minimizer, d = {d}: {spent:.2f} s, {spent / inverse:.1f} x one inverse   (target 2 s for d = 1,000)")


def by_fresh_inverses(S: np.ndarray, rho: float) -> float:
    """The Bayes risk with an inverse for each pattern."""
    P, total = np.linalg.inv(S), 0.0
    for bits in itertools.product((False, True), repeat=len(S)):
        seen = np.array(bits)
        if not seen.all():
            weight = rho ** seen.sum() * (1 - rho) ** (~seen).sum()
            total += weight * np.trace(np.linalg.inv(P[np.ix_(~seen, ~seen)]))
    return total


def enumeration(d: int) -> None:
    S = covariance(d)
    spent, fresh = seconds(lambda: bayes_risk_at(S, rho=0.6), 2), seconds(lambda: by_fresh_inverses(S, 0.6))
    print(f"  Bayes risk, d = {d}: {spent:.2f} s, fresh inverses take {fresh / spent:.0f} x   (target 10 s for d = 16)")


def fits(n: int, d: int) -> None:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401, makes the next import possible
    from sklearn.impute import IterativeImputer

    rng = np.random.default_rng(0)
    x = rng.multivariate_normal(np.zeros(d), covariance(d), size=n)
    x[rng.random((n, d)) < 0.3] = np.nan
    ours = seconds(lambda: AttentionImputer().fit(x))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = seconds(lambda: IterativeImputer().fit(x))
    print(
        f"  fit, {n:,} x {d}, 30 % missing: AttentionImputer {ours:.1f} s, IterativeImputer takes "
        f"{theirs / ours:.1f} x   (target more than 1 x for 10,000 x 50)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    quick = parser.parse_args().quick
    print("derivations, from the definition to the closed form")
    derivations()
    print("numbers")
    one_minimizer(200 if quick else 1000)
    enumeration(10 if quick else 16)
    print("estimator")
    fits(*((1000, 10) if quick else (10_000, 50)))


if __name__ == "__main__":
    main()
