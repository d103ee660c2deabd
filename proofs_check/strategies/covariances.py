"""Covariances over the rationals: exactly symmetric, exactly positive (semi)definite.

covariances(d, ...)    Q diag(spectrum) Qᵀ, Q a Cayley rotation: rational, with exactly that spectrum
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from .directions import cayley_rotations
from .numbers import exact_fraction

__all__ = ["covariances"]


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
