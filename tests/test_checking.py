"""A statement on the ladder: what a reader types, and what comes back."""

from __future__ import annotations

import time

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from proofs_check import (
    Claim,
    Context,
    Evidence,
    FormulaError,
    Gaussian,
    check,
    integer,
    ladder,
    matrix,
    parse_claims,
    positive,
    real,
    vector,
    verify,
)
from proofs_check.check import run_check
from proofs_check.checking import settled
from proofs_check.declarations import declare_where, default_interval
from proofs_check.points import letters
from theory import (
    Conserved,
    Domain,
    Expectation,
    GaussianMatrix,
    GaussianVector,
    Inequality,
    Invariant,
    Limit,
    Stationary,
    Symmetric,
    dot,
    equal,
    gaussians,
    quad,
)

d, n = sp.symbols("d n", integer=True, positive=True)
A, B, S = (sp.MatrixSymbol(name, d, d) for name in "ABS")
k = sp.MatrixSymbol("k", d, 1)
x = GaussianVector("x", d, covariance=S)
t, u = sp.symbols("t u", real=True)
s = sp.Symbol("s", positive=True)

ARCSINE = r"\mathbb{E}[\operatorname{erf}(\lambda g)^2] = \frac{2}{\pi}\arcsin\frac{2\lambda^2}{1+2\lambda^2}"
SECOND_MOMENT = sp.Trace(A * S) ** 2 + 2 * sp.Trace(A * S * A * S)


# --- what a user gets --------------------------------------------------------------------------


def test_the_moment_that_is_true_for_symmetric_matrices_only():
    verdict = check(equal(Expectation((x.T * A * x) ** 2), SECOND_MOMENT))
    assert str(verdict) == (
        "Fails for a general A (holds for symmetric A). Witness: d=2, S=I, A=[[0,1],[0,0]]: 1 against 0."
    )


def test_the_same_moment_holds_where_the_matrix_is_symmetric():
    statement = equal(Expectation((x.T * A * x) ** 2), SECOND_MOMENT)
    for where in (Domain({}, conditions=(Symmetric(A),)), {"A": matrix(d, d, "symmetric")}):
        verdict = check(statement, where=where)
        assert verdict.holds and verdict.evidence is Evidence.SYMBOLIC


def test_latex_is_read_and_proven():
    verdict = check(ARCSINE, where={"g": Gaussian(0, 1), "lambda": positive})
    assert verdict.holds and verdict.scope == "identically"


def test_a_card_says_everything():
    verdict = check(ARCSINE.replace("1+2", "1+"), where={"g": Gaussian(0, 1), "lambda": positive})
    assert verdict.fails and verdict.subject is not None
    text, page, latex = verdict.text(), verdict._repr_html_(), verdict._repr_latex_()
    for part in ("formula", "domain", "lambda in (0, oo)", "witness", "SymbolicIdentity"):
        assert part in text and part in page
    assert r"\arcsin" in page or "asin" in page
    assert r"\begin{gathered}" in latex and "Fails" in latex
    assert verdict.seed == 0 and verdict.seconds > 0


# --- every kind of statement, with a control ---------------------------------------------------

TRUE_AND_FALSE = {
    "identity": (equal((t + 1) ** 2, t**2 + 2 * t + 1), equal((t + 1) ** 2, t**2 + 2 * t)),
    "mean": (equal(Expectation(dot(x, k) ** 2), quad(k, S)), equal(Expectation(dot(x, k) ** 2), dot(k, k))),
    "erf": (
        equal(Expectation(sp.erf(dot(x, k)) ** 2), 2 / sp.pi * sp.asin(2 * quad(k, S) / (1 + 2 * quad(k, S)))),
        equal(Expectation(sp.erf(dot(x, k)) ** 2), 2 / sp.pi * sp.asin(quad(k, S) / (1 + 2 * quad(k, S)))),
    ),
    "matrix algebra": (equal(sp.Trace(A * B), sp.Trace(B * A)), equal(sp.Trace(A * B), sp.Trace(A * B.T))),
    "matrix mean": (
        equal(Expectation(x * x.T * A), S * A),
        equal(Expectation(x * x.T * A), A * S),
    ),
    "inequality": (Inequality(2 * t * u, "<=", t**2 + u**2), Inequality(2 * t * u, "<=", t**2)),
    "inequality on a box": (Inequality(sp.exp(-s), "<", 1 - s / 2), Inequality(sp.exp(-s), "<", 1 - s)),
    "limit": (Limit(sp.sin(t) / t, t, 0, 1), Limit(sp.sin(t) / t, t, 0, 2)),
    "stationary": (Stationary(t**2 - 2 * t * u, (t,), {t: u}), Stationary(t**2 - 2 * t * u, (t,), {t: 2 * u})),
    "invariant": (Invariant({t: -t, u: t * u}, {u: 0}), Invariant({t: -t, u: t * u + t}, {u: 0})),
    "conserved": (Conserved({t: t, u: -u}, t * u), Conserved({t: t, u: u}, t * u)),
}


@pytest.mark.parametrize("kind", TRUE_AND_FALSE)
def test_a_true_statement_holds_and_its_control_fails(kind):
    domain = {s: (sp.Rational(1, 10), 1)} if kind == "inequality on a box" else None
    true, false = TRUE_AND_FALSE[kind]
    assert check(true, domain).holds
    refuted = check(false, domain)
    assert refuted.fails and refuted.witness is not None


SENTENCES = {
    "t^2 - 2 t u is stationary in t at t = u": "t^2 - 2 t u is stationary in t at t = 2 u",
    "{u = 0} is invariant under dt/dt = -t, du/dt = t u": "{u = 0} is invariant under dt/dt = -t, du/dt = t",
    "t*u is conserved by dt/dt = t, du/dt = -u": "t*u is conserved by dt/dt = t, du/dt = u",
    "lim(t, oo, t/(1 + t)) = 1": "lim(t, oo, t/(1 + t)) = 0",
    "t^2 + u^2 >= 2 t u": "t^2 + u^2 > 2 t u + 1",
    "E[(v' x)^2] = v' S v": "E[(v' x)^2] = v' v",
}


@pytest.mark.parametrize("true", SENTENCES)
def test_sentences_in_text(true):
    where = {"t": real, "u": real, "v": vector("d"), "x": "gaussian vector(d), covariance S"}
    assert check(true, where=where).holds
    assert check(SENTENCES[true], where=where).fails


@given(st.integers(1, 9), st.integers(1, 9))
def test_moments_of_a_gaussian(a, b):
    """The fourth moment holds for every mean and variance, and with another coefficient for none."""
    where = {"g": Gaussian(a, b)}
    assert check(f"E[g^4] = {a**4 + 6 * a * a * b + 3 * b * b}", where=where).holds
    assert check(f"E[g^4] = {a**4 + 6 * a * a * b + 3 * b * b + 1}", where=where).fails


# --- rungs -------------------------------------------------------------------------------------


def sigmoid(z):
    return 1 / (1 + sp.exp(-z))


def test_a_mean_without_a_closed_form_is_sampled():
    a, b, c = gaussians("a b c")
    odd = Expectation(sp.tanh(a * b + c))
    verdict = check(equal(odd, 0))
    assert verdict.holds and verdict.evidence is Evidence.STATISTICAL and "to within" in verdict.scope
    control = check(equal(odd, sp.Rational(1, 20)))
    assert control.fails and control.evidence is Evidence.STATISTICAL


def test_inequalities_are_not_believed_at_points():
    verdict = check(Inequality(sp.exp(t), ">=", 1 + t))
    assert verdict.undecided, "points prove no inequality on an unbounded domain"


def test_a_side_that_is_not_real_where_the_other_is_refutes():
    verdict = check("log(t u) = log(t) + log(u)", where={"t": real, "u": real})
    assert verdict.fails and "not real" in str(verdict.witness)
    assert check("log(t u) = log(t) + log(u)", where={"t": positive, "u": positive}).holds


def test_the_sign_an_interval_gives_is_used():
    plain = sp.Symbol("p")
    assert check(equal(sp.sqrt(plain**2), plain), where={plain: (0, 5)}).evidence is Evidence.SYMBOLIC
    assert check(equal(sp.sqrt(plain**2), plain), where={plain: (-1, 5)}).fails


def test_a_side_that_needs_hours_does_not_take_the_others():
    start = time.perf_counter()
    verdict = check(equal((t + u + s) ** 300, (t + u) ** 300 + s), seconds=6)
    assert verdict.fails and time.perf_counter() - start < 20


def test_an_infinite_mean_is_named():
    (g,) = gaussians("g")
    verdict = check(equal(Expectation(sp.exp(g**2)), 3))
    assert verdict.undecided and "infinite" in verdict.reason


def test_matrices_are_compared_at_explicit_sizes():
    one = sp.Identity(d)
    push_through = equal((one + A * B).inv() * A, A * (one + B * A).inv())
    assert check(push_through).holds
    assert check(equal((one + A * B).inv() * A, A * (one + A * B).inv())).fails


@pytest.mark.parametrize(
    "statement, special",
    [
        (equal(Expectation(dot(x, k) ** 2), dot(k, k)), "S=I"),
        (equal(sp.Trace(A * B.T), sp.Trace(A * B)), "symmetric A and B"),
        (equal(sp.Trace(A) ** 2, sp.Trace(A * A)), "d=1"),
        (equal(s * t**2 + t, t**2 + t), "s=1"),
    ],
)
def test_where_a_false_statement_does_hold(statement, special):
    verdict = check(statement)
    assert verdict.fails and verdict.repair is not None and verdict.repair.special == special


def test_the_same_seed_gives_the_same_verdict():
    statement = equal(sp.erf(t) + sp.sin(u), sp.erf(t) + u)
    first, second = check(statement, seed=3), check(statement, seed=3)
    assert str(first) == str(second)


def test_tokens_and_prompts():
    X = GaussianMatrix("X", n, d, covariance=S)
    moment = n**2 * S * A * S + n * S * A.T * S + n * sp.Trace(A * S) * S
    assert check(equal(Expectation(X.T * X * A * X.T * X), moment)).holds
    assert check(equal(Expectation(X.T * X * A * X.T * X), moment + S)).fails


# --- wrong use ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement, where, error, words",
    [
        ("t = q", {"t": real}, FormulaError, "unknown name q"),
        ("t = ", {"t": real}, FormulaError, "position"),
        ("t = t", {"t": "unreal"}, FormulaError, "unreal"),
        ("t = t", {"t": positive & integer, 3: real}, TypeError, "names or symbols"),
        ("t = t", {"t": 3}, FormulaError, "expected a word"),
        ("t = t", {"t": (2, 1)}, FormulaError, "low <= high"),
        (sp.true, None, TypeError, "equal"),
        (3, None, TypeError, "equal"),
        (equal(t, t), {"q": real}, ValueError, "not in the statement"),
        ("g = g", {"g": Gaussian(0, -1)}, FormulaError, "g ="),
    ],
)
def test_wrong_use_is_named(statement, where, error, words):
    with pytest.raises(error, match=words):
        check(statement, where=where)


def test_a_verdict_is_no_truth_value():
    with pytest.raises(TypeError, match="three outcomes"):
        bool(check(equal(t, t)))


def test_no_time_is_wrong_use():
    with pytest.raises(ValueError, match="seconds"):
        check(equal(t, t), seconds=0)


# --- where= ------------------------------------------------------------------------------------


def test_letters_become_what_where_says_they_are():
    plain, letter = sp.symbols("lam g")
    statement = equal(Expectation(sp.erf(plain * letter) ** 2), 0)
    declarations = declare_where({plain: positive, letter: Gaussian(0, 1)})
    settled_statement = settled(statement, declarations)
    assert str(settled_statement) == str(statement)
    assert settled_statement.lhs.has(declarations.vocabulary.names["g"])


def test_conditions_narrow_the_domain():
    names = {"t": real, "u": real}
    assert check("t^2 + u^2 <= 2", where={"t": (-2, 2), "u": (-2, 2)}).fails
    assert check("t^2 + u^2 <= 2", where={"t": (-2, 2), "u": (-2, 2)}, given=["t^2 + u^2 <= 1"]).holds
    assert check("t^2 + u^2 <= 2", where=Domain({t: (-2, 2), u: (-2, 2)}, conditions=(t**2 + u**2 <= 1,))).holds
    with pytest.raises(FormulaError, match="inequality"):
        check("t = t", where=names, given=["t = u"])


def test_what_is_not_named_ranges_over_its_assumptions():
    verdict = check(equal(s, s + t))
    assert verdict.subject is not None and verdict.subject.domain == "s in (0, oo), t in (-oo, oo)"


# --- claims files and the catalogue ------------------------------------------------------------


def test_the_claims_of_a_file_climb_the_same_ladder():
    study = parse_claims(
        """
        [symbols]
        A = "matrix(d, d)"
        [random]
        x = "gaussian vector(d), covariance S"
        [[claim]]
        name = "right"
        lhs = "E[(x' A x)^2]"
        rhs = "tr(A S)^2 + tr(A S A S) + tr(A S A' S)"
        [[claim]]
        name = "wrong"
        lhs = "E[(x' A x)^2]"
        rhs = "tr(A S)^2 + 2 tr(A S A S)"
        [[claim]]
        name = "flow"
        statement = "tr(A) >= 0"
        """,
        "draft",
    )
    right, wrong, flow = verify(study).lines
    assert right.verdict.holds
    assert wrong.verdict.fails and wrong.verdict.repair is not None
    assert "it holds for symmetric A" in wrong.details()
    assert not flow.verdict.holds
    assert [check_.name for check_ in study.claims[0].checks] == ["Ladder"]


@pytest.mark.parametrize("kind", TRUE_AND_FALSE)
def test_no_rung_says_holds_of_a_control(kind):
    """Each check of the ladder by itself: it may be undecided, it may not be wrong."""
    true, false = TRUE_AND_FALSE[kind]
    box = Domain({s: (sp.Rational(1, 10), 1)} if kind == "inequality on a box" else {})

    def whole(statement, domain):
        found = sorted(letters(statement) - set(domain.symbols), key=sp.default_sort_key)
        return Domain({**dict(domain.intervals), **{a: default_interval(a) for a in found if a.is_Symbol}})

    for statement, wrong in ((true, "fails"), (false, "holds")):
        for each in ladder(statement):
            claim = Claim("control", "a control", lambda statement=statement: statement, whole(statement, box), "", ())
            verdict = run_check(each, claim, Context(np.random.default_rng(0), seconds=10))
            assert verdict.outcome.value != wrong, (each.name, statement.text(), str(verdict))


@pytest.mark.parametrize(
    "text",
    [
        "tr(A)^4 - 6 tr(A)^2 tr(A^2) + 3 tr(A^2)^2 + 8 tr(A) tr(A^3) - 6 tr(A^4) = 0",
        "(d-1)*(d-2)*(d-3)*(d-4)*det(A) = 0",
        "(d-2)*det(A - A') = 0",
    ],
)
def test_what_is_true_of_small_matrices_only_fails(text):
    assert check(text, where={"A": "matrix(d, d)"}).outcome.value == "fails"


@pytest.mark.parametrize("change, outcome", [("0", "holds"), ("10^(-60)", "fails"), ("10^(-200)", "fails")])
def test_a_written_constant_is_never_too_small_to_be_seen(change, outcome):
    assert check(f"erf(x)*(1 + {change}) = erf(x)", where={"x": "positive"}).outcome.value == outcome
