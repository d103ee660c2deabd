"""Floats inside expressions, read as the decimals they print as: 0.1 is 1/10, and 0.500000001 is no 1/2.

sympy's `nsimplify(x, rational=True)` rounds to about nine digits on the way, silently; this does not.
"""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

__all__ = ["exact_decimals"]

_DOUBLE = 53  # bits of a float


def exact_decimals(expr: sp.Basic) -> sp.Basic:
    """The expression with each float replaced by the shortest decimal that prints the same.

    >>> exact_decimals(sp.Float(0.1)), exact_decimals(sp.Float(0.500000001))
    (1/10, 500000001/1000000000)
    """
    return expr.xreplace({number: _decimal(number) for number in expr.atoms(sp.Float)})


def _decimal(number: sp.Float) -> sp.Rational:
    text = repr(float(number)) if number._prec == _DOUBLE else str(number)
    return sp.Rational(*Fraction(text).as_integer_ratio())
