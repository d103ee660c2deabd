"""How long the risks of attention PCA take to derive, `verify` of the study, and the list of stationary points.

    python benchmarks/attention_pca.py

Derivations run in a fresh process, so nothing is remembered; medians of five. The unit beside the seconds is the
time sympy takes on the same machine for expand((1 + x + y + z)^20). The list of stationary points is set against
the plain way: the Hessian of one point by central differences of the risk.
"""

from __future__ import annotations

import importlib
import json
import statistics
import subprocess
import sys
import time

import numpy as np

DERIVE = """
import importlib, json, time
import sympy as sp
x, y, z = sp.symbols("x y z")
start = time.perf_counter(); sp.expand((1 + x + y + z)**20); unit = time.perf_counter() - start
model = importlib.import_module("proofs_check.studies._attention_pca_model")
risks = (model.mean_field_risk, model.fresh_risk, model.inside_risk, model.wishart_risk, model.wishart_prompt_risk)
start = time.perf_counter(); [risk() for risk in risks]; derived = time.perf_counter() - start
start = time.perf_counter(); [model.second_variation(q) for q in ("mean field", "fresh", "inside")]
hessians = time.perf_counter() - start
start = time.perf_counter(); [model.second_moment(q) for q in ("fresh", "inside")]
print(json.dumps([unit, derived, hessians, time.perf_counter() - start]))
"""


def main() -> None:
    """Print the table."""
    runs = []
    for _ in range(5):
        output = subprocess.run([sys.executable, "-c", DERIVE], capture_output=True, text=True, check=True).stdout
        runs.append(json.loads(output))
    unit, *medians = (statistics.median(column) for column in zip(*runs, strict=True))
    names = ("five risks, any V, B, Σ, n, ν", "three Hessians of tied heads", "two squared losses")
    for name, seconds in zip(names, medians, strict=True):
        print(f"{name:45s} {seconds:7.3f} s   {seconds / unit:6.2f} x the expansion")
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "proofs_check", "verify", "attention-pca"], capture_output=True, check=True)
    print(f"{'verify attention-pca':45s} {time.perf_counter() - start:7.1f} s")
    stationary_points()


def stationary_points() -> None:
    """The whole list against one Hessian by differences."""
    study = importlib.import_module("proofs_check.studies.attention_pca")
    root = np.random.default_rng(0).standard_normal((13, 13))
    Sigma = root @ root.T
    study.stationary_points_at(Sigma, 2, n=20, query="inside")  # the equations are derived once
    start = time.perf_counter()
    found = study.stationary_points_at(Sigma, 2, n=20, query="inside")
    listed = time.perf_counter() - start
    W, h = found[-1].W, 1e-4
    steps = np.eye(W.size).reshape(-1, *W.shape) * h

    def risk(W: np.ndarray) -> float:
        return study.risk_at(W @ W.T, Sigma, n=20, query="inside")

    start = time.perf_counter()
    for e in steps:
        for f in steps:
            risk(W + e + f) - risk(W + e - f) - risk(W - e + f) + risk(W - e - f)
    differences = time.perf_counter() - start
    name = f"{len(found)} stationary points with Hessians, d = 13, k = 2"
    print(f"{name:45s} {listed:7.3f} s   1/{differences / listed:.0f} of one Hessian by differences")


if __name__ == "__main__":
    main()
