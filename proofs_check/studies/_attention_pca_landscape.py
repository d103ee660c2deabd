"""Claims on tied heads, B = WWᵀ and V = I: all stationary points, their Hessians, the order of the risks, descent.

Let N = Σ^{1/2}WWᵀΣ^{1/2}, Γ = (1 + 1/n)Σ + (t/n)I with eigenvalues γ_i, D = n² + 3n + 4. For every d and k:

    fresh query      N = Σ_{i ∈ I} ν_i u_i u_iᵀ, any I with |I| ≤ k,  ν_i = s_i/γ_i,  R_I = ½[t − Σ_I s_i²/γ_i]
    n = ∞            the same with ν_i = 1, γ_i = s_i
    query inside     the same subsets, ν the one solution of r = |I| linear equations, all ν_i > 0,
                     R_I = ½[t − Σ_I ν_i((1 + 1/n)s_i + t/n)]

The minimum is the leading subset; every other stationary point is a strict saddle, of which the claims give the
direction. How they make up the proof:

1. *N commutes with Σ.* In an eigenbasis of N the equation ∇R = 0 has the entries of `…_in_the_eigenbasis_of_n`. Off the
   diagonal they are Σ_αβ ν_β times a bracket. For a fresh query the bracket is never zero, by `the_bracket_…_fresh` (at
   n = ∞ only between equal ν). With the query inside, the bracket being zero makes the two diagonal equations
   contradict each other unless ν_α = ν_β, by `the_bracket_…_inside` and `…_against_a_zero`. So Σ_αβ = 0 unless
   ν_α = ν_β.
2. *Which ν.* The diagonal entries: one linear equation for each i in I. With the query inside they have the solution
   of `shrinkage_with_the_query_inside`. There c > 0, because f(w) = w²/(Dw + n + 1) is convex and zero at 0, so that
   Σ f(s_i/t) ≤ f(1) < (n + 1)⁻², by `every_subset_is_stationary`; hence A > 0 and all ν_i > 0.
3. *Nature and order.* The blocks of `Eigenbasis`.

For rank one and small d `CertifiedZeros` counts the stationary points with no use of any of this.
"""

from __future__ import annotations

import sympy as sp

from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, claim
from proofs_check.stationary_check import CertifiedZeros
from proofs_check.symbolic import SymbolicIdentity
from theory import Conserved, Domain, Identity, Invariant, Limit, Nature, StationaryCount, equal, matrix_gradient
from theory.notation import d

from ._attention_pca_eigenbasis import (
    HEAD,
    at_axes,
    eigenbasis,
    gamma,
    nu1,
    nu2,
    nu_at,
    s1,
    s2,
    s3,
    s4,
    sigma,
    t,
    tau,
)
from ._attention_pca_model import PAPER, B, S, V, W, fresh_risk, gradient_in, inside_risk, k, n, tied
from ._attention_pca_risks import DERIVED, EVERYWHERE

__all__ = ["claims"]

Q = sp.Rational
tr = sp.Trace
D = n**2 + 3 * n + 4
EXACT = (SymbolicIdentity(), CertifiedNumerics(digits=25))

SIZES = dict.fromkeys((s1, s2, s3, s4), (Q(1, 10), 4))
POINT = Domain({**SIZES, t: (Q(1, 10), 20), n: (1, 40), **dict.fromkeys((nu1, nu2, tau, sigma), (Q(1, 20), 1))})


# --- 1. N commutes with Σ ------------------------------------------------------------------

A, Y = sp.MatrixSymbol("A", d, d), sp.MatrixSymbol("Y", d, k)


def in_square_root(N: sp.Expr, Sigma: sp.Expr, query: str) -> sp.Expr:
    """The tied risk in N = YYᵀ and Σ."""
    trace = tr(Sigma)
    if query == "fresh":
        Gamma = (1 + 1 / n) * Sigma + (trace / n) * sp.Identity(d)
        return (trace - 2 * tr(Sigma * N) + tr(N * Gamma * N)) / 2
    linear = (1 + 1 / n) * tr(Sigma * N) + (trace / n) * tr(N)
    square = D * tr(Sigma * N * N) + (n + 1) * trace * tr(N * N) + trace * tr(N) ** 2
    square += 2 * (n + 1) * tr(N) * tr(Sigma * N)
    return (trace - 2 * linear + square / n**2) / 2


def _square_root_claim(query: str) -> Identity:
    """W = A⁻ᵀY at Σ = AAᵀ: then N has the spectrum of YYᵀ, and AᵀA stands for Σ."""
    derived = tied(query).expr.xreplace({W: sp.Inverse(A).T * Y, S: A * A.T}).doit()
    return equal(derived, in_square_root(Y * Y.T, A.T * A, query))


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=DERIVED)
def risk_in_n_for_a_fresh_query():
    """R = ½[t − 2 tr ΣN + tr NΓN] for invertible Σ, in coordinates where Σ = AᵀA and N = YYᵀ."""
    return _square_root_claim("fresh")


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=DERIVED)
def risk_in_n_for_a_query_inside():
    """R = ½[t − 2((1 + 1/n) tr ΣN + (t/n) tr N) + n⁻²{D tr ΣN² + (n+1)t tr N² + t(tr N)² + 2(n+1) tr N tr ΣN}]."""
    return _square_root_claim("inside")


S11, S12, S22, nu_a, nu_b = sp.symbols("S11 S12 S22 nu_alpha nu_beta", real=True)
MIXED = Domain(
    {
        **dict.fromkeys((S11, S22), (Q(1, 2), 4)),
        S12: (-1, 1),
        **dict.fromkeys((nu_a, nu_b), (Q(1, 20), 1)),
        **{x: POINT.interval(x) for x in (t, n, tau, sigma)},
    }
)


def stationarity_matrix(query: str) -> sp.Matrix:
    """∇_Y R Yᵀ on two eigenvectors of N, with t, τ = tr N and σ = tr ΣN as symbols."""
    Sigma, general = sp.MatrixSymbol("Sigma", d, d), in_square_root(Y * Y.T, S, query)
    slope = matrix_gradient(general, Y, known=frozenset({Sigma}))
    names = {trace: {0: tau, 1: sigma}[trace.count(Sigma)] for trace in slope.atoms(tr) if trace.has(Y)}
    explicit = {
        Sigma: sp.ImmutableMatrix([[S11, S12], [S12, S22]]),
        Y: sp.ImmutableMatrix([[sp.sqrt(nu_a), 0], [0, sp.sqrt(nu_b)]]),
    }
    found = slope.xreplace({**names, tr(Sigma): t}).xreplace(explicit).xreplace({d: sp.Integer(2), k: sp.Integer(2)})
    return sp.Matrix(found.doit() * explicit[Y].T)


@claim(on=MIXED, by=EXACT, source=DERIVED)
def stationarity_in_the_eigenbasis_of_n_fresh():
    """∇R = 0 reads, in an eigenbasis of N with a = 1 + 1/n, b = t/n: Σ_αβ ν_β[a(ν_α + ν_β) − 2] = 0 off the
    diagonal, and 2ν_α[(aΣ_αα + b)ν_α − Σ_αα] = 0 on it."""
    a, b = 1 + 1 / n, t / n
    found = stationarity_matrix("fresh")
    bracket = a * (nu_a + nu_b) - 2
    expected = [
        [2 * nu_a * ((a * S11 + b) * nu_a - S11), S12 * nu_b * bracket],
        [S12 * nu_a * bracket, 2 * nu_b * ((a * S22 + b) * nu_b - S22)],
    ]
    return equal(found, sp.Matrix(expected))


@claim(on=MIXED, by=EXACT, source=DERIVED)
def stationarity_in_the_eigenbasis_of_n_inside():
    """With the query inside: Σ_αβ ν_β[D(ν_α + ν_β) + 2(n+1)τ − 2n(n+1)]/n² = 0 off the diagonal, and on it
    2ν_α[DΣ_αα ν_α + (n+1)tν_α + tτ + (n+1)(σ + τΣ_αα) − n(n+1)Σ_αα − nt]/n² = 0."""
    found = stationarity_matrix("inside")
    return equal(
        found,
        sp.Matrix(
            [
                [2 * nu_a * diagonal(S11, nu_a), S12 * nu_b * bracket(nu_a, nu_b)],
                [S12 * nu_a * bracket(nu_a, nu_b), 2 * nu_b * diagonal(S22, nu_b)],
            ]
        )
        / n**2,
    )


def bracket(one: sp.Expr, other: sp.Expr) -> sp.Expr:
    """D(ν_α + ν_β) + 2(n+1)τ − 2n(n+1)."""
    return D * (one + other) + 2 * (n + 1) * tau - 2 * n * (n + 1)


def diagonal(s: sp.Expr, nu: sp.Expr) -> sp.Expr:
    """The equation for ν with the query inside, times n²."""
    return D * s * nu + (n + 1) * t * nu + t * tau + (n + 1) * (sigma + tau * s) - n * (n + 1) * s - n * t


@claim(on=MIXED, by=EXACT, source=DERIVED)
def the_bracket_is_not_zero_fresh():
    """With ν = Σ_αα/(aΣ_αα + b) on the diagonal, 2 − a(ν_α + ν_β) = b/(aΣ_αα + b) + b/(aΣ_ββ + b) > 0, and against an
    eigenvalue ν_α = 0 it is 1 + b/(aΣ_ββ + b). At n = ∞, b = 0, all ν are 1 or 0."""
    a, b = 1 + 1 / n, t / n
    first, second = (s / (a * s + b) for s in (S11, S22))
    return equal(
        [2 - a * (first + second), 2 - a * second],
        [b / (a * S11 + b) + b / (a * S22 + b), 1 + b / (a * S22 + b)],
    )


@claim(on=MIXED, by=EXACT, source=DERIVED)
def the_bracket_is_not_zero_inside():
    """Where the bracket vanishes, the two diagonal equations differ by ½(ν_α − ν_β)[D(Σ_αα + Σ_ββ) + 2(n+1)t], so that
    both hold only for ν_α = ν_β."""
    vanishing = {tau: sp.solve(bracket(nu_a, nu_b), tau)[0]}
    difference = diagonal(S11, nu_a) - diagonal(S22, nu_b)
    return equal(
        difference.subs(vanishing),
        (nu_a - nu_b) / 2 * (D * (S11 + S22) + 2 * (n + 1) * t),
    )


@claim(on=MIXED, by=EXACT, source=DERIVED)
def the_bracket_against_a_zero():
    """Where the bracket vanishes with ν_α = 0, the diagonal equation of β reads ½Dν_βΣ_ββ + tν_β(n+2)(n−1)/(2(n+1))
    + (n+1)σ = 0, a sum of terms of which none is negative and the first is positive."""
    vanishing = {tau: sp.solve(bracket(0, nu_b), tau)[0]}
    return equal(
        diagonal(S22, nu_b).subs(vanishing),
        D * nu_b * S22 / 2 + t * nu_b * (n + 2) * (n - 1) / (2 * (n + 1)) + (n + 1) * sigma,
    )


# --- 2. which ν ----------------------------------------------------------------------------


@claim(on=POINT, by=EXACT, source=f"{DERIVED}; for n = ∞ Baldi, Hornik (1989) and {PAPER}")
def shrinkage_with_a_fresh_query():
    """A direction that is used has ν_i = s_i/γ_i, γ_i = (1 + 1/n)s_i + t/n, whatever the others do; at n = ∞ ν_i =
    1, and M is the projector on the subset."""
    return equal([nu_at("fresh"), nu_at("mean field")], [s1 / gamma(s1), 1])


@claim(on=POINT, by=EXACT, source=DERIVED)
def equation_with_the_query_inside():
    """D s_i ν_i + (n+1)tν_i + tτ + (n+1)(σ + τs_i) = n(n+1)s_i + nt for every i in I, τ = Σ ν_j, σ = Σ s_j ν_j."""
    return equal(n**2 * eigenbasis("inside").stationarity, diagonal(s1, nu1))


P0, P1, P2 = sp.symbols("P0 P1 P2", positive=True)
"""P_j = Σ_I s_iʲ/(Ds_i + (n+1)t)."""

OFFSET = (t - (n + 1) ** 2 * P2) / (1 + (n + 1) * P1)
AMOUNT = n / (1 + (n + 1) * P1 + OFFSET * P0)


def solution_inside(s: sp.Expr) -> sp.Expr:
    """ν of a direction with the query inside: A((n+1)s + c)/(Ds + (n+1)t)."""
    return AMOUNT * ((n + 1) * s + OFFSET) / (D * s + (n + 1) * t)


SUMS = Domain({**{x: POINT.interval(x) for x in (s1, t, n)}, **dict.fromkeys((P0, P1, P2), (Q(1, 10), 1))})


@claim(on=SUMS, by=EXACT, source=DERIVED)
def shrinkage_with_the_query_inside():
    """The equations of a subset of any size have the solution ν_i = A((n+1)s_i + c)/(Ds_i + (n+1)t), where
    P_j = Σ_I s_iʲ/(Ds_i + (n+1)t), c = (t − (n+1)²P₂)/(1 + (n+1)P₁), A = n/(1 + (n+1)P₁ + cP₀) = n − τ."""
    sums = {
        tau: AMOUNT * ((n + 1) * P1 + OFFSET * P0),  # Σ ν_i
        sigma: AMOUNT * ((n + 1) * P2 + OFFSET * P1),  # Σ s_i ν_i
    }
    return equal([diagonal(s1, solution_inside(s1)).subs(sums), n - sums[tau]], [0, AMOUNT])


@claim(on=Domain({**dict(SUMS.intervals), s2: (Q(1, 10), 4)}), by=EXACT, source=DERIVED)
def every_subset_is_stationary():
    """c > 0, so that no ν_i is ever negative: f(w) = w²/(Dw + n + 1) has f″ = 2(n+1)²/(Dw + n + 1)³ > 0 and
    1 − (n+1)²f(1) = (2n + 4)/(n² + 4n + 5) > 0, and c(1 + (n+1)P₁)/t = 1 − (n+1)² Σ f(s_i/t)."""
    f = s1**2 / (D * s1 + n + 1)
    each = s2**2 / (D * s2 + (n + 1) * t)  # a term of P₂
    return equal(
        [f.diff(s1, 2), 1 - (n + 1) ** 2 * f.subs(s1, 1), each / t, OFFSET * (1 + (n + 1) * P1) / t],
        [
            2 * (n + 1) ** 2 / (D * s1 + n + 1) ** 3,
            (2 * n + 4) / (n**2 + 4 * n + 5),
            f.subs(s1, s2 / t),
            1 - (n + 1) ** 2 * P2 / t,
        ],
    )


@claim(on=POINT, by=EXACT, source=DERIVED)
def shrinkage_of_one_direction_with_the_query_inside():
    """For |I| = 1: ν_i = n((n+1)s_i + t)/((n+2)((n+3)s_i + t))."""
    alone = sp.solve(diagonal(s1, nu1).subs({tau: nu1, sigma: s1 * nu1}), nu1)
    return equal(alone, [n * ((n + 1) * s1 + t) / ((n + 2) * ((n + 3) * s1 + t))])


@claim(on=POINT, by=EXACT, source=DERIVED, expected="refuted")
def the_trained_layer_is_a_projector():
    """At finite n too the trained tied head has ν_i = 1, as at n = ∞."""
    return equal(nu_at("fresh"), 1)


# --- 3. the Hessian ------------------------------------------------------------------------


def _blocks_claim(query: str) -> Identity:
    found = eigenbasis(query)
    entries = [*found.rest, found.idle - 2 * s1 * found.stationarity]
    return equal(entries, [0] * len(entries))


@claim(on=POINT, by=EXACT, source=DERIVED)
def blocks_of_the_hessian():
    """The Hessian at a subset couples the lengths of the used directions, the two entries that rotate one used
    direction into another, and nothing else; rotations into unused columns are flat. For n = ∞, a fresh query, and the
    query inside."""
    parts = [_blocks_claim(query) for query in ("mean field", "fresh", "inside")]
    return equal(
        [lhs for part in parts for lhs, _ in part.components()], [rhs for part in parts for _, rhs in part.components()]
    )


def at_fresh(expr: sp.Expr) -> sp.Expr:
    """At the stationary ν of a fresh query."""
    return expr.subs({nu1: s1 / gamma(s1), nu2: s2 / gamma(s2)})


@claim(on=POINT, by=EXACT, source=DERIVED)
def spectrum_of_the_hessian_with_a_fresh_query():
    """−2s_j² for each unused column and j outside; s_j(s_i − s_j)((1+1/n)s_i + 2t/n)/γ_i for i in I, j outside;
    4s_i²; and for each pair in I zero and s_i s_j(2 + ρ + 1/ρ), ρ = γ_j/γ_i; zero else."""
    found = eigenbasis("fresh")
    rho = gamma(s2) / gamma(s1)
    swapped = found.pair.subs({s1: s2, s2: s1, nu1: nu2, nu2: nu1}, simultaneous=True)
    return equal(
        [at_fresh(x) for x in (found.unused, found.cross, found.own, found.other)]
        + [at_fresh(found.pair + swapped), at_fresh(found.pair * swapped - found.mixed**2)],
        [
            -2 * s3**2,
            s3 * (s1 - s3) * ((1 + 1 / n) * s1 + 2 * t / n) / gamma(s1),
            4 * s1**2,
            0,
            s1 * s2 * (2 + rho + 1 / rho),
            0,
        ],
    )


@claim(on=POINT, by=EXACT, source=f"{DERIVED}; cf. Baldi, Hornik (1989)")
def spectrum_of_the_hessian_with_infinitely_many_tokens():
    """−2s_j², s_j(s_i − s_j), 4s_i², and for each pair in I zero and (s_i + s_j)²."""
    found, at = eigenbasis("mean field"), {nu1: 1, nu2: 1}
    swapped = found.pair.subs({s1: s2, s2: s1, nu1: nu2, nu2: nu1}, simultaneous=True)
    entries = [found.unused, found.cross, found.own, found.other, found.pair + swapped]
    return equal(
        [x.subs(at) for x in (*entries, found.pair * swapped - found.mixed**2)],
        [-2 * s3**2, s3 * (s1 - s3), 4 * s1**2, 0, (s1 + s2) ** 2, 0],
    )


@claim(on=POINT, by=EXACT, source=DERIVED)
def directions_of_descent_with_the_query_inside():
    """At a stationary point, A = n − τ: an unused column has −2s_j((n+1)s_jA + tA − (n+1)σ)/n², negative as its
    bracket is what ν_j is proportional to; against j outside i has s_j(s_i − s_j)(2(n+1)A − Dν_i)/n², of the sign
    of s_i − s_j."""
    found, remaining = eigenbasis("inside"), n - tau
    at = {sigma: sp.solve(diagonal(s1, nu1), sigma)[0]}
    return equal(
        [found.unused, found.cross.subs(at)],
        [
            -2 * s3 * ((n + 1) * s3 * remaining + t * remaining - (n + 1) * sigma) / n**2,
            s3 * (s1 - s3) * (2 * (n + 1) * remaining - D * nu1) / n**2,
        ],
    )


@claim(on=POINT, by=EXACT, source=DERIVED)
def the_factor_is_positive():
    """(2(n+1)A − Dν_i)(Ds_i + (n+1)t) = (n+1)ADs_i + (n+2)(n−1)At + (n+1)Dσ > 0 at a stationary point."""
    remaining = n - tau
    nu = sp.solve(diagonal(s1, nu1), nu1)[0]
    return equal(
        (2 * (n + 1) * remaining - D * nu) * (D * s1 + (n + 1) * t),
        (n + 1) * remaining * D * s1 + (n + 2) * (n - 1) * remaining * t + (n + 1) * D * sigma,
    )


@claim(on=POINT, by=EXACT, source=DERIVED)
def hessian_of_one_direction_with_the_query_inside():
    """For |I| = 1 the length has 4s_i((n+1)s_i + t)/n, and j outside s_j(s_i − s_j)((n+1)(n+3)s_i +
    (n−1)t)/(n((n+3)s_i + t))."""
    found = eigenbasis("inside")
    alone = n * ((n + 1) * s1 + t) / ((n + 2) * ((n + 3) * s1 + t))
    at = {nu1: alone, tau: alone, sigma: s1 * alone}
    across = s3 * (s1 - s3) * ((n + 1) * (n + 3) * s1 + (n - 1) * t) / (n * ((n + 3) * s1 + t))
    return equal(
        [found.own.subs(at), found.cross.subs(at)],
        [4 * s1 * ((n + 1) * s1 + t) / n, across],
    )


@claim(on=POINT, by=EXACT, source=DERIVED)
def a_repeated_eigenvalue_makes_a_family():
    """Between two directions of one eigenvalue, one used and one not, the Hessian is zero at a stationary point:
    the subset stands for a Grassmannian of stationary points. For n = ∞, a fresh query, and the query inside."""
    found = {query: eigenbasis(query) for query in ("mean field", "fresh", "inside")}
    solved = [each.cross.subs(s3, s1).subs(nu1, sp.solve(each.stationarity, nu1)[0]) for each in found.values()]
    return equal(solved, [0, 0, 0])


# --- the order of the risks ----------------------------------------------------------------


def value_on_two_axes(query: str) -> sp.Expr:
    """The derived risk at W = (√(ν₁/s₁) e₁, √(ν₂/s₂) e₂, 0), t being a symbol."""
    return at_axes(tied(query).expr, HEAD).subs({tau: nu1 + nu2, sigma: s1 * nu1 + s2 * nu2})


@claim(on=POINT, by=EXACT, source=DERIVED)
def risk_of_a_subset_with_a_fresh_query():
    """R_I = ½[t − Σ_I s_i²/γ_i]; at n = ∞ it is half the sum of the eigenvalues that are left out."""
    return equal(
        [at_fresh(value_on_two_axes("fresh")), value_on_two_axes("mean field").subs({nu1: 1, nu2: 1})],
        [(t - s1**2 / gamma(s1) - s2**2 / gamma(s2)) / 2, (t - s1 - s2) / 2],
    )


@claim(on=POINT, by=EXACT, source=DERIVED)
def risk_of_a_subset_with_the_query_inside():
    """R_I = ½[t − Σ_I ν_i((1 + 1/n)s_i + t/n)]: for any ν the risk is that plus ½n⁻² Σ_I ν_i times the equation for
    ν_i."""
    sums = {tau: nu1 + nu2, sigma: s1 * nu1 + s2 * nu2}
    equations = (nu1 * diagonal(s1, nu1) + nu2 * diagonal(s2, nu2)).subs(sums)
    gain = nu1 * gamma(s1) + nu2 * gamma(s2)
    return equal(value_on_two_axes("inside"), (t - gain + equations / n**2) / 2)


@claim(on=POINT, by=EXACT, source=DERIVED)
def the_leading_subset_is_best_with_a_fresh_query():
    """The gain s²/γ of a direction grows with s: its slope is s((1 + 1/n)s + 2t/n)/γ² > 0."""
    return equal((s1**2 / gamma(s1)).diff(s1), s1 * ((1 + 1 / n) * s1 + 2 * t / n) / gamma(s1) ** 2)


@claim(on=POINT, by=EXACT, source=DERIVED)
def the_leading_subset_is_best_with_the_query_inside():
    """At fixed ν and t the risk of a subset has ∂R/∂s_i = −ν_i(2(n+1)A − Dν_i)/(2n²), negative at a stationary
    point: by the envelope theorem a larger eigenvalue in the place of a smaller one lowers the risk."""
    slope = value_on_two_axes("inside").diff(s1)
    return equal(slope, -nu1 * (2 * (n + 1) * (n - nu1 - nu2) - D * nu1) / (2 * n**2))


@claim(on=Domain({s1: (Q(1, 10), 4), t: (Q(1, 10), 20)}), by=[SymbolicIdentity()], source=DERIVED)
def the_two_queries_agree_for_long_prompts():
    """At the projector on one direction n(R_inside − R_fresh) tends to s₁ − t: the query inside helps, and at first
    order in 1/n as much as there is variance elsewhere."""
    length = sp.Symbol("n", positive=True)
    pair = [value_on_two_axes(query).subs({nu1: 1, nu2: 0}).subs(n, length) for query in ("inside", "fresh")]
    return Limit(sp.cancel(length * (pair[0] - pair[1])), length, sp.oo, s1 - t)


# --- counts --------------------------------------------------------------------------------


def rank_one_gradient(query: str, size: int) -> tuple[tuple[sp.Expr, ...], tuple[sp.Symbol, ...]]:
    """The gradient of the tied risk of rank one in the eigenbasis of Σ = Diag(s₁, …, s_d), with t = Σ s_i."""
    u = sp.symbols(f"u1:{size + 1}", real=True)
    head, covariance = sp.Matrix(u), sp.diag(*(s1, s2, s4)[:size])
    sums = {t: covariance.trace(), tau: (head.T * covariance * head)[0], sigma: (head.T * covariance**2 * head)[0]}
    slope = at_axes(gradient_in(query, W), head, covariance).subs(sums)
    return tuple(sp.expand(entry) for entry in slope), u


def _count(query: str, size: int) -> StationaryCount:
    """Zero, and plus and minus each shrunk eigenvector; natures by the order s₁ > s₂ > s₄."""
    field, u = rank_one_gradient(query, size)
    s = (s1, s2, s4)[:size]
    points, natures = [dict.fromkeys(u, sp.Integer(0))], [Nature.MAXIMUM]
    alone = sp.solve(eigenbasis(query).stationarity.subs({tau: nu1, sigma: s1 * nu1}), nu1)[0]
    for i, each in enumerate(s):
        nu = alone.subs({s1: each, t: sp.Add(*s)}, simultaneous=True)
        for sign in (1, -1):
            points.append({x: sign * sp.sqrt(nu / each) if j == i else sp.Integer(0) for j, x in enumerate(u)})
            natures.append(Nature.MINIMUM if i == 0 else Nature.SADDLE)
    box = tuple((x, (sp.Integer(-3), sp.Integer(3))) for x in u)
    return StationaryCount(field, u, box, tuple(points), tuple(natures), 2 * size + 1)


ORDERED = Domain({s1: (2, 4), s2: (1, Q(7, 4)), s4: (Q(1, 4), Q(3, 4)), n: (1, 40)})


@claim(on=ORDERED, by=[CertifiedZeros(points=2, of_gradient=True)], source=f"{PAPER} (second-hand); {DERIVED}")
def seven_stationary_points_with_infinitely_many_tokens():
    """At n = ∞ and d = 3 a head of rank one has exactly seven: zero, a maximum; ± the leading eigenvector, minima;
    and ± the two others, saddles."""
    return _count("mean field", 3)


@claim(on=ORDERED, by=[CertifiedZeros(points=2, of_gradient=True)], source=DERIVED)
def seven_stationary_points_with_a_fresh_query():
    """With a fresh query and d = 3 a head of rank one has exactly seven, each eigenvector shrunk by s_i/γ_i."""
    return _count("fresh", 3)


@claim(on=ORDERED, by=[CertifiedZeros(points=2, of_gradient=True)], source=DERIVED)
def seven_stationary_points_with_the_query_inside():
    """With the query inside and d = 3 a head of rank one has exactly seven, with the same natures."""
    return _count("inside", 3)


def _count_of_full_rank(query: str) -> StationaryCount:
    """B = WWᵀ of rank d = 2 is free to move among symmetric matrices: the gradient in its three entries."""
    x, y, z = sp.symbols("b11 b22 b12", real=True)
    risk = (fresh_risk if query == "fresh" else inside_risk)()
    explicit = {B: [[x, z], [z, y]], V: [[1, 0], [0, 1]], S: [[s1, 0], [0, s2]]}
    at = {symbol: sp.ImmutableMatrix(matrix) for symbol, matrix in explicit.items()}
    expr = sp.expand(risk.expr.xreplace(at | {d: sp.Integer(2)}).doit())
    sums = {tau: nu1 + nu2, sigma: s1 * nu1 + s2 * nu2, t: s1 + s2}
    equation = eigenbasis(query).stationarity.subs(sums)
    swapped = equation.subs({s1: s2, s2: s1, nu1: nu2, nu2: nu1}, simultaneous=True)
    nu = sp.solve([equation, swapped], [nu1, nu2])
    point = {x: nu[nu1] / s1, y: nu[nu2] / s2, z: sp.Integer(0)}
    box = tuple((entry, (sp.Integer(-4), sp.Integer(4))) for entry in (x, y, z))
    return StationaryCount(
        tuple(expr.diff(entry) for entry in (x, y, z)), (x, y, z), box, (point,), (Nature.MINIMUM,), 1
    )


@claim(on=ORDERED, by=[CertifiedZeros(points=2, of_gradient=True)], source=DERIVED)
def one_stationary_point_of_full_rank_with_a_fresh_query():
    """With a fresh query and d = k = 2 there is exactly one stationary WWᵀ of full rank, and it is the minimum.
    With the heads of rank one, and zero, these are all."""
    return _count_of_full_rank("fresh")


@claim(on=ORDERED, by=[CertifiedZeros(points=2, of_gradient=True)], source=DERIVED)
def one_stationary_point_of_full_rank_with_the_query_inside():
    """With the query inside and d = k = 2 there is exactly one stationary WWᵀ of full rank, and it is the minimum."""
    return _count_of_full_rank("inside")


# --- descent -------------------------------------------------------------------------------

x1, x2, y1, y2 = sp.symbols("x1 x2 y1 y2", real=True)
time, w0 = sp.symbols("T w0", positive=True)
FLOW = Domain(
    {
        **{s: POINT.interval(s) for s in (s1, s2, t, n)},
        **dict.fromkeys((x1, x2, y1, y2), (-2, 2)),
        time: (0, 2),
        w0: (0, 1),
    }
)


def flow(query: str, head: sp.Matrix) -> dict[sp.Symbol, sp.Expr]:
    """Ẇ = −∇R for two axes, t, τ and σ of the two axes alone."""
    covariance = sp.diag(s1, s2)
    P = head * head.T * covariance
    sums = {tau: P.trace(), sigma: (P * covariance).trace()}
    slope = at_axes(gradient_in(query, W), head, covariance).subs(sums)
    return {head[i, j]: -sp.expand(slope[i, j]) for i in range(head.rows) for j in range(head.cols)}


@claim(on=FLOW, by=EXACT, source=DERIVED)
def descent_from_a_diagonal_start():
    """From W = Diag(w₀) in the eigenbasis and with a fresh query each direction follows its own logistic equation:
    w_i²(T) = w₀² e^{4s_i²T}/(1 + γ_i w₀²(e^{4s_i²T} − 1)), so that it is learned at the rate 4s_i²."""
    moved = dict.fromkeys((y1, y2), 0)
    velocity = flow("fresh", sp.Matrix([[x1, y1], [y2, x2]]))[x1].subs(moved)
    growth = sp.exp(4 * s1**2 * time)
    square = w0**2 * growth / (1 + gamma(s1) * w0**2 * (growth - 1))
    rate = 2 * sp.expand(x1 * velocity)
    return equal(square.diff(time), rate.subs(x1, sp.sqrt(square)))


@claim(on=FLOW, by=EXACT, source=DERIVED)
def descent_does_not_find_what_it_was_not_given():
    """A direction of which W has no part at the start stays out, for every rank, a fresh query and the query inside:
    {w₁ = 0} is invariant. With rank one the signs of ⟨u_i, w⟩ are kept."""
    head = sp.Matrix([[x1, y1], [x2, y2]])
    fields = [flow(query, head) for query in ("fresh", "inside")]
    parts = [identity for field in fields for identity in Invariant(field, {x1: 0, y1: 0}).identities()]
    return equal([part.lhs for part in parts], [part.rhs for part in parts])


@claim(on=FLOW, by=EXACT, source=DERIVED)
def the_leading_direction_wins():
    """With rank one and a fresh query log|w₁|/s₁ − log|w₂|/s₂ grows at the rate (s₁ − s₂)(2 − (1 + 1/n)p), p =
    wᵀΣw; near every stationary point (1 + 1/n)p < 1. So descent ends at the leading eigenvector of those that the
    start holds."""
    velocity = flow("fresh", sp.Matrix([x1, x2]))
    p = s1 * x1**2 + s2 * x2**2
    return equal(
        velocity[x1] / (x1 * s1) - velocity[x2] / (x2 * s2),
        (s1 - s2) * (2 - (1 + 1 / n) * p),
    )


@claim(on=FLOW, by=EXACT, source=DERIVED)
def untied_scores_keep_their_balance():
    """Training K and Q of B = KᵀQ conserves KKᵀ − QQᵀ, for rank one ‖K‖² − ‖Q‖²."""
    scores = sp.Matrix([x1, x2]) * sp.Matrix([[y1, y2]])
    explicit = {B: scores, V: sp.eye(2), S: sp.diag(s1, s2)}
    at = {symbol: sp.ImmutableMatrix(matrix) for symbol, matrix in explicit.items()}
    loss = sp.expand(fresh_risk().expr.xreplace(at | {d: sp.Integer(2)}).doit())
    return Conserved({v: -loss.diff(v) for v in (x1, x2, y1, y2)}, x1**2 + x2**2 - y1**2 - y2**2)


claims = tuple(item for item in list(globals().values()) if isinstance(item, Claim))
