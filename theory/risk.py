"""Population risks: the waist of the hourglass.

    R = E loss(Y, T(X))

`population_risk` writes the expectation and lets `E` do the work. The result is a `Risk`: an
expression in the model's parameters and in scalar products of its vectors, or in the overlaps
that the caller names. Gradients, Hessians and restrictions are sympy and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import sympy as sp

from .domain import Domain
from .expectation import Evaluation
from .gradient import derivative
from .latex import related
from .laws import Law
from .layers import Layer
from .variables import Dot
from .words import covariances

__all__ = ["Risk", "population_risk", "squared_error"]


def squared_error(target: sp.Expr, prediction: sp.Expr) -> sp.Expr:
    """The squared error (Y − T)², without a factor one half; ‖Y − T‖² for vectors and matrices.

    >>> squared_error(*sp.symbols("Y T"))
    (-T + Y)**2
    """
    error = target - prediction
    if getattr(error, "is_Matrix", False):
        return sp.Trace(sp.MatMul(sp.Transpose(error), error))
    return error**2


@dataclass(frozen=True)
class Risk:
    """A population risk as a function of its parameters.

    Args:
        expr: the risk.
        parameters: what it is differentiated in, usually the overlaps.
        domain: where it is defined; None for everywhere.
        source: where the model is from.
        conditions: what the derivation needed (finite means, positive variances).
        symmetric: matrices in it that are symmetric, such as the covariances of the law.

    >>> kappa, nu = sp.symbols("kappa nu", real=True)
    >>> Risk(kappa**2 - 2*kappa*nu, (kappa, nu)).gradient()[kappa]
    2*kappa - 2*nu
    """

    expr: sp.Expr
    parameters: tuple[sp.Expr, ...]
    domain: Domain | None = None
    source: str = ""
    conditions: tuple[sp.Basic, ...] = ()
    symmetric: frozenset[sp.Expr] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        for parameter in self.parameters:
            if not isinstance(parameter, (sp.Symbol, Dot, sp.MatrixSymbol)):
                raise TypeError(
                    f"expected symbols, scalar products or vectors as parameters, got {parameter!r} "
                    f"of type {type(parameter).__name__}"
                )

    def gradient(self) -> dict[sp.Expr, sp.Expr]:
        """The derivatives by parameter: partial ones, and gradients in vectors."""
        return dict(self._gradient)

    @cached_property
    def _gradient(self) -> dict[sp.Expr, sp.Expr]:
        return {parameter: derivative(self.expr, parameter, self.symmetric) for parameter in self.parameters}

    def hessian(self) -> sp.ImmutableDenseMatrix:
        """The matrix of second derivatives, in the order of the parameters."""
        rows = [[derivative(slope, p, self.symmetric) for p in self.parameters] for slope in self._gradient.values()]
        return sp.ImmutableDenseMatrix(rows)

    def restrict(self, values: Mapping[sp.Expr, Any]) -> Risk:
        """The risk with some symbols replaced; parameters that are given a value are parameters no more.

        >>> x, y = sp.symbols("x y", real=True)
        >>> Risk(x*y + y**2, (x, y)).restrict({x: 0})
        Risk(expr=y**2, parameters=(y,), domain=None, source='', conditions=())
        """
        known = {key: sp.sympify(value, strict=True) for key, value in values.items()}
        unknown = [key for key in known if key not in self.parameters and key not in self.expr.free_symbols]
        if unknown:
            names = ", ".join(map(str, self.parameters))
            raise ValueError(f"expected parameters or symbols of the risk ({names}, …), got {unknown[0]}")
        remaining = tuple(p for p in self.parameters if p not in known)
        domain = self.domain.restrict(known) if self.domain is not None else None
        return replace(self, expr=self.expr.subs(known), parameters=remaining, domain=domain)

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {related(sp.Symbol('R'), '=', self.expr)}$"


def population_risk(
    law: Law,
    layer: Layer,
    loss: Callable[[sp.Expr, sp.Expr], sp.Expr] = squared_error,
    *,
    overlaps: Mapping[sp.Expr, sp.Expr] | None = None,
    parameters: tuple[sp.Expr, ...] | None = None,
    domain: Domain | None = None,
    source: str = "",
) -> Risk:
    """The population risk R = E loss(Y, T(X)) of a layer under a law.

    Args:
        law: tokens and target.
        layer: the prediction.
        loss: a function of target and prediction; default the squared error.
        overlaps: names for scalar products of parameters, such as {dot(k, k_star): kappa}.
        parameters: what the risk is a function of; default the overlaps that are symbols, else the matrices
            that the layer brings with it and the law does not have, else the scalar products that appear in it.
        domain: where it is asserted.
        source: where the model is from.

    Returns:
        The risk, with the conditions met in its derivation.

    Raises:
        InfiniteExpectation, NoClosedForm: as `E` does, naming the term.
    """
    known = dict(overlaps or {})
    evaluation = Evaluation(known=known)
    tokens, target = law.tokens(), law.target()
    prediction = layer.predict(tokens)
    expr = evaluation.value(loss(target, prediction))
    if parameters is None:
        named = dict.fromkeys(s for s in known.values() if isinstance(s, sp.Symbol) and s in expr.free_symbols)
        own = prediction.atoms(sp.MatrixSymbol) - tokens.atoms(sp.MatrixSymbol) - target.atoms(sp.MatrixSymbol)
        matrices = sorted((W for W in own if 1 not in W.shape and expr.has(W)), key=sp.default_sort_key)
        parameters = tuple(named) or tuple(matrices) or tuple(sorted(_dots(expr), key=sp.default_sort_key))
    conditions = tuple(dict.fromkeys(evaluation.conditions))
    return Risk(expr, parameters, domain, source, conditions, covariances(sp.Tuple(tokens, target, prediction)))


def _dots(expr: sp.Basic) -> set[Dot]:
    if isinstance(expr, Dot):
        return {expr}
    return set().union(*(_dots(arg) for arg in expr.args)) if expr.args else set()
