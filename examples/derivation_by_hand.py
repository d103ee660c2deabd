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
# # A derivation by hand
#
# A page of Gaussian calculus, typed as it stands in the notebook beside the keyboard, and checked line by line. The
# page is the gradient of the population risk of linear attention on a regression prompt: $n$ examples
# $x_i \sim \mathcal N(0, S)$ in the rows of $X$, a task $w \sim \mathcal N(0, \Omega)$, targets $y_i = \langle
# w, x_i\rangle$, a query $x$. The layer answers with one matrix $M$,
#
# $$\hat y = \Bigl\langle \frac1n \sum_i y_i x_i,\; M x \Bigr\rangle = \tfrac1n \langle X^\top X w, M x\rangle,
# \qquad R(M) = \tfrac12\, \mathbb E\,(\hat y - \langle w, x\rangle)^2 .$$
#
# One of the six steps below is wrong.

# %%
import sympy as sp

from proofs_check import Proof, matrix
from theory import GaussianMatrix, derive

# %% [markdown]
# ## The page
#
# What the names stand for is said once. `n`, `d`, `S` and `Omega` need no line: they are the sizes and the covariances
# of the others. `X'` is the transpose, `grad(f, M)` the gradient, `E[f]` the mean.

# %%
where = {
    "M": matrix("d", "d"),
    "X": "gaussian matrix(n, d), covariance S",
    "w": "gaussian vector(d), covariance Omega",
    "x": "gaussian vector(d), covariance S",
}
page = (
    Proof("gradient of the in-context risk", where)
    .start("grad(1/2 * E[(<X' X w, M x>/n - <w, x>)^2], M)")
    .step("grad(E[<X' X w, M x>^2]/(2 n^2) - E[<X' X w, M x> <w, x>]/n + E[<w, x>^2]/2, M)", "expand the square")
    .step("grad(E[<X' X w, M S M' X' X w>]/(2 n^2) - E[<X' X w, M S w>]/n + E[<w, S w>]/2, M)", "mean over the query")
    .step(
        "grad(E[tr(X' X Omega X' X M S M')]/(2 n^2) - E[tr(Omega X' X M S)]/n + tr(Omega S)/2, M)",
        "mean over the task",
    )
)
wrong = (
    page.step(
        "grad(tr((n^2 S Omega S + n tr(S Omega) S) M S M')/(2 n^2) - tr(Omega S M S) + tr(Omega S)/2, M)",
        "mean over the prompt",
    )
    .step("(S Omega S + tr(S Omega)/n * S) M S - S Omega S", "gradient of traces")
    .step("S ((Omega S + tr(S Omega)/n * identity(d)) M - Omega) S", "collect")
)
verdict = wrong.check(seconds=60)
verdict

# %% [markdown]
# Every step was compared with the line before, as formulas in $M$, $S$, $\Omega$ and $n$ of any size; the wrong one
# comes with small matrices at which the two lines differ, found by enumerating the mean and differencing the risk, with
# none of the rules that derive it, and with a script that computes both values again.

# %%
print(verdict)
print(verdict.steps[verdict.wrong_step - 1].witness.script)

# %% [markdown]
# Steps 5 and 6 are right in themselves, so the mistake was carried to the end: the first line and the last differ.
#
# ## The repair
#
# $\mathbb E[X^\top X\, \Omega\, X^\top X]$ holds $X$ four times, which gives three pairings, and the page has two: the
# one that crosses gives $n\, S \Omega S$ once more. A proof is never changed, so the right page branches off where
# the wrong one went astray. A cell that ends with a proof checks it.

# %%
right = (
    page.step(
        "grad(tr((n (n + 1) S Omega S + n tr(S Omega) S) M S M')/(2 n^2) - tr(Omega S M S) + tr(Omega S)/2, M)",
        "mean over the prompt",
    )
    .step("((n + 1)/n * S Omega S + tr(S Omega)/n * S) M S - S Omega S", "gradient of traces")
    .step("S (((n + 1)/n * Omega S + tr(S Omega)/n * identity(d)) M - Omega) S", "collect")
)
right

# %% [markdown]
# The last line names the minimizer, $M^\star = \bigl(\frac{n+1}{n} \Omega S + \frac{\operatorname{tr} S\Omega}{n}
# I\bigr)^{-1} \Omega$. With the wrong page it would have been that of an infinite prompt in its first term, and of a
# finite one in its second.
#
# ## For the paper
#
# The block needs amsmath and nothing else; what is wrong is marked in the margin.

# %%
print(verdict.latex())

# %% [markdown]
# It reads back, too, and so does a block from somebody else's paper. This one forgets a factor and finds it again two
# lines further down, so that its result is right:

# %%
block = r"""
\begin{align*}
  \nabla_k \left(\frac12 \mathbb{E}[\langle x, k\rangle^4]\right)
    &= \mathbb{E}[\langle x, k\rangle^3 x]                  && \text{under the mean} \\
    &= 3 \langle k, S k\rangle S k                          && \text{Stein} \\
    &= 6 \langle k, S k\rangle S k                          && \text{restoring the factor}
\end{align*}
"""
Proof.from_latex("quartic", block, {"x": "gaussian vector(d), covariance S", "k": "vector(d)"})

# %% [markdown]
# ## The engine's own pages
#
# `derive` writes its steps down; they are claims like any other.

# %%
n, d = sp.symbols("n d", integer=True, positive=True)
A, S = sp.MatrixSymbol("A", d, d), sp.MatrixSymbol("S", d, d)
X = GaussianMatrix("X", n, d, covariance=S)
Proof.from_derivation(derive(sp.Trace(X.T * X * A * X.T * X)), "two prompts")
