"""An inequality is proven on a whole box, refuted at a point, or left open: never mistaken."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.balls import ball
from proofs_check.boxes import CertifiedOnBox
from proofs_check.check import Context
from proofs_check.claim import Claim
from proofs_check.studies import single_location
from proofs_check.verdict import Evidence
from theory import BivariateNormalCDF, GaussianIntegral, NormalCDF, OwenT
from theory.domain import Domain
from theory.statement import Inequality, equal

x, y, z, w = sp.symbols("x y z w", real=True)
n = sp.Symbol("n", integer=True)
t = sp.Symbol("t", real=True)
R = sp.Rational


def verdict(lhs, relation, rhs, box, conditions=(), seconds=10.0):
    statement = Inequality(lhs, relation, rhs)
    return run(Claim("it", "It.", lambda: statement, Domain(box, conditions), "here", ()), seconds)


def run(claim, seconds=20.0):
    return CertifiedOnBox(seconds).run(claim, Context(np.random.default_rng(0)))


TRUE = [
    (sp.exp(x), ">", x, {x: (-3, 3)}),
    (sp.erf(x), "<=", 2 * x / sp.sqrt(sp.pi), {x: (R(1, 100), 4)}),
    (x**4 - x**2 + R(26, 100), ">", 0, {x: (-2, 2)}),
    (abs(x) + R(1, 10), ">", x, {x: (-1, 1)}),
    (sp.Max(x, 1 - x), ">", R(49, 100), {x: (-3, 3)}),
    (sp.Min(x, 1 - x), "<", R(51, 100), {x: (-3, 3)}),
    (sp.sqrt(x), ">=", 0, {x: (0, 1)}),
    (sp.tanh(x), "<", 1, {x: (-5, 5)}),
    (sp.asin(x), ">", x - R(1, 100), {x: (0, R(99, 100))}),
    (OwenT(x, 2), "<", R(18, 100), {x: (-3, 3)}),
    (x * y, "<", (x**2 + y**2) / 2 + R(1, 50), {x: (-2, 2), y: (-2, 2)}),
    (NormalCDF(x + y), "<", NormalCDF(x + y + R(1, 2)), {x: (-2, 2), y: (-2, 2)}),
    (BivariateNormalCDF(x, y, R(1, 2)), ">", NormalCDF(x) * NormalCDF(y), {x: (-1, 1), y: (-1, 1)}),
    (sp.exp(x) * sp.cos(y) + z**2, ">", R(-1, 10), {x: (0, 1), y: (-1, 1), z: (-1, 1)}),
    (GaussianIntegral(1 / (1 + sp.exp(x + t)), (t,)), "<", 1, {x: (-2, 2)}),
    (GaussianIntegral(sp.tanh(x * t) ** 2, (t,)), "<", x**2 + R(1, 20), {x: (0, 1)}),
    (sp.pi, ">", 3, {x: (0, 1)}),
]


@pytest.mark.parametrize(("lhs", "relation", "rhs", "box"), TRUE, ids=[str(case[0])[:40] for case in TRUE])
def test_a_true_inequality_is_proven_and_its_negation_refuted(lhs, relation, rhs, box):
    found = verdict(lhs, relation, rhs, box)
    assert found.holds and found.evidence is Evidence.CERTIFIED and found.scope == "on the whole domain", found
    control = Claim("it", "It.", lambda: Inequality(lhs, relation, rhs), Domain(box), "here", ()).perturbed("0.1")
    assert run(control).fails


def test_a_touching_inequality_is_undecided_and_says_where():
    found = verdict(sp.expand((3 * x - 1) ** 2), ">=", 0, {x: (0, 1)})
    assert found.undecided
    assert "near x=0.33333" in found.reason and "touch" in found.reason and "99.9" in found.reason


def test_touching_in_the_plane_is_undecided():
    assert verdict(sp.expand((3 * x - 1) ** 2) + sp.expand((7 * y - 2) ** 2), ">", 0, {x: (0, 1), y: (0, 1)}).undecided


def test_a_thin_violation_is_found_with_its_point():
    found = verdict((x - R(1, 3)) ** 2, ">", R(1, 10**8), {x: (0, 1)})
    assert found.fails
    assert abs(found.witness.point[x] - R(1, 3)) <= R(1, 10**4)


def test_equality_at_a_rational_point_violates_a_strict_inequality():
    found = verdict(x**2, ">", 0, {x: (-1, 1)})
    assert found.fails and found.witness.point == {x: 0}


def test_the_budget_ends_with_the_share_that_was_proven():
    found = verdict(sp.sin(x * y) ** 2 + sp.cos(x * y) ** 2, ">=", 1, {x: (0, 20), y: (0, 20)}, seconds=0.2)
    assert found.undecided and "0.2 s ended" in found.reason and "% of the domain is proven" in found.reason


@pytest.mark.parametrize(
    ("lhs", "box"),
    [
        (sp.atan(sp.tan(x)) - x + 1, {x: (0, 3)}),
        (sp.floor(x) - x + R(3, 2), {x: (0, 3)}),
        (sp.Piecewise((x + 1, x < 1), (x - 2, True)), {x: (0, 3)}),
        (sp.sign(x - 1) * (x - 3) + 1, {x: (0, 2)}),
        (sp.acot(x) + R(1, 2), {x: (-1, 1)}),
    ],
)
def test_a_jump_is_no_reason_to_believe_a_derivative(lhs, box):
    assert not verdict(lhs, ">", 0, box).holds


@pytest.mark.parametrize("lhs", [sp.sqrt(x), sp.log(x) ** 2, sp.asin(2 * x) ** 2, 1 / x**2, (1 + x) ** R(1, 3)])
def test_where_a_side_has_no_value_nothing_is_proven(lhs):
    assert not verdict(lhs, ">=", -9, {x: (-2, 1)}, seconds=0.5).holds


def test_conditions_take_cells_away_and_hold_for_the_witness():
    assert verdict(x, ">=", y - R(1, 100), {x: (0, 1), y: (0, 1)}, (x >= y,)).holds
    found = verdict(x - y, ">", R(1, 2), {x: (0, 1), y: (0, 1)}, (x >= y,))
    assert found.fails and found.witness.point[x] >= found.witness.point[y]


def test_the_witness_has_integers_where_they_belong():
    assert verdict(n**2, ">", n - 1, {n: (1, 9)}).holds
    found = verdict((n - 4) ** 2, ">", 0, {n: (1, 9)})
    assert found.fails and found.witness.point == {n: 4}


def test_irrational_ends():
    assert verdict(sp.sin(x), ">", R(-1, 10**6), {x: (0, sp.pi)}).holds


@pytest.mark.parametrize(
    ("statement", "box", "reason"),
    [
        (equal(x, x), {x: (0, 1)}, "Identity"),
        (Inequality(x, "<", y), {x: (0, 1)}, "y"),
        (Inequality(x, "<", 1), {x: (0, sp.oo)}, "compact"),
        (Inequality(x + y + z + w, "<", 9), {x: (0, 1), y: (0, 1), z: (0, 1), w: (0, 1)}, "at most 3"),
        (Inequality(sp.zeta(x), "<", 9), {x: (2, 3)}, "zeta"),
    ],
)
def test_what_it_cannot_do_is_undecided_by_name(statement, box, reason):
    found = run(Claim("it", "It.", lambda: statement, Domain(box), "here", ()))
    assert found.undecided and reason in found.reason


def test_a_budget_has_to_be_positive():
    with pytest.raises(ValueError, match="seconds=0"):
        CertifiedOnBox(seconds=0)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(-5, 5), min_size=4, max_size=4),
    st.sampled_from([sp.exp, sp.erf, sp.atan, sp.tanh, sp.sin, NormalCDF]),
)
def test_no_inequality_is_proven_that_a_point_refutes(coefficients, function):
    a, b, c, d = coefficients
    lhs, rhs = function(a * x + R(b, 3)) * x, R(c, 4) + d * x**2
    found = verdict(lhs, "<", rhs, {x: (-1, 1)}, seconds=2.0)
    signs = [ball(rhs - lhs, {x: R(i, 20)}, 15) > 0 for i in range(-20, 21)]
    assert not (found.holds and not all(signs))
    assert not (found.fails and ball(rhs - lhs, {x: found.witness.point[x]}, 15) > 0)


@pytest.mark.parametrize("length", [10, 1000])
def test_the_mixing_block_at_the_oracle_in_a_few_seconds(length):
    block = single_location.oracle_block().applyfunc(lambda entry: single_location._at_paper_constants(entry, length))
    determinant = block[0, 0] * block[1, 1] - block[0, 1] * block[1, 0]
    lam = single_location.lam
    last = 8 if length == 1000 else R(892, 1000)
    found = verdict(determinant, ">", 0, {lam: (R(1, 20), last)})
    assert found.holds and found.seconds < 5
    assert verdict(determinant, "<=", 0, {lam: (R(1, 20), last)}).fails
    if length == 10:
        assert verdict(determinant, "<", 0, {lam: (R(893, 1000), 2)}).holds


@pytest.mark.parametrize(
    "name", ["swapped_solution_beats_the_oracle_for_small_temperature", "oracle_beats_the_swapped_solution"]
)
def test_the_swapped_solution_against_the_oracle_in_a_few_seconds(name):
    claim = getattr(single_location, name)
    found = run(claim)
    assert found.holds and found.seconds < 5
    assert run(claim.perturbed("0.1")).fails
