"""Moments of jointly Gaussian scalars, one named rule at a time.

A `Moment` is the mean, under the joint law x ~ N(m, Σ), of

    ∏ xᵢ^{nᵢ} · exp(xᵀQx + bᵀx) · ∏ⱼ erf(ℓⱼ) · ∏ⱼ sign(ℓⱼ) · ∏ cos/sin(ℓⱼ) · f(z)

with linear forms ℓ = αᵀx + β. A rule rewrites a moment as a combination of simpler ones:

    independence     E ∏ g_c(x_c) = ∏ E g_c(x_c)  over uncorrelated blocks of x
    tilting          E e^{q(x)} g(x) = E e^{q(x)} · Ẽ g(x), again Gaussian       (q quadratic)
    Stein            E xᵢ g(x) = mᵢ E g(x) + Σₖ Σᵢₖ E ∂ₖg(x)
    conditioning     E δ(ℓ) g(x) = p_ℓ(0) E[g(x) | ℓ = 0]
    parity           an odd function of a centred law has mean zero
    closed moments   one erf; two erfs (arcsine, Owen's T, bivariate normal cdf); cos and sin
    one-dimensional reduction    what is left: condition on as few linear forms as needed

A smoothed sign carries all gates at once: erf(ℓ) = E_ζ sign(ℓ + ζ), ζ ~ N(0, 1/2). So with
W = 2 Var ℓ + 1 for erf and W = 2 Var ℓ for sign, both have mean erf(E ℓ / √W), and the
derivative (2/√π) e^{−ℓ²} of erf is to erf what 2δ(ℓ) is to sign: one rule serves both.

Two rules carry the same law through a derivation: tilting and conditioning divide by
determinants that are positive whenever the law exists. `JointLaw.positive` remembers the last
one, so that the square roots of quotients of determinants can be split.

References: Stein (1981); Owen (1956, 1980); Williams (1997) for E erf·erf; Plackett (1954).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from itertools import combinations

import sympy as sp

from .integral import GaussianIntegral
from .special import BivariateNormalCDF, NormalCDF, OwenT

__all__ = [
    "Base",
    "Form",
    "Gate",
    "InfiniteExpectation",
    "JointLaw",
    "Moment",
    "NoClosedForm",
    "Rewriting",
    "Unknown",
    "Wave",
    "elementary_symmetric",
    "placeholder",
    "rewrite",
]

ZERO, ONE, TWO = sp.Integer(0), sp.Integer(1), sp.Integer(2)


class InfiniteExpectation(ValueError):
    """The expectation asked for does not exist as a finite number; the message names the term."""


class NoClosedForm(NotImplementedError):
    """No rule reaches the expression; the message names what stood in the way."""


# --- exact arithmetic of rational entries --------------------------------------------------


@lru_cache(maxsize=65536)
def rational(expr: sp.Expr) -> sp.Expr:
    """A rational function in lowest terms; polynomials and numbers come back expanded."""
    if expr.is_Atom:
        return expr
    expanded = sp.expand(expr)
    if not expanded.is_Rational and not expanded.free_symbols:
        expanded = sp.radsimp(expanded)  # so that 1/(1 + √2) − √2 + 1 is seen to be zero
    if expanded.is_Atom or not _has_quotient(expanded):
        return expanded
    return sp.cancel(expanded)


def _has_quotient(expr: sp.Expr) -> bool:
    return any(power.exp.could_extract_minus_sign() and not power.base.is_number for power in expr.atoms(sp.Pow))


@lru_cache(maxsize=65536)
def positive_root(value: sp.Expr, positive: sp.Expr) -> sp.Expr:
    """√value for a nonnegative value, as √numerator / √positive where the denominator is `positive`."""
    value = rational(value)
    if not _has_quotient(value):
        return _root(value)
    numerator = rational(value * positive)
    if not _has_quotient(numerator):
        return _root(numerator) / _root(positive)
    return sp.sqrt(value)


def _root(polynomial: sp.Expr) -> sp.Expr:
    """√ of a polynomial, its numeric content taken out: √(4st − 4r²) = 2√(st − r²)."""
    content, primitive = polynomial.as_content_primitive()
    return sp.sqrt(content) * sp.sqrt(primitive)


# --- the nouns -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Form:
    """A linear form ℓ = αᵀx + β in the variables of a law."""

    coefficients: tuple[sp.Expr, ...]
    shift: sp.Expr

    def expr(self, variables: Iterable[sp.Expr]) -> sp.Expr:
        """The form written out in the given variables."""
        return sp.Add(self.shift, *(c * x for c, x in zip(self.coefficients, variables, strict=True)))

    def sort_key(self) -> tuple:
        """A key that orders forms the same way in every run."""
        return tuple(sp.default_sort_key(c) for c in (*self.coefficients, self.shift))


@dataclass(frozen=True)
class Gate:
    """A sign, or a step, of a linear form ℓ; smoothed ones are the error function and its kin.

    kind      not smoothed          smoothed
    "sign"    sign(ℓ)               erf(ℓ)
    "step"    (1 + sign(ℓ))/2       (1 + erf(ℓ))/2 = Φ(√2 ℓ)
    "tail"    the same              the same, written erfc(−ℓ)/2
    """

    form: Form
    smoothed: bool
    kind: str = "sign"

    @property
    def is_step(self) -> bool:
        """Whether it runs from 0 to 1 rather than from −1 to 1."""
        return self.kind != "sign"

    @property
    def height(self) -> sp.Expr:
        """How much of a sign it holds: its derivative is height · slope."""
        return sp.Rational(1, 2) if self.is_step else ONE

    def at(self, ell: sp.Expr) -> sp.Expr:
        """The value of the gate where the form is ℓ."""
        if self.kind == "sign":
            return sp.erf(ell) if self.smoothed else sp.sign(ell)
        if self.kind == "tail":
            return sp.erfc(-ell) / 2
        return NormalCDF(sp.sqrt(2) * ell) if self.smoothed else sp.Heaviside(ell)

    def expr(self, variables: Iterable[sp.Expr]) -> sp.Expr:
        """The gate written out in the given variables."""
        return self.at(self.form.expr(variables))

    def slope(self, variables: Iterable[sp.Expr]) -> sp.Expr:
        """The derivative in ℓ of its sign: (2/√π) e^{−ℓ²}, or 2δ(ℓ)."""
        ell = self.form.expr(variables)
        return 2 * sp.exp(-(ell**2)) / sp.sqrt(sp.pi) if self.smoothed else 2 * sp.DiracDelta(ell)

    def sort_key(self) -> tuple:
        """A key that orders gates the same way in every run."""
        return (self.smoothed, self.kind, self.form.sort_key())


@dataclass(frozen=True)
class Wave:
    """cos(ℓ) or sin(ℓ)."""

    form: Form
    odd: bool

    @property
    def function(self) -> type[sp.Function]:
        """sin or cos."""
        return sp.sin if self.odd else sp.cos

    def expr(self, variables: Iterable[sp.Expr]) -> sp.Expr:
        """The wave written out in the given variables."""
        return self.function(self.form.expr(variables))

    def sort_key(self) -> tuple:
        """A key that orders waves the same way in every run."""
        return (self.odd, self.form.sort_key())


@cache
def placeholder(i: int) -> sp.Dummy:
    """The i-th argument of the part of a moment that no rule knows; no user's symbol is equal to it."""
    return sp.Dummy(f"z_{i}", real=True)


@dataclass(frozen=True)
class Unknown:
    """A factor f(z₀, z₁, …) of linear forms zᵢ that no rule knows, written in placeholders."""

    function: sp.Expr
    forms: tuple[Form, ...]

    def at(self, values: Iterable[sp.Expr]) -> sp.Expr:
        """f at the given values of the forms."""
        return self.function.xreplace({placeholder(i): value for i, value in enumerate(values)})

    def expr(self, variables: tuple[sp.Expr, ...]) -> sp.Expr:
        """The factor written out in the given variables."""
        return self.at(form.expr(variables) for form in self.forms)


@dataclass(frozen=True)
class JointLaw:
    """The law N(m, Σ) of some scalars. The names of the variables do not matter to equality."""

    variables: tuple[sp.Expr, ...] = field(compare=False)
    mean: tuple[sp.Expr, ...]
    covariance: tuple[tuple[sp.Expr, ...], ...]
    positive: sp.Expr = ONE

    def mean_of(self, form: Form) -> sp.Expr:
        """E ℓ."""
        return rational(form.shift + _dot(form.coefficients, self.mean))

    def covariance_with(self, form: Form) -> tuple[sp.Expr, ...]:
        """Cov(xᵢ, ℓ) for every i."""
        return tuple(rational(_dot(row, form.coefficients)) for row in self.covariance)

    def covariance_of(self, first: Form, second: Form) -> sp.Expr:
        """Cov(ℓ, ℓ')."""
        return rational(_dot(first.coefficients, self.covariance_with(second)))

    def marginal(self, keep: tuple[int, ...]) -> JointLaw:
        """The law of some of the variables."""
        return replace(
            self,
            variables=tuple(self.variables[i] for i in keep),
            mean=tuple(self.mean[i] for i in keep),
            covariance=tuple(tuple(self.covariance[i][j] for j in keep) for i in keep),
        )

    def updated(self, shift: Iterable[sp.Expr], covariance: Iterable[Iterable[sp.Expr]], positive: sp.Expr) -> JointLaw:
        """The law with its mean moved and its covariance replaced."""
        return JointLaw(
            self.variables,
            tuple(rational(m + s) for m, s in zip(self.mean, shift, strict=True)),
            tuple(tuple(rational(entry) for entry in row) for row in covariance),
            positive,
        )


def _dot(first: Iterable[sp.Expr], second: Iterable[sp.Expr]) -> sp.Expr:
    return sp.Add(*(a * b for a, b in zip(first, second, strict=True) if a != 0 and b != 0))


@dataclass(frozen=True)
class Moment:
    """The mean of a product under a joint law; see the head of this file.

    `slopes` holds the gates that have been differentiated: a factor (2/√π) e^{−ℓ²}, or 2δ(ℓ).
    `exponent` is (Q, b) of exp(xᵀQx + bᵀx); `unknown` holds the factors that no rule knows.
    """

    law: JointLaw
    powers: tuple[int, ...]
    gates: tuple[Gate, ...] = ()
    slopes: tuple[Gate, ...] = ()
    waves: tuple[Wave, ...] = ()
    exponent: tuple[tuple[tuple[sp.Expr, ...], ...], tuple[sp.Expr, ...]] | None = None
    unknown: tuple[Unknown, ...] = ()

    def integrand(self) -> sp.Expr:
        """The function whose mean is meant, in the variables of the law."""
        x = self.law.variables
        factors = [variable**power for variable, power in zip(x, self.powers, strict=True)]
        factors += [gate.expr(x) for gate in self.gates] + [gate.slope(x) for gate in self.slopes]
        factors += [wave.expr(x) for wave in self.waves]
        if self.exponent is not None:
            matrix, linear = self.exponent
            quadratic = (matrix[i][j] * x[i] * x[j] for i in range(len(x)) for j in range(len(x)))
            factors.append(sp.exp(sp.Add(*quadratic, *(b * v for b, v in zip(linear, x, strict=True)))))
        factors += [factor.expr(x) for factor in self.unknown]
        return sp.Mul(*factors)

    def forms(self) -> tuple[Form, ...]:
        """All linear forms that appear under a function."""
        unknown = (form for factor in self.unknown for form in factor.forms)
        return (*(g.form for g in self.gates + self.slopes), *(w.form for w in self.waves), *unknown)


@dataclass(frozen=True)
class Base:
    """A transcendental number that cannot be reduced further: root · e^{exponent} · function."""

    root: sp.Expr = ONE
    exponent: sp.Expr = ZERO
    function: sp.Expr = ONE

    def __mul__(self, other: Base) -> Base:
        return Base(self.root * other.root, rational(self.exponent + other.exponent), self.function * other.function)

    def expr(self) -> sp.Expr:
        """The number as a sympy expression."""
        return self.root * sp.exp(self.exponent) * self.function


@dataclass(frozen=True)
class Rewriting:
    """What one rule makes of one moment: Σ coefficient · base · ∏ moments, under conditions."""

    rule: str
    terms: tuple[tuple[sp.Expr, Base, tuple[Moment, ...]], ...]
    conditions: tuple[sp.Basic, ...] = ()


def _closed(rule: str, base: Base, coefficient: sp.Expr = ONE, conditions: tuple[sp.Basic, ...] = ()) -> Rewriting:
    return Rewriting(rule, ((coefficient, base, ()),), conditions)


# --- the rules, in the order in which they are tried ---------------------------------------


def rewrite(moment: Moment) -> Rewriting:
    """Rewrite a moment by the first rule that applies.

    Raises:
        InfiniteExpectation: if a finiteness condition is decidably violated.
        NoClosedForm: if no rule applies.
    """
    for rule in RULES:
        rewriting = rule(moment)
        if rewriting is not None:
            return rewriting
    raise NoClosedForm(f"no rule for the expectation of {moment.integrand()}")  # pragma: no cover


def tidying(moment: Moment) -> Rewriting | None:
    """Constants leave the expectation: variables that are not used, gates of a constant, sign² = 1.

    A variable that does not vary is its mean; f(ℓ) with Var ℓ = 0 is f(E ℓ).
    """
    coefficient: sp.Expr = ONE
    gates: list[Gate] = []
    changed = False
    for gate in moment.gates:
        if moment.law.covariance_of(gate.form, gate.form) == 0:
            coefficient *= gate.at(moment.law.mean_of(gate.form))
            changed = True
            continue
        twin = next((other for other in gates if _are_twins(other, gate)), None)
        if twin is not None:
            ratio = sp.sign(_ratio(twin.form, gate.form))
            changed = True
            if not gate.is_step:
                gates.remove(twin)
                coefficient *= ratio
            elif ratio == -1:
                return Rewriting("linearity", ())
            continue
        gates.append(gate)
    waves = []
    for wave in moment.waves:
        if moment.law.covariance_of(wave.form, wave.form) == 0:
            coefficient *= wave.function(moment.law.mean_of(wave.form))
            changed = True
        else:
            waves.append(wave)
    unknown = []
    for factor in moment.unknown:
        if all(moment.law.covariance_of(form, form) == 0 for form in factor.forms):
            coefficient *= factor.at(moment.law.mean_of(form) for form in factor.forms)
            changed = True
        else:
            unknown.append(factor)
    powers = list(moment.powers)
    for i, power in enumerate(powers):
        if power and moment.law.covariance[i][i] == 0:
            coefficient *= moment.law.mean[i] ** power
            powers[i] = 0
            changed = True
    tidied = replace(moment, gates=tuple(gates), powers=tuple(powers), waves=tuple(waves), unknown=tuple(unknown))
    used = _used(tidied)
    if not changed and len(used) == len(powers):
        return None
    smaller = _marginal(tidied, used)
    return Rewriting("linearity", ((coefficient, Base(), (smaller,) if used else ()),))


def _are_twins(first: Gate, second: Gate) -> bool:
    """Two signs, or two steps, that jump at the same place: their product is a gate or a constant."""
    if first.smoothed or second.smoothed or first.is_step != second.is_step:
        return False
    return _ratio(first.form, second.form) is not None


def _ratio(first: Form, second: Form) -> sp.Expr | None:
    """The nonzero real number c of known sign with first = c · second, if there is one."""
    pairs = list(zip((*first.coefficients, first.shift), (*second.coefficients, second.shift), strict=True))
    if any((a == 0) != (b == 0) for a, b in pairs):
        return None
    ratios = {rational(a / b) for a, b in pairs if b != 0}
    ratio = ratios.pop() if len(ratios) == 1 else None
    return ratio if ratio is not None and (ratio.is_positive or ratio.is_negative) else None


def _used(moment: Moment) -> tuple[int, ...]:
    used = {i for i, power in enumerate(moment.powers) if power}
    used |= {i for form in moment.forms() for i, c in enumerate(form.coefficients) if c != 0}
    if moment.exponent is not None:
        matrix, linear = moment.exponent
        used |= {i for i, b in enumerate(linear) if b != 0}
        used |= {k for i, row in enumerate(matrix) for j, q in enumerate(row) if q != 0 for k in (i, j)}
    return tuple(sorted(used))


def _marginal(moment: Moment, keep: tuple[int, ...]) -> Moment:
    def form(old: Form) -> Form:
        return Form(tuple(old.coefficients[i] for i in keep), old.shift)

    exponent = moment.exponent
    if exponent is not None:
        matrix, linear = exponent
        exponent = (tuple(tuple(matrix[i][j] for j in keep) for i in keep), tuple(linear[i] for i in keep))
        if all(q == 0 for row in exponent[0] for q in row) and all(b == 0 for b in exponent[1]):
            exponent = None
    return Moment(
        moment.law.marginal(keep),
        tuple(moment.powers[i] for i in keep),
        tuple(sorted((replace(g, form=form(g.form)) for g in moment.gates), key=Gate.sort_key)),
        tuple(sorted((replace(g, form=form(g.form)) for g in moment.slopes), key=Gate.sort_key)),
        tuple(sorted((Wave(form(w.form), w.odd) for w in moment.waves), key=Wave.sort_key)),
        exponent,
        tuple(Unknown(factor.function, tuple(form(f) for f in factor.forms)) for factor in moment.unknown),
    )


def independence(moment: Moment) -> Rewriting | None:
    """E g(x) h(y) = E g(x) · E h(y) for independent x and y.

    Blocks: variables tied by a nonzero covariance or by a common function.
    """
    size = len(moment.powers)
    block = list(range(size))

    def tie(indices: Iterable[int]) -> None:
        roots = {block[i] for i in indices}
        for i in range(size):
            if block[i] in roots:
                block[i] = min(roots)

    for i in range(size):
        tie([i, *(j for j in range(size) if moment.law.covariance[i][j] != 0)])
    for form in moment.forms():
        tie([i for i, c in enumerate(form.coefficients) if c != 0])
    for factor in moment.unknown:
        tie([i for form in factor.forms for i, c in enumerate(form.coefficients) if c != 0])
    if moment.exponent is not None:
        for i, row in enumerate(moment.exponent[0]):
            tie([i, *(j for j, q in enumerate(row) if q != 0)])
    labels = sorted(set(block))
    if len(labels) < 2:
        return None
    parts = []
    for label in labels:
        keep = tuple(i for i in range(size) if block[i] == label)

        def belongs(form: Form, keep: tuple[int, ...] = keep) -> bool:
            return any(form.coefficients[i] != 0 for i in keep)

        parts.append(
            _marginal(
                replace(
                    moment,
                    gates=tuple(g for g in moment.gates if belongs(g.form)),
                    slopes=tuple(g for g in moment.slopes if belongs(g.form)),
                    waves=tuple(w for w in moment.waves if belongs(w.form)),
                    unknown=tuple(factor for factor in moment.unknown if any(map(belongs, factor.forms))),
                ),
                keep,
            )
        )
    return Rewriting("independence", ((ONE, Base(), tuple(parts)),))


def tilting(moment: Moment) -> Rewriting | None:
    """E e^{xᵀQx + bᵀx} g(x) = Z Ẽ g(x) with x ~ N(m + Σ̃c, Σ̃) under Ẽ.

        M = I − 2ΣQ,   Σ̃ = M⁻¹Σ,   c = 2Qm + b,   Z = det(M)^{−1/2} exp(mᵀQm + bᵀm + cᵀΣ̃c/2)

    Finite, for g of polynomial growth, exactly when the spectrum of M is positive, that is when
    I − 2Σ^{1/2}QΣ^{1/2} is positive definite; its spectrum is real, so this means that the
    elementary symmetric functions of the eigenvalues of M are all positive. Singular Σ included.
    """
    if moment.exponent is None:
        return None
    matrix, linear = moment.exponent
    law = moment.law
    n = len(linear)
    mean, cov = sp.Matrix(n, 1, law.mean), sp.Matrix(law.covariance)
    Q, b = sp.Matrix(matrix), sp.Matrix(n, 1, linear)
    plain = replace(moment, exponent=None)
    if any(q.has(sp.I) for q in Q):
        raise NoClosedForm(f"no rule for the exponential of a complex quadratic form: {moment.integrand()}")
    if all(q == 0 for q in Q):
        shift = (cov * b).applyfunc(rational)
        exponent = rational((b.T * mean)[0, 0] + (b.T * shift)[0, 0] / 2)
        tilted = law.updated(shift, law.covariance, law.positive)
        return Rewriting("tilting", ((ONE, Base(exponent=exponent), (replace(plain, law=tilted),)),))
    M = (sp.eye(n) - 2 * cov * Q).applyfunc(rational)
    conditions = []
    for k, symmetric_function in enumerate(elementary_symmetric(M), start=1):
        if symmetric_function.is_positive:
            continue
        if symmetric_function.is_nonpositive:
            raise InfiniteExpectation(
                f"E[{moment.integrand()}] is infinite: finiteness needs I − 2ΣQ to have a positive spectrum, "
                f"and the elementary symmetric function of order {k} of its eigenvalues is {symmetric_function} ≤ 0"
            )
        conditions.append(sp.Gt(symmetric_function, 0))
    determinant = rational(M.det(method="berkowitz"))
    covariance = (M.adjugate(method="berkowitz") * cov / determinant).applyfunc(rational)
    c = 2 * Q * mean + b
    shift = (covariance * c).applyfunc(rational)
    exponent = rational((mean.T * Q * mean)[0, 0] + (b.T * mean)[0, 0] + (c.T * shift)[0, 0] / 2)
    tilted = law.updated(shift, covariance.tolist(), rational(law.positive * determinant))
    base = Base(root=1 / positive_root(determinant, law.positive), exponent=exponent)
    return Rewriting("tilting", ((ONE, base, (replace(plain, law=tilted),)),), tuple(conditions))


def elementary_symmetric(M: sp.Matrix) -> list[sp.Expr]:
    """e₁, …, e_n of the eigenvalues of M: sums of principal minors."""
    n = M.rows
    return [
        rational(
            sp.Add(*(M.extract(list(rows), list(rows)).det(method="berkowitz") for rows in combinations(range(n), k)))
        )
        for k in range(1, n + 1)
    ]


def parity(moment: Moment) -> Rewriting | None:
    """An odd function of a centred law has mean zero."""
    if moment.unknown or any(m != 0 for m in moment.law.mean) or any(gate.is_step for gate in moment.gates):
        return None
    if any(form.shift != 0 for form in moment.forms()):
        return None
    if (sum(moment.powers) + len(moment.gates) + sum(wave.odd for wave in moment.waves)) % 2 == 0:
        return None
    return Rewriting("parity", ())


def conditioning(moment: Moment) -> Rewriting | None:
    """E (2/√π) e^{−ℓ²} g(x) and E 2δ(ℓ) g(x): the density at zero times a conditional mean.

    = 2/√(πW) e^{−(Eℓ)²/W} Ẽ g(x),   W = 2 Var ℓ + 1 (smoothed) or 2 Var ℓ
    m̃ = m − 2 Cov(x, ℓ) Eℓ/W,        Σ̃ = Σ − 2 Cov(x, ℓ) Cov(x, ℓ)ᵀ/W
    """
    if not moment.slopes:
        return None
    gate, *rest = moment.slopes
    law = moment.law
    doubled, mean = _doubled_variance(law, gate), law.mean_of(gate.form)
    if doubled == 0:
        raise NoClosedForm(f"the density of a constant is not a function: δ({mean}) in {moment.integrand()}")
    with_form = law.covariance_with(gate.form)
    n = len(with_form)
    covariance = [
        [law.covariance[i][j] - 2 * with_form[i] * with_form[j] / doubled for j in range(n)] for i in range(n)
    ]
    shift = [-2 * c * mean / doubled for c in with_form]
    conditioned = law.updated(shift, covariance, rational(law.positive * doubled))
    base = Base(
        root=2 / (sp.sqrt(sp.pi) * positive_root(doubled, law.positive)),
        exponent=rational(-(mean**2) / doubled),
    )
    conditions = () if gate.smoothed or doubled.is_positive else (sp.Gt(doubled, 0),)
    remaining = replace(moment, law=conditioned, slopes=tuple(rest))
    return Rewriting("tilting" if gate.smoothed else "conditioning", ((ONE, base, (remaining,)),), conditions)


def _doubled_variance(law: JointLaw, gate: Gate) -> sp.Expr:
    return rational(2 * law.covariance_of(gate.form, gate.form) + (1 if gate.smoothed else 0))


def product_to_sum(moment: Moment) -> Rewriting | None:
    """cos x cos y = (cos(x−y) + cos(x+y))/2 and its kin: one wave is left."""
    if len(moment.waves) < 2:
        return None
    first, second, *rest = moment.waves
    both = {sign: _combine(first.form, second.form, sign) for sign in (1, -1)}
    if first.odd and second.odd:
        parts = [(sp.Rational(1, 2), both[-1], False), (-sp.Rational(1, 2), both[1], False)]
    elif first.odd or second.odd:
        odd, even = (first, second) if first.odd else (second, first)
        parts = [(sp.Rational(1, 2), _combine(odd.form, even.form, sign), True) for sign in (1, -1)]
    else:
        parts = [(sp.Rational(1, 2), both[sign], False) for sign in (-1, 1)]
    terms = []
    for coefficient, form, odd_wave in parts:
        if all(c == 0 for c in form.coefficients):
            constant = sp.sin(form.shift) if odd_wave else sp.cos(form.shift)
            terms.append((coefficient * constant, Base(), (replace(moment, waves=tuple(rest)),)))
        else:
            waves = tuple(sorted((Wave(form, odd_wave), *rest), key=Wave.sort_key))
            terms.append((coefficient, Base(), (replace(moment, waves=waves),)))
    return Rewriting("product to sum", tuple(terms))


def _combine(first: Form, second: Form, sign: int) -> Form:
    pairs = zip(first.coefficients, second.coefficients, strict=True)
    return Form(tuple(sp.expand(a + sign * b) for a, b in pairs), sp.expand(first.shift + sign * second.shift))


def stein(moment: Moment) -> Rewriting | None:
    """Stein's lemma: E xᵢ g(x) = mᵢ E g(x) + Σₖ Σᵢₖ E ∂ₖ g(x).

    On a gate, ∂ₖ erf(ℓ) = αₖ (2/√π) e^{−ℓ²} and ∂ₖ sign(ℓ) = 2 αₖ δ(ℓ). Source: Stein (1981).
    """
    if not any(moment.powers) or moment.unknown:
        return None
    law = moment.law
    i = next(i for i, power in enumerate(moment.powers) if power)
    powers = list(moment.powers)
    powers[i] -= 1
    rest = replace(moment, powers=tuple(powers))
    terms: list[tuple[sp.Expr, Base, tuple[Moment, ...]]] = []
    if law.mean[i] != 0:
        terms.append((law.mean[i], Base(), (rest,)))
    for k, power in enumerate(powers):
        if power and law.covariance[i][k] != 0:
            lower = tuple(p - 1 if j == k else p for j, p in enumerate(powers))
            terms.append((power * law.covariance[i][k], Base(), (replace(rest, powers=lower),)))
    for gate in sorted(set(moment.gates), key=Gate.sort_key):
        slope = law.covariance_with(gate.form)[i]
        if slope != 0:
            gates = list(moment.gates)
            gates.remove(gate)
            differentiated = replace(rest, gates=tuple(gates), slopes=(replace(gate, kind="sign"),))
            terms.append((slope * gate.height * moment.gates.count(gate), Base(), (differentiated,)))
    for index, wave in enumerate(moment.waves):
        slope = law.covariance_with(wave.form)[i] * (1 if wave.odd else -1)
        if slope != 0:
            others = moment.waves[:index] + moment.waves[index + 1 :]
            waves = tuple(sorted((Wave(wave.form, not wave.odd), *others), key=Wave.sort_key))
            terms.append((slope, Base(), (replace(rest, waves=waves),)))
    return Rewriting("Stein", tuple(terms))


def closed_moment(moment: Moment) -> Rewriting | None:
    """The moments with no polynomial left: nothing, one wave, one gate, two gates, a gate and a wave."""
    if moment.unknown or any(moment.powers):
        return None
    shape = (len(moment.gates), len(moment.waves))
    table: dict[tuple[int, int], Callable[[Moment], Rewriting]] = {
        (0, 0): lambda _: _closed("linearity", Base()),
        (0, 1): _one_wave,
        (1, 0): _one_gate,
        (2, 0): _two_gates,
        (1, 1): _gate_and_wave,
    }
    if shape not in table:
        return None
    steps = [gate for gate in moment.gates if gate.is_step]
    if steps and (moment.waves or len(steps) < len(moment.gates)):
        return _step_as_sign(moment, steps[0])
    return table[shape](moment)


def _step_as_sign(moment: Moment, step: Gate) -> Rewriting:
    """A step is one half plus half a sign."""
    gates = list(moment.gates)
    gates.remove(step)
    half = sp.Rational(1, 2)
    with_sign = tuple(sorted((*gates, replace(step, kind="sign")), key=Gate.sort_key))
    return Rewriting(
        "linearity",
        (
            (half, Base(), (replace(moment, gates=tuple(gates)),)),
            (half, Base(), (replace(moment, gates=with_sign),)),
        ),
    )


def _one_wave(moment: Moment) -> Rewriting:
    """E cos ℓ = e^{−Var ℓ/2} cos E ℓ, and the same for sin."""
    (wave,) = moment.waves
    mean = moment.law.mean_of(wave.form)
    variance = moment.law.covariance_of(wave.form, wave.form)
    function = wave.function(mean)
    return _closed("characteristic function", Base(exponent=-variance / 2), function)


def _standardized(law: JointLaw, gate: Gate) -> tuple[sp.Expr, tuple[sp.Basic, ...]]:
    """E ℓ / √W, and the condition that W is positive where that is not known."""
    doubled, mean = _doubled_variance(law, gate), law.mean_of(gate.form)
    conditions = () if gate.smoothed or doubled.is_positive else (sp.Gt(doubled, 0),)
    return rational_over_root(mean, doubled, law.positive), conditions


def rational_over_root(mean: sp.Expr, doubled: sp.Expr, positive: sp.Expr) -> sp.Expr:
    """mean / √doubled; where mean = M/P and doubled = N/P with the known positive P, that is M/(√P √N)."""
    numerator, denominator = sp.fraction(mean) if _has_quotient(mean) else (mean, ONE)
    cleared = rational(doubled * positive)
    if denominator == positive and not _has_quotient(cleared):
        return numerator / (_root(positive) * _root(cleared))
    return mean / positive_root(doubled, positive)


def _one_gate(moment: Moment) -> Rewriting:
    """E erf(ℓ) = erf(E ℓ/√(1 + 2 Var ℓ)), E sign(ℓ) = erf(E ℓ/√(2 Var ℓ)). Source: Owen (1980), 10,010.8."""
    (gate,) = moment.gates
    u, conditions = _standardized(moment.law, gate)
    return _closed("erf moment", Base(function=replace(gate, smoothed=True).at(u)), conditions=conditions)


def _two_gates(moment: Moment) -> Rewriting:
    """E of two gates: with hᵢ = √2 E ℓᵢ/√Wᵢ and r = 2 Cov(ℓ₁, ℓ₂)/√(W₁W₂),

        both centred     (2/π) arcsin r
        h₁ = 0           4 T(h₂, r/√(1 − r²))
        same law         1 − 8 T(h, √((1 − r)/(1 + r)))
        in general       4 Φ₂(h₁, h₂; r) − 2Φ(h₁) − 2Φ(h₂) + 1
        two steps        Φ₂(h₁, h₂; r)

    with T Owen's function and Φ₂ the bivariate normal cdf. Sources: Williams (1997); Owen (1980).
    """
    law, (first, second) = moment.law, moment.gates
    W1, W2 = _doubled_variance(law, first), _doubled_variance(law, second)
    c = rational(2 * law.covariance_of(first.form, second.form))
    (u1, conditions1), (u2, conditions2) = _standardized(law, first), _standardized(law, second)
    conditions = tuple(dict.fromkeys(conditions1 + conditions2))
    if c == 0:
        product = replace(first, smoothed=True).at(u1) * replace(second, smoothed=True).at(u2)
        return _closed("erf moment", Base(function=product), conditions=conditions)
    determined = rational(c**2 - W1 * W2) == 0
    if determined:
        correlation: sp.Expr = sp.Integer(1) if c.is_positive else sp.Integer(-1) if c.is_negative else sp.sign(c)
    elif W1 == W2:
        correlation = rational(c / W1)
    else:
        correlation = c / (positive_root(W1, law.positive) * positive_root(W2, law.positive))
    bivariate = BivariateNormalCDF(sp.sqrt(2) * u1, sp.sqrt(2) * u2, correlation)
    if first.is_step:
        return _closed("erf moment", Base(function=bivariate), conditions=conditions)
    if u1 == 0 and u2 == 0:
        return _closed("erf moment", Base(function=sp.asin(correlation)), 2 / sp.pi, conditions)
    if (u1 == 0 or u2 == 0) and not determined:
        h = sp.sqrt(2) * (u2 if u1 == 0 else u1)
        slope = rational_over_root(c, rational(W1 * W2 - c**2), law.positive**2)
        return _closed("erf moment", Base(function=OwenT(h, slope)), sp.Integer(4), conditions)
    if W1 == W2 and u1 == u2 and not determined:
        ratio = sp.sqrt(rational((W1 - c) / (W1 + c)))
        if law.positive != 1:
            ratio = positive_root(rational(W1 - c), law.positive) / positive_root(rational(W1 + c), law.positive)
        function = OwenT(sp.sqrt(2) * u1, ratio)
        return Rewriting("erf moment", ((ONE, Base(), ()), (-sp.Integer(8), Base(function=function), ())), conditions)
    terms = (
        (sp.Integer(4), Base(function=bivariate), ()),
        (-ONE, Base(function=sp.erf(u1)), ()),
        (-ONE, Base(function=sp.erf(u2)), ()),
        (-ONE, Base(), ()),
    )
    return Rewriting("erf moment", terms, conditions)


def _gate_and_wave(moment: Moment) -> Rewriting:
    """E e^{iη} erf(ℓ) = e^{iEη − Var η/2} erf((E ℓ + i Cov(η, ℓ))/√W): tilting by an imaginary form."""
    law, (gate,), (wave,) = moment.law, moment.gates, moment.waves
    mean = law.mean_of(wave.form)
    damping = Base(exponent=-law.covariance_of(wave.form, wave.form) / 2)
    u, conditions = _standardized(law, gate)
    c = rational_over_root(law.covariance_of(wave.form, gate.form), _doubled_variance(law, gate), law.positive)
    if u == 0:
        real_part, imaginary_part = ZERO, sp.erfi(c)
    else:
        value = sp.erf(u + sp.I * c)
        real_part, imaginary_part = sp.re(value, evaluate=False), sp.im(value, evaluate=False)
    sine, cosine = sp.sin(mean), sp.cos(mean)
    parts = (
        ((sine, real_part), (cosine, imaginary_part)) if wave.odd else ((cosine, real_part), (-sine, imaginary_part))
    )
    terms = tuple((factor, damping * Base(function=part), ()) for factor, part in parts if factor != 0 and part != 0)
    return Rewriting("erf moment", terms, conditions)


def one_dimensional_reduction(moment: Moment) -> Rewriting | None:
    """What has no closed form is an integral over as few linear forms as the rules need.

        E g(x) = ∫ E[g(x) | z = E z + (Var z)^{1/2} t] φ(t) dt

    The forms inside unknown functions are conditioned on; then gates' forms, until at most two
    gates are left open; the conditional mean closes by the rules above.
    """
    forms = _conditioned_on(moment)
    law, ts = moment.law, []
    conditions: list[sp.Basic] = []
    roots: dict[sp.Expr, sp.Expr] = {}
    for form in forms:
        t = sp.Dummy("t", real=True)
        deviation = positive_root(law.covariance_of(form, form), law.positive)
        with_form = law.covariance_with(form)
        n = len(with_form)
        variance = law.covariance_of(form, form)
        roots[deviation] = variance
        covariance = [
            [law.covariance[i][j] - with_form[i] * with_form[j] / variance for j in range(n)] for i in range(n)
        ]
        positive = rational(law.positive * variance)
        law = law.updated([c * t / deviation for c in with_form], covariance, positive)
        ts.append(t)
    factor = sp.Mul(*(unknown.at([law.mean_of(form) for form in unknown.forms]) for unknown in moment.unknown))
    open_gates = []
    for gate in moment.gates:
        if law.covariance_of(gate.form, gate.form) == 0:
            factor *= gate.at(law.mean_of(gate.form))
        else:
            open_gates.append(gate)
    open_waves = []
    for wave in moment.waves:
        if law.covariance_of(wave.form, wave.form) == 0:
            factor *= wave.function(law.mean_of(wave.form))
        else:
            open_waves.append(wave)
    inner = Moment(law, moment.powers, tuple(open_gates), (), tuple(open_waves))
    value = closed_value(inner, conditions)
    integrand = factor * value
    conditions += [sp.Gt(variance, 0) for root, variance in roots.items() if _divides(root, integrand)]
    integral = GaussianIntegral(integrand, ts) if ts else integrand
    return _closed("one-dimensional reduction", Base(function=integral), conditions=tuple(conditions))


def _divides(root: sp.Expr, expr: sp.Expr) -> bool:
    """Whether a factor of a root that may be zero stands in a denominator of an expression."""
    bases = {factor.as_base_exp()[0] for factor in sp.Mul.make_args(root) if not factor.is_positive}
    return any(power.exp.could_extract_minus_sign() and power.base in bases for power in expr.atoms(sp.Pow))


def _independent(law: JointLaw, forms: Iterable[Form]) -> list[Form]:
    """The forms without those that the ones before determine."""
    kept: list[Form] = []
    for form in forms:
        if not _determined(law, kept, form):
            kept.append(form)
    return kept


def _determined(law: JointLaw, known: list[Form], form: Form) -> bool:
    forms = [*known, form]
    gram = sp.Matrix(len(forms), len(forms), lambda i, j: law.covariance_of(forms[i], forms[j]))
    return rational(gram.det(method="berkowitz")) == 0


def _conditioned_on(moment: Moment) -> list[Form]:
    """The fewest forms to condition on: those of unknown functions, and of gates and waves until the rest closes."""
    law = moment.law
    known = _independent(law, (form for factor in moment.unknown for form in factor.forms))
    candidates = list(
        dict.fromkeys(form for form in (*(g.form for g in moment.gates), *(w.form for w in moment.waves)))
    )

    def left(forms: list[Form]) -> tuple[int, int]:
        gates = sum(not _determined(law, forms, gate.form) for gate in moment.gates)
        return gates, sum(not _determined(law, forms, wave.form) for wave in moment.waves)

    for size in range(len(candidates) + 1):
        choices = (known + _independent_of(law, known, extra) for extra in combinations(candidates, size))
        closing = [(sum(left(forms)), forms) for forms in choices if left(forms) in CLOSED_SHAPES]
        if closing:
            return min(closing, key=lambda choice: choice[0])[1]
    return known + _independent_of(law, known, candidates)  # pragma: no cover


CLOSED_SHAPES = ((0, 0), (1, 0), (2, 0), (0, 1))  # (gates, waves) whose mean is known and not complex


def _independent_of(law: JointLaw, known: list[Form], extra: Iterable[Form]) -> list[Form]:
    return _independent(law, [*known, *extra])[len(known) :]


RULES: tuple[Callable[[Moment], Rewriting | None], ...] = (
    tidying,
    conditioning,
    tilting,
    parity,
    independence,
    product_to_sum,
    stein,
    closed_moment,
    one_dimensional_reduction,
)


# --- values --------------------------------------------------------------------------------


def moment_value(
    moment: Moment, memory: dict[Moment, dict[Base, sp.Expr]], conditions: list[sp.Basic]
) -> dict[Base, sp.Expr]:
    """A moment as Σ coefficient · base, each base once: the rules applied until nothing is left."""
    if moment in memory:
        return memory[moment]
    rewriting = rewrite(moment)
    conditions.extend(rewriting.conditions)
    total: dict[Base, list[sp.Expr]] = {}
    for coefficient, base, factors in rewriting.terms:
        product: dict[Base, sp.Expr] = {base: coefficient}
        for factor in factors:
            value = moment_value(factor, memory, conditions)
            expanded: dict[Base, list[sp.Expr]] = {}
            for base1, c1 in product.items():
                for base2, c2 in value.items():
                    expanded.setdefault(base1 * base2, []).append(c1 * c2)
            product = {b: sp.Add(*parts) for b, parts in expanded.items()}
        for b, c in product.items():
            total.setdefault(b, []).append(c)
    result = {b: c for b, parts in total.items() if (c := sp.Add(*parts)) != 0}
    memory[moment] = result
    return result


def closed_value(moment: Moment, conditions: list[sp.Basic]) -> sp.Expr:
    """The value of a moment as an expression."""
    value = moment_value(moment, {}, conditions)
    return sp.Add(*(c * base.expr() for base, c in value.items()))
