"""Numeric Gaussian moments E x₁⋯x_m: how long, how far off, and beside thewalrus where it is installed.

    python benchmarks/gaussian_moments.py            with `pip install thewalrus` for the comparison

Times are of the processor, the best of several runs, in milliseconds; "first" includes building the tables of the
recursion, which are kept afterwards. Errors are relative to the moment of the same floats computed exactly. "stated"
is our error bound.
"""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from numerics import gaussian_moment
from numerics.gaussian_moments import _large, _small

HAS_WALRUS = importlib.util.find_spec("thewalrus") is not None
if HAS_WALRUS:
    from thewalrus import hafnian


def milliseconds(run: Callable[[], Any], budget: float = 0.3) -> float:
    """The best of the runs that the budget allows."""
    best, spent = math.inf, 0.0
    while spent < budget:
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
        spent += best
    return 1e3 * best


def rational_covariance(m: int, rng: np.random.Generator) -> list[list[Fraction]]:
    """LLᵀ for random L with small numerators and denominators."""
    root = [
        [Fraction(int(a), int(b)) for a, b in zip(rng.integers(-3, 4, m), rng.integers(1, 4, m), strict=True)]
        for _ in range(m)
    ]
    return [[sum((a * b for a, b in zip(r, s, strict=True)), Fraction(0)) for s in root] for r in root]


def scaled_covariance(m: int, spread: float, rng: np.random.Generator) -> np.ndarray:
    """A random covariance whose standard deviations spread over 10^−spread to 10^spread."""
    root = rng.standard_normal((m, m)) * 10 ** rng.uniform(-spread, spread, m)[:, None]
    return root @ root.T


def exact(powers: list[int], array: np.ndarray) -> Fraction:
    """The moment of the floats as the rationals that they are."""
    value = gaussian_moment(powers, [[Fraction(entry) for entry in row] for row in array.tolist()]).value
    return Fraction(int(value.p), int(value.q))


def off(value: Any, truth: Fraction) -> float:
    """The relative error."""
    return float(abs(Fraction(float(np.real(value))) - truth) / abs(truth)) if truth else float(abs(value))


def forgotten(run: Callable[[], Any]) -> float:
    """The best of three runs that begin with nothing kept."""
    best = math.inf
    for _ in range(3):
        _small.cache_clear()
        _large.cache_clear()
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return 1e3 * best


def main() -> None:
    """Print the tables."""
    rng = np.random.default_rng(1)
    if not HAS_WALRUS:
        print("thewalrus is not installed: no comparison")
    print(
        "  m    exact, first    exact    float    recursive    ratio      (ms; exact target at m = 16: 10; ratio: 15)"
    )
    for m in (4, 8, 12, 16, 20, 24):
        S = rational_covariance(m, rng)
        array, ones = np.array(S, dtype=float), [1] * m
        first = forgotten(lambda ones=ones, S=S: gaussian_moment(ones, S))
        again = milliseconds(lambda ones=ones, S=S: gaussian_moment(ones, S))
        floats = milliseconds(lambda ones=ones, array=array: gaussian_moment(ones, array))
        line = f" {m:2}    {first:12.2f} {again:8.2f} {floats:8.3f}"
        if HAS_WALRUS:
            hafnian(array, method="recursive")
            theirs = milliseconds(lambda array=array: hafnian(array, method="recursive"))
            line += f"     {theirs:8.3f} {floats / theirs:8.1f}"
        print(line)

    print("relative errors                                   ours       stated    recursive     default")
    cases = [(f"m = 12, scales 1e-2 to 1e2, draw {k}", [1] * 12, scaled_covariance(12, 2, rng)) for k in range(4)]
    cases += [(f"m = 8, scales 1e-4 to 1e4, draw {k}", [1] * 8, scaled_covariance(8, 4, rng)) for k in range(2)]
    known = np.array([[100.0, 0.01, 0.01], [0.01, 1e10, 1.0], [0.01, 1.0, 1e10]])
    cases.append(("E x⁶yz = 15,000,090, 8 × 8", [6, 1, 1], known))
    for name, powers, array in cases:
        symmetric = (array + array.T) / 2
        truth = exact(powers, symmetric)
        moment = gaussian_moment(powers, symmetric)
        assert abs(Fraction(moment.value) - truth) <= Fraction(moment.error_bound)
        line = f"{name:<44} {off(moment.value, truth):9.1e}    {moment.error_bound / abs(moment.value):9.1e}"
        if HAS_WALRUS:
            letters = [i for i, power in enumerate(powers) for _ in range(power)]
            repeated = np.ascontiguousarray(symmetric[np.ix_(letters, letters)])
            line += "    " + "   ".join(
                f"{off(value, truth):9.1e}" for value in (hafnian(repeated, method="recursive"), hafnian(repeated))
            )
        print(line)


if __name__ == "__main__":
    main()
