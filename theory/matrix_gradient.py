"""Gradients with respect to a matrix, read off words letter by letter.

    ∂ tr(W R)/∂W = Rᵀ,   ∂ tr(Wᵀ R)/∂W = R,   ∂ tr(M⁻¹ R)/∂M = −(M⁻¹ R M⁻¹)ᵀ,   ∂ det M/∂M = det(M) M⁻ᵀ

    ∂ tr(W ∘ R)/∂W = Diag(R)  (products entry by entry and diagonals are read as index graphs)

for W with independent entries, every occurrence in turn. Functions of traces and forms follow by the chain
rule. sympy's own derivative of a sum of traces by a matrix is 0 in version 1.14 and is not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.matrices.expressions.matexpr import MatrixElement

from .gaussian import NoClosedForm
from .graph_reading import GraphReader, Polynomial, collected, read_graphs
from .graph_writing import graph_expr
from .index_graph import EQUAL, Factor, Letters
from .variables import Dot, GaussianVector, RandomRows
from .words import Alphabet, covariances, exact, matrix_of_words, matrix_words, scalar_words

__all__ = ["matrix_gradient"]

Terms = dict[Any, sp.Expr]  # {(closed words, open word): coefficient}


def matrix_gradient(
    expr: sp.Expr, W: sp.MatrixSymbol, symmetric: bool = False, *, known: frozenset[sp.Expr] = frozenset()
) -> sp.Expr:
    """The gradient ∂f/∂W of a scalar function, a matrix of the shape of W.

        f(W + H) = f(W) + tr(Gᵀ H) + o(H)

    Args:
        expr: sums, products and scalar functions of traces, `dot`, `quad`, determinants and 1 × 1 products.
        W: the matrix or vector; its entries are independent variables.
        symmetric: W ranges over symmetric matrices: G is then the symmetric matrix with this property,
            (G + Gᵀ)/2 for the gradient G over all matrices.
        known: other matrices known to be symmetric, beside the covariances of the variables in `expr`.

    Returns:
        A MatrixExpr of the shape of W.

    Raises:
        NoClosedForm: where W stands inside something else; the message names it.
        ValueError: if W is not a matrix symbol, or is a parameter of a law.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> A, S, W = (sp.MatrixSymbol(name, d, d) for name in "ASW")
    >>> matrix_gradient(sp.Trace(A*W) + sp.Trace(W*S*W.T), W)
    W*S + W*S.T + A.T
    >>> matrix_gradient(sp.exp(sp.Trace(A*W)), W)
    exp(Trace(A*W))*A.T
    """
    if not isinstance(W, sp.MatrixSymbol):
        raise ValueError(f"expected a MatrixSymbol to differentiate by, got {W}")
    if symmetric and not W.is_square:
        raise ValueError(f"expected a square matrix for symmetric=True, got {W} of shape {W.shape}")
    expr = exact(expr)
    for variable in expr.atoms(GaussianVector, RandomRows):
        if variable.has(W):
            raise ValueError(f"expected a law free of {W}, got the variable {variable}; take the expectation first")
    alphabet = Alphabet(covariances(expr) | known | (frozenset((W,)) if symmetric else frozenset()))
    terms: Terms = {}
    reader = _Reader(W, alphabet)
    for outer, form in _outer_derivatives(expr, W):
        try:
            slope = reader.form_gradient(form)
        except NoClosedForm:  # products entry by entry, diagonals: index graphs know them
            slope = matrix_words(graph_gradient(form, W, alphabet.symmetric), alphabet)
        for (words, word), c in slope.items():
            readings = (word, alphabet.flipped(word)) if symmetric else (word,)
            for reading in readings:
                key = (words, reading)
                terms[key] = terms.get(key, sp.Integer(0)) + outer * c / len(readings)
    return matrix_of_words(terms, W.shape, alphabet)


def graph_gradient(form: sp.Expr, W: sp.MatrixSymbol, symmetric: frozenset[sp.Expr] = frozenset()) -> sp.Expr:
    """The gradient of a form by index graphs: every entry W_{ab} is taken out in turn, and its ends are left open.

    Raises:
        NoClosedForm: where W stands inside something else than products, sums and diagonals.
    """
    letters = Letters(symmetric)
    opened: Polynomial = {}
    for graph, c in read_graphs(form, letters, constants=True).items():
        strange = c if c.has(W) else next((f.letter for f in graph.factors if f.letter != W and f.letter.has(W)), None)
        if strange is not None:
            raise NoClosedForm(f"no rule for the gradient of {strange} with respect to {W}")
        for k, factor in enumerate(graph.factors):
            if factor.letter != W:
                continue
            rest = [*graph.factors[:k], *graph.factors[k + 1 :]]
            reader = GraphReader(letters, vertices=list(graph.vertices))
            row, column = (reader.vertex(size, opens=(o,)) for o, size in enumerate(W.shape))
            ends = [v for v, size in zip((row, column), W.shape, strict=True) if size != 1]
            joined = [Factor(EQUAL, pair) for pair in zip(factor.ends, ends, strict=True)]
            for new, extra in collected([(c, (*rest, *joined))], reader.vertices, letters).items():
                opened[new] = opened.get(new, sp.Integer(0)) + extra
    summands = [sp.MatMul(c, graph_expr(graph, W.shape, symmetric)) for graph, c in opened.items()]
    return sp.MatAdd(*summands).doit() if summands else sp.ZeroMatrix(*W.shape)


FORMS = (sp.Trace, Dot, sp.Determinant, MatrixElement)


def _outer_derivatives(expr: sp.Expr, W: sp.MatrixSymbol) -> Iterator[tuple[sp.Expr, sp.Expr]]:
    """The chain rule: (∂f/∂t, t) for the traces and forms t that hold W."""
    if getattr(expr, "is_Matrix", False):
        if expr.shape != (1, 1):
            raise ValueError(f"expected a scalar, got {expr} of shape {expr.shape}")
        yield sp.Integer(1), expr
        return
    forms = {form: sp.Dummy(f"t{i}", real=True) for i, form in enumerate(_forms(expr, W))}
    plain = expr.xreplace(forms)
    if plain.has(W):
        raise NoClosedForm(f"no rule for the gradient of {expr} with respect to {W}: {plain} holds it outside a trace")
    back = {dummy: form for form, dummy in forms.items()}
    for form, dummy in forms.items():
        yield sp.diff(plain, dummy).xreplace(back), form


def _forms(expr: sp.Expr, W: sp.MatrixSymbol) -> list[sp.Expr]:
    if not expr.has(W):
        return []
    if isinstance(expr, FORMS):
        return [expr]
    forms = list(dict.fromkeys(form for arg in expr.args for form in _forms(arg, W)))
    bound = next((i for i in getattr(expr, "bound_symbols", ()) if any(form.has(i) for form in forms)), None)
    if bound is not None:  # a form for every index: the chain rule would lose the sum over it
        raise NoClosedForm(f"no rule for the gradient of {expr} with respect to {W}: {bound} is summed over")
    return forms


@dataclass(frozen=True)
class _Reader:
    """Gradients of closed words by one matrix."""

    W: sp.MatrixSymbol
    alphabet: Alphabet

    def form_gradient(self, form: sp.Expr) -> Terms:
        """The gradient of a trace, a form or a determinant."""
        if isinstance(form, sp.Determinant):
            inverse = self.alphabet.letter(sp.Inverse(form.arg))
            terms = self.inner_gradient(inverse, form.arg)
            return {key: form * c for key, c in terms.items()}
        result: Terms = {}
        for words, c in scalar_words(form, self.alphabet).items():
            _accumulate(result, self.product_gradient(words), c)
        return result

    def product_gradient(self, words: tuple[str, ...]) -> Terms:
        """The product rule."""
        result: Terms = {}
        for i, word in enumerate(words):
            others = words[:i] + words[i + 1 :]
            for p in range(len(word)):
                for (inner, reading), c in self.letter_gradient(word, p).items():
                    _accumulate(result, {(tuple(sorted((*others, *inner))), reading): c}, sp.Integer(1))
        return result

    def letter_gradient(self, word: str, p: int) -> Terms:
        """What the letter at one place of a closed word contributes."""
        c, rest = word[p], word[p + 1 :] + word[:p]
        matrix = self.alphabet.matrices[c]
        if isinstance(matrix, sp.Basic) and not matrix.has(self.W):
            return {}
        letter = self.alphabet.letter(self.W)
        if c == letter:
            return {((), self.alphabet.flipped(rest)): sp.Integer(1)}
        if c == self.alphabet.transposed(letter):
            return {((), rest): sp.Integer(1)}
        flipped = self.alphabet.transposed(c)
        if not isinstance(matrix, sp.Inverse):
            if isinstance(self.alphabet.matrices[flipped], sp.Inverse):
                return self.letter_gradient(self.alphabet.flipped(word), len(word) - 1 - p)
            raise NoClosedForm(f"no rule for the gradient of {matrix} with respect to {self.W}")
        terms = self.inner_gradient(c + rest + c, matrix.arg)
        return {key: -value for key, value in terms.items()}

    def inner_gradient(self, constant: str, matrix: sp.Expr) -> Terms:
        """The gradient of tr(C M) with C held fixed."""
        result: Terms = {}
        for (words, word), c in matrix_words(matrix, self.alphabet).items():
            for p in range(len(word)):
                for (inner, reading), value in self.letter_gradient(word + constant, p).items():
                    _accumulate(result, {(tuple(sorted((*words, *inner))), reading): value}, c)
            outer = self.alphabet.closed(word + constant, matrix.shape[0])
            for (inner, reading), value in self.product_gradient(words).items():
                key = tuple(sorted((*inner, *outer.constant, *outer.random)))
                _accumulate(result, {(key, reading): value}, outer.factor * c)
        return result


def _accumulate(result: Terms, terms: Terms, factor: sp.Expr) -> None:
    for key, c in terms.items():
        result[key] = result.get(key, sp.Integer(0)) + factor * c
