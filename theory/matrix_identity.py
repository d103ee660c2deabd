"""Equality of matrix expressions, decided by exact normal forms.

Two expressions in traces, forms, products entry by entry and diagonals are equal, for all sizes and all parameters,
if they have the same normal form: as words, where A A⁻¹ cancels and a trace is the same for every rotation and
transposition, or as index graphs, where a product entry by entry may be written in any way. Coefficients are
compared by `identity.reduces_to_zero`. That normal forms differ proves nothing.
"""

from __future__ import annotations

import sympy as sp

from .gaussian import NoClosedForm
from .graph_reading import read_graphs
from .identity import reduces_to_zero
from .index_graph import Letters
from .words import Alphabet, exact, gathered

__all__ = ["holds_matrices", "matrices_agree"]


def holds_matrices(expr: sp.Basic) -> bool:
    """Whether an expression is matrix-valued or holds matrix symbols.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> holds_matrices(sp.Trace(sp.MatrixSymbol("A", d, d))), holds_matrices(d**2)
    (True, False)
    """
    return bool(getattr(expr, "is_Matrix", False)) or expr.has(sp.MatrixSymbol, sp.MatrixExpr)


def matrices_agree(lhs: sp.Expr, rhs: sp.Expr, symmetric: frozenset[sp.Expr] = frozenset()) -> bool:
    """Whether two expressions in matrices have one normal form, and so are equal.

    Args:
        lhs, rhs: scalars, or matrices of one shape.
        symmetric: matrices known to be symmetric.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> A, B = sp.MatrixSymbol("A", d, d), sp.MatrixSymbol("B", d, d)
    >>> matrices_agree(sp.Trace(A*B.T) + 1, 1 + sp.Trace(B*A.T))
    True
    >>> matrices_agree(sp.Trace(A*B), sp.Trace(A*B.T))
    False
    """
    lhs, rhs = exact(lhs), exact(rhs)
    return lhs == rhs or _as_words(lhs, rhs, symmetric) or _as_graphs(lhs, rhs, symmetric)


def _as_words(lhs: sp.Expr, rhs: sp.Expr, symmetric: frozenset[sp.Expr]) -> bool:
    is_matrix = getattr(lhs, "is_Matrix", False) and lhs.shape != (1, 1)
    alphabet = Alphabet(symmetric)
    sides = ((sp.Integer(1), lhs), (sp.Integer(-1), rhs))
    try:
        if is_matrix:
            difference = gathered([(sign, (), side) for sign, side in sides], alphabet, lhs.shape)
        else:
            difference = gathered([(sign, (side,), None) for sign, side in sides], alphabet)
    except NoClosedForm:
        return False
    return _vanishes(difference.with_sizes())


def _as_graphs(lhs: sp.Expr, rhs: sp.Expr, symmetric: frozenset[sp.Expr]) -> bool:
    letters = Letters(symmetric)
    try:
        first, second = (read_graphs(side, letters, constants=True) for side in (lhs, rhs))
    except NoClosedForm:
        return False
    difference = dict(first)
    for graph, c in second.items():
        difference[graph] = difference.get(graph, sp.Integer(0)) - c
    return _vanishes(difference)


def _vanishes(terms: dict) -> bool:
    return all(reduces_to_zero(c) for c in terms.values())
