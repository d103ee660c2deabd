r"""Chains of equalities in LaTeX, one line a step, as `theory.latex.chain` prints them and as papers have them.

    \begin{aligned}
    &\mathbb{E}\left[f\right] \\
    &= ... && \text{Stein} \\        a line that begins with a relation is a step
    &\quad {}+ ... \\                 any other continues the one before
    &\le ...
    \end{aligned}

Also `lhs &= rhs` on the first line, `align*`, `split`, `\tag*{...}` and `\qquad \text{...}` for a reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .limits import FormulaError

__all__ = ["Link", "links_of"]

LONGEST = 100_000
RELATIONS = {"=": "=", "<": "<", ">": ">", r"\le": "<=", r"\leq": "<=", r"\ge": ">=", r"\geq": ">="}
ENVIRONMENTS = ("aligned", "align*", "align", "split", "gathered")
_PIECE = re.compile(r"\\begin\{[a-z*]+\}|\\end\{[a-z*]+\}|\\\\|\\[A-Za-z]+|\\.|.", re.DOTALL)
_REASON = re.compile(r"(?:&&|\\q?quad)?\s*\\(?:text|tag\*)\{((?:[^{}\\]|\\.|\{[^{}]*\})*)\}\s*$")


@dataclass(frozen=True)
class Link:
    """A line of a chain: its relation to the line before (empty for the first), its formula, the reason."""

    relation: str
    tex: str
    reason: str = ""


def links_of(tex: str) -> list[Link]:
    r"""The lines of a chain, their formulas still in LaTeX.

    Args:
        tex: the block, with or without the environment around it.

    Raises:
        FormulaError: if there is no step in it, or it is too long.

    >>> [link.relation for link in links_of(r"(x + 1)^2 &= x^2 + 2 x + 1 && \text{expand} \\ &\ge 2 x")]
    ['', '=', '>=']
    """
    if len(tex) > LONGEST:
        raise FormulaError(f"expected at most {LONGEST} characters, got {len(tex)}", 0, tex[:1])
    links: list[Link] = []
    for row in _rows(_without_environment(tex.strip())):
        found = _REASON.search(row)
        reason = _plain(found.group(1)) if found else ""
        (_, before), *steps = _split_at_relations(row[: found.start()] if found else row)
        if not links:
            links.append(Link("", before))
        elif before:  # no relation in front: the line before goes on
            last = links.pop()
            links.append(Link(last.relation, f"{last.tex} {before}", last.reason or reason))
        links += [Link(relation, formula, reason) for relation, formula in steps]
    if len(links) < 2:
        raise FormulaError("expected a chain with at least one relation", 0, tex)
    return links


def _without_environment(tex: str) -> str:
    opening = re.match(r"\\begin\{([a-z*]+)\}", tex)
    if opening is None or opening.group(1) not in ENVIRONMENTS:
        return tex
    closing = rf"\end{{{opening.group(1)}}}"
    if not tex.endswith(closing):
        raise FormulaError(f"expected {closing} at the end", len(tex), tex)
    return tex[opening.end() : -len(closing)]


def _rows(tex: str) -> list[str]:
    """The text between the line breaks that stand in no group and no matrix."""
    rows, depth = [""], 0
    for piece in _PIECE.findall(tex):
        depth += (piece == "{" or piece.startswith(r"\begin")) - (piece == "}" or piece.startswith(r"\end{"))
        if piece == r"\\" and depth == 0:
            rows.append("")
        else:
            rows[-1] += piece
    return [row.strip() for row in rows if row.strip()]


def _split_at_relations(row: str) -> list[tuple[str, str]]:
    """The formulas of a line, each with the relation in front of it; & outside of matrices is layout."""
    parts, depth = [("", "")], 0
    for piece in _PIECE.findall(row):
        opens = piece in ("{", "(", "[", r"\{", r"\langle") or piece.startswith(r"\begin")
        closes = piece in ("}", ")", "]", r"\}", r"\rangle") or piece.startswith(r"\end{")
        depth += opens - closes
        if depth == 0 and piece in RELATIONS:
            parts.append((RELATIONS[piece], ""))
        elif depth or piece != "&":
            parts[-1] = (parts[-1][0], parts[-1][1] + piece)
    return [(relation, formula.strip()) for relation, formula in parts]


def _plain(reason: str) -> str:
    """A reason as it was typed, where it holds no more than escaped characters."""
    return re.sub(r"\\([%&#_{}$])", r"\1", reason).strip()
