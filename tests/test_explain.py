"""Why a case was changed: what is said adds up, is true, and can be shown anywhere."""

from __future__ import annotations

import importlib.util
import json
import re
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from rarecorrect import ErrorCorrector
from rarecorrect.detectors import (
    AutoDetector,
    BoostingDetector,
    CascadeDetector,
    CleanedDetector,
    FisherDetector,
    IntervalDetector,
    LogisticDetector,
    TreesDetector,
)
from rarecorrect.explain import Usual, explanations
from rarecorrect.explain.contributions import parts_of, remarks
from rarecorrect.files import load, save
from rarecorrect.inputs import strata_of
from rarecorrect.rule import Rule
from rarecorrect.tail_scale import TailScale

COLUMNS = ["amount", "hour", "n_days", "risk"]


def draw(n, seed, share=0.04, shift=1.0):
    """Payments; a new kind of fraud has large amounts at an early hour."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(50, 10, size=(n, 4)), columns=COLUMNS)
    y = np.where(X["risk"] > 50, "night", "ok").astype(object)
    new = rng.random(n) < share
    X.loc[new, "amount"] += 55 * shift
    X.loc[new, "hour"] -= 20 * shift
    return X, np.where(new, "fraud", y)


@pytest.fixture(scope="module")
def payments():
    model = LogisticRegression(max_iter=1000).fit(*draw(1000, 0, share=0.0))
    return model, *draw(2500, 1), *draw(300, 2)


def fitted(payments, detector=None, **options):
    model, X, y, *_ = payments
    options = {"features": "input", "max_damage": 0.02, "random_state": 0, **options}
    options = {"confusions": ["fraud"], **options}
    return ErrorCorrector(model, detector=detector, **options).fit(X, y)


def learnt_from(corrector, X, y):
    """Right decisions that rules were learnt from: their features and labels."""
    reading = corrector.features_.read(X)
    right = reading.labels == y
    right[corrector.calibration_indices_] = False
    return reading.features[right], reading.labels[right]


def explain(corrector, payments, X_new=None, segment=None, **options):
    """What the estimator does with it."""
    _, X, y, last, _ = payments
    X_new = last if X_new is None else X_new
    reading = corrector.features_.read(X_new)
    return explanations(
        corrector.rules_,
        reading,
        strata_of(reading.labels, segment, corrector.per),
        corrector.classes_,
        getattr(X_new, "index", None),
        names=corrector.features_.names_,
        usual=Usual.of(*learnt_from(corrector, X, y)),
        **options,
    )


LINEAR = [FisherDetector(), LogisticDetector(), LogisticRegression(max_iter=500)]
TREES = [
    TreesDetector(30, random_state=0),
    CleanedDetector(TreesDetector(30), random_state=0),
    BoostingDetector(engine="scikit-learn", random_state=0),
    GradientBoostingClassifier(n_estimators=20, random_state=0),
]
BOOSTED = ["BoostingDetector", "XGBClassifier", "LGBMClassifier"]


def named(detector):
    return type(detector).__name__


def adds_up(found, tolerance):
    """Every case has contributions, and they make the score from the base."""
    assert len(found.frame) > 3
    for case, [part] in zip(found.frame.itertuples(), found.parts, strict=True):
        total = part.contributions.sum()
        assert_allclose(part.base + total, part.score, **tolerance)
        assert_allclose([case.raw_score, case.raw_base], [part.score, part.base])
        assert part.score > part.base
    return True


@pytest.mark.parametrize("detector", LINEAR, ids=named)
def test_linear_contributions_are_weight_times_distance(payments, detector):
    corrector = fitted(payments, detector)
    _, X, y, X_new, _ = payments
    found = explain(corrector, payments)
    assert adds_up(found, {"rtol": 1e-9})
    [rule], usual = corrector.rules_, learnt_from(corrector, X, y)[0].mean(axis=0)
    for row, [part] in zip(found.frame.index, found.parts, strict=True):
        expected = rule.coef * (X_new.loc[row].to_numpy() - usual)
        assert_allclose(part.contributions, expected, rtol=1e-9, atol=1e-9)
    assert_allclose(found.frame["raw_base"], rule.score(usual[None])[0])


@pytest.mark.needs_shap
@pytest.mark.parametrize("detector", TREES, ids=named)
def test_contributions_of_trees_add_up(payments, detector):
    corrector = fitted(payments, detector)
    found = explain(corrector, payments)
    assert adds_up(found, {"rtol": 1e-6, "atol": 1e-9})
    most = [COLUMNS[np.argmax(part.contributions)] for [part] in found.parts]
    assert set(most) <= {"amount", "hour"}  # what the fraud was drawn with


@pytest.mark.needs_boosting
@pytest.mark.parametrize("name", BOOSTED)
def test_contributions_of_boosting_libraries_need_no_shap(payments, name, monkeypatch):
    import lightgbm
    import xgboost

    monkeypatch.setitem(sys.modules, "shap", None)
    options = {"n_estimators": 20, "random_state": 0}
    detector = {
        "BoostingDetector": BoostingDetector(engine="xgboost", random_state=0),
        "XGBClassifier": xgboost.XGBClassifier(**options),
        "LGBMClassifier": lightgbm.LGBMClassifier(verbose=-1, **options),
    }[name]
    found = explain(fitted(payments, detector), payments)
    assert adds_up(found, {"rtol": 1e-3, "atol": 1e-5})
    most = [COLUMNS[np.argmax(part.contributions)] for [part] in found.parts]
    assert set(most) <= {"amount", "hour"}


def test_without_shap_trees_say_what_is_missing(payments, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "rarecorrect.explain.tree_values.find_spec",
        lambda name: None if name == "shap" else real(name),
    )
    found = explain(fitted(payments, TREES[0]), payments)
    assert len(found.frame) > 3
    assert found.contributions.empty
    assert found.frame["note"].str.contains(r"rarecorrect\[report\]").all()
    assert found.frame["sentence"].str.contains("no contributions for this rule").all()


def test_other_detectors_get_an_honest_note(payments):
    corrector = fitted(payments, KNeighborsClassifier(50))
    found = explain(corrector, payments)
    assert len(found.frame) > 3
    assert found.contributions.empty
    assert all(part.contributions is None for [part] in found.parts)
    assert found.frame["note"].str.contains("KNeighborsClassifier").all()
    assert found.frame["raw_score"].gt(found.frame["raw_base"]).all()


@pytest.mark.needs_shap
def test_values_that_do_not_add_up_are_not_shown(payments):
    # shap ignores that a column is categorical, and does not say so
    detector = HistGradientBoostingClassifier(
        max_iter=20, categorical_features=[0], random_state=0
    )
    model, X, y, X_new, y_new = payments
    binned = [frame.assign(amount=frame["amount"] // 20) for frame in (X, X_new)]
    data = model, binned[0], y, binned[1], y_new
    found = explain(fitted(data, detector, max_damage=0.05), data)
    assert len(found.frame) > 3
    assert found.contributions.empty
    assert found.frame["note"].str.contains("do not add up").all()


def test_members_of_a_mean_are_told_one_by_one(payments):
    candidates = [
        ("Fisher", FisherDetector()),
        ("logistic", LogisticDetector()),
        ("neighbours", KNeighborsClassifier(50)),
    ]
    detector = AutoDetector(max_damage=0.02, candidates=candidates, random_state=0)
    corrector = fitted(payments, detector)
    [rule] = corrector.rules_
    members = {name: scale for name, _, scale, _ in rule.detector.members_}
    assert len(members) > 1  # else there is nothing to tell
    found = explain(corrector, payments)
    for case, parts in zip(found.frame.itertuples(), found.parts, strict=True):
        assert [part.member for part in parts] == list(members)
        for part in parts:
            exact = part.member != "neighbours"
            assert (part.contributions is not None) == exact
            if exact:
                total = part.contributions.sum()
                assert_allclose(part.base + total, part.score, rtol=1e-9)
        assert_allclose(
            sum(part.adds for part in parts) - rule.detector._offset, case.raw_score
        )
        of = max((p for p in parts if p.contributions is not None), key=by_adds)
        assert f"of {len(parts)} members {of.member} adds" in case.sentence
    noted = found.frame["note"].str.contains("KNeighborsClassifier")
    assert noted.all() == ("neighbours" in members)


def stage_of(cascade, x):
    """The stage that decides a row, and its score there, row by row."""
    Z = cascade.scale_(x[None])
    for k, stage in enumerate(cascade.stages_):
        score = stage.decision_function(Z)[0]
        if k == len(cascade.cuts_) or score < cascade.cuts_[k]:
            return k, stage.coef_[0], score


def told_by_hand(cascades, x, usual):
    """Mean contributions and mean score at the stages that decide, and these stages."""
    stages, coefs, scores = zip(*(stage_of(c, x) for c in cascades), strict=True)
    own = []
    for coef, cascade in zip(coefs, cascades, strict=True):
        here, there = cascade.scale_(np.stack([x, usual]))
        # stages read all features drawn in, then all by their ranks
        own.append([sum((coef * (here - there))[j :: x.size]) for j in range(x.size)])
    return np.mean(own, axis=0), np.mean(scores), stages


@pytest.fixture(scope="module")
def alike():
    """Payments of which many are between fraud and not, so that every stage decides."""
    X, y = draw(3000, 3, share=0.1, shift=0.5)
    return X.to_numpy(), y == "fraud", draw(300, 4, share=0.3, shift=0.5)[0].to_numpy()


def parts_by(detector, alike):
    """Parts of new rows by a rule with this detector, and the usual right decision."""
    X, is_error, X_new = alike
    usual = X[~is_error].mean(axis=0)
    rule = Rule("to fraud", "fraud", detector, TailScale.from_scores([0.0, 1.0]))
    rows = np.vstack([usual, X_new])
    return parts_of(rule, rows, rule.score(rows)), usual


CASCADES = [
    CascadeDetector(random_state=0),
    CleanedDetector(CascadeDetector(), random_state=0),
]


@pytest.mark.parametrize("detector", CASCADES, ids=named)
def test_a_cascade_is_told_at_the_stage_that_decides(alike, detector):
    fitted = clone(detector).fit(*alike[:2])
    cascade = getattr(fitted, "detector_", fitted)
    n_cuts, order = len(cascade.cuts_), []
    found, usual = parts_by(fitted, alike)
    for x, [part] in zip(alike[2], found, strict=True):
        own, score, [k] = told_by_hand([cascade], x, usual)
        assert_allclose(part.contributions, own, rtol=1e-9, atol=1e-12)
        assert_allclose([part.score, part.base + own.sum()], score, atol=1e-9)
        after = ["", ", after passing stage 1", ", after passing the first 2"][k]
        assert part.where == f"at stage {k + 1} of {n_cuts + 1}{after}"
        order.append((k, score))
    # the score of the whole goes by the stage, then by the score there
    adds = [part.adds for [part] in found]
    assert_array_equal(np.argsort(adds), np.lexsort(np.transpose(order)[::-1]))
    assert {k for k, _ in order} == set(range(n_cuts + 1)) and n_cuts > 0


def test_a_cascade_of_one_stage_has_nothing_to_pass(alike):
    found, _ = parts_by(CascadeDetector(1).fit(*alike[:2]), alike)
    assert {part.where for [part] in found} == {"at its only stage"}


def test_fits_of_a_cascade_may_decide_at_different_stages(alike):
    candidates = [("cascade", CascadeDetector()), ("Fisher", FisherDetector())]
    auto = AutoDetector(candidates=candidates, random_state=0).fit(*alike[:2])
    models = {name: member for name, member, *_ in auto.members_}["cascade"].models
    found, usual = parts_by(auto, alike)
    different = 0
    for x, parts in zip(alike[2], found, strict=True):
        [part] = [p for p in parts if p.member == "cascade"]
        own, score, stages = told_by_hand(models, x, usual)
        assert_allclose(part.contributions, own, rtol=1e-9, atol=1e-12)
        assert_allclose([part.score, part.base + own.sum()], score, atol=1e-9)
        told = re.findall(r"(?:in (\d) of 5 fits )?at stage (\d)", part.where)
        counts = np.array([(n or 5, k) for n, k in told], dtype=int)
        assert sorted(np.repeat(counts[:, 1] - 1, counts[:, 0])) == sorted(stages)
        assert remarks(parts) == f"cascade {part.where}"
        different += len(set(stages)) > 1
    assert 0 < different < len(found)


def test_the_sentence_names_the_stage(payments):
    found = explain(fitted(payments, CascadeDetector(random_state=0)), payments)
    assert len(found.frame) > 3
    for case, [part] in zip(found.frame.itertuples(), found.parts, strict=True):
        assert case.note == part.where
        assert f", {part.where}, above all by " in case.sentence
        taken = re.search(
            r"take the score there from (\S+), .* to (\S+)$", case.sentence
        )
        told = [float(number) for number in taken.groups()]
        assert_allclose(told, [part.base, part.score], rtol=0.006)
    record = json.loads(json.dumps(found.to_dict()))
    where = [case["parts"][0]["where"] for case in record["cases"]]
    assert where == found.frame["note"].tolist()


def by_adds(part):
    return part.adds


@pytest.mark.parametrize("auto", [False, True])
def test_a_box_is_read_aloud_and_holds(payments, auto):
    box = IntervalDetector(max_damage=0.02)
    detector = (
        AutoDetector(max_damage=0.02, candidates=[("box", box)], random_state=0)
        if auto
        else box
    )
    corrector = fitted(payments, detector)
    found = explain(corrector, payments)
    assert len(found.frame) > 3
    assert found.contributions.empty
    assert (found.frame["note"] == "").all()
    [text] = set(found.frame["box"])
    for case in found.frame.itertuples():
        assert f"because {text} (here " in case.sentence
        here = case.sentence.partition("(here ")[2].rstrip(")").split(" and ")
        for condition, value in zip(text.split(" and "), here, strict=True):
            assert re.match(r"(amount|hour) [<>] ", condition)
            name, sign, bound = condition.split()
            assert_allclose(float(value), payments[3].loc[case.Index, name], rtol=1e-9)
            assert (float(value) > float(bound)) == (sign == ">")


def test_a_box_is_read_at_the_threshold_of_its_class(payments):
    alike = draw(3000, 3, share=0.1, shift=0.5)
    data = payments[0], *alike, *draw(500, 4, share=0.1, shift=0.5)
    corrector = fitted(data, IntervalDetector(max_damage=0.02), per="class")
    book = corrector.rules_
    limits = {label: book.threshold(label) for label in ("ok", "night")}
    assert limits["ok"] != limits["night"]
    found = explain(corrector, data)
    texts = found.frame.groupby("before")["box"].unique()
    assert set(texts.index) == {"ok", "night"}
    assert texts["ok"].tolist() != texts["night"].tolist()
    assert (texts.map(len) == 1).all()


def test_only_changed_rows_are_there_under_their_own_index(payments):
    corrector = fitted(payments)
    X_new = payments[3].set_axis([f"tx{i}" for i in range(300)], axis="index")
    trace = corrector.trace(X_new)
    found = explain(corrector, payments, X_new)
    assert 3 < len(found.frame) < len(X_new)
    expected = trace[trace["changed"]]
    pd.testing.assert_frame_equal(found.frame[list(trace.columns)], expected)
    assert set(found.contributions["case"]) == set(expected.index)
    lines = str(found).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        f"Case {i}" for i in trace.index[trace["changed"]]
    ]


def test_flags_say_that_they_are_flags(payments):
    found = explain(fitted(payments, action="flag"), payments)
    assert len(found.frame) > 3
    assert found.frame["flagged"].all()
    for case in found.frame.itertuples():
        assert f"'{case.before}' was flagged for review as 'fraud'" in case.sentence


def test_how_rare_a_case_is_agrees_with_its_tail_rank(payments):
    corrector = fitted(payments, max_damage=0.1)
    found = explain(corrector, payments)
    n = corrector.rules_.calibration_scores.size
    counts = []
    for case in found.frame.itertuples():
        words = re.search(r"(\S+) of ([\d,]+) right decisions looked", case.sentence)
        count = 0 if words[1] == "none" else int(words[1].replace(",", ""))
        assert int(words[2].replace(",", "")) == n
        assert_allclose((1 + count) / (1 + n), case.tail_rank)
        counts.append(count)
    assert 0 in counts and max(counts) > 0


def test_rows_of_traffic_are_called_so(payments):
    corrector = fitted(payments, max_damage=None, alert_budget=0.1)
    found = explain(corrector, payments)
    assert len(found.frame) > 3
    assert found.frame["sentence"].str.contains("cases of traffic looked as").all()


def test_the_words_of_the_bank_stand_for_features(payments):
    reasons = {"amount": "an unusually large payment"}
    for detector in (None, IntervalDetector(max_damage=0.02)):
        corrector = fitted(payments, detector)
        plain = explain(corrector, payments)
        told = explain(corrector, payments, reasons=reasons)
        assert plain.frame["sentence"].str.contains("amount").any()
        assert not told.frame["sentence"].str.contains("amount").any()
        said = [s.replace("amount", reasons["amount"]) for s in plain.frame["sentence"]]
        assert told.frame["sentence"].tolist() == said
        assert told.names == plain.names


def test_reasons_of_unknown_features_are_refused(payments):
    with pytest.raises(ValueError, match=r"\['amuont'\].*'amount'"):
        explain(fitted(payments), payments, reasons={"amuont": "large"})


def test_the_features_that_raise_the_score_most_are_named(payments):
    corrector = fitted(payments)
    for top in (1, 3):
        found = explain(corrector, payments, top=top)
        for case, [part] in zip(found.frame.itertuples(), found.parts, strict=True):
            order = np.argsort(-part.contributions)[:top]
            expected = [COLUMNS[j] for j in order if part.contributions[j] > 0]
            assert re.findall(r"(\w+) \([^()]*on average", case.sentence) == expected
    assert len(expected) > 1  # so that the two differ


@pytest.mark.parametrize("top", [0, -1, 1.5, "3"])
def test_a_top_that_is_no_count_is_refused(payments, top):
    with pytest.raises(ValueError, match=f"top must be .* got {top!r}"):
        explain(fitted(payments), payments, top=top)


def test_a_record_is_json_and_says_the_same(payments):
    corrector = fitted(payments)
    found = explain(corrector, payments)
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert "means of the right decisions" in record["base"]
    assert len(record["cases"]) == len(found.frame)
    for case, row, [part] in zip(
        record["cases"], found.frame.itertuples(), found.parts, strict=True
    ):
        assert (case["case"], case["sentence"]) == (row.Index, row.sentence)
        [told] = case["parts"]
        terms = told["contributions"]
        assert [term["feature"] for term in terms] == COLUMNS
        assert_allclose([t["contribution"] for t in terms], part.contributions)
        assert_allclose([t["value"] for t in terms], payments[3].loc[row.Index])
    wide = found.contributions.pivot(index="case", columns="feature")["contribution"]
    assert_allclose(
        wide.sum(axis=1), found.frame["raw_score"] - found.frame["raw_base"]
    )


def test_labels_names_and_index_of_any_type(payments):
    model, X, y, X_new, _ = payments
    codes = {"ok": 0, "night": 1, "fraud": 2}
    X, X_new = (frame.to_numpy(dtype=np.float32) for frame in (X, X_new))
    y = np.array([codes[label] for label in y])
    model = LogisticRegression(max_iter=1000).fit(X[y != 2], y[y != 2])
    corrector = ErrorCorrector(
        model, features="input", confusions=[2], max_damage=0.02, random_state=0
    ).fit(X, y)
    reading = corrector.features_.read(X_new)
    index = pd.MultiIndex.from_product([pd.to_datetime(["2024-05-01"]), range(300)])
    found = explanations(
        corrector.rules_,
        reading,
        None,
        corrector.classes_,
        index,
        names=[0, ("a", "b"), 2.5, None],
        usual=Usual.of(X[y != 2], y[y != 2]),
        reasons={0: "the amount"},
    )
    assert len(found.frame) > 3
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert {case["after"] for case in record["cases"]} == {2}
    assert "2024-05-01" in record["cases"][0]["case"]
    assert re.search(r": [01] was changed to 2 by rule 'to 2'", str(found))
    assert "the amount (" in str(found)
    assert "<table" in found._repr_html_()


def test_html_is_escaped(payments):
    attack = "<script>alert('x')</script>"
    model, X, y, X_new, _ = payments
    harmful = {"ok": f"ok{attack}", "night": "night", "fraud": f"fraud{attack}"}
    columns = [f"amount{attack}", *COLUMNS[1:]]
    X = X.set_axis(columns, axis="columns")
    X_new = X_new.set_axis(columns, axis="columns")
    X_new = X_new.set_axis([f"{i}{attack}" for i in range(300)], axis="index")
    X_new = X_new.rename_axis(index=f"id{attack}")
    y = np.array([harmful[label] for label in y])
    model = LogisticRegression(max_iter=1000).fit(X[:500], y[:500])
    corrector = ErrorCorrector(
        model, features="input", max_damage=0.02, random_state=0
    ).fit(X[500:], y[500:])
    data = model, X[500:], y[500:], X_new, None
    found = explain(corrector, data, reasons={columns[0]: f"<b>large</b>{attack}"})
    assert not found.frame.empty
    assert attack in str(found)
    html = found._repr_html_()
    assert "<script" not in html and "<b>" not in html
    assert "&lt;script&gt;" in html and "&lt;b&gt;large" in html
    assert "..." not in html  # sentences are whole


@pytest.mark.filterwarnings("ignore:.*no synthetic rows")
def test_the_corrector_explains_as_its_parts_do(payments, tmp_path):
    corrector = fitted(payments)
    options = {"reasons": {"amount": "an unusually large payment"}, "top": 1}
    parts = explain(corrector, payments, **options)
    save(corrector, tmp_path / "saved.rc")
    for one in (corrector, load(tmp_path / "saved.rc", estimator=payments[0])):
        mine = one.explain(payments[3], **options)
        pd.testing.assert_frame_equal(mine.frame, parts.frame)
        pd.testing.assert_frame_equal(mine.contributions, parts.contributions)
    del corrector._usual  # as after a file from before
    with pytest.raises(ValueError, match="fit it again"):
        corrector.explain(payments[3])


def test_nothing_changed_is_said_so(payments):
    corrector = fitted(payments)
    off = corrector.with_rules(corrector.rules_.disable_all())
    found = explain(off, payments)
    assert found.frame.empty and found.parts == ()
    assert str(found) == "no case was changed or flagged"
    assert "no case" in found._repr_html_()
    assert found.contributions.empty
    assert json.loads(json.dumps(found.to_dict()))["cases"] == []
    assert_array_equal(found.frame.columns[:2], ["before", "after"])


def test_every_rule_explains_its_own_cases(payments):
    model, X, y, X_new, _ = payments
    # a second error: many days, which the model takes for ok
    late = np.arange(len(X)) % 30 == 0
    X, X_new = X.copy(), X_new.copy()
    X.loc[late, "n_days"] += 60
    y = np.where(late, "late", y)
    X_new.loc[::30, "n_days"] += 60
    data = model, X, y, X_new, None
    corrector = fitted(data, confusions=["fraud", "late"], max_damage=0.05)
    found = explain(corrector, data, top=1)
    counts = found.frame["rule"].value_counts()
    assert counts["to fraud"] > 3 and counts["to late"] > 3
    for case, [part] in zip(found.frame.itertuples(), found.parts, strict=True):
        rule = corrector.rules_[case.rule]
        x = X_new.loc[[case.Index]].to_numpy()
        assert_allclose(part.score, rule.score(x)[0])
        assert f"rule '{case.rule}'" in case.sentence
    late_cases = found.frame.loc[found.frame["rule"] == "to late", "sentence"]
    assert late_cases.str.contains(r"above all by n_days \(").all()


def test_a_case_is_compared_with_decisions_that_its_rule_may_change(payments):
    """A rule that makes cases "night" learnt nothing from those that are."""
    _, X, y, X_new, _ = payments
    X, X_new = X.copy(), X_new.copy()
    X.loc[::25, "n_days"], X_new.loc[::25, "n_days"] = 120.0, 120.0
    y = np.where(np.arange(len(y)) % 25 == 0, "night", y)
    data = payments[0], X, y, X_new, None
    corrector = fitted(data, confusions=["night"], max_damage=0.05)
    found = explain(corrector, data)
    assert len(found.frame) > 3
    Z, labels = learnt_from(corrector, X, y)
    own, all_ = Z[labels == "ok"].mean(axis=0), Z.mean(axis=0)
    assert abs(own - all_)[3] > 3  # "risk" tells night from ok
    for usual, [part] in zip(found.usual, found.parts, strict=True):
        assert_allclose(usual, own)
        assert_allclose(part.base, corrector.rules_["to night"].score(own[None])[0])
    shown = found.contributions.query("feature == 'risk'")["usual"]
    assert_allclose(shown, own[3])


def test_a_rule_that_may_change_no_right_decision_is_compared_with_all(payments):
    corrector = fitted(payments)
    [rule] = corrector.rules_
    Z, labels = learnt_from(corrector, *payments[1:3])
    foreign = Usual.of(Z, np.full(len(labels), "fraud"))
    assert_allclose(foreign.of_rule(rule), Z.mean(axis=0))
    with pytest.raises(ValueError, match="no right decision is known"):
        Usual.of(Z[:0], labels[:0]).of_rule(rule)


def test_the_nearest_known_error_is_named_if_it_is_kept(payments):
    model, X, y, X_new, _ = payments
    ids = np.array([f"payment {i}" for i in range(len(y))])
    kept = ErrorCorrector(
        model,
        features="input",
        max_damage=0.02,
        confusions=["fraud"],
        keep_errors=True,
        random_state=0,
    ).fit(X, y, case_id=ids)
    # a known error, in another unit of no importance to the others
    known = np.flatnonzero(y == "fraud")[:5]
    found = kept.explain(X.iloc[known]).frame
    assert found["nearest_error"].tolist() == ids[known[: len(found)]].tolist()
    for text, i in zip(found["sentence"], ids[known], strict=False):
        assert text.endswith(f"; of the known errors most like {str(i)!r}")
    without = fitted(payments).explain(X.iloc[known])
    assert without.frame["nearest_error"].isna().all()
    assert "known errors" not in str(without)
    known_here = kept.explain(X_new).to_dict()["cases"][0]["nearest_error"]
    assert known_here in set(ids)
