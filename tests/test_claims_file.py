"""Claims files: the example of the design, every kind of declaration, and what is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sympy as sp

from proofs_check import Outcome, verify
from proofs_check.__main__ import main
from proofs_check.claims_file import parse_claims, read_claims
from proofs_check.declarations import declare
from proofs_check.formula import FormulaError
from theory import Domain, GaussianMatrix, GaussianVector, Latent
from theory.statement import Inequality, Limit
from theory.variables import GaussianScalar, Labels, Mask, MixtureMatrix

DESIGN = """
[symbols]
n = "positive integer"
A = "matrix(d, d)"
[random]
x = "gaussian vector(d), covariance S"
[[claim]]
name = "second moment of a quadratic form"
lhs = "E[(x' A x)^2]"
relation = "="
rhs = "tr(A S)^2 + tr(A S A S) + tr(A S A' S)"
source = "..."
expected = "holds"
"""


def claims(body: str, head: str = "") -> str:
    return f'[symbols]\nlam = "positive"\nkappa = "real in [-1, 1]"\n{head}\n[[claim]]\nname = "it"\n{body}'


def test_the_example_of_the_design_holds():
    report = verify(parse_claims(DESIGN))
    assert report.exit_code == 0 and report.lines[0].verdict.holds


@pytest.mark.parametrize(
    "old, new",
    [
        ("tr(A S A' S)", "tr(A S A S)"),  # a lost transposition
        ("+ tr(A S A' S)", "- tr(A S A' S)"),  # a lost sign
        ("tr(A S)^2", "tr(A S)"),
        ("(x' A x)^2", "(x' A x)^3"),
    ],
)
def test_the_example_made_wrong_does_not_hold(old, new):
    assert not verify(parse_claims(DESIGN.replace(old, new))).lines[0].verdict.holds


def test_text_and_latex_may_stand_side_by_side():
    text = claims(
        "lhs = 'E[erf(lam*g)^2]'\nrhs = '\\frac{2}{\\pi}\\arcsin\\frac{2\\lambda^2}{1+2\\lambda^2}'",
        '[random]\ng = "gaussian"',
    )
    assert verify(parse_claims(text)).exit_code == 0


def test_every_declaration():
    declared = declare(
        {
            "n": "positive integer",
            "lam": "positive in (0, 5]",
            "kappa": "real in [-1, 1/2]",
            "eps": "nonnegative",
            "k": "integer in [2, 9]",
            "A": "matrix(n, d)",
            "v": "vector(d)",
            "Q": "symmetric matrix(d)",
        },
        {
            "x": "gaussian vector(d), mean m, covariance S",
            "w": "gaussian vector(3), covariance 2*identity(3)",
            "X": "gaussian matrix(n, d), covariance S",
            "g": "gaussian, mean kappa, variance lam",
            "a b": "gaussian, mean (kappa, 0), covariance matrix((lam, 1), (1, 2))",
            "J": "latent(n)",
            "C": "labels(n), weights (1/3, 2/3)",
            "Z": "mixture matrix(n, d), weights (1/3, 2/3), means (mu, -mu), covariance lam",
            "M": "mask(d), rho 1/2",
            "N": "mask matrix(n, d), rate (2, 3)",
        },
    )
    names = declared.vocabulary.names
    d, n, S = names["d"], names["n"], names["S"]
    assert d.is_positive and d.is_integer and n.is_integer
    assert names["A"].shape == (n, d) and names["v"].shape == (d, 1)
    assert names["x"] == GaussianVector("x", d, mean=sp.MatrixSymbol("m", d, 1), covariance=S)
    assert names["w"] == GaussianVector("w", 3, covariance=2 * sp.Identity(3))
    assert names["X"] == GaussianMatrix("X", n, d, covariance=S)
    assert names["J"] == Latent("J", n)
    third = [sp.Rational(1, 3), sp.Rational(2, 3)]
    mu = sp.MatrixSymbol("mu", d, 1)
    assert names["C"] == Labels("C", n, third)
    assert names["Z"] == MixtureMatrix("Z", n, d, third, [mu, -mu], names["lam"])
    assert names["M"] == Mask("M", d, sp.Rational(1, 2)) and names["N"] == Mask("N", d, rows=n, rate=(2, 3))
    assert isinstance(names["a"], GaussianScalar) and names["a"].family == names["b"].family
    assert names["a"].family.covariance == sp.Matrix([[names["lam"], 1], [1, 2]])
    assert names["g"].family.mean == sp.Matrix([names["kappa"]])
    assert declared.vocabulary.symmetric == {S, names["Q"]}
    assert declared.intervals[names["kappa"]] == (-1, sp.Rational(1, 2))
    assert declared.intervals[names["lam"]] == (0, 5)
    assert declared.intervals[n] == (1, sp.oo) and declared.intervals[names["eps"]] == (0, sp.oo)


def test_the_domain_is_that_of_the_declarations_narrowed_by_the_claim():
    claim = parse_claims(
        claims('lhs = "lam*kappa"\nrelation = "<="\nrhs = "1"\ndomain = ["lam in (0, 2]", "lam + kappa < 2"]')
    )["it"]
    assert isinstance(claim.statement, Inequality)
    lam, kappa = sp.Symbol("lam", positive=True), sp.Symbol("kappa", real=True)
    assert claim.domain == Domain({lam: (0, 2), kappa: (-1, 1)}, conditions=(lam + kappa < 2,))


def test_a_sentence_holds_no_commands_for_a_terminal():
    text = claims('lhs = "lam"\nrhs = "lam"\nsentence = "red \\u001b[31m \\u202e text"\nsource = "a\\tb"')
    claim = parse_claims(text)["it"]
    assert claim.sentence.isprintable() and claim.source == "a b"


def test_limits_and_refutations():
    text = (
        claims('lhs = "lim(lam, oo, kappa/lam)"\nrhs = "0"') + '\n[[claim]]\nname = "no"\nlhs = "lam"\nrhs = "2*lam"\n'
    )
    study = parse_claims(text + 'expected = "refuted"')
    assert isinstance(study["it"].statement, Limit)
    assert verify(study).exit_code == 0


@pytest.mark.parametrize(
    "text, reason",
    [
        ("x =", "TOML"),
        ("", r"at least one \[\[claim\]\]"),
        ("claim = 3", r"at least one \[\[claim\]\]"),
        ("[[claims]]\nname = 'x'", "expected the keys"),
        (claims('lhs = "lam"'), "the key rhs"),
        (claims('lhs = "lam"\nrhs = 3'), "rhs = a text"),
        (claims('lhs = "lam +"\nrhs = "1"'), r"claim 1 \('it'\), lhs: expected"),
        (claims('lhs = "__import__"\nrhs = "1"'), "lhs: expected a formula"),
        (claims('lhs = "lam"\nrhs = "1"\nrelation = "~"'), "relation among"),
        (claims('lhs = "lam"\nrhs = "1"\nexpected = "true"'), "expected is one of"),
        (claims('lhs = "lam"\nrhs = "1"\nproof = "trust me"'), "expected the keys"),
        (claims('lhs = "lam"\nrhs = "1"\ndomain = ["lam in [2, 1]"]'), "domain: expected low <= high"),
        (claims('lhs = "lam"\nrhs = "1"\ndomain = ["mu in [0, 1]"]'), "domain: unknown name mu"),
        (claims('lhs = "lam"\nrhs = "1"\ndomain = ["kappa in (0, 1]"]'), "closed interval"),
        (claims('lhs = "lam"\nrhs = "1"\ndomain = 3'), "domain = a list"),
        (claims('lhs = "lam"\nrhs = "1"', 'mu = "small"'), r"mu = 'small': expected real, positive"),
        (claims('lhs = "lam"\nrhs = "1"', "mu = 3"), "mu: expected a declaration"),
        (claims('lhs = "lam"\nrhs = "1"', 'pi = "real"'), "reserved"),
        (claims('lhs = "lam"\nrhs = "1"', '"x}" = "real"'), "expected a name"),
        (claims('lhs = "lam"\nrhs = "1"', 'A = "tensor(d)"'), r"expected matrix\(n, d\)"),
        (claims('lhs = "lam"\nrhs = "1"', '[random]\ng = "cauchy"'), "expected a law such as gaussian"),
        (claims('lhs = "lam"\nrhs = "1"', '[random]\ng = "gaussian, variance -1"'), "positive semidefinite|variance"),
        (claims('lhs = "lam"\nrhs = "1"', '[random]\ng = "gaussian, scale 2"'), "the clauses mean"),
        (claims('lhs = "lam"\nrhs = "1"', '[random]\nlam = "gaussian"'), "every name once"),
        (claims('lhs = "lam"\nrhs = "1"\n[[claim]]\nname = "it"\nlhs = "1"\nrhs = "1"'), "two claims are called it"),
        ("a = " + "[" * 5000, "TOML"),
    ],
)
def test_what_is_wrong_is_named(text, reason):
    with pytest.raises(FormulaError, match=reason):
        parse_claims(text)


def test_a_file_is_read_and_named_after_itself(tmp_path):
    file = tmp_path / "lemma 2.claims.toml"
    file.write_text('title = "Lemma 2"\n' + DESIGN)
    study = read_claims(file)
    assert (study.name, study.title, study.claims[0].name) == (
        "lemma-2",
        "Lemma 2",
        "second-moment-of-a-quadratic-form",
    )
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(FormulaError, match="UTF-8"):
        read_claims(file)
    file.write_bytes(b"#" * 1_000_001)
    with pytest.raises(FormulaError, match="at most"):
        read_claims(file)


def test_the_published_lemma_of_the_examples_holds():
    report = verify(read_claims(Path(__file__).resolve().parent.parent / "examples" / "gaussian_moments.claims.toml"))
    assert report.exit_code == 0 and all(line.verdict.outcome is not Outcome.UNDECIDED for line in report.lines)


@pytest.fixture
def draft(tmp_path) -> Path:
    file = tmp_path / "draft.claims.toml"
    file.write_text(DESIGN)
    return file


def test_the_command_checks_a_file(draft, tmp_path, capsys):
    verdicts = tmp_path / "verdicts.json"
    assert main(["check", str(draft), "--json", str(verdicts)]) == 0
    assert "draft/second-moment-of-a-quadratic-form" in capsys.readouterr().out
    assert json.loads(verdicts.read_text())


def test_the_command_tells_wrong_from_undecided_and_misuse(draft, tmp_path, capsys):
    false = claims('lhs = "lam"\nrhs = "lam + 1"')
    draft.write_text(false)
    assert main(["check", str(draft)]) == 1
    draft.write_text(DESIGN.replace("tr(A S A' S)", "tr(A S A S)"))
    assert main(["check", str(draft)]) == 1
    draft.write_text(claims('lhs = "exp(lam)"\nrelation = ">="\nrhs = "1 + lam"'))
    assert main(["check", str(draft)]) == 3
    draft.write_text(claims('lhs = "lam +"\nrhs = "1"'))
    assert main(["check", str(draft)]) == 2
    assert main(["check", str(tmp_path / "missing.toml")]) == 2
    assert "lhs: expected" in capsys.readouterr().err


def test_a_false_claim_about_matrices_is_refuted_with_a_witness():
    """Enumeration over the rationals finds it, where neither normal forms nor balls of symbols can."""
    text = """
    [symbols]
    A = "matrix(d, d)"
    [random]
    x = "gaussian vector(d), covariance S"
    [[claim]]
    name = "square of a form"
    lhs = "E[(x' A x)^2]"
    rhs = "tr(A S)^2 + 2 tr(A S A S)"
    [[claim]]
    name = "square of a form, for a general matrix"
    lhs = "E[(x' A x)^2]"
    rhs = "tr(A S)^2 + tr(A S A S) + tr(A S A' S)"
    """
    false, true = (line.verdict for line in verify(parse_claims(text)).lines)
    assert false.fails and "A" in {str(symbol) for symbol in false.witness.point}
    assert true.holds
