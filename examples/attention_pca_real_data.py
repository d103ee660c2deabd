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
# # Attention PCA on real data
#
# One layer of linear attention that reconstructs its query from a prompt is principal component analysis. For
# Gaussian tokens the study `attention-pca` derives all of it; here the tokens are rows of the data sets that
# scikit-learn brings along. Needs the extra `data`.
#
# Two things can be asked of the theory:
#
# * with infinitely many tokens the trained layer should be PCA *whatever the data are*: only Σ enters;
# * with a prompt of $n$ tokens each direction is shrunk, $\nu_i = s_i/\gamma_i$ with
#   $\gamma_i = (1 + 1/n)s_i + \operatorname{tr}\Sigma/n$. That formula uses that tokens are Gaussian.

# %%
from proofs_check.studies.attention_pca import DATA_SETS, data_card

cards = [data_card(name, rank=2, n=20, samples=20_000) for name in DATA_SETS]

# %% [markdown]
# **With infinitely many tokens.** The largest angle between the range of the trained layer (rank 2, trained from a
# random start) and the first two components of `sklearn.decomposition.PCA`, in degrees.

# %%
for card in cards:
    print(f"{card.name:14} {card.rows:5} rows  {card.features:3} features   angle {card.angle:.3f}")

# %% [markdown]
# **With a prompt of 20 rows.** The shrinkage of the leading direction: derived for Gaussian tokens; with the fourth
# moments of the data, $\nu_1 = s_1/((1 - 1/n)s_1 + K_1/n)$; and measured, from 20,000 prompts drawn row by row.
#
# The card of each data set has two numbers that are known for Gaussian tokens: the kurtosis of the leading projection
# (3), and the coupling $K_1/(\operatorname{tr}\Sigma + 2s_1)$ with
# $K_1 = \mathbb E\langle y, u_1\rangle^2\|y\|^2/s_1$ (1).

# %%
print(f"{'':14} kurtosis  coupling   derived  with moments  measured         derived is off by")
for card in cards:
    measured = f"{card.simulated.mean:.3f} ± {card.simulated.standard_error:.3f}"
    print(
        f"{card.name:14} {card.kurtosis:8.2f}  {card.coupling:8.2f}   {card.derived:7.3f}  {card.with_moments:12.3f}"
        f"  {measured}  {100 * card.error:+8.1f} %"
    )

# %% [markdown]
# The coupling says where the Gaussian formula is off and in which direction: above 1 the layer shrinks more than
# derived, below 1 less. The kurtosis alone does not: the leading projection of the digits looks Gaussian, but large
# images are large in all directions. With the fourth moments in the place of the Gaussian ones, the formula is
# within three standard errors of what is measured on every set:

# %%
print(all(abs(c.with_moments - c.simulated.mean) < 3 * c.simulated.standard_error for c in cards))

# %% [markdown]
# **Directions.** For Gaussian tokens a finite prompt shrinks and does not turn: the subspace is that of PCA for every
# $n$. For other tokens it turns as well. The angle, in degrees, of the layer trained on prompts of 20 rows:

# %%
for card in cards:
    print(f"{card.name:14} {card.angle_of_prompts:6.2f}")
