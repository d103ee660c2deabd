"""Claims on a head of rank one whose direction has norm one: where attention does not find the principal component.

The score is λ⟨μ, x⟩⟨μ, y⟩ with ‖μ‖ = 1, n = ∞, s₁ ≥ … ≥ s_d > 0. With the weights a_i = ⟨u_i, μ⟩², p = Σ a_i s_i and
r = Σ a_i s_i²,

    R = ½[t − 2λr + λ²pr] = ½[t + λr(λp − 2)]

Let S = s₁ + s_d, P = s₁s_d, p* = 1/λ + P/(2S). As λ grows the minimum goes through three phases:

    λ ≤ λ_c = 2S/(s₁(2s₁ + s_d))            u₁, the principal component
    λ_c < λ < λ_d = 2S/(s_d(s₁ + 2s_d))     a mixture of u₁ and u_d, the first and the *last*, with p = p*
    λ ≥ λ_d                                  u_d, the last component

Each comes with an identity that writes the excess risk as a sum of terms of one sign (`excess_…`). They use that for a
given p the largest r is on the chord between s₁ and s_d: Sp − P − r = Σ a_i(s_i − s_d)(s₁ − s_i) ≥ 0, and that
p ≥ s_d, r ≥ s_d p. Where λp ≥ 2 the risk is at least ½t, which for λs_d < 2 the minimum is below; for λs_d ≥ 2
r(λp − 2) is smallest at u_d, where p and r both are.
"""

from __future__ import annotations

import sympy as sp

from proofs_check.boxes import CertifiedOnBox
from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, claim
from proofs_check.stationary_list_check import CertifiedList
from proofs_check.symbolic import SymbolicIdentity
from theory import Domain, Inequality, StationaryList, equal
from theory.notation import d, lam

from ._attention_pca_model import PAPER, B, S, V, mean_field_risk
from ._attention_pca_risks import DERIVED

__all__ = ["claims"]

Q = sp.Rational
EXACT = (SymbolicIdentity(), CertifiedNumerics(digits=25))

s1, s2, s3 = sp.symbols("s1:4", positive=True)  # s₂ stands for any between, s₃ for the smallest
a1, a2, p, r, t = sp.symbols("a1 a2 p r t", positive=True)
total, product = s1 + s3, s1 * s3
best_p = 1 / lam + product / (2 * total)
first_threshold = 2 * total / (s1 * (2 * s1 + s3))
last_threshold = 2 * total / (s3 * (s1 + 2 * s3))
share = (best_p - s3) / (s1 - s3)
"""The weight of u₁ in the mixture."""

SPECTRUM = {s1: (2, 3), s2: (1, Q(3, 2)), s3: (Q(1, 4), Q(3, 4))}
SPHERE = Domain({**SPECTRUM, lam: (Q(1, 10), 4)})
WEIGHTS = Domain(
    {**SPECTRUM, lam: (Q(1, 10), 4), a1: (0, Q(1, 2)), a2: (0, Q(1, 2)), p: (Q(1, 10), 3), r: (Q(1, 10), 9)}
)


def sphere_risk(spectrum: tuple, temperature: sp.Expr = lam) -> tuple[sp.Expr, tuple[sp.Symbol, ...]]:
    """The derived risk at B = λμμᵀ, V = I, Σ = Diag(spectrum), and the coordinates of μ; its norm is not used."""
    mu = sp.symbols(f"mu1:{len(spectrum) + 1}", real=True)
    column = sp.Matrix(mu)
    explicit = {B: temperature * column * column.T, V: sp.eye(len(mu)), S: sp.diag(*spectrum)}
    at = {symbol: sp.ImmutableMatrix(matrix) for symbol, matrix in explicit.items()}
    return sp.expand(mean_field_risk().expr.xreplace(at | {d: sp.Integer(len(mu))}).doit()), mu


def of_sums(p: sp.Expr, r: sp.Expr) -> sp.Expr:
    """λr(λp − 2), which is 2R − t."""
    return lam * r * (lam * p - 2)


@claim(on=WEIGHTS, by=EXACT, source=DERIVED)
def risk_in_two_sums():
    """R = ½[t + λr(λp − 2)] with p = Σ a_i s_i, r = Σ a_i s_i², a_i = μ_i²."""
    expr, mu = sphere_risk((s1, s2, s3))
    squares = dict(zip(mu, (sp.sqrt(a1), sp.sqrt(a2), sp.sqrt(1 - a1 - a2)), strict=True))
    weights = (a1, a2, 1 - a1 - a2)
    sums = [sum(a * s**power for a, s in zip(weights, (s1, s2, s3), strict=True)) for power in (1, 2)]
    return equal(expr.subs(squares), (s1 + s2 + s3 + of_sums(*sums)) / 2)


@claim(
    on=Domain({**dict(SPHERE.intervals), **dict.fromkeys(sp.symbols("mu1:4", real=True), (-1, 1))}),
    by=EXACT,
    source=DERIVED,
)
def at_most_two_eigenvalues_mix():
    """∂R/∂μ_j = μ_j[λ(λp − 2)s_j² + λ²rs_j], a quadratic in s_j: on the sphere it equals one constant times μ_j, so
    that a stationary μ holds at most two different eigenvalues."""
    expr, mu = sphere_risk((s1, s2, s3))
    spectrum = (s1, s2, s3)
    p, r = (sum(x**2 * s**power for x, s in zip(mu, spectrum, strict=True)) for power in (1, 2))
    expected = [x * (lam * (lam * p - 2) * s**2 + lam**2 * r * s) for x, s in zip(mu, spectrum, strict=True)]
    return equal([expr.diff(x) for x in mu], expected)


@claim(on=SPHERE, by=EXACT, source=DERIVED)
def where_two_eigenvectors_mix():
    """Eigenvectors of s₁ and s_j mix at p* = 1/λ + s₁s_j/(2(s₁ + s_j)), if that lies between s_j and s₁: the two
    slopes agree, and 2R − t = −λ(Sp* − P)(2 − λp*)."""
    S, P = s1 + s2, s1 * s2
    mixed = 1 / lam + P / (2 * S)
    r = S * mixed - P  # on the chord, as only two eigenvalues are used
    slopes = [lam * (lam * mixed - 2) * s**2 + lam**2 * r * s for s in (s1, s2)]
    return equal([slopes[0], of_sums(mixed, r)], [slopes[1], -lam * (S * mixed - P) * (2 - lam * mixed)])


@claim(on=SPHERE, by=EXACT, source=DERIVED)
def curvature_at_the_principal_component():
    """On the great circle from u₁ to u_j the risk has the second derivative λ(s₁ − s_j)[2(s₁ + s_j) − λs₁(2s₁ +
    s_j)] at u₁."""
    expr, mu = sphere_risk((s1, s2, s3))
    angle = sp.Symbol("alpha", real=True)
    along = expr.subs({mu[0]: sp.cos(angle), mu[1]: sp.sin(angle), mu[2]: 0})
    return equal(
        along.diff(angle, 2).subs(angle, 0),
        lam * (s1 - s2) * (2 * (s1 + s2) - lam * s1 * (2 * s1 + s2)),
    )


@claim(on=SPHERE, by=EXACT, source=DERIVED)
def the_smallest_eigenvalue_gives_the_threshold():
    """u₁ is a strict local minimum exactly for λ below 2(s₁ + s_j)/(s₁(2s₁ + s_j)), for every j; the bound grows
    with s_j, at the rate 2/(2s₁ + s_j)², so that the smallest eigenvalue decides: λ_c = 2(s₁ + s_d)/(s₁(2s₁ +
    s_d))."""
    bound = 2 * (s1 + s2) / (s1 * (2 * s1 + s2))
    return equal([bound.diff(s2), bound.subs(s2, s3)], [2 / (2 * s1 + s2) ** 2, first_threshold])


@claim(on=WEIGHTS, by=EXACT, source=DERIVED)
def the_chord():
    """Sp − P − r = Σ a_i(s_i − s_d)(s₁ − s_i) for weights that add to one: r lies below the chord from s_d to s₁."""
    weights = (a1, a2, 1 - a1 - a2)
    spectrum = (s1, s2, s3)
    p, r = (sum(a * s**power for a, s in zip(weights, spectrum, strict=True)) for power in (1, 2))
    gaps = sum(a * (s - s3) * (s1 - s) for a, s in zip(weights, spectrum, strict=True))
    return equal(total * p - product - r, gaps)


@claim(on=WEIGHTS, by=EXACT, source=DERIVED)
def excess_over_the_mixture():
    """2(R − R*) = λ(2 − λp)(Sp − P − r) + λ²S(p − p*)² with R* at p*, r* = Sp* − P: nonnegative where λp ≤ 2, and p* is
    the least for s_d ≤ p* ≤ s₁."""
    chord = total * p - product
    excess = of_sums(p, r) - of_sums(best_p, total * best_p - product)
    return equal(excess, lam * (2 - lam * p) * (chord - r) + lam**2 * total * (p - best_p) ** 2)


@claim(on=WEIGHTS, by=EXACT, source=DERIVED)
def excess_over_the_principal_component():
    """2(R − R(u₁)) = λ(2 − λp)(Sp − P − r) + λ(s₁ − p)[2S − λs₁(2s₁ + s_d) + λS(s₁ − p)]: nonnegative for λ ≤ λ_c where
    λp ≤ 2, so that u₁ is the global minimum, not only a local one, up to λ_c."""
    excess = of_sums(p, r) - of_sums(s1, s1**2)
    chord = lam * (2 - lam * p) * (total * p - product - r)
    along = lam * (s1 - p) * (2 * total - lam * s1 * (2 * s1 + s3) + lam * total * (s1 - p))
    return equal(excess, chord + along)


@claim(on=WEIGHTS, by=EXACT, source=DERIVED)
def excess_over_the_last_component():
    """2(R − R(u_d)) = λ(2 − λp)(Sp − P − r) + λ(p − s_d)[λs_d(s₁ + 2s_d) − 2S + λS(p − s_d)]: nonnegative for λ ≥
    λ_d where λp ≤ 2, so that the *last* component is the global minimum from λ_d on."""
    excess = of_sums(p, r) - of_sums(s3, s3**2)
    chord = lam * (2 - lam * p) * (total * p - product - r)
    along = lam * (p - s3) * (lam * s3 * (s1 + 2 * s3) - 2 * total + lam * total * (p - s3))
    return equal(excess, chord + along)


@claim(on=SPHERE, by=EXACT, source=DERIVED)
def weight_of_the_mixture():
    """The weight α on u₁ solves (αs₁ + (1−α)s_d)(s₁ + s_d) + αs₁² + (1−α)s_d² = 2(s₁ + s_d)/λ; it is one at λ_c and
    zero at λ_d."""
    mixed = [share * s1**power + (1 - share) * s3**power for power in (1, 2)]
    return equal(
        [mixed[0] * total + mixed[1], share.subs(lam, first_threshold), share.subs(lam, last_threshold)],
        [2 * total / lam, 1, 0],
    )


@claim(
    on=Domain({s1: (2, 3), s3: (Q(1, 2), 1), lam: (Q(1, 10), 8)}, (lam > first_threshold,)),
    by=[CertifiedOnBox()],
    source="a secondary note: past λ_c the minimum mixes u₁ and u_d",
    expected="refuted",
)
def past_the_threshold_the_minimum_is_a_mixture():
    """For every λ > λ_c the minimum is a mixture of u₁ and u_d with a positive weight on u₁. From λ_d on it is u_d
    alone."""
    return Inequality(share, ">", 0)


@claim(
    on=Domain({s1: (2, 3), s3: (Q(1, 2), 1), lam: (Q(1, 10), 8)}, (lam > first_threshold,)),
    by=[CertifiedOnBox()],
    source="the principal component is what attention learns, read for directions of norm one",
    expected="refuted",
)
def the_sphere_finds_the_principal_component():
    """With ‖μ‖ = 1 no direction of norm one has a smaller risk than u₁, whatever λ is: u_d does not, for one."""
    return Inequality(of_sums(s3, s3**2), ">=", of_sums(s1, s1**2))


@claim(on=Domain({}), by=EXACT, source=DERIVED)
def a_mixture_of_the_first_and_the_last():
    """For Σ = Diag(2, 1/2, 1/5) and λ = 1 the least risk is ½(27/10 − 20/11), with the weights 49/99 on the first
    and 50/99 on the last eigenvector; the first alone gains nothing."""
    at = {s1: 2, s3: Q(1, 5), lam: 1}
    mixed = [share * s1**power + (1 - share) * s3**power for power in (1, 2)]
    return equal(
        [share.subs(at), -of_sums(*mixed).subs(at), of_sums(s1, s1**2).subs(at)],
        [Q(49, 99), Q(20, 11), 0],
    )


@claim(on=Domain({}), by=[CertifiedList(seconds=60)], source=f"{DERIVED}; {PAPER} treats the unconstrained direction")
def all_stationary_points_on_the_sphere():
    """For Σ = Diag(2, 1/2, 1/5) and λ = 1 the risk has exactly 14 stationary points on S²: the four mixtures of the
    first and the last eigenvector, which are the minima; four of the first and the second; and ± each
    eigenvector."""
    rows = [
        (4, 0, Q("0.440909")),  # first and last
        (4, 1, Q("0.55")),  # first and second
        (2, 1, Q("1.1625")),  # the second eigenvector
        (2, 2, Q("1.314")),  # the last
        (2, 2, Q("1.35")),  # the first: a maximum
    ]
    expr, mu = sphere_risk((sp.Integer(2), Q(1, 2), Q(1, 5)), sp.Integer(1))
    return StationaryList(expr, (mu,), rows)


claims = tuple(item for item in list(globals().values()) if isinstance(item, Claim))
