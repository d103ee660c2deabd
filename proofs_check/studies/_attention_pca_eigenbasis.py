"""Tied heads in the eigenbasis of Σ: where the gradient vanishes, and the blocks of the Hessian, read off the engine.

With Σ = Diag(s₁, …, s_d) and w_i the rows of W, every stationary point is, up to W ↦ WO with O orthogonal, a subset I
of the axes, w_i = √(ν_i/s_i) e_i for i in I and w_j = 0 for the others, so that Σ^{1/2}WWᵀΣ^{1/2} has the eigenvalues
ν_i. Which ν_i there are, the equation `stationarity` says, once for each i in I. The Hessian there, in the d·k entries
of W, couples no more than these:

    unused         entry (j, c), c a column that no i in I uses, j not in I
    cross          entry (j, i), j not in I
    own, other     entries (i, i) and (j, j), both in I: the lengths
    pair, mixed    entries (i, j) and (j, i), both in I: its diagonal and its off-diagonal entry
    idle           entry (i, c), i in I, c unused: zero at a stationary point

An entry holds the numbers of two axes at most, besides t = tr Σ, τ = Σ ν_i and σ = Σ s_i ν_i. So a head of three
columns in four dimensions, two axes used and two not, shows them all, for every dimension, rank and subset. t, τ and σ
stay symbols of their own there; nothing is assumed about the other axes.

Definitions: `Eigenbasis`, `eigenbasis`, `at_axes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from theory.notation import d

from ._attention_pca_model import H, S, W, gradient_in, k, n, second_variation

__all__ = [
    "Eigenbasis",
    "at_axes",
    "eigenbasis",
    "gamma",
    "nu1",
    "nu2",
    "nu_at",
    "s1",
    "s2",
    "s3",
    "s4",
    "sigma",
    "t",
    "tau",
]

s1, s2, s4, nu1, nu2 = sp.symbols("s1 s2 s4 nu1 nu2", positive=True)
s3, t, tau, sigma = sp.symbols("s3 t tau sigma", nonnegative=True)

AXES = sp.ImmutableMatrix(sp.diag(s1, s2, s3, s4))
HEAD = sp.ImmutableMatrix([[sp.sqrt(nu1 / s1), 0, 0], [0, sp.sqrt(nu2 / s2), 0], [0, 0, 0], [0, 0, 0]])


def gamma(s: sp.Expr) -> sp.Expr:
    """γ = (1 + 1/n)s + t/n, the eigenvalue of Γ = (1 + 1/n)Σ + (tr Σ/n)I that belongs to s."""
    return (1 + 1 / n) * s + t / n


@dataclass(frozen=True)
class Eigenbasis:
    """The equation for ν₁ and the entries of the Hessian, in s_i, ν_i, t, τ, σ and n; see the head of the file.

    Args:
        stationarity: zero where the point is stationary; linear in ν₁, τ and σ.
    """

    stationarity: sp.Expr
    unused: sp.Expr
    cross: sp.Expr
    own: sp.Expr
    other: sp.Expr
    pair: sp.Expr
    mixed: sp.Expr
    idle: sp.Expr
    rest: tuple[sp.Expr, ...]
    """All entries of the Hessian between places that are not named above; they are zero."""


def at_axes(expr: sp.Expr, head: sp.Matrix = HEAD, covariance: sp.Matrix = AXES, direction: sp.Matrix | None = None):
    """An expression of the engine at explicit matrices, its traces of Σ, ΣWWᵀ and Σ²WWᵀ being t, τ and σ.

    >>> at_axes(sp.Trace(S) * sp.Trace(S * W * W.T))
    t*tau
    """
    named = {trace: _name(trace) for trace in expr.atoms(sp.Trace) if not trace.has(H)}
    explicit = {W: sp.ImmutableMatrix(head), S: sp.ImmutableMatrix(covariance)}
    if direction is not None:
        explicit[H] = sp.ImmutableMatrix(direction)
    sizes = {d: sp.Integer(head.rows), k: sp.Integer(head.cols)}
    kept = {trace: name for trace, name in named.items() if name is not None}
    return expr.xreplace(kept).xreplace(explicit).xreplace(sizes).doit()


def _name(trace: sp.Trace) -> sp.Symbol | None:
    """t, τ or σ, or None for a trace of another kind."""
    factors = sp.MatMul.make_args(trace.arg)
    powers = sum(2 if factor == S**2 else factor == S for factor in factors)
    heads = sum(factor in (W, W.T) for factor in factors)
    return {(1, 0): t, (1, 2): tau, (2, 2): sigma}.get((powers, heads))


@lru_cache
def eigenbasis(query: str) -> Eigenbasis:
    """The equation and the blocks for a query "fresh", "inside" or "mean field".

    >>> sp.factor(eigenbasis("mean field").stationarity)
    s1*(nu1 - 1)
    """
    rows, columns = HEAD.shape
    slope = at_axes(gradient_in(query, W))
    places = [(i, c) for i in range(rows) for c in range(columns)]
    entries: dict[tuple, sp.Expr] = {}
    for place in places:
        direction = sp.zeros(rows, columns)
        direction[place] = 1
        column = at_axes(second_variation(query), direction=direction)
        entries |= {(other, place): sp.expand(column[other]) for other in places}
    used = {(0, 0), (1, 1), (0, 1), (1, 0)}
    named = {(place, place) for place in places} | {(a, b) for a in used for b in used if (sum(a) - sum(b)) % 2 == 0}
    return Eigenbasis(
        stationarity=sp.expand(slope[0, 0] / (2 * sp.sqrt(nu1 * s1))),
        unused=entries[(2, 2), (2, 2)],
        cross=entries[(2, 0), (2, 0)],
        own=entries[(0, 0), (0, 0)],
        other=entries[(0, 0), (1, 1)],
        pair=entries[(0, 1), (0, 1)],
        mixed=entries[(0, 1), (1, 0)],
        idle=entries[(0, 2), (0, 2)],
        rest=tuple(entry for key, entry in entries.items() if key not in named),
    )


@lru_cache
def nu_at(query: str) -> sp.Expr:
    """ν₁ from its equation, given τ and σ.

    >>> nu_at("mean field")
    1
    """
    (solution,) = sp.solve(eigenbasis(query).stationarity, nu1)
    return solution
