"""The check of a frequency: "a random trial succeeds with a probability within bounds".

    k successes in n independent trials,    an interval of Clopper and Pearson at level 1 − α

The claim holds when the interval lies within the bounds, fails when it lies outside of them, and is undecided when it
straddles a bound. The interval covers the probability with the chance 1 − α at least, whatever n, so a true claim is
refuted, and a false one confirmed, with a chance of at most α.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from numerics.basins import binomial_interval
from theory.statement import Frequency

from .check import Check, Checkable, Context
from .verdict import Evidence, Outcome, Verdict, Witness

__all__ = ["BinomialFrequency"]

Trial = Callable[[np.random.Generator, int], np.ndarray]


@dataclass(frozen=True)
class BinomialFrequency(Check):
    """Counts successes in independent trials.

    Args:
        trial: trial(rng, n) -> n booleans, one a trial: descent from a random start that ended where it should.
        trials: n.

    Verdicts: *holds* or *fails* (statistical), or *undecided* with the interval that straddles a bound.
    """

    trial: Trial
    trials: int = 600

    is_statistical: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if isinstance(self.trials, bool) or not isinstance(self.trials, int) or self.trials < 1:
            raise ValueError(f"expected an integer trials >= 1, got trials={self.trials!r}")

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Make the trials and compare the interval with the bounds."""
        start = time.monotonic()
        statement = claim.statement
        if not isinstance(statement, Frequency):
            kind = type(statement).__name__
            raise TypeError(f"BinomialFrequency checks a Frequency, got {kind} in {claim.name}")
        outcomes = np.asarray(self.trial(context.rng, self.trials))
        if outcomes.shape != (self.trials,) or outcomes.dtype != bool:
            raise TypeError(f"expected {self.trials} booleans from the trials, got {outcomes.dtype} {outcomes.shape}")
        count = int(outcomes.sum())
        low, high = binomial_interval(count, self.trials, context.alpha)
        found = f"{count} of {self.trials}, probability in [{low:.4f}, {high:.4f}]"
        confidence = f"with an error probability of {context.alpha:.2g}"

        def verdict(outcome: Outcome, reason: str, witness: Witness | None = None) -> Verdict:
            scope = "" if outcome is Outcome.UNDECIDED else f"{self.trials} independent trials"
            seconds = time.monotonic() - start
            return Verdict(outcome, Evidence.STATISTICAL, scope, reason, witness, context.seed, seconds)

        if high < float(statement.low) or low > float(statement.high):
            bounds = f"[{statement.low}, {statement.high}]"
            return verdict(Outcome.FAILS, confidence, Witness({}, found, bounds, f"frequency of: {statement.event}"))
        if low >= float(statement.low) and high <= float(statement.high):
            return verdict(Outcome.HOLDS, f"{found} {confidence}")
        return verdict(Outcome.UNDECIDED, f"{found} {confidence}, straddles a bound; make more trials")
