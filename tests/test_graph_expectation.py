"""Expectations by index graphs: laws of the rules, agreement with words, with enumeration and with draws."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf

from numerics import agrees_entrywise, value
from numerics.e_process import CatoniProcess
from theory import (
    E,
    GaussianMatrix,
    GaussianVector,
    Labels,
    Latent,
    Mask,
    MixtureMatrix,
    NoClosedForm,
    TokenGroup,
    Tokens,
    dot,
    equal,
    gaussians,
    matrix_gradient,
    quad,
)
from theory.coincidences import coincidences
from theory.expectation import Evaluation, Expectation
from theory.graph_expectation import graph_expectation
from theory.graph_reading import read_graphs
from theory.graph_writing import graph_expr
from theory.index_graph import EQUAL, Factor, Letters, Vertex, assembled
from theory.matrix_identity import matrices_agree

n, d, K = sp.symbols("n d K", integer=True, positive=True)
p, rho, s, lam = sp.symbols("p rho s lam", positive=True)
l, j = sp.symbols("l j", integer=True)
A, B, C, S, T, W = (sp.MatrixSymbol(name, d, d) for name in "ABCSTW")
P, Q = sp.MatrixSymbol("P", n, n), sp.MatrixSymbol("Q", n, n)
k, u, v, m = (sp.MatrixSymbol(name, d, 1) for name in ("k", "u", "v", "m"))
tr, had = sp.Trace, sp.HadamardProduct
X = GaussianMatrix("X", n, d, covariance=S)
x = GaussianVector("x", d, covariance=S)
Z = MixtureMatrix("Z", n, d, weights=[p, 1 - p], means=[m, u], covariance=s)
M = Mask("M", d, rho)


def by_graphs(expr):
    return graph_expectation(expr, Evaluation().value_of_scalar)


def holds(expr, mean, sizes=((2, 2), (3, 1)), seed=0):
    return agrees_entrywise(expr, mean, sizes=[{n: rows, d: columns} for rows, columns in sizes], seed=seed).holds


# --- graphs ------------------------------------------------------------------------------------


ENTRIES = [A, B, A.T, had(A, B), sp.DiagMatrix(k), sp.DiagonalMatrix(A), k * u.T, sp.Identity(d), sp.OneMatrix(d, d)]


@given(st.lists(st.sampled_from(ENTRIES), min_size=1, max_size=5), st.integers(0, 100))
def test_writing_a_graph_gives_back_what_was_read(factors, seed):
    """Words, products entry by entry, diagonals: read and written, they are the same number for random matrices."""
    expr = tr(sp.MatMul(*factors)) if len(factors) > 1 else tr(factors[0])
    terms = read_graphs(expr, Letters(), constants=True)
    written = sp.Add(*(c * graph_expr(graph) for graph, c in terms.items()))
    rng = np.random.default_rng(seed)
    at = {name: rng.normal(size=shape) for name, shape in (("A", (3, 3)), ("B", (3, 3)), ("k", 3), ("u", 3))}
    both = []
    for side in (expr, written):
        names = {str(symbol) for symbol in sp.sympify(side).free_symbols}
        both.append(value(side, {name: array for name, array in {**at, "d": 3}.items() if name in names}))
    assert both[0] == pytest.approx(both[1], rel=1e-12, abs=1e-12)  # a dozen products in doubles


@given(st.permutations(range(6)), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8))
def test_the_canonical_form_does_not_depend_on_the_names_of_indices(order, edges):
    vertices = [Vertex(d)] * 6
    letters = Letters()
    first = assembled([Factor(A, edge) for edge in edges], vertices, letters)
    second = assembled([Factor(A, (order[a], order[b])) for a, b in reversed(edges)], vertices, letters)
    assert first == second


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=5))
def test_graphs_of_different_sums_differ(edges):
    """A control of the canonical form: equal graphs are equal sums, so different values mean different graphs."""
    rng = np.random.default_rng(3)
    table = rng.normal(size=(2, 2))

    def total(pairs):
        values = 0.0
        for index in np.ndindex(2, 2, 2, 2):
            values += np.prod([table[index[a], index[b]] for a, b in pairs])
        return values / 2 ** (4 - len({v for pair in pairs for v in pair}))

    turned = [(b, a) if i == 0 else (a, b) for i, (a, b) in enumerate(edges)]
    graphs = [assembled([Factor(A, edge) for edge in pairs], [Vertex(d)] * 4, Letters()) for pairs in (edges, turned)]
    if abs(total(edges) - total(turned)) > 1e-9:
        assert graphs[0] != graphs[1]


def test_a_graph_that_no_product_reaches_is_a_sum_over_indices():
    """The complete graph on four indices; its number is that of the sum written out."""
    R = sp.MatrixSymbol("R", d, d)
    edges = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    coefficient, graph = assembled([Factor(R, edge) for edge in edges], [Vertex(d)] * 4, Letters())
    written = graph_expr(graph)
    assert written.has(sp.Sum) and coefficient == 1
    table = np.random.default_rng(0).normal(size=(3, 3))
    expected = np.einsum("ab,ac,ad,bc,bd,cd->", *[table] * 6)
    assert value(written, {"R": table}) == pytest.approx(expected, rel=1e-12)


def test_positions_that_differ_do_not_meet():
    at = [Vertex(n, pin=sp.Integer(0)), Vertex(n, pin=sp.Integer(1))]
    assert assembled([Factor(EQUAL, (0, 1))], at, Letters()) is None
    unknown = [Vertex(n, pin=sp.Integer(0)), Vertex(n, pin=l)]
    with pytest.raises(NoClosedForm, match="coincide"):
        assembled([Factor(EQUAL, (0, 1))], unknown, Letters())


@pytest.mark.parametrize("tied", [(), (0,), (0, 1), (0, 1, 2, 3)])
def test_coincidences_count_every_assignment_once(tied):
    """Σ over 4 indices of n positions of 1, split by what coincides, is n⁴: Möbius and falling factorials together."""
    carriers = list(range(4))
    vertices = [Vertex(n)] * 4
    total = sp.Integer(0)
    for number, joins, _, after in coincidences(carriers, set(tied), vertices):
        mention = [Factor("1", (v,)) for v in carriers]
        coefficient, _ = assembled([*joins, *mention], after, Letters())
        total += number * coefficient
    assert sp.expand(total - n**4) == 0


# --- the rules against words, laws -------------------------------------------------------------

WORDS = [
    tr(X.T * X * A * X.T * X * B),
    X.T * X * A * X.T * X,
    X * A * X.T,
    X.T * P * X * X[0, :].T,
    dot(X[0, :], A * X.T * X * X[0, :].T),
    quad(x, A) * quad(x, B) * dot(x, k) ** 2,
    X.T * sp.OneMatrix(n, n) * X,
]


@pytest.mark.parametrize("expr", WORDS, ids=lambda expr: str(expr)[:50])
def test_graphs_and_words_agree(expr):
    assert matrices_agree(by_graphs(expr), E(expr), frozenset({S}))


def test_linearity_and_independence():
    first, second = tr(Z.T * P * Z * A), quad(had(M, x), B)
    both = E(3 * first * second - n * second)
    assert matrices_agree(both, 3 * E(first) * E(second) - n * E(second), frozenset({S}))


def test_a_mixture_of_one_component_is_a_gaussian():
    one = MixtureMatrix("Y", n, d, weights=[1], means=[m], covariance=S)
    plain = GaussianMatrix("Y", n, d, mean=m, covariance=S)
    for build in (lambda Y: Y.T * P * Y * A * Y.T * Y, lambda Y: tr(Y * A * Y.T) ** 2, lambda Y: Y * A * Y.T):
        assert matrices_agree(E(build(one)), E(build(plain)), frozenset({S}))


def test_components_that_are_equal_are_one():
    same = MixtureMatrix("Y", n, d, weights=[p, 1 - p], means=[m, m], covariance=[S, S])
    plain = GaussianMatrix("Y", n, d, mean=m, covariance=S)
    assert matrices_agree(E(tr(same.T * P * same * A) ** 2), E(tr(plain.T * P * plain * A) ** 2), frozenset({S}))


def test_the_order_of_components_does_not_matter():
    first = MixtureMatrix("Y", n, d, weights=[p, 1 - p], means=[m, u], covariance=[S, T])
    other = MixtureMatrix("Y", n, d, weights=[1 - p, p], means=[u, m], covariance=[T, S])
    for build in (lambda Y: Y.T * P * Y, lambda Y: sp.erf(dot(Y[0, :], k)) * Y[0, :].T):
        assert matrices_agree(E(build(first)), E(build(other)), frozenset({S, T}))


def test_a_mask_that_hides_nothing_is_no_mask():
    for mask in (Mask("q", d, 1), Mask("q", d, size=d), Mask("q", d, moments=[1, 1, 1, 1])):
        assert matrices_agree(E(quad(had(mask, x), A) ** 2), E(quad(x, A) ** 2), frozenset({S}))


def test_a_mask_is_its_own_square():
    z = had(M, x)
    assert matrices_agree(E(z * had(M, z).T), E(z * z.T), frozenset({S}))
    assert E(dot(M, M)) == E(dot(M, sp.OneMatrix(d, 1))) == d * rho


def test_rows_of_one_mask_are_independent_masks():
    rows = Mask("q", d, rho, rows=n)
    hidden = had(rows, X)
    a, b = had(rows[0, :], X[0, :]).T, had(rows[1, :], X[1, :]).T
    assert matrices_agree(E(dot(a, A * b) ** 2), E(tr((E(a * a.T)) * A * E(b * b.T) * A.T)), frozenset({S}))
    assert matrices_agree(E(hidden.T * hidden), n * E(had(M, x) * had(M, x).T), frozenset({S}))


def test_masks_with_one_name_and_one_law_made_by_hand_stay_apart_from_rows():
    """The rows of a mask are no variables a user can make: M_1 beside a row of M is independent of it."""
    rows = Mask("M", d, rho, rows=n)
    for name in ("M_1", "M_0", "M[0]"):
        other = Mask(name, d, rho)
        assert E(dot(rows[0, :].T, other)) == d * rho**2


def test_vectors_made_by_the_rules_stay_apart_from_a_users():
    """Prompts are told apart into vectors; a vector of a similar name with the same law is another one."""
    J = Latent("J", n)
    G = Tokens("G", d, [TokenGroup(1, mean=m, at=J), TokenGroup(n - 1)])
    for name in ("G_0_1", "G_1_1", "G_1", "x_tilde"):
        g = GaussianVector(name, d)
        assert E(dot(g, G[J, :].T) ** 2) == d + dot(m, m)
    with pytest.raises(ValueError, match="tilde"):
        GaussianVector("G~0,1", d)


def test_labels_beside_their_mixture():
    """E Cᵀ Z = n (w_k μ_k): labels and tokens of one mixture belong together."""
    counts = Z.labels.T * Z
    expected = n * sp.ImmutableDenseMatrix([p, 0]) * m.T + n * sp.ImmutableDenseMatrix([0, 1 - p]) * u.T
    assert holds(counts, E(counts)) and holds(counts, expected)


def test_labels_of_another_family_are_independent():
    other = Labels("C", n, [p, 1 - p])
    assert sp.expand(E(tr(other.T * Z.labels)) - n * (p**2 + (1 - p) ** 2)) == 0


def test_latent_positions_are_uniform():
    J = Latent("J", n)
    assert E(P[J, J] * tr(X * A * X.T)) == tr(P) * tr(A * S)
    eye = sp.Identity(n)
    entry = sp.matrices.expressions.matexpr.MatrixElement(eye * X, J, 0)
    assert E(entry**2) == sp.matrices.expressions.matexpr.MatrixElement(S, 0, 0)


def test_a_free_symbol_is_one_row():
    assert matrices_agree(
        E(dot(X[l, :], A * X.T * X * X[l, :].T)), E(dot(X[0, :], A * X.T * X * X[0, :].T)), frozenset({S})
    )


def test_invariance_under_orthogonal_change_of_basis():
    """A mixture turned by O has the means turned by O: the mean of an invariant function is invariant."""
    O = sp.ImmutableDenseMatrix([[3, 4], [-4, 3]]) / 5
    means = [sp.ImmutableDenseMatrix([1, 2]), sp.ImmutableDenseMatrix([-1, 3])]
    first = MixtureMatrix("Y", n, 2, weights=[p, 1 - p], means=means, covariance=s)
    other = MixtureMatrix("Y", n, 2, weights=[p, 1 - p], means=[O * mean for mean in means], covariance=s)
    assert (
        sp.expand(
            E(tr(first.T * first) ** 2 - tr((first.T * first) ** 2))
            - E(tr(other.T * other) ** 2 - tr((other.T * other) ** 2))
        )
        == 0
    )


# --- functions of tokens: against draws ----------------------------------------------------------

LOADINGS = np.array([[1.0, 0.0], [0.5, 0.8]])
VALUES = {
    "A": np.array([[0.5, -1.0], [0.25, 1.5]]),
    "S": LOADINGS @ LOADINGS.T,
    "k": np.array([0.7, -0.4]),
    "v": np.array([0.3, 1.1]),
    "u": np.array([-0.5, 0.6]),
    "m": np.array([1.0, 0.5]),
    "n": 3,
    "p": 0.3,
    "s": 0.5,
    "lam": 0.8,
}


def normal_rows(rng, count):
    return rng.normal(size=(count, 3, 2)) @ LOADINGS.T


def mixture_rows(rng, count):
    first = rng.random((count, 3, 1)) < VALUES["p"]
    means = np.where(first, VALUES["m"], VALUES["u"])
    return means + np.sqrt(VALUES["s"]) * rng.normal(size=(count, 3, 2))


over = (l, 0, n - 1)
DRAWN = {
    "erf of tokens beside a trace": (
        sp.Sum(sp.erf(lam * dot(X[l, :], k)) * dot(X[l, :], v), over) * tr(X.T * X * A),
        normal_rows,
        lambda Y: (
            (erf(0.8 * Y @ VALUES["k"]) * (Y @ VALUES["v"])).sum(1) * np.einsum("bla,ac,blc->b", Y, VALUES["A"].T, Y)
        ),
    ),
    "two tokens in one function": (
        sp.Sum(sp.erf(dot(X[l, :], k) + dot(X[j, :], v)) ** 2, over, (j, 0, n - 1)) * dot(X[0, :], k) ** 2,
        normal_rows,
        lambda Y: (
            (erf((Y @ VALUES["k"])[:, :, None] + (Y @ VALUES["v"])[:, None, :]) ** 2).sum((1, 2))
            * (Y[:, 0] @ VALUES["k"]) ** 2
        ),
    ),
    "cosine of the tokens of a mixture beside a trace": (
        sp.Sum(sp.cos(dot(Z[l, :], k)), over) * tr(Z.T * Z * A),
        mixture_rows,
        lambda Y: np.cos(Y @ VALUES["k"]).sum(1) * np.einsum("bla,ac,blc->b", Y, VALUES["A"].T, Y),
    ),
    "exp of a form of every token beside a trace": (
        sp.Sum(sp.exp(-dot(X[l, :], X[l, :]) / 2), over) * tr(X.T * X * A),
        normal_rows,
        lambda Y: np.exp(-(Y**2).sum(2) / 2).sum(1) * np.einsum("bla,ac,blc->b", Y, VALUES["A"].T, Y),
    ),
    "exp of a form of the tokens of a mixture": (
        sp.Sum(sp.exp(-dot(Z[l, :], Z[l, :]) / 2) * dot(Z[l, :], k), over) * dot(Z[0, :], v),
        mixture_rows,
        lambda Y: (np.exp(-(Y**2).sum(2) / 2) * (Y @ VALUES["k"])).sum(1) * (Y[:, 0] @ VALUES["v"]),
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_functions_of_tokens_beside_matrices_against_draws(name):
    """Not refuted by 4·10⁵ draws where an error of a tenth is; α = 1e-9, the second moment from the draws, doubled."""
    expr, draw, function = DRAWN[name]
    mean = E(expr)
    used = {key: number for key, number in VALUES.items() if key in {str(symbol) for symbol in mean.free_symbols}}
    theory = value(mean, used)
    rng = np.random.default_rng(11)
    sample = function(draw(rng, 400_000))
    bound = 2 * np.mean(sample**2)
    wrong = theory + 0.1 * np.sqrt(bound)
    refuted = CatoniProcess((theory, wrong), variance_bound=bound).update(sample).refutes(alpha=1e-9)
    assert [bool(one) for one in refuted] == [False, True]


# --- gradients -----------------------------------------------------------------------------------


@pytest.mark.parametrize("symmetric", [False, True])
def test_gradients_of_products_entry_by_entry_against_differences(symmetric):
    z = had(M, x)
    f = E(dot(had(sp.OneMatrix(d, 1) - M, x - W * z), had(sp.OneMatrix(d, 1) - M, x - W * z))) + tr(had(W, W, A) * W)
    rng = np.random.default_rng(2)
    root = rng.normal(size=(3, 3))
    at = {"S": root @ root.T, "A": rng.normal(size=(3, 3)), "rho": 0.3}
    point = rng.normal(size=(3, 3))
    point = point + point.T if symmetric else point
    gradient = value(matrix_gradient(f, W, symmetric), {**at, "W": point})
    for _ in range(4):
        direction = rng.normal(size=(3, 3))
        direction = direction + direction.T if symmetric else direction
        h = 1e-5  # the third derivative is of order one: an error of h², against rounding of 1e-16/h
        ahead, behind = (value(f, {**at, "W": point + sign * h * direction}) for sign in (1, -1))
        assert (ahead - behind) / (2 * h) == pytest.approx(float((gradient * direction).sum()), rel=1e-7)


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: tr((Z.T * Z).I), "inverse"),
        (lambda: sp.sqrt(dot(had(M, x), x)), "Pow"),
        (lambda: sp.erf(dot(had(M, x), k)), "HadamardProduct"),
        (lambda: sp.erf(dot(x, A * x)) * tr(X), "tr"),
        (lambda: sp.sin(quad(x, A)) * x, "form"),
        (lambda: 1 / sp.Sum(sp.exp(dot(X[l, :], k)), over) * X[0, :].T, "sum over tokens"),
        (lambda: sp.Sum(dot(X[l, :], k), (l, 1, n - 1)) * tr(P * X * X.T), "start at 0"),
        (lambda: sp.Sum(l * dot(X[l, :], k), over) * tr(P * X * X.T), "position"),
        (
            lambda: sp.erf(
                dot(MixtureMatrix("R", n, d, sp.MatrixSymbol("w", K, 1), sp.MatrixSymbol("C", K, d))[0, :], k)
            ),
            "components",
        ),
        (lambda: tr(sp.Determinant(Z.T * Z) * A), "Determinant"),
    ],
)
def test_refusals_by_name(build, named):
    with pytest.raises((NoClosedForm, ValueError), match=named):
        E(build())


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: MixtureMatrix("Z", n, d, weights=[p, p], means=[m, u]), "sum to one"),
        (
            lambda: MixtureMatrix("Z", n, d, weights=[sp.Rational(3, 2), -sp.Rational(1, 2)], means=[m, u]),
            "probabilities",
        ),
        (lambda: MixtureMatrix("Z", n, d, weights=[p, 1 - p], means=[m]), "2 means"),
        (lambda: MixtureMatrix("Z", n, d, weights=[p, 1 - p], means=[m, P]), "shape"),
        (lambda: MixtureMatrix("Z", n, d, weights=[p, 1 - p], means=[m, u], covariance=[S, S, S]), "covariance"),
        (lambda: MixtureMatrix("Z", n, 2, weights=[1], means=[[1, 2]], covariance=[[1, 2], [2, 1]]), "semidefinite"),
        (lambda: MixtureMatrix("Z", -1, d, weights=[1], means=[m]), "rows"),
        (lambda: MixtureMatrix("Z", n, d, weights=[], means=[]), "at least one weight"),
        (lambda: Mask("M", d, 2), "probabilities"),
        (lambda: Mask("M", d), "one of rho"),
        (lambda: Mask("M", d, rho, size=2), "one of rho"),
        (lambda: Mask("M", 3, size=4), "between 0 and 3"),
        (lambda: Mask("M", d, rate=(0, 1)), "positive"),
        (lambda: Mask("M", d, moments=[sp.Rational(1, 3), sp.Rational(1, 2)]), "r1 >= r2"),
        (lambda: Labels("C", n, [sp.Rational(1, 2)]), "sum to one"),
        (lambda: E(tr(had(Mask("q", d, moments=[rho]), x) * had(Mask("q", d, moments=[rho]), x).T)), None),
        (lambda: E(quad(had(Mask("q", d, moments=[rho]), x), A)), "at least 2 moments"),
        (lambda: E(tr(Z * A * Z.T) + tr(MixtureMatrix("Z", n, d, weights=[1], means=[m]))), "two laws|square"),
        (lambda: E(quad(x, A) + dot(had(M, x), Mask("M", d, rho / 2))), "two laws"),
    ],
)
def test_bad_input_is_named(build, named):
    if named is None:
        build()
        return
    with pytest.raises((ValueError, TypeError, IndexError), match=named):
        build()


def test_a_result_holds_nothing_random_and_nothing_internal():
    for expr in (Z * A * Z.T, had(M, x) * had(M, x).T, sp.exp(-quad(x, A)) * x * x.T, tr(Z.T * P * Z * A) ** 2):
        mean = E(expr)
        assert not mean.atoms(GaussianVector, GaussianMatrix, MixtureMatrix, Mask, Labels, Expectation)
        assert "~" not in str(mean)


# --- controls ------------------------------------------------------------------------------------


def test_a_wrong_mean_is_refuted():
    expr = tr(Z.T * P * Z * A)
    assert holds(expr, E(expr))
    assert not holds(expr, E(expr) + tr(P))
    assert not holds(expr, E(expr).xreplace({p: 1 - p}))


@settings(max_examples=30)
@given(
    st.sampled_from([tr(Z.T * P * Z * A), quad(had(M, x), A) * dot(had(M, x), k) ** 2, Z.T * P * Z]),
    st.integers(0, 10**6),
)
def test_what_comes_out_is_the_mean_at_every_point(expr, seed):
    assert holds(expr, E(expr), sizes=((2, 2),), seed=seed)


def test_scalars_beside_matrices_share_their_law():
    a, b = gaussians("a b", covariance=[[2, 1], [1, 3]])
    both = E(a * b * sp.erf(a) * dot(had(M, x), x))
    assert matrices_agree(both, E(a * b * sp.erf(a)) * rho * tr(S), frozenset({S}))


def test_statements_about_matrices_keep_their_sides():
    statement = equal(Expectation(Z.T * Z), n * S)
    assert statement.lhs.shape == (d, d) and "Expectation" in statement.text()
