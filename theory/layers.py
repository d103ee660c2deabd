"""Layers: the map from tokens to prediction.

A layer is written by its user as one expression. The pointwise attention layer

    T(X) = Σ_ℓ φ(λ⟨X_ℓ, k⟩) ⟨X_ℓ, v⟩

serves every activation φ: erf, probit, linear, polynomial, tanh, ...
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from .variables import dot

__all__ = ["Layer", "PointwiseAttention", "token_index"]


def token_index(name: str = "l") -> sp.Symbol:
    """The index of a sum over tokens.

    >>> token_index().is_integer
    True
    """
    return sp.Symbol(name, integer=True)


class Layer(ABC):
    """A map from a prompt to a prediction."""

    @abstractmethod
    def predict(self, tokens: sp.MatrixExpr) -> sp.Expr:
        """The prediction T(X), a scalar expression in the tokens."""


@dataclass(frozen=True)
class PointwiseAttention(Layer):
    """Attention with a pointwise activation in place of the softmax.

        T(X) = Σ_ℓ φ(λ⟨X_ℓ, k⟩) ⟨X_ℓ, v⟩

    Args:
        k, v: key and value directions, d × 1.
        lam: inverse temperature λ.
        activation: the function φ of the score, on sympy expressions; default erf.

    >>> from .variables import GaussianMatrix
    >>> L, d = sp.symbols("L d", integer=True, positive=True)
    >>> k, v = sp.MatrixSymbol("k", d, 1), sp.MatrixSymbol("v", d, 1)
    >>> PointwiseAttention(k, v, sp.Symbol("lam")).predict(GaussianMatrix("X", L, d))
    Sum(erf(lam*dot(k, X[l, :]))*dot(v, X[l, :]), (l, 0, L - 1))
    """

    k: sp.MatrixExpr
    v: sp.MatrixExpr
    lam: sp.Expr
    activation: Callable[[sp.Expr], sp.Expr] = sp.erf

    def predict(self, tokens: sp.MatrixExpr) -> sp.Expr:
        """T(X)."""
        index = token_index()
        token = tokens[index, :]
        body = self.activation(self.lam * dot(token, self.k)) * dot(token, self.v)
        return sp.Sum(body, (index, 0, tokens.shape[0] - 1))
