"""The layers of attention on Gaussian tokens, symbolically: what the engine makes of each score.

    a = Bx,  B = KᵀQ/√d_k,   softmax  E e^{⟨a, y⟩} y / E e^{⟨a, y⟩},   the others  E f(⟨a, y⟩) y,   y ~ N(m, Σ)

and over n tokens the mean and covariance of R_n = Σ p_i y_i, p = softmax(⟨a, y_i⟩). Nothing is typed in as a result;
numbers are in `_attention_numbers`, claims in `attention_map`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from theory import E, GaussianVector, NormalCDF, dot, quad, softmax_sum
from theory.notation import d

# --- symbols ---------------------------------------------------------------------------------

d_k = sp.Symbol("d_k", integer=True, positive=True)
n = sp.Symbol("n", integer=True, positive=True)
a, b, m, m_q, u, v = (sp.MatrixSymbol(name, d, 1) for name in ("a", "b", "m", "m_q", "u", "v"))
B, G, J, M, V, W = (sp.MatrixSymbol(name, d, d) for name in "BGJMVW")
S, S_q = sp.MatrixSymbol("Sigma", d, d), sp.MatrixSymbol("Sigma_q", d, d)
K = sp.MatrixSymbol("K", d_k, d)
y = GaussianVector("y", d, mean=m, covariance=S)
x = GaussianVector("x", d, mean=m_q, covariance=S_q)
centered = GaussianVector("z", d, covariance=S)

# --- scores and what the engine makes of them --------------------------------------------------

SCORES: dict[str, Callable[[sp.Expr], sp.Expr]] = {
    "linear": lambda score: score,
    "erf": sp.erf,
    "probit": NormalCDF,
    "relu": lambda score: sp.Max(0, score),
    "gelu": lambda score: score * NormalCDF(score),
    "exp": sp.exp,
}
NORMALIZED = ("softmax", "l2")
AFFINE = ("softmax", "l2", "linear", "sinkhorn")
KINDS = (*NORMALIZED, *SCORES, "sinkhorn")


def weight(kind: str) -> sp.Expr:
    """The weight of a token in the sum, as a function of the random token y.

    >>> weight("softmax")
    exp(dot(y, a))
    """
    if kind == "softmax":
        return sp.exp(dot(a, y))
    if kind == "l2":  # e^{−‖Qx − Ky‖²/2} = e^{⟨a, y⟩ − ‖Ky‖²/2} up to a factor that does not depend on y
        return sp.exp(dot(a, y) - quad(y, K.T * K) / 2)
    return SCORES[kind](dot(a, y))


@lru_cache
def total_weight(kind: str) -> sp.Expr:
    """E f, the mean weight over tokens N(m, Σ)."""
    return E(weight(kind))


@lru_cache
def weighted_token(kind: str) -> sp.Expr:
    """E f y, a vector.

    >>> weighted_token("linear")
    dot(a, m)*m + Sigma*a
    """
    return E(weight(kind) * y)


@dataclass(frozen=True)
class ScoreCoefficients:
    """E f y = on_mean m + on_score Σa, in the mean μ = ⟨a, m⟩ and the variance q = ⟨a, Σa⟩ of the score."""

    on_mean: sp.Expr
    on_score: sp.Expr


mu_s, q_s = sp.Symbol("mu", real=True), sp.Symbol("q", positive=True)


@lru_cache
def score_coefficients(kind: str) -> ScoreCoefficients:
    """The layer of a score that is not normalised, V = I.

    >>> score_coefficients("erf").on_mean
    erf(mu/sqrt(2*q + 1))
    """
    found = {matrix: coefficient for coefficient, matrix in _terms(weighted_token(kind))}
    in_scalars = {dot(a, m): mu_s, dot(a, S * a): q_s}
    return ScoreCoefficients(*(found[matrix].xreplace(in_scalars) for matrix in (m, S * a)))


def _terms(vector: sp.Expr) -> list[tuple[sp.Expr, sp.Expr]]:
    """The coefficient and the matrix factor of each term of a sum."""
    pairs = (term.as_coeff_mmul() for term in sp.MatAdd.make_args(vector))
    return [(coefficient, matrix.doit()) for coefficient, matrix in pairs]


@lru_cache
def mean_field(kind: str) -> sp.Expr:
    """Softmax or L2 attention on N(m, Σ) with V = I: E f y / E f.

    >>> mean_field("softmax")
    Sigma*a + m
    """
    mass = total_weight(kind)
    terms = (sp.powsimp(coefficient / mass) * matrix for coefficient, matrix in _terms(weighted_token(kind)))
    return sp.MatAdd(*terms).doit()


@dataclass(frozen=True)
class AffineLayer:
    """Softmax or L2 attention on a Gaussian law, V = I: offset + linear·a."""

    offset: sp.Expr
    linear: sp.Expr


@lru_cache
def affine_layer(kind: str) -> AffineLayer:
    """The two parts of `mean_field`.

    >>> affine_layer("softmax")
    AffineLayer(offset=m, linear=Sigma)
    """
    offset, linear = [], []
    for term in sp.MatAdd.make_args(mean_field(kind)):
        if a in term.free_symbols:
            *factors, last = term.args
            if last != a or any(a in factor.free_symbols for factor in factors):
                raise ValueError(f"expected a layer that is linear in a, got the term {term}")
            linear.append(sp.MatMul(*factors).doit())
        else:
            offset.append(term)
    return AffineLayer(sp.MatAdd(*offset).doit(), sp.MatAdd(*linear).doit())


@lru_cache
def log_weight(kind: str) -> sp.Expr:
    """log E f, the gate of a component of a mixture, for softmax and L2 attention.

    >>> log_weight("softmax")
    dot(a, Sigma*a)/2 + dot(a, m)
    """
    return sp.expand_log(sp.log(total_weight(kind)), force=True)


# the eigenvalues of the conditional covariance of Sinkhorn attention, see `sinkhorn_plan_has_the_right_marginals`
mu = sp.Symbol("mu", nonnegative=True)
SINKHORN_SHRINKAGE = 2 / (1 + sp.sqrt(1 + 4 * mu))


@dataclass(frozen=True)
class PromptMoments:
    """Mean and covariance of R_n = Σ p_i y_i over n tokens N(m, Σ), in moments of the weights.

    E R_n = m + gain Σa,    Cov R_n = spread Σ + along Σaaᵀ Σ
    """

    gain: sp.Expr
    spread: sp.Expr
    along: sp.Expr


q = sp.Symbol("q", nonnegative=True)
c_u, c_v, c_uv = sp.symbols("c_u c_v c_uv", real=True)
IN_OVERLAPS = {dot(a, S * a): q, dot(a, S * u): c_u, dot(a, S * v): c_v, dot(u, S * v): c_uv}


def prompt_mean(u: sp.Expr) -> sp.Expr:
    """E ⟨u, R_n − m⟩."""
    return softmax_sum([(1, [u])], n=n, score=a, covariance=S)


def prompt_product(u: sp.Expr, v: sp.Expr) -> sp.Expr:
    """E ⟨u, R_n − m⟩⟨v, R_n − m⟩: the same token twice, and two tokens."""
    same = softmax_sum([(2, [u, v])], n=n, score=a, covariance=S)
    return same + softmax_sum([(1, [u]), (1, [v])], n=n, score=a, covariance=S)


@lru_cache
def prompt_moments() -> PromptMoments:
    """The moments of a prompt, for every n, from Stein's lemma on the weights.

    >>> prompt_moments().gain
    1 - SoftmaxMoment(n, q, 2)
    """
    first = prompt_mean(u).xreplace(IN_OVERLAPS)
    second = (prompt_product(u, v) - prompt_mean(u) * prompt_mean(v)).xreplace(IN_OVERLAPS)
    in_overlaps = sp.Poly(sp.expand(second), c_u, c_v, c_uv)
    return PromptMoments(
        sp.expand(first / c_u), in_overlaps.coeff_monomial(c_uv), in_overlaps.coeff_monomial(c_u * c_v)
    )


@lru_cache
def tilted_query(order: int) -> sp.Expr:
    """E e^{⟨b, x⟩ + ½xᵀGx} times 1, x or xxᵀ, over queries N(m_q, Σ_q)."""
    tilt = sp.exp(dot(b, x) + quad(x, G) / 2)
    return E([tilt, tilt * x, tilt * (x * x.T)][order], symmetric=[G])


tau = sp.Symbol("tau", nonnegative=True)


def first_order_error() -> sp.Expr:
    """n times the excess of E‖x − V R_n‖² over its limit, at a query x: e^q [tr VΣVᵀ + ‖Mx‖² + 2⟨x − Mx, Mx⟩], q =
    xᵀGx."""
    gap, image = centered - M * centered, M * centered
    return sp.exp(quad(centered, G)) * (tau + dot(image, image) + 2 * dot(gap, image))


@lru_cache
def first_order_coefficient() -> sp.Expr:
    """c₁ of E‖x − V R_n(Bx)‖² = R_∞ + c₁/n over queries N(0, Σ), with τ = tr VΣVᵀ, M = VΣB and G = BᵀΣB."""
    return E(first_order_error(), symmetric=[G])
