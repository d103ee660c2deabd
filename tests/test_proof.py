"""Proofs by hand: a right one holds, every kind of slip is named at its step, and the block reads back."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sympy as sp

from proofs_check import Evidence, FormulaError, Outcome, Proof, read_latex
from proofs_check.formula.chains import links_of
from proofs_check.formula.vocabulary import names_of
from proofs_check.kinds import matrix, positive, real, vector
from theory import (
    Domain,
    Expectation,
    GaussianMatrix,
    GaussianVector,
    Gradient,
    Risk,
    derive,
    dot,
    gaussians,
    quad,
    to_latex,
)

n, d = sp.symbols("n d", integer=True, positive=True)
lam, s, r = sp.symbols("lam s r", positive=True)
y = sp.Symbol("y", real=True)
A, S, W = (sp.MatrixSymbol(name, d, d) for name in "ASW")
k = sp.MatrixSymbol("k", d, 1)
x = GaussianVector("x", d, covariance=S)

WHERE = {"x": "gaussian vector(d), covariance S", "k": vector("d"), "k_star": vector("d"), "c": real}
RIGHT = [
    ("grad(E[(c <x, k_star> - <x, k>)^2], k)", ""),
    ("E[grad((c <x, k_star> - <x, k>)^2, k)]", "under the mean"),
    ("-2 E[(c <x, k_star> - <x, k>) x]", "chain rule"),
    ("-2 c E[<x, k_star> x] + 2 E[<x, k> x]", "linearity"),
    ("-2 c S k_star + 2 E[<x, k> x]", "Stein"),
    ("-2 c S k_star + 2 S k", "Stein"),
    ("2 S (k - c k_star)", "collect"),
]


def written(lines, where=WHERE, name="gradient") -> Proof:
    (first, _), *rest = lines
    proof = Proof(name, where).start(first)
    for text, because in rest:
        proof = proof.step(text, because)
    return proof


def test_a_right_proof_holds():
    verdict = written(RIGHT).check()
    assert verdict.holds, verdict
    assert verdict.wrong_step is None
    assert verdict.evidence is Evidence.SYMBOLIC
    assert len(verdict.steps) == 6
    assert str(verdict) == '"gradient" holds: 6 steps, each symbolic.'


SLIPS = [  # a line, what stands there instead, which step it makes wrong
    (1, "2 E[grad((c <x, k_star> - <x, k>)^2, k)]", "a factor"),
    (2, "2 E[(c <x, k_star> - <x, k>) x]", "a sign"),
    (3, "-2 c E[<x, k_star> x] + 2 E[<x, k_star> x]", "another symbol"),
    (4, "-2 c k_star + 2 E[<x, k> x]", "Stein without the covariance"),
    (4, "-2 c S S k_star + 2 E[<x, k> x]", "the covariance squared"),
    (5, "-2 c S k_star + 2 S k + S k - S k_star", "a term"),
]


@pytest.mark.parametrize(("line", "slip", "what"), SLIPS, ids=[slip[2] for slip in SLIPS])
def test_a_slip_is_named_at_its_step(line, slip, what):
    """The step into the wrong line fails, and the step out of it; the lines around it agree all the same."""
    verdict = written([RIGHT[line - 1], (slip, "slip"), RIGHT[line + 1]]).check()
    assert verdict.fails
    assert verdict.wrong_steps == (1, 2)
    assert verdict.errors_cancel
    assert "fails at step 1 (slip)" in str(verdict)
    assert "the errors cancel" in str(verdict)
    assert verdict.steps[0].witness is not None


def test_a_slip_that_is_carried_on_is_one_wrong_step():
    lines = [*RIGHT[:4], ("-2 c k_star + 2 E[<x, k> x]", "Stein"), ("-2 c k_star + 2 S k", "Stein")]
    verdict = written(lines).check()
    assert verdict.wrong_steps == (4,)
    assert verdict.conclusion.fails
    assert not verdict.errors_cancel
    assert verdict.steps[4].holds


def test_a_covariance_stays_one_where_its_variable_is_gone():
    """The last lines hold S and no x: S' is S there, and a witness is a covariance."""
    proof = Proof("symmetric", {"x": "gaussian vector(d), covariance S", "k": vector("d")})
    proof = proof.start("grad(E[<x, k>^2], k)").step("S k + S k", "Stein")
    assert proof.step(S.T * k + S * k, "S is symmetric").check().holds
    shown = proof.step("2 k", "slip").check().steps[1].witness.point[S]
    assert shown == shown.T
    assert shown.is_positive_semidefinite


def test_an_undecided_step_is_named_and_is_no_proof():
    f = sp.Function("f")
    verdict = Proof("open").start(f(y)).step(f(-y), "even").check(seconds=5)
    assert verdict.undecided
    assert verdict.undecided_steps == (1,)
    assert "undecided at step 1 (even)" in str(verdict)
    assert "[undecided]" in verdict.latex()


# --- estimates -----------------------------------------------------------------------------------


def test_a_chain_of_estimates():
    where = {"y": real}
    proof = Proof("estimate", where).start("2 y - 1").step("y + y - 1").step("y^2", "(y - 1)^2 >= 0", "<=")
    proof = proof.step("y^2 + 1", "", "<")
    assert proof.conclusion.text() == "2*y - 1 < y**2 + 1"
    assert proof.check().holds
    wrong = Proof("estimate", {"y": (2, 3)}).start("y^2").step("2 y - 1", "", "<=").check()
    assert wrong.wrong_step == 1


def test_an_estimate_against_the_direction_is_refused():
    proof = Proof("mixed", {"y": real}).start("y").step("y + 1", relation="<")
    with pytest.raises(ValueError, match=r"step 2: expected the direction of <.*got >="):
        proof.step("y", relation=">=")


# --- what is refused -----------------------------------------------------------------------------


def test_misuse_is_refused_at_the_line():
    proof = Proof("misuse", WHERE)
    with pytest.raises(ValueError, match="first line before a step"):
        proof.step("c")
    with pytest.raises(ValueError, match="second one"):
        proof.start("c").start("c")
    with pytest.raises(ValueError, match="at least one step"):
        proof.start("c").check()
    with pytest.raises(ValueError, match="step 1: expected one of =, <"):
        proof.start("c").step("c", relation="~")
    with pytest.raises(ValueError, match="step 1: expected two sides of one shape"):
        proof.start("S k").step("S")
    with pytest.raises(FormulaError, match="step 1: unknown name z"):
        proof.start("c").step("z + 1")
    with pytest.raises(TypeError, match="step 1: expected exact numbers"):
        proof.start("c").step(0.5)
    with pytest.raises(TypeError, match="step 1: expected a scalar"):
        proof.start("S k").step("k", relation="<=")
    with pytest.raises(TypeError, match="three outcomes"):
        bool(proof.start("c").step("c").check())


def test_a_proof_is_never_changed():
    first = Proof("branches", {"y": real}).start("(y + 1)^2")
    assert first.step("y^2 + 2*y + 1").check().holds
    assert first.step("y^2 + 1").check().fails
    assert len(first.lines) == 1


# --- lines of every kind -------------------------------------------------------------------------


def test_lines_may_be_objects_text_or_latex_and_names_are_those_of_where():
    plain = sp.Symbol("lam")
    proof = Proof("mixed", {"lam": positive}).start(sp.sqrt(plain**2)).step("lam").step(r"\frac{\lambda^2}{\lambda}")
    assert proof.check().holds
    assert {line.expr.free_symbols.pop() for line in proof.lines} == {lam}


def test_zero_stands_for_the_zero_matrix():
    proof = Proof("zero", {"A": matrix("d"), "B": matrix("d")}).start("A B - A B").step("0")
    assert proof.lines[-1].expr == sp.ZeroMatrix(d, d)
    assert proof.check().holds


def test_a_risk_is_its_formula():
    assert Proof("risk").start(Risk((s - 1) ** 2, (s,))).step(s**2 - 2 * s + 1).check().holds


def test_a_domain_is_where_the_steps_are_asserted():
    steps = lambda where: Proof("root", where).start(sp.sqrt(y**2)).step(y, "y is positive").check()  # noqa: E731
    assert steps(Domain({y: (0, sp.oo)})).holds
    assert steps(Domain({y: (-1, 1)})).fails


a, b = gaussians("a b", covariance=[[s, r], [r, 1]])
X = GaussianMatrix("X", n, d, covariance=S)
DERIVED = [derive(sp.erf(lam * a) * b), derive(sp.Trace(X.T * X * A) ** 2)]


def test_conditions_are_given_on_top():
    where = {"y": real, "c": real}
    steps = lambda *given: Proof("root", where, given).start("sqrt((y - c)^2)").step("y - c", "y >= c").check()  # noqa: E731
    assert steps("y >= c").holds
    assert steps().fails


@pytest.mark.parametrize("derivation", DERIVED, ids=["scalars", "matrices"])
def test_the_lines_of_a_derivation_hold_one_by_one(derivation):
    proof = Proof.from_derivation(derivation)
    assert [line.because for line in proof.lines[1:]] == [step.rule for step in derivation.steps]
    assert proof.check().holds
    last = proof.lines[-1].expr
    wrong = replace(proof, lines=proof.lines[:-1]).step(2 * last, "slip")
    assert wrong.check().wrong_step == len(proof.lines) - 1


# --- how it shows itself -------------------------------------------------------------------------


def rows(block: str) -> list[str]:
    return [link.tex for link in links_of(block)]


def test_the_block_reads_back():
    proof = written(RIGHT).step("2 S k - 2 c S k_star", "100 % of {it}: S_k & more").step("2 S k", "slip")
    block = proof.latex()
    for line, tex in zip(proof.lines, rows(block), strict=True):
        assert read_latex(tex, names_of(line.expr)) == line.expr
    again = Proof.from_latex("gradient", block, WHERE)
    assert [line.expr for line in again.lines] == [line.expr for line in proof.lines]
    assert [line.because for line in again.lines[:-2]] == [line.because for line in proof.lines[:-2]]


def test_long_lines_read_back():
    long = sp.Add(*(y**i * sp.erf(lam * y + i) for i in range(1, 25)))
    proof = Proof("long").start(long).step(2 * long - long, "add", ">=")
    assert proof.latex().count(r"\\") > 3
    again = Proof.from_latex("long", proof.latex(), {"y": real, "lam": positive})
    assert [(line.expr, line.relation) for line in again.lines] == [(line.expr, line.relation) for line in proof.lines]


def test_what_papers_write_is_read():
    tex = r"""\begin{align*}
      \mathbb{E}[x^\top A x] &= \operatorname{tr}(A S) && \text{Stein} \\
      &= \operatorname{tr}(S A) \qquad \text{cyclic}
    \end{align*}"""
    proof = Proof.from_latex("paper", tex, {"x": "gaussian vector(d), covariance S", "A": matrix("d")})
    assert [line.because for line in proof.lines] == ["", "Stein", "cyclic"]
    assert proof.lines[0].expr == Expectation(quad(x, A))
    assert proof.check().holds


@pytest.mark.parametrize("tex", ["", "x", r"\begin{align*} x &= y", r"\begin{aligned} \end{aligned}"])
def test_what_is_no_chain_is_refused(tex):
    with pytest.raises(FormulaError):
        Proof.from_latex("none", tex, {"x": real, "y": real})


def with_a_slip() -> Proof:
    proof = Proof("slip", {"y": real}).start("(y + 1)^2 - 1").step("y^2 + 2*y + 1 - 1", "expand")
    return proof.step("y^2 + y", "<b>cancel</b>").step("y (y + 1)", "collect")


def test_wrong_steps_are_marked_in_the_block():
    verdict = with_a_slip().check()
    assert verdict.wrong_steps == (2,)
    assert verdict.latex().count("[wrong]") == 1
    assert "[wrong]" not in verdict.proof.latex()


def test_cards_show_every_step_and_are_closed():
    proof = with_a_slip()
    card = proof._repr_html_()
    assert "<b>cancel</b>" not in card
    assert card.count("<tr>") == card.count("</tr>") == 5
    assert "at step 2" in card
    verdict = proof.check()
    assert verdict.outcome is Outcome.FAILS
    assert len(verdict.text().splitlines()) == 2 + 2 * 3 + 1
    assert Proof("empty")._repr_html_() is None
    assert Proof("empty").start(y)._repr_html_() is None


def test_the_second_time_is_the_same():
    assert str(with_a_slip().check(seed=3)) == str(with_a_slip().check(seed=3))


def test_sympy_objects_with_nodes_are_kept_as_they_are_written():
    proof = Proof("nodes").start(Gradient(Expectation(dot(x, k) ** 2), k)).step(sp.MatMul(2, S, k), "Stein")
    assert r"\nabla_{k}" in proof.latex()
    assert to_latex(proof.lines[0].expr) in proof.latex()
    assert proof.check().holds
