"""Words: matrix expressions as polynomials in cyclic words of letters.

A *letter* is a random matrix, a parameter, or the transpose of one; a *word* is a product of letters, written
as a string with one character a letter; a *closed word* is a trace tr(A₁A₂⋯A_k), the same for every rotation
of the word and of its transpose, so it is kept as the least of these. What is scalar is a product of closed
words: a form xᵀAy is the closed word of y xᵀA, and a word that passes through a vector falls apart,
tr(A x yᵀ B z wᵀ) = (yᵀBz)(wᵀAx). Sizes and scalar factors of a law are letters too.

    `WordPolynomial`   {product of closed words: coefficient}, what expressions are read into and written from
    `Alphabet`         what the characters stand for, and the laws of the random ones

Covariances are symmetric letters: S and Sᵀ are one character. A random letter stands for i.i.d. rows,
g = X for a matrix and g = xᵀ for a vector, with E g_{ia} g_{jb} = δ_{ij} Σ_{ab}. A row X[0, :] is e₀ᵀX with a
unit vector e₀, a mean is a word such as 1mᵀ with the vector of ones: e₀ᵀe₀ = e₀ᵀ1 = 1, 1ᵀ1 = n.

A matrix-valued expression M is read as tr(M Z) with a marker Z of its own; after everything else, the word
that holds Z is opened at that place again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import sympy as sp
from sympy.matrices.expressions.matexpr import MatrixElement

from .decimals import exact_decimals
from .gaussian import NoClosedForm
from .reading import is_random
from .variables import Dot, GaussianVector, MixtureMatrix, Row, TokenMatrix, dot

__all__ = [
    "Alphabet",
    "Closed",
    "Law",
    "WordPolynomial",
    "covariances",
    "exact",
    "gathered",
    "least_rotation",
    "matrix_of_words",
    "matrix_words",
    "opened",
    "scalar_words",
    "unit_index",
    "unit_vector",
]

Product = tuple[str, ...]  # a product of closed words, sorted
Polynomial = dict[Product, sp.Expr]
MatrixPolynomial = dict[tuple[Product, str], sp.Expr]  # products of closed words times one open word

FIRST_CHARACTER = 33
LARGEST_POWER = 64


class Law(NamedTuple):
    """The law of a random letter with i.i.d. rows N(mean, Σ): everything as characters and words.

    A mean and a covariance are scale · word each; a zero is no term.
    """

    row: str  # g, of shape (rows, columns)
    column: str  # gᵀ
    mean: tuple[tuple[Product, str], ...]  # E g
    covariance: tuple[tuple[Product, str], ...]  # Σ, with the empty word for the identity
    rows: sp.Expr
    columns: sp.Expr


class Closed(NamedTuple):
    """A closed word taken apart: a number, the constant words and the random ones."""

    factor: int
    constant: Product
    random: Product


@dataclass
class Alphabet:
    """The characters in use: what they stand for, how they are transposed, which are random.

    Args:
        symmetric: matrices known to be symmetric, beside covariances and explicit symmetric matrices.
    """

    symmetric: frozenset[sp.Expr] = frozenset()
    codes: dict[Any, str] = field(default_factory=dict)
    matrices: dict[str, sp.Expr] = field(default_factory=dict)
    flips: dict[int, int] = field(default_factory=dict)
    laws: dict[str, Law] = field(default_factory=dict)
    definitions: dict[str, MatrixPolynomial] = field(default_factory=dict)
    _scalars: set[str] = field(default_factory=set)
    _narrow: set[str] = field(default_factory=set)  # characters with one row
    _inverses: dict[str, str] = field(default_factory=dict)
    _vectors: dict[str, tuple[sp.Expr, sp.Expr | None]] = field(default_factory=dict)  # e_i and 1, with i or None
    _closed: dict[str, Closed] = field(default_factory=dict)
    _ranks: dict[int, str] = field(default_factory=dict)
    _letters: dict[int, str] = field(default_factory=dict)

    # --- letters ---

    def _new(self, key: Any, matrix: sp.Expr, is_symmetric: bool) -> str:
        """A character and its transpose."""
        character = chr(FIRST_CHARACTER + len(self.matrices))
        self.codes[key] = character
        self.matrices[character] = matrix
        transposed = character
        if not is_symmetric:
            transposed = chr(FIRST_CHARACTER + len(self.matrices))
            self.matrices[transposed] = matrix.T.as_immutable() if _is_explicit(matrix) else sp.Transpose(matrix).doit()
        self.flips[ord(character)] = ord(transposed)
        self.flips[ord(transposed)] = ord(character)
        if matrix.shape[0] == 1:
            self._narrow.add(character)
        if matrix.shape[1] == 1:
            self._narrow.add(transposed)
        return character

    def letter(self, matrix: sp.Expr) -> str:
        """The character of a constant matrix."""
        if matrix not in self.codes:
            character = self._new(matrix, matrix, self.is_symmetric(matrix))
            if isinstance(matrix, sp.Inverse):
                self._pair_with_inverse(character, matrix.arg)
        return self.codes[matrix]

    def _pair_with_inverse(self, character: str, matrix: sp.Expr) -> None:
        word = self.letter(matrix)
        for a, b in ((character, word), (self.transposed(character), self.transposed(word))):
            self._inverses[a], self._inverses[b] = b, a
        self._closed.clear()

    def scalar(self, value: sp.Expr) -> Product:
        """A scalar as a product of letters: a size or a factor of a law; nothing for 1."""
        if value == 1:
            return ()
        if value not in self.codes:
            character = chr(FIRST_CHARACTER + len(self.matrices))
            self.codes[value] = character
            self.matrices[character] = value
            self._scalars.add(character)
        return (self.codes[value],)

    def marker(self, rows: sp.Expr, columns: sp.Expr) -> str:
        """A letter of its own, of the given shape."""
        label = sp.Dummy("Z")
        return self._new(label, sp.MatrixSymbol(label.name, rows, columns), False)

    def unit(self, size: sp.Expr, index: sp.Expr | None = None) -> str:
        """The word of the unit vector e_i, or of the vector of ones; empty in dimension one."""
        if size == 1:
            return ""
        key = ("unit", size, index)
        if key not in self.codes:
            matrix = sp.OneMatrix(size, 1) if index is None else unit_vector(size, index)
            character = self._new(key, matrix, False)
            self._vectors[character] = (size, index)
        return self.codes[key]

    def is_symmetric(self, matrix: sp.Expr) -> bool:
        """Whether a constant matrix is known to be symmetric."""
        if matrix in self.symmetric or isinstance(matrix, (sp.Identity, sp.DiagMatrix, sp.DiagonalMatrix)):
            return True
        if matrix.shape == (1, 1):
            return True
        if _is_explicit(matrix):
            return matrix.rows == matrix.cols and matrix == matrix.T
        if isinstance(matrix, sp.MatPow):
            return self.is_symmetric(matrix.base)
        if isinstance(matrix, (sp.Inverse, sp.Transpose)):
            return self.is_symmetric(matrix.arg)
        if isinstance(matrix, (sp.MatAdd, sp.HadamardProduct)):
            return all(self.is_symmetric(arg) for arg in matrix.args)
        if isinstance(matrix, sp.MatMul):
            _, factors = matrix.as_coeff_matrices()
            flipped = [self._flipped(factor) for factor in reversed(factors)]
            return all(a == b for a, b in zip(factors, flipped))
        return False

    def _flipped(self, matrix: sp.Expr) -> sp.Expr:
        return matrix if self.is_symmetric(matrix) else sp.Transpose(matrix).doit()

    def gaussian(self, variable: sp.Expr) -> Law:
        """The law of a Gaussian vector or of a matrix with i.i.d. Gaussian rows; both characters on first use."""
        if variable in self.codes:
            return self.laws[self.codes[variable]]
        if isinstance(variable, GaussianVector):
            mean, covariance, rows, columns = variable.mean, variable.covariance, sp.Integer(1), variable.shape[0]
        elif isinstance(variable, TokenMatrix) and len(variable.groups) == 1 and variable.groups[0].at is None:
            rows, columns = variable.shape
            mean, covariance = variable.groups[0].mean, variable.groups[0].covariance
        else:
            raise NoClosedForm(f"no rule for the random matrix {variable} inside a word: its rows have several laws")
        character = self._new(variable, variable, False)
        transposed = self.transposed(character)
        row, column = (transposed, character) if isinstance(variable, GaussianVector) else (character, transposed)
        mean_terms = tuple((scale, self.unit(rows) + self.flipped(word)) for scale, word in self._terms(mean))
        law = Law(row, column, mean_terms, self._terms(covariance), rows, columns)
        self.laws[character] = self.laws[transposed] = law
        return law

    def _terms(self, matrix: sp.Expr) -> tuple[tuple[Product, str], ...]:
        """A mean or a covariance as scale · word; a sum is one letter, with its definition for the end."""
        if is_random(matrix):
            raise NoClosedForm(f"no rule for a law with random parameters: {matrix}")
        terms = matrix_words(matrix, self)
        if len(terms) <= 1:
            return tuple((tuple(sorted(words + self.scalar(c))), word) for (words, word), c in terms.items())
        character = self.letter(matrix)
        letters = {c for _, word in terms for c in word}
        is_definite = matrix.shape[1] == 1 or all(self.transposed(c) == c for c in letters)
        if is_definite:  # otherwise S + T is symmetric though S and T may not be: the sum stays one letter
            self.definitions[character] = terms
            if self.transposed(character) != character:
                self.definitions[self.transposed(character)] = {
                    (words, self.flipped(word)): c for (words, word), c in terms.items()
                }
        return (((), character),)

    # --- words ---

    def transposed(self, character: str) -> str:
        """The character of the transpose."""
        return chr(self.flips[ord(character)])

    def flipped(self, word: str) -> str:
        """The transpose of a word: (AB)ᵀ = BᵀAᵀ."""
        return word[::-1].translate(self.flips)

    def is_scalar(self, word: str) -> bool:
        """Whether a word is a size or another scalar letter."""
        return word in self._scalars

    def is_random_word(self, word: str) -> bool:
        """Whether a word has a random letter."""
        return any(c in self.laws for c in word)

    def closed(self, word: str, size: sp.Expr) -> Closed:
        """The trace of a word: vectors take it apart, constants are set aside, each part in its least rotation.

        Args:
            word: a product of letters that is a square matrix.
            size: the number of its rows, needed when the word is empty.
        """
        if not word:
            return self._trace_of_identity(size)
        if word not in self._closed:
            self._closed[word] = self._take_apart(word, size)
        return self._closed[word]

    def _trace_of_identity(self, size: sp.Expr) -> Closed:
        if size.is_Integer:
            return Closed(int(size), (), ())
        return Closed(1, self.scalar(size), ())

    def _take_apart(self, word: str, size: sp.Expr) -> Closed:
        if self._inverses:
            word = self._cancelled(word)
            if not word:
                return self._trace_of_identity(size)
        cuts = [i for i, c in enumerate(word) if c in self._narrow]
        if cuts:
            word = word[cuts[0] :] + word[: cuts[0]]
            places = [i - cuts[0] for i in cuts] + [len(word)]
            pieces = [word[i:j] for i, j in pairwise(places)]
        else:
            pieces = [word]
        factor = 1
        constant: list[str] = []
        varying: list[str] = []
        for piece in pieces:
            known = self._known(piece) if self._vectors else None
            if isinstance(known, int):
                factor *= known
            elif known is not None:
                constant.extend(self.scalar(known))
            elif self.is_random_word(piece):
                varying.append(least_rotation(piece, self.flips))
            else:
                constant.append(least_rotation(piece, self.flips))
        return Closed(factor, tuple(sorted(constant)), tuple(sorted(varying)))

    def _cancelled(self, word: str) -> str:
        """A A⁻¹ = I, also around the corner."""
        kept: list[str] = []
        for c in word:
            if kept and self._inverses.get(kept[-1]) == c:
                kept.pop()
            else:
                kept.append(c)
        while len(kept) > 1 and self._inverses.get(kept[-1]) == kept[0]:
            kept = kept[1:-1]
        return "".join(kept)

    def _known(self, piece: str) -> int | sp.Expr | None:
        """The value of a scalar product of unit vectors and ones: eᵢᵀeⱼ = δᵢⱼ, eᵢᵀ1 = 1, 1ᵀ1 = n."""
        if len(piece) != 2:
            return None
        left, right = self._vectors.get(self.transposed(piece[0])), self._vectors.get(piece[1])
        if left is None or right is None:
            return None
        (size, i), (_, j) = left, right
        if i is None and j is None:
            return int(size) if size.is_Integer else size
        if i is None or j is None or i == j:
            return 1
        if (i - j).is_nonzero:
            return 0
        raise NoClosedForm(f"cannot tell whether the positions {i} and {j} coincide")

    # --- back to sympy ---

    def _in_order(self, word: str) -> str:
        """The least reading of a trace in sympy's order of the letters."""
        if len(self._ranks) != len(self.matrices):
            order = sorted(self.matrices, key=lambda c: sp.default_sort_key(self.matrices[c]))
            self._ranks = {ord(c): chr(FIRST_CHARACTER + i) for i, c in enumerate(order)}
            self._letters = {ord(rank): chr(c) for c, rank in self._ranks.items()}
        flips = {ord(self._ranks[c]): ord(self._ranks[flip]) for c, flip in self.flips.items() if chr(c) in word}
        flips |= {flip: rank for rank, flip in flips.items()}
        return least_rotation(word.translate(self._ranks), flips).translate(self._letters)

    def factors(self, word: str) -> list[sp.Expr]:
        """The matrices of a word: explicit neighbours multiplied out, equal neighbours as a power."""
        factors: list[sp.Expr] = []
        for c, run in groupby(word):
            matrix, count = self.matrices[c], len(list(run))
            if not _is_explicit(matrix):
                factors.append(matrix if count == 1 else sp.MatPow(matrix, count))
                continue
            power = (matrix**count if count > 1 else matrix).as_immutable()
            if factors and _is_explicit(factors[-1]):
                factors[-1] = (factors[-1] * power).as_immutable()
            else:
                factors.append(power)
        return factors

    def scalar_expr(self, word: str) -> sp.Expr:
        """A closed word as an expression: a symbol, a trace, or ⟨u, Av⟩."""
        if word in self._scalars:
            return self.matrices[word]
        start = next((i for i, c in enumerate(word) if c in self._narrow), None)
        if start is None:
            return self._trace(word)
        word = word[start:] + word[:start]
        if len(word) < 4 and any(self.is_unit(c) for c in (word[0], word[-1])):
            entry = self._entry(word)
            if entry is not None:
                return entry
        if len(word) == 1:
            return self.matrices[word][0, 0]
        symmetric = frozenset(self.matrices[c] for c in word if self.transposed(c) == c)
        factors = self.factors(word[1:])
        return dot(
            self.matrices[self.transposed(word[0])],
            sp.MatMul(*factors) if len(factors) > 1 else factors[0],
            symmetric=symmetric,
        )

    def is_unit(self, c: str) -> bool:
        """Whether a character is a unit vector or its transpose; the vector of ones is none."""
        ends = self._vectors.get(c) or self._vectors.get(self.transposed(c))
        return ends is not None and ends[1] is not None

    def _entry(self, word: str) -> sp.Expr | None:
        """eᵢᵀ M eⱼ = M[i, j] and eᵢᵀ v = v[i, 0] for a single letter M or v; None for a longer word."""
        if not self.is_unit(word[0]):
            word = self.flipped(word)
        i, inside, j = self._vectors[self.transposed(word[0])][1], word[1:], sp.Integer(0)
        if len(word) == 3:
            if not self.is_unit(word[-1]):
                return None
            inside, j = word[1:-1], self._vectors[word[-1]][1]
        matrix = self.matrices[inside]
        if isinstance(matrix, sp.Transpose):
            matrix, i, j = matrix.arg, j, i
        return matrix[i, j] if _is_explicit(matrix) else MatrixElement(matrix, i, j)

    def _trace(self, word: str) -> sp.Expr:
        factors = self.factors(self._in_order(word))
        if len(factors) > 1 and _is_explicit(factors[0]) and _is_explicit(factors[-1]):
            factors = [(factors[-1] * factors[0]).as_immutable(), *factors[1:-1]]
        if len(factors) == 1:
            return factors[0].trace() if _is_explicit(factors[0]) else sp.Trace(factors[0])
        return sp.Trace(sp.MatMul(*factors))


class UnitVector(sp.FunctionMatrix):
    """The unit vector e_i of any dimension; made by `unit_vector`, printed as e_i."""

    def _sympystr(self, printer: Any) -> str:
        return f"e_{printer._print(unit_index(self))}"

    def _latex(self, printer: Any) -> str:
        return f"e_{{{printer._print(unit_index(self))}}}"


def unit_vector(size: sp.Expr, index: sp.Expr) -> UnitVector:
    """The unit vector e_i of any dimension, as a MatrixExpr.

    >>> unit_vector(sp.Integer(3), sp.Integer(1)).as_explicit().T
    Matrix([[0, 1, 0]])
    """
    i, j = sp.symbols("i j", integer=True, nonnegative=True)
    return UnitVector(size, 1, sp.Lambda((i, j), sp.KroneckerDelta(i, index)))


def unit_index(matrix: sp.FunctionMatrix) -> sp.Expr | None:
    """The index of a unit vector made by `unit_vector`."""
    delta = matrix.lamda.expr
    if isinstance(delta, sp.KroneckerDelta):
        for index in delta.args:
            if matrix == unit_vector(matrix.shape[0], index):
                return index
    return None


def _is_explicit(matrix: sp.Basic) -> bool:
    return isinstance(matrix, sp.MatrixBase)


def least_rotation(word: str, flips: Mapping[int, int]) -> str:
    """The least of all rotations of a word and of its transpose.

    >>> least_rotation("ba", {97: 97, 98: 98})
    'ab'
    """
    n = len(word)
    best = None
    for reading in (word, word[::-1].translate(flips)):
        first, doubled = min(reading), reading + reading
        i = reading.find(first)
        while i >= 0:
            rotation = doubled[i : i + n]
            if best is None or rotation < best:
                best = rotation
            i = reading.find(first, i + 1)
    return best or ""


# --- reading -----------------------------------------------------------------------------


def exact(expr: sp.Basic) -> sp.Basic:
    """The expression with decimals as the rationals they denote."""
    return exact_decimals(expr)


def _times(first: Polynomial, second: Polynomial) -> Polynomial:
    result: Polynomial = {}
    for words1, c1 in first.items():
        for words2, c2 in second.items():
            _add(result, tuple(sorted(words1 + words2)), c1 * c2)
    return result


def _add(terms: dict, key: Any, coefficient: sp.Expr) -> None:
    """Add a term; a coefficient that cancels as it stands leaves no trace."""
    total = terms.get(key, 0) + coefficient
    if total == 0:
        terms.pop(key, None)
    else:
        terms[key] = total


ONE: Polynomial = {(): sp.Integer(1)}


def _power(base: Polynomial, exponent: int) -> Polynomial:
    if exponent > LARGEST_POWER:
        raise NoClosedForm(f"expected a power of at most {LARGEST_POWER} of random traces and forms, got {exponent}")
    result = ONE
    for _ in range(exponent):
        result = _times(result, base)
    return result


def _holds_words(expr: sp.Basic) -> bool:
    """Whether an expression is made of traces, forms or random matrices, to be read into words."""
    return is_random(expr) or expr.has(sp.Trace, Dot, MatrixElement)


def covariances(expr: sp.Expr) -> frozenset[sp.Expr]:
    """The matrices that are symmetric because a law says so."""
    found = set()
    for node in sp.preorder_traversal(expr):
        if isinstance(node, GaussianVector):
            found.add(node.covariance)
        elif isinstance(node, TokenMatrix):
            found |= {group.covariance for group in node.groups}
        elif isinstance(node, MixtureMatrix) and isinstance(node.covariances, sp.Tuple):
            found |= set(node.covariances)
    for covariance in list(found):
        terms = covariance.args if isinstance(covariance, sp.MatAdd) else (covariance,)
        bare = [term.as_coeff_matrices()[1] if isinstance(term, sp.MatMul) else [term] for term in terms]
        # Of a symmetric sum whose other terms are symmetric by their looks, the last one is symmetric too.
        looks = Alphabet()
        unsure = [factors for factors in bare if not looks.is_symmetric(sp.MatMul(*factors))]
        if len(unsure) == 1 and len(unsure[0]) == 1:
            found.add(unsure[0][0])
    for matrix in list(found):
        if isinstance(matrix, (sp.Inverse, sp.MatPow, sp.Transpose)):
            found.add(matrix.args[0])
    return frozenset(found)


def scalar_words(expr: sp.Expr, alphabet: Alphabet) -> Polynomial:
    """A scalar expression as a polynomial in closed words.

    Raises:
        NoClosedForm: for a function of random matrices other than a polynomial; the message names it.
    """
    if getattr(expr, "is_Matrix", False):
        return _closed_polynomial(expr, alphabet)
    if isinstance(expr, sp.Add):
        result: Polynomial = {}
        for arg in expr.args:
            for words, c in scalar_words(arg, alphabet).items():
                _add(result, words, c)
        return result
    if not _holds_words(expr):
        return {(): expr} if expr != 0 else {}
    if isinstance(expr, sp.Mul):
        plain = sp.Mul(*(arg for arg in expr.args if not _holds_words(arg)))
        result = {(): plain}
        for arg in expr.args:
            if _holds_words(arg):
                result = _times(result, scalar_words(arg, alphabet))
        return result
    if isinstance(expr, sp.Pow) and expr.exp.is_Integer and expr.exp > 0:
        return _power(scalar_words(expr.base, alphabet), int(expr.exp))
    if isinstance(expr, sp.Trace):
        return _closed_polynomial(expr.arg, alphabet)
    if isinstance(expr, Dot):
        row = _row_words(expr.left, alphabet)
        return _closed(_matrix_times(row, matrix_words(expr.right, alphabet)), sp.Integer(1), alphabet)
    if isinstance(expr, MatrixElement):
        rows, columns = expr.parent.shape
        left: MatrixPolynomial = {((), alphabet.flipped(alphabet.unit(rows, expr.i))): sp.Integer(1)}
        right: MatrixPolynomial = {((), alphabet.unit(columns, expr.j)): sp.Integer(1)}
        word = _matrix_times(_matrix_times(left, matrix_words(expr.parent, alphabet)), right)
        return _closed(word, sp.Integer(1), alphabet)
    matrices = expr.atoms(sp.MatrixExpr) if not _is_scalar_randomness(expr) else ()
    if not any(is_random(matrix) for matrix in matrices) and not expr.has(*_random_forms(expr)):
        return {(): expr}  # a function of parameters, or of random scalars
    raise NoClosedForm(f"no rule for {expr.func.__name__} of random matrices other than a polynomial: {expr}")


def _is_scalar_randomness(expr: sp.Basic) -> bool:
    return not expr.has(sp.Trace, Dot, MatrixElement, sp.MatrixExpr)


def _random_forms(expr: sp.Basic) -> list[sp.Basic]:
    return [node for node in expr.atoms(sp.Trace, Dot, MatrixElement) if is_random(node)] or [sp.Dummy()]


def _row_words(column: sp.Expr, alphabet: Alphabet) -> MatrixPolynomial:
    terms = matrix_words(column, alphabet)
    return {(words, alphabet.flipped(word)): c for (words, word), c in terms.items()}


def _closed_polynomial(matrix: sp.Expr, alphabet: Alphabet) -> Polynomial:
    rows, columns = matrix.shape
    if rows != columns and sp.expand(rows - columns) != 0:
        raise ValueError(f"expected a square matrix inside a trace, got {matrix} of shape {matrix.shape}")
    return _closed(matrix_words(matrix, alphabet), rows, alphabet)


def _closed(terms: MatrixPolynomial, size: sp.Expr, alphabet: Alphabet) -> Polynomial:
    result: Polynomial = {}
    for (words, word), coefficient in terms.items():
        factor, constant, random = alphabet.closed(word, size)
        if factor:
            _add(result, tuple(sorted((*words, *constant, *random))), factor * coefficient)
    return result


def _matrix_times(first: MatrixPolynomial, second: MatrixPolynomial) -> MatrixPolynomial:
    result: MatrixPolynomial = {}
    for (words1, word1), c1 in first.items():
        for (words2, word2), c2 in second.items():
            _add(result, (tuple(sorted(words1 + words2)), word1 + word2), c1 * c2)
    return result


def matrix_words(expr: sp.Expr, alphabet: Alphabet) -> MatrixPolynomial:
    """A matrix expression as a polynomial in open words, with closed words as coefficients.

    Raises:
        NoClosedForm: for random matrices inside an inverse or an elementwise product; the message names it.
    """
    one = sp.Integer(1)
    if isinstance(expr, sp.MatAdd):
        result: MatrixPolynomial = {}
        for arg in expr.args:
            for key, c in matrix_words(arg, alphabet).items():
                _add(result, key, c)
        return result
    if isinstance(expr, sp.MatMul):
        coefficient, factors = expr.as_coeff_matrices()
        result = {(words, ""): c for words, c in scalar_words(coefficient, alphabet).items()}
        for factor in factors:
            result = _matrix_times(result, matrix_words(factor, alphabet))
        return result
    if isinstance(expr, (sp.Transpose, sp.Adjoint)):
        terms = matrix_words(expr.arg, alphabet)
        return {(words, alphabet.flipped(word)): c for (words, word), c in terms.items()}
    if isinstance(expr, sp.ZeroMatrix) or (_is_explicit(expr) and expr.is_zero_matrix):
        return {}
    if isinstance(expr, sp.Identity):
        return {((), ""): one}
    if isinstance(expr, (GaussianVector, TokenMatrix)):
        law = alphabet.gaussian(expr)
        return {((), law.column if isinstance(expr, GaussianVector) else law.row): one}
    if isinstance(expr, Row):
        unit = alphabet.unit(expr.matrix.shape[0], expr.index)
        return {((), alphabet.flipped(unit) + alphabet.gaussian(expr.matrix).row): one}
    if isinstance(expr, sp.OneMatrix):
        rows, columns = expr.shape
        return {((), alphabet.unit(rows) + alphabet.flipped(alphabet.unit(columns))): one}
    if isinstance(expr, sp.FunctionMatrix) and (index := unit_index(expr)) is not None:
        return {((), alphabet.unit(expr.shape[0], index)): one}
    if isinstance(expr, (sp.MatPow, sp.Inverse)):
        return _power_words(expr, alphabet)
    if is_random(expr):
        raise NoClosedForm(f"no rule for random matrices inside {type(expr).__name__}: {expr}")
    return {((), alphabet.letter(expr.as_immutable() if _is_explicit(expr) else expr)): one}


def _power_words(expr: sp.Expr, alphabet: Alphabet) -> MatrixPolynomial:
    """Powers: whole ones multiplied out, A⁻ᵏ as a power of the letter A⁻¹."""
    terms: MatrixPolynomial = {((), ""): sp.Integer(1)}
    base, exponent = (expr.arg, sp.Integer(-1)) if isinstance(expr, sp.Inverse) else (expr.base, expr.exp)
    if exponent.is_Integer and exponent >= 0:
        if exponent > LARGEST_POWER:
            raise NoClosedForm(f"expected a matrix power of at most {LARGEST_POWER}, got {expr}")
        for _ in range(int(exponent)):
            terms = _matrix_times(terms, matrix_words(base, alphabet))
        return terms
    if is_random(base):
        raise NoClosedForm(f"no rule for a random matrix inside an inverse or a power other than a whole one: {expr}")
    if not exponent.is_Integer:
        return {((), alphabet.letter(expr)): sp.Integer(1)}
    if _is_explicit(base):
        return {((), alphabet.letter(base.inv().as_immutable())): sp.Integer(1)}
    factors = base.as_coeff_matrices()[1] if isinstance(base, sp.MatMul) else [base]
    if isinstance(base, sp.MatMul) and all(factor.is_square for factor in factors):
        coefficient = 1 / base.as_coeff_matrices()[0]
        terms = {((), ""): coefficient}
        for factor in reversed(factors):
            terms = _matrix_times(terms, matrix_words(sp.Inverse(factor), alphabet))
    elif isinstance(base, sp.Identity):
        pass
    elif isinstance(base, sp.Transpose):
        terms = {((), alphabet.transposed(alphabet.letter(sp.Inverse(base.arg)))): sp.Integer(1)}
    else:
        terms = {((), alphabet.letter(sp.Inverse(base))): sp.Integer(1)}
    result = terms
    for _ in range(-int(exponent) - 1):
        result = _matrix_times(result, terms)
    return result


# --- polynomials in words ------------------------------------------------------------------


@dataclass(frozen=True)
class WordPolynomial:
    """Σ coefficient · ∏ closed words; with a marker, the matrix M for which it is tr(M Z).

    Kept in this compact form until somebody asks for the expression.
    """

    terms: Mapping[Product, sp.Expr]
    alphabet: Alphabet
    shape: tuple[sp.Expr, sp.Expr] | None = None
    marker: str = ""

    def __len__(self) -> int:
        return len(self.terms)

    def expr(self, distribute: bool = True) -> sp.Expr:
        """The expression: a sum of traces and forms, or a MatrixExpr.

        Args:
            distribute: multiply coefficients out, so that n (1 − 1/n) meets other multiples of n; otherwise each
                product of words has one coefficient, in factors.
        """
        terms = self._without_definitions()
        if self.shape is not None:
            parts: MatrixPolynomial = {}
            for words, coefficient in terms.items():
                word, others = opened(words, self.marker, self.alphabet)
                _add(parts, (others, word), coefficient)
            return matrix_of_words(parts, self.shape, self.alphabet, distribute)
        scalars = _Scalars(self.alphabet, distribute)
        return sp.Add(*(scalars.product(coefficient, words) for words, coefficient in terms.items()))

    def with_sizes(self) -> Polynomial:
        """The terms with sizes and scalar factors in the coefficients, so that equal products of traces meet."""
        result: Polynomial = {}
        for words, coefficient in self._without_definitions().items():
            scalars = [self.alphabet.scalar_expr(w) for w in words if self.alphabet.is_scalar(w)]
            kept = tuple(w for w in words if not self.alphabet.is_scalar(w))
            _add(result, kept, sp.Mul(coefficient, *scalars))
        return result

    def _without_definitions(self) -> Mapping[Product, sp.Expr]:
        """The letters that stand for a sum, replaced by it."""
        if not self.alphabet.definitions:
            return self.terms
        cache: dict[str, Polynomial] = {}
        result: Polynomial = {}
        for words, coefficient in self.terms.items():
            product: Polynomial = {(): coefficient}
            for word in words:
                if word not in cache:
                    cache[word] = _defined(word, self.alphabet)
                product = _times(product, cache[word])
            for key, c in product.items():
                _add(result, key, c)
        return result


def _defined(word: str, alphabet: Alphabet) -> Polynomial:
    if not any(c in alphabet.definitions for c in word):
        return {(word,): sp.Integer(1)}
    terms: MatrixPolynomial = {((), ""): sp.Integer(1)}
    for c in word:
        letter: MatrixPolynomial = {((), c): sp.Integer(1)}
        terms = _matrix_times(terms, alphabet.definitions.get(c, letter))
    size = alphabet.matrices[word[0]].shape[0]
    return _closed(terms, size, alphabet)


def gathered(
    terms: Iterable[tuple[sp.Expr, Iterable[sp.Expr], sp.Expr | None]],
    alphabet: Alphabet,
    shape: tuple[sp.Expr, sp.Expr] | None = None,
) -> WordPolynomial:
    """Σ coefficient · ∏ scalars [· matrix] in words, without a sympy sum on the way.

    Args:
        terms: coefficient, scalars, and for a matrix-valued result a matrix.
        alphabet: the letters.
        shape: that of a matrix-valued result.
    """
    marker = alphabet.marker(shape[1], shape[0]) if shape is not None else ""
    parts: dict[Product, list[sp.Expr]] = {}
    for coefficient, scalars, matrix in terms:
        product: Polynomial = {(): coefficient}
        for scalar in scalars:
            product = _times(product, scalar_words(scalar, alphabet))
        if shape is not None and matrix is not None:
            closed: Polynomial = {}
            for (words, word), c in matrix_words(matrix, alphabet).items():
                factor, constant, random = alphabet.closed(word + marker, shape[0])
                _add(closed, tuple(sorted((*words, *constant, *random))), factor * c)
            product = _times(product, closed)
        for words, c in product.items():
            parts.setdefault(words, []).append(c)
    sums = ((words, sp.Add(*cs)) for words, cs in parts.items())
    return WordPolynomial({words: total for words, total in sums if total != 0}, alphabet, shape, marker)


@dataclass
class _Scalars:
    """Products of closed words as expressions, each word written once."""

    alphabet: Alphabet
    distribute: bool = True
    written: dict[str, sp.Expr] = field(default_factory=dict)

    def word(self, word: str) -> sp.Expr:
        if word not in self.written:
            self.written[word] = self.alphabet.scalar_expr(word)
        return self.written[word]

    def product(self, coefficient: sp.Expr, words: Iterable[str]) -> sp.Expr:
        """A term, its coefficient distributed so that n (1 − 1/n) meets other multiples of n."""
        powers = Counter(words)
        factors = [self.word(w) ** count if count > 1 else self.word(w) for w, count in powers.items()]
        if not self.distribute:
            return sp.Mul(_factored(coefficient), *factors)
        terms = sp.Add.make_args(coefficient if coefficient.is_Atom else sp.expand_mul(coefficient, deep=False))
        return sp.Add(*(sp.Mul(term, *factors) for term in terms)) if len(terms) > 1 else sp.Mul(*terms, *factors)


def _factored(coefficient: sp.Expr) -> sp.Expr:
    """A coefficient in factors; forms of matrices inside it are taken for symbols."""
    if coefficient.is_Atom:
        return coefficient
    forms = {form: sp.Dummy() for form in sorted(_outermost_forms(coefficient), key=sp.default_sort_key)}
    plain = coefficient.xreplace(forms)
    is_short = isinstance(plain, sp.Add) and len(plain.args) <= 12 and plain.is_rational_function()
    factored = sp.factor(plain) if is_short else sp.factor_terms(plain)
    return _with_sign_inside(factored).xreplace({dummy: form for form, dummy in forms.items()})


def _with_sign_inside(product: sp.Expr) -> sp.Expr:
    """ρ(1 − ρ) rather than −ρ(ρ − 1)."""
    number, factors = product.as_coeff_mul()
    if number.is_negative:
        for k, factor in enumerate(factors):
            if isinstance(factor, sp.Add) and any(term.could_extract_minus_sign() for term in factor.args):
                return sp.Mul(-number, *factors[:k], -factor, *factors[k + 1 :])
    return product


def _outermost_forms(expr: sp.Basic) -> set[sp.Basic]:
    if isinstance(expr, (sp.Trace, Dot, sp.Determinant, MatrixElement, sp.MatrixExpr)):
        return {expr}
    return set().union(*(_outermost_forms(arg) for arg in expr.args)) if expr.args else set()


def opened(words: Product, marker: str, alphabet: Alphabet) -> tuple[str, Product]:
    """The word that holds the marker, cut open at it, and the other words: tr(w Z) = tr(Zᵀ wᵀ) gives w.

    >>> from sympy import MatrixSymbol, Symbol
    >>> d = Symbol("d", integer=True, positive=True)
    >>> alphabet = Alphabet()
    >>> a, z = (alphabet.letter(MatrixSymbol(name, d, d)) for name in "AZ")
    >>> opened(alphabet.closed(z + a, d).constant, z, alphabet) == (a, ())
    True
    """
    flipped = alphabet.transposed(marker)
    for i, word in enumerate(words):
        others = words[:i] + words[i + 1 :]
        if marker in word:
            place = word.index(marker)
            return word[place + 1 :] + word[:place], others
        if flipped in word:
            place = word.index(flipped)
            return alphabet.flipped(word[place + 1 :] + word[:place]), others
    raise AssertionError("the marker stands in one word of every term")


def matrix_of_words(
    terms: MatrixPolynomial, shape: tuple[sp.Expr, sp.Expr], alphabet: Alphabet, distribute: bool = True
) -> sp.Expr:
    """A polynomial in open words as a MatrixExpr, with one coefficient for each word."""
    scalars = _Scalars(alphabet, distribute)
    collected: dict[str, list[sp.Expr]] = {}
    for (words, word), coefficient in terms.items():
        collected.setdefault(word, []).append(scalars.product(coefficient, words))
    sums = ((word, sp.Add(*parts)) for word, parts in collected.items())
    summands = [_matrix_term(total, word, shape, alphabet) for word, total in sums if total != 0]
    if not summands:
        return sp.ZeroMatrix(*shape)
    return sp.MatAdd(*summands).doit(deep=False) if len(summands) > 1 else summands[0]


def _matrix_term(coefficient: sp.Expr, word: str, shape: tuple[sp.Expr, sp.Expr], alphabet: Alphabet) -> sp.Expr:
    if not word:
        return coefficient * sp.Identity(shape[0])
    factors = alphabet.factors(word)
    # not coefficient * product: sympy's `*` would also evaluate what stands inside the coefficient
    return sp.MatMul(coefficient, *factors).doit(deep=False)
