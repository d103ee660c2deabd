"""Stochastic descent: an unbiased gradient of the population risk, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from numerics import Overlaps, Simulator, projected_gradient_descent, stochastic_gradient_descent
from numerics.starts import prepare
from numerics.stochastic import _SampleGradient
from proofs_check.studies import single_location as study
from theory import Layer, PointwiseAttention, Risk, dot
from theory.notation import lam

SIZE = 6
VALUES = {
    "L": 4,
    "lam": 0.4,
    "gamma": 0.7,
    "m": 1.3,
    "sigma": 1.0,
    "epsilon": 0.1,
    "k_star": np.eye(SIZE)[0],
    "v_star": np.eye(SIZE)[1],
}


def start(seed: int, starts: int) -> dict[str, np.ndarray]:
    vectors = np.random.default_rng(seed).standard_normal((2, starts, SIZE))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    return {"k": vectors[0], "v": vectors[1]}


def descend(seed: int = 0, **changes):
    call = {
        "simulator": study.SIMULATOR,
        "layer": study.LAYER,
        "step": 2e-3,
        "steps": 60,
        "batch": 4,
        "seed": seed,
        "values": VALUES,
        "manifold": study.DESCENT,
        **changes,
    }
    return stochastic_gradient_descent(study.risk(), call.pop("start", start(0, 3)), **call)


def test_the_sample_gradient_is_unbiased():
    """Against the Riemannian gradient of the derived population risk, every entry within 6 standard errors."""
    begin = prepare(study.risk(), start(1, 2), VALUES, study.DESCENT)
    batch, repeats = 500, 200
    sampled = _SampleGradient(
        study.risk(), study.SIMULATOR, study.LAYER, study.DESCENT, VALUES, batch, 5, begin.slope.manifolds[0]
    )
    draws = np.stack([sampled(begin.state, 0)[0] for _ in range(repeats)])
    exact = begin.slope.gradient(begin.state, 0)[0]
    error = draws.std(axis=0) / np.sqrt(repeats)
    assert (np.abs(draws.mean(axis=0) - exact) < 6 * error + 1e-15).all()
    assert (np.abs(draws.mean(axis=0) - 1.2 * exact) > 6 * error).any()  # the control


def test_the_seed_decides():
    one, same, other = descend(3), descend(3), descend(4)
    assert (one.final["k"] == same.final["k"]).all() and (one.final["k"] != other.final["k"]).any()
    assert np.abs(np.linalg.norm(one.final["k"], axis=1) - 1).max() < 1e-15


def test_large_batches_follow_the_population():
    """With 4,000 samples a step the path is near that of the population gradient, and nearer than with 4."""
    exact = projected_gradient_descent(
        study.risk(), start(0, 3), step=0.02, steps=40, values=VALUES, manifold=study.DESCENT
    )
    gaps = [
        np.abs(descend(step=0.02, steps=40, batch=batch).final["k"] - exact.final["k"]).max() for batch in (4, 4000)
    ]
    assert gaps[1] < gaps[0] / 8  # √1000 = 32 in the mean


def test_schedules_reach_the_layer():
    """λ → 0 makes the prediction vanish, and with it the gradient's part in λ: nothing moves."""
    still = descend(values={**VALUES, "lam": lambda t: 1e-12})
    assert np.abs(still.final["k"] - start(0, 3)["k"]).max() < 1e-9


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="batch >= 1"):
        descend(batch=0)
    with pytest.raises(TypeError, match="expected Overlaps"):
        descend(manifold=None)
    with pytest.raises(ValueError, match="expected vectors as the start"):
        descend(
            start={"kappa": 0.1, "nu": 0.1, "theta": 0.0, "eta": 0.0, "rho": 0.0},
            values={name: x for name, x in VALUES.items() if "star" not in name},
        )
    absolute = Simulator(study.draw, study.predict, lambda y, t: np.abs(y - t))
    with pytest.raises(ValueError, match="squared error as its loss"):
        descend(simulator=absolute)

    class Product(Layer):
        def predict(self, tokens):
            return dot(tokens[0, :], study.k) * dot(tokens[1, :], study.v)

    with pytest.raises(ValueError, match="one sum over tokens"):
        descend(layer=Product())
    with pytest.raises(ValueError, match="inner products of a token"):
        descend(layer=PointwiseAttention(study.k, study.k_star, lam))
    assert isinstance(study.DESCENT, Overlaps) and isinstance(study.risk(), Risk)
