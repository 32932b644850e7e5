"""ColumnModel: a decision that stands in a column, read as a classifier."""

from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_estimator,
)
from sklearn.utils.validation import check_is_fitted

from rarecorrect.column_model import ColumnModel

ROWS = {
    "country": ["FR", "DE", "FR", "IT"],
    "amount": [10.0, None, 30.0, 40.0],
    "vendor_score": [120, 830, 960, 829],
    "p_cat": [0.2, 0.5, 0.1, 0.0],
    "p_dog": [0.7, 0.5, 0.1, 0.0],
    "p_bird": [0.1, 0.0, 0.8, 0.0],
    "decision": ["ok", "fraud", "fraud", "ok"],
    "code": [0, 1, 1, 0],
    "blocked": [False, True, True, False],
}


@pytest.fixture(params=["pandas", "pandas nullable", "polars"])
def frame(request):
    if request.param == "polars":
        return pl.DataFrame(ROWS)
    plain = pd.DataFrame(ROWS)
    return plain if request.param == "pandas" else plain.convert_dtypes()


def test_passes_the_estimator_checks(monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # or one check is skipped
    results = check_estimator(ColumnModel(score=0), on_fail=None, on_skip=None)
    check_dataframe_column_names_consistency("ColumnModel", ColumnModel(score=0))
    failed = [r["check_name"] for r in results if r["status"] != "passed"]
    assert failed == []
    assert Counter(r["status"] for r in results)["passed"] >= 55


def test_a_score_needs_no_fit(frame):
    vendor = ColumnModel("vendor_score", threshold=830)
    check_is_fitted(vendor)
    assert_array_equal(vendor.predict(frame), [0, 1, 1, 0])
    assert_array_equal(vendor.decision_function(frame) > 0, [0, 1, 1, 0])
    assert_allclose(vendor.decision_function(frame), [-710, 0, 130, -1], atol=1e-9)
    assert_array_equal(vendor.classes_, [0, 1])


def test_every_kind_of_column_reads_the_same_in_every_frame(frame):
    read = {
        "one": ColumnModel("vendor_score", threshold=830, classes=("ok", "fraud")),
        "list": ColumnModel(["p_cat", "p_dog", "p_bird"]),
        "str": ColumnModel(label="decision"),
        "int": ColumnModel(label="code"),
        "bool": ColumnModel(label="blocked"),
        "bool score": ColumnModel("blocked"),
        "position": ColumnModel(2, threshold=830),
        "from the end": ColumnModel(label=-1),
    }
    found = {name: model.predict(frame) for name, model in read.items()}
    assert found["one"].tolist() == ["ok", "fraud", "fraud", "ok"]
    assert found["list"].tolist() == ["p_dog", "p_cat", "p_bird", "p_cat"]
    assert found["str"].tolist() == ["ok", "fraud", "fraud", "ok"]
    assert found["int"].tolist() == [0, 1, 1, 0]
    assert found["bool"].tolist() == [False, True, True, False]
    assert found["bool score"].tolist() == [0, 1, 1, 0]
    assert found["position"].tolist() == [0, 1, 1, 0]
    assert found["from the end"].tolist() == [False, True, True, False]
    assert {name: labels.dtype.kind for name, labels in found.items()} == {
        "one": "U", "list": "U", "str": "U", "int": "i", "bool": "b",
        "bool score": "i", "position": "i", "from the end": "b",
    }  # fmt: skip


def test_an_array_is_read_by_position():
    X = np.array([[0.1, np.nan], [0.9, 1.0]])
    assert_array_equal(ColumnModel(0).predict(X), [0, 1])
    assert_array_equal(ColumnModel(score=0).fit(X).predict(X), [0, 1])
    assert_array_equal(ColumnModel(label=0).predict(X), [0.1, 0.9])
    mixed = np.array([[0.1, "a"], [0.9, "b"]], dtype=object)
    assert_array_equal(ColumnModel(0).predict(mixed), [0, 1])
    assert_array_equal(ColumnModel(label=1).predict(mixed), ["a", "b"])


def test_float32_is_compared_as_the_frame_would_compare_it():
    X = pd.DataFrame({"s": np.array([0.83, 0.8299, 0.8301], dtype=np.float32)})
    model = ColumnModel("s", threshold=0.83, score_range=(0, 1))
    expected = (X["s"] >= 0.83).to_numpy()
    assert expected.tolist() == [True, False, True]
    assert_array_equal(model.predict(X), expected)
    assert_array_equal(model.decision_function(X) > 0, expected)
    assert_array_equal(model.predict_proba(X).argmax(axis=1), expected)


finite = st.floats(0, 1, width=64)


@settings(max_examples=100)
@given(
    arrays(float, st.integers(1, 8), elements=finite),
    finite,
    st.sampled_from([np.float64, np.float32]),
)
def test_probabilities_of_one_score_agree_with_the_decision(scores, threshold, dtype):
    at_threshold = np.append(scores, [threshold, 0, 1]).astype(dtype).reshape(-1, 1)
    model = ColumnModel(0, threshold=threshold, score_range=(0, 1))
    decision, proba = model.predict(at_threshold), model.predict_proba(at_threshold)
    assert_array_equal(proba.argmax(axis=1), decision)
    assert_array_equal(model.decision_function(at_threshold) > 0, decision)
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)
    assert (proba >= 0).all()
    order = np.argsort(at_threshold[:, 0])
    assert (np.diff(proba[order, 1]) >= 0).all()


def test_probabilities_of_one_score_meet_the_three_knots():
    model = ColumnModel(0, threshold=830, score_range=(0, 999))
    X = np.array([[0.0], [415.0], [830.0], [914.5], [999.0]])
    assert_allclose(model.predict_proba(X)[:, 1], [0, 0.25, 0.5, 0.75, 1])
    assert model.predict_proba(X)[2, 1] > 0.5


@settings(max_examples=100)
@given(arrays(float, st.tuples(st.integers(1, 6), st.integers(2, 4)), elements=finite))
def test_probabilities_of_a_list_agree_with_the_decision(scores):
    n_classes = scores.shape[1]
    model = ColumnModel(list(range(n_classes)), score_range=(0, 1))
    proba, decision = model.predict_proba(scores), model.predict(scores)
    assert_array_equal(decision, scores.argmax(axis=1))
    assert_array_equal(proba.argmax(axis=1), decision)
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)
    distance = model.decision_function(scores)
    if n_classes == 2:
        assert_array_equal(distance > 0, decision)
    else:
        assert_array_equal(distance, scores)


def test_methods_exist_only_where_they_mean_something():
    def has(model):
        return [hasattr(model, m) for m in ("decision_function", "predict_proba")]

    assert has(ColumnModel("s")) == [True, False]
    assert has(ColumnModel("s", score_range=(-5, 5))) == [True, True]
    assert has(ColumnModel(["a", "b"])) == [True, False]
    assert has(ColumnModel(["a", "b"], score_range=(0, 1))) == [True, True]
    assert has(ColumnModel(["a", "b"], score_range=(-1, 1))) == [True, False]
    assert has(ColumnModel(label="d")) == [False, False]


def test_fit_learns_the_two_labels_of_a_score(frame):
    model = ColumnModel("vendor_score", threshold=830)
    fitted = model.fit(frame, ["no", "yes", "yes", "no"])
    assert fitted is model
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.predict(frame).tolist() == ["no", "yes", "yes", "no"]
    assert model.feature_names_in_.tolist() == list(ROWS)
    assert model.fit(frame).classes_.tolist() == [0, 1]
    assert clone(model).predict(frame).tolist() == [0, 1, 1, 0]


def test_given_classes_win_over_the_labels_in_y(frame):
    model = ColumnModel("vendor_score", threshold=830, classes=("ok", "fraud"))
    model.fit(frame, ["ok", "new type", "fraud", "ok"])
    assert model.classes_.tolist() == ["ok", "fraud"]
    assert model.predict(frame).tolist() == ["ok", "fraud", "fraud", "ok"]


def test_fit_learns_the_labels_of_a_label_column(frame):
    model = ColumnModel(label="decision")
    assert not hasattr(model, "classes_")
    assert model.fit(frame, ["new", "ok", "ok", "ok"]).classes_.tolist() == [
        "fraud",
        "ok",
    ]
    with pytest.raises(ValueError, match=r"label 'late' in row 1.*\['fraud', 'ok'\]"):
        model.predict(frame_with(frame, "decision", ["ok", "late", "ok", "ok"]))


def test_refitting_forgets_the_labels_seen_before(frame):
    model = ColumnModel(label="decision").fit(frame)
    model.fit(frame_with(frame, "decision", ["a", "b", "c", "a"]))
    assert model.classes_.tolist() == ["a", "b", "c"]


def frame_with(frame, name, values):
    if isinstance(frame, pl.DataFrame):
        return frame.with_columns(pl.Series(name, values))
    changed = frame.assign(**{name: values})
    is_nullable = isinstance(frame["code"].dtype, pd.Int64Dtype)
    return changed.convert_dtypes() if is_nullable else changed


def test_scoring_still_works_beside_a_parameter_of_that_name(frame):
    model = ColumnModel("vendor_score", threshold=830)
    y = [0, 1, 0, 0]
    assert model.score(frame, y) == accuracy_score(y, model.predict(frame)) == 0.75
    assert model.get_params()["score"] == "vendor_score"
    assert repr(model) == "ColumnModel(score='vendor_score', threshold=830)"
    model.set_params(score="code", threshold=None)
    assert model.get_params()["score"] == "code"
    assert model.score(frame, y) == 0.75
    X = pd.DataFrame({"s": [0.1, 0.9] * 6})
    assert_array_equal(cross_val_score(ColumnModel("s"), X, [0, 1] * 6, cv=3), 1.0)


def test_copies_decide_alike(frame):
    model = ColumnModel("vendor_score", threshold=830, score_range=(0, 999))
    expected = model.predict_proba(frame)
    copies = [clone(model), pickle.loads(pickle.dumps(model)), FrozenEstimator(model)]
    for copy in copies:
        assert_array_equal(copy.predict_proba(frame), expected)


def test_a_missing_column_is_named_with_its_neighbours(frame):
    with pytest.raises(ValueError, match=r"'vendor_scor'.*\['vendor_score'"):
        ColumnModel("vendor_scor").predict(frame)
    with pytest.raises(ValueError, match="no column 9: X has 9 columns"):
        ColumnModel(9).predict(frame)
    with pytest.raises(ValueError, match="'s' is a name and X is an array"):
        ColumnModel("s").predict(np.ones((2, 2)))


def test_a_missing_score_is_counted(frame):
    with pytest.raises(ValueError, match=r"'amount' holds 1 NaN.*row 1.*fill them"):
        ColumnModel("amount").predict(frame)
    nullable = frame_with(frame, "code", [1, None, None, 0])
    with pytest.raises(ValueError, match="'code' holds 2 NaN and 0 infinite"):
        ColumnModel("code").predict(nullable)
    with pytest.raises(ValueError, match="column 'code' has 2 missing labels"):
        ColumnModel(label="code").predict(nullable)
    if not isinstance(frame, pl.DataFrame):
        nullable = frame.assign(blocked=pd.array([True, None, False, True], "boolean"))
        with pytest.raises(ValueError, match="'blocked' holds 1 NaN"):
            ColumnModel("blocked").predict(nullable)


def test_a_column_of_words_is_no_score(frame):
    with pytest.raises(ValueError, match="'country' holds String, but a score is a"):
        ColumnModel("country").predict(frame)


@pytest.mark.parametrize("method", ["fit", "predict", "predict_proba"])
def test_a_score_out_of_range_is_named(frame, method):
    model = ColumnModel("vendor_score", threshold=830, score_range=(0, 959))
    with pytest.raises(ValueError, match=r"score 960.* in row 2 of column 'vendor_sc"):
        getattr(model, method)(frame)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "exactly one of score and label, got score=None and label=None"),
        ({"score": "a", "label": "b"}, "got score='a' and label='b'"),
        ({"score": 1.5}, "a name or a position, got 1.5"),
        ({"label": True}, "a name or a position, got True"),
        ({"score": ["a"]}, r"needs two or more, got \['a'\]"),
        ({"score": ["a", "b"], "threshold": 0.3}, "threshold=0.3 goes with one"),
        ({"label": "a", "threshold": 0.3}, "threshold=0.3 goes with one"),
        ({"score": "a", "threshold": np.nan}, "threshold must be finite, got nan"),
        ({"score": "a", "classes": (0, 1, 2)}, r"2 distinct labels, got \[0, 1, 2\]"),
        ({"score": "a", "classes": ("x", "x")}, "2 distinct labels"),
        ({"score": ["a", "b", "c"], "classes": (0, 1)}, "3 distinct labels"),
        ({"score": ["a", "a"]}, "2 distinct labels"),
        ({"score": "a", "score_range": (1, 0)}, r"got \(1, 0\)"),
        ({"score": "a", "score_range": (0, 0.4)}, "threshold=0.5"),
        ({"label": "a", "score_range": (0, 1)}, "0 score columns"),
    ],
)
def test_wrong_parameters_are_quoted(parameters, message):
    X = pd.DataFrame({"a": [0.1, 0.9], "b": [0.2, 0.3], "c": [0.0, 0.0]})
    with pytest.raises(ValueError, match=message):
        ColumnModel(**parameters).predict(X)
    with pytest.raises(ValueError, match=message):
        ColumnModel(**parameters).fit(X)


def test_labels_of_two_kinds_are_refused():
    X = pd.DataFrame({"a": [0.1, 0.9]})
    with pytest.raises(TypeError, match="classes holds labels of type 'mixed-integer'"):
        ColumnModel("a", classes=("no", 1)).predict(X)


def test_labels_that_do_not_fit_the_column_are_refused(frame):
    with pytest.raises(ValueError, match=r"y has 3 class labels.*pass classes="):
        ColumnModel("vendor_score").fit(frame, [0, 1, 2, 1])
    with pytest.raises(ValueError, match=r"is among the score columns.*pass classes="):
        ColumnModel(["p_cat", "p_dog"]).fit(frame, ["cat", "dog", "dog", "cat"])
    named = ColumnModel(["p_cat", "p_dog"], classes=("cat", "dog"))
    assert named.fit(frame, ["cat", "dog", "dog", "cat"]).classes_.tolist() == [
        "cat",
        "dog",
    ]


def test_other_columns_are_checked_once_fitted(frame):
    model = ColumnModel("vendor_score", threshold=830).fit(frame)
    fewer = frame[["vendor_score", "code"]]
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(fewer)
    unfitted = ColumnModel("vendor_score", threshold=830)
    assert_array_equal(unfitted.predict(fewer), [0, 1, 1, 0])
