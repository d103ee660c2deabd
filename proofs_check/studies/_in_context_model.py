"""In-context regression: the law of a prompt, the two layers, and the risk that the claims are about.

Examples x₁, …, x_n and a query x are N(0, Λ), the task w is N(0, Ω), the labels are y_i = ⟨w, x_i⟩ + ξ_i with
noise of variance s, all independent. With the n examples as the rows of X,

    c = (1/n) Xᵀy,    C = (1/n) XᵀX,    target ⟨w, x⟩ (without noise),    R = ½ E (ŷ − ⟨w, x⟩)²

    linear attention    ŷ = cᵀ M x
    the full layer      ŷ = (p; v)ᵀ (EEᵀ/n) (U; qᵀ) x,    E = [[x₁ … x_n x], [y₁ … y_n 0]]

The first is the second with p = q = 0 and M = vU; no other blocks of a linear attention layer reach the
prediction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sympy as sp

from numerics import stationary_points
from proofs_check.entrywise import Entrywise
from proofs_check.symbolic import SymbolicIdentity
from theory import (
    Domain,
    GaussianMatrix,
    GaussianVector,
    Law,
    Layer,
    Risk,
    StationaryPoint,
    Symmetric,
    dot,
    population_risk,
)

__all__ = [
    "BY_ENTRIES",
    "DERIVED",
    "EVERYWHERE",
    "PROMPT",
    "SIZES",
    "SYMMETRIC",
    "ZHANG",
    "FullLayer",
    "H",
    "I",
    "Lambda",
    "LinearAttention",
    "M",
    "Omega",
    "Prompt",
    "U",
    "at_size",
    "best",
    "d",
    "draw",
    "error",
    "full_risk",
    "half_of_the_squared_error",
    "half_squared_error",
    "minimum",
    "n",
    "p",
    "predict",
    "q",
    "risk",
    "s",
    "stationarity",
    "system",
    "tau",
    "tr",
    "v",
]

DERIVED = "derived here"
ZHANG = "Zhang, Frei, Bartlett (2024), arXiv 2306.09927"

n, d = sp.symbols("n d", integer=True, positive=True)
s = sp.Symbol("s", nonnegative=True)
v = sp.Symbol("v", real=True)
Lambda, Omega, M, U, H = (sp.MatrixSymbol(name, d, d) for name in ("Lambda", "Omega", "M", "U", "H"))
p, q = (sp.MatrixSymbol(name, d, 1) for name in ("p", "q"))
I = sp.Identity(d)
tr = sp.Trace

SYMMETRIC = (Symmetric(Lambda), Symmetric(Omega))
EVERYWHERE = Domain({n: (1, sp.oo), d: (1, sp.oo), s: (0, sp.oo)}, conditions=SYMMETRIC)
"""Any sizes, any noise; the covariances Λ and Ω are positive semidefinite as those of the laws."""

SIZES = ({n: 1, d: 2}, {n: 2, d: 2}, {n: 3, d: 1})
BY_ENTRIES = (Entrywise(SIZES, draws=1), SymbolicIdentity())
"""Enumeration first: it shares no rule with the engine, and a proof ends the search for other evidence."""


@dataclass(frozen=True)
class Prompt(Law):
    """The law of a prompt and its query; any part may differ from the one trained on.

    Args:
        n: examples.
        examples, query, tasks: covariances of the examples, of the query and of the tasks.
        noise: variance of the labels' noise.
        fixed: a task that is not random, in place of N(0, Ω).
    """

    n: sp.Expr = n
    examples: sp.Expr = Lambda
    query: sp.Expr = Lambda
    tasks: sp.Expr = Omega
    noise: sp.Expr = s
    fixed: sp.Expr | None = None

    def tokens(self) -> GaussianMatrix:
        return GaussianMatrix("X", self.n, d, covariance=self.examples)

    def query_token(self) -> GaussianVector:
        """x."""
        return GaussianVector("x", d, covariance=self.query)

    def task(self) -> sp.Expr:
        """w."""
        return GaussianVector("w", d, covariance=self.tasks) if self.fixed is None else self.fixed

    def labels(self) -> sp.Expr:
        """y = Xw + ξ."""
        return self.tokens() * self.task() + GaussianVector("xi", self.n, covariance=self.noise)

    def moment(self) -> sp.Expr:
        """c = (1/n) Xᵀy."""
        return self.tokens().T * self.labels() / self.n

    def target(self) -> sp.Expr:
        return dot(self.task(), self.query_token())


PROMPT = Prompt()
"""The law that is trained on."""


@dataclass(frozen=True)
class LinearAttention(Layer):
    """ŷ = cᵀ M x."""

    M: sp.Expr = M
    law: Prompt = PROMPT

    def predict(self, tokens: sp.MatrixExpr) -> sp.Expr:
        return dot(self.law.moment(), self.M * self.law.query_token())


@dataclass(frozen=True)
class FullLayer(Layer):
    """ŷ = (p; v)ᵀ (EEᵀ/n) (U; qᵀ) x, written out in the blocks of EEᵀ."""

    p: sp.Expr = p
    q: sp.Expr = q
    U: sp.Expr = U
    v: sp.Expr = v
    law: Prompt = PROMPT

    def predict(self, tokens: sp.MatrixExpr) -> sp.Expr:
        x, y, c = self.law.query_token(), self.law.labels(), self.law.moment()
        along = dot(self.q, x)
        return (
            (dot(self.p, tokens.T * tokens * self.U * x) + dot(self.p, x) * dot(x, self.U * x)) / self.law.n
            + dot(self.p, c) * along
            + self.v * dot(c, self.U * x)
            + self.v * dot(y, y) / self.law.n * along
        )


def half_squared_error(target: sp.Expr, prediction: sp.Expr) -> sp.Expr:
    """½ (ŷ − y)².

    >>> half_squared_error(sp.Integer(1), sp.Integer(3))
    2
    """
    return (prediction - target) ** 2 / 2


def error(layer: LinearAttention | FullLayer) -> sp.Expr:
    """ŷ − ⟨w, x⟩, a random variable."""
    return layer.predict(layer.law.tokens()) - layer.law.target()


@lru_cache
def risk(law: Prompt = PROMPT) -> Risk:
    """The risk of linear attention in M, for symbolic d, n, Λ, Ω and noise.

    >>> print(risk().expr.coeff(s))
    Trace(Lambda*M*Lambda*M.T)/(2*n)
    """
    known = (sp.Q.positive_definite(Lambda), sp.Q.positive_definite(Omega))
    found = population_risk(law, LinearAttention(law=law), half_squared_error, parameters=(M,), source=ZHANG)
    return Risk(found.expr, found.parameters, EVERYWHERE, ZHANG, (*found.conditions, *known), found.symmetric)


@lru_cache
def full_risk() -> Risk:
    """The risk of the full layer in p, q, U, v: moments up to the order of ten."""
    return population_risk(PROMPT, FullLayer(), half_squared_error, parameters=(p, q, U, v), source=ZHANG)


@lru_cache
def minimum() -> StationaryPoint:
    """The one stationary point of the risk for positive definite Λ and Ω, by `stationary_points`.

    >>> minimum()[M]
    ((1 + 1/n)*Omega*Lambda + (s/n + Trace(Lambda*Omega)/n)*I)**(-1)*Omega
    """
    (point,) = stationary_points(risk())
    return point


def tau(examples: sp.Expr = Lambda, tasks: sp.Expr = Omega, noise: sp.Expr = s, number: sp.Expr = n) -> sp.Expr:
    """τ = (tr ΛΩ + s)/n, typed.

    >>> tau(number=sp.Integer(1))
    s + Trace(Lambda*Omega)
    """
    return tr(examples * tasks) / number + noise / number


def system(examples: sp.Expr = Lambda, tasks: sp.Expr = Omega, noise: sp.Expr = s, number: sp.Expr = n) -> sp.Expr:
    """K = (1 + 1/n)ΩΛ + τI, typed: M* = K⁻¹Ω."""
    return (1 + 1 / number) * tasks * examples + tau(examples, tasks, noise, number) * sp.Identity(d)


def best() -> sp.Expr:
    """M* = K⁻¹Ω, typed."""
    return sp.Inverse(system()) * Omega


def at_size(expr: sp.Expr, size: int, matrices: Mapping[sp.MatrixSymbol, sp.MatrixBase]) -> sp.Expr:
    """A formula with a number for d and explicit matrices for its letters.

    >>> at_size(tr(Lambda * Omega), 1, {Lambda: sp.Matrix([[s]]), Omega: sp.Matrix([[3]])})
    3*s
    """
    named = {sp.MatrixSymbol(x.name, size, size): matrix.as_immutable() for x, matrix in matrices.items()}
    return expr.subs(d, size).xreplace({**named, sp.Identity(size): sp.eye(size).as_immutable()}).doit()


def stationarity(law: Prompt, matrix: sp.Expr) -> sp.Expr:
    """(ŷ − ⟨w, x⟩) cᵀHx at M, a random variable: its mean is the derivative of the risk in the direction H."""
    return error(LinearAttention(matrix, law)) * dot(law.moment(), H * law.query_token())


# --- the simulator: a literal transcription of the definition, in full dimension -----------


def draw(
    rng: np.random.Generator,
    count: int,
    *,
    Lambda: np.ndarray,
    n: int,
    Omega: np.ndarray | None = None,
    noise: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Prompts E of shape (count, d + 1, n + 1), the query last with a zero for its label, and targets ⟨w, x⟩."""
    size = len(Lambda)
    tokens = rng.standard_normal((count, n + 1, size)) @ _root(Lambda)
    task = rng.standard_normal((count, size)) @ _root(np.eye(size) if Omega is None else Omega)
    clean = np.einsum("bid,bd->bi", tokens, task)
    labels = clean + math.sqrt(noise) * rng.standard_normal((count, n + 1))
    labels[:, -1] = 0.0
    prompt = np.concatenate([tokens, labels[:, :, None]], axis=2).transpose(0, 2, 1)
    return prompt, clean[:, -1]


def _root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric square root, of singular covariances too."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T


def predict(
    prompt: np.ndarray,
    *,
    n: int,
    M: np.ndarray,
    p: np.ndarray | None = None,
    q: np.ndarray | None = None,
    v: float = 1.0,
) -> np.ndarray:
    """The last entry of P (EEᵀ/n) Q E: the last row of P is (p, v), the first columns of Q are (U; qᵀ) with U = M."""
    size = prompt.shape[1]
    value_matrix, key_query = np.zeros((size, size)), np.zeros((size, size))
    value_matrix[-1, -1], key_query[:-1, :-1] = v, M
    if p is not None:
        value_matrix[-1, :-1] = p
    if q is not None:
        key_query[-1, :-1] = q
    gram = prompt @ prompt.transpose(0, 2, 1) / n
    return (value_matrix @ gram @ key_query @ prompt)[:, -1, -1]


def half_of_the_squared_error(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """½ (ŷ − y)²."""
    return np.square(prediction - target) / 2
