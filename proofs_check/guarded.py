"""Heavy work on a user's formula, in a child process that cannot take the session with it.

    guarded(function, arguments, seconds, megabytes) -> Guarded(outcome, value, seconds)

sympy may need hours, or all the memory, for a formula of twenty characters; no limit on the text prevents it.
The child is forked, so that it starts in milliseconds with everything loaded and its arguments need no
transport; its result comes back through a pipe. On a system without fork it is spawned, which loads the
packages again. Time is counted by the clock, memory above what the parent holds already.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from multiprocessing.connection import Connection
from typing import Any

__all__ = ["Guarded", "Outcome", "guarded"]

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

MEGABYTE = 2**20
LAST_WORDS = 5.0  # seconds in which a child that is told to end has to end


class Outcome(Enum):
    """How the work ended."""

    RETURNED = "returned"
    RAISED = "raised"
    TIMEOUT = "ran out of time"
    MEMORY = "ran out of memory"
    CRASHED = "crashed"


@dataclass(frozen=True)
class Guarded:
    """What became of the work.

    Args:
        outcome: how it ended.
        value: what was returned, or what the error said; None otherwise.
        seconds: how long it took.
    """

    outcome: Outcome
    value: Any
    seconds: float

    @property
    def returned(self) -> bool:
        """Whether there is a result."""
        return self.outcome is Outcome.RETURNED


def guarded(function: Callable[..., Any], arguments: Sequence[Any], seconds: float, megabytes: int) -> Guarded:
    """Run a function in a child process with limits on time and memory.

    Args:
        function: what to run; where there is no fork, a function of a module.
        arguments: its arguments.
        seconds: of the clock; the child is ended after them.
        megabytes: that it may take beyond what this process holds.

    Returns:
        The result, or the name of what happened instead; an exception comes back as its type and message.

    Raises:
        ValueError: if a limit is not positive.

    >>> guarded(pow, (2, 10), seconds=10, megabytes=500).value
    1024
    >>> guarded(divmod, (1, 0), seconds=10, megabytes=500).outcome.value
    'raised'
    """
    if not (seconds > 0 and megabytes > 0):
        raise ValueError(f"expected positive limits, got seconds={seconds}, megabytes={megabytes}")
    start = time.perf_counter()
    context: Any = multiprocessing.get_context("fork" if _can_fork() else "spawn")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(sending, function, tuple(arguments), seconds, megabytes), daemon=True)
    with warnings.catch_warnings():
        # Beside threads a forked child might wait for a lock for ever; here that is a timeout, not a hang.
        warnings.simplefilter("ignore", DeprecationWarning)
        child.start()
    sending.close()
    patience = 0.0
    try:
        outcome, value = _answer(receiving, seconds)
        patience = LAST_WORDS if outcome is not Outcome.TIMEOUT else 0.0
    finally:
        receiving.close()
        _end(child, patience)
    if outcome is Outcome.CRASHED:
        value = f"the process ended with code {child.exitcode}"
    return Guarded(outcome, value, time.perf_counter() - start)


def _can_fork() -> bool:
    """Fork where it exists, but not on macOS, whose libraries do not survive it."""
    return "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"


def _answer(receiving: Connection, seconds: float) -> tuple[Outcome, Any]:
    try:
        if not receiving.poll(seconds):
            return Outcome.TIMEOUT, None
        outcome, value = receiving.recv()
    except (EOFError, OSError):
        return Outcome.CRASHED, None
    return Outcome(outcome), value


def _end(child: Any, patience: float) -> None:
    child.join(patience)
    if child.is_alive():
        child.terminate()
        child.join(LAST_WORDS)
    if child.is_alive():
        child.kill()
        child.join()


def _work(sending: Connection, function: Callable[..., Any], arguments: tuple, seconds: float, megabytes: int) -> None:
    """What the child does."""
    try:
        _limit(seconds, megabytes)
        answer = (Outcome.RETURNED.value, function(*arguments))
    except MemoryError:
        answer = (Outcome.MEMORY.value, None)
    except BaseException as error:
        answer = (Outcome.RAISED.value, "".join(traceback.format_exception_only(error)).strip())
    try:
        sending.send(answer)
    except MemoryError:
        sending.send((Outcome.MEMORY.value, None))
    except Exception as error:  # a result that cannot travel
        sending.send((Outcome.RAISED.value, f"the result cannot be sent back: {error}"))


def _limit(seconds: float, megabytes: int) -> None:
    if resource is None:
        return
    held = _held()
    resource.setrlimit(resource.RLIMIT_AS, (held + megabytes * MEGABYTE,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    processor = int(seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (processor, processor + 1))


def _held() -> int:
    """Bytes of address space that this process has already."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 2**30
