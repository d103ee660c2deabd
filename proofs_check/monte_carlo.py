"""Does a formula agree with a simulation? A test that states its error, with no normality assumed.

A formula claims to be the mean of a loss that a simulator draws. `proofs_check.comparison` follows the claim
on fresh draws, model by model: refuted, holds to within a resolution, or undecided when the draws end first.
Where the bound that makes the test a proof is itself refuted, the verdict is undecided and says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import sympy as sp
from hypothesis.strategies import SearchStrategy

from numerics.compile import compile as compiled
from numerics.covariance import validate_float_covariance
from numerics.simulators import losses

from .check import Check, Checkable, Context
from .comparison import (
    BoundedFormula,
    ClaimedMean,
    Comparison,
    Draw,
    Formula,
    Model,
    bound_refuted,
    bounded_formula,
    compare,
    described,
    what_to_raise,
)
from .strategies import draw_examples
from .verdict import Evidence, Outcome, Verdict, Witness

__all__ = [
    "BoundedFormula",
    "ClaimedMean",
    "Comparison",
    "MonteCarloAgreement",
    "agreement_of_expectation",
    "bounded_formula",
    "compare",
]


@dataclass(frozen=True)
class MonteCarloAgreement(Check):
    """A formula is the mean of the study's simulator, by the Catoni e-process, at given models.

    Refuted where the e-process of the formula crosses; holds to within δ where those of θ ± Δ cross, with
    Δ = δ max(|θ|, √v); undecided where the draws end first. All models must hold, one refutes.

    Args:
        resolution: δ.
        absolute: Δ itself, instead.
        points: how many models are drawn, where they are not listed.
        models: the models: a sequence of keyword values, a Hypothesis strategy, or a function
            `models(rng)` that draws one; by default the claim's own, or points of its domain.
        second_moment: bound of E y² at a model: a number, an expression, a risk, or a callable on the model's
            keywords; by default the statement's attribute of that name, if it has one.
        variance: bound of Var y, instead.
        coordinates: values of the formula's symbols from the model's keywords, such as overlaps from vectors.
        max_samples: at most so many draws a model.

    >>> MonteCarloAgreement(resolution=0.02, second_moment=1).name
    'MonteCarloAgreement'
    """

    resolution: float = 0.01
    absolute: float | None = None
    points: int = 3
    models: Sequence[Model] | SearchStrategy[Model] | Callable[[np.random.Generator], Model] | None = None
    second_moment: Formula | None = field(default=None, repr=False)
    variance: Formula | None = field(default=None, repr=False)
    coordinates: Callable[..., Mapping] | None = field(default=None, repr=False)
    max_samples: int = 2**22

    is_statistical: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.resolution < 1:
            raise ValueError(f"expected a resolution between 0 and 1, got resolution={self.resolution}")

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Compare the statement's formula with the context's simulator."""
        formula = bounded_formula(claim, self)
        begin = time.perf_counter()

        def verdict(outcome: Outcome, scope: str, reason: str, witness: Witness | None = None) -> Verdict:
            elapsed = time.perf_counter() - begin
            return Verdict(outcome, Evidence.STATISTICAL, scope, reason, witness, context.seed, elapsed)

        if context.simulator is None:
            return verdict(Outcome.UNDECIDED, "", "there is no simulator to agree with; give the study one")
        models = self.models_for(claim, context.rng)
        if not models:
            return verdict(Outcome.UNDECIDED, "", "nothing was tested: there is no model; give models=")
        alpha = context.alpha / len(models)
        comparisons: list[Comparison] = []
        for index, model in enumerate(models):
            left = begin + context.seconds - time.perf_counter()
            try:
                claimed = formula.at(model)
                result = self._compare(model, claimed, alpha, left / (len(models) - index), context)
            except ValueError as error:
                return verdict(Outcome.UNDECIDED, "", f"refused at {described(model)}: {error}")
            comparisons.append(result)
            if result.bound_is_refuted:
                return verdict(Outcome.UNDECIDED, "", bound_refuted(result.claimed, model))
            if result.is_refuted:
                note = f"false-alarm rate {context.alpha:.1g}, seed {context.seed}"
                reason = "the e-process of the formula crossed 1/α"
                scope = f"at model {index + 1} of {len(models)}"
                return verdict(Outcome.FAILS, scope, reason, result.witness(model, note))
        open_ones = [result for result in comparisons if not result.is_resolved]
        if open_ones:
            return verdict(Outcome.UNDECIDED, "", what_to_raise(open_ones, len(models), alpha))
        samples = sum(result.estimate.count for result in comparisons)
        size = f"{self.resolution:.3g} max(|θ|, √v)" if self.absolute is None else f"{self.absolute:.3g}"
        scope = f"to within {size} at {len(models)} model{'s' * (len(models) > 1)}"
        reason = (
            f"the same draws refute the formula ± that much and not the formula; {samples:,} samples, "
            f"false-alarm rate {context.alpha:.1g}"
        )
        return verdict(Outcome.HOLDS, scope, reason)

    def _compare(
        self, model: Model, claimed: ClaimedMean, alpha: float, seconds: float, context: Context
    ) -> Comparison:
        return compare(
            lambda rng, n: losses(context.simulator, model, rng, n),
            claimed,
            context.rng,
            resolution=self.resolution,
            absolute=self.absolute,
            alpha=alpha,
            max_samples=self.max_samples,
            seconds=seconds,
        )

    def models_for(self, claim: Checkable, rng: np.random.Generator) -> list[Model]:
        """The models it would try: its own, the claim's, or points of the claim's domain."""
        source = self.models if self.models is not None else getattr(claim, "models", None)
        if isinstance(source, SearchStrategy):
            return draw_examples(source, self.points, int(rng.integers(2**31)))
        if callable(source):
            return [source(rng) for _ in range(self.points)]
        if source is not None:
            return list(source)
        return [_as_model(claim.domain.draw(rng)) for _ in range(self.points)]


def _as_model(point: Mapping) -> Model:
    return {str(symbol): int(x) if x.is_integer else float(x) for symbol, x in point.items()}


def agreement_of_expectation(
    expr: sp.Expr,
    closed_form: Any,
    variables: Sequence[sp.Symbol],
    *,
    covariance: Any = None,
    mean: Any = None,
    values: Mapping | None = None,
    second_moment: Any = None,
    variance: Any = None,
    resolution: float = 0.01,
    alpha: float = 1e-6,
    seed: int = 0,
    max_samples: int = 2**22,
    seconds: float = 60.0,
) -> Verdict:
    """Is the closed form the mean of an expression in Gaussian variables? By sampling the expression.

        closed_form = E expr(x),    x ~ N(mean, covariance)

    It shares nothing with the rules that derived the closed form but the compilation to floats.

    Args:
        expr: an expression in `variables` and in the symbols of `values`.
        closed_form: an expression in the symbols of `values`, or a number.
        variables: the r Gaussian symbols.
        covariance: r × r, positive semidefinite, by default the identity; entries may use the symbols of
            `values`.
        mean: r numbers, by default zero.
        values: numbers for the parameters, by symbol.
        second_moment, variance: a proven bound of E expr², or of Var expr.
        resolution, alpha, max_samples, seconds: as in `compare`.
        seed: of the generator.

    >>> z = sp.Symbol("z", real=True)
    >>> print(agreement_of_expectation(z**2, 2, (z,), second_moment=3).outcome.value)
    fails
    """
    begin = time.perf_counter()
    parameters = {_exact(symbol): _exact(x) for symbol, x in (values or {}).items()}
    model = {str(symbol): x for symbol, x in parameters.items()}
    draw = _gaussian_draws(_exact(expr).xreplace(parameters), variables, mean, covariance, parameters)
    bounds = [None if bound is None else _exact(bound) for bound in (second_moment, variance)]
    formula = BoundedFormula(_exact(closed_form), *bounds)

    def verdict(outcome: Outcome, scope: str, reason: str, witness: Witness | None = None) -> Verdict:
        elapsed = time.perf_counter() - begin
        return Verdict(outcome, Evidence.STATISTICAL, scope, reason, witness, seed, elapsed)

    try:
        result = compare(
            draw,
            formula.at(model),
            np.random.default_rng(seed),
            resolution=resolution,
            alpha=alpha,
            max_samples=max_samples,
            seconds=seconds,
        )
    except ValueError as error:
        return verdict(Outcome.UNDECIDED, "", f"refused: {error}")
    if result.bound_is_refuted:
        return verdict(Outcome.UNDECIDED, "", bound_refuted(result.claimed, model))
    if result.is_refuted:
        reason = f"the e-process of the closed form crossed 1/α, false-alarm rate {alpha:.1g}"
        return verdict(Outcome.FAILS, "at one point", reason, result.witness(model))
    if not result.is_resolved:
        return verdict(Outcome.UNDECIDED, "", what_to_raise([result], 1, alpha))
    scope = f"to within {resolution:.3g} max(|θ|, √v) at one point"
    return verdict(Outcome.HOLDS, scope, f"{result.estimate.count:,} samples, false-alarm rate {alpha:.1g}")


def _exact(number: Any) -> sp.Basic:
    """A sympy object from one, or from a number; never from text, which sympy would run."""
    if isinstance(number, str):
        raise TypeError(f"expected an expression or a number, got the text {number!r}")
    return sp.sympify(number, strict=True)


def _gaussian_draws(
    expr: sp.Expr, variables: Sequence[sp.Symbol], mean: Any, covariance: Any, parameters: Mapping
) -> Draw:
    """Draws of an expression in jointly Gaussian variables."""
    r = len(variables)

    def numbers(array: Any, shape: tuple[int, ...]) -> np.ndarray:
        entries = np.array(array, dtype=object)
        if entries.shape != shape:
            raise ValueError(f"expected shape {shape} for {r} variables, got shape {entries.shape}")
        return np.array([float(_exact(x).xreplace(parameters)) for x in entries.ravel()]).reshape(shape)

    centre = np.zeros(r) if mean is None else numbers(mean, (r,))
    factor = np.eye(r) if covariance is None else _square_root(numbers(covariance, (r, r)))
    function = compiled(expr, tuple(variables))

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        points = centre + rng.standard_normal((n, r)) @ factor.T
        return np.broadcast_to(np.asarray(function(*points.T), dtype=float), (n,))

    return draw


def _square_root(covariance: np.ndarray) -> np.ndarray:
    """A with A Aᵀ = covariance, singular ones included.

    Raises:
        ValueError: if the covariance is not symmetric positive semidefinite, up to rounding.
    """
    eigenvalues, vectors = np.linalg.eigh(validate_float_covariance(covariance))
    return vectors * np.sqrt(np.clip(eigenvalues, 0.0, None))
