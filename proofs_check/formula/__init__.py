r"""Formulas as text and as LaTeX, read as data by a grammar of our own.

    text.py     E[(x' A x)^2] = tr(A S)^2 + tr(A S A S) + tr(A S A' S)
    tex.py      \mathbb{E}\left[\operatorname{erf}^{2}{\left(\lambda g \right)}\right] = ...

A table of contents, in reading order; a file imports only what stands above it.
"""

from .limits import GENEROUS, FormulaError, Limits
from .vocabulary import Vocabulary, check_name, names_of
from .reading import Reading, read, read_formula, read_latex, read_statement

__all__ = [
    "FormulaError",
    "GENEROUS",
    "Limits",
    "Reading",
    "Vocabulary",
    "check_name",
    "names_of",
    "read",
    "read_formula",
    "read_latex",
    "read_statement",
]
