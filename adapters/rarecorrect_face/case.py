"""One class that a network reads wrongly, and the rows to correct it from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from rarecorrect_face.feature_table import FeatureTable

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Retrained:
    """What a network of all classes says of the same faces.

    Attributes
    ----------
    score : ndarray of shape (n_rows,)
        Log-odds of the class to correct; NaN where nobody asks.
    decisions : ndarray of str of shape (n_rows,)
        Empty where nobody asks.
    """

    score: npt.NDArray[np.float64]
    decisions: npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class CorrectionCase:
    """A network that never saw a class, or too little of it.

    Attributes
    ----------
    label : str
        The class to correct.
    Z : ndarray of float32 of shape (n_rows, n_columns)
        Features, on which detectors learn.
    labels, before : ndarray of str of shape (n_rows,)
        True classes, and decisions of the network.
    unseen_right : ndarray of int
        Right decisions on rows that the network was not trained on, to learn from.
    seen_right : ndarray of int
        Right decisions on its training rows, which may be added as background.
    errors : ndarray of int
        Errors of the class, to learn from.
    calibration : ndarray of int
        Right decisions that do nothing but calibrate; no copies among them.
    test : ndarray of int
        All test rows.
    copy : ndarray of bool of shape (n_test,)
        Test rows whose picture occurs in another split too.
    retrained : Retrained or None
    """

    label: str
    Z: npt.NDArray[np.float32]
    labels: npt.NDArray[np.str_]
    before: npt.NDArray[np.str_]
    unseen_right: Indices
    seen_right: Indices
    errors: Indices
    calibration: Indices
    test: Indices
    copy: Mask
    retrained: Retrained | None

    @property
    def right(self) -> Mask:
        """Which test decisions are right."""
        return np.asarray(self.before[self.test] == self.labels[self.test])

    @property
    def repairable(self) -> Mask:
        """Which test decisions are errors of the class."""
        return np.asarray((self.labels[self.test] == self.label) & ~self.right)

    def change_scores(self, scores: npt.ArrayLike, rows: Indices) -> Array:
        """Scores of rows, ``-inf`` where the change would change nothing."""
        values = np.asarray(scores, dtype=float)
        return np.where(self.before[rows] != self.label, values, -np.inf)


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """One random draw, the same for all methods.

    Attributes
    ----------
    number, seed : int
    fitting : ndarray of int
        Rows to fit on: right decisions, then errors.
    is_error : ndarray of bool of shape (n_fitting,)
    """

    number: int
    seed: int
    fitting: Indices
    is_error: Mask


def make_case(
    table: FeatureTable,
    label: str,
    *,
    reference: FeatureTable | None = None,
    layers: Sequence[str] | None = None,
) -> CorrectionCase:
    """Tell the roles of all rows of a table apart.

    Errors to learn from are rows of split ``"fit"``; where the network does not know
    the class, it was not trained on any, and those in ``"train"`` count as well.

    Parameters
    ----------
    table : FeatureTable
    label : str
        Class to correct.
    reference : FeatureTable, optional
        Of a network of all classes.
    layers : sequence of str, optional
        As in :meth:`FeatureTable.matrix`.

    Returns
    -------
    CorrectionCase

    Raises
    ------
    ValueError
        If there is nothing to learn, to calibrate or to test, or the reference is of
        other faces.
    """
    before, is_class = table.decisions, table.labels == label
    is_right, part = before == table.labels, table.split
    # a right decision that says the class already cannot be changed, so teaches nothing
    teaches = is_right & ~is_class
    fits = part == "fit"
    if label not in table.classes:
        fits |= (part == "train") & is_class
    case = CorrectionCase(
        label,
        table.matrix(layers),
        table.labels,
        before,
        np.flatnonzero(fits & teaches),
        np.flatnonzero((part == "train") & teaches),
        np.flatnonzero(fits & is_class & ~is_right),
        np.flatnonzero((part == "calibration") & is_right & ~table.duplicate),
        np.flatnonzero(part == "test"),
        table.duplicate[part == "test"],
        None if reference is None else _retrained(table, label, reference),
    )
    _refuse_empty(case)
    return case


def make_draw(
    case: CorrectionCase, k: int | None, number: int, *, seed: int, background: int
) -> Draw:
    """Draw labelled errors, and right decisions to set against them.

    The errors of a draw are the first `k` of one random order, so that more errors
    contain fewer.

    Parameters
    ----------
    case : CorrectionCase
    k : int or None
        Labelled errors; None: all.
    number : int
        Of the draw.
    seed : int
    background : int
        Right decisions on training rows of the network, added at most.

    Returns
    -------
    Draw

    Raises
    ------
    ValueError
        If there are fewer errors, or no right decision to learn from.
    """
    if k is not None and k > case.errors.size:
        raise ValueError(f"{case.label}: {k} errors asked for, of {case.errors.size}")
    rng = np.random.default_rng([seed, number])
    errors = rng.permutation(case.errors)[:k]
    added = rng.permutation(case.seen_right)[:background]
    right = np.concatenate([case.unseen_right, added])
    if right.size == 0:
        raise ValueError(
            f"{case.label}: no right decision of split fit to learn from; mark some, "
            "or allow a background of training rows"
        )
    fitting = np.concatenate([right, errors])
    is_error = np.arange(fitting.size) >= right.size
    return Draw(number, seed * 1000 + number, fitting, is_error)


def _refuse_empty(case: CorrectionCase) -> None:
    kept = ~case.copy
    lacking = {
        "two errors to learn from (split fit)": case.errors.size > 1,
        "a right decision to calibrate on (split calibration)": case.calibration.size,
        "an error to test on (split test, no copy)": (case.repairable & kept).any(),
        "a right decision to test on (split test, no copy)": (case.right & kept).any(),
    }
    missing = [what for what, found in lacking.items() if not found]
    if missing:
        raise ValueError(f"{case.label}: the table lacks {'; '.join(missing)}")


def _retrained(table: FeatureTable, label: str, reference: FeatureTable) -> Retrained:
    """Answers of the reference, put in the order of the table."""
    wanted = np.flatnonzero(np.isin(table.split, ["calibration", "test"]))
    place = {name: i for i, name in enumerate(reference.ids.tolist())}
    names = table.ids[wanted].tolist()
    missing = [name for name in names if name not in place]
    if missing:
        raise ValueError(f"the reference has no face {missing[0]!r}; ids must agree")
    at = np.array([place[name] for name in names], dtype=np.intp)
    other = np.flatnonzero(reference.labels[at] != table.labels[wanted])
    if other.size:
        row = other[0]
        raise ValueError(
            f"face {names[row]!r} is {table.labels[wanted[row]]} here and "
            f"{reference.labels[at[row]]} in the reference; ids must agree"
        )
    score = np.full(len(table), np.nan)
    score[wanted] = class_log_odds(reference, label)[at]
    decisions = np.full(len(table), "", dtype=reference.decisions.dtype)
    decisions[wanted] = reference.decisions[at]
    return Retrained(score, decisions)


def class_log_odds(table: FeatureTable, label: str) -> npt.NDArray[np.float64]:
    """Log-odds of a class for every face: they do not tie where shares round to 1.

    Parameters
    ----------
    table : FeatureTable
    label : str
        One of its classes.

    Returns
    -------
    ndarray of shape (n_faces,)
    """
    column = table.classes.index(label)
    logits = table.logits.astype(float)
    others = logsumexp(np.delete(logits, column, axis=1), axis=1)
    return np.asarray(logits[:, column] - others)
