"""A way of testing a claim: `Check.run(claim, context) -> Verdict`.

A check looks at the claim's statement and domain and always returns a verdict; it raises
only on wrong use. What it may draw on comes in the `Context`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from theory.domain import Domain
from theory.statement import Statement

from .verdict import Outcome, Verdict

__all__ = ["Check", "Checkable", "Context", "named_error", "run_check"]


class Checkable(Protocol):
    """What a check needs to know of a claim."""

    @property
    def name(self) -> str:
        """The id of the claim."""

    @property
    def statement(self) -> Statement:
        """The formula."""

    @property
    def domain(self) -> Domain:
        """Where the formula is asserted."""

    @property
    def models(self) -> Any:
        """Where the models of a simulation are drawn from, if the claim says so."""


@dataclass(frozen=True)
class Context:
    """What a check may draw on.

    Args:
        rng: the generator of this check, made from the root seed and the claim's name.
        simulator: the study's second transcription of the definition, if it has one.
        alpha: probability with which a statistical check may refute a true claim.
        seconds: time budget of one check.
        seed: the root seed of the run, for the record.
    """

    rng: np.random.Generator
    simulator: Any = None
    alpha: float = 1e-6
    seconds: float = 60.0
    seed: int = 0


class Check(ABC):
    """A way of testing a claim.

    `is_statistical` says whether a verdict may be wrong with probability α; such checks share
    the false-alarm budget of a run.
    """

    is_statistical: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """How the check is called in a report."""
        return type(self).__name__

    @abstractmethod
    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Test the claim and say what was found."""


def run_check(check: Check, claim: Checkable, context: Context) -> Verdict:
    """The verdict of a check with its seed and its time; a check that raises leaves the claim undecided."""
    start = time.perf_counter()
    try:
        verdict = check.run(claim, context)
    except Exception as error:
        verdict = Verdict(Outcome.UNDECIDED, None, "", f"the check raised {named_error(error)}")
    return replace(verdict, seed=context.seed, seconds=time.perf_counter() - start)


def named_error(error: BaseException) -> str:
    """The type and the words of an error, on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
