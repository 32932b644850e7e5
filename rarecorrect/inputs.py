"""What may be passed to a corrector: columns beside the rows, labels, models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from rarecorrect.array_api import as_numpy
from rarecorrect.certify import check_share
from rarecorrect.legacy_model import (
    check_legacy_model,
    is_fitted,
    keeps_fitted_state,
)
from rarecorrect.metrics import as_labels
from rarecorrect.metrics.checks import check_mask
from rarecorrect.roles import Side

Array = npt.NDArray[Any]

_MISSING = "(missing)"
_PER = (None, "class", "segment")


def side_of(n: int, **columns: Any) -> Side:
    """Columns beside `n` rows, as arrays.

    Parameters
    ----------
    n : int
        Number of rows.
    **columns : array-like of shape (n,) or None
        By the names that :class:`~rarecorrect.roles.Side` has for them.

    Returns
    -------
    Side

    Raises
    ------
    ValueError
        For a column that has not one entry per row.
    TypeError
        For a mask that is not boolean.

    Examples
    --------
    >>> side_of(2, groups=["a", None]).groups.tolist()
    ['a', 'None']
    """
    return Side(**{name: _as_column(v, n, name) for name, v in columns.items()})


def strata_of(labels: Array, segment: Array | None, per: str | None) -> Array | None:
    """Stratum of every row: its legacy label, its segment, or None for no strata.

    Parameters
    ----------
    labels : ndarray of shape (n_rows,)
        Legacy labels.
    segment : ndarray of shape (n_rows,) or None
    per : {None, "class", "segment"}

    Returns
    -------
    ndarray of shape (n_rows,) or None

    Raises
    ------
    ValueError
        For segments that are not asked for, or are missing where they are.

    Examples
    --------
    >>> strata_of(np.array([0, 1]), None, "class").tolist()
    [0, 1]
    """
    if segment is not None and per != "segment":
        raise ValueError(
            f"segment= was passed, but per={per!r}: set per='segment', or leave it out"
        )
    if per == "segment" and segment is None:
        raise ValueError("per='segment' needs segment=, the segment of every row")
    return labels if per == "class" else segment


def check_labels(X: Any, y: Any) -> Array:
    """True labels of the rows of `X`, as an array.

    Parameters
    ----------
    X : array-like, frame or sparse matrix of shape (n_rows, n_columns)
    y : array-like of shape (n_rows,)
        All int, all str or all bool.

    Returns
    -------
    ndarray of shape (n_rows,)

    Raises
    ------
    ValueError
        For no labels, infinite or missing ones, continuous ones, or a wrong length.
    TypeError
        For labels of more than one kind.

    Examples
    --------
    >>> check_labels([[0.0], [1.0]], ["ok", "fraud"]).tolist()
    ['ok', 'fraud']
    """
    if y is None:
        raise ValueError(
            "requires y to be passed, but the target y is None: errors are known by "
            "their true labels"
        )
    # a list goes through object: numpy would turn [1, "a"] into ["1", "a"]
    kind = None if hasattr(y, "dtype") else object
    labels = as_labels(column_or_1d(as_numpy(y, dtype=kind), warn=True), "y")
    assert_all_finite(labels)
    check_consistent_length(X, labels)
    check_classification_targets(labels)
    return np.asarray(labels)


def refuse_one_dimension(X: Any) -> None:
    """Refuse a flat array of numbers.

    Parameters
    ----------
    X : object
        Rows; a list of texts, say, is left to the legacy model.

    Raises
    ------
    ValueError
        With the way to reshape it.

    Examples
    --------
    >>> refuse_one_dimension(np.zeros(2))
    Traceback (most recent call last):
        ...
    ValueError: Expected 2D array, got 1D array of 2 numbers instead. Reshape ...
    >>> refuse_one_dimension(["a text", "another text"])
    """
    if isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype.kind in "biuf":
        raise ValueError(
            f"Expected 2D array, got 1D array of {X.size} numbers instead. Reshape "
            "your data: X.reshape(-1, 1) for one column, X.reshape(1, -1) for one row"
        )


def cloned_parameter(name: str, value: Any) -> Any:
    """Clone of a parameter; fitted models and fitted transformers stay as they are.

    ``clone`` would unfit a model in service, and the next fit would silently refit it:
    a model is cloned only if it is proven unfitted.

    Parameters
    ----------
    name : str
        Of a parameter of :class:`~rarecorrect.ErrorCorrector`.
    value : object

    Returns
    -------
    object

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> model = LogisticRegression()
    >>> cloned_parameter("estimator", model) is model
    False
    >>> model = model.fit([[0.0], [1.0]], [0, 1])
    >>> cloned_parameter("estimator", model) is model
    True
    """
    if name == "features" and isinstance(value, list | tuple):
        return type(value)(cloned_parameter(name, item) for item in value)
    if name == "estimator" and is_fitted(value):
        return value
    if name == "features" and hasattr(value, "fit") and keeps_fitted_state(value):
        return value
    return clone(value, safe=False)


def check_parameters(params: Mapping[str, Any]) -> None:
    """Refuse parameters of a corrector that mean nothing, whatever the rows are.

    Parameters
    ----------
    params : mapping
        As ``get_params(deep=False)`` gives it.

    Raises
    ------
    ValueError
        With the parameter, its value and what it may be.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from rarecorrect import ErrorCorrector
    >>> corrector = ErrorCorrector(LogisticRegression(), action="drop")
    >>> check_parameters(corrector.get_params(deep=False))
    Traceback (most recent call last):
        ...
    ValueError: action must be 'relabel' or 'flag', got 'drop'
    """
    check_legacy_model(params["estimator"])
    if params["action"] not in ("relabel", "flag"):
        raise ValueError(
            f"action must be 'relabel' or 'flag', got {params['action']!r}"
        )
    if params["per"] not in _PER:
        raise ValueError(f"per must be one of {_PER}, got {params['per']!r}")
    if isinstance(params["max_damage"], Mapping) and params["per"] is None:
        raise ValueError(
            f"max_damage={params['max_damage']!r} names classes or segments; set "
            "per='class' or per='segment', or pass one share for all"
        )
    for name in ("ledger", "shuffle", "keep_errors"):
        if not isinstance(params[name], bool | np.bool_):
            raise ValueError(f"{name} must be True or False, got {params[name]!r}")
    rows = params["reservoir"]
    if not isinstance(rows, Integral) or isinstance(rows, bool) or rows < 0:
        raise ValueError(f"reservoir must be a number of rows, 0 or more, got {rows!r}")
    detector = params["detector"]
    if isinstance(detector, str) and detector != "auto":
        raise ValueError(
            f"detector must be None, 'auto' or a classifier, got {detector!r}"
        )
    if isinstance(detector, type) or not (
        detector is None or isinstance(detector, str) or hasattr(detector, "fit")
    ):
        raise ValueError(
            "detector must be None, 'auto' or a classifier such as LogisticDetector(), "
            f"got {detector!r}"
        )
    _check_confusions(params["confusions"])
    for name in ("calibration_fraction", "validation_fraction"):
        if name == "validation_fraction" or params[name] != "auto":
            check_share(params[name], name)


def _check_confusions(confusions: Any) -> None:
    text = isinstance(confusions, str)
    if text and confusions == "all":
        return
    if text or not isinstance(confusions, Collection) or len(confusions) == 0:
        raise ValueError(
            "confusions must be 'all', or a list, not empty, of true labels or of "
            f"(legacy label, true label), got {confusions!r}"
        )
    times = Counter(
        item if isinstance(item, str) or not np.iterable(item) else tuple(item)
        for item in confusions
    )
    twice = [item for item, n in times.items() if n > 1]
    if twice:
        raise ValueError(
            f"confusions must name every kind of error once, got {twice[0]!r} more "
            f"than once in {confusions!r}"
        )


class _Name(str):
    """Text that sorts after numbers, for columns that hold both."""

    def __lt__(self, other: Any) -> bool:
        return isinstance(other, str) and str.__lt__(self, other)

    def __gt__(self, other: Any) -> bool:
        return not isinstance(other, str) or str.__gt__(self, other)


def _as_column(values: Any, n: int, name: str) -> Array | None:
    if values is None:
        return None
    # a list goes through object: numpy would turn ["a", nan] into ["a", "nan"]
    kind = None if hasattr(values, "dtype") or name != "segment" else object
    column = as_numpy(values, dtype=kind)
    if column.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), got {column.shape}")
    if name == "segment":
        return _as_segments(column)
    if name == "calibration_mask":
        return check_mask(column, name, n)
    if name == "groups" and column.dtype == object:
        return column.astype(str)  # None and NaN have no order
    return column


def _as_segments(column: Array) -> Array:
    """Segments that can be sorted and compared; all missing ones are one segment.

    Numbers stay numbers and all else becomes text, value by value: a hole must not
    turn the names around it into others.
    """
    if column.dtype.kind in "biuU":
        return column
    codes, found = pd.factorize(pd.Series(column).astype(object))
    names = [*map(_segment, found), _Name(_MISSING)]  # code -1 is the last
    only_text = all(isinstance(name, str) for name in names)
    return np.array(names, dtype=None if only_text else object)[codes]


def _segment(value: Any) -> Any:
    if isinstance(value, np.number | np.bool_):
        value = value.item()
    return value if isinstance(value, Real) else _Name(value)
