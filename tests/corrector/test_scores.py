"""Scores after the correction: they agree with the labels and keep the order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.svm import SVC

from rarecorrect import ColumnModel, ErrorCorrector
from rarecorrect.ranking import led_by

from .helpers import NAMES, around, fitted

# --- probabilities and decision values ------------------------------------------------


def test_probabilities_agree_with_the_corrected_labels(outbreak, corrected):
    legacy = outbreak.model.predict_proba(outbreak.X_new)
    found = corrected.predict_proba(outbreak.X_new)
    trace = corrected.trace(outbreak.X_new)
    changed = trace["changed"].to_numpy()
    assert found.shape == (1200, 3)
    assert_allclose(found.sum(axis=1), 1)
    assert_array_equal(
        corrected.classes_[found.argmax(axis=1)], corrected.predict(outbreak.X_new)
    )
    assert_array_equal(found[~changed, :2], legacy[~changed])
    assert not found[~changed, 2].any()
    new = found[changed, trace.loc[changed, "after"]]
    rank = trace.loc[changed, "tail_rank"].to_numpy()
    beyond = rank == rank.min()  # above all calibration rows: more extreme, higher
    assert_allclose(new[~beyond], 1 - rank[~beyond] / 2)
    assert (new[beyond] >= 1 - rank[beyond] / 2).all()
    order = np.argsort(trace.loc[changed, "score"].to_numpy())
    assert (np.diff(new[order]) >= 0).all()
    assert new.min() > 0.5
    # the others share the rest in the proportions that they had
    to_new = changed & (trace["after"] == 2).to_numpy()
    rest = found[to_new, :2] / found[to_new, :2].sum(axis=1, keepdims=True)
    assert_allclose(rest, legacy[to_new], atol=1e-9)


def test_the_more_extreme_case_ranks_higher(outbreak, corrected):
    trace = corrected.trace(outbreak.X_new).query("changed and after == 2")
    found = corrected.predict_proba(outbreak.X_new)[trace.index, 2]
    order = np.argsort(trace["score"])
    assert (np.diff(found[order]) >= 0).all()
    extreme = trace["score"].to_numpy() > corrected.rules_.calibration_scores[-1]
    assert np.unique(found[extreme]).size > 0.9 * extreme.sum() > 10


def test_decision_values_are_logs_of_the_probabilities(outbreak, corrected):
    p = corrected.predict_proba(outbreak.X_new)
    found = corrected.decision_function(outbreak.X_new)
    assert_allclose(found[p > 0], np.log(p[p > 0]))
    assert np.isfinite(found).all()
    assert_array_equal(found.argmax(axis=1), p.argmax(axis=1))
    two = ErrorCorrector(outbreak.model, max_damage=0.1, random_state=0)
    old = outbreak.y != 2
    two.fit(outbreak.X[old], outbreak.y[old])
    p = two.predict_proba(outbreak.X_new)
    odds = two.decision_function(outbreak.X_new)
    assert_allclose(odds, np.log(p[:, 1] / p[:, 0]))
    assert_array_equal(odds > 0, two.predict(outbreak.X_new) == 1)


@pytest.mark.parametrize("model", [SVC(), RidgeClassifier()])
def test_decision_values_rank_where_there_are_no_probabilities(outbreak, model):
    model = clone(model).fit(outbreak.X_new, outbreak.y_new)
    corrector = fitted(outbreak, model=model)
    assert not hasattr(corrector, "predict_proba")
    found = corrector.decision_function(outbreak.X_new)
    agreed = model.decision_function(outbreak.X_new).argmax(axis=1) == model.predict(
        outbreak.X_new
    )
    after = corrector.classes_[found.argmax(axis=1)]
    assert_array_equal(after[agreed], corrector.predict(outbreak.X_new)[agreed])


def test_a_model_that_only_decides_has_no_scores(outbreak):
    frame = pd.DataFrame(outbreak.X, columns=NAMES)
    vendor = ColumnModel(label="decision", classes=[0, 1])
    frame["decision"] = outbreak.model.predict(outbreak.X)
    corrector = ErrorCorrector(
        vendor, features=_numbers, max_damage=0.05, random_state=0
    ).fit(frame, outbreak.y)
    assert not hasattr(corrector, "predict_proba")
    assert not hasattr(corrector, "decision_function")
    assert corrector.score(frame, outbreak.y) > 0.7


def _numbers(frame):
    return frame[NAMES].to_numpy()


# --- scores that do not tell the decision ---------------------------------------------


def blobs(centers):
    X, y = make_blobs(2500, centers=centers, cluster_std=3, random_state=0)
    return X[:500], y[:500], X[500:1500], y[500:1500], X[1500:]


def one_against_one(n_classes):
    X_old, y_old, X, y, X_new = blobs(n_classes)
    model = SVC(decision_function_shape="ovo").fit(X_old, y_old)
    return model, X, y, X_new


@pytest.mark.parametrize("features", ["auto", "decision", "logits"])
@pytest.mark.parametrize("n_classes", [3, 5])
def test_one_class_against_one(features, n_classes):
    model, X, y, X_new = one_against_one(n_classes)
    corrector = around(model, features=features).fit(X, y)
    assert corrector.rules_.certified
    before = corrector.trace(X_new)["before"]
    assert_array_equal(before, model.predict(X_new))
    n_pairs = n_classes * (n_classes - 1) // 2
    n_columns = n_pairs + (X.shape[1] if features == "auto" else 0)
    assert len(corrector.features_.names_) == n_columns


def test_three_pairs_of_three_classes_are_not_taken_for_the_classes():
    model, X, y, X_new = one_against_one(3)
    corrector = around(model).fit(X, y)
    found = corrector.decision_function(X_new).argmax(axis=1)
    assert_array_equal(corrector.classes_[found], corrector.predict(X_new))


def test_scores_that_are_not_one_per_class_are_not_offered():
    model, X, y, X_new = one_against_one(5)
    corrector = around(model)
    assert hasattr(corrector, "decision_function")  # it may be fitted otherwise
    corrector.fit(X, y)
    assert not hasattr(corrector, "decision_function")
    with pytest.raises(AttributeError) as caught:
        corrector.decision_function(X_new)
    assert "SVC are not one per class" in str(caught.value.__cause__)
    assert "decision_function_shape='ovr'" in str(caught.value.__cause__)


@pytest.mark.parametrize("threshold", [0.2, 0.8])
def test_a_decision_threshold_is_not_a_half(outbreak, threshold):
    two = outbreak.y != 2
    soft = LogisticRegression(C=1e-3)  # many rows between the threshold and a half
    model = FixedThresholdClassifier(
        soft, threshold=threshold, response_method="predict_proba"
    ).fit(outbreak.X[two], outbreak.y[two])
    corrector = around(model).fit(outbreak.X, outbreak.y)
    legacy = model.predict_proba(outbreak.X_new)
    against = model.predict(outbreak.X_new) != legacy.argmax(axis=1)
    p = corrector.predict_proba(outbreak.X_new)
    label = corrector.predict(outbreak.X_new)
    assert_array_equal(corrector.classes_[p.argmax(axis=1)], label)
    assert_allclose(p.sum(axis=1), 1)
    kept = label == model.predict(outbreak.X_new)
    assert np.sum(kept & against) > 20
    assert_array_equal(p[kept & ~against, :2], legacy[kept & ~against])
    # whoever had the higher score before has at least the same now
    rising = np.argsort(legacy[kept, 1])
    assert (np.diff(p[kept, 1][rising]) > -1e-8).all()
    decided = corrector.decision_function(outbreak.X_new).argmax(axis=1)
    assert_array_equal(corrector.classes_[decided], label)


def test_two_classes_decide_by_the_sign(outbreak):
    y, new = outbreak.y != 0, outbreak.X_new
    inner = LogisticRegression().fit(outbreak.X, y)
    model = FixedThresholdClassifier(FrozenEstimator(inner), threshold=0.9).fit(
        outbreak.X, y
    )
    corrector = around(model).fit(outbreak.X, y)
    assert np.mean((inner.predict(new)) != model.predict(new)) > 0.1
    assert_array_equal(corrector.decision_function(new) > 0, corrector.predict(new))


def test_a_label_without_a_column_leaves_the_scores_alone():
    shares = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [1.0, 0.0, 0.0]])
    found = led_by(shares, np.array([-1, 0, 2]))
    assert_array_equal(found[0], shares[0])
    assert_array_equal(found[1:].argmax(axis=1), [0, 2])
    assert_allclose(found, [[0.5, 0.3, 0.2], [3 / 7, 1 / 7, 3 / 7], [0.5, 0, 0.5]])
