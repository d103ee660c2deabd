"""The tables of Gaussian integrals: how many entries have a closed form, and how long each takes.

    python benchmarks/tables.py [--all]

Every entry of the study `expectation-rules` is evaluated with empty caches. Target: every one answered,
each in under 1 s. Prints the count and the slowest entries; with --all one line an entry. The exit code is 1
if an entry was refused or took longer than the target.
"""

from __future__ import annotations

import sys
import time

import sympy as sp
from sympy.core.cache import clear_cache

from proofs_check.studies.expectation_rules import OWEN, WIKIPEDIA, Entry
from theory import E, GaussianIntegral, InfiniteExpectation, NoClosedForm
from theory.gaussian import positive_root, rational

TARGET = 1.0
SHOWN = 5


def evaluated(entry: Entry) -> tuple[float, str]:
    """Seconds, and what came out: closed form, integral, or the reason for a refusal."""
    clear_cache()
    rational.cache_clear()
    positive_root.cache_clear()
    start = time.perf_counter()
    try:
        result = E(entry.f)
    except (NoClosedForm, InfiniteExpectation) as refusal:
        return time.perf_counter() - start, f"refused: {refusal}"
    seconds = time.perf_counter() - start
    integrals = result.atoms(GaussianIntegral)
    if not integrals:
        return seconds, "closed form"
    return seconds, f"integral in {max(integral.dimension for integral in integrals)} variable"


def main() -> int:
    """Run the tables and print what was found."""
    E(sp.Integer(1))
    found = {entry: evaluated(entry) for entry in (*WIKIPEDIA, *OWEN)}
    ordered = sorted(found, key=lambda entry: -found[entry][0])
    for entry in ordered if "--all" in sys.argv[1:] else ordered[:SHOWN]:
        seconds, outcome = found[entry]
        print(f"{1000 * seconds:7.1f} ms  {outcome:<24} {entry.integral}")
    outcomes = [outcome for _, outcome in found.values()]
    closed = outcomes.count("closed form")
    refused = sum(outcome.startswith("refused") for outcome in outcomes)
    slow = sum(seconds > TARGET for seconds, _ in found.values())
    total = sum(seconds for seconds, _ in found.values())
    print(
        f"{len(found)} entries: {closed} closed forms, {len(found) - closed - refused} named integrals, "
        f"{refused} refused; {slow} over {TARGET:g} s; {total:.2f} s together"
    )
    return int(bool(refused or slow))


if __name__ == "__main__":
    sys.exit(main())
