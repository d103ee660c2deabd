"""From a sympy tree to a tape of floats.

Two things make the tape quick, and neither changes the structure of the formula, because expanded
forms lose digits:

- a subexpression that occurs twice is computed once;
- sums of products are put in Horner form, the most frequent factor first.

One danger of floats is met here: a ratio such as e^a / (e^a + e^b), a softmax or the derivative of a
sigmoid, is computed as exp(a − log(e^a + e^b)) and does not overflow. A `GaussianIntegral` of
dimension one is one step of the tape, with a tape of its own for the integrand.

Reference: Ceberio and Kreinovich, SIGSAM Bulletin 38 (2004), for greedy multivariate Horner forms.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import sympy as sp
from sympy.logic.boolalg import BooleanFalse, BooleanTrue

from theory.integral import GaussianIntegral
from theory.variables import GaussianScalar, Latent

from .float_quadrature import GaussianQuadrature
from .float_rules import (
    ADD,
    DIVIDE,
    EXP,
    FUNCTIONS,
    LOGADDEXP,
    MAXIMUM,
    MINIMUM,
    MULTIPLY,
    NEGATIVE,
    POWER,
    RELATIONS,
    REWRITTEN,
    SQRT,
    SUBTRACT,
    WHERE,
)
from .integrands import Hoisting, features
from .tape import Operation, Step, Tape, kernel

__all__ = ["Writer", "refusal"]


class Writer:
    """Writes the tape of some expressions; equal steps are written once."""

    def __init__(self, arguments: Sequence[sp.Basic], varying: Iterable[int]) -> None:
        self.positions = {symbol: i for i, symbol in enumerate(arguments)}
        self.varying_arguments = frozenset(varying)
        self.steps: list[Step] = []
        self.constants: dict[int, complex] = {}
        self.arguments: dict[int, int] = {}
        self.varies: list[bool] = []
        self.complex: list[bool] = []
        self._cells: dict[Any, int] = {}
        self._nodes: dict[sp.Basic, int] = {}

    def tape(self, outputs: tuple[int, ...]) -> Tape:
        """The steps that the outputs need, with buffers shared between values that never meet."""
        needed, kept = set(outputs), []
        for step in reversed(self.steps):
            if step.output in needed:
                kept.append(step)
                needed.update(step.inputs)
        kept.reverse()
        block = tuple(step for step in kept if self.varies[step.output])
        inputs = {cell: i for cell, i in self.arguments.items() if cell in needed}
        return Tape(
            constants={cell: number for cell, number in self.constants.items() if cell in needed},
            arguments=inputs,
            scalar_steps=tuple(step for step in kept if not self.varies[step.output]),
            block_steps=block,
            registers=self._registers(block, [cell for cell in inputs if self.varies[cell]], outputs),
            complex_cells=frozenset(cell for cell in needed if self.complex[cell]),
            outputs=outputs,
        )

    def _registers(self, steps: tuple[Step, ...], inputs: list[int], outputs: tuple[int, ...]) -> dict[int, int]:
        last_use = {cell: i for i, step in enumerate(steps) for cell in step.inputs}
        last_use.update((cell, len(steps)) for cell in outputs)
        registers = {cell: i for i, cell in enumerate(inputs)}
        count = len(inputs)
        free: dict[bool, list[int]] = {False: [], True: []}
        for i, step in enumerate(steps):
            for cell in set(step.inputs):
                if last_use[cell] == i and cell in registers:
                    free[self.complex[cell]].append(registers[cell])
            pool = free[self.complex[step.output]]
            if pool:
                registers[step.output] = pool.pop()
            else:
                registers[step.output] = count
                count += 1
        return registers

    # cells

    def constant(self, number: complex) -> int:
        """The cell that holds a number."""
        key = ("constant", type(number), number)
        if key not in self._cells:
            cell = self._new_cell(key, varies=False, is_complex=isinstance(number, complex))
            self.constants[cell] = number
        return self._cells[key]

    def _argument(self, symbol: sp.Basic) -> int:
        position = self.positions[symbol]
        key = ("argument", position)
        if key not in self._cells:
            cell = self._new_cell(key, varies=position in self.varying_arguments, is_complex=False)
            self.arguments[cell] = position
        return self._cells[key]

    def _new_cell(self, key: Any, varies: bool, is_complex: bool) -> int:
        self._cells[key] = len(self.varies)
        self.varies.append(varies)
        self.complex.append(is_complex)
        return self._cells[key]

    def emit(self, operation: Operation, *inputs: int, for_expr: sp.Basic | None = None) -> int:
        """The cell that holds an operation's value: a step of the tape, or a number where the inputs are."""
        if operation is ADD or operation is MULTIPLY:
            inputs = tuple(sorted(inputs))
        key = (operation, *inputs)
        if key in self._cells:
            return self._cells[key]
        is_complex = any(self.complex[cell] for cell in inputs)
        if is_complex and not operation.takes_complex:
            raise NotImplementedError(f"expected real arguments, got complex ones in {for_expr}; take real parts")
        if all(cell in self.constants for cell in inputs):
            with np.errstate(all="ignore"):
                number = operation.of(*(self.constants[cell] for cell in inputs))
            folded = float(number) if operation.returns_real or not is_complex else complex(number)
            if np.isfinite(folded):
                self._cells[key] = self.constant(folded)
                return self._cells[key]
        varies = any(self.varies[cell] for cell in inputs)
        cell = self._new_cell(key, varies, is_complex and not operation.returns_real)
        self.steps.append(Step(operation, inputs, cell))
        return cell

    # nodes

    def node(self, expr: sp.Basic) -> int:
        """The cell that holds the value of an expression."""
        if expr not in self._nodes:
            self._nodes[expr] = self._write(expr)
        return self._nodes[expr]

    def _write(self, expr: sp.Basic) -> int:
        if expr in self.positions:
            return self._argument(expr)
        if isinstance(expr, (sp.Add, sp.Mul)):
            return self._sum_of_products(expr)
        if isinstance(expr, sp.Pow):
            base, power = self._factor(expr)
            return self._power(base, power)
        if isinstance(expr, (sp.Max, sp.Min)):
            return self._chain(MAXIMUM if isinstance(expr, sp.Max) else MINIMUM, expr)
        if isinstance(expr, (sp.Number, sp.NumberSymbol)):
            return self.constant(_float_of(expr))
        if expr == sp.I:
            return self.constant(1j)
        if isinstance(expr, GaussianIntegral):
            return self._integral(expr)
        if isinstance(expr, sp.Piecewise):
            return self._piecewise(expr)
        if isinstance(expr, (BooleanTrue, BooleanFalse)):
            return self.constant(float(bool(expr)))
        if isinstance(expr, (sp.And, sp.Or)):
            return self._chain(MINIMUM if isinstance(expr, sp.And) else MAXIMUM, expr)
        if isinstance(expr, sp.Not):
            return self.emit(SUBTRACT, self.constant(1.0), self.node(expr.args[0]))
        if expr.func in REWRITTEN:
            return self.node(REWRITTEN[expr.func](*expr.args))
        operation = FUNCTIONS.get(expr.func) or RELATIONS.get(expr.func)
        if operation is None or (expr.func == sp.log and len(expr.args) != 1):
            raise NotImplementedError(refusal(expr))
        return self.emit(operation, *(self.node(argument) for argument in expr.args), for_expr=expr)

    def _chain(self, operation: Operation, expr: sp.Basic) -> int:
        cells = sorted((self.node(argument) for argument in expr.args), key=lambda cell: (self.varies[cell], cell))
        result = cells[0]
        for cell in cells[1:]:
            result = self.emit(operation, result, cell, for_expr=expr)
        return result

    def _piecewise(self, expr: sp.Piecewise) -> int:
        result: int | None = None
        for branch, condition in reversed(expr.args):
            cell = self.node(branch)
            if condition == sp.true:
                result = cell
                continue
            if result is None:  # nothing is said where no condition holds
                result = self.constant(math.nan)
            result = self.emit(WHERE, self.node(condition), cell, result)
        assert result is not None
        return result

    # sums of products

    def _sum_of_products(self, expr: sp.Expr) -> int:
        merged: dict[tuple[tuple[int, int], ...], list[int | None]] = {}
        for term in sp.Add.make_args(expr):
            coefficient, monomial = self._monomial(term)
            merged.setdefault(monomial, []).append(coefficient)
        terms = []
        for monomial, coefficients in merged.items():
            coefficient = coefficients[0]
            for other in coefficients[1:]:
                one = self.constant(1.0)
                pair = [one if scalar is None else scalar for scalar in (coefficient, other)]
                coefficient = self.emit(ADD, *pair)
            terms.append((coefficient, dict(monomial)))
        return self._horner(terms)

    def _monomial(self, term: sp.Expr) -> tuple[int | None, tuple[tuple[int, int], ...]]:
        """A term as a scalar coefficient (None for 1) and powers of cells that vary."""
        coefficient: int | None = None
        powers: Counter[int] = Counter()
        factors, stable = self._stable_exponential(sp.Mul.make_args(term))
        for base, power in [(cell, 1) for cell in stable] + [self._factor(factor) for factor in factors]:
            if self.varies[base]:
                powers[base] += power
            else:
                scalar = self._power(base, power)
                if self.constants.get(scalar) != 1.0:
                    coefficient = scalar if coefficient is None else self.emit(MULTIPLY, coefficient, scalar)
        return coefficient, tuple(sorted(powers.items()))

    def _factor(self, expr: sp.Expr) -> tuple[int, int]:
        """A factor as a positive integer power of a cell: x^(−3/2) is the cube of 1/√x."""
        if not isinstance(expr, sp.Pow):
            return self.node(expr), 1
        base, exponent = expr.args
        if exponent.is_Rational and exponent.q in (1, 2) and abs(exponent.p) <= 64:
            cell = self.node(base)
            if exponent.q == 2:
                cell = self.emit(SQRT, cell)
            if exponent.p < 0:
                cell = self.emit(DIVIDE, self.constant(1.0), cell)
            return cell, abs(exponent.p)
        if base == sp.E:
            return self.emit(EXP, self.node(exponent)), 1
        return self.emit(POWER, self.node(base), self.node(exponent)), 1

    def _power(self, base: int, power: int) -> int:
        if power == 1:
            return base
        half = self._power(base, power // 2)
        square = self.emit(MULTIPLY, half, half)
        return square if power % 2 == 0 else self.emit(MULTIPLY, square, base)

    def _stable_exponential(self, factors: tuple[sp.Expr, ...]) -> tuple[list[sp.Expr], list[int]]:
        """e^a e^{a'} (Σ cᵢ e^{bᵢ})^{−p} as exp(a + a' − p log Σ cᵢ e^{bᵢ}), which cannot overflow; cᵢ > 0."""
        exponentials = [factor for factor in factors if isinstance(factor, sp.exp)]
        ratios = [factor for factor in factors if exponentials and _is_reciprocal_of_exponentials(factor)]
        if len(exponentials) + len(ratios) < 2:
            return list(factors), []
        exponent = self.node(sp.Add(*(factor.args[0] for factor in exponentials)))
        for ratio in ratios:
            log_sum: int | None = None
            for term in ratio.base.args:
                weight, exponential = _weighted_exponential(term)
                log_term = self.node(sp.log(weight) + exponential)
                log_sum = log_term if log_sum is None else self.emit(LOGADDEXP, log_sum, log_term, for_expr=ratio)
            assert log_sum is not None
            scaled = self.emit(MULTIPLY, self.constant(float(-ratio.exp)), log_sum)
            exponent = self.emit(SUBTRACT, exponent, scaled)
        rest = [factor for factor in factors if factor not in exponentials and factor not in ratios]
        return rest, [self.emit(EXP, exponent)]

    def _horner(self, terms: list[tuple[int | None, dict[int, int]]]) -> int:
        """Σ coefficient · monomial, the factor met most often taken out first."""
        summands: list[tuple[bool, int]] = []
        while terms:
            count = Counter(base for _, powers in terms for base in powers)
            base, uses = max(count.items(), key=lambda item: (item[1], -item[0]), default=(0, 0))
            if uses < 2:
                break
            inside = [(coefficient, dict(powers)) for coefficient, powers in terms if base in powers]
            terms = [(coefficient, powers) for coefficient, powers in terms if base not in powers]
            least = min(powers[base] for _, powers in inside)
            for _, powers in inside:
                powers[base] -= least
                if not powers[base]:
                    del powers[base]
            summands.append((False, self.emit(MULTIPLY, self._power(base, least), self._horner(inside))))
        for coefficient, powers in terms:
            minus = coefficient is not None and self.constants.get(coefficient) == -1.0
            cell = None if minus else coefficient
            for base, power in sorted(powers.items()):
                factor = self._power(base, power)
                cell = factor if cell is None else self.emit(MULTIPLY, cell, factor)
            summands.append((minus, self.constant(1.0) if cell is None else cell))
        return self._signed_sum(summands)

    def _signed_sum(self, summands: list[tuple[bool, int]]) -> int:
        if not summands:
            return self.constant(0.0)
        ordered = sorted(summands, key=lambda summand: (self.varies[summand[1]], summand[0], summand[1]))
        minus, total = ordered[0]
        if minus:
            total = self.emit(NEGATIVE, total)
        for minus, cell in ordered[1:]:
            total = self.emit(SUBTRACT if minus else ADD, total, cell)
        return total

    # integrals

    def _integral(self, expr: GaussianIntegral) -> int:
        if expr.dimension != 1:
            raise NotImplementedError(
                f"no float rule for a GaussianIntegral of dimension {expr.dimension}, needed by {expr}; "
                "reduce it to dimension one"
            )
        t = expr.variables[0]
        rule = Hoisting(t)
        density = sp.exp(-(t**2) / 2) / sp.sqrt(2 * sp.pi)
        integrand = sp.Add(*(term * density for term in sp.Add.make_args(rule.hoist(expr.integrand))))
        parameters = list(rule.parameters.values())
        back = {symbol: hoisted for hoisted, symbol in rule.parameters.items()}
        inputs = [self.node(back[symbol]) for symbol in parameters]
        # from the parts as they were written: behind names, a discriminant would not be seen to be zero
        centers = [(self.node(center), self.node(scale)) for center, scale in features(expr.integrand * density, t)]
        writer = Writer([t, *parameters], [0] + [1 + i for i, cell in enumerate(inputs) if self.varies[cell]])
        output = writer.node(integrand)
        quadrature = GaussianQuadrature(writer.tape((output,)), len(inputs))
        operation = kernel(quadrature, takes_complex=False)
        if writer.complex[output]:
            raise NotImplementedError(f"no float rule for a complex integrand, needed by {expr}; take its real part")
        return self.emit(operation, *inputs, *(cell for pair in centers for cell in pair), for_expr=expr)


def _is_reciprocal_of_exponentials(expr: sp.Expr) -> bool:
    if not (isinstance(expr, sp.Pow) and isinstance(expr.base, sp.Add)):
        return False
    if not (expr.exp.is_Rational and expr.exp.is_negative):
        return False
    terms = [_weighted_exponential(term) for term in expr.base.args]
    tame = all(weight.is_positive and exponent.is_real for weight, exponent in terms)
    return tame and any(exponent != 0 for _, exponent in terms)


def _weighted_exponential(term: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """A term w·e^b as the pair (w, b)."""
    factors = sp.Mul.make_args(term)
    exponentials = [factor for factor in factors if isinstance(factor, sp.exp)]
    weight = sp.Mul(*(factor for factor in factors if not isinstance(factor, sp.exp)))
    return weight, sp.Add(*(factor.args[0] for factor in exponentials))


def _float_of(number: sp.Expr) -> float:
    if not number.is_finite:
        raise ValueError(f"expected finite numbers in a formula, got {number}")
    try:
        if isinstance(number, sp.Rational):
            return number.p / number.q
        return float(number)
    except OverflowError:
        bits = sp.Integer(abs(number)).p.bit_length()
        raise ValueError(f"expected numbers below 1.8e308 in a formula, got one of {bits} bits") from None


def refusal(expr: sp.Basic) -> str:
    """Why a node has no float, by name."""
    if isinstance(expr, (GaussianScalar, Latent)):
        return f"no value for the random variable {expr}; take the mean first, with E(...)"
    return f"no float rule for {expr.func.__name__}, needed by {expr}; add it to numerics.float_rules."
