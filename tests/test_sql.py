"""SQL says of every row what `predict` says of it; in DuckDB, on frames."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression

from rarecorrect import ErrorCorrector
from rarecorrect.detectors import IntervalDetector, LogisticDetector, TreesDetector
from rarecorrect.export import to_sql

COLUMNS = ["amount", "hour of day", 'the "risk"', "select"]


def draw(n, seed, new=("card", "loan")):
    """Labels by one column; two new ones, told by others."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 4)), columns=COLUMNS)
    y = np.where(X["amount"] > 0, "it's late", "ok").astype(object)
    for i, label in enumerate(new):
        chosen = rng.random(n) < 0.04
        X.loc[chosen, COLUMNS[2 + i]] += 6
        X.loc[chosen, COLUMNS[1]] -= 2 * i
        y[chosen] = label
    return X, y


@pytest.fixture(scope="module")
def model():
    return LogisticRegression().fit(*draw(1000, 0, new=()))


def fitted(model, n=4000, **options):
    options = {"features": "input", "max_damage": 0.05, "random_state": 0} | options
    side = options.pop("side", {})
    return ErrorCorrector(model, **options).fit(*draw(n, 1), **side)


def asked(corrector, X, *, legacy=None, **columns):
    """What DuckDB answers, in the order of the rows."""
    cases = X.assign(place=np.arange(len(X)), **columns)
    cases["legacy label"] = (
        corrector.estimator_.predict(X) if legacy is None else legacy
    )
    segment = "segment" if "segment" in columns else None
    sql = to_sql(corrector, table="cases", label="legacy label", segment=segment)
    with duckdb.connect() as base:
        base.register("cases", cases)
        return base.sql(sql).df().sort_values("place").reset_index(drop=True)


def same_as_predict(corrector, X, **columns):
    found = asked(corrector, X, **columns)
    assert_array_equal(found["corrected_label"], corrector.predict(X, **columns))
    trace = corrector.trace(X, **columns)
    done = (trace["changed"] | trace["flagged"]).to_numpy()
    rules = np.where(done, trace["rule"], None)
    assert_array_equal(
        found["rule"].astype(object).where(found["rule"].notna(), None), rules
    )
    assert_array_equal(found["flagged"], trace["flagged"])
    assert done.sum() > 20
    return found


@pytest.mark.parametrize(
    "detector", [None, LogisticDetector()], ids=["Fisher", "logistic"]
)
def test_rules_that_compete(model, detector):
    corrector = fitted(model, detector=detector)
    assert len(corrector.rules_.active) > 2
    found = same_as_predict(corrector, draw(4000, 2)[0])
    assert {"card", "loan"} <= set(found["corrected_label"])


def test_a_threshold_below_the_tail_of_a_scale(model):
    # so large a budget reaches down to where the scale has many knots
    same_as_predict(fitted(model, max_damage=0.4), draw(4000, 2)[0])


def test_every_class_has_its_threshold(model):
    same_as_predict(fitted(model, per="class"), draw(4000, 2)[0])


def test_every_segment_has_its_threshold(model):
    side = {"segment": np.array(["web", "shop"])[np.arange(4000) % 2]}
    corrector = fitted(model, per="segment", side=side)
    same_as_predict(corrector, draw(4000, 2)[0], **side)
    with pytest.raises(ValueError, match="name the column of the segment"):
        to_sql(corrector, table="cases", label="said")


def test_flags_keep_the_label(model):
    found = same_as_predict(fitted(model, action="flag"), draw(4000, 2)[0])
    assert found["flagged"].any()


def test_a_box_is_a_few_conditions(model):
    detector = IntervalDetector(random_state=0)
    corrector = fitted(model, detector=detector, confusions=["card"])
    same_as_predict(corrector, draw(4000, 2)[0])
    assert '"the ""risk""" > ' in to_sql(corrector, table="cases", label="said")


def test_boxes_for_different_labels_are_refused(model):
    corrector = fitted(model, detector=IntervalDetector(random_state=0))
    with pytest.raises(ValueError, match="is a box beside rules to other labels"):
        to_sql(corrector, table="cases", label="said")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, None])
def test_a_row_that_cannot_be_scored_keeps_its_label(model, bad):
    corrector = fitted(model)
    X = draw(300, 3)[0]
    legacy = corrector.estimator_.predict(X)
    changed = np.flatnonzero(corrector.predict(X) != legacy)[0]
    # in a column that hardly counts
    X = X.astype(object if bad is None else float)
    X.loc[changed, "amount"] = bad
    found = asked(corrector, X.infer_objects(), legacy=legacy)
    assert found["corrected_label"][changed] == legacy[changed]
    assert (found["corrected_label"] != legacy).any()


def test_a_row_without_a_label_has_none_afterwards(model):
    corrector = fitted(model)
    X = draw(300, 3)[0]
    legacy = corrector.estimator_.predict(X).astype(object)
    legacy[:] = None
    assert asked(corrector, X, legacy=legacy)["corrected_label"].isna().all()


def test_an_uncertified_book_changes_nothing(model):
    corrector = fitted(model)
    off = corrector.with_rules(corrector.rules_.disable_all())
    X = draw(300, 3)[0]
    found = asked(off, X)
    assert_array_equal(found["corrected_label"], corrector.estimator_.predict(X))
    assert found["rule"].isna().all()


def test_nothing_is_written_while_all_is_switched_off(model, monkeypatch):
    corrector = fitted(model)
    monkeypatch.setenv("RARECORRECT_DISABLE", "1")
    with pytest.raises(ValueError, match="RARECORRECT_DISABLE is set"):
        to_sql(corrector, table="cases", label="legacy label")


def test_the_amount_in_the_scores_is_named(model):
    corrector = fitted(model, value="amount").set_params(value=None)
    with pytest.raises(ValueError, match="value='amount' is in every score"):
        to_sql(corrector, table="cases", label="legacy label")


def test_features_that_are_no_columns_need_an_expression(model):
    corrector = fitted(model, features="logits")
    with pytest.raises(ValueError, match="1 features are no columns of the table"):
        to_sql(corrector, table="cases", label="said")
    (name,) = corrector.features_.names_
    text = to_sql(
        corrector, table="cases", label="said", columns={name: "ln(p / (1 - p))"}
    )
    assert "(ln(p / (1 - p)))" in text
    with pytest.raises(ValueError, match="columns names 'odds', which no rule reads"):
        to_sql(corrector, table="cases", label="said", columns={"odds": "1"})


def test_trees_cannot_be_written(model):
    corrector = fitted(model, detector=TreesDetector(3))
    with pytest.raises(ValueError, match="is a TreesDetector: only linear rules and"):
        to_sql(corrector, table="cases", label="said")


def test_names_cannot_end_a_comment_or_a_string(model):
    X, y = draw(4000, 1, new=("x'; DROP TABLE cases; --\n",))
    corrector = ErrorCorrector(
        model, features="input", max_damage=0.05, random_state=0
    ).fit(X, y)
    same_as_predict(corrector, X)
