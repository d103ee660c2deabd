"""Plain numeric calls of the study `attention_pca`: arrays in, numbers out, evaluating what the engine derived.

    risk_at                R = ½ E‖x − out‖² of given weights
    stationary_points_at   all stationary points of a tied head of rank k, with their Hessians
    minimizer              the best V and B

Definitions: these three and `StationaryFamily`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from numerics import compile as compiled
from numerics import value
from numerics.covariance import validate_float_covariance
from theory import NoClosedForm

from ._attention_pca_eigenbasis import eigenbasis, nu1, nu2, nu_at, s1, s2, s3, sigma, t, tau
from ._attention_pca_model import fresh_risk, inside_risk, mean_field_risk
from ._attention_pca_model import n as length
from ._attention_pca_softmax import softmax_risk

__all__ = ["StationaryFamily", "minimizer", "risk_at", "stationary_points_at"]

MOST = 4096
"""How many families of stationary points are listed."""

QUERIES = ("fresh", "inside")
ATTENTIONS = ("linear", "softmax")


# --- the risk ------------------------------------------------------------------------------


def risk_at(
    B: np.ndarray,
    Sigma: np.ndarray,
    *,
    V: np.ndarray | None = None,
    n: int | None = None,
    query: str = "fresh",
    attention: str = "linear",
) -> float:
    """The population risk ½ E‖x − out‖² of one attention layer that reconstructs its query.

        linear     out = V C B x,  C = (1/n) Σ_i x_i x_iᵀ;   C = Σ for n = None
        softmax    out = V Σ_i p_i x_i,  p = softmax(⟨Bx, x_i⟩);   V Σ B x for n = None

    with tokens N(0, Σ).

    Args:
        B: d × d, the score of a query x against a token y is ⟨Bx, y⟩; a tied head of rank k is B = WWᵀ.
        Sigma: d × d covariance of the tokens; singular is allowed. Asymmetry and negative eigenvalues up to
            10·d·ε·‖Σ‖ are taken for rounding.
        V: d × d; default the identity.
        n: the tokens of the prompt; None for infinitely many.
        query: "fresh", independent of the prompt; or "inside", the first of its n tokens.
        attention: "linear" or "softmax".

    Raises:
        ValueError: naming the argument, its value and what was expected.
        NoClosedForm: for softmax attention with the query inside a finite prompt, which has no closed form yet.

    Source: derived by the engine from the definition above; for softmax and a finite prompt one-dimensional integrals.

    >>> Sigma = np.diag([2.0, 1.0])
    >>> first = np.diag([0.5, 0.0])  # Σ B is the projector on the first eigenvector
    >>> risk_at(first, Sigma), round(risk_at(first, Sigma, n=10), 12)
    (0.5, 0.75)
    """
    covariance = validate_float_covariance(Sigma, "Sigma")
    d = len(covariance)
    scores, values = _matrix("B", B, d), np.eye(d) if V is None else _matrix("V", V, d)
    _choice("query", query, QUERIES)
    _choice("attention", attention, ATTENTIONS)
    count = _length(n)
    if count is not None and attention == "softmax":
        if query == "inside":
            raise NoClosedForm(
                f"no closed form yet for softmax attention with the query inside a finite prompt, got n={n}; take "
                'query="fresh", attention="linear", n=None, or simulate it with numerics.simulate'
            )
        return softmax_risk(scores, covariance, values, count)
    point: dict[str, Any] = {"Sigma": covariance, "B": scores, "V": values}
    if count is None:
        return float(value(mean_field_risk(), point))
    return float(value(fresh_risk() if query == "fresh" else inside_risk(), {**point, "n": count}))


# --- stationary points of a tied head ------------------------------------------------------


@dataclass(frozen=True)
class StationaryFamily:
    """Stationary points of a tied head, W = Σ_{i ∈ I} √(ν_i/s_i) u_i e_iᵀ times an orthogonal k × k matrix.

    Args:
        subset: I, indices of eigenvectors, 0 for the largest eigenvalue; of a repeated eigenvalue the first ones
            stand for any as many directions of its eigenspace.
        nu: ν_i > 0 for i in the subset: Σ^{1/2}WWᵀΣ^{1/2} = Σ ν_i u_i u_iᵀ; 1 at n = ∞.
        risk: R at these points.
        hessian_eigenvalues: in the d·k entries of W, smallest first; shape (d·k,).
        eigenspace: the indices of the eigenvectors of each repeated eigenvalue of which some, not all, directions are
            used; empty where WWᵀ is isolated.
        dimension: of the family of all WWᵀ, a product of Grassmannians: Σ m(D − m) over those eigenspaces.
        W: one of the points, (d, k).
    """

    subset: tuple[int, ...]
    nu: np.ndarray
    risk: float
    hessian_eigenvalues: np.ndarray
    eigenspace: tuple[int, ...]
    dimension: int
    W: np.ndarray


def stationary_points_at(
    Sigma: np.ndarray, rank: int, *, n: int | None = None, query: str = "fresh"
) -> list[StationaryFamily]:
    """All stationary points of the risk of a tied linear head, V = I, B = WWᵀ, W of shape (d, rank).

    Each is a subset of at most `rank` eigenvectors of Σ with eigenvalue s_i > 0, each shrunk by its ν_i > 0; every such
    subset is one. With the query inside, ν_i depends on the whole subset. Directions in which Σ vanishes change
    nothing and are in no subset.

    Args:
        Sigma: d × d covariance. Eigenvalues that differ by at most 10·d·ε·‖Σ‖ are taken to be equal.
        rank: k, from 1 to d.
        n, query: as in `risk_at`.

    Returns:
        By size of the subset, then by its indices; one entry for each family where eigenvalues repeat.

    Raises:
        ValueError: naming the argument; or if there are more than 4,096 families.

    >>> for point in stationary_points_at(np.diag([3.0, 1.0]), 1, n=4):
    ...     print(point.subset, point.nu.round(6), round(point.risk, 6), point.hessian_eigenvalues.round(6))
    () [] 2.0 [-18.  -2.]
    (0,) [0.631579] 1.052632 [ 2.421053 36.      ]
    (1,) [0.444444] 1.777778 [-8.666667  4.      ]
    """
    covariance = validate_float_covariance(Sigma, "Sigma")
    d = len(covariance)
    columns = _integer("rank", rank, "the number of columns of W")
    if columns > d:
        raise ValueError(f"expected 1 <= rank <= {d}, the dimension of Sigma, got rank={rank!r}")
    _choice("query", query, QUERIES)
    count = _length(n)
    which = "mean field" if count is None else query
    s, vectors, groups = _spectrum(covariance)
    families = _families(groups, s, columns)
    points = []
    for size in range(columns + 1):
        chosen = [subset for subset in families if len(subset) == size]
        if not chosen:
            continue
        subsets = np.array(chosen, dtype=int).reshape(len(chosen), size)
        nu, risks = _shrinkage(which, s, subsets, count)
        curvatures = _hessian_eigenvalues(which, s, subsets, nu, columns, count)
        heads = np.zeros((len(subsets), d, columns))
        heads[:, :, :size] = np.moveaxis(vectors[:, subsets], 0, 1) * np.sqrt(nu / s[subsets])[:, None, :]
        for subset, here, risk, curvature, W in zip(chosen, nu, risks, curvatures, heads, strict=True):
            used = [(group, sum(i in subset for i in group)) for group in groups]
            partly = [(group, m) for group, m in used if 0 < m < len(group)]
            eigenspace = tuple(i for group, _ in partly for i in group)
            dimension = sum(m * (len(group) - m) for group, m in partly)
            points.append(StationaryFamily(subset, here, float(risk), curvature, eigenspace, dimension, W))
    return points


def _spectrum(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[tuple[int, ...]]]:
    """Eigenvalues, largest first, equal ones made equal and zeros zero; eigenvectors; the groups of equal ones."""
    raw, vectors = np.linalg.eigh(covariance)
    s, vectors = raw[::-1].copy(), vectors[:, ::-1]
    tolerance = 10 * len(s) * np.finfo(float).eps * max(abs(float(s[0])), abs(float(s[-1])))
    groups: list[list[int]] = []
    for i, each in enumerate(s):
        if groups and s[groups[-1][0]] - each <= tolerance:
            groups[-1].append(i)
        else:
            groups.append([i])
    for group in groups:
        middle = float(s[group].mean())
        s[group] = middle if middle > tolerance else 0.0
    return s, vectors, [tuple(group) for group in groups]


def _families(groups: list[tuple[int, ...]], s: np.ndarray, rank: int) -> list[tuple[int, ...]]:
    """The subsets of the eigenvectors with positive eigenvalues, one for each number used of every eigenspace."""
    usable = [group for group in groups if s[group[0]] > 0]
    by_size = [1] + [0] * rank
    for group in usable:
        by_size = [sum(by_size[size - m] for m in range(min(len(group), size) + 1)) for size in range(rank + 1)]
    if sum(by_size) > MOST:
        raise ValueError(
            f"expected at most {MOST:,} families of stationary points, got {sum(by_size):,} for rank={rank} and "
            f"{len(usable)} different eigenvalues; lower the rank"
        )

    def chosen(rest: list[tuple[int, ...]], left: int) -> Iterator[tuple[int, ...]]:
        if not rest:
            yield ()
            return
        for m in range(min(len(rest[0]), left) + 1):
            for others in chosen(rest[1:], left - m):
                yield (*rest[0][:m], *others)

    return sorted(chosen(usable, rank), key=lambda subset: (len(subset), subset))


def _arguments(query: str) -> tuple[sp.Symbol, ...]:
    return (s1, s2, s3, nu1, nu2, t, tau, sigma, *(() if query == "mean field" else (length,)))


@lru_cache
def _functions(query: str) -> dict[str, Callable[..., Any]]:
    """The blocks of the Hessian, and the coefficients of the linear equation for ν, as functions of numbers."""
    found = eigenbasis(query)
    blocks = {name: getattr(found, name) for name in ("unused", "cross", "own", "other", "pair", "mixed")}
    linear = {symbol.name: found.stationarity.diff(symbol) for symbol in (nu1, tau, sigma)}
    constant = found.stationarity.subs({nu1: 0, tau: 0, sigma: 0})
    expressions = {**blocks, **linear, "constant": constant}
    return {name: _broadcasting(compiled(expr, _arguments(query))) for name, expr in expressions.items()}


def _broadcasting(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of arrays of different shapes."""
    return lambda *numbers: np.asarray(function(*np.broadcast_arrays(*numbers)))


def _shrinkage(query: str, s: np.ndarray, subsets: np.ndarray, count: int | None) -> tuple[np.ndarray, np.ndarray]:
    """ν of subsets of one size, shape (subsets, r), from the linear equations of `Eigenbasis`; and their risks.

    The risk is quadratic in ν with the gradient that the equations set to zero, so that at its stationary point it
    is ½t + ½ Σ ν_i c_i, where c_i is their constant term.
    """
    used, trace = s[subsets], float(s.sum())
    if used.shape[1] == 0:
        return used, np.full(len(used), trace / 2)
    one, tail = np.ones_like(used), () if count is None else (count,)
    own, of_tau, of_sigma, constant = (
        _functions(query)[name](used, one, one, one, one, trace, 1.0, 1.0, *tail)
        for name in ("nu1", "tau", "sigma", "constant")
    )
    equations = own[:, :, None] * np.eye(used.shape[1]) + of_tau[:, :, None] + of_sigma[:, :, None] * used[:, None, :]
    nu = np.linalg.solve(equations, -constant[:, :, None])[:, :, 0]
    return nu, (trace + (nu * constant).sum(axis=1)) / 2


def _hessian_eigenvalues(
    query: str, s: np.ndarray, subsets: np.ndarray, nu: np.ndarray, rank: int, count: int | None
) -> np.ndarray:
    """The eigenvalues of the Hessian in the entries of W, block by block; shape (subsets, d·rank)."""
    functions, tail = _functions(query), () if count is None else (count,)
    number, r = subsets.shape
    inside = np.zeros((number, len(s)), dtype=bool)
    np.put_along_axis(inside, subsets, True, axis=1)
    here = s[subsets]
    rest = np.broadcast_to(s, inside.shape)[~inside].reshape(number, len(s) - r)
    sums = (np.full(number, s.sum()), nu.sum(axis=1), (nu * here).sum(axis=1))  # t, τ, σ

    def block(name: str, first: Any = 1.0, second: Any = 1.0, out: Any = 1.0, one: Any = 1.0, two: Any = 1.0) -> Any:
        shape = np.broadcast_shapes(*map(np.shape, (first, second, out, one, two)))
        each = (total.reshape(-1, *[1] * (len(shape) - 1)) for total in sums)
        return functions[name](first, second, out, one, two, *each, *tail)

    found = [np.zeros((number, r * (rank - r)))]
    if r < len(s):
        found.append(np.repeat(block("unused", out=rest), rank - r, axis=1))
    if 0 < r < len(s):
        across = block("cross", first=here[:, :, None], out=rest[:, None, :], one=nu[:, :, None])
        found.append(across.reshape(number, -1))
    if r:
        rows, columns = {"first": here[:, :, None], "one": nu[:, :, None]}, {"second": here[:, None, :]}
        other = block("other", **rows, **columns, two=nu[:, None, :])
        own = block("own", first=here, one=nu)
        diagonal = np.eye(r, dtype=bool)
        found.append(np.linalg.eigvalsh(np.where(diagonal, own[:, :, None], other)))
        pair = block("pair", **rows, **columns, two=nu[:, None, :])
        mixed = block("mixed", **rows, **columns, two=nu[:, None, :])
        i, j = np.triu_indices(r, 1)
        rotations = np.stack([pair[:, i, j], mixed[:, i, j], mixed[:, i, j], pair[:, j, i]], axis=-1)
        found.append(np.linalg.eigvalsh(rotations.reshape(number, -1, 2, 2)).reshape(number, -1))
    return np.sort(np.concatenate(found, axis=1), axis=1)


# --- the best weights ----------------------------------------------------------------------


def minimizer(Sigma: np.ndarray, *, n: int | None, train_value: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Weights (V, B) of the smallest risk of linear attention with a fresh query, K, Q and perhaps V trained.

        V = I:       B = Γ⁻¹,  Γ = (1 + 1/n)Σ + (tr Σ/n)I
        V trained:   V = Σ_{i ≤ r} √(y_i/s_i) u_i u_iᵀ,  B = Σ_{i ≤ r} (√y_i/s_i) u_i u_iᵀ,
                     y_i = (√s_i − T/n)/(1 + 1/n),  T/n = Σ_{j ≤ r} √s_j/(n + 1 + r),
                     r the largest with √s_r (n + 1 + r) > Σ_{j ≤ r} √s_j

    A short prompt makes the trained layer drop the weak directions altogether. Any other minimum is a change of gauge,
    VΣ^{1/2}A and A⁻¹Σ^{1/2}B with Σ^{1/2}BΣ^{1/2} and VΣ^{1/2} of equal norm.

    Args:
        Sigma: d × d covariance; where it vanishes, V (if trained) is zero, and so is B at n = ∞.
        n: the tokens of the prompt; None for infinitely many, where VΣB = I on the range of Σ.
        train_value: whether V is trained, or is the identity.

    Raises:
        ValueError: naming the argument, its value and what was expected.

    >>> V, B = minimizer(np.diag([4, 1, 0.25, 0.04, 0.01]), n=2)
    >>> int(np.linalg.matrix_rank(V)), round(risk_at(B, np.diag([4, 1, 0.25, 0.04, 0.01]), V=V, n=2) * 12, 10)
    (2, 19.0)
    """
    covariance = validate_float_covariance(Sigma, "Sigma")
    count = _length(n)
    if not isinstance(train_value, (bool, np.bool_)):
        raise ValueError(f"expected train_value True or False, got train_value={train_value!r}")
    s, vectors, _ = _spectrum(covariance)
    if not train_value:
        weights = _best_scores(s, count)
        return np.eye(len(s)), (vectors * weights) @ vectors.T
    roots = np.sqrt(s)
    if count is None:
        y, r = roots, int(np.count_nonzero(roots))
    else:
        sizes = np.arange(1, len(s) + 1)
        kept = np.flatnonzero(roots * (count + 1 + sizes) > np.cumsum(roots))
        r = int(kept[-1]) + 1 if len(kept) else 0
        y = (roots - roots[:r].sum() / (count + 1 + r)) / (1 + 1 / count)
    first, y, s = vectors[:, :r], y[:r], s[:r]
    return (first * np.sqrt(y / s)) @ first.T, (first * (np.sqrt(y) / s)) @ first.T


@lru_cache
def _score_function(query: str) -> Callable[..., Any]:
    """ν/s, the eigenvalue of the best B with V = I, without a pole at s = 0 for a finite prompt."""
    expr = sp.cancel(nu_at(query) / s1).xreplace({s1: s3})
    return compiled(expr, (s3, t, length) if query == "fresh" else (s3,))


def _best_scores(s: np.ndarray, count: int | None) -> np.ndarray:
    weights, positive = np.zeros(len(s)), s > 0
    if not positive.any():
        return weights
    if count is None:
        weights[positive] = _score_function("mean field")(s[positive])
        return weights
    return np.asarray(_score_function("fresh")(s, np.full(len(s), s.sum()), np.full(len(s), count)))


# --- bad input -----------------------------------------------------------------------------


def _matrix(name: str, given: Any, d: int) -> np.ndarray:
    try:
        array = np.asarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected a real {d} × {d} matrix {name}, got {name}={given!r}") from error
    if array.shape != (d, d):
        raise ValueError(f"expected {name} of shape {(d, d)}, that of Sigma, got shape {array.shape}")
    if not np.isfinite(array).all():
        i, j = map(int, np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"expected finite entries in {name}, got {name}[{i}, {j}] = {array[i, j]}")
    return array


def _integer(name: str, given: Any, meaning: str) -> int:
    if isinstance(given, (bool, np.bool_)) or not isinstance(given, (int, np.integer)) or given < 1:
        raise ValueError(f"expected an integer {name} >= 1, got {name}={given!r}; {name} is {meaning}")
    return int(given)


def _length(given: Any) -> int | None:
    return (
        None if given is None else _integer("n", given, "the number of tokens of the prompt, None for infinitely many")
    )


def _choice(name: str, given: Any, allowed: tuple[str, ...]) -> None:
    if not isinstance(given, str) or given not in allowed:
        raise ValueError(f"expected {name} one of {', '.join(allowed)}, got {name}={given!r}")
