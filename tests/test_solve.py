"""Stationary points of risks: all of them, what each of them is, and on which manifold."""

from __future__ import annotations

import time

import pytest
import sympy as sp
from flint import arb

from numerics.balls import compile_ball
from numerics.solve import stationary_points
from theory.domain import Domain, FeasibleGram
from theory.risk import Risk
from theory.special import OwenT
from theory.stationary import Nature

x, y, z = sp.symbols("x y z", real=True)
kappa, nu = sp.symbols("kappa nu", real=True)
R = sp.Rational
OVERLAPS = Domain({kappa: (-1, 1), nu: (-1, 1)})
SPHERES = {kappa: 1 - kappa**2, nu: 1 - nu**2}
PUBLISHED = {"lam": R(1, 10), "gamma": sp.sqrt(R(1, 2)), "m": sp.sqrt(200)}


def reduced_risk(lam, gamma, m, L=10, sigma=1, epsilon=0) -> Risk:
    """R = ε² + γ² − 2γ²ν erf(u) + γ² F₀ + (L−1)σ² G₀, the single-location risk on its invariant manifold."""
    D = 1 + 2 * lam**2 * gamma**2
    a = 1 / sp.sqrt(1 + 4 * lam**2 * gamma**2)
    u = lam * m * kappa / sp.sqrt(D)
    F0 = 1 - 8 * OwenT(sp.sqrt(2) * u, a)
    ratio = 2 * lam**2 * sigma**2
    G0 = 2 / sp.pi * sp.asin(sp.sympify(ratio) / (1 + ratio))
    expr = epsilon**2 + gamma**2 - 2 * gamma**2 * nu * sp.erf(u) + gamma**2 * F0 + (L - 1) * sigma**2 * G0
    return Risk(expr, (kappa, nu), OVERLAPS)


def saddle_eigenvalues(lam, gamma, m):
    """(b/2)(−a' ± √(a'² + 4))"""
    D = 1 + 2 * lam**2 * gamma**2
    b = 4 * gamma**2 / sp.sqrt(sp.pi) * lam * m / sp.sqrt(D)
    a = 2 / sp.sqrt(sp.pi) * lam * m / sp.sqrt(D * (1 + 4 * lam**2 * gamma**2))
    return [b / 2 * (-a - sp.sqrt(a**2 + 4)), b / 2 * (-a + sp.sqrt(a**2 + 4))]


@pytest.mark.parametrize(
    "constants",
    [
        PUBLISHED,
        PUBLISHED | {"lam": R(9, 10)},
        {"lam": R(7, 3), "gamma": R(13, 7), "m": R(37, 3)},
        {"lam": R(331, 997), "gamma": R(503, 811), "m": R(1013, 409)},
    ],
    ids=["published", "large lambda", "steep", "generic"],
)
def test_the_reduced_risk_on_the_spheres_has_five_stationary_points(constants):
    start = time.perf_counter()
    found = stationary_points(reduced_risk(**constants), manifold=SPHERES)
    assert found.complete, found.termination
    assert {(p[kappa], p[nu]): p.nature() for p in found} == {
        (1, 1): Nature.MINIMUM,
        (-1, -1): Nature.MINIMUM,
        (1, -1): Nature.MAXIMUM,
        (-1, 1): Nature.MAXIMUM,
        (0, 0): Nature.SADDLE,
    }
    (saddle,) = found.of(Nature.SADDLE)
    for ball, formula in zip(saddle.certificate.eigenvalues, saddle_eigenvalues(**constants), strict=True):
        assert ball.imag == 0 and ball.real.overlaps(compile_ball(formula, ())((), 256))
        assert ball.real.rel_accuracy_bits() > 200
    assert time.perf_counter() - start < 5


def test_the_two_minima_have_the_same_certified_risk():
    found = stationary_points(reduced_risk(**PUBLISHED), manifold=SPHERES)
    one, other = (p.value() for p in found.of(Nature.MINIMUM))
    assert one.overlaps(other) and abs(float(one) - 0.1134980831) < 1e-9
    assert all(p.value() > one for p in found if p.nature() is not Nature.MINIMUM)


def test_the_plain_gradient_vanishes_at_the_saddle_only():
    found = stationary_points(reduced_risk(**PUBLISHED))
    assert found.complete and [(p[kappa], p[nu], p.nature()) for p in found] == [(0, 0, Nature.SADDLE)]


def test_a_metric_may_be_a_tuple_and_one_is_the_plain_gradient():
    risk = reduced_risk(**PUBLISHED)
    as_tuple = stationary_points(risk, OVERLAPS, (1 - kappa**2, 1 - nu**2))
    as_mapping = stationary_points(risk, OVERLAPS, SPHERES)
    assert [(p.at, p.nature()) for p in as_tuple] == [(p.at, p.nature()) for p in as_mapping]
    assert len(stationary_points(risk, OVERLAPS, {})) == 1


@pytest.mark.parametrize(
    ("expr", "box", "expected"),
    [
        ((x**2 - 1) ** 2 + y**2, {x: (-2, 2), y: (-1, 1)}, {"minimum": 2, "saddle": 1}),
        (x**4 - 3 * x**2 * y**2 + y**4 - x**2 - y**2, {x: (-2, 2), y: (-2, 2)}, {"saddle": 4, "maximum": 1}),
        (-(x**2) - 3 * y**2 + sp.cos(z), {x: (-1, 1), y: (-1, 1), z: (-1, 4)}, {"maximum": 1, "saddle": 1}),
        (x**3 + y**2, {x: (-1, 1), y: (-1, 1)}, {"degenerate": 1}),
        (x**3 + y**2 - z**2, {x: (-1, 1), y: (-1, 1), z: (-1, 1)}, {"saddle": 1}),
        (x**2 + y**2 + 3, {x: (1, 2), y: (-1, 1)}, {}),
        ((x - sp.erf(2 * x)) ** 2 + (y - x) ** 2, {x: (-2, 2), y: (-2, 2)}, {"minimum": 3, "saddle": 2}),
    ],
)
def test_risks_with_known_stationary_points(expr, box, expected):
    found = stationary_points(Risk(expr, tuple(box)), box)
    assert found.complete, found.termination
    assert {n.value: len(found.of(n)) for n in Nature if found.of(n)} == expected


def test_coordinates_that_are_not_rational_come_as_balls():
    found = stationary_points(Risk(x**5 / 5 - x**2 - x * y + y**2 / 2, (x, y)), {x: (R(1, 2), 3), y: (-5, 5)})
    (point,) = found
    assert isinstance(point[x], arb) and (point[x] * point[x] * point[x]).contains(3)
    assert point[x].rel_accuracy_bits() > 200
    assert not point.is_exact and point.nature() is Nature.MINIMUM
    low, high = point.certificate.box[0][1:]
    assert low < sp.cbrt(3) < high


def test_roots_of_quadratics_come_exactly():
    found = stationary_points(Risk(x**4 / 4 - x**2 - x * y + y**2 / 2, (x, y)), {x: (R(1, 2), 3), y: (-5, 5)})
    (point,) = found
    assert point.is_exact and point[x] == point[y] == sp.sqrt(3) and point.nature() is Nature.MINIMUM


def test_a_circle_of_minima_is_one_orbit():
    found = stationary_points(Risk((x**2 + y**2 - 1) ** 2, (x, y)), {x: (-2, 2), y: (-2, 2)})
    assert found.complete, found.termination
    assert [(p[x], p[y], p.nature()) for p in found] == [(0, 0, Nature.MAXIMUM)]
    (circle,) = found.orbits
    assert (circle[x], circle[y]) == (1, 0) and circle.dimension == 1
    assert circle.symmetry == "rotations of (x, y)" and circle.nature() is Nature.MINIMUM
    assert circle.certificate.signature == (1, 0, 0)


def test_points_that_violate_a_condition_of_the_domain_are_left_out():
    risk = Risk((x**2 - R(1, 4)) ** 2 + (x - y) ** 2, (x, y))
    box = {x: (-2, 2), y: (-2, 2)}
    assert len(stationary_points(risk, box)) == 3
    positive = stationary_points(risk, Domain(box, (x + y >= 0,)))
    assert positive.complete and [p[x] for p in positive] == [0, R(1, 2)]
    gram = FeasibleGram(sp.Matrix([[R(1, 2), x], [x, R(1, 3)]]))
    assert [p[x] for p in stationary_points(risk, Domain(box, (gram,)))] == [0]
    irrational = Risk((x**2 - 3) ** 2 + (x - y) ** 2, (x, y))
    feasible = FeasibleGram(sp.Matrix([[2, x], [x, 2]]))
    inside = stationary_points(irrational, Domain(box, (feasible, x + y > 0)))
    assert inside.complete and [float(p[x]) for p in inside] == [pytest.approx(3**0.5)]


def test_assumptions_of_a_parameter_are_part_of_the_domain():
    q = sp.Symbol("q", positive=True)
    found = stationary_points(Risk(q**2 * (q - 1) ** 2, (q,)), {q: (0, 2)})
    assert [p[q] for p in found] == [R(1, 2), 1]


def test_past_the_budget_the_set_is_not_complete():
    risk = Risk(sp.sin(3 * x + y) * sp.cos(x * y) + x * y**2 / 3, (x, y))
    found = stationary_points(risk, {x: (-9, 9), y: (-9, 9)}, seconds=0.05)
    assert not found.complete and found.unresolved
    assert "more seconds" in str(found)


lam = sp.Symbol("lam", positive=True)


@pytest.mark.parametrize(
    ("risk", "domain", "manifold", "message"),
    [
        (Risk(lam * x**2 + y**2, (x, y)), {x: (-1, 1), y: (-1, 1)}, None, "got lam without a value"),
        (Risk(x**2 + y**2, (x, y)), {x: (-1, 1)}, None, "every parameter, got none for y"),
        (Risk(x**2, (x,)), None, None, "expected a domain"),
        (Risk(sp.erf(x**2), (x,)), {x: (0, sp.oo)}, None, "finite ends for x"),
        (Risk(sp.Abs(x) * x, (x,)), {x: (-1, 1)}, None, "smooth"),
        (Risk(x**2, (x,)), {x: (-1, 1)}, {y: 1}, "the metric speaks of y"),
        (Risk(x**2, (x,)), {x: (-1, 1)}, (1, 1), "1 entries of the inverse metric"),
        (Risk(x**2, (x,)), {x: (-1, 1)}, (lam,), "lam without a value"),
    ],
)
def test_wrong_use_is_named(risk, domain, manifold, message):
    with pytest.raises(ValueError, match=message):
        stationary_points(risk, domain, manifold)


def test_the_saddle_of_a_perturbed_gradient_moves():
    # A control: tilting the risk by a thousandth moves the saddle off the origin.
    risk = reduced_risk(**PUBLISHED)
    tilted = Risk(risk.expr + kappa / 1000, risk.parameters, OVERLAPS)
    (point,) = stationary_points(tilted)
    assert point.nature() is Nature.SADDLE and point[nu] != 0
