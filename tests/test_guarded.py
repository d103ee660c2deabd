"""Work in a child process: what it returns, and the name of what stopped it."""

from __future__ import annotations

import os
import time
from functools import partial

import pytest
import sympy as sp

from proofs_check.guarded import Outcome, guarded, guarded_each

x, y, z = sp.symbols("x y z")


def never_ends() -> None:
    while True:
        pass


def fills_memory() -> None:
    kept = []
    while True:
        kept.append(bytearray(10**7))


def test_a_result_comes_back():
    result = guarded(sp.expand, ((x + y) ** 3,), seconds=30, megabytes=500)
    assert result.returned and result.value == sp.expand((x + y) ** 3)


def test_an_exception_comes_back_as_its_words():
    result = guarded(int, ("x",), seconds=30, megabytes=500)
    assert result.outcome is Outcome.RAISED and "ValueError: invalid literal" in result.value


@pytest.mark.parametrize(
    "function, arguments", [(never_ends, ()), (sp.expand, ((x + y + z) ** 300,)), (time.sleep, (60,))]
)
def test_what_takes_too_long_is_ended(function, arguments):
    start = time.perf_counter()
    assert guarded(function, arguments, seconds=0.3, megabytes=4000).outcome is Outcome.TIMEOUT
    assert time.perf_counter() - start < 10


def test_what_takes_too_much_memory_is_ended():
    assert guarded(fills_memory, (), seconds=60, megabytes=200).outcome is Outcome.MEMORY


def test_a_crash_is_named():
    result = guarded(os.abort, (), seconds=30, megabytes=500)
    assert result.outcome is Outcome.CRASHED and "code" in result.value


def test_a_result_that_cannot_travel_is_named():
    result = guarded(lambda: lambda: None, (), seconds=30, megabytes=500)
    assert result.outcome is Outcome.RAISED and "cannot be sent back" in result.value


@pytest.mark.parametrize("seconds, megabytes", [(0, 1), (1, 0), (-1, 1)])
def test_limits_are_positive(seconds, megabytes):
    with pytest.raises(ValueError, match="positive limits"):
        guarded(never_ends, (), seconds=seconds, megabytes=megabytes)


KEPT: list[int] = []


def keeps(number: int) -> int:
    KEPT.append(number)
    return len(KEPT)


def test_functions_in_one_child_share_what_they_keep():
    results = list(guarded_each([partial(keeps, 1), partial(keeps, 2)], seconds=30, megabytes=500))
    assert [result.value for result in results] == [1, 2]
    assert KEPT == [], "the parent keeps nothing"


@pytest.mark.parametrize("first", [never_ends, os.abort, fills_memory])
def test_a_function_that_takes_the_child_down_does_not_take_the_next(first):
    first_result, second = guarded_each([first, partial(pow, 2, 3)], seconds=4, megabytes=300)
    assert not first_result.returned
    assert second.returned and second.value == 8


def test_an_error_does_not_end_the_child():
    results = list(guarded_each([partial(keeps, 1), partial(int, "x"), partial(keeps, 2)], seconds=30, megabytes=500))
    assert [result.outcome for result in results] == [Outcome.RETURNED, Outcome.RAISED, Outcome.RETURNED]
    assert results[-1].value == 2


def test_whoever_stops_listening_ends_the_child():
    start = time.perf_counter()
    for result in guarded_each([partial(pow, 2, 3), never_ends], seconds=60, megabytes=500):
        assert result.value == 8
        break
    assert time.perf_counter() - start < 30
