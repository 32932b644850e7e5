"""A graph says of every row what `predict` and `trace` say of it; in onnxruntime."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parent))

from performance import onnx_close

from rarecorrect import ErrorCorrector
from rarecorrect.detectors import (
    AutoDetector,
    IntervalDetector,
    LogisticDetector,
    TreesDetector,
)
from rarecorrect.exceptions import NotCertifiedWarning
from rarecorrect.export import _legacy, to_onnx
from rarecorrect.export._names import Names

pytestmark = pytest.mark.needs_onnx

COLUMNS = ["amount", "hour of day", 'the "risk"', "select"]
TEXT = ("ok", "it's late", "card", "loan")


def draw(n, seed, *, new=2, labels=TEXT):
    """Labels by one column; two new ones, told by others."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 4)), columns=COLUMNS)
    y = (X["amount"].to_numpy() > 0).astype(int)
    for i in range(new):
        chosen = rng.random(n) < 0.04
        X.loc[chosen, COLUMNS[2 + i]] += 6
        X.loc[chosen, COLUMNS[1]] -= 2 * i
        y[chosen] = 2 + i
    return X, np.array(labels)[y]


@pytest.fixture(scope="module")
def model():
    return LogisticRegression().fit(*draw(1000, 0, new=0))


def fitted(model, n=4000, *, side=None, **options):
    options = {"features": "input", "max_damage": 0.05, "random_state": 0} | options
    return ErrorCorrector(model, **options).fit(*draw(n, 1), **(side or {}))


def run(made, **inputs):
    """What onnxruntime answers, by the names of the outputs."""
    from onnxruntime import InferenceSession

    session = InferenceSession(made.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def asked_alone(corrector, X, *, legacy=None, **side):
    reading = corrector.features_.read(X)
    return run(
        to_onnx(corrector, alone=True),
        features=np.asarray(reading.features, dtype=float),
        label=reading.labels if legacy is None else legacy,
        **side,
    )


def same(found, corrector, X, *, at_least=20, near=1e-12, **side):
    """Labels, rules, flags and margins are those of `predict` and `trace`."""
    trace = corrector.trace(X, **side)
    assert_array_equal(found["corrected_label"], corrector.predict(X, **side))
    done = trace["changed"] | trace["flagged"]
    assert_array_equal(found["rule"], np.where(done, trace["rule"], ""))
    assert_array_equal(found["flagged"], trace["flagged"])
    assert_allclose(found["margin"], trace["margin"], rtol=near, atol=near)
    assert done.sum() >= at_least
    return found


@pytest.mark.parametrize(
    "detector",
    [None, LogisticDetector(), IntervalDetector(random_state=0)],
    ids=["Fisher", "logistic", "boxes"],
)
def test_rules_that_compete(model, detector):
    corrector = fitted(model, detector=detector)
    assert len(corrector.rules_.active) > 2
    X = draw(4000, 2)[0]
    found = same(asked_alone(corrector, X), corrector, X)
    assert {"card", "loan"} <= set(found["corrected_label"])


def test_a_box_beside_a_line_keeps_its_place(model):
    line = fitted(model, confusions=["card"])
    box = fitted(model, confusions=["loan"], detector=IntervalDetector(random_state=0))
    for first, second in ((line, box), (box, line)):
        book = first.rules_.extend(*second.rules_.rules)
        both = first.with_rules(book)
        both.certify(*draw(4000, 3))
        X = draw(4000, 2)[0]
        assert {"card", "loan"} <= set(
            same(asked_alone(both, X), both, X)["corrected_label"]
        )


def test_a_threshold_below_the_tail_of_a_scale(model):
    # so large a budget reaches down to where the scale has many knots
    corrector, X = fitted(model, max_damage=0.4), draw(4000, 2)[0]
    same(asked_alone(corrector, X), corrector, X)


def test_every_class_has_its_threshold(model):
    corrector, X = fitted(model, per="class"), draw(4000, 2)[0]
    same(asked_alone(corrector, X), corrector, X)


@pytest.mark.parametrize("names", [["web", "shop"], [7, 11]], ids=["text", "numbers"])
def test_every_segment_has_its_threshold(model, names):
    side = {"segment": np.array(names)[np.arange(4000) % 2]}
    corrector, X = fitted(model, per="segment", side=side), draw(4000, 2)[0]
    same(asked_alone(corrector, X, **side), corrector, X, **side)
    other = {"segment": np.full(4000, "phone" if names[0] == "web" else 5)}
    same(asked_alone(corrector, X, **other), corrector, X, at_least=0, **other)


def test_segments_of_which_nothing_is_certified(model):
    side = {"segment": np.array(["web", "shop"])[np.arange(400) % 2]}
    with pytest.warns(NotCertifiedWarning):
        corrector = fitted(model, 400, per="segment", side=side, max_damage=0.001)
    X = draw(400, 2)[0]
    found = same(asked_alone(corrector, X, **side), corrector, X, at_least=0, **side)
    assert_array_equal(found["corrected_label"], model.predict(X))


def test_nothing_is_written_while_all_is_switched_off(model, monkeypatch):
    corrector = fitted(model)
    monkeypatch.setenv("RARECORRECT_DISABLE", "1")
    for alone in (True, False):
        with pytest.raises(ValueError, match="RARECORRECT_DISABLE is set"):
            to_onnx(corrector, alone=alone)


def test_flags_keep_the_label(model):
    corrector, X = fitted(model, action="flag"), draw(4000, 2)[0]
    assert same(asked_alone(corrector, X), corrector, X)["flagged"].any()


@pytest.mark.parametrize("labels", [(0, 1, 2, 3), (False, True, True, True)])
def test_labels_are_numbers_or_truth_values(labels):
    model = LogisticRegression().fit(*draw(1000, 0, new=0, labels=labels))
    X, y = draw(4000, 1, labels=labels)
    corrector = ErrorCorrector(model, max_damage=0.05, random_state=0).fit(X, y)
    found = same(asked_alone(corrector, X), corrector, X)
    assert found["corrected_label"].dtype == corrector.predict(X).dtype
    same(run(to_onnx(corrector), X=X.to_numpy()), corrector, X, near=1e-7)


def test_columns_picked_by_name_are_refused_in_words():
    picking = make_column_transformer((StandardScaler(), COLUMNS[:3]))
    model = make_pipeline(picking, LogisticRegression()).fit(*draw(1000, 0, new=0))
    with pytest.raises(ValueError, match=r"picks columns by name.*alone=True"):
        to_onnx(fitted(model))


def test_labels_that_are_fractions_are_refused():
    labels = (0.0, 1.0, 2.0, 3.0)
    model = LogisticRegression().fit(*draw(1000, 0, new=0, labels=labels))
    X, y = draw(4000, 1, labels=labels)
    corrector = ErrorCorrector(model, max_damage=0.05, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="labels that are all int, all str or all"):
        to_onnx(corrector)


@pytest.mark.parametrize("action", ["relabel", "flag"])
def test_a_label_that_nobody_knows(model, action):
    corrector, X = fitted(model, action=action), draw(4000, 2)[0]
    legacy = np.full(len(X), "never seen")
    decided = corrector.rules_.decide(corrector.features_.read(X).features, legacy)
    found = asked_alone(corrector, X, legacy=legacy.astype(object))
    assert_array_equal(found["rule"] != "", decided.fires)
    assert_array_equal(found["margin"] > 0, decided.fires)
    kept = found["rule"] == ""
    assert set(found["corrected_label"][kept]) <= {"never seen"}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_cannot_be_scored_keeps_its_label(model, bad):
    corrector, X = fitted(model), draw(300, 3)[0]
    reading = corrector.features_.read(X)
    changed = np.flatnonzero(corrector.predict(X) != reading.labels)
    Z = reading.features.copy()
    Z[changed[0], 0] = bad
    found = run(to_onnx(corrector, alone=True), features=Z, label=reading.labels)
    assert found["corrected_label"][changed[0]] == reading.labels[changed[0]]
    assert found["margin"][changed[0]] == -np.inf
    others = np.setdiff1d(np.arange(300), changed[0])
    after = corrector.predict(X)
    assert_array_equal(found["corrected_label"][others], after[others])


def test_a_book_without_rules_or_certificate_changes_nothing(model):
    corrector, X = fitted(model), draw(300, 3)[0]
    empty = corrector.with_rules(corrector.rules_.disable_all())
    same(asked_alone(empty, X), empty, X, at_least=0)
    with pytest.warns(NotCertifiedWarning):
        few = fitted(model, n=200, max_damage=0.001)
    assert few.rules_.active and not few.rules_.certified
    same(asked_alone(few, X), few, X, at_least=0)


def test_no_rows(model):
    made = to_onnx(fitted(model), alone=True)
    found = run(made, features=np.empty((0, 4)), label=np.empty(0, dtype=object))
    assert {values.shape for values in found.values()} == {(0,)}


def test_trees_cannot_be_written(model):
    corrector = fitted(model, detector=TreesDetector(3))
    with pytest.raises(ValueError, match="is a TreesDetector: only linear rules and"):
        to_onnx(corrector)


def test_a_box_that_auto_chose(model):
    detector = AutoDetector(
        max_damage=0.05, candidates=[("box", IntervalDetector())], random_state=0
    )
    corrector, X = fitted(model, detector=detector), draw(4000, 2)[0]
    same(asked_alone(corrector, X), corrector, X)


@pytest.mark.parametrize(
    ("legacy", "features"),
    [
        (LogisticRegression(), "auto"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "auto"),
        (
            make_pipeline(StandardScaler(), LogisticRegression()),
            ["step:standardscaler", "logits"],
        ),
        (make_pipeline(StandardScaler(), MLPClassifier((6,), max_iter=20)), "auto"),
        (MLPClassifier((6, 5), activation="tanh", max_iter=20), ["hidden:0", "logits"]),
        (SGDClassifier(random_state=0), "auto"),
        (
            FixedThresholdClassifier(
                LogisticRegression(), threshold=0.9, pos_label="it's late"
            ),
            "auto",
        ),
        (
            TunedThresholdClassifierCV(
                GradientBoostingClassifier(n_estimators=5), random_state=0
            ),
            "input",
        ),
        (HistGradientBoostingClassifier(max_iter=20), "input"),
        (ExtraTreesClassifier(31, random_state=0), "input"),
    ],
    ids=[
        "linear",
        "pipeline",
        "step",
        "hidden",
        "layer",
        "hinge",
        "threshold",
        "tuned threshold",
        "boosted",
        "trees",
    ],
)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_graph_with_the_legacy_model(legacy, features):
    X, y = draw(1000, 0, new=0)
    legacy.fit(X.to_numpy(), y)  # a frame or an array: the graph gets a table
    corrector = ErrorCorrector(
        FrozenEstimator(legacy), features=features, max_damage=0.05, random_state=0
    )
    X, y = draw(4000, 1)
    corrector.fit(X.to_numpy(), y)
    X = draw(4000, 2)[0].to_numpy()
    found = same(run(to_onnx(corrector), X=X), corrector, X, near=1e-7)
    assert_array_equal(found["legacy_label"], legacy.predict(X))


def test_three_classes_have_centred_logits():
    model = LogisticRegression().fit(*draw(1000, 0, new=1))
    corrector, X = fitted(model, features="logits"), draw(4000, 2)[0]
    assert len(corrector.features_.names_) == 3
    same(run(to_onnx(corrector), X=X.to_numpy()), corrector, X, near=1e-7)


def test_a_frozen_model_inside_another():
    X, y = draw(1000, 0, new=0)
    inner = FrozenEstimator(LogisticRegression().fit(X, y))
    model = CalibratedClassifierCV(inner).fit(X, y)
    corrector, X = fitted(model, features="auto"), draw(4000, 2)[0]
    same(run(to_onnx(corrector), X=X.to_numpy()), corrector, X, near=1e-7)
    assert isinstance(model.calibrated_classifiers_[0].estimator, FrozenEstimator)


def test_missing_values_are_filled_in_the_graph():
    def gappy(n, seed):
        X, y = draw(n, seed)
        X.iloc[::7, 0] = np.nan
        return X, y

    X, y = gappy(1000, 0)
    model = HistGradientBoostingClassifier(max_iter=20).fit(X, y != "ok")
    named = ErrorCorrector(model, features="input", max_damage=0.05, random_state=0)
    X, y = gappy(4000, 1)
    corrector = named.fit(X, (y != "ok") ^ (y == "card"))
    assert len(corrector.features_.names_) == 5
    X = gappy(4000, 2)[0]
    same(run(to_onnx(corrector), X=X.to_numpy()), corrector, X)


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        ("auto", "too coarse for thresholds"),
        (lambda X: np.asarray(X) ** 2, "have no form in ONNX"),
    ],
    ids=["scores of trees", "a function"],
)
def test_features_that_cannot_be_written(features, reason):
    model = HistGradientBoostingClassifier(max_iter=20).fit(*draw(1000, 0, new=0))
    corrector, X = fitted(model, features=features), draw(4000, 2)[0]
    with pytest.raises(ValueError, match=f"{reason}.*alone=True"):
        to_onnx(corrector)
    same(asked_alone(corrector, X), corrector, X)


def test_a_model_that_converts_to_another_is_refused(model, monkeypatch):
    corrector = fitted(model)
    other = LogisticRegression().fit(draw(1000, 5)[0], draw(1000, 0, new=0)[1])
    monkeypatch.setattr("rarecorrect.export._legacy.thawed", lambda _: other)
    with pytest.raises(ValueError, match="synthetic rows get another label"):
        to_onnx(corrector)


def test_the_logarithm_of_a_small_probability_keeps_its_digits(model):
    corrector = fitted(model, features="logits")
    X = draw(300, 2)[0]
    X["amount"] = np.linspace(3, 6, 300)
    assert model.predict_proba(X)[:, list(model.classes_).index("ok")].min() < 1e-9
    names = Names.of(corrector.classes_.tolist(), "labels")
    graph = _legacy._converted(model, corrector, names, "double")
    *_, found = run(graph, X=X.to_numpy()).values()
    assert_allclose(found, corrector.features_.read(X).features, rtol=1e-12)


def test_what_a_graph_says_of_itself(model):
    corrector = fitted(model, per="class", max_damage={"ok": 0.05, "it's late": 0.1})
    name = corrector.rules_.active[0].name
    book = corrector.rules_.with_expiry(name, "2999-12-31")
    made = to_onnx(corrector.with_rules(book), alone=True)
    said = {entry.key: entry.value for entry in made.metadata_props}
    assert json.loads(said["rules"]) == [rule.name for rule in book.active]
    assert json.loads(said["features"]) == COLUMNS
    for stratum in ("ok", "it's late"):
        assert f"{stratum}: {book.certificate(stratum)}" in said["certificate"]
    assert f"{name}: expires 2999-12-31" in said["certificate"]
    assert {"rarecorrect", "skl2onnx"} <= set(json.loads(said["versions"]))


def test_a_missing_extra_is_named(model, monkeypatch):
    corrector = fitted(model)
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'rarecorrect\[onnx\]'"):
        to_onnx(corrector)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("detector", [None, IntervalDetector(random_state=0)])
def test_only_rows_at_a_threshold_differ(detector, alone):
    X, y = draw(1000, 0, new=0)
    model = LogisticRegression().fit(X.to_numpy(), y)
    corrector = ErrorCorrector(
        model, detector=detector, max_damage=0.05, per="class", random_state=0
    )
    X, y = draw(4000, 1)
    corrector.fit(X.to_numpy(), y)
    rows = onnx_close.close_rows(corrector, X.to_numpy(), 2000, alone=alone)
    found = onnx_close.compared(corrector, rows)
    assert found["clear, other answer"] == 0
    assert 200 < found["near"] < 1900
    assert 200 < found["changed"] < 1900


def test_an_amount_at_stake_is_part_of_the_margin(model):
    corrector = fitted(model, value="amount")
    X, _ = draw(3000, 7)  # amounts of both signs: those below 0 are never changed
    X.iloc[:3, 0] = [0.0, np.nan, np.inf]
    labels = model.predict(X.fillna(0.0).replace(np.inf, 0.0))
    alone = run(
        to_onnx(corrector, alone=True),
        features=X.to_numpy(dtype=float),
        label=labels,
    )
    finite = X.iloc[3:].reset_index(drop=True)
    found = {name: values[3:] for name, values in alone.items()}
    same(found, corrector, finite)
    assert (alone["margin"][:3] == -np.inf).all()
    assert not alone["flagged"][:3].any() and (alone["rule"][:3] == "").all()
    same(run(to_onnx(corrector), X=finite.to_numpy(dtype=float)), corrector, finite)
