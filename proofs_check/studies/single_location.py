"""Single-location regression: one informative token among L, attention with an erf activation.

Source: Marion, Berthier, Biau, Boyer, *Attention layers provably solve single-location
regression*, ICLR 2025, arXiv 2410.01537, and the authors' public code. Statements of the paper
that were read in secondary notes only are marked "second-hand".

Setting. Tokens X₁, …, X_L in R^d, a latent location J uniform in {1, …, L}. Given J, the
informative token is X_J ~ N(m k*, γ² I), the others are N(0, σ² I), all independent, and

    Y = ⟨X_J, v*⟩ + ε ξ,    ξ ~ N(0, 1),    ‖k*‖ = ‖v*‖ = 1
    T(X) = Σ_ℓ erf(λ⟨X_ℓ, k⟩) ⟨X_ℓ, v⟩
    R = E (Y − T)²

The paper takes m = √(d/2), σ = 1, γ² = 1/2, k* ⊥ v* and unit vectors k, v. Here all of these are
free: R is derived in the overlaps κ = ⟨k, k*⟩, ν = ⟨v, v*⟩, θ = ⟨v, k*⟩, η = ⟨k, v*⟩, ρ = ⟨k, v⟩, the
squared norms q_k = ‖k‖², q_v = ‖v‖², and c = ⟨k*, v*⟩.

Conventions: no factor 1/2 in the risk; λ multiplies inside erf, so only λ‖k‖ matters; the excess
risk leaves out ε². γ, σ, ε are standard deviations. Duranthon et al. (arXiv 2509.21936) use
m = √ν, γ = σ = 1 and vectors of norm √d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp
from hypothesis import strategies as st
from scipy.special import erf

from numerics import Overlaps, Simulator, gradient, value
from proofs_check.boxes import CertifiedOnBox
from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, Study, claim
from proofs_check.frequency_check import BinomialFrequency
from proofs_check.monte_carlo import MonteCarloAgreement
from proofs_check.property_based import PropertyBasedAgreement
from proofs_check.stationary_check import CertifiedZeros
from proofs_check.stationary_list_check import CertifiedList
from proofs_check.strategies import models as models_of
from proofs_check.strategies import orthonormal_frames, reals, unit_vectors, vectors
from proofs_check.symbolic import SymbolicIdentity
from theory import (
    Agreement,
    Derivation,
    Domain,
    Expectation,
    Frequency,
    GaussianIntegral,
    Inequality,
    Invariant,
    Latent,
    Law,
    Layer,
    Limit,
    Nature,
    OwenT,
    PointwiseAttention,
    Risk,
    StationaryCount,
    StationaryList,
    TokenGroup,
    Tokens,
    derive,
    dot,
    equal,
    gaussians,
    matrix_gradient,
    population_risk,
    squared_error,
    token_index,
)
from theory.notation import L, c, d, epsilon, eta, gamma, kappa, lam, m, nu, q_k, q_v, rho, sigma, theta

from ._bayes import bayes_claims
from ._single_location_dynamics import DIMENSION, EXPERIMENTS, distance_to_manifold, is_at_oracle, is_swapped

__all__ = ["gradient_at", "overlaps", "risk", "risk_at", "study"]

PAPER = "Marion, Berthier, Biau, Boyer (2025), arXiv 2410.01537"
DERIVED = "derived here"
Q = sp.Rational


# --- the law, the layer, the risk ----------------------------------------------------------

k, v, k_star, v_star = (sp.MatrixSymbol(name, d, 1) for name in ("k", "v", "k_star", "v_star"))
(xi,) = gaussians("xi")


@dataclass(frozen=True)
class SingleLocation(Law):
    """Tokens of which one, at a latent location, carries the target."""

    m: sp.Expr = m
    gamma: sp.Expr = gamma
    sigma: sp.Expr = sigma
    epsilon: sp.Expr = epsilon

    def latents(self) -> tuple[Latent, ...]:
        return (Latent("J", L),)

    def tokens(self) -> Tokens:
        (J,) = self.latents()
        informative = TokenGroup(1, self.m * k_star, self.gamma**2, at=J)
        return Tokens("X", d, [informative, TokenGroup(L - 1, covariance=self.sigma**2)])

    def target(self) -> sp.Expr:
        (J,) = self.latents()
        return dot(self.tokens()[J, :], v_star) + self.epsilon * xi


LAYER = PointwiseAttention(k, v, lam)

OVERLAPS: dict[sp.Expr, sp.Expr] = {
    dot(k, k_star): kappa,
    dot(v, v_star): nu,
    dot(v, k_star): theta,
    dot(k, v_star): eta,
    dot(k, v): rho,
    dot(k, k): q_k,
    dot(v, v): q_v,
    dot(k_star, v_star): c,
    dot(k_star, k_star): sp.Integer(1),
    dot(v_star, v_star): sp.Integer(1),
}

CONSTANTS = {
    L: (1, sp.oo),
    lam: (0, sp.oo),
    m: (-sp.oo, sp.oo),
    gamma: (0, sp.oo),
    sigma: (0, sp.oo),
    epsilon: (0, sp.oo),
}
DOMAIN = Domain(
    {
        kappa: (-1, 1),
        nu: (-1, 1),
        theta: (-1, 1),
        eta: (-1, 1),
        rho: (-1, 1),
        q_k: (0, sp.oo),
        q_v: (0, sp.oo),
        **CONSTANTS,
    }
)
SPHERES = DOMAIN.restrict({q_k: 1, q_v: 1})
ON_SPHERES = {q_k: 1, q_v: 1}
MANIFOLD = {theta: 0, eta: 0, rho: 0}
REDUCED = Domain({kappa: (-1, 1), nu: (-1, 1), **CONSTANTS})
AT_ORACLE = {kappa: 1, nu: 1, **MANIFOLD, **ON_SPHERES}


@lru_cache
def general_risk() -> Risk:
    """The population risk for any k, v and any angle between the teacher directions."""
    parameters = (kappa, nu, theta, eta, rho, q_k, q_v)
    return population_risk(SingleLocation(), LAYER, overlaps=OVERLAPS, parameters=parameters, source=PAPER)


@lru_cache
def risk() -> Risk:
    """The population risk in the overlaps, for orthogonal teacher directions.

    >>> sorted(map(str, risk().parameters))
    ['eta', 'kappa', 'nu', 'q_k', 'q_v', 'rho', 'theta']
    """
    orthogonal = general_risk().restrict({c: 0})
    return Risk(orthogonal.expr, orthogonal.parameters, DOMAIN, PAPER, orthogonal.conditions)


@lru_cache
def reduced_risk() -> Risk:
    """The risk on the invariant manifold θ = η = ρ = 0 of the spheres."""
    restricted = risk().restrict({**MANIFOLD, **ON_SPHERES})
    return Risk(restricted.expr, (kappa, nu), REDUCED, PAPER, restricted.conditions)


@lru_cache
def second_moment() -> Risk:
    """E loss², by the same rules: the variance bound of the statistical checks."""
    return population_risk(
        SingleLocation(),
        LAYER,
        lambda y, t: squared_error(y, t) ** 2,
        overlaps=OVERLAPS,
        parameters=risk().parameters,
    )


# --- numbers -------------------------------------------------------------------------------


def overlaps(k: np.ndarray, v: np.ndarray, k_star: np.ndarray, v_star: np.ndarray) -> dict[str, float]:
    """The overlaps the risk depends on, and the squared norms.

        κ = ⟨k, k*⟩, ν = ⟨v, v*⟩, θ = ⟨v, k*⟩, η = ⟨k, v*⟩, ρ = ⟨k, v⟩, q_k = ‖k‖², q_v = ‖v‖²

    Args:
        k, v, k_star, v_star: vectors of shape (d,).

    Returns:
        A dict with the keys kappa, nu, theta, eta, rho, q_k, q_v.

    Raises:
        ValueError: for a wrong shape or an entry that is not finite.

    >>> overlaps([1, 0], [0, 2], [1, 0], [0, 1])["nu"]
    2.0
    """
    k, v, k_star, v_star = _vectors(k=k, v=v, k_star=k_star, v_star=v_star)
    pairs = {
        "kappa": (k, k_star),
        "nu": (v, v_star),
        "theta": (v, k_star),
        "eta": (k, v_star),
        "rho": (k, v),
        "q_k": (k, k),
        "q_v": (v, v),
    }
    return {name: float(first @ second) for name, (first, second) in pairs.items()}


def risk_at(
    k: np.ndarray,
    v: np.ndarray,
    k_star: np.ndarray,
    v_star: np.ndarray,
    *,
    L: int,
    lam: float,
    gamma: float,
    m: float | None = None,
    sigma: float = 1.0,
    epsilon: float = 0.0,
) -> float:
    """The population risk E(Y − T(X))² at given vectors.

    Args:
        k, v: trained directions, shape (d,), of any norm.
        k_star, v_star: teacher directions, shape (d,), of norm one; any angle between them.
        L: sequence length, at least 1.
        lam: inverse temperature λ > 0.
        gamma, sigma, epsilon: standard deviations of signal, background and label noise, >= 0.
        m: signal strength; default √(d/2), the paper's.

    Raises:
        ValueError: naming the argument, its value and what was expected.

    Source: derived by the engine from the definition above.

    >>> round(risk_at([1, 0], [0, 1], [1, 0], [0, 1], L=10, lam=0.1, gamma=0.5**0.5, m=200**0.5), 6)
    0.113498
    """
    return float(value(general_risk(), _point(k, v, k_star, v_star, L, lam, gamma, m, sigma, epsilon)))


def gradient_at(
    k: np.ndarray,
    v: np.ndarray,
    k_star: np.ndarray,
    v_star: np.ndarray,
    *,
    L: int,
    lam: float,
    gamma: float,
    m: float | None = None,
    sigma: float = 1.0,
    epsilon: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """The Euclidean gradient of the population risk in k and in v.

        ∇_k R = R_κ k* + R_η v* + R_ρ v + 2 R_{q_k} k,    ∇_v R = R_θ k* + R_ν v* + R_ρ k + 2 R_{q_v} v

    Arguments and errors are those of `risk_at`. On the spheres project with I − kkᵀ and I − vvᵀ.

    Returns:
        (∇_k R, ∇_v R), each of shape (d,).

    >>> in_k, in_v = gradient_at([1, 0], [0, 1], [1, 0], [0, 1], L=10, lam=0.1, gamma=1.0, m=2.0)
    >>> in_k.shape, in_v.shape
    ((2,), (2,))
    """
    point = _point(k, v, k_star, v_star, L, lam, gamma, m, sigma, epsilon)
    slope = gradient(general_risk(), point)
    k, v, k_star, v_star = _vectors(k=k, v=v, k_star=k_star, v_star=v_star)
    in_k = slope["kappa"] * k_star + slope["eta"] * v_star + slope["rho"] * v + 2 * slope["q_k"] * k
    in_v = slope["theta"] * k_star + slope["nu"] * v_star + slope["rho"] * k + 2 * slope["q_v"] * v
    return in_k, in_v


def coordinates(
    k: np.ndarray,
    v: np.ndarray,
    k_star: np.ndarray,
    v_star: np.ndarray,
    L: int,
    lam: float,
    gamma: float,
    m: float | None = None,
    sigma: float = 1.0,
    epsilon: float = 0.0,
) -> dict[str, float]:
    """The symbols of the risk at the model of `risk_at`, by name."""
    return _point(k, v, k_star, v_star, L, lam, gamma, m, sigma, epsilon)


def _point(
    k: Any, v: Any, k_star: Any, v_star: Any, L: Any, lam: Any, gamma: Any, m: Any, sigma: Any, epsilon: Any
) -> dict:
    k, v, k_star, v_star = _vectors(k=k, v=v, k_star=k_star, v_star=v_star)
    dimension = len(k)
    for name, vector in (("k_star", k_star), ("v_star", v_star)):
        norm = float(np.linalg.norm(vector))
        if abs(norm - 1) > 10 * dimension * np.finfo(float).eps:
            raise ValueError(f"expected a unit vector {name}, got one of norm {norm!r}; divide it by its norm")
    if isinstance(L, bool) or not isinstance(L, (int, np.integer)) or L < 1:
        raise ValueError(f"expected an integer L >= 1, got L={L!r}; L is the sequence length")
    numbers = {"lam": lam, "gamma": gamma, "sigma": sigma, "epsilon": epsilon}
    numbers["m"] = math.sqrt(dimension / 2) if m is None else m
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, (int, float, np.integer, np.floating)):
            raise ValueError(f"expected a real number {name}, got {name}={number!r}")
        if not math.isfinite(number):
            raise ValueError(f"expected a finite number {name}, got {name}={number!r}")
    if not lam > 0:
        raise ValueError(f"expected lam > 0, got lam={lam!r}; lam is the inverse temperature")
    for name in ("gamma", "sigma", "epsilon"):
        if not numbers[name] >= 0:
            raise ValueError(f"expected {name} >= 0, got {name}={numbers[name]!r}; {name} is a standard deviation")
    point = {name: float(number) for name, number in numbers.items()}
    return {**overlaps(k, v, k_star, v_star), **point, "c": float(k_star @ v_star), "L": int(L)}


def _vectors(**named: Any) -> list[np.ndarray]:
    arrays = []
    for name, given in named.items():
        try:
            array = np.asarray(given, dtype=float)
        except (TypeError, ValueError) as error:
            raise ValueError(f"expected a real vector {name} of shape (d,), got {name}={given!r}") from error
        if array.ndim != 1 or array.size == 0:
            raise ValueError(f"expected {name} of shape (d,), got shape {array.shape}")
        if not np.all(np.isfinite(array)):
            raise ValueError(f"expected finite entries in {name}, got {name}={array}")
        arrays.append(array)
    sizes = {name: array.size for name, array in zip(named, arrays, strict=True)}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"expected vectors of one dimension, got {sizes}")
    return arrays


# --- the simulator: a literal transcription of the definition, in full dimension -----------


def draw(
    rng: np.random.Generator,
    n: int,
    *,
    k_star: np.ndarray,
    v_star: np.ndarray,
    L: int,
    gamma: float,
    m: float | None = None,
    sigma: float = 1.0,
    epsilon: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """n prompts and targets: tokens (n, L, d), targets (n,)."""
    dimension = len(k_star)
    strength = math.sqrt(dimension / 2) if m is None else m
    tokens = rng.standard_normal((n, L, dimension))
    location = rng.integers(L, size=n)
    prompt = np.arange(n)
    informative = strength * np.asarray(k_star) + gamma * tokens[prompt, location]
    if sigma != 1:
        tokens *= sigma
    tokens[prompt, location] = informative
    return tokens, informative @ np.asarray(v_star) + epsilon * rng.standard_normal(n)


def predict(tokens: np.ndarray, *, k: np.ndarray, v: np.ndarray, lam: float) -> np.ndarray:
    """T(X) = Σ_ℓ erf(λ⟨X_ℓ, k⟩) ⟨X_ℓ, v⟩ for tokens of shape (n, L, d)."""
    scores, values = tokens @ np.asarray(k), tokens @ np.asarray(v)
    return np.einsum("nl,nl->n", erf(lam * scores), values)


SIMULATOR = Simulator(draw, predict)


def single_location_models() -> st.SearchStrategy[dict[str, Any]]:
    """Admissible models: dimension, teacher directions at any angle, k and v of any norm, all constants."""
    return models_of(
        d=st.integers(2, 6),
        k_star=lambda d: unit_vectors(d),
        v_star=lambda d: unit_vectors(d),
        k=lambda d: vectors(d, norms=("1/4", 2)),
        v=lambda d: vectors(d, norms=("1/4", 2)),
        L=st.integers(1, 8),
        lam=reals("0.05", 2),
        gamma=reals("0.2", "1.5"),
        m=reals("0.1", 4),
        sigma=reals("0.2", "1.5"),
        epsilon=reals(0, 1),
        without=("d",),
    )


def orthogonal_models() -> st.SearchStrategy[dict[str, Any]]:
    """Models as in the paper: orthonormal teacher directions, unit k and v, σ = 1, m = √(d/2)."""
    return models_of(
        d=st.integers(2, 8),
        frame=lambda d: orthonormal_frames(d, 2),
        k_star=lambda frame: frame[0],
        v_star=lambda frame: frame[1],
        k=lambda d: unit_vectors(d),
        v=lambda d: unit_vectors(d),
        L=st.integers(1, 8),
        lam=reals("0.05", 1),
        gamma=0.5**0.5,
        without=("d", "frame"),
    )


# --- formulas as they are written by hand or in print --------------------------------------


def zeta(t: sp.Expr, g: sp.Expr) -> sp.Expr:
    """ζ(t, g) = E erf²(t + gN), N ~ N(0, 1), the integral of the paper."""
    z = sp.Symbol("z", real=True)
    return GaussianIntegral(sp.erf(t + g * z) ** 2, (z,))


def published_reduced_risk() -> sp.Expr:
    """Theorem 1 (second-hand): the risk on the invariant manifold, for σ = 1."""
    alignment = sp.erf(lam * m * kappa / sp.sqrt(1 + 2 * lam**2 * gamma**2))
    return (
        epsilon**2
        + gamma**2
        - 2 * gamma**2 * nu * alignment
        + gamma**2 * zeta(lam * m * kappa, lam * gamma)
        + (L - 1) * zeta(sp.Integer(0), lam)
    )


@dataclass(frozen=True)
class ErfMoments:
    """E_i = ∂ⁱ_μ E erf(λs), F_i = ∂ⁱ_μ E erf²(λs) for s ~ N(μ, τ²), written out by hand.

    D = 1 + 2λ²τ²,   a = (1 + 4λ²τ²)^{−1/2},   u = λμ/√D
    E₀ = erf(u),   E₁ = 2λ/√(πD) e^{−u²},   E_{n+1} = −(2λ²/D)((n−1)E_{n−1} + μE_n)
    F₀ = 1 − 8 T(√2 u, a),   F₁ = 2E₁ erf(au),   F₂ = −(2λ²μ/D)F₁ + K
    F_{n+1} = −(2λ²/D)((n−1)F_{n−1} + μF_n) + K^{(n−1)},   K = (8λ²a/(πD)) e^{−2λ²μ²a²}
    """

    mean: sp.Expr
    variance: sp.Expr

    @property
    def D(self) -> sp.Expr:
        return 1 + 2 * lam**2 * self.variance

    @property
    def a(self) -> sp.Expr:
        return 1 / sp.sqrt(1 + 4 * lam**2 * self.variance)

    @property
    def u(self) -> sp.Expr:
        return lam * self.mean / sp.sqrt(self.D)

    @property
    def K(self) -> sp.Expr:
        return 8 * lam**2 * self.a / (sp.pi * self.D) * sp.exp(-2 * lam**2 * self.mean**2 * self.a**2)

    def E(self, order: int) -> sp.Expr:
        if order == 0:
            return sp.erf(self.u)
        if order == 1:
            return 2 * lam / sp.sqrt(sp.pi * self.D) * sp.exp(-(self.u**2))
        n = order - 1
        return -(2 * lam**2 / self.D) * ((n - 1) * self.E(n - 1) + self.mean * self.E(n))

    def F(self, order: int) -> sp.Expr:
        if order == 0:
            return 1 - 8 * OwenT(sp.sqrt(2) * self.u, self.a)
        if order == 1:
            return 2 * self.E(1) * sp.erf(self.a * self.u)
        n = order - 1
        before = (n - 1) * self.F(n - 1) if n > 1 else 0
        return -(2 * lam**2 / self.D) * (before + self.mean * self.F(n)) + self.slope_of_K(n - 1)

    def slope_of_K(self, order: int) -> sp.Expr:
        if order == 0:
            return self.K
        before = self.slope_of_K(order - 2) * (order - 1) if order > 1 else 0
        return -4 * lam**2 * self.a**2 * (before + self.mean * self.slope_of_K(order - 1))


SIGNAL = ErfMoments(m * kappa, gamma**2 * q_k)
BACKGROUND = ErfMoments(sp.Integer(0), sigma**2 * q_k)
C1 = BACKGROUND.E(1)
G0 = 2 / sp.pi * sp.asin(2 * lam**2 * sigma**2 * q_k / (1 + 2 * lam**2 * sigma**2 * q_k))
G2 = BACKGROUND.F(2)
E_A = m * theta * SIGNAL.E(0) + gamma**2 * rho * SIGNAL.E(1)
E_B = sigma**2 * rho * C1


def risk_by_hand() -> sp.Expr:
    """The risk in the moments E_i, F_i of the signal's score and C₁, G_i of the background's."""
    target_times_signal = (
        (m**2 * theta * c + gamma**2 * nu) * SIGNAL.E(0)
        + (m * theta * gamma**2 * eta + m * c * gamma**2 * rho) * SIGNAL.E(1)
        + gamma**4 * eta * rho * SIGNAL.E(2)
    )
    signal_squared = (
        (m**2 * theta**2 + gamma**2 * q_v) * SIGNAL.F(0)
        + 2 * m * theta * gamma**2 * rho * SIGNAL.F(1)
        + gamma**4 * rho**2 * SIGNAL.F(2)
    )
    background_squared = sigma**2 * q_v * G0 + sigma**4 * rho**2 * G2
    return (
        epsilon**2
        + gamma**2
        + m**2 * c**2
        - 2 * target_times_signal
        - 2 * (L - 1) * m * c * E_B
        + signal_squared
        + (L - 1) * background_squared
        + 2 * (L - 1) * E_A * E_B
        + (L - 1) * (L - 2) * E_B**2
    )


def gradient_by_hand() -> dict[sp.Symbol, sp.Expr]:
    """The seven partial derivatives, for orthogonal teacher directions.

    The one in q_k rests on the heat identity ∂_{τ²} = ½ ∂²_μ, for the signal and for the background.
    """
    n, E, F = L - 1, SIGNAL.E, SIGNAL.F
    signal_curvature = (
        -2 * (gamma**2 * nu * E(2) + m * theta * gamma**2 * eta * E(3) + gamma**4 * eta * rho * E(4))
        + (m**2 * theta**2 + gamma**2 * q_v) * F(2)
        + 2 * m * theta * gamma**2 * rho * F(3)
        + gamma**4 * rho**2 * F(4)
        + 2 * n * E_B * (m * theta * E(2) + gamma**2 * rho * E(3))
    )
    background_curvature = n * (sigma**2 * q_v * G2 + sigma**4 * rho**2 * BACKGROUND.F(4)) + 2 * n * (
        E_A + (n - 1) * E_B
    ) * sigma**2 * rho * BACKGROUND.E(3)
    return {
        kappa: m
        * (
            -2 * (gamma**2 * nu * E(1) + m * theta * gamma**2 * eta * E(2) + gamma**4 * eta * rho * E(3))
            + (m**2 * theta**2 + gamma**2 * q_v) * F(1)
            + 2 * m * theta * gamma**2 * rho * F(2)
            + gamma**4 * rho**2 * F(3)
            + 2 * n * E_B * (m * theta * E(1) + gamma**2 * rho * E(2))
        ),
        nu: -2 * gamma**2 * E(0),
        theta: -2 * m * gamma**2 * eta * E(1)
        + 2 * m**2 * theta * F(0)
        + 2 * m * gamma**2 * rho * F(1)
        + 2 * n * m * E_B * E(0),
        eta: -2 * (m * theta * gamma**2 * E(1) + gamma**4 * rho * E(2)),
        rho: -2 * gamma**4 * eta * E(2)
        + 2 * m * theta * gamma**2 * F(1)
        + 2 * gamma**4 * rho * F(2)
        + 2 * n * sigma**4 * rho * G2
        + 2 * n * (gamma**2 * E(1) * E_B + sigma**2 * C1 * E_A)
        + 2 * n * (n - 1) * sigma**2 * C1 * E_B,
        q_k: gamma**2 / 2 * signal_curvature + sigma**2 / 2 * background_curvature,
        q_v: gamma**2 * F(0) + n * sigma**2 * G0,
    }


# --- the flow on the spheres, in the overlaps ----------------------------------------------


@lru_cache
def sphere_flow() -> dict[sp.Symbol, sp.Expr]:
    """Gradient flow of unit vectors k and v, written in the overlaps.

    k̇ = −(I − kkᵀ)∇_k R,   v̇ = −(I − vvᵀ)∇_v R,   κ̇ = ⟨k̇, k*⟩, …
    """
    named = {symbol: node for node, symbol in OVERLAPS.items() if isinstance(symbol, sp.Symbol)}
    slopes = {symbol: sp.Dummy(f"R_{symbol}", real=True) for symbol in (kappa, nu, theta, eta, rho)}
    in_vectors = sp.Add(*(slopes[symbol] * named[symbol] for symbol in slopes))
    velocity = {}
    for vector in (k, v):
        slope = matrix_gradient(in_vectors, vector)
        velocity[vector] = -slope + dot(slope, vector) * vector
    rates = {
        kappa: dot(velocity[k], k_star),
        nu: dot(velocity[v], v_star),
        theta: dot(velocity[v], k_star),
        eta: dot(velocity[k], v_star),
        rho: dot(velocity[k], v) + dot(k, velocity[v]),
    }
    known = {**OVERLAPS, dot(k_star, v_star): sp.Integer(0)}
    derived = {slopes[x]: slope.subs(ON_SPHERES) for x, slope in risk().gradient().items() if x in slopes}
    return {x: rate.xreplace(known).subs(ON_SPHERES).xreplace(derived) for x, rate in rates.items()}


@lru_cache
def reduced_flow() -> dict[sp.Symbol, sp.Expr]:
    """The flow on the invariant manifold: two equations."""
    flow = sphere_flow()
    return {symbol: flow[symbol].subs(MANIFOLD) for symbol in (kappa, nu)}


# --- claims: the risk ----------------------------------------------------------------------

ANY_ANGLE = Domain({**{s: DOMAIN.interval(s) for s in DOMAIN.symbols}, c: (-1, 1)})


def second_moment_at(**model: Any) -> float:
    """E loss² at a model, from the derived formula."""
    return float(value(second_moment(), coordinates(**model)))


@claim(on=ANY_ANGLE, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def risk_in_erf_moments():
    """The derived risk, for any vectors and any angle between the teacher directions, is the closed form in the
    moments of one and two erfs written out by hand."""
    return equal(general_risk().expr, risk_by_hand())


@claim(
    on=REDUCED.restrict({sigma: 1}),
    by=[CertifiedNumerics(digits=25)],
    source=f"{PAPER}, Theorem 1 (second-hand)",
)
def published_closed_form():
    """On the manifold k ⊥ v*, v ⊥ k*, k ⊥ v of the spheres, the derived risk is the published one, ζ an integral."""
    return equal(reduced_risk().restrict({sigma: 1}).expr, published_reduced_risk())


@claim(
    on=REDUCED.restrict({sigma: 1}),
    by=[CertifiedNumerics(digits=25)],
    source="the authors' public script, its function R alone, as transcribed second-hand",
    expected="refuted",
)
def script_without_the_background():
    """The function R of the authors' script is the whole risk. It leaves out (L−1)ζ(0, λ), which their driver adds,
    so the published curves are not affected."""
    return equal(
        reduced_risk().restrict({sigma: 1}).expr,
        published_reduced_risk() - (L - 1) * zeta(sp.Integer(0), lam),
    )


@claim(
    on=ANY_ANGLE,
    by=[
        PropertyBasedAgreement(
            single_location_models(),
            examples=30,
            samples=20_000,
            second_moment=second_moment_at,
            coordinates=coordinates,
        )
    ],
    source=DERIVED,
)
def risk_is_the_mean_of_the_model():
    """The derived risk is the mean loss of the model, drawn in R^d from its definition, at models of any dimension,
    vectors, angle, length and constants."""
    return Agreement(general_risk().expr)


@claim(
    on=SPHERES,
    by=[
        MonteCarloAgreement(
            resolution=0.02,
            points=3,
            models=orthogonal_models(),
            second_moment=second_moment_at,
            coordinates=coordinates,
        )
    ],
    source=DERIVED,
)
def risk_with_the_constants_of_the_paper():
    """With the paper's constants m = √(d/2), σ = 1, γ² = 1/2 and unit vectors, the derived risk is the mean loss of
    the model drawn in R^d."""
    return Agreement(general_risk().expr)


@claim(on=DOMAIN, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def gradient_in_erf_moments():
    """The partial derivatives of the derived risk in the five overlaps and the two squared norms are those
    written out by hand."""
    by_hand = gradient_by_hand()
    slopes = risk().gradient()
    return equal([slopes[symbol] for symbol in by_hand], list(by_hand.values()))


# --- claims: symmetry, the invariant manifold, the reduced flow -----------------------------


def reflected(*symbols: sp.Symbol) -> sp.Expr:
    """The risk with the signs of some overlaps changed."""
    return risk().expr.subs({symbol: -symbol for symbol in symbols}, simultaneous=True)


@claim(on=DOMAIN, by=[SymbolicIdentity()], source=DERIVED)
def sign_of_both_directions():
    """The risk does not change under (k, v) → (−k, −v)."""
    return equal(reflected(kappa, nu, theta, eta), risk().expr)


@claim(on=DOMAIN, by=[SymbolicIdentity()], source=DERIVED)
def reflection_of_the_value_directions():
    """The risk does not change under (v, v*) → (−v, −v*)."""
    return equal(reflected(theta, eta, rho), risk().expr)


@claim(on=SPHERES, by=[SymbolicIdentity()], source=f"{PAPER} (second-hand); {DERIVED} for every λ, γ, σ, L, m")
def invariant_manifold():
    """The gradient flow on the spheres does not leave {θ = η = ρ = 0}: k ⊥ v*, v ⊥ k*, k ⊥ v."""
    return Invariant(sphere_flow(), MANIFOLD)


@claim(on=REDUCED, by=[SymbolicIdentity()], source=DERIVED)
def reduced_flow_in_two_overlaps():
    """On the manifold the flow is κ̇ = −(1−κ²) ∂_κ R, ν̇ = −(1−ν²) ∂_ν R with
    ∂_κ R = 4γ²mλ/√(πD) e^{−u²} (erf(au) − ν) and ∂_ν R = −2γ² erf(u)."""
    unit = ErfMoments(m * kappa, gamma**2)
    in_kappa = 2 * gamma**2 * m * unit.E(1) * (sp.erf(unit.a * unit.u) - nu)
    in_nu = -2 * gamma**2 * sp.erf(unit.u)
    flow = reduced_flow()
    return equal([flow[kappa], flow[nu]], [-(1 - kappa**2) * in_kappa, -(1 - nu**2) * in_nu])


FLOWING = Domain(
    {
        L: (2, 40),
        lam: (Q(1, 10), 2),
        m: (Q(1, 2), 8),
        gamma: (Q(1, 5), 2),
        sigma: (Q(1, 5), 2),
        epsilon: (0, 1),
    }
)


@claim(on=FLOWING, by=[CertifiedZeros(points=3)], source=f"{PAPER} (second-hand); {DERIVED}")
def five_stationary_points():
    """The reduced flow has exactly five stationary points on [−1, 1]²: minima at ±(1, 1), maxima at ±(1, −1), and a
    saddle at the origin."""
    flow = reduced_flow()
    corners = [(1, 1), (-1, -1), (1, -1), (-1, 1), (0, 0)]
    natures = [Nature.MINIMUM, Nature.MINIMUM, Nature.MAXIMUM, Nature.MAXIMUM, Nature.SADDLE]
    return StationaryCount(
        (flow[kappa], flow[nu]),
        (kappa, nu),
        {kappa: (-1, 1), nu: (-1, 1)},
        [{kappa: x, nu: y} for x, y in corners],
        natures,
        5,
    )


@claim(on=FLOWING, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def eigenvalues_of_the_saddle():
    """At the origin the linearised reduced flow has the eigenvalues (b/2)(−a′ ± √(a′² + 4)) with
    b = (4γ²/√π) λm/√D and a′ = (2/√π) aλm/√D: one positive, one negative."""
    flow, t = reduced_flow(), sp.Symbol("t", real=True)
    jacobian = sp.Matrix([[flow[x].diff(y).subs({kappa: 0, nu: 0}) for y in (kappa, nu)] for x in (kappa, nu)])
    D, a = 1 + 2 * lam**2 * gamma**2, 1 / sp.sqrt(1 + 4 * lam**2 * gamma**2)
    b = 4 * gamma**2 / sp.sqrt(sp.pi) * lam * m / sp.sqrt(D)
    a_prime = 2 / sp.sqrt(sp.pi) * a * lam * m / sp.sqrt(D)
    roots = [b / 2 * (-a_prime + sign * sp.sqrt(a_prime**2 + 4)) for sign in (1, -1)]
    polynomial = t**2 - jacobian.trace() * t + jacobian.det()
    return equal([polynomial.subs(t, root) for root in roots], [0, 0])


# --- claims: the oracle and its rivals -----------------------------------------------------


def oracle_excess() -> sp.Expr:
    """R(k*, v*) − ε²."""
    return risk().expr.subs(AT_ORACLE) - epsilon**2


@claim(on=REDUCED, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def excess_risk_of_the_oracle():
    """R(k*, v*) − ε² = γ² E(1 − erf(λs))² + (L−1)σ² (2/π) arcsin(2λ²σ²/(1 + 2λ²σ²)), s ~ N(m, γ²)."""
    (s,) = gaussians("s", mean=[m], covariance=[[gamma**2]])
    background = 2 / sp.pi * sp.asin(2 * lam**2 * sigma**2 / (1 + 2 * lam**2 * sigma**2))
    return equal(oracle_excess(), gamma**2 * Expectation((1 - sp.erf(lam * s)) ** 2) + (L - 1) * sigma**2 * background)


@claim(on=REDUCED, by=[SymbolicIdentity()], source=DERIVED)
def leading_order_of_the_background():
    """For small λ the background costs (4/π)(L−1)λ²σ⁴: the limit of its share of the oracle's excess over λ²."""
    background = (L - 1) * sigma**2 * 2 / sp.pi * sp.asin(2 * lam**2 * sigma**2 / (1 + 2 * lam**2 * sigma**2))
    return Limit(background / lam**2, lam, 0, 4 * (L - 1) * sigma**4 / sp.pi)


@lru_cache
def oracle_block() -> sp.ImmutableMatrix:
    """The Riemannian Hessian at the oracle in the plane of k towards v* and v towards k*.

    Along the great circles k = cos α k* + sin α v*, v = cos β v* + sin β k*.
    """
    alpha, beta = sp.symbols("alpha beta", real=True)
    circle = {
        kappa: sp.cos(alpha),
        nu: sp.cos(beta),
        theta: sp.sin(beta),
        eta: sp.sin(alpha),
        rho: sp.sin(alpha + beta),
    }
    along = risk().expr.subs(ON_SPHERES).subs(circle, simultaneous=True)
    origin = {alpha: 0, beta: 0}
    return sp.ImmutableMatrix([[along.diff(x, y).subs(origin) for y in (alpha, beta)] for x in (alpha, beta)])


@claim(on=REDUCED, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def hessian_at_the_oracle():
    """At (k*, v*) the Hessian on the spheres is −R_κ on the d−2 directions of k orthogonal to k*, v*, −R_ν on those
    of v, and the block 2 [[A, B], [B, D]] in the plane that mixes k and v."""
    at = ErfMoments(m, gamma**2)
    C = sigma**2 * C1.subs(q_k, 1)
    g2 = G2.subs(q_k, 1)
    n = L - 1
    P = gamma**4 * at.F(2) + n * sigma**4 * g2 + 2 * n * C * gamma**2 * at.E(1) + n * (L - 2) * C**2
    slopes = {x: risk().gradient()[x].subs(AT_ORACLE) for x in (kappa, nu)}
    A = -slopes[kappa] / 2 - 2 * gamma**4 * at.E(2) + P
    D = -slopes[nu] / 2 + m**2 * at.F(0) + 2 * m * gamma**2 * at.F(1) + 2 * n * C * m * at.E(0) + P
    B = -(gamma**2) * m * at.E(1) - gamma**4 * at.E(2) + m * gamma**2 * at.F(1) + n * C * m * at.E(0) + P
    block = oracle_block()
    alpha = sp.Symbol("alpha", real=True)
    across = [
        risk().expr.subs(ON_SPHERES).subs({x: sp.cos(alpha), y: 1, **MANIFOLD}).diff(alpha, 2).subs(alpha, 0)
        for x, y in ((kappa, nu), (nu, kappa))
    ]
    return equal(
        [block[0, 0], block[0, 1], block[1, 0], block[1, 1], *across],
        [2 * A, 2 * B, 2 * B, 2 * D, -slopes[kappa], -slopes[nu]],
    )


def _at_paper_constants(expr: sp.Expr, length: int = 10) -> sp.Expr:
    """d = 400, γ² = 1/2, σ = 1, no label noise: m² = 200."""
    constants = {m: sp.sqrt(200), gamma: sp.sqrt(2) / 2, sigma: 1, epsilon: 0, L: length}
    return expr.xreplace({symbol: sp.sympify(number, strict=True) for symbol, number in constants.items()})


def _block_at_paper_constants(length: int = 10) -> sp.Expr:
    """The determinant of the mixing block at those constants."""
    block = oracle_block().applyfunc(lambda entry: _at_paper_constants(entry, length))
    return block[0, 0] * block[1, 1] - block[0, 1] * block[1, 0]


@claim(
    on=Domain({lam: (Q(1, 20), Q(892, 1000))}),
    by=[CertifiedOnBox()],
    source=DERIVED,
)
def oracle_is_a_minimum_for_moderate_temperature():
    """With d = 400, γ² = 1/2, L = 10 the mixing block at the oracle is positive definite for λ up to 0.892: the oracle
    is a strict local minimum on the spheres."""
    return Inequality(_block_at_paper_constants(), ">", 0)


@claim(
    on=Domain({lam: (Q(893, 1000), 2)}),
    by=[CertifiedOnBox()],
    source=DERIVED,
)
def oracle_is_a_saddle_past_the_threshold():
    """With d = 400, γ² = 1/2, L = 10 the mixing block at the oracle has a negative eigenvalue for λ from 0.893 on, the
    published λ = 0.9 included: the oracle is no local minimum on the spheres."""
    return Inequality(_block_at_paper_constants(), "<", 0)


@claim(
    on=Domain({lam: (Q(1, 20), 8)}),
    by=[CertifiedOnBox()],
    source=DERIVED,
)
def no_threshold_for_long_sequences():
    """With d = 400, γ² = 1/2 and L = 1000 the mixing block stays positive definite for λ up to 8: there is no
    threshold."""
    return Inequality(_block_at_paper_constants(1000), ">", 0)


@claim(
    on=Domain({L: (2, 1000), m: (Q(1, 2), 20), gamma: (Q(1, 5), 2), sigma: (Q(1, 5), 2), lam: (Q(1, 10), 4)}),
    by=[SymbolicIdentity(), CertifiedNumerics(digits=30)],
    source=DERIVED,
)
def block_for_a_saturated_gate():
    """When the gate of the signal saturates (E₀, F₀ → 1, their derivatives → 0), the mixing block is positive definite
    exactly when (γ² + m²)(σ⁴G₂ − C²) + (L−1)C²γ² > 0: its determinant is 4(L−1) times that."""
    C, g2, n = sigma**2 * C1.subs(q_k, 1), G2.subs(q_k, 1), L - 1
    P = n * sigma**4 * g2 + n * (L - 2) * C**2
    A, D, B = P, gamma**2 + m**2 + 2 * n * C * m + P, n * C * m + P
    return equal(4 * (A * D - B**2), 4 * n * ((gamma**2 + m**2) * (sigma**4 * g2 - C**2) + n * C**2 * gamma**2))


@claim(
    on=Domain({lam: (0, 4), sigma: (0, 3)}),
    by=[SymbolicIdentity(), CertifiedNumerics(digits=30)],
    source=DERIVED,
)
def sign_of_the_saturated_block():
    """σ⁴G₂ < C² exactly when λσ > √3/2, since (σ⁴G₂/C²)² = 4/(1 + 4λ²σ²)."""
    C, g2 = sigma**2 * C1.subs(q_k, 1), G2.subs(q_k, 1)
    return equal((sigma**4 * g2 / C**2) ** 2, 4 / (1 + 4 * lam**2 * sigma**2))


# --- the swapped solution ------------------------------------------------------------------

UNIT_SIGNAL_AT_ZERO = ErfMoments(sp.Integer(0), gamma**2)
SWAPPED = {kappa: 0, nu: 0, rho: 0, eta: 1, **ON_SPHERES}


def swapped_alignment() -> sp.Expr:
    """θ_s = γ²E₁(0)/(m F₀(0)), when it is below one."""
    F0 = 2 / sp.pi * sp.asin(2 * lam**2 * gamma**2 / (1 + 2 * lam**2 * gamma**2))
    return gamma**2 * UNIT_SIGNAL_AT_ZERO.E(1) / (m * F0)


def swapped_risk() -> sp.Expr:
    """The risk at k = v*, v = θk* + √(1−θ²) w, w ⊥ k*, v*."""
    return risk().expr.subs(SWAPPED)


SIGNAL_DOMAIN = Domain(
    {L: (1, 40), lam: (Q(1, 20), 2), m: (Q(1, 2), 8), gamma: (Q(1, 10), 2), sigma: (0, 2), epsilon: (0, 1)}
)


@claim(on=SIGNAL_DOMAIN, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def swapped_solution_is_stationary():
    """k = ±v*, v = ±(θ_s k* + √(1−θ_s²) w) with θ_s = γ²E₁(0)/(mF₀(0)) and w ⊥ k*, v* is a stationary point on the
    spheres: R_κ = R_ν = R_ρ = R_θ = 0 there."""
    at = {**SWAPPED, theta: swapped_alignment()}
    slopes = risk().gradient()
    return equal([slopes[x].subs(at) for x in (kappa, nu, rho, theta)], [0, 0, 0, 0])


@claim(on=SIGNAL_DOMAIN, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def risk_of_the_swapped_solution():
    """R_swap = ε² + γ²(1 + F₀) − γ⁴E₁²/F₀ + (L−1)σ²G₀, where θ_s < 1."""
    F0 = 2 / sp.pi * sp.asin(2 * lam**2 * gamma**2 / (1 + 2 * lam**2 * gamma**2))
    E1 = UNIT_SIGNAL_AT_ZERO.E(1)
    return equal(
        swapped_risk().subs(theta, swapped_alignment()),
        epsilon**2 + gamma**2 * (1 + F0) - gamma**4 * E1**2 / F0 + (L - 1) * sigma**2 * G0.subs(q_k, 1),
    )


@claim(on=Domain({lam: (Q(1, 100), Q(9, 100))}), by=[CertifiedOnBox()], source=DERIVED)
def swapped_solution_beats_the_oracle_for_small_temperature():
    """With d = 400, γ² = 1/2, L = 10 the swapped solution has the smaller risk for λ from 0.01 to 0.09."""
    best = swapped_risk().subs(theta, sp.Min(1, swapped_alignment()))
    return Inequality(_at_paper_constants(best), "<", _at_paper_constants(oracle_excess()))


@claim(on=Domain({lam: (Q(91, 1000), 1)}), by=[CertifiedOnBox()], source=DERIVED)
def oracle_beats_the_swapped_solution():
    """With d = 400, γ² = 1/2, L = 10 the oracle has the smaller risk for λ from 0.091 on."""
    swapped = swapped_risk().subs(theta, swapped_alignment())
    return Inequality(_at_paper_constants(swapped), ">", _at_paper_constants(oracle_excess()))


# --- the whole landscape on the spheres ----------------------------------------------------

# A stationary point (k, v) on S^{d−1} × S^{d−1} has R_κ k* + R_η v* + R_ρ v = αk and R_θ k* + R_ν v* + R_ρ k = βv.
# Either k, v, k*, v* are linearly independent, and then all five slopes vanish; or they lie in a space of three
# dimensions, span(k*, v*, w). That space is the fixed set of the rotations around it, so that by symmetry the
# stationary points in it are those of the risk on S² × S². There is no third case, whatever d is.

AT_ORTHOGONAL = {kappa: 0, nu: 0, theta: 0, eta: 0, rho: 0, **ON_SPHERES}


def _penalty_of_overlap() -> sp.Expr:
    """P = γ⁴F₂ + (L−1)σ⁴G₂ + 2(L−1)γ²σ²E₁C₁ + (L−1)(L−2)σ⁴C₁² at κ = 0: a sum of positive terms."""
    n, C = L - 1, sigma**2 * C1.subs(q_k, 1)
    background = n * sigma**4 * G2.subs(q_k, 1) + 2 * n * C * gamma**2 * UNIT_SIGNAL_AT_ZERO.E(1)
    return gamma**4 * UNIT_SIGNAL_AT_ZERO.F(2) + background + n * (n - 1) * C**2


@claim(on=SPHERES, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def only_the_orthogonal_point_is_in_general_position():
    """Where k, v, k*, v* are linearly independent, a stationary point on the spheres is orthogonal in all: the five
    slopes vanish; R_ν = −2γ² erf(u) gives κ = 0, then R_η = −2mγ²E₁θ gives θ = 0, R_θ = −2mγ²E₁η gives η = 0,
    R_ρ = 2Pρ with P > 0 gives ρ = 0, and R_κ = −2mγ²E₁ν gives ν = 0."""
    slopes = {x: slope.subs(ON_SPHERES) for x, slope in risk().gradient().items()}
    E1 = UNIT_SIGNAL_AT_ZERO.E(1)
    unit = ErfMoments(m * kappa, gamma**2)
    return equal(
        [
            slopes[nu],
            slopes[eta].subs({kappa: 0}),
            slopes[theta].subs({kappa: 0, theta: 0}),
            slopes[rho].subs({kappa: 0, theta: 0, eta: 0}),
            slopes[kappa].subs({kappa: 0, theta: 0, eta: 0, rho: 0}),
        ],
        [
            -2 * gamma**2 * sp.erf(unit.u),
            -2 * m * gamma**2 * E1 * theta,
            -2 * m * gamma**2 * E1 * eta,
            2 * rho * _penalty_of_overlap(),
            -2 * m * gamma**2 * E1 * nu,
        ],
    )


@claim(on=REDUCED, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def index_of_the_orthogonal_point():
    """The orthogonal point has index 2 for every d ≥ 4: in the overlaps, which are coordinates across its orbit, the
    Hessian has the blocks (κ, ν) and (η, θ) with −2mγ²E₁ off and one zero on the diagonal, one negative eigenvalue
    each, and 2P > 0 for ρ."""
    order = (kappa, nu, eta, theta, rho)
    found = [[risk().expr.diff(x, y).subs(AT_ORTHOGONAL) for y in order] for x in order]
    F0 = 2 / sp.pi * sp.asin(2 * lam**2 * gamma**2 / (1 + 2 * lam**2 * gamma**2))
    mixed = -2 * m * gamma**2 * UNIT_SIGNAL_AT_ZERO.E(1)
    blocks = sp.diag(
        sp.Matrix([[m**2 * gamma**2 * UNIT_SIGNAL_AT_ZERO.F(2), mixed], [mixed, 0]]),
        sp.Matrix([[0, mixed], [mixed, 2 * m**2 * F0]]),
        sp.Matrix([[2 * _penalty_of_overlap()]]),
    )
    return equal(sp.Matrix(found), blocks)


CONSTANTS_OF_THE_LIST = {lam: Q(1, 2), gamma: 1, m: 2, sigma: 1, epsilon: 0, L: 3}


def risk_on_spheres(
    dimension: int, constants: dict[sp.Symbol, Any]
) -> tuple[sp.Expr, tuple[tuple[sp.Symbol, ...], ...]]:
    """The risk in the coordinates of unit vectors k and v, k* and v* being the first two axes; and the coordinates."""
    in_k, in_v = (sp.symbols(f"{name}1:{dimension + 1}", real=True) for name in "kv")
    product = sp.Add(*(x * y for x, y in zip(in_k, in_v, strict=True)))
    at = {kappa: in_k[0], eta: in_k[1], theta: in_v[0], nu: in_v[1], rho: product, **ON_SPHERES}
    return risk().expr.xreplace({s: sp.sympify(v, strict=True) for s, v in constants.items()}).subs(at), (in_k, in_v)


@claim(on=Domain({}), by=[CertifiedList(seconds=600)], source=DERIVED)
def all_stationary_points_on_the_spheres():
    """For λ = 1/2, γ = σ = 1, m = 2, L = 3 the risk has exactly 36 stationary points with k, v in span(k*, v*, w), on
    S² × S², none of them degenerate, in nine families under changes of sign: the oracle (index 0) and the swapped
    solution (0), the pass between them (1), six more kinds of saddles and maxima. The index grows with d as listed.
    Together with the orthogonal point these are all stationary points on the spheres of R^d, up to rotations that
    leave k* and v* alone."""
    expr, spheres = risk_on_spheres(3, CONSTANTS_OF_THE_LIST)
    rows = [
        (2, 0, Q("0.563178"), 0),  # oracle
        (2, 0, Q("0.671793"), 0),  # swapped, ηθ = 1
        (8, 1, Q("1.099719"), 0),  # the pass between the two
        (8, 2, Q("2.457513"), 1),
        (4, 2, Q("3.466828"), 1),
        (2, 3, Q("3.570325"), 2),  # κν = −1
        (4, 3, Q("3.822597"), 1),  # k = ±v orthogonal to k* and v*
        (2, 3, Q("4.357064"), 2),  # swapped with ηθ = −1
        (4, 4, Q("10.056405"), 2),
    ]
    return StationaryList(expr, spheres, rows, wider=risk_on_spheres(4, CONSTANTS_OF_THE_LIST))


PUBLISHED_CONSTANTS = {lam: Q(1, 10), gamma: sp.sqrt(2) / 2, m: sp.sqrt(200), sigma: 1, epsilon: 0, L: 10}


@claim(on=Domain({}), by=[CertifiedList(seconds=6)], source=DERIVED, expected="open")
def all_stationary_points_at_the_published_constants():
    """At the published λ = 1/10, γ² = 1/2, m² = 200, L = 10 the risk has exactly 44 stationary points on S² × S². All
    44 have been proven, and their indices add up to the Euler characteristic 4; that there are no others is open: the
    search has left boxes undecided after four million cells."""
    expr, spheres = risk_on_spheres(3, PUBLISHED_CONSTANTS)
    rows = [
        (2, 0, Q("0.113498")),  # oracle
        (4, 0, Q("0.115512")),  # swapped, θ_s = 0.63
        (4, 1, Q("0.173704")),
        (8, 1, Q("0.422026")),
        (2, 2, Q("0.288308")),
        (8, 2, Q("0.889920")),
        (4, 2, Q("1.806591")),
        (4, 3, Q("1.853727")),
        (2, 3, Q("2.020333")),
        (2, 3, Q("3.464007")),
        (4, 4, Q("211.559446")),
    ]
    return StationaryList(expr, spheres, rows)


# --- claims: descent -----------------------------------------------------------------------

alpha = sp.Symbol("alpha", positive=True)
DESCENT = Overlaps({**OVERLAPS, dot(k_star, v_star): 0}, trained=(k, v))


@lru_cache
def descent_step() -> dict[sp.Symbol, sp.Expr]:
    """The overlaps after one step of projected gradient descent of unit vectors, all updated at once.

    k⁺ = (k − α(I − kkᵀ)∇_k R)/‖·‖,   v⁺ the same,   κ⁺ = ⟨k⁺, k*⟩, …
    """
    named = {symbol: node for node, symbol in OVERLAPS.items() if isinstance(symbol, sp.Symbol)}
    slopes = {symbol: sp.Dummy(f"R_{symbol}", real=True) for symbol in (kappa, nu, theta, eta, rho)}
    in_vectors = sp.Add(*(slopes[symbol] * named[symbol] for symbol in slopes))
    moved = {}
    for vector in (k, v):
        slope = matrix_gradient(in_vectors, vector)
        moved[vector] = vector - alpha * (slope - dot(slope, vector) * vector)
    norms = {vector: sp.sqrt(dot(moved[vector], moved[vector])) for vector in (k, v)}
    after = {
        kappa: dot(moved[k], k_star) / norms[k],
        nu: dot(moved[v], v_star) / norms[v],
        theta: dot(moved[v], k_star) / norms[v],
        eta: dot(moved[k], v_star) / norms[k],
        rho: dot(moved[k], moved[v]) / (norms[k] * norms[v]),
    }
    known = {**OVERLAPS, dot(k_star, v_star): sp.Integer(0)}
    derived = {slopes[x]: slope.subs(ON_SPHERES) for x, slope in risk().gradient().items() if x in slopes}
    return {x: expr.xreplace(known).subs(ON_SPHERES).xreplace(derived) for x, expr in after.items()}


STEPS = Domain({**{symbol: REDUCED.interval(symbol) for symbol in REDUCED.symbols}, alpha: (0, 1)})


@claim(on=STEPS, by=[SymbolicIdentity(), CertifiedNumerics(digits=20)], source=f"{PAPER} (second-hand); {DERIVED}")
def manifold_is_invariant_under_descent():
    """A step of projected gradient descent on the spheres, of any size α, does not leave {θ = η = ρ = 0}."""
    after = descent_step()
    return equal([after[symbol].subs(MANIFOLD) for symbol in MANIFOLD], [0] * len(MANIFOLD))


@claim(on=STEPS, by=[SymbolicIdentity(), CertifiedNumerics(digits=20)], source=DERIVED)
def descent_on_the_manifold():
    """On the manifold a step takes κ to (κ − αg(1−κ²))/√(1 + α²g²(1−κ²)) with g = ∂_κ R, and ν likewise: the dimension
    enters through m alone."""
    after, slopes = descent_step(), reduced_risk().gradient()
    stepped = [
        (x - alpha * slopes[x] * (1 - x**2)) / sp.sqrt(1 + alpha**2 * slopes[x] ** 2 * (1 - x**2)) for x in (kappa, nu)
    ]
    return equal([after[x].subs(MANIFOLD) for x in (kappa, nu)], stepped)


@claim(on=REDUCED.restrict({kappa: 1, nu: 1}), by=[SymbolicIdentity(), CertifiedNumerics(digits=25)], source=DERIVED)
def rates_at_the_oracle():
    """On the manifold the flow reaches the oracle at the rates 8γ²mλ/√(πD) e^{−u²} erfc(au) in κ and 4γ² erf(u) in ν,
    with u = λm/√D, D = 1 + 2λ²γ², a = (1 + 4λ²γ²)^{−1/2}; the two do not mix."""
    flow = reduced_flow()
    linear = sp.ImmutableMatrix([[flow[x].diff(y).subs({kappa: 1, nu: 1}) for y in (kappa, nu)] for x in (kappa, nu)])
    D, a = 1 + 2 * lam**2 * gamma**2, 1 / sp.sqrt(1 + 4 * lam**2 * gamma**2)
    u = lam * m / sp.sqrt(D)
    in_kappa = 8 * gamma**2 * m * lam / sp.sqrt(sp.pi * D) * sp.exp(-(u**2)) * (1 - sp.erf(a * u))
    return equal(linear, sp.ImmutableMatrix([[-in_kappa, 0], [0, -4 * gamma**2 * sp.erf(u)]]))


@claim(on=Domain({lam: (Q(9, 10), 1)}), by=[CertifiedOnBox()], source=DERIVED)
def oracle_is_not_the_best_for_large_temperature():
    """With d = 400, γ² = 1/2, L = 10 and λ from the published 0.9 to 1, unit vectors in the plane of k* and v* have a
    risk below the oracle's by more than 1/80: k = (k*(1−s²) + 2s v*)/(1+s²) with s = −41/56, v = (k*(1−t²) +
    2t v*)/(1+t²) with t = 38/53."""
    s, t = Q(-41, 56), Q(38, 53)
    at = {kappa: (1 - s**2) / (1 + s**2), eta: 2 * s / (1 + s**2)}
    at |= {theta: (1 - t**2) / (1 + t**2), nu: 2 * t / (1 + t**2)}
    at |= {rho: at[kappa] * at[theta] + at[eta] * at[nu], **ON_SPHERES}
    lower = _at_paper_constants(risk().expr.subs(at))
    return Inequality(lower, "<", _at_paper_constants(oracle_excess()) - Q(1, 80))


def _ends(name: str, steps: int, where: Any) -> Any:
    """Trials of a published descent, stopped after so many steps."""

    def trial(rng: np.random.Generator, count: int) -> np.ndarray:
        path = EXPERIMENTS[name].run(risk(), DESCENT, count, rng, steps=steps)
        return where(path.final)

    return trial


@claim(
    on=Domain({}),
    by=[BinomialFrequency(_ends("manifold", 4000, is_at_oracle), trials=600)],
    source=f"{PAPER}, Theorem 5 (second-hand), and the authors' public code",
)
def descent_on_the_manifold_finds_the_oracle():
    """Published descent on the manifold (d = 400, L = 10, γ² = 1/2, λ = 0.1, step 0.004) is after 4,000 of its 20,000
    steps within 1/4 of ±(k*, v*), from at least 9 of 10 starts."""
    return Frequency("descent on the manifold ends at the oracle", Q(9, 10))


@claim(
    on=Domain({}),
    by=[BinomialFrequency(_ends("sphere", 4000, is_swapped), trials=600)],
    source=f"{DERIVED}; the published runs ended there 14 times of 30",
)
def descent_on_the_spheres_may_end_swapped():
    """Published descent from uniform starts on the spheres with λ = 0.1 ends near the swapped solution k = ±v*, θη > 0,
    and not at the oracle, with a probability between 1/3 and 2/3."""
    return Frequency("descent on the spheres ends at the swapped solution", Q(1, 3), Q(2, 3))


@claim(
    on=Domain({}),
    by=[BinomialFrequency(_ends("sphere", 4000, lambda end: is_swapped(end) | is_at_oracle(end)), trials=600)],
    source=DERIVED,
)
def descent_on_the_spheres_ends_at_one_of_two():
    """Published descent from uniform starts on the spheres with λ = 0.1 ends at the oracle or at the swapped solution,
    from at least 9 of 10 starts."""
    return Frequency("descent on the spheres ends at the oracle or at the swapped solution", Q(9, 10))


@claim(
    on=Domain({}),
    by=[BinomialFrequency(_ends("schedule", 8000, is_swapped), trials=500)],
    source=f"{DERIVED}; the published runs ended at the oracle, 30 times of 30, as they do in one of three such trials",
)
def descent_with_the_schedule_may_come_to_the_swapped_solution():
    """Published descent with the schedule λ = 1/(1 + t/10,000) does not always lead to the oracle: after 8,000 of its
    120,000 steps it is near the swapped solution with a probability of at least 1/500, and of at most 1/5."""
    return Frequency("descent with the schedule comes to the swapped solution", Q(1, 500), Q(1, 5))


def _below_the_oracle(rng: np.random.Generator, count: int) -> np.ndarray:
    """Trials of the published descent with λ = 0.9 at twice its step, so that 12,000 steps are 24,000 of its own."""
    path = replace(EXPERIMENTS["large"], step=2e-3).run(risk(), DESCENT, count, rng, steps=12_000)
    k_star, v_star = np.eye(DIMENSION)[:2]
    oracle = risk_at(k_star, v_star, k_star, v_star, L=10, lam=0.9, gamma=math.sqrt(0.5))
    return (path.risk[-1] < oracle) & (distance_to_manifold(path.final) > 0)


@claim(
    on=Domain({}),
    by=[BinomialFrequency(_below_the_oracle, trials=150)],
    source=f"{DERIVED}; the published runs end there 30 times of 30, after 120,000 steps",
)
def descent_with_a_large_temperature_goes_below_the_oracle():
    """With λ = 0.9 descent from uniform starts on the spheres leaves the manifold and has a smaller risk than the
    oracle, after 12,000 steps of 0.002 already, from more than half of the starts."""
    return Frequency("descent with a large inverse temperature goes below the oracle", Q(1, 2))


# --- claims: other predictors --------------------------------------------------------------

beta = sp.MatrixSymbol("beta", d, 1)
b_0, b_v, b_k, b_rest = sp.symbols("b_0 b_v b_k b_rest", real=True)
LINEAR = Domain(
    {**CONSTANTS, b_0: (-sp.oo, sp.oo), b_v: (-sp.oo, sp.oo), b_k: (-sp.oo, sp.oo), b_rest: (-sp.oo, sp.oo)}
)


@dataclass(frozen=True)
class LinearPredictor(Layer):
    """T(X) = b₀ + Σ_ℓ ⟨X_ℓ, β⟩, the same β for every token, as exchangeability and convexity allow."""

    beta: sp.MatrixSymbol = beta
    intercept: sp.Expr = sp.S.Zero

    def predict(self, tokens: sp.MatrixExpr) -> sp.Expr:
        index = token_index()
        return self.intercept + sp.Sum(dot(tokens[index, :], self.beta), (index, 0, tokens.shape[0] - 1))


def linear_risk(intercept: sp.Expr) -> sp.Expr:
    """The risk of a linear predictor with β = b_v v* + b_k k* + b_rest w, w a unit vector orthogonal to both."""
    coordinates_of = {
        dot(beta, v_star): b_v,
        dot(beta, k_star): b_k,
        dot(beta, beta): b_v**2 + b_k**2 + b_rest**2,
        **{node: OVERLAPS[node] for node in (dot(k_star, k_star), dot(v_star, v_star))},
        dot(k_star, v_star): sp.Integer(0),
    }
    return population_risk(SingleLocation(), LinearPredictor(intercept=intercept), overlaps=coordinates_of).expr


BEST_LINEAR = {b_v: gamma**2 / (gamma**2 + (L - 1) * sigma**2), b_k: 0, b_rest: 0}


@claim(
    on=LINEAR,
    by=[SymbolicIdentity(), CertifiedNumerics(digits=30)],
    source=f"{PAPER}, Proposition 3 (second-hand)",
)
def best_linear_predictor():
    """Without intercept the risk of Σ⟨X_ℓ, β⟩ is R_lin + (γ² + (L−1)σ²)‖β − β*‖² + m²⟨β, k*⟩² with
    β* = γ²/(γ² + (L−1)σ²) v* and R_lin = ε² + γ² − γ⁴/(γ² + (L−1)σ²): β* is the only minimum."""
    q = gamma**2 + (L - 1) * sigma**2
    distance = (b_v - BEST_LINEAR[b_v]) ** 2 + b_k**2 + b_rest**2
    return equal(linear_risk(sp.Integer(0)), epsilon**2 + gamma**2 - gamma**4 / q + q * distance + m**2 * b_k**2)


@claim(on=LINEAR, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def best_linear_predictor_with_intercept():
    """An intercept does not help: the risk is the same plus (b₀ + m⟨β, k*⟩)² in place of m²⟨β, k*⟩²."""
    q = gamma**2 + (L - 1) * sigma**2
    distance = (b_v - BEST_LINEAR[b_v]) ** 2 + b_k**2 + b_rest**2
    return equal(linear_risk(b_0), epsilon**2 + gamma**2 - gamma**4 / q + q * distance + (b_0 + m * b_k) ** 2)


@claim(on=LINEAR, by=[SymbolicIdentity()], source=f"{PAPER} (second-hand)")
def linear_predictors_do_not_learn_long_sequences():
    """The risk of the best linear predictor tends to that of predicting zero, ε² + γ², as L → ∞."""
    length = sp.Symbol("L", positive=True)
    return Limit(linear_risk(sp.Integer(0)).subs(BEST_LINEAR).subs(L, length), length, sp.oo, epsilon**2 + gamma**2)


# --- claims: Bayes -------------------------------------------------------------------------

x = sp.MatrixSymbol("x", d, 1)
s_x, n_x = sp.symbols("s_x n_x", real=True)
NOISY = Domain({m: (Q(1, 4), 5), gamma: (Q(1, 5), 2), sigma: (Q(1, 5), 2), s_x: (-3, 3), n_x: (1, 9)})


def log_weight() -> sp.Expr:
    """log of the likelihood ratio of a token at x, informative against background, up to a constant.

    The posterior weight of token ℓ is the softmax of this over the prompt.
    """
    informative = dot(x - m * k_star, x - m * k_star).xreplace({dot(k_star, k_star): sp.Integer(1)})
    return -informative / (2 * gamma**2) + dot(x, x) / (2 * sigma**2)


def log_weight_in_coordinates() -> sp.Expr:
    """The same in s = ⟨x, k*⟩ and n = ‖x‖²."""
    return log_weight().xreplace({dot(k_star, x): s_x, dot(x, x): n_x})


@claim(on=NOISY, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def softmax_is_bayes_for_equal_variances():
    """For γ = σ the Bayes predictor is softmax attention with k = (m/σ²) k*, v = v*: the log weights are (m/σ²)⟨X, k*⟩
    up to a constant common to all tokens."""
    equal_variances = log_weight_in_coordinates().subs(gamma, sigma)
    return equal(equal_variances, m / sigma**2 * s_x - m**2 / (2 * sigma**2))


@claim(on=NOISY, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def bayes_uses_the_norm():
    """For γ ≠ σ the Bayes log weights have the slope 1/(2σ²) − 1/(2γ²) in ‖X‖²."""
    return equal(log_weight_in_coordinates().diff(n_x), 1 / (2 * sigma**2) - 1 / (2 * gamma**2))


@claim(
    on=NOISY,
    by=[CertifiedNumerics(digits=20)],
    source="a reading of the paper's model one is tempted by; not a statement of the paper",
    expected="refuted",
)
def scores_alone_are_enough():
    """For all γ, σ the Bayes weights depend on a token through ⟨X, k*⟩ only."""
    return equal(log_weight_in_coordinates(), log_weight_in_coordinates().subs(n_x, 0))


@claim(
    on=Domain({m: (Q(1, 4), 5)}),
    by=[CertifiedNumerics(digits=20)],
    source="derived here; Duranthon et al. (2025), arXiv 2509.21936, have the spiked model with ν = m²",
)
def bayes_excess_for_two_tokens():
    """For γ = σ = 1, L = 2 the Bayes excess risk is 1 − E p_J = E sigmoid(−(m² + √2 m g)), g ~ N(0, 1)."""
    informative, other = gaussians("s_J s_1", mean=[m, 0])
    (g,) = gaussians("g")
    missed = Expectation(1 / (1 + sp.exp(m * (informative - other))))
    return equal(missed, Expectation(1 / (1 + sp.exp(m**2 + sp.sqrt(2) * m * g))))


# --- claims: linear attention --------------------------------------------------------------

LINEAR_ATTENTION = PointwiseAttention(k, v, sp.Integer(1), lambda score: 1 + score)
a, b = sp.symbols("a b", real=True)
SPIKED = Domain({L: (2, 30), m: (Q(1, 4), 5)})


@lru_cache
def linear_attention_excess() -> Risk:
    """The excess risk of Σ_ℓ (1 + ⟨X_ℓ, k⟩)⟨X_ℓ, v⟩ for γ = σ = 1, in the seven overlaps."""
    unit = SingleLocation(gamma=sp.Integer(1), sigma=sp.Integer(1), epsilon=sp.Integer(0))
    known = {**OVERLAPS, dot(k_star, v_star): sp.Integer(0)}
    return population_risk(unit, LINEAR_ATTENTION, overlaps=known, parameters=risk().parameters)


def on_the_oracle_axes() -> dict[sp.Symbol, sp.Expr]:
    """k = a k*, v = b v*."""
    return {kappa: a, nu: b, q_k: a**2, q_v: b**2, **MANIFOLD}


def best_linear_attention() -> dict[sp.Symbol, sp.Expr]:
    """The best a and b: a = m(L−1)/L, b = A/B with A = E w_J, B = E Σ w_ℓ²."""
    best_a = m * (L - 1) / L
    gain = 1 + m * best_a
    return {a: best_a, b: gain / (gain**2 + best_a**2 + (L - 1) * (1 + best_a**2))}


def best_excess() -> sp.Expr:
    """L(L−1)/(L² + m²(L−1))."""
    return L * (L - 1) / (L**2 + m**2 * (L - 1))


@claim(on=SPIKED, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def excess_of_the_best_linear_attention():
    """For γ = σ = 1 linear attention Σ(1 + ⟨X_ℓ, k⟩)⟨X_ℓ, v⟩ with k = m(L−1)/L k* and the best multiple of v* has the
    excess risk L(L−1)/(L² + m²(L−1))."""
    return equal(linear_attention_excess().expr.subs(on_the_oracle_axes()).subs(best_linear_attention()), best_excess())


@claim(on=SPIKED, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def best_linear_attention_is_stationary():
    """That point is stationary in the scales a, b of k = a k*, v = b v*, and leaving the manifold gains nothing to
    first order."""
    excess = linear_attention_excess()
    along = excess.expr.subs(on_the_oracle_axes())
    across = [slope.subs(on_the_oracle_axes()) for x, slope in excess.gradient().items() if x in MANIFOLD]
    return equal([f.subs(best_linear_attention()) for f in [along.diff(a), along.diff(b), *across]], [0] * 5)


@claim(
    on=Domain({L: (2, 30), m: (Q(1, 4), 5), a: (-3, 3)}),
    by=[SymbolicIdentity(), CertifiedNumerics(digits=30)],
    source=DERIVED,
)
def no_scale_does_better():
    """With the best b for each a, the excess is 1 − (1 + ma)²/((1 + ma)² + a² + (L−1)(1 + a²)), and it exceeds
    L(L−1)/(L² + m²(L−1)) by (La − m(L−1))² times a positive number."""
    along = linear_attention_excess().expr.subs(on_the_oracle_axes())
    best_b = (1 + m * a) / ((1 + m * a) ** 2 + a**2 + (L - 1) * (1 + a**2))
    gap = (L * a - m * (L - 1)) ** 2 / ((L**2 + m**2 * (L - 1)) * ((1 + m * a) ** 2 + a**2 + (L - 1) * (1 + a**2)))
    return equal(along.subs(b, best_b) - best_excess(), gap)


@claim(on=SPIKED, by=[SymbolicIdentity()], source=DERIVED)
def linear_attention_for_strong_signals():
    """The excess of the best linear attention is asymptotic to L/m² as m → ∞."""
    strength = sp.Symbol("m", positive=True)
    return Limit(strength**2 * best_excess().subs(m, strength), strength, sp.oo, L)


@claim(
    on=Domain({L: (3, 30)}),
    by=[SymbolicIdentity(), CertifiedNumerics(digits=20)],
    source="Duranthon et al. (2025), arXiv 2509.21936, eq. (12) and Corollary 4.3 as quoted in two secondary notes "
    "and a public review; the paper itself was not checked",
    expected="refuted",
)
def linear_attention_as_quoted():
    """The excess of the best linear attention is asymptotic to L/((L−1)m²) as m → ∞. True for L = 2 only; a slip of
    the transcriptions is as likely as one of the paper."""
    strength = sp.Symbol("m", positive=True)
    return Limit(strength**2 * best_excess().subs(m, strength), strength, sp.oo, L / (L - 1))


# --- the study -----------------------------------------------------------------------------


def derivation_of_the_risk() -> Derivation:
    """The risk on the invariant manifold, from the definition, step by step."""
    on_manifold = {
        **OVERLAPS,
        **{node: sp.Integer(0) for node, x in OVERLAPS.items() if x in (theta, eta, rho, c)},
    }
    on_manifold |= {dot(k, k): sp.Integer(1), dot(v, v): sp.Integer(1)}
    law = SingleLocation()
    return derive(squared_error(law.target(), LAYER.predict(law.tokens())), known=on_manifold)


study = Study(
    name="single-location",
    title="Single-location regression: erf attention finds the informative token",
    source=PAPER,
    claims=(*(item for item in list(globals().values()) if isinstance(item, Claim)), *bayes_claims),
    simulator=SIMULATOR,
    risk=risk,
    derivations=(derivation_of_the_risk,),
)
