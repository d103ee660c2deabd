"""Which mutants do our checks refute? One line a claim: made, killed by which tier, equivalent, still true, survivors.

A claim has to hold on its own before its mutants mean anything. Then every mutant meets the tiers, cheapest first:

    certified      a ball on either side at a generic point: disjoint, or not real where the claim is asserted;
                   the limit by the limit laws
    exact          formulas in matrices at random rational points, against the mean by enumeration
    box            the claim's own certain checks: cells of a domain, zeros enclosed and counted
    statistical    the e-process of the mutant's value on draws of the simulator, from the stated resolution up

What is left is tried to be proven true: *equivalent* to the original by exact normal forms, or *still true*, as a
weaker inequality may be. A mutant of an agreement that is off by less than the resolution everywhere is *below* it. An
inequality, or a wider domain, that is neither refuted nor proven is *open*. Anything else is a *survivor*, and a
survivor is a bug in our checks.

Killed means proven false (up to α where it is statistical): the tiers share nothing with the normal forms that call
the original true. What they have refuted the normal forms are asked about as well: a proof of it would be a survivor.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import sympy as sp
from flint import arb

from numerics.balls import NonFiniteBall, NotReal, ball
from numerics.e_process import CatoniProcess, doubling_batches
from numerics.entries import NotPolynomial, unknowns
from numerics.entrywise import EntrywiseBudgetExceeded, entrywise_mean, exact_value
from numerics.schwartz_zippel import random_points
from numerics.simulators import losses
from theory.domain import Domain
from theory.expectation import Expectation, MatrixExpectation
from theory.gaussian import InfiniteExpectation, NoClosedForm
from theory.identity import reduces_to_zero
from theory.matrix_identity import holds_matrices, matrices_agree
from theory.special import BivariateNormalCDF, NormalCDF, OwenT
from theory.statement import Agreement, Identity, Inequality, Limit, Statement, evaluate_expectations
from theory.words import covariances

from .boxes import CertifiedOnBox
from .certified import CertifiedNumerics, certainly
from .check import Check, Context
from .claim import Claim, Study
from .comparison import BoundedFormula, bounded_formula
from .entrywise import Entrywise
from .frequency_check import BinomialFrequency
from .monte_carlo import MonteCarloAgreement
from .mutants import Mutant, mutants
from .property_based import PropertyBasedAgreement
from .report import FALSE_ALARM_BUDGET, judge
from .strategies import draw_examples
from .symbolic import SymbolicIdentity, identities_of
from .verdict import Evidence, strongest

__all__ = ["Fate", "MutationReport", "Toll", "kill_mutants"]

SECONDS = 60.0
POINTS = 3
DIGITS = (30, 90)
DIGITS_OF_AN_INEQUALITY = 10
SMALL = 7  # whole numbers for matrices inside exp, which rationals of sixty bits would overflow
MODELS = 3
MOST_DRAWS = 2**19
PROOF_SECONDS = 10.0

KILLED, EQUIVALENT, STILL_TRUE, BELOW, OPEN, SURVIVOR, NOT_TRIED = OUTCOMES = (
    "killed",
    "equivalent",
    "still true",
    "below resolution",
    "open",
    "survivor",
    "not tried",
)


@dataclass(frozen=True)
class Fate:
    """What became of a mutant.

    Args:
        mutant: it.
        outcome: "killed", "equivalent", "still true", "below resolution", "open", "survivor", or "not tried" where
            the time ended.
        by: the tier that killed it, or how it was proven true.
        seconds: how long that took.
    """

    mutant: Mutant
    outcome: str
    by: str
    seconds: float


@dataclass(frozen=True)
class Toll:
    """What became of the mutants of one claim.

    Args:
        study, claim: their names.
        fates: one for each mutant.
        note: why there are none, for a claim that does not hold on its own.
        seconds: wall time, without the claim's own checks.
    """

    study: str
    claim: str
    fates: tuple[Fate, ...] = ()
    note: str = ""
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """study/claim"""
        return f"{self.study}/{self.claim}"

    def count(self, outcome: str) -> int:
        """How many mutants had this outcome."""
        return sum(fate.outcome == outcome for fate in self.fates)

    def tiers(self) -> Counter[str]:
        """How many each tier killed."""
        return Counter(fate.by for fate in self.fates if fate.outcome == KILLED)

    @property
    def survivors(self) -> tuple[Mutant, ...]:
        """The mutants that were neither killed nor proven true."""
        return tuple(fate.mutant for fate in self.fates if fate.outcome == SURVIVOR)

    def text(self, width: int = 0) -> str:
        """The line of the table."""
        if self.note:
            return f"{self.name:<{width}} {self.note}"
        others = [f"{self.count(outcome)} {outcome}" for outcome in OUTCOMES[1:] if self.count(outcome)]
        return (
            f"{self.name:<{width}} {len(self.fates):>3} made {self.count(KILLED):>3} killed"
            f" ({_counted(self.tiers())})" + "".join(f", {part}" for part in others) + f"  {self.seconds:.2f} s"
        )

    def details(self) -> list[str]:
        """The survivors, and what is open."""
        return [
            f"{fate.outcome}: {fate.mutant}" + (f" ({fate.by})" if fate.by else "")
            for fate in self.fates
            if fate.outcome in (SURVIVOR, OPEN)
        ]


def _counted(tiers: Counter[str]) -> str:
    return ", ".join(f"{tier} {number}" for tier, number in sorted(tiers.items())) or "-"


@dataclass(frozen=True)
class MutationReport:
    """What became of all mutants.

    Args:
        tolls: one for each claim, in the order of the studies.
        seed: the root seed.
    """

    tolls: tuple[Toll, ...]
    seed: int = 0

    def __iter__(self) -> Iterator[Toll]:
        return iter(self.tolls)

    def counts(self) -> dict[str, int]:
        """How many mutants were made and how many had each outcome."""
        return {
            "claims": sum(not toll.note for toll in self.tolls),
            "made": sum(len(toll.fates) for toll in self.tolls),
            **{outcome: sum(toll.count(outcome) for toll in self.tolls) for outcome in OUTCOMES},
        }

    @property
    def kill_rate(self) -> float:
        """Killed, of those that are false as far as is known; 1 where there are none."""
        counts = self.counts()
        missed = counts[SURVIVOR] + counts[NOT_TRIED]
        return counts[KILLED] / (counts[KILLED] + missed) if counts[KILLED] + missed else 1.0

    @property
    def exit_code(self) -> int:
        """0 no survivor, 1 a survivor, 3 the time ended before all were tried or no claim held."""
        counts = self.counts()
        if counts[SURVIVOR]:
            return 1
        return 3 if counts[NOT_TRIED] or not counts["claims"] else 0

    def milliseconds(self, tier: str = "certified") -> float:
        """The median time in which the tier killed a mutant; nan if it killed none."""
        times = [
            fate.seconds for toll in self.tolls for fate in toll.fates if fate.outcome == KILLED and fate.by == tier
        ]
        return 1000 * statistics.median(times) if times else math.nan

    def summary(self) -> str:
        """The counts, in two lines."""
        counts = self.counts()
        tiers: Counter[str] = sum((toll.tiers() for toll in self.tolls), Counter())
        parts = [f"{counts['made']} mutants of {counts['claims']} claims: {counts[KILLED]} killed ({_counted(tiers)})"]
        parts += [f"{counts[outcome]} {outcome}" for outcome in OUTCOMES[1:] if counts[outcome] or outcome == SURVIVOR]
        speed = f"; median of a certified kill {self.milliseconds():.1f} ms" if "certified" in tiers else ""
        rate = f"kill rate {100 * self.kill_rate:.2f} % of those not proven true"
        return f"{', '.join(parts)}\n{rate}{speed}; seed {self.seed}"

    def text(self) -> str:
        """One line a claim, its survivors below it, then the counts."""
        width = max((len(toll.name) for toll in self.tolls), default=0)
        rows = [row for toll in self.tolls for row in (toll.text(width), *(f"    {one}" for one in toll.details()))]
        return "\n".join([*rows, self.summary()])

    def __str__(self) -> str:
        return self.text()

    def to_json(self, path: str | Path | None = None) -> str:
        """The report as JSON; written to a file as well if a path is given."""
        record = {
            "schema": "proofs-check-mutants",
            "version": 1,
            "seed": self.seed,
            "exit_code": self.exit_code,
            "counts": self.counts(),
            "kill_rate": self.kill_rate,
            "claims": [_record(toll) for toll in self.tolls],
        }
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text


def _record(toll: Toll) -> dict[str, Any]:
    return {
        "study": toll.study,
        "name": toll.claim,
        "note": toll.note,
        "made": len(toll.fates),
        **{outcome: toll.count(outcome) for outcome in OUTCOMES},
        "tiers": dict(toll.tiers()),
        "seconds": round(toll.seconds, 6),
        "mutants": [
            {
                "operator": fate.mutant.operator,
                "where": fate.mutant.where,
                "outcome": fate.outcome,
                "by": fate.by,
                "seconds": round(fate.seconds, 6),
            }
            for fate in toll.fates
        ],
    }


# --- running ------------------------------------------------------------------------------------


def kill_mutants(
    studies: Study | Iterable[Study],
    seed: int = 0,
    seconds: float = SECONDS,
    progress: Callable[[Toll], None] | None = None,
) -> MutationReport:
    """Make the mutants of every claim and try to refute each of them.

    Args:
        studies: a study or several.
        seed: of points, models and draws.
        seconds: time budget for the mutants of one claim; its own checks have as much again.
        progress: called with each line as it is ready.

    Returns:
        A report; claims that are expected to be refuted, or open, or do not hold on their own, have no mutants.
    """
    chosen = (studies,) if isinstance(studies, Study) else tuple(studies)
    tolls: list[Toll] = []
    for study in chosen:
        for claim in study.claims:
            tolls.append(_toll(study, claim, seed, seconds))
            if progress is not None:
                progress(tolls[-1])
    return MutationReport(tuple(tolls), seed)


def _toll(study: Study, claim: Claim, seed: int, seconds: float) -> Toll:
    if claim.expected != "holds":
        return Toll(study.name, claim.name, note=f"not mutated: expected {claim.expected}")
    verdict = strongest([verdict for _, verdict in judge(claim, study.simulator, seed, seconds=seconds)])
    if not verdict.holds:
        return Toll(study.name, claim.name, note=f"not mutated: it does not hold on its own: {verdict}")
    begin = time.perf_counter()
    hunt = _Hunt(claim, study.simulator, seed, seconds, begin + seconds)
    fates = tuple(_fate(hunt, mutant) for mutant in mutants(claim.statement, claim.domain))
    return Toll(study.name, claim.name, fates, seconds=time.perf_counter() - begin)


def _fate(hunt: _Hunt, mutant: Mutant) -> Fate:
    begin = time.perf_counter()
    if begin > hunt.deadline:
        return Fate(mutant, NOT_TRIED, "the time ended", 0.0)
    try:
        outcome, by = hunt.outcome(mutant)
    except Exception as error:  # one mutant that a tier stumbles over is reported, and the others are tried
        outcome, by = SURVIVOR, f"a tier raised {type(error).__name__}: {' '.join(str(error).split())}"
    seconds = time.perf_counter() - begin
    if outcome == KILLED and hunt.proves(mutant):
        outcome, by = SURVIVOR, f"the tier {by} refutes it, and normal forms prove it: one of them is wrong"
    return Fate(mutant, outcome, by, seconds)


# --- the tiers ----------------------------------------------------------------------------------


@dataclass
class _Hunt:
    """The mutants of one claim are tried on the same points, models and draws, which are made once.

    A `_Hunt` is a workshop, not a value: it remembers the left sides it has evaluated.
    """

    claim: Claim
    simulator: Any
    seed: int
    seconds: float
    deadline: float
    balls: dict[tuple, arb | None] = field(default_factory=dict)
    exact: dict[tuple, Any] = field(default_factory=dict)

    def outcome(self, mutant: Mutant) -> tuple[str, str]:
        """The outcome of a mutant, and how it came about."""
        if mutant.domain is not None:
            return self._on_a_wider_domain(mutant)
        match mutant.statement:
            case Agreement():
                return self._of_agreement(mutant.statement)
            case Inequality():
                return self._of_inequality(mutant)
            case Limit():
                return self._by_checks(mutant, [SymbolicIdentity(), CertifiedNumerics(points=2)])
        if identities_of(mutant.statement) is not None:
            return self._of_identity(mutant.statement)
        return self._by_checks(mutant, [_with_one_trial(check, self) for check in self.claim.checks])

    def context(self, seconds: float | None = None) -> Context:
        """What a check may draw on: the same numbers every time."""
        left = max(self.deadline - time.perf_counter(), 0.1)
        rng = np.random.default_rng([self.seed, crc32(self.claim.name.encode())])
        return Context(rng, self.simulator, FALSE_ALARM_BUDGET, min(left, seconds or left), self.seed)

    def _about(self, mutant: Mutant) -> Claim:
        return replace(self.claim, make_statement=lambda: mutant.statement, domain=mutant.domain or self.claim.domain)

    # Identities: two sides

    def _of_identity(self, statement: Statement) -> tuple[str, str]:
        original, changed = self.pairs, _pairs(statement)
        different = [(before, after) for before, after in zip(original, changed) if before != after]
        if len(original) != len(changed):
            different = [(((sp.Integer(0)),) * 2, after) for after in changed]
        for _, (lhs, rhs) in different:
            if by := self._killed(lhs, rhs):
                return KILLED, by
        symmetric = covariances(sp.Tuple(*(lhs for lhs, _ in original)))
        proofs = all(
            _agree(before[1], after[1], symmetric) if before[0] == after[0] else _agree(*after, symmetric)
            for before, after in different
        )
        is_identity = isinstance(statement, Identity)
        return (EQUIVALENT if is_identity else STILL_TRUE, "normal forms") if proofs else (SURVIVOR, "")

    def proves(self, mutant: Mutant) -> bool:
        """Whether exact normal forms call the mutant true, which they must not when it has been refuted."""
        if mutant.domain is not None or identities_of(mutant.statement) is None:
            return False
        symmetric = covariances(sp.Tuple(*(lhs for lhs, _ in self.pairs)))
        changed = [pair for pair in _pairs(mutant.statement) if pair not in self.pairs]
        return bool(changed) and all(
            _agree(self._evaluated(lhs), self._evaluated(rhs), symmetric) for lhs, rhs in changed
        )

    def _killed(self, lhs: sp.Basic, rhs: sp.Basic) -> str:
        """The tier that tells two sides apart; empty if none does."""
        if holds_matrices(self._evaluated(lhs)) or holds_matrices(self._evaluated(rhs)):
            return self._killed_by_rationals(lhs, rhs)
        return "certified" if self._killed_by_balls(lhs, rhs) else ""

    def _killed_by_balls(self, lhs: sp.Basic, rhs: sp.Basic) -> bool:
        for digits in DIGITS:
            for index, point in enumerate(self.points_of(None)):
                try:
                    left, right = (self._ball(side, (None, index), point, digits) for side in (lhs, rhs))
                    if left is None or right is None:
                        self._look_for_unreal_arguments(sp.Tuple(lhs, rhs), (None, index), point)
                except NotReal:
                    return True
                if _are_apart(left, right):
                    return True
        return False

    def _look_for_unreal_arguments(self, expr: sp.Basic, place: tuple, point: dict) -> None:
        """Raise NotReal where a function of real numbers has an argument that certainly is none."""
        for node in sorted(expr.atoms(NormalCDF, OwenT, BivariateNormalCDF, sp.Max, sp.Min), key=sp.default_sort_key):
            for argument in node.args:
                self._ball(argument, place, point, DIGITS[0])

    def _ball(self, expr: sp.Basic, place: tuple, point: dict, digits: int) -> arb | None:
        """The value of a side at a point; None where it has none that could be found."""
        key = (expr, place, digits)
        if key not in self.balls:
            try:
                evaluated = self._evaluated(expr)
                needed = {symbol: value for symbol, value in point.items() if symbol in evaluated.free_symbols}
                self.balls[key] = ball(evaluated, needed, digits, seconds=PROOF_SECONDS)
            except NotReal:
                raise
            except (NonFiniteBall, NotImplementedError, ArithmeticError, ValueError, RuntimeError):
                self.balls[key] = None
        return self.balls[key]

    def _evaluated(self, expr: sp.Basic) -> sp.Basic:
        nodes = expr.atoms(Expectation, MatrixExpectation)
        for node in nodes:
            if ("mean", node) not in self.exact:
                try:
                    self.exact["mean", node] = node.doit()
                except (NoClosedForm, InfiniteExpectation):
                    self.exact["mean", node] = node
        return expr.xreplace({node: self.exact["mean", node] for node in nodes}) if nodes else expr

    @property
    def pairs(self) -> list[tuple[sp.Basic, sp.Basic]]:
        """The two sides of every identity of the original."""
        if ("pairs",) not in self.exact:
            self.exact["pairs",] = _pairs(self.claim.statement)
        return self.exact["pairs",]

    def points_of(self, domain: Domain | None, count: int = POINTS) -> list[dict]:
        """Generic points of the claim's domain, or of another, with a number for every symbol."""
        if ("points", domain, count) not in self.exact:
            whole = _with_every_symbol(self.claim, domain or self.claim.domain)
            self.exact["points", domain, count] = whole.generic_points(count, self.seed) if whole.symbols else [{}]
        return self.exact["points", domain, count]

    def _killed_by_rationals(self, lhs: sp.Basic, rhs: sp.Basic) -> str:
        """Exact values at random rational parameters and small sizes; where there is an exponential, balls."""
        own = (check.sizes for check in self.claim.checks if isinstance(check, Entrywise) and check.sizes)
        sizes = next(own, None) or _different_sizes(lhs, rhs)
        for index, point in enumerate(self._rational_points(lhs, sizes, None)):
            try:
                left = self._exact_left(lhs, index, point)
                right = exact_value(rhs, _own(rhs, point))
            except ZeroDivisionError:
                continue
            except NotPolynomial:
                break
            except EntrywiseBudgetExceeded:
                continue
            if left != right:
                return "exact"
        else:
            return ""
        for index, point in enumerate(self._rational_points(lhs, sizes, SMALL)):
            left_ball, right_ball = (
                self._ball_of_matrices(side, ("matrices", index), point) for side in (self._evaluated(lhs), rhs)
            )
            if _are_apart(left_ball, right_ball):
                return "certified"
        return ""

    def _rational_points(self, lhs: sp.Basic, sizes: Any, choices: int | None) -> list[dict]:
        key = ("rational points", lhs, choices)
        if key not in self.exact:
            original = dict(self.pairs).get(lhs, sp.Integer(0))
            expr = lhs.args[0] if isinstance(lhs, (Expectation, MatrixExpectation)) else lhs
            options = {} if choices is None else {"choices": choices}
            self.exact[key] = list(random_points(expr, original, sizes=sizes, seed=self.seed, **options))
        return self.exact[key]

    def _exact_left(self, lhs: sp.Basic, index: int, point: dict) -> Any:
        key = ("left", lhs, index)
        if key not in self.exact:
            is_mean = isinstance(lhs, (Expectation, MatrixExpectation))
            self.exact[key] = (
                entrywise_mean(lhs.args[0], _own(lhs.args[0], point), formal=True)
                if is_mean
                else exact_value(self._evaluated(lhs), _own(self._evaluated(lhs), point))
            )
        return self.exact[key]

    def _ball_of_matrices(self, expr: sp.Basic, place: tuple, point: dict) -> arb | None:
        key = (expr, *place)
        if key not in self.balls:
            try:
                self.balls[key] = ball(expr, _own(expr, point), DIGITS[0], seconds=PROOF_SECONDS)
            except (NonFiniteBall, NotImplementedError, ArithmeticError, ValueError, TypeError, RuntimeError):
                self.balls[key] = None
        return self.balls[key]

    # Inequalities and limits: the claim's own certain checks

    def _of_inequality(self, mutant: Mutant) -> tuple[str, str]:
        statement = mutant.statement
        assert isinstance(statement, Inequality)
        if statement.lhs == statement.rhs and statement.relation in ("<", ">"):
            return KILLED, "exact"
        opposite = statement.negated().relation
        for index, point in enumerate(self.points_of(mutant.domain, 4 * POINTS)):
            try:
                left, right = (
                    self._ball(side, (mutant.domain, index), point, DIGITS_OF_AN_INEQUALITY)
                    for side in (statement.lhs, statement.rhs)
                )
            except NotReal:
                return KILLED, "certified"
            if left is not None and right is not None and certainly(left, opposite, right):
                return KILLED, "certified"
        if not any(isinstance(check, CertifiedOnBox) for check in self.claim.checks):
            return OPEN, "not refuted at points, where the claim itself is known"
        verdict = CertifiedOnBox().run(self._about(mutant), self.context(PROOF_SECONDS))
        if verdict.fails:
            return KILLED, "box"
        return (STILL_TRUE, verdict.scope) if verdict.holds else (OPEN, verdict.reason)

    def _by_checks(self, mutant: Mutant, checks: list[Check]) -> tuple[str, str]:
        claim = self._about(mutant)
        for check in checks:
            # A search for all zeros is found again by what it was asked, the seconds among it.
            verdict = check.run(claim, replace(self.context(), seconds=self.seconds))
            if verdict.fails:
                statistical = verdict.evidence is Evidence.STATISTICAL
                limit = isinstance(mutant.statement, Limit)
                return KILLED, "statistical" if statistical else "certified" if limit else "box"
            if verdict.holds and verdict.evidence is not Evidence.STATISTICAL:
                return STILL_TRUE, f"{check.name}, {verdict.scope}"
        return SURVIVOR, ""

    def _on_a_wider_domain(self, mutant: Mutant) -> tuple[str, str]:
        if isinstance(mutant.statement, Inequality):
            return self._of_inequality(mutant)
        claim = self._about(mutant)
        if SymbolicIdentity().run(claim, self.context()).holds:
            return STILL_TRUE, "identically"
        verdict = CertifiedNumerics(points=POINTS).run(claim, self.context())
        return (KILLED, "certified") if verdict.fails else (OPEN, "not proven beyond the domain")

    # Agreements with a simulation

    def _of_agreement(self, statement: Agreement) -> tuple[str, str]:
        """The e-process of the mutant's value, on the same draws for all mutants, from the resolution up."""
        check, simulator = self._sampler()
        original = bounded_formula(self.claim, check)
        is_far = False
        for index, model in enumerate(self._models(check)):
            claimed = original.at(model)
            absolute = getattr(check, "absolute", None)
            tolerance = check.resolution * claimed.scale if absolute is None else absolute
            try:
                bounded = BoundedFormula(statement.formula, coordinates=check.coordinates).at(model)
            except (ValueError, ArithmeticError, NotImplementedError):
                return KILLED, "no number"
            if not math.isfinite(bounded.formula):
                return KILLED, "no number"
            if abs(bounded.formula - claimed.formula) < tolerance:
                continue
            is_far = True
            if self._is_refuted(bounded.formula, claimed.bound or math.nan, index, model, simulator):
                return KILLED, "statistical"
        return (SURVIVOR, "") if is_far else (BELOW, f"{check.resolution:g}")

    def _sampler(self) -> tuple[MonteCarloAgreement | PropertyBasedAgreement, Any]:
        """The check of the claim that samples, and what from; it may be wrapped with a simulator of its own."""
        for check in self.claim.checks:
            inner, simulator = getattr(check, "check", check), getattr(check, "simulator", self.simulator)
            if isinstance(inner, (MonteCarloAgreement, PropertyBasedAgreement)):
                return inner, simulator
        raise TypeError(f"expected a check of {self.claim.name} that samples, got {self.claim.checks}")

    def _is_refuted(self, theta: float, bound: float, index: int, model: Any, simulator: Any) -> bool:
        """Whether the draws at a model refute θ; a bound of E y² bounds the variance under every hypothesis."""
        process = CatoniProcess((theta,), bound)
        for k, _ in enumerate(doubling_batches(MOST_DRAWS)):
            process = process.update(self._draws(index, k, model, simulator))
            if process.refutes(FALSE_ALARM_BUDGET)[0]:
                return True
            if time.perf_counter() > self.deadline:
                return False
        return False

    def _draws(self, index: int, batch: int, model: Any, simulator: Any) -> np.ndarray:
        key = ("draws", index, batch)
        if key not in self.exact:
            size = list(doubling_batches(MOST_DRAWS))[batch]
            rng = np.random.default_rng([self.seed, crc32(self.claim.name.encode()), index, batch])
            self.exact[key] = np.asarray(losses(simulator, model, rng, size), dtype=float)
        return self.exact[key]

    def _models(self, check: Any) -> list:
        if ("models",) not in self.exact:
            rng = np.random.default_rng([self.seed, crc32(self.claim.name.encode())])
            if isinstance(check, MonteCarloAgreement):
                found = check.models_for(self.claim, rng)
            else:
                strategy = check.strategy if check.strategy is not None else self.claim.models
                found = draw_examples(strategy, MODELS, int(rng.integers(2**31)))
            self.exact["models",] = found[:MODELS]
        return self.exact["models",]


def _with_one_trial(check: Check, hunt: _Hunt) -> Check:
    """The check of a frequency, its trials made once for all mutants."""
    if not isinstance(check, BinomialFrequency):
        return check
    key = ("trials", check.trials)
    if key not in hunt.exact:
        hunt.exact[key] = check.trial(hunt.context().rng, check.trials)
    return replace(check, trial=lambda rng, n: hunt.exact[key])


def _pairs(statement: Statement) -> list[tuple[sp.Basic, sp.Basic]]:
    return [pair for identity in identities_of(statement) or () for pair in identity.components()]


def _agree(lhs: sp.Basic, rhs: sp.Basic, symmetric: frozenset) -> bool:
    if holds_matrices(lhs) or holds_matrices(rhs):
        return matrices_agree(lhs, rhs, symmetric)
    return reduces_to_zero(lhs - rhs)


def _are_apart(left: arb | None, right: arb | None) -> bool:
    """Whether two values certainly differ; what is not there or not finite proves nothing."""
    if left is None or right is None or not (left.is_finite() and right.is_finite()):
        return False
    return not left.overlaps(right)


def _different_sizes(lhs: sp.Basic, rhs: sp.Basic) -> list[dict[sp.Basic, int]]:
    """Small numbers for the letters of sizes, no two the same, so that no power of one of them is one."""
    letters = sorted((symbol for symbol in unknowns(lhs, rhs) if symbol.is_integer), key=sp.default_sort_key)
    return [{letter: 2 + (i + k) % (len(letters) + 1) for i, letter in enumerate(letters)} for k in range(2)]


def _own(expr: sp.Basic, point: dict) -> dict:
    """The values of the symbols of an expression and of its shapes."""
    symbols = expr.free_symbols
    sizes = {
        size
        for symbol in symbols
        if isinstance(symbol, sp.MatrixSymbol)
        for side in symbol.shape
        for size in side.free_symbols
    }
    return {symbol: value for symbol, value in point.items() if symbol in symbols | sizes}


def _with_every_symbol(claim: Claim, domain: Domain) -> Domain:
    """The domain, and for symbols it does not speak of all that their assumptions allow."""
    free: set[sp.Symbol] = set()

    def look(side: sp.Basic) -> sp.Basic:
        free.update(symbol for symbol in evaluate_expectations(side).free_symbols if isinstance(symbol, sp.Symbol))
        return side

    claim.statement.map(look)
    strangers = sorted(free - set(domain.symbols), key=sp.default_sort_key)
    if not strangers:
        return domain
    ends = {
        symbol: (0 if symbol.is_nonnegative else -sp.oo, 0 if symbol.is_nonpositive else sp.oo) for symbol in strangers
    }
    return Domain({**dict(domain.intervals), **ends}, domain.conditions)
