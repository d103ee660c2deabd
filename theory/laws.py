"""Laws: the joint distribution of tokens, latents and target.

A law is written by its user in a few lines: its tokens (`GaussianMatrix` or `Tokens`), its
target as an expression in them, its latent locations if it has any.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import sympy as sp

from .variables import Latent, TokenMatrix

__all__ = ["Law"]


class Law(ABC):
    """The joint law of a prompt X and its target Y.

    >>> from .variables import GaussianMatrix, dot
    >>> class FirstToken(Law):
    ...     def tokens(self):
    ...         return GaussianMatrix("X", 4, 2)
    ...     def target(self):
    ...         return dot(self.tokens()[0, :], sp.Matrix([1, 0]))
    >>> FirstToken().latents()
    ()
    """

    @abstractmethod
    def tokens(self) -> TokenMatrix | sp.MatrixExpr:
        """The prompt X, of shape (L, d), or a single random vector."""

    @abstractmethod
    def target(self) -> sp.Expr:
        """The target Y, a scalar expression in the tokens and independent noise."""

    def latents(self) -> tuple[Latent, ...]:
        """The latent locations the tokens are placed at; none by default."""
        return ()
