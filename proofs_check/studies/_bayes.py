"""The Bayes risk of single-location regression: one certified integral, for every length, signal and noise.

Setting and letters are those of `single_location`: X_J ~ N(m k*, γ² I), the other L − 1 tokens N(0, σ² I),
Y = ⟨X_J, v*⟩ + ε ξ, k* ⟂ v*, d ≥ 2. Let g be the likelihood ratio of informative against background,
z = ⟨X, v*⟩. The posterior of J is p_ℓ = g_ℓ/Σ g, the Bayes predictor Ŷ = Σ p_ℓ z_ℓ, and its risk ε² + excess.

**Derivation.** excess = E (z_J − Ŷ)² = E [Σ p z² − (Σ p z)²]. Under the measure Q that makes every token
background, the prompt has the density (1/L) Σ g, and g depends on z through z² only, so that products z_ℓ z_ℓ′
of two tokens have mean zero. What remains is E Σ_{ℓ≠ℓ′} p_ℓ p_ℓ′ z_ℓ², that is, with 1/Σg = ∫ e^{−t Σ g} dt,

    excess = (L − 1) E_Q [g₁ g₂ z₁² / Σ g] = (L − 1) ∫_0^∞ E_Q[g z² e^{−tg}] E_Q[g e^{−tg}] E_Q[e^{−tg}]^{L−2} dt.

The first two means are means over the informative law, and weighting by z²/γ² adds two dimensions:

    excess = (L − 1) γ² ∫_0^∞ F₂(t) F(t) F_Q(t)^{L−2} dt,                                               (1)

with F_Q(t), F(t), F₂(t) the means of e^{−tg} for a background token, an informative token in R^d, and one
in R^{d+2}. Every factor lies in [0, 1] and nothing cancels: relative accuracy costs little even where the excess
is e^{−100}. (The notes have γ² − ∫ E_Q[g² z² e^{−tg}] F_Q(t)^{L−1} dt, which is the same number by subtraction.)

**One dimension.** For γ = σ, log g = μs ∓ μ²/2 with μ = m/σ and s standard normal (− background,
+ informative). For γ ≠ σ complete the square: with b = mσ²/(γ² − σ²) and W = ‖X + b k*‖²/σ²,

    log g = d log(σ/γ) + κW − κb²/σ² − m²/(2γ²),    κ = (1 − σ²/γ²)/2,

and W is noncentral chi-square for the background, W γ⁻²σ² for an informative token.

**Error bounds.** All integrals are trapezoidal sums over a lattice; for an f analytic in |Im x| ≤ a with
∫|f| ≤ M on every line of the strip the error is at most 2M/(e^{2πa/h} − 1) (Trefethen and Weideman 2014,
theorem 5.1).

- Outer, x = log t: on the line Im x = y each factor is at most itself at t cos y, so M = I/cos a with I the
  integral itself: the error is *relative*.
- Inner, γ = σ: on Im s = η with μη ≤ π/2, |e^{−tg}| ≤ 1 and |φ(s + iη)| = e^{η²/2} φ(s): M = e^{η²/2}.
- Inner, γ ≠ σ: W = r log(1 + e^y), |Im y| ≤ η < π/2. Then Re W > 0, |Im W| ≤ rη, the arguments of W and of
  W′ lie in [0, η], and |₀F₁(;ν; x)| ≤ ₀F₁(;ν; |x|). With |W| as the variable of integration,
  M = e^{max(1, σ²/γ²) rη/2}/cos η, and |e^{−tg}| ≤ 1 while |κ| rη ≤ π/2.
- Nodes left out: the Gaussian falls off monotonically, so its lattice sum is below its integral, at most φ(x)/x.
  Noncentral chi-square with two degrees of freedom or more is log-concave: beyond the last two nodes its
  logarithm is below the line through them.
- Tails in t: f ≤ 1 to the left; to the right F F_Q^{L−2} decreases and t F₂ sums to at most (σ²/γ²)(1 + 2h/e).
"""

from __future__ import annotations

import bisect
import itertools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from numbers import Rational
from operator import mul
from typing import Any

import numpy as np
import sympy as sp
from flint import arb, ctx, fmpq

from numerics import Simulator
from numerics.balls import ball, register_ball_rule
from numerics.quadrature import QuadratureBudgetExceeded
from proofs_check.certified import CertifiedNumerics
from proofs_check.check import Check, Checkable, Context
from proofs_check.claim import claim
from proofs_check.monte_carlo import MonteCarloAgreement
from proofs_check.verdict import Verdict
from theory import Agreement, Domain, Expectation, Inequality, NormalCDF, equal, gaussians
from theory.notation import L, d, epsilon, gamma, m, sigma

__all__ = [
    "BAYES_SIMULATOR",
    "BayesExcess",
    "WithSimulator",
    "bayes_claims",
    "bayes_excess_at",
    "bayes_excess_ball",
]

Q = sp.Rational
SECONDS = 30.0
OUTER_STRIP = fmpq(3, 2)  # below π/2; the bound has a factor 1/cos
PHASE = fmpq(3, 2)  # the largest |Im log g| in the inner strips, below π/2
INNER_STRIP = fmpq(5, 4)
ORDER = 5  # of the Taylor polynomial of the exponential: spares most of its values


# --- the integral --------------------------------------------------------------------------


def bayes_excess_ball(
    L: int,
    m: Any,
    gamma: Any,
    sigma: Any = 1,
    d: int | None = None,
    digits: int = 8,
    seconds: float = SECONDS,
) -> arb:
    """The excess risk of the Bayes predictor, as a ball: E (Y − Ŷ)² − ε² for orthogonal teacher directions.

        (L − 1) γ² ∫_0^∞ F₂(t) F(t) F_Q(t)^{L−2} dt

    Args:
        L: sequence length, at least 1.
        m: signal strength, any sign.
        gamma, sigma: standard deviations of the informative token and of the background, positive.
        d: dimension, at least 2; needed for γ ≠ σ, and without effect for γ = σ.
        digits: significant digits asked for.
        seconds: time allowed.

    The numbers may be int, Fraction, float (its exact binary value), or sympy numbers such as sqrt(200).

    Returns:
        A ball that holds the excess, with a relative radius below 10^−digits.

    Raises:
        ValueError: naming the argument, its value and what was expected.
        QuadratureBudgetExceeded: if the digits are not reached in the seconds allowed, with the best ball.

    >>> print(bayes_excess_ball(2, sp.sqrt(2), 1, digits=10).str(10, radius=False))
    0.2247997546
    """
    length = _integer("L", L, 1, "the sequence length")
    if d is not None:
        d = _integer("d", d, 2, "the dimension, which holds two orthogonal directions")
    if not isinstance(digits, int) or not 1 <= digits <= 200:
        raise ValueError(f"expected 1 <= digits <= 200, got digits={digits!r}")
    numbers = {name: _exact(name, given) for name, given in (("m", m), ("gamma", gamma), ("sigma", sigma))}
    for name in ("gamma", "sigma"):
        if not numbers[name].is_positive:
            raise ValueError(f"expected {name} > 0, got {name}={numbers[name]}; {name} is a standard deviation")
    is_equal = numbers["gamma"] == numbers["sigma"]
    if not is_equal and d is None:
        raise ValueError(
            "expected d for gamma != sigma, got d=None; the Bayes predictor then uses ‖X‖², whose law depends on d"
        )
    if not is_equal and ball(numbers["gamma"] - numbers["sigma"], {}).contains(0):
        raise ValueError(f"expected gamma = sigma or different ones, got {gamma} and {sigma}, too close to tell")
    dimension = None if is_equal else d

    def parameters() -> tuple[arb, arb, arb]:
        first, second, third = (ball(numbers[name], {}, int(ctx.prec / 3.33)) for name in ("m", "gamma", "sigma"))
        return first, second, third

    return _excess(length, parameters, dimension, digits, seconds)


def bayes_excess_at(L: int, m: float, gamma: float, sigma: float = 1.0, d: int | None = None) -> float:
    """The excess risk of the Bayes predictor as a float, right to about eight digits.

    Arguments and errors are those of `bayes_excess_ball`.

    >>> round(bayes_excess_at(L=4, m=1.5**0.5, gamma=0.5**0.5, d=3), 8)
    0.24374549
    """
    return float(bayes_excess_ball(L, m, gamma, sigma, d, digits=9))


def _integer(name: str, given: Any, least: int, meaning: str) -> int:
    if isinstance(given, (bool, np.bool_)) or not isinstance(given, (int, np.integer, sp.Integer)) or given < least:
        raise ValueError(f"expected an integer {name} >= {least}, got {name}={given!r}; {name} is {meaning}")
    return int(given)


def _exact(name: str, given: Any) -> sp.Expr:
    """The number, exact; a float as its binary value."""
    if isinstance(given, sp.Expr) and given.is_real and not given.free_symbols and not given.has(sp.Float):
        return given
    if isinstance(given, (int, float, Rational)) and not isinstance(given, bool) and math.isfinite(given):
        return Q(*Fraction(given).as_integer_ratio())
    raise ValueError(f"expected a finite real number {name}, got {name}={given!r}")


def _excess(
    length: int,
    parameters: Callable[[], tuple[arb, arb, arb]],
    dimension: int | None,
    digits: int,
    seconds: float,
    power: int = 2,
) -> arb:
    """The excess to so many digits; `power` 4 weights by z⁴/(3γ⁴) where the excess has z²/γ².

    `parameters` gives balls of m, γ, σ at the working precision, a dimension means γ ≠ σ.
    """
    if length == 1:
        return arb(0)
    deadline = time.monotonic() + seconds
    best, accuracy = arb.nan(), 2.31 * (digits + 4) + _log_overlap(*parameters(), dimension)
    while True:
        # what is left out is e^−accuracy, absolute; the rounding errors are relative
        bits = int(3.33 * digits) + 110
        with ctx.workprec(bits):
            m, gamma, sigma = parameters()
            try:
                integral = _integral(length, m, gamma, sigma, dimension, power, digits, accuracy, deadline)
            except QuadratureBudgetExceeded:
                found = f"the best ball was {best.str(10)}" if best.is_finite() else "no ball was reached"
                raise QuadratureBudgetExceeded(
                    f"{digits} digits of the Bayes excess were not reached in {seconds:g} s; {found}; "
                    "raise seconds, or ask for fewer digits"
                ) from None
            best = (length - 1) * gamma * gamma * integral
            if best.is_finite() and best.rad() <= arb(10) ** -digits * best.abs_lower():
                return best
        size = float(integral.abs_upper()) if integral.is_finite() and integral > 0 else 0.0
        wanted = 2.31 * (digits + 4) - math.log(size) if size > 0 else 0.0
        accuracy = max(wanted, 1.3 * accuracy)


def _log_overlap(m: arb, gamma: arb, sigma: arb, dimension: int | None) -> float:
    """−log of the squared Bhattacharyya coefficient of the two laws of a token: about the size of the excess.

        (∫ √(p q))² = (2γσ/(γ² + σ²))^d exp(−m²/(2(γ² + σ²)))

    It only chooses where to begin.
    """
    total = gamma**2 + sigma**2
    return float(m * m / (2 * total) - (dimension or 0) * (2 * gamma * sigma / total).log())


def _integral(
    length: int,
    m: arb,
    gamma: arb,
    sigma: arb,
    dimension: int | None,
    power: int,
    digits: int,
    accuracy: float,
    deadline: float,
) -> arb:
    """∫_0^∞ F₂ F F_Q^{L−2} dt by the trapezoidal rule in log t, with every error."""
    ratio = (sigma / gamma) ** 2
    inner = accuracy + 8 + math.log(length) + max(0.0, math.log(float(ratio)))
    if dimension is None:
        lattice = _gaussian_lattice(m / sigma, inner, deadline)
    else:
        lattice = _chi_square_lattice(m, gamma, sigma, dimension, power, inner, deadline)
    strip = arb(OUTER_STRIP)
    step = arb(2 * math.pi * float(OUTER_STRIP) / (2.31 * (digits + 2) + 4)).mid()
    total, start = arb(0), -(accuracy + 3)
    left = step * arb(start).exp() / (1 - (-step).exp())
    for node in itertools.count():
        _keep_time(deadline)
        log_t = arb(start) + node * step
        t = log_t.exp()
        background, informative, weighted = lattice.means(t, start + node * float(step))
        others = informative * _power(background, length - 2)
        total += step * t * weighted * others
        right = others.abs_upper() * ratio * (1 + 2 * step)
        if right < arb(-accuracy).exp():
            break
    total += _up_to(left) + _up_to(right)
    error = 2 / (strip.cos() * ((2 * arb.pi() * strip / step).exp() - 1))
    return total / (1 + arb(0, error.abs_upper()))


def _power(x: arb, exponent: int) -> arb:
    """xⁿ of a ball in [0, 1] that may hold zero."""
    result = arb(1)
    while exponent:
        if exponent & 1:
            result = result * x
        x, exponent = x * x, exponent >> 1
    return result


def _up_to(top: arb) -> arb:
    return arb(0).union(top.abs_upper())


def _keep_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise QuadratureBudgetExceeded("the seconds allowed are spent")


# --- the three means of e^{−tg} ------------------------------------------------------------


@dataclass(frozen=True)
class _Lattice:
    """Weights on a lattice for three laws of the likelihood ratio, in increasing order of g.

    Args:
        logs: log g at the nodes, about.
        ratios: g at the nodes.
        weights: of the background, the informative token, and the weighted informative token.
        sums: for each law and each power k up to ORDER the partial sums of weight·g^k, one more than there are nodes.
        tails: what the weights left out sum to, at most.
        error: of the trapezoidal rule, for any function of g that is at most one in the strip.
        accuracy: e^−accuracy is small enough to be left out.
    """

    logs: list[float]
    ratios: list[arb]
    weights: list[list[arb]]
    sums: list[list[list[arb]]]
    tails: list[arb]
    error: arb
    accuracy: float

    @staticmethod
    def of(
        logs: list[float],
        ratios: list[arb],
        weights: list[list[arb]],
        tails: list[arb],
        error: arb,
        accuracy: float,
    ) -> _Lattice:
        """From nodes in any monotone order."""
        if logs[0] > logs[-1]:
            logs, ratios, weights = logs[::-1], ratios[::-1], [w[::-1] for w in weights]
        sums = []
        for w in weights:
            terms, of_law = w, []
            for _ in range(ORDER + 1):
                of_law.append(list(itertools.accumulate(terms, initial=arb(0))))
                terms = list(map(mul, terms, ratios))
            sums.append(of_law)
        return _Lattice(logs, ratios, weights, sums, tails, error.abs_upper(), accuracy)

    def means(self, t: arb, log_t: float) -> list[arb]:
        """E e^{−tg} for the three laws.

        Where tg < e^{−P/(n+1)} the exponential is its Taylor polynomial of order n up to e^{−P}, and its sum comes
        from the partial sums; where tg > P it is below e^{−P}. The logs are floats, the margin is one.
        """
        P = self.accuracy
        low = bisect.bisect_left(self.logs, -P / (ORDER + 1) - 1 - log_t)
        high = max(low, bisect.bisect_right(self.logs, math.log(P) + 1 - log_t))
        nearly_zero = _up_to(arb(-P).exp())
        kernel = [(-(t * g)).exp() for g in self.ratios[low:high]]
        taylor = [arb(1)]
        for k in range(1, ORDER + 1):
            taylor.append(-taylor[-1] * t / k)
        means = []
        for weights, sums, tail in zip(self.weights, self.sums, self.tails, strict=True):
            mean = sum(map(mul, weights[low:high], kernel), _up_to(tail) + arb(0, self.error))
            mean += sum((taylor[k] * sums[k][low] for k in range(ORDER + 1)), arb(0))
            mean += sums[0][low] * arb(0, arb(-P).exp()) + (sums[0][-1] - sums[0][high]) * nearly_zero
            means.append(mean)
        return means


def _gaussian_lattice(mu: arb, accuracy: float, deadline: float) -> _Lattice:
    """γ = σ: log g = μs − μ²/2, s ~ N(0, 1) for the background and N(μ, 1) for an informative token."""
    if mu < 0:
        mu = -mu
    size = float(mu.abs_upper())
    strip = min(math.sqrt(2 * accuracy), float(PHASE) / size if size > 0 else math.inf)
    eta = arb(strip * (1 - 1e-9)).mid()
    step = arb(2 * math.pi * strip / (accuracy + strip**2 / 2 + 1)).mid()
    reach = math.sqrt(2 * accuracy + 12) + 1
    first, last = math.floor(-reach / float(step)), math.ceil((size + reach) / float(step))
    scale = step / (2 * arb.pi()).sqrt()
    logs, ratios, null, informative = [], [], [], []
    for i in range(first, last + 1):
        if not i % 256:
            _keep_time(deadline)
        s = i * step
        log_ratio = mu * (s - mu / 2)
        ratio, weight = log_ratio.exp(), scale * (-s * s / 2).exp()
        logs.append(float(log_ratio))
        ratios.append(ratio)
        null.append(weight)
        informative.append(weight * ratio)  # φ(s − μ) = φ(s) g
    error = 2 * (eta * eta / 2).exp() / ((2 * arb.pi() * eta / step).exp() - 1)
    ends = -first * step, last * step
    tails = [sum(_gaussian_tail(x) for x in (ends[0] + shift, ends[1] - shift)) for shift in (arb(0), mu, mu)]
    return _Lattice.of(logs, ratios, [null, informative, informative], tails, error, accuracy)


def _gaussian_tail(x: arb) -> arb:
    """P(s > x) ≤ φ(x)/x for x > 0."""
    return (-x * x / 2).exp() / (x * (2 * arb.pi()).sqrt()) if x > 0 else arb.nan()


def _chi_square_lattice(
    m: arb, gamma: arb, sigma: arb, dimension: int, power: int, accuracy: float, deadline: float
) -> _Lattice:
    """γ ≠ σ: log g is affine in W = r log(1 + e^y), noncentral chi-square up to a scale."""
    ratio = (sigma / gamma) ** 2
    difference = gamma * gamma - sigma * sigma
    kappa = (1 - ratio) / 2
    centre = m * sigma / difference  # b/σ
    offset = (sigma / gamma).log() * dimension - kappa * centre**2 - m * m / (2 * gamma * gamma)
    background = _ChiSquare(dimension, centre * centre, arb(1))
    informative = _ChiSquare(dimension + power, (m * gamma / difference) ** 2, ratio)
    largest_scale = max(1.0, float(ratio))
    phase = min(float(PHASE) / float(abs(kappa).abs_upper()), 2 * accuracy / largest_scale)
    eta = arb(INNER_STRIP)
    r = arb(phase / float(INNER_STRIP) * (1 - 1e-9)).mid()
    growth = arb(largest_scale * (1 + 1e-9)) * r * eta / 2
    step = arb(2 * math.pi * float(eta) / (accuracy + float(growth) + 2)).mid()
    error = 2 * growth.exp() / (eta.cos() * ((2 * arb.pi() * eta / step).exp() - 1))

    def node(i: int) -> _Node:
        """W = r log(1 + e^{i step}); the informative density is g times that of the background."""
        _keep_time(deadline)
        exponential = (step * i).exp()
        w = r * exponential.log1p()
        slope = r * exponential / (1 + exponential)
        g, null = (offset + kappa * w).exp(), background.density(w)
        return _Node(w, slope, offset + kappa * w, g, [null, null * g, informative.density(w)])

    def index(w: float) -> int:
        x = w / float(r)
        return round((x + math.log(-math.expm1(-x))) / float(step))

    middles = [index(law.middle()) for law in (background, informative)]
    nodes = {i: node(i) for i in range(min(middles), max(middles) + 1)}
    negligible = arb(-accuracy - 12).exp()
    for start, direction in ((min(middles) - 1, -1), (max(middles) + 1, 1)):
        for i in itertools.count(start, direction):
            nodes[i] = node(i)
            if all(step * nodes[i].slope * density < negligible for density in nodes[i].densities):
                break
    kept = [nodes[i] for i in sorted(nodes)]
    weights = [[step * node.slope * node.densities[k] for node in kept] for k in range(3)]
    tails = [_left_tail(kept[0], kept[1], k) + _right_tail(kept[-1], kept[-2], k, r) for k in range(3)]
    logs, ratios = [float(node.log_ratio) for node in kept], [node.ratio for node in kept]
    return _Lattice.of(logs, ratios, weights, tails, error, accuracy)


@dataclass(frozen=True)
class _Node:
    """A node of the lattice in y: W, dW/dy, log g, g, and the three densities of W."""

    w: arb
    slope: arb
    log_ratio: arb
    ratio: arb
    densities: list[arb]


def _left_tail(last: _Node, inner: _Node, law: int) -> arb:
    """What the weights to the left of the last node sum to, at most: w f(w) max(1, e^{−sw}), s the secant of log f.

    To the left of w the line through the last two nodes lies above log f, and the dW/dy, which increase, sum to
    at most their integral w.
    """
    secant = (inner.densities[law] / last.densities[law]).log() / (inner.w - last.w)
    return last.w * last.densities[law] * (1 + (-secant * last.w).exp())


def _right_tail(last: _Node, inner: _Node, law: int, r: arb) -> arb:
    """What the weights to the right of the last node sum to, at most: f(w)/|s|, times 1 + e^−y = r/(dW/dy).

    There f decreases and dW/dy is at most r, so that the sum is below ∫ f r dy ≤ (1 + e^−y) ∫ f dW.
    """
    fall = (inner.densities[law] / last.densities[law]).log()
    return r / last.slope * last.densities[law] * (last.w - inner.w) / fall if fall > 0 else arb.nan()


@dataclass(frozen=True)
class _ChiSquare:
    """The law of V/scale, V noncentral chi-square with n degrees of freedom and noncentrality δ.

    density of V:  2^{−n/2}/Γ(n/2) v^{n/2−1} e^{−(v+δ)/2} ₀F₁(; n/2; δv/4)
    """

    n: int
    noncentrality: arb
    scale: arb

    def density(self, w: arb) -> arb:
        v = w * self.scale
        half = arb(self.n) / 2
        power = (half - 1) * v.log() - half * arb(2).log() - half.lgamma() - (v + self.noncentrality) / 2
        return power.exp() * _hypergeometric(self.noncentrality * v / 4, half) * self.scale

    def middle(self) -> float:
        return (self.n + float(self.noncentrality)) / float(self.scale)


def _hypergeometric(x: arb, a: arb) -> arb:
    """₀F₁(; a; x) for x ≥ 0; for large x Arb loses bits, which a higher precision gives back."""
    value = x.hypgeom_0f1(a)
    bits = ctx.prec
    for more in (2, 4):
        if value.rel_accuracy_bits() > bits - 50:
            break
        with ctx.workprec(more * bits):
            value = x.hypgeom_0f1(a)
    return value


# --- the excess as an expression -----------------------------------------------------------


class BayesExcess(sp.Function):
    """The excess risk of the Bayes predictor as a function: BayesExcess(L, m, γ, σ, d), known through its ball."""

    nargs = 5
    is_real = True
    is_nonnegative = True

    def _latex(self, printer: Any, exp: Any = None) -> str:
        inside = ", ".join(printer._print(argument) for argument in self.args)
        name = r"\mathcal{E}_{\mathrm{Bayes}}" + (f"^{{{exp}}}" if exp is not None else "")
        return rf"{name}\left({inside}\right)"


def _ball_of_excess(L: arb, m: arb, gamma: arb, sigma: arb, d: arb) -> arb:
    """The excess at thin balls; nan for wide ones."""
    L, m, gamma, sigma, d = (arb(x) for x in (L, m, gamma, sigma, d))  # numbers of the formula come as integers
    length, dimension = L.unique_fmpz(), d.unique_fmpz()
    is_equal = gamma.is_exact() and sigma.is_exact() and gamma == sigma
    thin = all(x.is_exact() or x.rel_accuracy_bits() > ctx.prec - 20 for x in (m, gamma, sigma))
    if length is None or dimension is None or not (thin and gamma > 0 and sigma > 0 and length >= 1 and dimension >= 2):
        return arb.nan()
    if not is_equal and gamma.overlaps(sigma):
        return arb.nan()
    digits = max(1, int((ctx.prec - 40) / 3.33))
    return _excess(int(length), lambda: (m, gamma, sigma), None if is_equal else int(dimension), digits, SECONDS)


register_ball_rule(BayesExcess, _ball_of_excess)


# --- the simulator: the Bayes predictor of the definition, in full dimension ---------------


def draw(
    rng: np.random.Generator,
    n: int,
    *,
    k_star: np.ndarray,
    v_star: np.ndarray,
    L: int,
    gamma: float,
    m: float,
    sigma: float = 1.0,
    epsilon: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """n prompts and targets: tokens (n, L, d), targets (n,)."""
    tokens, location = _prompts(rng, n, k_star, L, gamma, m, sigma)
    signal = tokens[np.arange(n), location] @ v_star
    return tokens, signal + epsilon * rng.standard_normal(n)


def draw_location(
    rng: np.random.Generator,
    n: int,
    *,
    k_star: np.ndarray,
    L: int,
    gamma: float,
    m: float,
    sigma: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """n prompts (n, L, d), and where the informative token is, as a row of zeros and a one (n, L)."""
    tokens, location = _prompts(rng, n, k_star, L, gamma, m, sigma)
    return tokens, np.eye(L)[location]


def _prompts(
    rng: np.random.Generator, n: int, k_star: np.ndarray, L: int, gamma: float, m: float, sigma: float
) -> tuple[np.ndarray, np.ndarray]:
    noise = rng.standard_normal((n, L, len(k_star)))
    location = rng.integers(L, size=n)
    tokens, prompt = sigma * noise, np.arange(n)
    tokens[prompt, location] = m * np.asarray(k_star) + gamma * noise[prompt, location]
    return tokens, location


def posterior(tokens: np.ndarray, *, k_star: np.ndarray, gamma: float, m: float, sigma: float = 1.0) -> np.ndarray:
    """p_ℓ ∝ exp(−‖X_ℓ − m k*‖²/(2γ²) + ‖X_ℓ‖²/(2σ²)), of shape (n, L)."""
    centred = tokens - m * np.asarray(k_star)
    exponent = np.einsum("nld,nld->nl", tokens, tokens) / (2 * sigma**2)
    exponent -= np.einsum("nld,nld->nl", centred, centred) / (2 * gamma**2)
    weights = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def predict(
    tokens: np.ndarray, *, k_star: np.ndarray, v_star: np.ndarray, gamma: float, m: float, sigma: float = 1.0
) -> np.ndarray:
    """Ŷ = Σ_ℓ p_ℓ ⟨X_ℓ, v*⟩ for tokens of shape (n, L, d)."""
    weights = posterior(tokens, k_star=k_star, gamma=gamma, m=m, sigma=sigma)
    return np.einsum("nl,nl->n", weights, tokens @ np.asarray(v_star))


BAYES_SIMULATOR = Simulator(draw, predict)
NISHIMORI_SIMULATOR = Simulator(
    draw_location, posterior, loss=lambda location, p: np.einsum("nl,nl->n", location - p, p)
)


def second_moment_of_the_loss(
    *,
    k_star: np.ndarray,
    v_star: np.ndarray,
    L: int,
    gamma: float,
    m: float,
    sigma: float = 1.0,
    epsilon: float = 0.0,
) -> float:
    """An upper bound of E (Y − Ŷ)⁴.

        3ε⁴ + 6ε² excess + 24 γ⁴ excess₄,    excess₄ = (L − 1) ∫_0^∞ F₄ F F_Q^{L−2} dt ≤ 1

    Proof. Y − Ŷ = εξ + D with D = z_J − Ŷ = E[z_J − z_J′ | X, J], where J′ is a second draw from the posterior.
    By Jensen E D⁴ ≤ E (z_J − z_J′)⁴ = E Σ_{ℓ≠ℓ′} p_ℓ p_ℓ′ (z_ℓ − z_ℓ′)⁴. The signs of the z_ℓ are independent of p
    and of one another, so odd powers drop out, and z⁴ + 6z²z′² + z′⁴ ≤ 4(z⁴ + z′⁴): at most
    8 E Σ_{ℓ≠ℓ′} p_ℓ p_ℓ′ z_ℓ⁴, which is formula (1) with z⁴ in place of z²: weighting an informative token by
    z⁴/(3γ⁴) adds four dimensions.
    """
    dimension = None if gamma == sigma else len(k_star)
    numbers = tuple(_exact(name, x) for name, x in (("m", m), ("gamma", gamma), ("sigma", sigma)))

    def parameters() -> tuple[arb, arb, arb]:
        first, second, third = (ball(x, {}, int(ctx.prec / 3.33)) for x in numbers)
        return first, second, third

    fourth = float(_excess(L, parameters, dimension, 6, SECONDS, power=4).upper()) * gamma**2
    excess = bayes_excess_at(L, m, gamma, sigma, len(k_star))
    return (3 * epsilon**4 + 6 * epsilon**2 * excess + 24 * fourth) * (1 + 1e-6)


@dataclass(frozen=True)
class WithSimulator(Check):
    """Another check, run with a simulator of its own in place of the study's.

    Args:
        check: what is run.
        simulator: what it draws from.
    """

    check: Check
    simulator: Simulator

    @property
    def name(self) -> str:
        """That of the check."""
        return self.check.name

    @property
    def is_statistical(self) -> bool:  # type: ignore[override]
        """As the check."""
        return self.check.is_statistical

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Run the check on the simulator."""
        return self.check.run(claim, replace(context, simulator=self.simulator))


# --- claims --------------------------------------------------------------------------------

DERIVED = "derived here"
DURANTHON = "Duranthon et al. (2025), arXiv 2509.21936"
excess = sp.Symbol("E_Bayes", nonnegative=True)
CONSTANTS = Domain(
    {
        L: (1, 12),
        m: (0, 5),
        gamma: (Q(1, 4), 2),
        sigma: (Q(1, 4), 2),
        d: (2, 10),
        epsilon: (0, 1),
        excess: (0, 4),
    }
)


def _model(length: int, m: float, gamma: float, sigma: float, epsilon: float, dimension: int) -> dict[str, Any]:
    """Teacher directions that are no coordinate axes, and the constants."""
    frame, _ = np.linalg.qr(np.vander(np.linspace(1, 2, dimension), 2))
    directions = {"k_star": frame[:, 0], "v_star": frame[:, 1]}
    return {**directions, "L": length, "m": m, "gamma": gamma, "sigma": sigma, "epsilon": epsilon}


MODELS = (
    _model(4, 1.5**0.5, 0.5**0.5, 1.0, 0.0, 3),
    _model(3, 1.25, 1.375, 0.75, 0.25, 5),
    _model(5, 1.5, 1.0, 1.0, 0.125, 2),
)


def _certified_coordinates(
    *,
    k_star: np.ndarray,
    v_star: np.ndarray,
    L: int,
    gamma: float,
    m: float,
    sigma: float = 1.0,
    epsilon: float = 0.0,
) -> Mapping[str, float]:
    return {str(excess): bayes_excess_at(L, m, gamma, sigma, len(k_star)), "epsilon": epsilon}


@claim(
    on=CONSTANTS,
    by=[
        WithSimulator(
            MonteCarloAgreement(
                resolution=0.01,
                models=MODELS,
                second_moment=second_moment_of_the_loss,
                coordinates=_certified_coordinates,
            ),
            BAYES_SIMULATOR,
        )
    ],
    source=DERIVED,
)
def bayes_risk_is_the_mean_of_the_bayes_predictor():
    """The risk of Ŷ = Σ p_ℓ⟨X_ℓ, v*⟩, p_ℓ ∝ exp(−‖X_ℓ − mk*‖²/(2γ²) + ‖X_ℓ‖²/(2σ²)), drawn in R^d, is ε² plus the
    certified integral E_Bayes = (L−1)γ² ∫ F₂ F F_Q^{L−2} dt, also for γ ≠ σ."""
    return Agreement(epsilon**2 + excess)


@claim(
    on=CONSTANTS,
    by=[
        WithSimulator(
            MonteCarloAgreement(
                absolute=0.005,
                models=[{k: x for k, x in model.items() if k not in ("v_star", "epsilon")} for model in MODELS],
                variance=Q(1, 4),
            ),
            NISHIMORI_SIMULATOR,
        )
    ],
    source=f"{DERIVED}; the Nishimori identity",
)
def nishimori_identity():
    """E p_J = E Σ p_ℓ²: the informative token and a token drawn from the posterior have the same law. Given the
    prompt p_J − Σ p_ℓ² has mean zero and at most the variance 1/4 of a number in [0, 1]."""
    return Agreement(sp.Integer(0), "posterior weight of the informative token less the sum of the squared weights")


@claim(on=Domain({m: (Q(1, 4), 5)}), by=[CertifiedNumerics(digits=15, points=4)], source=DERIVED)
def bayes_excess_for_two_tokens_by_the_general_integral():
    """For γ = σ = 1, L = 2 the integral over t equals the mean of a sigmoid, E sigmoid(−(m² + √2 m g)): two
    certified quadratures of different integrals."""
    (g,) = gaussians("g")
    return equal(BayesExcess(2, m, 1, 1, 2), Expectation(1 / (1 + sp.exp(m**2 + sp.sqrt(2) * m * g))))


@claim(on=Domain({m: (Q(1, 4), 4), L: (2, 9)}), by=[CertifiedNumerics(digits=6, points=4)], source=DERIVED)
def more_tokens_are_harder():
    """For γ = σ = 1 the Bayes excess grows with the length of the prompt."""
    return Inequality(BayesExcess(L, m, 1, 1, 2), "<", BayesExcess(L + 1, m, 1, 1, 2))


@claim(on=Domain({m: (8, 11), L: (2, 10)}), by=[CertifiedNumerics(digits=2, points=2)], source=DERIVED)
def bayes_excess_for_strong_signals():
    """For γ = σ = 1 and ν = m² from 64 to 121 the Bayes excess is (L−1) √π/(2√ν) e^{−ν/4} (1 − π²/(4ν) + r) with
    |r| < 16/ν²; the next term of the expansion is 5π⁴/(32ν²), about 15.2/ν²."""
    leading = (L - 1) * sp.sqrt(sp.pi) / (2 * m) * sp.exp(-(m**2) / 4)
    ratio = BayesExcess(L, m, 1, 1, 2) / leading
    return Inequality(sp.Abs(ratio - 1 + sp.pi**2 / (4 * m**2)), "<", 16 / m**4)


@claim(on=Domain({m: (0, 10), L: (2, 10)}), by=[CertifiedNumerics(digits=6, points=5)], source=DERIVED)
def bayes_excess_from_below():
    """For γ = σ = 1 the Bayes excess is above ½ Φ(−m/√2): half the time that one given background token is the likelier
    of two. So it decays no faster than e^{−m²/4}."""
    return Inequality(BayesExcess(L, m, 1, 1, 2), ">", NormalCDF(-m / sp.sqrt(2)) / 2)


@claim(
    on=Domain({m: (4, 10), L: (2, 10)}),
    by=[CertifiedNumerics(digits=6, points=2)],
    source=f"an asymptotic (L−1)e^(−ν) for {DURANTHON}, Corollary 4.3, quoted in a secondary note; "
    "the paper was not checked",
    expected="refuted",
)
def bayes_excess_as_quoted():
    """For γ = σ = 1 and ν = m² ≥ 16 the Bayes excess is at most twice (L−1)e^{−ν}, as it would be if it were asymptotic
    to that. The exponent is 1/4, not 1; a slip of the note is as likely as one of the paper."""
    return Inequality(BayesExcess(L, m, 1, 1, 2), "<=", 2 * (L - 1) * sp.exp(-(m**2)))


bayes_claims = (
    bayes_risk_is_the_mean_of_the_bayes_predictor,
    nishimori_identity,
    bayes_excess_for_two_tokens_by_the_general_integral,
    more_tokens_are_harder,
    bayes_excess_for_strong_signals,
    bayes_excess_from_below,
    bayes_excess_as_quoted,
)
