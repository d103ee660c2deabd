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
    draw_examples,
    models,
    orthonormal_frames,
    rationals,
    reals,
    unit_vectors,
    vectors,
)


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
