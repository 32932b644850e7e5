"""Bad rows: a clear error, or the legacy answer with a warning; never a crash."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
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

from .helpers import corrector_of, draw, fit_with_warnings, keeps_the_legacy_answer

# --- rows to learn from ---------------------------------------------------------------


def test_no_errors_at_all(outbreak):
    corrector = corrector_of(outbreak)
    y = outbreak.model.predict(outbreak.X)
    found = fit_with_warnings(corrector, outbreak.X, y)
    assert list(found) == [NotCertifiedWarning]
    assert "right on all 1,200 rows; pass rows that it gets wrong" in str(found)
    assert keeps_the_legacy_answer(corrector, outbreak)


def test_a_label_of_a_broken_file_is_named_with_the_way_out():
    """Half a character, as text read with ``errors="surrogateescape"`` holds."""
    X, y = draw(600, 0)
    words = np.array(["ok", "fraud", "d\udce9bit"])[y]
    model = LogisticRegression().fit(X[y < 2], words[y < 2])
    with pytest.raises(ValueError, match=r"'to d\\udce9bit' is no text.*encoding="):
        ErrorCorrector(model, random_state=0).fit(X, words)


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
