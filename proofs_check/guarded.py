"""Heavy work on a user's formula, in a child process that cannot take the session with it.

    guarded(function, arguments, seconds, megabytes) -> Guarded(outcome, value, seconds)
    guarded_each(functions, seconds, megabytes)      -> one Guarded after the other, from one child

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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

__all__ = ["Guarded", "Outcome", "guarded", "guarded_each"]

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

MEGABYTE = 2**20
SHORTEST = 0.05  # seconds, for a function whose turn comes when the time is over
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
    (result,) = guarded_each([partial(function, *arguments)], seconds, megabytes)
    return result


def guarded_each(functions: Sequence[Callable[[], Any]], seconds: float, megabytes: int) -> Iterator[Guarded]:
    """Run functions one after the other in a child process, and give what became of each as soon as it is known.

    They share a process, so that what one has computed and kept serves the next; when one of them takes the
    process down, the rest run in a fresh one. Each may use half of the time that is left, the last one all of it.
    When the caller stops listening, the process is ended.

    Args:
        functions: of no arguments; where there is no fork, they have to travel.
        seconds: of the clock, for all of them together.
        megabytes: that they may take beyond what this process holds.

    Raises:
        ValueError: if a limit is not positive.

    >>> [result.value for result in guarded_each([partial(pow, 2, 3), partial(pow, 3, 2)], seconds=10, megabytes=500)]
    [8, 9]
    """
    if not (seconds > 0 and megabytes > 0):
        raise ValueError(f"expected positive limits, got seconds={seconds}, megabytes={megabytes}")
    return _each(tuple(functions), time.perf_counter() + seconds, megabytes)


def _each(functions: tuple[Callable[[], Any], ...], deadline: float, megabytes: int) -> Iterator[Guarded]:
    done = 0
    while done < len(functions):
        for result in _from_one_child(functions[done:], deadline, megabytes):
            done += 1
            yield result


def _from_one_child(functions: tuple[Callable[[], Any], ...], deadline: float, megabytes: int) -> Iterator[Guarded]:
    """The results of one child, up to the one that takes it down."""
    context: Any = multiprocessing.get_context("fork" if _can_fork() else "spawn")
    receiving, sending = context.Pipe(duplex=False)
    left = max(deadline - time.perf_counter(), SHORTEST)
    child = context.Process(target=_work, args=(sending, functions, left, megabytes), daemon=True)
    start = time.perf_counter()
    with warnings.catch_warnings():
        # Beside threads a forked child might wait for a lock for ever; here that is a timeout, not a hang.
        warnings.simplefilter("ignore", DeprecationWarning)
        child.start()
    sending.close()
    patience = 0.0
    try:
        for waiting in range(len(functions), 0, -1):
            left = max(deadline - time.perf_counter(), SHORTEST)
            outcome, value = _answer(receiving, left if waiting == 1 else left / 2)
            is_over = outcome in (Outcome.TIMEOUT, Outcome.CRASHED, Outcome.MEMORY)
            patience = LAST_WORDS if outcome is not Outcome.TIMEOUT and (is_over or waiting == 1) else 0.0
            if outcome is Outcome.CRASHED:
                child.join(LAST_WORDS)
                value = f"the process ended with code {child.exitcode}"
            now = time.perf_counter()
            yield Guarded(outcome, value, now - start)
            start = now
            if is_over:
                break
    finally:
        receiving.close()
        _end(child, patience)


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


def _work(sending: Connection, functions: Sequence[Callable[[], Any]], seconds: float, megabytes: int) -> None:
    """What the child does."""
    _limit(seconds, megabytes)
    for function in functions:
        try:
            answer = (Outcome.RETURNED.value, function())
        except MemoryError:
            answer = (Outcome.MEMORY.value, None)
        except BaseException as error:
            answer = (Outcome.RAISED.value, "".join(traceback.format_exception_only(error)).strip())
        try:
            sending.send(answer)
        except MemoryError:
            sending.send((Outcome.MEMORY.value, None))
        except OSError:  # nobody listens any more
            return
        except Exception as error:  # a result that cannot travel
            sending.send((Outcome.RAISED.value, f"the result cannot be sent back: {error}"))
        if answer[0] == Outcome.MEMORY.value:
            return


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
