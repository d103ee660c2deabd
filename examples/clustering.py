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
# # Attention-based clustering, on models and on data
#
# The model of Maulen-Soto, Boyer and Marion, *Attention-based clustering* (arXiv 2505.13112): tokens from a mixture of
# Gaussians, $X_\ell \sim \sum_j w_j\,\mathcal N(\mu_j, \sigma^2 I)$, and linear attention heads
#
# $$T(X) = c\lambda \sum_h \sum_\ell \langle X_1, h\rangle \langle h, X_\ell\rangle X_\ell, \qquad
# R = \mathbb E\,\lVert X_1 - T(X)\rVert^2 .$$
#
# There are no labels. Do the heads find the centroids? The theory says: their *plane*, always; the centroids
# themselves, only with a regularizer or a special start. Then we look at wine, irises and digits.

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from numerics import draw_overlaps, projected_gradient_descent, simulate
from proofs_check.studies.clustering import (
    DESCENT,
    SIMULATOR,
    quantization_risk_at,
    regularized_risk,
    risk_at,
    smaller_alignment,
)

# %% [markdown]
# ## The risk
#
# One derivation serves any number of heads and components, weights, centroids, lengths and dimensions. At a mixture of
# three components that nobody chose to be nice:

# %%
model = {
    "heads": np.array([[0.7, 0.2, 0.1], [-0.1, 0.6, 0.5]]),
    "centroids": np.array([[1.0, 0.3, 0.0], [-0.2, 0.9, 0.4], [0.1, 0.0, 1.1]]),
    "weights": np.array([0.5, 0.3, 0.2]),
    "sigma": 0.3,
    "L": 6,
    "lam": 0.5,
    "scale": 0.5,
}
estimate = simulate(SIMULATOR, model, samples=200_000, seed=1)
round(risk_at(**model), 5), f"{estimate.mean:.4f} ± {estimate.standard_error:.4f}"

# %% [markdown]
# ## What the risk cannot see
#
# The heads enter through $A = \lambda \sum_h h h^\top$ alone, and $A$ is the same for heads that are rotated among
# themselves. Two heads at the centroids, and the same turned by 45 degrees in their plane: equal risk, no alignment.
# The regularizer $\rho\,\mathbb E\langle X, h_0\rangle^2\langle X, h_1\rangle^2$ tells them apart.

# %%
centroids = np.eye(2, 5)
turned = np.array([[1, 1], [-1, 1]]) / 2**0.5 @ centroids
setting = {"centroids": centroids, "sigma": 0.3, "L": 30, "lam": 0.6}
for name, heads in (("at the centroids", centroids), ("turned by 45°", turned)):
    plain, regularized = (risk_at(heads, **setting, regularizer=rho) for rho in (0.0, 0.1))
    print(f"{name:18} R = {plain:.6f}   R + 0.1 r = {regularized:.6f}")


# %% [markdown]
# Projected gradient descent on the exact risk, written in the overlaps of heads and centroids, from the same eight
# uniform starts, without and with the regularizer. *Alignment* is the smaller $|\cos|$ of the two heads, matched to the
# centroids:

# %%
start = draw_overlaps(DESCENT, 5, 8, np.random.default_rng(0))
for rho in (0.0, 0.1):
    values = {"L": 30, "d": 5, "S": 0.09, "lam": 0.6, "rho": rho}
    path = projected_gradient_descent(regularized_risk(), start, step=0.2, steps=1500, values=values, manifold=DESCENT)
    print(f"ρ = {rho}: alignment {', '.join(f'{x:.3f}' for x in smaller_alignment(path.final))}")

# %% [markdown]
# A small risk is not a good clustering. Identity weights, a layer that has learned nothing, reconstruct better than
# heads at the centroids, because they also keep a part of the noise off the plane:

# %%
round(risk_at(centroids, **setting), 4), round(quantization_risk_at(**setting), 4)

# %% [markdown]
# ## Data
#
# Tokens are now rows of a table, a prompt is $L = 30$ of them. Each table is scaled column by column, reduced to its
# first $K$ principal components *without* centering, and whitened: $\mathbb E XX^\top = I/K$. If the classes were
# tight and of one size, whitening would make their centroids orthonormal, which is the model's assumption. Nothing here
# uses the classes, but for their number $K = 3$.


# %%
def tokens_of(table, number):
    """Rows reduced to `number` principal components about the origin, whitened."""
    scaled = table / np.where(table.std(axis=0) > 0, table.std(axis=0), 1)
    _, _, axes = np.linalg.svd(scaled, full_matrices=False)
    reduced = scaled @ axes[:number].T
    return reduced / np.sqrt(number * np.mean(reduced**2, axis=0))


digits = load_digits()
first_digits = digits.target < 3
TABLES = {
    "wine": (load_wine().data, load_wine().target),
    "iris": (load_iris().data, load_iris().target),
    "digits 0-2": (digits.data[first_digits], digits.target[first_digits]),
}
DATA = {name: (tokens_of(table, 3), labels) for name, (table, labels) in TABLES.items()}


# %% [markdown]
# The heads are trained by stochastic gradient descent on unit spheres: each step sees 64 fresh prompts. The gradient is
# that of the loss of a prompt, $\nabla_H = 2\lambda H G$ with
# $G = -2c\,\mathrm{sym}(X^\top X\,(x - T)\,x^\top)$, and that of the regularizer for more than two heads,
# $\rho\sum_{h<h'}\langle x, h\rangle^2\langle x, h'\rangle^2$.


# %%
def unit(heads):
    """The heads divided by their norms."""
    return heads / np.linalg.norm(heads, axis=1, keepdims=True)


def alignment(heads, centers):
    """The mean of |cos| between heads and centers, matched one to one: signs and order do not count."""
    cosines = np.abs(unit(heads) @ unit(centers).T)
    rows, columns = linear_sum_assignment(-cosines)
    return cosines[rows, columns].mean()


def train(tokens, number, rho, seed, lam=0.6, L=30, prompts=64, steps=1000, step=0.2):
    """Heads after projected stochastic gradient descent on prompts drawn from a table."""
    rng = np.random.default_rng(seed)
    heads = unit(rng.standard_normal((number, tokens.shape[1])))
    for t in range(steps):
        X = tokens[rng.integers(len(tokens), size=(prompts, L))]
        x, moment = X[:, 0], np.einsum("nli,nlj->nij", X, X) * number / L
        error = x - np.einsum("nij,jk,nk->ni", moment, lam * heads.T @ heads, x)
        G = -2 * np.einsum("nij,nj,nk->ik", moment, error, x) / prompts
        slope = lam * heads @ (G + G.T)
        overlaps = x @ heads.T
        others = np.square(overlaps).sum(axis=1, keepdims=True) - np.square(overlaps)
        slope += rho * 2 * (overlaps * others).T @ x / prompts
        heads = unit(heads - step / (1 + t / 200) * slope)
    return heads


def assignment(tokens, heads):
    """The head that sees a token most."""
    return np.argmax(np.square(tokens @ heads.T), axis=1)


# %% [markdown]
# Alignment is now the mean $|\cos|$ with the directions of the class means; the adjusted Rand index compares the
# induced assignment with the classes (1 is perfect, 0 chance). Five seeds each, mean and range.

# %%
SEEDS = range(5)
print(f"{'data':11}{'method':22}{'alignment':>20}{'adjusted Rand index':>24}")
for name, (tokens, labels) in DATA.items():
    means = np.stack([tokens[labels == j].mean(axis=0) for j in range(3)])
    runs = {"heads, no regularizer": [], "heads, ρ = 2": [], "KMeans": [], "GaussianMixture": []}
    for seed in SEEDS:
        for method, rho in (("heads, no regularizer", 0.0), ("heads, ρ = 2", 2.0)):
            heads = train(tokens, 3, rho, seed)
            runs[method].append((alignment(heads, means), adjusted_rand_score(labels, assignment(tokens, heads))))
        k_means = KMeans(3, n_init=10, random_state=seed).fit(tokens)
        runs["KMeans"].append(
            (alignment(k_means.cluster_centers_, means), adjusted_rand_score(labels, k_means.labels_))
        )
        mixture = GaussianMixture(3, n_init=5, random_state=seed).fit(tokens)
        runs["GaussianMixture"].append(
            (alignment(mixture.means_, means), adjusted_rand_score(labels, mixture.predict(tokens)))
        )
    for method, scores in runs.items():
        shown = [f"{x.mean():.2f} [{x.min():.2f}, {x.max():.2f}]" for x in np.array(scores).T]
        print(f"{name:11}{method:22}{shown[0]:>20}{shown[1]:>24}")

# %% [markdown]
# As the theory has it: without regularizer the heads are some rotation of one another, different from seed to seed;
# with it every seed ends at the same directions.

# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 4))
for axis, (name, (tokens, labels)) in zip(axes, DATA.items(), strict=True):
    heads = train(tokens, 3, 2.0, seed=0)
    means = np.stack([tokens[labels == j].mean(axis=0) for j in range(3)])
    # the plane of the three class means, seen from its normal
    frame = np.linalg.svd(means - means.mean(axis=0))[2][:2]
    axis.scatter(*(tokens @ frame.T).T, c=labels, s=8, cmap="viridis", alpha=0.5)
    axis.plot(*(means @ frame.T).T, "k*", markersize=12, label="class means")
    signs = np.sign((heads @ means.T)[np.arange(3), np.argmax(np.abs(heads @ means.T), axis=1)])
    axis.plot(*((heads * signs[:, None]) @ frame.T).T, "r^", markersize=9, label="heads")
    axis.set_title(name)
axes[0].legend()
figure.tight_layout()
