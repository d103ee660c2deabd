"""All stationary points with proofs: how long, and what a multi-start solver says on the same problem.

    python benchmarks/certify.py [--quartic]

Prints, for each problem, zeros found, whether the list is proven complete, cells examined and the
best of three times. Target: the two-parameter reduced flow complete in under 5 s. The quartic in four
parameters (49 real stationary points) takes about a minute by branch and prune.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import sympy as sp
from flint import arb_mat
from scipy.optimize import root

from numerics.certify import certified_zeros, eigenvalue_balls, signature
from numerics.compile import compile
from theory.notation import kappa, nu

R = sp.Rational
x, y, z = sp.symbols("x y z", real=True)
a, b, c, e = sp.symbols("a b c e", real=True)
SQUARE = ((-1, 1), (-1, 1))


def reduced_flow(lam: sp.Expr, gamma: sp.Expr, m: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """κ' = −(1−κ²) ∂κR, ν' = −(1−ν²) ∂νR of single-location regression."""
    D = 1 + 2 * lam**2 * gamma**2
    u = lam * m * kappa / sp.sqrt(D)
    gate = sp.exp(-(u**2)) * (sp.erf(u / sp.sqrt(1 + 4 * lam**2 * gamma**2)) - nu)
    slope_kappa = 4 * gamma**2 * m * lam / sp.sqrt(sp.pi * D) * gate
    return -(1 - kappa**2) * slope_kappa, (1 - nu**2) * 2 * gamma**2 * sp.erf(u)


def without_factors(field: tuple[sp.Expr, sp.Expr]) -> tuple[sp.Expr, sp.Expr]:
    """The same zeros, with no product left to take apart."""
    return field[0] + 2 * field[1], field[0] - 3 * field[1]


PUBLISHED = reduced_flow(R(1, 10), sp.sqrt(R(1, 2)), sp.sqrt(200))
GENERIC = reduced_flow(R(37, 101), R(97, 89), R(211, 101))
QUARTIC = (
    6 * (a**2 + b**2 - 1) ** 2 + 6 * (c**2 + e**2 - 1) ** 2 + 8 * (a * c + b * e) ** 2
    + 3 * a**2 * b**2 + 5 * c**2 * e**2 - 4 * a**2 - 3 * e**2 + 2 * a * b * c * e - 2 * b**2
)  # fmt: skip
KATSURA = (x + 2 * y + 2 * z - 1, x**2 + 2 * y**2 + 2 * z**2 - x, 2 * x * y + 2 * y * z - y)

PROBLEMS = {
    "reduced flow, published constants": (PUBLISHED, (kappa, nu), SQUARE),
    "reduced flow, generic constants": (GENERIC, (kappa, nu), SQUARE),
    "reduced flow, lambda = 0.9": (
        reduced_flow(R(9, 10), sp.sqrt(R(1, 2)), sp.sqrt(200)),
        (kappa, nu),
        SQUARE,
    ),
    "the same zeros, factors hidden": (without_factors(PUBLISHED), (kappa, nu), SQUARE),
    "x = erf(3y), y = erf(3x)": ((x - sp.erf(3 * y), y - sp.erf(3 * x)), (x, y), ((-2, 2),) * 2),
    "circle and erf": ((x**2 + y**2 - 1, y - sp.erf(2 * x)), (x, y), ((-2, 2),) * 2),
    "katsura, 3 variables": (KATSURA, (x, y, z), ((-2, 2),) * 3),
}


def best_of(repeats: int, call: Callable[[], object]) -> tuple[object, float]:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        answer = call()
        times.append(time.perf_counter() - start)
    return answer, min(times)


def multi_start(field, variables, box, starts: int = 500) -> int:  # type: ignore[no-untyped-def]
    """Distinct roots that scipy finds from random starts; it proves nothing."""
    rng = np.random.default_rng(0)
    functions = [compile(f, variables) for f in field]
    low, high = np.array(box, dtype=float).T
    found: list[np.ndarray] = []
    for start in rng.uniform(low, high, (starts, len(low))):
        try:
            answer = root(lambda p: [float(f(*p)) for f in functions], start)
        except ValueError:  # the iteration left for nan
            continue
        inside = np.all((low - 1e-9 <= answer.x) & (answer.x <= high + 1e-9))
        if answer.success and inside and not any(np.allclose(answer.x, other, atol=1e-6) for other in found):
            found.append(answer.x)
    return len(found)


def main() -> None:
    header = f"{'problem':36s} {'zeros':>5s} {'complete':>8s} {'cells':>6s} {'seconds':>8s}"
    print(f"{header}   scipy from 500 starts: roots, seconds")
    problems = dict(PROBLEMS)
    if "--quartic" in sys.argv:
        box = ((-2, 2),) * 4
        problems["quartic, 4 variables"] = ([QUARTIC.diff(v) for v in (a, b, c, e)], (a, b, c, e), box)
    for name, (field, variables, box) in problems.items():
        repeats = 1 if name.startswith("quartic") else 3
        found, seconds = best_of(repeats, lambda f=field, v=variables, b=box: certified_zeros(f, v, b, 300))  # type: ignore[misc]
        roots, rival = best_of(1, lambda f=field, v=variables, b=box: multi_start(f, v, b))  # type: ignore[misc]
        line = f"{name:36s} {len(found):5d} {found.complete!s:>8s} {found.cells:6d} {seconds:8.3f}"
        print(f"{line}   {roots:5d} {rival:8.2f}")
    rng = np.random.default_rng(0)
    for size in (2, 4, 8, 16):
        matrix = rng.standard_normal((size, size))
        balls = arb_mat((matrix + matrix.T).tolist())
        _, signs = best_of(20, lambda m=balls: signature(m))  # type: ignore[misc]
        _, eigenvalues = best_of(20, lambda m=balls: eigenvalue_balls(m, is_symmetric=True))  # type: ignore[misc]
        print(f"{size}x{size}: signature {1e3 * signs:.2f} ms, eigenvalue balls {1e3 * eigenvalues:.2f} ms")


if __name__ == "__main__":
    main()
