"""Claims on heads with several factors: K and Q untied, V trained too; the nuclear norm, and which directions survive.

**K and Q untied, V = I.** In Y = (ΣΓ)^{1/2}BΣ^{1/2} the risk is ½‖Y − A‖² plus a constant, A = Γ^{−1/2}Σ (claims on
the risks). For B = KᵀQ the gradients are ∇_K = Q(∇_B)ᵀ and ∇_Q = K∇_B, so that at a stationary point Yᵀ(Y − A) = 0
and (Y − A)Yᵀ = 0. Then Y commutes with A², hence with A and Σ, and Y² = YA: Y = AP with P a projector on
eigenvectors.

**V, K, Q all trained, n = ∞.** With M = VΣKᵀQ the two identities below give (I − M)ΣMᵀ = 0 and Mᵀ(I − M) = 0, so M is
symmetric, a projector, and commutes with Σ. The origin is a saddle of third order: no Hessian sees it.

**V trained, n finite.** For Σ = TTᵀ let P = VT, Z = TᵀBT, Y = PZ. The risk is

    R = ½‖T − Y‖² + ‖Y‖²/(2n) + ‖P‖²‖Z‖²/(2n)

and ‖P‖‖Z‖ ≥ ‖Y‖_*, with equality for balanced factors: training V with a prompt of n tokens is a convex problem with a
nuclear norm. Its solution drops the weak directions altogether. Optimality is an identity: R − R* is a sum of terms
of which none can be negative (`excess_over_the_best`).

Definitions: `claims`.
"""

from __future__ import annotations

import sympy as sp

from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, claim
from proofs_check.symbolic import SymbolicIdentity
from theory import Domain, Inequality, equal, matrix_gradient
from theory.notation import d

from ._attention_pca_model import B, K, S, V, fresh_risk, mean_field_risk, n
from ._attention_pca_model import Q as queries
from ._attention_pca_risks import DERIVED, EVERYWHERE, rooted

__all__ = ["claims"]

tr, I = sp.Trace, sp.Identity(d)
PROOF = [SymbolicIdentity()]
EXACT = (SymbolicIdentity(), CertifiedNumerics(digits=25))
A, C, G, T, Y, P, Z = (sp.MatrixSymbol(name, d, d) for name in "ACGTYPZ")
best = sp.MatrixSymbol("Y_star", d, d)
KNOWN = frozenset({S})
epsilon = sp.Symbol("varepsilon", real=True)


def squared(M: sp.Expr) -> sp.Expr:
    """‖M‖², the sum of the squared entries."""
    return tr(M * M.T)


# --- K and Q untied ------------------------------------------------------------------------


@claim(on=EVERYWHERE, by=PROOF, source="elementary: the chain rule")
def gradients_of_the_factors():
    """For B = KᵀQ: ∇_K R = Q(∇_B R)ᵀ and ∇_Q R = K ∇_B R, at every V and n."""
    risk = fresh_risk().expr
    factored = risk.xreplace({B: K.T * queries}).doit()
    slope = matrix_gradient(risk, B, known=KNOWN).xreplace({B: K.T * queries}).doit()
    test = sp.MatrixSymbol("C", *K.shape)
    found = [tr(test.T * matrix_gradient(factored, factor, known=KNOWN)) for factor in (K, queries)]
    expected = [tr(test.T * queries * slope.T), tr(test.T * K * slope)]
    return equal([rooted(x) for x in found], [rooted(x) for x in expected])


@claim(on=EVERYWHERE, by=PROOF, source=DERIVED)
def truncations_commute():
    """For symmetric A, with E₁ = Yᵀ(Y − A) and E₂ = (Y − A)Yᵀ: A²Y − YA² = (E₂ᵀ − E₂)A + A(E₁ − E₁ᵀ). So where both
    vanish Y commutes with A²."""
    symmetric = A + A.T
    first, second = Y.T * (Y - symmetric), (Y - symmetric) * Y.T
    square = symmetric * symmetric
    left = square * Y - Y * square
    right = (second.T - second) * symmetric + symmetric * (first - first.T)
    return equal(tr(C * left), tr(C * right))


s1, s2, trace = sp.symbols("s1 s2 t", positive=True)
PAIR = Domain({s1: (1, 3), s2: (sp.Rational(1, 10), 4), trace: (4, 20), n: (1, 40)})


@claim(on=PAIR, by=EXACT, source=DERIVED)
def untied_subsets_that_do_not_lead_are_strict_saddles():
    """Turning K and Q together, B(θ) = bu(θ)u(θ)ᵀ with b = 1/γ_i and u(θ) = cos θ u_i + sin θ u_j, the risk has the
    second derivative s_j(s_i − s_j)((1 + 1/n)s_i + 2t/n)/γ_i² at θ = 0; adding εu_j to an unused row of K and of Q,
    −2s_j². With V trained too and n = ∞, turning V and B to M(θ) = u(θ)u(θ)ᵀ gives s_i − s_j."""
    angle = sp.Symbol("vartheta", real=True)
    direction = sp.Matrix([sp.cos(angle), sp.sin(angle)])
    covariance = sp.diag(s1, s2)
    gamma = (1 + 1 / n) * s1 + trace / n

    def risk(weights, values, which):
        at = {V: values, B: weights, S: covariance}
        expr = which.xreplace({V: I}).doit().xreplace({tr(S): trace}) if values is None else which
        explicit = {symbol: sp.ImmutableMatrix(matrix) for symbol, matrix in at.items() if matrix is not None}
        return expr.xreplace(explicit | {d: sp.Integer(2)}).doit()

    def curvature(expr, symbol):
        return expr.diff(symbol, 2).subs(symbol, 0)

    turned = risk(direction * direction.T / gamma, None, fresh_risk().expr)
    added = risk(sp.diag(1 / gamma, epsilon**2), None, fresh_risk().expr)
    mapped = risk(covariance.inv() * direction * direction.T, sp.eye(2), mean_field_risk().expr)
    return equal(
        [curvature(turned, angle), curvature(added, epsilon), curvature(mapped, angle)],
        [s2 * (s1 - s2) * ((1 + 1 / n) * s1 + 2 * trace / n) / gamma**2, -2 * s2**2, s1 - s2],
    )


# --- V, K and Q trained, infinitely many tokens --------------------------------------------

M = V * S * K.T * queries


@claim(on=EVERYWHERE, by=PROOF, source=f"{DERIVED}; cf. Baldi, Hornik (1989)")
def stationary_maps_are_projectors():
    """(∇_V R)Vᵀ = −(I − M)ΣMᵀ and Qᵀ∇_Q R = −Mᵀ(I − M)Σ. Where both vanish and Σ > 0, M = MᵀM is symmetric, a
    projector, and commutes with Σ: M = Σ_I u_i u_iᵀ with |I| ≤ k, and R = ½ Σ_{i ∉ I} s_i."""
    expr = mean_field_risk().expr.xreplace({B: K.T * queries}).doit()
    in_value, in_query = (matrix_gradient(expr, parameter, known=KNOWN) for parameter in (V, queries))
    return equal(
        [rooted(tr(C * in_value * V.T)), rooted(tr(C * queries.T * in_query))],
        [rooted(-tr(C * (I - M) * S * M.T)), rooted(-tr(C * M.T * (I - M) * S))],
    )


@claim(on=EVERYWHERE, by=PROOF, source=DERIVED)
def the_origin_is_a_saddle_of_third_order():
    """R(εV, εK, εQ) = ½t − ε³ tr VΣKᵀQΣ + ½ε⁶ tr MΣMᵀ: at V = K = Q = 0 the Hessian is zero, a saddle but no strict
    one; the cubic term takes both signs."""
    expr = mean_field_risk().expr.xreplace({V: epsilon * V, B: epsilon**2 * K.T * queries}).doit()
    expected = (tr(S) + epsilon**6 * tr(M * S * M.T)) / 2 - epsilon**3 * tr(V * S * K.T * queries * S)
    return equal(rooted(expr), rooted(expected))


@claim(
    on=EVERYWHERE,
    by=[CertifiedNumerics(digits=20)],
    source="what holds for K, Q alone, and for tied heads, read for three factors",
    expected="refuted",
)
def the_origin_is_a_strict_saddle():
    """With V, K and Q all trained the Hessian at the origin has a negative eigenvalue: along V = K = Q = ε in one
    dimension with Σ = 1 the second derivative of R at ε = 0 is negative."""
    weights = {V: [[epsilon]], B: [[epsilon**2]], S: [[1]]}
    explicit = {symbol: sp.ImmutableMatrix(matrix) for symbol, matrix in weights.items()}
    expr = mean_field_risk().expr.xreplace(explicit | {d: sp.Integer(1)}).doit()
    return Inequality(expr.diff(epsilon, 2).subs(epsilon, 0), "<", 0)


@claim(on=EVERYWHERE, by=PROOF, source=DERIVED)
def heads_that_do_nothing_do_not_see_the_rest():
    """Nor is the origin alone in this: at M = VΣB with a part of V, K, Q that is all zero, changing that part by εP
    in V and ε²Z in B, where VΣZ = PΣB = 0, moves R by −ε³ tr PΣZΣ(I − M)ᵀ + ½ε⁶ tr PΣZΣ(PΣZ)ᵀ: nothing of second
    order."""
    # M(ε) = VΣB + ε³PΣZ when the two mixed products vanish
    old, new = V * S * B, P * S * Z
    changed = (I - old - epsilon**3 * new) * S * (I - old - epsilon**3 * new).T
    expected = -2 * epsilon**3 * tr(new * S * (I - old).T) + epsilon**6 * tr(new * S * new.T)
    return equal(rooted((tr(changed) - tr((I - old) * S * (I - old).T)) / 2), rooted(expected / 2))


# --- V trained, finite prompts: the nuclear norm -------------------------------------------


@claim(on=EVERYWHERE, by=PROOF, source=DERIVED)
def training_the_values_is_a_problem_with_a_nuclear_norm():
    """R = ½‖T − Y‖² + ‖Y‖²/(2n) + ‖P‖²‖Z‖²/(2n) for Σ = TTᵀ, P = VT, Z = TᵀBT, Y = PZ; the least of the last term
    over all factors of Y is ‖Y‖_*²/(2n)."""
    parts = {V: P * sp.Inverse(T), B: sp.Inverse(T).T * Z * sp.Inverse(T), S: T * T.T}
    derived = fresh_risk().expr.xreplace(parts).doit()
    product = P * Z
    return equal(derived, squared(T - product) / 2 + squared(product) / (2 * n) + squared(P) * squared(Z) / (2 * n))


@claim(on=EVERYWHERE, by=PROOF, source=DERIVED)
def factors_are_singular_vectors():
    """With E = T − (1 + 1/n)Y, symmetric T, and the gradients g_P, g_Z: EEᵀP − (‖P‖²‖Z‖²/n²)P = −(‖P‖²/n)g_P − E
    g_Zᵀ. So the columns of a stationary P are singular vectors of E with one singular value θ = ‖P‖‖Z‖/n, and T =
    (I + (n+1)PPᵀ/‖P‖²)E: all commute with Σ."""
    root = T + T.T
    risk = squared(root - P * Z) / 2 + squared(P * Z) / (2 * n) + squared(P) * squared(Z) / (2 * n)
    E = root - (1 + 1 / n) * P * Z
    in_P, in_Z = matrix_gradient(risk, P), matrix_gradient(risk, Z)
    left = E * E.T * P - (squared(P) * squared(Z) / n**2) * P
    right = -(squared(P) / n) * in_P - E * in_Z.T
    return equal(tr(C * left), tr(C * right))


number = sp.Symbol("c", real=True)


@claim(on=EVERYWHERE, by=PROOF, source=DERIVED)
def excess_over_the_best():
    """Let Y* and G satisfy T = (1 + 1/n)Y* + (τ/n)G with τ = tr GᵀY*, as they do for G a subgradient of the nuclear
    norm at Y*. Then for F(Y, c) = ½‖T − Y‖² + ‖Y‖²/(2n) + c²/(2n), all Y and numbers c, F(Y, c) − F(Y*, τ) = ½(1 +
    1/n)‖Y − Y*‖² + (c − τ)²/(2n) + (τ/n)(c − tr GᵀY), and c = ‖P‖‖Z‖ ≥ ‖Y‖_* ≥ tr GᵀY for ‖G‖ ≤ 1: Y* is the global
    minimum."""
    tau = tr(G.T * best)
    target = (1 + 1 / n) * best + (tau / n) * G

    def F(Y, c):
        return squared(target - Y) / 2 + squared(Y) / (2 * n) + c**2 / (2 * n)

    gap = (1 + 1 / n) * squared(Y - best) / 2 + (number - tau) ** 2 / (2 * n) + tau / n * (number - tr(G.T * Y))
    return equal(F(Y, number) - F(best, tau), gap)


r = sp.Symbol("r", integer=True, positive=True)
root_i, total = sp.symbols("q_i q", positive=True)  # √s_i, and Σ_I √s_j
level = total / (n + 1 + r)
"""T_I/n = Σ_I √s_j/(n + 1 + |I|)."""
squares, rest = sp.symbols("S rest", positive=True)  # Σ_I s_j, and Σ √s_j over the others of I
KEPT = Domain({root_i: (sp.Rational(1, 10), 3), total: (1, 5), r: (1, 6), n: (1, 40), squares: (1, 5), rest: (1, 5)})


@claim(on=KEPT, by=EXACT, source=DERIVED)
def values_of_the_directions_that_are_kept():
    """y_i = (√s_i − T/n)/(1 + 1/n) with T/n = Σ_I √s_j/(n + 1 + |I|): then (1 + 1/n)y_i + T/n = √s_i, Σ_I y_i = T,
    and y_i > 0 exactly when √s_i(n + 1 + |I|) > Σ_I √s_j."""
    y = (root_i - level) / (1 + 1 / n)
    summed = (total - r * level) / (1 + 1 / n)
    return equal(
        [(1 + 1 / n) * y + level, summed, y * (1 + 1 / n) * (n + 1 + r)],
        [root_i, n * level, root_i * (n + 1 + r) - total],
    )


q1, q2, q3 = sp.symbols("q1 q2 q3", positive=True)
ROOTS = Domain({q1: (2, 3), q2: (sp.Rational(3, 2), 2), q3: (sp.Rational(1, 10), sp.Rational(1, 2)), n: (1, 40)})
LEVEL = (q1 + q2) / (n + 3)
KEEP = [(q - LEVEL) / (1 + 1 / n) for q in (q1, q2)]


def weights_of_two(extra: sp.Expr = sp.S.Zero) -> dict:
    """The derived risk's symbols at the weights that keep two of three directions; ε in the third."""
    values = sp.diag(*(sp.sqrt(y) / q for y, q in zip(KEEP, (q1, q2), strict=True)), extra / q3)
    scores = sp.diag(*(sp.sqrt(y) / q**2 for y, q in zip(KEEP, (q1, q2), strict=True)), extra / q3**2)
    covariance = sp.diag(q1**2, q2**2, q3**2)
    explicit = {S: covariance, V: values, B: scores}
    return {symbol: sp.ImmutableMatrix(matrix) for symbol, matrix in explicit.items()} | {d: sp.Integer(3)}


@claim(on=ROOTS, by=EXACT, source=DERIVED)
def the_best_weights_are_stationary():
    """V = Σ_I √(y_i/s_i) u_iu_iᵀ, B = Σ_I (√y_i/s_i) u_iu_iᵀ is a stationary point of the derived risk in all of V
    and B; for d = 3, |I| = 2."""
    slopes = [matrix_gradient(fresh_risk().expr, parameter, known=KNOWN) for parameter in (V, B)]
    found = [sp.ImmutableMatrix(slope.xreplace(weights_of_two()).doit()) for slope in slopes]
    entries = [entry for matrix in found for entry in matrix]
    return equal(entries, [0] * len(entries))


@claim(on=ROOTS, by=EXACT, source=DERIVED)
def risk_of_the_best_weights():
    """R_I = ½[t − Σ_I √s_i y_i]."""
    found = fresh_risk().expr.xreplace(weights_of_two()).doit()
    gain = sum(y * q for y, q in zip(KEEP, (q1, q2), strict=True))
    return equal(found, (q1**2 + q2**2 + q3**2 - gain) / 2)


@claim(on=ROOTS, by=EXACT, source=DERIVED)
def a_direction_is_worth_adding_above_the_level():
    """Adding ε in an unused direction, balanced in V and B, changes the risk by −ε²(√s_j − T/n) to second order: a
    subset that leaves out a direction with √s_j > T/n is a strict saddle, and otherwise it is the global
    minimum."""
    found = fresh_risk().expr.xreplace(weights_of_two(epsilon)).doit()
    return equal(found.diff(epsilon, 2).subs(epsilon, 0) / 2, LEVEL - q3)


@claim(on=KEPT, by=EXACT, source=DERIVED)
def each_direction_above_the_level_pays():
    """The gain Σ_I √s_i y_i = [Σ_I s_i − (Σ_I √s_i)²/(n+1+|I|)]/(1 + 1/n) grows with each √s_i at the rate 2y_i,
    and by ((n+1+|I|)√s_j − Σ_I √s_i)²/((1 + 1/n)(n+1+|I|)(n+2+|I|)) when j is added: K and Q of rank k keep the
    first min(k, r)."""

    def gain(total, squares, size):
        return (squares - total**2 / (n + 1 + size)) / (1 + 1 / n)

    added = gain(total + root_i, squares + root_i**2, r + 1) - gain(total, squares, r)
    slope = gain(rest + root_i, squares + root_i**2, r).diff(root_i)
    return equal(
        [added, slope],
        [
            ((n + 1 + r) * root_i - total) ** 2 / ((1 + 1 / n) * (n + 1 + r) * (n + 2 + r)),
            2 * (root_i - (rest + root_i) / (n + 1 + r)) / (1 + 1 / n),
        ],
    )


@claim(on=EVERYWHERE, by=EXACT, source=DERIVED)
def two_directions_of_five():
    """For eigenvalues 4, 1, 1/4, 1/25, 1/100 and n = 2 the trained layer keeps two directions, y = (14/15, 4/15),
    and has the risk 19/12; the third has √s₃ = 1/2 below T/n = 3/5."""
    roots = [sp.Integer(2), sp.Integer(1), sp.Rational(1, 2), sp.Rational(1, 5), sp.Rational(1, 10)]
    kept = [x.subs({q1: 2, q2: 1, n: 2}) for x in KEEP]
    values = sp.diag(*(sp.sqrt(y) / q for y, q in zip(kept, roots, strict=False)), 0, 0, 0)
    scores = sp.diag(*(sp.sqrt(y) / q**2 for y, q in zip(kept, roots, strict=False)), 0, 0, 0)
    explicit = {S: sp.diag(*(q**2 for q in roots)), V: values, B: scores}
    at = {symbol: sp.ImmutableMatrix(matrix) for symbol, matrix in explicit.items()}
    found = fresh_risk().expr.xreplace(at | {d: sp.Integer(5), n: sp.Integer(2)}).doit()
    return equal(
        [*kept, found, LEVEL.subs({q1: 2, q2: 1, n: 2})],
        [sp.Rational(14, 15), sp.Rational(4, 15), sp.Rational(19, 12), sp.Rational(3, 5)],
    )


claims = tuple(item for item in list(globals().values()) if isinstance(item, Claim))
