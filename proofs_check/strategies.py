"""Hypothesis strategies for admissible models: directions, frames, exact covariances, keyword dicts.

Everything is built from whole numbers of at most two digits, for three reasons. A counterexample shrinks
to small numbers and points at the wrong term. Exact objects stay exact: a covariance is positive definite
over the rationals, not up to rounding. And Hypothesis then draws the same examples from the same seed in
every process: larger numbers it also takes from the constants of whatever modules are loaded.

    unit_vectors(d)               v/‖v‖ for an integer v, of norm 1 to the last digit
    vectors(d, norms)             a direction times a length
    orthonormal_frames(d, count)  exact Gram-Schmidt over the integers, then normalized
    cayley_rotations(d)           (I − A)(I + A)^(−1), A skew with rational entries: exactly orthogonal
    covariances(d, ...)           Q diag(spectrum) Qᵀ: rational, with exactly that spectrum
    models(name=strategy, ...)    a dict of keyword values, the parts of which may depend on one another
    draw_examples(strategy, ...)  distinct examples, outside of a test
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy

__all__ = [
    "cayley_rotations",
    "covariances",
    "draw_examples",
    "models",
    "orthonormal_frames",
    "rationals",
    "reals",
    "unit_vectors",
    "vectors",
]

# Whole numbers up to two digits; Hypothesis mixes constants of loaded modules into wider ranges.
_ENTRIES = st.integers(-99, 99)
# Rounds of generation, with a seed each, until there are enough distinct examples.
_ROUNDS = 5
_STEPS = 96  # divisible by 2, 3, 4, 6, 8: the first points of a range are simple fractions of it


def rationals(low: Any, high: Any, *, open_ends: bool = False) -> SearchStrategy[sp.Rational]:
    """Rational numbers of [low, high]; they shrink to `low`.

        low + (high − low) j/96,    j = 0, …, 96

    Args:
        low, high: whole numbers, Fractions, sympy rationals; floats count as the decimal they print as.
        open_ends: leave out both ends.

    Raises:
        ValueError: unless low < high, both finite.

    >>> draws = rationals(0, "0.5", open_ends=True)
    >>> from hypothesis import find
    >>> find(draws, lambda x: True)
    1/192
    """
    first, last = _exact(low, "low"), _exact(high, "high")
    if not first < last:
        raise ValueError(f"expected low < high, got low={low}, high={high}")
    step = (last - first) / _STEPS
    ends = (1, _STEPS - 1) if open_ends else (0, _STEPS)
    return st.integers(*ends).map(lambda j: sp.Rational(*(first + j * step).as_integer_ratio()))


def reals(low: Any, high: Any, *, open_ends: bool = False) -> SearchStrategy[float]:
    """Floats of [low, high]: the rationals of `rationals`, rounded.

    >>> from hypothesis import find
    >>> find(reals(0, 2), lambda x: x > 1)
    1.0208333333333333
    """
    return rationals(low, high, open_ends=open_ends).map(float)


def unit_vectors(d: int) -> SearchStrategy[np.ndarray]:
    """Vectors of norm 1 in R^d, shape (d,); they shrink towards the first coordinate vector.

    Raises:
        ValueError: if d < 1.

    >>> from hypothesis import find
    >>> find(unit_vectors(3), lambda v: True)
    array([1., 0., 0.])
    """
    return orthonormal_frames(d, 1).map(lambda frame: frame[0])


def vectors(d: int, norms: tuple[Any, Any] = (0, 2)) -> SearchStrategy[np.ndarray]:
    """Vectors of R^d, shape (d,), with a norm in the given range; they shrink towards (low, 0, …, 0).

    Raises:
        ValueError: for d < 1, a negative norm or an empty range.

    >>> from hypothesis import find
    >>> find(vectors(3, norms=(1, 2)), lambda v: True)
    array([1., 0., 0.])
    """
    low, high = norms
    if _exact(low, "norms[0]") < 0:
        raise ValueError(f"expected nonnegative norms, got norms={norms}")
    return st.builds(lambda length, direction: length * direction, reals(low, high), unit_vectors(d))


def orthonormal_frames(d: int, count: int = 2) -> SearchStrategy[np.ndarray]:
    """Orthonormal vectors of R^d as the rows of an array of shape (count, d).

    Integer vectors are made orthogonal exactly (Gram-Schmidt without division), then divided by their
    norms: rows have norm 1, and are orthogonal, to the last digit. They shrink towards coordinate vectors.

    Raises:
        ValueError: unless 1 ≤ count ≤ d.

    >>> from hypothesis import find
    >>> find(orthonormal_frames(3, 2), lambda frame: True)
    array([[1., 0., 0.],
           [0., 1., 0.]])
    """
    if not (isinstance(d, int) and isinstance(count, int) and 1 <= count <= d):
        raise ValueError(f"expected whole numbers 1 <= count <= d, got count={count}, d={d}")
    rows = st.lists(st.lists(_ENTRIES, min_size=d, max_size=d), min_size=count, max_size=count)
    return rows.map(_orthonormal)


def _orthonormal(rows: Sequence[Sequence[int]]) -> np.ndarray:
    d = len(rows[0])
    basis: list[list[int]] = []
    for row in rows:
        # A dependent row is replaced by the first coordinate vector that is independent of the others.
        candidates = [list(row), *([int(i == j) for j in range(d)] for i in range(d))]
        residuals = (_orthogonal_part(candidate, basis) for candidate in candidates)
        basis.append(next(residual for residual in residuals if any(residual)))
    return np.array([_normalized(vector) for vector in basis])


def _orthogonal_part(vector: list[int], basis: Sequence[Sequence[int]]) -> list[int]:
    """The part of an integer vector orthogonal to an orthogonal integer basis, times a whole number."""
    for other in basis:
        along = sum(x * y for x, y in zip(vector, other, strict=True))
        square = sum(y * y for y in other)
        vector = [square * x - along * y for x, y in zip(vector, other, strict=True)]
        divisor = math.gcd(*vector)
        vector = [x // divisor for x in vector] if divisor > 1 else vector
    return vector


def _normalized(vector: Sequence[int]) -> np.ndarray:
    # The norm to 64 bits more than it has, in whole numbers, so that each quotient is rounded once.
    norm = math.isqrt(sum(x * x for x in vector) << 128)
    return np.array([float(Fraction(x << 64, norm)) for x in vector])


def cayley_rotations(d: int) -> SearchStrategy[sp.ImmutableMatrix]:
    """Exactly orthogonal d × d matrices with rational entries and determinant 1.

        Q = (I − A)(I + A)^(−1),    Aᵀ = −A

    They shrink towards the identity.

    Raises:
        ValueError: if d < 1.

    >>> from hypothesis import find
    >>> find(cayley_rotations(2), lambda Q: Q != sp.eye(2))
    Matrix([
    [63/65, -16/65],
    [16/65,  63/65]])
    """
    if not (isinstance(d, int) and d >= 1):
        raise ValueError(f"expected a whole number d >= 1, got d={d}")
    size = d * (d - 1) // 2
    eighths = st.lists(st.integers(-16, 16), min_size=size, max_size=size)
    return eighths.map(lambda entries: _cayley(entries, d))


def _cayley(entries: Sequence[int], d: int) -> sp.ImmutableMatrix:
    skew = sp.zeros(d, d)
    above = ((i, j) for i in range(d) for j in range(i + 1, d))
    for (i, j), entry in zip(above, entries, strict=True):
        skew[i, j], skew[j, i] = sp.Rational(entry, 8), -sp.Rational(entry, 8)
    return sp.ImmutableMatrix((sp.eye(d) - skew) * (sp.eye(d) + skew).inv())


def covariances(
    d: int, *, spectrum: Sequence[Any] | None = None, rank: int | None = None
) -> SearchStrategy[sp.ImmutableMatrix]:
    """Covariances with rational entries, d × d, exactly symmetric and exactly positive (semi)definite.

        Σ = Q diag(spectrum) Qᵀ,    Q a Cayley rotation

    Args:
        d: dimension.
        spectrum: the d eigenvalues, nonnegative; by default drawn from 1/8, …, 4.
        rank: how many drawn eigenvalues are not zero, by default d; smaller for degenerate laws.

    Raises:
        ValueError: for a spectrum of another length, with a negative number, or together with a rank.

    >>> from hypothesis import find
    >>> find(covariances(2, rank=1), lambda S: S[0, 1] != 0).det()
    0
    """
    if spectrum is not None and rank is not None:
        raise ValueError(f"expected a spectrum or a rank, got spectrum={spectrum} and rank={rank}")
    if spectrum is not None:
        fixed = [_exact(x, "eigenvalue") for x in spectrum]
        if len(fixed) != d or min(fixed, default=0) < 0:
            raise ValueError(f"expected {d} nonnegative eigenvalues, got spectrum={list(spectrum)}")
        eigenvalues: SearchStrategy[list] = st.just([sp.Rational(*x.as_integer_ratio()) for x in fixed])
    else:
        kept = d if rank is None else rank
        if not 0 <= kept <= d:
            raise ValueError(f"expected 0 <= rank <= {d}, got rank={rank}")
        # In the order 8/8, 7/8, …, then 9/8, …: the simplest eigenvalue is one.
        eighths = st.sampled_from([8, *range(7, 0, -1), *range(9, 33)])
        positive = eighths.map(lambda j: sp.Rational(j, 8))
        eigenvalues = st.lists(positive, min_size=kept, max_size=kept).map(
            lambda drawn: [*drawn, *([sp.Integer(0)] * (d - kept))]
        )
    return st.builds(
        lambda rotation, values: sp.ImmutableMatrix(rotation * sp.diag(*values) * rotation.T),
        cayley_rotations(d),
        eigenvalues,
    )


@st.composite
def _models(draw: Callable, parts: dict[str, Any], without: frozenset[str]) -> dict[str, Any]:
    model: dict[str, Any] = {}
    for name, part in parts.items():
        if not isinstance(part, SearchStrategy) and callable(part):
            needed = inspect.signature(part).parameters
            part = part(**{earlier: model[earlier] for earlier in needed})
        model[name] = draw(part) if isinstance(part, SearchStrategy) else part
    return {name: x for name, x in model.items() if name not in without}


def models(*, without: Collection[str] = (), **parts: Any) -> SearchStrategy[dict[str, Any]]:
    """Models of a simulator: dicts of keyword values, drawn in the order in which they are written.

    Args:
        without: parts that only help to draw others, and are left out of the model.
        parts: by keyword, a strategy, a constant, or a function of earlier parts (by their names) that
            gives a strategy or a value.

    Raises:
        ValueError: if a function asks for a part that is not written before it.

    >>> teacher_and_key = models(
    ...     d=st.integers(2, 4),
    ...     frame=lambda d: orthonormal_frames(d, 2),
    ...     k_star=lambda frame: frame[0],
    ...     k=lambda d: unit_vectors(d),
    ...     lam=reals("0.1", 2),
    ...     without=("d", "frame"),
    ... )
    >>> from hypothesis import find
    >>> find(teacher_and_key, lambda model: True)
    {'k_star': array([1., 0.]), 'k': array([1., 0.]), 'lam': 0.1}
    """
    known: list[str] = []
    for name, part in parts.items():
        if callable(part) and not isinstance(part, SearchStrategy):
            if unknown := [earlier for earlier in inspect.signature(part).parameters if earlier not in known]:
                raise ValueError(
                    f"{name} depends on {', '.join(unknown)}, which is not written before it; "
                    f"before it stand {', '.join(known) or 'no parts'}"
                )
        known.append(name)
    if unknown := [name for name in without if name not in known]:
        raise ValueError(f"expected without= to name parts, got {', '.join(unknown)}; the parts are {', '.join(known)}")
    return _models(dict(parts), frozenset(without))


def draw_examples(strategy: SearchStrategy[Any], count: int, seed: int) -> list[Any]:
    """Distinct examples of a strategy, generated by Hypothesis from a seed, the simplest one first.

    Nothing is stored between runs and nothing is shrunk. Fewer than `count` come back when the strategy
    has no more, none when nothing it draws is admissible. The same seed gives the same examples for the
    same version of Hypothesis; strategies that draw floats or integers beyond two digits also see the
    constants of the modules that are loaded (those of `strategies` do not).

    >>> from hypothesis import strategies as st
    >>> len(draw_examples(st.booleans(), 10, seed=0))
    2
    """
    found: dict[Any, Any] = {}

    def collect(example: Any) -> None:
        if len(found) < count:
            found.setdefault(_fingerprint(example), example)

    quiet = settings(
        max_examples=max(count, 1),
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    for round_ in range(_ROUNDS):
        try:
            seeded(seed * _ROUNDS + round_)(quiet(given(strategy)(collect)))()
        except Unsatisfiable:
            break
        if len(found) >= count:
            break
    return list(found.values())


def _fingerprint(example: Any) -> Any:
    """Equal for equal examples; arrays count by their bytes."""
    if isinstance(example, Mapping):
        return tuple(sorted((str(name), _fingerprint(x)) for name, x in example.items()))
    if isinstance(example, np.ndarray):
        return example.shape, example.dtype.str, example.tobytes()
    if isinstance(example, (list, tuple)):
        return tuple(map(_fingerprint, example))
    return type(example).__name__, repr(example)


def _exact(number: Any, name: str) -> Fraction:
    """The number as a fraction; a float counts as the decimal it prints as, so that 0.1 is 1/10."""
    try:
        if isinstance(number, sp.Rational):
            return Fraction(int(number.p), int(number.q))
        return Fraction(str(number)) if isinstance(number, (float, str)) else Fraction(number)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"expected a finite rational number, got {name}={number!r}") from None
