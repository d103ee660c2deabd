"""Gradient flow: the limit of descent for small steps.

    ẋ = −grad R(x),    x(0) given; with a metric ẋ = −g⁻¹(x)∇R(x)

by SciPy's adaptive solvers, one start after the other, on the manifold: the velocity is tangent, and what is recorded
is projected, so that the solver's error does not leave it. A start stops where the gradient has become small; where
exactly is found on the solver's own interpolant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy  # its solvers come when they are first used: they would double the time of importing this package

from theory.risk import Risk

from .slopes import BadSchedule, Blocks, Slope
from .starts import prepare
from .trajectory import Ending, Recorder, Trajectory

__all__ = ["gradient_flow"]

SOLVERS = ("LSODA", "BDF", "Radau", "DOP853", "RK45", "RK23")


def gradient_flow(
    risk: Risk,
    start: Mapping[Any, Any],
    time: float,
    *,
    values: Mapping[Any, Any] | None = None,
    manifold: Any = None,
    method: str = "LSODA",
    relative_error: float = 1e-9,
    absolute_error: float = 1e-12,
    record: int = 101,
    tolerance: float = 1e-9,
    project: bool = False,
) -> Trajectory:
    """The gradient flow of a risk from one start or many, up to a time or to convergence.

        ẋ = −grad R(x)

    Args:
        risk, start, values, manifold, project: as for `projected_gradient_descent`; schedules are functions of the
            time. For a risk of symbols `manifold` may be a dict of inverse metrics g⁻¹, such as
            {kappa: 1 - kappa**2}.
        time: how long, at most.
        method: one of SciPy's solvers: LSODA, which tells stiff from not; Radau, BDF; DOP853, RK45, RK23.
        relative_error, absolute_error: of one step of the solver.
        record: how many points of the path are kept, evenly spaced in time, and the last.
        tolerance: a start stops when the norm of its gradient has come down to this. It cannot be seen below the
            solver's own error. While a schedule runs nothing converges before the end.

    Raises:
        ValueError: as `projected_gradient_descent`; for an unknown method, a time that is not positive.

    >>> import sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> path = gradient_flow(Risk(x**2, (x,)), {"x": 1.0}, time=2.0, tolerance=0)
    >>> abs(float(path.final["x"]) - math.exp(-4)) < 1e-8
    True
    """
    if method not in SOLVERS:
        raise ValueError(f"expected method one of {', '.join(SOLVERS)}, got method={method!r}")
    if isinstance(time, bool) or not (math.isfinite(time) and time > 0):
        raise ValueError(f"expected a finite time > 0, got time={time!r}")
    if isinstance(record, bool) or not isinstance(record, (int, np.integer)) or record < 2:
        raise ValueError(f"expected an integer record >= 2, got record={record!r}")
    begin = prepare(risk, start, values, manifold, project)
    marks = np.linspace(0.0, time, record)
    starts = len(begin.state[0])
    recorder = Recorder(starts, begin.single)
    paths = [[np.empty((starts, *block.shape[1:])) for block in begin.state] for _ in marks]
    ends = [np.empty_like(block) for block in begin.state]
    options = {"rtol": relative_error, "atol": absolute_error}
    for i in range(starts):
        single = _Single(begin.slope, [block[i : i + 1] for block in begin.state], tolerance)
        with np.errstate(all="ignore"):
            single.run(
                getattr(scipy.integrate, method),
                marks,
                options,
                [[block[i : i + 1] for block in path] for path in paths],
            )
            for block, last in zip(ends, single.state_of(single.last), strict=True):
                block[i] = last[0]
            recorder.end(i, single.ending, single.time, single.norm(single.time, single.last), single.note)
    end = float(recorder.stopped.max())
    with np.errstate(all="ignore"):
        for mark, path in zip(marks, paths, strict=True):
            if mark < end:
                recorder.write(float(mark), _risk(begin.slope, path, float(mark)), begin.slope.read(path))
        recorder.write(end, _risk(begin.slope, ends, end), begin.slope.read(ends))
    return recorder.trajectory()


def _risk(slope: Slope, state: Blocks, time: float) -> np.ndarray:
    try:
        return slope.risk(state, time)
    except BadSchedule:
        return np.full(len(state[0]), np.nan)


class _Single:
    """The flow from one start, as a flat vector."""

    def __init__(self, slope: Slope, state: Blocks, tolerance: float) -> None:
        self.slope = slope
        self.shapes = [block.shape for block in state]
        self.tolerance = 0.0 if slope.scheduled else tolerance
        self.last = np.concatenate([block.ravel() for block in state])
        self.time = 0.0
        self.ending = Ending.TIME_UP
        self.note = ""
        self.bad = ""

    def state_of(self, flat: np.ndarray) -> Blocks:
        """The blocks of a flat vector, on their manifolds."""
        sizes = np.cumsum([math.prod(shape) for shape in self.shapes])[:-1]
        blocks = [part.reshape(shape) for part, shape in zip(np.split(flat, sizes), self.shapes, strict=True)]
        return [
            block if manifold is None or not np.isfinite(block).all() else manifold.project(block)
            for manifold, block in zip(self.slope.manifolds, blocks, strict=True)
        ]

    def velocity(self, time: float, flat: np.ndarray) -> np.ndarray:
        """−grad R; nan where there is none."""
        if not np.isfinite(flat).all():
            return np.full_like(flat, np.nan)
        try:
            slopes = self.slope.gradient(self.state_of(flat), time)
        except BadSchedule as error:
            self.bad = str(error)
            return np.full_like(flat, np.nan)
        return -np.concatenate([block.ravel() for block in slopes])

    def norm(self, time: float, flat: np.ndarray) -> float:
        """The norm of the gradient."""
        return float(np.linalg.norm(self.velocity(time, flat)))

    def run(self, solver_of: Any, marks: np.ndarray, options: dict[str, float], path: list[Blocks]) -> None:
        """Fill the path at the marks, and hold the last state from where the flow stopped."""
        filled = 0
        if self.norm(0.0, self.last) <= self.tolerance:
            self.ending = Ending.CONVERGED
        elif not math.isfinite(self.norm(0.0, self.last)):
            self._lost("the gradient at the start is not finite")
        else:
            solver = solver_of(self.velocity, 0.0, self.last, float(marks[-1]), **options)
            while solver.status == "running":
                message = solver.step()
                if solver.status == "failed":
                    self._lost(str(message).rstrip("."))
                    break
                norm = self.norm(solver.t, solver.y)
                if not math.isfinite(norm):  # some solvers step on through nan
                    self._lost("the gradient is not finite there")
                    break
                interpolant = solver.dense_output()
                if norm <= self.tolerance:
                    self._converged(solver.t_old, solver.t, interpolant)
                else:
                    self.time, self.last = float(solver.t), solver.y.copy()
                while filled < len(marks) and marks[filled] <= self.time:
                    self._fill(path[filled], interpolant(marks[filled]))
                    filled += 1
                if self.ending is Ending.CONVERGED:
                    break
        for blocks in path[filled:]:
            self._fill(blocks, self.last)

    def _converged(self, before: float, after: float, interpolant: Any) -> None:
        def excess(time: float) -> float:
            return self.norm(time, interpolant(time)) - self.tolerance

        self.time = scipy.optimize.brentq(excess, before, after) if excess(before) > 0 > excess(after) else float(after)
        self.last = interpolant(self.time)
        self.ending = Ending.CONVERGED

    def _lost(self, message: str) -> None:
        self.ending = Ending.BAD_SCHEDULE if self.bad else Ending.NOT_FINITE
        reason = self.bad or f"The flow could not be followed past time {self.time:.6g}: {message}"
        self.note = f"{reason}; the last finite state is kept"

    def _fill(self, blocks: Blocks, flat: np.ndarray) -> None:
        for block, value in zip(blocks, self.state_of(flat), strict=True):
            block[...] = value
