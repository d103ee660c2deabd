"""Attention-based clustering: the claims, their controls, and the plain numeric calls."""

from __future__ import annotations

import importlib
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics import simulate, value
from proofs_check import CertifiedNumerics, Context, Entrywise, studies, verify
from proofs_check.strategies import draw_examples
from theory import Identity, Nature
from theory.notation import L, d, lam

module = importlib.import_module("proofs_check.studies.clustering")
pair = importlib.import_module("proofs_check.studies._clustering_pair")
quantization = importlib.import_module("proofs_check.studies._clustering_quantization")
S = pair.S
STUDY = studies()["clustering"]
MODELS = draw_examples(module.clustering_models(), 12, seed=0)


def context(name):
    return Context(np.random.default_rng(crc32(name.encode())), STUDY.simulator, 1e-9, seconds=120)


@pytest.mark.parametrize("claim", STUDY.claims, ids=lambda claim: claim.name)
def test_every_claim_meets_its_expectation(claim):
    report = verify(replace(STUDY, claims=(claim,)))
    assert report.exit_code == 0, str(report)


def test_nine_of_ten_claims_are_proven_or_certified():
    statistical = [claim.name for claim in STUDY.claims if claim.is_statistical]
    assert len(statistical) <= len(STUDY.claims) / 10, statistical


EXACT = [claim for claim in STUDY.claims if isinstance(claim.statement, Identity) and claim.expected == "holds"]


@pytest.mark.parametrize("claim", EXACT, ids=lambda claim: claim.name)
def test_an_error_of_1e_12_is_refuted(claim):
    """The control of every identity: no check lets it pass, and those that can give a witness do."""
    control = claim.perturbed(1e-12)
    for check in claim.checks:
        verdict = check.run(control, context(claim.name))
        assert not verdict.holds, str(verdict)
        if isinstance(check, (Entrywise, CertifiedNumerics)) and getattr(check, "digits", 99) > 12:
            assert verdict.fails and verdict.witness is not None, str(verdict)


def test_the_property_based_check_refutes_an_error_of_ten_percent():
    claim = STUDY["risk-is-the-mean-of-the-model"]
    for by in ("0.1", "-0.1"):
        verdict = claim.checks[0].run(claim.perturbed(sp.Rational(by)), context(by))
        assert verdict.fails and "centroids" in str(verdict.witness), str(verdict)


def test_a_wrong_count_of_stationary_points_is_refuted():
    claim = STUDY["nine-stationary-points"]
    assert claim.checks[0].run(claim.perturbed(1), context("count")).fails


# --- the plain calls -----------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS, ids=range(len(MODELS)))
def test_risk_at_is_the_mean_of_the_simulation(model):
    estimate = simulate(STUDY.simulator, model, samples=20_000, seed=5)
    # six standard errors of a heavy-tailed mean are no proof; the e-process is. Here the two must be near. Where the
    # loss does not vary (no noise, one centroid) they agree to the last digits.
    error = 10 * estimate.standard_error + 1e-12
    assert abs(module.risk_at(**model) - estimate.mean) < error


@pytest.mark.parametrize("rho", [0.0, 0.3])
def test_gradient_at_is_the_slope_of_risk_at(rho):
    rng = np.random.default_rng(3)
    for model in [m for m in MODELS if len(m["heads"]) == 2][:3]:
        given_ = {**model, "regularizer": rho}
        slope = module.gradient_at(**given_)
        direction = rng.standard_normal(model["heads"].shape)
        h = 1e-5
        ahead, behind = (module.risk_at(**{**given_, "heads": model["heads"] + s * h * direction}) for s in (1, -1))
        # central differences: error h² times a third derivative, plus rounding over h
        assert (ahead - behind) / (2 * h) == pytest.approx(np.sum(slope * direction), rel=1e-6, abs=1e-8)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_the_risk_does_not_see_rotations(seed):
    """Rotating heads and centroids together changes nothing; rotating heads among themselves neither."""
    model = MODELS[seed % len(MODELS)]
    rng = np.random.default_rng(seed)
    count, dimension = model["heads"].shape
    turn, mix = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in (dimension, count))
    turned = {**model, "heads": model["heads"] @ turn, "centroids": model["centroids"] @ turn}
    assert module.risk_at(**turned) == pytest.approx(module.risk_at(**model), rel=1e-11)
    mixed = {**model, "heads": mix @ model["heads"]}
    assert module.risk_at(**mixed) == pytest.approx(module.risk_at(**model), rel=1e-11)


def test_the_regularizer_sees_the_rotation():
    """Equal risk, different alignment; with ρ the centroids themselves are better."""
    centroids, turn = np.eye(2, 4), np.array([[0.6, 0.8], [-0.8, 0.6]])
    common = {"centroids": centroids, "sigma": 0.3, "L": 8, "lam": 0.5}
    aligned, rotated = module.risk_at(centroids, **common), module.risk_at(turn @ centroids, **common)
    assert rotated == pytest.approx(aligned, rel=1e-13)
    gap = module.risk_at(turn @ centroids, **common, regularizer=2.0) - module.risk_at(
        centroids, **common, regularizer=2.0
    )
    assert gap == pytest.approx(2 * 0.6**2 * 0.8**2, rel=1e-12)


def test_any_number_of_heads_adds_up():
    """Two equal heads are one of twice the square norm; a zero head is none."""
    head, centroids = np.array([[0.3, 0.5, 0.1]]), np.eye(3)
    common = {"centroids": centroids, "sigma": 0.2, "L": 4, "lam": 0.7}
    one = module.risk_at(head * 2**0.5, **common)
    assert module.risk_at(np.vstack([head, head]), **common) == pytest.approx(one, rel=1e-13)
    assert module.risk_at(np.vstack([head * 2**0.5, 0 * head]), **common) == pytest.approx(one, rel=1e-13)


def test_identity_weights_are_an_orthonormal_basis_of_heads():
    centroids = np.array([[1.0, 0.2, 0], [0, 1, -0.5]])
    common = {"centroids": centroids, "sigma": 0.4, "L": 5, "lam": 0.3, "weights": [0.25, 0.75]}
    assert module.quantization_risk_at(**common) == pytest.approx(module.risk_at(np.eye(3), **common), rel=1e-13)


def test_published_and_noted_numbers():
    """The numbers of the notes, at d = 5, L = 6, S = 0.09 and at d = 5, L = 30, S = 0.3."""
    at = {L: 6, d: 5, S: sp.Rational(9, 100)}
    thresholds = [pair.LAM_G, pair.LAM_OPT, pair.LAM_MAX]
    assert [round(float(x.subs(at)), 6) for x in thresholds] == [0.567711, 0.584334, 0.631148]
    other = {L: 30, d: 5, S: sp.Rational(3, 10)}
    assert [round(float(x.subs(other)), 6) for x in thresholds] == [0.470486, 0.547398, 0.635465]
    at_half = {**at, lam: sp.Rational(1, 2)}
    coefficients = [float(x.subs(at_half)) for x in (pair.C0, pair.C1, pair.C2, pair.C3)]
    assert coefficients == pytest.approx([1.3345555, -0.7691833333, 0.288125, 0.0125], abs=1e-10)
    orbit = module.risk_at(np.eye(2, 5), np.eye(2, 5), sigma=0.3, L=6, lam=0.5)
    assert orbit == pytest.approx(0.3849388333, abs=1e-10)
    best = module.risk_at(np.eye(2, 5), np.eye(2, 5), sigma=0.3, L=6, lam=0.5843338182)
    identity = module.quantization_risk_at(np.eye(2, 5), sigma=0.3, L=6, lam=0.5645669479)
    assert (best, identity) == pytest.approx((0.3622820752, 0.2933905127), abs=1e-10)
    dirac = {L: 6, S: 0}
    assert pair.LAM_OPT.subs(dirac) == sp.Rational(7, 9)
    assert module.risk_at(np.eye(2), np.eye(2), sigma=0.0, L=6, lam=7 / 9) == pytest.approx(5 / 54, abs=1e-14)
    three = module.risk_at(np.eye(3), np.eye(3), sigma=0.0, L=7, lam=21 / 31)
    assert three == pytest.approx(4 / 31, abs=1e-14)


def test_numbers_of_the_softmax_limit():
    for temperature, sigma, dimension, noted in ((2, "0.4", 3, 0.2126282521), (5, "0.3", 4, 0.2696530009)):
        at = {"S": sp.Rational(sigma) ** 2, "lam": temperature, "d": dimension}
        assert value(quantization.softmax_limit_risk(), at) == pytest.approx(noted, abs=1e-10)


def test_distortions_are_those_of_drawn_tokens():
    """Both quantizers applied to tokens, against the closed forms."""
    rng = np.random.default_rng(11)
    variance, dimension, count = 0.16, 3, 400_000
    centroids = np.eye(2, dimension)
    x = centroids[rng.integers(2, size=count)] + variance**0.5 * rng.standard_normal((count, dimension))
    center, axis = centroids.mean(axis=0), (centroids[0] - centroids[1]) / 2**0.5
    at = {"S": variance, "d": dimension}
    reach = value(quantization.mean_distance(), {"S": variance})
    for points, formula in (
        (centroids, quantization.nearest_distortion()),
        (np.stack([center + reach * axis, center - reach * axis]), quantization.lloyd_distortion()),
    ):
        distances = np.min(np.square(x[:, None] - points).sum(axis=2), axis=1)
        # bounded moments of all orders: six standard errors are a false alarm in 1 of 10^9
        assert abs(distances.mean() - value(formula, at)) < 6 * distances.std() / count**0.5


# --- the stationary levels of the Dirac mixture --------------------------------------------


@pytest.mark.parametrize("name", pair.LEVELS)
def test_index_and_nullity_of_a_level(name):
    """The Riemannian Hessian has the signature of the table, at generic L and λ."""
    first, second, level, index, nullity = pair.LEVELS[name]
    coordinates = (*pair.COORDINATES[0], *pair.COORDINATES[1])
    for tokens, temperature in ((6, sp.Rational(3, 5)), (11, sp.Rational(17, 23)), (40, sp.Rational(53, 97))):
        at = {L: tokens, lam: temperature}
        point = [sp.sympify(x).subs(at) for x in (*first, *second)]
        numbers = dict(zip(coordinates, point, strict=True))
        expr = pair.dirac_risk().subs(at)
        assert abs(float(expr.subs(numbers)) - float(level.subs(at))) < 1e-14
        hessian = np.array([[float(expr.diff(x, y).subs(numbers)) for y in coordinates] for x in coordinates])
        slopes = np.array([float(expr.diff(x).subs(numbers)) for x in coordinates])
        heads = np.array(point, dtype=float).reshape(2, 4)
        along = np.repeat([slopes[:4] @ heads[0], slopes[4:] @ heads[1]], 4)
        tangent = np.zeros((8, 6))
        for i in (0, 1):
            tangent[4 * i : 4 * i + 4, 3 * i : 3 * i + 3] = np.linalg.svd(heads[i : i + 1])[2][1:].T
        eigenvalues = np.linalg.eigvalsh(tangent.T @ (hessian - np.diag(along)) @ tangent)
        # the eigenvalues that are not zero are of order 0.1; those that are, zero up to rounding
        assert (eigenvalues < -1e-9).sum() == index and (abs(eigenvalues) <= 1e-9).sum() == nullity


def test_only_the_centroids_are_a_minimum():
    assert [name for name, (*_, index, _) in pair.LEVELS.items() if index == 0] == ["they are the centroids"]


def test_natures_are_named_in_the_order_of_the_points():
    statement = STUDY["nine-stationary-points"].statement
    assert [statement.natures.count(x) for x in (Nature.MINIMUM, Nature.SADDLE, Nature.MAXIMUM)] == [4, 4, 1]


# --- wrong use -----------------------------------------------------------------------------

GOOD = {"heads": np.eye(2, 3), "centroids": np.eye(2, 3), "sigma": 0.3, "L": 4, "lam": 0.5}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": [0.5, 0.6]}, "weights that sum to one"),
        ({"weights": [1.5, -0.5]}, "positive weights"),
        ({"weights": [1.0, 0.0]}, "positive weights"),
        ({"weights": [1.0]}, "a weight for each of 2"),
        ({"weights": [np.nan, 1.0]}, "positive weights"),
        ({"weights": "ab"}, "real weights"),
        ({"centroids": [[1, 0, 0], [1, 0, 0]]}, "distinct centroids"),
        ({"centroids": [1, 0, 0]}, r"centroids of shape \(K, d\)"),
        ({"centroids": [[np.nan, 0, 0], [0, 1, 0]]}, "finite entries in centroids"),
        ({"centroids": np.eye(2, 4)}, "one dimension"),
        ({"heads": [1, 0, 0]}, r"heads of shape \(H, d\)"),
        ({"heads": np.zeros((0, 3))}, r"heads of shape \(H, d\)"),
        ({"heads": [[np.inf, 0, 0]]}, "finite entries in heads"),
        ({"heads": "ab"}, "real array heads"),
        ({"lam": 0.0}, "lam > 0, got lam=0.0"),
        ({"lam": -1}, "lam > 0"),
        ({"lam": np.nan}, "finite number lam"),
        ({"lam": 1j}, "real number lam"),
        ({"sigma": -0.1}, "sigma >= 0"),
        ({"sigma": "1"}, "real number sigma"),
        ({"L": 0}, "L >= 1, got L=0"),
        ({"L": 2.0}, "integer L"),
        ({"L": True}, "integer L"),
        ({"scale": 0.0}, "scale > 0"),
        ({"regularizer": -1.0}, "regularizer >= 0"),
        ({"regularizer": np.nan}, "finite number regularizer"),
        ({"regularizer": 1.0, "heads": np.eye(3)}, "two heads with a regularizer, got 3"),
    ],
)
def test_bad_input_is_named(change, words):
    with pytest.raises(ValueError, match=words):
        module.risk_at(**{**GOOD, **change})
    with pytest.raises(ValueError, match=words):
        module.gradient_at(**{**GOOD, **change})
    if not {"heads", "regularizer"} & set(change):
        rest = {name: x for name, x in {**GOOD, **change}.items() if name != "heads"}
        if words != "one dimension":
            with pytest.raises(ValueError, match=words):
                module.quantization_risk_at(**rest)


def test_a_misspelt_name_is_named():
    with pytest.raises(TypeError, match="lamda"):
        module.risk_at(**GOOD, lamda=1)


def test_more_centroids_than_dimensions_are_served():
    """No formula here needs independent centroids: five of them on a line of R¹ against the simulation."""
    model = {"heads": np.array([[0.7]]), "centroids": np.arange(1.0, 6.0)[:, None] / 5, "sigma": 0.1, "L": 3}
    model |= {"lam": 0.4, "scale": 0.5}
    estimate = simulate(STUDY.simulator, model, samples=100_000, seed=2)
    assert abs(module.risk_at(**model) - estimate.mean) < 10 * estimate.standard_error


def test_the_derivation_has_named_steps():
    derivation = module.derivation_of_the_dirac_risk()
    best = value(derivation.result, {"L": 6, "lam": 0.5})
    assert best == pytest.approx(module.risk_at(np.eye(2), np.eye(2), sigma=0, L=6, lam=0.5), rel=1e-13)
    assert {"Isserlis", "multinomial moments"} <= set(derivation.rules())
