"""K centroids, and identity weights: what a layer of linear or softmax attention does to a token it has not learned.

Setting and letters are those of `_clustering_model`. For K orthonormal centroids of equal weights c = K/L. *Identity
weights* are A = λI: attention with key, query and value matrices λI, I, I. What it gives is compared with quantizers,
that is with maps to K points: the nearest centroid, and the best symmetric pair (Lloyd).

Softmax attention with identity weights, T(x) = Σ_ℓ softmax_ℓ(λ⟨x, X_ℓ⟩) X_ℓ, has for L → ∞ the limit
E e^{λ⟨x, X⟩}X / E e^{λ⟨x, X⟩}, which tilting gives.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import sympy as sp

from proofs_check.boxes import CertifiedOnBox
from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, claim
from proofs_check.entrywise import Entrywise
from proofs_check.frequency_check import BinomialFrequency
from proofs_check.signs import ProvenSign
from proofs_check.symbolic import SymbolicIdentity
from theory import (
    Domain,
    Expectation,
    Frequency,
    GaussianMatrix,
    GaussianVector,
    Inequality,
    Labels,
    Limit,
    MixtureMatrix,
    NormalCDF,
    dot,
    equal,
    gaussians,
    population_risk,
    quad,
)
from theory.notation import L, d, lam

from ._clustering_model import (
    CENTROIDS,
    CONSTANTS,
    DERIVED,
    PAPER,
    H,
    K,
    LinearHeads,
    M,
    Mixture,
    N,
    S,
    mean_square,
    mu,
    pair_law,
    scale,
    w,
)

__all__ = ["quantization_claims", "risk_of_identity_weights", "softmax_limit_risk"]

Q, tr, had = sp.Rational, sp.Trace, sp.HadamardProduct
SECOND_HAND = f"{PAPER}, abstract: identity weights quantize in context; the formula {DERIVED}"
EXACT = (SymbolicIdentity(), CertifiedNumerics(digits=30))
EVERYWHERE = Domain({})
MODELS = Domain(CONSTANTS)
LARGER = Domain({**CONSTANTS, d: (3, sp.oo), S: (Q(1, 1000), sp.oo)})
length = sp.Symbol("L", positive=True)


# --- claims: K components ------------------------------------------------------------------

J = sp.MatrixSymbol("J", N, K)  # the heads in the coordinates of the centroids
EQUAL = sp.OneMatrix(K, 1) / K


@claim(
    on=EVERYWHERE,
    by=(Entrywise(({L: 1, K: 2, N: 2}, {L: 2, K: 3, N: 1}, {L: 3, K: 2, N: 2}), draws=1), SymbolicIdentity()),
    source=DERIVED,
)
def dirac_mixture_of_any_number_of_centroids():
    """For K orthonormal centroids of equal weights, S = 0 and a = MAMᵀ: R = 1 − (2c/K²)(L + K − 1) Σ a_ii +
    (c²/K³) {[L² + 3(K−1)L + (K−1)(K−2)] Σ a_ii² + (L−1)(L+K−2) Σ_{i≠j} a_ij²}, for every scale c."""
    labels = Labels("C", L, EQUAL)
    a = J.T * J
    first = sp.Transpose(labels[0, :])
    traces, squares, all_squares = tr(a), dot(sp.DiagonalOf(a), sp.DiagonalOf(a)), tr(a * a)
    square = (L**2 + 3 * (K - 1) * L + (K - 1) * (K - 2)) * squares + (L - 1) * (L + K - 2) * (all_squares - squares)
    return equal(
        mean_square(first - scale * labels.T * labels * a * first),
        1 - 2 * scale / K**2 * (L + K - 1) * traces + scale**2 / K**3 * square,
    )


COMPONENTS = Domain({L: (2, sp.oo), K: (2, sp.oo), lam: (0, sp.oo)})


@claim(on=COMPONENTS, by=EXACT, source=DERIVED)
def best_lam_for_any_number_of_centroids():
    """With c = K/L the risk of aligned heads, a = λI, is 1 − 2λ(L+K−1)/L + λ²[L² + 3(K−1)L + (K−1)(K−2)]/L²; it is
    least, (L−1)(K−1)/[L² + 3(K−1)L + (K−1)(K−2)], at λ = L(L+K−1)/[…]."""
    cost = L**2 + 3 * (K - 1) * L + (K - 1) * (K - 2)
    square = cost * K * lam**2
    aligned = 1 - 2 * (K / L) / K**2 * (L + K - 1) * K * lam + (K / L) ** 2 / K**3 * square
    best = L * (L + K - 1) / cost
    return equal(
        [aligned, aligned.diff(lam).subs(lam, best), aligned.subs(lam, best)],
        [1 - 2 * lam * (L + K - 1) / L + lam**2 * cost / L**2, 0, (L - 1) * (K - 1) / cost],
    )


def oracle_risk_by_hand(number: sp.Expr, scale: sp.Expr) -> sp.Expr:
    """The risk of A = λP for K orthonormal centroids, P the projector on their span, s₁ = 1/K + S, n = 1 + Sd."""
    s1, n = 1 / number + S, 1 + S * d
    form, spread = 1 + S * number, 4 * S + 2 * S**2 * number
    S2 = 8 * S**3 * number + 24 * S**2 + spread * n + 2 * spread * form + form**2 * n
    S3 = s1 * (form**2 + spread)
    linear = form * n + spread + (L - 1) * number * s1**2
    square = S2 + 2 * (L - 1) * S3
    square += (L - 1) * s1 * number * ((n + 4 * S) / number + S + S**2 * (d + 2))
    square += (L - 1) * (L - 2) * number * s1**3
    return n - 2 * scale * lam * linear + scale**2 * lam**2 * square


r = sp.Symbol("r", integer=True, positive=True)  # dimensions off the span of the centroids, d − K


@claim(
    on=EVERYWHERE,
    by=(Entrywise(({L: 1, K: 2, r: 1}, {L: 2, K: 2, r: 1}, {L: 3, K: 2, r: 1}), draws=1), SymbolicIdentity()),
    source=DERIVED,
)
def risk_of_aligned_heads_for_any_number_of_centroids():
    """For heads at K orthonormal centroids of equal weights, K < d: R = n − 2cλ[(1 + SK)n + 4S + 2S²K + (L−1)K s₁²] +
    c²λ²[S₂ + 2(L−1)S₃ + (L−1)s₁K((n + 4S)/K + S + S²(d+2)) + (L−1)(L−2)K s₁³], s₁ = 1/K + S, n = 1 + Sd,
    S₂ = 8S³K + 24S² + (4S + 2S²K)(n + 2 + 2SK) + (1 + SK)²n, S₃ = s₁[(1 + SK)² + 4S + 2S²K]."""
    # in a basis that begins with the centroids a token is (y, g): y from K points of R^K, g noise in R^r
    on_span = MixtureMatrix("Y", L, K, weights=EQUAL, means=sp.Identity(K), covariance=S)
    off_span = GaussianMatrix("G", L, r, covariance=S)
    y, g = sp.Transpose(on_span[0, :]), sp.Transpose(off_span[0, :])
    scores = scale * lam * on_span * y
    errors = y - on_span.T * scores, g - off_span.T * scores
    loss = sp.Add(*(tr(error.T * error) for error in errors))
    return equal(Expectation(loss), oracle_risk_by_hand(K, scale).subs(d, K + r))


# --- claims: identity weights --------------------------------------------------------------

GAIN = 2 * L * S**2 * d + 4 * L * S + L + 2 * S**2 * d**2 + 2 * S**2 * d + 4 * S * d + 4 * S + 1
COST = (
    4 * L**2 * S**3 * d
    + 12 * L**2 * S**2
    + 6 * L**2 * S
    + L**2
    + 12 * L * S**3 * d**2
    + 12 * L * S**3 * d
    + 36 * L * S**2 * d
    + 36 * L * S**2
    + 6 * L * S * d
    + 30 * L * S
    + 3 * L
    + 4 * S**3 * d**3
    + 12 * S**3 * d**2
    + 16 * S**3 * d
    + 12 * S**2 * d**2
    + 36 * S**2 * d
    + 48 * S**2
    + 6 * S * d
    + 12 * S
)
BEST = L * GAIN / COST


@lru_cache
def risk_of_identity_weights() -> sp.Expr:
    """The risk of A = λI on two orthonormal centroids."""
    layer = LinearHeads(lam * sp.Identity(d), 2 / L)
    return population_risk(pair_law(), layer, overlaps=CENTROIDS, parameters=(lam,)).expr


@claim(on=MODELS, by=EXACT, source=SECOND_HAND)
def risk_with_identity_weights():
    """On two orthonormal centroids, whichever they are, identity weights have the risk 1 + Sd − (2λ/L) b + (λ²/L²) q,
    least at λ = Lb/q with 1 + Sd − b²/q; so for random orthonormal centroids, drawn anew with each prompt, too."""
    derived = risk_of_identity_weights()
    return equal(
        [derived, derived.diff(lam).subs(lam, BEST), derived.subs(lam, BEST)],
        [1 + S * d - 2 * lam / L * GAIN + lam**2 / L**2 * COST, 0, 1 + S * d - GAIN**2 / COST],
    )


@claim(on=Domain({S: (0, 5), d: (2, sp.oo), lam: (0, 2)}), by=[SymbolicIdentity()], source=DERIVED)
def identity_weights_for_long_prompts():
    """As L → ∞ that risk tends to (1 + 2S)(1 − λ(1 + 2S))² + (d − 2)S(1 − 2λS)²."""
    limit = (1 + 2 * S) * (1 - lam * (1 + 2 * S)) ** 2 + (d - 2) * S * (1 - 2 * lam * S) ** 2
    return Limit(risk_of_identity_weights().subs(L, length), length, sp.oo, limit)


# --- claims: what happens to a token of a known component --------------------------------------

n = sp.Symbol("n", integer=True, positive=True)  # the other tokens, L − 1
m = sp.MatrixSymbol("m", d, 1)
GRAM = lam * H.T * H
WITHOUT = {n: L - 1}


def conditioned(gram: sp.MatrixExpr, mean: sp.MatrixExpr, others: Mixture, scale: sp.Expr) -> sp.MatrixExpr:
    """T(X) given that the first token is from the component with this mean, beside n others."""
    query = GaussianVector("x", d, mean=mean, covariance=S)
    rest = MixtureMatrix("Z", n, d, weights=others.weights, means=others.means, covariance=S)
    return scale * (query * query.T + rest.T * rest) * gram * query


@claim(
    on=EVERYWHERE,
    by=(Entrywise(({n: 1, K: 2, d: 2, N: 1}, {n: 2, K: 2, d: 1, N: 2}), draws=1), SymbolicIdentity()),
    source=DERIVED,
)
def prediction_for_a_known_component():
    """Given that X₁ is from a component with mean m, E T = c[(mᵀAm + S tr A) m + 2S Am + (L−1) ΣAm], n = L − 1 below;
    for orthonormal centroids of equal weights and A = λI or λP it is cλ[1 + S(D+2) + (L−1)(1/K + S)] m, D = d or K."""
    Sigma = M.T * sp.DiagMatrix(w) * M + S * sp.Identity(d)
    own = (quad(m, GRAM) + S * tr(GRAM)) * m + 2 * S * GRAM * m
    return equal(Expectation(conditioned(GRAM, m, Mixture(), scale)), scale * (own + n * Sigma * GRAM * m))


def pair_prediction(identity: bool) -> sp.MatrixExpr:
    """T(X) for two orthonormal centroids, given that the first token is from the first component."""
    gram = sp.Identity(d) if identity else mu[0] * mu[0].T + mu[1] * mu[1].T
    return conditioned(lam * gram, mu[0], pair_law(), 2 / L)


def prediction_square(identity: bool) -> sp.Expr:
    """E[‖T‖² | first component], as derived."""
    prediction = pair_prediction(identity)
    found = Expectation(tr(prediction.T * prediction)).doit().xreplace(CENTROIDS)
    return found.subs(WITHOUT)


def coefficient(identity: bool) -> sp.Expr:
    """E[T | first component] = coefficient times its centroid."""
    dimension = d if identity else 2
    return lam / L * (L + 1 + 2 * S * (L + dimension + 1))


@claim(on=MODELS, by=EXACT, source=DERIVED)
def conditional_means_of_a_pair():
    """For two orthonormal centroids E[⟨T, μ₀⟩ | Z₁ = 0] = (λ/L)[L + 1 + 2S(L + D + 1)], D = d for identity weights and
    2 for heads at the centroids, and E[⟨T, μ₁⟩ | Z₁ = 0] = 0: unbiased at λ = L/(L + 1 + 2S(L + D + 1))."""
    means = []
    for identity in (True, False):
        for centroid in mu:
            mean = Expectation(tr(centroid.T * pair_prediction(identity))).doit()
            means.append(mean.xreplace(CENTROIDS).subs(WITHOUT))
    return equal(means, [coefficient(True), 0, coefficient(False), 0])


@claim(on=MODELS, by=EXACT, source=DERIVED)
def mean_square_of_the_prediction():
    """E[‖T‖² | Z₁] = (λ²/L²) q with q the quadratic coefficient of the risk: tr Var(T | Z₁) is that minus the square of
    the coefficient of the mean."""
    return equal(prediction_square(identity=True), lam**2 / L**2 * COST)


def variance_limit() -> sp.Expr:
    """tr Var(T | Z₁) for L → ∞ at λ = 1/(1 + 2S), identity weights."""
    return 2 * S + 4 * S**3 * (d - 2) / (1 + 2 * S) ** 2


@claim(on=Domain({S: (0, 5), d: (2, sp.oo)}), by=[SymbolicIdentity()], source=DERIVED)
def variance_for_long_prompts():
    """As L → ∞, at the unbiased λ = 1/(1 + 2S), tr Var(T | Z₁) tends to 2S + 4S³(d − 2)/(1 + 2S)²."""
    variance = (lam**2 / L**2 * COST - coefficient(True) ** 2).subs(lam, 1 / (1 + 2 * S)).subs(L, length)
    return Limit(variance, length, sp.oo, variance_limit())


@claim(on=LARGER, by=[ProvenSign(), CertifiedNumerics(digits=20)], source=SECOND_HAND)
def identity_weights_reduce_the_variance():
    """For d > 2 this is below Sd, the variance of the token itself."""
    return Inequality(variance_limit(), "<", S * d)


# --- claims: quantizers --------------------------------------------------------------------

SPREAD = Domain({S: (Q(1, 100), 3)})
(u,) = gaussians("u", mean=[1], covariance=[[2 * S]])  # ⟨x, μ_Z − μ_other⟩
(y,) = gaussians("y", mean=[1 / sp.sqrt(2)], covariance=[[S]])  # the coordinate of x − (μ₀ + μ₁)/2 along μ_Z − μ_other
e_1, e_2 = gaussians("e_1 e_2", mean=[1, 0], covariance=[[S, 0], [0, S]])


def nearest_distortion() -> sp.Expr:
    """E min_j ‖x − μ_j‖² for two orthonormal centroids: Sd + 2Φ(−h) − 2√(2S) φ(h), h = 1/√(2S)."""
    h = 1 / sp.sqrt(2 * S)
    density = sp.exp(-(h**2) / 2) / sp.sqrt(2 * sp.pi)
    return S * d + 2 * NormalCDF(-h) - 2 * sp.sqrt(2 * S) * density


def mean_distance() -> sp.Expr:
    """E|y| = √(2S/π) e^{−1/(4S)} + erf(1/(2√S))/√2."""
    return sp.sqrt(2 * S / sp.pi) * sp.exp(-1 / (4 * S)) + sp.erf(1 / (2 * sp.sqrt(S))) / sp.sqrt(2)


def lloyd_distortion() -> sp.Expr:
    """The distortion of the best symmetric pair of points: Sd + 1/2 − (E|y|)²."""
    return S * d + Q(1, 2) - mean_distance() ** 2


@claim(on=Domain({S: (Q(1, 100), 3), d: (2, 20)}), by=EXACT, source=DERIVED)
def distortion_of_the_nearest_centroid():
    """E min_j ‖x − μ_j‖² = E[‖x − μ_Z‖² + 2 min(u, 0)], u = ⟨x, μ_Z − μ_other⟩ ~ N(1, 2S): with h = 1/√(2S) it is
    Sd + 2Φ(−h) − 2√(2S) φ(h)."""
    return equal(S * d + 2 * Expectation(sp.Min(u, 0)), nearest_distortion())


@claim(on=SPREAD, by=EXACT, source=DERIVED)
def distance_to_the_midpoint():
    """E|y| for y ~ N(1/√2, S), the coordinate along μ₀ − μ₁, is √(2S/π) e^{−1/(4S)} + erf(1/(2√S))/√2."""
    return equal(Expectation(sp.Abs(y)), mean_distance())


a = sp.Symbol("a", positive=True)


@claim(on=Domain({S: (Q(1, 100), 3), a: (0, 3)}), by=EXACT, source=DERIVED)
def best_symmetric_pair():
    """Points at ±a along μ₀ − μ₁ have E(|y| − a)² = 1/2 + S − (E|y|)² + (a − E|y|)² in that coordinate: the best pair
    has the distortion Sd + 1/2 − (E|y|)²."""
    center = mean_distance()
    return equal(Expectation(sp.Abs(y) ** 2 - 2 * a * sp.Abs(y) + a**2), Q(1, 2) + S - center**2 + (a - center) ** 2)


@claim(on=SPREAD, by=[CertifiedOnBox(), CertifiedNumerics(digits=20)], source=DERIVED)
def projection_beats_every_symmetric_pair():
    """The limit S(d − 2) of the risk of heads at the centroids is below the distortion of the best symmetric pair, in
    every dimension: linear attention projects on the plane, it does not quantize."""
    return Inequality((S * (d - 2) - lloyd_distortion()).expand().subs(d, 2), "<", 0)


@claim(on=SPREAD, by=[CertifiedOnBox(), CertifiedNumerics(digits=20)], source=DERIVED)
def best_pair_beats_the_nearest_centroid():
    """The best symmetric pair has a smaller distortion than the centroids themselves."""
    return Inequality((lloyd_distortion() - nearest_distortion()).expand().subs(d, 0), "<", 0)


# --- claims: softmax attention with identity weights -------------------------------------------

p = sp.Symbol("p", positive=True)
k, b = (sp.MatrixSymbol(name, d, 1) for name in ("k", "b"))


@claim(
    on=Domain({p: (Q(1, 10), Q(9, 10)), S: (0, 3)}),
    by=[SymbolicIdentity()],
    source="Gabet, Boursier, Boyer (2026), Prop. 2.1 (second-hand); derived here by tilting",
)
def softmax_attention_for_long_prompts():
    """With k = λx, E e^{⟨k, X⟩}X = E e^{⟨k, X⟩} [Sk + Σ π_j μ_j], π_j ∝ w_j e^{⟨k, μ_j⟩}: softmax attention tends to
    T(x) = λSx + Σ π_j(x) μ_j. Tested against any direction b."""
    token = sp.Transpose(Mixture((p, 1 - p), mu, S).tokens()[0, :])
    gates = [share * sp.exp(dot(k, x) + S * dot(k, k) / 2) for share, x in zip((p, 1 - p), mu, strict=True)]
    numerator = sp.Add(*gates) * S * dot(b, k) + sp.Add(*(g * dot(b, x) for g, x in zip(gates, mu, strict=True)))
    return equal(
        [Expectation(tr(sp.exp(dot(k, token)) * (token * b.T))), Expectation(sp.exp(dot(k, token)))],
        [numerator, sp.Add(*gates)],
    )


z = sp.MatrixSymbol("z", d, 1)


@claim(on=Domain({S: (Q(1, 100), 3)}), by=[SymbolicIdentity()], source=DERIVED)
def softmax_at_the_inverse_variance_knows_the_posterior():
    """At λ = 1/S, for centroids of equal norm, log π₀/π₁ is the log posterior odds: T(x) = x + E[μ_Z | x]. Here
    (‖x − μ₁‖² − ‖x − μ₀‖²)/(2S) = ⟨x, μ₀ − μ₁⟩/S."""
    odds = (dot(z - mu[1], z - mu[1]) - dot(z - mu[0], z - mu[0])) / (2 * S)
    return equal(odds.expand().xreplace(CENTROIDS), (dot(z, mu[0]) - dot(z, mu[1])) / S)


def gate(score: sp.Expr) -> sp.Expr:
    """The weight of the centroid of the token's own component."""
    return 1 / (1 + sp.exp(-lam * score))


@lru_cache
def softmax_limit_risk() -> sp.Expr:
    """The risk of softmax attention with identity weights for L → ∞, two orthonormal centroids: one certified integral.

    R = (1−λS)²(1+Sd) − (1−λS)(1 + E[(2s−1)u]) + 1 − 2E[s(1−s)],   s = sigmoid(λu),   u ~ N(1, 2S)
    """
    s, rest = gate(u), 1 - lam * S
    mixed = Expectation((2 * s - 1) * u).doit()
    return rest**2 * (1 + S * d) - rest * (1 + mixed) + 1 - 2 * Expectation(s * (1 - s)).doit()


@claim(on=Domain({S: (Q(1, 20), 1), lam: (Q(1, 4), 5), d: (2, 8)}), by=[CertifiedNumerics(digits=15)], source=DERIVED)
def risk_of_softmax_attention_for_long_prompts():
    """For two orthonormal centroids the risk of the limit, E‖x − T(x)‖² in the two coordinates of the plane plus
    (d − 2)S(1 − λS)² off it, is (1−λS)²(1+Sd) − (1−λS)(1 + E[(2s−1)u]) + 1 − 2E[s(1−s)]."""
    own, rest = gate(e_1 - e_2), 1 - lam * S
    in_plane = Expectation((rest * e_1 - own) ** 2 + (rest * e_2 - (1 - own)) ** 2)
    return equal(in_plane + (d - 2) * S * rest**2, softmax_limit_risk())


def softmax_losses(rng: np.random.Generator, count: int, L: int, d: int, sigma: float, lam: float) -> np.ndarray:
    """‖X₁ − T(X)‖² of softmax attention with identity weights, literally, for so many prompts of two components."""
    tokens = np.eye(2, d)[rng.integers(2, size=(count, L))] + sigma * rng.standard_normal((count, L, d))
    scores = lam * np.einsum("nd,nld->nl", tokens[:, 0], tokens)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.square(tokens[:, 0] - np.einsum("nl,nld->nd", weights, tokens)).sum(axis=1)


def _far_from_the_limit(rng: np.random.Generator, count: int) -> np.ndarray:
    """Trials of a hundred prompts: is their mean loss below 8/10, where the limit is above 9/10?"""
    return np.array([softmax_losses(rng, 100, L=400, d=3, sigma=0.4, lam=6.25).mean() < 0.8 for _ in range(count)])


@claim(on=Domain({}), by=[BinomialFrequency(_far_from_the_limit, trials=150)], source=DERIVED)
def long_prompts_are_not_long_enough():
    """At λ = 1/S = 6.25, d = 3, the limit of the risk of softmax attention is above 9/10, but with L = 400 tokens the
    mean loss of a hundred prompts is below 8/10 in at least 3 of 4 cases: the limit is slow, its weights being
    log-normal."""
    return Frequency("a hundred prompts of 400 tokens have a mean loss below 8/10", Q(3, 4))


@claim(on=Domain({}), by=[CertifiedNumerics(digits=12)], source=DERIVED)
def the_limit_itself_is_larger():
    """At λ = 1/S = 6.25, d = 3 the limit of that risk is above 9/10."""
    return Inequality(softmax_limit_risk().subs({S: Q(4, 25), lam: Q(25, 4), d: 3}), ">", Q(9, 10))


quantization_claims: tuple[Claim, ...] = tuple(item for item in list(globals().values()) if isinstance(item, Claim))
