"""The statement that a risk on unit spheres has these stationary points and no others.

    #{x in S^{n₁−1} × … : grad R(x) = 0} = Σ_r N_r,   N_r of them with index i_r and risk R_r to so many digits

With a second risk, the same model with one more dimension, the statement says too by how much each index grows from
dimension to dimension: the directions added are all alike, by rotation.

Definitions: `StationaryRow`, `StationaryList`, `euler_characteristic`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from .statement import Statement

__all__ = ["StationaryList", "StationaryRow", "euler_characteristic"]


@dataclass(frozen=True)
class StationaryRow:
    """So many stationary points with one index and one risk.

    Args:
        number: how many.
        index: negative eigenvalues of the Riemannian Hessian.
        risk: rounded to the digits of the list.
        gain: what is added to the index for each further dimension; None where nothing is said.
    """

    number: int
    index: int
    risk: sp.Rational
    gain: int | None = None

    def __str__(self) -> str:
        index = f"{self.index}" if self.gain is None else f"{self.index} + {self.gain}(d - 3)"
        return f"{self.number} of index {index} with risk {sp.N(self.risk, 8)}"


@dataclass(frozen=True)
class StationaryList(Statement):
    """All stationary points of a risk on a product of unit spheres, by index and risk.

    Args:
        expr: the risk in the coordinates of unit vectors, with numbers for all other symbols.
        spheres: the coordinates of each vector.
        rows: the list, as `StationaryRow` or (number, index, risk, gain).
        digits: decimal digits of the risks in the list; |R − risk| <= 10^−digits/2.
        wider: the same risk with one more coordinate a vector: (expression, spheres), the first coordinates the same.

    >>> x, y = sp.symbols("x y", real=True)
    >>> StationaryList(2*x**2, ((x, y),), [(2, 0, 0), (2, 1, 2)]).text()
    'the risk on S^1 has exactly 4 stationary points: 2 of index 0 with risk 0; 2 of index 1 with risk 2.0000000'
    """

    expr: sp.Expr
    spheres: tuple[tuple[sp.Symbol, ...], ...]
    rows: tuple[StationaryRow, ...]
    digits: int = 6
    wider: tuple[sp.Expr, tuple[tuple[sp.Symbol, ...], ...]] | None = None

    def __post_init__(self) -> None:
        rows = tuple(row if isinstance(row, StationaryRow) else _row(*row) for row in self.rows)
        spheres = tuple(tuple(sphere) for sphere in self.spheres)
        unknown = self.expr.free_symbols - {x for sphere in spheres for x in sphere}
        if unknown:
            names = ", ".join(sorted(map(str, unknown)))
            raise ValueError(f"expected no symbols but the coordinates of the spheres, got {names}")
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "spheres", spheres)

    @property
    def variables(self) -> tuple[sp.Symbol, ...]:
        """All coordinates."""
        return tuple(x for sphere in self.spheres for x in sphere)

    @property
    def number(self) -> int:
        """How many there are in all."""
        return sum(row.number for row in self.rows)

    def text(self) -> str:
        where = " x ".join(f"S^{len(sphere) - 1}" for sphere in self.spheres)
        return f"the risk on {where} has exactly {self.number} stationary points: {'; '.join(map(str, self.rows))}"

    def latex(self) -> str:
        where = r" \times ".join(f"S^{{{len(sphere) - 1}}}" for sphere in self.spheres)
        return rf"\#\left\{{x \in {where} : \operatorname{{grad}} R(x) = 0\right\}} = {self.number}"

    def displays(self) -> tuple[str, ...]:
        rows = tuple(
            rf"\#\left\{{i = {row.index}{'' if not row.gain else f' + {row.gain} (d - 3)'},\ "
            rf"R \approx {sp.N(row.risk, self.digits + 1)}\right\}} = {row.number}"
            for row in self.rows
        )
        return (self.latex(), *rows)

    def map(self, function: Callable[[sp.Basic], sp.Basic]) -> StationaryList:
        wider = None if self.wider is None else (function(self.wider[0]), self.wider[1])
        return StationaryList(function(self.expr), self.spheres, self.rows, self.digits, wider)


def _row(number: int, index: int, risk: Any, gain: int | None = None) -> StationaryRow:
    exact = sp.Rational(risk)
    return StationaryRow(int(number), int(index), exact, gain)


def euler_characteristic(rows: Sequence[StationaryRow]) -> int:
    """Σ (−1)^index N: by Morse that of the manifold, when no point is degenerate; 2 for each even sphere."""
    return sum(row.number * (-1) ** row.index for row in rows)
