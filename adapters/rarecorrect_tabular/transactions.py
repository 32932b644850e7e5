"""Transaction files of any size, read in blocks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rarecorrect_tabular.schema import check_columns

Array = npt.NDArray[Any]
Days = npt.NDArray[np.int64]

BLOCK_ROWS = 131_072
NO_DAY = int(np.iinfo(np.int64).min)  # also what NaT is as a number
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__$")  # of a frame, as pandas writes it
_NULLABLE = {
    pa.type_for_alias(name.lower()): pd.api.types.pandas_dtype(name)
    for name in (
        *("Int8", "Int16", "Int32", "Int64"),
        *("UInt8", "UInt16", "UInt32", "UInt64"),
    )
}
_MOST_DAYS = 100_000  # more are seconds, or a date without its dashes
# +01 alone, as PostgreSQL writes it, only behind a time: it could be a day
_OFFSET = re.compile(r"(?:Z|[+-]\d\d:?\d\d|([T ][\d:.]+)[+-]\d\d)$")


@dataclass(frozen=True, slots=True)
class TransactionFile:
    """A csv or parquet file that need not fit into memory.

    Attributes
    ----------
    path : Path
    columns : tuple of str

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "cards.csv"
    ...     pd.DataFrame({"id": ["01", "02"], "amount": [5, 7]}).to_csv(path)
    ...     file = TransactionFile.open(path)
    ...     [rows["id"].tolist() for _, rows in file.blocks(["id"], texts=["id"])]
    [['01', '02']]
    """

    path: Path
    columns: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> TransactionFile:
        """Read the names of the columns.

        Parameters
        ----------
        path : Path
            Ending in .csv, .csv.gz, .parquet or .pq.

        Returns
        -------
        TransactionFile

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            For another ending, or a file that cannot be read.
        """
        if not path.is_file():
            raise FileNotFoundError(f"no file {str(path)!r}")
        check_ending(path)
        try:
            if _is_csv(path):
                names = pd.read_csv(path, nrows=0).columns.tolist()
            else:
                found = pq.read_schema(path).names
                names = [name for name in found if not _UNNAMED_INDEX.match(name)]
        except (ValueError, OSError, EOFError) as error:
            raise _unreadable(path, error) from error
        _check_commas(path, names)
        return cls(path, tuple(map(str, names)))

    def check(self, names: Iterable[str | None]) -> None:
        """Refuse a column that is not there, naming close matches.

        Parameters
        ----------
        names : iterable of str or None

        Raises
        ------
        ValueError
            For the first one.
        """
        try:
            check_columns([name for name in names if name is not None], self.columns)
        except ValueError as error:
            raise ValueError(f"{self.path.name}: {error}") from error

    @property
    def n_blocks(self) -> int | None:
        """Number of blocks, about; None for a csv, which does not tell."""
        if _is_csv(self.path):
            return None
        return -(-int(pq.read_metadata(self.path).num_rows) // BLOCK_ROWS)

    def blocks(
        self, columns: Iterable[str], *, texts: Iterable[str | None] = ()
    ) -> Iterator[tuple[int, pd.DataFrame]]:
        """Yield the rows in blocks, each with the place of its first row.

        Parameters
        ----------
        columns : iterable of str
        texts : iterable of str or None
            Columns that stay as they are written, such as ids: of a csv texts, with
            leading zeros, of parquet whole numbers, also beside a hole.

        Yields
        ------
        start : int
        rows : DataFrame
        """
        wanted, start = list(dict.fromkeys(columns)), 0
        self.check(wanted)
        try:
            for rows in self._read(wanted, set(texts)):
                if len(rows):
                    yield start, rows
                    start += len(rows)
        except (pa.ArrowInvalid, pd.errors.ParserError, UnicodeError) as error:
            raise _unreadable(self.path, error) from error

    def rows(
        self, columns: Iterable[str], *, texts: Iterable[str | None] = ()
    ) -> pd.DataFrame:
        """All rows at once, of a file that fits into memory.

        Parameters
        ----------
        columns, texts
            As in :meth:`blocks`.

        Returns
        -------
        DataFrame
        """
        found = [rows for _, rows in self.blocks(columns, texts=texts)]
        if not found:
            raise ValueError(f"{self.path.name!r} has no rows")
        return pd.concat(found, ignore_index=True)

    def _read(self, columns: list[str], texts: set[str | None]) -> Iterator[Any]:
        if not _is_csv(self.path):
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(BLOCK_ROWS, columns=columns):
                    # what pandas notes beside the columns would hide some as its index
                    rows = batch.to_pandas(ignore_metadata=True)
                    for name in texts.intersection(columns):
                        kind = batch.schema.field(name).type
                        if kind in _NULLABLE:  # floats would round large ids
                            column = batch.column(name)
                            rows[name] = column.to_pandas(types_mapper=_NULLABLE.get)
                    yield rows[columns]
            return
        kinds: Any = {name: str for name in columns if name in texts}
        with pd.read_csv(
            self.path,
            usecols=columns,
            dtype=kinds,
            chunksize=BLOCK_ROWS,
            low_memory=False,
        ) as chunks:
            for chunk in chunks:
                yield chunk.reset_index(drop=True)[columns]


def _check_commas(path: Path, names: list[Any]) -> None:
    for mark in (";", "\t", "|"):
        if _is_csv(path) and len(names) == 1 and mark in str(names[0]):
            raise ValueError(
                f"{path.name}: its columns are divided by {mark!r}, not by commas; "
                f"write it as Parquet, pandas.read_csv(FILE, sep={mark!r})"
                ".to_parquet(OTHER), with decimal=',' if numbers have commas"
            )


def check_ending(path: Path) -> None:
    """Refuse a file of another kind than csv and parquet.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ValueError
        For another ending.
    """
    if not _is_csv(path) and path.suffix.lower() not in (".parquet", ".pq"):
        raise ValueError(
            f"{path.name!r} must end in .csv, .csv.gz or .parquet, to say what it is"
        )


class TableWriter:
    """Writes frames with the same columns one after the other, to csv or parquet.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parquet: pq.ParquetWriter | None = None
        self._begun = False

    def write(self, rows: pd.DataFrame) -> None:
        """Add rows.

        Parameters
        ----------
        rows : DataFrame
        """
        if _is_csv(self._path):
            mode: Any = "a" if self._begun else "w"
            rows.to_csv(self._path, mode=mode, header=not self._begun, index=False)
        else:
            schema = None if self._parquet is None else self._parquet.schema
            table = pa.Table.from_pandas(rows, schema, preserve_index=False)
            if self._parquet is None:
                self._parquet = pq.ParquetWriter(self._path, table.schema)
            self._parquet.write_table(table)
        self._begun = True

    def close(self) -> None:
        """Finish the file."""
        if self._parquet is not None:
            self._parquet.close()


def whole_days(column: pd.Series[Any]) -> Days:
    """Day of every row by the clock on the wall where it was stamped.

    The offset of a stamp is left out: a day that puts the clock forward has 23 hours,
    and none of its rows is counted on the day before or after.

    Parameters
    ----------
    column : Series
        Dates and times, texts such as ``2024-03-31T01:30:00+01:00``, or numbers: days.

    Returns
    -------
    ndarray of int
        Days since 1970 or, of numbers, since 0; ``NO_DAY`` where the time is missing.

    Raises
    ------
    ValueError
        If values are neither, such as seconds.

    Examples
    --------
    >>> day = whole_days(pd.Series(["2024-03-31T23:30:00+02:00", None]))
    >>> day_text(int(day[0])), day[1] == NO_DAY
    ('2024-03-31', np.True_)
    """
    if pd.api.types.is_numeric_dtype(column):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        known = np.isfinite(numbers)
        if (far := known & (np.abs(numbers) > _MOST_DAYS)).any():
            raise ValueError(
                f"column {column.name!r} holds {numbers[far][0]:.15g}, and numbers are "
                "days: divide seconds by 86,400, and write dates such as 2024-05-31"
            )
        days = np.full(numbers.size, NO_DAY)
        days[known] = np.floor(numbers[known]).astype(np.int64)
        return days
    times: Any = column
    if not pd.api.types.is_datetime64_any_dtype(column):
        stamps: Any = column.astype("string").str.strip()
        stamps = stamps.str.replace(_OFFSET, r"\1", regex=True)
        try:
            times = pd.to_datetime(stamps, format="ISO8601")
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"column {column.name!r} holds neither dates such as 2024-05-31 "
                f"12:00:00 nor numbers of days: {error}"
            ) from error
    if times.dt.tz is not None:
        times = times.dt.tz_localize(None)
    return np.asarray(times.to_numpy().astype("datetime64[D]").astype(np.int64))


def day_text(day: int, *, dates: bool = True) -> str:
    """A day as people write it.

    Parameters
    ----------
    day : int
    dates : bool, default=True
        Whether days are counted from 1970.

    Returns
    -------
    str

    Examples
    --------
    >>> day_text(19_723), day_text(75, dates=False)
    ('2024-01-01', '75')
    """
    return str(np.datetime64(day, "D")) if dates else str(day)


def binary_labels(column: pd.Series[Any]) -> npt.NDArray[np.float64]:
    """Labels as 0 and 1, NaN where the outcome is not known.

    Parameters
    ----------
    column : Series
        Of 0 and 1, False and True, or these as texts.

    Returns
    -------
    ndarray of float

    Raises
    ------
    ValueError
        For any other value.

    Examples
    --------
    >>> binary_labels(pd.Series([1, None, 0]))
    array([ 1., nan,  0.])
    """
    if not pd.api.types.is_numeric_dtype(column):
        texts = column.astype("string").str.strip().str.lower()
        words = {"true": "1", "false": "0"}
        numbers = pd.to_numeric(texts.replace(words), errors="coerce")
        unknown = numbers.isna() & texts.notna() & (texts != "")
    else:
        numbers, unknown = column, pd.Series(False, index=column.index)
    found = np.array(numbers.to_numpy(dtype=np.float64, na_value=np.nan))
    unknown |= pd.Series(~np.isin(found, [0, 1]) & ~np.isnan(found), column.index)
    if unknown.any():
        raise ValueError(
            f"column {column.name!r} must hold 0 and 1, or nothing where the outcome "
            f"is not known; it holds {column[unknown].iloc[0]!r}"
        )
    return found


def amounts(column: pd.Series[Any]) -> npt.NDArray[np.float64]:
    """Amounts at stake; 0 where one is missing, negative or infinite.

    Parameters
    ----------
    column : Series
        Of numbers.

    Returns
    -------
    ndarray of float

    Examples
    --------
    >>> amounts(pd.Series([5, None, -2])).tolist()
    [5.0, 0.0, 0.0]
    """
    found = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(found) & (found > 0), found, 0.0)


def hashed(column: pd.Series[Any]) -> npt.NDArray[np.uint64]:
    """Eight bytes for every id; the same id gives the same, as number and as text.

    Parameters
    ----------
    column : Series

    Returns
    -------
    ndarray of uint64

    Raises
    ------
    ValueError
        For a fraction, which is no id.

    Examples
    --------
    >>> bool((hashed(pd.Series([7.0, None])) == hashed(pd.Series(["7", None]))).all())
    True
    """
    if pd.api.types.is_float_dtype(column):  # whole numbers beside a hole
        broken = column[column.notna() & (column % 1 != 0)]
        if len(broken):
            raise ValueError(
                f"column {column.name!r} holds {broken.iloc[0]:g}, which is no id: "
                "write ids as texts or whole numbers"
            )
        column = column.astype("Int64")
    texts = column.astype("string").fillna("").to_numpy(dtype=object)
    return pd.util.hash_array(texts, categorize=False)


def repeated_ids(file: TransactionFile, name: str | None) -> npt.NDArray[np.bool_]:
    """Rows whose id an earlier row has; rows without an id are never among them.

    Takes some 40 bytes a row.

    Parameters
    ----------
    file : TransactionFile
    name : str or None
        Column of the ids.

    Returns
    -------
    ndarray of bool
        Of all rows; of length 0 without a column of ids.
    """
    if name is None:
        return np.zeros(0, dtype=bool)
    ids, missing = [], []
    for _, rows in file.blocks([name], texts=[name]):
        ids.append(hashed(rows[name]))
        missing.append(rows[name].isna().to_numpy())
    if not ids:
        return np.zeros(0, dtype=bool)
    again = pd.Series(np.concatenate(ids)).duplicated().to_numpy()
    return np.asarray(again & ~np.concatenate(missing))


def _is_csv(path: Path) -> bool:
    return path.name.lower().endswith((".csv", ".csv.gz"))


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path.name!r} cannot be read, it is empty, damaged or of another kind than "
        f"its ending says: {error}"
    )
