"""Moments of softmax weights: laws of the calculus, and the certified values against second ways to them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import sympy as sp
from flint import arb, ctx, fmpz
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics import QuadratureBudgetExceeded, ball, value
from numerics.softmax_moments import softmax_moment_ball, softmax_moment_float
from theory import SoftmaxMoment, dot, reduces_to_zero, softmax_sum, to_latex
from theory.notation import d

n = sp.Symbol("n", integer=True, positive=True)
q = sp.Symbol("q", positive=True)
a, u, v = (sp.MatrixSymbol(name, d, 1) for name in "auv")
S = sp.MatrixSymbol("Sigma", d, d)


def moment(tokens, variance, *powers, bits=64):
    with ctx.workprec(bits):
        return softmax_moment_ball(arb(fmpz(tokens)), arb(variance), *map(arb, powers))


def brute(tokens, variance, *powers, nodes=48):
    """The moment by a tensor Gauss-Hermite rule over all scores."""
    z, w = np.polynomial.hermite_e.hermegauss(nodes)
    scores = np.stack(np.meshgrid(*[z] * tokens, indexing="ij"), axis=-1).reshape(-1, tokens) * math.sqrt(variance)
    weights = math.prod(np.meshgrid(*[w / w.sum()] * tokens, indexing="ij")).ravel()
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    terms = (
        math.prod(p[:, i] ** power for i, power in zip(chosen, powers))
        for chosen in itertools.permutations(range(tokens), len(powers))
    )
    return float(weights @ sum(terms))


POWERS = [(2,), (3,), (4,), (2, 2), (3, 2)]


@pytest.mark.parametrize("powers", [*POWERS, (2, 2, 2)])
@pytest.mark.parametrize("variance", [0.1, 1.0])
def test_moments_of_three_tokens_by_brute_force(powers, variance):
    # a Gauss-Hermite rule of 48 nodes has about ten digits for these analytic integrands, up to √q = 1
    assert float(moment(3, variance, *powers)) == pytest.approx(brute(3, variance, *powers), rel=1e-8)


def test_a_power_of_one_is_summed_out():
    reduced = value(SoftmaxMoment(3, q, 3, 1), {q: 0.7})
    assert reduced == pytest.approx(brute(3, 0.7, 3, 1), rel=1e-8)
    assert SoftmaxMoment(n, q, 1) == 1
    assert SoftmaxMoment(n, q, 2, 0) == (n - 1) * SoftmaxMoment(n, q, 2)
    assert SoftmaxMoment(n, q, 2, 3) == SoftmaxMoment(n, q, 3, 2)


def test_special_values():
    assert SoftmaxMoment(1, q, 5) == 1
    assert SoftmaxMoment(1, q, 2, 2) == 0
    assert reduces_to_zero(SoftmaxMoment(n, 0, 2, 2) - (n**2 - n) / n**4)
    assert moment(7, 0, 2).overlaps(arb(1) / 7)
    assert to_latex(SoftmaxMoment(n, q, 2, 2)) == r"\operatorname{P}\left(n, q, 2, 2\right)"


@pytest.mark.parametrize(("tokens", "variance"), [(2, 1.0), (10, 0.01), (50, 4.0), (10**6, 9.0), (10**40, 100.0)])
@pytest.mark.parametrize("powers", [(2,), (2, 2)])
def test_two_precisions_overlap_and_are_as_accurate_as_asked(tokens, variance, powers):
    coarse, fine = moment(tokens, variance, *powers, bits=64), moment(tokens, variance, *powers, bits=128)
    assert coarse.overlaps(fine)
    assert coarse.rel_accuracy_bits() >= 50 and fine.rel_accuracy_bits() >= 114


@pytest.mark.parametrize("variance", [1e-300, 1e-9, 1e-6, 1e-3, 1e3, 1e4])
def test_scores_of_any_spread(variance):
    """Tiny variances sum each node on its own, larger ones on a lattice; P(2) tends to 1/2 and to 1 for two tokens."""
    found = moment(2, variance, 2)
    assert found.rel_accuracy_bits() >= 50
    exact = 0.5 + variance / 4  # to first order
    if variance < 1e-2:
        assert float(found) == pytest.approx(exact, rel=variance)
    else:
        # 1 − E tanh²(√(q/2) t) → 2/√(πq): the mass of the scores' difference near zero
        assert 1 - float(found) == pytest.approx(1 / math.sqrt(math.pi * variance), rel=0.05)


def test_a_ball_for_the_variance_widens_the_result():
    with ctx.workprec(64):
        wide = softmax_moment_ball(arb(10), arb(1, 0.01), arb(2))
    for inside in (0.99, 0.995, 1.0, 1.005, 1.01):
        assert wide.overlaps(moment(10, inside, 2))
    assert not wide.overlaps(moment(10, 1.2, 2))


def test_a_variance_below_all_floats():
    with ctx.workprec(64):
        found = softmax_moment_ball(arb(5), arb(2) ** -3000, arb(2))
    assert found.overlaps(arb(1) / 5) and found.rel_accuracy_bits() > 50


def test_what_is_no_number_of_tokens_gives_no_number():
    with ctx.workprec(64):
        assert not softmax_moment_ball(arb(3), arb(1), arb(0)).is_finite()
        assert not softmax_moment_ball(arb(2.5), arb(1), arb(2)).is_finite()
        assert not softmax_moment_ball(arb(0), arb(1), arb(2)).is_finite()
        assert not softmax_moment_ball(arb(2), arb(-1), arb(2)).is_finite()
    with pytest.raises(QuadratureBudgetExceeded, match="n <= 1e300"):
        moment(10**301, 1.0, 2)
    with pytest.raises(QuadratureBudgetExceeded):
        moment(5, 1e12, 2)
    with pytest.raises(QuadratureBudgetExceeded, match="20000 allowed"):
        moment(10**300, 1.0, 200)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((n, q, -1), "integers >= 0"),
        ((n, q, sp.Rational(1, 2)), "powers"),
        ((0, q, 2), "n >= 1"),
        ((n, -1, 2), "q >= 0"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        SoftmaxMoment(*arguments)


@pytest.mark.parametrize("powers", POWERS)
def test_the_heat_equation_is_the_slope(powers):
    expr = SoftmaxMoment(n, q, *powers)
    slope = value(expr.diff(q), {n: 6, q: 1.3})
    h = 1e-4
    ahead, behind = (softmax_moment_float(6, 1.3 + s * h, *powers) for s in (1, -1))
    assert (ahead - behind) / (2 * h) == pytest.approx(slope, rel=1e-6)


@given(st.integers(2, 60), st.floats(0.01, 20))
@settings(max_examples=15, deadline=None)
def test_inequalities_between_power_sums(tokens, variance):
    """1/n ≤ S₂ ≤ 1 and S₂² ≤ S₃ ≤ S₂ hold for every prompt, so in the mean: P(4) + P(2, 2) ≤ P(3) ≤ P(2)."""
    two, three, four, pair = (softmax_moment_float(tokens, variance, *powers) for powers in ((2,), (3,), (4,), (2, 2)))
    assert 1 / tokens < two < 1
    assert four + pair <= three <= two


def test_ball_and_float_are_the_same_number():
    expr = SoftmaxMoment(n, q, 2)
    enclosed = ball(expr, {n: 12, q: "0.7"}, 30)
    assert enclosed.rel_accuracy_bits() > 95
    assert abs(value(expr, {n: 12, q: 0.7}) - float(enclosed)) < 1e-15
    assert value(expr, {n: np.array([2.0, 3.0]), q: np.array([1.0, 1.0])}).shape == (2,)


# --- the calculus ----------------------------------------------------------------------------


def test_forms_of_a_token_sum_to_the_mean():
    """Σ_i ⟨u, y_i − m⟩ without weights has mean zero, and its square n⟨u, Σu⟩."""
    options = {"n": n, "score": a, "covariance": S}
    assert softmax_sum([(0, [u])], **options) == 0
    square = softmax_sum([(0, [u, v])], **options) + softmax_sum([(0, [u]), (0, [v])], **options)
    assert sp.expand(square - n * dot(u, S * v)) == 0


def test_one_token_is_itself():
    options = {"n": sp.Integer(1), "score": a, "covariance": S}
    assert softmax_sum([(1, [u])], **options) == 0
    assert sp.expand(softmax_sum([(2, [u, v])], **options) - dot(u, S * v)) == 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=5, deadline=None)
def test_sums_against_samples(seed):
    """E Σ p_i² ⟨u, y_i⟩⟨v, y_i⟩ and E Σ_{i≠j} p_i p_j ⟨u, y_i⟩⟨v, y_j⟩ over prompts in the plane."""
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((2, 2))
    directions = {name: rng.standard_normal(2) for name in "auv"}
    tokens = rng.standard_normal((100_000, 4, 2)) @ root.T
    p = np.exp(tokens @ directions["a"])
    p /= p.sum(axis=1, keepdims=True)
    along_u, along_v = tokens @ directions["u"], tokens @ directions["v"]
    same = (p**2 * along_u * along_v).sum(axis=1)
    both = (p * along_u).sum(axis=1) * (p * along_v).sum(axis=1) - same
    options = {"n": sp.Integer(4), "score": a, "covariance": S}
    for expr, samples in (
        (softmax_sum([(2, [u, v])], **options), same),
        (softmax_sum([(1, [u]), (1, [v])], **options), both),
    ):
        expected = value(expr, {a: directions["a"], u: directions["u"], v: directions["v"], S: root @ root.T})
        # bounded by Gaussian squares: eight standard errors of 1e5 draws are safe here
        assert abs(samples.mean() - expected) < 8 * samples.std() / math.sqrt(len(samples))
