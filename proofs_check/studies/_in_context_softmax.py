"""In-context regression by softmax attention: keys x_i, values y_i, the score of the query ⟨a, x_i⟩ with a = Mx.

    ŷ = v₀ Σ_i p_i y_i,    p = softmax(⟨a, x_1⟩, …, ⟨a, x_n⟩),    y_i = ⟨w, x_i⟩ + ξ_i

An infinite prompt gives v₀⟨w, Λa⟩, what linear attention gives there. With the weights ω = e^{⟨a, x⟩}/E e^{⟨a,
x⟩} the output is a ratio of means, v₀ Σ ω_i y_i / Σ ω_i, so that by the delta method, for a given query and task,

    E ŷ = v₀ μ − (v₀/n) E ω²(y − μ) + O(n⁻²),    Var ŷ = (v₀²/n) E ω²(y − μ)² + O(n⁻²),    μ = E ωy

and averaging over task and query R = R∞ + c₁/n + O(n⁻²) where the mean of the 1/n terms is finite. They are means
of exponentials of quadratic forms in the query, finite exactly where the eigenvalues of I − 2ΛMᵀΛM are positive.
"""

from __future__ import annotations

import sympy as sp

from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, claim
from proofs_check.symbolic import SymbolicIdentity
from theory import (
    Domain,
    Expectation,
    GaussianIntegral,
    GaussianVector,
    Limit,
    derive,
    dot,
    equal,
    gaussians,
    quad,
)

from ._in_context_model import DERIVED, EVERYWHERE, SYMMETRIC, I, Lambda, M, Omega, at_size, d, s, tr

__all__ = ["softmax_claims"]

BOURSIER = "Boursier, Boyer (2025), arXiv 2512.11784"
a, w = sp.MatrixSymbol("a", d, 1), sp.MatrixSymbol("w", d, 1)
(xi,) = gaussians("xi", covariance=[[s]])
v_0, e = sp.symbols("v_0 e", positive=True)

token = GaussianVector("x_1", d, covariance=Lambda)
query = GaussianVector("x", d, covariance=Lambda)
task = GaussianVector("w", d, covariance=Omega)
label = dot(w, token) + xi


# --- one query, one task -------------------------------------------------------------------


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=BOURSIER)
def infinite_prompts_give_linear_attention():
    """E e^{⟨a, x⟩} y = ⟨w, Λa⟩ E e^{⟨a, x⟩}, and E e^{⟨a, x⟩} = e^{aᵀΛa/2}: softmax attention on an infinite prompt
    is linear attention."""
    weight = sp.exp(dot(a, token))
    normalizer = sp.exp(quad(a, Lambda) / 2)
    return equal([Expectation(weight * label), Expectation(weight)], [dot(w, Lambda * a) * normalizer, normalizer])


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=DERIVED)
def first_order_of_a_finite_prompt():
    """The coefficients of 1/n for one query and one task: E ω²(y − μ) = e^{aᵀΛa} ⟨w, Λa⟩ and
    E ω²(y − μ)² = e^{aᵀΛa} (wᵀΛw + s + ⟨w, Λa⟩²), μ = ⟨w, Λa⟩."""
    mu, q = dot(w, Lambda * a), quad(a, Lambda)
    squared = sp.exp(2 * dot(a, token) - q)
    return equal(
        [Expectation(squared * (label - mu)), Expectation(squared * (label - mu) ** 2)],
        [sp.exp(q) * mu, sp.exp(q) * (quad(w, Lambda) + s + mu**2)],
    )


# The same in one dimension, where both sides are integrals that quadrature encloses and no rule of the engine is used.
scale, slope, score, noise = sp.symbols("lambda_1 w_1 a_1 sigma", positive=True)
LINE = Domain({scale: (sp.Rational(1, 4), 2), slope: (sp.Rational(1, 4), 2), score: (sp.Rational(1, 8), 1)})
z = sp.Symbol("z", real=True)


@claim(on=LINE, by=[CertifiedNumerics(digits=20)], source=DERIVED)
def first_order_on_the_line():
    """For d = 1, Λ = λ and s = 0 the four means, as integrals against the normal density, are what the formulas say."""
    x = sp.sqrt(scale) * z
    q, mu = scale * score**2, slope * scale * score
    weight, squared = sp.exp(score * x), sp.exp(2 * score * x - q)

    def mean(f: sp.Expr) -> sp.Expr:
        return GaussianIntegral(f, (z,))

    return equal(
        [
            mean(weight),
            mean(weight * slope * x),
            mean(squared * (slope * x - mu)),
            mean(squared * (slope * x - mu) ** 2),
        ],
        [sp.exp(q / 2), mu * sp.exp(q / 2), sp.exp(q) * mu, sp.exp(q) * (slope**2 * scale + mu**2)],
    )


@claim(on=LINE, by=[CertifiedNumerics(digits=20)], source=f"{DERIVED}, by Stein's lemma")
def gain_of_two_examples():
    """For n = 2 the mean of Σ p_i x_i is g Λa with the gain g = 1 − E Σ p_i², exactly: on the line, as integrals over
    x₁ − x₂ = √(2λ) z, with p₁ − p₂ = tanh(a(x₁ − x₂)/2) and Σ p_i² = (1 + (p₁ − p₂)²)/2."""
    difference = sp.sqrt(2 * scale) * z
    imbalance = sp.tanh(score * difference / 2)
    # x₁ − x₂ is independent of x₁ + x₂, so that E(p₁x₁ + p₂x₂) = E(p₁ − p₂)(x₁ − x₂)/2
    mean = GaussianIntegral(imbalance * difference / 2, (z,))
    concentration = GaussianIntegral((1 + imbalance**2) / 2, (z,))
    return equal(mean, (1 - concentration) * scale * score)


# --- over queries and tasks ----------------------------------------------------------------


def first_order(matrix: sp.Expr, value: sp.Expr) -> sp.Expr:
    """The coefficient of 1/n of ½E(ŷ − ⟨w, x⟩)² as a function of task and query: half the variance, and the error of
    an infinite prompt times the bias."""
    scores = matrix * query
    mu, q = dot(task, Lambda * scores), dot(scores, Lambda * scores)
    variance = value**2 * (quad(task, Lambda) + s + mu**2)
    bias = -value * mu
    return sp.exp(q) * (variance / 2 + (value * mu - dot(task, query)) * bias)


def c_1() -> sp.Expr:
    """c₁, typed, with P = ΛM, G = MᵀΛM, S_G = (I − 2ΛG)⁻¹Λ."""
    P, G = Lambda * M, M.T * Lambda * M
    spread = sp.Inverse(I - 2 * Lambda * G) * Lambda
    return (
        sp.Determinant(I - 2 * Lambda * G) ** sp.Rational(-1, 2)
        / 2
        * (
            v_0**2 * (tr(Lambda * Omega) + s)
            + v_0**2 * tr(P.T * Omega * P * spread)
            - 2 * v_0 * tr((v_0 * P - I).T * Omega * P * spread)
        )
    )


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=DERIVED)
def first_order_of_the_population_risk():
    """c₁ = ½ det(I − 2ΛG)^{−1/2} [v₀²(tr ΛΩ + s) + v₀² tr PᵀΩPS − 2v₀ tr (v₀P − I)ᵀΩPS], P = ΛM, G = MᵀΛM,
    S = (Λ⁻¹ − 2G)⁻¹, where the eigenvalues of I − 2ΛG are positive."""
    return equal(Expectation(first_order(M, v_0)), c_1())


key, spread_of_tasks = sp.symbols("m_1 omega_1", positive=True)


@claim(
    on=Domain(
        {
            scale: (sp.Rational(1, 4), 2),
            spread_of_tasks: (sp.Rational(1, 4), 2),
            key: (sp.Rational(1, 16), sp.Rational(1, 4)),
            v_0: (sp.Rational(1, 2), 3),
            s: (0, 2),
        }
    ),
    by=[CertifiedNumerics(digits=12)],
    source=DERIVED,
)
def first_order_of_the_population_risk_on_the_line():
    """For d = 1 the mean of the 1/n term over the query, an integral against the normal density, is c₁."""
    x = sp.sqrt(scale) * z
    mu = scale * key * x  # over the task: E w² = ω
    inside = v_0**2 * (spread_of_tasks * scale + s + spread_of_tasks * mu**2) / 2
    inside -= v_0 * spread_of_tasks * (v_0 * mu - x) * mu
    integral = GaussianIntegral(sp.exp(scale * (key * x) ** 2) * inside, (z,))
    at = {Lambda: scale, Omega: spread_of_tasks, M: key}
    return equal(integral, at_size(c_1(), 1, {letter: sp.Matrix([[number]]) for letter, number in at.items()}))


@claim(on=Domain({d: (1, sp.oo)}, conditions=SYMMETRIC), by=[SymbolicIdentity()], source=DERIVED)
def where_the_first_order_is_finite():
    """The engine's condition on M for a finite c₁ is that the eigenvalues of I − 2ΛMᵀΛM are positive, λ < 1/2 for the
    largest eigenvalue λ of ΛMᵀΛM. The best M = Λ⁻¹, v₀ = 1 of an infinite prompt has λ = 1."""
    (condition,) = derive(sp.exp(dot(M * query, Lambda * M * query))).conditions
    return equal(tr(condition.matrix * Omega), tr((I - 2 * Lambda * M.T * Lambda * M) * Omega))


# --- the best temperature ------------------------------------------------------------------

TEMPERATURE = Domain({d: (1, 60), s: (0, 3), e: (sp.Rational(1, 50), sp.Rational(2, 5))})


def best_temperature(dimension: sp.Expr = d) -> sp.Expr:
    """e* = 2/(d + 4 + √(d² + 4d + 8)), typed; the root is written as d√(1 + 4/d + 8/d²)."""
    return 2 / (dimension + 4 + dimension * sp.sqrt(1 + 4 / dimension + 8 / dimension**2))


@claim(
    on=Domain(dict(TEMPERATURE.intervals), conditions=SYMMETRIC),
    by=[SymbolicIdentity()],
    source=f"{DERIVED}, for every Λ, Ω and noise",
)
def first_order_at_a_temperature():
    """At M = εΛ⁻¹, v₀ = 1/ε, e = ε², whose infinite prompt has no error:
    c₁ = ½(1 − 2e)^{−d/2} [(tr ΛΩ + s)/e + tr ΛΩ/(1 − 2e)]."""
    total = tr(Lambda * Omega)
    bracket = (total + s) / e + total / (1 - 2 * e)
    matrix = sp.sqrt(e) * sp.Inverse(Lambda)
    return equal(Expectation(first_order(matrix, 1 / sp.sqrt(e))), (1 - 2 * e) ** (-d / 2) * bracket / 2)


@claim(on=TEMPERATURE, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def slope_in_the_temperature():
    """Without noise c₁ = ½ tr ΛΩ f(e), f = (1 − 2e)^{−d/2} [1/e + 1/(1 − 2e)], and f′ = f · g(e)/(e(1 − e)(1 − 2e))
    with g = (d + 4)e − (d + 2)e² − 1: a minimum of (0, 1/2) at the smaller root of g, the other one being
    beyond 1."""
    f = (1 - 2 * e) ** (-d / 2) * (1 / e + 1 / (1 - 2 * e))
    quadratic = (d + 4) * e - (d + 2) * e**2 - 1
    return equal(f.diff(e), f * quadratic / (e * (1 - e) * (1 - 2 * e)))


@claim(on=Domain({d: (1, 60)}), by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def best_temperature_in_closed_form():
    """The smaller root is e* = [d + 4 − √(d² + 4d + 8)]/(2(d + 2)) = 2/(d + 4 + √(d² + 4d + 8)), and the larger one
    1/((d + 2)e*)."""
    best, other = best_temperature(), (d + 4 + sp.sqrt(d**2 + 4 * d + 8)) / (2 * (d + 2))
    return equal(
        [best, (d + 4) * best - (d + 2) * best**2 - 1, (d + 2) * best * other],
        [(d + 4 - sp.sqrt(d**2 + 4 * d + 8)) / (2 * (d + 2)), 0, 1],
    )


@claim(on=Domain({}), by=[SymbolicIdentity()], source=f"{DERIVED}; the scale 1/√d of Vaswani et al. (2017)")
def best_temperature_is_the_usual_scale():
    """(d + 3) e* → 1 as d → ∞: over the keys the scores ε⟨Λ⁻¹x, x_i⟩ have the variance e* χ²_d → 1, as with 1/√d."""
    large = sp.Symbol("d", positive=True)
    return Limit((large + 3) * best_temperature(large), large, sp.oo, 1)


@claim(on=Domain({}), by=[SymbolicIdentity()], source=DERIVED)
def price_of_the_softmax():
    """At the best temperature c₁ over that of linear attention at M = Λ⁻¹, ½(d + 1) tr ΛΩ, tends to Euler's number as
    d → ∞: f(e*)/(d + 1) → e, with t = 1/d and the power in f written as an exponential."""
    t = sp.Symbol("t", positive=True)
    best = 2 * t / (1 + 4 * t + sp.sqrt(1 + 4 * t + 8 * t**2))
    power = sp.exp(-sp.log(1 - 2 * best) / (2 * t))
    return Limit(power * (1 - best) * t / (best * (1 - 2 * best) * (1 + t)), t, 0, sp.E)


softmax_claims = tuple(item for item in list(globals().values()) if isinstance(item, Claim))
