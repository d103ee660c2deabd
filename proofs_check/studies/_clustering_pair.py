"""Two orthonormal centroids and two heads: the landscape, the flow, the rotation, the regularizer.

Setting and letters are those of `_clustering_model`: κ_j = ⟨h_j, μ_j⟩, η₀ = ⟨h₀, μ₁⟩, η₁ = ⟨h₁, μ₀⟩, ξ = ⟨h₀, h₁⟩,
S = σ². Unit heads unless something else is said; the *orbit* is {(μ₀, μ₁)O : O orthogonal}.

The thresholds, for every L >= 2, d >= 2, S > 0, are λ_g < λ_opt < λ_max:

    λ_g      below it the orbit is the global minimum: R is convex in A, and G(λP) is smaller on the plane
    λ_opt    the λ for which the aligned heads have the least risk
    λ_max    above it aligned heads are no longer a minimum on the manifold
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy as sp

from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, claim
from proofs_check.signs import ProvenSign
from proofs_check.stationary_check import CertifiedZeros
from proofs_check.stationary_list_check import CertifiedList
from proofs_check.symbolic import SymbolicIdentity
from theory import (
    Domain,
    Inequality,
    Invariant,
    Limit,
    Nature,
    Stationary,
    StationaryCount,
    StationaryList,
    dot,
    equal,
    population_risk,
)
from theory.notation import L, d, lam

from ._clustering_model import (
    CENTROIDS,
    CONSTANTS,
    DERIVED,
    MANIFOLD,
    ON_SPHERES,
    PAIR,
    PAPER,
    LinearHeads,
    S,
    eta_0,
    eta_1,
    flow_on_manifold,
    kappa_0,
    kappa_1,
    mu,
    pair_law,
    pair_risk,
    q_0,
    q_1,
    reduced_risk,
    regularized_risk,
    regularizer,
    rho,
    sphere_flow,
    xi,
)

__all__ = ["LEVELS", "pair_claims", "in_coordinates"]

Q = sp.Rational
SECOND_HAND = f"{PAPER} (second-hand); {DERIVED}"
EXACT = (SymbolicIdentity(), CertifiedNumerics(digits=30))

REDUCED = Domain({kappa_0: (-1, 1), kappa_1: (-1, 1), **CONSTANTS})
MODELS = Domain(CONSTANTS)
NOISY = Domain({L: (2, sp.oo), d: (2, sp.oo), S: (Q(1, 1000), sp.oo)})
DIRAC = Domain({L: (2, sp.oo), lam: (0, sp.oo)})


# --- formulas as they are written by hand ----------------------------------------------------


def risk_by_hand() -> sp.Expr:
    """The risk in a_ij = μ_iᵀAμ_j, b_j = μ_jᵀA²μ_j, t₁ = tr A, t₂ = tr A², n = 1 + Sd, s = 1/2 + S."""
    a = [lam * (kappa_0**2 + eta_1**2), lam * (eta_0**2 + kappa_1**2)]
    a01 = lam * (kappa_0 * eta_0 + kappa_1 * eta_1)
    b = [
        lam**2 * (kappa_0**2 * q_0 + eta_1**2 * q_1 + 2 * kappa_0 * eta_1 * xi),
        lam**2 * (eta_0**2 * q_0 + kappa_1**2 * q_1 + 2 * eta_0 * kappa_1 * xi),
    ]
    t1, t2 = lam * (q_0 + q_1), lam**2 * (q_0**2 + q_1**2 + 2 * xi**2)
    n, alpha, beta, g = 1 + S * d, sum(a), sum(b), a[0] ** 2 + a[1] ** 2 + 2 * a01**2
    s = Q(1, 4) + S
    S1 = n * (alpha / 2 + S * t1) + 2 * S * alpha + 2 * S**2 * t1
    S2 = sum(
        8 * S**3 * t2
        + 24 * S**2 * b[j]
        + (4 * S * b[j] + 2 * S**2 * t2) * n
        + 2 * (4 * S * a[j] + 2 * S**2 * t1) * (a[j] + S * t1)
        + (a[j] + S * t1) ** 2 * n
        for j in (0, 1)
    )
    S3 = sum(
        (a[j] + S * t1) * (S * a[j] + a[j] / 2 + S * (S * t1 + alpha / 2))
        + 4 * S * (S * b[j] + b[j] / 4 + (a[j] ** 2 + a01**2) / 4)
        + 2 * S**2 * (S * t2 + beta / 2)
        for j in (0, 1)
    )
    noise = S + S**2 * (d + 2)
    with_norms = (n + 4 * S) / 4 * g + noise / 2 * beta + S * (n + 4 * S) / 2 * beta + S * noise * t2
    cubic = s / 2 * g + s * S * beta + S**2 / 2 * beta + S**3 * t2
    linear = S1 + (L - 1) * (S**2 * t1 + s * alpha)
    square = S2 / 2 + (L - 1) * S3 + (L - 1) * with_norms + (L - 1) * (L - 2) * cubic
    return n - 2 * (2 / L) * linear + (2 / L) ** 2 * square


C0 = (
    1
    + S * d
    - 8 * S * lam / L * (L * S + S * d + S + 1)
    + 8 * S**2 * lam**2 / L**2 * (L**2 * S + L * S * d + 7 * L * S + L + 3 * S * d + 8 * S + 3)
)
C1 = -lam / L * (4 * L * S + L + 2 * S * d + 4 * S + 1) + S * lam**2 / L**2 * (
    6 * L**2 * S + L**2 + 4 * L * S * d + 42 * L * S + 9 * L + 12 * S * d + 48 * S + 6
)
C2 = lam**2 / (2 * L**2) * (4 * L**2 * S + L**2 + 2 * L * S * d + 16 * L * S + 3 * L + 2 * S * d + 12 * S)
C3 = 4 * S * lam**2 * (L - 1) / L**2

GAIN = L * (4 * L * S + L + 2 * S * d + 4 * S + 1)
LAM_MAX = GAIN / (
    6 * L**2 * S**2
    + 5 * L**2 * S
    + L**2
    + 4 * L * S**2 * d
    + 42 * L * S**2
    + 2 * L * S * d
    + 29 * L * S
    + 3 * L
    + 12 * S**2 * d
    + 48 * S**2
    + 2 * S * d
    + 14 * S
)
LAM_G = GAIN / (
    8 * L**2 * S**3
    + 12 * L**2 * S**2
    + 6 * L**2 * S
    + L**2
    + 8 * L * S**3 * d
    + 24 * L * S**3
    + 8 * L * S**2 * d
    + 68 * L * S**2
    + 2 * L * S * d
    + 34 * L * S
    + 3 * L
    + 8 * S**3 * d
    + 32 * S**3
    + 16 * S**2 * d
    + 80 * S**2
    + 2 * S * d
    + 16 * S
)
ORACLE_GAIN = 4 * L * S**2 + 4 * L * S + L + 4 * S**2 * d + 4 * S**2 + 2 * S * d + 8 * S + 1
ORACLE_COST = (
    8 * L**2 * S**3
    + 12 * L**2 * S**2
    + 6 * L**2 * S
    + L**2
    + 8 * L * S**3 * d
    + 56 * L * S**3
    + 8 * L * S**2 * d
    + 92 * L * S**2
    + 2 * L * S * d
    + 38 * L * S
    + 3 * L
    + 24 * S**3 * d
    + 64 * S**3
    + 24 * S**2 * d
    + 120 * S**2
    + 2 * S * d
    + 20 * S
)
LAM_OPT = L * ORACLE_GAIN / ORACLE_COST


# --- claims: the risk ----------------------------------------------------------------------


@claim(on=PAIR, by=EXACT, source=DERIVED)
def risk_in_the_overlaps():
    """The derived risk, for heads of any norm, is the closed form in a_ij = μ_iᵀAμ_j, μ_jᵀA²μ_j, tr A and tr A²."""
    return equal(pair_risk().expr, risk_by_hand())


def in_plane() -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """The entries a₀₀, a₁₁, a₀₁ of A on the plane of the centroids."""
    return (
        lam * (kappa_0**2 + eta_1**2),
        lam * (eta_0**2 + kappa_1**2),
        lam * (kappa_0 * eta_0 + kappa_1 * eta_1),
    )


@claim(on=PAIR, by=EXACT, source=SECOND_HAND)
def risk_of_the_dirac_mixture():
    """For S = 0, R = 1 − (L+1)/L (a₀₀ + a₁₁) + (L+3)/(2L)(a₀₀² + a₁₁²) + (L−1)/L a₀₁²."""
    a00, a11, a01 = in_plane()
    typed = 1 - (L + 1) / L * (a00 + a11) + (L + 3) / (2 * L) * (a00**2 + a11**2) + (L - 1) / L * a01**2
    return equal(pair_risk().expr.subs(S, 0), typed)


@claim(on=PAIR, by=EXACT, source=DERIVED)
def least_risk_of_the_dirac_mixture():
    """For S = 0, R = (L−1)/(L(L+3)) + (L+3)/(2L) Σ(a_jj − (L+1)/(L+3))² + (L−1)/L a₀₁²: heads of free norm reach the
    least risk at a₀₀ = a₁₁ = (L+1)/(L+3), a₀₁ = 0."""
    a00, a11, a01 = in_plane()
    best = (L + 1) / (L + 3)
    squares = (L + 3) / (2 * L) * ((a00 - best) ** 2 + (a11 - best) ** 2) + (L - 1) / L * a01**2
    return equal(pair_risk().expr.subs(S, 0), (L - 1) / (L * (L + 3)) + squares)


# --- claims: symmetries --------------------------------------------------------------------

t = sp.Symbol("t", real=True)
TURNED = Domain({**{s: PAIR.interval(s) for s in PAIR.symbols}, t: (-2, 2)})


def turned() -> dict[sp.Symbol, sp.Expr]:
    """The overlaps of h₀ cos φ − h₁ sin φ and h₀ sin φ + h₁ cos φ, with t = tan(φ/2)."""
    c, s = (1 - t**2) / (1 + t**2), 2 * t / (1 + t**2)
    return {
        kappa_0: c * kappa_0 - s * eta_1,
        eta_0: c * eta_0 - s * kappa_1,
        eta_1: s * kappa_0 + c * eta_1,
        kappa_1: s * eta_0 + c * kappa_1,
        xi: c * s * (q_0 - q_1) + (c**2 - s**2) * xi,
        q_0: c**2 * q_0 - 2 * c * s * xi + s**2 * q_1,
        q_1: s**2 * q_0 + 2 * c * s * xi + c**2 * q_1,
    }


@claim(on=TURNED, by=EXACT, source=DERIVED)
def rotation_of_the_heads():
    """Rotating the heads among themselves by any angle, whatever their norms, changes neither A nor the risk: without
    regularizer only the plane of the centroids can be learned."""
    return equal(pair_risk().expr.subs(turned(), simultaneous=True), pair_risk().expr)


@claim(
    on=Domain({**CONSTANTS, t: (Q(1, 10), Q(9, 10))}),
    by=[CertifiedNumerics(digits=20)],
    source="a reading of the abstract one is tempted by: minimizing the risk aligns the heads with the centroids; the "
    "paper starts on the manifold, or regularizes",
    expected="refuted",
)
def least_risk_means_alignment():
    """Unit heads with the risk of the centroids are the centroids: a pair rotated by an angle φ, t = tan(φ/2), has
    their risk and, the second component, their alignment κ = 1. The risk is the same; κ = cos φ is not."""
    aligned = {kappa_0: 1, kappa_1: 1, **MANIFOLD, **ON_SPHERES}
    rotated = {x: expr.subs(aligned, simultaneous=True) for x, expr in turned().items()}
    risks = [pair_risk().expr.subs(at, simultaneous=True) for at in (rotated, aligned)]
    return equal([risks[0], rotated[kappa_0]], [risks[1], 1])


def reflected(*symbols: sp.Symbol) -> sp.Expr:
    """The risk with the signs of some overlaps changed."""
    return pair_risk().expr.subs({symbol: -symbol for symbol in symbols}, simultaneous=True)


@claim(on=PAIR, by=[SymbolicIdentity()], source=DERIVED)
def signs_and_permutations():
    """The risk does not change when a head or a centroid changes its sign, nor when the two heads, or the two
    centroids, are exchanged."""
    heads = {kappa_0: eta_1, eta_1: kappa_0, kappa_1: eta_0, eta_0: kappa_1, q_0: q_1, q_1: q_0}
    centroids = {kappa_0: eta_0, eta_0: kappa_0, kappa_1: eta_1, eta_1: kappa_1}
    seen = [
        reflected(kappa_0, eta_0, xi),
        reflected(kappa_0, eta_1),
        pair_risk().expr.subs(heads, simultaneous=True),
        pair_risk().expr.subs(centroids, simultaneous=True),
    ]
    return equal(seen, [pair_risk().expr] * 4)


@claim(on=PAIR, by=[SymbolicIdentity()], source=SECOND_HAND)
def manifold_is_invariant():
    """The gradient flow of unit heads does not leave {η₀ = η₁ = ξ = 0}, for all S, L, d, λ."""
    return Invariant(sphere_flow(), MANIFOLD)


# --- claims: the manifold ------------------------------------------------------------------


@claim(on=REDUCED, by=EXACT, source=DERIVED)
def risk_on_the_manifold():
    """With x = κ₀², y = κ₁² the risk on the manifold is C₀ + C₁(x + y) + C₂(x² + y²) + C₃xy, four polynomials in S, d,
    1/L and λ."""
    x, y = kappa_0**2, kappa_1**2
    return equal(reduced_risk().expr, C0 + C1 * (x + y) + C2 * (x**2 + y**2) + C3 * x * y)


@claim(on=REDUCED, by=EXACT, source=SECOND_HAND)
def flow_on_the_manifold():
    """On the manifold κ̇₀ = −(1 − κ₀²) 2κ₀ (C₁ + 2C₂κ₀² + C₃κ₁²), and κ̇₁ likewise: signs do not change."""
    x, y = kappa_0**2, kappa_1**2
    flow = flow_on_manifold()
    typed = [
        -(1 - x) * 2 * kappa_0 * (C1 + 2 * C2 * x + C3 * y),
        -(1 - y) * 2 * kappa_1 * (C1 + 2 * C2 * y + C3 * x),
    ]
    return equal([flow[kappa_0], flow[kappa_1]], typed)


share = sp.Symbol("t", positive=True)
BELOW = Domain({L: (2, 60), d: (2, 30), S: (0, 2), share: (Q(1, 10), Q(19, 20))})


@claim(on=MODELS, by=EXACT, source=DERIVED)
def slope_at_alignment():
    """C₁ + 2C₂ + C₃ = −(λ/L²) L(4LS + L + 2Sd + 4S + 1)(1 − λ/λ_max): the slope in κ² at the aligned heads changes its
    sign at λ_max and nowhere else."""
    return equal(C1 + 2 * C2 + C3, -lam * GAIN / L**2 * (1 - lam / LAM_MAX))


@claim(on=MODELS, by=[ProvenSign(), CertifiedNumerics(digits=20)], source=DERIVED)
def curvature_on_the_manifold():
    """0 <= C₃ < 2C₂: the risk on the manifold is convex in (κ₀², κ₁²), and its slopes grow with both."""
    return Inequality(C3, "<", 2 * C2)


@claim(on=BELOW, by=[CertifiedZeros(points=3)], source=SECOND_HAND)
def nine_stationary_points():
    """For λ < λ_max the flow on the manifold has exactly nine stationary points: minima at (±1, ±1), saddles at
    (±1, 0) and (0, ±1), a maximum at (0, 0)."""
    flow = flow_on_manifold()
    corners = [(i, j) for i in (-1, 1) for j in (-1, 1)]
    edges = [(-1, 0), (1, 0), (0, -1), (0, 1)]
    at = [{kappa_0: sp.Integer(i), kappa_1: sp.Integer(j)} for i, j in [*corners, *edges, (0, 0)]]
    return StationaryCount(
        [flow[x].subs(lam, share * LAM_MAX) for x in (kappa_0, kappa_1)],
        (kappa_0, kappa_1),
        {kappa_0: (-1, 1), kappa_1: (-1, 1)},
        at,
        [Nature.MINIMUM] * 4 + [Nature.SADDLE] * 4 + [Nature.MAXIMUM],
    )


def interior() -> sp.Expr:
    """κ₀² = κ₁² at the minimum on the manifold for λ > λ_max."""
    return -C1 / (2 * C2 + C3)


above = sp.Symbol("lambda_above", positive=True)


@claim(
    on=Domain({L: (2, 40), d: (2, 20), S: (Q(1, 100), Q(1, 2)), above: (Q(1, 20), Q(1, 4))}),
    by=[SymbolicIdentity(), CertifiedNumerics(digits=20)],
    source=DERIVED,
)
def minimum_past_the_threshold():
    """For λ = (1 + t) λ_max the point κ₀² = κ₁² = −C₁/(2C₂ + C₃) is stationary on the manifold."""
    at = sp.sqrt(interior())
    expr = reduced_risk().expr.subs(lam, (1 + above) * LAM_MAX)
    place = at.subs(lam, (1 + above) * LAM_MAX)
    return Stationary(expr, (kappa_0, kappa_1), {kappa_0: place, kappa_1: place})


@claim(on=MODELS, by=EXACT, source=DERIVED)
def alignment_is_lost_past_the_threshold():
    """(2C₂ + C₃)(1 − κ²) = (λ/L²) L(4LS + L + 2Sd + 4S + 1)(λ/λ_max − 1) at that point: κ² < 1 exactly for
    λ > λ_max."""
    return equal((2 * C2 + C3) * (1 - interior()), lam * GAIN / L**2 * (lam / LAM_MAX - 1))


def oracle() -> sp.Expr:
    """The risk of the aligned heads."""
    return reduced_risk().expr.subs({kappa_0: 1, kappa_1: 1})


@claim(on=MODELS, by=EXACT, source=DERIVED)
def risk_of_aligned_heads():
    """The risk of aligned heads is 1 + Sd − (2λ/L) b + (λ²/L²) q; the least is 1 + Sd − b²/q, at λ_opt = Lb/q."""
    b, q = ORACLE_GAIN, ORACLE_COST
    best = oracle().subs(lam, LAM_OPT)
    return equal(
        [oracle(), oracle().diff(lam).subs(lam, LAM_OPT), best],
        [1 + S * d - 2 * lam / L * b + lam**2 / L**2 * q, 0, 1 + S * d - b**2 / q],
    )


length = sp.Symbol("L", positive=True)
LONG = Domain({S: (0, 5), d: (2, sp.oo)})


def long(expr: sp.Expr, limit: sp.Expr) -> Limit:
    """The limit of long prompts."""
    return Limit(expr.subs(L, length), length, sp.oo, limit)


@claim(on=LONG, by=[SymbolicIdentity()], source=DERIVED)
def lam_max_for_long_prompts():
    """λ_max tends to (1 + 4S)/((1 + 2S)(1 + 3S)) as L → ∞."""
    return long(LAM_MAX, (1 + 4 * S) / ((1 + 2 * S) * (1 + 3 * S)))


@claim(on=LONG, by=[SymbolicIdentity()], source=DERIVED)
def lam_g_for_long_prompts():
    """λ_g tends to (1 + 4S)/(1 + 2S)³ as L → ∞."""
    return long(LAM_G, (1 + 4 * S) / (1 + 2 * S) ** 3)


@claim(on=LONG, by=[SymbolicIdentity()], source=DERIVED)
def lam_opt_for_long_prompts():
    """λ_opt tends to 1/(1 + 2S) as L → ∞."""
    return long(LAM_OPT, 1 / (1 + 2 * S))


@claim(on=LONG, by=[SymbolicIdentity()], source=DERIVED)
def least_risk_for_long_prompts():
    """The least risk of aligned heads tends to S(d − 2) as L → ∞: the noise off the plane of the centroids."""
    return long(1 + S * d - ORACLE_GAIN**2 / ORACLE_COST, S * (d - 2))


@claim(on=Domain({L: (1, sp.oo), d: (2, sp.oo)}), by=EXACT, source=SECOND_HAND)
def thresholds_of_the_dirac_mixture():
    """For S = 0 all three thresholds are (L + 1)/(L + 3)."""
    return equal([x.subs(S, 0) for x in (LAM_G, LAM_OPT, LAM_MAX)], [(L + 1) / (L + 3)] * 3)


@claim(on=NOISY, by=[ProvenSign(), CertifiedNumerics(digits=20)], source=DERIVED)
def lam_g_is_below_lam_opt():
    """λ_g < λ_opt for S > 0, L >= 2, d >= 2."""
    return Inequality(LAM_G, "<", LAM_OPT)


@claim(on=NOISY, by=[ProvenSign(), CertifiedNumerics(digits=20)], source=DERIVED)
def lam_opt_is_below_lam_max():
    """λ_opt < λ_max for S > 0, L >= 2, d >= 2: the best λ leaves aligned heads a minimum on the manifold."""
    return Inequality(LAM_OPT, "<", LAM_MAX)


# --- claims: all unit heads ----------------------------------------------------------------

v = sp.MatrixSymbol("v", d, 1)
v_0, v_1, v_off = sp.symbols("v_0 v_1 v_off", real=True)
step = sp.Symbol("epsilon", real=True)


@lru_cache
def slope_at_the_orbit() -> sp.Expr:
    """vᵀG(λP)v, the slope of the risk at A = λP in the direction vvᵀ, P the projector on the plane of the centroids."""
    coordinates = {
        **CENTROIDS,
        dot(v, mu[0]): v_0,
        dot(v, mu[1]): v_1,
        dot(v, v): v_0**2 + v_1**2 + v_off**2,
    }
    gram = lam * (mu[0] * mu[0].T + mu[1] * mu[1].T) + step * v * v.T
    moved = population_risk(pair_law(), LinearHeads(gram, 2 / L), overlaps=coordinates, parameters=(step,))
    return moved.expr.diff(step).subs(step, 0)


@claim(on=Domain({**CONSTANTS, v_0: (-2, 2), v_1: (-2, 2), v_off: (-2, 2)}), by=EXACT, source=DERIVED)
def slope_at_the_orbit_has_two_eigenvalues():
    """vᵀG(λP)v = g₁ ‖Pv‖² + g₂ ‖v − Pv‖²: the orbit is stationary for every λ."""
    on_plane, off = (slope_at_the_orbit().subs(at) for at in ({v_0: 1, v_1: 0, v_off: 0}, {v_0: 0, v_1: 0, v_off: 1}))
    return equal(slope_at_the_orbit(), on_plane * (v_0**2 + v_1**2) + off * v_off**2)


@claim(on=MODELS, by=EXACT, source=DERIVED)
def orbit_is_the_global_minimum():
    """g₂ − g₁ = (1/L)(4LS + L + 2Sd + 4S + 1)(1 − λ/λ_g): since R is convex in A and tr A = 2λ is fixed, the orbit
    has the least risk of all unit heads for λ <= λ_g."""
    on_plane, off = (slope_at_the_orbit().subs(at) for at in ({v_0: 1, v_1: 0, v_off: 0}, {v_0: 0, v_1: 0, v_off: 1}))
    return equal(off - on_plane, GAIN / L**2 * (1 - lam / LAM_G))


# --- claims: the stationary levels of the Dirac mixture ----------------------------------------

COORDINATES = tuple(tuple(sp.Symbol(f"h_{i}{j}", real=True) for j in range(4)) for i in (0, 1))
HALF = 1 / sp.sqrt(2)


def in_coordinates(first: Any, second: Any) -> dict[sp.Symbol, sp.Expr]:
    """The overlaps of two heads in an orthonormal basis that begins with the centroids."""

    def inner(x: Any, y: Any) -> sp.Expr:
        return sp.Add(*(a * b for a, b in zip(x, y, strict=True)))

    return {
        kappa_0: sp.sympify(first[0]),
        eta_0: sp.sympify(first[1]),
        eta_1: sp.sympify(second[0]),
        kappa_1: sp.sympify(second[1]),
        xi: inner(first, second),
        q_0: inner(first, first),
        q_1: inner(second, second),
    }


def _tilted(direction: tuple[sp.Expr, sp.Expr], share: sp.Expr) -> tuple[tuple, tuple]:
    """Two heads with in-plane parts of squared norm `share` along a direction, the rest off it and orthogonal."""
    inside, outside = sp.sqrt(share), sp.sqrt(1 - share)
    x, y = direction
    return (inside * x, inside * y, outside, 0), (inside * x, inside * y, 0, outside)


BEST = (L + 1) / (L + 3)
LEVELS: dict[str, tuple[tuple, tuple, sp.Expr, int, int]] = {
    "they are the centroids": ((1, 0, 0, 0), (0, 1, 0, 0), 1 - 2 * lam * (L + 1) / L + lam**2 * (L + 3) / L, 0, 1),
    "both partly along the diagonal": (*_tilted((HALF, HALF), 1 / (2 * lam)), 1 - (L + 1) / (2 * L), 1, 3),
    "both on the diagonal": (
        (HALF, HALF, 0, 0),
        (HALF, HALF, 0, 0),
        1 - 2 * lam * (L + 1) / L + 2 * lam**2 * (L + 1) / L,
        5,
        0,
    ),
    "one on the diagonal, one off the plane": (
        (HALF, HALF, 0, 0),
        (0, 0, 1, 0),
        1 - lam * (L + 1) / L + lam**2 * (L + 1) / (2 * L),
        2,
        1,
    ),
    "both partly along one centroid": (
        *_tilted((sp.Integer(1), sp.Integer(0)), BEST / (2 * lam)),
        1 - (L + 1) ** 2 / (2 * L * (L + 3)),
        2,
        3,
    ),
    "one aligned, one off the plane": (
        (1, 0, 0, 0),
        (0, 0, 1, 0),
        1 - lam * (L + 1) / L + lam**2 * (L + 3) / (2 * L),
        3,
        1,
    ),
    "both on one centroid": (
        (1, 0, 0, 0),
        (1, 0, 0, 0),
        1 - 2 * lam * (L + 1) / L + 2 * lam**2 * (L + 3) / L,
        6,
        0,
    ),
    "both off the plane": ((0, 0, 1, 0), (0, 0, 0, 1), sp.Integer(1), 4, 2),
}
"""Two heads in R⁴, the risk there, the index and the nullity of the Riemannian Hessian, for 1/2 < λ < (L+1)/(L+3)."""

within = sp.Symbol("t", positive=True)
TILTED = Domain({L: (2, 60), within: (Q(1, 20), Q(19, 20))})
BETWEEN = Q(1, 2) + within * (BEST - Q(1, 2))  # λ between 1/2 and (L+1)/(L+3)


@lru_cache
def dirac_risk() -> sp.Expr:
    """The risk of the Dirac mixture in the coordinates of two heads of R⁴."""
    return sp.expand(pair_risk().expr.subs(S, 0)).subs(in_coordinates(*COORDINATES), simultaneous=True)


def tangent_slope(first: tuple, second: tuple) -> list[sp.Expr]:
    """The Riemannian gradient of the Dirac risk at two heads."""
    at = dict(zip((*COORDINATES[0], *COORDINATES[1]), (*first, *second), strict=True))
    slopes = []
    for names, head in zip(COORDINATES, (first, second), strict=True):
        euclidean = [dirac_risk().diff(x).subs(at, simultaneous=True) for x in names]
        along = sp.Add(*(g * x for g, x in zip(euclidean, head, strict=True)))
        slopes += [g - along * x for g, x in zip(euclidean, head, strict=True)]
    return slopes


def level_claim(name: str) -> Claim:
    """One of the levels: the point is stationary and has this risk."""
    first, second, level, _, _ = LEVELS[name]

    def statement() -> Any:
        at = dict(zip((*COORDINATES[0], *COORDINATES[1]), (*first, *second), strict=True))
        sides = [dirac_risk().subs(at, simultaneous=True), *tangent_slope(first, second)], [level, *[0] * 8]
        return equal(*([expr.subs(lam, BETWEEN) for expr in map(sp.sympify, side)] for side in sides))

    return Claim(
        f"stationary-{name}".replace(" ", "-").replace(",", ""),
        f"For S = 0 and 1/2 < λ < (L+1)/(L+3) two heads in R⁴ are stationary if {name}; their risk is {level}.",
        statement,
        TILTED,
        DERIVED,
        (SymbolicIdentity(), CertifiedNumerics(digits=25)),
    )


DIRAC_LEVELS = tuple(level_claim(name) for name in LEVELS)


# --- claims: the regularizer ---------------------------------------------------------------


@claim(on=PAIR, by=EXACT, source=SECOND_HAND)
def regularizer_in_the_overlaps():
    """E⟨X, h₀⟩²⟨X, h₁⟩² = ½ Σ_j [p²q² + S(p²q₁ + q²q₀ + 4pqξ)] + S²(q₀q₁ + 2ξ²), p and q the overlaps of the heads
    with μ_j."""
    total = S**2 * (q_0 * q_1 + 2 * xi**2)
    for first, second in ((kappa_0, eta_1), (eta_0, kappa_1)):
        noise = S * (first**2 * q_1 + second**2 * q_0 + 4 * first * second * xi)
        total += (first**2 * second**2 + noise) / 2
    return equal(regularizer(), total)


def on_orbit() -> dict[sp.Symbol, sp.Expr]:
    """The overlaps of the centroids rotated by an angle φ, t = tan(φ/2)."""
    aligned = {kappa_0: 1, kappa_1: 1, **MANIFOLD, **ON_SPHERES}
    return {x: expr.subs(aligned, simultaneous=True) for x, expr in turned().items()}


@claim(on=Domain({S: (0, 5), t: (-2, 2)}), by=EXACT, source=DERIVED)
def regularizer_on_the_orbit():
    """On the orbit the regularizer is S + S² + (cos φ sin φ)²: least at the centroids, up to signs, for all S."""
    c, s = (1 - t**2) / (1 + t**2), 2 * t / (1 + t**2)
    return equal(regularizer().subs(on_orbit(), simultaneous=True), S + S**2 + c**2 * s**2)


s, delta = sp.symbols("s delta", real=True)
ANGLES = Domain({L: (2, sp.oo), lam: (0, sp.oo), rho: (0, sp.oo), s: (-3, 3), delta: (-3, 3)})


def in_angles() -> sp.Expr:
    """R + ρr of the Dirac mixture for heads at angles α, β in the plane of the centroids, s = α + β, δ = α − β."""
    alpha, beta = (s + delta) / 2, (s - delta) / 2
    first, second = (sp.cos(alpha), sp.sin(alpha)), (sp.cos(beta), sp.sin(beta))
    return regularized_risk().expr.subs(S, 0).subs(in_coordinates(first, second), simultaneous=True)


def in_angles_by_hand() -> sp.Expr:
    """The same, written out."""
    plain = 1 - 2 * lam * (L + 1) / L + lam**2 * (L + 3) / L
    tilt = lam**2 * sp.cos(delta) ** 2 * ((L - 1) / L + 4 / L * sp.cos(s) ** 2)
    return plain + tilt + rho / 4 * (1 + (sp.cos(2 * s) + sp.cos(2 * delta)) / 2)


@claim(on=ANGLES, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def regularized_risk_in_the_plane():
    """For S = 0 and heads at angles α, β of the plane, R + ρr = 1 − 2λ(L+1)/L + λ²(L+3)/L + λ² cos²δ [(L−1)/L +
    (4/L) cos²s] + (ρ/4)[1 + (cos 2s + cos 2δ)/2], s = α + β, δ = α − β."""
    return equal(in_angles(), in_angles_by_hand())


@claim(on=ANGLES, by=[SymbolicIdentity(), CertifiedNumerics(digits=30)], source=DERIVED)
def stationary_angles():
    """Its slopes are −sin 2s [(4λ²/L) cos²δ + ρ/4] and −sin 2δ [λ²((L−1)/L + (4/L) cos²s) + ρ/4]: for ρ > 0 they vanish
    exactly where s and δ are multiples of π/2."""
    slopes = [in_angles_by_hand().diff(s), in_angles_by_hand().diff(delta)]
    in_s = -sp.sin(2 * s) * (4 * lam**2 / L * sp.cos(delta) ** 2 + rho / 4)
    in_delta = -sp.sin(2 * delta) * (lam**2 * ((L - 1) / L + 4 / L * sp.cos(s) ** 2) + rho / 4)
    return equal(slopes, [in_s, in_delta])


@claim(on=Domain({L: (2, sp.oo), lam: (0, sp.oo), rho: (0, sp.oo)}), by=EXACT, source=DERIVED)
def hessian_at_the_aligned_heads():
    """For S = 0 and d = 4 the Riemannian Hessian of R + ρr at (μ₀, μ₁) has the eigenvalues ρ, ρ + 4λ²(L−1)/L and four
    times (2λ/L)[(L+1) − λ(L+3)], the last from the d − 2 directions off the plane."""
    first, second = sp.symbols("u_1:4", real=True), sp.symbols("w_1:4", real=True)
    heads = (
        (sp.sqrt(1 - sum(x**2 for x in first)), *first),
        (second[0], sp.sqrt(1 - sum(x**2 for x in second)), *second[1:]),
    )
    chart = regularized_risk().expr.subs(S, 0).subs(in_coordinates(*heads), simultaneous=True)
    flat = dict.fromkeys((*first, *second), 0)
    hessian = sp.ImmutableMatrix(6, 6, lambda i, j: chart.diff((*first, *second)[i], (*first, *second)[j]).subs(flat))
    tilt, off = lam**2 * (L - 1) / L, 2 * lam / L * ((L + 1) - lam * (L + 3))
    expected = sp.diag(rho / 2 + rho / 2 + 2 * tilt, off, off, rho + 2 * tilt, off, off)
    expected[0, 3] = expected[3, 0] = 2 * tilt
    return equal(hessian, sp.ImmutableMatrix(expected))


AT_NUMBERS = {L: 6, lam: Q(1, 2), S: Q(9, 100), rho: Q(1, 5)}


def regularized_on_spheres(dimension: int, ambient: int) -> tuple[sp.Expr, tuple[tuple[sp.Symbol, ...], ...]]:
    """R + ρr at L = 6, λ = 1/2, S = 0.09, ρ = 1/5 for tokens of R^ambient, in so many coordinates of each unit head."""
    heads = tuple(tuple(sp.Symbol(f"h_{i}{j}", real=True) for j in range(dimension)) for i in (0, 1))
    numbers = regularized_risk().expr.subs({**AT_NUMBERS, d: ambient})
    return sp.expand(numbers.subs(in_coordinates(*heads), simultaneous=True)), heads


@claim(on=Domain({}), by=[CertifiedList()], source=DERIVED)
def all_stationary_points_in_the_plane():
    """At L = 6, d = 5, λ = 1/2, S = 0.09, ρ = 1/5 the regularized risk of unit heads in the centroids' plane has 32
    stationary points: 8 aligned minima, 16 saddles, 8 maxima with both heads at one centroid."""
    rows = [(8, 0, Q("0.4045588")), (8, 1, Q("0.4545588")), (8, 1, Q("0.9801987")), (8, 2, Q("1.2543653"))]
    return StationaryList(*regularized_on_spheres(2, 5), rows, digits=7)


@claim(on=Domain({}), by=[CertifiedList(seconds=240)], source=DERIVED)
def all_stationary_points_in_three_dimensions():
    """With these constants and d = 3 the regularized risk has 164 stationary points on S² × S²: the 8 aligned pairs are
    the only ones that attract; there is no spurious local minimum."""
    rows = [
        (8, 0, Q("0.2690298")),
        (8, 1, Q("0.3190298")),
        (32, 1, Q("0.6449785")),
        (16, 2, Q("0.6459284")),
        (16, 2, Q("0.6565965")),
        (16, 2, Q("0.7113882")),
        (16, 2, Q("0.7310940")),
        (16, 3, Q("0.7353505")),
        (8, 3, Q("0.8253027")),
        (16, 3, Q("0.8294182")),
        (8, 4, Q("1.0944693")),
        (4, 4, Q("1.1758360")),
    ]
    return StationaryList(*regularized_on_spheres(3, 3), rows, digits=7)


pair_claims: tuple[Claim, ...] = (
    *(item for item in list(globals().values()) if isinstance(item, Claim)),
    *DIRAC_LEVELS,
)
