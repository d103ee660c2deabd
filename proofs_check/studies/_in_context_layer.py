"""In-context regression: the landscape of the full layer, and what gradient flow makes of it.

By the sign symmetry (w, ξ) → −(w, ξ) the error of the full layer splits into two parts that do not mix,

    ŷ − ⟨w, x⟩ = [cᵀ(vU + pqᵀ)x − ⟨w, x⟩] + e,    e = pᵀ(C + xxᵀ/n)Ux + v ȳ² ⟨q, x⟩,    ȳ² = (1/n) Σ y_i²

so that R = R_lin(vU + pqᵀ) + ½ E e²: the global minima are the points with vU + pqᵀ = M* and e = 0 almost surely.
On p = q = 0, which the flow does not leave, U̇ = −∇_U R and v̇ = −∂_v R conserve v² − ‖U‖². The risk is a
coercive function of vU, so on a level v² − ‖U‖² = γ the trajectories are bounded; they converge (the risk is a
polynomial), and for γ > 0 they cannot come to v = 0: from every such start the limit is the global minimum with
that γ and the sign of v.
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import sympy as sp

from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, claim
from proofs_check.entrywise import Entrywise
from proofs_check.stationary_check import CertifiedZeros
from proofs_check.symbolic import SymbolicIdentity
from theory import (
    Domain,
    Expectation,
    Inequality,
    Limit,
    Nature,
    StationaryCount,
    conserved_quadratics,
    dot,
    equal,
    matrix_gradient,
    quad,
    spectral_stationary_points,
)

from ._in_context_model import (
    BY_ENTRIES,
    DERIVED,
    EVERYWHERE,
    PROMPT,
    SYMMETRIC,
    ZHANG,
    FullLayer,
    H,
    I,
    Lambda,
    LinearAttention,
    M,
    Omega,
    Prompt,
    U,
    at_size,
    best,
    d,
    error,
    full_risk,
    n,
    p,
    q,
    risk,
    s,
    system,
    tr,
    v,
)

__all__ = ["layer_claims"]

HIGH = (Entrywise(({n: 1, d: 2}, {n: 2, d: 1}), draws=1), SymbolicIdentity())
"""Moments up to the order of ten: fewer tokens, or the enumeration takes minutes."""

r = sp.Symbol("r", real=True)
BOURSIER = "Boursier, Boyer (2025), arXiv 2512.11784, Theorem 5.1 as quoted in a public audit"


# --- the landscape of all parameters -------------------------------------------------------


def even_part() -> sp.Expr:
    """e = pᵀ(C + xxᵀ/n)Ux + v ȳ² ⟨q, x⟩."""
    law = PROMPT
    X, x, y = law.tokens(), law.query_token(), law.labels()
    return (dot(p, X.T * X * U * x) + dot(p, x) * dot(x, U * x) + v * dot(y, y) * dot(q, x)) / n


def two_forms(A: sp.Expr, B: sp.Expr) -> sp.Expr:
    """E (xᵀAx)(xᵀBx) = tr AΛ tr BΛ + tr AΛBΛ + tr AΛBᵀΛ."""
    return tr(A * Lambda) * tr(B * Lambda) + tr(A * Lambda * B * Lambda) + tr(A * Lambda * B.T * Lambda)


def mean_square_of_the_even_part() -> sp.Expr:
    """E e², typed."""
    both = (U + U.T) / 2
    K, b, pi = U * Lambda * U.T, tr(both * Lambda), quad(p, Lambda)
    S = tr(Lambda * Omega) + s
    fourth = 2 * tr(Lambda * Omega * Lambda * Omega) + tr(Lambda * Omega) ** 2 + 2 * s * tr(Lambda * Omega) + s**2
    along = dot(p, (S * Lambda + 2 * Lambda * Omega * Lambda / n) * U * Lambda * q)
    of_the_query = (
        pi * b**2
        + 2 * pi * tr(both * Lambda * both * Lambda)
        + 4 * b * dot(p, Lambda * both * Lambda * p)
        + 8 * dot(p, Lambda * both * Lambda * both * Lambda * p)
    )
    return (
        (1 + 1 / n) * dot(p, Lambda * K * Lambda * p)
        + pi * tr(K * Lambda) / n
        + 2 * two_forms(U.T * Lambda * p * p.T, U) / n
        + of_the_query / n**2
        + v**2 * quad(q, Lambda) * (1 + 2 / n) * fourth
        + 2 * v * along
        + 2 * v / n * S * two_forms(p * q.T, U)
    )


@claim(on=EVERYWHERE, by=HIGH, source=f"{DERIVED}, for every Λ, Ω and noise")
def risk_of_the_full_layer_splits():
    """R = R_lin(vU + pqᵀ) + ½ E e², with e = pᵀ(C + xxᵀ/n)Ux + v ȳ² ⟨q, x⟩: what is even in the task and the noise
    does not mix with what is odd. Both parts are written out."""
    linear = risk().expr.xreplace({M: v * U + p * q.T}).doit()
    return equal(Expectation(error(FullLayer()) ** 2 / 2), linear + mean_square_of_the_even_part() / 2)


@claim(on=EVERYWHERE, by=HIGH, source=f"{DERIVED}, for every Λ, Ω and noise")
def mean_square_of_the_even_part_of_the_error():
    """E e² in closed form, moments of the order of ten: seven terms in K = UΛUᵀ, b = tr UΛ, π = pᵀΛp, S = tr ΛΩ + s
    and E(wᵀΛw + s)²."""
    return equal(Expectation(even_part() ** 2), mean_square_of_the_even_part())


@claim(on=EVERYWHERE, by=HIGH, source=f"{ZHANG}, who start there; {DERIVED}")
def gradient_flow_stays_on_p_q_zero():
    """At p = q = 0 the slopes of the risk in p and in q are zero: the directional derivatives E (ŷ − ⟨w, x⟩) ŷ′
    vanish, ŷ′ being that of ŷ in the direction h of p, and of q."""
    law = PROMPT
    X, x, y = law.tokens(), law.query_token(), law.labels()
    h, k = sp.MatrixSymbol("h", d, 1), sp.MatrixSymbol("k", d, 1)
    slope = (dot(h, X.T * X * U * x) + dot(h, x) * dot(x, U * x) + v * dot(y, y) * dot(k, x)) / n
    return equal(Expectation(error(LinearAttention(v * U)) * slope), 0)


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=DERIVED)
def sign_of_p_and_q():
    """The risk does not change under (p, q) → (−p, −q), nor under (U, v) → (−U, −v)."""
    R = full_risk().expr
    first = R.xreplace({p: -p, q: -q}).doit()
    second = R.subs(v, -v).xreplace({U: -U}).doit()
    return equal([first, second], [R, R])


@claim(
    on=Domain({**dict(EVERYWHERE.intervals), d: (1, 1)}, conditions=SYMMETRIC),
    by=[Entrywise(({n: 1, d: 1}, {n: 2, d: 1}, {n: 3, d: 1}))],
    source=DERIVED,
)
def another_minimum_in_one_dimension():
    """For d = 1 the points U = v = 0, pq = M* are global minima too, where the prediction is p c q x; for d ≥ 2 a
    matrix pqᵀ has not the rank of M*. With a = ΛΩ the risk is ½[a − a²/((1 + 1/n)a + (a + s)/n)]."""
    one, a = sp.MatrixSymbol("b", d, 1), tr(Lambda) * tr(Omega)
    layer = FullLayer(p=one, q=best().T * one / dot(one, one), U=sp.ZeroMatrix(d, d), v=sp.Integer(0))
    return equal(Expectation(error(layer) ** 2 / 2), (a - a**2 / ((1 + 1 / n) * a + (a + s) / n)) / 2)


# --- gradient flow on p = q = 0 ------------------------------------------------------------


@lru_cache
def product_risk() -> sp.Expr:
    """The risk as a function of U and v, p = q = 0."""
    return risk().expr.xreplace({M: v * U})


def slopes() -> tuple[sp.Expr, sp.Expr]:
    """∇_U R and ∂_v R, derived."""
    known = frozenset({Lambda, Omega})
    return matrix_gradient(product_risk(), U, known=known), product_risk().diff(v)


def residual() -> sp.Expr:
    """G = Λ(K vU − Ω)Λ, the gradient of the risk in M at M = vU, typed."""
    return Lambda * (system() * (v * U) - Omega) * Lambda


@claim(on=EVERYWHERE, by=BY_ENTRIES, source=DERIVED)
def slope_of_the_product_risk():
    """∇_U R = vG and ∂_v R = ⟨U, G⟩ with G = Λ(K vU − Ω)Λ: the derivative in the direction (H, r) is
    v⟨H, G⟩ + r⟨U, G⟩, as a mean over prompts."""
    law = PROMPT
    slope = dot(law.moment(), (v * H + r * U) * law.query_token())
    return equal(
        Expectation(error(LinearAttention(v * U)) * slope), v * tr(H.T * residual()) + r * tr(U.T * residual())
    )


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=DERIVED)
def derived_slopes_of_the_product_risk():
    """The engine's ∇_U R and ∂_v R are vG and ⟨U, G⟩. With Λ, Ω positive definite the flow rests exactly where vU =
    M*, and where v = 0 and ⟨U, ΛΩΛ⟩ = 0."""
    in_U, in_v = slopes()
    return equal([tr(H.T * in_U), in_v], [v * tr(H.T * residual()), tr(U.T * residual())])


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=f"{DERIVED}; Du, Hu, Lee (2018) for products in general")
def the_flow_conserves_the_balance():
    """v² − ‖U‖² does not change along U̇ = −∇_U R, v̇ = −∂_v R: ⟨U, ∇_U R⟩ = v ∂_v R."""
    in_U, in_v = slopes()
    return equal(tr(U.T * in_U), v * in_v)


@claim(on=Domain({}), by=[SymbolicIdentity()], source=DERIVED)
def the_balance_is_all_that_is_conserved():
    """For U of shape 2 × 2 every quadratic quantity that the flow of R(vU) conserves for every risk R is a multiple
    of v² − ‖U‖²."""
    entries = sp.Matrix(2, 2, sp.symbols("u_11 u_12 u_21 u_22", real=True))
    return equal(list(conserved_quadratics(v * entries, [v, entries])), [v**2 - sum(entry**2 for entry in entries)])


@claim(on=EVERYWHERE, by=BY_ENTRIES, source=DERIVED)
def saddles_of_the_product_risk_are_strict():
    """Where v = 0 and ⟨U, ΛΩΛ⟩ = 0 the second variation in (H, r) is r² ⟨U, ΛKUΛ⟩ − 2r⟨H, ΛΩΛ⟩: negative for H = ΛΩΛ
    and small r > 0, so that these points are strict saddles."""
    law = PROMPT
    c, x = law.moment(), law.query_token()
    second = r**2 * dot(c, U * x) ** 2 - 2 * law.target() * r * dot(c, H * x)
    A = Lambda * Omega * Lambda
    return equal(Expectation(second), r**2 * tr(U.T * Lambda * system() * U * Lambda) - 2 * r * tr(H.T * A))


gamma, m = sp.Symbol("gamma", real=True), sp.Symbol("m", positive=True)
LEVELS = Domain({gamma: (-9, 9), m: (sp.Rational(1, 10), 9)})


def final_value(level: sp.Expr = gamma, norm: sp.Expr = m) -> sp.Expr:
    """v∞² = (γ + √(γ² + 4‖M*‖²))/2, typed."""
    return (level + sp.sqrt(level**2 + 4 * norm**2)) / 2


@claim(on=LEVELS, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def limit_of_the_flow():
    """The one point, up to the sign of v, with vU = M* on the level v² − ‖U‖² = γ has v² = (γ + √(γ² + 4‖M*‖²))/2 and
    U = M*/v: v² solves z² − γz − ‖M*‖² = 0, whose roots have different signs as their product is −‖M*‖²."""
    z = final_value()
    other = gamma - z
    return equal([z - m**2 / z, z * other], [gamma, -(m**2)])


@claim(on=Domain({m: (sp.Rational(1, 10), 9)}), by=[SymbolicIdentity()], source=f"{ZHANG}, Theorem 4.1")
def limit_of_the_balanced_flow():
    """From a balanced start, γ = 0, the limit is v = ‖M*‖^{1/2}, ‖U‖ = ‖M*‖^{1/2}; for Ω = I, s = 0 that is (tr
    Γ⁻²)^{1/4}."""
    return equal([final_value(sp.Integer(0)), m**2 / final_value(sp.Integer(0))], [m, m])


# --- the isotropic case in closed form -----------------------------------------------------

u, y_0, time = sp.symbols("u y_0 t", positive=True)
ISOTROPIC = Domain({n: (1, 40), d: (1, 20), s: (0, 4), y_0: (sp.Rational(1, 100), 9), time: (0, 3)})


@lru_cache
def isotropic_risk() -> sp.Expr:
    """R at M = v u I for Λ = Ω = I, from the engine."""
    white = Prompt(examples=I, query=I, tasks=I)
    return Expectation(error(LinearAttention(v * u * I, white)) ** 2 / 2).doit()


def isotropic_product() -> sp.Expr:
    """v u at time t, typed: √d y₀ e^{2√d t}/(1 + g √d y₀ (e^{2√d t} − 1)), g = 1 + (1 + d + s)/n."""
    growth, g = sp.exp(2 * sp.sqrt(d) * time), 1 + (1 + d + s) / n
    return sp.sqrt(d) * y_0 * growth / (1 + g * sp.sqrt(d) * y_0 * (growth - 1))


@claim(on=ISOTROPIC, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def isotropic_flow_in_closed_form():
    """For Λ = Ω = I the flow from U = √y₀ I, v = √(d y₀) is U = √y I, v = √(d y) with the logistic curve √d y = √d y₀
    e^{2√d t}/(1 + g√d y₀(e^{2√d t} − 1)), g = 1 + (1 + d + s)/n: both equations of the flow hold."""
    y = isotropic_product() / sp.sqrt(d)
    R, at = isotropic_risk(), {u: sp.sqrt(y), v: sp.sqrt(d * y)}
    return equal(
        [sp.sqrt(y).diff(time), sp.sqrt(d * y).diff(time)],
        [-(R.diff(u) / d).subs(at, simultaneous=True), -R.diff(v).subs(at, simultaneous=True)],
    )


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=DERIVED)
def multiples_of_the_identity_are_invariant():
    """For Λ = Ω = I the slope ∇_U R at U = uI is a multiple of I: v(g uv − 1) I."""
    white = Prompt(examples=I, query=I, tasks=I)
    slope = matrix_gradient(risk(white).expr.xreplace({M: v * U}), U).xreplace({U: u * I}).doit()
    return equal(tr(H.T * slope), v * ((1 + (1 + d + s) / n) * u * v - 1) * tr(H))


@claim(on=ISOTROPIC, by=[SymbolicIdentity()], source=f"{DERIVED}; {ZHANG} ask for a small start")
def isotropic_flow_converges_from_every_balanced_start():
    """For Λ = Ω = I and every y₀ > 0, large ones too, vu → n/(n + d + 1 + s), the minimum, as t → ∞."""
    late = sp.Symbol("t", positive=True)
    falling = isotropic_product().subs(time, late)
    upper, lower = (sp.expand(part * sp.exp(-2 * sp.sqrt(d) * late)) for part in sp.fraction(sp.together(falling)))
    return Limit(upper / lower, late, sp.oo, n / (n + d + 1 + s))


alpha, norm = sp.symbols("alpha sigma_1", positive=True)


@claim(
    on=Domain(
        {alpha: (sp.Rational(1, 10), 9), norm: (sp.Rational(1, 10), 2), d: (1, 9)},
        conditions=(alpha * d ** sp.Rational(1, 4) * norm < sp.sqrt(2),),
    ),
    by=[CertifiedNumerics(digits=20, points=40)],
    source=BOURSIER,
    expected="refuted",
)
def interval_of_starts_as_quoted():
    """A start α < √2/(d^{1/4} ‖Λ‖) meets the condition α² ‖Λ‖ √d < 2 that the proof of convergence asks for. False
    for ‖Λ‖ < 1, where ‖Λ‖^{1/2} is needed in place of ‖Λ‖; the flow converges all the same."""
    return Inequality(alpha**2 * norm * sp.sqrt(d), "<", 2)


# --- keys and queries of small rank --------------------------------------------------------

B = sp.MatrixSymbol("B", d, d)


@claim(on=EVERYWHERE, by=[Entrywise(({n: 1, d: 2}, {n: 2, d: 2}, {n: 2, d: 1}))], source=DERIVED)
def small_rank_is_a_spectral_problem():
    """With Λ = BBᵀ, Ω = I, s = 0 and M = B⁻ᵀNB⁻¹, N symmetric, 2R = tr S − 2 tr SN + tr N((1 + 1/n)S + (tr S/n)I)N,
    where S = BᵀB has the eigenvalues of Λ; here N = UUᵀ."""
    law = Prompt(examples=B * B.T, query=B * B.T, tasks=I, noise=sp.Integer(0))
    N, S = U * U.T, B.T * B
    matrix = sp.Inverse(B).T * N * sp.Inverse(B)
    typed = tr(S) - 2 * tr(S * N) + tr(N * ((1 + 1 / n) * S + tr(S) / n * I) * N)
    return equal(Expectation(error(LinearAttention(matrix, law)) ** 2), typed)


factor = sp.MatrixSymbol("W", 3, 2)
a1, a2, a3 = sp.symbols("lambda_1 lambda_2 lambda_3", positive=True)
SPECTRUM = Domain({a1: (4, 6), a2: (sp.Rational(3, 2), 3), a3: (sp.Rational(1, 4), 1), n: (1, 30)})


@claim(on=SPECTRUM, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def subsets_of_eigenvectors():
    """With N = WWᵀ of rank at most 2 in d = 3 the stationary values of 2R are tr Λ − Σ_I λ_i²/γ_i, γ_i = (1 + 1/n)λ_i
    + tr Λ/n, one for each subset I of at most two eigenvectors: in-context principal component regression."""
    spectrum, trace = (a1, a2, a3), a1 + a2 + a3
    found = spectral_stationary_points(spectrum, 2, factor, 1 + 1 / n, trace / n, trace)
    shrunk = [x**2 / ((1 + 1 / n) * x + trace / n) for x in spectrum]
    subsets = [chosen for chosen in itertools.product((0, 1), repeat=3) if sum(chosen) <= 2]
    typed = [trace - sum(shrunk[i] for i in range(3) if chosen[i]) for chosen in subsets]
    isolated = [point.value() for point in found.points]  # nothing chosen; what is chosen may be rotated
    return equal(isolated + [orbit.certificate.value for orbit in found.orbits], typed)


w1, w2 = sp.symbols("w_1 w_2", real=True)
PLANE = Domain({n: (1, 9)})


@claim(
    on=PLANE, by=[CertifiedZeros(points=2)], source=f"{DERIVED}; arXiv 2501.16265 for keys and queries of small rank"
)
def five_stationary_points_of_rank_one():
    """For Λ = diag(2, 1), Ω = I, s = 0 and M = wwᵀ the risk has exactly five stationary points on [−1, 1]²: a maximum
    at 0, saddles at ±e₂/√γ₂ and minima at ±e₁/√γ₁, γ_i = (1 + 1/n)λ_i + 3/n; scaled by √λ_i these are the
    points with ν_i = λ_i/γ_i."""
    plane = sp.ImmutableMatrix([[w1**2, w1 * w2], [w1 * w2, w2**2]])
    R = sp.expand(at_size(risk().expr, 2, {Lambda: sp.diag(2, 1), Omega: sp.eye(2), M: plane}).subs(s, 0))
    gamma_1, gamma_2 = (2 * (1 + 1 / n) + 3 / n, (1 + 1 / n) + 3 / n)
    first, second = 1 / sp.sqrt(gamma_1), 1 / sp.sqrt(gamma_2)
    points = [(0, 0), (first, 0), (-first, 0), (0, second), (0, -second)]
    natures = [Nature.MAXIMUM, Nature.MINIMUM, Nature.MINIMUM, Nature.SADDLE, Nature.SADDLE]
    return StationaryCount(
        (-R.diff(w1), -R.diff(w2)),
        (w1, w2),
        {w1: (-1, 1), w2: (-1, 1)},
        [{w1: x, w2: y} for x, y in points],
        natures,
        5,
    )


layer_claims = tuple(item for item in list(globals().values()) if isinstance(item, Claim))
