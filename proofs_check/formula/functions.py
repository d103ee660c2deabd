"""The functions that a text may name: a closed table, each with its spellings and what it makes.

    erf(x)        \\operatorname{erf}(x)         sigmoid(x) = 1/(1 + e^{−x})
    Phi(x)        \\Phi(x)                       the standard normal distribution function
    Phi2(h, k, rho)   \\Phi_{2}(h, k; \\rho)      the bivariate one
    OwenT(h, a)   \\operatorname{T}(h, a)        Owen's T
    SoftmaxMoment(n, q, 2, 3)   \\operatorname{P}(n, q, 2, 3)   moments of softmax weights

`growth` bounds the magnitude of a value at a constant argument, which is what keeps towers of
exponentials from being built (`limits`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp

from theory.softmax_moments import SoftmaxMoment
from theory.special import BivariateNormalCDF, NormalCDF, OwenT

__all__ = ["BY_COMMAND", "BY_NAME", "BY_TYPE", "Function"]


@dataclass(frozen=True)
class Function:
    """A function of the grammar.

    Args:
        name: how it is called in text, and first in messages.
        make: what it makes of its arguments.
        least, most: how many arguments it takes.
        growth: "bounded", "same", "root" or "exponential" in the magnitude of its argument.
        compares: whether sympy asks for the sign of a constant argument.
        weight: what sympy has to do for it, beside other functions.
        other: further names in text.
        commands: names in LaTeX, as \\name or \\operatorname{name}.
    """

    name: str
    make: Callable[..., Any]
    least: int = 1
    most: int = 1
    growth: str = "bounded"
    compares: bool = False
    weight: int = 1
    other: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


def _sigmoid(x: sp.Expr) -> sp.Expr:
    return 1 / (1 + sp.exp(-x))


def _kept(head: Any) -> Callable[..., Any]:
    """A function as written: sympy takes the real part of a function apart on the spot."""
    return lambda x: head(x, evaluate=False)


def _square_root(x: sp.Expr) -> sp.Expr:
    return sp.sqrt(x)


MANY = 8  # arguments of a maximum: sympy compares them pairwise

_TABLE = (
    Function("exp", sp.exp, growth="exponential", commands=("exp",)),
    Function("log", sp.log, growth="same", other=("ln",), commands=("log", "ln")),
    Function("sqrt", _square_root, growth="root"),
    *(Function(name, getattr(sp, name), commands=(name,)) for name in ("sin", "cos")),
    *(Function(name, getattr(sp, name), growth="same", commands=(name,)) for name in ("tan", "cot")),
    *(Function(name, getattr(sp, name), growth="same", weight=2, commands=(name,)) for name in ("sec", "csc")),
    *(
        Function(f"a{name}", getattr(sp, f"a{name}"), other=(f"arc{name}",), commands=(f"arc{name}", f"a{name}"))
        for name in ("sin", "cos", "tan")
    ),
    Function("atan2", sp.atan2, 2, 2, compares=True, commands=("atan2",)),
    *(Function(name, getattr(sp, name), growth="exponential", commands=(name,)) for name in ("sinh", "cosh")),
    Function("tanh", sp.tanh, commands=("tanh",)),
    Function("sech", sp.sech, weight=2, commands=("sech",)),
    Function("coth", sp.coth, growth="same", commands=("coth",)),
    Function("csch", sp.csch, growth="same", weight=2, commands=("csch",)),
    *(
        Function(f"a{name}", getattr(sp, f"a{name}"), growth="same", other=(f"ar{name}",), commands=(f"ar{name}",))
        for name in ("sinh", "cosh", "tanh")
    ),
    Function("erf", sp.erf, commands=("erf",)),
    Function("erfc", sp.erfc, commands=("erfc",)),
    Function("erfi", sp.erfi, growth="exponential", commands=("erfi",)),
    Function("erfinv", sp.erfinv, growth="same", commands=("erfinv",)),
    Function("erfcinv", sp.erfcinv, growth="same", commands=("erfcinv",)),
    Function("abs", sp.Abs, growth="same", compares=True, other=("Abs",)),
    Function("sign", sp.sign, compares=True, commands=("sign", "sgn")),
    Function("step", sp.Heaviside, compares=True, other=("Heaviside",), commands=("H",)),
    Function("delta", sp.DiracDelta, compares=True, other=("DiracDelta",)),
    Function("max", sp.Max, 1, MANY, growth="same", compares=True, other=("Max",), commands=("max",)),
    Function("min", sp.Min, 1, MANY, growth="same", compares=True, other=("Min",), commands=("min",)),
    Function("re", _kept(sp.re), growth="same", commands=("re",)),
    Function("im", _kept(sp.im), growth="same", commands=("im",)),
    Function("sigmoid", _sigmoid, growth="exponential", weight=4, commands=("sigmoid",)),
    Function("Phi", NormalCDF, other=("NormalCDF",)),
    Function("Phi2", BivariateNormalCDF, 3, 3, compares=True, other=("BivariateNormalCDF",)),
    Function("OwenT", OwenT, 2, 2, compares=True, commands=("T",)),
    Function("SoftmaxMoment", SoftmaxMoment, 3, MANY, compares=True, commands=("P",)),
)

BY_NAME: dict[str, Function] = {name: function for function in _TABLE for name in (function.name, *function.other)}
BY_COMMAND: dict[str, Function] = {name: function for function in _TABLE for name in function.commands}
BY_TYPE: dict[Any, Function] = {function.make: function for function in _TABLE if isinstance(function.make, type)} | {
    sp.re: BY_NAME["re"],
    sp.im: BY_NAME["im"],
}
