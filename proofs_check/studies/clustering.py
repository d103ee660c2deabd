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
The model is in `_clustering_model`; the landscape of two orthonormal centroids in `_clustering_pair`; K centroids and
identity weights, an attention layer that has learned nothing, in `_clustering_quantization`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp
from hypothesis import strategies as st

from numerics import Simulator, gradient, value
from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, Study, claim
from proofs_check.entrywise import Entrywise
from proofs_check.property_based import PropertyBasedAgreement
from proofs_check.strategies import models as models_of
from proofs_check.strategies import reals, vectors
from proofs_check.symbolic import SymbolicIdentity
from theory import (
    Agreement,
    Derivation,
    Domain,
    E,
    Expectation,
    GaussianMatrix,
    Risk,
    derive,
    dot,
    equal,
    matrix_gradient,
    quad,
    squared_error,
)
from theory.notation import L, d, lam

from ._clustering_model import (
    DERIVED,
    PAPER,
    A,
    H,
    K,
    LinearHeads,
    M,
    Mixture,
    N,
    S,
    identity_risk,
    pair_risk,
    risk,
    scale,
    w,
)

__all__ = ["gradient_at", "quantization_risk_at", "risk", "risk_at", "study"]

tr, had, I = sp.Trace, sp.HadamardProduct, sp.Identity

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
    return Risk(regularizer_of_mixture(), TWO_HEADS)


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


def _point(
    centroids: Any, sigma: Any, L: Any, lam: Any, weights: Any, scale: Any, heads: Any = None
) -> dict[str, Any]:
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
        raise ValueError(f"expected positive weights, got weights={array.tolist()}; leave out components without weight")
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


# --- formulas as they are written by hand ----------------------------------------------------

GRAM = lam * H.T * H  # A, of the heads
Id = I(d)
WHITE = S * Id
G_ = sp.MatrixSymbol("Gamma", d, d)

Component = tuple[sp.MatrixExpr | None, sp.Expr]
"""A number for each component: a vector of K entries, or None, and what is the same for all."""


def over(*factors: Component) -> sp.Expr:
    """Σ_j w_j Π f_j, the mean over components of a product."""
    terms: list[tuple[list[sp.MatrixExpr], sp.Expr]] = [([], sp.Integer(1))]
    for vector, constant in factors:
        with_constant = [(vectors, number * constant) for vectors, number in terms]
        terms = with_constant + ([] if vector is None else [([*vectors, vector], number) for vectors, number in terms])
    return sp.Add(*(number * (dot(w, _entrywise(vectors)) if vectors else 1) for vectors, number in terms))


def _entrywise(vectors: list[sp.MatrixExpr]) -> sp.MatrixExpr:
    return vectors[0] if len(vectors) == 1 else had(*vectors)


def at_means(Z: sp.MatrixExpr) -> sp.MatrixExpr:
    """The vector of μ_jᵀZμ_j."""
    return sp.DiagonalOf(M * Z * M.T)


def q(Z: sp.MatrixExpr, G: sp.MatrixExpr = WHITE) -> Component:
    """E_j XᵀZX = μ_jᵀZμ_j + tr ZΓ."""
    return at_means(Z), tr(Z * G)


def cov(Z: sp.MatrixExpr, Y: sp.MatrixExpr, G: sp.MatrixExpr = WHITE) -> Component:
    """Cov_j(XᵀZX, XᵀYX) = 4 μ_jᵀZΓYμ_j + 2 tr ZΓYΓ."""
    return 4 * at_means(Z * G * Y), 2 * tr(Z * G * Y * G)


def kappa_3(Z: sp.MatrixExpr, G: sp.MatrixExpr = WHITE) -> Component:
    """The cumulant κ₃(XᵀZX, XᵀZX, ‖X‖²) = 8 tr ZΓZΓ² + 8 μ_jᵀ(ZΓZΓ + ZΓ²Z + ΓZΓZ)μ_j."""
    return 8 * at_means(Z * G * Z * G + Z * G * G * Z + G * Z * G * Z), 8 * tr(Z * G * Z * G * G)


def outer(component: Component) -> sp.MatrixExpr:
    """Σ_j w_j f_j μ_jμ_jᵀ."""
    vector, constant = component
    alone = constant * M.T * sp.DiagMatrix(w) * M
    return alone if vector is None else alone + M.T * sp.DiagMatrix(had(w, vector)) * M


def second_moment(G: sp.MatrixExpr = WHITE) -> sp.MatrixExpr:
    """Σ = E XXᵀ = Σ w μμᵀ + Γ."""
    return M.T * sp.DiagMatrix(w) * M + G


def first_moment(Z: sp.MatrixExpr, G: sp.MatrixExpr = WHITE) -> sp.Expr:
    """S₁ = E XᵀZX ‖X‖²."""
    return over(q(Z, G), q(Id, G)) + over(cov(Z, Id, G))


def sixth_moment(Z: sp.MatrixExpr, G: sp.MatrixExpr = WHITE) -> sp.Expr:
    """S₂ = E (XᵀZX)² ‖X‖²."""
    mixed = over(cov(Z, Z, G), q(Id, G)) + 2 * over(cov(Z, Id, G), q(Z, G))
    return over(kappa_3(Z, G)) + mixed + over(q(Z, G), q(Z, G), q(Id, G))


def product_of_forms(Z: sp.MatrixExpr, G: sp.MatrixExpr = WHITE) -> sp.Expr:
    """S₃ = E (XᵀZX)(XᵀBX), B = (ZΣ + ΣZ)/2."""
    B = (Z * second_moment(G) + second_moment(G) * Z) / 2
    return over(q(Z, G), q(B, G)) + over(cov(Z, B, G))


def weighted_by(Z: sp.MatrixExpr, G: sp.MatrixExpr = WHITE) -> sp.MatrixExpr:
    """D_Z = E (XᵀZX) XXᵀ = Σ w {q_Z (μμᵀ + Γ) + 2 (ΓZμμᵀ + μμᵀZΓ) + 2 ΓZΓ}; Q = D_I."""
    centres = outer((None, sp.Integer(1)))
    return outer(q(Z, G)) + over(q(Z, G)) * G + 2 * (G * Z * centres + centres * Z * G) + 2 * G * Z * G


def risk_by_hand(Z: sp.MatrixExpr, G: sp.MatrixExpr = WHITE) -> sp.Expr:
    """The risk of A = Z in the moments of one token.

    R = tr Σ − 2c [S₁ + (L−1) tr AΣ²] + c² [S₂ + 2(L−1) S₃ + (L−1) tr AΣAQ + (L−1)(L−2) tr AΣ²AΣ]
    """
    Sigma, Q = second_moment(G), weighted_by(Id, G)
    linear = first_moment(Z, G) + (L - 1) * tr(Z * Sigma * Sigma)
    square = sixth_moment(Z, G) + 2 * (L - 1) * product_of_forms(Z, G) + (L - 1) * tr(Z * Sigma * Z * Q)
    square += (L - 1) * (L - 2) * tr(Z * Sigma * Sigma * Z * Sigma)
    return tr(Sigma) - 2 * scale * linear + scale**2 * square


def weighted_by_both(Z: sp.MatrixExpr) -> sp.MatrixExpr:
    """D = E (XᵀZX) ‖X‖² XXᵀ."""
    centres, squares = outer((None, sp.Integer(1))), outer(q(Id))
    with_squares = 2 * S * (Z * squares + squares * Z) + (2 * S**2 * over(q(Id))) * Z
    with_form = 4 * S * outer(q(Z)) + (2 * S**2 * over(q(Z))) * Id
    vector, constant = q(Z)
    other, noise = q(Id)
    product = M.T * sp.DiagMatrix(had(w, vector, other)) * M + noise * outer((vector, constant)) + constant * outer(
        (other, sp.Integer(0))
    )
    both = outer(cov(Z, Id)) + product + (S * (over(cov(Z, Id)) + over(q(Z), q(Id)))) * Id
    return 8 * S**3 * Z + 12 * S**2 * (Z * centres + centres * Z) + with_squares + with_form + both


def slope_by_hand(Z: sp.MatrixExpr) -> sp.MatrixExpr:
    """G = ∂R/∂A, symmetric.

    G = −2c [Q + (L−1) Σ²] + c² {2D + 2(L−1) [D_B + sym(D_A Σ)] + (L−1)(ΣAQ + QAΣ) + (L−1)(L−2)(Σ²AΣ + ΣAΣ²)}
    """
    Sigma, Q, D_A, D_B, D, B = LETTERS
    square = 2 * D + 2 * (L - 1) * (D_B + (D_A * Sigma + Sigma * D_A) / 2)
    square += (L - 1) * (Sigma * A * Q + Q * A * Sigma)
    square += (L - 1) * (L - 2) * (Sigma * Sigma * A * Sigma + Sigma * A * Sigma * Sigma)
    in_letters = -2 * scale * (Q + (L - 1) * Sigma * Sigma) + scale**2 * square
    # Products of sums are slow to write, since sympy looks through both factors again at each `*`: letters first.
    moments = {Q: weighted_by(Id), D_A: weighted_by(A), D_B: weighted_by(B), D: weighted_by_both(A)}
    spelled = in_letters.xreplace(moments).xreplace({B: (A * Sigma + Sigma * A) / 2})
    return spelled.xreplace({Sigma: second_moment(), A: Z})


LETTERS = tuple(sp.MatrixSymbol(name, d, d) for name in ("Sigma", "Q", "D_A", "D_B", "D", "B"))


# --- claims: any mixture -------------------------------------------------------------------

EVERYWHERE = Domain({})
NUMBERS = Domain({L: (1, sp.oo), S: (0, sp.oo), scale: (0, sp.oo), lam: (0, sp.oo)})
token = sp.Transpose(Mixture().tokens()[0, :])


def sized(*sizes: tuple[int, int, int, int]) -> tuple[dict, ...]:
    """Sizes of L, K, d and the number of heads."""
    return tuple(dict(zip((L, K, d, N), size, strict=True)) for size in sizes)


# Enumeration first: a proof ends the search for other certain evidence, and enumeration does not share the engine.
ONE_TOKEN = (Entrywise(sized((1, 2, 2, 1), (1, 3, 1, 2), (1, 2, 3, 1)), draws=1), SymbolicIdentity())
PROMPTS = (Entrywise(sized((1, 2, 2, 1), (2, 2, 2, 1), (3, 2, 1, 2), (3, 2, 2, 1)), draws=1), SymbolicIdentity())


@claim(on=EVERYWHERE, by=PROMPTS, source=DERIVED)
def risk_of_any_mixture():
    """For any weights, centroids, noise and heads, R = tr Σ − 2c[S₁ + (L−1) tr AΣ²] + c²[S₂ + 2(L−1)S₃ +
    (L−1) tr AΣAQ + (L−1)(L−2) tr AΣ²AΣ], with the moments of one token below and B = (AΣ + ΣA)/2."""
    tokens, target = Mixture().tokens(), Mixture().target()
    return equal(Expectation(squared_error(target, LinearHeads(GRAM).predict(tokens))), risk_by_hand(GRAM))


@claim(on=EVERYWHERE, by=ONE_TOKEN, source=DERIVED)
def second_moment_of_a_token():
    """Σ = E XXᵀ = Σ w μμᵀ + S I."""
    return equal(Expectation(token * token.T), second_moment())


@claim(on=EVERYWHERE, by=ONE_TOKEN, source=DERIVED)
def norm_times_a_form():
    """S₁ = E XᵀAX ‖X‖² = Σ w [q_A q_I + cov(A, I)], q_Z = μᵀZμ + S tr Z, cov(Z, Y) = 4S μᵀZYμ + 2S² tr ZY."""
    return equal(Expectation(quad(token, GRAM) * dot(token, token)), first_moment(GRAM))


@claim(on=EVERYWHERE, by=ONE_TOKEN, source=DERIVED)
def norm_times_the_square_of_a_form():
    """S₂ = E (XᵀAX)² ‖X‖² = Σ w [κ₃ + cov(A, A) q_I + 2 cov(A, I) q_A + q_A² q_I], κ₃ = 8S³ tr A² + 24S² μᵀA²μ."""
    return equal(Expectation(quad(token, GRAM) ** 2 * dot(token, token)), sixth_moment(GRAM))


@claim(on=EVERYWHERE, by=ONE_TOKEN, source=DERIVED)
def second_moment_weighted_by_the_norm():
    """Q = E ‖X‖² XXᵀ = Σ w {(‖μ‖² + Sd + 4S) μμᵀ + (S‖μ‖² + S²(d+2)) I}."""
    return equal(Expectation(dot(token, token) * token * token.T), weighted_by(Id))


@claim(on=EVERYWHERE, by=ONE_TOKEN, source=DERIVED)
def second_moment_weighted_by_a_form():
    """D_A = E (XᵀAX) XXᵀ = Σ w {q_A (μμᵀ + S I) + 2S (Aμμᵀ + μμᵀA) + 2S² A}."""
    return equal(Expectation(quad(token, GRAM) * token * token.T), weighted_by(GRAM))


@claim(on=EVERYWHERE, by=ONE_TOKEN, source=DERIVED)
def second_moment_weighted_by_both():
    """D = E (XᵀAX) ‖X‖² XXᵀ = Σ w {8S³A + 24S² sym(Aμμᵀ) + q_I [2S(Aμμᵀ + μμᵀA) + 2S²A] + q_A [4S μμᵀ + 2S² I] +
    (cov(A, I) + q_A q_I)(μμᵀ + S I)}."""
    weight = quad(token, GRAM) * dot(token, token)
    return equal(Expectation(weight * token * token.T), weighted_by_both(A).xreplace({A: GRAM}))


@claim(on=EVERYWHERE, by=(Entrywise(sized((1, 2, 2, 1), (2, 2, 2, 1), (3, 2, 1, 2)), draws=1), SymbolicIdentity()), source=DERIVED)
def risk_with_any_covariance():
    """With one covariance Γ for all components the same formula holds, S I replaced by Γ in the cumulants:
    q_Z = μᵀZμ + tr ZΓ, cov(Z, Y) = 4 μᵀZΓYμ + 2 tr ZΓYΓ, κ₃ = 8 tr AΓAΓ² + 8 μᵀ(AΓAΓ + AΓ²A + ΓAΓA)μ."""
    law = Mixture(covariance=G_)
    tokens, target = law.tokens(), law.target()
    return equal(Expectation(squared_error(target, LinearHeads(GRAM).predict(tokens))), risk_by_hand(GRAM, G_))


p = sp.Symbol("p", positive=True)
h = sp.MatrixSymbol("h", d, 1)
OWN = tuple((sp.MatrixSymbol(f"mu_{i}", d, 1), sp.MatrixSymbol(f"Gamma_{i}", d, d)) for i in (0, 1))


@claim(
    on=Domain({p: (sp.Rational(1, 10), sp.Rational(9, 10))}),
    by=(Entrywise(({L: 1, d: 2, N: 1}, {L: 1, d: 1, N: 2}), draws=1), SymbolicIdentity()),
    source=DERIVED,
)
def norm_times_a_form_with_covariances_of_their_own():
    """With a covariance Γ_j for each of two components S₁ = Σ w [q_A q_I + 4 μᵀAΓμ + 2 tr AΓ²]."""
    (m0, G0), (m1, G1) = OWN
    own = sp.Transpose(Mixture((p, 1 - p), (m0, m1), (G0, G1)).tokens()[0, :])

    def component(m: sp.MatrixExpr, G: sp.MatrixExpr) -> sp.Expr:
        form, square = quad(m, GRAM) + tr(GRAM * G), dot(m, m) + tr(G)
        return form * square + 4 * dot(GRAM * m, G * m) + 2 * tr(GRAM * G * G)

    return equal(
        Expectation(quad(own, GRAM) * dot(own, own)), p * component(m0, G0) + (1 - p) * component(m1, G1)
    )


@claim(on=Domain({lam: (0, sp.oo)}), by=(Entrywise(({L: 1, d: 2}, {L: 2, d: 2}, {L: 3, d: 1}), draws=1), SymbolicIdentity()), source=f"{DERIVED}; the setting of attention-based PCA, arXiv 2605.18315")
def one_head_on_one_gaussian():
    """For one centred Gaussian, one head and c = 1, R = tr Σ (1 − 2λa + λ²(L+2)a²) − 2λ(L+1)b + λ²(L+2)(L+3)ab with
    a = hᵀΣh, b = hᵀΣ²h."""
    tokens = GaussianMatrix("X", L, d, covariance=G_)
    prediction = LinearHeads(lam * h * h.T, sp.Integer(1)).predict(tokens)
    a, b = quad(h, G_), quad(h, G_ * G_)
    square = (L + 2) * a**2 * tr(G_) + (L + 2) * (L + 3) * a * b
    return equal(
        Expectation(squared_error(sp.Transpose(tokens[0, :]), prediction)),
        tr(G_) - 2 * lam * a * tr(G_) - 2 * lam * (L + 1) * b + lam**2 * square,
    )


@claim(on=NUMBERS, by=[SymbolicIdentity()], source=DERIVED)
def gradient_in_the_heads():
    """∇_h R = 2λ G(A) h with the symmetric G = ∂R/∂A written out by hand, for all heads at once: ∇_H R = 2λ H G(A)."""
    (slope,) = risk().gradient().values()
    return equal(slope, sp.MatMul(2 * lam, H, slope_by_hand(GRAM)))


Y = sp.MatrixSymbol("Y", d, d)


@claim(on=EVERYWHERE, by=[SymbolicIdentity(), CertifiedNumerics()], source=DERIVED)
def stationary_heads_are_eigenvectors():
    """With B = Y + Yᵀ any symmetric matrix, ‖(hᵀh)Bh − (hᵀBh)h‖² = (hᵀh)[(hᵀh)(hᵀB²h) − (hᵀBh)²]: by Cauchy and
    Schwarz the Riemannian gradient 2λ(I − hhᵀ)Gh of a unit head vanishes exactly where h is an eigenvector of G(A)."""
    B = Y + Y.T
    across = dot(h, h) * B * h - quad(h, B) * h
    return equal(dot(across, across), dot(h, h) * (dot(h, h) * dot(B * h, B * h) - quad(h, B) ** 2))


J = sp.MatrixSymbol("J", N, d)


@claim(
    on=EVERYWHERE,
    by=(Entrywise(sized((1, 2, 2, 1), (2, 2, 2, 1), (3, 2, 1, 2)), draws=1), SymbolicIdentity()),
    source=DERIVED,
)
def risk_is_convex_in_the_gram_matrix():
    """R(A) − R(B) − tr G(B)(A − B) = c² E‖XᵀX(A − B)X₁‖² >= 0 for all A = λHᵀH and B = λJᵀJ."""
    other = lam * J.T * J
    tokens = Mixture().tokens()
    moved = LinearHeads(GRAM).predict(tokens) - LinearHeads(other).predict(tokens)
    linear = sp.Trace(sp.MatMul(slope_by_hand(other), GRAM - other))
    above = risk_by_hand(GRAM) - risk_by_hand(other) - linear
    return equal(Expectation(tr(moved.T * moved)), above)
