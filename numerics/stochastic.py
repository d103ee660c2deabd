"""Stochastic gradient descent on fresh samples.

    x ← P(x − α ĝ(x)),    ĝ = grad of (1/B) Σ_b (Y_b − T(X_b))²,    (X_b, Y_b) drawn anew for each step and each start

The samples come from a simulator, the paper's definition; the derivative of the prediction from the layer, written as
a sum over tokens of a function of their inner products with the trained vectors:

    T(X) = Σ_ℓ f(⟨X_ℓ, x_1⟩, ⟨X_ℓ, x_2⟩, …),    ∂T/∂x_a = Σ_ℓ ∂_a f X_ℓ
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy as sp

from theory.layers import Layer
from theory.risk import Risk
from theory.variables import Dot, GaussianMatrix

from .descent import Step, descend, nearest
from .manifolds import Manifold
from .overlaps import Overlaps
from .simulators import Simulator, squared_error
from .slopes import Blocks, Formulas, OverlapSlope, settings_of
from .starts import prepare
from .trajectory import Trajectory

__all__ = ["stochastic_gradient_descent"]


def stochastic_gradient_descent(
    risk: Risk,
    start: Mapping[Any, Any],
    *,
    simulator: Simulator,
    layer: Layer,
    step: Step,
    steps: int,
    batch: int,
    seed: int,
    values: Mapping[Any, Any],
    manifold: Overlaps,
    record: int = 101,
    project: bool = False,
) -> Trajectory:
    """Projected descent against the gradient of the loss of a few fresh samples.

        x ← P(x − α_t ĝ_t(x))

    Args:
        risk: the population risk, in overlaps; it is what is recorded, and plays no part in the steps.
        start: a vector, or an array of shape (starts, d), for each trained vector.
        simulator: draws the samples; with the squared error as loss.
        layer: of the same predictions; a sum over tokens of a function of inner products with the trained vectors.
        step, steps, record, project: as for `projected_gradient_descent`.
        batch: B, samples a step and a start.
        seed: of all samples; the path depends on it, on the starts and on nothing else.
        values: the symbols of risk and layer, and the values that the simulator's `draw` names.
        manifold: which vectors are trained, which fixed.

    Raises:
        ValueError, TypeError: as `projected_gradient_descent`; for a layer that is no such sum, or another loss.

    Source: the usual one-pass SGD; with B = 1 each sample is seen once.
    """
    if not isinstance(manifold, Overlaps):
        raise TypeError(f"expected Overlaps for manifold, which name the trained vectors, got {manifold!r:.60}")
    if simulator.loss is not squared_error:
        raise ValueError("expected a simulator with the squared error as its loss, got another, without a gradient")
    if isinstance(batch, bool) or not isinstance(batch, (int, np.integer)) or batch < 1:
        raise ValueError(f"expected an integer batch >= 1, got batch={batch!r}")
    begin = prepare(risk, start, values, manifold, project)
    assert isinstance(begin.slope, OverlapSlope)
    if not begin.slope.show_vectors:
        raise ValueError(f"expected vectors as the start, one for each of {', '.join(map(str, manifold.trained))}")
    noise = _SampleGradient(risk, simulator, layer, manifold, values, batch, seed, begin.slope.manifolds[0])
    return descend(begin, noise, nearest, step, steps, record, noisy=True)


class _SampleGradient:
    """The gradient of the mean loss of fresh samples, at each of many starts."""

    def __init__(
        self,
        risk: Risk,
        simulator: Simulator,
        layer: Layer,
        overlaps: Overlaps,
        values: Mapping[Any, Any],
        batch: int,
        seed: int,
        manifold: Manifold | None,
    ) -> None:
        body, scores = _token_function(layer, overlaps)
        names = {str(key): number for key, number in values.items()}
        needed = body.free_symbols - set(scores)
        settings = settings_of(Risk(body, ()), needed, {s: names[str(s)] for s in needed if str(s) in names})
        self.formulas = Formulas([body, *(body.diff(score) for score in scores)], scores, settings)
        self.simulator, self.batch, self.manifold = simulator, batch, manifold
        self.values = {name: names[name] for name in _drawn(simulator) if name in names}
        self.rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed)))

    def __call__(self, state: Blocks, time: float) -> Blocks:
        trained = state[0]
        starts = len(trained)
        values = {name: number(time) if callable(number) else number for name, number in self.values.items()}
        tokens, targets = self.simulator.draw(self.rng, starts * self.batch, **values)
        tokens = tokens.reshape(starts, self.batch, *tokens.shape[1:])
        targets = targets.reshape(starts, self.batch)
        scores = np.einsum("sbld,sad->asbl", tokens, trained)
        found = self.formulas([score.ravel() for score in scores], time)
        body, *slopes = (np.asarray(part).reshape(scores.shape[1:]) for part in found)
        residual = targets - body.sum(axis=2)
        parts = [np.einsum("sb,sbl,sbld->sd", residual, slope, tokens, optimize=True) for slope in slopes]
        ambient = -2 / self.batch * np.stack(parts, axis=1)
        return [ambient if self.manifold is None else self.manifold.tangent(trained, ambient)]


def _token_function(layer: Layer, overlaps: Overlaps) -> tuple[sp.Expr, tuple[sp.Dummy, ...]]:
    """f and its arguments ⟨X_ℓ, x_a⟩, from the layer's own expression."""
    size = overlaps.trained[0].shape[0]
    tokens = GaussianMatrix("X", sp.Symbol("L", integer=True, positive=True), size)
    expr = layer.predict(tokens)
    if not isinstance(expr, sp.Sum) or len(expr.limits) != 1:
        raise ValueError(f"expected a layer that is one sum over tokens, got {expr}; descend on its risk instead")
    scores = {vector: sp.Dummy(f"s_{vector}", real=True) for vector in overlaps.trained}
    index = expr.limits[0][0]
    rule: dict[sp.Basic, sp.Basic] = {}
    for node in expr.function.atoms(Dot) | {n for n in sp.preorder_traversal(expr.function) if isinstance(n, Dot)}:
        sides = [side for side in node.args if side in scores]
        others = [side for side in node.args if side not in scores]
        if len(sides) == 1 and len(others) == 1 and others[0].has(index):
            rule[node] = scores[sides[0]]
    body = expr.function.xreplace(rule)
    if body.has(index) or any(isinstance(n, (Dot, sp.MatrixSymbol)) for n in sp.preorder_traversal(body)):
        raise ValueError(
            f"expected a function of the inner products of a token with {', '.join(map(str, overlaps.trained))}, "
            f"got {expr.function}; descend on its risk instead"
        )
    return body, tuple(scores.values())


def _drawn(simulator: Simulator) -> tuple[str, ...]:
    """The names of the values that the simulator's `draw` takes."""
    return Simulator(simulator.draw, lambda tokens: tokens).names
