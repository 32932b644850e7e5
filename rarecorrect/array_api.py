"""Rows on another device or of another library, where scikit-learn dispatches them.

With ``sklearn.set_config(array_api_dispatch=True)`` rows may be torch tensors, say.
What has an entry for every row and every feature stays where it is; what is smaller
(labels, moments, the weights of a rule) and whatever is sorted is NumPy's, on the CPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import get_config

from rarecorrect._compat import moved_to_numpy, namespace_and_device

Array = npt.NDArray[Any]


def is_elsewhere(values: Any) -> bool:
    """Whether values are an array of another library that is to be dispatched to.

    Parameters
    ----------
    values : object

    Returns
    -------
    bool
        ``False`` without ``array_api_dispatch``: then all is NumPy's.

    Examples
    --------
    >>> is_elsewhere(np.zeros(2)), is_elsewhere([0.0, 1.0])
    (False, False)
    """
    return (
        not isinstance(values, np.ndarray)
        and hasattr(values, "__dlpack__")
        and hasattr(values, "device")
        and bool(get_config()["array_api_dispatch"])
    )


def namespace_of(rows: Any) -> tuple[Any, Any]:
    """Functions for rows, and the device that they lie on.

    Parameters
    ----------
    rows : array or object

    Returns
    -------
    xp : module
        Of the array API standard; NumPy for all that is not elsewhere.
    device : object or None

    Examples
    --------
    >>> xp, device = namespace_of(np.zeros((2, 3)))
    >>> xp.__name__, device
    ('numpy', None)
    """
    return namespace_and_device(rows) if is_elsewhere(rows) else (np, None)


def as_numpy(values: Any, dtype: Any = None) -> Array:
    """Values as NumPy's, on the CPU.

    Parameters
    ----------
    values : array-like
    dtype : dtype, optional
        As in :func:`numpy.asarray`.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> as_numpy([1, 2], dtype=float).tolist()
    [1.0, 2.0]
    """
    if is_elsewhere(values):
        values = moved_to_numpy(values)
    return np.asarray(values, dtype=dtype)


def beside(values: Array, rows: Any) -> Any:
    """Values where the rows are; texts stay NumPy's.

    Parameters
    ----------
    values : ndarray
        Numbers become as wide as the device allows: some have no float64.
    rows : array or object

    Returns
    -------
    array
        `values` themselves for rows of NumPy.

    Examples
    --------
    >>> beside(np.array([1.0, 2.0]), np.zeros((2, 3))).tolist()
    [1.0, 2.0]
    """
    if not is_elsewhere(rows) or is_elsewhere(values):
        return values
    if values.dtype.kind not in "biuf":
        return values
    xp, device = namespace_of(rows)
    dtype = widest_float(rows) if values.dtype.kind == "f" else None
    return xp.asarray(values, dtype=dtype, device=device)


def widest_float(rows: Any) -> Any:
    """Most precise float of the device of rows.

    Parameters
    ----------
    rows : array or object

    Returns
    -------
    dtype
        float64 but on devices without it.

    Examples
    --------
    >>> widest_float(np.zeros((2, 3), dtype=np.float32))
    <class 'numpy.float64'>
    """
    if not is_elsewhere(rows):
        return np.float64
    xp, device = namespace_of(rows)
    there = xp.__array_namespace_info__().dtypes(kind="real floating", device=device)
    return there.get("float64", xp.float32)


def take(rows: Any, places: npt.NDArray[np.intp] | slice) -> Any:
    """Some rows, where they are.

    Parameters
    ----------
    rows : array of shape (n_rows, n_features)
    places : ndarray of int of shape (n_taken,), or slice

    Returns
    -------
    array of shape (n_taken, n_features)

    Examples
    --------
    >>> take(np.eye(3), np.array([2])).tolist()
    [[0.0, 0.0, 1.0]]
    """
    if isinstance(places, slice) or not is_elsewhere(rows):
        return rows[places, :]
    xp, device = namespace_of(rows)
    return xp.take(rows, xp.asarray(places, device=device), axis=0)
