"""The checks of scikit-learn on every estimator, with a counted minimum."""

from __future__ import annotations

import functools
from collections import Counter

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator

from rarecorrect import ColumnModel, ErrorCorrector, FisherDetector
from rarecorrect.detectors import (
    AutoDetector,
    BoostingDetector,
    CascadeDetector,
    CleanedDetector,
    IntervalDetector,
    LogisticDetector,
    TreesDetector,
)

# The checks use rows by the dozen: most fits certify nothing, and say so.
pytestmark = [
    pytest.mark.filterwarnings("ignore::rarecorrect.NotCertifiedWarning"),
    pytest.mark.filterwarnings("ignore::rarecorrect.RuleRefusedWarning"),
]

ESTIMATORS = {
    "default": ErrorCorrector(LogisticRegression()),
    "wide budget": ErrorCorrector(
        LogisticRegression(), max_damage=0.2, confidence_level=0.5
    ),
    "pipeline": ErrorCorrector(make_pipeline(StandardScaler(), LogisticRegression())),
    "detector": FisherDetector(),
    "box": IntervalDetector(),
    "logistic": LogisticDetector(),
    "cascade": CascadeDetector(),
    "cleaned": CleanedDetector(),
    "trees": TreesDetector(20),
    "boosting": BoostingDetector(5, engine="scikit-learn"),
    "auto": AutoDetector(
        candidates=[("Fisher", FisherDetector()), ("box", IntervalDetector())]
    ),
    "column": ColumnModel(score=0),
}
FEWEST_CHECKS = 55
FEWEST_ACTIVE_FITS = 15

_SPLIT = (
    "rows are split at random into those that teach and those that calibrate, so a row "
    "of weight k is not the same as k rows"
)
_FOLDS = "rows are left out by folds: a row of weight k is in one, k rows in several"
_LEAVES = "the number of rows limits a leaf, and a row of weight k is one row there"


# Why a row of weight k and k equal rows do not give the same.
WEIGHTS_FAIL = {
    ErrorCorrector: _SPLIT,
    BoostingDetector: _LEAVES,
    CleanedDetector: _FOLDS,
    AutoDetector: _FOLDS,
}


def _expected_failures(estimator):
    if type(estimator) not in WEIGHTS_FAIL:
        return {}
    kinds = ["dense", "sparse"] if get_tags(estimator).input_tags.sparse else ["dense"]
    name = "check_sample_weight_equivalence_on_{}_data"
    return {name.format(kind): WEIGHTS_FAIL[type(estimator)] for kind in kinds}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimator_checks(name, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # or one check is skipped
    active = _count_fits_with_an_active_rule(monkeypatch)
    estimator = ESTIMATORS[name]
    expected = _expected_failures(estimator)
    results = check_estimator(
        estimator, expected_failed_checks=expected, on_skip=None, on_fail=None
    )
    # all that is expected to fail does, and nothing else: no failure, no skip
    with_status = {r["check_name"]: r["status"] for r in results}
    assert {n for n, status in with_status.items() if status == "xfail"} == set(
        expected
    )
    wrong = [r for r in results if r["status"] not in ("passed", "xfail")]
    assert {r["check_name"]: r["exception"] for r in wrong} == {}
    assert Counter(r["status"] for r in results)["passed"] >= FEWEST_CHECKS
    if name == "wide budget":
        assert active["fits"] >= FEWEST_ACTIVE_FITS


def _count_fits_with_an_active_rule(monkeypatch):
    found = Counter()
    fit = ErrorCorrector.fit

    @functools.wraps(fit)
    def counting(self, *args, **kwargs):
        fitted = fit(self, *args, **kwargs)
        found["fits"] += self.rules_.certified
        return fitted

    monkeypatch.setattr(ErrorCorrector, "fit", counting)
    return found
