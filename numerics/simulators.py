"""Simulation: the paper's definition, drawn in full dimension.

    R̂ = (1/n) Σᵢ loss(yᵢ, T(Xᵢ)),    (X₁, y₁), …, (X_n, y_n) drawn from the law

A `Simulator` is two functions that a study writes beside its claims, in numpy, sharing nothing with
the derivation:

    draw(rng, n, **values) -> (tokens of shape (n, L, d), target of shape (n,))
    predict(tokens, **values) -> (n,)

The samples are drawn in chunks, each from its own generator: chunk c of seed s draws from SFC64 seeded
by SeedSequence(s, spawn_key=(c,)). The size of a chunk follows from the shape of a token matrix alone
and the estimates are merged in the order of the chunks, so the result depends on the seed and not on
who computed what. Inside a chunk the draws come in blocks that stay in a second-level cache; memory
does not grow with the number of samples.

A plain transcription is fast enough. `rng.standard_normal((n, L, d))`, scaled in place, the informative
tokens written over by index, and `tokens @ k` for the scores keep 80 % of the speed at which the
generator alone makes the normals. BLAS threads neither help nor hurt at these sizes.
"""

from __future__ import annotations

import difflib
import inspect
import math
import os
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from .estimate import Estimate

__all__ = ["Simulator", "losses", "simulate", "squared_error"]

BLOCK = 2**15  # numbers drawn at a time, 256 kB: with a copy or two they fit a second-level cache
CHUNK = 2**20  # numbers drawn from one generator, about 10 ms: the unit of work of a worker
WAITING = 64  # chunks handed to the executor at a time


def squared_error(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """The squared error (y − T)², summed over the entries of a draw when targets are vectors or matrices.

    >>> squared_error(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    array([1., 4.])
    """
    squares = np.square(target - prediction)
    return squares.sum(axis=tuple(range(1, squares.ndim)))


@dataclass(frozen=True)
class Simulator:
    """How a model is drawn and what its layer predicts, as the paper defines them.

    Args:
        draw: draw(rng, n, **values) -> (tokens, target), both of first dimension n.
        predict: predict(tokens, **values) -> predictions, of the shape of the target.
        loss: loss(target, prediction) -> (n,) array; default the squared error.

    Each function is given those of the values that its own signature names. A parameter whose default is a word,
    such as query="fresh", takes words; all others take numbers and arrays.

    >>> model = Simulator(
    ...     draw=lambda rng, n, L, d: (rng.standard_normal((n, L, d)), rng.standard_normal(n)),
    ...     predict=lambda tokens, k: (tokens @ k).mean(axis=1),
    ... )
    >>> model.names
    ('L', 'd', 'k')
    """

    draw: Callable[..., tuple[np.ndarray, np.ndarray]]
    predict: Callable[..., np.ndarray]
    loss: Callable[[np.ndarray, np.ndarray], np.ndarray] = squared_error

    def __post_init__(self) -> None:
        for name in ("draw", "predict", "loss"):
            if not callable(getattr(self, name)):
                raise TypeError(f"expected a function for {name}, got {name}={getattr(self, name)!r}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the values that the two functions take."""
        return tuple(dict.fromkeys([*_parameters(self.draw, 2), *_parameters(self.predict, 1)]))


def simulate(
    simulator: Simulator,
    values: Mapping[str, Any],
    samples: int,
    seed: int,
    executor: Executor | None = None,
) -> Estimate:
    """The risk by simulation: the mean loss over independent draws of the model.

    Args:
        simulator: draws and predicts.
        values: the values of its parameters by name; numbers, or arrays for vectors.
        samples: how many draws, at least 2.
        seed: a nonnegative integer; the result depends on it, on the values and on `samples`, and on
            nothing else.
        executor: where the chunks run; default a pool of threads, one for each core. Any
            `concurrent.futures.Executor` serves; one that runs in other processes needs
            functions that can be sent there.

    Returns:
        The mean loss with its standard error and count.

    Raises:
        ValueError: for unknown or missing names, values or losses that are not finite, wrong shapes,
            fewer than 2 samples, a negative seed.
        TypeError: for samples or a seed that are no integers, values that are no numbers.
        KeyboardInterrupt: when interrupted; its attribute `estimate` holds the estimate from the chunks
            that were finished in order (None before the first), and its note shows it.

    >>> model = Simulator(
    ...     draw=lambda rng, n, d: ((X := rng.standard_normal((n, 1, d))), X.sum(axis=(1, 2))),
    ...     predict=lambda tokens: np.zeros(len(tokens)),
    ... )
    >>> estimate = simulate(model, {"d": 4}, samples=100_000, seed=1)   # E = 4
    >>> abs(estimate.mean - 4) < 6*estimate.standard_error
    True
    """
    samples = _integer("samples", samples, 2)
    seed = _integer("seed", seed, 0)
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise TypeError(f"expected a concurrent.futures.Executor, got executor={executor!r}")
    bound = _bind(simulator, values)
    chunk = max(1, CHUNK // _numbers_a_draw(simulator, bound))
    total: Estimate | None = None
    waiting: deque[Future[Estimate]] = deque()
    with ExitStack() as stack:
        pool = executor or stack.enter_context(ThreadPoolExecutor(_cores(), thread_name_prefix="simulate"))
        try:
            for number in range(math.ceil(samples / chunk)):
                size = min(chunk, samples - number * chunk)
                waiting.append(pool.submit(_run_chunk, simulator, bound, seed, number, size))
                if len(waiting) == WAITING:
                    total = _merge(total, waiting.popleft().result())
            while waiting:
                total = _merge(total, waiting.popleft().result())
        except BaseException as error:
            for future in waiting:
                future.cancel()
            if isinstance(error, KeyboardInterrupt):
                error.estimate = total  # type: ignore[attr-defined]
                error.add_note(f"so far: {total}")
            raise
    assert total is not None
    return total


def losses(simulator: Simulator, values: Mapping[str, Any], rng: np.random.Generator, n: int) -> np.ndarray:
    """The losses of n independent draws, of shape (n,).

    Args:
        simulator: draws and predicts.
        values: the values of its parameters by name.
        rng: where the draws come from.
        n: how many, at least 1.

    Raises:
        ValueError, TypeError: as `simulate`.
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"expected a numpy Generator for rng, got rng={rng!r}")
    n = _integer("n", n, 1)
    bound = _bind(simulator, values)
    return _losses(simulator, bound, rng, n, _numbers_a_draw(simulator, bound))


@dataclass(frozen=True)
class _Bound:
    """The values that each of the two functions names."""

    draw: dict[str, Any]
    predict: dict[str, Any]


def _bind(simulator: Simulator, values: Mapping[str, Any]) -> _Bound:
    if not isinstance(simulator, Simulator):
        raise TypeError(f"expected a Simulator, got {simulator!r}")
    if not isinstance(values, Mapping):
        raise TypeError(f"expected a dict of values by name, got values={values!r}")
    takes = {"draw": _parameters(simulator.draw, 2), "predict": _parameters(simulator.predict, 1)}
    names = simulator.names
    unknown = [str(name) for name in values if name not in names]
    required = {
        name
        for parameters in takes.values()
        for name, parameter in parameters.items()
        if parameter.default is inspect.Parameter.empty
    }
    missing = [name for name in names if name in required and name not in values]
    if unknown or missing:
        lines = [f"expected values for {', '.join(names) or 'no names'}"]
        if missing:
            lines.append(f"missing: {', '.join(missing)}")
        for name in unknown:
            close = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
            lines.append(f"unknown: {name}" + (f" (did you mean {' or '.join(close)}?)" if close else ""))
        raise ValueError("; ".join(lines))
    words = {name for taken in takes.values() for name, p in taken.items() if isinstance(p.default, str)}
    checked = {name: (_word if name in words else _checked)(name, value) for name, value in values.items()}
    return _Bound(*({name: checked[name] for name in parameters if name in checked} for parameters in takes.values()))


def _parameters(function: Callable[..., Any], skipped: int) -> dict[str, inspect.Parameter]:
    """The named parameters of a function after the first `skipped`, which are passed by position.

    A `**rest` beside them is left empty; one in their place would take misspelt names without a word.
    """
    parameters = list(inspect.signature(function).parameters.values())
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if len(named) < skipped or (len(named) == skipped and len(parameters) > len(named)):
        raise TypeError(f"expected a function that names each of its parameters, got {function!r}")
    return {parameter.name: parameter for parameter in named[skipped:]}


def _checked(name: str, value: Any) -> Any:
    """A number as it is, a list as an array; what is not finite is refused. None and functions pass."""
    if value is None or callable(value):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"expected a number or an array of numbers for {name}, got {name}={value!r}")
    if not np.isfinite(array).all():
        at = np.argwhere(~np.isfinite(array))[0]
        where = f" at index {tuple(int(i) for i in at)}" if array.ndim else ""
        raise ValueError(f"expected finite {name}, got {name}={float(array[tuple(at)])!r}{where}")
    return array if array.ndim else value


def _word(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a word for {name}, got {name}={value!r} of type {type(value).__name__}")
    return value


def _integer(name: str, value: Any, least: int) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"expected an integer for {name}, got {name}={value!r} of type {type(value).__name__}")
    if value < least:
        raise ValueError(f"expected {name} >= {least}, got {name}={value}")
    return int(value)


def _numbers_a_draw(simulator: Simulator, bound: _Bound) -> int:
    """The size of a token matrix, from one draw made to look at it."""
    rng = _generator(0, 0)
    tokens, _ = _draw(simulator, bound, rng, 1)
    return max(1, tokens.size)


def _generator(seed: int, chunk: int) -> np.random.Generator:
    """SFC64, the fastest of numpy's generators."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(chunk,))))


def _run_chunk(simulator: Simulator, bound: _Bound, seed: int, chunk: int, samples: int) -> Estimate:
    rng = _generator(seed, chunk)
    numbers = _numbers_a_draw(simulator, bound)
    return Estimate.from_samples(_losses(simulator, bound, rng, samples, numbers))


def _merge(total: Estimate | None, part: Estimate) -> Estimate:
    return part if total is None else total + part


def _losses(simulator: Simulator, bound: _Bound, rng: np.random.Generator, n: int, numbers: int) -> np.ndarray:
    block = max(1, BLOCK // numbers)
    result = np.empty(n)
    for start in range(0, n, block):
        size = min(block, n - start)
        tokens, target = _draw(simulator, bound, rng, size)
        prediction = np.asarray(simulator.predict(tokens, **bound.predict))
        if prediction.shape != target.shape:
            raise ValueError(
                f"expected predictions of shape {target.shape}, that of the target, got {prediction.shape} from predict"
            )
        loss = np.asarray(simulator.loss(target, prediction))
        if loss.shape != (size,):
            raise ValueError(f"expected losses of shape ({size},), got {loss.shape} from loss")
        result[start : start + size] = loss
    if not np.isfinite(result.sum()) and not np.isfinite(result).all():
        at = int(np.flatnonzero(~np.isfinite(result))[0])
        raise ValueError(f"expected finite losses, got {float(result[at])!r} in draw {at} of {n}")
    return result


def _draw(simulator: Simulator, bound: _Bound, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    drawn = simulator.draw(rng, n, **bound.draw)
    if not isinstance(drawn, tuple) or len(drawn) != 2:
        raise ValueError(f"expected a pair (tokens, target) from draw, got {type(drawn).__name__}")
    tokens, target = (np.asarray(part) for part in drawn)
    for name, part in (("tokens", tokens), ("target", target)):
        if part.ndim == 0 or part.shape[0] != n:
            raise ValueError(f"expected {name} of first dimension {n}, got shape {part.shape} from draw")
    return tokens, target


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
