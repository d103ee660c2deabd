"""Mutants of the whole catalogue: how many are made, what kills them, what survives, and how long one takes.

    python -m benchmarks.mutants                           a quarter of an hour on one core
    python -m benchmarks.mutants matrix-rules              one study
    python -m benchmarks.mutants --seconds 300             more time for claims whose formulas are integrals

One line a study; the lines of the claims are those of `proofs-check mutants`.
"""

from __future__ import annotations

import argparse
import statistics
import time

from proofs_check import kill_mutants, mutants, studies
from proofs_check.killing import KILLED


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("studies", nargs="*", default=sorted(studies()), help="by default all")
    parser.add_argument("--seconds", type=float, default=60.0, help="time for the mutants of a claim")
    options = parser.parse_args()
    for name in options.studies:
        study = studies()[name]
        begin = time.perf_counter()
        made = [mutants(claim.statement, claim.domain) for claim in study.claims]
        making = time.perf_counter() - begin
        report = kill_mutants(study, seconds=options.seconds)
        total = sum(map(len, made))
        print(f"{name}: {total} mutants made in {making:.1f} s, {1000 * making / total:.1f} ms each")
        print(f"  fewer than 25: {sum(len(each) < 25 for each in made)} of {len(made)} claims")
        print("  " + report.summary().replace("\n", "\n  "))
        times = [1000 * fate.seconds for toll in report for fate in toll.fates if fate.outcome == KILLED]
        print(f"  a kill takes {statistics.median(times):.1f} ms in the median, {sum(times) / 1000:.1f} s in all")
        for toll in report:
            for line in toll.details():
                print(f"  {toll.claim}: {line}")
        print(flush=True)


if __name__ == "__main__":
    main()
