"""Limits are proven by laws, or not given."""

from __future__ import annotations

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.limits import proven_limit, sign_on_domain
from theory.domain import Domain
from theory.special import NormalCDF

x, y = sp.symbols("x y", real=True)
lam, m = sp.symbols("lam m", positive=True)
L = sp.Symbol("L", integer=True, positive=True)
DOMAIN = Domain({x: (-1, 1), y: (-1, 1), lam: (0, sp.oo), m: (0, sp.oo), L: (2, sp.oo)})

LIMITS = [
    ((x**2 + 1) / (2 * x**2 - x), x, sp.oo, sp.Rational(1, 2)),
    ((x**2 + 1) / (2 * x**2 - x), x, -sp.oo, sp.Rational(1, 2)),
    (x**3 / (1 + x**2), x, -sp.oo, -sp.oo),
    (x / (1 + x**2), x, sp.oo, 0),
    ((x**2 - 1) / (x - 1), x, 1, 2),
    (sp.exp(-lam * x), x, sp.oo, 0),
    (sp.exp(lam * x), x, sp.oo, sp.oo),
    (sp.erf(x) * sp.atan(x), x, -sp.oo, sp.pi / 2),
    (sp.sqrt(1 + 1 / x**2), x, sp.oo, 1),
    (1 / sp.sqrt(1 + 2 * lam**2 * x**2), x, sp.oo, 0),
    (NormalCDF(-m), m, sp.oo, 0),
    (sp.sin(x) / (2 + sp.cos(x)), x, 0, 0),
    (2 ** (-x), x, sp.oo, 0),
    (lam * x / (1 + lam * x) + sp.tanh(x), x, sp.oo, 2),
    (sp.sin(x) / x, x, 0, 1),
    ((1 - sp.cos(x)) / x**2, x, 0, sp.Rational(1, 2)),
    (sp.asin(2 * x**2 / (1 + 2 * x**2)) / x**2, x, 0, 2),
    (sp.asin(2 * x**2 / (1 + 2 * x**2)) / x**2, x, sp.oo, 0),
    (sp.erf(x) / sp.sin(x), x, 0, 2 / sp.sqrt(sp.pi)),
    (sp.log(x) / (x - 1), x, 1, 1),
    (x * sp.erf(1 / x), x, sp.oo, 2 / sp.sqrt(sp.pi)),
    (x * (sp.exp(lam / x) - 1), x, -sp.oo, lam),
]


@pytest.mark.parametrize(("expr", "symbol", "point", "value"), LIMITS, ids=str)
def test_the_limit_laws_give(expr, symbol, point, value):
    assert sp.simplify(proven_limit(expr, symbol, sp.sympify(point), DOMAIN) - value) in (0, sp.nan)
    assert proven_limit(expr, symbol, sp.sympify(point), DOMAIN).is_infinite == sp.sympify(value).is_infinite


UNREACHED = [
    (x * sp.exp(-x), x, sp.oo),
    (sp.exp(x) - sp.exp(2 * x), x, sp.oo),
    (sp.sin(x), x, sp.oo),
    (1 / x, x, sp.Integer(0)),
    (sp.Abs(x) / x, x, sp.Integer(0)),
    (sp.sqrt(x) / x, x, sp.Integer(0)),
    (sp.asin(y + x) / x, x, sp.Integer(0)),
    (sp.exp(-1 / x**2) / x, x, sp.Integer(0)),
    (x * y, x, sp.oo),
    ((y * x + 1) / (y * x + 2), x, sp.oo),
    (sp.Heaviside(x), x, sp.Integer(0)),
]


@pytest.mark.parametrize(("expr", "symbol", "point"), UNREACHED, ids=str)
def test_the_limit_laws_do_not_guess(expr, symbol, point):
    """0·oo, oo − oo, poles, and leading coefficients that may vanish on the domain."""
    assert proven_limit(expr, symbol, point, DOMAIN) is None


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=4), st.lists(st.integers(-3, 3), min_size=1, max_size=4))
def test_limits_of_fractions_agree_with_sympy(upper, lower):
    numerator, denominator = sp.Poly(upper, x).as_expr(), sp.Poly(lower, x).as_expr()
    if denominator == 0:
        return
    ours = proven_limit(numerator / denominator, x, sp.oo, DOMAIN)
    assert ours == sp.limit(numerator / denominator, x, sp.oo)


@pytest.mark.parametrize(
    ("expr", "sign"),
    [
        (L - 1, 1),
        (L**2 - L - 1, 1),
        (1 - L, -1),
        (L - 2, None),
        (lam**2 + 1, 1),
        (lam * (L - 1) / (1 + lam), 1),
        (x, None),
        (x + 1, None),
        (x + 2, 1),
        (sp.exp(x), 1),
        (sp.sin(x), None),
        (sp.Integer(0), 0),
    ],
)
def test_signs_on_the_domain(expr, sign):
    assert sign_on_domain(expr, DOMAIN) == sign


@given(
    st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 3), st.integers(0, 2)), max_size=5),
    st.integers(0, 99),
)
def test_a_proven_sign_is_the_sign_at_every_point(terms, seed):
    expr = sp.Add(*(c * L**i * (1 + x) ** j for c, i, j in terms))
    sign = sign_on_domain(expr, DOMAIN)
    if sign is not None:
        for point in DOMAIN.generic_points(3, seed):
            assert sp.sign(expr.xreplace(point)) == sign
