"""Simulators: rows and masks drawn as the definitions say, imputed one after the other, in numpy.

They share nothing with the derivations. Tokens are (n, 2, d): the incomplete row z = m ∘ x and its mask m; the target
is the row x. What is observed is copied, so that the squared error is the loss on missing entries; LINEAR with
copied=False gives the loss on all entries.
"""

from __future__ import annotations

import math

import numpy as np

from numerics import Simulator

__all__ = ["LINEAR", "SOFTMAX", "draw_rows", "masks"]


def masks(
    rng: np.random.Generator, n: int, dimension: int, rho: float | None, size: int | None, rate: np.ndarray | None
) -> np.ndarray:
    """n masks: entries observed with probability ρ; exactly `size` of them; or at a rate from Beta(a, b)."""
    if rho is not None:
        return rng.random((n, dimension)) < rho
    if size is not None:
        ranks = rng.random((n, dimension)).argsort(axis=1).argsort(axis=1)
        return ranks < size
    if rate is None:
        raise ValueError("expected one of rho, size and rate, got none")
    return rng.random((n, dimension)) < rng.beta(rate[0], rate[1], size=(n, 1))


def draw_rows(
    rng: np.random.Generator,
    n: int,
    *,
    Sigma: np.ndarray,
    rho: float | None = None,
    size: int | None = None,
    rate: np.ndarray | None = None,
    alpha: np.ndarray | None = None,
    beta: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """n rows N(0, Σ) and their masks; with alpha and beta the probit self-masking P(m_j = 1 | x_j) = Φ(α_j +
    β_jx_j)."""
    dimension = len(Sigma)
    eigenvalues, vectors = np.linalg.eigh(Sigma)
    rows = rng.standard_normal((n, dimension)) @ (vectors * np.sqrt(np.clip(eigenvalues, 0, None))).T
    if alpha is not None and beta is not None:
        mask = rng.standard_normal((n, dimension)) < alpha + beta * rows
    else:
        mask = masks(rng, n, dimension, rho, size, rate)
    return np.stack([np.where(mask, rows, 0.0), mask], axis=1), rows


def predict_linear(tokens: np.ndarray, *, W: np.ndarray, copied: bool = True) -> np.ndarray:
    """x̂ = Wz, observed entries copied."""
    z, mask = tokens[:, 0], tokens[:, 1].astype(bool)
    predicted = z @ W.T
    return np.where(mask, z, predicted) if copied else predicted


def predict_softmax(tokens: np.ndarray, *, A: np.ndarray, v: float) -> np.ndarray:
    """x̂_i = v Σ_{j≠i} m_je^{A_ij}x_j / Σ_{j≠i} m_je^{A_ij}, zero where nothing is observed; observed entries copied."""
    z, mask = tokens[:, 0], tokens[:, 1].astype(bool)
    filled = z.copy()
    for i in range(z.shape[1]):
        scores = np.where(mask, A[i], -math.inf)
        scores[:, i] = -math.inf
        some = np.isfinite(scores).any(axis=1)
        weights = np.exp(scores[some] - scores[some].max(axis=1, keepdims=True))
        predicted = np.zeros(len(z))
        predicted[some] = v * (weights * z[some]).sum(axis=1) / weights.sum(axis=1)
        filled[:, i] = np.where(mask[:, i], z[:, i], predicted)
    return filled


LINEAR = Simulator(draw_rows, predict_linear)
SOFTMAX = Simulator(draw_rows, predict_softmax)
