"""The door from symbols to floats.

    compile(expr, arguments)      a function of numpy arrays
    value(expr_or_risk, values)   the number, or the array of numbers, at given parameters
    gradient(risk, values)        the partial derivatives, by parameter name

A sympy tree becomes a *tape*: a list of numpy ufuncs, one after the other, each writing into a
buffer. No text is generated and nothing is executed but numpy and scipy. Three things make it
quick, and none changes the structure of the formula, because expanded forms lose digits:

- a subexpression that occurs twice is computed once, and what depends on scalars alone is
  computed once a call rather than once a point;
- sums of products are put in Horner form, the most frequent factor first;
- points are taken in blocks of 4,096, so the buffers stay in the processor's cache.

One danger of floats is met here too: a ratio such as e^a / (e^a + e^b), a softmax or the
derivative of a sigmoid, is computed as exp(a − log(e^a + e^b)) and does not overflow.

A `GaussianIntegral` of dimension one is computed by adaptive Gauss-Kronrod quadrature, point by
point, with the panels placed where the arguments of the integrand vanish. Gauss-Hermite nodes
would be 3 % off at a gate of slope 20, without a warning.

References: Piessens et al., QUADPACK (1983), for the 21-point Gauss-Kronrod rule and its error
estimate; Ceberio and Kreinovich, SIGSAM Bulletin 38 (2004), for greedy multivariate Horner forms.
"""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, reduce
from numbers import Real
from typing import Any

import numpy as np
import sympy as sp
from scipy import special
from sympy.logic.boolalg import BooleanFalse, BooleanTrue
from sympy.matrices.expressions.matexpr import MatrixElement

from theory.integral import GaussianIntegral
from theory.risk import Risk
from theory.special import BivariateNormalCDF, NormalCDF, OwenT
from theory.variables import Dot, GaussianScalar, Latent

from .special import bivariate_normal_cdf, normal_cdf, owens_t

__all__ = ["compile", "gradient", "value"]

BLOCK = 4096  # points a block: 32 kB a buffer; a dozen live buffers fit a second-level cache
IMAGINARY = 1e-8  # what rounding may leave of an imaginary part: half the digits, for formulas that cancel


# --- operations ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Operation:
    """A function of arrays: `into(*inputs, out)` writes its value, `of(*inputs)` returns it."""

    of: Callable[..., Any]
    into: Callable[..., Any]
    takes_complex: bool = False
    returns_real: bool = False


def _ufunc(function: np.ufunc, takes_complex: bool = True, returns_real: bool = False) -> _Operation:
    return _Operation(function, function, takes_complex, returns_real)


def _kernel(function: Callable[..., Any], takes_complex: bool = False, returns_real: bool = False) -> _Operation:
    def into(*inputs_and_out: Any) -> None:
        inputs_and_out[-1][...] = function(*inputs_and_out[:-1])

    return _Operation(function, into, takes_complex, returns_real)


_ADD, _SUBTRACT, _MULTIPLY = _ufunc(np.add), _ufunc(np.subtract), _ufunc(np.multiply)
_NEGATIVE, _DIVIDE = _ufunc(np.negative), _ufunc(np.divide)
_SQRT, _POWER, _EXP, _LOG = _ufunc(np.sqrt), _ufunc(np.power), _ufunc(np.exp), _ufunc(np.log)
_LOGADDEXP = _ufunc(np.logaddexp, takes_complex=False)
_MAXIMUM = _Operation(np.maximum, lambda a, b, out: np.maximum(a, b, out=out))  # out by position is deprecated
_MINIMUM = _Operation(np.minimum, lambda a, b, out: np.minimum(a, b, out=out))
_WHERE = _kernel(lambda condition, yes, no: np.where(np.not_equal(condition, 0.0), yes, no), takes_complex=True)

_FUNCTIONS: dict[type, _Operation] = {
    sp.exp: _EXP,
    sp.log: _LOG,
    sp.sin: _ufunc(np.sin),
    sp.cos: _ufunc(np.cos),
    sp.tan: _ufunc(np.tan),
    sp.asin: _ufunc(np.arcsin),
    sp.acos: _ufunc(np.arccos),
    sp.atan: _ufunc(np.arctan),
    sp.sinh: _ufunc(np.sinh),
    sp.cosh: _ufunc(np.cosh),
    sp.tanh: _ufunc(np.tanh),
    sp.asinh: _ufunc(np.arcsinh),
    sp.acosh: _ufunc(np.arccosh),
    sp.atanh: _ufunc(np.arctanh),
    sp.atan2: _ufunc(np.arctan2, takes_complex=False),
    sp.floor: _ufunc(np.floor, takes_complex=False),
    sp.ceiling: _ufunc(np.ceil, takes_complex=False),
    sp.Mod: _ufunc(np.mod, takes_complex=False),
    sp.Heaviside: _ufunc(np.heaviside, takes_complex=False),
    sp.sign: _ufunc(np.sign, takes_complex=False),
    sp.Abs: _ufunc(np.absolute, returns_real=True),
    sp.re: _kernel(np.real, takes_complex=True, returns_real=True),
    sp.im: _kernel(np.imag, takes_complex=True, returns_real=True),
    sp.arg: _kernel(np.angle, takes_complex=True, returns_real=True),
    sp.conjugate: _ufunc(np.conjugate),
    sp.erf: _ufunc(special.erf),
    sp.erfc: _ufunc(special.erfc),
    sp.erfi: _ufunc(special.erfi),
    sp.erfinv: _ufunc(special.erfinv, takes_complex=False),
    sp.erfcinv: _ufunc(special.erfcinv, takes_complex=False),
    sp.gamma: _ufunc(special.gamma),
    sp.loggamma: _ufunc(special.gammaln, takes_complex=False),
    sp.polygamma: _kernel(special.polygamma),
    sp.binomial: _ufunc(special.binom, takes_complex=False),
    sp.RisingFactorial: _ufunc(special.poch, takes_complex=False),
    NormalCDF: _kernel(normal_cdf),
    OwenT: _kernel(owens_t),
    BivariateNormalCDF: _kernel(bivariate_normal_cdf),
}

_REWRITTEN: dict[type, Callable[..., sp.Expr]] = {
    sp.sec: lambda x: 1 / sp.cos(x),
    sp.csc: lambda x: 1 / sp.sin(x),
    sp.cot: lambda x: sp.cos(x) / sp.sin(x),
    sp.sech: lambda x: 1 / sp.cosh(x),
    sp.csch: lambda x: 1 / sp.sinh(x),
    sp.coth: lambda x: 1 / sp.tanh(x),
    sp.asec: lambda x: sp.acos(1 / x),
    sp.acsc: lambda x: sp.asin(1 / x),
    sp.acot: lambda x: sp.atan(1 / x),
    sp.asech: lambda x: sp.acosh(1 / x),
    sp.acsch: lambda x: sp.asinh(1 / x),
    sp.acoth: lambda x: sp.atanh(1 / x),
    sp.erf2: lambda x, y: sp.erf(y) - sp.erf(x),
    sp.factorial: lambda x: sp.gamma(x + 1),
    sp.FallingFactorial: lambda x, k: sp.RisingFactorial(x - k + 1, k),
}

_RELATIONS: dict[type, _Operation] = {
    sp.StrictLessThan: _ufunc(np.less, takes_complex=False),
    sp.LessThan: _ufunc(np.less_equal, takes_complex=False),
    sp.StrictGreaterThan: _ufunc(np.greater, takes_complex=False),
    sp.GreaterThan: _ufunc(np.greater_equal, takes_complex=False),
    sp.Equality: _ufunc(np.equal, returns_real=True),
    sp.Unequality: _ufunc(np.not_equal, returns_real=True),
}

# Scalars made of matrices: computed once a call, before the tape runs.
_MATRIX_SCALARS = (Dot, sp.Trace, sp.Determinant, MatrixElement)


# --- from tree to tape -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Step:
    operation: _Operation
    inputs: tuple[int, ...]
    output: int


@dataclass(frozen=True)
class _Tape:
    """What to compute: scalars first, then the steps of a block, every value in a numbered cell."""

    constants: dict[int, complex]
    arguments: dict[int, int]  # cell -> position of the argument
    scalar_steps: tuple[_Step, ...]
    block_steps: tuple[_Step, ...]
    registers: dict[int, int]  # cell that varies -> buffer it lives in
    complex_cells: frozenset[int]
    outputs: tuple[int, ...]


class _Writer:
    """Writes the tape of some expressions; equal steps are written once."""

    def __init__(self, arguments: Sequence[sp.Basic], varying: Iterable[int]) -> None:
        self.positions = {symbol: i for i, symbol in enumerate(arguments)}
        self.varying_arguments = frozenset(varying)
        self.steps: list[_Step] = []
        self.constants: dict[int, complex] = {}
        self.arguments: dict[int, int] = {}
        self.varies: list[bool] = []
        self.complex: list[bool] = []
        self._cells: dict[Any, int] = {}
        self._nodes: dict[sp.Basic, int] = {}

    def tape(self, outputs: tuple[int, ...]) -> _Tape:
        """The steps that the outputs need, with buffers shared between values that never meet."""
        needed, kept = set(outputs), []
        for step in reversed(self.steps):
            if step.output in needed:
                kept.append(step)
                needed.update(step.inputs)
        kept.reverse()
        block = tuple(step for step in kept if self.varies[step.output])
        inputs = {cell: i for cell, i in self.arguments.items() if cell in needed}
        return _Tape(
            constants={cell: number for cell, number in self.constants.items() if cell in needed},
            arguments=inputs,
            scalar_steps=tuple(step for step in kept if not self.varies[step.output]),
            block_steps=block,
            registers=self._registers(block, [cell for cell in inputs if self.varies[cell]], outputs),
            complex_cells=frozenset(cell for cell in needed if self.complex[cell]),
            outputs=outputs,
        )

    def _registers(self, steps: tuple[_Step, ...], inputs: list[int], outputs: tuple[int, ...]) -> dict[int, int]:
        last_use = {cell: i for i, step in enumerate(steps) for cell in step.inputs}
        last_use.update((cell, len(steps)) for cell in outputs)
        registers = {cell: i for i, cell in enumerate(inputs)}
        count = len(inputs)
        free: dict[bool, list[int]] = {False: [], True: []}
        for i, step in enumerate(steps):
            for cell in set(step.inputs):
                if last_use[cell] == i and cell in registers:
                    free[self.complex[cell]].append(registers[cell])
            pool = free[self.complex[step.output]]
            if pool:
                registers[step.output] = pool.pop()
            else:
                registers[step.output] = count
                count += 1
        return registers

    # cells

    def constant(self, number: complex) -> int:
        key = ("constant", type(number), number)
        if key not in self._cells:
            cell = self._new_cell(key, varies=False, is_complex=isinstance(number, complex))
            self.constants[cell] = number
        return self._cells[key]

    def _argument(self, symbol: sp.Basic) -> int:
        position = self.positions[symbol]
        key = ("argument", position)
        if key not in self._cells:
            cell = self._new_cell(key, varies=position in self.varying_arguments, is_complex=False)
            self.arguments[cell] = position
        return self._cells[key]

    def _new_cell(self, key: Any, varies: bool, is_complex: bool) -> int:
        self._cells[key] = len(self.varies)
        self.varies.append(varies)
        self.complex.append(is_complex)
        return self._cells[key]

    def emit(self, operation: _Operation, *inputs: int, for_expr: sp.Basic | None = None) -> int:
        if operation is _ADD or operation is _MULTIPLY:
            inputs = tuple(sorted(inputs))
        key = (operation, *inputs)
        if key in self._cells:
            return self._cells[key]
        is_complex = any(self.complex[cell] for cell in inputs)
        if is_complex and not operation.takes_complex:
            raise NotImplementedError(f"expected real arguments, got complex ones in {for_expr}; take real parts")
        if all(cell in self.constants for cell in inputs):
            with np.errstate(all="ignore"):
                number = operation.of(*(self.constants[cell] for cell in inputs))
            folded = float(number) if operation.returns_real or not is_complex else complex(number)
            if np.isfinite(folded):
                self._cells[key] = self.constant(folded)
                return self._cells[key]
        varies = any(self.varies[cell] for cell in inputs)
        cell = self._new_cell(key, varies, is_complex and not operation.returns_real)
        self.steps.append(_Step(operation, inputs, cell))
        return cell

    # nodes

    def node(self, expr: sp.Basic) -> int:
        """The cell that holds the value of an expression."""
        if expr not in self._nodes:
            self._nodes[expr] = self._write(expr)
        return self._nodes[expr]

    def _write(self, expr: sp.Basic) -> int:
        if expr in self.positions:
            return self._argument(expr)
        if isinstance(expr, (sp.Add, sp.Mul)):
            return self._sum_of_products(expr)
        if isinstance(expr, sp.Pow):
            base, power = self._factor(expr)
            return self._power(base, power)
        if isinstance(expr, (sp.Max, sp.Min)):
            return self._chain(_MAXIMUM if isinstance(expr, sp.Max) else _MINIMUM, expr)
        if isinstance(expr, (sp.Number, sp.NumberSymbol)):
            return self.constant(_float_of(expr))
        if expr == sp.I:
            return self.constant(1j)
        if isinstance(expr, GaussianIntegral):
            return self._integral(expr)
        if isinstance(expr, sp.Piecewise):
            return self._piecewise(expr)
        if isinstance(expr, (BooleanTrue, BooleanFalse)):
            return self.constant(float(bool(expr)))
        if isinstance(expr, (sp.And, sp.Or)):
            return self._chain(_MINIMUM if isinstance(expr, sp.And) else _MAXIMUM, expr)
        if isinstance(expr, sp.Not):
            return self.emit(_SUBTRACT, self.constant(1.0), self.node(expr.args[0]))
        if expr.func in _REWRITTEN:
            return self.node(_REWRITTEN[expr.func](*expr.args))
        operation = _FUNCTIONS.get(expr.func) or _RELATIONS.get(expr.func)
        if operation is None or (expr.func == sp.log and len(expr.args) != 1):
            raise NotImplementedError(_refusal(expr))
        return self.emit(operation, *(self.node(argument) for argument in expr.args), for_expr=expr)

    def _chain(self, operation: _Operation, expr: sp.Basic) -> int:
        cells = sorted((self.node(argument) for argument in expr.args), key=lambda cell: (self.varies[cell], cell))
        result = cells[0]
        for cell in cells[1:]:
            result = self.emit(operation, result, cell, for_expr=expr)
        return result

    def _piecewise(self, expr: sp.Piecewise) -> int:
        result: int | None = None
        for branch, condition in reversed(expr.args):
            cell = self.node(branch)
            if condition == sp.true:
                result = cell
                continue
            if result is None:  # nothing is said where no condition holds
                result = self.constant(math.nan)
            result = self.emit(_WHERE, self.node(condition), cell, result)
        assert result is not None
        return result

    # sums of products

    def _sum_of_products(self, expr: sp.Expr) -> int:
        merged: dict[tuple[tuple[int, int], ...], list[int | None]] = {}
        for term in sp.Add.make_args(expr):
            coefficient, monomial = self._monomial(term)
            merged.setdefault(monomial, []).append(coefficient)
        terms = []
        for monomial, coefficients in merged.items():
            coefficient = coefficients[0]
            for other in coefficients[1:]:
                one = self.constant(1.0)
                pair = [one if scalar is None else scalar for scalar in (coefficient, other)]
                coefficient = self.emit(_ADD, *pair)
            terms.append((coefficient, dict(monomial)))
        return self._horner(terms)

    def _monomial(self, term: sp.Expr) -> tuple[int | None, tuple[tuple[int, int], ...]]:
        """A term as a scalar coefficient (None for 1) and powers of cells that vary."""
        coefficient: int | None = None
        powers: Counter[int] = Counter()
        factors, stable = self._stable_exponential(sp.Mul.make_args(term))
        for base, power in [(cell, 1) for cell in stable] + [self._factor(factor) for factor in factors]:
            if self.varies[base]:
                powers[base] += power
            else:
                scalar = self._power(base, power)
                if self.constants.get(scalar) != 1.0:
                    coefficient = scalar if coefficient is None else self.emit(_MULTIPLY, coefficient, scalar)
        return coefficient, tuple(sorted(powers.items()))

    def _factor(self, expr: sp.Expr) -> tuple[int, int]:
        """A factor as a positive integer power of a cell: x^(−3/2) is the cube of 1/√x."""
        if not isinstance(expr, sp.Pow):
            return self.node(expr), 1
        base, exponent = expr.args
        if exponent.is_Rational and exponent.q in (1, 2) and abs(exponent.p) <= 64:
            cell = self.node(base)
            if exponent.q == 2:
                cell = self.emit(_SQRT, cell)
            if exponent.p < 0:
                cell = self.emit(_DIVIDE, self.constant(1.0), cell)
            return cell, abs(exponent.p)
        if base == sp.E:
            return self.emit(_EXP, self.node(exponent)), 1
        return self.emit(_POWER, self.node(base), self.node(exponent)), 1

    def _power(self, base: int, power: int) -> int:
        if power == 1:
            return base
        half = self._power(base, power // 2)
        square = self.emit(_MULTIPLY, half, half)
        return square if power % 2 == 0 else self.emit(_MULTIPLY, square, base)

    def _stable_exponential(self, factors: tuple[sp.Expr, ...]) -> tuple[list[sp.Expr], list[int]]:
        """e^a e^{a'} (Σ cᵢ e^{bᵢ})^{−p} as exp(a + a' − p log Σ cᵢ e^{bᵢ}), which cannot overflow; cᵢ > 0."""
        exponentials = [factor for factor in factors if isinstance(factor, sp.exp)]
        ratios = [factor for factor in factors if exponentials and _is_reciprocal_of_exponentials(factor)]
        if len(exponentials) + len(ratios) < 2:
            return list(factors), []
        exponent = self.node(sp.Add(*(factor.args[0] for factor in exponentials)))
        for ratio in ratios:
            log_sum: int | None = None
            for term in ratio.base.args:
                weight, exponential = _weighted_exponential(term)
                log_term = self.node(sp.log(weight) + exponential)
                log_sum = log_term if log_sum is None else self.emit(_LOGADDEXP, log_sum, log_term, for_expr=ratio)
            assert log_sum is not None
            scaled = self.emit(_MULTIPLY, self.constant(float(-ratio.exp)), log_sum)
            exponent = self.emit(_SUBTRACT, exponent, scaled)
        rest = [factor for factor in factors if factor not in exponentials and factor not in ratios]
        return rest, [self.emit(_EXP, exponent)]

    def _horner(self, terms: list[tuple[int | None, dict[int, int]]]) -> int:
        """Σ coefficient · monomial, the factor met most often taken out first."""
        summands: list[tuple[bool, int]] = []
        while terms:
            count = Counter(base for _, powers in terms for base in powers)
            base, uses = max(count.items(), key=lambda item: (item[1], -item[0]), default=(0, 0))
            if uses < 2:
                break
            inside = [(coefficient, dict(powers)) for coefficient, powers in terms if base in powers]
            terms = [(coefficient, powers) for coefficient, powers in terms if base not in powers]
            least = min(powers[base] for _, powers in inside)
            for _, powers in inside:
                powers[base] -= least
                if not powers[base]:
                    del powers[base]
            summands.append((False, self.emit(_MULTIPLY, self._power(base, least), self._horner(inside))))
        for coefficient, powers in terms:
            minus = coefficient is not None and self.constants.get(coefficient) == -1.0
            cell = None if minus else coefficient
            for base, power in sorted(powers.items()):
                factor = self._power(base, power)
                cell = factor if cell is None else self.emit(_MULTIPLY, cell, factor)
            summands.append((minus, self.constant(1.0) if cell is None else cell))
        return self._signed_sum(summands)

    def _signed_sum(self, summands: list[tuple[bool, int]]) -> int:
        if not summands:
            return self.constant(0.0)
        ordered = sorted(summands, key=lambda summand: (self.varies[summand[1]], summand[0], summand[1]))
        minus, total = ordered[0]
        if minus:
            total = self.emit(_NEGATIVE, total)
        for minus, cell in ordered[1:]:
            total = self.emit(_SUBTRACT if minus else _ADD, total, cell)
        return total

    # integrals

    def _integral(self, expr: GaussianIntegral) -> int:
        if expr.dimension != 1:
            raise NotImplementedError(
                f"no float rule for a GaussianIntegral of dimension {expr.dimension}, needed by {expr}; "
                "reduce it to dimension one"
            )
        t = expr.variables[0]
        rule = _Hoisting(t)
        density = sp.exp(-(t**2) / 2) / sp.sqrt(2 * sp.pi)
        integrand = sp.Add(*(term * density for term in sp.Add.make_args(rule.hoist(expr.integrand))))
        parameters = list(rule.parameters.values())
        back = {symbol: hoisted for hoisted, symbol in rule.parameters.items()}
        inputs = [self.node(back[symbol]) for symbol in parameters]
        # from the parts as they were written: behind names, a discriminant would not be seen to be zero
        centers = [(self.node(center), self.node(scale)) for center, scale in _features(expr.integrand * density, t)]
        writer = _Writer([t, *parameters], [0] + [1 + i for i, cell in enumerate(inputs) if self.varies[cell]])
        output = writer.node(integrand)
        quadrature = _GaussianQuadrature(writer.tape((output,)), len(inputs))
        operation = _kernel(quadrature, takes_complex=False)
        if writer.complex[output]:
            raise NotImplementedError(f"no float rule for a complex integrand, needed by {expr}; take its real part")
        return self.emit(operation, *inputs, *(cell for pair in centers for cell in pair), for_expr=expr)


def _is_reciprocal_of_exponentials(expr: sp.Expr) -> bool:
    if not (isinstance(expr, sp.Pow) and isinstance(expr.base, sp.Add)):
        return False
    if not (expr.exp.is_Rational and expr.exp.is_negative):
        return False
    terms = [_weighted_exponential(term) for term in expr.base.args]
    tame = all(weight.is_positive and exponent.is_real for weight, exponent in terms)
    return tame and any(exponent != 0 for _, exponent in terms)


def _weighted_exponential(term: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """A term w·e^b as the pair (w, b)."""
    factors = sp.Mul.make_args(term)
    exponentials = [factor for factor in factors if isinstance(factor, sp.exp)]
    weight = sp.Mul(*(factor for factor in factors if not isinstance(factor, sp.exp)))
    return weight, sp.Add(*(factor.args[0] for factor in exponentials))


def _float_of(number: sp.Expr) -> float:
    if not number.is_finite:
        raise ValueError(f"expected finite numbers in a formula, got {number}")
    try:
        if isinstance(number, sp.Rational):
            return number.p / number.q
        return float(number)
    except OverflowError:
        bits = sp.Integer(abs(number)).p.bit_length()
        raise ValueError(f"expected numbers below 1.8e308 in a formula, got one of {bits} bits") from None


def _refusal(expr: sp.Basic) -> str:
    if isinstance(expr, (GaussianScalar, Latent)):
        return f"no value for the random variable {expr}; take the mean first, with E(...)"
    return f"no float rule for {expr.func.__name__}, needed by {expr}; add it to numerics.compile."


# --- Gaussian integrals of dimension one -------------------------------------------------------


class _Hoisting:
    """Gives a name to every part of an integrand that is free of the variable: once a point is enough."""

    def __init__(self, t: sp.Symbol) -> None:
        self.t = t
        self.parameters: dict[sp.Expr, sp.Dummy] = {}

    def hoist(self, expr: sp.Basic) -> sp.Basic:
        if not expr.free_symbols:
            return expr
        if isinstance(expr, GaussianIntegral):
            return expr.xreplace({symbol: self._name(symbol) for symbol in expr.free_symbols - {self.t}})
        if isinstance(expr, sp.Expr) and self.t not in expr.free_symbols and not expr.has(sp.I):
            return self._name(expr)
        if isinstance(expr, (sp.Add, sp.Mul)):
            free = [argument for argument in expr.args if self.t not in argument.free_symbols]
            bound = [argument for argument in expr.args if self.t in argument.free_symbols]
            if len(free) > 1 and bound:
                return expr.func(self.hoist(expr.func(*free)), *(self.hoist(argument) for argument in bound))
        return expr if expr == self.t else expr.func(*(self.hoist(argument) for argument in expr.args))

    def _name(self, expr: sp.Expr) -> sp.Dummy:
        if expr not in self.parameters:
            self.parameters[expr] = sp.Dummy("p", real=True, positive=expr.is_positive)
        return self.parameters[expr]


def _features(integrand: sp.Expr, t: sp.Symbol) -> list[tuple[sp.Expr, sp.Expr]]:
    """Where the integrand may turn, and how fast: (center, width) for each linear or quadratic argument in t.

    A gate erf(a t + b) turns at −b/a over a width 1/|a|; exp(−a t² + b t) peaks at b/2a over 1/√(2a).
    """
    arguments: dict[sp.Expr, None] = {}
    for part in sp.preorder_traversal(integrand):
        if isinstance(part, GaussianIntegral):
            continue
        if isinstance(part, (sp.Max, sp.Min)):
            found = [a - b for i, a in enumerate(part.args) for b in part.args[:i]]
        elif isinstance(part, sp.core.relational.Relational):
            found = [part.lhs - part.rhs]
        elif isinstance(part, sp.Pow):
            found = [part.base]
        elif isinstance(part, sp.Function):
            found = list(part.args)
        else:
            continue
        found = [argument for argument in found if isinstance(argument, sp.Expr)]
        arguments.update((argument, None) for argument in found if t in argument.free_symbols)
    features: dict[tuple[sp.Expr, sp.Expr], None] = {}
    for argument in arguments:
        if not argument.is_polynomial(t):
            continue
        coefficients = sp.Poly(argument, t).all_coeffs()
        if len(coefficients) == 2:
            a, b = coefficients
            features[-b / a, 1 / sp.Abs(a)] = None
        elif len(coefficients) == 3:
            a, b, c = coefficients
            features[-b / (2 * a), 1 / sp.sqrt(2 * sp.Abs(a))] = None
            discriminant = sp.cancel(b**2 - 4 * a * c)  # a square's is zero, and must be seen to be
            if not discriminant.is_nonpositive:
                root = sp.sqrt(discriminant)
                features[(-b + root) / (2 * a), 1 / root] = None
                features[(-b - root) / (2 * a), 1 / root] = None
    return [pair for pair in features if not any(part.has(sp.I, sp.zoo, sp.nan) for part in pair)]


# Gauss-Kronrod, 21 points of which 10 are Gauss points: nodes in [0, 1), the rest by symmetry.
_KRONROD = np.array([
    [0.995657163025808080, 0.011694638867371874, 0.0],
    [0.973906528517171720, 0.032558162307964727, 0.066671344308688137],
    [0.930157491355708226, 0.054755896574351996, 0.0],
    [0.865063366688984510, 0.075039674810919952, 0.149451349150580593],
    [0.780817726586416897, 0.093125454583697605, 0.0],
    [0.679409568299024406, 0.109387158802297641, 0.219086362515982043],
    [0.562757134668604683, 0.123491976262065851, 0.0],
    [0.433395394129247190, 0.134709217311473325, 0.269266719309996355],
    [0.294392862701460198, 0.142775938577060080, 0.0],
    [0.148874338981631210, 0.147739104901338491, 0.295524224714752870],
    [0.0, 0.149445554002916905, 0.0],
])  # fmt: skip
_NODES, _KRONROD_WEIGHTS, _GAUSS_WEIGHTS = np.concatenate([_KRONROD * [-1, 1, 1], _KRONROD[-2::-1]]).T


def _at(points: np.ndarray, inputs: Sequence[Any]) -> list[Any]:
    return [given[points] if np.ndim(given) else given for given in inputs]


class _GaussianQuadrature:
    """∫ f(t) φ(t) dt at many points at once: Gauss-Kronrod panels, halved where the two rules disagree.

    The first panels end at fixed places and around every feature of the integrand. A panel is accepted
    when its estimated error is below TOLERANCE of ∫|f|φ. The line is cut where φ falls below the smallest
    float; where f φ has not decayed there, as for f = exp(0.49 t²), the reach grows. A point that needs
    too many panels, or whose integrand never decays (an infinite mean), is nan: the caller reports it.
    """

    REACHES = (1.0, 8.0, 64.0)  # in units of the last of ENDS
    TOLERANCE = 1e-13
    DEPTH = 200
    MOST_PANELS = 4000  # a point
    POINTS = 64  # taken together, so that memory stays constant
    ENDS = np.array([0.5, 1.5, 3.0, 4.5, 6.0, 8.0, 11.0, 16.0, 24.0, 38.0])
    WIDTHS = np.concatenate([[0.0], 5.0 ** np.arange(16), -(5.0 ** np.arange(16))])  # panel ends around a feature

    def __init__(self, tape: _Tape, parameters: int) -> None:
        self.tape = tape
        self.parameters = parameters

    def __call__(self, *inputs: Any) -> Any:
        size = max((np.size(given) for given in inputs if np.ndim(given)), default=0)
        if size == 0 and not any(np.ndim(given) for given in inputs):
            return self._integrate(inputs, 1)[0]
        result = np.empty(size)
        for start in range(0, size, self.POINTS):
            points = np.arange(start, min(start + self.POINTS, size))
            result[points] = self._integrate(_at(points, inputs), len(points))
        return result

    def _integrate(self, inputs: Sequence[Any], n: int) -> np.ndarray:
        result, left = np.full(n, np.nan), np.arange(n)
        for reach in self.REACHES:
            here = _at(left, inputs)
            total, size = self._adaptively(here, len(left), reach)
            end = reach * self.ENDS[-1]
            ends = [
                _run(self.tape, [np.full(len(left), t), *here[: self.parameters]], len(left))[0] for t in (-end, end)
            ]
            decayed = np.abs(ends[0]) + np.abs(ends[1]) <= self.TOLERANCE / end * size
            result[left[decayed]] = total[decayed]
            left = left[~decayed & np.isfinite(total)]
            if not left.size:
                break
        return result

    def _adaptively(self, inputs: Sequence[Any], n: int, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """∫ f φ, nan where it is not resolved, and ∫ |f| φ."""
        parameters, features = inputs[: self.parameters], inputs[self.parameters :]
        point, low, high = self._first_panels(features, n, reach)
        total, size = np.zeros(n), np.zeros(n)
        failed = np.zeros(n, dtype=bool)
        for _ in range(self.DEPTH):
            kronrod, magnitude, error = self._panels(parameters, point, low, high)
            here = size + np.bincount(point, magnitude, n)
            failed |= ~np.isfinite(here)
            resolved = error <= self.TOLERANCE * here[point]
            left = np.bincount(point[~resolved], magnitude[~resolved], n)
            resolved |= (left <= self.TOLERANCE * here)[point]  # a jump, in a panel too narrow to matter
            total += np.bincount(point[resolved], kronrod[resolved], n)
            size += np.bincount(point[resolved], magnitude[resolved], n)
            failed |= np.bincount(point[~resolved], minlength=n) > self.MOST_PANELS
            halved = ~resolved & ~failed[point]
            if not halved.any():
                return np.where(failed, np.nan, total), size
            point, low, high = np.tile(point[halved], 2), low[halved], high[halved]
            middle = (low + high) / 2
            low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        failed[point] = True
        return np.where(failed, np.nan, total), size

    def _first_panels(self, features: Sequence[Any], n: int, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ends = np.concatenate([self.ENDS * times for times in self.REACHES if times <= reach])
        ends = np.concatenate([-ends, ends])
        most = ends.max()
        columns = [np.broadcast_to(end, n) for end in ends]
        for center, width in zip(features[::2], features[1::2], strict=True):
            columns += [np.broadcast_to(center + times * width, n) for times in self.WIDTHS]
        grid = np.nan_to_num(np.stack(columns, axis=1), nan=self.ENDS[0], posinf=most, neginf=-most)
        grid = np.sort(np.clip(grid, -most, most), axis=1)
        low, high = grid[:, :-1], grid[:, 1:]
        point, panel = np.nonzero(high > low)
        return point, low[point, panel], high[point, panel]

    def _panels(
        self, parameters: Sequence[Any], point: np.ndarray, low: np.ndarray, high: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Integral, integral of |f φ| and error of each panel, the error estimated as in QUADPACK."""
        half, middle = (high - low) / 2, (high + low) / 2
        t = (middle[:, None] + half[:, None] * _NODES).ravel()
        nodes = len(_NODES)
        given = [np.repeat(parameter[point], nodes) if np.ndim(parameter) else parameter for parameter in parameters]
        (values,) = _run(self.tape, [t, *given], t.size)
        f = values.reshape(-1, nodes)
        kronrod, gauss = f @ _KRONROD_WEIGHTS, f @ _GAUSS_WEIGHTS
        magnitude = np.abs(f) @ _KRONROD_WEIGHTS * half
        spread = np.abs(f - kronrod[:, None] / 2) @ _KRONROD_WEIGHTS * half
        error = np.abs(kronrod - gauss) * half
        with np.errstate(all="ignore"):
            sharper = spread * np.minimum(1.0, (200 * error / spread) ** 1.5)
        error = np.where((spread > 0) & (error > 0), sharper, error)
        return kronrod * half, magnitude, error


# --- from tape to numbers ----------------------------------------------------------------------


def _run(tape: _Tape, inputs: Sequence[Any], size: int) -> list[Any]:
    """The outputs of a tape: arrays of `size` for what varies, scalars for what does not.

    Args:
        inputs: a number, or an array of shape (size,), for each argument.
    """
    with np.errstate(all="ignore"):
        cells: dict[int, Any] = dict(tape.constants)
        cells.update((cell, inputs[i]) for cell, i in tape.arguments.items() if cell not in tape.registers)
        for step in tape.scalar_steps:
            cells[step.output] = step.operation.of(*(cells[cell] for cell in step.inputs))
        varying = {cell: inputs[i] for cell, i in tape.arguments.items() if cell in tape.registers}
        block = min(BLOCK, size)
        buffers: dict[int, np.ndarray] = {}
        for cell, register in tape.registers.items():
            if register not in buffers:
                buffers[register] = np.empty(block, dtype=complex if cell in tape.complex_cells else float)
        results = [
            np.empty(size, dtype=buffers[tape.registers[cell]].dtype) if cell in tape.registers else cells[cell]
            for cell in tape.outputs
        ]
        length = -1
        for start in range(0, size, BLOCK):
            stop = min(start + BLOCK, size)
            if stop - start != length:
                length = stop - start
                for cell, register in tape.registers.items():
                    cells[cell] = buffers[register][:length]
                program = [
                    (step.operation.into, (*(cells[cell] for cell in step.inputs), cells[step.output]))
                    for step in tape.block_steps
                ]
            for cell, array in varying.items():
                cells[cell][...] = array[start:stop]
            for function, operands in program:
                function(*operands)
            for cell, result in zip(tape.outputs, results, strict=True):
                if cell in tape.registers:
                    result[start:stop] = cells[cell]
    return results


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
        self._tapes: dict[frozenset[int], _Tape] = {}
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
        if self.matrices:
            inputs += self._from_matrices(arrays, scalars)
        varying = frozenset(i for i, array in enumerate(inputs) if np.ndim(array))
        if not varying:  # the tape written for arrays has the fewest steps
            results = _run(self._tape(self.everything), [np.full(1, number) for number in inputs], 1)
        else:
            flat = [array.reshape(-1) if np.ndim(array) else array for array in inputs]
            results = _run(self._tape(varying), flat, math.prod(shape))
        return tuple(self._finite(i, result, shape, inputs) for i, result in enumerate(results))

    def _tape(self, varying: frozenset[int]) -> _Tape:
        if varying not in self._tapes:
            writer = _Writer(self.inputs, varying)
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
        array = np.asarray(result)
        if np.iscomplexobj(array):
            wrong = np.abs(array.imag) > IMAGINARY * (1 + np.abs(array.real))
            array = np.where(wrong, np.nan, array.real)
        array = np.array(np.broadcast_to(array.astype(float, copy=False), (math.prod(shape),)))
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


# --- matrices ----------------------------------------------------------------------------------


def _matrix_scalars(expr: sp.Basic) -> set[sp.Expr]:
    """The scalars made of matrices in an expression; what is inside them is not looked at."""
    if isinstance(expr, _MATRIX_SCALARS):
        return {expr}
    return set().union(*(_matrix_scalars(argument) for argument in expr.args))


def _shaped(matrix: sp.MatrixSymbol, array: np.ndarray, sizes: dict[sp.Basic, int]) -> np.ndarray:
    """The array of a matrix symbol as 2-D, its symbolic sizes learnt or compared with the others'."""
    rows, columns = matrix.shape
    if array.ndim == 1 and columns == 1:
        array = array[:, None]
    elif array.ndim == 1 and rows == 1:
        array = array[None, :]
    if array.ndim != 2:
        raise ValueError(f"expected {matrix.name} of shape ({rows}, {columns}), got shape {array.shape}")
    for size, found in zip((rows, columns), array.shape, strict=True):
        expected = size.xreplace({symbol: sp.Integer(n) for symbol, n in sizes.items()})
        if isinstance(expected, sp.Symbol):
            sizes[expected] = found
        elif expected.is_Integer and int(expected) != found:
            so = f" with {size}={expected}" if size != expected else ""
            raise ValueError(f"expected {matrix.name} of shape ({rows}, {columns}){so}, got shape {array.shape}")
    return array


def _point(arrays: Mapping[sp.Basic, Any], numbers: Mapping[sp.Basic, float]) -> dict[sp.Basic, Any]:
    """Every number and every array of a point, and the sizes that the arrays tell."""
    sizes: dict[sp.Basic, int] = {symbol: int(x) for symbol, x in numbers.items() if float(x).is_integer()}
    shaped = {matrix: _shaped(matrix, np.asarray(array), sizes) for matrix, array in arrays.items()}
    return {**{symbol: float(size) for symbol, size in sizes.items()}, **numbers, **shaped}


def _matrix_scalar(leaf: sp.Expr, known: Mapping[sp.Basic, Any]) -> float:
    if isinstance(leaf, Dot):
        return float(np.sum(_matrix(leaf.left, known) * _matrix(leaf.right, known)))
    if isinstance(leaf, sp.Trace):
        return float(np.trace(_matrix(leaf.arg, known)))
    if isinstance(leaf, sp.Determinant):
        return float(np.linalg.det(_matrix(leaf.arg, known)))
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
    if isinstance(expr, sp.Inverse):
        return np.linalg.inv(_matrix(expr.arg, known))
    if isinstance(expr, sp.MatPow):
        return np.linalg.matrix_power(_matrix(expr.base, known), int(_scalar(expr.exp, known)))
    if isinstance(expr, sp.MatrixSymbol):
        raise ValueError(f"expected an array for {expr.name}, got none")
    raise NotImplementedError(_refusal(expr))


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
    expr = sp.sympify(given)
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
        return _matrix_value(expr, _named(_symbols(expr), expr_or_risk, values))
    expr = _expression(expr)
    given = _named(_symbols(expr), expr_or_risk, values)
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
    given = _named(symbols, risk, values)
    arguments = tuple(sorted(given, key=sp.default_sort_key))
    scalars = {p: entry for p, entry in derivatives.items() if not getattr(entry, "is_Matrix", False)}
    _check_conditions(risk, given)
    numbers = _compiled(tuple(scalars.values()), arguments)(*(given[symbol] for symbol in arguments))
    found = dict(zip(scalars, numbers, strict=True))
    found.update((p, _matrix_value(entry, given)) for p, entry in derivatives.items() if p not in scalars)
    return {str(p): found[p] for p in derivatives}


def _named(needed: frozenset[sp.Basic], expr_or_risk: Any, values: Mapping[Any, Any]) -> dict[sp.Basic, Any]:
    """The values by symbol, names looked up among the symbols of the formula."""
    if not isinstance(values, Mapping):
        raise TypeError(f"expected a dict of values, got {_short(values)} of type {type(values).__name__}")
    allowed = set(needed)
    if isinstance(expr_or_risk, Risk):
        allowed |= {p for p in expr_or_risk.parameters if isinstance(p, (sp.Symbol, sp.MatrixSymbol))}
        allowed |= set(expr_or_risk.domain.symbols if expr_or_risk.domain is not None else ())
    matrices = [symbol for symbol in allowed if isinstance(symbol, sp.MatrixSymbol)]
    sizes = {symbol for matrix in matrices for size in matrix.shape for symbol in size.free_symbols}
    allowed |= sizes
    by_name: dict[str, list[sp.Basic]] = {}
    for symbol in allowed:
        by_name.setdefault(symbol.name, []).append(symbol)
    given: dict[sp.Basic, Any] = {}
    unknown = []
    for key, number in values.items():
        if key in allowed:
            symbol = key
        elif isinstance(key, str) and len(by_name.get(key, [])) == 1:
            symbol = by_name[key][0]
        elif isinstance(key, str) and key in by_name:
            raise ValueError(
                f"expected one symbol named {key}, got {len(by_name[key])} that differ in their assumptions; "
                "pass the symbols instead of the name"
            )
        else:
            unknown.append(key)
            continue
        if symbol in given:
            raise ValueError(f"expected one value for {symbol}, got two: by name and by symbol")
        given[symbol] = number
    missing = needed - set(given) - sizes
    if unknown or missing:
        raise ValueError(_misnamed(sorted(str(symbol) for symbol in needed), unknown, missing))
    return given


def _misnamed(needed: list[str], unknown: list[Any], missing: Iterable[Any]) -> str:
    lines = [f"expected a value for each of {', '.join(needed) or 'no symbol'}"]
    if missing:
        lines.append(f"missing: {_list(missing)}")
    for key in unknown:
        close = difflib.get_close_matches(str(key), needed, n=2, cutoff=0.5)
        hint = ""
        if isinstance(key, sp.Basic) and str(key) in needed:
            hint = f" (the formula's {key} has other assumptions; pass its name)"
        elif close:
            hint = f" (did you mean {' or '.join(close)}?)"
        lines.append(f"unknown: {key}{hint}")
    return "; ".join(lines)


def _check_conditions(expr_or_risk: Any, given: Mapping[sp.Basic, Any]) -> None:
    """What a derivation needed, such as a finite mean, as far as it is a relation between numbers."""
    for condition in expr_or_risk.conditions if isinstance(expr_or_risk, Risk) else ():
        if not isinstance(condition, sp.logic.boolalg.Boolean) or not condition.free_symbols <= set(given):
            continue
        arguments = tuple(sorted(condition.free_symbols, key=sp.default_sort_key))
        holds = np.asarray(_compiled((condition,), arguments)(*(given[symbol] for symbol in arguments))[0])
        if not holds.all():
            at = np.unravel_index(int(np.argmin(holds)), holds.shape) if holds.ndim else ()
            point = ", ".join(
                f"{symbol}={float(array[at] if array.ndim else array)!r}"
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
    _refuse(str(expr), result, ~np.isfinite(result), "a finite value")
    return result
