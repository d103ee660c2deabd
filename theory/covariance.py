"""The one validator of covariances: symmetric, real, positive semidefinite, decided exactly.

    Σ is a covariance  ⇔  Σ = Σᵀ and xᵀΣx ≥ 0 for every real x  ⇔  Σ = Σᵀ and every principal minor is ≥ 0

Rational matrices are decided by elimination over Q; a refusal shows a direction x with xᵀΣx < 0. With
symbols, a principal minor that is negative for every value the assumptions allow is refused, and the minors
whose sign is open are the conditions under which the matrix is a covariance: `psd_conditions` lists them.
Singular matrices are covariances. A matrix that was measured in floating point becomes an exact covariance by
`settle_measured_covariance`, if rounding explains what it lacks; arrays that stay floats are validated by
`numerics.covariance`.

Reference: R. Horn, C. Johnson, Matrix Analysis (2013), section 7.2 (all principal minors, not only leading).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from numbers import Complex
from numbers import Rational as RationalNumber
from typing import Any

import sympy as sp
from flint import acb, acb_mat, arb, ctx, fmpq, fmpz

from .identity import reduces_to_zero

__all__ = ["psd_conditions", "settle_measured_covariance", "validate_covariance"]

_MAX_SYMBOLIC = 5  # a k × k block of symbols has 2^k − 1 principal minors, of up to k! terms
_MAX_IRRATIONAL = 8  # the same for numbers such as √2, whose minors are quickly told from zero
_MAX_SPECTRUM = 60  # larger matrices are refused without their smallest eigenvalue, which would take a second
_SMALL = 8  # up to this size exact elimination is quick, and balls are not asked first
_EPSILON = sp.Rational(1, 2**52)


def validate_covariance(matrix: Any, name: str = "covariance", size: int | None = None) -> sp.ImmutableDenseMatrix:
    """The matrix as an exact covariance, or an error that says why it is none.

        Σ = Σᵀ,    xᵀΣx ≥ 0 for every real x

    Args:
        matrix: d × d, a sympy matrix or rows of exact numbers and expressions; singular is allowed.
        name: the parameter's name, for the error.
        size: the d that is expected.

    Returns:
        The matrix, its lower half written as its upper half. With symbols it is a covariance under
        `psd_conditions(matrix)`.

    Raises:
        TypeError: if it is not a matrix, or an entry is not a number or scalar expression.
        ValueError: if it is not square, has another size, is not symmetric, has an entry that is a float,
            infinite, undefined or not real, or is decidably not positive semidefinite.

    >>> r, s, t = sp.symbols("r s t", positive=True)
    >>> validate_covariance([[s, r], [r, t]])
    Matrix([
    [s, r],
    [r, t]])
    >>> validate_covariance([[1, 2], [2, 1]])
    Traceback (most recent call last):
    ...
    ValueError: expected a positive semidefinite covariance, got Matrix([[1, 2], [2, 1]]): smallest eigenvalue -1.00000,
    x'*covariance*x = -3 for x = (-2, 1); lower the covariances off the diagonal or raise the variances.
    """
    value = _symmetric(_square(_rows(matrix, name), name, size), name)
    for block in _blocks(value):
        part = value.extract(list(block), list(block))
        if all(entry.is_Rational for entry in part):
            direction = _negative_direction(part)
            if direction is not None:
                raise ValueError(_refusal(value, name, block, part, direction))
        else:
            _refuse_negative_minors(value, name, block)
    return value


def settle_measured_covariance(
    matrix: Any, name: str = "covariance", size: int | None = None
) -> sp.ImmutableDenseMatrix:
    """An exact covariance from numbers that were rounded to floats before they were read.

        |Σ − Σᵀ| ≤ τ and λ_min ≥ −δ with 0 ≤ δ ≤ τ = 10 d ε ‖Σ‖   ->   (Σ + Σᵀ)/2 + δ I

    Args:
        matrix: d × d, rationals, the floats as the decimals they print as.
        name: the parameter's name, for the error.
        size: the d that is expected.

    Returns:
        The symmetric part; δ is zero, or the first power of two that makes it positive semidefinite exactly, where
        rounding has made an eigenvalue of a singular matrix negative.

    Raises:
        TypeError, ValueError: as `validate_covariance` does, for what rounding does not explain.

    >>> settle_measured_covariance([[1, sp.Rational(1, 2)], [sp.Rational(1, 2) + sp.Rational(1, 10**16), 1]])[0, 1]
    10000000000000001/20000000000000000
    """
    value = _square(_rows(matrix, name), name, size)
    if not all(entry.is_Rational for entry in value):
        return validate_covariance(value, name, size)
    half = sp.Rational(1, 2)
    symmetric = sp.ImmutableDenseMatrix(*value.shape, lambda i, j: half * (value[i, j] + value[j, i]))
    spectrum = _spectrum(symmetric)
    tolerance = 10 * value.rows * _EPSILON * _norm(symmetric, spectrum)
    if any(abs(value[i, j] - value[j, i]) > tolerance for i, j in combinations(range(value.rows), 2)):
        return validate_covariance(value, name, size)
    for shift in _shifts(spectrum, tolerance):
        settled = sp.ImmutableDenseMatrix(symmetric + shift * sp.eye(value.rows))
        if _negative_direction(settled) is None:
            return settled
    return validate_covariance(symmetric, name, size)


def _shifts(spectrum: list[arb] | None, tolerance: sp.Rational) -> Iterator[sp.Rational]:
    """0, or what lifts the smallest eigenvalue above zero, doubled up to the tolerance."""
    shift = _power_of_two(_rational(-spectrum[0])) if spectrum and spectrum[0] < 0 else sp.Integer(0)
    while shift < tolerance:
        yield shift
        shift = 2 * shift if shift else _power_of_two(tolerance) / 2**10
    yield tolerance


def _norm(symmetric: sp.ImmutableDenseMatrix, spectrum: list[arb] | None) -> sp.Rational:
    """‖Σ‖, to many digits: the largest eigenvalue in absolute value; without a spectrum, the largest entry."""
    if spectrum is None:
        return max(abs(entry) for entry in symmetric)
    return _rational(max(abs(spectrum[0]), abs(spectrum[-1])))


def _rational(number: arb) -> sp.Rational:
    man, exponent = number.mid().man_exp()
    return sp.Rational(int(man)) * sp.Integer(2) ** int(exponent)


def _power_of_two(number: sp.Rational) -> sp.Rational:
    """A power of two between x and 4x, for a positive rational: short, so that exact elimination stays quick."""
    return sp.Integer(2) ** (int(number.p).bit_length() - int(number.q).bit_length() + 1)


def _spectrum(value: sp.ImmutableDenseMatrix) -> list[arb] | None:
    """The eigenvalues of a symmetric rational matrix, approximately, the smallest first; None if it is too large."""
    if value.rows > _MAX_SPECTRUM:
        return None
    size = max(max(abs(int(entry.p)), int(entry.q)).bit_length() for entry in value)
    with ctx.workprec(min(128 + 2 * size, 4096)):
        entries = [acb(arb(fmpq(int(entry.p), int(entry.q)))) for entry in value]
        try:
            eigenvalues = acb_mat(value.rows, value.rows, entries).eig(algorithm="approx")
        except (ArithmeticError, ValueError):
            return None
        real = [eigenvalue.real.mid() for eigenvalue in eigenvalues]
        return sorted(real) if all(number.is_finite() for number in real) else None


def psd_conditions(matrix: Any, name: str = "covariance") -> tuple[sp.Basic, ...]:
    """The relations among the symbols under which a symmetric matrix is a covariance.

        every principal minor ≥ 0, those that hold by the symbols' assumptions left out

    Args:
        matrix: as in `validate_covariance`.
        name: the parameter's name, for the error.

    Returns:
        Sympy relationals, by size of the minor; the empty tuple if the matrix is a covariance as it stands.

    Raises:
        TypeError, ValueError: as in `validate_covariance`, and if a block of symbols is too large to list.

    >>> r = sp.Symbol("r", real=True)
    >>> s, t = sp.symbols("s t", positive=True)
    >>> psd_conditions([[s, r], [r, t]])
    (-r**2 + s*t >= 0,)
    >>> psd_conditions([[1 + r**2, r], [r, 1]])
    ()
    """
    value = validate_covariance(matrix, name)
    conditions: list[sp.Basic] = []
    for block in _blocks(value):
        part = value.extract(list(block), list(block))
        if all(entry.is_Rational for entry in part):
            continue
        if len(block) > _MAX_SYMBOLIC:
            raise ValueError(
                f"expected at most {_MAX_SYMBOLIC} coupled variables with symbolic covariances, got "
                f"{len(block)} in {name}, which would take 2^{len(block)} − 1 conditions; give {name} as a "
                "MatrixSymbol, or as A*A.T."
            )
        for _, minor in _minors(value, block, len(block)):
            condition = sp.Ge(minor, 0)
            if not _is_nonnegative(minor) and condition is not sp.true and condition not in conditions:
                conditions.append(condition)
    return tuple(conditions)


# ------------------------------------------------------------ entries and shape


def _rows(matrix: Any, name: str) -> list[list[Any]]:
    if isinstance(matrix, str | bytes):
        raise TypeError(f"expected a matrix, got the text {name}={matrix!r}; write it as rows of numbers.")
    if isinstance(matrix, sp.MatrixBase):
        return matrix.tolist()
    if hasattr(matrix, "to_numpy"):  # a table with labels
        matrix = matrix.to_numpy()
    if hasattr(matrix, "tolist"):
        matrix = matrix.tolist()
    if not isinstance(matrix, Sequence) or isinstance(matrix, str | bytes):
        raise TypeError(
            f"expected a matrix given by its entries, got {name}={matrix!r} of type {type(matrix).__name__}."
        )
    rows = []
    for i, row in enumerate(matrix):
        if hasattr(row, "tolist"):
            row = row.tolist()
        if not isinstance(row, Sequence) or isinstance(row, str | bytes):
            raise ValueError(f"expected a square matrix, got {name}[{i}] = {row!r}, which is not a row of entries.")
        rows.append(list(row))
    return rows


def _square(rows: list[list[Any]], name: str, size: int | None) -> sp.ImmutableDenseMatrix:
    d = len(rows)
    if d == 0:
        raise ValueError(f"expected a square matrix, got {name} without rows.")
    for i, row in enumerate(rows):
        if len(row) != d:
            raise ValueError(
                f"expected a square matrix, got {name} with {d} rows and {len(row)} entries in row {i}; "
                f"{name} needs one row and one column for each variable."
            )
    if size is not None and d != size:
        raise ValueError(f"expected {name} of shape ({size}, {size}), got shape ({d}, {d}).")
    return sp.ImmutableDenseMatrix(
        d, d, [_entry(x, f"{name}[{i}, {j}]") for i, row in enumerate(rows) for j, x in enumerate(row)]
    )


def _entry(value: Any, place: str) -> sp.Expr:
    """One entry as an exact, finite, real expression."""
    if isinstance(value, str | bytes):
        raise TypeError(f"expected a number or a sympy expression, got the text {place} = {value!r}.")
    if isinstance(value, fmpq | fmpz):
        value = sp.Rational(int(value.numerator), int(value.denominator))
    if isinstance(value, Decimal) and value.is_finite():
        value = Fraction(value)
    is_rounded = isinstance(value, Complex) and not isinstance(value, RationalNumber | sp.Basic)
    if is_rounded and not (abs(value) < float("inf")):
        raise ValueError(f"expected finite entries, got {place} = {value}.")
    if is_rounded or (isinstance(value, sp.Expr) and value.has(sp.Float)):
        raise ValueError(
            f"expected exact entries, got {place} = {value}; write sympy.Rational('0.1') for 0.1, or "
            "validate a floating-point array with numerics.covariance.validate_float_covariance."
        )
    if isinstance(value, RationalNumber) and not isinstance(value, bool | sp.Basic):
        value = sp.Rational(int(value.numerator), int(value.denominator))
    if not isinstance(value, sp.Expr) or getattr(value, "is_Matrix", False) or not value.is_commutative:
        raise TypeError(f"expected a number or a scalar expression, got {place} = {value!r}, a {type(value).__name__}.")
    if value.has(sp.nan, sp.zoo, sp.oo, -sp.oo):
        raise ValueError(f"expected finite entries, got {place} = {value}.")
    if value.is_extended_real is False:
        raise ValueError(f"expected real entries, got {place} = {value}.")
    return value


def _symmetric(value: sp.ImmutableDenseMatrix, name: str) -> sp.ImmutableDenseMatrix:
    d = value.rows
    for i, j in combinations(range(d), 2):
        if value[i, j] != value[j, i] and not reduces_to_zero(value[i, j] - value[j, i]):
            raise ValueError(
                f"expected a symmetric {name}, got {name}[{i}, {j}] = {value[i, j]} and {name}[{j}, {i}] = "
                f"{value[j, i]}; Cov(X, Y) = Cov(Y, X), so write the same expression in both places."
            )
    return sp.ImmutableDenseMatrix(d, d, lambda i, j: value[min(i, j), max(i, j)])


# ------------------------------------------------------------ positive semidefinite


def _blocks(value: sp.ImmutableDenseMatrix) -> list[tuple[int, ...]]:
    """The groups of variables coupled by nonzero covariances; the matrix is psd when each block is."""
    groups: list[set[int]] = []
    for i in range(value.rows):
        coupled = {i} | {j for j in range(value.rows) if value[i, j] != 0}
        touching = [group for group in groups if group & coupled]
        groups = [group for group in groups if not group & coupled] + [coupled.union(*touching)]
    return sorted(tuple(sorted(group)) for group in groups)


def _negative_direction(value: sp.ImmutableDenseMatrix) -> list[fmpq] | None:
    """A rational x with xᵀΣx < 0 for a symmetric rational Σ; None when Σ is positive semidefinite.

    Elimination Σ → L⁻¹ΣL⁻ᵀ without pivoting: a negative pivot, or a zero pivot with a nonzero entry beside
    it, shows a direction, translated back by the rows of L⁻¹; otherwise Σ = L D Lᵀ with D ≥ 0.
    """
    d = value.rows
    rest = [[fmpq(int(value[i, j].p), int(value[i, j].q)) for j in range(d)] for i in range(d)]
    if d > _SMALL and _is_certainly_positive(rest):
        return None
    basis = [[fmpq(int(i == j)) for j in range(d)] for i in range(d)]
    for k in range(d):
        pivot = rest[k][k]
        if pivot < 0:
            return basis[k]
        for i in range(k + 1, d):
            if pivot == 0 and rest[i][k] != 0:  # x = b_i + c b_k has xᵀΣx = Σ_ii + 2cΣ_ik, −1 for this c
                c = -(rest[i][i] + 1) / (2 * rest[i][k])
                return [u + c * v for u, v in zip(basis[i], basis[k], strict=True)]
        for i in range(k + 1, d):
            if rest[i][k] != 0:
                factor = rest[i][k] / pivot
                rest[i] = [u - factor * v for u, v in zip(rest[i], rest[k], strict=True)]
                basis[i] = [u - factor * v for u, v in zip(basis[i], basis[k], strict=True)]
    return None


def _is_certainly_positive(rows: list[list[fmpq]]) -> bool:
    """Whether elimination in balls finds every pivot positive: fast, and never wrong when it says yes."""
    d = len(rows)
    size = max(max(abs(int(entry.p)), int(entry.q)).bit_length() for row in rows for entry in row)
    with ctx.workprec(min(128 + 4 * size, 4096)):
        rest = [[arb(entry) for entry in row] for row in rows]
        for k in range(d):
            if not rest[k][k] > 0:
                return False
            for i in range(k + 1, d):
                factor = rest[i][k] / rest[k][k]
                rest[i][k:] = [u - factor * v for u, v in zip(rest[i][k:], rest[k][k:], strict=True)]
    return True


def _refusal(
    value: sp.ImmutableDenseMatrix,
    name: str,
    block: tuple[int, ...],
    part: sp.ImmutableDenseMatrix,
    x: list[fmpq],
) -> str:
    small = sp.ImmutableDenseMatrix(len(x), 1, [sp.Rational(int(c.p), int(c.q)) for c in x])
    full = [sp.Integer(0)] * value.rows
    for i, entry in zip(block, small, strict=True):
        full[i] = entry
    shown = f"got {value}" if value.rows <= 6 else f"got a {value.rows} × {value.rows} matrix"
    direction = ", ".join(map(str, full)) if value.rows <= 12 else f"{', '.join(map(str, full[:12]))}, ..."
    spectrum = _spectrum(part)
    smallest = f"smallest eigenvalue {spectrum[0].str(6, radius=False)}, " if spectrum else ""
    return (
        f"expected a positive semidefinite {name}, {shown}: {smallest}x'*{name}*x = {(small.T * part * small)[0]} for "
        f"x = ({direction}); lower the covariances off the diagonal or raise the variances."
    )


def _minors(
    value: sp.ImmutableDenseMatrix, block: tuple[int, ...], largest: int
) -> Iterator[tuple[tuple[int, ...], sp.Expr]]:
    """The principal minors of a block up to a size, expanded."""
    for order in range(1, largest + 1):
        for rows in combinations(block, order):
            yield rows, _determinant(value.extract(list(rows), list(rows)))


def _determinant(part: sp.ImmutableDenseMatrix) -> sp.Expr:
    if part.rows == 1:
        return part[0, 0]
    if part.rows == 2:
        return sp.expand(part[0, 0] * part[1, 1] - part[0, 1] ** 2)
    return sp.expand(part.det(method="berkowitz"))


def _refuse_negative_minors(value: sp.ImmutableDenseMatrix, name: str, block: tuple[int, ...]) -> None:
    """Refuse a block with symbols if a principal minor is negative whatever the symbols are.

    All minors are looked at up to size 5 (8 without symbols), those with up to two rows up to size 30, above that
    the variances.
    """
    most = _MAX_SYMBOLIC if value.extract(list(block), list(block)).free_symbols else _MAX_IRRATIONAL
    largest = len(block) if len(block) <= most else 2 if len(block) <= 30 else 1
    for rows, minor in _minors(value, block, largest):
        if minor.is_negative and not reduces_to_zero(minor):
            which = f"{name}[{rows[0]}, {rows[0]}]" if len(rows) == 1 else f"its minor in rows {rows}"
            shown = f"{value}" if value.rows <= 6 else f"a {value.rows} × {value.rows} matrix"
            always = ", negative for all values of its symbols" if minor.free_symbols else ""
            raise ValueError(
                f"expected a positive semidefinite {name}, got {shown}: {which} is {minor}{always}; "
                "change these entries, or the assumptions on the symbols."
            )


def _is_nonnegative(minor: sp.Expr) -> bool:
    """Whether a minor is ≥ 0 for all values that the assumptions allow."""
    return bool(minor.is_nonnegative or sp.factor(minor).is_nonnegative or reduces_to_zero(minor))
