"""The corruption BERT is trained with: its law, and the risks of a linear imputer under it, derived by the engine.

An entry is selected with probability p; then kept (κ), replaced by an independent draw N(0, Σ_ii) (η) or masked
(1 − κ − η). Each entry has a label, one of

    not selected (1 − p),   kept (pκ),   replaced (pη),   masked (p(1 − κ − η)),

and what is seen, z̃, is the entry itself for the first two, the draw for the third, zero for the last. c = 1 − p + pκ is
the probability that the entry itself is seen. With κ = η = 0 this is the mask at the rate ρ = 1 − p, and the loss on
selected entries is the loss on missing ones.

With ρ = c²/(c + pη), C = ρΣ + (1 − ρ)D, H = C⁻¹ and s = c/(c + pη), the minima are

    all        W = s ΣH
    selected   W = (I − κT) Z + T,   Z = s(ΣH − Diag(ΣH)Diag(H)⁻¹H),   q = diag(ZΣ),
               T diagonal,  t_i = κ(Σ_ii − c q_i)/((κ + η)Σ_ii − κ²c q_i)

Where an entry shows as masked the best weights are the row of Z, free of κ.
"""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

from theory import E, GaussianVector, Labels, Risk, dot

from ._imputation_model import D, H, Sigma, W, d, imputer, x

__all__ = [
    "KEPT",
    "MASKED",
    "NOT_SELECTED",
    "REPLACED",
    "bert_imputer",
    "bert_risk",
    "c",
    "effective_rate",
    "eta",
    "kappa",
    "loss_where",
    "own_weights",
    "p",
    "seen",
    "shrinkage",
    "where",
]

p, kappa, eta = sp.symbols("p kappa eta", positive=True)
c = 1 - p + p * kappa
shrinkage = c / (c + p * eta)
effective_rate = c * shrinkage
labels = Labels("L", d, [1 - p, p * kappa, p * eta, p * (1 - kappa - eta)])
drawn = GaussianVector("xi", d, covariance=D)
NOT_SELECTED, KEPT, REPLACED, MASKED = range(4)


def where(*kinds: int) -> sp.MatrixExpr:
    """Which entries have one of the labels."""
    return labels * sp.ImmutableMatrix([int(kind in kinds) for kind in range(4)])


seen = sp.HadamardProduct(where(NOT_SELECTED, KEPT), x) + sp.HadamardProduct(where(REPLACED), drawn)


def loss_where(*kinds: int, weights: sp.MatrixExpr = W) -> sp.Expr:
    """The squared error over entries of some labels.

    >>> loss_where(MASKED).has(W)
    True
    """
    error = x - weights * seen
    if set(kinds) != {NOT_SELECTED, KEPT, REPLACED, MASKED}:
        error = sp.HadamardProduct(where(*kinds), error)
    return dot(error, error)


@lru_cache
def bert_risk(loss: str = "missing") -> Risk:
    """The population risk of W, the same whether an entry is selected or not, from its definition.

    Args:
        loss: "missing" for the selected entries, "all" for all.

    >>> bert_risk("all").parameters
    (W,)
    """
    others = () if loss == "missing" else (NOT_SELECTED,)
    expr = E(loss_where(*others, KEPT, REPLACED, MASKED))
    return Risk(expr, (W,), source="derived here", symmetric=frozenset({Sigma}))


def own_weights(others: sp.MatrixExpr, kept: sp.Expr = kappa, second: sp.Expr = kappa + eta) -> sp.MatrixExpr:
    """The best weight of an entry on what it shows itself, t_i = κ(Σ_ii − c q_i)/(uΣ_ii − κ²c q_i), q = diag(ZΣ).

    Args:
        others: Z, the best weights on the other entries where the entry is masked.
        kept: κ, the mean of the own value against what it shows; κ/(κ + η) for a predictor that sees the mask.
        second: u, the second moment of what it shows in units of Σ_ii; 1 for a predictor that sees the mask.
    """
    variances, explained = sp.DiagonalOf(Sigma), c * sp.DiagonalOf(others * Sigma)
    rest = second * variances - kept**2 * explained
    return sp.HadamardProduct(kept * (variances - explained), sp.HadamardPower(rest, -1))


def bert_imputer(loss: str = "missing", inverse: sp.MatrixExpr = H) -> sp.MatrixExpr:
    """The stationary W in terms of Σ and H = C⁻¹ at the effective rate, for a predictor blind to the selection.

    >>> bert_imputer("all", H).has(H)
    True
    """
    others = shrinkage * imputer(loss, inverse)
    if loss == "all":
        return others
    own = sp.DiagMatrix(own_weights(others))
    return others - kappa * own * others + own
