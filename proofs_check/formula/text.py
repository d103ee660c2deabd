r"""The grammar of formulas as text.

    sum       = [sign] term { sign term }                          a - b + c
    term      = power { ("*" | "/") [sign] power | power }         a*b, a b, 2 x, x' A x;  a/b*c is (a/b)*c
    power     = postfix [ ("^" | "**") [sign] postfix ]            x^2, x^-1, x^(n + 1)
    postfix   = primary { "'" | "[" index "]" }                    A', X[l, :], A[i, j]
    primary   = number | name | function "(" sum { "," sum } ")" | "(" sum { "," sum } ")"
              | "<" sum "," sum ">" | "E" "[" sum "]"

    functions    those of `formula.functions`, and
      tr(A)  det(A)  inv(A)  dot(u, v)  quad(x, A)  norm(x)  mean(f) for E[f]
      identity(d)  ones(n, d)  zeros(n, d)  hadamard(A, B)  diag(A), a vector  Diag(A), Diag(v)
      grad(f, k)                            the gradient of a scalar in a number, a vector or a matrix
      sum(l, 0, L - 1, f)                   l is bound; it need not be declared
      gaussian_integral(t, f)               the mean of f(t), t standard normal; t is bound
      matrix((a, b), (c, d))                rows
    statements   side = side, also < <= > >= ;  lim(x, 0, f) = value, with oo or -oo allowed in the last two places
    numbers      whole or decimal, exact: 0.1 is 1/10
    names        those that are declared, and pi

Refused, because two readers might read two things: `1/2 x`, `a^b^c`, `a(b + c)` for a number a, `x 2`, `A^2'`,
`1e5`.
"""

from __future__ import annotations

import re
from typing import Any

import sympy as sp

from .cursor import Cursor
from .functions import BY_NAME
from .limits import FormulaError, Limits
from .looks import Token
from .tree import Grower, Node
from .vocabulary import Vocabulary, bound_symbol

__all__ = ["TextReader"]

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<exponential>[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9])
    | (?P<number>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)
    | (?P<name>[A-Za-z][A-Za-z0-9_]*)
    | (?P<sign>\*\*|<=|>=|[-+*/^=<>(),:'\[\]])
    """,
    re.VERBOSE | re.ASCII,
)
RELATIONS = ("=", "<", "<=", ">", ">=")
STRUCTURES = {  # name: how many arguments
    "tr": 1, "det": 1, "inv": 1, "diag": 1, "Diag": 1, "norm": 1, "identity": 1, "mean": 1, "dot": 2, "quad": 2,
    "grad": 2, "hadamard": 2, "ones": 2, "zeros": 2,
}  # fmt: skip
BINDERS = ("sum", "gaussian_integral")
ROWS = "matrix"


def tokenize(text: str) -> list[Token]:
    """The tokens of a formula as text."""
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise FormulaError(f"expected a formula, got the character {_shown(text[position])}", position, text)
        kind, written = str(match.lastgroup), match.group()
        if kind == "exponential":
            raise FormulaError(f"expected an exact number, got {written}; write 2*10^5 for 2e5", position, text)
        if kind != "space":
            tokens.append(Token(written if kind == "sign" else kind, written, position))
        position = match.end()
    tokens.append(Token("end", "the end", len(text)))
    return tokens


def _shown(character: str) -> str:
    if character == "|":
        return "|; write abs(x)"
    return character if " " <= character <= "~" else f"U+{ord(character):04X}; write Greek letters as words"


class TextReader:
    """Reads a text of the grammar into a tree; one reader reads one text.

    Args:
        text: the formula.
        vocabulary: the names it may use.
        limits: what it may hold.
    """

    def __init__(self, text: str, vocabulary: Vocabulary, limits: Limits) -> None:
        if len(text) > limits.characters:
            raise FormulaError(f"expected at most {limits.characters} characters, got {len(text)}", 0, text[:1])
        self.grow, self.names = Grower(text, limits, vocabulary.symmetric), vocabulary
        self.cursor = Cursor(tokenize(text), self.grow)
        self.bound: dict[str, Any] = {}

    # Whole texts

    def formula(self) -> Node:
        """A formula that is the whole text."""
        node = self.sum()
        if self.cursor.token.kind != "end":
            raise self.cursor.refuse(f"expected the end of the formula, got {self.cursor.token.text}")
        return node

    def statement(self) -> tuple[Node, str, Node]:
        """Two sides and the relation between them, or a limit and its value."""
        is_limit = self.cursor.token.text == "lim" and self.cursor.after.kind == "("
        lhs = self._limit() if is_limit else self.sum()
        relation = self.cursor.advance()
        if relation.kind not in ("=",) if is_limit else relation.kind not in RELATIONS:
            raise self.cursor.refuse(f"expected {' or '.join(RELATIONS)}, got {relation.text}", relation.at)
        rhs = self._perhaps_infinite() if is_limit else self.sum()
        if self.cursor.token.kind != "end":
            raise self.cursor.refuse(f"expected the end after one relation, got {self.cursor.token.text}")
        return lhs, relation.kind, rhs

    def _limit(self) -> Node:
        at = self.cursor.advance().at
        self.cursor.expect("(", "after lim")
        variable = self._name(self.cursor.advance())
        self.cursor.expect(",", "after the variable of the limit")
        point = self._perhaps_infinite()
        self.cursor.expect(",", "after the point of the limit")
        body = self.sum()
        self.cursor.expect(")", "after the limit")
        return self.grow.other("limit", None, [variable, point, body], at)

    def _perhaps_infinite(self) -> Node:
        start = self.cursor.position
        at, negative = self.cursor.token.at, self.cursor.accept("-")
        if self.cursor.token.text == "oo" and "oo" not in self.names.names:
            self.cursor.advance()
            return self.grow.leaf("infinity", -1 if negative else 1, at)
        self.cursor.position = start
        return self.sum()

    # The grammar

    def sum(self) -> Node:
        """A sum of terms."""
        at, terms = self.cursor.token.at, []
        sign = self.cursor.token.kind if self.cursor.token.kind in ("+", "-") else ""
        while True:
            start = self.cursor.token.at
            if sign:
                self.cursor.advance()
                if self.cursor.token.kind in ("+", "-"):
                    raise self.cursor.refuse("expected a term after a sign, got a second sign")
            term = self.term()
            terms.append(self.grow.negative(term, start) if sign == "-" else term)
            sign = self.cursor.token.kind
            if sign not in ("+", "-"):
                return self.grow.add(terms, at)

    def term(self) -> Node:
        """A product of powers."""
        at, factors = self.cursor.token.at, [self.power()]
        slashed = False
        while True:
            kind = self.cursor.token.kind
            if kind in ("*", "/"):
                self.cursor.advance()
                start = self.cursor.token.at
                negative = self.cursor.accept("-")
                factor = self.power()
                if negative:
                    factor = self.grow.negative(factor, start)
                factors.append(self.grow.reciprocal(factor, start) if kind == "/" else factor)
                slashed = kind == "/"
            elif kind in ("name", "number", "(") or (kind == "<" and self._is_angle()):
                self._check_juxtaposition(slashed)
                factors.append(self.power())
            else:
                return self.grow.mul(factors, at, brackets=True)

    def _check_juxtaposition(self, slashed: bool) -> None:
        token, before = self.cursor.token, self.cursor.before
        if slashed:
            raise self.cursor.refuse("expected * or brackets after a quotient: a/b c could be a/(b c)", token.at)
        if token.kind == "number":
            raise self.cursor.refuse("expected * before a number that is not first", token.at)
        touching = before.at + len(before.text) == token.at
        if token.kind == "(" and touching and before.kind in ("name", "number"):
            known = before.kind == "number" or before.text in self.names.names or before.text in self.bound
            advice = f"write {before.text}*(...) for a product" if known else "it is no function of the grammar"
            raise self.cursor.refuse(f"{before.text}(...) looks like a function; {advice}", before.at)

    def power(self) -> Node:
        """A postfix expression, perhaps to a power."""
        base = self.postfix()
        if self.cursor.token.kind not in ("^", "**"):
            return base
        at = self.cursor.advance().at
        start = self.cursor.token.at
        negative = self.cursor.accept("-")
        exponent = self.postfix()
        if self.cursor.before.kind == "'":
            raise self.cursor.refuse("expected brackets: A^2' could be (A^2)' or A^(2')", self.cursor.before.at)
        if self.cursor.token.kind in ("^", "**"):
            raise self.cursor.refuse("expected brackets: a^b^c could be (a^b)^c or a^(b^c)")
        return self.grow.power(base, self.grow.negative(exponent, start) if negative else exponent, at)

    def postfix(self) -> Node:
        """A primary, perhaps transposed or indexed."""
        node = self.primary()
        while self.cursor.token.kind in ("'", "["):
            at = self.cursor.advance().at
            if self.cursor.before.kind == "'":
                node = self.grow.other("transpose", None, [node], at, node.terms)
            else:
                node = self._indexed(node, at)
        return node

    def _indexed(self, node: Node, at: int) -> Node:
        indices = [self.sum()]
        whole = False
        if self.cursor.accept(","):
            whole = self.cursor.accept(":")
            indices += [] if whole else [self.sum()]
        self.cursor.expect("]", "after the index")
        return self.grow.other("index", "row" if whole or len(indices) == 1 else "entry", [node, *indices], at)

    def primary(self) -> Node:
        """A number, a name, a call or something in brackets."""
        self.cursor.enter()
        node = self._primary(self.cursor.advance())
        self.cursor.leave()
        return node

    def _primary(self, token: Token) -> Node:
        if token.kind == "number":
            whole, _, decimals = token.text.partition(".")
            return self.grow.number(whole, decimals, token.at)
        if token.kind == "name":
            return self._named(token)
        if token.kind == "(":
            parts = self._list(")", "after the bracket")
            return parts[0] if len(parts) == 1 else self.grow.other("tuple", None, parts, token.at)
        if token.kind == "<":
            left = self.sum()
            self.cursor.expect(",", "between the vectors of <u, v>")
            right = self.sum()
            self._close_angle()
            return self.grow.structure("dot", [left, right], token.at)
        raise self.cursor.refuse(f"expected a number, a name or a bracket, got {token.text}", token.at)

    def _is_angle(self) -> bool:
        """Whether a < opens a scalar product: its comma comes before any relation or closing bracket."""
        depth = 0
        for token in self.cursor.tokens[self.cursor.position + 1 : self.cursor.position + 1 + LOOKAHEAD]:
            self.grow.work += 1
            if token.kind in ("(", "["):
                depth += 1
            elif token.kind in (")", "]"):
                depth -= 1
                if depth < 0:
                    return False
            elif depth == 0 and token.kind == ",":
                return True
            elif depth == 0 and token.kind in (*RELATIONS, "end"):
                return False
        return False

    def _close_angle(self) -> None:
        token = self.cursor.token
        if token.kind == ">=":  # <u, v>= 3
            self.cursor.tokens[self.cursor.position : self.cursor.position + 1] = [
                Token(">", ">", token.at),
                Token("=", "=", token.at + 1),
            ]
        self.cursor.expect(">", "after the vectors of <u, v>")

    def _list(self, closing: str, what: str) -> list[Node]:
        parts = [self.sum()]
        while self.cursor.accept(","):
            parts.append(self.sum())
        self.cursor.expect(closing, what)
        return parts

    def _named(self, token: Token) -> Node:
        name, opens = token.text, self.cursor.token.kind == "("
        if name == "E" and self.cursor.token.kind == "[":
            self.cursor.advance()
            inside = self._list("]", "after the mean")
            if len(inside) > 1:
                raise self.cursor.refuse("expected one expression in E[...]", token.at)
            return self.grow.other("mean", None, inside, token.at)
        is_function = name in BY_NAME or name in STRUCTURES or name in BINDERS or name == ROWS
        value = self.bound.get(name, self.names.names.get(name))
        if is_function and opens and not isinstance(value, sp.FunctionClass):
            if value is not None:
                raise self.cursor.refuse(
                    f"{name} is declared and is also a function; write {name}*(...) for a product, or rename it",
                    token.at,
                )
            return self._call(name, token.at)
        if isinstance(value, sp.FunctionClass):
            self.cursor.expect("(", f"after the function {name}")
            return self.grow.other("apply", value, self._list(")", f"after the arguments of {name}"), token.at)
        return self._name(token)

    def _name(self, token: Token) -> Node:
        if token.kind != "name":
            raise self.cursor.refuse(f"expected a name, got {token.text}", token.at)
        value = self.bound.get(token.text, self.names.names.get(token.text))
        if token.text in self.names.ambiguous:
            raise self.cursor.refuse(f"{token.text} is the name of two different objects; rename one", token.at)
        if value is not None:
            return self.grow.leaf("name", value, token.at)
        if token.text == "pi":
            return self.grow.leaf("constant", "pi", token.at, constant=True)
        advice = f"it is not declared; known are {self.names.known()}"
        if token.text in ("oo", "inf", "nan", "zoo"):
            advice = "infinity stands only in a limit: lim(x, oo, f) = oo"
        elif token.text in ("e", "exp"):
            advice = "write exp(x)"
        elif token.text in BY_NAME or token.text in STRUCTURES:
            advice = f"write {token.text}(...), with brackets"
        raise self.cursor.refuse(f"unknown name {token.text[:40]}; {advice}", token.at)

    def _call(self, name: str, at: int) -> Node:
        self.cursor.advance()
        if name in BINDERS:
            return self._binder(name, at)
        if name == ROWS:
            rows = self._list(")", "after the rows of a matrix")
            return self.grow.other("matrix", None, [self._row(row) for row in rows], at)
        parts = self._list(")", f"after the arguments of {name}")
        if name in BY_NAME:
            return self.grow.call(BY_NAME[name], parts, at)
        if len(parts) != STRUCTURES[name]:
            raise self.cursor.refuse(f"expected {STRUCTURES[name]} argument(s) of {name}, got {len(parts)}", at)
        return self.grow.structure(name, parts, at)

    def _row(self, node: Node) -> Node:
        return node if node.kind == "tuple" else self.grow.other("tuple", None, [node], node.at)

    def _binder(self, name: str, at: int) -> Node:
        """sum(l, low, high, body) and gaussian_integral(t, ..., body): the names are bound in the body."""
        first = self.cursor.advance()
        names = [first]
        if name == "sum":
            self.cursor.expect(",", "after the index of the sum")
            low = self.sum()
            self.cursor.expect(",", "after the lower end of the sum")
            high = self.sum()
            self.cursor.expect(",", "after the upper end of the sum")
        else:
            while True:
                self.cursor.expect(",", "after the variable")
                ahead = self.cursor.after if self.cursor.token.kind == "name" else self.cursor.token
                if ahead.kind != ",":
                    break
                names.append(self.cursor.advance())
        before = dict(self.bound)
        variables = []
        for token in names:
            variables.append(self._bind(token, name))
        body = self.sum()
        self.cursor.expect(")", f"after the body of {name}")
        self.bound = before
        if name == "sum":
            return self.grow.other("sum", variables[0], [body, low, high], at)
        return self.grow.other("integral", tuple(variables), [body], at)

    def _bind(self, token: Token, binder: str) -> sp.Symbol:
        if token.kind != "name" or token.text in BY_NAME or token.text == "pi":
            raise self.cursor.refuse(f"expected a name as the variable of {binder}, got {token.text}", token.at)
        symbol = bound_symbol(token.text, binder, self.names.names.get(token.text))
        if symbol is None:
            raise self.cursor.refuse(
                f"expected a name that is free for the variable of {binder}, got {token.text}", token.at
            )
        self.bound[token.text] = symbol
        return symbol


LOOKAHEAD = 200
