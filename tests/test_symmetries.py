"""Symmetries: found ones are proven, planted ones are found, and slices lose no orbit."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.slices import Part, charts_of, slices_of
from numerics.symmetries import linear_symmetries, sign_symmetries, symmetry_text

x, y, z, u, v = sp.symbols("x y z u v", real=True)
R = sp.Rational


@pytest.mark.parametrize(
    ("expr", "variables", "texts"),
    [
        ((x**2 + y**2 - 1) ** 2 + z**4, (x, y, z), ["rotations of (x, y)"]),
        ((x * y - 1) ** 2 + z**4, (x, y, z), ["scalings of y against x"]),
        (x**2 + sp.erf(y), (x, y, z), ["shifts of z"]),
        (sp.exp(x * u + y * v) + (x**2 + y**2) ** 2 + u**2 + v**2, (x, y, u, v), ["rotations of (x, y), (u, v)"]),
        (x**4 + y**2 + x * y, (x, y), []),
        (sp.erf(x) * sp.erf(y) + x**2, (x, y), []),
    ],
)
def test_known_groups(expr, variables, texts):
    found = linear_symmetries(expr, variables)
    assert {str(g) for g in found} == set(texts)
    for g in found:
        slope = sum(w * expr.diff(s) for w, s in zip(g.velocity, variables, strict=True))
        assert sp.expand(slope) == 0


def test_a_shift_along_a_diagonal_is_found():
    found = linear_symmetries((x - y) ** 2 + z**4, (x, y, z))
    assert "the linear flow dx = 1, dy = 1" in map(str, found)
    assert all(g.velocity[0] == g.velocity[1] and g.velocity[2] == 0 for g in found)


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(2, 4))
def test_a_planted_rotation_is_found_and_one_that_is_slightly_wrong_is_not(a, b, power):
    inner = a * (x**2 + y**2) + b * z
    assert [str(g) for g in linear_symmetries(inner**power + z**2, (x, y, z))] == ["rotations of (x, y)"]
    bent = inner + R(1, 10**4) * x**2
    assert not any(g.rotations for g in linear_symmetries(bent**power + z**2, (x, y, z)))


def test_the_group_of_heads_has_its_name():
    entries = sp.symbols("a:8", real=True)
    W = sp.Matrix(2, 4, entries)
    found = linear_symmetries(sp.expand(((W * W.T - sp.diag(3, 1)) ** 2).trace()), entries)
    assert len(found) == 6 and symmetry_text(found) == "O(4) on (a0, a1, a2, a3), (a4, a5, a6, a7)"


def test_on_spheres_only_what_keeps_the_norms_is_a_symmetry():
    expr = x * u + y * v
    on_spheres = linear_symmetries(expr, (x, y, u, v), spheres=((x, y), (u, v)))
    assert [str(g) for g in on_spheres] == ["rotations of (x, y), (u, v)"]
    assert len(linear_symmetries(expr, (x, y, u, v))) > 1


@pytest.mark.parametrize(
    ("expr", "flips"),
    [
        (x * y + z**2, [{0, 1}, {2}]),
        (x**2 + y**4 + z**6, [{0}, {1}, {2}]),
        (x + y**2 * z, [{1}]),
        (x * y * z, [{0, 2}, {1, 2}]),
        (sp.erf(x) * y + sp.exp(z), [{0, 1}]),
    ],
)
def test_changes_of_sign(expr, flips):
    assert [set(flip) for flip in sign_symmetries([expr], (x, y, z))] == flips


def test_a_box_that_is_not_symmetric_has_no_change_of_sign():
    assert sign_symmetries([x**2 + y**2], (x, y), {x: (-1, 2), y: (-1, 1)}) == (frozenset({1}),)


@lru_cache
def two_rows():
    entries = sp.symbols("a:6", real=True)
    W = sp.Matrix(2, 3, entries)
    part = Part(sp.expand(((W * W.T - sp.diag(3, 1)) ** 2).trace()), tuple((s, (-1, 1)) for s in entries))
    return entries, part, *slices_of(part)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=6, max_size=6))
def test_every_point_turns_into_some_slice(point):
    # O(3) on two rows: the longest row becomes (r, 0, 0), then the other one (a, b, 0) with b in the last slice.
    entries, part, parts, stuck = two_rows()
    assert not stuck and len(parts) == 2 and all(len(p.variables) == 3 for p in parts)
    rows = np.array(point).reshape(2, 3)
    longest = int(np.argmax(np.linalg.norm(rows, axis=1)))
    r, other = np.linalg.norm(rows[longest]), rows[1 - longest]
    along = other @ rows[longest] / r if r > 0 else 0.0
    across = np.sqrt(max(other @ other - along**2, 0.0))
    slice_ = parts[longest]
    names = slice_.variables
    values = dict(zip(names, [r, along, across] if longest == 0 else [along, across, r], strict=True))
    ends = slice_.floats
    assert all(ends[s][0] - 1e-9 <= values[s] <= ends[s][1] + 1e-9 for s in names)
    assert all(float(c.subs(values)) >= -1e-9 for c in slice_.constraints)
    start = dict(zip(entries, point, strict=True))
    assert float(slice_.expr.subs(values)) == pytest.approx(float(part.expr.subs(start)), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(
        lambda p: p[0] ** 2 + p[1] ** 2 > 0.01 and p[2] ** 2 + p[3] ** 2 > 0.01
    )
)
def test_charts_cover_the_spheres_up_to_signs(point):  # fmt: skip
    names = (x, y, u, v)
    part = Part(x * u + y, tuple((s, (sp.Integer(-1), sp.Integer(1))) for s in names), ((x, y), (u, v)))
    charts, signs = charts_of(part)
    place = np.array(point)
    place[:2] /= np.linalg.norm(place[:2])
    place[2:] /= np.linalg.norm(place[2:])
    images = [place]
    for flip in signs:
        turn = np.array([-1.0 if s in flip else 1.0 for s in names])
        images += [turn * image for image in images]
    assert len(images) == 2 ** len(signs)

    def covered(image) -> bool:
        for chart in charts:
            at = dict(chart.at)
            values = {}
            for group in ((0, 1), (2, 3)):
                pole = next(i for i in group if not at[names[i]].as_numer_denom()[0].is_Mul)
                sign = 1 if at[names[pole]].subs(dict.fromkeys(chart.variables, 0)) == 1 else -1
                (other,) = [i for i in group if i != pole]
                (symbol,) = at[names[other]].free_symbols
                if 1 + sign * image[pole] < 1e-9:
                    break
                values[symbol] = image[other] / (1 + sign * image[pole])
            else:
                sides = dict(chart.intervals)
                if all(float(sides[s][0]) - 1e-9 <= t <= float(sides[s][1]) + 1e-9 for s, t in values.items()):
                    if all(float(c.subs(values)) >= -1e-9 for c in chart.constraints):
                        return True
        return False

    assert any(covered(image) for image in images)
