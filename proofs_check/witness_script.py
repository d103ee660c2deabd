"""Scripts that print the two values of a witness again: a few lines of Python with public names only.

    ball_script(lhs, rhs, point)          certified values of two scalars at a point
    entrywise_script(lhs, rhs, values)    exact values of two sides with matrices, means by enumeration

An expression that has no public constructor gives no script, rather than one that does something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sympy as sp

from numerics.entries import unknowns
from numerics.outcomes import random_variables
from theory.statement import unevaluated

from .python_code import NoPythonCode, PythonCode

__all__ = ["ball_script", "entrywise_script"]

_DIGITS = 25


def _scripted(make: Callable[[], str]) -> str:
    """A script, or none where an expression has no public constructor."""
    try:
        return make()
    except NoPythonCode:
        return ""


def ball_script(lhs: sp.Expr, rhs: sp.Expr, point: Mapping[sp.Basic, Any], digits: int = _DIGITS) -> str:
    """Python that prints two scalars at a point, by balls; empty if an expression cannot be written.

    >>> x = sp.Symbol("x", real=True)
    >>> print(ball_script(sp.erf(x)**2, x/2, {x: sp.Rational(1, 3)}))
    import sympy as sp
    from numerics import ball
    x = sp.Symbol("x", real=True)
    at = {x: sp.Rational(1, 3)}
    for side in (sp.erf(x)**2, x/2):
        print(ball(side, at, digits=25).str(25, radius=False))
    """

    def make() -> str:
        code = PythonCode()
        for symbol in point:
            if any(symbol in side.free_symbols for side in (lhs, rhs)):
                code.of_symbol(symbol)
        sides = [
            code.write(side) if side.free_symbols or not side.is_Number else f"sp.sympify({code.write(side)})"
            for side in (lhs, rhs)
        ]
        needed = [side.free_symbols for side in (lhs, rhs)]
        at = code.write_point({s: x for s, x in point.items() if s in needed[0] | needed[1]})
        own = "at" if needed[0] == needed[1] else "{s: x for s, x in at.items() if side.has(s)}"
        return "\n".join(
            [
                *_imports(code, "ball"),
                *code.assignments(),
                f"at = {at}",
                f"for side in ({sides[0]}, {sides[1]}):",
                f"    print(ball(side, {own}, digits={digits}).str({digits}, radius=False))",
            ]
        )

    return _scripted(make)


def entrywise_script(lhs: sp.Basic, rhs: sp.Basic, values: Mapping[sp.Basic, Any]) -> str:
    """Python that prints two exact values, means by enumeration; empty if an expression cannot be written.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> A = sp.MatrixSymbol("A", d, d)
    >>> print(entrywise_script(sp.Trace(A*A), sp.Trace(A*A.T), {d: 2, A: sp.Matrix([[0, 1], [0, 0]])}))
    import sympy as sp
    from numerics import exact_value
    d = sp.Symbol("d", integer=True, positive=True)
    A = sp.MatrixSymbol("A", d, d)
    at = {d: 2, A: [[0, 1], [0, 0]]}
    print(exact_value(sp.Trace(A**2), at))
    print(exact_value(sp.Trace(A*A.T), at))
    """

    def make() -> str:
        code = PythonCode()
        for symbol in values:
            if any(symbol in unknowns(side) for side in (lhs, rhs)):
                code.of_symbol(symbol)
        sides = [code.write(side) for side in (lhs, rhs)]
        doors = [_door(side) for side in (lhs, rhs)]
        needed = [unknowns(side) for side in (lhs, rhs)]
        at = code.write_point({s: x for s, x in values.items() if s in needed[0] | needed[1]})
        lines = []
        for door, side, own in zip(doors, sides, needed, strict=True):
            others = [s for s in values if s in (needed[0] | needed[1]) - own]
            names = ", ".join(code.write(s) for s in values if s in own)
            listed = f"({names},)" if len(own) == 1 else f"({names})"
            given = "at" if not others else f"{{s: at[s] for s in {listed}}}" if names else "{}"
            lines.append(f"print({door}({side}, {given}))")
        return "\n".join([*_imports(code, *dict.fromkeys(doors)), *code.assignments(), f"at = {at}", *lines])

    return _scripted(make)


def _door(side: sp.Basic) -> str:
    """What evaluates a side."""
    if unevaluated(side):
        return "literal_value"
    return "entrywise_mean" if random_variables(side) else "exact_value"


def _imports(code: PythonCode, *doors: str) -> list[str]:
    ours = [f"from theory import {', '.join(sorted(code.imported))}"] if code.imported else []
    return ["import sympy as sp", f"from numerics import {', '.join(sorted(doors))}", *ours]
