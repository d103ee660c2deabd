"""Formulas as text: the grammar by example and by law, its limits, and texts that mean harm."""

from __future__ import annotations

import keyword
import random
import string
import time
from typing import Any

import pytest
import sympy as sp
from hypothesis import assume, given
from hypothesis import strategies as st

from proofs_check.formula import FormulaError, Limits, Vocabulary, check_name, read, read_formula, read_statement
from proofs_check.formula.building import _BUILD
from proofs_check.formula.functions import BY_NAME
from proofs_check.formula.reading import WORK
from proofs_check.formula.tree import Grower
from theory import E, Expectation, GaussianIntegral, GaussianMatrix, GaussianVector, Latent, NormalCDF, OwenT, gaussians
from theory.special import BivariateNormalCDF
from theory.statement import Identity, Inequality, Limit
from theory.variables import Dot, GaussianScalar, dot, quad

x, y, lam = sp.symbols("x y lam", real=True)
p = sp.Symbol("p", positive=True)
d, n, L = sp.symbols("d n L", integer=True, positive=True)
l = sp.Symbol("l", integer=True)
A, B, S = (sp.MatrixSymbol(name, d, d) for name in "ABS")
u, v = (sp.MatrixSymbol(name, d, 1) for name in "uv")
C = sp.MatrixSymbol("C", n, d)
z = GaussianVector("z", d, covariance=S)
X = GaussianMatrix("X", L, d)
J = Latent("J", L)
(g,) = gaussians("g")
HALF = sp.Rational(1, 2)
NAMES: dict[str, Any] = {"x": x, "y": y, "lambda": lam, "p": p, "d": d, "n": n, "L": L, "l": l, "A": A, "B": B, "S": S}
NAMES |= {"u": u, "v": v, "C": C, "z": z, "X": X, "J": J, "g": g, "phi": sp.Function("phi")}
WORDS = Vocabulary(NAMES)


EXAMPLES = [
    ("0.1", sp.Rational(1, 10)),
    (".25", sp.Rational(1, 4)),
    ("2x", 2 * x),
    ("x y", x * y),
    ("-x^2", -(x**2)),
    ("x^-1", 1 / x),
    ("x**2", x**2),
    ("x^(1/2)", sp.sqrt(x)),
    ("x^0.5", sp.sqrt(x)),
    ("x - y - 1", x - y - 1),
    ("x/y*lambda", x / y * lam),
    ("x/(y lambda)", x / (y * lam)),
    ("x*-y", -x * y),
    ("2*(x + y)", sp.Mul(2, x + y, evaluate=False)),
    ("lambda (x + y)", lam * (x + y)),
    ("pi", sp.pi),
    ("erf(lambda*g)^2", sp.erf(lam * g) ** 2),
    ("exp(-x^2/2)/sqrt(2*pi)", sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)),
    ("sigmoid(x)", 1 / (1 + sp.exp(-x))),
    ("Phi(x) + Phi2(x, y, 1/2)", NormalCDF(x) + BivariateNormalCDF(x, y, HALF)),
    ("OwenT(x, y)", OwenT(x, y)),
    ("arcsin(x) + asin(x)", 2 * sp.asin(x)),
    ("max(x, y, 0)", sp.Max(x, y, 0)),
    ("abs(x - y)", sp.Abs(x - y)),
    ("step(x) sign(y)", sp.Heaviside(x) * sp.sign(y)),
    ("phi(x)^2", NAMES["phi"](x) ** 2),
    ("A'", A.T),
    ("A''", A),
    ("(A*B)'", B.T * A.T),
    ("tr(A B')", sp.Trace(A * B.T)),
    ("tr(A S)^2", sp.Trace(A * S) ** 2),
    ("A^2", A**2),
    ("inv(A)", sp.Inverse(A)),
    ("A^-1", sp.Inverse(A)),
    ("det(A)", sp.Determinant(A)),
    ("u' A v", dot(u, A * v)),
    ("(u' A v)^2", dot(u, A * v) ** 2),
    ("u v' A u", dot(v, A * u) * u),
    ("2 A B - x A", 2 * A * B - x * A),
    ("u u'", u * u.T),
    ("<u, v>^2/(u' u)", dot(u, v) ** 2 / dot(u, u)),
    ("u/(x u' A v)", u / (x * dot(u, A * v))),
    ("(A B)^-1", sp.Inverse(A * B)),
    ("<u, v>", dot(u, v)),
    ("<u, v>^2 <A u, v>", dot(u, v) ** 2 * dot(A * u, v)),
    ("dot(u, 2*v - u)", 2 * dot(u, v) - dot(u, u)),
    ("quad(u, A)", quad(u, A)),
    ("norm(u)^2", dot(u, u)),
    ("C' C", C.T * C),
    ("A + identity(d)", A + sp.Identity(d)),
    ("hadamard(A, B)", sp.HadamardProduct(A, B)),
    ("tr((u' A) v)", sp.Trace(sp.MatMul(u.T * A, v))),
    ("diag(A)' u", dot(sp.DiagonalOf(A), u)),
    ("Diag(A) + Diag(u)", sp.DiagonalMatrix(A) + sp.DiagMatrix(u)),
    ("A ones(d, 1)", A * sp.OneMatrix(d, 1)),
    ("A[1, 2]", A[1, 2]),
    ("<X[J, :], u>", dot(X[J, :], u)),
    ("X[l]", X[l, :]),
    ("E[(z' A z)^2]", Expectation(quad(z, A) ** 2)),
    ("mean(g^4)", Expectation(g**4)),
    ("E[z z']", Expectation(z * z.T)),
    ("sum(l, 0, L - 1, erf(<X[l, :], u>))", sp.Sum(sp.erf(dot(X[l, :], u)), (l, 0, L - 1))),
    ("sum(k, 1, n, x^k)", sp.Sum(x ** sp.Symbol("k", integer=True), (sp.Symbol("k", integer=True), 1, n))),
    (
        "gaussian_integral(t, tanh(x t))",
        GaussianIntegral(sp.tanh(x * sp.Symbol("t", real=True)), [sp.Symbol("t", real=True)]),
    ),
    ("(x, y, 1)", sp.Tuple(x, y, 1)),
    ("matrix((1, x), (0, 1))", sp.ImmutableMatrix([[1, x], [0, 1]])),
]


@pytest.mark.parametrize("text, expected", EXAMPLES, ids=[text for text, _ in EXAMPLES])
def test_the_grammar_by_example(text, expected):
    assert read_formula(text, WORDS) == expected


AMBIGUOUS = [
    ("1/2 x", 4, "brackets after a quotient"),
    ("x/y lambda", 4, "brackets after a quotient"),
    ("x^y^2", 3, "brackets"),
    ("x(y + 1)", 0, "looks like a function"),
    ("2(y + 1)", 0, "looks like a function"),
    ("x 2", 2, "before a number"),
    ("A^2'", 3, "brackets"),
    ("2e5", 0, "exact number"),
    ("x - -y", 4, "second sign"),
]
WRONG = [
    ("", 0, "the end"),
    ("x +", 3, "the end"),
    ("(x", 2, r"expected \)"),
    ("x)", 1, "end of the formula"),
    ("w + 1", 0, "not declared"),
    ("x + e", 4, r"exp\(x\)"),
    ("x + oo", 4, "infinity"),
    ("erf", 0, "brackets"),
    ("erf(x, y)", 0, "1 argument"),
    ("x'", 0, "matrix"),
    ("A + 1", 4, "one shape"),
    ("A + C", 4, "one shape"),
    ("A*C", 2, "rows"),
    ("u*u", 2, "rows"),
    ("tr(C)", 0, "square"),
    ("A^x", 1, "power of a matrix"),
    ("E[x, y]", 0, "one expression"),
    ("|x|", 0, r"abs\(x\)"),
    ("x!", 1, "!"),
    ("x = y", 2, "end of the formula"),
    ("1/0", 2, "denominator"),
    ("1/(x - x)", 2, "positive power of 0"),
    ("log(0)", 0, "finite"),
    ("tan(pi/2)", 0, "finite"),
    ("Phi2(x, y, 2)", 0, "correlation"),
    ("x.real", 1, r"\."),
    ("x if y else 1", 2, "not declared"),
]


@pytest.mark.parametrize("text, place, reason", AMBIGUOUS + WRONG, ids=[text for text, *_ in AMBIGUOUS + WRONG])
def test_what_is_refused_is_refused_at_its_place(text, place, reason):
    with pytest.raises(FormulaError, match=reason) as error:
        read_formula(text, WORDS)
    assert error.value.position == place
    *_, shown, caret = str(error.value).split("\n")
    assert shown[caret.index("^") :][:1] == text[place : place + 1] or place == len(text)


def test_keywords_and_singletons_are_names_when_declared():
    for name in (*keyword.kwlist, "S", "I", "N", "Q", "O", "E", "C", "oo", "zoo", "nan", "None"):
        symbol = sp.Symbol(name, real=True)
        assert read_formula(f"{name} + 1", {name: symbol}) == symbol + 1
    assert read_formula("E[E*g]", {"E": x, "g": g}) == Expectation(x * g)


@pytest.mark.parametrize(
    "name", ["", "1x", "x-y", "x__y", "_x", "x_", "a_b_c_d", "x" * 33, "λ", "pi", "x y", "x\n", None, 3]
)
def test_names_follow_a_pattern(name):
    with pytest.raises(ValueError, match="name"):
        check_name(name)
    with pytest.raises((ValueError, TypeError)):
        Vocabulary({name: x})


def test_what_a_name_stands_for_is_an_atom_of_ours():
    for value in ("x", 3, x + 1, None, sp.Integer(2), E, object()):
        with pytest.raises(TypeError, match="under the name w"):
            Vocabulary({"w": value})
    with pytest.raises(ValueError, match="two different objects"):
        Vocabulary([sp.Symbol("w"), sp.Symbol("w", positive=True)])


def test_a_declared_name_that_is_a_function_is_ambiguous():
    with pytest.raises(FormulaError, match="declared and is also a function"):
        read_formula("erf(x)", {"erf": y, "x": x})
    assert read_formula("erf*(x)", {"erf": y, "x": x}) == x * y


def test_symmetric_matrices_are_their_transposes():
    names = Vocabulary(NAMES, symmetric=[S])
    assert read_formula("S'", names) == S
    assert read_formula("u' S v - v' S u", names) == 0
    assert read_formula("u' A v - v' A u", names) != 0


def test_statements():
    assert read_statement("x^2 + 1 = y", WORDS) == Identity(x**2 + 1, y)
    assert read_statement("<u, v>^2 <= <u,u> <v,v>", WORDS) == Inequality(dot(u, v) ** 2, "<=", dot(u, u) * dot(v, v))
    assert read_statement("<u,v>= 3", WORDS) == Identity(dot(u, v), 3)
    assert read_statement("lim(x, oo, 1/x) = 0", WORDS) == Limit(1 / x, x, sp.oo, 0)
    assert read_statement("lim(x, 0, log(x)) = -oo", WORDS) == Limit(sp.log(x), x, 0, -sp.oo)
    assert read_statement("A - A' = 0", WORDS) == Identity(A - A.T, sp.ZeroMatrix(d, d))
    assert read_statement("(x, y) = (1, 2)", WORDS) == Identity((x, y), (1, 2))
    for text in ("x", "x = y = 1", "x = A", "x < A", "lim(x, oo, 1/x) < 0", "x == y", "A <= B"):
        with pytest.raises(FormulaError):
            read_statement(text, WORDS)


# --- laws -----------------------------------------------------------------------------------------


def text_of(expr: sp.Basic) -> str:
    """An expression in the grammar: a second writer, which brackets everything."""
    if isinstance(expr, sp.Rational):
        return f"({expr.p}/{expr.q})" if expr.q != 1 else f"({expr.p})"
    if expr in (sp.pi, sp.E):
        return "pi" if expr == sp.pi else "exp(1)"
    for name, value in NAMES.items():
        if value == expr:
            return name
    if isinstance(expr, (sp.Add, sp.MatAdd)):
        return "(" + " + ".join(map(text_of, expr.args)) + ")"
    if isinstance(expr, (sp.Mul, sp.MatMul)):
        return "(" + "*".join(map(text_of, expr.args)) + ")"
    if isinstance(expr, (sp.Pow, sp.MatPow)):
        return f"({text_of(expr.args[0])})^({text_of(expr.args[1])})"
    if isinstance(expr, sp.Transpose):
        return f"({text_of(expr.arg)})'"
    if isinstance(expr, Expectation):
        return f"E[{text_of(expr.args[0])}]"
    heads = {sp.Trace: "tr", sp.Inverse: "inv", type(dot(u, v)): "dot", OwenT: "OwenT", NormalCDF: "Phi", sp.Abs: "abs"}
    heads |= {sp.Max: "max", sp.Min: "min"}
    arguments = expr.args[:1] if isinstance(expr, sp.Inverse) else expr.args
    return f"{heads.get(type(expr), type(expr).__name__)}({', '.join(map(text_of, arguments))})"


INFINITE = (sp.zoo, sp.nan, sp.oo, -sp.oo, sp.I)
NUMBERS = st.builds(sp.Rational, st.integers(-9, 9), st.integers(1, 9))
SCALARS = st.sampled_from([x, y, lam, p, g, sp.pi])


def grown(children: st.SearchStrategy[sp.Expr]) -> st.SearchStrategy[sp.Expr]:
    """Sums, products, powers and functions of smaller expressions."""
    one = st.sampled_from([sp.exp, sp.erf, sp.sin, sp.cos, sp.tanh, sp.atan, NormalCDF, sp.Abs])
    return st.one_of(
        st.builds(lambda a, b: a + b, children, children),
        st.builds(lambda a, b: a * b, children, children),
        st.builds(lambda a, b: a - b, children, children),
        st.builds(lambda a, k: a**k, children, st.sampled_from([2, 3, -1, -2, HALF, -HALF, sp.Rational(3, 2)])),
        st.builds(lambda f, a: f(a), one, children),
        st.builds(lambda a, b: OwenT(a, b), SCALARS, children),
        st.builds(lambda a: a if a.has(*INFINITE) else Expectation(a + g * x), children),
    )


EXPRESSIONS = st.recursive(st.one_of(NUMBERS, SCALARS), grown, max_leaves=10)


def is_settled(expr: sp.Basic) -> bool:
    """Whether sympy makes the same object of its parts again: |x|^(1/3) |x|^(-4/3) is not always 1/|x|."""
    if not expr.args or isinstance(expr, (GaussianScalar, Dot, sp.Trace)):
        return True
    return all(map(is_settled, expr.args)) and (expr.func(*expr.args) == expr or is_kept(expr))


def is_kept(expr: sp.Basic) -> bool:
    """A number times a sum, which the readers keep as it is written."""
    return expr.is_Mul and len(expr.args) == 2 and expr.args[0].is_Rational and expr.args[1].is_Add


@given(EXPRESSIONS)
def test_what_is_written_in_the_grammar_reads_back(expr):
    assume(not expr.has(*INFINITE) and is_settled(expr))
    generous = Limits(effort=10**6, nested=20, bits=10**6, exponent=10**4)
    try:
        assert read_formula(text_of(expr), WORDS, generous) == expr
    except FormulaError as error:  # a tower of exponentials, or a constant whose sign sympy would have to decide
        assert any(words in error.reason for words in ("symbols do not cancel", "its sign", "of a number", "root"))


SQUARE = st.sampled_from([A, B, S, A.T, B.T])
WORD = st.lists(SQUARE, min_size=1, max_size=4).map(
    lambda letters: sp.MatMul(*letters).doit() if len(letters) > 1 else letters[0]
)
MATRICES = st.lists(st.tuples(st.integers(-3, 3).filter(bool), WORD), min_size=1, max_size=3).map(
    lambda terms: sp.MatAdd(*(k * word for k, word in terms)).doit()
)
VECTORS = st.sampled_from([u, v, z])


@given(MATRICES, MATRICES, VECTORS, VECTORS)
def test_words_of_matrices_read_back(first, second, left, right):
    assume(not isinstance(first, sp.ZeroMatrix))
    for expr in (first, first + second, sp.Trace(first), dot(left, first * right), first.T):
        if not expr.has(sp.ZeroMatrix):
            assert read_formula(text_of(expr), WORDS) == expr
    vector = f"({text_of(left)})' ({text_of(first)}) ({text_of(right)})"
    assert read_formula(vector, WORDS) == dot(left, first * right)


# --- controls: what the laws must notice ----------------------------------------------------------


def test_a_lost_sign_would_be_noticed(monkeypatch):
    monkeypatch.setattr(Grower, "negative", lambda self, part, at: part)
    wrong = [text for text, expected in EXAMPLES if read_formula(text, WORDS) != expected]
    assert "-x^2" in wrong and "x - y - 1" in wrong and "2 A B - x A" in wrong


def test_a_lost_transposition_would_be_noticed(monkeypatch):
    monkeypatch.setitem(_BUILD, "transpose", lambda node, grow: _BUILD[node.parts[0].kind](node.parts[0], grow))
    wrong = []
    for text, expected in EXAMPLES:
        try:
            wrong += [text] if read_formula(text, WORDS) != expected else []
        except FormulaError:
            wrong.append(text)
    assert {"A'", "(A*B)'", "tr(A B')", "u' A v", "u u'"} <= set(wrong)


# --- limits and harm ------------------------------------------------------------------------------

HOSTILE = [
    "__import__('os').system('touch intruder')",
    "().__class__.__bases__[0].__subclasses__()",
    "open('intruder', 'w')",
    "eval(x)",
    "lambda: x",
    "x.__class__",
    "9**9**9**9",
    "((9^9)^9)^9^9",
    "(9^256)^256",
    "((9^9^9))",
    "x^99999999999",
    "(x^256)^256^1",
    "2^(x - x + 10^9)",
    "exp(10^9*log(2))",
    "exp((10^9 + x - x)*log(2))",
    "exp(exp(exp(exp(9))))",
    "exp(exp(exp(x - x + 9)))",
    "max(1, exp(exp(exp(9))))",
    "max(1, exp(exp(exp(x - x + 9))))",
    "factorial(10^9)",
    "binomial(10^9, 5*10^8)",
    "gamma(10^9)",
    "1" * 121,
    "0." + "1" * 121,
    "1e400000000",
    "(" * 5000 + "x" + ")" * 5000,
    "-" * 5000 + "x",
    "x" + "'" * 5000,
    "A" + "'" * 5000,
    "erf(" * 2000 + "x" + ")" * 2000,
    "x + " * 3000 + "x",
    "x^2^2^2^2",
    "abs(" * 40 + "x - y" + ")" * 40,
    "max(" * 40 + "x" + ", y)" * 40,
    "u' " + "(A + B) " * 40 + "u",
    "tr(" + "A " * 700 + ")",
    "<A^256 A^256 u, u>",
    "sqrt(" + " + ".join(f"sqrt({k})" for k in range(2, 40)) + ")",
    "abs(" + " + ".join(f"sqrt({k})" for k in range(2, 40)) + ")",
    "*".join(f"({10**90 + k})^(1/3)" for k in range(80)),
    "x\u200b",
    "ｘ + 1",
    "x\u0338",
    "x\x00",
    "\ud800",
    "х",  # a Cyrillic letter
    "x\u2028+ 1",
    "٣",
    "nan",
    "zoo",
    "oo - oo",
    "None",
    "True",
    "x[0]",
    "x[:]",
    "X[l, l, l]",
    "sum(l, 0, 10^9, l",
    "sum(pi, 0, 1, x)",
    "sum(x, 0, 1, x)",
    "gaussian_integral(__t, x)",
    "gaussian_integral(t, t, t, t)",
    "E[" * 70 + "x" + "]" * 70,
    "matrix(1, (2, 3))",
    "matrix((1, 2), 3)",
    "#",
    "x; y",
    "x\ny\n",
    "'; drop table claims; --",
]


@pytest.mark.parametrize("index", range(len(HOSTILE)))
def test_texts_that_mean_harm_are_refused_at_once(index, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = time.perf_counter()
    try:
        value = read_formula(HOSTILE[index], WORDS)
    except FormulaError as error:
        assert str(error).isascii() or "\\" not in str(error)
    else:  # a text that is harmless after all
        assert HOSTILE[index] in ("gaussian_integral(t, t, t, t)", "x\ny\n", "A" + "'" * 5000) and value is not None
    assert time.perf_counter() - start < 5, "a hang, not a slow machine"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text, limit",
    [
        ("x + " * 2001, "8000 characters"),
        ("+".join(["x"] * 1500), "1500 nodes"),
        ("(" * 61 + "x" + ")" * 61, "60 deep"),
        ("1" * 121, "120 digits"),
        ("x^257", "exponents up to 256"),
        ("x^(1/257)", "exponents up to 256"),
        ("7^256 * 7^256 * " * 9 + "1", "8192 bits"),
        ("2^(1/17)", "index 16"),
        ("+".join(f"erf({k}*x + y^{k})" for k in range(1, 99)), "effort"),
        ("abs(abs(abs(abs(x))))", "at most 3"),
    ],
)
def test_each_limit_is_kept(text, limit):
    with pytest.raises(FormulaError, match=limit):
        read_formula(text, WORDS)


def test_limits_are_checked_before_anything_is_built(monkeypatch):
    def built(*args: Any, **options: Any) -> None:
        raise AssertionError("something was built")

    for name in ("Add", "Mul", "Pow", "Rational", "Integer", "Symbol"):
        monkeypatch.setattr(sp, name, built)
    for text in (
        "9^256*9^256*9^256*9^256*9^256*9^256*9^256*9^256*9^256*9^256*9^256",
        "(x + 1)^257",
        "x + " * 1999 + "x",
    ):
        with pytest.raises(FormulaError):
            read_formula(text, WORDS)
    with pytest.raises(AssertionError, match="built"):
        read_formula("x + 1", WORDS)


PIECES = [
    *NAMES,
    *BY_NAME,
    "tr(",
    "E[",
    "]",
    "(",
    ")",
    "<",
    ">",
    ",",
    "'",
    "^",
    "**",
    "*",
    "/",
    "+",
    "-",
    " ",
    "2",
    "0.5",
    "=",
    ":",
]
PIECES += [
    "sum(",
    "gaussian_integral(",
    "grad(",
    "matrix(",
    "norm(",
    "det(",
    "inv(",
    "identity(",
    "[l, :]",
    "10",
    "pi",
    "__",
    "é",
    ".",
]


def random_text(rng: random.Random) -> str:
    kind = rng.randrange(3)
    if kind == 0:
        return "".join(rng.choice(string.printable) for _ in range(rng.randrange(60)))
    if kind == 1:
        return "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 40)))
    text = list(rng.choice(EXAMPLES)[0] + rng.choice([" + ", "*", " = "]) + rng.choice(EXAMPLES)[0])
    for _ in range(rng.randrange(4)):
        text[rng.randrange(len(text))] = rng.choice(string.printable)
    return "".join(text)


@pytest.mark.parametrize("seed", range(4))
def test_random_texts_are_read_or_refused(seed):
    rng = random.Random(seed)
    accepted = 0
    for _ in range(1_000):
        text = random_text(rng)
        try:
            reading = read(text, WORDS, latex=False, statement="=" in text)
        except FormulaError as error:
            assert error.work <= WORK * (len(text) + 1)
            continue
        accepted += 1
        assert reading.work <= WORK * (len(text) + 1)
    assert accepted > 40  # of 1,000: the test is about both


def test_errors_do_not_repeat_what_could_break_a_terminal():
    with pytest.raises(FormulaError) as error:
        read_formula("x + \x1b[31m\u202e", WORDS)
    assert str(error.value).replace("\n", "").isprintable()
