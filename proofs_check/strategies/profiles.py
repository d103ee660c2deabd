"""Settings of Hypothesis for tests of exact formulas: no deadline, and a derandomized profile for servers.

    from proofs_check.strategies import register_profiles
    register_profiles()                                         # in conftest.py
    $ pytest --hypothesis-profile attention-theory-ci           # or settings.load_profile("attention-theory-ci")

A symbolic computation takes a millisecond at one example and a second at the next, so a deadline of a fifth of a
second says nothing about it.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

__all__ = ["CI_PROFILE", "PROFILE", "register_profiles"]

PROFILE = "attention-theory"
CI_PROFILE = "attention-theory-ci"

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)


def register_profiles() -> None:
    """Make the profiles "attention-theory" and "attention-theory-ci" known to Hypothesis; neither is loaded.

        attention-theory       no deadline; examples that failed are kept in the usual database
        attention-theory-ci    no deadline; the same examples in every run; nothing is stored

    >>> from hypothesis import settings
    >>> register_profiles()
    >>> ci = settings.get_profile("attention-theory-ci")
    >>> ci.deadline, ci.derandomize, ci.database
    (None, True, None)
    """
    settings.register_profile(PROFILE, deadline=None, suppress_health_check=_SLOW)
    settings.register_profile(
        CI_PROFILE, deadline=None, derandomize=True, database=None, print_blob=False, suppress_health_check=_SLOW
    )
