"""A search for a counterexample."""

from dataclasses import dataclass

from .check import Check
from .verdict import Outcome, Verdict


@dataclass(frozen=True)
class PropertySearch(Check):
    examples: int = 1
    seconds: float | None = None

    def run(self, claim, context):
        return Verdict(Outcome.UNDECIDED, None, "", "stub")
