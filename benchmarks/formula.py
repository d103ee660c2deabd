"""Reading formulas: what it costs, and what a million random texts do to the readers.

Times are those of the processor.

    python benchmarks/formula.py            a minute or so
    python benchmarks/formula.py 1000000    the long run: as many random texts

- every formula of the catalogue, printed and read back: the share that is the same object, milliseconds
- the slowest texts that the limits allow: milliseconds, and as a ratio to the promise of 0.1 s
- random texts, half of them in LaTeX: texts a second, share accepted, the largest work a character
"""

from __future__ import annotations

import random
import statistics
import string
import sys
import time
from typing import Any

import sympy as sp
from sympy.core.cache import clear_cache

from proofs_check.formula import GENEROUS, FormulaError, Vocabulary, names_of, read
from proofs_check.formula.functions import BY_NAME
from proofs_check.formula.reading import WORK
from proofs_check.studies import studies
from theory.latex import to_latex
from theory.variables import GaussianMatrix, GaussianVector, gaussians

PROMISE = 0.1  # seconds a text


def vocabulary() -> Vocabulary:
    """Names for random texts."""
    d, n = sp.symbols("d n", integer=True, positive=True)
    matrices = [sp.MatrixSymbol(name, d, d) for name in "ABS"] + [sp.MatrixSymbol(name, d, 1) for name in "uv"]
    scalars = [*sp.symbols("x y lam", real=True), sp.Symbol("p", positive=True), sp.Symbol("l", integer=True), d, n]
    return Vocabulary(
        [*scalars, *matrices, *gaussians("g"), GaussianVector("z", d), GaussianMatrix("X", n, d), sp.Function("phi")]
    )


def catalogue() -> None:
    """Every formula of every claim, printed and read back."""
    times, same, total = [], 0, 0
    for study in studies().values():
        for claim in study.claims:
            formulas: list[Any] = []
            claim.statement.map(lambda expr: formulas.append(expr) or expr)  # noqa: B023
            for expr in formulas:
                if expr in (sp.oo, -sp.oo):
                    continue
                tex, names = to_latex(expr), names_of(expr)
                start = time.process_time()
                value = read(tex, names, latex=True, limits=GENEROUS).value
                times.append(time.process_time() - start)
                same += value == expr
                total += 1
    print(f"catalogue: {same} of {total} formulas read back as the same object")
    print(f"           median {statistics.median(times) * 1e3:.2f} ms, longest {max(times) * 1e3:.0f} ms")


def slowest(words: Vocabulary) -> None:
    """Texts made to be slow, each with sympy's memory emptied before."""
    long = " + ".join(f"x^{k}*y/{k + 2}" for k in range(1, 60))
    texts = ["+".join(["x"] * 700), "*".join(f"(x + {k})^{k % 5 + 1}" for k in range(1, 120)), long]
    for function in BY_NAME.values():
        if function.least != 1:
            continue
        name = function.name
        texts += [f"{name}({long})", " + ".join(f"{name}({k}*x + y/{k})" for k in range(1, 42))]
        texts += [" * ".join(f"{name}(x/{k} - y)" for k in range(1, 42)), f"{name}(" * 8 + "x - y" + ")" * 8]
        texts += [f"{name}(" * 3 + "x - y" + ")" * 3]
    texts += ["u' (A + B) (A + S) (B + S) v", "tr(" + "A B " * 14 + ")", "abs(sqrt(5 + 2*sqrt(6)) - sqrt(2) - sqrt(3))"]
    took: dict[str, tuple[float, str]] = {}
    for text in [*texts, *texts, *texts]:  # the best of three: the first time round sympy still imports parts of itself
        clear_cache()
        start = time.process_time()
        try:
            read(text, words, latex=False)
            outcome = "read"
        except FormulaError:
            outcome = "refused"
        seconds = time.process_time() - start
        took[text] = min(took.get(text, (seconds, outcome)), (seconds, outcome))
    for text, (seconds, outcome) in sorted(took.items(), key=lambda item: -item[1][0])[:5]:
        print(f"slow texts: {seconds * 1e3:6.1f} ms, {seconds / PROMISE:4.2f} of the promise, {outcome:8s} {text[:50]}")


PIECES = [
    *BY_NAME,
    *"xypldnABSuvgzX",
    "lam",
    "phi(",
    "tr(",
    "E[",
    "]",
    "(",
    ")",
    "<",
    ">",
    ",",
    "'",
    "^",
    "**",
    "*",
    "/",
]
PIECES += [
    "+",
    "-",
    " ",
    "2",
    "0.5",
    "=",
    ":",
    "sum(",
    "matrix(",
    "norm(",
    "det(",
    "grad(",
    "inv(",
    "[l, :]",
    "10",
    "pi",
    "_",
    ".",
]
COMMANDS = r"""\frac \left( \right) { } ( ) [ ] ^ _ + - = \cdot \sqrt x y \lambda A u v g 1 2 , \mathbb{E} \langle | e
\rangle \operatorname{erf} \operatorname{tr} \sin \exp \pi \Phi \max \top \| \sum_{l=0}^{n}
\begin{matrix} \end{matrix} & \\ X_{l} '
^{2} {\left( \right)} \frac12 \infty \lim 0.5 / \mathrm{i} \mathbb{I}_{d} \le \hat \nabla_x \nabla_{u}""".split()
SENTENCES = [
    " is stationary in ",
    " at ",
    " is invariant under ",
    " is conserved by ",
    "dx/dt = ",
    "{",
    "}",
    ", ",
    " = 0",
]
PIECES += SENTENCES
SEEDS = ["erf(lam*g)^2 + u' A v", "E[(z' A z)^2] = tr(A S)^2", "max(x, y)/sqrt(p)", "sum(l, 0, n - 1, <X[l, :], u>)"]
SEEDS += ["x^2 - 2 x y is stationary in x at x = y", "{y = 0} is invariant under dx/dt = -x, dy/dt = x y"]
SEEDS += [
    r"\frac{2}{\pi} \arcsin\frac{2\lambda^2}{1+2\lambda^2}",
    r"\left\langle u, A v\right\rangle^{2} e^{- \frac{x^{2}}{2}}",
]


def random_text(rng: random.Random) -> str:
    """A text from pieces of the grammars, from characters, or a formula with some characters changed."""
    kind = rng.randrange(4)
    if kind == 0:
        return "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 40)))
    if kind == 1:
        return " ".join(rng.choice(COMMANDS) for _ in range(rng.randrange(1, 30)))
    if kind == 2:
        return "".join(chr(rng.randrange(32, 0x250)) for _ in range(rng.randrange(1, 40)))
    text = list(rng.choice(SEEDS) + rng.choice([" + ", "*", " "]) + rng.choice(SEEDS))
    for _ in range(rng.randrange(4)):
        text[rng.randrange(len(text))] = rng.choice(string.printable)
    return "".join(text)


def fuzz(count: int, words: Vocabulary, seed: int = 0) -> None:
    """Random texts: nothing but `FormulaError`, and no more work than promised."""
    rng = random.Random(seed)
    accepted, most_work, longest, begin = 0, 0.0, (0.0, ""), time.perf_counter()
    for _ in range(count):
        text = random_text(rng)
        start = time.process_time()
        try:
            reading = read(text, words, latex=None if rng.randrange(8) else False, statement=rng.randrange(4) == 0)
            accepted += 1
            most_work = max(most_work, reading.work / len(text))
        except FormulaError:
            pass
        longest = max(longest, (time.process_time() - start, text))
    seconds = time.perf_counter() - begin
    print(f"random texts: {count} in {seconds:.0f} s, {count / seconds:.0f} a second, {accepted / count:.1%} accepted")
    print(f"              no exception but FormulaError; work at most {most_work:.1f} a character of {WORK} promised")
    print(f"              longest {longest[0] * 1e3:.1f} ms: {ascii(longest[1])[:60]}")


if __name__ == "__main__":
    words = vocabulary()
    catalogue()
    slowest(words)
    fuzz(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000, words)
