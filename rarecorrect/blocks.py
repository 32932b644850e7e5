"""Rows that come in blocks, because all of them would not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from rarecorrect._compat import safe_indexing
from rarecorrect.moments import row_blocks

Array = npt.NDArray[Any]

_CHUNK_NUMBERS = 2**22  # of a chunk: 32 megabytes in float64
_TILE_ROWS = 2048
_CHUNK_ROWS = (256, 65_536)  # the least and the most


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some rows, and the columns beside them.

    Attributes
    ----------
    X : array, frame or sparse matrix of shape (n_rows, n_columns)
    y : array-like of shape (n_rows,) or None
        True labels.
    segment, time, case_id : array-like of shape (n_rows,) or None
        As in :meth:`ErrorCorrector.fit <rarecorrect.ErrorCorrector.fit>`.
    calibration_mask : array-like of bool of shape (n_rows,) or None
        Right decisions that calibrate, instead of a random part.

    Examples
    --------
    >>> Block(np.zeros((2, 3)), [0, 1], segment=["shop", "web"]).X.shape
    (2, 3)
    """

    X: Any
    y: Any = None
    segment: Any = None
    time: Any = None
    case_id: Any = None
    calibration_mask: Any = None


def array_blocks(
    X: Any, y: Any = None, *, block_rows: int = 65_536, **side: Any
) -> Iterator[Block]:
    """Blocks of what is there already: arrays, memory maps, frames.

    Parameters
    ----------
    X : array, memory map, frame or sparse matrix of shape (n_rows, n_columns)
    y : array-like of shape (n_rows,), optional
    block_rows : int, default=65536
    **side : array-like of shape (n_rows,)
        By the names that :class:`Block` has for them.

    Yields
    ------
    Block
        Slices, of a memory map too: a block is read when it is used.

    Examples
    --------
    >>> X, y = np.zeros((5, 2)), np.arange(5)
    >>> [block.y.tolist() for block in array_blocks(X, y, block_rows=3)]
    [[0, 1, 2], [3, 4]]
    """
    columns = {name: _column(values) for name, values in {"y": y, **side}.items()}
    for part in row_blocks(_n_rows(X), block_rows):
        yield Block(
            _rows_of(X, part),
            **{k: None if v is None else v[part] for k, v in columns.items()},
        )


class ParquetBlocks:
    """Blocks of parquet files; a thread of its own reads ahead.

    Files are read in the order of their names, a block at a time.  Files are not
    changed, and each time that this is iterated they are read from the start.

    Parameters
    ----------
    source : path or list of path
        A file, a folder (its ``*.parquet``, also in folders below; names that begin
        with ``.`` or ``_`` are no data), or files in the order wanted.
    label : str, optional
        Column of the true labels; without it there are none.
    features : list of str, optional
        Columns of `X`, in this order; by default all others.
    segment, time, case_id, calibration_mask : str, optional
        Columns with a role, see :class:`Block`.
    as_array : bool, default=False
        Arrays instead of frames, for a model that was fitted on arrays: float32 where
        all columns are, float64 otherwise.  A fit takes half the time.
    block_rows : int, default=65536

    Raises
    ------
    ValueError
        For no file, columns that are missing in a file or have another type there than
        in the first, and files that cannot be read.

    Notes
    -----
    Needs ``pip install rarecorrect[tabular]``.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = pd.DataFrame({"amount": [3.5, 4.0, 9.0], "fraud": [0, 0, 1]})
    ...     table.to_parquet(f"{folder}/march.parquet")
    ...     blocks = ParquetBlocks(folder, label="fraud", block_rows=2)
    ...     [block.y.tolist() for block in blocks]
    [[0, 0], [1]]
    """

    def __init__(
        self,
        source: Any,
        *,
        label: str | None = None,
        features: list[str] | None = None,
        segment: str | None = None,
        time: str | None = None,
        case_id: str | None = None,
        calibration_mask: str | None = None,
        as_array: bool = False,
        block_rows: int = 65_536,
    ) -> None:
        if block_rows < 1:
            raise ValueError(f"block_rows must be 1 or more, got {block_rows}")
        roles = {
            "y": label,
            "segment": segment,
            "time": time,
            "case_id": case_id,
            "calibration_mask": calibration_mask,
        }
        self.roles = {role: name for role, name in roles.items() if name is not None}
        self.files = _files(source)
        self.as_array, self.block_rows = as_array, block_rows
        with _opened(self.files[0]) as first:
            self._schema = first.schema_arrow
        aside = set(self.roles.values())
        others = [name for name in self._schema.names if name not in aside]
        self.features = others if features is None else list(features)
        if not self.features:
            raise ValueError(f"{self.files[0]}: no column is left as a feature")
        if label in self.features:
            raise ValueError(f"the label {label!r} cannot be a feature")

    def __iter__(self) -> Iterator[Block]:
        """Read the files from the start."""
        return _ahead(self._read())

    def _read(self) -> Iterator[Block]:
        wanted = [*dict.fromkeys([*self.features, *self.roles.values()])]
        for path in self.files:
            with _opened(path) as file:
                self._check(path, file.schema_arrow, wanted)
                # of all row groups at once, pyarrow would hold what it has read
                for i in range(file.num_row_groups):
                    parts = file.iter_batches(
                        self.block_rows, row_groups=[i], columns=wanted
                    )
                    yield from map(self._block, _whole(path, parts))

    def _check(self, path: Path, schema: Any, wanted: list[str]) -> None:
        for name in wanted:
            if name not in schema.names:
                raise ValueError(
                    f"{path} has no column {name!r}; it has {schema.names}"
                )
            kind = schema.field(name).type
            if name == self.roles.get("time") and getattr(kind, "tz", None):
                raise ValueError(
                    f"{path}: column {name!r} has the time zone {kind.tz}, and days "
                    "are those of a clock on the wall; write local times without zone"
                )
            if name in self._schema.names and kind != self._schema.field(name).type:
                raise ValueError(
                    f"{path}: column {name!r} is of type {kind}, and in "
                    f"{self.files[0]} of type {self._schema.field(name).type}; write "
                    "all files with one type"
                )

    def _block(self, batch: Any) -> Block:
        side = {
            role: _values(batch.column(name), exact=role == "case_id")
            for role, name in self.roles.items()
        }
        table = batch.select(self.features)
        if not self.as_array:
            return Block(table.to_pandas(), **side)
        kinds = [str(kind) for kind in table.schema.types]
        dtype = np.float32 if set(kinds) <= {"float", "halffloat"} else np.float64
        columns = []
        for j, name in enumerate(self.features):
            column = table.column(j).to_numpy(zero_copy_only=False)
            if column.dtype.kind not in "biuf":
                raise ValueError(
                    f"column {name!r} of type {kinds[j]} is no number; leave it out of "
                    "features=, or pass frames (as_array=False)"
                )
            columns.append(column)
        return Block(_side_by_side(columns, dtype), **side)


def chunks(blocks: Iterable[Any]) -> Iterator[tuple[int, Block]]:
    """The same rows in chunks of one size, whatever the blocks were.

    So whatever is computed chunk by chunk is the same to the last bit for blocks of
    every size.

    Parameters
    ----------
    blocks : iterable of Block, (X, y) or (X,)
        Read once.  Blocks without rows are passed over.

    Yields
    ------
    start : int
        Number of the chunk's first row among all.
    Block
        Of 65,536 rows, or fewer of more than 64 columns; the last may be shorter.

    Raises
    ------
    ValueError
        For blocks that differ in kind, columns or type of numbers, columns beside them
        that are not as long as they, or no rows at all.
    TypeError
        For what is no block.

    Examples
    --------
    >>> parts = [(np.zeros((n, 1)), np.zeros(n)) for n in (60_000, 0, 10_000)]
    >>> [(start, len(block.y)) for start, block in chunks(parts)]
    [(0, 65536), (65536, 4464)]
    """
    waiting: list[Block] = []
    start = n_waiting = 0
    first: Block | None = None
    for i, given in enumerate(blocks):
        block = _checked(given, i)
        if not (n := _n_rows(block.X)):
            continue
        if first is None:
            first = replace(block, X=_rows_of(block.X, slice(0, 0)))
            size = _chunk_rows(block.X)
        _check_alike(block, first, i)
        while n_waiting + n >= size:
            taken = size - n_waiting
            yield start, _joined([*waiting, _part(block, slice(0, taken))])
            start, block, n = start + size, _part(block, slice(taken, n)), n - taken
            waiting, n_waiting = [], 0
        if n:  # a copy: the next block may be in the same place
            waiting.append(_copied(block))
            n_waiting += n
    if waiting:
        yield start, _joined(waiting)
    elif start == 0:
        raise ValueError("there are no rows in these blocks (were they read before?)")


def _checked(given: Any, i: int) -> Block:
    if isinstance(given, tuple) and 1 <= len(given) <= 2:
        given = Block(*given)
    if not isinstance(given, Block):
        raise TypeError(
            f"block {i} is a {type(given).__name__}; blocks are (X, y), (X,) or a "
            "rarecorrect.blocks.Block"
        )
    if sp.issparse(given.X) and given.X.format not in ("csr", "csc"):
        given = replace(given, X=given.X.tocsr())  # others have no slices
    of_arrow = type(given.X).__module__.startswith("pyarrow")
    if of_arrow or not (hasattr(given.X, "shape") and len(given.X.shape) > 1):
        raise TypeError(
            f"block {i} holds a {type(given.X).__name__}; X must be an array, a frame "
            "or a sparse matrix of two dimensions or more (of pyarrow: .to_pandas())"
        )
    found = {name: _column(getattr(given, name)) for name in _BESIDE}
    for name, column in found.items():
        if column is not None and column.shape != (_n_rows(given.X),):
            raise ValueError(
                f"block {i}: {name} must have shape ({_n_rows(given.X)},), got "
                f"{column.shape}"
            )
    return Block(given.X, **found)


def _check_alike(block: Block, first: Block, i: int) -> None:
    for name in _BESIDE:
        here, there = getattr(block, name), getattr(first, name)
        if (here is None) != (there is None):
            raise ValueError(
                f"block {i} {'lacks' if here is None else 'has'} {name}, unlike the "
                "first block; pass it with all or with none"
            )
        # of ids, numbers with a point are others: 2**53 + 1 is none of them
        family = _kind if name == "case_id" else _family
        if here is not None and family(here) != family(there):
            raise ValueError(
                f"block {i}: {name} is of dtype {here.dtype}, in the first block of "
                f"{there.dtype}; use one type throughout"
            )
    here, there = _kind_of(block.X), _kind_of(first.X)
    if here != there:
        raise ValueError(
            f"block {i} holds {_text(here)}, unlike the first block with "
            f"{_text(there)}; all blocks must have the same columns and type"
        )


def _family(column: Array) -> str:
    kind = _kind(column)
    return "number" if kind in "iuf" else kind


def _kind(column: Array) -> str:
    return column.dtype.kind.replace("U", "O")


def _kind_of(X: Any) -> tuple[Any, ...]:
    if hasattr(X, "columns"):
        return type(X).__name__, tuple(X.columns)
    name = "array" if isinstance(X, np.ndarray) else type(X).__name__
    return name, X.shape[1:], str(X.dtype)


def _text(kind: tuple[Any, ...]) -> str:
    text = " ".join(map(str, kind))
    return text if len(text) < 200 else f"{text[:200]}..."


_BESIDE = tuple(f.name for f in fields(Block) if f.name != "X")


def _column(values: Any) -> Array | None:
    if values is None:
        return None
    # a list goes through object: numpy would turn [1, "a"] into ["1", "a"]
    if hasattr(values, "dtype"):
        return np.asarray(values)
    column = np.asarray(values, dtype=object)
    kinds = {type(value) for value in column.tolist()}
    return np.asarray(values) if kinds in ({int}, {str}, {bool}, {float}) else column


def _n_rows(X: Any) -> int:
    return int(X.shape[0])


def _chunk_rows(X: Any) -> int:
    least, most = _CHUNK_ROWS
    return int(
        np.clip(_CHUNK_NUMBERS // max(1, int(np.prod(X.shape[1:]))), least, most)
    )


def _rows_of(X: Any, part: slice) -> Any:
    if isinstance(X, np.ndarray) or sp.issparse(X):
        return X[part]
    if isinstance(X, pd.DataFrame):
        return X.iloc[part]
    return safe_indexing(X, np.arange(*part.indices(_n_rows(X))))


def _part(block: Block, part: slice) -> Block:
    beside = {name: getattr(block, name) for name in _BESIDE}
    cut = {k: None if v is None else v[part] for k, v in beside.items()}
    return Block(_rows_of(block.X, part), **cut)


def _copied(block: Block) -> Block:
    there = ((f.name, getattr(block, f.name)) for f in fields(Block))
    return Block(**{k: v.copy() if hasattr(v, "copy") else v for k, v in there})


def _joined(parts: list[Block]) -> Block:
    if len(parts) == 1:
        return parts[0]
    found = {name: [getattr(part, name) for part in parts] for name in _BESIDE}
    beside = {k: None if v[0] is None else np.concatenate(v) for k, v in found.items()}
    return Block(_stacked([part.X for part in parts]), **beside)


def _stacked(parts: list[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    if sp.issparse(parts[0]):
        return sp.vstack(parts, format=parts[0].format)
    if isinstance(parts[0], pd.DataFrame):
        return pd.concat(parts, ignore_index=True)
    frames = [nw.from_native(part, eager_only=True) for part in parts]
    return nw.concat(frames).to_native()


def _files(source: Any) -> list[Path]:
    given = [source] if isinstance(source, str | Path) else list(source)
    found: list[Path] = []
    for path in map(Path, given):
        inside = path.rglob("*.parquet") if path.is_dir() else [path]
        found += sorted(
            file
            for file in inside
            if not any(
                part.startswith((".", "_")) for part in file.relative_to(path).parts
            )
        )
    if not found:
        raise ValueError(f"no parquet file in {source!r}")
    missing = [path for path in found if not path.is_file()]
    if missing:
        raise FileNotFoundError(f"there is no file {missing[0]}")
    seen: set[Path] = set()
    for path in found:  # rows that are read twice would teach and calibrate
        if path.resolve() in seen:
            raise ValueError(f"{path} is named twice in {source!r}; name it once")
        seen.add(path.resolve())
    return found


def _opened(path: Path) -> Any:
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (OSError, ValueError) as error:  # ArrowInvalid: no parquet at all
        raise _unreadable(path, error) from error


def _values(column: Any, *, exact: bool) -> Array:
    """A column; with a hole among them, whole numbers would be rounded to float64."""
    if exact and str(column.type).startswith(("int", "uint")):
        return np.array(column.to_pylist(), dtype=object)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _side_by_side(columns: list[Array], dtype: Any) -> Array:
    """Columns as a table; so many rows at a time as fit into a cache."""
    X = np.empty((len(columns[0]), len(columns)), dtype=dtype)
    for part in row_blocks(len(X), _TILE_ROWS):
        tile = X[part]
        for j, column in enumerate(columns):
            tile[:, j] = column[part]
    return X


def _whole(path: Path, parts: Iterator[Any]) -> Iterator[Any]:
    """Batches of a file, or an error that names it."""
    try:
        yield from parts
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} cannot be read to the end: {error}")


def _ahead(blocks: Iterator[Block]) -> Iterator[Block]:
    """The next block is read while this one is used."""
    with ThreadPoolExecutor(1) as reader:
        next_block: Callable[[], Block | None] = lambda: next(blocks, None)  # noqa: E731
        coming = reader.submit(next_block)
        while (block := coming.result()) is not None:
            coming = reader.submit(next_block)
            yield block
