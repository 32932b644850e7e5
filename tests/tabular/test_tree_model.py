"""TreeModel: native boosters and their classes as legacy models, with their insides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from rarecorrect import ErrorCorrector, load, save
from rarecorrect_tabular.leaf_hashing import hashed_leaves
from rarecorrect_tabular.tree_model import TreeModel

LAYERS = ["margin", "contributions", "leaves"]
COLUMNS = ["amount", "hour of day", "channel"]
TRUSTED = [
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    TreeModel,
]


@pytest.fixture(scope="module")
def payments() -> pd.DataFrame:
    """Numbers with holes, categories, and an id that no model has seen."""
    rng = np.random.default_rng(0)
    n = 3000
    channel = rng.choice(["chip", "web", "phone"], n)
    amount = rng.gamma(2, 30, n)
    frame = pd.DataFrame(
        {
            "id": [f"t{i}" for i in range(n)],
            "channel": pd.Categorical(channel),
            "hour of day": rng.integers(0, 24, n).astype(float),
            "amount": amount,
        }
    )
    frame["fraud"] = (
        (amount > 90) & (channel != "chip") | (rng.random(n) < 0.02)
    ).astype(int)
    # unknown to every model: what a corrector has to learn
    frame["new"] = ((amount < 8) & (channel == "web")).astype(int)
    frame.loc[rng.random(n) < 0.1, "amount"] = np.nan
    return frame


def xgboost_booster(X: Any, y: Any, **settings: Any) -> Any:
    xgboost = pytest.importorskip("xgboost")
    chosen = {"objective": "binary:logistic", "nthread": 1} | settings
    return xgboost.train(chosen, xgboost.DMatrix(X, y, enable_categorical=True), 15)


def lightgbm_booster(X: Any, y: Any, **settings: Any) -> Any:
    lightgbm = pytest.importorskip("lightgbm")
    chosen = {"objective": "binary", "num_threads": 1, "verbose": -1} | settings
    return lightgbm.train(chosen, lightgbm.Dataset(X, y), 15)


def xgboost_class(X: Any, y: Any) -> Any:
    xgboost = pytest.importorskip("xgboost")
    return xgboost.XGBClassifier(
        n_estimators=15, n_jobs=1, enable_categorical=True
    ).fit(X, y)


def lightgbm_class(X: Any, y: Any) -> Any:
    lightgbm = pytest.importorskip("lightgbm")
    return lightgbm.LGBMClassifier(n_estimators=15, n_jobs=1, verbose=-1).fit(X, y)


NATIVE = [xgboost_booster, lightgbm_booster]
ALL = [*NATIVE, xgboost_class, lightgbm_class]
boosting = pytest.mark.needs_boosting


def native_probability(booster: Any, X: pd.DataFrame) -> np.ndarray:
    if type(booster).__module__.startswith("lightgbm"):
        return booster.predict(X)
    import xgboost

    return booster.predict(xgboost.DMatrix(X, enable_categorical=True))


@boosting
@pytest.mark.parametrize("train", NATIVE)
def test_a_booster_answers_as_in_service(payments, train):
    booster = train(payments[COLUMNS], payments["fraud"])
    share = native_probability(booster, payments[COLUMNS])
    model = TreeModel(booster)
    assert_array_equal(model.predict_proba(payments)[:, 1], share)
    assert_array_equal(model.predict(payments), (share > 0.5).astype(int))
    limit = float(np.sort(share)[-100])
    strict = TreeModel(booster, classes=("ok", "fraud"), threshold=limit)
    assert_array_equal(strict.predict(payments) == "fraud", share >= limit)
    assert clone(strict) is strict


@boosting
@pytest.mark.parametrize("train", [xgboost_class, lightgbm_class])
def test_a_class_answers_as_it_is(payments, train):
    fitted = train(payments[COLUMNS], payments["fraud"])
    model = TreeModel(FrozenEstimator(fitted))
    assert_array_equal(model.predict(payments), fitted.predict(payments[COLUMNS]))
    assert_array_equal(
        model.predict_proba(payments),
        fitted.predict_proba(payments[COLUMNS]).astype(float),
    )
    assert list(model.feature_names_in_) == list(fitted.feature_names_in_)


@boosting
@pytest.mark.parametrize("train", ALL)
def test_contributions_add_up_to_the_margin_by_name(payments, train):
    model = TreeModel(train(payments[COLUMNS], payments["fraud"]))
    shares, tables = model.read_layers(payments, LAYERS)
    assert_array_equal(shares, model.predict_proba(payments))
    margin = tables["margin"]["margin"]
    assert_allclose(1 / (1 + np.exp(-margin)), shares[:, 1], atol=1e-6)
    added = tables["contributions"]
    names = [name.replace("_", " ") for name in added]  # LightGBM has no blanks
    assert names == [f"contribution of {name}" for name in COLUMNS]
    rest = margin - added.sum(axis=1)
    assert_allclose(rest, rest[0], atol=1e-4)
    assert added.std().min() > 0.01
    assert tables["leaves"].shape == (len(payments), 64)


@boosting
def test_a_steep_sigmoid_is_in_the_margin(payments):
    booster = lightgbm_booster(payments[COLUMNS], payments["fraud"], sigmoid=3.0)
    shares, tables = TreeModel(booster).read_layers(payments, ["margin"])
    odds = np.log(shares[:, 1] / shares[:, 0])
    assert_allclose(tables["margin"]["margin"], odds, atol=1e-6)


@boosting
@pytest.mark.parametrize(
    ("train", "objective"),
    [
        (xgboost_booster, "multi:softmax"),
        (xgboost_booster, "multi:softprob"),
        (lightgbm_booster, "multiclass"),
    ],
)
def test_three_classes(payments, train, objective):
    y = payments["fraud"] + 2 * payments["new"] * (1 - payments["fraud"])
    booster = train(payments[COLUMNS], y, objective=objective, num_class=3)
    model = TreeModel(booster, classes=("ok", "old", "new"))
    shares, tables = model.read_layers(payments, LAYERS)
    assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert list(tables["margin"]) == ["margin to ok", "margin to old", "margin to new"]
    added = tables["contributions"]
    assert added.shape[1] == 9 and list(added)[3].endswith("amount to old")
    for j, label in enumerate(model.classes_):
        rest = tables["margin"][f"margin to {label}"] - added.iloc[
            :, 3 * j : 3 * j + 3
        ].sum(axis=1)
        assert_allclose(rest, rest[0], atol=1e-4)
    assert (model.predict(payments) == np.array(["ok", "old", "new"])[y]).mean() > 0.9


@boosting
@pytest.mark.parametrize("train", ALL)
def test_columns_are_found_by_name(payments, train):
    model = TreeModel(train(payments[COLUMNS], payments["fraud"]))
    answers = model.predict_proba(payments)
    turned = payments[payments.columns[::-1]]
    assert_array_equal(model.predict_proba(turned), answers)
    shuffled = payments.assign(
        channel=payments["channel"].cat.reorder_categories(["web", "phone", "chip"])
    )
    assert_array_equal(model.predict_proba(shuffled), answers)


@boosting
@pytest.mark.parametrize("train", ALL)
def test_polars_frames(payments, train):
    numbers = payments[["hour of day", "amount"]]
    model = TreeModel(train(numbers, payments["fraud"]))
    polars = pl.DataFrame({name: payments[name].to_numpy() for name in numbers})
    assert_array_equal(model.predict_proba(polars), model.predict_proba(numbers))


@boosting
@pytest.mark.parametrize("train", ALL)
def test_what_does_not_fit_is_named(payments, train):
    model = TreeModel(train(payments[COLUMNS], payments["fraud"]))
    with pytest.raises(ValueError, match=r"no column 'amount'; did you mean 'amounts'"):
        model.predict(payments.rename(columns={"amount": "amounts"}))
    with pytest.raises(ValueError, match=r"'channel' holds values of String"):
        model.predict(payments.assign(channel=payments["channel"].astype(str)))
    with pytest.raises(ValueError, match=r"X has 2 columns, and .* trained on 3"):
        model.predict(np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"no layer 'leafs': .* has margin, contrib"):
        model.read_layers(payments, ["leafs"])
    with pytest.raises(ValueError, match=r"classes must name the 2 classes"):
        TreeModel(model.model, classes=("ok",)).predict(payments)


@boosting
def test_a_category_that_xgboost_does_not_know_is_one_line(payments):
    model = TreeModel(xgboost_booster(payments[COLUMNS], payments["fraud"]))
    strange = payments.assign(channel=pd.Categorical(["zip"] * len(payments)))
    with pytest.raises(ValueError, match=r"XGBoost cannot read these rows: .*`zip`$"):
        model.predict(strange)


@boosting
@pytest.mark.parametrize(
    ("train", "objective"),
    [(xgboost_booster, "reg:squarederror"), (lightgbm_booster, "regression")],
)
def test_a_booster_that_is_no_classifier_is_refused(payments, train, objective):
    booster = train(payments[COLUMNS], payments["fraud"], objective=objective)
    with pytest.raises(ValueError, match=f"objective '{objective}'.*ColumnModel"):
        TreeModel(booster).predict(payments)


@boosting
def test_early_stopping_counts_in_every_layer(payments):
    from xgboost import XGBClassifier

    X = payments[["hour of day", "amount"]]
    fitted = XGBClassifier(n_estimators=200, n_jobs=1, early_stopping_rounds=3)
    fitted.fit(
        X[:2000],
        payments["fraud"][:2000],
        verbose=False,
        eval_set=[(X[2000:], payments["fraud"][2000:])],
    )
    assert fitted.best_iteration + 1 < fitted.get_booster().num_boosted_rounds()
    shares, tables = TreeModel(fitted).read_layers(X, ["margin"])
    expected = 1 / (1 + np.exp(-tables["margin"]["margin"]))
    assert_allclose(expected, shares[:, 1], atol=1e-6)


def test_a_forest_has_leaves_only():
    X = np.random.default_rng(0).normal(size=(200, 3))
    y = np.where(X[:, 0] > 0, "yes", "no")
    model = TreeModel(RandomForestClassifier(10, random_state=0).fit(X, y))
    assert_array_equal(model.predict(X), model.model.predict(X))
    assert model.read_layers(X, ["leaves"])[1]["leaves"].shape == (200, 64)
    with pytest.raises(ValueError, match=r"RandomForestClassifier has leaves"):
        model.read_layers(X, ["margin"])


@pytest.mark.parametrize(
    "fitted", [LogisticRegression(), RandomForestRegressor(2, random_state=0)]
)
def test_a_model_without_trees_or_classes_is_refused(fitted):
    fitted.fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(ValueError, match=f"{type(fitted).__name__} has no trees"):
        TreeModel(fitted).predict([[0.0]])


@boosting
def test_a_pipeline_that_ends_in_trees(payments):
    from xgboost import XGBClassifier

    encode = make_column_transformer(
        (OrdinalEncoder(), ["channel"]),
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    pipeline = make_pipeline(encode, XGBClassifier(n_estimators=15, n_jobs=1))
    pipeline.fit(payments[COLUMNS], payments["fraud"])
    model = TreeModel(pipeline)
    rows = payments[COLUMNS]
    assert_array_equal(model.predict(rows), pipeline.predict(rows))
    _, tables = model.read_layers(rows, ["contributions"])
    assert list(tables["contributions"]) == [
        "contribution of channel",
        "contribution of amount",
        "contribution of hour of day",
    ]
    corrector = ErrorCorrector(model, features=["contributions"], random_state=0).fit(
        rows, payments["fraud"] | payments["new"]
    )
    assert corrector.estimator_ is model


@boosting
@pytest.mark.parametrize("train", ALL)
@pytest.mark.parametrize("inside", [False, True])
def test_a_corrector_on_layers_explains_and_comes_back(
    payments, train, inside, tmp_path
):
    model = TreeModel(train(payments[COLUMNS], payments["fraud"]))
    features = list(LAYERS)
    corrector = ErrorCorrector(
        model, features=features, max_damage=0.05, ledger=False, random_state=0
    ).fit(payments, payments["fraud"] | payments["new"])
    answers = corrector.predict(payments)
    assert (answers != model.predict(payments)).sum() > 10
    assert corrector.features_.labels_from_scores_
    assert "contribution of amount" in str(corrector.explain(payments))
    path = tmp_path / "fix.rarecorrect"
    save(corrector, path, with_estimator=inside)
    again = load(
        path, estimator=None if inside else model, trusted=TRUSTED if inside else ()
    )
    assert_array_equal(again.predict(payments), answers)
    assert_array_equal(
        again.trace(payments)["score"], corrector.trace(payments)["score"]
    )


def test_shared_leaves_are_what_products_count():
    rng = np.random.default_rng(0)
    leaves = rng.integers(0, 30, size=(60, 300))
    wide = hashed_leaves(leaves, 4096).astype(float)
    shared = (leaves[:, None] == leaves[None]).sum(axis=2)
    # every pair of leaves collides with probability 1 in 4096, as often + as -
    assert np.abs(wide @ wide.T - shared).max() < 40
    assert np.abs(np.mean(wide @ wide.T - shared)) < 1


def test_hashes_are_the_same_for_ever_and_in_any_batch(monkeypatch):
    leaves = np.arange(12).reshape(4, 3)
    whole = hashed_leaves(leaves, 4)
    assert_array_equal(whole, KNOWN)
    monkeypatch.setattr("rarecorrect_tabular.leaf_hashing._ROWS", 3)
    assert_array_equal(hashed_leaves(leaves, 4), whole)


KNOWN = [
    [-1.0, 1.0, -1.0, 0.0],
    [0.0, -2.0, 1.0, 0.0],
    [0.0, 0.0, 0.0, 1.0],
    [2.0, 0.0, -1.0, 0.0],
]
