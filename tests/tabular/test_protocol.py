"""No leak, no shared rows, the product itself, and a second implementation."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.linalg import inv
from scipy.stats import binom

from rarecorrect import ErrorCorrector, certified_threshold
from rarecorrect_tabular.comparison import POOLED, paired_differences
from rarecorrect_tabular.legacy import default_legacy
from rarecorrect_tabular.loader import TransactionTable
from rarecorrect_tabular.methods import METHODS, fisher
from rarecorrect_tabular.protocol import (
    CROSS_FITTED,
    NULL,
    WHOLE,
    Outcome,
    Plan,
    change_scores,
    run_task,
)
from rarecorrect_tabular.statistics import (
    Bootstrap,
    null_verdicts,
    separability_verdicts,
)
from rarecorrect_tabular.task import CorrectionTask, Sizes, make_draw
from rarecorrect_tabular.tasks import hidden_type_matrix, make_task

SIZES = Sizes(2000, 4000, 4000)
PLAN = Plan(
    draws={5: 3, 20: 3},
    readings=("as seen", "clean"),
    damages=(0.01,),
    permutations=3,
    retraining_draws=1,
    sizes=SIZES,
)


def test_labels_of_the_hidden_type_change_no_feature_and_no_legacy_decision(
    table: TransactionTable,
) -> None:
    of_type = table.fraud_type == "3"
    # the same rows, had nobody ever found out about the type
    blind = replace(table, label=table.label & ~of_type)
    rows = np.arange(100)
    X, names = hidden_type_matrix(table, "3", rows)
    Y, _ = hidden_type_matrix(blind, "3", rows)
    np.testing.assert_array_equal(X, Y)
    assert "terminal_risk_7d" in names
    known, _ = hidden_type_matrix(table, "1", rows)
    assert (known != X).any()  # the columns do look at labels


def test_the_training_window_has_no_row_of_the_hidden_type(
    table: TransactionTable, task: CorrectionTask
) -> None:
    assert table.time is not None and table.fraud_type is not None
    inside = (table.time >= 30) & (table.time < 75)
    n_type = int((inside & (table.fraud_type == "3")).sum())
    assert n_type > 20
    assert task.n_type_train == n_type
    assert task.n_legacy_rows == int(inside.sum()) - n_type


@pytest.mark.parametrize("reading", ["as seen", "clean"])
@pytest.mark.parametrize("k", [5, None])
def test_rows_of_a_draw_have_one_role(
    task: CorrectionTask, reading: str, k: int | None
) -> None:
    draw = make_draw(task, reading, k, 0, sizes=SIZES)
    parts = [draw.cases, draw.background, draw.calibration, draw.removed]
    joined = np.concatenate(parts)
    assert np.unique(joined).size == joined.size
    assert np.isin(joined, task.pool).all()
    assert not np.isin(joined, task.test).any()
    assert task.case[draw.cases].all()
    unlabelled = np.setdiff1d(task.pool_cases, draw.cases)
    others = np.concatenate([draw.background, draw.calibration])
    if reading == "clean":
        assert task.right[others].all()
        np.testing.assert_array_equal(np.sort(draw.removed), unlabelled)
    elif k is not None:
        # nobody has labelled them: they pass for right wherever they were drawn
        hidden = others[~task.right[others]]
        assert hidden.size > 0
        assert np.isin(hidden, unlabelled).all()


def test_readings_share_cases_and_more_cases_contain_fewer(
    task: CorrectionTask,
) -> None:
    few = make_draw(task, "as seen", 5, 1, sizes=SIZES)
    clean = make_draw(task, "clean", 5, 1, sizes=SIZES)
    many = make_draw(task, "as seen", 20, 1, sizes=SIZES)
    np.testing.assert_array_equal(few.cases, clean.cases)
    assert np.isin(few.cases, many.cases).all()
    other = make_draw(task, "as seen", 5, 2, sizes=SIZES)
    assert set(other.cases) != set(few.cases)


def test_draws_that_cannot_be_made(task: CorrectionTask) -> None:
    with pytest.raises(ValueError, match="99999 needed"):
        make_draw(task, "clean", 99_999, 0)
    with pytest.raises(ValueError, match="'seen'"):
        make_draw(task, "seen", 5, 0)


@pytest.mark.parametrize("k", [5, 20])
@pytest.mark.parametrize("damage", [0.001, 0.01])
def test_fisher_of_the_benchmark_is_the_product(
    table: TransactionTable, k: int, damage: float
) -> None:
    """ErrorCorrector on the same rows decides alike, but spends no idle budget."""
    assert table.time is not None
    task = make_task(table, "3", sizes=SIZES)
    draw = make_draw(task, "clean", k, 0, sizes=SIZES)
    scorer = fisher(task, draw)
    calibration = change_scores(task, scorer(draw.calibration), draw.calibration)
    threshold = certified_threshold(calibration, damage).threshold

    # rebuilt as a user would: the legacy model, raw columns, labels
    window = [(30, 75), (75, 140)]
    parts = [np.flatnonzero((table.time >= a) & (table.time < b)) for a, b in window]
    parts[0] = parts[0][table.fraud_type[parts[0]] != "3"]
    X = hidden_type_matrix(table, "3", parts[0])[0]
    legacy = default_legacy(0).fit(X[parts[0]], table.label[parts[0]].astype(int))
    rows = np.concatenate(parts)
    used = np.concatenate([draw.background, draw.cases, draw.calibration])
    mask = np.arange(used.size) >= used.size - draw.calibration.size
    corrector = ErrorCorrector(legacy, max_damage=damage, ledger=False, random_state=0)
    y = table.label[rows[used]].astype(int)
    corrector.fit(X[rows[used]], y, calibration_mask=mask)
    test = X[rows[task.test]]
    changed = corrector.predict(test) != legacy.predict(test)

    rule = corrector.rules_.active[0]
    least = max(threshold, rule.raw_threshold(rule.worth))
    fired = change_scores(task, scorer(task.test), task.test) > least
    assert fired.sum() >= 5
    np.testing.assert_array_equal(changed, fired)


def plain_fisher(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Direction from pooled covariances, written down once more."""
    scale = X.std(axis=0) + 1e-12
    Xs, Ys = (X - X.mean(0)) / scale, (Y - X.mean(0)) / scale
    cov = np.cov(Xs.T)
    n, p = Ys.shape
    own = n / (n + p)
    spread = own * np.cov(Ys.T) + (1 - own) * cov
    total = cov + spread
    total += 1e-3 * np.trace(total) / p * np.eye(p)
    return inv(total) @ Ys.mean(0) / scale


def plain_logistic(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Newton steps for balanced classes and the usual penalty C = 1."""
    A = np.vstack([X, Y])
    mean, sd = A.mean(0), A.std(0) + 1e-12
    A = np.hstack([(A - mean) / sd, np.ones((len(A), 1))])
    y = np.r_[np.zeros(len(X)), np.ones(len(Y))]
    weight = np.where(y == 1, len(y) / (2 * len(Y)), len(y) / (2 * len(X)))
    ridge = np.r_[np.ones(X.shape[1]), 0.0]
    b = np.zeros(A.shape[1])
    for _ in range(60):
        p = 1 / (1 + np.exp(-np.clip(A @ b, -500, 500)))
        gradient = A.T @ (weight * (p - y)) + ridge * b
        hessian = (A.T * (weight * p * (1 - p))) @ A + np.diag(ridge + 1e-9)
        b -= np.linalg.solve(hessian, gradient)
    return b[:-1] / sd


def plain_gain(
    task: CorrectionTask, w: np.ndarray, draw: object
) -> tuple[float, float]:
    """Curve and certified gain at a damage of 1 %, without the library."""
    rows = [draw.calibration, task.test]  # type: ignore[attr-defined]
    calibration, test = (
        np.where(task.changeable[r], task.Z[r].astype(float) @ w, -np.inf) for r in rows
    )
    right, case = test[task.right[task.test]], test[task.case[task.test]]
    curve = np.sort(right)[::-1][int(0.01 * right.size)]
    k = max(
        k
        for k in range(calibration.size)
        if binom.cdf(k, calibration.size, 0.01) <= 0.05
    )
    certified = np.sort(calibration)[::-1][k]
    return float(np.mean(case > curve)), float(np.mean(case > certified))


@pytest.mark.parametrize(
    ("name", "plain"), [("Fisher", plain_fisher), ("logistic", plain_logistic)]
)
@pytest.mark.parametrize("label", ["1", "3"])
def test_agrees_with_a_plain_implementation(
    table: TransactionTable, label: str, name: str, plain: object
) -> None:
    task = make_task(table, label, sizes=SIZES)
    plan = replace(PLAN, draws={20: 4}, readings=("as seen",), permutations=1)
    frame = pd.DataFrame(
        run_task(task, plan, {"Fisher": fisher} | {name: METHODS[name]}).rows
    )
    ours = frame[(frame["method"] == name) & (frame["window"] == WHOLE)]
    theirs = []
    for number in range(4):
        draw = make_draw(task, "as seen", 20, number, sizes=SIZES)
        X, Y = (task.Z[r].astype(float) for r in (draw.background, draw.cases))
        theirs.append(plain_gain(task, plain(X, Y), draw))  # type: ignore[operator]
    for column, values in zip(
        ["curve_gain", "certified_gain"], np.transpose(theirs), strict=True
    ):
        error = max(float(ours[column].sem()), 1 / task.n_test_cases)
        assert ours[column].mean() > 0.1
        assert abs(ours[column].mean() - values.mean()) <= 2 * error


@pytest.fixture(scope="module")
def outcome(task: CorrectionTask) -> object:
    names = ["Fisher", "logistic", "retraining", "threshold tuning"]
    return run_task(task, PLAN, {n: METHODS[n] for n in names})


def test_rows_of_a_run(task: CorrectionTask, outcome: object) -> None:
    frame = pd.DataFrame(outcome.rows)  # type: ignore[attr-defined]
    whole = frame[(frame["method"] == "Fisher") & (frame["window"] == WHOLE)]
    assert len(whole) == 2 * 2 * 3
    # certified, and kept on a still later window of the same world
    assert whole["certified"].all()
    assert (whole["realised_damage"] < 0.02).all()
    weeks = frame[(frame["method"] == "Fisher") & (frame["window"] != WHOLE)]
    assert set(weeks["window"]) == {
        "days 112-118",
        "days 119-125",
        "days 126-132",
        "days 133-139",
    }
    first = weeks.groupby(["reading", "k", "draw"])["n_test_positives"].sum()
    assert (first == task.n_test_cases).all()
    # five cases of a burst of small payments are worth more than none
    tuned = frame[frame["method"] == "threshold tuning"]["curve_gain"].mean()
    assert whole["curve_gain"].mean() > tuned


def test_verdicts_of_a_run(outcome: object) -> None:
    frame = pd.DataFrame(outcome.rows)  # type: ignore[attr-defined]
    null = null_verdicts(frame, outcome)  # type: ignore[arg-type]
    assert null.loc[null["k"] == "20", "above"].all()
    assert (separability_verdicts(frame)["verdict"] == "separable").all()
    paired = paired_differences(outcome)  # type: ignore[arg-type]
    # three draws: too few to choose a best peer
    assert set(paired["peer"]) == {"logistic", "retraining", "threshold tuning"}
    assert (paired["low"] <= paired["difference"]).all()
    assert (paired["difference"] <= paired["high"]).all()


def test_few_test_errors_are_pooled_over_the_numbers_of_cases() -> None:
    rng = np.random.default_rng(0)
    few = Outcome()
    for k, n_draws in (("5", 4), ("20", 2)):
        cell = ("data", "task", "clean", k, 0.01)
        few.hits[*cell, "Fisher", "curve"] = list(rng.random((n_draws, 60)) < 0.9)
        few.hits[*cell, "peer", "curve"] = list(rng.random((n_draws, 60)) < 0.4)
    found = paired_differences(few)
    assert set(found["k"]) == {POOLED}
    own = [
        np.mean(few.hits["data", "task", "clean", k, 0.01, "Fisher", "curve"])
        for k in ("5", "20")
    ]
    peer = [
        np.mean(few.hits["data", "task", "clean", k, 0.01, "peer", "curve"])
        for k in ("5", "20")
    ]
    row = found[found["peer"] == "peer"].iloc[0]
    # each number of cases counts alike, however many draws it has
    assert row["difference"] == pytest.approx(np.mean(own) - np.mean(peer))
    assert 0.3 < row["low"] < row["difference"] < row["high"] < 0.7
    assert row["n_draws"] == 6
    many = Outcome(
        hits={key: [np.tile(m, 2) for m in masks] for key, masks in few.hits.items()}
    )
    assert list(dict.fromkeys(paired_differences(many)["k"])) == ["5", "20"]


def test_all_cases_are_not_run_twice(task: CorrectionTask) -> None:
    n = task.pool_cases.size
    plan = replace(PLAN, draws={5: 2, n: 2, None: 1}, readings=("clean",))
    assert [k for _, k, _ in plan.cells(task)] == [5, None]
    alone = replace(plan, draws={n: 2, n + 1: 2})
    assert [k for _, k, _ in alone.cells(task)] == [n]


def test_errors_that_look_like_right_decisions_are_not_separable(
    task: CorrectionTask,
) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=task.Z.shape).astype(np.float32)
    plan = replace(PLAN, draws={20: 2}, readings=("clean",), permutations=8)
    found = run_task(replace(task, Z=noise), plan, {"Fisher": fisher})
    frame = pd.DataFrame(found.rows)
    assert {NULL, CROSS_FITTED} < set(frame["method"])
    words = set(separability_verdicts(frame)["verdict"])
    assert words == {"not separable from these features"}
    assert not null_verdicts(frame, found)["above"].any()


def test_a_task_without_errors_is_noted_not_run(task: CorrectionTask) -> None:
    nothing = replace(task, case=np.zeros_like(task.case))
    found = run_task(nothing, PLAN, METHODS)
    assert not found.rows
    assert "0 errors in the correction window" in found.notes[0]


def test_the_bootstrap_covers_a_known_mean() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(100):
        effect = 0.4 + 0.1 * rng.normal(size=(10, 1)) + 0.2 * rng.normal(size=(1, 80))
        _, low, high = Bootstrap(trial).interval("", [effect])
        covered += low <= 0.4 <= high
    assert 82 <= covered <= 100


@pytest.mark.needs_boosting
def test_xgboost_finds_what_it_has_seen(task: CorrectionTask) -> None:
    draw = make_draw(task, "clean", None, 0, sizes=SIZES)
    scores = METHODS["XGBoost"](task, draw)(draw.fitting)
    assert scores[draw.is_error].min() > np.quantile(scores[~draw.is_error], 0.9)


def test_every_method_scores_every_row(task: CorrectionTask) -> None:
    draw = make_draw(task, "as seen", 5, 0, sizes=SIZES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("ExtraTrees", "shrunken LDA", "retraining"):
            scores = METHODS[name](task, draw)(task.test[:500])
            assert scores.shape == (500,)
            assert np.isfinite(scores).all()
