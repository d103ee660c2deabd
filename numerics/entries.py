"""Expressions read entry by entry: a matrix is the table of its entries, a scalar one entry.

    tr(AB) = Σ_ij A_ij B_ji,   ⟨u, v⟩ = Σ_i u_i v_i,   (A ∘ B)_ij = A_ij B_ij,   …

Sizes are numbers here and parameters are exact rationals, so nothing is ever rounded and nothing is looked up in a
theory. The entries of random symbols are what the caller says: polynomials in independent letters for a mean
(`numerics.entrywise`), or what is known of them beforehand (`numerics.entry_bounds`). Entries add and multiply;
those that are no numbers are divided by under protest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import sympy as sp
from flint import fmpq, fmpq_mat
from sympy.matrices.expressions.diagonal import DiagMatrix, DiagonalMatrix, DiagonalOf
from sympy.matrices.expressions.matexpr import MatrixElement

from theory.variables import Dot, GaussianScalar, GaussianVector, Latent, RandomRows, Row

from .entry_bounds import Degree
from .parameters import by_symbol, learn_sizes
from .rationals import from_rational, rational, rational_matrix

__all__ = [
    "Entries",
    "NotPolynomial",
    "Table",
    "added",
    "diagonal",
    "exact_point",
    "reciprocal",
    "rows_of",
    "total_of",
    "turned",
    "unknowns",
]

_LARGEST_TABLE = 10_000
_LARGEST_EXPONENT = 10_000

Table = list[list[Any]]


class NotPolynomial(NotImplementedError):
    """The expression holds something that has no value over the rationals, or is no polynomial in random entries."""


# --- the point ---------------------------------------------------------------------------


def unknowns(*exprs: sp.Basic) -> frozenset[sp.Basic]:
    """The symbols that need a value, the letters of sizes among them."""
    symbols = {symbol for expr in exprs for symbol in expr.free_symbols}
    matrices = [symbol for symbol in symbols if isinstance(symbol, sp.MatrixSymbol)]
    return frozenset(symbols.union(*(size.free_symbols for matrix in matrices for size in matrix.shape)))


def exact_point(exprs: Sequence[sp.Basic], values: Mapping[Any, Any]) -> dict[sp.Basic, Any]:
    """The values as flint's rationals and tables of them; sizes are learned from the matrices."""
    needed = unknowns(*exprs)
    given = by_symbol(sp.Tuple(*exprs), needed, values)
    sizes: dict[sp.Basic, Any] = {s: v for s, v in given.items() if not isinstance(s, sp.MatrixSymbol)}
    sizes = {symbol: from_rational(rational(value, str(symbol))) for symbol, value in sizes.items()}
    point: dict[sp.Basic, Any] = {}
    for symbol, value in given.items():
        if isinstance(symbol, sp.MatrixSymbol):
            columns = symbol.shape[1]
            point[symbol] = rational_matrix(value, str(symbol), int(columns) if columns.is_Integer else None)
            learn_sizes(symbol, (len(point[symbol]), len(point[symbol][0])), sizes)
    missing = sorted(str(symbol) for symbol in needed - set(point) - set(sizes))
    if missing:
        raise ValueError(f"expected a value for each of {', '.join(missing)}")
    return point | {symbol: rational(value, str(symbol)) for symbol, value in sizes.items()}


# --- the walk ----------------------------------------------------------------------------


@dataclass
class Entries:
    """Reads an expression entry by entry.

    Args:
        point: entries of the parameters.
        random: entries of the random symbols in one outcome; a Gaussian family by its column.
    """

    point: Mapping[sp.Basic, Any]
    random: Mapping[sp.Basic, Any] = field(default_factory=dict)
    bound: dict[sp.Basic, Any] = field(default_factory=dict)

    def value(self, expr: sp.Basic) -> Any:
        """A table for a matrix, an entry for a scalar and for a matrix of shape (1, 1) as written."""
        return self.table(expr) if _is_matrix(expr) else self.scalar(expr)

    def table(self, expr: sp.Basic) -> Table:
        """The rows of a matrix expression."""
        for kind in type(expr).__mro__:
            if kind in _TABLES:
                return _TABLES[kind](self, expr)
        raise NotPolynomial(f"no entrywise rule for the matrix {type(expr).__name__}, needed by {expr}")

    def scalar(self, expr: sp.Basic) -> Any:
        """The value of a scalar expression, or of a matrix with a single entry."""
        if _holds_matrix(expr):
            table = self.table(expr)
            if len(table) != 1 or len(table[0]) != 1:
                raise ValueError(
                    f"expected a scalar, got {expr} with {len(table)} rows and {len(table[0])} columns; write its trace"
                )
            return table[0][0]
        for kind in type(expr).__mro__:
            if kind in _SCALARS:
                return _SCALARS[kind](self, expr)
        return self.function(expr)

    def function(self, expr: sp.Basic) -> Any:
        """A function such as the factorial, where all its arguments are numbers and so is its value."""
        arguments = [self.scalar(arg) for arg in expr.args]
        if arguments and all(isinstance(argument, fmpq) for argument in arguments):
            value = expr.func(*(from_rational(argument) for argument in arguments))
            if isinstance(value, sp.Rational):
                return rational(value, str(expr))
        raise NotPolynomial(f"no rational value for {type(expr).__name__}, needed by {expr}")

    def whole(self, expr: Any) -> int:
        """The whole number that a size, an index or an exponent is."""
        if isinstance(expr, (int, sp.Integer)):
            return int(expr)
        value = self.scalar(sp.sympify(expr, strict=True))
        if not isinstance(value, fmpq) or value.q != 1:
            shown = value if isinstance(value, fmpq) else "no fixed number"
            raise ValueError(f"expected a whole number for {expr}, got {shown}")
        return int(value.p)

    def shape(self, expr: sp.Basic) -> tuple[int, int]:
        """The number of rows and of columns."""
        rows, columns = (self.whole(side) for side in expr.shape)
        if rows < 1 or columns < 1 or rows * columns > _LARGEST_TABLE:
            raise ValueError(
                f"expected sizes of 1 to {_LARGEST_TABLE:,} entries, got {rows} rows and {columns} columns of {expr}"
            )
        return rows, columns

    def with_bound(self, symbols: Sequence[sp.Basic], numbers: Sequence[int], expr: sp.Basic) -> Any:
        """A scalar or a table with index letters at numbers."""
        inner = Entries(self.point, self.random, self.bound | dict(zip(symbols, map(fmpq, numbers), strict=True)))
        return inner.value(expr)


def _is_matrix(expr: sp.Basic) -> bool:
    """Whether the value is a table; matrices of shape (1, 1) count as scalars, as they do for E."""
    return _holds_matrix(expr) and getattr(expr, "shape", None) != (1, 1)


def _holds_matrix(expr: sp.Basic) -> bool:
    if isinstance(expr, sp.Sum):
        return _holds_matrix(expr.function)
    return bool(getattr(expr, "is_Matrix", False))


def rows_of(value: Any) -> Table:
    """A scalar as the table of its one entry."""
    return value if isinstance(value, list) else [[value]]


def added(a: Table, b: Table) -> Table:
    """A + B."""
    _check_fit((len(a), len(a[0])), (len(b), len(b[0])))
    return [[p + q for p, q in zip(r, s, strict=True)] for r, s in zip(a, b, strict=True)]


def _times(a: Table, b: Table) -> Table:
    _check_fit(len(a[0]), len(b))
    columns = list(zip(*b, strict=True))
    return [[total_of(p * q for p, q in zip(row, column, strict=True)) for column in columns] for row in a]


def turned(a: Table) -> Table:
    """Aᵀ."""
    return [list(column) for column in zip(*a, strict=True)]


def _check_fit(one: Any, other: Any) -> None:
    if one != other:
        raise ValueError(f"expected matrices whose shapes fit at the given sizes, got {one} against {other}")


def total_of(entries: Iterator[Any]) -> Any:
    """The sum of at least one entry, without a zero in front that would cost an addition of polynomials."""
    total = next(entries)
    for entry in entries:
        total = total + entry
    return total


def _scalar_power(walk: Entries, expr: sp.Pow) -> Any:
    if isinstance(expr.exp, sp.Rational) and not expr.exp.is_Integer:
        return walk.function(expr)
    return _power(walk, walk.scalar(expr.base), expr.exp, expr)


def _power(walk: Entries, base: Any, exponent: sp.Basic, expr: sp.Basic) -> Any:
    k = walk.whole(exponent)
    if abs(k) > _LARGEST_EXPONENT:
        raise ValueError(f"expected an exponent up to {_LARGEST_EXPONENT:,}, got {k} in {expr}")
    return base**k if k >= 0 else reciprocal(base, expr) ** -k


def reciprocal(entry: Any, expr: sp.Basic) -> Any:
    """One over an entry of an expression, which must not be random."""
    if isinstance(entry, fmpq):
        if entry == 0:
            raise ZeroDivisionError(f"expected a denominator other than zero in {expr}")
        return 1 / entry
    if isinstance(entry, Degree):
        return entry.reciprocal()
    raise NotPolynomial(f"a random entry is divided by in {expr}; the mean of a quotient has no entrywise rule")


def _inverted(a: Table, expr: sp.Basic) -> Table:
    _check_fit(len(a), len(a[0]))
    entries = [entry for row in a for entry in row]
    if all(isinstance(entry, fmpq) for entry in entries):
        try:
            return fmpq_mat(len(a), len(a), entries).inv().tolist()
        except ZeroDivisionError:
            raise ZeroDivisionError(f"expected a matrix that has an inverse, got a singular one in {expr}") from None
    if all(isinstance(entry, (fmpq, Degree)) for entry in entries):
        bound = Degree.of_inverse(a)
        return [[bound for _ in row] for row in a]
    raise NotPolynomial(f"a random matrix is inverted in {expr}; the mean of an inverse has no entrywise rule")


def _determinant(a: Table) -> Any:
    """Laplace's expansion, one row after the other, over the sets of columns that are used up."""
    _check_fit(len(a), len(a[0]))
    if all(isinstance(entry, fmpq) for row in a for entry in row):
        return fmpq_mat(len(a), len(a), [entry for row in a for entry in row]).det()
    minors: dict[int, Any] = {0: fmpq(1)}
    for row in a:
        larger: dict[int, Any] = {}
        for used, minor in minors.items():
            for j, entry in enumerate(row):
                if not used >> j & 1:
                    term = entry * minor * fmpq((-1) ** (used >> j).bit_count())
                    larger[used | 1 << j] = larger[used | 1 << j] + term if used | 1 << j in larger else term
        minors = larger
    return minors[(1 << len(a)) - 1]


def _matrix_product(walk: Entries, expr: sp.MatMul) -> Table:
    """From the side that keeps the products thin."""
    scale, factors = expr.as_coeff_matrices()
    tables = [walk.table(factor) for factor in factors]
    if len(tables[-1][0]) < len(tables[0]):
        result = tables.pop()
        while tables:
            result = _times(tables.pop(), result)
    else:
        result, *rest = tables
        for table in rest:
            result = _times(result, table)
    if scale == 1:
        return result
    factor = walk.scalar(scale)
    return [[factor * entry for entry in row] for row in result]


def _matrix_power(walk: Entries, expr: sp.MatPow) -> Table:
    base, k = walk.table(expr.base), walk.whole(expr.exp)
    if abs(k) > _LARGEST_EXPONENT:
        raise ValueError(f"expected an exponent up to {_LARGEST_EXPONENT:,}, got {k} in {expr}")
    if k < 0:
        base, k = _inverted(base, expr), -k
    _check_fit(len(base), len(base[0]))
    if k == 0:
        return [[fmpq(int(i == j)) for j in range(len(base))] for i in range(len(base))]
    result = base
    for bit in bin(k)[3:]:
        result = _times(result, result)
        if bit == "1":
            result = _times(result, base)
    return result


def _trace(walk: Entries, expr: sp.Trace) -> Any:
    """Of a product only the diagonal is formed."""
    inner = expr.arg
    if isinstance(inner, sp.MatMul) and len(inner.as_coeff_matrices()[1]) > 1:
        scale, (*front, last) = inner.as_coeff_matrices()
        left, right = walk.table(sp.MatMul(*front, evaluate=False)), turned(walk.table(last))
        _check_fit((len(left), len(left[0])), (len(right), len(right[0])))
        total = total_of(p * q for r, s in zip(left, right, strict=True) for p, q in zip(r, s, strict=True))
        return total if scale == 1 else walk.scalar(scale) * total
    table = walk.table(inner)
    _check_fit(len(table), len(table[0]))
    return total_of(table[i][i] for i in range(len(table)))


def _scalar_product(walk: Entries, expr: Dot) -> Any:
    sides = (walk.table(expr.left), walk.table(expr.right))
    left, right = ([entry for row in side for entry in row] for side in sides)
    _check_fit(len(left), len(right))
    return total_of(p * q for p, q in zip(left, right, strict=True))


def _element(walk: Entries, expr: MatrixElement) -> Any:
    return _picked(walk.table(expr.parent), walk.whole(expr.i), walk.whole(expr.j), expr)


def _picked(table: Table, i: int, j: int, expr: sp.Basic) -> Any:
    if not (0 <= i < len(table) and 0 <= j < len(table[0])):
        raise ValueError(
            f"expected an entry of a {len(table)} × {len(table[0])} matrix, got row {i}, column {j}: {expr}"
        )
    return table[i][j]


def _row(walk: Entries, expr: Row) -> Table:
    if expr.group >= 0:
        raise NotPolynomial(f"expected rows of a whole matrix, got {expr} with its group already told")
    table, i = walk.table(expr.matrix), walk.whole(expr.index)
    _picked(table, i, 0, expr)
    return [table[i]]


def _summed(walk: Entries, expr: sp.Sum) -> Any:
    """Σ over indices that run from a whole number to a whole number; nothing if the range is empty."""
    terms = [walk.with_bound(tuple(at), tuple(at.values()), expr.function) for at in _ranges(walk, expr.limits, expr)]
    if not terms:
        return fmpq(0)
    if not isinstance(terms[0], list):
        return total_of(iter(terms))
    total = terms[0]
    for term in terms[1:]:
        total = added(total, term)
    return total


def _multiplied(walk: Entries, expr: sp.Product) -> Any:
    factors = [walk.with_bound(tuple(at), tuple(at.values()), expr.function) for at in _ranges(walk, expr.limits, expr)]
    return prod(factors, start=fmpq(1))


def _ranges(walk: Entries, limits: Sequence[sp.Tuple], expr: sp.Basic) -> list[dict[sp.Basic, int]]:
    """The values of the indices; the last limit is the outermost."""
    points: list[dict[sp.Basic, int]] = [{}]
    for limit in reversed(limits):
        if len(limit) != 3:
            raise NotPolynomial(f"expected a range from a number to a number for each index of {expr}, got {limit}")
        index, low, high = limit
        ends = [
            (point, *(walk.with_bound(tuple(point), tuple(point.values()), end) for end in (low, high)))
            for point in points
        ]
        points = [
            {**point, index: i} for point, start, stop in ends for i in range(_end(start, expr), _end(stop, expr) + 1)
        ]
        if len(points) > _LARGEST_TABLE:
            raise ValueError(f"expected at most {_LARGEST_TABLE:,} terms, got {len(points):,} or more of {expr}")
    return points


def _end(value: Any, expr: sp.Basic) -> int:
    if not isinstance(value, fmpq) or value.q != 1 or abs(value) > _LARGEST_TABLE:
        raise ValueError(
            f"expected a range between whole numbers up to {_LARGEST_TABLE:,}, got an end {value} of {expr}"
        )
    return int(value.p)


def _symbol(walk: Entries, expr: sp.Symbol) -> Any:
    if expr in walk.bound:
        return walk.bound[expr]
    if expr not in walk.point:
        raise ValueError(f"expected a value for {expr}")
    return walk.point[expr]


def _delta(walk: Entries, expr: sp.KroneckerDelta) -> Any:
    sides = [walk.scalar(side) for side in expr.args]
    if not all(isinstance(side, fmpq) for side in sides):
        raise NotPolynomial(f"expected indices that are numbers in {expr}")
    return fmpq(int(sides[0] == sides[1]))


def _cases(walk: Entries, expr: sp.Piecewise) -> Any:
    for value, condition in expr.args:
        if _is_met(walk, condition, expr):
            return walk.scalar(value)
    raise NotPolynomial(f"expected one of the conditions to be met, got none in {expr}")


def _is_met(walk: Entries, condition: sp.Basic, expr: sp.Basic) -> bool:
    if condition in (sp.true, sp.false):
        return condition == sp.true
    if isinstance(condition, (sp.And, sp.Or)):
        met = [_is_met(walk, part, expr) for part in condition.args]
        return all(met) if isinstance(condition, sp.And) else any(met)
    if isinstance(condition, sp.Not):
        return not _is_met(walk, condition.args[0], expr)
    sides = (
        [walk.scalar(side) for side in condition.args] if isinstance(condition, sp.core.relational.Relational) else []
    )
    if len(sides) != 2 or not all(isinstance(side, fmpq) for side in sides):
        raise NotPolynomial(f"expected conditions on numbers, got {condition} in {expr}")
    return bool(condition.func(*(from_rational(side) for side in sides)))


def _random_entry(walk: Entries, expr: sp.Basic) -> Any:
    if expr not in walk.random:
        raise ValueError(f"expected an expression free of random symbols here, got {expr}")
    return walk.random[expr]


def _parameter_table(walk: Entries, expr: sp.MatrixSymbol) -> Table:
    table = _symbol(walk, expr)
    _check_fit((len(table), len(table[0])), walk.shape(expr))
    return table


def _filled(entry: Callable[[int, int], Any]) -> Callable[[Entries, sp.Basic], Table]:
    def table(walk: Entries, expr: sp.Basic) -> Table:
        rows, columns = walk.shape(expr)
        return [[fmpq(int(entry(i, j))) for j in range(columns)] for i in range(rows)]

    return table


def _function_table(walk: Entries, expr: sp.FunctionMatrix) -> Table:
    rows, columns = walk.shape(expr)
    indices, body = expr.lamda.variables, expr.lamda.expr
    return [[walk.with_bound(indices, (i, j), body) for j in range(columns)] for i in range(rows)]


def _hadamard(walk: Entries, expr: sp.HadamardProduct) -> Table:
    result, *rest = (walk.table(factor) for factor in expr.args)
    for table in rest:
        _check_fit((len(result), len(result[0])), (len(table), len(table[0])))
        result = [[p * q for p, q in zip(r, s, strict=True)] for r, s in zip(result, table, strict=True)]
    return result


def _hadamard_power(walk: Entries, expr: sp.HadamardPower) -> Table:
    return [[_power(walk, entry, expr.exp, expr) for entry in row] for row in walk.table(expr.base)]


def _matrix_sum(walk: Entries, expr: sp.MatAdd) -> Table:
    result, *rest = (walk.table(term) for term in expr.args)
    for table in rest:
        result = added(result, table)
    return result


def diagonal(entries: Sequence[Any]) -> Table:
    """The diagonal matrix of some entries."""
    return [[entry if i == j else fmpq(0) for j in range(len(entries))] for i, entry in enumerate(entries)]


def _main_diagonal(table: Table) -> list[Any]:
    _check_fit(len(table), len(table[0]))
    return [table[i][i] for i in range(len(table))]


_TABLES: dict[type, Callable[[Entries, Any], Table]] = {
    sp.MatrixSymbol: _parameter_table,
    GaussianVector: _random_entry,
    RandomRows: _random_entry,
    Row: _row,
    sp.Identity: _filled(lambda i, j: i == j),
    sp.ZeroMatrix: _filled(lambda i, j: 0),
    sp.OneMatrix: _filled(lambda i, j: 1),
    sp.FunctionMatrix: _function_table,
    sp.MatrixBase: lambda walk, e: [[walk.scalar(entry) for entry in row] for row in e.tolist()],
    sp.Transpose: lambda walk, e: turned(walk.table(e.arg)),
    sp.Adjoint: lambda walk, e: turned(walk.table(e.arg)),  # everything is real
    sp.MatAdd: _matrix_sum,
    sp.MatMul: _matrix_product,
    sp.MatPow: _matrix_power,
    sp.Inverse: lambda walk, e: _inverted(walk.table(e.arg), e),
    sp.HadamardProduct: _hadamard,
    sp.HadamardPower: _hadamard_power,
    DiagMatrix: lambda walk, e: diagonal([entry for row in walk.table(e.args[0]) for entry in row]),
    DiagonalMatrix: lambda walk, e: diagonal(_main_diagonal(walk.table(e.arg))),
    DiagonalOf: lambda walk, e: [[entry] for entry in _main_diagonal(walk.table(e.arg))],
    sp.Sum: _summed,
}

_SCALARS: dict[type, Callable[[Entries, Any], Any]] = {
    sp.Rational: lambda walk, e: fmpq(int(e.p), int(e.q)),
    sp.Symbol: _symbol,
    GaussianScalar: lambda walk, e: _random_entry(walk, e.family)[e.index][0],
    Latent: _random_entry,
    sp.Add: lambda walk, e: total_of(walk.scalar(term) for term in e.args),
    sp.Mul: lambda walk, e: prod(walk.scalar(factor) for factor in e.args),
    sp.Pow: _scalar_power,
    sp.Trace: _trace,
    sp.Determinant: lambda walk, e: _determinant(walk.table(e.arg)),
    Dot: _scalar_product,
    MatrixElement: _element,
    sp.Sum: _summed,
    sp.Product: _multiplied,
    sp.KroneckerDelta: _delta,
    sp.Piecewise: _cases,
}
