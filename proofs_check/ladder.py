"""Which checks can decide a statement, strongest first.

    identity            exact normal forms; balls at generic points; a search for a counterexample; sampling
    about matrices      enumeration over the rationals first, and then the same
    inequality          the sign of the difference; cells of the whole box; a search
    limit               the limit laws, exactly; the same at points
    stationary, invariant, conserved     as the identities they consist of
    count, list         certified zeros

A check that cannot speak about a statement says so and costs nothing.
"""

from __future__ import annotations

import sympy as sp

from theory.statement import (
    Conserved,
    Identity,
    Inequality,
    Invariant,
    Limit,
    Statement,
    Stationary,
    StationaryCount,
)
from theory.stationary_list import StationaryList

from .boxes import CertifiedOnBox
from .certified import CertifiedNumerics
from .check import Check
from .entrywise import Entrywise
from .property_search import PropertySearch
from .sampled import SampledMean
from .signs import ProvenSign
from .stationary_check import CertifiedZeros
from .stationary_list_check import CertifiedList
from .symbolic import SymbolicIdentity

__all__ = ["ladder"]


def ladder(statement: Statement) -> tuple[Check, ...]:
    """The checks that can decide a statement, in the order in which they are tried.

    >>> x = sp.Symbol("x", real=True)
    >>> [check.name for check in ladder(Inequality(x, "<", x + 1))]
    ['ProvenSign', 'CertifiedOnBox', 'PropertySearch']
    """
    match statement:
        case Inequality() if _is_about_matrices(statement):
            return (ProvenSign(), PropertySearch())
        case Inequality():
            return (ProvenSign(), CertifiedOnBox(), PropertySearch())
        case Identity() if _is_about_matrices(statement):
            by_enumeration = Entrywise(draws=1, engine=False)
            return (by_enumeration, SymbolicIdentity(), CertifiedNumerics(), PropertySearch(), SampledMean())
        case Identity():
            return (SymbolicIdentity(), CertifiedNumerics(), PropertySearch(), SampledMean())
        case Limit():
            return (SymbolicIdentity(), CertifiedNumerics())
        case Invariant() | Stationary() | Conserved():
            return (SymbolicIdentity(), CertifiedNumerics(), PropertySearch())
        case StationaryCount():
            return (CertifiedZeros(),)
        case StationaryList():
            return (CertifiedList(),)
    return ()


def _is_about_matrices(statement: Identity | Inequality) -> bool:
    """Whether there are matrices, other than the explicit covariances of scalars."""
    return any(
        isinstance(node, sp.MatrixExpr) and not isinstance(node, sp.MatrixBase)
        for side in (statement.lhs, statement.rhs)
        for node in sp.preorder_traversal(side)
    )
