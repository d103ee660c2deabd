"""What names stand for, said in Python: the words of where=."""

from __future__ import annotations

import pytest
import sympy as sp

from proofs_check import FormulaError, Gaussian, integer, matrix, negative, positive, real, vector
from proofs_check.declarations import declare, declare_where
from theory import GaussianVector

d = sp.Symbol("d", integer=True, positive=True)


@pytest.mark.parametrize(
    "word, text",
    [
        (real, "real"),
        (positive, "positive"),
        (negative, "negative"),
        (positive & integer, "positive integer"),
        ((-1, sp.Rational(3, 2)), "real in [-1, 3/2]"),
        ((0, sp.oo), "real in [0, oo)"),
        (vector("d"), "vector(d)"),
        (matrix("n", "d"), "matrix(n, d)"),
        (matrix("d", "d", "symmetric"), "symmetric matrix(d)"),
    ],
)
def test_a_word_says_what_the_declaration_of_a_claims_file_says(word, text):
    by_word, by_text = declare_where({"a": word}), declare({"a": text}, {})
    assert by_word.vocabulary.names == by_text.vocabulary.names
    assert by_word.intervals == by_text.intervals
    assert by_word.symmetric == by_text.symmetric


@pytest.mark.parametrize("order", [("g", "s", "mu"), ("mu", "g", "s")])
def test_a_law_may_speak_of_names_that_come_later(order):
    kinds = {"g": Gaussian("mu", "s^2"), "s": positive, "mu": real}
    names = declare_where({name: kinds[name] for name in order}).vocabulary.names
    family = names["g"].family
    assert family.mean[0] == names["mu"] and family.covariance[0, 0] == names["s"] ** 2


def test_random_variables_bring_the_letters_of_their_laws():
    x = GaussianVector("x", d, covariance=sp.MatrixSymbol("S", d, d))
    declared = declare_where({"x": x})
    assert declared.vocabulary.known() == "S, d, x" and declared.intervals == {d: (1, sp.oo)}


def test_a_symbol_keeps_its_own_assumptions():
    n = sp.Symbol("n", integer=True)
    (symbol,) = declare_where({n: positive}).intervals
    assert symbol.is_integer and symbol.is_positive


@pytest.mark.parametrize(
    "where, words",
    [
        ({"a": Gaussian("q", 1)}, "unknown name q"),
        ({"a": Gaussian(0, -1)}, "a ="),
        ({"a": "gaussian, mean (1, 2)"}, "a ="),
        ({"a": positive & negative}, "contradict"),
        ({"a": (1, 0)}, "low <= high"),
        ({"a": (0, 0.5)}, "float"),
        ({"2a": real}, "2a"),
        ({"pi": real}, "reserved"),
        ({"a": real, sp.Symbol("a"): positive}, "once"),
    ],
)
def test_what_is_wrong_with_a_declaration_is_named(where, words):
    with pytest.raises(FormulaError, match=words):
        declare_where(where)


def test_a_mapping_is_expected():
    with pytest.raises(TypeError, match="mapping"):
        declare_where(["a"])  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [lambda: matrix("n", "d", "symmetric"), lambda: matrix(2, 2, "orthogonal")])
def test_matrices_that_cannot_be_are_refused(make):
    with pytest.raises(ValueError, match="expected"):
        make()
