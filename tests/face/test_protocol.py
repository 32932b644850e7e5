"""The protocol: roles of rows, draws, controls, and what is read off the curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from rarecorrect import FisherDetector
from rarecorrect_face.case import make_case, make_draw
from rarecorrect_face.feature_table import FeatureTable
from rarecorrect_face.plan import Plan
from rarecorrect_face.protocol import NULL, RETRAINED, WITH, WITHOUT, run_case, steps
from rarecorrect_face.result import CaseResult

MakeTable = Callable[..., FeatureTable]
Array = NDArray[Any]

PLAN = Plan(draws={5: 3, None: 2}, permutations=20, background=200)


class Answer:
    """A detector whose first column is the answer."""

    def fit(self, Z: Array, is_error: Array) -> Answer:
        return self

    def decision_function(self, Z: Array) -> Array:
        return Z[:, 0]


def fisher(damage: float, seed: int) -> FisherDetector:
    return FisherDetector()


def with_answer(table: FeatureTable, label: str) -> FeatureTable:
    answer = (table.labels == label).astype(np.float32)[:, None]
    return replace(table, features={"answer": answer, **table.features})


@pytest.fixture(scope="module")
def table(table_of: MakeTable) -> FeatureTable:
    return table_of("happy")


@pytest.fixture(scope="module")
def reference(table_of: MakeTable) -> FeatureTable:
    return table_of(None)


@pytest.fixture(scope="module")
def result(table: FeatureTable, reference: FeatureTable) -> CaseResult:
    case = make_case(table, "happy", reference=reference)
    return run_case(case, PLAN, {"Fisher": fisher})


@pytest.fixture(scope="module")
def rows(result: CaseResult) -> pd.DataFrame:
    return pd.DataFrame(result.rows)


def test_no_row_has_two_roles(table: FeatureTable) -> None:
    case = make_case(table, "happy")
    roles = [
        case.unseen_right,
        case.seen_right,
        case.errors,
        case.calibration,
        case.test,
    ]
    together = np.concatenate(roles)
    assert np.unique(together).size == together.size
    assert not table.duplicate[case.calibration].any()
    assert set(table.split[case.unseen_right]) == {"fit"}
    assert set(table.split[case.seen_right]) == {"train"}
    assert (table.labels[case.errors] == "happy").all()
    right = np.concatenate([case.unseen_right, case.seen_right, case.calibration])
    assert (table.decisions[right] == table.labels[right]).all()


def test_training_faces_of_a_class_that_the_network_does_not_know_are_errors(
    table: FeatureTable,
) -> None:
    unmarked = replace(
        table, split=np.where(table.split == "fit", "train", table.split)
    )
    case, marked = make_case(unmarked, "happy"), make_case(table, "happy")
    np.testing.assert_array_equal(case.errors, marked.errors)
    assert case.unseen_right.size == 0
    # but training faces of a class that it knows are not
    with pytest.raises(ValueError, match="lacks two errors to learn from"):
        make_case(unmarked, "sad")


def test_more_errors_contain_fewer(table: FeatureTable) -> None:
    case = make_case(table, "happy")
    few, many, other = (
        make_draw(case, k, number, seed=0, background=50)
        for k, number in ((5, 0), (20, 0), (5, 1))
    )
    found = [set(d.fitting[d.is_error].tolist()) for d in (few, many, other)]
    assert [len(f) for f in found] == [5, 20, 5]
    assert found[0] < found[1]
    assert found[0] != found[2]
    seen = np.isin(few.fitting, case.seen_right)
    assert seen.sum() == 50 and few.fitting.size == case.unseen_right.size + 55
    with pytest.raises(ValueError, match="9999 errors asked for, of"):
        make_draw(case, 9999, 0, seed=0, background=0)
    nothing = replace(case, unseen_right=case.unseen_right[:0])
    with pytest.raises(ValueError, match="no right decision of split fit"):
        make_draw(nothing, 5, 0, seed=0, background=0)


def test_a_detector_that_sees_the_answer_repairs_all(table: FeatureTable) -> None:
    case = make_case(with_answer(table, "happy"), "happy")
    found = run_case(case, PLAN, {"answer": lambda damage, seed: Answer()})
    run = pd.DataFrame(found.rows).query("method == 'answer'")
    assert (run["curve_gain"] == 1).all()
    assert (run["certified_gain"] == 1).all()
    assert (run["realised_damage"] == 0).all()
    assert (run["retention_at_gain_80"] == 1).all()
    assert all(hits.all() for hits in found.hits.values())
    after = found.confusions["after"]
    at = found.names.index("happy")
    assert after[at, at] == after[at].sum() > 0


def test_the_null_control_repairs_about_what_it_damages(table: FeatureTable) -> None:
    # in few dimensions a random direction now and then is one that tells the class
    noise = np.random.default_rng(0).normal(size=(len(table), 60)).astype(np.float32)
    noisy = replace(table, features={**table.features, "noise": noise})
    found = run_case(make_case(noisy, "happy"), PLAN, {"Fisher": fisher})
    rows = pd.DataFrame(found.rows).query("k == 'all' and copies == 'without'")
    null = rows[rows["method"] == NULL]
    assert len(null) == 20 * len(PLAN.damages)
    for damage in PLAN.damages:
        gains = null.loc[null["damage"] == damage, "curve_gain"]
        assert damage / 3 < gains.mean() < 2 * damage
    real = rows[rows["method"] == "Fisher"]
    assert real["curve_gain"].min() > 2 * null["curve_gain"].max()


def test_the_retrained_network_is_judged_on_the_same_decisions(
    rows: pd.DataFrame, result: CaseResult, reference: FeatureTable
) -> None:
    own = rows[rows["method"] == RETRAINED]
    assert set(own["k"]) == {"5", "all"}
    assert own["curve_gain"].between(0.5, 1).all()
    facts = result.facts
    assert facts["macro_f1_before_without"] < 0.6 < facts["macro_f1_retrained_without"]
    test = (reference.split == "test") & ~reference.duplicate
    right = (reference.decisions == reference.labels)[test].mean()
    counts = result.confusions["retrained"]
    assert np.trace(counts) / counts.sum() == pytest.approx(right)


def test_the_reference_may_have_its_faces_in_another_order(
    table: FeatureTable, reference: FeatureTable
) -> None:
    order = np.random.default_rng(1).permutation(len(reference))
    shuffled = replace(
        reference,
        features={name: values[order] for name, values in reference.features.items()},
        **{
            name: getattr(reference, name)[order]
            for name in ("logits", "labels", "split", "duplicate", "ids")
        },
    )
    straight, found = (
        make_case(table, "happy", reference=r).retrained for r in (reference, shuffled)
    )
    assert straight is not None and found is not None
    np.testing.assert_array_equal(straight.score, found.score)
    np.testing.assert_array_equal(straight.decisions, found.decisions)


def test_a_reference_of_other_faces_is_refused(
    table: FeatureTable, reference: FeatureTable
) -> None:
    others = replace(reference, ids=np.char.add("x", reference.ids))
    with pytest.raises(ValueError, match="ids must agree"):
        make_case(table, "happy", reference=others)
    moved = replace(reference, ids=np.roll(reference.ids, 1))
    with pytest.raises(ValueError, match=r"is .* here and .* in the reference"):
        make_case(table, "happy", reference=moved)


@pytest.mark.parametrize("missing", ["fit", "calibration", "test"])
def test_a_table_without_a_part_is_refused(table: FeatureTable, missing: str) -> None:
    kept = np.flatnonzero(table.split != missing)
    part = replace(
        table,
        features={name: values[kept] for name, values in table.features.items()},
        **{
            name: getattr(table, name)[kept]
            for name in ("logits", "labels", "split", "duplicate", "ids")
        },
    )
    with pytest.raises(ValueError, match=rf"happy: the table lacks .*{missing}"):
        make_case(part, "happy")


def test_copies_count_in_the_second_column_only(
    rows: pd.DataFrame, table: FeatureTable
) -> None:
    is_error = (table.split == "test") & (table.labels == "happy")
    run = rows[rows["certified"].notna()]
    n = run.groupby("copies")["n_test_errors"].unique().map(list).to_dict()
    assert n == {
        WITH: [is_error.sum()],
        WITHOUT: [(is_error & ~table.duplicate).sum()],
    }


def test_gain_and_retention_are_two_readings_of_one_curve(
    result: CaseResult, rows: pd.DataFrame
) -> None:
    retention, gain = result.curves["Fisher"]
    row = rows[
        (rows["method"] == "Fisher")
        & (rows["k"] == "all")
        & (rows["draw"] == 0)
        & (rows["copies"] == WITHOUT)
        & (rows["damage"] == 0.05)
    ].iloc[0]
    assert row["curve_gain"] == gain[retention >= 0.95].max()
    assert row["retention_at_gain_80"] == retention[gain >= 0.8].max()
    hits = result.hits["all", 0.05, "Fisher", "curve"]
    assert hits.shape == (2, row["n_test_errors"])
    assert hits[0].mean() == row["curve_gain"]


def test_slow_methods_get_fewer_draws(table: FeatureTable) -> None:
    case = make_case(table, "happy")
    methods = {"Fisher": fisher, "cascade": fisher}
    told: list[str] = []
    found = run_case(case, PLAN, methods, on_draw=told.append)
    assert len(told) == steps(case, PLAN, methods) == 3 + 2 + 1 + 1
    run = pd.DataFrame(found.rows).query("copies == 'with' and damage == 0.01")
    assert run.groupby("method").size().to_dict() == {"Fisher": 5, "cascade": 2}


def test_a_class_that_is_kept_but_read_badly(table_of: MakeTable) -> None:
    table = replace(table_of(None, spread=2.5), target="sad")
    case = make_case(table, "sad")
    assert (case.before[case.errors] != "sad").all()
    found = run_case(case, replace(PLAN, protocol="rare"), {"Fisher": fisher})
    rows = pd.DataFrame(found.rows)
    assert set(rows["protocol"]) == {"rare"}
    # decisions that say the class already are right or wrong, and stay as they are
    before, after = (found.confusions[name] for name in ("before", "after"))
    at = found.names.index("sad")
    assert (after[:, at] >= before[:, at]).all()


def test_a_decision_that_says_the_class_already_is_never_changed(
    table_of: MakeTable,
) -> None:
    table = with_answer(replace(table_of(None, spread=2.5), target="sad"), "sad")
    case = make_case(table, "sad")
    plan = replace(PLAN, protocol="rare", permutations=0)
    found = run_case(case, plan, {"answer": lambda damage, seed: Answer()})
    rows = pd.DataFrame(found.rows)
    # the detector is as sure of right decisions for the class as of the errors
    assert (rows["curve_gain"] == 1).all()
    assert (rows["realised_damage"] == 0).all()


def test_a_checkpoint_comes_back_as_it_was(result: CaseResult, tmp_path: Any) -> None:
    path = tmp_path / "happy.npz"
    assert CaseResult.load(path, "a") is None
    result.save(path, "a")
    again = CaseResult.load(path, "a")
    assert again is not None
    assert (again.label, again.names, again.facts) == (
        "happy",
        result.names,
        result.facts,
    )
    pd.testing.assert_frame_equal(pd.DataFrame(again.rows), pd.DataFrame(result.rows))
    for name in ("hits", "curves", "confusions"):
        before, after = getattr(result, name), getattr(again, name)
        assert list(before) == list(after)
        for key, values in before.items():
            np.testing.assert_array_equal(after[key], values)
    assert CaseResult.load(path, "b") is None
    path.write_bytes(path.read_bytes()[:-100])
    assert CaseResult.load(path, "a") is None


def test_an_unknown_protocol() -> None:
    with pytest.raises(ValueError, match=r"protocol must be one of .* got 'some'"):
        Plan(protocol="some")
