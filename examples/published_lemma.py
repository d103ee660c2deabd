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
# # A published lemma
#
# The expectations behind in-context linear regression, as a paper states them, written into a file and checked. The
# paper is Zhang, Frei and Bartlett (2023), where a layer of linear attention learns $M^\star = \Gamma^{-1}$ with
# $\Gamma = (1 + \frac1n)\Lambda + \frac{\operatorname{tr}\Lambda}{n} I$. The file is a list of names and of claims:

# %%
from pathlib import Path

from proofs_check import Proof, read_claims, verify

file = Path("published_lemma.claims.toml")
print(*file.read_text().split("[[claim]]")[:3], sep="[[claim]]")

# %% [markdown]
# A formula is text, such as `E[x x' A x x']`, or LaTeX in single quotes. Every name is declared; what is not in the
# grammar is refused with the place, and nothing in the file is ever run.
#
# ## The verdicts
#
# One claim is expected to be refuted: the lemma on the fourth moment as it is often quoted, for any matrix.

# %%
study = read_claims(file)
report = verify(study)
print("\n".join(f"{line.standing:8} {line.verdict.outcome.value:6} {line.claim.sentence}" for line in report.lines))

# %%
refuted = next(line for line in report.lines if line.verdict.fails)
print(refuted.verdict)

# %% [markdown]
# The witness is a $2 \times 2$ example with both values, small enough for a margin note; and the verdict says for which
# matrices the statement is true. In the case at hand $A$ is a product of key and query matrices, and it is not
# symmetric.
#
# ## What stands behind a verdict
#
# Each claim climbs a ladder of checks: both sides evaluated entry by entry at random rational matrices, with the mean
# enumerated and the gradient differenced; exact normal forms, for all sizes at once; balls; a search.

# %%
for line in report.lines:
    print(f"{line.verdict.evidence.value:10} {line.verdict.scope:48} {line.claim.name}")

# %% [markdown]
# ## A chain of claims is a proof
#
# The risk at the minimizer $M^\star = \Gamma^{-1}$ is the second line of the theorem's proof. Names are declared by the
# words of the file, and every step is checked on its own.

# %%
where = {"Lambda": "symmetric matrix(d)", "n": "positive integer"}
gamma = "((n + 1)/n * Lambda + tr(Lambda)/n * identity(d))"
(
    Proof("risk of the minimizer", where)
    .start(f"tr(Lambda)/2 - tr(inv({gamma}) Lambda Lambda) + tr(inv({gamma}) Lambda {gamma} inv({gamma}) Lambda)/2")
    .step(f"tr(Lambda)/2 - tr(inv({gamma}) Lambda Lambda) + tr(inv({gamma}) Lambda Lambda)/2", "Gamma cancels")
    .step(f"tr(Lambda)/2 - tr(Lambda inv({gamma}) Lambda)/2", "the trace is cyclic")
)

# %% [markdown]
# ## LaTeX
#
# Every statement prints as LaTeX that compiles with amsmath and reads back as the same formula; `proofs-check latex`
# writes a document, `proofs-check check published_lemma.claims.toml` the table from a shell.

# %%
for name in ("second-moment-of-the-sample-covariance", "gradient-of-the-risk"):
    print(study[name].statement.latex(), end="\n\n")
