"""Two rungs of the ladder: proven signs, and sampled means."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from proofs_check import Claim, Context, ProvenSign, SampledMean
from proofs_check.sampled import largest_value
from theory import Domain, Expectation, GaussianMatrix, GaussianVector, Inequality, Mask, dot, equal, gaussians, quad

x, y = sp.symbols("x y", real=True)
p, q = sp.symbols("p q", positive=True)
n, d = sp.symbols("n d", integer=True, positive=True)


def claim(statement, domain=None):
    return Claim("it", "it", lambda: statement, domain or Domain({}), "", ())


def context(seed=0):
    return Context(np.random.default_rng(seed), seconds=20, seed=seed)


SIGNS = [
    (2 * x * y, "<=", x**2 + y**2, {}),
    (0, "<", p + q, {}),
    (p / (1 + p), "<", 1, {}),
    (x**2 - 2 * x, ">=", 0, {x: (2, sp.oo)}),
    (n**2 - n - 1, ">", 0, {n: (2, sp.oo)}),
    (sp.exp(x), ">", 0, {}),
]


@pytest.mark.parametrize("lhs, relation, rhs, box", SIGNS)
def test_a_sign_is_seen_and_the_opposite_is_not(lhs, relation, rhs, box):
    statement = Inequality(lhs, relation, rhs)
    assert ProvenSign().run(claim(statement, Domain(box)), context()).holds
    assert ProvenSign().run(claim(statement.negated(), Domain(box)), context()).undecided


@given(st.lists(st.integers(-4, 4), min_size=4, max_size=4), st.sampled_from(["<", "<=", ">", ">="]))
def test_a_proven_sign_is_never_wrong(coefficients, relation):
    """Every polynomial of degree three on a grid of its interval."""
    a, b, c, e = coefficients
    statement = Inequality(a * x**3 + b * x**2, relation, c * x + e)
    verdict = ProvenSign().run(claim(statement, Domain({x: (0, 2)})), context())
    if verdict.holds:
        relation_of = {"<": sp.Lt, "<=": sp.Le, ">": sp.Gt, ">=": sp.Ge}[relation]
        for j in range(0, 33):
            point = {x: sp.Rational(j, 16)}
            assert relation_of(statement.lhs.subs(point), statement.rhs.subs(point)) == sp.true


def sigmoid(z):
    return 1 / (1 + sp.exp(-z))


a, b, c = gaussians("a b c", mean=[0, 0, 1], covariance=[[1, 0, 0], [0, 2, 1], [0, 1, 1]])
X = GaussianMatrix("X", n, d)
v = GaussianVector("v", d)
i = sp.Symbol("i", integer=True)

MEANS = [  # known by symmetry, or by the engine
    (sp.tanh(a * b), 0),
    (sigmoid(a * b), sp.Rational(1, 2)),
    (b * c, 1),
    (quad(v, sp.Identity(d)), d),
    (sp.Sum(dot(X[i, :], X[i, :]), (i, 0, n - 1)), n * d),
    (sp.erf(dot(v, v)) * sp.sin(a), 0),
]


@pytest.mark.parametrize("body, mean", MEANS)
def test_a_mean_is_found_and_a_wrong_one_refuted(body, mean):
    sizes = Domain({n: (1, sp.oo), d: (1, sp.oo)})
    assert SampledMean(0.05).run(claim(equal(Expectation(body), mean), sizes), context()).holds
    wrong = SampledMean(0.05).run(claim(equal(Expectation(body), mean + sp.Rational(1, 4)), sizes), context())
    assert wrong.fails and "samples" in str(wrong.witness)


@pytest.mark.parametrize(
    "statement, words",
    [
        (equal(a, 0), "one side"),
        (Inequality(x, "<", 1), "got an Inequality"),
        (equal(Expectation(dot(Mask("M", d, rho=sp.Rational(1, 2)), v)), 0), "Gaussian"),
        (equal(Expectation(sp.exp(a**2 / 2)), 0), "infinite"),
    ],
)
def test_what_cannot_be_sampled_is_said(statement, words):
    verdict = SampledMean().run(claim(statement, Domain({d: (1, sp.oo)})), context())
    assert verdict.undecided and words in verdict.reason


@pytest.mark.parametrize(
    "body",
    [sp.erf(x) * sp.cos(y) - 2, sigmoid(x * y) ** 3, 3 * sp.tanh(x) / (2 + sp.exp(y)), sp.sign(x) * sp.Heaviside(y)],
)
@given(points=st.lists(st.floats(-20, 20), min_size=2, max_size=2))
def test_the_largest_value_bounds_the_function(body, points):
    bound = largest_value(body)
    assert bound is not None
    assert abs(complex(body.subs(dict(zip((x, y), points))).evalf())) <= float(bound) + 1e-9


def test_what_is_not_bounded_has_no_largest_value():
    for body in (x, sp.exp(x), 1 / x, sp.erf(x) * y, 1 / (sp.exp(x) - 1)):
        assert largest_value(body) is None
