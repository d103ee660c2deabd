"""All complex zeros of a square polynomial system: each proven, and proven to be all by their number.

    N distinct zeros proven  and  N = d₁⋯d_n   ⟹   these are all, and each is simple

Every irreducible component of {F = 0} in Cⁿ takes at least 1 of the d₁⋯d_n of Bézout's theorem, so that
when simple zeros use it up there is nothing else, no curve either. With weights w (x_j = u_j^{w_j}) the
same argument in u gives Π deg_w F_i / Π w_j, sometimes less.

A zero is proven by the Krawczyk operator on a box of balls, real or complex (`numerics.krawczyk`). A real
box proves a real zero. Where the imaginary part of a coordinate excludes 0 the zero is not real, and its
conjugate is another. Two zeros are different when their boxes are disjoint.

References: Fulton, Intersection Theory (1998), theorem 12.3; Rump, Verification methods (2010), section 13.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flint import acb, acb_mat, arb, ctx

from .exact_numbers import PRECISIONS
from .homotopy import path_ends
from .krawczyk import Point, is_inside, krawczyk, lies_in, newton
from .polynomial_field import PolynomialField

__all__ = ["ComplexZeros", "bezout_bound", "complex_zeros", "prove_zeros", "sharpen"]

ROUNDS = 4
"""Draws of γ at most: a path is lost to its neighbour now and then, hardly ever the same one twice."""

WEIGHED = 7
"""Weights are tried up to so many variables, 3 for each."""

RADII = (-12, -20, -28, -36)
"""Powers of two tried as the relative radius of a box around a zero, the largest first."""


@dataclass(frozen=True)
class ComplexZeros:
    """Proven zeros of a square system, all different, and how many there can be.

    Args:
        real: for each real zero a small box that holds it, and a larger one that holds no other.
        pairs: a box for one of each pair of conjugate zeros that are not real.
        bound: with so many zeros proven there is no other (`bezout_bound`).
    """

    real: tuple[tuple[Point, Point], ...]
    pairs: tuple[tuple[acb, ...], ...]
    bound: int

    @property
    def count(self) -> int:
        """The number of zeros proven."""
        return len(self.real) + 2 * len(self.pairs)

    @property
    def complete(self) -> bool:
        """The list is proven to be all, and all are simple."""
        return self.count == self.bound


def complex_zeros(field: PolynomialField, deadline: float, seed: int = 0) -> ComplexZeros:
    """All complex zeros of a square polynomial system, as far as a homotopy finds and balls prove them.

    Args:
        field: n polynomials in n variables, none constant.
        deadline: a `time.monotonic()` to stop at.
        seed: draws the homotopies; the answer is proven whatever they are.

    >>> circle = {(2, 0): 1, (0, 2): 1, (0, 0): -4}
    >>> found = complex_zeros(PolynomialField([circle, {(1, 1): 1, (0, 0): -1}], 2), time.monotonic() + 9)
    >>> len(found.real), len(found.pairs), found.complete
    (4, 0, True)
    """
    ends = np.empty((0, field.size), dtype=complex)
    best = ComplexZeros((), (), bezout_bound(field))
    for attempt in range(ROUNDS):
        new = path_ends(field, np.random.default_rng([seed, attempt]), deadline)
        ends = np.concatenate([ends, new])
        found = prove_zeros(field, ends, deadline)
        stuck = attempt > 0 and found.count <= best.count
        best = max(found, best, key=lambda zeros: zeros.count)
        few = 8 * len(new) < 7 * math.prod(field.degrees)  # most of the rest left for infinity, for good
        if best.complete or stuck or few or time.monotonic() > deadline:
            break
    return best


def bezout_bound(field: PolynomialField) -> int:
    """A number of simple zeros beyond which there can be no other zero, by Bézout's theorem with weights.

        min over weights w of  Π_i max_α ⟨w, α⟩ / Π_j w_j,    where that is a whole number

    With x_j = u_j^{w_j} a simple zero in x takes Π_j w_j of the Π_i deg in u; when all of it is taken, there
    is no further component, a curve neither. (A remainder could be taken by a curve.)

    >>> bezout_bound(PolynomialField([{(1, 0): 1, (0, 2): -1}, {(1, 1): 1, (0, 0): -1}], 2))
    3
    """
    if field.size > WEIGHED:
        return math.prod(field.degrees)
    weights = np.array(list(itertools.product((1, 2, 3), repeat=field.size)))
    degrees = np.array([(weights @ np.array(list(f)).T).max(axis=1) for f in field.components]).T
    products = [
        (math.prod(above), math.prod(below)) for above, below in zip(degrees.tolist(), weights.tolist(), strict=True)
    ]
    return min(above // below for above, below in products if above % below == 0)


def prove_zeros(field: PolynomialField, guesses: np.ndarray, deadline: float = math.inf) -> ComplexZeros:
    """The guesses that are proven to be near a zero, one for each zero.

    Args:
        field: n polynomials in n variables.
        guesses: (m, n), complex; the conjugate of a zero need not be guessed.
        deadline: a `time.monotonic()` after which no further guess is looked at.
    """
    guesses = _oriented(_polished(field, guesses))
    real: list[tuple[Point, Point]] = []
    pairs: list[tuple[acb, ...]] = []
    for guess, inverse in zip(guesses, _inverses(field, guesses), strict=True):
        if time.monotonic() > deadline:
            break
        if not guess.imag.any():
            proof = _prove_real(field, guess.real)
            if proof is not None:
                real.append(proof)
        else:
            box = _prove_complex(field, guess, inverse)
            if box is not None and any(not z.imag.contains(0) for z in box):
                pairs.append(box)
    real = [real[i] for i in _different([box for box, _ in real])]
    pairs = [pairs[i] for i in _different(pairs)]
    found = ComplexZeros(tuple(real), tuple(pairs), bezout_bound(field))
    if found.count > found.bound:
        raise AssertionError(f"{found.count} simple zeros proven where at most {found.bound} can be: this is a bug")
    return found


@np.errstate(all="ignore")
def _polished(field: PolynomialField, guesses: np.ndarray) -> np.ndarray:
    """Two Newton steps for each guess."""
    matrix = field.coefficients()
    for _ in range(2):
        values, slopes = field.at(guesses.T.copy(), matrix)
        try:
            step = np.linalg.solve(slopes.transpose(2, 0, 1), values.T[..., None])[..., 0]
        except np.linalg.LinAlgError:
            break
        guesses = np.where(np.isfinite(step), guesses - step, guesses)
    return guesses


def _oriented(guesses: np.ndarray) -> np.ndarray:
    """Nearly equal guesses once, of conjugates the one whose first clear imaginary part is positive."""
    size = np.maximum(1, np.abs(guesses).max(axis=1, initial=0))[:, None]
    clear = np.abs(guesses.imag) > 1e-7 * size
    guesses = np.where(clear.any(axis=1)[:, None], guesses, guesses.real)
    lead = guesses.imag[np.arange(len(guesses)), clear.argmax(axis=1)]
    guesses = np.where(lead[:, None] < 0, guesses.conj(), guesses)
    keys = np.round(guesses / size, 9) + 0.0  # a guess on the edge of rounding comes twice, and is dropped later
    return guesses[np.unique(keys, axis=0, return_index=True)[1]] if len(guesses) else guesses


@np.errstate(all="ignore")
def _inverses(field: PolynomialField, guesses: np.ndarray) -> list[np.ndarray | None]:
    _, slopes = field.at(guesses.T.copy(), field.coefficients())
    found: list[np.ndarray | None] = []
    for slope in slopes.transpose(2, 0, 1):
        try:
            inverse = np.linalg.inv(slope)
        except np.linalg.LinAlgError:
            inverse = np.array(np.nan)
        found.append(inverse if np.isfinite(inverse).all() else None)
    return found


def _prove_real(field: PolynomialField, guess: np.ndarray) -> tuple[Point, Point] | None:
    """(box, region): a small box with a real zero, a larger one in which it is alone."""
    size = max(1.0, float(np.abs(guess).max()))
    for power in RADII:
        region = tuple(arb(float(x), size * 2.0**power) for x in guess)
        image = krawczyk(field, region, PRECISIONS[0])
        if image is not None and is_inside(image, region):
            return sharpen(field, image), region
    return None


def sharpen(field: PolynomialField, box: Point, precision: int = PRECISIONS[1]) -> Point:
    """A smaller box around the one simple zero that a box is known to hold."""
    root = newton(field, box, precision)
    if root is None:
        return box
    with ctx.workprec(precision):
        close = tuple(arb(x, (1 + abs(x)).upper() * arb(2) ** (-precision // 2)) for x in root)
        image = krawczyk(field, close, precision)
    return image if image is not None and is_inside(image, close) and lies_in(image, box) else box


def _prove_complex(field: PolynomialField, guess: np.ndarray, inverse: np.ndarray | None) -> tuple[acb, ...] | None:
    """A small box with exactly one complex zero."""
    if inverse is None:
        return None
    n, size = len(guess), max(1.0, float(np.abs(guess).max()))
    with ctx.workprec(PRECISIONS[0]):
        middle = [acb(float(z.real), float(z.imag)) for z in guess]
        conditioner = acb_mat(n, n, [acb(float(c.real), float(c.imag)) for c in inverse.ravel()])
        shift = conditioner * acb_mat(n, 1, field.complex_values(middle, ctx.prec))
        unit = acb_mat([[int(i == j) for j in range(n)] for i in range(n)])
        for power in RADII:
            ball = arb(0, size * 2.0**power)
            region = tuple(z + acb(ball, ball) for z in middle)
            contraction = unit - conditioner * field.complex_jacobian(region, ctx.prec)
            spread = acb_mat(n, 1, [x - z for x, z in zip(region, middle, strict=True)])
            image = tuple((acb_mat(n, 1, middle) - shift + contraction * spread).entries())
            if all(
                big.real.contains_interior(small.real) and big.imag.contains_interior(small.imag)
                for small, big in zip(image, region, strict=True)
            ):
                return _tight(field, image, conditioner, unit)
    return None


def _tight(field: PolynomialField, box: tuple[acb, ...], conditioner: acb_mat, unit: acb_mat) -> tuple[acb, ...]:
    """One more step: zeros that are close to each other want small boxes to be told apart."""
    n = len(box)
    middle = [acb(z.real.mid(), z.imag.mid()) for z in box]
    spread = acb_mat(n, 1, [z - m for z, m in zip(box, middle, strict=True)])
    shift = conditioner * acb_mat(n, 1, field.complex_values(middle, ctx.prec))
    contraction = unit - conditioner * field.complex_jacobian(box, ctx.prec)
    return tuple((acb_mat(n, 1, middle) - shift + contraction * spread).entries())


def _different(boxes: Sequence[Sequence[arb | acb]]) -> list[int]:
    """Indices of boxes that are disjoint from each other, and from the conjugates of each other."""
    if not boxes:
        return []
    parts = [[part for z in box for part in ((z.real, z.imag) if isinstance(z, acb) else (z, arb(0)))] for box in boxes]
    middle = np.array([[float(x.mid()) for x in box] for box in parts])
    # Radii with room for the rounding of the middles, of themselves, and of the differences below.
    radius = np.array([[float(x.rad()) for x in box] for box in parts]) * (1 + 2.0**-40) + np.abs(middle) * 2.0**-50
    mirror = middle * np.tile([1, -1], middle.shape[1] // 2)
    kept: list[int] = []
    for i in range(len(boxes)):
        reach = radius[kept] + radius[i]
        apart = (np.abs(middle[kept] - middle[i]) > reach).any(axis=1)
        own = (np.abs(middle[kept] - mirror[i]) > reach).any(axis=1) | ~middle[i, 1::2].any()
        if bool((apart & own).all()):
            kept.append(i)
    return kept
