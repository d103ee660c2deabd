"""The check of a count holds on what is true and refutes every control; and the two pictures."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import sympy as sp

from numerics.estimate import Estimate
from numerics.solve import stationary_points
from proofs_check.check import Context
from proofs_check.claim import Claim
from proofs_check.stationary_check import CertifiedZeros
from proofs_check.verdict import Evidence
from theory.domain import Domain
from theory.risk import Risk
from theory.statement import StationaryCount, equal
from theory.stationary import Nature

x, y = sp.symbols("x y", real=True)
kappa, nu, m = sp.symbols("kappa nu m", real=True)
lam, gamma = sp.symbols("lam gamma", positive=True)
R = sp.Rational
DOMAIN = Domain({kappa: (-1, 1), nu: (-1, 1), lam: (R(1, 20), 2), gamma: (R(1, 4), 2), m: (R(1, 2), 10)})
BOX = {kappa: (-1, 1), nu: (-1, 1)}
POINTS = [(1, 1), (-1, -1), (1, -1), (-1, 1), (0, 0)]
NATURES = ("minimum", "minimum", "maximum", "maximum", "saddle")

D = 1 + 2 * lam**2 * gamma**2
a = 1 / sp.sqrt(1 + 4 * lam**2 * gamma**2)
u = lam * m * kappa / sp.sqrt(D)
FLOW = (
    -(1 - kappa**2) * 4 * gamma**2 * m * lam / sp.sqrt(sp.pi * D) * sp.exp(-(u**2)) * (sp.erf(a * u) - nu),
    (1 - nu**2) * 2 * gamma**2 * sp.erf(u),
)


def count(field=FLOW, points=POINTS, natures=NATURES, number=None, box=BOX):
    named = tuple({kappa: p, nu: q} for p, q in points)
    return StationaryCount(field, (kappa, nu), box, named, natures, number)


def verdict(statement, domain=DOMAIN, seconds=30.0, **options):
    claim = Claim("five-points", "Five.", lambda: statement, domain, "here", (CertifiedZeros(**options),))
    context = Context(rng=np.random.default_rng(5), seconds=seconds, seed=5)
    return claim.checks[0].run(claim, context)


def test_the_five_stationary_points_hold_at_generic_parameters():
    answer = verdict(count(), points=3)
    assert answer.holds and answer.evidence is Evidence.CERTIFIED
    assert answer.scope == "complete at 3 parameter points"
    assert answer.seconds < 5


def test_a_statement_without_parameters_is_checked_once():
    answer = verdict(StationaryCount((x**3 - x,), (x,), {x: (-2, 2)}, number=3), Domain({x: (-2, 2)}))
    assert answer.holds and answer.scope == "complete"


@pytest.mark.parametrize("number", [4, 6, 0])
def test_a_wrong_count_is_refuted(number):
    answer = verdict(count(number=number, points=[], natures=None))
    assert answer.fails and (answer.witness.lhs, answer.witness.rhs) == ("5", str(number))
    assert lam in answer.witness.point


def test_an_extra_zero_is_the_witness():
    answer = verdict(count(points=POINTS[:4], natures=NATURES[:4]))
    assert answer.fails and answer.witness.point[kappa] == 0 and answer.witness.point[nu] == 0
    assert "not named" in answer.witness.note


def test_a_named_point_that_is_no_zero_is_refuted():
    answer = verdict(count(points=[*POINTS[:4], (R(1, 2), 0)]))
    assert answer.fails and "zero that is named" in answer.witness.note
    assert answer.witness.point[kappa] == R(1, 2)


def test_a_named_point_outside_the_box_is_refuted():
    assert verdict(count(points=[*POINTS[:4], (2, 0)])).fails


@pytest.mark.parametrize("swap", [0, 2, 4])
def test_a_wrong_nature_is_refuted(swap):
    wrong = [*NATURES]
    wrong[swap] = "maximum" if wrong[swap] == "minimum" else "minimum"
    answer = verdict(count(natures=tuple(wrong)))
    assert answer.fails and answer.witness.note == "nature"
    assert (answer.witness.lhs, answer.witness.rhs) == (NATURES[swap], wrong[swap])


@pytest.mark.parametrize("component", [0, 1])
@pytest.mark.parametrize("size", [R(1, 100), R(1, 10**12)])
def test_a_perturbed_field_is_refuted(component, size):
    field = list(FLOW)
    field[component] += size
    assert verdict(count(field=tuple(field))).fails


def test_natures_of_a_gradient_have_the_other_sign():
    gradient = (4 * x * (x**2 - 1), 2 * y)
    named = tuple({x: p, y: 0} for p in (-1, 0, 1))
    statement = StationaryCount(
        gradient, (x, y), {x: (-2, 2), y: (-2, 2)}, named, (Nature.MINIMUM, Nature.SADDLE, Nature.MINIMUM)
    )
    domain = Domain({x: (-2, 2), y: (-2, 2)})
    assert verdict(statement, domain, of_gradient=True).holds
    assert verdict(statement, domain).fails


def test_an_irrational_named_point_is_matched():
    statement = StationaryCount((x**2 - 2 * lam**2,), (x,), {x: (0, 10)}, ({x: sp.sqrt(2) * lam},))
    assert verdict(statement, Domain({lam: (R(1, 2), 2)})).holds


@pytest.mark.parametrize(
    ("statement", "domain", "reason"),
    [
        (
            StationaryCount((sp.cos(x) - 1,), (x,), {x: (-1, 1)}, number=1),
            Domain({x: (-1, 1)}),
            "multiple zero",
        ),
        (
            StationaryCount((x - lam,), (x,), {x: (-1, 1)}, number=1),
            Domain({x: (-1, 1)}),
            "says nothing of lam",
        ),
    ],
)
def test_what_cannot_be_decided_is_undecided(statement, domain, reason):
    answer = verdict(statement, domain)
    assert answer.undecided and reason in answer.reason.lower()


def test_without_time_the_check_is_undecided():
    answer = verdict(count(), seconds=0.0)
    assert answer.undecided and "budget" in answer.reason


def test_wrong_use_is_refused():
    with pytest.raises(TypeError, match="StationaryCount, got Identity"):
        verdict(equal(x, x))
    with pytest.raises(ValueError, match="points=0"):
        CertifiedZeros(points=0)


def test_the_perturbed_claim_is_refuted():
    claim = Claim("five-points", "Five.", count, DOMAIN, "here", (CertifiedZeros(points=1),))
    control = claim.perturbed(R(1, 100))
    context = Context(rng=np.random.default_rng(1), seconds=30.0, seed=1)
    assert control.checks[0].run(control, context).fails


# --- pictures --------------------------------------------------------------------------------


@pytest.fixture
def plots():
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from proofs_check import plots

    yield plots
    pyplot.close("all")


DOUBLE_WELL = Risk((x**2 - 1) ** 2 + y**2, (x, y), Domain({x: (-2, 2), y: (-1, 1)}))


def test_the_landscape_marks_every_stationary_point_by_nature(plots, tmp_path):
    figure = plots.landscape(DOUBLE_WELL, stationary_points(DOUBLE_WELL), points=61)
    axes = figure.axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["2 minima", "1 saddle"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$x$", "$y$")
    marked = np.concatenate([c.get_offsets() for c in axes.collections if c.get_label() in labels])
    assert sorted(map(tuple, marked)) == [(-1, 0), (0, 0), (1, 0)]
    figure.savefig(tmp_path / "landscape.png")
    assert (tmp_path / "landscape.png").stat().st_size > 10_000


def test_natures_differ_in_shape_and_lightness_not_in_hue_alone(plots):
    from matplotlib.colors import to_rgb

    assert len({shape for shape, _, _ in plots.MARKERS.values()}) == len(Nature)
    minimum, maximum, saddle = (
        np.dot(to_rgb(plots.MARKERS[n][1]), (0.299, 0.587, 0.114))
        for n in (Nature.MINIMUM, Nature.MAXIMUM, Nature.SADDLE)
    )
    assert minimum - saddle > 0.3 and saddle - maximum > 0.3


def test_the_curve_goes_through_the_estimates_it_agrees_with(plots):
    at = np.linspace(0, 1, 5)
    estimates = [Estimate(float(t**2), 0.01, 100) for t in at]
    figure = plots.agreement(x**2, x, at, estimates)
    upper, lower = figure.axes
    curve = upper.get_lines()[0].get_xydata()
    assert np.allclose(curve[:, 1], curve[:, 0] ** 2)
    assert np.allclose(lower.get_lines()[-1].get_ydata(), 0)
    assert [t.get_text() for t in upper.get_legend().get_texts()][1:] == ["closed form", "simulation"]


@pytest.mark.parametrize(
    ("risk", "message"),
    [
        (Risk(x**2, (x,), Domain({x: (0, 1)})), "two parameters, got 1"),
        (Risk(lam * x * y, (x, y), DOUBLE_WELL.domain), "lam without a value"),
        (Risk(x * y, (x, y)), "expected a domain"),
        (Risk(x * y, (x, y), Domain({x: (0, sp.oo), y: (0, 1)})), "bounded interval for x"),
    ],
)
def test_a_landscape_of_the_wrong_thing_is_refused(plots, risk, message):
    with pytest.raises(ValueError, match=message):
        plots.landscape(risk)


def test_a_curve_with_missing_values_is_refused(plots):
    with pytest.raises(ValueError, match="got lam without a value"):
        plots.agreement(lam * x, x, [0], [Estimate(0.0, 1.0, 10)])
    with pytest.raises(ValueError, match="got 0 for 1 values"):
        plots.agreement(x, x, [0], [])


def test_without_matplotlib_the_missing_extra_is_named(plots, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'attention-theory\[plot\]'"):
        plots.landscape(DOUBLE_WELL)
