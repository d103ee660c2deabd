"""Single-location regression by exact conditioning: L scalars a draw in place of L·d.

Given the location J and the scores a_ℓ = ⟨X_ℓ, k⟩, the gates g_ℓ = erf(λ a_ℓ) are known numbers, and the rest
of the squared error is a quadratic form in Gaussians. Linear regression on the score leaves, with the overlaps
κ, ν, θ, η, ρ, q_k, q_v and c = ⟨k*, v*⟩,

    ⟨X_J, v⟩  given a_J    mean mθ + (ρ/q_k)(a_J − mκ),   variance γ²(q_v − ρ²/q_k)
    ⟨X_J, v*⟩ given a_J    mean mc + (η/q_k)(a_J − mκ),   variance γ²(1 − η²/q_k),   covariance γ²(ν − ρη/q_k)
    ⟨X_ℓ, v⟩  given a_ℓ    mean (ρ/q_k) a_ℓ,              variance σ²(q_v − ρ²/q_k)

so that E[(Y − T)² | J, a] = (conditional mean of Y − T)² + its conditional variance, a polynomial in the gates.
Its mean is the risk, and by Jensen's inequality its variance is at most that of the squared error itself. The
order of the tokens does not matter, so the informative score stands first.

The formula is a derivation by hand; `conditioned_losses_have_the_raw_mean` holds it against raw draws in R^d:

>>> from proofs_check.check import Context
>>> this, context = conditioned_losses_have_the_raw_mean, Context(np.random.default_rng(1), DIFFERENCE)
>>> [check.run(this, context).outcome.value for check in this.checks]
['holds', 'holds']
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import erf

from numerics import Simulator
from proofs_check.claim import claim
from proofs_check.monte_carlo import MonteCarloAgreement
from proofs_check.property_based import PropertyBasedAgreement
from theory import Agreement

from . import single_location as study

__all__ = ["CONDITIONED", "DIFFERENCE", "conditioned_losses", "conditioned_losses_have_the_raw_mean"]


def draw_scores(
    rng: np.random.Generator,
    n: int,
    *,
    k: np.ndarray,
    k_star: np.ndarray,
    L: int,
    gamma: float,
    m: float | None = None,
    sigma: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores ⟨X_ℓ, k⟩ of n prompts, shape (n, L), the informative token first; no target, zeros (n,)."""
    strength = math.sqrt(len(k_star) / 2) if m is None else m
    norm = math.sqrt(float(np.dot(k, k)))
    scores = rng.standard_normal((n, L))
    informative = strength * float(np.dot(k, k_star)) + gamma * norm * scores[:, 0]
    scores *= sigma * norm
    scores[:, 0] = informative
    return scores, np.zeros(n)


def conditional_risk(
    scores: np.ndarray,
    *,
    k: np.ndarray,
    v: np.ndarray,
    k_star: np.ndarray,
    v_star: np.ndarray,
    lam: float,
    gamma: float,
    m: float | None = None,
    sigma: float = 1.0,
    epsilon: float = 0.0,
) -> np.ndarray:
    """E[(Y − T)² | scores], shape (n,), for scores of shape (n, L) with the informative one first.

    Raises:
        ValueError: for k = 0, whose scores say nothing.
    """
    at = study.overlaps(k, v, k_star, v_star)
    q_k, rho, eta = at["q_k"], at["rho"], at["eta"]
    if q_k == 0:
        raise ValueError("expected k != 0, got the zero vector; there is nothing to condition on")
    strength = math.sqrt(len(k_star) / 2) if m is None else m
    gates = erf(lam * scores)
    informative, rest = gates[:, 0], gates[:, 1:]
    deviation = (scores[:, 0] - strength * at["kappa"]) / q_k
    target = strength * float(np.dot(k_star, v_star)) + eta * deviation
    signal = strength * at["theta"] + rho * deviation
    background = rho / q_k * np.einsum("nl,nl->n", rest, scores[:, 1:])
    mean = target - informative * signal - background
    left_of_target, left_of_value = 1 - eta**2 / q_k, at["q_v"] - rho**2 / q_k
    shared = at["nu"] - rho * eta / q_k
    variance = epsilon**2 + gamma**2 * (left_of_target + informative * (informative * left_of_value - 2 * shared))
    return mean**2 + variance + sigma**2 * left_of_value * np.einsum("nl,nl->n", rest, rest)


CONDITIONED = Simulator(draw_scores, conditional_risk, loss=lambda target, prediction: prediction)
"""The conditioned estimator as a simulator: `simulate(CONDITIONED, values, samples, seed)` estimates the risk."""


def conditioned_losses(
    rng: np.random.Generator,
    n: int,
    *,
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
) -> np.ndarray:
    """n independent draws, shape (n,), of E[(Y − T)² | scores]; their mean is the risk.

    Arguments are those of `single_location.risk_at`.

    >>> rng = np.random.default_rng(0)
    >>> values = dict(k=[1, 0], v=[0, 1], k_star=[1, 0], v_star=[0, 1], L=10, lam=0.1, gamma=0.5**0.5, m=200**0.5)
    >>> losses = conditioned_losses(rng, 100_000, **values)
    >>> bool(abs(losses.mean() - study.risk_at(**values)) < 6*losses.std()/100_000**0.5)
    True
    """
    scores, _ = draw_scores(rng, n, k=k, k_star=k_star, L=L, gamma=gamma, m=m, sigma=sigma)
    vectors = {"k": k, "v": v, "k_star": k_star, "v_star": v_star}
    return conditional_risk(scores, **vectors, lam=lam, gamma=gamma, m=m, sigma=sigma, epsilon=epsilon)


# --- the claim -----------------------------------------------------------------------------


def draw_both(
    rng: np.random.Generator,
    n: int,
    *,
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
) -> tuple[np.ndarray, np.ndarray]:
    """Raw prompts (n, L, d); raw targets beside independent conditioned losses (n, 2)."""
    law: dict[str, Any] = {
        "k_star": k_star,
        "v_star": v_star,
        "L": L,
        "gamma": gamma,
        "m": m,
        "sigma": sigma,
        "epsilon": epsilon,
    }
    tokens, target = study.draw(rng, n, **law)
    return tokens, np.column_stack([target, conditioned_losses(rng, n, k=k, v=v, lam=lam, **law)])


def predict_raw(tokens: np.ndarray, *, k: np.ndarray, v: np.ndarray, lam: float) -> np.ndarray:
    """T(X) beside zeros (n, 2)."""
    return np.column_stack([study.predict(tokens, k=k, v=v, lam=lam), np.zeros(len(tokens))])


DIFFERENCE = Simulator(
    draw_both, predict_raw, loss=lambda target, prediction: (target - prediction)[:, 0] ** 2 - target[:, 1]
)
"""The squared error of a raw draw minus the conditioned loss of an independent one: its mean should be zero."""


def twice_the_second_moment(**model: Any) -> float:
    """A bound of E(A − B)² ≤ E A² + E B² ≤ 2 E A² for A ≥ 0 raw and B ≥ 0 conditioned, by Jensen's inequality."""
    return 2 * study.second_moment_at(**model)


GENERIC = {
    "k": np.array([0.9, 0.5, -0.3]),
    "v": np.array([0.4, 1.0, 0.6]),
    "k_star": np.array([0.8, 0.0, 0.6]),
    "v_star": np.array([0.28, 0.96, 0.0]),
    **{"L": 3, "lam": 0.9, "gamma": 1.1, "m": 0.7, "sigma": 0.8, "epsilon": 0.3},
}
"""A model where no overlap is small, so that no term of the formula hides."""


@claim(
    on=study.ANY_ANGLE,
    by=[
        PropertyBasedAgreement(
            study.single_location_models(), examples=30, samples=20_000, second_moment=twice_the_second_moment
        ),
        MonteCarloAgreement(resolution=0.005, models=[GENERIC], second_moment=twice_the_second_moment),
    ],
    source="derived here by linear regression on the scores",
)
def conditioned_losses_have_the_raw_mean():
    """The mean of (Y − T)² over raw draws in R^d and that of E[(Y − T)² | scores] over draws of the scores agree."""
    return Agreement(0)
