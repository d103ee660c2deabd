"""A mean travels with its standard error and its count.

    θ̂ = (1/n) Σᵢ yᵢ,    standard error = √(s²/n),    s² = Σᵢ (yᵢ − θ̂)²/(n − 1)

Two estimates from independent samples merge into the estimate of the joined sample, without
the samples: the sums of squared deviations S add up to S_a + S_b + δ² n_a n_b/(n_a + n_b), where δ is
the difference of the means.

Reference: Chan, Golub, LeVeque, Updating formulae and a pairwise algorithm for computing sample
variances (1979).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Estimate"]


@dataclass(frozen=True)
class Estimate:
    """A sample mean with its standard error and its count.

    Args:
        mean: the sample mean, finite.
        standard_error: of the mean, nonnegative; infinite for a single sample.
        count: the number of samples, at least 1.

    Raises:
        ValueError: for a mean that is not finite, a negative standard error or a count below 1.

    >>> Estimate.from_samples([1.0, 2.0, 3.0]) + Estimate.from_samples([4.0, 5.0])
    Estimate(mean=3.0, standard_error=0.7071067811865476, count=5)
    >>> print(Estimate(0.123451, 0.000123, 1_000_000))
    0.12345 ± 0.00012 (n = 1e6)
    """

    mean: float
    standard_error: float
    count: int

    def __post_init__(self) -> None:
        if isinstance(self.count, bool) or not isinstance(self.count, (int, np.integer)) or self.count < 1:
            raise ValueError(f"expected an integer count >= 1, got count={self.count!r}")
        if not math.isfinite(self.mean):
            raise ValueError(f"expected a finite mean, got mean={self.mean!r}")
        if not self.standard_error >= 0:
            raise ValueError(f"expected standard_error >= 0, got standard_error={self.standard_error!r}")
        object.__setattr__(self, "mean", float(self.mean))
        object.__setattr__(self, "standard_error", float(self.standard_error))
        object.__setattr__(self, "count", int(self.count))

    @classmethod
    def from_samples(cls, samples: ArrayLike) -> Estimate:
        """The estimate from the samples y₁, …, y_n, a vector of finite numbers.

        Raises:
            ValueError: if there is no sample, or one is not finite (its index is named).
        """
        values = np.asarray(samples, dtype=float)
        if values.ndim != 1 or not values.size:
            raise ValueError(f"expected a vector of at least one sample, got shape {values.shape}")
        if not np.isfinite(values).all():
            at = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(f"expected finite samples, got {float(values[at])!r} at index {at}")
        mean = float(values.mean())
        deviations = values - mean
        return cls._from_squares(mean, float(deviations @ deviations), values.size)

    @classmethod
    def _from_squares(cls, mean: float, squares: float, count: int) -> Estimate:
        return cls(mean, math.sqrt(squares / (count - 1) / count) if count > 1 else math.inf, count)

    @property
    def _squares(self) -> float:
        """Σᵢ (yᵢ − θ̂)²."""
        return self.standard_error**2 * (self.count - 1) * self.count if self.count > 1 else 0.0

    def __add__(self, other: Estimate) -> Estimate:
        """The estimate of the joined sample; the two samples must be independent."""
        if not isinstance(other, Estimate):
            return NotImplemented
        count = self.count + other.count
        difference = other.mean - self.mean
        mean = self.mean + difference * (other.count / count)
        squares = self._squares + other._squares + difference**2 * (self.count * (other.count / count))
        return self._from_squares(mean, squares, count)

    @property
    def standard_deviation(self) -> float:
        """Of one sample, s; infinite when there is only one."""
        return self.standard_error * math.sqrt(self.count)

    @property
    def relative_error(self) -> float:
        """The standard error over the size of the mean; infinite for a mean of 0."""
        return self.standard_error / abs(self.mean) if self.mean else math.inf

    def interval(self, standard_errors: float = 2.0) -> tuple[float, float]:
        """The mean ± so many standard errors.

        The confidence of such an interval is known for nearly normal means only; a check takes its
        false-alarm rate from `numerics.e_process` instead.

        >>> Estimate(1.0, 0.25, 100).interval(2)
        (0.5, 1.5)
        """
        if not standard_errors > 0:
            raise ValueError(f"expected standard_errors > 0, got standard_errors={standard_errors!r}")
        return (
            self.mean - standard_errors * self.standard_error,
            self.mean + standard_errors * self.standard_error,
        )

    def __str__(self) -> str:
        mean, error, power = self._digits()
        body = f"{mean} ± {error}" if not power else f"({mean} ± {error})e{power}"
        digits, exponent = _count(self.count)
        return f"{body} (n = {digits}{f'e{exponent}' if exponent else ''})"

    def _repr_latex_(self) -> str:
        mean, error, power = self._digits()
        error = error.replace("inf", r"\infty")
        body = rf"{mean} \pm {error}" if not power else rf"({mean} \pm {error}) \times 10^{{{power}}}"
        digits, exponent = _count(self.count)
        count = digits if not exponent else ("" if digits == "1" else rf"{digits} \times ") + f"10^{{{exponent}}}"
        return rf"${body} \; (n = {count})$".replace(",", "{,}")

    def _digits(self) -> tuple[str, str, int]:
        """Mean and error to two digits of the error, and a common power of ten."""
        if not 0 < self.standard_error < math.inf:
            return f"{self.mean:.6g}", f"{self.standard_error:.0f}" if self.standard_error == 0 else "inf", 0
        size = math.floor(math.log10(max(abs(self.mean), self.standard_error)))
        power = size if size < -4 or size > 6 else 0
        mean, error = self.mean / 10.0**power, self.standard_error / 10.0**power
        decimals = max(0, 1 - math.floor(math.log10(error)))
        return f"{mean:.{decimals}f}", f"{error:.{decimals}f}", power


def _count(count: int) -> tuple[str, int]:
    """A count as digits and a power of ten: 1000000 as (1, 6), 123456 as (123,456, 0)."""
    if count < 100_000:
        return f"{count:,}", 0
    digits, exponent = f"{count:.2e}".split("e")
    return digits.rstrip("0").rstrip("."), int(exponent)
