"""Laws and layers as a user writes them, each in about ten lines, against their raw simulation.

No model here stands in a study. Each goes through `population_risk`, the gradient, claims and LaTeX as it is,
and is held against a simulator that draws its definition in full dimension and shares nothing with the
derivation. What is wrong by 10 % must be refuted; what the rules cannot do must be refused by name.

False alarms: for a fresh seed, a true formula fails `test_agrees_with_its_simulation` with probability at most
ALPHA, so the whole file does so with at most len(OWN)·ALPHA < 1e-6. The seed is fixed, the outcome always the
same. The variance bound is the mean of the squared loss, derived by the same rules and tested on the same draws.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from scipy.special import erf, ndtr

from numerics import Simulator, simulate, value
from proofs_check import Claim, PropertyBasedAgreement, Study, verify
from proofs_check.check import Context
from proofs_check.strategies import covariances, draw_examples, models, reals, unit_vectors, vectors
from theory import (
    Agreement,
    Domain,
    E,
    GaussianIntegral,
    GaussianMatrix,
    GaussianVector,
    Latent,
    Law,
    Layer,
    NoClosedForm,
    NormalCDF,
    PointwiseAttention,
    Risk,
    TokenGroup,
    Tokens,
    derive,
    dot,
    gaussians,
    matrix_gradient,
    population_risk,
    reduces_to_zero,
    squared_error,
    token_index,
)
from theory.latex import document
from theory.notation import L, d, epsilon, gamma, lam, m, sigma

ALPHA = 1e-8
SEED = 20261123

k, v, w = (sp.MatrixSymbol(name, d, 1) for name in ("k", "v", "w"))
k_star, v_star, w_star = (sp.MatrixSymbol(name, d, 1) for name in ("k_star", "v_star", "w_star"))
S, A = sp.MatrixSymbol("S", d, d), sp.MatrixSymbol("A", d, d)
J, K = Latent("J", L), Latent("K", L)
b = sp.Symbol("b", real=True)
(xi,) = gaussians("xi")
l, i, j = token_index(), token_index("i"), token_index("j")


@dataclass(frozen=True)
class Own:
    """A model of a user's own: law, layer, loss, the literal simulator, and where its numbers come from."""

    law: Law
    layer: Layer
    simulator: Simulator
    models: SearchStrategy[dict[str, Any]]
    loss: Callable[[sp.Expr, sp.Expr], sp.Expr] = squared_error
    samples: int = 20_000
    parameters: tuple[sp.Symbol, ...] | None = None
    bound: Callable[[], Risk] | None = None

    @cached_property
    def risk(self) -> Risk:
        return population_risk(self.law, self.layer, self.loss, parameters=self.parameters)

    @cached_property
    def second_moment(self) -> Risk:
        """E loss², the variance bound, or an upper bound of it."""
        if self.bound is not None:
            return self.bound()
        return population_risk(self.law, self.layer, lambda y, t: self.loss(y, t) ** 2)

    def claim(self) -> Claim:
        check = PropertyBasedAgreement(
            self.models, examples=12, samples=self.samples, resolution=0.2, second_moment=self.second_moment
        )
        return Claim(
            "risk-of-the-model",
            "The derived risk is the mean loss of the simulation.",
            lambda: Agreement(self.risk.expr),
            Domain({}),
            "derived here",
            (check,),
        )

    def verdict(self, claim: Claim) -> Any:
        (check,) = claim.checks
        return check.run(claim, Context(np.random.default_rng(SEED), self.simulator, ALPHA, 240.0, SEED))


OWN: dict[str, Own] = {}


# --- a shared piece: the sum over tokens as a layer, and numbers for the usual letters --------


@dataclass(frozen=True)
class TokenLayer(Layer):
    """T(X) as a function of the prompt."""

    function: Callable[[Any], sp.Expr]

    def predict(self, tokens: Any) -> sp.Expr:
        return self.function(tokens)


def summed(body: sp.Expr, *indices: sp.Symbol) -> sp.Expr:
    """Σ over all tokens, once for each index."""
    return sp.Sum(body, *((index, 0, L - 1) for index in indices or (l,)))


RANGES = {
    "m": ("0.2", 2),
    "gamma": ("0.3", "1.2"),
    "sigma": ("0.3", "1.2"),
    "epsilon": (0, 1),
    "lam": ("0.2", 1),
}


def numbers(*scalars: str, vectors_of: str = "k v k_star v_star", L: tuple[int, ...] = (2, 5), **more: Any) -> Any:
    """A strategy of keyword values: vectors in two to four dimensions, and constants of order one."""
    names = vectors_of.split()
    units = {name: lambda d: unit_vectors(d) for name in names if name.endswith("star")}
    others = {name: lambda d: vectors(d, norms=("1/2", "3/2")) for name in names if name not in units}
    constants = {name: reals(*RANGES[name]) for name in scalars}
    length = {"L": st.integers(*L)} if L else {}
    return models(d=st.integers(2, 4), **units, **others, **length, **constants, **more, without=("d",))


# --- one informative token, its teacher directions at any angle -------------------------------


@dataclass(frozen=True)
class OneToken(Law):
    """A token around m k* at a uniform location, which alone carries the target; the others are noise."""

    label: Callable[[Any], sp.Expr] = lambda token: dot(token, v_star) + epsilon * xi

    def tokens(self) -> Tokens:
        informative = TokenGroup(1, m * k_star, gamma**2, at=J)
        return Tokens("X", d, [informative, TokenGroup(L - 1, covariance=sigma**2)])

    def target(self) -> sp.Expr:
        return self.label(self.tokens()[J, :])


def draw_one_token(rng, n, *, k_star, v_star, L, m, gamma, sigma, epsilon):
    X = sigma * rng.normal(size=(n, L, len(k_star)))
    place = np.arange(n), rng.integers(L, size=n)
    X[place] = m * k_star + gamma * rng.normal(size=(n, len(k_star)))
    return X, X[place] @ v_star + epsilon * rng.normal(size=n)


def attention(score: Callable[[np.ndarray], np.ndarray]) -> Callable[..., np.ndarray]:
    """Σ_ℓ φ(λ⟨X_ℓ, k⟩) ⟨X_ℓ, v⟩ in numpy."""
    return lambda X, *, k, v, lam: np.sum(score(lam * (X @ k)) * (X @ v), axis=1)


ONE_TOKEN = numbers("m", "gamma", "sigma", "epsilon", "lam")

OWN["oblique teacher, probit score"] = Own(
    OneToken(),
    PointwiseAttention(k, v, lam, NormalCDF),
    Simulator(draw_one_token, attention(ndtr)),
    ONE_TOKEN,
)
OWN["cubic score"] = Own(
    OneToken(),
    PointwiseAttention(k, v, lam, lambda a: a**3),
    Simulator(draw_one_token, attention(lambda a: a**3)),
    numbers("m", "gamma", "sigma", "epsilon", lam=reals("0.2", "0.6")),
    samples=100_000,
)
OWN["relu score"] = Own(
    OneToken(),
    PointwiseAttention(k, v, lam, lambda a: sp.Max(0, a)),
    Simulator(draw_one_token, attention(lambda a: np.maximum(0, a))),
    ONE_TOKEN,
    samples=50_000,
)
OWN["sign score"] = Own(
    OneToken(),
    PointwiseAttention(k, v, lam, sp.sign),
    Simulator(draw_one_token, attention(np.sign)),
    ONE_TOKEN,
)
OWN["exponential score"] = Own(
    OneToken(),
    PointwiseAttention(k, v, lam, sp.exp),
    Simulator(draw_one_token, attention(np.exp)),
    numbers("m", "gamma", "sigma", "epsilon", lam=reals("0.1", "0.3")),
    samples=50_000,
)
OWN["mean pooling"] = Own(
    OneToken(),
    TokenLayer(lambda X: summed(dot(X[l, :], v)) / L),
    Simulator(draw_one_token, lambda X, *, v: (X @ v).mean(axis=1)),
    numbers("m", "gamma", "sigma", "epsilon", vectors_of="v k_star v_star"),
)
OWN["double sum over tokens"] = Own(
    OneToken(),
    TokenLayer(lambda X: summed(sp.erf(lam * dot(X[i, :], k)) * dot(X[j, :], v), i, j) / L),
    Simulator(
        draw_one_token,
        lambda X, *, k, v, lam: np.einsum("ni,nj->n", erf(lam * (X @ k)), X @ v) / X.shape[1],
    ),
    ONE_TOKEN,
    samples=100_000,
    # |T| ≤ |Σ⟨X_ℓ, v⟩| and (y − t)⁴ ≤ 8(y⁴ + t⁴): the fourth power of a double sum has eight indices.
    bound=lambda: population_risk(
        OneToken(), TokenLayer(lambda X: summed(dot(X[l, :], v))), lambda y, t: 8 * (y**4 + t**4)
    ),
)
OWN["two heads"] = Own(
    OneToken(),
    TokenLayer(lambda X: summed(sp.erf(dot(X[l, :], k)) * dot(X[l, :], v) + dot(X[l, :], w) ** 2)),
    Simulator(draw_one_token, lambda X, *, k, v, w: np.sum(erf(X @ k) * (X @ v) + (X @ w) ** 2, axis=1)),
    numbers("m", "gamma", "sigma", "epsilon", vectors_of="k v w k_star v_star"),
    samples=50_000,
)


def draw_class(rng, n, *, k_star, v_star, L, m, gamma, sigma):
    X = sigma * rng.normal(size=(n, L, len(k_star)))
    place = np.arange(n), rng.integers(L, size=n)
    X[place] = m * k_star + gamma * rng.normal(size=(n, len(k_star)))
    return X, np.sign(X[place] @ v_star)


def is_oblique(model):
    """k and v* are not parallel: the bound divides by the determinant of their Gram matrix."""
    return abs(model["k"] @ model["v_star"]) < 0.9 * np.linalg.norm(model["k"])


OWN["class labels"] = Own(
    OneToken(lambda token: sp.sign(dot(token, v_star))),
    PointwiseAttention(k, v, lam),
    Simulator(draw_class, attention(erf)),
    numbers("m", "gamma", "sigma", "lam").filter(is_oblique),
)


def draw_norm(rng, n, *, k_star, v_star, L, m, gamma, sigma):
    X = sigma * rng.normal(size=(n, L, len(k_star)))
    place = np.arange(n), rng.integers(L, size=n)
    X[place] = m * k_star + gamma * rng.normal(size=(n, len(k_star)))
    return X, np.sum(X[place] ** 2, axis=1) + X[place] @ v_star


OWN["squared norm in the target"] = Own(
    OneToken(lambda token: dot(token, token) + dot(token, v_star)),
    PointwiseAttention(k, v, lam),
    Simulator(draw_norm, attention(erf)),
    numbers("m", "gamma", "sigma", "lam"),
    samples=50_000,
)


# --- several groups of tokens -----------------------------------------------------------------


class TwoInformativeTokens(Law):
    """X_J around m k*, X_K around −w*, at two different places; the target is the difference of values."""

    def tokens(self) -> Tokens:
        first = TokenGroup(1, m * k_star, gamma**2, at=J)
        second = TokenGroup(1, -w_star, gamma**2, at=K)
        return Tokens("X", d, [first, second, TokenGroup(L - 2, covariance=sigma**2)])

    def target(self) -> sp.Expr:
        return dot(self.tokens()[J, :] - self.tokens()[K, :], v_star)


def draw_two_tokens(rng, n, *, k_star, v_star, w_star, L, m, gamma, sigma):
    X = sigma * rng.normal(size=(n, L, len(k_star)))
    order = rng.permuted(np.tile(np.arange(L), (n, 1)), axis=1)
    first, second = (np.arange(n), order[:, 0]), (np.arange(n), order[:, 1])
    X[first] = m * k_star + gamma * rng.normal(size=(n, len(k_star)))
    X[second] = -w_star + gamma * rng.normal(size=(n, len(k_star)))
    return X, (X[first] - X[second]) @ v_star


OWN["two informative tokens"] = Own(
    TwoInformativeTokens(),
    PointwiseAttention(k, v, lam),
    Simulator(draw_two_tokens, attention(erf)),
    numbers("m", "gamma", "sigma", "lam", vectors_of="k v k_star v_star w_star"),
)

L_1 = sp.Symbol("L_1", integer=True, positive=True)


class ThreeGroups(Law):
    """The informative token, L₁ tokens of variance σ², and the rest of variance ε² around b w*."""

    def tokens(self) -> Tokens:
        informative = TokenGroup(1, m * k_star, gamma**2, at=J)
        second, third = TokenGroup(L_1, covariance=sigma**2), TokenGroup(L - 1 - L_1, b * w_star, epsilon**2)
        return Tokens("X", d, [informative, second, third])

    def target(self) -> sp.Expr:
        return dot(self.tokens()[J, :], v_star)


def draw_three_groups(rng, n, *, k_star, v_star, w_star, L, L_1, m, b, gamma, sigma, epsilon):
    noise = rng.normal(size=(n, L, len(k_star)))
    first, second, third = noise[:, :1], noise[:, 1 : 1 + L_1], noise[:, 1 + L_1 :]
    X = np.concatenate([m * k_star + gamma * first, sigma * second, b * w_star + epsilon * third], axis=1)
    return X, X[:, 0] @ v_star


OWN["three groups of tokens"] = Own(
    ThreeGroups(),
    PointwiseAttention(k, v, lam),
    Simulator(draw_three_groups, attention(erf)),
    numbers(*RANGES, vectors_of="k v k_star v_star w_star", L=(3, 6), b=reals(-1, 1), L_1=st.integers(1, 2)),
)


# --- correlated coordinates, explicit vectors -------------------------------------------------


def as_array(matrix: sp.MatrixBase) -> np.ndarray:
    return np.array(matrix, dtype=float)


class Correlated(Law):
    """Tokens N(m k*, S); the first one carries the target."""

    def tokens(self) -> GaussianMatrix:
        return GaussianMatrix("X", L, d, mean=m * k_star, covariance=S)

    def target(self) -> sp.Expr:
        return dot(self.tokens()[0, :], v_star) + epsilon * xi


def draw_correlated(rng, n, *, k_star, v_star, L, S, m, epsilon):
    X = rng.multivariate_normal(m * k_star, S, size=(n, L))
    return X, X[:, 0] @ v_star + epsilon * rng.normal(size=n)


OWN["correlated coordinates"] = Own(
    Correlated(),
    PointwiseAttention(k, v, lam),
    Simulator(draw_correlated, attention(erf)),
    numbers("m", "epsilon", "lam", S=lambda d: covariances(d).map(as_array)),
)


class InThePlane(Law):
    """Everything explicit: d = 2, L = 3, k* = (1, 0), v* = (3/5, 4/5), a covariance with numbers in it."""

    def tokens(self) -> Tokens:
        informative = TokenGroup(1, [2, 0], [[1, sp.Rational(1, 2)], [sp.Rational(1, 2), 2]], at=0)
        return Tokens("X", 2, [informative, TokenGroup(2)])

    def target(self) -> sp.Expr:
        return dot(self.tokens()[0, :], [sp.Rational(3, 5), sp.Rational(4, 5)])


k_1, k_2, v_1, v_2 = sp.symbols("k_1 k_2 v_1 v_2", real=True)


def draw_in_the_plane(rng, n):
    X = rng.normal(size=(n, 3, 2))
    X[:, 0] = rng.multivariate_normal([2, 0], [[1, 0.5], [0.5, 2]], size=n)
    return X, X[:, 0] @ np.array([0.6, 0.8])


OWN["explicit vectors and covariance"] = Own(
    InThePlane(),
    PointwiseAttention(sp.Matrix([k_1, k_2]), sp.Matrix([v_1, v_2]), sp.Integer(1)),
    Simulator(
        draw_in_the_plane,
        lambda X, *, k_1, k_2, v_1, v_2: np.sum(erf(X @ [k_1, k_2]) * (X @ [v_1, v_2]), axis=1),
    ),
    models(k_1=reals("0.1", 1), k_2=reals(-1, 1), v_1=reals(-1, 1), v_2=reals("0.1", 1)),
    parameters=(k_1, k_2, v_1, v_2),
)


# --- a query token, a single vector, another loss ---------------------------------------------


class FirstToken(Law):
    def tokens(self) -> GaussianMatrix:
        return GaussianMatrix("X", L, d)

    def target(self) -> sp.Expr:
        return dot(self.tokens()[0, :], v_star)


def draw_first_token(rng, n, *, v_star, L):
    X = rng.normal(size=(n, L, len(v_star)))
    return X, X[:, 0] @ v_star


OWN["a query token"] = Own(
    FirstToken(),
    TokenLayer(lambda X: summed(dot(X[l, :], A * X[0, :].T) * dot(X[l, :], v)) / L),
    Simulator(
        draw_first_token,
        lambda X, *, A, v: np.einsum("nld,nd,nl->n", X, X[:, 0] @ A.T, X @ v) / X.shape[1],
    ),
    numbers(vectors_of="v v_star", L=(1, 5), A=lambda d: covariances(d).map(as_array).map(np.tril)),
    samples=400_000,
)
OWN["a query token under erf"] = Own(
    FirstToken(),
    TokenLayer(lambda X: sp.erf(dot(X[0, :], k)) * summed(sp.erf(dot(X[l, :], k)) * dot(X[l, :], v)) + dot(X[0, :], w)),
    Simulator(
        draw_first_token,
        lambda X, *, k, v, w: erf(X[:, 0] @ k) * np.sum(erf(X @ k) * (X @ v), axis=1) + X[:, 0] @ w,
    ),
    numbers(vectors_of="k v w v_star", L=(1, 5)),
)


class SomeToken(Law):
    """I.i.d. tokens, the target on a token at a uniform location, which may be the query's."""

    def tokens(self) -> GaussianMatrix:
        return GaussianMatrix("X", L, d)

    def target(self) -> sp.Expr:
        return dot(self.tokens()[J, :], v_star)


def draw_some_token(rng, n, *, v_star, L):
    X = rng.normal(size=(n, L, len(v_star)))
    return X, X[np.arange(n), rng.integers(L, size=n)] @ v_star


OWN["a location that may be the query's"] = Own(
    SomeToken(),
    TokenLayer(lambda X: summed(sp.erf(dot(X[l, :], k)) * dot(X[l, :], v)) + dot(X[0, :], w)),
    Simulator(draw_some_token, lambda X, *, k, v, w: np.sum(erf(X @ k) * (X @ v), axis=1) + X[:, 0] @ w),
    numbers(vectors_of="k v w v_star", L=(1, 4)),
)


@dataclass(frozen=True)
class OneVector(Law):
    """A vector x ~ N(0, S) and a noisy function of ⟨x, v*⟩."""

    function: Callable[[sp.Expr], sp.Expr]

    def tokens(self) -> GaussianVector:
        return GaussianVector("x", d, covariance=S)

    def target(self) -> sp.Expr:
        return self.function(dot(self.tokens(), v_star)) + epsilon * xi


def draw_one_vector(rng, n, *, v_star, S, epsilon):
    x = rng.multivariate_normal(np.zeros(len(v_star)), S, size=n)
    return x, erf(x @ v_star) + epsilon * rng.normal(size=n)


SPREAD = numbers("epsilon", vectors_of="v v_star", L=(), S=lambda d: covariances(d).map(as_array))

OWN["a perceptron"] = Own(
    OneVector(sp.erf),
    TokenLayer(lambda x: sp.erf(dot(x, v))),
    Simulator(draw_one_vector, lambda x, *, v: erf(x @ v)),
    SPREAD,
)


def draw_linear(rng, n, *, v_star, S, epsilon):
    x = rng.multivariate_normal(np.zeros(len(v_star)), S, size=n)
    return x, x @ v_star + epsilon * rng.normal(size=n)


OWN["absolute error"] = Own(
    OneVector(lambda s: s),
    TokenLayer(lambda x: dot(x, v)),
    Simulator(draw_linear, lambda x, *, v: x @ v, loss=lambda y, t: np.abs(y - t)),
    SPREAD,
    loss=lambda y, t: sp.Abs(y - t),
)


# --- a score without closed moments -----------------------------------------------------------


class LoneToken(Law):
    """A prompt of one token."""

    def tokens(self) -> GaussianMatrix:
        return GaussianMatrix("X", 1, d, mean=m * k_star, covariance=gamma**2)

    def target(self) -> sp.Expr:
        return dot(self.tokens()[0, :], v_star) + epsilon * xi


def draw_lone_token(rng, n, *, k_star, v_star, m, gamma, epsilon):
    X = m * k_star + gamma * rng.normal(size=(n, 1, len(k_star)))
    return X, X[:, 0] @ v_star + epsilon * rng.normal(size=n)


OWN["tanh score of one token"] = Own(
    LoneToken(),
    TokenLayer(lambda X: sp.tanh(lam * dot(X[0, :], k)) * dot(X[0, :], v)),
    Simulator(draw_lone_token, attention(np.tanh)),
    numbers("m", "gamma", "epsilon", "lam", L=()),
)
OWN["sigmoid score of one token"] = Own(
    LoneToken(),
    TokenLayer(lambda X: dot(X[0, :], v) / (1 + sp.exp(-lam * dot(X[0, :], k)))),
    Simulator(draw_lone_token, attention(lambda a: 1 / (1 + np.exp(-a)))),
    numbers("m", "gamma", "epsilon", "lam", L=()),
)
OWN["tanh score"] = Own(
    OneToken(),
    PointwiseAttention(k, v, lam, sp.tanh),
    Simulator(draw_one_token, attention(np.tanh)),
    ONE_TOKEN,
)


# --- what every model must do -----------------------------------------------------------------

every_model = pytest.mark.parametrize("own", [pytest.param(own, id=name) for name, own in OWN.items()])


def at(formula: Any, model: Mapping[str, Any]) -> float:
    """The formula at those values of the model that it mentions."""
    names = {str(symbol) for symbol in getattr(formula, "expr", formula).free_symbols}
    return float(value(formula, {name: x for name, x in model.items() if name in names}))


@every_model
def test_agrees_with_its_simulation(own: Own) -> None:
    verdict = own.verdict(own.claim())
    assert verdict.holds, verdict


@every_model
def test_a_tenth_more_is_refuted(own: Own) -> None:
    verdict = own.verdict(own.claim().perturbed(0.1))
    assert verdict.fails, verdict
    assert verdict.witness is not None


@every_model
def test_simulate_draws_it_as_it_is(own: Own) -> None:
    model = draw_examples(own.models, 2, SEED)[-1]
    estimate = simulate(own.simulator, model, samples=4096, seed=SEED)
    # Chebyshev: a deviation of 10 standard errors has probability at most 1/100, whatever the law.
    assert abs(estimate.mean - at(own.risk, model)) < 10 * (at(own.second_moment, model) / 4096) ** 0.5


@every_model
def test_gradient_is_the_slope_of_the_risk(own: Own) -> None:
    model = draw_examples(own.models, 2, SEED)[-1]
    h = 1e-5  # a central difference is off by h² times a third derivative, and by 1e-16/h
    if own.parameters:
        slopes = {p: (model[p.name], slope) for p, slope in own.risk.gradient().items()}
        for p, (x, slope) in slopes.items():
            there, back = ({**model, p.name: x + s * h} for s in (1, -1))
            difference = (at(own.risk, there) - at(own.risk, back)) / (2 * h)
            assert at(slope, model) == pytest.approx(difference, rel=1e-6, abs=1e-6)
        return
    direction = sp.MatrixSymbol("u", d, 1)
    for vector in {k, v} & own.risk.expr.free_symbols:
        x = model[vector.name]
        u = np.linspace(-1, 2, len(x))
        there, back = ({**model, vector.name: x + s * h * u} for s in (1, -1))
        difference = (at(own.risk, there) - at(own.risk, back)) / (2 * h)
        along = dot(matrix_gradient(own.risk.expr, vector), direction)
        assert at(along, {**model, "u": u}) == pytest.approx(difference, rel=1e-6, abs=1e-6)


@every_model
def test_prints_as_latex(own: Own) -> None:
    slopes = [(f"Its slope {n}.", slope) for n, slope in enumerate(own.risk.gradient().values())]
    text = document([("A model", [("The risk.", own.risk), *slopes])])
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert not any(name in text for name in ("dot(", "Sum(", "GaussianIntegral", "OwenT", "_star"))


@pytest.mark.pdflatex
def test_all_of_them_compile(tmp_path: Path) -> None:
    text = document([(name, [("The risk.", own.risk)]) for name, own in OWN.items()], "Models of my own")
    (tmp_path / "own.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-no-shell-escape", "-interaction=batchmode", "own.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    assert run.returncode == 0, (tmp_path / "own.log").read_text(encoding="latin-1")[-2000:]


def test_a_study_of_ones_own_is_verified_like_any_other() -> None:
    own = OWN["mean pooling"]
    true = own.claim()
    study = Study("mine", "A model of my own", "this test", (true, true.perturbed(0.1)), own.simulator)
    report = verify(study, seed=SEED, workers=1)
    assert report.exit_code == 0
    assert [line.verdict.outcome.value for line in report] == ["holds", "fails"]


def test_derivation_of_ones_own_model_ends_in_its_risk() -> None:
    own = OWN["mean pooling"]
    loss = squared_error(own.law.target(), own.layer.predict(own.law.tokens()))
    assert reduces_to_zero(derive(loss).result - own.risk.expr)


def test_a_score_without_closed_moments_is_an_integral_over_one_variable() -> None:
    for name in ("tanh score", "tanh score of one token", "sigmoid score of one token"):
        assert {node.dimension for node in OWN[name].risk.expr.atoms(GaussianIntegral)} == {1}


# --- what is refused, and how -----------------------------------------------------------------

SOFTMAX = TokenLayer(lambda X: summed(sp.exp(dot(X[l, :], k)) * dot(X[l, :], v)) / summed(sp.exp(dot(X[l, :], k))))
ERF_OF_TWO_TOKENS = TokenLayer(lambda X: summed(sp.erf(dot(X[i, :], A * X[j, :].T)) * dot(X[j, :], v), i, j))


PART_OF_THE_PROMPT = TokenLayer(lambda X: sp.Sum(dot(X[l, :], v), (l, 1, L - 1)))
POSITIONS = TokenLayer(lambda X: summed(l * dot(X[l, :], v)))
LOCATION_AS_A_NUMBER = TokenLayer(lambda X: J * dot(X[J, :], v))
TOKEN_OF_NO_GROUP = TokenLayer(lambda X: dot(X[0, :], v))


def test_a_numbered_token_is_of_any_group() -> None:
    """X₀ is the informative token with probability 1/L: the risk of ⟨X₀, v⟩ by total expectation over where J is."""
    derived = population_risk(OneToken(), TOKEN_OF_NO_GROUP).expr
    signal, noise = m**2 * dot(k_star, v_star) ** 2, gamma**2 * dot(v_star, v_star) + epsilon**2
    here = (m * dot(k_star, v_star) - m * dot(k_star, v)) ** 2 + gamma**2 * dot(v_star - v, v_star - v) + epsilon**2
    elsewhere = signal + noise + sigma**2 * dot(v, v)
    assert sp.expand(derived - here / L - (L - 1) * elsewhere / L) == 0


NORMS = TokenLayer(lambda X: summed(sp.sqrt(dot(X[l, :], X[l, :]))))


@pytest.mark.parametrize(
    ("law", "layer", "loss", "named"),
    [
        (OneToken(), PointwiseAttention(k, v, lam), lambda y, t: sp.Abs(y - t), "Abs of"),
        (OneToken(), SOFTMAX, squared_error, "sum over tokens"),
        (FirstToken(), ERF_OF_TWO_TOKENS, squared_error, "quadratic form"),
        (OneToken(), NORMS, squared_error, "quadratic form"),
        (OneToken(), PART_OF_THE_PROMPT, squared_error, "all tokens of X"),
        (OneToken(), POSITIONS, squared_error, "depends on its position"),
        (OneToken(), LOCATION_AS_A_NUMBER, squared_error, "the location J"),
    ],
    ids=["absolute-error", "softmax", "two-tokens", "norms", "part", "positions", "location"],
)
def test_what_has_no_rule_is_refused_by_name(law: Law, layer: Layer, loss: Any, named: str) -> None:
    with pytest.raises(NoClosedForm, match=named):
        population_risk(law, layer, loss)


X = GaussianMatrix("X", L, d)


OTHERS = {"first token": sp.Integer(0), "second location": K, "symbol": sp.Symbol("n", integer=True)}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_locations_that_may_coincide_are_not_taken_as_different(other: sp.Expr) -> None:
    """E⟨X_J, v⟩⟨X_0, v⟩ = ‖v‖²/L for uniform J, and with a second uniform location the same."""
    try:
        answer = E(dot(X[J, :], v) * dot(X[other, :], v))
    except NoClosedForm:
        return
    assert reduces_to_zero(answer - dot(v, v) / L)


J_7 = Latent("J", 7)
NOT_PROMPTS = {
    "index beyond the prompt": lambda: GaussianMatrix("X", 3, d)[10, :],
    "location of another length": lambda: Tokens("X", d, [TokenGroup(1, at=J_7), TokenGroup(2)])[J_7, :],
    "two tokens at one location": lambda: Tokens("X", d, [TokenGroup(1, at=J), TokenGroup(1, at=J)])[J, :],
}


@pytest.mark.parametrize("token", NOT_PROMPTS.values(), ids=NOT_PROMPTS)
def test_prompts_that_do_not_exist_are_refused(token: Callable[[], Any]) -> None:
    with pytest.raises((ValueError, IndexError)):
        E(dot(token(), v) ** 2)
