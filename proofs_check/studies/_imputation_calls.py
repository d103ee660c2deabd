"""The imputers in numbers: risks, stationary points, the Bayes risk, and imputed rows.

Risks and minimizers evaluate what the engine derived (`_imputation_model`); the Bayes risk is an enumeration of all
patterns; `impute` applies one of three rules to rows of mean zero.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.linalg import lapack

from numerics import value

from ._imputation_bayes import bayes_imputed, missing_variances
from ._imputation_bert import bert_imputer, bert_risk, effective_rate, eta, kappa, p
from ._imputation_masks import MaskLaw, mask_law, probability
from ._imputation_model import LOSSES, C, H, Sigma, imputer, moments, rho, risk

__all__ = ["bayes_risk_at", "depth_layers", "impute", "minimizer", "risk_at"]

MOST_FEATURES = 16  # 2^16 patterns
EIGHTY_TEN_TEN = {kappa: 0.1, eta: 0.1}  # of the selected entries 10 % are kept, 10 % replaced, 80 % masked
METHODS = ("attention", "bayes", "depth")
MOST_LAYERS = 100_000


def covariance_of(Sigma: Any, name: str = "Sigma") -> np.ndarray:
    """A covariance given in floats, symmetrised.

    Asymmetry and negative eigenvalues up to 10·d·eps·‖Σ‖ are taken for rounding.

    Raises:
        ValueError: naming what is wrong, with the smallest eigenvalue of a matrix that is no covariance.
    """
    try:
        given = np.asarray(Sigma, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected a real matrix {name} of shape (d, d), got {name}={Sigma!r:.80}") from error
    if given.ndim != 2 or given.shape[0] != given.shape[1] or not given.size:
        raise ValueError(f"expected {name} of shape (d, d), got shape {given.shape}")
    if not np.isfinite(given).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(given))[0])
        raise ValueError(f"expected finite entries in {name}, got {given[at]!r} at {at}")
    slack = 10 * len(given) * np.finfo(float).eps * np.linalg.norm(given)
    asymmetry = float(np.abs(given - given.T).max())
    if asymmetry > slack:
        raise ValueError(f"expected a symmetric {name}, got entries that differ by {asymmetry:.3g} from the transpose")
    symmetric = (given + given.T) / 2
    try:
        np.linalg.cholesky(symmetric + slack * np.eye(len(given)))
    except np.linalg.LinAlgError:
        least = float(np.linalg.eigvalsh(symmetric)[0])
        raise ValueError(
            f"expected a positive semidefinite {name}, got smallest eigenvalue {least:.3g}; it is no covariance"
        ) from None
    return symmetric


def checked_loss(loss: Any) -> str:
    """The loss, if it is one of "missing" and "all"."""
    if loss not in LOSSES:
        raise ValueError(f"expected loss='missing' or loss='all', got loss={loss!r}")
    return loss


def risk_at(
    W: Any,
    Sigma: Any,
    *,
    rho: float | None = None,
    loss: str = "missing",
    mask: str = "bernoulli",
    size: int | None = None,
    rate: Any = None,
    moments: Any = None,
) -> float:
    """The population risk of the linear imputer x̂ = W(m ∘ x) under an exchangeable mask.

        missing   E Σ_i (1 − m_i)(x_i − x̂_i)²,        all   E Σ_i (x_i − x̂_i)²

    Args:
        W: (d, d). Its diagonal does not enter the missing loss.
        Sigma: covariance of the row x ~ N(0, Σ), (d, d), positive semidefinite.
        rho: probability of being *observed*, in (0, 1], for mask="bernoulli".
        loss: "missing" or "all"; a sum over entries, not a mean.
        mask: "bernoulli"; "size" for exactly `size` observed entries; "beta" for a rate from Beta(a, b), rate=(a, b);
            "exchangeable" for moments=[r₁, r₂, r₃], r_j = P(j given entries are observed); "bert" for entries selected
            with the probability 1 − ρ, then 80 % masked, 10 % replaced, 10 % kept: "missing" counts the selected ones.

    Raises:
        ValueError: naming the argument, its value and what was expected.

    Source: derived by the engine from the definition.

    >>> risk_at([[0, 0.5], [0.5, 0]], [[1, 0.5], [0.5, 1]], rho=0.5)
    0.875
    """
    covariance = covariance_of(Sigma)
    law = mask_law(len(covariance), mask, rho, size, rate, moments)
    try:
        weights = np.asarray(W, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected a real matrix W of shape {covariance.shape}, got W={W!r:.80}") from error
    if weights.shape != covariance.shape:
        raise ValueError(f"expected W of shape {covariance.shape}, that of Sigma, got shape {weights.shape}")
    if not np.isfinite(weights).all():
        raise ValueError(f"expected finite entries in W, got W={weights!r:.80}")
    return evaluated_risk(weights, covariance, law, checked_loss(loss))


def evaluated_risk(weights: np.ndarray, covariance: np.ndarray, law: MaskLaw, loss: str) -> float:
    """The derived risk at checked arguments."""
    at: dict[Any, Any] = {"W": weights, "Sigma": covariance}
    if law.kind == "bernoulli":
        return float(value(risk(loss), {**at, "rho": law.parameters[0]}))
    if law.kind == "bert":
        return float(value(bert_risk(loss), {**at, **EIGHTY_TEN_TEN, p: 1 - law.parameters[0]}))
    needed = moments if loss == "missing" else moments[:2]
    at |= {symbol: law.moment(j) for j, symbol in enumerate(needed, start=1)}
    return _value_at_moments(risk(loss, bernoulli=False).expr, at)


def _value_at_moments(expr: Any, at: dict[Any, Any]) -> float:
    """The risk where a moment may be zero, which the symbols, being positive, do not allow as a value."""
    zeros = {symbol: 0 for symbol in moments if at.get(symbol) == 0}
    return float(value(expr.subs(zeros), {symbol: number for symbol, number in at.items() if symbol not in zeros}))


def minimizer(
    Sigma: Any,
    *,
    rho: float | None = None,
    loss: str = "missing",
    mask: str = "bernoulli",
    rank: int | None = None,
    size: int | None = None,
    rate: Any = None,
    moments: Any = None,
) -> np.ndarray:
    """The stationary W of the population risk, its global minimum.

        C = ρΣ + (1 − ρ)D, H = C⁻¹, ρ the effective rate of the mask for the loss

        all       W = ΣH
        missing   W = (I − Diag(H)⁻¹H)/ρ: zero diagonal, the one choice of an infinity, since it does not matter
        rank k    W = U Uᵀ ΣH, U the k leading eigenvectors of ΣHΣ

    Computed as ΣH − Diag(ΣH) Diag(H)⁻¹ H, which is the same and has a limit at ρ = 0. A feature of variance zero gets
    the weights zero.

    Args:
        Sigma, rho, loss, mask, size, rate, moments: as in `risk_at`. At ρ = 1 the limit ρ → 1.
        rank: the rank of W = Q Kᵀ; with loss="all" only.

    Raises:
        ValueError: as `risk_at`; a rank with the missing loss; a singular C, where the minimizer is not unique.

    >>> minimizer([[1, 0.5], [0.5, 1]], rho=0.5).round(12)
    array([[0. , 0.5],
           [0.5, 0. ]])
    """
    covariance, loss = covariance_of(Sigma), checked_loss(loss)
    d = len(covariance)
    if rank is not None:
        if loss != "all":
            raise ValueError(
                "expected loss='all' with a rank, got loss='missing': a low rank with entries that do not count is a "
                "weighted low-rank problem, which has no closed form"
            )
        if isinstance(rank, bool) or not isinstance(rank, (int, np.integer)) or not 1 <= rank <= d:
            raise ValueError(f"expected a whole number 1 <= rank <= {d}, got rank={rank!r}")
    law = mask_law(d, mask, rho, size, rate, moments)
    corruption = {**EIGHTY_TEN_TEN, p: 1 - law.parameters[0]} if law.kind == "bert" else None
    effective = float(effective_rate.subs(corruption)) if corruption else law.rate(loss)
    varies = np.flatnonzero(np.diag(covariance) > 0)
    weights = np.zeros_like(covariance)
    if len(varies):
        within = covariance[np.ix_(varies, varies)]
        weights[np.ix_(varies, varies)] = _stationary(within, effective, loss, rank, corruption)
    return weights


def _stationary(
    covariance: np.ndarray, effective: float, loss: str, rank: int | None, corruption: dict[Any, float] | None
) -> np.ndarray:
    # in units of the standard deviations, so that features of different scales are no matter of conditioning
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(scale, scale)
    # the symbol ρ is positive, so that zero goes in by substitution
    metric, at = (C, {rho: effective}) if effective else (C.subs(rho, 0), {})
    second = np.asarray(value(metric, {Sigma: correlation, **at}))
    inverse = _inverse(second)
    if inverse is None:
        raise ValueError(
            f"expected an invertible second moment C = ρΣ + (1 − ρ)D, got a singular one at the rate {effective:g}: "
            "features determine one another and are all observed, so that W is not unique; take rho < 1"
        )
    formula = bert_imputer(loss).subs(corruption) if corruption else imputer(loss)
    weights = value(formula, {Sigma: correlation, H: inverse})
    weights = weights * np.outer(scale, 1 / scale)
    if loss == "missing" and not corruption:
        np.fill_diagonal(weights, 0.0)  # zero but for rounding
    if rank is None:
        return weights
    explained = weights @ covariance  # Σ C⁻¹ Σ
    _, vectors = np.linalg.eigh((explained + explained.T) / 2)
    leading = vectors[:, -rank:]
    return leading @ (leading.T @ weights)


def _inverse(matrix: np.ndarray) -> np.ndarray | None:
    """The inverse of a matrix with unit diagonal from its Cholesky factor; None where a pivot is rounding."""
    factor, refused = lapack.dpotrf(matrix, lower=1)
    if refused or np.min(np.diag(factor)) ** 2 <= 10 * len(matrix) * np.finfo(float).eps:
        return None
    half, _ = lapack.dpotri(factor, lower=1)
    return np.tril(half) + np.tril(half, -1).T


def bayes_risk_at(
    Sigma: Any,
    *,
    rho: float | None = None,
    loss: str = "missing",
    mask: str = "bernoulli",
    size: int | None = None,
    rate: Any = None,
    moments: Any = None,
) -> float:
    """The risk of the conditional expectation, R* = E_m tr Var(x_m | x_o), by enumeration of all 2^d patterns.

    The best imputer returns what is observed, so both losses have the same Bayes risk.

    Args:
        Sigma, rho, loss, mask, size, rate, moments: as in `risk_at`; d at most 16; mask="exchangeable" needs all d
            moments.

    Raises:
        ValueError: as `risk_at`; for more than 16 features.

    >>> bayes_risk_at([[1, 0.5], [0.5, 1]], rho=0.5)
    0.875
    """
    covariance = covariance_of(Sigma)
    checked_loss(loss)
    d = len(covariance)
    law = mask_law(d, mask, rho, size, rate, moments)
    if law.kind == "bert":
        raise ValueError(
            "expected a mask that says what is missing, got mask='bert', where the conditional expectation is a "
            "mixture over which entries were replaced; there is no formula, compare with risk_at at its minimizer"
        )
    if d > MOST_FEATURES:
        raise ValueError(
            f"expected at most {MOST_FEATURES} features to enumerate their patterns, got {d}; estimate it with "
            "simulate(imputation.BAYES, {'Sigma': Sigma, 'rho': rho}, samples, seed)"
        )
    return float(sum(law.pattern(j) * total for j, total in enumerate(missing_variances(covariance))))


def impute(
    x: Any,
    observed: Any,
    Sigma: Any,
    *,
    method: str = "attention",
    rho: float | None = None,
    layers: int | None = None,
) -> np.ndarray:
    """Rows of mean zero with their missing entries filled in; observed entries stay as they are.

        attention   x̂ = W(m ∘ x), W the minimizer of the missing loss at the rate ρ
        bayes       x̂ = E[x | x_o]
        depth       x̂ after so many layers x ← x − η(1 − m) ∘ (Px) from m ∘ x, P = Σ⁻¹, η = 2/(λ_min(P) + λ_max(P))

    Args:
        x: (n, d) or (d,); entries that are missing are not read, they may be NaN.
        observed: booleans of the shape of x, True for observed.
        Sigma: covariance, (d, d).
        method: "attention", "bayes" or "depth".
        rho: the rate W is for, needed by "attention".
        layers: depth; by default as many as the rate of contraction needs to reach the rounding of floats.

    Returns:
        An array of the shape of x. A row with nothing observed is imputed by its mean, zero.

    Raises:
        ValueError: for masks that are not boolean, wrong shapes, observed entries that are not finite, a missing
            rho, a singular Σ with "depth".

    >>> impute([2.0, float("nan")], [True, False], [[1, 0.5], [0.5, 1]], method="bayes")
    array([2., 1.])
    """
    covariance = covariance_of(Sigma)
    rows, seen = checked_rows(x, observed, len(covariance))
    if method not in METHODS:
        raise ValueError(f"expected one of {', '.join(METHODS)} for method, got method={method!r}")
    z = np.where(seen, rows, 0.0)
    if method == "attention":
        if rho is None:
            raise ValueError("expected rho with method='attention', the rate of observation W is the minimizer for")
        weights = minimizer(covariance, rho=probability("rho", rho))
        filled = np.where(seen, z, z @ weights.T)
    elif method == "bayes":
        filled = bayes_imputed(z, seen, covariance)
    else:
        filled = iterated(z, seen, *depth_layers(covariance, layers))
    return filled if np.ndim(x) == 2 else filled[0]


def checked_rows(x: Any, observed: Any, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, d) in floats and their mask."""
    try:
        rows = np.asarray(x, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected real rows x of shape (n, {d}), got x={x!r:.80}") from error
    seen = np.asarray(observed)
    if seen.dtype != bool:
        raise ValueError(
            f"expected booleans in observed, True for observed, got dtype {seen.dtype}; write ~numpy.isnan(x), or "
            "observed.astype(bool) if 1 means observed"
        )
    if rows.ndim not in (1, 2) or rows.shape[-1] != d:
        raise ValueError(f"expected x of shape (n, {d}) or ({d},), got shape {rows.shape}")
    if seen.shape != rows.shape:
        raise ValueError(f"expected observed of the shape of x, {rows.shape}, got {seen.shape}")
    rows, seen = np.atleast_2d(rows), np.atleast_2d(seen)
    if not np.isfinite(rows[seen]).all():
        at = tuple(int(i) for i in np.argwhere(seen & ~np.isfinite(rows))[0])
        raise ValueError(f"expected finite observed entries, got {rows[at]!r} at {at}, where observed is True")
    return rows, seen


def depth_layers(covariance: np.ndarray, layers: int | None = None) -> tuple[np.ndarray, float, int]:
    """(P, η, layers) of the iterative solver; by default ((c − 1)/(c + 1))^layers is below eps, c = cond(Σ).

    Raises:
        ValueError: for a singular Σ, no layers, or more than 100,000 of them.

    >>> depth_layers(np.eye(2))[1:]
    (1.0, 1)
    """
    eigenvalues, vectors = np.linalg.eigh(covariance)
    if eigenvalues[0] <= 10 * len(covariance) * np.finfo(float).eps * eigenvalues[-1]:
        raise ValueError(
            f"expected an invertible Sigma with method='depth', got smallest eigenvalue {eigenvalues[0]:.3g}; "
            "method='bayes' serves any covariance"
        )
    precision = (vectors / eigenvalues) @ vectors.T
    step = 2 / (1 / eigenvalues[0] + 1 / eigenvalues[-1])
    if layers is None:
        rate = (eigenvalues[-1] - eigenvalues[0]) / (eigenvalues[-1] + eigenvalues[0])
        eps = np.finfo(float).eps
        layers = 1 if rate <= eps else math.ceil(math.log(eps) / math.log(rate))
        if layers > MOST_LAYERS:
            raise ValueError(
                f"expected at most {MOST_LAYERS:,} layers, got {layers:,} to reach the rounding of floats for a "
                f"condition number of {eigenvalues[-1] / eigenvalues[0]:.3g}; give layers, or take method='bayes'"
            )
    if isinstance(layers, bool) or not isinstance(layers, (int, np.integer)) or layers < 0:
        raise ValueError(f"expected a whole number layers >= 0, got layers={layers!r}")
    return (precision + precision.T) / 2, float(step), int(layers)


def iterated(z: np.ndarray, seen: np.ndarray, precision: np.ndarray, step: float, layers: int) -> np.ndarray:
    """x ← x − η(1 − m) ∘ (Px), so many times from z."""
    filled = z.copy()
    scaled = step * precision
    for _ in range(layers):
        filled -= np.where(seen, 0.0, filled @ scaled)
    return filled
