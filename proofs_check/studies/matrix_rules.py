"""The rules of the expectation engine for matrices: words, mixtures, labels, masks, tokens beside matrices, tilting.

Each rule is a sentence with its formula, typed by hand on the right; on the left stands `Expectation(…)`, which the
engine evaluates. Three kinds of evidence:

    Entrywise            the mean written out entry by entry and enumerated over the rationals, at random rational
                         parameters: no rule of the engine takes part, and the engine is held to it as well
    SymbolicIdentity     the engine's closed form and the typed one have one normal form, as words or index graphs
    CertifiedNumerics    means that are no polynomials, in two dimensions, against certified quadrature

Notation: X has n i.i.d. rows N(0, Σ), W = XᵀX, x ~ N(m, Σ); Z has rows from the mixture Σ_k w_k N(μ_k, Σ_k) with
labels C and counts N = Cᵀ1; M is a mask with P(observed) = ρ, z = M ∘ x, D = Diag(Σ).

References: L. Isserlis (1918); R. Muirhead, Aspects of Multivariate Statistical Theory (1982), and G. Letac,
H. Massam, All invariant moments of the Wishart distribution (2004), for the table of E Wᵏ, transcribed from memory;
G. Hillier, R. Kan (2024) for the recursion on partitions; N. Johnson, S. Kotz, N. Balakrishnan (1997) for factorial
moments; K. Lounici (2014) for the second moment under a mask.
"""

from __future__ import annotations

import sympy as sp

from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, Study, claim
from proofs_check.entrywise import Entrywise
from proofs_check.symbolic import SymbolicIdentity
from theory import (
    Derivation,
    Domain,
    E,
    Expectation,
    GaussianMatrix,
    GaussianVector,
    Gradient,
    Labels,
    Latent,
    Mask,
    MixtureMatrix,
    Symmetric,
    TokenGroup,
    Tokens,
    derive,
    dot,
    equal,
    gaussians,
    quad,
)
from theory.wick import wick, word_polynomial

__all__ = ["study"]

tr, had, I = sp.Trace, sp.HadamardProduct, sp.Identity
DERIVED = "derived here"

n, d, K = sp.symbols("n d K", integer=True, positive=True)
p, rho, s, t, a, b = sp.symbols("p rho s t a b", positive=True)
l = sp.Symbol("l", integer=True)
A, B, C, S, T, U, V = (sp.MatrixSymbol(name, d, d) for name in ("A", "B", "C", "Sigma", "T", "U", "V"))
P, Q = sp.MatrixSymbol("P", n, n), sp.MatrixSymbol("Q", n, n)
m, u, v, k = (sp.MatrixSymbol(name, d, 1) for name in ("m", "u", "v", "k"))
mu0, mu1 = sp.MatrixSymbol("mu_0", d, 1), sp.MatrixSymbol("mu_1", d, 1)
one_n, one_d = sp.OneMatrix(n, 1), sp.OneMatrix(d, 1)

X = GaussianMatrix("X", n, d, covariance=S)
Y = GaussianMatrix("Y", n, d)
x = GaussianVector("x", d, covariance=S)
y = GaussianVector("y", d, mean=m, covariance=S)
Z = MixtureMatrix("Z", n, d, weights=[p, 1 - p], means=[mu0, mu1], covariance=s)
M = Mask("M", d, rho)
D = sp.DiagonalMatrix(S)
W = X.T * X

EVERYWHERE = Domain({})
COVARIANCE = Domain({}, (Symmetric(S, is_covariance=True),))
PROBABILITY = Domain({p: (sp.Rational(1, 10), sp.Rational(9, 10))})
RATE = Domain({rho: (sp.Rational(1, 10), sp.Rational(9, 10))})


def sized(*pairs: tuple[int, int]) -> tuple[dict, ...]:
    """Sizes n and d."""
    return tuple({n: rows, d: columns} for rows, columns in pairs)


# Enumeration comes first, because a proof ends the search for other certain evidence, and enumeration is the one that
# does not share the engine.
VECTORS = (Entrywise([{d: 2}, {d: 3}]), SymbolicIdentity())
MATRICES = (Entrywise(sized((2, 2), (3, 1), (1, 3))), SymbolicIdentity())
LARGE = (Entrywise(sized((2, 1), (1, 2), (2, 2)), draws=1), SymbolicIdentity())


# --- Isserlis: words -------------------------------------------------------------------------


@claim(on=EVERYWHERE, by=VECTORS, source="Isserlis (1918)")
def two_quadratic_forms():
    """E (xᵀAx)(xᵀBx) = tr AΣ tr BΣ + tr AΣBΣ + tr AΣBᵀΣ, for general A and B."""
    return equal(Expectation(quad(x, A) * quad(x, B)), tr(A * S) * tr(B * S) + tr(A * S * B * S) + tr(A * S * B.T * S))


@claim(on=EVERYWHERE, by=VECTORS, expected="refuted", source="the formula for symmetric A, read for a general one")
def square_of_a_form_for_a_general_matrix():
    """E (xᵀAx)² = (tr AΣ)² + 2 tr AΣAΣ: true for symmetric A, false in general."""
    return equal(Expectation(quad(x, A) ** 2), tr(A * S) ** 2 + 2 * tr(A * S * A * S))


@claim(on=EVERYWHERE, by=VECTORS, source="Isserlis (1918)")
def three_quadratic_forms():
    """E (xᵀAx)(xᵀBx)(xᵀCx), for A + Aᵀ, B + Bᵀ, C + Cᵀ: five kinds of terms."""
    G, H, L = A + A.T, B + B.T, C + C.T

    def t2(F, R):
        return tr(F * S * R * S)

    return equal(
        Expectation(quad(x, G) * quad(x, H) * quad(x, L)),
        tr(G * S) * tr(H * S) * tr(L * S)
        + 2 * (tr(G * S) * t2(H, L) + tr(H * S) * t2(G, L) + tr(L * S) * t2(G, H))
        + 8 * tr(G * S * H * S * L * S),
    )


@claim(on=EVERYWHERE, by=VECTORS, source="Isserlis (1918), with a mean")
def quadratic_form_with_a_mean():
    """E (yᵀAy)² = (q + τ)² + tr AΣAΣ + tr AΣAᵀΣ + mᵀ(A + Aᵀ)Σ(A + Aᵀ)m, q = mᵀAm, τ = tr AΣ."""
    both = A + A.T
    return equal(
        Expectation(quad(y, A) ** 2),
        (quad(m, A) + tr(A * S)) ** 2 + tr(A * S * A * S) + tr(A * S * A.T * S) + dot(both * m, S * both * m),
    )


@claim(on=EVERYWHERE, by=VECTORS, source="Isserlis (1918)")
def odd_moments_with_a_mean():
    """E ⟨y, u⟩ yᵀAy = ⟨m, u⟩(mᵀAm + tr AΣ) + uᵀΣ(A + Aᵀ)m."""
    return equal(Expectation(dot(y, u) * quad(y, A)), dot(m, u) * (quad(m, A) + tr(A * S)) + dot(u, S * (A + A.T) * m))


@claim(on=EVERYWHERE, by=MATRICES, source="Muirhead (1982)")
def fourth_moment_of_a_gaussian_matrix():
    """E W A W = n² ΣAΣ + n ΣAᵀΣ + n tr(AΣ) Σ."""
    return equal(Expectation(W * A * W), n**2 * S * A * S + n * S * A.T * S + (n * tr(A * S)) * S)


@claim(on=EVERYWHERE, by=LARGE, source="Letac, Massam (2004), from memory")
def third_moment_of_a_wishart_matrix():
    """E W³ = (n³ + 3n² + 4n) Σ³ + 2n(n + 1) tr Σ Σ² + n(n + 1) tr Σ² Σ + n (tr Σ)² Σ."""
    return equal(
        Expectation(W**3),
        (n**3 + 3 * n**2 + 4 * n) * S**3
        + (2 * n * (n + 1) * tr(S)) * S**2
        + (n * (n + 1) * tr(S**2) + n * tr(S) ** 2) * S,
    )


WHITE = {
    1: n * d,
    2: n * d * (n + d + 1),
    3: n * d * (n**2 + d**2 + 3 * n * d + 3 * n + 3 * d + 4),
    4: n * d * (n**3 + d**3 + 6 * n**2 * d + 6 * n * d**2 + 6 * n**2 + 6 * d**2 + 17 * n * d + 21 * n + 21 * d + 20),
}


def white_moment(order: int) -> Claim:
    """A line of the table of E tr Wᵏ for Σ = I."""
    return Claim(
        f"trace-of-a-white-wishart-power-{order}",
        f"E tr (YᵀY)^{order} for Σ = I, as a polynomial in n and d.",
        lambda: equal(Expectation(tr((Y.T * Y) ** order)), WHITE[order]),
        EVERYWHERE,
        "Muirhead (1982), Letac, Massam (2004), from memory",
        LARGE,
    )


TABLE = tuple(white_moment(order) for order in WHITE)


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source="Hillier, Kan (2024) against Isserlis")
def partitions_and_words_agree():
    """E Wᵏ for k ≤ 5 and E tr(A W³) tr W: the recursion on partitions gives what the recursion on words gives."""
    cases = [*(W**order for order in range(1, 6)), tr(A * W**3) * tr(W)]
    polynomials = [word_polynomial(case) for case in cases]
    by_words = [wick(polynomial, by_partitions=False).expr() for polynomial in polynomials]
    scalar = [tr(C * value) if getattr(value, "is_Matrix", False) else value for value in by_words]
    means = [tr(C * E(case)) if getattr(case, "is_Matrix", False) else E(case) for case in cases]
    return equal(means, scalar)


@claim(on=EVERYWHERE, by=LARGE, source=DERIVED)
def moments_used_in_context():
    """E tr (W/n)A(W/n)B = tr ΣAΣB + (tr ΣAᵀΣB + tr AΣ tr ΣB)/n, the second moment of a prompt of n tokens."""
    return equal(
        Expectation(tr(W * A * W * B) / n**2),
        tr(S * A * S * B) + (tr(S * A.T * S * B) + tr(A * S) * tr(S * B)) / n,
    )


@claim(on=EVERYWHERE, by=LARGE, source=DERIVED)
def query_inside_the_prompt():
    """E ⟨X₀, A W X₀⟩ with X₀ a row of X: (n + 1) tr AΣ² + tr Σ tr AΣ, the query itself included."""
    first = X[0, :]
    return equal(Expectation(dot(first, A * W * first.T)), (n + 1) * tr(A * S**2) + tr(S) * tr(A * S))


@claim(on=EVERYWHERE, by=MATRICES, source="elementary: degrees of freedom")
def centering():
    """E Xᵀ(I − 11ᵀ/n)X = (n − 1) Σ, whatever the common mean is."""
    G = GaussianMatrix("G", n, d, mean=m, covariance=S)
    return equal(Expectation(G.T * (I(n) - sp.OneMatrix(n, n) / n) * G), (n - 1) * S)


@claim(on=EVERYWHERE, by=LARGE, source="Isserlis (1918)")
def three_independent_matrices():
    """E tr XᵀY A YᵀG B GᵀX = n tr A tr BT tr Σ for independent X, Y, G with n rows and covariances Σ, I, T."""
    G = GaussianMatrix("G", n, d, covariance=T)
    return equal(
        Expectation(tr(X.T * Y * A * Y.T * G * B * G.T * X)),
        n * tr(A) * tr(B * T) * tr(S),
    )


# --- gradients -------------------------------------------------------------------------------


@claim(on=COVARIANCE, by=VECTORS, source="elementary")
def gradient_of_traces():
    """∇_U [tr UΣUᵀV + tr(U ∘ A) + 1ᵀ(U ∘ U ∘ A)1] = VUΣ + VᵀUΣ + Diag(A) + 2 U ∘ A, for a general U."""
    f = tr(U * S * U.T * V) + tr(had(U, A)) + dot(one_d, had(U, U, A) * one_d)
    return equal(Gradient(f, U), V * U * S + V.T * U * S + sp.DiagonalMatrix(A) + 2 * had(U, A))


@claim(on=EVERYWHERE, by=(Entrywise([{d: 2}], draws=1), SymbolicIdentity()), source="elementary")
def gradient_of_an_inverse_and_a_determinant():
    """∇_U [tr U⁻¹A + det U] = −(U⁻¹AU⁻¹)ᵀ + det(U) U⁻ᵀ."""
    inverse = sp.Inverse(U)
    expected = -(inverse * A * inverse).T + sp.MatMul(sp.Determinant(U), inverse.T)
    return equal(Gradient(tr(inverse * A) + sp.Determinant(U), U), expected)


@claim(on=Domain({s: (0, sp.oo)}), by=VECTORS, source="elementary: the derivative of a resolvent")
def derivative_of_a_resolvent():
    """∂_s [s tr RB] = tr RB − s tr RRB for the resolvent R = (A + s I)⁻¹."""
    R = sp.Inverse(A + s * I(d))
    return equal(Gradient(s * tr(R * B), s), tr(R * B) - s * tr(R * R * B))


@claim(on=EVERYWHERE, by=VECTORS, source="Isserlis (1918); Stein (1981)")
def gradient_of_a_mean():
    """∇_k E (xᵀAx) ⟨x, k⟩² = 2 tr(AΣ) Σk + 2 Σ(A + Aᵀ)Σk."""
    mean = Expectation(quad(x, A) * dot(x, k) ** 2)
    return equal(Gradient(mean, k), 2 * tr(A * S) * S * k + 2 * S * (A + A.T) * S * k)


# --- mixtures and labels ---------------------------------------------------------------------


@claim(on=PROBABILITY, by=LARGE, source="elementary: the law of total expectation")
def second_moment_of_a_mixture():
    """E ZᵀZ = n (p μ₀μ₀ᵀ + (1 − p) μ₁μ₁ᵀ + s I)."""
    return equal(Expectation(Z.T * Z), n * (p * mu0 * mu0.T + (1 - p) * mu1 * mu1.T + s * I(d)))


@claim(on=PROBABILITY, by=LARGE, source=DERIVED)
def tokens_of_a_mixture_meet():
    """E Z U Zᵀ = (ē ᵀU ē) 11ᵀ + (E zᵀUz − ēᵀUē) I with the mean ē: only a token meets itself."""
    center = p * mu0 + (1 - p) * mu1
    own = p * quad(mu0, U) + (1 - p) * quad(mu1, U) + s * tr(U)
    mixed = dot(center, U * center)
    return equal(Expectation(Z * U * Z.T), mixed * sp.OneMatrix(n, n) + (own - mixed) * I(n))


def component(mu: sp.Expr, F: sp.Expr, G: sp.Expr) -> sp.Expr:
    """E (zᵀFz)(zᵀGz) for z ~ N(μ, s I) and symmetric F and G: q_F q_G + 4 s μᵀFGμ + 2 s² tr FG."""

    def q(R):
        return quad(mu, R) + s * tr(R)

    return q(F) * q(G) + 4 * s * dot(F * mu, G * mu) + 2 * s**2 * tr(F * G)


@claim(on=PROBABILITY, by=(Entrywise(sized((1, 2), (1, 3))), SymbolicIdentity()), source=DERIVED)
def fourth_moment_of_a_mixture():
    """E (zᵀFz)(zᵀGz) = Σ_k w_k [q_F q_G + 4s μ_kᵀFGμ_k + 2s² tr FG], q_F = μ_kᵀFμ_k + s tr F, F and G symmetric."""
    F, G, z = A + A.T, B + B.T, Z[0, :].T
    return equal(Expectation(quad(z, F) * quad(z, G)), p * component(mu0, F, G) + (1 - p) * component(mu1, F, G))


@claim(on=PROBABILITY, by=(Entrywise(sized((2, 2), (3, 1)), draws=1), SymbolicIdentity()), source=DERIVED)
def covariances_of_their_own():
    """E ZᵀPZ with a covariance for each component: tr P E zzᵀ + (1ᵀP1 − tr P) ēēᵀ."""
    R = MixtureMatrix("R", n, d, weights=[p, 1 - p], means=[mu0, 0], covariance=[S, T])
    own = p * (mu0 * mu0.T + S) + (1 - p) * T
    apart = dot(one_n, P * one_n) - tr(P)
    return equal(Expectation(R.T * P * R), tr(P) * own + (apart * p**2) * mu0 * mu0.T)


WEIGHTS, CENTERS = sp.MatrixSymbol("w", K, 1), sp.MatrixSymbol("mu", K, d)


@claim(
    on=EVERYWHERE,
    by=(Entrywise([{n: 2, d: 2, K: 2}, {n: 1, d: 2, K: 3}], draws=1), SymbolicIdentity()),
    source=DERIVED,
)
def any_number_of_components():
    """E tr(ZᵀZA)² for K components, K a symbol: sums over components are products with diag(w)."""
    R = MixtureMatrix("R", n, d, weights=WEIGHTS, means=CENTERS)
    q = sp.DiagonalOf(CENTERS * A * CENTERS.T)
    both = A + A.T
    mean = dot(WEIGHTS, q) + tr(A)
    return equal(
        Expectation(tr(R.T * R * A) ** 2),
        n * (n - 1) * mean**2
        + n
        * (
            dot(WEIGHTS, had(q, q))
            + 2 * tr(A) * dot(WEIGHTS, q)
            + tr(A) ** 2
            + dot(WEIGHTS, sp.DiagonalOf(CENTERS * both * both * CENTERS.T))
            + tr(A * A)
            + tr(A * A.T)
        ),
    )


LABELS = Labels("C", n, WEIGHTS)


@claim(
    on=EVERYWHERE,
    by=(Entrywise([{n: 2, K: 2}, {n: 3, K: 3}], draws=1), SymbolicIdentity()),
    source="Johnson, Kotz, Balakrishnan (1997)",
)
def second_moments_of_multinomial_counts():
    """E NNᵀ = n Diag(w) + n(n − 1) wwᵀ for the counts N = Cᵀ1."""
    counts = LABELS.T * one_n
    return equal(Expectation(counts * counts.T), n * sp.DiagMatrix(WEIGHTS) + (n * (n - 1)) * WEIGHTS * WEIGHTS.T)


@claim(
    on=PROBABILITY,
    by=(Entrywise([{n: 2}, {n: 4}], draws=1), SymbolicIdentity()),
    source="Johnson, Kotz, Balakrishnan (1997)",
)
def factorial_moments_of_multinomial_counts():
    """E N₀(N₀ − 1)(N₀ − 2) N₁ = n(n − 1)(n − 2)(n − 3) p³(1 − p)."""
    counts = Labels("L", n, [p, 1 - p]).T * one_n
    first, second = (sp.MatMul(sp.Matrix([[1 - i, i]]).as_immutable(), counts) for i in range(2))
    N0, N1 = tr(first), tr(second)
    return equal(Expectation(N0 * (N0 - 1) * (N0 - 2) * N1), n * (n - 1) * (n - 2) * (n - 3) * p**3 * (1 - p))


# --- masks -----------------------------------------------------------------------------------

z = had(M, x)


@claim(on=RATE, by=VECTORS, source="Lounici (2014)")
def second_moment_under_a_mask():
    """E zzᵀ = ρ (ρΣ + (1 − ρ) D)."""
    return equal(Expectation(z * z.T), rho**2 * S + (rho * (1 - rho)) * D)


@claim(on=EVERYWHERE, by=VECTORS, source="elementary: exchangeable masks")
def masks_of_any_exchangeable_law():
    """E (m ∘ x)(m ∘ x)ᵀ = r₂ Σ + (r₁ − r₂) D with r_j = P(j given entries are observed)."""
    r1, r2 = sp.symbols("r1 r2", positive=True)
    mask = Mask("m", d, moments=[r1, r2])
    return equal(Expectation(had(mask, x) * had(mask, x).T), r2 * S + (r1 - r2) * D)


@claim(
    on=EVERYWHERE,
    by=(Entrywise([{d: 2}, {d: 4}]), SymbolicIdentity()),
    source="elementary: sampling without replacement",
)
def a_fixed_number_of_observed_entries():
    """E mmᵀ = k(k − 1)/(d(d − 1)) 11ᵀ + k(d − k)/(d(d − 1)) I for exactly k = 2 observed entries."""
    mask = Mask("m", d, size=2)
    return equal(
        Expectation(mask * mask.T),
        (2 / (d * (d - 1))) * sp.OneMatrix(d, d) + (2 * (d - 2) / (d * (d - 1))) * I(d),
    )


@claim(on=Domain({a: (1, 5), b: (1, 5)}), by=VECTORS, source="elementary: moments of the Beta law")
def a_random_rate():
    """E m mᵀ for a rate from Beta(a, b): a(a + 1)/((a + b)(a + b + 1)) off the diagonal, a/(a + b) on it."""
    mask = Mask("m", d, rate=(a, b))
    pair, single = a * (a + 1) / ((a + b) * (a + b + 1)), a / (a + b)
    return equal(Expectation(mask * mask.T), pair * sp.OneMatrix(d, d) + (single - pair) * I(d))


@claim(on=RATE, by=VECTORS, source=DERIVED)
def only_missing_entries():
    """E ‖(1 − m) ∘ (x − Uz)‖² = (1 − ρ)[tr Σ − 2ρ tr U₀Σ + ρ tr U₀(ρΣ + (1 − ρ)D)U₀ᵀ], U₀ = U without its diagonal."""
    error = had(one_d - M, x - U * z)
    off = U - sp.DiagonalMatrix(U)
    second = rho * S + (1 - rho) * D
    return equal(
        Expectation(dot(error, error)),
        (1 - rho) * (tr(S) - 2 * rho * tr(off * S) + rho * tr(off * second * off.T)),
    )


@claim(on=RATE, by=(Entrywise([{d: 2}, {d: 3}], draws=1), SymbolicIdentity()), source=DERIVED)
def fourth_order_in_the_mask():
    """E (zᵀAz)² for Σ = I, by the number of different indices among a, b, c, e in Σ A_ab A_ce z_a z_b z_c z_e."""
    w = had(M, GaussianVector("g", d))
    diagonal = sp.DiagonalOf(A)
    pairs = tr(A) ** 2 + tr(A * A) + tr(A * A.T)
    return equal(Expectation(quad(w, A) ** 2), rho**2 * pairs + 3 * rho * (1 - rho) * dot(diagonal, diagonal))


# --- tokens beside matrices ------------------------------------------------------------------


@claim(on=EVERYWHERE, by=LARGE, source=DERIVED)
def sums_over_tokens_beside_matrices():
    """E Σ_l ⟨X_l, k⟩² tr(WA) = n² kᵀΣk tr AΣ + n kᵀΣ(A + Aᵀ)Σk."""
    total = sp.Sum(dot(X[l, :], k) ** 2, (l, 0, n - 1))
    return equal(Expectation(total * tr(W * A)), n**2 * quad(k, S) * tr(A * S) + n * dot(k, S * (A + A.T) * S * k))


@claim(on=EVERYWHERE, by=LARGE, source=DERIVED)
def tokens_of_two_kinds():
    """E XᵀX for a token N(m, Σ) at J and n − 1 tokens N(0, I): mmᵀ + Σ + (n − 1) I, and beside X_J one more of each."""
    J = Latent("J", n)
    G = Tokens("G", d, [TokenGroup(1, mean=m, covariance=S, at=J), TokenGroup(n - 1)])
    token = G[J, :]
    square = quad(m, I(d)) + tr(S)
    return equal(
        Expectation(dot(token, G.T * G * token.T)),
        square**2 + 2 * tr(S * S) + 4 * dot(m, S * m) + (n - 1) * square,
    )


PLANE = Domain({s: (sp.Rational(1, 4), 2), t: (sp.Rational(1, 4), 2)})
g0, g1 = gaussians("g_0 g_1", covariance=[[s, 0], [0, t]])
plane = GaussianVector("g", 2, covariance=sp.diag(s, t).as_immutable())
e0, e1 = sp.Matrix([1, 0]).as_immutable(), sp.Matrix([0, 1]).as_immutable()


@claim(on=PLANE, by=[CertifiedNumerics(), SymbolicIdentity()], source="Stein (1981)")
def stein_beside_a_matrix():
    """E erf(⟨g, e₀ + e₁⟩) g has the entries E erf(g₀ + g₁) g₀ and E erf(g₀ + g₁) g₁."""
    mean = E(sp.erf(dot(plane, e0 + e1)) * plane)
    return equal([dot(mean, e0), dot(mean, e1)], [Expectation(sp.erf(g0 + g1) * g0), Expectation(sp.erf(g0 + g1) * g1)])


# --- tilting ---------------------------------------------------------------------------------


@claim(on=PLANE, by=[CertifiedNumerics(), SymbolicIdentity()], source="elementary: completing the square")
def tilting_in_the_plane():
    """E e^{xᵀWx/2 + ⟨b, x⟩} ⟨x, u⟩² of a vector is the mean of the same function of its two coordinates."""
    R = sp.ImmutableDenseMatrix([[-1, sp.Rational(1, 3)], [sp.Rational(1, 3), sp.Rational(-1, 2)]])
    b = sp.ImmutableDenseMatrix([sp.Rational(1, 2), -1])
    q = (-(g0**2) + 2 * g0 * g1 / 3 - g1**2 / 2) / 2 + g0 / 2 - g1
    return equal(
        E(sp.exp(quad(plane, R) / 2 + dot(plane, b)) * dot(plane, e0 + 2 * e1) ** 2),
        Expectation(sp.exp(q) * (g0 + 2 * g1) ** 2),
    )


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source="Castin, Ablin, Carrillo, Peyré (2025); elementary")
def softmax_attention_on_a_gaussian():
    """E e^{⟨k, y⟩} y = e^{⟨k, m⟩ + kᵀΣk/2} (m + Σk): softmax attention on N(m, Σ) is the affine map m + Σk."""
    return equal(
        Expectation(tr(sp.exp(dot(k, y)) * (y * u.T))), sp.exp(dot(k, m) + quad(k, S) / 2) * (dot(u, m) + dot(u, S * k))
    )


@claim(on=PROBABILITY, by=[SymbolicIdentity()], source="Gabet, Boursier, Boyer (2026), Prop. 2.1; elementary")
def softmax_attention_on_a_mixture():
    """E e^{⟨k, z⟩} z = Σ_j w_j e^{⟨k, μ_j⟩ + s‖k‖²/2} (μ_j + s k): gated affine experts."""
    z = Z[0, :].T
    tilted = [
        w * sp.exp(dot(k, mu) + s * dot(k, k) / 2) * (dot(u, mu) + s * dot(u, k)) for w, mu in ((p, mu0), (1 - p, mu1))
    ]
    return equal(Expectation(tr(sp.exp(dot(k, z)) * (z * u.T))), sp.Add(*tilted))


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source="elementary: completing the square")
def exponential_of_a_quadratic_form():
    """E e^{−t‖x‖²/2} xxᵀ for Σ = s I: (1 + st)^{−d/2} s/(1 + st) I."""
    g = GaussianVector("g", d, covariance=s)
    mean = Expectation(tr(sp.exp(-t * dot(g, g) / 2) * (g * g.T) * A))
    return equal(mean, (1 + s * t) ** (-d / 2) * s / (1 + s * t) * tr(A))


# --- the study -------------------------------------------------------------------------------


def derivation_of_words() -> Derivation:
    """E tr W A W B."""
    return derive(tr(W * A * W * B))


def derivation_of_a_mask() -> Derivation:
    """E ⟨z, Az⟩ under a mask."""
    return derive(quad(z, A))


def derivation_of_a_mixture() -> Derivation:
    """E ZᵀZ."""
    return derive(Z.T * Z)


study = Study(
    name="matrix-rules",
    title="The rules of the expectation engine for matrices, mixtures, masks and tokens",
    source="see the head of the file",
    claims=(*(item for item in list(globals().values()) if isinstance(item, Claim)), *TABLE),
    derivations=(derivation_of_words, derivation_of_a_mask, derivation_of_a_mixture),
)
