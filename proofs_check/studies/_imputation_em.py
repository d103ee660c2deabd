"""Mean and covariance of Gaussian rows from incomplete rows, by expectation and maximisation.

With P = T⁻¹ a row with missing entries m and observed entries o has

    E[x_m | x_o] = μ_m − P_mm⁻¹ P_mo (x_o − μ_o),    Var(x_m | x_o) = P_mm⁻¹,

and a step sets μ to the mean of the completed rows and T to their covariance plus the mean of these variances. In the
population this is μ⁺ = μ + T J(μ₀ − μ), T⁺ = T + 2TGT − (μ⁺ − μ)(μ⁺ − μ)ᵀ (see the study). Only the missing blocks are
inverted, one for each pattern, all patterns with as many missing entries at once.

A prior of k rows of independent features multiplies correlations by n/(n + k): it keeps the eigenvalues of the
correlations above k/(n + k) when there are fewer rows than features, or features that repeat each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ._imputation_bayes import patterns_of

__all__ = ["GaussianFit", "complete", "fit_gaussian", "standardised"]

ENTRIES = 2**22  # numbers in a stack of blocks that are inverted together, 32 MB


@dataclass(frozen=True)
class GaussianFit:
    """Means, scales and correlations; a feature that never varies has the scale zero.

    Args:
        mean: (d,).
        scale: standard deviations (d,).
        correlation: (d, d), with a unit diagonal also for features that never vary.
        steps: how many steps were taken.
        change: how far the last one moved a mean or a correlation, in standard deviations.
        limit: what ends the iteration.
    """

    mean: np.ndarray
    scale: np.ndarray
    correlation: np.ndarray
    steps: int = 0
    change: float = 0.0
    limit: float = 0.0

    @property
    def converged(self) -> bool:
        """Whether the last step was below the tolerance."""
        return self.change <= self.limit

    @property
    def covariance(self) -> np.ndarray:
        """Σ_ij = s_i s_j ρ_ij."""
        return self.correlation * np.outer(self.scale, self.scale)


def standardised(x: np.ndarray, observed: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(x − μ)/s where observed, zero where missing or where the feature never varies."""
    usable = scale > 0
    z = np.zeros(x.shape)
    np.divide(x - mean, scale, out=z, where=observed & usable)
    return z


@dataclass(frozen=True)
class Patterns:
    """The patterns of a mask with something missing, in groups with as many missing entries.

    Args:
        groups: for each number of missing entries (patterns as missing indices (g, k), rows (r,), pattern of each row).
        rows: the number of rows of the mask.
    """

    groups: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]
    rows: int

    @classmethod
    def of(cls, observed: np.ndarray) -> Patterns:
        """The patterns of a mask (n, d)."""
        n, d = observed.shape
        patterns, rows = patterns_of(observed)
        counts = (~patterns).sum(axis=1)
        groups = []
        for k in sorted({int(k) for k in counts} - {0}):
            numbers = np.flatnonzero(counts == k)
            step = max(1, ENTRIES // max(k * k, d * d))
            for start in range(0, len(numbers), step):
                part = numbers[start : start + step]
                missing = np.argsort(patterns[part], axis=1, kind="stable")[:, :k]  # False before True
                members = np.concatenate([rows[p] for p in part])
                belongs = np.repeat(np.arange(len(part)), [len(rows[p]) for p in part])
                groups.append((missing, members, belongs))
        return cls(tuple(groups), n)


def complete(z: np.ndarray, patterns: Patterns, precision: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Completed rows, and the sum over rows of Var(x_m | x_o) as a matrix (d, d); z has zeros where missing.

    >>> both = Patterns.of(np.array([[True, False]]))
    >>> rows, variances = complete(np.array([[1.0, 0.0]]), both, np.linalg.inv([[1.0, 0.5], [0.5, 1.0]]))
    >>> rows.round(12), variances.round(12)
    (array([[1. , 0.5]]), array([[0.  , 0.  ],
           [0.  , 0.75]]))
    """
    filled = z.copy()
    variances = np.zeros_like(precision)
    flat = variances.ravel()
    d = len(precision)
    for missing, rows, belongs in patterns.groups:
        blocks = np.linalg.inv(precision[missing[:, :, None], missing[:, None, :]])
        columns = missing[belongs]
        scores = np.take_along_axis(z[rows] @ precision, columns, axis=1)  # (P z)_m = P_mo z_o
        filled[rows[:, None], columns] = -np.matmul(blocks[belongs], scores[:, :, None])[:, :, 0]
        weights = np.bincount(belongs, minlength=len(missing))
        places = missing[:, :, None] * d + missing[:, None, :]
        flat += np.bincount(places.ravel(), (weights[:, None, None] * blocks).ravel(), minlength=d * d)
    return filled, variances


def moment_correlations(z: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Where EM starts: the moments of pairs that are observed together, corrected for the mask.

    Where entries are missing completely at random they are unbiased (Lounici), but they need not be a covariance:
    eigenvalues below 1/√n, which is noise, are raised to it.

    >>> moment_correlations(np.array([[1.0, -1.0], [-1.0, 0.0]]), np.array([[True, True], [True, False]])).round(2)
    array([[ 1.  , -0.48],
           [-0.48,  1.  ]])
    """
    seen = observed.astype(float)
    pairs = z.T @ z / np.maximum(seen.T @ seen, 1.0)
    eigenvalues, vectors = np.linalg.eigh(pairs)
    raised = (vectors * np.maximum(eigenvalues, 1 / math.sqrt(len(z)))) @ vectors.T
    deviations = np.sqrt(np.diag(raised))
    return raised / np.outer(deviations, deviations)


def is_singular(covariance: np.ndarray) -> bool:
    """Whether a pivot of the correlations is what rounding leaves, 10 d eps, or none is real.

    >>> is_singular(np.ones((2, 2))), is_singular(np.eye(2))
    (True, False)
    """
    deviations = np.sqrt(np.diag(covariance))
    try:
        pivots = np.diag(np.linalg.cholesky(covariance / np.outer(deviations, deviations)))
    except np.linalg.LinAlgError:
        return True
    return bool(pivots.min() ** 2 <= 10 * len(covariance) * np.finfo(float).eps)


def fit_gaussian(
    x: np.ndarray, observed: np.ndarray, *, prior: float = 1.0, tol: float = 0.05, max_iter: int = 200
) -> GaussianFit:
    """Means and covariance by EM, started from moments corrected for the mask.

    Args:
        x: rows (n, d); entries that are not observed are not read.
        observed: (n, d), at least one observed entry in each column.
        prior: weight, in rows, of independent features; 0 for plain maximum likelihood.
        tol: a step ends the iteration when it moves no mean and no correlation by more than tol/√n standard
            deviations. By default a twentieth of what sampling leaves uncertain.
        max_iter: at most so many steps; the fit says how far the last one moved.

    Raises:
        ValueError: where the correlations become singular with prior=0.
    """
    n, d = x.shape
    counts = observed.sum(axis=0)
    mean = np.where(observed, x, 0.0).sum(axis=0) / counts
    centred = np.where(observed, x - mean, 0.0)
    scale = np.sqrt((centred**2).sum(axis=0) / counts)
    # the mean of equal numbers is known up to rounding, and so is a variance of zero
    span = np.abs(np.where(observed, x, 0.0)).max(axis=0)
    scale[scale <= 10 * np.finfo(float).eps * span] = 0.0
    varies = np.flatnonzero(scale > 0)
    z = standardised(x, observed, mean, scale)[:, varies]
    patterns = Patterns.of(observed[:, varies]) if len(varies) else Patterns((), n)
    shift, moment = np.zeros(len(varies)), moment_correlations(z, observed[:, varies])
    steps, change, limit = 0, math.inf, tol / math.sqrt(n)
    seen = observed[:, varies]
    while len(varies) and steps < max_iter and change > limit:
        if is_singular(moment):
            raise ValueError(
                f"expected an invertible covariance at each step, got a singular one after {steps} steps of {n} rows "
                f"and {d} features with prior={prior}; give prior > 0"
            )
        filled, variances = complete(np.where(seen, z - shift, 0.0), patterns, np.linalg.inv(moment))
        move = filled.mean(axis=0)
        new = (filled.T @ filled + variances) / n - np.outer(move, move)
        new = (new + new.T) / 2
        new = (n * new + prior * np.diag(np.diag(new))) / (n + prior)
        deviations = np.sqrt(np.diag(moment))
        change = max(
            float(np.max(np.abs(move) / deviations)),
            float(np.max(np.abs(new - moment) / np.outer(deviations, deviations))),
        )
        shift, moment, steps = shift + move, new, steps + 1
    change = change if len(varies) else 0.0
    fit = GaussianFit(mean.copy(), scale.copy(), np.eye(d), steps, change, limit)
    deviations = np.sqrt(np.diag(moment))
    fit.mean[varies] += shift * scale[varies]
    fit.scale[varies] *= deviations
    correlation = np.eye(d)
    correlation[np.ix_(varies, varies)] = moment / np.outer(deviations, deviations)
    np.fill_diagonal(correlation, 1.0)
    return replace(fit, correlation=correlation)
