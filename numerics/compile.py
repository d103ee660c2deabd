"""The door from symbols to floats.

    compile(expr, arguments)      a function of numpy arrays
    value(expr_or_risk, values)   the number, or the array of numbers, at given parameters
    gradient(risk, values)        the partial derivatives, by parameter name

A sympy tree becomes a *tape* of numpy ufuncs (`numerics.tape_writer`, with the table
`numerics.float_rules`), which is kept and run on any number of points (`numerics.tape`). Scalars made of
matrices, such as ⟨u, v⟩ and traces, are computed once a call, before the tape runs. A value comes in
finite and within the assumptions of its symbol, and what goes out is a finite real number or an error.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache, reduce
from numbers import Real
from typing import Any

import numpy as np
import sympy as sp
from sympy.matrices.expressions.diagonal import DiagonalMatrix, DiagonalOf
from sympy.matrices.expressions.matexpr import MatrixElement

from theory.risk import Risk
from theory.variables import Dot

from .parameters import by_symbol, learn_sizes
from .tape import Tape, run
from .tape_writer import Writer, refusal

__all__ = ["compile", "compile_screen", "gradient", "value"]

IMAGINARY = 1e-8  # what rounding may leave of an imaginary part: half the digits, for formulas that cancel

# Scalars made of matrices: computed once a call, before the tape runs.
_MATRIX_SCALARS = (Dot, sp.Trace, sp.Determinant, MatrixElement)
_ENTRYWISE = (sp.HadamardPower, sp.DiagMatrix, DiagonalMatrix, DiagonalOf, sp.FunctionMatrix)


# --- formulas as functions ---------------------------------------------------------------------


class _Compiled:
    """A formula, or several, as a function of arrays; what `compile` returns."""

    def __init__(self, expressions: Sequence[sp.Expr], arguments: Sequence[sp.Basic]) -> None:
        self.expressions = tuple(expressions)
        self.arguments = tuple(arguments)
        self.matrices = tuple(symbol for symbol in self.arguments if isinstance(symbol, sp.MatrixSymbol))
        found: set[sp.Expr] = set().union(*(_matrix_scalars(expr) for expr in self.expressions))
        leaves = sorted(found, key=sp.default_sort_key)
        names = {leaf: sp.Dummy(f"s_{i}", real=True) for i, leaf in enumerate(leaves)}
        self.leaves = tuple(leaves)
        self.scalars = tuple(symbol for symbol in self.arguments if symbol not in self.matrices)
        needed = set().union(*(expr.free_symbols for expr in self.expressions))
        sizes = {size for matrix in self.matrices for size in matrix.shape if isinstance(size, sp.Symbol)}
        missing = needed - set(self.arguments) - sizes
        if missing:
            raise ValueError(
                "expected every symbol of the formula among the arguments, "
                f"got arguments={_list(self.arguments)}; missing: {_list(missing)}"
            )
        self.sizes = tuple(sorted(sizes - set(self.arguments), key=str))
        self.formulas = tuple(expr.xreplace(names) for expr in self.expressions)
        self.inputs = (*self.scalars, *self.sizes, *names.values())
        self._tapes: dict[frozenset[int], Tape] = {}
        self.everything = frozenset(range(len(self.inputs)))
        self._tape(self.everything)  # an unknown function is refused now, not at the first call

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        if len(values) != len(self.arguments):
            raise TypeError(f"expected {len(self.arguments)} values, for {_list(self.arguments)}, got {len(values)}")
        given = dict(zip(self.arguments, values, strict=True))
        arrays = {matrix: _real(matrix.name, given[matrix]) for matrix in self.matrices}
        scalars = {symbol: _real(symbol.name, given[symbol]) for symbol in self.scalars}
        for symbol, array in scalars.items():
            _check_assumptions(symbol, array)
        shape = _common_shape(scalars)
        inputs: list[Any] = list(scalars.values())
        if self.matrices or self.leaves:
            inputs += self._from_matrices(arrays, scalars)
        varying = frozenset(i for i, array in enumerate(inputs) if np.ndim(array))
        if not varying:  # the tape written for arrays has the fewest steps
            results = run(self._tape(self.everything), [np.full(1, number) for number in inputs], 1)
        else:
            flat = [array.reshape(-1) if np.ndim(array) else array for array in inputs]
            results = run(self._tape(varying), flat, math.prod(shape))
        return tuple(self._finite(i, result, shape, inputs) for i, result in enumerate(results))

    def screened(self, values: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        """The results at arrays of one length, nan where a formula has no finite real value."""
        size = len(values[0])
        results = run(self._tape(self.everything), list(values), size)
        return tuple(np.broadcast_to(_real_or_nan(np.asarray(result)), (size,)) for result in results)

    def _tape(self, varying: frozenset[int]) -> Tape:
        if varying not in self._tapes:
            writer = Writer(self.inputs, varying)
            tape = writer.tape(tuple(writer.node(formula) for formula in self.formulas))
            if len(self._tapes) >= 16:
                self._tapes.pop(next(iter(self._tapes)))
            self._tapes[varying] = tape
        return self._tapes[varying]

    def _from_matrices(self, arrays: Mapping[sp.Basic, Any], scalars: Mapping[sp.Basic, Any]) -> list[float]:
        """The sizes and the scalars made of matrices, at one point."""
        numbers = {symbol: number for symbol, number in scalars.items() if not np.ndim(number)}
        known = _point(arrays, numbers)
        return [known[size] for size in self.sizes] + [_matrix_scalar(leaf, known) for leaf in self.leaves]

    def _finite(self, i: int, result: Any, shape: tuple[int, ...], inputs: Sequence[Any]) -> Any:
        """The result as a float or an array of the common shape; what is not a finite real number raises."""
        array = np.array(np.broadcast_to(_real_or_nan(np.asarray(result)), (math.prod(shape),)))
        with np.errstate(all="ignore"):
            fine = np.isfinite(array.sum()) or np.isfinite(array).all()
        if not fine:
            at = int(np.flatnonzero(~np.isfinite(array))[0])
            raise ValueError(self._complaint(i, np.asarray(result), at, shape, inputs))
        return array.reshape(shape) if shape else float(array[0])

    def _complaint(self, i: int, result: np.ndarray, at: int, shape: tuple[int, ...], inputs: Sequence[Any]) -> str:
        point = ", ".join(
            f"{symbol}={float(array.reshape(-1)[at] if np.ndim(array) else array)!r}"
            for symbol, array in zip((*self.scalars, *self.sizes, *self.leaves), inputs, strict=True)
        )
        got = np.broadcast_to(result.reshape(-1), (math.prod(shape),))[at]
        where = f" (index {tuple(int(j) for j in np.unravel_index(at, shape))})" if shape else ""
        text = str(self.expressions[i])
        text = text if len(text) <= 200 else text[:197] + "..."
        return (
            f"expected a finite real number, got {got} at {point}{where} from {text}; "
            "the formula is not real there, has a pole, or passes 1.8e308 on the way"
        )


def _real_or_nan(array: np.ndarray) -> np.ndarray:
    """Real parts, where rounding explains the imaginary ones; nan elsewhere."""
    if not np.iscomplexobj(array):
        return array.astype(float, copy=False)
    wrong = np.abs(array.imag) > IMAGINARY * (1 + np.abs(array.real))
    return np.where(wrong, np.nan, array.real)


# --- matrices ----------------------------------------------------------------------------------


def _matrix_scalars(expr: sp.Basic) -> set[sp.Expr]:
    """The scalars made of matrices in an expression; what is inside them is not looked at."""
    if isinstance(expr, _MATRIX_SCALARS) or (isinstance(expr, sp.Sum) and expr.has(MatrixElement)):
        return {expr}
    return set().union(*(_matrix_scalars(argument) for argument in expr.args))


def _shaped(matrix: sp.MatrixSymbol, array: np.ndarray, sizes: dict[sp.Basic, sp.Expr]) -> np.ndarray:
    """The array of a matrix symbol as 2-D, its symbolic sizes learnt or compared with the others'."""
    rows, columns = matrix.shape
    if array.ndim == 1 and columns == 1:
        array = array[:, None]
    elif array.ndim == 1 and rows == 1:
        array = array[None, :]
    if array.ndim != 2:
        raise ValueError(f"expected {matrix.name} of shape ({rows}, {columns}), got shape {array.shape}")
    learn_sizes(matrix, array.shape, sizes)
    return array


def _point(arrays: Mapping[sp.Basic, Any], numbers: Mapping[sp.Basic, float]) -> dict[sp.Basic, Any]:
    """Every number and every array of a point, and the sizes that the arrays tell."""
    sizes: dict[sp.Basic, sp.Expr] = {s: sp.Integer(int(x)) for s, x in numbers.items() if float(x).is_integer()}
    shaped = {matrix: _shaped(matrix, np.asarray(array), sizes) for matrix, array in arrays.items()}
    return {**{symbol: float(size) for symbol, size in sizes.items()}, **numbers, **shaped}


def _matrix_scalar(leaf: sp.Expr, known: Mapping[sp.Basic, Any]) -> float:
    if isinstance(leaf, Dot):
        return float(np.sum(_matrix(leaf.left, known) * _matrix(leaf.right, known)))
    if isinstance(leaf, sp.Trace):
        return float(np.trace(_matrix(leaf.arg, known)))
    if isinstance(leaf, sp.Determinant):
        return float(np.linalg.det(_matrix(leaf.arg, known)))
    if isinstance(leaf, sp.Sum):
        return float(_summed(leaf, (), known))
    matrix, i, j = leaf.args
    return float(_matrix(matrix, known)[int(_scalar(i, known)), int(_scalar(j, known))])


def _scalar(expr: sp.Expr, known: Mapping[sp.Basic, Any]) -> float:
    arguments = tuple(sorted(expr.free_symbols, key=sp.default_sort_key))
    unknown = [symbol for symbol in arguments if symbol not in known]
    if unknown:
        raise ValueError(f"expected one number for {_list(unknown)}, which stands inside a matrix, in {expr}")
    return _compiled((expr,), arguments)(*(known[symbol] for symbol in arguments))[0]


def _matrix(expr: sp.Expr, known: Mapping[sp.Basic, Any]) -> np.ndarray:
    """The 2-D array of a matrix expression."""
    if expr in known:
        return known[expr]
    if isinstance(expr, sp.MatrixBase):
        entries = [_scalar(entry, known) for entry in expr.flat()]
        return np.array(entries, dtype=float).reshape(expr.shape)
    if isinstance(expr, sp.MatAdd):
        return reduce(np.add, (_matrix(argument, known) for argument in expr.args))
    if isinstance(expr, sp.MatMul):
        coefficient, factors = expr.as_coeff_matrices()
        product = _matrix(factors[-1], known)
        for factor in reversed(factors[:-1]):
            product = _matrix(factor, known) @ product
        return product if coefficient == 1 else _scalar(coefficient, known) * product
    if isinstance(expr, sp.Transpose):
        return _matrix(expr.arg, known).T
    if isinstance(expr, sp.HadamardProduct):
        return reduce(np.multiply, (_matrix(argument, known) for argument in expr.args))
    if isinstance(expr, (sp.Identity, sp.ZeroMatrix, sp.OneMatrix)):
        shape = tuple(int(_scalar(size, known)) for size in expr.shape)
        if isinstance(expr, sp.Identity):
            return np.eye(shape[0])
        return np.zeros(shape) if isinstance(expr, sp.ZeroMatrix) else np.ones(shape)
    if isinstance(expr, _ENTRYWISE):
        return _entrywise(expr, known)
    if isinstance(expr, sp.Inverse):
        return np.linalg.inv(_matrix(expr.arg, known))
    if isinstance(expr, sp.MatPow):
        return np.linalg.matrix_power(_matrix(expr.base, known), int(_scalar(expr.exp, known)))
    if isinstance(expr, sp.MatrixSymbol):
        raise ValueError(f"expected an array for {expr.name}, got none")
    raise NotImplementedError(refusal(expr))


def _entrywise(expr: sp.Expr, known: Mapping[sp.Basic, Any]) -> np.ndarray:
    """Diagonals, powers entry by entry, and matrices given by a formula for their entries."""
    if isinstance(expr, sp.HadamardPower):
        return _matrix(expr.base, known) ** _scalar(expr.exp, known)
    if isinstance(expr, sp.FunctionMatrix):
        i, j = expr.lamda.variables
        body, (rows, columns) = expr.lamda.expr, (int(_scalar(size, known)) for size in expr.shape)
        if isinstance(body, sp.Sum):
            return _summed(body, (i, j), known)
        at = ({**known, i: float(a), j: float(b)} for a in range(rows) for b in range(columns))
        return np.array([_scalar_at(body, point) for point in at]).reshape(rows, columns)
    matrix = _matrix(expr.args[0], known)
    if isinstance(expr, DiagonalOf):
        return np.diag(matrix)[:, None]
    return np.diag(matrix.ravel()) if isinstance(expr, sp.DiagMatrix) else np.diag(np.diag(matrix))


def _scalar_at(expr: sp.Expr, known: Mapping[sp.Basic, Any]) -> float:
    """A formula at positions that are numbers by now; Kronecker deltas are compared."""
    positions = {symbol: sp.Integer(int(known[symbol])) for symbol in expr.free_symbols if symbol.is_integer}
    return _scalar(expr.xreplace(positions).doit(), known)


def _summed(expr: sp.Sum, outputs: tuple[sp.Symbol, ...], known: Mapping[sp.Basic, Any]) -> np.ndarray:
    """Σ of a product of entries over indices, as one contraction."""
    indices = (*outputs, *(limit[0] for limit in expr.limits))
    letters = {index: chr(ord("a") + k) for k, index in enumerate(indices)}
    coefficient, operands, places = 1.0, [], []
    for factor in sp.Mul.make_args(expr.function):
        base, power = factor.as_base_exp()
        if isinstance(base, MatrixElement) and power.is_Integer and power > 0:
            array = _matrix(base.parent, known)
            used = [(axis, index) for axis, index in enumerate((base.i, base.j)) if index in letters]
            fixed = {
                axis: int(_scalar(index, known)) for axis, index in enumerate((base.i, base.j)) if index not in letters
            }
            array = array[tuple(fixed.get(axis, slice(None)) for axis in range(2))]
            operands.append(array ** int(power))
            places.append("".join(letters[index] for _, index in used))
        elif not factor.free_symbols & set(indices):
            coefficient *= _scalar(factor, known)
        else:
            raise NotImplementedError(refusal(expr))
    for index, low, high in expr.limits:
        if low != 0:
            raise NotImplementedError(refusal(expr))
        if not any(letters[index] in place for place in places):
            coefficient *= _scalar(high, known) + 1
    target = "".join(letters[index] for index in outputs)
    return coefficient * np.einsum(f"{','.join(places)}->{target}", *operands, optimize=True)


# --- what comes in -----------------------------------------------------------------------------


def _real(name: str, given: Any) -> Any:
    """A value as a finite float, or as an array of finite float64."""
    if type(given) is float and math.isfinite(given):
        return given
    wanted = f"expected a real number or an array of real numbers for {name}, got {name}={_short(given)}"
    if isinstance(given, (str, bytes, bool, np.bool_, Mapping)) or given is None:
        raise TypeError(f"{wanted} of type {type(given).__name__}")
    if isinstance(given, sp.Basic) and not isinstance(given, sp.MatrixBase):
        if not given.is_number or given.is_extended_real is False:
            raise TypeError(wanted)
        given = float(given)
    try:
        array = np.asarray(float(given) if isinstance(given, (Real, Decimal)) else given)
        if array.dtype.kind == "O":
            array = np.array([float(entry) for entry in array.flat], dtype=float).reshape(array.shape)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"{wanted} ({error})") from None
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{wanted} of dtype {array.dtype}")
    array = array.astype(np.float64, copy=False)
    _refuse(name, array, ~np.isfinite(array), "a finite number")
    return array if array.ndim else float(array)


def _refuse(name: str, array: Any, wrong: Any, wanted: str) -> None:
    """Raises where `wrong` holds, with the first value there."""
    if np.any(wrong):
        array, wrong = np.asarray(array), np.asarray(wrong)
        at = np.unravel_index(int(np.argmax(wrong)), wrong.shape) if wrong.ndim else ()
        where = f" at index {tuple(int(i) for i in at)}" if wrong.ndim else ""
        raise ValueError(f"expected {wanted} for {name}, got {name}={float(array[at])!r}{where}")


_ASSUMPTIONS: tuple[tuple[str, Callable[[Any], Any], str], ...] = (
    ("is_positive", lambda x: x <= 0, "{} > 0"),
    ("is_negative", lambda x: x >= 0, "{} < 0"),
    ("is_nonnegative", lambda x: x < 0, "{} >= 0"),
    ("is_nonpositive", lambda x: x > 0, "{} <= 0"),
    ("is_integer", lambda x: x != np.rint(x), "an integer"),
)


@lru_cache(maxsize=1024)
def _assumptions(symbol: sp.Symbol) -> tuple[tuple[Callable[[Any], Any], str], ...]:
    """What the formula was derived under and must hold, such as λ > 0 or an integer L."""
    assumed = [(wrong, text) for name, wrong, text in _ASSUMPTIONS if getattr(symbol, name)]
    return tuple((wrong, text.format(symbol.name)) for wrong, text in assumed)


def _check_assumptions(symbol: sp.Symbol, number: Any) -> None:
    for wrong, wanted in _assumptions(symbol):
        _refuse(symbol.name, number, wrong(number), wanted)


def _common_shape(scalars: Mapping[sp.Basic, Any]) -> tuple[int, ...]:
    first: sp.Basic | None = None
    for symbol, array in scalars.items():
        if not np.ndim(array):
            continue
        if first is None:
            first = symbol
        elif array.shape != scalars[first].shape:
            raise ValueError(
                f"expected numbers and arrays of one common shape, got {first} of shape "
                f"{scalars[first].shape} and {symbol} of shape {array.shape}; repeat them to one shape first"
            )
    return () if first is None else scalars[first].shape


def _expression(given: Any) -> sp.Expr:
    if isinstance(given, str) or not isinstance(given, (sp.Basic, Real, sp.MatrixBase)):
        raise TypeError(f"expected a sympy expression, got {_short(given)} of type {type(given).__name__}")
    expr = sp.sympify(given, strict=True)
    if not isinstance(expr, (sp.Expr, sp.logic.boolalg.Boolean)):
        raise TypeError(f"expected a sympy expression, got {expr} of type {type(expr).__name__}")
    return expr


def _short(given: Any) -> str:
    text = repr(given).replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."


def _list(symbols: Iterable[Any]) -> str:
    return ", ".join(sorted(str(symbol) for symbol in symbols)) or "none"


@lru_cache(maxsize=1024)
def _symbols(expr: sp.Basic) -> frozenset[sp.Basic]:
    """The free symbols, kept, because sympy walks the whole tree each time."""
    return frozenset(expr.free_symbols)


@lru_cache(maxsize=256)
def _compiled(expressions: tuple[sp.Expr, ...], arguments: tuple[sp.Basic, ...]) -> _Compiled:
    return _Compiled(expressions, arguments)


# --- the door ----------------------------------------------------------------------------------


def compile(expr: Any, arguments: Sequence[sp.Symbol]) -> Callable[..., Any]:
    """A formula as a function of numpy arrays, in double precision.

    Args:
        expr: a sympy expression, a sequence of them, or an explicit matrix; it may contain `Dot`s,
            traces and determinants of matrix symbols.
        arguments: the symbols, in the order in which their values will be passed.

    Returns:
        A function f(*values): each value a number or an array; the arrays have one common shape, and
        numbers go with any shape. A vector (a MatrixSymbol of shape (d, 1)) takes one 1-D array of length d.
        It returns a float or an array of that shape; for a sequence a tuple of them; for an explicit
        r × c matrix an array whose last two axes are (r, c).

    Raises:
        NotImplementedError: for a function without a float rule, by its name.
        ValueError: here, for a symbol of the formula that is no argument; from the function, for
            values that are not finite, that break an assumption of their symbol, whose shapes differ,
            or where the formula has no finite real value: it never returns nan.

    >>> x, y = sp.symbols("x y", real=True)
    >>> f = compile(sp.erf(x)*y, (x, y))
    >>> f(0.5, np.array([1.0, 2.0]))
    array([0.52049988, 1.04099976])
    """
    symbols = tuple(arguments) if isinstance(arguments, (Sequence, sp.Tuple)) else (arguments,)
    for symbol in symbols:
        if not isinstance(symbol, (sp.Symbol, sp.MatrixSymbol)):
            raise TypeError(f"expected symbols, got {_short(symbol)} of type {type(symbol).__name__}")
    repeated = [symbol for symbol, count in Counter(symbols).items() if count > 1]
    if repeated:
        raise ValueError(f"expected every argument once, got {_list(repeated)} more than once")
    if isinstance(expr, sp.MatrixBase):
        entries = _Compiled([_expression(entry) for entry in expr.flat()], symbols)

        def matrix(*values: Any) -> np.ndarray:
            array = np.stack([np.asarray(entry) for entry in entries(*values)], axis=-1)
            return array.reshape(*array.shape[:-1], *expr.shape)

        return matrix
    if isinstance(expr, (list, tuple, sp.Tuple)):
        return _Compiled([_expression(entry) for entry in expr], symbols)
    single = _Compiled([_expression(expr)], symbols)
    return lambda *values: single(*values)[0]


def compile_screen(
    expressions: Sequence[sp.Expr], arguments: Sequence[sp.Symbol]
) -> Callable[[Sequence[np.ndarray]], tuple[np.ndarray, ...]]:
    """Several scalar formulas as one function that never raises: nan where a formula has no finite real value.

    For looking at many points quickly, most of which do not matter. Assumptions of the symbols are not checked.

    Args:
        expressions: formulas without matrices, or relations (1 where true, 0 where false).
        arguments: the symbols; at least one.

    Returns:
        A function of a sequence of float arrays of one length, in the order of the arguments, which returns an
        array of that length for each formula; infinite values become nan as well.

    Raises:
        NotImplementedError: for a function without a float rule, and for matrices.
        ValueError: for a symbol that is no argument, or no argument at all.

    >>> x = sp.Symbol("x", real=True)
    >>> compile_screen([1/x, sp.sqrt(x)], [x])([np.array([0.0, 4.0, -1.0])])
    (array([ nan, 0.25, -1.  ]), array([ 0.,  2., nan]))
    """
    compiled = _compiled(tuple(_expression(expr) for expr in expressions), tuple(arguments))
    if not compiled.arguments:
        raise ValueError("expected at least one argument")
    if compiled.matrices or compiled.leaves:
        raise NotImplementedError(f"expected formulas without matrices, got {_list(compiled.leaves)}")

    def screen(values: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        results = compiled.screened([np.asarray(array, dtype=float) for array in values])
        return tuple(np.where(np.isfinite(result), result, np.nan) for result in results)

    return screen


def value(expr_or_risk: Any, values: Mapping[Any, Any]) -> float | np.ndarray:
    """The number at given parameters, or the array of numbers at arrays of parameters.

    Args:
        expr_or_risk: a sympy expression, or a risk, whose conditions are checked as well where they are
            relations. Its domain is not: that is where claims are asserted, and overlaps computed from
            unit vectors leave [−1, 1] by rounding.
        values: a number or an array for each symbol, by symbol or by name; arrays of one common shape
            for scalars, one array for a vector or a matrix. A size that the arrays tell may be left out.

    Returns:
        A float, or an array of the common shape; a 2-D array for a matrix expression.

    Raises:
        ValueError: for a missing, unknown or ambiguous name, for a value that is not finite or outside of
            what the formula was derived under, for shapes that differ, and where the formula has no
            finite real value.

    >>> kappa = sp.Symbol("kappa", real=True)
    >>> value(sp.erf(kappa)**2, {"kappa": 0.5})
    0.2709201...
    """
    expr = expr_or_risk.expr if isinstance(expr_or_risk, Risk) else expr_or_risk
    if isinstance(expr, sp.MatrixBase) or getattr(expr, "is_Matrix", False):
        return _matrix_value(expr, by_symbol(expr_or_risk, _symbols(expr), values))
    expr = _expression(expr)
    given = by_symbol(expr_or_risk, _symbols(expr), values)
    arguments = tuple(sorted(given, key=sp.default_sort_key))
    _check_conditions(expr_or_risk, given)
    return _compiled((expr,), arguments)(*(given[symbol] for symbol in arguments))[0]


def gradient(risk: Risk, values: Mapping[Any, Any]) -> dict[str, float | np.ndarray]:
    """The partial derivatives ∂R/∂p at given parameters, by the name of the parameter p.

    Args:
        risk: a population risk.
        values: as for `value`, a number or an array for each symbol.

    Returns:
        A dict with one entry for each parameter of the risk: a float or an array of the common shape; for a
        vector or a matrix an array of its own shape.

    >>> from theory.domain import Domain
    >>> kappa, nu = sp.symbols("kappa nu", real=True)
    >>> risk = Risk(kappa**2*nu, (kappa, nu), Domain({kappa: (-1, 1), nu: (-1, 1)}))
    >>> gradient(risk, {"kappa": 0.5, "nu": 1.0})
    {'kappa': 1.0, 'nu': 0.25}
    """
    if not isinstance(risk, Risk):
        raise TypeError(f"expected a risk, got {_short(risk)} of type {type(risk).__name__}")
    derivatives = dict(risk.gradient())
    symbols = _symbols(risk.expr).union(*(_symbols(entry) for entry in derivatives.values()))
    given = by_symbol(risk, symbols, values)
    arguments = tuple(sorted(given, key=sp.default_sort_key))
    scalars = {p: entry for p, entry in derivatives.items() if not getattr(entry, "is_Matrix", False)}
    _check_conditions(risk, given)
    numbers = _compiled(tuple(scalars.values()), arguments)(*(given[symbol] for symbol in arguments))
    found = dict(zip(scalars, numbers, strict=True))
    found.update((p, _matrix_value(entry, given)) for p, entry in derivatives.items() if p not in scalars)
    return {str(p): found[p] for p in derivatives}


def _check_conditions(expr_or_risk: Any, given: Mapping[sp.Basic, Any]) -> None:
    """What a derivation needed, such as a finite mean, as far as it is a relation between numbers.

    Predicates, such as that a matrix is definite, tell a solver what it may use; the formula does not need them.
    """
    for condition in expr_or_risk.conditions if isinstance(expr_or_risk, Risk) else ():
        is_relation = isinstance(condition, sp.logic.boolalg.Boolean) and not condition.has(sp.AppliedPredicate)
        if not is_relation or not condition.free_symbols <= set(given):
            continue
        arguments = tuple(sorted(condition.free_symbols, key=sp.default_sort_key))
        holds = np.asarray(_compiled((condition,), arguments)(*(given[symbol] for symbol in arguments))[0])
        if not holds.all():
            at = np.unravel_index(int(np.argmin(holds)), holds.shape) if holds.ndim else ()
            point = ", ".join(
                f"{symbol}={array.tolist()}"
                if isinstance(symbol, sp.MatrixSymbol)
                else f"{symbol}={float(array[at] if array.ndim else array)!r}"
                for symbol, array in ((s, np.asarray(_real(s.name, given[s]))) for s in arguments)
            )
            raise ValueError(f"expected {condition}, under which the risk was derived, got {point}")


def _matrix_value(expr: sp.Expr, given: Mapping[sp.Basic, Any]) -> np.ndarray:
    """The array of a matrix expression at one point."""
    arrays = {symbol: _real(symbol.name, number) for symbol, number in given.items()}
    matrices = {symbol: array for symbol, array in arrays.items() if isinstance(symbol, sp.MatrixSymbol)}
    numbers = {symbol: array for symbol, array in arrays.items() if symbol not in matrices}
    for symbol, number in numbers.items():
        if np.ndim(number):
            raise ValueError(f"expected one number for {symbol} in a matrix expression, got shape {number.shape}")
        _check_assumptions(symbol, number)
    result = _matrix(expr, _point(matrices, numbers))
    if not np.isfinite(result).all():  # asked first: writing a long formula takes longer than its value
        _refuse(str(expr), result, ~np.isfinite(result), "a finite value")
    return result
