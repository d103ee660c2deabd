"""Covariances measured or typed as floating-point numbers: accepted up to rounding, symmetrized.

    Σ is accepted when |Σ − Σᵀ| ≤ τ and λ_min((Σ + Σᵀ)/2) ≥ −τ,    τ = 10 d ε ‖Σ‖

with ε = 2⁻⁵² and ‖Σ‖ the largest absolute eigenvalue. Exact matrices are validated by `theory.covariance`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["validate_float_covariance"]


def validate_float_covariance(array: Any, name: str = "covariance", size: int | None = None) -> np.ndarray:
    """The array as a symmetric float64 covariance, or an error that says why it is none.

    Asymmetry and negative eigenvalues up to 10·d·ε·‖Σ‖, what rounding can do, are accepted; the result is
    (Σ + Σᵀ)/2, its eigenvalues left as they are.

    Args:
        array: d × d real numbers.
        name: the parameter's name, for the error.
        size: the d that is expected.

    Raises:
        TypeError: if the entries are text, complex numbers, truth values or objects.
        ValueError: if it is not square, has another size, is not finite, not symmetric, or has an eigenvalue
            below −10·d·ε·‖Σ‖.

    >>> validate_float_covariance([[1.0, 0.5], [0.5 + 1e-16, 2.0]])
    array([[1. , 0.5],
           [0.5, 2. ]])
    >>> validate_float_covariance([[1.0, 2.0], [2.0, 1.0]], name="noise")
    Traceback (most recent call last):
    ...
    ValueError: expected a positive semidefinite noise, got smallest eigenvalue -1 (rounding explains down to
    -1.3e-14); lower the entries off the diagonal or raise the variances.
    """
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise ValueError(f"expected every entry of {name}, got a masked array with entries left out; fill them first.")
    try:
        value = np.asarray(array)
    except ValueError:
        raise ValueError(f"expected {name} with rows of one length, got {array!r}.") from None
    if value.dtype.kind not in "iuf":
        raise TypeError(
            f"expected {name} of real numbers, got entries of type {value.dtype}; "
            "exact numbers and symbols go through theory.validate_covariance."
        )
    if value.ndim != 2 or value.shape[0] != value.shape[1] or value.shape[0] == 0:
        raise ValueError(f"expected {name} of shape (d, d), got shape {value.shape}.")
    d = value.shape[0]
    if size is not None and d != size:
        raise ValueError(f"expected {name} of shape ({size}, {size}), got shape {value.shape}.")
    value = value.astype(np.float64)
    if not np.isfinite(value).all():
        i, j = map(int, np.argwhere(~np.isfinite(value))[0])
        raise ValueError(f"expected finite entries, got {name}[{i}, {j}] = {value[i, j]}.")
    largest = float(np.abs(value).max())
    if largest == 0.0:
        return value
    _, exponent = np.frexp(largest)
    scaled = np.ldexp(value, -exponent)  # entries up to 1, so that nothing overflows
    symmetric = (scaled + scaled.T) / 2
    eigenvalues = np.linalg.eigvalsh(symmetric)
    tolerance = 10 * d * np.finfo(np.float64).eps * float(np.abs(eigenvalues).max())
    gap = np.abs(scaled - scaled.T)
    i, j = map(int, np.unravel_index(int(gap.argmax()), gap.shape))
    if gap[i, j] > tolerance:
        raise ValueError(
            f"expected a symmetric {name}, got {name}[{i}, {j}] = {value[i, j]} and {name}[{j}, {i}] = "
            f"{value[j, i]}; use ({name} + {name}.T)/2 if the difference is meant to be noise."
        )
    if eigenvalues[0] < -tolerance:
        smallest, least = np.ldexp(eigenvalues[0], exponent), np.ldexp(tolerance, exponent)
        raise ValueError(
            f"expected a positive semidefinite {name}, got smallest eigenvalue {smallest:.6g} (rounding "
            f"explains down to -{least:.2g}); lower the entries off the diagonal or raise the variances."
        )
    # Halved before they are added, against overflow; entries that agree are kept as they are, the smallest ones too.
    return np.where(value == value.T, value, value / 2 + value.T / 2)
