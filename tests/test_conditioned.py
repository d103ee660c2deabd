"""The second estimator of the single-location risk: the scores are drawn, the rest is integrated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

from numerics import simulate
from proofs_check import Context
from proofs_check.studies._conditioned import CONDITIONED, DIFFERENCE, GENERIC, conditioned_losses_have_the_raw_mean
from proofs_check.studies.single_location import SIMULATOR, risk_at
from theory import Agreement

CLAIM = conditioned_losses_have_the_raw_mean


@pytest.mark.parametrize("check", CLAIM.checks, ids=lambda check: check.name)
def test_it_has_the_mean_of_the_raw_losses(check):
    verdict = check.run(CLAIM, Context(np.random.default_rng(0), DIFFERENCE, alpha=1e-9))
    assert verdict.holds, str(verdict)


@pytest.mark.parametrize("check", CLAIM.checks, ids=lambda check: check.name)
def test_a_difference_of_half_a_unit_is_refuted(check):
    """The control: the two estimators of a risk of about 2 are claimed to differ by 1/2."""
    wrong = replace(CLAIM, make_statement=lambda: Agreement(sp.Rational(1, 2)))
    assert check.run(wrong, Context(np.random.default_rng(0), DIFFERENCE, alpha=1e-9)).fails


def test_it_has_the_smaller_variance():
    """Conditioning removes variance: at equal draws its standard error is the smaller one."""
    raw, scored = (simulate(simulator, GENERIC, samples=20_000, seed=3) for simulator in (SIMULATOR, CONDITIONED))
    assert scored.standard_error < raw.standard_error
    assert abs(scored.mean - risk_at(**GENERIC)) < 10 * scored.standard_error
