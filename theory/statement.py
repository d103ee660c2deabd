"""The formula of a claim: two sides and a relation, both kept as written.

sympy's `Eq(a, a)` turns into `True` on the spot and `a - b` hides which side was which, so a
statement is a small object of ours. There is one kind for each kind of sentence:

    Identity             lhs = rhs
    Inequality           lhs < rhs,  ≤, >, ≥
    Limit                lim_{x→c} f(x) = value
    Invariant            the flow ẋ = field(x) does not leave a manifold
    Stationary           ∇f = 0 at a point
    StationaryCount      a field has exactly n zeros in a box
    Agreement            a formula is the mean of what a simulator draws
    Conserved            the flow ẋ = field(x) does not change a quantity
    Frequency            a random trial succeeds with a probability within bounds
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from .latex import related, to_latex

__all__ = [
    "Agreement",
    "Conserved",
    "Frequency",
    "Identity",
    "Inequality",
    "Invariant",
    "Limit",
    "Statement",
    "Stationary",
    "StationaryCount",
    "equal",
    "evaluate_expectations",
    "unevaluated",
]

Pairs = tuple[tuple[sp.Symbol, sp.Basic], ...]


class Statement(ABC):
    """A formula that can be true or false."""

    @abstractmethod
    def text(self) -> str:
        """The statement on one line."""

    @abstractmethod
    def latex(self) -> str:
        """The statement in LaTeX, without dollar signs."""

    def displays(self) -> tuple[str, ...]:
        """The statement in LaTeX as displayed formulas, one below the other."""
        return (self.latex(),)

    @abstractmethod
    def map(self, function: Callable[[sp.Basic], sp.Basic]) -> Statement:
        """The statement with a function applied to each of its expressions."""


UNEVALUATED = ("Expectation", "MatrixExpectation", "Gradient", "MatrixGradient")
"""What stands in a statement for its closed form, by name: these classes are made further down."""


def evaluate_expectations(expr: sp.Basic) -> sp.Basic:
    """The expression with every unevaluated `Expectation` and `Gradient` replaced by its closed form.

    Only those nodes are touched, and each begins with what is inside it: `doit` on the whole would also start sums
    and integrals.
    """
    closed = {node: node.doit() for node in unevaluated(expr)}
    return expr.xreplace(closed) if closed else expr


def unevaluated(expr: sp.Basic) -> list[sp.Basic]:
    """The outermost means and gradients in an expression, each once."""
    found: dict[sp.Basic, None] = {}
    walk = sp.preorder_traversal(expr)
    for node in walk:
        if type(node).__name__ in UNEVALUATED:
            found[node] = None
            walk.skip()
    return list(found)


def _expression(side: Any, role: str) -> sp.Basic:
    """A side as a sympy object: exact, and never made from text."""
    if not isinstance(side, sp.Basic) and isinstance(getattr(side, "expr", None), sp.Basic):
        side = side.expr
    if isinstance(side, (list, tuple)):
        return sp.Tuple(*(_expression(part, role) for part in side))
    try:
        expr = sp.sympify(side, strict=True)
    except sp.SympifyError:
        raise TypeError(f"expected a sympy expression as {role}, got {side!r} of type {type(side).__name__}") from None
    if isinstance(expr, sp.MatrixBase):
        expr = sp.ImmutableMatrix(expr)
    if not isinstance(expr, (sp.Expr, sp.Tuple, sp.MatrixBase)):
        raise TypeError(f"expected a sympy expression as {role}, got {side!r} of type {type(side).__name__}")
    if expr.has(sp.Float):
        number = next(iter(expr.atoms(sp.Float)))
        raise TypeError(f'expected exact numbers in {role}, got the float {number}; write sp.Rational("{number}")')
    return expr


def _scalar(side: Any, role: str) -> sp.Expr:
    expr = _expression(side, role)
    if not isinstance(expr, sp.Expr) or getattr(expr, "is_Matrix", False):
        raise TypeError(f"expected a scalar expression as {role}, got {side!r}")
    return expr


def _symbol(candidate: Any, role: str) -> sp.Symbol:
    if not isinstance(candidate, sp.Symbol):
        raise TypeError(f"expected a symbol as {role}, got {candidate!r}")
    return candidate


def _pairs(pairs: Mapping | Iterable, role: str) -> Pairs:
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    return tuple((_symbol(symbol, role), _scalar(expr, f"{role} of {symbol}")) for symbol, expr in items)


def _set(instance: Any, **fields: Any) -> None:
    """Write the normalised fields of a frozen dataclass, once, at its birth."""
    for name, value in fields.items():
        object.__setattr__(instance, name, value)


ONE_LINE = 10**6


def _latex(expr: sp.Basic) -> str:
    return to_latex(expr, width=ONE_LINE)


def _point_text(pairs: Iterable) -> str:
    return ", ".join(f"{symbol} = {expr}" for symbol, expr in pairs)


def _velocities(field: Pairs) -> tuple[str, ...]:
    return tuple(related(sp.Symbol(f"{symbol.name}_dot"), "=", expr) for symbol, expr in field)


def _point_latex(pairs: Iterable) -> str:
    return r",\ ".join(f"{_latex(symbol)} = {_latex(expr)}" for symbol, expr in pairs)


@dataclass(frozen=True)
class Identity(Statement):
    """Two sides that are equal, componentwise if they are tuples or explicit matrices.

        lhs = rhs

    Raises:
        TypeError: if a side is no exact sympy expression (a float, a text).
        ValueError: if the sides differ in length or shape.

    >>> x = sp.Symbol("x")
    >>> Identity(x, x).text()
    'x = x'
    """

    lhs: sp.Basic
    rhs: sp.Basic

    def __post_init__(self) -> None:
        lhs, rhs = _expression(self.lhs, "the left side"), _expression(self.rhs, "the right side")
        shapes = [
            getattr(side, "shape", None) or (len(side) if isinstance(side, sp.Tuple) else ()) for side in (lhs, rhs)
        ]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"expected two sides of one shape, got {shapes[0] or 'a scalar'} on the left "
                f"and {shapes[1] or 'a scalar'} on the right"
            )
        _set(self, lhs=lhs, rhs=rhs)

    def components(self) -> tuple[tuple[sp.Expr, sp.Expr], ...]:
        """The pairs of scalars that have to be equal."""
        if isinstance(self.lhs, (sp.Tuple, sp.MatrixBase)):
            return tuple(zip(self.lhs, self.rhs, strict=True))
        return ((self.lhs, self.rhs),)

    def text(self) -> str:
        return f"{self.lhs} = {self.rhs}"

    def latex(self) -> str:
        return related(self.lhs, "=", self.rhs)

    def displays(self) -> tuple[str, ...]:
        return tuple(related(lhs, "=", rhs) for lhs, rhs in self.components())

    def map(self, function: Callable[[sp.Basic], sp.Basic]) -> Identity:
        return Identity(function(self.lhs), function(self.rhs))


def equal(lhs: Any, rhs: Any) -> Identity:
    """The statement lhs = rhs; the sides are kept as they are written and never subtracted.

    Args:
        lhs, rhs: expressions, risks, or lists of them of equal length (then componentwise).

    >>> x = sp.Symbol("x")
    >>> equal((x + 1)**2, x**2 + 2*x + 1).text()
    '(x + 1)**2 = x**2 + 2*x + 1'
    """
    return Identity(lhs, rhs)


RELATIONS = ("<", "<=", ">", ">=")


@dataclass(frozen=True)
class Inequality(Statement):
    """One side is below the other.

        lhs < rhs     (or <=, >, >=)

    Raises:
        ValueError: if the relation is none of the four.

    >>> x = sp.Symbol("x", real=True)
    >>> Inequality(x**2, ">=", 0).text()
    'x**2 >= 0'
    """

    lhs: sp.Expr
    relation: str
    rhs: sp.Expr

    def __post_init__(self) -> None:
        if self.relation not in RELATIONS:
            raise ValueError(f"expected one of {', '.join(RELATIONS)} as relation, got relation={self.relation!r}")
        _set(self, lhs=_scalar(self.lhs, "the left side"), rhs=_scalar(self.rhs, "the right side"))

    def negated(self) -> Inequality:
        """The inequality that holds exactly where this one does not."""
        opposite = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
        return Inequality(self.lhs, opposite[self.relation], self.rhs)

    def text(self) -> str:
        return f"{self.lhs} {self.relation} {self.rhs}"

    def latex(self) -> str:
        return related(self.lhs, self.relation, self.rhs)

    def map(self, function: Callable[[sp.Basic], sp.Basic]) -> Inequality:
        return Inequality(function(self.lhs), self.relation, function(self.rhs))


@dataclass(frozen=True)
class Limit(Statement):
    """Where an expression tends when a symbol approaches a point from inside the domain.

        lim_{symbol → point} expr = value

    Args:
        expr: the expression.
        symbol: what moves.
        point: where it moves to; ±oo allowed.
        value: the limit, free of the symbol; ±oo allowed.

    >>> x = sp.Symbol("x", positive=True)
    >>> Limit(x/(1 + x), x, sp.oo, 1).text()
    'lim x -> oo of x/(x + 1) = 1'
    """

    expr: sp.Expr
    symbol: sp.Symbol
    point: sp.Expr
    value: sp.Expr

    def __post_init__(self) -> None:
        symbol = _symbol(self.symbol, "the variable of the limit")
        point, value = _scalar(self.point, "the point"), _scalar(self.value, "the value")
        for role, expr in (("point", point), ("value", value)):
            if symbol in expr.free_symbols:
                raise ValueError(f"expected the {role} of the limit to be free of {symbol}, got {expr}")
        _set(self, expr=_scalar(self.expr, "the expression"), symbol=symbol, point=point, value=value)

    def text(self) -> str:
        return f"lim {self.symbol} -> {self.point} of {self.expr} = {self.value}"

    def latex(self) -> str:
        target = rf"{_latex(self.symbol)} \to {_latex(self.point)}"
        return rf"\lim_{{{target}}} \left({_latex(self.expr)}\right) = {_latex(self.value)}"

    def map(self, function: Callable[[sp.Basic], sp.Basic]) -> Limit:
        return Limit(function(self.expr), self.symbol, function(self.point), function(self.value))


@dataclass(frozen=True)
class Invariant(Statement):
    """A flow that starts on a manifold stays on it.

        ẋ_i = field_i(x),   M = {x_s = g_s(other coordinates)}

    Args:
        field: the velocity of each coordinate, a dict or pairs (symbol, expression). Symbols
            without a velocity are constants.
        manifold: some coordinates as functions of the others, a dict or pairs.

    Raises:
        ValueError: if a coordinate of the manifold has no velocity, or is expressed through another one.

    >>> x, y = sp.symbols("x y", real=True)
    >>> Invariant({x: -x, y: x*y}, {y: 0}).identities()[0].text()
    '0 = 0'
    """

    field: Pairs
    manifold: Pairs

    def __post_init__(self) -> None:
        field, manifold = _pairs(self.field, "the field"), _pairs(self.manifold, "the manifold")
        if not manifold:
            raise ValueError("expected at least one coordinate in the manifold, got none")
        moving, pinned = {symbol for symbol, _ in field}, {symbol for symbol, _ in manifold}
        for symbol, expr in manifold:
            if symbol not in moving:
                raise ValueError(f"the manifold fixes {symbol}, which has no velocity in the field")
            if expr.free_symbols & pinned:
                raise ValueError(f"expected {symbol} on the manifold as a function of the free coordinates, got {expr}")
        _set(self, field=field, manifold=manifold)

    def identities(self) -> tuple[Identity, ...]:
        """The velocity across the manifold is zero on it: field_s = Σ_r ∂_r g_s · field_r on M."""
        field, on_manifold = dict(self.field), dict(self.manifold)
        velocity = {symbol: evaluate_expectations(expr).xreplace(on_manifold) for symbol, expr in field.items()}
        return tuple(
            Identity(velocity[symbol], sp.Add(*(expr.diff(other) * velocity[other] for other in field)))
            for symbol, expr in self.manifold
        )

    def text(self) -> str:
        velocities = ", ".join(f"d{symbol}/dt = {expr}" for symbol, expr in self.field)
        return f"{{{_point_text(self.manifold)}}} is invariant under {velocities}"

    def latex(self) -> str:
        velocities = r",\ ".join(rf"\dot{{{_latex(symbol)}}} = {_latex(expr)}" for symbol, expr in self.field)
        return rf"\{{{_point_latex(self.manifold)}\}} \text{{ is invariant under }} {velocities}"

    def displays(self) -> tuple[str, ...]:
        return (rf"\{{{_point_latex(self.manifold)}\}} \text{{ is invariant under}}", *_velocities(self.field))

    def map(self, function: Callable[[sp.Basic], sp.Basic]) -> Invariant:
        return Invariant(
            tuple((symbol, function(expr)) for symbol, expr in self.field),
            tuple((symbol, function(expr)) for symbol, expr in self.manifold),
        )


@dataclass(frozen=True)
class Stationary(Statement):
    """A point where the gradient vanishes.

        ∂f/∂p = 0 for every parameter p, at the point

    Args:
        expr: the function, a scalar expression or a risk.
        parameters: the symbols the gradient is taken in.
        at: the point, a dict or pairs (symbol, expression); it may leave other symbols free.

    >>> x = sp.Symbol("x", real=True)
    >>> Stationary(x**2, (x,), {x: 0}).identities()[0].text()
    '0 = 0'
    """

    expr: sp.Expr
    parameters: tuple[sp.Symbol, ...]
    at: Pairs

    def __post_init__(self) -> None:
        parameters = tuple(_symbol(parameter, "a parameter") for parameter in self.parameters)
        if not parameters:
            raise ValueError("expected at least one parameter, got none")
        _set(
            self,
            expr=_scalar(self.expr, "the function"),
            parameters=parameters,
            at=_pairs(self.at, "the point"),
        )

    def identities(self) -> tuple[Identity, ...]:
        """Each component of the gradient at the point is zero."""
        expr, at = evaluate_expectations(self.expr), dict(self.at)
        return tuple(Identity(expr.diff(parameter).subs(at, simultaneous=True), 0) for parameter in self.parameters)

    def text(self) -> str:
        names = ", ".join(str(parameter) for parameter in self.parameters)
        return f"{self.expr} is stationary in {names} at {_point_text(self.at)}"

    def latex(self) -> str:
        names = ", ".join(_latex(parameter) for parameter in self.parameters)
        return rf"\nabla_{{{names}}} \left({_latex(self.expr)}\right) = 0 \text{{ at }} {_point_latex(self.at)}"

    def map(self, function: Callable[[sp.Basic], sp.Basic]) -> Stationary:
        return Stationary(
            function(self.expr), self.parameters, tuple((symbol, function(expr)) for symbol, expr in self.at)
        )


@dataclass(frozen=True)
class StationaryCount(Statement):
    """A field has exactly so many zeros in a box.

        #{x in box : field(x) = 0} = number

    Args:
        field: the components, as many as variables.
        variables: the symbols solved for.
        box: the interval of each variable, a dict or pairs (symbol, (low, high)); kept as pairs.
        points: the zeros that are named, each a dict from variable to expression.
        natures: the nature of each named zero, in the same order, if claimed.
        number: how many there are; by default as many as are named.

    >>> x = sp.Symbol("x", real=True)
    >>> StationaryCount((x**3 - x,), (x,), {x: (-2, 2)}, number=3).text()
    '(x**3 - x) has exactly 3 zeros in x in [-2, 2]'
    """

    field: tuple[sp.Expr, ...]
    variables: tuple[sp.Symbol, ...]
    box: tuple[tuple[sp.Symbol, tuple[sp.Expr, sp.Expr]], ...]
    points: tuple[dict, ...] = ()
    natures: tuple[Any, ...] | None = None
    number: int | None = None

    def __post_init__(self) -> None:
        field = tuple(_scalar(component, "a component of the field") for component in self.field)
        variables = tuple(_symbol(variable, "a variable") for variable in self.variables)
        intervals = dict(self.box.items() if isinstance(self.box, Mapping) else self.box)
        points = tuple(dict(_pairs(point, "a zero")) for point in self.points)
        natures = None if self.natures is None else tuple(self.natures)
        number = len(points) if self.number is None else self.number
        if len(field) != len(variables):
            raise ValueError(f"expected as many components as variables, got {len(field)} and {len(variables)}")
        if set(intervals) != set(variables):
            raise ValueError(f"expected an interval for each of {variables}, got {tuple(intervals)}")
        for point in points:
            if set(point) != set(variables):
                raise ValueError(f"expected a value for each of {variables} in every zero, got {point}")
        if natures is not None and len(natures) != len(points):
            raise ValueError(f"expected a nature for each named zero, got {len(natures)} for {len(points)}")
        if isinstance(number, bool) or not isinstance(number, (int, sp.Integer)) or number < 0:
            raise ValueError(f"expected a number of zeros, got number={number!r}")
        box = tuple(
            (
                variable,
                tuple(_scalar(end, f"an end of the interval of {variable}") for end in intervals[variable]),
            )
            for variable in variables
        )
        _set(
            self,
            field=field,
            variables=variables,
            box=box,
            points=points,
            natures=natures,
            number=int(number),
        )

    def text(self) -> str:
        components = ", ".join(str(component) for component in self.field)
        box = ", ".join(f"{variable} in [{low}, {high}]" for variable, (low, high) in self.box)
        named = "; ".join(_point_text(point.items()) for point in self.points)
        return f"({components}) has exactly {self.number} zeros in {box}" + (f": {named}" if named else "")

    def latex(self) -> str:
        components = r",\ ".join(_latex(component) for component in self.field)
        names = ",".join(_latex(variable) for variable in self.variables)
        box = r" \times ".join(f"[{_latex(low)}, {_latex(high)}]" for _, (low, high) in self.box)
        return rf"\#\left\{{({names}) \in {box} : \left({components}\right) = 0\right\}} = {self.number}"

    def displays(self) -> tuple[str, ...]:
        names = ",".join(_latex(variable) for variable in self.variables)
        box = r" \times ".join(f"[{_latex(low)}, {_latex(high)}]" for _, (low, high) in self.box)
        count = rf"\#\left\{{({names}) \in {box} : F = 0\right\}} = {self.number}"
        field = (related(sp.Symbol(f"F_{i}"), "=", part) for i, part in enumerate(self.field, start=1))
        return (count, *field)

    def map(self, function: Callable[[sp.Basic], sp.Basic]) -> StationaryCount:
        return StationaryCount(
            tuple(function(component) for component in self.field),
            self.variables,
            tuple((variable, (function(low), function(high))) for variable, (low, high) in self.box),
            tuple({symbol: function(expr) for symbol, expr in point.items()} for point in self.points),
            self.natures,
            self.number,
        )


@dataclass(frozen=True)
class Agreement(Statement):
    """A formula is the mean of what the study's simulator draws.

        formula = E (quantity of the simulation)

    Args:
        formula: the closed form, an expression or a risk.
        quantity: what the simulator's mean is called.

    >>> Agreement(sp.Symbol("kappa")**2).text()
    'kappa**2 = mean of the simulated risk'
    """

    formula: sp.Expr
    quantity: str = "risk"

    def __post_init__(self) -> None:
        _set(self, formula=_scalar(self.formula, "the formula"))

    def text(self) -> str:
        return f"{self.formula} = mean of the simulated {self.quantity}"

    def latex(self) -> str:
        return rf"{_latex(self.formula)} = \mathbb{{E}}\left[\text{{simulated {self.quantity}}}\right]"

    def displays(self) -> tuple[str, ...]:
        return (related(self.formula, "=", sp.Symbol(f"E[simulated {self.quantity}]")),)

    def map(self, function: Callable[[sp.Basic], sp.Basic]) -> Agreement:
        return Agreement(function(self.formula), self.quantity)


@dataclass(frozen=True)
class Conserved(Statement):
    """A flow does not change a quantity.

        ẋ_i = field_i(x),   Σ_i field_i ∂Q/∂x_i = 0

    Args:
        field: the velocity of each coordinate, a dict or pairs (symbol, expression). Symbols without a velocity
            are constants.
        quantity: Q.

    Raises:
        ValueError: if the quantity depends on no moving coordinate, which conserves it for no reason.

    >>> x, y = sp.symbols("x y", real=True)
    >>> Conserved({x: -y, y: x}, x**2 + y**2).identities()[0].text()
    '0 = 0'
    """

    field: Pairs
    quantity: sp.Expr

    def __post_init__(self) -> None:
        field, quantity = _pairs(self.field, "the field"), _scalar(self.quantity, "the quantity")
        if not any(symbol in quantity.free_symbols for symbol, _ in field):
            raise ValueError(f"expected a quantity of the coordinates that move, got {quantity}")
        _set(self, field=field, quantity=quantity)

    def identities(self) -> tuple[Identity, ...]:
        """The derivative of the quantity along the flow is zero."""
        quantity = evaluate_expectations(self.quantity)
        rates = (quantity.diff(symbol) * evaluate_expectations(velocity) for symbol, velocity in self.field)
        return (Identity(sp.Add(*rates), 0),)

    def text(self) -> str:
        velocities = ", ".join(f"d{symbol}/dt = {expr}" for symbol, expr in self.field)
        return f"{self.quantity} is conserved by {velocities}"

    def latex(self) -> str:
        velocities = r",\ ".join(rf"\dot{{{_latex(symbol)}}} = {_latex(expr)}" for symbol, expr in self.field)
        return rf"{_latex(self.quantity)} \text{{ is conserved by }} {velocities}"

    def displays(self) -> tuple[str, ...]:
        return (rf"{_latex(self.quantity)} \text{{ is conserved by}}", *_velocities(self.field))

    def map(self, function: Callable[[sp.Basic], sp.Basic]) -> Conserved:
        return Conserved(tuple((symbol, function(expr)) for symbol, expr in self.field), function(self.quantity))


@dataclass(frozen=True)
class Frequency(Statement):
    """A random trial succeeds with a probability within bounds.

        low <= P(event) <= high

    Args:
        event: what success is, as a phrase.
        low, high: exact bounds, 0 <= low <= high <= 1.

    Raises:
        ValueError: if the bounds are not in that order, or say nothing.

    >>> Frequency("heads", sp.Rational(1, 3), sp.Rational(2, 3)).text()
    '1/3 <= P(heads) <= 2/3'
    """

    event: str
    low: sp.Expr
    high: sp.Expr = sp.S.One

    def __post_init__(self) -> None:
        low, high = _scalar(self.low, "the lower bound"), _scalar(self.high, "the upper bound")
        if not (low >= 0) == sp.true or not (low <= high) == sp.true or not (high <= 1) == sp.true:
            raise ValueError(f"expected 0 <= low <= high <= 1, got low={low}, high={high}")
        if low == 0 and high == 1:
            raise ValueError("expected bounds that say something, got low=0, high=1")
        _set(self, low=low, high=high)

    def text(self) -> str:
        return f"{self.low} <= P({self.event}) <= {self.high}"

    def latex(self) -> str:
        return rf"{_latex(self.low)} \le P\left(\text{{{self.event}}}\right) \le {_latex(self.high)}"

    def map(self, function: Callable[[sp.Basic], sp.Basic]) -> Frequency:
        return Frequency(self.event, function(self.low), function(self.high))
