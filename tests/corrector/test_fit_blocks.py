"""A fit from blocks: the same for every size of block, and the same as in memory."""

from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from rarecorrect import (
    ColumnModel,
    ErrorCorrector,
    NotCertifiedWarning,
    TrainingRowsWarning,
    load,
    row_shelf,
    save,
)
from rarecorrect import blocks as blocks_module
from rarecorrect.blocks import Block, ParquetBlocks, array_blocks
from rarecorrect.detectors import FisherDetector
from rarecorrect.hash_sample import row_hashes
from rarecorrect.row_shelf import RowShelf
from rarecorrect.streaming import room
from rarecorrect.verify import verify

from .helpers import NAMES, corrector_of, quietly, segments

pytestmark = pytest.mark.usefixtures("small_chunks")


def blocks_of(data, size=100, **side):
    return array_blocks(data.X, data.y, block_rows=size, **side)


def from_blocks(data, size=100, side=None, **options):
    return corrector_of(data, **options).fit_blocks(
        blocks_of(data, size, **(side or {}))
    )


def certified_by(corrector):
    return {
        (entry.kind, stratum, c.threshold, c.n_calibration, c.n_allowed, c.n_exceeding)
        for entry in corrector.rules_.current
        for stratum, c in entry.certificates.items()
    }


@settings(max_examples=12)
@given(sizes=st.lists(st.integers(0, 500), min_size=1, max_size=6))
@pytest.mark.parametrize("per", [None, "class"])
def test_the_size_of_the_blocks_changes_nothing(outbreak, sizes, per):
    whole = from_blocks(outbreak, 1200, per=per)
    ends = np.minimum(np.cumsum(sizes), 1200).tolist()
    given = [
        Block(outbreak.X[i:j], outbreak.y[i:j])
        for i, j in zip([0, *ends], [*ends, 1200], strict=True)
    ]
    found = corrector_of(outbreak, per=per).fit_blocks(given)
    assert certified_by(found) == certified_by(whole)
    assert found.rules_.identities != frozenset()
    assert found.rules_.digests == whole.rules_.digests  # to the last bit
    assert_array_equal(found.predict(outbreak.X_new), whole.predict(outbreak.X_new))
    assert_array_equal(found.calibration_indices_, whole.calibration_indices_)


DETECTORS = {
    "fisher": None,
    "two clusters": FisherDetector(n_clusters=2, random_state=0),
    "logistic": LogisticRegression(),
}


@pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS)
@pytest.mark.parametrize("per", [None, "class", "segment"])
def test_with_the_same_roles_a_fit_in_memory_gives_the_same(outbreak, detector, per):
    side = {"segment": segments(1200)} if per == "segment" else {}
    options = {"per": per, "detector": detector, "max_damage": 0.1}
    streamed = quietly(lambda: from_blocks(outbreak, 130, side, **options))
    mask = np.zeros(1200, dtype=bool)
    mask[streamed.calibration_indices_] = True
    # in memory, the folds of cross-fitting are drawn in the order of the rows
    right = np.flatnonzero(outbreak.model.predict(outbreak.X) == outbreak.y)
    hashes = row_hashes(0, 1200, streamed._seed)
    teach = right[~mask[right]]
    wrong = np.setdiff1d(np.arange(1200), right)
    order = [*teach[np.argsort(hashes[teach])], *wrong, *right[mask[right]]]
    side = {name: values[order] for name, values in side.items()}
    whole = corrector_of(outbreak, **options)
    quietly(
        lambda: whole.fit(
            outbreak.X[order], outbreak.y[order], calibration_mask=mask[order], **side
        )
    )
    assert len(streamed.rules_) == len(whole.rules_) > 0
    for mine, its in zip(streamed.rules_, whole.rules_, strict=True):
        assert (mine.name, mine.n_errors, mine.n_background) == (
            its.name,
            its.n_errors,
            its.n_background,
        )
        assert mine.log_share == pytest.approx(its.log_share, rel=1e-12)
        if its.coef is not None:
            assert_allclose(mine.coef, its.coef, rtol=1e-9, atol=1e-10)
        assert_allclose(mine.left_out, its.left_out, rtol=1e-7)
    for a, b in zip(
        sorted(certified_by(streamed), key=str),
        sorted(certified_by(whole), key=str),
        strict=True,
    ):
        assert (a[:2], a[3:]) == (b[:2], b[3:])
        assert a[2] == pytest.approx(b[2], rel=1e-7)
    assert (streamed.report_.n_rows, streamed.report_.legacy_accuracy) == (
        whole.report_.n_rows,
        whole.report_.legacy_accuracy,
    )
    asked = {"segment": segments(len(outbreak.X_new))} if per == "segment" else {}
    assert_array_equal(
        streamed.predict(outbreak.X_new, **asked),
        whole.predict(outbreak.X_new, **asked),
    )


def test_linear_rules_learn_from_all_right_decisions_not_from_the_sample(
    outbreak, monkeypatch
):
    monkeypatch.setattr(room, "MOST_BACKGROUND", 60)
    streamed = from_blocks(outbreak, per="class", max_damage=0.2)
    mask = np.zeros(1200, dtype=bool)
    mask[streamed.calibration_indices_] = True
    whole = corrector_of(outbreak, per="class", max_damage=0.2)
    whole.fit(outbreak.X, outbreak.y, calibration_mask=mask)
    for mine, its in zip(streamed.rules_, whole.rules_, strict=True):
        assert_allclose(mine.coef, its.coef, rtol=1e-9, atol=1e-10)
        assert mine.n_background == its.n_background > 60
    assert streamed.report_.n_background == whole.report_.n_background
    assert_allclose(streamed._usual.means, whole._usual.means, rtol=1e-10)
    kept = streamed.rules_.background
    assert kept.weight + len(kept.sample) == whole.report_.n_background


def test_other_detectors_learn_from_the_sample_and_say_so(outbreak, monkeypatch):
    monkeypatch.setattr(room, "MOST_BACKGROUND", 60)
    found = from_blocks(outbreak, detector=LogisticRegression(), max_damage=0.2)
    assert found.report_.n_background == 60
    assert max(rule.n_background for rule in found.rules_) <= 60


def test_what_comes_out_can_do_all_that_others_can(outbreak, tmp_path):
    found = from_blocks(outbreak, keep_errors=True, side={"case_id": np.arange(1200)})
    assert found.rules_.certified
    trace = found.trace(outbreak.X_new)
    assert trace["changed"].any()
    assert len(found.explain(outbreak.X_new).frame) == trace["changed"].sum()
    assert "learnt from" in str(found.report_)
    known = {i for rule in found.rules_ for i in rule.case_ids}
    wrong = np.flatnonzero(outbreak.model.predict(outbreak.X) != outbreak.y)
    assert known == set(wrong.tolist())
    path = tmp_path / "corrector.rarecorrect"
    save(found, path, with_background=True)
    rows = dict(
        zip(
            found.features_.names_,
            found.features_.read(outbreak.X).features.T,
            strict=True,
        )
    )
    rows["@decision"] = outbreak.model.predict(outbreak.X)
    claims = verify(path.read_bytes(), rows=rows)
    assert [claim for claim in claims if claim[0] == "FAIL"] == []
    assert any(
        "scores, from the rows" in claim and v == "PASS" for v, claim, _ in claims
    )
    again = load(path, estimator=outbreak.model)
    assert_array_equal(again.predict(outbreak.X_new), found.predict(outbreak.X_new))
    more = quietly(lambda: again.add(outbreak.X_new[:1] + 9, [7]))
    assert len(more.rules_) == len(found.rules_) + 1
    assert more.rules_.entries[-1].fingerprint == found.rules_.entries[0].fingerprint


def test_rows_in_the_sample_are_forgotten_and_others_are_not_denied(
    outbreak, monkeypatch
):
    whole = from_blocks(outbreak)
    right = outbreak.model.predict(outbreak.X) == outbreak.y
    teach = np.setdiff1d(np.flatnonzero(right), whole.calibration_indices_)
    gone = [teach[3], whole.calibration_indices_[5], np.flatnonzero(~right)[2]]
    left = quietly(lambda: whole.forget(outbreak.X[gone], outbreak.y[gone]))
    assert left.report_.n_background == whole.report_.n_background - 1
    assert left.calibration_indices_.size == whole.calibration_indices_.size - 1
    monkeypatch.setattr(room, "MOST_BACKGROUND", 40)
    partly = from_blocks(outbreak)
    with pytest.raises(ValueError, match=r"knows only 40 of the .* that it"):
        partly.forget(outbreak.X[teach], outbreak.y[teach])


def test_errors_beyond_the_most_are_counted_and_rare_kinds_stay(outbreak, monkeypatch):
    monkeypatch.setattr(room, "MOST_ERRORS", 60)
    found = from_blocks(outbreak)
    wrong = outbreak.model.predict(outbreak.X) != outbreak.y
    kinds = np.unique(outbreak.y[wrong], return_counts=True)
    expected = {
        k: min(n, 20) for k, n in zip(*(v.tolist() for v in kinds), strict=True)
    }
    assert {rule.to: rule.n_errors for rule in found.rules_} == expected
    assert found.report_.n_apart == wrong.sum() - sum(expected.values())
    assert f"not learnt from  {found.report_.n_apart:,} errors" in str(found.report_)


def test_of_many_rows_so_many_calibrate_and_the_others_do_nothing(
    outbreak, monkeypatch
):
    monkeypatch.setattr(room, "MOST_CALIBRATION", 150)
    found = from_blocks(outbreak, 77)
    whole = found.rules_.certificate()
    assert whole.n_calibration == found.calibration_indices_.size == 150
    everything = set(range(1200))
    predicted = outbreak.model.predict(outbreak.X)
    right = set(np.flatnonzero(predicted == outbreak.y).tolist())
    assert set(found.calibration_indices_.tolist()) <= right < everything
    assert found.report_.n_background < len(right) - 150


@pytest.mark.parametrize("per", [None, "class"])
def test_rows_that_are_displaced_leave_the_disk(outbreak, monkeypatch, per):
    monkeypatch.setattr(room, "MOST_CALIBRATION", 60)
    options = {"max_damage": 0.2, "per": per}
    expected = from_blocks(outbreak, **options)
    monkeypatch.setattr(blocks_module, "_CHUNK_ROWS", (16, 16))
    sizes, put = [], RowShelf.put

    def counted(self, rows):
        places = put(self, rows)
        sizes.append(len(self))
        return places

    monkeypatch.setattr(RowShelf, "put", counted)
    found = from_blocks(outbreak, **options)
    assert max(sizes) <= 2 * found.calibration_indices_.size + 16
    assert any(np.diff(sizes) < 0)  # some were thrown away
    assert certified_by(found) == certified_by(expected)
    assert_array_equal(found.calibration_indices_, expected.calibration_indices_)


def test_a_small_budget_is_given_the_rows_that_it_needs(outbreak, monkeypatch):
    monkeypatch.setattr(room, "MOST_CALIBRATION", 10)
    assert from_blocks(outbreak).rules_.certified  # 10 would not do


def test_alerts_are_counted_among_errors_too(outbreak):
    found = from_blocks(outbreak, max_damage=None, alert_budget=0.6)
    (entry,) = found.rules_.current
    (certificate,) = entry.certificates.values()
    assert certificate.certified
    n_right = found.calibration_indices_.size
    n_wrong = int(np.isinf(entry.scores[entry.scores > 0]).sum())
    assert certificate.n_calibration == n_right + n_wrong
    wrong = np.mean(outbreak.model.predict(outbreak.X) != outbreak.y)
    share = n_wrong / certificate.n_calibration
    assert abs(share - wrong) < 4 * np.sqrt(
        wrong * (1 - wrong) / certificate.n_calibration
    )


def test_rows_may_say_whether_they_calibrate(outbreak):
    mask = np.arange(1200) >= 600
    found = from_blocks(outbreak, side={"calibration_mask": mask})
    right = outbreak.model.predict(outbreak.X) == outbreak.y
    assert_array_equal(found.calibration_indices_, np.flatnonzero(right & mask))


def test_frames_and_parquet_give_what_arrays_give(outbreak, tmp_path):
    frame = pd.DataFrame(outbreak.X, columns=NAMES)
    model = LogisticRegression().fit(frame, outbreak.model.predict(frame.to_numpy()))
    frame.assign(truth=outbreak.y).to_parquet(tmp_path / "1.parquet", row_group_size=90)
    expected = corrector_of(outbreak, model=model).fit_blocks([(frame, outbreak.y)])
    read = ParquetBlocks(tmp_path, label="truth", block_rows=64)
    found = corrector_of(outbreak, model=model).fit_blocks(read)
    assert found.rules_.digests == expected.rules_.digests
    assert list(found.feature_names_in_) == NAMES
    assert certified_by(found) == certified_by(expected)


def test_missing_values_are_filled_as_the_first_rows_say(outbreak):
    X = outbreak.X.copy()
    X[::50, 1] = np.nan
    score = ColumnModel(score=0, threshold=0.0)
    y = (X[:, 0] >= 0).astype(int)
    y[X[:, 2] > 6] ^= 1
    made = ErrorCorrector(score, features="input", max_damage=0.1, random_state=0)
    made.fit_blocks(array_blocks(X, y, block_rows=99))
    assert made.features_.fills_missing_
    assert np.isfinite([rule.coef for rule in made.rules_]).all()
    X[:256, 1] = 0.0
    with pytest.raises(ValueError, match="row 300 holds nan in feature 1"):
        again = ErrorCorrector(
            score, features="input", calibration_fraction=0.001, random_state=0
        )
        again.fit_blocks(array_blocks(X, y))
    X[300, 1] = np.inf
    with pytest.raises(ValueError, match="row 300 holds inf in feature 1"):
        again.fit_blocks(array_blocks(X, y))


def test_without_errors_the_legacy_answer_stays(outbreak):
    y = outbreak.model.predict(outbreak.X)
    with pytest.warns(NotCertifiedWarning, match="no errors to learn from"):
        found = corrector_of(outbreak).fit_blocks(array_blocks(outbreak.X, y))
    assert_array_equal(
        found.predict(outbreak.X_new), outbreak.model.predict(outbreak.X_new)
    )


def test_where_nothing_is_right_nothing_is_learnt(outbreak):
    y = np.full(1200, 7)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = corrector_of(outbreak).fit_blocks(array_blocks(outbreak.X, y))
    assert any("0 right decisions" in str(w.message) for w in caught)
    assert not found.trace(outbreak.X_new)["changed"].any()


def test_too_few_rows_are_told(outbreak):
    few = array_blocks(outbreak.X[:80], outbreak.y[:80])
    with pytest.warns(NotCertifiedWarning, match="more are missing"):
        corrector_of(outbreak, max_damage=0.001).fit_blocks(few)


def test_rows_of_the_training_are_noticed(outbreak):
    y = outbreak.model.predict(outbreak.X)
    y[:3] = 2
    with pytest.warns(TrainingRowsWarning, match="far above legacy_accuracy"):
        corrector_of(outbreak, legacy_accuracy=0.7).fit_blocks([(outbreak.X, y)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": RandomForestClassifier()}, "RandomForestClassifier is not fitted"),
        ({"shuffle": False}, "shuffle=False holds out the last rows"),
        ({"features": ["logits", StandardScaler()]}, "StandardScaler is not fitted"),
        ({"per": "segment"}, "per='segment' needs segment="),
    ],
)
def test_what_needs_all_rows_is_refused(outbreak, options, message):
    with pytest.raises(ValueError, match=message):
        from_blocks(outbreak, **options)


def test_labels_of_another_kind_are_refused_when_they_come(outbreak):
    y = outbreak.y.astype(object)
    y[700:] = "two"
    with pytest.raises((ValueError, TypeError), match="labels"):
        corrector_of(outbreak).fit_blocks(array_blocks(outbreak.X, y, block_rows=100))


def test_missing_labels_are_refused(outbreak):
    y = outbreak.y.astype(float)
    y[900] = np.nan
    with pytest.raises(ValueError, match="1 missing labels"):
        corrector_of(outbreak).fit_blocks(array_blocks(outbreak.X, y))


def test_memory_does_not_grow_with_the_rows(monkeypatch):
    monkeypatch.setattr(blocks_module, "_CHUNK_ROWS", (1024, 1024))
    monkeypatch.setattr(room, "MOST_CALIBRATION", 5000)
    monkeypatch.setattr(room, "MOST_BACKGROUND", 2000)
    monkeypatch.setattr(row_shelf, "_IN_MEMORY", 2**16)

    def stream(n_blocks):
        for i in range(n_blocks):
            rng = np.random.default_rng(i)
            X = rng.normal(size=(1000, 16)).astype(np.float32)
            y = (X[:, 0] > 2).astype(int)
            X[:3, 1:4] += 6
            y[:3] = 1
            yield X, y

    def peak(n_blocks):
        corrector = ErrorCorrector(
            ColumnModel(score=0, threshold=2.0), features="input", random_state=0
        )
        tracemalloc.start()
        corrector.fit_blocks(stream(n_blocks))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert corrector.report_.n_rows == 1000 * n_blocks
        return found

    peak(2)  # whatever is imported or cached at first
    assert peak(80) < 1.25 * peak(20)


def test_a_fit_that_is_interrupted_changes_nothing(outbreak):
    corrector = from_blocks(outbreak)
    before, book = corrector.predict(outbreak.X_new), corrector.rules_
    kept = dict(vars(corrector))

    def blocks():
        yield outbreak.X[:, ::-1].copy(), outbreak.y
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        corrector.fit_blocks(blocks())
    assert corrector.rules_ is book
    assert vars(corrector) == kept
    assert_array_equal(corrector.predict(outbreak.X_new), before)


def test_days_are_not_looked_at_and_a_number_a_day_needs_them(outbreak):
    time = np.arange(len(outbreak.y)) / 30.0
    blocks = list(array_blocks(outbreak.X, outbreak.y, time=time))
    corrector_of(outbreak).fit_blocks(blocks)
    with pytest.raises(ValueError, match="fit_blocks certifies no number of alerts"):
        corrector_of(outbreak, alert_budget="5/day").fit_blocks(blocks)


def test_with_a_mask_all_of_it_certifies_a_share_of_alerts(outbreak):
    mask = np.arange(len(outbreak.y)) % 2 == 0
    options = {"max_damage": None, "alert_budget": 0.5}
    blocks = array_blocks(outbreak.X, outbreak.y, calibration_mask=mask)
    found = corrector_of(outbreak, **options).fit_blocks(blocks)
    assert found.rules_.current[0].certificates[None].n_calibration == mask.sum()
