"""Values of symbols: which number is meant for which symbol, for floats and for balls alike.

    {symbol or name: number}  ->  {symbol: number}

A name is looked up among the symbols of the formula; the parameters of a risk and the symbols of its domain
may be given as well, though its formula may have lost them. Missing and unknown names are refused with the
list of what is needed and near matches. The size d of a vector may be left out, because its array tells it.
How a number is read, as a float or exactly, is the business of the two doors.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sympy as sp

from theory.risk import Risk

__all__ = ["by_symbol", "learn_sizes"]


def by_symbol(expr_or_risk: Any, needed: Iterable[sp.Basic], values: Mapping[Any, Any]) -> dict[sp.Basic, Any]:
    """The values by symbol, names looked up among the symbols of the formula.

    Args:
        expr_or_risk: what is to be computed; of a risk the parameters and the domain are looked at.
        needed: the symbols that need a value; the sizes of matrices may be left out.
        values: by symbol or by name.

    Raises:
        TypeError: if the values are not a mapping.
        ValueError: for a missing, unknown or ambiguous name, and for two values of one symbol.

    >>> x, y = sp.symbols("x y", real=True)
    >>> by_symbol(x*y, {x, y}, {"x": 1, y: 2})
    {x: 1, y: 2}
    >>> by_symbol(x*y, {x, y}, {"x": 1})
    Traceback (most recent call last):
    ...
    ValueError: expected a value for each of x, y; missing: y
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"expected a dict of values by name, got {values!r:.60} of type {type(values).__name__}")
    needed = frozenset(needed)
    allowed = needed | _own_symbols(expr_or_risk)
    sizes = _sizes(allowed)
    allowed |= sizes
    by_name: dict[str, list[sp.Basic]] = {}
    for symbol in allowed:
        for name in {symbol.name, str(symbol)}:  # a Dummy named x prints as _x
            by_name.setdefault(name, []).append(symbol)
    given: dict[sp.Basic, Any] = {}
    unknown = []
    for key, number in values.items():
        candidates = [key] if key in allowed else by_name.get(key, []) if isinstance(key, str) else []
        if not candidates:
            unknown.append(key)
            continue
        if len(candidates) > 1:
            raise ValueError(
                f"expected one symbol named {key}, got {len(candidates)} that differ in their assumptions; "
                "pass the symbols instead of the name"
            )
        if candidates[0] in given:
            raise ValueError(f"expected one value for {candidates[0]}, got two: by name and by symbol")
        given[candidates[0]] = number
    missing = needed - set(given) - sizes
    if unknown or missing:
        raise ValueError(_misnamed(needed, unknown, missing))
    return given


def _own_symbols(expr_or_risk: Any) -> frozenset[sp.Basic]:
    """The parameters of a risk and the symbols of its domain."""
    if not isinstance(expr_or_risk, Risk):
        return frozenset()
    parameters = {p for p in expr_or_risk.parameters if isinstance(p, (sp.Symbol, sp.MatrixSymbol))}
    return frozenset(parameters.union(expr_or_risk.domain.symbols if expr_or_risk.domain is not None else ()))


def _sizes(symbols: Iterable[sp.Basic]) -> frozenset[sp.Basic]:
    """The letters in the sizes of the matrices among the symbols."""
    matrices = [symbol for symbol in symbols if isinstance(symbol, sp.MatrixSymbol)]
    return frozenset(letter for matrix in matrices for size in matrix.shape for letter in size.free_symbols)


def _misnamed(needed: Iterable[sp.Basic], unknown: Sequence[Any], missing: Iterable[sp.Basic]) -> str:
    names = sorted(str(symbol) for symbol in needed)
    lines = [f"expected a value for each of {', '.join(names) or 'no symbol'}"]
    absent = sorted(str(symbol) for symbol in missing)
    if absent:
        lines.append(f"missing: {', '.join(absent)}")
    for key in unknown:
        close = difflib.get_close_matches(str(key), names, n=2, cutoff=0.5)
        hint = f" (did you mean {' or '.join(close)}?)" if close else ""
        if isinstance(key, sp.Basic) and str(key) in names:
            hint = f" (the formula's {key} has other assumptions; pass its name)"
        lines.append(f"unknown: {key}{hint}")
    return "; ".join(lines)


def learn_sizes(matrix: sp.MatrixSymbol, shape: tuple[int, ...], sizes: dict[sp.Basic, sp.Expr]) -> None:
    """Take the sizes that an array tells into `sizes`; an array of the wrong shape is refused.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> sizes = {}
    >>> learn_sizes(sp.MatrixSymbol("k", d, 1), (3, 1), sizes)
    >>> sizes
    {d: 3}
    """
    rows, columns = matrix.shape
    for size, found in zip((rows, columns), shape, strict=True):
        expected = size.xreplace(sizes)
        if isinstance(expected, sp.Symbol):
            sizes[expected] = sp.Integer(found)
        elif expected.is_Integer and int(expected) != found:
            so = f" with {size}={expected}" if size != expected else ""
            raise ValueError(f"expected {matrix.name} of shape ({rows}, {columns}){so}, got shape {shape}")
