"""All stationary points of a risk, with their nature: what the searches prove, said about a risk.

    ∇R(p) = 0                      on a box of the parameters
    grad R(p) = 0                  on a manifold: spheres, products of spheres, orthonormal frames
    g⁻¹(p) ∇R(p) = 0               with a metric: the points where the flow ṗ = −g⁻¹ ∇R rests

A risk of one matrix is solved in closed form (`theory.quadratic`, `theory.spectral`). A risk on spheres or with a
continuous symmetry is searched up to that symmetry (`numerics.orbits`); one with a polynomial gradient by counting
all complex zeros (`numerics.polynomial_zeros`); any other on its box (`numerics.certify`).

On spheres, in the overlaps κ = ⟨k, k*⟩ of unit vectors, g⁻¹ = 1 − κ²: the ends κ = ±1 rest too.
The nature is read off the Hessian, or where the metric degenerates off the linearised flow: R
falls along the flow, so a point that attracts is a minimum, one that repels a maximum, and one
that does both a saddle.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import sympy as sp
from flint import arb, arb_mat

from theory.domain import Domain, FeasibleGram
from theory.gaussian import NoClosedForm
from theory.identity import reduces_to_zero
from theory.quadratic import quadratic_stationary_points
from theory.risk import Risk
from theory.spectral import factorised_stationary_points
from theory.stationary import Box, Certificate, Nature, Orbit, StationaryPoint, StationarySet

from .balls import compile_ball
from .certify import Zero, Zeros, certified_zeros
from .critical import Landscape
from .exact_numbers import exact_ends
from .krawczyk import jacobian_balls
from .manifolds import Manifold, ProductOfSpheres, Sphere, random_points
from .orbits import stationary_from_starts, stationary_up_to_symmetry
from .polynomial_zeros import RealZeros, ZeroSet, is_polynomial, polynomial_zeros
from .signature import eigenvalue_balls, flow_signature, signature
from .slices import Part
from .symmetries import linear_symmetries

__all__ = ["is_singular", "stationary_points"]

BITS = 256
"""Precision of values and eigenvalues at a point."""

Metric = Mapping[sp.Symbol, sp.Expr] | Sequence[sp.Expr]

STARTS = 400
"""Random starts on a manifold without charts here."""


def stationary_points(
    risk: Risk,
    domain: Domain | Mapping | None = None,
    manifold: Manifold | Metric | None = None,
    seconds: float = 60.0,
) -> StationarySet:
    """All stationary points of a risk on a box, each with a proof and its nature.

        {p in domain : ∂R/∂p_i = 0 for all i},   or   g⁻¹_i ∂R/∂p_i = 0 with a metric

    Args:
        risk: smooth in its parameters, every other symbol given a number (`risk.restrict`); or a risk
            of one matrix, quadratic in it or with a spectral answer, where other symbols may stay.
        domain: intervals for the parameters, closed and bounded (±oo is allowed where the gradient
            is polynomial), perhaps with conditions; by default the risk's own.
        manifold: None for the plain gradient; a `Sphere`, `ProductOfSpheres` or `Stiefel` of which the
            parameters, in order, are the coordinates of a point; or the inverse metric g⁻¹ by parameter (1 where
            none is given), or in the parameters' order: `{kappa: 1 - kappa**2, nu: 1 - nu**2}` for
            the overlaps of unit vectors.
        seconds: time budget; past it the set is not complete and says so.

    Returns:
        Points with their certificates, orbits with their dimension and the symmetry that explains them,
        what is unresolved, whether the list is complete (up to the symmetry named in the sentence), and
        why the search stopped. Eigenvalues are those of the Hessian, on a manifold the Riemannian one,
        with a metric those of the linearised flow. On frames (`Stiefel`) points are proven one by one from
        random starts, and the list is never called complete.

    Raises:
        ValueError: for a symbol without a value, a parameter without a bounded interval, a risk that is not
            smooth, or a manifold of another size than the parameters.
        NoClosedForm: for a risk of a matrix that is neither quadratic nor of a spectral family.

    >>> x, y = sp.symbols("x y", real=True)
    >>> box = Domain({x: (-2, 2), y: (-2, 2)})
    >>> found = stationary_points(Risk((x**2 - 1)**2 + y**2, (x, y), box))
    >>> found.complete
    True
    >>> for point in found:
    ...     print(point)
    x = -1, y = 0: minimum
    x = 0, y = 0: saddle
    x = 1, y = 0: minimum
    >>> print(stationary_points(Risk((x**2 + y**2 - 1)**2, (x, y)), {x: (-2, 2), y: (-2, 2)}).orbits[0])
    x = 1, y = 0: minimum, on a set of dimension 1 (rotations of (x, y))
    >>> [str(point.nature()) for point in stationary_points(Risk(x + y, (x, y)), manifold=Sphere(2))]
    ['minimum', 'maximum']
    """
    domain = risk.domain if domain is None else domain
    matrices = [parameter for parameter in risk.parameters if isinstance(parameter, sp.MatrixSymbol)]
    if matrices:
        return _of_matrix(risk, matrices, domain, manifold)
    variables = tuple(risk.parameters)
    if isinstance(manifold, Manifold):
        _refuse_shape(manifold, variables)
        domain = Domain(dict.fromkeys(variables, (-1, 1))) if domain is None else domain
    if domain is None:
        raise ValueError("expected a domain: the risk has none of its own; give an interval for every parameter")
    domain = domain if isinstance(domain, Domain) else Domain(domain)
    missing = [symbol.name for symbol in variables if symbol not in domain.symbols]
    if missing:
        raise ValueError(f"expected an interval for every parameter, got none for {', '.join(missing)}")
    left = risk.expr.free_symbols - set(variables)
    if left:
        raise ValueError(
            f"expected numbers for every symbol but the parameters {', '.join(map(str, variables))}, got "
            f"{', '.join(sorted(symbol.name for symbol in left))} without a value; give exact values "
            "with risk.restrict"
        )
    domain = Domain({x: domain.interval(x) for x in variables}, _conditions(domain, variables))
    intervals = {x: domain.interval(x) for x in variables}
    constraints = _constraints(domain, variables)
    if isinstance(manifold, Manifold):
        other = _unsearchable(domain, variables)
        if other:
            raise ValueError(f"expected inequalities and Gram matrices as conditions on a manifold, got {other}")
        return _on_manifold(risk, manifold, domain, constraints, seconds)
    bounded = all(low.is_finite and high.is_finite and low < high for low, high in intervals.values())
    if manifold is None and bounded and not _unsearchable(domain, variables):
        floats = {x: (float(low), float(high)) for x, (low, high) in intervals.items()}
        generators = linear_symmetries(risk.expr, variables, floats)
        if generators:
            part = Part(risk.expr, tuple(intervals.items()), (), constraints)
            return stationary_up_to_symmetry(Landscape(risk.expr, variables, (), generators), part, seconds)
    gradient = risk.gradient()
    metric = _inverse_metric(manifold, variables)
    equations = [-metric[x] * gradient[x] if manifold is not None else gradient[x] for x in variables]
    found: Zeros | RealZeros
    if is_polynomial(equations, variables):
        found = polynomial_zeros(equations, variables, intervals, seconds)
    else:
        found = certified_zeros(equations, variables, intervals, seconds, constraints)
    points: list[StationaryPoint] = []
    unresolved, sentence = list(found.unresolved), found.termination
    orbits: list[Orbit] = []
    for each in found.sets if isinstance(found, RealZeros) else ():
        if _is_admissible(domain, variables, Zero(each.at, each.at, each.exact, simple=False)):
            orbits.append(_orbit(variables, each))
        else:
            unresolved.append(tuple((x, *intervals[x]) for x in variables))
            sentence += " For a set of zeros the conditions of the domain could not be decided."
    for zero in found:
        admissible = _is_admissible(domain, variables, zero)
        if admissible:
            points.append(_point(risk, variables, gradient, metric if manifold is not None else None, equations, zero))
        elif admissible is None:
            unresolved.append(_certified_box(variables, zero))
            sentence += " For one zero the conditions of the domain could not be decided."
    return StationarySet(tuple(points), tuple(orbits), tuple(unresolved), found.complete and not unresolved, sentence)


def _orbit(variables: tuple[sp.Symbol, ...], found: ZeroSet) -> Orbit:
    """A set of zeros as a set of stationary points that are not isolated."""
    at = [ball if exact is None else exact for ball, exact in zip(found.at, found.exact, strict=True)]
    return Orbit(tuple(zip(variables, at, strict=True)), found.dimension, found.symmetry)


def _of_matrix(
    risk: Risk, matrices: list[sp.MatrixSymbol], domain: Domain | Mapping | None, manifold: object
) -> StationarySet:
    """Stationary points of a risk of one matrix, in closed form."""
    if len(risk.parameters) > 1 or manifold is not None:
        raise ValueError(
            f"expected one matrix as the only parameter and no manifold, got {', '.join(map(str, risk.parameters))}; "
            "write the entries as symbols to search in several"
        )
    (W,) = matrices
    conditions = (*risk.conditions, *(domain.conditions if isinstance(domain, Domain) else ()))
    try:
        return quadratic_stationary_points(risk.expr, W, conditions)
    except NoClosedForm as not_linear:
        try:
            return factorised_stationary_points(risk.expr, W)
        except NoClosedForm as not_spectral:
            raise NoClosedForm(f"{not_linear}; and {not_spectral}; or write the entries as symbols") from None


def _refuse_shape(manifold: Manifold, variables: tuple[sp.Symbol, ...]) -> None:
    size = math.prod(manifold.shape)
    if size != len(variables):
        raise ValueError(
            f"expected {size} parameters, the coordinates of a point of {manifold}, got {len(variables)}: "
            f"{', '.join(map(str, variables))}"
        )


def _on_manifold(
    risk: Risk, manifold: Manifold, domain: Domain, constraints: tuple[sp.Expr, ...], seconds: float
) -> StationarySet:
    """Stationary points on spheres, complete; on other manifolds those that many starts lead to."""
    variables = tuple(risk.parameters)
    equations = manifold.equations(variables)
    intervals = tuple((x, domain.interval(x)) for x in variables)
    if isinstance(manifold, Sphere):
        spheres: tuple[tuple[sp.Symbol, ...], ...] = (variables,)
    elif isinstance(manifold, ProductOfSpheres):
        spheres = tuple(variables[at] for _, at in manifold.parts)
    else:
        part = Part(risk.expr, intervals, (), constraints)
        generators = tuple(
            g for g in linear_symmetries(risk.expr, variables) if all(g.annihilates(h) for h in equations)
        )
        starts = random_points(manifold, STARTS, np.random.default_rng(0)).reshape(STARTS, -1)
        return stationary_from_starts(Landscape(risk.expr, variables, equations, generators), part, starts)
    box = dict.fromkeys(variables, (-1.0, 1.0))
    generators = linear_symmetries(risk.expr, variables, box, spheres)
    narrow = [x for x, (low, high) in intervals if low > -1 or high < 1]
    if narrow:  # a box smaller than the spheres: its sides are conditions
        sides = [(x - low, high - x) for x, (low, high) in intervals if x in narrow]
        constraints = (*constraints, *(side for pair in sides for side in pair))
    whole = tuple((x, (sp.Integer(-1), sp.Integer(1))) for x in variables)
    part = Part(risk.expr, whole, spheres, constraints)
    return stationary_up_to_symmetry(Landscape(risk.expr, variables, equations, generators), part, seconds)


def _unsearchable(domain: Domain, variables: tuple[sp.Symbol, ...]) -> str:
    """What is asked of a point that no inequality between its coordinates says; "" when there is no such thing."""
    known = (FeasibleGram, sp.Gt, sp.Ge, sp.Lt, sp.Le)
    for condition in domain.conditions:
        free: set[sp.Symbol] = getattr(getattr(condition, "matrix", condition), "free_symbols", set())
        if not isinstance(condition, known) or free - set(variables):
            return str(condition)
    signed = [x.name for x in variables if x.is_nonzero or x.is_nonnegative or x.is_nonpositive or x.is_integer]
    return f"assumptions about {', '.join(signed)}" if signed else ""


def _constraints(domain: Domain, variables: tuple[sp.Symbol, ...]) -> tuple[sp.Expr, ...]:
    """Expressions that are nonnegative wherever the conditions hold: of a Gram matrix every principal minor."""
    found: list[sp.Expr] = []
    for condition in domain.conditions:
        if isinstance(condition, FeasibleGram):
            rows = range(condition.matrix.rows)
            for size in rows:
                for chosen in itertools.combinations(rows, size + 1):
                    found.append(
                        sp.expand(condition.matrix.extract(list(chosen), list(chosen)).det(method="berkowitz"))
                    )
        elif isinstance(condition, (sp.Gt, sp.Ge, sp.Lt, sp.Le)):
            found.append(condition.gts - condition.lts)
    known = set(variables)
    return tuple(dict.fromkeys(c for c in found if c.free_symbols and not c.free_symbols - known))


def _inverse_metric(manifold: Metric | None, variables: tuple[sp.Symbol, ...]) -> dict[sp.Symbol, sp.Expr]:
    one = {x: sp.Integer(1) for x in variables}
    if manifold is None:
        return one
    if isinstance(manifold, Mapping):
        unknown = [str(x) for x in manifold if x not in variables]
        if unknown:
            raise ValueError(
                f"the metric speaks of {', '.join(unknown)}; the parameters are {', '.join(map(str, variables))}"
            )
        return one | {x: sp.sympify(entry, strict=True) for x, entry in manifold.items()}
    entries = tuple(manifold)
    if len(entries) != len(variables):
        raise ValueError(
            f"expected {len(variables)} entries of the inverse metric, one a parameter, got {len(entries)}"
        )
    return {x: sp.sympify(entry, strict=True) for x, entry in zip(variables, entries, strict=True)}


def _point(
    risk: Risk,
    variables: tuple[sp.Symbol, ...],
    gradient: Mapping[sp.Symbol, sp.Expr],
    metric: Mapping[sp.Symbol, sp.Expr] | None,
    equations: Sequence[sp.Expr],
    zero: Zero,
) -> StationaryPoint:
    """A proven zero as a stationary point: its nature, eigenvalues and risk."""
    linear = jacobian_balls(equations, variables, zero.box, BITS)
    if metric is None:
        signs, eigenvalues = signature(linear), eigenvalue_balls(linear, is_symmetric=True)
    else:
        eigenvalues = eigenvalue_balls(linear)
        if all(compile_ball(metric[x], variables)(zero.box, BITS) > 0 for x in variables):
            signs = signature(jacobian_balls([gradient[x] for x in variables], variables, zero.box, BITS))
        else:
            signs = flow_signature(linear)
    nature = Nature.from_signature(*signs)
    if nature is Nature.UNKNOWN and is_singular(equations, variables, zero):
        nature = Nature.DEGENERATE
    at = {x: ball if exact is None else exact for x, ball, exact in zip(variables, zero.box, zero.exact, strict=True)}
    method = "unique by the Krawczyk test" if zero.simple else "isolated by exact factors"
    certificate = Certificate(
        box=_certified_box(variables, zero),
        method=method,
        simple=zero.simple,
        nature=nature,
        signature=signs,
        eigenvalues=eigenvalues,
        value=compile_ball(risk.expr, variables)(zero.box, BITS),
    )
    return StationaryPoint(tuple(at.items()), certificate)


def is_singular(equations: Sequence[sp.Expr], variables: tuple[sp.Symbol, ...], zero: Zero) -> bool:
    """The Jacobian of a field at a zero is proven singular; only exact zeros can be told."""
    if None in zero.exact:
        return False
    at = dict(zip(variables, zero.exact, strict=True))
    jacobian = sp.Matrix([[f.diff(x).xreplace(at) for x in variables] for f in equations])
    return reduces_to_zero(jacobian.det(method="berkowitz"))


def _certified_box(variables: tuple[sp.Symbol, ...], zero: Zero) -> Box:
    return tuple((x, *exact_ends(ball)) for x, ball in zip(variables, zero.region, strict=True))


def _conditions(domain: Domain, variables: tuple[sp.Symbol, ...]) -> tuple:
    """The conditions of a domain that speak of the parameters."""

    def speaks(condition: object) -> bool:
        symbols = getattr(getattr(condition, "matrix", condition), "free_symbols", None)
        return symbols is None or bool(symbols & set(variables))

    return tuple(condition for condition in domain.conditions if speaks(condition))


def _is_admissible(domain: Domain, variables: tuple[sp.Symbol, ...], zero: Zero) -> bool | None:
    """Whether a zero inside the box meets the domain's conditions and assumptions; None if unknown."""
    if None not in zero.exact:
        answer = domain.contains(dict(zip(variables, zero.exact, strict=True)))
        if answer is not None:
            return answer
    answers = [_holds_on(condition, variables, zero.box) for condition in domain.conditions]
    return False if False in answers else None if None in answers else True


def _holds_on(condition: object, variables: tuple[sp.Symbol, ...], box: Sequence[arb]) -> bool | None:
    """Whether a condition holds on a whole box, or fails on it; None if neither is proven."""
    if isinstance(condition, FeasibleGram):
        if condition.matrix.free_symbols - set(variables):
            return None
        size = condition.matrix.rows
        entries = [[compile_ball(entry, variables)(box, BITS) for entry in row] for row in condition.matrix.tolist()]
        positive, negative, _ = signature(arb_mat(entries))
        return False if negative else True if positive == size else None
    if isinstance(condition, (sp.Gt, sp.Ge, sp.Lt, sp.Le)) and not condition.free_symbols - set(variables):
        gap = compile_ball(condition.gts - condition.lts, variables)(box, BITS)
        return True if gap > 0 else False if gap < 0 else None
    return None
