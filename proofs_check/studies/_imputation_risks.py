"""Risks of the depth solver, pattern by pattern, in numbers.

With P = Σ⁻¹ and G = (I − ηP_mm)^t the error of t layers has the covariance P_mm⁻¹ + G(Σ_mm − P_mm⁻¹)Gᵀ.
"""

from __future__ import annotations

import numpy as np

from ._imputation_em import Patterns

__all__ = ["depth_risk"]


def depth_risk(covariance: np.ndarray, patterns: Patterns, precision: np.ndarray, step: float, layers: int) -> float:
    """Σ over rows of tr[P_mm⁻¹ + G(Σ_mm − P_mm⁻¹)Gᵀ], the expected squared error of all missing entries.

    >>> both = Patterns.of(np.array([[True, False]]))
    >>> covariance = np.array([[1.0, 0.5], [0.5, 1.0]])
    >>> depth_risk(covariance, both, np.linalg.inv(covariance), 0.75, 0)      # zero layers impute the mean
    1.0
    >>> round(depth_risk(covariance, both, np.linalg.inv(covariance), 0.75, 60), 12)
    0.75
    """
    total = 0.0
    for missing, _, belongs in patterns.groups:
        at = (missing[:, :, None], missing[:, None, :])
        block = precision[at]
        conditional = np.linalg.inv(block)
        contraction = np.linalg.matrix_power(np.eye(block.shape[-1]) - step * block, layers)
        excess = contraction @ (covariance[at] - conditional) @ np.swapaxes(contraction, 1, 2)
        weights = np.bincount(belongs, minlength=len(missing))
        total += float(weights @ np.trace(conditional + excess, axis1=1, axis2=2))
    return total
