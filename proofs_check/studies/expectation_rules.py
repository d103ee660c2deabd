"""The rules of the expectation engine, each a claim; and the usual tables of Gaussian integrals.

Everything the package derives is a chain of named rules (`theory.gaussian`, `theory.counting`), so trust
in it rests on them. Here each rule is a sentence with its formula, typed by hand on the right; on the left
stands `Expectation(…)`, which the engine evaluates. Three kinds of evidence:

    WrittenOut           the integral itself, written out in standard normal variables and enclosed by certified
                         quadrature: no rule of the engine takes part, and what the engine says is held to it
    SymbolicIdentity     the engine's closed form reduces to the typed one by exact normal forms
    CertifiedNumerics    both as balls at generic points
    SampledExpectation   where a kink in two variables leaves no certified integral: draws of the expression

`derive` is held to the same: every line of a derivation is an equality between expectations, and
each of them is integrated by itself.

Notation: φ and Φ are the density and the distribution function of N(0, 1), T is Owen's function, Φ₂(h, k; ρ)
the bivariate normal distribution function, z ~ N(0, 1), and (a, b) ~ N((μ, ν), [[s, r], [r, t]]).

References: K. Pearson and W. Sheppard (1899); L. Isserlis (1918); R. Price (1958); C. Clark (1961); C. Stein
(1981); D. B. Owen, Tables for computing bivariate normal probabilities (1956), and A table of normal
integrals (1980); C. Williams (1997); Y. Cho and L. Saul (2009); Wikipedia, List of integrals of Gaussian
functions. The tables are transcribed from memory and stand on the evidence given here; an entry of Owen's
is quoted by its number only where the number was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import sympy as sp
from scipy.special import erf

from numerics import Simulator
from proofs_check.certified import CertifiedNumerics
from proofs_check.check import Check, Checkable, Context
from proofs_check.claim import Claim, Study, claim
from proofs_check.monte_carlo import MonteCarloAgreement, agreement_of_expectation
from proofs_check.symbolic import SymbolicIdentity
from proofs_check.verdict import Evidence, Outcome, Verdict
from theory import (
    Agreement,
    BivariateNormalCDF,
    Derivation,
    Domain,
    Expectation,
    GaussianIntegral,
    GaussianMatrix,
    GaussianVector,
    Identity,
    Latent,
    NormalCDF,
    OwenT,
    TokenGroup,
    Tokens,
    derive,
    dot,
    equal,
    gaussians,
    quad,
)
from theory.statement import evaluate_expectations
from theory.variables import GaussianScalar

__all__ = ["SampledExpectation", "WrittenOut", "study", "written_out"]

Q = sp.Rational
DERIVED = "derived here"


# --- evidence that uses no rule --------------------------------------------------------------


def written_out(expr: sp.Basic) -> sp.Basic:
    """The expression with every `Expectation` as an integral over standard normal variables.

        E f(x) = ∫ f(m + A t) φ(t) dt,    A Aᵀ = Σ lower triangular

    Three things are done by hand: ∫ δ(αt + β) g(t) φ(t) dt = g(−β/α) φ(−β/α)/|α|; a variable that appears as a
    polynomial only is replaced by its moments 1, 0, 1, 0, 3, …; and products of functions of one variable each,
    of more than two variables, are products of integrals.

    >>> (z,) = gaussians("z")
    >>> written_out(Expectation(sp.tanh(z)**2))
    GaussianIntegral(tanh(t_0)**2, (t_0,))
    """
    nodes = expr.atoms(Expectation)
    return expr.xreplace({node: _integral(node.args[0]) for node in nodes}) if nodes else expr


def _integral(f: sp.Expr) -> sp.Expr:
    families: dict[Any, list[GaussianScalar]] = {}
    for scalar in sorted(f.atoms(GaussianScalar), key=sp.default_sort_key):
        families.setdefault(scalar.family, []).append(scalar)
    values: dict[sp.Expr, sp.Expr] = {}
    variables: list[sp.Symbol] = []
    for family, members in families.items():
        members.sort(key=lambda member: member.index)
        rows = [member.index for member in members]
        factor = _lower_triangular(family.covariance.extract(rows, rows))
        ts = [sp.Dummy(f"t_{len(variables) + i}", real=True) for i in range(len(members))]
        variables += ts
        for i, member in enumerate(members):
            values[member] = family.mean[member.index] + sum(factor[i, j] * ts[j] for j in range(i + 1))
    integrand = _without_delta(f.xreplace(values), variables)
    for t in list(variables):
        moments = _by_moments(integrand, t)
        integrand = integrand if moments is None else moments
    if len(integrand.free_symbols & set(variables)) > 2:
        return sp.Add(*(_by_factors(term, variables) for term in sp.Add.make_args(sp.expand(integrand))))
    return _over(integrand, variables)


def _over(integrand: sp.Expr, variables: Iterable[sp.Symbol]) -> sp.Expr:
    used = [t for t in variables if t in integrand.free_symbols]
    return GaussianIntegral(integrand, used) if used else integrand


def _lower_triangular(covariance: sp.Matrix) -> sp.Matrix:
    """A with A Aᵀ = Σ by Cholesky's algorithm; a column of zeros where the pivot vanishes."""
    n = covariance.rows
    factor, rest = sp.zeros(n, n), covariance.as_mutable()
    for j in range(n):
        pivot = sp.cancel(rest[j, j])
        if pivot == 0:
            continue
        column = [sp.cancel(rest[i, j]) for i in range(n)]
        for i in range(j, n):
            factor[i, j] = sp.sqrt(pivot) if i == j else column[i] / sp.sqrt(pivot)
            for k in range(j, n):
                rest[i, k] -= column[i] * column[k] / pivot
    return factor


def _without_delta(integrand: sp.Expr, variables: Iterable[sp.Symbol]) -> sp.Expr:
    for delta in sorted(integrand.atoms(sp.DiracDelta), key=sp.default_sort_key):
        t = max((v for v in variables if v in delta.free_symbols), key=sp.default_sort_key)
        slope = sp.expand(delta.args[0]).coeff(t)
        place = sp.expand(-(delta.args[0] - slope * t) / slope)
        density = sp.exp(-(place**2) / 2) / sp.sqrt(2 * sp.pi) / sp.Abs(slope)
        return _without_delta((integrand / delta).xreplace({t: place}) * density, variables)
    return integrand


def _by_factors(term: sp.Expr, variables: list[sp.Symbol]) -> sp.Expr:
    rest = term
    result: sp.Expr = sp.Integer(1)
    for t in variables:
        own, rest = sp.Mul(*(f for f in sp.Mul.make_args(rest) if t in f.free_symbols)), rest.as_independent(t)[0]
        moments = _by_moments(own, t)
        result *= _over(own, variables) if moments is None else moments
    return result * rest


def _by_moments(integrand: sp.Expr, t: sp.Symbol) -> sp.Expr | None:
    if t not in integrand.free_symbols or not integrand.is_polynomial(t):
        return None
    terms = sp.Poly(integrand, t).terms()
    return sp.Add(*(c * sp.factorial2(k - 1) for (k,), c in terms if k % 2 == 0))


@dataclass(frozen=True)
class WrittenOut(Check):
    """Both what the engine makes of the left side and the typed right side equal the integral written out.

    Args:
        digits, points: as for `CertifiedNumerics`.
    """

    digits: int = 25
    points: int = 2

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Hold the two sides to quadrature, at generic points."""
        statement = claim.statement
        assert isinstance(statement, Identity) and isinstance(claim, Claim)
        sides = [(left, right) for left, right in statement.components()]
        judged = [evaluate_expectations(left) for left, _ in sides] + [written_out(right) for _, right in sides]
        integrals = [written_out(left) for left, _ in sides]
        held = Identity(sp.Tuple(*judged), sp.Tuple(*integrals, *integrals))
        return CertifiedNumerics(self.digits, self.points).run(replace(claim, make_statement=lambda: held), context)


@dataclass(frozen=True)
class SampledExpectation(Check):
    """What the engine makes of the left side is the mean of draws of the expression, at a generic point.

    For claims Expectation(f) = formula about one family of scalars; see `agreement_of_expectation`.

    Args:
        second_moment: a proven bound of E f², in the symbols of the claim.
        resolution: as for `MonteCarloAgreement`.
    """

    second_moment: Any = 1
    resolution: float = 0.03

    is_statistical: ClassVar[bool] = True

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Draw the variables, and average."""
        statement = claim.statement
        assert isinstance(statement, Identity)
        (left, _), *others = statement.components()
        if others or not isinstance(left, Expectation):
            return Verdict(Outcome.UNDECIDED, Evidence.STATISTICAL, "", "the left side is not one expectation")
        scalars = sorted(left.atoms(GaussianScalar), key=lambda scalar: scalar.index)
        (family,) = {scalar.family for scalar in scalars}
        rows = [scalar.index for scalar in scalars]
        plain = {scalar: sp.Dummy(scalar.name, real=True) for scalar in scalars}
        return agreement_of_expectation(
            left.args[0].xreplace(plain),
            evaluate_expectations(left),
            list(plain.values()),
            mean=[family.mean[i] for i in rows],
            covariance=family.covariance.extract(rows, rows).tolist(),
            values=claim.domain.draw(context.rng),
            second_moment=self.second_moment,
            resolution=self.resolution,
            alpha=context.alpha,
            seed=context.seed,
            seconds=context.seconds,
        )


# Quadrature comes first because a proof ends the search for other certain evidence, and the
# quadrature is the one that does not share the rule.
ENGINE = (SymbolicIdentity(), CertifiedNumerics(digits=25))
EXACT = (WrittenOut(), *ENGINE)
PLANE = (WrittenOut(digits=12, points=1), *ENGINE)  # integrals in two variables: a second each


# --- laws ------------------------------------------------------------------------------------

mu, nu, r, q, x, y, c, e, p = sp.symbols("mu nu r q x y c e p", real=True)
alpha, beta, omega, eta = sp.symbols("alpha beta omega eta", real=True)
s, t, lam, kappa, g, h, n = sp.symbols("s t lam kappa g h n", positive=True)

(z,) = gaussians("z")
(w,) = gaussians("w", mean=[mu], covariance=[[s]])
a, b = gaussians("a b", mean=[mu, nu], covariance=[[s, r], [r, t]])
a0, b0 = gaussians("a_0 b_0", covariance=[[s, r], [r, t]])
u0, v0 = gaussians("u_0 v_0", covariance=[[1, r], [r, 1]])
twin, other_twin = gaussians("a_1 a_2", mean=[mu, mu], covariance=[[s, s], [s, s]])

VALUES = {mu: (-2, 2), nu: (-2, 2), s: (Q(1, 5), 3), t: (Q(1, 5), 3), r: (-2, 2)}
NONSINGULAR = (r**2 < s * t,)
OPTIONAL = {
    lam: (Q(1, 5), 2),
    kappa: (Q(1, 5), 2),
    q: (0, 2),
    **dict.fromkeys((alpha, beta, omega, eta, x, y, c, e), (-2, 2)),
}


def where(*symbols: sp.Symbol, conditions: tuple = ()) -> Domain:
    """The usual intervals of these symbols."""
    return Domain({symbol: {**VALUES, **OPTIONAL}[symbol] for symbol in symbols}, conditions)


PAIR = where(mu, nu, s, r, t, conditions=NONSINGULAR)
CENTRED = where(s, r, t, conditions=NONSINGULAR)
CORRELATION = Domain({r: (Q(-99, 100), Q(99, 100))})
NOTHING = Domain({})


def pair(*symbols: sp.Symbol) -> Domain:
    """The domain of (a, b) with some parameters."""
    return where(mu, nu, s, r, t, *symbols, conditions=NONSINGULAR)


def phi(x: sp.Expr) -> sp.Expr:
    """The standard normal density."""
    return sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)


def slope_of_erf(x: sp.Expr) -> sp.Expr:
    """erf′(x) = (2/√π) e^{−x²}."""
    return 2 / sp.sqrt(sp.pi) * sp.exp(-(x**2))


Phi, Phi2, T, H = NormalCDF, BivariateNormalCDF, OwenT, sp.Heaviside


# --- rules: linearity, independence, parity, moments -----------------------------------------


@claim(on=where(mu, s, alpha, beta, c), by=EXACT, source="elementary")
def linearity():
    """E (αw² + β erf(w) + c) = α(s + μ²) + β erf(μ/√(1 + 2s)) + c."""
    return equal(
        Expectation(alpha * w**2 + beta * sp.erf(w) + c),
        alpha * (s + mu**2) + beta * sp.erf(mu / sp.sqrt(1 + 2 * s)) + c,
    )


@claim(on=where(mu, s, lam), by=EXACT, source="elementary")
def independence():
    """E z² cos(z) erf(λw) = E z² cos(z) · E erf(λw) = 0 · erf(λμ/√(1 + 2λ²s)) = 0, and with z⁴ in place of z²
    it is −2e^{−1/2} erf(λμ/√(1 + 2λ²s)): z and w are independent."""
    gate = sp.erf(lam * mu / sp.sqrt(1 + 2 * lam**2 * s))
    return equal([Expectation(z**k * sp.cos(z) * sp.erf(lam * w)) for k in (2, 4)], [0, -2 * sp.exp(-Q(1, 2)) * gate])


@claim(on=where(mu, s), by=EXACT, source="elementary")
def a_variable_that_does_not_vary_is_a_number():
    """A Gaussian of variance zero is its mean: E c² erf(c) w = μ³ erf(μ) for c ~ N(μ, 0)."""
    (constant,) = gaussians("c_0", mean=[mu], covariance=[[0]])
    return equal(Expectation(constant**2 * sp.erf(constant) * w), mu**3 * sp.erf(mu))


@claim(on=CENTRED, by=PLANE, source="elementary")
def parity():
    """An odd function of a centred law has mean zero: E a₀ b₀² = E a₀ cos(b₀) = E erf(a₀) b₀² = 0; an even one has not:
    E a₀ b₀³ = 3rt."""
    odd = [a0 * b0**2, a0 * sp.cos(b0), sp.erf(a0) * b0**2, sp.sin(a0) * sp.erf(a0) * b0]
    return equal([Expectation(f) for f in (*odd, a0 * b0**3)], [0, 0, 0, 0, 3 * r * t])


@claim(on=CENTRED, by=[SampledExpectation(second_moment=1), *ENGINE], source="elementary")
def parity_of_three_gates():
    """E erf(a₀) erf(b₀) erf(a₀ + b₀) = 0 for a centred law."""
    return equal(Expectation(sp.erf(a0) * sp.erf(b0) * sp.erf(a0 + b0)), 0)


@claim(on=PAIR, by=EXACT, source="Isserlis (1918)")
def moments_of_a_pair():
    """E a²b² = (s + μ²)(t + ν²) + 2r² + 4rμν and E a³b = 3μ²r + 3sr + (μ³ + 3μs)ν."""
    return equal(
        [Expectation(a**2 * b**2), Expectation(a**3 * b)],
        [
            (s + mu**2) * (t + nu**2) + 2 * r**2 + 4 * r * mu * nu,
            3 * mu**2 * r + 3 * s * r + (mu**3 + 3 * mu * s) * nu,
        ],
    )


@claim(on=where(s), by=EXACT, source="Isserlis (1918)")
def even_moments():
    """E x^{2k} = (2k − 1)!! s^k for x ~ N(0, s), k = 1, …, 6."""
    (centred,) = gaussians("x_0", covariance=[[s]])
    orders = range(1, 7)
    return equal([Expectation(centred ** (2 * k)) for k in orders], [sp.factorial2(2 * k - 1) * s**k for k in orders])


# --- rules: Stein ----------------------------------------------------------------------------


@claim(on=pair(lam), by=EXACT, source="Stein (1981)")
def stein():
    """E a g = μ E g + s E ∂g/∂a + r E ∂g/∂b for g = b² erf(λa) and g = ab e^{−a²}."""
    first, second = b**2 * sp.erf(lam * a), a * b * sp.exp(-(a**2))
    in_a = [lam * b**2 * slope_of_erf(lam * a), (1 - 2 * a**2) * b * sp.exp(-(a**2))]
    in_b = [2 * b * sp.erf(lam * a), a * sp.exp(-(a**2))]
    return equal(
        [Expectation(a * g) for g in (first, second)],
        [
            mu * Expectation(g) + s * Expectation(slope_a) + r * Expectation(slope_b)
            for g, slope_a, slope_b in zip((first, second), in_a, in_b, strict=True)
        ],
    )


@claim(on=pair(lam), by=EXACT, source="Stein (1981)")
def stein_on_a_gate():
    """E b erf(λa) = ν erf(u) + (2λr/√(πD)) e^{−u²} with D = 1 + 2λ²s, u = λμ/√D."""
    D = 1 + 2 * lam**2 * s
    u = lam * mu / sp.sqrt(D)
    return equal(Expectation(b * sp.erf(lam * a)), nu * sp.erf(u) + 2 * lam * r / sp.sqrt(sp.pi * D) * sp.exp(-(u**2)))


@claim(on=PAIR, by=PLANE, source="Stein (1981)")
def stein_on_a_gate_of_both():
    """E a erf(a + b) = μ erf(v) + (2(s + r)/√(πD)) e^{−v²} with D = 1 + 2(s + 2r + t), v = (μ + ν)/√D."""
    D = 1 + 2 * (s + 2 * r + t)
    v = (mu + nu) / sp.sqrt(D)
    return equal(Expectation(a * sp.erf(a + b)), mu * sp.erf(v) + 2 * (s + r) / sp.sqrt(sp.pi * D) * sp.exp(-(v**2)))


@claim(on=PAIR, by=EXACT, source="Stein (1981)")
def stein_on_a_step():
    """E b sign(a) = ν erf(μ/√(2s)) + 2r φ(μ/√s)/√s: the derivative of the step is 2δ."""
    return equal(
        Expectation(b * sp.sign(a)), nu * sp.erf(mu / sp.sqrt(2 * s)) + 2 * r * phi(mu / sp.sqrt(s)) / sp.sqrt(s)
    )


VECTOR = GaussianVector("x", 2, mean=[mu, nu], covariance=[[s, r], [r, t]])
GENERAL = sp.Matrix([[1, 2], [-1, 3]])
DIRECTION = sp.Matrix([1, -2])


@claim(on=PAIR, by=ENGINE, source="Stein (1981), in vectors")
def stein_on_a_vector():
    """E⟨x, Ax⟩⟨x, u⟩² in vectors is the same mean written out in coordinates, x ~ N((μ, ν), Σ), A = [[1, 2], [−1, 3]],
    u = (1, −2)."""
    in_coordinates = (a**2 + a * b + 3 * b**2) * (a - 2 * b) ** 2
    return equal(
        Expectation(quad(VECTOR, GENERAL) * dot(VECTOR, DIRECTION) ** 2), written_out(Expectation(in_coordinates))
    )


@claim(on=PAIR, by=ENGINE, source="Stein (1981), in vectors; completing the square")
def stein_on_a_vector_with_an_exponential():
    """E⟨x, x⟩⟨x, Ax⟩ e^{⟨x, u⟩} = e^{⟨m, u⟩ + uᵀΣu/2} [(‖c‖² + tr Σ)(cᵀAc + tr AΣ) + 2 tr ΣBΣ + 4 cᵀΣBc] with
    c = m + Σu and B = (A + Aᵀ)/2, for A = [[1, 2], [−1, 3]] and u = (1, −2)."""
    A, u = sp.Matrix(GENERAL), sp.Matrix(DIRECTION)
    mean, cov = sp.Matrix([mu, nu]), sp.Matrix([[s, r], [r, t]])
    center, B = mean + cov * u, (A + A.T) / 2
    squares = (center.dot(center) + cov.trace()) * ((center.T * A * center)[0] + (A * cov).trace())
    crossed = 2 * (cov * B * cov).trace() + 4 * (center.T * cov * B * center)[0]
    return equal(
        Expectation(dot(VECTOR, VECTOR) * quad(VECTOR, GENERAL) * sp.exp(dot(VECTOR, DIRECTION))),
        sp.exp(mean.dot(u) + (u.T * cov * u)[0] / 2) * (squares + crossed),
    )


@claim(on=pair(lam), by=ENGINE, source="Stein (1981), in vectors")
def stein_on_a_vector_with_a_gate():
    """E⟨x, x⟩ erf(λ⟨x, u⟩), u = (1, −2), in vectors is Σᵢ E xᵢ² erf(λ⟨x, u⟩) written out in coordinates: with
    ℓ = ⟨x, u⟩, D = 1 + 2λ² Var ℓ, v = λ E ℓ/√D it is (s + t + μ² + ν²) erf(v) + Σᵢ (4mᵢ − 4λ²cᵢEℓ/D)(λcᵢ/√(πD)) e^{−v²}
    with c = Cov(x, ℓ)."""
    mean, variance = mu - 2 * nu, s - 4 * r + 4 * t
    D = 1 + 2 * lam**2 * variance
    v = lam * mean / sp.sqrt(D)
    parts = [
        (4 * m - 4 * lam**2 * cov * mean / D) * lam * cov / sp.sqrt(sp.pi * D) * sp.exp(-(v**2))
        for m, cov in ((mu, s - 2 * r), (nu, r - 2 * t))
    ]
    return equal(
        Expectation(dot(VECTOR, VECTOR) * sp.erf(lam * dot(VECTOR, DIRECTION))),
        (s + t + mu**2 + nu**2) * sp.erf(v) + sp.Add(*parts),
    )


@claim(on=where(s, t), by=ENGINE, source="elementary")
def products_of_independent_vectors():
    """E⟨x, y⟩² = stn and E⟨x, y⟩⁴ = 3s²t²n(n + 2) for independent x ~ N(0, sI), y ~ N(0, tI) in R^n; here n = 3."""
    first, second = GaussianVector("x_1", 3, covariance=s), GaussianVector("x_2", 3, covariance=t)
    return equal([Expectation(dot(first, second) ** k) for k in (2, 4)], [3 * s * t, 3 * s**2 * t**2 * 3 * 5])


# --- rules: tilting and conditioning ---------------------------------------------------------


@claim(on=where(mu, s, alpha, q), by=EXACT, source="elementary: completing the square")
def tilting():
    """E e^{αw − qw²} = (1 + 2qs)^{−1/2} exp((αμ − qμ² + α²s/2)/(1 + 2qs))."""
    M = 1 + 2 * q * s
    return equal(
        Expectation(sp.exp(alpha * w - q * w**2)),
        sp.exp((alpha * mu - q * mu**2 + alpha**2 * s / 2) / M) / sp.sqrt(M),
    )


@claim(on=where(mu, s, alpha, q, lam), by=EXACT, source="elementary: completing the square")
def tilted_moments():
    """Under the weight e^{αw − qw²} the law is N((μ + αs)/M, s/M), M = 1 + 2qs: for the mean, the second moment and the
    gate erf(λw)."""
    M = 1 + 2 * q * s
    weight = sp.exp(alpha * w - q * w**2)
    total = sp.exp((alpha * mu - q * mu**2 + alpha**2 * s / 2) / M) / sp.sqrt(M)
    mean, variance = (mu + alpha * s) / M, s / M
    return equal(
        [Expectation(weight * f) for f in (w, w**2, sp.erf(lam * w))],
        [
            total * mean,
            total * (mean**2 + variance),
            total * sp.erf(lam * mean / sp.sqrt(1 + 2 * lam**2 * variance)),
        ],
    )


@claim(
    on=where(
        s,
        t,
        r,
        q,
        conditions=(*NONSINGULAR, 2 * q * s * t < 1, 4 * q * r < 1, q * r > -1, (1 + q * r) ** 2 > q**2 * s * t),
    ),
    by=PLANE,
    source="elementary: completing the square",
)
def tilting_by_a_product():
    """E e^{−q a₀b₀} = det(I + qΣJ)^{−1/2} = ((1 + qr)² − q²st)^{−1/2}, J = [[0, 1], [1, 0]], and E a₀b₀ e^{−q a₀b₀} is
    minus its derivative in q."""
    determinant = (1 + q * r) ** 2 - q**2 * s * t
    weight = sp.exp(-q * a0 * b0)
    return equal(
        [Expectation(weight), Expectation(a0 * b0 * weight)],
        [determinant ** Q(-1, 2), (r * (1 + q * r) - q * s * t) * determinant ** Q(-3, 2)],
    )


@claim(on=where(mu, s, q), by=EXACT, source="elementary: completing the square")
def tilting_of_a_singular_law():
    """Where a₁ = a₂ almost surely, E e^{−q a₁a₂} = E e^{−q w²}, and e^{q(a₁ − a₂)²} is the number 1 for every q."""
    return equal(
        [Expectation(sp.exp(-q * twin * other_twin)), Expectation(sp.exp(5 * q * (twin - other_twin) ** 2))],
        [sp.exp(-q * mu**2 / (1 + 2 * q * s)) / sp.sqrt(1 + 2 * q * s), 1],
    )


@claim(
    on=where(s, t, r, alpha, beta), by=[SymbolicIdentity()], source="elementary: Gaussian integrals converge for M > 0"
)
def condition_of_finiteness():
    """E e^{αa₀² + βb₀²} is finite where the spectrum of M = I − 2Σ diag(α, β) is positive: trace M > 0, det M > 0."""
    conditions = derive(sp.exp(alpha * a0**2 + beta * b0**2)).conditions
    return equal(
        [condition.lhs for condition in conditions],
        [
            2 - 2 * alpha * s - 2 * beta * t,
            (1 - 2 * alpha * s) * (1 - 2 * beta * t) - 4 * alpha * beta * r**2,
        ],
    )


@claim(on=pair(x), by=EXACT, source="elementary: conditional laws of Gaussians")
def conditioning():
    """E δ(a − x) g(b) = p_a(x) E g(b̃) with p_a the density of a and b̃ ~ N(ν + r(x − μ)/s, t − r²/s): for g = 1, b, b²,
    erf(b)."""
    density = phi((x - mu) / sp.sqrt(s)) / sp.sqrt(s)
    mean, variance = nu + r * (x - mu) / s, t - r**2 / s
    return equal(
        [Expectation(sp.DiracDelta(a - x) * g) for g in (1, b, b**2, sp.erf(b))],
        [density, density * mean, density * (mean**2 + variance), density * sp.erf(mean / sp.sqrt(1 + 2 * variance))],
    )


@claim(on=PAIR, by=EXACT, source="elementary: the density of a linear form")
def density_of_a_form():
    """E δ(2a − b + 1) = φ(m/√V)/√V with m = 2μ − ν + 1, V = 4s − 4r + t."""
    mean, variance = 2 * mu - nu + 1, 4 * s - 4 * r + t
    return equal(Expectation(sp.DiracDelta(2 * a - b + 1)), phi(mean / sp.sqrt(variance)) / sp.sqrt(variance))


# --- rules: gates ----------------------------------------------------------------------------


@claim(on=where(mu, s, lam, kappa), by=EXACT, source="Owen (1980), 10,010.8")
def one_gate():
    """E erf(λw + κ) = erf((λμ + κ)/√(1 + 2λ²s)), E Φ(λw + κ) = Φ((λμ + κ)/√(1 + λ²s)), E sign(w) = erf(μ/√(2s))."""
    mean = lam * mu + kappa
    return equal(
        [Expectation(f) for f in (sp.erf(lam * w + kappa), Phi(lam * w + kappa), sp.sign(w))],
        [
            sp.erf(mean / sp.sqrt(1 + 2 * lam**2 * s)),
            Phi(mean / sp.sqrt(1 + lam**2 * s)),
            sp.erf(mu / sp.sqrt(2 * s)),
        ],
    )


@claim(on=CENTRED, by=PLANE, source="Williams (1997)")
def two_centred_gates():
    """E erf(a₀) erf(b₀) = (2/π) arcsin(2r/√((1 + 2s)(1 + 2t)))."""
    return equal(
        Expectation(sp.erf(a0) * sp.erf(b0)),
        2 / sp.pi * sp.asin(2 * r / sp.sqrt((1 + 2 * s) * (1 + 2 * t))),
    )


@claim(on=CORRELATION, by=[SampledExpectation(second_moment=1), *ENGINE], source="Sheppard (1899)")
def two_centred_steps():
    """E sign(u₀) sign(v₀) = (2/π) arcsin r, that is P(u₀ > 0, v₀ > 0) = 1/4 + arcsin(r)/(2π)."""
    return equal(Expectation(sp.sign(u0) * sp.sign(v0)), 2 / sp.pi * sp.asin(r))


@claim(on=CORRELATION, by=[SampledExpectation(second_moment=1), *ENGINE], source="Sheppard (1899)")
def quadrant():
    """P(u₀ > 0, v₀ < 0) = 1/4 − arcsin(r)/(2π)."""
    return equal(Expectation(H(u0) * H(-v0)), Q(1, 4) - sp.asin(r) / (2 * sp.pi))


@claim(on=where(nu, s, r, t, conditions=NONSINGULAR), by=PLANE, source="Owen (1956)")
def two_gates_one_centred():
    """E erf(a₀) erf(b₀ + ν) = 4 T(h, ρ/√(1 − ρ²)) with h = √2 ν/√(1 + 2t), ρ = 2r/√((1 + 2s)(1 + 2t))."""
    W1, W2 = 1 + 2 * s, 1 + 2 * t
    return equal(
        Expectation(sp.erf(a0) * sp.erf(b0 + nu)),
        4 * T(sp.sqrt(2) * nu / sp.sqrt(W2), 2 * r / sp.sqrt(W1 * W2 - 4 * r**2)),
    )


@claim(on=where(mu, s, lam), by=EXACT, source="Owen (1980), two normal cdfs of one form")
def square_of_a_gate():
    """E erf(λw)² = 1 − 8 T(√2 λμ/√(1 + 2λ²s), 1/√(1 + 4λ²s))."""
    u = lam * mu / sp.sqrt(1 + 2 * lam**2 * s)
    return equal(Expectation(sp.erf(lam * w) ** 2), 1 - 8 * T(sp.sqrt(2) * u, 1 / sp.sqrt(1 + 4 * lam**2 * s)))


@claim(on=PAIR, by=PLANE, source="Owen (1980), two normal cdfs")
def two_gates():
    """E erf(a) erf(b) = 4 Φ₂(h, k; ρ) − 2Φ(h) − 2Φ(k) + 1 with h = √2 μ/√(1 + 2s), k = √2 ν/√(1 + 2t)."""
    W1, W2 = 1 + 2 * s, 1 + 2 * t
    first, second = sp.sqrt(2) * mu / sp.sqrt(W1), sp.sqrt(2) * nu / sp.sqrt(W2)
    return equal(
        Expectation(sp.erf(a) * sp.erf(b)),
        4 * Phi2(first, second, 2 * r / sp.sqrt(W1 * W2)) - 2 * Phi(first) - 2 * Phi(second) + 1,
    )


@claim(on=pair(x, y), by=[SampledExpectation(second_moment=1), *ENGINE], source="the definition of Φ₂")
def two_steps():
    """P(a < x, b < y) = Φ₂((x − μ)/√s, (y − ν)/√t; r/√(st))."""
    return equal(
        Expectation(H(x - a) * H(y - b)),
        Phi2((x - mu) / sp.sqrt(s), (y - nu) / sp.sqrt(t), r / (sp.sqrt(s) * sp.sqrt(t))),
    )


@claim(on=CENTRED, by=PLANE, source="Price (1958); Williams (1997)")
def two_gates_with_a_polynomial():
    """E a₀b₀ erf(a₀) erf(b₀) = (2r/π) arcsin(2r/√(W₁W₂)) + (4/π)(st + r² − 2r²(s/W₁ + t/W₂))/√(W₁W₂ − 4r²) with
    W₁ = 1 + 2s, W₂ = 1 + 2t."""
    W1, W2 = 1 + 2 * s, 1 + 2 * t
    root = sp.sqrt(W1 * W2 - 4 * r**2)
    return equal(
        Expectation(a0 * b0 * sp.erf(a0) * sp.erf(b0)),
        2 * r / sp.pi * sp.asin(2 * r / sp.sqrt(W1 * W2))
        + 4 / (sp.pi * root) * (s * t + r**2 - 2 * r**2 * (s / W1 + t / W2)),
    )


@claim(
    on=CORRELATION,
    by=[SampledExpectation(second_moment=3), *ENGINE],
    source="Cho and Saul (2009), the arc-cosine kernel of degree 1",
)
def two_rectifiers():
    """E max(0, u₀) max(0, v₀) = (√(1 − r²) + (π − arccos r) r)/(2π)."""
    return equal(
        Expectation(sp.Max(0, u0) * sp.Max(0, v0)),
        (sp.sqrt(1 - r**2) + (sp.pi - sp.acos(r)) * r) / (2 * sp.pi),
    )


@claim(
    on=CORRELATION,
    by=[SampledExpectation(second_moment=105), *ENGINE],
    source="Cho and Saul (2009), the arc-cosine kernel of degree 2",
)
def two_squared_rectifiers():
    """E max(0, u₀)² max(0, v₀)² = (3r√(1 − r²) + (π − arccos r)(1 + 2r²))/(2π)."""
    return equal(
        Expectation(sp.Max(0, u0) ** 2 * sp.Max(0, v0) ** 2),
        (3 * r * sp.sqrt(1 - r**2) + (sp.pi - sp.acos(r)) * (1 + 2 * r**2)) / (2 * sp.pi),
    )


@claim(on=CORRELATION, by=[SampledExpectation(second_moment=3), *ENGINE], source="elementary; Price (1958)")
def two_absolute_values():
    """E |u₀||v₀| = (2/π)(√(1 − r²) + r arcsin r)."""
    return equal(Expectation(sp.Abs(u0) * sp.Abs(v0)), 2 / sp.pi * (sp.sqrt(1 - r**2) + r * sp.asin(r)))


@claim(
    on=PAIR,
    by=[SampledExpectation(second_moment=s + mu**2 + t + nu**2), *ENGINE],
    source="Clark (1961)",
)
def the_larger_of_two():
    """E max(a, b) = μΦ(α) + νΦ(−α) + θφ(α) with θ² = s + t − 2r, α = (μ − ν)/θ."""
    spread = sp.sqrt(s + t - 2 * r)
    ratio = (mu - nu) / spread
    return equal(Expectation(sp.Max(a, b)), mu * Phi(ratio) + nu * Phi(-ratio) + spread * phi(ratio))


@claim(
    on=PAIR,
    by=[
        SampledExpectation(
            second_moment=mu**4 + 6 * mu**2 * s + 3 * s**2 + nu**4 + 6 * nu**2 * t + 3 * t**2, resolution=0.05
        ),
        *ENGINE,
    ],
    source="Clark (1961)",
)
def square_of_the_larger_of_two():
    """E max(a, b)² = (μ² + s)Φ(α) + (ν² + t)Φ(−α) + (μ + ν)θφ(α)."""
    spread = sp.sqrt(s + t - 2 * r)
    ratio = (mu - nu) / spread
    return equal(
        Expectation(sp.Max(a, b) ** 2),
        (mu**2 + s) * Phi(ratio) + (nu**2 + t) * Phi(-ratio) + (mu + nu) * spread * phi(ratio),
    )


@claim(on=where(mu, s), by=EXACT, source="elementary: the folded and the rectified normal")
def absolute_value_and_rectifier():
    """E |w| = √(2s/π) e^{−μ²/(2s)} + μ erf(μ/√(2s)) and E max(0, w) = μΦ(μ/√s) + √s φ(μ/√s)."""
    ratio = mu / sp.sqrt(s)
    return equal(
        [Expectation(sp.Abs(w)), Expectation(sp.Max(0, w))],
        [
            2 * sp.sqrt(s) * phi(ratio) + mu * sp.erf(mu / sp.sqrt(2 * s)),
            mu * Phi(ratio) + sp.sqrt(s) * phi(ratio),
        ],
    )


@claim(on=where(mu, s), by=EXACT, source="elementary")
def square_of_a_step():
    """sign² = 1 and sign(w − 1) sign(2 − 2w) = −1 almost surely: E w² sign(w)² = s + μ², and −s − μ² for the other."""
    return equal(
        [Expectation(w**2 * sp.sign(w) ** 2), Expectation(w**2 * sp.sign(w - 1) * sp.sign(2 - 2 * w))],
        [s + mu**2, -s - mu**2],
    )


@claim(on=Domain({x: (-2, 0), y: (0, 2)}), by=EXACT, source="elementary")
def two_thresholds_on_one_variable():
    """E z^k 1{x < z < y} for k = 0, 1, 2 is Φ(y) − Φ(x), φ(x) − φ(y), Φ(y) − Φ(x) + xφ(x) − yφ(y), x < y."""
    inside = H(z - x) * H(y - z)
    return equal(
        [Expectation(z**k * inside) for k in range(3)],
        [Phi(y) - Phi(x), phi(x) - phi(y), Phi(y) - Phi(x) + x * phi(x) - y * phi(y)],
    )


# --- rules: waves ----------------------------------------------------------------------------


@claim(on=where(mu, s, omega), by=EXACT, source="the characteristic function")
def one_wave():
    """E cos(ωw) = e^{−ω²s/2} cos(ωμ), E sin(ωw) = e^{−ω²s/2} sin(ωμ),
    E w sin(ωw) = e^{−ω²s/2}(μ sin(ωμ) + ωs cos(ωμ))."""
    damping = sp.exp(-(omega**2) * s / 2)
    return equal(
        [Expectation(f) for f in (sp.cos(omega * w), sp.sin(omega * w), w * sp.sin(omega * w))],
        [
            damping * sp.cos(omega * mu),
            damping * sp.sin(omega * mu),
            damping * (mu * sp.sin(omega * mu) + omega * s * sp.cos(omega * mu)),
        ],
    )


@claim(on=PAIR, by=PLANE, source="product to sum")
def two_waves():
    """E cos a cos b, E sin a sin b, E sin a cos b are half the sum, or difference, of the means of waves of a − b and
    a + b, damped by e^{−(s + t ∓ 2r)/2}."""
    minus, plus = sp.exp(-(s + t - 2 * r) / 2), sp.exp(-(s + t + 2 * r) / 2)
    return equal(
        [Expectation(f) for f in (sp.cos(a) * sp.cos(b), sp.sin(a) * sp.sin(b), sp.sin(a) * sp.cos(b))],
        [
            (minus * sp.cos(mu - nu) + plus * sp.cos(mu + nu)) / 2,
            (minus * sp.cos(mu - nu) - plus * sp.cos(mu + nu)) / 2,
            (minus * sp.sin(mu - nu) + plus * sp.sin(mu + nu)) / 2,
        ],
    )


@claim(on=where(mu, s), by=EXACT, source="product to sum")
def squares_of_waves():
    """E sin² w = (1 − e^{−2s} cos 2μ)/2 and E sin³ w = (3e^{−s/2} sin μ − e^{−9s/2} sin 3μ)/4."""
    return equal(
        [Expectation(sp.sin(w) ** 2), Expectation(sp.sin(w) ** 3)],
        [
            (1 - sp.exp(-2 * s) * sp.cos(2 * mu)) / 2,
            (3 * sp.exp(-s / 2) * sp.sin(mu) - sp.exp(-9 * s / 2) * sp.sin(3 * mu)) / 4,
        ],
    )


@claim(on=CENTRED, by=PLANE, source=DERIVED)
def gate_with_a_wave():
    """E sin(b₀) erf(a₀) = e^{−t/2} erfi(r/√(1 + 2s)) for a centred law: tilting by an imaginary form."""
    return equal(Expectation(sp.sin(b0) * sp.erf(a0)), sp.exp(-t / 2) * sp.erfi(r / sp.sqrt(1 + 2 * s)))


@claim(on=where(mu, s, omega, lam), by=EXACT, source=DERIVED)
def gate_with_a_wave_and_a_mean():
    """E cos(ωw) erf(λw) = e^{−ω²s/2} Re(e^{iωμ} erf(λ(μ + iωs)/√(1 + 2λ²s))), and sin with Im in place of Re."""
    value = sp.exp(sp.I * omega * mu) * sp.erf(lam * (mu + sp.I * omega * s) / sp.sqrt(1 + 2 * lam**2 * s))
    damping = sp.exp(-(omega**2) * s / 2)
    return equal(
        [Expectation(wave(omega * w) * sp.erf(lam * w)) for wave in (sp.cos, sp.sin)],
        [damping * part(value, evaluate=False) for part in (sp.re, sp.im)],
    )


# --- rules: one-dimensional reduction ----------------------------------------------------------


def average(f: Callable[[sp.Expr], sp.Expr]) -> sp.Expr:
    """∫ f(μ + √s t) φ(t) dt, typed."""
    variable = sp.Dummy("t", real=True)
    return GaussianIntegral(f(mu + sp.sqrt(s) * variable), (variable,))


@claim(on=pair(lam), by=EXACT, source="elementary: conditional laws of Gaussians")
def one_dimensional_reduction():
    """E b tanh(λa) = ∫ (ν + r(x − μ)/s) tanh(λx) p_a(x) dx, and E b² tanh(λa) has the conditional second moment
    t − r²/s + (ν + r(x − μ)/s)² in its place."""

    def conditional_mean(value: sp.Expr) -> sp.Expr:
        return nu + r * (value - mu) / s

    return equal(
        [Expectation(b * sp.tanh(lam * a)), Expectation(b**2 * sp.tanh(lam * a))],
        [
            average(lambda value: conditional_mean(value) * sp.tanh(lam * value)),
            average(lambda value: (t - r**2 / s + conditional_mean(value) ** 2) * sp.tanh(lam * value)),
        ],
    )


@claim(
    on=pair(lam), by=[SampledExpectation(second_moment=1), *ENGINE], source="elementary: conditional laws of Gaussians"
)
def reduction_with_a_gate():
    """E erf(b)/(1 + e^{−λa}) is the integral of the sigmoid against the mean of the gate given a."""
    variance = t - r**2 / s
    return equal(
        Expectation(sp.erf(b) / (1 + sp.exp(-lam * a))),
        average(
            lambda value: sp.erf((nu + r * (value - mu) / s) / sp.sqrt(1 + 2 * variance)) / (1 + sp.exp(-lam * value))
        ),
    )


@claim(on=where(mu, s), by=EXACT, source="elementary")
def three_shifted_gates():
    """E erf(w) erf(w + 1) erf(2w − 1) is its integral in one variable."""
    return equal(
        Expectation(sp.erf(w) * sp.erf(w + 1) * sp.erf(2 * w - 1)),
        average(lambda value: sp.erf(value) * sp.erf(value + 1) * sp.erf(2 * value - 1)),
    )


# --- tokens: counting, latent locations --------------------------------------------------------

length = sp.Symbol("L", integer=True, positive=True)
J = Latent("J", length)
dimension = sp.Symbol("d", integer=True, positive=True)
unit = sp.MatrixSymbol("u", dimension, 1)
ON_THE_SPHERE = {dot(unit, unit): sp.Integer(1)}
BACKGROUND = GaussianMatrix("X", length, dimension, mean=c * unit, covariance=h**2)
PROMPT = Tokens(
    "X",
    dimension,
    [TokenGroup(1, p * unit, g**2, at=J), TokenGroup(length - 1, c * unit, h**2)],
)


def over_tokens(f: Callable[[sp.Expr], sp.Expr], tokens: sp.MatrixExpr) -> sp.Expr:
    """Σ_ℓ f(⟨X_ℓ, u⟩)."""
    index = sp.Symbol("l", integer=True)
    return sp.Sum(f(dot(tokens[index, :], unit)), (index, 0, tokens.shape[0] - 1))


def mean_of(expr: sp.Expr, known: Mapping[sp.Expr, sp.Expr] | None = None) -> sp.Expr:
    """The mean with ‖u‖ = 1."""
    return derive(expr, known={**ON_THE_SPHERE, **(known or {})}).result


LENGTHS = Domain({length: (1, 30), c: (-2, 2), h: (Q(1, 5), 2)})


@claim(on=Domain({length: (1, 30), h: (Q(1, 5), 2)}), by=ENGINE, source="moments of the chi-square law")
def exchangeable_sums():
    """E (Σ_ℓ x_ℓ²)^k = L(L + 2)⋯(L + 2k − 2) h^{2k} for L independent x_ℓ ~ N(0, h²), k = 1, …, 4."""
    total = over_tokens(lambda value: value**2, GaussianMatrix("X", length, dimension, covariance=h**2))
    return equal(
        [mean_of(total**k) for k in range(1, 5)],
        [h ** (2 * k) * sp.Mul(*(length + 2 * i for i in range(k))) for k in range(1, 5)],
    )


@claim(on=LENGTHS, by=ENGINE, source="elementary: set partitions")
def three_sums():
    """With all sums over the same L tokens, E (Σ x)(Σ x²)(Σ erf x) = L E x³erf
    + L(L−1)(E x³ E erf + E x erf E x² + E x² erf E x) + L(L−1)(L−2) E x E x² E erf."""
    (token,) = gaussians("x_l", mean=[c], covariance=[[h**2]])
    E1, E2, gate = Expectation(token), Expectation(token**2), Expectation(sp.erf(token))
    product = sp.Mul(*(over_tokens(f, BACKGROUND) for f in (lambda v: v, lambda v: v**2, sp.erf)))
    return equal(
        mean_of(product),
        length * Expectation(token**3 * sp.erf(token))
        + length
        * (length - 1)
        * (
            Expectation(token**3) * gate
            + Expectation(token * sp.erf(token)) * E2
            + Expectation(token**2 * sp.erf(token)) * E1
        )
        + length * (length - 1) * (length - 2) * E1 * E2 * gate,
    )


@claim(
    on=Domain({c: (-2, 2), p: (-2, 2), g: (Q(1, 5), 2), h: (Q(1, 5), 2)}),
    by=EXACT,
    source="brute force: the sums written out",
)
def sums_written_out():
    """For L = 1, 2, 3 the mean of x_J (Σ x_ℓ)(Σ erf x_ℓ)(Σ x_ℓ²), x_J ~ N(p, g²), the others N(c, h²), is that of the
    sums written out over L independent scalars."""

    def product(placed: Any, every: Callable[[Callable], Any]) -> sp.Expr:
        return placed * every(lambda v: v) * every(sp.erf) * every(lambda v: v**2)

    derived = mean_of(product(dot(PROMPT[J, :], unit), lambda f: over_tokens(f, PROMPT)))
    by_length, written = [], []
    for size in (1, 2, 3):
        xs = [
            *gaussians("x_1", mean=[p], covariance=[[g**2]]),
            *(gaussians(f"x_{i}", mean=[c], covariance=[[h**2]])[0] for i in range(2, size + 1)),
        ]
        by_length.append(derived.subs(length, size))
        written.append(Expectation(product(xs[0], lambda f, xs=xs: sp.Add(*map(f, xs)))))
    return equal(by_length, written)


@claim(
    on=Domain({length: (1, 30), p: (-2, 2), g: (Q(1, 5), 2), c: (-2, 2), h: (Q(1, 5), 2)}),
    by=ENGINE,
    source="total expectation",
)
def latent_locations():
    """E x_J² = p² + g² wherever J is, and E x_J Σ_ℓ x_ℓ = p² + g² + (L − 1)pc: the sum meets the
    informative token once."""
    placed = dot(PROMPT[J, :], unit)
    return equal(
        [mean_of(placed**2), mean_of(placed * over_tokens(lambda v: v, PROMPT))],
        [p**2 + g**2, p**2 + g**2 + (length - 1) * p * c],
    )


def draw(
    rng: np.random.Generator, n: int, *, L: int, p: float, g: float, c: float, h: float
) -> tuple[np.ndarray, np.ndarray]:
    """n prompts of L tokens in R³ with u = (2, −1, 2)/3, and y = ⟨X_J, u⟩."""
    u = np.array([2.0, -1.0, 2.0]) / 3
    tokens = c * u + h * rng.standard_normal((n, L, 3))
    location = rng.integers(L, size=n)
    tokens[np.arange(n), location] = p * u + g * rng.standard_normal((n, 3))
    return tokens, tokens[np.arange(n), location] @ u


def predict(tokens: np.ndarray) -> np.ndarray:
    """(Σ_ℓ erf⟨X_ℓ, u⟩)³."""
    return erf(tokens @ np.array([2.0, -1.0, 2.0]) / 3).sum(axis=1) ** 3


SIMULATOR = Simulator(draw, predict, loss=lambda y, prediction: y * prediction)


@lru_cache
def product_of_four() -> sp.Expr:
    """E x_J (Σ_ℓ erf x_ℓ)³."""
    return mean_of(dot(PROMPT[J, :], unit) * over_tokens(sp.erf, PROMPT) ** 3)


@claim(
    on=Domain({length: (1, 6), p: (Q(1, 2), 2), g: (Q(1, 5), 1), c: (Q(1, 4), 1), h: (Q(1, 5), 1)}),
    by=[
        MonteCarloAgreement(
            resolution=0.03,
            points=3,
            models=[
                {"L": 4, "p": 1.3, "g": 0.6, "c": 0.7, "h": 0.4},
                {"L": 5, "p": -0.9, "g": 0.5, "c": 0.6, "h": 0.7},
            ],
            second_moment=lambda L, p, g, c, h: L**6 * (p**2 + g**2),  # |erf| ≤ 1
        )
    ],
    source=DERIVED,
)
def sums_over_tokens_are_those_of_the_model():
    """The mean of x_J (Σ_ℓ erf x_ℓ)³, derived with symbolic L, is that of the prompts drawn in R³, J uniform."""
    return Agreement(product_of_four(), "x_J (sum of erf x_l)^3")


# --- derivations: every line integrated by itself ------------------------------------------------

IN_ONE_VARIABLE = (
    w**3 * sp.erf(w) * sp.exp(-(w**2) / 3),
    w**2 * sp.erf(w) ** 2,
    sp.Abs(w) * sp.exp(w / 2) * sp.erf(w + 1),
    w * sp.sin(w) * sp.cos(2 * w),
    w * sp.cos(w) * sp.erf(w),
    sp.Max(0, w) ** 2 * Phi(w),
)
IN_TWO_VARIABLES = (a * b**2 * sp.erf(a), b * sp.tanh(a) * sp.exp(a - a**2 / 4), b**3 * sp.sign(a))


def lines_of(expressions: Iterable[sp.Expr]) -> Identity:
    """before = after for every step of the derivations."""
    steps = [step for expr in expressions for step in derive(expr).steps]
    return equal([step.before for step in steps], [step.after for step in steps])


@claim(on=where(mu, s), by=[WrittenOut(digits=20, points=1)], source=DERIVED)
def every_line_of_a_derivation_in_one_variable():
    """Six derivations that between them use Stein, tilting, conditioning, product to sum and all erf moments: the two
    sides of every line are equal integrals."""
    return lines_of(IN_ONE_VARIABLE)


@claim(on=PAIR, by=[WrittenOut(digits=20, points=1)], source=DERIVED)
def every_line_of_a_derivation_in_two_variables():
    """Three derivations in two correlated variables: the two sides of every line are equal integrals."""
    return lines_of(IN_TWO_VARIABLES)


# --- tables --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """A line of a table: ∫ f(x) φ(x) dx = formula, read as E f(z), with the integral in the table's own words."""

    name: str
    integral: str
    f: sp.Expr
    formula: sp.Expr
    symbols: tuple[sp.Symbol, ...] = ()
    conditions: tuple = ()

    def as_claim(self, source: str) -> Claim:
        """The entry as a claim."""
        return Claim(
            self.name,
            f"{self.integral}.",
            lambda: equal(Expectation(self.f), self.formula),
            where(*self.symbols, conditions=self.conditions),
            source,
            EXACT,
        )


A, B, C, D = alpha, beta, c, e
root_b = sp.sqrt(1 + B**2)
root_d = sp.sqrt(1 + D**2)
root_2b = sp.sqrt(1 + 2 * B**2)
BELOW, POSITIVE = H(y - z), H(z)
(shifted,) = gaussians("x_1", mean=[-A / lam], covariance=[[1 / lam**2]])

SHEET = "Wikipedia, List of integrals of Gaussian functions; transcribed from memory"
WIKIPEDIA = (
    Entry("w-density", "∫_{−∞}^y φ(x) dx = Φ(y)", BELOW, Phi(y), (y,)),
    Entry("w-first-moment-below", "∫_{−∞}^y xφ(x) dx = −φ(y)", z * BELOW, -phi(y), (y,)),
    Entry("w-second-moment-below", "∫_{−∞}^y x²φ(x) dx = Φ(y) − yφ(y)", z**2 * BELOW, Phi(y) - y * phi(y), (y,)),
    *(
        Entry(
            f"w-odd-moment-below-{2 * k + 1}",
            f"∫_{{−∞}}^y x^{2 * k + 1} φ(x) dx = −φ(y) Σ_j (2k)!!/(2j)!! y^(2j), k = {k}",
            z ** (2 * k + 1) * BELOW,
            -phi(y) * sp.Add(*(sp.factorial2(2 * k) / sp.factorial2(2 * j) * y ** (2 * j) for j in range(k + 1))),
            (y,),
        )
        for k in (1, 2, 3)
    ),
    *(
        Entry(
            f"w-even-moment-below-{2 * k + 2}",
            f"∫_{{−∞}}^y x^{2 * k + 2} φ(x) dx = (2k+1)!! Φ(y) − φ(y) Σ_j (2k+1)!!/(2j+1)!! y^(2j+1), k = {k}",
            z ** (2 * k + 2) * BELOW,
            sp.factorial2(2 * k + 1) * Phi(y)
            - phi(y)
            * sp.Add(*(sp.factorial2(2 * k + 1) / sp.factorial2(2 * j + 1) * y ** (2 * j + 1) for j in range(k + 1))),
            (y,),
        )
        for k in (1, 2, 3)
    ),
    Entry(
        "w-squared-density-below",
        "∫_{−∞}^y φ(x)² dx = Φ(√2 y)/(2√π)",
        phi(z) * BELOW,
        Phi(sp.sqrt(2) * y) / (2 * sp.sqrt(sp.pi)),
        (y,),
    ),
    *(
        Entry(
            f"w-density-to-the-{k}-below",
            f"∫_{{−∞}}^y φ(x)^{k} dx = Φ(√n y)/√(n(2π)^(n−1)), n = {k}",
            phi(z) ** (k - 1) * BELOW,
            Phi(sp.sqrt(k) * y) / sp.sqrt(k * (2 * sp.pi) ** (k - 1)),
            (y,),
        )
        for k in (3, 4)
    ),
    Entry(
        "w-two-densities-below",
        "∫_{−∞}^y φ(x)φ(a+bx) dx = φ(a/t)Φ(ty + ab/t)/t, t = √(1+b²)",
        phi(A + B * z) * BELOW,
        phi(A / root_b) * Phi(root_b * y + A * B / root_b) / root_b,
        (A, B, y),
    ),
    Entry(
        "w-shifted-first-moment-below",
        "∫_{−∞}^y xφ(a+bx) dx = −(φ(a+by) + aΦ(a+by))/b², b > 0",
        shifted * H(y - shifted) / lam,
        -(phi(A + lam * y) + A * Phi(A + lam * y)) / lam**2,
        (A, lam, y),
    ),
    Entry(
        "w-shifted-second-moment-below",
        "∫_{−∞}^y x²φ(a+bx) dx = ((a²+1)Φ(a+by) + (a−by)φ(a+by))/b³, b > 0",
        shifted**2 * H(y - shifted) / lam,
        ((A**2 + 1) * Phi(A + lam * y) + (A - lam * y) * phi(A + lam * y)) / lam**3,
        (A, lam, y),
    ),
    Entry(
        "w-first-moment-times-cdf-below",
        "∫_{−∞}^y xφ(x)Φ(a+bx) dx = (b/t)φ(a/t)Φ(ty + ab/t) − φ(y)Φ(a+by)",
        z * Phi(A + B * z) * BELOW,
        B / root_b * phi(A / root_b) * Phi(root_b * y + A * B / root_b) - phi(y) * Phi(A + B * y),
        (A, B, y),
    ),
    Entry(
        "w-exponential-below",
        "∫_{−∞}^y e^{cx}φ(x) dx = e^{c²/2}Φ(y − c)",
        sp.exp(C * z) * BELOW,
        sp.exp(C**2 / 2) * Phi(y - C),
        (C, y),
    ),
    Entry(
        "w-exponential-times-density-below",
        "∫_{−∞}^y e^{cx}φ(x)² dx = e^{c²/4}Φ(√2 y − c/√2)/(2√π)",
        sp.exp(C * z) * phi(z) * BELOW,
        sp.exp(C**2 / 4) * Phi(sp.sqrt(2) * y - C / sp.sqrt(2)) / (2 * sp.sqrt(sp.pi)),
        (C, y),
    ),
    *(
        Entry(
            f"w-second-moment-of-density-to-the-{k}",
            f"∫ x²φ(x)^n dx = 1/√(n³(2π)^(n−1)), n = {k}",
            z**2 * phi(z) ** (k - 1),
            1 / sp.sqrt(k**3 * (2 * sp.pi) ** (k - 1)),
        )
        for k in (1, 2, 3)
    ),
    Entry(
        "w-two-densities",
        "∫ φ(x)φ(a+bx) dx = φ(a/√(1+b²))/√(1+b²)",
        phi(A + B * z),
        phi(A / root_b) / root_b,
        (A, B),
    ),
    Entry(
        "w-density-times-cdf-on-the-negative-axis",
        "∫_{−∞}^0 φ(ax)Φ(bx) dx = (π/2 − arctan(b/a))/(2πa), as the mean over φ of e^{(1−a²)x²/2} Φ(bx), a > 0",
        sp.exp((1 - lam**2) * z**2 / 2) * Phi(B * z) * H(-z),
        (sp.pi / 2 - sp.atan(B / lam)) / (2 * sp.pi * lam),
        (B, lam),
    ),
    Entry(
        "w-density-times-cdf-on-the-positive-axis",
        "∫_0^∞ φ(ax)Φ(bx) dx = (π/2 + arctan(b/a))/(2πa), as the mean over φ of e^{(1−a²)x²/2} Φ(bx), a > 0",
        sp.exp((1 - lam**2) * z**2 / 2) * Phi(B * z) * POSITIVE,
        (sp.pi / 2 + sp.atan(B / lam)) / (2 * sp.pi * lam),
        (B, lam),
    ),
    Entry(
        "w-first-moment-times-cdf-on-the-positive-axis",
        "∫_0^∞ xφ(x)Φ(bx) dx = (1 + b/√(1+b²))/(2√(2π))",
        z * Phi(B * z) * POSITIVE,
        (1 + B / root_b) / (2 * sp.sqrt(2 * sp.pi)),
        (B,),
    ),
    Entry(
        "w-second-moment-times-cdf-on-the-positive-axis",
        "∫_0^∞ x²φ(x)Φ(bx) dx = 1/4 + (b/(1+b²) + arctan b)/(2π)",
        z**2 * Phi(B * z) * POSITIVE,
        Q(1, 4) + (B / (1 + B**2) + sp.atan(B)) / (2 * sp.pi),
        (B,),
    ),
    Entry(
        "w-first-moment-of-squared-density-times-cdf",
        "∫ xφ(x)²Φ(x) dx = 1/(4π√3)",
        z * phi(z) * Phi(z),
        1 / (4 * sp.pi * sp.sqrt(3)),
    ),
    Entry(
        "w-squared-cdf-on-the-positive-axis",
        "∫_0^∞ Φ(bx)²φ(x) dx = (arctan b + arctan √(1+2b²))/(2π)",
        Phi(B * z) ** 2 * POSITIVE,
        (sp.atan(B) + sp.atan(root_2b)) / (2 * sp.pi),
        (B,),
    ),
    Entry(
        "w-squared-cdf",
        "∫ Φ(a+bx)²φ(x) dx = Φ(a/√(1+b²)) − 2T(a/√(1+b²), 1/√(1+2b²))",
        Phi(A + B * z) ** 2,
        Phi(A / root_b) - 2 * T(A / root_b, 1 / root_2b),
        (A, B),
    ),
    Entry(
        "w-first-moment-of-squared-cdf",
        "∫ xΦ(a+bx)²φ(x) dx = (2b/√(1+b²)) φ(a/√(1+b²)) Φ(a/(√(1+b²)√(1+2b²)))",
        z * Phi(A + B * z) ** 2,
        2 * B / root_b * phi(A / root_b) * Phi(A / (root_b * root_2b)),
        (A, B),
    ),
    Entry(
        "w-centred-squared-cdf",
        "∫ Φ(bx)²φ(x) dx = arctan(√(1+2b²))/π",
        Phi(B * z) ** 2,
        sp.atan(root_2b) / sp.pi,
        (B,),
    ),
    Entry(
        "w-first-moment-of-centred-cdf",
        "∫ xφ(x)Φ(bx) dx = b/√(2π(1+b²))",
        z * Phi(B * z),
        B / sp.sqrt(2 * sp.pi * (1 + B**2)),
        (B,),
    ),
    Entry(
        "w-first-moment-of-centred-squared-cdf",
        "∫ xφ(x)Φ(bx)² dx = b/√(2π(1+b²))",
        z * Phi(B * z) ** 2,
        B / sp.sqrt(2 * sp.pi * (1 + B**2)),
        (B,),
    ),
    Entry("w-cdf", "∫ Φ(a+bx)φ(x) dx = Φ(a/√(1+b²))", Phi(A + B * z), Phi(A / root_b), (A, B)),
    Entry(
        "w-first-moment-of-cdf",
        "∫ xΦ(a+bx)φ(x) dx = (b/t)φ(a/t), t = √(1+b²)",
        z * Phi(A + B * z),
        B / root_b * phi(A / root_b),
        (A, B),
    ),
    Entry(
        "w-first-moment-of-cdf-on-the-positive-axis",
        "∫_0^∞ xΦ(a+bx)φ(x) dx = (b/t)φ(a/t)Φ(−ab/t) + Φ(a)/√(2π)",
        z * Phi(A + B * z) * POSITIVE,
        B / root_b * phi(A / root_b) * Phi(-A * B / root_b) + Phi(A) / sp.sqrt(2 * sp.pi),
        (A, B),
    ),
)

OWEN = (
    # without Φ
    Entry(
        "o-trigonometric",
        "∫ cos(a + bx)φ(x) dx = e^{−b²/2} cos a",
        sp.cos(A + B * z),
        sp.exp(-(B**2) / 2) * sp.cos(A),
        (A, B),
    ),
    Entry(
        "o-sine-on-the-positive-axis",
        "∫_0^∞ sin(bx)φ(x) dx = e^{−b²/2} erfi(b/√2)/2",
        sp.sin(B * z) * POSITIVE,
        sp.exp(-(B**2) / 2) * sp.erfi(B / sp.sqrt(2)) / 2,
        (B,),
    ),
    Entry(
        "o-exponential-of-a-square-below",
        "∫_{−∞}^y e^{−qx²}φ(x) dx = Φ(y√(1+2q))/√(1+2q)",
        sp.exp(-q * z**2) * BELOW,
        Phi(y * sp.sqrt(1 + 2 * q)) / sp.sqrt(1 + 2 * q),
        (q, y),
    ),
    # one Φ
    Entry(
        "o-cdf-below",
        "∫_{−∞}^y Φ(a+bx)φ(x) dx = Φ₂(a/√(1+b²), y; −b/√(1+b²))",
        Phi(A + B * z) * BELOW,
        Phi2(A / root_b, y, -B / root_b),
        (A, B, y),
    ),
    Entry("o-own-cdf-below", "∫_{−∞}^y Φ(x)φ(x) dx = Φ(y)²/2", Phi(z) * BELOW, Phi(y) ** 2 / 2, (y,)),
    Entry(
        "o-cdf-on-the-positive-axis",
        "∫_0^∞ Φ(bx)φ(x) dx = 1/4 + arctan(b)/(2π)",
        Phi(B * z) * POSITIVE,
        Q(1, 4) + sp.atan(B) / (2 * sp.pi),
        (B,),
    ),
    Entry("o-second-moment-of-centred-cdf", "∫ x²Φ(bx)φ(x) dx = 1/2", z**2 * Phi(B * z), Q(1, 2), (B,)),
    Entry(
        "o-second-moment-of-cdf",
        "∫ x²Φ(a+bx)φ(x) dx = Φ(a/t) − (ab²/t³)φ(a/t)",
        z**2 * Phi(A + B * z),
        Phi(A / root_b) - A * B**2 / root_b**3 * phi(A / root_b),
        (A, B),
    ),
    Entry(
        "o-third-moment-of-cdf",
        "∫ x³Φ(a+bx)φ(x) dx = (b/t)φ(a/t)(2 + 1/t² + a²b²/t⁴)",
        z**3 * Phi(A + B * z),
        B / root_b * phi(A / root_b) * (2 + 1 / root_b**2 + A**2 * B**2 / root_b**4),
        (A, B),
    ),
    Entry(
        "o-squared-density-times-cdf",
        "∫ φ(x)²Φ(a+bx) dx = Φ(√2 a/√(2+b²))/(2√π)",
        phi(z) * Phi(A + B * z),
        Phi(sp.sqrt(2) * A / sp.sqrt(2 + B**2)) / (2 * sp.sqrt(sp.pi)),
        (A, B),
    ),
    Entry(
        "o-first-moment-of-squared-density-times-cdf",
        "∫ xφ(x)²Φ(bx) dx = b/(4π√(2+b²))",
        z * phi(z) * Phi(B * z),
        B / (4 * sp.pi * sp.sqrt(2 + B**2)),
        (B,),
    ),
    Entry(
        "o-exponential-times-cdf",
        "∫ e^{cx}Φ(a+bx)φ(x) dx = e^{c²/2}Φ((a+bc)/t)",
        sp.exp(C * z) * Phi(A + B * z),
        sp.exp(C**2 / 2) * Phi((A + B * C) / root_b),
        (A, B, C),
    ),
    Entry(
        "o-first-moment-of-exponential-times-cdf",
        "∫ xe^{cx}Φ(a+bx)φ(x) dx = e^{c²/2}(cΦ((a+bc)/t) + (b/t)φ((a+bc)/t))",
        z * sp.exp(C * z) * Phi(A + B * z),
        sp.exp(C**2 / 2) * (C * Phi((A + B * C) / root_b) + B / root_b * phi((A + B * C) / root_b)),
        (A, B, C),
    ),
    Entry(
        "o-density-times-cdf",
        "∫ φ(c+ex)Φ(a+bx)φ(x) dx = φ(c/τ)Φ((aτ² − bce)/(τ√(1+b²+e²)))/τ, τ = √(1+e²)",
        phi(C + D * z) * Phi(A + B * z),
        phi(C / root_d) / root_d * Phi((A * root_d**2 - B * C * D) / (root_d * sp.sqrt(1 + B**2 + D**2))),
        (A, B, C, D),
    ),
    # two Φ
    Entry(
        "o-two-cdfs",
        "∫ Φ(a+bx)Φ(c+ex)φ(x) dx = Φ₂(a/√(1+b²), c/√(1+e²); be/(√(1+b²)√(1+e²)))",
        Phi(A + B * z) * Phi(C + D * z),
        Phi2(A / root_b, C / root_d, B * D / (root_b * root_d)),
        (A, B, C, D),
    ),
    Entry(
        "o-first-moment-of-two-cdfs",
        "∫ xΦ(a+bx)Φ(c+ex)φ(x) dx = (b/t)φ(a/t)Φ((ct² − abe)/(tR)) + (e/τ)φ(c/τ)Φ((aτ² − bce)/(τR)), R = √(1+b²+e²)",
        z * Phi(A + B * z) * Phi(C + D * z),
        B / root_b * phi(A / root_b) * Phi((C * root_b**2 - A * B * D) / (root_b * sp.sqrt(1 + B**2 + D**2)))
        + D / root_d * phi(C / root_d) * Phi((A * root_d**2 - B * C * D) / (root_d * sp.sqrt(1 + B**2 + D**2))),
        (A, B, C, D),
    ),
    Entry(
        "o-second-moment-of-centred-squared-cdf",
        "∫ x²Φ(bx)²φ(x) dx = arctan(√(1+2b²))/π + b²/(π(1+b²)√(1+2b²))",
        z**2 * Phi(B * z) ** 2,
        sp.atan(root_2b) / sp.pi + B**2 / (sp.pi * (1 + B**2) * root_2b),
        (B,),
    ),
    Entry(
        "o-two-centred-cdfs",
        "∫ Φ(bx)Φ(ex)φ(x) dx = 1/4 + arctan(be/√(1+b²+e²))/(2π)",
        Phi(B * z) * Phi(D * z),
        Q(1, 4) + sp.atan(B * D / sp.sqrt(1 + B**2 + D**2)) / (2 * sp.pi),
        (B, D),
    ),
    *(Entry(f"o-cdf-to-the-{k}", f"∫ Φ(x)^{k}φ(x) dx = 1/{k + 1}", Phi(z) ** k, Q(1, k + 1)) for k in (1, 2, 3, 4)),
    Entry(
        "o-gelu",
        "∫ (xΦ(x))²φ(x) dx = 1/3 + 1/(2π√3)",
        (z * Phi(z)) ** 2,
        Q(1, 3) + 1 / (2 * sp.pi * sp.sqrt(3)),
    ),
)

TABLES = tuple(entry.as_claim(SHEET) for entry in WIKIPEDIA) + tuple(
    entry.as_claim("after Owen (1980), the sections on one and two normal distribution functions; from memory")
    for entry in OWEN
)


# --- the study -----------------------------------------------------------------------------------


def derivation_of_a_gate() -> Derivation:
    """E a b erf(a)², with every rule named."""
    return derive(a * b * sp.erf(a) ** 2)


def derivation_of_a_tilt() -> Derivation:
    """E b max(0, a) e^{a/2}."""
    return derive(b * sp.Max(0, a) * sp.exp(a / 2))


study = Study(
    name="expectation-rules",
    title="The rules of the expectation engine and the usual tables of Gaussian integrals",
    source="see the head of the file",
    claims=(*(item for item in list(globals().values()) if isinstance(item, Claim)), *TABLES),
    simulator=SIMULATOR,
    derivations=(derivation_of_a_gate, derivation_of_a_tilt),
)
