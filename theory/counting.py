"""Sums over tokens: partitions of the indices and falling factorials.

A product of sums over tokens is a sum over tuples of positions. Positions that coincide form a
partition; positions that differ belong to independent tokens. With b_g blocks on fresh tokens of
a group of n_g interchangeable tokens,

    Σ_{ℓ₁, …, ℓ_r} f(x_{ℓ₁}, …, x_{ℓ_r}) = Σ_π Σ_{blocks → groups} ∏_g n_g(n_g−1)⋯(n_g−b_g+1) · f(representatives)

in mean, with tokens that the expression singles out (`X[J, :]`, `X[0, :]`) as candidates of
their own and taken out of their group's count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import sympy as sp

from .gaussian import NoClosedForm
from .variables import Latent, Row, TokenGroup, TokenMatrix

LETTERS = "lrstuvw"

__all__ = ["TokenSum", "falling_factorial", "representatives", "set_partitions", "token_sums"]


@dataclass(frozen=True)
class TokenSum:
    """Σ over all values of the indices of body; with no index, the body itself."""

    indices: tuple[sp.Symbol, ...]
    body: sp.Expr
    ranges: tuple[tuple[sp.Expr, sp.Expr], ...]


def falling_factorial(n: sp.Expr, k: int) -> sp.Expr:
    """n(n−1)⋯(n−k+1), the number of ordered choices of k distinct things among n.

    >>> falling_factorial(sp.Symbol("n"), 3)
    n*(n - 2)*(n - 1)
    """
    return sp.Mul(*(n - i for i in range(k)))


def set_partitions(items: Sequence) -> Iterator[list[list]]:
    """All ways to group the items into blocks.

    >>> len(list(set_partitions("abcd")))
    15
    """
    if not items:
        yield []
        return
    first, *rest = items
    for partition in set_partitions(rest):
        yield [[first], *partition]
        for i, block in enumerate(partition):
            yield [*partition[:i], [first, *block], *partition[i + 1 :]]


def token_sums(expr: sp.Expr) -> list[tuple[sp.Expr, TokenSum]]:
    """An expression polynomial in its sums, as Σ coefficient · one multiple sum.

    Raises:
        NoClosedForm: if a sum stands inside a function.
    """
    merged: dict[TokenSum, sp.Expr] = {}
    for coefficient, term in _terms(sp.sympify(expr, strict=True)):
        renamed = _renamed(term)
        merged[renamed] = merged.get(renamed, sp.Integer(0)) + coefficient
    return [(coefficient, term) for term, coefficient in merged.items() if coefficient != 0]


def _terms(expr: sp.Expr) -> list[tuple[sp.Expr, TokenSum]]:
    if not expr.has(sp.Sum):
        return [(sp.Integer(1), TokenSum((), expr, ()))]
    if isinstance(expr, sp.Add):
        return [term for arg in expr.args for term in _terms(arg)]
    if isinstance(expr, sp.Mul):
        plain, sums = [a for a in expr.args if not a.has(sp.Sum)], [a for a in expr.args if a.has(sp.Sum)]
        terms = [(sp.Integer(1), TokenSum((), sp.Mul(*plain), ()))]
        for factor in sums:
            terms = _product(terms, _terms(factor))
        return terms
    if isinstance(expr, sp.Pow) and expr.exp.is_Integer and expr.exp > 0:
        base = _terms(expr.base)
        terms = base
        for _ in range(int(expr.exp) - 1):
            terms = _merged(_product(terms, base))
        return terms
    if isinstance(expr, sp.Sum):
        terms = _terms(expr.function)
        for index, low, high in expr.limits:
            fresh = sp.Dummy(index.name, integer=True)
            terms = [
                (c, TokenSum((*s.indices, fresh), s.body.xreplace({index: fresh}), (*s.ranges, (low, high))))
                for c, s in terms
            ]
        return terms
    raise NoClosedForm(
        f"no rule for a function of a sum over tokens: {expr.func.__name__} of {expr.args[0]}; "
        "expectations are taken of polynomials in such sums"
    )


def _product(
    first: list[tuple[sp.Expr, TokenSum]], second: list[tuple[sp.Expr, TokenSum]]
) -> list[tuple[sp.Expr, TokenSum]]:
    terms = []
    for (c1, s1), (c2, s2) in product(first, second):
        fresh = {index: sp.Dummy(index.name, integer=True) for index in s2.indices}
        body = s1.body * s2.body.xreplace(fresh)
        terms.append((c1 * c2, TokenSum((*s1.indices, *fresh.values()), body, s1.ranges + s2.ranges)))
    return terms


def _merged(terms: list[tuple[sp.Expr, TokenSum]]) -> list[tuple[sp.Expr, TokenSum]]:
    merged: dict[TokenSum, sp.Expr] = {}
    for coefficient, term in terms:
        renamed = _renamed(term)
        merged[renamed] = merged.get(renamed, sp.Integer(0)) + coefficient
    return [(coefficient, term) for term, coefficient in merged.items()]


def _renamed(term: TokenSum) -> TokenSum:
    names = {index: _position(i) for i, index in enumerate(term.indices)}
    return TokenSum(tuple(names.values()), term.body.xreplace(names), term.ranges)


@cache
def _position(i: int) -> sp.Dummy:
    """The i-th bound index; no user's symbol is equal to it."""
    return sp.Dummy(f"l_{i + 1}", integer=True)


def representatives(term: TokenSum) -> Iterator[tuple[sp.Expr, sp.Expr]]:
    """The pairs (count, body at representative tokens) whose sum has the mean of the multiple sum.

    Raises:
        NoClosedForm: if the summand depends on its position other than through the tokens there, if
            a sum leaves out tokens, or if a token's group cannot be told.
    """
    rows = _rows(term.body)
    if not term.indices and not _compared(term.body) and all(row.group >= 0 for row in rows):
        yield sp.Integer(1), term.body
        return
    matrices = sorted({row.matrix for row in rows}, key=sp.default_sort_key)
    grouped = [X for X in matrices if len(X.groups) > 1 or X.groups[0].at is not None]
    if len(grouped) > 1:
        both = ", ".join(X.name for X in grouped)
        raise NoClosedForm(f"no rule for two prompts with token groups in one expression: {both}")
    _check_ranges(term, matrices)
    if not matrices:
        yield from _without_tokens(term)
        return
    prompt = (grouped or matrices)[0]
    labels = {row.index for row in rows} | _compared(term.body)
    singled = labels - set(term.indices)
    for probability, renaming, known in _placements(singled, prompt):
        placed = TokenSum(term.indices, term.body.xreplace(renaming), term.ranges)
        for number, body in _over_positions(placed, prompt.groups, known):
            yield probability * number, body


def _compared(body: sp.Expr) -> set[sp.Expr]:
    """The positions that a Kronecker delta compares."""
    return {position for delta in body.atoms(sp.KroneckerDelta) for position in delta.args}


def _placements(
    singled: set[sp.Expr], prompt: TokenMatrix
) -> Iterator[tuple[sp.Expr, dict[sp.Expr, sp.Expr], dict[sp.Expr, int]]]:
    """Total expectation over where the singled-out tokens are: (probability, coincidences, group of each).

    Numbered rows of an i.i.d. prompt are different tokens, and so are the latent locations that the
    groups are placed at. Any other location is uniform: it meets each of those with probability 1/L.
    """
    length = prompt.shape[0]
    placed_at = {group.at: g for g, group in enumerate(prompt.groups) if group.at is not None}
    known: dict[sp.Expr, int] = {}
    uniform: list[Latent] = []
    for label in sorted(singled, key=sp.default_sort_key):
        if label in placed_at:
            known[label] = placed_at[label]
        elif isinstance(label, Latent):
            if sp.expand(label.size - length) != 0:
                raise ValueError(
                    f"expected a location among the {length} tokens of {prompt.name}, got {label} among {label.size}"
                )
            uniform.append(label)
        elif len(prompt.groups) > 1 or placed_at:
            raise NoClosedForm(
                f"the token {prompt.name}[{label}, :] has no known group; give its group `at={label}`, "
                "or write the group as a prompt of its own"
            )
        elif not label.is_Integer and len(singled) > 1:
            others = ", ".join(sorted(str(other) for other in singled - {label}))
            raise NoClosedForm(f"cannot tell whether the token {label} of {prompt.name} is one of {others}")
        else:
            known[label] = 0
    if uniform:  # a location that is not named in the expression can be met all the same
        known = {**placed_at, **known}
    outcomes: list[tuple[sp.Expr, dict[sp.Expr, sp.Expr], dict[sp.Expr, int]]] = [(sp.Integer(1), {}, known)]
    for location in uniform:
        outcomes = [after for before in outcomes for after in _placed(location, before, prompt)]
    yield from outcomes


def _placed(location: Latent, before: tuple, prompt: TokenMatrix) -> Iterator[tuple]:
    probability, renaming, known = before
    length = prompt.shape[0]
    for label in known:
        yield probability / length, {**renaming, location: label}, known
    for g, group in enumerate(prompt.groups):
        left = group.size - list(known.values()).count(g)
        if left != 0:
            yield probability * left / length, renaming, {**known, location: g}


def _over_positions(
    term: TokenSum, groups: Sequence[TokenGroup], known: dict[sp.Expr, int]
) -> Iterator[tuple[sp.Expr, sp.Expr]]:
    """The pairs (count, body) once the singled-out tokens are placed."""
    singled = list(known)
    sizes = [group.size - list(known.values()).count(g) for g, group in enumerate(groups)]
    candidates = [*(Place(label=label) for label in singled), *(Place(group=g) for g in range(len(groups)))]
    for partition in set_partitions(term.indices):
        for choice in product(candidates, repeat=len(partition)):
            labels = [place.label for place in choice if place.group is None]
            if len(set(labels)) < len(labels):
                continue
            fresh = [place.group for place in choice if place.group is not None]
            number = sp.Mul(*(falling_factorial(n, fresh.count(g)) for g, n in enumerate(sizes)))
            if number == 0:
                continue
            names = _names(choice, groups)
            where = {index: name for block, name in zip(partition, names, strict=True) for index in block}
            located = known | {
                name: place.group for name, place in zip(names, choice, strict=True) if place.group is not None
            }
            yield number, _at_representatives(term, where, located)


@dataclass(frozen=True)
class Place:
    """Where a block of indices sits: at a token that the expression singles out, or at a fresh one of a group."""

    label: sp.Expr | None = None
    group: int | None = None


def _names(choice: Sequence[Place], groups: Sequence[TokenGroup]) -> list[sp.Expr]:
    """A name for the token of each block: the location it sits at, or a letter for its group and a number."""
    names: list[sp.Expr] = []
    for position, place in enumerate(choice):
        if place.group is None:
            names.append(place.label)
        elif groups[place.group].at is not None:
            names.append(groups[place.group].at)
        else:
            letter = LETTERS[sum(group.at is None for group in groups[: place.group]) % len(LETTERS)]
            names.append(sp.Symbol(f"{letter}_{choice[: position + 1].count(place)}", integer=True))
    return names


def _at_representatives(term: TokenSum, where: dict, located: dict) -> sp.Expr:
    """The summand with its indices at representative tokens, every row told its group."""
    positions = {index: sp.Dummy(integer=True) for index in where}
    placed = term.body.xreplace(positions)
    _check_free_of_position(placed, set(positions.values()))
    body = term.body.xreplace(where)
    if body.has(sp.KroneckerDelta):
        body = body.replace(sp.KroneckerDelta, _delta)
    return _located(body, located)


def _delta(first: sp.Expr, second: sp.Expr) -> sp.Expr:
    return sp.Integer(1) if first == second else sp.Integer(0)


def _rows(expr: sp.Expr) -> set[Row]:
    return {node for node in sp.preorder_traversal(expr) if isinstance(node, Row)}


def _located(body: sp.Expr, place: dict[sp.Expr, int]) -> sp.Expr:
    """The body with every row told its group; a row of a prompt with one group is in group 0."""
    replacement = {
        row: Row(row.matrix, row.index, place[row.index] if len(row.matrix.groups) > 1 else 0)
        for row in _rows(body)
        if row.group < 0
    }
    return body.xreplace(replacement)


def _check_ranges(term: TokenSum, matrices: list[TokenMatrix]) -> None:
    for X in matrices:
        for index, (low, high) in zip(term.indices, term.ranges, strict=True):
            if low != 0 or sp.expand(high - low + 1 - X.shape[0]) != 0:
                raise NoClosedForm(
                    f"expected the sum over {index} to run over all tokens of {X.name}, from 0 to "
                    f"{X.shape[0] - 1}, got {low} to {high}"
                )


def _check_free_of_position(body: sp.Expr, positions: set[sp.Expr]) -> None:
    plain = body.xreplace({row: sp.MatrixSymbol("x", *row.shape) for row in _rows(body)})
    plain = plain.xreplace({delta: sp.Integer(1) for delta in plain.atoms(sp.KroneckerDelta)})
    if plain.free_symbols & positions:
        raise NoClosedForm(f"the summand depends on its position other than through the token there: {body}")


def _without_tokens(term: TokenSum) -> Iterator[tuple[sp.Expr, sp.Expr]]:
    if term.body.free_symbols & set(term.indices):
        raise NoClosedForm(f"no rule for a sum whose terms depend on the position only: {term.body}")
    yield sp.Mul(*(high - low + 1 for low, high in term.ranges)), term.body
