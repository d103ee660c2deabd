"""Stationary points with proofs: how long, against one ball call at a time and against a multi-start solver.

    python benchmarks/stationary_points.py [--spheres]

Prints
  1. batched intervals against one ball call at a time, on the cells of the reduced single-location risk: nanoseconds
     a cell and the ratio (target: 25 or more);
  2. complete lists: points found, proven complete, cells, seconds of processor time, and what scipy finds from 200
     random starts in its time (it proves nothing);
  3. one certified point of an erf risk in 2 to 8 parameters: milliseconds a point once the risk is compiled, and for
     the compilation (target: median below 200 ms a point).
With --spheres also the 36 points of the single-location risk on S² × S² (about half a minute).
Processor time, so that other programs on the machine do not count.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import sympy as sp
from flint import arb
from scipy.optimize import root

from numerics import ProductOfSpheres, Sphere, stationary_points
from numerics.balls import compile_balls
from numerics.compile import compile
from numerics.critical import Landscape, candidates, certify_point
from numerics.intervals import IntervalProgram
from proofs_check.studies.single_location import CONSTANTS_OF_THE_LIST, reduced_risk, risk_on_spheres
from theory import Risk
from theory.notation import L, epsilon, gamma, kappa, lam, m, nu, sigma

R = sp.Rational
X = sp.symbols("x1:9", real=True)
PUBLISHED = {lam: R(1, 10), gamma: sp.sqrt(2) / 2, m: sp.sqrt(200), sigma: 1, epsilon: 0, L: 10}


def timed(call: Callable[[], object], repeats: int = 1) -> tuple[object, float]:
    """What a call returns, and its least processor time."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        answer = call()
        times.append(time.process_time() - start)
    return answer, min(times)


def autoencoder(dimension: int) -> Risk:
    """‖S − wwᵀ‖² for S = diag(d, …, 1): 2d + 1 stationary points."""
    w, spectrum = X[:dimension], range(dimension, 0, -1)
    square = sp.Add(*(v**2 for v in w))
    return Risk(sp.expand(sum(s**2 for s in spectrum) - 2 * sum(s * v**2 for s, v in zip(spectrum, w)) + square**2), w)


def student(dimension: int) -> Risk:
    """A student with an erf activation and a teacher of the same kind, Gaussian inputs."""
    w, teacher = X[:dimension], [R(i + 1, dimension + 1) for i in range(dimension)]
    q, t = sp.Add(*(v**2 for v in w)), sum(v**2 for v in teacher)
    overlap = sp.Add(*(a * b for a, b in zip(w, teacher)))
    arcs = sp.asin(2 * q / (1 + 2 * q)) - 2 * sp.asin(2 * overlap / sp.sqrt((1 + 2 * q) * (1 + 2 * t)))
    return Risk(2 / sp.pi * (arcs + sp.asin(2 * t / (1 + 2 * t))), w)


def mixture(dimension: int) -> Risk:
    """A sum of squared errors of erf units with a ridge."""
    w, rng = X[:dimension], np.random.default_rng(5)
    units = [sum(R(int(a), 4) * v for a, v in zip(rng.integers(-4, 5, dimension), w)) for _ in range(2 * dimension)]
    errors = [(sp.erf(u) - R(int(b), 5)) ** 2 for u, b in zip(units, rng.integers(-4, 5, 2 * dimension))]
    return Risk(sp.Add(*errors) / (2 * dimension) + sum(v**2 for v in w) / 20, w)


def batched_against_balls() -> None:
    slopes = list(reduced_risk().restrict(PUBLISHED).gradient().values())
    rng = np.random.default_rng(0)
    low = rng.uniform(-1, 0.9, (2, 4096))
    high = low + 0.05
    program, balls = IntervalProgram(slopes, (kappa, nu)), compile_balls(slopes, (kappa, nu))
    _, batch = timed(lambda: program(list(zip(low, high))), 20)
    cells = [tuple(arb(a).union(arb(b)) for a, b in zip(*sides)) for sides in zip(low.T.tolist(), high.T.tolist())]
    _, single = timed(lambda: [balls(cell, 64) for cell in cells], 3)
    print(f"gradient of the reduced risk on a cell: batched {1e9 * batch / 4096:.0f} ns, one ball call at a time "
          f"{1e9 * single / 4096:.0f} ns, ratio {single / batch:.0f}")  # fmt: skip


def multi_start(risk: Risk, box: dict, starts: int = 200) -> tuple[int, float]:
    """Distinct roots of the gradient that scipy finds, and its processor time."""
    variables = tuple(risk.parameters)
    functions = [compile(f, variables) for f in risk.gradient().values()]
    rng = np.random.default_rng(0)
    ends = np.array([[float(end) for end in box[v]] for v in variables])
    found: list[np.ndarray] = []
    begin = time.process_time()
    for start in rng.uniform(ends[:, 0], ends[:, 1], (starts, len(variables))):
        try:
            answer = root(lambda p: [float(f(*p)) for f in functions], start)
        except ValueError:  # the iteration left for nan
            continue
        inside = np.all((ends[:, 0] - 1e-9 <= answer.x) & (answer.x <= ends[:, 1] + 1e-9))
        if answer.success and inside and not any(np.allclose(answer.x, other, atol=1e-6) for other in found):
            found.append(answer.x)
    return len(found), time.process_time() - begin


def complete_lists(with_spheres: bool) -> None:
    a, b, c, e = X[:4]
    quartic = (
        6 * (a**2 + b**2 - 1) ** 2 + 6 * (c**2 + e**2 - 1) ** 2 + 8 * (a * c + b * e) ** 2
        + 3 * a**2 * b**2 + 5 * c**2 * e**2 - 4 * a**2 - 3 * e**2 + 2 * a * b * c * e - 2 * b**2
    )  # fmt: skip
    heads = sp.Matrix(2, 2, X[:4])
    gap = heads * heads.T - sp.diag(3, 1)
    square = {kappa: (-1, 1), nu: (-1, 1)}
    problems: dict[str, tuple[Risk, dict | None, object]] = {
        "reduced risk, published constants": (reduced_risk().restrict(PUBLISHED), square, None),
        "the same on the spheres": (reduced_risk().restrict(PUBLISHED), square, {kappa: 1 - kappa**2, nu: 1 - nu**2}),
        "rank-one autoencoder, d = 3": (autoencoder(3), dict.fromkeys(X[:3], (-2, 2)), None),
        "quartic, 49 points": (Risk(quartic, X[:4]), dict.fromkeys(X[:4], (-2, 2)), None),
        "two heads up to O(2)": (Risk(sp.expand((gap * gap).trace()), X[:4]), dict.fromkeys(X[:4], (-2, 2)), None),
        "quadratic form on S³": (Risk(sum((i + 1) * X[i] ** 2 for i in range(4)), X[:4]), None, Sphere(4)),
        "single location on S¹ × S¹": (_on_spheres(2), None, ProductOfSpheres(2, 2)),
    }
    if with_spheres:
        problems["single location on S² × S²"] = (_on_spheres(3), None, ProductOfSpheres(3, 3))
    print(f"{'problem':36s} {'points':>6s} {'orbits':>6s} {'complete':>8s} {'seconds':>8s}   scipy: roots, seconds")
    for name, (risk, box, manifold) in problems.items():
        found, seconds = timed(lambda r=risk, d=box, g=manifold: stationary_points(r, d, g, 600))  # type: ignore[misc]
        rival = ""
        if manifold is None and box is not None:
            roots, its = multi_start(risk, box)
            rival = f"{roots:5d} {its:8.2f}"
        line = f"{name:36s} {len(found.points):6d} {len(found.orbits):6d} {found.complete!s:>8s} {seconds:8.2f}"  # type: ignore[attr-defined]
        print(f"{line}   {rival}")


def _on_spheres(dimension: int) -> Risk:
    expr, spheres = risk_on_spheres(dimension, CONSTANTS_OF_THE_LIST)
    return Risk(expr, tuple(x for sphere in spheres for x in sphere))


def certified_points() -> None:
    print(f"{'erf risk':12s} {'d':>2s} {'ms a point':>10s} {'compiled, s':>11s} signature")
    times = []
    for make in (student, mixture):
        for dimension in (2, 4, 6, 8):
            risk = make(dimension)
            landscape = Landscape(risk.expr, tuple(risk.parameters))
            starts = np.random.default_rng(0).uniform(-2, 2, (48, dimension))
            guesses, _ = timed(lambda g=landscape, s=starts: candidates(g, s))  # type: ignore[misc]
            guess = guesses[0]  # type: ignore[index]
            _, compiled = timed(lambda g=landscape, p=guess: certify_point(g, p))  # type: ignore[misc]
            proof, seconds = timed(lambda g=landscape, p=guess: certify_point(g, p), 3)  # type: ignore[misc]
            times.append(seconds)
            print(f"{make.__name__:12s} {dimension:2d} {1e3 * seconds:10.1f} {compiled:11.2f} {proof.signature}")  # type: ignore[attr-defined]
    print(f"median {1e3 * statistics.median(times):.1f} ms a point")


def main() -> None:
    """Run the three parts."""
    batched_against_balls()
    certified_points()
    complete_lists("--spheres" in sys.argv[1:])


if __name__ == "__main__":
    main()
