"""Claims: in-context imputation across rows, the likelihood of incomplete rows and EM, moments, Bayes prediction.

In context: rows z_k = m_k ∘ x_k and a query z_q, x̂ = V (1/n) Σ_k z_kz_kᵀ B z_q, the loss on the missing entries of the
query. EM and the likelihood are written for two features, pattern by pattern, with symbols for all entries; T and μ are
the parameters, Σ and μ₀ the truth.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import sympy as sp

from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, claim
from proofs_check.entrywise import Entrywise
from proofs_check.symbolic import SymbolicIdentity
from theory import Domain, Expectation, GaussianMatrix, GaussianVector, Limit, Mask, dot, equal

from ._imputation_adaptive import block, conditional_variance, patterns
from ._imputation_linear import NOTE
from ._imputation_model import rho

__all__ = ["in_context_error", "inference_claims"]

had, tr = sp.HadamardProduct, sp.Trace
Q = sp.Rational
n, d = sp.symbols("n d", integer=True, positive=True)
EXACT = (SymbolicIdentity(), CertifiedNumerics())
RATE = {rho: (Q(1, 10), Q(9, 10))}

# --- in context ------------------------------------------------------------------------------


def in_context_error(size: sp.Expr, S: sp.MatrixExpr, V: sp.MatrixExpr, B: sp.MatrixExpr) -> sp.MatrixExpr:
    """(1 − m_q) ∘ (x_q − V ZᵀZ B z_q/n)."""
    rows = had(Mask("M", size, rho, rows=n), GaussianMatrix("X", n, size, covariance=S))
    query, mask = GaussianVector("x", size, covariance=S), Mask("m", size, rho)
    return had(sp.OneMatrix(size, 1) - mask, query - V * rows.T * rows * B * had(mask, query) / n)


def published_in_context(number: int, S: sp.MatrixExpr, V: sp.MatrixExpr, B: sp.MatrixExpr) -> sp.Expr:
    """Σ_i{(1−ρ)Σ_ii − 2e_iᵀVC̄Bc^(i) + e_iᵀV[(1−1/n)C̄BC̄^(i)BᵀC̄ + F(BC̄^(i)Bᵀ)/n]Vᵀe_i}, entry by entry.

    F(G)_ab = Σ_ce ρ^{#{a,b,c,e}}(Σ_acΣ_eb + Σ_aeΣ_cb + Σ_abΣ_ce)G_ce
    """
    every = range(number)
    S, V, B = (sp.Matrix(number, number, lambda i, j, A=A: A[i, j]) for A in (S, V, B))
    second = sp.Matrix(number, number, lambda i, j: rho * S[i, j] * (1 if i == j else rho))
    total = sp.Integer(0)
    for i in every:
        hidden = second.copy() * (1 - rho)
        hidden[i, :] = sp.zeros(1, number)
        hidden[:, i] = sp.zeros(number, 1)
        cross = (1 - rho) * rho * S[:, i]
        cross[i] = 0
        G = B * hidden * B.T

        def fourth(a: int, b: int, G: sp.Matrix = G) -> sp.Expr:
            return sp.Add(
                *(
                    rho ** len({a, b, c, e}) * (S[a, c] * S[e, b] + S[a, e] * S[c, b] + S[a, b] * S[c, e]) * G[c, e]
                    for c, e in itertools.product(every, every)
                )
            )

        inner = (1 - 1 / n) * second * G * second + sp.Matrix(number, number, fourth) / n
        row = V[i, :]
        total += (1 - rho) * S[i, i] - 2 * (row * second * B * cross)[0] + (row * inner * row.T)[0]
    return total


S_2, V_2, B_2 = (sp.MatrixSymbol(name, 2, 2) for name in ("Sigma", "V", "B"))


@claim(on=Domain(RATE), by=[Entrywise([{n: 1}, {n: 2}], draws=1)], source=NOTE)
def risk_in_context():
    """The risk of in-context imputation is Σ_i{(1−ρ)Σ_ii − 2e_iᵀVC̄Bc^(i) + e_iᵀV[(1−1/n)C̄BC̄^(i)BᵀC̄ + F(BC̄^(i)Bᵀ)/n]
    Vᵀe_i}, C̄ = ρC, fourth moments by the number of different indices; two features, any n."""
    error = in_context_error(sp.Integer(2), S_2, V_2, B_2)
    return equal(Expectation(dot(error, error)), published_in_context(2, S_2, V_2, B_2))


r, weight = sp.symbols("r alpha", real=True)
CONTEXT = Domain({**RATE, r: (Q(1, 10), Q(9, 10)), weight: (-1, 1), n: (1, 8)})


def second_of_the_context() -> sp.Expr:
    """E c² = ρ⁴r²(1 − 1/n) + ρ²(1 + 2r²)/n, c the sample covariance of the two incomplete features."""
    return rho**4 * r**2 * (1 - 1 / n) + rho**2 * (1 + 2 * r**2) / n


def signed_rows(sign: int) -> tuple[sp.MatrixExpr, sp.MatrixExpr]:
    """The rows of a context, and x_1 and x_2 of its query, for one sign of the correlation."""
    S = sp.ImmutableMatrix([[1, sign * r], [sign * r, 1]])
    names = ("X", "x") if sign > 0 else ("Y", "y")
    rows = had(Mask("M", 2, rho, rows=n), GaussianMatrix(names[0], n, 2, covariance=S))
    return rows, GaussianVector(names[1], 2, covariance=S)


e_1, e_2 = sp.ImmutableMatrix([1, 0]), sp.ImmutableMatrix([0, 1])


@claim(on=CONTEXT, by=[Entrywise([{n: 1}, {n: 2}, {n: 3}], draws=1)], source=NOTE)
def in_context_risk_of_a_random_sign():
    """Two features of correlation ±r, the sign drawn for each prompt, x_1 missing and x_2 seen: x̂_1 = αcx_2 with c =
    (1/n)Σz_k1z_k2 costs 1 − ρ²r²α* + Ec²(α − α*)² for either sign, α* = ρ²r²/Ec²."""
    sides = []
    for sign in (1, -1):
        rows, query = signed_rows(sign)
        context = dot(e_1, rows.T * rows * e_2) / n
        sides.append(Expectation((dot(query, e_1) - weight * context * dot(query, e_2)) ** 2))
    second = second_of_the_context()
    best = rho**2 * r**2 / second
    return equal(sides, [1 - rho**2 * r**2 * best + second * (weight - best) ** 2] * 2)


@claim(on=CONTEXT, by=[Entrywise(draws=1), SymbolicIdentity()], source=NOTE)
def static_weights_know_no_sign():
    """Weights that do not depend on the prompt: the mean over both signs of E (x_1 − αx_2)² is 1 + α², least at α =
    0."""
    losses = [(dot(signed_rows(sign)[1], e_1) - weight * dot(signed_rows(sign)[1], e_2)) ** 2 for sign in (1, -1)]
    return equal([Expectation(loss) for loss in losses], [1 + weight**2 - 2 * sign * r * weight for sign in (1, -1)])


@claim(on=Domain({**RATE, r: (Q(1, 10), Q(9, 10))}), by=[SymbolicIdentity()], source=NOTE)
def long_contexts_reach_the_bayes_risk():
    """As n → ∞ the in-context risk 1 − ρ⁴r⁴/Ec² tends to 1 − r², the Bayes risk with the sign known."""
    length = sp.Symbol("n", positive=True)
    second = second_of_the_context().subs(n, length)
    return Limit(1 - rho**4 * r**4 / second, length, sp.oo, 1 - r**2)


# --- the likelihood of incomplete rows -------------------------------------------------------

t_1, t_2, t_12 = sp.symbols("t_1 t_2 t_12", real=True)
v_1, v_2, v_12 = sp.symbols("v_1 v_2 v_12", real=True)
h_1, h_2, h_12 = sp.symbols("h_1 h_2 h_12", real=True)
mu_1, mu_2, nu_1, nu_2 = sp.symbols("mu_1 mu_2 nu_1 nu_2", real=True)
T = sp.Matrix([[t_1, t_12], [t_12, t_2]])
TRUTH = sp.Matrix([[v_1, v_12], [v_12, v_2]])
DIRECTION = sp.Matrix([[h_1, h_12], [h_12, h_2]])
MU, MU_0 = sp.Matrix([mu_1, mu_2]), sp.Matrix([nu_1, nu_2])
SPREADS = dict.fromkeys((t_1, t_2, v_1, v_2), (1, 2)) | dict.fromkeys((t_12, v_12), (Q(-1, 2), Q(1, 2)))
LIKELIHOOD = Domain({**RATE, **SPREADS, **dict.fromkeys((mu_1, mu_2, nu_1, nu_2), (-1, 1))})
DIRECTIONS = {**RATE, **SPREADS, **dict.fromkeys((h_1, h_2, h_12), (-1, 1))}


def observed_blocks(A: sp.Matrix) -> Iterator[tuple[sp.Expr, tuple[int, ...], sp.Matrix]]:
    """(probability, observed, E_oᵀ A_oo⁻¹ E_o) for each pattern with something observed."""
    for o, _, p in patterns(A.rows):
        if o:
            selector = sp.Matrix(len(o), A.rows, lambda i, j, o=o: int(o[i] == j))
            yield p, o, selector.T * block(A, o, o).inv() * selector


def log_likelihood(mean: sp.Matrix, A: sp.Matrix) -> sp.Expr:
    """−½ E_m[log det T_oo + tr T_oo⁻¹(Σ_oo + δδᵀ_oo)], δ = μ − μ₀."""
    shift = mean - MU_0
    second = TRUTH + shift * shift.T
    return -Q(1, 2) * sp.Add(
        *(p * (sp.log(block(A, o, o).det()) + (J * second).trace()) for p, o, J in observed_blocks(A))
    )


def information(A: sp.Matrix) -> sp.Matrix:
    """J(T) = E E_oᵀT_oo⁻¹E_o."""
    return sum((p * J for p, _, J in observed_blocks(A)), sp.zeros(A.rows))


def slope_in_covariance(mean: sp.Matrix, A: sp.Matrix) -> sp.Matrix:
    """G = ½ E[E_oᵀ(T_oo⁻¹(Σ + δδᵀ)_ooT_oo⁻¹ − T_oo⁻¹)E_o]."""
    second = TRUTH + (mean - MU_0) * (mean - MU_0).T
    return sum((p * (J * second * J - J) / 2 for p, _, J in observed_blocks(A)), sp.zeros(A.rows))


def em_step(mean: sp.Matrix, A: sp.Matrix) -> tuple[sp.Matrix, sp.Matrix]:
    """One step of EM in the population, as it is defined: complete the rows, take their mean and covariance.

    For each pattern x̂ = μ + T_·oT_oo⁻¹(x_o − μ_o) with the variance T − T_·oT_oo⁻¹T_o·, x_o ~ N(μ₀_o, Σ_oo).
    """
    first, second = sp.zeros(A.rows, 1), sp.zeros(A.rows)
    for o, _, p in patterns(A.rows):
        every = tuple(range(A.rows))
        if not o:
            first, second = first + p * mean, second + p * (A + mean * mean.T)
            continue
        weights = block(A, every, o) * block(A, o, o).inv()
        completed = mean + weights * block(MU_0 - mean, o, (0,))
        variance = A - weights * block(A, o, every)
        first = first + p * completed
        second = second + p * (completed * completed.T + weights * block(TRUTH, o, o) * weights.T + variance)
    return first, second - first * first.T


@claim(on=LIKELIHOOD, by=[SymbolicIdentity(), CertifiedNumerics()], source="Dempster, Laird, Rubin (1977); elementary")
def gradient_of_the_likelihood():
    """dl/dμ = J(μ₀ − μ) and dl = ⟨G, dT⟩ for symmetric dT: the derivative in an entry off the diagonal is 2G_12."""
    likelihood, G = log_likelihood(MU, T), slope_in_covariance(MU, T)
    in_mean = information(T) * (MU_0 - MU)
    return equal(
        [sp.diff(likelihood, symbol) for symbol in (mu_1, mu_2, t_1, t_2, t_12)],
        [*in_mean, G[0, 0], G[1, 1], 2 * G[0, 1]],
    )


@claim(
    on=LIKELIHOOD, by=[CertifiedNumerics()], source="pitfall: the derivative by a symmetric matrix", expected="refuted"
)
def gradient_of_the_likelihood_off_the_diagonal():
    """The derivative of the likelihood by T_12 is G_12: false, T_12 stands in two places."""
    return equal(sp.diff(log_likelihood(MU, T), t_12), slope_in_covariance(MU, T)[0, 1])


@claim(on=LIKELIHOOD, by=[SymbolicIdentity(), CertifiedNumerics()], source="Dempster, Laird, Rubin (1977); re-derived")
def em_is_preconditioned_gradient_ascent():
    """A step of EM in the population is μ⁺ = μ + TJ(μ₀ − μ), T⁺ = T + 2TGT − (μ⁺ − μ)(μ⁺ − μ)ᵀ."""
    mean, covariance = em_step(MU, T)
    move = T * information(T) * (MU_0 - MU)
    expected = T + 2 * T * slope_in_covariance(MU, T) * T - move * move.T
    return equal([*mean, *covariance], [*(MU + move), *expected])


@claim(on=LIKELIHOOD, by=[CertifiedNumerics()], source="pitfall: EM with the old mean", expected="refuted")
def em_without_the_new_mean():
    """T⁺ = T + 2TGT when the mean moves as well: false."""
    _, covariance = em_step(MU, T)
    return equal(covariance[0, 0], (T + 2 * T * slope_in_covariance(MU, T) * T)[0, 0])


@claim(on=LIKELIHOOD, by=EXACT, source=NOTE)
def the_truth_is_a_fixed_point():
    """μ = μ₀, T = Σ is a fixed point of EM, and there G = 0."""
    mean, covariance = em_step(MU_0, TRUTH)
    return equal([*mean, *covariance, *slope_in_covariance(MU_0, TRUTH)], [*MU_0, *TRUTH, *sp.zeros(2)])


@claim(on=LIKELIHOOD, by=EXACT, source=NOTE)
def rate_of_em_in_the_mean():
    """At T = Σ the mean's error is multiplied by I − ΣJ(Σ)."""
    mean, _ = em_step(MU, TRUTH)
    return equal(list(mean - MU_0), list((sp.eye(2) - TRUTH * information(TRUTH)) * (MU - MU_0)))


@claim(on=LIKELIHOOD, by=EXACT, source=NOTE)
def rate_of_em_for_independent_features():
    """For independent features the rate of the mean is 1 − ρ, the share that is missing."""
    independent = TRUTH.subs(v_12, 0)
    return equal(list(sp.eye(2) - independent * information(independent)), list((1 - rho) * sp.eye(2)))


step = sp.Symbol("epsilon", real=True)


@claim(on=Domain(DIRECTIONS), by=[CertifiedNumerics(), SymbolicIdentity()], source=NOTE)
def rate_of_em_in_the_covariance():
    """At the truth a symmetric error E of T becomes E − ΣE_m[E_oᵀΣ_oo⁻¹E_ooΣ_oo⁻¹E_o]Σ: the fraction of missing
    information."""
    _, covariance = em_step(MU_0, TRUTH + step * DIRECTION)
    seen = sum((p * J * DIRECTION * J for p, _, J in observed_blocks(TRUTH)), sp.zeros(2))
    slope = covariance.diff(step).subs(step, 0)
    return equal(list(slope), list(DIRECTION - TRUTH * seen * TRUTH))


@claim(on=Domain(DIRECTIONS), by=[CertifiedNumerics(), SymbolicIdentity()], source="classical")
def fisher_information_of_the_covariance():
    """−d²l(Σ + εE)/dε² at ε = 0 is ½ E_m tr (J_mEJ_mE), J_m = E_oᵀΣ_oo⁻¹E_o."""
    likelihood = log_likelihood(MU_0, TRUTH + step * DIRECTION)
    curvature = sp.Add(*(p * (J * DIRECTION * J * DIRECTION).trace() for p, _, J in observed_blocks(TRUTH)))
    return equal(-sp.diff(likelihood, step, 2).subs(step, 0), curvature / 2)


# --- moments ---------------------------------------------------------------------------------

S = sp.MatrixSymbol("Sigma", 2, 2)
sample = had(Mask("M", 2, rho, rows=n), GaussianMatrix("X", n, 2, covariance=S))
off_diagonal = dot(e_1, sample.T * sample * e_2) / (n * rho**2)
diagonal = dot(e_1, sample.T * sample * e_1) / (n * rho)
ROWS = (Entrywise([{n: 1}, {n: 2}, {n: 3}], draws=1),)


@claim(on=Domain(RATE), by=ROWS, source="Lounici (2014)")
def moments_corrected_for_the_mask():
    """(1/n) Σ z_kaz_kb/ρ² off the diagonal and (1/n) Σ z_ka²/ρ on it are unbiased."""
    return equal([Expectation(off_diagonal), Expectation(diagonal)], [S[0, 1], S[0, 0]])


@claim(on=Domain(RATE), by=ROWS, source=NOTE)
def second_moments_of_the_corrected_moments():
    """Their variances are (1/n)[(Σ_aaΣ_bb + 2Σ_ab²)/ρ² − Σ_ab²] off the diagonal and (1/n)[3Σ_aa²/ρ − Σ_aa²] on it."""
    return equal(
        [Expectation(off_diagonal**2), Expectation(diagonal**2)],
        [
            S[0, 1] ** 2 + ((S[0, 0] * S[1, 1] + 2 * S[0, 1] ** 2) / rho**2 - S[0, 1] ** 2) / n,
            S[0, 0] ** 2 + (3 * S[0, 0] ** 2 / rho - S[0, 0] ** 2) / n,
        ],
    )


# --- prediction ------------------------------------------------------------------------------

theta_1, theta_2, sigma = sp.symbols("theta_1 theta_2 sigma", real=True)
PREDICTION = Domain({**RATE, **SPREADS, theta_1: (-1, 1), theta_2: (-1, 1), sigma: (Q(1, 4), 1)})


# The engine's value is not asked for: it is a rational function in seven symbols, and factoring it takes sympy between
# a third of a second and a minute, by chance.
@claim(on=PREDICTION, by=[Entrywise(draws=2, engine=False)], source="classical")
def bayes_risk_of_a_prediction():
    """With E[⟨θ₀, x⟩ | x_o], the completed row in ⟨θ₀, ·⟩, a prediction of ⟨θ₀, x⟩ costs E_m θ₀_mᵀVar(x_m | x_o)θ₀_m;
    two features, the noise σ² on top."""
    theta = sp.Matrix([theta_1, theta_2])
    row, mask = GaussianVector("x", 2, covariance=sp.ImmutableMatrix(TRUTH)), Mask("m", 2, rho)
    m_1, m_2, x_1, x_2 = (dot(vector, e) for vector, e in itertools.product((mask, row), (e_1, e_2)))
    completed_1 = m_1 * x_1 + (1 - m_1) * m_2 * v_12 / v_2 * x_2
    completed_2 = m_2 * x_2 + (1 - m_2) * m_1 * v_12 / v_1 * x_1
    error = theta_1 * (x_1 - completed_1) + theta_2 * (x_2 - completed_2)
    variances = sp.Integer(0)
    for o, m, p in patterns(2):
        if m:
            part = block(theta, m, (0,))
            variances += p * (part.T * conditional_variance(TRUTH, o, m) * part)[0]
    return equal(Expectation(error**2 + sigma**2), sigma**2 + variances)


inference_claims = tuple(item for item in list(globals().values()) if isinstance(item, Claim))
