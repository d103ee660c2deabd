"""Moments of a Gaussian vector for a numeric covariance: exact for exact numbers, with an error bound for floats.

    E x^p = μ_i E x^{p − e_i} + (p_i − 1) Σ_ii E x^{p − 2e_i} + Σ_{j > i} p_j Σ_ij E x^{p − e_i − e_j},

where x^p = ∏ x_i^{p_i} and i is the first coordinate with p_i > 0 (Isserlis; Stein's identity for x_i). States p that
coincide are computed once, layer by layer in the degree, as arrays: for p = (1, …, 1) and m = 16 there are 1,597 of
them, where there are 2,027,025 pairings. Repeated coordinates merge by themselves.

*Exact.* Integers on a common denominator.

*Floats.* A bound e of the rounding errors is carried along from state to state, h being the computed values:

    e(p) = Σ |times · Σ_ij| (e_ij + γ |h_ij|),    γ = (k + 4) u/(1 − (k + 4) u),   u = 2⁻⁵³,   k the number of terms

Coordinates are first scaled by powers of two, which is exact and leaves entries of at most 1. Where pairings cancel,
so that the bound is large beside the value, the moment is computed again, exactly, from the floats as the rationals
that they are, and rounded once.

References: Isserlis (1918), Biometrika 12, 134; Higham (2002), Accuracy and Stability, chapter 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from numbers import Rational
from typing import Any

import numpy as np
import sympy as sp
from flint import fmpq

from theory.covariance import validate_covariance

from .covariance import validate_float_covariance
from .rationals import factored, from_rational, rational, rational_matrix

__all__ = ["Moment", "gaussian_moment", "number_of_states"]

_UNIT = 2.0**-53
_TINY = 2.0**-1074  # a product that underflows is off by less
_SMALLEST = 1e-290  # scaled entries below it may have lost digits to the scaling
_OVERFLOW = "expected a moment below 1.8e308; give exact numbers, such as Fractions, for a larger one"
_LARGEST_DEGREE = 1_000
_MOST_STATES = 4_000_000
_LARGEST_SMALL, _LARGEST_KEPT = 2_000, 100_000  # states of moments whose tables are kept, 64 and 4 of them


@dataclass(frozen=True)
class Moment:
    """A moment with a bound of its error.

    Args:
        value: a sympy Rational for exact numbers, a float for floats.
        error_bound: |value − E x^p| is at most this; 0 for exact numbers. For floats the moment is that of the
            floats as given, once the covariance is symmetrized.
    """

    value: Any
    error_bound: float


def gaussian_moment(
    powers: Sequence[int] | Mapping[int, int], covariance: Any, mean: Any = None, *, relative_error: float = 2.0**-26
) -> Moment:
    """The moment E ∏ x_i^{p_i} of x ~ N(mean, covariance), for numbers.

    Args:
        powers: one for each coordinate, or {coordinate: power}; `Counter([0, 0, 3])` stands for x_0² x_3.
        covariance: d × d, symmetric and positive semidefinite; singular is allowed. Exact (int, Fraction,
            sympy or flint rationals), or floats.
        mean: d numbers of the same kind; default zero.
        relative_error: floats whose error bound is above it are computed again exactly; default half of the
            digits, usually for an error in the last one.

    Returns:
        The moment and a bound of its error, 0 if all numbers are exact.

    Raises:
        TypeError: for text, complex numbers, or powers that are no whole numbers.
        ValueError: for a matrix that is no covariance, negative powers, a coordinate out of range, or a moment
            that takes too many states.

    Source: Isserlis (1918), Biometrika 12, 134; with means, Withers (1985), Bull. Austral. Math. Soc. 32, 103.

    >>> gaussian_moment([1, 1, 2], [[2, 1, 1], [1, 3, 1], [1, 1, 4]]).value     # Σ01 Σ22 + 2 Σ02 Σ12
    6
    >>> gaussian_moment({0: 4}, [[0.25]])
    Moment(value=0.1875, error_bound=...)
    """
    rows = _rows(covariance)
    d = len(rows)
    pattern = _pattern(powers, d)
    # With what repeats most at the end the states are fewest: 12 for the powers 1, 1, 1, 1, 4, and 28 the other way.
    used = sorted((i for i, power in enumerate(pattern) if power), key=lambda i: pattern[i])
    exponents = tuple(pattern[i] for i in used)
    if _holds_floats(rows) or (mean is not None and _holds_floats([_entries(mean)])):
        return _float_moment(exponents, used, rows, mean, relative_error)
    return _exact_moment(exponents, used, rows, mean)


# --- what is given -----------------------------------------------------------------------


def _rows(covariance: Any) -> list[list[Any]]:
    if isinstance(covariance, (str, bytes)):
        raise TypeError(f"expected a covariance matrix of numbers, got the text {covariance!r:.60}")
    rows = covariance.tolist() if hasattr(covariance, "tolist") else covariance
    if not isinstance(rows, Sequence) or not rows or not all(isinstance(row, Sequence) for row in rows):
        raise ValueError(f"expected a covariance as rows of numbers, got {covariance!r:.60}")
    return [list(row) for row in rows]


def _entries(mean: Any) -> list[Any]:
    if isinstance(mean, (str, bytes)):
        raise TypeError(f"expected a mean of numbers, got the text {mean!r:.60}")
    listed = mean.tolist() if hasattr(mean, "tolist") else list(mean)
    return [entry[0] if isinstance(entry, Sequence) and len(entry) == 1 else entry for entry in listed]


def _holds_floats(rows: list[list[Any]]) -> bool:
    return any(isinstance(entry, (float, np.floating, sp.Float)) for row in rows for entry in row)


def _pattern(powers: Sequence[int] | Mapping[int, int], d: int) -> list[int]:
    if isinstance(powers, Mapping):
        named = {_whole(i, "a coordinate"): _whole(power, "a power") for i, power in powers.items()}
        outside = [i for i in named if not 0 <= i < d]
        if outside:
            raise ValueError(f"expected coordinates between 0 and {d - 1}, got {outside[0]}")
        listed = [named.get(i, 0) for i in range(d)]
    else:
        listed = [_whole(power, "a power") for power in powers]
        if len(listed) != d:
            raise ValueError(
                f"expected {d} powers, one for each coordinate, got {len(listed)}; "
                "give {coordinate: power}, such as Counter(coordinates), for a few of them"
            )
    if any(power < 0 for power in listed):
        raise ValueError(f"expected nonnegative powers, got {min(listed)}")
    return listed


def _whole(number: Any, name: str) -> int:
    if isinstance(number, (int, np.integer, sp.Integer)) and not isinstance(number, bool):
        return int(number)
    raise TypeError(f"expected a whole number for {name}, got {number!r:.60} of type {type(number).__name__}")


# --- the layers of states ----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Layer:
    """The states p of one degree, with what they are computed from.

    Args:
        first: the first coordinate with a positive power, for each state.
        once: the state p − e_first of the degree below, for each state; unused without a mean.
        pairs: for each transition two degrees down, r · first + j.
        times: how often it occurs, p_j, or p_j − 1 for j the first.
        twice: the state it leads to.
        starts: where the transitions of each state begin.
    """

    first: np.ndarray
    once: np.ndarray
    pairs: np.ndarray
    times: np.ndarray
    twice: np.ndarray
    starts: np.ndarray


def _layers(exponents: tuple[int, ...], with_mean: bool) -> tuple[_Layer, ...]:
    """The layers of degree 1, 2, …; the tables of small moments are kept."""
    if sum(exponents) > _LARGEST_DEGREE:
        raise ValueError(f"expected a moment of degree up to {_LARGEST_DEGREE:,}, got {sum(exponents):,}")
    count = number_of_states(exponents, with_mean)
    if count > _MOST_STATES:
        raise ValueError(
            f"expected a moment of at most {_MOST_STATES:,} states, got {count:,} for degree {sum(exponents)} in "
            f"{len(exponents)} coordinates; split it into independent blocks, or take fewer coordinates"
        )
    if count > _LARGEST_KEPT:
        return _built(exponents, with_mean)
    return (_small if count <= _LARGEST_SMALL else _large)(exponents, with_mean)


def number_of_states(exponents: Sequence[int], with_mean: bool = False) -> int:
    """How many moments the recursion computes.

    Of a state, the letters before the first one that is left are gone, a of them, and u of the later ones, their
    partners: u ≤ a, and a + u is even where there is no mean.

    >>> number_of_states([1] * 16), number_of_states([1] * 16, with_mean=True), number_of_states([8, 8])
    (1597, 2584, 25)
    """
    total = 1  # the state without letters
    partners = [1]  # how many ways there are to take u of the later letters
    gone = sum(exponents)
    for power in reversed(exponents):
        gone -= power
        for a in range(gone, gone + power):
            step = 1 if with_mean else 2
            total += sum(partners[u] for u in range(0 if with_mean else a % 2, min(a + 1, len(partners)), step))
        partners = [
            sum(partners[max(0, u - power) : min(u, len(partners) - 1) + 1]) for u in range(len(partners) + power)
        ]
    return total


def _built(exponents: tuple[int, ...], with_mean: bool) -> tuple[_Layer, ...]:
    r, degree = len(exponents), sum(exponents)
    place = np.cumprod([1, *(power + 1 for power in exponents[:-1])], dtype=np.int64)
    base = np.array(exponents, dtype=np.int64) + 1
    codes = {level: np.zeros(0, np.int64) for level in range(-1, degree)}
    codes[degree] = np.array([place @ (base - 1)])
    descending = []
    for level in range(degree, 0, -1):
        states = codes[level][:, None] // place % base
        first = (states > 0).argmax(axis=1)
        everyone = np.arange(len(states))
        states[everyone, first] -= 1
        once = codes[level] - place[first]
        source, partner = np.nonzero(states)  # sorted by state
        twice = once[source] - place[partner]
        codes[level - 2] = np.unique(np.concatenate([codes[level - 2], twice]))
        if with_mean:
            codes[level - 1] = np.unique(np.concatenate([codes[level - 1], once]))
        descending.append((first, once, r * first[source] + partner, states[source, partner], twice, source, everyone))
    return tuple(
        _Layer(
            first,
            np.searchsorted(codes[level - 1], once),
            pairs,
            times,
            np.searchsorted(codes[level - 2], twice),
            np.searchsorted(source, everyone),
        )
        for level, (first, once, pairs, times, twice, source, everyone) in enumerate(reversed(descending), start=1)
    )


_small, _large = lru_cache(maxsize=64)(_built), lru_cache(maxsize=4)(_built)


def _recursion(exponents: tuple[int, ...], pairs: np.ndarray, mean: np.ndarray | None) -> Any:
    """The moment, for a covariance as a row of r² entries and a mean of r entries."""
    before = last = np.ones(1, dtype=pairs.dtype)
    for layer in _layers(exponents, mean is not None):
        now = np.zeros(len(layer.first), dtype=pairs.dtype)
        if len(layer.pairs):
            now = np.add.reduceat(pairs[layer.pairs] * layer.times * before[layer.twice], layer.starts)
        if mean is not None:
            now = now + mean[layer.first] * last[layer.once]
        before, last = last, now
    return last[0]


def _recursion_with_error(
    exponents: tuple[int, ...], pairs: np.ndarray, mean: np.ndarray | None
) -> tuple[float, float]:
    """The same for floats, with a bound of what rounding has done, carried along state by state.

    A state is a sum of k products of two roundings each, from states that are off by their own bounds e:

        e ≤ Σ |t Σ_ij| (e_ij + γ_{k+4} |h_ij|),   h_ij the computed state
    """
    per_step = (len(exponents) + 5) * _UNIT * 1.001  # γ_{k+4} for the k ≤ r + 1 terms of a state
    lost = 4 * (len(exponents) + 5) * _TINY
    sizes, shifts = np.abs(pairs), None if mean is None else np.abs(mean)
    before = last = (np.ones(1), np.zeros(1))
    for layer in _layers(exponents, mean is not None):
        now, error = np.zeros((2, len(layer.first)))
        if len(layer.pairs):
            value, off = before
            off = off + per_step * np.abs(value)
            now = np.add.reduceat(pairs[layer.pairs] * layer.times * value[layer.twice], layer.starts)
            error = np.add.reduceat(sizes[layer.pairs] * layer.times * off[layer.twice], layer.starts)
        if mean is not None and shifts is not None:
            value, off = last
            off = off + per_step * np.abs(value)
            now = now + mean[layer.first] * value[layer.once]
            error = error + shifts[layer.first] * off[layer.once]
        before, last = last, (now, error + lost)
    return float(last[0][0]), 1.001 * float(last[1][0])


# --- exact numbers -----------------------------------------------------------------------


def _exact_moment(exponents: tuple[int, ...], used: list[int], rows: list[list[Any]], mean: Any) -> Moment:
    table = rational_matrix(rows, "covariance")
    factors = factored(table)  # faster than the validator, which has the words for a refusal
    if factors is None or min(factors[1]) < 0:
        validate_covariance([[from_rational(entry) for entry in row] for row in table])
    centers = None if mean is None else [rational(entry, "mean") for entry in _entries(mean)]
    if centers is not None and len(centers) != len(table):
        raise ValueError(f"expected {len(table)} means, got {len(centers)}")
    block = [[table[i][j] for j in used] for i in used]
    shifts = [centers[i] for i in used] if centers is not None and any(centers[i] for i in used) else None
    return Moment(from_rational(_over_the_integers(exponents, block, shifts)), 0.0)


def _over_the_integers(exponents: tuple[int, ...], block: list[list[fmpq]], mean: list[fmpq] | None) -> fmpq:
    """The moment of qx, which has integer moments, over q to the degree."""
    degree = sum(exponents)
    if degree == 0:
        return fmpq(1)
    if mean is None and degree % 2:
        return fmpq(0)
    q = math.lcm(*(int(entry.q) for row in [*block, mean or []] for entry in row))
    square = q if mean is None else q * q  # without a mean, √q x has integer covariances
    pairs = np.array([int((entry * square).p) for row in block for entry in row], dtype=object)
    shifts = None if mean is None else np.array([int((entry * q).p) for entry in mean], dtype=object)
    scale = q ** (degree // 2) if mean is None else q**degree
    return fmpq(int(_recursion(exponents, pairs, shifts)), scale)


# --- floats ------------------------------------------------------------------------------


def _float_moment(
    exponents: tuple[int, ...], used: list[int], rows: list[list[Any]], mean: Any, relative_error: float
) -> Moment:
    array = validate_float_covariance([[_as_float(entry) for entry in row] for row in rows])
    centers = np.zeros(len(array)) if mean is None else np.array([_as_float(entry) for entry in _entries(mean)])
    if centers.shape != (len(array),) or not np.isfinite(centers).all():
        raise ValueError(f"expected {len(array)} finite means, got mean={mean!r:.60}")
    block, shifts = array[np.ix_(used, used)], centers[used]
    degree = sum(exponents)
    if degree == 0:
        return Moment(1.0, 0.0)
    if degree % 2 and not shifts.any():
        return Moment(0.0, 0.0)
    _, of_variances = np.frexp(np.diag(block))
    _, of_means = np.frexp(shifts)
    scales = np.maximum(-(-of_variances // 2), np.where(shifts == 0, -(-of_variances // 2), of_means))
    scaled, centered = np.ldexp(block, -(scales[:, None] + scales)), np.ldexp(shifts, -scales)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is computed exactly
        value, error = _recursion_with_error(exponents, scaled.ravel(), centered if shifts.any() else None)
    exponent = int(np.dot(scales, exponents))
    normal = all(abs(entry) >= _SMALLEST for entry in (*scaled.flat, *centered) if entry)
    if normal and math.isfinite(value) and error <= relative_error * abs(value):
        return Moment(_shifted(value, exponent), _shifted(error, exponent) + math.ulp(0.0))
    exact = _over_the_integers(
        exponents,
        [[fmpq(*entry.as_integer_ratio()) for entry in row] for row in block.tolist()],
        [fmpq(*entry.as_integer_ratio()) for entry in shifts.tolist()] if shifts.any() else None,
    )
    rounded = _rounded(exact)
    return Moment(rounded, 0.0 if fmpq(*rounded.as_integer_ratio()) == exact else math.ulp(rounded) / 2)


def _shifted(value: float, exponent: int) -> float:
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        raise OverflowError(_OVERFLOW) from None


def _rounded(value: fmpq) -> float:
    try:
        return int(value.p) / int(value.q)
    except OverflowError:
        raise OverflowError(_OVERFLOW) from None


def _as_float(entry: Any) -> Any:
    """Exact numbers beside floats are rounded; text and truth values are left for the validator to refuse."""
    if isinstance(entry, fmpq):
        return int(entry.p) / int(entry.q)
    return float(entry) if isinstance(entry, (Rational, sp.Rational, sp.Float)) else entry
