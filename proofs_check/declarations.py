"""What the names of a claims file, or of a `where=`, are: symbols with their assumptions, matrices, random variables.

    n = "positive integer"                               a number; also "real", "nonnegative", "positive in (0, 5]"
    kappa = "real in [-1, 1]"                            with the interval in which it is asserted
    A = "matrix(d, d)"       v = "vector(d)"             sizes are names or numbers
    S = "symmetric matrix(d)"                            S' is S

    x = "gaussian vector(d), mean m, covariance S"       a d × 1 vector; by default mean 0, covariance I
    X = "gaussian matrix(n, d), mean m, covariance S"    n independent rows
    g = "gaussian, mean 0, variance 1"                   a scalar; the variance by default 1
    "a b" = "gaussian, mean (m, 0), covariance matrix((s, r), (r, t))"      jointly Gaussian scalars
    J = "latent(L)"                                      a uniform location in 0, ..., L - 1
    C = "labels(n), weights (p, 1 - p)"                  n one-hot labels
    Z = "mixture matrix(n, d), weights (p, 1 - p), means (m, -m), covariance S"
    M = "mask(d), rho p"     "mask matrix(n, d), rho p"  observed entries; also size k, rate (a, b), moments (r, s)

`declare_where` reads the same from Python, where a value may also be a word of `kinds`, an interval (low, high), a
symbol or a random variable.

A name that is first seen as a size is a positive integer, as the covariance of a vector a symmetric matrix, as
its mean a vector: they need no line of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from theory.domain import Domain, Symmetric
from theory.statement import Inequality
from theory.variables import GaussianMatrix, GaussianVector, Labels, Latent, Mask, MixtureMatrix, gaussians

from .formula.limits import FormulaError
from .formula.reading import read_formula, read_statement
from .formula.vocabulary import ATOMS, Vocabulary, check_name
from .kinds import ASSUMPTIONS, Gaussian, MatrixKind, NumberKind

__all__ = ["Declarations", "declare", "declare_where", "default_interval", "read_condition", "read_interval"]

MASKS = ("rho", "size", "rate", "moments")
LONGEST = 1_000  # characters of a declaration
_SIZED = re.compile(r"((?:[a-z]+ )*[a-z]+)\((.*)\)", re.ASCII | re.DOTALL)
_INTERVAL = re.compile(r"([\[(])([^,]*),([^,]*)([\])])", re.ASCII)


@dataclass(frozen=True)
class Declarations:
    """The names of a claims file.

    Args:
        vocabulary: what each name stands for.
        intervals: where each number is asserted, by symbol.
        symmetric: the matrices that were declared symmetric.
    """

    vocabulary: Vocabulary
    intervals: Mapping[sp.Symbol, tuple[Any, Any]]
    symmetric: frozenset[sp.MatrixSymbol] = frozenset()

    def domain(self, free: set[sp.Basic], narrowed: Mapping[sp.Symbol, Any], conditions: tuple[Any, ...]) -> Domain:
        """The domain of a statement in some of the names, narrowed where a claim says so."""
        intervals = {
            symbol: narrowed.get(symbol, ends)
            for symbol, ends in self.intervals.items()
            if symbol in free or symbol in narrowed
        }
        symmetric = sorted(self.symmetric & free, key=sp.default_sort_key)
        return Domain(intervals, (*conditions, *map(Symmetric, symmetric)))


class _Table:
    """The names declared so far."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self.symmetric: set[Any] = set()
        self.declared_symmetric: set[sp.MatrixSymbol] = set()
        self.intervals: dict[sp.Symbol, tuple[Any, Any]] = {}

    def add(self, name: str, value: Any) -> Any:
        if name in self.names:
            raise FormulaError(f"expected every name once, got {name} twice", 0, name)
        self.names[_checked(name)] = value
        return value

    def add_number(self, name: str, assumptions: Mapping[str, bool], ends: tuple[Any, Any] | None = None) -> sp.Symbol:
        symbol = self.add(name, sp.Symbol(_checked(name), **assumptions))
        self.intervals[symbol] = ends or default_interval(symbol)
        return symbol

    def declarations(self) -> Declarations:
        """What was declared."""
        vocabulary = Vocabulary(self.names, symmetric=self.symmetric)
        return Declarations(vocabulary, self.intervals, frozenset(self.declared_symmetric))

    def read(self, text: str) -> Any:
        return read_formula(text.strip(), Vocabulary(self.names, symmetric=self.symmetric))

    def size(self, text: str) -> Any:
        """A size: a number, an expression, or a name that becomes a positive integer."""
        name = text.strip()
        if name.isidentifier() and name not in self.names:
            return self.add_number(name, {"integer": True, "positive": True})
        return self.read(name)

    def matrix(self, text: str, rows: Any, columns: Any, symmetric: bool = False) -> Any:
        """A mean or a covariance: an expression, or a name that becomes a matrix of that shape."""
        name = text.strip()
        if name.isidentifier() and name not in self.names:
            return self.add_matrix(name, rows, columns, symmetric)
        value = self.read(name)
        return value if getattr(value, "is_Matrix", False) or columns != 1 or value != 0 else None

    def add_matrix(self, name: str, rows: Any, columns: Any, symmetric: bool = False) -> sp.MatrixSymbol:
        value = self.add(name, sp.MatrixSymbol(_checked(name), rows, columns))
        if symmetric:
            self.symmetric.add(value)
        return value


def _checked(name: str) -> str:
    try:
        return check_name(name)
    except ValueError as error:
        raise FormulaError(str(error), 0, name) from None


def declare(symbols: Mapping[str, str], variables: Mapping[str, str]) -> Declarations:
    """The names of a claims file.

    Args:
        symbols: what each symbol is: "positive integer", "real in [-1, 1]", "matrix(d, d)", ...
        variables: the law of each random variable: "gaussian vector(d), covariance S", ...

    Raises:
        FormulaError: naming the declaration that was not understood.

    >>> names = declare({"A": "matrix(d, d)"}, {"x": "gaussian vector(d), covariance S"}).vocabulary
    >>> names.known()
    'A, S, d, x'
    """
    table = _Table()
    sized = {name: text for name, text in symbols.items() if isinstance(text, str) and "(" in _head(text)}
    for name, text in symbols.items():
        if name not in sized:
            _named(name, text, lambda name, text: _number(name, text, table))
    for name, text in sized.items():
        _named(name, text, lambda name, text: _matrix(name, text, table))
    for name, text in variables.items():
        _named(name, text, lambda name, text: _random(name, text, table))
    return table.declarations()


def declare_where(where: Mapping[Any, Any]) -> Declarations:
    """The names of a `where=`: each name, or symbol, with what it stands for.

    Args:
        where: by name or symbol: a word of `kinds`; an interval (low, high); a declaration as text; a symbol or a
            random variable itself.

    Raises:
        FormulaError: naming the declaration that was not understood.
        TypeError: for a key that is no name and no symbol.

    >>> declare_where({"g": Gaussian(0, "s"), "s": NumberKind(("positive",)), "kappa": (-1, 1)}).intervals
    {s: (0, oo), kappa: (-1, 1)}
    """
    if not isinstance(where, Mapping):
        raise TypeError(f'expected where= as a mapping from names, such as {{"g": Gaussian(0, 1)}}, got {where!r}')
    table = _Table()
    for _, make, name, value in sorted(
        ((*_turn(key, value), key, value) for key, value in where.items()), key=lambda entry: entry[0]
    ):
        make(name, value, table)
    return table.declarations()


# The order in which the entries of a `where=` are read: what later ones may speak of comes first.
OBJECTS, NUMBERS, MATRICES, SCALARS, LAWS_IN_TEXT = range(5)


def _turn(key: Any, value: Any) -> tuple[int, Callable[[Any, Any, _Table], None]]:
    """When an entry is read, and by what."""
    if isinstance(value, str):
        head = _head(value)
        if value.split(",")[0].split("(")[0].strip() in LAWS:
            return LAWS_IN_TEXT, lambda key, text, table: _named(
                _key_name(key), text, lambda name, text: _random(name, text, table)
            )
        made = _matrix if "(" in head else _number
        return MATRICES if "(" in head else NUMBERS, lambda key, text, table: _named(
            _key_name(key), text, lambda name, text: made(name, text, table)
        )
    if isinstance(value, (tuple, list)):
        return NUMBERS, _add_interval
    if isinstance(value, NumberKind):
        return NUMBERS, _add_number
    if isinstance(value, MatrixKind):
        return MATRICES, _add_matrix
    if isinstance(value, Gaussian):
        return SCALARS, _add_gaussian
    if isinstance(value, ATOMS):
        return OBJECTS, _add_object
    raise FormulaError(
        f"{_key_name(key)}: expected a word such as real, positive, vector(d), matrix(n, d) or Gaussian(0, 1), an "
        f"interval (low, high), a declaration as text, a symbol or a random variable; got {value!r}",
        0,
        "",
    )


def _key_name(key: Any) -> str:
    if isinstance(key, str):
        return key
    name = getattr(key, "name", None)
    if not isinstance(key, sp.Basic) or not isinstance(name, str):
        raise TypeError(f"expected names or symbols as the keys of where=, got {key!r}")
    return name


def _add_object(key: Any, value: Any, table: _Table) -> None:
    table.add(_key_name(key), value)
    for atom in sorted(_parameters_of(value), key=sp.default_sort_key):
        if atom == value or str(atom.name) not in table.names:
            if atom != value:
                table.add(str(atom.name), atom)
            if isinstance(atom, sp.Symbol):
                table.intervals[atom] = default_interval(atom)


def _parameters_of(value: sp.Basic) -> set[Any]:
    """A symbol itself; the symbols of a matrix's sizes and of a random variable's law."""
    return {node for node in sp.preorder_traversal(value) if isinstance(node, (sp.Symbol, sp.MatrixSymbol))} | {
        node for node in value.free_symbols if isinstance(node, (sp.Symbol, sp.MatrixSymbol))
    }


def _add_interval(key: Any, value: Any, table: _Table) -> None:
    name = _key_name(key)
    symbol = key if isinstance(key, sp.Symbol) else sp.Symbol(_checked(name), real=True)
    try:
        ends = Domain({symbol: tuple(value)}).interval(symbol)
    except (TypeError, ValueError) as error:
        raise FormulaError(f"{name}: {error}", 0, "") from None
    table.intervals[table.add(name, symbol)] = ends


def _add_number(key: Any, value: NumberKind, table: _Table) -> None:
    assumptions = dict.fromkeys(value.assumptions, True)
    if isinstance(key, sp.Symbol):
        assumptions = {**key._assumptions_orig, **assumptions}
    if "integer" not in assumptions:
        assumptions["real"] = True
    try:
        table.add_number(_key_name(key), assumptions)
    except sp.core.facts.InconsistentAssumptions as error:
        raise FormulaError(f"{_key_name(key)}: the assumptions contradict each other: {error}", 0, "") from None


def _add_matrix(key: Any, value: MatrixKind, table: _Table) -> None:
    rows, columns = (_size_from(size, table) for size in (value.rows, value.columns))
    made = table.add_matrix(_key_name(key), rows, columns, symmetric=value.is_symmetric)
    if value.is_symmetric:
        table.declared_symmetric.add(made)


def _size_from(size: Any, table: _Table) -> Any:
    if isinstance(size, str):
        return table.size(size)
    if isinstance(size, sp.Symbol) and str(size) not in table.names:
        table.intervals[table.add(str(size), size)] = default_interval(size)
    return size if isinstance(size, sp.Basic) else sp.Integer(size)


def _add_gaussian(key: Any, value: Gaussian, table: _Table) -> None:
    name = _checked(_key_name(key))
    mean, variance = (table.read(part) if isinstance(part, str) else part for part in (value.mean, value.variance))
    try:
        (made,) = gaussians(name, mean=[mean], covariance=[[variance]])
    except (TypeError, ValueError) as error:
        raise FormulaError(f"{name} = {value}: {error}", 0, "") from None
    table.add(name, made)
    for symbol in sorted(_parameters_of(made), key=sp.default_sort_key):
        if isinstance(symbol, sp.Symbol) and str(symbol) not in table.names:
            table.intervals[table.add(str(symbol), symbol)] = default_interval(symbol)


def _head(text: str) -> str:
    return text.partition(" in ")[0]


def _named(name: str, text: Any, make: Callable[[str, str], None]) -> None:
    """Make a declaration; whatever is wrong with it, say whose it is."""
    if not isinstance(text, str):
        raise FormulaError(f"{name}: expected a declaration as text, such as 'positive integer'", 0, ascii(text)[:60])
    if len(text) > LONGEST:
        raise FormulaError(f"{name[:40]}: expected a declaration of at most {LONGEST} characters", LONGEST, text)
    try:
        make(name, text)
    except FormulaError as error:
        raise FormulaError(f"{name} = {text[:80]!r}: {error.reason}", error.position, error.text) from None
    except (TypeError, ValueError) as error:
        raise FormulaError(f"{name} = {text[:80]!r}: {error}", 0, text) from None


def _number(name: str, text: str, table: _Table) -> None:
    words, _, interval = text.partition(" in ")
    assumptions = dict.fromkeys(words.split(), True)
    unknown = [word for word in assumptions if word not in ASSUMPTIONS]
    if unknown or not assumptions:
        raise FormulaError(
            f"expected {', '.join(ASSUMPTIONS)}, matrix(n, d), symmetric matrix(d) or vector(d), got {words!r}", 0, text
        )
    if "integer" not in assumptions:
        assumptions["real"] = True
    ends = read_interval(interval, sp.Symbol(_checked(name), **assumptions)) if interval else None
    table.add_number(name, assumptions, ends)


def read_interval(text: str, symbol: sp.Symbol) -> tuple[Any, Any]:
    """The ends of an interval; open where they are infinite, or 0 for a positive or negative symbol.

    Raises:
        FormulaError: for an open end that the symbol's assumptions do not exclude.

    >>> read_interval("[-1, 3/2]", sp.Symbol("x", real=True))
    (-1, 3/2)
    """
    match = _INTERVAL.fullmatch(text.strip())
    if match is None:
        raise FormulaError("expected an interval such as [-1, 1], [0, oo) or (-oo, oo)", 0, text)
    opening, low_text, high_text, closing = match.groups()
    low, high = _end(low_text), _end(high_text)
    for bracket, end, excluded in (
        (opening, low, low == 0 and symbol.is_positive),
        (closing, high, high == 0 and symbol.is_negative),
    ):
        if bracket in "()" and not (end.is_infinite or excluded):
            raise FormulaError(f"expected a closed interval at {end}, as in [{low}, {high}]", 0, text)
    return low, high


def read_condition(text: str, vocabulary: Vocabulary) -> Any:
    """An inequality between declared numbers, as a condition of a domain.

    Raises:
        FormulaError: for anything else.

    >>> a, b = sp.symbols("a b", real=True)
    >>> read_condition("a^2 + b^2 <= 1", Vocabulary([a, b]))
    a**2 + b**2 <= 1
    """
    statement = read_statement(text, vocabulary)
    if not isinstance(statement, Inequality):
        raise FormulaError("expected an interval or an inequality", 0, text)
    made = {"<": sp.Lt, "<=": sp.Le, ">": sp.Gt, ">=": sp.Ge}[statement.relation]
    return made(statement.lhs, statement.rhs)


def _end(text: str) -> Any:
    stripped = text.strip()
    if stripped in ("oo", "-oo"):
        return sp.oo if stripped == "oo" else -sp.oo
    return read_formula(stripped, {})


def default_interval(symbol: sp.Symbol) -> tuple[Any, Any]:
    """The real numbers that the assumptions of a symbol leave.

    >>> default_interval(sp.Symbol("n", integer=True, positive=True))
    (1, oo)
    """
    low = 1 if symbol.is_integer and symbol.is_positive else 0 if symbol.is_nonnegative else -sp.oo
    high = -1 if symbol.is_integer and symbol.is_negative else 0 if symbol.is_nonpositive else sp.oo
    return sp.sympify(low, strict=True), sp.sympify(high, strict=True)


def _matrix(name: str, text: str, table: _Table) -> None:
    kind, sizes = _kind_and_sizes(text)
    if kind == "vector" and len(sizes) == 1:
        table.add_matrix(name, table.size(sizes[0]), sp.Integer(1))
    elif kind == "matrix" and len(sizes) == 2:
        rows = table.size(sizes[0])
        table.add_matrix(name, rows, table.size(sizes[1]))
    elif kind == "symmetric matrix" and len(sizes) in (1, 2) and len(set(sizes)) == 1:
        rows = table.size(sizes[0])
        table.declared_symmetric.add(table.add_matrix(name, rows, rows, symmetric=True))
    else:
        raise FormulaError(f"expected matrix(n, d), symmetric matrix(d) or vector(d), got {text!r}", 0, text)


def _kind_and_sizes(text: str) -> tuple[str, list[str]]:
    match = _SIZED.fullmatch(text.strip())
    if match is None:
        return text.strip(), []
    return match.group(1), [part.strip() for part in _split(match.group(2))]


def _split(text: str) -> Iterator[str]:
    """The parts between the commas that stand outside brackets."""
    depth, start = 0, 0
    for i, character in enumerate(text):
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            yield text[start:i]
            start = i + 1
    yield text[start:]


# --- random variables: one line a law -------------------------------------------------------------


def _random(name: str, text: str, table: _Table) -> None:
    head, *rest = (part.strip() for part in _split(text))
    kind, sizes = _kind_and_sizes(head)
    if kind not in LAWS:
        raise FormulaError(f"expected a law such as {', '.join(LAWS)}, got {kind!r}", 0, text)
    clauses: dict[str, str] = {}
    for clause in rest:
        word, _, value = clause.partition(" ")
        if word in clauses or not value.strip():
            raise FormulaError(f"expected clauses such as 'mean m' once each, got {clause!r}", 0, text)
        clauses[word] = value
    make, count, allowed = LAWS[kind]
    strangers = set(clauses) - set(allowed)
    if strangers or len(sizes) != count:
        raise FormulaError(
            f"expected {kind} with {count} size(s) and the clauses {', '.join(allowed) or 'none'}, got {text!r}",
            0,
            text,
        )
    make(name, sizes, clauses, table)


def _gaussian(name: str, sizes: list[str], clauses: Mapping[str, str], table: _Table) -> None:
    names = name.replace(",", " ").split()
    if "variance" in clauses and ("covariance" in clauses or len(names) > 1):
        raise FormulaError("expected a variance for one scalar, a covariance for several", 0, clauses["variance"])
    mean = table.read(clauses["mean"]) if "mean" in clauses else None
    if mean is not None:
        mean = list(mean) if isinstance(mean, sp.Tuple) else [mean]
    covariance = table.read(clauses["covariance"]) if "covariance" in clauses else None
    if "variance" in clauses:
        covariance = [[table.read(clauses["variance"])]]
    elif covariance is not None and len(names) == 1 and not getattr(covariance, "is_Matrix", False):
        covariance = [[covariance]]
    for part in names:
        _checked(part)
    for variable in gaussians(" ".join(names), mean=mean, covariance=covariance):
        table.add(variable.name, variable)


def _vector_law(d: Any, clauses: Mapping[str, str], table: _Table) -> dict[str, Any]:
    law = {}
    if "mean" in clauses:
        law["mean"] = table.matrix(clauses["mean"], d, sp.Integer(1))
    if "covariance" in clauses:
        law["covariance"] = table.matrix(clauses["covariance"], d, d, symmetric=True)
        if isinstance(law["covariance"], sp.MatrixSymbol):
            table.symmetric.add(law["covariance"])
    return law


def _gaussian_vector(name: str, sizes: list[str], clauses: Mapping[str, str], table: _Table) -> None:
    d = table.size(sizes[0])
    table.add(name, GaussianVector(_checked(name), d, **_vector_law(d, clauses, table)))


def _gaussian_matrix(name: str, sizes: list[str], clauses: Mapping[str, str], table: _Table) -> None:
    rows = table.size(sizes[0])
    d = table.size(sizes[1])
    table.add(name, GaussianMatrix(_checked(name), rows, d, **_vector_law(d, clauses, table)))


def _latent(name: str, sizes: list[str], clauses: Mapping[str, str], table: _Table) -> None:
    table.add(name, Latent(_checked(name), table.size(sizes[0])))


def _labels(name: str, sizes: list[str], clauses: Mapping[str, str], table: _Table) -> None:
    table.add(name, Labels(_checked(name), table.size(sizes[0]), _several(clauses, "weights", table)))


def _mixture(name: str, sizes: list[str], clauses: Mapping[str, str], table: _Table) -> None:
    rows, d = table.size(sizes[0]), table.size(sizes[1])
    means = [table.matrix(part, d, sp.Integer(1)) for part in _listed(clauses, "means")]
    law = _vector_law(d, clauses, table)
    weights = _several(clauses, "weights", table)
    table.add(name, MixtureMatrix(_checked(name), rows, d, weights, [0 if m is None else m for m in means], **law))


def _mask(name: str, sizes: list[str], clauses: Mapping[str, str], table: _Table) -> None:
    *rows, d = (table.size(size) for size in sizes)
    law: dict[str, Any] = {word: table.read(clauses[word]) for word in ("rho", "size") if word in clauses}
    law |= {word: tuple(_several(clauses, word, table)) for word in ("rate", "moments") if word in clauses}
    table.add(name, Mask(_checked(name), d, rows=rows[0] if rows else None, **law))


def _listed(clauses: Mapping[str, str], word: str) -> list[str]:
    """The parts of a clause such as `weights (p, 1 - p)`, as text."""
    text = clauses.get(word, "").strip()
    if not (text.startswith("(") and text.endswith(")")):
        raise FormulaError(f"expected a clause '{word} (..., ...)', got {text!r}", 0, text)
    return list(_split(text[1:-1]))


def _several(clauses: Mapping[str, str], word: str, table: _Table) -> list[Any]:
    return [table.read(part) for part in _listed(clauses, word)]


# kind: what makes it, how many sizes it has, which clauses it knows. A new law is one more line here and one
# more function above.
LAWS: dict[str, tuple[Callable[[str, list[str], Mapping[str, str], _Table], None], int, tuple[str, ...]]] = {
    "gaussian": (_gaussian, 0, ("mean", "variance", "covariance")),
    "gaussian vector": (_gaussian_vector, 1, ("mean", "covariance")),
    "gaussian matrix": (_gaussian_matrix, 2, ("mean", "covariance")),
    "latent": (_latent, 1, ()),
    "labels": (_labels, 1, ("weights",)),
    "mixture matrix": (_mixture, 2, ("weights", "means", "covariance")),
    "mask": (_mask, 1, MASKS),
    "mask matrix": (_mask, 2, MASKS),
}
