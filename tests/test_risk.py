"""Risks: the waist of the hourglass, and the scalars made of vectors below it."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from numerics import value
from theory import (
    GaussianMatrix,
    GaussianVector,
    Latent,
    Law,
    PointwiseAttention,
    Risk,
    TokenGroup,
    Tokens,
    dot,
    gaussians,
    matrix_gradient,
    population_risk,
    quad,
)
from theory.variables import trace

d, L = sp.symbols("d L", integer=True, positive=True)
k, v, w = (sp.MatrixSymbol(name, d, 1) for name in "kvw")
A, B, S = (sp.MatrixSymbol(name, d, d) for name in "ABS")
ARRAYS = {
    name: np.random.default_rng(i).standard_normal(3 if name in "kvw" else (3, 3)) for i, name in enumerate("kvwABS")
}


def number(expr):
    return value(expr, {name: x for name, x in ARRAYS.items() if name in {str(f) for f in expr.free_symbols}})


# --- scalar products -----------------------------------------------------------------------


def test_scalar_products_are_symmetric_and_bilinear():
    assert dot(k, v) == dot(v, k) == dot(k.T, v)
    assert dot(2 * k - v, w) == 2 * dot(k, w) - dot(v, w)
    assert dot(k, A * v) == dot(v, A.T * k)
    assert dot(k, k) == quad(k, sp.Identity(d))
    assert dot(k, sp.ZeroMatrix(d, 1)) == 0


columns = st.recursive(
    st.sampled_from([k, v, w]),
    lambda inner: st.one_of(
        st.builds(lambda c, x: c * x, st.integers(-3, 3).filter(bool), inner),
        st.builds(lambda M, x: M * x, st.sampled_from([A, B, A.T, S]), inner),
        st.builds(lambda x, y: x + y, inner, inner),
    ),
    max_leaves=4,
)


@given(columns, columns)
def test_scalar_products_mean_what_numpy_means(x, y):
    def array(expr):
        if isinstance(expr, sp.MatrixSymbol):
            return ARRAYS[expr.name]
        if isinstance(expr, sp.Transpose):
            return array(expr.arg).T
        if isinstance(expr, sp.MatAdd):
            return sum(array(arg) for arg in expr.args)
        if isinstance(expr, sp.MatPow):
            return np.linalg.matrix_power(array(expr.base), int(expr.exp))
        if isinstance(expr, sp.MatMul):
            result = None
            coefficient, factors = expr.as_coeff_matrices()
            for factor in factors:
                result = array(factor) if result is None else result @ array(factor)
            return float(coefficient) * result
        assert isinstance(expr, sp.ZeroMatrix)
        return np.zeros(3)

    scale = np.linalg.norm(array(x)) * np.linalg.norm(array(y)) + 1
    scalar = dot(x, y)
    ours = number(scalar) if scalar.free_symbols else float(scalar)
    assert abs(ours - array(x) @ array(y)) < 1e-11 * scale


def test_traces_are_cyclic_and_linear():
    assert trace(A * B) == trace(B * A) == trace(B.T * A.T)
    assert trace(2 * A + 3 * sp.Identity(d)) == 2 * sp.Trace(A) + 3 * d


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dot(k, sp.MatrixSymbol("u", 2, 1)), "one dimension"),
        (lambda: dot(k, A), "vector"),
        (lambda: quad(k, 3), "square matrix"),
        (lambda: GaussianVector("x", 0), "d=0"),
        (lambda: GaussianVector("x", 2, mean=[1, 2, 3]), "mean"),
        (lambda: GaussianVector("x", d, covariance=-1), "nonnegative variance"),
        (lambda: GaussianVector("x", d, covariance=sp.MatrixSymbol("Q", 2, 2)), "shape"),
        (lambda: TokenGroup(-1), "nonnegative integer"),
        (lambda: TokenGroup(2, at=Latent("J", L)), "size=1"),
        (lambda: Tokens("X", d, []), "at least one"),
        (lambda: Latent("J", 0), "L=0"),
        (lambda: gaussians("a a"), "distinct"),
        (lambda: gaussians("a b", mean=[1]), "2 means"),
        (lambda: gaussians("a", mean=[sp.nan]), "finite"),
        (lambda: GaussianMatrix("X", L, d)[0:2, :], "single row"),
    ],
)
def test_misuse_is_named(make, message):
    with pytest.raises((ValueError, IndexError), match=message):
        make()


def test_random_symbols_carry_their_law():
    assert GaussianVector("x", d, mean=k) == GaussianVector("x", d, mean=k)
    assert GaussianVector("x", d, mean=k) != GaussianVector("x", d)
    assert GaussianVector("x", d, mean=k).subs(k, v) == GaussianVector("x", d, mean=v)
    X = GaussianMatrix("X", L, d, covariance=S)
    assert X.subs(L, 3).shape == (3, d) and X.func(*X.args) == X


# --- gradients -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expr",
    [
        dot(k, v) ** 2 * dot(k, k),
        quad(k, A) * dot(k, w),
        sp.erf(dot(k, A * v)) + dot(v, A * k) ** 3,
        sp.sqrt(1 + dot(k, S * k)),
    ],
)
def test_matrix_gradients_are_directional_derivatives(expr):
    direction = np.random.default_rng(9).standard_normal(3)
    h = 1e-5

    def moved(step):
        arrays = ARRAYS | {"k": ARRAYS["k"] + step * direction}
        return value(expr, {name: x for name, x in arrays.items() if name in {str(f) for f in expr.free_symbols}})

    slope = dot(matrix_gradient(expr, k), sp.MatrixSymbol("u", d, 1))
    arrays = ARRAYS | {"u": direction}
    ours = value(slope, {name: x for name, x in arrays.items() if name in {str(f) for f in slope.free_symbols}})
    assert ours == pytest.approx((moved(h) - moved(-h)) / (2 * h), rel=1e-7)


class Iid(Law):
    """The target is the first token's value."""

    def tokens(self):
        return GaussianMatrix("X", L, d)

    def target(self):
        return dot(self.tokens()[0, :], w)


def test_a_risk_has_gradient_hessian_and_restrictions():
    risk = population_risk(Iid(), PointwiseAttention(k, v, sp.Integer(1), lambda score: score))
    assert set(risk.parameters) == set(risk.gradient())
    hessian = risk.hessian()
    assert hessian.is_symmetric()
    fewer = risk.restrict({risk.parameters[0]: 1})
    assert len(fewer.parameters) == len(risk.parameters) - 1
    with pytest.raises(ValueError, match="symbols of the risk"):
        risk.restrict({sp.Symbol("nonsense"): 1})


def test_the_loss_is_the_callers():
    double = population_risk(
        Iid(),
        PointwiseAttention(k, v, sp.Integer(1)),
        lambda y, t: (y - t) ** 2 / 2,
        overlaps={dot(w, w): sp.Integer(1)},
    )
    plain = population_risk(Iid(), PointwiseAttention(k, v, sp.Integer(1)), overlaps={dot(w, w): sp.Integer(1)})
    assert sp.expand(2 * double.expr - plain.expr) == 0


def test_a_risk_shows_itself():
    assert "x^{2}" in Risk(sp.Symbol("x") ** 2, (sp.Symbol("x"),))._repr_latex_()
