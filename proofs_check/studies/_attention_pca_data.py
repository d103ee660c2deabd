"""Attention PCA on the data sets that scikit-learn brings along, where tokens are not Gaussian.

Tokens are rows of a data matrix, centred and scaled to unit variance, drawn with replacement. For a prompt of n of
them and a fresh query, with P = WWᵀ and F = E yyᵀ‖y‖² over the rows y,

    R = ½[t − 2 tr PΣ² + tr PΣPΨ],   Ψ = E C² = (1 − 1/n)Σ² + F/n.                                    (1)

For Gaussian rows F = 2Σ² + tΣ. So non-Gaussian data change the theory through one matrix, and along an eigenvector u_i
the best length through one number,

    ν_i = s_i/((1 − 1/n)s_i + K_i/n),   K_i = E ⟨y, u_i⟩²‖y‖²/s_i      (Gaussian: K_i = t + 2s_i, ν_i = s_i/γ_i),

which the card shows as the coupling K_i/(t + 2s_i) beside the kurtosis E⟨y, u_i⟩⁴/s_i² (Gaussian: 1 and 3). At n = ∞
none of this matters: linear attention, trained, is PCA for every law.

Definitions: `DATA_SETS`, `rows_of`, `DataCard`, `data_card`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import subspace_angles
from scipy.optimize import minimize

from numerics import Estimate

from ._attention_pca_calls import stationary_points_at

__all__ = ["DATA_SETS", "DataCard", "data_card", "rows_of"]

DATA_SETS = ("wine", "iris", "digits", "breast_cancer", "diabetes")


def rows_of(name: str) -> np.ndarray:
    """A bundled data set as rows of features with mean zero and variance one; features that never vary are left out.

    Raises:
        ValueError: for an unknown name.
        ImportError: without scikit-learn; install the extra `data`.
    """
    if name not in DATA_SETS:
        raise ValueError(f"expected one of {', '.join(DATA_SETS)}, got name={name!r}")
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(
            "expected scikit-learn for the bundled data sets; pip install 'attention-theory[data]'"
        ) from error
    features = np.asarray(getattr(datasets, f"load_{name}")().data, dtype=float)
    spread = features.std(axis=0)
    features = features[:, spread > 0]
    return (features - features.mean(axis=0)) / spread[spread > 0]


@dataclass(frozen=True)
class DataCard:
    """How attention PCA does on one data set, and what the Gaussian theory says.

    Args:
        name: of the data set.
        rows, features: its shape.
        rank, n: columns of W, and tokens of a finite prompt.
        angle: largest angle, in degrees, between the range of the layer trained with infinitely many tokens and the
            leading principal components of scikit-learn.
        angle_of_prompts: the same for the layer trained on prompts of n rows.
        kurtosis: E⟨y, u₁⟩⁴/s₁² for the leading eigenvector; 3 for Gaussian rows.
        coupling: K₁/(t + 2s₁), how large tokens are where they lie along u₁; 1 for Gaussian rows.
        derived: ν₁ = s₁/γ₁, the shrinkage that is derived for Gaussian tokens.
        with_moments: ν₁ with the fourth moments of the data.
        simulated: ν₁ by simulation, prompts of n rows drawn from the data.
    """

    name: str
    rows: int
    features: int
    rank: int
    n: int
    angle: float
    angle_of_prompts: float
    kurtosis: float
    coupling: float
    derived: float
    with_moments: float
    simulated: Estimate

    @property
    def error(self) -> float:
        """The derived shrinkage over the simulated one, minus one."""
        return self.derived / self.simulated.mean - 1


def data_card(name: str, *, rank: int = 2, n: int = 20, samples: int = 20_000, seed: int = 0) -> DataCard:
    """Train the layer on a data set and measure where the Gaussian theory is off.

    Args:
        name: of `DATA_SETS`.
        rank: columns of W.
        n: tokens of a finite prompt.
        samples: prompts drawn for the simulated shrinkage.
        seed: of the starts of training and of the draws.
    """
    from sklearn.decomposition import PCA

    Y, rng = rows_of(name), np.random.default_rng(seed)
    components = PCA(n_components=rank).fit(Y).components_.T
    Sigma = Y.T @ Y / len(Y)
    fourth = (Y * np.square(Y).sum(axis=1, keepdims=True)).T @ Y / len(Y)
    with_prompts = (1 - 1 / n) * Sigma @ Sigma + fourth / n

    def angle(Psi: np.ndarray) -> float:
        return float(np.degrees(subspace_angles(trained_head(Sigma, Psi, rank, rng), components).max()))

    values, vectors = np.linalg.eigh(Sigma)
    s, u = float(values[-1]), vectors[:, -1]
    scores = Y @ u
    weight = float(np.mean(scores**2 * np.square(Y).sum(axis=1))) / s
    (derived,) = next(point.nu for point in stationary_points_at(Sigma, 1, n=n) if point.subset == (0,))
    return DataCard(
        name=name,
        rows=Y.shape[0],
        features=Y.shape[1],
        rank=rank,
        n=n,
        angle=angle(Sigma @ Sigma),
        angle_of_prompts=angle(with_prompts),
        kurtosis=float(np.mean(scores**4)) / s**2,
        coupling=weight / (float(np.trace(Sigma)) + 2 * s),
        derived=float(derived),
        with_moments=s / ((1 - 1 / n) * s + weight / n),
        simulated=simulated_shrinkage(Y, u, n, samples, rng),
    )


def trained_head(Sigma: np.ndarray, Psi: np.ndarray, rank: int, rng: np.random.Generator) -> np.ndarray:
    """A basis of the range of ΣW for the W of least risk (1): L-BFGS in Y = Σ^{1/2}W, from a random start.

    ∇_W R = −2Σ²W + (ΣPΨ + ΨPΣ)W,   ∇_Y R = Σ^{−1/2} ∇_W R
    """
    values, vectors = np.linalg.eigh(Sigma)
    seen = values > 10 * len(values) * np.finfo(float).eps * values[-1]
    unscaled = vectors[:, seen] / np.sqrt(values[seen])
    square, shape = Sigma @ Sigma, (int(seen.sum()), rank)

    def risk(y: np.ndarray) -> tuple[float, np.ndarray]:
        W = unscaled @ y.reshape(shape)
        P = W @ W.T
        spread = Sigma @ P @ Psi
        value = (np.trace(Sigma) - 2 * np.trace(P @ square) + np.trace(P @ spread)) / 2
        slope = -2 * square @ W + (spread + spread.T) @ W
        return float(value), (unscaled.T @ slope).ravel()

    start = rng.standard_normal(shape[0] * rank) / np.sqrt(shape[0])
    options = {"gtol": 1e-12, "ftol": 1e-16, "maxiter": 10_000, "maxfun": 20_000}
    found = minimize(risk, start, jac=True, method="L-BFGS-B", options=options)
    return Sigma @ unscaled @ found.x.reshape(shape)


def simulated_shrinkage(Y: np.ndarray, u: np.ndarray, n: int, samples: int, rng: np.random.Generator) -> Estimate:
    """The best ν along u for the literal layer: rows drawn with replacement, query and prompt alike.

        b = Σ ⟨x, out₁⟩/Σ ‖out₁‖²,  out₁ = (1/n) Σ_i ⟨u, x⟩⟨u, x_i⟩ x_i;   ν = b s

    The standard error of the quotient is that of its linearization.
    """

    def draw(count: int) -> np.ndarray:
        return Y[rng.integers(len(Y), size=(count, n + 1))]

    top, bottom = [], []
    for start in range(0, samples, 500):
        tokens = draw(min(500, samples - start))
        x, prompt = tokens[:, 0], tokens[:, 1:]
        out = np.einsum("c,cl,cld->cd", x @ u, prompt @ u, prompt) / n
        top.append(np.einsum("cd,cd->c", x, out))
        bottom.append(np.square(out).sum(axis=1))
    gain, power = np.concatenate(top), np.concatenate(bottom)
    s = float(np.mean((Y @ u) ** 2))
    quotient = float(gain.sum() / power.sum())
    scatter = s * (gain - quotient * power) / power.mean()
    return Estimate(s * quotient, float(scatter.std(ddof=1) / np.sqrt(len(gain))), len(gain))
