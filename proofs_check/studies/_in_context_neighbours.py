"""In-context denoising, and in-context regression in high dimension: what is next door to `in_context`.

Denoising (Smart, Bietti, Sengupta, arXiv 2502.05164). The prompt is clean, x₁, …, x_n ~ N(0, Λ), the query x̃ = x
+ η with noise of variance ζ; the layer gives C B x̃ and the risk is E‖x − CBx̃‖², without ½.

High dimension (Lu, Letey, Zavatone-Veth, Maiti, Pehlevan, arXiv 2405.11751). x ~ N(0, I/d), ‖w‖² = d in the mean,
labels with noise of variance ρ, l examples, and the prediction tr ΓᵀH, with H = x [(d/l) Σ y_i x_iᵀ, (1/l) Σ
y_i²]. It is trained by least squares on N = τd² prompts with k = κd tasks, l = αd. The exact error for a given Γ
is derived here; the limit d → ∞ of the trained one is a result of random matrix theory, transcribed from the
authors' code.
"""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, claim
from proofs_check.entrywise import Entrywise
from proofs_check.symbolic import SymbolicIdentity
from theory import (
    Agreement,
    Domain,
    Expectation,
    GaussianMatrix,
    GaussianVector,
    Limit,
    Symmetric,
    dot,
    equal,
    matrix_gradient,
)

from ._in_context_model import (
    DERIVED,
    PROMPT,
    H,
    I,
    Lambda,
    LinearAttention,
    Prompt,
    d,
    error,
    n,
    tr,
)

__all__ = ["neighbour_claims"]

SMART = "Smart, Bietti, Sengupta (2025), arXiv 2502.05164, for infinite prompts"
LU = "Lu, Letey, Zavatone-Veth, Maiti, Pehlevan (2025), arXiv 2405.11751"
CODE = f"{LU}, from the authors' public code, second-hand"

# --- denoising -----------------------------------------------------------------------------

zeta = sp.Symbol("zeta", positive=True)
B, D = sp.MatrixSymbol("B", d, d), sp.MatrixSymbol("D", d, d)
DENOISING = Domain({n: (1, sp.oo), d: (1, sp.oo), zeta: (0, sp.oo)}, conditions=(Symmetric(Lambda),))
SMALL_PROMPTS = ({n: 1, d: 2}, {n: 2, d: 1}, {n: 2, d: 2})


def denoising_loss(matrix: sp.Expr, law: Prompt = PROMPT) -> sp.Expr:
    """‖x − CBx̃‖², a random variable."""
    X, x, eta = law.tokens(), law.query_token(), GaussianVector("eta", d, covariance=zeta)
    residual = x - X.T * X * matrix * (x + eta) / n
    return dot(residual, residual)


def gram() -> sp.Expr:
    """Γ = (1 + 1/n)Λ + (tr Λ/n)I."""
    return (1 + 1 / n) * Lambda + tr(Lambda) / n * I


def denoising_risk(matrix: sp.Expr) -> sp.Expr:
    """tr Λ − 2 tr ΛBΛ + tr B(Λ + ζI)BᵀΛΓ, typed."""
    noisy = Lambda + zeta * I
    return tr(Lambda) - 2 * tr(Lambda * matrix * Lambda) + tr(matrix * noisy * matrix.T * Lambda * gram())


def best_denoiser() -> sp.Expr:
    """B* = Γ⁻¹Λ(Λ + ζI)⁻¹."""
    return sp.Inverse(gram()) * Lambda * sp.Inverse(Lambda + zeta * I)


@claim(on=DENOISING, by=(Entrywise(SMALL_PROMPTS, draws=1), SymbolicIdentity()), source=f"{SMART}; {DERIVED}")
def risk_of_denoising_in_context():
    """E‖x − CBx̃‖² = tr Λ − 2 tr ΛBΛ + tr B(Λ + ζI)Bᵀ((1 + 1/n)Λ² + (tr Λ/n)Λ)."""
    return equal(Expectation(denoising_loss(B)), denoising_risk(B))


@claim(on=DENOISING, by=[SymbolicIdentity()], source=DERIVED)
def slope_of_denoising():
    """∇_B R = 2Λ[ΓB(Λ + ζI) − Λ]: for positive definite Λ the one stationary point is B* = Γ⁻¹Λ(Λ + ζI)⁻¹."""
    slope = matrix_gradient(Expectation(denoising_loss(B)).doit(), B, known=frozenset({Lambda}))
    return equal(tr(H.T * slope), 2 * tr(H.T * Lambda * (gram() * B * (Lambda + zeta * I) - Lambda)))


@claim(on=DENOISING, by=[Entrywise(SMALL_PROMPTS, draws=1)], source=DERIVED)
def best_denoiser_and_its_risk():
    """R(B* + D) = tr Λ − tr ΛB*Λ + tr D(Λ + ζI)DᵀΛΓ for every D: B* is the minimum, with the risk tr Λ − tr ΛB*Λ."""
    least = tr(Lambda) - tr(Lambda * best_denoiser() * Lambda)
    beyond = tr(D * (Lambda + zeta * I) * D.T * Lambda * gram())
    return equal(Expectation(denoising_loss(best_denoiser() + D)), least + beyond)


beta, sigma_0 = sp.Symbol("beta", real=True), sp.Symbol("sigma_0", positive=True)
SUBSPACE = Domain({beta: (-4, 4), sigma_0: (0, 4), n: (1, 40), d: (1, 40), zeta: (0, 4)})


@lru_cache
def subspace_risk() -> sp.Expr:
    """The risk for tokens of variance σ₀ in all of R^d and B = βI, from the engine. In a larger space the output
    stays in the subspace, and what is outside of the query is not seen: d is the dimension of the subspace."""
    law = Prompt(examples=sigma_0 * I, query=sigma_0 * I)
    return sp.expand(Expectation(denoising_loss(beta * I, law)).doit())


@claim(on=SUBSPACE, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=f"{SMART}; {DERIVED}")
def denoising_on_a_subspace():
    """With tokens of variance σ₀ in a subspace of dimension d and B = βI, R = dσ₀ − 2βσ₀²d + β²σ₀²(1 + (d + 1)/n)(σ₀
    + ζ)d, least at β = 1/((σ₀ + ζ)(1 + (d + 1)/n)); for n → ∞ it is the Bayes denoiser's."""
    factor = (sigma_0 + zeta) * (1 + (d + 1) / n)
    slope = subspace_risk().diff(beta).subs(beta, 1 / factor)
    return equal(
        [subspace_risk(), slope],
        [d * sigma_0 - 2 * beta * sigma_0**2 * d + beta**2 * sigma_0**2 * factor * d, 0],
    )


@claim(
    on=Domain({}),
    by=[Entrywise(({n: 1}, {n: 2}), draws=1)],
    source=DERIVED,
)
def denoising_on_a_line_in_space():
    """The same from the definition, for a line in R³ spanned by the unit vector u = (2, 1, 2)/3: Λ = σ₀uuᵀ is
    singular."""
    line = sp.ImmutableMatrix([2, 1, 2]) / 3
    covariance = (sigma_0 * line * line.T).as_immutable()
    X, x = GaussianMatrix("X", n, 3, covariance=covariance), GaussianVector("x", 3, covariance=covariance)
    residual = x - beta * X.T * X * (x + GaussianVector("eta", 3, covariance=zeta)) / n
    factor = (sigma_0 + zeta) * (1 + 2 / n)
    return equal(Expectation(dot(residual, residual)), sigma_0 - 2 * beta * sigma_0**2 + beta**2 * sigma_0**2 * factor)


# --- high dimension ------------------------------------------------------------------------

l = sp.Symbol("l", integer=True, positive=True)
rho, alpha, kappa, big_tau = sp.symbols("rho alpha kappa tau", positive=True)
Gamma, g = sp.MatrixSymbol("Gamma", d, d), sp.MatrixSymbol("g", d, 1)
LIMITS = Domain({rho: (0, 4), alpha: (sp.Rational(1, 8), 8)})
x = (1 + rho) / alpha


def last_entry(length: sp.Expr, dimension: sp.Expr) -> sp.Expr:
    """The last entry of B: (1 + 2/l)((1 + ρ)² + 2/d)."""
    return (1 + 2 / length) * ((1 + rho) ** 2 + 2 / dimension)


@claim(
    on=Domain({l: (1, sp.oo), d: (1, sp.oo), rho: (0, sp.oo)}),
    by=(Entrywise(({l: 1, d: 2}, {l: 2, d: 1}, {l: 2, d: 2}), draws=1), SymbolicIdentity()),
    source=f"{DERIVED}; {LU} have the limit",
)
def test_error_of_a_regression_on_moments():
    """For w ~ N(0, I) the prediction tr ΓᵀH, Γ = [Γ₁, g], has the squared error 1 + ρ − (2/d) tr Γ₁ + (1/d) tr ΓBΓᵀ
    against a label, B = diag(((1 + ρ)d/l + 1 + 1/l) I, (1 + 2/l)((1 + ρ)² + 2/d)), exactly."""
    law = Prompt(n=l, examples=I / d, query=I / d, tasks=I, noise=rho)
    y, query = law.labels(), law.query_token()
    prediction = d * dot(query, Gamma * law.moment()) + dot(query, g) * dot(y, y) / l
    loss = (prediction - law.target()) ** 2
    upper = (1 + rho) * d / l + 1 + 1 / l
    typed = 1 - 2 * tr(Gamma) / d + upper * tr(Gamma * Gamma.T) / d + last_entry(l, d) * dot(g, g) / d
    return equal(Expectation(loss), typed)


def last_entry_in_high_dimension() -> tuple[sp.Expr, sp.Symbol]:
    """The last entry at l = αd as a function of a real d."""
    large = sp.Symbol("d", positive=True)
    return last_entry(alpha * large, large), large


@claim(on=LIMITS, by=[SymbolicIdentity()], source=DERIVED)
def last_entry_of_the_moments():
    """The last entry of B tends to (1 + ρ)² as d → ∞, l = αd: a square of the mean of y², 1 + ρ."""
    entry, large = last_entry_in_high_dimension()
    return Limit(entry, large, sp.oo, (1 + rho) ** 2)


@claim(
    on=LIMITS,
    by=[SymbolicIdentity(), CertifiedNumerics(digits=20)],
    source=f"{CODE}: the helper e_ICL_g_tr; the main path of the code has (1 + ρ)²",
    expected="refuted",
)
def last_entry_in_a_public_script():
    """The last entry of B tends to 1 + ρ² as d → ∞, l = αd."""
    entry, large = last_entry_in_high_dimension()
    return Limit(entry, large, sp.oo, 1 + rho**2)


@claim(
    on=Domain({l: (1, sp.oo), d: (1, sp.oo), rho: (0, sp.oo)}),
    by=[Entrywise(({l: 1, d: 1}, {l: 2, d: 2}))],
    source=f"{CODE}: the helper's entry with the corrections of finite l and d",
    expected="refuted",
)
def last_entry_in_a_public_script_at_finite_size():
    """E (ȳ²)² = (1 + 2/l)(1 + ρ² + 2/d), with 1 + ρ² for (1 + ρ)²."""
    law = Prompt(n=l, examples=I / d, query=I / d, tasks=I, noise=rho)
    y = law.labels()
    return equal(Expectation(dot(y, y) ** 2 / l**2), (1 + 2 / l) * (1 + rho**2 + 2 / d))


@claim(on=LIMITS, by=[SymbolicIdentity()], source=f"{DERIVED}; {CODE}")
def best_linear_attention_in_high_dimension():
    """With l = αd the least error against a label, 2R* + ρ, tends to 1 + ρ − 1/(1 + x), x = (1 + ρ)/α."""
    large = sp.Symbol("d", positive=True)
    length = alpha * large
    scaled = Prompt(n=l, examples=I / d, query=I / d, tasks=I, noise=rho)
    eta = sp.Symbol("eta", real=True)
    R = sp.expand(2 * Expectation(error(LinearAttention(eta * I, scaled)) ** 2 / 2).doit() + rho)
    best = 1 / ((1 + 1 / l) / d + (1 + rho) / l)
    least = R.subs(eta, best).subs({l: length, d: large}, simultaneous=True)
    return Limit(sp.cancel(sp.together(least)), large, sp.oo, 1 + rho - 1 / (1 + x))


def shrinkage(diversity: sp.Expr) -> sp.Expr:
    """M_κ(x) = 2/[(x + 1 − 1/κ) + √((x + 1 − 1/κ)² + 4x/κ)], transcribed."""
    centre = x + 1 - 1 / diversity
    return 2 / (centre + sp.sqrt(centre**2 + 4 * x / diversity))


def published_error_for_many_prompts(diversity: sp.Expr, prompts: sp.Expr) -> sp.Expr:
    """e_ICL for τ > 1, transcribed; k* = 1/(1 − κ(m/(κ + m))²)."""
    m = shrinkage(diversity)
    k_star = 1 / (1 - m**2 / diversity / (1 + m / diversity) ** 2)
    return (
        (k_star - 1 / (prompts - 1)) * (1 + x) * (x * m) ** 2
        + (3 - 2 * prompts) / (prompts - 1) * m * x**2
        + ((1 + rho) * m / (prompts - 1) + 1) * x
        + rho * m / (prompts - 1)
        + rho
    )


def published_error_for_few_prompts(diversity: sp.Expr, prompts: sp.Expr) -> sp.Expr:
    """e_ICL for τ < 1, transcribed."""
    mu = x * shrinkage(diversity / prompts)
    return (
        prompts * (1 + x) / (1 - prompts) * (1 - prompts * (1 - mu) ** 2 - (x - rho) * mu / x)
        - 2 * prompts * (1 - mu)
        + 1
        + rho
    )


MANY = Domain({**dict(LIMITS.intervals), big_tau: (2, 9)})


def error_for_all_tasks() -> sp.Expr:
    """e_ICL at κ = ∞, τ > 1, by hand, with m = 1/(1 + x) and t = 1/(τ − 1)."""
    m, extra = 1 / (1 + x), 1 / (big_tau - 1)
    return (1 - extra) * x**2 * m - (2 - extra) * m * x**2 + (1 + rho) * m * extra * x + x + rho * m * extra + rho


@claim(on=MANY, by=[SymbolicIdentity()], source=CODE)
def published_error_for_all_tasks():
    """e_ICL for τ > 1 tends to (1 − t)x²m − (2 − t)mx² + ((1 + ρ)mt + 1)x + ρmt + ρ as κ → ∞, m = 1/(1 + x), t = 1/(τ
    − 1)."""
    return Limit(published_error_for_many_prompts(kappa, big_tau), kappa, sp.oo, error_for_all_tasks())


@claim(on=LIMITS, by=[SymbolicIdentity()], source=CODE)
def published_error_for_all_tasks_and_prompts():
    """That tends to the least error of linear attention, 1 + ρ − 1/(1 + x), as τ → ∞."""
    return Limit(error_for_all_tasks(), big_tau, sp.oo, 1 + rho - 1 / (1 + x))


@claim(on=LIMITS, by=[SymbolicIdentity()], source=CODE)
def published_error_without_prompts():
    """e_ICL → 1 + ρ as τ → 0: without prompts to learn from the prediction is 0; here for all tasks, κ/τ → ∞."""
    return Limit(published_error_for_few_prompts(sp.oo, big_tau), big_tau, 0, 1 + rho)


DIVERSE = {**dict(LIMITS.intervals), kappa: (sp.Rational(1, 8), 8)}


@claim(on=Domain({**DIVERSE, big_tau: (2, 9)}), by=[], source=CODE, expected="open")
def published_error_of_many_prompts():
    """For τ > 1 the error of the trained regression tends to e_ICL as d → ∞: random matrix theory, not proven here.
    At α = 1, κ = 4, τ = 5/2, ρ = 1/4 it is 1.3815; regressions drawn from the definition have 1.952(35),
    1.615(19) and 1.513(14) at d = 8, 16, 32."""
    return Agreement(published_error_for_many_prompts(kappa, big_tau), "error of the regression for large d")


@claim(on=Domain({**DIVERSE, big_tau: (sp.Rational(1, 8), sp.Rational(7, 8))}), by=[], source=CODE, expected="open")
def published_error_of_few_prompts():
    """For τ < 1 the error of the trained regression, of least norm, tends to e_ICL as d → ∞: not proven here. At α =
    1, κ = 2, τ = 1/2, ρ = 1/4 it is 1.8379; regressions drawn from the definition have 2.84(12), 2.171(57) and
    1.993(26) at d = 8, 16, 32."""
    return Agreement(published_error_for_few_prompts(kappa, big_tau), "error of the regression for large d")


neighbour_claims = tuple(item for item in list(globals().values()) if isinstance(item, Claim))
