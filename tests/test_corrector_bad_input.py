"""Bad input: a clear error, or the legacy answer with a warning; never a crash."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from rarecorrect import (
    ColumnModel,
    ErrorCorrector,
    FisherDetector,
    NotCertifiedWarning,
    RuleRefusedWarning,
    TrainingRowsWarning,
)
from rarecorrect.certify import sidak_level


def corrector_of(data, **options):
    options = {"max_damage": 0.05, "random_state": 0, **options}
    return ErrorCorrector(data.model, **options)


def keeps_the_legacy_answer(corrector, data):
    found = corrector.predict(data.X_new)
    assert_array_equal(found, data.model.predict(data.X_new))
    assert not corrector.trace(data.X_new)["changed"].any()
    return True


def fit_with_warnings(corrector, *rows, **side):
    """Texts of the warnings of a fit, by category."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        corrector.fit(*rows, **side)
    return {w.category: str(w.message) for w in caught}


# --- rows to learn from ---------------------------------------------------------------


def test_no_errors_at_all(outbreak):
    corrector = corrector_of(outbreak)
    y = outbreak.model.predict(outbreak.X)
    found = fit_with_warnings(corrector, outbreak.X, y)
    assert list(found) == [NotCertifiedWarning]
    assert "right on all 1,200 rows; pass rows that it gets wrong" in str(found)
    assert keeps_the_legacy_answer(corrector, outbreak)


def test_all_wrong(outbreak):
    corrector = corrector_of(outbreak)
    y = 1 - outbreak.model.predict(outbreak.X)
    found = fit_with_warnings(corrector, outbreak.X, y)
    assert "no rule could be learnt" in found[NotCertifiedWarning]
    assert "0 right decisions" in found[RuleRefusedWarning]
    assert corrector.report_.legacy_accuracy == 0
    assert keeps_the_legacy_answer(corrector, outbreak)


def test_one_class_only_that_the_model_knows(outbreak):
    corrector = corrector_of(outbreak)
    ones = outbreak.y == 1
    found = fit_with_warnings(corrector, outbreak.X[ones], outbreak.y[ones])
    assert "'to 1' refused: 0 right decisions" in found[RuleRefusedWarning]
    assert keeps_the_legacy_answer(corrector, outbreak)


def test_one_class_only_that_the_model_does_not_know(outbreak):
    corrector = corrector_of(outbreak)
    new = outbreak.y == 2
    found = fit_with_warnings(corrector, outbreak.X[new], outbreak.y[new])
    assert NotCertifiedWarning in found
    assert keeps_the_legacy_answer(corrector, outbreak)


def test_one_class_for_a_model_to_be_fitted(outbreak):
    with pytest.raises(ValueError, match="class"):
        ErrorCorrector(LogisticRegression()).fit(outbreak.X, np.zeros(1200))


def test_no_right_calibration_rows(outbreak):
    corrector = corrector_of(outbreak)
    wrong = outbreak.model.predict(outbreak.X) != outbreak.y
    found = fit_with_warnings(corrector, outbreak.X, outbreak.y, calibration_mask=wrong)
    assert "0 right calibration rows" in found[NotCertifiedWarning]
    assert "pass 63 more" in found[NotCertifiedWarning]
    assert keeps_the_legacy_answer(corrector, outbreak)


def test_certify_on_rows_that_are_all_wrong(outbreak):
    corrector = corrector_of(outbreak).fit(outbreak.X, outbreak.y)
    y = 1 - outbreak.model.predict(outbreak.X_new)
    before = corrector.predict(outbreak.X_new)
    with pytest.warns(NotCertifiedWarning, match="no right .* in force stays"):
        corrector.certify(outbreak.X_new, y)
    assert np.array_equal(corrector.predict(outbreak.X_new), before)


@pytest.mark.parametrize("n_errors", [1, 2, 3])
@pytest.mark.parametrize("n_clusters", [1, 20])
def test_more_clusters_than_errors(outbreak, n_errors, n_clusters):
    right = outbreak.model.predict(outbreak.X) == outbreak.y
    new = np.flatnonzero(outbreak.y == 2)[:n_errors]
    kept = np.r_[np.flatnonzero(right), new]
    corrector = corrector_of(outbreak, detector=FisherDetector(n_clusters=n_clusters))
    corrector.fit(outbreak.X[kept], outbreak.y[kept])
    assert corrector.rules_["to 2"].n_errors == n_errors
    assert corrector.rules_.certified
    assert set(corrector.predict(outbreak.X_new)) <= {0, 1, 2}
    one = "gain not estimated" in str(corrector.report_)
    assert one is (n_errors == 1)


def test_more_neighbours_than_rows_refuses_the_rule(outbreak):
    corrector = corrector_of(outbreak, detector=KNeighborsClassifier(5000))
    found = fit_with_warnings(corrector, outbreak.X, outbreak.y)
    assert "KNeighborsClassifier failed: ValueError" in found[RuleRefusedWarning]
    assert keeps_the_legacy_answer(corrector, outbreak)


def test_rows_that_the_model_was_trained_on(outbreak):
    model = DecisionTreeClassifier(random_state=0).fit(outbreak.X, outbreak.y)
    y = outbreak.y.copy()
    y[:20] = (y[:20] + 1) % 3  # a few errors, far fewer than on new rows
    corrector = ErrorCorrector(model, max_damage=0.05, legacy_accuracy=0.8)
    with pytest.warns(TrainingRowsWarning, match=r"98.33 %.*far above.*0.8.*void"):
        corrector.fit(outbreak.X, y)
    assert corrector.report_.legacy_accuracy == pytest.approx(1180 / 1200)


@pytest.mark.parametrize("accuracy", [None, 0.5, 0.58])
def test_new_rows_are_not_taken_for_training_rows(outbreak, accuracy):
    found = fit_with_warnings(
        corrector_of(outbreak, legacy_accuracy=accuracy), outbreak.X, outbreak.y
    )
    assert found == {}


# --- values ---------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_values_where_the_model_takes_none(outbreak, value):
    rows = outbreak.X.copy()
    rows[3, 1] = value
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        corrector_of(outbreak).fit(rows, outbreak.y)
    corrector = corrector_of(outbreak).fit(outbreak.X, outbreak.y)
    for call in (corrector.predict, corrector.predict_proba, corrector.certify):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            call(rows)


def test_missing_values_that_a_detector_cannot_take_become_numbers(outbreak):
    rows = outbreak.X.copy()
    rows[::3, 1] = np.nan
    model = HistGradientBoostingClassifier(max_iter=5).fit(rows, outbreak.y % 2)
    corrector = ErrorCorrector(model, max_damage=0.1, random_state=0)
    corrector.fit(rows, outbreak.y)
    assert "missingindicator_x1" in corrector.features_.names_
    assert corrector.rules_.certified


def test_features_that_are_infinite_are_named(outbreak):
    def inverse(rows):
        found = np.array(rows)
        found[:100, 2] = np.inf
        return found

    with pytest.raises(ValueError, match=r"'inverse\[2\]'.*infinite"):
        corrector_of(outbreak, features=inverse).fit(outbreak.X, outbreak.y)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda y: [1, "a"] * 600, TypeError, "'mixed-integer': convert them"),
        (lambda y: y.astype(str), ValueError, "Mix of label input types"),
        (lambda y: y + 0.5, ValueError, "Unknown label type: continuous"),
        (lambda y: np.where(y == 2, np.nan, y), ValueError, "416 missing labels"),
        (lambda y: [None, *y[1:]], ValueError, "1 missing labels"),
        (lambda y: np.column_stack([y, y]), ValueError, "1d array"),
        (lambda y: y[:-1], ValueError, r"inconsistent.*\[1200, 1199\]"),
        (lambda y: None, ValueError, "requires y to be passed"),
    ],
)
def test_labels_of_a_wrong_kind(outbreak, make, error, message):
    with pytest.raises(error, match=message):
        corrector_of(outbreak).fit(outbreak.X, make(outbreak.y))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda y: y.astype(str), ValueError, "Mix of label input types"),
        (lambda y: y[:-1], ValueError, "inconsistent"),
        (lambda y: [1, "a"] * 600, TypeError, "mixed-integer"),
    ],
)
def test_labels_of_a_wrong_kind_do_not_turn_a_book_off(outbreak, make, error, message):
    corrector = corrector_of(outbreak).fit(outbreak.X, outbreak.y)
    book = corrector.rules_
    with pytest.raises(error, match=message):
        corrector.certify(outbreak.X_new, make(outbreak.y_new))
    assert corrector.rules_ is book


# --- shapes and columns ---------------------------------------------------------------


@pytest.mark.parametrize("method", ["predict", "predict_proba", "trace", "certify"])
def test_mismatched_columns(outbreak, method):
    corrector = corrector_of(outbreak).fit(outbreak.X, outbreak.y)
    with pytest.raises(ValueError, match=r"3 features.*expecting 4"):
        getattr(corrector, method)(outbreak.X_new[:, :3])
    with pytest.raises(ValueError, match=r"Expected 2D array.*reshape"):
        getattr(corrector, method)(outbreak.X_new[0])


def frame_of(rows, names=("a", "b", "c", "d")):
    return pd.DataFrame(rows, columns=list(names))


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_columns_in_another_order_or_of_another_name(outbreak):
    corrector = corrector_of(outbreak).fit(frame_of(outbreak.X), outbreak.y)
    new = frame_of(outbreak.X_new)
    with pytest.raises(ValueError, match="same order"):
        corrector.predict(new[["b", "a", "c", "d"]])
    with pytest.raises(ValueError, match="unseen at fit time:\n- e"):
        corrector.predict(new.rename(columns={"a": "e"}))


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_duplicated_column_names(outbreak):
    doubled = frame_of(outbreak.X, ("a", "b", "b", "d"))
    with pytest.raises(Exception, match=r"unique column names(.|\n)*'b' 2 times"):
        corrector_of(outbreak).fit(doubled, outbreak.y)


def test_text_columns_without_features_to_read(outbreak):
    frame = frame_of(outbreak.X)
    frame["decision"] = outbreak.model.predict(outbreak.X)
    frame["country"] = "FR"
    vendor = ColumnModel(label="decision", classes=[0, 1])
    with pytest.raises(ValueError, match=r"nothing numeric.*callable or a transformer"):
        ErrorCorrector(vendor).fit(frame, outbreak.y)


@pytest.mark.parametrize(
    "name",
    [
        "groups",
        "segment",
        "time",
        "case_id",
        "calibration_mask",
        "calibration_weight",
        "sample_weight",
    ],
)
def test_side_columns_of_a_wrong_length(outbreak, name):
    with pytest.raises(ValueError, match=r"shape.*1199|1199.*shape"):
        corrector_of(outbreak).fit(outbreak.X, outbreak.y, **{name: np.ones(1199)})


@pytest.mark.parametrize(
    ("side", "message"),
    [
        ({"calibration_weight": np.full(1200, -1.0)}, "positive and finite, got -1.0"),
        ({"sample_weight": np.full(1200, np.nan)}, "NaN"),
        (
            {
                "time": [*range(1199), np.nan],
                "calibration_mask": np.arange(1200) % 2 == 1,
            },
            "1 of 1200 rows have no time",
        ),
        (
            {
                "time": np.array(["noon"] * 1200),
                "calibration_mask": np.arange(1200) % 2 == 1,
            },
            "numbers .days. or datetime64",
        ),
    ],
)
def test_side_columns_of_a_wrong_kind(outbreak, side, message):
    corrector = corrector_of(outbreak, alert_budget="3/day")
    with pytest.raises(ValueError, match=message):
        corrector.fit(outbreak.X, outbreak.y, **side)


def test_a_sample_of_the_days_cannot_stand_for_whole_days(outbreak):
    corrector = corrector_of(outbreak, alert_budget="3/day")
    with pytest.warns(NotCertifiedWarning):
        corrector.fit(outbreak.X, outbreak.y)
    with pytest.raises(ValueError, match=r"whole days.*without calibration_weight"):
        corrector.certify(
            outbreak.X_new, time=np.arange(1200) / 30, calibration_weight=np.ones(1200)
        )


@pytest.mark.parametrize("no", ["False", 0, None])
def test_a_mask_is_of_booleans(outbreak, no):
    mask = np.array([no] * 600 + [True] * 600, dtype=object)
    for values in (mask, mask.tolist(), mask.astype(str)):
        with pytest.raises(TypeError, match="calibration_mask must be a boolean mask"):
            corrector_of(outbreak).fit(outbreak.X, outbreak.y, calibration_mask=values)
    mask[:600] = False
    right = outbreak.model.predict(outbreak.X) == outbreak.y
    for values in (mask, mask.tolist(), pd.Series(mask, dtype="boolean")):
        corrector = corrector_of(outbreak)
        corrector.fit(outbreak.X, outbreak.y, calibration_mask=values)
        assert corrector.report_.n_calibration == right[600:].sum()


# --- segments -------------------------------------------------------------------------

SEGMENT = np.arange(1200) % 3  # all three are in every part of the rows


def with_a_hole(values):
    found = np.asarray(values).astype(object)
    found[0] = None
    return found


def per_segment(data, segment, **options):
    corrector = corrector_of(data, per="segment", max_damage=0.1, **options)
    return corrector.fit(data.X, data.y, segment=segment)


@pytest.mark.parametrize(
    "holes",
    [
        lambda s, out: np.where(out, np.nan, s),
        lambda s, out: np.where(out, None, s),
        lambda s, out: [None if o else v for v, o in zip(s, out, strict=True)],
        lambda s, out: np.where(out, np.nan, s).astype(object),
        lambda s, out: pd.Series(s, dtype="Int64").mask(out),
        lambda s, out: pd.Series(s).astype("category").mask(out),
        lambda s, out: pl.Series(s.tolist()).set(pl.Series(out), None),
    ],
    ids=["float", "object", "list", "NaN object", "nullable", "category", "polars"],
)
def test_missing_segments_are_one_segment(outbreak, holes):
    out = np.arange(1200) % 7 < 2
    segment = holes(SEGMENT, out)
    corrector = per_segment(outbreak, segment)
    certificates = corrector.rules_.entry("damage").certificates
    assert set(certificates) == {0, 1, 2, "(missing)"}
    right = outbreak.model.predict(outbreak.X) == outbreak.y
    n_missing = corrector.rules_.certificate("(missing)").n_calibration
    assert 0.3 < n_missing / np.sum(right & out) < 0.7  # half of them calibrate
    assert {c.confidence_level for c in certificates.values()} == {sidak_level(0.96, 4)}
    changed = corrector.predict(outbreak.X_new, segment=segment) != (
        outbreak.model.predict(outbreak.X_new)
    )
    assert corrector.rules_.certificate("(missing)").certified
    assert np.sum(changed & out) > 30
    assert np.sum(changed & ~out) > 30


CONTAINERS = {
    "float": SEGMENT.astype(float),
    "int8": SEGMENT.astype(np.int8),
    "list": SEGMENT.tolist(),
    "object": SEGMENT.astype(object),
    "numpy scalars": list(SEGMENT),
    "nullable": pd.Series(SEGMENT, dtype="Int64"),
    "category": pd.Categorical(SEGMENT),
    "polars": pl.Series(SEGMENT.tolist()),
    "a hole": with_a_hole(SEGMENT),
    "a hole in floats": np.where(np.arange(1200), SEGMENT, np.nan),
    "a hole in a category": pd.Categorical(with_a_hole(SEGMENT)),
    "a new name": np.where(np.arange(1200), SEGMENT.astype(object), "new"),
    "a new kind": [pd.Timestamp("2024-01-01"), *SEGMENT[1:]],
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_segment_is_the_same_in_every_container(outbreak, kind):
    corrector = per_segment(outbreak, SEGMENT)
    expected = corrector.predict(outbreak.X_new, segment=SEGMENT)
    legacy = outbreak.model.predict(outbreak.X_new)
    known = np.array([v in (0, 1, 2) for v in CONTAINERS[kind]])
    assert np.sum(expected != legacy) > 100
    assert_array_equal(
        corrector.predict(outbreak.X_new, segment=CONTAINERS[kind]),
        np.where(known, expected, legacy),
    )


def test_names_and_numbers_may_stand_in_one_column(outbreak):
    names = np.array([0, "shop", None, 1.5], dtype=object)[np.arange(1200) % 4]
    corrector = per_segment(outbreak, names)
    certificates = corrector.rules_.entry("damage").certificates
    assert set(certificates) == {0, "shop", "(missing)", 1.5}
    before = corrector.predict(outbreak.X_new, segment=names)
    text = np.where(names == 0, "0", names)  # a word that looks like a number
    legacy = outbreak.model.predict(outbreak.X_new)
    assert np.sum((before != legacy)[names == 0]) > 10
    assert_array_equal(
        corrector.predict(outbreak.X_new, segment=text),
        np.where(names == 0, legacy, before),
    )
    again = pickle.loads(pickle.dumps(corrector))
    assert_array_equal(again.predict(outbreak.X_new, segment=names), before)


def test_a_segment_is_needed_where_segments_are_certified(outbreak):
    with pytest.raises(ValueError, match="per='segment' needs segment="):
        corrector_of(outbreak, per="segment").fit(outbreak.X, outbreak.y)


# --- detectors ------------------------------------------------------------------------


class Failing(ClassifierMixin, BaseEstimator):
    """A detector that goes wrong in a way of its own."""

    def __init__(self, how):
        self.how = how

    def fit(self, rows, y):
        if self.how == "fold" and len(rows) < 650:
            raise RuntimeError("not enough rows for me")
        if self.how == "always":
            raise MemoryError("too many rows for me")
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, rows):
        value = {"nan": np.nan, "infinite": np.inf}.get(self.how, 0.0)
        return np.full(len(rows), value)


class Scoreless(ClassifierMixin, BaseEstimator):
    def fit(self, rows, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, rows):
        return np.zeros(len(rows))


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        (Failing("always"), "Failing failed: MemoryError: too many rows for me"),
        (Failing("fold"), "Failing failed: RuntimeError: not enough rows for me"),
        (Failing("nan"), "NaN scores"),
        (Failing("infinite"), "not finite"),
        (Scoreless(), "neither decision_function nor predict_proba"),
        (LinearRegression(), "neither decision_function nor predict_proba"),
    ],
)
def test_a_detector_that_fails_refuses_its_rule_only(outbreak, detector, message):
    corrector = corrector_of(outbreak, detector=detector)
    found = fit_with_warnings(corrector, outbreak.X, outbreak.y)
    assert message in found[RuleRefusedWarning]
    assert "no rule could be learnt" in found[NotCertifiedWarning]
    assert len(corrector.report_.refused) == 3
    assert keeps_the_legacy_answer(corrector, outbreak)


class FailsForOne(FisherDetector):
    def fit(self, X, y, sample_weight=None):
        if np.sum(y) < 50:
            raise RuntimeError("too few errors for me")
        return super().fit(X, y, sample_weight)


def test_the_other_rules_go_on(outbreak):
    corrector = corrector_of(outbreak, detector=FailsForOne())
    found = fit_with_warnings(corrector, outbreak.X, outbreak.y)
    assert list(found) == [RuleRefusedWarning]
    assert corrector.rules_.certified
    assert 2 in corrector.predict(outbreak.X_new)


def test_weights_for_a_detector_that_takes_none(outbreak):
    with pytest.raises(ValueError, match=r"KNeighborsClassifier.fit does not take it"):
        corrector_of(outbreak, detector=KNeighborsClassifier()).fit(
            outbreak.X, outbreak.y, sample_weight=np.ones(1200)
        )


# --- parameters -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_damage": 0}, r"max_damage must lie in \(0, 1\), got 0"),
        ({"max_damage": 1.5}, r"max_damage must lie in \(0, 1\), got 1.5"),
        ({"max_damage": "low"}, "max_damage.*got 'low'"),
        ({"max_damage": None}, "max_damage and alert_budget are both None"),
        ({"confidence_level": 95}, "confidence_level.*got 95"),
        ({"time_margin": -0.1}, "time_margin must be 0 or more, got -0.1"),
        ({"legacy_accuracy": 97}, "legacy_accuracy.*got 97"),
        ({"alert_budget": 25}, "'25/day', got 25"),
        ({"alert_budget": "25/week"}, "got '25/week'"),
        ({"alert_budget": "many/day"}, "got 'many/day'"),
        ({"alert_budget": True}, "got True"),
        ({"action": "delete"}, "'relabel' or 'flag', got 'delete'"),
        ({"per": "customer"}, "per must be one of.*got 'customer'"),
        (
            {"detector": "best"},
            "detector must be None, 'auto' or a classifier, got 'best'",
        ),
        ({"detector": FisherDetector}, "a classifier such as"),
        ({"time_margin": "x"}, "time_margin must be 0 or more, got 'x'"),
        ({"time_margin": None}, "time_margin must be 0 or more, got None"),
        ({"alert_budget": [1]}, r"alert_budget must be None, a share.*got \[1\]"),
        ({"ledger": "no"}, "ledger must be True or False, got 'no'"),
        ({"shuffle": 0.5}, "shuffle must be True or False, got 0.5"),
        ({"detector": 3}, "a classifier such as .*got 3"),
        ({"features": "inputs"}, "got 'inputs'"),
        ({"features": "leaves"}, "'leaves' is not available in this version"),
        ({"confusions": "some"}, "confusions must be 'all'.*got 'some'"),
        ({"confusions": 2}, "confusions must be 'all'.*got 2"),
        ({"confusions": [(0, 1, 2)]}, r"got \(0, 1, 2\)"),
        ({"confusions": []}, r"confusions must be 'all', or a list.*got \[\]"),
        ({"confusions": [2, 2]}, r"got 2 more than once in \[2, 2\]"),
        ({"confusions": np.array([2, 2])}, "got .*2.* more than once"),
        ({"confusions": [2, (0, 2), [0, 2]]}, r"got \(0, 2\) more than once"),
        ({"calibration_fraction": 1.0}, "calibration_fraction.*got 1.0"),
        ({"calibration_fraction": "half"}, "calibration_fraction.*got 'half'"),
        ({"validation_fraction": "auto"}, "validation_fraction.*got 'auto'"),
        ({"validation_fraction": 0}, "validation_fraction.*got 0"),
        ({"random_state": "seed"}, "'seed' cannot be used to seed"),
    ],
)
def test_parameters_are_quoted_with_the_way_out(outbreak, options, message):
    with pytest.raises(ValueError, match=message):
        corrector_of(outbreak, **options).fit(outbreak.X, outbreak.y)


@pytest.mark.parametrize("estimator", [None, "model", LinearRegression()])
def test_an_estimator_that_is_no_classifier(outbreak, estimator):
    if estimator is not None and not isinstance(estimator, str):
        estimator.fit(outbreak.X, outbreak.y)
    with pytest.raises(
        ValueError, match=r"estimator must be a classifier.*ColumnModel"
    ):
        ErrorCorrector(estimator).fit(outbreak.X, outbreak.y)


def test_a_class_instead_of_an_estimator(outbreak):
    with pytest.raises(TypeError, match=r"got estimator class instead"):
        ErrorCorrector(LogisticRegression).fit(outbreak.X, outbreak.y)


def test_a_confusion_that_never_occurs_is_refused_by_name(outbreak):
    corrector = corrector_of(outbreak, confusions=["typo", (2, 0), 2])
    found = fit_with_warnings(corrector, outbreak.X, outbreak.y)
    assert list(found) == [RuleRefusedWarning]
    refused = {r.name: r.reason for r in corrector.report_.refused}
    assert refused == dict.fromkeys(("to typo", "2 to 0"), "no error of this kind")
    assert [rule.to for rule in corrector.rules_] == [2]


@pytest.mark.parametrize("method", ["predict", "trace", "certify", "score"])
def test_before_fit_there_is_nothing_to_ask(outbreak, method):
    arguments = [outbreak.X, outbreak.y] if method == "score" else [outbreak.X]
    with pytest.raises(NotFittedError):
        getattr(corrector_of(outbreak), method)(*arguments)


def test_a_segment_that_nothing_uses_is_refused(outbreak):
    segment = np.arange(1200) % 2
    with pytest.raises(ValueError, match=r"segment= was passed, but per=None"):
        corrector_of(outbreak).fit(outbreak.X, outbreak.y, segment=segment)
    corrector = corrector_of(outbreak).fit(outbreak.X, outbreak.y)
    with pytest.raises(ValueError, match=r"set per='segment', or leave it out"):
        corrector.predict(outbreak.X_new, segment=segment)
