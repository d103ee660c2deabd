"""A claim is a function; nothing is derived before it is asked; its controls are false."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
import sympy as sp

from proofs_check.claim import Claim, Study, claim, perturb
from proofs_check.symbolic import SymbolicIdentity
from theory.domain import Domain
from theory.statement import (
    Agreement,
    Identity,
    Inequality,
    Invariant,
    Limit,
    Stationary,
    StationaryCount,
    equal,
)

x, y = sp.symbols("x y", real=True)
LINE = Domain({x: (-1, 1), y: (-1, 1)})
TENTH = sp.Rational(1, 10)


def make(function, **options):
    return claim(**{"on": LINE, "by": [SymbolicIdentity()], "source": "school", **options})(function)


def square_of_a_sum():
    """The square of a sum is
    the sum of the squares and twice the product."""
    return equal((x + y) ** 2, x**2 + 2 * x * y + y**2)


def test_a_function_becomes_a_claim():
    made = make(square_of_a_sum)
    assert made.name == "square-of-a-sum"
    assert made.sentence == "The square of a sum is the sum of the squares and twice the product."
    assert made() is made.statement
    assert (made.expected, made.source, made.domain) == ("holds", "school", LINE)


def test_nothing_is_derived_before_the_statement_is_asked_for_and_then_once():
    calls = []

    def expensive():
        """It takes long."""
        calls.append(1)
        return equal(x, x)

    made = make(expensive)
    control = made.perturbed(1e-3)
    assert not calls
    assert made.statement is made.statement and control.statement.rhs != x
    assert len(calls) == 1


def test_a_claim_needs_a_sentence_and_a_statement():
    with pytest.raises(ValueError, match="docstring"):
        make(lambda: equal(x, x))

    def forgets():
        """It forgets to return."""

    with pytest.raises(TypeError, match="got None"):
        _ = make(forgets).statement


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"expected": "true"}, ValueError, "refuted"),
        ({"name": "two words"}, ValueError, "name='two words'"),
        ({"name": "../etc"}, ValueError, "name="),
        ({"on": {x: (0, 1)}}, TypeError, "expected a Domain"),
        ({"by": [SymbolicIdentity]}, TypeError, "expected checks"),
    ],
)
def test_misuse_is_named(options, error, message):
    with pytest.raises(error, match=message):
        make(square_of_a_sum, **options)


PERTURBED = [
    (equal(x, 2 * x), Identity(x, sp.Rational(11, 5) * x)),
    (equal(x, 0), Identity(x, TENTH)),
    (Inequality(x, "<", y), Inequality(x, ">=", y)),
    (Limit(1 / x, x, sp.oo, 0), Limit(1 / x, x, sp.oo, TENTH)),
    (Limit(x, x, sp.oo, sp.oo), Limit(x, x, sp.oo, -sp.oo)),
    (Invariant({x: -x, y: x * y}, {y: 0}), Invariant({x: -x, y: x * y + TENTH}, {y: 0})),
    (Stationary(x**2, (x,), {x: 0}), Stationary(x**2 + TENTH * x, (x,), {x: 0})),
    (Agreement(x), Agreement(x * sp.Rational(11, 10))),
]


@pytest.mark.parametrize(("statement", "expected"), PERTURBED, ids=lambda each: type(each).__name__)
def test_every_kind_of_statement_has_a_false_neighbour(statement, expected):
    assert perturb(statement, TENTH) == expected


def test_a_count_is_off_by_one():
    count = StationaryCount((x**2 - 1,), (x,), {x: (-2, 2)}, ({x: 1}, {x: -1}))
    assert perturb(count, TENTH).number == 3


def test_one_component_is_perturbed_wherever_it_is():
    statement = equal([x, y, 0], [x, y, 0])
    seen = {perturb(statement, TENTH, which).rhs for which in range(3)}
    assert len(seen) == 3 and statement.rhs not in seen
    matrix = equal(sp.Matrix([[x, 0]]), sp.Matrix([[x, 0]]))
    assert perturb(matrix, TENTH, 1).rhs == sp.ImmutableMatrix([[x, TENTH]])


@pytest.mark.parametrize("by", [1e-12, "1e-12", Decimal("1e-12"), sp.Rational(1, 10**12), Fraction(1, 10**12)])
def test_the_size_of_a_perturbation_is_exact(by):
    control = make(square_of_a_sum).perturbed(by)
    assert control.statement.rhs == (x**2 + 2 * x * y + y**2) * (1 + sp.Rational(1, 10**12))
    assert control.expected == "refuted" and control.name.startswith("square-of-a-sum-perturbed-by-")


@pytest.mark.parametrize("by", [0, None, True, [1], float("nan"), float("inf"), "much"])
def test_a_perturbation_by_nothing_is_refused(by):
    with pytest.raises((TypeError, ValueError), match="by"):
        make(square_of_a_sum).perturbed(by)


def test_a_study_has_each_name_once_and_finds_its_claims():
    made = make(square_of_a_sum)
    study = Study("toy", "Toy", "school", (made, made.perturbed(1e-3)))
    assert study["square-of-a-sum"] is made
    with pytest.raises(KeyError, match="no claim 'cube'"):
        study["cube"]
    with pytest.raises(ValueError, match="two claims"):
        Study("toy", "Toy", "school", (made, made))
    with pytest.raises(TypeError, match="decorator"):
        Study("toy", "Toy", "school", (square_of_a_sum,))


def test_a_claim_can_be_written_without_the_decorator():
    made = Claim("one", "One is one.", lambda: equal(1, 1), Domain({}), "", ())
    assert made.statement.text() == "1 = 1" and not made.is_statistical
