"""Attention PCA: one attention layer that reconstructs its query, and how that is principal component analysis.

Source: Maulen-Soto, Boyer, *Attention-based PCA*, arXiv 2605.18315 (only its abstract was at hand: what is known of
its statements is second-hand); Baldi, Hornik, Neural Networks 2 (1989), for the linear autoencoder behind it. What is
marked "derived here" is not known to be in print.

Setting. Tokens x_i ~ N(0, Σ) i.i.d., a query x ~ N(0, Σ), and the layer

    linear     out = (1/n) Σ_i ⟨Bx, x_i⟩ V x_i = V C B x
    softmax    out = V Σ_i p_i x_i,  p = softmax ⟨Bx, x_i⟩
    R = ½ E‖x − out‖²

The query is *fresh*, independent of the n tokens, or *inside*, one of them. At n = ∞, C = Σ for both layers. B = KᵀQ
of rank k; a *tied* head has B = WWᵀ, V = I. With γ_i = (1 + 1/n)s_i + t/n, t = tr Σ, the results are

    tied, or K and Q untied, V = I   subsets of eigenvectors, shrunk by ν_i = s_i/γ_i; the leading one is the minimum,
                                     every other stationary point a strict saddle, with its Hessian in closed form
    query inside                     the same subsets, other ν; the same as a Wishart covariance with ν = n
    V trained too, n finite          a nuclear norm: weak directions are dropped altogether
    V, K, Q trained, n = ∞           projectors VΣB; the origin is a saddle that no Hessian sees
    one direction of norm one        past a temperature λ_c the minimum is no principal component, later the last one
    the trained layer                maps N(0, Σ) to the nearest law on k dimensions

Conventions. B acts on the query: papers that write the score xᵀAy have B = Aᵀ. R has the factor ½ and the score of a
rank-one head is λ⟨μ, x⟩⟨μ, y⟩; elsewhere the risk is 2R, the score ⟨u, x⟩⟨u, y⟩ with u = √λ μ, and the length of the
prompt is L. Claims with "conversion" or "rank one" in their names convert. n counts the query where it is inside.

Where it is: the model and the simulator in `_attention_pca_model`, the claims in `_attention_pca_risks`, `…_landscape`,
`…_factors`, `…_sphere` and `…_context`, the plain calls in `…_calls`, real data in `…_data`.
"""

from __future__ import annotations

from proofs_check.claim import Study

from . import (
    _attention_pca_context,
    _attention_pca_factors,
    _attention_pca_landscape,
    _attention_pca_risks,
    _attention_pca_sphere,
)
from ._attention_pca_calls import StationaryFamily, minimizer, risk_at, stationary_points_at
from ._attention_pca_data import DATA_SETS, DataCard, data_card
from ._attention_pca_model import PAPER, SIMULATOR, fresh_risk
from ._attention_pca_risks import derivation_of_the_risk

__all__ = [
    "DATA_SETS",
    "DataCard",
    "StationaryFamily",
    "data_card",
    "minimizer",
    "risk_at",
    "stationary_points_at",
    "study",
]

study = Study(
    name="attention-pca",
    title="Attention PCA: one attention layer that reconstructs its query",
    source=f"{PAPER}; Baldi, Hornik (1989)",
    claims=(
        *_attention_pca_risks.claims,
        *_attention_pca_landscape.claims,
        *_attention_pca_factors.claims,
        *_attention_pca_sphere.claims,
        *_attention_pca_context.claims,
    ),
    simulator=SIMULATOR,
    risk=fresh_risk,
    derivations=(derivation_of_the_risk,),
)
