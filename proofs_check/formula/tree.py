"""What the two grammars read a text into: a tree of plain tuples, measured while it grows.

Nothing of sympy is touched here. A `Grower` makes every node, counts it, and refuses the text as soon
as one of the `Limits` is passed; what it lets through is small enough to be built.

    number p/q    name object    add …    mul …    pow base exponent    call function …    mean expr
    transpose M   inverse M      matrix rows       tuple …              sum body index low high
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Any, NamedTuple

from .functions import Function
from .limits import FormulaError, Limits

__all__ = ["Grower", "Node"]


class Node(NamedTuple):
    """A node of the tree, with what is known about its size.

    `bits` and `magnitude` are those of `limits`; `terms` bounds the summands of the expanded expression;
    `nested` counts the functions inside each other that compare; `is_constant` says that no symbol stands
    in it, `is_rational` that it is a rational number, `is_scalar` that it can be no matrix.
    """

    kind: str
    value: Any
    parts: tuple[Node, ...]
    at: int
    size: int
    depth: int
    bits: int
    magnitude: int
    terms: int
    nested: int
    is_constant: bool
    is_rational: bool
    is_scalar: bool


class Grower:
    """Makes the nodes of one tree within the limits.

    Args:
        text: the text that is read, for messages.
        limits: what it may hold.
        symmetric: matrices that are their own transposes.

    Attributes:
        nodes: how many nodes were made.
        work: how many steps the reader took: tokens looked at and nodes made.
        effort: what sympy is given to do, as far as the tree tells.
    """

    def __init__(self, text: str, limits: Limits, symmetric: frozenset[Any] = frozenset()) -> None:
        self.text, self.limits, self.symmetric = text, limits, symmetric
        self.nodes = self.work = self.effort = 0

    def refuse(self, reason: str, at: int) -> FormulaError:
        """The error that refuses the text."""
        return FormulaError(reason, at, self.text)

    def _node(
        self,
        kind: str,
        value: Any,
        parts: tuple[Node, ...],
        at: int,
        bits: int,
        magnitude: int = 0,
        terms: int = 1,
        constant: bool = False,
        rational: bool = False,
        nested: int = 0,
    ) -> Node:
        limits = self.limits
        self.nodes += 1
        self.work += 1
        size, depth = 1, 0
        for part in parts:
            size += part.size
            depth = max(depth, part.depth)
            nested = max(nested, part.nested)
        depth += 1
        if self.nodes > limits.nodes:
            raise self.refuse(f"expected at most {limits.nodes} nodes; split the formula into several", at)
        if depth > limits.depth:
            raise self.refuse(f"expected a depth of at most {limits.depth}; name the inner parts", at)
        if bits > limits.bits:
            raise self.refuse(
                f"expected constants of at most {limits.bits} bits, got about {_rounded(bits)}; "
                "write the large number as a symbol",
                at,
            )
        return Node(
            kind,
            value,
            parts,
            at,
            size,
            depth,
            bits,
            magnitude,
            terms,
            nested,
            constant,
            rational,
            _is_scalar(kind, value, parts),
        )

    def spend(self, units: int, at: int) -> None:
        """Count what sympy is given to do.

        Raises:
            FormulaError: if it is too much.
        """
        self.effort += units
        if self.effort > self.limits.effort:
            raise self.refuse(
                f"expected functions and matrix products of less effort than {self.limits.effort} in one formula; "
                "name the large arguments, or split it",
                at,
            )

    def number(self, whole: str, decimals: str, at: int) -> Node:
        """An exact number: 0.1 is 1/10."""
        digits = len(whole) + len(decimals)
        if digits > self.limits.digits:
            raise self.refuse(f"expected numbers of at most {self.limits.digits} digits, got {digits}", at)
        value = Fraction(int(whole + decimals or "0"), 10 ** len(decimals))
        return self.exact(value, at)

    def exact(self, value: Fraction, at: int) -> Node:
        """A rational number."""
        return self._node("number", value, (), at, _bits(value), _magnitude(value), 1, True, True)

    def leaf(self, kind: str, value: Any, at: int, constant: bool = False) -> Node:
        """A symbol or a constant such as π."""
        return self._node(kind, value, (), at, 1, 2, 1, constant)

    def add(self, parts: list[Node], at: int) -> Node:
        """A sum."""
        if len(parts) == 1:
            return parts[0]
        constant = all(part.is_constant for part in parts)
        rational = constant and all(part.is_rational for part in parts)
        return self._node(
            "add",
            None,
            tuple(parts),
            at,
            sum(part.bits for part in parts) + 1,
            max(part.magnitude for part in parts) + len(parts).bit_length() if constant else 0,
            sum(part.terms for part in parts),
            constant,
            rational,
        )

    def mul(self, parts: list[Node], at: int, brackets: bool = False) -> Node:
        """A product; a product of scalars inside it is taken apart.

        Args:
            parts: the factors.
            at: where it starts.
            brackets: whether a factor that is a product of matrices stands in brackets, and stays as written.
        """
        if len(parts) == 1:
            return parts[0]
        apart = [part.kind == "mul" and (part.is_scalar or not brackets) for part in parts]
        if any(apart):
            parts = [inner for part, open_ in zip(parts, apart) for inner in (part.parts if open_ else (part,))]
        constant = all(part.is_constant for part in parts)
        rational = constant and all(part.is_rational for part in parts)
        terms = 1
        for part in parts:
            terms = min(terms * part.terms, 1 << 40)
        magnitude = sum(part.magnitude for part in parts) if constant else 0
        bits = sum(part.bits for part in parts)
        return self._node("mul", None, tuple(parts), at, bits, magnitude, terms, constant, rational)

    def negative(self, part: Node, at: int) -> Node:
        """The negative of an expression; of a number, the negative number."""
        if part.kind == "number":
            return self.exact(-part.value, at)
        return self.mul([self.exact(Fraction(-1), at), part], at)

    def reciprocal(self, part: Node, at: int) -> Node:
        """One over an expression; over a product of scalars, factor by factor."""
        if part.kind == "number":
            if part.value == 0:
                raise self.refuse("expected a denominator other than 0", part.at)
            return self.exact(1 / part.value, at)
        if part.kind == "mul" and part.is_scalar:
            return self.mul([self.reciprocal(factor, at) for factor in part.parts], at)
        return self.power(part, self.exact(Fraction(-1), at), at)

    def power(self, base: Node, exponent: Node, at: int) -> Node:
        """A power; every number in the exponent is within the limit, unless the base is e."""
        limits = self.limits
        value = rational_value(exponent)
        if value is None:
            self._check_symbolic_exponent(exponent)
            terms = base.terms
            bits = base.bits + exponent.bits
            if exponent.is_constant:
                bits = base.bits * (1 << max(exponent.magnitude, 1)) if exponent.magnitude <= 13 else limits.bits + 1
        else:
            if max(abs(value.numerator), value.denominator) > limits.exponent:
                raise self.refuse(f"expected exponents up to {limits.exponent}, got {_shown(value)}", exponent.at)
            if base.is_constant and value.denominator > limits.root:
                raise self.refuse(f"expected roots of numbers up to index {limits.root}, got {_shown(value)}", at)
            times = ceil(abs(value))
            bits = base.bits * times
            terms = base.terms if times <= 1 else 1 << min(40, times * max(base.terms - 1, 0).bit_length())
            if base.kind == "number" and base.value == 0 and value <= 0:
                raise self.refuse(f"expected a positive power of 0, got {_shown(value)}", at)
        if value is None or value.denominator > 1:
            self.spend(base.size, at)
            self._check_sign_is_easy(base)
        constant = base.is_constant and exponent.is_constant
        rational = base.is_rational and value is not None and value.denominator == 1
        magnitude = bits if constant else 0
        return self._node("pow", None, (base, exponent), at, bits, magnitude, terms, constant, rational)

    def _check_symbolic_exponent(self, exponent: Node) -> None:
        for node in _walk(exponent):
            self.work += 1
            if node.kind == "number" and max(abs(node.value.numerator), node.value.denominator) > self.limits.exponent:
                raise self.refuse(
                    f"expected numbers up to {self.limits.exponent} in an exponent, got {_shown(node.value)}; "
                    "powers of e may be written with exp",
                    node.at,
                )

    def call(self, function: Function, parts: list[Node], at: int) -> Node:
        """A function of the table at its arguments."""
        if not function.least <= len(parts) <= function.most:
            wanted = function.least if function.least == function.most else f"{function.least} to {function.most}"
            raise self.refuse(f"expected {wanted} argument(s) of {function.name}, got {len(parts)}", at)
        constant = all(part.is_constant for part in parts)
        inner = max((part.magnitude for part in parts), default=0)
        bits = sum(part.bits for part in parts)
        magnitude = {"bounded": 2, "same": bits + 2, "root": bits, "exponential": 0}[function.growth]
        if constant and function.growth == "exponential":
            if inner > self.limits.bits.bit_length():
                raise self.refuse(
                    f"expected constants of at most {self.limits.bits} bits, got {function.name} of a number of "
                    f"about {_rounded(inner)} bits; write it as a symbol",
                    at,
                )
            magnitude = (3 << max(inner, 0)) // 2
            bits = max(bits, magnitude)
        nested = max((part.nested for part in parts), default=0) + function.compares
        if nested > self.limits.nested:
            raise self.refuse(
                f"expected at most {self.limits.nested} of abs, max, sign and their kin in each other", at
            )
        size = function.weight * sum(part.size for part in parts)
        self.spend(2 * size * len(parts) << nested if function.compares else size, at)
        for part in parts:
            if function.compares or function.growth == "root":
                self._check_sign_is_easy(part)
        if function.name == "log" or function.growth == "root":
            bits *= 2
        return self._node(
            "call", function, tuple(parts), at, bits, magnitude if constant else 0, 1, constant, nested=nested
        )

    def _check_sign_is_easy(self, node: Node) -> None:
        """sympy decides the sign of a constant by digits, and by algebraic numbers when they do not tell."""
        if not node.is_constant or node.is_rational:
            return
        if node.size > self.limits.compared:
            raise self.refuse(
                f"expected a constant of at most {self.limits.compared} nodes here, got {node.size}; "
                "its sign would have to be decided: write it as a symbol",
                node.at,
            )
        if any(inner.kind == "add" for inner in _walk(node)):
            self.spend(16 * node.size, node.at)

    def structure(self, name: str, parts: list[Node], at: int) -> Node:
        """A trace, a scalar product and their kin, of which `name` says which."""
        terms = 1
        for part in parts:
            terms = min(terms * part.terms, 1 << 40)
        return self.other(name, None, parts, at, terms if name in ("inv", "hadamard", "diag", "Diag") else 1)

    def other(self, kind: str, value: Any, parts: list[Node], at: int, terms: int = 1) -> Node:
        """Any other node, of which no number is made: a mean, a matrix, a scalar product, a sum."""
        bits = sum(part.bits for part in parts) + 1
        return self._node(kind, value, tuple(parts), at, bits, 0, terms)


_MATRICES = frozenset(
    """transpose inv hadamard hadamard-power identity matrix tuple ones zeros diag Diag mean grad""".split()
)


def _is_scalar(kind: str, value: Any, parts: tuple[Node, ...]) -> bool:
    """Whether a node can be no matrix; a row times a column is one, which only the builder sees."""
    if kind == "name":
        return not getattr(value, "is_Matrix", False)
    if kind in ("add", "mul", "pow"):
        return all(part.is_scalar for part in parts)
    return kind not in _MATRICES and (kind, value) != ("index", "row")


def rational_value(node: Node) -> Fraction | None:
    """The rational number a node is on its face, or None: 3, 3/2, -1."""
    if node.kind == "number":
        return node.value
    if node.kind == "mul" and node.is_rational:
        value = Fraction(1)
        for part in node.parts:
            factor = rational_value(part)
            if factor is None:
                return None
            value *= factor
        return value
    return None


def _walk(node: Node) -> list[Node]:
    found, pending = [], [node]
    while pending:
        current = pending.pop()
        found.append(current)
        pending.extend(current.parts)
    return found


def _bits(value: Fraction) -> int:
    return value.numerator.bit_length() + value.denominator.bit_length()


def _magnitude(value: Fraction) -> int:
    return value.numerator.bit_length() - value.denominator.bit_length() + 1


def _rounded(bits: int) -> str:
    return str(bits) if bits < 10**6 else "a million or more"


def _shown(value: Fraction) -> str:
    text = str(value) if _bits(value) < 200 else f"a number of {_bits(value)} bits"
    return text
