"""Probe rows: of nobody, like everybody, and enough to know a model again."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from rarecorrect import ColumnModel
from rarecorrect.book_file import BookFile
from rarecorrect.files import load, save
from rarecorrect.probe import N_ROWS, Probe
from rarecorrect.verify import verify

from .helpers import fitted, same, through_a_file, with_manifest


class Constant(ClassifierMixin, BaseEstimator):
    """Answers the same to everything."""

    def predict(self, X):
        return np.zeros(X.shape[0], dtype=int)


class Noise(Constant):
    """Answers to no row as before."""

    def predict(self, X):
        self.turn_ = getattr(self, "turn_", 0) + 1
        return np.full(X.shape[0], self.turn_)


class Shaky(Constant):
    """Answers to some rows as before."""

    def predict(self, X):
        self.turn_ = 1 - getattr(self, "turn_", 0)
        return np.where(np.arange(X.shape[0]) % 2, 0, self.turn_)


class Vague(Constant):
    """Gives other scores every time."""

    def predict_proba(self, X):
        return np.random.default_rng().random((X.shape[0], 2))


class Broken(Constant):
    def predict(self, X):
        raise RuntimeError("no answer")


def probe_of(X):
    found = Probe.of(X, Constant())
    assert found is not None
    return found


def column(values):
    """Probe values of one numeric column."""
    return probe_of(np.asarray(values)[:, None]).rows[:, 0]


def test_numbers_are_spread_as_in_their_column():
    values = np.random.default_rng(0).exponential(size=5000)
    found = np.sort(column(values))
    wanted = np.quantile(values, (np.arange(N_ROWS) + 0.5) / N_ROWS)
    np.testing.assert_allclose(found, wanted, rtol=0.2)


def test_columns_are_drawn_by_themselves():
    x = np.arange(5000.0)
    rows = probe_of(np.column_stack([x, x])).rows
    assert abs(np.corrcoef(rows.T)[0, 1]) < 0.5


@pytest.mark.parametrize("n", [10, 11, 64, 100, 641, 3000])
def test_a_rich_customer_is_not_to_be_seen(n):
    values = np.random.default_rng(0).normal(size=n)
    values[3] = 1e9
    values[5] = -1e9
    assert np.abs(column(values)).max() < 10


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400, unique=True),
    st.integers(0, 20),
)
def test_no_number_of_the_column_is_kept_as_it_is(values, n_missing):
    column_ = np.array(values + [np.nan] * n_missing)
    found = column(column_)
    kept = set(found[~np.isnan(found)].tolist()) - {0.0}
    # a mean may be one of them where they are spread evenly, by chance
    assert len(kept & set(values)) <= max(1, len(kept) // 2)
    assert np.isnan(found).any() <= (n_missing >= 10 or len(values) == 0)


def test_flags_stay_flags_and_codes_stay_whole():
    flags = column(np.arange(1000) % 10 == 0)
    assert flags.dtype == bool
    assert 3 <= flags.sum() <= 9
    codes = column(np.arange(1000) % 3)
    assert codes.dtype == np.int64
    assert set(codes.tolist()) == {0, 1, 2}


def test_ten_equal_numbers_give_that_number():
    assert set(column(np.full(50, 0.1)).tolist()) == {0.1}
    mixed = column(np.repeat([0.1, 0.7], [4000, 1000]))
    assert {0.1, 0.7} <= set(mixed.tolist())


def test_rare_values_are_left_out_and_frequent_ones_keep_their_shares():
    country = np.repeat(["FR", "DE", "LI", None], [600, 300, 9, 91])
    found = probe_of(pd.DataFrame({"country": country})).rows["country"]
    shares = found.value_counts(dropna=False).to_dict()
    assert "LI" not in shares
    assert shares["FR"] == pytest.approx(N_ROWS * 600 / 991, abs=1)
    assert found.isna().sum() == pytest.approx(N_ROWS * 91 / 991, abs=1)


def test_a_column_of_names_tells_no_name():
    cards = [f"{i:016}" for i in range(500)]
    found = probe_of(pd.DataFrame({"card": cards, "x": 1.0})).rows
    assert found["card"].isna().all()


FRAMES = {
    "float64": pd.Series(np.arange(200.0)),
    "float32": pd.Series(np.arange(200.0)).astype("float32"),
    "int64": pd.Series(np.arange(200)),
    "int8": pd.Series(np.arange(200) % 100).astype("int8"),
    "Int64": pd.Series([None, 1, 2, 3] * 50, dtype="Int64"),
    "Float64": pd.Series([None, 1.5, 2.5, 3.5] * 50, dtype="Float64"),
    "bool": pd.Series([True, False] * 100),
    "boolean": pd.Series([True, None] * 100, dtype="boolean"),
    "string": pd.Series(["a", None] * 100, dtype="string"),
    "str": pd.Series(["a", "b"] * 100, dtype="str"),
    "object": pd.Series(["a", 3, None, True] * 50, dtype=object),
    "category": pd.Series(["a", "b", None, "b"] * 50, dtype="category"),
    "days": pd.Series(pd.date_range("2020-01-01", periods=200)),
    "zoned": pd.Series(pd.date_range("2020-01-01", periods=200, tz="Europe/Paris")),
    "holes": pd.Series([pd.NaT, pd.Timestamp("2020-01-01")] * 100),
    "all missing": pd.Series([np.nan] * 200),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_columns_of_pandas_keep_their_type(kind):
    frame = pd.DataFrame({"one": FRAMES[kind], 2: 1.0})
    found = probe_of(frame).rows
    assert list(found.columns) == ["one", 2]
    if kind == "category":
        assert isinstance(found["one"].dtype, pd.CategoricalDtype)
    else:
        assert found["one"].dtype == frame["one"].dtype
    assert found["one"].isna().any() == frame["one"].isna().any()


POLARS = {
    "floats": pl.Series([0.5, None] * 100),
    "small": pl.Series([0.5, 2.0] * 100, dtype=pl.Float32),
    "whole": pl.Series([1, None] * 100),
    "truths": pl.Series([True, False] * 100),
    "texts": pl.Series(["a", None] * 100),
    "categories": pl.Series(["a", "b"] * 100, dtype=pl.Categorical),
    "times": pl.Series(pd.date_range("2020-01-01", periods=200).to_list()),
    "dates": pl.Series([d.date() for d in pd.date_range("2020", periods=200)]),
}


@pytest.mark.parametrize("kind", POLARS)
def test_columns_of_polars_keep_their_type(kind):
    class Asking(Constant):
        def predict(self, X):
            assert isinstance(X, pl.DataFrame)
            return np.zeros(len(X))

    frame = pl.DataFrame({"one": POLARS[kind]})
    probe = Probe.of(frame, Asking())
    assert probe is not None
    found = probe.rows["one"]
    assert found.dtype.base_type() is frame["one"].dtype.base_type()
    assert (found.null_count() > 0) == (frame["one"].null_count() > 0)


def test_images_keep_their_shape():
    images = np.random.default_rng(0).integers(0, 255, size=(50, 4, 5, 3), dtype="u1")
    found = probe_of(images).rows
    assert (found.shape, found.dtype) == ((N_ROWS, 4, 5, 3), np.uint8)


@pytest.mark.parametrize("X", [["some", "texts"] * 20, [[b"x"]] * 20])
def test_what_gives_no_rows(X):
    assert Probe.of(X, Constant()) is None


@pytest.mark.parametrize("model", [Noise(), Broken()])
def test_a_model_that_cannot_be_known_again(model):
    assert Probe.of(np.zeros((50, 2)), model) is None


def test_rows_of_which_the_model_is_not_sure_are_not_compared():
    probe = Probe.of(np.zeros((50, 2)), Shaky())
    assert probe.sure.sum() == N_ROWS / 2
    assert probe.difference(Constant()) == ""


def test_scores_that_differ_every_time_are_not_compared():
    probe = Probe.of(np.zeros((50, 2)), Vague())
    assert probe.scores is None
    assert probe.difference(Vague()) == ""


def test_a_model_that_says_the_same_for_other_reasons(outbreak):
    """Where all labels are alike, as with rare frauds, scores tell models apart."""
    X = outbreak.X
    one, two = (LogisticRegression(C=c) for c in (1.0, 1e-3))
    for model in (one, two):
        model.fit(X, np.arange(len(X)) % 50 == 0)
    probe = Probe.of(X, one)
    assert set(probe.labels.tolist()) == {False}
    assert probe.difference(one) == ""
    assert "probe row 0 (0=" in probe.difference(two)
    assert "no scores" in probe.difference(LinearSVCLike())


class LinearSVCLike(Constant):
    def predict(self, X):
        return np.zeros(X.shape[0], dtype=bool)


def test_a_model_that_is_a_little_off_is_the_same(outbreak):
    model = LogisticRegression().fit(outbreak.X, outbreak.y)
    probe = Probe.of(outbreak.X, model)
    model.coef_ = model.coef_ + 1e-7
    assert probe.difference(model) == ""


def test_another_model_is_refused_with_the_first_row(outbreak, tmp_path):
    corrector = fitted(outbreak)
    other = LogisticRegression(C=1e-4).fit(outbreak.X_new, outbreak.y_new % 2)
    path = tmp_path / "corrector.rc"
    save(corrector, path)
    with pytest.raises(
        ValueError, match=r"not the model.*probe row \d+ \(0=.*expected"
    ):
        load(path, estimator=other)
    third = LogisticRegression().fit(outbreak.X, outbreak.y)
    with pytest.raises(ValueError, match=r"labels \[0, 1, 2\], not \[0, 1\]"):
        load(path, estimator=third)
    narrow = LogisticRegression().fit(outbreak.X[:, :2], outbreak.y % 2)
    with pytest.raises(ValueError, match="does not answer"):
        load(path, estimator=narrow)
    svc = LinearSVC().fit(outbreak.X_new, outbreak.y_new % 2)
    with pytest.raises(ValueError, match="probe row"):
        load(path, estimator=svc)


def test_a_model_of_other_steps_is_another_model(outbreak, tmp_path):
    X, y = outbreak.X_new, outbreak.y_new % 2
    steps = make_pipeline(PCA(2), LogisticRegression()).fit(X, y)
    path = tmp_path / "corrector.rc"
    save(fitted(outbreak, model=steps, features="step:pca"), path)
    with pytest.raises(ValueError, match=r"not the model.*probe row"):
        load(path, estimator=outbreak.model)
    with pytest.raises(ValueError, match="estimator must be a classifier"):
        load(path, estimator="model")


def with_threshold(data, limit, *, piped=False):
    """The same model every time, but for where it decides; None: where it is likelier.

    Probe rows do not show by how little two thresholds differ.
    """
    X, y = data.X_new, data.y_new % 2
    model = LogisticRegression().fit(X, y)
    if limit is not None:
        frozen = FrozenEstimator(model)
        model = FixedThresholdClassifier(frozen, threshold=limit).fit(X, y)
    whole = make_pipeline(StandardScaler(with_mean=False, with_std=False), model)
    return FrozenEstimator(whole.fit(X, y)) if piped else model


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize(
    ("old", "new"), [(0.2, 0.2000001), (0.2, None), (None, 0.5000001), (0.5, None)]
)
def test_another_threshold_is_refused(outbreak, tmp_path, piped, old, new):
    path, other = tmp_path / "corrector.rc", with_threshold(outbreak, new, piped=piped)
    corrector = fitted(outbreak, model=with_threshold(outbreak, old, piped=piped))
    save(corrector, path)
    with pytest.raises(
        ValueError, match=f"its threshold is {new}, and that of the fit was {old}: pass"
    ):
        load(path, estimator=other)
    again = load(path, estimator=with_threshold(outbreak, old, piped=piped))
    assert same(corrector.predict(outbreak.X), again.predict(outbreak.X))
    assert BookFile.open(path).threshold == old
    assert not [claim for claim in verify(path.read_bytes()) if claim[0] == "FAIL"]


def test_a_file_from_before_thresholds_were_kept(outbreak, tmp_path):
    """It loads, around a model that probe rows cannot tell from that of the fit."""
    path = tmp_path / "corrector.rc"
    save(fitted(outbreak, model=with_threshold(outbreak, 0.2)), path)

    def older(found):
        del found["model"]["threshold"]

    path.write_bytes(with_manifest(path, older))
    for limit in (0.2, 0.2000001):
        load(path, estimator=with_threshold(outbreak, limit))
    with pytest.raises(ValueError, match="probe row"):
        load(path, estimator=with_threshold(outbreak, 0.9999))
    assert BookFile.open(path).threshold is None


@pytest.mark.parametrize("limit", [np.inf, np.nan])
def test_thresholds_that_json_does_not_know(outbreak, tmp_path, limit):
    model = with_threshold(outbreak, 0.2).set_params(threshold=limit)
    through_a_file(fitted(outbreak, model=model), tmp_path)
    with pytest.raises(ValueError, match=r"that of the fit was (inf|nan)"):
        load(tmp_path / "corrector.rc", estimator=with_threshold(outbreak, 0.2))


def test_a_threshold_that_is_none_is_refused(outbreak, tmp_path):
    path, model = tmp_path / "corrector.rc", with_threshold(outbreak, 0.2)
    save(fitted(outbreak, model=model), path)

    def forge(found):
        found["model"]["threshold"] = "0.2"

    path.write_bytes(with_manifest(path, forge))
    for read in (BookFile.open, lambda path: load(path, estimator=model)):
        with pytest.raises(ValueError, match=r"model\.threshold is no number"):
            read(path)


def test_no_model_is_asked_for_by_name(outbreak, tmp_path):
    path = tmp_path / "corrector.rc"
    save(fitted(outbreak), path)
    with pytest.raises(ValueError, match=r"LogisticRegression.*estimator=model"):
        load(path)


def test_a_model_that_cannot_be_checked_is_warned_of(outbreak, tmp_path):
    corrector = fitted(outbreak)
    corrector.probe_ = None
    with pytest.warns(UserWarning, match="cannot be checked"):
        through_a_file(corrector, tmp_path)


def test_no_row_of_a_customer_is_in_the_file(outbreak, tmp_path):
    corrector = fitted(outbreak)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = through_a_file(corrector, tmp_path)
    rows = {row.tobytes() for row in outbreak.X}
    assert not any(row.tobytes() in rows for row in again.probe_.rows)
    assert same(corrector.probe_, again.probe_)
    assert not np.isin(again.probe_.rows, outbreak.X).any()


def test_vendors(tmp_path):
    frame = pd.DataFrame({"score": np.linspace(0, 1, 300), "x": 0.0})
    probe = Probe.of(frame, ColumnModel("score"))
    assert probe.difference(ColumnModel("score")) == ""
    assert "probe row" in probe.difference(ColumnModel("score", threshold=0.9))
