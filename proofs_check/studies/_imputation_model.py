"""The linear attention imputer: its population risks, derived by the engine, and where they are stationary.

x ~ N(0, Σ) in R^d, a mask m with m_i = 1 where x_i is observed, z = m ∘ x. One layer of linear attention whose tokens
are the features, with an embedding e_i of the index as key and query and the value of the feature as value, predicts

    x̂ = W z,    W_ij = v (Q e_i)·(K e_j),

so that W is any matrix, or one of rank k. Losses, without a factor 1/2, summed over the entries:

    all       E ‖x − x̂‖²
    missing   E ‖(1 − m) ∘ (x − x̂)‖²

For an exchangeable mask with r_j = P(j given entries are observed) the risks hold r₁, r₂, r₃ only; the matrices in
them are Σ and its diagonal D. With the effective rate ρ of a loss (`effective_rates`) and C = ρΣ + (1 − ρ)D, H = C⁻¹,

    all       W C = Σ,                                          W = ΣH
    missing   W C = Σ − Λ with Λ diagonal and W_ii = 0,         W = ΣH − Diag(ΣH) Diag(H)⁻¹ H

The diagonal of W does not enter the missing loss: a missing entry is zero in z. It is a flat direction.
"""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

from theory import E, GaussianVector, Mask, Risk, dot, matrix_gradient

__all__ = [
    "C",
    "D",
    "H",
    "Sigma",
    "W",
    "d",
    "effective_rates",
    "error_of",
    "imputer",
    "moments",
    "rho",
    "risk",
    "slope",
    "x",
]

d = sp.Symbol("d", integer=True, positive=True)
rho = sp.Symbol("rho", positive=True)
moments = sp.symbols("r1 r2 r3", positive=True)
Sigma, W, H = (sp.MatrixSymbol(name, d, d) for name in ("Sigma", "W", "H"))
x = GaussianVector("x", d, covariance=Sigma)
one = sp.OneMatrix(d, 1)
D = sp.DiagonalMatrix(Sigma)
C = rho * Sigma + (1 - rho) * D
LOSSES = ("missing", "all")


def error_of(mask: sp.Expr, loss: str, weights: sp.Expr = W, vector: sp.Expr = x) -> sp.Expr:
    """The vector whose squared norm is the loss: x − Wz, or its missing entries.

    >>> error_of(Mask("m", d, rho), "all").shape
    (d, 1)
    """
    error = vector - weights * sp.HadamardProduct(mask, vector)
    return error if loss == "all" else sp.HadamardProduct(one - mask, error)


@lru_cache
def risk(loss: str = "missing", bernoulli: bool = True) -> Risk:
    """The population risk of W, from its definition.

    Args:
        loss: "missing" or "all".
        bernoulli: entries observed independently with probability ρ; else any exchangeable mask, in r₁, r₂, r₃.

    >>> risk("all").parameters
    (W,)
    """
    mask = Mask("m", d, rho) if bernoulli else Mask("m", d, moments=list(moments))
    error = error_of(mask, loss)
    return Risk(E(dot(error, error)), (W,), source="derived here", symmetric=frozenset({Sigma}))


@lru_cache
def slope(loss: str = "missing", bernoulli: bool = True) -> sp.MatrixExpr:
    """The gradient of the risk in W."""
    return matrix_gradient(risk(loss, bernoulli).expr, W, known=frozenset({Sigma}))


def effective_rates(loss: str, r1: sp.Expr, r2: sp.Expr, r3: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Numerator and denominator of the effective rate ρ: P(j, l observed | j counts), l beside j.

        all       r₂/r₁ = P(l observed | j observed)
        missing   (r₂ − r₃)/(r₁ − r₂) = P(l observed | j observed, i missing)

    >>> effective_rates("all", rho, rho**2, rho**3)
    (rho**2, rho)
    """
    return (r2, r1) if loss == "all" else (r2 - r3, r1 - r2)


def imputer(loss: str, inverse: sp.MatrixExpr = H) -> sp.MatrixExpr:
    """The stationary W in terms of Σ and H = C⁻¹.

    >>> imputer("all")
    Sigma*H
    """
    if loss == "all":
        return Sigma * inverse
    ratio = sp.HadamardProduct(sp.DiagonalOf(Sigma * inverse), sp.HadamardPower(sp.DiagonalOf(inverse), -1))
    return (Sigma - sp.DiagMatrix(ratio)) * inverse
