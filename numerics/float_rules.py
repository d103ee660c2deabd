"""The table of float rules: which numpy or scipy function computes a node of a sympy tree.

    FUNCTIONS    node type -> operation on arrays
    RELATIONS    the same for comparisons, true as 1 and false as 0
    REWRITTEN    node type -> the same in functions of the table: sec x = 1/cos x

A new special function gets its float here (and its ball in `numerics.ball_rules`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy as sp
from scipy import special

from theory.softmax_moments import SoftmaxMoment
from theory.special import BivariateNormalCDF, NormalCDF, OwenT

from .softmax_moments import softmax_moment_float
from .special import bivariate_normal_cdf, normal_cdf, owens_t
from .tape import Operation, kernel, ufunc

__all__ = ["FUNCTIONS", "RELATIONS", "REWRITTEN"]


ADD, SUBTRACT, MULTIPLY = ufunc(np.add), ufunc(np.subtract), ufunc(np.multiply)
NEGATIVE, DIVIDE = ufunc(np.negative), ufunc(np.divide)
SQRT, POWER, EXP, LOG = ufunc(np.sqrt), ufunc(np.power), ufunc(np.exp), ufunc(np.log)
LOGADDEXP = ufunc(np.logaddexp, takes_complex=False)
MAXIMUM = Operation(np.maximum, lambda a, b, out: np.maximum(a, b, out=out))  # out by position is deprecated
MINIMUM = Operation(np.minimum, lambda a, b, out: np.minimum(a, b, out=out))
WHERE = kernel(lambda condition, yes, no: np.where(np.not_equal(condition, 0.0), yes, no), takes_complex=True)

FUNCTIONS: dict[type, Operation] = {
    sp.exp: EXP,
    sp.log: LOG,
    sp.sin: ufunc(np.sin),
    sp.cos: ufunc(np.cos),
    sp.tan: ufunc(np.tan),
    sp.asin: ufunc(np.arcsin),
    sp.acos: ufunc(np.arccos),
    sp.atan: ufunc(np.arctan),
    sp.sinh: ufunc(np.sinh),
    sp.cosh: ufunc(np.cosh),
    sp.tanh: ufunc(np.tanh),
    sp.asinh: ufunc(np.arcsinh),
    sp.acosh: ufunc(np.arccosh),
    sp.atanh: ufunc(np.arctanh),
    sp.atan2: ufunc(np.arctan2, takes_complex=False),
    sp.floor: ufunc(np.floor, takes_complex=False),
    sp.ceiling: ufunc(np.ceil, takes_complex=False),
    sp.Mod: ufunc(np.mod, takes_complex=False),
    sp.Heaviside: ufunc(np.heaviside, takes_complex=False),
    sp.sign: ufunc(np.sign, takes_complex=False),
    sp.Abs: ufunc(np.absolute, returns_real=True),
    sp.re: kernel(np.real, takes_complex=True, returns_real=True),
    sp.im: kernel(np.imag, takes_complex=True, returns_real=True),
    sp.arg: kernel(np.angle, takes_complex=True, returns_real=True),
    sp.conjugate: ufunc(np.conjugate),
    sp.erf: ufunc(special.erf),
    sp.erfc: ufunc(special.erfc),
    sp.erfi: ufunc(special.erfi),
    sp.erfinv: ufunc(special.erfinv, takes_complex=False),
    sp.erfcinv: ufunc(special.erfcinv, takes_complex=False),
    sp.gamma: ufunc(special.gamma),
    sp.loggamma: ufunc(special.gammaln, takes_complex=False),
    sp.polygamma: kernel(special.polygamma),
    sp.binomial: ufunc(special.binom, takes_complex=False),
    sp.RisingFactorial: ufunc(special.poch, takes_complex=False),
    NormalCDF: kernel(normal_cdf),
    OwenT: kernel(owens_t),
    BivariateNormalCDF: kernel(bivariate_normal_cdf),
    SoftmaxMoment: kernel(np.vectorize(softmax_moment_float, otypes=[float])),
}

REWRITTEN: dict[type, Callable[..., sp.Expr]] = {
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

RELATIONS: dict[type, Operation] = {
    sp.StrictLessThan: ufunc(np.less, takes_complex=False),
    sp.LessThan: ufunc(np.less_equal, takes_complex=False),
    sp.StrictGreaterThan: ufunc(np.greater, takes_complex=False),
    sp.GreaterThan: ufunc(np.greater_equal, takes_complex=False),
    sp.Equality: ufunc(np.equal, returns_real=True),
    sp.Unequality: ufunc(np.not_equal, returns_real=True),
}
