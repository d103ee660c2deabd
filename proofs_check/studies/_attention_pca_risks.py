"""Claims on the risks of attention PCA: closed forms, gradients, conventions, and the literal model.

The risks are typed by hand on the right; on the left stands the mean of the loss, which the engine evaluates.
`Entrywise` writes that mean out entry by entry and enumerates it, so that no rule of the engine takes part.

Two conventions are in use. Here R has a factor ½ and the score of a rank-one head is λ⟨μ, x⟩⟨μ, y⟩; elsewhere the
risk is 2R and the score is ⟨u, x⟩⟨u, y⟩, u = √λ μ. In

    p = uᵀΣu,   q = uᵀΣ²u,   t = tr Σ

the conversions are claims of their own. Identities that need Σ symmetric are stated for Σ = AAᵀ with a general A.
"""

from __future__ import annotations

import numpy as np
import sympy as sp
from hypothesis import strategies as st

from numerics import value
from proofs_check.claim import Claim, claim
from proofs_check.entrywise import Entrywise
from proofs_check.property_based import PropertyBasedAgreement
from proofs_check.strategies import covariances, vectors
from proofs_check.strategies import models as models_of
from proofs_check.symbolic import SymbolicIdentity
from theory import (
    Agreement,
    Derivation,
    Domain,
    Expectation,
    GaussianMatrix,
    GaussianVector,
    derive,
    dot,
    equal,
    matrix_gradient,
    quad,
)
from theory.notation import d

from ._attention_pca_model import (
    PAPER,
    B,
    MeanFieldAttention,
    S,
    V,
    W,
    fresh_risk,
    half_squared_error,
    inside_risk,
    k,
    n,
    nu,
    prompts,
    second_moment,
    tied,
    wishart_prompt_risk,
    wishart_risk,
)

__all__ = ["EVERYWHERE", "claims", "derivation_of_the_risk", "mean_loss", "rooted"]

DERIVED = "derived here"
EVERYWHERE = Domain({})
tr = sp.Trace

A, C = sp.MatrixSymbol("A", d, d), sp.MatrixSymbol("C", d, d)
u, v, y, w = (sp.MatrixSymbol(name, d, 1) for name in "uvyw")
G = B * S * B.T
lam = sp.Symbol("lambda", real=True)


def mean_loss(query: str = "fresh", *, in_context: bool = False) -> Expectation:
    """E ½‖x − out‖², not evaluated."""
    law, layer = prompts(query, in_context=in_context)
    return Expectation(half_squared_error(law.target(), layer.predict(law.tokens())))


def rooted(expr: sp.Expr) -> sp.Expr:
    """The expression at Σ = AAᵀ: symmetric positive semidefinite, and every such matrix is one."""
    return expr.xreplace({S: A * A.T}).doit()


def sized(*triples: dict) -> tuple:
    """Enumeration at small sizes before the normal form, because it does not share the engine."""
    return (Entrywise(triples, draws=1), SymbolicIdentity())


# --- the risks -----------------------------------------------------------------------------


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source="Boursier, Boyer (2025), arXiv 2512.11784; elementary")
def softmax_and_linear_attention_agree_in_the_limit():
    """With infinitely many tokens y ~ N(0, Σ) softmax attention is linear attention: E e^{⟨a, y⟩} Vy = E e^{⟨a, y⟩} VΣa
    for the scores a = Bx of a query x."""
    token = GaussianVector("y", d, covariance=S)
    weight = sp.exp(dot(B * w, token))
    return equal(Expectation(tr(weight * (V * token * v.T))), Expectation(weight) * dot(v, V * S * B * w))


@claim(on=EVERYWHERE, by=sized({d: 1}, {d: 2}, {d: 3}), source=f"{PAPER}; Baldi, Hornik (1989)")
def risk_with_infinitely_many_tokens():
    """R = ½ tr (I − M)Σ(I − M)ᵀ with M = VΣB, for linear and for softmax attention."""
    M = V * S * B
    residual = sp.Identity(d) - M
    return equal(mean_loss("mean field"), tr(residual * S * residual.T) / 2)


@claim(on=EVERYWHERE, by=sized({n: 1, d: 2}, {n: 2, d: 2}, {n: 3, d: 1}), source=DERIVED)
def risk_with_a_fresh_query():
    """R = ½[t − 2 tr VΣBΣ + tr V((1 + 1/n)ΣGΣ + tr(GΣ)Σ/n)Vᵀ], G = BΣBᵀ."""
    square = (1 + 1 / n) * S * G * S + (tr(G * S) / n) * S
    return equal(mean_loss(), (tr(S) - 2 * tr(V * S * B * S) + tr(V * square * V.T)) / 2)


def sixth_moment(C: sp.Expr, F: sp.Expr) -> sp.Expr:
    """E (xᵀCx)(xᵀFx)² for symmetric C and F and x ~ N(0, Σ)."""
    c, b = tr(C * S), tr(F * S)
    return c * b**2 + 2 * c * tr(F * S * F * S) + 4 * b * tr(C * S * F * S) + 8 * tr(C * S * F * S * F * S)


@claim(on=EVERYWHERE, by=sized({n: 1, d: 2}, {n: 2, d: 1}, {n: 2, d: 2}), source=DERIVED)
def risk_with_the_query_inside():
    """With the query among the n tokens, m = n − 1 others, C = VᵀV and F = (B + Bᵀ)/2:
    R = ½[t − (2/n){E(xᵀVx)(xᵀBx) + m tr VΣBΣ} + n⁻²{E(xᵀCx)(xᵀFx)² + 2m E(xᵀBx)(xᵀCΣBx) + m² tr CΣGΣ
    + m(tr CΣGΣ + tr GΣ tr CΣ)}]."""
    C, F, m = V.T * V, (B + B.T) / 2, n - 1

    def pair(F, R):
        return tr(F * S) * tr(R * S) + tr(F * S * R * S) + tr(F * S * R.T * S)

    linear = pair(V, B) + m * tr(V * S * B * S)
    square = sixth_moment(C, F) + 2 * m * pair(B, C * S * B) + m**2 * tr(C * S * G * S)
    square += m * (tr(C * S * G * S) + tr(G * S) * tr(C * S))
    return equal(mean_loss("inside"), (tr(S) - 2 * linear / n + square / n**2) / 2)


@claim(
    on=EVERYWHERE,
    by=sized({n: 1, d: 2}, {n: 2, d: 2}),
    expected="refuted",
    source="a reading one is tempted by: the query only takes the place of one token",
)
def a_query_inside_is_one_token_less():
    """The risk with the query inside a prompt of n tokens is the one of a fresh query with a prompt of n + 1 tokens."""
    return equal(mean_loss("inside"), fresh_risk().expr.subs(n, n + 1))


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=DERIVED)
def a_query_inside_is_a_random_covariance():
    """The query inside a prompt of ν tokens has the risk of infinitely many tokens whose covariance is Wishart with ν
    degrees of freedom and mean Σ, for all V and B."""
    return equal(mean_loss("mean field", in_context=True), inside_risk().expr.subs(n, nu))


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=f"{DERIVED}; cf. Zhang, Frei, Bartlett (2023)")
def reconstruction_is_regression_with_isotropic_tasks():
    """½E‖x − C B x‖² is the risk ½E(ŷ − ⟨w, x⟩)² of in-context linear regression with tasks w ~ N(0, I), labels
    y_i = ⟨w, x_i⟩ and the prediction ŷ = ⟨(1/n) Σ y_i x_i, Bx⟩: PCA and regression have one risk."""
    law, _ = prompts()
    X, x, task = law.tokens(), law.target(), GaussianVector("w", d)
    prediction = dot(X.T * X * task / n, B * x)
    return equal(
        Expectation((prediction - dot(task, x)) ** 2 / 2), fresh_risk().expr.xreplace({V: sp.Identity(d)}).doit()
    )


@claim(on=EVERYWHERE, by=sized({n: 1, d: 2}, {n: 2, d: 2}), source=DERIVED)
def covariance_of_the_output():
    """Averaged over prompts the output has the covariance E out outᵀ = V((1 + 1/n)ΣGΣ + tr(GΣ)Σ/n)Vᵀ."""
    law, layer = prompts()
    out = layer.predict(law.tokens())
    return equal(Expectation(out * out.T), V * ((1 + 1 / n) * S * G * S + (tr(G * S) / n) * S) * V.T)


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=DERIVED)
def covariance_of_the_output_given_the_prompt():
    """Given the prompt the output is Gaussian with covariance V C G C Vᵀ, C the second moment of the prompt."""
    x = GaussianVector("x", d, covariance=S)
    out = V * C * B * x
    return equal(Expectation(out * out.T), V * C * G * C.T * V.T)


# --- rank one, and the conversion between the conventions ----------------------------------

p, q, t = quad(u, S), quad(u, S**2), tr(S)


def loss_of_one(query: str = "fresh", *, in_context: bool = False, scale: sp.Expr = sp.S.One) -> Expectation:
    """E ½‖x − out‖² of one head of rank one, out = λ⟨u, x⟩ C u; not evaluated."""
    law, layer = prompts(query, in_context=in_context)
    X, x = law.tokens(), law.target()
    C = layer.C if isinstance(layer, MeanFieldAttention) else X.T * X / n
    return Expectation(half_squared_error(x, (scale * dot(u, x)) * C * u))


@claim(on=EVERYWHERE, by=sized({d: 1}, {d: 2}), source=f"{PAPER} (its parametrization is second-hand)")
def rank_one_risk_with_infinitely_many_tokens():
    """2R = t − 2q + pq for the score ⟨u, x⟩⟨u, y⟩."""
    return equal(loss_of_one("mean field"), (t - 2 * q + p * q) / 2)


@claim(on=EVERYWHERE, by=sized({n: 1, d: 2}, {n: 2, d: 2}), source=DERIVED)
def rank_one_risk_with_a_fresh_query():
    """2R = t − 2q + p[(1 + 1/n)q + tp/n]."""
    return equal(loss_of_one(), (t - 2 * q + p * ((1 + 1 / n) * q + t * p / n)) / 2)


@claim(on=EVERYWHERE, by=sized({n: 1, d: 2}, {n: 2, d: 2}), source=DERIVED)
def rank_one_risk_with_the_query_inside():
    """2R = t − 2(n+1)q/n − 2tp/n + (n+2)(n+3)pq/n² + (n+2)tp²/n²."""
    fourth = (n + 2) * ((n + 3) * p * q + t * p**2) / n**2
    return equal(loss_of_one("inside"), (t - 2 * (n + 1) * q / n - 2 * t * p / n + fourth) / 2)


@claim(on=EVERYWHERE, by=sized({d: 1}, {d: 2}), source=DERIVED)
def conversion_of_the_conventions():
    """With the score λ⟨μ, x⟩⟨μ, y⟩ and the factor ½: R = ½[t − 2λr + λ²pr], p = μᵀΣμ, r = μᵀΣ²μ."""
    return equal(loss_of_one("mean field", scale=lam), (t - 2 * lam * q + lam**2 * p * q) / 2)


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=DERIVED)
def rank_one_risk_in_context():
    """In context, infinitely many tokens, score λ⟨μ, x⟩⟨μ, y⟩:
    R = ½[t − 2λ((1 + 1/ν)r + pt/ν) + λ²(ν + 2)ν⁻²((ν + 3)pr + p²t)]."""
    square = (nu + 2) / nu**2 * ((nu + 3) * p * q + p**2 * t)
    linear = (1 + 1 / nu) * q + p * t / nu
    return equal(loss_of_one("mean field", in_context=True, scale=lam), (t - 2 * lam * linear + lam**2 * square) / 2)


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=DERIVED)
def rank_one_risk_in_context_with_a_finite_prompt():
    """In context with n tokens (ν + 3)pr + p²t becomes (1 + 1/n)((ν + 3)pr + p²t) + (νp²t + 4pr)/n."""
    bracket = (1 + 1 / n) * ((nu + 3) * p * q + p**2 * t) + (nu * p**2 * t + 4 * p * q) / n
    linear = (1 + 1 / nu) * q + p * t / nu
    square = (nu + 2) / nu**2 * bracket
    return equal(loss_of_one(in_context=True, scale=lam), (t - 2 * lam * linear + lam**2 * square) / 2)


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=DERIVED)
def tied_risk_with_a_fresh_query():
    """R(W) = ½[t − 2 tr Σ²P + tr ΣPΣΓP], P = WWᵀ, Γ = (1 + 1/n)Σ + (t/n)I."""
    P, Gamma = W * W.T, (1 + 1 / n) * S + (t / n) * sp.Identity(d)
    return equal(rooted(tied().expr), rooted((t - 2 * tr(S**2 * P) + tr(S * P * S * Gamma * P)) / 2))


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=DERIVED)
def tied_risk_with_the_query_inside():
    """R = ½[t − 2((1 + 1/n) tr ΣN + (t/n) tr N) + n⁻²{D tr ΣN² + (n+1)t tr N² + t(tr N)² + 2(n+1) tr N tr ΣN}] with
    N = Σ^{1/2}WWᵀΣ^{1/2}, D = n² + 3n + 4."""
    P, D = W * W.T, n**2 + 3 * n + 4
    N, SN, NN, SNN = tr(S * P), tr(S**2 * P), tr(S * P * S * P), tr(S**2 * P * S * P)
    square = D * SNN + (n + 1) * t * NN + t * N**2 + 2 * (n + 1) * N * SN
    return equal(rooted(tied("inside").expr), rooted((t - 2 * ((1 + 1 / n) * SN + t * N / n) + square / n**2) / 2))


T = A + A.T
"""A symmetric matrix, any one."""


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source="Yang (1995), the criterion PAST; derived here")
def tied_attention_is_the_classical_criterion():
    """At n = ∞ and Y = Σ^{1/2}W the tied risk is ½E‖x − YYᵀx‖², the criterion of Yang's subspace tracking: T =
    Σ^{1/2}."""
    Y = sp.MatrixSymbol("Y", d, k)
    residual = sp.Identity(d) - Y * Y.T
    classical = tr(residual * residual * S) / 2
    of_head = tied("mean field").expr
    return equal(
        of_head.xreplace({S: T * T}).doit(),
        classical.xreplace({Y: T * W, S: T * T}).doit(),
    )


# --- gradients -----------------------------------------------------------------------------


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=DERIVED)
def gradient_in_the_value_matrix():
    """∇_V R = −ΣBᵀΣ + V((1 + 1/n)ΣGΣ + tr(GΣ)Σ/n)."""
    slope = matrix_gradient(fresh_risk().expr, V, known=frozenset({S}))
    by_hand = -S * B.T * S + V * ((1 + 1 / n) * S * G * S + (tr(G * S) / n) * S)
    return equal(rooted(tr(C.T * slope)), rooted(tr(C.T * by_hand)))


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=DERIVED)
def gradient_in_the_scores():
    """∇_B R = −ΣVᵀΣ + ((1 + 1/n)ΣFΣ + tr(FΣ)Σ/n)BΣ, F = VᵀV."""
    slope, F = matrix_gradient(fresh_risk().expr, B, known=frozenset({S})), V.T * V
    by_hand = -S * V.T * S + ((1 + 1 / n) * S * F * S + (tr(F * S) / n) * S) * B * S
    return equal(rooted(tr(C.T * slope)), rooted(tr(C.T * by_hand)))


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=f"{DERIVED}; the matrix is that of Zhang, Frei, Bartlett (2023)")
def untied_scores_are_a_least_squares_problem():
    """With V = I and a fresh query R = ½[t − tr Γ⁻¹Σ²] + ½ tr (B − Γ⁻¹)Σ(B − Γ⁻¹)ᵀΣΓ, Γ = (1 + 1/n)Σ + (t/n)I: B = Γ⁻¹
    is the only minimum, and KᵀQ of rank k is there to approximate Γ^{−1/2}Σ (Eckart, Young)."""
    Sigma, trace = sp.diag(*sp.symbols("s_1:4", positive=True)), sp.Symbol("t", positive=True)
    scores = sp.Matrix(3, 3, sp.symbols("b_1:4(1:4)", real=True))
    found = fresh_risk().expr.xreplace({V: sp.Identity(d)}).doit().xreplace({tr(S): trace})
    found = found.xreplace({B: scores.as_immutable(), S: Sigma.as_immutable(), d: sp.Integer(3)}).doit()
    Gamma = (1 + 1 / n) * Sigma + (trace / n) * sp.eye(3)
    rest = scores - Gamma.inv()
    square = (rest * Sigma * rest.T * Sigma * Gamma).trace()
    return equal(found, (trace - (Gamma.inv() * Sigma**2).trace() + square) / 2)


# --- the literal model ---------------------------------------------------------------------


def _square(size: int, norms: tuple) -> st.SearchStrategy[np.ndarray]:
    return vectors(size * size, norms=norms).map(lambda entries: entries.reshape(size, size))


def attention_models(query: str, **more: object) -> st.SearchStrategy[dict]:
    """Admissible models: dimension, covariance, weights without any structure, length of the prompt."""
    return models_of(
        d=st.integers(1, 3),
        Sigma=lambda d: covariances(d).map(lambda S: np.array(S.tolist(), dtype=float)),
        B=lambda d: _square(d, ("1/4", 1)),
        V=lambda d: _square(d, ("1/4", 1)),
        n=st.integers(1, 6),
        query=st.just(query),
        without=("d",),
        **more,
    )


def _agreement(query: str, in_context: bool = False) -> PropertyBasedAgreement:
    names = ("Sigma", "B", "V", "n", *(("nu",) if in_context else ()))

    def bound(**model: object) -> float:
        """E loss², from the derived formula."""
        return float(value(second_moment(query, in_context), {name: model[name] for name in names}))

    models = attention_models(query, **({"nu": st.integers(1, 6)} if in_context else {}))
    # in context the second moment has thousands of terms, so that a model costs more than its draws
    examples, samples = (10, 60_000) if in_context else (30, 20_000)
    return PropertyBasedAgreement(models, examples=examples, samples=samples, second_moment=bound)


@claim(on=EVERYWHERE, by=[_agreement("fresh")], source=DERIVED)
def risk_with_a_fresh_query_is_the_mean_of_the_model():
    """The derived risk is the mean loss of the layer, drawn token by token in R^d, for a fresh query."""
    return Agreement(fresh_risk().expr)


@claim(on=EVERYWHERE, by=[_agreement("inside")], source=DERIVED)
def risk_with_the_query_inside_is_the_mean_of_the_model():
    """The derived risk is the mean loss of the layer, drawn token by token in R^d, with the query inside the prompt."""
    return Agreement(inside_risk().expr)


@claim(on=EVERYWHERE, by=[_agreement("fresh", in_context=True)], source=DERIVED)
def risk_in_context_is_the_mean_of_the_model():
    """The derived risk in context is the mean loss of the layer, with a covariance drawn for each prompt and its tokens
    drawn one by one."""
    return Agreement(wishart_prompt_risk().expr)


# Given the covariance C of a prompt the loss has the mean it has for tokens N(0, C), a polynomial in the rows that C is
# made of, which can be enumerated.
C_nu = GaussianMatrix("A", nu, d, covariance=S).T * GaussianMatrix("A", nu, d, covariance=S) / nu


@claim(on=EVERYWHERE, by=sized({nu: 1, d: 2}, {nu: 2, d: 1}, {nu: 2, d: 2}), source="the law of total expectation")
def risk_in_context_by_total_expectation():
    """In context at n = ∞ the risk is E ½ tr (I − VCB)C(I − VCB)ᵀ over C, Wishart with ν degrees of freedom, mean Σ."""
    residual = sp.Identity(d) - V * C_nu * B
    return equal(Expectation(tr(residual * C_nu * residual.T) / 2), wishart_risk().expr)


@claim(on=EVERYWHERE, by=sized({nu: 1, n: 1, d: 2}, {nu: 2, n: 3, d: 1}), source="the law of total expectation")
def risk_in_context_with_a_finite_prompt_by_total_expectation():
    """In context with n tokens the risk is the mean over C of the risk with a fresh query at the covariance C."""
    return equal(Expectation(fresh_risk().expr.xreplace({S: C_nu}).doit()), wishart_prompt_risk().expr)


def derivation_of_the_risk() -> Derivation:
    """The steps from ½‖x − V C B x‖² to the risk of a fresh query."""
    return derive(mean_loss().args[0])


claims = tuple(item for item in list(globals().values()) if isinstance(item, Claim))
