"""Random expressions of the grammar in tests/: how many E answers, refuses by name, gets wrong.

    python benchmarks/grammar.py                     200 expressions
    python benchmarks/grammar.py 1000 --seed 7       others

Every answer is compared with brute force over the rationals at random parameters (`numerics.agrees_entrywise`), for
sizes n and d of 2 or 3; a wrong answer passes with a probability of about 1e-16. Brute force is run on the refused
ones too, so that it cannot fail unseen.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import sympy as sp

from numerics import EntrywiseBudgetExceeded, NotPolynomial, agrees_entrywise
from theory import E, NoClosedForm

HERE = Path(__file__).resolve().parent
SIZES = ((2, 2), (3, 2), (2, 3))
BUDGET = 20_000_000


def load_grammar() -> Any:
    """The grammar, a file beside the tests."""
    spec = importlib.util.spec_from_file_location("random_expressions", HERE.parent / "tests" / "random_expressions.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules["random_expressions"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def drawn(grammar: Any, count: int, seed: int, degree: int) -> list[sp.Expr]:
    """So many different expressions."""
    found: dict[sp.Expr, None] = {}

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=2 * count,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(grammar.expressions(degree=degree))
    def collect(expr: sp.Expr) -> None:
        found.setdefault(expr)

    collect()
    return list(found)[:count]


class TooLong(Exception):
    """The time of one expression is over."""


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Stops what takes longer, where the system can."""

    def stop(*_: object) -> None:
        raise TooLong

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)  # again every second: a callback may swallow the first
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def kind_of(error: BaseException) -> str:
    """The class of an error with the words of its message that are not about the expression."""
    words = re.sub(r"[^\w' ]", " ", str(error)).split()
    plain = [word for word in words if re.fullmatch(r"[a-z']{2,}", word)]
    return f"{type(error).__name__}: {' '.join(plain[:7])}"


def answer(expr: sp.Expr, seconds: int) -> tuple[str, Any]:
    """What E says: the outcome, and the mean or the error."""
    try:
        with within(seconds):
            return "answered", E(expr)
    except TooLong:
        return "too long", f"more than {seconds} s"
    except NoClosedForm as error:
        return "refused", kind_of(error)
    except Exception as error:  # whatever else comes is what this script is looking for
        return "crashed", kind_of(error)


def compared(grammar: Any, expr: sp.Expr, mean: Any, seed: int) -> str:
    """What brute force says of an answer, at all sizes that it has time for."""
    checked = 0
    if mean.has(*grammar.RANDOM):
        return "wrong: random symbols in the answer"
    for rows, columns in SIZES:
        try:
            result = agrees_entrywise(
                expr, mean, sizes=[{grammar.n: rows, grammar.d: columns, grammar.K: 2}], seed=seed, budget=BUDGET
            )
        except EntrywiseBudgetExceeded:
            continue
        except NotPolynomial as error:
            return kind_of(error)
        if not result.holds:
            return f"wrong at n = {rows}, d = {columns}"
        checked += 1
    return "right" if checked else "not checked: too large"


def main() -> None:
    """Draw, ask, compare, count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("count", nargs="?", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--degree", type=int, default=6, help="the largest degree in random letters")
    parser.add_argument("--seconds", type=int, default=20, help="for one expectation")
    parser.add_argument("--show", action="store_true", help="print the refused expressions too")
    given = parser.parse_args()
    grammar = load_grammar()
    exprs = drawn(grammar, given.count, given.seed, given.degree)

    outcomes: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    slowest = 0.0
    for expr in exprs:
        start = time.perf_counter()
        outcome, found = answer(expr, given.seconds)
        slowest = max(slowest, time.perf_counter() - start)
        if outcome == "answered":
            outcome = compared(grammar, expr, found, given.seed)
        else:
            classes[f"{outcome}: {found}"] += 1
            shape = getattr(expr, "shape", None)
            zero = 0 * expr if shape is None else sp.ZeroMatrix(*shape) if shape != (1, 1) else sp.Integer(0)
            second = compared(grammar, expr, zero, given.seed)
            if second.startswith(("Not", "Value")):
                print(f"BRUTE FORCE  {second}\n    {expr}")
        outcomes[outcome] += 1
        if outcome.startswith(("wrong", "too long")) or (given.show and outcome in ("refused", "crashed")):
            print(f"{outcome.upper()}  {found if outcome != 'answered' else ''}\n    {expr}")

    print(f"{len(exprs)} expressions, seed {given.seed}, degree up to {given.degree}; slowest E {slowest:.2f} s")
    for outcome, number in outcomes.most_common():
        print(f"  {outcome:<32} {number:5}  {100 * number / len(exprs):5.1f} %")
    for name, number in classes.most_common():
        print(f"    {number:5}  {name}")


if __name__ == "__main__":
    main()
