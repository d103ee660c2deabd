"""Landscapes known in closed form: every stationary point with its index, on boxes, spheres and frames."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
import sympy as sp

from numerics.critical import Landscape, candidates, certify_point
from numerics.manifolds import ProductOfSpheres, Sphere, Stiefel
from numerics.solve import stationary_points
from theory.domain import Domain, FeasibleGram
from theory.risk import Risk
from theory.stationary import Nature

R = sp.Rational
x, y, z = sp.symbols("x y z", real=True)
X = sp.symbols("x1:9", real=True)


def indices(found) -> Counter:
    """How many points of each index; a point without a proven index counts under None."""
    return Counter(point.certificate.index for point in found)


def form(variables, diagonal) -> sp.Expr:
    return sp.Add(*(c * v**2 for c, v in zip(diagonal, variables, strict=True)))


# --- isolated points on spheres: indices known from eigenvalues ------------------------------------


@pytest.mark.parametrize(("dimension"), [2, 3, 4])
def test_a_quadratic_form_on_a_sphere_has_its_eigenvectors(dimension):
    variables = X[:dimension]
    found = stationary_points(Risk(form(variables, range(1, dimension + 1)), variables), manifold=Sphere(dimension))
    assert found.complete, found.termination
    # ±e_i has as many negative directions as eigenvalues are smaller
    assert indices(found) == dict.fromkeys(range(dimension), 2)
    for point in found:
        (place,) = [i for i, v in enumerate(variables) if point[v] != 0]
        differences = sorted(2 * (j - place) for j in range(dimension) if j != place)
        assert [round(float(v.real), 9) for v in point.certificate.eigenvalues] == differences
        assert sum((-1) ** point.certificate.index for point in found) == 1 + (-1) ** (dimension - 1)


def test_a_form_that_is_not_diagonal_has_the_same_indices():
    variables = X[:3]
    vector = sp.Matrix(variables)
    A = sp.Matrix([[2, 1, 0], [1, 0, -1], [0, -1, 1]])
    found = stationary_points(Risk((vector.T * A * vector)[0], variables), manifold=Sphere(3))
    assert found.complete and indices(found) == {0: 2, 1: 2, 2: 2}
    values = sorted({round(float(p.value()), 9) for p in found})
    assert values == pytest.approx(sorted(np.linalg.eigvalsh(np.array(A, dtype=float))))


def test_a_linear_form_on_a_sphere_has_two_points():
    found = stationary_points(Risk(x + 2 * y - 2 * z, (x, y, z)), manifold=Sphere(3))
    assert found.complete and [p.nature() for p in found] == [Nature.MINIMUM, Nature.MAXIMUM]
    assert {round(float(p.value()), 12) for p in found} == {-3, 3}


def test_a_cubic_on_a_sphere():
    # xyz: 8 points (±1, ±1, ±1)/√3, 6 on the axes, where the gradient yz, xz, xy vanishes with the multiplier
    found = stationary_points(Risk(x * y * z, (x, y, z)), manifold=Sphere(3))
    assert found.complete and indices(found) == {0: 4, 1: 6, 2: 4}


def test_an_erf_risk_on_a_circle():
    # erf(2x) + y²: ∇ = λ(x, y); y = 0 gives (±1, 0), else λ = 2y and e^{−4x²} 4/√π = 2x
    found = stationary_points(Risk(sp.erf(2 * x) + y**2, (x, y)), manifold=Sphere(2))
    assert found.complete, found.termination
    assert len(found) == 4 and indices(found) == {0: 2, 1: 2}
    assert sum(p.nature() is Nature.MAXIMUM for p in found) == 2


def test_a_product_of_spheres_bilinear_form():
    # k′Av: stationary at pairs of singular vectors (±): index by Σ over the others
    k, v = sp.symbols("k1:3", real=True), sp.symbols("v1:3", real=True)
    found = stationary_points(Risk(2 * k[0] * v[0] + k[1] * v[1], (*k, *v)), manifold=ProductOfSpheres(2, 2))
    assert found.complete and len(found) == 8
    assert indices(found) == {0: 2, 1: 4, 2: 2}


def test_the_single_location_risk_on_circles_has_no_point_but_the_sixteen():
    from proofs_check.studies.single_location import CONSTANTS_OF_THE_LIST, risk_on_spheres

    expr, spheres = risk_on_spheres(2, CONSTANTS_OF_THE_LIST)
    variables = tuple(s for sphere in spheres for s in sphere)
    found = stationary_points(Risk(expr, variables), manifold=ProductOfSpheres(2, 2))
    assert found.complete and len(found) == 16
    assert sum((-1) ** p.certificate.index for p in found) == 0  # the Euler characteristic of a torus


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (3, 2)])
def test_brockett_s_function_on_frames(rows, columns):
    # tr(XᵀAXN) with distinct entries: X has eigenvectors as columns, proven one by one
    entries = sp.symbols(f"s:{rows * columns}", real=True)
    frame = sp.Matrix(rows, columns, entries)
    A, N = sp.diag(*range(1, rows + 1)), sp.diag(*range(columns, 0, -1))
    risk = Risk(sp.expand((frame.T * A * frame * N).trace()), entries)
    found = stationary_points(risk, manifold=Stiefel(rows, columns))
    assert not found.complete  # nothing is proven about others, but these are all
    expected = 2**columns * len(list(combinations(range(rows), columns))) * sp.factorial(columns)
    assert len(found) == expected and None not in indices(found)
    assert indices(found)[0] == 2**columns and indices(found)[Stiefel(rows, columns).dimension] == 2**columns


# --- the rank-one autoencoder: 2d + 1 points for d up to 8 ------------------------------------------


def autoencoder(dimension, spectrum=None):
    w = X[:dimension]
    spectrum = spectrum or range(dimension, 0, -1)
    square = sp.Add(*(v**2 for v in w))
    return Risk(sum(s**2 for s in spectrum) - 2 * form(w, spectrum) + square**2, w)


@pytest.mark.parametrize("dimension", [2, 3])
def test_the_rank_one_autoencoder_is_complete_by_branch_and_prune(dimension):
    risk = autoencoder(dimension)
    found = stationary_points(risk, dict.fromkeys(risk.parameters, (-2, 2)))
    assert found.complete and len(found) == 2 * dimension + 1
    assert indices(found) == {**dict.fromkeys(range(dimension), 2), dimension: 1}


@pytest.mark.parametrize("dimension", range(2, 9))
def test_the_rank_one_autoencoder_in_closed_form_and_with_balls(dimension):
    w, S = sp.MatrixSymbol("w", dimension, 1), sp.ImmutableMatrix(sp.diag(*range(dimension, 0, -1)))
    N = w * w.T
    closed = stationary_points(Risk(sp.Trace(S * S) - 2 * sp.Trace(S * N) + sp.Trace(N * N), (w,)))
    assert closed.complete and len(closed) == 2 * dimension + 1
    assert indices(closed) == {**dict.fromkeys(range(dimension), 2), dimension: 1}
    risk = autoencoder(dimension)
    landscape = Landscape(risk.expr, risk.parameters)
    for point in closed:
        place = [float(v) for v in point[w]]
        ball = certify_point(landscape, place)
        assert ball is not None and max(abs(float(b) - p) for b, p in zip(ball.at, place, strict=True)) < 1e-12
        assert ball.signature == point.certificate.signature
        assert ball.value.overlaps(landscape.value_ball(ball.at, 64)[0])
        found = sorted(float(v.real) for v in ball.eigenvalues)
        assert found == pytest.approx(sorted(float(v) for v in point.certificate.eigenvalues), abs=1e-9)


@pytest.mark.parametrize("dimension", [2, 4, 8])
def test_an_erf_student_has_its_teacher_as_proven_minimum(dimension):
    w, teacher = X[:dimension], [R(i + 1, dimension + 1) for i in range(dimension)]
    q, t = sp.Add(*(v**2 for v in w)), sum(v**2 for v in teacher)
    overlap = sp.Add(*(a * b for a, b in zip(w, teacher, strict=True)))
    arcs = [sp.asin(2 * q / (1 + 2 * q)), -2 * sp.asin(2 * overlap / sp.sqrt((1 + 2 * q) * (1 + 2 * t)))]
    landscape = Landscape(2 / sp.pi * sp.Add(*arcs, sp.asin(2 * t / (1 + 2 * t))), w)
    starts = np.random.default_rng(0).uniform(-2, 2, (24, dimension))
    proven = [point for guess in candidates(landscape, starts) if (point := certify_point(landscape, guess))]
    minima = [point for point in proven if point.signature == (dimension, 0, 0)]
    assert len(minima) == 1 and minima[0].value.contains(0)
    assert [round(float(v), 12) for v in minima[0].at] == [round(float(v), 12) for v in teacher]


# --- orbits -----------------------------------------------------------------------------------------


def test_repeated_eigenvalues_are_an_orbit():
    found = stationary_points(Risk(form(X[:3], (3, 3, 1)), X[:3]), manifold=Sphere(3))
    assert found.complete and len(found) == 2
    (circle,) = found.orbits
    assert circle.dimension == 1 and circle.nature() is Nature.MAXIMUM
    assert circle.symmetry == "rotations of (x1, x2)" and circle.certificate.signature == (0, 1, 0)


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        (2, 2, {(1, (3, 0, 0)): 2, (1, (2, 1, 0)): 1, (1, (1, 2, 0)): 1}),
        (2, 3, {(3, (3, 0, 0)): 1, (2, (2, 2, 0)): 1, (2, (1, 3, 0)): 1}),
    ],
)
def test_a_factorised_risk_is_searched_up_to_rotations_of_its_heads(rows, columns, expected):
    entries = sp.symbols(f"a:{rows * columns}", real=True)
    W = sp.Matrix(rows, columns, entries)
    gap = W * W.T - sp.diag(3, 1)
    found = stationary_points(Risk(sp.expand((gap * gap).trace()), entries), dict.fromkeys(entries, (-2, 2)))
    assert found.complete, found.termination
    assert [p.nature() for p in found] == [Nature.MAXIMUM]  # the origin
    seen = Counter((orbit.dimension, orbit.certificate.signature) for orbit in found.orbits)
    assert seen == expected
    lowest = [orbit for orbit in found.orbits if orbit.nature() is Nature.MINIMUM]
    assert lowest and all(orbit.value().contains(0) for orbit in lowest)
    if columns == 3:
        assert lowest[0].symmetry == "O(3) on (a0, a1, a2), (a3, a4, a5)"


def test_closed_form_and_search_find_the_same_orbits():
    W = sp.MatrixSymbol("W", 2, 2)
    S = sp.ImmutableMatrix([[2, 1], [1, 2]])
    N = W * W.T
    closed = stationary_points(Risk(-2 * sp.Trace(S * N) + sp.Trace(N * N), (W,)))
    entries = sp.symbols("a:4", real=True)
    plain = sp.Matrix(2, 2, entries)
    expr = sp.expand((-2 * S * plain * plain.T + (plain * plain.T) ** 2).trace())
    found = stationary_points(Risk(expr, entries), dict.fromkeys(entries, (-3, 3)))
    assert closed.complete and found.complete
    # O(2) has two components: an orbit of full rank is one set in closed form and two for the connected group
    values = {(round(float(o.value()), 9), o.certificate.signature) for o in found.orbits}
    assert values == {(round(float(o.value()), 9), o.certificate.signature) for o in closed.orbits}


def test_a_scaling_symmetry_is_described_though_the_list_is_not_complete():
    expr = (x * y - 1) ** 2 + z**2
    found = stationary_points(Risk(expr, (x, y, z)), dict.fromkeys((x, y, z), (-2, 2)), seconds=4)
    assert not found.complete and "scalings of y against x" in found.termination
    assert any(o.dimension == 1 and o.nature() is Nature.MINIMUM for o in found.orbits)
    assert any(p.nature() is Nature.SADDLE and float(p[x]) == 0 for p in found)
    assert len(found.unresolved) < 50


def test_a_coordinate_that_does_not_matter_is_an_orbit():
    found = stationary_points(Risk((x**2 - 1) ** 2, (x, y)), {x: (-2, 2), y: (-1, 1)})
    assert found.complete and not found.points
    assert sorted((float(o[x]), o.nature().value, o.symmetry) for o in found.orbits) == [
        (-1, "minimum", "shifts of y"),
        (0, "maximum", "shifts of y"),
        (1, "minimum", "shifts of y"),
    ]


@pytest.mark.parametrize(
    ("box", "orbits"), [(((2, 3), (2, 3)), 0), (((R(1, 2), 3), (R(1, 2), 3)), 1), (((0, 3), (-1, 3)), 1)]
)
def test_an_orbit_counts_where_it_meets_the_box(box, orbits):
    found = stationary_points(Risk((x**2 + y**2 - 1) ** 2, (x, y)), dict(zip((x, y), box, strict=True)))
    assert found.complete and len(found.orbits) == orbits


# --- flat regions and bad input ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expr", "count"),
    [
        (sp.exp(-(x**2)) + y**2, 1),
        (sp.exp(-(x**2) - y**2), 1),
        (sp.erf(10 * x) * sp.erf(10 * y), 1),
        (sp.erf(x) ** 2 + sp.erf(y) ** 2 * sp.exp(-(x**2)), 1),
        (sp.exp(-((x - 20) ** 2)) + sp.exp(-((x + 20) ** 2)) + y**2, 3),
    ],
)
def test_a_flat_tail_is_no_stationary_point(expr, count):
    # |∇R| is below 1e−300 on most of these boxes; a small gradient is no root
    found = stationary_points(Risk(expr, (x, y)), {x: (-30, 30), y: (-30, 30)}, seconds=10)
    assert len(found) <= count
    if found.complete:
        assert len(found) == count
    assert all(abs(float(p[x])) < 21 and abs(float(p[y])) < 1 for p in found)


def test_a_gram_matrix_takes_away_what_no_vectors_have():
    gram = FeasibleGram(sp.Matrix([[1, x, y], [x, 1, z], [y, z, 1]]))
    risk = Risk((x - R(9, 10)) ** 2 + (y - R(9, 10)) ** 2 + (z**2 - R(1, 4)) ** 2, (x, y, z))
    box = dict.fromkeys((x, y, z), (-1, 1))
    everywhere = stationary_points(risk, box)
    feasible = stationary_points(risk, Domain(box, (gram,)))
    assert everywhere.complete and len(everywhere) == 3
    assert feasible.complete and [p[z] for p in feasible] == []  # z >= 2·0.81 − 1 = 0.62


def test_a_perturbed_gradient_loses_its_proof():
    risk = autoencoder(3)
    good = Landscape(risk.expr, risk.parameters)
    tilted = Landscape(risk.expr + R(1, 100) * sum(risk.parameters), risk.parameters)
    place = [3**0.5, 0.0, 0.0]
    true, moved = certify_point(good, place), certify_point(tilted, place)
    assert true is not None and moved is not None
    assert (true.at[0] ** 2).contains(3) and not (moved.at[0] ** 2).contains(3)
    assert true.at[1].contains(0) and not moved.at[1].contains(0)


def test_nothing_is_proven_where_there_is_no_point():
    assert certify_point(Landscape(sp.exp(x) + y**2, (x, y)), [-30.0, 0.0]) is None
    assert certify_point(Landscape((x**2 + y**2 - 1) ** 2, (x, y)), [1.0, 0.0]) is None  # a circle, group not told


lam = sp.Symbol("lam", positive=True)


@pytest.mark.parametrize(
    ("risk", "domain", "manifold", "message"),
    [
        (Risk(lam * x + y, (x, y)), None, Sphere(2), "lam without a value"),
        (Risk(x + y, (x, y)), None, Sphere(3), "expected 3 parameters, the coordinates of a point"),
        (Risk(x + y, (x, y)), None, Stiefel(2, 2), "expected 4 parameters"),
        (Risk(sp.Abs(x) + y, (x, y)), None, Sphere(2), "smooth"),
        (Risk(x + 0.5 * y, (x, y)), None, Sphere(2), "exact numbers"),
        (Risk(sp.Trace(sp.MatrixSymbol("W", 2, 2)) * x, (sp.MatrixSymbol("W", 2, 2), x)), None, None, "one matrix"),
    ],
)
def test_wrong_use_is_named(risk, domain, manifold, message):
    with pytest.raises(ValueError, match=message):
        stationary_points(risk, domain, manifold)


def test_conditions_that_are_no_inequalities_are_never_ignored():
    q = sp.Symbol("q", positive=True)
    ring = (x**2 + y**2 - 1) ** 2
    found = stationary_points(Risk(ring, (x, y)), Domain({x: (-2, 2), y: (-2, 2)}, (sp.Ne(x, 0),)), seconds=2)
    assert not found.complete and all(point[x] != 0 for point in found)
    with pytest.raises(ValueError, match="got assumptions about q"):
        stationary_points(Risk(q**2 + x, (q, x)), manifold=Sphere(2))
    positive = stationary_points(Risk(q**2 * (q - 1) ** 2, (q, x)), {q: (0, 2), x: (-1, 1)}, seconds=2)
    assert not any(point[q] == 0 for point in (*positive.points, *positive.orbits))


def test_a_domain_without_admissible_points_holds_none():
    found = stationary_points(Risk(x**2 + y**2 + x, (x, y)), Domain({x: (-1, 1), y: (-1, 1)}, (x + y > 5,)))
    assert found.complete and len(found) == 0
