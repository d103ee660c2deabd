"""Trajectories: what a descent went through, and why it stopped.

    Trajectory      times, parameters, risk and overlaps at the points that were asked for; how each start ended
    Recorder        writes them on the way, in memory that does not grow with the number of steps

Nothing that was computed is lost: a start that met a value that is not finite stays at its last finite state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

__all__ = ["Ending", "Recorder", "Trajectory"]


class Ending(Enum):
    """Why one start stopped.

    CONVERGED: the gradient is as small as was asked. TIME_UP: it was not, and all steps were made. DIVERGED: the
    steps are too large, the risk ended above its start or ran away. NOT_FINITE: a value was not finite although
    the risk had not grown. BAD_SCHEDULE: a schedule gave a number that its symbol cannot have. INTERRUPTED: from
    the keyboard.
    """

    CONVERGED = "converged"
    TIME_UP = "time up"
    DIVERGED = "diverged"
    NOT_FINITE = "not finite"
    BAD_SCHEDULE = "bad schedule"
    INTERRUPTED = "interrupted"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, eq=False, repr=False)
class Trajectory:
    """The path of one start or of many.

    Args:
        times: the recorded times, shape (records,); steps, or the time of a flow.
        parameters: by name, each of shape (records, *shape), or (records, starts, *shape) for many starts.
        risk: (records,) or (records, starts).
        overlaps: by name, each shaped as the risk.
        endings: how each start ended, one or many.
        stopped: the time at which each start stopped, shape () or (starts,).
        gradient_norm: of the gradient at the end, Riemannian on a manifold; shape () or (starts,).
        termination: why it all stopped, as a sentence.
    """

    times: np.ndarray
    parameters: Mapping[str, np.ndarray]
    risk: np.ndarray
    overlaps: Mapping[str, np.ndarray]
    endings: tuple[Ending, ...]
    stopped: np.ndarray
    gradient_norm: np.ndarray
    termination: str

    @property
    def final(self) -> dict[str, np.ndarray]:
        """Parameters and overlaps at the end, by name."""
        return {name: path[-1] for name, path in {**self.parameters, **self.overlaps}.items()}

    def __len__(self) -> int:
        return len(self.times)

    def __str__(self) -> str:
        starts = len(self.endings)
        return (
            f"{starts} start{'s' if starts > 1 else ''}, {len(self.times)} records from time {self.times[0]:g} to "
            f"{self.times[-1]:g}. {self.termination}"
        )

    def __repr__(self) -> str:
        return f"<Trajectory: {self}>"

    def plot(self, names: Sequence[str] | None = None, axes: Any = None) -> Any:
        """The overlaps, or the scalar parameters where there are none, and the risk, against time.

        Args:
            names: what to draw above the risk.
            axes: a pair of matplotlib axes; by default a new figure.

        Returns:
            The matplotlib figure.

        Raises:
            ValueError: for a name that is no scalar of the path.
            ImportError: without matplotlib, naming the extra to install.
        """
        try:
            from matplotlib import pyplot  # optional dependency
        except ImportError as missing:
            raise ImportError(
                "pictures need matplotlib, which is not installed; pip install 'attention-theory[plot]'"
            ) from missing
        scalars = {
            name: path for name, path in {**self.parameters, **self.overlaps}.items() if path.shape == self.risk.shape
        }
        unknown = [name for name in names or () if name not in scalars]
        if unknown:
            raise ValueError(f"expected names among {', '.join(scalars) or 'none'}, got {', '.join(unknown)}")
        if axes is None:
            _, axes = pyplot.subplots(2, 1, sharex=True, figsize=(6.4, 5.2), layout="constrained")
        upper, lower = axes
        many = self.risk.ndim > 1
        for i, name in enumerate(scalars if names is None else names):
            lines = upper.plot(self.times, scalars[name], color=PALETTE[i % len(PALETTE)], alpha=0.5 if many else 1.0)
            lines[0].set_label(name)
        upper.set_ylabel("overlaps" if self.overlaps else "parameters")
        if upper.get_legend_handles_labels()[0]:
            upper.legend(frameon=False, ncols=4)
        lower.plot(self.times, self.risk, color="black", alpha=0.5 if many else 1.0)
        lower.set_ylabel("risk $R$")
        lower.set_xlabel("time")
        return upper.figure


PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito (2008): told apart without colour vision."""


class Recorder:
    """The records of many starts, written as they come."""

    def __init__(self, starts: int, single: bool) -> None:
        self.starts, self.single = starts, single
        self.times: list[float] = []
        self.risks: list[np.ndarray] = []
        self.rows: list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]] = []
        self.endings: list[Ending | None] = [None] * starts
        self.stopped = np.zeros(starts)
        self.norms = np.full(starts, np.nan)
        self.notes: list[str] = []

    def write(self, time: float, risk: np.ndarray, read: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]) -> None:
        """One record of every start."""
        self.times.append(time)
        self.risks.append(risk)
        self.rows.append(read)

    def end(self, start: int, ending: Ending, time: float, norm: float, note: str = "") -> None:
        """One start has stopped."""
        self.endings[start], self.stopped[start], self.norms[start] = ending, time, norm
        if note and len(self.notes) < 3:
            self.notes.append(note)

    def trajectory(self, advice: str = "") -> Trajectory:
        """What was recorded."""
        endings = tuple(ending for ending in self.endings if ending is not None)

        def path(arrays: list[np.ndarray]) -> np.ndarray:
            stacked = np.stack(arrays)
            return stacked[:, 0] if self.single else stacked

        names = [list(part) for part in self.rows[0]]
        parameters, overlaps = (
            {name: path([row[part][name] for row in self.rows]) for name in names[part]} for part in (0, 1)
        )
        return Trajectory(
            times=np.array(self.times),
            parameters=parameters,
            risk=path(self.risks),
            overlaps=overlaps,
            endings=endings,
            stopped=self.stopped[0] if self.single else self.stopped,
            gradient_norm=self.norms[0] if self.single else self.norms,
            termination=self._sentence(endings, advice),
        )

    def _sentence(self, endings: tuple[Ending, ...], advice: str) -> str:
        if self.starts == 1:
            (ending,) = endings
            head = f"{str(ending).capitalize()} at time {self.stopped[0]:g}, gradient norm {self.norms[0]:.3g}"
        else:
            counts = Counter(endings)
            parts = [f"{counts[ending]} {ending}" for ending in Ending if counts[ending]]
            largest = np.nanmax(self.norms, initial=0.0)
            head = f"{self.starts} starts: {', '.join(parts)}; largest gradient norm {largest:.3g}"
        return ". ".join([head, *self.notes, *([advice] if advice else [])]) + "."
