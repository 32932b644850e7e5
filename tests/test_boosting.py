"""BoostingDetector: boosted trees, the same from every engine that is there."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from rarecorrect.detectors import BoostingDetector, FisherDetector
from rarecorrect.metrics import gain_at_retention

ENGINES = ["scikit-learn", pytest.param("xgboost", marks=pytest.mark.needs_boosting)]


def ring(n_errors=80, seed=0):
    """Errors lie around the right decisions: no line tells them apart."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(3000 + n_errors, 4))
    rows[3000:, :2] *= 4 / np.linalg.norm(rows[3000:, :2], axis=1)[:, None]
    return rows, np.arange(len(rows)) >= 3000


@pytest.mark.parametrize("engine", ENGINES)
def test_it_finds_what_no_line_can(engine):
    detector = BoostingDetector(engine=engine, random_state=0).fit(*ring())
    fisher = FisherDetector().fit(*ring())
    rows, is_error = ring(500, seed=1)
    gain, linear = (
        gain_at_retention(d.decision_function(rows), ~is_error, is_error, 0.95)
        for d in (detector, fisher)
    )
    assert gain > 0.5 > linear


@pytest.mark.parametrize("engine", ENGINES)
def test_the_classes_weigh_the_same_and_a_weight_counts_a_row_more(engine):
    rows, is_error = ring()
    options = {"engine": engine, "random_state": 0, "n_estimators": 5}
    detector = BoostingDetector(**options).fit(rows, is_error)
    scores = detector.decision_function(rows)
    # balanced: the log-odds are not those of 80 errors in 3,080 rows
    assert scores[is_error].mean() > 0 > scores[~is_error].mean()
    doubled = np.concatenate([rows, rows[is_error]]), np.append(is_error, [True] * 80)
    weighted = BoostingDetector(**options)
    weighted.fit(rows, is_error, sample_weight=np.where(is_error, 2.0, 1.0))
    twice = BoostingDetector(**options).fit(*doubled)
    # bins of columns know no weights, so that a few rows lie on another side of a cut
    apart = weighted.decision_function(rows) - twice.decision_function(rows)
    assert np.mean(np.abs(apart)) < 0.02


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_seed_gives_the_same_scores(engine):
    rows, is_error = ring()
    first, again, other = (
        BoostingDetector(max_background=500, engine=engine, random_state=seed)
        .fit(rows, is_error)
        .decision_function(rows)
        for seed in (0, 0, 1)
    )
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.needs_boosting
def test_xgboost_is_taken_where_it_is_installed():
    detector = BoostingDetector(random_state=0).fit(*ring())
    assert type(detector.booster_).__name__ == "XGBClassifier"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_estimators": 0}, "n_estimators must be 1 or more, got 0"),
        ({"max_depth": 0}, "max_depth must be 1 or more, got 0"),
        ({"max_background": 0}, "max_background must be 1 or more, got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0, got 0.0"),
        ({"engine": "catboost"}, "engine must be one of .*got 'catboost'"),
    ],
)
def test_parameters_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        BoostingDetector(**options).fit(*ring())


def test_an_engine_that_is_not_installed_is_refused_with_the_way_out(monkeypatch):
    monkeypatch.setattr("rarecorrect.detectors.boosting.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"pip install 'rarecorrect\[boosting\]'"):
        BoostingDetector(engine="xgboost").fit(*ring())
    detector = BoostingDetector(random_state=0).fit(*ring())
    assert type(detector.booster_).__name__ == "HistGradientBoostingClassifier"
