"""Attention PCA: one attention layer that reconstructs its query."""

from __future__ import annotations

from proofs_check.claim import Study

from ._attention_pca_calls import StationaryFamily, minimizer, risk_at, stationary_points_at
from ._attention_pca_model import SIMULATOR, fresh_risk

__all__ = ["StationaryFamily", "minimizer", "risk_at", "stationary_points_at", "study"]

study = Study(name="attention-pca", title="t", source="s", claims=(), simulator=SIMULATOR, risk=fresh_risk)
