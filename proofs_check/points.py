"""The letters of a statement, and generic values for all of them, matrices included.

A domain draws its numbers. Beside them a statement may have matrices as parameters: at a point of the check every
size is a small whole number, a covariance is B Bᵀ + I/2, another matrix has entries j/5, symmetric where the
domain says so.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

import sympy as sp
from sympy.matrices.expressions.diagonal import DiagonalMatrix, DiagonalOf

from theory.domain import Domain
from theory.statement import Statement
from theory.variables import Dot, dot
from theory.words import covariances

__all__ = ["covariances_in", "expressions_of", "generic_values", "letters", "matrices_in", "with_values"]


def expressions_of(statement: Statement) -> list[sp.Basic]:
    """The expressions of a statement."""
    found: list[sp.Basic] = []

    def look(expr: sp.Basic) -> sp.Basic:
        found.append(expr)
        return expr

    statement.map(look)
    return found


def letters(statement: Statement) -> set[Any]:
    """The symbols, matrices and random variables of a statement, those in laws included, bound ones left out.

    >>> from theory.statement import equal
    >>> l, x = sp.Symbol("l", integer=True), sp.Symbol("x")
    >>> letters(equal(sp.Sum(x**l, (l, 0, 2)), 0))
    {x}
    """
    found: set[Any] = set()
    bound: set[Any] = set()
    for expr in expressions_of(statement):
        for node in sp.preorder_traversal(expr):
            if isinstance(node, (sp.Sum, sp.Product, sp.Integral)):
                bound |= {limits[0] for limits in node.args[1:]}
            if isinstance(node, (sp.Symbol, sp.MatrixExpr, sp.Expr)) and isinstance(getattr(node, "name", None), str):
                found.add(node)
    for field in fields(statement):  # type: ignore[arg-type]
        found.update(_symbols_beside(getattr(statement, field.name)))
    return found - bound


def _symbols_beside(value: Any) -> Iterator[sp.Symbol]:
    """Symbols that stand beside the expressions of a statement: parameters, coordinates, the variable of a limit."""
    if isinstance(value, sp.Symbol):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _symbols_beside(part)


def matrices_in(*exprs: sp.Basic) -> list[sp.MatrixSymbol]:
    """The matrix symbols of expressions, in order."""
    return sorted(set().union(*(expr.atoms(sp.MatrixSymbol) for expr in exprs)), key=sp.default_sort_key)


def covariances_in(exprs: Iterable[sp.Basic]) -> frozenset[sp.Basic]:
    """The matrices that are covariances because a law says so."""
    return frozenset().union(*map(covariances, exprs))


def generic_values(statement: Statement, domain: Domain, rng: Any, size: int = 2) -> dict[sp.Basic, sp.Basic]:
    """A generic value for each number and each matrix of a statement.

    Args:
        statement: as it was typed, with its random variables.
        domain: of the numbers.
        rng: a numpy Generator.
        size: of every dimension.

    Returns:
        Values by symbol; a matrix symbol whose sizes are symbols has a value of the given size.

    Raises:
        ValueError: if the domain has no admissible point.
    """
    exprs = expressions_of(statement)
    values: dict[sp.Basic, sp.Basic] = dict(domain.draw(rng))
    shapes = {side for expr in exprs for node in expr.atoms(sp.MatrixExpr) for side in node.shape}
    values |= {letter: sp.Integer(size) for side in shapes for letter in sp.sympify(side, strict=True).free_symbols}
    symmetric = covariances_in(exprs) | domain.covariances
    dice = random.Random(int(rng.integers(2**31)))
    for matrix in matrices_in(*exprs):
        rows, columns = (int(side.xreplace(values)) for side in matrix.shape)
        value = sp.Matrix(rows, columns, [sp.Rational(dice.randint(-6, 6), 5) for _ in range(rows * columns)])
        if matrix in symmetric and rows == columns:
            value = value * value.T + sp.eye(rows) / 2
        elif matrix in domain.symmetric:
            value = (value + value.T) / 2
        values[matrix] = sp.ImmutableMatrix(value)
    return values


def with_values(expr: sp.Basic, values: Mapping[Any, Any]) -> sp.Basic:
    """An expression with values for its letters; sizes first, since they are part of a matrix symbol.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> A = sp.MatrixSymbol("A", d, d)
    >>> with_values(d + sp.Trace(A), {d: 2, A: sp.Matrix([[1, 2], [3, 4]])})
    7
    >>> with_values(sp.HadamardProduct(A, A) - sp.DiagonalMatrix(A.T * A), {d: 2, A: sp.Matrix([[1, 2], [3, 4]])})
    Matrix([
    [-9,  4],
    [ 9, -4]])
    """
    numbers = {symbol: sp.sympify(value, strict=True) for symbol, value in values.items() if symbol.is_commutative}
    matrices = {
        matrix.xreplace(numbers): sp.ImmutableMatrix(value)
        for matrix, value in values.items()
        if isinstance(matrix, sp.MatrixSymbol)
    }
    sized = expr.xreplace(numbers)
    for node in sized.atoms(sp.Identity, sp.ZeroMatrix, sp.OneMatrix):
        if all(side.is_Integer for side in node.shape):
            matrices[node] = node.as_explicit()
    return _rebuilt(sized, matrices).doit()


def _rebuilt(expr: sp.Basic, values: Mapping[sp.Basic, sp.Basic]) -> sp.Basic:
    """The expression with matrices replaced; what is made entry by entry becomes explicit on the way up.

    sympy's own nodes for diagonals and products entry by entry do not accept explicit matrices.
    """
    if expr in values or not expr.args or isinstance(expr, sp.MatrixBase):
        return values.get(expr, expr)
    args = [_rebuilt(arg, values) for arg in expr.args]
    if all(isinstance(arg, sp.MatrixBase) for arg in args[:1]):
        explicit = _ENTRY_BY_ENTRY.get(type(expr))
        if explicit is not None and all(isinstance(arg, sp.MatrixBase) or not arg.args for arg in args):
            return sp.ImmutableMatrix(explicit(*args))
    if isinstance(expr, Dot):
        return dot(*args)
    made = expr if tuple(args) == expr.args else expr.func(*args)
    return made.doit() if isinstance(made, _ALGEBRA) and any(isinstance(arg, sp.MatrixBase) for arg in args) else made


_ALGEBRA = (sp.MatMul, sp.MatAdd, sp.MatPow, sp.Inverse, sp.Transpose)
_ENTRY_BY_ENTRY: dict[type, Callable[..., sp.Matrix]] = {
    DiagonalOf: lambda A: sp.Matrix(list(A.diagonal())),
    DiagonalMatrix: lambda A: sp.diag(*A.diagonal()),
    sp.DiagMatrix: lambda v: sp.diag(*v),
    sp.HadamardProduct: lambda *factors: sp.Matrix(*factors[0].shape, [sp.Mul(*each) for each in zip(*factors)]),
    sp.HadamardPower: lambda A, power: A.applyfunc(lambda entry: entry**power),
}
