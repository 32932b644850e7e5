"""What must not change an answer: no rule, other company, the same seed, more jobs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_imblearn_pipeline
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rarecorrect import ErrorCorrector, FisherDetector
from rarecorrect.detectors import LogisticDetector

from .helpers import fitted, quietly


def idle(data):
    """Correctors that may not change anything."""
    corrector = fitted(data)
    yield corrector.with_rules(corrector.rules_.disable_all())
    yield quietly(lambda: fitted(data, max_damage=1e-6))
    right = data.model.predict(data.X) == data.y
    nothing = ErrorCorrector(data.model)
    yield quietly(lambda: nothing.fit(data.X[right], data.y[right]))


def test_no_rule_no_change(outbreak):
    legacy = outbreak.model
    for corrector in idle(outbreak):
        assert_array_equal(
            corrector.predict(outbreak.X_new), legacy.predict(outbreak.X_new)
        )
        known = corrector.predict_proba(outbreak.X_new)[:, :2]
        assert known.tobytes() == legacy.predict_proba(outbreak.X_new).tobytes()
        trace = corrector.trace(outbreak.X_new)
        assert not trace["changed"].any()
        assert trace["tail_rank"].isna().all()


def test_no_rule_no_change_of_text_labels(outbreak):
    names = np.array(["no", "yes"])
    model = LogisticRegression().fit(outbreak.X, names[outbreak.y % 2])
    y = model.predict(outbreak.X_new)
    corrector = quietly(lambda: ErrorCorrector(model).fit(outbreak.X_new, y))
    assert_array_equal(
        corrector.predict_proba(outbreak.X_new), model.predict_proba(outbreak.X_new)
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_row_gets_the_same_answer_in_any_company(outbreak, dtype):
    rows = outbreak.X_new.astype(dtype)
    corrector = ErrorCorrector(outbreak.model, max_damage=0.05, random_state=0)
    corrector.fit(outbreak.X.astype(dtype), outbreak.y)
    order = np.random.default_rng(0).permutation(1200)
    for method in ("predict", "predict_proba", "decision_function"):
        call = getattr(corrector, method)
        whole = call(rows)
        close = {"rtol": 1e-4, "atol": 1e-6}
        assert_allclose(call(rows[order]), whole[order], **close)
        assert_allclose(call(rows[7::50]), whole[7::50], **close)
        alone = np.concatenate([call(row[None]) for row in rows[:40]])
        assert_allclose(alone, whole[:40], **close)


@pytest.mark.parametrize(
    "detector",
    [FisherDetector(), FisherDetector(n_clusters=2), LogisticDetector()],
    ids=["one cluster", "two clusters", "logistic"],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_columns_far_from_zero_do_not_blur_a_rule(outbreak, dtype, detector):
    def far(rows):
        return (rows + 1e4).astype(dtype)

    model = make_pipeline(StandardScaler(), clone(outbreak.model))
    model.fit(far(outbreak.X_new), outbreak.y_new % 2)
    data = outbreak._replace(X=far(outbreak.X))
    rule = fitted(data, model=model, features="input", detector=detector).rules_["to 2"]
    rows = far(outbreak.X_new)
    whole = rule.score(rows)
    parts = [rule.score(rows[i : i + 7]) for i in range(0, 1200, 7)]
    assert_allclose(np.concatenate(parts), whole, rtol=0, atol=1e-9 * np.ptp(whole))


@pytest.mark.parametrize("detector", [None, LogisticRegression(max_iter=10_000)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("offset", [1e4, 1e5])
def test_columns_far_from_zero_do_not_blur_an_answer(outbreak, offset, dtype, detector):
    def far(rows):
        return (rows + offset).astype(dtype)

    model = make_pipeline(StandardScaler(), clone(outbreak.model))
    model.fit(far(outbreak.X_new), outbreak.y_new % 2)
    data, rows = outbreak._replace(X=far(outbreak.X)), far(outbreak.X_new)
    options = {"detector": detector, "confusions": [2], "features": "input"}
    corrector = fitted(data, model=model, **options)
    whole = corrector.trace(rows)
    for size in (1, 7):
        parts = [corrector.trace(rows[i : i + size]) for i in range(0, 210, size)]
        found = pd.concat(parts, ignore_index=True)
        assert_allclose(found["score"], whole["score"][:210], rtol=0, atol=1e-7)
        assert_array_equal(found["after"], whole["after"][:210])


def test_scores_in_the_unit_interval_are_not_taken_for_probabilities(outbreak):
    """Decision values of one row may all lie in [0, 1]; its scores stay the same."""
    model = RidgeClassifier(alpha=1e3).fit(outbreak.X_new, outbreak.y_new)
    corrector = fitted(outbreak, model=model)
    scores = model.decision_function(outbreak.X_new)
    inside = np.flatnonzero((scores > -0.5).all(axis=1))[:20]
    model.intercept_ += 0.5  # now these rows lie in [0, 1], others do not
    whole = corrector.decision_function(outbreak.X_new)
    alone = [corrector.decision_function(outbreak.X_new[[i]])[0] for i in inside]
    assert inside.size
    assert_allclose(alone, whole[inside], rtol=1e-9)


def test_the_same_seed_gives_the_same_bytes(outbreak):
    detector = make_imblearn_pipeline(RandomOverSampler(), GaussianNB())
    for options in ({}, {"detector": ExtraTreesClassifier(5)}, {"detector": detector}):
        one, two = (fitted(outbreak, **options) for _ in range(2))
        a, b = (c.predict_proba(outbreak.X_new).tobytes() for c in (one, two))
        assert a == b
        assert one.rules_.threshold() == two.rules_.threshold()


def test_another_seed_calibrates_on_other_rows(outbreak):
    one, two = fitted(outbreak), fitted(outbreak, random_state=1)
    assert one.rules_.threshold() != two.rules_.threshold()


def test_a_generator_as_seed_moves_on(outbreak):
    state = np.random.RandomState(0)
    one, two = (fitted(outbreak, random_state=state).rules_ for _ in range(2))
    assert one.threshold() != two.threshold()


def test_jobs_do_not_change_the_result(outbreak, corrected):
    parallel = fitted(outbreak, n_jobs=2)
    found = parallel.predict_proba(outbreak.X_new)
    assert found.tobytes() == corrected.predict_proba(outbreak.X_new).tobytes()
