r"""Gradients that a statement holds as they are written, and derivatives of what the rules return.

    Gradient(f, s)    a scalar:              ∂f/∂s          for a symbol s
    Gradient(f, k)    of the shape of k:     (∂f/∂k_ij)     for a vector or a matrix k, its entries independent

f is a scalar, which may hold means: the gradient of a mean is that of its closed form. `Gradient` is the
unevaluated node, with `.doit()`; `derivative` is the operation. Scalars inside traces and scalar products are
differentiated here,

    ∂ tr(M)/∂s = tr(∂M/∂s),   ∂M⁻¹/∂s = −M⁻¹ (∂M/∂s) M⁻¹,   ∂ det M/∂s = det(M) tr(M⁻¹ ∂M/∂s),

since sympy takes a trace for a constant where the symbol stands in an inverse. Matrices are those of
`matrix_gradient`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp
from sympy.matrices.expressions.diagonal import DiagMatrix, DiagonalMatrix, DiagonalOf
from sympy.matrices.expressions.matexpr import MatrixElement

from .expectation import Expectation, as_scalar
from .gaussian import NoClosedForm
from .graph_reading import matrix_shape
from .matrix_gradient import matrix_gradient
from .reading import is_random, random_sources
from .statement import evaluate_expectations
from .variables import Dot, dot
from .words import covariances

__all__ = ["Gradient", "MatrixGradient", "derivative"]


def derivative(expr: sp.Expr, parameter: sp.Expr, symmetric: frozenset[sp.Expr] = frozenset()) -> sp.Expr:
    """The derivative of a scalar in a symbol, taken as real so that |x| differentiates; the gradient in a matrix.

    Args:
        expr: a scalar expression free of unevaluated means.
        parameter: a symbol, a scalar product that stands for itself, or a matrix symbol.
        symmetric: matrices known to be symmetric.

    Raises:
        NoClosedForm: where the parameter stands inside something that no rule differentiates.
        ValueError: if the parameter belongs to the law of a random variable in the expression.

    >>> d, s = sp.Symbol("d", integer=True, positive=True), sp.Symbol("s", positive=True)
    >>> A = sp.MatrixSymbol("A", d, d)
    >>> derivative(s**2 * sp.Trace((A + s*sp.Identity(d)).I), s)
    -s**2*Trace((s*I + A)**(-2)) + 2*s*Trace((s*I + A)**(-1))
    """
    if isinstance(parameter, sp.MatrixSymbol):
        return matrix_gradient(expr, parameter, known=symmetric)
    for variable in random_sources(expr) if is_random(expr) else ():
        if parameter in variable.free_symbols:
            raise ValueError(
                f"expected a law free of {parameter}, got the variable {variable}; take the expectation first"
            )
    if parameter.is_Symbol and parameter.is_real:
        return _slope(expr, parameter)
    symbol = sp.Dummy("y", real=True)
    return _slope(expr.xreplace({parameter: symbol}), symbol).xreplace({symbol: parameter})


FORMS = (sp.Trace, Dot, sp.Determinant, MatrixElement)


def _slope(expr: sp.Expr, s: sp.Symbol) -> sp.Expr:
    """∂f/∂s: sympy's, but for traces and forms that hold s, and what holds these."""
    if not any(node.has(s) for node in _matrices_and_forms(expr)):
        return expr.diff(s)
    if isinstance(expr, sp.Trace):
        return sp.Trace(_matrix_slope(expr.arg, s)).doit()
    if isinstance(expr, Dot):
        return dot(_matrix_slope(expr.left, s), expr.right) + dot(expr.left, _matrix_slope(expr.right, s))
    if isinstance(expr, sp.Determinant):
        return expr * sp.Trace(sp.MatMul(sp.Inverse(expr.arg), _matrix_slope(expr.arg, s))).doit()
    if isinstance(expr, MatrixElement):
        return _matrix_slope(expr.parent, s)[expr.i, expr.j]
    if isinstance(expr, sp.Sum) and not any(s in limit.free_symbols for limit in expr.limits):
        return sp.Sum(_slope(expr.function, s), *expr.limits)
    if any(not isinstance(arg, sp.Expr) or getattr(arg, "is_Matrix", False) for arg in expr.args):
        raise NoClosedForm(f"no rule for the derivative of {expr} with respect to {s}")
    places = [sp.Dummy(f"t{i}", real=True) for i in range(len(expr.args))]
    back = dict(zip(places, expr.args, strict=True))
    outer = expr.func(*places)
    return sp.Add(*(outer.diff(t).xreplace(back) * _slope(arg, s) for t, arg in back.items() if arg.has(s)))


def _matrices_and_forms(expr: sp.Basic) -> list[sp.Basic]:
    """The outermost of them."""
    found, walk = [], sp.preorder_traversal(expr)
    for node in walk:
        if isinstance(node, FORMS) or getattr(node, "is_Matrix", False):
            found.append(node)
            walk.skip()
    return found


def _matrix_slope(M: sp.Expr, s: sp.Symbol) -> sp.Expr:
    """∂M/∂s, entry by entry."""
    if not M.has(s):
        return sp.ZeroMatrix(*M.shape)
    if isinstance(M, sp.MatrixBase):
        return M.applyfunc(lambda entry: _slope(entry, s)).as_immutable()
    if isinstance(M, (sp.MatAdd, sp.Transpose, DiagMatrix, DiagonalMatrix, DiagonalOf)):
        return M.func(*(_matrix_slope(arg, s) for arg in M.args)).doit(deep=False)
    if isinstance(M, sp.MatMul):
        scale, factors = M.as_coeff_matrices()
        terms = [sp.MatMul(_slope(scale, s), *factors)] if scale.has(s) else []
        for i, factor in enumerate(factors):
            if factor.has(s):
                terms.append(sp.MatMul(scale, *factors[:i], _matrix_slope(factor, s), *factors[i + 1 :]))
        return sp.MatAdd(*terms).doit(deep=False)
    if isinstance(M, sp.Inverse):
        return sp.MatMul(-1, M, _matrix_slope(M.arg, s), M).doit(deep=False)
    if isinstance(M, sp.MatPow) and M.exp.is_Integer:
        power = sp.MatMul(*[M.base] * abs(int(M.exp)), evaluate=False)
        return _matrix_slope(power if M.exp > 0 else sp.Inverse(power), s)
    if isinstance(M, sp.HadamardProduct):
        terms = [
            sp.HadamardProduct(*M.args[:i], _matrix_slope(factor, s), *M.args[i + 1 :])
            for i, factor in enumerate(M.args)
            if factor.has(s)
        ]
        return sp.MatAdd(*terms).doit(deep=False)
    raise NoClosedForm(f"no rule for the derivative of {M} with respect to {s}")


BRACKETED = (Expectation, sp.Trace, Dot)

# --- the nodes -----------------------------------------------------------------------------


def _function(expr: Any) -> sp.Expr:
    """What a gradient is taken of: a scalar expression, or the formula of a risk."""
    if not isinstance(expr, sp.Basic) and isinstance(getattr(expr, "expr", None), sp.Basic):
        expr = expr.expr
    shape = matrix_shape(expr) if isinstance(expr, sp.Basic) else None
    if shape is not None and shape != (1, 1):
        raise ValueError(f"expected a scalar to take the gradient of, got {expr} of shape {shape}")
    return as_scalar(expr) if shape is not None or not isinstance(expr, sp.Expr) else expr


def _parameter(parameter: Any) -> sp.Expr:
    if not isinstance(parameter, (sp.Symbol, sp.MatrixSymbol)):
        raise TypeError(
            f"expected a symbol, a vector or a matrix symbol to differentiate by, got {parameter!r} "
            f"of type {type(parameter).__name__}"
        )
    if isinstance(parameter, sp.Symbol) and parameter.is_integer:
        raise ValueError(f"expected a parameter that takes real values, got the integer {parameter}")
    return parameter


def _closed_form(function: sp.Expr, parameter: sp.Expr) -> sp.Expr:
    """Means first, then the derivative."""
    value = evaluate_expectations(function)
    if not value.has(parameter):
        return sp.ZeroMatrix(*parameter.shape) if isinstance(parameter, sp.MatrixSymbol) else sp.Integer(0)
    return derivative(value, parameter, covariances(function))


def _replaced(node: Any, rule: Mapping[sp.Basic, sp.Basic]) -> tuple[sp.Basic, bool]:
    """A replacement below ∇: as it is where it commutes with the derivative, in the closed form elsewhere."""
    if node in rule:
        return rule[node], True
    function, parameter = node.args
    touched = {old: new for old, new in rule.items() if node.has(old)}
    if not touched:
        return node, False
    renamed = parameter.xreplace(touched)
    stays = renamed == parameter or (
        isinstance(renamed, (sp.Symbol, sp.MatrixSymbol)) and not function.has(renamed) and not renamed.is_integer
    )
    independent = all(
        old == parameter or not (old.has(parameter) or new.has(parameter, renamed)) for old, new in touched.items()
    )
    if stays and independent:
        return Gradient(function.xreplace(touched), renamed), True
    return node.doit().xreplace(dict(rule)), True


class Gradient(sp.Expr):
    """The gradient of a scalar in one of its parameters, unevaluated: ∇_k f.

    Args:
        expr: a scalar expression, which may hold `Expectation`, or a `Risk`.
        parameter: a symbol, a d × 1 matrix symbol or a matrix symbol.

    Raises:
        TypeError: if the parameter is none of these.
        ValueError: if the expression is no scalar, or the parameter an integer.

    >>> from .variables import GaussianVector, dot
    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> k, S = sp.MatrixSymbol("k", d, 1), sp.MatrixSymbol("S", d, d)
    >>> x = GaussianVector("x", d, covariance=S)
    >>> slope = Gradient(Expectation(dot(x, k)**2), k)
    >>> slope.shape, slope.doit()
    ((d, 1), 2*S*k)
    >>> s = sp.Symbol("s")
    >>> Gradient(s**2, s).doit(), Gradient(d, s).doit()
    (2*s, 0)
    """

    is_commutative = True
    prints_in_front = True

    def __new__(cls, expr: Any, parameter: Any) -> Any:
        function, parameter = _function(expr), _parameter(parameter)
        if isinstance(parameter, sp.MatrixSymbol):
            return MatrixGradient(function, parameter)
        return super().__new__(cls, function, parameter)

    @property
    def is_bracketed(self) -> bool:
        """Whether ∇ is printed with a bracket: what it acts on has none of its own."""
        return not isinstance(self.args[0], BRACKETED)

    def doit(self, **hints: Any) -> sp.Expr:
        """The closed form."""
        return _closed_form(*self.args)

    def _eval_is_extended_real(self) -> bool | None:
        return self.args[0].is_extended_real

    def _eval_derivative(self, symbol: sp.Symbol) -> sp.Expr:
        return self.doit().diff(symbol)

    def _eval_subs(self, old: sp.Basic, new: sp.Basic) -> sp.Expr:
        return _replaced(self, {old: new})[0]

    def _xreplace(self, rule: Mapping[sp.Basic, sp.Basic]) -> tuple[sp.Basic, bool]:
        return _replaced(self, rule)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = _latex_of(self, printer)
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


class MatrixGradient(sp.MatrixExpr):
    """The gradient of a scalar in a vector or a matrix, unevaluated; what `Gradient` makes of one.

    sympy's operators on matrices evaluate what they meet: `sp.MatMul(2, slope)` keeps the node, `2*slope` does not.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> A, W = sp.MatrixSymbol("A", d, d), sp.MatrixSymbol("W", d, d)
    >>> Gradient(sp.Trace(A*W), W), Gradient(sp.Trace(A*W), W).doit()
    (Gradient(Trace(A*W), W), A.T)
    """

    is_commutative = False
    prints_in_front = True

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """The shape of the parameter."""
        return self.args[1].shape

    @property
    def is_bracketed(self) -> bool:
        """Whether ∇ is printed with a bracket: what it acts on has none of its own."""
        return not isinstance(self.args[0], BRACKETED)

    def doit(self, **hints: Any) -> sp.Expr:
        """The closed form."""
        return _closed_form(*self.args)

    def _entry(self, i: Any, j: Any, **kwargs: Any) -> sp.Expr:
        return MatrixElement(self, i, j)

    def _eval_subs(self, old: sp.Basic, new: sp.Basic) -> sp.Expr:
        return _replaced(self, {old: new})[0]

    def _xreplace(self, rule: Mapping[sp.Basic, sp.Basic]) -> tuple[sp.Basic, bool]:
        return _replaced(self, rule)

    def _sympystr(self, printer: Any) -> str:
        return f"Gradient({printer._print(self.args[0])}, {printer._print(self.args[1])})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = _latex_of(self, printer)
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


def _latex_of(node: Any, printer: Any) -> str:
    function, parameter = node.args
    body = printer._print(function)
    if node.is_bracketed:
        body = rf"\left({body}\right)"
    return rf"\nabla_{{{printer._print(parameter)}}} {body}"
