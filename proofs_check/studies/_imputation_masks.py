"""The exchangeable laws of a mask, in numbers: rates, their moments, and the probability of one pattern.

    bernoulli      rho            each entry is observed with probability ρ, independently
    size           size           exactly k entries are observed
    beta           rate=(a, b)    a rate from Beta(a, b) for each row, then independently
    exchangeable   moments        [r₁, …, r_d], r_j = P(j given entries are observed)
    bert           rho            not exchangeable: 1 − ρ are selected, 10 % of these kept, 10 % replaced, 80 % masked

P(exactly these j entries of d are observed) = Σ_i (−1)^i C(d − j, i) r_{j+i}; for the named laws it is written as the
product or quotient that it is, which does not cancel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import betaln

from ._imputation_model import effective_rates

__all__ = ["MaskLaw", "mask_law", "number", "probability"]

LAWS = {"bernoulli": "rho", "size": "size", "beta": "rate", "exchangeable": "moments", "bert": "rho"}


def number(name: str, given: Any, what: str) -> float:
    """A finite real number.

    >>> number("rho", 1, "a probability")
    1.0
    """
    if isinstance(given, (bool, np.bool_)) or not isinstance(given, (int, float, np.integer, np.floating)):
        raise ValueError(f"expected a real number {name}, {what}, got {name}={given!r}")
    if not math.isfinite(given):
        raise ValueError(f"expected a finite number {name}, {what}, got {name}={given!r}")
    return float(given)


def probability(name: str, given: Any) -> float:
    """A number in (0, 1]."""
    value = number(name, given, "a probability of being observed")
    if not 0 < value <= 1:
        raise ValueError(f"expected 0 < {name} <= 1, got {name}={given!r}; {name} is the probability of being observed")
    return value


@dataclass(frozen=True)
class MaskLaw:
    """An exchangeable mask of d entries, by its kind and numbers.

    >>> MaskLaw("size", (2.0,), 4).moment(2)
    0.16666666666666666
    """

    kind: str
    parameters: tuple[float, ...]
    d: int

    def moment(self, j: int) -> float:
        """r_j = P(j given entries are observed)."""
        if j > self.d:
            return 0.0
        if self.kind == "bernoulli":
            return self.parameters[0] ** j
        if self.kind == "size":
            return math.prod((self.parameters[0] - i) / (self.d - i) for i in range(j))
        if self.kind == "beta":
            a, b = self.parameters
            return math.prod((a + i) / (a + b + i) for i in range(j))
        if j > len(self.parameters):
            raise ValueError(
                f"expected at least {j} moments of the mask, got {len(self.parameters)}; give moments=[r1, ..., r{j}]"
            )
        return self.parameters[j - 1] if j else 1.0

    def pattern(self, j: int) -> float:
        """P(exactly these j entries are observed, the other d − j missing)."""
        d = self.d
        if self.kind == "bernoulli":
            (rate,) = self.parameters
            return rate**j * (1 - rate) ** (d - j)
        if self.kind == "size":
            return 1 / math.comb(d, j) if j == self.parameters[0] else 0.0
        if self.kind == "beta":
            a, b = self.parameters
            return math.exp(betaln(a + j, b + d - j) - betaln(a, b))
        return sum((-1) ** i * math.comb(d - j, i) * self.moment(j + i) for i in range(d - j + 1))

    def rate(self, loss: str) -> float:
        """The effective rate ρ of a loss.

        Raises:
            ValueError: where no entry is ever observed beside one that counts.
        """
        if self.kind == "bernoulli":
            return self.parameters[0]
        above, below = effective_rates(loss, self.moment(1), self.moment(2), self.moment(3) if loss != "all" else 0.0)
        if not below > 0:
            raise ValueError(
                f"expected a mask with entries both observed and missing, got P(one observed"
                f"{'' if loss == 'all' else ', another missing'}) = {below!r}; there is nothing to impute from"
            )
        return min(max(above / below, 0.0), 1.0)


def mask_law(d: int, mask: str = "bernoulli", rho: Any = None, size: Any = None, rate: Any = None, moments: Any = None):
    """The law named by `mask`, its numbers checked.

    Raises:
        ValueError: for an unknown name, a missing or a superfluous number, and values out of range.

    >>> mask_law(3, "beta", rate=(2, 2)).rate("all")
    0.6
    """
    if mask not in LAWS:
        raise ValueError(f"expected one of {', '.join(LAWS)} for mask, got mask={mask!r}")
    given = {"rho": rho, "size": size, "rate": rate, "moments": moments}
    name = LAWS[mask]
    if given[name] is None:
        raise ValueError(f"expected {name} for mask={mask!r}, got {name}=None")
    others = [other for other, value in given.items() if value is not None and other != name]
    if others:
        raise ValueError(f"expected {name} alone for mask={mask!r}, got {others[0]}={given[others[0]]!r} as well")
    if mask in ("bernoulli", "bert"):
        return MaskLaw(mask, (probability("rho", rho),), d)
    if mask == "size":
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or not 1 <= size <= d:
            raise ValueError(f"expected a whole number of observed entries, 1 <= size <= {d}, got size={size!r}")
        return MaskLaw(mask, (float(size),), d)
    numbers = tuple(number(name, value, f"one of {name}") for value in np.ravel(np.asarray(given[name], dtype=object)))
    if mask == "beta":
        if len(numbers) != 2 or min(numbers) <= 0:
            raise ValueError(f"expected rate=(a, b) with a, b > 0, for Beta(a, b), got rate={rate!r}")
    elif list(numbers) != sorted(numbers, reverse=True) or not numbers or not 0 <= numbers[-1] <= numbers[0] <= 1:
        raise ValueError(f"expected probabilities 1 >= r1 >= r2 >= ... >= 0, got moments={moments!r}")
    return MaskLaw(mask, numbers, d)
