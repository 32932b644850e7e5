"""Real tables: what is in them, and certificates that keep their word on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from rarecorrect import ErrorCorrector
from rarecorrect_tabular.legacy import default_legacy
from rarecorrect_tabular.loader import (
    TransactionTable,
    load_transactions,
    table_from_frame,
)
from rarecorrect_tabular.schema import HANDBOOK
from rarecorrect_tabular.tasks import hidden_type_matrix

pytestmark = pytest.mark.needs_data
HANDBOOK_FILE = "fraud_handbook_transactions.parquet"
BUDGET = 0.01
DELTA = 0.8 * 0.05  # a fifth of the error probability is kept for edits

Mask = NDArray[np.bool_]


@pytest.fixture(scope="module")
def ulb(data_home: Path) -> TransactionTable:
    return load_transactions(data_home / "ulb_creditcard_subset.parquet")


def test_the_handbook_has_the_rows_and_kinds_that_it_is_known_for(
    data_home: Path,
) -> None:
    handbook = load_transactions(data_home / HANDBOOK_FILE)
    assert handbook.schema.name == "handbook"
    assert len(handbook) == 1_754_155
    assert handbook.fraud_type is not None and handbook.time is not None
    kinds, counts = np.unique(handbook.fraud_type.astype(str), return_counts=True)
    found = dict(zip(kinds.tolist(), counts.tolist(), strict=True))
    assert found == {"none": 1_739_474, "1": 973, "2": 9_077, "3": 4_631}
    per_day = np.bincount(np.floor(handbook.time).astype(int))
    assert per_day.size == 183
    assert 9_000 < per_day.min() < per_day.max() < 10_500
    assert handbook.features.shape[1] == 12
    assert not any("TERMINAL_ID_RISK" in name for name in handbook.features)


def test_ulb_is_a_sample_with_a_known_weight(ulb: TransactionTable) -> None:
    assert ulb.schema.name == "ulb"
    assert (len(ulb), int(ulb.label.sum())) == (14_324, 492)
    columns = [*(f"V{i}" for i in range(1, 29)), "Amount"]
    assert sorted(ulb.features) == sorted(columns)
    assert ulb.time is not None and 0 <= ulb.time.min() < ulb.time.max() < 2
    weighted = ulb.schema.normal_weight * (~ulb.label).sum()
    assert weighted == pytest.approx(284_315)


def test_nsl_kdd_keeps_its_split_and_categories(data_home: Path) -> None:
    table = load_transactions(data_home / "nsl_kdd_train20_test.parquet")
    assert table.schema.name == "nsl-kdd"
    assert table.split is not None and table.fraud_type is not None
    train = np.flatnonzero(table.split == "train20")
    assert (train.size, len(table) - train.size) == (25_192, 22_544)
    kinds = {kind: int((table.fraud_type[train] == kind).sum())
             for kind in ("none", "dos", "probe", "r2l", "u2r")}  # fmt: skip
    assert kinds == {
        "none": 13_449, "dos": 9_234, "probe": 2_289, "r2l": 209, "u2r": 11
    }  # fmt: skip
    assert table.features.shape[1] == 41
    X, names = table.matrix(train)
    assert "protocol_type_tcp" in names and X.shape == (len(table), len(names))
    assert np.isfinite(X).all()


class Trial(NamedTuple):
    """Two correctors of one legacy model, one of them taught right decisions."""

    corrector: ErrorCorrector
    null: ErrorCorrector
    X: NDArray[Any]
    later: NDArray[Any]
    y_later: NDArray[Any]

    def changed(self, corrector: ErrorCorrector, X: NDArray[Any]) -> Mask:
        before = corrector.estimator_.predict(X)
        return np.asarray(corrector.predict(X) != before)

    def gain(self, corrector: ErrorCorrector) -> float:
        missed = self.later[(self.y_later == 1) & ~self._legacy(self.later)]
        assert len(missed) >= 20
        return float(self.changed(corrector, missed).mean())

    def _legacy(self, X: NDArray[Any]) -> Mask:
        return np.asarray(self.corrector.estimator_.predict(X) == 1)


def trial(legacy: Any, X: Any, y: Any, later: Any, y_later: Any) -> Trial:
    """Learn the frauds that the legacy model misses, or other rows, as many."""
    before = legacy.predict(X)
    missed = np.flatnonzero((y == 1) & (before == 0))
    passed = np.flatnonzero((y == 0) & (before == 0))
    other = before.copy()
    other[np.random.default_rng(0).permutation(passed)[: missed.size]] = 1
    corrector, null = (
        ErrorCorrector(
            legacy, max_damage=BUDGET, confusions=[(0, 1)], random_state=0
        ).fit(X, labels)
        for labels in (y, other)
    )
    return Trial(corrector, null, X, later, y_later)


@pytest.fixture(scope="module")
def new_type(data_home: Path) -> Trial:
    """Scenario 3, hidden from days 30-39, learnt on 40-54, a gap, then 62-69."""
    days = [("TX_TIME_DAYS", ">=", 30), ("TX_TIME_DAYS", "<", 70)]
    frame = pd.read_parquet(data_home / HANDBOOK_FILE, filters=days)
    table = table_from_frame(frame, HANDBOOK)
    assert table.time is not None and table.fraud_type is not None
    day, y = 30 + np.floor(table.time), table.label.astype(int)
    # other kinds that the model misses are not what is corrected here
    wanted = np.isin(table.fraud_type.astype(str), ["none", "3"])
    train = np.flatnonzero((day < 40) & (table.fraud_type != "3"))
    now = np.flatnonzero((day >= 40) & (day < 55) & wanted)
    later = np.flatnonzero((day >= 62) & wanted)
    X, _ = hidden_type_matrix(table, "3", train)
    legacy = default_legacy(0).fit(X[train], y[train])
    return trial(legacy, X[now], y[now], X[later], y[later])


@pytest.fixture(scope="module")
def missed(ulb: TransactionTable) -> Trial:
    """Frauds that a model of a random third misses."""
    order = np.random.default_rng(0).permutation(len(ulb))
    train, now, later = np.array_split(order, 3)
    X, y = ulb.matrix(train)[0], ulb.label.astype(int)
    weight = np.where(ulb.label, 1.0, ulb.schema.normal_weight)
    legacy = default_legacy(0).fit(X[train], y[train], sample_weight=weight[train])
    return trial(legacy, X[now], y[now], X[later], y[later])


@pytest.fixture(params=["new_type", "missed"])
def found(request: pytest.FixtureRequest) -> Trial:
    result: Trial = request.getfixturevalue(request.param)
    return result


def test_the_arithmetic_of_the_certificate(found: Trial) -> None:
    certificate = found.corrector.rules_.certificate()
    rows = found.corrector.calibration_indices_
    assert certificate is not None and certificate.certified
    n, k = certificate.n_calibration, certificate.n_allowed
    assert n == rows.size > 1000
    assert binom.cdf(k, n, BUDGET) <= DELTA < binom.cdf(k + 1, n, BUDGET)
    # what the certificate counts is what really happens on these rows
    changed = found.changed(found.corrector, found.X[rows])
    assert changed.sum() <= certificate.n_exceeding <= k


def test_errors_are_learnt_and_other_rows_are_not(found: Trial) -> None:
    gain = found.gain(found.corrector)
    assert gain > 0.3
    assert gain > found.gain(found.null) + 0.2


def test_the_damage_on_later_rows(found: Trial, record_property: Any) -> None:
    """Later rows are not those that the certificate speaks of: a wide bound."""
    for name in ("corrector", "null"):
        corrector = getattr(found, name)
        right = corrector.estimator_.predict(found.later) == found.y_later
        broken = found.changed(corrector, found.later[right])
        damage = broken.mean()
        record_property(f"damage_{name}", damage)
        print(f"{name}: {100 * damage:.3f} % of {right.sum():,} right decisions")
        assert binom.sf(broken.sum() - 1, right.sum(), 1.5 * BUDGET) > 1e-4
