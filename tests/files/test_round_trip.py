"""A corrector that was saved and loaded is the same to the last bit."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_imblearn_pipeline
from numpy.testing import assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from rarecorrect import ColumnModel, ErrorCorrector, FisherDetector
from rarecorrect.detectors import (
    AutoDetector,
    BoostingDetector,
    CascadeDetector,
    CleanedDetector,
    IntervalDetector,
    LogisticDetector,
    TreesDetector,
    _evidence,
)
from rarecorrect.files import load, save
from rarecorrect.probe import Probe

from .helpers import assert_the_same, fitted, same, text_model, through_a_file

NAMES = ["amount", "age", "n_days", "risk"]
TREE = "sklearn.tree._tree.Tree"

DETECTORS = {
    "Fisher": None,
    "three clusters": FisherDetector(n_clusters=3),
    "nearest": FisherDetector(n_clusters=3, dispatcher="nearest"),
    "sphere": FisherDetector(sphere=True),
    "sphere, clusters": FisherDetector(sphere=True, n_clusters=2, n_components=2),
    "logistic": LogisticDetector(),
    "box": IntervalDetector(),
    "trees": TreesDetector(20),
    "trees, a generator": TreesDetector(5, random_state=np.random.RandomState(3)),
    "cascade": CascadeDetector(),
    "cleaned": CleanedDetector(TreesDetector(5)),
    "boosting, scikit-learn": BoostingDetector(engine="scikit-learn"),
    "auto, a box": AutoDetector(candidates=[("box", IntervalDetector())]),
    "auto, linear": AutoDetector(candidates=[("Fisher", FisherDetector())]),
    "auto, foreign": AutoDetector(candidates=[("Bayes", GaussianNB())]),
    "foreign, linear": LogisticRegression(),
    "foreign": GaussianNB(),
    "pipeline": make_pipeline(StandardScaler(), SVC()),
}


AGAIN = """
import sys
from rarecorrect.files import load, save
source, path = sys.argv[1:]
save(load(source), path, with_background=True)
"""


def test_the_same_bytes_in_every_process(outbreak, tmp_path):
    made, source = fitted(outbreak, detector=FisherDetector(n_clusters=2)), "source.rc"
    options = {"with_estimator": True, "with_background": True}
    save(made, tmp_path / source, **options)
    for seed in "12":
        subprocess.run(
            [sys.executable, "-c", AGAIN, source, f"{seed}.rc"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
        )
    one, other = ((tmp_path / f"{seed}.rc").read_bytes() for seed in "12")
    assert one == other


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector(outbreak, tmp_path, name):
    corrector = fitted(outbreak, detector=DETECTORS[name])
    assert corrector.trace(outbreak.X_new)["changed"].any()
    again = through_a_file(corrector, tmp_path)
    assert again is not corrector
    assert_the_same(corrector, again, outbreak.X_new)
    for rule in corrector.rules_:
        scores = again.rules_[rule.name].score(outbreak.X_new[:, [0, 1, 2, 3, 0]])
        assert same(rule.score(outbreak.X_new[:, [0, 1, 2, 3, 0]]), scores)


@pytest.mark.needs_boosting
@pytest.mark.parametrize(
    "detector",
    ["auto", BoostingDetector(engine="xgboost"), CleanedDetector(BoostingDetector())],
    ids=["auto", "boosting", "cleaned"],
)
def test_boosted_detectors(outbreak, tmp_path, detector):
    corrector = fitted(outbreak, detector=detector)
    assert_the_same(corrector, through_a_file(corrector, tmp_path), outbreak.X_new)


def test_auto_with_the_engine_of_scikit_learn(outbreak, tmp_path):
    candidates = [
        ("boosting", BoostingDetector(10, engine="scikit-learn")),
        ("cleaned", CleanedDetector(TreesDetector(10), 0.01)),
        ("cascade", CascadeDetector(2)),
    ]
    # few errors: no candidate is far behind
    few = np.flatnonzero((outbreak.y != 2) | (np.arange(1200) % 20 == 0))
    corrector = fitted(
        outbreak,
        X=outbreak.X[few],
        y=outbreak.y[few],
        detector=AutoDetector(candidates=candidates),
    )
    members = {m[0] for rule in corrector.rules_ for m in rule.detector.members_}
    assert members == {"boosting", "cleaned", "cascade"}
    assert_the_same(corrector, through_a_file(corrector, tmp_path), outbreak.X_new)


def test_weights_that_an_older_version_gave_are_kept(outbreak, tmp_path, monkeypatch):
    members = [("trees", TreesDetector(10)), ("Bayes", GaussianNB())]
    with monkeypatch.context() as older:
        older.setattr(_evidence, "_PRIOR_FOR_TREES", 1.0)
        old = fitted(outbreak, detector=AutoDetector(candidates=members))
    again = through_a_file(old, tmp_path)
    assert_the_same(old, again, outbreak.X_new)
    new = fitted(outbreak, detector=AutoDetector(candidates=members))
    given = [
        [weight for rule in made.rules_ for *_, weight in rule.detector.members_]
        for made in (old, again, new)
    ]
    assert given[0] == given[1] != given[2]


def test_types_that_the_caller_trusts(outbreak, tmp_path):
    corrector = fitted(outbreak, detector=ExtraTreesClassifier(5))
    again = through_a_file(corrector, tmp_path, trusted=[TREE])
    assert_the_same(corrector, again, outbreak.X_new)
    detector = make_imblearn_pipeline(RandomOverSampler(random_state=0), GaussianNB())
    corrector = fitted(outbreak, detector=detector)
    trusted = [
        "imblearn.over_sampling._random_over_sampler.RandomOverSampler",
        "imblearn.pipeline.Pipeline",
    ]
    again = through_a_file(corrector, tmp_path, trusted=trusted)
    assert_the_same(corrector, again, outbreak.X_new)


OPTIONS = {
    "pairs": {"confusions": [(0, 2), (1, 2)]},
    "labels": {"confusions": (2, 1)},
    "an array": {"confusions": np.array([2, 1])},
    "a set": {"confusions": {2}},
    "flags": {"action": "flag"},
    "per class": {"per": "class", "max_damage": 0.1},
    "a rate": {"alert_budget": 0.05, "max_damage": None},
    "per day": {"alert_budget": "30/day", "max_damage": None},
    "nothing certified": {"max_damage": 1e-6},
    "no ledger": {"ledger": False, "legacy_accuracy": 0.5},
    "hidden errors": {"contamination": 0.01, "time_margin": 0.1},
    "numbers of numpy": {"max_damage": np.float64(0.05), "random_state": np.int64(3)},
    "small numbers of numpy": {"max_damage": np.float32(0.0625)},
    "a generator": {"random_state": np.random.RandomState(5)},
    "one feature": {"features": "logits"},
    "several": {"features": ["input", "decision"]},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option(outbreak, tmp_path, name):
    side = {"case_id": np.arange(1200), "time": np.arange(1200) / 10}
    corrector = fitted(outbreak, side=side, **OPTIONS[name])
    again = through_a_file(corrector, tmp_path)
    assert_the_same(corrector, again, outbreak.X_new)


SEGMENTS = {
    "text": np.array(["web", "shop"]),
    "numbers": np.array([1, 2]),
    "truths": np.array([True, False]),
    "holes": np.array(["web", None], dtype=object),
    "a mix": np.array(["web", 3], dtype=object),
    "numbers with holes": np.array([1.5, np.nan]),
}


@pytest.mark.parametrize("name", SEGMENTS)
def test_segments_keep_their_type(outbreak, tmp_path, name):
    segment = SEGMENTS[name][np.arange(1200) % 2]
    corrector = fitted(
        outbreak, side={"segment": segment}, per="segment", max_damage=0.1
    )
    assert corrector.rules_.certified
    again = through_a_file(corrector, tmp_path)
    assert_the_same(corrector, again, outbreak.X_new, segment=segment)


@pytest.mark.parametrize(
    "case_id",
    [
        np.arange(1200).astype(str),
        np.arange(1200) / 7,
        np.array([None, "a", 3, 2.5, True, np.int8(4)] * 200, dtype=object),
        np.arange(1200).astype("datetime64[s]"),
        pd.date_range("2024-01-01", periods=1200, tz="UTC").to_pydatetime(),
    ],
    ids=["text", "floats", "a mix", "times", "datetimes"],
)
def test_case_ids_keep_their_type(outbreak, tmp_path, case_id):
    corrector = fitted(outbreak, side={"case_id": case_id})
    again = through_a_file(corrector, tmp_path)
    for rule, other in zip(corrector.rules_, again.rules_, strict=True):
        assert rule.case_ids
        assert same(rule.case_ids, other.case_ids)


LABELS = {
    "text": np.array(["no", "yes", "new\x01é\U0001f600"]),
    "truths": np.array([False, True, True]),
    "negative": np.array([-5, 3, 2**40]),
    "small": np.array([0, 1, 2], dtype=np.int8),
    "objects": np.array(["a", "bb", "ccc"], dtype=object),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_keep_their_type(outbreak, tmp_path, name):
    labels = LABELS[name]
    model = LogisticRegression().fit(outbreak.X_new, labels[outbreak.y_new % 2])
    corrector = fitted(outbreak, model=model, y=labels[outbreak.y])
    again = through_a_file(corrector, tmp_path)
    assert_the_same(corrector, again, outbreak.X_new)


def holed(X):
    X = X.copy()
    X[::7, 1] = np.nan
    X[::11, 2] = np.nan
    return X


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_missing_values_are_filled_as_before(outbreak, tmp_path, dtype):
    X, X_new = (holed(a).astype(dtype) for a in (outbreak.X, outbreak.X_new))
    model = make_pipeline(SimpleImputer(), LogisticRegression())
    model.fit(X_new, outbreak.y_new % 2)
    corrector = fitted(outbreak, model=model, X=X)
    again = through_a_file(corrector, tmp_path)
    X_new[5, 0] = np.inf
    X_new[6, 3] = np.nan  # missing where nothing was missing before
    one, two = (c.features_._imputed(X_new_of(c, X_new)) for c in (corrector, again))
    assert same(one, two)
    assert_the_same(corrector, again, X_new[np.arange(len(X_new)) != 5])


def X_new_of(corrector, X):
    return np.hstack([X, np.zeros((len(X), 1), dtype=X.dtype)])


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_frames(outbreak, tmp_path, kind):
    def framed(X):
        return kind(dict(zip(NAMES, X.T, strict=True)))

    model = LogisticRegression().fit(framed(outbreak.X_new), outbreak.y_new % 2)
    corrector = fitted(outbreak, model=model, X=framed(outbreak.X))
    again = through_a_file(corrector, tmp_path)
    assert corrector.probe_.container == again.probe_.container != "numpy"
    assert_the_same(corrector, again, framed(outbreak.X_new))
    assert again.feature_names_in_.tolist() == NAMES


def mixed(X):
    """Columns of all kinds."""
    n = len(X)
    return pd.DataFrame(
        {
            "amount": X[:, 0],
            "age": pd.Series(np.where(np.arange(n) % 5, X[:, 1], np.nan)),
            "country": np.array(["FR", "DE", None], dtype=object)[np.arange(n) % 3],
            "kind": pd.Categorical(np.array(["a", "b"])[(X[:, 2] > 0).astype(int)]),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(n), "h"),
            "card": [f"{i:016}" for i in range(n)],
            "risk": X[:, 3],
            "flag": X[:, 3] > 0,
        }
    )


def test_a_frame_of_columns_of_all_kinds(outbreak, tmp_path):
    encoded = make_column_transformer(
        (SimpleImputer(), ["amount", "age", "risk", "flag"]),
        (OneHotEncoder(handle_unknown="ignore"), ["country", "kind"]),
    )
    model = make_pipeline(encoded, LogisticRegression(max_iter=1000))
    model.fit(mixed(outbreak.X_new), outbreak.y_new % 2)
    corrector = fitted(outbreak, model=model, X=mixed(outbreak.X))
    again = through_a_file(corrector, tmp_path)
    assert corrector.probe_ is not None
    assert_the_same(corrector, again, mixed(outbreak.X_new))


def test_sparse_rows(outbreak, tmp_path):
    X, X_new = (csr_matrix(np.maximum(a, 0)) for a in (outbreak.X, outbreak.X_new))
    model = LogisticRegression().fit(X_new, outbreak.y_new % 2)
    corrector = fitted(outbreak, model=model, X=X)
    assert corrector.probe_.container == "sparse"
    assert_the_same(corrector, through_a_file(corrector, tmp_path), X_new)


def test_a_vendor_column_needs_no_model(outbreak, tmp_path):
    vendor = ColumnModel("risk", threshold=0.0, classes=("ok", "fraud"))
    rows, new = (pd.DataFrame(a, columns=NAMES) for a in (outbreak.X, outbreak.X_new))
    y = np.array(["ok", "fraud", "new"])[outbreak.y]
    corrector = fitted(outbreak, model=vendor, X=rows, y=y, features=PCA(3))
    path = tmp_path / "corrector.rc"
    save(corrector, path)
    again = load(path)
    assert_the_same(corrector, again, new)
    assert same(again.estimator_.get_params(), vendor.get_params())


def square(X):
    return np.asarray(X)[:, :2] ** 2


def test_callables_and_transformers(outbreak, tmp_path):
    corrector = fitted(outbreak, features=[square, PCA(2), "logits"])
    again = through_a_file(corrector, tmp_path, trusted=[square])
    assert_the_same(corrector, again, outbreak.X_new)
    assert again.features[0] is square


def test_hidden_layers(outbreak, tmp_path):
    model = MLPClassifier((5,), max_iter=2000, random_state=0)
    model.fit(outbreak.X_new, outbreak.y_new % 2)
    corrector = fitted(outbreak, model=model)
    assert corrector.features_.sources_[0] == "hidden:-1"
    assert_the_same(corrector, through_a_file(corrector, tmp_path), outbreak.X_new)


def test_a_model_that_the_corrector_fitted(outbreak, tmp_path):
    corrector = fitted(outbreak, model=make_pipeline(PCA(3), LogisticRegression()))
    path = tmp_path / "corrector.rc"
    save(corrector, path, with_estimator=True)
    again = load(path)
    assert again.estimator is again.estimator_
    assert_the_same(corrector, again, outbreak.X_new)
    assert clone(again).estimator is again.estimator_


def test_a_forest_in_the_file(outbreak, tmp_path):
    forest = RandomForestClassifier(5, random_state=0)
    forest.fit(outbreak.X_new, outbreak.y_new % 2)
    corrector = fitted(outbreak, model=forest)
    again = through_a_file(corrector, tmp_path, with_estimator=True, trusted=[TREE])
    assert_the_same(corrector, again, outbreak.X_new)
    # whoever has the model need not trust the one in the file
    again = load(tmp_path / "corrector.rc", estimator=forest)
    assert again.estimator_ is forest


def edited(corrector, data):
    """A book of many versions: verbs, certificates on other rows, undone ones."""
    half = slice(600, 1200)
    corrector.certify(data.X_new[half], data.y_new[half])
    book = corrector.rules_.with_state("to 0", "shadow").remove("to 1")
    corrector = corrector.with_rules(book.disable_all().undo().disable_all())
    corrector = corrector.with_rules(corrector.rules_.with_state("to 2", "active"))
    corrector.certify(data.X_new[:600], data.y_new[:600])
    return corrector


@pytest.mark.parametrize("per", [None, "class"])
def test_history_and_ledger(outbreak, tmp_path, per):
    corrector = edited(fitted(outbreak, per=per, max_damage=0.1), outbreak)
    assert len(corrector.rules_.history) > 5
    again = through_a_file(corrector, tmp_path)
    assert_the_same(corrector, again, outbreak.X_new)
    for one in (corrector, again):  # what is spent stays spent
        one.certify(outbreak.X_new[:600], outbreak.y_new[:600])
    assert_the_same(corrector, again, outbreak.X_new)


def test_versions_share_what_they_shared(outbreak, tmp_path):
    corrector = fitted(outbreak)
    for _ in range(50):
        book = corrector.rules_.with_state("to 2", "shadow")
        corrector = corrector.with_rules(book.with_state("to 2", "active"))
    save(fitted(outbreak), tmp_path / "one")
    again = through_a_file(corrector, tmp_path)
    size = (tmp_path / "corrector.rc").stat().st_size
    assert size < 2 * (tmp_path / "one").stat().st_size
    assert len(again.rules_.earlier) == 100
    objects = {id(rule) for book in again.rules_.earlier for rule in book}
    assert len(objects) == 4


@pytest.mark.parametrize("detector", [None, CascadeDetector()])
def test_a_background_lets_a_loaded_corrector_learn(outbreak, tmp_path, detector):
    options = {"confusions": [0, 1], "max_damage": 0.1}
    corrector = fitted(outbreak, detector=detector, **options)
    wrong = np.flatnonzero(outbreak.y_new == 2)[:5]
    errors = outbreak.X_new[wrong], outbreak.y_new[wrong]
    again = through_a_file(corrector, tmp_path, with_background=True)
    # twice: what was learnt goes through a file as well
    again = through_a_file(again.add(*errors), tmp_path, with_background=True)
    one, two = corrector.add(*errors).add(*errors), again.add(*errors)
    assert one.rules_.certified
    assert 2 in one.predict(outbreak.X_new)
    assert one.rules_.threshold() == two.rules_.threshold()
    assert one.rules_.identities == two.rules_.identities
    assert one.rules_.certificate_name == two.rules_.certificate_name
    assert_array_equal(one.predict(outbreak.X_new), two.predict(outbreak.X_new))


def test_without_it_a_file_holds_no_row_and_says_so(outbreak, tmp_path):
    corrector = fitted(outbreak, confusions=[0, 1], max_damage=0.1)
    again = through_a_file(corrector, tmp_path)
    assert_the_same(corrector, again, outbreak.X_new)
    with pytest.raises(ValueError, match="saved with_background"):
        again.add(outbreak.X_new[:1], [2])


def test_people_and_dates(outbreak, tmp_path):
    corrector = fitted(outbreak)
    book = corrector.rules_.with_state("to 2", "draft", author="ann")
    book = book.approve("to 2", by="bob").with_expiry("to 1", "2020-01-31")
    again = through_a_file(corrector.with_rules(book), tmp_path)
    assert_the_same(corrector.with_rules(book), again, outbreak.X_new)
    assert again.rules_["to 2"].approver == "bob"
    assert [rule.name for rule in again.rules_.active] == ["to 0", "to 2"]


def test_a_rule_made_by_hand_in_a_loaded_book(outbreak, tmp_path):
    corrector = fitted(outbreak)
    again = through_a_file(corrector, tmp_path)
    old = again.rules_["to 2"]
    detector = old.detector.partial_fit(np.zeros((3, 5)), [0, 0, 0])
    assert detector.moments_[0].weight == (
        corrector.rules_["to 2"].detector.moments_[0].weight + 3
    )


def test_the_same_corrector_gives_the_same_bytes(outbreak, tmp_path):
    corrector = fitted(outbreak, detector=TreesDetector(3), confusions={2, 1})
    for name in ("one", "two"):
        save(corrector, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    save(load(tmp_path / "one", estimator=outbreak.model), tmp_path / "three")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "three").read_bytes()


def test_text_labels_and_another_process(outbreak, tmp_path):
    names = np.array(["no", "yes", "new"])
    model = text_model(outbreak)
    corrector = fitted(outbreak, model=model, y=names[outbreak.y])
    twin = text_model(outbreak)  # the same model, fitted elsewhere
    again = through_a_file(corrector, tmp_path, model=twin)
    assert again.estimator_ is twin
    assert_array_equal(corrector.predict(outbreak.X_new), again.predict(outbreak.X_new))


def test_wishes_of_metadata_routing(outbreak, tmp_path):
    from sklearn import config_context

    with config_context(enable_metadata_routing=True):
        wanting = ErrorCorrector(outbreak.model, max_damage=0.05, random_state=0)
        wanting.set_fit_request(groups=True, case_id="id")
        wanting.fit(outbreak.X, outbreak.y)
    wanting.probe_ = Probe.of(outbreak.X, outbreak.model)
    again = through_a_file(wanting, tmp_path)
    found = again.get_metadata_routing().fit.requests
    assert (found["groups"], found["case_id"]) == (True, "id")


def test_books_pass_between_a_corrector_and_its_file(outbreak, tmp_path):
    """Around the same model, certificates stay in force; around another, not."""
    corrector = fitted(outbreak)
    again = through_a_file(corrector, tmp_path)
    for one, other in ((corrector, again), (again, corrector)):
        assert one.with_rules(
            other.rules_.with_state("to 2", "shadow")
        ).rules_.certified
    other_model = LogisticRegression(C=0.1).fit(outbreak.X_new, outbreak.y_new % 2)
    stranger = fitted(outbreak, model=other_model)
    assert not stranger.with_rules(again.rules_).rules_.certified
