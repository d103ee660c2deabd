"""Gradients as they are written: two routes to each, how they print and read, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from flint import fmpq
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics import NotPolynomial, literal_value, sides_agree
from numerics.entry_bounds import Degree
from numerics.literal import literal_degree, slope_at_zero
from proofs_check import CertifiedNumerics, Context, Entrywise, FormulaError, SymbolicIdentity, read_formula, read_latex
from proofs_check.claim import Claim
from proofs_check.formula.vocabulary import names_of
from theory import (
    Domain,
    E,
    Expectation,
    GaussianMatrix,
    GaussianVector,
    Gradient,
    NoClosedForm,
    Risk,
    Symmetric,
    dot,
    equal,
    gaussians,
    matrix_gradient,
    quad,
    to_latex,
)
from theory.gradient import derivative
from theory.statement import evaluate_expectations, unevaluated

n, d = sp.symbols("n d", integer=True, positive=True)
l = sp.Symbol("l", integer=True)
s, t = sp.symbols("s t", positive=True)
r = sp.Symbol("r", real=True)
A, B, S, W = (sp.MatrixSymbol(name, d, d) for name in "ABSW")
k, q = sp.MatrixSymbol("k", d, 1), sp.MatrixSymbol("q", d, 1)
x = GaussianVector("x", d, covariance=S)
X = GaussianMatrix("X", n, d, covariance=S)
unit = sp.Identity(d)
tr, R = sp.Trace, sp.Rational


def agree(lhs: sp.Expr, rhs: sp.Expr, **options) -> bool:
    return sides_agree(lhs, rhs, **options).holds


def verdict(check, lhs, rhs, domain=None):
    claim = Claim("c", "c", lambda: equal(lhs, rhs), domain or Domain({}), "", (check,))
    return check.run(claim, Context(np.random.default_rng(0)))


# --- two routes: the rules, and differencing of brute force --------------------------------------

PAIRS = [
    (tr(A * W), W, A.T, A),
    (tr(W.T * A * W), W, (A + A.T) * W, 2 * A * W),
    (tr(W.I * A), W, -(W.I * A * W.I).T, -(W.I * A * W.I)),
    (sp.Determinant(W), W, sp.MatMul(sp.Determinant(W), W.I.T), sp.MatMul(sp.Determinant(W), W.I)),
    (quad(k, A), k, (A + A.T) * k, 2 * A * k),
    (Expectation(dot(x, k) ** 4), k, 12 * dot(k, S * k) * S * k, 12 * dot(k, S * k) * k),
    (Expectation((dot(x, k) - dot(x, q)) ** 2), k, 2 * S * k - 2 * S * q, 2 * S * k),
    (Expectation(tr(X.T * X * W.T * W)), W, 2 * n * W * S, 2 * n * S * W),
    (s**2 * tr((A + s * unit).I), s, 2 * s * tr((A + s * unit).I) - s**2 * tr(((A + s * unit) ** 2).I),
     2 * s * tr((A + s * unit).I)),
    (sp.Determinant(A + s * unit), s, sp.Determinant(A + s * unit) * tr((A + s * unit).I),
     sp.Determinant(A + s * unit)),
    (quad(k, (A + s * unit).I), s, -quad(k, ((A + s * unit) ** 2).I), sp.Integer(0)),
    (Gradient(s**3 * tr(A), s), s, 6 * s * tr(A), 3 * s * tr(A)),
]  # fmt: skip


@pytest.mark.parametrize(("f", "parameter", "right", "wrong"), PAIRS, ids=[str(pair[0]) for pair in PAIRS])
def test_rules_and_differencing_agree_and_refute_what_is_wrong(f, parameter, right, wrong):
    written = Gradient(f, parameter)
    assert agree(written, right)
    assert agree(written, written.doit())
    assert not agree(written, wrong)
    assert verdict(SymbolicIdentity(), written, right).holds
    assert verdict(SymbolicIdentity(), written, wrong).undecided
    refuted = verdict(Entrywise(draws=1), written, wrong)
    assert refuted.fails
    assert refuted.witness.lhs != refuted.witness.rhs


ATOMS = [dot(x, k), dot(k, q), quad(k, A), tr(A * W), tr(W * B * W.T), s, tr((A + s * unit) * W), quad(x, W)]
FUNCTIONS = st.lists(
    st.tuples(st.integers(-2, 3), st.lists(st.sampled_from(ATOMS), min_size=1, max_size=3)), min_size=1, max_size=3
).map(lambda terms: sp.Add(*(c * sp.Mul(*factors) for c, factors in terms)))


@settings(max_examples=25, deadline=None)
@given(FUNCTIONS, st.sampled_from([k, W, s]))
def test_the_gradient_of_any_mean_is_that_of_brute_force(f, parameter):
    written = Gradient(Expectation(f), parameter)
    assert agree(written, evaluate_expectations(written), sizes=[{d: 2}])


@settings(max_examples=15, deadline=None)
@given(FUNCTIONS, st.sampled_from([k, W, s]))
def test_gradient_and_mean_commute(f, parameter):
    """By the rules; brute force takes it for granted, since f is a polynomial."""
    inside = evaluate_expectations(Expectation(Gradient(f, parameter)))
    outside = evaluate_expectations(Gradient(Expectation(f), parameter))
    assert agree(outside, inside, domain=Domain({}, (Symmetric(S, is_covariance=True),)), sizes=[{d: 2}])


@settings(max_examples=25, deadline=None)
@given(FUNCTIONS, FUNCTIONS, st.sampled_from([k, W, s]))
def test_a_gradient_is_linear_and_knows_the_product_rule(f, g, parameter):
    f, g = E(f), E(g)
    slope_f, slope_g = Gradient(f, parameter).doit(), Gradient(g, parameter).doit()
    assert agree(Gradient(3 * f - g, parameter).doit(), 3 * slope_f - slope_g, sizes=[{d: 2}])
    assert agree(Gradient(f * g, parameter).doit(), f * slope_g + g * slope_f, sizes=[{d: 2}])


@settings(max_examples=50)
@given(
    st.lists(st.integers(-9, 9), min_size=1, max_size=6),
    st.lists(st.integers(-9, 9), max_size=4),
    st.integers(1, 9),
    st.integers(0, 3),
)
def test_differencing_is_exact_for_quotients(above, below, constant, spare):
    """Whatever the degrees, as long as the bounds are not too small."""
    y = sp.Symbol("y")
    P, Q = sp.Poly([*above, 0], y), sp.Poly([*below, constant], y)
    f = P.as_expr() / Q.as_expr()

    def value(at: int) -> fmpq:
        if Q.eval(at) == 0:
            raise ZeroDivisionError
        exact = sp.Rational(P.eval(at), Q.eval(at))
        return fmpq(int(exact.p), int(exact.q))

    slope = slope_at_zero(value, Degree(P.degree() + spare if P.degree() > 0 else spare, len(below) + spare))
    assert sp.Rational(int(slope.p), int(slope.q)) == f.diff(y).subs(y, 0)


def test_a_pole_is_an_error_and_no_endless_search():
    def pole(at: int) -> fmpq:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        slope_at_zero(pole, Degree(1, 1))


def test_a_degree_bound_is_no_less_than_the_degree():
    assert literal_degree(Gradient(s**5, s), {s: 2}, {s: 1}).numerator >= 4
    bound = literal_degree(Gradient(Expectation(dot(x, k) ** 4), k), {k: [[1], [2]], S: [[1, 0], [0, 1]], d: 2}, {k: 1})
    assert bound.numerator >= 3


def test_means_inside_means_and_random_gradients():
    assert agree(Expectation((dot(x, k) - Expectation(dot(x, k))) ** 2), quad(k, S))
    assert agree(Expectation(Gradient(dot(x, k) ** 2, k)), 2 * S * k)
    with pytest.raises(NotPolynomial, match="random"):
        literal_value(Expectation(dot(x, k) * Gradient(s * dot(x, k), s)), {k: [1, 2], S: [[1, 0], [0, 1]], s: 2})


# --- scalars: sympy takes a trace for a constant where the symbol stands in an inverse ------------


def test_a_scalar_inside_a_form_is_seen():
    assert dot(k, (A + s * unit).I * k).diff(s) == 0  # why the rule is needed
    assert derivative(quad(k, (A + s * unit).I), s) != 0


def test_an_erf_risk_by_symbols_and_by_balls():
    a, b = gaussians("a b", covariance=[[1, r], [r, 1]])
    risk = Expectation((b - s * sp.erf(t * a)) ** 2)
    slope = Gradient(risk, s)
    right = 4 * s / sp.pi * sp.asin(2 * t**2 / (1 + 2 * t**2)) - 4 * t * r / sp.sqrt(sp.pi * (1 + 2 * t**2))
    where = Domain({s: (0, 4), t: (0, 4), r: (-1, 1)})
    assert verdict(SymbolicIdentity(), slope, right, where).holds
    assert verdict(CertifiedNumerics(), slope, right, where).holds
    wrong = verdict(CertifiedNumerics(), slope, right + r / 10**9, where)
    assert wrong.fails


def test_the_gradient_of_a_risk_object():
    assert Gradient(Risk(s**2 + t, (s,)), s).doit() == 2 * s


# --- the node ------------------------------------------------------------------------------------


def test_shapes_and_zeros():
    assert Gradient(tr(A), W).shape == (d, d)
    assert Gradient(tr(A), W).doit() == sp.ZeroMatrix(d, d)
    assert Gradient(s, k).doit() == sp.ZeroMatrix(d, 1)
    assert Gradient(s, t).doit() == 0
    assert Gradient(k.T * A * k, k).doit() == matrix_gradient(quad(k, A), k)


@pytest.mark.parametrize(
    ("expr", "parameter", "error", "message"),
    [
        (s, "s", TypeError, "expected a symbol, a vector or a matrix symbol"),
        (s, s + t, TypeError, "got s . t"),
        (s * n, n, ValueError, "the integer n"),
        (A * k, k, ValueError, "expected a scalar"),
        ("s^2", s, TypeError, "text"),
    ],
)
def test_what_is_no_gradient_is_refused(expr, parameter, error, message):
    with pytest.raises(error, match=message):
        Gradient(expr, parameter)


def test_a_parameter_of_a_law_is_refused_until_the_mean_is_taken():
    y = GaussianVector("y", d, mean=q)
    (a,) = gaussians("a", covariance=[[s]])
    for inside, parameter in ((dot(y, k), q), (a**2, s)):
        with pytest.raises(ValueError, match="expectation first"):
            Gradient(inside, parameter).doit()
    assert Gradient(Expectation(dot(y, k)), q).doit() == k
    assert Gradient(Expectation(a**2), s).doit() == 1


def test_a_sum_over_tokens_is_differentiated_after_its_mean():
    score = sp.Sum(dot(X[l, :], k) ** 2, (l, 0, n - 1))
    with pytest.raises(NoClosedForm, match="l is summed over"):
        matrix_gradient(score, k)
    assert agree(Gradient(Expectation(score), k), 2 * n * S * k)


def test_nothing_is_replaced_below_a_gradient_that_does_not_commute_with_it():
    slope = Gradient(t * quad(k, A), k)
    assert slope.xreplace({t: s}) == Gradient(s * quad(k, A), k)
    assert slope.xreplace({k: q}) == Gradient(t * quad(q, A), q)
    assert agree(slope.xreplace({t: dot(k, k)}), dot(k, k) * (A + A.T) * k)  # not the gradient of a product
    assert slope.xreplace({quad(k, A): s}) == slope.doit()  # not zero
    assert Gradient(s * t, s).subs(t, s) == s  # not 2 s
    assert Gradient(s**2, s).subs(s, 3) == 6


def test_the_innermost_is_evaluated_first():
    nested = Expectation(dot(x, k) * Gradient(s * dot(x, k), s)) + Gradient(Gradient(s**3, s), s)
    assert len(unevaluated(nested)) == 2
    assert sp.expand(evaluate_expectations(nested) - quad(k, S) - 6 * s) == 0


# --- text and LaTeX ------------------------------------------------------------------------------

PRINTED = [
    Gradient(Expectation(dot(x, k) ** 2), k),
    sp.MatMul(2, Gradient(t * Expectation(dot(x, k) ** 2), k)),
    sp.MatMul(A, Gradient(Expectation(dot(x, k) ** 2), k)),
    sp.Transpose(Gradient(tr(A * W), W)),
    t * Gradient(s**2 + t, s) ** 2,
    Gradient(s, s) * Gradient(Expectation(sp.exp(s * dot(x, k))), s) * dot(k, q),
    sp.MatAdd(Gradient(dot(k, k), k), q),
    Gradient(Gradient(s**3, s), s),
    -Gradient(sp.exp(s), s),
    tr(sp.MatMul(Gradient(tr(A * W), W), A)),
    Gradient(Expectation(sp.Add(*(dot(x, k) ** j * s**j * sp.erf(s * dot(x, q)) for j in range(1, 12)))), s),
    Gradient(sp.Add(*(Expectation(dot(x, k) ** j * s**j * sp.erf(s * dot(x, q))) for j in range(1, 12))), s),
    Gradient(tr(A * (B + W) * A * (W + B) * B), W),
    Gradient(tr((A + s * unit).I), s).doit(),  # a resolvent to the power -2
]


@pytest.mark.parametrize("expr", PRINTED, ids=range(len(PRINTED)))
def test_what_is_printed_reads_back(expr):
    assert read_latex(to_latex(expr), names_of(expr)) == expr


NAMES = {"x": x, "k": k, "S": S, "A": A, "s": s, "t": t, "n": n}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("grad(E[<x, k>^2], k)", PRINTED[0]),
        (r"\nabla_k \mathbb{E}[\langle x, k\rangle^2]", PRINTED[0]),
        (r"\nabla_{k}\left(\mathbb E[\langle x, k\rangle^2]\right)", PRINTED[0]),
        (r"2 \nabla_s (s^2 + t)", 2 * Gradient(s**2 + t, s)),
        ("grad(s^2, s) t", Gradient(s**2, s) * t),
    ],
)
def test_spellings_are_read(text, expected):
    assert (read_latex if "\\" in text else read_formula)(text, NAMES) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r"\nabla s", "expected _"),
        (r"\nabla_k s t", "expected brackets"),
        (r"\nabla_s (s)^2", "expected brackets"),
        (r"\nabla_{s + t} (s)", "expected }"),
        (r"\nabla_n (s)", "integer n"),
        (r"\nabla_k (A k)", "expected a scalar"),
        ("grad(s)", "2 argument"),
        ("grad(s, s + t)", "a declared name"),
        ("grad(A k, k)", "expected a scalar"),
        ("grad(s, n)", "integer n"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text, reason):
    with pytest.raises(FormulaError, match=reason):
        (read_latex if "\\" in text else read_formula)(text, NAMES)


# --- formulas without a mean, and the domain -----------------------------------------------------


def test_plain_matrix_algebra_is_decided_with_a_witness():
    assert verdict(Entrywise(), tr(A * B * S), tr(B * S * A)).holds
    false = verdict(Entrywise(), tr(A * B * S), tr(B * A * S))
    assert false.fails
    assert false.witness.point[d] == 2


def test_symmetric_matrices_and_covariances_are_drawn_as_such():
    lhs, rhs = Expectation(quad(x, A) ** 2), tr(A * S) ** 2 + 2 * tr(A * S * A * S)
    assert verdict(Entrywise(), lhs, rhs).fails
    assert verdict(Entrywise(), lhs, rhs, Domain({}, (Symmetric(A),))).holds
    shown = verdict(Entrywise(), S * k, k, Domain({}, (Symmetric(S, is_covariance=True),))).witness.point[S]
    assert shown == shown.T
    assert shown.is_positive_semidefinite


def test_a_witness_lies_in_the_domain():
    inside = Domain({r: (0, R(1, 2))})
    point = verdict(Entrywise(), tr(A) * r, tr(A) * r**2, inside).witness.point
    assert 0 <= point[r] <= R(1, 2)
    assert verdict(Entrywise(), tr(A) * sp.Abs(r), tr(A) * r, inside).holds
    assert verdict(Entrywise(), tr(A) * sp.Abs(r), tr(A) * r, Domain({r: (-1, 1)})).fails


def test_what_is_no_quotient_of_polynomials_is_compared_at_many_points_and_bounded_by_none():
    assert not agree(sp.Abs(tr(A)), tr(A))
    found = sides_agree(sp.Abs(tr(A)) ** 2, tr(A) ** 2)
    assert found.holds
    assert found.error_bound == 1


def test_the_variance_of_a_law_may_be_differentiated_by():
    (a,) = gaussians("a", covariance=[[s]])
    false = verdict(Entrywise(), tr(A) * Gradient(Expectation(a**4), s), 3 * s * tr(A))
    assert false.witness.point[s] == 1  # the simplest one, though differencing leaves the variances
    assert verdict(Entrywise(), tr(A) * Gradient(Expectation(a**4), s), 6 * s * tr(A)).holds


def test_a_whole_number_is_more_than_the_sizes_tried():
    """Wrong for no small n but for all others; and a domain may begin above the sizes that are tried first."""
    wrong = (n - 1) * (n - 2) * (n - 3) * tr(A)
    assert verdict(Entrywise(), wrong, 0 * tr(A), Domain({n: (1, sp.oo)})).fails
    found = verdict(Entrywise(), tr(unit * A), tr(A), Domain({d: (5, sp.oo)}))
    assert "d=5" in found.scope
