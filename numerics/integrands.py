"""A Gaussian integral as a formula: what is read off it and rewritten before it becomes numbers.

Hoisting    for floats: names for what is free of the variable, computed once a point
features    for floats: where the integrand turns, and how fast
"""

from __future__ import annotations

import sympy as sp

from theory.integral import GaussianIntegral

__all__ = ["Hoisting", "features"]


class Hoisting:
    """Gives a name to every part of an integrand that is free of the variable: once a point is enough."""

    def __init__(self, t: sp.Symbol) -> None:
        self.t = t
        self.parameters: dict[sp.Expr, sp.Dummy] = {}

    def hoist(self, expr: sp.Basic) -> sp.Basic:
        """The expression with its parts free of t named; `parameters` holds what the names stand for."""
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


def features(integrand: sp.Expr, t: sp.Symbol) -> list[tuple[sp.Expr, sp.Expr]]:
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
