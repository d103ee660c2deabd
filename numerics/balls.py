"""The door from symbols to balls: certified values of sympy expressions.

    ball(expr_or_risk, values, digits)     a ball with so many digits at exact parameters
    compile_ball(expr, symbols)            a function of balls, for many points and for boxes
    register_ball_rule(cls, rule)          how to add a function

Whatever the values' balls hold, the image lies in the result, so boxes may be pushed through. Numbers come
in exactly ("0.1" is 1/10, a float its binary value) and rationals stay exact as long as they can. The rules
stand in `numerics.ball_rules`; the instructions that a tree becomes, and Gaussian integrals, in
`numerics.ball_program`. What has no rule is refused by name.

Reference: F. Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic, IEEE
Transactions on Computers 66 (2017) 1281.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from numbers import Integral, Rational
from typing import Any

import sympy as sp
from flint import acb, arb, arb_mat, ctx, fmpq, fmpq_mat, fmpz

from theory.risk import Risk

from .ball_program import Program, write_program
from .ball_rules import Function, Number, add_rule, float_value, lift, shown
from .envelopes import NoBallRule
from .parameters import by_symbol, learn_sizes
from .quadrature import QuadratureBudgetExceeded

__all__ = [
    "NoBallRule",
    "NonFiniteBall",
    "NotReal",
    "ball",
    "compile_ball",
    "compile_balls",
    "register_ball_rule",
]

_MAX_BITS = 4096
_LARGEST_EXPONENT = 100_000  # of ten, in text


class NotReal(ValueError):
    """The value is certainly no real number: the ball of its imaginary part excludes zero.

    Attributes:
        number: the value with its error, as text.
    """

    def __init__(self, message: str, number: str) -> None:
        super().__init__(message)
        self.number = number


class NonFiniteBall(ArithmeticError):
    """The expression has no finite value at this point, or its ball could not be made finite."""


def register_ball_rule(cls: type, rule: Function, analytic: Function | None = None) -> None:
    """Teach the package to enclose a node type.

    Args:
        cls: a subclass of `sp.Basic`; each of its `args` becomes one argument of the rule.
        rule: balls (arb or acb; arb_mat for matrices) -> ball. It must hold the value at every
            point of the arguments' balls.
        analytic: the same for the inside of a Gaussian integral, where it must return a non-finite acb unless
            the function is analytic on the balls. Without it the function is refused there.

    >>> class Cube(sp.Function):
    ...     pass
    >>> register_ball_rule(Cube, lambda x: x * x * x)
    >>> print(ball(Cube(2)))
    8.00000000000000
    """
    if not (isinstance(cls, type) and issubclass(cls, sp.Basic)):
        raise TypeError(f"expected a subclass of sympy's Basic, got {cls!r}")
    _programs.cache_clear()
    add_rule(cls, rule, analytic)


class _Evaluator:
    """What `compile_balls` returns: values -> balls."""

    def __init__(self, program: Program, symbols: tuple[sp.Basic, ...]) -> None:
        self.program, self.symbols = program, symbols

    def __call__(self, values: Sequence[Any], prec: int | None = None) -> tuple[arb, ...]:
        if len(values) != len(self.symbols):
            names = ", ".join(map(str, self.symbols)) or "no symbol"
            raise ValueError(f"expected {len(self.symbols)} values, for {names}, got {len(values)}")
        if prec is None or prec == ctx.prec:
            return tuple(_as_real(x) for x in self.program.values(values))
        with ctx.workprec(prec):
            return tuple(_as_real(x) for x in self.program.values(values))


def _as_real(x: Number) -> arb:
    if type(x) is arb:
        return x
    if type(x) is acb:
        return x.real if x.imag.contains(0) else arb.nan()
    return arb(x)


@lru_cache(maxsize=512)
def _programs(expressions: tuple[sp.Basic, ...], symbols: tuple[sp.Basic, ...], seconds: float) -> Program:
    return write_program(expressions, symbols, seconds)


def compile_balls(
    expressions: Sequence[sp.Expr], symbols: Sequence[sp.Basic], seconds: float = 60.0
) -> Callable[..., tuple[arb, ...]]:
    """Several expressions as one function of balls; what they share is computed once.

    >>> x, y = sp.symbols("x y", real=True)
    >>> compile_balls([x + y, (x + y)**2], [x, y])([arb(1), arb(2)])
    (3.00000000000000, 9.00000000000000)
    """
    return _Evaluator(_programs(tuple(map(_expression, expressions)), tuple(symbols), seconds), tuple(symbols))


def compile_ball(expr: sp.Expr, symbols: Sequence[sp.Basic], seconds: float = 60.0) -> Callable[..., arb]:
    """An expression as a function of balls: a valid enclosure for points and for boxes.

    Args:
        expr: a real sympy expression in the symbols.
        symbols: the order of the values. Matrix symbols take an `arb_mat`.
        seconds: allowed to a Gaussian integral of dimension two, each time.

    Returns:
        f(values, prec=None) -> arb, with values a sequence of arb (or fmpq, kept exact) in the order of the
        symbols, and `prec` the working precision in bits (default: the current one). The ball is nan where
        the value is not finite or not real.

    Raises:
        NoBallRule: naming a function without a rule.
        ValueError: if the expression holds a symbol that is not listed.

    >>> x = sp.Symbol("x", real=True)
    >>> f = compile_ball(x**2 - 2, [x])
    >>> f([arb(3)], 100), f([arb(1.5, 0.5)]).contains(arb(-1))
    (7.00000000000000, True)
    """
    evaluate = compile_balls([expr], symbols, seconds)
    return lambda values, prec=None: evaluate(values, prec)[0]


def ball(
    expr_or_risk: sp.Expr | Risk,
    values: Mapping[Any, Any] | None = None,
    digits: int = 30,
    seconds: float = 60.0,
) -> arb:
    """A ball that holds the value of a real expression at exact parameters.

    The working precision is raised, up to 4096 bits, until the radius is below 10^-digits of the value, or
    the ball holds zero and the radius is below 10^-digits of the largest term of the sum that the expression
    is (of one if it is no sum). When that cannot be reached (an undecided sign, say) the best ball is
    returned: look at its radius.

    Args:
        expr_or_risk: a sympy expression or a risk.
        values: a number for each symbol, by symbol or by name: int, Fraction, sympy number, text such as
            "0.1" or "1/3" (that very rational), Decimal, float (its exact binary value), or a ball; nested
            sequences of these for vectors and matrices. The size d of a vector given may be left out.
        digits: decimal digits asked for.
        seconds: time allowed; once a ball is there it is returned when the time is up.

    Returns:
        An arb; printing it shows the digits that are certain.

    Raises:
        ValueError: for missing or unknown names (with the list of what is needed and near matches), for
            values that are not finite.
        NotReal: for a value that is certainly not real.
        NoBallRule: for a function without a rule, by name.
        NotIntegrable: for a Gaussian integral that is infinite or not bounded by its envelope.
        NonFiniteBall: if no precision gives a finite ball.

    >>> kappa = sp.Symbol("kappa", real=True)
    >>> print(ball(sp.erf(kappa)**2, {"kappa": "0.5"}, digits=20).str(20, radius=False))
    0.27092012280339637538
    """
    if not isinstance(digits, int) or not 1 <= digits <= 1000:
        raise ValueError(f"expected 1 <= digits <= 1000, got digits={digits!r}")
    expr = expr_or_risk.expr if isinstance(expr_or_risk, Risk) else expr_or_risk
    expr = _expression(expr)
    needed = {symbol for symbol in expr.free_symbols if isinstance(symbol, (sp.Symbol, sp.MatrixSymbol))}
    given = by_symbol(expr_or_risk, needed, values or {})
    symbols = tuple(sorted(given, key=sp.default_sort_key))
    exact = [_exact_value(symbol, given[symbol]) for symbol in symbols]
    exact, symbols = _with_sizes(exact, symbols)
    if isinstance(expr_or_risk, Risk):
        _check_domain(expr_or_risk, dict(zip(symbols, exact, strict=True)))
    terms = expr.args if isinstance(expr, sp.Add) else ()
    program = _programs((expr, *terms), symbols, seconds)
    started = time.monotonic()
    bits, best = int(3.33 * digits) + 40, None
    tolerance = arb(10) ** -digits
    while True:
        with ctx.workprec(bits):
            try:
                number, *parts = program.values([_at_precision(value) for value in exact])
            except QuadratureBudgetExceeded:
                if best is None:
                    raise
                return best
            number = lift(number)
            if type(number) is acb and number.is_finite() and not number.imag.contains(0):
                raise NotReal(f"expected a real value, got {number.str(10)}, of {shown(expr)}", number.str(10))
            found = _as_real(number)
            if found.is_finite():
                best = found if best is None or found.rad() < best.rad() else best
                scale = max(
                    (_magnitude(part) for part in parts),
                    default=arb(1),
                    key=lambda x: float(x.log()) if x > 0 else -math.inf,
                )
                if found.rad() <= tolerance * found.abs_lower() or (
                    found.contains(0) and found.rad() <= tolerance * scale
                ):
                    return found
        stuck = best is not None and any(isinstance(value, arb) and not value.is_exact() for value in exact)
        # twice the bits cost about four times as much
        if bits >= _MAX_BITS or stuck or time.monotonic() - started > seconds / (4 if best is not None else 1):
            break
        bits = min(2 * bits, _MAX_BITS)
    if best is None:
        raise NonFiniteBall(
            f"no finite ball for {shown(expr)} at {_point(given)}: it has a pole or an undefined value there"
        )
    return best


def _magnitude(x: Number) -> arb:
    x = lift(x)
    size = arb(abs(x)).abs_upper()
    return size if size.is_finite() else arb(0)


def _expression(expr: Any) -> sp.Basic:
    """A sympy expression, or a Python number as one. Text is refused: it would be executed."""
    if isinstance(expr, sp.Basic) and not getattr(expr, "is_Matrix", False):
        return expr
    if isinstance(expr, (int, Fraction)) and not isinstance(expr, bool):
        return sp.Rational(expr)
    raise TypeError(f"expected a sympy expression or a risk, got {expr!r} of type {type(expr).__name__}")


# --- what comes in -------------------------------------------------------------------------------


def _check_domain(risk: Risk, known: Mapping[sp.Basic, Any]) -> None:
    """Refuse a point that is certainly outside of what the risk was derived under."""
    rationals = {s: sp.Rational(int(x.p), int(x.q)) for s, x in known.items() if isinstance(x, fmpq)}
    domain = risk.domain
    for symbol, (low, high) in domain.intervals if domain is not None else ():
        if symbol in rationals and not low <= rationals[symbol] <= high:
            raise ValueError(f"expected {low} <= {symbol} <= {high}, got {symbol}={rationals[symbol]}")
    for condition in (*(domain.conditions if domain is not None else ()), *risk.conditions):
        needed = tuple(sorted(getattr(condition, "free_symbols", ()), key=sp.default_sort_key))
        if isinstance(condition, sp.logic.boolalg.Boolean) and all(isinstance(known.get(s), fmpq) for s in needed):
            if _programs((condition,), needed, 60.0).values([known[s] for s in needed])[0] is False:
                point = ", ".join(f"{s}={rationals[s]}" for s in needed)
                raise ValueError(f"expected {condition}, under which the risk was derived, got {point}")


def _point(given: Mapping[sp.Basic, Any]) -> str:
    return shown(", ".join(f"{symbol}={number}" for symbol, number in given.items())) or "the point without parameters"


def _exact_value(symbol: sp.Basic, given: Any) -> Any:
    """An exact rational, a ball as given, a function of the precision, or an fmpq_mat."""
    if isinstance(symbol, sp.MatrixSymbol):
        return _exact_matrix(symbol, given)
    return _exact_number(str(symbol), given)


def _exact_number(name: str, given: Any) -> Any:
    if isinstance(given, (fmpq, fmpz)):
        return fmpq(given)
    if isinstance(given, arb):
        if not given.is_finite():
            raise ValueError(f"expected a finite ball for {name}, got {given}")
        return given
    if isinstance(given, bool) or given is None:
        raise TypeError(f"expected a number for {name}, got {given!r}")
    if isinstance(given, Integral):
        return fmpq(int(given))
    if isinstance(given, sp.Basic):
        return _exact_sympy(name, given)
    if isinstance(given, Rational):
        return fmpq(int(given.numerator), int(given.denominator))
    if isinstance(given, str):
        return _from_text(name, given)
    if isinstance(given, Decimal):
        return _from_decimal(name, given)
    try:
        number = float(given) if getattr(given, "ndim", 0) == 0 and not isinstance(given, complex) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected a finite real number for {name}, got {given!r}")
    return fmpq(*number.as_integer_ratio())


def _exact_sympy(name: str, given: sp.Basic) -> Any:
    if isinstance(given, sp.Rational):
        return fmpq(int(given.p), int(given.q))
    if isinstance(given, sp.Float):
        return float_value(given)
    if not isinstance(given, sp.Expr) or given.free_symbols or given.is_finite is False:
        raise ValueError(f"expected a finite number for {name}, got {given}")
    evaluate = compile_ball(given, ())
    return lambda: evaluate(())


def _from_text(name: str, text: str) -> fmpq:
    numerator, slash, denominator = text.partition("/")
    try:
        value = _from_decimal(name, Decimal(numerator.strip()))
        return value / _from_decimal(name, Decimal(denominator.strip())) if slash else value
    except (InvalidOperation, ZeroDivisionError):
        raise ValueError(f'expected a number such as "0.1", "1e-3" or "1/3" for {name}, got {text!r}') from None


def _from_decimal(name: str, number: Decimal) -> fmpq:
    if (
        not number.is_finite()
        or abs(number.adjusted()) > _LARGEST_EXPONENT
        or len(number.as_tuple().digits) > _LARGEST_EXPONENT
    ):
        raise ValueError(f"expected a finite number of moderate size for {name}, got {number}")
    return fmpq(*number.as_integer_ratio())


def _exact_matrix(symbol: sp.MatrixSymbol, given: Any) -> fmpq_mat:
    if isinstance(given, sp.MatrixBase):
        given = given.tolist()
    rows = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(rows, (str, bytes)) or not isinstance(rows, Sequence) or not rows:
        raise ValueError(f"expected an array for {symbol}, got {given!r}")
    is_flat = not isinstance(rows[0], Sequence) or isinstance(rows[0], str)
    if is_flat:
        rows = [list(rows)] if symbol.shape[0] == 1 else [[entry] for entry in rows]
    widths = {len(row) for row in rows}
    if len(widths) != 1:
        raise ValueError(f"expected rows of one length for {symbol}, got lengths {sorted(widths)}")
    entries = [_exact_number(f"{symbol}[{i}, {j}]", entry) for i, row in enumerate(rows) for j, entry in enumerate(row)]
    if not all(isinstance(entry, fmpq) for entry in entries):
        raise ValueError(f"expected rational entries for {symbol}, got {given!r}")
    return fmpq_mat(len(rows), widths.pop(), entries)


def _with_sizes(exact: list[Any], symbols: tuple[sp.Basic, ...]) -> tuple[list[Any], tuple[sp.Basic, ...]]:
    """The values with the sizes that the arrays tell; arrays of the wrong shape are refused."""
    known: dict[sp.Basic, Any] = dict(zip(symbols, exact, strict=True))
    sizes = {symbol: sp.Rational(int(v.p), int(v.q)) for symbol, v in known.items() if isinstance(v, fmpq)}
    for symbol, value in known.items():
        if isinstance(value, fmpq_mat):
            learn_sizes(symbol, (value.nrows(), value.ncols()), sizes)
    known.update((size, fmpq(int(number))) for size, number in sizes.items() if size not in known)
    order = tuple(sorted(known, key=sp.default_sort_key))
    return [known[symbol] for symbol in order], order


def _at_precision(value: Any) -> Any:
    if isinstance(value, fmpq_mat):
        return arb_mat(value)
    return value() if callable(value) else value
