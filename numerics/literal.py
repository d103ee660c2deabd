"""Formulas that hold means and gradients, evaluated as they are written, over the rationals.

    E[f]       by enumeration (`numerics.entrywise_mean`)
    ∂f/∂k_ij   from f at k + t e_ij for enough rational t: along that line f is a polynomial P(t) of known degree,
               or a quotient P/Q, and so many values determine it
    the rest   entry by entry (`numerics.exact_value`)

Nothing is rounded, and no rule of the theory takes part: neither those of the mean nor those of the derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp
from flint import fmpq, fmpq_poly

from theory.expectation import Expectation
from theory.gradient import Gradient, MatrixGradient
from theory.reading import is_random
from theory.statement import unevaluated

from .entries import NotPolynomial, exact_point, unknowns
from .entry_bounds import Degree
from .entrywise import BUDGET, EntrywiseBudgetExceeded, degree_bound, entrywise_mean, exact_value
from .rationals import from_rational, rational

__all__ = ["literal_degree", "literal_value"]

MOST_POINTS = 200
"""Values along one line: a quotient of such degrees is no formula that a reader checks."""

GRADIENTS = (Gradient, MatrixGradient)


def literal_value(
    expr: sp.Basic, values: Mapping[Any, Any], *, budget: int = BUDGET, formal: bool = True
) -> sp.Rational | sp.ImmutableDenseMatrix:
    """The exact value of an expression with unevaluated means and gradients.

    Args:
        expr: a scalar or a matrix expression; every random symbol stands inside a mean.
        values: as for `entrywise_mean`.
        budget: products of terms that may be formed for one mean.
        formal: as for `entrywise_mean`.

    Returns:
        A sympy Rational, or an explicit matrix.

    Raises:
        NotPolynomial, EntrywiseBudgetExceeded, ValueError: as `entrywise_mean` does.
        ZeroDivisionError: if something is divided by zero at this point.

    >>> from theory.variables import GaussianVector, dot
    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> k = sp.MatrixSymbol("k", d, 1)
    >>> x = GaussianVector("x", d)
    >>> literal_value(Gradient(Expectation(dot(x, k)**4), k), {k: [1, 2]})      # 12 |k|² k
    Matrix([
    [ 60],
    [120]])
    """
    point = exact_point([expr], values)
    return _Literal(point, budget, formal).value(expr)


def literal_degree(expr: sp.Basic, values: Mapping[sp.Basic, Any], degrees: Mapping[sp.Basic, Any]) -> Degree:
    """A bound of the degree of such an expression in what its parameters are made of, see `degree_bound`.

    >>> s = sp.Symbol("s")
    >>> literal_degree(Gradient(1/s, s), {s: 2}, {s: 1})
    Degree(numerator=1, denominator=2)
    """
    parts = _parts(expr)
    point: dict[sp.Basic, Any] = dict(values)
    bounds = dict(degrees)
    for node, stand_in in parts.nodes.items():
        inner = literal_degree(_inside(node), values, degrees)
        if isinstance(node, GRADIENTS):  # (P/Q)′ = (P′Q − PQ′)/Q²
            inner = Degree(inner.numerator + inner.denominator, 2 * inner.denominator)
        point[stand_in] = _ones(stand_in, values)
        bounds[stand_in] = inner
    return degree_bound(parts.plain, _restricted(parts.plain, point), bounds)


def _inside(node: sp.Basic) -> sp.Basic:
    return node.args[0]


def _restricted(expr: sp.Basic, point: Mapping[sp.Basic, Any]) -> dict[sp.Basic, Any]:
    return {symbol: point[symbol] for symbol in unknowns(expr)}


@dataclass(frozen=True)
class _Parts:
    """An expression with letters in the place of its means and gradients."""

    plain: sp.Basic
    nodes: dict[sp.Basic, sp.Basic]


def _parts(expr: sp.Basic) -> _Parts:
    nodes: dict[sp.Basic, sp.Basic] = {}
    for i, node in enumerate(unevaluated(expr)):
        is_matrix = getattr(node, "is_Matrix", False)
        nodes[node] = sp.MatrixSymbol(f"_node{i}", *node.shape) if is_matrix else sp.Dummy(f"node{i}", real=True)
    return _Parts(expr.xreplace(nodes), nodes)


def _ones(stand_in: sp.Basic, values: Mapping[sp.Basic, Any]) -> Any:
    if not isinstance(stand_in, sp.MatrixSymbol):
        return fmpq(1)
    rows, columns = (int(exact_value(size, _restricted(size, values))) for size in stand_in.shape)
    return [[fmpq(1)] * columns for _ in range(rows)]


@dataclass(frozen=True)
class _Literal:
    """Evaluates at one point."""

    point: Mapping[sp.Basic, Any]
    budget: int
    formal: bool

    def value(self, expr: sp.Basic) -> Any:
        """Of a formula: its nodes first."""
        plain, point = self.with_nodes(expr)
        return exact_value(plain, point)

    def with_nodes(self, expr: sp.Basic) -> tuple[sp.Basic, dict[sp.Basic, Any]]:
        """The formula with a letter for each node, and the values of its letters."""
        parts = _parts(expr)
        point = dict(self.point)
        for node, stand_in in parts.nodes.items():
            point[stand_in] = self.node(node)
        return parts.plain, _restricted(parts.plain, point)

    def node(self, node: sp.Basic) -> Any:
        """The value of a mean or of a gradient."""
        inside = _inside(node)
        if isinstance(node, GRADIENTS):
            return self.gradient(node, inside)
        if isinstance(inside, GRADIENTS):  # of a polynomial, the mean of the gradient is the gradient of the mean
            return self.gradient(inside, Expectation(_inside(inside)))
        strange = next(
            (inner for inner in unevaluated(inside) if isinstance(inner, GRADIENTS) and _varies(inner)), None
        )
        if strange is not None:
            raise NotPolynomial(f"no entrywise rule for the mean of an expression that holds the random {strange}")
        plain, point = self.with_nodes(inside)
        return entrywise_mean(plain, point, budget=self.budget, formal=self.formal)

    def gradient(self, node: sp.Basic, written: sp.Basic) -> Any:
        """The derivatives of a formula, entry by entry of the parameter of a gradient."""
        parameter = node.args[1]
        if not written.has(parameter):
            nothing = sp.ZeroMatrix(*parameter.shape) if isinstance(parameter, sp.MatrixSymbol) else sp.Integer(0)
            return exact_value(nothing, _restricted(nothing, self.point))
        bound = literal_degree(written, self.point, {parameter: 1})
        if bound.numerator + bound.denominator >= MOST_POINTS:
            raise EntrywiseBudgetExceeded(
                f"expected degrees up to {MOST_POINTS} in {parameter}, got up to {bound.numerator} over "
                f"{bound.denominator} in {written}; take smaller sizes"
            )

        def slope(i: int, j: int) -> sp.Rational:
            def along(t: int) -> fmpq:  # off the point itself a law may be one by its polynomials only
                at = _Literal(self.moved(parameter, i, j, t), self.budget, self.formal or t != 0)
                return rational(at.value(written), str(written))

            return from_rational(slope_at_zero(along, bound))

        if not isinstance(parameter, sp.MatrixSymbol):
            return slope(0, 0)
        table = self.point[parameter]
        return sp.ImmutableDenseMatrix([[slope(i, j) for j in range(len(table[0]))] for i in range(len(table))])

    def moved(self, parameter: sp.Basic, i: int, j: int, t: int) -> dict[sp.Basic, Any]:
        """The point with one entry of the parameter moved by t."""
        value = self.point[parameter]
        if not isinstance(parameter, sp.MatrixSymbol):
            return {**self.point, parameter: value + t}
        table = [
            [entry + t * ((row, column) == (i, j)) for column, entry in enumerate(entries)]
            for row, entries in enumerate(value)
        ]
        return {**self.point, parameter: table}


def _varies(gradient: sp.Basic) -> bool:
    """Whether a gradient is random: something random in it stands outside all means."""
    parts = _parts(_inside(gradient))
    return is_random(parts.plain) or any(_varies(node) for node in parts.nodes if isinstance(node, GRADIENTS))


def slope_at_zero(function: Callable[[int], fmpq], bound: Degree) -> fmpq:
    """f′(0) of a quotient of polynomials f = P/Q, exactly, from as many values as its degrees take.

    The values at deg P + deg Q + 1 points determine P/Q; points where f has a pole are left out.

    >>> slope_at_zero(lambda t: fmpq(1, 1 + t)**2 * t, Degree(1, 2))
    1
    """
    p, q = bound.numerator, bound.denominator
    wanted = p + q + 1
    points: list[tuple[int, fmpq]] = []
    for t in _around_zero():
        if len(points) == wanted:
            break
        try:
            points.append((t, fmpq(function(t))))
        except ZeroDivisionError:
            if t == 0:
                raise
    above, below = _quotient(points, p)
    return (above.derivative()(0) * below(0) - above(0) * below.derivative()(0)) / below(0) ** 2


def _around_zero() -> Iterator[int]:
    """0, 1, −1, 2, −2, …"""
    yield 0
    t = 1
    while True:
        yield t
        yield -t
        t += 1


def _quotient(points: list[tuple[int, fmpq]], p: int) -> tuple[fmpq_poly, fmpq_poly]:
    """P and Q, without a common factor, by Euclid's algorithm on the polynomial through the points.

    Source: von zur Gathen and Gerhard, Modern Computer Algebra, section 5.8 (Cauchy interpolation).
    """
    through, nodes = _newton(points)
    (r, s), (u, v) = (nodes, through), (fmpq_poly([0]), fmpq_poly([1]))
    while s.degree() > p:
        quotient, rest = divmod(r, s)
        (r, s), (u, v) = (s, rest), (v, u - quotient * v)
    common = s.gcd(v)
    return s / common, v / common


def _newton(points: list[tuple[int, fmpq]]) -> tuple[fmpq_poly, fmpq_poly]:
    """The polynomial through some points, by divided differences, and that which vanishes at all of them."""
    differences = [value for _, value in points]
    through, nodes = fmpq_poly([0]), fmpq_poly([1])
    for k, (t, _) in enumerate(points):
        through += nodes * differences[k]
        nodes *= fmpq_poly([-t, 1])
        for i in range(len(points) - 1, k, -1):
            differences[i] = (differences[i] - differences[i - 1]) / (points[i][0] - points[i - k - 1][0])
    return through, nodes
