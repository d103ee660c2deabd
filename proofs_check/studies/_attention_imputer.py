"""`AttentionImputer`: the imputers of the study as a scikit-learn estimator.

The class needs scikit-learn, which is optional, so that it is made when somebody asks for it: `estimator_class`. What
it computes stands in the other files of the study, in numpy.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from ._imputation_calls import depth_layers, iterated, minimizer, risk_at
from ._imputation_em import GaussianFit, Patterns, complete, fit_gaussian, standardised
from ._imputation_risks import depth_risk

__all__ = ["estimator_class"]

METHODS = ("attention", "bayes", "depth")


def predicted_risk(fit: GaussianFit, seen: np.ndarray, method: str, rho: float, weights: Any, layers: Any) -> float:
    """What the theory predicts for one missing entry, in units of the variance of its feature.

    For "attention" the population risk at the rate ρ over the number of missing entries; for "bayes" and "depth"
    the mean over the patterns that were seen (where nothing was missing: over one missing entry at a time).
    """
    varies = np.flatnonzero(fit.scale > 0)
    if not len(varies):
        return 0.0
    correlation = fit.correlation[np.ix_(varies, varies)]
    if method == "attention":  # W has no diagonal, so that an entry of the loss "all" is one of the loss "missing"
        return risk_at(weights[np.ix_(varies, varies)], correlation, rho=rho, loss="all") / len(varies)
    mask = seen[:, varies]
    if mask.all():
        mask = ~np.eye(len(varies), dtype=bool)
    patterns, missing = Patterns.of(mask), int((~mask).sum())
    if method == "bayes":
        _, variances = complete(np.zeros(mask.shape), patterns, np.linalg.inv(correlation))
        return float(np.trace(variances)) / missing
    return depth_risk(correlation, patterns, *depth_layers(correlation, layers)) / missing


@lru_cache
def estimator_class() -> type:
    """The class `AttentionImputer`, made on first use.

    Raises:
        ImportError: without scikit-learn, saying how to install it.
    """
    try:
        from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.utils.validation import check_is_fitted, validate_data
    except ImportError as error:
        raise ImportError(
            "AttentionImputer needs scikit-learn 1.6 or newer: pip install 'attention-theory[data]'; "
            "risk_at, minimizer, bayes_risk_at and impute do without"
        ) from error

    class AttentionImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
        """Imputation by one layer of linear attention, its weights in closed form from incomplete rows.

            fit         means, scales and correlations by EM; W, the stationary point of the population risk
            transform   x̂ = μ + s ∘ W(m ∘ (x − μ)/s) at missing entries, what is observed stays

        Args:
            method: "attention", one linear layer, its weights the same for every pattern; "depth", residual layers
                with tied weights, an iterative solver; "bayes", the conditional expectation.
            rho: the rate of observation W is for; by default the share of observed entries seen in `fit`.
            layers: depth; by default as many as reach the rounding of floats.
            prior: weight of independent features in rows, see `fit_gaussian`.
            tol: precision of EM, in parts of a standard error.
            max_iter: at most so many EM steps.

        Attributes:
            mean_, covariance_: of the rows.
            rho_: the rate of W.
            weights_: W in units of the standard deviations, for method="attention", else None.
            predicted_risk_: expected squared error of a missing entry in units of the variance of its feature, by the
                theory at the fitted covariance: 1 is imputation by the mean, 0 perfect.
            n_iter_: steps of EM.

        Missing entries are NaN. A column without any observed entry is refused in `fit`; a row without any is imputed
        by the means; a feature that never varies, by its value.

        >>> import numpy as np
        >>> x = np.array([[1.0, 2.0], [2.0, np.nan], [3.0, 6.0], [np.nan, 8.0]])
        >>> AttentionImputer().fit_transform(x).shape
        (4, 2)
        """

        def __init__(
            self,
            method: str = "attention",
            *,
            rho: float | None = None,
            layers: int | None = None,
            prior: float = 1.0,
            tol: float = 0.05,
            max_iter: int = 200,
        ) -> None:
            self.method = method
            self.rho = rho
            self.layers = layers
            self.prior = prior
            self.tol = tol
            self.max_iter = max_iter

        def fit(self, X: Any, y: Any = None) -> AttentionImputer:
            """Fit means and covariance by EM, and the weights of the layer.

            Args:
                X: rows (n, d), NaN where missing.
                y: ignored.

            Raises:
                ValueError: for a column without observed entries, infinite entries, parameters out of range.
            """
            self._check_parameters()
            X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
            seen = ~np.isnan(X)
            empty = np.flatnonzero(~seen.any(axis=0))
            if len(empty):
                names = getattr(self, "feature_names_in_", np.arange(X.shape[1]))
                raise ValueError(
                    f"expected an observed entry in each column, got none in {', '.join(map(str, names[empty]))}; "
                    "leave the column out"
                )
            fit = fit_gaussian(X, seen, prior=self.prior, tol=self.tol, max_iter=self.max_iter)
            if not fit.converged:
                warnings.warn(
                    f"EM stopped after max_iter={self.max_iter} steps, the last one still moved a mean or a "
                    f"correlation by {fit.change:.2g} standard deviations (tolerance {fit.limit:.2g}); "
                    "raise max_iter or tol",
                    ConvergenceWarning,
                    stacklevel=2,
                )
            varies = fit.scale > 0
            self.fit_ = fit
            self.mean_, self.covariance_, self.n_iter_ = fit.mean, fit.covariance, max(fit.steps, 1)
            share = float(seen[:, varies].mean()) if varies.any() else 1.0
            self.rho_ = share if self.rho is None else float(self.rho)
            self.weights_ = minimizer(fit.correlation, rho=self.rho_) if self.method == "attention" else None
            self.predicted_risk_ = predicted_risk(fit, seen, self.method, self.rho_, self.weights_, self.layers)
            return self

        def transform(self, X: Any) -> np.ndarray:
            """The rows with their missing entries filled in.

            Args:
                X: rows (n, d), NaN where missing.
            """
            check_is_fitted(self)
            X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
            fit, seen = self.fit_, ~np.isnan(X)
            z = standardised(X, seen, fit.mean, fit.scale)
            if self.weights_ is not None:
                filled = z @ self.weights_.T
            elif self.method == "bayes":
                filled, _ = complete(z, Patterns.of(seen), np.linalg.inv(fit.correlation))
            else:
                filled = iterated(z, seen, *depth_layers(fit.correlation, self.layers))
            return np.where(seen, X, fit.mean + fit.scale * filled)

        def _check_parameters(self) -> None:
            if self.method not in METHODS:
                raise ValueError(f"expected one of {', '.join(METHODS)} for method, got method={self.method!r}")
            for name, least in (("prior", 0), ("tol", 0), ("max_iter", 1)):
                given = getattr(self, name)
                if isinstance(given, bool) or not isinstance(given, (int, float, np.number)) or not given >= least:
                    raise ValueError(f"expected a number {name} >= {least}, got {name}={given!r}")

        def __sklearn_tags__(self) -> Any:
            tags = super().__sklearn_tags__()
            tags.input_tags.allow_nan = True
            return tags

    # Found under its public name, also by what copies objects between processes.
    AttentionImputer.__module__ = "proofs_check.studies.imputation"
    AttentionImputer.__qualname__ = "AttentionImputer"
    return AttentionImputer
