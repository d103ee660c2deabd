"""Basins of attraction: how often descent from random starts ends where.

    k of n starts end at a limit:    k/n,  and an interval that holds its probability with a confidence 1 − α

The interval is that of Clopper and Pearson (1934), from the binomial law itself: its ends are the quantiles

    low = B(α/2; k, n − k + 1),    high = B(1 − α/2; k + 1, n − k)

of beta laws, 0 and 1 for k = 0 and k = n. It covers with probability at least 1 − α for every n, small ones too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from .trajectory import Ending, Trajectory

__all__ = ["Basin", "Basins", "basins", "binomial_interval"]

Limits = Mapping[str, Callable[[dict[str, np.ndarray]], np.ndarray]]


def binomial_interval(count: int, trials: int, alpha: float = 0.05) -> tuple[float, float]:
    """The Clopper-Pearson interval of a probability from a count; confidence at least 1 − α.

    >>> tuple(round(end, 4) for end in binomial_interval(30, 30))
    (0.8843, 1.0)
    """
    for name, number, least in (("count", count, 0), ("trials", trials, 1)):
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < least:
            raise ValueError(f"expected an integer {name} >= {least}, got {name}={number!r}")
    if count > trials:
        raise ValueError(f"expected count <= trials, got count={count}, trials={trials}")
    if not 0 < alpha < 1:
        raise ValueError(f"expected 0 < alpha < 1, got alpha={alpha!r}")
    low = float(betaincinv(count, trials - count + 1, alpha / 2)) if count else 0.0
    # 1 − betaincinv(a, b, p) is taken from the other tail, which keeps the digits of a small α.
    high = 1.0 - float(betaincinv(trials - count, count + 1, alpha / 2)) if count < trials else 1.0
    return low, high


@dataclass(frozen=True)
class Basin:
    """How many starts ended at one limit.

    Args:
        limit: its name.
        count: of the starts that ended there.
        starts: of all.
        interval: of the probability, with the confidence of the `Basins`.
    """

    limit: str
    count: int
    starts: int
    interval: tuple[float, float]

    @property
    def frequency(self) -> float:
        """count/starts."""
        return self.count / self.starts

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.limit}: {self.count} of {self.starts}, probability in [{low:.4f}, {high:.4f}]"


@dataclass(frozen=True)
class Basins:
    """The basins of some limits, and what is left.

    Args:
        basins: one a limit, in the order given.
        elsewhere: starts that ended at none of the limits, as a basin.
        alpha: each interval covers with probability at least 1 − α.
        endings: how many starts ended how.
    """

    basins: tuple[Basin, ...]
    elsewhere: Basin
    alpha: float
    endings: tuple[tuple[Ending, int], ...]

    def __getitem__(self, limit: str) -> Basin:
        for basin in (*self.basins, self.elsewhere):
            if basin.limit == limit:
                return basin
        raise KeyError(f"no limit {limit!r}; there are {', '.join(basin.limit for basin in self.basins)}")

    def __str__(self) -> str:
        lines = [str(basin) for basin in (*self.basins, self.elsewhere)]
        return "\n".join([*lines, f"each interval with confidence {1 - self.alpha:.10g}, by Clopper and Pearson"])


def basins(trajectory: Trajectory, limits: Limits, alpha: float = 0.05) -> Basins:
    """Where the starts of a trajectory have ended, with confidence intervals.

    Args:
        trajectory: of many independent starts.
        limits: by name a function of `trajectory.final` that says, for every start, whether it ended there.
        alpha: error probability of each interval.

    Raises:
        ValueError: for a single start, an answer that is not one boolean a start, or limits that overlap.

    >>> import sympy as sp
    >>> from theory.risk import Risk
    >>> from .descent import projected_gradient_descent
    >>> x = sp.Symbol("x", real=True)
    >>> starts = {"x": np.random.default_rng(0).standard_normal(300)}
    >>> path = projected_gradient_descent(Risk((x**2 - 1)**2, (x,)), starts, step=0.05, steps=500)
    >>> found = basins(path, {"left": lambda end: end["x"] < -0.9, "right": lambda end: end["x"] > 0.9})
    >>> found["left"].count + found["right"].count
    300
    >>> found["left"].interval[0] < 0.5 < found["left"].interval[1]
    True
    """
    if trajectory.risk.ndim != 2:
        raise ValueError("expected a trajectory of many starts, got one of a single start")
    starts = trajectory.risk.shape[1]
    usable = np.array([ending in (Ending.CONVERGED, Ending.TIME_UP) for ending in trajectory.endings])
    taken = np.zeros(starts, dtype=bool)
    found = []
    for name, belongs in limits.items():
        there = np.asarray(belongs(trajectory.final))
        if there.shape != (starts,) or there.dtype != bool:
            raise ValueError(f"expected {starts} booleans from the limit {name!r}, got {there.dtype} of {there.shape}")
        there = there & usable  # a start that was lost on the way has no limit
        if (taken & there).any():
            raise ValueError(f"expected limits that do not overlap; start {int(np.argmax(taken & there))} is at two")
        taken |= there
        found.append(_basin(name, int(there.sum()), starts, alpha))
    counts = tuple((ending, trajectory.endings.count(ending)) for ending in Ending if ending in trajectory.endings)
    return Basins(tuple(found), _basin("elsewhere", int((~taken).sum()), starts, alpha), alpha, counts)


def _basin(name: str, count: int, starts: int, alpha: float) -> Basin:
    return Basin(name, count, starts, binomial_interval(count, starts, alpha))
