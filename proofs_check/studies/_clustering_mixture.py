"""Any mixture, any number of heads: the risk in the moments of one token, its gradient, its convexity.

Setting and letters are those of `_clustering_model`. A number for each component, such as μ_jᵀZμ_j + S tr Z, is kept as
a vector of K entries and what is common to all; `over` takes the mean over the components of a product of such numbers.
"""

from __future__ import annotations

from functools import reduce

import sympy as sp

from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, claim
from proofs_check.entrywise import Entrywise
from proofs_check.symbolic import SymbolicIdentity
from theory import Domain, Expectation, GaussianMatrix, Symmetric, dot, equal, matrix_gradient, quad
from theory.notation import L, d, lam

from ._clustering_model import (
    DERIVED,
    A,
    H,
    K,
    LinearHeads,
    M,
    Mixture,
    N,
    S,
    h,
    mean_square,
    risk,
    scale,
    w,
)

__all__ = ["mixture_claims"]

tr, had, I = sp.Trace, sp.HadamardProduct, sp.Identity

# --- formulas as they are written by hand ----------------------------------------------------

GRAM = lam * H.T * H  # A, of the heads
Id = I(d)
WHITE = S * Id
G_ = sp.MatrixSymbol("Gamma", d, d)

Component = tuple[sp.MatrixExpr | None, sp.Expr]
"""A number for each component: a vector of K entries, or None, and what is the same for all."""


def over(*factors: Component) -> sp.Expr:
    """Σ_j w_j Π f_j, the mean over components of a product; Σ_j w_j = 1."""
    terms: list[tuple[list[sp.MatrixExpr], sp.Expr]] = [([], sp.Integer(1))]
    for vector, constant in factors:
        with_constant = [(vectors, number * constant) for vectors, number in terms]
        terms = with_constant + ([] if vector is None else [([*vectors, vector], number) for vectors, number in terms])
    return sp.Add(*(number * (dot(w, reduce(had, vectors)) if vectors else 1) for vectors, number in terms))


def at_means(Z: sp.MatrixExpr) -> sp.MatrixExpr:
    """The vector of μ_jᵀZμ_j."""
    return sp.DiagonalOf(M * Z * M.T)


def q(Z: sp.MatrixExpr, G: sp.MatrixExpr = WHITE) -> Component:
    """E_j XᵀZX = μ_jᵀZμ_j + tr ZΓ."""
    return at_means(Z), tr(Z * G)


def cov(Z: sp.MatrixExpr, Y: sp.MatrixExpr, G: sp.MatrixExpr = WHITE) -> Component:
    """Cov_j(XᵀZX, XᵀYX) = 4 μ_jᵀZΓYμ_j + 2 tr ZΓYΓ."""
    return 4 * at_means(Z * G * Y), 2 * tr(Z * G * Y * G)


def kappa_3(Z: sp.MatrixExpr, G: sp.MatrixExpr = WHITE) -> Component:
    """The cumulant κ₃(XᵀZX, XᵀZX, ‖X‖²) = 8 tr ZΓZΓ² + 8 μ_jᵀ(ZΓZΓ + ZΓ²Z + ΓZΓZ)μ_j."""
    return 8 * at_means(Z * G * Z * G + Z * G * G * Z + G * Z * G * Z), 8 * tr(Z * G * Z * G * G)


def outer(component: Component) -> sp.MatrixExpr:
    """Σ_j w_j f_j μ_jμ_jᵀ."""
    vector, constant = component
    alone = constant * M.T * sp.DiagMatrix(w) * M
    return alone if vector is None else alone + M.T * sp.DiagMatrix(had(w, vector)) * M


def second_moment(G: sp.MatrixExpr = WHITE) -> sp.MatrixExpr:
    """Σ = E XXᵀ = Σ w μμᵀ + Γ."""
    return M.T * sp.DiagMatrix(w) * M + G


def first_moment(Z: sp.MatrixExpr, G: sp.MatrixExpr = WHITE) -> sp.Expr:
    """S₁ = E XᵀZX ‖X‖²."""
    return over(q(Z, G), q(Id, G)) + over(cov(Z, Id, G))


def sixth_moment(Z: sp.MatrixExpr, G: sp.MatrixExpr = WHITE) -> sp.Expr:
    """S₂ = E (XᵀZX)² ‖X‖²."""
    mixed = over(cov(Z, Z, G), q(Id, G)) + 2 * over(cov(Z, Id, G), q(Z, G))
    return over(kappa_3(Z, G)) + mixed + over(q(Z, G), q(Z, G), q(Id, G))


def product_of_forms(Z: sp.MatrixExpr, G: sp.MatrixExpr = WHITE) -> sp.Expr:
    """S₃ = E (XᵀZX)(XᵀBX), B = (ZΣ + ΣZ)/2."""
    B = (Z * second_moment(G) + second_moment(G) * Z) / 2
    return over(q(Z, G), q(B, G)) + over(cov(Z, B, G))


def weighted_by(Z: sp.MatrixExpr, G: sp.MatrixExpr = WHITE) -> sp.MatrixExpr:
    """D_Z = E (XᵀZX) XXᵀ = Σ w {q_Z (μμᵀ + Γ) + 2 (ΓZμμᵀ + μμᵀZΓ) + 2 ΓZΓ}; Q = D_I."""
    centres = outer((None, sp.Integer(1)))
    return outer(q(Z, G)) + over(q(Z, G)) * G + 2 * (G * Z * centres + centres * Z * G) + 2 * G * Z * G


def quadratic_part(Z: sp.MatrixExpr, G: sp.MatrixExpr = WHITE) -> sp.Expr:
    """E‖XᵀXAX₁‖² = S₂ + 2(L−1) S₃ + (L−1) tr AΣAQ + (L−1)(L−2) tr AΣ²AΣ."""
    Sigma, Q = second_moment(G), weighted_by(Id, G)
    square = sixth_moment(Z, G) + 2 * (L - 1) * product_of_forms(Z, G) + (L - 1) * tr(Z * Sigma * Z * Q)
    return square + (L - 1) * (L - 2) * tr(Z * Sigma * Sigma * Z * Sigma)


def risk_by_hand(Z: sp.MatrixExpr, G: sp.MatrixExpr = WHITE) -> sp.Expr:
    """The risk of A = Z in the moments of one token.

    R = tr Σ − 2c [S₁ + (L−1) tr AΣ²] + c² [S₂ + 2(L−1) S₃ + (L−1) tr AΣAQ + (L−1)(L−2) tr AΣ²AΣ]
    """
    Sigma = second_moment(G)
    linear = first_moment(Z, G) + (L - 1) * tr(Z * Sigma * Sigma)
    return tr(Sigma) - 2 * scale * linear + scale**2 * quadratic_part(Z, G)


def weighted_by_both(Z: sp.MatrixExpr) -> sp.MatrixExpr:
    """D = E (XᵀZX) ‖X‖² XXᵀ."""
    centres, squares = outer((None, sp.Integer(1))), outer(q(Id))
    with_squares = 2 * S * (Z * squares + squares * Z) + (2 * S**2 * over(q(Id))) * Z
    with_form = 4 * S * outer(q(Z)) + (2 * S**2 * over(q(Z))) * Id
    vector, constant = q(Z)
    other, noise = q(Id)
    product = (
        M.T * sp.DiagMatrix(had(w, vector, other)) * M
        + noise * outer((vector, constant))
        + constant * outer((other, sp.Integer(0)))
    )
    both = outer(cov(Z, Id)) + product + (S * (over(cov(Z, Id)) + over(q(Z), q(Id)))) * Id
    return 8 * S**3 * Z + 12 * S**2 * (Z * centres + centres * Z) + with_squares + with_form + both


def multiplied_out(matrix: sp.MatrixExpr) -> sp.MatrixExpr:
    """The same matrix as a sum of products, ∂ tr(TᵀF)/∂T: sympy takes minutes to print nested sums."""
    direction = sp.MatrixSymbol("T", *matrix.shape)
    return matrix_gradient(tr(sp.MatMul(direction.T, matrix)), direction)


def as_typed(expr: sp.Expr) -> sp.Expr:
    """The same expression as typing it with `+`, `*` and `∘` gives, whatever it comes from: what is printed reads back.

    Sums and products are flat and in sympy's order, products entry by entry have two factors.
    """
    before = None
    while expr != before:
        before = expr
        expr = expr.replace(lambda node: isinstance(node, (sp.MatMul, sp.MatAdd)), lambda node: node.doit(deep=False))
        expr = expr.replace(had, lambda *factors: reduce(had, factors))
    return expr


def slope_by_hand(Z: sp.MatrixExpr) -> sp.MatrixExpr:
    """G = ∂R/∂A, symmetric.

    G = −2c [Q + (L−1) Σ²] + c² {2D + 2(L−1) [D_B + sym(D_A Σ)] + (L−1)(ΣAQ + QAΣ) + (L−1)(L−2)(Σ²AΣ + ΣAΣ²)}
    """
    Sigma, Q, D_A, D_B, D, B = LETTERS
    square = 2 * D + 2 * (L - 1) * (D_B + (D_A * Sigma + Sigma * D_A) / 2)
    square += (L - 1) * (Sigma * A * Q + Q * A * Sigma)
    square += (L - 1) * (L - 2) * (Sigma * Sigma * A * Sigma + Sigma * A * Sigma * Sigma)
    in_letters = -2 * scale * (Q + (L - 1) * Sigma * Sigma) + scale**2 * square
    # Products of sums are slow to write, since sympy looks through both factors again at each `*`: letters first.
    moments = {Q: weighted_by(Id), D_A: weighted_by(A), D_B: weighted_by(B), D: weighted_by_both(A)}
    spelled = in_letters.xreplace(moments).xreplace({B: (A * Sigma + Sigma * A) / 2})
    return spelled.xreplace({Sigma: second_moment(), A: Z})


LETTERS = tuple(sp.MatrixSymbol(name, d, d) for name in ("Sigma", "Q", "D_A", "D_B", "D", "B"))


# --- claims: any mixture -------------------------------------------------------------------

EVERYWHERE = Domain({})
SYMMETRIC = Domain({}, conditions=(Symmetric(A),))
NUMBERS = Domain({L: (1, sp.oo), S: (0, sp.oo), scale: (0, sp.oo), lam: (0, sp.oo)})
token = sp.Transpose(Mixture().tokens()[0, :])


def sized(*sizes: tuple[int, ...]) -> tuple[dict, ...]:
    """Sizes of L, K, d, and of the number of heads where there are heads."""
    return tuple(dict(zip((L, K, d, N), size, strict=False)) for size in sizes)


# Enumeration first: a proof ends the search for other certain evidence, and enumeration does not share the engine.
ONE_TOKEN = (Entrywise(sized((1, 2, 2, 1), (1, 3, 1, 2), (1, 2, 3, 1)), draws=1), SymbolicIdentity())
PROMPTS = (Entrywise(sized((1, 2, 2), (2, 2, 2), (3, 3, 1), (3, 2, 2)), draws=1), SymbolicIdentity())
SMALL_PROMPTS = (Entrywise(sized((1, 2, 2), (2, 2, 2), (3, 2, 1)), draws=1), SymbolicIdentity())


@claim(on=SYMMETRIC, by=PROMPTS, source=DERIVED)
def risk_of_any_mixture():
    """For any weights, centroids, noise and A = λHᵀH, R = tr Σ − 2c[S₁ + (L−1) tr AΣ²] + c²[S₂ + 2(L−1)S₃ +
    (L−1) tr AΣAQ + (L−1)(L−2) tr AΣ²AΣ], with the moments of one token below and B = (AΣ + ΣA)/2."""
    tokens, target = Mixture().tokens(), Mixture().target()
    return equal(mean_square(target - LinearHeads(A).predict(tokens)), risk_by_hand(A))


@claim(on=EVERYWHERE, by=ONE_TOKEN, source=DERIVED)
def second_moment_of_a_token():
    """Σ = E XXᵀ = Σ w μμᵀ + S I."""
    return equal(Expectation(token * token.T), second_moment())


@claim(on=EVERYWHERE, by=ONE_TOKEN, source=DERIVED)
def norm_times_a_form():
    """S₁ = E XᵀAX ‖X‖² = Σ w [q_A q_I + cov(A, I)], q_Z = μᵀZμ + S tr Z, cov(Z, Y) = 4S μᵀZYμ + 2S² tr ZY."""
    return equal(Expectation(quad(token, GRAM) * dot(token, token)), first_moment(GRAM))


@claim(on=EVERYWHERE, by=ONE_TOKEN, source=DERIVED)
def norm_times_the_square_of_a_form():
    """S₂ = E (XᵀAX)² ‖X‖² = Σ w [κ₃ + cov(A, A) q_I + 2 cov(A, I) q_A + q_A² q_I], κ₃ = 8S³ tr A² + 24S² μᵀA²μ."""
    return equal(Expectation(quad(token, GRAM) ** 2 * dot(token, token)), sixth_moment(GRAM))


@claim(on=EVERYWHERE, by=ONE_TOKEN, source=DERIVED)
def product_of_two_forms():
    """S₃ = E (XᵀAX)(XᵀBX) = Σ w [q_A q_B + cov(A, B)], B = (AΣ + ΣA)/2."""
    B = (GRAM * second_moment() + second_moment() * GRAM) / 2
    return equal(Expectation(quad(token, GRAM) * quad(token, B)), product_of_forms(GRAM))


@claim(on=EVERYWHERE, by=ONE_TOKEN, source=DERIVED)
def second_moment_weighted_by_the_norm():
    """Q = E ‖X‖² XXᵀ = Σ w {(‖μ‖² + Sd + 4S) μμᵀ + (S‖μ‖² + S²(d+2)) I}."""
    return equal(Expectation(dot(token, token) * token * token.T), weighted_by(Id))


@claim(on=EVERYWHERE, by=ONE_TOKEN, source=DERIVED)
def second_moment_weighted_by_a_form():
    """D_A = E (XᵀAX) XXᵀ = Σ w {q_A (μμᵀ + S I) + 2S (Aμμᵀ + μμᵀA) + 2S² A}."""
    return equal(Expectation(quad(token, GRAM) * token * token.T), weighted_by(GRAM))


@claim(on=EVERYWHERE, by=ONE_TOKEN, source=DERIVED)
def second_moment_weighted_by_both():
    """D = E (XᵀAX) ‖X‖² XXᵀ = Σ w {8S³A + 24S² sym(Aμμᵀ) + q_I [2S(Aμμᵀ + μμᵀA) + 2S²A] + q_A [4S μμᵀ + 2S² I] +
    (cov(A, I) + q_A q_I)(μμᵀ + S I)}."""
    weight = quad(token, GRAM) * dot(token, token)
    return equal(Expectation(weight * token * token.T), as_typed(weighted_by_both(A).xreplace({A: GRAM})))


@claim(on=SYMMETRIC, by=SMALL_PROMPTS, source=DERIVED)
def risk_with_any_covariance():
    """With one covariance Γ for all components the same formula holds, S I replaced by Γ in the cumulants:
    q_Z = μᵀZμ + tr ZΓ, cov(Z, Y) = 4 μᵀZΓYμ + 2 tr ZΓYΓ, κ₃ = 8 tr AΓAΓ² + 8 μᵀ(AΓAΓ + AΓ²A + ΓAΓA)μ."""
    law = Mixture(covariance=G_)
    tokens, target = law.tokens(), law.target()
    return equal(mean_square(target - LinearHeads(A).predict(tokens)), risk_by_hand(A, G_))


p = sp.Symbol("p", positive=True)
head = sp.MatrixSymbol("h", d, 1)
OWN = tuple((sp.MatrixSymbol(f"mu_{i}", d, 1), sp.MatrixSymbol(f"Gamma_{i}", d, d)) for i in (0, 1))


@claim(
    on=Domain({p: (sp.Rational(1, 10), sp.Rational(9, 10))}),
    by=(Entrywise(({L: 1, d: 2, N: 1}, {L: 1, d: 1, N: 2}), draws=1), SymbolicIdentity()),
    source=DERIVED,
)
def norm_times_a_form_with_covariances_of_their_own():
    """With a covariance Γ_j for each of two components S₁ = Σ w [q_A q_I + 4 μᵀAΓμ + 2 tr AΓ²]."""
    (m0, G0), (m1, G1) = OWN
    own = sp.Transpose(Mixture((p, 1 - p), (m0, m1), (G0, G1)).tokens()[0, :])

    def component(m: sp.MatrixExpr, G: sp.MatrixExpr) -> sp.Expr:
        form, square = quad(m, GRAM) + tr(GRAM * G), dot(m, m) + tr(G)
        return form * square + 4 * dot(GRAM * m, G * m) + 2 * tr(GRAM * G * G)

    return equal(Expectation(quad(own, GRAM) * dot(own, own)), p * component(m0, G0) + (1 - p) * component(m1, G1))


@claim(
    on=Domain({lam: (0, sp.oo)}),
    by=(Entrywise(({L: 1, d: 2}, {L: 2, d: 2}, {L: 3, d: 1}), draws=1), SymbolicIdentity()),
    source=f"{DERIVED}; the setting of attention-based PCA, arXiv 2605.18315",
)
def one_head_on_one_gaussian():
    """For one centred Gaussian, one head and c = 1, R = tr Σ (1 − 2λa + λ²(L+2)a²) − 2λ(L+1)b + λ²(L+2)(L+3)ab with
    a = hᵀΣh, b = hᵀΣ²h."""
    tokens = GaussianMatrix("X", L, d, covariance=G_)
    query = sp.Transpose(tokens[0, :])
    prediction = lam * dot(head, query) * tokens.T * tokens * head
    a, b = quad(head, G_), quad(head, G_ * G_)
    square = (L + 2) * a**2 * tr(G_) + (L + 2) * (L + 3) * a * b
    return equal(
        mean_square(query - prediction),
        tr(G_) - 2 * lam * a * tr(G_) - 2 * lam * (L + 1) * b + lam**2 * square,
    )


@claim(on=NUMBERS, by=[SymbolicIdentity()], source=DERIVED)
def gradient_in_the_heads():
    """∇_h R = 2λ G(A) h with the symmetric G = ∂R/∂A written out by hand, for all heads at once: ∇_H R = 2λ H G(A)."""
    (slope,) = risk().gradient().values()
    return equal(as_typed(slope), as_typed(multiplied_out(sp.MatMul(2 * lam, H, slope_by_hand(GRAM)))))


Y = sp.MatrixSymbol("Y", d, d)


@claim(on=EVERYWHERE, by=[SymbolicIdentity(), CertifiedNumerics()], source=DERIVED)
def stationary_heads_are_eigenvectors():
    """With B = Y + Yᵀ any symmetric matrix, ‖(hᵀh)Bh − (hᵀBh)h‖² = (hᵀh)[(hᵀh)(hᵀB²h) − (hᵀBh)²]: by Cauchy and
    Schwarz the Riemannian gradient 2λ(I − hhᵀ)Gh of a unit head vanishes exactly where h is an eigenvector of G(A)."""
    B = Y + Y.T
    across = dot(head, head) * B * head - quad(head, B) * head
    return equal(
        dot(across, across), dot(head, head) * (dot(head, head) * dot(B * head, B * head) - quad(head, B) ** 2)
    )


@claim(on=SYMMETRIC, by=SMALL_PROMPTS, source=DERIVED)
def risk_is_convex_in_the_gram_matrix():
    """The quadratic part of the risk is c² E‖XᵀXAX₁‖² >= 0 for every symmetric A, also a difference of two λHᵀH: R is a
    convex function of A."""
    prediction = LinearHeads(A).predict(Mixture().tokens())
    return equal(Expectation(dot(prediction, prediction)), scale**2 * quadratic_part(A))


@claim(
    on=EVERYWHERE, by=(Entrywise(({L: 1, K: 2, d: 2}, {L: 1, K: 3, d: 1}), draws=1), SymbolicIdentity()), source=DERIVED
)
def regularizer_of_any_mixture():
    """E⟨X, h₀⟩²⟨X, h₁⟩² = Σ w [p²q² + S(p²‖h₁‖² + q²‖h₀‖² + 4pq⟨h₀, h₁⟩)] + S²(‖h₀‖²‖h₁‖² + 2⟨h₀, h₁⟩²), p = Mh₀,
    q = Mh₁."""
    norms, inner = [dot(x, x) for x in h], dot(*h)
    p_, q_ = (M * x for x in h)
    squares = dot(w, had(had(p_, p_), had(q_, q_)))
    noise = norms[1] * dot(w, had(p_, p_)) + norms[0] * dot(w, had(q_, q_)) + 4 * inner * dot(w, had(p_, q_))
    return equal(
        Expectation(dot(token, h[0]) ** 2 * dot(token, h[1]) ** 2),
        squares + S * noise + S**2 * (norms[0] * norms[1] + 2 * inner**2),
    )


mixture_claims: tuple[Claim, ...] = tuple(item for item in list(globals().values()) if isinstance(item, Claim))
