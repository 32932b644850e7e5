"""The checks of scikit-learn on every estimator, with a counted minimum."""

from __future__ import annotations

import functools
from collections import Counter

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from rarecorrect import ColumnModel, ErrorCorrector, FisherDetector
from rarecorrect.detectors import (
    AutoDetector,
    BoostingDetector,
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
_DRAWN = "rows are drawn at random, so a row of weight k is not the same as k rows"

_BINS = "bins of columns know no weights, so a row of weight k is not quite k rows"


def _weights_fail(reason):
    kinds = ("dense", "sparse")
    return {f"check_sample_weight_equivalence_on_{k}_data": reason for k in kinds}


EXPECTED_FAILURES = {
    ErrorCorrector: _weights_fail(_SPLIT),
    BoostingDetector: _weights_fail(_BINS),
    CleanedDetector: _weights_fail(_DRAWN),
    TreesDetector: _weights_fail(_DRAWN),
    AutoDetector: _weights_fail(_DRAWN),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimator_checks(name, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # or one check is skipped
    active = _count_fits_with_an_active_rule(monkeypatch)
    estimator = ESTIMATORS[name]
    expected = EXPECTED_FAILURES.get(type(estimator), {})
    results = check_estimator(
        estimator, expected_failed_checks=expected, on_skip=None, on_fail=None
    )
    # an expected failure that does not happen has to leave the table
    passed = {r["check_name"] for r in results if r["status"] == "passed"}
    assert not passed & set(expected)
    failed = {r["check_name"]: r["exception"] for r in results if _went_wrong(r)}
    assert failed == {}
    assert Counter(r["status"] for r in results)["passed"] >= FEWEST_CHECKS
    if name == "wide budget":
        assert active["fits"] >= FEWEST_ACTIVE_FITS


def _went_wrong(result):
    return result["status"] not in ("passed", "xfail")


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
