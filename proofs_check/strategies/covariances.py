"""Covariances over the rationals: exactly symmetric, exactly positive (semi)definite.

covariances(d, ...)    Q diag(spectrum) Qᵀ, Q a Cayley rotation: rational, with exactly that spectrum
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import sympy as sp
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from .directions import cayley_rotations
from .numbers import exact_fraction

__all__ = ["covariances", "degenerate_covariances", "near_singular_covariances"]


def covariances(
    d: int, *, spectrum: Sequence[Any] | None = None, rank: int | None = None
) -> SearchStrategy[sp.ImmutableMatrix]:
    """Covariances with rational entries, d × d, exactly symmetric and exactly positive (semi)definite.

        Σ = Q diag(spectrum) Qᵀ,    Q a Cayley rotation

    Args:
        d: dimension.
        spectrum: the d eigenvalues, nonnegative; by default drawn from 1/8, …, 4.
        rank: how many drawn eigenvalues are not zero, by default d; smaller for degenerate laws.

    Raises:
        ValueError: for a spectrum of another length, with a negative number, or together with a rank.

    >>> from hypothesis import find
    >>> find(covariances(2, rank=1), lambda S: S[0, 1] != 0).det()
    0
    """
    if spectrum is not None and rank is not None:
        raise ValueError(f"expected a spectrum or a rank, got spectrum={spectrum} and rank={rank}")
    if spectrum is not None:
        fixed = [exact_fraction(x, "eigenvalue") for x in spectrum]
        if len(fixed) != d or min(fixed, default=0) < 0:
            raise ValueError(f"expected {d} nonnegative eigenvalues, got spectrum={list(spectrum)}")
        eigenvalues: SearchStrategy[list] = st.just([sp.Rational(*x.as_integer_ratio()) for x in fixed])
    else:
        kept = d if rank is None else rank
        if not 0 <= kept <= d:
            raise ValueError(f"expected 0 <= rank <= {d}, got rank={rank}")
        # In the order 8/8, 7/8, …, then 9/8, …: the simplest eigenvalue is one.
        eighths = st.sampled_from([8, *range(7, 0, -1), *range(9, 33)])
        positive = eighths.map(lambda j: sp.Rational(j, 8))
        eigenvalues = st.lists(positive, min_size=kept, max_size=kept).map(
            lambda drawn: [*drawn, *([sp.Integer(0)] * (d - kept))]
        )
    return st.builds(
        lambda rotation, values: sp.ImmutableMatrix(rotation * sp.diag(*values) * rotation.T),
        cayley_rotations(d),
        eigenvalues,
    )


def near_singular_covariances(d: int, condition: Any = 10**12) -> SearchStrategy[sp.ImmutableMatrix]:
    """Covariances that are positive definite, but only just: λ_max = 1 and λ_min = 1/condition, exactly.

    Args:
        d: dimension, at least 2.
        condition: the condition number λ_max/λ_min, larger than 1.

    Raises:
        ValueError: for d < 2 or a condition number up to 1.

    >>> from hypothesis import find
    >>> find(near_singular_covariances(2, 10**6), lambda S: S[0, 1] != 0).det()
    1/1000000
    """
    ratio = exact_fraction(condition, "condition")
    if not (isinstance(d, int) and d >= 2):
        raise ValueError(f"expected a whole number d >= 2, got d={d}")
    if ratio <= 1:
        raise ValueError(f"expected a condition number larger than 1, got condition={condition}")
    smallest = 1 / ratio
    # Between the two, 1 and 1/condition again, and one in the middle.
    between = st.lists(st.sampled_from([Fraction(1), smallest, (1 + smallest) / 2]), min_size=d - 2, max_size=d - 2)
    return between.flatmap(lambda middle: covariances(d, spectrum=[1, *middle, smallest]))


def degenerate_covariances(d: int) -> SearchStrategy[sp.ImmutableMatrix]:
    """Covariances of laws that live on a subspace: singular, of any rank below d. They shrink to the zero matrix.

    Raises:
        ValueError: if d < 1.

    >>> from hypothesis import find
    >>> find(degenerate_covariances(2), lambda S: S[0, 1] != 0).det()
    0
    """
    if not (isinstance(d, int) and d >= 1):
        raise ValueError(f"expected a whole number d >= 1, got d={d}")
    return st.integers(0, d - 1).flatmap(lambda rank: covariances(d, rank=rank))
