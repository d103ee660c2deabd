"""Importing theory: how much longer than importing sympy alone?

    python benchmarks/import_time.py [repeats]

Prints the best of several fresh interpreters, interleaved, and the ratio. The target: `import theory`
under 0.6 s, most of which is sympy.
"""

from __future__ import annotations

import subprocess
import sys

LINES = ("import sympy", "import theory", "import numerics", "import proofs_check")


def seconds(line: str) -> float:
    """The time one import takes in an interpreter that has imported nothing."""
    code = f"import time; start = time.perf_counter(); {line}; print(time.perf_counter() - start)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def main(repeats: int = 7) -> None:
    """Measure and print one line for each import."""
    best = dict.fromkeys(LINES, float("inf"))
    for _ in range(repeats):
        for line in LINES:
            best[line] = min(best[line], seconds(line))
    for line, time in best.items():
        print(f"{line:20} {time:6.3f} s   {time / best['import sympy']:5.2f} x sympy")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
