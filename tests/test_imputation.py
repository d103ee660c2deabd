"""The study of imputation: its claims, their controls, the simulators, and the plain numeric calls."""

from __future__ import annotations

import importlib
import itertools
import subprocess
import sys
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics import simulate, value
from proofs_check import CertifiedNumerics, Context, Entrywise, SymbolicIdentity, studies
from proofs_check.claim import perturb
from proofs_check.points import with_values
from proofs_check.report import judge
from proofs_check.verdict import strongest
from theory import Identity
from theory.expectation import E
from theory.quadratic import explicit_stationary_points
from theory.variables import GaussianVector, Mask, dot

module = importlib.import_module("proofs_check.studies.imputation")
model = importlib.import_module("proofs_check.studies._imputation_model")
bayes = importlib.import_module("proofs_check.studies._imputation_bayes")
corruption = importlib.import_module("proofs_check.studies._imputation_corruption")
STUDY = studies()["imputation"]


def context(name: str) -> Context:
    return Context(np.random.default_rng(crc32(name.encode())), STUDY.simulator, 1e-8, seconds=120)


@pytest.mark.parametrize("claim", STUDY.claims, ids=lambda claim: claim.name)
def test_every_claim_meets_its_expectation(claim):
    verdicts = [(check, check.run(claim, context(claim.name))) for check in claim.checks]
    if claim.expected == "refuted":
        verdict = strongest([verdict for _, verdict in verdicts])
        assert verdict.fails and verdict.witness is not None, str(verdict)
    else:
        for check, verdict in verdicts:
            assert verdict.holds, f"{type(check).__name__}: {verdict}"


EXACT = [claim for claim in STUDY.claims if isinstance(claim.statement, Identity) and claim.expected == "holds"]
DECISIVE = (Entrywise, CertifiedNumerics)


@pytest.mark.parametrize("claim", EXACT, ids=lambda claim: claim.name)
def test_an_error_of_1e_9_is_seen(claim):
    """No check holds the control; where enumeration or balls apply they show a witness. One decisive check is run."""
    false = perturb(claim.statement, sp.Rational(1, 10**9), crc32(claim.name.encode()))
    control = replace(claim, make_statement=lambda: false)
    decisive = next((check for check in claim.checks if isinstance(check, DECISIVE)), None)
    if decisive is not None:
        verdict = decisive.run(control, context(claim.name))
        assert verdict.fails and verdict.witness is not None, str(verdict)
    for check in claim.checks:
        if isinstance(check, SymbolicIdentity):
            assert not check.run(control, context(claim.name)).holds


def test_the_statistical_control_is_refuted():
    claim = STUDY["bayes-risk-is-the-mean-of-the-model"]
    verdict = strongest([verdict for _, verdict in judge(claim.perturbed("0.2"), STUDY.simulator)])
    assert verdict.fails, str(verdict)


def test_nearly_all_claims_are_exact():
    """At least 95 % symbolic or certified, and nearly all with evidence that does not share the engine."""
    statistical = [claim.name for claim in STUDY.claims if claim.is_statistical]
    assert len(statistical) <= 0.05 * len(STUDY.claims)
    alone = {c.name for c in STUDY.claims if all(isinstance(check, SymbolicIdentity) for check in c.checks)}
    assert alone <= {
        "marginal-regressions-when-little-is-observed",
        "conditional-expectation-of-equicorrelated-features",
        "jacobi-on-equicorrelated-features",
        "long-contexts-reach-the-bayes-risk",
    }


# --- what the engine says of the flat diagonal --------------------------------------------------


def exact_value_of(expr: sp.Expr, weights: sp.MatrixSymbol, entries: sp.Matrix) -> sp.Expr:
    """The risk as a polynomial in the entries of W."""
    return sp.expand(with_values(expr, {weights: entries}))


def test_the_flat_diagonal_is_reported():
    """For numbers the stationary points of the missing loss are one affine set: the diagonal of W does not matter."""
    S = sp.ImmutableMatrix([[2, 1, 0], [1, 3, 1], [0, 1, 2]])
    weights, row = sp.MatrixSymbol("W", 3, 3), GaussianVector("x", 3, covariance=S)
    mask = Mask("m", 3, sp.Rational(1, 2))
    error = sp.HadamardProduct(sp.OneMatrix(3, 1) - mask, row - weights * sp.HadamardProduct(mask, row))
    entries = sp.Matrix(3, 3, lambda i, j: sp.Symbol(f"w{i}{j}"))
    plain = exact_value_of(E(dot(error, error)), weights, entries)
    found = explicit_stationary_points(plain, entries, weights)
    (orbit,) = found.orbits
    assert orbit.dimension == 3 and "W[0, 0], W[1, 1], W[2, 2]" in orbit.symmetry
    exact = np.array(dict(orbit.at)[weights].tolist(), dtype=float)
    ours = module.minimizer(np.array(S.tolist(), dtype=float), rho=0.5)
    off = ~np.eye(3, dtype=bool)
    assert exact[off] == pytest.approx(ours[off], rel=1e-12)


# --- the plain calls ------------------------------------------------------------------------------


def covariance(rng: np.random.Generator, d: int) -> np.ndarray:
    factor = rng.standard_normal((d, d + 2))
    return factor @ factor.T / d


SCHEMES = [
    {"rho": 0.6},
    {"mask": "size", "size": 2},
    {"mask": "size", "size": 1},
    {"mask": "beta", "rate": (2.0, 3.0)},
]


def literal_risk(W, S, law, loss):
    """The mean over all patterns of the squared error, pattern by pattern."""
    d, total = len(S), 0.0
    for bits in itertools.product((False, True), repeat=d):
        mask = np.array(bits)
        error = np.eye(d) - W * mask
        rows = error if loss == "all" else error[~mask]
        total += law.pattern(int(mask.sum())) * np.trace(rows @ S @ rows.T)
    return total


@pytest.mark.parametrize("loss", ["missing", "all"])
@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_risk_at_is_the_mean_over_patterns(scheme, loss):
    rng = np.random.default_rng(1)
    S, W = covariance(rng, 5), rng.standard_normal((5, 5))
    masks = importlib.import_module("proofs_check.studies._imputation_masks")
    law = masks.mask_law(5, **scheme)
    assert sum(law.pattern(j) * len(list(itertools.combinations(range(5), j))) for j in range(6)) == pytest.approx(1)
    assert module.risk_at(W, S, loss=loss, **scheme) == pytest.approx(literal_risk(W, S, law, loss), rel=1e-12)


@pytest.mark.parametrize("scheme", SCHEMES[:1] + SCHEMES[1:4:2], ids=str)
def test_risk_at_is_the_mean_of_the_simulation(scheme):
    rng = np.random.default_rng(2)
    S, W = covariance(rng, 4), rng.standard_normal((4, 4))
    drawn = {name: np.array(v) if isinstance(v, tuple) else v for name, v in scheme.items() if name != "mask"}
    for loss, copied in (("missing", True), ("all", False)):
        estimate = simulate(module.LINEAR, {"Sigma": S, "W": W, "copied": copied, **drawn}, samples=50_000, seed=3)
        assert abs(estimate.mean - module.risk_at(W, S, loss=loss, **scheme)) < 8 * estimate.standard_error


@pytest.mark.parametrize("loss", ["missing", "all"])
def test_the_corruption_of_bert_is_the_simulated_one(loss):
    """Labels and rows drawn one by one; and the minimizer has no slope along any direction."""
    rng = np.random.default_rng(4)
    S, V = covariance(rng, 4), rng.standard_normal((4, 4))
    rows = rng.multivariate_normal(np.zeros(4), S, 200_000)
    selected, kind = rng.random(rows.shape) < 0.3, rng.random(rows.shape)
    shown = np.where(kind < 0.8, 0.0, np.where(kind < 0.9, rng.standard_normal(rows.shape) * np.sqrt(np.diag(S)), rows))
    seen = np.where(selected, shown, rows)
    losses = ((rows - seen @ V.T) ** 2 * (selected if loss == "missing" else 1)).sum(axis=1)
    claimed = module.risk_at(V, S, rho=0.7, mask="bert", loss=loss)
    assert abs(losses.mean() - claimed) < 8 * losses.std() / np.sqrt(len(losses))
    best = module.minimizer(S, rho=0.7, mask="bert", loss=loss)
    ahead, behind, least = (module.risk_at(best + t * V, S, rho=0.7, mask="bert", loss=loss) for t in (1, -1, 0))
    assert ahead == pytest.approx(behind, rel=1e-11) and ahead + behind > 2 * least
    with pytest.raises(ValueError, match="mixture"):
        module.bayes_risk_at(S, rho=0.7, mask="bert")


@given(st.integers(2, 6), st.floats(0.05, 1.0), st.sampled_from(["missing", "all"]), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_the_minimizer_is_the_minimum(d, rho, loss, seed):
    """The risk is the least one plus the curvature along any V; a quadratic has no other terms."""
    rng = np.random.default_rng(seed)
    S, V = covariance(rng, d), rng.standard_normal((d, d))
    best = module.minimizer(S, rho=rho, loss=loss)

    def risk(weights):
        return module.risk_at(weights, S, rho=rho, loss=loss)

    ahead, behind, least = risk(best + V), risk(best - V), risk(best)
    scale = max(ahead, behind, 1.0) * np.linalg.cond(S)
    assert ahead - behind == pytest.approx(0, abs=1e-10 * scale)  # the gradient vanishes, up to rounding
    assert ahead + behind - 2 * least >= -1e-10 * scale


@given(st.integers(2, 5), st.floats(0.1, 0.95), st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_the_order_of_the_risks(d, rho, seed):
    """Bayes ≤ the linear imputer ≤ the mean, and each transforms with the units of the features."""
    rng = np.random.default_rng(seed)
    S = covariance(rng, d)
    linear = module.risk_at(module.minimizer(S, rho=rho), S, rho=rho)
    least = module.bayes_risk_at(S, rho=rho)
    assert least <= linear * (1 + 1e-9) and linear <= (1 - rho) * np.trace(S) * (1 + 1e-9)
    scale = np.exp(rng.uniform(-3, 3, d))
    scaled = module.minimizer(S * np.outer(scale, scale), rho=rho)
    assert scaled == pytest.approx(module.minimizer(S, rho=rho) * np.outer(scale, 1 / scale), rel=1e-7, abs=1e-9)


def test_linear_is_bayes_for_two_features():
    S = np.array([[1.0, 0.6], [0.6, 2.0]])
    assert module.risk_at(module.minimizer(S, rho=0.4), S, rho=0.4) == pytest.approx(module.bayes_risk_at(S, rho=0.4))


def test_bayes_risk_by_fresh_inverses():
    S = covariance(np.random.default_rng(5), 6)
    total = 0.0
    for bits in itertools.product((False, True), repeat=6):
        mask = np.array(bits)
        if mask.all():
            continue
        total += 0.3 ** mask.sum() * 0.7 ** (~mask).sum() * np.trace(np.linalg.inv(np.linalg.inv(S)[~mask][:, ~mask]))
    assert module.bayes_risk_at(S, rho=0.3) == pytest.approx(total, rel=1e-10)
    assert module.bayes_risk_at(S, rho=0.3, loss="all") == module.bayes_risk_at(S, rho=0.3)


def test_batches_of_patterns_make_no_difference(monkeypatch):
    S = covariance(np.random.default_rng(6), 7)
    whole = bayes.missing_variances(S)
    monkeypatch.setattr(bayes, "BATCH", 4)
    assert bayes.missing_variances(S) == pytest.approx(whole, rel=1e-12)


def test_low_rank_minimizers_beat_a_search():
    """Top-k of ΣC⁻¹Σ is stationary, and no alternating minimisation from anywhere does better."""
    rng = np.random.default_rng(7)
    S = covariance(rng, 5)
    C = 0.6 * S + 0.4 * np.diag(np.diag(S))
    best = module.minimizer(S, rho=0.6, loss="all", rank=2)
    assert np.linalg.matrix_rank(best) == 2
    least = module.risk_at(best, S, rho=0.6, loss="all")
    assert least == pytest.approx(
        np.trace(S) - 0.6 * np.linalg.eigvalsh(S @ np.linalg.solve(C, S))[-2:].sum(), rel=1e-10
    )
    for _ in range(5):
        keys = rng.standard_normal((5, 2))
        for _ in range(200):
            queries = S @ keys @ np.linalg.inv(keys.T @ C @ keys)
            keys = np.linalg.solve(C, S @ queries) @ np.linalg.inv(queries.T @ queries)
        assert module.risk_at(queries @ keys.T, S, rho=0.6, loss="all") >= least * (1 - 1e-10)
    assert module.minimizer(S, rho=0.6, loss="all", rank=5) == pytest.approx(module.minimizer(S, rho=0.6, loss="all"))


def test_softmax_by_its_integrals_is_the_mean_of_the_simulation():
    adaptive = importlib.import_module("proofs_check.studies._imputation_adaptive")
    rng = np.random.default_rng(8)
    S = covariance(rng, 4)
    A, v, rho = rng.uniform(-1, 1, (4, 4)), 0.7, 0.5
    total = 0.0
    for i in range(4):
        others = [j for j in range(4) if j != i]
        at = {symbol: np.exp(A[i, j]) for symbol, j in zip(adaptive.weights, others, strict=True)}
        at |= {symbol: S[i, j] for symbol, j in zip(adaptive.S_i, others, strict=True)}
        at |= {adaptive.S_ii: S[i, i], adaptive.v: v, model.rho: rho}
        within = S[np.ix_(others, others)]
        upper = [within[a, b] for a in range(3) for b in range(a, 3)]
        at |= dict(zip(adaptive.ENTRIES, upper, strict=True))
        claim = STUDY["risk-of-softmax-over-observed-features"].statement
        total += (1 - rho) * float(value(claim.rhs, at))
    estimate = simulate(module.SOFTMAX, {"Sigma": S, "A": A, "v": v, "rho": rho}, samples=100_000, seed=1)
    assert abs(estimate.mean - total) < 8 * estimate.standard_error


def test_probit_moments_are_those_of_a_simulation():
    S = np.array([[1.5, 0.6], [0.6, 1.2]])
    a, b = np.array([0.3, -0.4]), np.array([0.8, -1.1])
    tokens, _ = module.LINEAR.draw(np.random.default_rng(9), 200_000, Sigma=S, alpha=a, beta=b)
    products = tokens[:, 0, 0] * tokens[:, 0, 1]
    at = dict(zip(("alpha_j", "alpha_l", "beta_j", "beta_l", "S_jj", "S_ll", "S_jl"), (*a, *b, 1.5, 1.2, 0.6)))
    claimed = float(value(corruption.published_second_moment(), at))
    assert abs(products.mean() - claimed) < 8 * products.std() / np.sqrt(len(products))


# --- imputed rows -----------------------------------------------------------------------------------


@given(st.integers(1, 6), st.floats(0.0, 1.0), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_depth_reaches_the_conditional_expectation(d, rate, seed):
    rng = np.random.default_rng(seed)
    S = covariance(rng, d) + np.eye(d) / 2
    x, seen = rng.standard_normal((8, d)), rng.random((8, d)) < rate
    hidden = np.where(seen, x, np.nan)  # what is missing is not read
    by_depth = module.impute(hidden, seen, S, method="depth")
    by_bayes = module.impute(hidden, seen, S, method="bayes")
    # (cond − 1)/(cond + 1) to the default number of layers is eps; rounding of the iteration adds a few
    assert by_depth == pytest.approx(by_bayes, abs=1e-9)
    assert (by_bayes[seen] == x[seen]).all() and not by_bayes[~seen.any(axis=1)].any()


def test_a_duplicated_feature_is_copied():
    S = np.array([[1.0, 1.0, 0.3], [1.0, 1.0, 0.3], [0.3, 0.3, 2.0]])
    x = np.array([[1.5, np.nan, np.nan], [1.5, 1.5, np.nan]])
    filled = module.impute(x, ~np.isnan(x), S, method="bayes")
    assert filled == pytest.approx(np.array([[1.5, 1.5, 0.45], [1.5, 1.5, 0.45]]))
    assert module.bayes_risk_at(S, rho=0.5) < np.trace(S) / 2
    with pytest.raises(ValueError, match="invertible Sigma"):
        module.impute(x, ~np.isnan(x), S, method="depth")
    with pytest.raises(ValueError, match="take rho < 1"):
        module.minimizer(S, rho=1.0)
    module.minimizer(S, rho=0.9)


def test_a_constant_feature_and_a_single_one():
    S = np.diag([0.0, 1.0])
    assert not module.minimizer(S, rho=0.5).any()
    assert module.bayes_risk_at(S, rho=0.5) == 0.5
    assert module.minimizer([[2.0]], rho=0.5).tolist() == [[0.0]]
    assert module.risk_at([[7.0]], [[2.0]], rho=0.25) == pytest.approx(1.5)
    assert module.impute([np.nan], [False], [[2.0]], rho=0.5).tolist() == [0.0]


GOOD = {"Sigma": [[1.0, 0.5], [0.5, 1.0]], "rho": 0.5}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rho": 0.0}, "0 < rho <= 1, got rho=0.0"),
        ({"rho": 1.5}, "0 < rho <= 1"),
        ({"rho": "half"}, "real number rho"),
        ({"rho": True}, "real number rho"),
        ({"rho": np.nan}, "finite number rho"),
        ({"rho": None}, "expected rho"),
        ({"Sigma": [[1.0, 2.0], [2.0, 1.0]]}, "smallest eigenvalue -1"),
        ({"Sigma": [[1.0, 0.5], [0.4, 1.0]]}, "symmetric Sigma"),
        ({"Sigma": [[1.0, np.nan], [np.nan, 1.0]]}, "finite entries in Sigma"),
        ({"Sigma": [1.0, 2.0]}, r"shape \(d, d\)"),
        ({"Sigma": "ab"}, "real matrix Sigma"),
        ({"loss": "some"}, "loss='missing' or loss='all'"),
        ({"mask": "spans"}, "one of bernoulli, size, beta"),
        ({"mask": "size"}, "expected size"),
        ({"mask": "size", "size": 1}, "expected size alone"),
        ({"mask": "size", "size": 3, "rho": None}, "1 <= size <= 2"),
        ({"mask": "beta", "rate": (0, 1), "rho": None}, "a, b > 0"),
        ({"mask": "exchangeable", "moments": [0.5, 0.7], "rho": None}, "r1 >= r2"),
    ],
)
def test_bad_input_is_named(change, words):
    for call in (module.minimizer, module.bayes_risk_at, lambda **k: module.risk_at(np.zeros((2, 2)), **k)):
        with pytest.raises(ValueError, match=words):
            call(**{**GOOD, **change})


def test_more_bad_input_is_named():
    S = np.eye(2)
    with pytest.raises(ValueError, match="weighted low-rank"):
        module.minimizer(S, rho=0.5, rank=1)
    with pytest.raises(ValueError, match="1 <= rank <= 2"):
        module.minimizer(S, rho=0.5, loss="all", rank=3)
    with pytest.raises(ValueError, match="simulate"):
        module.bayes_risk_at(np.eye(17), rho=0.5)
    with pytest.raises(ValueError, match="there is nothing to impute from"):
        module.minimizer(S, mask="size", size=2)
    with pytest.raises(ValueError, match=r"W of shape \(2, 2\)"):
        module.risk_at(np.eye(3), S, rho=0.5)
    for observed, words in (
        ([1, 0], "booleans in observed"),
        ([True], "shape of x"),
        ([True, True], "finite observed entries"),
    ):
        with pytest.raises(ValueError, match=words):
            module.impute([1.0, np.nan], observed, S, method="bayes")
    with pytest.raises(ValueError, match="expected rho"):
        module.impute([1.0, 2.0], [True, False], S)
    with pytest.raises(ValueError, match="attention, bayes, depth"):
        module.impute([1.0, 2.0], [True, False], S, method="mean")
    with pytest.raises(ValueError, match="layers >= 0"):
        module.impute([1.0, 2.0], [True, False], S, method="depth", layers=-1)
    with pytest.raises(ValueError, match="real rows x"):
        module.impute(["a", "b"], [True, False], S, method="bayes")


def test_the_study_is_there_without_scikit_learn():
    """Everything but the estimator; the estimator says what to install."""
    code = """
import sys
sys.modules["sklearn"] = None
from proofs_check.studies.imputation import minimizer
assert minimizer([[1.0]], rho=0.5) == 0
try:
    from proofs_check.studies.imputation import AttentionImputer
except ImportError as error:
    assert "attention-theory[data]" in str(error), error
else:
    raise SystemExit("expected an ImportError")
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("W", ["abc", [["a", "b"], ["c", "d"]], [[1, 2], [3]], [[1, 1j], [0, 1]], {}])
def test_weights_that_are_no_real_matrix_are_refused_by_name(W):
    with pytest.raises(ValueError, match="expected a real matrix W"):
        module.risk_at(W, np.eye(2), rho=0.5)
