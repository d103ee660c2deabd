"""The study of attention as a map on measures: its claims, their controls, and the plain numeric calls."""

from __future__ import annotations

import importlib
import math
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf, ive, ndtr
from sympy.core.cache import clear_cache

from numerics import simulate, value
from proofs_check import Context, PropertyBasedAgreement, SymbolicIdentity, studies, verify
from proofs_check.strategies import draw_examples
from theory import Expectation, GaussianIntegral, InfiniteExpectation, NoClosedForm, derive, equal
from theory.tilting import PositiveSpectrum

module = importlib.import_module("proofs_check.studies.attention_map")
STUDY = studies()["attention-map"]
ONE = np.eye(1)


def context(name, alpha=1e-9):
    return Context(np.random.default_rng(crc32(name.encode())), STUDY.simulator, alpha, seconds=120)


@pytest.mark.parametrize("claim", STUDY.claims, ids=lambda claim: claim.name)
def test_every_claim_meets_its_expectation(claim):
    report = verify(replace(STUDY, claims=(claim,)))
    assert report.exit_code == 0, str(report)


DECIDED = [claim for claim in STUDY.claims if claim.expected == "holds" and not claim.is_statistical]


@pytest.mark.parametrize("claim", DECIDED, ids=lambda claim: claim.name)
def test_its_control_is_refuted(claim):
    """An error of 1e-12, or the negation of an inequality, passes no check; balls and enumeration refute it."""
    control = claim.perturbed(1e-12)
    verdicts = [check.run(control, context(claim.name)) for check in claim.checks]
    assert not any(verdict.holds for verdict in verdicts), list(map(str, verdicts))
    able = [v for check, v in zip(claim.checks, verdicts) if not isinstance(check, SymbolicIdentity)]
    assert all(v.fails and v.witness is not None for v in able), list(map(str, able))


def wrong_gain_of_a_mixture():
    """The gain of a Gaussian prompt, which forgets that the scores of two components are apart."""
    masses = module.mean_over_pairs(lambda p, own, other: p * own + (1 - p) * other)
    gain = 1 - module.P(2, tokens=sp.Integer(2))
    return equal(module.mixture_prompt_directly(), masses + gain * module.c_u)


def wrong_bias_of_the_query():
    """x − m where x − η belongs."""
    weight_of_the_query = sp.exp(module.own_score - module.q_s / 2)
    return equal(module.self_token_bias(), weight_of_the_query * module.x_u)


def wrong_share_of_others():
    """Stein without what the token takes from its own neighbours: E p z = √q E p."""
    statement = STUDY["a-token-beside-any-others"].statement
    p = 1 / (1 + module.rho_s * sp.exp(-module.mu_s - sp.sqrt(module.q_s) * module.t_s))
    return equal(statement.lhs, sp.sqrt(module.q_s) * GaussianIntegral(p, (module.t_s,)))


def wrong_order_of_the_bessel_functions():
    """I_{d/2−1} with (d/2 + 1)_j: the order is one too high."""
    own = [module.sphere_moments(j)[0] / sp.factorial(2 * j) for j in range(3)]
    return equal(own, [module.q_s**j / (4**j * sp.factorial(j) * sp.rf(module.d / 2 + 1, j)) for j in range(3)])


WRONG = {
    "mean-of-a-mixture-prompt": wrong_gain_of_a_mixture,
    "first-order-bias-of-the-query-among-its-tokens": wrong_bias_of_the_query,
    "a-token-beside-any-others": wrong_share_of_others,
    "layer-on-the-sphere": wrong_order_of_the_bessel_functions,
}


@pytest.mark.parametrize("name", WRONG)
def test_the_error_one_would_make_is_refuted(name):
    control = replace(STUDY[name], make_statement=WRONG[name])
    verdicts = [check.run(control, context(name)) for check in control.checks]
    assert any(v.fails and v.witness is not None for v in verdicts), list(map(str, verdicts))
    assert not any(v.holds for v in verdicts)


@pytest.mark.parametrize("bottleneck", ["values", "scores", "covariance"])
def test_a_rank_that_is_one_smaller_is_refuted(bottleneck):
    """The minors of order k do not vanish: the bound is attained."""
    image = module.image_through(bottleneck)
    left, right = (sp.MatrixSymbol(name, module.rank, module.d) for name in "LR")
    minor = sp.Determinant(left * Expectation(image * image.T) * right.T)
    control = replace(
        STUDY[f"rank-of-the-output-is-at-most-that-of-the-{bottleneck}"],
        make_statement=lambda: equal(minor, sp.Integer(0)),
    )
    (check,) = control.checks
    assert check.run(control, context(bottleneck)).fails


@pytest.mark.parametrize("size", [2, 3, 5])
def test_the_layer_on_the_sphere_by_its_series(size):
    """The derived coefficients, summed at κ = 0.8, are I_{d/2}/I_{d/2−1}; what is left out is below κ¹⁴/14! ≈ 5e-13."""
    at = {module.d: size, module.q_s: sp.Rational(16, 25), module.c_u: 1}
    even, odd = np.transpose([[float(part.subs(at)) for part in module.sphere_moments(j)] for j in module.ORDERS])
    orders = np.array(module.ORDERS)
    factorials = np.array([math.factorial(2 * j) for j in orders], dtype=float)
    layer = (odd / (factorials * (2 * orders + 1))).sum() / (even / factorials).sum()
    assert 0.8 * layer == pytest.approx(ive(size / 2, 0.8) / ive(size / 2 - 1, 0.8), rel=1e-11)


def test_the_property_based_check_refutes_an_error_of_ten_percent():
    claim = STUDY["squared-error-is-the-mean-of-the-layer"]
    (check,) = (check for check in claim.checks if isinstance(check, PropertyBasedAgreement))
    for by in ("0.1", "-0.1"):
        assert check.run(claim.perturbed(sp.Rational(by)), context(by, alpha=1e-6)).fails


def test_the_evidence_is_symbolic_or_certified():
    """At least 95 % of the claims; the rest is one simulation and two conjectures, which are labelled."""
    others = [claim for claim in STUDY.claims if claim.is_statistical or claim.expected == "open"]
    assert len(others) <= 0.05 * len(STUDY.claims)
    assert {claim.expected for claim in others} == {"holds", "open"}


def test_derivations_end_in_what_the_layer_uses():
    for make in STUDY.derivations:
        assert make().steps
    conditions = derive(module.first_order_error()).conditions
    assert len(conditions) == 1 and isinstance(conditions[0], PositiveSpectrum)


# --- the layer at a point ----------------------------------------------------------------------


SCORES = {
    "softmax": np.exp,
    "linear": lambda s: s,
    "erf": erf,
    "probit": ndtr,
    "relu": lambda s: np.maximum(s, 0),
    "gelu": lambda s: s * ndtr(s),
    "exp": np.exp,
}
KINDS = (*SCORES, "l2")


def plane_model(seed, rank=2):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((2, rank)) * 0.7
    return {
        "mean": rng.standard_normal(2),
        "covariance": root @ root.T,
        "Q": rng.standard_normal((3, 2)) * 0.6,
        "K": rng.standard_normal((3, 2)) * 0.6,
        "V": rng.standard_normal((4, 2)),
    }


def gauss_hermite(mean, covariance, nodes=80):
    z, w = np.polynomial.hermite_e.hermegauss(nodes)
    grid = np.stack(np.meshgrid(z, z, indexing="ij"), axis=-1).reshape(-1, 2)
    weights = np.outer(w, w).ravel() / w.sum() ** 2
    return mean + grid @ module.root_of(np.asarray(covariance)).T, weights


def by_definition(x, tokens, masses, Q, K, V, kind, d_k=None):
    """The layer on a discrete law of tokens, as defined."""
    scale = math.sqrt(len(Q) if d_k is None else d_k)
    if kind == "l2":
        f = np.exp(-((Q @ x - tokens @ K.T) ** 2).sum(axis=1) / (2 * scale))
    else:
        f = SCORES[kind](tokens @ K.T @ (Q @ x) / scale)
    out = (masses * f) @ tokens @ V.T
    return out / (masses @ f) if kind in ("softmax", "l2") else out


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "relu"])
@pytest.mark.parametrize("rank", [1, 2])
def test_a_gaussian_law_by_quadrature(kind, rank):
    model, x = plane_model(3, rank), np.array([0.8, -0.5])
    tokens, masses = gauss_hermite(model["mean"], model["covariance"])
    expected = by_definition(x, tokens, masses, *(model[name] for name in "QKV"), kind)
    assert module.attention_at(x, **model, kind=kind) == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_relu_is_the_linear_layer_halved_on_centred_tokens():
    """max(0, s) = (s + |s|)/2, and |s| y has mean zero for centred tokens."""
    model, x = {**plane_model(4), "mean": np.zeros(2)}, np.array([0.3, 0.9])
    linear = module.attention_at(x, **model, kind="linear")
    assert module.attention_at(x, **model, kind="relu") == pytest.approx(linear / 2, rel=1e-12)


def mixture(seed):
    first, second = plane_model(seed), plane_model(seed + 100)
    return {
        "weights": np.array([0.3, 0.7]),
        "means": np.stack([first["mean"], second["mean"]]),
        "covariances": np.stack([first["covariance"], second["covariance"]]),
        **{name: first[name] for name in "QKV"},
    }


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "relu"])
def test_a_mixture_by_quadrature(kind):
    model, x = mixture(5), np.array([0.8, -0.5])
    parts = [gauss_hermite(*component) for component in zip(model["means"], model["covariances"])]
    tokens = np.concatenate([points for points, _ in parts])
    masses = np.concatenate([w * weights for w, (_, weights) in zip(model["weights"], parts)])
    expected = by_definition(x, tokens, masses, *(model[name] for name in "QKV"), kind)
    assert module.attention_at(x, **model, kind=kind) == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_sinkhorn_against_iterations_on_a_grid():
    """The coupling of N(m, s) with itself under e^{bxy}, scaled to its marginals step by step on a fine grid."""
    m, s, b = 0.7, 1.3, 0.9
    grid = m + math.sqrt(s) * np.linspace(-9, 9, 1201)
    mass = np.exp(-((grid - m) ** 2) / (2 * s))
    mass /= mass.sum()
    kernel = np.exp(b * np.outer(grid - m, grid - m))
    f = np.ones_like(grid)
    for _ in range(300):
        g = 1 / (kernel.T @ (f * mass))
        f = 1 / (kernel @ (g * mass))
    conditional = f[:, None] * kernel * (g * mass)[None]
    means = conditional @ grid / conditional.sum(axis=1)
    middle = slice(400, 801, 50)
    ours = module.attention_at(
        grid[middle, None], mean=[m], covariance=[[s]], Q=b * ONE, K=ONE, V=ONE, d_k=1, kind="sinkhorn"
    )
    assert ours[:, 0] == pytest.approx(means[middle], abs=1e-9)


def test_sinkhorn_solves_the_law_of_total_covariance():
    model = plane_model(6)
    d_k = len(model["Q"])
    B = model["K"].T @ model["Q"] / math.sqrt(d_k)
    steps = module.attention_at(np.eye(2), **{**model, "V": np.eye(2), "mean": np.zeros(2)}, kind="sinkhorn").T
    conditional = steps @ np.linalg.inv(B)
    assert conditional == pytest.approx(conditional.T, abs=1e-12)
    total = conditional + steps @ model["covariance"] @ steps.T
    assert total == pytest.approx(model["covariance"], abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["softmax", "l2", "linear", "sinkhorn"]))
@settings(max_examples=25, deadline=None)
def test_these_layers_are_affine_on_a_gaussian(seed, kind):
    model = plane_model(seed)
    points = np.random.default_rng(seed).standard_normal((3, 2))
    points[2] = 0.3 * points[0] + 0.7 * points[1]
    out = module.attention_at(points, **model, kind=kind)
    assert out[2] == pytest.approx(0.3 * out[0] + 0.7 * out[1], rel=1e-9, abs=1e-9)


@given(st.integers(0, 2**32 - 1), st.sampled_from([*KINDS, "sinkhorn"]))
@settings(max_examples=25, deadline=None)
def test_the_layer_turns_with_its_tokens(seed, kind):
    """Rotated tokens, with Q and K rotated along, give rotated outputs."""
    model = {**plane_model(seed), "V": np.eye(2)}
    rng = np.random.default_rng(seed)
    rotation, x = np.linalg.qr(rng.standard_normal((2, 2)))[0], rng.standard_normal(2)
    turned = {
        "mean": rotation @ model["mean"],
        "covariance": rotation @ model["covariance"] @ rotation.T,
        "Q": model["Q"] @ rotation.T,
        "K": model["K"] @ rotation.T,
        "V": np.eye(2),
    }
    out = module.attention_at(rotation @ x, **turned, kind=kind)
    assert out == pytest.approx(rotation @ module.attention_at(x, **model, kind=kind), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_components_are_one_gaussian(kind):
    model, x = plane_model(7), np.array([0.4, 0.2])
    split = {name: model[name] for name in "QKV"} | {
        "weights": [0.25, 0.75, 0.0],
        "means": [model["mean"]] * 2 + [[9.0, 9.0]],
        "covariances": [model["covariance"]] * 2 + [np.eye(2)],
    }
    assert module.attention_at(x, **split, kind=kind) == pytest.approx(module.attention_at(x, **model, kind=kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_point_mass(kind):
    """Σ = 0: the token is m, and its weight f(⟨a, m⟩) where the layer is not normalised."""
    model, x = {**plane_model(8), "covariance": np.zeros((2, 2))}, np.array([0.4, 0.2])
    expected = by_definition(x, model["mean"][None], np.ones(1), *(model[name] for name in "QKV"), kind)
    assert module.attention_at(x, **model, kind=kind) == pytest.approx(expected, rel=1e-12)


def test_gates_do_not_overflow():
    out = module.attention_at(
        [1e3], weights=[0.5, 0.5], means=[[-1.0], [1.0]], covariances=[ONE, ONE], Q=ONE, K=ONE, V=ONE, d_k=1
    )
    assert out == pytest.approx([1 + 1e3])
    law = {"mean": [1.0], "covariance": ONE, "Q": ONE, "K": ONE, "V": ONE, "d_k": 1}
    assert module.attention_at([1e200], **law) == pytest.approx([1e200])
    with pytest.raises(ValueError, match="finite"):
        module.attention_at([1e3], **law, kind="exp")


def test_heads_are_added_and_the_residual_too():
    first, second = plane_model(9), plane_model(10)
    law, x = {name: first[name] for name in ("mean", "covariance")}, np.array([0.1, -0.7])
    heads = [{name: model[name][:2] if name == "V" else model[name] for name in "QKV"} for model in (first, second)]
    stacked = {name: np.stack([head[name] for head in heads]) for name in "QKV"}
    apart = sum(module.attention_at(x, **law, **head) for head in heads)
    assert module.attention_at(x, **law, **stacked, residual=True) == pytest.approx(x + apart, rel=1e-12)
    center, spread = module.push_forward(**law, **stacked, residual=True)
    out = module.attention_at(np.array([[0, 0], [1, 0], [0, 1]]), **law, **stacked, residual=True)
    J = (out[1:] - out[0]).T
    assert center == pytest.approx(out[0] + J @ law["mean"]) and spread == pytest.approx(J @ law["covariance"] @ J.T)


def test_the_scale_of_the_scores():
    model, x = plane_model(11), np.array([0.5, 0.5])
    default = module.attention_at(x, **model)
    assert module.attention_at(x, **model, d_k=3) == pytest.approx(default)
    assert module.attention_at(x, **{**model, "Q": model["Q"] * math.sqrt(2)}, d_k=6) == pytest.approx(default)


# --- push-forward ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["softmax", "l2", "linear", "sinkhorn", "exp"])
@pytest.mark.parametrize("residual", [False, True])
def test_push_forward_is_the_law_of_the_output(kind, residual):
    model = plane_model(12)
    model |= {"V": model["V"][:2], "Q": model["Q"] / 4 if kind == "exp" else model["Q"]}
    points, masses = gauss_hermite(model["mean"], model["covariance"], nodes=24)
    out = module.attention_at(points, **model, kind=kind, residual=residual)
    expected = masses @ out
    center, spread = module.push_forward(**model, kind=kind, residual=residual)
    assert center == pytest.approx(expected, rel=1e-9)
    assert spread == pytest.approx((masses[:, None] * (out - expected)).T @ (out - expected), rel=1e-8, abs=1e-9)


def test_queries_of_another_law():
    model, law = plane_model(13), {"query_mean": np.array([1.0, -1.0]), "query_covariance": np.diag([0.5, 0.0])}
    points, masses = gauss_hermite(law["query_mean"], law["query_covariance"], nodes=12)
    out = module.attention_at(points, **model)
    center, spread = module.push_forward(**model, **law)
    assert center == pytest.approx(masses @ out)
    assert spread == pytest.approx((masses[:, None] * (out - center)).T @ (out - center), abs=1e-12)


def test_rank_does_not_grow():
    model = plane_model(14, rank=1)
    assert np.linalg.matrix_rank(module.push_forward(**model)[1], tol=1e-10) <= 1


@pytest.mark.parametrize(("scale", "finite"), [(0.70, True), (0.71, False)])
def test_exponential_attention_has_a_sharp_condition(scale, finite):
    """λ = B²Σ² < 1/2 with Σ = 1, B = scale."""
    layer = {"mean": [0.0], "covariance": ONE, "Q": scale * ONE, "K": ONE, "V": ONE, "d_k": 1, "kind": "exp"}
    if finite:
        assert np.isfinite(module.push_forward(**layer)[1]).all()
    else:
        with pytest.raises(InfiniteExpectation, match=r"< 1/2, got 0\.5041"):
            module.push_forward(**layer)


# --- finite prompts -----------------------------------------------------------------------------


def test_one_token_is_a_draw_of_the_law():
    model = plane_model(15)
    center, spread = module.finite_prompt([1.0, 2.0], mean=model["mean"], covariance=model["covariance"], n=1)
    assert center == pytest.approx(model["mean"]) and spread == pytest.approx(model["covariance"])


def test_many_tokens_are_the_limit():
    model, a = plane_model(16), np.array([0.5, -0.2])
    law = {"mean": model["mean"], "covariance": model["covariance"]}
    center, spread = module.finite_prompt(a, **law, n=10**40)
    image = law["covariance"] @ a
    assert center == pytest.approx(law["mean"] + image, rel=1e-14)
    leading = math.exp(a @ image) * (law["covariance"] + np.outer(image, image))
    assert spread * 1e40 == pytest.approx(leading, rel=1e-12)


def test_scores_without_spread_average_the_tokens():
    center, spread = module.finite_prompt([0.0, 1.0], mean=[1.0, 2.0], covariance=np.diag([3.0, 0.0]), n=6)
    assert center == pytest.approx([1, 2]) and spread == pytest.approx(np.diag([0.5, 0.0]))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=4, deadline=None)
def test_prompts_against_draws(seed):
    rng = np.random.default_rng(seed)
    model, a, count = plane_model(seed), rng.standard_normal(2), int(rng.integers(2, 9))
    root = module.root_of(model["covariance"])
    tokens = model["mean"] + rng.standard_normal((60_000, count, 2)) @ root.T
    p = np.exp((tokens - model["mean"]) @ a)
    p /= p.sum(axis=1, keepdims=True)
    out = np.einsum("nl,nld->nd", p, tokens)
    center, spread = module.finite_prompt(a, mean=model["mean"], covariance=model["covariance"], n=count)
    # an average of Gaussian tokens has Gaussian tails: eight standard errors
    assert np.abs(out.mean(axis=0) - center).max() < 8 * math.sqrt(spread.max() / len(out)) + 1e-12
    products = np.einsum("ni,nj->nij", out - center, out - center)
    error = products.std(axis=0) / math.sqrt(len(out))
    assert (np.abs(products.mean(axis=0) - spread) <= 8 * error + 1e-12).all()


@given(st.integers(1, 10**6), st.floats(0, 30))
@settings(max_examples=8, deadline=None)
def test_the_covariance_of_a_prompt_is_one(count, variance):
    center, spread = module.finite_prompt(
        [math.sqrt(variance), 0.0], mean=[0.0, 0.0], covariance=np.diag([1.0, 2.0]), n=count
    )
    assert 0 <= center[0] <= math.sqrt(variance) and spread[0, 1] == 0
    assert spread[0, 0] > 0 and 0 < spread[1, 1] <= 2


def test_risk_approaches_its_limit_as_the_constant_says():
    """n(R_n − R_∞) → c₁ in one dimension, B = 0.3, V = 2, over queries by the trapezoidal rule."""
    B, V, count = 0.3, 2.0, 20_000
    queries = np.linspace(0, 8, 21)  # the excess is even, and the step small beside the width of the density
    density = np.exp(-(queries**2) / 2) * np.where(queries > 0, 2, 1)
    density /= density.sum()
    excess = []
    for x in queries:
        center, spread = module.finite_prompt([B * x], mean=[0.0], covariance=ONE, n=count)
        excess.append((x - V * center[0]) ** 2 + V**2 * spread[0, 0] - (x - V * B * x) ** 2)
    found = count * density @ np.array(excess)
    constant = module.first_order_constant(covariance=ONE, Q=B * ONE, K=ONE, V=V * ONE, d_k=1)
    # the next order is about e^{3q}/n ≈ 1e-3 of the first
    assert found == pytest.approx(constant, rel=5e-3)


def test_the_constant_is_infinite_from_one_half_on():
    layer = {"covariance": ONE, "K": ONE, "V": ONE, "d_k": 1}
    assert math.isfinite(module.first_order_constant(**layer, Q=0.7 * ONE))
    with pytest.raises(InfiniteExpectation, match="finite iff"):
        module.first_order_constant(**layer, Q=ONE)


# --- depth ---------------------------------------------------------------------------------------


def test_covariance_at_depth_is_the_closed_form():
    model = plane_model(17)
    B = model["K"].T @ model["Q"] / math.sqrt(3)
    inverse = np.linalg.inv(model["covariance"])
    depth = 0.2 / max(1.0, float(np.linalg.eigvals(model["covariance"] @ (B + B.T)).real.max()))
    _, spread = module.moments_at_depth(depth, **{**model, "V": np.eye(2)})
    assert spread == pytest.approx(np.linalg.inv(inverse - depth * (B + B.T)), rel=1e-9)


def test_rank_is_kept_and_a_point_stays_a_point():
    model = {**plane_model(18, rank=1), "V": np.eye(2)}
    assert np.linalg.matrix_rank(module.moments_at_depth(0.1, **model)[1], tol=1e-9) == 1
    center, spread = module.moments_at_depth(1.0, **{**model, "covariance": np.zeros((2, 2))})
    assert center == pytest.approx(math.e * model["mean"]) and (spread == 0).all()


def test_logistic_limit_and_blow_up():
    layer = {"mean": [1.0], "covariance": ONE, "Q": 2 * ONE, "K": ONE}
    _, spread = module.moments_at_depth(20.0, **layer, V=-ONE, W=ONE)
    assert spread == pytest.approx(ONE / 2)
    assert module.moments_at_depth(0.24, **layer, V=ONE)[1] == pytest.approx(ONE / (1 - 4 * 0.24))
    with pytest.raises(ArithmeticError, match=r"near depth 0\.25, before t=0\.3"):
        module.moments_at_depth(0.3, **layer, V=ONE)


# --- the simulator -------------------------------------------------------------------------------


def test_the_simulator_agrees_with_the_formula_in_the_mean():
    (model,) = draw_examples(module.prompt_models(), 1, seed=2)
    estimate = simulate(STUDY.simulator, model, samples=50_000, seed=4)
    expected = value(module.squared_error_of_a_prompt(), module.coordinates(**model))
    # ten standard errors, as losses are squares of Gaussian-like outputs; the e-process of the claim is the proof
    assert abs(estimate.mean - expected) < 10 * estimate.standard_error + 1e-12


# --- bad input -----------------------------------------------------------------------------------


GOOD = {"mean": [0, 0], "covariance": np.eye(2), "Q": np.eye(2), "K": np.eye(2), "V": np.eye(2)}
MIXED = {"weights": [0.5, 0.5], "means": [[0, 0], [1, 1]], "covariances": [np.eye(2)] * 2}
LAYER = {name: GOOD[name] for name in "QKV"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"covariance": [[1, 2], [2, 1]]}, "positive semidefinite covariance"),
        ({"covariance": [[1, 0.5], [0, 1]]}, "symmetric covariance"),
        ({"covariance": np.eye(3)}, r"covariance of shape \(2, 2\)"),
        ({"covariance": [[1, np.nan], [np.nan, 1]]}, "finite entries"),
        ({"covariance": [["a", "b"], ["c", "d"]]}, "real numbers"),
        ({"mean": [0, np.inf]}, "finite entries in mean"),
        ({"mean": [[0, 0]]}, r"mean of shape \(d,\)"),
        ({"mean": None}, "got covariance"),
        ({"Q": np.ones((2, 3))}, "Q with 2 columns"),
        ({"K": np.ones((3, 2))}, "as many rows, got 2 and 3"),
        ({"V": np.ones((2, 3))}, "V with 2 columns"),
        ({"V": "V"}, "real numbers in V"),
        ({"Q": [np.eye(2)] * 2}, "one head each"),
        ({"d_k": 0}, "d_k > 0"),
        ({"d_k": np.nan}, "finite d_k"),
        ({"d_k": "2"}, "number d_k"),
        ({"kind": "Softmax"}, "kind to be one of softmax"),
        ({"V": np.ones((3, 2)), "residual": True}, "residual"),
    ],
)
def test_bad_input_is_named(change, words):
    with pytest.raises(ValueError, match=words):
        module.attention_at([1.0, 0.0], **{**GOOD, **change})
    with pytest.raises(ValueError, match=words):
        module.push_forward(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": [0.5, 0.6]}, "sum to 1"),
        ({"weights": [1.5, -0.5]}, "nonnegative weights"),
        ({"weights": [1.0]}, "as many means"),
        ({"covariances": [np.eye(2), -np.eye(2)]}, r"positive semidefinite covariances\[1\]"),
        ({"mean": [0, 0], "covariance": np.eye(2)}, "or weights, means and covariances"),
        ({"means": [[0, 0], [1]]}, "rows of different lengths"),
    ],
)
def test_bad_mixtures_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        module.attention_at([1.0, 0.0], **{**LAYER, **MIXED, **change})


@pytest.mark.parametrize("x", [[np.nan, 0], [1.0, 2.0, 3.0], [[[1.0, 2.0]]], "x", [1j, 0]])
def test_bad_queries_are_named(x):
    with pytest.raises(ValueError, match="expected"):
        module.attention_at(x, **GOOD)


def test_what_has_no_closed_form_is_refused_by_name():
    with pytest.raises(NoClosedForm, match="Sinkhorn attention on a mixture"):
        module.attention_at([1.0, 0.0], **LAYER, **MIXED, kind="sinkhorn")
    with pytest.raises(NoClosedForm, match="mixture"):
        module.push_forward(**LAYER, **MIXED)
    for kind in ("erf", "probit", "relu", "gelu"):
        with pytest.raises(NoClosedForm, match=kind):
            module.push_forward(**GOOD, kind=kind)
    with pytest.raises(ValueError, match="Sinkhorn"):
        module.push_forward(**GOOD, kind="sinkhorn", query_mean=[0, 0], query_covariance=np.eye(2))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n": 0}, "n >= 1, got n=0"),
        ({"n": -3}, "n >= 1"),
        ({"n": 2.5}, "integer n"),
        ({"n": True}, "integer n"),
        ({"a": [1.0]}, r"a of shape \(2,\)"),
        ({"a": [np.nan, 0]}, "finite entries in a"),
        ({"covariance": [[1, 2], [2, 1]]}, "positive semidefinite"),
    ],
)
def test_bad_prompts_are_named(change, words):
    good = {"a": [1.0, 0.0], "mean": [0, 0], "covariance": np.eye(2), "n": 3}
    with pytest.raises(ValueError, match=words):
        module.finite_prompt(**{**good, **change})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"t": -1.0}, "t >= 0"),
        ({"t": np.nan}, "t >= 0"),
        ({"W": np.eye(3)}, "W of shape"),
        ({"V": np.ones((3, 2))}, "V"),
    ],
)
def test_bad_depths_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        module.moments_at_depth(**{"t": 0.1, **GOOD, **change})


# --- planted bugs --------------------------------------------------------------------------------

calculus = importlib.import_module("theory.softmax_moments")
layers = importlib.import_module("proofs_check.studies._attention_layers")
certified = importlib.import_module("numerics.softmax_moments")


def with_scores_twice(original):
    return lambda tokens, *, n, score, covariance: original(tokens, n=n, score=2 * score, covariance=covariance)


def without_meetings(original):
    def mutated(tokens, *, n, score, covariance):
        if any(len(forms) > 1 for _, forms in tokens):
            return sp.Integer(0)
        return original(tokens, n=n, score=score, covariance=covariance)

    return mutated


BUGS = {
    "a power one summed out without its correction": (calculus, "_raised", lambda original: lambda powers: []),
    "half of the heat equation": (calculus, "_heat", lambda original: lambda powers: original(powers)[:-1]),
    "Stein with a score twice as large": (layers, "softmax_sum", with_scores_twice),
    "two forms of one token that do not meet": (layers, "softmax_sum", without_meetings),
    "a factor two in the integral": (certified, "_falling", lambda original: lambda n, r: 2 * original(n, r)),
    "a kernel that decays too fast": (certified, "_summand", lambda original: lambda a, x: original(a, x * (1 + a))),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_refuted(monkeypatch, bug):
    """Integrals for two tokens, which share nothing with the calculus, or draws of the layer, tell it."""
    home, name, change = BUGS[bug]
    caches = (layers.prompt_moments, certified._moment)
    monkeypatch.setattr(home, name, change(getattr(home, name)))
    for cache in caches:
        cache.cache_clear()
    clear_cache()  # sympy remembers what it made of a SoftmaxMoment
    names = [
        "prompt-of-two-tokens",
        "moments-flow-with-the-variance-of-scores",
        "squared-error-is-the-mean-of-the-layer",
    ]
    try:
        verdicts = [check.run(fresh, context(bug)) for fresh in map(renewed, names) for check in fresh.checks]
    finally:
        monkeypatch.undo()
        for cache in caches:
            cache.cache_clear()
        clear_cache()
    assert any(verdict.fails for verdict in verdicts), list(map(str, verdicts))


def renewed(name):
    """A claim that makes its statement anew."""
    return replace(STUDY[name])


def test_an_output_beyond_the_floats_is_refused_by_name():
    huge = 1e300 * np.eye(2)
    with pytest.raises(ValueError, match="rescale"):
        module.push_forward(mean=[0, 1], covariance=huge, Q=np.eye(2), K=np.eye(2), V=np.eye(2))
