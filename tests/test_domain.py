"""Domains draw generic exact points that they contain, and know their conditions."""

from __future__ import annotations

import random

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from theory.domain import Domain, FeasibleGram
from theory.notation import L, eta, kappa, lam, nu, rho, theta

x, y = sp.symbols("x y", real=True)
n = sp.Symbol("n", integer=True)

GRAM = FeasibleGram(sp.Matrix([[1, rho, kappa, eta], [rho, 1, theta, nu], [kappa, theta, 1, 0], [eta, nu, 0, 1]]))
OVERLAPS = Domain(dict.fromkeys((kappa, nu, theta, eta, rho), (-1, 1)), conditions=(GRAM,))

rationals = st.fractions(min_value=-50, max_value=50, max_denominator=1000).map(sp.Rational)
ends = st.tuples(st.one_of(rationals, st.just(-sp.oo)), st.one_of(rationals, st.just(sp.oo))).filter(
    lambda pair: bool(pair[0] < pair[1])
)


@given(ends, st.integers(0, 2**32))
def test_what_is_drawn_is_inside_exact_and_generic(interval, seed):
    domain = Domain({x: interval, y: (-1, 1)})
    point = domain.draw(np.random.default_rng(seed))
    assert domain.contains(point) is True
    assert all(isinstance(value, sp.Rational) for value in point.values())
    assert point[y] not in (-1, 0, 1) and point[y] != point[x] and point[y].q > 100


@given(st.integers(-30, 30), st.integers(0, 60), st.integers(0, 2**32))
def test_integers_are_integers_and_not_zero_or_one_if_there_is_a_choice(low, width, seed):
    domain = Domain({n: (low, low + width)})
    value = domain.draw(random.Random(seed))[n]
    assert value.is_Integer and low <= value <= low + width
    if any(abs(other) > 1 for other in range(low, low + width + 1)) and width > 10:
        assert abs(value) > 1


def test_the_assumptions_of_a_symbol_narrow_its_interval():
    domain = Domain({lam: (-5, 5), L: (0, sp.oo)})
    for seed in range(20):
        point = domain.draw(random.Random(seed))
        assert point[lam] > 0 and point[L] >= 1
    assert domain.contains({lam: 0, L: 2}) is False
    assert domain.contains({lam: 1, L: sp.Rational(5, 2)}) is False
    with pytest.raises(ValueError, match="assumptions"):
        Domain({lam: (-2, -1)})


def test_the_same_seed_gives_the_same_points():
    assert OVERLAPS.generic_points(4, seed=3) == OVERLAPS.generic_points(4, seed=3)
    assert OVERLAPS.generic_points(4, seed=3) != OVERLAPS.generic_points(4, seed=4)


def test_a_small_set_of_integers_gives_what_it_has():
    points = Domain({n: (2, 3)}).generic_points(5, seed=0)
    assert sorted(point[n] for point in points) == [2, 3]


@given(st.lists(st.fractions(-1, 1, max_denominator=20), min_size=5, max_size=5))
def test_a_gram_matrix_is_feasible_when_its_eigenvalues_are_nonnegative(overlaps):
    point = dict(zip((kappa, nu, theta, eta, rho), map(sp.Rational, overlaps), strict=True))
    smallest = np.linalg.eigvalsh(np.array(GRAM.matrix.xreplace(point).tolist(), dtype=float))[0]
    if abs(smallest) > 1e-9:
        assert GRAM.holds(point) is bool(smallest > 0)


def test_aligned_vectors_are_feasible_although_their_gram_matrix_is_singular():
    oracle = {kappa: 1, nu: 1, theta: 0, eta: 0, rho: 0}
    assert OVERLAPS.contains(oracle) is True
    assert OVERLAPS.contains({**oracle, rho: sp.Rational(1, 10**30)}) is False


def test_drawn_overlaps_are_feasible():
    for point in OVERLAPS.generic_points(10, seed=1):
        assert GRAM.holds(point) is True


def test_a_gram_matrix_is_symmetric():
    with pytest.raises(ValueError, match="symmetric"):
        FeasibleGram(sp.Matrix([[1, x], [y, 1]]))


def test_a_relation_between_symbols_is_a_condition():
    domain = Domain({x: (0, 1), y: (0, 1)}, conditions=(x < y,))
    for point in domain.generic_points(10, seed=0):
        assert point[x] < point[y]
    assert domain.contains({x: sp.Rational(1, 2), y: sp.Rational(1, 3)}) is False
    assert domain.contains({x: sp.sqrt(2) / 2, y: sp.Rational(9, 10)}) is True


def test_what_cannot_be_told_is_none():
    domain = Domain({x: (0, 1), y: (0, 1)}, conditions=(x < y,))
    assert domain.contains({x: sp.Rational(1, 2)}) is None
    assert domain.contains({x: 2}) is False
    assert domain.contains({x: sp.Symbol("a", real=True), y: 1}) is None


def test_a_condition_nobody_meets_is_named():
    domain = Domain({x: (0, 1), y: (0, 1)}, conditions=(x + y > 3,))
    with pytest.raises(ValueError, match=r"x \+ y > 3 was violated"):
        domain.draw(random.Random(0))


@given(ends, st.fractions("1/100", 1))
def test_the_widened_domain_contains_the_domain(interval, fraction):
    domain = Domain({x: interval})
    wider = domain.widened(sp.Rational(fraction))
    for end, sign in zip(interval, (-1, 1), strict=True):
        if end.is_finite:
            assert wider.contains({x: end}) is True and domain.contains({x: end}) is True
            assert wider.contains({x: end + sign * sp.Rational(1, 10**9)}) is True


def test_a_restriction_forgets_the_symbol_and_keeps_its_conditions():
    manifold = OVERLAPS.restrict({theta: 0, eta: 0, rho: 0})
    assert manifold.symbols == (kappa, nu)
    for point in manifold.generic_points(5, seed=0):
        assert OVERLAPS.contains({**point, theta: 0, eta: 0, rho: 0}) is True
    with pytest.raises(ValueError, match="kappa=2"):
        OVERLAPS.restrict({kappa: 2})
    with pytest.raises(KeyError, match="no symbol L"):
        OVERLAPS.restrict({L: 2})


def test_restricting_to_an_expression_keeps_its_interval_as_a_condition():
    domain = Domain({x: (0, 1), y: (-5, 5)}).restrict({x: y**2})
    assert domain.contains({y: sp.Rational(1, 2)}) is True
    assert domain.contains({y: 2}) is False


class EvenSum:
    """A condition of a user's own, with the two methods that are asked for."""

    def holds(self, point):
        return (point[n] + point[x]).is_integer

    def text(self):
        return "n + x is whole"


def test_a_condition_of_ones_own():
    domain = Domain({n: (0, 9), x: (0, 1)}, conditions=(EvenSum(),))
    assert domain.contains({n: 3, x: 1}) is True
    assert domain.contains({n: 3, x: sp.Rational(1, 2)}) is False
    assert domain.restrict({x: 1}).contains({n: 4}) is True
    assert "whole with x=1" in domain.restrict({x: 1}).text()


@pytest.mark.parametrize(
    ("intervals", "conditions", "error", "message"),
    [
        ({x: (1, 0)}, (), ValueError, "low <= high"),
        ({x: (0, y)}, (), TypeError, "real numbers as ends"),
        ({x: (0, 0.5)}, (), TypeError, "Rational"),
        ({x: (0, "one")}, (), TypeError, "expected a number"),
        ({x: (0, "9**9")}, (), TypeError, "expected a number"),
        ({x: (0, "1/0")}, (), TypeError, "expected a number"),
        ({"x": (0, 1)}, (), TypeError, "expected a symbol"),
        ({x: (0, 1)}, (False,), ValueError, "false"),
        ({x: (0, 1)}, ("x > 0",), TypeError, "relational"),
        ({x: (0, sp.nan)}, (), TypeError, "real numbers as ends"),
    ],
)
def test_misuse_is_named(intervals, conditions, error, message):
    with pytest.raises(error, match=message):
        Domain(intervals, conditions)


def test_irrational_ends_leave_rational_points():
    domain = Domain({x: (sp.sqrt(2), sp.pi / 2), y: (sp.E, sp.oo)})
    for point in domain.generic_points(5, seed=0):
        assert domain.contains(point) is True and point[x].is_Rational and point[y].is_Rational


def test_a_domain_without_symbols_has_one_point():
    assert Domain({}).generic_points(5, seed=0) == [{}]
    assert Domain({}).contains({}) is True


def test_the_text_reads_like_the_paper():
    domain = Domain({kappa: (-1, 1), lam: (0, sp.oo), L: (2, sp.oo)}, conditions=(lam < 1,))
    assert str(domain) == "kappa in [-1, 1], lam in (0, oo), L in {2, 3, ...}, lam < 1"
    assert r"\lambda \in (0, \infty)" in domain.latex() and r"\{2, 3, \dots\}" in domain.latex()


def test_ends_may_be_written_as_text():
    assert Domain({x: ("1/10", "2.5")}) == Domain({x: (sp.Rational(1, 10), sp.Rational(5, 2))})


def test_generic_integers_keep_the_assumptions_of_their_symbol():
    k = sp.Symbol("k", integer=True, nonpositive=True)
    domain = Domain({k: (-9, 5)})
    assert all(domain.contains(point) is True for point in domain.generic_points(8, seed=0))
