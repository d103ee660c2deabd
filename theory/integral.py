"""What no rule can close: a Gaussian integral of the smallest dimension the rules reach.

    GaussianIntegral(f(t₁, …, t_r), (t₁, …, t_r)) = ∫ f(t) φ(t₁)⋯φ(t_r) dt

with φ the standard normal density. The node is a number like any other to sympy: it can be
differentiated in its parameters, substituted into, printed. `numerics.ball` gives it a
certified value when r = 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

import sympy as sp

__all__ = ["GaussianIntegral"]


class GaussianIntegral(sp.Expr):
    """Mean of f(t) over independent standard normal variables t₁, …, t_r.

        GaussianIntegral(f, (t₁, …, t_r)) = E f(t),    t ~ N(0, I_r)

    Args:
        integrand: a sympy expression in the variables and any parameters.
        variables: the symbols integrated over; they are bound, so their names carry no meaning.

    Raises:
        TypeError: if a variable is not a symbol.

    >>> t, a = sp.symbols("t a", real=True)
    >>> GaussianIntegral(sp.tanh(a*t)**2, (t,)).free_symbols
    {a}
    """

    is_commutative = True

    def __new__(cls, integrand: sp.Expr, variables: Iterable[sp.Symbol]) -> GaussianIntegral:
        symbols = sp.Tuple(*variables)
        for symbol in symbols:
            if not isinstance(symbol, sp.Symbol):
                raise TypeError(f"expected symbols as variables of a GaussianIntegral, got {symbol!r}")
        function = sp.sympify(integrand, strict=True)
        taken = {symbol.name for symbol in function.atoms(sp.Symbol) - set(symbols)}
        names = (name for name in (f"t_{i}" for i in count()) if name not in taken)
        renaming = {symbol: sp.Symbol(name, real=True) for symbol, name in zip(symbols, names, strict=False)}
        return super().__new__(cls, function.xreplace(renaming), sp.Tuple(*renaming.values()))

    @property
    def integrand(self) -> sp.Expr:
        """The function integrated, in the bound variables."""
        return self.args[0]

    @property
    def variables(self) -> tuple[sp.Symbol, ...]:
        """The bound variables."""
        return tuple(self.args[1])

    @property
    def dimension(self) -> int:
        """The number of variables integrated over."""
        return len(self.args[1])

    @property
    def free_symbols(self) -> set[sp.Basic]:
        """The parameters: everything in the integrand that is not bound."""
        return self.integrand.free_symbols - set(self.variables)

    @property
    def bound_symbols(self) -> list[sp.Basic]:
        """The variables, as sympy's substitution wants them."""
        return list(self.variables)

    def _eval_is_extended_real(self) -> bool | None:
        return self.integrand.is_extended_real

    def _eval_derivative(self, symbol: sp.Symbol) -> sp.Expr:
        if symbol in self.variables:
            return sp.Integer(0)
        derivative = self.integrand.diff(symbol)
        return sp.Integer(0) if derivative == 0 else GaussianIntegral(derivative, self.variables)

    def _eval_subs(self, old: sp.Basic, new: sp.Basic) -> sp.Expr | None:
        if old in self.variables:
            return self
        return GaussianIntegral(self.integrand.subs(old, new), self.variables)

    def _latex(self, printer, exp=None) -> str:  # type: ignore[no-untyped-def]
        names = ", ".join(printer._print(t) for t in self.variables)
        body = rf"\mathbb{{E}}_{{{names} \sim \mathcal{{N}}(0,1)}}\left[{printer._print(self.integrand)}\right]"
        return body if exp is None else rf"\left({body}\right)^{{{exp}}}"
