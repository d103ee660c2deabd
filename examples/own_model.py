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
# # A model of your own
#
# Nothing in the engine knows the studies by name. A law is its tokens and its target, a layer is one expression in
# the tokens; the risk, its gradient, the checks and the LaTeX follow. Here an informative token competes with a
# distractor, and the attention is a rectified linear function of the score:
#
# $$X_J \sim \mathcal N(m\,k^\star, \gamma^2 I), \quad X_K \sim \mathcal N(w^\star, \gamma^2 I), \quad
# X_\ell \sim \mathcal N(0, \sigma^2 I) \text{ otherwise}, \qquad Y = \langle X_J, v^\star\rangle,
# \qquad T(X) = \sum_\ell \max(0, \langle X_\ell, k\rangle)\,\langle X_\ell, v\rangle .$$

# %%
import numpy as np
import sympy as sp
from hypothesis import strategies as st

from numerics import Simulator, gradient, simulate, value
from proofs_check import assert_agrees
from proofs_check.strategies import models, reals, unit_vectors, vectors
from theory import (
    Latent,
    Law,
    NoClosedForm,
    PointwiseAttention,
    TokenGroup,
    Tokens,
    dot,
    population_risk,
)
from theory import L, d, gamma, kappa, m, nu, q_k, q_v, sigma

# %% [markdown]
# ## The model

# %%
k, v, k_star, v_star, w_star = (sp.MatrixSymbol(name, d, 1) for name in ("k", "v", "k_star", "v_star", "w_star"))
J, K = Latent("J", L), Latent("K", L)


class Distracted(Law):
    def tokens(self):
        places = TokenGroup(1, m * k_star, gamma**2, at=J), TokenGroup(1, w_star, gamma**2, at=K)
        return Tokens("X", d, [*places, TokenGroup(L - 2, covariance=sigma**2)])

    def target(self):
        return dot(self.tokens()[J, :], v_star)


layer = PointwiseAttention(k, v, sp.Integer(1), lambda score: sp.Max(0, score))

# %% [markdown]
# ## The risk
#
# It comes out in the scalar products of the vectors it depends on. Names for them are optional, and so are
# assumptions that simplify it: orthonormal teacher directions, $k \perp v, v^\star$ and $v \perp k^\star, w^\star$
# leave five numbers, among them $\alpha = \langle k, w^\star\rangle$.

# %%
risk = population_risk(Distracted(), layer)
risk.parameters

# %%
alpha = sp.Symbol("alpha", real=True)
orthonormal = {dot(x, y): sp.Integer(x == y) for x in (k_star, v_star, w_star) for y in (k_star, v_star, w_star)}
overlaps = {
    **{dot(k, k_star): kappa, dot(k, w_star): alpha, dot(v, v_star): nu, dot(k, k): q_k, dot(v, v): q_v},
    **{dot(k, v): sp.Integer(0), dot(k, v_star): sp.Integer(0)},
    **{dot(v, k_star): sp.Integer(0), dot(v, w_star): sp.Integer(0)},
}
population_risk(Distracted(), layer, overlaps={**orthonormal, **overlaps})

# %% [markdown]
# ## Numbers
#
# `value` and `gradient` take the vectors themselves, as arrays; the partial derivatives are by scalar product.

# %%
e = np.eye(6)
model = {"k": (e[0] + e[3]) / 2, "v": e[1] / 2, "k_star": e[0], "v_star": e[1], "w_star": e[2]}
model |= {"L": 5, "m": 1.5, "gamma": 0.8, "sigma": 0.6}
round(float(value(risk, model)), 9)

# %%
{name: round(float(slope), 6) for name, slope in gradient(risk, model).items()}

# %% [markdown]
# ## The simulator
#
# A second transcription of the definition, in full dimension, in numpy. It shares nothing with the derivation:
# two that agree are evidence.


# %%
def draw(rng, n, *, k_star, v_star, w_star, L, m, gamma, sigma):
    X = sigma * rng.standard_normal((n, L, len(k_star)))
    order = rng.permuted(np.tile(np.arange(L), (n, 1)), axis=1)
    informative, distractor = (np.arange(n), order[:, 0]), (np.arange(n), order[:, 1])
    X[informative] = m * k_star + gamma * rng.standard_normal((n, len(k_star)))
    X[distractor] = w_star + gamma * rng.standard_normal((n, len(k_star)))
    return X, X[informative] @ v_star


def predict(X, *, k, v):
    return np.sum(np.maximum(0, X @ k) * (X @ v), axis=1)


simulator = Simulator(draw, predict)
simulate(simulator, model, samples=200_000, seed=1)

# %% [markdown]
# ## The check
#
# One agreement at one point could be luck. `assert_agrees` lets Hypothesis draw admissible models, any directions,
# norms and constants, and follows the formula on fresh draws at each with an e-process, which assumes no normality:
# a true formula is refuted with probability at most $10^{-6}$. What it needs is a bound on the second moment of the
# loss, and that is one more risk, with the loss $(Y - T)^4$.

# %%
second_moment = population_risk(Distracted(), layer, loss=lambda y, t: (y - t) ** 4)

any_model = models(
    d=st.integers(2, 4),
    k_star=lambda d: unit_vectors(d),
    v_star=lambda d: unit_vectors(d),
    w_star=lambda d: unit_vectors(d),
    k=lambda d: vectors(d, norms=("1/2", 1)),
    v=lambda d: vectors(d, norms=("1/2", 1)),
    L=st.integers(2, 5),
    m=reals("0.2", 2),
    gamma=reals("0.3", 1),
    sigma=reals("0.3", 1),
    without=("d",),
)

assert_agrees(risk, simulator, any_model, second_moment=second_moment, examples=20, samples=20_000)

# %% [markdown]
# A formula that overlooks how the distractor moves the score, as if $\langle k, w^\star\rangle = 0$, does not pass:

# %%
careless = population_risk(Distracted(), layer, overlaps={dot(k, w_star): sp.Integer(0)})
try:
    assert_agrees(careless, simulator, any_model, second_moment=second_moment, examples=20, samples=20_000)
except AssertionError as error:
    print(error)

# %% [markdown]
# ## What is refused
#
# What the rules cannot do is refused by name, before any number is made.

# %%
try:
    population_risk(Distracted(), layer, loss=lambda y, t: sp.Abs(y - t))
except NoClosedForm as error:
    print(error)
