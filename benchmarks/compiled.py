"""The closed form of the single-location risk at a million points: compiled, by hand, by lambdify.

    python benchmarks/compiled.py [points]

Prints nanoseconds a point, medians over interleaved runs, and the ratios. The target: compiled within
2x of the function written by hand with numpy and scipy.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import sympy as sp
from scipy import special

from numerics.compile import compile
from theory.notation import L, epsilon, eta, gamma, kappa, lam, m, nu, q_k, q_v, rho, sigma, theta
from theory.special import OwenT

REPEATS = 5
ARGUMENTS = (kappa, nu, theta, eta, rho, q_k, q_v, L, lam, gamma, m, sigma, epsilon)
SETTING = (10, 0.4, 0.7, 2.5, 1.1, 0.3)


def formula() -> sp.Expr:
    """The risk for any k and v, from its scalar Gaussian functions."""
    D = 1 + 2 * lam**2 * gamma**2 * q_k
    a = 1 / sp.sqrt(1 + 4 * lam**2 * gamma**2 * q_k)
    u = lam * m * kappa / sp.sqrt(D)
    E0 = sp.erf(u)
    E1 = 2 * lam / sp.sqrt(sp.pi * D) * sp.exp(-(u**2))
    E2 = -2 * lam**2 * m * kappa / D * E1
    F0 = 1 - 8 * OwenT(sp.sqrt(2) * u, a)
    F1 = 2 * E1 * sp.erf(a * u)
    F2 = -2 * lam**2 * m * kappa / D * F1 + 8 * lam**2 * a / (sp.pi * D) * sp.exp(-2 * (lam * m * kappa * a) ** 2)
    B = 1 + 2 * lam**2 * sigma**2 * q_k
    C1 = 2 * lam / sp.sqrt(sp.pi * B)
    G0 = 2 / sp.pi * sp.asin(2 * lam**2 * sigma**2 * q_k / B)
    G2 = 8 * lam**2 / (sp.pi * B * sp.sqrt(1 + 4 * lam**2 * sigma**2 * q_k))
    EA = m * theta * E0 + gamma**2 * rho * E1
    EyA = gamma**2 * nu * E0 + m * theta * gamma**2 * eta * E1 + gamma**4 * eta * rho * E2
    EA2 = (m**2 * theta**2 + gamma**2 * q_v) * F0 + 2 * m * theta * gamma**2 * rho * F1 + gamma**4 * rho**2 * F2
    EB = sigma**2 * rho * C1
    EB2 = sigma**2 * q_v * G0 + sigma**4 * rho**2 * G2
    return epsilon**2 + gamma**2 - 2 * EyA + EA2 + (L - 1) * (EB2 + 2 * EA * EB + (L - 2) * EB**2)


def by_hand(kappa, nu, theta, eta, rho, q_k, q_v, L, lam, gamma, m, sigma, epsilon):  # type: ignore[no-untyped-def]
    """The same, as one would write it with numpy and scipy."""
    g2, s2, l2 = gamma**2, sigma**2, lam**2
    x = 2 * l2 * g2 * q_k
    D = 1 + x
    a = 1 / np.sqrt(1 + 2 * x)
    mu = m * kappa
    root = np.sqrt(D)
    u = lam * mu / root
    E0 = special.erf(u)
    E1 = 2 * lam / np.sqrt(np.pi) / root * np.exp(-u * u)
    slope = -2 * l2 * mu / D
    E2 = slope * E1
    F0 = 1 - 8 * special.owens_t(np.sqrt(2) * u, a)
    F1 = 2 * E1 * special.erf(a * u)
    F2 = slope * F1 + 8 * l2 / np.pi * a / D * np.exp(-2 * (lam * mu * a) ** 2)
    y = 2 * l2 * s2 * q_k
    B = 1 + y
    C1 = 2 * lam / np.sqrt(np.pi * B)
    G0 = 2 / np.pi * np.arcsin(y / B)
    G2 = 8 * l2 / np.pi / (B * np.sqrt(1 + 2 * y))
    mt = m * theta
    EA = mt * E0 + g2 * rho * E1
    EyA = g2 * nu * E0 + mt * g2 * eta * E1 + g2 * g2 * eta * rho * E2
    EA2 = (mt * mt + g2 * q_v) * F0 + 2 * mt * g2 * rho * F1 + g2 * g2 * rho * rho * F2
    EB = s2 * rho * C1
    EB2 = s2 * q_v * G0 + s2 * s2 * rho * rho * G2
    return epsilon**2 + g2 - 2 * EyA + EA2 + (L - 1) * (EB2 + 2 * EA * EB + (L - 2) * EB * EB)


def medians(functions: dict[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, float]:
    """Median seconds of each function, the runs interleaved so that a busy machine disturbs all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(times)) for name, times in seconds.items()}


def polynomial(terms: int = 530) -> tuple[sp.Expr, tuple[sp.Symbol, ...]]:
    """A sum of many products, as expanded formulas are."""
    letters = sp.symbols("x0:8", real=True)
    rng = np.random.default_rng(0)
    powers = rng.integers(0, 3, size=(terms, len(letters)))
    numbers = rng.integers(1, 99, size=terms)
    return sp.Add(
        *(int(c) * sp.prod(x ** int(p) for x, p in zip(letters, row)) for c, row in zip(numbers, powers))
    ), letters


def main(points: int = 1_000_000) -> None:
    rng = np.random.default_rng(1)
    overlaps = [rng.uniform(-1, 1, points) for _ in range(5)] + [rng.uniform(0.5, 2, points) for _ in range(2)]
    values = (*overlaps, *SETTING)
    expr = formula()
    start = time.perf_counter()
    compiled = compile(expr, ARGUMENTS)
    seconds = time.perf_counter() - start
    lambdified = sp.lambdify(ARGUMENTS, expr, [{"OwenT": special.owens_t}, "scipy", "numpy"], dummify=True)
    worst = float(np.max(np.abs(compiled(*values) / by_hand(*values) - 1)))
    found = medians({
        "compiled": lambda: compiled(*values),
        "by hand": lambda: by_hand(*values),
        "lambdify": lambda: lambdified(*values),
        "owens_t": lambda: special.owens_t(overlaps[0], overlaps[1]),
    })  # fmt: skip
    print(f"single-location risk, {points:,} points; compiled in {seconds:.3f} s; difference {worst:.1e}")
    for name, time_ in found.items():
        ratio = time_ / found["by hand"]
        print(f"  {name:10} {time_ / points * 1e9:8.1f} ns a point, {ratio:5.2f} of by hand")

    expr, letters = polynomial()
    arrays = [rng.uniform(-1, 1, points // 4) for _ in letters]
    start = time.perf_counter()
    compiled = compile(expr, letters)
    seconds = time.perf_counter() - start
    lambdified = sp.lambdify(letters, expr, "numpy", dummify=True, cse=True)
    found = medians({"compiled": lambda: compiled(*arrays), "lambdify": lambda: lambdified(*arrays)}, 3)
    print(f"a sum of {len(expr.args)} products, {points // 4:,} points; compiled in {seconds:.3f} s")
    for name, time_ in found.items():
        print(f"  {name:10} {time_ / (points // 4) * 1e9:8.1f} ns a point")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
