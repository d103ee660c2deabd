"""Functions of tokens as factors of index graphs: where their tokens sit, and their derivatives.

A `Function` is a random scalar f(⟨X_i, u⟩, ⟨x, v⟩, …) whose tokens stand at placeholders; the ends of its factor say at
which indices. Tokens get positions, or become independent vectors, once it is settled which indices coincide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sympy as sp
from sympy.matrices.expressions.diagonal import DiagonalMatrix, DiagonalOf

from .gaussian import NoClosedForm
from .index_graph import Factor, Function, placeholder_row
from .reading import is_random
from .variables import Dot, GaussianVector, Labels, Mask, MixtureMatrix, Row, linear_part

__all__ = [
    "ENTRYWISE",
    "at_components",
    "at_positions",
    "check_forms",
    "placed_rows",
    "rows_of",
    "settled",
    "slopes",
]

ENTRYWISE = (sp.HadamardProduct, sp.HadamardPower, sp.DiagMatrix, DiagonalMatrix, DiagonalOf)


def rows_of(function: Factor) -> list[Row]:
    """The tokens inside a function, in a fixed order."""
    nodes = {node for node in sp.preorder_traversal(function.letter.expr) if isinstance(node, Row)}
    return sorted(nodes, key=sp.default_sort_key)


def placed_rows(function: Factor) -> list[tuple[int, Row]]:
    """The tokens that still have a position, each with the number of the end it sits at."""
    number = {placeholder_row(k): k for k in range(len(function.ends))}
    return [(number[row.index], row) for row in rows_of(function) if row.index in number]


def settled(function: Factor, replacement: dict[Row, sp.Expr]) -> Factor:
    """A function with some tokens replaced, and the ends that no token needs any more left out."""
    expr = function.letter.expr.xreplace(replacement)
    left = Factor(Function(expr), function.ends)
    used = list(dict.fromkeys(k for k, _ in placed_rows(left)))
    order = {placeholder_row(k): placeholder_row(i) for i, k in enumerate(used)}
    moved = {row: Row(row.matrix, order[row.index], row.group) for _, row in placed_rows(left)}
    return Factor(Function(expr.xreplace(moved)), tuple(function.ends[k] for k in used))


def at_components(function: Factor, where: dict[int, tuple[int, int]], is_of: Callable[[Row], bool]) -> Factor:
    """The tokens of a mixture as Gaussian vectors of their component, one for each block of equal rows."""
    replacement = {}
    for k, row in placed_rows(function):
        if is_of(row):
            block, component = where[function.ends[k]]
            mean, cov = row.matrix.component(component)
            vector = GaussianVector.made_from(
                row.matrix.name, f"{component},{block + 1}", row.matrix.shape[1], mean, cov
            )
            replacement[row] = sp.Transpose(vector)
    return settled(function, replacement)


def at_positions(function: Factor, position: dict[int, sp.Expr]) -> Factor:
    """The tokens at the given indices at their positions, where different positions are independent tokens."""
    replacement = {
        row: Row(row.matrix, position[function.ends[k]], 0)
        for k, row in placed_rows(function)
        if function.ends[k] in position
    }
    return settled(function, replacement)


def check_forms(expr: sp.Expr) -> None:
    """Refuse functions of anything else than scalars and forms that are linear in Gaussian vectors."""
    strange = next(
        (
            node
            for node in sp.preorder_traversal(expr)
            if isinstance(node, (Mask, Labels, MixtureMatrix)) or (isinstance(node, ENTRYWISE) and is_random(node))
        ),
        None,
    )
    if strange is not None:
        raise NoClosedForm(f"no rule for a function of {strange}: {expr}")


def slopes(function: Factor, letter: sp.Expr) -> Iterator[tuple[sp.Expr, sp.Expr, list[int]]]:
    """∂f/∂⟨g, u⟩ and the direction u, for every form ⟨g, u⟩ of a letter in a function, with the row it is about."""
    expr = function.letter.expr
    for node in sorted(_dots(expr), key=sp.default_sort_key):
        for source, end in _sources(node, function, letter):
            column = sp.Transpose(source) if isinstance(source, Row) else source
            last = node.right.args[-1] if isinstance(node.right, sp.MatMul) else node.right
            if _count(node, source) > 1 or column not in (node.left, last):
                raise NoClosedForm(f"no rule for a function of the form {node} other than a polynomial: {expr}")
            direction = linear_part(node, column)
            if is_random(direction):
                raise NoClosedForm(f"no rule for a function of the product {node} of random vectors: {expr}")
            symbol = sp.Dummy("y", real=True)
            slope = expr.xreplace({node: symbol}).diff(symbol).xreplace({symbol: node})
            if slope != 0:
                yield slope, direction, end


def _dots(expr: sp.Basic) -> set[Dot]:
    if isinstance(expr, Dot):
        return {expr}
    return set().union(*(_dots(arg) for arg in expr.args)) if expr.args else set()


def _sources(node: Dot, function: Factor, letter: sp.Expr) -> list[tuple[sp.Expr, list[int]]]:
    """Where a letter appears in a form: itself for a vector, its tokens for a matrix."""
    if isinstance(letter, GaussianVector):
        return [(letter, [])] if node.has(letter) else []
    inside = [row for row in rows_of(Factor(Function(node), ())) if row.matrix == letter]
    number = {placeholder_row(k): k for k in range(len(function.ends))}
    return [(row, [function.ends[number[row.index]]]) for row in inside if row.index in number]


def _count(expr: sp.Basic, part: sp.Basic) -> int:
    if expr == part:
        return 1
    return sum(_count(arg, part) for arg in expr.args)
