"""Numbers for Φ, Owen's T and Φ₂: floats on numpy arrays, and balls.

    Φ(x)        = ∫_{-∞}^x φ(t) dt
    T(h, a)     = (1/2π) ∫_0^a exp(−h²(1 + x²)/2)/(1 + x²) dx
    Φ₂(h, k; ρ) = P(X ≤ h, Y ≤ k)

**How the balls are made.** With Q(h) = Φ(−h), z = h²/2 and 0 ≤ a ≤ 1,

    T(h, a) = (a e^{−z}/2π) ∫_0^1 e^{−za²u²}/(1 + a²u²) du                          (wedge)

is even in u, so Gauss-Legendre on [−1, 1] needs half of its nodes. On the ellipse with foci ±1 and minor
semi-axis s < 1/a the integrand is at most M = e^{za²s²}/(1 − a²s²); with ϱ = s + √(1 + s²) the N-point rule
is off by at most 8Mϱ^{1−2N}/(ϱ − 1): twice the length of the interval times the error 2Mϱ^{1−2N}/(ϱ − 1) of
a polynomial of degree 2N − 1, which the rule integrates exactly. Everything else follows from the complement
U(h, a) = T(h, ∞) − T(h, a),

    U(h, a) = Q(h)Q(ah) − U(ah, 1/a),   U(h, −a) = Q(h) − U(h, a)                    (Owen 1956)
    Φ₂(h, k; ρ) = [h, k > 0] + W(h; k) + W(k; h)
    W(h; k) = U(|h|, (k − ρh)/(h√(1 − ρ²))) for h < 0,  −U(h, −(k − ρh)/(h√(1 − ρ²))) for h > 0

where both W are tails: a quadrant far from the origin keeps its digits. All three functions are monotone in
each argument (T in |h| and a), so that the image of a wide ball is spanned by two corners; a thin one is a
value and a bound on the derivative.

References: D. B. Owen, Ann. Math. Stat. 27 (1956) 1075; L. N. Trefethen, Approximation Theory and
Approximation Practice, theorems 8.2 and 19.3; F. Johansson, arXiv 1802.07942 (certified integrals).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from flint import acb, arb, ctx
from numpy.typing import ArrayLike, NDArray
from scipy import special

__all__ = [
    "Ball",
    "bivariate_normal_cdf",
    "bivariate_normal_cdf_ball",
    "normal_cdf",
    "normal_cdf_ball",
    "owens_t",
    "owens_t_ball",
]

Ball: TypeAlias = arb | acb

# --------------------------------------------------------------------------------------------------
# Floats


def normal_cdf(x: ArrayLike) -> NDArray[np.float64]:
    """Φ(x), elementwise, to about 1e-15 relative in both tails.

    >>> float(normal_cdf(0.0)), float(normal_cdf(np.inf))
    (0.5, 1.0)
    """
    return special.ndtr(np.asarray(x, dtype=float))


def owens_t(h: ArrayLike, a: ArrayLike) -> NDArray[np.float64]:
    """T(h, a), elementwise with broadcasting; ±∞ allowed, nan in gives nan out.

    SciPy's function does the finite values. The infinite ones are written here, because
    `scipy.special.owens_t(h, inf)` was wrong by a factor of two for years:

        T(±∞, a) = 0,    T(h, ±∞) = ±Φ(−|h|)/2

    >>> float(owens_t(0.0, np.inf)), float(owens_t(np.inf, 2.0)), float(owens_t(np.nan, 0.0))
    (0.25, 0.0, nan)
    """
    h, a = np.broadcast_arrays(np.asarray(h, dtype=float), np.asarray(a, dtype=float))
    value = np.asarray(special.owens_t(h, a))
    infinite = np.isinf(h) | np.isinf(a)
    if infinite.any():
        at_infinity = np.where(np.isinf(h), 0.0, np.sign(a) * special.ndtr(-np.abs(h)) / 2)
        value = np.where(infinite, at_infinity, value)
    return np.where(np.isnan(h) | np.isnan(a), np.nan, value)


def bivariate_normal_cdf(h: ArrayLike, k: ArrayLike, rho: ArrayLike) -> NDArray[np.float64]:
    """Φ₂(h, k; ρ), elementwise with broadcasting, to about 1e-15 absolute; ±∞ allowed, nan where |ρ| > 1.

        Φ₂ = Φ(h)/2 + Φ(k)/2 − T(h, a_h) − T(k, a_k) − [hk < 0]/2,   a_h = (k − ρh)/(h√(1 − ρ²))

    with k − ρh written as (k ∓ h) ± (1 ∓ ρ)h, whose small factors are exact as |ρ| → 1.

    Source: Owen (1956), eq. 2.1.

    >>> round(float(bivariate_normal_cdf(0.0, 0.0, 0.5)), 15)
    0.333333333333333
    """
    h, k, rho = np.broadcast_arrays(*(np.asarray(argument, dtype=float) for argument in (h, k, rho)))
    outside = np.isnan(h) | np.isnan(k) | ~(np.abs(rho) <= 1)
    singular = np.abs(rho) == 1
    axis = (h == 0) | (k == 0)
    infinite = np.isinf(h) | np.isinf(k)
    with np.errstate(all="ignore"):
        width = np.sqrt((1 - rho) * (1 + rho))
        opposite = (h < 0) != (k < 0)
        wedges = special.owens_t(h, _slope(h, k, rho, width)) + special.owens_t(k, _slope(k, h, rho, width))
        value = (special.ndtr(h) + special.ndtr(k)) / 2 - wedges - np.where(opposite, 0.5, 0.0)
        if axis.any():
            other = np.where(h == 0, k, h)
            value = np.where(axis, special.ndtr(other) / 2 + special.owens_t(other, rho / width), value)
        if singular.any():
            comonotone = special.ndtr(np.minimum(h, k))
            antimonotone = np.maximum(0.0, special.ndtr(h) - special.ndtr(-k))
            value = np.where(singular, np.where(rho > 0, comonotone, antimonotone), value)
        if infinite.any():
            value = np.where(infinite, special.ndtr(h) * special.ndtr(k), value)
    return np.where(outside, np.nan, np.clip(value, 0.0, 1.0))


def _slope(h: NDArray, k: NDArray, rho: NDArray, width: NDArray) -> NDArray:
    """(k − ρh)/(h√(1 − ρ²)) without loss of digits as |ρ| → 1."""
    numerator = np.where(rho > 0, (k - h) + (1 - rho) * h, (k + h) - (1 + rho) * h)
    return (numerator / h) / width


# --------------------------------------------------------------------------------------------------
# Balls


def normal_cdf_ball(x: Ball, analytic: bool = False) -> Ball:
    """Φ(x) = erfc(−x/√2)/2 on a ball; tight on wide real balls. Entire, so `analytic` is not needed.

    >>> normal_cdf_ball(arb(0))
    0.500000000000000
    """
    if isinstance(x, arb):
        if _size(x.rad()) > 2.0**-20:
            return _upper_tail(-x.lower()).union(_upper_tail(-x.upper()))
        return _upper_tail(-x)
    return (-x / arb(2).sqrt()).erfc() / 2


def owens_t_ball(h: Ball, a: Ball, analytic: bool = False) -> Ball:
    """T(h, a) on balls: valid for wide ones, infinite ones, and complex ones off the cuts a = ±i[1, ∞).

    Args:
        h, a: real or complex balls; real ones may be infinite.
        analytic: the promise asked for by `acb.integral`: nan when a complex `a` may touch a cut.

    Returns:
        A real ball if both arguments are real; right to about the working precision, relative, for exact
        arguments.

    >>> with ctx.workprec(120):
    ...     print(owens_t_ball(arb(1), arb(1) / 2).str(30, radius=False))
    0.0430646911207853656323810902694
    """
    h, a = _real_if_possible(h), _real_if_possible(a)
    if isinstance(h, arb) and isinstance(a, arb):
        return _owens_t_real(h, a)
    return _owens_t_complex(acb(h), acb(a))


def bivariate_normal_cdf_ball(h: Ball, k: Ball, rho: Ball, analytic: bool = False) -> Ball:
    """Φ₂(h, k; ρ) on balls: valid for wide ones, infinite ones; complex h and k for real −1 < ρ < 1.

    A ball for ρ that reaches beyond ±1 (rounding of a correlation equal to 1) is cut there.

    Returns:
        A real ball if all arguments are real, nan if ρ is certainly outside [−1, 1].

    >>> with ctx.workprec(120):
    ...     print(bivariate_normal_cdf_ball(arb(1), arb(-1), arb(1) / 2).str(30, radius=False))
    0.154872951858602787535592961863
    """
    h, k, rho = _real_if_possible(h), _real_if_possible(k), _real_if_possible(rho)
    if isinstance(rho, acb):
        return _nan(complex_valued=True)
    if isinstance(h, arb) and isinstance(k, arb):
        return _bivariate_real(h, k, rho)
    return _bivariate_complex(acb(h), acb(k), rho)


def _nan(complex_valued: bool = False) -> Ball:
    return acb(arb.nan(), arb.nan()) if complex_valued else arb.nan()


def _real_if_possible(x: Ball) -> Ball:
    return x.real if isinstance(x, acb) and x.imag.is_zero() else x


def _is_thin(*balls: arb) -> bool:
    """Whether a value at the midpoints and a bound on the derivative enclose the image well."""
    return all(_size(ball.rad()) <= 2.0**-20 for ball in balls)


def _up_to(bound: arb) -> arb:
    """The ball [−bound, bound]."""
    return arb(0, bound.abs_upper())


def _span(low: arb, high: arb) -> arb:
    """The ball from the lower end of `low` to the upper end of `high`."""
    return low.union(high)


def _upper_tail(x: arb) -> arb:
    """Q(x) = Φ(−x)."""
    if not x.is_finite():
        if x.is_nan():
            return x
        if x.is_exact():
            return arb(0) if x > 0 else arb(1)
        return arb(0).union(1)
    return (x / arb(2).sqrt()).erfc() / 2


# Owen's T, real


def _owens_t_real(h: arb, a: arb) -> arb:
    if h.is_nan() or a.is_nan():
        return arb.nan()
    if h.is_finite() and a.is_finite() and _is_thin(h, a):
        middle = h.mid()
        value = _owens_t_at(middle if middle >= 0 else middle.neg(exact=True), a.mid())
        if h.is_exact() and a.is_exact():
            return value
        h_low, a_low = h.abs_lower(), a.abs_lower()
        square = h_low * h_low / 2
        slope_h = (-square).exp() / 5  # |∂T/∂h| ≤ φ(h)/2 and 2√(2π) > 5
        slope_a = (-square * (1 + a_low * a_low)).exp() / (6 * (1 + a_low * a_low))  # 2π > 6
        return value + _up_to(slope_h * h.rad() + slope_a * a.rad())
    near, far = h.abs_lower(), h.abs_upper()
    low, high = a.lower(), a.upper()
    return _span(_owens_t_at(far if low >= 0 else near, low), _owens_t_at(near if high >= 0 else far, high))


def _owens_t_at(h: arb, a: arb) -> arb:
    """T(h, a) at one point: h ≥ 0, any a, exact (or as good as)."""
    if a < 0:
        return -_owens_t_at(h, a.neg(exact=True))
    if a == 0 or h == arb.pos_inf():
        return arb(0)
    if not a.is_finite():
        return _upper_tail(h) / 2
    if h == 0:
        return a.atan() / (2 * arb.pi())
    goal = ctx.prec
    with ctx.workprec(goal + 16 + _bits_of_square(h)):
        if a <= 1:
            return _wedge(h, a, goal + 8)
        small = 0.72 * _size(a * h) ** 2  # U(h, a) ≤ Q(h)Q(ah) is below Q(h)/2 by this many bits
        if small > goal + 16:
            return _upper_tail(h) * (1 - 2 * _upper_tail(a * h) * arb(0).union(1)) / 2
        return _upper_tail(h) / 2 - _complement(h, a, max(16, goal + 8 - int(small)))


def _bits_of_square(*points: arb) -> int:
    """Bits that e^{−h²/2} loses when h² is rounded: log2 h², at most 256 (it is then below 2^(−2^256))."""
    return min(256, 2 * max(0, *(math.frexp(_size(x))[1] for x in points)))


def _size(x: arb) -> float:
    """An upper bound of |x| as a float, or 1e150 if that is smaller: squares must not overflow."""
    return min(float(x.abs_upper()), 1e150) if x.is_finite() else 1e150


@lru_cache(maxsize=1024)
def _legendre(count: int, prec: int) -> tuple[tuple[arb, arb], ...]:
    """Squares of the positive nodes of the Gauss-Legendre rule on [−1, 1], and weights; `count` even."""
    with ctx.workprec(prec):
        rule = (arb.legendre_p_root(count, index, weight=True) for index in range(count // 2))
        return tuple((node * node, weight) for node, weight in rule)


# minor semi-axes s of ellipses with foci ±1, exact in binary, and 2 log ϱ
_SEMI_AXES = tuple(
    (s, 2 * math.asinh(s)) for s in (0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0)
)


def _wedge(h: arb, a: arb, goal: int) -> arb:
    """T(h, a) for h ≥ 0 and 0 ≤ a ≤ 1 (about), to `goal` bits, by Gauss-Legendre with a proven error."""
    half_square = h * h / 2
    a_square = a * a
    exponent = half_square * a_square
    size, slope = _size(exponent), _size(a)
    if not slope < 1.5:  # only balls too wide to be of use come here
        return _up_to(_upper_tail(h) / 2)
    if size > 0.7 * goal + 10:  # 0 ≤ T(h, ∞) − T(h, a) ≤ Q(h)Q(ah), below the last bit
        return _upper_tail(h) * (1 - 2 * _upper_tail(a * h) * arb(0).union(1)) / 2
    needed, semi_axis = min(
        ((0.7 * goal + 8 + size * s * s - math.log1p(-((slope * s) ** 2))) / rate, s)
        for s, rate in _SEMI_AXES
        if slope * s < 0.95
    )
    count = 8 * (int(needed) // 8 + 1)
    prec = 32 * (ctx.prec // 32 + 1)
    total = arb(0)
    for square, weight in _legendre(count, prec):
        total += weight * (-exponent * square).exp() / (1 + a_square * square)
    s = arb(semi_axis)
    ellipse = s + (1 + s * s).sqrt()
    bound = (exponent * s * s).exp() / (1 - a_square * s * s)
    total += _up_to(4 * bound * ellipse ** (1 - 2 * count) / (ellipse - 1))
    return a * (-half_square).exp() * total / (2 * arb.pi())


def _complement(h: arb, a: arb, goal: int) -> arb:
    """U(h, a) = T(h, ∞) − T(h, a) for h > 0 and any a: the far end of the wedge, to about `goal` bits."""
    if a < 0:
        return _upper_tail(h) - _complement(h, -a, goal)
    if not a > 0:  # a = 0, or a ball too close to it to say
        return _upper_tail(h) / 2 - a * arb(0).union(1) / 6
    if a < 1:
        if _size(a * h) ** 2 < goal:
            return _complement_near(h, a, goal)
        return _upper_tail(h) * _upper_tail(a * h) - _complement_far(a * h, 1 / a, goal)
    if _size(h) ** 2 < goal:
        extra = 2 * int(min(goal, math.log2(max(1.0, _size(a)))))
        return _upper_tail(h) * _upper_tail(a * h) - _complement_near(a * h, 1 / a, goal + extra)
    return _complement_far(h, a, goal)


def _complement_near(h: arb, a: arb, goal: int) -> arb:
    """Q(h)/2 − T(h, a) for 0 < a ≤ 1, with the bits that the subtraction costs."""
    cost = int(min(_size(a * h) ** 2, 2 * goal)) + 8
    with ctx.workprec(goal + cost + 16):
        return _upper_tail(h) / 2 - _wedge(h, a, goal + cost)


def _complement_far(h: arb, a: arb, goal: int) -> arb:
    """U(h, a) for a ≥ 1 and large h.

    U(h, a) = (e^{−h²(1+a²)/2}/2πh²a) ∫_0^∞ e^{−v−v²/(2h²a²)}/(1 + (a + v/(h²a))²) dv
    """
    rate = h * h * a
    scale = (-h * h * (1 + a * a) / 2).exp() / (2 * arb.pi() * rate)
    curvature = 1 / (2 * rate * a)
    end = int(0.7 * goal) + 8

    def integrand(v: acb, analytic: bool) -> acb:
        slope = a + v / rate
        return (-v - curvature * v * v).exp() / (1 + slope * slope)

    inside = acb.integral(integrand, 0, end, rel_tol=arb(2) ** -goal, abs_tol=arb(2) ** (-2 * goal)).real
    rest = arb(-end).exp() / (1 + a * a)
    return scale * (inside + rest * arb(0).union(1))


# Φ₂, real


def _bivariate_real(h: arb, k: arb, rho: arb) -> arb:
    if h.is_nan() or k.is_nan() or rho.is_nan() or rho > 1 or rho < -1:
        return arb.nan()
    inside = rho < 1 and rho > -1
    if inside and h.is_finite() and k.is_finite() and _is_thin(h, k, rho):
        if h.is_exact() and k.is_exact() and rho.is_exact():
            return _bivariate_at(h, k, rho)
        width = ((1 - rho) * (1 + rho)).sqrt()
        distance = ((h * h - 2 * rho * h * k + k * k) / (2 * width * width)).lower()
        slope = (-distance).exp() / (6 * width) if distance > 0 else 1 / (6 * width)
        slope_h = _density_bound(h) * _upper_tail((rho * h - k) / width)
        slope_k = _density_bound(k) * _upper_tail((rho * k - h) / width)
        spread = slope_h * h.rad() + slope_k * k.rad() + slope * rho.rad()
        if spread < arb(2) ** -16:
            return _bivariate_at(h.mid(), k.mid(), rho.mid()) + _up_to(spread)
    low, high = rho.lower(), rho.upper()
    low = low if low > -1 else arb(-1)
    high = high if high < 1 else arb(1)
    return _span(_bivariate_at(h.lower(), k.lower(), low), _bivariate_at(h.upper(), k.upper(), high))


def _density_bound(x: arb) -> arb:
    """φ(x) ≤ exp(−x²/2)/2 at the point of the ball nearest to zero."""
    near = x.abs_lower()
    return (-near * near / 2).exp() / 2


def _bivariate_at(h: arb, k: arb, rho: arb) -> arb:
    """Φ₂ at one exact point, with more bits when a cancellation needs them."""
    if h == arb.neg_inf() or k == arb.neg_inf():
        return arb(0)
    if h == arb.pos_inf() or k == arb.pos_inf():
        return _upper_tail(-(k if h == arb.pos_inf() else h))
    goal = ctx.prec
    value = arb(0).union(1)
    for bits in (goal + 24 + _bits_of_square(h, k), 2 * goal + 64, 4 * goal + 256):
        with ctx.workprec(bits):
            value = _bivariate_once(h, k, rho, bits)
        if value.is_finite() and value.rel_accuracy_bits() >= goal - 4:
            break
    return value


def _bivariate_once(h: arb, k: arb, rho: arb, goal: int) -> arb:
    if rho == 1:
        return _upper_tail(-(h if h < k else k))
    if rho == -1:
        return _upper_tail(-h) - _upper_tail(k) if h > -k else arb(0)
    if rho == 0:
        return _upper_tail(-h) * _upper_tail(-k)
    width = ((1 - rho) * (1 + rho)).sqrt()
    if h == 0 or k == 0:
        other = k if h == 0 else h
        slope = rho / width
        tail = abs(other)
        if other == 0:
            return arb(1) / 4 + slope.atan() / (2 * arb.pi())
        # Φ₂(0, k; ρ) = Φ(k)/2 + T(k, ρ/√(1 − ρ²))
        return _complement(tail, -slope, goal) if other < 0 else arb(1) / 2 - _complement(tail, slope, goal)
    corner = 1 if h > 0 and k > 0 else 0
    return corner + _half_wedge(h, k, rho, width, goal) + _half_wedge(k, h, rho, width, goal)


def _half_wedge(h: arb, other: arb, rho: arb, width: arb, goal: int) -> arb:
    """Φ(h)/2 − T(h, a), less 1/2 for h > 0, where a = (k − ρh)/(h√(1 − ρ²))."""
    complement = _complement(abs(h), -(other - rho * h) / (abs(h) * width), goal)
    return complement if h < 0 else -complement


# Complex arguments, for certified integrals of integrands that hold T or Φ₂


def _owens_t_complex(h: acb, a: acb) -> acb:
    """T at the midpoints by a certified integral, plus the derivatives over the balls times the offsets."""
    if not (h.is_finite() and a.is_finite()):
        return _nan(complex_valued=True)
    if a.real.contains(0) and not a.imag.abs_upper() < 1:
        return _nan(complex_valued=True)
    square = 1 + a * a
    density = (-h * h / 2).exp()
    slope_h = -density * (a * h / arb(2).sqrt()).erf() / (2 * arb(2 * arb.pi()).sqrt())
    slope_a = (-h * h * square / 2).exp() / (2 * arb.pi() * square)
    h_mid, a_mid = h.mid(), a.mid()
    half_square = h_mid * h_mid / 2

    def integrand(x: acb, analytic: bool) -> acb:
        factor = 1 + a_mid * a_mid * x * x
        return (-half_square * factor).exp() / factor

    value = a_mid * acb.integral(integrand, 0, 1) / (2 * arb.pi())
    return value + slope_h * (h - h_mid) + slope_a * (a - a_mid)


def _bivariate_complex(h: acb, k: acb, rho: arb) -> acb:
    """Plackett's integral (1954) at the midpoints, plus the derivatives over the balls times the offsets.

    Φ₂ = Φ(h)Φ(k) + (1/2π) ∫_0^{arcsin ρ} exp(−(h² + k² − 2hk sin θ)/(2cos²θ)) dθ
    """
    if not (h.is_finite() and k.is_finite() and rho < 1 and rho > -1):
        return _nan(complex_valued=True)
    width = ((1 - rho) * (1 + rho)).sqrt()
    density_scale = (2 * arb.pi()).sqrt()
    slope_h = (-h * h / 2).exp() / density_scale * normal_cdf_ball((k - rho * h) / width)
    slope_k = (-k * k / 2).exp() / density_scale * normal_cdf_ball((h - rho * k) / width)
    h_mid, k_mid = h.mid(), k.mid()
    squares, product = h_mid * h_mid + k_mid * k_mid, 2 * h_mid * k_mid

    def integrand(theta: acb, analytic: bool) -> acb:
        sine, cosine = theta.sin_cos()
        return (-(squares - product * sine) / (2 * cosine * cosine)).exp()

    independent = normal_cdf_ball(h_mid) * normal_cdf_ball(k_mid)
    value = independent + acb.integral(integrand, 0, acb(rho.asin())) / (2 * arb.pi())
    return value + slope_h * (h - h_mid) + slope_k * (k - k_mid)
