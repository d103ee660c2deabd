"""Certified Gaussian means of functions of balls, by two algorithms that must overlap."""

from __future__ import annotations

import math

import pytest
from flint import acb, arb, ctx, fmpq
from hypothesis import given
from hypothesis import strategies as st

from numerics.quadrature import (
    Envelope,
    NotIntegrable,
    QuadratureBudgetExceeded,
    gaussian_mean,
    mean_at,
    trapezoid_mean_at,
)

ONE = Envelope.constant(1)


@pytest.fixture(autouse=True)
def forty_digits():
    with ctx.workprec(140):
        yield


def third() -> arb:
    return arb(fmpq(1, 3))


CLOSED_FORMS = {
    "even moment": (lambda t, _: t**20, Envelope.power(20), lambda: arb(654729075)),
    "odd moment": (lambda t, _: t**7, Envelope.power(7), lambda: arb(0)),
    "exponential": (lambda t, _: (20 * t).exp(), Envelope.of(a=20), lambda: arb(200).exp()),
    "nearly infinite": (
        lambda t, _: (49 * t * t / 100).exp(),
        Envelope.of(b=fmpq(49, 100)),
        lambda: arb(50).sqrt(),
    ),
    "narrow": (
        lambda t, _: (-(10**6) * t * t).exp(),
        Envelope.of(b=-(10**6)),
        lambda: 1 / arb(2 * 10**6 + 1).sqrt(),
    ),
    "cosine": (lambda t, _: (3 * t).cos(), ONE, lambda: arb(-4.5).exp()),
    "square of erf": (
        lambda t, _: t.erf() * t.erf(),
        ONE,
        lambda: 2 / arb.pi() * (arb(2) / 3).asin(),
    ),
    "shifted erf": (
        lambda t, _: (2 * t + 1).erf(),
        ONE,
        lambda: third().erf(),
    ),
    "Stein": (lambda t, _: t * (t / 2).erf(), Envelope.power(1), lambda: 1 / (arb.pi() * 3 / 2).sqrt()),
    "sigmoid": (lambda t, _: 1 / (1 + (-7 * t).exp()), ONE, lambda: arb(1) / 2),
    "square root with a branch cut": (
        lambda t, analytic: (t * t).sqrt(analytic=analytic),
        Envelope.power(1),
        lambda: (2 / arb.pi()).sqrt(),
    ),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_closed_forms_lie_in_the_ball(name):
    f, envelope, exact = CLOSED_FORMS[name]
    value = gaussian_mean(f, envelope, digits=36)
    assert value.overlaps(exact()), name
    assert value.rad() <= arb(10) ** -36 * max(1, abs(float(value.mid())))


def test_a_wide_tail_is_not_forgotten():
    """E t² e^{at} = (1 + a²)e^{a²/2}: the mass sits at t = a, far from the bell."""
    a = arb(12)
    value = gaussian_mean(lambda t, _: t * t * (a * t).exp(), Envelope.of(1, 2, a), digits=30)
    assert value.overlaps((1 + a * a) * (a * a / 2).exp())


@pytest.mark.parametrize("shift", [fmpq(0), fmpq(1, 3), fmpq(-5, 2), fmpq(40), fmpq(15)])
def test_kinks_are_cut_out(shift):
    """E|t − c| = 2φ(c) + c(2Φ(c) − 1) and P(t > c) = Φ(−c)."""
    envelope = Envelope.power(1) + Envelope.constant(abs(shift) + 1)

    def kink() -> arb:
        return arb(shift)

    below, above = (lambda t, _: kink() - t), (lambda t, _: t - kink())
    value = gaussian_mean(
        [below, above],
        envelope,
        lambda: [kink()],
        digits=36,
        whole=lambda t, analytic: (t - kink()).real_abs(analytic=analytic),
    )
    c = arb(shift)
    density = (-c * c / 2).exp() / (2 * arb.pi()).sqrt()
    assert value.overlaps(2 * density + c * (c / arb(2).sqrt()).erf())
    step = gaussian_mean(
        [lambda t, _: acb(0), lambda t, _: acb(1)],
        ONE,
        lambda: [kink()],
        digits=30,
        whole=lambda t, analytic: (t - kink()).real_heaviside(analytic=analytic),
    )
    assert step.overlaps((c / arb(2).sqrt()).erfc() / 2)


def test_a_kink_that_is_not_announced_is_found_by_bisection():
    value = gaussian_mean(
        lambda t, analytic: (t - acb(third())).real_abs(analytic=analytic), Envelope.power(1) + ONE, digits=30
    )
    c = third()
    assert value.overlaps(2 * (-c * c / 2).exp() / (2 * arb.pi()).sqrt() + c * (c / arb(2).sqrt()).erf())


def test_pieces_and_breakpoints_must_match():
    with pytest.raises(ValueError, match="expected 2 pieces for 1 breakpoints, got 1"):
        mean_at([lambda t, _: t], ONE, [arb(0)])


@given(st.integers(-30, 30), st.integers(1, 40), st.integers(-20, 20))
def test_the_two_algorithms_overlap(slope, steepness, shift):
    a, s, c = (arb(fmpq(x, 10)) for x in (slope, steepness, shift))
    y = arb(fmpq(1, steepness))  # poles of tanh(st) lie at π/(2s) ≥ 15/steepness
    adaptive = mean_at(lambda t, _: (s * t + c).tanh() * (a * t).exp(), Envelope.of(a=abs(a)))
    bound = Envelope.of((1 + (s * y).tan()), a=abs(a))
    uniform = trapezoid_mean_at(lambda t: (s * t[0] + c).tanh() * (a * t[0]).exp(), bound, y, bits=60)
    assert adaptive.overlaps(uniform)
    assert uniform.rad() < arb(2) ** -45 * (1 + (a * a / 2).exp())


def test_two_precisions_overlap():
    def f(t, _):
        return (3 * t + 1).tanh() * (t / 2).exp()

    with ctx.workprec(64):
        coarse = mean_at(f, Envelope.of(a=0.5))
    with ctx.workprec(500):
        fine = mean_at(f, Envelope.of(a=0.5))
    assert coarse.overlaps(fine)
    assert coarse.rel_accuracy_bits() > 50 and fine.rel_accuracy_bits() > 480


def test_a_plane_integral():
    """E cos(t₀ + 2t₁) = e^{−5/2}, with |cos| ≤ cosh of three strips."""
    mean = trapezoid_mean_at(lambda t: (t[0] + 2 * t[1]).cos(), Envelope.constant(arb(3).cosh(), 2), arb(1), bits=60)
    assert mean.overlaps(arb(-2.5).exp()) and mean.rad() < arb(2) ** -50


def test_a_plane_integral_that_grows():
    """E e^{t₀ + t₁} t₀² t₁² = 4e."""
    bound = Envelope.of(1, 2, 1)
    line = bound + Envelope.of(1, 1, 1) + Envelope.of(2, 0, 1)  # (|x| + 1)² ≤ x² + 2|x| + 1
    terms = [(x, y) for x in (*line.terms, *line.terms) for y in (*line.terms, *line.terms)]
    plane = Envelope(tuple(type(x)(x.c * y.c, x.p + y.p, x.a + y.a, x.b + y.b) for x, y in terms), dimension=2)
    mean = trapezoid_mean_at(lambda t: (t[0] + t[1]).exp() * t[0] * t[0] * t[1] * t[1], plane, arb(1), bits=60)
    assert mean.overlaps(4 * arb(1).exp())


# --- controls: what must not pass --------------------------------------------------------------


def test_an_envelope_for_too_wide_a_strip_is_caught_by_the_other_algorithm():
    """tanh has poles at ±iπ/2; an envelope claimed beyond them gives a ball that misses the value."""

    def square(t):
        return t.tanh() * t.tanh()

    adaptive = mean_at(lambda t, _: square(t), ONE)
    honest = trapezoid_mean_at(lambda t: square(t[0]), Envelope.constant((1 + arb(1).tan()) ** 2), arb(1))
    false = trapezoid_mean_at(lambda t: square(t[0]), ONE, arb(4))
    assert adaptive.overlaps(honest) and not adaptive.overlaps(false)


def test_an_envelope_that_is_too_small_in_the_tail_is_caught_by_the_closed_form():
    """e^{10t} has its mass at t = 10; with an envelope of one the interval ends too early."""
    value = mean_at(lambda t, _: (100 * t).exp(), ONE)
    assert not value.overlaps(arb(5000).exp())


@pytest.mark.parametrize("b", [fmpq(1, 2), fmpq(3, 4), fmpq(10)])
def test_what_grows_like_the_reciprocal_density_is_refused(b):
    with pytest.raises(NotIntegrable, match=r"expected an envelope below exp\(t\*\*2/2\)"):
        gaussian_mean(lambda t, _: (b * t * t).exp(), Envelope.of(b=b))


def test_an_undecided_growth_is_refused():
    with pytest.raises(NotIntegrable):
        mean_at(lambda t, _: t, Envelope.of(b=arb(0.5, 0.01)))
    with pytest.raises(QuadratureBudgetExceeded, match="too uncertain"):
        mean_at(lambda t, _: t, Envelope.of(a=arb.pos_inf()))


def test_a_budget_that_is_spent_is_an_error_with_a_name():
    with pytest.raises(QuadratureBudgetExceeded, match="not reached"):
        gaussian_mean(lambda t, _: acb(arb(1, 0.001)), ONE, digits=10, seconds=0.5)
    with pytest.raises(QuadratureBudgetExceeded, match="evaluations"):
        trapezoid_mean_at(lambda t: t[0], Envelope.power(1), arb(1) / 10**6)
    with pytest.raises(QuadratureBudgetExceeded, match="seconds"):
        trapezoid_mean_at(lambda t: t[0], Envelope.power(1), arb(1) / 100, deadline=0.0)


def test_a_pole_on_the_line_never_gives_a_finite_ball():
    assert not acb(mean_at(lambda t, _: 1 / t, ONE, eval_limit=500)).is_finite()


def test_envelopes_add_and_multiply():
    product = (Envelope.power(1) + Envelope.constant(2)) * Envelope.of(3, 1, 2, fmpq(-1, 4))
    assert sorted((float(term.c), term.p, float(term.a[0]), float(term.b[0])) for term in product.terms) == [
        (3.0, (2,), 2.0, -0.25),
        (6.0, (1,), 2.0, -0.25),
    ]


@given(st.integers(0, 12), st.integers(-30, 30), st.integers(-40, 4))
def test_tails_hold_what_they_bound(p, a, b):
    """A function equal to its envelope, against the closed form through its generating function."""
    slope, curvature = arb(fmpq(a, 10)), arb(fmpq(b, 10))
    if b >= 5:
        return
    f = mean_at(lambda t, _: t**p * (slope * t + curvature * t * t).exp(), Envelope.of(1, p, abs(slope), curvature))
    s = 1 - 2 * curvature
    mean, variance = slope / s, 1 / s
    moments = [arb(1), mean]
    for order in range(2, p + 1):
        moments.append(mean * moments[-1] + (order - 1) * variance * moments[-2])
    exact = moments[p] * (slope * slope / (2 * s)).exp() / s.sqrt()
    assert f.overlaps(exact) and f.rad() < arb(2) ** -100 * (1 + abs(exact)) * math.factorial(p)
