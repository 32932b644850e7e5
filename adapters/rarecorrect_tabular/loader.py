"""Transaction tables from csv and parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder

from rarecorrect_tabular.schema import Schema, check_columns, detect_schema

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]

_SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True, eq=False)
class TransactionTable:
    """Transactions with their roles told apart.

    Attributes
    ----------
    features : DataFrame
        Numbers and categories that a model may see; neither label, time nor ids.
    label : ndarray of bool of shape (n_rows,)
        Fraud or not.
    time : ndarray of float of shape (n_rows,) or None
        Days since the midnight before the first row (dates) or since 0 (numbers).
    fraud_type : ndarray of str of shape (n_rows,) or None
        Kind of fraud; ``"none"`` for genuine rows.
    customer, terminal, split : ndarray of shape (n_rows,) or None
    schema : Schema
    """

    features: pd.DataFrame
    label: npt.NDArray[np.bool_]
    schema: Schema
    time: npt.NDArray[np.float64] | None = None
    fraud_type: Array | None = None
    customer: Array | None = None
    terminal: Array | None = None
    split: Array | None = None

    def __len__(self) -> int:
        return self.label.size

    def matrix(self, rows: Indices) -> tuple[npt.NDArray[np.float32], list[str]]:
        """Return all features as numbers, and the names of their columns.

        Numbers stay as they are.  A category becomes one column for each value that
        occurs in `rows`; other values give zeros, so nothing is learnt from rows that
        a model must not have seen.

        Parameters
        ----------
        rows : ndarray of int
            Rows that the encoding may be learnt from: the legacy training rows.
        """
        numeric = _numeric_columns(self.features)
        others = [c for c in self.features if c not in numeric]
        if not others:
            return self.features.to_numpy(np.float32), numeric
        one_hot = OneHotEncoder(
            handle_unknown="ignore", sparse_output=False, dtype=np.float32
        )
        encoder = ColumnTransformer(
            [("numbers", "passthrough", numeric), ("categories", one_hot, others)],
            verbose_feature_names_out=False,
        ).fit(self.features.iloc[rows])
        names = [str(name) for name in encoder.get_feature_names_out()]
        return np.asarray(encoder.transform(self.features), dtype=np.float32), names


def load_transactions(
    path: str | Path,
    *,
    label: str | None = None,
    time: str | None = None,
    id: str | None = None,
    customer: str | None = None,
    terminal: str | None = None,
    fraud_type: str | None = None,
    drop: Sequence[str] = (),
    schema: Schema | None = None,
) -> TransactionTable:
    """Read a table of transactions.

    Parameters
    ----------
    path : str or Path
        A ``.csv``, ``.csv.gz`` or ``.parquet`` file.
    label : str, optional
        Column with 0 and 1 (or False and True).  None: the table must be a known data
        set, told by its columns.
    time, id, customer, terminal, fraud_type : str, optional
        Columns by role, see :class:`~rarecorrect_tabular.schema.Schema`; for a known
        data set, instead of its own.
    drop : sequence of str, default=()
        Columns that are no features; for a known data set, beside its own.
    schema : Schema, optional
        All roles at once, instead of the names.

    Returns
    -------
    TransactionTable
        Every other column is a feature.

    Raises
    ------
    ValueError
        For an unknown ending, a declared column that is missing, labels that are
        missing or not binary, a time that cannot be read, no feature at all, a file
        that is empty or damaged.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import tempfile
    >>> from rarecorrect.simulate import card_transactions
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "cards.csv"
    ...     card_transactions(5000, random_state=0).to_csv(file, index=False)
    ...     table = load_transactions(file)
    >>> table.schema.name, len(table), table.features.shape[1]
    ('simulated', 5000, 14)
    """
    frame = _read(Path(path))
    if schema is None:
        roles = {
            "time": time,
            "id": id,
            "customer": customer,
            "terminal": terminal,
            "fraud_type": fraud_type,
        }
        declared: dict[str, Any] = {
            name: column for name, column in roles.items() if column
        }
        if label is None:
            known = detect_schema(frame.columns)
            there = tuple(c for c in known.drop if c in frame.columns)
            schema = replace(known, drop=(*there, *drop), **declared)
        else:
            name = Path(path).name.partition(".")[0]
            schema = Schema(name, label=label, drop=tuple(drop), **declared)
    return table_from_frame(frame, schema)


def table_from_frame(frame: pd.DataFrame, schema: Schema) -> TransactionTable:
    """Tell the columns of a frame apart; the rows are put in order of time.

    Parameters
    ----------
    frame : DataFrame
    schema : Schema

    Returns
    -------
    TransactionTable

    Raises
    ------
    ValueError
        As in :func:`load_transactions`.
    """
    check_columns(schema.declared, frame.columns)
    time = None if schema.time is None else _days(frame[schema.time], schema)
    if time is not None and (np.diff(time) < 0).any():
        order = np.argsort(time, kind="stable")
        frame, time = frame.iloc[order].reset_index(drop=True), time[order]
    is_fraud = _binary(frame[schema.label], schema)
    kinds = None
    if schema.fraud_type is not None:
        kinds = frame[schema.fraud_type].astype(str).to_numpy(dtype=object)
        kinds = np.where(is_fraud, kinds, "none")
    features = frame.drop(columns=list(schema.declared))
    if features.shape[1] == 0:
        raise ValueError("no column is left as a feature; drop fewer columns")
    return TransactionTable(
        features,
        is_fraud,
        schema,
        time,
        kinds,
        _column(frame, schema.customer),
        _column(frame, schema.terminal),
        _column(frame, "split" if "split" in schema.drop else None),
    )


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}")
    read: Any
    if path.name.endswith((".csv", ".csv.gz")):
        read = pd.read_csv
    elif path.suffix in (".parquet", ".pq"):
        read = pd.read_parquet
    else:
        raise ValueError(
            f"{path.name!r} must end in .csv, .csv.gz or .parquet, to say what it is"
        )
    try:
        frame: pd.DataFrame = read(path)
    except (ValueError, OSError, EOFError) as error:  # pyarrow's errors are these too
        raise ValueError(
            f"{path.name!r} cannot be read, it is empty, damaged or of another kind "
            f"than its ending says: {error}"
        ) from error
    if frame.empty:
        raise ValueError(f"{path.name!r} has no rows")
    return frame


def _column(frame: pd.DataFrame, name: str | None) -> Array | None:
    return None if name is None else np.asarray(frame[name])


def _binary(column: pd.Series[Any], schema: Schema) -> npt.NDArray[np.bool_]:
    if column.isna().any():
        raise ValueError(
            f"label column {column.name!r} is missing in {int(column.isna().sum()):,} "
            "rows; leave out rows whose outcome is not known"
        )
    if schema.genuine is not None:
        return np.asarray(column.astype(str) != schema.genuine)
    found = column.unique().tolist()
    if not set(found) <= {0, 1} or len(found) != 2:
        raise ValueError(
            f"label column {column.name!r} must hold 0 and 1, both of them; it holds "
            f"{len(found)} values such as {found[:5]}"
        )
    return np.asarray(column.to_numpy() == 1)


def _days(column: pd.Series[Any], schema: Schema) -> npt.NDArray[np.float64]:
    if not pd.api.types.is_numeric_dtype(column):
        try:
            dates = pd.to_datetime(column, format="ISO8601")
            # by the clock on the wall: a day that puts it forward has 23 hours
            dates = dates.dt.tz_localize(None)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"time column {column.name!r} holds neither numbers nor dates such as "
                f"2024-05-31 12:00:00: {error}"
            ) from error
        spans = dates - dates.min().normalize()
        days = spans.dt.total_seconds().to_numpy(float) / _SECONDS_A_DAY
    else:
        days = column.to_numpy(float) / (_SECONDS_A_DAY if schema.seconds else 1)
    if not np.isfinite(days).all():
        raise ValueError(
            f"time column {column.name!r} is missing in "
            f"{int((~np.isfinite(days)).sum()):,} rows; leave them out"
        )
    return np.asarray(days)


def _numeric_columns(frame: pd.DataFrame) -> list[str]:
    return [
        str(name)
        for name, dtype in frame.dtypes.items()
        if pd.api.types.is_numeric_dtype(dtype)
    ]
