"""Claims: imputers that adapt to the pattern. The conditional expectation, softmax over observed features, depth.

Formulas over patterns are written for a number of features, pattern by pattern, with symbols for all entries; a mean
over patterns is a sum of 2^d terms, which shares nothing with the formula it is compared with.

Softmax over the observed features, for entry i and weights w_j = e^{A_ij}:

    x̂_i = v Σ_{j≠i} m_j w_j x_j / Σ_{j≠i} m_j w_j,   0 where nothing is observed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import sympy as sp

from numerics import Simulator
from proofs_check.boxes import CertifiedOnBox
from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, claim
from proofs_check.entrywise import Entrywise
from proofs_check.monte_carlo import MonteCarloAgreement
from proofs_check.symbolic import SymbolicIdentity
from theory import (
    Agreement,
    Domain,
    Expectation,
    GaussianIntegral,
    GaussianVector,
    Inequality,
    Mask,
    dot,
    equal,
    gaussians,
)

from ._imputation_linear import ENTRIES_OF_SIGMA, NOTE, covariance_3, off, square
from ._imputation_model import C, Sigma, d, error_of, rho, x

__all__ = ["BAYES", "adaptive_claims"]

tr, had = sp.Trace, sp.HadamardProduct
Q = sp.Rational
DERIVED = "derived here"
EXACT = (SymbolicIdentity(), CertifiedNumerics())
RATE = {rho: (Q(1, 10), Q(9, 10))}
ENTRIES = {symbol: (1, 2) if str(symbol)[1] == str(symbol)[2] else (Q(-1, 3), Q(1, 3)) for symbol in ENTRIES_OF_SIGMA}


def patterns(size: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], sp.Expr]]:
    """(observed, missing, probability) for every pattern of independent entries."""
    for bits in itertools.product((0, 1), repeat=size):
        observed = tuple(i for i in range(size) if bits[i])
        missing = tuple(i for i in range(size) if not bits[i])
        yield observed, missing, rho ** len(observed) * (1 - rho) ** len(missing)


def block(A: sp.MatrixBase, rows: tuple[int, ...], columns: tuple[int, ...]) -> sp.Matrix:
    """The entries of A in some rows and columns."""
    return sp.Matrix(A).extract(list(rows), list(columns))


# --- the conditional expectation -------------------------------------------------------------


def conditional_variance(S: sp.MatrixBase, observed: tuple[int, ...], missing: tuple[int, ...]) -> sp.Matrix:
    """Σ_mm − Σ_mo Σ_oo⁻¹ Σ_om."""
    if not observed:
        return block(S, missing, missing)
    weights = block(S, missing, observed) * block(S, observed, observed).inv()
    return block(S, missing, missing) - weights * block(S, observed, missing)


@claim(on=Domain(ENTRIES), by=EXACT, source="classical")
def two_forms_of_the_conditional_expectation():
    """Σ_moΣ_oo⁻¹ = −P_mm⁻¹P_mo with P = Σ⁻¹, for three features and every pattern."""
    S, P = covariance_3(), covariance_3().inv()
    left, right = [], []
    for o, m, _ in patterns(3):
        if o and m:
            left += list(block(S, m, o) * block(S, o, o).inv())
            right += list(-block(P, m, m).inv() * block(P, m, o))
    return equal(left, right)


@claim(on=Domain(ENTRIES), by=EXACT, source="classical")
def two_forms_of_the_conditional_variance():
    """Σ_mm − Σ_moΣ_oo⁻¹Σ_om = P_mm⁻¹, for three features and every pattern."""
    S, P = covariance_3(), covariance_3().inv()
    left, right = [], []
    for o, m, _ in patterns(3):
        if m:
            left += list(conditional_variance(S, o, m))
            right += list(block(P, m, m).inv())
    return equal(left, right)


def bayes_risk_3() -> sp.Expr:
    """E_m tr Var(x_m | x_o) for three features."""
    S = covariance_3()
    return sp.Add(*(p * conditional_variance(S, o, m).trace() for o, m, p in patterns(3) if m))


def second_moment_of_the_bayes_loss() -> sp.Expr:
    """E_m [(tr V)² + 2 tr V²], V = Var(x_m | x_o): the loss is a quadratic form in Gaussians of covariance V."""
    S = covariance_3()
    blocks = [(p, conditional_variance(S, o, m)) for o, m, p in patterns(3) if m]
    return sp.Add(*(p * (V.trace() ** 2 + 2 * (V * V).trace()) for p, V in blocks))


def draw(rng: np.random.Generator, n: int, *, Sigma: np.ndarray, rho: float) -> tuple[np.ndarray, np.ndarray]:
    """n rows: tokens (n, 2, d), the incomplete row and its mask; the target is the row."""
    dimension = len(Sigma)
    eigenvalues, vectors = np.linalg.eigh(Sigma)
    root = vectors * np.sqrt(np.clip(eigenvalues, 0, None))
    rows = rng.standard_normal((n, dimension)) @ root.T
    mask = rng.random((n, dimension)) < rho
    return np.stack([np.where(mask, rows, 0.0), mask], axis=1), rows


def predict_bayes(tokens: np.ndarray, *, Sigma: np.ndarray) -> np.ndarray:
    """Each row completed by its conditional expectation Σ_moΣ_oo⁻¹x_o, one pattern after the other."""
    filled, masks = tokens[:, 0].copy(), tokens[:, 1].astype(bool)
    for mask in np.unique(masks, axis=0):
        if mask.any() and not mask.all():
            rows = np.flatnonzero((masks == mask).all(axis=1))
            known = np.linalg.solve(Sigma[np.ix_(mask, mask)], filled[np.ix_(rows, mask)].T)
            filled[np.ix_(rows, ~mask)] = (Sigma[np.ix_(~mask, mask)] @ known).T
    return filled


BAYES = Simulator(draw, predict_bayes)


def covariances(rng: np.random.Generator) -> dict[str, Any]:
    """A model: a covariance with a dominant diagonal, and a rate."""
    S = rng.uniform(-1 / 3, 1 / 3, (3, 3))
    S = np.triu(S, 1) + np.triu(S, 1).T + np.diag(rng.uniform(1, 2, 3))
    return {"Sigma": S, "rho": float(rng.uniform(0.2, 0.8))}


def entries_of(*, Sigma: np.ndarray, rho: float) -> Mapping[str, float]:
    """The symbols of `bayes_risk_3` at a model."""
    upper = {f"s{i + 1}{j + 1}": float(Sigma[i, j]) for i in range(3) for j in range(i, 3)}
    return {**upper, "rho": rho}


@claim(
    on=Domain({**ENTRIES, **RATE}),
    by=[
        MonteCarloAgreement(
            resolution=0.04,
            points=2,
            models=covariances,
            second_moment=second_moment_of_the_bayes_loss(),
            coordinates=entries_of,
        )
    ],
    source="classical",
)
def bayes_risk_is_the_mean_of_the_model():
    """E_m tr (Σ_mm − Σ_moΣ_oo⁻¹Σ_om) is the mean loss of rows that are drawn, masked and completed."""
    return Agreement(bayes_risk_3())


pi_1, shift = sp.symbols("pi_1 t", real=True)
a_1, a_2, q_1, q_2, v_1, v_2 = sp.symbols("a_1 a_2 q_1 q_2 v_1 v_2", real=True)
b_1, b_2 = sp.symbols("b_1 b_2", real=True)
z = sp.Symbol("z", real=True)
MIXTURE = Domain(
    {
        pi_1: (Q(1, 5), Q(4, 5)),
        shift: (-1, 1),
        **dict.fromkeys((a_1, a_2, b_1, b_2), (-1, 1)),
        q_1: (1, 2),
        q_2: (1, 2),
        v_1: (Q(-1, 2), Q(1, 2)),
        v_2: (Q(-1, 2), Q(1, 2)),
    }
)


@claim(on=MIXTURE, by=[CertifiedNumerics(digits=15, points=2)], source="classical")
def bayes_of_a_mixture():
    """For a mixture E[x_2 | x_1] = Σ r_k(x_1)E_k[x_2 | x_1] with r_k ∝ π_k N(x_1; m_k, S_k): tested against every
    exponential, E x_2 e^{tx_1} = E E[x_2 | x_1] e^{tx_1}, the right side by quadrature over x_1 of the first
    component."""
    components = ((pi_1, a_1, b_1, q_1, v_1), (1 - pi_1, a_2, b_2, q_1 / q_2, v_2))
    left = sp.Integer(0)
    for k, (share, a, b, q, v) in enumerate(components):
        y_1, y_2 = gaussians(f"y_{k}1 y_{k}2", mean=[a, b], covariance=[[q, v], [v, sp.Integer(2)]])
        left += share * Expectation(y_2 * sp.exp(shift * y_1))
    at = a_1 + sp.sqrt(q_1) * z

    def likelihood(a: sp.Expr, q: sp.Expr) -> sp.Expr:
        return sp.exp(-((at - a) ** 2) / (2 * q)) / sp.sqrt(q)

    # E[x_2 | x_1] times the density of x_1 is Σ_k π_k N_k(x_1) E_k[x_2 | x_1]
    weighted = sp.Add(*(share * likelihood(a, q) * (b + v / q * (at - a)) for share, a, b, q, v in components))
    return equal(left, GaussianIntegral(weighted / likelihood(a_1, q_1) * sp.exp(shift * at), (z,)))


@claim(on=Domain({**ENTRIES, **RATE}), by=[CertifiedNumerics()], source="pitfall: one linear layer and Bayes")
def one_linear_layer_is_worse_than_bayes():
    """For three features whose covariance is not diagonal the best linear imputer is worse than the conditional
    expectation: weights that cannot depend on the pattern cost something."""
    S = covariance_3()
    inverse = sp.Matrix(3, 3, lambda i, j: S[i, j] if i == j else rho * S[i, j]).inv()
    linear = (1 - rho) * sp.Add(*(1 / inverse[i, i] - (1 - rho) * S[i, i] for i in range(3))) / rho
    return Inequality(bayes_risk_3(), "<", linear)


# --- softmax over the observed features ------------------------------------------------------

NEIGHBOURS = 3
weights = sp.symbols(f"w_1:{NEIGHBOURS + 1}", positive=True)
v = sp.Symbol("v", real=True)
exponentials = sp.symbols(f"E_1:{NEIGHBOURS + 1}")
SOFTMAX = {**RATE, **dict.fromkeys(weights, (Q(1, 2), 2))}
ALL = range(NEIGHBOURS)


def share_of(j: int, observed: tuple[int, ...]) -> sp.Expr:
    """p_j = m_jw_j/Σ m_kw_k."""
    return weights[j] / sp.Add(*(weights[k] for k in observed)) if j in observed else sp.Integer(0)


def enumerated(function: Callable[[tuple[int, ...]], sp.Expr]) -> sp.Expr:
    """The mean over the patterns of the neighbours."""
    return sp.Add(*(p * function(o) for o, _, p in patterns(NEIGHBOURS)))


def integrated(constant: sp.Expr, rate: sp.Expr, without: tuple[int, ...], power: int = 0) -> sp.Expr:
    """constant · ∫₀^∞ t^power e^{−rate t} ∏_{k ∉ without} b_k(t) dt with b_k = 1 − ρ + ρe^{−tw_k}, term by term.

    ∫₀^∞ t^n e^{−ct} dt = n!/c^{n+1}.
    """
    product = sp.expand(sp.Mul(*(1 - rho + rho * exponentials[k] for k in ALL if k not in without)))
    total = sp.Integer(0)
    for term in sp.Add.make_args(product):
        powers = term.as_powers_dict()
        exponent = rate + sp.Add(*(powers.get(E, 0) * w for E, w in zip(exponentials, weights, strict=True)))
        coefficient = term.subs(dict.fromkeys(exponentials, 1))
        total += coefficient * sp.factorial(power) / exponent ** (power + 1)
    return constant * total


def alpha(j: int) -> sp.Expr:
    """ρw_j ∫ e^{−tw_j} ∏_{k≠j} b_k dt."""
    return integrated(rho * weights[j], weights[j], (j,))


def beta(j: int, l: int) -> sp.Expr:
    """ρ²w_jw_l ∫ t e^{−t(w_j + w_l)} ∏ b_k dt for j ≠ l, ρw_j² ∫ t e^{−tw_j} ∏_{k≠j} b_k dt for j = l."""
    if j == l:
        return integrated(rho * weights[j] ** 2, weights[j], (j,), power=1)
    return integrated(rho**2 * weights[j] * weights[l], weights[j] + weights[l], (j, l), power=1)


@claim(on=Domain(SOFTMAX), by=EXACT, source=NOTE)
def mean_softmax_weight():
    """E p_j = ρw_j ∫₀^∞ e^{−tw_j} ∏_{k≠j} b_k(t) dt with b_k = 1 − ρ + ρe^{−tw_k}: one integral for 2^d patterns; here
    three neighbours against the eight patterns."""
    return equal([enumerated(lambda o, j=j: share_of(j, o)) for j in ALL], [alpha(j) for j in ALL])


@claim(on=Domain(SOFTMAX), by=EXACT, source=NOTE)
def second_moment_of_softmax_weights():
    """E p_jp_l = ρ²w_jw_l ∫ t e^{−t(w_j+w_l)} ∏ b_k dt for j ≠ l, and E p_j² = ρw_j² ∫ t e^{−tw_j} ∏_{k≠j} b_k dt."""
    pairs = [(j, l) for j in ALL for l in ALL if j <= l]
    means = [enumerated(lambda o, j=j, l=l: share_of(j, o) * share_of(l, o)) for j, l in pairs]
    return equal(means, [beta(j, l) for j, l in pairs])


@claim(on=Domain(SOFTMAX), by=[CertifiedNumerics()], source="a trap named in a secondary note", expected="refuted")
def second_moment_of_softmax_weights_with_the_exponent_doubled():
    """E p_j² = ρw_j² ∫ t e^{−2tw_j} ∏_{k≠j} b_k dt, as the formula for j ≠ l suggests: false."""
    doubled = integrated(rho * weights[0] ** 2, 2 * weights[0], (0,), power=1)
    return equal(enumerated(lambda o: share_of(0, o) ** 2), doubled)


S_i = sp.symbols(f"c_1:{NEIGHBOURS + 1}", real=True)
S_ii = sp.Symbol("c_0", real=True)
SOFTMAX_RISK = Domain({**SOFTMAX, **ENTRIES, **dict.fromkeys(S_i, (Q(-1, 3), Q(1, 3))), S_ii: (1, 2), v: (Q(-2), Q(2))})


def error_given(observed: tuple[int, ...]) -> sp.Expr:
    """E (x_i − v Σ p_jx_j)² = Σ_ii − 2v pᵀΣ_·i + v² pᵀΣp, for one pattern."""
    p = sp.Matrix([share_of(j, observed) for j in ALL])
    return S_ii - 2 * v * (p.T * sp.Matrix(S_i))[0] + v**2 * (p.T * covariance_3() * p)[0]


@claim(on=SOFTMAX_RISK, by=[CertifiedNumerics(), SymbolicIdentity()], source=NOTE)
def risk_of_softmax_over_observed_features():
    """A missing entry costs Σ_ii − 2v αᵀΣ_·i + v² tr βΣ: one-dimensional integrals instead of patterns."""
    S = covariance_3()
    by_integrals = (
        S_ii
        - 2 * v * sp.Add(*(alpha(j) * S_i[j] for j in ALL))
        + v**2 * sp.Add(*(beta(j, l) * S[l, j] for j in ALL for l in ALL))
    )
    return equal(enumerated(error_given), by_integrals)


@claim(on=SOFTMAX_RISK, by=[CertifiedNumerics(), SymbolicIdentity()], source=NOTE)
def gradient_of_softmax_in_its_scores():
    """∂R/∂A_ij = E 2v p_j(r_j − p·r) with r = vΣp − Σ_·i, for a missing entry."""

    def slope(observed: tuple[int, ...], j: int) -> sp.Expr:
        p = sp.Matrix([share_of(k, observed) for k in ALL])
        r = v * covariance_3() * p - sp.Matrix(S_i)
        return 2 * v * p[j] * (r[j] - (p.T * r)[0])

    mean = enumerated(error_given)
    return equal(
        [weights[j] * sp.diff(mean, weights[j]) for j in ALL], [enumerated(lambda o, j=j: slope(o, j)) for j in ALL]
    )


# --- equicorrelated features -----------------------------------------------------------------

r, w, count = sp.symbols("r w k", real=True)
size = sp.Symbol("n", integer=True, positive=True)
ones = sp.OneMatrix(d, d)
alike = GaussianVector("y", d, covariance=(1 - r) * sp.Identity(d) + r * ones)
ALIKE = Domain({**RATE, r: (Q(1, 10), Q(9, 10)), w: (-1, 1)})


def linear_alike(rate: sp.Expr = rho, number: sp.Expr = d) -> sp.Expr:
    """1 − ρ(d−1)r²/(1 + ρ(d−2)r)."""
    return 1 - rate * (number - 1) * r**2 / (1 + rate * (number - 2) * r)


@claim(on=ALIKE, by=[Entrywise([{d: 2}, {d: 3}, {d: 4}], draws=1), SymbolicIdentity()], source=NOTE)
def linear_imputer_of_equicorrelated_features():
    """For Σ = (1−r)I + r11ᵀ and W = w(11ᵀ − I), R = d(1−ρ)[1 − ρ(d−1)r²/(1 + ρ(d−2)r) + ρ(d−1)(1 + ρ(d−2)r)(w − w*)²]
    with w* = r/(1 + ρ(d−2)r)."""
    error = error_of(Mask("m", d, rho), "missing", w * (ones - sp.Identity(d)), alike)
    curvature = 1 + rho * (d - 2) * r
    return equal(
        Expectation(dot(error, error)),
        d * (1 - rho) * (linear_alike() + rho * (d - 1) * curvature * (w - r / curvature) ** 2),
    )


@claim(on=Domain({r: (Q(1, 10), Q(9, 10))}), by=[SymbolicIdentity()], source=NOTE)
def conditional_expectation_of_equicorrelated_features():
    """With k observed the weights are r/(1 + (k−1)r) each, ((1−r)I + r11ᵀ)·weights = r1, and what is left of the
    variance is 1 − kr²/(1 + (k−1)r)."""
    weight = r / (1 + (size - 1) * r)
    column = sp.OneMatrix(size, 1)
    second = (1 - r) * sp.Identity(size) + r * sp.OneMatrix(size, size)
    return equal(
        [tr(second * (weight * column) * column.T), 1 - r * weight * dot(column, column)],
        [tr(r * column * column.T), 1 - size * r**2 / (1 + (size - 1) * r)],
    )


def binomial_mean(number: int, function: Callable[[int], sp.Expr], rate: sp.Expr = rho) -> sp.Expr:
    """E f(k) for k ~ Bin(number, ρ)."""
    return sp.Add(
        *(sp.binomial(number, j) * rate**j * (1 - rate) ** (number - j) * function(j) for j in range(number + 1))
    )


def softmax_alike(number: int, rate: sp.Expr = rho) -> tuple[sp.Expr, sp.Expr]:
    """(v*, 1 − (1−p₀)rv*), v* = (1−p₀)r/((1−p₀)r + (1−r)E 1{k>0}/k), p₀ = (1−ρ)^{d−1}."""
    some = 1 - (1 - rate) ** (number - 1)
    inverse = binomial_mean(number - 1, lambda j: Q(1, j) if j else sp.Integer(0), rate)
    best = some * r / (some * r + (1 - r) * inverse)
    return best, 1 - some * r * best


def bayes_alike(number: int, rate: sp.Expr = rho) -> sp.Expr:
    """E [1 − kr²/(1 + (k−1)r)], k ~ Bin(d−1, ρ)."""
    return binomial_mean(number - 1, lambda j: 1 - j * r**2 / (1 + (j - 1) * r), rate)


ONE_BY_ONE = {
    **{symbol: 1 if str(symbol)[1] == str(symbol)[2] else r for symbol in ENTRIES_OF_SIGMA},
    **dict.fromkeys(S_i, r),
    S_ii: 1,
}
EQUAL_SCORES = dict.fromkeys(weights, 1)


@claim(on=Domain({**RATE, r: (Q(1, 10), Q(9, 10)), v: (-2, 2)}), by=EXACT, source=NOTE)
def softmax_of_equicorrelated_features():
    """With equal scores a missing entry costs R* + ((1−p₀)r + (1−r)E 1{k>0}/k)(v − v*)², four features, against the
    mean over patterns."""
    best, least = softmax_alike(4)
    curvature = (1 - (1 - rho) ** 3) * r / best
    return equal(enumerated(error_given).subs({**ONE_BY_ONE, **EQUAL_SCORES}), least + curvature * (v - best) ** 2)


@claim(on=Domain({**RATE, r: (Q(1, 10), Q(9, 10)), v: (-2, 2)}), by=EXACT, source=NOTE)
def equal_scores_are_stationary():
    """For equicorrelated features equal scores are stationary in every score, four features."""
    mean = enumerated(error_given).subs(ONE_BY_ONE)
    return equal([sp.diff(mean, each).subs(EQUAL_SCORES) for each in weights], [sp.Integer(0)] * NEIGHBOURS)


@claim(on=Domain({**SOFTMAX, r: (Q(1, 10), Q(9, 10)), v: (-2, 2)}), by=[CertifiedNumerics()], source=NOTE,
       expected="open")  # fmt: skip
def equal_scores_are_optimal():
    """No scores do better than equal ones for equicorrelated features: found in every search, not proved; here at
    points, four features."""
    return Inequality(enumerated(error_given).subs(ONE_BY_ONE), ">=", softmax_alike(4)[1])


EIGHT = {"number": 8, "rate": Q(55, 100)}


@claim(on=Domain({r: (Q(2855, 10000), Q(95, 100))}), by=[CertifiedOnBox()], source=NOTE)
def softmax_beats_linear_attention_for_strong_correlations():
    """For d = 8 and ρ = .55 softmax with its best v is better than the best linear imputer for r from .2855 to .95."""
    return Inequality(softmax_alike(**EIGHT)[1], "<", linear_alike(EIGHT["rate"], sp.Integer(8)))


@claim(on=Domain({r: (Q(1, 50), Q(2853, 10000))}), by=[CertifiedOnBox()], source=NOTE)
def linear_attention_beats_softmax_for_weak_correlations():
    """For d = 8 and ρ = .55 the best linear imputer is better than softmax for r from .02 to .2853: the crossover is
    between .2853 and .2855 (.28540)."""
    return Inequality(softmax_alike(**EIGHT)[1], ">", linear_alike(EIGHT["rate"], sp.Integer(8)))


@claim(on=Domain({}), by=[CertifiedNumerics()], source=NOTE)
def risks_of_equicorrelated_features_in_numbers():
    """Linear, softmax and Bayes at (d, ρ) = (8, .55): .78115, .77708, .77130 for r = .35; .21448, .13264, .13240 for
    r = .9; .99174, .99264, .99172 for r = .05: all nine are within half a unit of the last digit."""
    published = {Q(35, 100): (78115, 77708, 77130), Q(9, 10): (21448, 13264, 13240), Q(5, 100): (99174, 99264, 99172)}
    risks = (linear_alike(EIGHT["rate"], sp.Integer(8)), softmax_alike(**EIGHT)[1], bayes_alike(**EIGHT))
    errors = [
        sp.Abs(each.subs(r, at) - Q(number, 100_000))
        for at, numbers in published.items()
        for each, number in zip(risks, numbers, strict=True)
    ]
    return Inequality(sp.Max(*errors), "<", Q(1, 200_000))


# --- depth -----------------------------------------------------------------------------------

eta, lam, low, high = sp.symbols("eta lambda a b", positive=True)
x_o = sp.Symbol("x_o", real=True)
PRECISION = Domain({**ENTRIES, eta: (Q(1, 10), Q(1, 2)), x_o: (-2, 2)})


@claim(on=PRECISION, by=EXACT, source=NOTE)
def layers_contract_towards_the_conditional_expectation():
    """Three layers x ← x − η(1 − m) ∘ (Px) from zero imputation leave (I − ηP_mm)³ times the first distance to
    −P_mm⁻¹P_mo x_o: three features, the first one observed, P any symmetric matrix."""
    P = covariance_3()
    state = sp.Matrix([x_o, 0, 0])
    for _ in range(3):
        move = P * state
        state = sp.Matrix([x_o, state[1] - eta * move[1], state[2] - eta * move[2]])
    inner = block(P, (1, 2), (1, 2))
    limit = -inner.inv() * block(P, (1, 2), (0,)) * x_o
    contraction = sp.eye(2) - eta * inner
    return equal(list(sp.Matrix(state[1:]) - limit), list(contraction**3 * (-limit)))


P = sp.MatrixSymbol("P", d, d)
one = sp.OneMatrix(d, 1)


@claim(on=Domain({**RATE, eta: (Q(1, 10), 1)}), by=[Entrywise([{d: 2}, {d: 3}], draws=1)], source=NOTE)
def one_layer_is_a_linear_imputer():
    """One layer has the missing loss of the linear imputer W = −ηP, for any matrix P."""
    m = Mask("m", d, rho)
    z_row = had(m, x)
    error = had(one - m, x - (z_row - eta * had(one - m, P * z_row)))
    return equal(
        Expectation(dot(error, error)),
        (1 - rho) * (tr(Sigma) + 2 * eta * rho * tr(off(P) * Sigma) + eta**2 * rho * square(off(P), C)),
    )


s_1, s_2, s_12 = sp.symbols("s_1 s_2 s_12", real=True)
PLANE = Domain({**RATE, s_1: (1, 2), s_2: (1, 2), s_12: (Q(-1, 2), Q(1, 2)), eta: (Q(1, 10), Q(1, 2))})


def risk_of_layers(S: sp.Matrix, layers: int) -> sp.Expr:
    """E_m tr [P_mm⁻¹ + (I − ηP_mm)^t(Σ_mm − P_mm⁻¹)(I − ηP_mm)^t]."""
    precision, total = S.inv(), sp.Integer(0)
    for _, m, p in patterns(S.rows):
        if m:
            inner = block(precision, m, m)
            contraction = (sp.eye(len(m)) - eta * inner) ** layers
            total += p * (inner.inv() + contraction * (block(S, m, m) - inner.inv()) * contraction).trace()
    return total


@claim(on=PLANE, by=[Entrywise(draws=2, engine=False)], source=NOTE)
def risk_of_two_layers():
    """The risk of two layers is E_m tr [P_mm⁻¹ + (I − ηP_mm)²(Σ_mm − P_mm⁻¹)(I − ηP_mm)²], two features."""
    S = sp.ImmutableMatrix([[s_1, s_12], [s_12, s_2]])
    precision, m = sp.ImmutableMatrix(S.inv()), Mask("m", 2, rho)
    row, missing = GaussianVector("y", 2, covariance=S), sp.OneMatrix(2, 1) - m
    state = had(m, row)
    for _ in range(2):
        state = state - eta * had(missing, precision * state)
    error = had(missing, row - state)
    return equal(Expectation(dot(error, error)), risk_of_layers(S, 2))


SPECTRUM = Domain({low: (Q(1, 10), 1), high: (1, 3), lam: (Q(1, 2), 2)})


@claim(on=SPECTRUM, by=EXACT, source=NOTE)
def one_step_size_contracts_every_pattern():
    """With η = 2/(a + b) and eigenvalues λ of P_mm between those of P, a ≤ λ ≤ b by interlacing: ((b−a)/(b+a))² − (1
    − ηλ)² = 4(λ − a)(b − λ)/(a + b)² ≥ 0. Every pattern contracts at the rate (cond − 1)/(cond + 1)."""
    rate = (high - low) / (high + low)
    step = 2 / (low + high)
    return equal(rate**2 - (1 - step * lam) ** 2, 4 * (lam - low) * (high - lam) / (low + high) ** 2)


@claim(on=Domain({r: (Q(-1, 6), Q(9, 10))}), by=[SymbolicIdentity()], source=NOTE)
def jacobi_on_equicorrelated_features():
    """With n of d equicorrelated features missing the diagonally preconditioned iteration I − Diag(P)⁻¹P_mm has the
    eigenvector 1 with the eigenvalue (n − 1)r/(1 + (d − 2)r)."""
    total = sp.Symbol("D", integer=True, positive=True)
    share = r / (1 + (total - 1) * r)
    diagonal, other = 1 - share, -share  # (1 − r)P = I − share 11ᵀ
    column = sp.OneMatrix(size, 1)
    inner = (diagonal - other) * sp.Identity(size) + other * sp.OneMatrix(size, size)
    iterated = column - (1 / diagonal) * inner * column
    return equal(tr(iterated * column.T), (size - 1) * r / (1 + (total - 2) * r) * size)


@claim(
    on=Domain({r: (Q(-199, 1000), Q(-1, 100))}),
    by=[CertifiedNumerics()],
    source="Jacobi's iteration converges like the residual layers do, a reading one is tempted by",
    expected="refuted",
)
def jacobi_converges():
    """For d = 6 equicorrelated features of which five are missing that eigenvalue, 4r/(1 + 4r), is above −1 wherever
    Σ is positive definite: false, at r = −.19 it is −19/6 = −3.17."""
    return Inequality(4 * r / (1 + 4 * r), ">", -1)


@claim(on=Domain({}), by=[SymbolicIdentity(), CertifiedNumerics()], source=NOTE)
def witness_against_jacobi():
    """At d = 6, r = −.19, five missing, the eigenvalue is −19/6, and Σ is positive definite: 1 + 5r = 1/20."""
    at = {r: Q(-19, 100)}
    return equal([(4 * r / (1 + 4 * r)).subs(at), (1 + 5 * r).subs(at)], [Q(-19, 6), Q(1, 20)])


y_1, y_2, y_3 = sp.symbols("y_1 y_2 y_3", real=True)


@claim(on=Domain({**ENTRIES, **dict.fromkeys((y_1, y_2, y_3), (-1, 1))}), by=EXACT, source="classical")
def gauss_seidel_descends():
    """In Gauss–Seidel order the replacement of x_i by −Σ_{j≠i} P_ijx_j/P_ii lowers xᵀPx by (Px)_i²/P_ii: it converges
    for every positive definite P and every pattern."""
    S, state = covariance_3(), sp.Matrix([y_1, y_2, y_3])
    after = state.copy()
    after[0] = -(S[0, 1] * y_2 + S[0, 2] * y_3) / S[0, 0]
    gain = (state.T * S * state)[0] - (after.T * S * after)[0]
    return equal(gain, (S * state)[0] ** 2 / S[0, 0])


adaptive_claims = tuple(item for item in list(globals().values()) if isinstance(item, Claim))
