"""Softmax attention with a finite prompt and a fresh query: the risk by one-dimensional integrals, for every n.

Given the query x, let a = Bx, q = aᵀΣa, and p the softmax of the scores ⟨a, x_i⟩ of n tokens x_i ~ N(0, Σ). With
Q = Σ p_i² and C = Σ p_i³, whose law depends on n and q alone, Gaussian integration by parts in the tokens gives

    E out = (1 − E Q) VΣa,        E‖out‖² = tr(VΣVᵀ) E Q + ‖VΣa‖² E[1 − Q + 6Q² − 6C],

because ∂p_i/∂x_j = p_i(δ_ij − p_j) a. With the query x ~ N(0, Σ) it follows that

    2R = tr Σ − 2 E_x[(1 − E Q) xᵀVΣBx] + tr(VΣVᵀ) E_x E Q + E_x[E(1 − Q + 6Q² − 6C) ‖VΣBx‖²].                (1)

**Given q.** The scores are √q z_i, z_i standard normal. With w = e^{√q z}, φ(s) = E e^{−sw}, b_k(s) = E (sw)^k e^{−sw}
and 1/S^k = ∫ s^{k−1} e^{−sS} ds/(k − 1)!,

    E Q = n ∫ b₂ φ^{n−1} ds/s,   E C = (n/2) ∫ b₃ φ^{n−1} ds/s,
    E Q² = (1/6) ∫ [n b₄ φ^{n−1} + n(n − 1) b₂² φ^{n−2}] ds/s.

Both integrals are trapezoidal sums, in z and in log s, where the integrands are entire or analytic in a strip of half
width π/2, so that their errors fall like e^{−2π(π/2)/h}: below 1e-15 for the steps taken.

**Over the query.** In the eigenbasis of Σ^{1/2}BᵀΣBΣ^{1/2}, with eigenvalues l_j > 0, q = Σ l_j z_j², and the forms
in (1) are sums of z_j² by symmetry. Weighting by z_j² gives z_j two more degrees of freedom, so that all that is
needed are means over sums of chi-squares, of which the density comes from its Laplace transform ∏(1 + 2 l_j
s)^{−m_j/2} on a Talbot contour.

These are floats, good to about ten digits; the tests hold them against simulation, against the closed forms at n =
1, and against certified integrals at n = 2.

References: Weideman, Trefethen, *Parabolic and hyperbolic contours for computing the Bromwich integral*, Math. Comp.
76 (2007); the identities are derived here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Participation", "mean_over_query", "participation", "softmax_risk"]

STEP = 0.25  # of the trapezoidal sums: e^{−2π(π/2)/0.25} = 7e-18
REACH = 9.0  # standard deviations kept on either side: 2e-19 outside
QUERY_STEP = 0.35  # in log q: e^{−2π(π/2)/0.35} = 6e-13
CONTOUR = 26  # nodes of a contour, which loses 3.89^{−26} = 5e-16, and rounding


@dataclass(frozen=True)
class Participation:
    """E Q, E Q² and E C: the means of Σ p², (Σ p²)² and Σ p³ over the softmax weights of n tokens."""

    second: float
    squared: float
    third: float

    @property
    def gain(self) -> float:
        """E out over its limit VΣa: 1 − E Q."""
        return 1 - self.second

    @property
    def power(self) -> float:
        """The coefficient of ‖VΣa‖² in E‖out‖²: 1 − E Q + 6 E Q² − 6 E C."""
        return 1 - self.second + 6 * (self.squared - self.third)


def participation(n: int, q: float) -> Participation:
    """The participation of n tokens whose scores have the variance q.

    >>> participation(1, 2.0)
    Participation(second=1.0, squared=1.0, third=1.0)
    >>> round(participation(10, 1.0).gain, 10)
    0.8053126063
    """
    if n == 1 or q == 0:
        return Participation(1 / n, 1 / n**2, 1 / n**2)
    v = math.sqrt(q)
    spacing = STEP / max(1.0, v)  # of z, so that for v >= 1 all of log s + v z lies on one lattice
    reach = math.ceil(REACH / spacing)
    z = np.arange(-reach, reach + 1) * spacing
    weights = np.exp(-(z**2) / 2) * (spacing / math.sqrt(2 * math.pi))
    # b_k(s) is negligible where s w < e^{-40} for every z that is kept, and φ(s) where s w > e^4
    first, last = math.floor((-40 - REACH * v) / STEP), math.ceil((4 + REACH * v) / STEP)
    if v >= 1:
        u = np.arange(first - reach, last + reach + 1) * STEP

        def smoothed(f: np.ndarray) -> np.ndarray:
            return np.convolve(f, weights, "valid")

    else:
        u = np.arange(first, last + 1)[:, None] * STEP + v * z

        def smoothed(f: np.ndarray) -> np.ndarray:
            return f @ weights

    sw = np.exp(np.minimum(u, 7.0))  # e^{−sw} is zero beyond
    fading = np.exp(-sw)
    b2, b3, b4 = (smoothed(sw**j * fading) for j in (2, 3, 4))
    hit, phi = smoothed(-np.expm1(-sw)), smoothed(fading)  # 1 − φ and φ, each to all its digits
    log_phi = np.where(hit < 0.5, np.log1p(-np.minimum(hit, 0.5)), np.log(np.maximum(phi, 1e-300)))
    survive, pair = np.exp((n - 1) * log_phi), np.exp((n - 2) * log_phi)
    second = n * float(b2 @ survive) * STEP
    third = n / 2 * float(b3 @ survive) * STEP
    squared = (n * float(b4 @ survive) + n * (n - 1) * float(b2**2 @ pair)) / 6 * STEP
    return Participation(second, squared, third)


def mean_over_query(f: Callable[[float], Sequence[float]], scales: np.ndarray, freedoms: np.ndarray) -> np.ndarray:
    """The means of several functions of q = Σ_j l_j χ²_{m_j}, for several choices of the degrees of freedom at once.

    Args:
        f: smooth functions of q > 0, as one function that returns their values.
        scales: l_j > 0, shape (r,).
        freedoms: m_j >= 1, shape (choices, r).

    Returns:
        Shape (choices, functions).

    >>> bool(abs(mean_over_query(lambda q: (q, q**2), np.array([2.0]), np.array([[1.0]])) - [[2.0, 12.0]]).max() < 1e-8)
    True
    """
    largest, fewest = float(scales.max()), float(freedoms.sum(axis=1).min())
    low = math.log(float(scales.min())) - 70 / fewest
    high = math.log(largest * (80 + 4 * float(freedoms.sum(axis=1).max())))
    logs = np.arange(math.floor(low / QUERY_STEP), math.ceil(high / QUERY_STEP) + 1) * QUERY_STEP
    angle = (2 * np.arange(CONTOUR // 2) + 1) * math.pi / CONTOUR
    cotangent = 1 / np.tan(0.6407 * angle)
    shape = CONTOUR * (0.5017 * angle * cotangent - 0.6122 + 0.2645j * angle)
    slope = CONTOUR * (0.5017 * cotangent - 0.5017 * 0.6407 * angle / np.sin(0.6407 * angle) ** 2 + 0.2645j)
    q = np.exp(logs)[:, None]
    s = shape / q
    factors = np.log1p(2 * s[..., None] * scales)  # (nodes of q, contour, r)
    transform = np.exp(-(factors @ freedoms.T) / 2)  # (nodes of q, contour, choices)
    density = np.imag(np.einsum("c,qcm->qm", np.exp(shape) * slope, transform)) * (2 / CONTOUR)
    values = np.array([f(float(point)) for point in q[:, 0]])
    return QUERY_STEP * density.T @ values


def softmax_risk(B: np.ndarray, Sigma: np.ndarray, V: np.ndarray, n: int) -> float:
    """R = ½ E‖x − out‖² for softmax attention with a prompt of n tokens and a fresh query, by (1).

    >>> round(softmax_risk(np.eye(2), np.eye(2), np.eye(2), n=1), 9)  # the one token, independent of the query
    2.0
    """
    values, vectors = np.linalg.eigh(Sigma)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    spread = root.T @ B.T @ Sigma @ B @ root
    l, axes = np.linalg.eigh((spread + spread.T) / 2)
    total = float(np.trace(Sigma))
    noise = float(np.trace(V @ Sigma @ V.T))
    active = l > 10 * len(l) * np.finfo(float).eps * max(float(l[-1]), 0.0)
    if not active.any():
        return (total + noise / n) / 2
    x = root @ axes[:, active]  # x = Σ_j x_j z_j for the directions that the scores see
    out = V @ Sigma @ B @ x
    aligned, power = np.einsum("dj,dj->j", x, out), np.einsum("dj,dj->j", out, out)
    r = int(active.sum())
    freedoms = np.vstack([np.ones(r), np.ones((r, r)) + 2 * np.eye(r)])

    def weights(q: float) -> tuple[float, float, float]:
        found = participation(n, q)
        return found.second, found.gain, found.power

    means = mean_over_query(weights, l[active], freedoms)
    return (total - 2 * float(aligned @ means[1:, 1]) + noise * float(means[0, 0]) + float(power @ means[1:, 2])) / 2
