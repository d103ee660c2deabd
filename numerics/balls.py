"""The door from symbols to balls: certified values of sympy expressions.

    ball(expr_or_risk, values, digits)     a ball with so many digits at exact parameters
    compile_ball(expr, symbols)            a function of balls, for many points and for boxes
    register_ball_rule(cls, rule)          how to add a function

A tree becomes a list of instructions, a shared subexpression one of them; what holds no symbol is computed
once a precision. Every rule is a *valid enclosure*: whatever the arguments' balls hold, the image lies in the
result, so boxes may be pushed through. Three number types travel along: rationals stay exact (`fmpq`) as long
as they can, so that the sign of 1/10 − 1/10 is decided; real balls (`arb`); complex balls (`acb`) for
intermediate values such as erf(x + iy).

A `GaussianIntegral` of dimension one is a certified integral, cut at the kinks of sign, Abs, Heaviside, Max,
Min, Piecewise where their argument is affine, with an envelope read off the integrand
(`numerics.envelopes`). In dimension two it is the trapezoidal rule with a strip bound, within a budget of
seconds. What has no rule is refused by name.

Reference: F. Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic, IEEE
Transactions on Computers 66 (2017) 1281.
"""

from __future__ import annotations

import difflib
import math
import operator
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from numbers import Integral, Rational
from typing import Any, TypeAlias

import sympy as sp
from flint import acb, arb, arb_mat, ctx, fmpq, fmpq_mat, fmpz
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanFalse, BooleanTrue
from sympy.matrices.expressions.matexpr import MatrixElement

from theory.integral import GaussianIntegral
from theory.risk import Risk
from theory.special import BivariateNormalCDF, NormalCDF, OwenT
from theory.variables import Dot

from .envelopes import NoBallRule, NoStrip, envelope_plan
from .quadrature import (
    Envelope,
    NotIntegrable,
    QuadratureBudgetExceeded,
    mean_at,
    strip_cost,
    trapezoid_mean_at,
)
from .special import bivariate_normal_cdf_ball, normal_cdf_ball, owens_t_ball

__all__ = [
    "NoBallRule",
    "NonFiniteBall",
    "ball",
    "compile_ball",
    "compile_balls",
    "register_ball_rule",
]

Number: TypeAlias = Any  # int, fmpq, arb, acb; arb_mat for matrices; bool or None for conditions
Function: TypeAlias = Callable[..., Any]

_MAX_BITS = 4096
_EXACT_BITS = 8192  # larger rationals become balls
_LARGEST_EXPONENT = 100_000  # of ten, in text
_SUM_LIMIT = 100_000
_THIN = 2.0**-30
_STRIPS = (8.0, 6.0, 4.0, 3.0, 2.0, 1.5, 1.0, 0.75, 0.5, 0.375, 0.25, 0.125, 0.0625, 0.03125, 0.015625)


class NonFiniteBall(ArithmeticError):
    """The expression has no finite value at this point, or its ball could not be made finite."""


# --------------------------------------------------------------------------------------------------
# Rules


@dataclass(frozen=True)
class _Rule:
    """How a node is computed from its arguments: on balls, inside an analytic integrand, and on exact
    rationals."""

    of: Function
    analytic: Function
    exact: Function


def _lift(x: Number) -> Number:
    """Rationals and integers as balls."""
    return arb(x) if type(x) in (fmpq, int, fmpz) else x


def _lifted(function: Function) -> Function:
    return lambda *arguments: function(*(_lift(x) for x in arguments))


def _rule(function: Function, analytic: Function | None = None, exact: Function | None = None) -> _Rule:
    return _Rule(function, analytic or function, exact or _lifted(function))


def _complex_nan() -> acb:
    return acb(arb.nan(), arb.nan())


def _method(name: str) -> Function:
    return operator.methodcaller(name)


def _monotone(name: str) -> Function:
    """A monotone function: wide real balls through their ends, where Arb's own error bound is poor."""
    method = _method(name)

    def function(x: Number) -> Number:
        if type(x) is arb and not float(x.rad()) < _THIN:
            return method(x.lower()).union(method(x.upper()))
        return method(x)

    return function


def _add_exact(x: Number, y: Number) -> Number:
    return _short(x + y)


def _multiply_exact(x: Number, y: Number) -> Number:
    return _short(x * y)


def _short(x: Number) -> Number:
    return arb(x) if type(x) is fmpq and x.height_bits() > _EXACT_BITS else x


def _reciprocal(x: Number) -> Number:
    if type(x) in (fmpq, int):
        return 1 / fmpq(x) if x != 0 else arb.nan()
    return 1 / x


_ADD = _Rule(operator.add, operator.add, _add_exact)
_MULTIPLY = _Rule(operator.mul, operator.mul, _multiply_exact)
_NEGATE = _Rule(operator.neg, operator.neg, operator.neg)
_RECIPROCAL = _Rule(lambda x: 1 / x, lambda x: 1 / x, _reciprocal)


def _square(x: Number) -> Number:
    if type(x) is arb and x.contains(0):
        top = x.abs_upper()
        return arb(0).union(top * top)
    return x * x


def _integer_power(exponent: int) -> _Rule:
    """x^n as a product, also across zero; n positive."""
    if exponent == 2:
        return _Rule(_square, _square, lambda x: _short(x * x) if type(x) is fmpq else _square(_lift(x)))

    def power(x: Number) -> Number:
        if type(x) is arb:
            if not x.contains(0):
                return x**exponent
            low, high = _product(x.lower(), exponent), _product(x.upper(), exponent)
            return low.union(high) if exponent % 2 else arb(0).union(low).union(high)
        return x**exponent if not x.contains(0) else _product(x, exponent)

    def exact(x: Number) -> Number:
        if type(x) is fmpq and x.height_bits() * exponent <= _EXACT_BITS:
            return x**exponent
        return power(_lift(x))

    return _Rule(power, power, exact)


def _product(x: Number, times: int) -> Number:
    """x·x⋯x by repeated squaring, never through a logarithm."""
    result = None
    while times:
        if times & 1:
            result = x if result is None else result * x
        times >>= 1
        if times:
            x = x * x
    return result


def _square_root(x: Number) -> Number:
    if type(x) is acb:
        return x.sqrt()
    if x > 0 or x.is_zero():
        return x.sqrt()
    if x < 0:
        return acb(x).sqrt()
    if not x.is_finite():
        return arb.nan()
    low, high = x.lower(), x.upper()  # the principal root of the part on either side of zero
    real = arb(0).union(high.sqrt()) if high > 0 else arb(0)
    return acb(real, arb(0).union((-low).sqrt())) if low < 0 else real


def _rational_power(exponent: sp.Rational) -> _Rule:
    """x^(p/q), q > 1: the principal branch."""
    p, q = int(exponent.p), int(exponent.q)
    times = _integer_power(abs(p)).of if abs(p) > 1 else lambda x: x
    finish = (lambda x: 1 / times(x)) if p < 0 else times
    if q == 2:
        return _rule(lambda x: finish(_square_root(x)), lambda x: finish(acb(x).sqrt(analytic=True)))

    def power(x: Number) -> Number:
        if type(x) is arb and x > 0:
            return finish(x.root(q))
        if type(x) is arb and x.is_zero():
            return x if p > 0 else arb.nan()
        if x.contains(0):
            if p < 0 or not x.is_finite():
                return _complex_nan()
            top = arb(abs(x).abs_upper()).root(q)
            top = _integer_power(p).of(top) if p > 1 else top
            return acb(arb(0, top), arb(0, top))
        return acb(x).pow(acb(arb(fmpq(p, q))))

    return _rule(power, lambda x: acb(x).pow(acb(arb(fmpq(p, q))), analytic=True))


def _general_power(x: Number, y: Number) -> Number:
    if type(x) is arb and x > 0:
        return (y * x.log()).exp()
    if type(x) is arb and x.is_zero() and type(y) is arb and y > 0:
        return arb(0)
    return acb(x).pow(acb(y))


def _logarithm(x: Number) -> Number:
    if type(x) is acb:
        return x.log()
    return x.log() if x > 0 else acb(x).log() if x < 0 else arb.nan()


def _within_one(name: str) -> Function:
    """arcsin and the like: real on [−1, 1], complex beyond."""
    method = _method(name)

    def function(x: Number) -> Number:
        if type(x) is acb:
            return method(x)
        value = method(x)
        return value if value.is_finite() else method(acb(x))

    return function


def _off_cut(name: str, along_real_axis: bool, start: int = 1) -> Function:
    """The function off its cuts {|x| ≥ 1} on the real or the imaginary axis; nan where they may be met."""
    method = _method(name)

    def function(x: Number) -> Number:
        x = acb(x)
        across, along = (x.imag, x.real) if along_real_axis else (x.real, x.imag)
        if across.contains(0) and not along.abs_upper() < start:
            return _complex_nan()
        return method(x)

    return function


def _arccosh_analytic(x: Number) -> Number:
    x = acb(x)
    return _complex_nan() if x.imag.contains(0) and not x.real > 1 else x.acosh()


def _real(x: Number) -> arb:
    """A real ball; nan if the number is not certainly real."""
    if type(x) is acb:
        return x.real if x.imag.is_zero() else arb.nan()
    return x


def _sign_of(x: Number) -> arb:
    """sign(x): ±1, 0 for exactly 0, [−1, 1] when undecided."""
    if type(x) is acb and not x.imag.is_zero():
        return x / arb(abs(x))
    x = _real(x)
    if x > 0:
        return arb(1)
    if x < 0:
        return arb(-1)
    if x.is_zero():
        return arb(0)
    return arb.nan() if x.is_nan() else arb(0, 1)


def _heaviside(x: Number, at_zero: Number) -> arb:
    x = _real(x)
    if x > 0:
        return arb(1)
    if x < 0:
        return arb(0)
    if x.is_zero():
        return at_zero
    return arb.nan() if x.is_nan() else arb(0).union(1).union(at_zero)


def _absolute(x: Number) -> arb:
    if type(x) is arb:
        return abs(x) if not x.contains(0) else arb(0).union(x.abs_upper())
    return arb(abs(x))


def _maximum(x: Number, y: Number) -> arb:
    x, y = _real(x), _real(y)
    return x if x >= y else y if y >= x else x.max(y)


def _minimum(x: Number, y: Number) -> arb:
    x, y = _real(x), _real(y)
    return x if x <= y else y if y <= x else x.min(y)


def _exactly(exact: Function, function: Function) -> Function:
    """`exact` where all arguments are rational, so that equal numbers stay equal."""

    def either(*arguments: Number) -> Number:
        if all(type(x) in (fmpq, int) for x in arguments):
            return exact(*arguments)
        return function(*(_lift(x) for x in arguments))

    return either


def _factorial(x: Number) -> Number:
    return (x + 1).gamma()


def _polygamma(order: Number, x: Number) -> Number:
    return acb(x).polygamma(acb(order)) if type(x) is acb or not x > 0 else acb(x).polygamma(acb(order)).real


def _real_part(x: Number) -> arb:
    return x.real


def _imaginary_part(x: Number) -> arb:
    return x.imag if type(x) is acb else arb(0)


def _conjugate(x: Number) -> Number:
    return x.conjugate() if type(x) is acb else x


def _dot(left: arb_mat, right: arb_mat) -> arb:
    """⟨u, v⟩ of two columns or rows."""
    if left.nrows() * left.ncols() != right.nrows() * right.ncols():
        raise ValueError(
            f"expected vectors of one dimension, got {left.nrows()}x{left.ncols()} and {right.nrows()}x{right.ncols()}"
        )
    return sum((x * y for x, y in zip(left.entries(), right.entries(), strict=True)), arb(0))


def _trace(matrix: arb_mat) -> arb:
    return sum((matrix[i, i] for i in range(matrix.nrows())), arb(0))


def _hadamard(*matrices: arb_mat) -> arb_mat:
    entries = [math.prod(row, start=arb(1)) for row in zip(*(m.entries() for m in matrices), strict=True)]
    return arb_mat(matrices[0].nrows(), matrices[0].ncols(), entries)


def _entry(matrix: arb_mat, row: Number, column: Number) -> arb:
    return matrix[_exact_integer(row, "a row"), _exact_integer(column, "a column")]


def _exact_integer(x: Number, what: str) -> int:
    integer = x if isinstance(x, int) else (x.p if x.q == 1 else None) if type(x) is fmpq else _real(x).unique_fmpz()
    if integer is None or (type(x) is arb and not x.is_exact()):
        raise ValueError(f"expected an integer for {what}, got {x}")
    return int(integer)


def _matrix_product(*factors: Number) -> Number:
    product = factors[0]
    for factor in factors[1:]:
        product = product * factor
    return product


def _matrix_sum(*terms: Number) -> Number:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


_RULES: dict[type, _Rule] = {
    sp.exp: _rule(_method("exp")),
    sp.log: _rule(_logarithm, lambda x: acb(x).log(analytic=True)),
    sp.sin: _rule(_method("sin")),
    sp.cos: _rule(_method("cos")),
    sp.tan: _rule(_method("tan")),
    sp.cot: _rule(_method("cot")),
    sp.sec: _rule(_method("sec")),
    sp.csc: _rule(_method("csc")),
    sp.sinh: _rule(_monotone("sinh")),
    sp.cosh: _rule(_method("cosh")),
    sp.tanh: _rule(_monotone("tanh")),
    sp.coth: _rule(_method("coth")),
    sp.sech: _rule(_method("sech")),
    sp.csch: _rule(_method("csch")),
    sp.asin: _rule(_within_one("asin"), _off_cut("asin", along_real_axis=True)),
    sp.acos: _rule(_within_one("acos"), _off_cut("acos", along_real_axis=True)),
    sp.atan: _rule(_monotone("atan"), _off_cut("atan", along_real_axis=False)),
    sp.acot: _rule(lambda x: (1 / x).atan(), lambda x: _off_cut("atan", along_real_axis=False)(1 / x)),
    sp.asinh: _rule(_monotone("asinh"), _off_cut("asinh", along_real_axis=False)),
    sp.acosh: _rule(_within_one("acosh"), _arccosh_analytic),
    sp.atanh: _rule(_within_one("atanh"), _off_cut("atanh", along_real_axis=True)),
    sp.erf: _rule(_monotone("erf")),
    sp.erfc: _rule(_monotone("erfc")),
    sp.erfi: _rule(_monotone("erfi")),
    sp.gamma: _rule(_method("gamma")),
    sp.factorial: _rule(_factorial),
    NormalCDF: _rule(normal_cdf_ball),
    OwenT: _rule(owens_t_ball, lambda h, a: owens_t_ball(h, a, analytic=True)),
    BivariateNormalCDF: _rule(bivariate_normal_cdf_ball),
}
_EXACTLY: dict[Function, Function] = {_maximum: max, _minimum: min, _absolute: abs}
# functions that are not analytic, or not known to be: refused inside a Gaussian integral
_REAL_RULES: dict[type, Function] = {
    sp.Abs: _absolute,
    sp.sign: _sign_of,
    sp.Heaviside: _heaviside,
    sp.re: _real_part,
    sp.im: _imaginary_part,
    sp.conjugate: _conjugate,
    sp.atan2: lambda y, x: arb.atan2(_real(y), _real(x)),
    sp.erfinv: _method("erfinv"),
    sp.erfcinv: _method("erfcinv"),
    sp.loggamma: _method("lgamma"),
    sp.polygamma: _polygamma,
    Dot: _dot,
    sp.Trace: _trace,
    sp.Determinant: lambda matrix: matrix.det(),
    sp.MatMul: _matrix_product,
    sp.MatAdd: _matrix_sum,
    sp.Transpose: lambda matrix: matrix.transpose(),
    sp.Inverse: lambda matrix, exponent: matrix.inv(),
    sp.HadamardProduct: _hadamard,
    MatrixElement: _entry,
}
_CONSTANTS: dict[Any, Function] = {
    sp.pi: arb.pi,
    sp.E: arb.const_e,
    sp.EulerGamma: arb.const_euler,
    sp.Catalan: arb.const_catalan,
    sp.GoldenRatio: lambda: (1 + arb(5).sqrt()) / 2,
    sp.I: lambda: acb(0, 1),
    sp.oo: arb.pos_inf,
    -sp.oo: arb.neg_inf,
    sp.nan: arb.nan,
    sp.zoo: arb.nan,
}


def register_ball_rule(cls: type, rule: Function, analytic: Function | None = None) -> None:
    """Teach the package to enclose a node type.

    Args:
        cls: a subclass of `sp.Basic`; each of its `args` becomes one argument of the rule.
        rule: balls (arb or acb; arb_mat for matrices) -> ball. It must hold the value at every
            point of the arguments' balls.
        analytic: the same for the inside of a Gaussian integral, where it must return a non-finite acb unless
            the function is analytic on the balls. Without it the function is refused there.

    >>> class Cube(sp.Function):
    ...     pass
    >>> register_ball_rule(Cube, lambda x: x * x * x)
    >>> print(ball(Cube(2)))
    8.00000000000000
    """
    if not (isinstance(cls, type) and issubclass(cls, sp.Basic)):
        raise TypeError(f"expected a subclass of sympy's Basic, got {cls!r}")
    _programs.cache_clear()
    if analytic is None:
        _REAL_RULES[cls] = rule
    else:
        _RULES[cls] = _rule(rule, analytic)


def _no_rule(expr: sp.Basic) -> NoBallRule:
    if isinstance(expr, sp.Integral):
        return NoBallRule(
            f"no ball rule for Integral, needed by {_shown(expr)}; "
            "a mean over normal variables can be written as a GaussianIntegral"
        )
    name = str(expr.func) if isinstance(expr, AppliedUndef) else type(expr).__name__
    return NoBallRule(f"no ball rule for {name}, needed by {_shown(expr)}; add it to numerics.balls")


def _shown(expr: Any) -> str:
    text = str(expr)
    return text if len(text) <= 200 else text[:197] + "..."


# --------------------------------------------------------------------------------------------------
# From a tree to instructions


class _Writer:
    """Writes a tree as nodes, each with the stage at which it can be computed.

    Stage 0: constants. Stage s: what needs the inputs of group s. In an integrand group 1 holds the
    parameters, group 2 the variables of integration and then the signs of the kinks.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[sp.Basic]],
        integrand_of: Sequence[sp.Symbol] = (),
        seconds: float = 60.0,
    ) -> None:
        self.variables = tuple(integrand_of)
        self.seconds = seconds
        self.nodes: list[tuple[int, _Rule | None, tuple[int, ...]]] = []
        self.places: dict[Any, int] = {}
        self.inputs: list[list[int]] = [[] for _ in groups]
        self.kinks: list[tuple[sp.Expr, sp.Expr]] = []  # u = first + second·t
        for group, symbols in enumerate(groups):
            for symbol in symbols:
                self.places[symbol] = self.input(group)

    def input(self, group: int) -> int:
        self.nodes.append((group + 1, None, ()))
        self.inputs[group].append(len(self.nodes) - 1)
        return len(self.nodes) - 1

    def node(self, rule: _Rule, *arguments: int) -> int:
        stage = max((self.nodes[place][0] for place in arguments), default=0)
        key = (rule, arguments)
        if key not in self.places:
            self.nodes.append((stage, rule, arguments))
            self.places[key] = len(self.nodes) - 1
        return self.places[key]

    def constant(self, value: Function) -> int:
        return self.node(_Rule(value, value, value))

    def place(self, expr: sp.Basic) -> int:
        """Where the value of the expression will be."""
        if expr not in self.places:
            self.places[expr] = self.write(expr)
        return self.places[expr]

    def write(self, expr: sp.Basic) -> int:
        if isinstance(expr, sp.Integer):
            integer = int(expr)
            return self.constant(lambda: integer)
        if isinstance(expr, sp.Rational):
            rational = fmpq(int(expr.p), int(expr.q))
            return self.constant(lambda: rational)
        if isinstance(expr, sp.Float):
            rational = _float_value(expr)
            return self.constant(lambda: rational)
        if expr in _CONSTANTS:
            return self.constant(_CONSTANTS[expr])
        if isinstance(expr, sp.Add):
            return self.chain(_ADD, [self.place(term) for term in expr.args])
        if isinstance(expr, sp.Mul):
            return self.product(expr)
        if isinstance(expr, sp.Pow):
            return self.power(*expr.args)
        if isinstance(expr, sp.exp):
            return self.node(_RULES[sp.exp], self.place(expr.args[0]))
        if isinstance(expr, (sp.Max, sp.Min)):
            return self.extremum(expr)
        if isinstance(expr, (sp.Abs, sp.sign, sp.Heaviside)):
            return self.kinked(expr)
        if isinstance(expr, sp.Piecewise):
            return self.piecewise(expr)
        if isinstance(expr, (Relational, BooleanTrue, BooleanFalse, sp.And, sp.Or, sp.Not)):
            return self.condition(expr)
        if isinstance(expr, GaussianIntegral):
            return self.integral(expr)
        if isinstance(expr, sp.Sum):
            return self.sum(expr)
        if isinstance(expr, sp.MatrixBase):
            rows, columns = expr.shape
            entries = [self.place(entry) for entry in expr.flat()]
            return self.plain(lambda *values: arb_mat(rows, columns, [_real(_lift(x)) for x in values]), *entries)
        if isinstance(expr, (sp.Identity, sp.ZeroMatrix, sp.OneMatrix)):
            kind: Any = type(expr)
            return self.plain(_pattern(kind), *(self.place(size) for size in expr.shape))
        if isinstance(expr, (sp.Symbol, sp.MatrixSymbol)):
            raise ValueError(f"expected a value for {expr}")
        return self.applied(expr)

    def chain(self, rule: _Rule, places: list[int]) -> int:
        # what is known earlier first: it is then computed only once
        places.sort(key=lambda place: self.nodes[place][0])
        total = places[0]
        for place in places[1:]:
            total = self.node(rule, total, place)
        return total

    def product(self, expr: sp.Expr) -> int:
        factors = list(expr.args)
        negative = factors[0] == -1
        places = [self.place(factor) for factor in (factors[1:] if negative else factors)]
        product = self.chain(_MULTIPLY, places)
        return self.node(_NEGATE, product) if negative else product

    def power(self, base: sp.Expr, exponent: sp.Expr) -> int:
        place = self.place(base)
        if isinstance(exponent, sp.Integer):
            n = int(exponent)
            positive = place if abs(n) == 1 else self.node(_integer_power_rule(abs(n)), place)
            return self.node(_RECIPROCAL, positive) if n < 0 else positive
        if isinstance(exponent, sp.Rational):
            return self.node(_rational_power_rule(exponent), place)
        return self.node(_GENERAL_POWER, place, self.place(exponent))

    # Kinks

    def kink(self, argument: sp.Expr) -> int:
        """The place that holds the sign of u on the present piece: ±1, or None where it is not known."""
        if len(self.variables) == 1 and argument.has(self.variables[0]):
            slope = argument.diff(self.variables[0])
            if not slope.has(self.variables[0]):
                intercept = argument.xreplace({self.variables[0]: sp.Integer(0)})
                key = ("kink", intercept, slope)
                if key not in self.places:
                    self.kinks.append((intercept, slope))
                    self.places[key] = self.input(1)
                return self.places[key]
        return self.constant(_unknown)

    def in_integrand(self, expr: sp.Basic) -> bool:
        if not expr.free_symbols.intersection(self.variables):
            return False
        if expr.has(sp.I):
            raise NoBallRule(
                f"no ball rule for {type(expr).__name__} of a complex argument in an integrand, "
                f"needed by {_shown(expr)}"
            )
        return True

    def kinked(self, expr: sp.Expr) -> int:
        u = expr.args[0]
        if not self.in_integrand(expr):
            return self.plain(_REAL_RULES[type(expr)], *(self.place(argument) for argument in expr.args))
        rule = {sp.Abs: _PIECE_ABS, sp.sign: _PIECE_SIGN, sp.Heaviside: _PIECE_HEAVISIDE}[type(expr)]
        return self.node(rule, self.kink(u), self.place(u))

    def extremum(self, expr: sp.Expr) -> int:
        is_max = isinstance(expr, sp.Max)
        first, *others = sorted(expr.args, key=sp.default_sort_key)
        place = self.place(first)
        for count, other in enumerate(others):
            if not self.in_integrand(expr):
                place = self.plain(_maximum if is_max else _minimum, place, self.place(other))
            else:
                kink = self.kink(first - other) if count == 0 else self.constant(_unknown)
                place = self.node(_PIECE_MAX if is_max else _PIECE_MIN, kink, place, self.place(other))
        return place

    def piecewise(self, expr: sp.Piecewise) -> int:
        place = self.constant(arb.nan)
        for value, condition in reversed(expr.args):
            place = self.node(_CHOICE, self.place(condition), self.place(value), place)
        return place

    def condition(self, expr: sp.Basic) -> int:
        """True, False, or None where a ball cannot tell."""
        if expr in (sp.true, sp.false):
            truth = bool(expr)
            return self.constant(lambda: truth)
        if isinstance(expr, Relational):
            difference = expr.lhs - expr.rhs
            kink = self.kink(difference) if self.in_integrand(expr) else self.constant(_unknown)
            return self.node(_relation_rule(expr.rel_op), kink, self.place(difference))
        parts = [self.place(argument) for argument in expr.args]
        rule = {sp.And: _AND, sp.Or: _OR, sp.Not: _NOT}.get(type(expr))
        if rule is None:
            raise _no_rule(expr)
        return self.node(rule, *parts)

    # Nodes that hold programs of their own

    def integral(self, expr: GaussianIntegral) -> int:
        if expr.free_symbols.intersection(self.variables):
            raise NoBallRule(
                f"no ball rule for a Gaussian integral inside another, needed by {_shown(expr)}; "
                "write it as one in more variables"
            )
        simpler = _without_idle_variables(expr)
        if simpler != expr:
            return self.place(simpler)
        parameters = sorted(expr.free_symbols, key=sp.default_sort_key)
        return self.plain(_Mean(expr, parameters, self.seconds), *(self.place(symbol) for symbol in parameters))

    def sum(self, expr: sp.Sum) -> int:
        *inner, (index, low, high) = expr.limits
        summand = sp.Sum(expr.function, *inner) if inner else expr.function
        parameters = sorted(summand.free_symbols - {index}, key=sp.default_sort_key)
        if set(parameters).intersection(self.variables):
            raise NoBallRule(f"no ball rule for Sum in an integrand, needed by {_shown(expr)}; write the terms out")
        if not (low.is_finite is not False and high.is_finite is not False):
            raise NoBallRule(
                f"no ball rule for Sum over infinitely many terms, needed by {_shown(expr)}; add it to numerics.balls"
            )
        rule = _FiniteSum(summand, index, parameters, self.seconds)
        places = [self.place(low), self.place(high), *(self.place(symbol) for symbol in parameters)]
        return self.node(_Rule(rule, rule, rule), *places)

    def plain(self, function: Function, *places: int) -> int:
        """A node that has no analytic version."""
        return self.node(_plain_rule(function), *places)

    def applied(self, expr: sp.Basic) -> int:
        kind = type(expr)
        if kind in _RULES:
            return self.node(_RULES[kind], *(self.place(argument) for argument in expr.args))
        if kind not in _REAL_RULES:
            raise _no_rule(expr)
        if expr.free_symbols.intersection(self.variables):
            if kind in (sp.re, sp.conjugate) and not expr.has(sp.I):
                return self.place(expr.args[0])
            raise NoBallRule(
                f"no ball rule for {kind.__name__} of a variable of integration, "
                f"needed by {_shown(expr)}; add it to numerics.balls"
            )
        return self.plain(_REAL_RULES[kind], *(self.place(argument) for argument in expr.args))


@lru_cache(maxsize=256)
def _integer_power_rule(exponent: int) -> _Rule:
    return _integer_power(exponent)


@lru_cache(maxsize=256)
def _rational_power_rule(exponent: sp.Rational) -> _Rule:
    return _rational_power(exponent)


@lru_cache(maxsize=4096)
def _plain_rule(function: Any) -> _Rule:
    return _rule(function, exact=_exactly(_EXACTLY[function], function) if function in _EXACTLY else None)


@lru_cache(maxsize=8)
def _pattern(kind: Any) -> Function:
    def matrix(rows: Number, columns: Number) -> arb_mat:
        n, m = _exact_integer(rows, "a size"), _exact_integer(columns, "a size")
        fill = {sp.Identity: lambda i, j: int(i == j), sp.ZeroMatrix: lambda i, j: 0}.get(kind, lambda i, j: 1)
        return arb_mat(n, m, [fill(i, j) for i in range(n) for j in range(m)])

    return matrix


def _float_value(number: sp.Float) -> fmpq:
    """The exact binary value."""
    sign, mantissa, exponent, _ = number._mpf_
    value = fmpq(-int(mantissa) if sign else int(mantissa))
    return value * fmpq(2) ** exponent


_GENERAL_POWER = _rule(_general_power, lambda x, y: acb(x).pow(acb(y), analytic=True))


def _unknown() -> None:
    return None


def _piece(decided: Function, real: str) -> _Rule:
    """A kinked function: `decided` where the sign is known, else its real-analytic form on either side."""

    def make(analytic: bool) -> Function:
        def function(sign: int | None, *arguments: Number) -> Number:
            if sign is not None:
                return decided(sign, *arguments)
            first, *others = (acb(x) for x in arguments)
            return getattr(first, real)(*others, analytic=analytic)

        return function

    return _Rule(make(False), make(True), make(False))


_PIECE_ABS = _piece(lambda sign, u: u if sign > 0 else -u, "real_abs")
_PIECE_SIGN = _piece(lambda sign, u: arb(sign), "real_sgn")
_PIECE_HEAVISIDE = _piece(lambda sign, u: arb(1 if sign > 0 else 0), "real_heaviside")
_PIECE_MAX = _piece(lambda sign, u, v: u if sign > 0 else v, "real_max")
_PIECE_MIN = _piece(lambda sign, u, v: v if sign > 0 else u, "real_min")


def _choose(condition: bool | None, yes: Number, no: Number) -> Number:
    if condition is None:
        yes, no = _lift(yes), _lift(no)
        if type(yes) is acb or type(no) is acb:
            return acb(yes).union(acb(no))
        return yes.union(no)
    return yes if condition else no


def _choose_analytic(condition: bool | None, yes: Number, no: Number) -> Number:
    return _complex_nan() if condition is None else _choose(condition, yes, no)


_CHOICE = _Rule(_choose, _choose_analytic, _choose)


@lru_cache(maxsize=8)
def _relation_rule(relation: str) -> _Rule:
    test = {
        ">": operator.gt,
        ">=": operator.ge,
        "<": operator.lt,
        "<=": operator.le,
        "==": operator.eq,
        "!=": operator.ne,
    }[relation]

    def truth(sign: int | None, difference: Number) -> bool | None:
        """The relation to zero; in an integrand, of the real part (its continuation off the line)."""
        if sign is None:
            sign = _decided_sign(difference)
        return None if sign is None else bool(test(sign, 0))

    def decided(sign: int | None, difference: Number) -> bool | None:
        known = truth(sign, difference)
        if known is None and relation in (">=", "<=") and type(difference) is arb:
            return True if test(difference, 0) else None
        return known

    return _Rule(decided, decided, decided)


def _decided_sign(x: Number) -> int | None:
    if type(x) is acb:
        x = x.real
    if x > 0:
        return 1
    if x < 0:
        return -1
    return 0 if x == 0 else None


def _and(*parts: bool | None) -> bool | None:
    return False if any(part is False for part in parts) else None if any(part is None for part in parts) else True


def _or(*parts: bool | None) -> bool | None:
    return True if any(part is True for part in parts) else None if any(part is None for part in parts) else False


def _not(part: bool | None) -> bool | None:
    return None if part is None else not part


_AND, _OR, _NOT = (_Rule(function, function, function) for function in (_and, _or, _not))


# --------------------------------------------------------------------------------------------------
# Running


class _Program:
    """Instructions in order of their stage, for several expressions that share subexpressions."""

    def __init__(self, roots: Sequence[sp.Basic], writer: _Writer) -> None:
        places = [writer.place(root) for root in roots]
        order = sorted(
            range(len(writer.nodes)),
            key=lambda place: (writer.nodes[place][0], writer.nodes[place][1] is not None),
        )
        # inputs of a stage come first, in the order in which they were declared
        position = {place: index for index, place in enumerate(order)}
        stages = 1 + len(writer.inputs)
        self.code: list[list[tuple[_Rule, tuple[int, ...]]]] = [[] for _ in range(stages)]
        for place in order:
            stage, rule, arguments = writer.nodes[place]
            if rule is not None:
                self.code[stage].append((rule, tuple(position[argument] for argument in arguments)))
        self.roots = [position[place] for place in places]
        self.steps = {
            mode: [[(getattr(rule, mode), len(arguments), arguments) for rule, arguments in code] for code in self.code]
            for mode in ("of", "analytic", "exact")
        }
        self.constants: dict[tuple[int, bool], list[Number]] = {}

    def start(self, inputs: Sequence[Number], exact: bool = False) -> list[Number]:
        """The registers after stage 1."""
        key = (ctx.prec, exact)
        if key not in self.constants:
            if len(self.constants) > 64:
                self.constants.clear()
            registers: list[Number] = []
            _run(self.steps["exact"][0], registers)
            self.constants[key] = registers if exact else [arb(x) if type(x) is fmpq else x for x in registers]
        registers = self.constants[key].copy()
        registers.extend(inputs)
        _run(self.steps["exact" if exact else "of"][1], registers)
        return registers

    def finish(self, registers: list[Number], inputs: Sequence[Number], analytic: bool = False) -> Number:
        """The first root, after stage 2."""
        registers = registers.copy()
        registers.extend(inputs)
        _run(self.steps["analytic" if analytic else "of"][2], registers)
        return registers[self.roots[0]]

    def values(self, inputs: Sequence[Number]) -> list[Number]:
        """All roots, for one group of inputs."""
        registers = self.start(inputs, exact=any(type(x) is fmpq for x in inputs))
        return [registers[root] for root in self.roots]


def _run(steps: list[tuple[Function, int, tuple[int, ...]]], registers: list[Number]) -> None:
    append = registers.append
    for function, count, places in steps:
        if count == 2:
            append(function(registers[places[0]], registers[places[1]]))
        elif count == 1:
            append(function(registers[places[0]]))
        else:
            append(function(*[registers[place] for place in places]))


def _without_idle_variables(node: GaussianIntegral) -> sp.Expr:
    """The same mean in fewer variables: unused ones dropped; sums and independent factors apart."""
    integrand, variables = node.integrand, node.variables
    used = tuple(t for t in variables if integrand.has(t))
    if not used:
        return integrand
    if len(used) < len(variables):
        return GaussianIntegral(integrand, used)
    if len(used) == 1:
        return node
    if isinstance(integrand, sp.Add):
        return sp.Add(*(GaussianIntegral(term, used) for term in integrand.args))
    factors = sp.Mul.make_args(integrand)
    groups: list[tuple[set[sp.Basic], list[sp.Expr]]] = []
    for factor in factors:
        symbols, members = factor.free_symbols.intersection(used), [factor]
        for other in [group for group in groups if group[0] & symbols]:
            groups.remove(other)
            symbols, members = symbols | other[0], members + other[1]
        groups.append((symbols, members))
    if len(groups) == 1:
        return node
    means = []
    for symbols, members in groups:
        inside = sp.Mul(*members)
        means.append(GaussianIntegral(inside, [t for t in used if t in symbols]) if symbols else inside)
    return sp.Mul(*means)


def _with_decided_denominators(expr: sp.Expr, variables: Sequence[sp.Symbol]) -> sp.Expr:
    """The integrand with softmax denominators that stay away from zero.

        e^u/(e^u + e^v) = 1/(1 + e^{v−u})

    Balls of e^u/(e^u + e^v) blow up where both are large; those of the second form do not.
    """
    if not expr.args or not expr.free_symbols.intersection(variables):
        return expr

    def inside(part: sp.Expr) -> sp.Expr:
        arguments = [_with_decided_denominators(argument, variables) for argument in part.args]
        return part.func(*arguments) if tuple(arguments) != part.args else part

    if not isinstance(expr, (sp.Mul, sp.Pow)):
        return inside(expr)
    # the factors of a product are looked at together, so only what is inside of them is changed first
    rebuilt = sp.Mul(*(inside(factor) for factor in sp.Mul.make_args(expr)))
    factors = sp.Mul.make_args(rebuilt)
    exponent = sp.Add(*(factor.args[0] for factor in factors if isinstance(factor, sp.exp)))
    others = []
    for factor in factors:
        base, power = factor.as_base_exp()
        terms = _positive_exponentials(base, variables) if power.is_Integer and power < 0 else None
        if terms is None:
            if not isinstance(factor, sp.exp):
                others.append(factor)
            continue
        # the exponential that cancels the numerator best: fewest operations left
        leading = min(terms, key=lambda v: (sp.expand(exponent + power * v).count_ops(), sp.default_sort_key(v)))
        exponent = sp.expand(exponent + power * leading)
        others.append(sp.Add(*(scale * sp.exp(sp.expand(v - leading)) for v, scale in terms.items())) ** power)
    return sp.Mul(sp.exp(exponent), *others) if len(others) < len(factors) or exponent != 0 else rebuilt


def _positive_exponentials(base: sp.Expr, variables: Sequence[sp.Symbol]) -> dict[sp.Expr, sp.Expr] | None:
    """Σ c_v e^v as {v: c_v}, for two or more terms that all hold a variable of integration; else None."""
    terms: dict[sp.Expr, sp.Expr] = {}
    for term in sp.Add.make_args(base):
        scale, varying = term.as_independent(*variables, as_Add=False)
        if not isinstance(varying, sp.exp):
            return None
        terms[varying.args[0]] = terms.get(varying.args[0], sp.Integer(0)) + scale
    return terms if len(terms) > 1 else None


class _Mean:
    """A GaussianIntegral as a function of the balls of its parameters."""

    def __init__(self, node: GaussianIntegral, parameters: Sequence[sp.Basic], seconds: float) -> None:
        self.node, self.seconds = node, seconds
        self.variables = node.variables
        integrand = _with_decided_denominators(node.integrand, self.variables)
        if len(self.variables) > 2:
            raise NoBallRule(
                f"no ball rule for GaussianIntegral of dimension {len(self.variables)}, "
                f"needed by {_shown(node)}; "
                "certified values stop at dimension two"
            )
        writer = _Writer((parameters, self.variables), self.variables, seconds)
        self.integrand = _Program([integrand], writer)
        coefficients: list[sp.Expr] = []

        def coefficient(expr: sp.Expr) -> int:
            if expr not in coefficients:
                coefficients.append(expr)
            return coefficients.index(expr)

        self.kinks = [(coefficient(intercept), coefficient(slope)) for intercept, slope in writer.kinks]
        self.plan = envelope_plan(integrand, self.variables, coefficient)
        self.coefficients = _Program(coefficients, _Writer((parameters,), seconds=seconds))

    def __call__(self, *parameters: Number) -> Number:
        coefficients = [_lift(x) for x in self.coefficients.values(parameters)]  # from exact parameters exact signs
        parameters = tuple(_lift(x) for x in parameters)
        for value in parameters:
            if type(value) is acb and not value.imag.is_zero():
                raise NoBallRule(
                    f"no ball rule for a Gaussian integral with complex parameters, needed by {_shown(self.node)}"
                )
            if isinstance(value, (arb, acb)) and not value.is_finite():
                return arb.nan()
        if not all(x.is_finite() for x in coefficients if x is not None):
            return arb.nan()
        try:
            return (
                self.line(parameters, coefficients)
                if len(self.variables) == 1
                else self.plane(parameters, coefficients)
            )
        except NotIntegrable as reason:
            raise NotIntegrable(f"{reason}; the integrand is {_shown(self.node.integrand)}") from reason

    def line(self, parameters: Sequence[Number], coefficients: Sequence[Number]) -> Number:
        envelope = self.plan(coefficients, None)
        registers = self.integrand.start(parameters)
        crossings, undecided = self.crossings(coefficients)

        def piece(signs: Sequence[int | None]) -> Callable[[acb, bool], acb]:
            return lambda t, analytic: acb(self.integrand.finish(registers, [t, *signs], analytic))

        signs = [self.sign_at_left(index, coefficients, undecided) for index in range(len(self.kinks))]
        pieces = [piece(list(signs))]
        for _, members in crossings:
            for index in members:
                signs[index] = -signs[index]  # type: ignore[operator]
            pieces.append(piece(list(signs)))
        return mean_at(
            pieces if crossings else pieces[0],
            envelope,
            [point for point, _ in crossings],
            whole=piece([None] * len(signs)),
            goal=(goal := _goal(parameters)),
            eval_limit=20_000 if goal == ctx.prec else 2_000,
        )

    def sign_at_left(self, index: int, coefficients: Sequence[Number], undecided: set[int]) -> int | None:
        """The sign of u = u₀ + u₁t as t → −∞; for u₁ = 0 that of u₀."""
        intercept, slope = (_real(coefficients[place]) for place in self.kinks[index])
        if index in undecided:
            return None
        if slope.is_zero():
            return 1 if intercept > 0 else -1
        return -1 if slope > 0 else 1

    def crossings(self, coefficients: Sequence[Number]) -> tuple[list[tuple[arb, list[int]]], set[int]]:
        """Where the kinks are, in order, overlapping ones merged; and those whose place cannot be told."""
        found: list[tuple[arb, list[int]]] = []
        undecided: set[int] = set()
        for index, (first, second) in enumerate(self.kinks):
            intercept, slope = _real(coefficients[first]), _real(coefficients[second])
            if slope.is_zero():
                if not (intercept > 0 or intercept < 0):
                    undecided.add(index)
                continue
            point = -intercept / slope
            if not point.is_finite():
                undecided.add(index)
                continue
            members = [index]
            for other in [crossing for crossing in found if crossing[0].overlaps(point)]:
                found.remove(other)
                point, members = point.union(other[0]), members + other[1]
            found.append((point, members))
        # merging may have widened a ball into its neighbour
        found.sort(key=lambda crossing: float(crossing[0].mid()))
        merged: list[tuple[arb, list[int]]] = []
        for point, members in found:
            if merged and merged[-1][0].overlaps(point):
                before, others = merged.pop()
                point, members = before.union(point), others + members
            merged.append((point, members))
        return merged, undecided

    def plane(self, parameters: Sequence[Number], coefficients: Sequence[Number]) -> Number:
        line = self.plan(coefficients, None)
        registers = self.integrand.start(parameters)
        bits = max(20, min(ctx.prec, _goal(parameters)) - 16)
        best: tuple[float, arb, Envelope] | None = None
        for width in _STRIPS:
            try:
                envelope = self.plan(coefficients, arb(width))
                cost = strip_cost(envelope, arb(width), bits)
            except (NoStrip, NotIntegrable):
                continue
            if math.isfinite(cost) and (best is None or cost < best[0]):
                best = (cost, arb(width), envelope)
        if best is None:
            raise NoBallRule(
                f"no ball rule for this GaussianIntegral of dimension two: {_shown(self.node)}; "
                "its integrand is not known to be "
                "analytic and bounded in a strip about the real plane (kinks in two variables have no rule)"
            )
        _, strip, envelope = best

        def function(point: Sequence[arb]) -> Number:
            return self.integrand.finish(registers, point)

        return trapezoid_mean_at(
            function,
            envelope,
            strip,
            bits,
            line,
            evaluation_limit=10_000_000,
            deadline=time.monotonic() + self.seconds,
        )


def _goal(parameters: Sequence[Number]) -> int:
    """Bits worth aiming at: those of the least certain parameter, and some more."""
    accuracies = [x.rel_one_accuracy_bits() for x in parameters if isinstance(x, (arb, acb)) and not x.is_exact()]
    return max(20, min([ctx.prec, *(accuracy + 10 for accuracy in accuracies)]))


class _FiniteSum:
    """Σ_{i = low}^{high} f(i), term by term."""

    def __init__(self, summand: sp.Expr, index: sp.Symbol, parameters: Sequence[sp.Basic], seconds: float) -> None:
        self.program = _Program([summand], _Writer((parameters, (index,)), seconds=seconds))
        self.name = str(index)

    def __call__(self, low: Number, high: Number, *parameters: Number) -> Number:
        first, last = (_exact_integer(end, f"an end of the sum over {self.name}") for end in (low, high))
        if last - first > _SUM_LIMIT:
            raise NoBallRule(
                f"no ball rule for Sum over {last - first + 1} terms; at most {_SUM_LIMIT} are added one by one"
            )
        registers = self.program.start([_lift(x) for x in parameters])
        total: Number = arb(0)
        for index in range(first, last + 1):
            total = total + self.program.finish(registers, [arb(index)])
        return total


# --------------------------------------------------------------------------------------------------
# The doors


class _Evaluator:
    """What `compile_balls` returns: values -> balls."""

    def __init__(self, program: _Program, symbols: tuple[sp.Basic, ...]) -> None:
        self.program, self.symbols = program, symbols

    def __call__(self, values: Sequence[Any], prec: int | None = None) -> tuple[arb, ...]:
        if len(values) != len(self.symbols):
            raise ValueError(f"expected {len(self.symbols)} values, for {_listed(self.symbols)}, got {len(values)}")
        if prec is None or prec == ctx.prec:
            return tuple(_as_real(x) for x in self.program.values(values))
        with ctx.workprec(prec):
            return tuple(_as_real(x) for x in self.program.values(values))


def _as_real(x: Number) -> arb:
    if type(x) is arb:
        return x
    if type(x) is acb:
        return x.real if x.imag.contains(0) else arb.nan()
    return arb(x)


@lru_cache(maxsize=512)
def _programs(expressions: tuple[sp.Basic, ...], symbols: tuple[sp.Basic, ...], seconds: float) -> _Program:
    return _Program(expressions, _Writer((symbols,), seconds=seconds))


def compile_balls(
    expressions: Sequence[sp.Expr], symbols: Sequence[sp.Basic], seconds: float = 60.0
) -> Callable[..., tuple[arb, ...]]:
    """Several expressions as one function of balls; what they share is computed once.

    >>> x, y = sp.symbols("x y", real=True)
    >>> compile_balls([x + y, (x + y)**2], [x, y])([arb(1), arb(2)])
    (3.00000000000000, 9.00000000000000)
    """
    return _Evaluator(_programs(tuple(map(_expression, expressions)), tuple(symbols), seconds), tuple(symbols))


def compile_ball(expr: sp.Expr, symbols: Sequence[sp.Basic], seconds: float = 60.0) -> Callable[..., arb]:
    """An expression as a function of balls: a valid enclosure for points and for boxes.

    Args:
        expr: a real sympy expression in the symbols.
        symbols: the order of the values. Matrix symbols take an `arb_mat`.
        seconds: allowed to a Gaussian integral of dimension two, each time.

    Returns:
        f(values, prec=None) -> arb, with values a sequence of arb (or fmpq, kept exact) in the order of the
        symbols, and `prec` the working precision in bits (default: the current one). The ball is nan where
        the value is not finite or not real.

    Raises:
        NoBallRule: naming a function without a rule.
        ValueError: if the expression holds a symbol that is not listed.

    >>> x = sp.Symbol("x", real=True)
    >>> f = compile_ball(x**2 - 2, [x])
    >>> f([arb(3)], 100), f([arb(1.5, 0.5)]).contains(arb(-1))
    (7.00000000000000, True)
    """
    evaluate = compile_balls([expr], symbols, seconds)
    return lambda values, prec=None: evaluate(values, prec)[0]


def ball(
    expr_or_risk: sp.Expr | Risk,
    values: Mapping[Any, Any] | None = None,
    digits: int = 30,
    seconds: float = 60.0,
) -> arb:
    """A ball that holds the value of a real expression at exact parameters.

    The working precision is raised, up to 4096 bits, until the radius is below 10^-digits of the value, or
    the ball holds zero and the radius is below 10^-digits of the largest term of the sum that the expression
    is (of one if it is no sum). When that cannot be reached (an undecided sign, say) the best ball is
    returned: look at its radius.

    Args:
        expr_or_risk: a sympy expression or a risk.
        values: a number for each symbol, by symbol or by name: int, Fraction, sympy number, text such as
            "0.1" or "1/3" (that very rational), Decimal, float (its exact binary value), or a ball; nested
            sequences of these for vectors and matrices. The size d of a vector given may be left out.
        digits: decimal digits asked for.
        seconds: time allowed; once a ball is there it is returned when the time is up.

    Returns:
        An arb; printing it shows the digits that are certain.

    Raises:
        ValueError: for missing or unknown names (with the list of what is needed and near matches), for
            values that are not finite, for a value that is certainly not real.
        NoBallRule: for a function without a rule, by name.
        NotIntegrable: for a Gaussian integral that is infinite or not bounded by its envelope.
        NonFiniteBall: if no precision gives a finite ball.

    >>> kappa = sp.Symbol("kappa", real=True)
    >>> print(ball(sp.erf(kappa)**2, {"kappa": "0.5"}, digits=20).str(20, radius=False))
    0.27092012280339637538
    """
    if not isinstance(digits, int) or not 1 <= digits <= 1000:
        raise ValueError(f"expected 1 <= digits <= 1000, got digits={digits!r}")
    expr = expr_or_risk.expr if isinstance(expr_or_risk, Risk) else expr_or_risk
    expr = _expression(expr)
    given = _named(expr, expr_or_risk, values or {})
    symbols = tuple(sorted(given, key=sp.default_sort_key))
    exact = [_exact_value(symbol, given[symbol]) for symbol in symbols]
    exact, symbols = _with_sizes(exact, symbols)
    if isinstance(expr_or_risk, Risk):
        _check_domain(expr_or_risk, dict(zip(symbols, exact, strict=True)))
    terms = expr.args if isinstance(expr, sp.Add) else ()
    program = _programs((expr, *terms), symbols, seconds)
    started = time.monotonic()
    bits, best = int(3.33 * digits) + 40, None
    tolerance = arb(10) ** -digits
    while True:
        with ctx.workprec(bits):
            try:
                number, *parts = program.values([_at_precision(value) for value in exact])
            except QuadratureBudgetExceeded:
                if best is None:
                    raise
                return best
            number = _lift(number)
            if type(number) is acb and number.is_finite() and not number.imag.contains(0):
                raise ValueError(f"expected a real value, got {number.str(10)}, of {_shown(expr)}")
            found = _as_real(number)
            if found.is_finite():
                best = found if best is None or found.rad() < best.rad() else best
                scale = max(
                    (_magnitude(part) for part in parts),
                    default=arb(1),
                    key=lambda x: float(x.log()) if x > 0 else -math.inf,
                )
                if found.rad() <= tolerance * found.abs_lower() or (
                    found.contains(0) and found.rad() <= tolerance * scale
                ):
                    return found
        stuck = best is not None and any(isinstance(value, arb) and not value.is_exact() for value in exact)
        # twice the bits cost about four times as much
        if bits >= _MAX_BITS or stuck or time.monotonic() - started > seconds / (4 if best is not None else 1):
            break
        bits = min(2 * bits, _MAX_BITS)
    if best is None:
        raise NonFiniteBall(
            f"no finite ball for {_shown(expr)} at {_point(given)}: it has a pole or an undefined value there"
        )
    return best


def _magnitude(x: Number) -> arb:
    x = _lift(x)
    size = arb(abs(x)).abs_upper()
    return size if size.is_finite() else arb(0)


def _expression(expr: Any) -> sp.Basic:
    """A sympy expression, or a Python number as one. Text is refused: it would be executed."""
    if isinstance(expr, sp.Basic) and not getattr(expr, "is_Matrix", False):
        return expr
    if isinstance(expr, (int, Fraction)) and not isinstance(expr, bool):
        return sp.Rational(expr)
    raise TypeError(f"expected a sympy expression or a risk, got {expr!r} of type {type(expr).__name__}")


# Names


def _symbols(expr: sp.Basic) -> set[sp.Basic]:
    return {symbol for symbol in expr.free_symbols if isinstance(symbol, (sp.Symbol, sp.MatrixSymbol))}


def _named(expr: sp.Basic, expr_or_risk: Any, values: Mapping[Any, Any]) -> dict[sp.Basic, Any]:
    """The values by symbol."""
    if not isinstance(values, Mapping):
        raise TypeError(f"expected a dict of values by name, got {values!r} of type {type(values).__name__}")
    needed = _symbols(expr)
    allowed = set(needed)
    if isinstance(expr_or_risk, Risk):
        allowed |= {p for p in expr_or_risk.parameters if isinstance(p, (sp.Symbol, sp.MatrixSymbol))}
        allowed |= set(expr_or_risk.domain.symbols if expr_or_risk.domain is not None else ())
    sizes = {
        size
        for symbol in allowed
        if isinstance(symbol, sp.MatrixSymbol)
        for side in symbol.shape
        for size in side.free_symbols
    }
    allowed |= sizes
    by_name: dict[str, list[sp.Basic]] = {}
    for symbol in allowed:
        by_name.setdefault(str(symbol), []).append(symbol)
    given: dict[sp.Basic, Any] = {}
    unknown = []
    for key, number in values.items():
        candidates = [key] if key in allowed else by_name.get(key, []) if isinstance(key, str) else []
        if not candidates:
            unknown.append(key)
            continue
        if len(candidates) > 1:
            raise ValueError(
                f"expected one symbol named {key}, got {len(candidates)} that differ in their "
                "assumptions; pass the symbols"
            )
        if candidates[0] in given:
            raise ValueError(f"expected one value for {candidates[0]}, got two: by name and by symbol")
        given[candidates[0]] = number
    missing = needed - set(given) - sizes
    if unknown or missing:
        raise ValueError(_misnamed(needed, unknown, missing))
    return given


def _misnamed(needed: Iterable[Any], unknown: Sequence[Any], missing: Iterable[Any]) -> str:
    names = sorted(str(symbol) for symbol in needed)
    lines = [f"expected a value for each of {', '.join(names) or 'no symbol'}"]
    absent = sorted(str(symbol) for symbol in missing)
    if absent:
        lines.append(f"missing: {', '.join(absent)}")
    for key in unknown:
        close = difflib.get_close_matches(str(key), names, n=2, cutoff=0.5)
        hint = f" (did you mean {' or '.join(close)}?)" if close else ""
        if isinstance(key, sp.Basic) and str(key) in names:
            hint = f" (the formula's {key} has other assumptions; pass its name)"
        lines.append(f"unknown: {key}{hint}")
    return "; ".join(lines)


def _check_domain(risk: Risk, known: Mapping[sp.Basic, Any]) -> None:
    """Refuse a point that is certainly outside of what the risk was derived under."""
    rationals = {s: sp.Rational(int(x.p), int(x.q)) for s, x in known.items() if isinstance(x, fmpq)}
    domain = risk.domain
    for symbol, (low, high) in domain.intervals if domain is not None else ():
        if symbol in rationals and not low <= rationals[symbol] <= high:
            raise ValueError(f"expected {low} <= {symbol} <= {high}, got {symbol}={rationals[symbol]}")
    for condition in (*(domain.conditions if domain is not None else ()), *risk.conditions):
        needed = tuple(sorted(getattr(condition, "free_symbols", ()), key=sp.default_sort_key))
        if isinstance(condition, sp.logic.boolalg.Boolean) and all(isinstance(known.get(s), fmpq) for s in needed):
            if _programs((condition,), needed, 60.0).values([known[s] for s in needed])[0] is False:
                point = ", ".join(f"{s}={rationals[s]}" for s in needed)
                raise ValueError(f"expected {condition}, under which the risk was derived, got {point}")


def _listed(symbols: Iterable[Any]) -> str:
    return ", ".join(str(symbol) for symbol in symbols) or "no symbol"


def _point(given: Mapping[sp.Basic, Any]) -> str:
    return _shown(", ".join(f"{symbol}={number}" for symbol, number in given.items())) or "the point without parameters"


# Values


def _exact_value(symbol: sp.Basic, given: Any) -> Any:
    """An exact rational, a ball as given, a function of the precision, or an fmpq_mat."""
    if isinstance(symbol, sp.MatrixSymbol):
        return _exact_matrix(symbol, given)
    return _exact_number(str(symbol), given)


def _exact_number(name: str, given: Any) -> Any:
    if isinstance(given, (fmpq, fmpz)):
        return fmpq(given)
    if isinstance(given, arb):
        if not given.is_finite():
            raise ValueError(f"expected a finite ball for {name}, got {given}")
        return given
    if isinstance(given, bool) or given is None:
        raise TypeError(f"expected a number for {name}, got {given!r}")
    if isinstance(given, Integral):
        return fmpq(int(given))
    if isinstance(given, sp.Basic):
        return _exact_sympy(name, given)
    if isinstance(given, Rational):
        return fmpq(int(given.numerator), int(given.denominator))
    if isinstance(given, str):
        return _from_text(name, given)
    if isinstance(given, Decimal):
        return _from_decimal(name, given)
    try:
        number = float(given) if getattr(given, "ndim", 0) == 0 and not isinstance(given, complex) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected a finite real number for {name}, got {given!r}")
    return fmpq(*number.as_integer_ratio())


def _exact_sympy(name: str, given: sp.Basic) -> Any:
    if isinstance(given, sp.Rational):
        return fmpq(int(given.p), int(given.q))
    if isinstance(given, sp.Float):
        return _float_value(given)
    if not isinstance(given, sp.Expr) or given.free_symbols or given.is_finite is False:
        raise ValueError(f"expected a finite number for {name}, got {given}")
    evaluate = compile_ball(given, ())
    return lambda: evaluate(())


def _from_text(name: str, text: str) -> fmpq:
    numerator, slash, denominator = text.partition("/")
    try:
        value = _from_decimal(name, Decimal(numerator.strip()))
        return value / _from_decimal(name, Decimal(denominator.strip())) if slash else value
    except (InvalidOperation, ZeroDivisionError):
        raise ValueError(f'expected a number such as "0.1", "1e-3" or "1/3" for {name}, got {text!r}') from None


def _from_decimal(name: str, number: Decimal) -> fmpq:
    if (
        not number.is_finite()
        or abs(number.adjusted()) > _LARGEST_EXPONENT
        or len(number.as_tuple().digits) > _LARGEST_EXPONENT
    ):
        raise ValueError(f"expected a finite number of moderate size for {name}, got {number}")
    return fmpq(*number.as_integer_ratio())


def _exact_matrix(symbol: sp.MatrixSymbol, given: Any) -> fmpq_mat:
    if isinstance(given, sp.MatrixBase):
        given = given.tolist()
    rows = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(rows, (str, bytes)) or not isinstance(rows, Sequence) or not rows:
        raise ValueError(f"expected an array for {symbol}, got {given!r}")
    is_flat = not isinstance(rows[0], Sequence) or isinstance(rows[0], str)
    if is_flat:
        rows = [list(rows)] if symbol.shape[0] == 1 else [[entry] for entry in rows]
    widths = {len(row) for row in rows}
    if len(widths) != 1:
        raise ValueError(f"expected rows of one length for {symbol}, got lengths {sorted(widths)}")
    entries = [_exact_number(f"{symbol}[{i}, {j}]", entry) for i, row in enumerate(rows) for j, entry in enumerate(row)]
    if not all(isinstance(entry, fmpq) for entry in entries):
        raise ValueError(f"expected rational entries for {symbol}, got {given!r}")
    return fmpq_mat(len(rows), widths.pop(), entries)


def _with_sizes(exact: list[Any], symbols: tuple[sp.Basic, ...]) -> tuple[list[Any], tuple[sp.Basic, ...]]:
    """The values with the sizes that the arrays tell; arrays of the wrong shape are refused."""
    known: dict[sp.Basic, Any] = dict(zip(symbols, exact, strict=True))
    sizes = {symbol: sp.Rational(int(v.p), int(v.q)) for symbol, v in known.items() if isinstance(v, fmpq)}
    for symbol, value in list(known.items()):
        if not isinstance(value, fmpq_mat):
            continue
        found = (value.nrows(), value.ncols())
        for size, number in zip(symbol.shape, found, strict=True):
            expected = size.xreplace(sizes)
            if isinstance(expected, sp.Symbol):
                sizes[expected] = sp.Integer(number)
                known[expected] = fmpq(number)
            elif expected.is_Integer and int(expected) != number:
                raise ValueError(f"expected {symbol} of shape {symbol.shape}, got an array of shape {found}")
    order = tuple(sorted(known, key=sp.default_sort_key))
    return [known[symbol] for symbol in order], order


def _at_precision(value: Any) -> Any:
    if isinstance(value, fmpq_mat):
        return arb_mat(value)
    return value() if callable(value) else value
