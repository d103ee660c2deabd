"""A Gaussian integral as a formula: what is read off it and rewritten before it becomes numbers.

    without_idle_variables       the same mean in fewer variables
    with_decided_denominators    for balls: softmax denominators that stay away from zero
    Hoisting                     for floats: names for what is free of the variable, computed once a point
    features                     for floats: where the integrand turns, and how fast

Formulas in, formulas out: no number is computed here.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from theory.integral import GaussianIntegral

__all__ = ["Hoisting", "features", "with_decided_denominators", "without_idle_variables"]


def without_idle_variables(node: GaussianIntegral) -> sp.Expr:
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


def with_decided_denominators(expr: sp.Expr, variables: Sequence[sp.Symbol]) -> sp.Expr:
    """The integrand with softmax denominators that stay away from zero.

        e^u/(e^u + e^v) = 1/(1 + e^{v−u})

    Balls of e^u/(e^u + e^v) blow up where both are large; those of the second form do not.
    """
    if not expr.args or not expr.free_symbols.intersection(variables):
        return expr

    def inside(part: sp.Expr) -> sp.Expr:
        arguments = [with_decided_denominators(argument, variables) for argument in part.args]
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
