"""FeatureExtractor: what each kind of legacy model thinks, by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn
from imblearn.pipeline import make_pipeline as make_imblearn_pipeline
from imblearn.under_sampling import RandomUnderSampler
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    StandardScaler,
)
from sklearn.svm import SVC

from rarecorrect.column_model import ColumnModel
from rarecorrect.features import FeatureExtractor

X, Y = make_blobs(300, n_features=3, centers=3, cluster_std=3, random_state=0)
BINARY = (Y > 0).astype(int)
LOGISTIC = LogisticRegression().fit(X, Y)
SCALED = make_pipeline(StandardScaler(), PCA(2), LogisticRegression()).fit(X, Y)


def read(model, rows=X, features="auto"):
    extractor = FeatureExtractor(model, features).fit(rows)
    return extractor, extractor.read(rows)


def log_odds(p):
    return np.log(p[:, 1] / p[:, 0])[:, None]


def centred_logs(p):
    return np.log(p) - np.log(p).mean(axis=1, keepdims=True)


class Spy(ClassifierMixin, BaseEstimator):
    """A classifier that counts how often it is asked."""

    def __init__(self, model):
        self.model = model
        self.classes_ = model.classes_
        self.calls = {"predict": 0, "predict_proba": 0}

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, rows):
        self.calls["predict"] += 1
        return self.model.predict(rows)

    def predict_proba(self, rows):
        self.calls["predict_proba"] += 1
        return self.model.predict_proba(rows)


class Contrary(Spy):
    """One whose decisions are not the largest probability."""

    def predict(self, rows):
        return self.model.classes_[np.argmin(self.predict_proba(rows), axis=1)]


# --- what the names stand for ---------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("input", X),
        ("logits", centred_logs(LOGISTIC.predict_proba(X))),
        ("decision", LOGISTIC.decision_function(X)),
        (["logits", "input"], np.c_[centred_logs(LOGISTIC.predict_proba(X)), X]),
        (np.square, X**2),
        (["input", lambda rows: rows[:, 0]], np.c_[X, X[:, 0]]),
    ],
)
def test_names_on_a_logistic_regression(name, expected):
    extractor, reading = read(LOGISTIC, features=name)
    assert_allclose(reading.features, expected, atol=1e-9)
    assert len(extractor.names_) == reading.features.shape[1]


def test_logits_of_two_classes_are_the_log_odds():
    model = LogisticRegression().fit(X, BINARY)
    extractor, reading = read(model, features="logits")
    assert_allclose(reading.features, log_odds(model.predict_proba(X)), atol=1e-9)
    assert extractor.names_ == ["logit[1]"]


def test_logits_of_a_sure_model_stay_finite():
    model = LogisticRegression(C=1e6).fit(X * 100, BINARY)
    found = read(model, X * 1e6, "logits")[1].features
    assert np.isfinite(found).all()


@pytest.mark.parametrize("wrap", [lambda m: m, FrozenEstimator])
def test_steps_of_a_pipeline(wrap):
    for name, expected in (
        ("step:standardscaler", SCALED[0].transform(X)),
        ("step:pca", SCALED[:2].transform(X)),
    ):
        extractor, reading = read(wrap(SCALED), features=name)
        assert_allclose(reading.features, expected)
        assert extractor.names_[0] == f"{name}[0]"
    _, reading = read(wrap(SCALED), features="logits")
    assert_allclose(reading.features, centred_logs(SCALED.predict_proba(X)))


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_hidden_layers_are_the_ones_the_network_uses(activation):
    model = MLPClassifier((7, 5), activation=activation, max_iter=2000, tol=1e-2)
    model.fit(X, Y)
    first = read(model, features="hidden:0")[1].features
    last = read(model, features="hidden:-1")[1].features
    assert (first.shape[1], last.shape[1]) == (7, 5)
    assert_array_equal(last, read(model, features="hidden:1")[1].features)
    # the output layer on top of the last hidden one gives the model's own answer
    out = np.exp(last @ model.coefs_[-1] + model.intercepts_[-1])
    assert_allclose(out / out.sum(axis=1, keepdims=True), model.predict_proba(X))


def test_decision_values_stand_in_for_missing_probabilities():
    model = SVC().fit(X, Y)
    reading = read(model, features="logits")[1]
    assert_allclose(reading.features, model.decision_function(X))
    assert_array_equal(reading.scores, model.decision_function(X))
    two = read(SVC().fit(X, BINARY), features="logits")[1]
    assert two.features.shape == (300, 1)


# --- "auto" ---------------------------------------------------------------------------

WORDS = np.array(["red", "green", "blue"])
TEXTS = [f"{WORDS[y]} paint number {i}" for i, y in enumerate(Y)]
MIXED = pd.DataFrame({"word": WORDS[Y], "size": X[:, 0]})


@pytest.mark.parametrize(
    ("model", "rows", "sources"),
    [
        (LOGISTIC, X, ["input", "logits"]),
        (SCALED, X, ["input", "logits"]),
        (FrozenEstimator(LOGISTIC), X, ["input", "logits"]),
        (SVC().fit(X, Y), X, ["input", "logits"]),
        (
            MLPClassifier((4,), max_iter=2000, tol=1e-2).fit(X, Y),
            X,
            ["hidden:-1", "logits"],
        ),
        (
            make_imblearn_pipeline(
                StandardScaler(), RandomUnderSampler(), LogisticRegression()
            ).fit(X, Y),
            X,
            ["input", "logits"],
        ),
        (
            make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, Y),
            TEXTS,
            ["head", "logits"],
        ),
        (
            make_pipeline(
                OneHotEncoder(handle_unknown="ignore"), LogisticRegression()
            ).fit(MIXED, Y),
            MIXED,
            ["head", "logits"],
        ),
        (
            LogisticRegression().fit(sp.random(300, 2000, 0.05, "csr", rng=0), Y),
            sp.random(300, 2000, 0.05, "csr", rng=0),
            ["logits"],
        ),
    ],
)
def test_auto(model, rows, sources):
    extractor, reading = read(model, rows)
    assert extractor.sources_ == sources
    assert_array_equal(reading.labels, model.predict(rows))
    assert reading.features.dtype.kind == "f"
    assert np.isfinite(reading.features).all()


def test_what_steps_make_of_named_columns_keeps_the_names():
    encoder = OneHotEncoder(handle_unknown="ignore")
    model = make_pipeline(encoder, LogisticRegression()).fit(MIXED, Y)
    names = encoder.get_feature_names_out()
    head = [f"head[{name}]" for name in names]
    assert read(model, MIXED)[0].names_[: len(names)] == head
    named = read(model, MIXED, features="step:onehotencoder")[0].names_
    assert named == [f"step:onehotencoder[{name}]" for name in names]


def test_what_a_step_makes_of_a_column_is_not_called_like_the_column():
    numbers = pd.DataFrame({"size": X[:, 0], "age": X[:, 1]})
    shy = FunctionTransformer(lambda rows: 2 * rows)  # it cannot say its names
    for step in (StandardScaler().set_output(transform="pandas"), shy):
        model = make_pipeline(step, LogisticRegression()).fit(numbers, Y)
        source = f"step:{model.steps[0][0]}"
        found = read(model, numbers, features=source)[0].names_
        assert found == [f"{source}[size]", f"{source}[age]"]


def test_auto_says_what_to_do_where_nothing_is_numeric():
    class Parrot(ClassifierMixin, BaseEstimator):
        classes_ = np.array(["a", "b"])

        def predict(self, rows):
            return np.array(["a"] * len(rows))

    with pytest.raises(ValueError, match=r"nothing numeric.*callable or a transformer"):
        FeatureExtractor(Parrot()).fit(["some", "texts"])


# --- one pass -------------------------------------------------------------------------


def test_labels_are_read_off_the_scores_of_one_pass():
    spy = Spy(LOGISTIC)
    extractor = FeatureExtractor(spy).fit(X)
    assert extractor.labels_from_scores_
    spy.calls.update(predict=0, predict_proba=0)
    assert_array_equal(extractor.read(X).labels, LOGISTIC.predict(X))
    assert spy.calls == {"predict": 0, "predict_proba": 1}


def test_where_scores_do_not_tell_the_model_is_asked_for_labels():
    spy = Contrary(LOGISTIC)
    extractor = FeatureExtractor(spy).fit(X)
    assert not extractor.labels_from_scores_
    assert_array_equal(extractor.read(X).labels, spy.predict(X))


def test_a_threshold_that_the_rows_of_the_fit_do_not_show_is_kept():
    """No row of the fit lies between it and one half."""
    model = FixedThresholdClassifier(
        FrozenEstimator(LogisticRegression().fit(X, BINARY)),
        threshold=0.2,
        response_method="predict_proba",
    ).fit(X, BINARY)
    share = model.predict_proba(X)[:, 1]
    between = (share > 0.2) & (share < 0.5)
    assert between.any()
    extractor = FeatureExtractor(model).fit(X[~between])
    assert_array_equal(extractor.read(X).labels, model.predict(X))


def test_a_column_with_a_threshold_is_read_once():
    vendor = ColumnModel("score", threshold=830, score_range=(0, 999))
    rows = pd.DataFrame({"score": [0.0, 829.0, 830.0, 999.0]})
    extractor = FeatureExtractor(vendor.fit(rows, [0, 0, 1, 1])).fit(rows)
    assert extractor.labels_from_scores_
    assert_array_equal(extractor.read(rows).labels, vendor.predict(rows))


@pytest.mark.parametrize("labels", [BINARY, BINARY.astype(bool), WORDS[BINARY]])
@pytest.mark.parametrize("model", [LogisticRegression(), SVC()])
def test_labels_of_every_kind_are_read_off(model, labels):
    model = model.fit(X, labels)
    extractor, reading = read(model)
    assert extractor.labels_from_scores_
    assert_array_equal(reading.labels, model.predict(X))


class Columnar(Spy):
    """One whose labels stand in a column."""

    def predict(self, rows):
        return super().predict(rows)[:, None]


class Broken(Columnar, Contrary):
    """And are not the largest probability."""


@pytest.mark.parametrize("kind", [Columnar, Broken])
def test_labels_in_a_column_are_flat(kind):
    extractor, reading = read(kind(LOGISTIC))
    assert extractor.labels_from_scores_ is (kind is Columnar)
    assert reading.labels.shape == (300,)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (LOGISTIC, True),
        (SVC().fit(X, BINARY), True),
        (SVC(decision_function_shape="ovo").fit(X, Y), True),  # 3 pairs, 3 classes
        (SVC(decision_function_shape="ovo").fit(X, np.arange(300) % 4), False),
        (ColumnModel(0, threshold=0.0), True),
        (ColumnModel(label=0, classes=X[:, 0].tolist()), False),
    ],
)
def test_scores_are_known_to_be_one_per_class_or_not(model, expected):
    assert read(model, features="input")[0].one_score_per_class_ is expected


# --- frames ---------------------------------------------------------------------------

NAMES = ["amount", "age", "n_days"]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(X, columns=NAMES),
        pd.DataFrame(X, columns=NAMES).convert_dtypes(),
        pl.DataFrame(X, schema=NAMES),
        sp.csr_matrix(X),
        sp.csc_array(X),
        X.tolist(),
        np.asfortranarray(X),
    ],
    ids=["pandas", "nullable", "polars", "sparse", "sparse array", "list", "fortran"],
)
def test_every_container_reads_the_same(frame):
    # fitted without names, so that the model itself takes them all
    class Plain(Spy):
        def predict_proba(self, rows):
            rows = rows.toarray() if sp.issparse(rows) else np.asarray(rows, float)
            return self.model.predict_proba(rows)

        def predict(self, rows):
            return self.model.classes_[self.predict_proba(rows).argmax(axis=1)]

    extractor, reading = read(Plain(LOGISTIC), frame)
    expected = read(LOGISTIC)[1]
    assert_allclose(reading.features, expected.features)
    assert_array_equal(reading.labels, expected.labels)
    named = hasattr(frame, "columns")
    assert extractor.names_[:3] == (NAMES if named else ["x0", "x1", "x2"])


def test_nullable_columns_with_missing_values_read_like_plain_ones():
    holes = X.copy()
    holes[::5, 1] = np.nan
    plain = pd.DataFrame(holes, columns=NAMES)
    model = HistGradientBoostingClassifier(max_iter=5).fit(plain, Y)
    expected = read(model, plain)[1].features
    found = read(model, plain.convert_dtypes())[1].features
    assert_allclose(found, expected)


def test_booleans_are_numbers():
    rows = pd.DataFrame({"a": X[:, 0], "flag": X[:, 1] > 0})
    model = LogisticRegression().fit(rows, Y)
    _, reading = read(model, rows, "input")
    assert_array_equal(reading.features[:, 1], X[:, 1] > 0)


def test_float32_stays_float32():
    assert read(LOGISTIC, X.astype(np.float32))[1].features.dtype == np.float32


# --- missing values -------------------------------------------------------------------


def with_holes():
    rows = X.copy()
    rows[::3, 0] = np.nan
    return rows, HistGradientBoostingClassifier(max_iter=5).fit(rows, Y)


def test_missing_values_become_the_median_and_a_flag():
    rows, model = with_holes()
    extractor, reading = read(model, rows, "input")
    assert extractor.names_ == ["x0", "x1", "x2", "missingindicator_x0"]
    hole = np.isnan(rows[:, 0])
    assert_array_equal(reading.features[:, 3], hole)
    assert_allclose(reading.features[hole, 0], np.nanmedian(rows[:, 0]))
    assert_array_equal(reading.features[:, 1:3], rows[:, 1:])


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_missing_values_are_filled_whatever_transformers_give(container):
    rows, model = with_holes()
    expected = read(model, rows, "input")[1].features
    with sklearn.config_context(transform_output=container):
        extractor = FeatureExtractor(model, "input").fit(rows)
        strange = rows.copy()
        strange[1, 2] = np.inf
        inside = extractor.read(rows).features
        marked = extractor._imputed(strange)
    assert type(inside) is np.ndarray
    assert_array_equal(inside, expected)
    assert_array_equal(extractor.read(rows).features, expected)
    assert np.isnan(marked[1]).all()


def test_medians_come_from_fitting_rows_only():
    rows, model = with_holes()
    extractor = FeatureExtractor(model, "input")
    extractor.fit_read(rows, lambda labels: np.arange(100))
    found = extractor.read(rows).features[0, 0]
    assert_allclose(found, np.nanmedian(rows[:100, 0]))


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_rows_that_are_infinite_later_are_marked_not_refused(value):
    rows, _ = with_holes()
    vendor = ColumnModel(1, threshold=0.0)  # reads its own column and no other
    extractor = FeatureExtractor(vendor, "input").fit(rows)
    strange = rows[:4].copy()
    strange[1, 2] = value
    found = extractor.read(strange).features
    assert not np.isfinite(found[1]).any()
    assert np.isfinite(found[[0, 2, 3]]).all()


def test_infinite_values_in_fitting_rows_are_named():
    with pytest.raises(ValueError, match=r"'log\[0\]'.*infinite"):
        read(LOGISTIC, features=_log)


def _log(rows):
    with np.errstate(all="ignore"):
        return np.log(np.abs(np.asarray(rows)) * [0, 1, 1])


_log.__name__ = "log"


# --- transformers ---------------------------------------------------------------------


class Remembering(TransformerMixin, BaseEstimator):
    """A transformer that keeps what it was fitted on."""

    def fit(self, rows, y=None):
        self.seen_ = np.asarray(rows).copy()
        return self

    def transform(self, rows):
        return np.asarray(rows) - self.seen_.mean(axis=0)


def test_an_unfitted_transformer_is_cloned_and_sees_fitting_rows_only():
    own, rows = Remembering(), np.arange(0, 300, 2)
    extractor = FeatureExtractor(LOGISTIC, own)
    reading = extractor.fit_read(X, lambda labels: rows)
    assert not hasattr(own, "seen_")
    assert_allclose(reading.features, X - X[rows].mean(axis=0))
    assert_allclose(extractor.read(X[:5]).features, reading.features[:5])


def test_a_fitted_transformer_is_used_as_it_is():
    own = Remembering().fit(X[:10])
    assert_allclose(read(LOGISTIC, features=own)[1].features, X - X[:10].mean(axis=0))


def test_transformers_stand_beside_names():
    extractor, reading = read(LOGISTIC, features=["logits", PCA(2), np.sign])
    assert reading.features.shape == (300, 3 + 2 + 3)
    assert len(extractor.names_) == 8


# --- wrong names ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "features", "message"),
    [
        (LOGISTIC, "inputs", "input, logits.*got 'inputs'"),
        (LOGISTIC, 7, "got 7"),
        (LOGISTIC, [], "at least one"),
        (LOGISTIC, ["logits", "leafs"], "got 'leafs'"),
        (LOGISTIC, "leaves", "'leaves': LogisticRegression has no read_layers"),
        (LOGISTIC, ["input", "contributions"], "boosted trees in TreeModel"),
        (LOGISTIC, "layer:avgpool", "LogisticRegression has no read_layers"),
        (LOGISTIC, "step:pca", "'step:pca'.*has no steps"),
        (SCALED, "step:scaler", r"'step:scaler'.*\['standardscaler', 'pca'\]"),
        (SCALED, "step:logisticregression", "no such step before the last one"),
        (LOGISTIC, "hidden:0", "LogisticRegression has 0 hidden layers"),
        (MLPClassifier((4,), max_iter=5000).fit(X, Y), "hidden:1", "0 <= i < 1"),
        (MLPClassifier((4,), max_iter=5000).fit(X, Y), "hidden:last", "'hidden:last'"),
        (
            HistGradientBoostingClassifier(max_iter=2).fit(X, Y),
            "proba",
            "got 'proba'",
        ),
        (LOGISTIC, lambda rows: np.array(["a"] * len(rows)), "table of numbers"),
    ],
)
def test_wrong_names_are_quoted_with_the_right_ones(model, features, message):
    with pytest.raises(ValueError, match=message):
        FeatureExtractor(model, features).fit(X)


def test_text_columns_are_named():
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(MIXED, Y)
    with pytest.raises(ValueError, match=r"\['word'\] are not numeric.*'step:<name>'"):
        FeatureExtractor(model, "input").fit(MIXED)


def test_scores_that_do_not_exist_are_not_promised():
    class Silent(ClassifierMixin, BaseEstimator):
        classes_ = np.array([0, 1])

        def predict(self, rows):
            return np.zeros(len(rows), dtype=int)

    for name in ("logits", "decision"):
        with pytest.raises(ValueError, match=f"'{name}'.*Silent has no such scores"):
            FeatureExtractor(Silent(), name).fit(X)
    extractor, reading = read(Silent())
    assert (extractor.sources_, reading.scores) == (["input"], None)


class WithLayers(LogisticRegression):
    """A model with inner layers, which counts how often it is asked."""

    passes = 0

    def read_layers(self, X, names):
        self.passes += 1
        tables = {name: X ** int(name) for name in names}
        return self.predict_proba(X), tables


def test_layers_and_scores_are_read_in_one_pass():
    model = WithLayers().fit(X, Y)
    features = FeatureExtractor(model, ["layer:2", "layer:3", "logits"]).fit(X)
    model.passes = 0
    reading = features.read(X)
    assert model.passes == 1
    p = X.shape[1]
    assert_array_equal(reading.features[:, : 2 * p], np.hstack([X**2, X**3]))
    assert features.names_[:1] == ["layer:2[0]"]
    plain = FeatureExtractor(model, "logits").fit(X).read(X)
    assert_array_equal(reading.labels, plain.labels)
    assert_allclose(reading.features[:, 2 * p :], plain.features)
