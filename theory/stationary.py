"""What a search for stationary points hands back: points, their nature, and what was proven.

A `StationaryPoint` is where the gradient of a risk vanishes: the Euclidean gradient, or on a
manifold the Riemannian one. Each comes with a `Certificate`, the proof that a box contains
exactly one root, and the facts decided there. A `StationarySet` is the answer to "which
stationary points are there, and are these all?": it says what was proven, what was not, and why
the search stopped. The searching is done in `numerics.solve`; nothing here computes.

Coordinates are exact sympy numbers where the root is known exactly, and balls that contain it
otherwise; `float` works on both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from html import escape
from typing import Any

import flint
import sympy as sp

__all__ = ["Certificate", "Nature", "Orbit", "StationaryPoint", "StationarySet"]

Box = tuple[tuple[sp.Symbol, sp.Rational, sp.Rational], ...]
"""Closed intervals with rational ends, one a symbol."""


class Nature(Enum):
    """What a stationary point is: by the signs of the Hessian's eigenvalues there.

    On a manifold the Hessian is the Riemannian one. A saddle has eigenvalues of both signs and
    descent leaves it, whatever the other eigenvalues are. DEGENERATE: proven to have a zero
    eigenvalue, and not a saddle by the others. UNKNOWN: the signs were not decided.

    >>> Nature("minimum") is Nature.MINIMUM
    True
    """

    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    SADDLE = "saddle"
    DEGENERATE = "degenerate"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value

    @classmethod
    def from_signature(cls, positive: int, negative: int, undecided: int) -> Nature:
        """The nature that so many proven signs of the Hessian's eigenvalues allow to conclude.

        >>> Nature.from_signature(1, 1, 3)
        <Nature.SADDLE: 'saddle'>
        >>> Nature.from_signature(2, 0, 1)
        <Nature.UNKNOWN: 'unknown'>
        """
        if positive and negative:
            return cls.SADDLE
        if undecided or not positive + negative:
            return cls.UNKNOWN
        return cls.MINIMUM if positive else cls.MAXIMUM


@dataclass(frozen=True)
class Certificate:
    """Proof that a box contains exactly one root, and what was decided at that root.

    Args:
        box: intervals with rational ends, one a symbol; exactly one root lies inside.
        method: how existence and uniqueness were proven, as a phrase.
        simple: the Jacobian of the equations is proven invertible at the root. A multiple root
            is listed only when an exact argument isolates it.
        nature: by the proven signs of the eigenvalues.
        signature: proven numbers of positive and negative eigenvalues of the Hessian, and the
            number left undecided.
        eigenvalues: of the Hessian, or of the linearised flow where a metric was given; exact
            numbers or balls. Empty when they were not computed.
        value: the risk at the root, exact or as a ball.
    """

    box: Box
    method: str
    simple: bool = True
    nature: Nature = Nature.UNKNOWN
    signature: tuple[int, int, int] | None = None
    eigenvalues: tuple[Any, ...] = ()
    value: Any = None

    @property
    def is_strict(self) -> bool:
        """A negative eigenvalue is proven: descent leaves the point, if it is not exactly on it."""
        return self.signature is not None and self.signature[1] > 0

    @property
    def index(self) -> int | None:
        """The number of negative eigenvalues, when all signs are proven; None otherwise."""
        return self.signature[1] if self.signature is not None and self.signature[2] == 0 else None

    def __str__(self) -> str:
        return f"{self.method}; {'simple' if self.simple else 'multiple'} root"


@dataclass(frozen=True)
class StationaryPoint:
    """A point where the gradient vanishes, with its certificate.

    Args:
        at: value by symbol, as a mapping or as pairs; exact sympy numbers or balls.
        certificate: the proof, and what was decided at the point.

    >>> x = sp.Symbol("x")
    >>> box = ((x, sp.Integer(-1), sp.Integer(1)),)
    >>> point = StationaryPoint({x: 0}, Certificate(box, "by hand", nature=Nature.MINIMUM))
    >>> point[x], point["x"], point.nature()
    (0, 0, <Nature.MINIMUM: 'minimum'>)
    >>> print(point)
    x = 0: minimum
    """

    at: tuple[tuple[sp.Symbol, Any], ...]
    certificate: Certificate

    def __post_init__(self) -> None:
        pairs = self.at.items() if isinstance(self.at, Mapping) else self.at
        object.__setattr__(self, "at", tuple((symbol, _number(value)) for symbol, value in pairs))

    def __getitem__(self, symbol: sp.Symbol | str) -> Any:
        return _coordinate(self.at, symbol)

    def value(self) -> Any:
        """The risk at the point: exact, a ball, or None when it was not computed."""
        return self.certificate.value

    def nature(self) -> Nature:
        """Minimum, maximum, saddle, degenerate or unknown."""
        return self.certificate.nature

    @property
    def is_exact(self) -> bool:
        """All coordinates are known exactly."""
        return all(isinstance(value, sp.Basic) for _, value in self.at)

    def __str__(self) -> str:
        return f"{', '.join(f'{symbol} = {_text(value)}' for symbol, value in self.at)}: {self.nature()}"


@dataclass(frozen=True)
class Orbit:
    """Stationary points that are not isolated: one of them, the dimension, and why.

    Args:
        at: a representative, value by symbol, as a mapping or as pairs.
        dimension: dimension of the set near the representative.
        symmetry: the group that moves along the set, as a phrase; "" when none is known.
        certificate: what was proven at the representative, if anything. Its signature counts the signs
            across the set; the zero eigenvalues along it are left out.

    >>> x, y = sp.symbols("x y")
    >>> print(Orbit({x: 1, y: 0}, 1, "rotations of (x, y)"))
    x = 1, y = 0: on a set of dimension 1 (rotations of (x, y))
    """

    at: tuple[tuple[sp.Symbol, Any], ...]
    dimension: int
    symmetry: str = ""
    certificate: Certificate | None = None

    def __post_init__(self) -> None:
        pairs = self.at.items() if isinstance(self.at, Mapping) else self.at
        object.__setattr__(self, "at", tuple((symbol, _number(value)) for symbol, value in pairs))

    def __getitem__(self, symbol: sp.Symbol | str) -> Any:
        return _coordinate(self.at, symbol)

    def value(self) -> Any:
        """The risk on the set: exact, a ball, or None when it was not computed."""
        return self.certificate.value if self.certificate is not None else None

    def nature(self) -> Nature:
        """What the set is across itself: a valley is a minimum. UNKNOWN without a certificate."""
        return self.certificate.nature if self.certificate is not None else Nature.UNKNOWN

    def __str__(self) -> str:
        place = ", ".join(f"{symbol} = {_text(value)}" for symbol, value in self.at)
        nature = "" if self.nature() is Nature.UNKNOWN else f"{self.nature()}, "
        return f"{place}: {nature}on a set of dimension {self.dimension}{self.symmetry and f' ({self.symmetry})'}"


@dataclass(frozen=True)
class StationarySet:
    """All stationary points found in a domain, and whether these are all.

    Args:
        points: isolated stationary points, each with its certificate.
        orbits: sets of stationary points that are not isolated.
        unresolved: boxes in which nothing was decided; outside of them, of the points' boxes and
            of the orbits, the domain is proven to hold no stationary point.
        complete: points and orbits are proven to be all.
        termination: why the search stopped, as a sentence.

    Raises:
        ValueError: if the set claims to be complete and has unresolved boxes.
    """

    points: tuple[StationaryPoint, ...] = ()
    orbits: tuple[Orbit, ...] = ()
    unresolved: tuple[Box, ...] = ()
    complete: bool = False
    termination: str = field(default="")

    def __post_init__(self) -> None:
        for name in ("points", "orbits", "unresolved"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.complete and self.unresolved:
            raise ValueError(f"expected no unresolved boxes in a complete set, got {len(self.unresolved)}")

    def __iter__(self) -> Iterator[StationaryPoint]:
        return iter(self.points)

    def __len__(self) -> int:
        return len(self.points)

    def of(self, nature: Nature) -> tuple[StationaryPoint, ...]:
        """The points of one nature."""
        return tuple(point for point in self.points if point.nature() is nature)

    def __str__(self) -> str:
        lines = [str(item) for item in (*self.points, *self.orbits)]
        lines += [f"unresolved: {_box_text(box)}" for box in self.unresolved[:5]]
        if len(self.unresolved) > 5:
            lines.append(f"unresolved: {len(self.unresolved) - 5} more boxes")
        return "\n".join([self._heading(), *(f"  {line}" for line in lines)])

    def _heading(self) -> str:
        number = f"{len(self.points)} stationary point{'s' if len(self.points) != 1 else ''}"
        orbits = f", {len(self.orbits)} not isolated" if self.orbits else ""
        complete = "complete" if self.complete else "not complete"
        return f"{number}{orbits}, {complete}. {self.termination}".strip()

    def _repr_html_(self) -> str:
        rows = [_row("th", ["", "nature", "risk", "eigenvalues", "certificate"])]
        for point in self.points:
            place = ", ".join(f"{symbol} = {_text(value)}" for symbol, value in point.at)
            risk = "" if point.value() is None else _text(point.value())
            eigenvalues = ", ".join(_text(value) for value in point.certificate.eigenvalues)
            rows.append(_row("td", [place, str(point.nature()), risk, eigenvalues, str(point.certificate)]))
        for orbit in self.orbits:
            risk = "" if orbit.value() is None else _text(orbit.value())
            nature = orbit.nature() if orbit.nature() is not Nature.UNKNOWN else Nature.DEGENERATE
            rows.append(_row("td", [str(orbit), str(nature), risk, "", str(orbit.certificate or "")]))
        rows += [_row("td", [_box_text(box), "unresolved", "", "", ""]) for box in self.unresolved[:20]]
        return f"<p>{escape(self._heading())}</p><table>{''.join(rows)}</table>"


def _coordinate(at: Iterable[tuple[sp.Symbol, Any]], symbol: sp.Symbol | str) -> Any:
    pairs = tuple(at)
    for known, value in pairs:
        if symbol == known or symbol == known.name:
            return value
    names = ", ".join(known.name for known, _ in pairs)
    raise KeyError(f"no coordinate {symbol}; the coordinates of this point are {names}")


def _number(value: Any) -> Any:
    """Exact sympy numbers, and balls as they are."""
    return value if isinstance(value, (flint.arb, flint.acb)) else sp.sympify(value, strict=True)


def _text(value: Any) -> str:
    """Eight digits of a ball with its sign of uncertainty left out, or the exact number when short."""
    if isinstance(value, flint.acb) and value.imag.contains(0) and value.imag.is_exact():
        value = value.real
    if isinstance(value, (flint.arb, flint.acb)):
        return value.str(8, radius=False) if value.is_finite() else "unknown"
    exact = str(value)
    return exact if len(exact) <= 24 or getattr(value, "is_Matrix", False) else _decimal(value)


def _decimal(value: Any) -> str:
    return str(sp.N(value, 8)) if not value.has(sp.MatrixSymbol) else str(value)


def _box_text(box: Box) -> str:
    return ", ".join(f"{sp.N(low, 6)} <= {symbol} <= {sp.N(high, 6)}" for symbol, low, high in box)


def _row(cell: str, entries: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{cell}>{escape(entry)}</{cell}>' for entry in entries)}</tr>"
