"""Certified values: what a ball costs, in one run and as ratios.

    python benchmarks/balls.py

- an elementary formula and one with Owen's T at 50 digits, by compiled balls, against sympy's own digits
- E erf(a + bZ)² to 30 digits: through Owen's T, as a certified integral, and by mpmath.quad (no bound)
- the three special functions at 50 digits, point by point
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import mpmath
import sympy as sp
from flint import arb, ctx, fmpq

from numerics.balls import compile_ball
from numerics.special import bivariate_normal_cdf_ball, normal_cdf_ball, owens_t_ball
from theory.integral import GaussianIntegral
from theory.special import OwenT

FIFTY_DIGITS, THIRTY_DIGITS = 176, 110  # bits


def seconds(task: Callable[[], object], repetitions: int) -> float:
    """The best of three runs, per call."""
    task()
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(repetitions):
            task()
        best = min(best, (time.perf_counter() - start) / repetitions)
    return best


def line(what: str, cost: float, allowed: float | None = None) -> None:
    """One row: the cost in microseconds, and the promise if there is one."""
    verdict = "" if allowed is None else f"   promised {allowed:7.0f}   ratio {cost * 1e6 / allowed:5.2f}"
    print(f"{what:52s} {cost * 1e6:9.1f} us{verdict}")


def formulas() -> None:
    """Scalars of the single-location risk at generic rational points."""
    mu, tau, lam, m, theta, gamma, rho = symbols = sp.symbols("mu tau lam m theta gamma rho", real=True)
    width = 1 + 2 * lam**2 * tau**2
    u = lam * mu / sp.sqrt(width)
    first = 2 * lam / sp.sqrt(sp.pi * width) * sp.exp(-(u**2))
    second = -2 * lam**2 * mu / width * first
    elementary = (m * theta * sp.erf(u) + gamma**2 * rho * first) ** 2 + gamma**4 * rho * second
    square = 1 - 8 * OwenT(sp.sqrt(2) * u, 1 / sp.sqrt(1 + 4 * lam**2 * tau**2))
    t = sp.Symbol("t", real=True)
    integral = GaussianIntegral(sp.erf(lam * (mu + tau * t)) ** 2, (t,))
    rationals = [fmpq(p, q) for p, q in ((7, 5), (3, 7), (11, 13), (2, 3), (5, 9), (8, 7), (1, 7))]

    with ctx.workprec(FIFTY_DIGITS):
        point = [arb(value) for value in rationals]
        f, g = compile_ball(elementary, symbols), compile_ball(elementary + square, symbols)
        cost = seconds(lambda: f(point), 1000)
        line("elementary formula, 50 digits", cost, 100)
        line("the same with Owen's T, 50 digits", seconds(lambda: g(point), 300), 500)
        exact = dict(zip(symbols, (sp.Rational(int(q.p), int(q.q)) for q in rationals), strict=True))
        by_sympy = seconds(lambda: elementary.xreplace(exact).evalf(50), 5)
        line("elementary formula by sympy.evalf, 50 digits", by_sympy)
        print(f"{'':52s} {by_sympy / cost:9.1f} times the ball")

    with ctx.workprec(THIRTY_DIGITS):
        point = [arb(value) for value in rationals]
        f, g = compile_ball(square, symbols), compile_ball(integral, symbols)
        through_t = seconds(lambda: f(point), 300)
        line("certified E erf(a + bZ)^2, 30 digits, Owen's T", through_t, 500)
        line("the same as a certified integral", seconds(lambda: g(point), 10))
        assert f(point).overlaps(g(point))
    with mpmath.workdps(30):
        a, b = mpmath.mpf(11) / 13 * 7 / 5, mpmath.mpf(11) / 13 * 3 / 7
        task = lambda: mpmath.quad(  # noqa: E731
            lambda z: mpmath.erf(a + b * z) ** 2 * mpmath.npdf(z), [-mpmath.inf, 0, mpmath.inf]
        )
        by_mpmath = seconds(task, 2)
        line("the same by mpmath.quad, no bound", by_mpmath)
        print(f"{'':52s} {by_mpmath / through_t:9.1f} times Owen's T")


def special_functions() -> None:
    """Average over random points, all branches."""
    rng = random.Random(0)
    with ctx.workprec(FIFTY_DIGITS):
        points = [[arb(fmpq(rng.randint(-4000, 4000), 1000)) for _ in range(2)] for _ in range(200)]
        correlations = [arb(fmpq(rng.randint(-999, 999), 1000)) for _ in points]
        many = len(points)
        line("NormalCDF, 50 digits", seconds(lambda: [normal_cdf_ball(x) for x, _ in points], 1) / many)
        line("OwenT, 50 digits", seconds(lambda: [owens_t_ball(x, y) for x, y in points], 1) / many, 500)
        pairs = list(zip(points, correlations, strict=True))
        cost = seconds(lambda: [bivariate_normal_cdf_ball(x, y, r) for (x, y), r in pairs], 1)
        line("BivariateNormalCDF, 50 digits", cost / many)


if __name__ == "__main__":
    formulas()
    special_functions()
