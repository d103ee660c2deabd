"""What a search for stationary points hands back."""

from __future__ import annotations

import dataclasses

import pytest
import sympy as sp
from flint import acb, arb

from theory.stationary import Certificate, Nature, Orbit, StationaryPoint, StationarySet

x, y = sp.symbols("x y", real=True)
BOX = ((x, sp.Integer(-1), sp.Integer(1)), (y, sp.Integer(-1), sp.Integer(1)))


def point(nature: Nature = Nature.MINIMUM, **at: object) -> StationaryPoint:
    return StationaryPoint({x: at.get("x", 0), y: at.get("y", 1)}, Certificate(BOX, "by hand", nature=nature))


@pytest.mark.parametrize(
    ("signs", "nature"),
    [
        ((2, 0, 0), Nature.MINIMUM),
        ((0, 3, 0), Nature.MAXIMUM),
        ((1, 1, 0), Nature.SADDLE),
        ((1, 1, 2), Nature.SADDLE),  # descent leaves it whatever the undecided ones are
        ((2, 0, 1), Nature.UNKNOWN),
        ((0, 2, 1), Nature.UNKNOWN),
        ((0, 0, 2), Nature.UNKNOWN),
        ((0, 0, 0), Nature.UNKNOWN),
    ],
)
def test_a_nature_says_no_more_than_the_proven_signs(signs, nature):
    assert Nature.from_signature(*signs) is nature


def test_a_point_is_frozen_and_its_coordinates_are_found_by_symbol_or_name():
    here = point(x=sp.Rational(1, 3), y=arb(2, 1e-9))
    assert here[x] == here["x"] == sp.Rational(1, 3)
    assert float(here[y]) == 2.0
    assert not here.is_exact and point().is_exact
    with pytest.raises(KeyError, match="the coordinates of this point are x, y"):
        here["z"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        here.at = ()


def test_pairs_and_mappings_make_the_same_point():
    certificate = Certificate(BOX, "by hand")
    assert StationaryPoint({x: 0, y: 1}, certificate) == StationaryPoint(((x, 0), (y, 1)), certificate)


def test_a_set_iterates_over_its_points_and_sorts_them_by_nature():
    found = StationarySet((point(), point(Nature.SADDLE, x=1)), complete=True, termination="Done.")
    assert len(found) == 2 and list(found) == list(found.points)
    assert [p[x] for p in found.of(Nature.SADDLE)] == [1]
    assert str(found).splitlines() == [
        "2 stationary points, complete. Done.",
        "  x = 0, y = 1: minimum",
        "  x = 1, y = 1: saddle",
    ]


def test_a_set_with_unresolved_boxes_cannot_be_complete():
    with pytest.raises(ValueError, match="no unresolved boxes in a complete set, got 1"):
        StationarySet((), (), (BOX,), complete=True)


def test_what_is_unresolved_and_what_is_not_isolated_is_shown():
    circle = Orbit({x: 1, y: 0}, 1, "rotations")
    text = str(StationarySet((), (circle,), (BOX,) * 7, False, "Stopped."))
    assert "0 stationary points, 1 not isolated, not complete. Stopped." in text
    assert "x = 1, y = 0: on a set of dimension 1 (rotations)" in text
    assert text.count("-1.00000 <= x <= 1.00000") == 5 and "2 more boxes" in text


def test_the_notebook_table_escapes_and_shows_values_and_eigenvalues():
    certificate = Certificate(
        BOX,
        "by <hand>",
        nature=Nature.SADDLE,
        value=arb("0.25"),
        eigenvalues=(acb(-1), acb(2, 3), sp.sqrt(2)),
    )
    html = StationarySet((StationaryPoint({x: 0, y: 0}, certificate),), complete=True)._repr_html_()
    for piece in ("saddle", "0.25000000", "-1.0000000, 2.0000000 + 3.0000000j, sqrt(2)", "by &lt;hand&gt;"):
        assert piece in html
    assert "<hand>" not in html
