"""A bound tape gives what the tape gives, call after call, with numbers that move."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from numerics.tape import BoundTape, run
from numerics.tape_writer import Writer
from theory import GaussianIntegral, NormalCDF, OwenT

x, y = sp.symbols("x y", real=True)
a, b = sp.symbols("a b", positive=True)
z = sp.Symbol("z", real=True)

FORMULAS = {
    "polynomial": (x**3 * a + y * b - x * y * a * b, 3 * x),
    "special": (sp.erf(a * x) * sp.exp(-(y**2) / b) + OwenT(x, a) + NormalCDF(x + y * b), OwenT(a, b)),
    "fractions": (sp.sqrt(1 + a * x**2) / (b + y**2) ** sp.Rational(3, 2), sp.asin(sp.tanh(a * b))),
    "softmax": (sp.exp(a * x) / (sp.exp(a * x) + sp.exp(b * y)), sp.log(1 + sp.exp(x))),
    "pieces": (sp.Piecewise((a * x, x > y), (b * y, True)), sp.Max(x, a, y) + sp.Min(y, b) + sp.Abs(x)),
    "pieces of scalars": (sp.Piecewise((a, a > b), (b, True)) + x, sp.Max(a, b) * y),
    "integrals": (GaussianIntegral(sp.erf(a * x + b * z) ** 2, (z,)), GaussianIntegral(sp.erf(a + b * z), (z,)) * x),
    "constants": (sp.Integer(3), a / b + sp.pi),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_bound_is_as_free(name):
    writer = Writer((x, y, a, b), (0, 1))
    tape = writer.tape(tuple(writer.node(formula) for formula in FORMULAS[name]))
    rng = np.random.default_rng(0)
    bound = BoundTape(tape, 7, {2: 1.0, 3: 1.0}, frozenset({2}))
    with np.errstate(all="ignore"):
        for moved in (0.3, 1.7, 0.9):
            points = [rng.uniform(-2, 2, 7), rng.uniform(-2, 2, 7)]
            for position, cell in bound.varying.items():
                cell[...] = points[position]
            if 2 in bound.moving:
                bound.moving[2][...] = moved
            bound.run()
            for found, wanted in zip(bound.outputs, run(tape, [*points, moved, 1.0], 7), strict=True):
                assert np.allclose(found, wanted, rtol=1e-14, atol=0)


def test_complex_formulas_are_refused():
    writer = Writer((x,), (0,))
    with pytest.raises(NotImplementedError, match="real formula"):
        BoundTape(writer.tape((writer.node(sp.exp(sp.I * x)),)), 3, {})
