"""Derivations: the chain of named rules from an expectation to its closed form.

A derivation runs the same rules as `E`, all moments at once, and keeps every line. A line is an
ordinary expression: it may hold `Expectation` nodes, so each equality between two lines can be
checked on its own. Variables whose law was tilted or conditioned on the way are new Gaussian
scalars, written with a tilde; `where` lists their laws.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from .expectation import (
    Evaluation,
    Expectation,
    as_scalar,
    check_finite_numbers,
    check_one_law_a_name,
    check_shapes,
    is_of_matrices,
    is_of_vectors,
    moments_of,
    reads_as_words,
    representative_terms,
    size_conditions,
    steepest_delta,
)
from .gaussian import Base, JointLaw, Moment, NoClosedForm, Rewriting, rewrite
from .graph_expectation import GraphAverage
from .graph_reading import matrix_shape, read_graphs
from .index_graph import Letters
from .latex import chain, to_latex
from .reading import Monomial
from .tilting import without_tilted
from .variables import GaussianScalar, GaussianVector, gaussians
from .wick import isserlis_steps, word_polynomial
from .words import WordPolynomial, covariances, exact, matrix_of_words, opened

__all__ = ["Derivation", "Step", "derive"]

SHOWN_LINES = 40
SHOWN_TERMS = 60  # of one line


def _shortened(line: sp.Expr) -> sp.Expr:
    """A line of very many terms as its first and last ones, with the number of those left out between them."""
    terms = line.args
    if not isinstance(line, (sp.Add, sp.MatAdd)) or len(terms) <= SHOWN_TERMS:
        return line
    kept = SHOWN_TERMS // 10
    first, last = terms[:kept], terms[-kept:]
    name = f"… {len(terms) - 2 * kept:,} more terms …"
    if isinstance(line, sp.MatAdd):
        return sp.MatAdd(*first, sp.MatrixSymbol(name, *line.shape), *last, evaluate=False)
    return sp.Add(*first, sp.Symbol(name), *last, evaluate=False)


@dataclass(frozen=True)
class Step:
    """One equality of a derivation: before = after, by the rule named."""

    rule: str
    before: sp.Expr
    after: sp.Expr


@dataclass(frozen=True)
class Derivation:
    """The steps from an expectation to its value.

    Args:
        start: the expectation asked for.
        steps: the equalities, each with its rule.
        result: the closed form.
        conditions: what has to hold for the steps: finite means, positive variances.
        where: the variables with a tilde that appear on the way, each with its mean and variance.
    """

    start: sp.Expr
    steps: tuple[Step, ...]
    result: sp.Expr
    conditions: tuple[sp.Basic, ...] = ()
    where: tuple[GaussianScalar | GaussianVector, ...] = ()

    def rules(self) -> tuple[str, ...]:
        """The names of the rules in the order in which they were first used."""
        return tuple(dict.fromkeys(step.rule for step in self.steps))

    def __str__(self) -> str:
        width = max((len(step.rule) for step in self.steps), default=0)
        lines = [f"{'':{width}}   {self.start}"]
        lines += [f"{step.rule:>{width}} = {_shortened(step.after)}" for step in self.steps]
        if len(lines) > SHOWN_LINES:
            kept = SHOWN_LINES // 2
            lines = [*lines[:kept], f"… {len(lines) - 2 * kept} more lines …", *lines[-kept:]]
        for a in self.where:
            mean, variance = _law_of(a)
            lines.append(f"where {a} ~ N({mean}, {variance})")
        if self.conditions:
            lines.append("provided " + ", ".join(map(str, self.conditions)))
        return "\n".join(lines)

    def latex(self) -> str:
        """An aligned LaTeX block, the reasons in the margin."""
        lines = [(_shortened(step.after), step.rule) for step in self.steps]
        if len(lines) > SHOWN_LINES:
            kept = SHOWN_LINES // 2
            left_out = sp.Symbol(f"… {len(lines) - 2 * kept} more lines …")
            lines = [*lines[:kept], (left_out, ""), *lines[-kept:]]
        block = chain(self.start, lines)
        notes = [rf"{to_latex(a)} \sim {_law_latex(a)}" for a in self.where]
        notes += [to_latex(condition) for condition in self.conditions]
        if not notes:
            return block
        body = block.removesuffix("\n\\end{aligned}")
        return body + " \\\\\n" + " \\\\\n".join(rf"&\qquad {note}" for note in notes) + "\n\\end{aligned}"

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {self.latex()}$"


def derive(expr: Any, *, known: Mapping[sp.Expr, sp.Expr] | None = None) -> Derivation:
    """Derive an expectation step by step.

    Args:
        expr: a scalar random expression, as for `E`.
        known: names for scalar products of parameters, such as {dot(k, k_star): kappa}.

    Returns:
        The derivation; its result equals E(expr).

    Raises:
        InfiniteExpectation, NoClosedForm: as `E` does.

    >>> lam, s, r, t = sp.symbols("lam s r t", positive=True)
    >>> a, b = gaussians("a b", covariance=[[s, r], [r, t]])
    >>> derivation = derive(sp.erf(lam*a)*b)
    >>> derivation.rules()
    ('Stein', 'tilting')
    >>> derivation.result
    2*lam*r/(sqrt(pi)*sqrt(2*lam**2*s + 1))
    """
    if is_of_matrices(expr) or is_of_vectors(expr):
        return _derive_matrices(expr, dict(known or {}))
    try:
        return _derive_scalar(expr, known)
    except NoClosedForm as refusal:
        if not isinstance(expr, sp.Basic):
            raise
        try:  # index graphs know more of tokens
            return _derive_matrices(expr, dict(known or {}))
        except NoClosedForm:
            raise refusal from None


def _derive_scalar(expr: Any, known: Mapping[sp.Expr, sp.Expr] | None) -> Derivation:
    return _Writer(known=dict(known or {})).derivation(as_scalar(expr))


def _derive_matrices(expr: sp.Expr, known: dict[sp.Expr, sp.Expr]) -> Derivation:
    """The rules on words or on index graphs, a line for each step of all products at once."""
    if isinstance(expr, sp.MatrixBase):
        raise NoClosedForm(f"expected an expression in matrices, got a matrix of entries; derive each entry: {expr}")
    check_finite_numbers(expr)
    check_one_law_a_name(expr)
    check_shapes(expr)
    evaluation = Evaluation(known=known)
    conditions = size_conditions(expr)
    lines: list[tuple[str, sp.Expr]]
    if reads_as_words(expr):
        lines = _lines_of_words(word_polynomial(expr), evaluation)
    else:
        expr = exact(expr)
        average = GraphAverage(Letters(covariances(expr)), evaluation.value_of_scalar)
        lines = _lines_of_graphs(expr, average)
        conditions += average.conditions
    start = before = Expectation(expr)
    steps = []
    for rule, line in lines:
        line = without_tilted(line).xreplace(known)
        if line != before:
            steps.append(Step(rule, before, line))
            before = line
    conditions += evaluation.conditions
    return Derivation(start, tuple(steps), before, tuple(dict.fromkeys(conditions)), made_vectors(steps))


def _lines_of_words(polynomial: WordPolynomial, evaluation: Evaluation) -> list[tuple[str, sp.Expr]]:
    return [
        ("Isserlis", _line_of_words(state, polynomial))
        for state in isserlis_steps(polynomial, evaluation.value_of_scalar)
    ]


def _line_of_words(
    state: Mapping[tuple[tuple[str, ...], tuple[str, ...]], sp.Expr], polynomial: WordPolynomial
) -> sp.Expr:
    """Products of constant words times the means of random ones."""
    alphabet, shape, marker = polynomial.alphabet, polynomial.shape, polynomial.marker
    if not any(random for _, random in state):
        terms = {constant: c for (constant, _), c in state.items()}
        return WordPolynomial(terms, alphabet, shape, marker).expr()
    summands = []
    for (constant, random), c in state.items():
        factors = [c]
        for words, wrap in ((constant, False), (random, True)):
            if not words:
                continue
            holds = shape is not None and any(marker in word or alphabet.transposed(marker) in word for word in words)
            if holds and shape is not None:
                word, others = opened(words, marker, alphabet)
                body = matrix_of_words({(others, word): sp.Integer(1)}, shape, alphabet)
            else:
                body = WordPolynomial({words: sp.Integer(1)}, alphabet).expr()
            factors.append(Expectation(body) if wrap else body)
        matrices = [f for f in factors if getattr(f, "is_Matrix", False)]
        scalars = sp.Mul(*(f for f in factors if not getattr(f, "is_Matrix", False)))
        summands.append(sp.MatMul(scalars, *matrices).doit(deep=False) if matrices else scalars)
    if shape is None:
        return sp.Add(*summands)
    return sp.MatAdd(*summands).doit(deep=False) if summands else sp.ZeroMatrix(*shape)


def _lines_of_graphs(expr: sp.Expr, average: GraphAverage) -> list[tuple[str, sp.Expr]]:
    shape = matrix_shape(expr)
    lines: list[tuple[str, sp.Expr]] = []
    left = read_graphs(expr, average.letters)
    rule = "linearity"
    for rule, left in average.stages(left):  # noqa: B020  each stage goes on from the one before
        lines.append((rule, average.line(left, shape, Expectation)))
    lines[-1:] = [(rule, average.written(left, shape))]
    return lines


State = dict[tuple[Base, tuple[Moment, ...]], sp.Expr]


@dataclass
class _Writer:
    known: Mapping[sp.Expr, sp.Expr]
    rewritings: dict[Moment, Rewriting] = field(default_factory=dict)
    names: dict[JointLaw, tuple[sp.Expr, ...]] = field(default_factory=dict)
    conditions: list[sp.Basic] = field(default_factory=list)
    tilded: list[GaussianScalar] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def derivation(self, scalar: sp.Expr) -> Derivation:
        """Reading, then rule after rule until no moment is left."""
        start = Expectation(scalar)
        line: sp.Expr = start
        counted = representative_terms(scalar)
        line = self.note("exchangeable sums", line, sp.Add(*(n * Expectation(body) for n, body in counted)))
        self.conditions.extend(size_conditions(scalar))
        evaluation = Evaluation(known=self.known)
        state = self.opened(evaluation.weighted_monomials(scalar))
        self.conditions.extend(evaluation.conditions)
        line = self.note("tilting" if evaluation.has_tilted else "linearity", line, self.line(state))
        while any(moments for _, moments in state):
            rule = self.next_rule(state)
            while any(self.rewriting(m).rule == rule for _, moments in state for m in moments):
                state = self.applied(state, rule)
            line = self.note(rule, line, self.line(state))
        conditions = tuple(dict.fromkeys(self.conditions))
        return Derivation(start, tuple(self.steps), line, conditions, (*made_vectors(self.steps), *self.tilded))

    def note(self, rule: str, before: sp.Expr, after: sp.Expr) -> sp.Expr:
        """Record a line, unless it reads as the one before."""
        if after != before:
            self.steps.append(Step(rule, before, after))
        return after

    def opened(self, monomials: Iterable[tuple[sp.Expr, Monomial]]) -> State:
        """The monomials as moments."""
        state: State = {}
        for count, monomial in monomials:
            if monomial == Monomial() or steepest_delta(monomial) is not None:
                for base, coefficient in Evaluation(known=self.known).monomial_value(monomial).items():
                    _add(state, (base, ()), count * coefficient)
                continue
            for coefficient, moment in moments_of(monomial, self.known):
                _add(state, (Base(), (moment,)), count * coefficient)
        return self.applied(state, "linearity")

    def next_rule(self, state: State) -> str:
        """The rule to show next: whatever simplifies first."""
        present = {self.rewriting(m).rule for _, moments in state for m in moments}
        return min(present, key=lambda rule: ORDER.index(rule) if rule in ORDER else len(ORDER))

    def rewriting(self, moment: Moment) -> Rewriting:
        """What the rules make of a moment, once."""
        if moment not in self.rewritings:
            self.rewritings[moment] = rewrite(moment)
            self.conditions.extend(self.rewritings[moment].conditions)
        return self.rewritings[moment]

    def applied(self, state: State, rule: str) -> State:
        """The state with one rule applied wherever it applies, and constants taken out."""
        result: State = {}
        for (base, moments), coefficient in state.items():
            for new, c in self.expanded(base, moments, rule):
                _add(result, new, coefficient * c)
        return {key: c for key, c in result.items() if c != 0}

    def expanded(
        self, base: Base, moments: tuple[Moment, ...], rule: str
    ) -> Iterable[tuple[tuple[Base, tuple[Moment, ...]], sp.Expr]]:
        """The terms that one product of moments becomes."""
        products: list[tuple[Base, tuple[Moment, ...], sp.Expr]] = [(base, (), sp.Integer(1))]
        for moment in moments:
            rewriting = self.rewriting(moment)
            if rewriting.rule not in (rule, "linearity"):
                products = [(b, (*m, moment), c) for b, m, c in products]
                continue
            products = [
                (b * new_base, m + new_moments, c * coefficient)
                for b, m, c in products
                for coefficient, new_base, new_moments in rewriting.terms
            ]
        silent = any(self.rewriting(m).rule == "linearity" for _, new, _ in products for m in new)
        for b, m, c in products:
            ordered = tuple(sorted(m, key=lambda moment: sp.default_sort_key(moment.integrand())))
            if silent:
                for key, extra in self.expanded(b, ordered, "linearity"):
                    yield key, c * extra
            else:
                yield (b, ordered), c

    def line(self, state: State) -> sp.Expr:
        """The state as an expression with Expectation nodes."""
        terms = []
        for (base, moments), coefficient in state.items():
            nodes = (Expectation(moment.integrand().xreplace(self.renaming(moment.law))) for moment in moments)
            terms.append(coefficient * base.expr() * sp.Mul(*nodes))
        return without_tilted(sp.Add(*terms)).xreplace(dict(self.known))

    def renaming(self, law: JointLaw) -> dict[sp.Expr, sp.Expr]:
        """New variables for a law that is not the one its variables carry."""
        if all(_carries(v, law, i) for i, v in enumerate(law.variables)):
            return {}
        if law not in self.names:
            number = len(self.names) + 1
            names = [f"{_letter(v, i)}_tilde_{number}" for i, v in enumerate(law.variables)]
            self.names[law] = gaussians(
                " ".join(names), mean=law.mean, covariance=[list(row) for row in law.covariance]
            )
            self.tilded.extend(self.names[law])
        return dict(zip(law.variables, self.names[law], strict=True))


ORDER = (
    "linearity",
    "parity",
    "independence",
    "tilting",
    "conditioning",
    "product to sum",
    "Stein",
    "characteristic function",
    "erf moment",
    "one-dimensional reduction",
)


def _add(state: State, key: tuple[Base, tuple[Moment, ...]], coefficient: sp.Expr) -> None:
    state[key] = state.get(key, sp.Integer(0)) + coefficient


def _carries(variable: sp.Expr, law: JointLaw, i: int) -> bool:
    """Whether a displayed variable has, by itself, the law it is used under."""
    if law.positive != 1:
        return False
    if isinstance(variable, GaussianScalar):
        family = variable.family
        return family.mean[variable.index] == law.mean[i] and all(
            family.covariance[variable.index, other.index] == law.covariance[i][j]
            for j, other in enumerate(law.variables)
            if isinstance(other, GaussianScalar) and other.family == family
        )
    return True


def made_vectors(steps: Iterable[Step]) -> tuple[GaussianVector, ...]:
    """The vectors that rules have made on the way, a tilted one or one row of a prompt, by name."""
    found = {v for step in steps for v in step.after.atoms(GaussianVector) if "~" in v.name}
    return tuple(sorted(found, key=lambda v: v.name))


def _law_of(a: GaussianScalar | GaussianVector) -> tuple[sp.Expr, sp.Expr]:
    """Mean and variance, as one fraction each; mean and covariance of a vector."""
    if isinstance(a, GaussianVector):
        return without_tilted(a.mean), without_tilted(a.covariance)
    return sp.together(a.family.mean[a.index]), sp.together(a.family.covariance[a.index, a.index])


def _law_latex(a: GaussianScalar | GaussianVector) -> str:
    mean, variance = _law_of(a)
    return rf"\mathcal{{N}}\left({to_latex(mean)}, {to_latex(variance)}\right)"


def _letter(variable: sp.Expr, i: int) -> str:
    return variable.name if isinstance(variable, GaussianScalar) else f"g{i + 1}"
