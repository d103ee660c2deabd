"""The model of attention-based clustering: a mixture of Gaussians, linear heads, the population risks.

Tokens X₁, …, X_L are drawn independently from Σ_j w_j N(μ_j, S I) in R^d, S = σ². A head with direction h predicts

    c λ Σ_ℓ ⟨X₁, h⟩⟨h, X_ℓ⟩ X_ℓ,      the sum with ℓ = 1 in it,

and the layer adds its heads h₁, …, h_H, the rows of H. With A = λ Σ_h hhᵀ = λHᵀH it is T = c XᵀX A X₁: everything
about the heads enters through A, and R = E‖X₁ − T‖² is a convex quadratic function of A. Identity weights are A = λI.

The scale is c = 2/L for two components and K/L for K. `S` is a variance; S = 0 is the Dirac mixture, whose tokens are
the centroids themselves.

Two kinds of risks are derived. `risk` is for K components, K, L and d symbols, in the matrix M of the centroids, one a
row, the vector w of the weights and the heads H. `pair_risk` is for two orthonormal centroids of equal weights and two
heads, in the overlaps κ_j = ⟨h_j, μ_j⟩, η₀ = ⟨h₀, μ₁⟩, η₁ = ⟨h₁, μ₀⟩, ξ = ⟨h₀, h₁⟩ and the squared norms q_j.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sympy as sp

from theory import (
    Domain,
    E,
    Expectation,
    Law,
    Layer,
    MixtureMatrix,
    Risk,
    dot,
    matrix_gradient,
    population_risk,
)
from theory.notation import L, d, lam

__all__ = [
    "A",
    "CENTROIDS",
    "CONSTANTS",
    "H",
    "K",
    "M",
    "N",
    "MANIFOLD",
    "OVERLAPS",
    "h",
    "mean_square",
    "mu",
    "ON_SPHERES",
    "PAIR",
    "PAPER",
    "DERIVED",
    "S",
    "LinearHeads",
    "Mixture",
    "eta_0",
    "eta_1",
    "flow_on_manifold",
    "kappa_0",
    "kappa_1",
    "pair_law",
    "pair_risk",
    "q_0",
    "q_1",
    "reduced_risk",
    "identity_risk",
    "regularized_risk",
    "regularizer",
    "regularizer_of_mixture",
    "risk_in_gram",
    "rho",
    "risk",
    "scale",
    "sphere_flow",
    "w",
    "xi",
]

PAPER = "Maulen-Soto, Boyer, Marion (2025), arXiv 2505.13112"
DERIVED = "derived here"

K, N = sp.symbols("K N", integer=True, positive=True)
S = sp.Symbol("S", nonnegative=True)
scale = sp.Symbol("c", positive=True)
rho = sp.Symbol("rho", nonnegative=True)
w = sp.MatrixSymbol("w", K, 1)
M = sp.MatrixSymbol("M", K, d)
H = sp.MatrixSymbol("H", N, d)
A = sp.MatrixSymbol("A", d, d)


# --- the law and the layer -----------------------------------------------------------------


@dataclass(frozen=True)
class Mixture(Law):
    """L tokens from a mixture of Gaussians; the target is the first of them.

    Args:
        weights, means, covariance: as `MixtureMatrix` takes them.
    """

    weights: Any = w
    means: Any = M
    covariance: Any = S

    def tokens(self) -> sp.MatrixExpr:
        return MixtureMatrix("X", L, d, weights=self.weights, means=self.means, covariance=self.covariance)

    def target(self) -> sp.Expr:
        return sp.Transpose(self.tokens()[0, :])


@dataclass(frozen=True)
class LinearHeads(Layer):
    """Linear attention at the first token, T(X) = c XᵀX A X₁.

    Args:
        gram: A, symmetric: λHᵀH for trained heads, λI for identity weights.
        scale: c.
    """

    gram: sp.MatrixExpr
    scale: sp.Expr = scale

    def predict(self, tokens: sp.MatrixExpr) -> sp.Expr:
        return self.scale * tokens.T * tokens * self.gram * sp.Transpose(tokens[0, :])


def mean_square(error: sp.MatrixExpr) -> sp.Expr:
    """E‖error‖², not evaluated."""
    return Expectation(sp.Trace(error.T * error))


# --- any mixture ---------------------------------------------------------------------------


@lru_cache
def risk() -> Risk:
    """The population risk of the heads H, for any number of heads, components, tokens and dimensions.

    >>> risk().parameters
    (H,)
    """
    return population_risk(Mixture(), LinearHeads(lam * H.T * H), parameters=(H,), source=PAPER)


@lru_cache
def risk_in_gram() -> sp.Expr:
    """The same as a quadratic function of a matrix A, which stands for a symmetric one."""
    return population_risk(Mixture(), LinearHeads(A), parameters=(A,)).expr


# --- two orthonormal centroids, two heads ----------------------------------------------------

h = tuple(sp.MatrixSymbol(f"h_{i}", d, 1) for i in (0, 1))
mu = tuple(sp.MatrixSymbol(f"mu_{i}", d, 1) for i in (0, 1))
kappa_0, kappa_1, eta_0, eta_1, xi = sp.symbols("kappa_0 kappa_1 eta_0 eta_1 xi", real=True)
q_0, q_1 = sp.symbols("q_0 q_1", nonnegative=True)

CENTROIDS: dict[sp.Expr, sp.Expr] = {
    dot(mu[0], mu[0]): sp.Integer(1),
    dot(mu[1], mu[1]): sp.Integer(1),
    dot(mu[0], mu[1]): sp.Integer(0),
}
OVERLAPS: dict[sp.Expr, sp.Expr] = {
    dot(h[0], mu[0]): kappa_0,
    dot(h[1], mu[1]): kappa_1,
    dot(h[0], mu[1]): eta_0,
    dot(h[1], mu[0]): eta_1,
    dot(h[0], h[1]): xi,
    dot(h[0], h[0]): q_0,
    dot(h[1], h[1]): q_1,
    **CENTROIDS,
}
PARAMETERS = (kappa_0, kappa_1, eta_0, eta_1, xi, q_0, q_1)
CONSTANTS: dict[sp.Symbol, tuple[Any, Any]] = {L: (2, sp.oo), d: (2, sp.oo), S: (0, sp.oo), lam: (0, sp.oo)}
PAIR = Domain(
    {
        **dict.fromkeys((kappa_0, kappa_1, eta_0, eta_1, xi), (-1, 1)),
        **dict.fromkeys((q_0, q_1), (0, sp.oo)),
        **CONSTANTS,
    }
)
ON_SPHERES: dict[sp.Basic, sp.Integer] = {q_0: sp.Integer(1), q_1: sp.Integer(1)}
MANIFOLD: dict[sp.Basic, sp.Integer] = dict.fromkeys((eta_0, eta_1, xi), sp.Integer(0))
HALVES = (sp.Rational(1, 2), sp.Rational(1, 2))


def pair_law(variance: sp.Expr = S) -> Mixture:
    """Two components of equal weights."""
    return Mixture(weights=HALVES, means=mu, covariance=variance)


@lru_cache
def pair_risk() -> Risk:
    """The risk of two heads of any norm on two orthonormal centroids, in the seven overlaps.

    >>> [str(x) for x in pair_risk().parameters]
    ['kappa_0', 'kappa_1', 'eta_0', 'eta_1', 'xi', 'q_0', 'q_1']
    """
    layer = LinearHeads(lam * (h[0] * h[0].T + h[1] * h[1].T), 2 / L)
    return population_risk(pair_law(), layer, overlaps=OVERLAPS, parameters=PARAMETERS, domain=PAIR, source=PAPER)


@lru_cache
def reduced_risk() -> Risk:
    """The risk of unit heads on the manifold η₀ = η₁ = ξ = 0."""
    restricted = pair_risk().restrict({**MANIFOLD, **ON_SPHERES})
    domain = Domain({kappa_0: (-1, 1), kappa_1: (-1, 1), **CONSTANTS})
    return Risk(sp.expand(restricted.expr), (kappa_0, kappa_1), domain, PAPER, restricted.conditions)


@lru_cache
def regularizer() -> sp.Expr:
    """r = E⟨X, h₀⟩²⟨X, h₁⟩², in the overlaps."""
    token = sp.Transpose(pair_law().tokens()[0, :])
    return E(dot(token, h[0]) ** 2 * dot(token, h[1]) ** 2).xreplace(OVERLAPS)


@lru_cache
def regularizer_of_mixture() -> sp.Expr:
    """E⟨X, h₀⟩²⟨X, h₁⟩² on any mixture."""
    token = sp.Transpose(Mixture().tokens()[0, :])
    return E(dot(token, h[0]) ** 2 * dot(token, h[1]) ** 2)


@lru_cache
def regularized_risk() -> Risk:
    """R + ρr in the seven overlaps."""
    return Risk(pair_risk().expr + rho * regularizer(), PARAMETERS, PAIR, PAPER)


@lru_cache
def sphere_flow() -> dict[sp.Symbol, sp.Expr]:
    """Gradient flow of unit heads without regularizer, written in the overlaps.

    ḣ_i = −(I − h_i h_iᵀ)∇_i R,   κ̇_0 = ⟨ḣ_0, μ_0⟩, …,   ξ̇ = ⟨ḣ_0, h_1⟩ + ⟨h_0, ḣ_1⟩
    """
    named = {symbol: node for node, symbol in OVERLAPS.items() if isinstance(symbol, sp.Symbol)}
    slopes = {symbol: sp.Dummy(f"R_{symbol}", real=True) for symbol in PARAMETERS[:5]}
    in_heads = sp.Add(*(slopes[symbol] * named[symbol] for symbol in slopes))
    velocity = []
    for head in h:
        slope = matrix_gradient(in_heads, head)
        velocity.append(-slope + dot(slope, head) * head)
    rates = {
        kappa_0: dot(velocity[0], mu[0]),
        kappa_1: dot(velocity[1], mu[1]),
        eta_0: dot(velocity[0], mu[1]),
        eta_1: dot(velocity[1], mu[0]),
        xi: dot(velocity[0], h[1]) + dot(h[0], velocity[1]),
    }
    derived = {slopes[x]: slope.subs(ON_SPHERES) for x, slope in pair_risk().gradient().items() if x in slopes}
    return {x: rate.xreplace(OVERLAPS).subs(ON_SPHERES).xreplace(derived) for x, rate in rates.items()}


@lru_cache
def flow_on_manifold() -> dict[sp.Symbol, sp.Expr]:
    """The flow on the manifold η₀ = η₁ = ξ = 0: two equations."""
    flow = sphere_flow()
    return {symbol: sp.factor(flow[symbol].subs(MANIFOLD)) for symbol in (kappa_0, kappa_1)}


@lru_cache
def identity_risk() -> sp.Expr:
    """The risk of identity weights, A = λI, on any mixture."""
    return population_risk(Mixture(), LinearHeads(lam * sp.Identity(d))).expr
