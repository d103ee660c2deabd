"""A search for counterexamples finds what is false, proves it, shrinks it; and finds nothing in what is true."""

from __future__ import annotations

import time

import numpy as np
import pytest
import sympy as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numerics.balls import ball
from numerics.entrywise import entrywise_mean, exact_value
from proofs_check import CertifiedNumerics, Claim, Context, Evidence, PropertySearch, SymbolicIdentity
from theory import (
    Agreement,
    Conserved,
    Domain,
    Expectation,
    FeasibleGram,
    GaussianMatrix,
    GaussianVector,
    Inequality,
    Invariant,
    Mask,
    MixtureMatrix,
    Stationary,
    dot,
    equal,
    gaussians,
    quad,
)
from theory.notation import kappa, nu, theta

R = sp.Rational
x, y, z = sp.symbols("x y z", real=True)
lam = sp.Symbol("lam", positive=True)
L, n, d = sp.symbols("L n d", integer=True, positive=True)
p, rho = sp.symbols("p rho", positive=True)
A, B, S = (sp.MatrixSymbol(name, d, d) for name in "ABS")
mu = sp.MatrixSymbol("mu", d, 1)
v = GaussianVector("v", d, covariance=S)
X = GaussianMatrix("X", n, d, covariance=S)
(g,) = gaussians("g")
tr = sp.Trace

BOX = Domain({x: (-1, 1), y: (-1, 1), lam: (0, sp.oo)})
SIZES = Domain({n: (1, sp.oo), d: (1, sp.oo)})
OVERLAPS = Domain(
    {kappa: (-1, 1), nu: (-1, 1), theta: (-1, 1)},
    (FeasibleGram(sp.Matrix([[1, kappa, nu], [kappa, 1, theta], [nu, theta, 1]])),),
)
ANGLE = 2 * lam**2 / (1 + 2 * lam**2)


def search(statement, domain, *, seed=0, seconds=60.0, examples=10_000):
    claim = Claim("c", "a claim.", lambda: statement, domain, "", ())
    return PropertySearch(examples).run(claim, Context(np.random.default_rng(0), seconds=seconds, seed=seed))


def falsifies(statement, witness) -> bool:
    """Whether a witness is one, by another way: sympy's own substitution and a ball of the difference."""
    at = {symbol: sp.Rational(value) for symbol, value in witness.point.items()}
    pairs = statement.components()
    return any(not ball((lhs - rhs).xreplace(at), {}, 40).contains(0) for lhs, rhs in pairs)


# --- what is true is never refuted ---------------------------------------------------------------

TRUE = [
    (equal((x + y) ** 2, x**2 + 2 * x * y + y**2), BOX),
    (equal(sp.sqrt(x**2), abs(x)), BOX),
    (equal(sp.asin(ANGLE), 2 * sp.atan(sp.sqrt(1 + 4 * lam**2)) - sp.pi / 2), BOX),
    (equal(Expectation(sp.erf(lam * g) ** 2), 2 / sp.pi * sp.asin(ANGLE)), BOX),
    (equal([sp.erf(-x), sp.exp(x) * sp.exp(y)], [-sp.erf(x), sp.exp(x + y)]), BOX),
    (equal(1 / (x - y) - 1 / (y - x), 2 / (x - y)), BOX),
    (Inequality(sp.exp(x), ">=", 1 + x), BOX),
    (Inequality(x**2 + y**2, ">=", 2 * x * y), BOX),
    (Inequality(1 + 2 * kappa * nu * theta - kappa**2 - nu**2 - theta**2, ">=", 0), OVERLAPS),
    (Inequality(kappa + nu + theta, ">=", -R(3, 2)), OVERLAPS),
    (Inequality(x, "<=", y), Domain({x: (0, 3), y: (0, 3)}, (x <= y,))),
    (Stationary((x**2 - y) ** 2, (x, y), {x: lam, y: lam**2}), BOX),
    (Invariant({x: -x * y, y: x - y}, {x: 0}), BOX),
    (Conserved({x: y, y: -x}, x**2 + y**2), BOX),
    (equal(sp.cos(sp.pi * L), (-1) ** L), Domain({L: (1, 30)})),
    (equal(Expectation(quad(v, A) ** 2), tr(A * S) ** 2 + tr(A * S * A * S) + tr(A * S * A.T * S)), SIZES),
    (equal(tr(A * B), tr(B * A)), SIZES),
    (equal(A * A, A**2), SIZES),
    (Inequality(d * tr(A.T * A), ">=", tr(A) ** 2), SIZES),
    (equal(1, sp.Rational(2, 2)), BOX),
]


@pytest.mark.parametrize("statement, domain", TRUE)
def test_a_true_statement_has_no_witness(statement, domain):
    verdict = search(statement, domain, examples=2_000)
    assert verdict.undecided
    assert "no counterexample" in verdict.reason


# --- what is false is refuted --------------------------------------------------------------------


@pytest.mark.parametrize("by", ["1/10", "1/100", "1/1000000", "1/1000000000000", "-1/10000000000000000"])
def test_a_relative_error_is_seen_as_far_as_balls_see_it(by):
    true = 2 / sp.pi * sp.asin(ANGLE) + sp.erf(lam * x) * y
    statement = equal(true, true * (1 + R(by)))
    verdict = search(statement, BOX)
    assert verdict.fails and verdict.evidence is Evidence.CERTIFIED
    assert falsifies(statement, verdict.witness)
    assert all(max(abs(value.p), value.q) <= 1 for value in verdict.witness.point.values())


@pytest.mark.parametrize(
    "statement, domain",
    [
        (equal(sp.Max(x, R(9999, 10000)), R(9999, 10000)), BOX),  # in a corner of one ten-thousandth
        (equal(sp.Max(x + y, R(1999, 1000)), R(1999, 1000)), BOX),  # in the corner of a square
        (equal(sp.Piecewise((0, lam < 1000), (1, True)), 0), BOX),  # only for large λ
        (equal(sp.Max(lam, R(1, 1000)), lam), BOX),  # only for small λ
        (equal(sp.Max(L - 2, 0) + L, L), Domain({L: (1, sp.oo)})),  # only for L >= 3
        (equal(L**2, L**2 + sp.Max(L - 500, 0)), Domain({L: (1, sp.oo)})),
        (equal(sp.Piecewise((1, sp.Eq(x, y)), (0, True)), 0), BOX),  # only where two symbols agree
        (equal(sp.Max(0, R(1, 1000) - abs(x - R(2, 7))), 0), BOX),  # in a bump somewhere inside
    ],
)  # fmt: skip
def test_a_rare_failure_is_found(statement, domain):
    verdict = search(statement, domain)
    assert verdict.fails, verdict
    assert falsifies(statement, verdict.witness)


def test_a_narrow_violation_of_an_inequality_is_hunted_down():
    """(x − 0.123)² ≥ 10⁻⁸ fails on an interval of one ten-thousandth of the domain."""
    verdict = search(Inequality((x - R(123, 1000)) ** 2, ">=", R(1, 10**8)), BOX)
    assert verdict.fails
    assert abs(verdict.witness.point[x] - R(123, 1000)) < R(1, 10**4)
    assert "claimed >=" in verdict.witness.note


def test_a_strict_inequality_fails_where_the_sides_are_equal():
    verdict = search(Inequality(x**2 + y**2, ">", 0), BOX)
    assert verdict.witness.point == {x: 0, y: 0}


def test_the_witness_is_the_simplest_point_that_fails():
    assert search(equal(x * y, 0), BOX).witness.point == {x: 1, y: 1}
    assert search(equal(lam, lam + sp.Max(0, lam - R(5, 2))), BOX).witness.point == {lam: 3}
    assert search(equal(sp.Max(L - 2, 0), 0), Domain({L: (1, sp.oo)})).witness.point == {L: 3}
    assert search(Inequality(lam, "<=", 1000), BOX).witness.point == {lam: 2000}


def test_a_witness_lies_in_the_domain_and_meets_its_conditions():
    verdict = search(Inequality(kappa + nu + theta, ">=", -R(149, 100)), OVERLAPS)
    assert verdict.fails and OVERLAPS.contains(verdict.witness.point) is True
    assert verdict.witness.point == {kappa: -R(1, 2), nu: -R(1, 2), theta: -R(1, 2)}
    ordered = Domain({x: (0, 1), y: (0, 1), z: (0, 1)}, (x < y, y < z, x + y + z <= 1))
    verdict = search(equal(x * y * z, 0), ordered)
    assert verdict.fails and ordered.contains(verdict.witness.point) is True


@pytest.mark.parametrize(
    "statement, domain, note",
    [
        (equal([x, y], [x, y + x * lam]), BOX, "component 2 of 2"),
        (equal(sp.Matrix([[x, y]]), sp.Matrix([[x, 2 * y]])), BOX, "component 2 of 2"),
        (Stationary(x**2 + x * y, (x, y), {x: 0}), BOX, "component 1 of 2"),
        (Invariant({x: y, y: x}, {x: 0}), BOX, ""),
        (Conserved({x: y, y: -2 * x}, x**2 + y**2), BOX, ""),
    ],
)
def test_every_kind_of_statement_made_of_identities_is_searched(statement, domain, note):
    verdict = search(statement, domain)
    assert verdict.fails and verdict.witness.note == note


def test_a_mean_without_a_closed_form_is_searched_through_its_integral():
    verdict = search(equal(Expectation(sp.tanh(lam * g) ** 2), lam**2 / (1 + R(21, 10) * lam**2)), BOX, seconds=20)
    assert verdict.fails


# --- matrices ------------------------------------------------------------------------------------


def test_the_slip_that_is_right_for_symmetric_matrices_gets_the_simplest_witness():
    verdict = search(equal(Expectation(quad(v, A) ** 2), tr(A * S) ** 2 + 2 * tr(A * S * A * S)), SIZES)
    assert verdict.fails and verdict.evidence is Evidence.CERTIFIED
    assert verdict.witness.point == {d: 2, A: sp.ImmutableMatrix([[0, 1], [0, 0]]), S: sp.eye(2)}
    assert (verdict.witness.lhs, verdict.witness.rhs) == ("1", "0")


@pytest.mark.parametrize(
    "statement, domain",
    [
        (equal(Expectation(quad(v, A) ** 2), (1 + R(1, 10**12)) * (tr(A * S) ** 2 + tr(A * S * A * (S + S.T)))), SIZES),
        (equal(Expectation(X.T * X * A * X.T * X), n * S * tr(A * S) + n**2 * S * A * S), SIZES),
        (equal(A * B, B * A), SIZES),
        (equal(tr(A * B * A * B), tr(A * A * B * B)), SIZES),
        (equal(tr(A), tr(A) + (d - 2) * dot(mu, mu)), Domain({d: (2, sp.oo)})),  # only for d >= 3
        (equal(Expectation(tr(X.T * X)), n * tr(S) + (n - 1) * (n - 2) * (d - 1) * (d - 2)), SIZES),
        (Inequality(tr(A * A), ">=", 0), SIZES),
        (Inequality(2 * tr(A.T * A), ">=", tr(A) ** 2), Domain({d: (3, sp.oo)})),  # only near multiples of I
        (equal(2 * Expectation(dot(v, v)) + tr(S), Expectation(quad(v, A)) + 3 * tr(S) - tr(A * S.T) * 2), SIZES),
    ],
)
def test_a_false_statement_about_matrices_is_refuted(statement, domain):
    verdict = search(statement, domain)
    assert verdict.fails, verdict
    assert verdict.witness.script


def test_sizes_and_probabilities_stay_in_the_domain():
    Z = MixtureMatrix("Z", n, d, weights=[p, 1 - p], means=[mu, -mu], covariance=rho)
    domain = Domain({n: (4, 5), d: (1, sp.oo), p: (R(1, 10), R(9, 10)), rho: (0, sp.oo)})
    verdict = search(equal(Expectation(tr(Z.T * Z)), n * (rho * d + 2 * p * dot(mu, mu))), domain)
    assert verdict.fails
    at = {symbol: R(verdict.witness.point[symbol]) for symbol in (n, d, p, rho)}
    assert domain.contains(at) is True


def test_a_law_stays_a_law_in_every_witness():
    """|r| ≤ 1 is said nowhere but in the law."""
    r = sp.Symbol("r", real=True)
    a, b = gaussians("a b", covariance=[[1, r], [r, 1]])
    verdict = search(equal(Expectation(a**2 * b**2), 1 + 2 * r), Domain({r: (-5, 5)}))
    assert verdict.fails and abs(R(verdict.witness.point[r])) <= 1


def test_a_mask_is_enumerated():
    M = Mask("M", d, rho)
    w = GaussianVector("w", d)
    statement = equal(Expectation(dot(sp.HadamardProduct(M, w), w) ** 2), rho * d * (d + 2))
    verdict = search(statement, Domain({d: (1, sp.oo), rho: (R(1, 10), R(9, 10))}))
    assert verdict.fails
    at = {d: int(verdict.witness.point[d]), rho: R(verdict.witness.point[rho])}
    assert entrywise_mean(statement.lhs.args[0], at) == R(verdict.witness.lhs)
    assert exact_value(statement.rhs, at) == R(verdict.witness.rhs)


# --- honest ends ---------------------------------------------------------------------------------


def test_what_cannot_be_searched_is_undecided_with_the_reason():
    assert "Agreement" in search(Agreement(x), BOX).reason
    assert "does not name" in search(equal(z, 2 * z), BOX).reason
    assert search(equal(sp.Function("f")(x), x), BOX).undecided
    empty = Domain({x: (0, 1)}, (sp.Gt(sp.sin(x), 2),))
    assert "nothing was tested" in search(equal(x, 2 * x), empty).reason


def test_a_pole_is_no_witness():
    assert search(equal(x / x, 1), BOX).undecided
    assert search(equal(sp.log(x), sp.log(x)), BOX).undecided


def test_a_closed_form_beyond_the_mean_is_no_witness():
    """E exp(λ(g² + h²)) = 1/|1 − 2λ| up to λ = 1/2; from there on the mean is infinite, and the formula is 1/3 at 2."""
    (h,) = gaussians("h")
    mean = Expectation(sp.exp(lam * (g**2 + h**2)))
    above, exact = Inequality(mean, ">=", 1), equal(mean, 1 / abs(1 - 2 * lam))
    everywhere, below = Domain({lam: (0, sp.oo)}), Domain({lam: (0, R(49, 100))})
    assert search(above, everywhere).undecided and search(exact, everywhere).undecided
    wrong = search(equal(mean, R(101, 100) / (1 - 2 * lam)), everywhere)
    assert wrong.fails and wrong.witness.point[lam] < R(1, 2)
    context = Context(np.random.default_rng(0))
    for check in (CertifiedNumerics(), SymbolicIdentity()):
        for statement in (above, exact):
            verdict = check.run(Claim("c", "a claim.", lambda s=statement: s, everywhere, "", ()), context)
            assert verdict.undecided, verdict
    assert CertifiedNumerics().run(Claim("c", "a claim.", lambda: exact, below, "", ()), context).holds


def test_the_same_seed_gives_the_same_witness_and_other_seeds_a_proven_one_too():
    statement = equal(sp.Max(x + y, R(19, 10)), R(19, 10))
    first, again = (search(statement, BOX, seed=7) for _ in range(2))
    assert first == again
    assert first.seed == 7
    for seed in range(3):
        verdict = search(statement, BOX, seed=seed)
        assert verdict.fails and falsifies(statement, verdict.witness)


def test_the_budget_is_kept():
    begin = time.monotonic()
    heavy = Expectation(sp.tanh(lam * g + x) ** 2 * sp.tanh(lam * g - y) ** 2)
    verdict = search(equal(heavy, heavy + 0 * x), BOX, seconds=1.0)
    assert verdict.undecided
    assert time.monotonic() - begin < 20  # one evaluation may be under way when the time is up


@pytest.mark.parametrize("wrong", [{"examples": 0}, {"examples": True}, {"examples": 1.5}, {"seconds": 0}])
def test_wrong_use_is_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        PropertySearch(**wrong)


# A search is itself run by Hypothesis, which asks to be told that this nesting is meant.
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.nested_given])
@given(st.lists(st.integers(-3, 3), min_size=6, max_size=6), st.integers(0, 5), st.sampled_from([1, -1, 2]))
def test_a_polynomial_with_one_coefficient_changed_is_always_refuted(coefficients, which, by):
    """The law behind the search: every wrong neighbour of a formula has a witness, and it is a simple one."""
    monomials = [1, x, y, x * y, x**2, lam * x]
    changed = [c + by * (i == which) for i, c in enumerate(coefficients)]
    true, false = (sum(c * m for c, m in zip(cs, monomials, strict=True)) for cs in (coefficients, changed))
    verdict = search(equal(sp.sympify(true), sp.sympify(false)), BOX)
    assert verdict.fails
    assert all(value in (-1, 0, 1) for value in verdict.witness.point.values())
