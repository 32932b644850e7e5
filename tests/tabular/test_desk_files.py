"""Reading transaction files: times, labels, ids, in blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rarecorrect_tabular import transactions
from rarecorrect_tabular.transactions import (
    NO_DAY,
    TableWriter,
    TransactionFile,
    binary_labels,
    day_text,
    hashed,
    repeated_ids,
    whole_days,
)


def days_of(values: list[object]) -> list[str]:
    found = whole_days(pd.Series(values))
    return [day_text(int(d)) if d != NO_DAY else "-" for d in found]


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_blocks_are_the_file(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "BLOCK_ROWS", 40)
    frame = pd.DataFrame({"a": range(100), "b": np.arange(100) / 7})
    path = tmp_path / f"rows.{ending}"
    if ending == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    file = TransactionFile.open(path)
    blocks = list(file.blocks(["b"]))
    assert [start for start, _ in blocks] == [0, 40, 80]
    found = np.concatenate([rows["b"] for _, rows in blocks])
    np.testing.assert_allclose(found, frame["b"])


@pytest.mark.parametrize("name", [None, "id"])
def test_a_stored_index_is_no_place(tmp_path: Path, name: str | None) -> None:
    """Part of a frame keeps its row numbers; an index of ids is a column."""
    frame = pd.DataFrame({"id": [7, 12, 9, 8], "b": [0.1, 0.2, 0.3, 0.4]}).iloc[1:]
    path = tmp_path / "rows.parquet"
    (frame if name is None else frame.set_index(name)).to_parquet(path)
    ((start, rows),) = TransactionFile.open(path).blocks(["id", "b"])
    assert start == 0 and rows.index.tolist() == [0, 1, 2]
    assert rows["id"].tolist() == [12, 9, 8]
    assert rows["b"].tolist() == [0.2, 0.3, 0.4]


def test_clock_changes_leave_rows_on_their_day() -> None:
    """The clock goes forward on 31 March, at 2 o'clock; 0:30 is 23:30 in UTC."""
    stamps = pd.date_range("2024-03-30", "2024-04-02", freq="30min", tz="Europe/Paris")
    days = whole_days(stamps.to_series(index=range(len(stamps))))
    names, counts = np.unique(days, return_counts=True)
    assert [day_text(int(d)) for d in names][:3] == [
        "2024-03-30", "2024-03-31", "2024-04-01",
    ]  # fmt: skip
    assert counts[:3].tolist() == [48, 46, 48]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("zone", ["Europe/Paris", "America/New_York", None])
def test_days_of_23_and_25_hours_in_files(
    tmp_path: Path, ending: str, zone: str | None
) -> None:
    """A named zone has them in spring and autumn; stamps without one have 24 hours."""
    short, long = (
        ("03-31", "10-27") if zone != "America/New_York" else ("03-10", "11-03")
    )
    path = tmp_path / f"rows.{ending}"
    for date, hours in ((short, 23), (long, 25)):
        day = pd.Timestamp(f"2024-{date}")
        ends = day - pd.Timedelta(days=1), day + pd.Timedelta(days=2)
        stamps = pd.date_range(*ends, freq="30min", tz=zone, inclusive="left")
        frame = pd.DataFrame({"when": stamps})
        frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
        days = whole_days(TransactionFile.open(path).rows(["when"])["when"])
        names, counts = np.unique(days, return_counts=True)
        assert day_text(int(names[1])) == f"2024-{date}"
        assert counts.tolist() == [48, 2 * (hours if zone else 24), 48]


def test_texts_of_two_offsets_are_read_as_the_clock_on_the_wall() -> None:
    found = days_of(
        ["2024-03-31T00:30:00+01:00", "2024-03-31T23:30:00+02:00", "", None]
    )
    assert found == ["2024-03-31", "2024-03-31", "-", "-"]
    assert days_of(["2024-10-27", "2024-10-27T02:30:00Z"]) == ["2024-10-27"] * 2


def test_an_offset_of_hours_is_read_behind_a_time_only() -> None:
    stamps = [
        "2024-03-31 00:30:00+01", "2024-03-31 23:30:00.123456+02",
        "2024-03-31T12:00-03", "2024-03-31",
    ]  # fmt: skip
    assert days_of(stamps) == ["2024-03-31"] * 4


@pytest.mark.parametrize("wrong", [1_714_564_800, 1.7e12, 20240531, -86_400_000])
def test_seconds_and_dates_as_numbers_are_no_days(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"'when' holds -?[\d.]+, .* by 86,400"):
        whole_days(pd.Series([19_000.5, None, wrong], name="when"))


def test_numbers_are_days() -> None:
    assert whole_days(pd.Series([0.2, 3.9, None])).tolist() == [0, 3, NO_DAY]


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="'when' holds neither dates"):
        whole_days(pd.Series(["soon"], name="when"))


def test_labels_as_they_come() -> None:
    for values in ([1, None, 0], ["1", "", "0"], ["True", None, "False"]):
        np.testing.assert_array_equal(binary_labels(pd.Series(values)), [1, np.nan, 0])
    flags = pd.Series([True, None, False], dtype="boolean")
    np.testing.assert_array_equal(binary_labels(flags), [1, np.nan, 0])
    for wrong in ([0, 2], ["yes", "no"], [0.5, 1]):
        with pytest.raises(ValueError, match="must hold 0 and 1"):
            binary_labels(pd.Series(wrong, name="fraud"))


def test_ids_are_told_apart_over_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "BLOCK_ROWS", 2)
    path = tmp_path / "rows.csv"
    path.write_text("id\n01\n1\n01\n''\n2\n2\n")
    found = repeated_ids(TransactionFile.open(path), "id")
    assert found.tolist() == [False, False, True, False, False, True]


def test_rows_without_an_id_are_not_the_same_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"id": ["a", None, None, "a"]}).to_parquet(path)
    found = repeated_ids(TransactionFile.open(path), "id")
    assert found.tolist() == [False, False, False, True]


@pytest.mark.parametrize("kind", ["int64", "uint64", "int32"])
def test_whole_numbers_stay_exact_beside_a_hole(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Floats would make one of two neighbours beyond 2**53; the second has no hole."""
    monkeypatch.setattr(transactions, "BLOCK_ROWS", 3)
    first = 1 if kind == "int32" else 2**53 + 1
    ids = [first, first + 1, None, first + 2, first + 3]
    path, out = tmp_path / "rows.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"id": pa.array(ids, kind)}), path)
    file = TransactionFile.open(path)
    assert not repeated_ids(file, "id").any()
    writer = TableWriter(out)
    for _, rows in file.blocks(["id"], texts=["id"]):
        writer.write(rows)
    writer.close()
    written = pq.read_table(out)
    assert written.schema.field("id").type == pq.read_schema(path).field("id").type
    assert written["id"].to_pylist() == ids


def test_what_pandas_takes_for_its_index_is_a_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    frame = pd.DataFrame({"a": [1, 2, 9], "b": [4.0, 5.0, 6.0]})
    for kept in (frame.drop(index=1), frame.set_index("a")):
        kept.to_parquet(path)
        file = TransactionFile.open(path)
        assert sorted(file.columns) == ["a", "b"]
        expected = kept.reset_index()[["a", "b"]]
        pd.testing.assert_frame_equal(file.rows(["a", "b"]), expected)


def test_numbers_as_names_of_columns_are_texts(tmp_path: Path) -> None:
    pd.DataFrame({0: [1, 2]}).to_parquet(tmp_path / "rows.parquet")
    file = TransactionFile.open(tmp_path / "rows.parquet")
    assert file.rows(file.columns)["0"].tolist() == [1, 2]


def test_a_fraction_is_no_id() -> None:
    with pytest.raises(ValueError, match=r"'card' holds 1\.5, which is no id"):
        hashed(pd.Series([1.0, None, 1.5], name="card"))


def test_bad_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        TransactionFile.open(tmp_path / "none.csv")
    (tmp_path / "rows.xlsx").write_text("x")
    with pytest.raises(ValueError, match=r"must end in \.csv"):
        TransactionFile.open(tmp_path / "rows.xlsx")
    (tmp_path / "rows.parquet").write_text("no parquet")
    with pytest.raises(ValueError, match="empty, damaged"):
        TransactionFile.open(tmp_path / "rows.parquet")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_is_written_in_parts_is_one_table(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    writer = TableWriter(path)
    for rows in ([1, 2], [], [3]):
        part = pd.DataFrame({"n": np.array(rows, dtype=np.int64)})
        writer.write(part.assign(why=pd.Series(["x"] * len(rows), dtype="string")))
    writer.close()
    assert TransactionFile.open(path).rows(["n"])["n"].tolist() == [1, 2, 3]
