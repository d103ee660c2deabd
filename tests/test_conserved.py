"""What gradient flows conserve: searched completely, and stated as claims."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check import CertifiedNumerics, Context, SymbolicIdentity, claim
from theory import Conserved, Domain, conserved_quadratics, gradient_field, is_invariant, lie_derivative

v, x, y, z = sp.symbols("v x y z", real=True)


def matrix(name: str, rows: int, columns: int) -> sp.Matrix:
    return sp.Matrix(rows, columns, sp.symbols(f"{name}:{rows * columns}", real=True))


def spans_equal(one, other, symbols) -> bool:
    """Whether two lists of quadratic forms span the same space."""

    def rank(forms):
        monomials = sorted({m for f in forms for m in sp.Poly(f, *symbols).monoms()})
        return sp.Matrix([[sp.Poly(f, *symbols).coeff_monomial(m) for m in monomials] for f in forms]).rank()

    return rank(one) == rank(other) == rank([*one, *other])


def test_a_scalar_times_a_vector():
    assert conserved_quadratics([v * x, v * y, v * z], [v, x, y, z]) == (v**2 - x**2 - y**2 - z**2,)


@pytest.mark.parametrize(("rows", "inner", "columns"), [(2, 2, 2), (3, 2, 2), (2, 1, 3), (1, 2, 1)])
def test_deep_linear_networks_are_balanced(rows, inner, columns):
    """W = BA conserves AAᵀ − BᵀB, and nothing else that is quadratic when A and B have full generality."""
    A, B = matrix("a", inner, columns), matrix("b", rows, inner)
    symbols = [*A, *B]
    balance = A * A.T - B.T * B
    known = [sp.expand(balance[i, j]) for i in range(inner) for j in range(i + 1)]
    found = conserved_quadratics(B * A, [A, B])
    if (rows, inner, columns) == (1, 2, 1):  # a scalar output: the moment of rotations of (a, b) pairs is there too
        assert len(found) >= len(known)
        assert spans_equal([*found, *known], found, symbols)
    else:
        assert spans_equal(found, known, symbols)


def test_three_layers():
    A, B, C = matrix("a", 2, 2), matrix("b", 2, 2), matrix("c", 2, 2)
    assert len(conserved_quadratics(C * B * A, [A, B, C])) == 6


def test_untouched_parameters_are_conserved_and_lone_ones_are_not():
    assert set(conserved_quadratics(x, [x, y])) == {y**2, y}
    assert conserved_quadratics(x, [x]) == ()
    assert conserved_quadratics([x, y], [x, y]) == ()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=8, max_size=8), st.integers(0, 10**6))
def test_what_is_found_is_conserved_for_every_risk(numbers, seed):
    """For random bilinear models and a random risk of them: the Lie derivative is zero. And a neighbour's is not."""
    letters = (v, x, y, z)
    pairs = [v * x, v * y, v * z, x * y, x * z, y * z, x**2, y**2]
    model = [sp.Add(*(c * p for c, p in zip(numbers, pairs))), v * x]
    w = sp.symbols("w:2", real=True)
    rng = np.random.default_rng(seed)
    a, b, c = (int(n) for n in rng.integers(1, 9, 3))
    risk = (a * w[0] ** 2 + b * w[0] * w[1] + sp.exp(c * w[1])).subs(dict(zip(w, model)), simultaneous=True)
    field = gradient_field(risk, letters)
    for quantity in conserved_quadratics(model, letters):
        assert sp.expand(lie_derivative(quantity, field)) == 0
        assert sp.expand(lie_derivative(quantity + v * x, field)) != 0


def test_the_search_is_complete():
    """Against brute force over all small forms of two parameters."""
    for model in (x * y, x**2 + y**2, x**2 - y**2, x**2 + x * y, x**3 + y):
        found = conserved_quadratics(model, (x, y))
        for a in range(-2, 3):
            for b in range(-2, 3):
                for c in range(-2, 3):
                    form = a * x**2 + b * x * y + c * y**2
                    conserved = sp.expand(sum(form.diff(s) * model.diff(s) for s in (x, y))) == 0
                    if form != 0 and conserved:
                        assert found and spans_equal([*found, form], list(found), (x, y)), (model, form)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_spheres_and_frames_are_invariant_for_every_risk(seed):
    """ẋ = −(I − xxᵀ)∇R on the sphere, Ẋ = −(∇R − X sym(Xᵀ∇R)) on frames; without the projection they are left."""
    rng = np.random.default_rng(seed)
    a, b, c = (int(n) for n in rng.integers(1, 9, 3))
    risk = a * x**2 * y + sp.erf(b * x * z) + sp.exp(c * y) * z
    at = sp.Matrix([x, y, z])
    slope = sp.Matrix([risk.diff(s) for s in at])
    projected = -(slope - at * (at.T * slope)[0])
    sphere = [x**2 + y**2 + z**2 - 1]
    assert is_invariant(sphere, dict(zip(at, projected)))
    assert not is_invariant(sphere, dict(zip(at, -slope)))
    frame = matrix("f", 2, 2)
    slope = matrix("s", 2, 2)  # any gradient at all
    inner = frame.T * slope
    velocity = -(slope - frame * (inner + inner.T) / 2)
    gram = frame.T * frame - sp.eye(2)
    equations = [gram[0, 0], gram[0, 1], gram[1, 1]]
    assert is_invariant(equations, dict(zip(frame, velocity)))
    assert not is_invariant(equations[:2], dict(zip(frame, velocity)))


def test_balanced_layers_stay_balanced_and_rank_one_stays_rank_one():
    """{U₁U₁ᵀ = U₂ᵀU₂} under the flow of R(U₂U₁); det of a matrix with velocity MW is multiplied."""
    A, B = matrix("a", 2, 2), matrix("b", 2, 2)
    slope = matrix("g", 2, 2)
    field = dict(zip(A, -(B.T * slope))) | dict(zip(B, -(slope * A.T)))
    balance = A * A.T - B.T * B
    assert is_invariant([balance[0, 0], balance[0, 1], balance[1, 1]], field)
    assert is_invariant([A.det()], dict(zip(A, slope * A)))
    assert not is_invariant([A.det()], dict(zip(A, slope)))


def test_bad_equations_are_named():
    with pytest.raises(ValueError, match="polynomials in x, y, got erf"):
        is_invariant([sp.erf(x)], {x: y, y: x})
    with pytest.raises(ValueError, match="polynomials in x, y, got z"):
        is_invariant([z], {x: y, y: x})
    with pytest.raises(ValueError, match="at least one equation"):
        is_invariant([], {x: y})


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="polynomial"):
        conserved_quadratics(sp.exp(x), [x])
    with pytest.raises(ValueError, match="rational coefficients"):
        conserved_quadratics(sp.pi * x * y, [x, y])
    with pytest.raises(ValueError, match="parameters alone, got z"):
        conserved_quadratics(x * z, [x])
    with pytest.raises(ValueError, match="depends on its parameters"):
        conserved_quadratics(sp.Integer(1), [x])
    with pytest.raises(TypeError, match="expected symbols"):
        conserved_quadratics(x * y, [x, x * y])
    with pytest.raises(ValueError, match="each parameter once"):
        conserved_quadratics(x * y, [x, x])


# --- the statement ---------------------------------------------------------------------------------


def made(quantity):
    field = gradient_field(sp.erf(x * y) + (x * y) ** 2, (x, y))

    @claim(on=Domain({x: (-2, 2), y: (-2, 2)}), by=[SymbolicIdentity(), CertifiedNumerics(digits=20)])
    def conserved():
        """The flow of a risk of the product conserves the difference of the squares."""
        return Conserved(field, quantity)

    return conserved


def run(item):
    return [check.run(item, Context(np.random.default_rng(0))) for check in item.checks]


def test_a_conserved_quantity_holds_and_its_neighbours_fail():
    symbolic, certified = run(made(x**2 - y**2))
    assert symbolic.holds and certified.holds
    for wrong in (made(x**2 + y**2), made(x**2 - y**2).perturbed("0.001")):
        symbolic, certified = run(wrong)
        assert symbolic.undecided and certified.fails


def test_the_statement_is_read():
    statement = Conserved({x: -y, y: x}, x**2 + y**2)
    assert statement.text() == "x**2 + y**2 is conserved by dx/dt = -y, dy/dt = x"
    assert "conserved" in statement.latex() and len(statement.displays()) == 3
    assert statement.map(lambda e: e) == statement
    with pytest.raises(ValueError, match="coordinates that move"):
        Conserved({x: -y}, z**2)
