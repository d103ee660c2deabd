"""Two pictures: a risk over two parameters with its flow and stationary points, and a formula
against simulation.

    landscape(risk, ...)     contours of R, streamlines of ṗ = −g⁻¹ ∇R, stationary points by nature
    agreement(formula, ...)  a curve, the estimates with their band, and the gaps in standard errors

matplotlib is the optional extra `plot`; it is imported when a picture is asked for. Natures and
curves differ in shape, size and lightness, not in hue alone, so that the pictures survive a grey
printer and colour-blind eyes (palette: Okabe and Ito 2008; cividis: Nuñez et al. 2018).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from numerics.compile import compile as compile_floats
from numerics.estimate import Estimate
from theory.domain import Domain
from theory.notation import lam
from theory.risk import Risk
from theory.stationary import Nature, StationaryPoint

__all__ = ["agreement", "landscape"]

MARKERS = {
    Nature.MINIMUM: ("o", "#ffffff", 110),
    Nature.MAXIMUM: ("^", "#000000", 110),
    Nature.SADDLE: ("X", "#d55e00", 130),
    Nature.DEGENERATE: ("D", "#cc79a7", 80),
    Nature.UNKNOWN: ("s", "#999999", 80),
}
"""Shape, face colour and area of the mark of each nature; all have a black edge with a white rim."""

BLUE, ORANGE = "#0072b2", "#d55e00"


def landscape(
    risk: Risk,
    stationary: Iterable[StationaryPoint] = (),
    domain: Domain | Mapping | None = None,
    manifold: Mapping[sp.Symbol, sp.Expr] | None = None,
    points: int = 201,
    axes: Any = None,
) -> Any:
    """The contours of a risk over its two parameters, its descent flow and its stationary points.

        ṗ_i = −g⁻¹_i(p) ∂R/∂p_i

    Args:
        risk: with exactly two parameters, every other symbol given a number.
        stationary: points to mark, such as a `StationarySet`; the legend counts each nature.
        domain: intervals of the parameters; by default the risk's own.
        manifold: the inverse metric g⁻¹ by parameter, 1 where none is given.
        points: grid points along each axis for the contours.
        axes: matplotlib axes to draw on; by default a new figure.

    Returns:
        The matplotlib figure; `figure.savefig("landscape.png")` writes it.

    Raises:
        ValueError: unless the risk has two parameters with bounded intervals and no other symbol.
        ImportError: without matplotlib, naming the extra to install.
    """
    pyplot = _pyplot()
    if len(risk.parameters) != 2:
        names = ", ".join(map(str, risk.parameters))
        raise ValueError(
            f"expected a risk with two parameters, got {len(risk.parameters)} ({names}); restrict the others"
        )
    horizontal, vertical = risk.parameters
    left = risk.expr.free_symbols - set(risk.parameters)
    if left:
        raise ValueError(
            f"expected numbers for every symbol but {horizontal} and {vertical}, "
            f"got {', '.join(sorted(map(str, left)))} without a value"
        )
    domain = risk.domain if domain is None else domain
    if domain is None:
        raise ValueError("expected a domain: the risk has none of its own; give an interval for both parameters")
    domain = domain if isinstance(domain, Domain) else Domain(domain)
    ranges = [_floats(domain.interval(parameter), parameter) for parameter in risk.parameters]
    figure, axes = _figure(pyplot, axes, (6.4, 5.2))

    x, y = (np.linspace(low, high, points) for low, high in ranges)
    grid = np.meshgrid(x, y)
    heights = _on_grid(risk.expr, risk.parameters, grid)
    shades = axes.contourf(*grid, heights, levels=24, cmap=_light_cividis(), zorder=0)
    axes.contour(*grid, heights, levels=24, colors="white", linewidths=0.4, zorder=1)
    figure.colorbar(shades, ax=axes, label="risk $R$")

    metric = manifold or {}
    coarse = np.meshgrid(*(np.linspace(low, high, 41) for low, high in ranges))
    gradient = risk.gradient()
    flow = [
        _on_grid(-sp.sympify(metric.get(p, 1), strict=True) * gradient[p], risk.parameters, coarse)
        for p in risk.parameters
    ]
    axes.streamplot(*coarse, *flow, color="black", linewidth=0.7, arrowsize=0.8, density=1.1, zorder=2)

    _mark(axes, tuple(stationary), horizontal, vertical)
    axes.set_xlabel(_label(horizontal))
    axes.set_ylabel(_label(vertical))
    for set_limits, (low, high) in zip((axes.set_xlim, axes.set_ylim), ranges, strict=True):
        margin = 0.05 * (high - low)  # points on the edge of the box are seen in full
        set_limits(low - margin, high + margin)
    return figure


def agreement(
    formula: sp.Expr | Risk,
    symbol: sp.Symbol,
    at: Sequence[Any],
    estimates: Sequence[Estimate],
    deviations: float = 3.0,
    points: int = 401,
    axes: Any = None,
) -> Any:
    """A formula as a curve, simulation estimates with their band, and the gaps in standard errors.

    Args:
        formula: an expression, or a risk, with a single symbol left.
        symbol: the one on the horizontal axis.
        at: where the estimates were made.
        estimates: one at each of these values.
        deviations: half-width of the band in standard errors; a description, not a test. Tests with
            a proven error are `MonteCarloAgreement`.
        points: points on the curve.
        axes: a pair of matplotlib axes (curve, gaps); by default a new figure.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: for another symbol in the formula, or unequal numbers of values and estimates.
        ImportError: without matplotlib, naming the extra to install.
    """
    pyplot = _pyplot()
    expr = formula.expr if isinstance(formula, Risk) else sp.sympify(formula, strict=True)
    left = expr.free_symbols - {symbol}
    if left:
        raise ValueError(
            f"expected only {symbol} in the formula, got {', '.join(sorted(map(str, left)))} without a value"
        )
    if len(at) != len(estimates) or not estimates:
        raise ValueError(f"expected one estimate for each value of {symbol}, got {len(estimates)} for {len(at)} values")
    places = np.array([float(value) for value in at])
    order = np.argsort(places)
    places = places[order]
    means = np.array([estimates[i].mean for i in order], dtype=float)
    errors = np.array([estimates[i].standard_error for i in order], dtype=float)
    if axes is None:
        _, axes = pyplot.subplots(2, 1, sharex=True, figsize=(6.4, 5.2), height_ratios=(3, 1), layout="constrained")
    upper, lower = axes

    x = np.linspace(places[0], places[-1], points)
    upper.fill_between(
        places,
        means - deviations * errors,
        means + deviations * errors,
        color=ORANGE,
        alpha=0.3,
        linewidth=0,
        label=rf"simulation $\pm\,{deviations:g}$ standard errors",
    )
    upper.plot(x, _on_grid(expr, (symbol,), [x]), color=BLUE, linewidth=1.6, label="closed form")
    upper.errorbar(
        places,
        means,
        yerr=deviations * errors,
        fmt="o",
        markersize=5,
        markerfacecolor="white",
        color=ORANGE,
        markeredgecolor="black",
        capsize=3,
        label="simulation",
        zorder=3,
    )
    upper.set_ylabel("risk $R$")
    upper.legend(frameon=False)

    gaps = (means - _on_grid(expr, (symbol,), [places])) / np.where(errors > 0, errors, np.nan)
    lower.axhspan(-deviations, deviations, color=ORANGE, alpha=0.3, linewidth=0)
    lower.axhline(0.0, color=BLUE, linewidth=1.6)
    lower.plot(places, gaps, "o", markersize=5, markerfacecolor="white", markeredgecolor="black")
    reach = max(deviations * 1.3, np.nanmax(np.abs(gaps), initial=0.0) * 1.1)
    lower.set_ylim(-reach, reach)
    lower.set_ylabel("gap / s.e.")
    lower.set_xlabel(_label(symbol))
    return upper.figure


def _mark(axes: Any, stationary: tuple[StationaryPoint, ...], horizontal: sp.Symbol, vertical: sp.Symbol) -> None:
    from matplotlib.patheffects import withStroke  # optional dependency

    for nature, (shape, face, area) in MARKERS.items():
        places = [(float(p[horizontal]), float(p[vertical])) for p in stationary if p.nature() is nature]
        if places:
            name = (
                nature.value
                if len(places) == 1
                else {"maximum": "maxima", "minimum": "minima", "saddle": "saddles"}.get(nature.value, nature.value)
            )
            axes.scatter(
                *zip(*places, strict=True),
                marker=shape,
                s=area,
                facecolor=face,
                edgecolor="black",
                linewidth=1.3,
                zorder=5,
                clip_on=False,
                label=f"{len(places)} {name}",
                path_effects=[withStroke(linewidth=3.2, foreground="white")],
            )
    if stationary:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5, frameon=False)


def _on_grid(expr: sp.Expr, symbols: Sequence[sp.Symbol], grid: Sequence[np.ndarray]) -> np.ndarray:
    values = compile_floats(sp.sympify(expr, strict=True), tuple(symbols))(*(np.ravel(part) for part in grid))
    return np.broadcast_to(np.asarray(values, dtype=float), np.ravel(grid[0]).shape).reshape(grid[0].shape)


def _floats(ends: tuple[sp.Expr, sp.Expr], parameter: sp.Symbol) -> tuple[float, float]:
    low, high = ends
    if not (low.is_finite and high.is_finite and low < high):
        raise ValueError(f"expected a bounded interval for {parameter}, got ({low}, {high})")
    return float(low), float(high)


def _label(symbol: sp.Symbol) -> str:
    letter = sp.latex(symbol, symbol_names={lam: r"\lambda"})
    return f"${letter}$"


def _light_cividis() -> Any:
    """The lighter half of cividis: dark lines and marks stay visible on it."""
    from matplotlib import colormaps  # optional dependency
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["cividis"](np.linspace(0.45, 1.0, 256)))


def _figure(pyplot: Any, axes: Any, size: tuple[float, float]) -> tuple[Any, Any]:
    if axes is not None:
        return axes.figure, axes
    return pyplot.subplots(figsize=size, layout="constrained")


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as missing:
        raise ImportError(
            "pictures need matplotlib, which is not installed; pip install 'attention-theory[plot]'"
        ) from missing
    return pyplot
