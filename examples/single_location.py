# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Single-location regression
#
# The model of Marion, Berthier, Biau and Boyer, *Attention layers provably solve single-location regression* (ICLR
# 2025, arXiv 2410.01537). Of the $L$ tokens of a prompt one is informative: at a uniform latent location $J$,
#
# $$X_J \sim \mathcal N(m\,k^\star, \gamma^2 I), \qquad X_\ell \sim \mathcal N(0, \sigma^2 I) \quad (\ell \ne J),
# \qquad Y = \langle X_J, v^\star\rangle + \varepsilon\xi ,$$
#
# and an attention layer with directions $k$, $v$ predicts
# $T(X) = \sum_\ell \operatorname{erf}(\lambda\langle X_\ell, k\rangle)\,\langle X_\ell, v\rangle$.
# We derive its population risk $R = \mathbb E\,(Y - T)^2$, find all its stationary points on the invariant
# manifold, and ask at each step how we know.

# %%
from dataclasses import replace

import numpy as np
import sympy as sp

from numerics import simulate, stationary_points, value
from proofs_check import studies, verify
from proofs_check.plots import agreement, landscape
from proofs_check.studies.single_location import SIMULATOR, derivation_of_the_risk, reduced_risk, risk, risk_at
from theory import L, derive, epsilon, gamma, gaussians, kappa, lam, m, nu, q_k, q_v, rho, sigma, to_latex
from theory.latex import document

# %% [markdown]
# ## Derive
#
# The rules are those one uses on paper, and each has a name. Take a single term: a background token contributes
# $\mathbb E\,\operatorname{erf}(\lambda a)\,b$, where $a = \langle X_\ell, k\rangle$ and
# $b = \langle X_\ell, v\rangle$ are jointly Gaussian.

# %%
a, b = gaussians("a b", covariance=[[sigma**2 * q_k, sigma**2 * rho], [sigma**2 * rho, sigma**2 * q_v]])
derive(sp.erf(lam * a) * b)

# %% [markdown]
# The whole risk goes the same way. On the manifold $k \perp v^\star$, $v \perp k^\star$, $k \perp v$ of the unit
# spheres only the overlaps $\kappa = \langle k, k^\star\rangle$ and $\nu = \langle v, v^\star\rangle$ are left, and
# the derivation fits on a page. It starts from the definition of the model and nothing else.

# %%
derivation_of_the_risk()

# %% [markdown]
# Off the manifold the risk is a function of seven numbers, five overlaps and two squared norms: `risk()`. Its
# restriction to the manifold, whose numbers we shall look at:

# %%
reduced_risk()

# %% [markdown]
# ## Check
#
# A derivation by machine is no proof that the model was understood. The study states what it stands behind as
# claims, each with its source; here are five of them. A claim *holds* by exact algebra (symbolic), by
# balls at generic points or on whole boxes (certified), or against a simulation in $\mathbb R^d$ that shares
# nothing with the derivation (statistical). A published sentence that is false stays, and is *refuted* with a
# witness.

# %%
study = studies()["single-location"]
chosen = [
    "risk-in-erf-moments",
    "risk-with-the-constants-of-the-paper",
    "published-closed-form",
    "five-stationary-points",
    "linear-attention-as-quoted",
]
verify(replace(study, claims=tuple(study[name] for name in chosen)), seed=2)

# %% [markdown]
# A check is worth what it would have noticed. The published closed form, wrong by one part in $10^{12}$:

# %%
wrong = study["published-closed-form"].perturbed(1e-12)
verify(replace(study, claims=(wrong,)))

# %% [markdown]
# ## The landscape on the manifold
#
# With numbers for the constants ($m = 3$, that is $d = 18$ in the paper's scaling), `stationary_points` encloses
# every point where the gradient flow on the spheres rests, and proves that the rest of the square holds none.

# %%
numbers = {L: 10, m: 3, gamma: sp.sqrt(sp.Rational(1, 2)), sigma: 1, epsilon: 0}
on_square = reduced_risk().restrict({**numbers, lam: sp.Rational(2, 5)})
spheres = {kappa: 1 - kappa**2, nu: 1 - nu**2}
points = stationary_points(on_square, manifold=spheres)
points

# %%
figure = landscape(on_square, points, manifold=spheres)

# %% [markdown]
# Both minima are the oracle, $\pm(k^\star, v^\star)$, with the same risk. That they are minima *on the manifold* is
# not the end of the story. At the paper's constants the oracle is a saddle on the spheres for large $\lambda$
# (claim `oracle-is-a-saddle-past-the-threshold`), and for small $\lambda$ the swapped solution $k = v^\star$ has a
# smaller risk (`swapped-solution-beats-the-oracle-for-small-temperature`).
#
# ## Closed form against simulation
#
# The oracle's risk as a function of $\lambda$. Too small a $\lambda$ misses the informative token, too large a one
# lets the background through. The simulation draws the tokens in $\mathbb R^{18}$.

# %%
k_star, v_star = np.eye(18)[0], np.eye(18)[1]
model = {"k": k_star, "v": v_star, "k_star": k_star, "v_star": v_star, "L": 10, "gamma": 0.5**0.5}
temperatures = [0.02, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6]
estimates = [simulate(SIMULATOR, {**model, "lam": x}, samples=20_000, seed=i) for i, x in enumerate(temperatures)]
estimates[2]

# %%
along = reduced_risk().restrict({**numbers, kappa: 1, nu: 1})
figure = agreement(along, lam, temperatures, estimates)

# %% [markdown]
# The same numbers from vectors, for any $k$ and $v$:

# %%
round(risk_at(**model, lam=0.1), 9), round(float(value(along, {lam: 0.1})), 9)

# %% [markdown]
# ## Take it along
#
# Every formula prints as LaTeX, with the field's letters; `document` makes a file that pdflatex compiles, and
# `proofs-check latex -o formulas.tex` does so for all studies.

# %%
print(to_latex(risk().gradient()[nu]))

# %%
file = document([("Single location", [("The risk on the invariant manifold.", reduced_risk())])])
print(file[file.index("\\section") :])
