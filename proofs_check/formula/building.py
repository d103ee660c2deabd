"""From the tree of a text to a sympy expression, with shapes respected and nothing evaluated that may explode.

A product of matrices is read from left to right; wherever a row meets a column, as in x' A x, the two and what
is between them are the scalar ⟨x, Ax⟩, because sympy does not mix 1 × 1 matrices with numbers. A number times a
sum stays as written: 2 (x + y) is not 2x + 2y.

What sympy would evaluate on its own is looked at first: an exponent or an argument whose symbols cancel is
measured again, since 2^(x − x + 10^9) holds no large number until it is built.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import sympy as sp

from theory.expectation import Expectation
from theory.gradient import Gradient
from theory.integral import GaussianIntegral
from theory.variables import RandomRows, dot

from .limits import FormulaError
from .tree import Grower, Node

__all__ = ["build", "shape_of"]


def build(node: Node, grow: Grower) -> Any:
    """The expression a tree stands for: a scalar, a matrix expression, or a `sympy.Tuple` of them.

    Raises:
        FormulaError: if shapes do not fit, or sympy refuses what is asked of it.
    """
    try:
        return _BUILD[node.kind](node, grow)
    except FormulaError:
        raise
    except (ValueError, TypeError, ArithmeticError, AttributeError, NotImplementedError, LookupError) as error:
        raise grow.refuse(f"{_what(node)} cannot be made: {_one_line(error)}", node.at) from None
    except RecursionError:
        raise grow.refuse(f"{_what(node)} is nested too deeply", node.at) from None


def shape_of(value: Any) -> tuple[Any, Any] | None:
    """(rows, columns) of a matrix, None for a scalar."""
    return value.shape if getattr(value, "is_Matrix", False) else None


def _what(node: Node) -> str:
    name = getattr(node.value, "name", getattr(node.value, "__name__", "")) if node.kind in ("call", "apply") else ""
    return str(name) or {"pow": "a power", "mul": "a product", "add": "a sum", "grad": "a gradient"}.get(
        node.kind, f"a {node.kind}"
    )


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:300] if text else type(error).__name__


def _scalar(node: Node, grow: Grower, role: str) -> Any:
    value = build(node, grow)
    if not isinstance(value, sp.Expr) or shape_of(value) is not None:
        raise grow.refuse(f"expected a scalar {role}, got {_kind(value)}", node.at)
    return value


def _matrix(node: Node, grow: Grower, role: str) -> Any:
    value = build(node, grow)
    if shape_of(value) is None:
        raise grow.refuse(f"expected a matrix or vector {role}, got {_kind(value)}", node.at)
    return value


def _kind(value: Any) -> str:
    shape = shape_of(value)
    if shape is not None:
        return f"a matrix of shape ({shape[0]}, {shape[1]})"
    return "a tuple" if isinstance(value, sp.Tuple) else "a scalar"


def _same(first: Any, second: Any) -> bool:
    return bool(first == second) or sp.expand(first - second) == 0


# --- numbers, names, sums -------------------------------------------------------------------------


def _rational(value: Fraction) -> sp.Rational:
    return sp.Rational(value.numerator, value.denominator)


def _number(node: Node, grow: Grower) -> Any:
    return _rational(node.value)


def _name(node: Node, grow: Grower) -> Any:
    if isinstance(node.value, sp.FunctionClass):
        raise grow.refuse(f"expected arguments after the function {node.value.__name__}", node.at)
    return node.value


def _constant(node: Node, grow: Grower) -> Any:
    return {"pi": sp.pi, "i": sp.I}[node.value]


def _infinity(node: Node, grow: Grower) -> Any:
    return sp.oo if node.value > 0 else -sp.oo


def _tuple(node: Node, grow: Grower) -> Any:
    return sp.Tuple(*(build(part, grow) for part in node.parts))


def _sum_of(node: Node, grow: Grower) -> Any:
    values = [build(part, grow) for part in node.parts]
    first = shape_of(values[0])
    for part, value in zip(node.parts, values):
        shape = shape_of(value)
        if isinstance(value, sp.Tuple):
            raise grow.refuse("expected a term, got a tuple", part.at)
        if (shape is None) != (first is None):
            raise grow.refuse(
                f"expected terms of one shape, got {_kind(values[0])} and {_kind(value)}; write 2*identity(d) for 2 I",
                part.at,
            )
        if shape is not None and first is not None and not all(map(_same, shape, first)):
            raise grow.refuse(f"expected terms of one shape, got {_kind(values[0])} and {_kind(value)}", part.at)
    if first is None:
        return sp.Add(*values)
    if _all_explicit(values):
        total = values[0]
        for value in values[1:]:
            total = total + value
        return total.as_immutable()
    return sp.MatAdd(*values).doit(deep=False)


# --- products -------------------------------------------------------------------------------------


def _product(node: Node, grow: Grower) -> Any:
    coefficient = Fraction(1)
    scalars: list[Any] = []
    word: list[tuple[Any, int, int]] = []
    for part in node.parts:
        if part.kind == "number":
            coefficient *= part.value
            continue
        value = build(part, grow)
        if isinstance(value, sp.Tuple):
            raise grow.refuse("expected a factor, got a tuple", part.at)
        if shape_of(value) is None:
            scalars.append(value)
        else:
            _append(word, value, part, scalars, grow)
    if coefficient != 1 or not scalars:
        scalars.insert(0, _rational(coefficient))
    scalar = _scalar_product(scalars)
    if not word:
        return scalar
    matrices = [value for value, _, _ in word]
    _spend_on_words(matrices, [1] * len(matrices), node.at, grow)
    if _all_explicit(matrices):
        return _explicit_product(scalar, matrices)
    if scalar == 1:
        return matrices[0] if len(matrices) == 1 else sp.MatMul(*matrices)
    return sp.MatMul(scalar, *matrices)


def _all_explicit(values: list[Any]) -> bool:
    return all(isinstance(value, sp.MatrixBase) for value in values)


def _scalar_product(scalars: list[Any]) -> Any:
    if len(scalars) == 2 and scalars[0].is_Rational and isinstance(scalars[1], sp.Add) and scalars[0] != 0:
        return scalars[1] if scalars[0] == 1 else sp.Mul(*scalars, evaluate=False)
    return sp.Mul(*scalars)


def _explicit_product(scalar: Any, matrices: list[Any]) -> Any:
    total = matrices[0]
    for matrix in matrices[1:]:
        total = total * matrix
    return (scalar * total).as_immutable()


def _append(word: list[tuple[Any, int, int]], value: Any, part: Node, scalars: list[Any], grow: Grower) -> None:
    """One more matrix factor; a row that meets its column becomes a scalar."""
    rows, columns = value.shape
    if word and not _same(word[-1][0].shape[1], rows):
        raise grow.refuse(f"expected a factor with {word[-1][0].shape[1]} rows, got {_kind(value)}", part.at)
    word.append((value, part.terms, part.at))
    if columns != 1:
        return
    start = next((i for i in range(len(word) - 1, -1, -1) if word[i][0].shape[0] == 1), None)
    if start is None:
        return
    scalars.append(
        _as_dot([value for value, _, _ in word[start:]], [terms for _, terms, _ in word[start:]], part.at, grow)
    )
    del word[start:]


def _as_dot(letters: list[Any], terms: list[int], at: int, grow: Grower) -> Any:
    """⟨u, A⋯Bv⟩ for the row u', the matrices and the column v."""
    _spend_on_words(letters, terms, at, grow)
    if len(letters) == 1:
        return _only_entry(letters[0])
    rest = letters[1:]
    return dot(letters[0], rest[0] if len(rest) == 1 else sp.MatMul(*rest), symmetric=grow.symmetric)


def _only_entry(matrix: Any) -> Any:
    return matrix[0, 0]


def _spend_on_words(values: list[Any], terms: list[int], at: int, grow: Grower) -> None:
    """A word of n matrices costs n², once for each of the words a product of sums is multiplied out into."""
    count, letters = 1, 0
    for value, many in zip(values, terms):
        count *= many
        letters += _letters(value)
    grow.spend(count * letters**2 // 2, at)


def _letters(value: Any) -> int:
    """How many matrices are multiplied in the longest product of an expression."""
    if isinstance(value, sp.MatMul):
        return sum(map(_letters, value.args))
    if isinstance(value, sp.MatPow):
        return _letters(value.base) * abs(int(value.exp))
    if isinstance(value, (sp.MatAdd, sp.Transpose, sp.Inverse)):
        return max(map(_letters, value.args))
    return int(getattr(value, "is_Matrix", False))


# --- powers and functions -------------------------------------------------------------------------


def _power(node: Node, grow: Grower) -> Any:
    base_node, exponent_node = node.parts
    base, exponent = build(base_node, grow), _scalar(exponent_node, grow, "exponent")
    shape = shape_of(base)
    if shape is not None:
        return _matrix_power(base, shape, exponent, node, grow)
    if not isinstance(base, sp.Expr):
        raise grow.refuse("expected a scalar or a matrix under the power, got a tuple", base_node.at)
    _measure_again(base_node, base, grow)
    _measure_again(exponent_node, exponent, grow)
    limit = grow.limits.exponent
    for number in exponent.atoms(sp.Rational):
        if max(abs(number.p), number.q) > limit:
            raise grow.refuse(f"expected exponents up to {limit} after simplification", exponent_node.at)
    if exponent.is_Rational and base.is_Pow and base.exp.is_Rational and abs(base.exp * exponent) > limit:
        raise grow.refuse(f"expected exponents up to {limit} after simplification", exponent_node.at)
    if base == 0 and not exponent.is_positive:
        raise grow.refuse("expected a positive power of 0", node.at)
    return _finite(sp.Pow(base, exponent), node, grow)


def _matrix_power(base: Any, shape: tuple[Any, Any], exponent: Any, node: Node, grow: Grower) -> Any:
    if not exponent.is_Integer or exponent == 0:
        raise grow.refuse(f"expected 1, 2, ... or -1, -2, ... as the power of a matrix, got {exponent}", node.at)
    if not _same(*shape):
        raise grow.refuse(f"expected a square matrix under a power, got {_kind(base)}", node.at)
    if exponent == -1:
        return _inverse_of(base)
    if isinstance(base, sp.MatrixBase):
        grow.spend(abs(int(exponent)), node.at)
        return (base**exponent).as_immutable()
    return sp.MatPow(base, exponent)


def _measure_again(node: Node, value: Any, grow: Grower) -> None:
    """Refuse what holds symbols in the text and none once built, unless it is a small rational."""
    if node.is_constant or not value.is_number:
        return
    if not value.is_Rational or value.p.bit_length() + value.q.bit_length() > 64:
        raise grow.refuse("expected an expression whose symbols do not cancel; write the number itself", node.at)


def _call(node: Node, grow: Grower) -> Any:
    function = node.value
    if function.name == "abs" and len(node.parts) == 1:
        value = build(node.parts[0], grow)
        if shape_of(value) is not None:
            return _determinant_of(value, node, grow)
    arguments = [_scalar(part, grow, f"in {function.name}") for part in node.parts]
    for part, argument in zip(node.parts, arguments):
        _measure_again(part, argument, grow)
        if function.growth == "exponential" and argument.is_number and argument.is_Rational:
            if abs(argument) > grow.limits.bits:
                raise grow.refuse(f"expected arguments of {function.name} up to {grow.limits.bits}", part.at)
        if argument.has(sp.log):
            _check_logarithms(argument, part, grow)
    return _finite(function.make(*arguments), node, grow)


def _finite(value: Any, node: Node, grow: Grower) -> Any:
    if value in (sp.nan, sp.zoo, sp.oo, -sp.oo):
        raise grow.refuse(f"expected a finite value, got {value} from {_what(node)}", node.at)
    return value


def _check_logarithms(argument: Any, node: Node, grow: Grower) -> None:
    """e^{n log a} is a^n to sympy, and it looks for such logarithms: their numbers count as exponents."""
    limit = grow.limits.exponent
    if any(max(abs(number.p), number.q) > limit for number in argument.atoms(sp.Rational)):
        raise grow.refuse(f"expected numbers up to {limit} beside logarithms, got a larger one", node.at)
    grow.spend(64 * len(argument.atoms(sp.log)), node.at)


def _apply(node: Node, grow: Grower) -> Any:
    grow.spend(4 * node.size, node.at)
    return _finite(node.value(*(_scalar(part, grow, "argument") for part in node.parts)), node, grow)


# --- matrices -------------------------------------------------------------------------------------


def _transpose(node: Node, grow: Grower) -> Any:
    value = _matrix(node.parts[0], grow, "before a transposition")
    if value in grow.symmetric:
        return value
    if isinstance(value, sp.MatrixBase):
        return value.T.as_immutable()
    return sp.Transpose(value).doit(deep=False)


def _inverse(node: Node, grow: Grower) -> Any:
    value = _matrix(node.parts[0], grow, "in inv")
    if not _same(*value.shape):
        raise grow.refuse(f"expected a square matrix in inv, got {_kind(value)}", node.at)
    return _inverse_of(value)


def _inverse_of(value: Any) -> Any:
    if isinstance(value, sp.MatrixBase):
        return value.inv().as_immutable()
    return sp.Inverse(value)


def _trace(node: Node, grow: Grower) -> Any:
    inside = node.parts[0]
    value = _row_times_column(inside, grow) if inside.kind == "mul" else None
    if value is None:
        value = _matrix(inside, grow, "in tr")
    if not _same(*value.shape):
        raise grow.refuse(f"expected a square matrix in tr, got {_kind(value)}", node.at)
    return value.trace() if isinstance(value, sp.MatrixBase) else sp.Trace(value)


def _row_times_column(node: Node, grow: Grower) -> Any:
    """A product of matrices that is 1 × 1, kept as the matrix it is; None for any other."""
    if any(part.is_scalar for part in node.parts):
        return None
    values = [build(part, grow) for part in node.parts]
    if any(shape_of(value) is None for value in values) or (values[0].shape[0], values[-1].shape[1]) != (1, 1):
        return None
    if not all(_same(left.shape[1], right.shape[0]) for left, right in itertools.pairwise(values)):
        return None
    _spend_on_words(values, [part.terms for part in node.parts], node.at, grow)
    return _explicit_product(sp.Integer(1), values) if _all_explicit(values) else sp.MatMul(*values)


def _determinant(node: Node, grow: Grower) -> Any:
    return _determinant_of(_matrix(node.parts[0], grow, "in det"), node, grow)


def _determinant_of(value: Any, node: Node, grow: Grower) -> Any:
    if not _same(*value.shape):
        raise grow.refuse(f"expected a square matrix in det, got {_kind(value)}", node.at)
    return sp.Determinant(value)


def _dot(node: Node, grow: Grower) -> Any:
    left, right = (_vector(part, grow) for part in node.parts)
    _spend_on_words([left, right], [part.terms for part in node.parts], node.at, grow)
    return dot(left, right, symmetric=grow.symmetric)


def _vector(node: Node, grow: Grower) -> Any:
    value = _matrix(node, grow, "in a scalar product")
    if 1 not in value.shape:
        raise grow.refuse(f"expected a vector in a scalar product, got {_kind(value)}", node.at)
    return value


def _quad(node: Node, grow: Grower) -> Any:
    vector, matrix = _vector(node.parts[0], grow), _matrix(node.parts[1], grow, "in quad")
    first, second = node.parts
    _spend_on_words([vector, vector, matrix], [first.terms, first.terms, second.terms], node.at, grow)
    column = vector if vector.shape[1] == 1 else sp.Transpose(vector).doit(deep=False)
    return dot(column, sp.MatMul(matrix, column), symmetric=grow.symmetric)


def _norm(node: Node, grow: Grower) -> Any:
    vector = _vector(node.parts[0], grow)
    _spend_on_words([vector] * 2, [node.parts[0].terms] * 2, node.at, grow)
    return sp.sqrt(dot(vector, vector, symmetric=grow.symmetric))


def _identity(node: Node, grow: Grower) -> Any:
    return sp.Identity(_scalar(node.parts[0], grow, "dimension"))


def _hadamard(node: Node, grow: Grower) -> Any:
    first, second = (_matrix(part, grow, "in hadamard") for part in node.parts)
    return sp.HadamardProduct(first, second)


def _filled(node: Node, grow: Grower) -> Any:
    rows, columns = (_scalar(part, grow, "size") for part in node.parts)
    return (sp.OneMatrix if node.kind == "ones" else sp.ZeroMatrix)(rows, columns)


def _hadamard_power(node: Node, grow: Grower) -> Any:
    base, exponent = _matrix(node.parts[0], grow, "before an entrywise power"), _scalar(node.parts[1], grow, "exponent")
    return sp.HadamardPower(base, exponent)


def _diagonal_of(node: Node, grow: Grower) -> Any:
    """diag A, the vector on the diagonal of a square matrix."""
    value = _matrix(node.parts[0], grow, "in diag")
    if not _same(*value.shape):
        raise grow.refuse(f"expected a square matrix in diag, got {_kind(value)}; Diag makes one of a vector", node.at)
    return sp.DiagonalOf(value)


def _diagonal_matrix(node: Node, grow: Grower) -> Any:
    """Diag A, a square matrix without what is off its diagonal; Diag v, with a vector on its diagonal."""
    value = _matrix(node.parts[0], grow, "in Diag")
    if value.shape[1] == 1:
        return sp.DiagMatrix(value)
    if not _same(*value.shape):
        raise grow.refuse(f"expected a square matrix or a vector in Diag, got {_kind(value)}", node.at)
    return sp.DiagonalMatrix(value)


def _rows(node: Node, grow: Grower) -> Any:
    rows = [[_scalar(entry, grow, "entry") for entry in row.parts] for row in node.parts]
    if len({len(row) for row in rows}) != 1:
        raise grow.refuse("expected rows of one length", node.at)
    return sp.ImmutableDenseMatrix(rows)


def _index(node: Node, grow: Grower) -> Any:
    matrix = _matrix(node.parts[0], grow, "before an index")
    indices = [_scalar(part, grow, "index") for part in node.parts[1:]]
    if node.value == "entry":
        return matrix[tuple(indices)]
    if matrix.shape[1] == 1 and not isinstance(matrix, RandomRows):
        raise grow.refuse(
            "expected two indices, counted from 0, for the entry of a vector: x_1 could be either", node.at
        )
    return matrix[indices[0], :]


# --- means, sums, limits --------------------------------------------------------------------------


def _mean(node: Node, grow: Grower) -> Any:
    return Expectation(build(node.parts[0], grow))


def _gradient(node: Node, grow: Grower) -> Any:
    function, parameter = node.parts
    if parameter.kind != "name":
        raise grow.refuse("expected a declared name to differentiate by", parameter.at)
    return Gradient(_scalar(function, grow, "in a gradient"), parameter.value)


def _integral(node: Node, grow: Grower) -> Any:
    return GaussianIntegral(_scalar(node.parts[0], grow, "in a mean"), node.value)


def _summation(node: Node, grow: Grower) -> Any:
    body, low, high = (_scalar(part, grow, "in a sum") for part in node.parts)
    return sp.Sum(body, (node.value, low, high))


_BUILD: dict[str, Callable[[Node, Grower], Any]] = {
    "number": _number,
    "name": _name,
    "constant": _constant,
    "infinity": _infinity,
    "tuple": _tuple,
    "add": _sum_of,
    "mul": _product,
    "pow": _power,
    "call": _call,
    "apply": _apply,
    "transpose": _transpose,
    "inv": _inverse,
    "tr": _trace,
    "det": _determinant,
    "dot": _dot,
    "quad": _quad,
    "norm": _norm,
    "identity": _identity,
    "hadamard": _hadamard,
    "hadamard-power": _hadamard_power,
    "ones": _filled,
    "zeros": _filled,
    "diag": _diagonal_of,
    "Diag": _diagonal_matrix,
    "matrix": _rows,
    "index": _index,
    "mean": _mean,
    "grad": _gradient,
    "integral": _integral,
    "sum": _summation,
}
