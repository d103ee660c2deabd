"""Following a claimed mean on fresh draws until it is refuted or resolved, with no normality assumed.

A formula θ claims to be the mean of random numbers y. The Catoni e-process of `numerics.e_process` follows
the hypothesis θ and its two neighbours θ ± Δ on the same draws:

    refuted      the e-process of θ crosses 1/α;
    holds to Δ   those of θ + Δ and of θ − Δ cross 1/α and that of θ does not;
    undecided    the draws end first.

The resolution δ is relative, Δ = δ max(|θ|, √v), because θ may be zero. What makes this a proof up to α is
the bound v on the variance of y, which is therefore a part of the claim: either a bound on Var y itself, or
a bound S on the second moment, from which Var y ≤ S − θ² under the hypothesis. Such a bound comes from the
exact engine (E of the squared loss, by the same rules), or from an inequality such as |erf| ≤ 1.

The bound is tested as well, on the same draws and with no assumption at all (`BoundProcess`): where it is
refuted, nothing is concluded. Half of α goes to the formula, half to the bound.

Definitions: `ClaimedMean`, `compare`, `Comparison`; `BoundedFormula`, a claimed mean at every model.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from numerics.compile import value
from numerics.e_process import SMALLEST_BET, BoundProcess, CatoniProcess, doubling_batches, expected_samples
from numerics.estimate import Estimate
from theory.statement import Agreement

from .check import Checkable
from .verdict import Witness

__all__ = [
    "BoundedFormula",
    "ClaimedMean",
    "Comparison",
    "bound_refuted",
    "bounded_formula",
    "compare",
    "described",
    "what_to_raise",
]

Model = Mapping[str, Any]
"""The keyword values of a simulator: arrays for vectors, numbers for the rest."""

Formula = Any
"""An expression, a risk, a number, or a callable that takes the model's keywords: `formula(**model)`."""

Draw = Callable[[np.random.Generator, int], np.ndarray]
"""`draw(rng, n)`: n independent losses, shape (n,)."""

# Batches double up to this many draws: a quarter of a second for ten tokens in 50 dimensions.
_CHUNK = 2**16


@dataclass(frozen=True)
class ClaimedMean:
    """A claim on the mean of a random number, E y = θ, with the bound that makes it testable.

    Exactly one of the two bounds is given:

        E y² ≤ second_moment,    or    Var y ≤ variance.

    Args:
        formula: θ.
        second_moment: a proven upper bound of E y².
        variance: a proven upper bound of Var y.

    Raises:
        ValueError: for two bounds, or a bound that is negative or not a number.
    """

    formula: float
    second_moment: float | None = None
    variance: float | None = None

    def __post_init__(self) -> None:
        if self.second_moment is not None and self.variance is not None:
            raise ValueError("expected one bound, got second_moment and variance; give the sharper one")
        if self.bound is not None and not self.bound >= 0:
            raise ValueError(f"expected a nonnegative {self.name_of_bound}, got {self.bound}")

    @property
    def bound(self) -> float | None:
        """The bound that was given."""
        return self.variance if self.second_moment is None else self.second_moment

    @property
    def name_of_bound(self) -> str:
        """What the bound bounds."""
        return "variance" if self.second_moment is None else "second_moment"

    @property
    def scale(self) -> float:
        """max(|θ|, √v), to which the resolution is relative."""
        if self.second_moment is None:
            return max(abs(self.formula), math.sqrt(self.variance or 0.0))
        return max(abs(self.formula), math.sqrt(max(self.second_moment - self.formula**2, 0.0)))

    def variance_bound(self, tolerance: float) -> float:
        """v, a bound of Var y under each of the hypotheses θ, θ + Δ and θ − Δ.

            v = S − max(|θ| − Δ, 0)²

        from Var y = E y² − (E y)². Where θ² > S, the formula contradicts S,
        and v = S is taken, which always holds.
        """
        if self.second_moment is None:
            return float(self.variance or 0.0)
        reduced = self.second_moment - max(abs(self.formula) - tolerance, 0.0) ** 2
        return reduced if reduced > 0 else self.second_moment

    def refusal(self) -> str:
        """Why sampling cannot test this claim, with what to do instead; empty when it can."""
        if not math.isfinite(self.formula):
            return f"the formula is {self.formula}, not a finite number"
        if self.bound is None:
            return (
                "no variance bound: give second_moment= or variance=, a proven upper bound of E y² or Var y; "
                "without one, no number of samples proves anything"
            )
        if math.isinf(self.bound):
            return (
                f"the {self.name_of_bound} is infinite, and plain sampling is refused: tilt the law, or "
                "condition on one Gaussian, so that the variance becomes finite"
            )
        if self.bound == 0:
            return f"the {self.name_of_bound} is 0: the loss is a constant; compare it by CertifiedNumerics"
        return ""


@dataclass(frozen=True)
class Comparison:
    """What the draws say about one claimed mean.

    Args:
        claimed: the claim.
        tolerance: Δ, the absolute resolution.
        variance_bound: v.
        estimate: mean, standard error and count of the draws.
        log_e_value: the largest value so far of the log e-process of θ.
        is_refuted: θ was refuted.
        is_resolved: θ + Δ and θ − Δ were refuted, and θ was not.
        bound_is_refuted: the bound was refuted; nothing else may be concluded.
    """

    claimed: ClaimedMean
    tolerance: float
    variance_bound: float
    estimate: Estimate
    log_e_value: float
    is_refuted: bool
    is_resolved: bool
    bound_is_refuted: bool

    def e_value(self) -> str:
        """The e-value as text; it may lie beyond the range of floats."""
        return f"10^{self.log_e_value / math.log(10):.1f}"

    def witness(self, model: Model, note: str = "") -> Witness:
        """The model with both values."""
        estimate = self.estimate
        found = f"{estimate.mean:.6g} ± {estimate.standard_error:.2g} ({estimate.count:,} samples)"
        parts = [f"estimate ± standard error against the formula, e-value {self.e_value()}", note]
        return Witness(as_point(model), found, f"{self.claimed.formula:.10g}", "; ".join(filter(None, parts)))


def compare(
    draw: Draw,
    claimed: ClaimedMean,
    rng: np.random.Generator,
    *,
    resolution: float = 0.01,
    absolute: float | None = None,
    alpha: float = 1e-6,
    max_samples: int = 2**22,
    seconds: float = math.inf,
) -> Comparison:
    """Follow a claimed mean on fresh draws until it is refuted or resolved, or the budget ends.

    Args:
        draw: `draw(rng, n)` gives n independent values, shape (n,).
        claimed: the claim with its bound.
        rng: the only source of randomness.
        resolution: δ; the tolerance is Δ = δ max(|θ|, √v).
        absolute: Δ itself, which then overrides the resolution.
        alpha: probability of an alarm when claim and bound are true; also the probability of *resolved* when
            the mean is at θ ± Δ.
        max_samples: at most so many draws.
        seconds: at most so much time.

    Raises:
        ValueError: where sampling cannot decide (`ClaimedMean.refusal`), for a tolerance too small for the
            bets, for a draw that is not a finite number.

    >>> exact = ClaimedMean(1.0, second_moment=3.0)  # E z² = 1, E z⁴ = 3
    >>> rng = np.random.default_rng(0)
    >>> result = compare(lambda rng, n: rng.normal(size=n)**2, exact, rng, resolution=0.05)
    >>> result.is_resolved, result.is_refuted
    (True, False)
    """
    if reason := claimed.refusal():
        raise ValueError(reason)
    tolerance = resolution * claimed.scale if absolute is None else absolute
    v = claimed.variance_bound(tolerance)
    smallest = SMALLEST_BET * math.sqrt(v)
    if not tolerance >= smallest:
        raise ValueError(
            f"expected a tolerance of at least 2^(-12) √v = {smallest:.3g}, got {tolerance:.3g}; "
            "raise the resolution, or lower the variance by conditioning"
        )
    theta = claimed.formula
    process = CatoniProcess((theta, theta + tolerance, theta - tolerance), v)
    bound = BoundProcess(claimed.bound or math.nan)
    threshold = math.log(2 / alpha)
    estimate: Estimate | None = None
    is_refuted = is_resolved = bound_is_refuted = False
    deadline = time.perf_counter() + seconds
    for size in doubling_batches(max_samples, largest=_CHUNK):
        draws = np.asarray(draw(rng, size), dtype=float)
        if draws.shape != (size,):
            raise ValueError(f"expected {size} draws of shape ({size},), got shape {draws.shape}")
        process = process.update(draws)
        bound = bound.update(squares_for_the_bound(draws, claimed))
        batch = Estimate.from_samples(draws)
        estimate = batch if estimate is None else estimate + batch
        bound_is_refuted = bound.refutes(alpha / 2)
        is_refuted = bool(process.log_maxima[0] >= threshold)
        is_resolved = (
            not is_refuted and process.log_e_too_high[1] >= threshold and process.log_e_too_low[2] >= threshold
        )
        if bound_is_refuted or is_refuted or is_resolved or time.perf_counter() > deadline:
            break
    if estimate is None:
        raise ValueError(f"expected a positive number of samples, got max_samples={max_samples}")
    return Comparison(
        claimed,
        tolerance,
        v,
        estimate,
        float(process.log_maxima[0]),
        is_refuted,
        bool(is_resolved),
        bound_is_refuted,
    )


def squares_for_the_bound(draws: np.ndarray, claimed: ClaimedMean) -> np.ndarray:
    """Nonnegative numbers whose mean is what is bounded: y² for E y², (y − y′)²/2 for Var y."""
    if claimed.second_moment is not None:
        return draws**2
    pairs = draws[: len(draws) // 2 * 2].reshape(-1, 2)
    return (pairs[:, 0] - pairs[:, 1]) ** 2 / 2


@dataclass(frozen=True)
class BoundedFormula:
    """A formula for the mean of a loss as a function of the model, with the bound that makes it testable.

    Args:
        formula: see `Formula`; an expression is evaluated at the model's numbers, by name.
        second_moment: bound of E y² at a model; or
        variance: bound of Var y.
        coordinates: for expressions in other letters than the simulator's: `coordinates(**model)` gives the
            values of their symbols, such as the overlaps of the model's vectors.

    >>> s = sp.Symbol("s")
    >>> BoundedFormula(s**2, second_moment=lambda s: 3*s**4).at({"s": 2})
    ClaimedMean(formula=4.0, second_moment=48.0, variance=None)
    """

    formula: Formula
    second_moment: Formula | None = None
    variance: Formula | None = None
    coordinates: Callable[..., Mapping] | None = None

    def at(self, model: Model) -> ClaimedMean:
        """The claim at one model.

        Raises:
            ValueError: if an expression needs a symbol that neither the model nor the coordinates give.
        """
        theta = self._number(self.formula, model)
        if self.second_moment is not None:
            return ClaimedMean(theta, second_moment=self._number(self.second_moment, model))
        if self.variance is not None:
            return ClaimedMean(theta, variance=self._number(self.variance, model))
        return ClaimedMean(theta)

    def __post_init__(self) -> None:
        if self.second_moment is not None and self.variance is not None:
            raise ValueError("expected one bound, got second_moment= and variance=; give the sharper one")

    def _number(self, expression: Formula, model: Model) -> float:
        if isinstance(expression, (int, float)) or expression is sp.oo:
            return float(expression)
        if not hasattr(expression, "free_symbols") and callable(expression):
            return float(expression(**model))
        inner: Any = getattr(expression, "expr", expression)
        free = {str(symbol) for symbol in inner.free_symbols}
        coordinates = self.coordinates(**model) if self.coordinates else model
        known = {str(name): x for name, x in coordinates.items()}
        try:
            return float(value(expression, {name: known[name] for name in sorted(free & set(known))}))
        except ValueError as error:
            if self.coordinates or free <= set(known):
                raise
            raise ValueError(
                f"{error}; where the formula's symbols are not keywords of the model, give coordinates=, a "
                "function from the model's keywords to the values of the symbols"
            ) from error


def bounded_formula(claim: Checkable, check: Any) -> BoundedFormula:
    """The formula of the claim's agreement, with the bound of the check, or else of the statement.

    Raises:
        TypeError: if the statement is of another kind.
    """
    statement = claim.statement
    if not isinstance(statement, Agreement):
        raise TypeError(
            f"expected an Agreement with a simulation for {check.name}, got the "
            f"{type(statement).__name__} of {claim.name}"
        )
    bounds = check.second_moment, check.variance
    if bounds == (None, None):
        bounds = getattr(statement, "second_moment", None), getattr(statement, "variance", None)
    return BoundedFormula(statement.formula, *bounds, check.coordinates)


def as_point(model: Model) -> dict[str, Any]:
    """The model with its arrays as lists of numbers, to every digit, for a witness."""
    return {str(name): x.tolist() if isinstance(x, np.ndarray) else x for name, x in model.items()}


def bound_refuted(claimed: ClaimedMean, model: Model) -> str:
    """The sentence for a bound that the draws refute."""
    return (
        f"the {claimed.name_of_bound} bound {claimed.bound:.6g} is itself refuted at {described(model)}, so "
        "nothing can be said of the formula; correct the bound"
    )


def what_to_raise(unresolved: Sequence[Comparison], models: int, alpha: float) -> str:
    """The sentence for draws that ended before the resolution was reached, with the samples needed."""
    largest = max(expected_samples(alpha / 2, r.tolerance / math.sqrt(r.variance_bound)) for r in unresolved)
    drawn = max(result.estimate.count for result in unresolved)
    return (
        f"at {len(unresolved)} of {models} models an error of the resolution could not be excluded by at "
        f"most {drawn:,} samples; about {2 * largest:,} are needed: raise max_samples, the seconds or the "
        "resolution"
    )


def described(model: Model) -> str:
    """The model in a line, its arrays cut short."""
    parts = []
    for name, x in model.items():
        shown = np.array2string(x, precision=4, threshold=8) if isinstance(x, np.ndarray) else str(x)
        parts.append(f"{name}={' '.join(shown.split())}")
    return ", ".join(parts) or "the only model"
