r"""Letters, names and sentences as LaTeX: what a Unicode character or a symbol's name looks like.

    λ, k_star, alpha2     \lambda, k^{\star}, \alpha_{2}
    Owen's T at λ ≤ ½     Owen's T at \ensuremath{\lambda{}} \ensuremath{\le{}} \ensuremath{\tfrac{1}{2}}

Names are data. A symbol called `x}\input{a` is printed with those very characters and does
nothing else.
"""

from __future__ import annotations

import re
import unicodedata

from sympy.printing.latex import accepted_latex_functions

__all__ = ["function_name", "sentence_to_latex", "symbol_name"]

_GREEK = """
alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi
psi omega varepsilon vartheta varphi varrho varsigma Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi
Omega ell hbar
"""
_WORDS = {name: rf"\{name}" for name in _GREEK.split()} | {"lam": r"\lambda", "omicron": "o"}
_SUPERSCRIPTS = {"star": r"\star", "prime": r"\prime", "dagger": r"\dagger"}
_ACCENTS = {"hat": r"\hat", "bar": r"\bar", "tilde": r"\tilde", "dot": r"\dot"}
_NAME = re.compile(r"([A-Za-z]+|[Α-Ωα-ωϕϵ])([0-9]*)((?:_[A-Za-z0-9]+)*)")


def _pairs(table: str) -> dict[str, str]:
    words = table.split()
    return dict(zip(words[::2], words[1::2], strict=True))


_COMMANDS = r"""
α alpha β beta γ gamma δ delta ε varepsilon ζ zeta η eta θ theta ι iota κ kappa λ lambda μ mu ν nu ξ xi
π pi ρ rho ς varsigma σ sigma τ tau υ upsilon φ varphi χ chi ψ psi ω omega ϕ phi ϵ epsilon ϑ vartheta µ mu
ℓ ell Γ Gamma Δ Delta Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma Υ Upsilon Φ Phi Ψ Psi Ω Omega ≤ le ≥ ge ≠ ne
≈ approx ≡ equiv ∼ sim ∝ propto ± pm ∓ mp × times · cdot ÷ div ∗ ast ⋆ star ∘ circ ⊗ otimes ⊙ odot ⊕ oplus
→ to ← leftarrow ↔ leftrightarrow ↦ mapsto ⇒ Rightarrow ⇔ Leftrightarrow ∞ infty ∂ partial ∇ nabla ∫ int
∑ sum ∏ prod √ surd ∈ in ∉ notin ⊂ subset ⊆ subseteq ∪ cup ∩ cap ∅ emptyset ∧ wedge ∨ vee ¬ neg ∀ forall
∃ exists ⟨ langle ⟩ rangle ‖ Vert ∥ parallel ⊥ perp ⊤ top ⌊ lfloor ⌋ rfloor ⌈ lceil ⌉ rceil … ldots
⋯ cdots † dagger ∎ square \ backslash ^ wedge ~ sim { { } } _ _ $ $ % % # # & &
"""
_MATH_CHARACTERS = _pairs(_COMMANDS)
_PLAIN = {
    "ο": "o",
    "−": "-",
    "′": r"\prime ",
    "″": r"\prime\prime ",
    "'": r"\prime ",
    " ": r"\ ",
    "°": r"{}^{\circ}",
    "½": r"\tfrac{1}{2}",
    "¼": r"\tfrac{1}{4}",
    "¾": r"\tfrac{3}{4}",
}
_MARKS = {  # combining accent: in mathematics, in text
    "\u0300": ("grave", "`"),
    "\u0301": ("acute", "'"),
    "\u0302": ("hat", "^"),
    "\u0303": ("tilde", "~"),
    "\u0304": ("bar", "="),
    "\u0305": ("bar", "="),
    "\u0306": ("breve", "u "),
    "\u0307": ("dot", "."),
    "\u0308": ("ddot", '"'),
    "\u030a": ("mathring", "r "),
    "\u030b": ("ddot", "H "),
    "\u030c": ("check", "v "),
    "\u0327": ("underline", "c "),
    "\u0328": ("underline", "c "),  # the ogonek is not in the fonts of plain pdflatex; a cedilla is
}
_TEXT = r"""
\ \textbackslash{} { \{ } \} _ \_ $ \$ % \% # \# & \& ^ \textasciicircum{} ~ \textasciitilde{} ` \`{} " ''
– -- — --- ’ ' ‘ ` “ `` ” '' ‑ - … \dots{} ß \ss{} ø \o{} Ø \O{} ł \l{} Ł \L{} æ \ae{} Æ \AE{} ı \i{}
§ \S{}
"""
_TEXT_CHARACTERS = _pairs(_TEXT) | {"\u00a0": "~"}


def _math_character(character: str) -> str:
    """One character as it is printed in mathematics; never a command of the writer's."""
    if character in _PLAIN:
        return _PLAIN[character]
    if character in _MATH_CHARACTERS:
        command = _MATH_CHARACTERS[character]
        return rf"\{command}" if not command[0].isalpha() else rf"\{command}{{}}"
    if " " < character <= "~":
        return character
    form, _, base = unicodedata.decomposition(character).partition(" ")
    points = [chr(int(point, 16)) for point in base.split()] if form.startswith("<") else []
    if form == "<font>" and points[0].isascii() and points[0].isupper():
        for style, font in (("DOUBLE-STRUCK", "mathbb"), ("SCRIPT", "mathcal")):
            if style in unicodedata.name(character):
                return rf"\{font}{{{points[0]}}}"
    if form in ("<super>", "<sub>"):
        return f"{'^' if form == '<super>' else '_'}{{{_math_characters(''.join(points))}}}"
    if points and form != "<noBreak>":
        return _math_characters("".join(points))
    return rf"\mathrm{{U{{+}}{ord(character):04X}}}"


def _clusters(text: str) -> list[tuple[str, str]]:
    """The characters of a text, each with the accent above it, "" where there is none."""
    clusters: list[tuple[str, str]] = []
    for character in unicodedata.normalize("NFC", text):
        base, mark = character, ""
        parts = unicodedata.normalize("NFD", character)
        if character not in _MATH_CHARACTERS and len(parts) > 1 and unicodedata.combining(parts[1]):
            base, mark = parts[0], parts[1]
        if clusters and unicodedata.combining(base):
            clusters[-1] = (clusters[-1][0], clusters[-1][1] or base)
        else:
            clusters.append((base, mark))
    return clusters


def _math_characters(text: str) -> str:
    printed = []
    for base, mark in _clusters(text):
        character = _math_character(base)
        printed.append(rf"\{_MARKS[mark][0]}{{{character}}}" if mark in _MARKS else character)
    return "".join(printed)


def _text_character(base: str, mark: str) -> str:
    if base.isascii() and base.isalpha() and mark in _MARKS:
        return rf"\{_MARKS[mark][1]}{{{base}}}"
    if mark or not (base.isascii() or base in _TEXT_CHARACTERS):
        return rf"\ensuremath{{{_math_characters(base + mark)}}}"
    if base in _TEXT_CHARACTERS:
        return _TEXT_CHARACTERS[base]
    if base in "<>|":
        return rf"\ensuremath{{{base}}}"
    return base if " " <= base <= "~" else " "


def sentence_to_latex(sentence: str) -> str:
    r"""A sentence as LaTeX text: every character shows itself, Greek and ‖, ≤, ² included.

    Args:
        sentence: any text; commands in it are printed, not obeyed. Line breaks become spaces.

    Returns:
        ASCII text for pdflatex with amssymb.

    >>> print(sentence_to_latex("Owen's T at λ ≤ ½, 100 % of {it}"))
    Owen's T at \ensuremath{\lambda{}} \ensuremath{\le{}} \ensuremath{\tfrac{1}{2}}, 100 \% of \{it\}
    """
    return "".join(_text_character(base, mark) for base, mark in _clusters(sentence))


def _word(word: str) -> str:
    """A name or part of one, of letters or digits only."""
    if word in _WORDS:
        return _WORDS[word]
    if len(word) == 1 or word.isdigit():
        return word
    return rf"\mathrm{{{word}}}"


def symbol_name(name: str) -> str:
    r"""The symbol's name: base, subscripts and stars where it follows the pattern, escaped otherwise.

    >>> print(symbol_name("k_star"), symbol_name("alpha2"), symbol_name("x_hat_perp"))
    k^{\star} \alpha_{2} \hat{x}_{\perp}
    """
    base, tilde, mark = name.partition("~")
    if tilde and base:  # a variable that a rule made of another one
        below = f"_{{{_math_characters(mark)}}}" if mark else ""
        return rf"\tilde{{{symbol_name(base)}}}{below}"
    match = _NAME.fullmatch(name)
    if match is None:
        return rf"\mathrm{{{_math_characters(name)}}}" if name else r"\mathrm{?}"
    base, digits, rest = match.groups()
    printed = _word(base) if base.isascii() else _math_character(base).removesuffix("{}")
    upper, lower = [], [digits] if digits else []
    for part in rest.split("_")[1:]:
        if part in _ACCENTS and printed:
            printed = rf"{_ACCENTS[part]}{{{printed}}}"
        elif part in _SUPERSCRIPTS:
            upper.append(_SUPERSCRIPTS[part])
        else:
            lower.append(r"\perp" if part == "perp" else _word(part))
    above = f"^{{{' '.join(upper)}}}" if upper else ""
    below = f"_{{{','.join(lower)}}}" if lower else ""
    return printed + below + above


def function_name(name: str) -> str:
    r"""The name of a function, upright when it is a word.

    >>> print(function_name("softmax"), function_name("phi"))
    \operatorname{softmax} \phi
    """
    if name in accepted_latex_functions:
        return rf"\{name}"
    match = _NAME.fullmatch(name)
    if match is None or (len(match[1]) > 1 and match[1] not in _WORDS):
        return rf"\operatorname{{{_math_characters(name)}}}"
    return symbol_name(name)
