"""Claims: corruption laws beyond exchangeable masks. General masks, BERT's corruption, MAR and MNAR.

The law of BERT and its letters are in `_imputation_bert`, spans in `_imputation_spans`.
"""

from __future__ import annotations

import sympy as sp

from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, claim
from proofs_check.entrywise import Entrywise
from proofs_check.symbolic import SymbolicIdentity
from theory import (
    BivariateNormalCDF,
    Domain,
    Expectation,
    GaussianIntegral,
    GaussianVector,
    MixtureMatrix,
    NormalCDF,
    dot,
    equal,
    gaussians,
)

from ._imputation_bert import (
    KEPT,
    MASKED,
    NOT_SELECTED,
    REPLACED,
    c,
    effective_rate,
    eta,
    kappa,
    loss_where,
    p,
    seen,
    shrinkage,
    where,
)
from ._imputation_linear import DERIVED, NOTE, off, square
from ._imputation_model import C, D, Sigma, W, d, rho, x

__all__ = ["corruption_claims"]

tr, had, I = sp.Trace, sp.HadamardProduct, sp.Identity
Q = sp.Rational
one = sp.OneMatrix(d, 1)
V = sp.MatrixSymbol("V", d, d)

# --- any law of the mask ---------------------------------------------------------------------

share = sp.Symbol("w", positive=True)
first, second = sp.MatrixSymbol("u_0", d, 1), sp.MatrixSymbol("u_1", d, 1)
PATTERNS = ((share, first), (1 - share, second))
pattern = MixtureMatrix("Z", 1, d, weights=[share, 1 - share], means=[first, second], covariance=0)[0, :].T
SHARE = Domain({share: (Q(1, 10), Q(9, 10))})


@claim(on=SHARE, by=[Entrywise([{d: 2}, {d: 3}], draws=1), SymbolicIdentity()], source=NOTE)
def normal_equations_of_any_mask():
    """For a mask of any law, here two patterns u with any weights, R(W + V) − R(W − V) = 4 Σ_i V_i·[(Σ ∘ M_i)w_i −
    Σ_·i ∘ g_i], M_i = E (1 − m_i)² mmᵀ and g_i = E (1 − m_i)² m: row i of the minimum solves (Σ ∘ P(j, l observed, i
    missing))w = Σ_·i ∘ P(j observed, i missing)."""

    def loss(weights: sp.MatrixExpr) -> sp.Expr:
        error = had(one - pattern, x - weights * had(pattern, x))
        return dot(error, error)

    total = sp.Integer(0)
    for weight, u in PATTERNS:
        hidden = sp.DiagMatrix(had(one - u, one - u))
        total += weight * tr(V.T * hidden * (W * had(Sigma, u * u.T) - had(Sigma, one * u.T)))
    return equal(Expectation(loss(W + V) - loss(W - V)), 4 * total)


# --- BERT ------------------------------------------------------------------------------------

s = sp.Symbol("s", positive=True)
BERT = Domain({p: (Q(1, 10), Q(9, 10)), kappa: (Q(1, 10), Q(4, 10)), eta: (Q(1, 10), Q(4, 10))})
ENUMERATED = (Entrywise([{d: 2}], draws=1), SymbolicIdentity())


@claim(on=BERT, by=ENUMERATED, source=NOTE)
def second_moment_under_the_corruption_of_bert():
    """E z̃z̃ᵀ = c²Σ + (c + pη − c²)D."""
    return equal(Expectation(seen * seen.T), c**2 * Sigma + (c + p * eta - c**2) * D)


@claim(on=BERT, by=ENUMERATED, source=NOTE)
def risk_of_a_blind_predictor():
    """A predictor that does not see which entries are selected: p Σ_i (Σ_ii − 2gᵀw + wᵀGw) over the rows w of W with
    G_jl = c²Σ_jl, G_jj = (c + pη)Σ_jj, G_ij = κcΣ_ij, G_ii = (κ + η)Σ_ii, g_j = cΣ_ij, g_i = κΣ_ii."""
    own, others = sp.DiagonalMatrix(W), off(W)
    inner = (
        square(others, c**2 * Sigma + (c + p * eta - c**2) * D)
        + 2 * kappa * c * tr(own * others * Sigma)
        + (kappa + eta) * tr(own * own * D)
        - 2 * c * tr(others * Sigma)
        - 2 * kappa * tr(own * D)
    )
    return equal(Expectation(loss_where(KEPT, REPLACED, MASKED)), p * (tr(Sigma) + inner))


@claim(on=BERT, by=ENUMERATED, source=NOTE)
def masked_entries_are_a_ridge():
    """Where the entry is masked the loss is p(1 − κ − η)[tr Σ − 2c tr W₀Σ + c tr W₀(cΣ + (1 − c + pη/c)D)W₀ᵀ]: that of
    missing entries at the rate c with the ridge pη/c on top, w = (cΣ_{−i} + (1 − c + pη/c)D_{−i})⁻¹Σ_{−i,i}."""
    metric = c * Sigma + (1 - c + p * eta / c) * D
    return equal(
        Expectation(loss_where(MASKED)),
        p * (1 - kappa - eta) * (tr(Sigma) - 2 * c * tr(off(W) * Sigma) + c * square(off(W), metric)),
    )


@claim(on=BERT, by=ENUMERATED, source="BERT as masks alone, a reading one is tempted by", expected="refuted")
def masked_entries_without_the_ridge():
    """Where the entry is masked BERT's corruption is a mask at the rate c: false, replaced entries are a ridge."""
    metric = c * Sigma + (1 - c) * D
    return equal(
        Expectation(loss_where(MASKED)),
        p * (1 - kappa - eta) * (tr(Sigma) - 2 * c * tr(off(W) * Sigma) + c * square(off(W), metric)),
    )


@claim(on=BERT, by=ENUMERATED, source=NOTE)
def entries_that_show_a_value():
    """Where a selected entry shows a value the loss is p(κ + η) Σ_i (Σ_ii − 2gᵀw + wᵀGw) as for a blind predictor with
    G_ii = Σ_ii and κ/(κ + η) in place of κ in the row and the entry of i."""
    own, others, kept = sp.DiagonalMatrix(W), off(W), kappa / (kappa + eta)
    inner = (
        square(others, c**2 * Sigma + (c + p * eta - c**2) * D)
        + 2 * kept * c * tr(own * others * Sigma)
        + tr(own * own * D)
        - 2 * c * tr(others * Sigma)
        - 2 * kept * tr(own * D)
    )
    return equal(Expectation(loss_where(KEPT, REPLACED)), p * (kappa + eta) * (tr(Sigma) + inner))


SIGHTED = kappa / (kappa + eta)
SEEN_TWICE = c**2 * Sigma + (c + p * eta - c**2) * D


def slope_of(weights: sp.MatrixExpr, kept: sp.Expr, second: sp.Expr) -> sp.MatrixExpr:
    """Half the gradient of Σ_i (wᵀGw − 2gᵀw), G_ij = κcΣ_ij and G_ii = uΣ_ii in the row of i, g_i = κΣ_ii."""
    own, others = sp.DiagonalMatrix(weights), off(weights)
    return off(others * SEEN_TWICE + kept * c * own * Sigma - c * Sigma) + sp.DiagonalMatrix(
        second * own * D + kept * c * others * Sigma - kept * D
    )


def difference(*kinds: int) -> sp.Expr:
    """R(W + V) − R(W − V) over entries of some labels, which is 2 tr Vᵀ∇R for a quadratic risk."""
    return Expectation(loss_where(*kinds, weights=W + V) - loss_where(*kinds, weights=W - V))


@claim(on=BERT, by=ENUMERATED, source=DERIVED)
def slope_under_the_corruption_of_bert():
    """R(W + V) − R(W − V) = 2 tr Vᵀ∇R with ∇R = 2p times [W₀A + κcTΣ − cΣ] off the diagonal and [(κ + η)TD + κcW₀Σ −
    κD] on it, A = E z̃z̃ᵀ, T = diag(W), for a blind predictor."""
    return equal(difference(KEPT, REPLACED, MASKED), 4 * p * tr(V.T * slope_of(W, kappa, kappa + eta)))


@claim(on=BERT, by=ENUMERATED, source=DERIVED)
def slope_where_an_entry_shows_a_value():
    """The same where a selected entry shows a value: 2p(κ + η), with κ/(κ + η) for κ and 1 for κ + η in the bracket."""
    return equal(difference(KEPT, REPLACED), 4 * p * (kappa + eta) * tr(V.T * slope_of(W, SIGHTED, sp.Integer(1))))


@claim(on=BERT, by=ENUMERATED, source=DERIVED)
def slope_on_all_entries_under_the_corruption_of_bert():
    """On all entries ∇R = 2(WA − cΣ), A = E z̃z̃ᵀ = (c + pη)C at the rate c²/(c + pη): the minimum is W = s ΣH."""
    total = 4 * (c + p * eta) * tr(V.T * (W * C.subs(rho, effective_rate) - shrinkage * Sigma))
    return equal(difference(NOT_SELECTED, KEPT, REPLACED, MASKED), total)


@claim(on=Domain({}), by=[SymbolicIdentity(), CertifiedNumerics()], source="Devlin et al. (2018): p = .15, 80/10/10")
def constants_of_bert():
    """BERT's p = .15, κ = η = .1 give c = .865 and the ridge pη/c = 3/173 = .01734."""
    at = {p: Q(15, 100), kappa: Q(1, 10), eta: Q(1, 10)}
    return equal([c.subs(at), (p * eta / c).subs(at)], [Q(865, 1000), Q(3, 173)])


own_weight = sp.Symbol("t", real=True)


@claim(
    on=Domain({**dict(BERT.intervals), s: (1, 2), own_weight: (-1, 1)}),
    by=[Entrywise([{d: 1}, {d: 2}], draws=1), SymbolicIdentity()],
    source=NOTE,
)
def kept_or_replaced_is_never_told():
    """For independent features, Σ = sI, the risk of W = tI is pds[1 − κ²/(κ + η) + (κ + η)(t − κ/(κ + η))²]: the best
    own weight is κ/(κ + η), one half for BERT, whatever p is."""
    y, noise = GaussianVector("y", d, covariance=s), GaussianVector("xi", d, covariance=s)
    shown = had(where(NOT_SELECTED, KEPT), y) + had(where(REPLACED), noise)
    error = had(where(KEPT, REPLACED, MASKED), y - own_weight * shown)
    best = kappa / (kappa + eta)
    return equal(
        Expectation(dot(error, error)),
        p * d * s * (1 - kappa * best + (kappa + eta) * (own_weight - best) ** 2),
    )


# --- MNAR: probit self-masking ---------------------------------------------------------------

alpha_j, alpha_l, beta_j, beta_l = sp.symbols("alpha_j alpha_l beta_j beta_l", real=True)
S_jj, S_ll, S_jl = sp.symbols("S_jj S_ll S_jl", real=True)
z = sp.Symbol("z", real=True)
PROBIT = Domain(
    {
        alpha_j: (-1, 1),
        alpha_l: (-1, 1),
        beta_j: (Q(-3, 2), Q(3, 2)),
        beta_l: (Q(-3, 2), Q(3, 2)),
        S_jj: (1, 2),
        S_ll: (1, 2),
        S_jl: (Q(-4, 5), Q(4, 5)),
    }
)
QUADRATURE = (CertifiedNumerics(digits=20, points=3),)


def density(t: sp.Expr) -> sp.Expr:
    """φ(t), the standard normal density."""
    return sp.exp(-(t**2) / 2) / sp.sqrt(2 * sp.pi)


def seen_at(t: sp.Expr) -> sp.Expr:
    """P(m_j = 1 | x_j = t) = Φ(α_j + β_j t)."""
    return NormalCDF(alpha_j + beta_j * t)


width = sp.sqrt(1 + beta_j**2 * S_jj)
own = sp.sqrt(S_jj) * z


@claim(on=PROBIT, by=QUADRATURE, source=NOTE)
def probit_rate():
    """E m_j = Φ(α_j/s_j) with s_j² = 1 + β_j²Σ_jj, against certified quadrature over x_j."""
    return equal(GaussianIntegral(seen_at(own), (z,)), NormalCDF(alpha_j / width))


@claim(on=PROBIT, by=QUADRATURE, source=NOTE)
def probit_mean_of_another_entry():
    """E x_l m_j = Σ_jl β_j φ(α_j/s_j)/s_j: the incomplete row is not centred, an intercept is needed."""
    return equal(
        GaussianIntegral(S_jl / S_jj * own * seen_at(own), (z,)), S_jl * beta_j * density(alpha_j / width) / width
    )


@claim(on=PROBIT, by=QUADRATURE, source=NOTE)
def probit_cross_moment():
    """E x_l z_j = Σ_jl[E m_j − β_j²Σ_jj α_j φ(α_j/s_j)/s_j³]."""
    return equal(
        GaussianIntegral(S_jl / S_jj * own**2 * seen_at(own), (z,)),
        S_jl * (NormalCDF(alpha_j / width) - beta_j**2 * S_jj * alpha_j * density(alpha_j / width) / width**3),
    )


def second_derivative(a: sp.Expr, b: sp.Expr, t_aa: sp.Expr, t_bb: sp.Expr, t_ab: sp.Expr) -> sp.Expr:
    """F_aa = −(a/t_aa) g(a) Φ(u) − g(a) φ(u) t_ab/(t_aa v), u = (b − t_ab a/t_aa)/v, v² = t_bb − t_ab²/t_aa."""
    g = density(a / sp.sqrt(t_aa)) / sp.sqrt(t_aa)
    v = sp.sqrt(t_bb - t_ab**2 / t_aa)
    u = (b - t_ab * a / t_aa) / v
    return -(a / t_aa) * g * NormalCDF(u) - g * density(u) * t_ab / (t_aa * v)


def published_second_moment() -> sp.Expr:
    """Σ_jl F + Σ_jjΣ_jl β_j²F_jj + Σ_jlΣ_ll β_l²F_ll + (Σ_jjΣ_ll + Σ_jl²)β_jβ_l F_jl."""
    t_jj, t_ll, t_jl = 1 + beta_j**2 * S_jj, 1 + beta_l**2 * S_ll, beta_j * beta_l * S_jl
    F = BivariateNormalCDF(alpha_j / sp.sqrt(t_jj), alpha_l / sp.sqrt(t_ll), t_jl / sp.sqrt(t_jj * t_ll))
    determinant = t_jj * t_ll - t_jl**2
    form = (t_ll * alpha_j**2 - 2 * t_jl * alpha_j * alpha_l + t_jj * alpha_l**2) / determinant
    F_jl = sp.exp(-form / 2) / (2 * sp.pi * sp.sqrt(determinant))
    return (
        S_jl * F
        + S_jj * S_jl * beta_j**2 * second_derivative(alpha_j, alpha_l, t_jj, t_ll, t_jl)
        + S_jl * S_ll * beta_l**2 * second_derivative(alpha_l, alpha_j, t_ll, t_jj, t_jl)
        + (S_jj * S_ll + S_jl**2) * beta_j * beta_l * F_jl
    )


@claim(on=PROBIT, by=QUADRATURE, source=NOTE)
def probit_second_moment():
    """E z_jz_l for j ≠ l in the bivariate normal cdf and its second derivatives, against certified quadrature over x_j
    with the mean over x_l given x_j in closed form."""
    mean, variance = S_jl / S_jj * own, S_ll - S_jl**2 / S_jj
    spread = sp.sqrt(1 + beta_l**2 * variance)
    u = (alpha_l + beta_l * mean) / spread
    given = mean * NormalCDF(u) + variance * beta_l / spread * density(u)
    return equal(GaussianIntegral(own * seen_at(own) * given, (z,)), published_second_moment())


x_j, x_l = gaussians("x_j x_l", covariance=[[S_jj, S_jl], [S_jl, S_ll]])


@claim(on=PROBIT, by=QUADRATURE, source="derived by the engine")
def probit_second_moment_by_the_engine():
    """The engine's E x_jx_l Φ(α_j + β_jx_j)Φ(α_l + β_lx_l) is that formula."""
    return equal(
        Expectation(x_j * x_l * NormalCDF(alpha_j + beta_j * x_j) * NormalCDF(alpha_l + beta_l * x_l)),
        published_second_moment(),
    )


# --- MAR through an entry that is always observed --------------------------------------------

S_11, S_1j, S_1l = sp.symbols("S_11 S_1j S_1l", real=True)
MAR = Domain(
    {
        alpha_j: (-1, 1),
        alpha_l: (-1, 1),
        beta_j: (Q(-3, 2), Q(3, 2)),
        beta_l: (Q(-3, 2), Q(3, 2)),
        S_11: (1, 2),
        S_jj: (2, 3),
        S_ll: (2, 3),
        S_1j: (Q(-1, 2), Q(1, 2)),
        S_1l: (Q(-1, 2), Q(1, 2)),
        S_jl: (Q(-1, 2), Q(1, 2)),
    }
)


@claim(on=MAR, by=[CertifiedNumerics(digits=20, points=3)], source=NOTE)
def missing_at_random_through_an_observed_entry():
    """With P(m_j = 1 | x_1) = π_j(x_1), E z_jz_l = E π_jπ_l(Σ_{jl|1} + Σ_j1Σ_l1x_1²/Σ_11²), one-dimensional; here for
    probit π, the left side the engine's mean over three entries."""
    x_1, y_j, y_l = gaussians("x_1 y_j y_l", covariance=[[S_11, S_1j, S_1l], [S_1j, S_jj, S_jl], [S_1l, S_jl, S_ll]])
    at = sp.sqrt(S_11) * z

    def seen_given(t: sp.Expr) -> sp.Expr:
        return NormalCDF(alpha_j + beta_j * t) * NormalCDF(alpha_l + beta_l * t)

    given = S_jl - S_1j * S_1l / S_11 + S_1j * S_1l * at**2 / S_11**2
    return equal(Expectation(y_j * y_l * seen_given(x_1)), GaussianIntegral(seen_given(at) * given, (z,)))


# --- MNAR: Gaussian self-masking -------------------------------------------------------------

C_11, C_12, C_22, c_1, c_2, mu_1, mu_2 = sp.symbols("C_11 C_12 C_22 c_1 c_2 mu_1 mu_2", real=True)
tau_1, tau_2 = sp.symbols("tau_1 tau_2", positive=True)
MASKING = Domain(
    {
        C_11: (1, 2),
        C_22: (1, 2),
        C_12: (Q(-1, 2), Q(1, 2)),
        **dict.fromkeys((c_1, c_2, mu_1, mu_2), (-1, 1)),
        tau_1: (Q(1, 2), 2),
        tau_2: (Q(1, 2), 2),
    }
)
NEUMISS = "Le Morvan, Josse, Moreau, Scornet, Varoquaux (2020), arXiv 2007.01627, re-derived"


@claim(on=MASKING, by=QUADRATURE, source=NEUMISS)
def gaussian_self_masking_of_one_entry():
    """P(missing | x) ∝ exp(−(x − μ)²/(2τ²)) and x ~ N(c, C) given what is observed: E[x | missing] =
    (C⁻¹ + τ⁻²)⁻¹(C⁻¹c + τ⁻²μ), against certified quadrature."""
    at = c_1 + sp.sqrt(C_11) * z
    weight = sp.exp(-((at - mu_1) ** 2) / (2 * tau_1**2))
    mean = (c_1 / C_11 + mu_1 / tau_1**2) / (1 / C_11 + 1 / tau_1**2)
    return equal(GaussianIntegral(at * weight, (z,)), mean * GaussianIntegral(weight, (z,)))


@claim(on=MASKING, by=[CertifiedNumerics(points=3)], source=NEUMISS)
def gaussian_self_masking_of_two_entries():
    """The same for two missing entries, (C⁻¹ + T⁻¹)⁻¹(C⁻¹c + T⁻¹μ) with T = Diag(τ²): the factors of observed entries
    and the constants K drop out."""
    y_1, y_2 = gaussians("y_1 y_2", mean=[c_1, c_2], covariance=[[C_11, C_12], [C_12, C_22]])
    weight = sp.exp(-((y_1 - mu_1) ** 2) / (2 * tau_1**2) - (y_2 - mu_2) ** 2 / (2 * tau_2**2))
    conditional = sp.Matrix([[C_11, C_12], [C_12, C_22]]).inv()
    masking = sp.diag(1 / tau_1**2, 1 / tau_2**2)
    mean = (conditional + masking).inv() * (conditional * sp.Matrix([c_1, c_2]) + masking * sp.Matrix([mu_1, mu_2]))
    total = Expectation(weight)
    return equal([Expectation(y_1 * weight), Expectation(y_2 * weight)], [mean[0] * total, mean[1] * total])


corruption_claims = tuple(item for item in list(globals().values()) if isinstance(item, Claim))
