"""Laws of tokens and what is drawn from them: mixtures, masks, prompts.

probabilities(count)     positive rationals that sum to one, exactly
mixtures(d, components)  weights, means and covariances, as `MixtureMatrix` takes them
mask_laws(d)             the law of a `Mask`: a rate, a number of observed entries, a random rate
masks(d, rows, ...)      masks themselves, arrays of zeros and ones
prompts(L, d, ...)       tokens as an array of shape (L, d), with the mean and the covariance of a law
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from numerics.covariance import validate_float_covariance

from .covariances import covariances

__all__ = ["mask_laws", "masks", "mixtures", "probabilities", "prompts"]


def _check_count(value: Any, name: str, least: int = 1) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"expected a whole number {name} >= {least}, got {name}={value!r}")


def probabilities(count: int) -> SearchStrategy[list[sp.Rational]]:
    """Positive probabilities that sum to one, exactly: whole numbers divided by their sum. They shrink to equal ones.

    Raises:
        ValueError: if count < 1.

    >>> from hypothesis import find
    >>> find(probabilities(3), lambda p: p[0] > p[1])
    [1/2, 1/4, 1/4]
    """
    _check_count(count, "count")
    return st.lists(st.integers(1, 20), min_size=count, max_size=count).map(
        lambda parts: [sp.Rational(part, sum(parts)) for part in parts]
    )


@st.composite
def _mixtures(draw: Callable, d: int, components: int, rank: int | None) -> dict[str, list]:
    entries = st.lists(st.integers(-12, 12), min_size=d, max_size=d)
    means = [sp.ImmutableMatrix(d, 1, [sp.Rational(x, 4) for x in draw(entries)]) for _ in range(components)]
    return {
        "weights": draw(probabilities(components)),
        "means": means,
        "covariance": [draw(covariances(d, rank=rank)) for _ in range(components)],
    }


def mixtures(d: int, components: int = 2, *, rank: int | None = None) -> SearchStrategy[dict[str, list]]:
    """Gaussian mixtures over the rationals: the keywords `weights`, `means` and `covariance` of `MixtureMatrix`.

    Args:
        d: dimension.
        components: how many; their weights are positive and sum to one.
        rank: of the covariances, by default d.

    Raises:
        ValueError: for d or components below 1, or a rank that is none.

    >>> from hypothesis import find
    >>> from theory import MixtureMatrix
    >>> mixture = find(mixtures(1), lambda law: True)
    >>> mixture["weights"], mixture["means"]
    ([1/2, 1/2], [Matrix([[0]]), Matrix([[0]])])
    >>> MixtureMatrix("Z", 5, 1, **mixture).shape
    (5, 1)
    """
    _check_count(d, "d")
    _check_count(components, "components")
    return _mixtures(d, components, rank)


def mask_laws(d: int) -> SearchStrategy[dict[str, Any]]:
    """Laws of masks over d entries, as keywords of `Mask`: rho=, size= or rate=.

    Raises:
        ValueError: if d < 1.

    >>> from hypothesis import find
    >>> find(mask_laws(4), lambda law: True), find(mask_laws(4), lambda law: "size" in law)
    ({'rho': 1/2}, {'size': 4})
    """
    _check_count(d, "d")
    eighths = st.sampled_from([4, *range(1, 4), *range(5, 9)])
    return st.one_of(
        st.fixed_dictionaries({"rho": eighths.map(lambda j: sp.Rational(j, 8))}),
        st.fixed_dictionaries({"size": st.sampled_from(range(d, -1, -1))}),
        st.fixed_dictionaries({"rate": st.tuples(st.integers(1, 9), st.integers(1, 9))}),
    )


def masks(d: int, rows: int | None = None, *, observed: int | None = None) -> SearchStrategy[np.ndarray]:
    """Masks: arrays of ones (observed) and zeros (missing), of shape (d,), or (rows, d). They shrink to ones first.

    Args:
        d: entries of a row.
        rows: None for a single row.
        observed: exactly so many entries of each row are observed; by default any.

    Raises:
        ValueError: for sizes below 1, or an `observed` that is not between 0 and d.

    >>> from hypothesis import find
    >>> find(masks(3), lambda m: m.sum() < 3)
    array([1, 1, 0])
    >>> find(masks(3, rows=2, observed=1), lambda m: True)
    array([[1, 0, 0],
           [1, 0, 0]])
    """
    _check_count(d, "d")
    if rows is not None:
        _check_count(rows, "rows")
    if observed is not None and not (isinstance(observed, int) and 0 <= observed <= d):
        raise ValueError(f"expected 0 <= observed <= {d}, got observed={observed}")
    if observed is None:
        row = st.lists(st.integers(0, 1).map(lambda missing: 1 - missing), min_size=d, max_size=d)
    else:
        places = st.permutations(range(d)).map(lambda order: set(order[:observed]))
        row = places.map(lambda chosen: [int(i in chosen) for i in range(d)])
    count = 1 if rows is None else rows
    table = st.lists(row, min_size=count, max_size=count).map(np.array)
    return table.map(lambda array: array[0]) if rows is None else table


def prompts(L: int, d: int, *, mean: Any = None, covariance: Any = None) -> SearchStrategy[np.ndarray]:
    """Prompts: L tokens of dimension d, as an array of shape (L, d), that a Gaussian law could have drawn.

        X = 1 meanᵀ + Z Rᵀ,   R Rᵀ = covariance,   entries of Z quarters between −3 and 3

    They shrink to the mean. For tests that hold for every prompt (equivariance, sums of attention weights); a sample
    they are not.

    Args:
        L: sequence length.
        d: dimension.
        mean: d numbers, by default zero.
        covariance: d × d, by default the identity; singular is allowed.

    Raises:
        ValueError: for sizes below 1, a mean of another length, or a matrix that is no covariance.

    >>> from hypothesis import find
    >>> find(prompts(2, 2, mean=[1, 0]), lambda X: X[0, 1] > 0)
    array([[1.  , 0.25],
           [1.  , 0.  ]])
    """
    _check_count(L, "L")
    _check_count(d, "d")
    center = np.zeros(d) if mean is None else np.asarray(mean, dtype=float).reshape(-1)
    if center.shape != (d,) or not np.isfinite(center).all():
        raise ValueError(f"expected {d} finite numbers, got mean={mean!r}")
    root = np.eye(d) if covariance is None else _root(covariance, d)
    quarters = st.lists(st.integers(-12, 12), min_size=L * d, max_size=L * d)
    return quarters.map(lambda entries: center + np.array(entries).reshape(L, d) / 4 @ root.T)


def _root(covariance: Any, d: int) -> np.ndarray:
    """R with R Rᵀ = Σ, symmetric; eigenvalues that rounding made negative count as zero."""
    given = np.array(covariance.tolist(), dtype=float) if isinstance(covariance, sp.MatrixBase) else covariance
    eigenvalues, vectors = np.linalg.eigh(validate_float_covariance(given, size=d))
    return (vectors * np.sqrt(np.maximum(eigenvalues, 0))) @ vectors.T
