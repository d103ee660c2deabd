"""Words and matrix gradients: canonical forms, reading and writing, derivatives against finite differences."""

from __future__ import annotations

from itertools import product

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from theory import NoClosedForm
from theory.matrix_gradient import matrix_gradient
from theory.variables import GaussianMatrix, GaussianVector, dot, quad
from theory.wick import word_polynomial
from theory.words import Alphabet, least_rotation, scalar_words

n, d = sp.symbols("n d", integer=True, positive=True)
A, B, C, S, W = (sp.MatrixSymbol(name, d, d) for name in "ABCSW")
u, v = (sp.MatrixSymbol(name, d, 1) for name in "uv")
c = sp.Symbol("c")
GENERAL = {ord(a): ord(b) for a, b in ("aA", "Aa", "bB", "Bb", "ss")}


def read(expr: sp.Expr, symmetric: frozenset = frozenset()) -> sp.Expr:
    return word_polynomial(expr, symmetric).expr()


# --- canonical form ------------------------------------------------------------------------


@given(st.text("aAbBs", min_size=1, max_size=9), st.integers(0, 8))
def test_a_trace_has_one_name(word, i):
    rotated = word[i % len(word) :] + word[: i % len(word)]
    assert least_rotation(rotated, GENERAL) == least_rotation(word, GENERAL)
    assert least_rotation(word[::-1].translate(GENERAL), GENERAL) == least_rotation(word, GENERAL)


@given(st.text("aAbBs", min_size=1, max_size=6), st.text("aAbBs", min_size=1, max_size=6))
def test_different_traces_have_different_names(first, second):
    readings = {
        reading[i:] + reading[:i] for reading in (first, first[::-1].translate(GENERAL)) for i in range(len(first))
    }
    assert (second in readings) == (least_rotation(first, GENERAL) == least_rotation(second, GENERAL))


def test_cyclicity_and_transposition_merge():
    assert read(sp.Trace(A * B * C) - sp.Trace(C * A * B)) == 0
    assert read(sp.Trace(A * B.T) - sp.Trace(B * A.T)) == 0
    assert read(sp.Trace(A * B) - sp.Trace(A * B.T)) != 0
    assert read(sp.Trace(A * S) - sp.Trace(A.T * S), frozenset({S})) == 0
    assert read(sp.Trace(A * S) - sp.Trace(A.T * S)) != 0


def test_vectors_take_words_apart():
    expected = dot(v, B * u) * dot(u, A * v)
    assert read(sp.Trace(A * v * v.T * B * u * u.T)) == expected
    assert read((u.T * A * v) * (v.T * B * u)) == expected


@pytest.mark.parametrize(
    ("expr", "value"),
    [
        (sp.Trace(sp.Identity(d)), d),
        (sp.Trace(sp.Identity(3)), 3),
        (sp.Trace(2 * A - A - A), 0),
        (sp.Trace(A * A.I), d),
        (sp.Trace(A.I * B * A), sp.Trace(B)),
        (sp.Trace((A * B).I * A), sp.Trace(B.I)),
        (sp.Trace(A.T.I * A.T * B), sp.Trace(B)),
        (sp.Trace((A + B) ** 2), sp.Trace(A**2) + 2 * sp.Trace(A * B) + sp.Trace(B**2)),
        (sp.Trace(sp.OneMatrix(n, d) * sp.OneMatrix(d, n)), d * n),
        (sp.Trace(A * sp.ZeroMatrix(d, d)), 0),
        (sp.Trace(A) * c**2 + sp.sin(c), sp.Trace(A) * c**2 + sp.sin(c)),
        (dot(u, A * v) ** 2 / c, dot(u, A * v) ** 2 / c),
        (sp.exp(sp.Trace(A)) * sp.Trace(B), sp.exp(sp.Trace(A)) * sp.Trace(B)),
        (sp.Trace(A * sp.HadamardProduct(B, C)) - sp.Trace(sp.HadamardProduct(B, C) * A), 0),
        (sp.Trace(sp.Matrix([[1, 2], [3, 4]]) * sp.Matrix([[1, 0], [c, 1]])), 5 + 2 * c),
    ],
)
def test_scalars_read_and_written(expr, value):
    assert sp.expand(read(expr) - value) == 0


@pytest.mark.parametrize(
    ("matrix", "value"),
    [
        ((A + B).T * C, A.T * C + B.T * C),
        (A * A.I, sp.Identity(d)),
        (A - A, sp.ZeroMatrix(d, d)),
        (A**2 * sp.Trace(B), sp.Trace(B) * A**2),
        (u * v.T * A * u, dot(v, A * u) * u),
        ((A * B).T, B.T * A.T),
        (A**-2, A.I * A.I),
    ],
)
def test_matrices_read_and_written(matrix, value):
    assert read(matrix - value) == sp.ZeroMatrix(*matrix.shape)
    assert read(matrix).shape == matrix.shape


def test_coefficients_stay_exact():
    assert read(0.1 * sp.Trace(A)) == sp.Rational(1, 10) * sp.Trace(A)


def test_a_letter_is_its_transpose_only_when_known():
    alphabet = Alphabet(frozenset({S}))
    assert alphabet.transposed(alphabet.letter(S)) == alphabet.letter(S)
    assert alphabet.transposed(alphabet.letter(A)) != alphabet.letter(A)
    diagonal = sp.ImmutableDenseMatrix([[1, 2], [2, 5]])
    assert alphabet.transposed(alphabet.letter(diagonal)) == alphabet.letter(diagonal)


def test_refusals_name_what_stood_in_the_way():
    X = GaussianMatrix("X", n, d)
    for expr, name in (
        (sp.exp(sp.Trace(X.T * X)), "exp"),
        (1 / sp.Trace(X.T * X), "Pow"),
        (sp.Trace((X.T * X).I), "inverse"),
        (sp.Trace(sp.HadamardProduct(X, 2 * X) * X.T), "HadamardProduct"),
        (sp.log(sp.Determinant(X.T * X)), "log"),
    ):
        with pytest.raises(NoClosedForm, match=name):
            scalar_words(expr, Alphabet())


# --- gradients -----------------------------------------------------------------------------


VALUES = {
    A: sp.ImmutableDenseMatrix([[2, -1], [3, 1]]),
    B: sp.ImmutableDenseMatrix([[1, 4], [-2, 5]]),
    S: sp.ImmutableDenseMatrix([[3, 1], [1, 2]]),
    u: sp.ImmutableDenseMatrix([2, 3]),
    v: sp.ImmutableDenseMatrix([-1, 2]),
}


def explicit(expr: sp.Expr, values: dict) -> sp.Expr:
    """The expression with explicit matrices for its symbols, d = 2."""
    if expr in values:
        return values[expr]
    if isinstance(expr, sp.Trace):
        return explicit(expr.arg, values).trace()
    if isinstance(expr, sp.Determinant):
        return explicit(expr.arg, values).det()
    if type(expr).__name__ == "Dot":
        return (explicit(expr.left, values).T * explicit(expr.right, values))[0]
    if isinstance(expr, sp.Identity):
        return sp.eye(2)
    if isinstance(expr, sp.ZeroMatrix):
        return sp.zeros(*(side.subs(d, 2) for side in expr.shape))
    if isinstance(expr, sp.Transpose):
        return explicit(expr.arg, values).T
    if isinstance(expr, (sp.Inverse, sp.MatPow)):
        return explicit(expr.args[0], values) ** expr.exp
    if isinstance(expr, (sp.MatAdd, sp.Add)):
        first, *rest = (explicit(arg, values) for arg in expr.args)
        return sum(rest, start=first)
    if isinstance(expr, (sp.MatMul, sp.Mul)):
        return sp.prod([explicit(arg, values) for arg in expr.args], start=sp.Integer(1))
    if expr.args:
        return expr.func(*(explicit(arg, values) for arg in expr.args))
    return expr.subs(d, 2)


GRADIENTS = [
    sp.Trace(A * W),
    sp.Trace(A * W) + sp.Trace(W.T * B),
    sp.Trace(W.T * W),
    sp.Trace(W * A * W.T * B),
    sp.Trace(W * A * W * B * W),
    sp.Trace(A * W) * sp.Trace(W * B * W.T),
    sp.Trace((sp.Identity(d) - A * W) ** 2),
    dot(u, W * v) ** 2 + quad(u, W),
    (u.T * W.T * A * W * u),
    sp.exp(sp.Trace(A * W)) * dot(u, W * v) + sp.Trace(W) ** 3,
    sp.sqrt(sp.Trace(W.T * W)),
    sp.Trace(A * W.I),
    sp.Trace(A * W.I * B * W.T.I),
    sp.Trace(A * (B + W * S).I * B),
    sp.Trace(W * (S + sp.Trace(A * W) * W.T).I),
    sp.log(sp.Determinant(W)),
    sp.Determinant(W.T * W + S),
    d * c * sp.Trace(W**3),
]


@pytest.mark.parametrize("expr", GRADIENTS, ids=str)
def test_gradients_are_derivatives_in_every_entry(expr):
    entries = sp.ImmutableDenseMatrix(2, 2, sp.symbols("w11 w12 w21 w22"))
    point = dict(zip(entries, (3, 1, 2, 5)))
    function = explicit(expr, VALUES | {W: entries})
    function = function[0] if getattr(function, "is_Matrix", False) else function
    gradient = explicit(matrix_gradient(expr, W), VALUES | {W: entries.subs(point)})
    for i, j in product(range(2), repeat=2):
        derivative = sp.diff(function, entries[i, j]).subs(point)
        assert sp.expand(sp.nsimplify(gradient[i, j] - derivative)) == 0


def test_gradients_against_finite_differences():
    expr = sp.Trace(A * W * B * W.T) * sp.cos(sp.Trace(W * S))
    at = sp.Matrix([[sp.Rational(1, 3), 2], [-1, sp.Rational(1, 2)]])
    gradient = explicit(matrix_gradient(expr, W), VALUES | {W: at})
    h = sp.Rational(1, 10**8)
    for i, j in product(range(2), repeat=2):
        step = sp.zeros(2, 2)
        step[i, j] = h
        ahead, behind = (explicit(expr, VALUES | {W: at + sign * step}) for sign in (1, -1))
        assert abs(sp.N((ahead - behind) / (2 * h) - gradient[i, j], 30)) < 10**-10


@pytest.mark.parametrize("expr", [expr for expr in GRADIENTS if not expr.has(sp.Inverse)], ids=str)
def test_symmetric_gradients_are_symmetric_and_give_the_directional_derivative(expr):
    t, a, b, e = sp.symbols("t a b e")
    at, direction = sp.Matrix([[3, 1], [1, 5]]), sp.Matrix([[a, b], [b, e]])
    function = explicit(expr, VALUES | {W: at + t * direction})
    function = function[0] if getattr(function, "is_Matrix", False) else function
    gradient = explicit(matrix_gradient(expr, W, symmetric=True), VALUES | {W: at})
    assert sp.expand(gradient - gradient.T) == sp.zeros(2, 2)
    slope = sp.diff(function, t).subs(t, 0)
    assert sp.expand(sp.nsimplify(slope - (gradient.T * direction).trace())) == 0


def test_gradient_by_a_vector():
    assert matrix_gradient(quad(u, A), u) == A * u + A.T * u
    assert matrix_gradient(quad(u, A), u).shape == (d, 1)


def test_symmetric_parameters_merge_in_a_gradient():
    assert matrix_gradient(sp.Trace(W.T * S * W), W, known=frozenset({S})) == 2 * S * W
    x = GaussianVector("x", d, covariance=S)
    assert matrix_gradient(sp.Trace(W.T * S * W) + dot(x, x), W) == 2 * S * W


def test_gradient_without_the_variable_is_zero():
    assert matrix_gradient(sp.Trace(A), W) == sp.ZeroMatrix(d, d)


def test_gradients_refuse_by_name():
    x = GaussianVector("x", d, covariance=W)
    with pytest.raises(ValueError, match="take the expectation first"):
        matrix_gradient(quad(x, W), W)
    with pytest.raises(NoClosedForm, match="gradient of"):
        matrix_gradient(sp.Trace(A * sp.HadamardPower(W, sp.Rational(1, 2))), W)
    with pytest.raises(ValueError, match="expected a scalar"):
        matrix_gradient(A * W, W)
    with pytest.raises(ValueError, match="MatrixSymbol"):
        matrix_gradient(sp.Trace(A * W), A * W)
    with pytest.raises(ValueError, match="square"):
        matrix_gradient(quad(u, A), u, symmetric=True)


def test_control_sympy_loses_the_transposes():
    """A gradient with a transpose forgotten is seen by the test above."""
    entries = sp.ImmutableDenseMatrix(2, 2, sp.symbols("w11 w12 w21 w22"))
    wrong = explicit(matrix_gradient(sp.Trace(A * W), W).T, VALUES)
    assert wrong != explicit(sp.Trace(A * W), VALUES | {W: entries}).diff(entries)
