"""Three functions that Gaussian calculus cannot do without.

    Φ(x)          = ∫_{-∞}^x φ(t) dt                                     NormalCDF(x)
    T(h, a)       = (1/2π) ∫_0^a exp(−h²(1 + x²)/2)/(1 + x²) dx          OwenT(h, a)
    Φ₂(h, k; ρ)   = P(X ≤ h, Y ≤ k),  X, Y standard normal, corr ρ       BivariateNormalCDF(h, k, rho)

with φ(t) = exp(−t²/2)/√(2π). For h > 0 and a > 0, T(h, a) is the probability that X > h and 0 < Y < aX for
independent X, Y: a wedge cut by a line at distance h from the origin. The bivariate distribution function
is two such wedges (Owen 1956, eq. 2.1).

Each function comes with its derivative in every argument, its special values and symmetries (applied when
the expression is made, so that equal things look equal), LaTeX, and digits through mpmath. Floats and balls
are in `numerics.special`.

References: D. B. Owen, Tables for computing bivariate normal probabilities, Ann. Math. Stat. 27 (1956)
1075; D. B. Owen, A table of normal integrals, Comm. Stat. B 9 (1980) 389; NIST Digital Library of
Mathematical Functions, chapter 7.
"""

from __future__ import annotations

from typing import Any

import mpmath
import sympy as sp

__all__ = ["BivariateNormalCDF", "NormalCDF", "OwenT"]

_GUARD_BITS = 30


def _normal_density(x: sp.Expr) -> sp.Expr:
    """φ(x) = exp(−x²/2)/√(2π)."""
    return sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)


class NormalCDF(sp.Function):
    """Distribution function of the standard normal law.

        Φ(x) = (1 + erf(x/√2))/2,    Φ′(x) = φ(x)

    Φ(−x) is left as it is, not written 1 − Φ(x): the left tail keeps its digits. Identities between the two
    go through `rewrite(erf)`.

    Source: DLMF 7.1.2.

    >>> x = sp.Symbol("x", real=True)
    >>> NormalCDF(x).diff(x)
    sqrt(2)*exp(-x**2/2)/(2*sqrt(pi))
    >>> NormalCDF(x).rewrite(sp.erf)
    erf(sqrt(2)*x/2)/2 + 1/2
    >>> NormalCDF(0), NormalCDF(-sp.oo), NormalCDF(-10).evalf(20)
    (1/2, 0, 7.6198530241605260660e-24)
    """

    nargs = 1

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        if x is sp.nan or x is sp.zoo:
            return sp.nan
        if x == 0:
            return sp.Rational(1, 2)
        if x is sp.oo:
            return sp.Integer(1)
        if x is -sp.oo:
            return sp.Integer(0)
        return None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Φ′(x) = φ(x)."""
        if argindex != 1:
            raise sp.ArgumentIndexError(self, argindex)
        return _normal_density(self.args[0])

    def _eval_rewrite_as_erf(self, x: sp.Expr, **hints: Any) -> sp.Expr:
        return (1 + sp.erf(x / sp.sqrt(2))) / 2

    def _eval_rewrite_as_erfc(self, x: sp.Expr, **hints: Any) -> sp.Expr:
        return sp.erfc(-x / sp.sqrt(2)) / 2

    def _eval_is_real(self) -> bool | None:
        return True if self.args[0].is_extended_real else None

    def _eval_is_positive(self) -> bool | None:
        return True if self.args[0].is_real else None

    def _eval_is_nonnegative(self) -> bool | None:
        return True if self.args[0].is_extended_real else None

    def _eval_conjugate(self) -> sp.Expr:
        return self.func(self.args[0].conjugate())

    def _eval_evalf(self, prec: int) -> sp.Expr | None:
        return _digits(_mp_normal_cdf, self.args, prec)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return _latex_call(r"\Phi", printer, self.args, exp)


class OwenT(sp.Function):
    """Owen's T: the normal probability of a wedge with one side cut off.

        T(h, a) = (1/2π) ∫_0^a exp(−h²(1 + x²)/2)/(1 + x²) dx

        ∂T/∂h = −φ(h) erf(a h/√2)/2
        ∂T/∂a = exp(−h²(1 + a²)/2)/(2π(1 + a²))

    even in h, odd in a, with T(h, 0) = 0, T(0, a) = arctan(a)/(2π), T(h, 1) = Φ(h)Φ(−h)/2, T(h, ∞) =
    Φ(−|h|)/2. The h and a are real (extended: ±∞ allowed).

    Source: Owen (1956), eqs. 2.1 to 2.6; Owen (1980), section 1.

    >>> h, a = sp.symbols("h a", real=True)
    >>> OwenT(-h, a) - OwenT(h, a), OwenT(h, -a) + OwenT(h, a)
    (0, 0)
    >>> OwenT(h, 1)
    1/8 - erf(sqrt(2)*h/2)**2/8
    >>> OwenT(0, a), OwenT(h, sp.oo)
    (atan(a)/(2*pi), erfc(sqrt(2)*Abs(h)/2)/4)
    >>> OwenT(1, sp.Rational(1, 2)).evalf(30)
    0.0430646911207853656323810902694
    """

    nargs = 2

    @classmethod
    def eval(cls, h: sp.Expr, a: sp.Expr) -> sp.Expr | None:
        if any(argument is sp.nan or argument is sp.zoo for argument in (h, a)):
            return sp.nan
        if a == 0 or h in (sp.oo, -sp.oo):
            return sp.Integer(0)
        if h == 0:
            return sp.atan(a) / (2 * sp.pi)
        if a.could_extract_minus_sign():
            return -cls(h, -a)
        if h.could_extract_minus_sign():
            return cls(-h, a)
        if isinstance(h, sp.Abs) and h.args[0].is_extended_real:
            return cls(h.args[0], a)
        if a == 1:
            return (1 - sp.erf(h / sp.sqrt(2)) ** 2) / 8
        if a is sp.oo:
            return sp.erfc(sp.Abs(h) / sp.sqrt(2)) / 4
        return None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """∂T/∂h = −φ(h) erf(a h/√2)/2;  ∂T/∂a = exp(−h²(1 + a²)/2)/(2π(1 + a²))."""
        h, a = self.args
        if argindex == 1:
            return -_normal_density(h) * sp.erf(a * h / sp.sqrt(2)) / 2
        if argindex == 2:
            return sp.exp(-(h**2) * (1 + a**2) / 2) / (2 * sp.pi * (1 + a**2))
        raise sp.ArgumentIndexError(self, argindex)

    def _eval_rewrite_as_Integral(self, h: sp.Expr, a: sp.Expr, **hints: Any) -> sp.Expr:
        x = sp.Dummy("x", real=True)
        return sp.Integral(sp.exp(-(h**2) * (1 + x**2) / 2) / (1 + x**2), (x, 0, a)) / (2 * sp.pi)

    def _eval_is_real(self) -> bool | None:
        return True if all(argument.is_extended_real for argument in self.args) else None

    def _eval_is_positive(self) -> bool | None:
        h, a = self.args
        return a.is_extended_positive if h.is_real else None

    def _eval_is_negative(self) -> bool | None:
        h, a = self.args
        return a.is_extended_negative if h.is_real else None

    def _eval_is_nonnegative(self) -> bool | None:
        h, a = self.args
        return True if h.is_extended_real and a.is_extended_nonnegative else None

    def _eval_conjugate(self) -> sp.Expr:
        return self.func(*(argument.conjugate() for argument in self.args))

    def _eval_evalf(self, prec: int) -> sp.Expr | None:
        return _digits(_mp_owens_t, self.args, prec)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return _latex_call(r"\operatorname{T}", printer, self.args, exp)


class BivariateNormalCDF(sp.Function):
    """Probability of a quadrant under the standard bivariate normal law of correlation ρ.

        Φ₂(h, k; ρ) = P(X ≤ h, Y ≤ k)

        ∂Φ₂/∂h = φ(h) Φ((k − ρh)/√(1 − ρ²))
        ∂Φ₂/∂k = φ(k) Φ((h − ρk)/√(1 − ρ²))
        ∂Φ₂/∂ρ = exp(−(h² − 2ρhk + k²)/(2(1 − ρ²)))/(2π√(1 − ρ²))        (Plackett 1954)

    symmetric in h and k, with Φ₂(h, k; 0) = Φ(h)Φ(k), Φ₂(h, k; 1) = Φ(min(h, k)),
    Φ₂(h, k; −1) = max(0, Φ(h) + Φ(k) − 1), Φ₂(h, ∞; ρ) = Φ(h), Φ₂(0, 0; ρ) = 1/4 + arcsin(ρ)/(2π).
    The h and k are real (±∞ allowed), −1 ≤ ρ ≤ 1.

    Raises:
        ValueError: if ρ is a number outside [−1, 1].

    Source: Owen (1956), eq. 2.1; Owen (1980), section 3.

    >>> h, k, rho = sp.symbols("h k rho", real=True)
    >>> BivariateNormalCDF(h, k, rho) == BivariateNormalCDF(k, h, rho)
    True
    >>> BivariateNormalCDF(0, 0, rho), BivariateNormalCDF(h, k, 0)
    (asin(rho)/(2*pi) + 1/4, NormalCDF(h)*NormalCDF(k))
    >>> BivariateNormalCDF(h, k, 1), BivariateNormalCDF(h, sp.oo, rho)
    (NormalCDF(Min(h, k)), NormalCDF(h))
    >>> BivariateNormalCDF(1, -1, sp.Rational(1, 2)).evalf(30)
    0.154872951858602787535592961863
    """

    nargs = 3

    @classmethod
    def eval(cls, h: sp.Expr, k: sp.Expr, rho: sp.Expr) -> sp.Expr | None:
        if any(argument is sp.nan or argument is sp.zoo for argument in (h, k, rho)):
            return sp.nan
        if rho.is_Number and abs(rho) > 1:
            raise ValueError(f"expected -1 <= rho <= 1, got rho={rho}; rho is the correlation of the two normals")
        if -sp.oo in (h, k):
            return sp.Integer(0)
        if h is sp.oo:
            return NormalCDF(k)
        if k is sp.oo:
            return NormalCDF(h)
        if rho == 0:
            return NormalCDF(h) * NormalCDF(k)
        if h == 0 and k == 0:
            return sp.Rational(1, 4) + sp.asin(rho) / (2 * sp.pi)
        if rho == 1:
            return NormalCDF(sp.Min(h, k))
        if rho == -1:
            return sp.Max(0, NormalCDF(h) - NormalCDF(-k))
        first, second = sorted((h, k), key=sp.default_sort_key)
        if (first, second) != (h, k):
            return cls(first, second, rho)
        return None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """∂Φ₂/∂h = φ(h)Φ((k − ρh)/√(1 − ρ²)); ∂Φ₂/∂ρ is the bivariate density."""
        h, k, rho = self.args
        width = sp.sqrt(1 - rho**2)
        if argindex == 1:
            return _normal_density(h) * NormalCDF((k - rho * h) / width)
        if argindex == 2:
            return _normal_density(k) * NormalCDF((h - rho * k) / width)
        if argindex == 3:
            return sp.exp(-(h**2 - 2 * rho * h * k + k**2) / (2 * (1 - rho**2))) / (2 * sp.pi * width)
        raise sp.ArgumentIndexError(self, argindex)

    def _eval_rewrite_as_OwenT(self, h: sp.Expr, k: sp.Expr, rho: sp.Expr, **hints: Any) -> sp.Expr:
        """Φ₂ = Φ(h)/2 + Φ(k)/2 − T(h, (k − ρh)/(h√(1 − ρ²))) − T(k, (h − ρk)/(k√(1 − ρ²))) − [hk < 0]/2."""
        opposite = (h * k).is_negative
        if opposite is None or not (h.is_nonzero and k.is_nonzero):
            return self
        width = sp.sqrt(1 - rho**2)
        wedges = OwenT(h, (k - rho * h) / (h * width)) + OwenT(k, (h - rho * k) / (k * width))
        return (NormalCDF(h) + NormalCDF(k)) / 2 - wedges - (sp.Rational(1, 2) if opposite else 0)

    def _eval_is_real(self) -> bool | None:
        return True if all(argument.is_extended_real for argument in self.args) else None

    def _eval_is_nonnegative(self) -> bool | None:
        return self._eval_is_real()

    def _eval_conjugate(self) -> sp.Expr:
        return self.func(*(argument.conjugate() for argument in self.args))

    def _eval_evalf(self, prec: int) -> sp.Expr | None:
        return _digits(_mp_bivariate_normal_cdf, self.args, prec)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        h, k, rho = (printer._print(argument) for argument in self.args)
        power = "" if exp is None else f"^{{{exp}}}"
        return rf"\Phi_{{2}}{power}\left({h}, {k}; {rho}\right)"


def _latex_call(name: str, printer: Any, arguments: tuple[sp.Basic, ...], exp: str | None) -> str:
    inside = ", ".join(printer._print(argument) for argument in arguments)
    power = "" if exp is None else f"^{{{exp}}}"
    return rf"{name}{power}\left({inside}\right)"


# Digits. The pieces below are sums of positive terms wherever the size of the result varies
# exponentially, so that the digits are those of the result, also far in the tails.


def _digits(function: Any, arguments: tuple[sp.Basic, ...], prec: int) -> sp.Expr | None:
    """The value of `function` at numeric arguments, right to `prec` bits; None if one is symbolic.

    Computed twice, the second time with half as many bits again, until two values agree: no
    condition number is needed, and arguments that are expressions are evaluated anew each time.
    """
    bits, previous = prec + _GUARD_BITS, None
    for _ in range(12):
        try:
            with mpmath.workprec(bits):
                value = function(*(mpmath.mpmathify(argument._to_mpmath(bits)) for argument in arguments))
        except ValueError:
            return None
        if previous is not None:
            with mpmath.workprec(bits):
                if abs(value - previous) <= abs(value) * mpmath.ldexp(1, -prec - 4):
                    return sp.Expr._from_mpmath(value, prec)
        previous, bits = value, bits + bits // 2
    return None


def _mp_upper_tail(x: Any) -> Any:
    """Q(x) = Φ(−x)."""
    return mpmath.erfc(x / mpmath.sqrt(2)) / 2


def _mp_normal_cdf(x: Any) -> Any:
    return _mp_upper_tail(-x)


def _mp_owens_t(h: Any, a: Any) -> Any:
    """T(h, a): symmetries, then T = Q(h)/2 − (its complement) for |a| > 1."""
    if isinstance(h, mpmath.mpc) or isinstance(a, mpmath.mpc):
        return mpmath.quad(lambda x: mpmath.exp(-h * h * (1 + x * x) / 2) / (1 + x * x), [0, a / 2, a]) / (
            2 * mpmath.pi
        )
    h, sign, a = abs(h), mpmath.sign(a), abs(a)
    if a <= 1:
        return sign * _mp_wedge(h, a)
    return sign * (_mp_upper_tail(h) / 2 - _mp_complement(h, a))


def _mp_wedge(h: Any, a: Any) -> Any:
    """T(h, a) for h ≥ 0 and 0 ≤ a ≤ 1, with z = h²/2 and w = a²z, by one of two series.

    a² ≤ 1/2:  T = (a e^{−z}/2π) Σ_j (−a²)^j I_j
               I_j = ∫_0^1 u^{2j} e^{−wu²} du = (e^{−w} + 2w I_{j+1})/(2j + 1)
    a² > 1/2:  T = (1/2π) (arctan a − Σ_j (−1)^j a^{2j+1} P(Poisson(z) > j)/(2j + 1))

    Source of the second: Owen (1956), section 2; of the first: expand 1/(1 + a²u²).
    """
    bits, z = mpmath.mp.prec, h * h / 2
    w = a * a * z
    if w > bits:  # the rest of the integral up to infinity is below the last bit
        return _mp_upper_tail(h) / 2
    if 2 * a * a <= 1:
        terms = bits + 10
        integral, total = mpmath.mpf(0), mpmath.mpf(0)
        edge = mpmath.exp(-w)
        for j in range(max(terms, int(2 * w)) + bits + 10, -1, -1):
            integral = (edge + 2 * w * integral) / (2 * j + 1)
            if j <= terms:
                total = integral - a * a * total
        return a * mpmath.exp(-z) * total / (2 * mpmath.pi)
    with mpmath.workprec(bits + 3 * int(z) // 2 + 20):
        probability = mpmath.exp(-z)
        tail, power, total, j = 1 - probability, +a, mpmath.mpf(0), 0
        smallest = mpmath.ldexp(1, -mpmath.mp.prec)
        while j < 2 * z or probability > smallest:  # beyond 2z the tail is below twice its first term
            total += power * tail / (2 * j + 1)
            j += 1
            probability *= z / j
            tail -= probability
            power *= -a * a
        return (mpmath.atan(a) - total) / (2 * mpmath.pi)


def _mp_complement(h: Any, a: Any) -> Any:
    """U(h, a) = T(h, ∞) − T(h, a) = Q(h)Q(ah) − U(ah, 1/a) for h ≥ 0 and a ≥ 0."""
    if a == 0:
        return _mp_upper_tail(h) / 2
    if h == 0:
        return mpmath.atan(1 / a) / (2 * mpmath.pi)
    if a <= 1:
        if (a * h) ** 2 < 2 * mpmath.mp.prec:
            return _mp_complement_near(h, a)
        return _mp_upper_tail(h) * _mp_upper_tail(a * h) - _mp_complement_far(a * h, 1 / a)
    if h**2 < 2 * mpmath.mp.prec:
        return _mp_upper_tail(h) * _mp_upper_tail(a * h) - _mp_complement_near(a * h, 1 / a)
    return _mp_complement_far(h, a)


def _mp_complement_near(h: Any, a: Any) -> Any:
    """Q(h)/2 − T(h, a) for 0 < a ≤ 1, with the bits that the subtraction costs."""
    with mpmath.workprec(mpmath.mp.prec + int((a * h) ** 2) + 10):
        return _mp_upper_tail(h) / 2 - _mp_wedge(h, a)


def _mp_complement_far(h: Any, a: Any) -> Any:
    """U(h, a) for a ≥ 1 and large h.

    U(h, a) = (e^{−h²(1+a²)/2}/2πh²a) ∫_0^∞ e^{−v−v²/(2h²a²)}/(1 + (a + v/(h²a))²) dv
    """
    rate = h * h * a
    end = mpmath.mp.prec
    integral = mpmath.quad(
        lambda v: mpmath.exp(-v - v * v / (2 * rate * a)) / (1 + (a + v / rate) ** 2),
        mpmath.linspace(0, end, end // 16 + 1),
        method="gauss-legendre",
    )
    return mpmath.exp(-h * h * (1 + a * a) / 2) * integral / (2 * mpmath.pi * rate)


def _mp_half_wedge(h: Any, other: Any, rho: Any) -> Any:
    """Φ(h)/2 − T(h, a) with a = (k − ρh)/(h√(1 − ρ²)), less 1/2 when h > 0: a positive or a negative tail."""
    slope = (other - rho * h) / (abs(h) * mpmath.sqrt((1 - rho) * (1 + rho)))
    tail = -slope  # the wedge of h < 0 has slope a = −slope; that of h > 0 enters with the sign of −a
    complement = _mp_complement(abs(h), tail) if tail >= 0 else _mp_upper_tail(abs(h)) - _mp_complement(abs(h), -tail)
    return complement if h < 0 else -complement


def _mp_bivariate_normal_cdf(h: Any, k: Any, rho: Any) -> Any:
    """Φ₂ as a sum of two half wedges, after Owen (1956), eq. 2.1."""
    if rho == 1:
        return _mp_normal_cdf(min(h, k))
    if rho == -1:
        return max(mpmath.mpf(0), _mp_normal_cdf(h) - _mp_normal_cdf(-k))
    if h == 0 or k == 0:
        x = k if h == 0 else h
        return _mp_normal_cdf(x) / 2 + _mp_owens_t(x, rho / mpmath.sqrt((1 - rho) * (1 + rho)))
    both_positive = 1 if h > 0 and k > 0 else 0
    return both_positive + _mp_half_wedge(h, k, rho) + _mp_half_wedge(k, h, rho)
