"""How fast an integrand may grow: an `Envelope` read off a sympy expression.

    |f(t)| ≤ Σ c ∏ |t_i|^{p_i} exp(a_i|t_i| + b_i t_i²)

for all real t, or in the strip |Im t_i| ≤ y when a width y is given. `envelope_plan` walks the tree once and
returns a function of the parameters' balls, because the constants depend on them. The rules, with Y a bound
of |Im u| on the strip (0 on the real line):

    |u + v| ≤ |u| + |v|,   |uv| = |u||v|,   |Σ g|^r ≤ Σ |g|^r for 0 < r < 1
    |exp(q + w)| = exp(Re q) exp(Re w)          q a polynomial of degree at most 2, w bounded above
    |erf u| ≤ 1 + erfi Y,   |Φ(u)| ≤ 1 + erfi(Y/√2)/2,   |tanh u| ≤ 1 + tan Y,   |sin u|, |cos u| ≤ cosh Y
    |1/u| ≤ 1/inf Re u                          e.g. 1/(1 + exp v), Y ≤ π/2
    1/|Σ c_j exp v_j| ≤ |exp(−v₁)|/(c₁ cos Y)   c_j > 0: the denominator of a softmax
    |log u| ≤ |log of the bound of |u|| + |log inf Re u| + π

An expression that no rule bounds is refused by name (`NoBallRule`), never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import sympy as sp
from flint import acb, arb

from theory.special import BivariateNormalCDF, NormalCDF, OwenT

from .quadrature import Envelope, Growth

__all__ = ["NoBallRule", "NoStrip", "envelope_plan"]

Ball: TypeAlias = arb | acb
Coefficient = Callable[[sp.Expr], int]  # registers an expression in the parameters, returns its place
Plan = Callable[[Sequence[Ball], arb | None], Envelope]  # parameters' values, strip -> envelope
Bound = Callable[[Sequence[Ball], arb | None], arb]
Range = Callable[[Sequence[Ball], arb | None], tuple[arb, arb]]


class NoBallRule(NotImplementedError):
    """No rule encloses this expression in a ball; the message names the function and where it occurs."""


class NoStrip(ValueError):
    """The integrand is not known to be analytic and bounded in a strip of this width."""


_BOUNDED_BY = {sp.erf: 1, sp.erfc: 2, sp.tanh: 1, sp.sin: 1, sp.cos: 1, NormalCDF: 1, sp.sech: 1}
_KINKED = (sp.Abs, sp.sign, sp.Heaviside, sp.Max, sp.Min, sp.Piecewise)


def envelope_plan(integrand: sp.Expr, variables: Sequence[sp.Symbol], coefficient: Coefficient) -> Plan:
    """A function that bounds the integrand, given the values of the expressions registered with
    `coefficient`.

    Raises:
        NoBallRule: naming the function without a rule.
    """
    return _Planner(integrand, tuple(variables), coefficient).plan(integrand)


class _Planner:
    """The rules; one instance an integrand, so that a refusal can show the whole of it."""

    def __init__(self, integrand: sp.Expr, variables: tuple[sp.Symbol, ...], coefficient: Coefficient) -> None:
        self.integrand, self.variables, self.coefficient = integrand, variables, coefficient
        self.dimension = len(variables)

    def is_constant(self, expr: sp.Basic) -> bool:
        return not expr.free_symbols.intersection(self.variables)

    def refuse(self, name: str, expr: sp.Basic) -> NoBallRule:
        return NoBallRule(
            f"no rule for the growth of {name}, needed by the Gaussian integral of {self.integrand}; "
            f"it occurs as {expr}; add it to numerics.envelopes"
        )

    def constant(self, value: arb) -> Envelope:
        return Envelope.constant(value, self.dimension)

    # |expr|

    def plan(self, expr: sp.Expr) -> Plan:
        """A plan for a bound of |expr|."""
        if self.is_constant(expr):
            place = self.coefficient(expr)
            return lambda values, strip: self.constant(abs(values[place]))
        if expr in self.variables:
            return self.variable(expr)
        if isinstance(expr, sp.Add):
            return _sum([self.plan(term) for term in expr.args])
        if isinstance(expr, sp.Mul):
            return _product([self.plan(factor) for factor in expr.args])
        if isinstance(expr, sp.exp):
            return self.exponential(expr.args[0])
        if isinstance(expr, sp.Pow):
            return self.power(expr)
        if isinstance(expr, _KINKED):
            return self.kinked(expr)
        if isinstance(expr, (sp.cosh, sp.sinh)):
            return _sum([self.exponential(expr.args[0]), self.exponential(-expr.args[0])])
        if isinstance(expr, sp.log):
            return self.logarithm(expr)
        if isinstance(expr, sp.erfi):
            (u,) = expr.args
            self.require_real(expr)
            return _real_line(_product([self.plan(u), self.exponential(sp.expand(u**2)), self.number(2)]))
        if isinstance(expr, (sp.asin, sp.acos)):
            return self.arcsine(expr)
        if isinstance(expr, (sp.re, sp.im, sp.conjugate)):
            return _real_line(self.plan(expr.args[0]))
        bound = self.bounded(expr)
        return lambda values, strip: self.constant(bound(values, strip))

    def number(self, value: int) -> Plan:
        return lambda values, strip: self.constant(arb(value))

    def variable(self, symbol: sp.Symbol) -> Plan:
        index = self.variables.index(symbol)

        def bound(values: Sequence[Ball], strip: arb | None) -> Envelope:
            line = Envelope.power(1, index, self.dimension)
            return line if strip is None else line + self.constant(strip)

        return bound

    def power(self, expr: sp.Pow) -> Plan:
        base, exponent = expr.args
        if not exponent.is_Rational:
            raise self.refuse(f"a power with exponent {exponent}", expr)
        times = int(sp.ceiling(abs(exponent)))
        if exponent.is_Integer and exponent > 0:
            return _product([self.plan(base)] * times)
        if exponent > 0:
            whole, part = divmod(exponent, 1)
            root = _fractional_power(self.plan(base), part, self.dimension)
            return self.away_from_cut(base, _product([self.plan(base)] * int(whole) + [root]))
        lowest = self.least_real_part(base)
        decay = self.reciprocal_of_exponentials(base) if exponent.is_Integer else None

        def bound(values: Sequence[Ball], strip: arb | None) -> Envelope:
            least = lowest(values, strip)[0]
            if not least > 0:
                if decay is not None:
                    return _product([decay] * times)(values, strip)
                if strip is not None:
                    raise NoStrip
                raise self.refuse("a quotient whose denominator is not known to stay away from zero", expr)
            return self.constant(1 / least**times if least < 1 or exponent.is_Integer else arb(1))

        return bound

    def reciprocal_of_exponentials(self, base: sp.Expr) -> Plan | None:
        """1/|Σ c_j exp(v_j)| ≤ |exp(−v₁)|/(c₁ cos Y) for c_j > 0 and |Im v_j| ≤ Y < π/2."""
        terms = [term.as_independent(*self.variables, as_Add=False) for term in sp.Add.make_args(base)]
        if not all(varying == 1 or isinstance(varying, sp.exp) for _, varying in terms):
            return None
        terms.sort(key=lambda term: term[1] == 1)
        if terms[0][1] == 1:
            return None
        scales = [self.coefficient(scale) for scale, _ in terms]
        try:
            heights = [self.imaginary_part(varying.args[0]) for _, varying in terms if varying != 1]
            first = self.exponential(-terms[0][1].args[0])
        except NoBallRule:
            return None

        def bound(values: Sequence[Ball], strip: arb | None) -> Envelope:
            y = _largest([height(values, strip) for height in heights])
            if not y < arb(math.pi) / 2 - arb(2) ** -40:
                raise NoStrip
            for place in scales:
                if not (values[place].imag.is_zero() and values[place].real >= 0):
                    raise self.refuse("a quotient whose denominator is not known to stay away from zero", 1 / base)
            scale = values[scales[0]].real
            if not scale > 0:
                raise self.refuse("a quotient whose denominator is not known to stay away from zero", 1 / base)
            return first(values, strip) * self.constant(1 / (scale * y.cos()))

        return bound

    def away_from_cut(self, base: sp.Expr, size: Plan) -> Plan:
        """The same plan, allowed in a strip only if Re base > 0 there."""
        lowest = self.least_real_part(base)

        def bound(values: Sequence[Ball], strip: arb | None) -> Envelope:
            if strip is not None and not lowest(values, strip)[0] > 0:
                raise NoStrip
            return size(values, strip)

        return bound

    def exponential(self, exponent: sp.Expr) -> Plan:
        """|exp(q + w)|: q the polynomial part of degree at most two, w the rest, bounded above."""
        quadratic: list[sp.Expr] = []
        rest: list[sp.Expr] = []
        for term in sp.Add.make_args(sp.expand(exponent)):
            polynomial = term.as_poly(*self.variables) if term.is_polynomial(*self.variables) else None
            (quadratic if polynomial is not None and polynomial.total_degree() <= 2 else rest).append(term)
        plans = [self.quadratic_exponential(sp.Add(*quadratic))] if quadratic else []
        for term in rest:
            plans.append(self.exponential_of_bounded(term))
        return _product(plans)

    def quadratic_exponential(self, exponent: sp.Expr) -> Plan:
        """|exp(Σ α_ij t_i t_j + Σ β_i t_i + γ)|, t = x + iη, |η| ≤ y; α, β, γ possibly complex."""
        polynomial = sp.Poly(exponent, *self.variables)
        terms = [(powers, self.coefficient(value)) for powers, value in polynomial.terms()]

        def bound(values: Sequence[Ball], strip: arb | None) -> Envelope:
            y = arb(0) if strip is None else strip
            constant = arb(0)
            a, b = [arb(0)] * self.dimension, [arb(0)] * self.dimension
            for powers, place in terms:
                value = values[place]
                real, imag = value.real, abs(value.imag)
                present = [index for index, power in enumerate(powers) if power]
                if not present:
                    constant += real
                elif sum(powers) == 1:
                    a[present[0]] += abs(real)
                    constant += imag * y
                elif len(present) == 1:
                    b[present[0]] += real
                    a[present[0]] += 2 * imag * y
                    constant += (-real).nonnegative_part() * y * y if strip is not None else 0
                else:  # |t_i t_j| ≤ (|x_i| + y)(|x_j| + y) and |x_i x_j| ≤ (x_i² + x_j²)/2
                    size = abs(value)
                    for index in present:
                        b[index] += size / 2
                        a[index] += size * y
                    constant += size * y * y
            upper = constant.exp().upper()
            return Envelope(
                (Growth(upper, (0,) * self.dimension, tuple(x.upper() for x in a), tuple(x.upper() for x in b)),),
                self.dimension,
            )

        return bound

    def exponential_of_bounded(self, term: sp.Expr) -> Plan:
        """exp(w) ≤ exp(sup w), or exp of a bound of |w| that grows at most linearly."""
        highest = self.least_real_part(-term)
        try:
            size: Plan | None = self.plan(term)
        except NoBallRule:
            size = None

        def bound(values: Sequence[Ball], strip: arb | None) -> Envelope:
            most = -highest(values, strip)[0]
            if most.is_finite():
                return self.constant(most.exp())
            if size is None:
                raise self.refuse("exp of an unbounded expression", sp.exp(term))
            constant, a = arb(0), [arb(0)] * self.dimension
            for growth in size(values, strip).terms:
                linear = sum(growth.p) <= 1 and all(not x > 0 for x in growth.a + growth.b)
                if not linear:
                    raise self.refuse("exp of an expression of more than linear growth", sp.exp(term))
                if sum(growth.p) == 0:
                    constant += growth.c
                else:
                    index = growth.p.index(1)
                    a[index] += growth.c
            zeros = (arb(0),) * self.dimension
            growth = Growth(constant.exp().upper(), (0,) * self.dimension, tuple(x.upper() for x in a), zeros)
            return Envelope((growth,), self.dimension)

        return bound

    def logarithm(self, expr: sp.Expr) -> Plan:
        (u,) = expr.args
        size, lowest = self.plan(u), self.least_real_part(u)

        def bound(values: Sequence[Ball], strip: arb | None) -> Envelope:
            least = lowest(values, strip)[0]
            if not least > 0:
                if strip is not None:
                    raise NoStrip
                raise self.refuse("the logarithm of an expression that is not known to stay positive", expr)
            # log Σ c|t|^p e^{a|t| + bt²} ≤ log(1 + Σ c) + (max p + max a)|t| + max b t²
            terms = size(values, strip).terms
            total = self.constant((1 + sum((term.c for term in terms), arb(0))).log() + abs(least.log()) + 4)
            for index in range(self.dimension):
                slope = _largest([term.a[index] for term in terms]) + max(term.p[index] for term in terms)
                total += Envelope.power(1, index, self.dimension) * self.constant(slope)
                curvature = _largest([term.b[index] for term in terms])
                total += Envelope.power(2, index, self.dimension) * self.constant(curvature)
            return total

        return bound

    def kinked(self, expr: sp.Expr) -> Plan:
        """Functions with corners or jumps: real line only."""
        self.require_real(expr)
        if isinstance(expr, (sp.sign, sp.Heaviside)):
            return _real_line(self.number(1))
        if isinstance(expr, sp.Piecewise):
            return _real_line(_sum([self.plan(value) for value, _ in expr.args]))
        return _real_line(_sum([self.plan(argument) for argument in expr.args]))

    def arcsine(self, expr: sp.Expr) -> Plan:
        ends = self.least_real_part(expr.args[0])

        def bound(values: Sequence[Ball], strip: arb | None) -> Envelope:
            if strip is not None:
                raise NoStrip
            low, high = ends(values, strip)
            if not (low >= -1 and high <= 1):
                raise self.refuse(f"{type(expr).__name__} of an argument not known to lie in [-1, 1]", expr)
            return self.constant(arb(4))

        return bound

    def require_real(self, expr: sp.Expr) -> None:
        if expr.has(sp.I):
            raise self.refuse(f"{type(expr).__name__} of a complex argument", expr)

    def bounded(self, expr: sp.Expr) -> Bound:
        """Functions bounded on the real line, and their bound on a strip."""
        kind = type(expr)
        if kind in (OwenT, BivariateNormalCDF):
            return self.bounded_wedge(expr)
        if kind is sp.atan:
            height = self.imaginary_part(expr.args[0])

            def arctangent(values: Sequence[Ball], strip: arb | None) -> arb:
                y = height(values, strip)
                if not y < 1:
                    raise NoStrip
                return arb(2) + y.atanh()

            return arctangent
        if kind not in _BOUNDED_BY:
            raise self.refuse(kind.__name__, expr)
        height = self.imaginary_part(expr.args[0])
        constant = _BOUNDED_BY[kind]

        def bound(values: Sequence[Ball], strip: arb | None) -> arb:
            y = height(values, strip)
            if y.is_zero():
                return arb(constant)
            if kind in (sp.erf, sp.erfc):
                return constant + y.erfi()
            if kind is NormalCDF:
                return 1 + (y / arb(2).sqrt()).erfi() / 2
            if kind in (sp.sin, sp.cos):
                return y.cosh()
            if not y < arb.pi() / 2:
                raise NoStrip
            return 1 + y.tan() if kind is sp.tanh else 1 / y.cos()

        return bound

    def bounded_wedge(self, expr: sp.Expr) -> Bound:
        """|T(h, a)| ≤ e^{Y²(1 + a²)/2}/4 for constant a; Φ₂ ≤ 1 on the real line."""
        self.require_real(expr)
        if isinstance(expr, OwenT) and self.is_constant(expr.args[1]):
            height, place = self.imaginary_part(expr.args[0]), self.coefficient(expr.args[1])

            def wedge(values: Sequence[Ball], strip: arb | None) -> arb:
                y, a = height(values, strip), values[place]
                return arb(1) / 4 if y.is_zero() else (y * y * (1 + a * a) / 2).exp() / 4

            return wedge
        bound = arb(1) if isinstance(expr, BivariateNormalCDF) else arb(1) / 4

        def quadrant(values: Sequence[Ball], strip: arb | None) -> arb:
            if strip is not None:
                raise NoStrip
            return bound

        return quadrant

    # |Im expr| and Re expr

    def imaginary_part(self, expr: sp.Expr) -> Bound:
        """A bound of |Im expr|: zero for real ones on the real line; on a strip, of affine ones."""
        is_real = not expr.has(sp.I)
        affine = None
        if expr.is_polynomial(*self.variables):
            polynomial = sp.Poly(expr, *self.variables)
            if polynomial.total_degree() <= 1:
                affine = [(sum(powers), self.coefficient(value)) for powers, value in polynomial.terms()]
        if affine is None and not is_real:
            raise self.refuse("a complex argument that is not affine", expr)

        def bound(values: Sequence[Ball], strip: arb | None) -> arb:
            if strip is None and is_real:
                return arb(0)
            if affine is None:
                raise NoStrip
            total = arb(0)
            for degree, place in affine:
                value = values[place]
                if degree == 0:
                    total += abs(value.imag)
                elif not value.imag.is_zero():
                    raise self.refuse("an argument that moves along the imaginary axis", expr)
                elif strip is not None:
                    total += abs(value.real) * strip
            return total.upper()

        return bound

    def least_real_part(self, expr: sp.Expr) -> Range:
        """Lower and upper ends of Re expr over the line or strip; infinite where nothing is known."""
        nothing = (arb.neg_inf(), arb.pos_inf())
        if self.is_constant(expr):
            place = self.coefficient(expr)

            def constant(values: Sequence[Ball], strip: arb | None) -> tuple[arb, arb]:
                return values[place].real.lower(), values[place].real.upper()

            return constant
        if isinstance(expr, sp.Add):
            parts = [self.least_real_part(term) for term in expr.args]

            def total(values: Sequence[Ball], strip: arb | None) -> tuple[arb, arb]:
                ends = [part(values, strip) for part in parts]
                return sum((low for low, _ in ends), arb(0)).lower(), sum((high for _, high in ends), arb(0)).upper()

            return _no_nan(total)
        if isinstance(expr, sp.Mul):
            constants = sp.Mul(*(factor for factor in expr.args if self.is_constant(factor)))
            varying = [factor for factor in expr.args if not self.is_constant(factor)]
            place = self.coefficient(constants)
            parts = [self.least_real_part(factor) for factor in varying]

            def scaled(values: Sequence[Ball], strip: arb | None) -> tuple[arb, arb]:
                scale = values[place]
                if not scale.imag.is_zero() or (len(parts) > 1 and strip is not None):
                    return nothing
                low, high = parts[0](values, strip)
                for part in parts[1:]:
                    low, high = _interval_product((low, high), part(values, strip))
                return _interval_product((low, high), (scale.real.lower(), scale.real.upper()))

            return _no_nan(scaled)
        if isinstance(expr, sp.exp):
            return self.range_of_exponential(expr.args[0])
        if isinstance(expr, sp.Pow) and expr.exp.is_Integer and expr.exp > 0 and expr.exp % 2 == 0:
            is_real = not expr.has(sp.I)
            return lambda values, strip: (arb(0), arb.pos_inf()) if strip is None and is_real else nothing
        if isinstance(expr, sp.Abs) or (isinstance(expr, sp.Pow) and expr.exp == sp.Rational(1, 2)):
            return lambda values, strip: (arb(0), arb.pos_inf()) if strip is None else nothing
        if isinstance(expr, sp.cosh) and not expr.has(sp.I):
            return lambda values, strip: (arb(1), arb.pos_inf()) if strip is None else nothing
        if isinstance(expr, (sp.sign, sp.Heaviside)):
            return lambda values, strip: (arb(-1), arb(1)) if strip is None else nothing
        if type(expr) in _BOUNDED_BY or isinstance(expr, (sp.atan, OwenT, BivariateNormalCDF)):
            bound = self.bounded(expr)
            nonnegative = isinstance(expr, (sp.erfc, NormalCDF, BivariateNormalCDF, sp.sech))

            def interval(values: Sequence[Ball], strip: arb | None) -> tuple[arb, arb]:
                try:
                    size = bound(values, strip).upper()
                except NoStrip:
                    return nothing
                return (arb(0) if nonnegative and strip is None else -size), size

            return interval
        return lambda values, strip: nothing

    def range_of_exponential(self, exponent: sp.Expr) -> Range:
        """0 ≤ Re exp(v) when |Im v| ≤ π/2, and exp(v) ≤ exp(sup v)."""
        try:
            height: Bound | None = self.imaginary_part(exponent)
        except NoBallRule:
            height = None
        ends = self.least_real_part(exponent)

        def interval(values: Sequence[Ball], strip: arb | None) -> tuple[arb, arb]:
            low, high = ends(values, strip)
            top = high.exp().upper() if high.is_finite() else arb.pos_inf()
            try:
                y = None if height is None else height(values, strip)
            except (NoStrip, NoBallRule):
                y = None
            if y is None or not y <= arb(math.pi).lower() / 2 - arb(2) ** -40:
                return -top, top
            if y.is_zero() and low.is_finite():
                return low.exp().lower(), top
            return arb(0), top

        return _no_nan(interval)


def _sum(plans: Sequence[Plan]) -> Plan:
    def bound(values: Sequence[Ball], strip: arb | None) -> Envelope:
        total = plans[0](values, strip)
        for plan in plans[1:]:
            total = total + plan(values, strip)
        return total

    return bound


def _product(plans: Sequence[Plan]) -> Plan:
    def bound(values: Sequence[Ball], strip: arb | None) -> Envelope:
        total = plans[0](values, strip)
        for plan in plans[1:]:
            total = total * plan(values, strip)
        return total

    return bound


def _fractional_power(plan: Plan, exponent: sp.Rational, dimension: int) -> Plan:
    """(Σ g)^r ≤ Σ g^r for 0 < r < 1, and |t|^{pr} ≤ 1 + |t|^⌈pr⌉."""
    numerator, root = int(exponent.p), int(exponent.q)

    def bound(values: Sequence[Ball], strip: arb | None) -> Envelope:
        r = arb(numerator) / root
        total = Envelope((), dimension)
        for growth in plan(values, strip).terms:
            scale = _product_of([growth.c.root(root)] * numerator) if growth.c > 0 else arb(0)
            rates = (tuple((x * r).upper() for x in side) for side in (growth.a, growth.b))
            raised = Envelope((Growth(scale.upper(), (0,) * dimension, *rates),), dimension)
            for index, power in enumerate(growth.p):
                if power:
                    up = Envelope.power(-(-power * numerator // root), index, dimension)
                    raised = raised * (up + Envelope.constant(1, dimension))
            total = total + raised
        return total

    return bound


def _product_of(numbers: Sequence[arb]) -> arb:
    return math.prod(numbers, start=arb(1))


def _real_line(plan: Plan) -> Plan:
    def bound(values: Sequence[Ball], strip: arb | None) -> Envelope:
        if strip is not None:
            raise NoStrip
        return plan(values, strip)

    return bound


def _no_nan(interval: Range) -> Range:
    def ends(values: Sequence[Ball], strip: arb | None) -> tuple[arb, arb]:
        low, high = interval(values, strip)
        return (arb.neg_inf() if low.is_nan() else low), (arb.pos_inf() if high.is_nan() else high)

    return ends


def _interval_product(x: tuple[arb, arb], y: tuple[arb, arb]) -> tuple[arb, arb]:
    """[low, high] of the products of two intervals, with 0·∞ = 0."""
    corners = [arb(0) if u.is_zero() or v.is_zero() else u * v for u in x for v in y]
    low, high = corners[0], corners[0]
    for corner in corners[1:]:
        low, high = low.min(corner), high.max(corner)
    return low.lower(), high.upper()


def _largest(numbers: Sequence[arb]) -> arb:
    """The largest of zero and the numbers."""
    top = arb(0)
    for number in numbers:
        top = top.max(number)
    return top.upper()
