"""Reading an expression as a combination of monomials that the rules know.

A `Monomial` is a product of powers of Gaussian scalars, gates (erf, sign and their kin), waves
(cos, sin), one exponential of a quadratic, and factors no rule knows. Everything else that
users write is rewritten into these on the way in:

    |ℓ| = ℓ sign ℓ,   max(a, b) = b + (a − b) step(a − b),   cosh ℓ = (e^ℓ + e^{−ℓ})/2,   2^ℓ = e^{ℓ log 2}

while erfc, the step function and the normal cdf stay what they are until it is known whether
their decay is needed for the mean to be finite.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from .gaussian import NoClosedForm
from .special import NormalCDF
from .variables import Dot, GaussianScalar, GaussianVector, Latent, RandomRows, Row

__all__ = ["Monomial", "has_random_middle", "is_random", "linear", "polynomial", "random_sources", "read"]

RANDOM = (GaussianScalar, GaussianVector, Row, RandomRows, Latent)
GATES = (sp.erf, sp.erfc, sp.sign, sp.Heaviside, NormalCDF, sp.DiracDelta)
LARGEST_POWER = 64


@lru_cache(maxsize=65536)
def is_random(expr: sp.Basic) -> bool:
    """Whether an expression contains a random symbol."""
    if isinstance(expr, RANDOM):
        return True
    return any(is_random(arg) for arg in expr.args)


def random_sources(expr: sp.Basic) -> frozenset[sp.Basic]:
    """The independent random objects an expression depends on: families, vectors, tokens, locations."""
    if isinstance(expr, GaussianScalar):
        return frozenset((expr.family,))
    if isinstance(expr, RANDOM):
        return frozenset((expr,))
    return frozenset().union(*(random_sources(arg) for arg in expr.args)) if expr.args else frozenset()


@dataclass(frozen=True)
class Monomial:
    """A product of factors; the tuples are sorted, so equal products are equal objects."""

    nodes: tuple[tuple[sp.Expr, int], ...] = ()
    gates: tuple[tuple[sp.Expr, int], ...] = ()
    waves: tuple[tuple[sp.Expr, int], ...] = ()
    unknown: tuple[tuple[sp.Expr, int], ...] = ()
    exponent: sp.Expr = sp.S.Zero

    def __mul__(self, other: Monomial) -> Monomial:
        return Monomial(
            _merge(self.nodes, other.nodes),
            _merge(self.gates, other.gates),
            _merge(self.waves, other.waves),
            _merge(self.unknown, other.unknown),
            sp.expand(self.exponent + other.exponent),
        )

    def expr(self) -> sp.Expr:
        """The product as an expression."""
        powers = (self.nodes, self.gates, self.waves, self.unknown)
        return sp.Mul(*(factor**n for group in powers for factor, n in group), sp.exp(self.exponent))


def _merge(first: tuple[tuple[sp.Expr, int], ...], second: tuple[tuple[sp.Expr, int], ...]) -> tuple:
    if not first or not second:
        return first or second
    counts: Counter = Counter(dict(first))
    counts.update(dict(second))
    return tuple(sorted(counts.items(), key=lambda item: sp.default_sort_key(item[0])))


Terms = dict[Monomial, sp.Expr]


def read(expr: sp.Expr) -> Terms:
    """An expression as {monomial: coefficient}, the coefficients free of randomness.

    >>> from .variables import gaussians
    >>> a, b = gaussians("a b")
    >>> [m.expr() for m in read((a + b)*sp.erf(a))]
    [a*erf(a), b*erf(a)]
    """
    if not is_random(expr):
        return {Monomial(): expr}
    if isinstance(expr, sp.Add):
        total: Terms = {}
        for arg in expr.args:
            _add(total, read(arg))
        return total
    if isinstance(expr, sp.Mul):
        result: Terms = {Monomial(): sp.Integer(1)}
        for arg in _over_one_exponential(expr).args:
            result = _times(result, read(arg))
        return result
    if isinstance(expr, (GaussianScalar, Dot)):
        return {Monomial(nodes=((expr, 1),)): sp.Integer(1)}
    if isinstance(expr, Latent):
        raise NoClosedForm(f"no rule for the location {expr} itself; it may only index tokens, as in X[{expr}, :]")
    if getattr(expr, "is_Matrix", False):
        raise NoClosedForm(f"expected a scalar expression, got the matrix {expr} of shape {expr.shape}")
    if isinstance(expr, sp.Pow):
        return _read_power(expr)
    reader = READERS.get(expr.func)
    return reader(expr) if reader is not None else _unknown(expr)


def _add(total: Terms, terms: Terms) -> None:
    for monomial, coefficient in terms.items():
        value = total.get(monomial, sp.Integer(0)) + coefficient
        if value == 0:
            total.pop(monomial, None)
        else:
            total[monomial] = value


def _times(first: Terms, second: Terms) -> Terms:
    total: Terms = {}
    for m1, c1 in first.items():
        for m2, c2 in second.items():
            _add(total, {m1 * m2: c1 * c2})
    return total


def _read_power(expr: sp.Pow) -> Terms:
    base, exponent = expr.base, expr.exp
    if exponent.is_Integer and exponent > 0:
        if exponent > LARGEST_POWER:
            raise NoClosedForm(f"expected powers up to {LARGEST_POWER}, got {expr}")
        terms, result = read(base), {Monomial(): sp.Integer(1)}
        for _ in range(int(exponent)):
            result = _times(result, terms)
        return result
    if not is_random(base):
        return read(sp.exp(sp.expand(exponent * sp.log(base))))
    quotient = _over_one_exponential(expr)
    return _unknown(expr) if quotient == expr else read(quotient)


def _over_one_exponential(expr: sp.Expr) -> sp.Expr:
    """Sums of exponentials in a denominator, one of them taken out: e^a/(e^a + e^b) = 1/(1 + e^{b−a}).

    The one taken out is that of the numerator where there is one, so that a softmax becomes bounded.
    """
    factors = list(sp.Mul.make_args(expr))
    numerator = next((f for f in factors if isinstance(f, sp.exp) and is_random(f)), None)
    for i, factor in enumerate(factors):
        if not (isinstance(factor, sp.Pow) and factor.exp.is_negative and isinstance(factor.base, sp.Add)):
            continue
        terms = [term.as_independent(*_exponentials(term), as_Add=False) for term in factor.base.args]
        if not all(weight.is_positive and (rest == 1 or isinstance(rest, sp.exp)) for weight, rest in terms):
            continue
        pivots = [rest for _, rest in terms]
        if numerator not in pivots and sp.Integer(1) in pivots:
            continue
        pivot = numerator if numerator in pivots else pivots[0]
        weight = next(w for w, rest in terms if rest == pivot)
        shifted = (w / weight * sp.exp(sp.expand(_logarithm(rest) - _logarithm(pivot))) for w, rest in terms)
        bounded = sp.Pow(sp.Add(*shifted), factor.exp, evaluate=False)
        factors[i] = sp.Integer(1)
        outside = sp.exp(sp.expand(factor.exp * _logarithm(pivot))) * weight**factor.exp
        return sp.Mul(sp.Mul(*factors) * outside, bounded, evaluate=False)
    return expr


def _exponentials(term: sp.Expr) -> list[sp.Expr]:
    return [factor for factor in sp.Mul.make_args(term) if isinstance(factor, sp.exp) and is_random(factor)] or [sp.exp]


def _logarithm(exponential: sp.Expr) -> sp.Expr:
    return sp.Integer(0) if exponential == 1 else exponential.args[0]


def _unknown(expr: sp.Expr) -> Terms:
    return {Monomial(unknown=((expr, 1),)): sp.Integer(1)}


def polynomial(expr: sp.Expr) -> Terms | None:
    """The expression as a polynomial in Gaussian scalars, or None if it is not one."""
    terms = read(expr)
    plain = all(not (m.gates or m.waves or m.unknown) and m.exponent == 0 for m in terms)
    return terms if plain else None


def linear(expr: sp.Expr) -> tuple[dict[sp.Expr, sp.Expr], sp.Expr] | None:
    """(α, β) of a linear form Σ αᵢxᵢ + β in Gaussian scalars, or None if it is not one."""
    terms = polynomial(expr)
    if terms is None:
        return None
    coefficients: dict[sp.Expr, sp.Expr] = {}
    shift = sp.Integer(0)
    for monomial, coefficient in terms.items():
        if not monomial.nodes:
            shift = coefficient
        elif len(monomial.nodes) == 1 and monomial.nodes[0][1] == 1 and degree(monomial.nodes[0][0]) == 1:
            coefficients[monomial.nodes[0][0]] = coefficient
        else:
            return None
    return coefficients, shift


def degree(node: sp.Expr) -> int:
    """1 for a Gaussian scalar or ⟨x, u⟩, 2 for a form with randomness on both sides, 3 with more of it between."""
    if isinstance(node, Dot):
        return 3 if has_random_middle(node) else int(is_random(node.left)) + int(is_random(node.right))
    return 1


def has_random_middle(node: Dot) -> bool:
    """Whether a form ⟨u, A₁⋯A_r v⟩ has something random among the matrices.

    >>> from .variables import dot
    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> x, k = GaussianVector("x", d), sp.MatrixSymbol("k", d, 1)
    >>> has_random_middle(dot(x, k)), has_random_middle(dot(k, x*x.T*k))
    (False, True)
    """
    return isinstance(node.right, sp.MatMul) and any(map(is_random, node.right.args[:-1]))


def _read_gate(expr: sp.Expr) -> Terms:
    argument = expr.args[0]
    if linear(argument) is None:
        return _unknown(expr)
    gate = sp.Heaviside(argument) if isinstance(expr, sp.Heaviside) else expr
    return {Monomial(gates=((gate, 1),)): sp.Integer(1)}


def _read_wave(expr: sp.Expr) -> Terms:
    if linear(expr.args[0]) is None:
        return _unknown(expr)
    return {Monomial(waves=((expr, 1),)): sp.Integer(1)}


def _read_exp(expr: sp.Expr) -> Terms:
    terms = polynomial(expr.args[0])
    if terms is None or any(sum(degree(node) * n for node, n in m.nodes) > 2 for m in terms):
        return _unknown(expr)
    constant = sp.Add(*(c for m, c in terms.items() if not m.nodes))
    exponent = sp.expand(sp.Add(*(c * m.expr() for m, c in terms.items() if m.nodes)))
    return {Monomial(exponent=exponent): sp.exp(constant)}


def _read_abs(expr: sp.Expr) -> Terms:
    argument = expr.args[0]
    return _unknown(expr) if linear(argument) is None else read(argument * sp.sign(argument))


def _read_extremum(expr: sp.Expr) -> Terms:
    if len(expr.args) != 2 or linear(expr.args[0] - expr.args[1]) is None:
        return _unknown(expr)
    first, second = expr.args if is_random(expr.args[0]) else reversed(expr.args)
    excess = (first - second) * sp.Heaviside(first - second)
    return read(second + excess) if isinstance(expr, sp.Max) else read(first - excess)


def _read_hyperbolic(expr: sp.Expr) -> Terms:
    return read(expr.rewrite(sp.exp))


READERS: dict[type, Callable[[sp.Expr], Terms]] = {
    **dict.fromkeys(GATES, _read_gate),
    sp.cos: _read_wave,
    sp.sin: _read_wave,
    sp.exp: _read_exp,
    sp.Abs: _read_abs,
    sp.Max: _read_extremum,
    sp.Min: _read_extremum,
    sp.sinh: _read_hyperbolic,
    sp.cosh: _read_hyperbolic,
}
