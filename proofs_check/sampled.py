"""Checking a typed mean by sampling what stands inside the expectation.

The last rung: for E[f] = formula where the engine has no closed form, such as a product of three sigmoids. The
Gaussian variables of f are drawn, f is averaged, and the Catoni e-process follows the typed value (`comparison`).
Nothing of the engine takes part in the draws. The proven bound of E f² that makes it a test is

    sup f²          where f is bounded: sums and products of erf, tanh, sigmoid, Φ, sin, cos, sign, ...
    E f²            by the engine, otherwise

Half of the false-alarm probability watches over that bound.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import sympy as sp

from numerics.balls import ball
from theory.expectation import E, Expectation
from theory.gaussian import InfiniteExpectation, NoClosedForm
from theory.special import NormalCDF
from theory.statement import Identity, evaluate_expectations
from theory.variables import GaussianMatrix, GaussianScalar, GaussianVector, RandomRows, Row, gaussians

from .check import Check, Checkable, Context
from .monte_carlo import agreement_of_expectation
from .points import generic_values, with_values
from .verdict import Evidence, Outcome, Verdict

__all__ = ["SampledMean", "largest_value"]

UNABLE = (NotImplementedError, ValueError, ArithmeticError, TypeError)


@dataclass(frozen=True)
class SampledMean(Check):
    """E[f] = formula at one generic point, by drawing the Gaussian variables of f.

    Args:
        resolution: δ, as in `MonteCarloAgreement`.
        max_samples: at most so many draws.
    """

    resolution: float = 0.02
    max_samples: int = 2**22

    is_statistical: ClassVar[bool] = True

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Draw the variables at a point of the domain, and average."""
        statement = claim.statement
        if not isinstance(statement, Identity):
            return _undecided(f"sampling decides E[f] = formula, got an {type(statement).__name__}")
        (lhs, rhs), *others = statement.components()
        if not isinstance(lhs, Expectation):
            lhs, rhs = rhs, lhs
        if others or not isinstance(lhs, Expectation):
            return _undecided("sampling needs one side that is an expectation")
        try:
            typed = evaluate_expectations(rhs)
            values = generic_values(statement, claim.domain, context.rng)
            written = _WrittenOut.of(with_values(lhs.args[0], values))
            theta = float(ball(with_values(typed, values), {}, 20))
            bound = _second_moment(written)
        except (NoClosedForm, InfiniteExpectation, *UNABLE) as error:
            return _undecided(f"not sampled: {' '.join(str(error).split())}")
        verdict = agreement_of_expectation(
            written.expr,
            sp.Rational(theta),
            written.variables,
            mean=written.mean,
            covariance=written.covariance,
            second_moment=bound,
            resolution=self.resolution,
            alpha=context.alpha,
            seed=context.seed,
            max_samples=self.max_samples,
            seconds=context.seconds,
        )
        if verdict.witness is None:
            return verdict
        return replace(verdict, witness=replace(verdict.witness, point=values))


@dataclass(frozen=True)
class _WrittenOut:
    """An expression in independent and dependent scalars, with their joint law in numbers."""

    expr: sp.Expr
    variables: tuple[sp.Dummy, ...]
    mean: list[sp.Expr]
    covariance: list[list[sp.Expr]]

    @staticmethod
    def of(expr: sp.Expr) -> _WrittenOut:
        """The expression with every Gaussian variable written entry by entry.

        Raises:
            NotImplementedError: for randomness of another kind.
        """
        variables: list[sp.Dummy] = []
        mean: list[sp.Expr] = []
        blocks: list[sp.Matrix] = []
        replaced: dict[sp.Basic, sp.Basic] = {}

        def add(name: str, centre: Any, covariance: Any) -> list[sp.Dummy]:
            made = [sp.Dummy(f"{name}_{i}", real=True) for i in range(len(centre))]
            variables.extend(made)
            mean.extend(centre)
            blocks.append(sp.Matrix(covariance))
            return made

        for family in sorted({scalar.family for scalar in expr.atoms(GaussianScalar)}, key=sp.default_sort_key):
            members = add("g", list(family.mean), family.covariance)
            replaced |= {GaussianScalar(family, i): member for i, member in enumerate(members)}
        for vector in sorted(_found(expr, GaussianVector), key=sp.default_sort_key):
            replaced[vector] = sp.ImmutableMatrix(add(str(vector.name), *_law(vector)))
        for matrix in sorted(_found(expr, GaussianMatrix), key=sp.default_sort_key):
            rows = [add(f"{matrix.name}_{i}", *_law(matrix.groups[0])) for i in range(int(matrix.rows))]
            replaced[matrix] = sp.ImmutableMatrix(rows)
        unrolled = _unrolled(expr)
        for row in _found(unrolled, Row):
            if row.matrix in replaced and row.index.is_Integer:
                replaced[row] = replaced[row.matrix][int(row.index), :]
                replaced[sp.Transpose(row)] = replaced[row].T
        written = unrolled.xreplace(replaced).doit()
        if any(True for _ in _found(written, RandomRows)) or written.atoms(GaussianScalar):
            raise NotImplementedError("sampling knows Gaussian scalars, vectors and matrices")
        written = written.doit()
        if getattr(written, "is_Matrix", False):
            raise NotImplementedError("sampling knows means of scalars")
        joint = sp.diag(*blocks) if blocks else sp.zeros(0, 0)
        if not variables:
            raise NotImplementedError("there is nothing random in it")
        return _WrittenOut(written, tuple(variables), mean, joint.tolist())


def _unrolled(expr: sp.Expr) -> sp.Expr:
    """Sums with whole ends, written out before matrices become explicit."""
    return expr.replace(lambda node: isinstance(node, sp.Sum), lambda node: node.doit())


def _found(expr: sp.Basic, kind: type) -> set[Any]:
    return {node for node in sp.preorder_traversal(expr) if isinstance(node, kind)}


def _law(variable: Any) -> tuple[list[sp.Expr], sp.Matrix]:
    """Mean and covariance of a vector, or of the rows of a matrix, as numbers."""
    mean, covariance = (sp.ImmutableMatrix(part.as_explicit()) for part in (variable.mean, variable.covariance))
    return list(mean), covariance


def _second_moment(written: _WrittenOut) -> sp.Expr:
    """A proven bound of E f²: the square of the largest value, or what the engine derives."""
    largest = largest_value(written.expr)
    if largest is not None:
        return sp.sympify(largest, strict=True) ** 2
    names = " ".join(f"w{i}" for i in range(len(written.variables)))
    scalars = gaussians(names, mean=written.mean, covariance=written.covariance)
    square = written.expr.xreplace(dict(zip(written.variables, scalars, strict=True))) ** 2
    # Upwards by far more than the rounding to a float, and by nothing that a resolution would notice.
    return sp.Rational(float(ball(E(square), {}, 20)) * (1 + 1e-9))


BOUNDED = {sp.erf: 1, sp.erfc: 2, sp.tanh: 1, sp.sin: 1, sp.cos: 1, sp.sign: 1, NormalCDF: 1, sp.Heaviside: 1}


def largest_value(expr: sp.Expr) -> sp.Expr | None:
    """An upper bound of |f| for real arguments, or None where f is not seen to be bounded.

    >>> x = sp.Symbol("x", real=True)
    >>> largest_value(3*sp.erf(x)*sp.cos(x) - 1), largest_value(1/(1 + sp.exp(x))), largest_value(x)
    (4, 1, None)
    """
    if expr.is_number:
        return abs(expr)
    if type(expr) in BOUNDED:
        return sp.Integer(BOUNDED[type(expr)])
    if isinstance(expr, (sp.Add, sp.Mul)):
        parts = [largest_value(part) for part in expr.args]
        return None if None in parts else type(expr)(*parts)
    if isinstance(expr, sp.Pow) and expr.exp.is_number:
        if expr.exp.is_negative:
            least = _least_value(expr.base)
            return None if least is None else least**expr.exp
        inner = largest_value(expr.base)
        return None if inner is None or not expr.exp.is_integer else inner**expr.exp
    return None


def _least_value(expr: sp.Expr) -> sp.Expr | None:
    """A positive lower bound of a positive number plus what is not negative, as in 1 + exp(v)."""
    constant, rest = expr.as_coeff_Add()
    terms = sp.Add.make_args(rest)
    return constant if constant.is_positive and all(term.is_nonnegative for term in terms) else None


def _undecided(reason: str) -> Verdict:
    return Verdict(Outcome.UNDECIDED, Evidence.STATISTICAL, "", reason)
