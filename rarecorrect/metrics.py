"""What a correction did: retention, damage, gain, spillover, curves and scorers.

Three label columns say everything: the true label ``y``, the decision of the legacy
model ``f`` (``before``) and the decision of the corrected system ``h`` (``after``).
A row flagged for review has ``h = FLAGGED``, which equals no label: to flag a right
decision is damage, to flag a wrong one catches it but repairs nothing.
A share whose denominator is zero is NaN, never 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pandas.api.types import infer_dtype
from scipy.special import betaincinv
from sklearn.pipeline import Pipeline
from sklearn.utils import column_or_1d

__all__ = [
    "CorrectionReport",
    "as_labels",
    "clopper_pearson",
    "correction_report",
    "correction_scorer",
    "gain_at_retention",
    "gain_retention_curve",
]

_KINDS = {"b": "bool", "i": "number", "u": "number", "f": "number", "U": "str"}
_UNIFORM = ("integer", "floating", "mixed-integer-float", "string", "boolean", "empty")
_SHARES = ["retention", "damage", "gain", "caught"]
_PRINTED = ["support", *_SHARES, "repaired", "broken", "flagged"]
_ALIASES = {"accuracy": "accuracy_after", "macro_f1": "macro_f1_after"}


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
    mask = np.zeros(n, bool) if flagged is None else _mask(flagged, "flagged", n)
    arrays["after"] = np.where(mask, arrays["before"], arrays["after"])
    index = _label_index(arrays, labels)
    true, legacy, new = (index.get_indexer(pd.Index(a)) for a in arrays.values())
    new = np.where(mask, len(index), new)  # one code beyond the labels: FLAGGED
    counts = _counts(true, legacy, new, index)
    return CorrectionReport(
        _per_class(counts), _overall(counts), _spillover(true, legacy, new, index)
    )


def clopper_pearson(
    successes: int, trials: int, confidence_level: float = 0.95
) -> tuple[float, float]:
    """Return the exact two-sided interval of a binomial share.

    Parameters
    ----------
    successes, trials : int
        Counts, ``0 <= successes <= trials``.
    confidence_level : float, default=0.95
        Coverage in (0, 1); each side leaves out at most half of the rest.

    Returns
    -------
    low, high : float
        Ends of the interval in [0, 1]; both NaN when there are no trials.

    Raises
    ------
    ValueError
        Counts or level out of range.

    References
    ----------
    Clopper, Pearson, "The use of confidence or fiducial limits illustrated in the
    case of the binomial", Biometrika 26:404 (1934). doi:10.1093/biomet/26.4.404

    Examples
    --------
    >>> low, high = clopper_pearson(3, 100)
    >>> print(f"{low:.4f} {high:.4f}")
    0.0062 0.0852
    """
    if not 0 <= successes <= trials:
        raise ValueError(
            f"successes must lie in 0 ... trials={trials}, got {successes}"
        )
    if not 0 < confidence_level < 1:
        raise ValueError(f"confidence_level must lie in (0, 1), got {confidence_level}")
    if trials == 0:
        return math.nan, math.nan
    tail, failures = (1 - confidence_level) / 2, trials - successes
    low = betaincinv(successes, failures + 1, tail) if successes else 0.0
    high = betaincinv(successes + 1, failures, 1 - tail) if failures else 1.0
    return float(low), float(high)


def gain_retention_curve(
    scores: ArrayLike, right: ArrayLike, repairable: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return gain against retention for every threshold on a score.

    A row fires iff its score is above the threshold, as in a certificate. The steps
    are exact: one point per distinct score, rows of equal score fire together.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        High = change this decision. -inf and NaN never fire.
    right : array-like of bool of shape (n_samples,)
        The legacy decision is right: to change it is damage.
    repairable : array-like of bool of shape (n_samples,)
        The change would repair an error. Gain is a share of these rows. Errors that
        are to count although no threshold repairs them: mark them here, with a
        score of -inf.

    Returns
    -------
    retention : ndarray of shape (n_points,)
        Share of right rows that do not fire, falling from 1; NaN without right rows.
    gain : ndarray of shape (n_points,)
        Share of repairable rows that fire, rising from 0; NaN without such rows.
    thresholds : ndarray of shape (n_points,)
        Falling from inf, where nothing fires, to -inf, where every finite score
        does.

    Raises
    ------
    ValueError
        Lengths differ, or a row is both right and repairable.
    TypeError
        ``right`` or ``repairable`` is no boolean mask.

    Examples
    --------
    >>> retention, gain, thresholds = gain_retention_curve(
    ...     scores=[5.0, 4.0, 4.0, 1.0],
    ...     right=[False, True, False, True],
    ...     repairable=[True, False, True, False],
    ... )
    >>> for point in zip(thresholds, retention, gain):
    ...     print("{:4.1f} {:.1f} {:.1f}".format(*point))
     inf 1.0 0.0
     4.0 1.0 0.5
     1.0 0.5 1.0
    -inf 0.0 1.0
    """
    score = np.asarray(column_or_1d(scores), dtype=np.float64)
    damaging = _mask(right, "right", score.size)
    repairing = _mask(repairable, "repairable", score.size)
    if (clash := np.flatnonzero(damaging & repairing)).size:
        raise ValueError(
            f"{clash.size} rows are both right and repairable, the first is row "
            f"{clash[0]}: a right decision cannot be repaired"
        )
    may_fire = np.flatnonzero(score > -np.inf)  # False for NaN as well
    order = may_fire[np.argsort(-score[may_fire], kind="stable")]
    falling = score[order]
    is_end = np.append(falling[1:] != falling[:-1], True)[: falling.size]
    block_ends = np.flatnonzero(is_end)

    def fired(rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.append(0, np.cumsum(rows[order], dtype=np.int64)[block_ends])

    retention = _share(damaging.sum() - fired(damaging), damaging.sum())
    gain = _share(fired(repairing), repairing.sum())
    # A block fires above the next lower score; the last block above -inf.
    thresholds = np.append(np.inf, np.append(falling, -np.inf)[block_ends + 1])
    return retention, gain, thresholds


def gain_at_retention(
    scores: ArrayLike,
    right: ArrayLike,
    repairable: ArrayLike,
    retention: float = 0.99,
) -> float:
    """Return the largest gain whose realised retention is at least ``retention``.

    It reads the rows' own curve: detector quality at equal realised damage, not what
    a threshold certified beforehand would bring.

    Parameters
    ----------
    scores, right, repairable : array-like of shape (n_samples,)
        As in :func:`gain_retention_curve`.
    retention : float, default=0.99
        Least share of right decisions to keep, in [0, 1].

    Returns
    -------
    float
        Gain in [0, 1]; NaN when no row is repairable or none is right.

    Raises
    ------
    ValueError
        ``retention`` out of range, or as in :func:`gain_retention_curve`.

    Examples
    --------
    >>> gain_at_retention(
    ...     [5.0, 4.0, 3.0], [False, True, False], [True, False, True], retention=0.99
    ... )
    0.5
    """
    _check_retention(retention)
    kept, gain, _ = gain_retention_curve(scores, right, repairable)
    if np.isnan(kept[0]):
        return math.nan
    return float(gain[kept >= retention].max())


def correction_scorer(
    name: str, retention: float = 0.99
) -> Callable[[Any, Any, ArrayLike], float]:
    """Return a scorer of corrections for grid search and cross-validation.

    The scorer takes ``(corrector, X, y)``, where the corrector is a fitted
    ErrorCorrector, a Pipeline that ends in one, or a search over one. It compares
    the corrected decisions with those of the legacy model inside; both, and the
    flagged rows, are read from one ``corrector.trace(X)``.

    Parameters
    ----------
    name : str
        Any key of :attr:`CorrectionReport.overall`, such as "gain", "retention" or
        "net"; "accuracy" and "macro_f1" for their values after the correction; or
        "gain_at_retention", which sets thresholds aside and reads the curve of the
        scores m(x). ``neg_`` in front changes the sign: search for the least damage
        with "neg_damage", since a search takes the largest value.
    retention : float, default=0.99
        Retention at which "gain_at_retention" is read; in [0, 1].

    Returns
    -------
    callable
        ``scorer(corrector, X, y) -> float``. NaN where the quantity is undefined, as
        is the gain on a fold without errors: stratify by right and wrong decisions.

    Raises
    ------
    ValueError
        Unknown name, or ``retention`` out of range.

    Notes
    -----
    The gain of "gain_at_retention" is a share of ALL errors, as in the report. An
    error for which no rule proposes the true label counts as never repaired;
    otherwise a candidate that proposes little would be judged on little.

    Examples
    --------
    >>> scoring = {name: correction_scorer(name) for name in ("gain", "neg_damage")}
    >>> scoring["gain"]
    _CorrectionScorer(name='gain', retention=0.99)
    """
    valid = _scorer_names()
    if name.removeprefix("neg_") not in valid:
        raise ValueError(
            f"name must be one of {sorted(valid)}, or one of these with neg_ in "
            f"front, got {name!r}"
        )
    _check_retention(retention)
    return _CorrectionScorer(name, retention)


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
    array: NDArray[Any] = column_or_1d(np.asarray(values, dtype=kind))
    if missing := int(pd.isna(array).sum()):
        raise ValueError(f"{name} has {missing} missing labels: leave those rows out")
    if array.dtype.kind not in _KINDS:
        found = infer_dtype(array, skipna=False)
        if found not in _UNIFORM:
            raise TypeError(
                f"{name} holds labels of type {found!r}: "
                "convert them to all int, all str or all bool"
            )
        array = np.array(array.tolist())
    return array


@dataclass(frozen=True)
class _CorrectionScorer:
    """A scorer that survives pickling to a worker; see correction_scorer."""

    name: str
    retention: float

    def __call__(self, estimator: Any, X: Any, y: ArrayLike) -> float:
        trace = _trace(estimator, X)
        name = self.name.removeprefix("neg_")
        if name == "gain_at_retention":
            value = _gain_of_trace(trace, y, self.retention)
        else:
            report = correction_report(
                y, trace["before"], trace["after"], flagged=trace["flagged"]
            )
            value = float(report.overall[_ALIASES.get(name, name)])
        return value if name == self.name else -value


def _scorer_names() -> set[str]:
    overall = correction_report([0], [0], [0]).overall
    return {*overall, *_ALIASES, "gain_at_retention"}


def _trace(estimator: Any, X: Any) -> Any:
    """Return the trace of the corrector inside searches and pipelines."""
    while not hasattr(estimator, "trace"):
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            X = estimator[:-1].transform(X) if len(estimator) > 1 else X
            estimator = estimator[-1]
        else:
            raise TypeError(
                "a correction scorer needs a fitted ErrorCorrector, alone or as the "
                f"last step of a Pipeline, got {type(estimator).__name__}"
            )
    return estimator.trace(X)


def _gain_of_trace(trace: Any, y: ArrayLike, retention: float) -> float:
    true = as_labels(y, "y")
    right = np.asarray(trace["before"]) == true
    proposes_truth = np.asarray(trace["proposed"]) == true
    score = np.asarray(trace["score"], dtype=np.float64)
    score = np.where(right | proposes_truth, score, -np.inf)
    return gain_at_retention(score, right, ~right, retention)


def _check_retention(retention: float) -> None:
    if not 0 <= retention <= 1:
        raise ValueError(f"retention must lie in [0, 1], got {retention}")


def _check_columns(n: int, arrays: Mapping[str, NDArray[Any]]) -> None:
    for name, array in arrays.items():
        if array.size != n:
            raise ValueError(
                f"{name} has {array.size} rows, y has {n}: pass one value per row"
            )
    kinds = {name: _KINDS[array.dtype.kind] for name, array in arrays.items()}
    if n and len(set(kinds.values())) > 1:
        raise TypeError(f"labels of different kinds, {kinds}: convert them to one kind")


def _mask(values: ArrayLike, name: str, n: int) -> NDArray[np.bool_]:
    array: NDArray[Any] = column_or_1d(np.asarray(values))
    if array.size != n:
        raise ValueError(f"{name} has {array.size} rows, expected {n}: one per row")
    if array.size and infer_dtype(array, skipna=False) != "boolean":
        raise TypeError(
            f"{name} must be a boolean mask, got values of type {array.dtype}"
        )
    return array.astype(bool)


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


def _share(part: Any, whole: Any) -> NDArray[np.float64]:
    part, whole = np.broadcast_arrays(part, whole)
    share = np.full(part.shape, np.nan)
    np.divide(part, whole, out=share, where=whole != 0)
    return share


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
        retention=_share(right - counts["broken"], right),
        damage=_share(counts["broken"], right),
        gain=_share(counts["repaired"], wrong),
        caught=_share(caught, wrong),
    )


def _f1(counts: pd.DataFrame, when: str) -> NDArray[np.float64]:
    predicted = counts[f"predicted_{when}"]
    return _share(2 * counts[f"right_{when}"], counts["support"] + predicted)


def _per_class(counts: pd.DataFrame) -> pd.DataFrame:
    false_before = counts["predicted_before"] - counts["right_before"]
    false_after = counts["predicted_after"] - counts["right_after"]
    others = counts["support"].sum() - counts["support"]
    return _with_shares(counts).assign(
        false_positive_increase=_share(false_after - false_before, others),
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
        "accuracy_before": float(_share(c["right_before"], c["support"])),
        "accuracy_after": float(_share(c["right_after"], c["support"])),
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
    return pd.DataFrame(_share(counts, was_right), index=index, columns=columns)
