"""Rows of nobody, and what a model answers to them: how it is known again."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from sklearn.utils import column_or_1d

from rarecorrect._compat import safe_indexing

Array = npt.NDArray[Any]

N_ROWS = 64
_KINDS = "biufO"  # of arrays
_LIBRARIES = ("pandas", "polars", "pyarrow", "modin", "cudf")
_LEAST = 10  # rows behind every value that is kept
_OUTER = 2  # of these, on either side, that do not count: one rich customer shows
_SAMPLE = 20_000
_CLOSE = 1e-3  # scores of other machines differ by less
_SHOWN = 8


@dataclass(frozen=True, slots=True, eq=False)
class ProbeColumn:
    """One column of the probe rows.

    Attributes
    ----------
    name : str, int or None
        ``None`` in an array.
    dtype : str
        Of the column that it stands for, as its library calls it.
    values : ndarray of shape (n_probes,)
        Numbers, times, or texts and other values; NaN, NaT or None where missing.

    Examples
    --------
    >>> ProbeColumn("amount", "float64", np.array([12.5, 99.0])).name
    'amount'
    """

    name: str | int | None
    dtype: str
    values: Array


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Synthetic rows and the answers of a model to them: its behaviour in short.

    A fitted model has no fingerprint that is the same after it was stored and read
    back, or trained again from the same rows; its answers are.  No row is one that was
    seen: every column is drawn by itself.  A number is the mean of six neighbouring
    ones at least, spread evenly over the column, without the two smallest and the two
    largest; any other value stands in ten rows at least, and is drawn as often as it
    is there.

    Attributes
    ----------
    container : str
        ``"numpy"``, ``"sparse"``, or the library of a frame.
    shape : tuple of int
        Of one row, where it is more than a list of columns.
    columns : tuple of ProbeColumn
    labels : ndarray of shape (n_probes,)
        What the model answered.
    scores : ndarray or None
        Its probabilities or decision values, if it has them.
    sure : ndarray of bool of shape (n_probes,)
        Rows to which it gave the same label twice; others are not compared.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X, y)
    >>> probe = Probe.of(X, model)
    >>> probe.difference(LogisticRegression(max_iter=1000).fit(X, y))
    ''
    >>> other = LogisticRegression(max_iter=1000).fit(X[::2], y[::2] * 2)
    >>> print(probe.difference(other).split("(")[0].strip())
    probe row 0
    """

    container: str
    shape: tuple[int, ...]
    columns: tuple[ProbeColumn, ...]
    labels: Array
    scores: Array | None
    sure: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, X: Any, model: Any, seed: int = 0) -> Probe | None:
        """Make rows like those of `X`, and ask a model about them.

        Parameters
        ----------
        X : array, frame or sparse matrix of shape (n_rows, ...)
        model : classifier
            Fitted.
        seed : int, default=0
            Of the order within every column.

        Returns
        -------
        Probe or None
            None where `X` is none of these, or the model does not answer: then it can
            not be known again.
        """
        rng = np.random.default_rng(seed)
        try:
            container, shape, columns = _columns_of(_sample(X, rng), rng)
            unasked = cls(container, shape, columns, np.empty(0), None, np.ones(0, "?"))
            first, again = (_answers(model, unasked.rows) for _ in range(2))
        except Exception:  # whatever the model or the rows: the fit goes on without
            return None
        labels, scores = first
        sure = np.asarray(labels == again[0])
        if not sure.any():
            return None
        if scores is not None and not _close(scores, again[1]).all():
            scores = None
        return cls(container, shape, columns, labels, scores, sure)

    @property
    def rows(self) -> Any:
        """The rows, in the container that the model knows.

        Raises
        ------
        ValueError
            For a container or a type of column that there is not.
        """
        if self.container in ("numpy", "sparse"):
            return self._as_array()
        if self.container not in _LIBRARIES:
            raise ValueError(f"there are no frames of {self.container!r}")
        return _as_frame(self.columns, self.container)

    def difference(self, model: Any) -> str:
        """What another model answers otherwise.

        Parameters
        ----------
        model : classifier
            Fitted.

        Returns
        -------
        str
            The first row that differs, in words; empty if none does.
        """
        rows = self.rows
        try:
            labels, scores = _answers(model, rows)
        except Exception as error:  # any model may be passed
            return f"it does not answer to the probe rows: {type(error).__name__}: " + (
                str(error)
            )
        if labels.shape != self.labels.shape:
            return f"it gives {labels.shape} labels to {len(self.labels)} probe rows"
        other = np.array(
            [a != b for a, b in zip(labels.tolist(), self.labels.tolist(), strict=True)]
        )
        other &= self.sure
        if other.any():
            row = int(np.argmax(other))
            was, now = self.labels[row].item(), labels[row].item()
            return f"probe row {row} ({self._said(row)}): expected {was!r}, got {now!r}"
        if self.scores is None or scores is None:
            return "" if self.scores is None else "it gives no scores"
        if scores.shape != self.scores.shape:
            return f"it gives scores of shape {scores.shape}, not {self.scores.shape}"
        apart = ~_close(self.scores, scores)
        if apart.any():
            row = int(np.argmax(apart))
            was, now = self.scores[row].tolist(), scores[row].tolist()
            return f"probe row {row} ({self._said(row)}): expected {was}, got {now}"
        return ""

    def _said(self, row: int) -> str:
        shown = [
            f"{j if c.name is None else c.name}={c.values[row]!s}"
            for j, c in enumerate(self.columns[:_SHOWN])
        ]
        return ", ".join(shown + ["..."] * (len(self.columns) > _SHOWN))

    def _as_array(self) -> Any:
        dtype = np.dtype(self.columns[0].dtype)
        if dtype.kind not in _KINDS:
            raise ValueError(f"there are no rows of {dtype}")
        if dtype.kind == "O":
            found = np.empty((N_ROWS, len(self.columns)), dtype=object)
        else:
            found = np.empty((N_ROWS, len(self.columns)), dtype=np.float64)
        for j, column in enumerate(self.columns):
            found[:, j] = column.values
        array = _rounded(found, dtype).reshape(N_ROWS, *self.shape)
        return sp.csr_matrix(array) if self.container == "sparse" else array


def _answers(model: Any, rows: Any) -> tuple[Array, Array | None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels = column_or_1d(np.asarray(model.predict(rows)))
        for name in ("predict_proba", "decision_function"):
            if hasattr(model, name):
                scores = np.asarray(getattr(model, name)(rows), dtype=np.float64)
                return labels, scores.reshape(len(labels), -1)
    return labels, None


def _close(a: Array, b: Array | None) -> npt.NDArray[np.bool_]:
    """Rows of scores that are the same but for rounding."""
    if b is None or a.shape != b.shape:
        return np.zeros(len(a), dtype=bool)
    near = np.isclose(a, b, rtol=_CLOSE, atol=_CLOSE, equal_nan=True)
    return np.asarray(near.all(axis=1))


def _sample(X: Any, rng: np.random.Generator) -> Any:
    if not (hasattr(X, "columns") or hasattr(X, "__dataframe__") or sp.issparse(X)):
        X = np.asarray(X)
    n = X.shape[0]
    if n <= _SAMPLE:
        return X
    return safe_indexing(X, np.sort(rng.choice(n, _SAMPLE, replace=False)))


def _columns_of(
    X: Any, rng: np.random.Generator
) -> tuple[str, tuple[int, ...], tuple[ProbeColumn, ...]]:
    if isinstance(X, pd.DataFrame):
        made = [_of_pandas(name, X.iloc[:, j]) for j, name in enumerate(X.columns)]
        container, shape = "pandas", (len(made),)
    elif isinstance(X, np.ndarray) or sp.issparse(X):
        container = "numpy" if isinstance(X, np.ndarray) else "sparse"
        shape, dtype = X.shape[1:], str(X.dtype)
        if not shape or X.dtype.kind not in _KINDS:
            raise ValueError(f"no probe rows are made from {dtype} of shape {X.shape}")
        flat = X.reshape(X.shape[0], -1) if container == "numpy" else X.tocsc()
        made = [
            ProbeColumn(None, dtype, _values(_dense(flat[:, [j]]), X.dtype.kind))
            for j in range(flat.shape[1])
        ]
    else:
        frame = nw.from_native(X, eager_only=True)
        container, shape = str(frame.implementation.value), (len(frame.columns),)
        made = [_of_narwhals(column) for column in frame.iter_columns()]
    columns = (
        ProbeColumn(c.name, c.dtype, c.values[rng.permutation(N_ROWS)]) for c in made
    )
    return container, shape, tuple(columns)


def _dense(column: Any) -> Array:
    return np.asarray(column.toarray() if sp.issparse(column) else column).ravel()


def _of_pandas(name: Any, column: pd.Series[Any]) -> ProbeColumn:
    dtype = column.dtype
    if pd.api.types.is_datetime64_any_dtype(dtype):
        plain = column.dt.tz_convert(None) if hasattr(dtype, "tz") else column
        times = plain.astype("datetime64[us]").to_numpy()
        return ProbeColumn(name, str(dtype), _values(times, "M"))
    numeric = pd.api.types.is_numeric_dtype(dtype)
    kind = "b" if pd.api.types.is_bool_dtype(dtype) else "f" if numeric else "O"
    if kind == "O":
        values = column.astype(object).to_numpy()
    else:
        values = column.astype("Float64").to_numpy(np.float64, na_value=np.nan)
    return ProbeColumn(name, str(dtype), _values(values, kind))


def _of_narwhals(column: Any) -> ProbeColumn:
    dtype = column.dtype
    if dtype.is_numeric() or dtype == nw.Boolean:
        kind = "b" if dtype == nw.Boolean else "f"
        whole = column.cast(nw.Int8) if kind == "b" else column
        values = whole.cast(nw.Float64).to_numpy()
    elif dtype == nw.Datetime or dtype == nw.Date:
        values, kind = column.to_numpy().astype("datetime64[us]"), "M"
    else:
        values, kind = np.array([*column.to_list(), None], dtype=object)[:-1], "O"
    return ProbeColumn(column.name, type(dtype).__name__, _values(values, kind))


def _values(values: Array, kind: str) -> Array:
    """Values like those of a column, falling in no order yet."""
    if kind == "O":
        return _drawn(values)
    missing = np.isnat(values) if kind == "M" else ~np.isfinite(values.astype(float))
    numbers = np.sort(values[~missing]).astype("i8" if kind == "M" else float)
    n_missing = int(missing.sum()) if missing.sum() >= _LEAST else 0
    there = N_ROWS - round(N_ROWS * n_missing / max(1, len(values)))
    if len(numbers) < _LEAST:
        there = there if n_missing == 0 else 0
        levels = np.zeros(there)
    else:
        levels = _levels(numbers, there)
    if kind == "b":
        levels = np.round(levels)
    if kind == "M":
        found = np.full(N_ROWS, np.datetime64("NaT"), dtype="datetime64[us]")
        found[:there] = levels.astype("i8").view("datetime64[us]")
        return found
    return np.concatenate([levels, np.full(N_ROWS - there, np.nan)])


def _levels(rising: Array, count: int) -> Array:
    """Means of neighbours, six at least, spread evenly over rising numbers."""
    n = len(rising)
    width = max(_LEAST, n // max(1, count))
    centres = (np.arange(count) + 0.5) / max(1, count) * n
    starts = np.clip(centres - width / 2, 0, n - width).astype(int)
    parts = [rising[s + _OUTER : s + width - _OUTER] for s in starts]
    # from the first one: equal numbers must give just that number
    return np.array([part[0] + np.mean(part - part[0]) for part in parts])


def _drawn(values: Array) -> Array:
    """Values that stand in ten rows at least, in their shares."""
    listed = [None if _is_missing(v) else v for v in values.tolist()]
    if all(isinstance(v, Real) and not isinstance(v, bool) for v in listed):
        return _values(np.array(listed, dtype=float), "f").astype(object)
    counts = [(v, n) for v, n in Counter(listed).most_common() if n >= _LEAST]
    found = np.full(N_ROWS, None, dtype=object)
    if counts:
        shares = np.cumsum([n for _, n in counts])
        at = (np.arange(N_ROWS) + 0.5) / N_ROWS * shares[-1]
        found[:] = [counts[i][0] for i in np.searchsorted(shares, at)]
    return found


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or bool(value != value)


def _rounded(values: Array, dtype: np.dtype[Any]) -> Array:
    if dtype.kind in "biu":
        values = np.round(np.nan_to_num(values))
    return values.astype(dtype)


def _as_frame(columns: tuple[ProbeColumn, ...], library: Any) -> Any:
    if library == "pandas":
        parts = [_pandas_column(c) for c in columns]
        frame = pd.concat(parts, axis=1)
        frame.columns = pd.Index([c.name for c in columns])
        return frame
    made = {
        str(c.name): nw.new_series(
            str(c.name), _listed(c), _narwhals_type(c.dtype), backend=library
        )
        for c in columns
    }
    return nw.from_dict(made).to_native()


def _narwhals_type(name: str) -> Any:
    kind = getattr(nw, name, None)
    if not (isinstance(kind, type) and issubclass(kind, nw.dtypes.DType)):
        raise ValueError(f"there are no columns of {name!r}")
    return kind()


def _listed(column: ProbeColumn) -> list[Any]:
    values = column.values
    as_it_was: dict[str, Callable[[Any], Any]] = {
        "Boolean": bool,
        "Date": lambda v: v.date(),
        **{f"{sign}Int{bits}": round for sign in ("", "U") for bits in (8, 16, 32, 64)},
    }
    make = as_it_was.get(column.dtype, lambda v: v)
    return [None if _is_missing(v) else make(v) for v in values.tolist()]


def _pandas_column(column: ProbeColumn) -> Any:
    values: Any = column.values
    dtype: Any = column.dtype  # a text that pandas-stubs cannot know
    if values.dtype.kind == "M":
        times: Any = pd.Series(values)
        zoned = dtype.rpartition(", ")[2].rstrip("]") if ", " in dtype else ""
        return times.dt.tz_localize(zoned) if zoned else times.astype(dtype)
    if values.dtype.kind == "f":
        whole = "int" in dtype.lower() or "bool" in dtype.lower()
        numbers: Any = pd.Series(np.round(values) if whole else values)
        if isinstance(pd.api.types.pandas_dtype(dtype), np.dtype):
            return (numbers.fillna(0) if whole else numbers).astype(dtype)
        return numbers.astype("Float64").astype(dtype)  # where some may be missing
    if dtype == "category":
        return pd.Series(pd.Categorical(values))
    return pd.Series(values, dtype=object).astype(dtype)
