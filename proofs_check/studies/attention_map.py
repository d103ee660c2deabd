"""Attention as a map on measures: what one layer does to a Gaussian law, a mixture, a finite prompt.

Sources: A. Vaswani et al., *Attention is all you need* (2017); V. Castin, P. Ablin, J. A. Carrillo, G. Peyré, arXiv
2501.18322, for Gaussians and depth; É. Boursier, C. Boyer, arXiv 2512.11784, for infinite prompts; A. Alcalde, J. Ji,
E. Zuazua, arXiv 2606.07600, for depth with a linear term; M. Sander et al., *Sinkformers* (2022). Where only an
abstract or a secondary note was read the source says "second-hand".

Setting. Tokens y ~ μ in R^d with mean m and covariance Σ, a query x in R^{d_q}, and

    score    ⟨Qx, Ky⟩/√d_k = ⟨a, y⟩,   a = Bx,   B = KᵀQ/√d_k
    softmax  Γ_μ(x) = V E e^{⟨a, y⟩} y / E e^{⟨a, y⟩}          the limit of many tokens
    L2       the same with the weight e^{−‖Qx − Ky‖²/(2√d_k)}
    others   V E f(⟨a, y⟩) y, not normalised: f linear, erf, probit Φ, ReLU, GELU uΦ(u), exp
    Sinkhorn the coupling f(x) e^{⟨a, y⟩} g(y) of μ with itself; the layer is its conditional mean
    prompt   R_n = Σ_i p_i y_i, p = softmax(⟨a, y_i⟩), over n independent tokens; the query is not among them

q = ⟨a, Σa⟩ is the variance of a score. Papers that write the score xᵀAy have B = Aᵀ. No risk here carries a factor
1/2; `attention_pca` does, and divides by two. Heads are added: V of head h holds its part of the output matrix.

Not claimed here. The engine has no uniform law on the sphere: its layer is claimed by the coefficients of its series,
from Gaussian moments, and not as a function. The concentration bounds of Boursier and Boyer have constants without a
name, so that no number can refute them. That softmax is a posterior mean only for tokens of one norm is claimed in one
direction. The 1/n terms are those of the delta method; they are compared with exact moments for Gaussian tokens without
the query, and nowhere is what they leave out bounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp
from hypothesis import strategies as st

from numerics import Simulator, value
from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import Claim, Study, claim
from proofs_check.entrywise import Entrywise
from proofs_check.property_based import PropertyBasedAgreement
from proofs_check.strategies import covariances, vectors
from proofs_check.strategies import models as models_of
from proofs_check.symbolic import SymbolicIdentity
from theory import (
    Agreement,
    Conserved,
    Derivation,
    Domain,
    Dot,
    E,
    Expectation,
    GaussianIntegral,
    GaussianVector,
    Inequality,
    Limit,
    MixtureMatrix,
    NormalCDF,
    SoftmaxMoment,
    Statement,
    derive,
    dot,
    equal,
    gaussians,
    quad,
)
from theory.notation import d

from ._attention_layers import (
    IN_OVERLAPS,
    NORMALIZED,
    SCORES,
    SINKHORN_SHRINKAGE,
    B,
    G,
    J,
    K,
    M,
    S,
    S_q,
    V,
    W,
    a,
    affine_layer,
    b,
    c_u,
    c_uv,
    c_v,
    centered,
    d_k,
    first_order_coefficient,
    first_order_error,
    log_weight,
    m,
    m_q,
    mean_field,
    mu,
    mu_s,
    n,
    prompt_mean,
    prompt_moments,
    prompt_product,
    q,
    q_s,
    score_coefficients,
    tau,
    tilted_query,
    total_weight,
    u,
    v,
    weight,
    x,
    y,
)
from ._attention_numbers import (
    attention_at,
    finite_prompt,
    first_order_constant,
    moments_at_depth,
    push_forward,
    root_of,
)
from ._softmax_exponent import QueryMeans, SlopesTowards, mean_participation

__all__ = ["attention_at", "finite_prompt", "first_order_constant", "moments_at_depth", "push_forward", "study"]

DERIVED = "derived here"
CASTIN = "Castin, Ablin, Carrillo, Peyré (2025)"
BOURSIER = "Boursier, Boyer (2025), second-hand"
Rat = sp.Rational

EVERYWHERE = Domain({})

# --- the simulator: a literal transcription of the definition, in full dimension ---------------------


def draw(
    rng: np.random.Generator, n: int, *, query: np.ndarray, mean: np.ndarray, root: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """n prompts of `length` tokens m + root·z, shape (n, L, d), and the query beside each, (n, d)."""
    tokens = rng.standard_normal((n, length, np.shape(root)[1])) @ np.asarray(root).T
    return tokens + np.asarray(mean), np.broadcast_to(np.asarray(query), (n, len(query)))


def predict(tokens: np.ndarray, *, query: np.ndarray, Q: np.ndarray, K: np.ndarray, V: np.ndarray) -> np.ndarray:
    """softmax(⟨Qx, Ky_i⟩/√d_k) applied to the values Vy_i, for tokens of shape (n, L, d)."""
    scores = tokens @ np.asarray(K).T @ (np.asarray(Q) @ np.asarray(query)) / math.sqrt(len(Q))
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("nl,nld->nd", weights, tokens @ np.asarray(V).T)


SIMULATOR = Simulator(draw, predict)


def _matrices(size: int) -> st.SearchStrategy[np.ndarray]:
    return st.lists(vectors(size, norms=("1/4", 1)), min_size=size, max_size=size).map(np.array)


def prompt_models() -> st.SearchStrategy[dict[str, Any]]:
    """Prompts of one to eight tokens in two to four dimensions, any mean, covariance of any rank, query and head."""
    return models_of(
        size=st.integers(2, 4),
        rank=lambda size: st.integers(1, size),
        root=lambda size, rank: covariances(size, rank=rank).map(lambda S: root_of(np.array(S, dtype=float))),
        mean=lambda size: vectors(size, norms=(0, 1)),
        query=lambda size: vectors(size, norms=("1/4", 1)),
        Q=lambda size: _matrices(size),
        K=lambda size: _matrices(size),
        V=lambda size: _matrices(size),
        length=st.integers(1, 8),
        without=("size", "rank"),
    )


# --- claims: one score at a time -------------------------------------------------------------------

nu_s = sp.Symbol("nu", real=True)
c = sp.Symbol("c", real=True)
SCORE_DOMAIN = Domain({mu_s: (-2, 2), nu_s: (-2, 2), q_s: (Rat(1, 5), 3), c: (-1, 1)})


def phi(z: sp.Expr) -> sp.Expr:
    """The standard normal density."""
    return sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi)


def published_means() -> dict[str, tuple[sp.Expr, sp.Expr]]:
    """E f(u) and E f′(u) for u ~ N(μ, q), by hand."""
    wide, root = sp.sqrt(1 + q_s), sp.sqrt(q_s)
    return {
        "linear": (mu_s, sp.Integer(1)),
        "erf": (
            sp.erf(mu_s / sp.sqrt(1 + 2 * q_s)),
            2 / sp.sqrt(sp.pi * (1 + 2 * q_s)) * sp.exp(-(mu_s**2) / (1 + 2 * q_s)),
        ),
        "probit": (NormalCDF(mu_s / wide), phi(mu_s / wide) / wide),
        "relu": (root * phi(mu_s / root) + mu_s * NormalCDF(mu_s / root), NormalCDF(mu_s / root)),
        "gelu": (
            mu_s * NormalCDF(mu_s / wide) + q_s * phi(mu_s / wide) / wide,
            NormalCDF(mu_s / wide) + mu_s * phi(mu_s / wide) / wide**3,
        ),
        "exp": (sp.exp(mu_s + q_s / 2), sp.exp(mu_s + q_s / 2)),
    }


def derived_means(kind: str) -> list[sp.Expr]:
    """E f and E f ⟨u, y⟩ as the layer uses them, with μ = ⟨a, m⟩, ν = ⟨u, m⟩, q = ⟨a, Σa⟩, c = ⟨a, Σu⟩."""
    layer = score_coefficients(kind)
    mass = total_weight(kind).xreplace({dot(a, m): mu_s, dot(a, S * a): q_s})
    return [mass, nu_s * layer.on_mean + c * layer.on_score]


def closed_form_of(kind: str) -> Claim:
    """The layer of a score, as printed."""
    mean_f, mean_slope = published_means()[kind]
    return Claim(
        f"{kind}-attention",
        f"{kind} attention on N(m, Σ): E f(⟨a, y⟩) y = m E f(s) + Σa E f′(s), s ~ N(⟨a, m⟩, ⟨a, Σa⟩), in closed form.",
        lambda: equal(derived_means(kind), [mean_f, nu_s * mean_f + c * mean_slope]),
        SCORE_DOMAIN,
        "Stein (1981)",
        (SymbolicIdentity(), CertifiedNumerics(digits=30, points=3)),
    )


def quadrature_of(kind: str) -> Claim:
    """The layer of a score against the integrals that it stands for: no rule of the engine takes part."""
    t = sp.Symbol("t", real=True)
    score, along_u = mu_s + sp.sqrt(q_s) * t, nu_s + c * t / sp.sqrt(q_s)
    f = SCORES[kind](score)
    return Claim(
        f"{kind}-attention-by-quadrature",
        f"The layer's closed form for {kind} scores is the integral over the score: E f and E f ⟨u, y⟩.",
        lambda: equal(derived_means(kind), [GaussianIntegral(f, (t,)), GaussianIntegral(f * along_u, (t,))]),
        SCORE_DOMAIN,
        "certified quadrature",
        (CertifiedNumerics(digits=20, points=3),),
    )


SCORE_CLAIMS = tuple(make(kind) for kind in SCORES for make in (closed_form_of, quadrature_of))


# --- claims: softmax and L2 attention on a Gaussian --------------------------------------------------


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=f"{CASTIN}; {BOURSIER}, Lemma 2.1")
def softmax_attention_is_affine():
    """Softmax attention on N(m, Σ) is the affine map Γ(x) = V(m + ΣBx), singular Σ included."""
    return equal(dot(u, V * mean_field("softmax")), dot(u, V * (m + S * a)))


query, Q = sp.MatrixSymbol("x", d, 1), sp.MatrixSymbol("Q", d_k, d)


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=f"{BOURSIER}, Lemma 2.1")
def softmax_attention_in_queries_and_keys():
    """In the head's own matrices, E e^{⟨Qx, Ky⟩/√d_k} ⟨u, Vy⟩ is ⟨u, Vm + VΣKᵀQx/√d_k⟩ times E e^{⟨Qx, Ky⟩/√d_k}:
    the layer on an infinite prompt of Gaussian tokens is linear attention with an intercept."""
    score = sp.exp(dot(Q * query, K * y) / sp.sqrt(d_k))
    layer = dot(u, V * m) + dot(u, V * S * K.T * Q * query) / sp.sqrt(d_k)
    return equal(Expectation(score * dot(u, V * y)), layer * Expectation(score))


def gate_by_its_layer(kind: str) -> Claim:
    """The logarithm of the mean weight from the layer, its gradient."""

    def statement() -> Statement:
        layer = affine_layer(kind)
        at_zero = sp.Add(*(term for term in sp.Add.make_args(log_weight(kind)) if a not in term.free_symbols))
        return equal(log_weight(kind), at_zero + dot(layer.offset, a) + dot(a, layer.linear * a) / 2)

    return Claim(
        f"{kind}-gate-is-the-potential-of-its-layer",
        f"log E f of {kind} attention on a Gaussian is quadratic in a, the layer its gradient: its value at a = 0, "
        "plus ⟨offset, a⟩ + ½⟨a, linear·a⟩.",
        statement,
        EVERYWHERE,
        "elementary: the cumulant generating function",
        (SymbolicIdentity(),),
    )


GATE_CLAIMS = tuple(gate_by_its_layer(kind) for kind in NORMALIZED)

k_1, k_2, r = sp.symbols("k_1 k_2 r", real=True)
s_1, s_2 = sp.symbols("s_1 s_2", positive=True)
PLANE = Domain(
    {
        **dict.fromkeys((s_1, s_2), (Rat(1, 2), 2)),
        r: (Rat(-1, 4), Rat(1, 4)),
        **dict.fromkeys((k_1, k_2, *sp.symbols("a_1 a_2 m_1 m_2", real=True)), (-1, 1)),
    }
)
IN_PLANE: dict[sp.Basic, sp.ImmutableDenseMatrix] = {
    S: sp.ImmutableDenseMatrix([[s_1, r], [r, s_2]]),
    K: sp.ImmutableDenseMatrix([[k_1, k_2]]),
    a: sp.ImmutableDenseMatrix(sp.symbols("a_1 a_2", real=True)),
    m: sp.ImmutableDenseMatrix(sp.symbols("m_1 m_2", real=True)),
}


def in_plane(expr: sp.Expr) -> sp.ImmutableDenseMatrix:
    """A matrix expression with two-dimensional tokens and one row of keys, written out."""
    sized = {symbol: sp.MatrixSymbol(symbol.name, *matrix.shape) for symbol, matrix in IN_PLANE.items()}
    small = expr.xreplace(sized).xreplace({d: sp.Integer(2), d_k: sp.Integer(1)})
    return small.subs({sized[symbol]: matrix for symbol, matrix in IN_PLANE.items()}).doit().as_explicit()


def on_a_line(expr: sp.Expr, values: dict[sp.MatrixSymbol, sp.Expr]) -> sp.Expr:
    """A matrix expression with all sizes one, as a scalar."""
    one = {symbol: sp.MatrixSymbol(symbol.name, 1, 1) for symbol in values}
    small = expr.xreplace(one).xreplace({d: sp.Integer(1), d_k: sp.Integer(1)})
    found = small.subs({one[symbol]: sp.ImmutableDenseMatrix([[entry]]) for symbol, entry in values.items()}).doit()
    products = {node: _entry(node.left) * _entry(node.right) for node in found.atoms(Dot)}
    return _entry(found.xreplace(products))


def _entry(expr: sp.Expr) -> sp.Expr:
    """The entry of a 1 × 1 matrix; a scalar as it is."""
    return expr.as_explicit()[0, 0] if getattr(expr, "is_Matrix", False) else expr


@claim(on=PLANE, by=[SymbolicIdentity(), CertifiedNumerics()], source=DERIVED)
def l2_attention_is_affine():
    """L2 attention on N(m, Σ), with the score's scale in K and Q, is V(I + ΣKᵀK)⁻¹(m + ΣBx): written out in the
    plane."""
    S_, K_, a_, m_ = (sp.Matrix(IN_PLANE[symbol]) for symbol in (S, K, a, m))
    by_hand = (sp.eye(2) + S_ * K_.T * K_).inv() * (m_ + S_ * a_)
    return equal(list(in_plane(mean_field("l2"))), list(by_hand))


t_s = sp.Symbol("t", real=True)
key, at_query, center_s = sp.symbols("k x m", real=True)
spread_s = sp.Symbol("s", positive=True)
LINE = Domain({key: (-2, 2), at_query: (-2, 2), center_s: (-2, 2), spread_s: (Rat(1, 5), 3)})
(on_line,) = gaussians("y", mean=[center_s], covariance=[[spread_s]])
distance = sp.exp(-((at_query - key * on_line) ** 2) / 2)


@claim(on=LINE, by=[CertifiedNumerics(digits=20, points=3)], source="certified quadrature")
def l2_attention_by_quadrature():
    """L2 attention on the line, E e^{−(x − ky)²/2} y / E e^{−(x − ky)²/2} = (m + skx)/(1 + sk²), against the
    integrals."""
    token = center_s + sp.sqrt(spread_s) * t_s
    density = sp.exp(-((at_query - key * token) ** 2) / 2)
    ratio = GaussianIntegral(density * token, (t_s,)) / GaussianIntegral(density, (t_s,))
    at = {a: key * at_query, m: center_s, S: spread_s, K: key}
    return equal(on_a_line(mean_field("l2"), at), ratio)


@claim(on=LINE, by=[SymbolicIdentity(), CertifiedNumerics()], source=DERIVED)
def l2_gates_are_responsibilities():
    """The gate of a component under L2 attention, E e^{−(x − ky)²/2} up to a constant, is the density of the query
    under that component blurred by the kernel: (1 + k²s)^{−1/2} e^{−(x − km)²/(2(1 + k²s))}, so gates are posterior
    responsibilities."""
    wide = 1 + key**2 * spread_s
    return equal(Expectation(distance), sp.exp(-((at_query - key * center_s) ** 2) / (2 * wide)) / sp.sqrt(wide))


@claim(
    on=LINE, by=[SymbolicIdentity(), CertifiedNumerics()], source="elementary: Tweedie; any prior, here a Gaussian one"
)
def l2_attention_is_the_posterior_mean():
    """For y ~ N(m, s) and an observation x = y + noise of variance 1/k², L2 attention with Kx in place of Qx is E[y |
    x]: the posterior mean m + s(x − m)/(s + 1/k²)."""
    noisy = sp.exp(-((key * at_query - key * on_line) ** 2) / 2)
    ratio = Expectation(noisy * on_line) / Expectation(noisy)
    return equal(ratio, center_s + spread_s * key**2 * (at_query - center_s) / (1 + spread_s * key**2))


ENTRIES = (Entrywise([{d: 1}, {d: 2}], draws=1), SymbolicIdentity())


@claim(on=EVERYWHERE, by=ENTRIES, source=CASTIN)
def self_attention_on_a_gaussian():
    """Softmax self-attention pushes N(m, Σ) to a Gaussian of covariance VΣBΣBᵀΣVᵀ: E ΓΓᵀ less the square of its mean
    V(m + ΣBm)."""
    image = V * m + V * S * B * y
    center = V * m + V * S * B * m
    return equal(Expectation(image * image.T), sp.expand(center * center.T) + V * S * B * S * B.T * S * V.T)


@claim(on=EVERYWHERE, by=ENTRIES, source=CASTIN)
def cross_attention_on_a_gaussian():
    """Queries N(m_q, Σ_q) of another law are pushed to the covariance JΣ_qJᵀ with J = VΣB."""
    image = J * (x - m_q)
    return equal(Expectation(image * image.T), J * S_q * J.T)


rank = sp.Symbol("k", integer=True, positive=True)
F, G_k = sp.MatrixSymbol("F", d, rank), sp.MatrixSymbol("G", d, rank)
LEFT, RIGHT = sp.MatrixSymbol("L", rank + 1, d), sp.MatrixSymbol("R", rank + 1, d)
MINORS = (Entrywise([{d: 2, rank: 1}, {d: 3, rank: 1}, {d: 3, rank: 2}, {d: 4, rank: 2}], draws=1),)


def image_through(bottleneck: str) -> sp.Expr:
    """Γ(y) less its mean, where V, B or Σ is a product of factors with k columns."""
    spread = F * F.T if bottleneck == "covariance" else S
    token = GaussianVector("z", d, covariance=spread)
    values = F * G_k.T if bottleneck == "values" else V
    form = F * G_k.T if bottleneck == "scores" else B
    return values * spread * form * token


def rank_by(bottleneck: str, letter: str) -> Claim:
    """The rank of the output, by its minors."""

    def statement() -> Statement:
        image = image_through(bottleneck)
        return equal(sp.Determinant(LEFT * Expectation(image * image.T) * RIGHT.T), sp.Integer(0))

    return Claim(
        f"rank-of-the-output-is-at-most-that-of-the-{bottleneck}",
        f"rank VΣBΣBᵀΣVᵀ ≤ rank {letter}: with {letter} of rank k every (k + 1) × (k + 1) minor of the covariance of "
        "Γ(y), det LCRᵀ for all L and R, is zero.",
        statement,
        EVERYWHERE,
        f"{CASTIN}; elementary",
        MINORS,
    )


RANK_CLAIMS = tuple(rank_by(*named) for named in (("values", "V"), ("scores", "B"), ("covariance", "Σ")))


def rank_factor_of(bottleneck: str, letter: str, outer: sp.Expr, inner: sp.Expr) -> Claim:
    """The covariance of the output as a product through R^k."""

    def statement() -> Statement:
        image = image_through(bottleneck)
        return equal(Expectation(image * image.T), outer * inner * outer.T)

    return Claim(
        f"output-passes-through-the-{bottleneck}",
        f"For {letter} with factors of k columns the covariance of Γ(y) is PDPᵀ with P of k columns, in any dimension, "
        f"so that its rank is at most that of {letter}.",
        statement,
        EVERYWHERE,
        f"{CASTIN}; elementary",
        (Entrywise([{d: 1, rank: 2}, {d: 2, rank: 1}], draws=1), SymbolicIdentity()),
    )


FACTOR_CLAIMS = (
    rank_factor_of("values", "V", F, G_k.T * S * B * S * B.T * S * G_k),
    rank_factor_of("scores", "B", V * S * F, G_k.T * S * G_k),
    rank_factor_of("covariance", "Σ", V * F, F.T * B * F * F.T * B.T * F),
)

C, U = sp.MatrixSymbol("C", d, d), sp.MatrixSymbol("U", d, d)
h = sp.Symbol("h", real=True)


@claim(on=EVERYWHERE, by=ENTRIES, source=CASTIN)
def residual_layer_with_two_heads():
    """x + h Σ_i Γ^i(x) pushes N(m, Σ) to the covariance JΣJᵀ with J = I + h Σ_i V_iΣB_i: two heads, (V, B)
    and (U, C)."""
    out = (y - m) + h * V * S * B * (y - m) + h * U * S * C * (y - m)
    jacobian = sp.Identity(d) + h * V * S * B + h * U * S * C
    return equal(Expectation(out * out.T), sp.expand(jacobian * S * jacobian.T))


@claim(
    on=LINE.restrict({key: 1}),
    by=[CertifiedNumerics()],
    source="a common shortcut: linear attention as softmax attention",
    expected="refuted",
)
def linear_attention_is_softmax_attention():
    """On Gaussian tokens linear attention (Σ + mmᵀ)a is softmax attention m + Σa: true only for m = 0."""
    return equal(Expectation(at_query * on_line * on_line), center_s + spread_s * at_query)


# --- claims: mixtures ------------------------------------------------------------------------------

share = sp.Symbol("w", positive=True)
GATES = Domain(
    {
        share: (Rat(1, 10), Rat(9, 10)),
        **dict.fromkeys(sp.symbols("kappa_1 kappa_2 beta_1 beta_2", real=True), (-1, 1)),
        **{z: (Rat(1, 4), 2) for z in sp.symbols("gamma_1 gamma_2", positive=True)},
    }
)
T, m_0, m_1 = sp.MatrixSymbol("T", d, d), sp.MatrixSymbol("m_0", d, 1), sp.MatrixSymbol("m_1", d, 1)


@claim(on=Domain({share: (0, 1)}), by=[SymbolicIdentity()], source=f"{DERIVED}; total expectation")
def softmax_attention_on_a_mixture():
    """On a mixture of N(m_0, Σ) and N(m_1, T), E e^{⟨a, z⟩} z is Σ_k w_k e^{log E_k f} T_k(a), with the gates and
    the affine experts of the two components: what the numbers of a mixture are made of."""
    prompt = MixtureMatrix("Z", n, d, weights=[share, 1 - share], means=[m_0, m_1], covariance=[S, T])
    token = prompt[0, :].T
    known = frozenset({S, T})
    gated = []
    for w, own in ((share, {m: m_0}), (1 - share, {m: m_1, S: T})):
        gate, expert = (derived("softmax").xreplace(own) for derived in (log_weight, mean_field))
        gated.append(w * sp.exp(gate) * dot(u, expert, symmetric=known))
    return equal(Expectation(sp.Trace(sp.exp(dot(a, token)) * (token * u.T))), sp.Add(*gated))


KAPPA, BETA = sp.symbols("kappa_1 kappa_2", real=True), sp.symbols("beta_1 beta_2", real=True)
GAMMA = sp.symbols("gamma_1 gamma_2", positive=True)
epsilon = sp.Symbol("epsilon", real=True)


@claim(
    on=GATES, by=[SymbolicIdentity(), CertifiedNumerics()], source=f"{DERIVED}; the case of one covariance in {CASTIN}"
)
def jacobian_on_a_mixture():
    """On a mixture the layer is ∇K with K(a) = log Σ_k w_k e^{⟨a, m_k⟩ + ½⟨a, S_k a⟩}, and in any direction e its
    Jacobian is Σ_k r_k ⟨e, S_k e⟩ + Var_r ⟨e, m_k + S_k a⟩, r the gates: here κ_k the exponent at a, β_k = ⟨e, m_k +
    S_k a⟩, γ_k = ⟨e, S_k e⟩."""
    masses = [
        w * sp.exp(kappa + beta * epsilon + gamma * epsilon**2 / 2)
        for w, kappa, beta, gamma in zip((share, 1 - share), KAPPA, BETA, GAMMA)
    ]
    at_zero = [w * sp.exp(kappa) for w, kappa in zip((share, 1 - share), KAPPA)]
    gates = [mass / sp.Add(*at_zero) for mass in at_zero]
    mean_slope = sp.Add(*(gate * beta for gate, beta in zip(gates, BETA)))
    within = sp.Add(*(gate * gamma for gate, gamma in zip(gates, GAMMA)))
    between = sp.Add(*(gate * beta**2 for gate, beta in zip(gates, BETA))) - mean_slope**2
    return equal(sp.log(sp.Add(*masses)).diff(epsilon, 2).subs(epsilon, 0), within + between)


def scale_mixture_gain(variance: sp.Expr) -> sp.Expr:
    """g(q) with Γ = V g(q) Σa for tokens √c·N(0, Σ), c = 1/2 or 2 with probabilities 0.6 and 0.4, by the engine."""
    (z,) = gaussians("z")
    a_1 = sp.sqrt(variance)
    parts = [(Rat(3, 5), Rat(1, 2)), (Rat(2, 5), sp.Integer(2))]
    tilted = [
        (w, E(sp.exp(a_1 * sp.sqrt(c_) * z)), E(sp.exp(a_1 * sp.sqrt(c_) * z) * sp.sqrt(c_) * z)) for w, c_ in parts
    ]
    mass = sp.Add(*(w * weight_ for w, weight_, _ in tilted))
    return sp.Add(*(w * token for w, _, token in tilted)) / mass / a_1


SCALE = Domain({q_s: (Rat(1, 10), 10)})


@claim(on=SCALE, by=[SymbolicIdentity(), CertifiedNumerics()], source=DERIVED)
def layer_on_a_scale_mixture():
    """For an elliptical law √c·N(0, Σ) softmax attention is V g(q)Σa with g(q) = E c e^{cq/2} / E e^{cq/2}."""
    parts = [(Rat(3, 5), Rat(1, 2)), (Rat(2, 5), sp.Integer(2))]
    mass = [w * sp.exp(scale * q_s / 2) for w, scale in parts]
    return equal(
        scale_mixture_gain(q_s), sp.Add(*(scale * part for (_, scale), part in zip(parts, mass))) / sp.Add(*mass)
    )


@claim(
    on=SCALE,
    by=[CertifiedNumerics()],
    source="arXiv 2605.10466, abstract: a linear covariance readout under elliptical inputs, read literally",
    expected="refuted",
)
def elliptical_tokens_give_a_linear_layer():
    """Softmax attention on every elliptical law is linear in the query, as on a Gaussian: g(q) = g(0) = E c for a scale
    mixture. It is not; the readout is linear at a fixed q only."""
    return equal(scale_mixture_gain(q_s), Rat(3, 5) * Rat(1, 2) + Rat(2, 5) * 2)


noise = sp.Symbol("sigma", positive=True)  # the variance of the noise
observed = sp.MatrixSymbol("o", d, 1)
norm_0, norm_1, o_0, o_1, o_u, u_0, u_1, o_sq = sp.symbols("R_0 R_1 o_0 o_1 o_u u_0 u_1 o_sq", real=True)
OBSERVED = {
    dot(m_0, m_0): norm_0,
    dot(m_1, m_1): norm_1,
    dot(m_0, observed): o_0,
    dot(m_1, observed): o_1,
    dot(observed, u): o_u,
    dot(m_0, u): u_0,
    dot(m_1, u): u_1,
    dot(observed, observed): o_sq,
}
DENOISING = Domain(
    {
        share: (Rat(1, 10), Rat(9, 10)),
        spread_s: (Rat(1, 4), 2),
        noise: (Rat(1, 4), 2),
        d: (1, 6),
        **dict.fromkeys((o_0, o_1, o_u, u_0, u_1), (-1, 1)),
        **dict.fromkeys((norm_0, norm_1, o_sq), (1, 2)),
    }
)


def component_means(make_weight: Callable[[sp.Expr], sp.Expr]) -> sp.Expr:
    """⟨u, E f y / E f⟩ over the mixture w N(m_0, sI) + (1 − w) N(m_1, sI), every component by the engine."""
    mass, token = [], []
    for w, center in zip((share, 1 - share), (m_0, m_1)):
        component = GaussianVector(f"y_{center.name}", d, mean=center, covariance=spread_s)
        f = make_weight(component)
        mass.append(w * E(f))
        token.append(w * E(f * dot(u, component)))
    return (sp.Add(*token) / sp.Add(*mass)).xreplace(OBSERVED)


def layer_and_posterior_mean() -> tuple[sp.Expr, sp.Expr]:
    """(1 − c)⟨u, Γ(o)⟩ + c²⟨u, o⟩ with c = s/(s + σ), and ⟨u, E[y | o]⟩ for an observation o of noise σ."""
    shrink = spread_s / (spread_s + noise)
    layer = component_means(lambda y: sp.exp(dot(observed, y) / (spread_s + noise)))
    posterior = component_means(lambda y: sp.exp((dot(observed, y) - dot(y, y) / 2) / noise))
    return (1 - shrink) * layer + shrink**2 * o_u, posterior


@claim(
    on=DENOISING,
    by=[CertifiedNumerics(), SymbolicIdentity()],
    source=f"{DERIVED}; Smart, Bietti, Sengupta, arXiv 2502.05164",
)
def one_softmax_layer_with_a_skip_is_bayes_optimal():
    """For a mixture of N(m_k, sI) with means of equal norm, observed with noise of variance σ, the posterior mean is
    (1 − c)Γ(o) + c² o with c = s/(s + σ) and one softmax layer Γ of V = I, B = I/(s + σ), in any dimension."""
    layer, posterior = (side.xreplace({norm_1: norm_0}) for side in layer_and_posterior_mean())
    return equal(layer, posterior)


@claim(on=DENOISING, by=[CertifiedNumerics()], expected="refuted", source="the same without its condition")
def softmax_is_bayes_optimal_for_all_norms():
    """The same for means of any norms: its gates have no term in the norms, so it is false."""
    return equal(*layer_and_posterior_mean())


# --- claims: tokens on the sphere, through the radius of a Gaussian ------------------------------------

ORDERS = range(7)
standard = GaussianVector("z", d)


def sphere_moments(order: int) -> list[sp.Expr]:
    """E⟨a, ω⟩^{2j} and E⟨a, ω⟩^{2j+1}⟨u, ω⟩ for ω uniform on the unit sphere and j = order: z = |z| ω has independent
    factors. In ⟨a, a⟩ = q and ⟨a, u⟩ = c_u."""
    score, radius = dot(a, standard), dot(standard, standard)
    even, odd = E(score ** (2 * order)), E(score ** (2 * order + 1) * dot(u, standard))
    moments = [even / E(radius**order), odd / E(radius ** (order + 1))]
    return [moment.xreplace({dot(a, a): q_s, dot(a, u): c_u}) for moment in moments]


@claim(
    on=Domain({d: (1, 50), q_s: (Rat(1, 10), 2), c_u: (-1, 1)}),
    by=[SymbolicIdentity(), CertifiedNumerics()],
    source=f"{DERIVED}; the Bessel series",
)
def layer_on_the_sphere():
    """For tokens uniform on the sphere of R^d softmax attention is A(κ) a/κ, κ = ‖a‖, A = I_{d/2}/I_{d/2−1}: E e^{⟨a,
    ω⟩} and E e^{⟨a, ω⟩}⟨u, ω⟩ have the coefficients κ^{2j}/(4^j j! (d/2)_j) and ⟨a, u⟩κ^{2j}/(2·4^j j! (d/2)_{j+1}) of
    the two Bessel functions, for j = 0, …, 6; the radius R is absorbed in a. Tokens of one norm have equal
    e^{−‖y‖²/(2σ)}, so this layer at a = x/σ is the posterior mean under noise of variance σ."""
    own, bessel = [], []
    for j in ORDERS:
        even, odd = sphere_moments(j)
        own += [even / sp.factorial(2 * j), odd / sp.factorial(2 * j + 1)]
        power = q_s**j / (4**j * sp.factorial(j))
        bessel += [power / sp.rf(d / 2, j), power * c_u / (2 * sp.rf(d / 2, j + 1))]
    return equal(own, bessel)


# --- claims: Sinkhorn attention -----------------------------------------------------------------------

coupling = sp.Symbol("M", positive=True)
correlation = (sp.sqrt(1 + 4 * coupling**2) - 1) / (2 * coupling)
COUPLING = Domain({coupling: (Rat(1, 10), 5), spread_s: (Rat(1, 4), 3), mu: (Rat(1, 10), 5)})


@claim(on=COUPLING, by=[SymbolicIdentity(), CertifiedNumerics()], source=f"{CASTIN}; {DERIVED}")
def sinkhorn_plan_has_the_right_precision():
    """In a singular direction of Σ^{1/2}BΣ^{1/2} with value M the coupling has correlation c = (√(1 + 4M²) − 1)/(2M):
    the precision of two standard normals of correlation c has −c/(1 − c²) off its diagonal, which is −M, the
    score."""
    precision = sp.Matrix([[1, correlation], [correlation, 1]]).inv()
    return equal(precision[0, 1], -coupling)


@claim(on=COUPLING, by=[SymbolicIdentity(), CertifiedNumerics()], source=DERIVED)
def sinkhorn_plan_has_the_right_marginals():
    """C = Σ^{1/2}h(N)Σ^{1/2}, h(μ) = 2/(1 + √(1 + 4μ)), N = Σ^{1/2}BΣBᵀΣ^{1/2}, solves C + C BΣBᵀ C = Σ, the law of
    total covariance: in an eigendirection of N that is h + μh² = 1, and h = 1 − c²."""
    shrinkage = SINKHORN_SHRINKAGE
    return equal([shrinkage + mu * shrinkage**2, shrinkage.subs(mu, coupling**2)], [sp.Integer(1), 1 - correlation**2])


@claim(on=LINE, by=[SymbolicIdentity(), CertifiedNumerics()], source=DERIVED)
def sinkhorn_attention_is_a_tilted_mean():
    """With the potential g(y) = e^{−k²y²/2} the conditional mean under the coupling is E e^{ay} g(y) y / E e^{ay}
    g(y) = Ca with C = s/(1 + k²s), on centred tokens: softmax attention with the tokens' own weights."""
    (z,) = gaussians("z", covariance=[[spread_s]])
    tilt = sp.exp(at_query * z - key**2 * z**2 / 2)
    ratio = Expectation(tilt * z) / Expectation(tilt)
    return equal(ratio, at_query * spread_s / (1 + key**2 * spread_s))


@claim(on=COUPLING, by=[CertifiedNumerics()], source=DERIVED)
def sinkhorn_attention_contracts():
    """The correlations are below one: Sinkhorn attention with V = I contracts in the norm of Σ⁻¹."""
    return Inequality(correlation, "<", sp.Integer(1))


# --- claims: prompts of n tokens ------------------------------------------------------------------------


def P(*powers: int, tokens: sp.Expr = n, variance: sp.Expr = q_s) -> sp.Expr:
    """P(a₁, …, a_r; n, q), the moments of the weights."""
    return SoftmaxMoment(tokens, variance, *powers)


PROMPTS = Domain(
    {
        n: (1, 10**6),
        q_s: (Rat(1, 10), 4),
        **dict.fromkeys((c_u, c_v), (-1, 1)),
        c_uv: (-1, 1),
    }
)
WITH_SCALARS = {q: q_s}


def in_scalars(expr: sp.Expr) -> sp.Expr:
    """With q = ⟨a, Σa⟩, c_u = ⟨u, Σa⟩, c_v = ⟨v, Σa⟩ and c_uv = ⟨u, Σv⟩."""
    return expr.xreplace(IN_OVERLAPS).xreplace(WITH_SCALARS)


def prompt_covariance(u: sp.Expr, v: sp.Expr) -> sp.Expr:
    """Cov(⟨u, R_n⟩, ⟨v, R_n⟩)."""
    return in_scalars(prompt_product(u, v) - prompt_mean(u) * prompt_mean(v))


def standardized_variance() -> sp.Expr:
    """v_n = Var Σ p_i z_i of the standardised scores z = ⟨a, y − m⟩/√q."""
    return in_scalars(prompt_product(a, a) - prompt_mean(a) ** 2) / q_s


@claim(on=PROMPTS, by=[SymbolicIdentity()], source=f"Stein (1981); {DERIVED}")
def mean_of_a_prompt():
    """E R_n = m + g_nΣa with the gain g_n = 1 − E Σ p_i², for every n: one minus the mean participation ratio."""
    return equal(in_scalars(prompt_mean(u)), c_u * (1 - P(2)))


@claim(on=PROMPTS, by=[SymbolicIdentity()], source=DERIVED)
def covariance_of_a_prompt():
    """Cov R_n = (Σ − Σaaᵀ Σ/q)(1 − g_n) + (Σaaᵀ Σ/q) v_n with v_n = Var Σ p_i z_i, for every n."""
    along = c_u * c_v / q_s
    return equal(prompt_covariance(u, v), (c_uv - along) * P(2) + along * standardized_variance())


@claim(on=PROMPTS, by=[SymbolicIdentity()], source=DERIVED)
def distance_from_the_limit():
    """E⟨u, R_n − m − Σa⟩² = ⟨u, Σu⟩ E S₂ + ⟨u, Σa⟩² E[S₂ + 6S₂² − 6S₃] with S_k = Σ p_i^k, for every n; summed over an
    orthonormal basis it is E‖R_n − Γ‖²."""
    apart = in_scalars(prompt_product(u, u) - 2 * c_u * prompt_mean(u) + c_u**2)
    squared = P(4) + P(2, 2)
    own = in_scalars(dot(u, S * u))
    return equal(apart, own * P(2) + c_u**2 * (P(2) + 6 * squared - 6 * P(3)))


TWO = Domain({q_s: (Rat(1, 10), 6)})


def first_of_two() -> sp.Expr:
    """The weight of the first of two tokens: p₁ = 1/(1 + e^{−√(2q) t}) with t the standardised difference of scores."""
    return 1 / (1 + sp.exp(-sp.sqrt(2 * q_s) * t_s))


@claim(on=TWO, by=[CertifiedNumerics(digits=20, points=2)], source="elementary: a prompt of two tokens by hand")
def prompt_of_two_tokens():
    """For n = 2, with difference √2 t of two standard normals, Σ p_i z_i has mean E(2p₁ − 1)t/√2 and second moment
    (1 + E(2p₁ − 1)²t²)/2: integrals that share nothing with the moments of the weights."""
    tilt = (2 * first_of_two() - 1) * t_s
    first = GaussianIntegral(tilt, (t_s,)) / sp.sqrt(2)
    second = (1 + GaussianIntegral(tilt**2, (t_s,))) / 2
    return equal(
        [(sp.sqrt(q_s) * (1 - P(2))).subs(n, 2), standardized_variance().subs(n, 2)], [first, second - first**2]
    )


@claim(on=TWO, by=[CertifiedNumerics(digits=20, points=2)], source="elementary: a prompt of two tokens by hand")
def moments_of_two_weights():
    """For n = 2: P(2), P(3), P(4), P(2, 2) and P(3, 2) as integrals over the difference of the scores."""
    p = first_of_two()
    pairs = [p**i * (1 - p) ** j + (1 - p) ** i * p**j for i, j in ((2, 0), (3, 0), (4, 0), (2, 2), (3, 2))]
    moments = [P(*powers, tokens=sp.Integer(2)) for powers in ((2,), (3,), (4,), (2, 2), (3, 2))]
    return equal(moments, [GaussianIntegral(pair, (t_s,)) for pair in pairs])


@claim(on=TWO, by=[CertifiedNumerics(digits=20, points=2)], source=f"{DERIVED}; the heat equation")
def moments_flow_with_the_variance_of_scores():
    """∂P(2)/∂q = P(2) + 3P(4) + 3P(2, 2) − 4P(3), here against the derivative of the integral for two tokens."""
    p = first_of_two()
    by_hand = GaussianIntegral(p**2 + (1 - p) ** 2, (t_s,)).diff(q_s)
    return equal(P(2, tokens=sp.Integer(2)).diff(q_s), by_hand)


@claim(on=TWO, by=[CertifiedNumerics(digits=20, points=2)], source="Derrida (1981)")
def gain_is_the_slope_of_the_free_energy():
    """g_n = 2 dF/dq with F = E log Σ e^{√q z_i}, the free energy of the random energy model, here for two tokens."""
    energy = GaussianIntegral(sp.log(1 + sp.exp(sp.sqrt(2 * q_s) * t_s)), (t_s,))
    return equal(1 - P(2, tokens=sp.Integer(2)), 2 * energy.diff(q_s))


# --- claims: prompts whose tokens are not alike: components of a mixture, the query itself ----------------

rho_s, shift = sp.Symbol("rho", positive=True), sp.Symbol("delta", real=True)
BESIDE = Domain({q_s: (Rat(1, 10), 4), rho_s: (Rat(1, 10), 10), mu_s: (-1, 1)})


@claim(on=BESIDE, by=[CertifiedNumerics(digits=20, points=3)], source="Stein (1981); certified quadrature")
def a_token_beside_any_others():
    """E p z = √q E p(1 − p) for a token of score μ + √q z and weight p = e^{μ + √q z}/(e^{μ + √q z} + ρ), ρ > 0
    what all others weigh, the query and tokens of other components included; so E p_i(y_i − m_i) = Σa E p_i(1 − p_i)
    given the others, in any prompt of independent Gaussian tokens with one covariance."""
    p = 1 / (1 + rho_s * sp.exp(-mu_s - sp.sqrt(q_s) * t_s))
    return equal(GaussianIntegral(p * t_s, (t_s,)), sp.sqrt(q_s) * GaussianIntegral(p * (1 - p), (t_s,)))


MIXED_PROMPT = Domain(
    {
        share: (Rat(1, 10), Rat(9, 10)),
        q_s: (Rat(1, 10), 3),
        shift: (-2, 2),
        **dict.fromkeys((u_0, u_1, c_u), (-1, 1)),
    }
)


def pair_of_a_mixture() -> list[tuple[sp.Expr, sp.Expr, sp.Expr, sp.Expr]]:
    """For the components (k, l) of two tokens: chance, ⟨u, m_k⟩, ⟨u, m_l⟩ and the weight p of the first token, whose
    score exceeds the other by its mean plus √(2q) t; δ = ⟨a, m_0 − m_1⟩."""
    components = ((share, u_0, shift), (1 - share, u_1, sp.Integer(0)))
    return [
        (w * w_other, own, other, 1 / (1 + sp.exp(there - here - sp.sqrt(2 * q_s) * t_s)))
        for w, own, here in components
        for w_other, other, there in components
    ]


def mean_over_pairs(integrand: Callable[[sp.Expr, sp.Expr, sp.Expr], sp.Expr]) -> sp.Expr:
    """The mean over the components and the scores of two tokens."""
    return sp.Add(*(w * GaussianIntegral(integrand(p, own, other), (t_s,)) for w, own, other, p in pair_of_a_mixture()))


def mixture_prompt_directly() -> sp.Expr:
    """E⟨u, R₂⟩ for two tokens of w N(m_0, Σ) + (1 − w) N(m_1, Σ): ⟨u, y_1 + y_2⟩/2 + (p − 1/2)⟨u, y_1 − y_2⟩, where
    ⟨u, y_1 − y_2⟩ has the mean ⟨u, m_k − m_l⟩ + √2 c_u t/√q given t."""
    along = sp.sqrt(2) * c_u * t_s / sp.sqrt(q_s)
    return mean_over_pairs(lambda p, own, other: (own + other) / 2 + (p - Rat(1, 2)) * (own - other + along))


@claim(on=MIXED_PROMPT, by=[CertifiedNumerics(digits=15, points=2)], source=f"Stein (1981); {DERIVED}")
def mean_of_a_mixture_prompt():
    """For a mixture of one covariance E R_n = Σ_k ᾱ_k m_k + (1 − E Σ p_i²)Σa, ᾱ_k the mean weight that falls on
    component k: Stein for a token beside any others, summed; here all of it for two tokens and two components, against
    the mean by its definition."""
    masses = mean_over_pairs(lambda p, own, other: p * own + (1 - p) * other)
    participation = mean_over_pairs(lambda p, own, other: p**2 + (1 - p) ** 2)
    return equal(mixture_prompt_directly(), masses + (1 - participation) * c_u)


own_score, x_u = sp.Symbol("s_x", real=True), sp.Symbol("x_u", real=True)
WITH_THE_QUERY = Domain({q_s: (Rat(1, 10), 3), own_score: (-2, 2), x_u: (-1, 1), c_u: (-1, 1)})


@claim(on=WITH_THE_QUERY, by=[CertifiedNumerics(digits=20, points=2)], source=f"Stein (1981); {DERIVED}")
def mean_of_a_prompt_with_the_query():
    """With the query x among its n + 1 tokens E R = η + E p_x (x − η) − E Σ p_i² Σa, η = m + Σa, p_x the weight of the
    query and the sum over the others, for every n: Stein for a token beside any others, and Σ p_i = 1 − p_x. Here all
    of it beside one other token, in s_x = ⟨a, x − m⟩, x_u = ⟨u, x − m⟩, against the mean by its definition."""
    p = 1 / (1 + sp.exp(own_score - sp.sqrt(q_s) * t_s))
    directly = GaussianIntegral(p * c_u * t_s / sp.sqrt(q_s) + (1 - p) * x_u, (t_s,))
    share_of_the_query, participation = (GaussianIntegral(moment, (t_s,)) for moment in (1 - p, p**2))
    return equal(directly, c_u + share_of_the_query * (x_u - c_u) - participation * c_u)


def printed_value(name: str, tokens: int, variance: int, expr: Callable[[], sp.Expr], digits: str) -> Claim:
    """A number of the table, to the digits that are printed."""
    return Claim(
        name,
        f"For n = {tokens} and q = {variance} the value is {digits}, to its last printed digit.",
        lambda: Inequality(
            (expr().subs({n: tokens, q_s: variance}) - Rat(digits)) ** 2,
            "<=",
            Rat(1, 2 * 10 ** len(digits.split(".")[1])) ** 2,
        ),
        EVERYWHERE,
        "a secondary note, by quadrature in floats",
        (CertifiedNumerics(),),
    )


TABLE = (
    printed_value("gain-of-ten-tokens", 10, 1, lambda: 1 - P(2), "0.8053126063"),
    printed_value("variance-of-ten-tokens", 10, 1, standardized_variance, "0.25947017"),
    printed_value("gain-of-fifty-tokens", 50, 4, lambda: 1 - P(2), "0.8172726320"),
    printed_value("variance-of-fifty-tokens", 50, 4, standardized_variance, "0.24384748"),
)


def squared_error_of_a_prompt() -> sp.Expr:
    """E‖x − V R_n‖² at a query, in e_0 = ‖x − Vm‖², e_1 = ⟨x − Vm, VΣa⟩, e_2 = ‖VΣa‖² and τ = tr VΣVᵀ."""
    moments = prompt_moments()
    return e_0 - 2 * moments.gain * e_1 + (moments.gain**2 + moments.along) * e_2 + moments.spread * tau


e_0, e_1, e_2 = sp.symbols("e_0 e_1 e_2", real=True)
ERRORS = Domain({n: (1, 8), q: (0, 4), e_0: (0, 9), e_1: (-9, 9), e_2: (0, 9), tau: (0, 9)})


def coordinates(
    query: np.ndarray, mean: np.ndarray, root: np.ndarray, length: int, Q: np.ndarray, K: np.ndarray, V: np.ndarray
) -> dict[str, Any]:
    """The symbols of `squared_error_of_a_prompt` at a model of the simulator."""
    spread = root @ root.T
    direction = K.T @ Q @ query / math.sqrt(len(Q))
    gap, moved = query - V @ mean, V @ spread @ direction
    return {
        "n": length,
        "q": float(direction @ spread @ direction),
        "e_0": float(gap @ gap),
        "e_1": float(gap @ moved),
        "e_2": float(moved @ moved),
        "tau": float(np.trace(V @ spread @ V.T)),
    }


@lru_cache
def fourth_moment() -> sp.Expr:
    """E‖v + Jz‖⁴ for z ~ N(0, Σ)."""
    error = v + J * centered
    return E(dot(error, error) ** 2)


def second_moment_at(
    query: np.ndarray, mean: np.ndarray, root: np.ndarray, length: int, Q: np.ndarray, K: np.ndarray, V: np.ndarray
) -> float:
    """A bound of E loss²: R_n is an average of tokens and t ↦ ‖x − Vt‖⁴ is convex, so E loss² ≤ n E‖x − Vy‖⁴."""
    return length * float(value(fourth_moment(), {v: query - V @ mean, J: -V, S: root @ root.T}))


@claim(
    on=ERRORS,
    by=[
        PropertyBasedAgreement(
            prompt_models(),
            examples=30,
            samples=20_000,
            second_moment=second_moment_at,
            coordinates=coordinates,
        )
    ],
    source=DERIVED,
)
def squared_error_is_the_mean_of_the_layer():
    """E‖x − V R_n‖² from the derived moments is the mean over prompts drawn in R^d, softmax by its definition, for any
    length, mean, covariance of any rank, query and head."""
    return Agreement(squared_error_of_a_prompt(), "squared error")


# --- claims: corrections of first order ------------------------------------------------------------------

LEADING = Domain({q_s: (Rat(1, 10), 2), c_u: (-1, 1), c_v: (-1, 1), c_uv: (-1, 1)})


def influence(u: sp.Expr, sign: int = 1) -> sp.Expr:
    """⟨u, W(y − Γ)⟩ with W = e^{⟨±a, y⟩}/E e^{⟨±a, y⟩} and Γ = m ± Σa: what one token changes, times n."""
    tilt = sp.exp(sign * dot(a, centered))
    return tilt / E(tilt) * (dot(u, centered) - sign * dot(a, S * u))


@claim(on=LEADING, by=[SymbolicIdentity()], source=DERIVED)
def first_order_bias():
    """The delta method for a ratio of means: n·bias → −E W²(y − Γ), which for Gaussian tokens is −e^q Σa."""
    tilt = sp.exp(dot(a, centered))
    return equal(in_scalars(-E(tilt * influence(u)) / E(tilt)), -sp.exp(q_s) * c_u)


@claim(on=LEADING, by=[SymbolicIdentity()], source=DERIVED)
def second_order_bias():
    """The coefficient of 1/n² in the bias, (T₃ + T₂ − 3ρ₂T₂) with ρ_k = E W^k and T_k = E W^k(y − Γ), is
    (2e^{3q} + e^q − 3e^{2q}) Σa."""

    def tilted(k: int) -> tuple[sp.Expr, sp.Expr]:
        tilt = sp.exp(dot(a, centered))
        mass = E(tilt) ** k
        return E(tilt**k) / mass, E(tilt**k * (dot(u, centered) - dot(a, S * u))) / mass

    (rho_2, T_2), (_, T_3) = tilted(2), tilted(3)
    by_hand = (2 * sp.exp(3 * q_s) + sp.exp(q_s) - 3 * sp.exp(2 * q_s)) * c_u
    return equal(in_scalars(T_3 + T_2 - 3 * rho_2 * T_2), by_hand)


@claim(on=LEADING, by=[SymbolicIdentity()], source=DERIVED)
def first_order_covariance():
    """n Cov R_n → E W²(y − Γ)(y − Γ)ᵀ = e^q(Σ + Σaaᵀ Σ)."""
    return equal(in_scalars(E(influence(u) * influence(v))), sp.exp(q_s) * (c_uv + c_u * c_v))


step = sp.Symbol("epsilon", nonnegative=True)


def self_token_bias() -> sp.Expr:
    """n times what the query among the tokens adds to the bias, along u: the slope in ε = 1/n of the ratio of means
    (E f y + ε f(x) x)/(E f + ε f(x)), with f = e^{⟨a, y⟩} and x less m."""
    tilt, own = sp.exp(dot(a, centered)), sp.exp(own_score)
    mass, token = E(tilt), E(tilt * dot(u, centered))
    return in_scalars(((token + step * own * x_u) / (mass + step * own)).diff(step).subs(step, 0))


@claim(on=WITH_THE_QUERY, by=[SymbolicIdentity(), CertifiedNumerics()], source=DERIVED)
def first_order_bias_of_the_query_among_its_tokens():
    """The query x beside n other tokens adds to n·bias e^{⟨a, x − m⟩ − q/2}(x − η), η = m + Σa, at every query."""
    return equal(self_token_bias(), sp.exp(own_score - q_s / 2) * (x_u - c_u))


@claim(on=LEADING, by=[SymbolicIdentity()], source=DERIVED)
def two_opposite_heads():
    """Of (R_n(a) − R_n(−a))/2 on centred tokens, n Cov → sinh(q) Σ + cosh(q) Σaaᵀ Σ: the noise of two opposite
    heads."""
    pair = [(influence(w) - influence(w, -1)) / 2 for w in (u, v)]
    by_hand = (sp.exp(q_s) - sp.exp(-q_s)) / 2 * c_uv + (sp.exp(q_s) + sp.exp(-q_s)) / 2 * c_u * c_v
    return equal(in_scalars(E(pair[0] * pair[1])), by_hand)


@claim(on=LINE, by=[SymbolicIdentity(), CertifiedNumerics(points=3)], source=DERIVED)
def first_order_of_l2_attention():
    """For L2 attention on the line, W = f/E f with f = e^{−(x − ky)²/2}: n·bias → −E W²(y − η) = −ρ₂(η₂ − η) and n
    Var → E W²(y − η)² = ρ₂[s/(1 + 2k²s) + (η₂ − η)²], η₂ the layer at half the temperature and ρ₂ = E f²/(E f)²."""
    doubled = 1 + 2 * key**2 * spread_s
    eta = (center_s + spread_s * key * at_query) / (1 + key**2 * spread_s)
    eta_2 = (center_s + 2 * spread_s * key * at_query) / doubled
    gap = (at_query - key * center_s) ** 2
    rho_2 = (1 + key**2 * spread_s) / sp.sqrt(doubled) * sp.exp(gap / (1 + key**2 * spread_s) - gap / doubled)
    mass = E(distance)
    derived = [E(distance**2 * (on_line - eta) ** order) / mass**2 for order in (1, 2)]
    return equal(derived, [rho_2 * (eta_2 - eta), rho_2 * (spread_s / doubled + (eta_2 - eta) ** 2)])


MANY = Domain({n: (10**4, 10**7), q_s: (Rat(1, 10), 1)})


@claim(on=MANY, by=[CertifiedNumerics(points=5)], source=DERIVED)
def expansion_of_the_gain_reaches_the_exact_one():
    """1 − g_n = e^q/n − (2e^{3q} + e^q − 3e^{2q})/n² + O(n⁻³): the exact moment is within 10 e^{6q}/n³ of it."""
    expansion = sp.exp(q_s) / n - (2 * sp.exp(3 * q_s) + sp.exp(q_s) - 3 * sp.exp(2 * q_s)) / n**2
    return Inequality(sp.Abs(P(2) - expansion) * n**3, "<", 10 * sp.exp(6 * q_s))


@claim(on=MANY, by=[CertifiedNumerics(points=5)], source=DERIVED)
def expansion_of_the_covariance_reaches_the_exact_one():
    """n(v_n − P(2)) → q e^q: the exact variance along Σa exceeds that across by q e^q/n, within 30 q e^{3q}/n²."""
    gap = standardized_variance() - P(2) - q_s * sp.exp(q_s) / n
    return Inequality((gap * n**2) ** 2, "<", (30 * q_s * sp.exp(3 * q_s)) ** 2)


# --- claims: prompts on average over queries -------------------------------------------------------------

S_G = sp.Inverse(sp.Identity(d) - 2 * S * G) * S


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=DERIVED)
def constant_of_the_risk():
    """E e^{xᵀGx}[tr VΣVᵀ + ‖Mx‖² + 2⟨x − Mx, Mx⟩] over queries N(0, Σ), the 1/n coefficient of E‖x − V R_n(Bx)‖², is
    det(I − 2ΣG)^{−1/2} [tr VΣVᵀ − tr M S_G Mᵀ + 2 tr M S_G], S_G = (I − 2ΣG)⁻¹Σ, G = BᵀΣB, M = VΣB; finite iff the
    eigenvalues of I − 2ΣG are positive, λ < 1/2."""
    by_hand = (tau - sp.Trace(M * S_G * M.T) + 2 * sp.Trace(M * S_G)) / sp.sqrt(
        sp.Determinant(sp.Identity(d) - 2 * S * G)
    )
    return equal(first_order_coefficient(), by_hand)


H = sp.MatrixSymbol("H", d, d)
S_H = sp.Inverse(sp.Identity(d) - S * H) * S


@claim(on=EVERYWHERE, by=[SymbolicIdentity()], source=DERIVED)
def constant_with_the_query_among_the_tokens():
    """The query beside n others adds −2 det(I − ΣH)^{−1/2} tr (I − M)ᵀV(I − ΣB)S_H to the constant, H = B + Bᵀ − G,
    S_H = (I − ΣH)⁻¹Σ: the mean of 2⟨Mx − x, V(x − ΣBx)⟩ e^{½xᵀHx}."""
    move = V * centered - V * S * B * centered
    added = 2 * sp.exp(quad(centered, H) / 2) * (dot(M * centered, move) - dot(centered, move))
    # S_H is symmetric: tr MᵀVS_H = tr MS_HVᵀ
    traces = sp.Trace(V * S_H) - sp.Trace(M * S_H * V.T) - sp.Trace(B * S_H * V * S) + sp.Trace(B * S_H * M.T * V * S)
    return equal(E(added, symmetric=[H]), -2 * traces / sp.sqrt(sp.Determinant(sp.Identity(d) - S * H)))


scale_e, rank_k = sp.Symbol("e", positive=True), sp.Symbol("k", integer=True, positive=True)
TEMPERATURES = Domain({scale_e: (Rat(1, 50), Rat(12, 25)), rank_k: (1, 50), spread_s: (Rat(1, 4), 3)})


def constant_at_scale() -> sp.Expr:
    """c₁/(ks) at V = I/ε, B = ε/s I in k dimensions of variance s, e = ε²: M = I whatever the scale is."""
    z = GaussianVector("z", rank_k, covariance=spread_s)
    trace_of_values = rank_k * spread_s / scale_e
    constant = E(sp.exp(scale_e / spread_s * dot(z, z)) * (trace_of_values + dot(z, z)))
    return constant / (rank_k * spread_s)


@claim(on=TEMPERATURES, by=[SymbolicIdentity(), CertifiedNumerics()], source=DERIVED)
def constant_at_every_temperature():
    """Writing the same limit M = I as V = I/ε and B = εΣ⁻¹ gives c₁/t = (1 − 2e)^{−k/2}[1/e + 1/(1 − 2e)], e = ε², t
    = tr Σ."""
    by_hand = (1 - 2 * scale_e) ** (-rank_k / 2) * (1 / scale_e + 1 / (1 - 2 * scale_e))
    return equal(constant_at_scale(), by_hand)


l_1, l_2 = sp.symbols("l_1 l_2", positive=True)
SPECTRUM = Domain({**{z: (Rat(1, 20), Rat(2, 5)) for z in (l_1, l_2)}, **{z: (Rat(1, 4), 3) for z in (s_1, s_2)}})


@claim(on=SPECTRUM, by=[SymbolicIdentity(), CertifiedNumerics()], source=DERIVED)
def constant_of_a_spectrum():
    """With a temperature of its own for each direction, B = diag(√l_i/s_i), V = diag(1/√l_i), c₁ is
    Π(1 − 2l_i)^{−1/2} Σ s_i[1/l_i + 1/(1 − 2l_i)]: two directions."""
    z = gaussians("z_1 z_2", covariance=[[s_1, 0], [0, s_2]])
    tilt = sp.exp(l_1 * z[0] ** 2 / s_1 + l_2 * z[1] ** 2 / s_2)
    derived = E(tilt * (s_1 / l_1 + s_2 / l_2 + z[0] ** 2 + z[1] ** 2))
    terms = [s_ * (1 / l_ + 1 / (1 - 2 * l_)) for s_, l_ in ((s_1, l_1), (s_2, l_2))]
    return equal(derived, sp.Add(*terms) / sp.sqrt((1 - 2 * l_1) * (1 - 2 * l_2)))


BEST = 2 / (rank_k + 4 + sp.sqrt(rank_k**2 + 4 * rank_k + 8))
RANKS = Domain({rank_k: (1, sp.oo)})


@claim(on=RANKS, by=[SymbolicIdentity(), CertifiedNumerics()], source=DERIVED)
def optimal_temperature():
    """e*(k) = [k + 4 − √(k² + 4k + 8)]/(2(k + 2)) = 2/(k + 4 + √(k² + 4k + 8)) is the root of (k + 2)e(1 − e) = 1 −
    2e."""
    root = sp.sqrt(rank_k**2 + 4 * rank_k + 8)
    return equal([(rank_k + 4 - root) / (2 * (rank_k + 2)), (rank_k + 2) * BEST * (1 - BEST)], [BEST, 1 - 2 * BEST])


@claim(on=TEMPERATURES, by=[SymbolicIdentity(), CertifiedNumerics()], source=DERIVED)
def slope_of_the_constant():
    """d log c₁/de = [(k + 2)e(1 − e) − (1 − 2e)]/(e(1 − e)(1 − 2e)): the bracket is −1 at 0, (k + 2)/4 at 1/2 and
    quadratic, so e* is the only stationary point on (0, 1/2), and the minimum."""
    constant = constant_at_scale()
    bracket = (rank_k + 2) * scale_e * (1 - scale_e) - (1 - 2 * scale_e)
    by_hand = bracket / (scale_e * (1 - scale_e) * (1 - 2 * scale_e))
    ends = [bracket.subs(scale_e, 0), bracket.subs(scale_e, Rat(1, 2))]
    return equal([constant.diff(scale_e) / constant, *ends], [by_hand, sp.Integer(-1), (rank_k + 2) / 4])


@claim(on=RANKS, by=[SymbolicIdentity()], source=DERIVED)
def optimal_temperature_is_the_usual_one():
    """e*(k)(k + 3) → 1: over queries the scores' variance q is e χ²_k with mean ke*, so the optimum is asymptotically
    the usual scale 1/√d_k."""
    root = rank_k * sp.sqrt(1 + 4 / rank_k + 8 / rank_k**2)
    return Limit(2 * (rank_k + 3) / (rank_k + 4 + root), rank_k, sp.oo, 1)


@claim(on=RANKS, by=[SymbolicIdentity()], source=DERIVED)
def next_order_of_the_optimal_temperature():
    """k³(e*(k) − 1/(k + 3)) → −1."""
    root = sp.sqrt(1 + 4 / rank_k + 8 / rank_k**2)
    return Limit(rank_k**3 * (2 / (rank_k + 4 + rank_k * root) - 1 / (rank_k + 3)), rank_k, sp.oo, -1)


def best_ratio(k: int) -> sp.Expr:
    """c₁ at the optimal temperature over the constant (k + 1)t of linear attention."""
    best = BEST.subs(rank_k, k)
    return (1 - 2 * best) ** Rat(-k, 2) * (1 / best + 1 / (1 - 2 * best)) / (k + 1)


@claim(on=EVERYWHERE, by=[CertifiedNumerics()], source="a secondary note, printed values")
def values_of_the_optimal_temperature():
    """e*(1) = 0.2324081, e*(2) = 0.1909830, e*(3) = 0.1614835, e*(4) = 0.1396204 and the ratios to linear attention
    4.218, 3.697, 3.442 at k = 1, 2, 3, 2.972 at 10, 2.745 at 100 and 2.721 at 1000, each to its last digit."""
    temperatures = {1: "0.2324081", 2: "0.1909830", 3: "0.1614835", 4: "0.1396204"}
    ratios = {1: "4.218", 2: "3.697", 3: "3.442", 10: "2.972", 100: "2.745", 1000: "2.721"}
    gaps = [sp.Abs(BEST.subs(rank_k, k) - Rat(text)) * 10**7 for k, text in temperatures.items()]
    gaps += [sp.Abs(best_ratio(k) - Rat(text)) * 10**3 for k, text in ratios.items()]
    return Inequality(sp.Max(*gaps), "<=", Rat(1, 2))


# --- claims: how fast, past the threshold ------------------------------------------------------------------

lam = sp.Symbol("lambda", positive=True)
kappa = sp.Symbol("kappa", positive=True)
RATE = Domain({lam: (Rat(1, 2), 20)})
gamma_exponent = (sp.sqrt(1 + 4 / lam) - 1) / 2


@claim(on=RATE, by=[SymbolicIdentity(), CertifiedNumerics()], source=DERIVED)
def exponent_of_the_large_deviations():
    """γ(λ) = (√(1 + 4/λ) − 1)/2 is the minimum over κ of κ/λ + (1 − κ)²/(4κ), the cost of a query with q = 2κ log n
    and of a prompt in which one token then takes a finite share; it is attained at κ = (1 + 4/λ)^{−1/2}."""
    cost = kappa / lam + (1 - kappa) ** 2 / (4 * kappa)
    best = 1 / sp.sqrt(1 + 4 / lam)
    return equal([cost.subs(kappa, best), cost.diff(kappa).subs(kappa, best)], [gamma_exponent, sp.Integer(0)])


@claim(on=RATE, by=[SymbolicIdentity(), CertifiedNumerics()], source=f"{DERIVED}; {BOURSIER}")
def exponent_at_the_threshold_and_at_the_pca_optimum():
    """γ(1/2) = 1, where the rate 1/n ends; γ(1) is the golden ratio less one; in κ² = λ it reads √(1/4 + 1/κ²) −
    1/2."""
    special = [gamma_exponent.subs(lam, Rat(1, 2)), gamma_exponent.subs(lam, 1), gamma_exponent]
    return equal(special, [sp.Integer(1), (sp.sqrt(5) - 1) / 2, sp.sqrt(Rat(1, 4) + 1 / lam) - Rat(1, 2)])


@claim(on=EVERYWHERE, by=[QueryMeans(Rat(1, 100))], source=DERIVED)
def rate_below_the_threshold():
    """For λ = 1/10 and a hundred million tokens n E_x[1 − g_n] is within 2 % of E_x e^q = (1 − 2λ)^{−1/2}: the rate
    is 1/n."""
    mean = mean_participation(sp.Integer(10**8), Rat(1, 10))
    return Inequality(sp.Abs(10**8 * mean * sp.sqrt(Rat(4, 5)) - 1), "<", Rat(1, 50))


def decay(lam_: sp.Expr, first: int, second: int) -> sp.Expr:
    """−log(P̄(10^second)/P̄(10^first))/log(10^{second − first}), the exponent over that range."""
    logs = [sp.log(mean_participation(sp.Integer(10**power), lam_)) for power in (first, second)]
    return (logs[0] - logs[1]) / ((second - first) * sp.log(10))


@claim(on=EVERYWHERE, by=[QueryMeans(sp.Integer(1))], source=DERIVED)
def pca_optimum_is_reached_more_slowly_than_its_number_of_tokens():
    """At λ = 1, the optimum of softmax PCA with V = I, E_x[1 − g_n] falls between n = 10¹⁰ and n = 10⁴⁰ by a factor
    that is less than n^{−2/3} would give: the rate is not 1/n."""
    return Inequality(decay(sp.Integer(1), 10, 40), "<", Rat(2, 3))


@claim(on=EVERYWHERE, by=[QueryMeans(sp.Integer(1))], source=DERIVED)
def pca_optimum_is_reached_as_a_power_near_the_conjecture():
    """At λ = 1, E_x[1 − g_n] falls between n = 10¹⁰ and n = 10⁴⁰ by a factor that is more than n^{−0.58} would give:
    the conjectured exponent is 0.618, with logarithms."""
    return Inequality(decay(sp.Integer(1), 10, 40), ">", Rat(29, 50))


def limit_of_the_exponent(value_of_lam: sp.Expr, exponents: tuple[int, ...]) -> Claim:
    """The conjecture, with slopes."""
    text = str(value_of_lam)
    return Claim(
        f"exponent-at-lambda-{text}",
        f"At λ = {text}: log E_x[1 − g_n]/log n → −γ({text}), derived by large deviations and not proven.",
        lambda: Limit(
            sp.log(mean_participation(n, value_of_lam)) / sp.log(n),
            n,
            sp.oo,
            -gamma_exponent.subs(lam, value_of_lam),
        ),
        Domain({n: (1, sp.oo)}),
        DERIVED,
        (SlopesTowards(float(value_of_lam), exponents, lambda: gamma_exponent.subs(lam, value_of_lam)),),
        "open",
    )


CONJECTURES = tuple(limit_of_the_exponent(sp.Integer(k), (10, 20, 40)) for k in (1, 2))


@claim(on=EVERYWHERE, by=[CertifiedNumerics(digits=10)], source=DERIVED)
def rate_at_a_query_that_grows_with_the_prompt():
    """At q = 2κ log n with 1/3 < κ < 1 the gap 1 − g_n falls as n^{−(1−κ)²/(4κ)} and not as e^q/n: for κ = 1/2 the
    exponent between n = 10²⁰ and n = 10⁴⁰ is within 0.01 of 1/8."""
    before, after = (P(2, tokens=sp.Integer(10**power), variance=power * sp.log(10)) for power in (20, 40))
    slow, fast = (sp.Integer(10) ** (-20 * (Rat(1, 8) + error)) for error in (-Rat(1, 100), Rat(1, 100)))
    return Inequality((after / before - slow) * (after / before - fast), "<", sp.Integer(0))


def frozen_gain(power: int, printed: str) -> Claim:
    """A value of the gain in the frozen phase, to the digits that are printed."""
    return Claim(
        f"gain-in-the-frozen-phase-at-1e{power}",
        f"With q = 2κ log n and κ = 2 the gain g_n is {printed} at n = 1e{power}, to the last digit: it creeps towards "
        "1/√κ = 0.707 and not to 1.",
        lambda: Inequality(
            (1 - P(2, tokens=sp.Integer(10**power), variance=4 * power * sp.log(10)) - Rat(printed)) ** 2,
            "<=",
            Rat(1, 2000) ** 2,
        ),
        EVERYWHERE,
        "Derrida (1981) for the frozen phase; a secondary note, printed values",
        (CertifiedNumerics(),),
    )


FROZEN = (frozen_gain(5, "0.622"), frozen_gain(12, "0.663"))


MATCHED = Domain({spread_s: (0, sp.oo), tau: (Rat(1, 10), 10)})


@claim(on=MATCHED, by=[CertifiedNumerics()], source=DERIVED)
def self_matched_l2_attention_has_no_threshold():
    """For L2 attention with Q = K and queries drawn as the tokens the condition of a finite constant, 2s² < (τ + s)(τ
    + 2s), always holds: the difference is τ² + 3sτ."""
    return Inequality(2 * spread_s**2, "<", (tau + spread_s) * (tau + 2 * spread_s))


# --- claims: exponential scores over queries ----------------------------------------------------------------

TILTED = Domain({center_s: (-1, 1), at_query: (-1, 1), spread_s: (Rat(1, 4), 2), share: (Rat(1, 20), Rat(2, 5))})


@claim(on=TILTED, by=[CertifiedNumerics(digits=20, points=2)], source=DERIVED)
def exponential_attention_over_queries():
    """The moments E e^{bx + gx²/2} times 1, x, x² over a Gaussian query, by the engine in matrices, are those of
    one-dimensional quadrature while gs < 1."""
    strength = share / spread_s
    query = center_s + sp.sqrt(spread_s) * t_s
    tilt = sp.exp(at_query * query + strength * query**2 / 2)
    at = {b: at_query, m_q: center_s, G: strength, S_q: spread_s}
    integrals = [GaussianIntegral(tilt * query**order, (t_s,)) for order in range(3)]
    return equal([on_a_line(tilted_query(order), at) for order in range(3)], integrals)


# --- claims: depth -----------------------------------------------------------------------------------------

depth = sp.Symbol("t", nonnegative=True)
p_1, p_2 = sp.symbols("p_1 p_2", positive=True)
b_11, b_12, b_21, b_22 = sp.symbols("b_11 b_12 b_21 b_22", real=True)
PRECISION = sp.ImmutableDenseMatrix([[p_1, r], [r, p_2]])
FORM = sp.ImmutableDenseMatrix([[b_11, b_12], [b_21, b_22]])
SYMMETRIC_FORM = sp.ImmutableDenseMatrix([[b_11, b_12], [b_12, b_22]])
DEPTH = Domain(
    {
        depth: (0, Rat(1, 10)),
        **dict.fromkeys((p_1, p_2), (1, 3)),
        r: (Rat(-1, 2), Rat(1, 2)),
        **{z: (Rat(-1, 2), Rat(1, 2)) for z in (b_11, b_12, b_21, b_22)},
    }
)
DEEP = (SymbolicIdentity(), CertifiedNumerics())


@claim(on=EVERYWHERE, by=ENTRIES, source=f"{CASTIN}; Alcalde, Ji, Zuazua (2026)")
def velocity_of_the_covariance():
    """Along x′ = Wx + Γ_μ(x) with Gaussian μ, E x′(x − m)ᵀ = JΣ with J = W + VΣB: Σ′ = JΣ + ΣJᵀ."""
    velocity = W * y + V * m + V * S * B * y
    return equal(Expectation(velocity * (y - m).T), W * S + V * S * B * S)


@claim(on=EVERYWHERE, by=ENTRIES, source=f"{CASTIN}; Alcalde, Ji, Zuazua (2026)")
def velocity_of_the_mean():
    """m′ = Wm + V(m + ΣBm)."""
    return equal(Expectation(W * y + V * m + V * S * B * y), W * m + V * m + V * S * B * m)


def covariance_ode(spread: sp.Matrix, W_: sp.Matrix, V_: sp.Matrix, B_: sp.Matrix) -> sp.Matrix:
    """JΣ + ΣJᵀ."""
    slope = W_ + V_ * spread * B_
    return slope * spread + spread * slope.T


@claim(on=DEPTH, by=DEEP, source=DERIVED)
def covariance_at_depth():
    """For V = I, W = 0: Σ_t = (Σ₀⁻¹ − t(B + Bᵀ))⁻¹ solves the equation, for any B: written out in the plane."""
    spread = (PRECISION - depth * (FORM + FORM.T)).inv()
    return equal(list(spread.diff(depth)), list(covariance_ode(spread, sp.zeros(2), sp.eye(2), FORM)))


@claim(on=DEPTH, by=DEEP, source=DERIVED)
def matrix_logistic_at_depth():
    """For W = I, V = −I and symmetric B: Σ_t = (B + e^{−2t}(Σ₀⁻¹ − B))⁻¹ solves the equation."""
    spread = (SYMMETRIC_FORM + sp.exp(-2 * depth) * (PRECISION - SYMMETRIC_FORM)).inv()
    return equal(list(spread.diff(depth)), list(covariance_ode(spread, sp.eye(2), -sp.eye(2), SYMMETRIC_FORM)))


beta_s = sp.Symbol("beta", positive=True)


@claim(on=Domain({beta_s: (Rat(1, 4), 3), p_1: (Rat(1, 4), 3)}), by=[SymbolicIdentity()], source=DERIVED)
def matrix_logistic_limit():
    """The solution for W = I, V = −I tends to B⁻¹, in every eigendirection with B > 0."""
    return Limit(1 / (beta_s + sp.exp(-2 * depth) * (p_1 - beta_s)), depth, sp.oo, 1 / beta_s)


@claim(on=DEPTH, by=DEEP, source=DERIVED)
def blow_up_depth():
    """For V = I, W = 0 in an eigendirection, 1/Σ_t = p − 2tb: Σ_t is finite exactly up to t* = p/(2b) = 1/λ_max(Σ₀(B
    + Bᵀ)), where its inverse is zero."""
    inverse = p_1 - 2 * depth * b_11
    return equal([inverse.subs(depth, p_1 / (2 * b_11)), inverse.diff(depth)], [sp.Integer(0), -2 * b_11])


@claim(on=DEPTH, by=DEEP, source=DERIVED)
def mean_at_depth():
    """For V = I, W = 0 and symmetric B, in a common eigendirection: m_t = e^t(1 − 2tD)^{−1/2} m₀ with D = b/p solves
    m′ = m + Σ_t b m."""
    ratio = b_11 / p_1
    moved = sp.exp(depth) / sp.sqrt(1 - 2 * depth * ratio)
    return equal(moved.diff(depth), moved * (1 + b_11 / (p_1 - 2 * depth * b_11)))


@claim(on=DEPTH, by=DEEP, source="Liouville; Castin, Ablin, Carrillo, Peyré (2025)")
def rank_does_not_change_with_depth():
    """(det Σ)′ = 2 tr J det Σ, so that a regular covariance stays regular; and Σ_t = ΦΣ₀Φᵀ with Φ′ = JΦ and Φ regular
    keeps every rank."""
    spread = PRECISION
    rate = covariance_ode(spread, FORM, sp.eye(2), SYMMETRIC_FORM)
    trace = (FORM + spread * SYMMETRIC_FORM).trace()
    slope = rate[0, 0] * spread[1, 1] + spread[0, 0] * rate[1, 1] - 2 * spread[0, 1] * rate[0, 1]
    return equal(slope, 2 * trace * spread.det())


speed_v = sp.Symbol("v", real=True)
L2_DEPTH = Domain({spread_s: (Rat(1, 4), 3), key: (-1, 1), at_query: (-1, 1), speed_v: (-1, 1), depth: (0, 1)})


@claim(on=L2_DEPTH, by=[SymbolicIdentity()], source=DERIVED)
def l2_attention_at_depth():
    """L2 attention on the line has Γ′ = vskq/(1 + k²s), so s′ = 2Γ′s, and −1/s + k² log s − 2vkq t does not change."""
    slope = speed_v * spread_s * key * at_query / (1 + key**2 * spread_s)
    invariant = -1 / spread_s + key**2 * sp.log(spread_s) - 2 * speed_v * key * at_query * depth
    return Conserved({spread_s: 2 * slope * spread_s, depth: sp.Integer(1)}, invariant)


# --- the study ----------------------------------------------------------------------------------------------


def derivation_of_softmax_attention() -> Derivation:
    """E e^{⟨a, y⟩} y on N(m, Σ)."""
    return derive(weight("softmax") * y)


def derivation_of_the_first_order_risk() -> Derivation:
    """c₁ over queries N(0, Σ), with its condition."""
    return derive(first_order_error())


def derivation_of_l2_attention() -> Derivation:
    """E e^{⟨a, y⟩ − ‖Ky‖²/2} y on N(m, Σ)."""
    return derive(weight("l2") * y)


study = Study(
    name="attention-map",
    title="Attention as a map on measures: Gaussians, mixtures, finite prompts, depth",
    source="see the head of the file",
    claims=(
        *SCORE_CLAIMS,
        *GATE_CLAIMS,
        *RANK_CLAIMS,
        *FACTOR_CLAIMS,
        *(item for item in list(globals().values()) if isinstance(item, Claim)),
        *TABLE,
        *FROZEN,
        *CONJECTURES,
    ),
    simulator=SIMULATOR,
    derivations=(derivation_of_softmax_attention, derivation_of_l2_attention, derivation_of_the_first_order_risk),
)
