"""A correction task: a model in service, its errors, where to learn and to test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

# fits the legacy model anew: cases to learn, rows to leave out, seed -> score of rows
Retrain = Callable[[Indices, Indices, int], Callable[[Indices], Array]]


@dataclass(frozen=True, slots=True, eq=False)
class WholeDays:
    """Complete days, for what is counted by the day.

    Attributes
    ----------
    before : ndarray of int
        Rows of the training window.
    traffic : ndarray of int
        All rows after them and before the test window, labelled or not.
    later : ndarray of int
        All rows of the test window.
    day : ndarray of int of shape (n_rows,)
        Day of every row of the task.
    """

    before: Indices
    traffic: Indices
    later: Indices
    day: npt.NDArray[np.int64]

    @property
    def scored(self) -> Indices:
        """Traffic, then later rows."""
        return np.concatenate([self.traffic, self.later])


@dataclass(frozen=True, slots=True, eq=False)
class CorrectionTask:
    """Errors of one kind, the rows to learn them from and the rows to test on.

    Attributes
    ----------
    data_set, name : str
    Z : ndarray of float32 of shape (n_rows, n_features)
        What every method sees: the legacy model's columns and its logits.
    legacy_score : ndarray of shape (n_rows,)
        The legacy model's own score for the change.
    changeable : ndarray of bool of shape (n_rows,)
        The legacy model does not say already what the correction would say.
    right : ndarray of bool of shape (n_rows,)
        The legacy decision equals the true label.
    case : ndarray of bool of shape (n_rows,)
        Errors of this kind.
    pool : ndarray of int
        Rows of the correction window.
    test : ndarray of int
        All cases of the test window and a sample of its right decisions.
    window : ndarray of str of shape (n_test,)
        Part of the test window of every test row.
    readings : tuple of str
        ``"as seen"``: cases that nobody has labelled count as right; ``"clean"``: they
        are taken out.
    retrain : callable
        Refits the legacy model: (cases, rows left out, seed) to a score of rows.
    n_legacy_rows : int
        Rows that the legacy model was trained on.
    n_type_train : int
        Rows of the kind that were taken out of them.
    days : WholeDays or None
        None where rows are not in order of time.
    """

    data_set: str
    name: str
    Z: npt.NDArray[np.float32]
    legacy_score: Array
    changeable: Mask
    right: Mask
    case: Mask
    pool: Indices
    test: Indices
    window: Array
    readings: tuple[str, ...]
    retrain: Retrain
    n_legacy_rows: int = 0
    n_type_train: int = 0
    days: WholeDays | None = None

    @property
    def pool_cases(self) -> Indices:
        """Errors of this kind in the correction window."""
        return self.pool[self.case[self.pool]]

    @property
    def n_test_cases(self) -> int:
        """Errors of this kind in the test window."""
        return int(self.case[self.test].sum())


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows take part.

    Attributes
    ----------
    background : int
        Right decisions that detectors are fitted on, at most; never above a third.
    calibration : int
        Other right decisions that calibrate, at most.
    test_right : int
        Right decisions of the test window that damage is measured on, at most.
    """

    background: int = 40_000
    calibration: int = 100_000
    test_right: int = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """One random draw, the same for all methods.

    Attributes
    ----------
    reading : str
    number, seed : int
    cases : ndarray of int
        Labelled errors.
    background : ndarray of int
        Right decisions (as far as anybody knows) to fit on, all changeable.
    calibration : ndarray of int
        Right decisions (as far as anybody knows) that do nothing but calibrate.
    removed : ndarray of int
        Unlabelled cases that the reading takes out of everything.
    """

    reading: str
    number: int
    seed: int
    cases: Indices
    background: Indices
    calibration: Indices
    removed: Indices

    @property
    def fitting(self) -> Indices:
        """Rows to fit on: background, then cases."""
        return np.concatenate([self.background, self.cases])

    @property
    def is_error(self) -> Mask:
        """Which of the fitting rows are errors."""
        return np.arange(self.fitting.size) >= self.background.size


def make_draw(
    task: CorrectionTask,
    reading: str,
    k: int | None,
    number: int,
    *,
    seed: int = 0,
    sizes: Sizes | None = None,
) -> Draw:
    """Draw labelled cases, background and calibration rows.

    The labelled cases of a draw are the first `k` of one random order, so the same
    number means the same cases in both readings, and more cases contain fewer.

    Parameters
    ----------
    task : CorrectionTask
    reading : {"as seen", "clean"}
    k : int or None
        Labelled cases; None: all.
    number : int
        Of the draw.
    seed : int, default=0
    sizes : Sizes, optional

    Returns
    -------
    Draw

    Raises
    ------
    ValueError
        If the correction window has fewer than `k` cases, or none.
    """
    if reading not in ("as seen", "clean"):
        raise ValueError(f"reading must be 'as seen' or 'clean', got {reading!r}")
    limits = Sizes() if sizes is None else sizes
    found = task.pool_cases
    if found.size == 0 or (k is not None and found.size < k):
        raise ValueError(
            f"{task.name} has {found.size} cases in the correction window, "
            f"{'at least 1' if k is None else k} needed"
        )
    rng = np.random.default_rng([seed, number])
    ordered = rng.permutation(found)
    cases, hidden = ordered[:k], ordered[found.size if k is None else k :]
    right = task.pool[task.right[task.pool]]
    if reading == "as seen":
        right = np.concatenate([right, hidden])
    free = rng.permutation(right)
    n_background = min(limits.background, right.size // 3)
    background = free[task.changeable[free]][:n_background]
    rest = np.setdiff1d(free, background)
    calibration = rng.permutation(rest)[: limits.calibration]
    removed = hidden if reading == "clean" else np.empty(0, dtype=np.intp)
    return Draw(
        reading,
        number,
        seed * 1000 + number,
        cases,
        background,
        calibration,
        removed,
    )


def whole_day_draw(
    task: CorrectionTask,
    k: int,
    number: int,
    *,
    seed: int = 0,
    sizes: Sizes | None = None,
) -> Draw:
    """Draw the same cases, but fit and calibrate on complete days of their own.

    A number of alerts a day is certified on the rows of whole days, so no right
    decision of these days can be spared to fit on: the background comes from the
    training window.  The legacy model has seen it, which costs power, not validity.

    Parameters
    ----------
    task : CorrectionTask
        With whole days.
    k, number, seed, sizes
        As in :func:`make_draw`.

    Returns
    -------
    Draw
        ``calibration`` is all traffic, the labelled cases included.
    """
    assert task.days is not None
    limits = Sizes() if sizes is None else sizes
    draw = make_draw(task, "as seen", k, number, seed=seed, sizes=limits)
    before = task.days.before
    usable = before[task.right[before] & task.changeable[before]]
    rng = np.random.default_rng([seed, number, 30])
    background = rng.permutation(usable)[: limits.background]
    return replace(draw, background=background, calibration=task.days.traffic)
