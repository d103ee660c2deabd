r"""Formulas as LaTeX: the names of the field, exact numbers, long sums over several lines.

    λ, κ, k*           \lambda, \kappa, k^{\star}
    T(h, a)            \operatorname{T}{\left(h,a \right)}                Owen's T
    Φ(x), Φ₂(h, k; ρ)  \Phi{\left(x \right)}, \Phi_{2}{\left(h,k;\rho \right)}
    ⟨u, v⟩             \left\langle u, v\right\rangle

Names are data, and `theory.letters` prints them. Two symbols that would look the same (to sympy, one
name with two assumptions makes two symbols) are told apart by a prime.

A formula wider than a line is an `aligned` block, split where a reader would split it: at the terms
of the sum, then inside the brackets of a long product. Everything needs amsmath and amssymb only,
and reads the same in a notebook.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.printing.latex import LatexPrinter
from sympy.printing.precedence import PRECEDENCE

from .letters import function_name, sentence_to_latex, symbol_name

__all__ = ["chain", "document", "names_shown", "related", "sentence_to_latex", "to_latex"]

LINE = 90  # characters of rendered width: a line of a page, or of a notebook cell

# --- Formulas -----------------------------------------------------------------------------------


class _Printer(LatexPrinter):
    """sympy's printer with our names. Nodes with a method `_latex(printer)` print themselves.

    One printer prints one formula: it remembers which symbol got which appearance.
    """

    def __init__(self) -> None:
        super().__init__({"inv_trig_style": "full", "imaginary_unit": "ri"})
        self.shown: dict[str, Any] = {"e": sp.E, r"\pi": sp.pi}  # a symbol e is none of e^{x}

    def _print(self, expr: Any, **kwargs: Any) -> str:
        if _is_random_scalar(expr):  # its law is its identity: two laws under one name are told apart
            return self._told_apart(expr.name, expr)
        before = dict(self.shown) if getattr(expr, "bound_symbols", None) else None
        text = super()._print(expr, **kwargs)
        if before is not None:  # a bound name is free again outside its scope
            bound = set(map(self._identity, expr.bound_symbols))
            self.shown = {k: v for k, v in self.shown.items() if k in before or v not in bound}
        return str(text)

    @staticmethod
    def _identity(symbol: Any) -> Any:
        """What makes two symbols of one name the same; one without assumptions may stand for a matrix."""
        if isinstance(symbol, sp.Dummy) or getattr(symbol, "_assumptions_orig", None):
            return symbol
        return symbol.name

    def _print_Symbol(self, expr: Any, style: str = "plain") -> str:
        return self._told_apart(expr.name, self._identity(expr))

    def _told_apart(self, name: str, identity: Any) -> str:
        text = symbol_name(name)
        while self.shown.setdefault(text, identity) != identity:
            text = text[:-1] + r" \prime}" if text.endswith(r"\prime}") else text + r"^{\prime}"
        return text

    def _print_Str(self, expr: Any) -> str:
        return symbol_name(expr.name)

    def _deal_with_super_sub(self, string: str, style: str = "plain") -> str:
        return symbol_name(string)

    def emptyPrinter(self, expr: Any) -> str:
        return rf"\text{{{sentence_to_latex(str(expr))}}}"

    def _print_Basic(self, expr: sp.Basic) -> str:
        if isinstance(getattr(expr, "name", None), str):
            return self._print_Symbol(sp.Symbol(expr.name))
        return self._applied(function_name(type(expr).__name__), expr.args)

    def _print_Float(self, expr: Any) -> str:
        raise ValueError(f"expected exact numbers in a formula, got the float {expr}; write sympy.Rational")

    _print_float = _print_Float

    def _applied(self, head: str, arguments: Iterable[Any], exp: str | None = None) -> str:
        inside = ",".join(self._print(argument) for argument in arguments)
        power = "" if exp is None else f"^{{{exp}}}"
        return rf"{head}{power}{{\left({inside} \right)}}"

    def _hprint_Function(self, func: str) -> str:
        return function_name(func)

    def _print_Function(self, expr: Any, exp: str | None = None) -> str:
        if isinstance(expr, AppliedUndef):
            head = function_name(expr.func.__name__)
            return self._applied(rf"\left({head}\right)" if exp and "^" in head else head, expr.args, exp)
        return str(super()._print_Function(expr, exp))

    # sympy knows precedences by the name of a class, and its own Dot is an operator.
    def parenthesize(self, item: Any, *args: Any, **options: Any) -> str:
        if _is_closed(item):
            return self._print(item)
        if _stands_in_front(item):
            return rf"\left({self._print(item)}\right)"
        return str(super().parenthesize(item, *args, **options))

    def _needs_mul_brackets(self, expr: Any, first: bool = False, last: bool = False) -> bool:
        if _stands_in_front(expr):
            return not last
        return not _is_closed(expr) and bool(super()._needs_mul_brackets(expr, first=first, last=last))

    def _print_Heaviside(self, expr: Any, exp: str | None = None) -> str:
        return self._applied(r"\operatorname{H}", expr.args[:1], exp)  # sympy writes θ, which is an overlap

    def _print_Mul(self, expr: Any) -> str:
        # sympy's own asks whether exponents are constant, which runs simplify on each of them.
        if isinstance(expr, sp.Mul) and any(factor.is_Number for factor in expr.args[1:]):
            return self._product(expr.args)  # unevaluated: shown as it was written
        if expr.could_extract_minus_sign():
            opposite = -expr
            text = self._print(opposite)
            return rf"- \left({text}\right)" if isinstance(opposite, sp.Add) else f"- {text}"
        above: list[Any] = []
        below: list[Any] = []
        for factor in sp.Mul.make_args(expr):
            if factor.is_Rational:
                above += [sp.Integer(factor.p)] if factor.p != 1 else []
                below += [sp.Integer(factor.q)] if factor.q != 1 else []
            elif factor.is_commutative and factor.is_Pow and factor.exp.is_Rational and factor.exp < 0:
                below.append(sp.Pow(factor.base, -factor.exp))
            else:
                above.append(factor)
        if not below:
            return self._product(self._ordered(above))
        return rf"\frac{{{self._product(self._ordered(above))}}}{{{self._product(self._ordered(below))}}}"

    def _ordered(self, factors: list[Any]) -> list[Any]:
        return list(sp.Mul(*factors, evaluate=False).as_ordered_factors()) if len(factors) > 1 else factors

    def _product(self, factors: Sequence[Any]) -> str:
        text = ""
        for i, factor in enumerate(factors):
            printed = self._print(factor)
            if len(factors) > 1 and self._needs_mul_brackets(factor, first=i == 0, last=i == len(factors) - 1):
                printed = rf"\left({printed}\right)"
            between_numbers = re.search(r"[0-9][} ]*$", text) and re.match(r"\d|\\frac{\d+}{\d+}", printed)
            text += (r" \cdot " if between_numbers else " " if text else "") + printed
        return text or "1"

    def _print_Transpose(self, expr: Any) -> str:
        return self._raised(expr.arg, r"\top")

    def _print_Identity(self, expr: Any) -> str:
        return rf"\mathbb{{I}}_{{{self._print(expr.shape[0])}}}"

    def _print_OneMatrix(self, expr: Any) -> str:
        return self._filled("1", expr)

    def _print_ZeroMatrix(self, expr: Any) -> str:
        return self._filled("0", expr)

    def _filled(self, entry: str, expr: Any) -> str:
        rows, columns = expr.shape
        sizes = self._print(rows) if columns == 1 else f"{self._print(rows)},{self._print(columns)}"
        return rf"\mathbf{{{entry}}}_{{{sizes}}}"

    def _print_Inverse(self, expr: Any) -> str:
        return self._raised(expr.arg, "-1")

    def _print_HadamardPower(self, expr: Any) -> str:
        return self._raised(expr.base, rf"\circ {self._print(expr.exp)}")

    # diag of a matrix is the vector on its diagonal, Diag what has nothing but a diagonal
    def _print_DiagonalOf(self, expr: Any) -> str:
        return rf"\operatorname{{diag}}\left({self._print(expr.arg)}\right)"

    def _print_DiagonalMatrix(self, expr: Any) -> str:
        return rf"\operatorname{{Diag}}\left({self._print(expr.arg)}\right)"

    def _print_DiagMatrix(self, expr: Any) -> str:
        return rf"\operatorname{{Diag}}\left({self._print(expr.args[0])}\right)"

    def _raised(self, base: Any, exponent: str) -> str:
        text = self._print(base)
        atomic = isinstance(base, (sp.MatrixSymbol, sp.Symbol)) or not base.args or hasattr(base, "name")
        return rf"{text}^{{{exponent}}}" if atomic and "^" not in text else rf"\left({text}\right)^{{{exponent}}}"

    def _helper_print_standard_power(self, expr: Any, template: str) -> str:
        text = self._print(expr.base)
        if hasattr(expr.base, "name") and "^" in text:
            return template % (rf"\left({text}\right)", self._print(expr.exp))
        return str(super()._helper_print_standard_power(expr, template))

    def _print_MatrixSlice(self, expr: Any) -> str:
        (start, stop, step), columns = expr.rowslice, expr.colslice
        if stop - start == 1 and step == 1 and columns == (0, expr.parent.cols, 1):
            rows = self.parenthesize(expr.parent, PRECEDENCE["Atom"], strict=True)
            return f"{{{rows}}}_{{{self._print(start)}}}"
        return str(super()._print_MatrixSlice(expr))


def _is_random_scalar(expr: Any) -> bool:
    return (
        _is_closed(expr)
        and isinstance(getattr(expr, "name", None), str)
        and isinstance(expr, sp.Expr)
        and not (isinstance(expr, sp.Symbol) or getattr(expr, "is_Matrix", False))
    )


def _is_closed(expr: Any) -> bool:
    """Whether it is an atom that prints itself, so that no bracket around it is ever needed."""
    return bool(getattr(expr, "is_Atom", False)) and hasattr(expr, "_latex")


def _stands_in_front(expr: Any) -> bool:
    """Whether it prints as an operator in front of what it acts on, as ∇ does: in a product it needs a bracket."""
    return bool(getattr(expr, "prints_in_front", False))


_SIZED_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}^_&\s]|.", re.DOTALL)
_WIDTHLESS = {
    r"\left",
    r"\right",
    r"\Bigl",
    r"\Bigr",
    r"\operatorname",
    r"\mathrm",
    r"\mathbb",
    r"\text",
    "&",
    "}",
}


def _width(tex: str) -> int:
    """About how many characters wide the formula is when set: the taller half of a fraction hides."""
    tokens = _SIZED_TOKEN.findall(tex)

    def group(start: int) -> tuple[int, int]:
        """Width of the group or token at `start`, in tenths, and where the next one begins."""
        while start < len(tokens) and tokens[start].isspace():
            start += 1
        if start >= len(tokens):
            return 0, start
        token, position = tokens[start], start + 1
        if token == "{":
            width = 0
            while position < len(tokens) and tokens[position] != "}":
                step, position = group(position)
                width += step
            return width, position + 1
        if token in (r"\frac", r"\tfrac"):
            upper, position = group(position)
            lower, position = group(position)
            return max(upper, lower), position
        if token in "^_":
            width, position = group(position)
            return width * 7 // 10, position
        if token in _WIDTHLESS:
            return 0, position
        return (30 if token in "+-=" else 10), position

    total, position = 0, 0
    while position < len(tokens):
        step, position = group(position)
        total += step
    return total // 10


def _pieces(expr: Any, printer: _Printer, width: int) -> list[str]:
    """The formula cut where a line may end: at top-level terms, then inside a bracket that is too long."""
    if isinstance(expr, sp.Add):
        terms = printer._as_ordered_terms(expr)
    elif isinstance(expr, sp.MatAdd):
        terms = list(expr.args)
    else:
        return _factor_pieces(expr, printer, width)
    pieces: list[str] = []
    for term in terms:
        sign_of = term.as_coeff_matrices()[0] if isinstance(term, sp.MatMul) else term
        negative = sign_of.could_extract_minus_sign()
        term = -term if negative else term
        first, *rest = _factor_pieces(term, printer, width)
        if not rest and printer._needs_add_brackets(term):
            first = rf"\left({first}\right)"
        sign = "- " if negative else "+ " if pieces else ""
        pieces += [sign + first, *rest]
    return pieces


def _factor_pieces(term: Any, printer: _Printer, width: int) -> list[str]:
    shown = dict(printer.shown)
    text = printer._print(term)
    if _width(text) <= width:
        return [text]
    factors = list(sp.Mul.make_args(term)) if isinstance(term, sp.Mul) else [term]
    sizes = {factor: _width(_probe(factor, printer)) for factor in factors}
    long = [factor for factor in factors if 2 * sizes[factor] > width or sizes[factor] == max(sizes.values())]
    brackets = [bracket for factor in long if (bracket := _bracket(factor, printer)) is not None]
    if len(brackets) < len(long):
        return [text]
    printer.shown = shown
    short = [factor for factor in factors if factor not in long]
    pieces = [_prefix(sp.Mul(*short, evaluate=False) if len(short) > 1 else short[0], printer)] if short else [""]
    for opening, inside, closing in brackets:
        first, *rest = _pieces(inside, printer, width)
        pieces[-1] += opening + first
        pieces += rest
        pieces[-1] += closing + " "
    return [piece.rstrip() for piece in pieces]


def _probe(expr: Any, printer: _Printer) -> str:
    """How an expression would be printed, without printing it."""
    shown = dict(printer.shown)
    text = printer._print(expr)
    printer.shown = shown
    return text


def _prefix(factor: Any, printer: _Printer) -> str:
    return "- " if factor == -1 else printer.parenthesize(factor, PRECEDENCE["Mul"]) + " "


def _bracket(factor: Any, printer: _Printer) -> tuple[str, Any, str] | None:
    """What opens a factor, the formula inside and what closes it; None if nothing in it can be broken."""
    if isinstance(factor, sp.Add):
        return r"\Bigl(", factor, r"\Bigr)"
    if isinstance(factor, sp.exp):
        return r"\exp\Bigl(", factor.exp, r"\Bigr)"
    if isinstance(factor, sp.Pow):
        base = _bracket(factor.base, printer)
        return None if base is None else (*base[:2], base[2] + f"^{{{_probe(factor.exp, printer)}}}")
    if isinstance(factor, sp.Function) and len(factor.args) == 1:
        return function_name(factor.func.__name__) + r"\Bigl(", factor.args[0], r"\Bigr)"
    if _stands_in_front(factor):
        return _bracket_behind(factor, printer)
    head, bracket, _ = _probe(factor, printer).partition(r"\left[")
    if bracket and isinstance(factor, sp.Expr) and r"\mathbb{E}" in head:  # a mean of something long
        return head + r"\Bigl[", factor.args[0], r"\Bigr]"
    return None


def _bracket_behind(factor: Any, printer: _Printer) -> tuple[str, Any, str] | None:
    """The bracket behind an operator: its own, or that of the mean it acts on."""
    inside, text = factor.args[0], _probe(factor, printer)
    if factor.is_bracketed:
        return text.partition(r" \left(")[0] + r" \Bigl(", inside, r"\Bigr)"
    mean = _bracket(inside, printer)
    return None if mean is None else (text[: text.index(_probe(inside, printer))] + mean[0], *mean[1:])


def _lines(expr: Any, printer: _Printer, width: int) -> list[str]:
    """The formula as lines of about the given width."""
    lines, used = [""], 0
    for piece in _pieces(expr, printer, width):
        size = _width(piece)
        if used and used + size > width:
            lines, used = [*lines, ""], 0
        lines[-1] = f"{lines[-1]} {piece}" if lines[-1] else piece
        used += size
    return lines


_BEGIN, _END = "\\begin{aligned}\n", "\n\\end{aligned}"


def _aligned(lines: Sequence[str]) -> str:
    return _BEGIN + " \\\\\n".join(lines) + _END


def _exact(obj: Any) -> Any:
    """Python's numbers as sympy's; everything else as it is."""
    if isinstance(obj, int | Fraction):
        return sp.Rational(obj)
    return obj


def to_latex(obj: Any, width: int = LINE) -> str:
    r"""LaTeX of an expression, a matrix, a relation, a point, or of any object with a method `latex()`.

    Args:
        obj: sympy object, int or Fraction, tuple or list of these, a mapping from symbols to values, or
            an object that prints itself (`Statement`, `Derivation`, `Risk`).
        width: rendered characters on a line; a longer sum becomes an `aligned` block.

    Returns:
        LaTeX to be put between dollar signs, or in a display.

    Raises:
        TypeError: for text, and for objects that cannot be printed.
        ValueError: for floats; a formula is exact.

    >>> lam, k_star = sp.symbols("lam k_star")
    >>> print(to_latex(sp.erf(lam*k_star)/2))
    \frac{\operatorname{erf}{\left(k^{\star} \lambda \right)}}{2}
    >>> print(to_latex({lam: sp.Rational(1, 3)}))
    \lambda = \frac{1}{3}
    """
    obj = _exact(obj)
    if hasattr(obj, "lhs") and hasattr(obj, "rhs"):
        relation = getattr(obj, "rel_op", getattr(obj, "relation", "="))
        return related(obj.lhs, relation, obj.rhs, width)
    if callable(getattr(obj, "latex", None)):
        return str(obj.latex())
    if isinstance(obj, Mapping):
        return _point(obj)
    if not isinstance(obj, sp.Basic) and isinstance(getattr(obj, "expr", None), sp.Basic):
        obj = obj.expr  # a risk
    printable = isinstance(obj, sp.Basic | sp.MatrixBase | tuple | list | float)
    if not printable:
        raise TypeError(f"expected a sympy object or one with a method latex(), got {obj!r} ({type(obj).__name__})")
    lines = _lines(obj, _Printer(), width)
    return lines[0] if len(lines) == 1 else _aligned(["&" + lines[0], *(r"&\quad {}" + line for line in lines[1:])])


def names_shown(*parts: Any, width: int = LINE) -> dict[str, Any]:
    r"""What the names in a formula stand for: its printed names, each with its symbol, or with a name.

    Args:
        parts: the formula as given to `to_latex`, or both sides as given to `related`.
        width: as given there.

    Returns:
        A dict from LaTeX to a symbol or a random scalar; to a text where only the name is known, as
        for a matrix. Bound names are not in it.

    >>> real, positive = sp.Symbol("x", real=True), sp.Symbol("x", positive=True)
    >>> shown = names_shown(real**2 + positive)
    >>> print(*sorted(shown))
    x x^{\prime}
    >>> set(shown.values()) == {real, positive}
    True
    """
    printer = _Printer()
    for part in parts:
        _lines(_exact(part), printer, width)
    return {text: meant for text, meant in printer.shown.items() if meant not in (sp.E, sp.pi)}


def _point(values: Mapping[Any, Any]) -> str:
    printer = _Printer()
    names = [sp.Symbol(name) if isinstance(name, str) else name for name in values]
    sides = zip(names, values.values(), strict=True)
    return r",\; ".join(f"{printer._print(name)} = {printer._print(value)}" for name, value in sides)


_RELATIONS = {"=": "=", "==": "=", "<": "<", ">": ">", "<=": r"\le", ">=": r"\ge", "!=": r"\ne", "->": r"\to"}


def related(lhs: Any, relation: str, rhs: Any, width: int = LINE) -> str:
    r"""Two sides and the relation between them, both kept as written.

    Args:
        lhs, rhs: what `to_latex` prints, apart from objects that print themselves.
        relation: one of =, <, >, <=, >=, !=, ->.
        width: rendered characters on a line; longer sides become the lines of an `aligned` block.

    Raises:
        ValueError: for another relation.

    >>> x = sp.Symbol("x")
    >>> print(related(sp.sin(x)**2 + sp.cos(x)**2, "<=", 1))
    \sin^{2}{\left(x \right)} + \cos^{2}{\left(x \right)} \le 1
    """
    if relation not in _RELATIONS:
        raise ValueError(f"expected a relation among {', '.join(_RELATIONS)}, got {relation!r}")
    sign, printer = _RELATIONS[relation], _Printer()
    left, right = (_lines(_exact(side), printer, width) for side in (lhs, rhs))
    if len(left) == len(right) == 1 and _width(left[0]) + _width(right[0]) + 3 <= width:
        return f"{left[0]} {sign} {right[0]}"
    if len(left) == 1 and _width(left[0]) <= width // 3:
        return _aligned([f"{left[0]} &{sign} {right[0]}", *(r"&\quad {}" + line for line in right[1:])])
    head = ["&" + left[0], *(r"&\quad {}" + line for line in left[1:])]
    return _aligned([*head, f"&{sign} {right[0]}", *(r"&\quad {}" + line for line in right[1:])])


def chain(first: Any, steps: Iterable[tuple[Any, ...]], width: int = LINE) -> str:
    r"""A chain of equalities, each with the reason for it: first = … = … = last.

    Args:
        first: the expression the chain starts from.
        steps: pairs (next expression, reason), the reason a few words of text; or triples with the relation, one of
            those of `related`, in the third place.
        width: rendered characters on a line, the reason included.

    >>> x = sp.Symbol("x", real=True)
    >>> print(chain((x + 1)**2, [(x**2 + 2*x + 1, "expand"), (2*x, "", ">")]))
    \begin{aligned}
    &\left(x + 1\right)^{2} \\
    &= x^{2} + 2 x + 1 && \text{expand} \\
    &> 2 x
    \end{aligned}
    """
    printer = _Printer()
    start = _lines(_exact(first), printer, width)
    lines = ["&" + start[0], *(r"&\quad {}" + line for line in start[1:])]
    for expr, reason, *relation in steps:
        note = rf" && \text{{{sentence_to_latex(reason)}}}" if reason else ""
        sign = _RELATIONS[relation[0]] if relation else "="
        head, *rest = _lines(_exact(expr), printer, max(width - len(reason), width // 2))
        lines += [f"&{sign} {head}{note}", *(r"&\quad {}" + line for line in rest)]
    return _aligned(lines)


# --- Documents ----------------------------------------------------------------------------------

_PREAMBLE = r"""\documentclass[10pt,a4paper]{article}
\usepackage{amsmath,amssymb}
\setlength{\textwidth}{17.5cm}
\setlength{\textheight}{24cm}
\setlength{\oddsidemargin}{-0.8cm}
\setlength{\topmargin}{-1.5cm}
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt}
\allowdisplaybreaks
"""


def _display(tex: str) -> str:
    """A displayed formula; a block of lines may break over pages."""
    if tex.startswith(_BEGIN) and tex.endswith(_END) and tex.count(r"\begin{aligned}") == 1:
        return "\\begin{align*}\n" + tex[len(_BEGIN) : -len(_END)] + "\n\\end{align*}"
    return f"\\[\n{tex}\n\\]"


def _check_raw(tex: str, caption: str) -> str:
    depth = 0
    for token in re.findall(r"\\.|[{}]", tex, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(token, 0)
        if depth < 0:
            break
    if depth != 0 or not tex.strip() or "\n\n" in tex:
        raise ValueError(f"expected LaTeX with balanced braces and no empty line for {caption!r}, got {tex!r}")
    return tex


def document(sections: Iterable[tuple[str, Iterable[tuple[str, Any]]]], title: str = "Formulas") -> str:
    r"""A LaTeX file, ready for pdflatex, that shows sentences and their formulas.

    Args:
        sections: pairs (title, items); an item is a pair (sentence, formula), the formula anything that
            `to_latex` prints, LaTeX that was made here already (a str), or None for a sentence alone.
        title: heading of the document.

    Returns:
        The text of an article that needs amsmath and amssymb only; ASCII as far as it is made here.

    Raises:
        ValueError: if LaTeX given as text is empty or its braces do not balance.

    >>> x = sp.Symbol("x")
    >>> text = document([("Identities", [("Pythagoras.", sp.Eq(sp.sin(x)**2 + sp.cos(x)**2, 1))])])
    >>> print(text[text.index(r"\section"):])
    \section{Identities}
    <BLANKLINE>
    Pythagoras.
    \[
    \sin^{2}{\left(x \right)} + \cos^{2}{\left(x \right)} = 1
    \]
    <BLANKLINE>
    \end{document}
    <BLANKLINE>
    """
    blocks = [
        _PREAMBLE + f"\\title{{{sentence_to_latex(title)}}}\n\\author{{}}\n\\date{{}}\n\\begin{{document}}\n\\maketitle"
    ]
    for heading, items in sections:
        blocks.append(rf"\section{{{sentence_to_latex(heading)}}}")
        for sentence, formula in items:
            block = sentence_to_latex(sentence)
            if formula is not None:
                tex = _check_raw(formula, sentence) if isinstance(formula, str) else to_latex(formula)
                block += "\n" + _display(tex)
            blocks.append(block)
    return "\n\n".join([*blocks, r"\end{document}"]) + "\n"
