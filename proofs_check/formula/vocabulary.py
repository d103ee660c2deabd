r"""The names a text may use, and what they stand for.

A text never makes a symbol: a name in it is looked up in a table of ours, whose values are sympy's atoms.
In LaTeX a name is looked up by its look (`looks`); two names of one look are refused as ambiguous.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import sympy as sp
from sympy.core.function import FunctionClass

from theory.integral import GaussianIntegral
from theory.latex import LINE, names_shown, to_latex
from theory.variables import GaussianScalar, GaussianVector, Latent, RandomRows

from .functions import BY_TYPE
from .looks import Look, look_of_latex, look_of_name

__all__ = ["Vocabulary", "bound_symbol", "check_name", "names_of"]

NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+){0,2}", re.ASCII)
LONGEST = 32
RESERVED = ("pi",)
ATOMS = (sp.Symbol, sp.MatrixSymbol, GaussianScalar, GaussianVector, RandomRows, Latent)


def check_name(name: Any) -> str:
    """A name that may be declared: a letter, then letters or digits, and at most two parts after `_`.

    Python's keywords and single capitals are names like any other: `lambda`, `S`. `pi` is the number.

    Raises:
        ValueError: for any other text.

    >>> check_name("q_k")
    'q_k'
    """
    if not isinstance(name, str) or len(name) > LONGEST or not NAME.fullmatch(name):
        shown = ascii(name)[: 2 * LONGEST]
        raise ValueError(
            f"expected a name such as x, q_k or lambda: a letter, then letters or digits, at most two parts after "
            f"an underscore, {LONGEST} characters; got {shown}"
        )
    if name in RESERVED:
        raise ValueError(f"the name {name} is reserved for the number; choose another one")
    return name


class Vocabulary:
    """What the names of a text stand for.

    Args:
        symbols: a mapping from names to symbols, matrix symbols, random variables, tokens, latent locations or
            functions of sympy; or such objects themselves, whose names are taken.
        symmetric: the matrices among them that are their own transposes.

    Raises:
        ValueError: for a name that is none, or two objects under one name given as objects.
        TypeError: for a value that is none of these.

    >>> x = sp.Symbol("x", real=True)
    >>> Vocabulary({"x": x}).names["x"] == Vocabulary([x]).names["x"] == x
    True
    """

    def __init__(self, symbols: Mapping[str, Any] | Iterable[Any] = (), symmetric: Iterable[Any] = ()) -> None:
        if isinstance(symbols, str):
            raise TypeError(f"expected a mapping from names to symbols, got the text {symbols!r}")
        pairs = symbols.items() if isinstance(symbols, Mapping) else ((_name(value), value) for value in symbols)
        self.names: dict[str, Any] = {}
        self.symmetric = frozenset(symmetric)
        self.ambiguous: set[str] = set()
        self.looks: dict[Look, tuple[Any, ...]] = {}
        for name, value in pairs:
            check_name(name)
            if not isinstance(value, (*ATOMS, FunctionClass)):
                raise TypeError(
                    f"expected a symbol, a random variable, a matrix or a function under the name {name}, got {value!r}"
                )
            if self.names.setdefault(name, value) != value:
                raise ValueError(
                    f"two different objects are called {name}; a name with other assumptions is another symbol"
                )
            for look in (_look(name), *_printed(value), _head(value)):
                if look is not None and value not in self.looks.get(look, ()):
                    self.looks[look] = (*self.looks.get(look, ()), value)

    def known(self) -> str:
        """The names as a list for messages."""
        return ", ".join(sorted(self.names)) or "none"


def bound_symbol(name: str, binder: str, declared: Any) -> sp.Symbol | None:
    """The bound variable of a sum or an integral; None if the name stands for something else already."""
    if not NAME.fullmatch(name) or name in RESERVED or len(name) > LONGEST:
        return None
    if binder == "sum":
        symbol = declared if declared is not None else sp.Symbol(name, integer=True)
        return symbol if isinstance(symbol, sp.Symbol) and symbol.is_integer else None
    return sp.Symbol(name, real=True)


def _name(value: Any) -> str:
    if isinstance(value, FunctionClass):
        return str(value.__name__)
    name = getattr(value, "name", None)
    if not isinstance(name, str):
        raise TypeError(f"expected a symbol, a random variable, a matrix or a function, got {value!r}")
    return name


@lru_cache(maxsize=4096)
def _look(name: str) -> Look | None:
    return look_of_name(name) if NAME.fullmatch(name) else None


@lru_cache(maxsize=4096)
def _printed(value: Any) -> tuple[Look | None, ...]:
    """How a symbol prints by itself: a symbol e gets a prime, as e is a number."""
    return () if isinstance(value, FunctionClass) else tuple(map(look_of_latex, names_shown(value)))


@lru_cache(maxsize=256)
def _head(value: Any) -> Look | None:
    """How a function prints in front of its arguments; None for what is no function."""
    if not isinstance(value, FunctionClass):
        return None
    counts = getattr(getattr(value, "nargs", None), "args", None) or (1,)
    applied = value(*(sp.Dummy(f"x{i}") for i in range(int(counts[0]))))
    return look_of_latex(to_latex(applied).partition(r"\left(")[0].rstrip("{"))


def names_of(*expressions: sp.Basic, width: int = LINE) -> Vocabulary:
    """The names that occur in a formula, for reading back what `to_latex` or `related` printed of it.

    Args:
        expressions: the formula, or both sides of a relation.
        width: the width it was printed in.

    >>> x, y = sp.symbols("x y", real=True)
    >>> names_of(x*sp.sin(y)).known()
    'x, y'
    """
    vocabulary = Vocabulary()
    found = _atoms(expressions)
    for atom in found:
        known = vocabulary.names.setdefault(_name(atom), atom)
        if known != atom:
            vocabulary.ambiguous.add(_name(atom))
    for printed, identity in names_shown(*expressions, width=width).items():
        look = look_of_latex(printed)
        if look is not None:
            meant = tuple(a for a in found if _name(a) == identity) if isinstance(identity, str) else (identity,)
            vocabulary.looks[look] = meant
    for atom in found:
        look = _head(atom)
        if look is not None:
            vocabulary.looks[look] = (*vocabulary.looks.get(look, ()), atom)
    return vocabulary


def _atoms(expressions: Iterable[sp.Basic]) -> list[Any]:
    """The symbols, random variables and functions in expressions, those bound by an integral left out."""
    found: dict[Any, None] = {}
    pending: list[Any] = list(expressions)
    while pending:
        node = pending.pop()
        if isinstance(node, ATOMS):
            found[node] = None
        elif isinstance(node, GaussianIntegral):  # its variables are bound, and the reader knows them
            found.update((atom, None) for atom in _atoms([node.integrand]) if atom not in node.variables)
        else:
            if isinstance(node, sp.Function) and node.func not in BY_TYPE:
                found[node.func] = None
            pending.extend(node.args)
    return list(found)
