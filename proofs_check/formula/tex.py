r"""The grammar of formulas in LaTeX: what `theory.latex` prints, and common spellings of it.

    sum       = [sign] term { sign term }
    term      = power { ("\cdot" | "\times" | "*" | "/" | "\circ" | "\odot") [sign] power | power }
    power     = primary { "^" exponent }          exponent: one digit, letter or command, or { sum }
              | function [ "^" exponent ] arguments
    arguments = "{\left(" sum { ("," | ";") sum } "\right)}", with or without the braces and the sizes,
                or one factor without brackets, as in \arcsin\frac{1}{2}

Names are looked up by their look: k^{\star}, k^\star and k^* are one. Also read, beside what is printed:

    \frac12, \dfrac, \tfrac     \sqrt2, \sqrt[3]{x}            \top, ^T, ^{\mathsf{T}}, ^{\mathrm{T}}, \intercal
    \arcsin, \operatorname{asin}, \ln, \operatorname{sgn}      \exp(x) for e^{x}
    \mathbb{E}[f], \mathbb E[f], \operatorname{E}[f]           \langle u, v\rangle, \left\langle u, v\right\rangle
    \lVert x\rVert, \|x\|, \left\|x\right\|                    |x|, \lvert x\rvert, \left|x\right| (of a matrix: det)
    \nabla_{k} \left(f\right), \nabla_k(f), \nabla_k \mathbb{E}[f]  the gradient, in what stands below the nabla
    \operatorname{tr}, \mathrm{tr}, \det, \mathbb{I}_{d}       x^\top A x, which is a scalar
    A \circ B, A \odot B, A^{\circ 2}, \mathbf{1}_{n,d}        \operatorname{diag}(A), \operatorname{Diag}(A)
    \le \leq \leqslant, \ge \geq, \geqslant                    \, \; \: \! \quad \left \right \bigl \Bigr: no meaning
    pmatrix, bmatrix, matrix                                   aligned, align*, with & and \\ : no meaning

Refused, because two readers might read two things: `x^12`, `2 \frac12`, `\sin x y`, `\sin^{-1} x`, `a/b c`, `1 2`,
a bracket after a letter that is declared and is also a function (`\delta(x)`), a d/dx, names of one look.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import sympy as sp

from .cursor import Cursor
from .functions import BY_COMMAND, BY_NAME, Function
from .limits import FormulaError, Limits
from .looks import Look, Token, look_at, tokenize_latex
from .tree import Grower, Node
from .vocabulary import Vocabulary, bound_symbol

__all__ = ["LatexReader"]

RELATIONS = {"=": "=", "<": "<", ">": ">", r"\le": "<=", r"\ge": ">=", r"\lt": "<", r"\gt": ">"}
TIMES = (r"\cdot", r"\times", "*")
HADAMARD = (r"\circ", r"\odot")
BRACKETS = {"(": ")", "[": "]", r"\{": r"\}"}
SURROUND = {"|(": "|)", r"\|(": r"\|)"}
SPECIAL = {Look(r"\Phi", "", ""): "Phi", Look(r"\Phi", "2", ""): "Phi2", Look(r"\delta", "", ""): "delta"}
STRUCTURES = {"tr": "tr", "Tr": "tr", "trace": "tr", "det": "det", "diag": "diag", "Diag": "Diag"}
ENDS = {"end", "+", "-", ")", "]", "}", r"\}", ",", ";", "&", "line", *RELATIONS, "|)", r"\|)", r"\rangle", r"\rfloor",
        r"\rceil", r"\end", r"\to", ":"}  # fmt: skip
ENVIRONMENTS = ("aligned", "align*", "gathered", "split")
MATRICES = ("matrix", "pmatrix", "bmatrix")


class LatexReader:
    """Reads a formula in LaTeX into a tree; one reader reads one text.

    Args:
        text: the formula, without dollar signs.
        vocabulary: the names it may use.
        limits: what it may hold.
    """

    def __init__(self, text: str, vocabulary: Vocabulary, limits: Limits) -> None:
        if len(text) > limits.characters:
            raise FormulaError(f"expected at most {limits.characters} characters, got {len(text)}", 0, text[:1])
        self.grow, self.names = Grower(text, limits, vocabulary.symmetric), vocabulary
        self.cursor = Cursor(_without_layout(tokenize_latex(text), text), self.grow)
        self.bound: dict[Look, Any] = {}
        self.inside_bars = False

    # Whole texts

    def formula(self) -> Node:
        """A formula that is the whole text."""
        node = self.sum()
        self._end()
        return node

    def statement(self) -> tuple[Node, str, Node]:
        """Two sides and the relation between them, or a limit and its value."""
        is_limit = self.cursor.token.kind == r"\lim"
        lhs = self._limit() if is_limit else self.sum()
        relation = self.cursor.advance()
        if relation.kind not in ({"="} if is_limit else RELATIONS):
            raise self.cursor.refuse(f"expected a relation such as = or \\le, got {relation.text}", relation.at)
        rhs = self._perhaps_infinite() if is_limit else self.sum()
        self._end()
        return lhs, RELATIONS[relation.kind], rhs

    def _end(self) -> None:
        if self.cursor.token.kind != "end":
            raise self.cursor.refuse(f"expected the end of the formula, got {self.cursor.token.text}")

    def _limit(self) -> Node:
        at = self.cursor.advance().at
        self.cursor.expect("_", r"after \lim")
        self.cursor.expect("{", r"after \lim_")
        variable = self._plain_name()
        self.cursor.expect(r"\to", "after the variable of the limit")
        point = self._perhaps_infinite()
        self.cursor.expect("}", "after the point of the limit")
        if self.cursor.token.kind not in BRACKETS:
            raise self.cursor.refuse(f"expected the expression of a limit in brackets, got {self.cursor.token.text}")
        body = self.primary()
        return self.grow.other("limit", None, [variable, point, body], at)

    def _perhaps_infinite(self) -> Node:
        at, negative = self.cursor.token.at, self.cursor.token.kind == "-" and self.cursor.after.kind == r"\infty"
        if negative or self.cursor.token.kind == r"\infty":
            self.cursor.accept("-")
            self.cursor.advance()
            return self.grow.leaf("infinity", -1 if negative else 1, at)
        return self.sum()

    # The grammar

    def sum(self) -> Node:
        """A sum of terms."""
        at, terms = self.cursor.token.at, []
        self._skip_empty_groups()
        sign = self.cursor.token.kind if self.cursor.token.kind in ("+", "-") else ""
        while True:
            start = self.cursor.token.at
            if sign:
                self.cursor.advance()
                if self.cursor.token.kind in ("+", "-"):
                    raise self.cursor.refuse("expected a term after a sign, got a second sign")
            term = self.term()
            terms.append(self.grow.negative(term, start) if sign == "-" else term)
            self._skip_empty_groups()
            sign = self.cursor.token.kind
            if sign not in ("+", "-"):
                return self.grow.add(terms, at)

    def _skip_empty_groups(self) -> None:
        while self.cursor.token.kind == "{" and self.cursor.after.kind == "}":
            self.cursor.advance()
            self.cursor.advance()

    def term(self) -> Node:
        """A product of powers."""
        at, factors = self.cursor.token.at, [self.power()]
        slashed = False
        while True:
            self._skip_empty_groups()
            kind = self.cursor.token.kind
            if kind in TIMES or kind == "/" or kind in HADAMARD:
                self.cursor.advance()
                start = self.cursor.token.at
                negative = self.cursor.accept("-")
                factor = self.power()
                if negative:
                    factor = self.grow.negative(factor, start)
                if kind in HADAMARD:
                    factors[-1] = self.grow.structure("hadamard", [factors[-1], factor], start)
                else:
                    factors.append(self.grow.reciprocal(factor, start) if kind == "/" else factor)
                slashed = kind == "/"
            elif not self._ends():
                self._check_juxtaposition(slashed)
                factors.append(self.power())
            else:
                return self.grow.mul(factors, at, brackets=True)

    def _check_juxtaposition(self, slashed: bool) -> None:
        token, before = self.cursor.token, self.cursor.before
        if slashed:
            raise self.cursor.refuse("expected brackets after a quotient: a/b c could be a/(b c); write \\frac")
        if token.kind == "number" and self.cursor.after.kind != "^":
            if before.kind == "number" or look_at([before, _STOP], 0) is not None:
                raise self.cursor.refuse(r"expected \cdot before a number that is not first")
        if token.kind == before.kind == "number":
            raise self.cursor.refuse(r"expected \cdot between two numbers")
        if before.kind == "number" and token.kind == r"\frac" and self.cursor.after.kind in ("number", "{"):
            if self._is_numeric_fraction():
                raise self.cursor.refuse(r"expected \cdot: 2 \frac{1}{2} could be 2 1/2; write 2 \cdot \frac{1}{2}")

    def _is_numeric_fraction(self) -> bool:
        kinds = [t.kind for t in self.cursor.tokens[self.cursor.position + 1 : self.cursor.position + 7]]
        return kinds[:1] == ["number"] or kinds == ["{", "number", "}", "{", "number", "}"]

    def power(self) -> Node:
        """A primary, perhaps to a power or transposed."""
        start = self.cursor.token.at
        node = self.primary()
        raised = False
        while self.cursor.token.kind in ("^", "!", "'"):
            if self.cursor.token.kind != "^":
                raise self.cursor.refuse(f"expected a formula, got {self.cursor.token.text}; factorials are not read")
            if raised:
                raise self.cursor.refuse("expected one exponent; write brackets around the power")
            self.cursor.advance()
            node, raised = self._raised(node, start), True
        return node

    def _raised(self, base: Node, at: int) -> Node:
        if self._accept_transposition():
            return self.grow.other("transpose", None, [base], at, base.terms)
        if self.cursor.token.kind == "{" and self.cursor.after.kind in HADAMARD:
            self.cursor.advance()
            self.cursor.advance()
            exponent = self.sum()
            self.cursor.expect("}", "after the entrywise power")
            return self.grow.other("hadamard-power", None, [base, exponent], at)
        return self.grow.power(base, self._script("exponent"), at)

    def _accept_transposition(self) -> bool:
        """Take ⊤, or T where T is no name of the text."""
        cursor = self.cursor
        start, braces = cursor.position, 0
        while cursor.token.kind == "{":
            cursor.advance()
            braces += 1
        mark = cursor.advance()
        is_mark = mark.kind in (r"\top", r"\intercal")
        if mark.kind in (r"\mathsf", r"\mathrm"):
            inner = cursor.accept("{")
            is_mark = cursor.advance().text == "T" and (not inner or cursor.accept("}"))
        elif mark.text == "T":
            is_mark = Look("T", "", "") not in self.names.looks and Look("T", "", "") not in self.bound
        while is_mark and braces and cursor.accept("}"):
            braces -= 1
        if is_mark and not braces:
            return True
        cursor.position = start
        return False

    def _script(self, what: str) -> Node:
        """An exponent or a lower index: a group, or a single token."""
        token = self.cursor.token
        if token.kind == "{":
            self.cursor.advance()
            node = self.sum()
            self.cursor.expect("}", f"after the {what}")
            return node
        if token.kind == "number" and len(token.text) > 1:
            raise self.cursor.refuse(f"expected braces around the {what} {token.text}, as LaTeX takes one digit")
        if token.kind in ("+", "-", "(", "["):
            raise self.cursor.refuse(f"expected braces around the {what}, got {token.text}")
        found = look_at([self.cursor.token, _STOP], 0)
        return self._name(only=True) if found is not None else self.primary()

    def primary(self) -> Node:
        """A number, a name, a function with its arguments or something in brackets."""
        self.cursor.enter()
        node = self._primary()
        self.cursor.leave()
        return node

    def _primary(self) -> Node:
        token = self.cursor.token
        kind = token.kind
        if kind == "number":
            self.cursor.advance()
            whole, _, decimals = token.text.partition(".")
            return self.grow.number(whole, decimals, token.at)
        handler = _HANDLERS.get(kind)
        if handler is not None:
            return handler(self)
        if kind in BRACKETS:
            self.cursor.advance()
            parts, trailing = self._list(BRACKETS[kind])
            tuple_ = len(parts) > 1 or trailing
            if tuple_ and kind != "(":
                raise self.cursor.refuse(f"expected one expression in {kind} {BRACKETS[kind]}", token.at)
            return self.grow.other("tuple", None, parts, token.at) if tuple_ else parts[0]
        if kind in SURROUND:
            return self._surrounded(SURROUND[kind])
        if kind in ("|", r"\|"):
            return self._bare_bars()
        if kind.startswith("\\") and kind[1:] in BY_COMMAND:
            self.cursor.advance()
            return self._function(BY_COMMAND[kind[1:]], token)
        if kind.startswith("\\") and kind[1:] in STRUCTURES:
            self.cursor.advance()
            return self._structure(STRUCTURES[kind[1:]], token)
        return self._name()

    def _list(self, closing: str, *separators: str) -> tuple[list[Node], bool]:
        """Expressions between commas; a trailing comma makes a tuple of one."""
        parts, trailing = [self.sum()], False
        while self.cursor.accept(",", *separators):
            if self.cursor.token.kind == closing:
                trailing = True
                break
            parts.append(self.sum())
        self.cursor.expect(closing, "after the bracket")
        return parts, trailing

    def _group(self) -> Node:
        """Braces group; {X}_{l} is a row, {A}_{i,j} an entry."""
        at = self.cursor.advance().at
        node = self.sum()
        self.cursor.expect("}", "after the group")
        if self.cursor.token.kind == "_":
            return self._indexed(node, at)
        return node

    def _indexed(self, node: Node, at: int) -> Node:
        self.cursor.expect("_", "before an index")
        if self.cursor.token.kind != "{":
            return self.grow.other("index", "row", [node, self._script("index")], at)
        self.cursor.advance()
        indices, _ = self._list("}")
        if len(indices) > 2:
            raise self.cursor.refuse(f"expected one or two indices, got {len(indices)}", at)
        return self.grow.other("index", "row" if len(indices) == 1 else "entry", [node, *indices], at)

    def _surrounded(self, closing: str) -> Node:
        token = self.cursor.advance()
        node = self.sum()
        self.cursor.expect(closing, f"after {token.text}")
        return self._between(closing, node, token.at)

    def _between(self, closing: str, node: Node, at: int) -> Node:
        if closing in (r"\|", r"\|)"):
            return self.grow.structure("norm", [node], at)
        return self.grow.call(BY_NAME["abs"], [node], at)

    def _bare_bars(self) -> Node:
        """|x| and \\|x\\|, where the text has two bars and no more, so that they can only be a pair."""
        token = self.cursor.advance()
        if sum(other.kind == token.kind for other in self.cursor.tokens) != 2:
            raise self.cursor.refuse(
                r"expected \left| and \right|, as bars without them could pair in two ways", token.at
            )
        self.inside_bars = True
        node = self.sum()
        self.cursor.expect(token.kind, f"after {token.text}")
        self.inside_bars = False
        return self._between(token.kind, node, token.at)

    def _ends(self) -> bool:
        """Whether no factor can start here; a bare bar after the first one closes."""
        kind = self.cursor.token.kind
        return kind in ENDS or (kind in ("|", r"\|") and self.inside_bars)

    def _fraction(self) -> Node:
        at = self.cursor.advance().at
        start = self.cursor.position
        above = self._fraction_part(first=True)
        middle = self.cursor.position
        below = self._fraction_part(first=False)
        if _is_derivative(self.cursor.tokens[start:middle], self.cursor.tokens[middle : self.cursor.position]):
            raise self.cursor.refuse(r"expected a quotient: \frac{d}{d x} could be a derivative, which is not read", at)
        inverse = self.grow.reciprocal(below, below.at)
        if above.kind == "number" and above.value == 1:
            return inverse
        return self.grow.mul([above, inverse], at)

    def _fraction_part(self, first: bool) -> Node:
        token = self.cursor.token
        if token.kind == "{":
            self.cursor.advance()
            node = self.sum()
            self.cursor.expect("}", "after a part of the fraction")
            return node
        if token.kind == "number" and len(token.text) > 1:
            if not (first and len(token.text) == 2 and token.text.isdigit()):
                raise self.cursor.refuse(r"expected braces in \frac, as LaTeX takes one digit at a time")
            split = [Token("number", token.text[0], token.at), Token("number", token.text[1], token.at + 1)]
            self.cursor.tokens[self.cursor.position : self.cursor.position + 1] = split
        return self._single()

    def _single(self) -> Node:
        """What LaTeX takes as an argument without braces: one digit, letter or command."""
        token = self.cursor.token
        if token.kind == "number" and len(token.text) == 1:
            return self.primary()
        if look_at([token, _STOP], 0) is not None:
            return self._name(only=True)
        raise self.cursor.refuse(f"expected braces, got {token.text}")

    def _root(self) -> Node:
        at = self.cursor.advance().at
        index = Fraction(2)
        if self.cursor.accept("["):
            given = self.cursor.expect("number", "as the index of a root")
            self.cursor.expect("]", "after the index of a root")
            index = Fraction(given.text)
            if index == 0:
                raise self.cursor.refuse("expected an index other than 0", given.at)
        if self.cursor.accept("{"):
            inside = self.sum()
            self.cursor.expect("}", "after the root")
        else:
            inside = self._single()
        return self.grow.power(inside, self.grow.exact(1 / index, at), at)

    def _scalar_product(self) -> Node:
        at = self.cursor.advance().at
        left = self.sum()
        self.cursor.expect(",", "between the vectors")
        right = self.sum()
        self.cursor.expect(r"\rangle", "after the vectors")
        return self.grow.structure("dot", [left, right], at)

    def _matrix(self) -> Node:
        at = self.cursor.advance().at
        name = self._braced_word(r"\begin")
        if name not in MATRICES:
            raise self.cursor.refuse(f"expected one of {', '.join(MATRICES)}, got the environment {name}", at)
        rows: list[list[Node]] = [[]]
        while True:
            rows[-1].append(self.sum())
            if self.cursor.accept("&"):
                continue
            if self.cursor.accept("line"):
                if self.cursor.token.kind == r"\end":
                    break
                rows.append([])
                continue
            break
        self.cursor.expect(r"\end", "after the rows")
        if self._braced_word(r"\end") != name:
            raise self.cursor.refuse(f"expected \\end{{{name}}}")
        return self.grow.other("matrix", None, [self.grow.other("tuple", None, row, at) for row in rows], at)

    def _braced_word(self, what: str) -> str:
        self.cursor.expect("{", f"after {what}")
        word = ""
        while self.cursor.token.kind in ("letter", "*"):
            word += self.cursor.advance().text
        self.cursor.expect("}", f"after the name of {what}")
        return word

    # Names and functions

    def _named_operator(self) -> Node:
        r"""\operatorname{erf}, \mathrm{tr}: a function where the word is one, otherwise a name."""
        token = self.cursor.token
        if token.kind == r"\mathrm":
            found = look_at(self.cursor.tokens, self.cursor.position)
            if found is not None and (self._candidates(found[0]) or found[0] in _CONSTANTS):
                return self._name()
        self.cursor.advance()
        word = self._braced_letters(token)
        if word == "E":
            return self._mean(token.at)
        if word in STRUCTURES:
            return self._structure(STRUCTURES[word], token)
        function = BY_COMMAND.get(word)
        if function is None:
            head = self.names.names.get(word)
            if isinstance(head, sp.FunctionClass):
                return self._applied(head, token)
            raise self.cursor.refuse(f"unknown function {word[:40]}; known names are {self.names.known()}", token.at)
        return self._function(function, token)

    def _braced_letters(self, token: Token) -> str:
        self.cursor.expect("{", f"after {token.text}")
        word = ""
        while self.cursor.token.kind in ("letter", "number"):
            word += self.cursor.advance().text
        self.cursor.expect("}", f"after the word of {token.text}")
        return word

    def _function(self, function: Function, token: Token) -> Node:
        exponent = None
        if self.cursor.accept("^"):
            start = self.cursor.token.at
            exponent = self._script("exponent")
            if exponent.kind == "number" and exponent.value < 0:
                raise self.cursor.refuse("expected a positive exponent: sin^{-1} could be arcsin or 1/sin", start)
        node = self.grow.call(function, self._arguments(function.name), token.at)
        return node if exponent is None else self.grow.power(node, exponent, token.at)

    def _structure(self, name: str, token: Token) -> Node:
        parts = self._arguments(name)
        if len(parts) != 1:
            raise self.cursor.refuse(f"expected one argument of {name}, got {len(parts)}", token.at)
        return self.grow.structure(name, parts, token.at)

    def _applied(self, head: Any, token: Token, exponent: Node | None = None) -> Node:
        if exponent is None and self.cursor.accept("^"):
            exponent = self._script("exponent")
        if self.cursor.token.kind not in ("(", "[", "{"):
            raise self.cursor.refuse(f"expected a bracket after the function {token.text}")
        node = self.grow.other("apply", head, self._arguments(token.text), token.at)
        return node if exponent is None else self.grow.power(node, exponent, token.at)

    def _arguments(self, name: str) -> list[Node]:
        cursor = self.cursor
        separators = (";",) if name == "Phi2" else ()
        if cursor.token.kind == "{" and cursor.after.kind in ("(", "["):
            opening = cursor.position
            end = _matching(cursor.tokens, opening)
            closes = cursor.tokens[end - 1].kind if end > 0 else ""
            if closes == BRACKETS[cursor.after.kind] and _matching(cursor.tokens, opening + 1) == end - 1:
                cursor.advance()
                kind = cursor.advance().kind
                parts, _ = self._list(BRACKETS[kind], *separators)
                cursor.expect("}", f"after the arguments of {name}")
                return parts
        if cursor.token.kind in ("(", "["):
            kind = cursor.advance().kind
            return self._list(BRACKETS[kind], *separators)[0]
        return [self._argument_without_brackets(name)]

    def _argument_without_brackets(self, name: str) -> Node:
        """One factor, followed by nothing that could belong to it."""
        if self._ends():
            raise self.cursor.refuse(f"expected an argument of {name}, got {self.cursor.token.text}")
        node = self.primary()
        token = self.cursor.token
        if token.kind == "^":
            raise self.cursor.refuse(f"expected brackets: {name} x^2 could be ({name} x)^2 or {name}(x^2)")
        if not self._ends() and not self._is_function_ahead():
            raise self.cursor.refuse(f"expected brackets: {name} x y could be {name}(x) y or {name}(x y)")
        return node

    def _is_function_ahead(self) -> bool:
        kind = self.cursor.token.kind
        return kind == r"\operatorname" or (kind.startswith("\\") and kind[1:] in BY_COMMAND)

    def _exponential(self, at: int, only: bool) -> Node:
        """e^{x}, and e alone."""
        raised = not only and self.cursor.accept("^")
        exponent = self._script("exponent") if raised else self.grow.exact(Fraction(1), at)
        if raised and self.cursor.token.kind == "^":
            raise self.cursor.refuse("expected one exponent; write brackets around the power")
        return self.grow.call(BY_NAME["exp"], [exponent], at)

    def _mean(self, at: int) -> Node:
        variables: list[sp.Symbol] = []
        looks: list[Look] = []
        if self.cursor.accept("_"):
            self.cursor.expect("{", "after the E of a mean")
            while True:
                look = self._look()
                symbol = self._bind(look, "integral")
                variables.append(symbol)
                looks.append(look)
                if not self.cursor.accept(","):
                    break
            self._standard_normal()
            self.cursor.expect("}", "after the law of a mean")
        opening = self.cursor.token
        if opening.kind != "[":
            raise self.cursor.refuse(f"expected [ after the E of a mean, got {opening.text}")
        self.cursor.advance()
        before = dict(self.bound)
        self.bound.update(zip(looks, variables))
        inside, _ = self._list("]")
        self.bound = before
        if len(inside) != 1:
            raise self.cursor.refuse("expected one expression in a mean", opening.at)
        if variables:
            return self.grow.other("integral", tuple(variables), inside, at)
        return self.grow.other("mean", None, inside, at)

    def _gradient(self) -> Node:
        r"""\nabla_{k} \left(f\right), \nabla_k \mathbb{E}[f]: the next factor, and nothing that could belong to it."""
        at = self.cursor.advance().at
        self.cursor.expect("_", r"after \nabla, with what to differentiate by")
        if self.cursor.accept("{"):
            parameter = self._plain_name()
            self.cursor.expect("}", r"after the name below \nabla")
        else:
            parameter = self._name(only=True)
        parts = self._arguments(r"\nabla")
        if len(parts) != 1:
            raise self.cursor.refuse(rf"expected one argument of \nabla, got {len(parts)}", at)
        if self.cursor.token.kind in ("^", "'"):
            raise self.cursor.refuse(r"expected brackets: \nabla_k (f)^2 could be \nabla_k (f^2) or (\nabla_k f)^2")
        return self.grow.structure("grad", [parts[0], parameter], at)

    def _standard_normal(self) -> None:
        wanted = [r"\sim", r"\mathcal", "{", "N", "}", "(", "0", ",", "1", ")"]
        for text in wanted:
            if self.cursor.token.text != text:
                raise self.cursor.refuse(
                    rf"expected \sim \mathcal{{N}}(0,1) in the law of a mean, got {self.cursor.token.text}"
                )
            self.cursor.advance()

    def _blackboard(self) -> Node:
        token = self.cursor.advance()
        if self.cursor.accept("{"):
            letter = self.cursor.advance()
            self.cursor.expect("}", "after the letter")
        else:
            letter = self.cursor.advance()
        if letter.text == "E":
            return self._mean(token.at)
        if letter.text == "I":
            if self.cursor.token.kind != "_":
                raise self.cursor.refuse(r"expected the dimension of an identity matrix, as in \mathbb{I}_{d}")
            self.cursor.advance()
            return self.grow.structure("identity", [self._script("dimension")], token.at)
        raise self.cursor.refuse(f"expected \\mathbb{{E}} or \\mathbb{{I}}, got the letter {letter.text}", letter.at)

    def _filled(self) -> Node:
        r"""\mathbf{1}_{d}, a vector of ones, and \mathbf{1}_{n,d}, a matrix of ones; zeros alike."""
        token = self.cursor.advance()
        entry = self._braced_letters(token)
        if entry not in ("0", "1") or self.cursor.token.kind != "_":
            raise self.cursor.refuse(r"expected \mathbf{1}_{n,d} with its sizes; bold letters are not read", token.at)
        self.cursor.advance()
        if self.cursor.token.kind == "{":
            self.cursor.advance()
            sizes, _ = self._list("}")
        else:
            sizes = [self._script("size")]
        if len(sizes) == 1:
            sizes.append(self.grow.exact(Fraction(1), token.at))
        if len(sizes) != 2:
            raise self.cursor.refuse(r"expected one or two sizes, as in \mathbf{1}_{n,d}", token.at)
        return self.grow.structure("ones" if entry == "1" else "zeros", sizes, token.at)

    def _summation(self) -> Node:
        at = self.cursor.advance().at
        self.cursor.expect("_", r"after \sum")
        self.cursor.expect("{", r"after \sum_")
        look = self._look()
        symbol = self._bind(look, "sum")
        self.cursor.expect("=", "after the index of the sum")
        low = self.sum()
        self.cursor.expect("}", "after the lower end of the sum")
        self.cursor.expect("^", "before the upper end of the sum")
        high = self._script("upper end")
        before = dict(self.bound)
        self.bound[look] = symbol
        start = self.cursor.token.at
        negative = self.cursor.accept("-")
        body = self.term()
        self.bound = before
        if negative:
            body = self.grow.negative(body, start)
        return self.grow.other("sum", symbol, [body, low, high], at)

    def _look(self) -> Look:
        found = look_at(self.cursor.tokens, self.cursor.position)
        if found is None:
            raise self.cursor.refuse(f"expected a name, got {self.cursor.token.text}")
        look, _, end = found
        self._step_to(end)
        return look

    def _bind(self, look: Look, binder: str) -> sp.Symbol:
        """The bound variable of a sum, or of an integral, whose own variable has no name that matters."""
        if binder == "integral":
            return sp.Dummy("t", real=True)
        name = look.base.removeprefix("\\") + (f"_{look.lower}" if look.lower else "")
        candidates = self.names.looks.get(look, ())
        symbol = None
        if not look.upper and len(candidates) <= 1:
            symbol = bound_symbol(name, binder, candidates[0] if candidates else None)
        if symbol is None:
            raise self.cursor.refuse(f"expected a plain name that is free as the index of a sum, got {look}")
        return symbol

    def _step_to(self, position: int) -> None:
        self.grow.work += position - self.cursor.position
        self.cursor.position = position

    def _candidates(self, look: Look) -> tuple[Any, ...]:
        if look in self.bound:
            return (self.bound[look],)
        return self.names.looks.get(look, ())

    def _plain_name(self) -> Node:
        node = self._name()
        if node.kind != "name":
            raise self.cursor.refuse("expected a name", node.at)
        return node

    def _name(self, only: bool = False) -> Node:
        """A declared name, with a row or entry index where it is a matrix.

        Args:
            only: whether the name is one token, as in x^\\lambda and \\frac\\pi2.
        """
        token, start = self.cursor.token, self.cursor.position
        found = look_at([token, _STOP], 0) if only else look_at(self.cursor.tokens, start)
        if found is None:
            raise self.cursor.refuse(f"expected a number, a name or a bracket, got {token.text}")
        look, after_base, end = found
        if only:
            after_base = end = start + 1
        base = Look(look.base, "", "")
        whole = self._candidates(look)
        indexed = self._matrices(base) if look.lower and not look.upper else ()
        if len(whole) + len(indexed) > 1:
            meant = " and like ".join(_described(value) for value in (*whole, *indexed))
            raise self.cursor.refuse(f"{look} is ambiguous: it looks like {meant}; rename one", token.at)
        if whole:
            self._step_to(end)
            return self._resolved(whole[0], look, token)
        if indexed:
            self._step_to(after_base)
            return self._indexed(self.grow.leaf("name", indexed[0], token.at), token.at)
        if look in SPECIAL:
            self._step_to(end)
            return self._function(BY_NAME[SPECIAL[look]], token)
        if look == _E:
            self._step_to(end)
            return self._exponential(token.at, only)
        constant = _CONSTANTS.get(look)
        if constant is None:
            advice = r"; write \mathrm{i} for the imaginary unit" if look.base == "i" else ""
            raise self.cursor.refuse(f"unknown name {look}; known are {self.names.known()}{advice}", token.at)
        self._step_to(end)
        return self.grow.leaf("constant", constant, token.at, constant=True)

    def _matrices(self, look: Look) -> tuple[Any, ...]:
        return tuple(value for value in self._candidates(look) if getattr(value, "is_Matrix", False))

    def _resolved(self, value: Any, look: Look, token: Token) -> Node:
        """A declared name; what could also be read as a function or as e^x is refused."""
        cursor = self.cursor
        if isinstance(value, sp.FunctionClass):
            return self._applied(value, token)
        in_braces = cursor.token.kind == "{" and cursor.after.kind == "("
        if in_braces or (look in SPECIAL and cursor.token.kind == "("):
            raise cursor.refuse(f"{look}(...) looks like a function; write {look} \\cdot (...) for a product", token.at)
        if look == _E and cursor.token.kind == "^":
            raise cursor.refuse(
                "e is declared, so e^x could be its power or exp(x); write \\exp(x), or rename e", token.at
            )
        return self.grow.leaf("name", value, token.at)


_STOP = Token("end", "the end", 0)
_E = Look("e", "", "")
_CONSTANTS = {Look(r"\pi", "", ""): "pi", Look(r"\mathrm{i}", "", ""): "i"}
_HANDLERS = {
    "{": LatexReader._group,
    r"\frac": LatexReader._fraction,
    r"\sqrt": LatexReader._root,
    r"\langle": LatexReader._scalar_product,
    r"\begin": LatexReader._matrix,
    r"\operatorname": LatexReader._named_operator,
    r"\mathrm": LatexReader._named_operator,
    r"\mathbb": LatexReader._blackboard,
    r"\mathbf": LatexReader._filled,
    r"\sum": LatexReader._summation,
    r"\nabla": LatexReader._gradient,
}


def _described(value: Any) -> str:
    kind = type(value).__name__ if not isinstance(value, sp.FunctionClass) else "function"
    return f"the {kind} {getattr(value, 'name', getattr(value, '__name__', ''))}"


def _is_derivative(above: list[Token], below: list[Token]) -> bool:
    r"""Whether a quotient of products looks like \frac{d f}{d x}; as a quotient it would have lost its d."""
    first, second = ([token for token in part if token.kind not in ("{", "}")] for part in (above, below))
    is_sum = any(token.kind in ("+", "-") for token in (*first, *second))
    starts = first and first[0].text == "d" and len(second) > 1 and second[0].text == "d"
    return bool(starts and not is_sum and look_at([second[1], _STOP], 0) is not None)


def _matching(tokens: list[Token], start: int) -> int:
    """Where the bracket or group that opens at `start` closes; -1 if it does not."""
    opening, depth = tokens[start].kind, 0
    closing = {"{": "}", **BRACKETS}[opening]
    for i in range(start, len(tokens)):
        depth += (tokens[i].kind == opening) - (tokens[i].kind == closing)
        if depth == 0:
            return i
    return -1


def _without_layout(tokens: list[Token], text: str) -> list[Token]:
    r"""The tokens without the environment around them: \begin{aligned} ... \end{aligned}, & and \\."""
    if tokens[0].kind != r"\begin":
        return tokens
    end = _matching(tokens, 1) if tokens[1].kind == "{" else -1
    name = "".join(token.text for token in tokens[2:end])
    if name not in ENVIRONMENTS:
        return tokens
    tail = len(tokens) - 2
    while tail > 0 and tokens[tail].kind != r"\end":
        tail -= 1
    closing = "".join(token.text for token in tokens[tail + 2 : len(tokens) - 2])
    if closing != name or tokens[tail].kind != r"\end":
        raise FormulaError(f"expected \\end{{{name}}} at the end", tokens[-1].at, text)
    inner, depth, kept = tokens[end + 1 : tail], 0, []
    for token in inner:
        depth += (token.kind == r"\begin") - (token.kind == r"\end")
        if depth or token.kind not in ("&", "line"):
            kept.append(token)
    return [*kept, tokens[-1]]


def is_latex(text: str) -> bool:
    r"""Whether a text is LaTeX and not of the plain grammar: a command, or braces after ^ or _.

    >>> is_latex(r"\lambda g"), is_latex("lambda*g"), is_latex("x^{2}")
    (True, False, True)
    """
    return re.search(r"\\|[{}]", text) is not None
