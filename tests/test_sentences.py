"""Statements that are sentences: read from text, printed and read back, refused with the place."""

from __future__ import annotations

import random

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from proofs_check import FormulaError, Limits, read_statement
from proofs_check.formula import read
from proofs_check.formula.reading import WORK
from theory import Conserved, Invariant, Stationary

x, y, a = sp.symbols("x y a", real=True)
LETTERS = [x, y, a]

small = st.integers(-3, 3)
polynomials = st.lists(st.tuples(small, st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=3).map(
    lambda terms: sp.Add(*(c * x**i * y**j for c, i, j in terms))
)


@given(polynomials, polynomials, st.integers(-9, 9))
def test_what_is_printed_is_read_back(f, g, number):
    statements = [
        Stationary(f, (x, y), {x: a, y: number}),
        Invariant({x: f, y: g}, {y: number * a}),
        Conserved({x: f, y: g}, x + a * y),
    ]
    for statement in statements:
        assert read_statement(statement.text(), LETTERS) == statement


@pytest.mark.parametrize(
    "text, words, place",
    [
        ("x^2 is stationary in x", "expected 'at'", 22),
        ("x^2 is stationary in 2 at x = 0", "name of a number", 21),
        ("q^2 is stationary in x at x = 0", "unknown name q", 0),
        ("x^2 is stationary in x at x = q", "unknown name q", 30),
        ("x^2 is stationary in x at x", "coordinate", 26),
        ("y = 0 is invariant under dx/dt = -x, dy/dt = q", "unknown name q", 45),
        ("y = 0 is invariant under x = -x", "velocity", 25),
        ("q = 0 is invariant under dx/dt = -x", "unknown name q", 0),
        ("x y is conserved by dx/dt = x,, dy/dt = y", "velocity", 30),
        ("a is conserved by dx/dt = x", "coordinates that move", 0),
        ("y = x is invariant under dx/dt = x", "no velocity", 0),
    ],
)
def test_what_is_no_sentence_is_refused_with_the_place(text, words, place):
    with pytest.raises(FormulaError, match=words) as error:
        read_statement(text, LETTERS)
    assert error.value.position == place


def test_the_limits_hold_for_the_whole_sentence():
    velocities = ", ".join(["dx/dt = x + y + x + y"] * 40)
    with pytest.raises(FormulaError, match="nodes"):
        read_statement(f"x*y is conserved by {velocities}", LETTERS, limits=Limits(nodes=100))


PIECES = [" is stationary in ", " at ", " is invariant under ", " is conserved by ", "dx/dt = ", "dy/dt=", "{", "}"]
PIECES += [", ", "x", "y", "a", " = 0", "2", "^", "*", "(", ")", " + ", "\\", "é"]


@pytest.mark.parametrize("seed", range(3))
def test_random_sentences_are_read_or_refused(seed):
    rng = random.Random(seed)
    accepted = 0
    for _ in range(2_000):
        body = [rng.choice(PIECES) for _ in range(rng.randrange(1, 5))]
        shape = rng.choice(["{} is stationary in x at x = {}", "y = {} is invariant under dx/dt = {}, dy/dt = 0"])
        text = shape.format("".join(body), rng.choice(["a", "2*a", "0"])) if rng.randrange(2) else "".join(body * 3)
        try:
            reading = read(text, LETTERS, statement=True)
        except FormulaError as error:
            assert error.work <= WORK * (len(text) + 1)
            continue
        accepted += 1
        assert reading.work <= WORK * (len(text) + 1)
    assert accepted > 40
