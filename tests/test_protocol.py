from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from rarecorrect import FisherDetector
from rarecorrect.protocol import few_shot_curve, leave_one_class_out


@pytest.fixture(scope="module")
def blobs() -> tuple[np.ndarray, np.ndarray]:
    return make_blobs(3000, centers=4, cluster_std=2.0, n_features=5, random_state=3)


@pytest.fixture(scope="module")
def table(blobs):
    X, y = blobs
    return leave_one_class_out(
        LogisticRegression(max_iter=1000), X, y, max_damage=[0.02, 0.05], seeds=[0, 1]
    )


def test_one_row_per_case(table):
    assert len(table) == 2 * 4 * 2
    assert not table.duplicated(["seed", "class", "detector", "max_damage"]).any()


def test_the_legacy_model_never_repairs_the_class_it_does_not_know(table):
    # every test row of the class is an error before, so F1 must rise with the gain
    better = table["macro_f1_after"] > table["macro_f1_before"]
    assert better[table["certified_gain"] > 0.2].all()


def test_separable_classes_are_repaired_above_the_null(table):
    assert table["curve_gain"].mean() > 0.5
    assert table["above_null"].mean() > 0.5


def test_permuted_labels_repair_about_as_much_as_they_break(table):
    assert table["null_gain"].mean() < 0.10
    assert (table["null_gain"] <= table["null_high"]).all()


def test_intervals_contain_their_estimates(table):
    for name, prefix in (
        ("curve_gain", "curve"),
        ("certified_gain", "certified"),
        ("realised_damage", "damage"),
    ):
        assert (table[f"{prefix}_low"] <= table[name] + 1e-12).all()
        assert (table[name] <= table[f"{prefix}_high"] + 1e-12).all()


def test_a_larger_budget_never_repairs_less(table):
    wide = table.pivot(index=["seed", "class"], columns="max_damage")
    for name in ("curve_gain", "certified_gain", "realised_damage"):
        assert (wide[name][0.05] >= wide[name][0.02]).all()


def test_the_same_seed_gives_the_same_table(blobs):
    X, y = blobs
    options = {"classes": [1], "n_permutations": 2, "seeds": [5]}
    first, second = (
        leave_one_class_out(LogisticRegression(), X, y, **options) for _ in range(2)
    )
    columns = first.columns.drop("seconds")
    assert first[columns].equals(second[columns])


def test_a_given_split_keeps_calibration_and_test_rows_apart(blobs):
    X, y = blobs
    roles = np.array(["train", "correct", "calibrate", "test"])[np.arange(len(y)) % 4]
    table = leave_one_class_out(
        LogisticRegression(), X, y, split=roles, classes=[0], n_permutations=0
    )
    legacy = LogisticRegression().fit(
        X[(roles == "train") & (y != 0)], y[(roles == "train") & (y != 0)]
    )
    calibrates = (roles == "calibrate") & (legacy.predict(X) == y)
    assert table["n_calibration"].iloc[0] == calibrates.sum()
    assert table["n_test_errors"].iloc[0] == ((roles == "test") & (y == 0)).sum()
    assert table["n_errors"].iloc[0] == ((roles == "correct") & (y == 0)).sum()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": ["train"] * 3000}, "missing"),
        ({"split": ["train", "correct", "tset"] * 1000}, "tset"),
        ({"sizes": (0.5, 0.5, 0.5)}, "sizes must be"),
    ],
)
def test_bad_splits_are_refused(blobs, options, words):
    with pytest.raises(ValueError, match=words):
        leave_one_class_out(LogisticRegression(), *blobs, **options)


def test_with_more_errors_there_is_less_luck(blobs):
    table = few_shot_curve(
        LogisticRegression(max_iter=1000),
        *blobs,
        n_errors=[5, 100],
        n_draws=8,
        max_damage=[0.02],
        n_permutations=0,
        detectors={"fisher": FisherDetector()},
    )
    gains = table.groupby(["n_errors", "class"])["curve_gain"]
    spread = gains.std().groupby("n_errors").mean()
    assert spread[100] < spread[5] / 2
    assert (gains.nunique().loc[5] > 1).any()


def test_consecutive_errors_are_neighbours_in_the_order_of_rows(blobs):
    X, y = blobs
    table = few_shot_curve(
        LogisticRegression(max_iter=1000),
        X,
        y,
        n_errors=[3],
        n_draws=2,
        consecutive=True,
        classes=[2],
        n_permutations=0,
    )
    assert table["n_errors"].eq(3).all()


def test_more_errors_than_there_are_is_refused(blobs):
    with pytest.raises(ValueError, match=r"n_errors holds 100000, but class 0 has"):
        few_shot_curve(LogisticRegression(), *blobs, n_errors=[100_000])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_digits_that_a_network_never_saw_come_back():
    """The short form of docs/examples/digits_leave_one_out.py: three digits, a seed."""
    X, y = load_digits(return_X_y=True)
    table = leave_one_class_out(
        MLPClassifier((64,), max_iter=400),
        X / 16,
        y,
        classes=[0, 4, 6],
        max_damage=[0.01, 0.02],
        n_permutations=5,
    ).set_index("max_damage")
    assert table.loc[0.01, "curve_gain"].mean() >= 0.85
    assert table.loc[0.02, "certified_gain"].mean() >= 0.80
    assert (table.loc[0.02, "realised_damage"] < 0.04).all()
    assert table["above_null"].all()
    # the retrained network knows the class, the one before does not
    assert (table["macro_f1_retrained"] > table["macro_f1_before"]).all()
    assert (table["retrained_gain"] > table["null_high"]).all()
