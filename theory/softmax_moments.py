"""Moments of softmax weights over n Gaussian tokens: every polynomial, for every n, by Stein's lemma.

Tokens y₁, …, y_n are i.i.d. N(m, Σ), scores ⟨a, y_i⟩, weights p_i = e^{⟨a, y_i⟩} / Σ_j e^{⟨a, y_j⟩}. The law of the
weights depends on n and on the variance q = ⟨a, Σa⟩ of a score only. For distinct tokens i₁, …, i_r let

    P(a₁, …, a_r; n, q) = E Σ_{i₁ ≠ ⋯ ≠ i_r} p_{i₁}^{a₁} ⋯ p_{i_r}^{a_r}

so that P(2) is the mean participation ratio E Σ p_i². Three facts make these a calculus:

    Σ p = 1    P(…, 1) = P(…) − Σ_j P(…, a_j + 1, …): no power need be 1
    Stein      E ⟨u, y_i − m⟩ g = E ⟨Σu, ∇_{y_i} g⟩,   ∇_{y_i} ∏ p_j^{a_j} = (a_i − (Σa) p_i) ∏ p_j^{a_j} · a
    heat       ∂P/∂q = ½ Σ_i E ∂²_i ∏ p_j^{a_j}, the second derivatives in the scores

Products of power sums are sums of P: (Σp²)² = P(4) + P(2, 2) inside the mean. Numbers come from one-dimensional
integrals, see `numerics.softmax_moments`.

References: Stein (1981); for the free energy E log Σ e^{⟨a, y⟩}, whose derivative is (1 − P(2))/2, B. Derrida (1981).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import sympy as sp

from .variables import dot

__all__ = ["SoftmaxMoment", "softmax_sum"]

Powers = tuple[int, ...]


class SoftmaxMoment(sp.Function):
    """Mean of a sum of products of softmax weights over distinct tokens.

        SoftmaxMoment(n, q, a₁, …, a_r) = E Σ_{i₁ ≠ ⋯ ≠ i_r} p_{i₁}^{a₁} ⋯ p_{i_r}^{a_r}

        p = softmax(√q z),   z ~ N(0, I_n)

        ∂P/∂q = ½ Σ_i E ∂²_i ∏_j p_j^{a_j}, again a sum of such moments

    Powers are sorted; a power 1 is summed out, a power 0 counts the tokens that are left; one token has p = 1; equal
    scores (q = 0) have p = 1/n.

    Args:
        n: how many tokens, an integer ≥ 1.
        q: the variance of a score, ≥ 0.
        a₁, …, a_r: integers ≥ 0.

    Raises:
        ValueError: if a power is no integer ≥ 0, if n is a number but no integer ≥ 1, or q is negative.

    >>> n = sp.Symbol("n", integer=True, positive=True)
    >>> q = sp.Symbol("q", positive=True)
    >>> SoftmaxMoment(n, q, 1), SoftmaxMoment(n, q, 2, 1), SoftmaxMoment(n, 0, 2)
    (1, SoftmaxMoment(n, q, 2) - SoftmaxMoment(n, q, 3), 1/n)
    >>> SoftmaxMoment(n, q, 2).diff(q)
    SoftmaxMoment(n, q, 2) - 4*SoftmaxMoment(n, q, 3) + 3*SoftmaxMoment(n, q, 4) + 3*SoftmaxMoment(n, q, 2, 2)
    """

    @classmethod
    def eval(cls, n: sp.Expr, q: sp.Expr, *powers: sp.Expr) -> sp.Expr | None:
        _check(n, q, powers)
        exponents = tuple(sorted((int(power) for power in powers), reverse=True))
        if not exponents:
            return sp.Integer(1)
        if exponents[-1] == 0:
            rest = exponents[:-1]
            return (n - len(rest)) * cls(n, q, *rest)
        if exponents[-1] == 1:
            rest = exponents[:-1]
            return cls(n, q, *rest) - sp.Add(*(cls(n, q, *raised) for raised in _raised(rest)))
        if n.is_Integer and n < len(exponents):
            return sp.Integer(0)
        if n == 1:
            return sp.Integer(1)
        if q == 0:
            return sp.FallingFactorial(n, len(exponents)).expand(func=True) / n ** sum(exponents)
        if exponents != tuple(powers):
            return cls(n, q, *exponents)
        return None

    @property
    def powers(self) -> Powers:
        """The powers, largest first, all at least 2."""
        return tuple(int(power) for power in self.args[2:])

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """∂P/∂q by the heat equation; in n there is no derivative."""
        if argindex != 2:
            raise sp.ArgumentIndexError(self, argindex)
        n, q = self.args[:2]
        return sp.Add(*(c * SoftmaxMoment(n, q, *powers) for powers, c in _heat(self.powers)))

    def _eval_is_extended_real(self) -> bool | None:
        return True

    def _eval_is_nonnegative(self) -> bool | None:
        return True

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        inside = ", ".join(printer._print(argument) for argument in self.args)
        power = "" if exp is None else f"^{{{exp}}}"
        return rf"\operatorname{{P}}{power}\left({inside}\right)"


def _check(n: sp.Expr, q: sp.Expr, powers: Iterable[sp.Expr]) -> None:
    for power in powers:
        if not (power.is_Integer and power >= 0):
            raise ValueError(f"expected integers >= 0 as powers of softmax weights, got {power}")
    if n.is_number and not (n.is_Integer and n >= 1):
        raise ValueError(f"expected an integer n >= 1, got n={n}; n is the number of tokens")
    if q.is_negative:
        raise ValueError(f"expected q >= 0, got q={q}; q is the variance of a score")


def _raised(powers: Powers) -> list[Powers]:
    """The powers with one of them raised by one, in turn."""
    return [(*powers[:i], power + 1, *powers[i + 1 :]) for i, power in enumerate(powers)]


@lru_cache
def _heat(powers: Powers) -> tuple[tuple[Powers, sp.Rational], ...]:
    """½ Σ_i ∂²_i ∏ p^a as a combination of products of powers.

    With A = Σa, ∂_i ∏p^a = (a_i − A p_i) ∏p^a and ∂_i p_i = p_i(1 − p_i), so that

        ∂²_i ∏p^a = [(a_i − A p_i)² − A p_i(1 − p_i)] ∏p^a

    Summed over the tokens of the product and over one more, for which a_i = 0.
    """
    total = sum(powers)
    terms: dict[Powers, sp.Rational] = {}
    for i, power in [*enumerate(powers), (len(powers), 0)]:
        base = (*powers, 0) if power == 0 else powers
        coefficients = {0: power**2, 1: -2 * power * total - total, 2: total**2 + total}
        for more, coefficient in coefficients.items():
            if coefficient:
                shifted = (*base[:i], base[i] + more, *base[i + 1 :])
                terms[shifted] = terms.get(shifted, sp.Integer(0)) + sp.Rational(coefficient, 2)
    return tuple(terms.items())


def softmax_sum(
    tokens: Sequence[tuple[int, Sequence[sp.Expr]]], *, n: sp.Expr, score: sp.Expr, covariance: sp.Expr
) -> sp.Expr:
    """Mean of a sum over distinct tokens of softmax weights times linear forms of the centred tokens.

        E Σ_{i₁ ≠ ⋯ ≠ i_r} ∏_j [ p_{i_j}^{a_j} ∏_k ⟨u_{jk}, y_{i_j} − m⟩ ],   p = softmax(⟨a, y⟩),  y_i ~ N(m, Σ)

    One form goes at a time, by Stein's lemma: ⟨u, y_i − m⟩ meets the other forms of its token and the weights,

        E ⟨u, y_i − m⟩ g = Σ_v ⟨u, Σv⟩ E g/⟨v, y_i − m⟩ + ⟨u, Σa⟩ E (a_i − (Σa) p_i) g

    Args:
        tokens: for each distinct token its power and the vectors of its forms, d × 1.
        n: the number of tokens.
        score: the vector a.
        covariance: Σ, symmetric.

    Returns:
        A polynomial in ⟨u, Σv⟩, ⟨u, Σa⟩ and `SoftmaxMoment`s with q = ⟨a, Σa⟩.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> n = sp.Symbol("n", integer=True, positive=True)
    >>> a, u = sp.MatrixSymbol("a", d, 1), sp.MatrixSymbol("u", d, 1)
    >>> S = sp.MatrixSymbol("S", d, d)
    >>> softmax_sum([(1, [u])], n=n, score=a, covariance=S)
    (1 - SoftmaxMoment(n, dot(a, S*a), 2))*dot(a, S*u)
    """
    known = frozenset({covariance})

    def overlap(u: sp.Expr, v: sp.Expr) -> sp.Expr:
        first, second = sorted((u, v), key=sp.default_sort_key)
        return dot(first, covariance * second, symmetric=known)

    q = overlap(score, score)

    def mean(state: tuple[tuple[int, tuple[sp.Expr, ...]], ...]) -> sp.Expr:
        i = next((i for i, (_, forms) in enumerate(state) if forms), None)
        if i is None:
            return SoftmaxMoment(n, q, *(power for power, _ in state))
        power, (u, *others) = state[i]
        total = sum(exponent for exponent, _ in state)

        def without(more: int, forms: Sequence[sp.Expr]) -> sp.Expr:
            return mean((*state[:i], (power + more, tuple(forms)), *state[i + 1 :]))

        met = [overlap(u, v) * without(0, [*others[:k], *others[k + 1 :]]) for k, v in enumerate(others)]
        slope = power * without(0, others) - total * without(1, others)
        return sp.Add(*met, overlap(u, score) * slope)

    return mean(tuple((power, tuple(forms)) for power, forms in tokens))
