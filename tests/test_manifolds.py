"""Manifolds: projections, tangents and bending agree with the equations and with each other."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from numerics.manifolds import (
    ProductOfSpheres,
    Sphere,
    Stiefel,
    distance_off,
    random_points,
    retract,
    riemannian_gradient,
    riemannian_hessian,
)

MANIFOLDS = [Sphere(2), Sphere(5), ProductOfSpheres(3, 2), ProductOfSpheres(2, 2, 4), Stiefel(4, 2), Stiefel(3, 3)]
each = pytest.mark.parametrize("manifold", MANIFOLDS, ids=str)


def flat(manifold, array):
    return np.asarray(array).reshape(*array.shape[: array.ndim - len(manifold.shape)], -1)


def jacobian(manifold, point):
    coordinates = sp.symbols(f"x:{point.size}", real=True)
    equations = sp.Matrix(manifold.equations(coordinates))
    at = dict(zip(coordinates, point.ravel().tolist(), strict=True))
    values = np.array(equations.subs(at), dtype=float).ravel()
    return values, np.array(equations.jacobian(coordinates).subs(at), dtype=float)


@each
def test_projected_points_solve_the_equations_and_tangents_are_their_kernel(manifold):
    rng = np.random.default_rng(1)
    point = random_points(manifold, 1, rng)[0]
    values, slopes = jacobian(manifold, point)
    assert np.allclose(values, 0, atol=1e-14)
    assert np.linalg.matrix_rank(slopes) == len(values) == point.size - manifold.dimension
    vector = rng.standard_normal(manifold.shape)
    tangent = manifold.tangent(point, vector)
    assert np.allclose(slopes @ tangent.ravel(), 0, atol=1e-13)
    assert np.allclose(manifold.tangent(point, tangent), tangent, atol=1e-14)
    normal = (vector - tangent).ravel()
    assert np.allclose(normal, slopes.T @ np.linalg.lstsq(slopes.T, normal, rcond=None)[0], atol=1e-13)


@each
def test_projection_is_the_nearest_point_and_a_batch_is_one_point_at_a_time(manifold):
    rng = np.random.default_rng(2)
    away = rng.standard_normal((7, *manifold.shape))
    near = manifold.project(away)
    assert np.allclose(manifold.project(near), near)
    assert np.all(distance_off(manifold, near) < 1e-14)
    others = random_points(manifold, 200, rng)
    for i in range(7):
        assert np.allclose(manifold.project(away[i]), near[i])
        gaps = np.linalg.norm(flat(manifold, others - away[i]), axis=-1)
        assert distance_off(manifold, away[i]) <= gaps.min() + 1e-12


@each
def test_gradient_and_hessian_are_those_of_the_function_along_retractions(manifold):
    rng = np.random.default_rng(3)
    size = int(np.prod(manifold.shape))
    A = rng.standard_normal((size, size))
    A, b = A + A.T, rng.standard_normal(size)

    def f(x):
        return x.ravel() @ A @ x.ravel() / 2 + b @ x.ravel()

    point = random_points(manifold, 1, rng)[0]
    gradient = (A @ point.ravel() + b).reshape(manifold.shape)
    u = manifold.tangent(point, rng.standard_normal(manifold.shape))
    step = 1e-4
    ahead, behind = (f(retract(manifold, point, sign * step * u)) for sign in (1, -1))
    slope = float(np.sum(riemannian_gradient(manifold, point, gradient) * u))
    assert (ahead - behind) / (2 * step) == pytest.approx(slope, abs=1e-5 * (1 + abs(slope)))
    bent = riemannian_hessian(manifold, point, gradient, (A @ u.ravel()).reshape(manifold.shape), u)
    curvature = float(np.sum(u * bent))
    # A retraction by projection is of second order: its second difference is the Riemannian Hessian.
    assert (ahead - 2 * f(point) + behind) / step**2 == pytest.approx(curvature, abs=1e-4 * (1 + abs(curvature)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sphere(0), "positive integer size, got size=0"),
        (lambda: Sphere(2.0), "positive integer size"),
        (lambda: ProductOfSpheres(), "got none"),
        (lambda: Stiefel(2, 3), "at most as many columns as rows, got 2 x 3"),
        (lambda: distance_off(Sphere(3), [1.0, 0.0]), r"shape \(..., 3\), got \(2,\)"),
    ],
)
def test_wrong_use_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_origin_has_no_nearest_point():
    assert np.isnan(Sphere(2).project([0.0, 0.0])).all()
