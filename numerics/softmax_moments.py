"""Certified moments of softmax weights over n Gaussian tokens, from n = 1 to far beyond what can be drawn.

    P(a₁, …, a_r; n, q) = E Σ_{i₁ ≠ ⋯ ≠ i_r} p_{i₁}^{a₁} ⋯ p_{i_r}^{a_r},    p = softmax(√q z), z ~ N(0, I_n)

**One-dimensional reduction.** With A = Σa, S = Σ_i e^{√q z_i} and S^{−A} = Γ(A)⁻¹ ∫₀^∞ t^{A−1} e^{−tS} dt the tokens
become independent. In t = e^s, with x = e^{s + √q z},

    P = (n)_r / Γ(A) ∫ ∏_j β_{a_j}(s) φ(s)^{n−r} ds,    β_a(s) = E x^a e^{−x},   φ(s) = E e^{−x}

**Two trapezoidal rules.** Both integrals are over the line, their integrands analytic for |Im s| < π/2. On Im s = η the
outer one is at most cos^{−A}η times itself at s + log cos η, so that its rule of step h has the *relative* error

    2 cos^{−A}y / (e^{2πy/h} − 1)     for every y < π/2          (Trefethen and Weideman 2014, theorem 5.1)

The inner one, of step h/(k√q) in z, shifts z by iη and is bounded through

    E x^a e^{−cx} ≤ ((a−ϑ)/(ec))^{a−ϑ} e^{ϑs + ϑ²q/2}     for every ϑ in [0, a], the best near −s/q

All arguments s + √q z lie on one lattice: the inner sums are one product of polynomials with integer coefficients.

References: L. N. Trefethen, J. A. C. Weideman, The exponentially convergent trapezoidal rule, SIAM Review 56 (2014)
385; B. Derrida, Random-energy model, Phys. Rev. B 24 (1981) 2613.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from flint import arb, ctx, fmpz, fmpz_poly

from .quadrature import QuadratureBudgetExceeded

__all__ = ["softmax_moment_ball", "softmax_moment_float"]

_LOG_2 = math.log(2)
_MOST_TERMS = 600_000
_MOST_BITS = 20_000
_MOST_TOKENS = 10**300
_LEAST_VARIANCE = arb(2) ** -1000


def softmax_moment_ball(n: arb, q: arb, *powers: arb) -> arb:
    """P(a₁, …, a_r; n, q) as a ball, relative to its own size, at the working precision.

    Args:
        n: the number of tokens, an integer ≥ 1; a ball that does not single one out gives nan.
        q: the variance of a score, ≥ 0; a ball of radius ρ widens the result by e^{±A²ρ}, as |∂ log P/∂q| ≤ A².
        powers: integers ≥ 1; another number gives nan.

    Raises:
        QuadratureBudgetExceeded: for n above 10³⁰⁰, or a q so large that the sums have too many terms.

    >>> print(softmax_moment_ball(arb(10), arb(1), arb(2)).str(10, radius=False))
    0.1946873937
    """
    count, exponents = n.unique_fmpz(), [power.unique_fmpz() for power in powers]
    if count is None or None in exponents or not q.is_finite():
        return arb.nan()
    if count < 1 or q < 0:
        return arb.nan()
    tokens, sizes = int(count), tuple(sorted((int(power) for power in exponents if power is not None), reverse=True))
    if sizes and sizes[-1] < 1:
        return arb.nan()
    if tokens > _MOST_TOKENS:
        raise QuadratureBudgetExceeded(f"expected n <= 1e300, got a number of tokens of {len(str(tokens))} digits")
    if tokens < len(sizes):
        return arb(0)
    if tokens == 1:
        return arb(1)
    total = sum(sizes)
    center, radius = q.mid(), q.rad()
    if center < _LEAST_VARIANCE:  # P(q) is P(0) up to e^{±A²q}
        radius += abs(center)
        value = arb(_falling(tokens, len(sizes))) / arb(tokens) ** total
    else:
        value = _moment(tokens, *center.man_exp(), sizes, ctx.prec)
    return value * (total**2 * arb(0, radius)).exp() if radius > 0 else value


def softmax_moment_float(n: float, q: float, *powers: float) -> float:
    """P(a₁, …, a_r; n, q) as a float, right to the last bits; nan unless n is an integer ≥ 1 and q ≥ 0.

    >>> softmax_moment_float(1000, 1.0, 2) < 1/1000 * 2.7183
    True
    """
    with ctx.workprec(64):
        return float(softmax_moment_ball(arb(n), arb(q), *map(arb, powers)))


def _falling(n: int, r: int) -> int:
    return math.prod(n - i for i in range(r))


@dataclass(frozen=True)
class _Rule:
    """A trapezoidal rule: its step, and its error relative to the bound it was made for."""

    step: float
    error: arb


def _outer_rule(total: int, bits: int) -> _Rule:
    """The largest step with 2 cos^{−A}y/(e^{2πy/h} − 1) < 2^{−bits} for some y < π/2."""
    goal = (bits + 1) * _LOG_2

    def step(y: float) -> float:
        return 2 * math.pi * y / (goal - total * math.log(math.cos(y)))

    y = max((i * math.pi / 128 for i in range(1, 64)), key=step)
    h = step(y)
    return _Rule(h, 2 * arb(y).cos() ** -total / ((2 * arb.pi() * y / h).exp() - 1))


def _inner_rule(root: float, bits: int) -> tuple[float, float]:
    """A step in z, and the shift η it rests on, with e^{η²/2}/(e^{2πη/h} − 1) < 2^{−bits} and √q η ≤ 1.4 < π/2."""
    goal = (bits + 1) * _LOG_2
    eta = min(1.4 / root, math.sqrt(2 * goal))
    return 2 * math.pi * eta / (goal + eta * eta / 2), eta


@lru_cache(maxsize=4096)
def _moment(n: int, mantissa: fmpz, exponent: fmpz, powers: tuple[int, ...], bits: int) -> arb:
    """The ball for q = mantissa·2^exponent > 0 and n ≥ 2 tokens; accuracy is raised until it is relative."""
    with ctx.workprec(mantissa.bit_length() + 1):
        q = arb((mantissa, exponent))
    wanted, best = bits, arb.nan()
    for _ in range(4):
        with ctx.workprec(2 * wanted + n.bit_length() + 64):
            found = _moment_once(n, q, powers, wanted)
        if found.is_finite() and found > 0:
            best = found
            if found.rel_accuracy_bits() >= bits - 12:
                break
        wanted += 64
    return +best


def _moment_once(n: int, q: arb, powers: tuple[int, ...], bits: int) -> arb:
    total, r = sum(powers), len(powers)
    relative = bits + 8
    # P ≥ about n^{r − A}: what the tails, and the factors of n^r ∏β φ^{n−r}, may be off by absolutely
    tails = relative + int((total - r) * math.log2(n)) + 16
    absolute = relative + int(total * math.log2(n)) + 40
    if absolute > _MOST_BITS:
        raise QuadratureBudgetExceeded(
            f"moments of total power {total} over {float(n):.3g} tokens need {absolute} bits, {_MOST_BITS} allowed"
        )
    rule = _outer_rule(total, relative)
    below, low_tail = _low_cut(n, q, powers, rule.step, tails)
    above, high_tail = _high_cut(n, q, powers, rule.step, tails)
    nodes = range(below, above + 1)
    step_z, shift = _inner_rule(float(q.sqrt()), relative + 24)
    splits = max(1, math.ceil(rule.step / (float(q.sqrt()) * step_z)))
    with ctx.workprec(absolute + 64):
        step = arb(rule.step) / splits / q.sqrt()
        sums = _inner_sums(nodes, rule.step, splits, q, absolute, powers)
    integral = arb(0)
    for k in nodes:
        s = k * arb(rule.step)
        error = {a: _inner_error(a, s, q, shift, step) for a in sums}
        missing = sums[0][k - below] + error[0]
        factors = [sums[a][k - below] + error[a] for a in powers]
        integral += math.prod(factors, start=_power_of_rest(missing, n - r))
    scale = arb(_falling(n, r)) / arb(math.factorial(total - 1))
    value = scale * arb(rule.step) * integral + _within(low_tail + high_tail)
    return value / (1 + _within(rule.error))


def _within(bound: arb) -> arb:
    """The ball of all numbers up to a bound."""
    return arb(0, bound.abs_upper())


def _power_of_rest(missing: arb, count: int) -> arb:
    """φ^count for φ = 1 − missing, which lies between 0 and 1."""
    if missing < 1:
        return (count * (-missing).log1p()).exp()
    return arb(0).union((1 - missing.lower()) ** count)


def _growth(a: int, s: arb, q: arb, c: arb | float = 1) -> arb:
    """A bound of E x^a e^{−cx} by ((a−ϑ)/(ec))^{a−ϑ} E x^ϑ, E x^ϑ = e^{ϑs + ϑ²q/2}; for a = 0 one of E |1 − e^{−x}|:

    |1 − e^{−x}| ≤ min(2, |x|) ≤ 2^{1−ϑ}|x|^ϑ for Re x ≥ 0.
    """
    most = max(a, 1)
    theta = min(max(-float(s) / float(q), 0.0), float(most))
    power = (theta * s + arb(theta) ** 2 * q / 2).exp()
    if a == 0:
        return arb(2) ** (1 - arb(theta)) * power
    rest = a - arb(theta)
    return (rest / (arb(1).exp() * c)) ** rest * power if theta < a else power


def _inner_error(a: int, s: arb, q: arb, shift: float, step: arb) -> arb:
    """What a sum in z of the given step may be off by: 2 e^{η²/2} E sup |F(s + √q(z + iη))| / (e^{2πη/step} − 1)."""
    eta = arb(shift)
    bound = _growth(a, s, q, (q.sqrt() * eta).cos())
    return _within(2 * (eta * eta / 2).exp() * bound / ((2 * arb.pi() * eta / step).exp() - 1))


def _low_cut(n: int, q: arb, powers: tuple[int, ...], step: float, bits: int) -> tuple[int, arb]:
    """A node below which the outer sum is less than 2^{−bits}, and a bound of it.

    ∏β_{a_j}(s) ≤ C e^{Θs} with Θ = Σϑ_j, a geometric series.
    """
    r, total = len(powers), sum(powers)
    goal = bits * _LOG_2 + r * math.log(n) + 8
    variance = float(q)

    def exponent(s: float) -> float:
        thetas = [min(-s / variance, a) for a in powers]
        return sum(theta * s + theta * theta * variance / 2 for theta in thetas)

    k = -1
    while exponent(k * step) > -goal:
        k *= 2
    low, high = k, k // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if exponent(middle * step) <= -goal else (low, middle)
    s = low * arb(step)
    theta = sum((arb(min(-float(s) / variance, a)) for a in powers), start=arb(0))
    bound = math.prod((_growth(a, s, q) for a in powers), start=arb(1))
    scale = arb(_falling(n, r)) / arb(math.factorial(total - 1))
    ratio = (-theta * arb(step)).exp()
    return low, scale * arb(step) * bound * ratio / (1 - ratio)


def _high_cut(n: int, q: arb, powers: tuple[int, ...], step: float, bits: int) -> tuple[int, arb]:
    """A node above which the outer sum is less than 2^{−bits}, and a bound of it.

    The summand is at most E X^A e^{−X}, X = tS, so at most (2A/e)^A φ(t/2)^n. With e^{−x} ≤ e^{−Λ(σ)} beyond x = Λ(σ),
    Λ(σ) = Λ + σ − σ₁ and σ = log(t/2),

        φ(t/2) ≤ e^{−Λ(σ)} + Q(b/√q),   b = σ − log Λ(σ),   dσ ≤ 2 db

    and the sum of a decreasing summand is at most its integral.
    """
    total = sum(powers)
    goal = bits * _LOG_2 + total * math.log(2 * total) + 20
    level = goal + math.log(n) + 10
    root = float(q.sqrt())

    def enough(b: float) -> bool:
        left = math.erfc(-b / (root * math.sqrt(2))) / 2 - math.exp(-level)
        if left <= 0:
            return False
        right = math.erfc(b / (root * math.sqrt(2))) / 2 + math.exp(-level)
        gain = -math.log(right) if right < 0.5 else -math.log1p(-min(left, 1 - 1e-16))
        return (n - 1) * gain > goal + math.log1p(root + abs(b))

    high = root
    while not enough(high):
        high *= 2
        if high > 1e3 * root * goal:
            raise QuadratureBudgetExceeded(f"no cut was found for the softmax moments of {n} tokens")
    low = -2 * root * math.sqrt(2 * (math.log(n) + goal))
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    top = math.ceil((high + math.log(level) + _LOG_2) / step)
    sigma = top * arb(step) - arb(2).log()
    b = sigma - arb(level).log()
    w = q.sqrt()
    rest = (-arb(level)).exp()
    base = rest + (b / (w * arb(2).sqrt())).erfc() / 2
    length = rest + 2 * (-b if b < 0 else arb(0)) + 2 * w / (2 * arb.pi()).sqrt()
    bound = (2 * total / arb(1).exp()) ** total / arb(math.factorial(total - 1))
    return top, bound * base ** (n - 1) * length


def _inner_sums(
    nodes: range, outer_step: float, splits: int, q: arb, bits: int, powers: tuple[int, ...]
) -> dict[int, list[arb]]:
    """h_z Σ_j φ(z_j) F_a(s_k + √q z_j) at the nodes s_k, to 2^{−bits}: F₀ = 1 − e^{−x} and F_a = x^a e^{−x}, x = e^u.

    Where the nodes of z are finer than those of s by more than there are of them, each sum is made on its own.
    """
    needed = sorted({0, *powers})
    step, root = arb(outer_step), q.sqrt()
    h = step / splits / root
    reach = int(math.sqrt(2 * _LOG_2 * (bits + 8)) / float(h)) + 2
    terms = len(nodes) * min(splits, 2 * reach + 1)
    if terms + 2 * reach > _MOST_TERMS:
        raise QuadratureBudgetExceeded(
            f"the moments of softmax weights at q = {q.str(5, radius=False)} need {terms + 2 * reach} terms, "
            f"{_MOST_TERMS} are allowed"
        )
    scale = h / (2 * arb.pi()).sqrt()
    weights = [scale * (-((j * h) ** 2) / 2).exp() for j in range(-reach, reach + 1)]
    # Σ over |j| > reach of a decreasing summand, at most the integral
    tail = (reach * h / arb(2).sqrt()).erfc()
    if splits > 2 * reach:
        z = [root * (j * h) for j in range(-reach, reach + 1)]
        found = {a: [_weighted(a, k * step, z, weights) for k in nodes] for a in needed}
        return {a: [value + _within(tail * _largest(a)) for value in found[a]] for a in needed}
    first, last = nodes.start * splits - reach, (nodes.stop - 1) * splits + reach
    # from x = 2(bits + a log 4a) on, x^a e^{−x} is below 2^{−bits}: a log x ≤ x/4 + a log 4a
    settled = 2 * (bits + max(needed) * math.log(4 * max(needed)))
    moving = min(last, int(math.log(settled) / float(step / splits)) + 1)
    lattice = [(i * (step / splits)).exp() for i in range(first, moving + 1)]
    one = arb(2) ** bits
    polynomial = fmpz_poly([_integer(weight * one) for weight in weights])
    sums = {}
    for a in needed:
        table = [_integer(_summand(a, x) * one) for x in lattice]
        table += [fmpz(0) if a else fmpz(1) << bits] * (last - moving)
        product = fmpz_poly(table) * polynomial
        # entries off by less than two: Σ|δF|w + Σ F|δw| + Σ|δF||δw| with Σw ≤ 2
        rounding = (4 + 2 * len(weights) * (_largest(a) + 1)) / one
        error = _within(rounding + tail * _largest(a))
        sums[a] = [arb(product[k * splits - first + reach]) / one / one + error for k in nodes]
    return sums


def _summand(a: int, x: arb) -> arb:
    """F_a: 1 − e^{−x} for a = 0, else x^a e^{−x}."""
    return x**a * (-x).exp() if a else -(-x).expm1()


def _largest(a: int) -> arb:
    """The largest value of F_a: 1, or (a/e)^a."""
    return (arb(a) / arb(1).exp()) ** a if a else arb(1)


def _weighted(a: int, s: arb, z: list[arb], weights: list[arb]) -> arb:
    return sum((w * _summand(a, (s + shift).exp()) for w, shift in zip(weights, z, strict=True)), start=arb(0))


def _integer(x: arb) -> fmpz:
    """The integer below the centre of a ball."""
    found = x.mid().floor().unique_fmpz()
    assert found is not None
    return found
