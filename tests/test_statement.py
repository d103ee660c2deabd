"""Statements keep both sides as written, refuse what is not exact, and say what has to be zero."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
import sympy as sp

from theory.statement import (
    Agreement,
    Identity,
    Inequality,
    Invariant,
    Limit,
    Stationary,
    StationaryCount,
    equal,
    evaluate_expectations,
)

x, y, z = sp.symbols("x y z", real=True)

EVERY_KIND = [
    equal(x, y),
    equal([x, y], [y, x]),
    Inequality(x, "<", y),
    Limit(x / (1 + x), x, sp.oo, 1),
    Invariant({x: -x, y: x * y}, {y: 0}),
    Stationary(x**2, (x,), {x: 0}),
    StationaryCount((x**2 - 1,), (x,), {x: (-2, 2)}, ({x: 1}, {x: -1})),
    Agreement(x**2),
]


def test_a_true_identity_keeps_both_sides():
    assert equal(x, x) == Identity(x, x)
    assert equal(x, x).text() == "x = x"
    assert equal(x * (x + 1), x**2 + x).lhs == x * (x + 1)


def test_lists_and_matrices_are_compared_by_component():
    assert equal([x, 1], (y, 2)).components() == ((x, y), (sp.Integer(1), sp.Integer(2)))
    assert equal(sp.Matrix([[x], [y]]), sp.Matrix([[1], [2]])).components() == ((x, 1), (y, 2))


@pytest.mark.parametrize(
    ("lhs", "rhs"),
    [([x], x), ([x], [x, y]), (sp.Matrix([x, y]), sp.Matrix([[x, y]])), (x, sp.Matrix([x]))],
)
def test_sides_of_different_shape_are_refused(lhs, rhs):
    with pytest.raises(ValueError, match="one shape"):
        equal(lhs, rhs)


@pytest.mark.parametrize("side", [0.1, sp.Float("0.1"), x + sp.Float(2), [x, 0.5]])
def test_floats_are_refused_with_advice(side):
    with pytest.raises(TypeError, match="Rational"):
        equal(side, side)


@pytest.mark.parametrize("side", ["x + 1", "__import__('os')", None, object(), True])
def test_text_and_strangers_are_refused(side):
    with pytest.raises(TypeError, match="sympy expression"):
        equal(x, side)


def test_a_risk_stands_for_its_expression():
    class Risk:
        expr = x**2

    assert equal(Risk(), x**2).lhs == x**2
    assert Agreement(Risk()).formula == x**2


@pytest.mark.parametrize("statement", EVERY_KIND, ids=lambda statement: type(statement).__name__)
def test_every_statement_prints_and_maps_and_is_frozen(statement):
    assert statement.text() and statement.latex().count("{") == statement.latex().count("}")
    assert statement.map(lambda expr: expr) == statement
    renamed = statement.map(lambda expr: expr.xreplace({y: z}))
    assert type(renamed) is type(statement)
    with pytest.raises(FrozenInstanceError):
        statement.anything = 1


def test_an_inequality_knows_its_relation_and_its_negation():
    for relation, opposite in {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}.items():
        assert Inequality(x, relation, y).negated() == Inequality(x, opposite, y)
    with pytest.raises(ValueError, match="relation='=='"):
        Inequality(x, "==", y)


def test_a_limit_is_free_of_its_variable():
    with pytest.raises(ValueError, match="free of x"):
        Limit(x * y, x, sp.oo, x)


def test_a_manifold_is_invariant_when_the_velocity_across_it_is_zero():
    flow = {x: -y * x + z, y: x**2, z: sp.sin(z) * y}
    (crossing,) = Invariant(flow, {z: 0}).identities()
    assert crossing.components() == ((0, 0),)
    (moving,) = Invariant(flow, {x: 0}).identities()
    assert moving.lhs == z and moving.rhs == 0


def test_a_curved_manifold_carries_the_chain_rule():
    # On y = x², ẏ must be 2x ẋ.
    flow = {x: -x, y: -2 * y}
    (crossing,) = Invariant(flow, {y: x**2}).identities()
    assert sp.expand(crossing.lhs - crossing.rhs) == 0
    (bent,) = Invariant({x: -x, y: -y}, {y: x**2}).identities()
    assert sp.expand(bent.lhs - bent.rhs) != 0


def test_a_manifold_needs_velocities_and_free_coordinates():
    with pytest.raises(ValueError, match="no velocity"):
        Invariant({x: -x}, {y: 0})
    with pytest.raises(ValueError, match="free coordinates"):
        Invariant({x: -x, y: y}, {y: x, x: y})


def test_the_gradient_is_taken_before_the_point_is_put_in():
    first, second = Stationary(x**2 * y + y**2, (x, y), {x: 0, y: 0}).identities()
    assert (first.lhs, second.lhs) == (0, 0)
    assert Stationary((x - z) ** 2, (x,), {x: z}).identities()[0].lhs == 0


def test_a_count_checks_its_own_bookkeeping():
    box = {x: (-2, 2)}
    assert StationaryCount((x**2 - 1,), (x,), box, ({x: 1}, {x: -1})).number == 2
    with pytest.raises(ValueError, match="components"):
        StationaryCount((x, y), (x,), box)
    with pytest.raises(ValueError, match="interval"):
        StationaryCount((x,), (x,), {y: (0, 1)})
    with pytest.raises(ValueError, match="every zero"):
        StationaryCount((x,), (x,), box, ({y: 0},))
    with pytest.raises(ValueError, match="nature"):
        StationaryCount((x,), (x,), box, ({x: 0},), natures=())


def test_only_expectations_are_evaluated():
    class Expectation(sp.Expr):
        def doit(self, **hints):
            return self.args[0] + 1

    endless = sp.Sum(1 / x, (x, 1, 10**8))
    assert evaluate_expectations(Expectation(y) + endless) == y + 1 + endless
