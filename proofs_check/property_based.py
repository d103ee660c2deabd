"""Formula against simulation at models that Hypothesis draws: one verdict for all of them.

Hypothesis draws admissible models, a strategy of keyword dicts; at each one the e-process of the formula
sees fresh samples. The e-values of distinct models, being independent, multiply, or the bets go on from
one model to the next (`combined` and `carried_on` in `numerics.e_process`; the mean of the two is taken).
An error too small to show at any one model shows in all of them together.

The product is formed outside `@given`. Inside it, Hypothesis would shrink a failing example, which for random
samples is a walk to points where the formula is right; so it only generates here. When the combined
process crosses 1/α, the witness is the model with the largest e-value of its own, confirmed on fresh draws.

    from proofs_check import assert_agrees
    assert_agrees(risk_at, simulator, single_location_models(), second_moment=second_moment_at)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from hypothesis.strategies import SearchStrategy

from numerics.e_process import (
    SMALLEST_BET,
    BoundProcess,
    CatoniProcess,
    carried_on,
    combined,
    doubling_batches,
)
from numerics.simulators import losses

from .check import Check, Checkable, Context
from .comparison import (
    BoundedFormula,
    ClaimedMean,
    Comparison,
    Formula,
    Model,
    bound_refuted,
    bounded_formula,
    compare,
    described,
    squares_for_the_bound,
)
from .strategies import draw_examples
from .verdict import Evidence, Outcome, Verdict

__all__ = ["PropertyBasedAgreement", "assert_agrees"]

# Fresh draws to confirm a witness, in units of the samples of one example, and how many may be tried. An
# error that only fifty examples together could show needs about fifty times the samples of one of them.
_CONFIRMATION = 400
_CANDIDATES = 5


@dataclass(frozen=True)
class _Evidence:
    """What the samples at one example say."""

    model: Model
    claimed: ClaimedMean
    process: CatoniProcess  # of θ, and of θ + Δ and θ − Δ: the controls
    bound: BoundProcess


@dataclass(frozen=True)
class PropertyBasedAgreement(Check):
    """A formula is the mean of the study's simulator, at models drawn by Hypothesis.

    Refuted where the combined e-process over the examples crosses, with the strongest example, confirmed on
    fresh draws, as the witness. Holds to within δ where the same draws refute a formula that is off by +Δ at
    every example, and one that is off by −Δ, Δ = δ max(|θ|, √v), and do not refute the formula.

    Args:
        strategy: of keyword dicts for the simulator; by default the claim's own models.
        examples: how many distinct models.
        samples: draws at each.
        resolution: δ.
        second_moment, variance, coordinates: as in `MonteCarloAgreement`.

    >>> from hypothesis import strategies as st
    >>> PropertyBasedAgreement(st.fixed_dictionaries({}), examples=10).samples
    10000
    """

    strategy: SearchStrategy[Model] | None = None
    examples: int = 50
    samples: int = 10_000
    resolution: float = 0.1
    second_moment: Formula | None = field(default=None, repr=False)
    variance: Formula | None = field(default=None, repr=False)
    coordinates: Callable[..., Mapping] | None = field(default=None, repr=False)

    is_statistical: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.strategy is not None and not isinstance(self.strategy, SearchStrategy):
            raise TypeError(f"expected a Hypothesis strategy of keyword dicts, got strategy={self.strategy!r}")
        if self.examples < 1:
            raise ValueError(f"expected at least one example, got examples={self.examples}")
        if self.samples < 2:
            raise ValueError(f"expected at least two samples of an example, got samples={self.samples}")
        if not 0 < self.resolution < 1:
            raise ValueError(f"expected a resolution between 0 and 1, got resolution={self.resolution}")

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Compare the statement's formula with the context's simulator at the examples."""
        formula = bounded_formula(claim, self)
        strategy = self.strategy if self.strategy is not None else getattr(claim, "models", None)
        if not isinstance(strategy, SearchStrategy):
            raise TypeError(f"expected a Hypothesis strategy of models for {claim.name}; give strategy=")
        begin = time.perf_counter()
        verdict = self._verdict(formula, strategy, context)
        return replace(verdict, seed=context.seed, seconds=time.perf_counter() - begin)

    def _verdict(self, formula: BoundedFormula, strategy: SearchStrategy[Model], context: Context) -> Verdict:
        if context.simulator is None:
            return _undecided("there is no simulator to agree with; give the study one")
        models = draw_examples(strategy, self.examples, int(context.rng.integers(2**31)))
        if not models:
            return _undecided("nothing was tested: the strategy draws no admissible model")
        threshold = -math.log(context.alpha / 2)
        deadline = time.perf_counter() + context.seconds
        seen: list[_Evidence] = []
        for model in models:
            if time.perf_counter() > deadline:
                break
            try:
                seen.append(self._evidence(model, formula.at(model), context))
            except ValueError as error:
                return _undecided(f"refused at {described(model)}: {error}")
            if combined([example.bound.log_e_value for example in seen]) >= threshold:
                worst = max(seen, key=lambda example: example.bound.log_e_value)
                return _undecided(bound_refuted(worst.claimed, worst.model))
            if _against_the_formula(seen) >= threshold:
                return self._refuted(seen, context)
        return self._not_refuted(seen, threshold, context)

    def _evidence(self, model: Model, claimed: ClaimedMean, context: Context) -> _Evidence:
        """What fresh samples at one model say."""
        if reason := claimed.refusal():
            raise ValueError(reason)
        theta, tolerance = claimed.formula, self.resolution * claimed.scale
        hypotheses = (theta, theta + tolerance, theta - tolerance)
        process = CatoniProcess(hypotheses, claimed.variance_bound(tolerance))
        bound = BoundProcess(claimed.bound or math.nan)
        for size in doubling_batches(self.samples):
            draws = losses(context.simulator, model, context.rng, size)
            process = process.update(draws)
            bound = bound.update(squares_for_the_bound(draws, claimed))
        return _Evidence(model, claimed, process, bound)

    def _refuted(self, seen: Sequence[_Evidence], context: Context) -> Verdict:
        """The witness: the strongest example that fresh draws confirm."""
        strongest = sorted(seen, key=lambda example: -example.process.log_e_values[0])[:_CANDIDATES]
        together = _as_power(_against_the_formula(seen))
        found = f"the e-values of {len(seen)} models drawn by Hypothesis combine to {together}"
        for example in strongest:
            result = self._confirmation(example, context)
            if result.is_refuted and not result.bound_is_refuted:
                note = f"fresh draws, false-alarm rate {context.alpha:.1g}, seed {context.seed}"
                witness = result.witness(example.model, note)
                scope = f"over {len(seen)} models drawn by Hypothesis"
                return Verdict(Outcome.FAILS, Evidence.STATISTICAL, scope, found, witness)
        return _undecided(
            f"{found}, so that the formula is wrong at some of them, but none of the strongest "
            f"{len(strongest)} was confirmed on fresh draws; raise samples or the seconds to get a witness"
        )

    def _confirmation(self, example: _Evidence, context: Context) -> Comparison:
        return compare(
            lambda rng, n: losses(context.simulator, example.model, rng, n),
            example.claimed,
            context.rng,
            resolution=max(self.resolution / 10, 2 * SMALLEST_BET),
            alpha=context.alpha,
            max_samples=_CONFIRMATION * self.samples,
            seconds=context.seconds / _CANDIDATES,
        )

    def _not_refuted(self, seen: Sequence[_Evidence], threshold: float, context: Context) -> Verdict:
        """Holds, if an error of the resolution at every example would have been refuted."""
        above, below = _against_the_controls(seen) if seen else (0.0, 0.0)
        if min(above, below) < threshold:
            return _undecided(
                f"after {len(seen)} of {self.examples} models and {self.samples:,} samples each, an error of "
                f"{self.resolution:.3g} max(|θ|, √v) everywhere would not have been noticed (e-values "
                f"{_as_power(above)} and {_as_power(below)}, needed {_as_power(threshold)}); raise samples, "
                "examples, the seconds or the resolution"
            )
        scope = f"to within {self.resolution:.3g} max(|θ|, √v) over {len(seen)} models drawn by Hypothesis"
        reason = (
            "the same draws refute the formula ± that much and not the formula; "
            f"{len(seen) * self.samples:,} samples, false-alarm rate {context.alpha:.1g}"
        )
        return Verdict(Outcome.HOLDS, Evidence.STATISTICAL, scope, reason)


def _against_the_formula(seen: Sequence[_Evidence]) -> float:
    """The e-value, as a logarithm, of the formula being right at every example."""
    return _together(
        [example.process.log_e_values[0] for example in seen],
        carried_on([example.process for example in seen]).log_e_values[0],
    )


def _against_the_controls(seen: Sequence[_Evidence]) -> tuple[float, float]:
    """The same for the mean being at θ + Δ or above everywhere, and at θ − Δ or below."""
    throughout = carried_on([example.process for example in seen])
    above = [example.process.log_e_too_high[1] for example in seen]
    below = [example.process.log_e_too_low[2] for example in seen]
    return (
        _together(above, throughout.log_e_too_high[1]),
        _together(below, throughout.log_e_too_low[2]),
    )


def _together(log_e_values: Sequence[float], log_e_throughout: float) -> float:
    """The mean of two e-processes: one made of the examples' own, one that carries its bets through them."""
    return float(np.logaddexp(combined(log_e_values), log_e_throughout)) - math.log(2)


def _undecided(reason: str) -> Verdict:
    return Verdict(Outcome.UNDECIDED, Evidence.STATISTICAL, "", reason)


def _as_power(logarithm: float) -> str:
    return f"10^{logarithm / math.log(10):.1f}"


def assert_agrees(
    formula: Formula,
    simulator: Any,
    strategy: SearchStrategy[Model],
    *,
    second_moment: Formula | None = None,
    variance: Formula | None = None,
    coordinates: Callable[..., Mapping] | None = None,
    examples: int = 50,
    samples: int = 10_000,
    resolution: float = 0.1,
    alpha: float = 1e-6,
    seed: int = 0,
    seconds: float = 60.0,
) -> Verdict:
    """For your own tests: a formula agrees with a simulator at models that Hypothesis draws.

        def test_the_risk_of_my_model():
            assert_agrees(my_risk, my_simulator, my_models, second_moment=my_bound)

    Args:
        formula: a callable on the model's keywords, an expression or a risk.
        simulator: as in `numerics.simulate`: it draws and predicts, or gives losses.
        strategy: of keyword dicts, see `strategies.models`.
        second_moment: a proven upper bound of the mean squared loss at a model; or
        variance: one of the variance of the loss.
        coordinates: for expressions in other letters than the simulator's keywords.
        examples, samples: so many distinct models, so many draws at each.
        resolution: the relative error that must be noticed for the test to pass.
        alpha: the probability with which a true formula may fail this test.
        seed: of models and draws.
        seconds: time budget.

    Returns:
        The verdict, which holds.

    Raises:
        AssertionError: when the verdict fails, with the model and both values, or is undecided, with what
            to raise. Not having tested is not agreeing.

    >>> from hypothesis import strategies as st
    >>> from numerics.simulators import Simulator
    >>> noise = Simulator(
    ...     draw=lambda rng, n, s: (np.zeros((n, 1, 1)), s * rng.normal(size=n)),
    ...     predict=lambda tokens, s: np.zeros(len(tokens)),
    ... )
    >>> scales = st.fixed_dictionaries({"s": st.integers(1, 9)})
    >>> assert_agrees(lambda s: s**2, noise, scales, second_moment=lambda s: 3*s**4, examples=9).outcome.value
    'holds'
    """
    check = PropertyBasedAgreement(strategy, examples, samples, resolution)
    context = Context(np.random.default_rng(seed), simulator, alpha, seconds, seed)
    bounded = BoundedFormula(formula, second_moment, variance, coordinates)
    verdict = replace(check._verdict(bounded, strategy, context), seed=seed)
    if not verdict.holds:
        raise AssertionError(str(verdict))
    return verdict
