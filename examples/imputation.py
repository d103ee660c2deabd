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
# # Imputation by attention
#
# A row $x \sim \mathcal N(0, \Sigma)$ with a mask $m$, $m_i = 1$ where $x_i$ is observed, $\mathbb P(m_i = 1) = \rho$.
# One layer of linear attention over the features, with an embedding of their index, fills in $\hat x = W (m \circ x)$.
# We derive its population risk, find the best $W$, see what is lost against the conditional expectation, and then
# fill in real data and set what the theory predicts beside what is measured.

# %%
import warnings
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401, makes the next import possible
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

from proofs_check import studies, verify
from proofs_check.studies.imputation import (
    AttentionImputer,
    bayes_risk_at,
    compare_imputers,
    derivation_on_missing_entries,
    minimizer,
    risk_at,
)

# %% [markdown]
# ## The risk on missing entries
#
# From the definition, by two rules: Isserlis for the row, the algebra of the mask ($m_i^2 = m_i$) for the rest.

# %%
derivation_on_missing_entries()

# %% [markdown]
# The diagonal of $W$ has dropped out of the loss on missing entries: $d$ flat directions. Off the diagonal the
# stationary point is $W = (I - \operatorname{Diag}(H)^{-1}H)/\rho$ with $H = (\rho\Sigma + (1-\rho)\operatorname{Diag}
# \Sigma)^{-1}$. That it is the minimum, and the only one, is a claim: the risk is completed to a square, and the square
# is compared with the mean over all masks, enumerated over the rationals without the engine.

# %%
STUDY = studies()["imputation"]
NAMES = ("minimum-on-missing-entries", "one-minimum-for-both-losses", "masked-entries-are-a-ridge")
verify(replace(STUDY, claims=tuple(STUDY[name] for name in NAMES)))

# %% [markdown]
# In numbers, for eight features of correlation $r$: the mean, the best linear layer and the conditional expectation.

# %%
for r in (0.05, 0.35, 0.9):
    S = (1 - r) * np.eye(8) + r
    W = minimizer(S, rho=0.55)
    missing = 8 * 0.45
    print(
        f"r = {r:4}:  mean 1,  linear {risk_at(W, S, rho=0.55) / missing:.5f},  "
        f"Bayes {bayes_risk_at(S, rho=0.55) / missing:.5f}  a missing entry"
    )

# %% [markdown]
# ## Real rows
#
# Entries of four data sets are hidden completely at random (`mcar`), given the first feature (`mar`), or by their own
# value (`mnar`); half of the rows are for fitting, the other half is imputed, then the other way round. Errors are
# squared, in units of the variance of the feature, with the standard error over three seeds. In brackets: what
# `AttentionImputer` predicts for itself from the incomplete training rows alone.

# %%
IMPUTERS = {
    "mean": SimpleImputer(),
    "neighbours": KNNImputer(),
    "iterative": IterativeImputer(random_state=0),
    "attention": AttentionImputer(),
    "bayes": AttentionImputer("bayes"),
}
SETTINGS = [("mcar", 0.1), ("mcar", 0.3), ("mcar", 0.5), ("mar", 0.3), ("mnar", 0.3)]
found = {}


def table(name, x):
    """Compare the imputers on one set of rows, and print a line a setting."""
    print(f"{name}, {x.shape[0]} x {x.shape[1]}".ljust(26) + "".join(method.rjust(18) for method in IMPUTERS))
    for scheme, rate in SETTINGS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of IterativeImputer, which stops after ten rounds
            results = compare_imputers(x, IMPUTERS, scheme=scheme, rate=rate, seeds=range(3))
        found[name, scheme, rate] = results
        cells = [
            f"{each.error:.2f}±{each.standard_error:.2f}" + (f" [{each.predicted:.2f}]" if each.predicted else "")
            for each in results
        ]
        print(f"  {scheme}, {rate:.0%} hidden".ljust(26) + "".join(cell.rjust(18) for cell in cells))


table("diabetes", load_diabetes().data)

# %%
table("wine", load_wine().data)

# %%
table("iris", load_iris().data)

# %%
table("breast cancer", load_breast_cancer().data)

# %% [markdown]
# ## Where the Gaussian theory misses
#
# The ratio of the measured error to the predicted one, for the linear layer. Completely at random, what it misses is
# the fit: half of the rows determine all covariances, and the prediction is for the rows they were fitted to (for
# wine, 89 rows and 13 features, most). Given another feature, the missing rows are not like the others. By its own
# value, the covariance itself is wrong, and no theory that does not know the law of the mask can tell.

# %%
for name in ("diabetes", "wine", "iris", "breast cancer"):
    ratios = []
    for scheme, rate in SETTINGS:
        (attention,) = (each for each in found[name, scheme, rate] if each.method == "attention")
        ratios.append(f"{scheme} {rate:.0%}: {attention.error / attention.predicted:.1f}")
    print(name.ljust(14), "   ".join(ratios))

# %%
figure, axes = plt.subplots(figsize=(5.2, 4.6))
for (scheme, marker), shade in zip({"mcar": "o", "mar": "s", "mnar": "^"}.items(), ("C0", "C1", "C3")):
    for method, fill in (("attention", shade), ("bayes", "none")):
        chosen = [
            each for (_, s, _), results in found.items() if s == scheme for each in results if each.method == method
        ]
        axes.errorbar(
            [each.predicted for each in chosen],
            [each.error for each in chosen],
            yerr=[2 * each.standard_error for each in chosen],
            fmt=marker,
            color=shade,
            markerfacecolor=fill,
            label=f"{scheme}, {method}",
        )
axes.plot([0.08, 2], [0.08, 2], color="0.6", zorder=0)
axes.set(xscale="log", yscale="log", xlabel="predicted error", ylabel="measured error, ± 2 standard errors")
axes.legend(fontsize=8)
figure.tight_layout()
