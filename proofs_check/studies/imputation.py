"""Imputation by attention, and inference and prediction from incomplete rows of Gaussian data.

x ~ N(0, Σ) in R^d, a mask m with m_i = 1 where x_i is *observed*, ρ = P(m_i = 1), z = m ∘ x. One layer of linear
attention over the features, with an embedding of their index, is the linear imputer x̂ = Wz; its risks, gradients and
stationary points follow from the engine, for any exchangeable mask, as do the corruption of BERT and masks of any
law:

    all entries       W = ΣC⁻¹,  C = ρΣ + (1 − ρ)Diag(Σ)
    missing entries   W = (I − Diag(H)⁻¹H)/ρ,  H = C⁻¹, with the diagonal of W a flat direction of dimension d

How transformers are trained, as corruption laws. Every line is a claim, or several:

    scheme                 corruption law                     loss on    result
    ---------------------  ---------------------------------  ---------  ---------------------------------------------
    BERT (2018)            15 % selected; of these 80 %       selected   `masked-entries-are-a-ridge`: a mask at the
                           masked, 10 % redrawn, 10 % kept               rate c = .865 with a ridge on top
    RoBERTa (2019)         the same, drawn anew each epoch    selected   the population risk of BERT's law itself
    Wettig et al. (2022)   the same, rates 15 % to 80 %       selected   c and the ridge as functions of the rate
    SpanBERT, T5           spans of mean length 3.8 or 3      masked     `normal-equations-of-any-mask`
    ELECTRA (2020)         tokens replaced by samples         all        the replaced part of BERT's law: κ = 0, η = 1
    BEiT, SimMIM           40 %, 60 % of patches masked       masked     `minimum-on-missing-entries`
    MAE (2022)             75 %, masked patches not seen      masked     `risk-of-softmax-over-observed-features`
    random masking rate    a rate drawn for each row          masked     `effective-rate-of-a-random-rate`
    exactly k observed     k of d, uniformly                  masked     `effective-rate-of-a-fixed-number`
    SAITS, NPT, ReMasker   an artificial mask on top of       the        `two-nested-masks`: the product of the rates
                           natural missingness                second
    MAR                    given an entry always observed     missing    `missing-at-random-through-an-observed-entry`
    MNAR, probit           P(seen | x_j) = Φ(α_j + β_jx_j)    all        `probit-second-moment`, and those before it
    MNAR, Gaussian         P(missing | x_j) ∝ Gaussian        missing    `gaussian-self-masking-of-two-entries`

Conventions: ρ is the probability of being observed (papers often give that of being missing); losses are sums over
entries, not means, without a factor 1/2; zero imputation is for centred rows.

References: J. Devlin et al. (2018); Y. Liu et al. (2019); A. Wettig et al., arXiv 2202.08005; M. Joshi et al. (2020);
C. Raffel et al. (2020); K. Clark et al. (2020); H. Bao et al. (2021); Z. Xie et al. (2022); K. He et al. (2022); W.
Du et al. (2023); J. Kossen et al. (2021); T. Du et al. (2024); K. Lounici (2014); M. Le Morvan et al., arXiv
2007.01627; A. Ayme, C. Boyer, A. Dieuleveut, E. Scornet, arXiv 2301.13585; A. Dempster, N. Laird, D. Rubin (1977).
What is said of the schemes is from memory of these papers.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from proofs_check.claim import Study
from theory import Derivation, Mask, derive, dot

from ._attention_imputer import estimator_class
from ._imputation_adaptive import BAYES, adaptive_claims
from ._imputation_calls import bayes_risk_at, impute, minimizer, risk_at
from ._imputation_corruption import corruption_claims
from ._imputation_inference import in_context_error, inference_claims
from ._imputation_linear import linear_claims
from ._imputation_model import Sigma, d, error_of, rho, risk
from ._imputation_real_data import compare_imputers
from ._imputation_simulators import LINEAR, SOFTMAX

__all__ = [  # noqa: F822, the estimator is made on request
    "BAYES",
    "LINEAR",
    "SOFTMAX",
    "AttentionImputer",
    "bayes_risk_at",
    "compare_imputers",
    "impute",
    "minimizer",
    "risk",
    "risk_at",
    "study",
]


def __getattr__(name: str) -> Any:
    """`AttentionImputer`, which needs scikit-learn, is made when it is asked for."""
    if name == "AttentionImputer":
        return estimator_class()
    raise AttributeError(f"module {__name__} has no attribute {name}")


def derivation_on_missing_entries() -> Derivation:
    """The risk of a linear imputer on missing entries, from its definition."""
    error = error_of(Mask("m", d, rho), "missing")
    return derive(dot(error, error))


def derivation_on_all_entries() -> Derivation:
    """The risk of a linear imputer on all entries, from its definition."""
    error = error_of(Mask("m", d, rho), "all")
    return derive(dot(error, error))


def derivation_in_context() -> Derivation:
    """The risk of in-context imputation across rows with B = V = I, from its definition."""
    identity = sp.Identity(d)
    error = in_context_error(d, Sigma, identity, identity)
    return derive(dot(error, error))


study = Study(
    name="imputation",
    title="Imputation by attention: inference and prediction from incomplete data",
    source="derived here; see the head of the file",
    claims=(*linear_claims, *corruption_claims, *adaptive_claims, *inference_claims),
    simulator=BAYES,
    risk=risk,
    derivations=(derivation_on_missing_entries, derivation_on_all_entries, derivation_in_context),
)
