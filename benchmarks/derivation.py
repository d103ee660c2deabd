"""How long the derivation of the full single-location risk takes, and `verify` of the study.

    python benchmarks/derivation.py

Every derivation runs in a fresh process, so nothing is remembered from one to the next; medians of
five. The unit beside the seconds is the time sympy takes on the same machine for
expand((1 + x + y + z)^20), so that a slow machine does not look like a slow derivation.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time

DERIVE = """
import importlib, json, time
import sympy as sp
x, y, z = sp.symbols("x y z")
start = time.perf_counter(); sp.expand((1 + x + y + z)**20); unit = time.perf_counter() - start
study = importlib.import_module("proofs_check.studies.single_location")
start = time.perf_counter(); risk = study.general_risk(); derived = time.perf_counter() - start
start = time.perf_counter(); risk.gradient(); differentiated = time.perf_counter() - start
start = time.perf_counter(); study.second_moment(); squared = time.perf_counter() - start
print(json.dumps([unit, derived, differentiated, squared]))
"""


def main() -> None:
    """Print the table."""
    runs = []
    for _ in range(5):
        output = subprocess.run([sys.executable, "-c", DERIVE], capture_output=True, text=True, check=True).stdout
        runs.append(json.loads(output))
    unit, *medians = (statistics.median(column) for column in zip(*runs, strict=True))
    names = ("risk, nine scalar products, six constants", "its seven partial derivatives", "its fourth power")
    for name, seconds in zip(names, medians, strict=True):
        print(f"{name:45s} {seconds:7.3f} s   {seconds / unit:6.2f} x the expansion")
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "proofs_check", "verify", "single-location"], capture_output=True, check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{'verify single-location':45s} {time.perf_counter() - start:7.1f} s   {peak:6.0f} MiB at most")


if __name__ == "__main__":
    main()
