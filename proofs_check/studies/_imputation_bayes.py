"""Conditional expectations of a Gaussian row, pattern by pattern, and the Bayes risk by enumerating all patterns.

    E[x_m | x_o] = Σ_mo Σ_oo⁻¹ x_o,    R* = E_m tr Var(x_m | x_o)

Observing one entry after the other is a sweep: the conditional covariance of all entries loses a aᵀ/a_ii, a its column
i. Over the tree of patterns this costs one rank-one update for each prefix instead of an inverse for each pattern; and
an entry whose conditional variance is zero already is known, and changes nothing.
"""

from __future__ import annotations

import numpy as np

__all__ = ["bayes_imputed", "missing_variances", "patterns_of", "sweep"]

BATCH = 2**11  # conditional covariances held at a time: for d = 16, 4 MB each of the last levels


def sweep(covariances: np.ndarray, i: int, floor: np.ndarray) -> np.ndarray:
    """Conditional covariances once entry i is observed as well, for a stack (…, d, d).

    Args:
        floor: a variance of entry i up to floor[i] is rounding: the entry is known already.

    >>> sweep(np.array([[1.0, 0.5], [0.5, 1.0]]), 0, np.zeros(2))
    array([[0.  , 0.  ],
           [0.  , 0.75]])
    """
    column = covariances[..., :, i]
    pivot = column[..., i]
    known = pivot <= floor[i]
    scale = np.where(known, 0.0, 1 / np.where(known, 1.0, pivot))
    swept = covariances - (scale[..., None] * column)[..., :, None] * column[..., None, :]
    swept[..., i, :] = swept[..., :, i] = 0.0
    return swept


def rounding_floor(covariance: np.ndarray) -> np.ndarray:
    """What d subtractions may leave of a variance that is zero: 10 d eps Σ_ii, 10 for the constant."""
    return 10 * len(covariance) * np.finfo(float).eps * np.diag(covariance)


def missing_variances(covariance: np.ndarray) -> np.ndarray:
    """Σ over the patterns with j observed entries of tr Var(x_m | x_o), for j = 0, …, d.

    >>> missing_variances(np.array([[1.0, 0.5], [0.5, 1.0]]))
    array([2. , 1.5, 0. ])
    """
    d = len(covariance)
    floor = rounding_floor(covariance)
    totals = np.zeros(d + 1)
    _descend(covariance[None], np.zeros(1, dtype=int), 0, floor, totals)
    return totals


def _descend(stack: np.ndarray, observed: np.ndarray, i: int, floor: np.ndarray, totals: np.ndarray) -> None:
    """Split a stack of prefixes at entry i; observed entries have a zero variance and add nothing at the leaves."""
    if i == len(floor):
        np.add.at(totals, observed, np.trace(stack, axis1=1, axis2=2))
        return
    if len(stack) >= BATCH:
        for half in (slice(0, len(stack) // 2), slice(len(stack) // 2, None)):
            _descend(stack[half], observed[half], i, floor, totals)
        return
    both = np.concatenate([stack, sweep(stack, i, floor)])
    _descend(both, np.concatenate([observed, observed + 1]), i + 1, floor, totals)


def patterns_of(observed: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The different patterns of a mask (n, d), and the rows of each.

    >>> patterns, rows = patterns_of(np.array([[True, False], [True, True], [True, False]]))
    >>> [group.tolist() for group in rows]
    [[0, 2], [1]]
    """
    packed = np.packbits(observed, axis=1)
    _, first, inverse = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    cuts = np.cumsum(np.bincount(inverse.ravel()))[:-1]
    return observed[first], np.split(order, cuts)


def bayes_imputed(z: np.ndarray, observed: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """E[x | x_o] for rows z = m ∘ x of mean zero; observed entries are returned as they are.

    Observed entries that others determine are left out of the regression (their Cholesky pivot is rounding), so a
    covariance without full rank is served.

    >>> bayes_imputed(np.array([[2.0, 0.0]]), np.array([[True, False]]), np.array([[1.0, 0.5], [0.5, 1.0]]))
    array([[2., 1.]])
    """
    result = np.where(observed, z, 0.0)
    patterns, groups = patterns_of(observed)
    floor = rounding_floor(covariance)
    for pattern, rows in zip(patterns, groups, strict=True):
        if pattern.all() or not pattern.any():
            continue
        conditional, kept = covariance, list[int]()
        seen = [int(i) for i in np.flatnonzero(pattern)]
        try:
            np.linalg.cholesky(covariance[np.ix_(seen, seen)] - np.diag(floor[seen]))
            kept = seen
        except np.linalg.LinAlgError:
            for i in seen:
                if conditional[i, i] > floor[i]:
                    conditional = sweep(conditional, i, floor)
                    kept.append(i)
        if kept:
            missing = np.flatnonzero(~pattern)
            known = np.array(kept)
            weights = np.linalg.solve(covariance[np.ix_(known, known)], covariance[np.ix_(known, missing)])
            result[np.ix_(rows, missing)] = z[np.ix_(rows, known)] @ weights
    return result
