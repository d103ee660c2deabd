"""The script of a witness runs on its own and prints the two values; what cannot be written gives no script."""

from __future__ import annotations

import html
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

from proofs_check import (
    CertifiedNumerics,
    Claim,
    Context,
    Entrywise,
    Evidence,
    Outcome,
    PropertySearch,
    Verdict,
    Witness,
)
from proofs_check.python_code import NoPythonCode, PythonCode
from proofs_check.witness_script import ball_script, entrywise_script
from theory import (
    BivariateNormalCDF,
    Domain,
    Expectation,
    GaussianIntegral,
    GaussianMatrix,
    GaussianVector,
    Inequality,
    Labels,
    Latent,
    Mask,
    MixtureMatrix,
    NormalCDF,
    OwenT,
    TokenGroup,
    Tokens,
    dot,
    equal,
    gaussians,
    quad,
)

ROOT = Path(__file__).resolve().parent.parent
R = sp.Rational
x, y = sp.symbols("x y", real=True)
lam, p, rho, s = sp.symbols("lambda p rho s", positive=True)
n, d, K = sp.symbols("n d K", integer=True, positive=True)
l = sp.Symbol("l", integer=True)
A, S = sp.MatrixSymbol("A", d, d), sp.MatrixSymbol("Sigma", d, d)
mu = sp.MatrixSymbol("mu", d, 1)
tr = sp.Trace
BOX = Domain({x: (-1, 1), y: (-1, 1), lam: (0, sp.oo)})
SIZES = Domain({n: (1, sp.oo), d: (1, sp.oo), p: (0, 1), rho: (0, 1), s: (0, 9)})


HOSTILE = ["lambda", "sp", "at", "κ", "x y", "x, y", "a:3", '"); print(1) #', "'", "1st", "", "print", "\\", "ball"]


def printed(script: str) -> list[str]:
    """What a script prints in an interpreter of its own."""
    run = subprocess.run(
        [sys.executable, "-"],
        input=script,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, f"{script}\n{run.stderr}"
    return run.stdout.split("\n")[:-1]


def witness_of(statement, domain, check):
    claim = Claim("c", "a claim.", lambda: statement, domain, "", ())
    verdict = check.run(claim, Context(np.random.default_rng(0)))
    assert verdict.fails, verdict
    return verdict.witness


t = sp.Symbol("t", real=True)
a, b = gaussians("a b", mean=[x, 0], covariance=[[1, R(1, 2)], [R(1, 2), s]])
J = Latent("J", n)
X = GaussianMatrix("X", n, d, mean=mu, covariance=S)
M = Mask("M", d, rho)
Z = MixtureMatrix("Z", n, d, weights=[p, 1 - p], means=[mu, -mu], covariance=[s, 2 * s])

WITNESSES = [
    (equal(sp.erf(lam * x) ** 2 + sp.sqrt(2) / 3 * y, sp.exp(-(x**2)) / sp.pi), BOX, PropertySearch()),
    (equal(NormalCDF(x) + OwenT(x, y), BivariateNormalCDF(x, y, R(1, 2)) + sp.Abs(x)), BOX, PropertySearch()),
    (equal(sp.Piecewise((sp.Max(x, y), x > lam), (x, True)), lam / sp.sqrt(lam + 1)), BOX, CertifiedNumerics()),
    (equal(GaussianIntegral(sp.tanh(lam * t) ** 2, (t,)), R(1, 3)), BOX, PropertySearch()),
    (Inequality(x * lam, "<", 5), BOX, PropertySearch()),
    (equal(Expectation(quad(GaussianVector("g", d, covariance=S), A) ** 2), tr(A * S) ** 2), SIZES, PropertySearch()),
    (equal(Expectation(tr(X.T * X * A)), n * tr(A * S)), SIZES, Entrywise()),
    (equal(Expectation(a**2 * b**2), s), Domain({x: (0, 1), s: (1, 2)}), PropertySearch()),
    (equal(Expectation(tr(Z.T * Z)), n * d * s), SIZES, PropertySearch()),
    (equal(Expectation(dot(sp.HadamardProduct(M, mu), mu)), dot(mu, mu)), SIZES, PropertySearch()),
    (equal(A.T * A, sp.HadamardProduct(A, A)), SIZES, PropertySearch()),
]


def test_the_script_of_every_kind_of_witness_prints_both_values_again():
    """One interpreter runs them all, each in a function, because starting one takes a second."""
    found = [witness_of(*case) for case in WITNESSES]
    bodies = []
    for witness in found:
        assert witness.script
        body = "\n".join(f"    {line}" for line in witness.script.split("\n"))
        bodies.append(f"def script():\n{body}\nscript()\nprint('---')")
    answers = "\n".join(printed("\n".join(bodies))).split("---\n")
    answers[-1] = answers[-1].removesuffix("---")
    for witness, answer in zip(found, answers, strict=True):
        values = [witness.lhs, witness.rhs]
        if "ball" in witness.script:
            left, right = (R(line) for line in answer.split())
            for value, again in zip(values, (left, right), strict=True):
                assert abs(R(value) - again) <= R(1, 10**6) * max(abs(again), R(1, 10**6)), (witness, answer)
        else:
            expected = [sp.Matrix(2, 2, [1, 0, 0, 1]) if value == "I" else value for value in values]
            shown = "".join(answer.split())
            assert shown == "".join(
                "".join(f"Matrix({e})".split()) if value.startswith("[") else str(e)
                for e, value in zip(expected, values, strict=True)
            ), (witness, answer)


def test_the_script_runs_on_its_own_and_is_short():
    script = witness_of(*WITNESSES[5]).script
    assert len(script.split("\n")) <= 9
    assert script.startswith("import sympy as sp\nfrom numerics import entrywise_mean, exact_value\nfrom theory import")
    assert printed(script) == ["2", "1"] or len(printed(script)) == 2


def test_the_card_shows_the_script_and_the_line_does_not():
    witness = Witness({x: "1"}, "1", "2", script="print('<b>' < 'x')")
    verdict = Verdict(Outcome.FAILS, Evidence.CERTIFIED, "at a point", "", witness)
    assert "print" not in witness.text() and "print" not in str(verdict)
    assert "<pre style" in verdict._repr_html_() and html.escape(witness.script) in verdict._repr_html_()
    assert witness.reproduced() == "# at x=1: 1 against 2\nprint('<b>' < 'x')"
    assert Witness({}, "1", "2").reproduced() == ""


def test_a_comment_above_a_script_stays_on_one_line():
    witness = Witness({"x": "1\nimport os"}, "1", "2", script="print(1)")
    assert witness.reproduced().split("\n") == ["# at x=1 import os: 1 against 2", "print(1)"]


@pytest.mark.parametrize(
    "name", ["lambda", "sp", "at", "κ", "x y", "x, y", "a:3", '"); print(1) #', "'", "1st", "", "print"]
)
def test_any_name_of_a_symbol_becomes_a_name_of_python(name):
    """The name is data: it is quoted, and the identifier is made of letters, digits and underscores."""
    symbol = sp.Symbol(name, positive=True)
    code = PythonCode()
    identifier = code.write(symbol)
    assert identifier.isidentifier() and identifier not in ("sp", "lambda", "at", "print")
    (line,) = code.assignments()
    left, _, right = line.partition(" = ")
    assert left == identifier and right.startswith("sp.Symbol(")


def test_names_as_hostile_as_that_still_run():
    symbols = [sp.Symbol(name, real=True) for name in (*HOSTILE, "x_y")]
    expr = sum(symbol**k for k, symbol in enumerate(symbols, start=1))
    script = ball_script(sp.sin(expr), sp.Integer(2), {symbol: R(1, 7) for symbol in symbols})
    assert len(printed(script)) == 2 and R(printed(script)[1]) == 2


def test_two_symbols_of_one_name_get_two_names():
    plain, real = sp.Symbol("x"), sp.Symbol("x", real=True)
    code = PythonCode()
    assert code.write(plain + 2 * real).count("x_") == 1
    assert len(set(code.names.values())) == 2


@pytest.mark.parametrize(
    "expr, text",
    [
        (x / 2 + R(1, 3), "x/2 + sp.Rational(1, 3)"),
        (sp.sqrt(x) / sp.sqrt(y), "sp.sqrt(x)/sp.sqrt(y)"),
        (R(2, 3) ** x, "(sp.Rational(2, 3))**x"),
        (sp.E * sp.pi + sp.I, "sp.E*sp.pi + sp.I"),
        (sp.Max(x, y, 0), "sp.Max(0, x, y)"),
        (sp.Sum(l * x, (l, 0, n - 1)), "sp.Sum(l*x, (l, 0, n - 1))"),
        (sp.Piecewise((x, sp.Eq(x, y)), (0, True)), "sp.Piecewise((x, sp.Equality(x, y)), (0, sp.true))"),
        ((A * S).T + A.I, "A**(-1) + Sigma.T*A.T"),
        (dot(mu, A * mu), "dot(mu, A*mu)"),
        (tr(X.T * X), "sp.Trace(X.T*X)"),
        (X[l, :], "X[l, :]"),
    ],
)
def test_what_is_written_is_readable(expr, text):
    assert PythonCode().write(expr) == text


@pytest.mark.parametrize(
    "variable, line",
    [
        (X, 'X = GaussianMatrix("X", n, d, mean=mu, covariance=Sigma)'),
        (GaussianVector("g", 3), 'g = GaussianVector("g", 3)'),
        (GaussianVector("g", d, covariance=s), 'g = GaussianVector("g", d, covariance=s*sp.Identity(d))'),
        (Mask("M", d, rho, rows=n), 'M = Mask("M", d, rho=rho, rows=n)'),
        (Mask("M", d, size=2), 'M = Mask("M", d, size=2)'),
        (Mask("M", d, rate=(p, s)), 'M = Mask("M", d, rate=[p, s])'),
        (Labels("C", n, [p, 1 - p]), 'C = Labels("C", n, [p, 1 - p])'),
        (Latent("J", n), 'J = Latent("J", n)'),
        (
            Tokens("T", d, [TokenGroup(1, covariance=2, at=J), TokenGroup(n - 1)]),
            'T = Tokens("T", d, [TokenGroup(1, covariance=2*sp.Identity(d), at=J), TokenGroup(n - 1)])',
        ),
    ],
)
def test_a_law_is_written_with_its_public_constructor(variable, line):
    code = PythonCode()
    code.write(variable)
    assert code.assignments()[-1] == line


def test_what_has_no_public_constructor_is_refused_and_gives_no_script():
    unknown = sp.Function("f")(x)
    with pytest.raises(NoPythonCode, match="no public constructor"):
        PythonCode().write(unknown)
    assert ball_script(unknown, x, {x: 1}) == ""
    assert entrywise_script(X[l, :], sp.Dummy("z") * unknown, {}) == ""
