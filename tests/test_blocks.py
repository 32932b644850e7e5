"""Blocks from anywhere, in chunks that do not depend on them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from rarecorrect import blocks as module
from rarecorrect.blocks import Block, ParquetBlocks, array_blocks, chunks


def table(n=50, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 3)).astype("float32"), columns=list("abc"))
    return frame.assign(fraud=rng.integers(0, 2, n), day=np.arange(n) // 9)


def dense(X):
    return X.toarray() if sp.issparse(X) else np.asarray(X)


CONTAINERS = {
    "numpy": lambda X: X,
    "pandas": pd.DataFrame,
    "polars": lambda X: pl.DataFrame(X, schema=["a", "b", "c"]),
    "sparse": sp.csr_matrix,
}


@pytest.mark.parametrize("container", CONTAINERS)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=8))
def test_chunks_do_not_depend_on_the_blocks(container, sizes):
    n = max(1, sum(sizes))
    X = np.random.default_rng(0).normal(size=(n, 3))
    ends = [*np.cumsum(sizes)[:-1].tolist(), n]
    made = CONTAINERS[container]
    given = [
        Block(made(X[i:j]), np.arange(i, j), case_id=np.arange(i, j).astype(str))
        for i, j in zip([0, *ends[:-1]], ends, strict=True)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK_ROWS", (7, 7))
        found = list(chunks(given))
    assert [start for start, _ in found] == list(range(0, n, 7))
    assert all(type(block.X) is type(given[0].X) for _, block in found)
    assert np.array_equal(np.vstack([dense(block.X) for _, block in found]), X)
    for name in ("y", "case_id"):
        joined = np.concatenate([getattr(block, name) for _, block in found])
        assert joined.astype(int).tolist() == list(range(n))


def test_wide_rows_come_in_shorter_chunks():
    (first, block), *_ = chunks([(np.zeros((9000, 512), dtype=np.float32), None)])
    assert (first, len(block.X)) == (0, 2**22 // 512)


def test_a_memory_map_is_read_in_slices(tmp_path):
    X = np.random.default_rng(0).normal(size=(100, 3))
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    found = list(array_blocks(mapped, np.arange(100), block_rows=30))
    assert all(isinstance(block.X, np.memmap) for block in found)
    (_, whole), *_ = chunks(
        [*found[:2], *(Block(np.array(b.X), b.y) for b in found[2:])]
    )
    assert np.array_equal(whole.X, X)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ((np.zeros((2, 4)), [0, 1]), r"block 1 holds array \(4,\) float64, unlike"),
        ((np.zeros((2, 3), "f4"), [0, 1]), r"block 1 holds array \(3,\) float32"),
        ((pd.DataFrame(np.zeros((2, 3))), [0, 1]), "block 1 holds DataFrame"),
        ((np.zeros((2, 3)), ["a", "b"]), "block 1: y is of dtype <U1, in the first"),
        (
            (np.zeros((2, 3)), [0, 1, 0]),
            r"block 1: y must have shape \(2,\), got \(3,\)",
        ),
        ((np.zeros((2, 3)),), "block 1 lacks y, unlike the first block"),
        (Block(np.zeros((2, 3)), [0, 1], time=[1, 2]), "block 1 has time, unlike"),
    ],
)
def test_blocks_that_differ_are_refused(second, message):
    with pytest.raises(ValueError, match=message):
        list(chunks([(np.zeros((2, 3)), [0, 1]), second]))


def test_frames_whose_columns_are_in_another_order_are_refused():
    frame = pd.DataFrame({"a": [1.0], "b": [2.0]})
    with pytest.raises(ValueError, match=r"block 1 holds DataFrame .*'b', 'a'"):
        list(chunks([(frame, [0]), (frame[["b", "a"]], [0])]))


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (np.zeros((2, 3)), "block 0 is a ndarray; blocks are"),
        (([1, 2], [0, 1]), "block 0 holds a list; X must be an array"),
        ((np.zeros(3), [0, 1, 0]), "block 0 holds a ndarray; X must be an array"),
    ],
)
def test_what_is_no_block_is_refused(block, message):
    with pytest.raises(TypeError, match=message):
        list(chunks([block]))


def test_an_iterator_that_is_used_up_is_no_empty_success():
    used = array_blocks(np.zeros((3, 1)), [0, 1, 0])
    list(used)
    with pytest.raises(ValueError, match="no rows in these blocks"):
        list(chunks(used))


@pytest.mark.parametrize("block_rows", [1, 4, 1000])
@pytest.mark.parametrize("as_array", [False, True])
def test_parquet_is_read_whole_and_in_order(tmp_path, block_rows, as_array):
    whole = table()
    for i, part in enumerate([whole[:30], whole[30:31], whole[31:31], whole[31:]]):
        name = tmp_path / f"part-{i}.parquet"
        part.to_parquet(name, row_group_size=8, index=False)
    (tmp_path / "_SUCCESS.parquet").write_text("no data")
    (tmp_path / ".tmp").mkdir()
    whole.to_parquet(tmp_path / ".tmp" / "half.parquet")
    read = ParquetBlocks(
        tmp_path, label="fraud", time="day", as_array=as_array, block_rows=block_rows
    )
    for _ in range(2):  # it may be read again
        found = list(read)
        X = np.vstack([np.asarray(block.X) for block in found])
        assert np.array_equal(X, whole[["a", "b", "c"]])
        assert X.dtype == np.float32
        for name, column in (("y", "fraud"), ("time", "day")):
            values = np.concatenate([getattr(block, name) for block in found])
            assert np.array_equal(values, whole[column])
    assert as_array or list(found[0].X.columns) == ["a", "b", "c"]


def test_columns_and_files_may_be_named(tmp_path):
    whole = table()
    paths = [tmp_path / name for name in ("z.parquet", "a.parquet")]
    for path, part in zip(paths, [whole[:20], whole[20:]], strict=True):
        part.to_parquet(path)
    read = ParquetBlocks(paths, label="fraud", features=["c", "a"], as_array=True)
    X = np.vstack([block.X for block in read])
    assert np.array_equal(X, whole[["c", "a"]])  # in the order of the list


def test_gaps_and_whole_numbers_become_floats(tmp_path):
    columns = {"n": pa.array([1, None, 3]), "x": pa.array([0.5, 1.5, None])}
    pq.write_table(pa.table(columns), tmp_path / "gaps.parquet")
    (block,) = ParquetBlocks(tmp_path, as_array=True)
    expected = [[1, 0.5], [np.nan, 1.5], [3, np.nan]]
    np.testing.assert_array_equal(block.X, expected)


def test_files_that_differ_are_refused(tmp_path):
    table().to_parquet(tmp_path / "1.parquet")
    table().drop(columns="b").to_parquet(tmp_path / "2.parquet")
    with pytest.raises(ValueError, match=r"2\.parquet has no column 'b'"):
        list(ParquetBlocks(tmp_path, label="fraud"))
    table().astype({"b": "float64"}).to_parquet(tmp_path / "2.parquet")
    with pytest.raises(ValueError, match=r"2\.parquet: column 'b' is of type double"):
        list(ParquetBlocks(tmp_path, label="fraud"))


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "1.parquet"
    table(5000).to_parquet(path, row_group_size=500)
    data = bytearray(path.read_bytes())
    (tmp_path / "2.parquet").write_bytes(data[: len(data) // 2])  # cut off
    with pytest.raises(ValueError, match=r"2\.parquet cannot be read to the end"):
        list(ParquetBlocks(tmp_path, label="fraud"))
    middle = len(data) // 3
    data[middle : middle + 4000] = bytes(4000)
    (tmp_path / "2.parquet").write_bytes(data)
    with pytest.raises(ValueError, match=r"2\.parquet cannot be read to the end"):
        list(ParquetBlocks(tmp_path, label="fraud"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "x"}, "has no column 'x'"),
        ({"label": "fraud", "features": ["a", "fraud"]}, "cannot be a feature"),
        ({"features": []}, "no column is left"),
        ({"block_rows": 0}, "block_rows must be 1 or more, got 0"),
        ({"features": ["word"], "as_array": True}, "'word' of type .* is no number"),
    ],
)
def test_what_parquet_cannot_give_is_refused(tmp_path, options, message):
    table(3).assign(word="w").to_parquet(tmp_path / "1.parquet")
    with pytest.raises(ValueError, match=message):
        list(ParquetBlocks(tmp_path, **options))


def test_no_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no parquet file in"):
        ParquetBlocks(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.parquet"):
        ParquetBlocks(tmp_path / "none.parquet")


def test_files_that_are_named_twice_are_refused(tmp_path):
    pd.DataFrame({"a": [1.0]}).to_parquet(tmp_path / "m.parquet")
    with pytest.raises(ValueError, match="parquet is named twice"):
        ParquetBlocks([tmp_path, tmp_path / "m.parquet"])


def test_a_buffer_may_be_filled_again():
    def blocks():
        X, y = np.empty((100, 2)), np.empty(100)
        for i in range(5):
            X[:], y[:] = i, i
            yield X, y

    ((_, chunk),) = chunks(blocks())
    np.testing.assert_array_equal(chunk.y, np.repeat(np.arange(5), 100))
    np.testing.assert_array_equal(chunk.X[:, 0], chunk.y)


def test_blocks_without_rows_have_no_type():
    X, y = np.ones((4, 2)), np.array([0, 1, 0, 1])
    parts = [(X[:0], []), (X, y), (X[:0, :1], []), (X, y)]
    ((_, chunk),) = chunks(parts)
    assert chunk.X.shape == (8, 2)


def test_ids_stay_exact(tmp_path):
    ids = [2**53 + 1, None, 2**53 + 3]
    table = pa.table({"a": [1.0, 2.0, 3.0], "id": pa.array(ids, pa.int64())})
    pq.write_table(table, tmp_path / "m.parquet")
    (block,) = ParquetBlocks(tmp_path, case_id="id")
    assert block.case_id.tolist() == ids
    whole = Block(np.ones((1, 1)), case_id=np.array([2**53 + 1]))
    rounded = Block(np.ones((1, 1)), case_id=np.array([1.0]))
    with pytest.raises(ValueError, match="case_id is of dtype float64"):
        list(chunks([whole, rounded]))


def test_times_of_a_zone_are_refused(tmp_path):
    stamps = pd.to_datetime(["2024-03-31 00:30"]).tz_localize("Europe/Paris")
    pd.DataFrame({"a": [1.0], "t": stamps}).to_parquet(tmp_path / "m.parquet")
    with pytest.raises(ValueError, match="'t' has the time zone Europe/Paris"):
        list(ParquetBlocks(tmp_path, time="t"))


def test_matrices_without_slices_are_turned_and_tables_of_arrow_named():
    X = sp.coo_matrix(np.eye(3))
    ((_, chunk),) = chunks([(X,), (X,)])
    assert chunk.X.shape == (6, 3)
    with pytest.raises(TypeError, match=r"holds a Table.*to_pandas"):
        list(chunks([(pa.table({"a": [1.0], "b": [2.0]}),)]))
