"""Certified means of a function of standard normal variables: ∫ f(t) φ(t) dt with a proven error.

Two algorithms, which must overlap:

- `mean_at`: adaptive Gauss-Legendre on a finite interval (Arb's `acb.integral`), cut at the kinks of f; the
  tails are bounded through an envelope |f(t)| ≤ Σ c |t|^p exp(a|t| + bt²), b < 1/2. One dimension; kinks and
  branch cuts allowed.
- `trapezoid_mean_at`: the trapezoidal rule, for f analytic in the strip |Im t| ≤ y with an envelope there.
  Its error is at most 2M/(e^{2πy/step} − 1), with M a bound of ∫|f φ| on every line of the strip (Trefethen
  and Weideman 2014, theorem 5.1). Any dimension, one variable after the other; in practice one and two.

**Tails.** For one term of the envelope and s = 1 − 2b > 0 the exponent g(t) = p log t + at − st²/2 is concave
on t > 0, so beyond T with g′(T) = p/T + a − sT < 0

    ∫_T^∞ t^p e^{at + bt²} φ(t) dt  ≤  e^{g(T)} / (√(2π) |g′(T)|),

and the sum of step·summand over nodes beyond T is at most its first term plus that integral, as the summand
decreases there.

This file knows functions and balls, no symbols: `numerics.balls` derives f and its envelope from an
expression.

References: F. Johansson, Numerical integration in arbitrary-precision ball arithmetic, arXiv 1802.07942;
L. N. Trefethen, J. A. C. Weideman, The exponentially convergent trapezoidal rule, SIAM Review 56 (2014) 385.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from flint import acb, arb, ctx

__all__ = [
    "Envelope",
    "Growth",
    "NotIntegrable",
    "QuadratureBudgetExceeded",
    "gaussian_mean",
    "mean_at",
    "strip_cost",
    "trapezoid_mean_at",
]

Integrand = Callable[[acb, bool], acb]

_BOUND_BITS = 64
_MAX_BITS = 4096
_LOG_2 = 0.6931472


class QuadratureBudgetExceeded(ArithmeticError):
    """The digits asked for were not reached within the bits, evaluations or seconds allowed."""


class NotIntegrable(ValueError):
    """The envelope grows at least like exp(t²/2): the mean is infinite or cannot be bounded."""


@dataclass(frozen=True)
class Growth:
    """One term of an envelope: c ∏ |t_i|^{p_i} exp(a_i|t_i| + b_i t_i²), one entry of p, a, b for each
    variable."""

    c: arb
    p: tuple[int, ...]
    a: tuple[arb, ...]
    b: tuple[arb, ...]

    def __mul__(self, other: Growth) -> Growth:
        return Growth(
            self.c * other.c,
            tuple(x + y for x, y in zip(self.p, other.p, strict=True)),
            tuple(x + y for x, y in zip(self.a, other.a, strict=True)),
            tuple(x + y for x, y in zip(self.b, other.b, strict=True)),
        )


@dataclass(frozen=True)
class Envelope:
    """An upper bound of |f| on the real line (or space): a sum of `Growth` terms.

        |f(t)| ≤ Σ c ∏ |t_i|^{p_i} exp(a_i |t_i| + b_i t_i²)

    Sums and products of envelopes bound sums and products of functions.

    >>> bound = Envelope.power(2) + Envelope.constant(3)          # |t² + 3 sin t| is below it
    >>> [(float(term.c), term.p) for term in bound.terms]
    [(1.0, (2,)), (3.0, (0,))]
    """

    terms: tuple[Growth, ...]
    dimension: int = 1

    @staticmethod
    def of(c: object = 1, p: int = 0, a: object = 0, b: object = 0) -> Envelope:
        """The one-dimensional envelope c |t|^p exp(a|t| + bt²)."""
        return Envelope((Growth(_upper(c), (p,), (_upper(a),), (_upper(b),)),))

    @staticmethod
    def constant(c: object, dimension: int = 1) -> Envelope:
        """|f| ≤ c."""
        zeros = (arb(0),) * dimension
        return Envelope((Growth(_upper(c), (0,) * dimension, zeros, zeros),), dimension)

    @staticmethod
    def power(p: int, index: int = 0, dimension: int = 1) -> Envelope:
        """|t_index|^p."""
        zeros = (arb(0),) * dimension
        powers = tuple(p if position == index else 0 for position in range(dimension))
        return Envelope((Growth(arb(1), powers, zeros, zeros),), dimension)

    def __add__(self, other: Envelope) -> Envelope:
        return Envelope(self.terms + other.terms, self.dimension).merged()

    def __mul__(self, other: Envelope) -> Envelope:
        return Envelope(tuple(x * y for x in self.terms for y in other.terms), self.dimension).merged()

    def merged(self) -> Envelope:
        """Terms of equal growth added."""
        sums: dict[tuple, arb] = {}
        first: dict[tuple, Growth] = {}
        for term in self.terms:
            key = (term.p, tuple(str(x) for x in term.a), tuple(str(x) for x in term.b))
            sums[key] = sums.get(key, arb(0)) + term.c
            first.setdefault(key, term)
        return Envelope(
            tuple(Growth(_upper(sums[key]), term.p, term.a, term.b) for key, term in first.items()),
            self.dimension,
        )


def _upper(x: object) -> arb:
    """An exact upper bound of a number or ball, with a short mantissa."""
    with ctx.workprec(_BOUND_BITS):
        return arb(x).upper()


# --------------------------------------------------------------------------------------------------
# Tails


def _check_integrable(envelope: Envelope) -> None:
    for term in envelope.terms:
        if not term.c.is_finite() or not all(x.is_finite() for x in term.a + term.b):
            raise QuadratureBudgetExceeded(
                "the envelope of the integrand is not finite: its parameters are too uncertain"
            )
        for b in term.b:
            if not b < arb(1) / 2:
                raise NotIntegrable(
                    f"expected an envelope below exp(t**2/2), got exp({float(b):.6g}*t**2); "
                    "the mean over a standard normal t is infinite or cannot be bounded"
                )


def _log_peak(term: Growth, index: int) -> tuple[float, float]:
    """Where t^p e^{at − st²/2} is largest on t > 0, and the logarithm of its value (floats: a guide, not a
    bound)."""
    p, a, s = term.p[index], float(term.a[index]), 1 - 2 * float(term.b[index])
    peak = (a + math.sqrt(a * a + 4 * s * p)) / (2 * s) if a > 0 or p > 0 else 0.0
    peak = max(peak, 0.0)
    return peak, (p * math.log(peak) if peak > 0 and p else 0.0) + a * peak - s * peak * peak / 2


def _cut(envelope: Envelope, index: int, bits: int) -> arb:
    """A point beyond which every term has dropped by `bits` bits from its largest value."""
    cut = 1.0
    for term in envelope.terms:
        s = 1 - 2 * float(term.b[index])
        peak, _ = _log_peak(term, index)
        cut = max(cut, peak + math.sqrt(2 * 0.7 * bits / s) + 1)
    return arb(math.ceil(cut * 8)) / 8


def _tail(term: Growth, index: int, cut: arb) -> arb:
    """An upper bound of ∫_{|t| > T} |t|^p e^{a|t| + bt²} φ(t) dt, both sides."""
    p, a, b = term.p[index], term.a[index], term.b[index]
    s = 1 - 2 * b
    drop = s * cut - a - p / cut
    if not drop > 0:
        raise QuadratureBudgetExceeded(f"the tail beyond {float(cut):.3g} could not be bounded")
    return (2 * cut**p * (a * cut - s * cut * cut / 2).exp() / (drop * (2 * arb.pi()).sqrt())).abs_upper()


def _absolute_moment(term: Growth, index: int) -> arb:
    """An upper bound of ∫ |t|^p e^{a|t| + bt²} φ(t) dt over the whole line, from |t|^p ≤ p! e^{|t|}.

    ∫ e^{a|t| − st²/2}/√(2π) dt ≤ 2 e^{a²/(2s)}/√s   for a ≥ 0
    """
    p, a, s = term.p[index], term.a[index], 1 - 2 * term.b[index]
    rate = a if a > 0 else arb(0)
    if p:
        rate += 1
    return (2 * arb(math.factorial(p)) * (rate * rate / (2 * s)).exp() / s.sqrt()).abs_upper()


# --------------------------------------------------------------------------------------------------
# Adaptive Gauss-Legendre


def mean_at(
    f: Integrand | Sequence[Integrand],
    envelope: Envelope,
    breakpoints: Sequence[arb] = (),
    whole: Integrand | None = None,
    goal: int | None = None,
    eval_limit: int = 20_000,
) -> arb | acb:
    """∫ f(t) φ(t) dt at the working precision: a ball, as tight as that precision gives.

    Args:
        f: f(t, analytic) -> acb on complex balls t; when `analytic` is true and f is not analytic on the
            ball, it must return a non-finite one (the convention of `acb.integral`). With breakpoints, a
            sequence of len(breakpoints) + 1 such functions, one for each piece, each analytic across its
            own ends where possible.
        envelope: bounds |f(t)| for all real t. It is a promise: a wrong one gives a wrong tail.
        breakpoints: increasing, disjoint balls that hold the kinks.
        whole: f valid on a real ball that holds a kink; needed when a breakpoint is not exact.
        goal: relative accuracy in bits at which a piece is left alone; default the working precision.
            Less is right when f holds uncertain parameters.
        eval_limit: evaluations allowed for each piece.

    Returns:
        A real ball if the imaginary part is exactly zero, else a complex one; nan if f was not finite
        somewhere.

    Raises:
        NotIntegrable: if a term of the envelope does not stay below exp(t²/2).

    >>> mean_at(lambda t, analytic: t * t, Envelope.power(2)).overlaps(arb(1))
    True
    """
    _check_integrable(envelope)
    pieces = list(f) if isinstance(f, Sequence) else [f] * (len(breakpoints) + 1)
    if len(pieces) != len(breakpoints) + 1:
        raise ValueError(
            f"expected {len(breakpoints) + 1} pieces for {len(breakpoints)} breakpoints, got {len(pieces)}"
        )
    bits = ctx.prec
    goal = bits if goal is None else goal
    cut = _cut(envelope, 0, bits + 8)
    for point in breakpoints:  # a kink at the cut: move the cut
        if not point.is_finite():
            return acb(arb.nan(), arb.nan())
        if abs(point).overlaps(cut):
            cut = point.abs_upper() + 1
    inner = [(point.lower(), point.upper()) for point in breakpoints if point > -cut and point < cut]
    first = sum(1 for point in breakpoints if point < -cut)
    normalization = 1 / (2 * arb.pi()).sqrt()

    def weighted(function: Integrand) -> Integrand:
        return lambda t, analytic: function(t, analytic) * (-t * t / 2).exp()

    total: acb = acb(0)
    start = -cut
    for index, (low, high) in enumerate([*inner, (cut, cut)]):
        piece = weighted(pieces[first + index])
        for left, right in _panels(start, low):
            total += acb.integral(
                piece,
                left,
                right,
                rel_tol=arb(2) ** -goal,
                abs_tol=arb(2) ** (-4 * bits),
                eval_limit=eval_limit,
            )
        if low < high:
            sliver = weighted(whole if whole is not None else pieces[first + index])
            total += sliver(acb(low.union(high)), False) * (high - low)
        start = high
    total *= normalization
    rest = sum((term.c * _tail(term, 0, cut) for term in envelope.terms), arb(0)).abs_upper()
    real = total.real + arb(0, rest)
    return real if total.imag.is_zero() else acb(real, total.imag + arb(0, rest))


def _panels(start: arb, end: arb) -> Iterable[tuple[arb, arb]]:
    """The interval, cut at zero: the tolerance of a panel is relative to its own value, and odd f cancel."""
    if start < 0 and end > 0:
        return ((start, arb(0)), (arb(0), end))
    return ((start, end),)


# --------------------------------------------------------------------------------------------------
# Trapezoidal rule


def _log_size(envelope: Envelope) -> float:
    """The logarithm of the mean of the envelope, about."""
    total = arb(0)
    for term in envelope.terms:
        total += term.c * math.prod(
            (_absolute_moment(term, index) for index in range(envelope.dimension)), start=arb(1)
        )
    return float(total.upper().log()) if total > 0 else 0.0


def strip_cost(envelope: Envelope, strip: arb, bits: int) -> float:
    """The number of nodes of the trapezoidal rule per unit length with this strip: to choose the strip by."""
    _check_integrable(envelope)
    return (_LOG_2 * bits + float(strip) ** 2 / 2 + max(0.0, _log_size(envelope)) + 4) / (2 * math.pi * float(strip))


def trapezoid_mean_at(
    f: Callable[[Sequence[arb]], arb | acb],
    envelope: Envelope,
    strip: arb,
    bits: int | None = None,
    line: Envelope | None = None,
    evaluation_limit: int = 200_000,
    deadline: float | None = None,
) -> arb | acb:
    """E f(t₁, …, t_r) over independent standard normals by the trapezoidal rule with a strip bound.

        step Σ_k f(k·step) φ(k·step)  =  ∫ f φ  +  error,    |error| ≤ 2M/(e^{2πy/step} − 1)

    in each variable in turn, the others held at real values.

    Args:
        f: evaluated at real points only.
        envelope: bounds |f(x + iη)| in terms of |x_i| whenever |η_i| ≤ y.
        strip: y > 0, half of the strip's width, the same for all variables; f is analytic for |Im t_i| ≤ y.
        bits: absolute accuracy aimed at; default the working precision.
        line: a bound of |f(x)| at real points, for the tails; default `envelope`, which is larger.
        evaluation_limit, deadline: evaluations allowed; `time.monotonic()` at which to give up.

    Raises:
        QuadratureBudgetExceeded: when the budget does not suffice.

    >>> with ctx.workprec(100):
    ...     mean = trapezoid_mean_at(lambda t: t[0].cos(), Envelope.constant(arb(2).cosh()), arb(2))
    ...     mean.overlaps(arb(-0.5).exp())
    True
    """
    _check_integrable(envelope)
    dimension = envelope.dimension
    bits = ctx.prec if bits is None else bits
    line = envelope if line is None else line
    _check_integrable(line)
    size_bits = int(max(0.0, _log_size(line)) / _LOG_2) + 8
    cuts = [_cut(line, index, bits + size_bits) for index in range(dimension)]
    # |φ(x + iy)| = φ(x) e^{y²/2}; the step brings the aliasing error down to 2^-bits
    step = arb(1 / strip_cost(envelope, strip, bits)).mid()
    counts = [int(float(cut / step)) + 1 for cut in cuts]
    evaluations = math.prod(2 * count + 1 for count in counts)
    if evaluations > evaluation_limit:
        raise QuadratureBudgetExceeded(
            f"the trapezoidal rule needs {evaluations} evaluations for {bits} bits, {evaluation_limit} allowed"
        )
    weights = [
        [(step * k, (-((step * k) ** 2) / 2).exp() if k else arb(1)) for k in range(-count, count + 1)]
        for count in counts
    ]
    scale = step / (2 * arb.pi()).sqrt()
    total = _grid_sum(f, weights, [], deadline) * scale**dimension
    with ctx.workprec(_BOUND_BITS):
        error = arb(0)
        aliasing = 2 * (strip * strip / 2).exp() / ((2 * arb.pi() * strip / step).exp() - 1)
        # ∏ I_i − ∏ S_i = Σ_i S_1 ⋯ S_{i−1} (I_i − S_i) I_{i+1} ⋯ I_r for the integrals I and the sums S;
        # the bound of a sum is also one of the integral
        for index in range(dimension):
            for term in envelope.terms:
                error += aliasing * term.c * _absolute_moment(term, index) * _others(term, index, step)
            for term in line.terms:
                edge = _tail_sum(term, index, step, step * (counts[index] + 1))
                error += term.c * edge * _others(term, index, step)
        bound = arb(0, error.abs_upper())
    if isinstance(total, acb):
        return total + acb(bound, bound)
    return total + bound


def _grid_sum(f: Callable, weights: list, point: list, deadline: float | None) -> arb | acb:
    if len(point) == len(weights):
        return f(point)
    if deadline is not None and time.monotonic() > deadline:
        raise QuadratureBudgetExceeded("the seconds allowed are spent")
    total = arb(0)
    for node, weight in weights[len(point)]:
        total = total + weight * _grid_sum(f, weights, [*point, node], deadline)
    return total


def _others(term: Growth, index: int, step: arb) -> arb:
    """The bounds of the sums over all variables but one, multiplied."""
    rest = (_sum_bound(term, other, step) for other in range(len(term.p)) if other != index)
    return math.prod(rest, start=arb(1))


def _tail_sum(term: Growth, index: int, step: arb, cut: arb) -> arb:
    """An upper bound of step Σ |t|^p e^{a|t| + bt²} φ(t) over nodes |t| ≥ cut, where it decreases."""
    p, a, s = term.p[index], term.a[index], 1 - 2 * term.b[index]
    first = 2 * step * cut**p * (a * cut - s * cut * cut / 2).exp() / (2 * arb.pi()).sqrt()
    return (first + _tail(term, index, cut)).abs_upper()


def _sum_bound(term: Growth, index: int, step: arb) -> arb:
    """An upper bound of step Σ over all nodes: the integral plus 2·step times the largest summand.

    On each side of its single peak t^p e^{at − st²/2} is monotone, so a sum exceeds the integral by at most
    the peak; |t|^p e^{a|t|} ≤ p! e^{(a + 1)|t|} and e^{rt − st²/2} ≤ e^{r²/(2s)}.
    """
    p, a, s = term.p[index], term.a[index], 1 - 2 * term.b[index]
    rate = (a if a > 0 else arb(0)) + (1 if p else 0)
    peak = arb(math.factorial(p)) * (rate * rate / (2 * s)).exp()
    return (_absolute_moment(term, index) + 4 * step * peak).abs_upper()


# --------------------------------------------------------------------------------------------------
# The doubling loop


def gaussian_mean(
    f: Integrand | Sequence[Integrand],
    envelope: Envelope,
    breakpoints: Callable[[], Sequence[arb]] | Sequence[arb] = (),
    digits: int = 30,
    whole: Integrand | None = None,
    seconds: float = 60.0,
) -> arb:
    """E f(t), t standard normal, to so many digits, with proof: ∫ f(t) φ(t) dt.

    The working precision doubles until the ball has `digits` digits (relative; absolute where the ball holds
    zero).

    Args:
        f, envelope, whole: as in `mean_at`.
        breakpoints: the kinks; a function without arguments makes them anew at each precision.
        digits: decimal digits asked for.
        seconds: time allowed.

    Raises:
        NotIntegrable: if the envelope does not stay below exp(t²/2).
        QuadratureBudgetExceeded: if the digits are not reached; the message holds the best ball.

    >>> softplus = lambda t, analytic: (1 + t.exp()).log(analytic=analytic)
    >>> bound = Envelope.constant(1) + Envelope.power(1)
    >>> print(gaussian_mean(softplus, bound, digits=25).str(25, radius=False))
    0.8060591833474397845282288
    """
    started = time.monotonic()
    bits = int(3.33 * digits) + 24
    best: arb | None = None
    while bits <= _MAX_BITS and time.monotonic() - started < seconds:
        with ctx.workprec(bits):
            mean = mean_at(f, envelope, breakpoints() if callable(breakpoints) else breakpoints, whole)
            if isinstance(mean, acb):
                mean = mean.real if mean.imag.contains(0) else arb.nan()
            if mean.is_finite():
                best = mean
                tolerance = arb(10) ** -digits
                if mean.rad() <= tolerance * mean.abs_lower() or (mean.contains(0) and mean.rad() < tolerance):
                    return mean
        bits *= 2
    found = "no finite ball" if best is None else f"the best ball was {best.str(10)}"
    raise QuadratureBudgetExceeded(f"{digits} digits were not reached in {seconds:g} s and {_MAX_BITS} bits; {found}")
