"""Evidence against a mean that may be looked at at any time: the Catoni e-process.

Losses of attention layers are products of Gaussians, and their averages are far from normal: for x⁸
and a thousand draws a six-sigma test rejects the true mean in 1.5 % of runs. The process of this file
assumes a bound on the variance and nothing else.

Draws y₁, y₂, … are independent given the past; the hypothesis is E y = θ and Var y ≤ v. With

    u = (y − θ)/√v,    φ(x) = sign(x) log(1 + |x| + x²/2),    λ_k = ±2^(−k),  k = 1, …, 12,

the wealth of the bet λ after n draws and the e-process are

    W_n(λ) = exp(Σᵢ φ(λ uᵢ) − n log(1 + λ²/2)),        M_n = (1/24) Σ_k W_n(λ_k).

*Why it is safe.* For x ≥ 0, e^φ(x) = 1 + x + x²/2. For x < 0, e^φ(x) = 1/(1 − x + x²/2), and

    (1 + x + x²/2)(1 − x + x²/2) = (1 + x²/2)² − x² = 1 + x⁴/4 ≥ 1,

so that e^φ(x) ≤ 1 + x + x²/2 for every x. Under the hypothesis E u = 0 and E u² ≤ 1, hence

    E[e^φ(λu) | past] ≤ 1 + λ E u + λ² E u²/2 ≤ 1 + λ²/2.

Each W_n(λ) is therefore a nonnegative supermartingale that starts at 1, and so is their mean M_n. By
Ville's inequality M ever crosses 1/α with probability at most α: one may look as often as one likes and
stop when one likes. φ grows like a logarithm, so that one large draw cannot ruin a bet or make one.

*What may be combined.* The *running maximum* of M is what is compared with 1/α; it is not itself an
e-value and must not be multiplied. The value M at a stopping time is an e-value (its mean is at most one),
and e-values of independent examples multiply: see `combined`. Or the same bets go on from one example to
the next: see `carried_on`. The mean of two such processes is another one.

*Power.* Against a true mean at distance a√v from θ, the best bet is λ ≈ a and log M grows like n a²/2: about
2 ln(2/α)/a² draws refute θ. The smallest bet, 2^(−12), limits what can be told apart: a must exceed 2^(−13).

References: Catoni (2012), Ann. IHP 48, 1148; Wang and Ramdas (2023), arXiv 2202.01250; Ville (1939).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = [
    "SMALLEST_BET",
    "BoundProcess",
    "CatoniProcess",
    "carried_on",
    "combined",
    "doubling_batches",
    "expected_samples",
]

_BETS = 2.0 ** -np.arange(1, 13)
_COMPENSATION = np.log1p(_BETS**2 / 2)
_FRACTIONS_ON_THE_BOUND = 4.0 ** -np.arange(1, 7)
_FRACTIONS_ON_AN_EXAMPLE = 2.0 ** -np.arange(0, 8)

# Blocks of draws small enough for three of them to stay in the first-level cache.
_BLOCK = 4096

# Beyond this size a standardized draw is cut, so that its square does not overflow. The inequality
# e^φ(x) ≤ 1 + x + x²/2 of the proof survives the cut: for x > 0 the left side becomes smaller, and for
# x < 0 it becomes at most 1, below a right side of order x².
_CUT = 1e150

SMALLEST_BET = float(_BETS[-1])
"""The smallest bet, 2^(−12): deviations below half of it, in units of √v, cannot be told from zero."""


@dataclass(frozen=True, eq=False)
class CatoniProcess:
    """Evidence against each of several hypotheses E y = θ, given Var y ≤ v, from one stream of draws.

        M_n(θ) = (1/24) Σ_k exp(Σᵢ φ(λ_k (yᵢ − θ)/√v) − n log(1 + λ_k²/2))

    The object is a state and does not change: `update` returns the next one. Its largest value over the
    ends of the updates is kept, since this is what may be compared with 1/α at any time.

    Args:
        hypotheses: the values θ, finite.
        variance_bound: v > 0, a proven upper bound of Var y under every one of the hypotheses.

    Raises:
        ValueError: for a hypothesis that is not finite or a bound that is not finite and positive.

    Source: see the head of this file, with the proof.

    >>> draws = np.random.default_rng(0).normal(loc=1.0, size=10_000)
    >>> process = CatoniProcess((1.0, 1.2), variance_bound=1.0).update(draws)
    >>> [bool(refuted) for refuted in process.refutes(alpha=1e-6)]
    [False, True]
    """

    hypotheses: tuple[float, ...]
    variance_bound: float
    count: int = 0
    growth: np.ndarray = field(default=None, repr=False)  # type: ignore[arg-type]
    log_maxima: np.ndarray = field(default=None, repr=False)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        hypotheses = tuple(float(theta) for theta in self.hypotheses)
        object.__setattr__(self, "hypotheses", hypotheses)
        if not hypotheses or not all(map(math.isfinite, hypotheses)):
            raise ValueError(f"expected finite hypotheses on the mean, got {hypotheses}")
        if not (math.isfinite(self.variance_bound) and self.variance_bound > 0):
            raise ValueError(
                f"expected a finite, positive variance bound, got variance_bound={self.variance_bound}; "
                "where the variance is infinite, plain sampling proves nothing: tilt or condition instead"
            )
        if self.growth is None:
            object.__setattr__(self, "growth", np.zeros((len(hypotheses), len(_BETS))))
            object.__setattr__(self, "log_maxima", np.zeros(len(hypotheses)))

    def update(self, draws: np.ndarray) -> CatoniProcess:
        """The process after further draws, an array of shape (n,).

        Raises:
            ValueError: if a draw is not finite.
        """
        draws = _finite_draws(draws)
        growth = self.growth.copy()
        scale = 1 / math.sqrt(self.variance_bound)
        for start in range(0, len(draws), _BLOCK):
            block = draws[start : start + _BLOCK]
            for row, theta in zip(growth, self.hypotheses, strict=True):
                row += _sums_of_phi((block - theta) * scale)
        following = CatoniProcess(
            self.hypotheses, self.variance_bound, self.count + len(draws), growth, self.log_maxima
        )
        maxima = np.maximum(self.log_maxima, following.log_e_values)
        object.__setattr__(following, "log_maxima", maxima)
        return following

    @property
    def log_e_values(self) -> np.ndarray:
        """log M_n(θ), one for each hypothesis; the mean of M_n is at most one under its hypothesis."""
        return np.logaddexp(self.log_e_too_low, self.log_e_too_high) - math.log(2)

    @property
    def log_e_too_low(self) -> np.ndarray:
        """The mean over the twelve bets λ > 0 only: evidence that θ is too low, against E y ≤ θ.

        It decreases with θ, draw by draw, so that what refutes θ refutes every smaller mean as well.
        """
        return _log_sum_exp(self.growth - self.count * _COMPENSATION) - math.log(len(_BETS))

    @property
    def log_e_too_high(self) -> np.ndarray:
        """The mean over the twelve bets λ < 0 only: evidence that θ is too high, against E y ≥ θ."""
        return _log_sum_exp(-self.growth - self.count * _COMPENSATION) - math.log(len(_BETS))

    def refutes(self, alpha: float) -> np.ndarray:
        """Which hypotheses have been refuted so far: the running maximum of M has reached 1/α.

        A true hypothesis is refuted, ever, with probability at most α.
        """
        return self.log_maxima >= _log_of_inverse(alpha)


@dataclass(frozen=True, eq=False)
class BoundProcess:
    """Evidence that nonnegative draws have a mean above a bound: a variance bound is a claim too.

        B_n = (1/6) Σ_w Πᵢ (1 + w (zᵢ/b − 1)),    w = 4^(−1), …, 4^(−6)

    With z ≥ 0 and E z ≤ b every factor is positive and has mean at most one, so that B_n is a
    nonnegative supermartingale, whatever the tails of z. Put z = y² for a second moment, and
    z = (y − y′)²/2 with independent y, y′ for a variance, which needs no mean.

    Args:
        bound: b > 0.

    >>> draws = np.random.default_rng(0).normal(size=10_000)
    >>> [bool(BoundProcess(b).update(draws**2).refutes(1e-6)) for b in (1.0, 0.8)]
    [False, True]
    """

    bound: float
    count: int = 0
    log_wealth: np.ndarray = field(default=None, repr=False)  # type: ignore[arg-type]
    log_maximum: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.bound) and self.bound > 0):
            raise ValueError(f"expected a finite, positive bound, got bound={self.bound}")
        if self.log_wealth is None:
            object.__setattr__(self, "log_wealth", np.zeros(len(_FRACTIONS_ON_THE_BOUND)))

    def update(self, draws: np.ndarray) -> BoundProcess:
        """The process after further draws, an array of shape (n,) of nonnegative numbers."""
        draws = _finite_draws(draws)
        if np.any(draws < 0):
            raise ValueError(f"expected nonnegative draws, got {draws.min()}")
        log_wealth = self.log_wealth.copy()
        for start in range(0, len(draws), _BLOCK):
            gain = draws[start : start + _BLOCK] / self.bound - 1
            for index, fraction in enumerate(_FRACTIONS_ON_THE_BOUND):
                log_wealth[index] += np.log(1 + fraction * gain).sum()
        following = BoundProcess(self.bound, self.count + len(draws), log_wealth)
        maximum = max(self.log_maximum, following.log_e_value)
        return BoundProcess(self.bound, following.count, log_wealth, maximum)

    @property
    def log_e_value(self) -> float:
        """log B_n."""
        return float(_log_sum_exp(self.log_wealth)) - math.log(len(_FRACTIONS_ON_THE_BOUND))

    def refutes(self, alpha: float) -> bool:
        """Whether the bound has been refuted so far; a true bound is with probability at most α."""
        return self.log_maximum >= _log_of_inverse(alpha)


def combined(log_e_values: Sequence[float] | np.ndarray) -> float:
    """The e-value, as a logarithm, of all of several independent examples being as claimed.

        (1/8) Σ_w Π_j (1 − w + w E_j),    w = 1, 1/2, …, 1/128

    w is the fraction of the wealth that is put on each example. w = 1 is the product of the e-values,
    the best when every example is a little off; small w stays near their sum, the best when a few
    are far off and the others, where the formula is right, would eat the product up. Each
    product has mean at most one when every claim is true, and it may be followed example by example.

    Args:
        log_e_values: log E_j at a stopping time of each example, not its running maximum.

    >>> round(combined([3.0] * 20), 1)              # twenty weak witnesses: 60 − log 8
    57.9
    >>> round(combined([40.0] + [-2.0] * 49), 1)    # one strong one, which the product (−58) would lose
    34.3
    """
    each = np.asarray(log_e_values, dtype=float)
    with np.errstate(divide="ignore"):  # log(1 − w) at w = 1: nothing is held back
        kept = np.log1p(-_FRACTIONS_ON_AN_EXAMPLE)[:, None]
    wealth = np.logaddexp(kept, np.log(_FRACTIONS_ON_AN_EXAMPLE)[:, None] + each[None, :]).sum(axis=1)
    return float(_log_sum_exp(wealth)) - math.log(len(_FRACTIONS_ON_AN_EXAMPLE))


def carried_on(processes: Sequence[CatoniProcess]) -> CatoniProcess:
    """One process through several independent examples, each with its own mean and variance bound.

        W(λ) = Π_j W_j(λ) = exp(Σ_j Σᵢ φ(λ u_ij) − Σ_j n_j log(1 + λ²/2)),    u_ij = (y_ij − θ_j)/√v_j

    This is the process of the standardized draws, whose hypothesis is mean 0 and variance at most 1. An error
    of the same sign and about the same relative size at every example is found with the samples of all
    of them together, where a product of e-values pays for the choice of a bet at each example anew.

    Args:
        processes: the states at the examples, with equally many hypotheses each.

    >>> rng = np.random.default_rng(0)
    >>> each = [CatoniProcess((1.03,), 2.0).update(rng.normal(size=10_000)**2) for _ in range(20)]
    >>> bool(max(process.log_e_values[0] for process in each) < 5 < carried_on(each).log_e_values[0])
    True
    """
    growth = np.sum([process.growth for process in processes], axis=0)
    count = sum(process.count for process in processes)
    total = CatoniProcess((0.0,) * len(growth), 1.0, count, growth, np.zeros(len(growth)))
    object.__setattr__(total, "log_maxima", np.maximum(0.0, total.log_e_values))
    return total


def doubling_batches(total: int, first: int = 256, largest: int = 65_536) -> Iterator[int]:
    """Sizes of batches that double the number of draws until `largest`, and end at `total` in all.

    >>> list(doubling_batches(5000, first=500, largest=2000))
    [500, 500, 1000, 2000, 1000]
    """
    done, size = 0, first
    while done < total:
        size = min(max(first, done), largest, total - done)
        done += size
        yield size


def expected_samples(alpha: float, deviation: float) -> int:
    """About how many draws refute a mean that is off by `deviation` times √v.

        n ≈ 2 log(2/α) / deviation²

    For a formula that is off by a factor 1 + δ, deviation = δ/cv with cv = √v/|θ|.

    >>> expected_samples(1e-6, 0.01)
    290174
    """
    return math.ceil(2 * math.log(2 / alpha) / deviation**2)


def _sums_of_phi(standardized: np.ndarray) -> np.ndarray:
    """Σᵢ φ(λ_k uᵢ) for the twelve positive bets; φ is odd, so the negative ones come for free."""
    sign = np.sign(standardized)
    size = np.minimum(np.abs(standardized), _CUT)
    sums = np.empty(len(_BETS))
    work = np.empty_like(size)
    for index in range(len(_BETS)):
        size *= 0.5  # now λ_k |u|
        np.multiply(size, 0.5, out=work)
        work += 1.0
        work *= size
        work += 1.0
        np.log(work, out=work)
        sums[index] = np.dot(sign, work)
    return sums


def _log_sum_exp(exponents: np.ndarray) -> np.ndarray:
    """log Σ exp over the last axis, without overflow."""
    largest = exponents.max(axis=-1, keepdims=True)
    return np.log(np.exp(exponents - largest).sum(axis=-1)) + largest[..., 0]


def _log_of_inverse(alpha: float) -> float:
    if not 0 < alpha < 1:
        raise ValueError(f"expected a false-alarm rate 0 < alpha < 1, got alpha={alpha}")
    return -math.log(alpha)


def _finite_draws(draws: np.ndarray) -> np.ndarray:
    draws = np.asarray(draws, dtype=float)
    if draws.ndim != 1:
        raise ValueError(f"expected draws of shape (n,), got shape {draws.shape}")
    finite = np.isfinite(draws)
    if not finite.all():
        raise ValueError(f"expected finite draws, got {draws[~finite][0]} as number {int(np.argmin(finite))}")
    return draws
