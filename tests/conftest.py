"""Settings for every test: one thread a process, and Hypothesis without a clock."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# Read by the libraries when they are first imported, which happens in the tests.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# The same examples every time, so that a red test is about the change and not about the draw.
# `pytest --hypothesis-profile=search` draws new ones, and many more.
settings.register_profile(
    "house", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", settings.get_profile("house"), derandomize=False, max_examples=2_000)
settings.load_profile("house")


@pytest.fixture(scope="session")
def hostile_names() -> tuple[str, ...]:
    """Names that would do something if they were pasted into LaTeX, HTML or Python."""
    return (
        r"x}\input{a",
        r"\input{/etc/passwd}",
        r"\immediate\write18{touch owned}",
        "x^^5cinput",
        "a%b",
        "$x$",
        r"x & y \\",
        "#1",
        "x\n\n\\end{document}",
        "__import__('os')",
        "<script>alert(1)</script>",
        "日本",
        "}",
        "\\",
        "x\\",
        "~",
        "'",
        "",
    )
