"""The whole catalogue on the ladder of `check`: what each statement gets without a check of its own.

python benchmarks/ladder.py [seconds a statement]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter

from proofs_check import check, ladder, studies

if __name__ == "__main__":
    budget = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    outcomes: Counter[tuple[str, str, str]] = Counter()
    seconds: list[float] = []
    for study in studies().values():
        for claim in study.claims:
            if not ladder(claim.statement):
                outcomes[claim.expected, "needs a simulator", ""] += 1
                continue
            start = time.perf_counter()
            verdict = check(claim.statement, claim.domain, seconds=budget)
            seconds.append(time.perf_counter() - start)
            outcomes[claim.expected, verdict.outcome.value, verdict.evidence.value if verdict.evidence else ""] += 1
            if verdict.undecided and claim.expected == "holds":
                print(f"undecided: {study.name}/{claim.name}")
            if verdict.outcome.value == {"holds": "fails", "refuted": "holds"}.get(claim.expected):
                print(f"AGAINST EXPECTATION: {study.name}/{claim.name}: {verdict}")
    for (expected, outcome, evidence), count in sorted(outcomes.items()):
        print(f"expected {expected:8s} {outcome:18s} {evidence:10s} {count}")
    print(f"median {statistics.median(seconds) * 1e3:.0f} ms a statement, longest {max(seconds):.1f} s")
