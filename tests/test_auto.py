"""AutoDetector: chosen by evidence, never clearly worse than its best member."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from rarecorrect import ErrorCorrector
from rarecorrect.cross_fitting import cross_scores
from rarecorrect.detectors import (
    AutoDetector,
    FisherDetector,
    IntervalDetector,
    LogisticDetector,
    TreesDetector,
    _evidence,
)
from rarecorrect.metrics import gain_at_retention
from rarecorrect.tail_scale import TailScale

FEW = [("Fisher", FisherDetector()), ("logistic", LogisticDetector(n_passes=1))]


def cases(kind, n_errors=40, seed=0, n_right=3000):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_right + n_errors, 6))
    errors = rows[n_right:]
    if kind == "line":  # every column says a little
        errors += 1.5
    elif kind == "box":  # one column says it all
        errors[:, 2] = rng.uniform(4, 5, n_errors)
    elif kind == "ring":  # around the right decisions, on all sides
        errors[:, :3] *= 5
    return rows, np.arange(len(rows)) >= n_right


class Broken(FisherDetector):
    def fit(self, X, y, sample_weight=None):
        raise RuntimeError("out of order")


def weights(detector):
    return {c.name: c.weight for c in detector.candidates_}


def test_what_cannot_help_gets_no_weight():
    rows, is_error = cases("line", 200)
    noise = ("noise", KNeighborsClassifier(1, metric=lambda a, b: (a[5] - b[5]) ** 2))
    constant = ("constant", DummyClassifier())
    part = np.r_[0:400, 3000:3200]
    detector = AutoDetector(candidates=[*FEW, constant, noise], random_state=0)
    detector.fit(rows[part], is_error[part])
    found = weights(detector)
    assert found["constant"] == found["noise"] == 0
    assert found["Fisher"] > 0.1
    assert_allclose(sum(found.values()), 1)
    assert {name for name, *_ in detector.members_} <= {"Fisher", "logistic"}


def test_few_errors_make_weights_alike_many_tell_members_apart():
    spread = {}
    for n_errors in (5, 400):
        rows, is_error = cases("ring", n_errors)
        members = [("Fisher", FisherDetector()), ("trees", TreesDetector(50))]
        detector = AutoDetector(candidates=members, random_state=0)
        spread[n_errors] = weights(detector.fit(rows, is_error))["Fisher"]
    assert spread[5] > 0.05
    assert spread[400] == 0


@pytest.mark.parametrize("kind", ["line", "box", "ring"])
def test_it_is_never_clearly_worse_than_its_best_member(kind):
    rows, is_error = cases(kind)
    new, new_errors = cases(kind, 1000, seed=1)
    members = [
        ("Fisher", FisherDetector()),
        ("logistic", LogisticDetector()),
        ("trees", TreesDetector(50)),
        ("box", IntervalDetector(max_damage=0.01)),
    ]
    gains = {}
    auto = AutoDetector(candidates=members, random_state=0)
    for name, detector in [*members, ("auto", auto)]:
        score = detector.fit(rows, is_error).decision_function(new)
        gains[name] = gain_at_retention(score, ~new_errors, new_errors, 0.99)
    best = max(value for name, value in gains.items() if name != "auto")
    assert gains["auto"] > best - 0.03


def test_a_box_as_good_as_the_best_is_taken_alone_and_reads_aloud():
    rows, is_error = cases("box", 5)
    detector = AutoDetector(random_state=0).fit(rows, is_error)
    assert weights(detector)["box"] == 1
    assert detector.describe(0.0, list("abcdef")).startswith("c > ")
    rows, is_error = cases("line", 100)
    detector = AutoDetector(candidates=FEW, random_state=0).fit(rows, is_error)
    assert not hasattr(detector, "describe")


def test_no_box_alone_where_the_budget_holds_few_right_decisions():
    rows, is_error = cases("box", 5)
    n_right = int((~is_error).sum())
    enough, too_few = (
        AutoDetector(max_damage=held / n_right, random_state=0).fit(rows, is_error)
        for held in (10.5, 9.5)
    )
    assert enough.box_ is not None
    assert too_few.box_ is None


def test_no_box_alone_where_another_lies_deeper_in_the_tail():
    rng = np.random.default_rng(0)
    rows, is_error = cases("none", 5)
    one_condition = ("box", IntervalDetector(max_conditions=1))
    members = [("Fisher", FisherDetector()), one_condition]
    rows[is_error, :4] = rng.normal(3.0, 0.1, size=(5, 4))
    detector = AutoDetector(candidates=members, random_state=0).fit(rows, is_error)
    evidence = {c.name: c.evidence for c in detector.candidates_}
    assert evidence["box"] > 0.9  # all within the budget, but not far
    assert detector.box_ is None and weights(detector)["Fisher"] > 0
    rows[is_error, 0] += 3  # as far as the line
    assert detector.fit(rows, is_error).box_ is not None


def test_a_box_less_deep_by_noise_is_still_taken_alone(monkeypatch):
    rng = np.random.default_rng(0)
    rows, is_error = cases("none", 30)
    rows[is_error, 0] = rng.normal(6.0, 0.1, 30)
    rows[is_error, 1:4] = rng.normal(2.5, 0.1, size=(30, 3))
    rows[-1, 0] = 2.8  # for the box a few right decisions lie before this one
    one_condition = ("box", IntervalDetector(max_conditions=1))
    members = [("Fisher", FisherDetector()), one_condition]
    detector = AutoDetector(candidates=members, random_state=0)
    assert detector.fit(rows, is_error).box_ is not None
    monkeypatch.setattr(_evidence, "_standard_error", lambda behind: 1e-9)
    assert detector.fit(rows, is_error).box_ is None


def test_trees_count_twice_before_there_is_evidence():
    rows, is_error = cases("box", 30)
    rows[is_error, :4] = 9.0  # every candidate puts every error first
    members = [("Fisher", FisherDetector()), ("trees", TreesDetector(50))]
    detector = AutoDetector(candidates=members, random_state=0).fit(rows, is_error)
    assert_allclose([c.evidence for c in detector.candidates_], 1, atol=0.01)
    assert weights(detector) == pytest.approx({"Fisher": 1 / 3, "trees": 2 / 3})
    detector.set_params(candidates=[*members, ("more", TreesDetector(40))])
    found = weights(detector.fit(rows, is_error))
    assert found == pytest.approx({"Fisher": 0.2, "trees": 0.4, "more": 0.4})


def test_a_box_taken_alone_knows_the_names_of_its_columns():
    rows, is_error = cases("box", 5)
    frame = pd.DataFrame(rows, columns=list("abcdef"))
    detector = AutoDetector(random_state=0).fit(frame, is_error)
    assert detector.box_ is not None
    assert detector.describe().startswith("c > ")
    fresh = detector.box_.decision_function(rows)
    assert_allclose(detector.decision_function(frame), fresh)


def test_a_name_twice_is_refused():
    twice = [("one", FisherDetector()), ("one", TreesDetector(5))]
    with pytest.raises(ValueError, match="every name once, got"):
        AutoDetector(candidates=twice).fit(*cases("line"))


def test_cross_scores_come_from_members_that_did_not_see_the_row():
    rows, is_error = cases("line")
    detector = AutoDetector(candidates=FEW, random_state=3).fit(rows, is_error)
    seed = int(np.random.RandomState(3).randint(2**31 - 1))
    total = np.zeros(len(rows))
    for name, prototype in FEW:
        scores = cross_scores(prototype, rows, is_error, random_state=seed)
        scale = TailScale.from_scores(scores[~is_error])
        total += weights(detector)[name] * scale(scores)
    middle = np.mean([total[is_error].mean(), total[~is_error].mean()])
    assert_allclose(detector.cross_scores_, total - middle)


def test_rows_beyond_the_background_take_no_part_in_the_choice():
    rows, is_error = cases("line")
    detector = AutoDetector(candidates=FEW, max_background=1000, random_state=0)
    detector.fit(rows, is_error)
    assert np.isfinite(detector.cross_scores_).sum() == 1040
    assert np.isfinite(detector.cross_scores_[is_error]).all()


def test_a_linear_member_alone_is_one_linear_form():
    rows, is_error = cases("line")
    alone = AutoDetector(candidates=FEW[:1], random_state=0).fit(rows, is_error)
    [(_, member, _, weight)] = alone.members_
    assert weight == 1 and len(member.models) == 5
    mean = np.mean([model.decision_function(rows) for model in member.models], axis=0)
    assert_allclose(alone.decision_function(rows), mean, atol=1e-9)
    assert_allclose(rows @ alone.coef_[0] + alone.intercept_, mean, atol=1e-9)
    again = alone.set_params(candidates=FEW).fit(rows, is_error)
    assert not hasattr(again, "coef_")


def test_forests_of_the_folds_differ_and_together_are_the_member():
    rows, is_error = cases("ring")
    trees = [("trees", TreesDetector(10))]
    detector = AutoDetector(candidates=trees, random_state=0).fit(rows, is_error)
    models = detector.members_[0][1].models
    each = np.array([model.decision_function(rows) for model in models])
    assert_allclose(detector.decision_function(rows), each.mean(axis=0))
    assert len({m.trees_.estimators_[0].tree_.node_count for m in models}) > 1


def test_boosting_is_tried_from_fifty_errors_on():
    for n_errors, tried in ((49, False), (50, True)):
        detector = AutoDetector(random_state=0).fit(*cases("line", n_errors))
        assert ("boosting" in weights(detector)) == tried


def test_many_columns_are_read_by_one_direction_in_place_of_a_cascade():
    rows, is_error = cases("line", n_right=400)
    wide = np.hstack([rows, np.random.default_rng(1).normal(size=(len(rows), 495))])
    for n_columns, kind in ((500, "cascade"), (501, "Fisher")):
        detector = AutoDetector(random_state=0).fit(wide[:, :n_columns], is_error)
        assert {"cascade", "Fisher"} & {*weights(detector)} == {kind}


def test_a_single_error_leaves_the_first_candidate():
    rows, is_error = cases("line", 1)
    detector = AutoDetector(random_state=0).fit(rows, is_error)
    assert weights(detector)["cascade"] == 1
    assert np.isnan(detector.cross_scores_[is_error]).all()
    assert np.isfinite(detector.cross_scores_[~is_error]).all()


def test_a_candidate_that_fails_is_left_out_with_its_reason():
    rows, is_error = cases("line")
    members = [("broken", Broken()), *FEW]
    detector = AutoDetector(candidates=members, random_state=0).fit(rows, is_error)
    broken = detector.candidates_[0]
    assert (broken.weight, broken.note) == (0.0, "RuntimeError: out of order")
    assert np.isnan(broken.evidence)
    with pytest.raises(ValueError, match=r"no candidate works.*out of order"):
        AutoDetector(candidates=[("broken", Broken())]).fit(rows, is_error)


def test_candidates_without_weights_are_not_tried_on_weighted_rows():
    rows, is_error = cases("line")
    members = [*FEW, ("neighbours", KNeighborsClassifier())]
    detector = AutoDetector(candidates=members, random_state=0)
    detector.fit(rows, is_error, sample_weight=np.ones(len(rows)))
    assert detector.candidates_[2].note == "takes no sample_weight"


def test_rows_of_one_group_are_left_out_together():
    rng = np.random.default_rng(0)
    rows, is_error = cases("none", 60)
    groups = np.arange(len(rows))
    groups[is_error] = np.arange(60) // 6 + 10_000
    rows[is_error] = rng.normal(0, 5, size=(10, 6))[np.arange(60) // 6]  # copies
    members = [("trees", TreesDetector(50)), ("line", LogisticRegression())]
    blind, aware = (
        AutoDetector(candidates=members, random_state=0).fit(
            rows, is_error, groups=given
        )
        for given in (None, groups)
    )
    # copies of an error in the fit look like skill unless whole groups are left out
    assert blind.candidates_[0].evidence > aware.candidates_[0].evidence + 0.05


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_damage": 0}, r"max_damage must lie in \(0, 1\), got 0"),
        ({"max_background": 0}, "max_background must be 1 or more, got 0"),
        ({"candidates": []}, "candidates must hold one classifier at least"),
    ],
)
def test_parameters_out_of_range(options, message):
    rows, is_error = cases("line")
    with pytest.raises(ValueError, match=message):
        AutoDetector(**options).fit(rows, is_error)


# --- in a corrector -------------------------------------------------------------------


def outbreak(seed=0, n=3000):
    """A model that knows two classes; a third one, around them, is new."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    X = rng.normal(size=(n, 5))
    X[:, 0] += 4 * y
    new = rng.random(n) < 0.02
    X[new, 1:4] *= 6
    y[new] = 2
    return X, y


def model():
    X, y = outbreak(seed=9)
    return LogisticRegression().fit(X[y < 2], y[y < 2])


def test_auto_corrects_what_a_line_cannot():
    X, y = outbreak()
    new, y_new = outbreak(1)
    legacy, gains, damages = model(), {}, {}
    for detector in (None, "auto"):
        corrector = ErrorCorrector(
            legacy, detector=detector, max_damage=0.02, random_state=0
        ).fit(X, y)
        after, before = corrector.predict(new), legacy.predict(new)
        gains[detector] = np.mean(after[y_new == 2] == 2)
        damages[detector] = np.mean(after[before == y_new] != before[before == y_new])
    assert gains["auto"] > gains[None] + 0.2
    assert damages["auto"] < 0.02


def test_auto_says_the_same_twice_and_after_storage():
    X, y = outbreak(n=1500)
    new, _ = outbreak(1)
    first, second = (
        ErrorCorrector(model(), detector="auto", max_damage=0.05, random_state=0).fit(
            X, y
        )
        for _ in range(2)
    )
    stored = pickle.loads(pickle.dumps(first))
    expected = first.predict_proba(new).tobytes()
    assert second.predict_proba(new).tobytes() == expected
    assert stored.predict_proba(new).tobytes() == expected


def test_auto_learns_from_one_error_and_with_groups_and_weights():
    X, y = outbreak(n=1500)
    kept = np.flatnonzero((y < 2) | (np.cumsum(y == 2) == 1))
    corrector = ErrorCorrector(model(), detector="auto", confusions=[2], random_state=0)
    corrector.set_params(max_damage=0.05).fit(X[kept], y[kept])
    assert len(corrector.rules_) == 1
    groups = np.arange(1500) // 3
    corrector.fit(X, y, groups=groups, sample_weight=np.ones(1500))
    assert corrector.rules_.certified


@pytest.mark.parametrize("kind", ["ring", "line"])
@pytest.mark.parametrize("names", [("trees",), ("cascade", "logistic", "trees")])
def test_a_bound_tells_the_rows_below_a_score_and_asks_few_trees(
    kind, names, monkeypatch
):
    rows, is_error = cases(kind, 10)
    every = dict(AutoDetector()._prototypes(10, 6))
    members = [(name, every[name]) for name in names]
    detector = AutoDetector(candidates=members, random_state=0).fit(rows, is_error)
    assert "trees" in [name for name, *_ in detector.members_]
    new, _ = cases(kind, 10, seed=1)
    score = detector.decision_function(new)
    votes = []
    tree = type(detector.members_[-1][1].models[0].trees_.estimators_[0])
    vote = tree.predict_proba
    monkeypatch.setattr(
        tree,
        "predict_proba",
        lambda self, X, **rest: (votes.append(len(X)), vote(self, X, **rest))[1],
    )
    for least in np.quantile(score, [0.5, 0.99, 0.999]):
        votes.clear()
        bound = detector.upper_bound(new, least)
        assert (bound >= score).all()
        assert (bound[score > least] > least).all()
    assert np.mean(bound > least) < 0.5
    assert sum(votes) < 0.95 * 250 * len(new)


def test_predict_is_what_the_trace_says_where_trees_decide():
    rows, is_error = cases("ring", 20, n_right=6000)
    model = DummyClassifier().fit(rows[:2], [0, 0])
    auto_rule = AutoDetector(
        candidates=[("trees", TreesDetector(50)), *FEW], random_state=0
    )
    corrector = ErrorCorrector(
        model, features="input", detector=auto_rule, random_state=0
    ).fit(rows, is_error.astype(int))
    new, _ = cases("ring", 200, seed=1)
    after = corrector.trace(new)["after"].to_numpy()
    assert corrector.predict(new).tolist() == after.tolist()
    assert after.sum() > 20
