"""What a flow conserves, and which sets it does not leave.

A gradient flow conserves quantities because of the way its model is parametrized:

    w = φ(θ),   θ̇ = −∇_θ R(φ(θ)) = −Σ_j R_j(w) ∇φ_j(θ)

Q(θ) is conserved for *every* risk R as soon as ⟨∇Q, ∇φ_j⟩ = 0 for every j. For polynomial φ and Q that is a set of
linear equations for the coefficients of Q, which exact linear algebra solves completely:

    φ = vU          v² − ‖U‖²
    φ = U₂U₁        U₁U₁ᵀ − U₂ᵀU₂

What a particular risk conserves besides, by a symmetry of its own, is not found here; `Conserved` states it.

A weaker property: {g = 0} is *invariant* when every ġ_i lies in the ideal of the g_j, ġ_i = Σ_j c_ij g_j with
polynomials c_ij. `is_invariant` decides that; `Invariant` states it for a manifold that is a graph.

References: S. Du, W. Hu, J. Lee, Algorithmic regularization in learning deep homogeneous models (2018); S. Marcotte,
R. Gribonval, G. Peyré, Abide by the law and follow the flow (2023), whose question is all conserved functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import combinations_with_replacement
from typing import Any

import sympy as sp
from sympy.polys.matrices import DomainMatrix

__all__ = ["conserved_quadratics", "gradient_field", "is_invariant", "lie_derivative"]


def lie_derivative(quantity: sp.Expr, field: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    """The derivative of a quantity along a flow, Q̇ = Σ_i ẋ_i ∂Q/∂x_i, as it is written.

    >>> x, y = sp.symbols("x y")
    >>> lie_derivative(x*y, {x: -x, y: y})
    0
    """
    return sp.Add(*(sp.sympify(quantity, strict=True).diff(x) * velocity for x, velocity in field.items()))


def gradient_field(expr: sp.Expr, parameters: Iterable[sp.Symbol]) -> dict[sp.Symbol, sp.Expr]:
    """The gradient flow of a function of symbols, ẋ = −∇f.

    >>> x = sp.Symbol("x")
    >>> gradient_field(x**2, [x])
    {x: -2*x}
    """
    return {x: -expr.diff(x) for x in parameters}


def is_invariant(equations: Iterable[sp.Expr], field: Mapping[sp.Symbol, sp.Expr]) -> bool:
    """Whether a flow stays on {g = 0} because each ġ_i is a combination of the equations.

        ġ_i = Σ_j c_ij(x) g_j(x)   implies   g(x(0)) = 0 ⟹ g(x(t)) = 0

    Decided exactly, by a Gröbner basis. Functions that are not polynomials, such as erf(κ), are taken as letters of
    their own, so that what is found holds whatever their values.

    Args:
        equations: g_1, g_2, …, polynomials in the coordinates.
        field: the velocity of each coordinate. Symbols without a velocity are constants.

    Returns:
        True is a proof. False says that some ġ_i is not such a combination; the set may be invariant all the same, when
        the equations have multiple zeros or relations between the letters matter.

    Raises:
        ValueError: if there is no equation, or one is no polynomial in the coordinates.

    >>> x, y, a = sp.symbols("x y a", real=True)
    >>> tangent = {x: -y*sp.erf(a*x), y: x*sp.erf(a*x)}
    >>> is_invariant([x**2 + y**2 - 1], tangent), is_invariant([x - y], tangent)
    (True, False)
    """
    given = [sp.sympify(g, strict=True) for g in equations]
    for g in given:
        if not g.free_symbols & set(field) or not g.is_polynomial(*field):
            raise ValueError(f"expected equations that are polynomials in {', '.join(map(str, field))}, got {g}")
    if not given:
        raise ValueError("expected at least one equation, got none")
    letters: dict[sp.Expr, sp.Dummy] = {}
    rates = [_in_letters(lie_derivative(g, field), letters) for g in given]
    ideal = [_in_letters(g, letters) for g in given]
    symbols = sorted(set().union(*(expr.free_symbols for expr in (*ideal, *rates))), key=sp.default_sort_key)
    basis = sp.groebner(ideal, *symbols, order="grevlex", domain="QQ")
    return all(basis.contains(rate) for rate in rates)


def _in_letters(expr: sp.Expr, letters: dict[sp.Expr, sp.Dummy]) -> sp.Expr:
    """The expression with everything that is no polynomial over the rationals replaced by letters."""
    if isinstance(expr, (sp.Symbol, sp.Rational)):
        return expr
    is_power = isinstance(expr, sp.Pow) and expr.exp.is_Integer and expr.exp > 0
    if isinstance(expr, (sp.Add, sp.Mul)) or is_power:
        return expr.func(*(_in_letters(part, letters) for part in expr.args))
    return letters.setdefault(expr, sp.Dummy())


def conserved_quadratics(model: Any, parameters: Any) -> tuple[sp.Expr, ...]:
    """A basis of all quadratic quantities that the gradient flow of R(φ(θ)) conserves for every R.

        {Q : ⟨∇Q, ∇φ_j⟩ = 0 for all j},   Q of degree at most 2, without a constant

    Args:
        model: φ, an expression, a sequence of them or an explicit matrix; polynomial in the parameters, with
            rational coefficients.
        parameters: θ, symbols, explicit matrices of symbols, or a sequence of both.

    Returns:
        Linearly independent polynomials with integer coefficients; the empty tuple when there is none. Each is
        conserved, and every conserved quadratic is a combination of them.

    Raises:
        TypeError: if a parameter is no symbol.
        ValueError: for a model that is not a polynomial with rational coefficients, or free of the parameters.

    >>> v, u1, u2 = sp.symbols("v u1 u2")
    >>> conserved_quadratics([v*u1, v*u2], [v, u1, u2])
    (-u1**2 - u2**2 + v**2,)
    """
    symbols = _symbols(parameters)
    outputs = [sp.sympify(entry, strict=True) for entry in _entries(model)]
    others = set().union(*(entry.free_symbols for entry in outputs)) - set(symbols) if outputs else set()
    if others:
        raise ValueError(f"expected a model of the parameters alone, got {', '.join(sorted(map(str, others)))}")
    if not any(entry.free_symbols for entry in outputs):
        raise ValueError("expected a model that depends on its parameters, got a constant one")
    polynomials = []
    for entry in outputs:
        try:
            polynomials.append(sp.Poly(entry, *symbols, domain="QQ"))
        except sp.PolynomialError as error:
            raise ValueError(f"expected a polynomial with rational coefficients, got {entry}") from error
        except sp.CoercionFailed as error:
            raise ValueError(f"expected rational coefficients, got {entry}") from error
    slopes = [[polynomial.diff(x) for x in symbols] for polynomial in polynomials]
    candidates = [sp.Mul(*pair) for pair in combinations_with_replacement(symbols, 2)] + list(symbols)
    equations: dict[tuple[int, tuple[int, ...]], dict[int, Any]] = {}
    for column, candidate in enumerate(candidates):
        gradient = [sp.Poly(candidate.diff(x), *symbols, domain="QQ") for x in symbols]
        for j, slope in enumerate(slopes):
            total = sp.Poly(0, *symbols, domain="QQ")
            for one, other in zip(gradient, slope, strict=True):
                if not (one.is_zero or other.is_zero):
                    total += one * other
            for monomial, coefficient in total.rep.to_dict().items():
                equations.setdefault((j, monomial), {})[column] = coefficient
    field = sp.QQ
    rows = [[row.get(i, field.zero) for i in range(len(candidates))] for row in equations.values()]
    if not rows:
        return tuple(candidates)
    kernel = DomainMatrix(rows, (len(rows), len(candidates)), field).nullspace().to_Matrix()
    found = []
    for i in range(kernel.rows):
        row = list(kernel.row(i))
        scale = sp.Rational(math.lcm(*(int(c.q) for c in row)), math.gcd(*(int(c.p) for c in row)))
        leading = next(entry for entry in row if entry)
        found.append(sp.Add(*(scale * sp.sign(leading) * c * term for c, term in zip(row, candidates, strict=True))))
    return tuple(found)


def _entries(given: Any) -> list[Any]:
    if isinstance(given, sp.MatrixBase):
        return list(given.flat())
    if isinstance(given, (list, tuple, sp.Tuple)):
        return [entry for part in given for entry in _entries(part)]
    return [given]


def _symbols(parameters: Any) -> tuple[sp.Symbol, ...]:
    found = _entries(parameters)
    for symbol in found:
        if not isinstance(symbol, sp.Symbol):
            raise TypeError(f"expected symbols as parameters, got {symbol!r} of type {type(symbol).__name__}")
    if not found or len(set(found)) < len(found):
        raise ValueError(f"expected each parameter once, at least one, got {found}")
    return tuple(found)
