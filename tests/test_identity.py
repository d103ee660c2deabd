"""The decision that something is zero: what it proves, what it must never prove, and how fast."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import (
    Abs,
    Heaviside,
    I,
    Max,
    Min,
    acos,
    asin,
    atan,
    cos,
    cosh,
    erf,
    erfc,
    exp,
    log,
    pi,
    sign,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
)

from theory.identity import ExpressionTooLarge, normal_form, reduces_to_zero
from theory.integral import GaussianIntegral
from theory.notation import L, epsilon, eta, gamma, kappa, lam, m, nu, q_k, q_v, rho, sigma, theta
from theory.special import BivariateNormalCDF, NormalCDF, OwenT

R = sp.Rational
x, y, h, k = sp.symbols("x y h k", real=True)
p, q = sp.symbols("p q", positive=True)
c = sp.Symbol("c", nonnegative=True)
n = sp.Symbol("n", integer=True, positive=True)
z = sp.Symbol("z")  # a complex number
t, u = sp.symbols("t u", real=True)
f = sp.Function("f", real=True)


def mean(integrand, *variables):
    return GaussianIntegral(integrand, variables or (t,))


SIGMOID = 1 / (1 + exp(-p * t - x))

TRUE = {
    # powers
    "roots of factors": sqrt((1 + 2 * p) * (1 + 4 * p)) - sqrt(1 + 2 * p) * sqrt(1 + 4 * p),
    "roots of expanded factors": sqrt(1 + 6 * p + 8 * p**2) - sqrt(1 + 2 * p) * sqrt(1 + 4 * p),
    "roots of quotients": sqrt((1 + p) / (1 + q)) * (1 + q) - sqrt(1 + p) * sqrt(1 + q),
    "root of a square": sqrt(x**2 + 2 * x * y + y**2) - Abs(x + y),
    "root of a square of a positive": sqrt(4 * p**2 + 4 * p + 1) - 2 * p - 1,
    "root of an integer square": sqrt((n - 1) ** 2 * p) - (n - 1) * sqrt(p),
    "different roots of a number": R(2) ** R(1, 2) * R(2) ** R(1, 3) - R(2) ** R(5, 6),
    "roots of numbers": sqrt(6) - sqrt(2) * sqrt(3),
    "denominators with roots": 1 / (1 + sqrt(2)) - sqrt(2) + 1,
    "denominators with roots of symbols": 1 / (sqrt(1 + p) - sqrt(p)) - sqrt(1 + p) - sqrt(p),
    "opened root of numbers": sqrt(3 - 2 * sqrt(2)) - sqrt(2) + 1,
    "opened root of symbols": sqrt(1 + 2 * p + 2 * sqrt(p * (1 + p))) - sqrt(p) - sqrt(1 + p),
    "complex powers": (z ** R(1, 3)) ** 3 - z,
    "fractional powers": (8 * p**3) ** R(2, 3) - 4 * p**2,
    "powers of a positive": p**x * p**y - p ** (x + y),
    "real quadratic without real roots": sqrt((x**2 + x + 1) * p) - sqrt(x**2 + x + 1) * sqrt(p),
    "square of a sum with a root": sqrt(2 * p ** R(3, 2) + 2 * sqrt(p * q) + p**2 + 2 * p * sqrt(q) + p + q)
    - sqrt(p)
    - p
    - sqrt(q),
    # sign
    "absolute value of a product": Abs(x * y) - Abs(x) * Abs(y),
    "absolute value by sign": x * sign(x) - Abs(x),
    "sign by division": x / Abs(x) - sign(x),
    "square of a sign that is divided by": (sign(x) ** 2 - 1) / x,
    "sign cubed": sign(x) ** 3 - sign(x),
    "sign of a sine": sin(x) ** 2 * sign(sin(x)) ** 2 - sin(x) ** 2,
    "sign of a sign": sign(sign(x)) - sign(x),
    "step": Heaviside(x) - (1 + sign(x)) / 2,
    "maximum": Max(0, x) - x * Heaviside(x),
    "maximum and minimum": Max(x, y) + Min(x, y) - x - y,
    "odd of an absolute value": erf(Abs(x)) - sign(x) * erf(x),
    # exp and log
    "sum of exponents": exp(x + y) - exp(x) * exp(y),
    "multiples of exponents": exp(x / 2) ** 3 - exp(3 * x / 2),
    "dependent exponents": exp(x / (1 + p)) * exp(x * p / (1 + p)) - exp(x),
    "root of exp": sqrt(exp(x)) - exp(x / 2),
    "exp of log": exp(x * log(p)) - p**x,
    "half log": exp(log(p) / 2 + x) - sqrt(p) * exp(x),
    "log of a product": log(p * q**2 / 3) - log(p) - 2 * log(q) + log(3),
    "log of a root": log(sqrt(1 + x**2)) - log(1 + x**2) / 2,
    "log of exp": log(exp(x)) - x,
    "hyperbolic": cosh(x) ** 2 - sinh(x) ** 2 - 1,
    "tanh and sigmoid": tanh(x) - 2 / (1 + exp(-2 * x)) + 1,
    # circular
    "circle": sin(x) ** 2 + cos(x) ** 2 - 1,
    "addition": sin(x + y) - sin(x) * cos(y) - cos(x) * sin(y),
    "tripling": cos(3 * x) - 4 * cos(x) ** 3 + 3 * cos(x),
    "halving": 2 * sin(x / 2) * cos(x / 2) - sin(x),
    "tangent": tan(x) * cos(x) - sin(x),
    "shifted by pi": sin(x + pi / 3) - sin(x) / 2 - sqrt(3) * cos(x) / 2,
    "double arc": sin(2 * atan(x)) - 2 * x / (1 + x**2),
    "triple arc": cos(3 * asin(x)) - (1 - 4 * x**2) * sqrt(1 - x**2),
    "arc beside another angle": sin(tanh(x) + atan(x)) - (x * cos(tanh(x)) + sin(tanh(x))) / sqrt(1 + x**2),
    "Euler": exp(I * x) - cos(x) - I * sin(x),
    # arcs
    "complement": asin(x) + acos(x) - pi / 2,
    "reciprocal": atan(p) + atan(1 / p) - pi / 2,
    "sympy 29781": asin(2 * x**2 / (1 + 2 * x**2)) - 2 * atan(sqrt(1 + 4 * x**2)) + pi / 2,
    "arcsine as arctangent": asin(x / sqrt(1 + x**2)) - atan(x),
    "double arctangent": 2 * atan(x / (1 + sqrt(1 + x**2))) - atan(x),
    "centred second moment": 2 * asin(2 * p / (1 + 2 * p)) / pi - 1 + 4 * atan(1 / sqrt(1 + 4 * p)) / pi,
    "special arcs": atan(sqrt(3)) + 2 * asin(R(1, 2)) + acos(-1) - 5 * pi / 3,
    # erf
    "odd": erf(x - y) + erf(y - x),
    "complementary": erfc(x) + erf(x) - 1,
    "normal cdf": NormalCDF(x) - erfc(-x / sqrt(2)) / 2,
    "same argument": erf((x**2 - 1) / (x + 1)) - erf(x - 1),
    # Owen's T
    "even": OwenT(x - y, p) - OwenT(y - x, p),
    "odd in a": OwenT(h, x - y) + OwenT(h, y - x),
    "at one": OwenT(h, sqrt(1 + x**2) / sqrt(1 + x**2)) - NormalCDF(h) * NormalCDF(-h) / 2,
    "wedge": OwenT(h, p)
    + OwenT(p * h, 1 / p)
    - (NormalCDF(h) + NormalCDF(p * h)) / 2
    + NormalCDF(h) * NormalCDF(p * h),
    "wedge of negative slope": OwenT(h, -p)
    + OwenT(p * h, -1 / p)
    + (NormalCDF(h) + NormalCDF(p * h)) / 2
    - NormalCDF(h) * NormalCDF(p * h),
    "rationalized slope": OwenT(h, 1 / sqrt(1 + 4 * p)) - OwenT(h, sqrt(1 + 4 * p) / (1 + 4 * p)),
    # the bivariate normal distribution function
    "exchange": BivariateNormalCDF(h, k, x / 2) - BivariateNormalCDF(k, h, x / 2),
    "reflection": BivariateNormalCDF(h, k, rho) + BivariateNormalCDF(h, -k, -rho) - NormalCDF(h),
    "double reflection": BivariateNormalCDF(-h, -k, rho)
    - BivariateNormalCDF(h, k, rho)
    + NormalCDF(h)
    + NormalCDF(k)
    - 1,
    "diagonal": BivariateNormalCDF(h, h, rho) - NormalCDF(h) + 2 * OwenT(h, sqrt((1 - rho) / (1 + rho))),
    "orthant": BivariateNormalCDF(0, 0, rho) - R(1, 4) - asin(rho) / (2 * pi),
    "on an axis": BivariateNormalCDF(0, k, rho) - NormalCDF(k) / 2 - OwenT(k, rho / sqrt(1 - rho**2)),
    "two faces of E erf²": 1
    - 8 * OwenT(sqrt(2) * x, 1 / sqrt(1 + 4 * p))
    - 4 * BivariateNormalCDF(sqrt(2) * x, sqrt(2) * x, 2 * p / (1 + 2 * p))
    + 4 * NormalCDF(sqrt(2) * x)
    - 1,
    # Gaussian integrals
    "constants leave": mean(q * tanh(p * t) ** 2) - q * mean(tanh(p * t) ** 2),
    "sums split": mean(p * t * tanh(t) + y * tanh(t) ** 2) - p * mean(t * tanh(t)) - y * mean(tanh(t) ** 2),
    "odd integrands": mean(t**3 / (1 + t**2) + sin(p * t)),
    "moments": mean(x * t**4 + y * t**3 + t**2) - 3 * x - 1,
    "reflected": mean(SIGMOID) - mean(SIGMOID.subs(t, -t)),
    "complement of a sigmoid": mean(SIGMOID) + mean(1 / (1 + exp(p * t + x))) - 1,
    "centred sigmoid": mean(SIGMOID.subs(x, 0)) - R(1, 2),
    "derivative of a sigmoid": mean(SIGMOID).diff(x) - mean(SIGMOID - SIGMOID**2),
    "partial fractions": mean(t**2 / (1 + t**2)) + mean(1 / (1 + t**2)) - 1,
    "free factors of exp": mean(exp(p * t + x) * tanh(t)) - exp(x) * mean(exp(p * t) * tanh(t)),
    "two variables": mean(tanh(t + 2 * u) ** 2, t, u) - mean(tanh(2 * t - u) ** 2, t, u),
    # opaque terms
    "unknown functions": f((x + 1) ** 2) - f(x**2 + 2 * x + 1),
    "sums": sp.Sum(x**n, (n, 1, 5)) * (1 + p) - p * sp.Sum(x**n, (n, 1, 5)) - sp.Sum(x**n, (n, 1, 5)),
    "binomials": sp.binomial(n, 2) - n * (n - 1) / 2,
}

# Each of these is false for some values of its symbols, though true for others or to many digits.
FALSE = {
    "sympy 23086": 180 * acos(R(7823207, 7823209)) / pi,
    "nearly an integer": exp(pi * sqrt(163)) - 262537412640768744,
    "nearly pi": pi - R(104348, 33215),
    "nearly zero": sin(R(355, 113) * 7) + R(1, 10**9),
    "tiny": erf(x) * (1 + R(1, 10**30)) - erf(x),
    "root of a square of a real": sqrt(x**2) - x,
    "root of a complex square": sp.sqrt(z**2) - z,
    "root of a product of reals": sqrt(x * y) - sqrt(x) * sqrt(y),
    "root of a quotient of reals": sqrt(x / y) - sqrt(x) / sqrt(y),
    "cube root of a cube": (x**3) ** R(1, 3) - x,
    "two thirds": (x**2) ** R(1, 3) - x ** R(2, 3),
    "sixth root": (x**6) ** R(1, 6) - x,
    "difference of roots": sqrt(p + q - 2 * sqrt(p * q)) - sqrt(p) + sqrt(q),
    "sign squared": sign(x) ** 2 - 1,
    "sign of an integer that can be one": sign(n - 1) - 1,
    "sign by division elsewhere": sign(y) ** 2 - 1 + x / x**2 - 1 / x,
    "triangle": Abs(x + y) - Abs(x) - Abs(y),
    "squared step": Heaviside(x) ** 2 - Heaviside(x),
    "log of a square": log(x**2) - 2 * log(x),
    "log of a product of reals": log(x * y) - log(x) - log(y),
    "log of a complex exp": log(exp(z)) - z,
    "negative power": (x * p) ** y - x**y * p**y * (1 + R(1, 10**20)),
    "power of a power": (x**2) ** y - x ** (2 * y),
    "reciprocal of a real": atan(x) + atan(1 / x) - pi / 2,
    "addition of arcs": atan(x) + atan(y) - atan((x + y) / (1 - x * y)),
    "double arc": 2 * atan(x) - asin(2 * x / (1 + x**2)),
    "half arc": 2 * atan(x) - acos((1 - x**2) / (1 + x**2)),
    "arc of a sine": asin(sin(x)) - x,
    "arc of a tangent": atan(tan(x)) - x,
    "half angle": cos(x / 2) - sqrt((1 + cos(x)) / 2),
    "root of a square sine": sqrt(1 - cos(x) ** 2) - sin(x),
    "wedge of a real slope": OwenT(h, x)
    + OwenT(x * h, 1 / x)
    - (NormalCDF(h) + NormalCDF(x * h)) / 2
    + NormalCDF(h) * NormalCDF(x * h),
    "swapped T": OwenT(p, q) - OwenT(q, p),
    "diagonal at correlation −1": BivariateNormalCDF(h, h, rho) - BivariateNormalCDF(h, -h, rho),
    "quadrant and its mirror": BivariateNormalCDF(h, k, rho) - BivariateNormalCDF(h, k, -rho),
    "not odd": mean(exp(p * t) * t),
    "not reflected": mean(SIGMOID) - mean(SIGMOID.subs(x, -x)),
    "two means": mean(tanh(t) ** 2) ** 2 - mean(tanh(t) ** 4),
    "another function": f(x) - f(-x),
    "logarithmic means": exp(x * log(y)) - exp(y * log(x)),
}


@pytest.mark.parametrize("name", TRUE)
def test_a_true_identity_is_proven(name):
    assert reduces_to_zero(TRUE[name])


@pytest.mark.parametrize("name", TRUE)
def test_a_true_identity_is_not_proven_with_a_term_too_much(name):
    assert not reduces_to_zero(TRUE[name] + p / 10**12)


@pytest.mark.parametrize("name", FALSE)
def test_a_false_friend_is_not_proven(name):
    assert not reduces_to_zero(FALSE[name])


def test_what_is_known_to_be_nonnegative_can_be_said():
    a, b, r = sp.symbols("a b r", real=True)
    s, w = sp.symbols("s w", nonnegative=True)
    variance = a**2 * s + 2 * a * b * r + b**2 * w
    claim = sqrt((1 + 2 * variance) * (1 + 2 * p)) - sqrt(1 + 2 * variance) * sqrt(1 + 2 * p)
    split = sqrt((1 + 2 * variance) * (1 + 2 * x)) - sqrt(1 + 2 * variance) * sqrt(1 + 2 * x)
    assert reduces_to_zero(claim)  # 1 + 2p > 0 is enough
    assert not reduces_to_zero(split)
    assert reduces_to_zero(split, nonnegative=[s * w - r**2])


def test_what_is_known_is_not_used_beyond_where_it_holds():
    claim = atan(x) + atan(1 / x) - pi / 2  # x ≥ 0 and divided by: true there, but proven only for positive x
    assert not reduces_to_zero(claim)
    assert not reduces_to_zero(sqrt(x**2) + x, nonnegative=[x])
    assert reduces_to_zero(sqrt(x**2) - x, nonnegative=[x])


# ------------------------------------------------------------ the risk of a single location


def score_moments(mu, variance):
    """E erf(λs), its derivatives in the mean, E erf(λs)² and its derivatives, for s ~ N(μ, τ²)."""
    spread = 1 + 2 * lam**2 * variance
    a = 1 / sqrt(1 + 4 * lam**2 * variance)
    v = lam * mu / sqrt(spread)
    first = [erf(v), 2 * lam / sqrt(pi * spread) * exp(-(v**2))]
    first.append(-2 * lam**2 * mu / spread * first[1])
    first.append(-2 * lam**2 / spread * (first[1] + mu * first[2]))
    kernel = 8 * lam**2 * a / (pi * spread) * exp(-2 * lam**2 * mu**2 * a**2)
    second = [1 - 8 * OwenT(sqrt(2) * v, a), 2 * first[1] * erf(a * v)]
    second.append(-2 * lam**2 * mu / spread * second[1] + kernel)
    second.append(-2 * lam**2 / spread * (second[1] + mu * second[2]) - 4 * lam**2 * a**2 * mu * kernel)
    return first, second


def single_location_risk():
    """The full-space risk of the study's note, section 3, and its derivative in κ, section 4."""
    E, F = score_moments(m * kappa, gamma**2 * q_k)
    spread = 1 + 2 * lam**2 * sigma**2 * q_k
    slope = 2 * lam / sqrt(pi * spread)
    level = 2 / pi * asin(2 * lam**2 * sigma**2 * q_k / spread)
    bend = 8 * lam**2 / (pi * spread * sqrt(1 + 4 * lam**2 * sigma**2 * q_k))
    signal = m * theta * E[0] + gamma**2 * rho * E[1]
    target = gamma**2 * nu * E[0] + m * theta * gamma**2 * eta * E[1] + gamma**4 * eta * rho * E[2]
    square = (
        (m**2 * theta**2 + gamma**2 * q_v) * F[0] + 2 * m * theta * gamma**2 * rho * F[1] + gamma**4 * rho**2 * F[2]
    )
    other = sigma**2 * rho * slope
    other_square = sigma**2 * q_v * level + sigma**4 * rho**2 * bend
    risk = (
        epsilon**2
        + gamma**2
        - 2 * target
        + square
        + (L - 1) * other_square
        + 2 * (L - 1) * signal * other
        + (L - 1) * (L - 2) * other**2
    )
    in_kappa = m * (
        -2 * (gamma**2 * nu * E[1] + m * theta * gamma**2 * eta * E[2] + gamma**4 * eta * rho * E[3])
        + (m**2 * theta**2 + gamma**2 * q_v) * F[1]
        + 2 * m * theta * gamma**2 * rho * F[2]
        + gamma**4 * rho**2 * F[3]
        + 2 * (L - 1) * other * (m * theta * E[1] + gamma**2 * rho * E[2])
    )
    return risk, in_kappa


def rewritten(risk):
    """The same risk in other words: expanded, 1/√ as √/…, arcsin as arctan, T as Φ₂."""
    spread = 1 + 2 * lam**2 * gamma**2 * q_k
    wide = 1 + 4 * lam**2 * gamma**2 * q_k
    level = sqrt(2) * lam * m * kappa / sqrt(spread)
    correlation = 2 * lam**2 * gamma**2 * q_k / spread
    wedge = (NormalCDF(level) - BivariateNormalCDF(level, level, correlation)) / 2
    noise = 2 * lam**2 * sigma**2 * q_k
    arc = 2 * atan(sqrt(1 + 2 * noise)) - pi / 2
    other = risk.replace(OwenT, lambda *args: wedge).replace(asin, lambda argument: arc)
    other = sp.expand(other)
    return other.subs(sqrt(wide), sqrt(wide * (1 + noise)) / sqrt(1 + noise))


@pytest.mark.parametrize("factor", [1, 1 + R(1, 10**12)])
def test_the_risk_of_a_single_location_in_two_forms(factor):
    risk, in_kappa = single_location_risk()
    other = rewritten(risk)
    for difference in (risk - factor * other, sp.expand(factor * risk.diff(kappa)) - in_kappa):
        start = time.perf_counter()
        assert reduces_to_zero(difference) == (factor == 1)
        assert time.perf_counter() - start < 1  # 0.04 to 0.15 s on the machine of the engineering notes


def test_the_heat_identity_of_the_score_moments():
    first, second = score_moments(m, gamma**2)
    for moment in (*first, *second):
        assert reduces_to_zero(moment.diff(gamma) / gamma - moment.diff(m, 2))


# ------------------------------------------------------------ random identities

real_atoms = st.sampled_from([x, y, p, q, c, n, sp.Integer(2), R(-1, 3), R(3, 2)])
positive_atoms = st.sampled_from([p, q, 1 + c, 1 + 2 * p * q, 1 + x**2, sp.Integer(3), exp(x), R(2, 5), n])


def real_terms():
    functions = [erf, sin, cos, atan, tanh, sign, Abs, NormalCDF, lambda e: OwenT(x, e), lambda e: f(e)]
    return st.recursive(
        real_atoms,
        lambda inner: st.one_of(
            st.builds(lambda a, b: a + b, inner, inner),
            st.builds(lambda a, b: a * b, inner, inner),
            st.builds(lambda g, a: g(a), st.sampled_from(functions), inner),
        ),
        max_leaves=3,
    )


def positive_terms():
    return st.recursive(
        positive_atoms,
        lambda inner: st.one_of(
            st.builds(lambda a, b: a + b, inner, inner),
            st.builds(lambda a, b: a * b, inner, inner),
            st.builds(lambda a, b: a / b, inner, inner),
            st.builds(sqrt, inner),
        ),
        max_leaves=4,
    )


exponents = st.sampled_from([R(1, 2), R(-1, 2), R(1, 3), R(3, 2), R(-2, 3)])
RULES = [  # a, b real; u, v positive; e rational
    lambda a, b, u, v, e: ((u * v) ** e, u**e * v**e),
    lambda a, b, u, v, e: ((u / v) ** e, u**e / v**e),
    lambda a, b, u, v, e: ((u * a) ** e, u**e * a**e),
    lambda a, b, u, v, e: (u**e * u ** (1 - e), u),
    lambda a, b, u, v, e: (sp.sqrt(sp.expand(u**2)), u),
    lambda a, b, u, v, e: (sqrt(a**2), Abs(a)),
    lambda a, b, u, v, e: (Abs(a * b), Abs(a) * Abs(b)),
    lambda a, b, u, v, e: (sign(a * u), sign(a)),
    lambda a, b, u, v, e: (a * sign(a), Abs(a)),
    lambda a, b, u, v, e: (Max(a, b), (a + b + Abs(a - b)) / 2),
    lambda a, b, u, v, e: (exp(a + e * b), exp(a) * exp(b) ** e),
    lambda a, b, u, v, e: (log(u * v), log(u) + log(v)),
    lambda a, b, u, v, e: (exp(e * log(u)), u**e),
    lambda a, b, u, v, e: (sin(a + b), sin(a) * cos(b) + cos(a) * sin(b)),
    lambda a, b, u, v, e: (cos(2 * a), 1 - 2 * sin(a) ** 2),
    lambda a, b, u, v, e: (erf(a - b), -erf(b - a)),
    lambda a, b, u, v, e: (erf(sp.expand((a + b) ** 2)), erf((a + b) ** 2)),
    lambda a, b, u, v, e: (NormalCDF(a), 1 - NormalCDF(-a)),
    lambda a, b, u, v, e: (tanh(a), 1 - 2 / (1 + exp(2 * a))),
    lambda a, b, u, v, e: (OwenT(a - b, u), OwenT(b - a, u)),
    lambda a, b, u, v, e: (
        OwenT(a, u),
        (NormalCDF(a) + NormalCDF(u * a)) / 2 - NormalCDF(a) * NormalCDF(u * a) - OwenT(u * a, 1 / u),
    ),
    lambda a, b, u, v, e: (asin(a), pi / 2 - acos(a)),
    lambda a, b, u, v, e: (mean(a * tanh(u * t) ** 2 + b), a * mean(tanh(u * t) ** 2) + b),
    lambda a, b, u, v, e: (f(a + b) * f(a * b), f(b + a) * f(sp.expand(a * b))),
]

arguments = {
    "a": real_terms(),
    "b": real_terms(),
    "u": positive_terms(),
    "v": positive_terms(),
    "e": exponents,
}


# The same examples every time: what is asked here is how much is proven, and the limits are written in the module.
@settings(deadline=None, max_examples=300, derandomize=True)
@given(rule=st.sampled_from(RULES), around=real_terms(), twice=st.booleans(), **arguments)
def test_a_random_identity_rewritten_by_valid_rules_is_proven(rule, around, twice, a, b, u, v, e):
    left, right = rule(a, b, u, v, e)
    difference = around * left - around * right if not twice else (left - right) * exp(around) + left**2 - right**2
    assert reduces_to_zero(difference), difference


@settings(deadline=None, max_examples=300)
@given(rule=st.sampled_from(RULES), around=real_terms(), **arguments)
def test_a_random_identity_perturbed_is_not_proven(rule, around, a, b, u, v, e):
    left, right = rule(a, b, u, v, e)
    perturbed = around * left - (1 + R(1, 10**12)) * around * right
    if not reduces_to_zero(around * left):
        assert not reduces_to_zero(perturbed), perturbed


TEMPTING = [  # true for some real a, b, not for all
    lambda a, b, e: ((a * b) ** e, a**e * b**e),
    lambda a, b, e: (sqrt(a**2), a),
    lambda a, b, e: ((a**2) ** e, a ** (2 * e)),
    lambda a, b, e: (sign(a) ** 2, sp.Integer(1)),
    lambda a, b, e: (Abs(a + b), Abs(a) + Abs(b)),
    lambda a, b, e: (log(a * b), log(a) + log(b)),
    lambda a, b, e: (log(a**2), 2 * log(a)),
    lambda a, b, e: (Max(a, b), a),
    lambda a, b, e: (Heaviside(a) ** 2, Heaviside(a)),
    lambda a, b, e: (atan(a) + atan(b), atan((a + b) / (1 - a * b))),
    lambda a, b, e: (2 * atan(a), asin(2 * a / (1 + a**2))),
    lambda a, b, e: (atan(a) + atan(1 / a), pi / 2),
    lambda a, b, e: (asin(sin(a)), a),
    lambda a, b, e: (sqrt(1 - cos(a) ** 2), sin(a)),
    lambda a, b, e: (sqrt(a + b + 2 * sqrt(a * b)), sqrt(a) + sqrt(b)),
    lambda a, b, e: (sqrt((a - b) ** 2), a - b),
    lambda a, b, e: (OwenT(a, b), OwenT(b, a)),
    lambda a, b, e: (OwenT(a, Abs(b)), OwenT(a, b)),
    lambda a, b, e: (OwenT(a, b) + OwenT(a * b, 1 / b), (1 - erf(a / sqrt(2)) * erf(a * b / sqrt(2))) / 4),
    lambda a, b, e: (erf(Abs(a)), erf(a)),
    lambda a, b, e: (exp(a) ** 2, exp(a**2)),
]
POINTS = [R(-7, 3), R(-1, 2), R(0), R(2, 5), R(1), R(13, 4), R(5)]


def digits(expr, values):
    """The value of an expression at an exact point to 30 digits, None where it is not defined."""
    value = expr.subs(values)
    if value.has(sp.nan, sp.zoo, sp.oo):
        return None
    value = sp.N(value, 30)
    return value if value.is_number and value.is_finite else None


@settings(deadline=None, max_examples=150)
@given(
    rule=st.sampled_from(TEMPTING),
    a=st.sampled_from([x, y, p, -p, c, n - 1, x + y, x * y, x**2, x**2 + 1, p + x, x - x**2, sp.Integer(2), R(-1, 2)]),
    b=st.sampled_from([y, q, -q, c, x, 1 / x, x**2, -(x**2), n, p - q, sp.Integer(3), R(-3, 2)]),
    e=exponents,
)
def test_a_tempting_rule_is_proven_only_where_it_is_true(rule, a, b, e):
    try:
        left, right = rule(a, b, e)
    except (TypeError, ValueError):
        return
    if not isinstance(left - right, sp.Expr) or not reduces_to_zero(left - right):
        return
    for i in range(len(POINTS)):
        shifted = POINTS[i:] + POINTS[:i]
        values = {x: shifted[0], y: shifted[3], p: Abs(shifted[1]) + 1, q: Abs(shifted[2]) + R(1, 3)}
        values |= {c: Abs(shifted[4]), n: 1 + i}
        value = digits(left - right, values)
        assert value is None or abs(value) < 1e-18, (left - right, values, value)


# ------------------------------------------------------------ normal forms


def test_equal_expressions_share_a_normal_form():
    left = sqrt((1 + 2 * p) * (1 + 4 * p)) / sqrt(1 + 2 * p) + erfc(x)
    right = 1 - erf(x) + sqrt(1 + 4 * p)
    assert normal_form(left) == normal_form(right)


@pytest.mark.parametrize("name", TRUE)
def test_the_normal_form_of_zero_is_zero_and_of_something_is_the_same_thing(name):
    something = TRUE[name] + erf(p) / (1 + sqrt(p))
    assert reduces_to_zero(something - normal_form(something))


# ------------------------------------------------------------ refusals and limits


@pytest.mark.parametrize("expr", [sp.Float("0.1") * x, x ** sp.Float(2), f(sp.Float(1)), 0.5])
def test_floats_are_refused(expr):
    for question in (reduces_to_zero, normal_form):
        with pytest.raises(ValueError, match="exact numbers"):
            question(expr)


@pytest.mark.parametrize("expr", ["x - x", sp.eye(2), sp.true, None, sp.MatrixSymbol("A", 2, 2)])
def test_what_is_no_scalar_is_refused(expr):
    for question in (reduces_to_zero, normal_form):
        with pytest.raises(TypeError, match="scalar"):
            question(expr)


UNDEFINED = [
    sp.Mul(0, sp.Pow(Abs(x) - sqrt(x**2), -1, evaluate=False), evaluate=False),
    sp.Add(sp.zoo, -x, evaluate=False),
    1 / (sin(x) ** 2 + cos(x) ** 2 - 1),
    (erf(x) + erfc(x) - 1) / (sqrt(1 + 2 * p + p**2) - 1 - p),
    sp.Order(x) - sp.Order(x),
    sp.Symbol("A", commutative=False) - x,
]


@pytest.mark.parametrize("expr", UNDEFINED, ids=range(len(UNDEFINED)))
def test_what_is_nowhere_one_number_is_not_zero(expr):
    assert not reduces_to_zero(expr)


LARGE = {
    "tower": sp.Pow(9, sp.Pow(9, 9, evaluate=False), evaluate=False) - 1,
    "power of a sum": (x + y + p + q) ** 300 - (x + y + p) ** 300,
    "power of a number": sp.Pow(R(3, 2), 10**7, evaluate=False) - x,
    "product of sums": (1 + x + y + p + q + c) ** 40 * (x + y - p - q) ** 40 - 1,
    "multiple angle": sin(1000 * x) - cos(x) ** 1000,
    "high root": x ** R(1, 1009) + x ** R(1, 1013),
    "factorial": sp.factorial(sp.Integer(10) ** 9, evaluate=False) - 1,
    "binomial": sp.binomial(sp.Integer(10) ** 9, 5 * sp.Integer(10) ** 8, evaluate=False) - 1,
    "sum": sp.Sum(1 / n, (n, 1, 10**7)) - 16,
    "nested": functools.reduce(lambda e, _: sin(e) + x, range(150), x),
    "root of a large number": sqrt(sp.Integer(10) ** 200 + 357) - 10**100,
    "many terms": sum(sin(i * x + y) * exp(i * y) for i in range(60)) - 1,
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_question_ends_soon(name):
    start = time.perf_counter()
    assert not reduces_to_zero(LARGE[name])
    assert time.perf_counter() - start < 10


def test_a_normal_form_that_would_be_too_large_is_refused_by_name():
    with pytest.raises(ExpressionTooLarge):
        normal_form(LARGE["power of a sum"])


# ------------------------------------------------------------ the same answer every time

PROGRAM = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("cases", sys.argv[1])
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)
answers = [cases.reduces_to_zero(e) for e in (*cases.TRUE.values(), *cases.FALSE.values())]
forms = [str(cases.normal_form(e + cases.erf(cases.p))) for e in cases.FALSE.values()]
print(answers.count(True), answers.count(False), hash("seed") % 1000)
print(answers)
print(forms)
"""


def test_the_answers_do_not_depend_on_the_hash_seed():
    outputs = []
    for seed in ("0", "1", "42"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, __file__],
            env=environment,
            cwd=os.path.dirname(os.path.dirname(__file__)),
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        first, *rest = run.stdout.splitlines()
        assert first.split()[:2] == [str(len(TRUE)), str(len(FALSE))], run.stdout
        outputs.append(rest)
    assert outputs[0] == outputs[1] == outputs[2]
