"""Before against after: every count and share, per class and pooled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rarecorrect.metrics.checks import LABEL_KINDS, as_labels, check_mask, share

_SHARES = ["retention", "damage", "gain", "caught"]
_PRINTED = ["support", *_SHARES, "repaired", "broken", "flagged"]


@dataclass(frozen=True, eq=False)
class CorrectionReport:
    """Every quantity that compares a corrected system with its legacy model.

    Made by :func:`correction_report`.

    Attributes
    ----------
    per_class : DataFrame, one row per label
        Counts: ``support`` rows of the class; ``right_before`` and ``right_after``;
        ``repaired`` (wrong, then right); ``broken`` (right, then changed or flagged);
        ``changed_still_wrong`` (wrong, then changed to another wrong label or
        flagged); ``flagged``; rows ``predicted_before`` and ``predicted_after`` to
        be of the class. Shares: ``retention`` and ``damage`` of the right decisions;
        ``gain`` (repaired) and ``caught`` (changed or flagged) of the wrong ones;
        ``false_positive_increase`` of the rows of other classes; F1 before and after.
        Shares without rows are NaN.
    overall : dict of str to int or float
        The same, pooled over all rows, with ``n``, ``changed`` rows,
        ``net = repaired - broken = right_after - right_before`` and accuracies.
        ``macro_f1_*`` is the mean over the classes that occur in ``y``, so that the
        same classes count before and after.
    spillover : DataFrame, label x (label and "flagged")
        Share of the right decisions of class i (row) that became j (column). The
        diagonal is 0: what stayed is no spillover. Row i sums to the damage of i.

    Examples
    --------
    >>> report = correction_report(
    ...     y=["ok", "ok", "bad"], before=["ok", "ok", "ok"], after=["ok", "bad", "bad"]
    ... )
    >>> report.overall["repaired"], report.overall["broken"], report.overall["net"]
    (1, 1, 0)
    >>> report.per_class.loc["ok", "retention"], report.spillover.loc["ok", "bad"]
    (np.float64(0.5), np.float64(0.5))
    """

    per_class: pd.DataFrame
    overall: dict[str, int | float]
    spillover: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """Return ``per_class`` with a last row "all" that holds the pooled values.

        Returns
        -------
        DataFrame of shape (n_labels + 1, n_quantities)
            The pooled F1 is the macro-F1; a quantity without a pooled value is NaN.
        """
        pooled = {
            **self.per_class.select_dtypes("int64").sum(),
            **self.overall,
            "f1_before": self.overall["macro_f1_before"],
            "f1_after": self.overall["macro_f1_after"],
        }
        return pd.DataFrame(
            {
                name: [*column, pooled.get(name, math.nan)]
                for name, column in self.per_class.items()
            },
            index=pd.Index([*self.per_class.index, "all"], dtype=object, name="label"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python types, ready for JSON; undefined shares stay NaN.

        Returns
        -------
        dict
            "per_class": one dict per label; "overall": a dict; "spillover": a dict
            of index, columns and data.
        """
        return {
            "per_class": self.per_class.reset_index().to_dict("records"),
            "overall": dict(self.overall),
            "spillover": self.spillover.to_dict("split"),
        }

    def __str__(self) -> str:
        """Return a table with one row per class, the pooled row and a summary."""
        total = self.overall
        table = self.to_frame()[_PRINTED].to_string(
            float_format="{:.3f}".format, index_names=False
        )
        return (
            f"{table}\n"
            f"accuracy {total['accuracy_before']:.3f} -> {total['accuracy_after']:.3f}"
            f", macro-F1 {total['macro_f1_before']:.3f} -> "
            f"{total['macro_f1_after']:.3f}\n"
            f"net {total['net']:+d} = {total['repaired']} repaired - "
            f"{total['broken']} broken; {total['changed_still_wrong']} changed, "
            "still wrong"
        )


def correction_report(
    y: ArrayLike,
    before: ArrayLike,
    after: ArrayLike,
    *,
    flagged: ArrayLike | None = None,
    labels: ArrayLike | None = None,
) -> CorrectionReport:
    """Compare the decisions of a corrected system with those of its legacy model.

    With y true, f before, h after: retention of class i is
    #{y=i, f=i, h=i} / #{y=i, f=i}, damage is 1 - retention (the negative flips of
    [1]_), gain of class i is #{y=i, f!=i, h=i} / #{y=i, f!=i}.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        True labels: int, str or bool, the same kind in all three columns.
    before : array-like of shape (n_samples,)
        Decisions of the legacy model.
    after : array-like of shape (n_samples,)
        Decisions of the corrected system.
    flagged : array-like of bool of shape (n_samples,), default=None
        Rows sent to review. Their ``after`` label does not count: a flagged row
        equals no label. None: no row is flagged.
    labels : array-like of shape (n_labels,), default=None
        Order of the classes. None: all labels found, sorted.

    Returns
    -------
    CorrectionReport

    Raises
    ------
    ValueError
        Lengths differ, a label is missing, ``labels`` lacks a label that occurs, or
        a label is called "flagged".
    TypeError
        Labels of different kinds, or ``flagged`` is no boolean mask.

    References
    ----------
    .. [1] Yan et al., "Positive-Congruent Training", arXiv 2011.09161.

    Examples
    --------
    Three of four right decisions are kept, one of two errors is repaired and the
    other one is flagged.

    >>> report = correction_report(
    ...     y=[0, 0, 0, 0, 1, 1],
    ...     before=[0, 0, 0, 0, 0, 0],
    ...     after=[0, 0, 0, 1, 1, 0],
    ...     flagged=[False, False, False, False, False, True],
    ... )
    >>> report.overall["retention"], report.overall["gain"], report.overall["caught"]
    (0.75, 0.5, 1.0)
    >>> print(report)
         support  retention  damage  gain  caught  repaired  broken  flagged
    0          4      0.750   0.250   NaN     NaN         0       1        0
    1          2        NaN     NaN 0.500   1.000         1       0        1
    all        6      0.750   0.250 0.500   1.000         1       1        1
    accuracy 0.667 -> 0.667, macro-F1 0.400 -> 0.679
    net +0 = 1 repaired - 1 broken; 1 changed, still wrong
    """
    columns = {"y": y, "before": before, "after": after}
    arrays = {name: as_labels(values, name) for name, values in columns.items()}
    n = arrays["y"].size
    _check_columns(n, arrays)
    mask = np.zeros(n, bool) if flagged is None else check_mask(flagged, "flagged", n)
    arrays["after"] = np.where(mask, arrays["before"], arrays["after"])
    index = _label_index(arrays, labels)
    true, legacy, new = (index.get_indexer(pd.Index(a)) for a in arrays.values())
    new = np.where(mask, len(index), new)  # one code beyond the labels: FLAGGED
    counts = _counts(true, legacy, new, index)
    return CorrectionReport(
        _per_class(counts), _overall(counts), _spillover(true, legacy, new, index)
    )


def _check_columns(n: int, arrays: Mapping[str, NDArray[Any]]) -> None:
    for name, array in arrays.items():
        if array.size != n:
            raise ValueError(
                f"{name} has {array.size} rows, y has {n}: pass one value per row"
            )
    kinds = {name: LABEL_KINDS[array.dtype.kind] for name, array in arrays.items()}
    if n and len(set(kinds.values())) > 1:
        raise TypeError(f"labels of different kinds, {kinds}: convert them to one kind")


def _label_index(
    arrays: Mapping[str, NDArray[Any]], labels: ArrayLike | None
) -> pd.Index[Any]:
    """Return the labels in report order, checked against those that occur."""
    found = np.unique(np.concatenate(list(arrays.values())))
    order = found if labels is None else as_labels(labels, "labels")
    index: pd.Index[Any] = pd.Index(order.tolist(), name="label")
    if labels is not None:
        if not index.is_unique:
            raise ValueError(f"labels must be distinct, got {index.tolist()}")
        if absent := sorted(set(found.tolist()) - set(index)):
            raise ValueError(f"labels lacks {absent}, which occur: add them")
    if "flagged" in index:
        raise ValueError(
            "a label is called 'flagged', as is the column of flagged rows: rename it"
        )
    return index


def _counts(
    true: NDArray[np.intp],
    legacy: NDArray[np.intp],
    new: NDArray[np.intp],
    index: pd.Index[Any],
) -> pd.DataFrame:
    n_labels = len(index)

    def count(labels: NDArray[np.intp]) -> NDArray[np.int64]:
        return np.bincount(labels, minlength=n_labels)[:n_labels].astype(np.int64)

    was_right, is_right, changed = legacy == true, new == true, new != legacy
    counts = {
        "support": count(true),
        "right_before": count(true[was_right]),
        "right_after": count(true[is_right]),
        "repaired": count(true[is_right & changed]),
        "broken": count(true[was_right & changed]),
        "changed_still_wrong": count(true[changed & ~was_right & ~is_right]),
        "flagged": count(true[new == n_labels]),
        "predicted_before": count(legacy),
        "predicted_after": count(new),
    }
    return pd.DataFrame(counts, index=index)


def _with_shares(counts: pd.DataFrame) -> pd.DataFrame:
    right = counts["right_before"]
    wrong = counts["support"] - right
    caught = counts["repaired"] + counts["changed_still_wrong"]
    return counts.assign(
        retention=share(right - counts["broken"], right),
        damage=share(counts["broken"], right),
        gain=share(counts["repaired"], wrong),
        caught=share(caught, wrong),
    )


def _f1(counts: pd.DataFrame, when: str) -> NDArray[np.float64]:
    predicted = counts[f"predicted_{when}"]
    return share(2 * counts[f"right_{when}"], counts["support"] + predicted)


def _per_class(counts: pd.DataFrame) -> pd.DataFrame:
    false_before = counts["predicted_before"] - counts["right_before"]
    false_after = counts["predicted_after"] - counts["right_after"]
    others = counts["support"].sum() - counts["support"]
    return _with_shares(counts).assign(
        false_positive_increase=share(false_after - false_before, others),
        f1_before=_f1(counts, "before"),
        f1_after=_f1(counts, "after"),
    )


def _overall(counts: pd.DataFrame) -> dict[str, int | float]:
    pooled = _with_shares(counts.sum().to_frame().T).iloc[0]
    c = {name: int(pooled[name]) for name in counts.columns}
    occurs = counts["support"].to_numpy() > 0
    return {
        "n": c["support"],
        "right_before": c["right_before"],
        "right_after": c["right_after"],
        "repaired": c["repaired"],
        "broken": c["broken"],
        "net": c["repaired"] - c["broken"],
        "changed": c["repaired"] + c["broken"] + c["changed_still_wrong"],
        "changed_still_wrong": c["changed_still_wrong"],
        "flagged": c["flagged"],
        **{name: float(pooled[name]) for name in _SHARES},
        "accuracy_before": float(share(c["right_before"], c["support"])),
        "accuracy_after": float(share(c["right_after"], c["support"])),
        "macro_f1_before": float(pd.Series(_f1(counts, "before")[occurs]).mean()),
        "macro_f1_after": float(pd.Series(_f1(counts, "after")[occurs]).mean()),
    }


def _spillover(
    true: NDArray[np.intp],
    legacy: NDArray[np.intp],
    new: NDArray[np.intp],
    index: pd.Index[Any],
) -> pd.DataFrame:
    n_labels = len(index)
    right = legacy == true
    pairs = true[right] * (n_labels + 1) + new[right]
    counts = np.bincount(pairs, minlength=n_labels * (n_labels + 1))
    counts = counts.reshape(n_labels, n_labels + 1)
    was_right = counts.sum(axis=1, keepdims=True)
    np.fill_diagonal(counts, 0)
    columns = pd.Index([*index, "flagged"], dtype=object, name="becomes")
    return pd.DataFrame(share(counts, was_right), index=index, columns=columns)
