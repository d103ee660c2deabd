r"""Formulas in LaTeX: what the package prints reads back as the same object; what is doubtful is refused."""

from __future__ import annotations

import random
import string
import time
from typing import Any

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from proofs_check import studies
from proofs_check.formula import GENEROUS, FormulaError, Limits, Vocabulary, names_of, read, read_latex, read_statement
from proofs_check.formula.building import _BUILD
from proofs_check.formula.reading import WORK
from proofs_check.formula.tree import Grower
from theory import Expectation, GaussianIntegral, GaussianMatrix, GaussianVector, NormalCDF, OwenT, gaussians, to_latex
from theory.special import BivariateNormalCDF
from theory.statement import Identity, Inequality, Limit, Statement
from theory.variables import Dot, GaussianScalar, dot, quad

x, y, kappa, lam = sp.symbols("x y kappa lam", real=True)
p = sp.Symbol("p", positive=True)
d, n, L = sp.symbols("d n L", integer=True, positive=True)
l = sp.Symbol("l", integer=True)
A, B, S = (sp.MatrixSymbol(name, d, d) for name in "ABS")
u, v = (sp.MatrixSymbol(name, d, 1) for name in "uv")
k_star = sp.MatrixSymbol("k_star", d, 1)
q_k = sp.Symbol("q_k", nonnegative=True)
z = GaussianVector("z", d, covariance=S)
X = GaussianMatrix("X", L, d)
(g,) = gaussians("g")
WORDS = Vocabulary([x, y, kappa, lam, p, d, n, L, l, A, B, S, u, v, k_star, q_k, z, X, g])


def expressions_of(statement: Statement) -> list[Any]:
    found: list[Any] = []
    statement.map(lambda expr: found.append(expr) or expr)
    return found


Printed = tuple[Any, str, Vocabulary]


def misread(printed: list[Printed], limits: Limits = GENEROUS) -> list[str]:
    """The formulas that do not read back as the same object, each with what happened."""
    wrong = []
    for expr, tex, names in printed:
        try:
            if read_latex(tex, names, limits) != expr:
                wrong.append(f"another object: {tex[:200]}")
        except FormulaError as error:
            wrong.append(str(error))
    return wrong


@pytest.fixture(scope="module")
def catalogue() -> list[Statement]:
    return [claim.statement for study in studies().values() for claim in study.claims]


@pytest.fixture(scope="module")
def printed(catalogue) -> list[Printed]:
    """Every formula of every claim; the infinite point or value of a limit is read with its statement."""
    formulas = [expr for statement in catalogue for expr in expressions_of(statement)]
    return [(expr, to_latex(expr), names_of(expr)) for expr in formulas if expr not in (sp.oo, -sp.oo)]


def test_the_whole_catalogue_reads_back(printed):
    assert len(printed) > 300
    assert not misread(printed)


def test_the_statements_of_the_catalogue_read_back(catalogue):
    for statement in catalogue:
        if isinstance(statement, (Identity, Inequality)):
            names = names_of(statement.lhs, statement.rhs)
        elif isinstance(statement, Limit):
            names = names_of(statement.expr, statement.symbol)
        else:
            continue
        assert read_statement(statement.latex(), names, limits=GENEROUS) == statement


def test_most_of_the_catalogue_is_within_the_limits_of_a_user(printed):
    refused = misread(printed, Limits())
    assert all("at most" in reason or "effort" in reason for reason in refused)
    assert len(refused) < len(printed) // 10


@pytest.mark.parametrize(
    "method, broken",
    [
        ("negative", lambda self, part, at: part),  # a sign is lost
        ("reciprocal", lambda self, part, at: part),  # a denominator becomes a factor
        ("power", lambda self, base, exponent, at: base),  # an exponent is lost
    ],
)
def test_a_reader_that_loses_something_is_noticed(printed, monkeypatch, method, broken):
    monkeypatch.setattr(Grower, method, broken)
    short = [entry for entry in printed if len(entry[1]) < 300]
    assert len(misread(short)) > len(short) // 5


MATRIX_FORMULAS = [
    2 * A * B - x * A,
    A.T * B,
    (A * B).T + sp.Inverse(A),
    sp.Trace(A * B.T) ** 2 + sp.Trace(A),
    A**2 + sp.Identity(d),
    sp.Determinant(A) * x,
    sp.HadamardProduct(A, B) + A,
    sp.HadamardPower(A, 2) + sp.OneMatrix(d, d),
    sp.DiagonalMatrix(A) * u + sp.DiagonalOf(A) + sp.DiagMatrix(u) * v,
    sp.Trace(sp.MatMul(u.T, sp.MatMul(A, v))),
    Expectation(z * z.T),
    dot(u, A * v) ** 2 - quad(k_star, A),
    dot(X[l, :], k_star) * dot(k_star, k_star),
    u * v.T - v * u.T,
    k_star.T * A,
    Expectation(quad(z, A) ** 2),
    sp.Sum(sp.erf(lam * dot(X[l, :], u)), (l, 0, L - 1)) ** 2 * x,
    A[l, 0] + A[0, 1],
    sp.Inverse(A * B) * u,
    (A + B) * u - A.T * v,
    sp.ImmutableMatrix([[1, x], [-2, sp.Rational(1, 3)]]),
]


@pytest.mark.parametrize("index", range(len(MATRIX_FORMULAS)))
def test_matrices_read_back(index):
    formula = MATRIX_FORMULAS[index]
    assert read_latex(to_latex(formula), WORDS) == formula


def test_a_lost_transposition_would_be_noticed(monkeypatch):
    monkeypatch.setitem(_BUILD, "transpose", lambda node, grow: _BUILD[node.parts[0].kind](node.parts[0], grow))
    lost = 0
    for formula in MATRIX_FORMULAS:
        try:
            lost += read_latex(to_latex(formula), WORDS) != formula
        except FormulaError:
            lost += 1
    assert lost >= 6


SPELLINGS = [
    (r"\frac12", sp.Rational(1, 2)),
    (r"\frac{1}{2}", sp.Rational(1, 2)),
    (r"\dfrac x2 + \tfrac{x}{2}", x),
    (r"\frac\pi2", sp.pi / 2),
    (r"0.25", sp.Rational(1, 4)),
    (r"\frac{2}{\pi} \arcsin\frac{2\lambda^2}{1+2\lambda^2}", 2 / sp.pi * sp.asin(2 * lam**2 / (1 + 2 * lam**2))),
    (r"\frac{2}{\pi} \operatorname{asin}\left(x\right)", 2 / sp.pi * sp.asin(x)),
    (r"u^\top A v", dot(u, A * v)),
    (r"u^T A v", dot(u, A * v)),
    (r"u^{T}Av", dot(u, A * v)),
    (r"u^{\mathsf{T}} A v", dot(u, A * v)),
    (r"u^{\mathrm T} A v", dot(u, A * v)),
    (r"u^\intercal v", dot(u, v)),
    (r"\langle u, v\rangle^2", dot(u, v) ** 2),
    (r"\left\langle u, A v\right\rangle", dot(u, A * v)),
    (r"\lVert u\rVert^2", dot(u, u)),
    (r"\|u\|^{2}", dot(u, u)),
    (r"\left\|u\right\|^2", dot(u, u)),
    (r"|x|", sp.Abs(x)),
    (r"2|x|", 2 * sp.Abs(x)),
    (r"\lvert x\rvert y", sp.Abs(x) * y),
    (r"\left|A\right|", sp.Determinant(A)),
    (r"\det(A)", sp.Determinant(A)),
    (r"\operatorname{tr}(A B)", sp.Trace(A * B)),
    (r"\mathrm{tr}\left(A\right)^2", sp.Trace(A) ** 2),
    (r"\mathbb{E}[g^2]", Expectation(g**2)),
    (r"\mathbb E\left[g^2\right]", Expectation(g**2)),
    (r"\operatorname{E}[g]", Expectation(g)),
    (r"\exp(x) - e^x", sp.Integer(0)),
    (r"\exp\left(-\frac{x^2}{2}\right)", sp.exp(-(x**2) / 2)),
    (r"\ln x", sp.log(x)),
    (r"\sin x \cos y", sp.sin(x) * sp.cos(y)),
    (r"\sin^2(x) + \cos^{2}{\left(x \right)}", sp.sin(x) ** 2 + sp.cos(x) ** 2),
    (r"\operatorname{sgn}(x)", sp.sign(x)),
    (r"\sqrt2 x", sp.sqrt(2) * x),
    (r"\sqrt[3]{p}", p ** sp.Rational(1, 3)),
    (r"x \cdot y \times 2", 2 * x * y),
    (r"x\,y\;\kappa", x * y * kappa),
    (r"{x}{y}", x * y),
    (r"x/y", x / y),
    (r"\frac{x}{u^\top A v}", x / dot(u, A * v)),
    (r"\frac{d}{d + 1} + \frac{d + 1}{d x}", d / (d + 1) + (d + 1) / (d * x)),
    (r"x 2^{y}", x * 2**y),
    (r"-x^{-1}", -1 / x),
    (r"q_k + q_{k}", 2 * q_k),
    (r"\langle k^*, u\rangle - \langle k^{\star}, u\rangle", sp.Integer(0)),
    (r"\left(k^\star\right)^\top A k^*", quad(k_star, A)),
    (r"A \circ B", sp.HadamardProduct(A, B)),
    (r"A \odot B", sp.HadamardProduct(A, B)),
    (r"A + \mathbb{I}_{d}", A + sp.Identity(d)),
    (r"\mathbf{1}_{d}^\top A + \mathbf{1}_d^T A", 2 * sp.OneMatrix(1, d) * A),
    (r"\mathbf{1}_{d,d} + A", sp.OneMatrix(d, d) + A),
    (r"\begin{pmatrix} 1 & x \\ 0 & 1 \end{pmatrix}", sp.ImmutableMatrix([[1, x], [0, 1]])),
    (r"\begin{aligned} &x \\ &\quad {}+ y \end{aligned}", x + y),
    (r"\max(x, y)", sp.Max(x, y)),
    (r"\mathrm{i} x", sp.I * x),
    (r"\Phi(x) + \Phi_2(x, y; \frac12)", NormalCDF(x) + BivariateNormalCDF(x, y, sp.Rational(1, 2))),
    (r"\operatorname{T}(x, y)", OwenT(x, y)),
    (r"\sum_{l=0}^{L-1} x^l y", sp.Sum(x**l * y, (l, 0, L - 1))),
]


@pytest.mark.parametrize("tex, expected", SPELLINGS, ids=[tex for tex, _ in SPELLINGS])
def test_common_spellings_are_read(tex, expected):
    assert read_latex(tex, WORDS) == expected


REFUSED = [
    (r"x^12", "takes one digit"),
    (r"q_12", "takes one digit|unknown name"),
    (r"2 \frac{1}{2}", r"\\cdot"),
    (r"2\frac12", r"\\cdot"),
    (r"1 2", r"\\cdot"),
    (r"\frac123", "braces|cdot"),
    (r"\frac{x}23", "one digit"),
    (r"\sin x y", "brackets"),
    (r"\sin 2x", "brackets"),
    (r"\sin x^2", "brackets"),
    (r"\sin^{-1}(x)", "arcsin or 1/sin"),
    (r"\operatorname{tr} A B", "brackets"),
    (r"x/y \kappa", "brackets after a quotient"),
    (r"x^2^3", "one exponent"),
    (r"x^{2}^{3}", "one exponent"),
    (r"e^e^x", "one exponent"),
    (r"e^{x}^2", "one exponent"),
    (r"\frac{d}{d x} x", "derivative"),
    (r"\frac{d x}{d y}", "derivative"),
    (r"x 2", r"\\cdot before a number"),
    (r"i x", r"unknown name i.*mathrm"),
    (r"u_1", "two indices"),
    (r"(x; y)", r"expected \)"),
    (r"\partial x", "expected"),
    (r"\frac{\partial}{\partial x}", "expected"),
    (r"|x|y|", "two ways"),
    (r"\theta x", "unknown name"),
    (r"x_1", "unknown name"),
    (r"x'", "unknown name"),
    (r"\hat{x}", "unknown name"),
    (r"\mathbf{x}", "bold"),
    (r"\mathbf{1}", "with its sizes"),
    (r"x_{l}", "unknown name"),
    (r"\operatorname{foo}(x)", "unknown function"),
    (r"\int_0^1 x dx", "expected"),
    (r"\infty", "expected"),
    (r"x + \infty", "expected"),
    (r"n!", "factorials"),
    (r"x \pm y", "expected"),
    (r"\mathbb{I}", "dimension"),
    (r"\mathbb{E} g", r"expected \["),
    (r"\mathbb{E}_{g}[g]", "sim"),
    (r"A B^x", "power of a matrix"),
    (r"x^\top", "matrix"),
    (r"\left(x", "end"),
    (r"\left x", "bracket after"),
    (r"{x", "expected }"),
    (r"x}", "end of the formula"),
    (r"\begin{cases} x \end{cases}", "expected one of"),
    (r"\input{secret}", "expected"),
    (r"\def\x{y} x", "expected"),
    (r"\sqrt{}", "expected"),
    (r"\frac{}{}", "expected"),
    (r"x^{}", "expected"),
    (r"λ", "ASCII"),
]


@pytest.mark.parametrize("tex, reason", REFUSED, ids=[tex for tex, _ in REFUSED])
def test_what_is_doubtful_is_refused(tex, reason):
    with pytest.raises(FormulaError, match=reason) as error:
        read_latex(tex, WORDS)
    assert 0 <= error.value.position <= len(tex)


def test_two_names_of_one_look_are_ambiguous():
    first, second = sp.symbols("x1 x_1")
    with pytest.raises(FormulaError, match="ambiguous"):
        read_latex("x_{1}", [first, second])
    assert read_latex("x_{1}", [first]) == first and read_latex("x_1", [second]) == second
    with pytest.raises(FormulaError, match="ambiguous"):
        read_latex(r"\lambda", {"lambda": x, "lam": y})
    with pytest.raises(FormulaError, match="ambiguous"):
        read_latex("X_{l}", [X, l, sp.Symbol("X_l")])


def test_a_letter_that_is_also_a_function_is_ambiguous_before_a_bracket():
    delta, Phi = sp.symbols("delta Phi")
    for tex in (r"\delta\left(x\right)", r"\Phi(x)", r"\Phi{\left(x \right)}"):
        with pytest.raises(FormulaError, match="looks like a function"):
            read_latex(tex, [x, delta, Phi])
    assert read_latex(r"\delta \cdot \left(x\right)", [x, delta]) == delta * x
    assert read_latex(r"\delta\left(x\right)", [x]) == sp.DiracDelta(x)


def test_a_symbol_e_is_told_from_the_number():
    e = sp.Symbol("e", real=True)
    formula = sp.exp(-x) * e**2 + e
    assert read_latex(to_latex(formula), names_of(formula)) == formula
    with pytest.raises(FormulaError, match="e is declared"):
        read_latex("e^{x}", [e, x])


def test_a_summation_index_i_is_told_from_the_imaginary_unit():
    i = sp.Symbol("i", integer=True)
    formula = sp.Sum(x**i, (i, 0, n)) + sp.I * x
    assert read_latex(to_latex(formula), names_of(formula)) == formula


def test_two_laws_under_one_name_are_told_apart():
    (other,) = gaussians("g", covariance=[[2]])
    formula = g - 2 * other + Expectation(g * other)
    assert to_latex(formula).count(r"\prime") == 2
    assert read_latex(to_latex(formula), names_of(formula)) == formula
    with pytest.raises(FormulaError, match="unknown name"):
        read_latex(to_latex(formula), [g])


def test_a_bound_variable_is_not_a_free_one():
    t = sp.Symbol("t", real=True)
    inner = GaussianIntegral(sp.tanh(t * x), (t,))
    for formula in (inner**2 + t, GaussianIntegral(t * inner, (t,)), sp.Symbol("t_0", positive=True) * inner):
        assert read_latex(to_latex(formula), names_of(formula)) == formula


def test_functions_of_a_study_are_read_by_their_look():
    f, phi = sp.Function("f"), sp.Function("phi")
    formula = f(x) ** 2 + phi(x, y) * f(x)
    assert read_latex(to_latex(formula), [x, y, f, phi]) == formula


INFINITE = (sp.zoo, sp.nan, sp.oo, -sp.oo)
NUMBERS = st.builds(sp.Rational, st.integers(-9, 9), st.integers(1, 9))
SCALARS = st.sampled_from([x, y, kappa, lam, p, g, q_k, sp.pi, dot(u, v), dot(u, A * k_star), sp.Trace(A * B)])


def grown(children: st.SearchStrategy[sp.Expr]) -> st.SearchStrategy[sp.Expr]:
    one = st.sampled_from(
        [sp.exp, sp.erf, sp.sin, sp.log, sp.tanh, sp.asin, NormalCDF, sp.Abs, sp.sqrt, sp.sign, sp.Heaviside]
    )
    powers = st.sampled_from([2, 3, -1, -2, sp.Rational(1, 2), sp.Rational(-3, 2), sp.Rational(1, 3), x])
    return st.one_of(
        st.builds(lambda a, b: a + b, children, children),
        st.builds(lambda a, b: a * b, children, children),
        st.builds(lambda a, b: a / b if b != 0 else a, children, children),
        st.builds(lambda a, k: a**k if a != 0 else a, children, powers),
        st.builds(lambda f, a: f(a), one, children),
        st.builds(
            lambda a, b: sp.Mul(a, b, evaluate=False) if a.is_Rational and a not in (0, 1) and b.is_Add else a,
            children,
            children,
        ),
        st.builds(lambda a, b: OwenT(a, b), SCALARS, children),
        st.builds(lambda a: a if a.has(*INFINITE) else Expectation(a + g * x), children),
        st.builds(lambda a: GaussianIntegral(a * x, (x,)), children),
        st.builds(lambda a: sp.Sum(a * x**l, (l, 0, L)), children),
        st.builds(lambda a, b: sp.Max(a, b), SCALARS, NUMBERS),
    )


def is_settled(expr: sp.Basic) -> bool:
    """Whether sympy makes the same object of its parts again: |x|^(1/3) |x|^(-4/3) is not always 1/|x|."""
    if not expr.args or isinstance(expr, (GaussianScalar, Dot, sp.Trace)):
        return True
    return all(map(is_settled, expr.args)) and (expr.func(*expr.args) == expr or is_kept(expr))


def is_kept(expr: sp.Basic) -> bool:
    """A number times a sum, which the readers keep as it is written."""
    return expr.is_Mul and len(expr.args) == 2 and expr.args[0].is_Rational and expr.args[1].is_Add


@given(st.recursive(st.one_of(NUMBERS, SCALARS), grown, max_leaves=10))
def test_what_is_printed_reads_back_or_is_refused(expr):
    if expr.has(*INFINITE) or not is_settled(expr):
        return
    try:
        assert read_latex(to_latex(expr), names_of(expr), GENEROUS) == expr
    except FormulaError as error:  # a constant whose sign sympy would have to decide, or a product of two logs
        assert any(
            word in error.reason for word in ("symbols do not cancel", "its sign", "up to 256", "of a number", "root")
        )


PIECES = r"""\frac \left( \right) { } ( ) [ ] ^ _ + - = \cdot \sqrt x y \lambda \kappa A u v g 1 2 , \mathbb{E} \langle
\rangle \operatorname{erf} \operatorname{tr} \sin \exp e \pi \Phi \max \top | \| \sum_{l=0}^{L}
\begin{matrix} \end{matrix} & \\ \nabla_x \nabla_{u}
X_{l} k^\star ' ^{2} {\left( \right)} \frac12 \infty \lim 0.5 / \mathrm{i} \mathbb{I}_{d} \le""".split()


def random_text(rng: random.Random) -> str:
    if rng.randrange(2):
        return " ".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 30)))
    text = list(rng.choice(SPELLINGS)[0] + rng.choice([" + ", " ", " = "]) + rng.choice(SPELLINGS)[0])
    for _ in range(rng.randrange(4)):
        text[rng.randrange(len(text))] = rng.choice(string.printable)
    return "".join(text)


@pytest.mark.parametrize("seed", range(3))
def test_random_texts_are_read_or_refused(seed):
    rng = random.Random(seed)
    accepted = 0
    for _ in range(1_000):
        text = random_text(rng)
        try:
            reading = read(text, WORDS, latex=True, statement=rng.randrange(3) == 0)
        except FormulaError as error:
            assert error.work <= WORK * (len(text) + 1)
            continue
        accepted += 1
        assert reading.work <= WORK * (len(text) + 1)
    assert accepted > 20


@pytest.mark.parametrize(
    "tex",
    [
        "{" * 4000,
        "{" * 59 + "x" + "}" * 59,
        r"\frac" * 1500,
        r"\frac{1}" * 900 + "{x}",
        r"\left(" * 1000 + "x" + r"\right)" * 1000,
        r"\operatorname{erf}{\left(" * 300,
        r"\operatorname{erf}{\left(" * 50 + "x" + r"\right)}" * 50,
        "x^{" * 2000,
        "|" * 8000,
        "|x" * 4000,
        r"\hat{" * 1300 + "x" + "}" * 1300,
        r"e^" * 3999 + "x",
        r"\sin" * 1999 + " x",
        r"\operatorname{erf}" * 400 + "x",
        r"x^\frac" * 1100,
        r"\sqrt" * 1500 + "2",
        r"\hat" * 1999 + "x",
        r"\hat{" * 1500 + "x" + "}" * 1500,
        "x_{" * 2000,
        "x'" * 4000,
        r"\begin{aligned}" * 500,
        r"\begin{matrix}" + "1 & " * 1900 + r"1 \end{matrix}",
        "9^{9^{9^{9^{9}}}}",
        r"e^{e^{e^{e^{9}}}}",
        "{9^{256}}^{256}",
        r"\mathbb{E}_{" + "t_{0}," * 900,
        "u^T " + "(A + B) " * 90 + "u",
    ],
)
def test_hostile_latex_is_refused_at_once(tex):
    start = time.perf_counter()
    with pytest.raises(FormulaError):
        for statement in (False, True):
            reading = read(tex, WORDS, latex=True, statement=statement)
            assert reading.work <= WORK * (len(tex) + 1)
    assert time.perf_counter() - start < 5, "a hang, not a slow machine"


@pytest.mark.parametrize("name, printed", [("X", "X_{l}"), ("X_k", "{X_{k}}_{l}")])
def test_a_token_has_one_subscript_even_if_its_prompt_has_one(name, printed):
    """TeX refuses X_{k}_{l}."""
    tokens, l = GaussianMatrix(name, n, d), sp.Symbol("l", integer=True)
    token = dot(tokens[l, :], sp.MatrixSymbol("k", d, 1))
    assert to_latex(token) == rf"\left\langle k, {printed}\right\rangle"
    assert read_latex(to_latex(token), names_of(token)) == token
