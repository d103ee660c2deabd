"""Starts: what a user says a descent begins at, read into a state, or refused by name.

    {"kappa": 0.1, "nu": [0.2, 0.3], …}      numbers, or arrays of shape (starts,)
    {"k": array (d,) or (starts, d), …}      vectors
    {"W": array (p, q) or (starts, p, q)}    matrices

A start is refused when a name is missing or unknown, a shape is wrong, an entry is not finite, the risk has no value
there, or it lies off its manifold; how far is said, and `project=True` takes the nearest point instead.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy as sp

from theory.risk import Risk
from theory.variables import Dot

from .compile import value
from .manifolds import Manifold, Sphere, distance_off
from .overlaps import Overlaps, embed
from .slopes import Blocks, MatrixSlope, OverlapSlope, ScalarSlope, Settings, Slope, settings_of

__all__ = ["Start", "prepare"]


@dataclass(frozen=True)
class Start:
    """A risk ready for descent, the state it begins at, and whether one start was given without a batch axis."""

    slope: Slope
    state: Blocks
    single: bool


def prepare(
    risk: Risk,
    start: Mapping[Any, Any],
    values: Mapping[Any, Any] | None = None,
    manifold: Any = None,
    project: bool = False,
) -> Start:
    """The start of a descent.

    Args:
        risk: of symbols, of overlaps, or of matrix symbols.
        start: a number or an array for each parameter, by symbol or by name.
        values: every other symbol: a number, a function of the time, or the array of a fixed vector or matrix.
        manifold: `Overlaps` for a risk of inner products, to start at overlaps or at vectors; for a risk of matrices a
            `Manifold`, or a dict from parameter to manifold; for a risk of symbols the `Manifold` that they are the
            coordinates of, or inverse metrics g⁻¹, by parameter or in their order.
        project: take the nearest point of the manifold to a start that is off it.

    Raises:
        TypeError, ValueError: for a start that cannot be begun at, as the paragraph above says.
    """
    if not isinstance(risk, Risk):
        raise TypeError(f"expected a risk, got {risk!r:.60} of type {type(risk).__name__}")
    if not isinstance(start, Mapping) or not start:
        raise TypeError(f"expected a dict of numbers or arrays by parameter as start, got {start!r:.60}")
    if isinstance(manifold, Overlaps):
        return _of_overlaps(risk, start, dict(values or {}), manifold, project)
    matrices = [p for p in risk.parameters if isinstance(p, sp.MatrixSymbol)]
    if matrices and len(matrices) < len(risk.parameters):
        raise ValueError("expected parameters that are all symbols or all matrices; name the overlaps by manifold=")
    if matrices:
        return _of_matrices(risk, start, dict(values or {}), manifold, project)
    return _of_symbols(risk, start, values, manifold, project)


# --- reading arrays --------------------------------------------------------------------------------


def _by_key(start: Mapping[Any, Any], keys: Sequence[sp.Basic]) -> dict[sp.Basic, Any]:
    """The values by key, names looked up; all keys are needed."""
    names = {str(key): key for key in keys}
    found: dict[sp.Basic, Any] = {}
    for given, number in start.items():
        key = given if given in keys else names.get(given) if isinstance(given, str) else None
        if key is None:
            close = difflib.get_close_matches(str(given), list(names), n=2, cutoff=0.5)
            hint = f" (did you mean {' or '.join(close)}?)" if close else ""
            raise ValueError(f"expected a start for each of {', '.join(names)}; unknown: {given}{hint}")
        if key in found:
            raise ValueError(f"expected one start for {key}, got two: by name and by symbol")
        found[key] = number
    missing = [str(key) for key in keys if key not in found]
    if missing:
        raise ValueError(f"expected a start for each of {', '.join(names)}; missing: {', '.join(missing)}")
    return found


def _array(name: str, given: Any) -> np.ndarray:
    wanted = f"expected numbers in the start of {name}, got {name}={given!r:.60}"
    try:
        if np.asarray(given).dtype.kind in "USb":
            raise TypeError("text or truth values")
        array = np.array(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(wanted) from error
    if not np.isfinite(array).all():
        at = np.argwhere(~np.isfinite(array))[0]
        where = f" at index {tuple(int(i) for i in at)}" if array.ndim else ""
        raise ValueError(f"expected a finite start, got {name}={float(array[tuple(at)])!r}{where}")
    return array


def _batched(arrays: Mapping[str, np.ndarray], dimensions: Mapping[str, int]) -> tuple[dict[str, np.ndarray], bool]:
    """The arrays with one leading axis of starts; those without it serve every start."""
    counts = {}
    for name, array in arrays.items():
        extra = array.ndim - dimensions[name]
        if extra not in (0, 1):
            wanted = ("a number", "a vector", "a matrix")[dimensions[name]]
            raise ValueError(f"expected {wanted} or an array of them as the start of {name}, got shape {array.shape}")
        if extra:
            counts[name] = len(array)
    if len(set(counts.values())) > 1 or 0 in counts.values():
        raise ValueError(f"expected as many starts for each parameter, at least one, got {counts}")
    starts = next(iter(counts.values()), 1)
    batch = {
        name: array if name in counts else np.broadcast_to(array, (starts, *array.shape)).copy()
        for name, array in arrays.items()
    }
    return batch, not counts


def _onto(manifold: Manifold, name: str, points: np.ndarray, project: bool) -> np.ndarray:
    """The points, which must lie on the manifold up to rounding, or are projected on it."""
    distance = np.asarray(distance_off(manifold, points))
    slack = 10 * int(np.prod(manifold.shape)) * np.finfo(float).eps
    nearest = manifold.project(points)
    if not np.isfinite(nearest).all():
        raise ValueError(f"expected a start on {manifold} for {name}, got one with no nearest point there, such as 0")
    if not project and distance.max() > slack:
        worst = int(np.argmax(distance))
        which = f" (start {worst})" if distance.size > 1 else ""
        raise ValueError(
            f"expected a start on {manifold} for {name}, got one at distance {distance.flat[worst]:.3g} from it"
            f"{which}; pass project=True to begin at the nearest point"
        )
    return nearest


# --- the three kinds -------------------------------------------------------------------------------


def _of_symbols(
    risk: Risk, start: Mapping[Any, Any], values: Mapping[Any, Any] | None, manifold: Any, project: bool
) -> Start:
    if isinstance(manifold, (list, tuple)) and len(manifold) == len(risk.parameters):
        manifold = dict(zip(risk.parameters, manifold, strict=True))
    if manifold is not None and not isinstance(manifold, (Manifold, Mapping)):
        raise TypeError(
            "expected for a risk of symbols Overlaps, a manifold that the parameters are coordinates of, or an inverse "
            f"metric for each parameter, got manifold={manifold!r}"
        )
    surface = manifold if isinstance(manifold, Manifold) else None
    metric = _metric(manifold, risk.parameters) if isinstance(manifold, Mapping) else {}
    given = _by_key(start, risk.parameters)
    batch, single = _batched({str(p): _array(str(p), x) for p, x in given.items()}, {str(p): 0 for p in given})
    symbols = set().union(risk.expr.free_symbols, *(g.free_symbols for g in metric.values()))
    settings = settings_of(risk, symbols - set(risk.parameters), values)
    state = np.stack([batch[str(p)] for p in risk.parameters], axis=1)
    if surface is not None:
        if math.prod(surface.shape) != len(risk.parameters):
            raise ValueError(
                f"expected as many parameters as coordinates of a point of {surface}, {math.prod(surface.shape)}, got "
                f"{_names(risk.parameters)}"
            )
        state = _onto(surface, _names(risk.parameters), state.reshape(-1, *surface.shape), project)
    slope = ScalarSlope(risk, settings, surface, metric)
    _has_a_value(risk, slope.read([state])[0], settings)
    return Start(slope, [state], single)


def _metric(manifold: Mapping[Any, Any], parameters: Sequence[sp.Basic]) -> dict[sp.Basic, sp.Expr]:
    names = {str(p): p for p in parameters}
    unknown = [str(key) for key in manifold if str(key) not in names]
    if unknown:
        raise ValueError(f"the metric speaks of {', '.join(unknown)}; the parameters are {_names(parameters)}")
    return {names[str(key)]: sp.sympify(entry, strict=True) for key, entry in manifold.items()}


def _of_overlaps(
    risk: Risk, start: Mapping[Any, Any], values: dict[Any, Any], overlaps: Overlaps, project: bool
) -> Start:
    constants = overlaps.constant_entries()
    parameters = [p for p in map(overlaps.in_symbols, risk.parameters) if p not in overlaps.fixed_symbols()]
    parameters = [p for p in parameters if not p.is_number]
    strangers = [str(p) for p in parameters if p not in overlaps.moving and p not in constants]
    if strangers:
        raise ValueError(
            f"expected a risk of the overlaps {', '.join(overlaps.names)}, got the parameter {', '.join(strangers)}; "
            "name it in the products of Overlaps"
        )
    risk = replace(risk, expr=overlaps.in_symbols(risk.expr), parameters=tuple(parameters))
    symbols = risk.expr.free_symbols - set(overlaps.moving) - set(constants)
    at_vectors = not {str(key) for key in start}.isdisjoint(map(str, overlaps.trained))
    if at_vectors:
        trained, fixed, single = _read_vectors(overlaps, start, values, project)
        values = {key: x for key, x in values.items() if str(key) not in map(str, overlaps.vectors)}
        values |= _inner_products(overlaps, fixed, symbols, values)
    settings = settings_of(risk, symbols, values)
    if not at_vectors:
        trained, fixed, single = _read_overlaps(overlaps, start, settings, project)
    slope = OverlapSlope(risk, overlaps, settings, fixed, show_vectors=at_vectors)
    _, there = slope.read([trained])
    _has_a_value(risk, {**there, **{str(norm): np.ones(len(trained)) for norm in constants}}, settings)
    return Start(slope, [np.ascontiguousarray(trained)], single)


def _read_overlaps(
    overlaps: Overlaps, start: Mapping[Any, Any], settings: Settings, project: bool
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Vectors with these overlaps, (starts, trained, p), the fixed ones among them, whether there is one start."""
    start = {overlaps.named(key) if isinstance(key, Dot) else key: x for key, x in start.items()}
    given = {str(symbol): _array(str(symbol), x) for symbol, x in _by_key(start, tuple(overlaps.moving)).items()}
    batch, single = _batched(given, dict.fromkeys(given, 0))
    numbers: dict[sp.Expr, Any] = {symbol: batch[str(symbol)] for symbol in overlaps.moving}
    for symbol in overlaps.fixed_symbols():
        if symbol not in settings.numbers:
            raise ValueError(
                f"expected a number for {symbol}, an inner product of fixed vectors; give it in the products of "
                "Overlaps, or in values= if the risk depends on it"
            )
        numbers[symbol] = settings.numbers[symbol]
    gram = overlaps.gram(numbers, len(next(iter(batch.values()))))
    count = len(overlaps.fixed)
    if count:
        embed(gram[:1, :count, :count])  # the fixed vectors are as they are: nothing of them is projected
    rows = embed(gram, project)
    return rows[:, count:], rows[0, :count], single


def _inner_products(
    overlaps: Overlaps, fixed: np.ndarray, symbols: set[sp.Symbol], values: Mapping[Any, Any]
) -> dict[sp.Expr, float]:
    """What the fixed vectors say of their own inner products, which must be what the overlaps and the values say."""
    place = dict(zip(overlaps.fixed, fixed, strict=True))
    named = {str(key): number for key, number in values.items()}
    slack = 10 * fixed.shape[1] * np.finfo(float).eps
    found = {}
    for i, one in enumerate(overlaps.fixed):
        for other in overlaps.fixed[: i + 1]:
            entry, product = overlaps.entry(one, other), float(place[one] @ place[other])
            said = float(entry) if entry.is_number else named.get(str(entry), product)
            if not abs(product - said) <= slack * max(1.0, abs(said)):
                raise ValueError(f"expected <{one}, {other}> = {said} as was said, got {product!r} from the vectors")
            if entry in symbols and str(entry) not in named:
                found[entry] = product
    return found


def _read_vectors(
    overlaps: Overlaps, start: Mapping[Any, Any], values: Mapping[Any, Any], project: bool
) -> tuple[np.ndarray, np.ndarray, bool]:
    """The trained vectors (starts, trained, d), the fixed ones, whether there is one start."""
    given = _by_key(start, overlaps.trained)
    arrays = {str(key): _array(str(key), given[key]) for key in overlaps.trained}
    batch, single = _batched(arrays, dict.fromkeys(arrays, 1))
    named = {str(key): x for key, x in values.items()}
    missing = [str(vector) for vector in overlaps.fixed if str(vector) not in named]
    if missing:
        raise ValueError(f"expected an array for each fixed vector in values=, missing: {', '.join(missing)}")
    fixed = [_array(str(vector), named[str(vector)]) for vector in overlaps.fixed]
    shapes = {str(x): a.shape for x, a in zip(overlaps.fixed, fixed, strict=True)}
    shapes |= {name: array.shape[1:] for name, array in batch.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise ValueError(f"expected vectors of one dimension, got the shapes {shapes}")
    size = next(iter(shapes.values()))[0]
    if overlaps.unit:
        batch = {name: _onto(Sphere(size), name, array, project) for name, array in batch.items()}
    trained = np.stack([batch[str(vector)] for vector in overlaps.trained], axis=1)
    return trained, np.array(fixed).reshape(len(fixed), size), single


def _of_matrices(risk: Risk, start: Mapping[Any, Any], values: dict[Any, Any], manifold: Any, project: bool) -> Start:
    parameters = risk.parameters
    given = _by_key(start, parameters)
    dimensions = {str(p): 1 if p.shape[1] == 1 else 2 for p in parameters}
    batch, single = _batched({str(p): _array(str(p), given[p]) for p in parameters}, dimensions)
    manifolds = _manifolds(manifold, parameters)
    for p, surface in zip(parameters, manifolds, strict=True):
        shape = batch[str(p)].shape[1:]
        if surface is not None and shape != surface.shape:
            raise ValueError(f"expected starts of shape {surface.shape} for {p} on {surface}, got {shape}")
    overlaps = _as_overlaps(risk, manifolds)
    if overlaps is not None:
        of_products = Risk(overlaps.in_symbols(risk.expr), tuple(overlaps.moving), None, risk.source)
        sizes = {p.shape[0]: batch[str(p)].shape[1] for p in parameters}
        known = {str(key) for key in values}
        values |= {n: size for n, size in sizes.items() if n in of_products.expr.free_symbols and str(n) not in known}
        return _of_overlaps(of_products, start, values, overlaps, project)
    for p, surface in zip(parameters, manifolds, strict=True):
        if surface is not None:
            batch[str(p)] = _onto(surface, str(p), batch[str(p)], project)
    others = {s for s in risk.expr.free_symbols if s not in parameters}
    matrices = {s for s in others if isinstance(s, sp.MatrixSymbol)}
    constants = {s: _array(s.name, _taken(values, s)) for s in sorted(matrices, key=str)}
    learnt = {letter for s in (*parameters, *matrices) for size in s.shape for letter in size.free_symbols}
    known = {str(key) for key in values}
    settings = settings_of(risk, {s for s in others - matrices if s not in learnt or str(s) in known}, values)
    state = [batch[str(p)] for p in parameters]
    for i in range(len(state[0])):  # strictly: the door to floats says what a wrong shape or a missing size means
        at = {p: block[i] for p, block in zip(parameters, state, strict=True)}
        value(risk, {**constants, **settings.at(0.0), **at})
    return Start(MatrixSlope(risk, settings, constants, manifolds), state, single)


def _taken(values: dict[Any, Any], symbol: sp.MatrixSymbol) -> Any:
    """The array of a symbol, taken out of the values."""
    for key in (symbol, symbol.name):
        if key in values:
            return values.pop(key)
    raise ValueError(f"expected an array for {symbol} in values=, got none")


def _as_overlaps(risk: Risk, manifolds: tuple[Manifold | None, ...]) -> Overlaps | None:
    """The inner products of a risk that sees its vectors through nothing else; None for any other.

    All vectors on spheres, or none: then every start moves at once.
    """
    on_spheres = [isinstance(manifold, Sphere) for manifold in manifolds]
    if any(on_spheres) != all(on_spheres) or (not any(on_spheres) and any(manifolds)):
        return None
    nodes = sorted((n for n in sp.preorder_traversal(risk.expr) if isinstance(n, Dot)), key=str)
    if not all(isinstance(side, sp.MatrixSymbol) for node in nodes for side in node.args):
        return None
    products = {node: sp.Symbol(str(node), real=True) for node in nodes}
    seen = {side for node in nodes for side in node.args}
    rest = risk.expr.xreplace(products)
    if not set(risk.parameters) <= seen or len({vector.shape[0] for vector in seen}) > 1:
        return None
    if any(isinstance(n, sp.MatrixExpr) for n in sp.preorder_traversal(rest)):
        return None
    return Overlaps(products, risk.parameters, unit=all(on_spheres))


def _manifolds(manifold: Any, parameters: Sequence[sp.Basic]) -> tuple[Manifold | None, ...]:
    if manifold is None:
        return (None,) * len(parameters)
    if isinstance(manifold, Manifold):
        if len(parameters) > 1:
            raise ValueError(f"expected a dict from parameter to manifold for {_names(parameters)}, got {manifold}")
        return (manifold,)
    if not isinstance(manifold, Mapping):
        raise TypeError(f"expected a manifold, or a dict of them by parameter, got manifold={manifold!r}")
    names = {str(p): p for p in parameters}
    unknown = [str(key) for key in manifold if str(key) not in names]
    if unknown:
        raise ValueError(f"the manifold speaks of {', '.join(unknown)}; the parameters are {_names(parameters)}")
    by_name = {str(key): surface for key, surface in manifold.items()}
    return tuple(by_name.get(name) for name in names)


def _has_a_value(risk: Risk, point: Mapping[str, Any], settings: Settings) -> None:
    """The risk is a finite number at every start, and its conditions hold there."""
    numbers = {**point, **{str(s): x for s, x in settings.at(0.0).items()}}
    needed = {str(symbol) for symbol in {*risk.expr.free_symbols, *risk.parameters}}
    value(risk, {name: x for name, x in numbers.items() if name in needed})


def _names(parameters: Sequence[sp.Basic]) -> str:
    return ", ".join(map(str, parameters))
