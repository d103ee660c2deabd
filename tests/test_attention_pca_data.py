"""Attention PCA on bundled data sets; needs the extra `data`, as the notebook about them does."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest

from proofs_check.studies.attention_pca import DATA_SETS, data_card, stationary_points_at

data = importlib.import_module("proofs_check.studies._attention_pca_data")

needs_data = pytest.mark.notebook


@needs_data
@pytest.mark.parametrize("name", DATA_SETS)
def test_the_trained_layer_is_pca(name):
    card = data_card(name, samples=2_000)
    assert card.angle < 1e-3 < card.angle_of_prompts
    assert abs(card.with_moments - card.simulated.mean) < 6 * card.simulated.standard_error
    # the theory is off in the direction that the card says
    assert (card.coupling > 1) == (card.derived > card.with_moments)


@needs_data
def test_an_unknown_set_is_named():
    with pytest.raises(ValueError, match="name='boston'"):
        data.rows_of("boston")


def test_rows_without_the_extra_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"attention-theory\[data\]"):
        data.rows_of("iris")


def test_gaussian_rows_have_the_derived_shrinkage_and_do_not_turn():
    """The control: for rows that are Gaussian the corrected formula, the derived one and the simulation agree."""
    rng = np.random.default_rng(0)
    Y = rng.standard_normal((40_000, 4)) * np.sqrt([3.0, 2.0, 1.0, 0.5])
    Sigma, n = Y.T @ Y / len(Y), 10
    fourth = (Y * np.square(Y).sum(axis=1, keepdims=True)).T @ Y / len(Y)
    Psi = (1 - 1 / n) * Sigma @ Sigma + fourth / n
    head = data.trained_head(Sigma, Psi, 2, rng)
    leading = np.linalg.eigh(Sigma)[1][:, 2:]
    assert np.degrees(data.subspace_angles(head, leading).max()) < 2
    (derived,) = next(point.nu for point in stationary_points_at(Sigma, 1, n=n) if point.subset == (0,))
    measured = data.simulated_shrinkage(Y, np.linalg.eigh(Sigma)[1][:, -1], n, 20_000, rng)
    assert abs(measured.mean - derived) < 6 * measured.standard_error


def test_training_reaches_the_listed_minimum():
    """For Gaussian moments the trained head is the stationary point of least risk."""
    rng = np.random.default_rng(1)
    A = rng.standard_normal((5, 5))
    Sigma, n = A @ A.T, 7
    Psi = (1 + 1 / n) * Sigma @ Sigma + np.trace(Sigma) / n * Sigma
    best = min(stationary_points_at(Sigma, 2, n=n), key=lambda point: point.risk)
    head = data.trained_head(Sigma, Psi, 2, rng)
    trained = np.linalg.solve(Sigma, head)
    assert np.allclose(trained @ trained.T, best.W @ best.W.T, atol=1e-6)
