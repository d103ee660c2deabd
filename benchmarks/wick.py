"""Expectations of matrix words: how long, how many terms, and against enumerating the pairings.

    python benchmarks/wick.py            half a minute
    python benchmarks/wick.py --quick    without the longest lines

X has n i.i.d. rows N(0, Σ), n and d symbols. Every line starts from nothing: a fresh alphabet and memory. Times are
seconds of the processor, best of three where short; the results stay in words, and their conversion to sympy is
a line of its own. The enumeration is honest: it runs through the (2k − 1)!! pairings of indices once, counts the
cycles of each and adds up; no expression is built for a pairing.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator

import sympy as sp

from theory.variables import GaussianMatrix
from theory.wick import wick, word_polynomial
from theory.words import WordPolynomial

n, d = sp.symbols("n d", integer=True, positive=True)
S = sp.MatrixSymbol("S", d, d)
WHITE = GaussianMatrix("X", n, d)
COLOURED = GaussianMatrix("X", n, d, covariance=S)


def seconds(run: Callable[[], object], budget: float = 0.5) -> float:
    """The best processor time of three runs, or of one that is long."""
    best, spent = math.inf, 0.0
    for _ in range(3):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
        spent += best
        if spent > budget:
            break
    return best


def power(X: GaussianMatrix, k: int) -> WordPolynomial:
    """tr (XᵀX)ᵏ in words."""
    return word_polynomial(sp.Trace((X.T * X) ** k))


def distinct(k: int) -> WordPolynomial:
    """tr(XᵀX A₁ XᵀX A₂ ⋯ A_k), where nothing merges."""
    X = COLOURED
    letters = [sp.MatrixSymbol(f"A{i}", d, d) for i in range(k)]
    return word_polynomial(sp.Trace(sp.MatMul(*(factor for A in letters for factor in (X.T, X, A)))))


def mean_of(make: Callable[[], WordPolynomial], by_partitions: bool = True) -> tuple[float, WordPolynomial]:
    """The time of the expectation alone, and its result."""
    best, result = math.inf, make()
    for _ in range(3):
        polynomial = make()
        start = time.process_time()
        result = wick(polynomial, by_partitions=by_partitions)
        best = min(best, time.process_time() - start)
        if best > 0.3:
            break
    return best, result


def pairings(items: list[int]) -> Iterator[list[tuple[int, int]]]:
    """All ways to pair up the items."""
    if not items:
        yield []
        return
    first, *rest = items
    for i, partner in enumerate(rest):
        for others in pairings(rest[:i] + rest[i + 1 :]):
            yield [(first, partner), *others]


def enumerated(k: int) -> Counter[tuple[int, int]]:
    """E tr (XᵀX)ᵏ for Σ = I by enumeration: a pairing gives n^(cycles of rows) d^(cycles of columns).

    Letter 2j is Xᵀ and 2j + 1 is X in the j-th factor: the rows of the two are one index, and the columns of
    letter 2j + 1 and of letter 2j + 2. Pairing two letters identifies both of their indices.
    """
    total: Counter[tuple[int, int]] = Counter()
    for pairing in pairings(list(range(2 * k))):
        rows, columns = list(range(k)), list(range(k))  # row j between 2j and 2j+1; column j between 2j−1 and 2j
        cycles = [k, k]
        for a, b in pairing:
            for kind, (parent, i, j) in enumerate(
                ((rows, a // 2, b // 2), (columns, (a + 1) // 2 % k, (b + 1) // 2 % k))
            ):
                while parent[i] != i:
                    i = parent[i]
                while parent[j] != j:
                    j = parent[j]
                if i != j:
                    parent[i] = j
                    cycles[kind] -= 1
        total[cycles[0], cycles[1]] += 1
    return total


def agrees(counted: Counter[tuple[int, int]], result: WordPolynomial) -> bool:
    """Whether enumeration and engine give the same polynomial."""
    rows, columns = result.alphabet.scalar(n), result.alphabet.scalar(d)
    return {tuple(sorted(rows * a + columns * b)): c for (a, b), c in counted.items()} == dict(result.terms)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="leave out the lines that take more than a second")
    quick = parser.parse_args().quick

    print("E tr (XᵀX)ᵏ, Σ = I, symbolic n and d           seconds   target   terms")
    for k, target in ((6, 0.002), (10, 0.02), (20, 1), (30, 10)):
        spent, result = mean_of(lambda k=k: power(WHITE, k))
        print(f"  partitions  k = {k:<2}                          {spent:9.4f}  {target:7}  {len(result):6}")
    for k in (6, 10) if quick else (6, 10, 14, 18):
        spent, result = mean_of(lambda k=k: power(WHITE, k), by_partitions=False)
        print(f"  words       k = {k:<2}                          {spent:9.4f}           {len(result):6}")

    print("E tr (XᵀX)ᵏ, symbolic Σ                        seconds     best   terms")
    for k, known in ((10, 0.013), (14, 0.42), (17, 6.8)):
        spent, result = mean_of(lambda k=k: power(COLOURED, k))
        print(f"  partitions  k = {k:<2}                          {spent:9.4f}  {known:7}  {len(result):6}")
    for k, known in ((8, ""), (10, 0.14)) if quick else ((8, ""), (10, 0.14), (12, "")):
        spent, result = mean_of(lambda k=k: power(COLOURED, k), by_partitions=False)
        same = wick(power(COLOURED, k)).expr() == result.expr()
        print(
            f"  words       k = {k:<2}                          {spent:9.4f}  {known:>7}  {len(result):6}  same: {same}"
        )

    print("E tr(XᵀX A₁ ⋯ XᵀX A_k), distinct matrices      seconds   target   terms   µs a term   to sympy, ms a term")
    for k in (4, 5, 6):
        spent, result = mean_of(lambda k=k: distinct(k))
        converted = seconds(result.expr)
        print(
            f"  k = {k}                                       {spent:9.4f}  {0.5 if k == 6 else '':>7}  {len(result):6}"
            f"   {1e6 * spent / len(result):9.1f}   {1e3 * converted / len(result):19.3f}"
        )

    print("against enumeration, Σ = I                    pairings   enumerated    engine      ratio")
    for k in (4, 5, 6) if quick else (4, 5, 6, 7):
        spent, result = mean_of(lambda k=k: power(WHITE, k), by_partitions=False)
        start = time.process_time()
        counted = enumerated(k)
        slow = time.process_time() - start
        assert agrees(counted, result)
        print(f"  k = {k}   {math.prod(range(1, 2 * k, 2)):>38,} {slow:12.4f} {spent:9.5f} {slow / spent:10.0f}")


if __name__ == "__main__":
    main()
