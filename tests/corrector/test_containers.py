"""Rows in every container, models of every kind, missing values, vendor columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from rarecorrect import ColumnModel, ErrorCorrector

from .helpers import NAMES, fitted


def containers(rows):
    yield pd.DataFrame(rows, columns=NAMES)
    yield pd.DataFrame(rows, columns=NAMES).convert_dtypes()
    yield pl.DataFrame(rows, schema=NAMES)


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_every_kind_of_frame_gives_the_same_answer(outbreak, corrected):
    expected = corrected.predict(outbreak.X_new)
    for old, new in zip(
        containers(outbreak.X), containers(outbreak.X_new), strict=True
    ):
        corrector = ErrorCorrector(outbreak.model, max_damage=0.05, random_state=0)
        corrector.fit(old, outbreak.y)
        assert corrector.feature_names_in_.tolist() == NAMES
        assert_array_equal(corrector.predict(new), expected)
        assert_array_equal(corrector.trace(new)["after"], expected)


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_array])
def test_sparse_rows_give_the_same_answer(outbreak, corrected, form):
    corrector = ErrorCorrector(outbreak.model, max_damage=0.05, random_state=0)
    found = corrector.fit(form(outbreak.X), outbreak.y).predict(form(outbreak.X_new))
    assert_array_equal(found, corrected.predict(outbreak.X_new))


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), SVC()),
        MLPClassifier((8,), max_iter=2000, tol=1e-2, random_state=0),
        HistGradientBoostingClassifier(max_iter=10),
    ],
    ids=lambda m: type(m).__name__,
)
def test_models_of_many_kinds(outbreak, model):
    old = outbreak.y_new != 2
    model = clone(model).fit(outbreak.X_new[old], outbreak.y_new[old])
    corrector = fitted(outbreak, model=model)
    better = corrector.score(outbreak.X_new, outbreak.y_new)
    assert better > model.score(outbreak.X_new, outbreak.y_new) + 0.1


def test_missing_values_go_where_the_legacy_model_takes_them(outbreak):
    rows, new = outbreak.X.copy(), outbreak.X_new.copy()
    rows[::4, 0], new[::4, 0] = np.nan, np.nan
    old = outbreak.y_new != 2
    model = HistGradientBoostingClassifier(max_iter=10).fit(
        new[old], outbreak.y_new[old]
    )
    corrector = ErrorCorrector(model, max_damage=0.05, random_state=0)
    corrector.fit(rows, outbreak.y)
    better = corrector.score(new, outbreak.y_new)
    assert better > model.score(new, outbreak.y_new) + 0.1


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_row_that_cannot_be_scored_keeps_the_legacy_answer(outbreak, value):
    frame = pd.DataFrame(outbreak.X, columns=NAMES)
    frame["vendor"] = outbreak.model.predict_proba(outbreak.X)[:, 1]
    corrector = ErrorCorrector(
        ColumnModel("vendor"), features="input", max_damage=0.05, random_state=0
    ).fit(frame, outbreak.y)
    changed = corrector.trace(frame)["changed"].to_numpy()
    strange = frame.copy()
    strange.loc[::2, "age"] = value
    found = corrector.trace(strange)
    assert not found.loc[::2, "changed"].any()
    assert (found.loc[::2, "score"] == -np.inf).all()
    assert_array_equal(found["changed"][1::2], changed[1::2])
    assert changed[::2].any()


def test_a_vendor_column_is_a_legacy_model(outbreak, corrected):
    frame = pd.DataFrame(outbreak.X, columns=NAMES)
    frame["vendor"] = outbreak.model.predict_proba(outbreak.X)[:, 1]
    vendor = ColumnModel("vendor", classes=(0, 1), score_range=(0, 1))
    corrector = ErrorCorrector(vendor, max_damage=0.05, random_state=0)
    corrector.fit(frame, outbreak.y)
    assert corrector.estimator_ is vendor
    assert_array_equal(
        corrector.trace(frame)["before"], outbreak.model.predict(outbreak.X)
    )
    assert corrector.score(frame, outbreak.y) > 0.7


def test_case_ids_stay_with_the_rule(outbreak):
    ids = np.array([f"case-{i}" for i in range(1200)])
    corrector = fitted(outbreak, side={"case_id": ids})
    errors = outbreak.model.predict(outbreak.X) != outbreak.y
    kept = corrector.rules_["to 2"].case_ids
    assert kept == tuple(ids[errors & (outbreak.y == 2)].tolist())
