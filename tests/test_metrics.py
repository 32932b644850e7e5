"""Metrics: every quantity against its formula, the curve against brute force."""

from __future__ import annotations

import json
import math
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binomtest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rarecorrect import ErrorCorrector, NotCertifiedWarning
from rarecorrect.metrics import (
    as_labels,
    clopper_pearson,
    correction_report,
    correction_scorer,
    gain_at_retention,
    gain_retention_curve,
)

FLAGGED = -1

quick = settings(max_examples=50, deadline=None)


@st.composite
def corrections(draw, min_size=0):
    """Labels 0..3 for y, before, after and a mask, of one length."""
    n = draw(st.integers(min_size, 30))
    column = st.lists(st.integers(0, 3), min_size=n, max_size=n)
    y, before, after = (np.array(draw(column), dtype=int) for _ in range(3))
    mask = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return y, before, after, np.array(mask, dtype=bool)


def share(part, whole):
    return sum(part) / sum(whole) if sum(whole) else math.nan


@quick
@given(corrections())
def test_every_quantity_follows_its_formula(case):
    y, f, after, mask = case
    h = np.where(mask, FLAGGED, after)
    report = correction_report(y, f, after, flagged=mask, labels=[0, 1, 2, 3])
    for i, row in report.per_class.iterrows():
        kept_base = (y == i) & (f == i)
        expected = {
            "support": sum(y == i),
            "right_before": sum(kept_base),
            "right_after": sum((y == i) & (h == i)),
            "retention": share(kept_base & (h == i), kept_base),
            "damage": share(kept_base & (h != i), kept_base),
            "gain": share((y == i) & (f != i) & (h == i), (y == i) & (f != i)),
            "caught": share((y == i) & (f != i) & (h != f), (y == i) & (f != i)),
            "false_positive_increase": share((y != i) & (h == i), y != i)
            - share((y != i) & (f == i), y != i),
            "repaired": sum((y == i) & (f != i) & (h == i)),
            "broken": sum(kept_base & (h != i)),
            "changed_still_wrong": sum((y == i) & (f != y) & (h != y) & (h != f)),
            "flagged": sum((y == i) & mask),
        }
        assert_allclose(row[list(expected)].astype(float), list(expected.values()))
        for j in (0, 1, 2, 3):
            spilt = kept_base & (h == j) if j != i else np.zeros(len(y), bool)
            assert_allclose(report.spillover.loc[i, j], share(spilt, kept_base))
        spilt = kept_base & (h == FLAGGED)
        assert_allclose(report.spillover.loc[i, "flagged"], share(spilt, kept_base))


@quick
@given(corrections())
def test_pooled_quantities_follow_their_formulas(case):
    y, f, after, mask = case
    h = np.where(mask, FLAGGED, after)
    overall = correction_report(y, f, after, flagged=mask).overall
    expected = {
        "n": len(y),
        "retention": share((f == y) & (h == y), f == y),
        "damage": share((f == y) & (h != y), f == y),
        "gain": share((f != y) & (h == y), f != y),
        "caught": share((f != y) & (h != f), f != y),
        "repaired": sum((f != y) & (h == y)),
        "broken": sum((f == y) & (h != y)),
        "changed": sum(h != f),
        "changed_still_wrong": sum((f != y) & (h != y) & (h != f)),
        "flagged": sum(mask),
        "accuracy_before": share(f == y, np.ones(len(y))),
        "accuracy_after": share(h == y, np.ones(len(y))),
    }
    assert_allclose([overall[name] for name in expected], list(expected.values()))


@quick
@given(corrections())
def test_identities(case):
    y, f, after, mask = case
    report = correction_report(y, f, after, flagged=mask)
    total = report.overall
    assert total["net"] == total["repaired"] - total["broken"]
    assert total["net"] == total["right_after"] - total["right_before"]
    assert total["changed"] == (
        total["repaired"] + total["broken"] + total["changed_still_wrong"]
    )
    assert_allclose(
        report.spillover.sum(axis=1, skipna=False), report.per_class["damage"]
    )
    known = report.per_class[report.per_class["right_before"] > 0]
    assert_allclose(known["retention"] + known["damage"], 1.0)


@quick
@given(corrections(min_size=1))
def test_no_change_means_full_retention_and_no_gain(case):
    y, f, _, _ = case
    report = correction_report(y, f, f)
    right, wrong = (f == y).any(), (f != y).any()
    assert_allclose(report.overall["retention"], 1.0 if right else math.nan)
    assert_allclose(report.overall["damage"], 0.0 if right else math.nan)
    assert_allclose(report.overall["gain"], 0.0 if wrong else math.nan)
    assert report.overall["net"] == report.overall["changed"] == 0
    increase = report.per_class["false_positive_increase"].dropna()
    assert (increase == 0).all()


@quick
@given(corrections(min_size=1), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(case, random):
    y, f, after, mask = case
    p = random.sample(range(len(y)), len(y))
    one = correction_report(y, f, after, flagged=mask)
    two = correction_report(y[p], f[p], after[p], flagged=mask[p])
    pd.testing.assert_frame_equal(one.per_class, two.per_class)
    pd.testing.assert_frame_equal(one.spillover, two.spillover)
    assert_allclose(list(one.overall.values()), list(two.overall.values()))


@quick
@given(corrections(min_size=1))
def test_kind_of_label_does_not_matter(case):
    y, f, after, mask = case
    names = np.array(["a", "b", "c", "d"])
    ints = correction_report(y, f, after, flagged=mask)
    strings = correction_report(
        pd.Series(names[y]), names[f].astype(object), list(names[after]), flagged=mask
    )
    assert names[ints.per_class.index].tolist() == strings.per_class.index.tolist()
    assert_array_equal(ints.per_class.to_numpy(), strings.per_class.to_numpy())
    assert_array_equal(ints.spillover.to_numpy(), strings.spillover.to_numpy())
    bools = correction_report(y > 1, f > 1, after > 1, flagged=mask)
    twos = correction_report(
        (y > 1).astype(int), (f > 1).astype(int), (after > 1).astype(int), flagged=mask
    )
    assert bools.per_class.index.tolist() == [
        bool(i) for i in twos.per_class.index.tolist()
    ]
    assert_array_equal(bools.per_class.to_numpy(), twos.per_class.to_numpy())


def test_flagging_a_right_decision_is_damage_and_a_wrong_one_no_gain():
    report = correction_report(
        [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0], flagged=[True, False, True, False]
    )
    assert report.overall["damage"] == 0.5
    assert report.overall["gain"] == 0.0
    assert report.overall["caught"] == 0.5
    assert report.overall["net"] == -1
    assert report.spillover.loc[0, "flagged"] == 0.5


def test_undefined_cells_are_nan():
    report = correction_report([0, 0], [0, 0], [0, 0], labels=[0, 1])
    right, absent = report.per_class.loc[0], report.per_class.loc[1]
    assert math.isnan(right["gain"])
    assert math.isnan(right["caught"])
    assert math.isnan(right["false_positive_increase"])
    assert right["retention"] == 1
    assert absent[["retention", "damage", "gain", "f1_before"]].isna().all()
    assert report.spillover.loc[1].isna().all()
    assert math.isnan(report.overall["gain"])
    empty = correction_report([], [], [])
    assert empty.overall["n"] == 0
    assert math.isnan(empty.overall["accuracy_after"])
    assert math.isnan(empty.overall["macro_f1_after"])


def test_macro_f1_is_that_of_scikit_learn_over_the_classes_in_y():
    rng = np.random.default_rng(0)
    y, f, h = rng.integers(0, 4, (3, 200))
    y[y == 3] = 0  # class 3 is predicted but never true
    overall = correction_report(y, f, h).overall
    for when, decision in (("before", f), ("after", h)):
        expected = f1_score(y, decision, labels=[0, 1, 2], average="macro")
        assert_allclose(overall[f"macro_f1_{when}"], expected)


def test_the_label_of_a_flagged_row_adds_no_class():
    report = correction_report([0, 1], [0, 0], [0, 9], flagged=[False, True])
    assert report.per_class.index.tolist() == [0, 1]


def test_labels_fix_the_order_and_may_hold_more_than_occur():
    report = correction_report([1, 0], [0, 0], [1, 0], labels=[2, 1, 0])
    assert report.per_class.index.tolist() == [2, 1, 0]
    assert report.spillover.columns.tolist() == [2, 1, 0, "flagged"]
    assert report.per_class.loc[1, "gain"] == 1
    assert report.per_class.loc[2, "support"] == 0


@pytest.mark.parametrize("labels", [[0, 1], ["no", "yes"], [False, True]])
def test_dict_survives_json_and_keeps_the_values(labels):
    y, f, h = (np.take(labels, codes) for codes in ([0, 1], [0, 0], [0, 1]))
    report = correction_report(y, f, h)
    back = json.loads(json.dumps(report.to_dict()))
    assert back["overall"]["gain"] == 1.0
    assert [row["label"] for row in back["per_class"]] == labels
    assert math.isnan(back["per_class"][0]["gain"])
    assert back["spillover"]["columns"] == [*labels, "flagged"]
    assert back["spillover"]["data"][0] == [0, 0, 0]


def test_frame_ends_with_the_pooled_row_and_the_print_shows_it():
    report = correction_report([0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 1, 0])
    table = report.to_frame()
    assert table.index.tolist() == [0, 1, "all"]
    assert table.loc["all", "support"] == 4
    assert table.loc["all", "gain"] == report.overall["gain"] == 0.5
    assert table.loc["all", "f1_after"] == report.overall["macro_f1_after"]
    assert math.isnan(table.loc["all", "false_positive_increase"])
    pd.testing.assert_frame_equal(
        table.iloc[:2].astype(float),
        report.per_class.astype(float),
        check_names=False,
        check_index_type=False,
    )
    assert "net +0 = 1 repaired - 1 broken" in str(report)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"before": [0]}, ValueError, "before has 1 rows, y has 2"),
        ({"after": ["a", "b"]}, TypeError, "labels of different kinds"),
        ({"after": [True, False]}, TypeError, "'after': 'bool'"),
        ({"y": [0.0, math.nan]}, ValueError, "y has 1 missing labels"),
        ({"y": [0, "a"]}, TypeError, "'mixed-integer'"),
        ({"y": np.array([0, "a"], object)}, TypeError, "'mixed-integer'"),
        ({"y": [[0, 1]]}, ValueError, "1d array"),
        ({"flagged": [0, 1]}, TypeError, "flagged must be a boolean mask.*int64"),
        ({"flagged": [True]}, ValueError, "flagged has 1 rows, expected 2"),
        ({"labels": [0]}, ValueError, r"labels lacks \[1\]"),
        ({"labels": [0, 1, 1]}, ValueError, "labels must be distinct"),
    ],
)
def test_bad_columns_are_refused(changed, error, message):
    arguments = {"y": [0, 1], "before": [0, 0], "after": [0, 1]} | changed
    with pytest.raises(error, match=message):
        correction_report(**arguments)


def test_a_label_called_flagged_is_refused():
    with pytest.raises(ValueError, match="rename it"):
        correction_report(["flagged"], ["ok"], ["ok"])


def test_as_labels_reads_nullable_columns():
    assert_array_equal(as_labels(pd.array([1, 2], dtype="Int64"), "y"), [1, 2])
    assert as_labels(pd.array([True, False], dtype="boolean"), "y").dtype == bool
    with pytest.raises(ValueError, match="before has 1 missing"):
        as_labels(pd.array([1, None], dtype="Int64"), "before")


@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 30), (3, 100), (7, 7), (50, 1000)])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_clopper_pearson_agrees_with_scipy(k, n, level):
    expected = binomtest(k, n).proportion_ci(level, method="exact")
    assert_allclose(clopper_pearson(k, n, level), (expected.low, expected.high))


def test_clopper_pearson_edges():
    assert np.isnan(clopper_pearson(0, 0)).all()
    with pytest.raises(ValueError, match=r"0 \.\.\. trials=3, got 4"):
        clopper_pearson(4, 3)
    with pytest.raises(ValueError, match=r"confidence_level.*got 95"):
        clopper_pearson(1, 3, 95)


scores_of_rows = st.lists(
    st.tuples(
        st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 2.0, math.inf, math.nan]),
        st.sampled_from(["right", "repairable", "wrong"]),
    ),
    max_size=25,
)


def columns_of(rows):
    scores = np.array([score for score, _ in rows], dtype=float)
    right = np.array([kind == "right" for _, kind in rows], dtype=bool)
    repairable = np.array([kind == "repairable" for _, kind in rows], dtype=bool)
    return scores, right, repairable


@quick
@given(scores_of_rows)
def test_curve_agrees_with_brute_force(rows):
    scores, right, repairable = columns_of(rows)
    retention, gain, thresholds = gain_retention_curve(scores, right, repairable)
    distinct = np.unique(scores[scores > -math.inf])
    assert len(thresholds) == len(distinct) + 1
    assert thresholds[0] == math.inf
    for kept, gained, threshold in zip(retention, gain, thresholds, strict=True):
        fires = scores > threshold
        assert_allclose(kept, share(right & ~fires, right))
        assert_allclose(gained, share(repairable & fires, repairable))
    # One point per set of rows that a threshold can make fire: nothing is left out.
    assert sorted(np.sum(scores > t) for t in thresholds) == sorted(
        {0} | {np.sum(scores >= d) for d in distinct}
    )


@quick
@given(scores_of_rows, st.sampled_from([0.0, 0.5, 0.75, 0.9, 1.0]))
def test_gain_at_retention_agrees_with_brute_force(rows, least):
    scores, right, repairable = columns_of(rows)
    found = gain_at_retention(scores, right, repairable, least)
    if not right.any() or not repairable.any():
        assert math.isnan(found)
        return
    gains = [
        share(repairable & (scores > t), repairable)
        for t in [math.inf, *scores, -math.inf]
        if share(right & ~(scores > t), right) >= least
    ]
    assert_allclose(found, max(gains))


@quick
@given(scores_of_rows, st.randoms(use_true_random=False))
def test_curve_does_not_depend_on_the_order_of_rows(rows, random):
    shuffled = random.sample(rows, len(rows))
    for one, two in zip(
        gain_retention_curve(*columns_of(rows)),
        gain_retention_curve(*columns_of(shuffled)),
        strict=True,
    ):
        assert_array_equal(one, two)


def test_retention_reached_exactly_counts():
    scores = np.arange(101.0)
    right = scores < 100
    # Row 100 is the error; the highest right row may fire as well: 99 / 100 stay.
    assert gain_at_retention(scores, right, ~right, 0.99) == 1
    scores[100] = 98.5
    assert gain_at_retention(scores, right, ~right, 0.99) == 1
    assert gain_at_retention(scores, right, ~right, 0.995) == 0


def test_curve_refuses_bad_rows():
    with pytest.raises(
        ValueError, match=r"1 rows are both right and repairable.*row 1"
    ):
        gain_retention_curve([1.0, 2.0], [False, True], [False, True])
    with pytest.raises(TypeError, match="right must be a boolean mask"):
        gain_retention_curve([1.0, 2.0], [0, 1], [False, True])
    with pytest.raises(ValueError, match="repairable has 1 rows"):
        gain_retention_curve([1.0, 2.0], [False, True], [False])
    with pytest.raises(ValueError, match=r"retention must lie in \[0, 1\], got 99"):
        gain_at_retention([1.0], [True], [False], 99)


class OneRule(ClassifierMixin, BaseEstimator):
    """Says ``to`` where the first feature is above the threshold."""

    def __init__(self, estimator=None, threshold=0.0, to=1, action="relabel"):
        self.estimator = estimator
        self.threshold = threshold
        self.to = to
        self.action = action

    def fit(self, X, y):
        self.estimator_ = clone(self.estimator).fit(X, y)
        self.classes_ = np.unique(y)
        return self

    def trace(self, X):
        before = self.estimator_.predict(X)
        score = np.where(before == self.to, -np.inf, X[:, 0])
        fires = score > self.threshold
        after = np.where(fires & (self.action == "relabel"), self.to, before)
        proposed = np.where(before == self.to, np.nan, self.to)
        return pd.DataFrame(
            {
                "before": before,
                "after": after,
                "flagged": fires & (self.action == "flag"),
                "proposed": proposed,
                "score": score,
            }
        )

    def predict(self, X):
        return self.trace(X)["after"].to_numpy()


@pytest.fixture
def outbreak():
    """A legacy model that says 0; true label 1 above 1, label 2 below -1.5."""
    X = np.random.default_rng(0).normal(size=(400, 2))
    y = np.where(X[:, 0] > 1, 1, np.where(X[:, 0] < -1.5, 2, 0))
    return X, y


@pytest.fixture
def corrector(outbreak):
    return OneRule(DummyClassifier(strategy="constant", constant=0), 0.5).fit(*outbreak)


def test_scorer_reads_every_overall_quantity(outbreak, corrector):
    X, y = outbreak
    overall = correction_report(y, np.zeros(400, int), corrector.predict(X)).overall
    assert overall["broken"] > 0
    for name, value in overall.items():
        assert correction_scorer(name)(corrector, X, y) == value
        assert correction_scorer(f"neg_{name}")(corrector, X, y) == -value
    macro = correction_scorer("macro_f1")(corrector, X, y)
    assert macro == overall["macro_f1_after"] != overall["macro_f1_before"]
    assert correction_scorer("accuracy")(corrector, X, y) == overall["accuracy_after"]


def test_scorer_counts_flagged_rows(outbreak, corrector):
    X, y = outbreak
    flagging = corrector.set_params(action="flag")
    assert correction_scorer("flagged")(flagging, X, y) == np.sum(X[:, 0] > 0.5)
    assert correction_scorer("gain")(flagging, X, y) == 0
    wrong = y != 0
    assert correction_scorer("caught")(flagging, X, y) == np.sum(y == 1) / wrong.sum()


def test_gain_at_retention_scorer_counts_errors_that_no_rule_repairs(
    outbreak, corrector
):
    X, y = outbreak
    # The score separates class 1 perfectly, no rule proposes class 2.
    found = correction_scorer("gain_at_retention", retention=1.0)(corrector, X, y)
    assert_allclose(found, np.sum(y == 1) / np.sum(y != 0))
    # Nor does it where every row may fire.
    anywhere = correction_scorer("gain_at_retention", retention=0.0)
    assert anywhere(corrector, X, y) == found
    # The threshold of the rule plays no part.
    corrector.set_params(threshold=99.0)
    scorer = correction_scorer("gain_at_retention", retention=1.0)
    assert scorer(corrector, X, y) == found


def test_scorer_transforms_through_a_pipeline(outbreak):
    X, y = outbreak
    shifted = X * 10 + 100
    rule = OneRule(DummyClassifier(strategy="constant", constant=0), 0.5)
    pipe = make_pipeline(StandardScaler(), rule).fit(shifted, y)
    Z = pipe[:-1].transform(shifted)
    for name in ("gain", "damage", "gain_at_retention"):
        expected = correction_scorer(name)(pipe[-1], Z, y)
        assert correction_scorer(name)(pipe, shifted, y) == expected
    alone = make_pipeline(clone(rule)).fit(X, y)
    assert correction_scorer("gain")(alone, X, y) > 0


def test_scorer_guides_a_search_and_its_cross_validation(outbreak):
    X, y = outbreak
    rule = OneRule(DummyClassifier(strategy="constant", constant=0))
    search = GridSearchCV(
        rule, {"threshold": [-1.0, 1.0, 3.0]}, scoring=correction_scorer("net"), cv=3
    ).fit(X, y)
    assert search.best_params_ == {"threshold": 1.0}
    gains = cross_val_score(search, X, y, scoring=correction_scorer("gain"), cv=2)
    assert (gains > 0.3).all()
    loudest = GridSearchCV(
        rule, {"threshold": [-1.0, 3.0]}, scoring=correction_scorer("neg_damage"), cv=3
    ).fit(X, y)
    assert loudest.best_params_ == {"threshold": 3.0}


@pytest.fixture
def segmented(outbreak):
    """A corrector certified in every segment, with the segments of the rows."""
    X, y = outbreak
    legacy = DummyClassifier(strategy="constant", constant=0).fit(X, y)
    legacy = FrozenEstimator(legacy)
    corrector = ErrorCorrector(legacy, per="segment", max_damage=0.2, random_state=0)
    return corrector, np.array(["web", "shop"])[np.arange(400) % 2]


def test_scorer_passes_segments_on(outbreak, segmented):
    (X, y), (corrector, segment) = outbreak, segmented
    scorer = correction_scorer("gain")
    corrector.fit(X, y, segment=segment)
    after = corrector.predict(X, segment=segment)
    expected = correction_report(y, np.zeros(400, int), after).overall["gain"]
    assert scorer(corrector, X, y, segment=segment) == expected > 0.3
    assert scorer(make_pipeline(corrector), X, y, segment=segment) == expected
    unknown = np.array(["phone"] * 400)
    assert scorer(corrector, X, y, segment=unknown) == 0
    with pytest.raises(ValueError, match="needs segment="):
        scorer(corrector, X, y)


def test_scorer_requests_segments_where_metadata_are_routed(outbreak, segmented):
    (X, y), (corrector, segment) = outbreak, segmented
    scorer = correction_scorer("gain")
    both = {"gain": scorer, "kept": correction_scorer("retention")}
    with sklearn.config_context(enable_metadata_routing=True):
        corrector.set_fit_request(segment=True)
        for scoring, name in ((scorer, "test_score"), (both, "test_gain")):
            found = cross_validate(
                corrector,
                X,
                y,
                cv=2,
                params={"segment": segment},
                scoring=scoring,
                error_score="raise",
            )
            assert (found[name] > 0.3).all()
        search = GridSearchCV(
            corrector, {"max_damage": [0.001, 0.2]}, cv=2, scoring=scorer
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotCertifiedWarning)
            search.fit(X, y, segment=segment)
        assert search.best_params_ == {"max_damage": 0.2}


def test_scorer_survives_pickling(outbreak, corrector):
    scorer = correction_scorer("gain_at_retention", retention=0.9)
    assert pickle.loads(pickle.dumps(scorer)) == scorer
    assert pickle.loads(pickle.dumps(scorer))(corrector, *outbreak) > 0


def test_scorer_is_nan_where_there_is_no_error(outbreak, corrector):
    X, y = outbreak
    rows = y == 0
    assert math.isnan(correction_scorer("gain")(corrector, X[rows], y[rows]))
    at = correction_scorer("gain_at_retention")
    assert math.isnan(at(corrector, X[rows], y[rows]))


def test_scorer_refuses_what_it_does_not_know(outbreak):
    with pytest.raises(ValueError, match=r"'gain_at_retention'.*got 'gian'"):
        correction_scorer("gian")
    with pytest.raises(ValueError, match="retention must lie"):
        correction_scorer("gain_at_retention", retention=1.5)
    plain = LogisticRegression().fit(*outbreak)
    with pytest.raises(TypeError, match="got LogisticRegression"):
        correction_scorer("gain")(plain, *outbreak)
