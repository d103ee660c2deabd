"""The table of ball rules: how a node of a sympy tree is computed from the balls of its arguments.

Every rule is a *valid enclosure*: whatever the arguments' balls hold, the image lies in the result. It has
three forms: on balls; inside an analytic integrand, where it is not finite unless the function is analytic
on the balls; on exact rationals. Three number types travel along: rationals stay exact (`fmpq`) as long as
they can, so that the sign of 1/10 − 1/10 is decided; real balls (`arb`); complex balls (`acb`) for
intermediate values such as erf(x + iy).

    RULES         functions that are analytic where finite
    REAL_RULES    functions that are not, or not known to be: refused inside a Gaussian integral
    PIECES        kinked functions inside an integrand, by the sign of the kink's argument
    CONSTANTS     π, e, …

A new special function gets its ball here, or from its own file with `numerics.balls.register_ball_rule`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import sympy as sp
from flint import acb, arb, arb_mat, fmpq, fmpz
from sympy.core.function import AppliedUndef
from sympy.matrices.expressions.matexpr import MatrixElement

from theory.softmax_moments import SoftmaxMoment
from theory.special import BivariateNormalCDF, NormalCDF, OwenT
from theory.variables import Dot

from .envelopes import NoBallRule
from .softmax_moments import softmax_moment_ball
from .special import bivariate_normal_cdf_ball, normal_cdf_ball, owens_t_ball

__all__ = [
    "ADD",
    "CHOICE",
    "CONNECTIVES",
    "CONSTANTS",
    "EXTREMA",
    "GENERAL_POWER",
    "MULTIPLY",
    "NEGATE",
    "PIECES",
    "REAL_RULES",
    "RECIPROCAL",
    "RULES",
    "Function",
    "Number",
    "Rule",
    "add_rule",
    "exact_integer",
    "float_value",
    "integer_power",
    "lift",
    "no_rule",
    "patterned",
    "plain_rule",
    "rational_power",
    "real_ball",
    "relation_rule",
    "shown",
    "unknown",
]

Number: TypeAlias = Any  # int, fmpq, arb, acb; arb_mat for matrices; bool or None for conditions
Function: TypeAlias = Callable[..., Any]

_EXACT_BITS = 8192  # larger rationals become balls
_THIN = 2.0**-30


@dataclass(frozen=True)
class Rule:
    """How a node is computed from its arguments: on balls, inside an analytic integrand, and on exact
    rationals."""

    of: Function
    analytic: Function
    exact: Function


def lift(x: Number) -> Number:
    """Rationals and integers as balls."""
    return arb(x) if type(x) in (fmpq, int, fmpz) else x


def real_ball(x: Number) -> arb:
    """A real ball; nan if the number is not certainly real."""
    if type(x) is acb:
        return x.real if x.imag.is_zero() else arb.nan()
    return x


def float_value(number: sp.Float) -> fmpq:
    """The exact binary value."""
    sign, mantissa, exponent, _ = number._mpf_
    value = fmpq(-int(mantissa) if sign else int(mantissa))
    return value * fmpq(2) ** exponent


def exact_integer(x: Number, what: str) -> int:
    """A number that is certainly an integer; `what` it is for stands in the refusal."""
    integer = (
        x if isinstance(x, int) else (x.p if x.q == 1 else None) if type(x) is fmpq else real_ball(x).unique_fmpz()
    )
    if integer is None or (type(x) is arb and not x.is_exact()):
        raise ValueError(f"expected an integer for {what}, got {x}")
    return int(integer)


# --- arithmetic -----------------------------------------------------------------------------------


def _lifted(function: Function) -> Function:
    return lambda *arguments: function(*(lift(x) for x in arguments))


def _rule(function: Function, analytic: Function | None = None, exact: Function | None = None) -> Rule:
    return Rule(function, analytic or function, exact or _lifted(function))


def _complex_nan() -> acb:
    return acb(arb.nan(), arb.nan())


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


ADD = Rule(operator.add, operator.add, _add_exact)
MULTIPLY = Rule(operator.mul, operator.mul, _multiply_exact)
NEGATE = Rule(operator.neg, operator.neg, operator.neg)
RECIPROCAL = Rule(lambda x: 1 / x, lambda x: 1 / x, _reciprocal)


def _square(x: Number) -> Number:
    if type(x) is arb and x.contains(0):
        top = x.abs_upper()
        return arb(0).union(top * top)
    return x * x


@lru_cache(maxsize=256)
def integer_power(exponent: int) -> Rule:
    """x^n as a product, also across zero; n positive."""
    if exponent == 2:
        return Rule(_square, _square, lambda x: _short(x * x) if type(x) is fmpq else _square(lift(x)))

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
        return power(lift(x))

    return Rule(power, power, exact)


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


@lru_cache(maxsize=256)
def rational_power(exponent: sp.Rational) -> Rule:
    """x^(p/q), q > 1: the principal branch."""
    p, q = int(exponent.p), int(exponent.q)
    times = integer_power(abs(p)).of if abs(p) > 1 else lambda x: x
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
            top = integer_power(p).of(top) if p > 1 else top
            return acb(arb(0, top), arb(0, top))
        return acb(x).pow(acb(arb(fmpq(p, q))))

    return _rule(power, lambda x: acb(x).pow(acb(arb(fmpq(p, q))), analytic=True))


def _general_power(x: Number, y: Number) -> Number:
    if type(x) is arb and x > 0:
        return (y * x.log()).exp()
    if type(x) is arb and x.is_zero() and type(y) is arb and y > 0:
        return arb(0)
    return acb(x).pow(acb(y))


GENERAL_POWER = _rule(_general_power, lambda x, y: acb(x).pow(acb(y), analytic=True))


# --- functions ------------------------------------------------------------------------------------


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


# --- functions of real numbers --------------------------------------------------------------------


def _sign_of(x: Number) -> arb:
    """sign(x): ±1, 0 for exactly 0, [−1, 1] when undecided."""
    if type(x) is acb and not x.imag.is_zero():
        return x / arb(abs(x))
    x = real_ball(x)
    if x > 0:
        return arb(1)
    if x < 0:
        return arb(-1)
    if x.is_zero():
        return arb(0)
    return arb.nan() if x.is_nan() else arb(0, 1)


def _heaviside(x: Number, at_zero: Number) -> arb:
    x = real_ball(x)
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
    x, y = real_ball(x), real_ball(y)
    return x if x >= y else y if y >= x else x.max(y)


def _minimum(x: Number, y: Number) -> arb:
    x, y = real_ball(x), real_ball(y)
    return x if x <= y else y if y <= x else x.min(y)


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


# --- matrices -------------------------------------------------------------------------------------


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


def _diagonal(matrix: arb_mat) -> arb_mat:
    """The matrix with zeros off the diagonal."""
    size = matrix.nrows()
    return arb_mat(size, size, [matrix[i, j] if i == j else 0 for i in range(size) for j in range(size)])


def _matrix_power(matrix: arb_mat, exponent: Number) -> arb_mat:
    power = exact_integer(exponent, "an exponent of a matrix")
    return matrix**power if power >= 0 else matrix.inv() ** -power


def _entry(matrix: arb_mat, row: Number, column: Number) -> arb:
    return matrix[exact_integer(row, "a row"), exact_integer(column, "a column")]


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


@lru_cache(maxsize=8)
def patterned(kind: Any) -> Function:
    """The identity, or the matrix of zeros or ones, from its sizes."""

    def matrix(rows: Number, columns: Number) -> arb_mat:
        n, m = exact_integer(rows, "a size"), exact_integer(columns, "a size")
        fill = {sp.Identity: lambda i, j: int(i == j), sp.ZeroMatrix: lambda i, j: 0}.get(kind, lambda i, j: 1)
        return arb_mat(n, m, [fill(i, j) for i in range(n) for j in range(m)])

    return matrix


# --- the tables -----------------------------------------------------------------------------------


RULES: dict[type, Rule] = {
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
REAL_RULES: dict[type, Function] = {
    sp.Abs: _absolute,
    sp.sign: _sign_of,
    sp.Heaviside: _heaviside,
    sp.re: _real_part,
    sp.im: _imaginary_part,
    sp.conjugate: _conjugate,
    sp.atan2: lambda y, x: arb.atan2(real_ball(y), real_ball(x)),
    sp.erfinv: _method("erfinv"),
    sp.erfcinv: _method("erfcinv"),
    sp.loggamma: _method("lgamma"),
    sp.polygamma: _polygamma,
    SoftmaxMoment: softmax_moment_ball,
    Dot: _dot,
    sp.Trace: _trace,
    sp.Determinant: lambda matrix: matrix.det(),
    sp.MatMul: _matrix_product,
    sp.MatAdd: _matrix_sum,
    sp.Transpose: lambda matrix: matrix.transpose(),
    sp.Inverse: lambda matrix, exponent: matrix.inv(),
    sp.HadamardProduct: _hadamard,
    sp.DiagonalMatrix: _diagonal,
    sp.MatPow: _matrix_power,
    MatrixElement: _entry,
}
# two arguments at a time
EXTREMA: dict[type, Function] = {sp.Max: _maximum, sp.Min: _minimum}
CONSTANTS: dict[Any, Function] = {
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


def _exactly(exact: Function, function: Function) -> Function:
    """`exact` where all arguments are rational, so that equal numbers stay equal."""

    def either(*arguments: Number) -> Number:
        if all(type(x) in (fmpq, int) for x in arguments):
            return exact(*arguments)
        return function(*(lift(x) for x in arguments))

    return either


@lru_cache(maxsize=4096)
def plain_rule(function: Any) -> Rule:
    """The rule of a function without an analytic form; exact on rationals where there is an exact one."""
    return _rule(function, exact=_exactly(_EXACTLY[function], function) if function in _EXACTLY else None)


def add_rule(cls: type, rule: Function, analytic: Function | None) -> None:
    """Put a node type into the table; without an analytic form it is refused inside a Gaussian integral.

    Constants in the tree come to a rule as integers; one that is registered sees balls only.
    """
    if analytic is None:
        REAL_RULES[cls] = _lifted(rule)
    else:
        RULES[cls] = _rule(_lifted(rule), _lifted(analytic))


# --- refusals -------------------------------------------------------------------------------------


def no_rule(expr: sp.Basic) -> NoBallRule:
    """The refusal of a node, by name."""
    if isinstance(expr, sp.Integral):
        return NoBallRule(
            f"no ball rule for Integral, needed by {shown(expr)}; "
            "a mean over normal variables can be written as a GaussianIntegral"
        )
    name = str(expr.func) if isinstance(expr, AppliedUndef) else type(expr).__name__
    return NoBallRule(f"no ball rule for {name}, needed by {shown(expr)}; add it to numerics.balls")


def shown(expr: Any) -> str:
    """The text of an expression, cut where it would fill a message."""
    text = str(expr)
    return text if len(text) <= 200 else text[:197] + "..."


# --- kinks and conditions -------------------------------------------------------------------------


def unknown() -> None:
    """The sign of a kink whose place is not known."""
    return None


def _piece(decided: Function, real: str) -> Rule:
    """A kinked function: `decided` where the sign is known, else its real-analytic form on either side."""

    def make(analytic: bool) -> Function:
        def function(sign: int | None, *arguments: Number) -> Number:
            if sign is not None:
                return decided(sign, *arguments)
            first, *others = (acb(x) for x in arguments)
            return getattr(first, real)(*others, analytic=analytic)

        return function

    return Rule(make(False), make(True), make(False))


PIECES: dict[type, Rule] = {
    sp.Abs: _piece(lambda sign, u: u if sign > 0 else -u, "real_abs"),
    sp.sign: _piece(lambda sign, u: arb(sign), "real_sgn"),
    sp.Heaviside: _piece(lambda sign, u: arb(1 if sign > 0 else 0), "real_heaviside"),
    sp.Max: _piece(lambda sign, u, v: u if sign > 0 else v, "real_max"),
    sp.Min: _piece(lambda sign, u, v: v if sign > 0 else u, "real_min"),
}
"""Kinked functions in an integrand: the sign of the kink's argument, then the arguments."""


def _choose(condition: bool | None, yes: Number, no: Number) -> Number:
    if condition is None:
        yes, no = lift(yes), lift(no)
        if type(yes) is acb or type(no) is acb:
            return acb(yes).union(acb(no))
        return yes.union(no)
    return yes if condition else no


def _choose_analytic(condition: bool | None, yes: Number, no: Number) -> Number:
    return _complex_nan() if condition is None else _choose(condition, yes, no)


CHOICE = Rule(_choose, _choose_analytic, _choose)


@lru_cache(maxsize=8)
def relation_rule(relation: str) -> Rule:
    """u ≥ v and the like, from the sign of the kink and the difference u − v: True, False, or None."""
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

    return Rule(decided, decided, decided)


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


CONNECTIVES: dict[type, Rule] = {
    kind: Rule(function, function, function) for kind, function in ((sp.And, _and), (sp.Or, _or), (sp.Not, _not))
}
