"""Exact zero: the only place that decides whether something is zero.

    reduces_to_zero(expr)   True: proven zero.  False: not proven (never a proof that it is not zero).
    normal_form(expr)       the same function, written so that equal things look equal as far as possible.

**Method.** The expression is read bottom-up as a fraction of polynomials over Q in *generators*: symbols,
and terms such as √(1 + 2λ²s), exp(−u²), erf(u), T(h, a). Between generators only relations that hold at
every point are used; polynomials are reduced by them, and the expression is zero when its numerator reduces
to 0. No floating-point number and no random point takes part; sympy's `simplify`, `equals`, `evalf` and
`diff` are never asked.

**What True means.** The expression is zero for all values of its symbols that their assumptions allow,
wherever it is defined: denominators different from zero, logarithms of nonzero numbers, arguments of special
functions in their domain. Fractional powers, logarithms and arcs take their principal values. A symbol
without assumptions is a complex number; the relations marked (real) need the assumption.

**The relations.** *Proven* signs are those of `_Field.sign`.

    powers      (b^{1/N})^N = b; (ab)^r = a^r b^r if a ≥ 0; (f²)^r = |f|^{2r} (real);
                √(P + Q ± 2√(PQ)) = √P ± √Q if P ≥ Q ≥ 0
    sign        |u| = u sign u, sign(uv) = sign u sign v (real); with s = sign f: s³ = s, f s² = f, and
                s² = 1 where the expression divides by f; H(x) = (1 + s)/2 + (H(0) − ½)(1 − s²);
                max and min by |a − b| (real)
    exp         exp(Σ rⱼBⱼ) = Π exp(Bⱼ)^{rⱼ} over a Q-basis of the exponents; hyperbolic functions by exp;
                exp(r log b) = b^r; b^e = exp(e log b) if b > 0
    log         log(a z) = log a + log z if a > 0; log exp(u) = u (real)
    sin, cos    sin² + cos² = 1; addition over a Q-basis of the angles; multiples of π; values at arcs
    arcs        arccos = π/2 − arcsin; arcsin u = arctan(u/√(1 − u²)) if 1 − u² > 0;
                arctan u = Σ rⱼ arctan uⱼ + C when all derivatives agree, all arguments are smooth on the
                (connected) domain, and C is the exact difference at one point of it
    erf         odd; erfc = 1 − erf; Φ(x) = (1 + erf(x/√2))/2
    T(h, a)     even in h, odd in a (real); T(h, 1) = (1 − erf²(h/√2))/8; T(0, a) = arctan(a)/2π;
                T(h, a) + T(ah, 1/a) = (1 − erf(h/√2) erf(ah/√2))/4 if a > 0
    Φ₂(h, k; ρ) symmetric; Φ₂(h, −k; −ρ) = Φ(h) − Φ₂(h, k; ρ);
                Φ₂(h, h; ρ) = Φ(h) − 2T(h, √((1−ρ)/(1+ρ))) where 1 + ρ ≠ 0 is proven or divided by;
                Φ₂(0, k; ρ) = Φ(k)/2 + T(k, ρ/√(1−ρ²)) where 1 − ρ² ≠ 0 is
    E f(t)      GaussianIntegral is linear and does not see t → −t nor (two variables) t₁ ↔ t₂;
                E 1 = 1, E t^{2k} = (2k−1)!!
    last        a numerator without singularities on a connected domain, with a derivative that reduces to
                zero, does not depend on that symbol: it is set to one exact value

**Limits.** Signs are proven by the means of `_Field.sign` only; tanh x ≥ 0 for x ≥ 0 is not among them. Nested
roots are opened only in the form above, and other dependent algebraic numbers may hide a zero. Arctangents of
unrelated numbers are independent. T and Φ₂ of different kinds are related only as listed. Integrals are not
integrated by parts. Sums, matrices and unknown functions are opaque.

References: J. Davenport, Y. Siret, É. Tournier, Computer Algebra (1988), chapter 2, on normal forms;
D. B. Owen, Comm. Stat. B 9 (1980) 389.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, NoReturn, TypeVar

import sympy as sp
from flint import Ordering, fmpq, fmpq_mpoly, fmpq_mpoly_ctx, fmpz
from sympy.core.function import AppliedUndef

from .integral import GaussianIntegral
from .special import BivariateNormalCDF, NormalCDF, OwenT

__all__ = ["ExpressionTooLarge", "normal_form", "reduces_to_zero"]

_MAX_TERMS = 60_000  # of one polynomial; flint multiplies such in well under a second
_MAX_PRODUCT = 4_000_000  # pairs of terms in one product
_MAX_WORK = 60_000_000  # pairs of terms in one question
_MAX_BITS = 100_000  # of one constant
_MAX_DEPTH = 100  # of nested operations
_MAX_FACTOR = 120  # terms of a polynomial that is factored; larger ones count as irreducible
_MAX_ORDER = 240  # of one root, and of one multiple angle
_MAX_ATTEMPTS = 24  # refinements of the roots

POSITIVE, NONNEGATIVE, UNKNOWN = 2, 1, 0  # proven signs; −1 and −2 for nonpositive and negative


class ExpressionTooLarge(ValueError):
    """The exact normal form would exceed the limits on terms, digits, depth or work."""


class _Undefined(Exception):
    """The expression divides by something that reduces to zero, or contains an infinity."""


class _Unsupported(Exception):
    """The expression is not one commuting number at each point (an order term, an operator)."""


class _Refine(Exception):
    """A finer root of a known base, or more room, is needed: read the expression again from the start."""


# ------------------------------------------------------------ the two promises


def reduces_to_zero(expr: sp.Expr, nonnegative: Iterable[sp.Expr] = ()) -> bool:
    """Whether `expr` is proven zero by exact normal forms.

    True only with a proof: zero for all values the symbols' assumptions allow, wherever defined. False means
    *not proven*, for lack of a rule, for size, or because it is not zero: ask for a point before saying so.

    Args:
        expr: a sympy expression without floating-point numbers.
        nonnegative: expressions known to be ≥ 0 where the question is asked, such as the principal minors
            of a covariance; the answer then holds there.

    Raises:
        ValueError: if `expr` contains a Float.
        TypeError: if `expr` is not a scalar expression.

    >>> x = sp.Symbol("x", real=True)
    >>> reduces_to_zero(sp.asin(2*x**2/(1 + 2*x**2)) - 2*sp.atan(sp.sqrt(1 + 4*x**2)) + sp.pi/2)
    True
    >>> reduces_to_zero(180*sp.acos(sp.Rational(7823207, 7823209))/sp.pi)
    False
    """
    expr, known = _exact(expr), [_exact(condition) for condition in nonnegative]
    try:
        return _with_refinement(lambda field: field.proves_zero(field.read_all(expr, known)))
    except (_Undefined, _Unsupported, ExpressionTooLarge):
        return False


def normal_form(expr: sp.Expr, nonnegative: Iterable[sp.Expr] = ()) -> sp.Expr:
    """The same function as `expr`, as one fraction of polynomials in independent terms.

    Equal expressions get equal normal forms as far as the relations of this file reach; to compare two
    expressions, ask `reduces_to_zero(a - b)`, which sees both at once.

    Args:
        expr: a sympy expression without floating-point numbers.
        nonnegative: expressions known to be ≥ 0 where the result is used.

    Returns:
        An expression equal to `expr` wherever that is defined.

    Raises:
        ValueError: if `expr` contains a Float, or divides by something that is zero.
        ExpressionTooLarge: if the limits on terms, digits, depth or work are exceeded.
        TypeError: if `expr` is not a scalar expression.

    >>> x = sp.Symbol("x", positive=True)
    >>> normal_form(sp.sqrt((1 + 2*x)*(1 + 4*x)) / sp.sqrt(1 + 2*x) + sp.erfc(x) + sp.erf(x) - 1)
    sqrt(4*x + 1)
    """
    expr, known = _exact(expr), [_exact(condition) for condition in nonnegative]
    try:
        return _with_refinement(lambda field: field.expression(field.read_all(expr, known)))
    except _Undefined as error:
        raise ValueError(f"expected an expression that is defined somewhere, got {expr}: {error}") from None
    except _Unsupported as error:
        raise TypeError(f"expected a scalar expression, got {expr}: {error}") from None


def _exact(expr: Any) -> sp.Expr:
    if isinstance(expr, float | complex):
        raise ValueError(f"expected exact numbers, got the float {expr!r}; write sympy.Rational('0.1'), not 0.1.")
    if isinstance(expr, int | Fraction):
        return sp.Rational(expr.numerator, expr.denominator)
    if not isinstance(expr, sp.Expr) or getattr(expr, "is_Matrix", False):
        raise TypeError(f"expected a scalar sympy expression, got {expr!r} of type {type(expr).__name__}.")
    floats = expr.atoms(sp.Float)
    if floats:
        first = min(floats, key=str)
        raise ValueError(f"expected exact numbers, got the float {first} in {expr}; use sympy.Rational.")
    return expr


Answer = TypeVar("Answer")


def _with_refinement(question: Callable[[_Field], Answer]) -> Answer:
    memory = _Memory()
    for _ in range(_MAX_ATTEMPTS):
        try:
            return question(_Field(memory))
        except _Refine:
            continue
        except RecursionError:
            raise ExpressionTooLarge("the expression is nested too deeply.") from None
    raise ExpressionTooLarge(f"more than {_MAX_ATTEMPTS} refinements of the roots.")


# ------------------------------------------------------------ nouns


@dataclass
class _Memory:
    """What survives a refinement: the order N of each b^{1/N}, exp(B/N), cos(B/N); the room needed."""

    orders: dict[tuple[str, sp.Expr], int] = field(default_factory=dict)
    capacity: int = 32
    dummies: dict[Any, sp.Dummy] = field(default_factory=dict)

    def dummy(self, key: Any, **assumptions: bool) -> sp.Dummy:
        """A symbol of our own, the same in every reading, for a bound variable or a closed interval."""
        if key not in self.dummies:
            self.dummies[key] = sp.Dummy("t", **assumptions)
        return self.dummies[key]

    def order(self, kind: str, base: Callable[[], sp.Expr], needed: int) -> int:
        """The order N with which a new base starts: what an earlier reading found, and what is needed now."""
        known = self.orders.get((kind, base()), 1) if self.orders else 1
        return self.checked(math.lcm(known, needed))

    def refine(self, kind: str, base: sp.Expr, order: int) -> NoReturn:
        """Ask for another reading in which this base starts with the given order."""
        self.orders[kind, base] = self.checked(math.lcm(self.orders.get((kind, base), 1), order))
        raise _Refine

    def checked(self, order: int) -> int:
        if order > _MAX_ORDER:
            raise ExpressionTooLarge(f"a root of order {order}.")
        return order


@dataclass(frozen=True)
class _Element:
    """An element of the field: numerator over denominator; the denominator is never zero."""

    num: fmpq_mpoly
    den: fmpq_mpoly

    @property
    def is_zero(self) -> bool:
        return self.num.is_zero()

    @property
    def constant(self) -> Fraction | None:
        """The rational number this element is, or None."""
        if self.num.is_constant() and self.den.is_constant():
            value = _leading(self.num) / _leading(self.den)
            return Fraction(int(value.p), int(value.q))
        return None


@dataclass(eq=False)
class _Generator:
    """One letter of the polynomials.

    kind        "symbol", "opaque", "root", "exp", "sign", "log", "cos", "sin", "arctan", "arcsin", "erf",
                "T", "bvn", "integral", "imaginary"
    symbols     the symbols its value depends on
    sign, real  what is proven about it; also `bounded`: in [−1, 1], and `inside`: in (−1, 1)
    minimum     for a positive integer symbol, 1: its smallest value
    order, base the relation root^order = base, sin² = 1 − cos², i² = −1; for a sign, order 1 and base f
    arguments   of erf, log, T, ...: the elements
    nonzero     for a sign: the expression divides by f, so sign² = 1
    atom        the symbol, constant or opaque term itself
    """

    index: int
    build: Callable[[], sp.Expr]
    kind: str
    symbols: frozenset[sp.Basic]
    sign: int = UNKNOWN
    real: bool = False
    bounded: bool = False
    inside: bool = False
    minimum: int = 0
    order: int = 0
    base: fmpq_mpoly | None = None
    arguments: tuple[_Element, ...] = ()
    nonzero: bool = False
    atom: sp.Expr | None = None

    @cached_property
    def expr(self) -> sp.Expr:
        """The term in sympy's words; made only when somebody asks."""
        return self.build()


def _leading(poly: fmpq_mpoly) -> fmpq:
    return fmpq(0) if poly.is_zero() else poly.leading_coefficient()


def _rational(value: Fraction | fmpq) -> sp.Rational:
    if isinstance(value, Fraction):
        return sp.Rational(value.numerator, value.denominator)
    return sp.Rational(int(value.p), int(value.q))


class _Field:
    """The field generated by the terms of one expression, with everything known about them."""

    def __init__(self, memory: _Memory) -> None:
        self.memory = memory
        self.context = fmpq_mpoly_ctx.get(("g", memory.capacity), Ordering.degrevlex)
        self.letters = self.context.gens()
        self.zero_poly, self.one_poly = self.context.constant(0), self.context.constant(1)
        self.zero, self.one = _Element(self.zero_poly, self.one_poly), _Element(self.one_poly, self.one_poly)
        self.generators: list[_Generator] = []
        self.related: list[_Generator] = []
        self.memo: dict[sp.Expr, _Element] = {}
        self.atoms: dict[Any, _Generator] = {}
        self.turns: dict[int, tuple[_Element, _Element]] = {}  # n -> cos and sin of π/n
        self.functions: dict[Any, list[_Generator]] = {}
        self.exponents: list[tuple[_Element, _Element, int]] = []  # (B, exp(B/N), N)
        self.angles: list[tuple[_Element, tuple[_Element, _Element], int]] = []  # (B, cos and sin of B/N, N)
        self.nonzero: set[str] = set()
        self.assumed: list[fmpq_mpoly] = []  # polynomials that the caller knows to be nonnegative
        self.relied = False  # whether a sign came from there
        self.signs: dict[tuple[str, int, bool], int] = {}
        self.factors: dict[str, tuple[fmpq, list[tuple[fmpq_mpoly, int]]]] = {}
        self.slopes: dict[tuple[int, sp.Basic], _Element] = {}
        self.work = 0
        self.depth = 0
        self.integral_depth = 0

    # ------------------------------------------------------------ generators

    def make(self, kind: str, build: Callable[[], sp.Expr], symbols: Iterable[sp.Basic], **facts: Any) -> _Generator:
        index = len(self.generators)
        if index >= self.memory.capacity:
            if index >= 1024:
                raise ExpressionTooLarge("more than 1024 independent terms.")
            self.memory.capacity *= 2
            raise _Refine
        generator = _Generator(index, build, kind, frozenset(symbols), **facts)
        self.generators.append(generator)
        if generator.order:
            self.related.append(generator)
        return generator

    def element(self, generator: _Generator) -> _Element:
        return _Element(self.letters[generator.index], self.one_poly)

    def used(self, *polys: fmpq_mpoly) -> list[_Generator]:
        """The generators that occur, in the order of their creation."""
        occurring = {i for poly in polys for i, degree in enumerate(poly.degrees()) if degree > 0}
        return [self.generators[i] for i in sorted(occurring)]

    def symbols_of(self, *elements: _Element) -> frozenset[sp.Basic]:
        return frozenset().union(*(g.symbols for e in elements for g in self.used(e.num, e.den)))

    def is_real(self, *elements: _Element) -> bool:
        return all(g.real for e in elements for g in self.used(e.num, e.den))

    def atom(self, expr: sp.Expr) -> _Element:
        """A symbol, a constant or an opaque term: a generator of its own, with sympy's assumptions."""
        if expr not in self.atoms:
            symbols = expr.free_symbols or set()
            sign, real = UNKNOWN, False
            if expr.is_Atom or isinstance(expr, AppliedUndef | sp.MatrixBase) or getattr(expr, "is_symbol", False):
                real = expr.is_real is True
                sign = POSITIVE if expr.is_positive else NONNEGATIVE if expr.is_nonnegative else UNKNOWN
                sign = -2 if expr.is_negative else -1 if expr.is_nonpositive and not sign else sign
            minimum = 1 if sign == POSITIVE and expr.is_integer else 0
            kind = "symbol" if isinstance(expr, sp.Symbol) else "opaque"
            self.atoms[expr] = self.make(kind, lambda: expr, symbols, sign=sign, real=real, minimum=minimum, atom=expr)
        return self.element(self.atoms[expr])

    # ------------------------------------------------------------ polynomials

    def poly(self, terms: dict[tuple[int, ...], fmpq]) -> fmpq_mpoly:
        return self.context.from_dict(terms)

    def times(self, left: fmpq_mpoly, right: fmpq_mpoly) -> fmpq_mpoly:
        pairs = len(left) * len(right)
        self.work += pairs
        if pairs > _MAX_PRODUCT or self.work > _MAX_WORK:
            raise ExpressionTooLarge(f"a product of {len(left)} by {len(right)} terms.")
        return left * right

    def to_power(self, poly: fmpq_mpoly, exponent: int) -> fmpq_mpoly:
        """A power, by products with reduction in between when it has many terms."""
        length = len(poly)
        if length > 1:
            if exponent > 4096 or math.comb(min(length, 400) - 1 + exponent, exponent) > _MAX_TERMS:
                raise ExpressionTooLarge(f"the power {exponent} of {length} terms.")
            self.work += min(_MAX_PRODUCT, math.comb(length - 1 + exponent, exponent)) * length
            if self.work > _MAX_WORK:
                raise ExpressionTooLarge(f"the power {exponent} of {length} terms.")
        bits = max((max(int(c.p).bit_length(), int(c.q).bit_length()) for c in poly.to_dict().values()), default=0)
        if (bits > 1 and bits * exponent > _MAX_BITS) or exponent.bit_length() > 40:
            raise ExpressionTooLarge(f"the power {exponent} of a number of {bits} bits.")
        return poly**exponent

    def by_powers(self, poly: fmpq_mpoly, index: int) -> dict[int, fmpq_mpoly]:
        """The coefficients of a polynomial seen as a polynomial in one generator."""
        parts: dict[int, dict[tuple[int, ...], fmpq]] = {}
        for monomial, coefficient in poly.to_dict().items():
            rest = (*monomial[:index], 0, *monomial[index + 1 :])
            parts.setdefault(int(monomial[index]), {})[rest] = coefficient
        return {power: self.poly(terms) for power, terms in parts.items()}

    def reduce(self, poly: fmpq_mpoly) -> fmpq_mpoly:
        """Rewrite by the relations, latest generator first: a relation speaks of earlier generators only."""
        degrees = poly.degrees()
        for generator in reversed(self.related):
            if degrees[generator.index] >= generator.order:
                poly = self.rewrite(poly, generator)
                degrees = poly.degrees()
        if len(poly) > _MAX_TERMS:
            raise ExpressionTooLarge(f"a polynomial of {len(poly)} terms.")
        return poly

    def rewrite(self, poly: fmpq_mpoly, generator: _Generator) -> fmpq_mpoly:
        parts = self.by_powers(poly, generator.index)
        letter = self.letters[generator.index]
        if generator.kind == "sign":
            return self.rewrite_sign(parts, generator, letter)
        order = generator.order
        assert generator.base is not None
        result = self.zero_poly
        for power, part in sorted(parts.items()):
            high, low = divmod(power, order)
            term = self.times(part, letter**low) if low else part
            result += self.times(term, self.to_power(generator.base, high)) if high else term
        return result

    def rewrite_sign(self, parts: dict[int, fmpq_mpoly], generator: _Generator, letter: fmpq_mpoly) -> fmpq_mpoly:
        """s³ = s and f s² = f; s² = 1 when f is known not to vanish; s² = s and f s = f when f ≥ 0."""
        none, base = self.zero_poly, generator.base
        assert base is not None
        constant = parts.get(0, none)
        odd = sum((p for k, p in parts.items() if k % 2), none)
        even = sum((p for k, p in parts.items() if k and not k % 2), none)
        if generator.nonzero:
            return constant + even + odd * letter
        if generator.sign >= NONNEGATIVE:
            odd, even = none, odd + even
        multiples = [base] + [
            g.base for g in self.used(base) if g.kind in ("sin", "root") and base == self.letters[g.index]
        ]
        for multiple in multiples:  # f; and if f is a sine or a root, its power in earlier generators
            quotient, even = divmod(even, multiple)
            constant += quotient * multiple
        return constant + odd * letter + even * (letter if generator.sign >= NONNEGATIVE else letter**2)

    def unfolded(self, poly: fmpq_mpoly) -> fmpq_mpoly:
        """x written in r where r = (ax + b)^{1/N} occurs too, so that x + 2√x + 1 is seen as a square."""
        used, degrees = self.used(poly), poly.degrees()
        values = list(self.letters)
        for generator in used:
            if generator.kind != "root" or generator.base is None or len(generator.base) > 4:
                continue
            for other in reversed(self.used(generator.base)):
                i = other.index
                slope = generator.base.derivative(i)
                free = degrees[i] and values[i] == self.letters[i] and generator.order * degrees[i] <= 60
                if free and slope.is_constant():
                    rest = generator.base - slope * self.letters[i]
                    values[i] = (self.letters[generator.index] ** generator.order - rest) / _leading(slope)
                    break
        return poly if values == list(self.letters) else poly.compose(*values)

    def factor(self, poly: fmpq_mpoly) -> tuple[fmpq, list[tuple[fmpq_mpoly, int]]]:
        """Content and irreducible factors, primitive over Z; a large polynomial is left in one piece."""
        key = str(poly)
        if key not in self.factors:
            if (len(poly) <= _MAX_FACTOR and poly.total_degree() <= 60) or len(poly) == 1:
                content, factors = self.unfolded(poly).factor()
                factors = [(self.reduce(f), int(e)) for f, e in factors]
            else:
                coefficients = list(poly.to_dict().values())
                numerators = math.gcd(*(int(c.p) for c in coefficients))
                denominators = math.lcm(*(int(c.q) for c in coefficients))
                content = fmpq(numerators, denominators) * (1 if poly.leading_coefficient() > 0 else -1)
                factors = [(poly / content, 1)]
            self.factors[key] = (content, sorted(factors, key=lambda pair: str(pair[0])))
        return self.factors[key]

    # ------------------------------------------------------------ field operations

    def fraction(self, num: fmpq_mpoly, den: fmpq_mpoly) -> _Element:
        """Reduced by the relations, without common factor, the denominator with leading coefficient 1.

        Powers of a root in the denominator are moved up: 1/b^{k/N} = b^{(N−k)/N}/b; so are i and signs, and
        square roots of numbers. All these are nonzero where the denominator is, so a numerator that reduces
        to zero is zero.
        """
        num, den = self.reduce(num), self.reduce(den)
        if den.is_zero():
            raise _Undefined("it divides by zero.")
        if num.is_zero():
            return self.zero
        if den.is_constant():
            return _Element(num / _leading(den), self.one_poly)
        content = den.term_content()
        for generator, power in zip(self.generators, content.degrees(), strict=False):
            if power and generator.kind in ("root", "imaginary", "sign"):
                order = max(generator.order, 2)
                letter = self.letters[generator.index] ** (order - int(power) % order)
                num, den = self.reduce(self.times(num, letter)), self.reduce(self.times(den, letter))
        num, den = self.clear_numeric_roots(num, den)
        if num.is_zero():
            return self.zero
        if not den.is_constant() and len(num) * len(den) <= _MAX_PRODUCT // 4:
            common = num.gcd(den)
            if not common.is_constant():
                num, den = num / common, den / common
        lead = _leading(den)
        return _Element(num / lead, den / lead)

    def clear_numeric_roots(self, num: fmpq_mpoly, den: fmpq_mpoly) -> tuple[fmpq_mpoly, fmpq_mpoly]:
        """1/(a + b√c) = (a − b√c)/(a² − b²c) for numbers, when the norm in the end is a nonzero rational."""
        if len(den) > 8:
            return num, den
        roots = self.used(den)
        if not roots or not all(
            ((g.kind == "root" and g.order == 2) or g.kind == "imaginary") and not g.symbols for g in roots
        ):
            return num, den
        new_num, norm = num, den
        for generator in reversed(roots):
            parts = self.by_powers(norm, generator.index)
            conjugate = parts.get(0, self.zero_poly) - parts.get(1, self.zero_poly) * self.letters[generator.index]
            norm = self.reduce(self.times(norm, conjugate))
            new_num = self.reduce(self.times(new_num, conjugate))
        # A nonzero rational norm shows that no conjugate was zero; otherwise the roots may be dependent.
        return (new_num, norm) if norm.is_constant() and not norm.is_zero() else (num, den)

    def number(self, value: Fraction | int) -> _Element:
        value = Fraction(value)
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > _MAX_BITS:
            raise ExpressionTooLarge(f"a number of more than {_MAX_BITS} bits.")
        return _Element(self.context.constant(fmpq(value.numerator, value.denominator)), self.one_poly)

    def add(self, *elements: _Element) -> _Element:
        by_denominator: dict[str, tuple[fmpq_mpoly, fmpq_mpoly]] = {}
        for element in elements:
            key = "" if element.den.is_one() else str(element.den)
            total = by_denominator.get(key)
            by_denominator[key] = (element.num if total is None else total[0] + element.num, element.den)
        num, den = self.zero_poly, self.one_poly
        for _, (other_num, other_den) in sorted(by_denominator.items(), key=lambda item: (len(item[1][1]), item[0])):
            if den.is_one():
                num, den = self.times(num, other_den) + other_num, other_den
            elif len(den) * len(other_den) > _MAX_PRODUCT:
                raise ExpressionTooLarge(f"a common denominator of {len(den)} by {len(other_den)} terms.")
            else:
                common = den.gcd(other_den)
                left, right = other_den / common, den / common
                num = self.times(num, left) + self.times(other_num, right)
                den = self.times(den, left)
        return self.fraction(num, den)

    def multiply(self, *elements: _Element) -> _Element:
        num, den = self.one_poly, self.one_poly
        for element in elements:
            num, den = self.times(num, element.num), self.times(den, element.den)
            if len(num) > 50:
                num = self.reduce(num)
        return self.fraction(num, den)

    def scale(self, factor: Fraction | int, element: _Element) -> _Element:
        return (
            _Element(element.num * self.number(factor).num.leading_coefficient(), element.den) if factor else self.zero
        )

    def negative(self, element: _Element) -> _Element:
        return _Element(-element.num, element.den)

    def subtract(self, left: _Element, right: _Element) -> _Element:
        return self.add(left, self.negative(right))

    def invert(self, element: _Element) -> _Element:
        if element.is_zero:
            raise _Undefined("it divides by zero.")
        return self.fraction(element.den, element.num)

    def divide(self, left: _Element, right: _Element) -> _Element:
        return self.multiply(left, self.invert(right))

    def power(self, element: _Element, exponent: int) -> _Element:
        if exponent < 0:
            return self.power(self.invert(element), -exponent)
        return self.fraction(self.to_power(element.num, exponent), self.to_power(element.den, exponent))

    def equal(self, left: _Element, right: _Element) -> bool:
        """Whether two elements are proven equal."""
        if left.num == right.num and left.den == right.den:
            return True
        return self.reduce(self.times(left.num, right.den) - self.times(right.num, left.den)).is_zero()

    # ------------------------------------------------------------ proven signs

    def sign(self, poly: fmpq_mpoly, effort: int = 2) -> int:
        """A proven sign of a real polynomial: 2 positive, 1 nonnegative, −1, −2, or 0 when nothing is proven.

        By terms; by what the caller knows; by factors; with positive integers written 1 + n; as a square plus
        a rest; at both ends of a generator that lies in [−1, 1]; by comparing squares for a + b√c.
        """
        if poly.is_zero():
            return NONNEGATIVE
        if poly.is_constant():
            return POSITIVE if _leading(poly) > 0 else -POSITIVE
        used = self.used(poly)
        if len(poly) > 400:
            return UNKNOWN
        key = (str(poly), effort, bool(self.assumed))
        if key not in self.signs:
            self.signs[key] = UNKNOWN  # a question met again while answering it stays open
            self.signs[key] = self.decide_sign(poly, used, effort) if all(g.real for g in used) else UNKNOWN
        return self.signs[key]

    def sign_of(self, element: _Element) -> int:
        """A proven sign of an element, wherever it is defined."""
        num, den = self.sign(element.num), self.sign(element.den)
        if not num or not den or not self.is_real(element):
            return UNKNOWN
        return num if den > 0 else -num

    def decide_sign(self, poly: fmpq_mpoly, used: list[_Generator], effort: int) -> int:
        by_terms = self.sign_by_terms(poly, used)
        if by_terms:
            return by_terms
        for known in self.assumed:
            multiple, rest = divmod(poly, known)
            if not multiple.is_zero() and self.sign_by_terms(multiple, self.used(multiple)) > 0:
                by_terms = self.sign_by_terms(rest, self.used(rest)) if len(rest) else NONNEGATIVE
                if by_terms > 0:
                    self.relied = True
                    return by_terms
        if not effort:
            return UNKNOWN
        if any(g.minimum for g in used):
            shifted = poly.compose(*(x + g.minimum for x, g in zip(self.letters, self.padded(), strict=True)))
            by_terms = self.sign_by_terms(shifted, used, shifted=True)
            if by_terms:
                return by_terms
        content, factors = self.factor(poly)
        if len(factors) > 1 or factors[0][1] > 1 or content < 0:
            result = POSITIVE if content > 0 else -POSITIVE
            for factor, power in factors:
                result = _product_sign(result, _power_sign(self.sign(factor, effort - 1), power))
            if result:
                return result
        for generator in used:
            parts = self.by_powers(poly, generator.index)
            result = self.sign_in_one_letter(parts, generator, effort - 1)
            if result:
                return result
        return UNKNOWN

    def padded(self) -> list[_Generator]:
        """The generators, followed by blanks up to the capacity of the polynomials."""
        blank = _Generator(0, sp.S, "blank", frozenset())
        return self.generators + [blank] * (len(self.letters) - len(self.generators))

    def sign_by_terms(self, poly: fmpq_mpoly, used: list[_Generator], shifted: bool = False) -> int:
        """All terms of one sign: the sum has it, strictly if one term has it strictly. In a shifted polynomial
        a positive integer stands for itself minus 1."""
        signs = set()
        for monomial, coefficient in poly.to_dict().items():
            sign = POSITIVE if coefficient > 0 else -POSITIVE
            for generator in used:
                power = int(monomial[generator.index])
                if power and generator.kind == "sign" and power % 2:
                    continue  # taken together with its symbol
                if power % 2 and self.has_sign_partner(generator, monomial):
                    sign = _product_sign(sign, NONNEGATIVE)
                elif power:
                    own = NONNEGATIVE if shifted and generator.minimum else generator.sign
                    sign = _product_sign(sign, _power_sign(own, power))
            for generator in used:
                if (
                    generator.kind == "sign"
                    and monomial[generator.index] % 2
                    and not self.is_partner(generator, monomial)
                ):
                    sign = _product_sign(sign, generator.sign)
            signs.add(sign)
        if not signs or UNKNOWN in signs or min(signs) < 0 < max(signs):
            return UNKNOWN
        return max(signs) if max(signs) > 0 else min(signs)

    def has_sign_partner(self, generator: _Generator, monomial: tuple[int, ...]) -> bool:
        """x sign(x) = |x| ≥ 0."""
        letter = self.letters[generator.index]
        return any(g.kind == "sign" and g.base == letter and monomial[g.index] % 2 for g in self.generators)

    def is_partner(self, generator: _Generator, monomial: tuple[int, ...]) -> bool:
        if generator.base is None or len(generator.base) != 1 or generator.base.leading_coefficient() != 1:
            return False
        degrees = generator.base.degrees()
        return sum(degrees) == 1 and bool(monomial[degrees.index(1)] % 2)

    def sign_in_one_letter(self, parts: dict[int, fmpq_mpoly], g: _Generator, effort: int) -> int:
        """p = A + Bx with x in [−1, 1] or x = √c, or C + Bx + Ax² with a discriminant of known sign."""
        degree = max(parts)
        constant, slope = parts.get(0, self.zero_poly), parts.get(1, self.zero_poly)
        if degree == 1 and g.bounded:
            ends = [self.sign(end, effort) for end in (constant + slope, constant - slope) if not end.is_zero()]
            if min(ends) >= 1 or max(ends) <= -1:
                strict = len(ends) == 2 and min(map(abs, ends)) == POSITIVE
                strict = strict or (g.inside and max(map(abs, ends)) == POSITIVE)
                return (POSITIVE if strict else NONNEGATIVE) * (1 if ends[0] > 0 else -1)
        if degree == 1 and g.kind == "root" and g.order == 2 and g.sign > 0 and g.base is not None:
            signs = self.sign(constant, effort), self.sign(slope, effort)
            if signs[0] * signs[1] < 0:
                difference = self.reduce(self.times(constant, constant) - self.times(self.times(slope, slope), g.base))
                return _product_sign(POSITIVE if signs[0] > 0 else -POSITIVE, self.sign(difference, effort))
        if degree == 2 and g.real:
            square = self.sign(parts[2], effort)
            if square:
                product = self.times(parts[2], constant)
                rest = self.sign(self.reduce(4 * product - self.times(slope, slope)), effort)
                if rest == POSITIVE or (rest > 0 and abs(square) == POSITIVE):
                    return rest if square > 0 else -rest
                if rest > 0 and square * self.sign(constant, effort) > 0:  # A = 0 makes B = 0 and p = C
                    return NONNEGATIVE if square > 0 else -NONNEGATIVE
        return UNKNOWN

    # ------------------------------------------------------------ sign and absolute value

    def sign_function(self, element: _Element) -> _Element | None:
        """sign u as a product over the irreducible factors of u; None unless u is real."""
        if not self.is_real(element):
            return None
        if element.is_zero:
            return self.zero
        result = self.one
        for poly in (element.num, element.den):
            content, factors = self.factor(poly)
            if content < 0:
                result = self.negative(result)
            for factor, power in factors:
                result = self.multiply(result, self.power(self.sign_of_factor(factor), power))
        return result

    def sign_of_factor(self, factor: fmpq_mpoly) -> _Element:
        sign = self.sign(factor)
        if abs(sign) == POSITIVE:
            return self.number(1 if sign > 0 else -1)
        if sign < 0:
            return self.negative(self.sign_of_factor(-factor))
        if any(g.kind == "sign" and factor == self.letters[g.index] for g in self.used(factor)):
            return _Element(factor, self.one_poly)  # sign(sign u) = sign u
        key = ("sign", str(factor))
        if key not in self.atoms:
            base = _Element(factor, self.one_poly)
            self.atoms[key] = self.make(
                "sign",
                lambda: sp.sign(self.expression(base)),
                self.symbols_of(base),
                base=factor,
                order=1,
                real=True,
                bounded=True,
                sign=sign,
                nonzero=str(factor) in self.nonzero,
            )
        return self.element(self.atoms[key])

    def absolute(self, element: _Element) -> _Element | None:
        sign = self.sign_function(element)
        return None if sign is None else self.multiply(element, sign)

    def mark_nonzero(self, element: _Element) -> None:
        """The expression divides by this element: its factors do not vanish where it is defined."""
        if element.is_zero:
            raise _Undefined("it divides by zero.")
        for factor, _ in self.factor(element.num)[1]:
            self.nonzero.add(str(factor))
            for generator in self.generators:
                if generator.kind == "sign" and factor in (generator.base, self.letters[generator.index]):
                    generator.nonzero = True
                    self.nonzero.add(str(generator.base))

    def is_nonzero(self, element: _Element) -> bool:
        """Whether an element is proven nonzero wherever the expression is defined."""
        if element.is_zero:
            return False
        factors = self.factor(element.num)[1]
        return all(str(f) in self.nonzero or abs(self.sign(f)) == POSITIVE for f, _ in factors)

    # ------------------------------------------------------------ fractional powers

    def rational_power(self, element: _Element, exponent: Fraction) -> _Element:
        """b^r with the principal value, split over the factors of b that are proven nonnegative.

        (a z)^r = a^r z^r holds for a > 0 and every complex z; at a = 0 both sides vanish (r > 0) or are
        undefined. A real factor f of unknown sign is split as f^e = |f|^{2k} f^{e−2k}.
        """
        if exponent.denominator == 1:
            return self.power(element, exponent.numerator)
        if element.is_zero:
            if exponent < 0:
                raise _Undefined("it divides by zero.")
            return self.zero
        content = fmpq(1)
        result, rest, negative = self.one, self.one_poly, False
        for poly, side in ((element.num, 1), (element.den, -1)):
            part, factors = self.factor(poly)
            content = content * part if side > 0 else content / part
            for factor, power in factors:
                power *= side
                sign = self.sign(factor)
                if sign < 0:
                    factor, sign, negative = -factor, -sign, negative ^ bool(power % 2)
                if sign > 0:
                    result = self.multiply(result, self.nonnegative_power(factor, power * exponent))
                elif self.is_real(_Element(factor, self.one_poly)):
                    odd = power % 2
                    if power - odd:
                        size = self.multiply(_Element(factor, self.one_poly), self.sign_of_factor(factor))
                        result = self.multiply(result, self.size_power(size, (power - odd) * exponent))
                    if odd:
                        rest = self.times(rest, factor)
                elif power > 0:
                    rest = self.times(rest, self.to_power(factor, power))
                else:  # a complex denominator of unknown argument: the whole base stays in one piece
                    return self.opaque_power(element, exponent)
        negative ^= content < 0
        size_of_content = abs(content)
        for prime, power in _prime_powers(size_of_content):
            base = self.context.constant(prime)
            result = self.multiply(result, self.nonnegative_power(base, power * exponent))
        if rest.is_one() and not negative:
            return result
        base = self.reduce(-rest if negative else rest)
        return self.multiply(result, self.root(base, exponent, real=False, sign=UNKNOWN))

    def nonnegative_power(self, base: fmpq_mpoly, exponent: Fraction) -> _Element:
        """f^e for an irreducible f ≥ 0 (or a prime number)."""
        if exponent.denominator == 1:
            return self.power(_Element(base, self.one_poly), exponent.numerator)
        used = self.used(base)
        if len(used) == 1 and base == self.letters[used[0].index] and used[0].kind in ("exp", "root"):
            generator = used[0]
            if generator.kind == "root" and generator.base is not None:  # (c^{1/N})^e = c^{e/N} for c ≥ 0
                return self.nonnegative_power(generator.base, exponent / generator.order)
            exponent_of = generator.arguments[0]
            return self.exponential(self.scale(exponent, exponent_of))
        if exponent.denominator % 2 == 0:
            opened = self.open_nested_root(base, used)
            if opened is not None:
                return self.rational_power(opened, 2 * exponent)
        return self.root(base, exponent, real=True, sign=self.sign(base))

    def size_power(self, size: _Element, exponent: Fraction) -> _Element:
        """|f|^e."""
        if exponent.denominator == 1:
            return self.power(size, exponent.numerator)
        return self.root(size.num, exponent, real=True, sign=NONNEGATIVE)

    def root(self, base: fmpq_mpoly, exponent: Fraction, real: bool, sign: int) -> _Element:
        """b^e as a power of the generator b^{1/N}, N a common order for this base."""
        if base == -self.one_poly and exponent.denominator == 2:
            return self.power(self.imaginary(), exponent.numerator % 4)
        element = _Element(base, self.one_poly)
        key = ("root", str(base))
        if key not in self.atoms:
            order = self.memory.order("root", lambda: self.expression(element), exponent.denominator)
            self.atoms[key] = self.make(
                "root",
                lambda: self.expression(element) ** sp.Rational(1, order),
                self.symbols_of(element),
                base=base,
                order=order,
                real=real,
                sign=sign,
            )
        generator = self.atoms[key]
        if generator.order % exponent.denominator:
            self.memory.refine("root", self.expression(element), math.lcm(generator.order, exponent.denominator))
        whole, power = divmod(exponent.numerator * (generator.order // exponent.denominator), generator.order)
        letter = self.power(self.element(generator), power)
        return letter if not whole else self.multiply(letter, self.power(element, whole))

    def open_nested_root(self, base: fmpq_mpoly, used: list[_Generator]) -> _Element | None:
        """√(A ± |B|√c) = √P ± √Q with P, Q = (A ± S)/2, S² = A² − B²c, if P ≥ Q ≥ 0 is proven."""
        for generator in reversed(used):
            if generator.kind != "root" or generator.order != 2 or generator.sign <= 0 or generator.base is None:
                continue
            parts = self.by_powers(base, generator.index)
            constant, slope = parts.get(0, self.zero_poly), parts.get(1, self.zero_poly)
            square = self.reduce(constant * constant - slope * slope * generator.base)
            content, factors = self.factor(square) if not square.is_zero() else (fmpq(1), [])
            numerator, denominator = (math.isqrt(abs(int(x))) for x in (content.p, content.q))
            if fmpq(numerator, denominator) ** 2 != content or any(power % 2 for _, power in factors):
                continue
            half = self.context.constant(fmpq(numerator, denominator))
            for factor, power in factors:
                half = half * factor ** (power // 2)
            if square.is_zero():
                half = self.zero_poly
            half = -half if self.sign(half) < 0 else half
            high, low = (constant + half) / 2, (constant - half) / 2
            direction = self.sign(slope)
            if self.sign(high) < 1 or self.sign(low) < 1 or not direction or (direction < 0 and self.sign(half) < 1):
                continue
            roots = [self.rational_power(_Element(p, self.one_poly), Fraction(1, 2)) for p in (high, low)]
            return self.add(roots[0], roots[1] if direction > 0 else self.negative(roots[1]))
        return None

    def opaque_power(self, element: _Element, exponent: Fraction) -> _Element:
        return self.function(
            ("power", exponent),
            (element,),
            lambda: sp.Pow(self.expression(element), _rational(exponent), evaluate=False),
        )

    def imaginary(self) -> _Element:
        if "imaginary" not in self.atoms:
            self.atoms["imaginary"] = self.make("imaginary", lambda: sp.I, (), order=2, base=-self.one_poly)
        return self.element(self.atoms["imaginary"])

    # ------------------------------------------------------------ combinations over Q

    def combination(self, target: Sequence[_Element], basis: Sequence[Sequence[_Element]]) -> list[Fraction] | None:
        """Rational numbers r with target = Σ rⱼ basisⱼ in every coordinate, or None."""
        if not basis:
            return None
        rows: list[dict[Any, Fraction]] = [{} for _ in range(len(basis) + 1)]
        for coordinate in range(len(target)):
            column = [vector[coordinate] for vector in basis] + [target[coordinate]]
            den = self.one_poly
            for element in column:
                den = self.times(den, element.den / den.gcd(element.den))
            for row, element in zip(rows, column, strict=True):
                num = self.reduce(self.times(element.num, den / element.den))
                for monomial, c in num.to_dict().items():
                    row[(coordinate, monomial)] = Fraction(int(c.p), int(c.q))
        return _solve_rational(rows[-1], rows[:-1])

    # ------------------------------------------------------------ exp and log

    def exponential(self, exponent: _Element) -> _Element:
        """exp(A): logarithms with rational coefficients become powers, the rest powers of exp(Bⱼ/N)."""
        result = self.one
        for generator in self.used(exponent.num):
            coefficient = self.rational_coefficient(exponent, generator)
            if coefficient and generator.kind == "log":
                result = self.multiply(result, self.rational_power(generator.arguments[0], coefficient))
                exponent = self.subtract(exponent, self.scale(coefficient, self.element(generator)))
        imaginary = self.atoms.get("imaginary")
        if imaginary in self.used(exponent.num):
            parts = self.by_powers(exponent.num, imaginary.index)
            cosine, sine = self.circle(self.fraction(parts[1], exponent.den))
            result = self.multiply(result, self.add(cosine, self.multiply(self.imaginary(), sine)))
            exponent = self.fraction(parts.get(0, self.zero_poly), exponent.den)
        if exponent.is_zero:
            return result
        return self.multiply(result, self.power_of_basis(exponent))

    def power_of_basis(self, exponent: _Element) -> _Element:
        coefficients = self.combination([exponent], [[base] for base, _, _ in self.exponents])
        if coefficients is None:
            multiple = _small_multiple(exponent)
            base = self.scale(1 / multiple, exponent)
            order = self.memory.order("exp", lambda: self.expression(base), multiple.denominator)
            step = self.scale(Fraction(1, order), base)
            real = self.is_real(base)
            generator = self.make(
                "exp",
                lambda: sp.exp(self.expression(step)),
                self.symbols_of(base),
                real=real,
                sign=POSITIVE if real else UNKNOWN,
                arguments=(step,),
            )
            self.exponents.append((base, self.element(generator), order))
            coefficients = [Fraction(0)] * (len(self.exponents) - 1) + [multiple]
        result = self.one
        for coefficient, (base, letter, order) in zip(coefficients, self.exponents, strict=True):
            if coefficient:
                if order % coefficient.denominator:
                    self.memory.refine("exp", self.expression(base), math.lcm(order, coefficient.denominator))
                result = self.multiply(result, self.power(letter, int(coefficient * order)))
        return result

    def rational_coefficient(self, element: _Element, generator: _Generator) -> Fraction:
        """The rational r that takes the leading term of r·g·den out of the numerator."""
        monomial = [int(power) for power in element.den.monoms()[0]]
        monomial[generator.index] += 1
        value = element.num.to_dict().get(tuple(monomial))
        if value is None:
            return Fraction(0)
        value = value / _leading(element.den)
        return Fraction(int(value.p), int(value.q))

    def logarithm(self, element: _Element) -> _Element:
        """log(c Π f^e z) = log c + Σ e log f + log z, over the factors f > 0 and the constant c > 0."""
        if element.is_zero:
            raise _Undefined("it contains log 0.")
        terms: list[_Element] = []
        rest = self.one
        content = fmpq(1)
        for poly, side in ((element.num, 1), (element.den, -1)):
            part, factors = self.factor(poly)
            content = content * part if side > 0 else content / part
            for factor, power in factors:
                sign = self.sign(factor)
                if sign > 0:
                    terms.append(self.scale(side * power, self.log_of_positive(factor)))
                else:
                    rest = self.multiply(rest, self.power(_Element(factor, self.one_poly), side * power))
        for prime, power in _prime_powers(abs(content)):
            terms.append(self.scale(power, self.log_of_positive(self.context.constant(prime))))
        if content < 0:
            rest = self.negative(rest)
        if not self.equal(rest, self.one):
            terms.append(self.log_generator(rest, real=False))
        return self.add(*terms)

    def log_of_positive(self, base: fmpq_mpoly) -> _Element:
        used = self.used(base)
        if len(used) == 1 and base == self.letters[used[0].index]:
            generator = used[0]
            if generator.kind == "exp":
                return generator.arguments[0]
            if generator.kind == "root" and generator.base is not None:
                inner = self.logarithm(_Element(generator.base, self.one_poly))
                return self.scale(Fraction(1, generator.order), inner)
        return self.log_generator(_Element(base, self.one_poly), real=True)

    def log_generator(self, argument: _Element, real: bool) -> _Element:
        return self.function("log", (argument,), lambda: sp.log(self.expression(argument)), kind="log", real=real)

    # ------------------------------------------------------------ sin and cos

    def circle(self, angle: _Element) -> tuple[_Element, _Element]:
        """(cos A, sin A) by addition over multiples of π, multiples of arcs, and a Q-basis of the rest."""
        result = (self.one, self.zero)
        for generator in self.used(angle.num):
            coefficient = self.rational_coefficient(angle, generator)
            if not coefficient:
                continue
            if generator.atom is sp.pi:
                pair = self.circle_at_pi(coefficient)
            elif generator.kind in ("arctan", "arcsin") and coefficient.denominator == 1:
                pair = self.turn(self.circle_at_arc(generator), coefficient.numerator)
            else:
                continue
            result = self.rotate(result, pair)
            angle = self.subtract(angle, self.scale(coefficient, self.element(generator)))
        if angle.is_zero:
            return result
        coefficients = self.combination([angle], [[base] for base, _, _ in self.angles])
        if coefficients is None:
            multiple = _small_multiple(angle)
            base = self.scale(1 / multiple, angle)
            order = self.memory.order("circle", lambda: self.expression(base), multiple.denominator)
            pair = self.circle_generators(self.scale(Fraction(1, order), base))
            self.angles.append((base, pair, order))
            coefficients = [Fraction(0)] * (len(self.angles) - 1) + [multiple]
        for coefficient, (base, pair, order) in zip(coefficients, self.angles, strict=True):
            if coefficient:
                if order % coefficient.denominator:
                    self.memory.refine("circle", self.expression(base), math.lcm(order, coefficient.denominator))
                result = self.rotate(result, self.turn(pair, int(coefficient * order)))
        return result

    def circle_generators(self, angle: _Element) -> tuple[_Element, _Element]:
        real, symbols = self.is_real(angle), self.symbols_of(angle)
        facts: dict[str, Any] = {"real": real, "bounded": real, "arguments": (angle,)}
        cosine = self.make("cos", lambda: sp.cos(self.expression(angle)), symbols, **facts)
        square = self.letters[cosine.index] ** 2
        sine = self.make("sin", lambda: sp.sin(self.expression(angle)), symbols, order=2, base=1 - square, **facts)
        return self.element(cosine), self.element(sine)

    def circle_at_pi(self, turn: Fraction) -> tuple[_Element, _Element]:
        """cos and sin of a rational multiple of π, in square roots where sympy's table has them."""
        turn %= 2
        exact = [function(_rational(turn) * sp.pi) for function in (sp.cos, sp.sin)]
        if all(not value.has(sp.cos, sp.sin, sp.pi) for value in exact):
            return self.read(exact[0]), self.read(exact[1])
        if turn.denominator not in self.turns:
            step = self.scale(Fraction(1, turn.denominator), self.atom(sp.pi))
            self.turns[turn.denominator] = self.circle_generators(step)
        return self.turn(self.turns[turn.denominator], turn.numerator)

    def circle_at_arc(self, generator: _Generator) -> tuple[_Element, _Element]:
        """cos arctan u = 1/√(1+u²), sin arctan u = u/√(1+u²), cos arcsin u = √(1−u²)."""
        u = generator.arguments[0]
        square = self.multiply(u, u)
        half = Fraction(1, 2)
        if generator.kind == "arcsin":
            return self.rational_power(self.subtract(self.one, square), half), u
        cosine = self.rational_power(self.add(self.one, square), -half)
        return cosine, self.multiply(u, cosine)

    def rotate(self, left: tuple[_Element, _Element], right: tuple[_Element, _Element]) -> tuple[_Element, _Element]:
        (c, s), (e, t) = left, right
        cosine = self.subtract(self.multiply(c, e), self.multiply(s, t))
        return cosine, self.add(self.multiply(s, e), self.multiply(c, t))

    def turn(self, pair: tuple[_Element, _Element], times: int) -> tuple[_Element, _Element]:
        if abs(times) > _MAX_ORDER:
            raise ExpressionTooLarge(f"the multiple {times} of an angle.")
        step = pair if times > 0 else (pair[0], self.negative(pair[1]))
        result = (self.one, self.zero)
        for _ in range(abs(times)):
            result = self.rotate(result, step)
        return result

    # ------------------------------------------------------------ functions in general

    def function(
        self,
        head: Any,
        arguments: tuple[_Element, ...],
        build: Callable[[], sp.Expr],
        kind: str = "opaque",
        **facts: Any,
    ) -> _Element:
        """The generator head(arguments), the same one whenever the arguments are proven equal."""
        known = self.functions.setdefault(head, [])
        for generator in known:
            if len(generator.arguments) == len(arguments) and all(map(self.equal, generator.arguments, arguments)):
                return self.element(generator)
        generator = self.make(kind, build, self.symbols_of(*arguments), arguments=arguments, **facts)
        known.append(generator)
        return self.element(generator)

    def odd(self, element: _Element, function: Callable[[_Element], _Element]) -> _Element:
        """f(−u) = −f(u) and f(s u) = s f(u) for a sign s: call f on the bare argument."""
        outside = self.one
        content = element.num.term_content()
        for generator, power in zip(self.generators, content.degrees(), strict=False):
            if power and generator.kind == "sign":
                outside = self.multiply(outside, self.power(self.element(generator), power))
                element = _Element(element.num / self.letters[generator.index] ** power, element.den)
        if _leading(element.num) < 0:
            outside, element = self.negative(outside), self.negative(element)
        for generator in self.functions.get(function.__name__, ()):
            if self.equal(self.negative(element), generator.arguments[0]):
                outside, element = self.negative(outside), self.negative(element)
                break
        return self.multiply(outside, function(element))

    def erf(self, element: _Element) -> _Element:
        return self.zero if element.is_zero else self.odd(element, self.erf_of)

    def erf_of(self, argument: _Element) -> _Element:
        real = self.is_real(argument)
        sign = self.sign_of(argument)
        return self.function(
            "erf_of",
            (argument,),
            lambda: sp.erf(self.expression(argument)),
            kind="erf",
            real=real,
            bounded=real,
            inside=real,
            sign=sign,
        )

    def normal_cdf(self, element: _Element) -> _Element:
        inside = self.multiply(element, self.rational_power(self.number(2), Fraction(-1, 2)))
        return self.scale(Fraction(1, 2), self.add(self.one, self.erf(inside)))

    # ------------------------------------------------------------ arcs

    def arctan(self, element: _Element) -> _Element:
        return self.zero if element.is_zero else self.odd(element, self.arctan_of)

    def arctan_of(self, u: _Element) -> _Element:
        for generator in self.functions.get("arctan_of", ()):
            if self.equal(generator.arguments[0], u):
                return self.element(generator)
        known = self.unconditionally(lambda: self.related_arc(u)) if self.symbols_of(u) else self.known_arc(u)
        if known is not None:
            return known
        real, sign = self.is_real(u), self.sign_of(u)
        return self.function(
            "arctan_of", (u,), lambda: sp.atan(self.expression(u)), kind="arctan", real=real, sign=sign
        )

    def known_arc(self, u: _Element) -> _Element | None:
        """arctan of ±1, and of numbers with √2 or √3 that are tangents of multiples of π/24."""
        roots = {
            int(_leading(g.base).p)
            for g in self.used(u.num, u.den)
            if g.kind == "root" and g.base and g.base.is_constant()
        }
        if len(self.used(u.num, u.den)) > len(roots) or not roots <= {2, 3, 6}:
            return None
        for denominator in [4] + [8] * (2 in roots) + [6, 12] * (3 in roots):
            for numerator in range(1, denominator // 2):
                tangent = self.read(sp.tan(sp.pi * numerator / denominator)) if denominator > 4 else self.one
                for sign in (1, -1):
                    if self.equal(u, self.scale(sign, tangent)):
                        return self.scale(Fraction(sign * numerator, denominator), self.atom(sp.pi))
        return None

    def arcsin(self, element: _Element) -> _Element:
        """arcsin u = arctan(u/√(1 − u²)) where 1 − u² > 0 is proven; a generator of its own otherwise."""
        if element.is_zero:
            return self.zero
        cosine_squared = self.subtract(self.one, self.multiply(element, element))
        if self.sign_of(cosine_squared) == POSITIVE:
            return self.arctan(self.multiply(element, self.rational_power(cosine_squared, Fraction(-1, 2))))
        return self.odd(element, self.arcsin_of)

    def arcsin_of(self, u: _Element) -> _Element:
        if self.equal(self.multiply(u, u), self.one):
            return self.multiply(u, self.scale(Fraction(1, 2), self.atom(sp.pi)))
        return self.function("arcsin_of", (u,), lambda: sp.asin(self.expression(u)), kind="arcsin")

    def related_arc(self, u: _Element) -> _Element | None:
        """arctan u = Σ rⱼ arctan uⱼ + C from equal derivatives on a connected domain and one exact value.

        The domain is the product of the intervals that the symbols' assumptions allow. On it u and the uⱼ
        are proven smooth, so the difference of the two sides is smooth with zero gradient, hence constant.
        """
        others = [g for g in self.functions.get("arctan_of", ()) if g.symbols and g.real]
        symbols = self.symbols_of(u)
        if not others or not self.is_real(u) or not all(map(_is_interval, symbols)) or not self.is_smooth(u):
            return None
        others = [g for g in others if self.is_smooth(g.arguments[0]) and all(_is_interval(s) for s in g.symbols)]
        every = sorted(symbols.union(*(g.symbols for g in others)), key=sp.default_sort_key)
        target = [self.arc_slope(u, s) for s in every]
        basis = [[self.slope(g, s) for s in every] for g in others]
        coefficients = self.combination(target, basis)
        if coefficients is None:
            return None
        parts = [(r, g) for r, g in zip(coefficients, others, strict=True) if r]
        for anchor in _anchors(every):
            values = [self.at(e, anchor) for e in (u, *(g.arguments[0] for _, g in parts))]
            arcs = [self.arctan(v) for v in values if v is not None]
            if len(arcs) < len(values):
                continue
            constant = self.subtract(
                arcs[0], self.add(*(self.scale(r, a) for (r, _), a in zip(parts, arcs[1:], strict=True)))
            )
            if all(g.atom is sp.pi for g in self.used(constant.num, constant.den)):
                return self.add(constant, *(self.scale(r, self.element(g)) for r, g in parts))
        return None

    def arc_slope(self, u: _Element, symbol: sp.Basic) -> _Element:
        """∂ arctan u = ∂u/(1 + u²)."""
        return self.divide(self.derivative(u, symbol), self.add(self.one, self.multiply(u, u)))

    # ------------------------------------------------------------ derivatives and values

    def derivative(self, element: _Element, symbol: sp.Basic) -> _Element:
        """∂(num/den) = Σ (∂num/∂g − (num/den) ∂den/∂g)/den · ∂g over the generators g."""
        terms = []
        for g in self.used(element.num, element.den):
            if symbol in g.symbols:
                outer = self.fraction(element.num.derivative(g.index), element.den)
                if element.den.degrees()[g.index]:
                    inner = self.fraction(element.den.derivative(g.index), element.den)
                    outer = self.subtract(outer, self.multiply(element, inner))
                terms.append(self.multiply(outer, self.slope(g, symbol)))
        return self.add(*terms)

    def slope(self, g: _Generator, symbol: sp.Basic) -> _Element:
        """The derivative of a smooth generator."""
        key = (g.index, symbol)
        if key not in self.slopes:
            self.slopes[key] = self.slope_of(g, symbol)
        return self.slopes[key]

    def slope_of(self, g: _Generator, symbol: sp.Basic) -> _Element:
        if symbol not in g.symbols:
            return self.zero
        if g.kind == "symbol":
            return self.one
        letter = self.element(g)
        if g.kind == "root" and g.base is not None:
            base = _Element(g.base, self.one_poly)
            return self.divide(self.multiply(letter, self.derivative(base, symbol)), self.scale(g.order, base))
        slopes = [self.derivative(argument, symbol) for argument in g.arguments]
        partials = self.partials(g, letter)
        return self.add(*map(self.multiply, partials, slopes))

    def partials(self, g: _Generator, letter: _Element) -> list[_Element]:
        """The derivatives of exp, log, cos, sin, erf, arctan, T, Φ₂ in their arguments."""
        if g.kind == "exp":
            return [letter]
        if g.kind == "cos":
            return [self.negative(self.element(self.generators[g.index + 1]))]
        if g.kind == "sin":
            return [self.element(self.generators[g.index - 1])]
        if g.kind == "log":
            return [self.invert(g.arguments[0])]
        if g.kind == "arctan":
            return [self.invert(self.add(self.one, self.power(g.arguments[0], 2)))]
        root_of_two = self.rational_power(self.number(2), Fraction(1, 2))
        if g.kind == "erf":  # erf′(u) = 2√2 φ(√2 u)
            return [self.scale(2, self.multiply(root_of_two, self.density(self.multiply(root_of_two, g.arguments[0]))))]
        if g.kind == "T":
            h, a = g.arguments
            edge = self.erf(self.divide(self.multiply(a, h), root_of_two))
            in_h = self.scale(Fraction(-1, 2), self.multiply(self.density(h), edge))
            tail = self.multiply(self.density(h), self.density(self.multiply(a, h)))
            return [in_h, self.divide(tail, self.add(self.one, self.multiply(a, a)))]
        if g.kind == "bvn":
            h, k, rho = g.arguments
            width = self.rational_power(self.subtract(self.one, self.multiply(rho, rho)), Fraction(1, 2))
            above = self.divide(self.subtract(k, self.multiply(rho, h)), width)
            beside = self.divide(self.subtract(h, self.multiply(rho, k)), width)
            corner = self.divide(self.multiply(self.density(h), self.density(above)), width)
            in_h = self.multiply(self.density(h), self.normal_cdf(above))
            return [in_h, self.multiply(self.density(k), self.normal_cdf(beside)), corner]
        raise _Unsupported(f"no derivative of {g.kind}.")

    def density(self, x: _Element) -> _Element:
        """φ(x) = exp(−x²/2)/√(2π)."""
        scale = self.rational_power(self.scale(2, self.atom(sp.pi)), Fraction(-1, 2))
        return self.multiply(scale, self.exponential(self.scale(Fraction(-1, 2), self.multiply(x, x))))

    def substitute(self, element: _Element, values: dict[sp.Basic, _Element]) -> _Element:
        """The value of a smooth element where some symbols have given values."""
        return self.divide(self.substitute_poly(element.num, values), self.substitute_poly(element.den, values))

    def substitute_poly(self, poly: fmpq_mpoly, values: dict[sp.Basic, _Element]) -> _Element:
        used = self.used(poly)
        at = {g.index: self.value_of(g, values) for g in used}
        terms = []
        for monomial, c in poly.to_dict().items():
            powers = (self.power(at[g.index], int(monomial[g.index])) for g in used if monomial[g.index])
            terms.append(self.multiply(_Element(self.context.constant(c), self.one_poly), *powers))
        return self.add(*terms)

    def value_of(self, g: _Generator, values: dict[sp.Basic, _Element]) -> _Element:
        if not g.symbols & values.keys():
            return self.element(g)
        if g.kind == "symbol" and g.atom is not None:
            return values[g.atom]
        if g.kind == "root" and g.base is not None:
            return self.rational_power(self.substitute_poly(g.base, values), Fraction(1, g.order))
        arguments = [self.substitute(argument, values) for argument in g.arguments]
        rules: dict[str, Callable[..., _Element]] = {
            "exp": self.exponential,
            "log": self.logarithm,
            "erf": self.erf,
            "arctan": self.arctan,
            "T": self.owen_t,
            "bvn": self.bivariate,
            "cos": lambda angle: self.circle(angle)[0],
            "sin": lambda angle: self.circle(angle)[1],
        }
        if g.kind not in rules:
            raise _Unsupported(f"no value of {g.kind}.")
        return rules[g.kind](*arguments)

    def unconditionally(self, question: Callable[[], Answer]) -> Answer | None:
        """An answer about the whole domain of the symbols, whatever the caller knows besides; None if a sign
        in the field already relies on that."""
        if self.relied:
            return None
        assumed, self.assumed = self.assumed, []
        try:
            return question()
        finally:
            self.assumed = assumed

    def is_smooth(self, element: _Element) -> bool:
        """Whether an element is proven smooth for all values that its symbols' assumptions allow: its
        denominator, and every base of a root or logarithm in it, has a proven strict sign, and every function
        in it is smooth on the real line."""
        if abs(self.sign(element.den)) != POSITIVE:
            return False
        return all(self.is_smooth_generator(g) for g in self.used(element.num, element.den))

    def is_smooth_generator(self, g: _Generator) -> bool:
        if not g.symbols or g.kind == "symbol":
            return g.real
        if not g.real:
            return False
        if g.kind == "root" and g.base is not None:
            base = _Element(g.base, self.one_poly)
            return self.sign(g.base) == POSITIVE and self.is_smooth(base)
        if g.kind == "log":
            return self.sign_of(g.arguments[0]) == POSITIVE and self.is_smooth(g.arguments[0])
        if g.kind == "bvn":
            rho = g.arguments[2]
            inside = self.sign_of(self.subtract(self.one, self.multiply(rho, rho))) == POSITIVE
            return inside and all(map(self.is_smooth, g.arguments))
        if g.kind in ("exp", "cos", "sin", "erf", "arctan", "T"):
            return all(map(self.is_smooth, g.arguments))
        return False

    def at(self, element: _Element, anchor: dict[sp.Basic, int]) -> _Element | None:
        """The value at a point of the domain or, if the element is smooth up to there, of its boundary."""
        edge = {
            s: self.atom(self.memory.dummy(s, nonnegative=True)) for s, v in anchor.items() if v == 0 and s.is_positive
        }
        if edge and not self.is_smooth(self.substitute(element, edge)):
            return None
        return self.substitute(element, {s: self.number(v) for s, v in anchor.items()})

    # ------------------------------------------------------------ Owen's T and Φ₂

    def owen_t(self, h: _Element, a: _Element) -> _Element:
        """T(h, a) by T(0, a), T(h, 0), T(h, ±1), oddness in a."""
        if a.is_zero:
            return self.zero
        if h.is_zero:
            return self.divide(self.arctan(a), self.scale(2, self.atom(sp.pi)))
        if self.equal(self.multiply(a, a), self.one):
            edge = self.erf(self.multiply(h, self.rational_power(self.number(2), Fraction(-1, 2))))
            return self.multiply(a, self.scale(Fraction(1, 8), self.subtract(self.one, self.multiply(edge, edge))))
        outside = self.one
        for generator, power in zip(self.generators, a.num.term_content().degrees(), strict=False):
            if power and generator.kind == "sign":  # T(h, s a) = s T(h, a) for s in {−1, 0, 1}
                outside = self.multiply(outside, self.power(self.element(generator), power))
                a = _Element(a.num / self.letters[generator.index] ** power, a.den)
        return self.multiply(outside, self.owen_t_of(h, a))

    def owen_t_of(self, h: _Element, a: _Element) -> _Element:
        square, product = self.multiply(h, h), self.power(self.multiply(a, h), 2)
        for generator in self.functions.setdefault("T", []):
            other_h, other_a = generator.arguments
            if self.equal(square, self.power(other_h, 2)):
                for sign in (1, -1):
                    if self.equal(a, self.scale(sign, other_a)):
                        return self.scale(sign, self.element(generator))
            direction = self.sign_of(a)
            if abs(direction) == POSITIVE and self.equal(product, self.power(other_h, 2)):
                inverse = self.multiply(a, other_a)
                for sign in (1, -1):
                    if self.equal(inverse, self.number(sign)):
                        return self.complement(h, a, direction, sign, generator)
        positive = self.sign_of(a)
        generator = self.make(
            "T",
            lambda: OwenT(self.expression(h), self.expression(a)),
            self.symbols_of(h, a),
            arguments=(h, a),
            real=True,
            bounded=True,
            inside=True,
            sign=positive,
        )
        self.functions["T"].append(generator)
        return self.element(generator)

    def complement(self, h: _Element, a: _Element, direction: int, sign: int, other: _Generator) -> _Element:
        """T(h, a) = (1 − erf(h/√2) erf(ah/√2))/4 − T(ah, 1/a) for a > 0; for a < 0 by oddness."""
        size = a if direction > 0 else self.negative(a)
        root = self.rational_power(self.number(2), Fraction(-1, 2))
        edges = self.multiply(self.erf(self.multiply(h, root)), self.erf(self.multiply(size, h, root)))
        total = self.scale(Fraction(1, 4), self.subtract(self.one, edges))
        # other_a = sign / a, so T(ah, 1/|a|) = T(ah, other_a · sign · direction)
        orientation = sign * (1 if direction > 0 else -1)
        value = self.subtract(total, self.scale(orientation, self.element(other)))
        return value if direction > 0 else self.negative(value)

    def bivariate(self, h: _Element, k: _Element, rho: _Element) -> _Element:
        """Φ₂(h, k; ρ) by its values on the axes and on the diagonals, and by reflection."""
        first, second = self.normal_cdf(h), self.normal_cdf(k)
        if rho.is_zero:
            return self.multiply(first, second)
        if h.is_zero and k.is_zero:
            return self.add(self.number(Fraction(1, 4)), self.divide(self.arcsin(rho), self.scale(2, self.atom(sp.pi))))
        plus, minus = self.add(self.one, rho), self.subtract(self.one, rho)
        if self.equal(h, k) and self.is_nonzero(plus):
            return self.subtract(first, self.scale(2, self.owen_t(h, self.ratio_root(minus, plus))))
        if self.equal(h, self.negative(k)) and self.is_nonzero(minus):
            return self.scale(2, self.owen_t(h, self.ratio_root(plus, minus)))
        if (h.is_zero or k.is_zero) and self.is_nonzero(plus) and self.is_nonzero(minus):
            edge, value = (k, second) if h.is_zero else (h, first)
            slope = self.multiply(rho, self.rational_power(self.multiply(plus, minus), Fraction(-1, 2)))
            return self.add(self.scale(Fraction(1, 2), value), self.owen_t(edge, slope))
        return self.bivariate_of(h, k, rho, first, second)

    def ratio_root(self, num: _Element, den: _Element) -> _Element:
        return self.rational_power(self.divide(num, den), Fraction(1, 2))

    def bivariate_of(self, h: _Element, k: _Element, rho: _Element, first: _Element, second: _Element) -> _Element:
        opposite = self.negative(rho)
        for generator in self.functions.setdefault("bvn", []):
            letter = self.element(generator)
            one, two, correlation = generator.arguments
            for x, y, at_x, at_y in ((h, k, first, second), (k, h, second, first)):
                same_x, same_y = self.equal(x, one), self.equal(y, two)
                flip_x, flip_y = self.equal(x, self.negative(one)), self.equal(y, self.negative(two))
                if self.equal(rho, correlation):
                    if same_x and same_y:
                        return letter
                    if flip_x and flip_y:  # Φ₂(−a, −b; ρ) = 1 − Φ(a) − Φ(b) + Φ₂(a, b; ρ)
                        return self.subtract(self.add(letter, at_x, at_y), self.one)
                if self.equal(opposite, correlation):
                    if same_x and flip_y:  # Φ₂(a, −b; −ρ) = Φ(a) − Φ₂(a, b; ρ)
                        return self.subtract(at_x, letter)
                    if flip_x and same_y:
                        return self.subtract(at_y, letter)
        real = self.is_real(h, k, rho)
        generator = self.make(
            "bvn",
            lambda: BivariateNormalCDF(*map(self.expression, (h, k, rho))),
            self.symbols_of(h, k, rho),
            arguments=(h, k, rho),
            real=real,
            bounded=real,
            sign=NONNEGATIVE if real else UNKNOWN,
        )
        self.functions["bvn"].append(generator)
        return self.element(generator)

    # ------------------------------------------------------------ Gaussian integrals

    def gaussian_integral(self, expr: GaussianIntegral) -> _Element:
        """E f(t) as Σ (factor free of t) · E(product of terms with t), f first made symmetric in t.

        At a fixed point the parameters are numbers, and the mean, linear on integrable functions and blind
        to t → −t, extends to a linear functional, as blind, on the finite span of all the terms; so sums may
        be split even where a single term has no mean.
        """
        self.integral_depth += 1
        try:
            level = self.integral_depth
            names = [self.memory.dummy((level, j), real=True) for j in range(expr.dimension)]
            integrand = expr.integrand.xreplace(dict(zip(expr.variables, names, strict=True)))
            images = [self.read(integrand.xreplace(dict(zip(names, image, strict=True)))) for image in _images(names)]
            mean = self.scale(Fraction(1, len(images)), self.add(*images))
        finally:
            self.integral_depth -= 1
        bound = frozenset(names)
        content, factors = self.factor(mean.den)
        outer, inner = self.context.constant(content), []
        for factor, power in factors:
            if any(g.symbols & bound for g in self.used(factor)):
                inner.append((factor, power))
            else:
                outer = self.times(outer, self.to_power(factor, power))
        terms = []
        for num, den in self.digits(mean.num, inner):
            for core, others in self.split_bound(num, bound):
                integral = self.integral_of(self.fraction(core, den), names)
                terms.append(self.multiply(self.fraction(others, outer), integral))
        return self.add(*terms)

    def digits(self, num: fmpq_mpoly, factors: list[tuple[fmpq_mpoly, int]]) -> list[tuple[fmpq_mpoly, fmpq_mpoly]]:
        """num/f^e = d₀/f^e + d₁/f^{e−1} + … + d_e with remainders dⱼ modulo f; several factors count as one."""
        den = self.one_poly
        for factor, power in factors:
            den = self.times(den, self.to_power(factor, power))
        steps = [(den, den)]
        if len(factors) == 1:
            ((factor, power),) = factors
            steps = [(self.to_power(factor, j), factor) for j in range(power, 0, -1)]
        result = []
        for den, factor in steps:
            num, digit = divmod(num, factor)
            result.append((digit, den))
        return [*result, (num, self.one_poly)]

    def split_bound(self, num: fmpq_mpoly, bound: frozenset[sp.Basic]) -> list[tuple[fmpq_mpoly, fmpq_mpoly]]:
        """A polynomial as Σ (product of generators that depend on bound variables) · (coefficient free of them)."""
        inside = {g.index for g in self.used(num) if g.symbols & bound}
        parts: dict[tuple[int, ...], dict[tuple[int, ...], fmpq]] = {}
        for monomial, coefficient in num.to_dict().items():
            core = tuple(int(power) if i in inside else 0 for i, power in enumerate(monomial))
            rest = tuple(0 if i in inside else int(power) for i, power in enumerate(monomial))
            parts.setdefault(core, {})[rest] = coefficient
        return [(self.poly({core: fmpq(1)}), self.poly(rest)) for core, rest in sorted(parts.items())]

    def integral_of(self, core: _Element, names: list[sp.Symbol]) -> _Element:
        if core.constant is not None:
            return core
        used = self.used(core.num, core.den)
        if core.den.is_constant() and all(g.atom in names for g in used):
            (monomial,) = core.num.to_dict()
            powers = [int(monomial[g.index]) for g in used]
            if any(p % 2 for p in powers):
                return self.zero
            if max(powers) > 2000:
                raise ExpressionTooLarge(f"the Gaussian moment of order {max(powers)}.")
            value = math.prod(math.prod(range(1, p, 2)) for p in powers)
            return self.multiply(self.number(value), _Element(self.context.constant(_leading(core.num)), core.den))
        known = self.functions.setdefault("integral", [])
        for generator in known:
            if self.equal(generator.arguments[0], core):
                return self.element(generator)
        present = [n for n in names if n in self.symbols_of(core)]
        free, real = self.symbols_of(core) - frozenset(names), self.is_real(core)
        generator = self.make(
            "integral",
            lambda: GaussianIntegral(self.expression(core), present),
            free,
            arguments=(core,),
            real=real,
        )
        known.append(generator)
        return self.element(generator)

    def joined_integrand(self, num: fmpq_mpoly) -> _Element | None:
        """A numerator linear in integrals, Σ cₖ E fₖ + c₀, as the single integrand Σ cₖ fₖ + c₀."""
        integrals = {g.index: g for g in self.used(num) if g.kind == "integral"}
        if not integrals:
            return None
        terms: dict[int, dict[tuple[int, ...], fmpq]] = {}
        for monomial, coefficient in num.to_dict().items():
            present = [i for i in integrals if monomial[i]]
            if len(present) > 1 or (present and monomial[present[0]] > 1):
                return None
            index = present[0] if present else -1
            rest = tuple(0 if i == index else power for i, power in enumerate(monomial))
            terms.setdefault(index, {})[rest] = coefficient
        parts = []
        for index, others in sorted(terms.items()):
            coefficient = _Element(self.poly(others), self.one_poly)
            integrand = integrals[index].arguments[0] if index >= 0 else self.one
            parts.append(self.multiply(coefficient, integrand))
        return self.add(*parts)

    # ------------------------------------------------------------ the decision

    def proves_zero(self, element: _Element) -> bool:
        num = self.reduce(element.num)
        if num.is_zero():
            return True
        joined = self.joined_integrand(num)
        if joined is not None:
            return joined.is_zero
        return bool(self.unconditionally(lambda: self.is_constant_zero(num)))

    def is_constant_zero(self, num: fmpq_mpoly) -> bool:
        """Zero because it does not change on a connected domain and vanishes at one exact point of it.

        One symbol after another is set to an exact value once the derivative in it reduces to zero; before
        that the numerator is proven smooth on the whole domain, up to and including the point.
        """
        telling = ("T", "bvn", "arctan", "log", "cos", "sin", "root", "erf")
        element = _Element(num, self.one_poly)
        if len(num) > 40 or not any(g.kind in telling for g in self.used(num)):
            return False
        for symbol in sorted(self.symbols_of(element), key=sp.default_sort_key):
            if not all(_is_interval(s) for s in self.symbols_of(element)) or not self.is_smooth(element):
                return False
            if symbol not in self.symbols_of(element):
                continue
            if not self.derivative(element, symbol).is_zero:
                continue
            values = (self.at(element, anchor) for anchor in _anchors([symbol]))
            value = next((v for v in values if v is not None), None)
            if value is None:
                continue
            element = value
            if element.is_zero:
                return True
        return element.is_zero

    # ------------------------------------------------------------ back to sympy

    def expression(self, element: _Element) -> sp.Expr:
        num = self.sum_of(element.num)
        if element.den.is_one():
            return num
        content, factors = self.factor(element.den)
        return num / sp.Mul(_rational(content), *(self.sum_of(f) ** power for f, power in factors))

    def sum_of(self, poly: fmpq_mpoly) -> sp.Expr:
        used = self.used(poly)
        return sp.Add(
            *(
                sp.Mul(_rational(c), *(g.expr ** int(m[g.index]) for g in used if m[g.index]))
                for m, c in poly.to_dict().items()
            )
        )

    # ------------------------------------------------------------ reading sympy

    def read_all(self, expr: sp.Expr, nonnegative: Iterable[sp.Expr] = ()) -> _Element:
        """Read what the caller knows, then the denominators: it shall not matter where they stand."""
        known = [self.read(condition) for condition in nonnegative]
        self.assumed = [e.num for e in known if e.num.total_degree() > 0 and self.sign(e.den) > 0 and self.is_real(e)]
        self.memo.clear()
        for node in _opened_nodes(expr):
            if node.is_Pow and node.exp.is_Number and node.exp.is_negative:
                self.mark_nonzero(self.read(node.base))
        if self.nonzero:
            self.memo.clear()
        return self.read(expr)

    def read(self, expr: sp.Expr) -> _Element:
        """The element of the field that a sympy expression is."""
        known = self.memo.get(expr)
        if known is not None:
            return known
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise ExpressionTooLarge(f"operations nested more than {_MAX_DEPTH} deep.")
        try:
            result = self.read_node(expr)
        finally:
            self.depth -= 1
        self.memo[expr] = result
        return result

    def read_node(self, expr: sp.Expr) -> _Element:
        if expr.is_Rational:
            if max(int(expr.p).bit_length(), int(expr.q).bit_length()) > _MAX_BITS:
                raise ExpressionTooLarge(f"a number of more than {_MAX_BITS} bits.")
            return self.number(Fraction(int(expr.p), int(expr.q)))
        if expr.is_Add:
            return self.add(*map(self.read, expr.args))
        if expr.is_Mul:
            return self.multiply(*map(self.read, expr.args))
        if expr.is_Pow:
            return self.read_power(expr.base, expr.exp)
        rule = _RULES.get(expr.func)
        if rule is not None:
            result = rule(self, expr)
            if result is not None:
                return result
        return self.read_opaque(expr)

    def read_power(self, base_expr: sp.Expr, exponent_expr: sp.Expr) -> _Element:
        exponent = self.read(exponent_expr)
        value = exponent.constant
        if base_expr is sp.E:
            return self.exponential(exponent)
        base = self.read(base_expr)
        if value is not None:
            if value.denominator == 1:
                return self.power(base, value.numerator)
            parts = self.nonnegative_parts(base_expr)
            return self.multiply(*(self.rational_power(part, value) for part in parts))
        if self.sign_of(base) == POSITIVE:
            return self.exponential(self.multiply(exponent, self.logarithm(base)))
        return self.function(
            "power",
            (base, exponent),
            lambda: sp.Pow(self.expression(base), self.expression(exponent), evaluate=False),
        )

    def nonnegative_parts(self, expr: sp.Expr) -> list[_Element]:
        """The factors of a product as written, those that are proven nonnegative one by one, the others together.

        Relations may hide a factor: r² + pr with r² = 1 + c is 1 + c + pr to the polynomials.
        """
        factors = [self.read(argument) for argument in sp.Mul.make_args(expr)]
        parts = [factor for factor in factors if self.sign_of(factor) > 0]
        rest = self.multiply(self.one, *(factor for factor in factors if self.sign_of(factor) <= 0))
        return parts if rest.constant == 1 else [*parts, rest]

    def read_opaque(self, expr: sp.Expr) -> _Element:
        """A term no rule speaks about: the same generator for the same function of equal arguments."""
        if expr in (sp.oo, -sp.oo, sp.zoo, sp.nan):
            raise _Undefined(f"it contains {expr}.")
        if not isinstance(expr, sp.Expr) or not expr.is_commutative or getattr(expr, "is_Matrix", False):
            raise _Unsupported(f"{expr} is not a commuting scalar.")
        if isinstance(expr, sp.Order | sp.AccumBounds):
            raise _Unsupported(f"{expr} is not one number.")
        if _is_transparent(expr):
            arguments = tuple(map(self.read, expr.args))
            if not isinstance(expr, AppliedUndef):
                return self.function(expr.func, arguments, lambda: expr)
            sign = POSITIVE if expr.is_positive else NONNEGATIVE if expr.is_nonnegative else UNKNOWN
            real = expr.is_real is True
            build = lambda: expr.func(*map(self.expression, arguments))  # noqa: E731
            return self.function(expr.func, arguments, build, real=real, sign=sign)
        return self.atom(expr)


# ------------------------------------------------------------ rules by sympy head

Rule = Callable[[_Field, Any], "_Element | None"]


def _hyperbolic(combine: Callable[[_Field, _Element, _Element], _Element]) -> Rule:
    def rule(field: _Field, expr: sp.Expr) -> _Element:
        up = field.exponential(field.read(expr.args[0]))
        return combine(field, up, field.invert(up))

    return rule


def _circular(combine: Callable[[_Field, _Element, _Element], _Element]) -> Rule:
    def rule(field: _Field, expr: sp.Expr) -> _Element | None:
        angle = field.read(expr.args[0])
        cosine, sine = field.circle(angle)
        return combine(field, cosine, sine)

    return rule


def _of_argument(method: Callable[[_Field, _Element], _Element | None]) -> Rule:
    return lambda field, expr: method(field, field.read(expr.args[0]))


def _of_factors(method: Callable[[_Field, _Element], _Element | None]) -> Rule:
    def rule(field: _Field, expr: sp.Expr) -> _Element | None:
        """|ab| = |a| |b| and sign(ab) = sign a sign b over the factors as written; None unless all are real."""
        parts = [method(field, field.read(argument)) for argument in sp.Mul.make_args(expr.args[0])]
        known = [part for part in parts if part is not None]
        return field.multiply(*known) if len(known) == len(parts) else None

    return rule


def _heaviside(field: _Field, expr: sp.Expr) -> _Element | None:
    """H(x) = (1 + sign x)/2 + (H(0) − ½)(1 − sign² x)."""
    sign = field.sign_function(field.read(expr.args[0]))
    if sign is None:
        return None
    at_zero = field.subtract(field.read(expr.args[1]), field.number(Fraction(1, 2)))
    step = field.scale(Fraction(1, 2), field.add(field.one, sign))
    return field.add(step, field.multiply(at_zero, field.subtract(field.one, field.multiply(sign, sign))))


def _extremum(direction: int) -> Rule:
    def rule(field: _Field, expr: sp.Expr) -> _Element | None:
        """max(a, b) = (a + b + |a − b|)/2, min(a, b) = (a + b − |a − b|)/2."""
        elements = [field.read(argument) for argument in sorted(expr.args, key=sp.default_sort_key)]
        if len(elements) > 3 or not field.is_real(*elements):
            return None
        result = elements[0]
        for other in elements[1:]:
            gap = field.absolute(field.subtract(result, other))
            assert gap is not None
            result = field.scale(Fraction(1, 2), field.add(result, other, field.scale(direction, gap)))
        return result

    return rule


def _binomial(field: _Field, expr: sp.Expr) -> _Element | None:
    """C(n, k) = n(n−1)…(n−k+1)/k! for a small number k."""
    n, k = expr.args
    if not k.is_Integer or not 0 <= k <= 40:
        return None
    top = field.read(n)
    factors = [field.subtract(top, field.number(i)) for i in range(int(k))]
    return field.scale(Fraction(1, math.factorial(int(k))), field.multiply(field.one, *factors))


def _real_part(field: _Field, expr: sp.Expr) -> _Element | None:
    element = field.read(expr.args[0])
    return element if field.is_real(element) else None


def _golden(field: _Field, expr: sp.Expr) -> _Element:
    return field.scale(Fraction(1, 2), field.add(field.one, field.rational_power(field.number(5), Fraction(1, 2))))


_RULES: dict[Any, Rule] = {
    sp.exp: _of_argument(_Field.exponential),
    type(sp.E): lambda field, expr: field.exponential(field.one),
    type(sp.I): lambda field, expr: field.imaginary(),
    type(sp.GoldenRatio): _golden,
    sp.log: lambda field, expr: field.add(*map(field.logarithm, field.nonnegative_parts(expr.args[0]))),
    sp.erf: _of_argument(_Field.erf),
    sp.erfc: lambda field, expr: field.subtract(field.one, field.erf(field.read(expr.args[0]))),
    NormalCDF: _of_argument(_Field.normal_cdf),
    OwenT: lambda field, expr: field.owen_t(*map(field.read, expr.args)),
    BivariateNormalCDF: lambda field, expr: field.bivariate(*map(field.read, expr.args)),
    GaussianIntegral: _Field.gaussian_integral,
    sp.Abs: _of_factors(_Field.absolute),
    sp.sign: _of_factors(_Field.sign_function),
    sp.Heaviside: _heaviside,
    sp.Max: _extremum(1),
    sp.Min: _extremum(-1),
    sp.re: _real_part,
    sp.conjugate: _real_part,
    sp.binomial: _binomial,
    sp.atan: _of_argument(_Field.arctan),
    sp.asin: _of_argument(_Field.arcsin),
    sp.acos: lambda field, expr: field.subtract(
        field.scale(Fraction(1, 2), field.atom(sp.pi)), field.arcsin(field.read(expr.args[0]))
    ),
    sp.sinh: _hyperbolic(lambda field, up, down: field.scale(Fraction(1, 2), field.subtract(up, down))),
    sp.cosh: _hyperbolic(lambda field, up, down: field.scale(Fraction(1, 2), field.add(up, down))),
    sp.tanh: _hyperbolic(lambda field, up, down: field.divide(field.subtract(up, down), field.add(up, down))),
    sp.coth: _hyperbolic(lambda field, up, down: field.divide(field.add(up, down), field.subtract(up, down))),
    sp.sech: _hyperbolic(lambda field, up, down: field.divide(field.number(2), field.add(up, down))),
    sp.csch: _hyperbolic(lambda field, up, down: field.divide(field.number(2), field.subtract(up, down))),
    sp.cos: _circular(lambda field, cosine, sine: cosine),
    sp.sin: _circular(lambda field, cosine, sine: sine),
    sp.tan: _circular(lambda field, cosine, sine: field.divide(sine, cosine)),
    sp.cot: _circular(lambda field, cosine, sine: field.divide(cosine, sine)),
    sp.sec: _circular(lambda field, cosine, sine: field.invert(cosine)),
    sp.csc: _circular(lambda field, cosine, sine: field.invert(sine)),
}


# ------------------------------------------------------------ small helpers


def _small_multiple(element: _Element) -> Fraction:
    """The leading coefficient, so that x and x/2 share a basis element; ±1 where it is no small number."""
    lead = _leading(element.num)
    small = max(abs(int(lead.p)), int(lead.q)) <= 24
    return Fraction(int(lead.p), int(lead.q)) if small else Fraction(1 if lead > 0 else -1)


def _product_sign(left: int, right: int) -> int:
    """The sign of a product: strict only if both are strict."""
    if not left or not right:
        return UNKNOWN
    size = min(abs(left), abs(right))
    return size if (left > 0) == (right > 0) else -size


def _power_sign(sign: int, power: int) -> int:
    """The sign of a real number to a positive power; an even power is never negative."""
    if power % 2:
        return sign
    return POSITIVE if abs(sign) == POSITIVE else NONNEGATIVE


def _prime_powers(value: fmpq) -> list[tuple[fmpz, int]]:
    """A positive rational number as Π pⱼ^{eⱼ}; a large number without small factors stays in one piece."""
    powers = []
    for part, side in ((value.p, 1), (value.q, -1)):
        part = abs(part)
        if int(part).bit_length() <= 96:
            powers += [(fmpz(prime), side * int(power)) for prime, power in part.factor()]
        elif part != 1:
            small = sp.factorint(int(part), limit=10_000, use_rho=False, use_pm1=False, use_ecm=False)
            powers += [(fmpz(int(prime)), side * int(power)) for prime, power in sorted(small.items())]
    return powers


def _solve_rational(target: dict[Any, Fraction], basis: list[dict[Any, Fraction]]) -> list[Fraction] | None:
    """Coefficients with Σ rⱼ basisⱼ = target over Q by elimination on sparse rows, or None."""
    reduced: list[tuple[Any, dict[Any, Fraction], list[Fraction]]] = []

    def eliminate(row: dict[Any, Fraction], weights: list[Fraction]) -> tuple[dict[Any, Fraction], list[Fraction]]:
        for pivot, other, other_weights in reduced:
            factor = row.get(pivot, Fraction(0))
            if factor:
                row = {
                    k: v
                    for k in {**row, **other}
                    if (v := row.get(k, Fraction(0)) - factor * other.get(k, Fraction(0)))
                }
                weights = [w - factor * o for w, o in zip(weights, other_weights, strict=True)]
        return row, weights

    for j, vector in enumerate(basis):
        row, weights = eliminate(dict(vector), [Fraction(int(i == j)) for i in range(len(basis))])
        if row:
            pivot = next(iter(row))
            scale = row[pivot]
            reduced.append((pivot, {k: v / scale for k, v in row.items()}, [w / scale for w in weights]))
    row, weights = eliminate(dict(target), [Fraction(0)] * len(basis))
    return None if row else [-w for w in weights]


def _is_interval(symbol: sp.Basic) -> bool:
    """Whether the assumptions on a symbol describe an interval of the real line, or the integers in one."""
    if not isinstance(symbol, sp.Symbol) or symbol.is_real is not True:
        return False
    return bool(symbol.is_positive or symbol.is_negative or symbol.is_zero is None)


def _anchors(symbols: Sequence[sp.Basic]) -> list[dict[sp.Basic, int]]:
    """A few exact points, in the domain or on its edge, at which functions tend to have known values."""
    points = []
    for low, high in ((0, 1), (1, 1), (1, 2)):
        values = {}
        for s in symbols:
            if s.is_positive:
                values[s] = 1 if s.is_integer and low == 0 else low if low == 0 else high
            elif s.is_nonpositive:
                values[s] = -high if s.is_negative else -low
            else:
                values[s] = low
        points.append(values)
    return points


def _images(names: Sequence[sp.Symbol]) -> list[tuple[sp.Expr, ...]]:
    """The reflections (and, for two variables, the exchange) that leave the standard normal law as it is."""
    if len(names) == 1:
        return [(names[0],), (-names[0],)]
    if len(names) == 2:
        s, t = names
        return [image for a, b in ((s, t), (t, s)) for image in ((a, b), (-a, b), (a, -b), (-a, -b))]
    return [tuple(names)]


def _is_transparent(expr: sp.Expr) -> bool:
    """Whether a term is a function of scalar arguments, so that equal arguments give the same number."""
    if not isinstance(expr, sp.Function) or isinstance(expr, sp.Piecewise) or not expr.args:
        return False
    return all(
        isinstance(a, sp.Expr) and a.is_commutative and not getattr(a, "is_Matrix", False) and a.is_finite is not False
        for a in expr.args
    )


def _opened_nodes(expr: sp.Expr) -> list[sp.Expr]:
    """All nodes that the reading opens, innermost first."""
    nodes: list[sp.Expr] = []
    seen: set[sp.Basic] = set()
    stack: list[tuple[sp.Basic, int]] = [(expr, 0)]
    while stack:
        node, depth = stack.pop()
        if node in seen:
            continue
        if depth > _MAX_DEPTH:
            raise ExpressionTooLarge(f"operations nested more than {_MAX_DEPTH} deep.")
        seen.add(node)
        nodes.append(node)
        if isinstance(node, GaussianIntegral):
            continue  # its denominators speak about bound variables
        if node.is_Add or node.is_Mul or node.is_Pow or node.func in _RULES or _is_transparent(node):
            stack.extend((argument, depth + 1) for argument in node.args)
    return nodes[::-1]
