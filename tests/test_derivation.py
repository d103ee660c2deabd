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
    GaussianVector,
    Mask,
    MixtureMatrix,
    NormalCDF,
    derive,
    dot,
    gaussians,
    to_latex,
    token_index,
)
from theory.matrix_identity import matrices_agree

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


# --- matrices ----------------------------------------------------------------------------------

_n, _d = sp.symbols("n d", integer=True, positive=True)
_A, _B, _S, _W = (sp.MatrixSymbol(name, _d, _d) for name in "ABSW")
_k, _m = sp.MatrixSymbol("k", _d, 1), sp.MatrixSymbol("m", _d, 1)
_X = GaussianMatrix("X", _n, _d, covariance=_S)
_x = GaussianVector("x", _d, covariance=_S)
_Z = MixtureMatrix("Z", _n, _d, weights=[sp.Rational(1, 3), sp.Rational(2, 3)], means=[_m, _k], covariance=2)
_mask = Mask("M", _d, sp.Symbol("rho", positive=True))
MATRICES = [
    sp.Trace(_X.T * _X * _A * _X.T * _X * _B),
    _X.T * _X * _A * _X.T * _X,
    sp.HadamardProduct(_mask, _x) * sp.HadamardProduct(_mask, _x).T,
    _Z.T * _Z,
    _Z * _W * _Z.T,
    sp.erf(dot(_x, _k)) * _x,
    sp.exp(-dot(_x, _x)) * (_x * _x.T),
    sp.exp(-dot(_x, _x)) * dot(_x, _k) ** 2,
]


@pytest.mark.parametrize("expr", MATRICES, ids=str)
def test_every_line_of_a_derivation_with_matrices_is_the_mean(expr):
    """The expectations left in a line are evaluated, and the line agrees with the result."""
    derivation = derive(expr)
    assert matrices_agree(derivation.result, E(expr), frozenset({_S}))
    for step in derivation.steps:
        line = step.after
        nodes = [node for node in sp.preorder_traversal(line) if type(node).__name__.endswith("Expectation")]
        done = line.xreplace({node: node.doit() for node in nodes})
        assert matrices_agree(done, derivation.result, frozenset({_S})), step.rule
    assert "FunctionMatrix" not in str(derivation)
    assert derivation.latex().startswith("\\begin{aligned}")


def test_the_rules_of_matrices_are_named():
    assert derive(MATRICES[0]).rules() == ("Isserlis",)
    assert "mask algebra" in derive(MATRICES[2]).rules()
    assert "multinomial moments" in derive(_Z * _W * _Z.T).rules()
    assert derive(MATRICES[7]).rules()[0] == "tilting"


def test_a_line_of_thousands_of_terms_shows_its_ends_and_their_number():
    letters = [sp.MatrixSymbol(f"A{i}", _d, _d) for i in range(4)]
    derivation = derive(sp.Trace(sp.MatMul(*(factor for A in letters for factor in (_X.T, _X, A)))))
    assert "more terms" in str(derivation) and len(str(derivation)) < 20_000
    assert len(derivation.result.args) == 105


def test_vectors_that_rules_make_are_explained():
    text = str(derive(sp.exp(-dot(_x, _x)) * sp.erf(dot(_x, _k) + 1)))
    assert "where x~ ~ N(" in text
