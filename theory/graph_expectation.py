"""Expectations of index graphs: masks, mixtures, labels and functions of tokens beside matrix words.

Five rules, one after the other, each on all graphs at once; equal graphs are merged after every step:

    tilting            the exponential of a quadratic form changes the law of its vectors (`theory.tilting`)
    Stein              E g_a f = m_a E f + Σ_b Σ_{ab} E ∂f/∂g_b   for every Gaussian letter, whatever stands beside it:
                       i.i.d. rows meet in one index, E X_{ia} X_{jb} = δ_{ij} Σ_{ab}
    labels             C_{ik} C_{il} = δ_{kl} C_{ik}, and E over independent rows
    masks              m² = m, and r_j = P(j different entries are observed)
    functions          the tokens inside functions are independent where their positions differ

Averages over positions are those of `coincidences`.

References: Stein (1981); Isserlis (1918).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import sympy as sp

from .coincidences import coincidences, equalities, is_tied, merged_weight, row_laws
from .counting import set_partitions
from .gaussian import NoClosedForm
from .graph_reading import GraphReader, Polynomial, collected, matrix_shape, read_graphs
from .graph_writing import graph_expr, graph_parts, parted
from .index_graph import (
    EQUAL,
    ONE,
    CovarianceOf,
    Factor,
    Function,
    Graph,
    Letters,
    MeanOf,
    PlacedAt,
    Vertex,
)
from .tilting import tilt, tilted_source, without_tilted
from .token_functions import at_components, at_positions, check_forms, placed_rows, rows_of, settled, slopes
from .variables import (
    GaussianMatrix,
    GaussianVector,
    Labels,
    Mask,
    MixtureMatrix,
    RandomRows,
    Row,
    Tokens,
)
from .words import Alphabet, covariances, exact, gathered

__all__ = ["GraphAverage", "graph_expectation"]

Draft = tuple[sp.Expr, list[Factor], list[Vertex]]
GAUSSIAN = (GaussianVector, GaussianMatrix, MixtureMatrix)


def graph_expectation(
    expr: sp.Expr,
    scalars: Callable[[sp.Expr], sp.Expr],
    symmetric: frozenset[sp.Expr] = frozenset(),
    conditions: list[sp.Basic] | None = None,
) -> sp.Expr:
    """The mean of a polynomial in random matrices, masks, labels and functions of tokens.

    Args:
        expr: a scalar or a matrix expression.
        scalars: the mean of a product of functions of vectors and tokens.
        symmetric: parameters known to be symmetric, beside the covariances.
        conditions: where the conditions met on the way are put.

    Raises:
        InfiniteExpectation: if the mean is decidably infinite.
        NoClosedForm: where no rule applies; the message names what stood in the way.

    >>> from .variables import GaussianVector
    >>> d = sp.Symbol("d", integer=True, positive=True)
    >>> rho, S = sp.Symbol("rho", positive=True), sp.MatrixSymbol("S", d, d)
    >>> z = sp.HadamardProduct(Mask("M", d, rho), GaussianVector("x", d, covariance=S))
    >>> graph_expectation(z*z.T, lambda factor: factor)
    rho**2*S + (rho*(1 - rho))*DiagonalMatrix(S)
    """
    expr = exact(expr)
    average = GraphAverage(Letters(frozenset(symmetric) | covariances(expr)), scalars)
    shape = matrix_shape(expr)
    terms = average.mean(read_graphs(expr, average.letters))
    if conditions is not None:
        conditions.extend(average.conditions)
    return average.written(terms, shape)


@dataclass
class GraphAverage:
    """One run of the rules over index graphs.

    Args:
        letters: the order of letters, and which are symmetric.
        scalars: the mean of a product of functions.
    """

    letters: Letters
    scalars: Callable[[sp.Expr], sp.Expr]
    conditions: list[sp.Basic] = field(default_factory=list)
    values: dict[sp.Expr, sp.Expr] = field(default_factory=dict)

    def mean(self, terms: Polynomial) -> Polynomial:
        """The mean of a polynomial, a polynomial in constants."""
        left = terms
        for _, left in self.stages(terms):  # noqa: B007  the last one counts
            pass
        return left

    def stages(self, terms: Polynomial) -> Iterator[tuple[str, Polynomial]]:
        """The rules in their order, each with what it leaves."""
        while any(_prompts(graph) for graph in terms):
            terms = self.each(terms, self.one_prompt)
            yield "total expectation", terms
        while any(_quadratic_exponents(graph) for graph in terms):
            terms = self.each(terms, self.one_exponential)
            yield "tilting", terms
        while (degree := max(map(_degree, terms), default=0)) > 0:
            terms = self.each(terms, self._stein_at(degree))
            yield "Stein" if any(_functions(graph) for graph in terms) else "Isserlis", terms
        while any(self.labels(graph) for graph in terms):
            terms = self.each(terms, self.one_family_of_labels)
            terms = self.each(terms, self.numbered)
            yield "multinomial moments", terms
        while any(_masks(graph) for graph in terms):
            terms = self.each(terms, self.one_mask)
            yield "mask algebra", terms
        while any(f.ends for graph in terms for f in _functions(graph)):
            terms = self.each(terms, self.one_range_of_tokens)
            yield "exchangeable sums", terms
        if any(_functions(graph) for graph in terms):
            terms = self.each(terms, self.closed)
            yield "scalar moments", terms

    def written(self, terms: Polynomial, shape: tuple[sp.Expr, sp.Expr] | None) -> sp.Expr:
        """A polynomial in constants as an expression, equal traces, forms and products together."""
        symmetric = self.letters.symmetric
        parts = ((c, *graph_parts(graph, shape, symmetric)) for graph, c in terms.items())
        return without_tilted(gathered(parts, Alphabet(symmetric), shape).expr(distribute=False))

    def line(
        self, terms: Polynomial, shape: tuple[sp.Expr, sp.Expr] | None, mean: Callable[[sp.Expr], sp.Expr]
    ) -> sp.Expr:
        """A polynomial with random letters as an expression, `mean` around what is random: a line of a derivation."""
        symmetric = self.letters.symmetric
        summands = []
        for graph, c in self.each(terms, self.numbered).items():
            constant, random = parted(graph, _is_random)
            where = [shape if any(v.opens for v in part.vertices) else None for part in (constant, random)]
            inside = graph_expr(random, where[1], symmetric) if random.factors else None
            outside = graph_expr(constant, where[0], symmetric)
            factors = [outside] if inside is None else [outside, mean(inside)]
            matrices = [f for f in factors if getattr(f, "is_Matrix", False)]
            scalars = sp.Mul(c, *(f for f in factors if f not in matrices))
            summands.append(sp.MatMul(scalars, *matrices).doit(deep=False) if matrices else scalars)
        if shape is None:
            return sp.Add(*summands)
        return sp.MatAdd(*summands).doit(deep=False) if summands else sp.ZeroMatrix(*shape)

    def each(self, terms: Polynomial, rule: Callable[[Graph], Iterable[Draft] | None]) -> Polynomial:
        """A rule applied to every graph, and equal graphs merged; None leaves a graph as it is."""
        parts: dict[Graph, list[sp.Expr]] = {}
        for graph, coefficient in terms.items():
            drafts = rule(graph)
            if drafts is None:
                parts.setdefault(graph, []).append(coefficient)
                continue
            for c, factors, vertices in drafts:
                for new, extra in collected([(c, tuple(factors))], vertices, self.letters).items():
                    parts.setdefault(new, []).append(coefficient * extra)
        sums = ((graph, sp.Add(*cs)) for graph, cs in parts.items())
        return {graph: total for graph, total in sums if total != 0}

    # --- tilting ---

    def one_exponential(self, graph: Graph) -> Iterator[Draft] | None:
        """Tokens in exponents that are quadratic are told apart, then one vector is tilted."""
        quadratic = _quadratic_exponents(graph)
        if not quadratic:
            return None
        exponentials = [f for f in _functions(graph) if isinstance(f.letter.expr, sp.exp)]
        matrices = {row.matrix for f in exponentials for row in rows_of(f)}
        if matrices:
            return self.told_apart(graph, min(matrices, key=sp.default_sort_key))
        return self.tilted(graph, exponentials)

    def tilted(self, graph: Graph, exponentials: list[Factor]) -> Iterator[Draft]:
        """E e^q g(x) = normalizer · E e^{q'} g(shift + x̃)."""
        exponent = sp.Add(*(f.letter.expr.args[0] for f in exponentials))
        source = tilted_source(exponent)
        assert source is not None
        step = tilt(exponent, source, self.letters.symmetric)
        self.conditions.extend(step.conditions)
        self.letters.symmetric |= frozenset({step.vector.covariance})
        reader = self._reader(graph)
        parts: list[list[tuple[sp.Expr, tuple[Factor, ...]]]] = [[(step.normalizer, ())]]
        if step.exponent != 0:
            parts.append(reader.scalar(sp.exp(step.exponent)))
        for f in graph.factors:
            if f in exponentials:
                continue
            if f.letter == source:
                parts.append(reader.column(step.shift + step.vector, f.ends[0]))
            elif isinstance(f.letter, Function):
                parts.append([(sp.Integer(1), (Factor(Function(step.moved(f.letter.expr)), f.ends),))])
            else:
                parts.append([(sp.Integer(1), (f,))])
        for c, factors in reader.products(parts):
            yield c, list(factors), reader.vertices

    def one_prompt(self, graph: Graph) -> Iterator[Draft] | None:
        """The rows of a prompt with groups are told apart, each block of equal positions in one group."""
        prompts = _prompts(graph)
        return self.told_apart(graph, min(prompts, key=sp.default_sort_key)) if prompts else None

    def told_apart(self, graph: Graph, matrix: RandomRows) -> Iterator[Draft]:
        """The rows of a matrix as independent vectors, one for each block of equal positions."""
        if isinstance(matrix, MixtureMatrix) and (
            not matrix.labels.shape[1].is_Integer or any(f.letter == matrix.labels for f in graph.factors)
        ):
            raise NoClosedForm(
                f"no rule for the exponential of a quadratic form of the rows of {matrix} beside its labels"
            )
        functions = [f for f in _functions(graph) if any(row.matrix == matrix for row in rows_of(f))]
        own = [f for f in graph.factors if f.letter == matrix]
        marks = {f.ends[0]: f.letter.group for f in graph.factors if _marks(f, matrix)}
        others = [f for f in graph.factors if f not in own and f not in functions and not _marks(f, matrix)]
        at_rows = [(f, k, row) for f in functions for k, row in placed_rows(f)]
        carriers = dict.fromkeys(f.ends[0] for f in own)
        carriers |= dict.fromkeys(f.ends[k] for f, k, row in at_rows if row.matrix == matrix)
        carriers |= dict.fromkeys(marks)
        busy = {v for f in others for v in f.ends}
        busy |= {f.ends[k] for f, k, row in at_rows if row.matrix != matrix}
        for number, joins, blocks, vertices in coincidences(list(carriers), busy, graph.vertices):
            places = [{marks[v] for v in block if v in marks} for block in blocks]
            for probability, kinds in row_laws(matrix, places):
                vectors: dict[int, GaussianVector] = {}
                for b, (block, (suffix, mean, cov)) in enumerate(zip(blocks, kinds, strict=True)):
                    vector = GaussianVector.made_from(matrix.name, f"{suffix}{b + 1}", matrix.shape[1], mean, cov)
                    vectors |= dict.fromkeys(block, vector)
                placed = [
                    settled(
                        f,
                        {
                            row: sp.Transpose(vectors[f.ends[k]])
                            for g, k, row in at_rows
                            if g == f and row.matrix == matrix
                        },
                    )
                    for f in functions
                ]
                letters = [Factor(vectors[f.ends[0]], f.ends[1:]) for f in own]
                mention = [Factor(ONE, (v,)) for v in carriers]
                yield number * probability, [*others, *placed, *letters, *joins, *mention], vertices

    # --- Stein ---

    def _stein_at(self, degree: int) -> Callable[[Graph], Iterator[Draft] | None]:
        """Stein's lemma on the graphs with so many Gaussian letters, the most there are, so that equal ones meet."""
        return lambda graph: self.stein(graph) if _degree(graph) == degree else None

    def stein(self, graph: Graph) -> Iterator[Draft]:
        """E g_a f = m_a E f + Σ_b Σ_{ab} E ∂f/∂g_b on the first Gaussian letter."""
        k = self._first_letter(graph)
        chosen, rest = graph.factors[k], [*graph.factors[:k], *graph.factors[k + 1 :]]
        *row, a = chosen.ends
        yield from self._mean_of(chosen, rest, graph)
        for m, other in enumerate(rest):
            if other.letter == chosen.letter:
                *row2, b = other.ends
                without = [*rest[:m], *rest[m + 1 :], *equalities(row, row2)]
                yield from self._covariance(chosen, a, b, without, graph)
            elif isinstance(other.letter, Function):
                for slope, direction, end in slopes(other, chosen.letter):
                    reader = self._reader(graph)
                    b = reader.vertex(direction.shape[0])
                    along = reader.column(direction, b)
                    without = [*rest[:m], *rest[m + 1 :], *equalities(row, end)]
                    without.append(settled(Factor(Function(slope), other.ends), {}))
                    for c, factors in along:
                        graph_along = Graph((), tuple(reader.vertices))
                        for c2, fs, vs in self._covariance(chosen, a, b, [*without, *factors], graph_along):
                            yield c * c2, fs, vs

    def _first_letter(self, graph: Graph) -> int:
        """A letter of the first source; of its letters the one with the fewest partners is as good as any."""
        return next(k for k, factor in enumerate(graph.factors) if isinstance(factor.letter, GAUSSIAN))

    def _reader(self, graph: Graph) -> GraphReader:
        """A reader that goes on with the vertices of a graph."""
        return GraphReader(self.letters, vertices=list(graph.vertices))

    def _mean_of(self, chosen: Factor, rest: list[Factor], graph: Graph) -> Iterator[Draft]:
        letter, (*row, a) = chosen
        reader = self._reader(graph)
        if isinstance(letter, MixtureMatrix):
            if isinstance(letter.means, sp.Tuple) and all(isinstance(mean, sp.ZeroMatrix) for mean in letter.means):
                return
            label = reader.vertex(letter.weights.shape[0])
            center = MeanOf(letter) if isinstance(letter.means, sp.Tuple) else letter.means
            yield (
                sp.Integer(1),
                [*rest, Factor(letter.labels, (*row, label)), Factor(center, (label, a))],
                reader.vertices,
            )
            return
        mean = letter.mean if isinstance(letter, GaussianVector) else letter.groups[0].mean
        for c, factors in reader.column(mean, a):
            yield c, [*rest, *(Factor(ONE, (v,)) for v in row), *factors], reader.vertices

    def _covariance(self, chosen: Factor, a: int, b: int, rest: list[Factor], graph: Graph) -> Iterator[Draft]:
        """Σ_{ab} for the law of the chosen letter."""
        letter, (*row, _) = chosen
        reader = self._reader(graph)
        rest = [*rest, *(Factor(ONE, (v,)) for v in row)]
        if isinstance(letter, GaussianVector):
            cov = letter.covariance
        elif isinstance(letter, GaussianMatrix):
            cov = letter.groups[0].covariance
        elif isinstance(letter.covariances, sp.Tuple) and len(letter.covariances) == 1:
            cov = letter.covariances[0]
        else:
            label = reader.vertex(letter.weights.shape[0])
            rest = [*rest, Factor(letter.labels, (*row, label))]
            if isinstance(letter.covariances, sp.Tuple):
                yield sp.Integer(1), [*rest, Factor(CovarianceOf(letter), (label, a, b))], reader.vertices
            else:  # a variance for each component
                rest = [*rest, Factor(letter.covariances, (label,)), Factor(EQUAL, (a, b))]
                yield sp.Integer(1), rest, reader.vertices
            return
        for c, factors in reader.matrix(cov, a, b):
            yield c, [*rest, *factors], reader.vertices

    # --- labels ---

    def labels(self, graph: Graph) -> list[Labels]:
        """The families of labels in a graph, those of mixtures inside functions among them."""
        found = {f.letter for f in graph.factors if isinstance(f.letter, Labels)}
        for function in _functions(graph):
            found |= {row.matrix.labels for row in rows_of(function) if isinstance(row.matrix, MixtureMatrix)}
        return sorted(sorted(found, key=sp.default_sort_key), key=self.letters.rank)

    def one_family_of_labels(self, graph: Graph) -> Iterator[Draft] | None:
        """The mean over one family of one-hot labels: each block of equal rows has one component."""
        families = self.labels(graph)
        return self._over_labels(graph, families[0]) if families else None

    def _over_labels(self, graph: Graph, family: Labels) -> Iterator[Draft]:
        def is_of(row: Row) -> bool:
            return isinstance(row.matrix, MixtureMatrix) and row.matrix.labels == family

        at_row: dict[int, int] = {f.ends[0]: f.ends[1] for f in graph.factors if f.letter == family}
        functions = [f for f in _functions(graph) if any(map(is_of, rows_of(f)))]
        carried: dict[int, list[Factor]] = {}
        for f in functions:
            for v in dict.fromkeys(f.ends[k] for k, row in placed_rows(f) if is_of(row)):
                carried.setdefault(v, []).append(f)
        carriers = list(dict.fromkeys([*at_row, *carried]))
        others = [f for f in graph.factors if f.letter != family and f not in functions]
        busy = {v for f in others for v in f.ends}
        busy |= {f.ends[k] for f in functions for k, row in placed_rows(f) if not is_of(row)}
        for number, joins, blocks, vertices in coincidences(carriers, busy, graph.vertices):
            drafts: list[tuple[sp.Expr, list[Factor], dict[int, tuple[int, int]]]] = [(number, [*others, *joins], {})]
            for b, block in enumerate(blocks):
                labels = [at_row[v] for v in block if v in at_row]
                same = equalities(labels[:-1], labels[1:])
                if not any(v in carried for v in block):
                    weight = Factor(family.weights, (labels[0],))
                    drafts = [(c, [*fs, *same, weight], where) for c, fs, where in drafts]
                    continue
                if not family.shape[1].is_Integer:
                    shown = functions[0].letter.expr
                    raise NoClosedForm(
                        f"no rule for a function of the tokens of a mixture with {family.shape[1]} components, "
                        f"{shown}; give the components as a list"
                    )
                weights = [family.weights[k, 0] for k in range(int(family.shape[1]))]
                drafts = [
                    (c * w, [*fs, *same, *_pinned(labels, k, vertices)], {**where, **dict.fromkeys(block, (b, k))})
                    for c, fs, where in drafts
                    for k, w in enumerate(weights)
                ]
            for c, fs, where in drafts:
                placed = [at_components(f, where, is_of) for f in functions]
                yield c, [*fs, *placed], vertices

    def numbered(self, graph: Graph) -> Iterator[Draft] | None:
        """Sums over a known number of components written out; weights that stand alone sum to one."""
        alone = [
            k
            for k, f in enumerate(graph.factors)
            if self._is_weight(f, graph) and all(f.ends[0] not in g.ends for m, g in enumerate(graph.factors) if m != k)
        ]
        if alone:
            kept = [f for k, f in enumerate(graph.factors) if k not in alone]
            summed = {graph.factors[k].ends[0] for k in alone}
            vertices = [Vertex(sp.Integer(1)) if v in summed else w for v, w in enumerate(graph.vertices)]
            return self._numbered_or_done(kept, vertices)
        return self._numbered_or_done(list(graph.factors), list(graph.vertices), changed=False)

    def _is_weight(self, factor: Factor, graph: Graph) -> bool:
        if len(factor.ends) != 1 or isinstance(factor.letter, (Function, GaussianVector, Mask)):
            return False
        vertex = graph.vertices[factor.ends[0]]
        return factor.letter in self._probabilities and vertex.pin is None and not vertex.opens

    @property
    def _probabilities(self) -> set[sp.Expr]:
        """The weights of all families met."""
        return {letter.weights for letter in self.letters.ranks if isinstance(letter, Labels)}

    def _numbered_or_done(
        self, factors: list[Factor], vertices: list[Vertex], changed: bool = True
    ) -> Iterator[Draft] | None:
        stacked = (MeanOf, CovarianceOf)
        labels = list(dict.fromkeys(f.ends[0] for f in factors if isinstance(f.letter, stacked)))
        if not labels:
            return iter([(sp.Integer(1), factors, vertices)]) if changed else None
        return self._written_out(factors, vertices, labels)

    def _written_out(self, factors: list[Factor], vertices: list[Vertex], labels: list[int]) -> Iterator[Draft]:
        v = labels[0]
        pin = vertices[v].pin
        numbers = range(int(vertices[v].size)) if pin is None else [int(pin)]
        for k in numbers:
            pinned = list(vertices)
            pinned[v] = vertices[v]._replace(pin=sp.Integer(k))
            reader = GraphReader(self.letters, vertices=pinned)
            drafts: list[tuple[sp.Expr, tuple[Factor, ...]]] = [(sp.Integer(1), ())]
            for f in factors:
                if isinstance(f.letter, MeanOf) and f.ends[0] == v:
                    read = reader.column(f.letter.mixture.means[k], f.ends[1])
                elif isinstance(f.letter, CovarianceOf) and f.ends[0] == v:
                    read = reader.matrix(f.letter.mixture.component(k)[1], f.ends[1], f.ends[2])
                elif isinstance(f.letter, sp.MatrixBase) and f.ends == (v,):
                    read = [(f.letter[k, 0], ())]
                else:
                    read = [(sp.Integer(1), (f,))]
                drafts = reader.products([drafts, read])
            for c, fs in drafts:
                mention = Factor(ONE, (v,))
                again = self._numbered_or_done([*fs, mention], reader.vertices)
                assert again is not None
                for c2, fs2, vs2 in again:
                    yield c * c2, fs2, vs2

    # --- masks ---

    def one_mask(self, graph: Graph) -> Iterator[Draft] | None:
        """The mean over one mask: first its rows are told apart, then the entries of one row."""
        masks = _masks(graph)
        if not masks:
            return None
        mask = min(masks, key=self.letters.rank)
        return self._over_entries(graph, mask) if mask.is_vector else self._over_rows(graph, mask)

    def _over_entries(self, graph: Graph, mask: Mask) -> Iterator[Draft]:
        carriers = [f.ends[0] for f in graph.factors if f.letter == mask]
        others = [f for f in graph.factors if f.letter != mask]
        busy = {v for f in others for v in f.ends}
        if all(is_tied(v, busy, graph.vertices) for v in carriers):
            yield from self._over_tied_entries(graph, mask, carriers, others)
            return
        for number, joins, blocks, vertices in coincidences(carriers, busy, graph.vertices):
            yield number * self._moment(mask, len(blocks)), [*others, *joins], vertices

    def _over_tied_entries(
        self, graph: Graph, mask: Mask, carriers: list[int], others: list[Factor]
    ) -> Iterator[Draft]:
        """The same where no index is free: one term for each way in which some are equal."""
        for blocks in set_partitions(carriers):
            weight = merged_weight(tuple(sorted(map(len, blocks))))
            coefficient = sp.Add(*(c * self._moment(mask, j) for j, c in weight))
            if (coefficient := sp.expand(coefficient)) != 0:
                joins = [equality for block in blocks for equality in equalities(block[:-1], block[1:])]
                mention = [Factor(ONE, (v,)) for v in carriers]
                yield coefficient, [*others, *joins, *mention], list(graph.vertices)

    def _moment(self, mask: Mask, j: int) -> sp.Expr:
        """r_j, with the condition that a row has j different entries where the law divides by it."""
        size = mask.args[1]
        if mask.law[0] == "size" and j > 1 and not size.is_number:
            self.conditions.append(sp.Ge(size, j))
        return mask.moment(j)

    def _over_rows(self, graph: Graph, mask: Mask) -> Iterator[Draft]:
        inside = [f for f in graph.factors if f.letter == mask]
        others = [f for f in graph.factors if f.letter != mask]
        carriers = list(dict.fromkeys(f.ends[0] for f in inside))
        busy = {v for f in others for v in f.ends}
        for number, joins, blocks, vertices in coincidences(carriers, busy, graph.vertices):
            row = {v: b for b, block in enumerate(blocks) for v in block}
            own = [Factor(mask.single_row(row[f.ends[0]]), f.ends[1:]) for f in inside]
            yield number, [*others, *own, *joins], vertices

    # --- functions ---

    def one_range_of_tokens(self, graph: Graph) -> Iterator[Draft] | None:
        """Tokens inside functions at positions that differ are independent."""
        functions = [f for f in _functions(graph) if f.ends]
        if not functions:
            return None
        size = graph.vertices[functions[0].ends[0]].size
        return self._over_tokens(graph, size)

    def _over_tokens(self, graph: Graph, size: sp.Expr) -> Iterator[Draft]:
        functions = [f for f in _functions(graph) if any(graph.vertices[v].size == size for v in f.ends)]
        carriers = list(dict.fromkeys(v for f in functions for v in f.ends if graph.vertices[v].size == size))
        others = [f for f in graph.factors if f not in functions]
        busy = {v for f in others for v in f.ends}
        for number, joins, blocks, vertices in coincidences(carriers, busy, graph.vertices):
            position: dict[int, sp.Expr] = {}
            for b, block in enumerate(blocks):
                pins = [graph.vertices[v].pin for v in block if graph.vertices[v].pin is not None]
                named = pins[0] if pins else sp.Symbol(f"l_{b + 1}", integer=True)
                position |= dict.fromkeys(block, named)
            placed = [at_positions(f, position) for f in functions]
            yield number, [*others, *placed, *joins], vertices

    def closed(self, graph: Graph) -> Iterator[Draft] | None:
        """What is left of the functions has a mean that does not depend on any index."""
        functions = _functions(graph)
        if not functions:
            return None
        factor = sp.Mul(*(f.letter.expr for f in functions))
        if factor not in self.values:
            check_forms(factor)
            self.values[factor] = self.scalars(factor)
        rest = [f for f in graph.factors if not isinstance(f.letter, Function)]
        return iter([(self.values[factor], rest, list(graph.vertices))])


# --- what stands in a graph ---------------------------------------------------------------------


def _degree(graph: Graph) -> int:
    return sum(isinstance(factor.letter, GAUSSIAN) for factor in graph.factors)


def _is_random(factor: Factor) -> bool:
    return isinstance(factor.letter, (GaussianVector, RandomRows, Function))


def _functions(graph: Graph) -> list[Factor]:
    return [factor for factor in graph.factors if isinstance(factor.letter, Function)]


def _prompts(graph: Graph) -> set[Tokens]:
    """The prompts whose tokens have several laws."""
    inside = (row.matrix for f in _functions(graph) for row in rows_of(f))
    return {m for m in (*(f.letter for f in graph.factors), *inside) if isinstance(m, Tokens)}


def _marks(factor: Factor, matrix: RandomRows) -> bool:
    return isinstance(factor.letter, PlacedAt) and factor.letter.tokens == matrix


def _masks(graph: Graph) -> set[Mask]:
    return {factor.letter for factor in graph.factors if isinstance(factor.letter, Mask)}


def _pinned(labels: list[int], k: int, vertices: list[Vertex]) -> list[Factor]:
    """That the labels of a block are the component k."""
    if not labels:
        return []
    vertices.append(Vertex(vertices[labels[0]].size, pin=sp.Integer(k)))
    return [Factor(EQUAL, (labels[0], len(vertices) - 1))]


def _quadratic_exponents(graph: Graph) -> list[Factor]:
    """The exponentials whose exponent is quadratic in some vector or token."""
    exponentials = (f for f in _functions(graph) if isinstance(f.letter.expr, sp.exp))
    return [f for f in exponentials if tilted_source(f.letter.expr.args[0]) is not None]
