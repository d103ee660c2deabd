"""Rational numbers of a range, made of whole numbers of at most two digits.

    rationals(low, high)    low + (high − low) j/96
    reals(low, high)        the same, rounded to floats

Whole numbers up to two digits, because Hypothesis mixes constants of whatever modules are loaded into wider
ranges; and small ones, because a counterexample should point at the wrong term.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy as sp
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

__all__ = ["exact_fraction", "rationals", "reals"]

_STEPS = 96  # divisible by 2, 3, 4, 6, 8: the first points of a range are simple fractions of it


def rationals(low: Any, high: Any, *, open_ends: bool = False) -> SearchStrategy[sp.Rational]:
    """Rational numbers of [low, high]; they shrink to `low`.

        low + (high − low) j/96,    j = 0, …, 96

    Args:
        low, high: whole numbers, Fractions, sympy rationals; floats count as the decimal they print as.
        open_ends: leave out both ends.

    Raises:
        ValueError: unless low < high, both finite.

    >>> draws = rationals(0, "0.5", open_ends=True)
    >>> from hypothesis import find
    >>> find(draws, lambda x: True)
    1/192
    """
    first, last = exact_fraction(low, "low"), exact_fraction(high, "high")
    if not first < last:
        raise ValueError(f"expected low < high, got low={low}, high={high}")
    step = (last - first) / _STEPS
    ends = (1, _STEPS - 1) if open_ends else (0, _STEPS)
    return st.integers(*ends).map(lambda j: sp.Rational(*(first + j * step).as_integer_ratio()))


def reals(low: Any, high: Any, *, open_ends: bool = False) -> SearchStrategy[float]:
    """Floats of [low, high]: the rationals of `rationals`, rounded.

    >>> from hypothesis import find
    >>> find(reals(0, 2), lambda x: x > 1)
    1.0208333333333333
    """
    return rationals(low, high, open_ends=open_ends).map(float)


def exact_fraction(number: Any, name: str) -> Fraction:
    """A number as a fraction; a float counts as the decimal it prints as, so that 0.1 is 1/10."""
    try:
        if isinstance(number, sp.Rational):
            return Fraction(int(number.p), int(number.q))
        return Fraction(str(number)) if isinstance(number, (float, str)) else Fraction(number)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"expected a finite rational number, got {name}={number!r}") from None
