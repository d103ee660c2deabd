"""Imputers on real rows: entries are hidden, imputed, and compared with what they were, beside the predicted risk.

    error = Σ over hidden entries of held-out rows ((x̂ − x)/s)² / their number,   s the deviations of the training rows,

so that imputing the mean costs about 1 where entries are hidden completely at random. Three ways of hiding a share of
the entries, z the standardised features and Φ the normal distribution function:

    mcar   each entry with the same probability
    mar    the first feature is always seen, the others are hidden with probability Φ(α + z_1)
    mnar   each entry is hidden with probability Φ(α + z_j) of its own value

α is such that the share is right for Gaussian features; the share of real ones is as it comes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

__all__ = ["SCHEMES", "Comparison", "compare_imputers", "hidden"]

SCHEMES = ("mcar", "mar", "mnar")


def hidden(x: np.ndarray, scheme: str, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Which entries of the rows (n, d) are hidden, about a share `rate` of those that may be.

    Raises:
        ValueError: for an unknown scheme or a rate outside of (0, 1).

    >>> hidden(np.zeros((2, 3)), "mar", 0.5, np.random.default_rng(0))[:, 0]
    array([False, False])
    """
    if scheme not in SCHEMES:
        raise ValueError(f"expected one of {', '.join(SCHEMES)} for scheme, got scheme={scheme!r}")
    if not 0 < rate < 1:
        raise ValueError(f"expected 0 < rate < 1, got rate={rate!r}; it is the share of entries that are hidden")
    deviations = x.std(axis=0)
    z = (x - x.mean(axis=0)) / np.where(deviations > 0, deviations, 1.0)
    threshold = math.sqrt(2) * ndtri(rate)  # P(g ≤ α + z) = Φ(α/√2) for independent normals g and z
    if scheme == "mcar":
        return rng.random(x.shape) < rate
    if scheme == "mnar":
        return rng.random(x.shape) < ndtr(threshold + z)
    mask = rng.random(x.shape) < ndtr(threshold + z[:, :1])
    mask[:, 0] = False
    return mask


@dataclass(frozen=True)
class Comparison:
    """How one imputer did on one set of rows, over several seeds.

    Args:
        method: its name.
        scheme, rate: how entries were hidden.
        error: mean over the seeds of the squared error of a hidden entry, in units of the variance of its feature.
        standard_error: of that mean, from the spread over seeds.
        predicted: mean of `predicted_risk_`, for imputers that have one, else None.
    """

    method: str
    scheme: str
    rate: float
    error: float
    standard_error: float
    predicted: float | None


def compare_imputers(
    x: Any,
    imputers: Mapping[str, Any],
    *,
    scheme: str = "mcar",
    rate: float = 0.3,
    seeds: Iterable[int] = range(5),
    folds: int = 2,
) -> list[Comparison]:
    """Hide entries of complete rows, impute held-out rows, and compare; the same masks and folds for every imputer.

    Args:
        x: complete rows (n, d), no feature constant.
        imputers: scikit-learn imputers by name; cloned for every fold.
        scheme, rate: see `hidden`.
        seeds: of masks and folds, at least two for a standard error.
        folds: the rows are split into so many parts; each is held out once.

    Raises:
        ImportError: without scikit-learn.
        ValueError: for incomplete rows or fewer than two seeds.
    """
    try:
        from sklearn.base import clone
    except ImportError as error:
        raise ImportError("compare_imputers needs scikit-learn: pip install 'attention-theory[data]'") from error
    x, seeds = np.asarray(x, dtype=float), list(seeds)
    if not np.isfinite(x).all():
        raise ValueError("expected complete rows x, got entries that are not finite; they are hidden here")
    if len(seeds) < 2:
        raise ValueError(f"expected at least two seeds for a standard error, got seeds={seeds}")
    errors: dict[str, list[float]] = {name: [] for name in imputers}
    predicted: dict[str, list[float]] = {name: [] for name in imputers}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        mask = hidden(x, scheme, rate, rng)
        incomplete = np.where(mask, np.nan, x)
        parts = np.array_split(rng.permutation(len(x)), folds)
        for name, imputer in imputers.items():
            total, count = 0.0, 0
            for k, test in enumerate(parts):
                train = np.concatenate([part for j, part in enumerate(parts) if j != k])
                fitted = clone(imputer).fit(incomplete[train])
                differences = (fitted.transform(incomplete[test]) - x[test]) / x[train].std(axis=0)
                total, count = total + float((differences[mask[test]] ** 2).sum()), count + int(mask[test].sum())
                if hasattr(fitted, "predicted_risk_"):
                    predicted[name].append(fitted.predicted_risk_)
            errors[name].append(total / count)
    return [
        Comparison(
            name,
            scheme,
            rate,
            float(np.mean(values)),
            float(np.std(values, ddof=1) / math.sqrt(len(values))),
            float(np.mean(predicted[name])) if predicted[name] else None,
        )
        for name, values in errors.items()
    ]
