"""From sympy trees to instructions on balls, and running them.

A tree becomes a list of instructions, a shared subexpression one of them; what holds no symbol is computed
once a precision, what holds parameters alone once a point, so that an integrand costs what depends on its
variable.

A `GaussianIntegral` of dimension one is a certified integral, cut at the kinks of sign, Abs, Heaviside, Max,
Min, Piecewise where their argument is affine, with an envelope read off the integrand
(`numerics.envelopes`). In dimension two it is the trapezoidal rule with a strip bound, within a budget of
seconds. What has no rule (`numerics.ball_rules`) is refused by name.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import sympy as sp
from flint import acb, arb, arb_mat, ctx, fmpq
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanFalse, BooleanTrue

from theory.integral import GaussianIntegral

from .ball_rules import (
    ADD,
    CHOICE,
    CONNECTIVES,
    CONSTANTS,
    EXTREMA,
    GENERAL_POWER,
    MULTIPLY,
    NEGATE,
    PIECES,
    REAL_RULES,
    RECIPROCAL,
    RULES,
    Function,
    Number,
    Rule,
    exact_integer,
    float_value,
    integer_power,
    lift,
    no_rule,
    patterned,
    plain_rule,
    rational_power,
    real_ball,
    relation_rule,
    shown,
    unknown,
)
from .envelopes import NoBallRule, NoStrip, envelope_plan
from .integrands import with_decided_denominators, without_idle_variables
from .quadrature import Envelope, NotIntegrable, mean_at, strip_cost, trapezoid_mean_at

__all__ = ["Program", "write_program"]

_SUM_LIMIT = 100_000
_STRIPS = (8.0, 6.0, 4.0, 3.0, 2.0, 1.5, 1.0, 0.75, 0.5, 0.375, 0.25, 0.125, 0.0625, 0.03125, 0.015625)


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
        self.nodes: list[tuple[int, Rule | None, tuple[int, ...]]] = []
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

    def node(self, rule: Rule, *arguments: int) -> int:
        stage = max((self.nodes[place][0] for place in arguments), default=0)
        key = (rule, arguments)
        if key not in self.places:
            self.nodes.append((stage, rule, arguments))
            self.places[key] = len(self.nodes) - 1
        return self.places[key]

    def constant(self, value: Function) -> int:
        return self.node(Rule(value, value, value))

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
            rational = float_value(expr)
            return self.constant(lambda: rational)
        if expr in CONSTANTS:
            return self.constant(CONSTANTS[expr])
        if isinstance(expr, sp.Add):
            return self.chain(ADD, [self.place(term) for term in expr.args])
        if isinstance(expr, sp.Mul):
            return self.product(expr)
        if isinstance(expr, sp.Pow):
            return self.power(*expr.args)
        if isinstance(expr, sp.exp):
            return self.node(RULES[sp.exp], self.place(expr.args[0]))
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
            return self.plain(lambda *values: arb_mat(rows, columns, [real_ball(lift(x)) for x in values]), *entries)
        if isinstance(expr, (sp.Identity, sp.ZeroMatrix, sp.OneMatrix)):
            kind: Any = type(expr)
            return self.plain(patterned(kind), *(self.place(size) for size in expr.shape))
        if isinstance(expr, (sp.Symbol, sp.MatrixSymbol)):
            raise ValueError(f"expected a value for {expr}")
        return self.applied(expr)

    def chain(self, rule: Rule, places: list[int]) -> int:
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
        product = self.chain(MULTIPLY, places)
        return self.node(NEGATE, product) if negative else product

    def power(self, base: sp.Expr, exponent: sp.Expr) -> int:
        place = self.place(base)
        if isinstance(exponent, sp.Integer):
            n = int(exponent)
            positive = place if abs(n) == 1 else self.node(integer_power(abs(n)), place)
            return self.node(RECIPROCAL, positive) if n < 0 else positive
        if isinstance(exponent, sp.Rational):
            return self.node(rational_power(exponent), place)
        return self.node(GENERAL_POWER, place, self.place(exponent))

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
        return self.constant(unknown)

    def in_integrand(self, expr: sp.Basic) -> bool:
        if not expr.free_symbols.intersection(self.variables):
            return False
        if expr.has(sp.I):
            raise NoBallRule(
                f"no ball rule for {type(expr).__name__} of a complex argument in an integrand, needed by {shown(expr)}"
            )
        return True

    def kinked(self, expr: sp.Expr) -> int:
        u = expr.args[0]
        if not self.in_integrand(expr):
            return self.plain(REAL_RULES[type(expr)], *(self.place(argument) for argument in expr.args))
        return self.node(PIECES[type(expr)], self.kink(u), self.place(u))

    def extremum(self, expr: sp.Expr) -> int:
        kind = sp.Max if isinstance(expr, sp.Max) else sp.Min
        first, *others = sorted(expr.args, key=sp.default_sort_key)
        place = self.place(first)
        for count, other in enumerate(others):
            if not self.in_integrand(expr):
                place = self.plain(EXTREMA[kind], place, self.place(other))
            else:
                kink = self.kink(first - other) if count == 0 else self.constant(unknown)
                place = self.node(PIECES[kind], kink, place, self.place(other))
        return place

    def piecewise(self, expr: sp.Piecewise) -> int:
        place = self.constant(arb.nan)
        for value, condition in reversed(expr.args):
            place = self.node(CHOICE, self.place(condition), self.place(value), place)
        return place

    def condition(self, expr: sp.Basic) -> int:
        """True, False, or None where a ball cannot tell."""
        if expr in (sp.true, sp.false):
            truth = bool(expr)
            return self.constant(lambda: truth)
        if isinstance(expr, Relational):
            difference = expr.lhs - expr.rhs
            kink = self.kink(difference) if self.in_integrand(expr) else self.constant(unknown)
            return self.node(relation_rule(expr.rel_op), kink, self.place(difference))
        parts = [self.place(argument) for argument in expr.args]
        rule = CONNECTIVES.get(type(expr))
        if rule is None:
            raise no_rule(expr)
        return self.node(rule, *parts)

    # Nodes that hold programs of their own

    def integral(self, expr: GaussianIntegral) -> int:
        if expr.free_symbols.intersection(self.variables):
            raise NoBallRule(
                f"no ball rule for a Gaussian integral inside another, needed by {shown(expr)}; "
                "write it as one in more variables"
            )
        simpler = without_idle_variables(expr)
        if simpler != expr:
            return self.place(simpler)
        parameters = sorted(expr.free_symbols, key=sp.default_sort_key)
        return self.plain(_Mean(expr, parameters, self.seconds), *(self.place(symbol) for symbol in parameters))

    def sum(self, expr: sp.Sum) -> int:
        *inner, (index, low, high) = expr.limits
        summand = sp.Sum(expr.function, *inner) if inner else expr.function
        parameters = sorted(summand.free_symbols - {index}, key=sp.default_sort_key)
        if set(parameters).intersection(self.variables):
            raise NoBallRule(f"no ball rule for Sum in an integrand, needed by {shown(expr)}; write the terms out")
        if not (low.is_finite is not False and high.is_finite is not False):
            raise NoBallRule(
                f"no ball rule for Sum over infinitely many terms, needed by {shown(expr)}; add it to numerics.balls"
            )
        rule = _FiniteSum(summand, index, parameters, self.seconds)
        places = [self.place(low), self.place(high), *(self.place(symbol) for symbol in parameters)]
        return self.node(Rule(rule, rule, rule), *places)

    def plain(self, function: Function, *places: int) -> int:
        """A node that has no analytic version."""
        return self.node(plain_rule(function), *places)

    def applied(self, expr: sp.Basic) -> int:
        kind = type(expr)
        if kind in RULES:
            return self.node(RULES[kind], *(self.place(argument) for argument in expr.args))
        if kind not in REAL_RULES:
            raise no_rule(expr)
        if expr.free_symbols.intersection(self.variables):
            if kind in (sp.re, sp.conjugate) and not expr.has(sp.I):
                return self.place(expr.args[0])
            raise NoBallRule(
                f"no ball rule for {kind.__name__} of a variable of integration, "
                f"needed by {shown(expr)}; add it to numerics.balls"
            )
        return self.plain(REAL_RULES[kind], *(self.place(argument) for argument in expr.args))


class Program:
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
        self.code: list[list[tuple[Rule, tuple[int, ...]]]] = [[] for _ in range(stages)]
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


def write_program(expressions: Sequence[sp.Basic], symbols: Sequence[sp.Basic], seconds: float) -> Program:
    """The instructions of several expressions in the symbols; what they share is computed once."""
    return Program(expressions, _Writer((symbols,), seconds=seconds))


class _Mean:
    """A GaussianIntegral as a function of the balls of its parameters."""

    def __init__(self, node: GaussianIntegral, parameters: Sequence[sp.Basic], seconds: float) -> None:
        self.node, self.seconds = node, seconds
        self.variables = node.variables
        integrand = with_decided_denominators(node.integrand, self.variables)
        if len(self.variables) > 2:
            raise NoBallRule(
                f"no ball rule for GaussianIntegral of dimension {len(self.variables)}, "
                f"needed by {shown(node)}; "
                "certified values stop at dimension two"
            )
        writer = _Writer((parameters, self.variables), self.variables, seconds)
        self.integrand = Program([integrand], writer)
        coefficients: list[sp.Expr] = []

        def coefficient(expr: sp.Expr) -> int:
            if expr not in coefficients:
                coefficients.append(expr)
            return coefficients.index(expr)

        self.kinks = [(coefficient(intercept), coefficient(slope)) for intercept, slope in writer.kinks]
        self.plan = envelope_plan(integrand, self.variables, coefficient)
        self.coefficients = Program(coefficients, _Writer((parameters,), seconds=seconds))

    def __call__(self, *parameters: Number) -> Number:
        coefficients = [lift(x) for x in self.coefficients.values(parameters)]  # from exact parameters exact signs
        parameters = tuple(lift(x) for x in parameters)
        for value in parameters:
            if type(value) is acb and not value.imag.is_zero():
                raise NoBallRule(
                    f"no ball rule for a Gaussian integral with complex parameters, needed by {shown(self.node)}"
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
            raise NotIntegrable(f"{reason}; the integrand is {shown(self.node.integrand)}") from reason

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
        intercept, slope = (real_ball(coefficients[place]) for place in self.kinks[index])
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
            intercept, slope = real_ball(coefficients[first]), real_ball(coefficients[second])
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
                f"no ball rule for this GaussianIntegral of dimension two: {shown(self.node)}; "
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
        self.program = Program([summand], _Writer((parameters, (index,)), seconds=seconds))
        self.name = str(index)

    def __call__(self, low: Number, high: Number, *parameters: Number) -> Number:
        first, last = (exact_integer(end, f"an end of the sum over {self.name}") for end in (low, high))
        if last - first > _SUM_LIMIT:
            raise NoBallRule(
                f"no ball rule for Sum over {last - first + 1} terms; at most {_SUM_LIMIT} are added one by one"
            )
        registers = self.program.start([lift(x) for x in parameters])
        total: Number = arb(0)
        for index in range(first, last + 1):
            total = total + self.program.finish(registers, [arb(index)])
        return total
