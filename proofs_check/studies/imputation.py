"""Imputation by attention."""

from __future__ import annotations

from typing import Any

from ._attention_imputer import estimator_class
from ._imputation_calls import bayes_risk_at, impute, minimizer, risk_at

__all__ = ["AttentionImputer", "bayes_risk_at", "impute", "minimizer", "risk_at", "study"]


def __getattr__(name: str) -> Any:
    """`AttentionImputer`, which needs scikit-learn, is made when it is asked for."""
    if name == "AttentionImputer":
        return estimator_class()
    raise AttributeError(f"module {__name__} has no attribute {name}")
