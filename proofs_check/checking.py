r"""One statement, typed by a reader, on the whole ladder of checks: `check`.

    check(equal(Expectation((x.T*A*x)**2), sp.Trace(A*S)**2 + 2*sp.Trace(A*S*A*S)))
    check("E[erf(lam g)^2] = 2/pi*asin(2 lam^2/(1 + 2 lam^2))", where={"g": Gaussian(0, 1), "lam": positive})

The rungs are those of `ladder`. They run in a guarded child process, one after the other, until one of them
proves the statement or the time is over; a rung that hangs is ended, and the next one has its turn. The verdict

    fails       shows the simplest witness that was found, and a restriction under which the statement does hold
    holds       identically, on the whole domain, or at so many points, where the search found nothing against it
    undecided   says what each rung met
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import sympy as sp

from theory.domain import Domain, Symmetric
from theory.statement import Identity, Inequality, Limit, Statement

from .check import Check, Checkable, Context, run_check
from .claim import Claim
from .declarations import Declarations, declare_where, default_interval, read_condition
from .formula.reading import read_statement
from .guarded import Guarded, guarded_each
from .ladder import ladder
from .points import covariances_in, expressions_of, letters
from .verdict import Evidence, Outcome, Repair, Subject, Verdict, strongest

__all__ = ["Ladder", "check", "settled"]

SECONDS = 20.0
MEGABYTES = 4_000
FALSE_ALARMS = 1e-6
FOR_REPAIRS = 3.0  # seconds, after a statement was found false


def check(
    statement: Statement | str | Claim,
    where: Domain | Mapping[Any, Any] | None = None,
    given: Sequence[Any] = (),
    *,
    seconds: float = SECONDS,
    seed: int = 0,
    alpha: float = FALSE_ALARMS,
    simulator: Any = None,
) -> Verdict:
    r"""Is a statement true? A proof, a certificate, the simplest counterexample, or an honest *undecided*.

    Args:
        statement: an identity `equal(lhs, rhs)` or another statement of `theory`; a relation of sympy; a text in the
            grammar of `formula`, plain or LaTeX, whose names `where` declares; or a claim.
        where: a `Domain`; or what the names stand for, by name or symbol: `positive`, `real`, `(low, high)`,
            `vector(d)`, `matrix(d, d, "symmetric")`, `Gaussian(mean, variance)`, a symbol, a random variable, or a
            declaration as a claims file has it. What is not named ranges over what its assumptions allow.
        given: conditions on top of that: inequalities as text in the names of `where`, or conditions of a `Domain`.
        seconds: time budget of the whole.
        seed: of points and samples.
        alpha: probability with which sampling may refute a true statement.
        simulator: for statements that are about one.

    Returns:
        A verdict that shows itself as a card: the formula, the domain, the outcome with its evidence, the witness
        of a failure, and what each rung gave.

    Raises:
        FormulaError: for a text that is no statement, with the place.
        TypeError, ValueError: for a statement or a domain that is none.

    >>> x = sp.Symbol("x", real=True)
    >>> check(Identity((x + 1)**2, x**2 + 2*x + 1))
    Holds identically (symbolic): the difference of the sides reduces to zero by exact normal forms.
    >>> from proofs_check.kinds import Gaussian, positive
    >>> check("E[g^4] = 3 s", where={"g": Gaussian(0, "s"), "s": positive})
    Fails for a general s (holds for s=1). Witness: s=2: 12 against 6.
    """
    if not seconds > 0:
        raise ValueError(f"expected seconds > 0, got seconds={seconds!r}")
    claim = _typed(statement, where, given)
    return _on_the_ladder(claim, _Budget(time.perf_counter() + seconds, seed, alpha, simulator))


@dataclass(frozen=True)
class Ladder(Check):
    """Every rung that suits the statement, as `check` runs them; what the claims of a file are checked by.

    It is statistical, because its last rung may be.

    Args:
        seconds: time budget of the whole; at most the context's.
    """

    seconds: float = SECONDS

    is_statistical: ClassVar[bool] = True

    def run(self, claim: Checkable, context: Context) -> Verdict:
        """Climb until the claim is proven or refuted."""
        deadline = time.perf_counter() + min(self.seconds, context.seconds)
        typed = _Typed(claim.statement, claim.domain, claim.name)
        return _on_the_ladder(typed, _Budget(deadline, context.seed, context.alpha, context.simulator))


@dataclass(frozen=True)
class _Typed:
    """A statement with its domain: what the checks ask of a claim."""

    statement: Statement
    domain: Domain
    name: str = "typed"
    sentence: str = ""
    checks: tuple[Check, ...] = ()
    models: Any = None


@dataclass(frozen=True)
class _Budget:
    """What one call may use."""

    deadline: float
    seed: int
    alpha: float
    simulator: Any

    @property
    def left(self) -> float:
        """Seconds to the deadline."""
        return max(self.deadline - time.perf_counter(), 0.05)

    def context(self, position: int) -> Context:
        """What the check at a position of the ladder may draw on."""
        rng = np.random.default_rng([self.seed, position])
        return Context(rng, self.simulator, self.alpha, self.left / 2, self.seed)


# --- what was typed ----------------------------------------------------------------------------


def _typed(statement: Any, where: Any, given: Sequence[Any]) -> _Typed:
    if isinstance(statement, Claim):
        typed = _typed(statement.statement, statement.domain if where is None else where, given)
        return replace(typed, name=statement.name, sentence=statement.sentence, checks=statement.checks)
    if isinstance(where, Domain):
        declarations = declare_where({symbol: symbol for symbol in (*where.symbols, *where.symmetric)})
        made = _read(statement, declarations)
        domain = where
    else:
        declarations = declare_where(where or {})
        made = _read(statement, declarations)
        if not isinstance(statement, str):
            made = settled(made, declarations)
            _check_names(where or {}, made)
        domain = declarations.domain(letters(made), {}, ())
    conditions = [read_condition(c, declarations.vocabulary) if isinstance(c, str) else c for c in given]
    return _Typed(made, _completed(made, Domain(domain.intervals, (*domain.conditions, *conditions))))


def _read(statement: Any, declarations: Declarations) -> Statement:
    """The statement of a text, or of what was given."""
    if isinstance(statement, str):
        return read_statement(statement, declarations.vocabulary)
    return _as_statement(statement)


def _as_statement(statement: Any) -> Statement:
    if isinstance(statement, Statement):
        return statement
    if isinstance(statement, sp.Eq):
        return Identity(statement.lhs, statement.rhs)
    if isinstance(statement, (sp.StrictLessThan, sp.LessThan, sp.StrictGreaterThan, sp.GreaterThan)):
        return Inequality(statement.lhs, statement.rel_op, statement.rhs)
    if isinstance(statement, (bool, sp.logic.boolalg.BooleanAtom)):
        raise TypeError(
            f"expected a statement, got {statement}: sympy's Eq and comparisons evaluate at once; write equal(lhs, rhs)"
        )
    raise TypeError(f"expected a statement such as equal(lhs, rhs), or a text, got {statement!r}")


def settled(statement: Statement, declarations: Declarations) -> Statement:
    """A statement with its letters replaced by what the declarations say they are.

    >>> lam = sp.Symbol("lam")
    >>> from proofs_check.kinds import positive
    >>> settled(Identity(sp.sqrt(lam**2), lam), declare_where({lam: positive})).text()
    'lam = lam'
    """
    names = declarations.vocabulary.names
    replaced = {
        letter: names[str(letter.name)]
        for letter in letters(statement)
        if str(letter.name) in names and names[str(letter.name)] != letter
    }
    made: Statement = _renamed(statement, replaced) if replaced else statement
    return made


def _check_names(where: Mapping[Any, Any], statement: Statement) -> None:
    """A name of `where=` that is not in the statement is a misspelling, most likely."""
    known = {str(letter.name) for letter in letters(statement)}
    for key in where:
        name = key if isinstance(key, str) else str(key.name)
        if name not in known:
            shown = ", ".join(sorted(known)) or "none"
            raise ValueError(f"where= speaks of {name}, which is not in the statement; its letters are {shown}")


def _renamed(value: Any, replaced: Mapping[sp.Basic, sp.Basic]) -> Any:
    """A statement, or a part of one, with letters replaced everywhere."""
    if isinstance(value, sp.Basic):
        return value.xreplace(dict(replaced))
    if isinstance(value, tuple):
        return tuple(_renamed(part, replaced) for part in value)
    if isinstance(value, Statement):
        return type(value)(**{f.name: _renamed(getattr(value, f.name), replaced) for f in fields(value)})  # type: ignore[arg-type]
    return value


def _completed(statement: Statement, domain: Domain) -> Domain:
    """The domain with an interval for every symbol of the statement."""
    moving = {statement.symbol} if isinstance(statement, Limit) else set()
    missing = sorted(
        (
            letter
            for letter in letters(statement)
            if isinstance(letter, sp.Symbol) and letter not in domain.symbols and letter not in moving
        ),
        key=sp.default_sort_key,
    )
    added = tuple((symbol, default_interval(symbol)) for symbol in missing)
    return Domain((*domain.intervals, *added), domain.conditions)


# --- the ladder --------------------------------------------------------------------------------


def _on_the_ladder(claim: _Typed, budget: _Budget) -> Verdict:
    start = time.perf_counter()
    checks = claim.checks or ladder(claim.statement)
    rungs: list[tuple[str, Verdict]] = []
    if checks:
        tasks = [partial(run_check, each, claim, budget.context(i)) for i, each in enumerate(checks)]
        results = guarded_each(tasks, budget.left, MEGABYTES)
        for each, result in zip(checks, results):
            rungs.append((each.name, _verdict_of(result, budget.seed)))
            if _is_final(rungs, checks[len(rungs) :]):
                break
        results.close()  # type: ignore[attr-defined]
    found = _summary(claim.statement, rungs)
    if found.fails:
        found = replace(found, repair=_repair(claim, budget))
    return replace(
        found,
        seed=budget.seed,
        seconds=time.perf_counter() - start,
        subject=Subject(claim.statement.text(), claim.statement.displays(), claim.domain.text(), claim.sentence),
        rungs=tuple(rungs),
    )


def _verdict_of(result: Guarded, seed: int) -> Verdict:
    """The verdict that came back, or what became of the process instead."""
    if result.returned:
        return result.value
    words = f": {result.value}" if result.value else ""
    reason = f"it {result.outcome.value} after {result.seconds:.1f} s{words}"
    return Verdict(Outcome.UNDECIDED, None, "", reason, seed=seed, seconds=result.seconds)


SEARCH = "PropertySearch"


def _is_final(rungs: list[tuple[str, Verdict]], left: tuple[Check, ...]) -> bool:
    """Whether the rungs that are left could change nothing: proven, or refuted with the simplest witness."""
    name, verdict = rungs[-1]
    if verdict.holds:
        return verdict.evidence is Evidence.SYMBOLIC or verdict.scope == "on the whole domain"
    is_refuted = any(each.fails for _, each in rungs)
    return is_refuted and (name == SEARCH or all(each.name != SEARCH for each in left))


def _summary(statement: Statement, rungs: list[tuple[str, Verdict]]) -> Verdict:
    if not rungs:
        kind = type(statement).__name__
        return Verdict(Outcome.UNDECIDED, None, "", f"nothing was tested: no check is known for a {kind} by itself")
    searched = next((verdict for name, verdict in rungs if name == SEARCH), None)
    if searched is not None and searched.fails:
        return searched  # the simplest witness
    best = strongest([verdict for _, verdict in rungs])
    if best.undecided:
        said: dict[str, list[str]] = {}
        for name, verdict in rungs:
            said.setdefault(verdict.reason, []).append(name)
        reasons = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in said.items())
        return replace(best, evidence=None, reason=reasons)
    if best.holds and best.scope.startswith("at ") and searched is not None:
        return replace(best, reason="; ".join(filter(None, (best.reason, searched.reason))))
    return best


# --- where it does hold ------------------------------------------------------------------------


def _repair(claim: _Typed, budget: _Budget) -> Repair | None:
    """A restriction under which a false statement holds, if one of the usual ones does it."""
    candidates = list(_restrictions(claim))
    if not candidates:
        return None
    tasks = [partial(_holds_exactly, restricted, budget.context(0)) for _, restricted in candidates]
    for (repair, _), result in zip(candidates, guarded_each(tasks, FOR_REPAIRS, MEGABYTES)):
        if result.returned and result.value:
            return repair
    return None


def _holds_exactly(claim: Callable[[], _Typed | None], context: Context) -> bool:
    """Whether a restricted claim holds symbolically, or by enumeration, or at points to many digits."""
    restricted = claim()
    if restricted is None:
        return False
    context = replace(context, seconds=FOR_REPAIRS / 4)
    checks: Iterable[Check] = (each for each in ladder(restricted.statement) if not each.is_statistical)
    return any(run_check(each, restricted, context).holds for each in checks if each.name != "PropertySearch")


def _restrictions(claim: _Typed) -> Iterator[tuple[Repair, Callable[[], _Typed | None]]]:
    """What a reader may have forgotten: symmetry, a unit covariance, a unit scale, a zero mean, one dimension."""
    statement, domain = claim.statement, claim.domain
    if not isinstance(statement, (Identity, Inequality)):
        return
    found = sorted(letters(statement), key=sp.default_sort_key)
    squares = [
        letter
        for letter in found
        if isinstance(letter, sp.MatrixSymbol) and letter.rows == letter.cols != 1 and letter not in domain.symmetric
    ]
    covariances = covariances_in(expressions_of(statement))
    general = [matrix for matrix in squares if matrix not in covariances]
    if general:
        symmetric = Domain(domain.intervals, (*domain.conditions, *map(Symmetric, general)))
        names = " and ".join(matrix.name for matrix in general)
        yield Repair(f"a general {names}", f"symmetric {names}"), partial(_given, claim, {}, symmetric)
    for matrix in squares:
        if matrix in covariances:
            unit = partial(_given, claim, {matrix: sp.Identity(matrix.rows)}, domain)
            yield Repair(f"a general {matrix.name}", f"{matrix.name}=I"), unit
    for number in (sp.Integer(1), sp.Integer(0)):
        for symbol in domain.symbols:
            if (
                domain.interval(symbol) != (number, number)
                and domain.restrict({}).contains({symbol: number}) is not False
            ):
                fixed = partial(_given, claim, {symbol: number}, domain)
                yield Repair(f"a general {symbol}", f"{symbol}={number}"), fixed


def _given(claim: _Typed, values: Mapping[Any, Any], domain: Domain) -> _Typed | None:
    """The claim with letters replaced; None where nothing is left of it."""
    statement = _renamed(claim.statement, values) if values else claim.statement
    fixed = {symbol: value for symbol, value in values.items() if symbol in domain.symbols}
    restricted = domain.restrict(fixed) if fixed else domain
    if not isinstance(statement, (Identity, Inequality)) or _is_empty(statement):
        return None
    return replace(claim, statement=statement, domain=_completed(statement, restricted), checks=())


def _is_empty(statement: Identity | Inequality) -> bool:
    """Whether a side has become zero, or no letter is left: what then holds says nothing about the claim."""
    zero = any(side == 0 or isinstance(side, sp.ZeroMatrix) for side in (statement.lhs, statement.rhs))
    return zero or not letters(statement)
