"""Guesses for all complex zeros of a square polynomial system: a homotopy, all paths at once.

    H(x, t) = (1 − t) γ G(x) + t F(x),    G_i = x_i^{d_i} − 1,    |γ| = 1

For all but finitely many γ the d₁⋯d_n paths from the zeros of G, t from 0 to 1, do not meet, and every
isolated zero of F is the end of as many paths as its multiplicity; the other paths leave for infinity.
Each path is followed by a cubic through its last two points and tangents (predictor) and two Newton steps
(corrector), with a step of its own; the arrays hold all paths that are still under way.

Nothing here is proven. `numerics.complex_zeros` proves what comes out, and counts.

References: Morgan, Solving Polynomial Systems Using Continuation (1987); Sommese and Wampler, The
Numerical Solution of Systems of Polynomials (2005).
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass

import numpy as np

from .polynomial_field import PolynomialField

__all__ = ["path_ends"]

FAR = 1e7
"""A path that gets this far, in units of the system's own scale, is taken to leave for infinity."""

SHORTEST = 1e-11
"""A path that needs steps this short runs into a multiple zero or another path; it is given up."""

TARGET = 2e-3
"""Relative error of the predictor that steps aim at: two Newton steps make rounding of it."""

CORRECTED = 1e-8
"""Relative size of the second Newton step below which a point counts as on its path."""


def path_ends(field: PolynomialField, rng: np.random.Generator, deadline: float) -> np.ndarray:
    """Where the paths end: approximate zeros of a square system.

    Args:
        field: n polynomials in n variables.
        rng: draws γ.
        deadline: a `time.monotonic()` after which unfinished paths are dropped.

    Returns:
        (m, n) complex, m ≤ d₁⋯d_n; a path that left for infinity or stalled has no row. Two rows may be
        the same zero, when a path was lost to its neighbour or the zero is multiple.

    >>> F = PolynomialField([{(2, 0): 1, (0, 0): -2}, {(1, 1): 1, (0, 0): -1}], 2)
    >>> path_ends(F, np.random.default_rng(0), time.monotonic() + 9).round(3).real.tolist()
    [[1.414, 0.707], [-1.414, -0.707]]
    """
    matrix, scales = _scaled(field)
    gamma = np.exp(2j * np.pi * rng.random())
    homotopy = _Homotopy(field, matrix, gamma, np.array(field.degrees))
    ends = _follow(homotopy, _start_points(field.degrees), deadline)
    return (ends * scales[:, None]).T


def _start_points(degrees: tuple[int, ...]) -> np.ndarray:
    """The zeros of G: all tuples of roots of unity, (n, d₁⋯d_n)."""
    roots = [np.exp(2j * np.pi * np.arange(d) / d) for d in degrees]
    return np.array(list(itertools.product(*roots)), dtype=complex).T.copy()


def _scaled(field: PolynomialField) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients in the unknowns y_j = x_j / s_j, equations rescaled too, all close to 1 in size.

    The logarithms of the scales minimise Σ (log|c_{iα}| + e_i + Σ_j α_j log s_j)².
    """
    matrix, n, k = field.coefficients(), field.size, len(field.components)
    exponents = np.array(field.monomials, dtype=float)
    rows, columns = np.nonzero(matrix[:k])
    design = np.zeros((len(rows) + n, k + n))
    design[np.arange(len(rows)), rows] = 1
    design[: len(rows), k:] = exponents[columns]
    design[len(rows) + np.arange(n), k + np.arange(n)] = 1e-3  # where the scale is free, take 1
    goal = np.concatenate([-np.log(np.abs(matrix[rows, columns])), np.zeros(n)])
    logs = np.linalg.lstsq(design, goal, rcond=None)[0]
    by_equation, by_variable = logs[:k], logs[k:]
    powers = np.exp(exponents @ by_variable)
    size = np.exp(np.concatenate([by_equation, np.add.outer(by_equation, by_variable).ravel()]))
    return matrix * powers * size[:, None], np.exp(by_variable)


@dataclass(frozen=True)
class _Homotopy:
    """H(x, t) at many points, each with its own t."""

    field: PolynomialField
    matrix: np.ndarray
    gamma: complex
    degrees: np.ndarray

    def newton(self, x: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The Newton step −H_x⁻¹ H and the tangent −H_x⁻¹ H_t, both (n, P)."""
        values, slopes = self.field.at(x, self.matrix)
        d = self.degrees[:, None]
        power = x ** (d - 1)
        start, away = self.gamma * (power * x - 1), (1 - t) * self.gamma
        system = (t * slopes).transpose(2, 0, 1).copy()
        diagonal = np.arange(len(x))
        system[:, diagonal, diagonal] += (away * d * power).T
        right = np.stack([-((1 - t) * start + t * values), start - values], axis=-1).transpose(1, 0, 2)
        step = _solve(system, right)
        return step[..., 0].T, step[..., 1].T


def _solve(systems: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Batched linear systems; one that is exactly singular gets nan, the others their solution."""
    try:
        return np.linalg.solve(systems, right)
    except np.linalg.LinAlgError:
        answer = np.full(right.shape, np.nan, dtype=complex)
        for i, (system, side) in enumerate(zip(systems, right, strict=True)):
            try:
                answer[i] = np.linalg.solve(system, side)
            except np.linalg.LinAlgError:
                continue
        return answer


def _relative(step: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.max(np.abs(step), axis=0) / np.maximum(1, np.max(np.abs(x), axis=0))


@np.errstate(all="ignore")
def _follow(homotopy: _Homotopy, x: np.ndarray, deadline: float) -> np.ndarray:
    """Follow every path to t = 1; the ends that were reached, (n, m)."""
    count = x.shape[1]
    t, h = np.zeros(count), np.full(count, 0.02)
    _, tangent = homotopy.newton(x, t)
    before, before_tangent, last = x, tangent, np.zeros(count)  # the point before, and the step from there
    ends = []
    while len(t) and time.monotonic() < deadline:
        h = np.minimum(h, 1 - t)
        guess = _predicted(x, tangent, before, before_tangent, last, h)
        target = np.where(h >= 1 - t, 1.0, t + h)
        first, _ = homotopy.newton(guess, target)
        there = guess + first
        second, new_tangent = homotopy.newton(there, target)
        there = there + second
        error, rest = _relative(first, there), _relative(second, there)
        good = (rest < CORRECTED) & (error < 30 * TARGET)
        factor = np.clip(0.9 * (TARGET / np.maximum(error, 1e-300)) ** 0.25, 0.3, 2.5)
        factor = np.where(good, factor, np.minimum(factor, 0.4))
        factor = np.where(np.isfinite(error), factor, 0.2)
        before, x = np.where(good, x, before), np.where(good, there, x)
        before_tangent, tangent = np.where(good, tangent, before_tangent), np.where(good, new_tangent, tangent)
        last, t = np.where(good, h, last), np.where(good, target, t)
        h = h * factor
        arrived = t >= 1
        if arrived.any():
            ends.append(x[:, arrived])
        going = ~arrived & (h > SHORTEST) & (np.max(np.abs(x), axis=0) < FAR)
        if not going.all():
            x, tangent, before, before_tangent = (v[:, going] for v in (x, tangent, before, before_tangent))
            t, h, last = t[going], h[going], last[going]
    reached = np.concatenate(ends, axis=1) if ends else np.empty((len(x), 0), dtype=complex)
    return reached[:, np.isfinite(reached).all(axis=0)]


def _predicted(
    x: np.ndarray, tangent: np.ndarray, before: np.ndarray, before_tangent: np.ndarray, last: np.ndarray, h: np.ndarray
) -> np.ndarray:
    """x + h v, and after the first step the cubic with the last two points and tangents."""
    s = h / np.where(last > 0, last, 1)
    a = before - x + last * tangent
    b = last * (before_tangent - tangent)
    cubic = (b + 3 * a) * s**2 + (b + 2 * a) * s**3
    return x + h * tangent + np.where(last > 0, cubic, 0)
