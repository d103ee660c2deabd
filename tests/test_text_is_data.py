"""Text from users is data: no function of the exact layer reads it as code, and the readers never hand it on."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path

import pytest
import sympy as sp
import sympy.parsing.sympy_parser

from numerics import ball, certified_zeros, value
from proofs_check.claims_file import parse_claims
from proofs_check.formula import FormulaError, read
from theory import E, GaussianIntegral, GaussianMatrix, GaussianVector, Latent, Risk, TokenGroup, gaussians

x = sp.Symbol("x", real=True)
HOSTILE = "open('intruder', 'w').write('x')"


@pytest.mark.parametrize(
    "read",
    [
        E,
        lambda text: gaussians("a", mean=[text]),
        lambda text: gaussians("a", covariance=[[text]]),
        lambda text: GaussianVector("x", text),
        lambda text: GaussianVector("x", 2, mean=text),
        lambda text: GaussianVector("x", 2, covariance=text),
        lambda text: GaussianMatrix("X", text, 2),
        lambda text: GaussianMatrix("X", 3, 2)[text, :],
        lambda text: Latent("J", text),
        lambda text: TokenGroup(text),
        lambda text: TokenGroup(1, text),
        lambda text: GaussianIntegral(text, (x,)),
        lambda text: Risk(x**2, (x,)).restrict({x: text}),
        lambda text: Risk(x**2, (text,)),
        lambda text: value(text, {}),
        lambda text: value(x, {"x": text}),
        lambda text: ball(text, {}),
        lambda text: ball(x, {"x": text}),
        lambda text: certified_zeros([text], (x,), {x: (0, 1)}),
    ],
)
def test_a_text_is_refused_and_not_run(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((TypeError, ValueError, AttributeError)):
        read(HOSTILE)
    assert not list(tmp_path.iterdir())


# --- the readers ----------------------------------------------------------------------------------

PROOFS_CHECK = Path(__file__).resolve().parent.parent / "proofs_check"
READERS = [
    *sorted((PROOFS_CHECK / "formula").glob("*.py")),
    PROOFS_CHECK / "declarations.py",
    PROOFS_CHECK / "claims_file.py",
]

# What the readers may ask of sympy. Those that take a name get one that passed the pattern.
NAMED = {"Symbol", "MatrixSymbol", "Dummy"}
STRUCTURAL = {
    "Add", "Mul", "Pow", "Rational", "Integer", "Tuple", "Sum", "MatAdd", "MatMul", "MatPow",
    "Transpose", "Inverse", "Trace",
    "HadamardPower", "DiagonalOf", "DiagonalMatrix", "DiagMatrix", "OneMatrix",
    "Determinant", "Identity", "ZeroMatrix", "HadamardProduct", "ImmutableDenseMatrix", "exp", "sqrt", "expand",
    "preorder_traversal", "sympify", "Lt", "Le", "Gt", "Ge",
}  # fmt: skip
CHECKED = ("name", "_checked(name)")  # `name` is what bound_symbol has matched with the pattern


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or isinstance(getattr(node, "value", None), str)


def misuses(source: str) -> Iterator[str]:
    """Where a reader gives a text to sympy, or might run one."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            if any(name.split(".")[0] in ("pickle", "marshal", "importlib", "ast", "code") for name in names):
                yield f"line {node.lineno} imports {names}"
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in ("eval", "exec", "compile", "__import__", "open", "setattr", "vars", "globals"):
            yield f"line {node.lineno} calls {called}"
        head, _, last = called.rpartition(".")
        if head != "sp":
            continue
        if last in NAMED:
            first = node.args[0]
            if not (
                ast.unparse(first) in CHECKED or (isinstance(first, ast.Constant | ast.JoinedStr) and last == "Dummy")
            ):
                yield f"line {node.lineno}: sp.{last}({ast.unparse(first)})"
        elif last not in STRUCTURAL:
            yield f"line {node.lineno}: sp.{last} is not among what a reader may call"
        elif any(
            isinstance(part, ast.JoinedStr) or isinstance(getattr(part, "value", None), str) for part in node.args
        ):
            yield f"line {node.lineno} gives text to sp.{last}"
        if last == "sympify" and "strict=True" not in ast.unparse(node):
            yield f"line {node.lineno}: sympify reads text unless it is strict"


@pytest.mark.parametrize("file", READERS, ids=lambda file: file.stem)
def test_no_text_goes_from_the_readers_to_sympy(file):
    assert not list(misuses(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "source",
    [
        "eval(text)",
        "import pickle",
        "from importlib import import_module",
        "sp.sympify(text)",
        "sp.parse_expr(text)",
        "sp.Symbol(text)",
        "sp.Symbol(token.text)",
        "sp.Function(text)",
        "sp.Max(text)",
        "sp.Add(f'{x}')",
        "sp.Rational('1/3')",
        "sp.lambdify(x, y)",
    ],
)
def test_the_rule_sees_what_it_forbids(source):
    assert list(misuses(source))


TEXTS = [
    "erf(lambda*x)^2 + u' A u - E[x^2]", r"\frac{2}{\pi}\arcsin\frac{2\lambda^2}{1+2\lambda^2}",
    "max(x, 1/3) + sum(k, 0, 3, x^k)",
    "gaussian_integral(t, tanh(x t))", "tr(A A') + det(A)", "matrix((1, x), (0, 1))", HOSTILE, "x.__class__", "1e9",
]  # fmt: skip


def test_sympy_s_own_parser_is_never_asked(monkeypatch):
    def asked(*args: object, **options: object) -> None:
        raise AssertionError(f"a text was given to be run: {args!r}")

    A, u = sp.MatrixSymbol("A", 2, 2), sp.MatrixSymbol("u", 2, 1)
    words = {"x": x, "lambda": sp.Symbol("lam", positive=True), "A": A, "u": u}
    monkeypatch.setattr(sympy.parsing.sympy_parser, "parse_expr", asked)
    monkeypatch.setattr(builtins, "eval", asked)
    with pytest.raises(AssertionError, match="given to be run"):
        sp.sympify("x + 1")  # the control
    for text in TEXTS:
        try:
            read(text, words)
        except FormulaError:
            assert text in (HOSTILE, "x.__class__", "1e9")
    claims = '[symbols]\nlam = "positive in (0, 5]"\n[random]\ng = "gaussian, variance 1/2"\n[[claim]]\nname = "it"\n'
    assert parse_claims(claims + 'lhs = "E[g^2]"\nrhs = "0.5 + lam - lam"\n')["it"].statement.rhs == sp.Rational(1, 2)
