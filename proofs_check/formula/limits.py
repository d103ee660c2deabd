"""How large a formula may be, and the one error that refuses a text.

Text is data. Before anything is built from it, its length, its nodes, its depth, its digits, its
exponents and the size of its constants are known and bounded, so that 9**9**9**9 costs as much as 9.

    bits       an upper bound on numerator and denominator of what the numbers of a subtree can become:
               p/q has bits(p) + bits(q);  a sum and a product add;  a power multiplies
    magnitude  log₂ of an upper bound on |c| for a subtree c without symbols; e^c has 1.45·2^magnitude
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GENEROUS", "FormulaError", "Limits"]


class FormulaError(ValueError):
    """A text that is no formula, or a formula too large, or one that could be read in two ways.

    The message says what was expected, what was found and where, with the place marked by a caret.

    Attributes:
        reason: what was expected, what was found and what to do, without the place.
        position: the index into the text, from 0.
        text: the text that was read.
        work: how many steps the reader had taken, see `Reading`.

    >>> print(FormulaError("expected a number, got '%'", 4, "1 + %"))
    expected a number, got '%' (position 4)
        1 + %
            ^
    """

    def __init__(self, reason: str, position: int, text: str) -> None:
        self.reason, self.position, self.text, self.work = reason, position, text, 0
        super().__init__(f"{reason} (position {position})\n{_marked(text, position)}")


WINDOW = 30  # characters shown on either side of the place


def _marked(text: str, position: int) -> str:
    start, end = max(0, position - WINDOW), min(len(text), position + WINDOW)
    shown = "".join(character if " " <= character <= "~" else "?" for character in text[start:end])
    head, tail = "..." if start else "", "..." if end < len(text) else ""
    return f"    {head}{shown}{tail}\n    {' ' * (len(head) + position - start)}^"


@dataclass(frozen=True)
class Limits:
    """What a text may hold.

    Args:
        characters: length of the text.
        nodes: nodes of the tree that is read.
        depth: depth of the tree, and of brackets in the text.
        digits: digits of one number.
        exponent: absolute value of a numeric exponent, numerator and denominator alike.
        bits: size of the constants, estimated from below.
        compared: nodes of a constant, not a rational, that sympy may have to compare with zero.
        nested: functions such as abs and max inside each other; sympy's work doubles with each.
        root: index of a root of a number.
        effort: what sympy is given to do when it builds the formula, in units of about 0.1 ms: a function
            looks at every node of its argument, a word of n matrices is compared with itself in n² steps.

    >>> Limits().characters
    8000
    """

    characters: int = 8_000
    nodes: int = 1_500
    depth: int = 60
    digits: int = 120
    exponent: int = 256
    bits: int = 8_192
    compared: int = 24
    nested: int = 3
    root: int = 16
    effort: int = 350


GENEROUS = Limits(
    characters=65_536, nodes=20_000, depth=120, bits=262_144, nested=6, effort=20_000
)  # for what this package printed itself: the longest formula of its studies takes 0.1 s
