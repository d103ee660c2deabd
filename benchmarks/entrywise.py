"""Brute force over the rationals: how long, and beside the same thing written with sympy's expand.

    python benchmarks/entrywise.py

One random point each, parameters drawn from 2^60 values; times in milliseconds of the processor. "estimate" is the
bound of the products of terms that is computed beforehand, and "ns" the time for each of them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import sympy as sp

from numerics import agrees_entrywise, entrywise_mean
from numerics.entries import Entries, exact_point, unknowns
from numerics.entrywise import _work
from numerics.outcomes import Outcomes
from theory import GaussianMatrix, Latent, Mask, MixtureMatrix, TokenGroup, Tokens, dot

n, d = sp.symbols("n d", integer=True, positive=True)
p, rho = sp.symbols("p rho", positive=True)
l = sp.Symbol("l", integer=True)
A, S = (sp.MatrixSymbol(name, d, d) for name in "AS")
m = sp.MatrixSymbol("m", d, 1)
X = GaussianMatrix("X", n, d, mean=m, covariance=S)
Y = GaussianMatrix("Y", n, d)
Z = MixtureMatrix("Z", n, d, weights=[p, 1 - p], means=[m, -m], covariance=S)
M = Mask("M", d, rho, rows=n)
J = Latent("J", n)
U = Tokens("U", d, [TokenGroup(1, covariance=2, at=J), TokenGroup(n - 1)])
W = sp.HadamardProduct(M, Z)

CASES = {
    "tr(XᵀX A)²": (sp.Trace(X.T * X * A) ** 2, 3, 3),
    "tr((XᵀX)³)": (sp.Trace((X.T * X) ** 3), 3, 3),
    "tr((XᵀX)⁴)": (sp.Trace((X.T * X) ** 4), 3, 3),
    "tr(XᵀY YᵀX A XᵀX)": (sp.Trace(X.T * Y * Y.T * X * A * X.T * X), 3, 2),
    "tr((WᵀZ)²), W = M ∘ Z": (sp.Trace((W.T * Z) ** 2), 2, 2),
    "tr((WᵀZ)³)": (sp.Trace((W.T * Z) ** 3), 2, 2),
    "Σ ⟨U_l, U_J⟩⁴": (sp.Sum(dot(U[l, :], U[J, :]) ** 4, (l, 0, n - 1)), 3, 3),
}


def milliseconds(run: Callable[[], Any]) -> float:
    """Of the processor, the best of three runs."""
    best = math.inf
    for _ in range(3):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return 1e3 * best


def with_sympy(k: int, rows: int, columns: int) -> int:
    """E tr (YᵀY)ᵏ for independent standard entries, with sympy alone."""
    Y = sp.Matrix(rows, columns, lambda i, j: sp.Symbol(f"y{i}_{j}"))
    polynomial = sp.Poly(sp.expand(((Y.T * Y) ** k).trace()), *Y)
    return sum(
        c * math.prod(i for power in powers for i in range(1, power, 2))
        for powers, c in polynomial.terms()
        if all(power % 2 == 0 for power in powers)
    )


def main() -> None:
    """Print the tables."""
    print(f"{'':26} n  d   outcomes      estimate        ms     ns")
    for name, (expr, rows, columns) in CASES.items():
        sizes = {n: rows, d: columns}
        witness = agrees_entrywise(expr, sp.Integer(0), sizes=[sizes]).witness
        assert witness is not None  # none of these means is zero
        values = {symbol: value for symbol, value in witness.items() if symbol in unknowns(expr)}
        laws = Outcomes.of(expr, Entries(exact_point([expr], values)), True)
        estimate = laws.outcomes * _work(expr, laws)
        spent = milliseconds(lambda expr=expr, values=values: entrywise_mean(expr, values))
        each = 1e6 * spent / estimate
        print(f"{name:<26} {rows}  {columns} {laws.outcomes:10,} {estimate:13,} {spent:9.1f} {each:6.0f}")

    print("E tr (YᵀY)ᵏ, n = 3, d = 2        sympy       here    ratio   (ms)")
    for k in (1, 2, 3):
        expr = sp.Trace((Y.T * Y) ** k)
        assert entrywise_mean(expr, {n: 3, d: 2}) == with_sympy(k, 3, 2)
        slow, fast = (
            milliseconds(lambda k=k: with_sympy(k, 3, 2)),
            milliseconds(lambda expr=expr: entrywise_mean(expr, {n: 3, d: 2})),
        )
        print(f"  k = {k}                      {slow:10.2f} {fast:10.2f} {slow / fast:8.0f}")


if __name__ == "__main__":
    main()
