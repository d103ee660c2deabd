"""Green must mean something: a bug planted in any rule of the engine turns claims red.

Each mutant below changes one rule of the kernel, the way a slip of the pen would. Then the claims of the two
studies are asked again, and a claim counts as having caught the mutant only if evidence that does not share
the rule refutes what the engine now says:

    quadrature    the integral written out, enclosed before the bug was planted
    typed         a formula typed by hand, or the same mean written out over explicit tokens or coordinates
    draws         samples of the expression, or of the model in full dimension

`pytest -s tests/test_rules_are_guarded.py -k table` prints the table rule × claims.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from zlib import crc32

import numpy as np
import pytest
import sympy as sp
from flint import arb

from numerics import ball
from proofs_check import Context, MonteCarloAgreement, studies
from proofs_check.report import judge
from proofs_check.strategies import draw_examples
from proofs_check.verdict import strongest
from theory import Identity, counting, expectation, gaussian, reading
from theory.statement import evaluate_expectations

rules = importlib.import_module("proofs_check.studies.expectation_rules")
single_location = importlib.import_module("proofs_check.studies.single_location")

ONE, ZERO = sp.Integer(1), sp.Integer(0)
DIGITS = 15
UNABLE = (NotImplementedError, ValueError, ArithmeticError, TypeError)

CACHES = (
    gaussian.rational,
    gaussian.positive_root,
    reading.is_random,
    rules.product_of_four,
    single_location.general_risk,
    single_location.risk,
    single_location.reduced_risk,
    single_location.second_moment,
)


# --- bugs ------------------------------------------------------------------------------------


Rule = Callable[[gaussian.Moment], "gaussian.Rewriting | None"]


@dataclass(frozen=True)
class Mutant:
    """A bug in a rule: where it is, what it is, and how to plant it."""

    rule: str
    bug: str
    plant: Callable[[pytest.MonkeyPatch], None]

    @property
    def name(self) -> str:
        """A name for reports."""
        return f"{self.rule}: {self.bug}"


def in_rule(rule: str, bug: str, change: Callable[[Rule], Rule]) -> Mutant:
    """A mutant of one of the rules that `gaussian.RULES` lists."""
    original = next(r for r in gaussian.RULES if r.__name__ == rule)

    def plant(patch: pytest.MonkeyPatch) -> None:
        mutated = change(original)
        patch.setattr(gaussian, "RULES", tuple(mutated if r is original else r for r in gaussian.RULES))

    return Mutant(rule.replace("_", " "), bug, plant)


def in_name(rule: str, bug: str, module, name: str, change: Callable) -> Mutant:
    """A mutant of a function that a module looks up by name."""
    original = getattr(module, name)
    return Mutant(rule, bug, lambda patch: patch.setattr(module, name, change(original)))


def each_term(edit: Callable) -> Callable[[Rule], Rule]:
    """A rule whose terms are edited: edit(moment, coefficient, base, factors) gives the new term, or None."""

    def change(rule: Rule) -> Rule:
        def mutated(moment):
            rewriting = rule(moment)
            if rewriting is None:
                return None
            terms = (edit(moment, *term) for term in rewriting.terms)
            return replace(rewriting, terms=tuple(term for term in terms if term is not None))

        return mutated

    return change


def each_base(**changes) -> Callable[[Rule], Rule]:
    """A rule whose transcendental factors are changed."""

    def edit(moment, coefficient, base, factors):
        return coefficient, replace(base, **{name: f(getattr(base, name)) for name, f in changes.items()}), factors

    return each_term(edit)


def each_law(edit: Callable) -> Callable[[Rule], Rule]:
    """A rule after which the law is edited: edit(before, after) gives the new law."""
    return each_term(
        lambda moment, coefficient, base, factors: (
            coefficient,
            base,
            tuple(replace(factor, law=edit(moment.law, factor.law)) for factor in factors),
        )
    )


def under_another_law(edit: Callable) -> Callable[[Rule], Rule]:
    """A rule that looks at another law, and leaves the true one to what comes after it."""

    def change(rule: Rule) -> Rule:
        def mutated(moment):
            rewriting = rule(replace(moment, law=edit(moment.law)))
            if rewriting is None:
                return None
            return replace(
                rewriting,
                terms=tuple(
                    (c, base, tuple(replace(factor, law=moment.law) for factor in factors))
                    for c, base, factors in rewriting.terms
                ),
            )

        return mutated

    return change


def diagonal(law, entry=None):
    """The law with its covariances set to zero, and its variances to `entry`."""
    n = len(law.mean)
    rows = ([(entry or law.covariance[i][i]) if i == j else ZERO for j in range(n)] for i in range(n))
    return replace(law, covariance=tuple(map(tuple, rows)))


def centred(law):
    """The law with mean zero."""
    return replace(law, mean=(ZERO,) * len(law.mean))


def reflected(before, after):
    """The mean moved the other way."""
    return replace(after, mean=tuple(sp.expand(2 * m - n) for m, n in zip(before.mean, after.mean, strict=True)))


def without_gate_terms(moment, coefficient, base, factors):
    differentiated = any(len(factor.slopes) > len(moment.slopes) for factor in factors)
    return None if differentiated else (coefficient, base, factors)


def with_wave_slopes_turned(moment, coefficient, base, factors):
    turned = any(factor.waves != moment.waves for factor in factors)
    return (-coefficient if turned else coefficient), base, factors


def without_the_power(moment, coefficient, base, factors):
    """∂xⁿ = xⁿ⁻¹ in place of nxⁿ⁻¹: the powers of a variable left over when x_i is taken out."""
    (factor,) = factors
    lowered = sum(moment.powers) - sum(factor.powers) == 2
    if lowered:
        dropped = [p for p, q in zip(moment.powers, factor.powers, strict=True) if p - q == 2]
        coefficient = coefficient / (dropped[0] - 1) if dropped else coefficient
    return coefficient, base, factors


def odd_ones_of_two(rule: Rule) -> Rule:
    """Parity that forgets the gates when it counts."""

    def mutated(moment):
        odd = (sum(moment.powers) + sum(wave.odd for wave in moment.waves)) % 2
        if odd and all(m == 0 for m in moment.law.mean) and all(f.shift == 0 for f in moment.forms()):
            return gaussian.Rewriting("parity", ())
        return rule(moment)

    return mutated


def with_blocks_of_another_law(rule: Rule) -> Rule:
    """Independence of whatever is not tied by a function, correlated or not."""
    return lambda moment: rule(replace(moment, law=diagonal(moment.law)))


def with_variance_for_deviation(rule: Rule) -> Rule:
    def mutated(moment):
        root, gaussian.positive_root = gaussian.positive_root, lambda value, positive: value
        try:
            return rule(moment)
        finally:
            gaussian.positive_root = root

    return mutated


def second_term_turned(rule: Rule) -> Rule:
    def mutated(moment):
        rewriting = rule(moment)
        if rewriting is None:
            return None
        (first, (c, base, factors)) = rewriting.terms
        return replace(rewriting, terms=(first, (-c, base, factors)))

    return mutated


def closed(change: Callable[[sp.Expr, sp.Expr], tuple]) -> Callable:
    """A closed moment whose (coefficient, function) is changed."""
    return each_term(
        lambda moment, coefficient, base, factors: (
            (pair := change(coefficient, base.function))[0],
            replace(base, function=pair[1]),
            factors,
        )
    )


def never_meeting(product: Callable) -> Callable:
    """Sums over tokens that never visit a token singled out."""

    def mutated(*iterables, repeat=None):
        if repeat is None:
            return product(*iterables)
        return (choice for choice in product(*iterables, repeat=repeat) if all(isinstance(c, int) for c in choice))

    return mutated


MUTANTS = (
    in_rule("tidying", "constants are lost", each_term(lambda m, c, base, factors: (ONE, base, factors))),
    in_name("tidying", "sign(x) sign(−x) is 1", gaussian, "_ratio", lambda f: lambda p, q: (r := f(p, q)) and abs(r)),
    in_rule("tilting", "without the determinant", each_base(root=lambda root: ONE)),
    in_rule("tilting", "the exponent doubled", each_base(exponent=lambda e: 2 * e)),
    in_rule("tilting", "the mean moves the wrong way", each_law(reflected)),
    in_rule("tilting", "the covariance stays", each_law(lambda old, new: replace(new, covariance=old.covariance))),
    in_rule("parity", "even products too", odd_ones_of_two),
    in_rule("independence", "of correlated variables", with_blocks_of_another_law),
    in_rule(
        "conditioning",
        "without the Schur complement",
        each_law(lambda old, new: replace(new, covariance=old.covariance)),
    ),
    in_rule("conditioning", "the mean stays", each_law(lambda old, new: replace(new, mean=old.mean))),
    in_rule("conditioning", "the density at the mean", each_base(exponent=lambda e: ZERO)),
    in_rule("product_to_sum", "the sign of the second wave", second_term_turned),
    in_rule("stein", "without the covariance", under_another_law(lambda law: diagonal(law, ONE))),
    in_rule("stein", "without the mean", under_another_law(centred)),
    in_rule("stein", "without the gate's slope", each_term(without_gate_terms)),
    in_rule("stein", "the sign of a wave's slope", each_term(with_wave_slopes_turned)),
    in_rule("stein", "powers differentiated without their factor", each_term(without_the_power)),
    in_name("one wave", "the whole variance", gaussian, "_one_wave", each_base(exponent=lambda e: 2 * e)),
    in_name(
        "one gate",
        "the noise of erf forgotten",
        gaussian,
        "_doubled_variance",
        lambda f: lambda law, gate: gaussian.rational(2 * law.covariance_of(gate.form, gate.form)),
    ),
    in_name(
        "two gates",
        "arcsine without 2/π",
        gaussian,
        "_two_gates",
        closed(lambda c, f: (ONE if isinstance(f, sp.asin) else c, f)),
    ),
    in_name("two gates", "Owen's T with its arguments swapped", gaussian, "OwenT", lambda T: lambda h, a: T(a, h)),
    in_name(
        "two gates",
        "Φ₂ of the opposite correlation",
        gaussian,
        "BivariateNormalCDF",
        lambda f: lambda h, k, rho: f(h, k, -rho),
    ),
    in_name("gate and wave", "without the damping", gaussian, "_gate_and_wave", each_base(exponent=lambda e: ZERO)),
    in_rule("one_dimensional_reduction", "variance for deviation", with_variance_for_deviation),
    in_name(
        "reading",
        "Heaviside, Φ, erfc as signs",
        expectation,
        "_with_gate",
        lambda f: (
            lambda term, gate, form: [
                (c, tuple(replace(g, kind="sign") for g in gates), slopes) for c, gates, slopes in f(term, gate, form)
            ]
        ),
    ),
    Mutant(
        "reading",
        "max(a, b) = (a + b − |a − b|)/2",
        lambda patch: patch.setitem(reading.READERS, sp.Max, lambda e: reading.READERS[sp.Min](sp.Min(*e.args))),
    ),
    in_name("Stein on vectors", "without the trace", expectation, "trace", lambda f: lambda matrix: ZERO),
    in_name(
        "Stein on vectors",
        "the sign of the gradient of a form",
        expectation,
        "linear_part_on_right",
        lambda f: lambda node: sp.MatMul(-1, f(node)),
    ),
    in_name(
        "exchangeable sums",
        "powers for falling factorials",
        counting,
        "falling_factorial",
        lambda f: lambda n, k: n**k,
    ),
    in_name(
        "exchangeable sums",
        "no two indices coincide",
        counting,
        "set_partitions",
        lambda f: lambda items: iter([[[item] for item in items]]),
    ),
    in_name("latent locations", "sums never meet the located token", counting, "product", never_meeting),
)


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """The engine with the bug, its caches empty before and after."""
    clear_caches()
    try:
        with pytest.MonkeyPatch.context() as patch:
            mutant.plant(patch)
            yield
    finally:
        clear_caches()


def clear_caches() -> None:
    for cache in CACHES:
        cache.cache_clear()


# --- evidence --------------------------------------------------------------------------------

STUDY = studies()["expectation-rules"]
SLOW = ("every-line", "stein-on-a-vector-with-a-gate")  # seconds each, for each mutant
CLAIMS = [
    claim
    for claim in (*(c for c in STUDY.claims if c not in rules.TABLES), *rules.TABLES[::5])
    if not claim.name.startswith(SLOW)
]


def left_side(claim) -> list[sp.Expr]:
    """What the engine says now, from scratch."""
    statement = claim.make_statement()
    if not isinstance(statement, Identity):
        return [statement.formula]
    return [evaluate_expectations(left) for left, _ in statement.components()]


@dataclass(frozen=True)
class Witnessed:
    """A claim with what is known of it independently of the rules."""

    claim: object
    kind: str
    point: dict
    values: tuple[arb, ...]
    honest: tuple[sp.Expr, ...]

    def refutes(self) -> bool:
        """Whether the evidence refutes what the engine says now."""
        try:
            now = left_side(self.claim)
        except UNABLE:  # a bug that stops the engine is not what is tested here
            return False
        if tuple(now) == self.honest:
            return False
        if self.kind == "draws":
            return self.is_refuted_by_draws()
        return any(self.differs(expr, known) for expr, known in zip(now, self.values, strict=True))

    def differs(self, expr: sp.Expr, known: arb) -> bool:
        try:
            says = enclosed(expr, self.point)
        except UNABLE:
            return False
        return says.is_finite() and not says.overlaps(known)

    def is_refuted_by_draws(self) -> bool:
        checks = [check for check in self.claim.checks if check.is_statistical]
        context = Context(np.random.default_rng(0), rules.SIMULATOR, 1e-9)
        fresh = replace(self.claim)
        return any(check.run(fresh, context).fails for check in checks)


def enclosed(expr: sp.Expr, point: dict) -> arb:
    return ball(expr, {symbol: x for symbol, x in point.items() if symbol in expr.free_symbols}, DIGITS)


@lru_cache
def evidence() -> tuple[Witnessed, ...]:
    """For every claim of the first study what quadrature, hand or dice say of it; no bug may be planted yet."""
    found = []
    for claim in CLAIMS:
        (point,) = claim.domain.generic_points(1, crc32(claim.name.encode()))
        statement = claim.make_statement()
        honest = tuple(left_side(claim))
        if any(check.is_statistical for check in claim.checks):
            found.append(Witnessed(claim, "draws", point, (), honest))
            continue
        by_quadrature = any(isinstance(check, rules.WrittenOut) for check in claim.checks)
        sides = [(left if by_quadrature else right) for left, right in statement.components()]
        values = tuple(enclosed(rules.written_out(side), point) for side in sides)
        found.append(Witnessed(claim, "quadrature" if by_quadrature else "typed", point, values, honest))
    return tuple(found)


@lru_cache
def evidence_on_the_risk() -> tuple[sp.Expr, dict, float]:
    """The honest risk of the first study, a model, and the bound of its squared loss there."""
    model = draw_examples(single_location.single_location_models(), 4, seed=5)[-1]
    return single_location.general_risk().expr, model, single_location.second_moment_at(**model)


def refuted_claims_on_the_risk() -> list[str]:
    """The claims of single-location regression that the planted bug turns red: by quadrature, by simulation."""
    honest, model, bound = evidence_on_the_risk()
    try:
        now = single_location.general_risk().expr
    except UNABLE:
        return []
    if now == honest:
        return []
    found = []
    study = studies()["single-location"]
    (point,) = study["published-closed-form"].domain.generic_points(1, 0)
    known = {**single_location.MANIFOLD, **single_location.ON_SPHERES, single_location.c: 0, single_location.sigma: 1}
    published = single_location.published_reduced_risk()
    try:
        if not enclosed(now.subs(known), point).overlaps(enclosed(published, point)):
            found.append("published-closed-form (quadrature)")
    except UNABLE:
        pass
    check = MonteCarloAgreement(
        resolution=0.05, models=[model], second_moment=bound, coordinates=single_location.coordinates
    )
    claim = replace(study["risk-is-the-mean-of-the-model"])
    if check.run(claim, Context(np.random.default_rng(0), study.simulator, 1e-9)).fails:
        found.append("risk-is-the-mean-of-the-model (draws)")
    return found


@lru_cache
def caught_by(mutant: Mutant) -> tuple[str, ...]:
    """The claims that the mutant turns red, with the evidence; the last one is judged in full, as a run does."""
    known = evidence()
    evidence_on_the_risk()
    with planted(mutant):
        refuting = [witnessed for witnessed in known if witnessed.refutes()]
        for witnessed in refuting[-1:]:
            verdicts = judge(replace(witnessed.claim), rules.SIMULATOR, alpha=1e-9)
            assert strongest([verdict for _, verdict in verdicts]).fails, witnessed.claim.name
        return tuple(f"{w.claim.name} ({w.kind})" for w in refuting) + tuple(refuted_claims_on_the_risk())


def table() -> dict[str, tuple[str, ...]]:
    """rule: bug → the claims that caught it."""
    return {mutant.name: caught_by(mutant) for mutant in MUTANTS}


# --- tests -----------------------------------------------------------------------------------


def test_without_a_bug_nothing_is_red():
    """The control of this file: the honest engine agrees with all the evidence."""
    for witnessed in evidence():
        assert not any(
            witnessed.differs(expr, known)
            for expr, known in zip(witnessed.honest, witnessed.values or (), strict=False)
        ), witnessed.claim.name
        if witnessed.kind == "draws":
            assert not witnessed.is_refuted_by_draws(), witnessed.claim.name


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_bug_in_a_rule_turns_a_claim_red(mutant):
    assert caught_by(mutant), f"no claim noticed the bug: {mutant.name}"


def test_every_rule_of_the_kernel_has_a_mutant():
    mutated = {mutant.rule for mutant in MUTANTS}
    listed = {rule.__name__.replace("_", " ") for rule in gaussian.RULES} - {"closed moment"}
    assert listed <= mutated
    assert {"one wave", "one gate", "two gates", "gate and wave"} <= mutated  # the closed moments
    assert {"exchangeable sums", "latent locations", "Stein on vectors", "reading"} <= mutated


def test_the_table_of_rules_and_claims(capsys):
    """Prints rule × claims."""
    rows = table()
    with capsys.disabled():
        print()
        for name, claims in rows.items():
            shown = ", ".join(claims[:4]) + (f", and {len(claims) - 4} more" if len(claims) > 4 else "")
            print(f"{name:<62} {len(claims):>3}  {shown}")
    assert all(rows.values())


def test_the_bug_is_gone_afterwards():
    before = rules.study["stein"].make_statement()
    caught_by(MUTANTS[0])
    (witnessed,) = (w for w in evidence() if w.claim.name == "stein")
    assert tuple(left_side(rules.study["stein"])) == witnessed.honest
    assert math.isfinite(float(witnessed.values[0])) and isinstance(before, Identity)
