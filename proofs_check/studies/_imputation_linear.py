"""Claims: the linear attention imputer, its risks, its stationary points, exchangeable and nested masks, prediction.

Whatever is a mean of a polynomial is written as `Expectation` on the left and enumerated over the rationals, pattern by
pattern and monomial by monomial, without a rule of the engine (`Entrywise`). A minimum is stated as a completed square,

    R(W) = R(W*) + r tr (W − W*) C (W − W*)ᵀ,     C positive definite,

which says at once that W* is stationary, that it is the only such point and that it is the global minimum.
"""

from __future__ import annotations

import sympy as sp

from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, claim
from proofs_check.entrywise import Entrywise
from proofs_check.symbolic import SymbolicIdentity
from theory import Domain, Expectation, GaussianVector, Limit, Mask, Symmetric, dot, equal, quad

from ._imputation_model import C, D, Sigma, W, d, effective_rates, error_of, imputer, moments, rho, slope, x

__all__ = ["ENTRIES_OF_SIGMA", "RATE", "covariance_3", "linear_claims", "off"]

tr, had, I = sp.Trace, sp.HadamardProduct, sp.Identity
Q = sp.Rational
DERIVED = "derived here"
NOTE = "a secondary note, derived there; checked here"

RATE = Domain({rho: (Q(1, 10), Q(9, 10))})
COVARIANCE = Domain({rho: (Q(1, 10), Q(9, 10))}, (Symmetric(Sigma),))
SIZES = (Entrywise([{d: 2}, {d: 3}], draws=1),)
BOTH = (*SIZES, SymbolicIdentity())
POINTS = (CertifiedNumerics(), SymbolicIdentity())

V, Lam = sp.MatrixSymbol("V", d, d), sp.MatrixSymbol("Lambda", d, d)
mu, theta, theta_star = (sp.MatrixSymbol(name, d, 1) for name in ("mu", "theta", "theta_star"))
m = Mask("m", d, rho)
exchangeable = Mask("m", d, moments=list(moments))
r1, r2, r3 = moments
inverse = sp.Inverse(C)
one = sp.OneMatrix(d, 1)


def off(A: sp.MatrixExpr) -> sp.MatrixExpr:
    """A without its diagonal."""
    return A - sp.DiagonalMatrix(A)


def loss_of(kind: str, weights: sp.MatrixExpr = W, mask: sp.MatrixExpr = m) -> sp.Expr:
    """The loss before its mean is taken."""
    error = error_of(mask, kind, weights)
    return dot(error, error)


def square(weights: sp.MatrixExpr, second: sp.MatrixExpr) -> sp.Expr:
    """tr A C Aᵀ."""
    return tr(weights * second * weights.T)


# --- the risks -------------------------------------------------------------------------------


@claim(on=RATE, by=BOTH, source="Lounici (2014); elementary")
def second_moment_of_the_incomplete_row():
    """E zzᵀ = ρC with C = ρΣ + (1 − ρ)D."""
    z = had(m, x)
    return equal(Expectation(z * z.T), rho * C)


@claim(on=RATE, by=BOTH, source="elementary")
def cross_moment_of_the_incomplete_row():
    """E xzᵀ = ρΣ."""
    return equal(Expectation(x * had(m, x).T), rho * Sigma)


@claim(on=RATE, by=BOTH, source=NOTE)
def risk_on_all_entries():
    """R = tr Σ − 2ρ tr WΣ + ρ tr WCWᵀ for the loss on all entries."""
    return equal(Expectation(loss_of("all")), tr(Sigma) - 2 * rho * tr(W * Sigma) + rho * square(W, C))


@claim(on=RATE, by=BOTH, source=NOTE)
def risk_on_missing_entries():
    """R = (1 − ρ)[tr Σ − 2ρ tr W₀Σ + ρ tr W₀CW₀ᵀ] for the loss on missing entries, W₀ = W without its diagonal."""
    return equal(
        Expectation(loss_of("missing")),
        (1 - rho) * (tr(Sigma) - 2 * rho * tr(off(W) * Sigma) + rho * square(off(W), C)),
    )


@claim(on=RATE, by=BOTH, source=NOTE, expected="refuted")
def risk_on_missing_entries_with_the_diagonal():
    """The loss on missing entries is (1 − ρ) times the loss on all: false, what is observed may be copied."""
    return equal(
        Expectation(loss_of("missing")), (1 - rho) * (tr(Sigma) - 2 * rho * tr(W * Sigma) + rho * square(W, C))
    )


@claim(on=RATE, by=BOTH, source=NOTE)
def the_diagonal_is_flat():
    """The missing loss does not change when the diagonal of W does: d directions in which nothing happens."""
    return equal(Expectation(loss_of("missing", W + sp.DiagonalMatrix(V)) - loss_of("missing")), sp.Integer(0))


@claim(on=RATE, by=BOTH, source=NOTE)
def copying_what_is_observed():
    """With x̂ = m ∘ x + (1 − m) ∘ Wz, which copies observed entries, the loss on all entries is that on missing ones."""
    z = had(m, x)
    error = x - z - had(one - m, W * z)
    return equal(
        Expectation(dot(error, error)),
        (1 - rho) * (tr(Sigma) - 2 * rho * tr(off(W) * Sigma) + rho * square(off(W), C)),
    )


@claim(on=RATE, by=BOTH, source=NOTE)
def no_diagonal_on_all_entries():
    """With diag(W) = 0 imposed the loss on all entries is tr Σ − 2ρ tr W₀Σ + ρ tr W₀CW₀ᵀ: that on missing ones without
    the factor 1 − ρ, so that both have the same minimizer."""
    return equal(
        Expectation(loss_of("all", off(W))), tr(Sigma) - 2 * rho * tr(off(W) * Sigma) + rho * square(off(W), C)
    )


@claim(on=RATE, by=BOTH, source="elementary")
def imputing_zero():
    """Imputing zero, the mean, costs (1 − ρ) tr Σ on missing entries."""
    return equal(Expectation(loss_of("missing", sp.ZeroMatrix(d, d))), (1 - rho) * tr(Sigma))


# --- gradients -------------------------------------------------------------------------------

IN_ALL = 2 * rho * (W * C - Sigma)
IN_MISSING = 2 * rho * (1 - rho) * off(off(W) * C - Sigma)


@claim(on=COVARIANCE, by=POINTS, source=NOTE)
def gradient_on_all_entries():
    """∇R = 2ρ(WC − Σ), as the engine reads it off the risk."""
    return equal(slope("all"), IN_ALL)


@claim(on=COVARIANCE, by=POINTS, source=NOTE)
def gradient_on_missing_entries():
    """∇R is the off-diagonal part of 2ρ(1 − ρ)(W₀C − Σ), as the engine reads it off the risk."""
    return equal(slope("missing"), IN_MISSING)


@claim(on=RATE, by=BOTH, source=DERIVED)
def slope_on_all_entries():
    """R(W + V) − R(W − V) = 2 tr Vᵀ∇R with ∇R = 2ρ(WC − Σ): the central difference of a quadratic risk is exact."""
    return equal(Expectation(loss_of("all", W + V) - loss_of("all", W - V)), 2 * tr(V.T * IN_ALL))


@claim(on=RATE, by=BOTH, source=DERIVED)
def slope_on_missing_entries():
    """R(W + V) − R(W − V) = 2 tr Vᵀ∇R with ∇R the off-diagonal part of 2ρ(1 − ρ)(W₀C − Σ)."""
    return equal(Expectation(loss_of("missing", W + V) - loss_of("missing", W - V)), 2 * tr(V.T * IN_MISSING))


@claim(on=COVARIANCE, by=POINTS, source=NOTE)
def gradient_flow_is_linear():
    """From W* + V the gradient on all entries is 2ρVC plus the one at W*, so that the flow is W* + (W₀ −
    W*)e^{−2ρCt}."""
    return equal(slope("all").subs(W, W + V) - slope("all"), 2 * rho * V * C)


# --- stationary points -----------------------------------------------------------------------

BEST_ALL = imputer("all", inverse)


@claim(on=RATE, by=SIZES, source=NOTE)
def minimum_on_all_entries():
    """R = tr(Σ − ρΣHΣ) + ρ tr (W − ΣH)C(W − ΣH)ᵀ: W = ΣC⁻¹ is the only stationary point, and the minimum."""
    return equal(
        Expectation(loss_of("all")),
        tr(Sigma) - rho * tr(Sigma * inverse * Sigma) + rho * square(W - BEST_ALL, C),
    )


@claim(on=RATE, by=SIZES, source="the transpose of the answer, a slip one is tempted by", expected="refuted")
def minimum_on_all_entries_transposed():
    """W = C⁻¹Σ is the minimum on all entries: false, it is ΣC⁻¹."""
    return equal(
        Expectation(loss_of("all")),
        tr(Sigma) - rho * tr(Sigma * inverse * Sigma) + rho * square(W - inverse * Sigma, C),
    )


@claim(on=COVARIANCE, by=[CertifiedNumerics()], source=NOTE)
def two_forms_of_the_minimum_on_all_entries():
    """ΣH = (I − (1 − ρ)DH)/ρ."""
    return equal(Sigma * inverse, (I(d) - (1 - rho) * D * inverse) / rho)


def least_missing() -> sp.Expr:
    """(1 − ρ) Σ_i (1/H_ii − (1 − ρ)Σ_ii)/ρ."""
    own = dot(one, sp.HadamardPower(sp.DiagonalOf(inverse), -1))
    return (1 - rho) * (own - (1 - rho) * tr(Sigma)) / rho


@claim(on=RATE, by=SIZES, source=NOTE)
def minimum_on_missing_entries():
    """R = (1 − ρ) Σ_i (1/H_ii − (1 − ρ)Σ_ii)/ρ + ρ(1 − ρ) tr (W₀ − W*)C(W₀ − W*)ᵀ with W* = (I − Diag(H)⁻¹H)/ρ: off the
    diagonal W* is the only stationary point, and the minimum; on it the risk is flat."""
    best = (I(d) - sp.DiagMatrix(sp.HadamardPower(sp.DiagonalOf(inverse), -1)) * inverse) / rho
    return equal(Expectation(loss_of("missing")), least_missing() + rho * (1 - rho) * square(off(W) - best, C))


@claim(on=RATE, by=SIZES, source="pitfall: one answer for both losses", expected="refuted")
def one_minimum_for_both_losses():
    """The off-diagonal part of ΣC⁻¹, the minimum on all entries, is the minimum on missing ones: false."""
    return equal(Expectation(loss_of("missing")), least_missing() + rho * (1 - rho) * square(off(W) - off(BEST_ALL), C))


@claim(on=COVARIANCE, by=[CertifiedNumerics()], source=DERIVED)
def two_forms_of_the_minimum_on_missing_entries():
    """Diag(H)ΣH − Diag(ΣH)H = (Diag(H) − H)/ρ: what `minimizer` computes, ΣH − Diag(ΣH)Diag(H)⁻¹H, is (I −
    Diag(H)⁻¹H)/ρ."""
    own = sp.DiagonalMatrix(inverse)
    return equal(own * Sigma * inverse - sp.DiagonalMatrix(Sigma * inverse) * inverse, (own - inverse) / rho)


@claim(on=RATE, by=SIZES, source=DERIVED)
def the_minimizer_is_stationary():
    """At the W that `minimizer` computes the missing loss is the same on both sides: R(W + V) = R(W − V) for any V."""
    best = imputer("missing", inverse)
    return equal(Expectation(loss_of("missing", best + V) - loss_of("missing", best - V)), sp.Integer(0))


ENTRIES_OF_SIGMA = sp.symbols("s11 s12 s13 s22 s23 s33", real=True)
s11, s12, s13, s22, s23, s33 = ENTRIES_OF_SIGMA
ENTRIES = {s11: (1, 2), s12: (Q(-1, 3), Q(1, 3)), s13: (Q(-1, 3), Q(1, 3))}
ENTRIES |= {s22: (1, 2), s23: (Q(-1, 3), Q(1, 3)), s33: (1, 2)}
THREE = Domain({**ENTRIES, rho: (Q(1, 10), Q(9, 10))})


def covariance_3() -> sp.ImmutableMatrix:
    """Σ for three features, entry by entry; positive definite on `THREE`, being diagonally dominant."""
    return sp.ImmutableMatrix([[s11, s12, s13], [s12, s22, s23], [s13, s23, s33]])


def second_3() -> sp.ImmutableMatrix:
    """C for three features."""
    S = covariance_3()
    return sp.ImmutableMatrix(3, 3, lambda i, j: S[i, j] if i == j else rho * S[i, j])


def first_row() -> list[sp.Expr]:
    """The first row of (I − Diag(H)⁻¹H)/ρ for three features."""
    adjugate = second_3().adjugate()
    return [-adjugate[0, j] / (rho * adjugate[0, 0]) for j in (1, 2)]


@claim(on=THREE, by=[SymbolicIdentity(), CertifiedNumerics()], source=NOTE)
def a_row_is_a_ridge_regression():
    """Row i of W is (ρΣ_{−i} + (1 − ρ)D_{−i})⁻¹Σ_{−i,i}, for three features."""
    others = second_3()[1:, 1:]
    return equal(first_row(), list(others.inv() * covariance_3()[1:, 0]))


@claim(on=Domain(ENTRIES), by=[SymbolicIdentity(), CertifiedNumerics()], source=NOTE)
def node_wise_regression_when_all_is_observed():
    """At ρ = 1 the weights, continuous there, are −P_ij/P_ii, the regression of a feature on all others, for three
    features: the pseudo-likelihood."""
    P = covariance_3().inv()
    return equal([row.subs(rho, 1) for row in first_row()], [-P[0, j] / P[0, 0] for j in (1, 2)])


@claim(on=Domain(ENTRIES), by=[SymbolicIdentity()], source=NOTE)
def marginal_regressions_when_little_is_observed():
    """As ρ → 0 the weights tend to Σ_ij/Σ_jj, the regression on one feature at a time, for three features."""
    return Limit(sp.cancel(first_row()[0]), rho, 0, s12 / s22)


# --- low rank --------------------------------------------------------------------------------

k = sp.Symbol("k", integer=True, positive=True)
queries, keys = sp.MatrixSymbol("Q", d, k), sp.MatrixSymbol("K", d, k)


@claim(on=RATE, by=[Entrywise([{d: 2, k: 1}, {d: 3, k: 2}], draws=1)], source=NOTE)
def low_rank_is_a_rayleigh_quotient():
    """For W = QKᵀ on all entries, R = tr Σ − ρ tr (QᵀQ)⁻¹QᵀΣHΣQ + ρ tr QᵀQ(K − K*)ᵀC(K − K*), K* = HΣQ(QᵀQ)⁻¹: in the
    span of Q a Rayleigh quotient of ΣHΣ, whose stationary points are the subsets of eigenvectors."""
    gram = sp.Inverse(queries.T * queries)
    best = inverse * Sigma * queries * gram
    return equal(
        Expectation(loss_of("all", queries * keys.T)),
        tr(Sigma)
        - rho * tr(gram * queries.T * Sigma * inverse * Sigma * queries)
        + rho * tr(queries.T * queries * (keys - best).T * C * (keys - best)),
    )


@claim(on=COVARIANCE, by=POINTS, source=NOTE)
def incomplete_rows_turn_the_principal_axes():
    """CΣ − ΣC = (1 − ρ)(DΣ − ΣD), with the entries (1 − ρ)(Σ_ii − Σ_jj)Σ_ij: the principal axes of C are those of Σ
    only between features of one variance."""
    return equal(C * Sigma - Sigma * C, (1 - rho) * (D * Sigma - Sigma * D))


@claim(on=COVARIANCE, by=POINTS, source="zero imputation keeps the principal axes, a reading one is tempted by",
       expected="refuted")  # fmt: skip
def incomplete_rows_keep_the_principal_axes():
    """C and Σ have the same eigenvectors: false in general."""
    return equal(C * Sigma, Sigma * C)


# --- a mean ----------------------------------------------------------------------------------

shifted = GaussianVector("x", d, mean=mu, covariance=Sigma)


@claim(on=RATE, by=BOTH, source=NOTE)
def zero_imputation_with_a_mean():
    """For a mean μ, zero imputation and the best intercept μ − ρWμ, the risk on all entries is that of μ = 0 with
    D + Diag(μ²) in place of D in C: centring first is better."""
    error = shifted - W * had(m, shifted) - (mu - rho * W * mu)
    second = C + (1 - rho) * sp.DiagMatrix(sp.HadamardPower(mu, 2))
    return equal(Expectation(dot(error, error)), tr(Sigma) - 2 * rho * tr(W * Sigma) + rho * square(W, second))


# --- exchangeable and nested masks -----------------------------------------------------------


def second_at(rate: sp.Expr) -> sp.MatrixExpr:
    """ρΣ + (1 − ρ)D at an effective rate."""
    return rate * Sigma + (1 - rate) * D


ORDERED = Domain({r1: (Q(7, 10), Q(8, 10)), r2: (Q(5, 10), Q(6, 10)), r3: (Q(4, 10), Q(9, 20))})


@claim(on=ORDERED, by=BOTH, source=NOTE)
def exchangeable_masks_on_all_entries():
    """Any exchangeable mask: R = tr Σ − 2r₁ tr WΣ + r₁ tr WCWᵀ with C at the effective rate r₂/r₁."""
    above, below = effective_rates("all", r1, r2, r3)
    return equal(
        Expectation(loss_of("all", mask=exchangeable)),
        tr(Sigma) - 2 * r1 * tr(W * Sigma) + r1 * square(W, second_at(above / below)),
    )


@claim(on=ORDERED, by=BOTH, source=NOTE)
def exchangeable_masks_on_missing_entries():
    """Any exchangeable mask: R = (1 − r₁) tr Σ − 2(r₁ − r₂) tr W₀Σ + (r₁ − r₂) tr W₀CW₀ᵀ with C at the effective rate
    (r₂ − r₃)/(r₁ − r₂) = P(j, l observed, i missing)/P(j observed, i missing)."""
    above, below = effective_rates("missing", r1, r2, r3)
    return equal(
        Expectation(loss_of("missing", mask=exchangeable)),
        (1 - r1) * tr(Sigma)
        - 2 * (r1 - r2) * tr(off(W) * Sigma)
        + (r1 - r2) * square(off(W), second_at(above / below)),
    )


def rates_of(mask: Mask) -> list[sp.Expr]:
    """The effective rates of the losses on all and on missing entries."""
    pairs = [effective_rates(loss, *(mask.moment(j) for j in (1, 2, 3))) for loss in ("all", "missing")]
    return [above / below for above, below in pairs]


observed = sp.Symbol("k", positive=True)
features = sp.Symbol("d", positive=True)
a, b = sp.symbols("a b", positive=True)


@claim(on=Domain({observed: (2, 4), features: (5, 9)}), by=[SymbolicIdentity(), CertifiedNumerics()], source=NOTE)
def effective_rate_of_a_fixed_number():
    """With exactly k of d entries observed the effective rate is (k − 1)/(d − 1) on all entries and (k − 1)/(d − 2) on
    missing ones."""
    rates = rates_of(Mask("m", features, size=observed))
    return equal(rates, [(observed - 1) / (features - 1), (observed - 1) / (features - 2)])


@claim(on=Domain({a: (1, 5), b: (1, 5)}), by=[SymbolicIdentity(), CertifiedNumerics()], source=NOTE)
def effective_rate_of_a_random_rate():
    """With a rate from Beta(a, b) for each row the effective rate is (a + 1)/(a + b + 1) on all entries and
    (a + 1)/(a + b + 2) on missing ones."""
    rates = rates_of(Mask("m", d, rate=(a, b)))
    return equal(rates, [(a + 1) / (a + b + 1), (a + 1) / (a + b + 2)])


@claim(on=Domain({}), by=[Entrywise([{d: 3}, {d: 4}], draws=1)], source=NOTE)
def exactly_two_observed():
    """With exactly k = 2 entries observed R = (1 − k/d) Σ_i (Σ_ii − (k/(d−1)) (2W₀Σ − W₀CW₀ᵀ)_ii), C at the rate
    (k − 1)/(d − 2); at its minimum W₀C = Σ off the diagonal and the bracket is Σ_ii − (k/(d−1)) Σ_{i,−i}w_i."""
    mask, second = Mask("m", d, size=2), second_at(1 / (d - 2))
    return equal(
        Expectation(loss_of("missing", mask=mask)),
        (1 - 2 / d) * (tr(Sigma) - 2 / (d - 1) * (2 * tr(off(W) * Sigma) - square(off(W), second))),
    )


nested = sp.Symbol("rho_a", positive=True)


@claim(on=Domain({rho: (Q(1, 10), Q(9, 10)), nested: (Q(1, 10), Q(9, 10))}), by=BOTH, source=NOTE)
def two_nested_masks():
    """Natural missingness at the rate ρ and, of what is observed, an artificial mask at the rate ρ_a, the loss on what
    the second one hides: ρ(1 − ρ_a) times [tr Σ − 2q tr W₀Σ + q tr W₀CW₀ᵀ] with C at the product q = ρρ_a."""
    artificial = Mask("a", d, nested)
    error = had(had(m, one - artificial), x - W * had(x, artificial, m))
    q = rho * nested
    return equal(
        Expectation(dot(error, error)),
        rho * (1 - nested) * (tr(Sigma) - 2 * q * tr(off(W) * Sigma) + q * square(off(W), second_at(q))),
    )


# --- prediction from incomplete inputs -------------------------------------------------------

sigma = sp.Symbol("sigma", positive=True)
NOISY = Domain({rho: (Q(1, 10), Q(9, 10)), sigma: (Q(1, 4), 2)})
noise = GaussianVector("xi", 1, covariance=sigma**2)


def prediction_loss(weights: sp.MatrixExpr) -> sp.Expr:
    """(⟨θ*, x⟩ + σξ − ⟨θ, z⟩)²."""
    return (dot(theta_star, x) + dot(noise, sp.ImmutableMatrix([1])) - dot(weights, had(m, x))) ** 2


@claim(on=NOISY, by=BOTH, source="Ayme, Boyer, Dieuleveut, Scornet (2023), arXiv 2301.13585, for D = I; derived here")
def risk_of_a_linear_prediction():
    """y = ⟨θ*, x⟩ + σξ from ⟨θ, z⟩: R = σ² + |ρθ − θ*|²_Σ + ρ(1 − ρ)|θ|²_D."""
    return equal(
        Expectation(prediction_loss(theta)),
        sigma**2 + quad(rho * theta - theta_star, Sigma) + rho * (1 - rho) * quad(theta, D),
    )


@claim(on=NOISY, by=BOTH, source="Ayme, Boyer, Dieuleveut, Scornet (2023), arXiv 2301.13585, for D = I; derived here")
def missing_inputs_are_a_ridge():
    """In θ̃ = ρθ the risk is σ² + |θ̃ − θ*|²_Σ + ((1 − ρ)/ρ)|θ̃|²_D: ridge regression of strength (1 − ρ)/ρ in the
    metric D."""
    return equal(
        Expectation(prediction_loss(theta / rho)),
        sigma**2 + quad(theta - theta_star, Sigma) + (1 - rho) / rho * quad(theta, D),
    )


def least_prediction() -> sp.Expr:
    """σ² + θ*ᵀΣθ* − ρ θ*ᵀΣHΣθ*."""
    return sigma**2 + quad(theta_star, Sigma) - rho * dot(theta_star, Sigma * inverse * Sigma * theta_star)


@claim(on=NOISY, by=SIZES, source=NOTE)
def best_linear_prediction():
    """R = σ² + θ*ᵀΣθ* − ρθ*ᵀΣHΣθ* + ρ|θ − HΣθ*|²_C: θ = C⁻¹Σθ* is the only minimum."""
    best = inverse * Sigma * theta_star
    return equal(Expectation(prediction_loss(theta)), least_prediction() + rho * quad(theta - best, C))


@claim(on=NOISY, by=SIZES, source="impute, then regress: a reading one is tempted by", expected="refuted")
def imputing_and_regressing_is_the_best_linear_prediction():
    """⟨θ*, x̂⟩ with the best linear imputer that keeps observed entries, x̂ = z + W*z, is the best linear prediction from
    z: false."""
    imputed = (I(d) + imputer("missing", inverse).T) * theta_star
    return equal(Expectation(prediction_loss(imputed)), least_prediction())


linear_claims = tuple(item for item in list(globals().values()) if isinstance(item, Claim))
