"""Wick's theorem on words: expectations of polynomials in Gaussian matrices and vectors.

The first Gaussian letter of a product of traces is replaced by its mean or paired with each other occurrence
of the same letter. For i.i.d. rows, E g_{ia} g_{jb} = δ_{ij} Σ_{ab} (g = X, or g = xᵀ for a vector), pairing is

    tr(g P gᵀ Q)       →  tr(P Σ) tr(Q)
    tr(g P g Q)        →  tr(P Qᵀ Σ)
    tr(g P) tr(gᵀ Q)   →  tr(P Q Σ)
    tr(g P) tr(g Q)    →  tr(P Qᵀ Σ)

Every product is brought to its canonical form at once, equal products are merged, and the mean of a product is
computed once. Pairings are never enumerated: E tr((XᵀX)¹⁰) has 654,729,075 of them and some hundred
canonical products. Products of powers of W = XᵀX, with at most one constant matrix C beside a power,

    E tr(C W^b) ∏ᵢ tr(W^{mᵢ}),

are a problem on partitions (`wishart`) and go there.

References: Isserlis (1918); Letac and Massam (2004); Graczyk, Letac and Massam (2005).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import sympy as sp

from .gaussian import NoClosedForm
from .reading import is_random
from .variables import GaussianScalar, Latent
from .wishart import isotropic_moment, wishart_moment
from .words import Alphabet, Law, Product, WordPolynomial, covariances, exact, gathered, scalar_words

__all__ = ["Wick", "isserlis_steps", "matrix_expectation", "scalar_moment", "wick", "word_polynomial"]

Value = dict[Product, int]  # a polynomial in constant words


@dataclass
class Wick:
    """The means of products of closed words over one alphabet, each computed once.

    Args:
        alphabet: the letters and their laws.
        by_partitions: send powers of one XᵀX to the recursion on partitions; both routes agree.
    """

    alphabet: Alphabet
    by_partitions: bool = True
    memory: dict[Product, Value] = field(default_factory=dict)
    powers: dict[str, _Power | None] = field(default_factory=dict)
    moments: dict[tuple[int, ...], dict[tuple[int, int, tuple[int, ...]], int]] = field(default_factory=dict)

    def mean(self, words: Product) -> Value:
        """E of a product of closed words, as a polynomial in constant words."""
        random = tuple(word for word in words if self.alphabet.is_random_word(word))
        constant = tuple(word for word in words if not self.alphabet.is_random_word(word))
        if self._is_odd(random):
            return {}
        value = self.value(tuple(sorted(random)))
        return {tuple(sorted(constant + key)): c for key, c in value.items()} if constant else value

    def value(self, state: Product) -> Value:
        """E of a sorted product of random closed words."""
        if not state:
            return {(): 1}
        if state not in self.memory:
            known = self._by_partitions(state) if self.by_partitions else None
            self.memory[state] = self._recursion(state) if known is None else known
        return self.memory[state]

    def steps(self, state: Product) -> dict[tuple[Product, Product], int]:
        """What a product of random words becomes by one step; nothing for an odd number of centred letters."""
        return {} if self._is_odd(state) else self._steps(state)

    def _is_odd(self, random: Product) -> bool:
        letters = Counter("".join(random))
        laws = set(self.alphabet.laws.values())
        return any(not law.mean and (letters[law.row] + letters[law.column]) % 2 for law in laws)

    def _recursion(self, state: Product) -> Value:
        result: Value = {}
        for (constant, rest), count in self._steps(state).items():
            below = self.value(rest)
            if constant:
                for key, c in below.items():
                    joined = tuple(sorted(constant + key))
                    result[joined] = result.get(joined, 0) + count * c
            else:
                for key, c in below.items():
                    result[key] = result.get(key, 0) + count * c
        return result

    def _steps(self, state: Product) -> dict[tuple[Product, Product], int]:
        """What one letter becomes: {(constant words, random words): how often}."""
        alphabet = self.alphabet
        steps: dict[tuple[Product, Product], int] = {}
        law, index, place = self._first_letter(state)
        chosen, others = state[index], state[:index] + state[index + 1 :]
        if chosen[place] == law.column:
            chosen, place = alphabet.flipped(chosen), len(chosen) - 1 - place
        rest = chosen[place + 1 :] + chosen[:place]  # the word is tr(g · rest)
        g, gt = law.row, law.column

        def add(word: str, scale: Product, others: Product, count: int, second: str | None = None) -> None:
            factor, constant, random = alphabet.closed(word, law.columns)
            if second is not None:
                factor2, constant2, random2 = alphabet.closed(second, law.rows)
                factor, constant, random = factor * factor2, constant + constant2, random + random2
            if factor:
                key = (constant + scale, tuple(sorted(random + others)) if random else others)
                steps[key] = steps.get(key, 0) + factor * count

        for scale, word in law.mean:
            add(word + rest, scale, others, 1)
        for scale, cov in law.covariance:
            for p, c in enumerate(rest):
                if c == gt:
                    add(rest[:p] + cov, scale, others, 1, second=rest[p + 1 :])
                elif c == g:
                    add(rest[:p] + alphabet.flipped(rest[p + 1 :]) + cov, scale, others, 1)
            for word, count in Counter(others).items():
                if g not in word and gt not in word:
                    continue
                i = others.index(word)
                remaining = others[:i] + others[i + 1 :]
                for p, c in enumerate(word):
                    if c == gt:
                        add(rest + word[p + 1 :] + word[:p] + cov, scale, remaining, count)
                    elif c == g:
                        add(rest + alphabet.flipped(word[p + 1 :] + word[:p]) + cov, scale, remaining, count)
        return steps

    def _first_letter(self, state: Product) -> tuple[Law, int, int]:
        """One Gaussian after the other, and of its words the shortest: it has the fewest partners inside."""
        laws = self.alphabet.laws
        law = laws[min(c for word in state for c in word if c in laws)]
        candidates = (i for i, word in enumerate(state) if law.row in word or law.column in word)
        index = min(candidates, key=lambda i: len(state[i]))
        place = next(p for p, c in enumerate(state[index]) if c in (law.row, law.column))
        return law, index, place

    # --- powers of one XᵀX ---

    def _by_partitions(self, state: Product) -> Value | None:
        """E tr(C W^b) ∏ tr(W^{mᵢ}) through the moments of a Wishart matrix; None for any other product."""
        powers = []
        for word in state:
            if word not in self.powers:
                self.powers[word] = self._power(word)
            power = self.powers[word]
            if power is None:
                return None
            powers.append(power)
        law = powers[0].law
        beside = [power for power in powers if power.beside]
        if len(beside) > 1 or law.mean or len(law.covariance) != 1 or any(p.law != law for p in powers):
            return None
        parts = tuple(power.exponent for power in powers if not power.beside)
        ((scale, word),) = law.covariance
        total = scale * sum(power.exponent for power in powers)
        value = self._general(law, word, beside, parts) if word else self._isotropic(law, beside, parts)
        return {tuple(sorted(key + total)): c for key, c in value.items()} if scale else value

    def _power(self, word: str) -> _Power | None:
        """A word read as tr(C W^b) with C constant, or None."""
        first = next((c for c in word if c in self.alphabet.laws), None)
        if first is None:
            return None
        law = self.alphabet.laws[first]
        gram = law.column + law.row
        number = word.count(law.row)
        if 2 * number == len(word) and (gram * number in (word, word[1:] + word[0])):
            return _Power(law, "", number)
        for reading in (word, self.alphabet.flipped(word)):
            start = (reading + reading).find(gram * number)
            if number and start >= 0:
                beside = (reading + reading)[start + 2 * number : start + len(word)]
                if not self.alphabet.is_random_word(beside):
                    return _Power(law, beside, number)
        return None

    def _general(self, law: Law, covariance: str, beside: list[_Power], exponents: tuple[int, ...]) -> Value:
        """Σ^s p_λ(Σ) n^a in words."""
        alphabet = self.alphabet
        exponent, constant = (beside[0].exponent, beside[0].beside) if beside else (0, "")
        result: Value = {}
        asked = (exponent, *sorted(exponents))
        if asked not in self.moments:
            self.moments[asked] = wishart_moment(exponent, asked[1:])
        for (s, a, partition), count in self.moments[asked].items():
            words: list[str] = []
            factor = count
            pieces = [alphabet.closed("", law.rows)] * a
            pieces += [alphabet.closed(covariance * j, law.columns) for j in partition]
            if beside:
                pieces.append(alphabet.closed(constant + covariance * s, law.columns))
            for piece in pieces:
                factor *= piece.factor
                words.extend(piece.constant)
            key = tuple(sorted(words))
            result[key] = result.get(key, 0) + factor
        return result

    def _isotropic(self, law: Law, beside: list[_Power], parts: tuple[int, ...]) -> Value:
        """Σ = I: E W^b ∏ tr W^{mᵢ} is I/d times its trace."""
        alphabet = self.alphabet
        exponents = (*parts, *(power.exponent for power in beside))
        shared = alphabet.closed(beside[0].beside, law.columns) if beside else alphabet.closed("", law.columns)
        rows, columns = alphabet.closed("", law.rows), alphabet.closed("", law.columns)
        result: Value = {}
        for (a, b), count in isotropic_moment(tuple(exponents)).items():
            words = rows.constant * a + columns.constant * (b - 1) + shared.constant
            factor = rows.factor**a * columns.factor ** (b - 1) * shared.factor
            key = tuple(sorted(words))
            result[key] = result.get(key, 0) + count * factor
        return result


@dataclass(frozen=True)
class _Power:
    """A word tr(C W^b)."""

    law: Law
    beside: str
    exponent: int


# --- entry ---------------------------------------------------------------------------------


def word_polynomial(expr: sp.Expr, symmetric: frozenset[sp.Expr] = frozenset()) -> WordPolynomial:
    """A scalar or matrix expression read into words.

    Args:
        expr: a polynomial in traces, `dot`, `quad` and 1 × 1 products, or a matrix polynomial.
        symmetric: parameters known to be symmetric; covariances are.

    Raises:
        NoClosedForm: where the expression is not a polynomial in its random matrices.
    """
    expr = exact(expr)
    alphabet = Alphabet(frozenset(symmetric) | covariances(expr))
    if not getattr(expr, "is_Matrix", False) or expr.shape == (1, 1):
        return WordPolynomial(scalar_words(expr, alphabet), alphabet)
    return gathered([(sp.Integer(1), (), expr)], alphabet, expr.shape)


def wick(
    polynomial: WordPolynomial,
    scalars: Callable[[sp.Expr], sp.Expr] | None = None,
    by_partitions: bool = True,
) -> WordPolynomial:
    """The mean of a polynomial in words, in the same compact form.

    Args:
        polynomial: from `word_polynomial`.
        scalars: the mean of random coefficients, which are independent of the words; default `scalar_moment`.
        by_partitions: as for `Wick`.
    """
    engine = Wick(polynomial.alphabet, by_partitions)
    result: dict[Product, sp.Expr] = {}
    for words, coefficient in polynomial.terms.items():
        factor = (scalars or scalar_moment)(coefficient) if is_random(coefficient) else coefficient
        for key, count in engine.mean(words).items():
            term = count * factor
            result[key] = result[key] + term if key in result else term
    terms = {key: c for key, c in result.items() if c != 0}
    return WordPolynomial(terms, polynomial.alphabet, polynomial.shape, polynomial.marker)


State = dict[tuple[Product, Product], sp.Expr]  # {(constant words, random words): coefficient}


def isserlis_steps(polynomial: WordPolynomial, scalars: Callable[[sp.Expr], sp.Expr] | None = None) -> Iterator[State]:
    """The recursion a step at a time: in every product one Gaussian letter is paired with each of its partners.

    The last state has no random words; with `wick` it agrees, which goes by the fastest way instead.
    """
    engine = Wick(polynomial.alphabet, by_partitions=False)
    is_random_word = polynomial.alphabet.is_random_word
    state: State = {}
    for words, c in polynomial.terms.items():
        factor = (scalars or scalar_moment)(c) if is_random(c) else c
        key = (tuple(w for w in words if not is_random_word(w)), tuple(w for w in words if is_random_word(w)))
        state[key] = state.get(key, sp.Integer(0)) + factor
    while any(random for _, random in state):
        parts: dict[tuple[Product, Product], list[sp.Expr]] = {}
        for (constant, random), c in state.items():
            steps = engine.steps(random) if random else {((), ()): 1}
            for (more, rest), count in steps.items():
                parts.setdefault((tuple(sorted(constant + more)), rest), []).append(count * c)
        state = {key: total for key, cs in parts.items() if (total := sp.Add(*cs)) != 0}
        yield state


def matrix_expectation(
    expr: sp.Expr,
    *,
    symmetric: frozenset[sp.Expr] = frozenset(),
    scalars: Callable[[sp.Expr], sp.Expr] | None = None,
) -> sp.Expr:
    """The expectation of a polynomial in Gaussian matrices and vectors, with symbolic sizes.

        E tr(XᵀX A XᵀX B) = n² tr(ΣAΣB) + n tr(ΣAᵀΣB) + n tr(AΣ) tr(BΣ),   X of n i.i.d. rows N(0, Σ)

    Several independent Gaussian matrices and vectors with means, single rows X[0, :] beside the whole
    matrix, parameters, their transposes and inverses of constants.

    Args:
        expr: a scalar expression in `Trace`, `dot`, `quad` and 1 × 1 products, or a matrix expression.
        symmetric: parameters known to be symmetric, beside the covariances.
        scalars: the mean of coefficients that are random scalars; default: polynomials in Gaussian scalars.

    Returns:
        An expression for a scalar or 1 × 1 argument, a MatrixExpr of the same shape otherwise.

    Raises:
        NoClosedForm: for what is not a polynomial in its random matrices; the message names it.

    >>> from .variables import GaussianMatrix
    >>> n, d = sp.symbols("n d", integer=True, positive=True)
    >>> A, S = sp.MatrixSymbol("A", d, d), sp.MatrixSymbol("S", d, d)
    >>> X = GaussianMatrix("X", n, d, covariance=S)
    >>> matrix_expectation(sp.Trace(X.T*X*A))
    n*Trace(A*S)
    >>> matrix_expectation(X.T*X*A*X.T*X)
    n**2*S*A*S + n*S*A.T*S + (n*Trace(A*S))*S
    """
    if isinstance(expr, str):
        raise TypeError(f"expected a sympy expression, got the text {expr!r}")
    expr = sp.sympify(expr, strict=True)
    if isinstance(expr, sp.MatrixBase):
        means = expr.applyfunc(lambda entry: matrix_expectation(entry, symmetric=symmetric, scalars=scalars))
        return means[0, 0] if expr.shape == (1, 1) else means.as_immutable()
    mean = wick(word_polynomial(expr, symmetric), scalars).expr()
    if expr.has(Latent) and is_random(mean):
        raise NoClosedForm(f"no rule for a latent location that stays in the mean of {expr}: {mean}")
    return mean


def scalar_moment(expr: sp.Expr) -> sp.Expr:
    """The mean of a polynomial in Gaussian scalars: E a f = E[a] E f + Σ_b Cov(a, b) E ∂f/∂b.

    Raises:
        NoClosedForm: for other random scalars; the message names them.

    >>> from .variables import gaussians
    >>> a, b = gaussians("a b", mean=[1, 0], covariance=[[2, 1], [1, 3]])
    >>> scalar_moment(a**2*b**2)
    11
    """
    variables = sorted(expr.atoms(GaussianScalar), key=sp.default_sort_key)
    symbols = {a: sp.Dummy(a.name) for a in variables}
    plain = expr.xreplace(symbols)
    if is_random(plain) or not plain.is_polynomial(*symbols.values()):
        raise NoClosedForm(f"no rule for a random factor beside random matrices other than a polynomial: {expr}")
    poly = sp.Poly(plain, *symbols.values())
    memory: dict[tuple[int, ...], sp.Expr] = {(0,) * len(variables): sp.Integer(1)}

    def moment(powers: tuple[int, ...]) -> sp.Expr:
        if powers not in memory:
            i = next(i for i, power in enumerate(powers) if power)
            a, rest = variables[i], _less(powers, i)
            total = a.family.mean[a.index] * moment(rest)
            for j, b in enumerate(variables):
                if rest[j] and b.family == a.family:
                    total += rest[j] * a.family.covariance[a.index, b.index] * moment(_less(rest, j))
            memory[powers] = sp.expand(total)
        return memory[powers]

    return sp.Add(*(coefficient * moment(powers) for powers, coefficient in poly.terms()))


def _less(powers: tuple[int, ...], i: int) -> tuple[int, ...]:
    return (*powers[:i], powers[i] - 1, *powers[i + 1 :])
