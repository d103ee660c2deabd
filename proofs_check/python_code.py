"""Expressions as Python code that builds them again, readable, for scripts that reproduce a witness.

    (2/π) asin(2 λ²/(1 + 2 λ²))   ->   2*sp.asin(2*lam**2/(2*lam**2 + 1))/sp.pi

What sympy exports is written `sp.name`, what `theory` exports by its name, which the script imports; symbols and
random symbols become assignments above the formula. Anything else is refused by name. Nothing is run here.

Definitions: `PythonCode` collects names, imports and assignments while it writes expressions.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import sympy as sp
from sympy.core.symbol import Str
from sympy.printing.str import StrPrinter

from theory import integral, special, variables
from theory.expectation import Expectation, MatrixExpectation
from theory.gradient import Gradient, MatrixGradient
from theory.variables import (
    GaussianFamily,
    GaussianMatrix,
    GaussianScalar,
    GaussianVector,
    Labels,
    Latent,
    Mask,
    MixtureMatrix,
    RandomRows,
    Row,
    TokenGroup,
    Tokens,
)

__all__ = ["NoPythonCode", "PythonCode"]

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*")
_TAKEN = frozenset(
    {
        "sp",
        "at",
        "ball",
        "dot",
        "entrywise_mean",
        "exact_value",
        "gaussians",
        "literal_value",
        "print",
        "side",
        "theory",
    }
)
_ASSUMED = ("real", "integer", "positive", "negative", "nonnegative", "nonpositive", "nonzero")
_OURS = {
    name: getattr(module, name)
    for module in (integral, special, variables)
    for name in module.__all__
    if isinstance(getattr(module, name), type)
}


class NoPythonCode(NotImplementedError):
    """An expression holds something that has no constructor among the public names."""


@dataclass
class PythonCode:
    """Writes expressions, and remembers what stands above them.

    >>> x = sp.Symbol("x", real=True)
    >>> code = PythonCode()
    >>> code.write(sp.erf(x/2)**2 + sp.Rational(1, 3))
    'sp.erf(x/2)**2 + sp.Rational(1, 3)'
    >>> code.assignments()
    ['x = sp.Symbol("x", real=True)']
    """

    names: dict[sp.Basic, str] = field(default_factory=dict)
    imported: set[str] = field(default_factory=set)
    laws: list[str] = field(default_factory=list)

    def write(self, expr: sp.Basic) -> str:
        """The code of an expression.

        Raises:
            NoPythonCode: for a node without a public constructor.
        """
        return _Printer(self).doprint(sp.sympify(expr, strict=True))

    def write_value(self, value: Any) -> str:
        """The code of an exact number or of a table of them, as short as the reader of values allows."""
        if isinstance(value, sp.MatrixBase):
            rows = (", ".join(self.write_value(entry) for entry in row) for row in value.tolist())
            return "[" + ", ".join(f"[{row}]" for row in rows) + "]"
        return self.write(value)

    def write_point(self, point: Mapping[sp.Basic, Any]) -> str:
        """The code of a dict from symbols to values."""
        return "{" + ", ".join(f"{self.write(s)}: {self.write_value(x)}" for s, x in point.items()) + "}"

    def assignments(self) -> list[str]:
        """The lines that make the symbols, then the random symbols, in an order that works."""
        return [*self._symbols(), *self._matrices(), *self.laws]

    def _symbols(self) -> list[str]:
        groups: dict[str, list[sp.Symbol]] = {}
        for symbol in self.names:
            if isinstance(symbol, sp.Symbol):
                kind = "Dummy" if isinstance(symbol, sp.Dummy) else "Symbol"
                groups.setdefault(f"{kind}|{_assumptions(symbol)}", []).append(symbol)
        lines = []
        for key, symbols in groups.items():
            kind, _, assumed = key.partition("|")
            together = kind == "Symbol" and len(symbols) > 1 and all(_PLAIN.fullmatch(s.name) for s in symbols)
            left = ", ".join(self.names[s] for s in symbols)
            if together:
                lines.append(f"{left} = sp.symbols({_quoted(' '.join(s.name for s in symbols))}{assumed})")
            else:
                made = (f"sp.{kind}({_quoted(s.name)}{assumed})" for s in symbols)
                lines.append(f"{left} = {', '.join(made)}")
        return lines

    def _matrices(self) -> list[str]:
        matrices = [symbol for symbol in self.names if isinstance(symbol, sp.MatrixSymbol)]
        if not matrices:
            return []
        made = [
            f"sp.MatrixSymbol({_quoted(m.name)}, {self.write(m.shape[0])}, {self.write(m.shape[1])})" for m in matrices
        ]
        return [f"{', '.join(self.names[m] for m in matrices)} = {', '.join(made)}"]

    def identifier(self, symbol: sp.Basic, name: str) -> str:
        """The Python name of a symbol, another one for each."""
        if symbol not in self.names:
            plain = re.sub(r"[^0-9A-Za-z_]", "_", name) or "s"
            plain = f"s_{plain}" if not plain[0].isalpha() else plain
            plain += "_" * (keyword.iskeyword(plain) or plain in _TAKEN or plain in _OURS)
            while plain in self.names.values():
                plain += "_"
            self.names[symbol] = plain
        return self.names[symbol]

    def of_symbol(self, symbol: Any) -> str:
        """The name of a symbol or a matrix symbol, whose sizes are named before it."""
        if isinstance(symbol, sp.MatrixSymbol):
            for size in symbol.shape:
                self.write(size)
        return self.identifier(symbol, str(symbol.name))

    def of_variable(self, variable: Any) -> str:
        """The name of a random symbol, whose law becomes a line above."""
        if variable in self.names:
            return self.names[variable]
        law = self._law(variable)
        name = self.identifier(variable, str(variable.name))
        self.laws.append(f"{name} = {law}")
        return name

    def of_scalar(self, scalar: GaussianScalar) -> str:
        """The name of a Gaussian scalar; the family's line names all of its members."""
        family: GaussianFamily = scalar.family
        if scalar not in self.names:
            mean, covariance = family.args[1], family.covariance
            call = [_quoted(" ".join(str(name) for name in family.names))]
            if any(entry != 0 for entry in mean):
                call.append(f"mean=[{', '.join(self.write(entry) for entry in mean)}]")
            if covariance != sp.eye(len(family.names)):
                call.append(f"covariance={self.write_value(covariance)}")
            members = [GaussianScalar(family, i) for i in range(len(family.names))]
            left = ", ".join(self.identifier(member, member.name) for member in members)
            self.imported.add("gaussians")
            self.laws.append(f"{left}{',' if len(members) == 1 else ''} = gaussians({', '.join(call)})")
        return self.names[scalar]

    def _law(self, variable: Any) -> str:
        name = _quoted(str(variable.name))
        match variable:
            case GaussianVector():
                d = variable.shape[0]
                return self._call(
                    "GaussianVector", name, self.write(d), **self._moments(variable.mean, variable.covariance, d)
                )
            case GaussianMatrix():
                group, d = variable.groups[0], variable.shape[1]
                sizes = (self.write(group.size), self.write(d))
                return self._call("GaussianMatrix", name, *sizes, **self._moments(group.mean, group.covariance, d))
            case Tokens():
                groups = ", ".join(self._group(group, variable.shape[1]) for group in variable.groups)
                return self._call("Tokens", name, self.write(variable.shape[1]), f"[{groups}]")
            case Latent():
                return self._call("Latent", name, self.write(variable.size))
            case Labels():
                return self._call("Labels", name, self.write(variable.shape[0]), self._listed(variable.weights))
            case MixtureMatrix():
                covariance = variable.covariances
                one = covariance[0] if isinstance(covariance, sp.Tuple) and len(covariance) == 1 else covariance
                named = {"weights": self._listed(variable.weights), "means": self._listed(variable.means)}
                named["covariance"] = self._listed(one) if isinstance(one, sp.Tuple) else self.write(one)
                return self._call("MixtureMatrix", name, *(self.write(size) for size in variable.shape), **named)
            case Mask() if len(variable.args[3]) < 2:
                kind, parameters = variable.law
                listed = ", ".join(self.write(parameter) for parameter in parameters)
                named = {kind: f"[{listed}]" if kind in ("rate", "moments") else listed}
                if not variable.is_vector:
                    named["rows"] = self.write(variable.shape[0])
                return self._call("Mask", name, self.write(variable.args[1]), **named)
        raise NoPythonCode(
            f"no constructor is known for the random symbol {variable} of type {type(variable).__name__}"
        )

    def _moments(self, mean: Any, covariance: Any, d: sp.Expr) -> dict[str, str]:
        """The arguments of a law that are not the default."""
        named = {}
        if mean is not None and mean != sp.ZeroMatrix(d, 1):
            named["mean"] = self.write(mean)
        if covariance is not None and covariance != sp.Identity(d):
            named["covariance"] = self.write(covariance)
        return named

    def _group(self, group: TokenGroup, d: sp.Expr) -> str:
        named = self._moments(group.mean, group.covariance, d)
        if group.at is not None:
            named["at"] = self.write(group.at)
        return self._call("TokenGroup", self.write(group.size), **named)

    def _listed(self, entries: Any) -> str:
        """A column or a tuple as a list; a symbol as it is."""
        if isinstance(entries, (sp.Tuple, sp.MatrixBase)):
            return f"[{', '.join(self.write(entry) for entry in entries)}]"
        return self.write(entries)

    def _call(self, constructor: str, *arguments: str, **named: str) -> str:
        self.imported.add(constructor)
        return f"{constructor}({', '.join([*arguments, *(f'{key}={x}' for key, x in named.items())])})"


class _Printer(StrPrinter):
    """sympy's text of an expression, with every name made one that Python knows."""

    printmethod = "_python_code"  # and not the text that an expression has for readers

    def __init__(self, code: PythonCode) -> None:
        super().__init__({"full_prec": False})
        self._code = code

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        return self._code.of_symbol(expr)

    _print_Dummy = _print_Symbol
    _print_MatrixSymbol = _print_Symbol

    def _print_Rational(self, expr: sp.Rational) -> str:
        return f"sp.Rational({expr.p}, {expr.q})"

    _print_Half = _print_Rational

    def _print_Integer(self, expr: sp.Integer) -> str:
        return str(int(expr))

    def _print_NumberSymbol(self, expr: sp.Basic) -> str:
        return f"sp.{expr}"

    _print_Exp1 = _print_Pi = _print_NumberSymbol

    def _print_Float(self, expr: sp.Float) -> str:
        raise NoPythonCode(f"expected exact numbers, got the float {expr}")

    def _print_ImaginaryUnit(self, expr: sp.Basic) -> str:
        return "sp.I"

    def _print_Infinity(self, expr: sp.Basic) -> str:
        return "sp.oo"

    def _print_NegativeInfinity(self, expr: sp.Basic) -> str:
        return "-sp.oo"

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        if expr.exp in (sp.S.Half, -sp.S.Half) and not rational:
            root = f"sp.sqrt({self._print(expr.base)})"
            return root if expr.exp > 0 else f"1/{root}"
        if expr.exp == -1 and isinstance(expr.base, sp.Integer):
            return self._print_Rational(sp.Rational(1, expr.base))
        return super()._print_Pow(expr, rational)

    def _print_Tuple(self, expr: sp.Tuple) -> str:
        return f"({', '.join(map(self._print, expr))}{',' if len(expr) == 1 else ''})"

    def _print_MatrixBase(self, expr: sp.MatrixBase) -> str:
        return f"sp.Matrix({self._code.write_value(expr)})"

    _print_ImmutableDenseMatrix = _print_ImmutableMatrix = _print_DenseMatrix = _print_MatrixBase

    def _print_Transpose(self, expr: Any) -> str:
        inner = self._print(expr.arg)
        return f"{inner}.T" if isinstance(expr.arg, (sp.MatrixSymbol, RandomRows, GaussianVector)) else f"({inner}).T"

    def _print_MatrixElement(self, expr: Any) -> str:
        return f"{self.parenthesize(expr.parent, 100)}[{self._print(expr.i)}, {self._print(expr.j)}]"

    def _print_Relational(self, expr: Any) -> str:
        if isinstance(expr, (sp.Eq, sp.Ne)):
            return f"sp.{type(expr).__name__}({self._print(expr.lhs)}, {self._print(expr.rhs)})"
        return f"({self._print(expr.lhs)}) {expr.rel_op} ({self._print(expr.rhs)})"

    def _print_ExprCondPair(self, expr: Any) -> str:
        return f"({self._print(expr.expr)}, {self._print(expr.cond)})"

    def _print_BooleanTrue(self, expr: Any) -> str:
        return "sp.true"

    def _print_BooleanFalse(self, expr: Any) -> str:
        return "sp.false"

    def _print_Basic(self, expr: Any) -> str:
        match expr:
            case GaussianScalar():
                return self._code.of_scalar(expr)
            case Row():
                if expr.group >= 0:
                    raise NoPythonCode(f"{expr} is a row that the rules made")
                return f"{self._print(expr.matrix)}[{self._print(expr.index)}, :]"
            case GaussianVector() | RandomRows() | Latent():
                return self._code.of_variable(expr)
            case Str():
                return _quoted(str(expr))
        kind = type(expr)
        arguments = ", ".join(map(self._print, expr.args))
        if kind.__name__ == "Dot" and isinstance(expr, variables.Dot):
            self._code.imported.add("dot")
            return f"dot({arguments})"
        if kind in (Expectation, MatrixExpectation, Gradient, MatrixGradient):
            name = kind.__name__.removeprefix("Matrix")
            self._code.imported.add(name)
            return f"{name}({arguments})"
        if getattr(sp, kind.__name__, None) is kind:
            return f"sp.{kind.__name__}({arguments})"
        if _OURS.get(kind.__name__) is kind:
            self._code.imported.add(kind.__name__)
            return f"{kind.__name__}({arguments})"
        raise NoPythonCode(f"no public constructor is known for {kind.__name__}")

    _print_Function = _print_LatticeOp = _print_Trace = _print_Determinant = _print_Basic
    _print_HadamardProduct = _print_HadamardPower = _print_Identity = _print_ZeroMatrix = _print_OneMatrix = (
        _print_Basic
    )
    _print_FunctionMatrix = _print_Lambda = _print_Sum = _print_Product = _print_Piecewise = _print_Basic
    _print_Adjoint = _print_Integral = _print_Heaviside = _print_Basic
    _print_And = _print_Or = _print_Not = _print_KroneckerDelta = _print_Basic
    _print_GaussianScalar = _print_Row = _print_GaussianVector = _print_RandomRows = _print_Latent = _print_Basic
    _print_Dot = _print_Str = _print_Basic

    def emptyPrinter(self, expr: Any) -> str:
        if isinstance(expr, sp.Basic):
            return self._print_Basic(expr)
        if isinstance(expr, (list, tuple, Sequence)) and not isinstance(expr, str):
            return f"({', '.join(map(self._print, expr))},)"
        raise NoPythonCode(f"expected a sympy expression, got {expr!r}")


def _assumptions(symbol: sp.Symbol) -> str:
    """The fewest keyword arguments that make the same symbol."""
    made = sp.Dummy if isinstance(symbol, sp.Dummy) else sp.Symbol
    known = symbol.assumptions0
    chosen = {key: known[key] for key in known if key != "commutative"}
    for count in range(3):
        for keys in combinations([key for key in _ASSUMED if known.get(key)], count):
            if made(symbol.name, **dict.fromkeys(keys, True)).assumptions0 == known:
                return "".join(f", {key}=True" for key in keys)
    return "".join(f", {key}={x}" for key, x in chosen.items())


def _quoted(text: str) -> str:
    quoted = repr(text)
    return f'"{quoted[1:-1]}"' if quoted[0] == "'" and '"' not in quoted else quoted
