"""Loading: roles of columns, encodings, and errors that name the way out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rarecorrect_tabular.loader import load_transactions, table_from_frame
from rarecorrect_tabular.schema import Schema, detect_schema


def small() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "when": ["2024-01-02 12:00", "2024-01-01 06:00", "2024-01-03 00:00"],
            "amount": [1.5, 2.5, 3.5],
            "channel": ["web", "shop", "web"],
            "is_fraud": [0, 1, 0],
            "note": ["a", "b", "c"],
        }
    )


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
def test_roles_are_no_features_and_rows_come_in_order(
    tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"mine{ending}"
    frame = small()
    if ending == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    table = load_transactions(path, label="is_fraud", time="when", drop=["note"])
    assert list(table.features) == ["amount", "channel"]
    assert table.time is not None
    assert table.time.tolist() == [0.25, 1.5, 2.0]
    assert table.label.tolist() == [True, False, False]
    assert table.schema.name == "mine"


def test_a_clock_change_moves_no_row_to_another_day() -> None:
    """On 31 March a day in Paris had 23 hours; half past midnight lies on the third."""
    times = pd.to_datetime(["2024-03-30 00:00", "2024-04-02 00:30"]).tz_localize(
        "Europe/Paris"
    )
    frame = small().iloc[:2].assign(when=times)
    schema = Schema("t", label="is_fraud", time="when", drop=("note",))
    found = table_from_frame(frame, schema).time
    assert found is not None
    np.testing.assert_allclose(found, [0, 3 + 0.5 / 24])


def test_categories_are_learnt_from_the_given_rows_only() -> None:
    schema = Schema("t", label="is_fraud", time="when", drop=("note",))
    table = table_from_frame(small(), schema)
    X, names = table.matrix(np.array([0]))
    assert names == ["amount", "channel_shop"]
    assert X.tolist() == [[2.5, 1.0], [1.5, 0.0], [3.5, 0.0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "is_frod"}, "no column 'is_frod'; did you mean 'is_fraud'"),
        ({"label": "amount"}, "must hold 0 and 1"),
        ({"time": "note"}, "neither numbers nor dates"),
        ({"drop": ["note", "amount", "channel"]}, "no column is left"),
    ],
)
def test_declarations_that_cannot_be_met(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    small().to_csv(tmp_path / "t.csv", index=False)
    roles = {"label": "is_fraud", "time": "when"} | change
    with pytest.raises(ValueError, match=message):
        load_transactions(tmp_path / "t.csv", **roles)  # type: ignore[arg-type]


def test_missing_labels_are_counted() -> None:
    frame = small().assign(is_fraud=[0, np.nan, 1])
    with pytest.raises(ValueError, match="missing in 1 rows"):
        table_from_frame(frame, Schema("t", label="is_fraud"))


def test_unknown_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file"):
        load_transactions(tmp_path / "none.csv")
    (tmp_path / "t.xls").write_text("x")
    with pytest.raises(ValueError, match=r"must end in \.csv"):
        load_transactions(tmp_path / "t.xls")
    small().to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(ValueError, match="no known data set"):
        load_transactions(tmp_path / "t.csv")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "header.csv").write_text("is_fraud,amount\n")
    (tmp_path / "cut.csv.gz").write_bytes(b"\x1f\x8b\x08\x00")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 this is none")
    for name, message in [
        ("empty.csv", "'empty.csv' cannot be read"),
        ("header.csv", "'header.csv' has no rows"),
        ("cut.csv.gz", "'cut.csv.gz' cannot be read"),
        ("broken.parquet", "'broken.parquet' cannot be read"),
    ]:
        with pytest.raises(ValueError, match=message):
            load_transactions(tmp_path / name, label="is_fraud")


def test_roles_declared_for_a_known_data_set_count(
    tmp_path: Path, frame: pd.DataFrame
) -> None:
    path = tmp_path / "cards.csv"
    frame.head(2000).assign(secret=frame["TX_FRAUD"], late=1.0).to_csv(
        path, index=False
    )
    plain = load_transactions(path)
    assert "secret" in plain.features
    table = load_transactions(path, drop=["secret"], time="TX_TIME_DAYS")
    assert "secret" not in table.features
    assert not any("RISK" in name for name in table.features)
    assert table.schema.name == "handbook"
    assert table.time is not None
    assert set(table.time) == set(frame["TX_TIME_DAYS"].head(2000).astype(float))
    with pytest.raises(ValueError, match="no column 'nope'"):
        load_transactions(path, customer="nope")


def test_known_data_sets_are_told_by_their_columns(frame: pd.DataFrame) -> None:
    assert detect_schema(frame.columns).name == "handbook"
    assert detect_schema(["category", "label", "split", "duration"]).name == "nsl-kdd"


def test_leaks_and_identifiers_of_the_handbook_are_no_features(table: object) -> None:
    names = list(table.features)  # type: ignore[attr-defined]
    assert "TX_AMOUNT" in names
    assert not any("RISK" in n or "TX_TIME" in n or "FRAUD" in n for n in names)
    assert not {"TERMINAL_ID", "CUSTOMER_ID", "TRANSACTION_ID"} & set(names)
