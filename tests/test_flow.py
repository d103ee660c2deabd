"""Gradient flow against closed forms, conserved quantities and small steps; trajectories and their pictures."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import sympy as sp
from matplotlib import pyplot

from numerics import Ending, Overlaps, Sphere, gradient_flow, projected_gradient_descent
from numerics.flow import SOLVERS
from theory import Conserved, Risk, conserved_quadratics, dot, gradient_field
from theory.notation import kappa, lam, nu

x, y = sp.symbols("x y", real=True)


@pytest.mark.parametrize("method", sorted(SOLVERS))
def test_every_solver_follows_a_linear_flow(method):
    """ẋ = −Ax: exp(−tA) x₀, for two starts at once."""
    risk = Risk((x**2 + 4 * y**2 + x * y) / 2, (x, y))
    path = gradient_flow(
        risk, {"x": [1.0, -2.0], "y": [1.0, 3.0]}, 2.0, method=method, record=9, tolerance=0,
        relative_error=1e-8, absolute_error=1e-10,
    )  # fmt: skip
    values, vectors = np.linalg.eigh(np.array([[1.0, 0.5], [0.5, 4.0]]))
    for i, t in enumerate(path.times):
        exact = vectors @ np.diag(np.exp(-t * values)) @ vectors.T @ np.array([[1.0, -2.0], [1.0, 3.0]])
        found = np.stack([path.parameters["x"][i], path.parameters["y"][i]])
        assert np.abs(found - exact).max() < 1e-5


def test_the_flow_on_a_sphere_in_closed_form():
    """R = −⟨x, a⟩: κ = ⟨x, a⟩ obeys κ̇ = 1 − κ², κ = tanh(t + artanh κ₀); vectors and overlaps alike."""
    p, a = sp.MatrixSymbol("p", 5, 1), sp.MatrixSymbol("a", 5, 1)
    overlaps = Overlaps({dot(p, a): kappa, dot(a, a): 1}, trained=(p,))
    risk, start = Risk(-kappa, (kappa,)), 0.2
    exact = np.tanh(np.linspace(0, 3, 31) + math.atanh(start))
    reduced = gradient_flow(risk, {"kappa": start}, 3.0, manifold=overlaps, record=31)
    assert np.abs(reduced.overlaps["kappa"] - exact).max() < 1e-7
    vector = np.array([start, math.sqrt(1 - start**2), 0, 0, 0])
    fixed = {"a": np.eye(5)[0]}
    full = gradient_flow(risk, {"p": vector}, 3.0, manifold=overlaps, values=fixed, record=31)
    assert np.abs(full.overlaps["kappa"] - exact).max() < 1e-7
    assert np.abs(np.linalg.norm(full.parameters["p"], axis=1) - 1).max() < 1e-15
    plain = gradient_flow(Risk(-dot(p, a), (p,)), {"p": vector}, 3.0, manifold=Sphere(5), values=fixed, record=31)
    assert np.abs(plain.parameters["p"] - full.parameters["p"]).max() < 1e-7
    metric = gradient_flow(risk, {"kappa": start}, 3.0, manifold={kappa: 1 - kappa**2}, record=31)
    assert np.abs(metric.parameters["kappa"] - exact).max() < 1e-7


def test_the_risk_falls_along_the_flow():
    risk = Risk(sp.erf(x) * sp.cos(y) + x**2 / 3 + y**4 / 9, (x, y))
    path = gradient_flow(risk, {"x": [1.0, -0.7, 0.3], "y": [2.0, -1.0, 0.1]}, 5.0, record=61)
    assert (np.diff(path.risk, axis=0) < 1e-12).all()


def test_convergence_is_an_event_in_time():
    """ẋ = −2x reaches the gradient 2x = 1e-3 at t = log(2000)/2."""
    path = gradient_flow(Risk(x**2, (x,)), {"x": 1.0}, 100.0, tolerance=1e-3)
    assert path.endings == (Ending.CONVERGED,)
    assert abs(float(path.stopped) - math.log(2000) / 2) < 1e-4
    assert path.times[-1] == path.stopped and abs(float(path.gradient_norm) - 1e-3) < 1e-8
    assert "Converged at time 3.8" in path.termination


def test_a_start_that_has_converged_waits_for_the_others():
    path = gradient_flow(Risk(x**4 / 4, (x,)), {"x": [0.0, 1.0]}, 2.0, record=5, tolerance=1e-6)
    assert path.endings == (Ending.CONVERGED, Ending.TIME_UP)
    assert (path.parameters["x"][:, 0] == 0).all() and np.allclose(path.parameters["x"][-1, 1], 1 / math.sqrt(5))


@pytest.mark.parametrize("method", ["LSODA", "DOP853", "BDF"])
def test_a_flow_that_leaves_the_reals_keeps_what_there_was(method):
    """R = √x: x = (1 − 3t/4)^(2/3) ends at t = 4/3."""
    path = gradient_flow(Risk(sp.sqrt(x), (x,)), {"x": 1.0}, 5.0, record=501, method=method)
    assert path.endings == (Ending.NOT_FINITE,)
    assert "could not be followed past time 1.3" in path.termination
    assert np.isfinite(path.parameters["x"]).all()
    assert np.allclose(path.parameters["x"][:100], (1 - 0.75 * path.times[:100]) ** (2 / 3), atol=1e-6)


def test_schedules_are_functions_of_the_time():
    """ẋ = −λ_t x with λ = 1/(1 + t): x = 1/(1 + t)."""
    path = gradient_flow(Risk(lam * x**2 / 2, (x,)), {"x": 1.0}, 9.0, values={"lam": lambda t: 1 / (1 + t)})
    assert np.abs(path.parameters["x"] - 1 / (1 + path.times)).max() < 1e-7
    stopped = gradient_flow(Risk(lam * x**2 / 2, (x,)), {"x": 1.0}, 9.0, values={"lam": lambda t: 1 - t})
    assert stopped.endings == (Ending.BAD_SCHEDULE,) and "lam, which is positive" in stopped.termination


def test_the_flow_conserves_what_the_parametrization_says():
    """R(uv): u² − v², on the path of the flow; steps of descent change it in second order."""
    risk = Risk((x * y - 1) ** 2 + x * y / 3, (x, y))
    (quantity,) = conserved_quadratics(x * y, (x, y))
    assert Conserved(gradient_field(risk.expr, (x, y)), quantity).identities()[0].lhs.expand() == 0
    path = gradient_flow(risk, {"x": 2.0, "y": 0.3}, 3.0, tolerance=0)
    at = sp.lambdify((x, y), quantity, "numpy", dummify=True)
    found = at(path.parameters["x"], path.parameters["y"])
    assert np.abs(found - found[0]).max() < 1e-7
    stepped = [
        projected_gradient_descent(risk, {"x": 2.0, "y": 0.3}, step=a, steps=round(1 / a), tolerance=0).final
        for a in (2e-2, 1e-2)
    ]
    drift = [abs(at(end["x"], end["y"]) - found[0]) for end in stepped]
    assert 1.7 < drift[0] / drift[1] < 2.3  # first order in the step over a fixed time


def test_small_steps_tend_to_the_flow():
    risk = Risk(kappa**2 * nu + sp.cosh(nu - kappa), (kappa, nu))
    exact = gradient_flow(risk, {"kappa": 0.5, "nu": 0.1}, 1.0, tolerance=0).final
    gaps = []
    for steps in (50, 100):
        end = projected_gradient_descent(risk, {"kappa": 0.5, "nu": 0.1}, step=1 / steps, steps=steps).final
        gaps.append(abs(float(end["kappa"] - exact["kappa"])))
    assert 1.7 < gaps[0] / gaps[1] < 2.3


@pytest.mark.parametrize(
    ("time", "options", "message"),
    [
        (0.0, {}, "expected a finite time > 0"),
        (math.inf, {}, "expected a finite time > 0"),
        (1.0, {"method": "Euler"}, "expected method one of LSODA"),
        (1.0, {"record": 1}, "record >= 2"),
        (1.0, {"manifold": {y: 1}}, "the metric speaks of y"),
        (1.0, {"manifold": Sphere(3)}, "expected as many parameters as coordinates"),
    ],
)
def test_bad_input_is_named(time, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        gradient_flow(Risk(x**2, (x,)), {"x": 1.0}, time, **options)


# --- trajectories ----------------------------------------------------------------------------------


def test_a_trajectory_says_what_it_is():
    path = gradient_flow(Risk(x**2, (x,)), {"x": [1.0, 2.0]}, 1.0, record=3)
    assert str(path).startswith("2 starts, 3 records from time 0 to 1. 2 starts: 2 time up; largest gradient norm 0.54")
    assert set(path.final) == {"x"} and len(path) == 3
    with pytest.raises(AttributeError):
        path.times = None  # frozen


def test_a_trajectory_is_drawn():
    p, a = sp.MatrixSymbol("p", 5, 1), sp.MatrixSymbol("a", 5, 1)
    overlaps = Overlaps({dot(p, a): kappa, dot(a, a): 1}, trained=(p,))
    for start in (0.2, [0.1, 0.2]):
        path = projected_gradient_descent(
            Risk(-kappa, (kappa,)), {"kappa": start}, step=0.1, steps=30, manifold=overlaps
        )
        figure = path.plot()
        upper, lower = figure.axes
        assert len(upper.lines) == len(lower.lines) == np.size(start)
        assert upper.get_legend_handles_labels()[1] == ["kappa"]
        pyplot.close(figure)
    with pytest.raises(ValueError, match="expected names among kappa, got mu"):
        path.plot(["mu"])
    pyplot.close("all")


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    path = gradient_flow(Risk(x**2, (x,)), {"x": 1.0}, 1.0, record=3)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"attention-theory\[plot\]"):
        path.plot()
