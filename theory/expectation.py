"""Expectations: the order in which the rules run.

    E(expr)             the closed form
    Expectation(expr)   the unevaluated node, with .doit()

Matrix expressions are read as words (`wick`), or where words do not reach (mixtures, masks, functions of
tokens beside matrices) as index graphs (`graph_expectation`).

A scalar expression is read three times, each time as a combination of simpler ones: sums over tokens
become representative tokens with their counts (`counting`); forms with randomness on both sides
lose them by Stein's lemma in vector form; products of scalar functions become `Moment`s of
jointly Gaussian scalars, to which `gaussian` applies its rules until none is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import sympy as sp
from sympy.matrices.expressions.matexpr import MatrixElement

from .counting import representatives, token_sums
from .decimals import exact_decimals
from .gaussian import (
    Base,
    Form,
    Gate,
    InfiniteExpectation,
    JointLaw,
    Moment,
    NoClosedForm,
    Unknown,
    Wave,
    moment_value,
    placeholder,
    tilting,
)
from .graph_expectation import graph_expectation
from .graph_reading import matrix_shape
from .reading import Monomial, degree, has_random_middle, is_random, linear, polynomial, random_sources, read
from .special import NormalCDF
from .statement import evaluate_expectations
from .tilting import tilt, tilted_source, without_tilted
from .token_functions import ENTRYWISE
from .variables import (
    Dot,
    GaussianFamily,
    GaussianMatrix,
    GaussianScalar,
    GaussianVector,
    Latent,
    RandomRows,
    Row,
    TokenMatrix,
    dot,
    linear_part,
    trace,
)
from .wick import matrix_expectation
from .words import covariances, exact

__all__ = [
    "E",
    "Evaluation",
    "Expectation",
    "MatrixExpectation",
    "as_scalar",
    "check_finite_numbers",
    "check_one_law_a_name",
    "check_shapes",
    "is_of_matrices",
    "is_of_vectors",
    "moments_of",
    "reads_as_words",
    "representative_terms",
]


class Expectation(sp.Expr):
    """The mean of a random expression, unevaluated: E[f].

    >>> from .variables import gaussians
    >>> (a,) = gaussians("a")
    >>> Expectation(a**4), Expectation(a**4).doit()
    (Expectation(a**4), 3)
    """

    is_commutative = True

    def __new__(cls, expr: Any) -> Any:
        if isinstance(expr, sp.Basic) and matrix_shape(expr) is not None:
            return MatrixExpectation(expr)
        return super().__new__(cls, expr if is_of_matrices(expr) else as_scalar(expr))

    def doit(self, **hints: Any) -> sp.Expr:
        return E(self.args[0])

    def _eval_is_extended_real(self) -> bool | None:
        return self.args[0].is_extended_real

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\mathbb{{E}}\left[{printer._print(self.args[0])}\right]"
        return text if exp is None else rf"{text}^{{{exp}}}"


class MatrixExpectation(sp.MatrixExpr):
    """The mean of a random matrix expression, unevaluated; what `Expectation` makes of a matrix.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> x = GaussianVector("x", d, covariance=2)
    >>> Expectation(x*x.T).shape, Expectation(x*x.T).doit()
    ((d, d), 2*I)
    """

    is_commutative = False

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """The shape of the matrix inside."""
        shape = matrix_shape(self.args[0])
        assert shape is not None
        return shape

    def doit(self, **hints: Any) -> sp.Expr:
        return E(self.args[0])

    def _eval_transpose(self) -> sp.Expr:
        return MatrixExpectation(sp.Transpose(self.args[0]).doit())

    def _entry(self, i: Any, j: Any, **kwargs: Any) -> sp.Expr:
        return Expectation(MatrixElement(self.args[0], i, j))

    def _sympystr(self, printer: Any) -> str:
        return f"Expectation({printer._print(self.args[0])})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\mathbb{{E}}\left[{printer._print(self.args[0])}\right]"
        return text if exp is None else rf"{text}^{{{exp}}}"


def E(expr: Any, *, symmetric: Iterable[sp.Expr] = ()) -> sp.Expr:
    """The expectation of a scalar expression in random symbols, in closed form.

        E a = mean,   E erf(λa) = erf(λμ/√(1 + 2λ²s)),   E Σ_ℓ f(X_ℓ) = L E f(X₁),   …

    Polynomials in jointly Gaussian scalars and in scalar products of Gaussian vectors and
    tokens, times products of erf, erfc, sign, Heaviside, Abs, Max, Min, NormalCDF, sin, cos and
    exp of linear and quadratic forms. What has no closed form (a sigmoid, three shifted erfs)
    comes back as a `GaussianIntegral` of the smallest dimension the rules reach.

    Args:
        expr: a scalar expression, or a matrix expression; polynomials in whole Gaussian matrices are
            read as words (`matrix_expectation`), what words do not reach as index graphs (`graph_expectation`).
        symmetric: parameters that are symmetric; the covariances of the laws are in any case.

    Returns:
        An expression free of random symbols. Conditions under which it holds (a finite mean, a
        positive variance) are recorded by `derive(expr).conditions`.

    Raises:
        InfiniteExpectation: if the mean is decidably infinite; the message names the term.
        NoClosedForm: if no rule applies; the message names what stood in the way.
        ValueError: if one name carries two laws, or shapes do not fit.

    >>> from .variables import gaussians
    >>> mu, s, r, t, lam = sp.symbols("mu s r t lam", positive=True)
    >>> a, b = gaussians("a b", mean=[mu, 0], covariance=[[s, r], [r, t]])
    >>> E(sp.erf(lam*a))
    erf(lam*mu/sqrt(2*lam**2*s + 1))
    >>> E(a**2*b**2)
    mu**2*t + 2*r**2 + s*t
    >>> from .variables import GaussianMatrix
    >>> n, d = sp.symbols("n d", integer=True, positive=True)
    >>> A, S = sp.MatrixSymbol("A", d, d), sp.MatrixSymbol("S", d, d)
    >>> X = GaussianMatrix("X", n, d, covariance=S)
    >>> E(X.T*X*A*X.T*X)
    n**2*S*A*S + n*S*A.T*S + (n*Trace(A*S))*S
    """
    if isinstance(expr, sp.MatrixBase):
        expr = expr.as_immutable()
    if isinstance(expr, sp.Basic):
        expr = evaluate_expectations(expr)
    if isinstance(expr, sp.Basic) and not is_random(expr) and matrix_shape(expr) is not None:
        return exact(expr)
    return Evaluation(symmetric=frozenset(symmetric)).value(expr)


def is_of_matrices(expr: Any) -> bool:
    """Whether an expression is matrix-valued, or holds traces, whole prompts, mixtures or masks: words or graphs."""
    if not isinstance(expr, sp.Basic) or not (is_random(expr) and isinstance(expr, (sp.Expr, sp.MatrixBase))):
        return False
    if isinstance(expr, sp.MatrixBase):
        return expr.shape != (1, 1) or any(map(is_of_matrices, expr))
    return matrix_shape(expr) is not None or _holds_matrices(expr)


def _holds_matrices(expr: sp.Basic) -> bool:
    if isinstance(expr, Row):
        return not isinstance(expr.matrix, TokenMatrix)
    if isinstance(expr, RandomRows) or (isinstance(expr, (sp.Trace, MatrixElement, *ENTRYWISE)) and is_random(expr)):
        return True
    if isinstance(expr, Dot) and has_random_middle(expr):
        return True
    return any(_holds_matrices(arg) for arg in expr.args) if not isinstance(expr, Latent) else False


def is_of_vectors(expr: Any) -> bool:
    """Whether an expression is a polynomial in Gaussian vectors and single rows, which words keep in order."""
    if not isinstance(expr, sp.Expr) or not is_random(expr) or not expr.has(GaussianVector, Row):
        return False
    return reads_as_words(expr)


def reads_as_words(expr: sp.Basic) -> bool:
    """Whether a random expression is a polynomial in Gaussian matrices and vectors, made of products and traces."""
    if not is_random(expr):
        return True
    if isinstance(expr, (GaussianScalar, GaussianVector, GaussianMatrix)):
        return True
    if isinstance(expr, MatrixElement) and (is_random(expr.i) or is_random(expr.j)):
        return False
    if isinstance(expr, sp.MatrixBase):
        return False
    if isinstance(expr, Row):
        return isinstance(expr.matrix, GaussianMatrix) and not is_random(expr.index)
    if isinstance(expr, (sp.Pow, sp.MatPow)):
        whole = expr.exp.is_Integer and expr.exp > 0
        return reads_as_words(expr.base) if whole else not _vectors_in(expr)
    if isinstance(expr, WORDS):
        return all(map(reads_as_words, expr.args))
    return not _vectors_in(expr)


WORDS = (sp.Add, sp.Mul, sp.MatAdd, sp.MatMul, sp.Transpose, sp.Trace, Dot, MatrixElement)


def _vectors_in(expr: sp.Basic) -> bool:
    """Whether something random other than scalars takes part."""
    if isinstance(expr, (GaussianVector, RandomRows, Row, Latent)):
        return True
    return any(map(_vectors_in, expr.args)) if not isinstance(expr, GaussianScalar) else False


@dataclass
class Evaluation:
    """One run of the rules: what has been computed so far, and the conditions met on the way.

    `known` replaces scalar products of parameters by symbols as soon as they appear.
    """

    known: Mapping[sp.Expr, sp.Expr] = field(default_factory=dict)
    memory: dict[Moment, dict[Base, sp.Expr]] = field(default_factory=dict)
    conditions: list[sp.Basic] = field(default_factory=list)
    has_tilted: bool = False
    symmetric: frozenset[sp.Expr] = frozenset()

    def value(self, expr: Any) -> sp.Expr:
        """E[expr] as an expression."""
        mean = self._value(expr)
        if mean.has(sp.nan, sp.zoo):
            raise NoClosedForm(f"the rules reach no number for {expr}, but {mean}: a law divides by zero there")
        return mean

    def _value(self, expr: Any) -> sp.Expr:
        if is_of_matrices(expr) or is_of_vectors(expr):
            return self.value_of_matrices(expr)
        try:
            return self.value_of_scalar(expr)
        except NoClosedForm:
            # tokens of unknown groups, positions beside tokens: index graphs know more of them
            if not (isinstance(expr, sp.Basic) and expr.has(Row)):
                raise
            try:
                return self.value_of_matrices(expr)
            except NoClosedForm:
                pass
            raise

    def value_of_matrices(self, expr: sp.Expr) -> sp.Expr:
        """The mean of an expression in matrices, by words where they reach and by index graphs elsewhere."""
        if isinstance(expr, sp.MatrixBase):
            means = expr.applyfunc(self.value)
            return means[0, 0] if expr.shape == (1, 1) else means.as_immutable()
        check_finite_numbers(expr)
        check_one_law_a_name(expr)
        check_shapes(expr)
        self.conditions.extend(size_conditions(expr))
        if reads_as_words(expr):
            mean = without_tilted(matrix_expectation(expr, symmetric=self.symmetric, scalars=self.value_of_scalar))
        else:
            mean = graph_expectation(expr, self.value_of_scalar, self.symmetric, self.conditions)
        return mean.xreplace(dict(self.known))

    def value_of_scalar(self, expr: Any) -> sp.Expr:
        """The mean of an expression in scalars and scalar products."""
        scalar = as_scalar(expr)
        check_one_law_a_name(scalar)
        self.conditions.extend(size_conditions(scalar))
        total: dict[Base, list[sp.Expr]] = {}
        for weight, monomial in self.weighted_monomials(scalar):
            for base, c in self.monomial_value(monomial).items():
                total.setdefault(base, []).append(weight * c)
        parts = (sp.Add(*cs) * base.expr() for base, cs in total.items())
        return without_tilted(sp.Add(*parts)).xreplace(dict(self.known))

    def weighted_monomials(self, scalar: sp.Expr) -> list[tuple[sp.Expr, Monomial]]:
        """The monomials of all representative terms, each once, none of them infinite.

        Raises:
            InfiniteExpectation: if one is, and the others cannot make up for it.
            NoClosedForm: if several are, of which the sum may be finite.
        """
        weights: dict[Monomial, sp.Expr] = {}
        for coefficient, body in representative_terms(scalar):
            for factor, monomial in self.monomials(body):
                weights[monomial] = weights.get(monomial, sp.Integer(0)) + coefficient * factor
        infinite: dict[Monomial, InfiniteExpectation] = {}
        for monomial in weights:
            try:
                check_finite(monomial, self.known)
            except InfiniteExpectation as error:
                infinite[monomial] = error
        if len(infinite) > 1 and any(monomial.gates or monomial.unknown for monomial in infinite):
            shown = ", ".join(str(monomial.expr()) for monomial in list(infinite)[:3])
            raise NoClosedForm(
                f"cannot decide whether the mean is finite: taken one by one the means of {shown} are infinite; "
                "write the factor that decays as one, such as erfc(x) for 1 - erf(x)"
            )
        if infinite:
            raise next(iter(infinite.values()))
        return [(weight, monomial) for monomial, weight in weights.items() if weight != 0]

    def monomials(self, body: sp.Expr) -> list[tuple[sp.Expr, Monomial]]:
        """The scalar products with randomness on both sides removed, then read into monomials."""
        pending = read(body)
        done: dict[Monomial, sp.Expr] = {}
        while pending:
            monomial, coefficient = pending.popitem()
            source = tilted_source(monomial.exponent) if monomial.exponent != 0 else None
            if source is not None:
                step = tilt(monomial.exponent, source, self.symmetric | covariances(monomial.exponent))
                self.conditions.extend(step.conditions)
                self.has_tilted = True
                moved = step.moved(replace(monomial, exponent=sp.Integer(0)).expr())
                for new, c in read(step.normalizer * sp.exp(step.exponent) * moved).items():
                    pending[new] = pending.get(new, sp.Integer(0)) + c * coefficient
                continue
            node = next((n for n, _ in monomial.nodes if degree(n) == 2), None)
            if node is None:
                done[monomial] = done.get(monomial, sp.Integer(0)) + coefficient
                continue
            for new, c in read(stein_on_vectors(monomial.expr(), node)).items():
                pending[new] = pending.get(new, sp.Integer(0)) + c * coefficient
        return [(c, m) for m, c in done.items() if c != 0]

    def monomial_value(self, monomial: Monomial) -> dict[Base, sp.Expr]:
        """The mean of a monomial whose nodes are jointly Gaussian scalars."""
        if monomial == Monomial():
            return {Base(): sp.Integer(1)}
        if (steep := steepest_delta(monomial)) is not None:
            return {Base(function=self.value_of_derivative(monomial, steep)): sp.Integer(1)}
        total: dict[Base, list[sp.Expr]] = {}
        for coefficient, moment in moments_of(monomial, self.known):
            for base, c in moment_value(moment, self.memory, self.conditions).items():
                total.setdefault(base, []).append(coefficient * c)
        return {base: sp.Add(*cs) for base, cs in total.items()}

    def value_of_derivative(self, monomial: Monomial, steep: sp.Expr) -> sp.Expr:
        """E δ⁽ⁿ⁾(ℓ) g = dⁿ/dβⁿ E δ(ℓ + β) g at β = 0."""
        ell, order = steep.args
        beta = sp.Dummy("beta", real=True)
        gates = [(gate, count) for gate, count in monomial.gates if gate != steep]
        shifted = replace(monomial, gates=(*gates, (sp.DiracDelta(ell + beta), 1)))
        value = sp.Add(*(c * base.expr() for base, c in self.monomial_value(shifted).items()))
        return value.diff(beta, int(order)).subs(beta, 0)


def steepest_delta(monomial: Monomial) -> sp.Expr | None:
    """A derivative of a delta function among the gates.

    Raises:
        NoClosedForm: for a power of a delta function, which has no mean.
    """
    deltas = [(gate, count) for gate, count in monomial.gates if isinstance(gate, sp.DiracDelta)]
    if any(count > 1 for _, count in deltas):
        raise NoClosedForm(f"a power of a delta function has no mean: {monomial.expr()}")
    return next((gate for gate, _ in deltas if len(gate.args) > 1 and gate.args[1] != 0), None)


def size_conditions(expr: sp.Expr) -> list[sp.Basic]:
    """That no group of tokens has a negative size, where that is not known."""
    prompts = {node for node in sp.preorder_traversal(expr) if isinstance(node, TokenMatrix)}
    sizes = {group.size for prompt in prompts for group in prompt.groups}
    unknown = (size for size in sizes if not (size.is_nonnegative or (size.is_integer and (size + 1).is_positive)))
    return [sp.Ge(size, 0) for size in sorted(unknown, key=sp.default_sort_key)]


# --- first reading: tokens ----------------------------------------------------------------


def representative_terms(expr: sp.Expr) -> list[tuple[sp.Expr, sp.Expr]]:
    """(count, body) pairs with E[expr] = Σ count · E[body], no sum left in a body."""
    terms: dict[sp.Expr, sp.Expr] = {}
    for coefficient, token_sum in token_sums(expr):
        for count, body in representatives(token_sum):
            terms[body] = terms.get(body, sp.Integer(0)) + coefficient * count
    return [(count, body) for body, count in terms.items() if count != 0]


# --- second reading: vectors --------------------------------------------------------------


def stein_on_vectors(product: sp.Expr, node: Dot) -> sp.Expr:
    """Stein's lemma in vector form, on one factor ⟨x, h⟩ of a product ⟨x, h⟩ g.

        E ⟨x, Bx⟩ g = E ⟨m, Bx⟩ g + tr(ΣB) E g + E ⟨∇g, ΣBx⟩
        E ⟨x, y⟩ g  = E ⟨m, y⟩ g + E ⟨∇g, Σy⟩                   (y independent of x)

    Source: Stein (1981); Isserlis (1918) is the case of a polynomial g.
    """
    rest = product / node
    vector = next(v for v in (node.left, node.right) if is_random(v) and not isinstance(v, sp.MatMul))
    column = vector
    inside = vector.arg if isinstance(vector, sp.Transpose) else vector
    covariance = inside.covariance
    symmetric = frozenset((covariance,))
    other = node.right if node.left == vector else node.left
    image = sp.MatMul(covariance, other) if not isinstance(covariance, sp.Identity) else other
    result = [dot(inside.mean, other) * rest]
    if _contains(other, inside):
        matrix = _matrix_before(other)
        result.append(trace(sp.MatMul(covariance, matrix)) * rest)
    for factor in sorted(_dots(rest), key=sp.default_sort_key):
        if not _contains(factor, inside):
            continue
        symbol = sp.Dummy("y", real=True)
        slope = rest.xreplace({factor: symbol}).diff(symbol).xreplace({symbol: factor})
        derivative = sp.Integer(0)
        if factor.left == column:
            derivative += dot(factor.right, image, symmetric=symmetric)
        if _last(factor.right) == column:
            derivative += dot(linear_part_on_right(factor), image, symmetric=symmetric)
        result.append(slope * derivative)
    return sp.Add(*result)


def linear_part_on_right(node: Dot) -> sp.Expr:
    """u with ⟨left, A₁⋯A_r y⟩ = ⟨y, u⟩."""
    if not isinstance(node.right, sp.MatMul):
        return node.left
    return sp.MatMul(*(sp.Transpose(A).doit() for A in reversed(node.right.args[:-1])), node.left)


def _last(vector: sp.Expr) -> sp.Expr:
    return vector.args[-1] if isinstance(vector, sp.MatMul) else vector


def _matrix_before(vector: sp.Expr) -> sp.Expr:
    return sp.MatMul(*vector.args[:-1]) if isinstance(vector, sp.MatMul) else sp.Identity(vector.shape[0])


def _contains(expr: sp.Basic, part: sp.Basic) -> bool:
    return expr == part or any(_contains(arg, part) for arg in expr.args)


def _dots(expr: sp.Basic) -> set[Dot]:
    if isinstance(expr, Dot):
        return {expr} if is_random(expr) else set()
    return set().union(*(_dots(arg) for arg in expr.args)) if expr.args else set()


# --- third reading: jointly Gaussian scalars ----------------------------------------------


def moments_of(monomial: Monomial, known: Mapping[sp.Expr, sp.Expr]) -> list[tuple[sp.Expr, Moment]]:
    """A monomial as a combination of moments: gates of every kind become signs and steps, smoothed or not."""
    nodes = _nodes(monomial)
    law = joint_law(nodes, known)
    position = {node: i for i, node in enumerate(nodes)}

    def form(expr: sp.Expr) -> Form:
        parts = linear(expr)
        assert parts is not None
        coefficients = [sp.Integer(0)] * len(nodes)
        for node, coefficient in parts[0].items():
            coefficients[position[node]] = coefficient
        return Form(tuple(coefficients), parts[1])

    powers = [0] * len(nodes)
    for node, power in monomial.nodes:
        powers[position[node]] = power
    exponent = _exponent(monomial.exponent, nodes)
    unknown = _unknown_factors(monomial, form)
    waves = tuple(Wave(form(wave.args[0]), isinstance(wave, sp.sin)) for wave, n in monomial.waves for _ in range(n))
    start = Moment(law, tuple(powers), (), (), tuple(sorted(waves, key=Wave.sort_key)), exponent, unknown)
    terms: list[tuple[sp.Expr, tuple[Gate, ...], tuple[Gate, ...]]] = [(sp.Integer(1), (), ())]
    for gate, count in monomial.gates:
        for _ in range(count):
            terms = [term for old in terms for term in _with_gate(old, gate, form)]
    return [
        (
            coefficient,
            Moment(
                law,
                start.powers,
                tuple(sorted(gates, key=Gate.sort_key)),
                tuple(sorted(slopes, key=Gate.sort_key)),
                start.waves,
                exponent,
                unknown,
            ),
        )
        for coefficient, gates, slopes in terms
    ]


def _with_gate(term: tuple, gate: sp.Expr, form: Any) -> list[tuple]:
    coefficient, gates, slopes = term
    argument = gate.args[0]
    half = sp.Rational(1, 2)
    if isinstance(gate, sp.DiracDelta):
        return [(coefficient * half, gates, (*slopes, Gate(form(argument), False)))]
    if isinstance(gate, sp.erf):
        return [(coefficient, (*gates, Gate(form(argument), True)), slopes)]
    if isinstance(gate, sp.sign):
        return [(coefficient, (*gates, Gate(form(argument), False)), slopes)]
    if isinstance(gate, sp.erfc):
        return [(2 * coefficient, (*gates, Gate(form(-argument), True, "tail")), slopes)]
    if isinstance(gate, sp.Heaviside):
        return [(coefficient, (*gates, Gate(form(argument), False, "step")), slopes)]
    return [(coefficient, (*gates, Gate(form(argument / sp.sqrt(2)), True, "step")), slopes)]


def _nodes(monomial: Monomial) -> list[sp.Expr]:
    found: set[sp.Expr] = {node for node, _ in monomial.nodes}
    for factors in (monomial.gates, monomial.waves, monomial.unknown):
        for factor, _ in factors:
            found |= _scalars(factor)
    found |= _scalars(monomial.exponent)
    for node in found:
        if degree(node) == 2:
            raise NoClosedForm(
                f"no rule yet for a function of the quadratic form {node} other than a polynomial: {monomial.expr()}"
            )
    return sorted(found, key=sp.default_sort_key)


def _scalars(expr: sp.Basic) -> set[sp.Expr]:
    if isinstance(expr, (GaussianScalar, Dot)):
        return {expr} if is_random(expr) else set()
    return set().union(*(_scalars(arg) for arg in expr.args)) if expr.args else set()


def _exponent(expr: sp.Expr, nodes: list[sp.Expr]) -> Any:
    if expr == 0:
        return None
    n = len(nodes)
    position = {node: i for i, node in enumerate(nodes)}
    matrix = [[sp.Integer(0)] * n for _ in range(n)]
    vector = [sp.Integer(0)] * n
    terms = polynomial(expr)
    assert terms is not None
    for monomial, coefficient in terms.items():
        indices = [position[node] for node, power in monomial.nodes for _ in range(power)]
        if len(indices) == 1:
            vector[indices[0]] += coefficient
        else:
            i, j = indices
            matrix[i][j] += coefficient / 2
            matrix[j][i] += coefficient / 2
    return tuple(map(tuple, matrix)), tuple(vector)


def _unknown_factors(monomial: Monomial, form: Any) -> tuple[Unknown, ...]:
    """The factors no rule knows, each as a function of linear forms; those that share a form are one factor."""
    found = [_unknown_factor(factor**n, form) for factor, n in monomial.unknown]
    for factor in found:
        if not has_tame_growth(factor.function):
            raise NoClosedForm(
                f"cannot show that the mean of {monomial.expr()} is finite; no rule for {factor.function}"
            )
    return tuple(found)


def _unknown_factor(expr: sp.Expr, form: Any) -> Unknown:
    forms: dict[Form, sp.Symbol] = {}

    def with_placeholders(part: sp.Expr) -> sp.Expr:
        if not is_random(part):
            return part
        parts = linear(part)
        if parts is None:
            return part.func(*(with_placeholders(arg) for arg in part.args))
        if len(parts[0]) > 1:
            return forms.setdefault(form(part), placeholder(len(forms)))
        ((node, coefficient),) = parts[0].items()  # the variable itself, so that f(a) and f(2a) share one form
        return coefficient * forms.setdefault(form(node), placeholder(len(forms))) + parts[1]

    return Unknown(with_placeholders(expr), tuple(forms))


BOUNDED = (sp.erf, sp.erfc, sp.tanh, sp.sin, sp.cos, sp.atan, sp.sign, sp.Heaviside, NormalCDF, sp.sech)


def has_tame_growth(expr: sp.Expr) -> bool:
    """Whether |f(z)| ≤ C e^{c|z|} follows from the way f is written, so that every moment is finite."""
    if expr.is_number or isinstance(expr, sp.Symbol) or not expr.has(*_placeholders(expr)):
        return True
    if isinstance(expr, BOUNDED):
        return True
    if isinstance(expr, (sp.Add, sp.Mul, sp.Max, sp.Min, sp.Abs)):
        return all(has_tame_growth(arg) for arg in expr.args)
    if isinstance(expr, sp.exp):
        z = _placeholders(expr)
        exponent = expr.args[0]
        return _grows_linearly(exponent, z)
    if isinstance(expr, sp.log):
        return _stays_above_a_positive_number(expr.args[0]) and has_tame_growth(expr.args[0])
    if isinstance(expr, sp.Pow) and expr.exp.is_number and expr.exp.is_real:
        if expr.exp.is_positive:
            return has_tame_growth(expr.base)
        return _stays_above_a_positive_number(expr.base)
    return False


def _placeholders(expr: sp.Expr) -> list[sp.Symbol]:
    return sorted((s for s in expr.free_symbols if isinstance(s, sp.Dummy)), key=lambda s: s.name) or [placeholder(0)]


def _grows_linearly(expr: sp.Expr, z: list[sp.Symbol]) -> bool:
    """Whether |expr| ≤ c(1 + |z|) follows from the way it is written."""
    if not expr.has(*z) or isinstance(expr, BOUNDED):
        return True
    if isinstance(expr, (sp.Add, sp.Abs, sp.Max, sp.Min)):
        return all(_grows_linearly(arg, z) for arg in expr.args)
    if isinstance(expr, sp.Mul):
        growing = [arg for arg in expr.args if arg.has(*z) and not isinstance(arg, BOUNDED)]
        return len(growing) <= 1 and all(_grows_linearly(arg, z) for arg in growing)
    return expr in z


def _stays_above_a_positive_number(expr: sp.Expr) -> bool:
    """c + nonnegative terms with c > 0: 1 + e^{−z}, 2 + z², …"""
    if not isinstance(expr, sp.Add):
        return bool(expr.is_number and expr.is_positive)
    constant = sp.Add(*(arg for arg in expr.args if not arg.has(*_placeholders(expr))))
    varying = [arg for arg in expr.args if arg.has(*_placeholders(expr))]
    return bool(constant.is_positive) and all(arg.is_nonnegative for arg in varying)


# --- finiteness ----------------------------------------------------------------------------


DECAYING = (sp.erfc, sp.Heaviside, NormalCDF)


def check_finite(monomial: Monomial, known: Mapping[sp.Expr, sp.Expr]) -> None:
    """Refuse where only the decay of another factor could make the mean finite, or where nothing does.

    Without such factors the tilting rule decides; with gates, on one variable x of variance s, the
    exponent q − 1/(2s) minus the decay rates of the gates decides on each side.
    """
    if monomial.exponent == 0:
        return
    nodes = _nodes(monomial)
    plain = (0,) * len(nodes)
    moment = Moment(joint_law(nodes, known), plain, exponent=_exponent(monomial.exponent, nodes))
    gates = [gate for gate, _ in monomial.gates]
    decaying = [gate for gate in gates if isinstance(gate, DECAYING)]
    deltas = [gate for gate in gates if isinstance(gate, sp.DiracDelta)]
    if deltas and not (decaying or monomial.unknown):
        return  # the law on the line of the delta decides, in the tilting rule
    try:
        tilting(moment)
        return
    except InfiniteExpectation:
        if not (decaying or monomial.unknown):
            raise
    if len(moment.powers) == 1 and not monomial.unknown and not deltas:
        slowest = max(_rate(moment, monomial, side) for side in (1, -1))
        if slowest.is_negative:
            raise NoClosedForm(
                f"E[{monomial.expr()}] is finite only through the decay of {decaying[0]}; no rule evaluates it"
            )
        if slowest.is_positive:
            raise InfiniteExpectation(
                f"E[{monomial.expr()}] is infinite: its integrand grows like exp({slowest}·x²) "
                f"in {moment.law.variables[0]}, more than {decaying[0]} decays"
            )
    other = decaying[0] if decaying else monomial.unknown[0][0]
    raise NoClosedForm(
        f"cannot decide whether E[{monomial.expr()}] is finite: exp({monomial.exponent}) is too large for the "
        f"Gaussian law alone, and no rule weighs it against {other}"
    )


def _rate(moment: Moment, monomial: Monomial, side: int) -> sp.Expr:
    """The coefficient of x² in the logarithm of the integrand as x → ±∞; −∞ where a step vanishes."""
    assert moment.exponent is not None
    rate = moment.exponent[0][0][0] - 1 / (2 * moment.law.covariance[0][0])
    for gate, count in monomial.gates:
        parts = linear(gate.args[0])
        assert parts is not None
        (slope,) = parts[0].values()
        if isinstance(gate, sp.Heaviside) and (slope * side).is_negative:
            return -(sp.Integer(10) ** 9)
        if isinstance(gate, sp.erfc) and (slope * side).is_positive:
            rate -= count * slope**2
        if isinstance(gate, NormalCDF) and (slope * side).is_negative:
            rate -= count * slope**2 / 2
    return rate


# --- laws of scalars -----------------------------------------------------------------------


def joint_law(nodes: list[sp.Expr], known: Mapping[sp.Expr, sp.Expr]) -> JointLaw:
    """The joint law of Gaussian scalars and scalar products ⟨x, u⟩."""
    replacement = dict(known)
    mean = tuple(_mean(node).xreplace(replacement) for node in nodes)
    covariance = tuple(tuple(_covariance(a, b).xreplace(replacement) for b in nodes) for a in nodes)
    return JointLaw(tuple(nodes), mean, covariance)


def _source(node: sp.Expr) -> sp.Basic:
    (source,) = random_sources(node)
    return source


def _functional(node: Dot) -> tuple[sp.Expr, sp.Expr]:
    """The random vector x and the vector u of ⟨x, u⟩."""
    x = _source(node)
    column = sp.Transpose(x) if isinstance(x, Row) else x
    return x, linear_part(node, column)


def _mean(node: sp.Expr) -> sp.Expr:
    if isinstance(node, GaussianScalar):
        return node.family.mean[node.index]
    x, u = _functional(node)
    return dot(x.mean, u)


def _covariance(first: sp.Expr, second: sp.Expr) -> sp.Expr:
    if _source(first) != _source(second):
        return sp.Integer(0)
    if isinstance(first, GaussianScalar):
        return first.family.covariance[first.index, second.index]
    (x, u), (_, w) = _functional(first), _functional(second)
    u, w = sorted((u, w), key=sp.default_sort_key)
    return dot(u, sp.MatMul(x.covariance, w), symmetric=frozenset((x.covariance,)))


# --- entry ---------------------------------------------------------------------------------


def as_scalar(expr: Any) -> sp.Expr:
    """A scalar expression; a 1 × 1 matrix product is the scalar it holds."""
    if isinstance(expr, str):
        raise TypeError(f"expected a sympy expression, got the text {expr!r}; formulas as text go through proofs_check")
    scalar = None if expr is None or isinstance(expr, (list, tuple)) else sp.sympify(expr, strict=True)
    if not isinstance(scalar, (sp.Expr, sp.MatrixBase)):
        raise TypeError(f"expected a scalar expression in random symbols, got {expr!r} of type {type(expr).__name__}")
    check_finite_numbers(scalar)
    if isinstance(scalar, sp.MatrixBase):
        if scalar.shape != (1, 1):
            raise NoClosedForm(f"no rule yet for a matrix-valued expectation of shape {scalar.shape}")
        return as_scalar(scalar[0, 0])
    if getattr(scalar, "is_Matrix", False):
        return _scalar_of_matrix(scalar)
    if scalar.has(sp.Float):
        scalar = exact_decimals(scalar)
    return scalar


def check_finite_numbers(expr: sp.Basic) -> None:
    """Refuse infinities and undefined numbers.

    Raises:
        ValueError: if there is one.
    """
    if expr.has(sp.oo, -sp.oo, sp.zoo, sp.nan):
        raise ValueError(f"expected an expression in finite numbers, got {expr}")


def _scalar_of_matrix(matrix: sp.Expr) -> sp.Expr:
    if matrix.shape != (1, 1):
        raise NoClosedForm(f"no rule yet for a matrix-valued expectation of shape {matrix.shape}: {matrix}")
    if isinstance(matrix, sp.MatAdd):
        return sp.Add(*(_scalar_of_matrix(arg) for arg in matrix.args))
    if isinstance(matrix, sp.MatPow):
        return _scalar_of_matrix(matrix.base) ** matrix.exp
    if isinstance(matrix, sp.Transpose):
        return _scalar_of_matrix(matrix.arg)
    if isinstance(matrix, sp.MatMul):
        coefficient, factors = matrix.as_coeff_matrices()
        if len(factors) >= 2:
            split = next((i for i in range(1, len(factors)) if factors[i].shape[0] == 1), None)
            if split is not None:
                head, tail = sp.MatMul(*factors[:split]), sp.MatMul(*factors[split:])
                return coefficient * _scalar_of_matrix(head) * _scalar_of_matrix(tail)
            return coefficient * dot(factors[0], sp.MatMul(*factors[1:]))
        return coefficient * _scalar_of_matrix(factors[0])
    raise NoClosedForm(f"no rule for the 1 × 1 matrix {matrix}")


def check_shapes(expr: sp.Basic) -> None:
    """Refuse products and sums of matrices whose shapes differ; sympy lets symbolic sizes pass.

    Raises:
        ValueError: with the two shapes.
    """
    for node in sp.preorder_traversal(expr):
        if isinstance(node, sp.MatMul):
            factors = node.as_coeff_matrices()[1]
            pairs = [(first.shape[1], second.shape[0], first, second) for first, second in pairwise(factors)]
        elif isinstance(node, (sp.MatAdd, sp.HadamardProduct)):
            pairs = [
                (size, other, first, second)
                for first, second in pairwise(node.args)
                for size, other in zip(first.shape, second.shape, strict=True)
            ]
        elif isinstance(node, (sp.Trace, sp.MatPow, sp.DiagonalOf)) and getattr(node.args[0], "is_Matrix", False):
            (rows, columns), matrix = node.args[0].shape, node.args[0]
            pairs = [(rows, columns, matrix, matrix)]
        else:
            continue
        for size, other, first, second in pairs:
            if size != other and sp.expand(size - other) != 0:
                raise ValueError(
                    f"expected matrices whose shapes fit in {node}, got {first} of shape {first.shape} "
                    + (f"and {second} of shape {second.shape}" if first is not second else "which is not square")
                )


def check_one_law_a_name(expr: sp.Expr) -> None:
    """Refuse an expression in which one name carries two laws.

    Raises:
        ValueError: naming it.
    """
    laws: dict[str, sp.Basic] = {}
    for node in sp.preorder_traversal(expr):
        named: list[tuple[str, sp.Basic]] = []
        if isinstance(node, GaussianFamily):
            named = [(name, node) for name in node.names]
        elif isinstance(node, (GaussianVector, RandomRows, Latent)):
            named = [(node.name, node)]
        for name, law in named:
            if laws.setdefault(name, law) != law:
                raise ValueError(
                    f"the name {name} carries two laws in one expression; give the second variable another name"
                )
