"""The model of the study `attention_pca`: laws, layers, the risks that the engine derives, and a literal simulator.

    fresh query     x, x₁, …, x_n i.i.d. N(0, Σ)               out = V C B x,  C = (1/n) Σ_i x_i x_iᵀ
    query inside    x = x₁, the prompt is x₁, …, x_n            the same layer: n counts the query
    n = ∞           C = Σ, for linear and for softmax attention
    in context      Σ is itself random, Wishart with ν degrees of freedom and mean Σ, one for each prompt

    R = ½ E‖x − out‖²

A random covariance is drawn through its rows: x = Aᵀh/√ν and X = HA/√ν with A of ν rows N(0, Σ), h and H standard
normal. Nothing in this file is a formula of a paper: every risk is what `population_risk` makes of these lines.

Definitions: `LinearAttention`, `Reconstruction`, `mean_field_risk`, `fresh_risk`, `inside_risk`, `wishart_risk`,
`wishart_prompt_risk`, and the same with B = WWᵀ; `SIMULATOR`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from numerics import Simulator
from theory import GaussianMatrix, GaussianVector, Law, Layer, Risk, dot, matrix_gradient, population_risk
from theory.notation import d

__all__ = [
    "B",
    "H",
    "K",
    "LinearAttention",
    "MeanFieldAttention",
    "Q",
    "Reconstruction",
    "S",
    "SIMULATOR",
    "U",
    "V",
    "W",
    "draw",
    "fresh_risk",
    "gradient_in",
    "half_squared_error",
    "inside_risk",
    "k",
    "mean_field_risk",
    "n",
    "predict",
    "prompts",
    "second_moment",
    "second_variation",
    "tied",
    "wishart_prompt_risk",
    "wishart_risk",
]

n, k, nu = sp.symbols("n k nu", integer=True, positive=True)
S, V, B, U = (sp.MatrixSymbol(name, d, d) for name in ("Sigma", "V", "B", "U"))
W, H = (sp.MatrixSymbol(name, d, k) for name in "WH")
K, Q = (sp.MatrixSymbol(name, k, d) for name in "KQ")

PAPER = "Maulen-Soto, Boyer (2026), arXiv 2605.18315"


def half_squared_error(target: sp.Expr, prediction: sp.Expr) -> sp.Expr:
    """½‖x − out‖²."""
    return dot(target - prediction, target - prediction) / 2


# --- laws and layers -----------------------------------------------------------------------


@dataclass(frozen=True)
class Reconstruction(Law):
    """The target is the query itself."""

    prompt: sp.MatrixExpr
    query: sp.MatrixExpr

    def tokens(self) -> sp.MatrixExpr:
        return self.prompt

    def target(self) -> sp.MatrixExpr:
        return self.query


@dataclass(frozen=True)
class LinearAttention(Layer):
    """out = (1/n) Σ_i ⟨Bx, x_i⟩ V x_i = V C B x, for a query x and a prompt of n tokens x_i, the rows of X."""

    query: sp.MatrixExpr
    V: sp.MatrixExpr = V
    B: sp.MatrixExpr = B

    def predict(self, tokens: sp.MatrixExpr) -> sp.MatrixExpr:
        return self.V * tokens.T * tokens * self.B * self.query / tokens.shape[0]


@dataclass(frozen=True)
class MeanFieldAttention(Layer):
    """out = V C B x with C the covariance of the tokens, the limit n → ∞ of `LinearAttention`."""

    query: sp.MatrixExpr
    C: sp.MatrixExpr = S
    V: sp.MatrixExpr = V
    B: sp.MatrixExpr = B

    def predict(self, tokens: sp.MatrixExpr) -> sp.MatrixExpr:
        return self.V * self.C * self.B * self.query


def prompts(query: str = "fresh", *, length: sp.Expr = n, in_context: bool = False) -> tuple[Law, Layer]:
    """The law of a prompt and the layer that reads it, for general V and B.

    Args:
        query: "fresh", "inside", or "mean field" for n = ∞.
        length: n.
        in_context: the covariance is Wishart with ν degrees of freedom.
    """
    if in_context:
        rows = GaussianMatrix("A", nu, d, covariance=S)
        h, G = GaussianVector("h", nu), GaussianMatrix("G", length, nu)
        x: sp.MatrixExpr = rows.T * h / sp.sqrt(nu)
        X: sp.MatrixExpr = G * rows / sp.sqrt(nu)
        C: sp.MatrixExpr = rows.T * rows / nu
    else:
        x, X, C = GaussianVector("x", d, covariance=S), GaussianMatrix("X", length, d, covariance=S), S
    if query == "mean field":
        return Reconstruction(x, x), MeanFieldAttention(x, C)
    if query == "inside":
        x = X[0, :].T
    return Reconstruction(X, x), LinearAttention(x)


def _risk(loss: Callable[[sp.Expr, sp.Expr], sp.Expr] = half_squared_error, **which: Any) -> Risk:
    law, layer = prompts(**which)
    return population_risk(law, layer, loss, parameters=(V, B), source=PAPER)


@lru_cache
def mean_field_risk() -> Risk:
    """The risk at n = ∞.

    >>> print(mean_field_risk().expr.coeff(sp.Trace(S)))
    1/2
    """
    return _risk(query="mean field")


@lru_cache
def fresh_risk() -> Risk:
    """The risk of linear attention with a prompt of n tokens and a query independent of them."""
    return _risk(query="fresh")


@lru_cache
def inside_risk() -> Risk:
    """The risk of linear attention with the query among the n tokens of the prompt."""
    return _risk(query="inside")


@lru_cache
def wishart_risk() -> Risk:
    """The risk in context at n = ∞: the covariance of a prompt is Wishart with ν degrees of freedom and mean Σ."""
    return _risk(query="mean field", in_context=True)


@lru_cache
def wishart_prompt_risk() -> Risk:
    """The risk in context with a prompt of n tokens and a query independent of them given their covariance."""
    return _risk(query="fresh", in_context=True)


@lru_cache
def second_moment(query: str = "fresh", in_context: bool = False) -> Risk:
    """E loss², by the same rules: the variance bound of the statistical checks."""
    return _risk(lambda x, out: half_squared_error(x, out) ** 2, query=query, in_context=in_context)


@lru_cache
def tied(query: str = "fresh") -> Risk:
    """The risk of a tied head of rank k, V = I and B = WWᵀ, as a function of W.

    >>> [str(parameter) for parameter in tied("inside").parameters]
    ['W']
    """
    risk = {"mean field": mean_field_risk, "fresh": fresh_risk, "inside": inside_risk}[query]()
    expr = risk.expr.xreplace({V: sp.Identity(d), B: W * W.T}).doit()
    return Risk(expr, (W,), source=PAPER, symmetric=frozenset({S}))


@lru_cache
def gradient_in(query: str, parameter: sp.MatrixSymbol) -> sp.MatrixExpr:
    """The gradient of the risk in V or B, or of the tied risk in W."""
    risk = {"mean field": mean_field_risk, "fresh": fresh_risk, "inside": inside_risk}[query]()
    if parameter in (K, Q):
        expr = risk.expr.xreplace({B: K.T * Q}).doit()
    else:
        expr = tied(query).expr if parameter == W else risk.expr
    return matrix_gradient(expr, parameter, known=frozenset({S}))


@lru_cache
def second_variation(query: str) -> sp.MatrixExpr:
    """The Hessian of the tied risk applied to a direction H: the gradient in W of ⟨∇R(W), H⟩."""
    return matrix_gradient(sp.Trace(H.T * gradient_in(query, W)), W, known=frozenset({S}))


# --- the simulator: a literal transcription of the definition, in full dimension ------------


def draw(
    rng: np.random.Generator,
    count: int,
    *,
    Sigma: np.ndarray,
    n: int | None = None,
    nu: int | None = None,
    query: str = "fresh",
) -> tuple[np.ndarray, np.ndarray]:
    """Queries and prompts: tokens (count, L, d), the query first, and the queries (count, d) as targets.

    L is n for a query inside the prompt, n + 1 for a fresh one, and 1 for n = None. With `nu` every prompt has a
    covariance of its own, (1/ν) Σ_j a_j a_jᵀ with a_j ~ N(0, Σ).
    """
    if query not in ("fresh", "inside"):
        raise ValueError(f"expected query fresh or inside, got query={query!r}")
    eigenvalues, vectors = np.linalg.eigh(Sigma)
    root = (vectors * np.sqrt(np.clip(eigenvalues, 0, None))).T
    length = 1 if n is None else n + (query == "fresh")
    if nu is None:
        tokens = rng.standard_normal((count, length, len(Sigma))) @ root
    else:
        rows = rng.standard_normal((count, nu, len(Sigma))) @ root
        tokens = rng.standard_normal((count, length, nu)) @ rows / np.sqrt(nu)
    return tokens, tokens[:, 0]


def predict(
    tokens: np.ndarray,
    *,
    B: np.ndarray,
    Sigma: np.ndarray,
    V: np.ndarray | None = None,
    n: int | None = None,
    query: str = "fresh",
    attention: str = "linear",
) -> np.ndarray:
    """out = V Σ_i w_i x_i, with w_i the score ⟨Bx, x_i⟩ over n, or the softmax of the scores."""
    if attention not in ("linear", "softmax"):
        raise ValueError(f"expected attention linear or softmax, got attention={attention!r}")
    x = tokens[:, 0]
    asked = x @ np.asarray(B).T
    if n is None:
        out = asked @ np.asarray(Sigma)
    else:
        prompt = tokens if query == "inside" else tokens[:, 1:]
        scores = np.einsum("cd,cld->cl", asked, prompt)
        if attention == "softmax":
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            weights /= weights.sum(axis=1, keepdims=True)
        else:
            weights = scores / n
        out = np.einsum("cl,cld->cd", weights, prompt)
    return out if V is None else out @ np.asarray(V).T


def loss(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """½‖x − out‖², shape (count,)."""
    return np.square(target - prediction).sum(axis=1) / 2


SIMULATOR = Simulator(draw, predict, loss)
