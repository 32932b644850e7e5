"""Columns of labels and masks as every metric takes them; shares that may be NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pandas.api.types import infer_dtype
from sklearn.utils import column_or_1d

from rarecorrect.array_api import as_numpy

LABEL_KINDS = {"b": "bool", "i": "number", "u": "number", "f": "number", "U": "str"}
_UNIFORM = ("integer", "floating", "mixed-integer-float", "string", "boolean", "empty")


def as_labels(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return labels as an array of numbers, of str or of bool.

    Parameters
    ----------
    values : array-like of shape (n_samples,)
        Labels, all of one kind, none missing; object columns are converted.
    name : str
        What the labels are called in an error message.

    Returns
    -------
    ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        Not one-dimensional, or a label is missing.
    TypeError
        Labels of mixed or unknown kind.

    Examples
    --------
    >>> import pandas as pd
    >>> as_labels(pd.Series(["fraud", "normal"]), "y")
    array(['fraud', 'normal'], dtype='<U6')
    """
    # A list goes through object: numpy alone would turn [1, "a"] into ["1", "a"].
    kind = None if hasattr(values, "dtype") else object
    array: NDArray[Any] = column_or_1d(as_numpy(values, dtype=kind))
    if missing := int(pd.isna(array).sum()):
        raise ValueError(f"{name} has {missing} missing labels: leave those rows out")
    if array.dtype.kind not in LABEL_KINDS:
        found = infer_dtype(array, skipna=False)
        if found not in _UNIFORM:
            raise TypeError(
                f"{name} holds labels of type {found!r}: "
                "convert them to all int, all str or all bool"
            )
        array = np.array(array.tolist())
    return array


def check_mask(values: ArrayLike, name: str, n: int) -> NDArray[np.bool_]:
    """Return a boolean mask of `n` rows.

    Parameters
    ----------
    values : array-like of bool of shape (n,)
    name : str
        What the mask is called in an error message.
    n : int
        Number of rows.

    Returns
    -------
    ndarray of bool of shape (n,)

    Raises
    ------
    ValueError
        Not one-dimensional, or another length.
    TypeError
        Values that are not boolean, such as 0 and 1.

    Examples
    --------
    >>> check_mask([True, False], "flagged", 2)
    array([ True, False])
    """
    array: NDArray[Any] = column_or_1d(as_numpy(values))
    if array.size != n:
        raise ValueError(f"{name} has {array.size} rows, expected {n}: one per row")
    if array.size and infer_dtype(array, skipna=False) != "boolean":
        raise TypeError(
            f"{name} must be a boolean mask, got values of type {array.dtype}"
        )
    return array.astype(bool)


def check_retention(retention: float) -> None:
    """Refuse a retention that is no share.

    Parameters
    ----------
    retention : float

    Raises
    ------
    ValueError
        Unless it lies in [0, 1].

    Examples
    --------
    >>> check_retention(99)
    Traceback (most recent call last):
    ValueError: retention must lie in [0, 1], got 99
    """
    if not 0 <= retention <= 1:
        raise ValueError(f"retention must lie in [0, 1], got {retention}")


def share(part: Any, whole: Any) -> NDArray[np.float64]:
    """Return ``part / whole``, NaN where there is no whole.

    Parameters
    ----------
    part, whole : array-like
        Counts whose shapes broadcast.

    Returns
    -------
    ndarray of the common shape

    Examples
    --------
    >>> share([1, 0], [4, 0])
    array([0.25,  nan])
    """
    part, whole = np.broadcast_arrays(part, whole)
    result = np.full(part.shape, np.nan)
    np.divide(part, whole, out=result, where=whole != 0)
    return result
