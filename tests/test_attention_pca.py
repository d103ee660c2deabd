"""The study of attention PCA: every claim, the controls that its checks must refute, and planted bugs."""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp
from scipy.optimize import minimize, minimize_scalar

from numerics import compile, value
from proofs_check import Context, studies, verify
from proofs_check.certified import CertifiedNumerics
from proofs_check.claim import perturb
from proofs_check.entrywise import Entrywise
from proofs_check.property_based import PropertyBasedAgreement
from proofs_check.stationary_check import CertifiedZeros
from proofs_check.symbolic import SymbolicIdentity
from theory import Identity, reading
from theory.spectral import spectral_stationary_points
from theory.wick import Wick

module = importlib.import_module("proofs_check.studies.attention_pca")
model = importlib.import_module("proofs_check.studies._attention_pca_model")
eigen = importlib.import_module("proofs_check.studies._attention_pca_eigenbasis")
risk_at, stationary_points_at, minimizer = module.risk_at, module.stationary_points_at, module.minimizer
STUDY = studies()["attention-pca"]


def context(name: str, alpha: float = 1e-9) -> Context:
    return Context(np.random.default_rng(crc32(name.encode())), STUDY.simulator, alpha, seconds=120)


@pytest.mark.parametrize("claim", STUDY.claims, ids=lambda claim: claim.name)
def test_every_claim_meets_its_expectation(claim):
    report = verify(replace(STUDY, claims=(claim,)))
    assert report.exit_code == 0, str(report)


def test_nearly_all_evidence_is_symbolic_or_certified():
    kinds = Counter(
        "statistical" if claim.is_statistical else "certain" for claim in STUDY.claims if claim.expected != "open"
    )
    assert kinds["certain"] >= 0.95 * len(STUDY.claims)


EXACT = [claim for claim in STUDY.claims if isinstance(claim.statement, Identity) and claim.expected == "holds"]


@pytest.mark.parametrize("claim", EXACT, ids=lambda claim: claim.name)
def test_an_error_of_1e_9_is_seen(claim):
    """No check of an identity holds the control; enumeration and balls show a witness."""
    false = perturb(claim.statement, sp.Rational(1, 10**9), crc32(claim.name.encode()))
    control = replace(claim, make_statement=lambda: false)
    decisive = 0
    for check in claim.checks:
        verdict = check.run(control, context(claim.name))
        assert not verdict.holds, f"{type(check).__name__}: {verdict}"
        if isinstance(check, (Entrywise, CertifiedNumerics)):
            decisive += 1
            assert verdict.fails and verdict.witness is not None, str(verdict)
    assert decisive or all(isinstance(check, SymbolicIdentity) for check in claim.checks)


@pytest.mark.parametrize("claim", [c for c in STUDY.claims if c.is_statistical], ids=lambda claim: claim.name)
def test_an_error_of_a_quarter_is_refuted_by_simulation(claim):
    (check,) = claim.checks
    assert isinstance(check, PropertyBasedAgreement)
    false = claim.perturbed(sp.Rational(1, 4))
    verdict = check.run(false, context(claim.name, alpha=1e-6))
    assert verdict.fails and "Sigma" in str(verdict.witness), str(verdict)


@pytest.mark.parametrize(
    "claim",
    [c for c in STUDY.claims if any(isinstance(check, CertifiedZeros) for check in c.checks)],
    ids=lambda claim: claim.name,
)
def test_one_stationary_point_more_is_refuted(claim):
    (check,) = claim.checks
    verdict = replace(check, points=1).run(claim.perturbed(1), context(claim.name))
    assert verdict.fails and int(verdict.witness.lhs) + 1 == int(verdict.witness.rhs), str(verdict)


# --- planted bugs --------------------------------------------------------------------------


def forget_a_partner(original):
    def mutated(self, state):
        steps = original(self, state)
        return dict(list(steps.items())[:-1]) if len(steps) > 1 else steps

    return mutated


def test_a_bug_planted_in_the_engine_turns_claims_red(monkeypatch):
    monkeypatch.setattr(Wick, "_steps", forget_a_partner(Wick._steps))
    reading.is_random.cache_clear()
    red = []
    for name in ("risk-with-a-fresh-query", "risk-with-the-query-inside", "covariance-of-the-output"):
        claim = replace(STUDY[name])
        (enumeration,) = (check for check in claim.checks if isinstance(check, Entrywise))
        red.append(enumeration.run(claim, context(name)).fails)
    assert all(red)


@pytest.mark.parametrize(
    ("wrong", "query"),
    [
        (lambda tokens, n, **given: model.predict(tokens, n=n, **given) * n / (n + 1), "inside"),  # counts one more
        (lambda tokens, B, **given: model.predict(tokens, B=B.T, **given), "fresh"),  # the transposed score
    ],
)
def test_a_bug_planted_in_the_layer_is_seen_by_the_simulation(wrong, query):
    name = {"fresh": "risk-with-a-fresh-query", "inside": "risk-with-the-query-inside"}[query]
    claim = STUDY[f"{name}-is-the-mean-of-the-model"]

    def predict(tokens, *, B, Sigma, V=None, n=None, query="fresh", attention="linear"):
        return wrong(tokens, B=B, Sigma=Sigma, V=V, n=n, query=query, attention=attention)

    simulator = replace(STUDY.simulator, predict=predict)
    verdict = claim.checks[0].run(claim, replace(context(name), simulator=simulator))
    # the draws refute the formula, or the bound of their second moment, which is derived from the same layer
    assert verdict.fails or "is itself refuted" in verdict.reason, str(verdict)


# --- the same results by other ways --------------------------------------------------------


def test_the_list_is_the_spectral_one():
    """`theory.spectral` solves the same problem in Σ^{1/2}W: the same subsets, shrinkage and risks."""
    s, n, rank = [sp.Integer(3), sp.Integer(1), sp.Rational(1, 2)], 4, 2
    t = sum(s)
    Y = sp.MatrixSymbol("Y", 3, rank)
    there = spectral_stationary_points(s, rank, Y, 1 + sp.Rational(1, n), t / n, t)
    risks = sorted({float(point.value()) / 2 for point in (*there.points, *there.orbits)})
    here = stationary_points_at(np.diag([3, 1, 0.5]), rank, n=n)
    assert sorted(point.risk for point in here) == pytest.approx(risks, rel=1e-12)


@pytest.mark.parametrize(("n", "query"), [(None, "fresh"), (3, "fresh"), (3, "inside")])
def test_descent_from_any_start_finds_the_leading_subspace(n, query):
    spectrum, rank = [sp.Integer(2), sp.Rational(6, 5), sp.Rational(7, 10)], 2
    head, covariance = sp.Matrix(3, rank, sp.symbols("w:6", real=True)), sp.diag(*spectrum)
    P = head * head.T * covariance
    sums = {eigen.t: sum(spectrum), eigen.tau: P.trace(), eigen.sigma: (P * covariance).trace()}
    slope = eigen.at_axes(model.gradient_in("mean field" if n is None else query, model.W), head, covariance)
    entries = [compile(sp.expand(entry.subs(sums).subs(model.n, n or 1)), tuple(head)) for entry in slope]
    Sigma = np.diag([float(s) for s in spectrum])
    best = min(stationary_points_at(Sigma, rank, n=n, query=query), key=lambda point: point.risk)
    assert best.subset == (0, 1)
    rng = np.random.default_rng(0)
    for _ in range(2):
        start = rng.standard_normal(6)
        end = solve_ivp(lambda _, w: [-entry(*w) for entry in entries], (0, 30), start, method="LSODA", rtol=1e-8)
        W = end.y[:, -1].reshape(3, rank)
        assert risk_at(W @ W.T, Sigma, n=n, query=query) == pytest.approx(best.risk, abs=1e-6)


@pytest.mark.parametrize(("n", "rank"), [(2, 4), (20, 2)])
def test_training_keys_queries_and_values_ends_at_the_best_weights(n, rank):
    """From random starts, K and Q of the rank: no value below, and the listed one is reached."""
    spectrum = np.array([4, 1, 0.25, 0.04])
    Sigma, roots = np.diag(spectrum), np.sqrt(spectrum)
    kept = min(rank, int(np.linalg.matrix_rank(minimizer(Sigma, n=n)[0])))
    level = roots[:kept].sum() / (n + 1 + kept)
    expected = (spectrum.sum() - (roots[:kept] * (roots[:kept] - level)).sum() / (1 + 1 / n)) / 2
    if kept < rank:
        V, B = minimizer(Sigma, n=n)
        assert risk_at(B, Sigma, V=V, n=n) == pytest.approx(expected, rel=1e-12)
    slope_V, slope_B = (model.gradient_in("fresh", parameter) for parameter in (model.V, model.B))

    def parts(x):
        return x[:16].reshape(4, 4), x[16 : 16 + 4 * rank].reshape(rank, 4), x[16 + 4 * rank :].reshape(rank, 4)

    def risk_and_slope(x):
        V, K, Q = parts(x)
        point = {"Sigma": Sigma, "V": V, "B": K.T @ Q, "n": n}
        in_V, in_B = np.asarray(value(slope_V, point)), np.asarray(value(slope_B, point))
        slope = np.concatenate([in_V.ravel(), (Q @ in_B.T).ravel(), (K @ in_B).ravel()])
        return risk_at(K.T @ Q, Sigma, V=V, n=n), slope

    rng = np.random.default_rng(1)
    ends = [
        minimize(risk_and_slope, rng.standard_normal(16 + 8 * rank) / 2, jac=True, options={"gtol": 1e-7}).fun
        for _ in range(2)
    ]
    assert min(ends) == pytest.approx(expected, abs=1e-7)
    assert all(end > expected - 1e-9 for end in ends)


@pytest.mark.parametrize(("n", "published"), [(5, 1.124), (10, 1.046), (100, 0.992), (10_000, 0.996)])
def test_best_length_of_a_softmax_head(n, published):
    """The best p = uᵀΣu on the leading eigenvector for eigenvalue 2, t = 3: not monotone in n, and 1 at n = ∞."""
    Sigma, axis = np.diag([2.0, 0.7, 0.3]), np.diag([1.0, 0, 0])
    found = minimize_scalar(
        lambda p: risk_at(axis * p / 2, Sigma, n=n, attention="softmax"),
        bounds=(0.5, 2),
        method="bounded",
        options={"xatol": 1e-5},
    )
    assert found.x == pytest.approx(published, abs=6e-4)


def test_softmax_finds_the_principal_component():
    """At the best length a turn towards another eigenvector costs: for softmax this is measured, not proven."""
    Sigma = np.diag([2.0, 0.7, 0.3])
    for n in (3, 30):
        for p in (0.8, 1.0, 1.2):
            risks = []
            for angle in (0.0, 0.1, 0.3):
                u = np.array([np.cos(angle), np.sin(angle), 0])
                u *= np.sqrt(p / (u @ Sigma @ u))
                risks.append(risk_at(np.outer(u, u), Sigma, n=n, attention="softmax"))
            assert risks == sorted(risks)


# --- shape of the result -------------------------------------------------------------------


def test_the_derivation_ends_in_the_risk():
    (derivation,) = (make() for make in STUDY.derivations)
    point = {"Sigma": np.diag([2.0, 1.0]), "B": np.array([[0.3, 0.1], [0.0, 0.4]]), "V": np.eye(2), "n": 3}
    assert value(derivation.result, point) == pytest.approx(risk_at(point["B"], point["Sigma"], n=3), rel=1e-13)
    assert len(derivation.steps) >= 2


def test_the_layer_of_the_minimizer_maps_to_the_nearest_law():
    rng = np.random.default_rng(2)
    A = rng.standard_normal((4, 4))
    Sigma = A @ A.T
    best = min(stationary_points_at(Sigma, 2), key=lambda point: point.risk)
    M = Sigma @ best.W @ best.W.T
    s, U = np.linalg.eigh(Sigma)
    top = U[:, 2:] @ U[:, 2:].T
    assert np.allclose(M, top) and np.allclose(M @ Sigma @ M.T, top @ Sigma @ top)
    assert 2 * best.risk == pytest.approx(s[:2].sum(), rel=1e-12)
