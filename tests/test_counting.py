"""Sums over tokens against brute force: every position summed by hand for small numbers of tokens."""

from __future__ import annotations

from itertools import chain, product

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from theory import E, GaussianMatrix, Latent, NoClosedForm, TokenGroup, Tokens, dot, gaussians, token_index
from theory.counting import falling_factorial, set_partitions

k, v = sp.MatrixSymbol("k", 2, 1), sp.MatrixSymbol("v", 2, 1)
n = sp.Symbol("n", integer=True, positive=True)
l, j = token_index("l"), token_index("j")
BELL = [1, 1, 2, 5, 15, 52]


def test_partitions_are_counted_by_bell_numbers():
    for size, count in enumerate(BELL):
        partitions = list(set_partitions(range(size)))
        assert len(partitions) == count
        assert all(sorted(chain.from_iterable(partition)) == list(range(size)) for partition in partitions)


@given(st.integers(0, 6), st.integers(0, 6))
def test_falling_factorials_count_injections(size, k):
    assert falling_factorial(sp.Integer(size), k) == len(
        [choice for choice in product(range(size), repeat=k) if len(set(choice)) == k]
    )


# Brute force: the tokens of a prompt of given length become independent families of scalars (p, q)
# standing for ⟨X_ℓ, k⟩ and ⟨X_ℓ, v⟩, and the sums are written out.


def written_out(polynomial, means, covariances):
    scalars = [
        gaussians(f"p{i} q{i}", mean=mean, covariance=covariance)
        for i, (mean, covariance) in enumerate(zip(means, covariances, strict=True))
    ]
    return E(polynomial(scalars))


POWERS = st.tuples(st.integers(0, 2), st.integers(0, 2)).filter(any)
KV = sp.Matrix([[2, 1], [1, 3]])  # Gram matrix of (k, v) below
VECTORS = {k: sp.ImmutableMatrix([1, 1]), v: sp.ImmutableMatrix([2, -1])}


def in_numbers(expr):
    """The closed form with explicit vectors in place of k and v."""
    return sp.expand(expr.subs(dict(VECTORS)))


@settings(max_examples=25, deadline=None)
@given(st.lists(POWERS, min_size=1, max_size=3), st.integers(1, 4), st.sampled_from(["none", "first", "latent"]))
def test_iid_rows(powers, length, singled):
    """E of a product of sums, with a singled-out row or not, for symbolic n put to a number at the end."""
    X = GaussianMatrix("X", n, 2)
    J = Latent("J", n)
    expr = sp.prod([sp.Sum(dot(X[l, :], k) ** a * dot(X[l, :], v) ** b, (l, 0, n - 1)) for a, b in powers])
    row = {"none": None, "first": X[0, :], "latent": X[J, :]}[singled]
    if row is not None:
        expr *= dot(row, k) + dot(row, v) ** 2
    ours = in_numbers(E(expr).subs(n, length))

    def polynomial(rows):
        total = sp.prod([sum(p**a * q**b for p, q in rows) for a, b in powers])
        return total * (rows[0][0] + rows[0][1] ** 2) if row is not None else total

    K = sp.Matrix.hstack(*VECTORS.values())
    gram = K.T * K
    assert ours == written_out(polynomial, [[0, 0]] * length, [gram] * length)


@settings(max_examples=20, deadline=None)
@given(st.lists(POWERS, min_size=1, max_size=3), st.integers(0, 2), st.integers(0, 2))
def test_groups_with_their_own_laws(powers, first, second):
    """Three groups: one token at a latent location, two groups of symbolic sizes."""
    n1, n2 = sp.symbols("n_1 n_2", integer=True, nonnegative=True)
    J = Latent("J", 1 + n1 + n2)
    mean = sp.ImmutableMatrix([1, -2])
    X = Tokens(
        "X",
        2,
        [TokenGroup(1, mean, at=J), TokenGroup(n1, covariance=sp.Rational(1, 2)), TokenGroup(n2, -mean, 3)],
    )
    expr = dot(X[J, :], v) * sp.prod(
        [sp.Sum(dot(X[l, :], k) ** a * dot(X[l, :], v) ** b, (l, 0, n1 + n2)) for a, b in powers]
    )
    ours = in_numbers(E(expr).subs({n1: first, n2: second}))
    K = sp.Matrix.hstack(*VECTORS.values())
    gram, at_mean = K.T * K, list(K.T * mean)
    means = [at_mean] + [[0, 0]] * first + [[-x for x in at_mean]] * second
    covariances = [gram] + [gram / 2] * first + [3 * gram] * second

    def polynomial(rows):
        return rows[0][1] * sp.prod([sum(p**a * q**b for p, q in rows) for a, b in powers])

    assert ours == written_out(polynomial, means, covariances)


def test_a_row_singled_out_by_number_is_not_a_group():
    """The row 0 and the group 0 are different things."""
    d, L = sp.symbols("d L", integer=True, positive=True)
    key = sp.MatrixSymbol("k", d, 1)
    X = GaussianMatrix("X", L, d)
    assert E(dot(X[0, :], key) * sp.Sum(dot(X[l, :], key) ** 3, (l, 0, L - 1))) == 3 * dot(key, key) ** 2


@pytest.mark.parametrize("length", [1, 2, 4])
def test_locations_may_coincide(length):
    """Total expectation: J meets row 0 with probability 1/L, and so do two locations each other."""
    d = sp.Symbol("d", integer=True, positive=True)
    key = sp.MatrixSymbol("k", d, 1)
    X, I, J = GaussianMatrix("X", n, d), Latent("I", n), Latent("J", n)
    q = dot(key, key)
    first, at_i, at_j = (dot(X[place, :], key) for place in (0, I, J))
    total = sp.Sum(dot(X[l, :], key), (l, 0, n - 1))
    p = sp.Rational(1, length)
    for expr, expected in [
        (first * at_j, p * q),
        (at_i * at_j, p * q),
        (at_i**2 * at_j**2, (1 + 2 * p) * q**2),
        (first * at_i**2 * at_j, p * (1 + 2 * p) * q**2),
        (at_j * total, q),
        (first * at_j * total**2, p * (length + 2) * q**2 + (1 - p) * 2 * q**2),
    ]:
        assert sp.expand(E(expr).subs(n, length) - expected) == 0, expr


def test_a_location_beside_the_groups_meets_them():
    """A uniform location in a prompt with groups falls into each in proportion to its size."""
    d, L = sp.symbols("d L", integer=True, positive=True)
    mean = sp.MatrixSymbol("mu", d, 1)
    J, K = Latent("J", L), Latent("K", L)
    X = Tokens("X", d, [TokenGroup(1, mean, at=J), TokenGroup(L - 1, -mean)])
    u = sp.MatrixSymbol("u", d, 1)
    assert sp.expand(E(dot(X[K, :], u)) - (1 / L - (L - 1) / L) * dot(mean, u)) == 0
    pair = E(dot(X[K, :], u) * dot(X[J, :], u))
    assert sp.expand(pair - ((dot(u, u) + dot(mean, u) ** 2) / L - (L - 1) / L * dot(mean, u) ** 2)) == 0


def test_prompts_that_do_not_exist_are_refused():
    d, L = sp.symbols("d L", integer=True, positive=True)
    X, u = GaussianMatrix("X", 3, d), sp.MatrixSymbol("u", d, 1)
    with pytest.raises(IndexError, match="between 0 and 2"):
        X[3, :]
    with pytest.raises(IndexError, match="got -1"):
        X[-1, :]
    with pytest.raises(ValueError, match="among"):
        E(dot(X[Latent("J", L), :], u))
    with pytest.raises(ValueError, match="one token at each"):
        Tokens("X", d, [TokenGroup(1, at=Latent("J", 2)), TokenGroup(1, at=Latent("J", 2))])
    i = sp.Symbol("i", integer=True, nonnegative=True)
    with pytest.raises(NoClosedForm, match="cannot tell"):
        E(dot(X[i, :], u) * dot(X[0, :], u))
    assert E(dot(X[i, :], u) ** 2) == dot(u, u)


def test_double_sums_and_products_of_tokens():
    d, L = sp.symbols("d L", integer=True, positive=True)
    X = GaussianMatrix("X", L, d)
    double = sp.Sum(dot(X[l, :], X[j, :]) ** 2, (l, 0, L - 1), (j, 0, L - 1))
    assert sp.expand(E(double) - (L * (L - 1) * d + L * d * (d + 2))) == 0


def test_two_prompts_share_their_positions():
    """Pairs (x_ℓ, y_ℓ): the same index runs over the rows of both."""
    d, L = sp.symbols("d L", integer=True, positive=True)
    X, Z = GaussianMatrix("X", L, d), GaussianMatrix("Z", L, d, covariance=2)
    u = sp.MatrixSymbol("u", d, 1)
    pairs = sp.Sum(dot(X[l, :], u) * dot(Z[l, :], u), (l, 0, L - 1))
    assert sp.expand(E(pairs**2) - 2 * L * dot(u, u) ** 2) == 0


def test_a_sum_that_selects_the_location():
    d, L = sp.symbols("d L", integer=True, positive=True)
    u, J = sp.MatrixSymbol("u", d, 1), Latent("J", L)
    X = GaussianMatrix("X", L, d)
    selected = sp.Sum(sp.KroneckerDelta(l, J) * dot(X[l, :], u), (l, 0, L - 1))
    assert E(selected * dot(X[J, :], u)) == dot(u, u)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda X, u, L: sp.Sum(l * dot(X[l, :], u) ** 2, (l, 0, L - 1)), "position"),
        (lambda X, u, L: sp.Sum(dot(X[l, :], u) ** 2, (l, 1, L - 1)), "all tokens"),
        (lambda X, u, L: sp.exp(sp.Sum(dot(X[l, :], u), (l, 0, L - 1))), "function of a sum"),
    ],
)
def test_what_has_no_rule_is_refused_by_name(make, message):
    d, L = sp.symbols("d L", integer=True, positive=True)
    X, u = GaussianMatrix("X", L, d), sp.MatrixSymbol("u", d, 1)
    with pytest.raises(NoClosedForm, match=message):
        E(make(X, u, L))
