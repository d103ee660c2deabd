"""Attention-based clustering: linear attention heads on a mixture of Gaussians, and what they find.

Source: Maulen-Soto, Boyer, Marion, *Attention-based clustering*, arXiv 2505.13112. Its abstract was read; what is taken
from second-hand notes about it is marked "second-hand", everything else is derived here.

Setting. Tokens X₁, …, X_L are independent with the law Σ_j w_j N(μ_j, σ²I) in R^d, and heads h₁, …, h_H predict

    T(X) = c λ Σ_h Σ_ℓ ⟨X₁, h⟩⟨h, X_ℓ⟩ X_ℓ,      R = E‖X₁ − T(X)‖²,

the sum over ℓ with the query ℓ = 1 in it. The scale is c = 2/L for two components (second-hand) and K/L for K.
There are no labels: the layer learns to reconstruct a token from its prompt.

What is found here. R is a convex quadratic function of A = λΣhhᵀ, so it cannot tell heads from their rotations among
themselves: without regularizer the centroids' *span* is learned and not the centroids. On the manifold where each head
sees its own centroid only, the flow does find them, for λ up to λ_max; a regularizer does so from everywhere.

Conventions: S = σ² is a variance, `sigma` a standard deviation; no factor 1/2; R contains what no head can remove.
The model is in `_clustering_model`; any mixture in `_clustering_mixture`; the landscape of two orthonormal centroids in
`_clustering_pair`; K centroids and identity weights, a layer that has learned nothing, in `_clustering_quantization`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp
from hypothesis import strategies as st

from numerics import Overlaps, Simulator, draw_overlaps, gradient, projected_gradient_descent, value
from proofs_check.claim import Study, claim
from proofs_check.frequency_check import BinomialFrequency
from proofs_check.property_based import PropertyBasedAgreement
from proofs_check.strategies import models as models_of
from proofs_check.strategies import reals, vectors
from theory import Agreement, Derivation, Domain, E, Frequency, Risk, derive, dot, squared_error
from theory.notation import L, lam

from ._clustering_mixture import mixture_claims
from ._clustering_model import (
    CENTROIDS,
    DERIVED,
    OVERLAPS,
    PAPER,
    LinearHeads,
    Mixture,
    h,
    identity_risk,
    mu,
    pair_law,
    regularized_risk,
    regularizer_of_mixture,
    risk,
)
from ._clustering_pair import pair_claims
from ._clustering_quantization import quantization_claims

__all__ = ["gradient_at", "quantization_risk_at", "risk", "risk_at", "study"]

# --- numbers -------------------------------------------------------------------------------


def risk_at(
    heads: np.ndarray,
    centroids: np.ndarray,
    *,
    sigma: float,
    L: int,
    lam: float,
    weights: np.ndarray | None = None,
    scale: float | None = None,
    regularizer: float = 0.0,
) -> float:
    """The population risk E‖X₁ − T(X)‖² of given heads, with ρ E⟨X, h₀⟩²⟨X, h₁⟩² added if there is a regularizer.

    Args:
        heads: shape (H, d), of any number and norms.
        centroids: shape (K, d), distinct, of any number, norms and angles.
        sigma: standard deviation σ >= 0 of every coordinate of a token about its centroid; 0 is the Dirac mixture.
        L: sequence length, at least 1.
        lam: λ > 0.
        weights: probabilities of the components, shape (K,), positive with sum one; default equal.
        scale: c in front of the layer; default K/L, which is 2/L for two components.
        regularizer: ρ >= 0; for two heads only.

    Raises:
        ValueError: naming the argument, its value and what was expected.

    Source: derived by the engine from the definition above.

    >>> round(risk_at(np.eye(2, 5), np.eye(2, 5), sigma=0.3, L=6, lam=0.5), 7)
    0.3849388
    """
    point, rho = _point(centroids, sigma, L, lam, weights, scale, heads), _regularizer(regularizer, heads)
    plain = float(value(risk(), point))
    return plain if rho == 0 else plain + rho * float(value(_regularizer_of_two(), _of_two(point)))


def gradient_at(
    heads: np.ndarray,
    centroids: np.ndarray,
    *,
    sigma: float,
    L: int,
    lam: float,
    weights: np.ndarray | None = None,
    scale: float | None = None,
    regularizer: float = 0.0,
) -> np.ndarray:
    """The Euclidean gradient of the risk in the heads, ∇_h R = 2λ G(A) h with G = ∂R/∂A.

    Arguments and errors are those of `risk_at`. On unit spheres project each row with I − hhᵀ.

    Returns:
        An array of shape (H, d).

    >>> slope = gradient_at(np.eye(2, 5), np.eye(2, 5), sigma=0.3, L=6, lam=0.5)
    >>> bool(np.allclose(slope, slope[0, 0] * np.eye(2, 5)))
    True
    """
    point, rho = _point(centroids, sigma, L, lam, weights, scale, heads), _regularizer(regularizer, heads)
    plain = np.asarray(gradient(risk(), point)["H"], dtype=float)
    if rho == 0:
        return plain
    slopes = gradient(_regularizer_of_two(), _of_two(point))
    return plain + rho * np.stack([np.ravel(slopes[name]) for name in ("h_0", "h_1")])


def quantization_risk_at(
    centroids: np.ndarray,
    *,
    sigma: float,
    L: int,
    lam: float,
    weights: np.ndarray | None = None,
    scale: float | None = None,
) -> float:
    """The population risk of identity weights, T(X) = cλ Σ_ℓ ⟨X₁, X_ℓ⟩ X_ℓ: a layer that has learned nothing.

    Arguments and errors are those of `risk_at`, without heads.

    >>> round(quantization_risk_at(np.eye(2, 5), sigma=0.3, L=6, lam=0.5645669479), 10)
    0.2933905127
    """
    return float(value(_identity_risk(), _point(centroids, sigma, L, lam, weights, scale)))


@lru_cache
def _identity_risk() -> Risk:
    return Risk(identity_risk(), ())


@lru_cache
def _regularizer_of_two() -> Risk:
    """E⟨X, h₀⟩²⟨X, h₁⟩² on any mixture, in two heads."""
    return Risk(regularizer_of_mixture(), h)


def _of_two(point: dict[str, Any]) -> dict[str, Any]:
    """The point of a risk of two heads by their names."""
    kept = {name: x for name, x in point.items() if name in ("M", "w", "S")}
    return {**kept, "h_0": point["H"][0], "h_1": point["H"][1]}


def coordinates(
    heads: np.ndarray,
    centroids: np.ndarray,
    sigma: float,
    L: int,
    lam: float,
    weights: np.ndarray | None = None,
    scale: float | None = None,
) -> dict[str, Any]:
    """The symbols of the risk at the model of `risk_at`, by name."""
    return _point(centroids, sigma, L, lam, weights, scale, heads)


def _point(centroids: Any, sigma: Any, L: Any, lam: Any, weights: Any, scale: Any, heads: Any = None) -> dict[str, Any]:
    M = _matrix("centroids", "(K, d)", centroids)
    number, dimension = M.shape
    if isinstance(L, bool) or not isinstance(L, (int, np.integer)) or L < 1:
        raise ValueError(f"expected an integer L >= 1, got L={L!r}; L is the sequence length")
    numbers = {"sigma": sigma, "lam": lam, "scale": number / L if scale is None else scale}
    for name, given in numbers.items():
        if isinstance(given, bool) or not isinstance(given, (int, float, np.integer, np.floating)):
            raise ValueError(f"expected a real number {name}, got {name}={given!r}")
        if not math.isfinite(given):
            raise ValueError(f"expected a finite number {name}, got {name}={given!r}")
    if sigma < 0:
        raise ValueError(f"expected sigma >= 0, got sigma={sigma!r}; sigma is a standard deviation")
    if not lam > 0:
        raise ValueError(f"expected lam > 0, got lam={lam!r}; without it the layer predicts zero")
    if not numbers["scale"] > 0:
        raise ValueError(f"expected scale > 0, got scale={scale!r}; leave it out for K/L")
    same = [(i, j) for i in range(number) for j in range(i) if np.array_equal(M[i], M[j])]
    if same:
        i, j = same[0]
        raise ValueError(f"expected distinct centroids, got centroids {j} and {i} equal; add their weights in one")
    point = {"M": M, "w": _weights(weights, number), "S": float(sigma) ** 2, "L": int(L), "d": dimension}
    point |= {"c": float(numbers["scale"]), "lam": float(lam)}
    if heads is not None:
        point["H"] = _matrix("heads", "(H, d)", heads)
        if point["H"].shape[1] != dimension:
            raise ValueError(
                f"expected heads and centroids of one dimension, got heads of shape {point['H'].shape} "
                f"and centroids of shape {M.shape}"
            )
    return point


def _matrix(name: str, shape: str, given: Any) -> np.ndarray:
    try:
        array = np.asarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected a real array {name} of shape {shape}, got {name}={given!r}") from error
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"expected {name} of shape {shape}, one a row, got shape {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"expected finite entries in {name}, got {name}={array.tolist()}")
    return array


def _weights(weights: Any, number: int) -> np.ndarray:
    if weights is None:
        return np.full((number, 1), 1 / number)
    try:
        array = np.asarray(weights, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected real weights, got weights={weights!r}") from error
    if array.shape != (number,):
        raise ValueError(f"expected a weight for each of {number} centroids, got weights of shape {array.shape}")
    if not np.all(np.isfinite(array)) or not np.all(array > 0):
        raise ValueError(
            f"expected positive weights, got weights={array.tolist()}; leave out components without weight"
        )
    # a sum of K floats, each rounded once
    if abs(array.sum() - 1) > 10 * number * np.finfo(float).eps:
        raise ValueError(f"expected weights that sum to one, got weights={array.tolist()} with sum {array.sum()!r}")
    return array.reshape(number, 1) / array.sum()


def _regularizer(rho: Any, heads: Any) -> float:
    if isinstance(rho, bool) or not isinstance(rho, (int, float, np.integer, np.floating)) or not math.isfinite(rho):
        raise ValueError(f"expected a finite number regularizer, got regularizer={rho!r}")
    if rho < 0:
        raise ValueError(f"expected regularizer >= 0, got regularizer={rho!r}")
    if rho > 0 and len(heads) != 2:
        raise ValueError(f"expected two heads with a regularizer, got {len(heads)}; it is E⟨X, h₀⟩²⟨X, h₁⟩²")
    return float(rho)


# --- the simulator: a literal transcription of the definition, in full dimension -----------


def draw(
    rng: np.random.Generator,
    n: int,
    *,
    centroids: np.ndarray,
    sigma: float,
    L: int,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """n prompts (n, L, d) and the first token of each (n, d)."""
    centroids = np.asarray(centroids)
    number, dimension = centroids.shape
    component = rng.choice(number, size=(n, L), p=weights)
    tokens = centroids[component] + sigma * rng.standard_normal((n, L, dimension))
    return tokens, tokens[:, 0]


def predict(tokens: np.ndarray, *, heads: np.ndarray, lam: float, scale: float | None = None) -> np.ndarray:
    """T(X) = c λ Σ_h Σ_ℓ ⟨X₁, h⟩⟨h, X_ℓ⟩ X_ℓ for tokens of shape (n, L, d)."""
    scale = 2 / tokens.shape[1] if scale is None else scale
    prediction = np.zeros_like(tokens[:, 0])
    for head in heads:
        overlap = tokens @ head
        prediction += scale * lam * np.einsum("n,nl,nld->nd", overlap[:, 0], overlap, tokens)
    return prediction


SIMULATOR = Simulator(draw, predict)


def clustering_models() -> st.SearchStrategy[dict[str, Any]]:
    """Admissible models: dimension, numbers of centroids and heads, vectors of any direction, all constants.

    Norms, λ and the scale are moderate, so that the proven bound of E loss² is not far from it.
    """

    def rows(count: int, d: int) -> st.SearchStrategy[np.ndarray]:
        return st.lists(vectors(d, norms=("1/2", 1)), min_size=count, max_size=count).map(np.array)

    return models_of(
        d=st.integers(1, 4),
        K=st.integers(1, 3),
        count=st.integers(1, 3),
        centroids=lambda K, d: rows(K, d).filter(lambda M: len({tuple(x) for x in M}) == len(M)),
        heads=lambda count, d: rows(count, d),
        L=st.integers(1, 5),
        weights=lambda K: st.lists(st.integers(1, 9), min_size=K, max_size=K).map(lambda w: np.array(w) / sum(w)),
        sigma=reals(0, "1/2"),
        lam=reals("0.05", "0.4"),
        scale=reals("0.1", "0.4"),
        without=("d", "K", "count"),
    )


@lru_cache
def squared_norm_moments() -> tuple[sp.Expr, ...]:
    """E‖X‖^{2k} of one token for k = 1, …, 6."""
    token = sp.Transpose(Mixture().tokens()[0, :])
    return tuple(E(dot(token, token) ** order) for order in range(1, 7))


def second_moment_bound(**model: Any) -> float:
    """A bound of E loss², proven: ‖X₁ − T‖ <= ‖X₁‖(1 + a Σ‖X_ℓ‖²) with a = cλ‖HᵀH‖, hence

    E loss² <= E ‖X₁‖⁴ (1 + aΣ‖X_ℓ‖²)⁴ = Σ_{i+j+k=4} 4!/(i!j!k!) a^{j+k} E‖X₁‖^{4+2j} E(Σ_{ℓ>1}‖X_ℓ‖²)^k
    """
    point = coordinates(**model)
    a = point["c"] * point["lam"] * np.linalg.norm(point["H"], 2) ** 2
    law = {name: point[name] for name in ("M", "w", "S")}
    one = [1.0, *(float(value(Risk(moment, ()), law)) for moment in squared_norm_moments())]
    rest = [1.0, 0.0, 0.0, 0.0, 0.0]
    for _ in range(point["L"] - 1):
        rest = [sum(math.comb(k, i) * rest[i] * one[k - i] for i in range(k + 1)) for k in range(5)]
    return sum(
        math.comb(4, j) * math.comb(4 - j, k) * a ** (j + k) * one[2 + j] * rest[k]
        for j in range(5)
        for k in range(5 - j)
    )


# --- claims against simulation -----------------------------------------------------------------


@claim(
    on=Domain({}),
    by=[
        PropertyBasedAgreement(
            clustering_models(),
            examples=25,
            samples=100_000,
            second_moment=second_moment_bound,
            coordinates=coordinates,
        )
    ],
    source=DERIVED,
)
def risk_is_the_mean_of_the_model():
    """The derived risk is the mean loss of the model, drawn in R^d from its definition, at mixtures of any weights,
    centroids, noise, and at any heads, lengths and scales."""
    return Agreement(risk().expr)


# --- claims: descent ---------------------------------------------------------------------------

DESCENT = Overlaps(OVERLAPS, trained=h)
DIMENSION = 5
EXPERIMENT = {"L": 30, "d": DIMENSION, "S": 0.09, "lam": 0.6}


def _ends(rho: float, steps: int, count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Overlaps after projected gradient descent from uniform unit heads, d = 5, L = 30, S = 0.09, λ = 0.6."""
    start = draw_overlaps(DESCENT, DIMENSION, count, rng)
    path = projected_gradient_descent(
        regularized_risk(), start, step=0.2, steps=steps, values={**EXPERIMENT, "rho": rho}, manifold=DESCENT, record=2
    )
    return path.final


def smaller_alignment(ends: dict[str, np.ndarray]) -> np.ndarray:
    """The smaller of the two alignments, up to signs and order: max(min(|κ₀|, |κ₁|), min(|η₀|, |η₁|))."""
    straight = np.minimum(np.abs(ends["kappa_0"]), np.abs(ends["kappa_1"]))
    crossed = np.minimum(np.abs(ends["eta_0"]), np.abs(ends["eta_1"]))
    return np.maximum(straight, crossed)


def in_the_plane(ends: dict[str, np.ndarray]) -> np.ndarray:
    """Whether both heads are in the plane of the centroids and orthogonal, to 1e-3: on the orbit."""
    inside = [ends["kappa_0"] ** 2 + ends["eta_0"] ** 2, ends["kappa_1"] ** 2 + ends["eta_1"] ** 2]
    return (np.minimum(*inside) > 1 - 1e-3) & (np.abs(ends["xi"]) < 1e-3)


def _finds_the_plane(rng: np.random.Generator, count: int) -> np.ndarray:
    return in_the_plane(_ends(0.0, 400, count, rng))


def _aligned_without(rng: np.random.Generator, count: int) -> np.ndarray:
    return smaller_alignment(_ends(0.0, 400, count, rng)) > 0.99


def _aligned_with(rng: np.random.Generator, count: int) -> np.ndarray:
    return smaller_alignment(_ends(0.1, 1500, count, rng)) > 0.99


@claim(on=Domain({}), by=[BinomialFrequency(_finds_the_plane, trials=400)], source=DERIVED)
def descent_finds_the_plane():
    """Projected gradient descent without regularizer from uniform unit heads (d = 5, L = 30, S = 0.09, λ = 0.6) ends on
    the orbit of the centroids under rotation, from at least 9 of 10 starts."""
    return Frequency("descent without regularizer ends in the plane", sp.Rational(9, 10))


@claim(on=Domain({}), by=[BinomialFrequency(_aligned_without, trials=600)], source=DERIVED)
def descent_does_not_find_the_centroids():
    """The same descent ends within κ > 0.99 of the centroids in less than half of the cases: where on the orbit it ends
    is left to the start."""
    return Frequency("descent without regularizer aligns the heads", sp.Integer(0), sp.Rational(1, 2))


@claim(on=Domain({}), by=[BinomialFrequency(_aligned_with, trials=400)], source=f"{PAPER} (second-hand)")
def regularized_descent_finds_the_centroids():
    """With the regularizer, ρ = 0.1, the descent ends within κ > 0.99 of the centroids, up to signs and order, from at
    least 9 of 10 starts."""
    return Frequency("descent with the regularizer aligns the heads", sp.Rational(9, 10))


# --- the study -----------------------------------------------------------------------------


def derivation_of_the_dirac_risk() -> Derivation:
    """The risk of heads at two orthonormal centroids, without noise, step by step."""
    law = pair_law(sp.Integer(0))
    prediction = LinearHeads(lam * (mu[0] * mu[0].T + mu[1] * mu[1].T), 2 / L).predict(law.tokens())
    return derive(squared_error(law.target(), prediction), known=CENTROIDS)


study = Study(
    name="clustering",
    title="Attention-based clustering: linear heads learn the span of the centroids",
    source=PAPER,
    claims=(
        *mixture_claims,
        risk_is_the_mean_of_the_model,
        *pair_claims,
        descent_finds_the_plane,
        descent_does_not_find_the_centroids,
        regularized_descent_finds_the_centroids,
        *quantization_claims,
    ),
    simulator=SIMULATOR,
    risk=risk,
    derivations=(derivation_of_the_dirac_risk,),
)
