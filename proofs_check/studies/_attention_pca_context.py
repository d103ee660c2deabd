"""Claims on attention PCA in context, on the law of the trained layer, and on softmax with finite prompts.

**In context** every prompt has its own covariance, Wishart with ν degrees of freedom and mean Σ. One head of rank
one finds the leading eigenvector of the mean for every gap: the gradient is (c₁ + c₂Σ)Σu with c₁ > 0 wherever c₂ =
0, so that u is an eigenvector, and the gain grows with its eigenvalue. There is no threshold below which a spike is
lost.

**The law of the layer.** At n = ∞ it maps N(0, Σ) to N(0, P_kΣP_k), the nearest law on k dimensions:

    W₂²(N(0, Σ), N(0, P_kΣP_k)) = Σ_{i > k} s_i = 2R*

**Softmax, n finite.** The formulas in `_attention_pca_softmax` follow from ∂p_i/∂x_j = p_i(δ_ij − p_j)a by Gaussian
integration by parts, which is a claim. They are held against certified integrals for two tokens, where the engine
knows softmax as a logistic function, and against the literal layer for more: `…_is_the_mean_of_the_model` is
statistical, and says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from hypothesis import strategies as st

from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, claim
from proofs_check.property_based import PropertyBasedAgreement
from proofs_check.symbolic import SymbolicIdentity
from theory import Agreement, Domain, Expectation, GaussianMatrix, Limit, dot, equal, gaussians, matrix_gradient, quad
from theory.notation import d

from ._attention_pca_calls import risk_at
from ._attention_pca_eigenbasis import nu1, s1, t
from ._attention_pca_model import (
    PAPER,
    B,
    S,
    V,
    fresh_risk,
    mean_field_risk,
    n,
    nu,
    wishart_prompt_risk,
    wishart_risk,
)
from ._attention_pca_risks import DERIVED, EVERYWHERE, attention_models, rooted, sized, u, w

__all__ = ["claims"]

Q = sp.Rational
tr = sp.Trace
PROOF = [SymbolicIdentity()]
EXACT = (SymbolicIdentity(), CertifiedNumerics(digits=25))


# --- in context: one head of rank one ------------------------------------------------------

p, q, trace = quad(u, S), quad(u, S**2), tr(S)


def slope_at_one(expr: sp.Expr) -> sp.Expr:
    """∇_u of the derived risk at V = I, B = uuᵀ, times a vector w."""
    at = expr.xreplace({V: sp.Identity(d), B: u * u.T}).doit()
    return dot(matrix_gradient(at, u, known=frozenset({S})), w)


def along(c1: sp.Expr, c2: sp.Expr) -> sp.Expr:
    """⟨(c₁ + c₂Σ)Σu, w⟩."""
    return c1 * dot(S * u, w) + c2 * dot(S**2 * u, w)


@claim(on=EVERYWHERE, by=PROOF, source=DERIVED)
def gradient_of_one_direction():
    """∇R = (c₁ + c₂Σ)Σu; n = ∞: c₁ = r, c₂ = p − 2; fresh query: c₁ = (1 + 1/n)r + 2tp/n, c₂ = (1 + 1/n)p − 2. As
    c₁ > 0, c₁ + c₂s = 0 holds for one eigenvalue s at most: a stationary u ≠ 0 is an eigenvector, in every
    dimension."""
    found = [slope_at_one(risk.expr) for risk in (mean_field_risk(), fresh_risk())]
    expected = [along(q, p - 2), along((1 + 1 / n) * q + 2 * trace * p / n, (1 + 1 / n) * p - 2)]
    return equal([rooted(x) for x in found], [rooted(x) for x in expected])


@claim(on=EVERYWHERE, by=PROOF, source=DERIVED)
def gradient_of_one_direction_in_context():
    """In context at n = ∞: c₁ = (ν+2)ν⁻²((ν+3)r + 2tp) − 2t/ν, c₂ = (ν+2)(ν+3)ν⁻²p − 2(ν+1)/ν."""
    c1 = (nu + 2) / nu**2 * ((nu + 3) * q + 2 * trace * p) - 2 * trace / nu
    c2 = (nu + 2) * (nu + 3) / nu**2 * p - 2 * (nu + 1) / nu
    return equal(rooted(slope_at_one(wishart_risk().expr)), rooted(along(c1, c2)))


@claim(on=EVERYWHERE, by=sized({nu: 1, d: 2}, {nu: 2, d: 2}, {nu: 3, d: 1}), source=DERIVED)
def moments_of_a_wishart_matrix_in_one_direction():
    """E (uᵀCu)(uᵀC²u) = (ν+2)ν⁻²((ν+3)pr + tp²) for C Wishart with ν degrees of freedom and mean Σ."""
    rows = GaussianMatrix("A", nu, d, covariance=S)
    C = rows.T * rows / nu
    return equal(Expectation(quad(u, C) * quad(u, C**2)), (nu + 2) / nu**2 * ((nu + 3) * p * q + trace * p**2))


@claim(on=EVERYWHERE, by=sized({nu: 1, d: 2}, {nu: 2, d: 2}, {nu: 3, d: 1}), source=DERIVED)
def moments_of_a_wishart_matrix_and_its_trace():
    """E tr C (uᵀCu)² = (ν+2)ν⁻¹tp² + 4(ν+2)ν⁻²pr."""
    rows = GaussianMatrix("A", nu, d, covariance=S)
    C = rows.T * rows / nu
    return equal(Expectation(tr(C) * quad(u, C) ** 2), (nu + 2) / nu * trace * p**2 + 4 * (nu + 2) / nu**2 * p * q)


pp, rr = sp.symbols("p r", positive=True)
CONTEXT = Domain({pp: (Q(1, 10), 2), rr: (Q(1, 10), 4), t: (Q(1, 2), 20), nu: (1, 40), s1: (Q(1, 10), 4), n: (1, 40)})


@claim(on=CONTEXT, by=EXACT, source=DERIVED)
def only_eigenvectors_in_context():
    """Where c₂ = 0, that is p = 2ν(ν+1)/((ν+2)(ν+3)), c₁ = (ν+2)(ν+3)r/ν² + 2t(ν−1)/(ν(ν+3)) > 0, for ν = 1 too:
    stationary points are eigenvectors of the mean covariance and nothing else."""
    c1 = (nu + 2) / nu**2 * ((nu + 3) * rr + 2 * t * pp) - 2 * t / nu
    at = 2 * nu * (nu + 1) / ((nu + 2) * (nu + 3))
    return equal(c1.subs(pp, at), (nu + 2) * (nu + 3) * rr / nu**2 + 2 * t * (nu - 1) / (nu * (nu + 3)))


def along_an_eigenvector(expr: sp.Expr) -> sp.Expr:
    """The derived risk at V = I and ν₁ = s₁‖u‖² for an eigenvector u: p = ν₁, r = s₁ν₁, t a symbol."""
    at = expr.xreplace({V: sp.Identity(d), B: u * u.T}).doit().xreplace({trace: t})
    explicit = at.xreplace({u: sp.ImmutableMatrix([[sp.sqrt(nu1 / s1)]]), S: sp.ImmutableMatrix([[s1]])})
    return sp.expand(explicit.xreplace({d: sp.Integer(1)}).doit())


POINT = Domain({**dict(CONTEXT.intervals), nu1: (Q(1, 10), 1)})


@claim(on=POINT, by=EXACT, source=DERIVED)
def shrinkage_in_context():
    """λ‖μ‖²s_i = ν((ν+1)s_i + t)/((ν+2)((ν+3)s_i + t)) is the stationary length in context at n = ∞, and the risk
    there is ½[t − ((ν+1)s_i + t)²/((ν+2)((ν+3)s_i + t))]."""
    along = along_an_eigenvector(wishart_risk().expr)
    (length,) = sp.solve(along.diff(nu1), nu1)
    gain = ((nu + 1) * s1 + t) ** 2 / ((nu + 2) * ((nu + 3) * s1 + t))
    return equal(
        [length, along.subs(nu1, length)],
        [nu * ((nu + 1) * s1 + t) / ((nu + 2) * ((nu + 3) * s1 + t)), (t - gain) / 2],
    )


@claim(on=POINT, by=EXACT, source=DERIVED)
def shrinkage_in_context_with_a_finite_prompt():
    """With n tokens it is ν((ν+1)s_i + t)/((ν+2)[(1 + 1/n)((ν+3)s_i + t) + (νt + 4s_i)/n])."""
    along = along_an_eigenvector(wishart_prompt_risk().expr)
    (length,) = sp.solve(along.diff(nu1), nu1)
    square = (1 + 1 / n) * ((nu + 3) * s1 + t) + (nu * t + 4 * s1) / n
    return equal(length, nu * ((nu + 1) * s1 + t) / ((nu + 2) * square))


@claim(on=POINT, by=EXACT, source=f"{DERIVED}; the spiked model is that of {PAPER}")
def no_spike_is_lost():
    """At fixed t the gain ((ν+1)s + t)²/((ν+2)((ν+3)s + t)) of an eigenvector grows with s, at the rate
    ((ν+1)s + t)((ν+1)(ν+3)s + (ν−1)t)/((ν+2)((ν+3)s + t)²): for I + θvvᵀ the head finds v for every θ > 0, ν ≥ 1."""
    gain = ((nu + 1) * s1 + t) ** 2 / ((nu + 2) * ((nu + 3) * s1 + t))
    rate = ((nu + 1) * s1 + t) * ((nu + 1) * (nu + 3) * s1 + (nu - 1) * t) / ((nu + 2) * ((nu + 3) * s1 + t) ** 2)
    return equal(gain.diff(s1), rate)


theta, beta = sp.symbols("theta beta", positive=True)


@claim(on=EVERYWHERE, by=PROOF, source=DERIVED)
def moments_of_a_spike():
    """For Σ = I + θvvᵀ with ‖v‖ = 1: tr Σ = d + θ, tr Σ² = d + 2θ + θ², tr Σ³ = d − 1 + (1 + θ)³."""
    spiked = sp.Identity(d) + theta * u * u.T
    powers = [tr(spiked), tr(spiked * spiked), tr(spiked * spiked * spiked)]
    at_norm_one = [sp.expand(_in_dots(power)).subs(_square, 1) for power in powers]
    return equal(at_norm_one, [d + theta, d + 2 * theta + theta**2, d - 1 + (1 + theta) ** 3])


_square = sp.Symbol("v_square", positive=True)


def _in_dots(expr: sp.Expr) -> sp.Expr:
    """A trace of I + θuuᵀ by its powers, tr (uuᵀ)ʲ = ‖u‖^{2j}: for d = 1 on u, and d − 1 ones beside it."""
    explicit = expr.xreplace({u: sp.ImmutableMatrix([[sp.sqrt(_square)]])}).xreplace({d: sp.Integer(1)}).doit()
    return explicit + d - 1


SPIKE = Domain({theta: (Q(1, 10), 4), beta: (Q(1, 10), 2), d: (2, 20), n: (1, 40)})


@claim(on=SPIKE, by=EXACT, source=DERIVED)
def best_scale_for_a_spike_in_a_random_direction():
    """When the spike points anywhere, a fresh direction for each prompt, out = βC_n x is stationary at
    β* = tr Σ²/((1 + 1/n) tr Σ³ + tr Σ tr Σ²/n); only traces matter."""
    scaled = fresh_risk().expr.xreplace({V: sp.Identity(d), B: beta * sp.Identity(d)}).doit()
    traces = [d + theta, d + 2 * theta + theta**2, d - 1 + (1 + theta) ** 3]
    explicit = scaled.xreplace({tr(S**power): value for power, value in zip((1, 2, 3), traces, strict=True)})
    (best,) = sp.solve(sp.expand(explicit).diff(beta), beta)
    return equal(best, traces[1] / ((1 + 1 / n) * traces[2] + traces[0] * traces[1] / n))


# --- the law of the trained layer ----------------------------------------------------------

eigenvalues = sp.symbols("s1:5", positive=True)
weights = sp.symbols("a1:5", nonnegative=True)
PROJECTION = Domain(
    {**dict.fromkeys(eigenvalues, (Q(1, 10), 3)), **dict.fromkeys(weights, (0, 1))},
)


@claim(on=PROJECTION, by=EXACT, source="elementary: the Bures distance of commuting covariances")
def distance_to_the_output():
    """W₂² = tr Σ + tr PΣP − 2 tr (Σ^{1/2}PΣPΣ^{1/2})^{1/2} is Σ_{i > k} s_i for P on the first k eigenvectors,
    where the root is ΣP; and it is 2R at the minimum. Shown for k = 2 of four."""
    Sigma, P = sp.diag(*eigenvalues), sp.diag(1, 1, 0, 0)
    half = sp.diag(*(sp.sqrt(s) for s in eigenvalues))
    root = Sigma * P
    head = {V: sp.eye(4), B: sp.diag(1 / eigenvalues[0], 1 / eigenvalues[1], 0, 0), S: Sigma}
    at = {symbol: sp.ImmutableMatrix(matrix) for symbol, matrix in head.items()}
    risk = mean_field_risk().expr.xreplace(at | {d: sp.Integer(4)}).doit()
    distance = Sigma.trace() + (P * Sigma * P).trace() - 2 * root.trace()
    return equal(
        [*(root**2 - half * P * Sigma * P * half), distance, 2 * risk],
        [0] * 16 + [eigenvalues[2] + eigenvalues[3]] * 2,
    )


@claim(on=PROJECTION, by=EXACT, source="Ky Fan (1949); elementary")
def no_law_on_fewer_dimensions_is_nearer():
    """Σ_{i ≤ k} s_i − Σ a_i s_i = Σ_{i ≤ k}(1 − a_i)(s_i − s_k) + Σ_{i > k} a_i(s_k − s_i) for Σ a_i = k: a law on
    a subspace is at least at the distance of the projection on it, tr Σ − Σ a_i s_i with a_i = ‖Pu_i‖² in [0, 1].
    Shown for k = 2 of four."""
    s, a = eigenvalues, (*weights[:3], 2 - sum(weights[:3]))
    gap = sum((1 - a[i]) * (s[i] - s[1]) for i in range(2)) + sum(a[i] * (s[1] - s[i]) for i in range(2, 4))
    return equal(s[0] + s[1] - sum(x * y for x, y in zip(a, s, strict=True)), gap)


kappa = sp.Symbol("kappa", positive=True)
s, x = sp.Symbol("s", positive=True), sp.Symbol("x", real=True)
NEARBY = Domain({s: (Q(1, 10), 3), kappa: (Q(1, 10), 5), x: (-2, 2)})


@claim(on=NEARBY, by=EXACT, source="elementary: completing the square")
def attention_by_distance_shrinks():
    """L2 attention, weights e^{−κ(x − y)²/2} and V = 1, maps x to sκ/(1 + sκ) x for tokens y ~ N(0, s) in one
    dimension."""
    (y,) = gaussians("y", covariance=[[s]])
    weight = sp.exp(-kappa * (x - y) ** 2 / 2)
    return equal(Expectation(weight * y), Expectation(weight) * (s * kappa / (1 + s * kappa) * x))


@claim(on=NEARBY, by=PROOF, source=DERIVED)
def attention_by_distance_never_arrives():
    """Its share of the risk, ½s(1 − sκ/(1 + sκ))² for a direction it uses, tends to zero as κ → ∞ and is zero for
    no κ: PCA is an infimum and no minimum."""
    return Limit(s * (1 - s * kappa / (1 + s * kappa)) ** 2 / 2, kappa, sp.oo, 0)


# --- softmax with finite prompts -----------------------------------------------------------

a = sp.Symbol("a", positive=True)
TWO = Domain({a: (Q(1, 4), 2)})


def two_tokens() -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """Two tokens y₁, y₂ ~ N(0, 1) and the weight of the first, for the score a·y."""
    first, second = gaussians("y_1 y_2")
    return first, second, 1 / (1 + sp.exp(a * (second - first)))


def participations(weight: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Q = Σ p_i² and C = Σ p_i³ of two tokens."""
    return weight**2 + (1 - weight) ** 2, weight**3 + (1 - weight) ** 3


@claim(on=TWO, by=[CertifiedNumerics(digits=10, points=3)], source=DERIVED)
def gain_of_softmax_with_two_tokens():
    """E Σ p_i y_i = (1 − E Σ p_i²) a for two tokens: the gain is one minus the participation."""
    first, second, weight = two_tokens()
    second_power, _ = participations(weight)
    return equal(Expectation(weight * first + (1 - weight) * second), a * (1 - Expectation(second_power)))


@claim(on=TWO, by=[CertifiedNumerics(digits=10, points=3)], source=DERIVED)
def power_of_softmax_with_two_tokens():
    """E(Σ p_i y_i)² = E Q + a²E[1 − Q + 6Q² − 6C] for two tokens, Q = Σ p_i², C = Σ p_i³."""
    first, second, weight = two_tokens()
    Q2, C = participations(weight)
    out = weight * first + (1 - weight) * second
    return equal(Expectation(out**2), Expectation(Q2) + a**2 * Expectation(1 - Q2 + 6 * Q2**2 - 6 * C))


values = sp.symbols("y1:4", real=True)
TOKENS = Domain({a: (Q(1, 4), 2), **dict.fromkeys(values, (-2, 2))})


def softmax_of(scores: tuple[sp.Expr, ...]) -> list[sp.Expr]:
    """The weights p_i."""
    total = sp.Add(*(sp.exp(score) for score in scores))
    return [sp.exp(score) / total for score in scores]


@claim(on=TOKENS, by=EXACT, source=DERIVED)
def integration_by_parts_for_softmax():
    """With E y_i f = E ∂_i f for y ~ N(0, I), p = softmax(ay), out = Σ p_i y_i: E out = E Σ ∂_i p_i = a E(1 − Q), and
    E out² = E Σ ∂_i(p_i out) with Σ ∂_i(p_i out) = Q + a Σ y_i h_i, h_i = (1 − 2Q)p_i + p_i², and
    Σ ∂_i h_i = a(1 − Q + 6Q² − 6C). Pointwise, here for three tokens."""
    p = softmax_of(tuple(a * y for y in values))
    Q2, C = (sum(weight**power for weight in p) for power in (2, 3))
    out = sum(weight * y for weight, y in zip(p, values, strict=True))
    h = [(1 - 2 * Q2) * weight + weight**2 for weight in p]

    def divergence(field: list[sp.Expr]) -> sp.Expr:
        return sp.Add(*(f.diff(y) for f, y in zip(field, values, strict=True)))

    return equal(
        [divergence(p), divergence([weight * out for weight in p]), divergence(h)],
        [a * (1 - Q2), Q2 + a * sum(y * f for y, f in zip(values, h, strict=True)), a * (1 - Q2 + 6 * Q2**2 - 6 * C)],
    )


EQ, EQQ, EC = sp.symbols("EQ EQQ EC", positive=True)  # E Q, E Q², E C at a query
noise, spread, aligned, score, norm = sp.symbols("N T_square x_T q x_square", positive=True)
FORMS = Domain(dict.fromkeys((EQ, EQQ, EC, noise, spread, aligned, score, norm), (Q(1, 10), 1)))


@claim(on=FORMS, by=EXACT, source=DERIVED)
def risk_of_softmax_by_gain_and_variance():
    """Given the query, ‖x − gT‖² + (1 − g)(tr VΣVᵀ − ‖T‖²/q) + v‖T‖²/q with T = VΣa, g = 1 − E Q and v = Var Σ p_i
    z_i, z_i the standardized scores, is ‖x‖² − 2g⟨x, T⟩ + tr(VΣVᵀ) E Q + ‖T‖² E(1 − Q + 6Q² − 6C)."""
    power, g = 1 - EQ + 6 * EQQ - 6 * EC, 1 - EQ
    v = EQ + score * power - score * g**2  # E(Σ p z)² − (E Σ p z)²
    by_gain = norm - 2 * g * aligned + g**2 * spread + (1 - g) * (noise - spread / score) + v * spread / score
    return equal(by_gain, norm - 2 * g * aligned + noise * EQ + spread * power)


square, q_u = sp.symbols("s_square q_u", positive=True)


@claim(
    on=Domain({**dict(FORMS.intervals), **{x: POINT.interval(x) for x in (pp, t)}, square: (0, 3), q_u: (0, 3)}),
    by=EXACT,
    source=DERIVED,
)
def risk_of_softmax_for_one_direction():
    """For the score ⟨u, x⟩⟨u, y⟩, V = I and s = ⟨u, x⟩ ~ N(0, p), the mean of x given s is (s/p)Σu; so given s, on
    average, 2R = t(1 + E Q) − 2(1 − E Q)s²q/p + s²q E(1 − Q + 6Q² − 6C). As E s² = p that is t(1 + F₀) + q(p − 2 +
    F₁), F₀ = E_s E Q, F₁ = E_s s²[2(1/p − 1)E Q + E Q + 6E Q² − 6E C]: it depends on u through p and q."""
    power = 1 - EQ + 6 * EQQ - 6 * EC
    given_s = t * (1 + EQ) - 2 * (1 - EQ) * square * q_u / pp + square * q_u * power
    split = t * (1 + EQ) + q_u * (square * (1 - 2 / pp) + square * (2 * (1 / pp - 1) * EQ + EQ + 6 * EQQ - 6 * EC))
    return equal(given_s, split)


formula = sp.Symbol("R_softmax", real=True)


def _formula(**model: Any) -> dict[str, float]:
    """The risk by one-dimensional integrals."""
    return {"R_softmax": risk_at(**{**model, "attention": "softmax"})}


def _bound(Sigma: np.ndarray, V: np.ndarray, n: int, **_: Any) -> float:
    """E loss² ≤ 2E‖x‖⁴ + 2E‖out‖⁴, and ‖out‖⁴ ≤ Σ p_i‖Vx_i‖⁴ ≤ Σ_i ‖Vx_i‖⁴ as the norm is convex and p_i ≤ 1."""
    fourth = [np.trace(C) ** 2 + 2 * np.trace(C @ C) for C in (Sigma, V @ Sigma @ V.T)]
    return float(2 * fourth[0] + 2 * n * fourth[1])


@claim(
    on=EVERYWHERE,
    by=[
        PropertyBasedAgreement(
            attention_models("fresh", attention=st.just("softmax")),
            examples=30,
            samples=20_000,
            second_moment=_bound,
            coordinates=_formula,
        )
    ],
    source=DERIVED,
)
def risk_of_softmax_is_the_mean_of_the_model():
    """The risk of softmax attention with a finite prompt and a fresh query, by one-dimensional integrals, is the
    mean loss of the layer drawn token by token in R^d."""
    return Agreement(formula)


claims = tuple(item for item in list(globals().values()) if isinstance(item, Claim))
