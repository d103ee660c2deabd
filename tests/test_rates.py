"""Rates: the linearised flow against what paths show."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from numerics import (
    Overlaps,
    Sphere,
    Stiefel,
    fitted_rate,
    gradient_flow,
    linear_rates,
    projected_gradient_descent,
    rate_of_steps,
)
from theory import Risk, dot
from theory.notation import kappa, nu, rho, theta

x, y = sp.symbols("x y", real=True)
p, q, a = (sp.MatrixSymbol(name, 6, 1) for name in ("p", "q", "a"))
OVERLAPS = Overlaps({dot(p, a): kappa, dot(q, a): theta, dot(p, q): rho, dot(a, a): 1}, trained=(p, q))


def test_rates_of_a_quadratic_are_its_eigenvalues():
    risk = Risk((x**2 + 4 * y**2 + x * y) / 2, (x, y))
    wanted = np.linalg.eigvalsh([[1.0, 0.5], [0.5, 4.0]])
    assert np.allclose(linear_rates(risk, {"x": 0.0, "y": 0.0}), wanted, rtol=1e-9)


def test_rates_on_a_sphere():
    """Rayleigh's quotient at an eigenvector: 2(a_j − a_i) for the others; a maximum has negative rates."""
    X, S = sp.MatrixSymbol("x", 4, 1), sp.MatrixSymbol("S", 4, 4)
    diagonal = np.diag([1.0, 2.0, 4.0, 7.0])
    risk = Risk(dot(X, S * X), (X,))
    for i in range(4):
        found = linear_rates(risk, {"x": np.eye(4)[i]}, {"S": diagonal}, Sphere(4))
        assert np.allclose(found, 2 * (np.delete(np.diag(diagonal), i) - diagonal[i, i]), atol=1e-8)


def test_rates_on_frames_have_the_dimension_of_the_manifold():
    """The leading plane of a symmetric matrix: 2(a_i − a_j), and a zero for turning the frame."""
    W, S = sp.MatrixSymbol("W", 4, 2), sp.MatrixSymbol("S", 4, 4)
    diagonal = np.diag([7.0, 4.0, 2.0, 1.0])
    found = linear_rates(Risk(-sp.Trace(W.T * S * W), (W,)), {"W": np.eye(4)[:, :2]}, {"S": diagonal}, Stiefel(4, 2))
    assert np.allclose(found, [0, 4, 6, 10, 12], atol=1e-7)


def test_rates_of_overlaps_and_of_the_metric_agree():
    """κ = 1 at the minimum of a risk of one overlap: in κ the rate is twice that of the vector."""
    one = Overlaps({dot(p, a): kappa, dot(a, a): 1}, trained=(p,))
    risk = Risk(-kappa - kappa**2 / 3, (kappa,))
    vectors = linear_rates(risk, {"kappa": 1.0}, manifold=one)
    metric = linear_rates(risk, {"kappa": 1.0}, manifold={kappa: 1 - kappa**2})
    assert np.allclose(vectors, 5 / 3, rtol=1e-8) and np.allclose(metric, 2 * vectors[:1], rtol=1e-8)


def test_a_flow_reaches_its_limit_at_the_smallest_rate():
    risk = Risk(sp.cosh(x) + 3 * sp.cosh(y) + x * y / 2, (x, y))
    rates = linear_rates(risk, {"x": 0.0, "y": 0.0})
    path = gradient_flow(risk, {"x": 0.8, "y": 0.5}, 20.0, record=201, tolerance=0, relative_error=1e-11)
    fit = fitted_rate(path, {"x": 0.0, "y": 0.0})
    assert fit.agrees_with(rates[0]) and fit.error < 1e-3 * rates[0]
    assert not fit.agrees_with(1.05 * rates[0]) and not fit.agrees_with(rates[1])


@pytest.mark.parametrize("step", [0.02, 0.1])
def test_steps_reach_their_limit_at_the_rate_of_steps(step):
    """On two spheres: −log|1 − αμ| in the distance of the vectors, twice that in overlaps that end at ±1."""
    risk = Risk(-kappa - theta / 2 + rho / 5, (kappa, theta, rho))
    limit = {"kappa": 1.0, "theta": 1.0, "rho": 1.0}
    rates = linear_rates(risk, limit, manifold=OVERLAPS)
    path = projected_gradient_descent(
        risk, {"kappa": 0.3, "theta": 0.1, "rho": 0.2}, step=step, steps=4000, manifold=OVERLAPS, record=4001
    )
    assert np.allclose([path.final[name] for name in limit], 1)
    fit = fitted_rate(path, limit)
    assert fit.agrees_with(2 * rate_of_steps(rates[0], step))
    assert not fit.agrees_with(2 * rates[0] * step)  # the control: the rate of the flow is another


def test_what_cannot_be_fitted_is_refused():
    risk = Risk(x**2, (x,))
    path = projected_gradient_descent(risk, {"x": 1.0}, step=0.1, steps=60, record=61)
    with pytest.raises(ValueError, match="names among x, got y"):
        fitted_rate(path, {"y": 0.0})
    with pytest.raises(ValueError, match="approaches the limit"):
        fitted_rate(path, {"x": 2.0})
    short = projected_gradient_descent(risk, {"x": 1.0}, step=0.1, steps=60, record=5)
    with pytest.raises(ValueError, match="at least 8 records"):
        fitted_rate(short, {"x": 0.0})
    many = projected_gradient_descent(risk, {"x": [1.0, 2.0]}, step=0.1, steps=60)
    with pytest.raises(ValueError, match="one start"):
        fitted_rate(many, {"x": 0.0})
    with pytest.raises(ValueError, match="expected a stationary point, got a gradient of norm 2"):
        linear_rates(risk, {"x": 1.0})
    assert nu.is_real
