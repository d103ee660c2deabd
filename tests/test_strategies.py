"""Strategies draw what they promise: exactly admissible models, simple ones first."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
import sympy as sp
from hypothesis import find, given, settings
from hypothesis import strategies as st

from proofs_check.strategies import (
    cayley_rotations,
    covariances,
    degenerate_covariances,
    draw_examples,
    gram_matrices,
    mask_laws,
    masks,
    mixtures,
    models,
    near_singular_covariances,
    orthonormal_frames,
    overlaps,
    points,
    probabilities,
    prompts,
    rationals,
    reals,
    register_profiles,
    unit_vectors,
    vectors,
)
from proofs_check.strategies.points import Interval, interval_table, simplest_rationals
from theory import Domain, FeasibleGram, Mask, MixtureMatrix
from theory.covariance import validate_covariance


def exact_dot(u, v) -> Fraction:
    """The inner product of the floats as they are, without rounding."""
    return sum((Fraction(float(x)) * Fraction(float(y)) for x, y in zip(u, v, strict=True)), Fraction(0))


@given(st.integers(1, 9).flatmap(unit_vectors))
def test_unit_vectors_have_norm_one(v):
    assert abs(exact_dot(v, v) - 1) < 1e-15


@given(st.integers(1, 6).flatmap(lambda d: st.integers(1, d).flatmap(lambda r: orthonormal_frames(d, r))))
def test_frames_are_orthonormal(frame):
    assert all(abs(exact_dot(v, v) - 1) < 1e-15 for v in frame)
    assert all(abs(exact_dot(u, v)) < 1e-15 for u, v in combinations(frame, 2))


def test_frames_of_dependent_vectors_are_completed():
    first, second = find(orthonormal_frames(3, 2), lambda frame: frame[0][1] != 0)
    assert abs(exact_dot(first, second)) < 1e-15


@given(vectors(4, norms=("0.5", 3)))
def test_vectors_have_a_norm_in_the_range(v):
    assert 0.5 - 1e-15 <= np.linalg.norm(v) <= 3 + 4e-15


@given(rationals("0.1", 2), reals(-1, "1/3", open_ends=True))
def test_numbers_stay_in_their_range(x, y):
    assert isinstance(x, sp.Rational)
    assert sp.Rational(1, 10) <= x <= 2
    assert -1 < y < 1 / 3


@given(st.integers(1, 4).flatmap(cayley_rotations))
@settings(max_examples=30)
def test_rotations_are_exactly_orthogonal(rotation):
    assert rotation * rotation.T == sp.eye(rotation.rows)
    assert rotation.det() == 1


@given(covariances(3, spectrum=(1, 1, "0.25")))
@settings(max_examples=30)
def test_a_covariance_has_exactly_the_given_spectrum(covariance):
    x = sp.Symbol("x")
    assert covariance == covariance.T
    assert covariance.charpoly(x).as_expr().expand() == ((x - 1) ** 2 * (x - sp.Rational(1, 4))).expand()


@given(covariances(3))
@settings(max_examples=30)
def test_a_covariance_is_positive_definite_over_the_rationals(covariance):
    assert all(covariance[:i, :i].det() > 0 for i in (1, 2, 3))


@given(covariances(3, rank=2))
@settings(max_examples=30)
def test_a_degenerate_covariance_has_its_rank(covariance):
    assert covariance.rank() == 2


def test_counterexamples_shrink_to_simple_models():
    assert find(unit_vectors(3), lambda v: True).tolist() == [1, 0, 0]
    assert find(covariances(2), lambda S: True) == sp.eye(2)
    assert find(cayley_rotations(3), lambda Q: True) == sp.eye(3)
    v = find(unit_vectors(3), lambda v: v[0] != 0 and v[1] != 0)
    assert v == pytest.approx(np.array([1, 1, 0]) / np.sqrt(2), abs=2e-16)


def test_models_let_parts_depend_on_earlier_ones():
    strategy = models(
        d=st.integers(2, 5),
        L=7,
        frame=lambda d: orthonormal_frames(d, 2),
        k_star=lambda frame: frame[0],
        v=lambda d, L: vectors(d, norms=(1, L)),
        without=("d", "frame"),
    )
    for model in draw_examples(strategy, 10, seed=0):
        assert list(model) == ["L", "k_star", "v"]
        assert model["k_star"].shape == model["v"].shape


def test_the_order_of_parts_matters():
    with pytest.raises(ValueError, match="k depends on d, which is not written before it"):
        models(k=lambda d: unit_vectors(d), d=st.integers(1, 3))
    with pytest.raises(ValueError, match="without= to name parts, got frame"):
        models(d=3, without=("frame",))


def test_examples_are_distinct_and_the_same_for_the_same_seed():
    strategy = models(d=st.integers(1, 3), k=lambda d: unit_vectors(d))
    first, again, other = (draw_examples(strategy, 40, seed) for seed in (1, 1, 2))
    assert len(first) == 40
    assert repr(first) == repr(again) != repr(other)
    assert len({(model["d"], model["k"].tobytes()) for model in first}) == 40


def test_examples_end_when_the_strategy_is_exhausted():
    assert draw_examples(st.sampled_from([1, 2]), 10, seed=0) in ([1, 2], [2, 1])
    assert draw_examples(st.integers(0, 9).filter(lambda x: x > 9), 10, seed=0) == []


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: unit_vectors(0), "got count=1, d=0"),
        (lambda: orthonormal_frames(2, 3), "got count=3, d=2"),
        (lambda: vectors(2, norms=(-1, 1)), "nonnegative norms"),
        (lambda: rationals(1, 1), "low < high"),
        (lambda: reals(0, float("inf")), "got high=inf"),
        (lambda: cayley_rotations(0), "d >= 1"),
        (lambda: covariances(2, spectrum=(1, -1)), "nonnegative eigenvalues"),
        (lambda: covariances(2, spectrum=(1, 1), rank=1), "a spectrum or a rank"),
        (lambda: covariances(2, rank=3), "got rank=3"),
    ],
)
def test_wrong_use_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- points of a domain --------------------------------------------------------------------------

x, y, z = sp.symbols("x y z", real=True)
lam = sp.Symbol("lam", positive=True)
n = sp.Symbol("n", integer=True, positive=True)
even = sp.Symbol("k", integer=True, nonpositive=True)

DOMAINS = [
    Domain({x: (-1, 1), y: (0, "1/3"), lam: (0, sp.oo), n: (1, sp.oo)}),
    Domain({x: (-sp.oo, sp.oo), y: (-sp.oo, -2), even: (-9, 5)}),
    Domain({x: (sp.sqrt(2), sp.pi), y: (1000, 1001), z: ("1/1000000000", "1/100000000")}),
    Domain({x: (0, 1), y: (0, 1), z: (0, 1)}, (x < y, y <= z, x + y + z < 2)),
    Domain({x: (-1, 1), y: (-1, 1), z: (-1, 1)}, (FeasibleGram(sp.Matrix([[1, x, y], [x, 1, z], [y, z, 1]])),)),
    Domain({lam: (0, 1), x: (-3, 3)}, (sp.Ne(x, 0), x * lam < 1)),
    Domain({x: (2, 2), y: (0, 1)}, (2 * y >= x - 1,)),
]


@pytest.mark.parametrize("domain", DOMAINS)
def test_points_lie_in_their_domain(domain):
    drawn = draw_examples(points(domain), 25, seed=0)
    assert len(drawn) >= 10
    for point in drawn:
        assert set(point) == set(domain.symbols)
        assert all(isinstance(value, sp.Rational) for value in point.values())
        assert domain.contains(point) is True


@pytest.mark.parametrize("domain", DOMAINS)
def test_points_near_a_point_are_most_often_that_point_and_shrink_away_from_it(domain):
    target = domain.generic_points(1, seed=3)[0]
    drawn = draw_examples(points(domain, near=target), 12, seed=0)
    assert target in drawn
    assert all(domain.contains(point) is True for point in drawn)
    simplest = drawn[0]
    assert sum(value.q for value in simplest.values()) <= sum(value.q for value in target.values())


def test_points_shrink_to_the_simplest_rationals():
    domain = Domain({x: (-5, 5), y: (-5, 5), n: (1, sp.oo)})
    assert find(points(domain), lambda at: at[x] * at[y] != 0) == {x: 1, y: 1, n: 1}
    assert find(points(domain), lambda at: at[x] > sp.Rational(5, 2)) == {x: 3, y: 0, n: 1}
    assert find(points(domain), lambda at: at[n] >= 3) == {x: 0, y: 0, n: 3}


def test_points_come_to_the_ends_to_large_numbers_and_to_ties():
    drawn = draw_examples(points(Domain({x: (0, 1), y: (0, 1), lam: (0, sp.oo)})), 400, seed=0)
    assert any(point[x] in (0, 1) for point in drawn)
    assert any(0 < point[x] < sp.Rational(1, 1000) for point in drawn)
    assert any(point[lam] > 999 for point in drawn) and any(point[lam] < sp.Rational(1, 999) for point in drawn)
    assert any(point[x] == point[y] and point[x].q > 24 for point in drawn)


def test_an_empty_domain_draws_nothing():
    assert draw_examples(points(Domain({x: (0, 1), y: (0, 1)}, (x > y + 2,))), 5, seed=0) == []
    with pytest.raises(TypeError, match="expected a Domain"):
        points({x: (0, 1)})


@given(
    st.fractions(-9, 9, max_denominator=99), st.fractions(0, 5, max_denominator=99), st.booleans(), st.booleans(),
    st.booleans(),
)  # fmt: skip
def test_the_simplest_rational_of_an_interval_is_the_one_of_smallest_denominator(low, width, left, right, integer):
    interval = Interval(low, low + width, left, right, integer)
    found = simplest_rationals(interval)
    assert all(interval.holds(number) for number in interval_table(interval))
    q = next(
        (q for q in range(1, 2 if integer else 10_000) for p in _between(low * q, (low + width) * q)
         if interval.holds(Fraction(p, q))),
        None,
    )  # fmt: skip
    assert (min(number.denominator for number in found) == q) if q else not found


def _between(low: Fraction, high: Fraction) -> range:
    return range(-((-low.numerator) // low.denominator), high.numerator // high.denominator + 1)


# --- covariances that are nearly none, overlaps, laws --------------------------------------------


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 4).flatmap(lambda d: near_singular_covariances(d, "1e9")))
def test_near_singular_covariances_have_the_condition_number(S):
    assert validate_covariance(S) == S
    spectrum = [value for value, times in S.eigenvals().items() for _ in range(times)] if S.rows == 2 else None
    if spectrum:
        assert max(spectrum) / min(spectrum) == 10**9
    assert 0 < S.det() <= sp.Rational(1, 10**9)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 4).flatmap(degenerate_covariances))
def test_degenerate_covariances_are_singular(S):
    assert validate_covariance(S) == S
    assert S.det() == 0


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 4).flatmap(lambda k: st.integers(1, k).flatmap(lambda r: gram_matrices(k, r))))
def test_gram_matrices_are_those_of_unit_vectors(G):
    assert validate_covariance(G) == G
    assert all(entry == 1 for entry in G.diagonal())


@pytest.mark.parametrize(
    "matrix",
    [
        sp.Matrix([[1, x, y], [x, 1, z], [y, z, 1]]),
        sp.Matrix([[4, x, y], [x, lam, z], [y, z, sp.Rational(1, 9)]]),
        sp.Matrix([[1, x, 0], [x, 1, x], [0, x, 1]]),  # filtered: a zero, and a symbol twice
        sp.Matrix([[2, x], [x, lam]]),  # filtered: no rational length
    ],
)
def test_overlaps_are_feasible(matrix):
    gram = FeasibleGram(matrix)
    drawn = draw_examples(overlaps(gram), 40, seed=0)
    assert len(drawn) >= 20
    assert all(set(at) == matrix.free_symbols and gram.holds(at) is True for at in drawn)
    assert any(value != 0 for at in drawn for value in at.values())


def test_overlaps_of_fewer_dimensions_are_on_the_boundary():
    gram = FeasibleGram(sp.Matrix([[1, x, y], [x, 1, z], [y, z, 1]]))
    for at in draw_examples(overlaps(gram, rank=2), 20, seed=0):
        assert gram.matrix.xreplace(at).det() == 0


@given(st.integers(1, 6).flatmap(probabilities))
def test_probabilities_sum_to_one_exactly(weights):
    assert sum(weights) == 1 and all(weight > 0 for weight in weights)


@settings(deadline=None, max_examples=25)
@given(st.tuples(st.integers(1, 3), st.integers(1, 3)).flatmap(lambda size: mixtures(*size)))
def test_mixtures_are_laws(mixture):
    d = mixture["means"][0].rows
    Z = MixtureMatrix("Z", 4, d, **mixture)
    assert Z.shape == (4, d)
    assert sum(mixture["weights"]) == 1


@given(st.integers(1, 5).flatmap(lambda d: st.tuples(st.just(d), mask_laws(d))))
def test_mask_laws_are_laws(pair):
    d, law = pair
    assert 0 <= Mask("M", d, **law).moment(1) <= 1


@given(st.integers(1, 5).flatmap(lambda d: st.integers(0, d).flatmap(lambda k: st.tuples(
    st.just(k), masks(d, 3, observed=k), masks(d, 2), masks(d)))))  # fmt: skip
def test_masks_are_zeros_and_ones(drawn):
    k, exact, rows, single = drawn
    assert (exact.sum(axis=1) == k).all() and exact.shape[0] == 3
    assert set(np.unique(np.concatenate([exact.ravel(), rows.ravel(), single]))) <= {0, 1}
    assert rows.shape[0] == 2 and single.ndim == 1


@given(prompts(3, 2, mean=[1, 2], covariance=[[1, 1], [1, 1]]))
def test_prompts_live_where_their_law_lives(tokens):
    assert tokens.shape == (3, 2)
    assert np.abs((tokens - [1, 2]) @ [1, -1]).max() < 1e-14 * max(1, np.abs(tokens).max()) * 10


def test_wrong_use_of_the_strategies_says_what_was_expected():
    for wrong in (
        lambda: near_singular_covariances(1),
        lambda: near_singular_covariances(2, 1),
        lambda: degenerate_covariances(0),
        lambda: gram_matrices(2, 3),
        lambda: overlaps(FeasibleGram(sp.Matrix([[1, 0], [0, 1]])), rank=1),
        lambda: probabilities(0),
        lambda: mixtures(0),
        lambda: mask_laws(0),
        lambda: masks(3, observed=4),
        lambda: prompts(2, 2, mean=[1]),
        lambda: prompts(2, 2, covariance=[[1, 2], [2, 1]]),
    ):
        with pytest.raises(ValueError, match="expected"):
            wrong()


def test_profiles_have_no_deadline_and_the_one_for_servers_repeats_itself():
    register_profiles()
    assert settings.get_profile("attention-theory").deadline is None
    ci = settings.get_profile("attention-theory-ci")
    assert ci.derandomize and ci.database is None and ci.deadline is None
