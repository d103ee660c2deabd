r"""LaTeX as tokens, and the look of a name: base, subscripts, marks.

    k^{\star}, k^\star, k^*      look ("k", "", "\star")
    q_{k}, q_k                   look ("q", "k", "")
    \tilde{w}_{1}                look ("\tilde{w}", "1", "")

Two spellings of one name have one look, and the look of a symbol is read off what `theory.letters` prints
for it, so that there is one table of letters in the project.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from theory.letters import symbol_name

from .limits import FormulaError

__all__ = ["Look", "Token", "look_at", "look_of_name", "tokenize_latex"]


class Token(NamedTuple):
    """A token: what it is, as written, and where it starts."""

    kind: str
    text: str
    at: int


class Look(NamedTuple):
    """How a name looks: its base, its subscripts, the marks above it."""

    base: str
    lower: str
    upper: str

    def __str__(self) -> str:
        below = f"_{{{self.lower}}}" if self.lower else ""
        return self.base + below + (f"^{{{self.upper}}}" if self.upper else "")


_TOKEN = re.compile(
    r"""(?P<space>(?:\s|\\[,;:!\ ]|\\q?quad(?![A-Za-z])|~|\\displaystyle(?![A-Za-z]))+)
    | (?P<size>\\(?:left|right|middle|[bB]igg?[lrm]?)(?![A-Za-z]))
    | (?P<number>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)
    | (?P<command>\\[A-Za-z]+|\\[{}|])
    | (?P<line>\\\\)
    | (?P<letter>[A-Za-z])
    | (?P<sign>[-+*/^_=<>(),;:.!\[\]{}&|'])
    """,
    re.VERBOSE | re.ASCII,
)
_SAME = {
    r"\lbrack": "[", r"\rbrack": "]", r"\lparen": "(", r"\rparen": ")", r"\Vert": r"\|", r"\vert": "|",
    r"\leq": r"\le", r"\geq": r"\ge", r"\leqslant": r"\le", r"\geqslant": r"\ge", r"\rightarrow": r"\to",
    r"\ast": "*", r"\dfrac": r"\frac", r"\tfrac": r"\frac",
}  # fmt: skip
_OPENING = {r"\lvert": "|", r"\lVert": r"\|"}
_CLOSING = {r"\rvert": "|", r"\rVert": r"\|"}


def tokenize_latex(text: str) -> list[Token]:
    r"""The tokens of a formula in LaTeX; space and the sizes of brackets are dropped.

    An opening bar is "|(" and a closing one "|)" where the text says which it is.

    >>> [token.kind for token in tokenize_latex(r"\left|x_1\right|")]
    ['|(', 'letter', '_', 'number', '|)', 'end']
    """
    tokens: list[Token] = []
    position, size = 0, ""
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            character = text[position]
            shown = character if " " <= character <= "~" else f"U+{ord(character):04X}"
            raise FormulaError(f"expected LaTeX in ASCII, got the character {shown}", position, text)
        kind, written, at = str(match.lastgroup), match.group(), position
        position = match.end()
        if kind == "space":
            continue
        if kind == "size":
            size = written
            continue
        written = _SAME.get(written, written)
        if kind in ("command", "sign"):
            kind = written
            if written in ("|", r"\|") and size:
                kind += "(" if size in (r"\left", r"\bigl", r"\Bigl", r"\biggl", r"\Biggl") else ")"
            elif written in _OPENING or written in _CLOSING:
                kind = _OPENING[written] + "(" if written in _OPENING else _CLOSING[written] + ")"
        if size and kind not in _DELIMITERS:
            raise FormulaError(f"expected a bracket after {size}, got {written!r}", at, text)
        size = ""
        tokens.append(Token(kind, written, at))
    if size:
        raise FormulaError(f"expected a bracket after {size}, got the end", len(text), text)
    tokens.append(Token("end", "the end", len(text)))
    return tokens


_DELIMITERS = {
    "(", ")", "[", "]", r"\{", r"\}", "|(", "|)", r"\|(", r"\|)", r"\langle", r"\rangle", r"\lfloor", r"\rfloor",
    r"\lceil", r"\rceil",
}  # fmt: skip

_GREEK = frozenset(
    "\\" + name
    for name in """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi
    omega varepsilon vartheta varphi varrho varsigma Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
    ell hbar""".split()
)
_FONTS = frozenset((r"\mathrm", r"\mathcal"))
_ACCENTS = frozenset((r"\hat", r"\bar", r"\tilde", r"\dot"))
_MARKS = {r"\star": r"\star", "*": r"\star", r"\prime": r"\prime", "'": r"\prime", r"\dagger": r"\dagger"}


def _closing(tokens: list[Token], start: int) -> int:
    """Where the group that opens at `start` ends; -1 if it does not."""
    depth = 0
    for i in range(start, len(tokens)):
        depth += {"{": 1, "}": -1}.get(tokens[i].kind, 0)
        if depth == 0:
            return i
    return -1


def _argument(tokens: list[Token], start: int) -> tuple[list[Token], int]:
    """The tokens of a group or the single token at `start`, and where the next one is; none if there is none."""
    if tokens[start].kind != "{":
        alone = tokens[start].kind in ("letter", "number") or tokens[start].kind in _GREEK | _MARKS.keys() | {r"\perp"}
        return ([tokens[start]], start + 1) if alone else ([], start)
    end = _closing(tokens, start)
    return ([], start) if end < 0 else (tokens[start + 1 : end], end + 1)


ACCENTS = 2  # one above the other: a name has at most two parts


def _base(tokens: list[Token], start: int, accents: int = 0) -> tuple[str, int]:
    token = tokens[start]
    if token.kind == "letter" or token.kind in _GREEK:
        return token.text, start + 1
    if token.kind in _FONTS:
        inside, end = _argument(tokens, start + 1)
        plain = inside and all(part.kind in ("letter", "number") for part in inside)
        return (f"{token.text}{{{''.join(part.text for part in inside)}}}", end) if plain else ("", start)
    if token.kind in _ACCENTS and accents < ACCENTS:
        inside, end = _argument(tokens, start + 1)
        if inside:
            inner, last = _base([*inside, Token("end", "", 0)], 0, accents + 1)
            if inner and last == len(inside):
                return f"{token.text}{{{inner}}}", end
    return "", start


def look_at(tokens: list[Token], start: int) -> tuple[Look, int, int] | None:
    """The look of the name that starts at a token.

    Returns:
        The look, the token after its base, and the token after the whole; None if no name starts there.
    """
    base, after_base = _base(tokens, start)
    if not base:
        return None
    position, lower, upper = after_base, "", []
    while True:
        kind = tokens[position].kind
        if kind == "_" and not lower:
            inside, end = _argument(tokens, position + 1)
            if not inside:
                break
            lower, position = "".join(part.text for part in inside), end
        elif kind == "^":
            inside, end = _argument(tokens, position + 1)
            if not inside or not all(part.kind in _MARKS for part in inside):
                break
            upper += [_MARKS[part.kind] for part in inside]
            position = end
        elif kind == "'":
            upper.append(r"\prime")
            position += 1
        else:
            break
    return Look(base, lower, " ".join(upper)), after_base, position


def look_of_name(name: str) -> Look | None:
    r"""How `theory.letters` prints a name; None if it is printed as something else than a name.

    >>> print(look_of_name("w_tilde_1"), look_of_name("k_star"))
    \tilde{w}_{1} k^{\star}
    """
    return look_of_latex(symbol_name(name))


def look_of_latex(printed: str) -> Look | None:
    """The look of a printed name; None if there is more to it."""
    try:
        tokens = tokenize_latex(printed)
    except FormulaError:
        return None
    found = look_at(tokens, 0)
    return found[0] if found is not None and tokens[found[2]].kind == "end" else None
