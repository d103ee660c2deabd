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
# # Where gradient descent goes
#
# The risk of single-location regression depends on the trained unit vectors $k$, $v$ and the fixed $k^\star$,
# $v^\star$ through inner products alone. A step of projected gradient descent,
#
# $$k \leftarrow \frac{k - \alpha\,(I - kk^\top)\nabla_k R}{\lVert\cdot\rVert}\quad\text{and } v \text{ likewise},$$
#
# combines these four vectors linearly, so it can be made in $\mathbb R^4$ as well as in $\mathbb R^{400}$. We follow
# the descents of the paper's code this way, thirty starts and more at once, and ask where they end and how fast.

# %%
import numpy as np
import sympy as sp

from numerics import (
    Overlaps,
    basins,
    draw_overlaps,
    fitted_rate,
    gradient_flow,
    linear_rates,
    projected_gradient_descent,
    rate_of_steps,
)
from proofs_check.studies import single_location
from proofs_check.studies.single_location import OVERLAPS, gradient_at, k, k_star, reduced_risk, risk, v, v_star
from theory import conserved_quadratics, dot, kappa, nu

constants = {"L": 10, "gamma": 0.5**0.5, "m": 200**0.5, "sigma": 1.0, "epsilon": 0.0}  # d = 400
vectors = Overlaps({**OVERLAPS, dot(k_star, v_star): 0}, trained=(k, v))
vectors.names

# %% [markdown]
# ## On the manifold $k \perp v^\star$, $v \perp k^\star$, $k \perp v$
#
# The starts are drawn as overlaps, with the exact law of uniform vectors in $\mathbb R^{400}$.

# %%
rng = np.random.default_rng(0)
on_manifold = draw_overlaps(vectors, 400, 30, rng, orthogonal=[(k, v_star), (v, k_star), (v, k)])
path = projected_gradient_descent(
    risk(), on_manifold, step=4e-3, steps=20_000, values={**constants, "lam": 0.1}, manifold=vectors
)
figure = path.plot(["kappa", "nu"])

# %% [markdown]
# Every start ends near $\pm(k^\star, v^\star)$. The other three overlaps are zero, not nearly zero.

# %%
print(path.termination)
print("mean |kappa| at the end:", np.abs(path.final["kappa"]).mean().round(3))
print("theta, eta, rho:", {name: float(np.abs(path.final[name]).max()) for name in ("theta", "eta", "rho")})

# %% [markdown]
# ## From the spheres
#
# About half of the starts end somewhere else: $k$ near $\pm v^\star$. A count says little without its interval.

# %%
path = projected_gradient_descent(
    risk(),
    draw_overlaps(vectors, 400, 300, rng),
    step=4e-3,
    steps=6_000,
    values={**constants, "lam": 0.1},
    manifold=vectors,
)
limits = {
    "oracle": lambda end: end["kappa"] * end["nu"] > 0.5,
    "swapped": lambda end: end["eta"] * end["theta"] > 0.5,
}
found = basins(path, limits)
print(found)

# %% [markdown]
# One step, reduced and in $\mathbb R^{400}$, from the same state:

# %%
at = rng.standard_normal((2, 400))
a_k, a_v = at / np.linalg.norm(at, axis=1, keepdims=True)
a_k_star, a_v_star = np.eye(400)[:2]
start = {name: x for name, x in single_location.overlaps(a_k, a_v, a_k_star, a_v_star).items() if name in vectors.names}
reduced = projected_gradient_descent(
    risk(), start, step=4e-3, steps=1, values={**constants, "lam": 0.1}, manifold=vectors
).final

in_k, in_v = gradient_at(a_k, a_v, a_k_star, a_v_star, L=10, lam=0.1, gamma=0.5**0.5)
a_k, a_v = a_k - 4e-3 * (in_k - (in_k @ a_k) * a_k), a_v - 4e-3 * (in_v - (in_v @ a_v) * a_v)
full = single_location.overlaps(a_k / np.linalg.norm(a_k), a_v / np.linalg.norm(a_v), a_k_star, a_v_star)
gap = max(abs(full[name] - float(reduced[name])) for name in vectors.names)
print("the two agree to 14 digits:", gap < 1e-14)

# %% [markdown]
# ## How fast
#
# Near the oracle the flow is linear; the smallest eigenvalue is the rate. A path of the flow shows it, and a path of
# steps shows what $-\log|1 - \alpha\mu|$ says. (Overlaps near $\pm 1$ move twice as fast as the vectors.)

# %%
values = {**constants, "m": 3.0, "lam": 0.3}
oracle = {"kappa": 1.0, "nu": 1.0, "theta": 0.0, "eta": 0.0, "rho": 0.0}
rates = linear_rates(risk(), oracle, values, vectors)
print("rates of k and v in R^4:", rates.round(4))

flow = gradient_flow(
    reduced_risk(),
    {"kappa": 0.5, "nu": 0.3},
    60.0,
    values=values,
    manifold={kappa: 1 - kappa**2, nu: 1 - nu**2},
    record=401,
    tolerance=0,
)
shown = fitted_rate(flow, {"kappa": 1.0, "nu": 1.0})
print("flow: agrees with twice the smallest:", shown.agrees_with(2 * rates[0]))

steps = projected_gradient_descent(
    risk(), {**oracle, "kappa": 0.5, "nu": 0.3}, step=0.02, steps=4000, values=values, manifold=vectors, record=2001
)
shown = fitted_rate(steps, {"kappa": 1.0, "nu": 1.0})
print("steps: agree with the rate of steps:", shown.agrees_with(2 * rate_of_steps(rates[0], 0.02)))

# %% [markdown]
# ## What a flow conserves
#
# Some of it follows from the parametrization alone. All conserved quadratics of a product of matrices $BA$, whatever
# the risk, by exact linear algebra:

# %%
A = sp.Matrix(2, 2, sp.symbols("a:4", real=True))
B = sp.Matrix(2, 2, sp.symbols("b:4", real=True))
conserved_quadratics(B * A, [A, B])
