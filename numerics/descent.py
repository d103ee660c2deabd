"""Descent in steps, on a manifold, from many starts at once.

    projected      x ← P(x − α grad R(x)),      P the nearest point; with unit vectors
                   k ← (k − α(I − kkᵀ)∇_k R)/‖·‖, all vectors at once
    Riemannian     x ← Exp_x(−α grad R(x)),     along the geodesic

In flat space both are plain gradient descent. The step α and any symbol of the risk may be schedules, functions of
the number t of the step; step t uses α_t and the symbols at t. A start that meets a value that is not finite is
kept at its last finite state, the others go on. Only the records that are asked for take memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from theory.risk import Risk

from .geodesics import geodesic
from .manifolds import Manifold
from .slopes import BadSchedule, Blocks, Slope
from .starts import Start, prepare
from .trajectory import Ending, Recorder, Trajectory

__all__ = ["Step", "descend", "nearest", "projected_gradient_descent", "riemannian_gradient_descent"]

Step = float | Callable[[float], float]

ROUNDING = 1e-9  # a relative rise of the risk that rounding of a formula which cancels cannot explain


def projected_gradient_descent(
    risk: Risk,
    start: Mapping[Any, Any],
    *,
    step: Step,
    steps: int,
    values: Mapping[Any, Any] | None = None,
    manifold: Any = None,
    record: int = 101,
    tolerance: float = 1e-12,
    project: bool = False,
) -> Trajectory:
    """Gradient descent, each step tangent to the manifold and brought back to the nearest point of it.

        x ← P(x − α_t grad R(x)),    t = 0, 1, …, steps − 1

    Args:
        risk: of symbols, of overlaps, or of matrix symbols.
        start: a number or an array for each parameter, by symbol or name; one more axis in front for many starts.
        step: α > 0, or a function of t.
        steps: how many, at most.
        values: every other symbol: a number, a function of t, or the array of a fixed vector.
        manifold: `Overlaps` for a risk of inner products of vectors; a `Manifold` or a dict of them for a risk of
            matrices; the `Manifold` that the parameters of a risk of symbols are coordinates of; None for flat space.
            With `Overlaps` the start may be overlaps, and the descent is the reduced one, or vectors, in full.
        record: how many points of the path are kept, evenly spaced, the first and the last among them.
        tolerance: a start has converged when the norm of its gradient is at most this. While a schedule runs nothing
            converges before the end.
        project: begin at the nearest point of the manifold if a start is off it.

    Returns:
        The trajectory, with how each start ended: steps that are too large are an outcome, and so are values that are
        not finite. A KeyboardInterrupt carries the path so far as its attribute `trajectory`.

    Raises:
        ValueError: for a start off the manifold, a wrong shape, a value that is not finite, a symbol left symbolic, a
            step that is not positive.

    >>> import sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> path = projected_gradient_descent(Risk(x**2, (x,)), {"x": 1.0}, step=0.25, steps=100)
    >>> path.endings[0].value, float(path.stopped)
    ('converged', 41.0)
    >>> print(projected_gradient_descent(Risk(x**2, (x,)), {"x": 1.0}, step=1.5, steps=100).endings[0])
    diverged
    """
    begin = prepare(risk, start, values, manifold, project)
    return descend(begin, begin.slope.gradient, nearest, step, steps, record, tolerance)


def riemannian_gradient_descent(
    risk: Risk,
    start: Mapping[Any, Any],
    *,
    step: Step,
    steps: int,
    values: Mapping[Any, Any] | None = None,
    manifold: Any = None,
    record: int = 101,
    tolerance: float = 1e-12,
    project: bool = False,
) -> Trajectory:
    """Gradient descent along geodesics of the manifold.

        x ← Exp_x(−α_t grad R(x)),    t = 0, 1, …, steps − 1

    Arguments, results and errors are those of `projected_gradient_descent`.

    >>> import sympy as sp
    >>> from theory.variables import dot
    >>> from .manifolds import Sphere
    >>> x, a = sp.MatrixSymbol("x", 2, 1), sp.MatrixSymbol("a", 2, 1)
    >>> path = riemannian_gradient_descent(
    ...     Risk(-dot(x, a), (x,)), {"x": [1.0, 0.0]}, step=0.5, steps=60, values={"a": [0.0, 1.0]}, manifold=Sphere(2)
    ... )
    >>> path.final["x"].round(9)
    array([0., 1.])
    """
    begin = prepare(risk, start, values, manifold, project)
    return descend(begin, begin.slope.gradient, _geodesic, step, steps, record, tolerance)


def nearest(manifold: Manifold | None, points: np.ndarray, tangent: np.ndarray) -> np.ndarray:
    """The nearest point of the manifold to x + u."""
    moved = points + tangent
    return moved if manifold is None else manifold.project(moved)


def _geodesic(manifold: Manifold | None, points: np.ndarray, tangent: np.ndarray) -> np.ndarray:
    return points + tangent if manifold is None else geodesic(manifold, points, tangent)


Move = Callable[[Manifold | None, np.ndarray, np.ndarray], np.ndarray]


def descend(
    begin: Start,
    gradient: Callable[[Blocks, float], Blocks],
    move: Move,
    step: Step,
    steps: int,
    record: int = 101,
    tolerance: float = 0.0,
    noisy: bool = False,
) -> Trajectory:
    """The loop of every descent in steps.

    Args:
        begin: the risk and the state.
        gradient: what the steps go against; `begin.slope.gradient`, or a noisy one of the same states.
        move: (manifold, points, tangent) -> points.
        noisy: the gradient is random: nothing converges, and a risk above the start's is no sign of divergence.
    """
    size_of = _checked_step(step)
    _refuse_unless_count("steps", steps, 1)
    _refuse_unless_count("record", record, 2)
    if not tolerance >= 0:
        raise ValueError(f"expected tolerance >= 0, got tolerance={tolerance!r}")
    run = _Run(begin, record, steps)
    stops_early = tolerance > 0 and not begin.slope.scheduled and not noisy
    t = 0
    try:
        with np.errstate(all="ignore"):
            for t in range(steps):
                if t in run.marks:
                    run.write(t)
                try:
                    slopes = gradient(run.state, t)
                    alpha = size_of(t)
                except BadSchedule as error:
                    run.stop_all(t, Ending.BAD_SCHEDULE, str(error))
                    break
                norms = _norms(slopes)  # their squares overflow about when the risk does
                if not math.isfinite(norms.sum()) and run.drop_lost(norms, t, step):
                    if not run.active.size:
                        break
                    slopes = gradient(run.state, t)
                    norms = _norms(slopes)
                if stops_early and norms.min() <= tolerance:
                    run.drop(norms <= tolerance, t, Ending.CONVERGED, norms)
                    if not run.active.size:
                        break
                    slopes = gradient(run.state, t)
                run.move(move, slopes, alpha)
            else:
                run.finish(steps, tolerance, step, noisy)
    except KeyboardInterrupt as error:
        run.stop_all(t, Ending.INTERRUPTED, f"Interrupted at step {t}")
        error.trajectory = run.trajectory()  # type: ignore[attr-defined]
        error.add_note("the path so far is the attribute trajectory of this error")
        raise
    return run.trajectory()


class _Run:
    """The starts that still move, and the record of all."""

    def __init__(self, begin: Start, record: int, steps: int) -> None:
        self.slope: Slope = begin.slope
        self.state = begin.state
        self.before = begin.state
        self.everything = [block.copy() for block in begin.state]
        self.active = np.arange(len(begin.state[0]))
        self.recorder = Recorder(len(self.active), begin.single)
        self.marks = {int(mark) for mark in np.rint(np.linspace(0, steps, record))} - {steps}
        self.first = self._risk(begin.state, 0)
        self.last_time = 0
        self.advice = ""

    def _risk(self, state: Blocks, t: float) -> np.ndarray:
        try:
            with np.errstate(all="ignore"):
                return self.slope.risk(state, t)
        except BadSchedule:
            return np.full(len(state[0]), np.nan)

    def move(self, move: Move, slopes: Blocks, alpha: float) -> None:
        """One step of every start that moves."""
        moved = zip(self.slope.manifolds, self.state, slopes, strict=True)
        self.state, self.before = [move(manifold, x, -alpha * g) for manifold, x, g in moved], self.state

    def write(self, t: int) -> None:
        """One record of every start."""
        for block, moved in zip(self.everything, self.state, strict=True):
            block[self.active] = moved
        self.last_time = t
        self.recorder.write(t, self._risk(self.everything, t), self.slope.read(self.everything))

    def drop(self, ended: np.ndarray, t: int, ending: Ending, norms: np.ndarray, note: str = "") -> None:
        """Some of the active starts have ended in their present state."""
        for i in np.flatnonzero(ended):
            self.recorder.end(int(self.active[i]), ending, t, float(norms[i]), note)
        for block, moved in zip(self.everything, self.state, strict=True):
            block[self.active] = moved
        self.state = [block[~ended] for block in self.state]
        self.before = [block[~ended] for block in self.before]
        self.active = self.active[~ended]

    def drop_lost(self, norms: np.ndarray, t: int, step: Step) -> bool:
        """End the starts whose gradient is not finite, at their last finite state; False if there are none."""
        lost = ~np.isfinite(norms)
        if not lost.any():
            return False
        gone = lost & ~np.isfinite(self._risk(self.state, t))  # the risk is lost as well: a step back there was one
        self.state = [np.where(_spread(gone, x), old, x) for x, old in zip(self.state, self.before, strict=True)]
        risks, firsts = self._risk(self.state, t), self.first[self.active]
        norms = np.full(len(lost), np.nan)
        grew = lost & ~(risks <= firsts + ROUNDING * np.abs(firsts)) & (t > 0)
        where = f"at step {t}"
        if grew.any():
            name = self.active[np.flatnonzero(grew)[0]]
            note = f"Start {name} ran away {where}: the step {_text(step)} is too large, lower it"
            self.drop(grew, t, Ending.DIVERGED, norms, note)
            lost = lost[~grew]
        if lost.any():
            name = self.active[np.flatnonzero(lost)[0]]
            note = f"The gradient of start {name} was not finite {where}; its last finite state is kept"
            self.drop(lost, t, Ending.NOT_FINITE, norms[: len(lost)], note)
        return True

    def stop_all(self, t: int, ending: Ending, note: str) -> None:
        self.drop(np.ones(len(self.active), dtype=bool), t, ending, np.full(len(self.active), np.nan), note)
        self.last_time = t

    def finish(self, t: int, tolerance: float, step: Step, noisy: bool) -> None:
        """All steps were made: how each start that still moves has ended."""
        try:
            slopes = self.slope.gradient(self.state, t)
        except BadSchedule as error:
            return self.stop_all(t, Ending.BAD_SCHEDULE, str(error))
        if not np.isfinite(_norms(slopes)).all() and self.drop_lost(_norms(slopes), t, step):
            if not self.active.size:
                return None
            slopes = self.slope.gradient(self.state, t)
        norms = _norms(slopes)
        converged = norms <= tolerance
        risks, firsts = self._risk(self.state, t), self.first[self.active]
        rose = risks > firsts + ROUNDING * np.abs(firsts)
        diverged = rose & ~converged & (not noisy and not self.slope.scheduled)
        if not noisy and not self.slope.scheduled and not diverged.any():
            previous = self._risk(self.before, t)
            if (risks > previous + ROUNDING * np.abs(previous)).any():
                self.advice = f"The last step raised the risk: steps of {_text(step)} oscillate, lower them"
        note = f"The risk ended above its start: the step {_text(step)} is too large, lower it"
        for i, start in enumerate(self.active):
            ending = Ending.CONVERGED if converged[i] else Ending.DIVERGED if diverged[i] else Ending.TIME_UP
            first = ending is Ending.DIVERGED and note not in self.recorder.notes
            self.recorder.end(int(start), ending, t, float(norms[i]), note if first else "")
        for block, moved in zip(self.everything, self.state, strict=True):
            block[self.active] = moved
        self.last_time = t
        return None

    def trajectory(self) -> Trajectory:
        end = int(self.recorder.stopped.max())
        if not self.recorder.times or self.recorder.times[-1] < end:
            self.recorder.write(end, self._risk(self.everything, end), self.slope.read(self.everything))
        return self.recorder.trajectory(self.advice)


def _norms(blocks: Blocks) -> np.ndarray:
    """The norm of each start's gradient."""
    total = sum(np.einsum("si,si->s", flat, flat) for flat in (block.reshape(len(block), -1) for block in blocks))
    return np.sqrt(np.asarray(total))


def _spread(mask: np.ndarray, like: np.ndarray) -> np.ndarray:
    return mask.reshape(-1, *(1,) * (like.ndim - 1))


def _checked_step(step: Step) -> Callable[[float], float]:
    if callable(step):

        def scheduled(t: float) -> float:
            size = float(step(t))
            if not (math.isfinite(size) and size > 0):
                raise BadSchedule(f"the schedule of the step, which is positive, gave {size} at time {t:g}")
            return size

        return scheduled
    if isinstance(step, (bool, str)) or not isinstance(step, (int, float, np.integer, np.floating)):
        raise TypeError(f"expected a positive number or a function of the step's number for step, got step={step!r}")
    if not (math.isfinite(step) and step > 0):
        raise ValueError(f"expected a finite step > 0, got step={step!r}")
    constant = float(step)
    return lambda t: constant


def _refuse_unless_count(name: str, number: Any, least: int) -> None:
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < least:
        raise ValueError(f"expected an integer {name} >= {least}, got {name}={number!r}")


def _text(step: Step) -> str:
    return "schedule" if callable(step) else f"{step:g}"
