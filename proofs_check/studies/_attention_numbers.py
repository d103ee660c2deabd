"""Attention layers in numbers: the derived formulas at given parameters, with named refusals.

References: the head of `attention_map`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its solvers come when they are first used
import sympy as sp

from numerics import ball, value
from numerics.covariance import validate_float_covariance
from theory import InfiniteExpectation, NoClosedForm

from ._attention_layers import (
    AFFINE,
    KINDS,
    NORMALIZED,
    SCORES,
    SINKHORN_SHRINKAGE,
    G,
    K,
    M,
    S,
    S_q,
    a,
    affine_layer,
    b,
    first_order_coefficient,
    log_weight,
    m,
    m_q,
    mu,
    mu_s,
    prompt_moments,
    q_s,
    score_coefficients,
    tau,
    tilted_query,
)

__all__ = ["attention_at", "finite_prompt", "first_order_constant", "moments_at_depth", "push_forward", "root_of"]


@dataclass(frozen=True)
class Tokens:
    """A Gaussian law of tokens, or a mixture: weights (k,), means (k, d), covariances (k, d, d)."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @property
    def dimension(self) -> int:
        """d."""
        return self.means.shape[1]

    @property
    def is_gaussian(self) -> bool:
        """Whether there is one component."""
        return len(self.weights) == 1


@dataclass(frozen=True)
class Head:
    """One head: a = Bx, values Vy, and K/d_k^{1/4} for the weight of L2 attention."""

    B: np.ndarray
    V: np.ndarray
    key: np.ndarray


def _array(name: str, given: Any, dimensions: tuple[int, ...], shape: str) -> np.ndarray:
    try:
        raw = np.asarray(given)
    except ValueError:
        raise ValueError(f"expected {name} of shape {shape}, got rows of different lengths") from None
    if raw.dtype.kind not in "iuf":
        raise ValueError(f"expected real numbers in {name}, got {name}={given!r}")
    if raw.ndim not in dimensions or raw.size == 0:
        raise ValueError(f"expected {name} of shape {shape}, got shape {raw.shape}")
    array = raw.astype(float)
    if not np.isfinite(array).all():
        raise ValueError(f"expected finite entries in {name}, got {name}={array.tolist()}")
    return array


def _vector(name: str, given: Any, size: int | None = None) -> np.ndarray:
    vector = _array(name, given, (1,), "(d,)")
    if size is not None and len(vector) != size:
        raise ValueError(f"expected {name} of shape ({size},), got shape {vector.shape}")
    return vector


def _covariance(name: str, given: Any, size: int) -> np.ndarray:
    try:
        return validate_float_covariance(given, name, size)
    except TypeError as error:
        raise ValueError(str(error)) from None


def _gaussian(mean: Any, covariance: Any) -> Tokens:
    center = _vector("mean", mean)
    return Tokens(np.ones(1), center[None], _covariance("covariance", covariance, len(center))[None])


def _tokens(mean: Any, covariance: Any, weights: Any, means: Any, components: Any) -> Tokens:
    """The law from either a Gaussian's or a mixture's arguments."""
    gaussian, mixture = (mean, covariance), (weights, means, components)
    if all(part is not None for part in gaussian) and all(part is None for part in mixture):
        return _gaussian(mean, covariance)
    if not (all(part is None for part in gaussian) and all(part is not None for part in mixture)):
        names = ("mean", "covariance", "weights", "means", "covariances")
        given = [name for name, part in zip(names, (*gaussian, *mixture)) if part is not None]
        raise ValueError(
            "expected mean and covariance for Gaussian tokens, or weights, means and covariances for a mixture; "
            f"got {', '.join(given) or 'none of them'}"
        )
    shares = _vector("weights", weights)
    centers = _array("means", means, (2,), "(k, d)")
    if len(centers) != len(shares) or len(components) != len(shares):
        raise ValueError(
            f"expected as many means and covariances as weights, got {len(shares)} weights, {len(centers)} means "
            f"and {len(components)} covariances"
        )
    if shares.min() < 0 or abs(shares.sum() - 1) > 10 * len(shares) * np.finfo(float).eps:
        raise ValueError(f"expected nonnegative weights that sum to 1, got weights={shares.tolist()}")
    blocks = [_covariance(f"covariances[{k}]", block, centers.shape[1]) for k, block in enumerate(components)]
    kept = shares > 0
    return Tokens(shares[kept], centers[kept], np.stack(blocks)[kept])


def _heads(Q: Any, K: Any, V: Any, d_k: Any, tokens: int, query: int) -> list[Head]:
    """The heads of a layer: one for matrices, several for stacks of them."""
    named = {"Q": Q, "K": K, "V": V}
    arrays = {name: _array(name, given, (2, 3), "(rows, d) or (heads, rows, d)") for name, given in named.items()}
    counts = {name: len(array) if array.ndim == 3 else 1 for name, array in arrays.items()}
    if len({array.ndim for array in arrays.values()}) > 1 or len(set(counts.values())) > 1:
        shapes = ", ".join(f"{name} of shape {array.shape}" for name, array in arrays.items())
        raise ValueError(f"expected Q, K and V of one head each, or stacks of as many heads, got {shapes}")
    stacks = {name: array if array.ndim == 3 else array[None] for name, array in arrays.items()}
    rows = stacks["Q"].shape[1]
    if stacks["K"].shape[1] != rows:
        raise ValueError(f"expected Q and K with as many rows, got {rows} and {stacks['K'].shape[1]}")
    for name, columns, whose in (("Q", query, "queries"), ("K", tokens, "tokens"), ("V", tokens, "tokens")):
        if stacks[name].shape[2] != columns:
            raise ValueError(
                f"expected {name} with {columns} columns, the dimension of the {whose}, got shape {arrays[name].shape}"
            )
    scale = rows if d_k is None else d_k
    if isinstance(scale, bool) or not isinstance(scale, (int, float, np.integer, np.floating)):
        raise ValueError(f"expected a number d_k > 0, got d_k={d_k!r}; scores are divided by its root")
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"expected a finite d_k > 0, got d_k={d_k!r}; scores are divided by its root")
    return [
        Head(key.T @ query_map / math.sqrt(scale), value_map, key / scale**0.25)
        for query_map, key, value_map in zip(stacks["Q"], stacks["K"], stacks["V"])
    ]


def _check_kind(kind: Any, allowed: tuple[str, ...] = KINDS) -> None:
    if kind not in allowed:
        raise ValueError(f"expected kind to be one of {', '.join(allowed)}, got kind={kind!r}")


# --- numbers: the layer --------------------------------------------------------------------------


def attention_at(
    x: np.ndarray,
    *,
    mean: np.ndarray | None = None,
    covariance: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    means: np.ndarray | None = None,
    covariances: np.ndarray | None = None,
    Q: np.ndarray,
    K: np.ndarray,
    V: np.ndarray,
    d_k: float | None = None,
    kind: str = "softmax",
    residual: bool = False,
) -> np.ndarray:
    """The attention layer on a law of tokens, at a query.

        softmax    V E e^{⟨a, y⟩} y / E e^{⟨a, y⟩},   a = KᵀQx/√d_k
        l2         the same with the weight e^{−‖Qx − Ky‖²/(2√d_k)}
        linear, erf, probit, relu, gelu, exp    V E f(⟨a, y⟩) y
        sinkhorn   V E [y | x] under the coupling f(x) e^{⟨a, y⟩} g(y) of the law of the tokens with itself

    A Gaussian law gives an affine map for softmax, L2, linear and Sinkhorn attention; a mixture gives gated affine
    experts. Singular covariances are served.

    Args:
        x: the query, shape (d_q,), or a batch (N, d_q). It may be any point, a token or not.
        mean, covariance: (d,) and (d, d) of Gaussian tokens;
        weights, means, covariances: (k,), (k, d) and (k, d, d) of a mixture, instead.
        Q, K, V: (d_k, d_q), (d_k, d) and (d_v, d); stacks of them for several heads, whose outputs are added.
        d_k: scores are divided by √d_k; default the number of rows of Q.
        kind: one of softmax, l2, linear, erf, probit, relu, gelu, exp, sinkhorn.
        residual: whether x is added; needs d_v = d_q.

    Returns:
        An array of shape (d_v,), or (N, d_v).

    Raises:
        ValueError: naming the argument, its value and what was expected.
        NoClosedForm: for Sinkhorn attention on a mixture.

    Source: derived by the engine from the definition above.

    >>> attention_at([1.0, 0.0], mean=[0, 0], covariance=np.eye(2), Q=np.eye(2), K=np.eye(2), V=np.eye(2), d_k=1)
    array([1., 0.])
    """
    _check_kind(kind)
    law = _tokens(mean, covariance, weights, means, covariances)
    queries = _array("x", x, (1, 2), "(d,) or (N, d)")
    batch = np.atleast_2d(queries)
    heads = _heads(Q, K, V, d_k, law.dimension, batch.shape[1])
    if kind == "sinkhorn":
        _check_sinkhorn(law, heads, batch.shape[1])
    out = sum(_head_at(batch, law, head, kind) @ head.V.T for head in heads)
    out = out + _skip(residual, batch, heads)
    return out if queries.ndim == 2 else out[0]


def _skip(residual: bool, batch: np.ndarray, heads: list[Head]) -> np.ndarray | float:
    if not residual:
        return 0.0
    if heads[0].V.shape[0] != batch.shape[1]:
        raise ValueError(
            f"expected V with {batch.shape[1]} rows for a residual connection, got {heads[0].V.shape[0]}; "
            "the layer's output is added to x"
        )
    return batch


def _check_sinkhorn(law: Tokens, heads: list[Head], query: int) -> None:
    if not law.is_gaussian:
        raise NoClosedForm("Sinkhorn attention on a mixture has no closed form; it has one on Gaussian tokens")
    if query != law.dimension:
        raise ValueError(
            f"expected queries of the dimension {law.dimension} of the tokens for Sinkhorn attention, which couples "
            f"their law with itself, got {query}"
        )


def _head_at(batch: np.ndarray, law: Tokens, head: Head, kind: str) -> np.ndarray:
    """The layer with V = I at each query of a batch."""
    if kind == "sinkhorn":
        return _sinkhorn(batch, law, head)
    directions = batch @ head.B.T
    if kind in NORMALIZED:
        return _gated(directions, law, head, kind)
    parts = (_scored(directions, *component, kind) for component in zip(law.means, law.covariances))
    return sum(share * part for share, part in zip(law.weights, parts))


def _gated(directions: np.ndarray, law: Tokens, head: Head, kind: str) -> np.ndarray:
    """Σ_k r_k T_k(a) with affine T_k and gates r_k ∝ w_k E_k f.

    T_k is the gradient of log E_k f, so that log E_k f(a) = log E_k f(0) + ⟨offset, a⟩ + ½⟨a, linear·a⟩.
    """
    if law.is_gaussian:
        offset, linear = _affine(law.means[0], law.covariances[0], head, kind)
        return offset + directions @ linear.T
    experts, gates = [], []
    for share, center, covariance in zip(law.weights, law.means, law.covariances):
        offset, linear = _affine(center, covariance, head, kind)
        moved = directions @ linear.T
        at_zero = float(_at(log_weight(kind), np.zeros_like(center), center, covariance, head))
        experts.append(offset + moved)
        gates.append(math.log(share) + at_zero + directions @ offset + (directions * moved).sum(axis=1) / 2)
    height = np.stack(gates)
    shares = np.exp(height - height.max(axis=0))
    return np.einsum("kn,knd->nd", shares / shares.sum(axis=0), np.stack(experts))


def _affine(center: np.ndarray, covariance: np.ndarray, head: Head, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The offset and the linear part of softmax or L2 attention on a Gaussian, in the direction a."""
    layer = affine_layer(kind)
    offset, linear = (
        np.asarray(_at(part, np.zeros_like(center), center, covariance, head)) for part in (layer.offset, layer.linear)
    )
    return offset[:, 0], linear


def _at(expr: sp.Expr, direction: np.ndarray, center: np.ndarray, covariance: np.ndarray, head: Head) -> Any:
    values = {a: direction, m: center, S: covariance, K: head.key}
    return value(expr, {symbol: array for symbol, array in values.items() if symbol in expr.free_symbols})


def _scored(directions: np.ndarray, center: np.ndarray, covariance: np.ndarray, kind: str) -> np.ndarray:
    """E f(⟨a, y⟩) y for each direction a."""
    images = directions @ covariance
    means, variances = directions @ center, (directions * images).sum(axis=1)
    on_mean, on_score = np.zeros_like(means), np.zeros_like(means)
    spread = variances > 0
    coefficients = score_coefficients(kind)
    for array, expr in ((on_mean, coefficients.on_mean), (on_score, coefficients.on_score)):
        values = {mu_s: means[spread], q_s: variances[spread]}
        array[spread] = value(expr, {symbol: values[symbol] for symbol in expr.free_symbols})
    # where all scores are equal, Σa = 0
    on_mean[~spread] = value(SCORES[kind](mu_s), {mu_s: means[~spread]})
    return on_mean[:, None] * center + on_score[:, None] * images


def root_of(covariance: np.ndarray) -> np.ndarray:
    """The symmetric square root of a covariance."""
    eigenvalues, vectors_ = np.linalg.eigh(covariance)
    return (vectors_ * np.sqrt(np.maximum(eigenvalues, 0))) @ vectors_.T


def _sinkhorn(batch: np.ndarray, law: Tokens, head: Head) -> np.ndarray:
    """m + CB(x − m), C the covariance of y given x under the coupling."""
    center, covariance = law.means[0], law.covariances[0]
    return center + (batch - center) @ (_conditional(covariance, head) @ head.B).T


def _conditional(covariance: np.ndarray, head: Head) -> np.ndarray:
    """The solution C of C + C BΣBᵀ C = Σ: see the claim `sinkhorn_plan_has_the_right_marginals`.

    C = Σ^{1/2} h(N) Σ^{1/2},   N = Σ^{1/2} B Σ Bᵀ Σ^{1/2},   h(μ) = 2/(1 + √(1 + 4μ))
    """
    root = root_of(covariance)
    coupled = root @ head.B @ covariance @ head.B.T @ root
    eigenvalues, eigenvectors = np.linalg.eigh((coupled + coupled.T) / 2)
    shrinkage = value(SINKHORN_SHRINKAGE, {mu: np.maximum(eigenvalues, 0)})
    return root @ (eigenvectors * shrinkage) @ eigenvectors.T @ root


def push_forward(
    *,
    mean: np.ndarray | None = None,
    covariance: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    means: np.ndarray | None = None,
    covariances: np.ndarray | None = None,
    Q: np.ndarray,
    K: np.ndarray,
    V: np.ndarray,
    d_k: float | None = None,
    kind: str = "softmax",
    residual: bool = False,
    query_mean: np.ndarray | None = None,
    query_covariance: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the layer's output over Gaussian queries.

        Γ(x) = c + Jx:   N(m_q, Σ_q) is pushed to N(c + J m_q, J Σ_q Jᵀ)       softmax, l2, linear, sinkhorn

    For these kinds the output is Gaussian. For exp the two moments are finite only while the queries' spread is small,
    see Raises; the output is not Gaussian then.

    Args:
        mean, covariance: of the Gaussian tokens.
        weights, means, covariances: refused, as a mixture is not pushed to a law with moments in closed form.
        Q, K, V, d_k, kind, residual: as in `attention_at`.
        query_mean, query_covariance: of the queries, for cross-attention; default the tokens'.

    Returns:
        (mean, covariance), of shapes (d_v,) and (d_v, d_v).

    Raises:
        ValueError: naming the argument, its value and what was expected.
        NoClosedForm: for a mixture, and for erf, probit, relu and gelu.
        InfiniteExpectation: for exp, unless λ_max(Σ_q^{1/2} BᵀΣB Σ_q^{1/2}) < 1/2.

    >>> center, spread = push_forward(
    ...     mean=[0, 0], covariance=np.diag([2.0, 1.0]), Q=np.eye(2), K=np.eye(2), V=np.eye(2), d_k=1
    ... )
    >>> spread
    array([[8., 0.],
           [0., 1.]])
    """
    _check_kind(kind)
    law = _tokens(mean, covariance, weights, means, covariances)
    if not law.is_gaussian:
        raise NoClosedForm(
            "the law that attention makes of a mixture has no closed form: its gates depend on the query; "
            "average attention_at over draws of the queries"
        )
    if (query_mean is None) != (query_covariance is None):
        raise ValueError("expected both query_mean and query_covariance, or neither")
    center, spread = law.means[0], law.covariances[0]
    if query_mean is not None:
        center = _vector("query_mean", query_mean)
        spread = _covariance("query_covariance", query_covariance, len(center))
    heads = _heads(Q, K, V, d_k, law.dimension, len(center))
    if kind == "sinkhorn":
        _check_sinkhorn(law, heads, len(center))
        if query_mean is not None:
            raise ValueError(
                "expected no law of the queries for Sinkhorn attention, which couples the tokens' with itself"
            )
    identity = np.eye(len(center))
    skip = np.atleast_2d(_skip(residual, identity, heads))
    if kind == "exp":
        return _exponential_push_forward(law, heads, center, spread, residual)
    if kind not in AFFINE:
        raise NoClosedForm(
            f"the output of {kind} attention over Gaussian queries has no moments in closed form: its scores' "
            "variance depends on the query; average attention_at over draws of the queries"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        parts = [_affine_in_query(law, head, kind) for head in heads]
        offset = sum(head.V @ part for head, (part, _) in zip(heads, parts))
        linear = sum(head.V @ part for head, (_, part) in zip(heads, parts)) + skip
        image = offset + linear @ center, linear @ spread @ linear.T
    if not all(np.isfinite(part).all() for part in image):
        largest = max(float(np.abs(array).max()) for array in (center, spread, law.covariances[0]))
        raise ValueError(
            f"expected moments of the output within the range of floats, got some beyond it from means and covariances "
            f"up to {largest:.3g}; rescale the tokens"
        )
    return image


def _affine_in_query(law: Tokens, head: Head, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The offset and the linear part of an affine layer with V = I, in the query x."""
    center, covariance = law.means[0], law.covariances[0]
    if kind in NORMALIZED:
        offset, linear = _affine(center, covariance, head, kind)
        return offset, linear @ head.B
    if kind == "sinkhorn":
        step = _conditional(covariance, head) @ head.B
        return center - step @ center, step
    return np.zeros_like(center), _scored(head.B.T, center, covariance, kind).T  # linear attention has no offset


@dataclass(frozen=True)
class _Tilted:
    """A term e^{⟨b, x⟩ + ½xᵀGx}(c + Lx) of a function of the query."""

    b: np.ndarray
    G: np.ndarray
    c: np.ndarray
    L: np.ndarray


def _exponential_push_forward(
    law: Tokens, heads: list[Head], center: np.ndarray, spread: np.ndarray, residual: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Moments of Σ_h V_h e^{⟨b_h, x⟩ + ½xᵀG_h x}(m + ΣB_h x) over Gaussian queries, b = Bᵀm, G = BᵀΣB."""
    tokens, covariance, root = law.means[0], law.covariances[0], root_of(spread)
    terms = [_Tilted(h.B.T @ tokens, h.B.T @ covariance @ h.B, h.V @ tokens, h.V @ covariance @ h.B) for h in heads]
    largest = max(float(np.linalg.eigvalsh(root @ term.G @ root)[-1]) for term in terms)
    if not largest < 0.5:
        raise InfiniteExpectation(
            "the covariance of exponential attention over these queries is infinite: it is finite iff "
            f"λ_max(Σ_q^(1/2) BᵀΣB Σ_q^(1/2)) < 1/2, got {largest:.6g}"
            + ("; its mean, which needs < 1, is infinite as well" if largest >= 1 else "")
        )
    if residual:
        size = len(center)
        terms.append(_Tilted(np.zeros(size), np.zeros((size, size)), np.zeros(size), np.eye(size)))

    def moment(order: int, slope: np.ndarray, form: np.ndarray) -> np.ndarray:
        values = {b: slope, G: form, m_q: center, S_q: spread}
        expr = tilted_query(order)
        return np.asarray(value(expr, {symbol: values[symbol] for symbol in expr.free_symbols if symbol in values}))

    first = sum(moment(0, term.b, term.G) * term.c + term.L @ moment(1, term.b, term.G)[:, 0] for term in terms)
    second = np.zeros((len(terms[0].c),) * 2)
    for left in terms:
        for right in terms:
            mass, point, square = (moment(order, left.b + right.b, left.G + right.G) for order in range(3))
            second += mass * np.outer(left.c, right.c) + np.outer(left.L @ point[:, 0], right.c)
            second += np.outer(left.c, right.L @ point[:, 0]) + left.L @ square @ right.L.T
    return first, second - np.outer(first, first)


def finite_prompt(a: np.ndarray, *, mean: np.ndarray, covariance: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of softmax attention over n Gaussian tokens, exact for every n.

        R_n = Σ_i p_i y_i,  p = softmax(⟨a, y_i⟩),  y_i ~ N(m, Σ) independent
        E R_n = m + g Σa,   g = 1 − E Σ p_i²,       Cov R_n = E Σ p_i² Σ + κ Σaaᵀ Σ

    Args:
        a: the direction of the scores, KᵀQx/√d_k for a query x, shape (d,).
        mean, covariance: of the tokens, (d,) and (d, d), singular included.
        n: the number of tokens, an integer ≥ 1, up to 10³⁰⁰.

    Returns:
        (mean, covariance); multiply by V, and by V and Vᵀ, for values Vy.

    Raises:
        ValueError: naming the argument, its value and what was expected.
        QuadratureBudgetExceeded: for scores so large, q above about 10⁶, that the sums have too many terms.

    Source: derived by Stein's lemma on the weights (`theory.softmax_moments`).

    >>> center, spread = finite_prompt([1.0], mean=[0.0], covariance=[[1.0]], n=10)
    >>> round(float(center[0]), 10), round(float(spread[0, 0]), 10)
    (0.8053126063, 0.2594701737)
    """
    law = _gaussian(mean, covariance)
    center, spread = law.means[0], law.covariances[0]
    direction = _vector("a", a, law.dimension)
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"expected an integer n >= 1, got n={n!r}; n is the number of tokens")
    image = spread @ direction
    at = {"n": int(n), "q": max(float(direction @ image), 0.0)}
    moments = prompt_moments()
    gain, own, along = (_moment_value(expr, at) for expr in (moments.gain, moments.spread, moments.along))
    return center + gain * image, own * spread + along * np.outer(image, image)


def _moment_value(expr: sp.Expr, at: Mapping[str, Any]) -> float:
    """A polynomial in softmax moments at exact n and q, by balls: n may be far beyond the floats' integers."""
    return float(ball(expr, {symbol: at[symbol.name] for symbol in expr.free_symbols}, digits=17))


def first_order_constant(
    *, covariance: np.ndarray, Q: np.ndarray, K: np.ndarray, V: np.ndarray, d_k: float | None = None
) -> float:
    """c₁ of the reconstruction risk of softmax attention over n tokens, for queries and tokens N(0, Σ).

        E ‖x − V R_n(Bx)‖² = R_∞ + c₁/n + o(1/n)
        c₁ = det(I − 2ΣG)^{−1/2} [tr VΣVᵀ − tr M S_G Mᵀ + 2 tr M S_G],  G = BᵀΣB,  M = VΣB,  S_G = (I − 2ΣG)⁻¹Σ

    Args:
        covariance: Σ, (d, d).
        Q, K, V, d_k: one head, as in `attention_at`, with d_v = d_q = d.

    Raises:
        InfiniteExpectation: unless λ_max(Σ^{1/2} BᵀΣB Σ^{1/2}) < 1/2; the risk then approaches its limit more slowly
            than 1/n.
        ValueError: naming the argument, its value and what was expected.

    >>> one = np.eye(1)
    >>> round(first_order_constant(covariance=one, Q=0.5*one, K=one, V=2*one, d_k=1), 6)
    8.485281
    """
    spread = _covariance("covariance", covariance, len(np.atleast_1d(covariance)))
    heads = _heads(Q, K, V, d_k, len(spread), len(spread))
    if len(heads) != 1 or heads[0].V.shape[0] != len(spread):
        raise ValueError(f"expected one head with V of {len(spread)} rows, got {len(heads)} with {heads[0].V.shape[0]}")
    (head,) = heads
    root, image = root_of(spread), spread @ head.B
    largest = float(np.linalg.eigvalsh(root @ head.B.T @ image @ root)[-1])
    if not largest < 0.5:
        raise InfiniteExpectation(
            "the 1/n coefficient of the risk is infinite: it is finite iff λ_max(Σ^(1/2) BᵀΣB Σ^(1/2)) < 1/2, "
            f"got {largest:.6g}; lower the scale of B, raising V as much"
        )
    values = {tau: float(np.trace(head.V @ spread @ head.V.T)), M: head.V @ image, G: head.B.T @ image, S: spread}
    return float(value(first_order_coefficient(), values))


def moments_at_depth(
    t: float,
    *,
    mean: np.ndarray,
    covariance: np.ndarray,
    Q: np.ndarray,
    K: np.ndarray,
    V: np.ndarray,
    d_k: float | None = None,
    W: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of Gaussian tokens after depth t of softmax attention layers without end.

        x′ = Wx + Γ_μ(x):   m′ = Wm + V(m + ΣBm),   Σ′ = JΣ + ΣJᵀ,   J = W + VΣB

    Integrated by an explicit method of order eight to a relative 1e-10 a step.

    Args:
        t: depth, ≥ 0.
        mean, covariance: at depth zero.
        Q, K, V, d_k: as in `attention_at`; the heads are added.
        W: the linear term, (d, d); default zero.

    Raises:
        ArithmeticError: if the covariance blows up before t; the message says near what depth.
        ValueError: naming the argument, its value and what was expected.

    >>> one = np.eye(1)
    >>> center, spread = moments_at_depth(0.25, mean=[1.0], covariance=one, Q=one, K=one, V=one)
    >>> round(float(spread[0, 0]), 8)
    2.0
    """
    law = _gaussian(mean, covariance)
    size = law.dimension
    heads = _heads(Q, K, V, d_k, size, size)
    if heads[0].V.shape[0] != size:
        raise ValueError(f"expected V with {size} rows, got {heads[0].V.shape[0]}; its output moves the tokens")
    linear = np.zeros((size, size)) if W is None else _array("W", W, (2,), "(d, d)")
    if linear.shape != (size, size):
        raise ValueError(f"expected W of shape ({size}, {size}), got shape {linear.shape}")
    if isinstance(t, bool) or not isinstance(t, (int, float, np.integer, np.floating)) or not 0 <= t < math.inf:
        raise ValueError(f"expected a finite depth t >= 0, got t={t!r}")

    def velocity(_: float, state: np.ndarray) -> np.ndarray:
        center, spread = state[:size], state[size:].reshape(size, size)
        slope = linear + sum(head.V @ spread @ head.B for head in heads)
        drift = slope @ center + sum(head.V for head in heads) @ center
        return np.concatenate([drift, (slope @ spread + spread @ slope.T).ravel()])

    start = np.concatenate([law.means[0], law.covariances[0].ravel()])
    scale = float(np.abs(start).max()) or 1.0

    def runs_away(_: float, state: np.ndarray) -> float:
        return 1e12 * scale - float(np.abs(state[size:]).max())

    runs_away.terminal = True  # type: ignore[attr-defined]
    with np.errstate(all="ignore"):
        path = scipy.integrate.solve_ivp(
            velocity, (0.0, float(t)), start, method="DOP853", rtol=1e-10, atol=1e-14 * scale, events=runs_away
        )
    if path.status != 0:
        raise ArithmeticError(
            f"the covariance blows up near depth {path.t[-1]:.6g}, before t={t!r}; ask for a smaller depth"
        )
    end = path.y[:, -1]
    spread = end[size:].reshape(size, size)
    return end[:size], (spread + spread.T) / 2
