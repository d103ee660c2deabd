"""All stationary points of polynomial risks: how long with proof, and what others find on the same problem.

    python benchmarks/polynomial_zeros.py [--rivals] [WORD]     (risks with the word in their name)

For each risk: paths (Bézout's number), real stationary points, whether the list is proven complete, the best of
three times of `polynomial_zeros` alone, and of `stationary_points` with the nature of every point. With
`--rivals`, sympy's solvers in a process of their own (stopped after two minutes) and scipy's root from 500
random starts, as real solutions found, seconds, and the ratio of times in this run.

Targets: the quartic with 49 points under 0.2 s, 243 paths under 2 s, 729 paths under 10 s.
"""

from __future__ import annotations

import itertools
import math
import multiprocessing
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import sympy as sp
from scipy.optimize import root

from numerics.compile import compile
from numerics.polynomial_zeros import polynomial_zeros
from numerics.solve import stationary_points
from theory.domain import Domain
from theory.risk import Risk

R = sp.Rational
w = sp.symbols("w1:7", real=True)
a, b, c, e = sp.symbols("a b c e", real=True)
STOP = 120
"""Seconds after which a rival is stopped."""

QUARTIC = (
    6 * (a**2 + b**2 - 1) ** 2 + 6 * (c**2 + e**2 - 1) ** 2 + 8 * (a * c + b * e) ** 2
    + 3 * a**2 * b**2 + 5 * c**2 * e**2 - 4 * a**2 - 3 * e**2 + 2 * a * b * c * e - 2 * b**2
)  # fmt: skip


def coupled_wells(d: int) -> sp.Expr:
    """Σ k_i (w_i² − 1)² + Σ m_ij w_i² w_j² − Σ w_i w_{i+1}: wells that push each other away."""
    v = w[:d]
    wells = sum((i + 3) * (v[i] ** 2 - 1) ** 2 for i in range(d))
    repulsion = sum((2 * i + j + 1) * v[i] ** 2 * v[j] ** 2 for i in range(d) for j in range(i))
    return wells + repulsion - sum(v[i] * v[(i + 1) % d] for i in range(d))


def dense(d: int, seed: int) -> sp.Expr:
    """A quartic with every monomial, integer coefficients in −9…9, and 5 Σ w_i⁴ on top."""
    rng = np.random.default_rng(seed)
    monomials = [m for k in range(1, 5) for m in itertools.combinations_with_replacement(w[:d], k)]
    return sum(int(rng.integers(-9, 10)) * sp.Mul(*m) for m in monomials) + 5 * sum(v**4 for v in w[:d])


def autoencoder(S: sp.Matrix) -> sp.Expr:
    """tr S − 2 wᵀSw + |w|² wᵀSw."""
    v = sp.Matrix(w[: S.rows])
    return S.trace() - 2 * (v.T * S * v)[0] + (v.T * v)[0] * (v.T * S * v)[0]


def clusters() -> sp.Expr:
    """C0 + C1(x² + y²) + C2(x⁴ + y⁴) + C3 x²y²."""
    x, y = w[:2]
    return 3 - 2 * (x**2 + y**2) + x**4 + y**4 + 5 * x**2 * y**2


RISKS = {
    "clusters, 2 variables": (clusters(), w[:2]),
    "autoencoder, d = 2": (autoencoder(sp.Matrix([[3, 1], [1, 2]])), w[:2]),
    "autoencoder, d = 3": (autoencoder(sp.Matrix([[5, 1, 2], [1, 3, -1], [2, -1, 7]])), w[:3]),
    "autoencoder, d = 4, diagonal": (autoencoder(sp.diag(1, 2, 3, 5)), w[:4]),
    "dense, 3 variables": (dense(3, 0), w[:3]),
    "the quartic, 4 variables": (QUARTIC, (a, b, c, e)),
    "dense, 4 variables": (dense(4, 0), w[:4]),
    "coupled wells, 5 variables": (coupled_wells(5), w[:5]),
    "dense, 5 variables": (dense(5, 0), w[:5]),
    "coupled wells, 6 variables": (coupled_wells(6), w[:6]),
    "dense, 6 variables": (dense(6, 0), w[:6]),
}


def best_of(repeats: int, call: Callable[[], object]) -> tuple[object, float]:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        answer = call()
        times.append(time.perf_counter() - start)
    return answer, min(times)


def real_solutions(found: object) -> int:
    """How many real points are in what sympy returns."""
    points = [tuple(p.values()) if isinstance(p, dict) else tuple(p) for p in found]  # type: ignore[attr-defined]
    values = [[complex(sp.N(v, 30)) for v in p] for p in points if not any(sp.sympify(v).free_symbols for v in p)]
    real = [tuple(round(v.real, 8) for v in p) for p in values if all(abs(v.imag) < 1e-12 for v in p)]
    return len(set(real))


def ask_sympy(solver: str, gradient: list, variables: tuple, answers: multiprocessing.Queue) -> None:
    start = time.perf_counter()
    try:
        found = sp.solve(gradient, variables, dict=True) if solver == "solve" else sp.nonlinsolve(gradient, variables)
        answers.put((str(real_solutions(found)), time.perf_counter() - start))
    except Exception as error:
        answers.put((type(error).__name__, time.perf_counter() - start))


def sympy_finds(solver: str, gradient: list, variables: tuple) -> tuple[str, float]:
    """Real solutions by a solver of sympy, within the time that rivals get."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=ask_sympy, args=(solver, gradient, variables, answers))
    process.start()
    try:
        return answers.get(timeout=STOP)
    except Exception:
        return "none", float(STOP)
    finally:
        process.kill()
        process.join()


def multi_start(gradient: list, variables: tuple, starts: int = 500) -> int:
    """Distinct roots that scipy finds from starts in [−2, 2]ⁿ; it proves nothing."""
    rng = np.random.default_rng(0)
    functions = [compile(f, variables) for f in gradient]
    found: list[np.ndarray] = []
    for start in rng.uniform(-2, 2, (starts, len(variables))):
        answer = root(lambda p: [float(f(*p)) for f in functions], start)
        if answer.success and not any(np.allclose(answer.x, other, atol=1e-6) for other in found):
            found.append(answer.x)
    return len(found)


def main() -> None:
    print(f"{'risk':30s} {'paths':>5s} {'real':>4s} {'complete':>8s} {'seconds':>8s} {'natures':>8s}")
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    for name, (expr, variables) in RISKS.items():
        if not all(word in name for word in words):
            continue
        expr = sp.expand(expr)
        gradient = [expr.diff(v) for v in variables]
        paths = math.prod(sp.Poly(f, *variables).total_degree() for f in gradient)
        found, seconds = best_of(3, partial(polynomial_zeros, gradient, variables))
        domain = Domain(dict.fromkeys(variables, (-sp.oo, sp.oo)))
        points, whole = best_of(3, partial(stationary_points, Risk(expr, variables), domain))
        assert len(points) == len(found)  # type: ignore[arg-type]
        line = f"{name:30s} {paths:5d} {len(found):4d} {found.complete!s:>8s} {seconds:8.3f} {whole:8.3f}"  # type: ignore[arg-type, attr-defined]
        print(line, flush=True)
        if "--rivals" in sys.argv and len(variables) < 5:
            for solver in ("solve", "nonlinsolve"):
                real, took = sympy_finds(solver, gradient, variables)
                print(f"    sympy.{solver:12s} {real:>8s} real, {took:7.2f} s, ratio {took / seconds:7.1f}", flush=True)
            roots, took = best_of(1, partial(multi_start, gradient, variables))
            print(f"    scipy, 500 starts  {roots!s:>8s} real, {took:7.2f} s, ratio {took / seconds:7.1f}", flush=True)


if __name__ == "__main__":
    main()
