"""A tape: numpy ufuncs one after the other, each writing into a buffer.

What `numerics.tape_writer` writes for a formula and `run` computes. What depends on scalars alone is
computed once a call; the rest in blocks of 4,096 points, so that the buffers stay in the processor's
cache. No text is generated and nothing is executed but numpy and scipy.

Definitions: `Operation` with `ufunc` and `kernel`, which make one; `Step`, `Tape`, `run`; and `BoundTape`, a
tape with its buffers, for loops that run it a hundred thousand times on as many points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["BoundTape", "Operation", "Step", "Tape", "kernel", "run", "ufunc"]

BLOCK = 4096  # points a block: 32 kB a buffer; a dozen live buffers fit a second-level cache


@dataclass(frozen=True)
class Operation:
    """A function of arrays: `into(*inputs, out)` writes its value, `of(*inputs)` returns it."""

    of: Callable[..., Any]
    into: Callable[..., Any]
    takes_complex: bool = False
    returns_real: bool = False


def ufunc(function: np.ufunc, takes_complex: bool = True, returns_real: bool = False) -> Operation:
    """An operation of a numpy ufunc, which writes into a buffer by itself."""
    return Operation(function, function, takes_complex, returns_real)


def kernel(function: Callable[..., Any], takes_complex: bool = False, returns_real: bool = False) -> Operation:
    """An operation of any vectorised function; its result is copied into the buffer."""

    def into(*inputs_and_out: Any) -> None:
        inputs_and_out[-1][...] = function(*inputs_and_out[:-1])

    return Operation(function, into, takes_complex, returns_real)


@dataclass(frozen=True)
class Step:
    """One operation: cells in, a cell out."""

    operation: Operation
    inputs: tuple[int, ...]
    output: int


@dataclass(frozen=True)
class Tape:
    """What to compute: scalars first, then the steps of a block, every value in a numbered cell."""

    constants: dict[int, complex]
    arguments: dict[int, int]  # cell -> position of the argument
    scalar_steps: tuple[Step, ...]
    block_steps: tuple[Step, ...]
    registers: dict[int, int]  # cell that varies -> buffer it lives in
    complex_cells: frozenset[int]
    outputs: tuple[int, ...]


def run(tape: Tape, inputs: Sequence[Any], size: int) -> list[Any]:
    """The outputs of a tape: arrays of `size` for what varies, scalars for what does not.

    Args:
        inputs: a number, or an array of shape (size,), for each argument.
    """
    with np.errstate(all="ignore"):
        cells: dict[int, Any] = dict(tape.constants)
        cells.update((cell, inputs[i]) for cell, i in tape.arguments.items() if cell not in tape.registers)
        for step in tape.scalar_steps:
            cells[step.output] = step.operation.of(*(cells[cell] for cell in step.inputs))
        varying = {cell: inputs[i] for cell, i in tape.arguments.items() if cell in tape.registers}
        block = min(BLOCK, size)
        buffers: dict[int, np.ndarray] = {}
        for cell, register in tape.registers.items():
            if register not in buffers:
                buffers[register] = np.empty(block, dtype=complex if cell in tape.complex_cells else float)
        results = [
            np.empty(size, dtype=buffers[tape.registers[cell]].dtype) if cell in tape.registers else cells[cell]
            for cell in tape.outputs
        ]
        length = -1
        for start in range(0, size, BLOCK):
            stop = min(start + BLOCK, size)
            if stop - start != length:
                length = stop - start
                for cell, register in tape.registers.items():
                    cells[cell] = buffers[register][:length]
                program = [
                    (step.operation.into, (*(cells[cell] for cell in step.inputs), cells[step.output]))
                    for step in tape.block_steps
                ]
            for cell, array in varying.items():
                cells[cell][...] = array[start:stop]
            for function, operands in program:
                function(*operands)
            for cell, result in zip(tape.outputs, results, strict=True):
                if cell in tape.registers:
                    result[start:stop] = cells[cell]
    return results


class BoundTape:
    """A real tape bound to a number of points, its buffers and operands made once.

    A call of `run` makes buffers and looks cells up, which costs more than the arithmetic when the points are
    few. Here every cell is an array from the start, a scalar one of shape (), so that a call is nothing but
    ufuncs; and what depends on the arguments that stay is computed once.

    Args:
        tape: without complex cells.
        size: the number of points, at least 1.
        inputs: a number for each argument that does not vary, by position; others are ignored.
        moving: positions of those numbers that will change from call to call.

    >>> double = ufunc(np.add)
    >>> tape = Tape({}, {0: 0}, (), (Step(double, (0, 0), 1),), {0: 0, 1: 1}, frozenset(), (1,))
    >>> bound = BoundTape(tape, 2, {})
    >>> bound.varying[0][...] = [1.0, 2.0]
    >>> bound.run()
    >>> bound.outputs[0]
    array([2., 4.])
    """

    def __init__(self, tape: Tape, size: int, inputs: dict[int, float], moving: frozenset[int] = frozenset()) -> None:
        if tape.complex_cells:
            raise NotImplementedError("expected a real formula, got one with complex numbers on the way")
        buffers = {register: np.empty(size) for register in set(tape.registers.values())}
        cells = {cell: buffers[register] for cell, register in tape.registers.items()}
        cells.update((cell, np.array(number, dtype=float)) for cell, number in tape.constants.items())
        for cell, position in tape.arguments.items():
            if cell not in tape.registers:
                cells[cell] = np.array(inputs[position], dtype=float)
        for step in tape.scalar_steps:
            cells[step.output] = np.empty(())
        self.varying = {at: cells[cell] for cell, at in tape.arguments.items() if cell in tape.registers}
        self.moving = {at: cells[cell] for cell, at in tape.arguments.items() if at in moving}
        self.outputs = [np.broadcast_to(cells[cell], size) for cell in tape.outputs]
        changing = {cell for cell, position in tape.arguments.items() if position in moving}
        again = []
        for step in tape.scalar_steps:
            if changing.intersection(step.inputs):
                changing.add(step.output)
                again.append(step)

        def program(steps: Sequence[Step]) -> list[tuple[Callable[..., Any], tuple[np.ndarray, ...]]]:
            return [
                (step.operation.into, (*(cells[cell] for cell in step.inputs), cells[step.output])) for step in steps
            ]

        with np.errstate(all="ignore"):
            for function, operands in program(tape.scalar_steps):
                function(*operands)
        self._program = program([*again, *tape.block_steps])

    def run(self) -> None:
        """Compute `outputs` from what stands in `varying` and `moving`; the caller minds numpy's warnings."""
        for function, operands in self._program:
            function(*operands)
