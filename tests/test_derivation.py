"""Derivations: every line is an equality, and E and derive never differ."""

from __future__ import annotations

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics import value
from theory import (
    E,
    Expectation,
    GaussianIntegral,
    GaussianMatrix,
    NormalCDF,
    derive,
    dot,
    gaussians,
    to_latex,
    token_index,
)

mu, s, r, t, lam = sp.symbols("mu s r t lam", positive=True)
POINT = {"mu": 0.4, "s": 1.3, "r": 0.6, "t": 0.9, "lam": 0.8}

FACTORS = [
    lambda x: x,
    lambda x: x**2,
    lambda x: sp.erf(lam * x),
    lambda x: sp.erf(x + 1),
    sp.sign,
    sp.Abs,
    NormalCDF,
    lambda x: sp.exp(-(x**2)),
    sp.exp,
    sp.cos,
    lambda x: sp.sin(lam * x),
    lambda x: sp.Max(0, x),
    sp.tanh,
]


def at(expr):
    return value(expr, {name: x for name, x in POINT.items() if name in {str(f) for f in expr.free_symbols}})


def pair():
    return gaussians("a b", mean=[mu, 0], covariance=[[s, r], [r, t]])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(FACTORS), st.integers(0, 1)), min_size=1, max_size=3))
def test_every_line_of_a_derivation_has_the_value_of_the_last(factors):
    variables = pair()
    expr = sp.prod([f(variables[i]) for f, i in factors])
    derivation = derive(expr)
    assert derivation.start.doit() == E(expr)
    if any(node.dimension > 1 for node in derivation.result.atoms(GaussianIntegral)):
        return
    last = at(derivation.result)
    for step in derivation.steps:
        assert step.before != step.after
        for line in (step.before, step.after):
            closed = line.xreplace({node: node.doit() for node in line.atoms(Expectation)})
            assert at(closed) == pytest.approx(last, rel=1e-10, abs=1e-11)


def test_the_promised_steps():
    a, b = pair()
    assert derive(sp.erf(lam * a) * b).rules() == ("Stein", "tilting")
    assert derive(sp.erf(lam * a) * (b + 1)).rules() == ("linearity", "Stein", "tilting", "erf moment")
    assert "conditioning" in derive(sp.Max(0, a)).rules()
    assert "one-dimensional reduction" in derive(sp.tanh(a)).rules()
    assert derive(sp.Integer(3)).steps and derive(sp.Integer(3)).result == 3


def test_steps_are_linked():
    a, b = pair()
    derivation = derive(sp.erf(lam * a) ** 2 * b**2)
    for earlier, later in zip(derivation.steps, derivation.steps[1:]):
        assert earlier.after == later.before
    assert derivation.steps[0].before == derivation.start
    assert derivation.steps[-1].after == derivation.result


def test_a_derivation_shows_itself():
    a, b = pair()
    derivation = derive(sp.erf(lam * a) ** 2 * b**2)
    text, block = str(derivation), derivation._repr_latex_()
    assert "where a_tilde_1 ~ N(" in text and "Stein" in text
    assert block.startswith(r"$\displaystyle \begin{aligned}") and r"\text{Stein}" in block
    assert r"\tilde{a}_{1} \sim \mathcal{N}" in block
    assert r"\lambda" in block and r"\operatorname{erf}" in block


def test_conditions_are_printed():
    q, (z,) = sp.Symbol("q", real=True), gaussians("z")
    derivation = derive(sp.exp(q * z**2))
    assert derivation.conditions == (sp.Gt(1 - 2 * q, 0),)
    assert "provided" in str(derivation) and to_latex(sp.Gt(1 - 2 * q, 0)) in derivation.latex()


def test_a_long_derivation_shows_its_ends_and_the_count(monkeypatch):
    import importlib

    module = importlib.import_module("theory.derivation")
    monkeypatch.setattr(module, "SHOWN_LINES", 4)
    a, b = pair()
    derivation = derive(sp.erf(lam * a) ** 2 * b**2 * sp.Max(0, a))
    assert len(derivation.steps) > 4
    assert "more lines" in str(derivation) and r"more\ lines" in derivation.latex()


def test_sums_over_tokens_are_a_named_step():
    L, d = sp.symbols("L d", integer=True, positive=True)
    X, k, index = GaussianMatrix("X", L, d), sp.MatrixSymbol("k", d, 1), token_index()
    total = sp.Sum(sp.erf(dot(X[index, :], k)), (index, 0, L - 1))
    derivation = derive(total**2)
    assert derivation.rules()[0] == "exchangeable sums"
    assert derivation.result == E(total**2)
