"""Random symbols and the scalars made of them.

A random symbol carries its law in its arguments, so it hashes by its law: the same call twice
is the same variable, separate calls are independent, and two laws under one name in one
expression are refused (`theory.expectation`).

    a, b = gaussians("a b", mean=[…], covariance=[[…], […]])   jointly Gaussian scalars
    x = GaussianVector("x", d, mean=…, covariance=…)            a d × 1 vector
    X = GaussianMatrix("X", L, d, mean=…, covariance=…)         L i.i.d. rows
    X = Tokens("X", d, [TokenGroup(…), …])                      independent rows, one law a group
    Z = MixtureMatrix("Z", n, d, weights=…, means=…)            i.i.d. rows from a Gaussian mixture
    C = Labels("C", n, weights)                                 one-hot rows: which component a row is from
    M = Mask("M", d, rho)                                       which entries are observed, 0 or 1
    J = Latent("J", L)                                          a uniform location in 0, …, L−1

Vectors enter a formula through the scalars ⟨u, v⟩ = `dot(u, v)` and xᵀAx = `quad(x, A)`: sympy
does not mix 1×1 matrices with numbers. `dot` is bilinear and symmetric on the spot, so two ways
of writing the same scalar are the same object.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import sympy as sp
from sympy.core.symbol import Str
from sympy.matrices.expressions.matexpr import MatrixElement

from .covariance import settle_measured_covariance, validate_covariance
from .decimals import exact_decimals
from .identity import reduces_to_zero

__all__ = [
    "Dot",
    "GaussianFamily",
    "GaussianMatrix",
    "GaussianScalar",
    "GaussianVector",
    "Labels",
    "Latent",
    "Mask",
    "MixtureMatrix",
    "RandomRows",
    "Row",
    "TokenGroup",
    "Tokens",
    "TokenMatrix",
    "dot",
    "gaussians",
    "linear_part",
    "quad",
    "trace",
]


# --- scalars -----------------------------------------------------------------------------


class GaussianFamily(sp.Basic):
    """The joint law of a family of Gaussian scalars: names, mean, covariance."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the members, in order."""
        return tuple(str(name.name) for name in self.args[0])

    @property
    def mean(self) -> sp.ImmutableDenseMatrix:
        """Column of means."""
        return self.args[1]

    @property
    def covariance(self) -> sp.ImmutableDenseMatrix:
        """Covariance matrix, positive semidefinite."""
        return self.args[2]


class GaussianScalar(sp.Expr):
    """One member of a jointly Gaussian family, made by `gaussians`."""

    is_commutative = True
    is_extended_real = True
    is_real = True
    is_Atom = True  # keeps sympy's expand from rewriting the law inside
    _diff_wrt = True

    def __new__(cls, family: GaussianFamily, index: int | sp.Integer) -> GaussianScalar:
        return super().__new__(cls, family, sp.Integer(index))

    @property
    def family(self) -> GaussianFamily:
        """The family with its joint law."""
        return self.args[0]

    @property
    def index(self) -> int:
        """The position of this member in its family."""
        return int(self.args[1])

    @property
    def name(self) -> str:
        """The name under which it is printed."""
        return self.family.names[self.index]

    def _eval_derivative(self, symbol: sp.Basic) -> sp.Expr:
        return sp.Integer(int(self == symbol))

    def _sympystr(self, printer: Any) -> str:
        return self.name

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = printer._print(sp.Symbol(self.name))
        return text if exp is None else f"{text}^{{{exp}}}"

    def sort_key(self, order: Any = None) -> Any:
        return sp.Symbol(self.name).sort_key(order)


def gaussians(names: str, *, mean: Sequence[Any] | None = None, covariance: Any = None) -> tuple[GaussianScalar, ...]:
    """Jointly Gaussian scalars (a, b, …) ~ N(mean, covariance).

    Args:
        names: names separated by blanks or commas.
        mean: one number or symbol a name; default zero.
        covariance: square, symmetric, positive semidefinite (singular allowed); default identity.
            Floats are read as the decimals they print as; what rounding explains (asymmetry and negative
            eigenvalues up to 10·d·ε·‖Σ‖) is made good, see `theory.covariance.settle_measured_covariance`.

    Returns:
        One random symbol a name. Members of one call share their law; separate calls are independent.

    Raises:
        ValueError: for a wrong number of means, or a matrix that is not a covariance.

    >>> s = sp.Symbol("s", positive=True)
    >>> a, b = gaussians("a b", covariance=[[s, 1], [1, s]])
    >>> a.family.covariance
    Matrix([
    [s, 1],
    [1, s]])
    """
    if not isinstance(names, str):
        raise TypeError(f"expected names as one text such as 'a b', got names={names!r}")
    parts = names.replace(",", " ").split()
    if not parts:
        raise ValueError(f"expected at least one name, got names={names!r}")
    if len(set(parts)) != len(parts) or any("~" in part for part in parts):
        raise ValueError(f"expected distinct names without a tilde, got names={names!r}")
    means = (
        [sp.Integer(0)] * len(parts) if mean is None else [_exact(entry, "mean") for entry in _entries(mean, "mean")]
    )
    if len(means) != len(parts):
        raise ValueError(f"expected {len(parts)} means for names={names!r}, got {len(means)}: mean={mean!r}")
    cov = _read_covariance(sp.eye(len(parts)) if covariance is None else covariance, len(parts)).applyfunc(sp.expand)
    for entry in (*means, *cov):
        _refuse_random(entry, "mean or covariance")
    family = GaussianFamily(
        sp.Tuple(*(Str(part) for part in parts)),
        sp.ImmutableDenseMatrix(len(parts), 1, means),
        sp.ImmutableDenseMatrix(cov),
    )
    return tuple(GaussianScalar(family, i) for i in range(len(parts)))


def _exact(entry: Any, name: str) -> sp.Expr:
    if isinstance(entry, str):
        raise TypeError(f"expected a number or a sympy expression in {name}, got the text {entry!r}")
    value = sp.sympify(entry, strict=True)
    if value.has(sp.nan, sp.oo, -sp.oo, sp.zoo):
        raise ValueError(f"expected finite entries in {name}, got {entry!r}")
    return exact_decimals(value)


def _entries(given: Any, name: str) -> list[Any]:
    """The entries of a list, a numpy vector or an explicit matrix."""
    listed = given.tolist() if hasattr(given, "tolist") else given
    if not isinstance(listed, (list, tuple)):
        raise TypeError(f"expected a list of entries for {name}, got {name}={given!r}")
    return [entry[0] if isinstance(entry, (list, tuple)) and len(entry) == 1 else entry for entry in listed]


def _read_covariance(given: Any, size: int | None = None) -> sp.ImmutableDenseMatrix:
    """A covariance given by its entries, floats read as the decimals they print as, up to what rounding explains."""
    table = given.to_numpy() if hasattr(given, "to_numpy") else given
    listed = table.tolist() if hasattr(table, "tolist") else table
    if not (isinstance(listed, (list, tuple)) and all(isinstance(row, (list, tuple)) for row in listed)):
        return validate_covariance(given, name="covariance", size=size)
    entries = [entry for row in listed for entry in row]
    if not any(isinstance(entry, float) or (isinstance(entry, sp.Expr) and entry.has(sp.Float)) for entry in entries):
        return validate_covariance(listed, name="covariance", size=size)
    exact = [
        [_exact(entry, "covariance") if isinstance(entry, float | sp.Expr) else entry for entry in row]
        for row in listed
    ]
    return settle_measured_covariance(exact, name="covariance", size=size)


# --- vectors and tokens ------------------------------------------------------------------


def _check_size(value: Any, name: str) -> sp.Expr:
    if isinstance(value, str):
        raise TypeError(f"expected a number or a symbol for {name}, got the text {name}={value!r}")
    size = None if value is None or isinstance(value, bool) else sp.sympify(value, strict=True)
    if not isinstance(size, sp.Expr):
        raise TypeError(f"expected a number or a symbol for {name}, got {name}={value!r}")
    if (
        (size.is_number and not (size.is_integer and size.is_positive))
        or size.is_nonpositive
        or size.is_integer is False
    ):
        raise ValueError(f"expected a positive integer or a symbol for {name}, got {name}={value!r}")
    return size


def _refuse_random(expr: Any, name: str) -> None:
    """The parameters of a law are not random: a law given a random parameter is not Gaussian."""
    random = next((node for node in sp.preorder_traversal(expr) if isinstance(node, _random_classes())), None)
    if random is not None:
        raise ValueError(
            f"expected a {name} free of random symbols, got {random} in it; write the variable as a sum, "
            "such as mean + deviation, or multiply it in the expression"
        )


def _random_classes() -> tuple[type, ...]:
    return (GaussianFamily, GaussianScalar, GaussianVector, RandomRows, Row, Latent)


def _law_part(part: Any) -> sp.Basic:
    """A mean or covariance as given, explicit entries as an exact matrix."""
    if isinstance(part, sp.Tuple):
        return part
    listed = part.tolist() if type(part).__module__ == "numpy" else part
    if isinstance(listed, (list, tuple)):
        rows = [row if isinstance(row, (list, tuple)) else [row] for row in listed]
        return sp.ImmutableDenseMatrix([[_exact(entry, "the law") for entry in row] for row in rows])
    return _expression(listed, "a matrix or a number in the law")


def _expression(given: Any, wanted: str) -> sp.Expr:
    """What is given as a sympy expression, if it is one or a number; never text or a container."""
    if not isinstance(given, str | bytes | dict | set | frozenset):
        try:
            value = sp.sympify(given, strict=True)
        except (sp.SympifyError, TypeError):
            value = None
        if isinstance(value, sp.Expr):
            return value
    kind = "the text" if isinstance(given, str | bytes) else f"{type(given).__name__}"
    raise TypeError(f"expected {wanted}, got {kind} {given!r}")


def _is_table(given: Any) -> bool:
    """Whether something is a matrix by its entries, and no expression."""
    if isinstance(given, (list, tuple, sp.MatrixBase)) or hasattr(given, "to_numpy"):
        return True
    return hasattr(given, "__array__") and not isinstance(given, sp.Basic) and getattr(given, "ndim", 2) > 0


def _check_mean(mean: Any, d: sp.Expr) -> sp.Expr:
    if mean is None or (isinstance(mean, (int, sp.Integer)) and mean == 0):
        return sp.ZeroMatrix(d, 1)
    if isinstance(mean, (list, tuple, sp.MatrixBase)) or type(mean).__module__ == "numpy":
        mean = sp.ImmutableDenseMatrix([_exact(entry, "mean") for entry in _entries(mean, "mean")])
    if not getattr(mean, "is_Matrix", False) or mean.shape != (d, 1):
        shape = getattr(mean, "shape", None)
        raise ValueError(f"expected a mean of shape ({d}, 1), got mean={mean} with shape {shape}")
    _refuse_random(mean, "mean")
    return mean


def _check_covariance(covariance: Any, d: sp.Expr) -> sp.Expr:
    if covariance is None:
        return sp.Identity(d)
    if _is_table(covariance):
        return _read_covariance(covariance, int(d) if d.is_Integer else None)
    value = _expression(covariance, "a matrix or a number as covariance")
    _refuse_random(value, "covariance")
    if not getattr(value, "is_Matrix", False):
        if value.is_real is False:
            raise ValueError(f"expected a real variance, got covariance={covariance}")
        if value.is_negative:
            raise ValueError(f"expected a nonnegative variance, got covariance={covariance}")
        return value * sp.Identity(d)
    if value.shape != (d, d):
        raise ValueError(f"expected a covariance of shape ({d}, {d}), got {covariance} with shape {value.shape}")
    coefficient, matrix = value.as_coeff_mmul() if isinstance(value, sp.MatMul) else (sp.Integer(1), value)
    factors = list(matrix.args) if isinstance(matrix, sp.MatMul) else [matrix]
    turned = [_transpose(factor) for factor in reversed(factors)]
    middle = len(factors) // 2 if len(factors) % 2 else None
    if any(a != b for i, (a, b) in enumerate(zip(factors, turned, strict=True)) if i != middle):
        raise ValueError(
            f"expected a symmetric covariance, got {covariance}, a product that reads another way backwards; "
            "give it as a symbol of its own, or as A*S*A.T"
        )
    if coefficient.is_negative and (middle is None or isinstance(factors[middle], sp.Identity)):
        raise ValueError(f"expected a positive semidefinite covariance, got covariance={covariance}")
    return value


class _RandomMatrix(sp.MatrixExpr):
    """What the random matrix symbols share: a name first, a law after it, nothing to evaluate."""

    is_Atom = True

    @property
    def name(self) -> str:
        """The name under which it is printed."""
        return str(self.args[0].name)

    def doit(self, **hints: Any) -> sp.MatrixExpr:
        return self

    def _sympystr(self, printer: Any) -> str:
        return self.name

    def _latex(self, printer: Any) -> str:
        return printer._print(sp.Symbol(self.name))

    def _eval_transpose(self) -> None:
        return None


def _label(name: Any) -> Str:
    """The name as it is kept; a tilde is for the variables that the rules make themselves."""
    if isinstance(name, Str):
        return name
    if not isinstance(name, str) or not name or "~" in name:
        raise ValueError(f"expected a name without a tilde, got name={name!r}")
    return Str(name)


class GaussianVector(_RandomMatrix):
    """A Gaussian vector x ~ N(mean, covariance) in R^d, of shape (d, 1).

    Args:
        name: name under which it is printed.
        d: dimension, a symbol or a positive integer.
        mean: a d × 1 vector expression or a list of numbers; default zero.
        covariance: a d × d matrix expression or an explicit matrix, taken as symmetric positive
            semidefinite; a scalar s stands for s·I; default identity.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> GaussianVector("x", d).shape
    (d, 1)
    """

    def __new__(cls, name: str, d: Any, mean: Any = None, covariance: Any = None) -> GaussianVector:
        size = _check_size(d, "d")
        label = _label(name)
        return super().__new__(cls, label, size, _check_mean(mean, size), _check_covariance(covariance, size))

    @classmethod
    def made_from(cls, name: str, mark: str, d: sp.Expr, mean: sp.Expr | None, covariance: sp.Expr) -> GaussianVector:
        """A vector that a rule makes, such as a tilted one; its name, with a tilde, is nobody else's."""
        return cls(Str(f"{name}~{mark}"), d, mean, covariance)

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """(d, 1)."""
        return (self.args[1], sp.Integer(1))

    @property
    def mean(self) -> sp.Expr:
        """Mean vector, d × 1."""
        return self.args[2]

    @property
    def covariance(self) -> sp.Expr:
        """Covariance matrix, d × d."""
        return self.args[3]

    def _entry(self, i: Any, j: Any, **kwargs: Any) -> sp.Expr:
        if not (self.shape[0].is_Integer and sp.sympify(i, strict=True).is_Integer):
            return MatrixElement(self, i, j)
        return dot(self, _unit_vector(self.shape[0], i))


class Latent(sp.Expr):
    """A latent location J, uniform in {0, …, L−1} and independent of everything else.

    >>> Latent("J", 5)
    J
    """

    is_commutative = True
    is_integer = True
    is_nonnegative = True
    is_real = True
    is_Atom = True

    def __new__(cls, name: str, L: Any) -> Latent:
        label = _label(name)
        return super().__new__(cls, label, _check_size(L, "L"))

    @property
    def name(self) -> str:
        """The name under which it is printed."""
        return str(self.args[0].name)

    @property
    def size(self) -> sp.Expr:
        """The number L of possible locations."""
        return self.args[1]

    def _sympystr(self, printer: Any) -> str:
        return self.name

    def _latex(self, printer: Any) -> str:
        return printer._print(sp.Symbol(self.name))


class TokenGroup(sp.Basic):
    """A group of i.i.d. Gaussian tokens inside a prompt.

    Args:
        size: how many tokens, a symbol or a positive integer (zero allowed).
        mean: their common mean, a d × 1 vector expression; default zero.
        covariance: their common covariance; a scalar s stands for s·I; default identity.
        at: the latent location of the token, or its row number, for a group of size one whose place is
            referred to.

    >>> TokenGroup(3, covariance=sp.Rational(1, 2)).size
    3
    """

    def __new__(cls, size: Any, mean: Any = None, covariance: Any = None, at: Latent | int | None = None) -> TokenGroup:
        count = sp.sympify(size, strict=True)
        if count.is_number and not (count.is_integer and count.is_nonnegative):
            raise ValueError(f"expected a nonnegative integer or a symbol for size, got size={size!r}")
        place = at if isinstance(at, sp.Tuple) else sp.Tuple(*(() if at is None else (at,)))
        if not all(isinstance(location, Latent) or location.is_Integer for location in place):
            raise TypeError(f"expected a location such as Latent('J', L) or a row number for at, got at={at!r}")
        if place and count != 1:
            raise ValueError(f"expected size=1 for a group placed at a latent location, got size={size}, at={at}")
        measured = _read_covariance(covariance) if _is_table(covariance) else covariance
        parts = (sp.Tuple() if part is None else part for part in (mean, measured))
        return super().__new__(cls, count, *(_law_part(part) for part in parts), place)

    @property
    def size(self) -> sp.Expr:
        """The number of tokens in the group."""
        return self.args[0]

    @property
    def mean(self) -> sp.Expr | None:
        """The common mean as given, or None."""
        return None if self.args[1] == sp.Tuple() else self.args[1]

    @property
    def covariance(self) -> sp.Expr | None:
        """The common covariance as given, or None."""
        return None if self.args[2] == sp.Tuple() else self.args[2]

    @property
    def at(self) -> Latent | sp.Integer | None:
        """The location of its single token, or None."""
        return self.args[3][0] if self.args[3] else None


class RandomRows(_RandomMatrix):
    """A random matrix whose rows may be singled out, as in X[l, :]; the common part of prompts, masks and labels."""

    @property
    def dimension(self) -> sp.Expr:
        """The number of entries of a row."""
        return self.shape[1]

    def __getitem__(self, key: Any) -> sp.Expr:
        if not (isinstance(key, tuple) and len(key) == 2):
            raise IndexError(f"expected {self.name}[l, :] or {self.name}[l, j], got {self.name}[{key}]")
        row, column = key
        if isinstance(row, slice):
            raise IndexError(f"expected a single row {self.name}[l, :], got a slice of rows")
        if isinstance(row, str) or isinstance(column, str):
            raise TypeError(f"expected numbers or symbols in {self.name}[l, j], got {self.name}[{row!r}, {column!r}]")
        position, rows = sp.sympify(row, strict=True), self.shape[0]
        if position.is_negative or (position - rows).is_nonnegative:
            raise IndexError(f"expected a row between 0 and {rows - 1} of {self.name}, got {row}")
        if position.is_integer is False or isinstance(position, GaussianScalar):
            raise IndexError(f"expected a whole number, an index or a location as a row of {self.name}, got {row}")
        token = Row(self, row)
        if isinstance(column, slice):
            if column != slice(None):
                raise IndexError(f"expected the whole row {self.name}[l, :], got the slice {column}")
            return token
        return self._entry(position, column)

    def _entry(self, i: Any, j: Any, **kwargs: Any) -> sp.Expr:
        if not (sp.sympify(self.dimension, strict=True).is_Integer and sp.sympify(j, strict=True).is_Integer):
            return MatrixElement(self, i, j)
        return dot(Row(self, i), _unit_vector(self.dimension, j))


class TokenMatrix(RandomRows):
    """A prompt: independent Gaussian rows in groups; the common part of `GaussianMatrix` and `Tokens`."""

    @property
    def groups(self) -> tuple[TokenGroup, ...]:
        """The groups of identically distributed rows."""
        return tuple(self.args[2])

    @property
    def dimension(self) -> sp.Expr:
        """The dimension d of a token."""
        return self.args[1]

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """(L, d), the sequence length being the sum of the groups' sizes."""
        return (sp.Add(*(group.size for group in self.groups)), self.args[1])


class GaussianMatrix(TokenMatrix):
    """A Gaussian matrix with i.i.d. rows N(mean, covariance), of shape (rows, d).

    Args:
        name: name under which it is printed.
        rows: number of rows, a symbol or a positive integer.
        d: dimension of a row.
        mean: the mean of a row as a d × 1 vector expression; default zero.
        covariance: the covariance of a row; a scalar s stands for s·I; default identity.

    >>> L, d = sp.symbols("L d", integer=True, positive=True)
    >>> X = GaussianMatrix("X", L, d)
    >>> X.shape, X[0, :].shape
    ((L, d), (1, d))
    """

    def __new__(cls, name: str, rows: Any, d: Any, mean: Any = None, covariance: Any = None) -> GaussianMatrix:
        size = _check_size(d, "d")
        if isinstance(rows, sp.Tuple):  # rebuilt by sympy from its arguments
            return sp.MatrixExpr.__new__(cls, name, rows, d)
        group = TokenGroup(_check_size(rows, "rows"), _check_mean(mean, size), _check_covariance(covariance, size))
        return sp.MatrixExpr.__new__(cls, _label(name), size, sp.Tuple(group))

    @property
    def func(self) -> Any:
        return lambda name, size, groups: sp.MatrixExpr.__new__(GaussianMatrix, name, size, groups)


class Tokens(TokenMatrix):
    """A prompt whose tokens are independent Gaussians, with one law for each group.

    The order of the tokens is uniformly random: a group with `at=J` puts its token at the latent
    location J, so `X[J, :]` is that token.

    Args:
        name: name under which it is printed.
        d: dimension of a token.
        groups: the `TokenGroup`s; their sizes add up to the sequence length.

    >>> L, d = sp.symbols("L d", integer=True, positive=True)
    >>> J = Latent("J", L)
    >>> X = Tokens("X", d, [TokenGroup(1, covariance=2, at=J), TokenGroup(L - 1)])
    >>> X.shape
    (L, d)
    """

    def __new__(cls, name: str, d: Any, groups: Iterable[TokenGroup]) -> Tokens:
        size = _check_size(d, "d")
        label = _label(name)
        checked = []
        for group in groups:
            if not isinstance(group, TokenGroup):
                raise TypeError(f"expected TokenGroup objects in groups, got {group!r}")
            mean, covariance = _check_mean(group.mean, size), _check_covariance(group.covariance, size)
            checked.append(TokenGroup(group.size, mean, covariance, group.at))
        if not checked:
            raise ValueError("expected at least one TokenGroup, got groups=[]")
        places = [group.at for group in checked if group.at is not None]
        if len(set(places)) < len(places):
            raise ValueError(f"expected one token at each location, got groups at {', '.join(map(str, places))}")
        total = sp.expand(sp.Add(*(group.size for group in checked)))
        for place in places:
            if isinstance(place, Latent) and sp.expand(place.size - total) != 0:
                raise ValueError(f"expected a location among the {total} tokens, got {place} among {place.size}")
        return sp.MatrixExpr.__new__(cls, label, size, sp.Tuple(*checked))


class Row(sp.MatrixExpr):
    """One token of a prompt, of shape (1, d): X[l, :].

    The group is −1 until the counting rule has decided which group the row belongs to.
    """

    def __new__(cls, matrix: RandomRows, index: Any, group: int | sp.Integer = -1) -> Row:
        return super().__new__(cls, matrix, sp.sympify(index, strict=True), sp.Integer(group))

    @property
    def matrix(self) -> Any:
        """The prompt it belongs to."""
        return self.args[0]

    @property
    def index(self) -> sp.Expr:
        """Its position: an integer, a bound index of a sum, or a latent location."""
        return self.args[1]

    @property
    def group(self) -> int:
        """The number of its group, or −1."""
        return int(self.args[2])

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """(1, d)."""
        return (sp.Integer(1), self.matrix.dimension)

    @property
    def mean(self) -> sp.Expr:
        """Mean of its group, d × 1."""
        return self.matrix.groups[self.group].mean

    @property
    def covariance(self) -> sp.Expr:
        """Covariance of its group, d × d."""
        return self.matrix.groups[self.group].covariance

    def doit(self, **hints: Any) -> Row:
        return self

    def _entry(self, i: Any, j: Any, **kwargs: Any) -> sp.Expr:
        return self.matrix._entry(self.index, j)

    def _sympystr(self, printer: Any) -> str:
        return f"{self.matrix.name}[{printer._print(self.index)}, :]"

    def _latex(self, printer: Any) -> str:
        name = printer._print(sp.Symbol(self.matrix.name))
        if "_" in name:  # TeX refuses two subscripts, and takes the braces off a single accent with its subscript
            name = f"{{{{}}{name}}}" if name.startswith("\\") else f"{{{name}}}"
        return f"{name}_{{{printer._print(self.index)}}}"


# --- mixtures and masks ------------------------------------------------------------------


class Labels(RandomRows):
    """One-hot labels C of shape (rows, K): row i is the unit vector e_k with probability w_k, independently.

        E C = 1 wᵀ,   Cᵀ1 = N,   N ~ Multinomial(rows, w)

    Args:
        name: name under which it is printed.
        rows: number of rows, a symbol or a positive integer.
        weights: the probabilities w_k, a list that sums to one; or a vector symbol of shape (K, 1), K a symbol,
            which is taken to sum to one.

    Raises:
        ValueError: for weights that are negative or do not sum to one.

    >>> n, p = sp.symbols("n p", positive=True)
    >>> Labels("C", n, [p, 1 - p]).shape
    (n, 2)
    """

    def __new__(cls, name: str, rows: Any, weights: Any) -> Labels:
        label = _label(name)
        return super().__new__(cls, label, _check_size(rows, "rows"), _check_weights(weights))

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """(rows, K)."""
        return (self.args[1], sp.sympify(self.weights.shape[0], strict=True))

    @property
    def weights(self) -> sp.Expr:
        """The probabilities of the components, K × 1."""
        return self.args[2]


class MixtureMatrix(RandomRows):
    """Rows drawn independently from a Gaussian mixture, of shape (rows, d).

        Z = C M + G,   C = `labels` one-hot,   row i of G ~ N(0, Σ_k) where row i has the label k

    Args:
        name: name under which it is printed.
        rows: number of rows, a symbol or a positive integer.
        d: dimension of a row.
        weights: probabilities of the K components, a list that sums to one; or a vector symbol (K, 1).
        means: the K means, each a d × 1 vector expression or a list of numbers (0 for zero); or, for a
            symbolic K, a matrix symbol of shape (K, d) with one mean a row.
        covariance: one covariance for all components, or a list of K of them; a scalar s stands for s·I;
            default identity. For a symbolic K also a vector symbol (K, 1) of variances s_k, for s_k·I.

    Raises:
        ValueError: for weights that do not sum to one, a wrong number of means or covariances, or wrong shapes.

    >>> n, d = sp.symbols("n d", integer=True, positive=True)
    >>> p, s = sp.symbols("p s", positive=True)
    >>> mu = sp.MatrixSymbol("mu", d, 1)
    >>> MixtureMatrix("Z", n, d, weights=[p, 1 - p], means=[mu, -mu], covariance=s).shape
    (n, d)
    """

    def __new__(cls, name: str, rows: Any, d: Any, weights: Any, means: Any, covariance: Any = None) -> MixtureMatrix:
        label = _label(name)
        size, shares = _check_size(d, "d"), _check_weights(weights)
        number = sp.sympify(shares.shape[0], strict=True)
        centers = _check_means(means, number, size)
        return super().__new__(
            cls, label, _check_size(rows, "rows"), size, shares, centers, _check_covariances(covariance, number, size)
        )

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """(rows, d)."""
        return (self.args[1], self.args[2])

    @property
    def weights(self) -> sp.Expr:
        """The probabilities of the components, K × 1."""
        return self.args[3]

    @property
    def means(self) -> sp.Expr | sp.Tuple:
        """The K means as d × 1 vectors, or for a symbolic K the matrix with one mean a row."""
        return self.args[4]

    @property
    def covariances(self) -> sp.Expr | sp.Tuple:
        """One covariance in a tuple, or K of them; for a symbolic K perhaps the vector of variances."""
        return self.args[5]

    @property
    def labels(self) -> Labels:
        """The one-hot labels C of its rows."""
        return Labels(Str(f"{self.name}~labels"), self.shape[0], self.weights)

    def component(self, k: int) -> tuple[sp.Expr, sp.Expr]:
        """Mean and covariance of one component, for a number K of components."""
        covariances = self.covariances
        return self.means[k], covariances[k if len(covariances) > 1 else 0]


class Mask(RandomRows):
    """Which entries are observed: 1 for observed, 0 for missing; exchangeable within a row, rows independent.

        P(m_{a₁} = ⋯ = m_{a_j} = 1) = r_j   for j different entries of a row

    Args:
        name: name under which it is printed.
        d: number of entries of a row.
        rho: each entry is observed with probability ρ independently, r_j = ρʲ.
        rows: None for a single row, as a vector of shape (d, 1); a size for a matrix of shape (rows, d).
        size: exactly so many entries of a row are observed, r_j = k(k−1)⋯/(d(d−1)⋯).
        rate: (a, b) for a rate drawn from Beta(a, b) once a row, r_j = ∏_{i<j} (a + i)/(a + b + i).
        moments: [r₁, r₂, …] of any other exchangeable law, as many as will be needed.

    Raises:
        ValueError: unless exactly one law is given, or for values that are no probabilities.

    >>> d, rho = sp.symbols("d rho", positive=True)
    >>> Mask("M", d, rho).moment(3), Mask("M", d, size=2).moment(2)
    (rho**3, 2/(d*(d - 1)))
    """

    def __new__(
        cls,
        name: str,
        d: Any,
        rho: Any = None,
        rows: Any = None,
        *,
        size: Any = None,
        rate: Any = None,
        moments: Any = None,
    ) -> Mask:
        if isinstance(name, Str):  # rebuilt by sympy from its arguments
            return super().__new__(cls, name, d, rho, rows)
        law = _check_mask_law(_check_size(d, "d"), {"rho": rho, "size": size, "rate": rate, "moments": moments})
        place = sp.Tuple() if rows is None else sp.Tuple(_check_size(rows, "rows"))
        return super().__new__(cls, _label(name), _check_size(d, "d"), law, place)

    @property
    def is_vector(self) -> bool:
        """Whether it is a single row, written as a column: a mask of its own, or one row of a mask with rows."""
        return len(self.args[3]) != 1

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """(d, 1), or (rows, d)."""
        return (self.args[1], sp.Integer(1)) if self.is_vector else (self.args[3][0], self.args[1])

    @property
    def law(self) -> tuple[str, tuple[sp.Expr, ...]]:
        """The kind of law and its parameters."""
        return str(self.args[2][0].name), tuple(self.args[2][1:])

    def __getitem__(self, key: Any) -> sp.Expr:
        return sp.MatrixExpr.__getitem__(self, key) if self.is_vector else super().__getitem__(key)

    def _entry(self, i: Any, j: Any, **kwargs: Any) -> sp.Expr:
        return MatrixElement(self, i, j)

    def single_row(self, number: int) -> Mask:
        """One row of a mask with rows, as a mask of its own."""
        return sp.MatrixExpr.__new__(Mask, *self.args[:3], sp.Tuple(self.args[3][0], sp.Integer(number)))

    def moment(self, j: int) -> sp.Expr:
        """The probability r_j that j different entries of a row are all observed.

        Raises:
            ValueError: if the law was given by fewer moments.
        """
        kind, parameters = self.law
        if (self.args[1] - j).is_negative:
            return sp.Integer(0)  # a row has no j different entries
        if kind == "rho":
            return parameters[0] ** j
        if kind == "size":
            return sp.Mul(*((parameters[0] - i) / (self.args[1] - i) for i in range(j)))
        if kind == "rate":
            a, b = parameters
            return sp.Mul(*((a + i) / (a + b + i) for i in range(j)))
        if j > len(parameters):
            raise ValueError(
                f"expected at least {j} moments of the mask {self.name}, got {len(parameters)}; "
                f"give moments=[r1, ..., r{j}]"
            )
        return parameters[j - 1] if j else sp.Integer(1)


def _check_weights(weights: Any) -> sp.Expr:
    """Probabilities as an exact K × 1 column, or a vector symbol."""
    if _is_symbolic(weights):
        if weights.shape[1] != 1:
            raise ValueError(f"expected weights of shape (K, 1), got {weights} of shape {weights.shape}")
        _refuse_random(weights, "weights")
        return weights
    entries = [_exact(entry, "weights") for entry in _entries(weights, "weights")]
    if not entries:
        raise ValueError("expected at least one weight, got weights=[]")
    for entry in entries:
        _refuse_random(entry, "weights")
        if entry.is_negative or entry.is_real is False:
            raise ValueError(f"expected weights that are probabilities, got {entry} in weights={weights}")
    if not reduces_to_zero(sp.Add(*entries) - 1):
        raise ValueError(
            f"expected weights that sum to one, got weights={weights} with sum {sp.Add(*entries)}; "
            "write the last one as one minus the others"
        )
    return sp.ImmutableDenseMatrix(entries)


def _is_symbolic(matrix: Any) -> bool:
    """Whether it is a matrix expression rather than a matrix of entries."""
    return getattr(matrix, "is_Matrix", False) and not isinstance(matrix, sp.MatrixBase)


def _check_means(means: Any, number: sp.Expr, d: sp.Expr) -> sp.Expr | sp.Tuple:
    if _is_symbolic(means):
        if means.shape != (number, d):
            raise ValueError(f"expected means of shape ({number}, {d}), one a row, got {means} of shape {means.shape}")
        _refuse_random(means, "means")
        return sp.Tuple(*(means.T * _unit(number, k) for k in range(int(number)))) if number.is_Integer else means
    listed = means.tolist() if hasattr(means, "tolist") else means
    if not isinstance(listed, (list, tuple, sp.Tuple)) or not number.is_Integer:
        raise ValueError(
            f"expected a list of {number} means, or a matrix symbol of shape ({number}, {d}), got means={means!r}"
        )
    if len(listed) != number:
        raise ValueError(f"expected {number} means, one for each weight, got {len(listed)}: means={means}")
    return sp.Tuple(*(_check_mean(mean, d) for mean in listed))


def _unit(size: sp.Expr, k: int) -> sp.ImmutableDenseMatrix:
    return sp.ImmutableDenseMatrix(int(size), 1, lambda i, _: int(i == k))


def _check_covariances(covariance: Any, number: sp.Expr, d: sp.Expr) -> sp.Expr | sp.Tuple:
    if isinstance(covariance, sp.Tuple):  # rebuilt by sympy from its arguments
        return covariance
    if _is_symbolic(covariance) and not number.is_Integer and covariance.shape == (number, 1):
        _refuse_random(covariance, "covariance")
        return covariance
    if isinstance(covariance, (list, tuple)) and not _is_matrix_of_numbers(covariance, d):
        if len(covariance) != number:
            raise ValueError(
                f"expected one covariance, or {number} of them, one for each weight, got {len(covariance)}"
            )
        return sp.Tuple(*(_check_covariance(part, d) for part in covariance))
    return sp.Tuple(_check_covariance(covariance, d))


def _is_matrix_of_numbers(given: Any, d: sp.Expr) -> bool:
    """Whether a list is the rows of one d × d matrix rather than a list of covariances."""
    return all(isinstance(row, (list, tuple)) and len(row) == d for row in given) and not any(
        isinstance(entry, (list, tuple)) for row in given for entry in row
    )


def _check_patterns(d: sp.Expr, moments: list[sp.Expr], given: Any) -> None:
    """No pattern of observed and missing entries has a negative probability: Σ_i (−1)^i C(k, i) r_{j+i} ≥ 0."""
    differences = list(moments)
    for missing in range(1, len(moments)):
        differences = [earlier - later for earlier, later in pairwise(differences)]
        if (d - missing).is_negative:
            return
        negative = next((j for j, p in enumerate(differences) if sp.expand(p).is_negative), None)
        if negative is not None:
            raise ValueError(
                f"expected moments of a law, got moments={given}: {negative} given entries observed and {missing} "
                f"missing would have the probability {sp.expand(differences[negative])}"
            )


def _check_mask_law(d: sp.Expr, given: dict[str, Any]) -> sp.Tuple:
    """The one law that was given, its parameters within their ranges where that can be told."""
    laws = {kind: value for kind, value in given.items() if value is not None}
    if len(laws) != 1:
        names = ", ".join(f"{kind}={value}" for kind, value in laws.items()) or "none"
        raise ValueError(f"expected one of rho, size, rate, moments for the law of a mask, got {names}")
    ((kind, value),) = laws.items()
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    parameters = [_exact(entry, kind) for entry in values]
    for entry in parameters:
        _refuse_random(entry, kind)
    if len(parameters) != {"rho": 1, "size": 1, "rate": 2}.get(kind, len(parameters)) or not parameters:
        raise ValueError(f"expected {'(a, b)' if kind == 'rate' else 'one number'} for {kind}, got {kind}={value}")
    first = parameters[0]
    if kind == "rate":
        if any(entry.is_nonpositive for entry in parameters):
            raise ValueError(f"expected positive a and b of the law Beta(a, b), got rate={value}")
    elif kind == "size":
        if first.is_integer is False or first.is_negative or (first - d).is_positive:
            raise ValueError(f"expected a whole number of observed entries between 0 and {d}, got size={value}")
    else:
        steps = [sp.Integer(1), *parameters, sp.Integer(0)]
        if any((later - earlier).is_positive for earlier, later in pairwise(steps)):
            raise ValueError(f"expected probabilities 1 >= r1 >= r2 >= ... >= 0, got {kind}={value}")
        if kind == "moments":
            _check_patterns(d, steps[:-1], value)
    return sp.Tuple(Str(kind), *parameters)


def _unit_vector(d: sp.Expr, j: Any) -> sp.ImmutableDenseMatrix:
    position = sp.sympify(j, strict=True)
    if not (sp.sympify(d, strict=True).is_Integer and position.is_Integer):
        raise NotImplementedError(
            f"expected numbers for the coordinate and the dimension, got coordinate {j} of dimension {d}; "
            "write dot(x, u) with a vector u instead"
        )
    if not 0 <= int(position) < int(d):
        raise IndexError(f"expected a coordinate between 0 and {int(d) - 1}, got {j}")
    return sp.ImmutableDenseMatrix(int(d), 1, lambda i, _: int(i == int(position)))


# --- scalars made of vectors -------------------------------------------------------------


class Dot(sp.Expr):
    """The scalar ⟨u, v⟩ of two vectors, one term of what `dot` returns.

    The right-hand side may be a matrix times a vector: xᵀAy is Dot(x, A*y).
    """

    is_commutative = True
    is_extended_real = True
    is_real = True
    is_Atom = True
    _diff_wrt = True

    @property
    def left(self) -> sp.Expr:
        """The left vector, d × 1."""
        return self.args[0]

    @property
    def right(self) -> sp.Expr:
        """The right vector, d × 1, possibly a matrix times a vector."""
        return self.args[1]

    def _eval_is_extended_nonnegative(self) -> bool | None:
        return True if self.left == self.right else None

    def _eval_derivative(self, symbol: sp.Basic) -> sp.Expr:
        return sp.Integer(int(self == symbol))

    def _eval_subs(self, old: sp.Basic, new: sp.Basic) -> sp.Expr | None:
        if self == old:
            return new
        return dot(self.left.subs(old, new), self.right.subs(old, new))

    def _xreplace(self, rule: Any) -> tuple[sp.Basic, bool]:
        if self in rule:
            return rule[self], True
        (left, left_changed), (right, right_changed) = self.left._xreplace(rule), self.right._xreplace(rule)
        return (dot(left, right), True) if left_changed or right_changed else (self, False)

    def _sympystr(self, printer: Any) -> str:
        return f"dot({printer._print(_as_written(self.left))}, {printer._print(_as_written(self.right))})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        left, right = printer._print(_as_written(self.left)), printer._print(_as_written(self.right))
        text = rf"\left\langle {left}, {right}\right\rangle"
        return text if exp is None else f"{text}^{{{exp}}}"


def _as_written(vector: sp.Expr) -> sp.Expr:
    return vector.arg if isinstance(vector, sp.Transpose) else vector


def dot(u: sp.Expr, v: sp.Expr, *, symmetric: frozenset[sp.Expr] = frozenset()) -> sp.Expr:
    """The scalar product ⟨u, v⟩ = Σᵢ uᵢ vᵢ, as a scalar expression.

    Bilinear and symmetric at once: dot(2*k + v, w) is 2⟨k, w⟩ + ⟨v, w⟩, and dot(w, k) is dot(k, w).

    Args:
        u, v: vectors of one dimension, as columns or rows: matrix symbols, random vectors, tokens,
            linear combinations of these, matrices times vectors, or explicit matrices.
        symmetric: matrix symbols known to be symmetric (the covariances of a law).

    Raises:
        ValueError: if they are not vectors of one dimension.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> k, v = sp.MatrixSymbol("k", d, 1), sp.MatrixSymbol("v", d, 1)
    >>> dot(v, 2*k - v)
    2*dot(k, v) - dot(v, v)
    """
    left, right = _as_column(u), _as_column(v)
    if left.shape != right.shape and sp.expand(left.shape[0] - right.shape[0]) != 0:
        raise ValueError(f"expected vectors of one dimension, got dot({u}, {v}) with {left.shape} and {right.shape}")
    terms = []
    for c1, matrices1, vector1 in _linear_terms(left):
        for c2, matrices2, vector2 in _linear_terms(right):
            word = [_transpose(A, symmetric) for A in reversed(matrices1)] + matrices2
            terms.append(c1 * c2 * _bilinear(vector1, word, vector2, symmetric))
    return sp.Add(*terms)


def quad(x: sp.Expr, A: sp.Expr) -> sp.Expr:
    """The quadratic form xᵀAx, as a scalar expression.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> x, A = sp.MatrixSymbol("x", d, 1), sp.MatrixSymbol("A", d, d)
    >>> quad(x, A), quad(x, 3*sp.Identity(d))
    (dot(x, A*x), 3*dot(x, x))
    """
    column = _as_column(x)
    if not getattr(A, "is_Matrix", False):
        raise ValueError(f"expected a square matrix A in quad(x, A), got {A}; write A*Identity(d) for a multiple")
    if A.shape != (column.shape[0], column.shape[0]):
        raise ValueError(f"expected A of shape ({column.shape[0]}, {column.shape[0]}) in quad(x, A), got {A.shape}")
    return dot(column, sp.MatMul(A, column))


def trace(matrix: sp.Expr) -> sp.Expr:
    """The trace of a matrix expression, linear on the spot: tr(2A + I) = 2 tr A + d.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> trace(2*sp.Identity(d))
    2*d
    """
    terms = []
    for coefficient, factors in _matrix_terms(matrix):
        if not factors:
            value = matrix.shape[0]
        elif all(isinstance(factor, sp.MatrixBase) for factor in factors):
            value = sp.prod(factors[1:], start=factors[0]).trace()
        else:
            value = sp.Trace(_least_rotation(factors))
        terms.append(coefficient * value)
    return sp.Add(*terms)


def _least_rotation(factors: list[sp.Expr]) -> sp.Expr:
    words = [factors, [_transpose(A) for A in reversed(factors)]]
    rotations = [word[i:] + word[:i] for word in words for i in range(len(word))]
    least = min(rotations, key=lambda word: [sp.default_sort_key(letter) for letter in word])
    return least[0] if len(least) == 1 else sp.MatMul(*least)


def _as_column(u: sp.Expr) -> sp.Expr:
    if isinstance(u, (list, tuple)):
        u = sp.ImmutableDenseMatrix([_exact(entry, "vector") for entry in u])
    shape = getattr(u, "shape", None)
    if shape is None or len(shape) != 2 or 1 not in shape:
        raise ValueError(f"expected a vector of shape (d, 1) or (1, d), got {u} with shape {shape}")
    if isinstance(u, sp.MatrixBase):
        u = u.as_immutable()
    return u if shape[1] == 1 and not isinstance(u, Row) else _transpose(u)


def _transpose(A: sp.Expr, symmetric: frozenset[sp.Expr] = frozenset()) -> sp.Expr:
    if A in symmetric:
        return A
    if isinstance(A, sp.MatrixBase):
        return A.T.as_immutable()
    return A.arg if isinstance(A, sp.Transpose) else sp.Transpose(A).doit()


def _matrix_terms(expr: sp.Expr) -> list[tuple[sp.Expr, list[sp.Expr]]]:
    """A matrix expression as Σ coefficient · (product of letters); identities are dropped."""
    if isinstance(expr, sp.MatAdd):
        return [term for arg in expr.args for term in _matrix_terms(arg)]
    if isinstance(expr, sp.ZeroMatrix) or (isinstance(expr, sp.MatrixBase) and expr.is_zero_matrix):
        return []
    if isinstance(expr, sp.Identity):
        return [(sp.Integer(1), [])]
    if isinstance(expr, sp.MatMul):
        coefficient, matrices = expr.as_coeff_matrices()
        terms: list[tuple[sp.Expr, list[sp.Expr]]] = [(coefficient, [])]
        for matrix in matrices:
            factor_terms = _matrix_terms(matrix)
            terms = [(c1 * c2, w1 + w2) for c1, w1 in terms for c2, w2 in factor_terms]
        return terms
    if isinstance(expr, sp.MatPow) and expr.exp.is_Integer and expr.exp > 0:
        return _matrix_terms(sp.MatMul(*[expr.base] * int(expr.exp)))
    if isinstance(expr, sp.Transpose) and isinstance(expr.arg, sp.Transpose):
        return _matrix_terms(expr.arg.arg)
    if isinstance(expr, sp.Transpose) and isinstance(expr.arg, (sp.MatAdd, sp.MatMul, sp.MatPow)):
        return [(c, [_transpose(A) for A in reversed(word)]) for c, word in _matrix_terms(expr.arg)]
    if isinstance(expr, sp.MatrixBase):
        return [(sp.Integer(1), [expr.as_immutable()])]
    return [(sp.Integer(1), [expr])]


def _linear_terms(column: sp.Expr) -> list[tuple[sp.Expr, list[sp.Expr], sp.Expr]]:
    """A column as Σ coefficient · A₁⋯A_r · vector."""
    return [(c, word[:-1], word[-1]) for c, word in _matrix_terms(column)]


def _bilinear(left: sp.Expr, word: list[sp.Expr], right: sp.Expr, symmetric: frozenset[sp.Expr]) -> sp.Expr:
    """leftᵀ A₁⋯A_r right, with explicit neighbours multiplied out and the smaller of the two readings kept."""
    letters: list[sp.Expr] = [left.T.as_immutable() if isinstance(left, sp.MatrixBase) else left]
    for letter in (*word, right):
        if isinstance(letter, sp.MatrixBase) and isinstance(letters[-1], sp.MatrixBase):
            letters[-1] = (letters[-1] * letter).as_immutable()
        else:
            letters.append(letter)
    if len(letters) == 1:
        return letters[0][0, 0]
    left, *word, right = letters
    left = left.T.as_immutable() if isinstance(left, sp.MatrixBase) else left
    if any(isinstance(end, sp.MatrixBase) and end.is_zero_matrix for end in (left, right)):
        return sp.Integer(0)
    backward = [_transpose(A, symmetric) for A in reversed(word)]
    if [sp.default_sort_key(x) for x in (right, left, *backward)] < [
        sp.default_sort_key(x) for x in (left, right, *word)
    ]:
        left, word, right = right, backward, left
    return sp.Expr.__new__(Dot, left, sp.MatMul(*word, right) if word else right)


def linear_part(node: Dot, vector: sp.Expr, symmetric: frozenset[sp.Expr] = frozenset()) -> sp.Expr:
    """The vector u with node = ⟨vector, u⟩, for a scalar product that contains `vector` once.

    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> x, k, A = GaussianVector("x", d), sp.MatrixSymbol("k", d, 1), sp.MatrixSymbol("A", d, d)
    >>> linear_part(dot(k, A*x), x)
    A.T*k
    """
    if node.left == vector:
        return node.right
    last = node.right.args[-1] if isinstance(node.right, sp.MatMul) else node.right
    if last != vector:
        raise NotImplementedError(f"no rule for the form {node}, in which {vector} stands at neither end")
    word = list(node.right.args[:-1]) if isinstance(node.right, sp.MatMul) else []
    flipped = [_transpose(A, symmetric) for A in reversed(word)]
    return sp.MatMul(*flipped, node.left) if flipped else node.left
