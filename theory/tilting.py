"""Tilting in vectors: the exponential of a quadratic form changes one Gaussian law into another.

For x ~ N(m, Σ) and q(x) = ½ xᵀWx + bᵀx + r with W symmetric, and c = Wm + b,

    E e^{q(x)} g(x) = det(I − ΣW)^{−1/2} e^{r + ½mᵀWm + bᵀm + ½cᵀΣ̃c} Ẽ g(x),   x ~ N(m + Σ̃c, Σ̃) under Ẽ

with Σ̃ = (I − ΣW)⁻¹Σ, which is (Σ⁻¹ − W)⁻¹ for an invertible Σ; singular Σ included. The mean is finite, for g of
polynomial growth, exactly when the eigenvalues of I − ΣW, which are real, are all positive. In b and r other random
vectors may stand: they are tilted in their turn, so that E exp(xᵀAy) for two vectors is two such steps.

References: completing the square; for softmax attention on Gaussian measures Castin, Ablin, Carrillo, Peyré (2025).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.logic.boolalg import Boolean

from .gaussian import InfiniteExpectation, NoClosedForm, elementary_symmetric
from .latex import to_latex
from .reading import degree, is_random, polynomial, random_sources
from .variables import Dot, GaussianVector, Row, dot, linear_part

__all__ = ["PositiveSpectrum", "Tilt", "TiltedCovariance", "tilt", "tilted_source", "without_tilted"]


class PositiveSpectrum(Boolean):
    """The condition that all eigenvalues of a matrix, which are real, are positive.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> W = sp.MatrixSymbol("W", d, d)
    >>> PositiveSpectrum(sp.Identity(d) - W)
    eigenvalues(I - W) > 0
    """

    @property
    def matrix(self) -> sp.Expr:
        """The matrix whose eigenvalues are meant."""
        return self.args[0]

    def _sympystr(self, printer: Any) -> str:
        return f"eigenvalues({printer._print(self.matrix)}) > 0"

    def _latex(self, printer: Any) -> str:
        return rf"\operatorname{{spec}}\left({to_latex(self.matrix)}\right) \subset (0, \infty)"


class TiltedCovariance(sp.MatrixExpr):
    """Σ̃ = (I − ΣW)⁻¹Σ as one symmetric letter, which no rewriting looks into.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> S, W = sp.MatrixSymbol("S", d, d), sp.MatrixSymbol("W", d, d)
    >>> TiltedCovariance(S, W).written_out()
    (I - S*W)**(-1)*S
    """

    is_commutative = False
    is_Atom = True

    law: tuple[sp.Expr, sp.Expr]

    def __new__(cls, covariance: sp.Expr, form: sp.Expr) -> TiltedCovariance:
        letter = super().__new__(cls)
        letter.law = (covariance, form)
        return letter

    def _hashable_content(self) -> tuple[sp.Expr, sp.Expr]:
        return self.law

    @property
    def free_symbols(self) -> set[sp.Basic]:
        """The symbols of Σ and W."""
        return self.law[0].free_symbols | self.law[1].free_symbols

    def sort_key(self, order: Any = None) -> Any:
        inside = (2, tuple(part.sort_key(order) for part in self.law))
        return self.class_key(), inside, sp.S.One.sort_key(), sp.S.One

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """(d, d)."""
        return self.law[0].shape

    def _eval_transpose(self) -> sp.Expr:
        return self

    def doit(self, **hints: Any) -> TiltedCovariance:
        return self

    def written_out(self) -> sp.Expr:
        """(I − ΣW)⁻¹Σ as a product."""
        covariance, form = self.law
        inverse = sp.Inverse(_complement(covariance, form))
        return inverse if isinstance(covariance, sp.Identity) else inverse * covariance

    def _sympystr(self, printer: Any) -> str:
        return str(printer._print(self.written_out()))

    def _latex(self, printer: Any) -> str:
        return str(printer._print(self.written_out()))


def without_tilted(expr: sp.Expr) -> sp.Expr:
    """The expression with every Σ̃ written out, but for the laws of the vectors that are left in it."""
    vectors = {v: sp.MatrixSymbol(f"v_{i}", *v.shape) for i, v in enumerate(sorted(_tilted_vectors(expr), key=str))}
    expr = expr.xreplace(vectors)  # the law of a tilted vector stays as it is
    while letters := expr.atoms(TiltedCovariance):  # one may stand inside another, where two vectors were tilted
        expr = expr.xreplace({letter: letter.written_out() for letter in letters})
    return expr.xreplace({symbol: v for v, symbol in vectors.items()})


def _tilted_vectors(expr: sp.Basic) -> set[GaussianVector]:
    return {v for v in expr.atoms(GaussianVector) if v.has(TiltedCovariance)}


@dataclass(frozen=True)
class Tilt:
    """One vector taken out of an exponent: E e^q g(x) = normalizer · E e^{exponent} g(shift + vector)."""

    source: sp.Expr
    normalizer: sp.Expr
    exponent: sp.Expr
    shift: sp.Expr
    vector: GaussianVector
    conditions: tuple[sp.Basic, ...]

    def moved(self, expr: sp.Expr) -> sp.Expr:
        """An expression with the source replaced by shift + vector."""
        return expr.xreplace({self.source: _as_row(self.source, self.shift + self.vector)})


def _as_row(source: sp.Expr, column: sp.Expr) -> sp.Expr:
    return sp.Transpose(column).doit() if isinstance(source, Row) else column


def tilted_source(exponent: sp.Expr) -> sp.Expr | None:
    """A random vector that an exponent is quadratic in, the first in sympy's order; None if it is linear in all.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> x = GaussianVector("x", d)
    >>> tilted_source(dot(x, x)), tilted_source(dot(x, sp.MatrixSymbol("k", d, 1)))
    (x, None)
    """
    terms = polynomial(exponent)
    if terms is None:
        return None
    forms = [node for monomial in terms for node, _ in monomial.nodes if degree(node) == 2]
    sources = {source for node in forms for source in random_sources(node)}
    # a vector that meets only others is taken first: it needs no condition
    mixed = {source for node in forms if len(random_sources(node)) == 2 for source in random_sources(node)}
    alone = mixed - {source for node in forms if len(random_sources(node)) == 1 for source in random_sources(node)}
    return min(alone or sources, key=sp.default_sort_key, default=None)


def tilt(exponent: sp.Expr, source: sp.Expr, symmetric: frozenset[sp.Expr] = frozenset()) -> Tilt:
    """Take one vector out of an exponent by completing the square.

    Args:
        exponent: a polynomial of degree two in Gaussian vectors and scalars.
        source: the vector, or a token whose law is known.
        symmetric: matrices known to be symmetric.

    Raises:
        InfiniteExpectation: if an eigenvalue of I − ΣW is decidably not positive.
        NoClosedForm: if the exponent is not of degree two in the vector.
    """
    exponent = sp.expand(exponent)
    column = sp.Transpose(source) if isinstance(source, Row) else source
    d = column.shape[0]
    mean, covariance = source.mean, source.covariance
    quadratic, linear = _read(exponent, source, column, symmetric | {covariance})
    form = _sum(quadratic, (d, d))
    slope = _sum(linear, (d, 1))
    rest = exponent - _value(exponent, source)
    conditions = _condition(covariance, form, exponent)
    letter = _tilted(covariance, form)
    known = symmetric | frozenset({letter, covariance, form})
    direction = sp.MatAdd(sp.MatMul(form, mean), slope).doit()
    bare = [dot(mean, sp.MatMul(form, mean), symmetric=known) / 2 if not _is_zero(form) else sp.Integer(0)]
    bare += [dot(slope, mean), dot(direction, sp.MatMul(letter, direction), symmetric=known) / 2]
    shift = sp.MatAdd(mean, sp.MatMul(letter, direction)).doit()
    name = source.name if isinstance(source, GaussianVector) else source.matrix.name
    mark = "" if isinstance(source, GaussianVector) else str(source.index)
    vector = GaussianVector.made_from(name, mark, d, None, letter)
    normalizer = _normalizer(covariance, form)
    return Tilt(source, normalizer, sp.expand(rest + sp.Add(*bare)), shift, vector, conditions)


def _read(
    exponent: sp.Expr, source: sp.Expr, column: sp.Expr, symmetric: frozenset[sp.Expr]
) -> tuple[list[sp.Expr], list[sp.Expr]]:
    """The terms of W and of b."""
    terms = polynomial(exponent)
    if terms is None:
        raise NoClosedForm(f"no rule for the exponential of {exponent}, which is no quadratic form")
    quadratic: list[sp.Expr] = []
    linear: list[sp.Expr] = []
    for monomial, coefficient in terms.items():
        nodes = [node for node, power in monomial.nodes for _ in range(power)]
        inside = [node for node in nodes if source in random_sources(node)]
        outside = sp.Mul(coefficient, *(node for node in nodes if node not in inside))
        if not inside:
            continue
        own = [random_sources(node) == {source} and degree(node) == 2 for node in inside]
        if len(inside) == 1 and own[0]:
            if is_random(outside):
                raise NoClosedForm(f"no rule for the exponential of {exponent}, which is no quadratic form")
            matrix = _matrix_of(inside[0])
            if is_random(matrix):
                raise NoClosedForm(f"no rule for the exponential of {exponent}, which is no quadratic form")
            is_even = _transposed(matrix, symmetric) == matrix
            quadratic.append(outside * 2 * matrix if is_even else outside * (matrix + sp.Transpose(matrix)))
        elif len(inside) == 1:
            linear.append(sp.MatMul(outside, linear_part(inside[0], column)))
        elif len(inside) == 2 and not any(own) and not is_random(outside):
            u, v = (linear_part(node, column) for node in inside)
            if is_random(u) or is_random(v):
                raise NoClosedForm(f"no rule for the exponential of {exponent}, of degree four in random vectors")
            quadratic.append(outside * (u * v.T + v * u.T))
        else:
            raise NoClosedForm(f"no rule for the exponential of {exponent}, which is no quadratic form")
    return quadratic, linear


def _transposed(matrix: sp.Expr, symmetric: frozenset[sp.Expr]) -> sp.Expr:
    """Aᵀ, where the transpose of a symmetric letter is that letter."""
    letters = {
        transpose: letter for letter in symmetric for transpose in (sp.Transpose(letter), sp.Transpose(letter).doit())
    }
    return sp.Transpose(matrix).doit().xreplace(letters)


def _value(exponent: sp.Expr, source: sp.Expr) -> sp.Expr:
    """The terms of the exponent that hold the source."""
    terms = sp.Add.make_args(exponent)
    return sp.Add(*(term for term in terms if source in random_sources(term)))


def _matrix_of(node: Dot) -> sp.Expr:
    """A of ⟨x, Ax⟩."""
    right = node.right
    if isinstance(right, sp.MatMul):
        factors = right.args[:-1]
        return factors[0] if len(factors) == 1 else sp.MatMul(*factors)
    return sp.Identity(right.shape[0])


def _sum(terms: list[sp.Expr], shape: tuple[sp.Expr, sp.Expr]) -> sp.Expr:
    return sp.MatAdd(*terms).doit() if terms else sp.ZeroMatrix(*shape)


def _is_zero(matrix: sp.Expr) -> bool:
    return isinstance(matrix, sp.ZeroMatrix) or (isinstance(matrix, sp.MatrixBase) and matrix.is_zero_matrix is True)


def _scale(matrix: sp.Expr) -> sp.Expr | None:
    """s of s·I, or None."""
    coefficient, factors = matrix.as_coeff_matrices() if isinstance(matrix, sp.MatMul) else (sp.Integer(1), [matrix])
    if len(factors) == 1 and isinstance(factors[0], sp.Identity):
        return coefficient
    return sp.Integer(0) if _is_zero(matrix) else None


def _complement(covariance: sp.Expr, form: sp.Expr) -> sp.Expr:
    """I − ΣW."""
    product = form if isinstance(covariance, sp.Identity) else sp.MatMul(covariance, form)
    return sp.MatAdd(sp.Identity(covariance.shape[0]), sp.MatMul(-1, product)).doit()


def _explicit(covariance: sp.Expr, form: sp.Expr) -> tuple[sp.Matrix, sp.Matrix] | None:
    """Both matrices by their entries, if both are known so."""
    d = covariance.shape[0]
    if not sp.sympify(d).is_Integer:
        return None
    try:
        pair = [sp.Matrix(matrix.as_explicit()) for matrix in (covariance, form)]
    except (TypeError, ValueError, AttributeError):
        return None
    if any(entry.has(sp.MatrixSymbol) for matrix in pair for entry in matrix):
        return None
    return pair[0], pair[1]


def _tilted(covariance: sp.Expr, form: sp.Expr) -> sp.Expr:
    if _is_zero(form) or _is_zero(covariance):
        return covariance
    s, w = _scale(covariance), _scale(form)
    if s is not None and w is not None:
        return (s / (1 - s * w)) * sp.Identity(covariance.shape[0])
    pair = _explicit(covariance, form)
    if pair is not None:
        S, W = pair
        complement = (sp.eye(S.rows) - S * W).applyfunc(sp.expand)
        return (complement.inv(method="ADJ") * S).applyfunc(sp.cancel).as_immutable()
    c = _scale(_complement(covariance, form))
    return TiltedCovariance(covariance, form) if c is None else covariance / c


def _normalizer(covariance: sp.Expr, form: sp.Expr) -> sp.Expr:
    """det(I − ΣW)^{−1/2}."""
    if _is_zero(form) or _is_zero(covariance):
        return sp.Integer(1)
    s, w = _scale(covariance), _scale(form)
    d = covariance.shape[0]
    if s is not None and w is not None:
        return (1 - s * w) ** (-d / 2)
    pair = _explicit(covariance, form)
    if pair is not None:
        S, W = pair
        return sp.cancel((sp.eye(S.rows) - S * W).det(method="berkowitz")) ** sp.Rational(-1, 2)
    complement = _complement(covariance, form)
    c = _scale(complement)
    return sp.Determinant(complement) ** sp.Rational(-1, 2) if c is None else c ** (-d / 2)


def _condition(covariance: sp.Expr, form: sp.Expr, exponent: sp.Expr) -> tuple[sp.Basic, ...]:
    """That the eigenvalues of I − ΣW are positive, as far as it is not known.

    Raises:
        InfiniteExpectation: where one decidably is not.
    """
    if _is_zero(form) or _is_zero(covariance):
        return ()
    needs = "finiteness needs the eigenvalues of I − ΣW to be positive"
    s, w = _scale(covariance), _scale(form)
    if s is not None and w is not None:
        eigenvalues = [sp.expand(1 - s * w)]
    elif (pair := _explicit(covariance, form)) is not None:
        S, W = pair
        # the spectrum is real, so it is positive exactly when its elementary symmetric functions are
        eigenvalues = elementary_symmetric((sp.eye(S.rows) - S * W).applyfunc(sp.expand))
    elif (c := _scale(_complement(covariance, form))) is not None:
        eigenvalues = [sp.expand(c)]
    elif _is_negative(form):
        return ()
    else:
        return (PositiveSpectrum(_complement(covariance, form)),)
    open_ones = []
    for value in eigenvalues:
        if value.is_positive:
            continue
        if value.is_nonpositive:
            raise InfiniteExpectation(
                f"E[exp({exponent})] is infinite: {needs}, with Σ = {covariance} and W = {form}, and {value} ≤ 0"
            )
        open_ones.append(sp.Gt(value, 0))
    return tuple(open_ones)


def _is_negative(form: sp.Expr) -> bool:
    """Whether W is negative semidefinite by its looks: −c A Aᵀ with c ≥ 0, or a sum of such."""
    if isinstance(form, sp.MatAdd):
        return all(map(_is_negative, form.args))
    coefficient, factors = form.as_coeff_matrices() if isinstance(form, sp.MatMul) else (sp.Integer(1), [form])
    flipped = [sp.Transpose(factor).doit() for factor in reversed(factors)]
    middle = len(factors) % 2 == 0 or isinstance(factors[len(factors) // 2], sp.Identity)
    return bool(coefficient.is_nonpositive) and middle and flipped == list(factors)
