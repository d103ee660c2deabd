"""Wrong neighbours of an expression: what a slip of the pen makes of it.

    neighbours(expr)     the expression with one thing changed in one place, in every way of the table below

Each operator is a function from a node of the tree to what may stand in its place. Only well-shaped results are
kept: a product whose shapes no longer fit, a division by zero, an infinity is no slip but a typing error.

    sign of a term              a + b → a − b, f(x) → f(−x)
    dropped term                a + b → a
    dropped factor              a b → a
    constant                    n → n ± 1
    factor 2                    a → 2a, a/2
    exponent                    aⁿ → aⁿ⁺¹, aⁿ⁻¹
    size                        d → d + 1, d − 1, for symbols of integers
    swapped symbols             a ↔ b, and one a → b, of one kind and shape
    wrong function              asin → atan, erf → erfc, sin → cos, Max → Min, Φ(x) → 1 − Φ(x), T(h, a) → T(a, h), …
    transposed factor           A B → Aᵀ B, not for matrices that are known to be symmetric
    factors in another order    A B → B A
    regrouped traces            tr(A) tr(B) ↔ tr(AB), tr(M)² ↔ tr(M²)
    power of a matrix           Σ → Σ², Σ → I
    product entry by entry      A ∘ B → A B, Diag(A) → A

An `Expectation` is one letter here: it says what is checked. So are the variables that an integral or a sum binds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import sympy as sp

from theory.expectation import Expectation, MatrixExpectation
from theory.integral import GaussianIntegral
from theory.special import BivariateNormalCDF, NormalCDF, OwenT
from theory.variables import Dot, dot

__all__ = ["OPERATORS", "Change", "changes"]

OPAQUE = (Expectation, MatrixExpectation, sp.MatrixSymbol, sp.Identity, sp.ZeroMatrix, sp.OneMatrix)
BINDS = (GaussianIntegral, sp.Sum)
REFUSED = (ValueError, TypeError, ZeroDivisionError, AttributeError, NotImplementedError)
INFINITE = (sp.nan, sp.zoo, sp.oo, -sp.oo)

Nodes = Iterator[sp.Basic]


@dataclass(frozen=True)
class Change:
    """One change in one place.

    Args:
        operator: its name in the table of this file.
        old, new: what stood there, and what stands there now.
        expr: the whole expression after the change.
    """

    operator: str
    old: sp.Basic
    new: sp.Basic
    expr: sp.Basic


def changes(expr: sp.Basic, symmetric: frozenset[sp.Basic] = frozenset(), first: int = 0) -> Iterator[Change]:
    """The wrong neighbours of an expression, one operator after the other in turn, spread over the tree.

    Args:
        expr: a scalar or matrix expression.
        symmetric: matrices whose transposes are themselves.
        first: the operator to begin with, counted around the table.

    Returns:
        Changes, well-shaped and different from the expression and from each other as sympy compares them.

    >>> x = sp.Symbol("x", real=True)
    >>> [str(change.expr) for change in changes(sp.erf(x) + 1)][:4]
    ['erf(x) - 1', 'erf(x)', 'erf(x) + 2', '2*erf(x) + 1']
    """
    bound = frozenset(itertools.chain.from_iterable(node.variables for node in expr.atoms(*BINDS)))
    context = _Context(expr, _partners(expr, bound), symmetric, bound)
    places = list(_places(expr))
    operators = list(OPERATORS.items())
    queues = [
        _made(name, [(node, new, put) for node, put in places for new in _slips(operator, node, context)])
        for name, operator in operators[first % len(operators) :] + operators[: first % len(operators)]
    ]
    seen = {expr}
    while queues:
        for queue in list(queues):
            for change in queue:
                if change.expr not in seen and _is_well_formed(change.expr, expr):
                    seen.add(change.expr)
                    yield change
                    break
            else:
                queues.remove(queue)


# --- places in a tree ----------------------------------------------------------------------------

Put = Callable[[sp.Basic], sp.Basic]


@dataclass(frozen=True)
class _Context:
    """What an operator may need to know of the whole."""

    root: sp.Basic
    partners: dict[sp.Basic, sp.Basic]
    symmetric: frozenset[sp.Basic]
    bound: frozenset[sp.Basic]


Operator = Callable[[sp.Basic, _Context], Nodes]


def _places(expr: sp.Basic, put: Put = lambda new: new) -> Iterator[tuple[sp.Basic, Put]]:
    """Every node with a function that puts another in its place."""
    yield expr, put
    if isinstance(expr, OPAQUE):
        return
    for i, argument in enumerate(expr.args):
        if (isinstance(expr, BINDS) and i > 0) or (isinstance(expr, sp.Pow) and i == 1 and argument.is_Number):
            continue  # the variables of an integral; exponents have an operator of their own
        yield from _places(argument, partial(_put_below, put, expr, i))


def _put_below(put: Put, expr: sp.Basic, i: int, new: sp.Basic) -> sp.Basic:
    return put(_with(expr, i, new))


def _with(expr: sp.Basic, i: int, new: sp.Basic | None) -> sp.Basic:
    """The node with its i-th argument replaced, or left out."""
    others = expr.args[:i], expr.args[i + 1 :]
    return _remade(expr, (*others[0], *(() if new is None else (new,)), *others[1]))


def _remade(expr: sp.Basic, args: tuple[sp.Basic, ...]) -> sp.Basic:
    if isinstance(expr, Dot):
        return dot(*args)
    if isinstance(expr, sp.MatAdd):
        return sp.MatAdd(*args).doit(deep=False)  # in sympy's order, as a sum comes out that somebody typed
    return args[0] if len(args) == 1 and isinstance(expr, PRODUCTS + SUMS) else expr.func(*args)


def _slips(operator: Operator, node: sp.Basic, context: _Context) -> Nodes:
    """What the operator gives, up to where sympy refuses: shapes that do not fit, a function's argument."""
    try:
        yield from operator(node, context)
    except REFUSED:
        return


def _made(name: str, slips: list[tuple[sp.Basic, sp.Basic, Put]]) -> Iterator[Change]:
    """The whole expressions, made when asked, in an order in which neighbours in the tree lie far apart."""
    for i in _spread(len(slips)):
        node, new, put = slips[i]
        try:
            yield Change(name, node, new, put(new))
        except REFUSED:
            continue


def _spread(count: int) -> Iterator[int]:
    """0, …, count − 1 in the order of their bits read backwards: any first few lie evenly."""
    bits = max(count - 1, 0).bit_length()
    for i in range(2**bits):
        place = sum(1 << (bits - 1 - k) for k in range(bits) if i >> k & 1)
        if place < count:
            yield place


def _is_well_formed(expr: sp.Basic, original: sp.Basic) -> bool:
    if getattr(expr, "shape", None) != getattr(original, "shape", None):
        return False
    # sympy takes a 1 × 1 matrix for a scalar and adds it to matrices of any shape.
    sums = expr.atoms(sp.MatAdd, sp.HadamardProduct)
    if any(len({term.shape for term in node.args}) > 1 for node in sums):
        return False
    return not any(expr.has(bad) and not original.has(bad) for bad in INFINITE)


# --- the operators -------------------------------------------------------------------------------

SUMS = (sp.Add, sp.MatAdd)
PRODUCTS = (sp.Mul, sp.MatMul, sp.HadamardProduct)


def _is_square(node: sp.Basic) -> bool:
    return bool(getattr(node, "is_Matrix", False)) and node.shape[0] == node.shape[1]


def _signs(node: sp.Basic, context: _Context) -> Nodes:
    if isinstance(node, SUMS):
        yield from (_with(node, i, -term) for i, term in enumerate(node.args))
    elif node == context.root or (isinstance(node, sp.Function) and len(node.args) == 1):
        yield -node
    if isinstance(node, sp.exp):
        yield sp.exp(-node.args[0])


def _dropped_terms(node: sp.Basic, context: _Context) -> Nodes:
    if isinstance(node, SUMS):
        yield from (_with(node, i, None) for i in range(len(node.args)))


def _dropped_factors(node: sp.Basic, context: _Context) -> Nodes:
    if isinstance(node, PRODUCTS):
        yield from (_with(node, i, None) for i, factor in enumerate(node.args) if factor != -1)


def _constants(node: sp.Basic, context: _Context) -> Nodes:
    if isinstance(node, sp.Rational) and node != -1:
        yield from (node + 1, node - 1)


def _factors_of_two(node: sp.Basic, context: _Context) -> Nodes:
    if not isinstance(node, (sp.Rational, sp.Add, sp.MatAdd)) and isinstance(node, (sp.Expr, sp.MatrixExpr)):
        yield from (2 * node, node / 2)


def _exponents(node: sp.Basic, context: _Context) -> Nodes:
    if isinstance(node, (sp.Pow, sp.MatPow)) and node.args[1].is_Number:
        base, exponent = node.args
        yield from (base ** (exponent + 1), base ** (exponent - 1))
    elif isinstance(node, sp.Symbol) and node not in context.bound and not node.is_integer:
        yield node**2


def _sizes(node: sp.Basic, context: _Context) -> Nodes:
    if isinstance(node, sp.Symbol) and node.is_integer and node not in context.bound:
        yield from (node + 1, node - 1)


SHAPED = (sp.MatrixSymbol, sp.Identity, sp.ZeroMatrix, sp.OneMatrix)


def _swapped(node: sp.Basic, context: _Context) -> Nodes:
    if node in context.partners:
        yield context.partners[node]
    if node == context.root:
        for symbol, partner in context.partners.items():
            kept = node.atoms(Expectation, MatrixExpectation, *SHAPED)  # a size swapped inside them changes a shape
            yield node.xreplace({symbol: partner, partner: symbol, **{each: each for each in kept - {symbol, partner}}})


def _partners(expr: sp.Basic, bound: frozenset[sp.Basic]) -> dict[sp.Basic, sp.Basic]:
    """To every symbol the next one of the same kind and shape."""
    kinds: dict[object, list[sp.Basic]] = {}
    letters = expr.xreplace({mean: sp.Integer(1) for mean in expr.atoms(Expectation)})
    for symbol in sorted(letters.free_symbols - bound, key=sp.default_sort_key):
        kind = getattr(symbol, "shape", None) or tuple(sorted(symbol.assumptions0.items()))
        kinds.setdefault(kind, []).append(symbol)
    return {
        symbol: partner
        for symbols in kinds.values()
        if len(symbols) > 1
        for symbol, partner in zip(symbols, symbols[1:] + symbols[:1], strict=True)
    }


SIBLINGS: dict[type, Callable[..., tuple[sp.Expr, ...]]] = {
    sp.asin: lambda x: (sp.atan(x), sp.acos(x)),
    sp.acos: lambda x: (sp.asin(x), sp.pi - sp.acos(x)),
    sp.atan: lambda x: (sp.asin(x), sp.atan(1 / x)),
    sp.sin: lambda x: (sp.cos(x), sp.sinh(x)),
    sp.cos: lambda x: (sp.sin(x), sp.cosh(x)),
    sp.sinh: lambda x: (sp.cosh(x), sp.sin(x)),
    sp.cosh: lambda x: (sp.sinh(x), sp.cos(x)),
    sp.tanh: lambda x: (sp.atan(x), sp.tanh(x / 2)),
    sp.exp: lambda x: (1 + x,),
    sp.log: lambda x: (sp.log(1 + x),),
    sp.erf: lambda x: (sp.erfc(x), NormalCDF(x), sp.erf(x / sp.sqrt(2))),
    sp.erfc: lambda x: (sp.erf(x), sp.erfc(-x)),
    sp.erfi: lambda x: (sp.erf(x),),
    sp.Abs: lambda x: (x, sp.Max(x, 0)),
    sp.sign: lambda x: (sp.Heaviside(x),),
    sp.Heaviside: lambda x, *at_zero: (sp.sign(x), sp.Heaviside(-x)),
    sp.Max: lambda *xs: (sp.Min(*xs),),
    sp.Min: lambda *xs: (sp.Max(*xs),),
    sp.re: lambda x: (sp.im(x),),
    sp.im: lambda x: (sp.re(x),),
    NormalCDF: lambda x: (1 - NormalCDF(x), sp.erf(x), NormalCDF(x * sp.sqrt(2))),
    OwenT: lambda h, a: (OwenT(a, h), OwenT(h, 1 / a), OwenT(h, -a), OwenT(h / sp.sqrt(2), a)),
    BivariateNormalCDF: lambda h, k, r: (
        BivariateNormalCDF(-h, k, r),
        BivariateNormalCDF(h, k, -r),
        BivariateNormalCDF(r, k, h),
        NormalCDF(h) * NormalCDF(k),
    ),
}


def _siblings(node: sp.Basic, context: _Context) -> Nodes:
    if type(node) in SIBLINGS:
        yield from SIBLINGS[type(node)](*node.args)


def _transposed(node: sp.Basic, context: _Context) -> Nodes:
    factors = node.args if isinstance(node, (sp.MatMul, sp.HadamardProduct)) else ()
    for i, factor in enumerate(factors):
        if _is_square(factor) and factor not in context.symmetric and factor != factor.T:
            yield _with(node, i, factor.T)
    if node == context.root and _is_square(node):
        yield node.T


def _reordered(node: sp.Basic, context: _Context) -> Nodes:
    if isinstance(node, sp.MatMul):
        for i in range(len(node.args) - 1):
            a, b = node.args[i : i + 2]
            if a.is_Matrix and b.is_Matrix and a != b:
                yield node.func(*node.args[:i], b, a, *node.args[i + 2 :])


def _regrouped(node: sp.Basic, context: _Context) -> Nodes:
    if isinstance(node, sp.Mul):
        traces = [factor for factor in node.args if isinstance(factor, sp.Trace)]
        for first, second in itertools.combinations(traces, 2):
            yield node / first / second * sp.Trace(first.arg * second.arg)
    if isinstance(node, sp.Pow) and isinstance(node.base, sp.Trace) and node.exp == 2:
        yield sp.Trace(node.base.arg * node.base.arg)
    if isinstance(node, sp.Trace):
        inner = node.arg
        if isinstance(inner, sp.MatPow):
            yield sp.Trace(inner.base) ** inner.exp
        if isinstance(inner, sp.MatMul):
            coefficient, factors = inner.as_coeff_matrices()
            for i in range(1, len(factors)):
                first, second = sp.MatMul(*factors[:i]), sp.MatMul(*factors[i:])
                if _is_square(first) and _is_square(second):
                    yield coefficient * sp.Trace(first) * sp.Trace(second)


def _powers_of_matrices(node: sp.Basic, context: _Context) -> Nodes:
    if isinstance(node, sp.MatrixSymbol) and _is_square(node):
        yield from (node * node, sp.Identity(node.shape[0]))


def _entry_by_entry(node: sp.Basic, context: _Context) -> Nodes:
    if isinstance(node, sp.HadamardProduct):
        yield sp.MatMul(*node.args)
    if isinstance(node, sp.DiagonalMatrix):
        yield node.args[0]
    if _is_square(node) and isinstance(node, sp.MatrixSymbol):
        yield sp.DiagonalMatrix(node)


OPERATORS: dict[str, Operator] = {
    "sign of a term": _signs,
    "dropped term": _dropped_terms,
    "constant": _constants,
    "factor 2": _factors_of_two,
    "wrong function": _siblings,
    "exponent": _exponents,
    "dropped factor": _dropped_factors,
    "swapped symbols": _swapped,
    "size": _sizes,
    "transposed factor": _transposed,
    "regrouped traces": _regrouped,
    "power of a matrix": _powers_of_matrices,
    "factors in another order": _reordered,
    "product entry by entry": _entry_by_entry,
}
