"""The estimator: scikit-learn's own checks, EM, what the theory predicts, and input that is refused."""

from __future__ import annotations

import copy
import importlib
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from proofs_check.studies._imputation_real_data import SCHEMES, hidden
from proofs_check.studies.imputation import AttentionImputer, compare_imputers, impute, minimizer

em = importlib.import_module("proofs_check.studies._imputation_em")
METHODS = ("attention", "bayes", "depth")


@parametrize_with_checks([AttentionImputer(method) for method in METHODS])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


def rows(n: int = 3000, d: int = 5, rate: float = 0.7, seed: int = 0):
    """Complete rows, incomplete ones, their mask and the covariance; features of different scales and means."""
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal((d, d + 2)) * np.exp(rng.uniform(-2, 2, (d, 1)))
    S = factor @ factor.T / d
    x = rng.multivariate_normal(rng.uniform(-3, 3, d), S, size=n)
    seen = rng.random((n, d)) < rate
    return x, np.where(seen, x, np.nan), seen, S


def log_likelihood(x, seen, mean, S):
    """Of the observed entries, row by row, up to a constant."""
    total = 0.0
    for row, mask in zip(x, seen, strict=True):
        if mask.any():
            block, centred = S[np.ix_(mask, mask)], (row - mean)[mask]
            total -= (np.linalg.slogdet(block)[1] + centred @ np.linalg.solve(block, centred)) / 2
    return total


def test_em_climbs_the_likelihood_to_a_stationary_point():
    """Every step climbs; and at the end no direction climbs by more than what the last step leaves."""
    x, _, seen, _ = rows(300, 4)
    values = []
    for steps in (1, 2, 4, 8, 400):
        fit = em.fit_gaussian(x, seen, prior=0.0, tol=1e-9, max_iter=steps)
        values.append(log_likelihood(x, seen, fit.mean, fit.covariance))
    assert values == sorted(values) and fit.converged
    rng = np.random.default_rng(1)
    scale = np.outer(fit.scale, fit.scale)
    for _ in range(10):
        move = rng.standard_normal((4, 4)) * 1e-4
        shifted = fit.covariance + (move + move.T) * scale
        assert log_likelihood(x, seen, fit.mean, shifted) <= values[-1] + 1e-9 * abs(values[-1])


def test_em_without_missing_entries_is_the_sample_covariance():
    x, _, _, _ = rows(200, 4)
    fit = em.fit_gaussian(x, np.ones(x.shape, dtype=bool), prior=0.0, tol=1e-12)
    assert fit.mean == pytest.approx(x.mean(axis=0))
    assert fit.covariance == pytest.approx(np.cov(x.T, bias=True), rel=1e-9)


def test_more_features_than_rows_need_the_prior():
    x, _, seen, _ = rows(6, 12)
    seen[0] = True
    fit = em.fit_gaussian(x, seen, max_iter=2000)
    # one row of independent features among six: eigenvalues of the correlations stay above 1/7 of a share
    assert np.linalg.eigvalsh(fit.correlation)[0] > 0.01
    with pytest.raises(ValueError, match="give prior > 0"):
        em.fit_gaussian(x, np.ones(x.shape, dtype=bool), prior=0.0)


@pytest.mark.parametrize("method", METHODS)
def test_the_predicted_risk_is_the_measured_one(method):
    """On Gaussian rows with entries missing at random the theory is exact, up to the fit and the sample."""
    x, incomplete, seen, _ = rows(20_000, 5, seed=2)
    half = len(x) // 2
    imputer = AttentionImputer(method).fit(incomplete[:half])
    errors = ((imputer.transform(incomplete[half:]) - x[half:]) / np.sqrt(np.diag(imputer.covariance_))) ** 2
    measured = errors[~seen[half:]]
    error = measured.std() / np.sqrt(len(measured))
    # eight standard errors, and the fit: d² covariances known to 1/√n each
    assert abs(measured.mean() - imputer.predicted_risk_) < 8 * error + 25 / half


def test_the_methods_are_those_of_impute():
    _, incomplete, seen, _ = rows(500, 5)
    for method in METHODS:
        imputer = AttentionImputer(method).fit(incomplete)
        ours = imputer.transform(incomplete) - imputer.mean_
        theirs = impute(incomplete - imputer.mean_, seen, imputer.covariance_, method=method, rho=imputer.rho_)
        assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-8 * imputer.covariance_.max())
    assert imputer.weights_ is None
    attention = AttentionImputer(rho=0.5).fit(incomplete)
    assert attention.weights_ == pytest.approx(minimizer(attention.fit_.correlation, rho=0.5))


def test_units_do_not_matter():
    x, incomplete, _, _ = rows(400, 4)
    scale, shift = np.array([1e-6, 1.0, 1e3, 7.0]), np.array([0.0, 5.0, -1e3, 1e-3])
    plain, scaled = AttentionImputer().fit(incomplete), AttentionImputer().fit(incomplete * scale + shift)
    expected = plain.transform(incomplete) * scale + shift
    assert (scaled.transform(incomplete * scale + shift) - expected) / scale == pytest.approx(0 * x, abs=1e-6)
    assert scaled.predicted_risk_ == pytest.approx(plain.predicted_risk_, rel=1e-6)


def test_fewer_layers_cost_more():
    _, incomplete, _, _ = rows(500, 5)
    risks = [AttentionImputer("depth", layers=layers).fit(incomplete).predicted_risk_ for layers in (0, 1, 5, 25, 500)]
    assert risks == sorted(risks, reverse=True)
    assert risks[-1] >= AttentionImputer("bayes").fit(incomplete).predicted_risk_ * (1 - 1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_odd_columns_and_rows(method):
    """A constant feature, a duplicated one, an empty row, a single feature, complete rows."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((60, 4))
    x[:, 1], x[:, 2] = 7.0, x[:, 0]
    incomplete = x.copy()
    incomplete[rng.random(x.shape) < 0.3] = np.nan
    incomplete[0] = np.nan
    imputer = AttentionImputer(method).fit(incomplete)
    filled = imputer.transform(incomplete)
    assert np.isfinite(filled).all() and (filled[:, 1] == 7.0).all()
    assert filled[0] == pytest.approx(imputer.mean_)
    known = ~np.isnan(incomplete[:, 0]) & np.isnan(incomplete[:, 2])
    if method == "bayes":  # a prior of one row in sixty shrinks a perfect correlation by a little
        assert filled[known, 2] == pytest.approx(x[known, 0], abs=0.2)
    single = AttentionImputer(method).fit_transform(np.array([[1.0], [np.nan], [3.0]]))
    assert single.tolist() == [[1.0], [2.0], [3.0]]
    assert np.array_equal(AttentionImputer(method).fit_transform(x), x)
    constant = AttentionImputer(method).fit(np.full((3, 2), 5.0))
    assert constant.transform([[np.nan, 5.0]]).tolist() == [[5.0, 5.0]] and constant.predicted_risk_ == 0


def test_integers_and_objects_are_read_as_numbers():
    objects = np.array([[1, 2], [3, None], [5, 7]], dtype=object)
    objects[1, 1] = np.nan
    assert np.isfinite(AttentionImputer().fit_transform(objects)).all()
    assert AttentionImputer().fit_transform(np.array([[1, 2], [3, 4]])).tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("parameters", "rows", "words"),
    [
        ({}, [[1.0, np.nan], [2.0, np.nan]], "observed entry in each column, got none in 1"),
        ({}, [[1.0, np.inf], [2.0, 1.0]], "infinity"),
        ({}, [["a", "b"], ["c", "d"]], "could not convert"),
        ({"method": "mean"}, [[1.0, 2.0]], "attention, bayes, depth"),
        ({"prior": -1}, [[1.0, 2.0]], "prior >= 0"),
        ({"max_iter": 0}, [[1.0, 2.0]], "max_iter >= 1"),
        ({"tol": "small"}, [[1.0, 2.0]], "tol >= 0"),
        ({"rho": 0.0}, [[1.0, 2.0], [2.0, 1.0]], "0 < rho <= 1"),
        ({"rho": 2}, [[1.0, 2.0], [2.0, 1.0]], "0 < rho <= 1"),
        ({"method": "depth", "layers": 1.5}, [[1.0, np.nan], [2.0, 1.0], [0.0, 4.0]], "layers >= 0"),
    ],
)
def test_bad_input_is_named(parameters, rows, words):
    with pytest.raises(ValueError, match=words):
        AttentionImputer(**parameters).fit(np.array(rows))


def test_a_step_limit_is_said():
    _, incomplete, _, _ = rows(200, 5)
    with pytest.warns(ConvergenceWarning, match="raise max_iter or tol"):
        AttentionImputer(max_iter=1).fit(incomplete)


def test_it_can_be_copied_and_chained():
    _, incomplete, _, _ = rows(100, 3)
    imputer = AttentionImputer("bayes").fit(incomplete)
    for other in (pickle.loads(pickle.dumps(imputer)), copy.deepcopy(imputer)):  # noqa: S301, our own bytes
        assert np.array_equal(other.transform(incomplete), imputer.transform(incomplete))
    assert clone(imputer).method == "bayes"
    chained = make_pipeline(AttentionImputer(), StandardScaler()).fit_transform(incomplete)
    assert chained.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-12)


# --- real rows ------------------------------------------------------------------------------------


def test_the_schemes_hide_what_they_say():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((20_000, 3)) * [1.0, 50.0, 1e-3] + [0.0, 1e3, 0.0]
    for scheme in SCHEMES:
        mask = hidden(x, scheme, 0.2, rng)
        shares = mask.mean(axis=0)
        assert shares[1:] == pytest.approx([0.2, 0.2], abs=8 * (0.16 / 20_000) ** 0.5)
        assert shares[0] == (0 if scheme == "mar" else pytest.approx(shares[1], abs=0.03))
        gaps = [x[mask[:, 1], j].mean() / x[:, j].std() - x[:, j].mean() / x[:, j].std() for j in (0, 1)]
        # hidden rows have a larger first feature for MAR, a larger value of their own for MNAR
        assert [gap > 0.5 for gap in gaps] == [scheme == "mar", scheme == "mnar"]
    with pytest.raises(ValueError, match="mcar, mar, mnar"):
        hidden(x, "none", 0.2, rng)
    with pytest.raises(ValueError, match="0 < rate < 1"):
        hidden(x, "mcar", 1.0, rng)


def test_comparison_on_real_rows():
    """A small size of the table in examples/: both imputers beat the mean, and the prediction is of the right size."""
    imputers = {"mean": SimpleImputer(), "attention": AttentionImputer(), "bayes": AttentionImputer("bayes")}
    results = compare_imputers(load_iris().data, imputers, rate=0.3, seeds=range(4))
    mean, attention, bayes = results
    assert [each.method for each in results] == list(imputers) and mean.predicted is None
    assert mean.error == pytest.approx(1, abs=8 * mean.standard_error + 0.1)
    for each in (attention, bayes):
        assert each.error + 4 * each.standard_error < mean.error
        # iris is three clusters, not one Gaussian: within a factor of two is what the notebook finds at any rate
        assert 0.5 < each.error / each.predicted < 2
    with pytest.raises(ValueError, match="two seeds"):
        compare_imputers(load_iris().data, imputers, seeds=[1])
    with pytest.raises(ValueError, match="complete rows"):
        compare_imputers([[1.0, np.nan]], imputers)
