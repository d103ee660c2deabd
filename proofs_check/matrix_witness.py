"""The simplest parameters at which a formula with matrices, or a mean over random symbols, is wrong.

Both sides are exact rational numbers: a mean by enumeration, the rest by arithmetic (`numerics.entrywise`). At
random large parameters one comparison tells whether they differ at a size (Schwartz, Zippel). Where they do,
Hypothesis looks for small ones and shrinks them: covariances to the identity, other matrices to zeros, numbers to
the simplest rationals of their intervals.

    E (xᵀAx)² = tr(AΣ)² + 2 tr(AΣAΣ)   ->   d = 2, Σ = I, A = [[0, 1], [0, 0]]: 1 against 0
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp
from flint import fmpq
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample, Unsatisfiable
from hypothesis.strategies import SearchStrategy

from numerics.entrywise import entrywise_mean
from numerics.literal import literal_value
from numerics.parameter_kinds import (
    Dice,
    ParameterKinds,
    exact_value_of,
    parameter_kinds,
    restricted_to,
    tried_sizes,
)
from numerics.schwartz_zippel import SET
from theory.domain import Domain
from theory.statement import unevaluated

from .points import covariances_in
from .strategies.points import points
from .verdict import Witness, shown_value
from .witness_script import entrywise_script

__all__ = ["MatrixFailure", "MatrixSearch", "exact_witness", "simplest_failure"]

_LARGEST = (1, 2, 5, 11)
_LARGEST_FOR_INEQUALITIES = (1, 5)  # all of them are tried where an inequality holds
_EXAMPLES = 60  # at each size and range of entries: a failure that exists at a size is found by the first few
_LARGER = (4, 5, 6)  # sizes of matrices that are looked at when nothing has to be enumerated
_POINTS = 2

EVERYWHERE = Domain({})

Values = dict[sp.Basic, Any]
Table = list[list[fmpq]]


@dataclass(frozen=True)
class MatrixFailure:
    """Parameters at which two sides differ.

    Args:
        values: of each symbol, sizes among them; sympy's numbers and explicit matrices.
        lhs, rhs: the two sides there, exactly.
    """

    values: Mapping[sp.Basic, Any]
    lhs: sp.Basic
    rhs: sp.Basic


@dataclass
class _ShrinkingDice:
    """Numbers that Hypothesis draws, and shrinks to 0 and 1."""

    draw: Callable
    choices: int

    def positive(self) -> fmpq:
        return fmpq(self.draw(st.integers(1, self.choices)))

    def signed(self) -> fmpq:
        return fmpq(self.draw(st.integers(-self.choices, self.choices)))


@dataclass
class MatrixSearch:
    """Looks for parameters at which E lhs = E rhs, or an inequality between them, is false.

    Args:
        lhs, rhs: scalars or matrix expressions, with or without random symbols, polynomial in these; a side with
            unevaluated means or gradients is taken as it is written.
        domain: intervals and conditions of scalar symbols; those it does not name may be anything their
            assumptions and their place in a law allow.
        seed: of everything that is drawn.
        seconds: time allowed.
        relation: "=", or "<", "<=", ">", ">=" between scalars.
        tried: how many points have been compared so far.
    """

    lhs: sp.Basic
    rhs: sp.Basic
    domain: Domain = EVERYWHERE
    seed: int = 0
    seconds: float = 60.0
    relation: str = "="
    tried: int = 0

    def __post_init__(self) -> None:
        both = sp.Tuple(self.lhs, self.rhs)
        self.kinds: ParameterKinds = parameter_kinds(
            both, sp.Integer(0), self.domain.symmetric, self.domain.covariances
        )
        self.deadline = time.monotonic() + self.seconds

    def sizes(self, given: Iterable[Mapping[Any, int]] | None = None) -> Iterator[dict[sp.Basic, int]]:
        """Sizes within the domain: 2, then 3 for one after the other, then 1, then 3 for all; or those given.

        Sides without means go on to 4, 5, 6: the coefficient of degree k of a characteristic polynomial, written in
        traces, is zero at every size below k.
        """
        if given is not None:
            yield from tried_sizes(self.kinds, given)
            return
        listed = list(tried_sizes(self.kinds))
        if self.kinds.shapes:
            larger = () if unevaluated(self.lhs) or unevaluated(self.rhs) else _LARGER
            listed += [{s: k if s in self.kinds.shapes else 1 for s in self.kinds.sizes} for k in (1, 3, *larger)]
        seen: list[dict[sp.Basic, int]] = []
        for size in listed:
            moved = {symbol: self._moved(symbol, k) for symbol, k in size.items()}
            if moved not in seen:
                seen.append(moved)
                yield moved

    def _moved(self, symbol: sp.Basic, k: int) -> int:
        """A size moved into its interval."""
        if symbol not in self.domain.symbols:
            return k
        low, high = self.domain.interval(symbol)
        k = max(k, int(sp.ceiling(low))) if low.is_finite else k
        return min(k, int(sp.floor(high))) if high.is_finite else k

    def differs_at_random(self, size: Mapping[sp.Basic, int]) -> MatrixFailure | None:
        """A failure at large random parameters; none exists at this size, but for a chance of 10⁻¹⁶ or so, if None.

        The identity is compared as one of rational functions: the parameters need not lie in the domain.

        Raises:
            NotPolynomial, EntrywiseBudgetExceeded: if the sides have no such values.
            ValueError: for an inequality.
        """
        if self.relation != "=":
            raise ValueError(f"expected an identity, got the relation {self.relation}")
        for draw in range(_POINTS):
            dice = Dice(random.Random(self.seed * _POINTS + draw), SET)
            failure = self.compare(self.kinds.draw(size, dice), formal=True)
            if failure is not None:
                return failure
        return None

    def compare(self, values: Values, *, formal: bool = False) -> MatrixFailure | None:
        """The two values, if they differ."""
        self.tried += 1
        sides = [_value(side, restricted_to(values, side), formal) for side in (self.lhs, self.rhs)]
        if _is_true(sides[0], self.relation, sides[1]):
            return None
        return MatrixFailure({symbol: exact_value_of(value) for symbol, value in values.items()}, *sides)

    def failure(self, size: Mapping[sp.Basic, int]) -> MatrixFailure | None:
        """A failure of these sizes, the simplest that was found; None if there is none, or none was found.

        Raises:
            NotPolynomial, EntrywiseBudgetExceeded: if the sides have no such values.
        """
        if self.relation != "=":
            self.compare(self.kinds.draw(size, Dice(random.Random(self.seed), SET)), formal=True)
            return self.simplest(size)
        at_random = self.differs_at_random(size)
        if at_random is None:
            return None
        return self.simplest(size) or (at_random if self.is_admissible(at_random) else None)

    def simplest(self, size: Mapping[sp.Basic, int]) -> MatrixFailure | None:
        """A failure of these sizes with small entries, shrunk by Hypothesis; None if none was found."""
        for largest in _LARGEST if self.relation == "=" else _LARGEST_FOR_INEQUALITIES:
            failure = self._shrunk(self._parameters(size, largest))
            if failure is not None or time.monotonic() > self.deadline:
                return failure
        return None

    def _shrunk(self, strategy: SearchStrategy[Values]) -> MatrixFailure | None:
        known: dict[str, MatrixFailure | None] = {}

        def fails(values: Values) -> bool:
            key = str(list(values.values()))
            if key not in known:
                known[key] = None if time.monotonic() > self.deadline else self._genuine(values)
            return known[key] is not None

        quiet = settings(
            max_examples=_EXAMPLES if self.relation == "=" else 2 * _EXAMPLES,
            database=None,
            deadline=None,
            derandomize=False,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        try:
            found = find(strategy, fails, settings=quiet, random=random.Random(self.seed))
        except (NoSuchExample, Unsatisfiable):
            return None
        return known[str(list(found.values()))]

    def _genuine(self, values: Values) -> MatrixFailure | None:
        """A failure at values that are admissible: covariances are some, probabilities too, denominators not zero."""
        try:
            return self.compare(values)
        except (ValueError, ZeroDivisionError):
            return None

    def is_admissible(self, failure: MatrixFailure) -> bool:
        """Whether a failure lies in the domain and its laws are some."""
        scalars = {symbol: failure.values[symbol] for symbol in self.domain.symbols if symbol in failure.values}
        inside = self.domain.contains(scalars) if set(scalars) == set(self.domain.symbols) else False
        values = {
            symbol: [[fmpq(int(x.p), int(x.q)) for x in row] for row in value.tolist()]
            if isinstance(value, sp.MatrixBase)
            else int(value)
            if symbol in self.kinds.sizes
            else fmpq(int(value.p), int(value.q))
            for symbol, value in failure.values.items()
        }
        return inside is True and self._genuine(values) is not None

    def _shaped(self, draw: Callable, symbol: sp.Basic, value: Any) -> Any:
        """A matrix as it was drawn, or one of a special kind made of its entries; what has a law stays as it is."""
        if not isinstance(value, list) or symbol in self.kinds.covariances | self.kinds.distributions:
            return value
        rows, columns = range(len(value)), range(len(value[0]))
        usable = _PATTERNS if len(rows) == len(columns) > 1 else (_PATTERNS[0],)
        pattern = usable[draw(st.integers(0, len(usable) - 1))]
        return [[pattern(value, i, j) for j in columns] for i in rows]

    def _parameters(self, size: Mapping[sp.Basic, int], largest: int) -> SearchStrategy[Values]:
        """Values of all parameters: scalars of the domain from their intervals, the others from small numbers."""
        fixed = {symbol: k for symbol, k in size.items() if symbol in self.domain.symbols}
        scalars = points(self.domain.restrict(fixed))

        @st.composite
        def parameters(draw: Callable) -> Values:
            drawn = draw(scalars)
            given = {s: fmpq(int(x.p), int(x.q)) for s, x in drawn.items() if s in self.kinds.parameters}
            values = self.kinds.draw(size, _ShrinkingDice(draw, largest), given)
            return values if self.relation == "=" else {s: self._shaped(draw, s, x) for s, x in values.items()}

        return parameters()


def _value(side: sp.Basic, values: Mapping[sp.Basic, Any], formal: bool) -> Any:
    """The mean of a side, or its value where it holds means and gradients itself."""
    if unevaluated(side):
        return literal_value(side, values, formal=formal)
    return entrywise_mean(side, values, formal=formal)


def _is_true(lhs: Any, relation: str, rhs: Any) -> bool:
    if relation == "=":
        return bool(lhs == rhs)
    return bool({"<": lhs < rhs, "<=": lhs <= rhs, ">": lhs > rhs, ">=": lhs >= rhs}[relation])


# Where inequalities between matrices are sharp or false: at multiples of I, at diagonal, symmetric, skew matrices, and
# at products of two vectors, none of which whole numbers drawn entry by entry will hit.
_PATTERNS: tuple[Callable[[Table, int, int], fmpq], ...] = (
    lambda a, i, j: a[i][j],
    lambda a, i, j: a[0][0] if i == j else fmpq(0),
    lambda a, i, j: a[i][j] if i == j else fmpq(0),
    lambda a, i, j: a[i][j] + a[j][i],
    lambda a, i, j: a[i][j] - a[j][i],
    lambda a, i, j: a[i][0] * a[0][j],
)


def simplest_failure(
    lhs: sp.Basic,
    rhs: sp.Basic,
    *,
    domain: Domain = EVERYWHERE,
    sizes: Iterable[Mapping[Any, int]] | None = None,
    seed: int = 0,
    seconds: float = 60.0,
) -> MatrixFailure | None:
    """The simplest parameters found at which the means of two expressions differ; None if they agree.

    Args:
        lhs, rhs: polynomials in random symbols, or free of them; see `numerics.entrywise_mean`.
        domain, seed, seconds: see `MatrixSearch`.
        sizes: those to be tried, in this order; by default those of `MatrixSearch.sizes`.

    Raises:
        NotPolynomial, EntrywiseBudgetExceeded: if the sides have no such values.

    >>> from theory import GaussianVector, quad
    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> A, S = sp.MatrixSymbol("A", d, d), sp.MatrixSymbol("S", d, d)
    >>> x = GaussianVector("x", d, covariance=S)
    >>> wrong = sp.Trace(A*S)**2 + 2*sp.Trace(A*S*A*S)
    >>> failure = simplest_failure(quad(x, A)**2, wrong)
    >>> failure.values[A], failure.values[S], failure.lhs, failure.rhs
    (Matrix([
    [0, 1],
    [0, 0]]), Matrix([
    [1, 0],
    [0, 1]]), 1, 0)
    """
    search = MatrixSearch(lhs, rhs, domain, seed, seconds)
    for size in search.sizes(sizes):
        found = search.failure(size)
        if found is not None:
            return found
    return None


def exact_witness(failure: MatrixFailure, lhs: sp.Basic, rhs: sp.Basic, note: str = "") -> Witness:
    """The witness of a failure, with the script that computes both values again.

    Args:
        failure: parameters and values.
        lhs, rhs: the two sides, as they were compared.
        note: what the two values are.
    """
    script = entrywise_script(lhs, rhs, failure.values)
    return Witness(
        _in_order(failure.values, lhs, rhs), shown_value(failure.lhs), shown_value(failure.rhs), note, script
    )


def _in_order(values: Mapping[sp.Basic, Any], lhs: sp.Basic, rhs: sp.Basic) -> dict[sp.Basic, Any]:
    """Sizes, then covariances, then the rest: as one reads a law."""
    covariances = covariances_in((lhs, rhs))
    turn = {symbol: (isinstance(symbol, sp.MatrixSymbol), symbol not in covariances) for symbol in values}
    return {symbol: values[symbol] for symbol in sorted(values, key=lambda symbol: turn[symbol])}
