"""The letters of the field, made once, with their assumptions.

To sympy two symbols of the same name with different assumptions are strangers, so every
study takes its letters from here.

    κ = ⟨k, k*⟩, ν = ⟨v, v*⟩, θ = ⟨v, k*⟩, η = ⟨k, v*⟩, ρ = ⟨k, v⟩      overlaps
    q_k = ‖k‖², q_v = ‖v‖²                                          squared norms
    c = ⟨k*, v*⟩                                                     overlap of the teacher directions
    λ                                                                inverse temperature
    m, γ, σ, ε        signal strength; standard deviations of signal, background, label noise
    L, d              sequence length, dimension
"""

from __future__ import annotations

import sympy as sp

__all__ = [
    "L",
    "c",
    "d",
    "epsilon",
    "eta",
    "gamma",
    "kappa",
    "lam",
    "m",
    "nu",
    "q_k",
    "q_v",
    "rho",
    "sigma",
    "theta",
]

c = sp.Symbol("c", real=True)
kappa, nu, theta, eta, rho = sp.symbols("kappa nu theta eta rho", real=True)
q_k, q_v = sp.symbols("q_k q_v", nonnegative=True)
lam, gamma, sigma = sp.symbols("lam gamma sigma", positive=True)
m = sp.Symbol("m", real=True)
epsilon = sp.Symbol("epsilon", nonnegative=True)
L, d = sp.symbols("L d", integer=True, positive=True)
