"""What a corrector does on labelled rows, from one pass of the legacy model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import unique_labels

from rarecorrect.corrector import ErrorCorrector
from rarecorrect.explain import Explanations, explanations
from rarecorrect.features import Reading
from rarecorrect.metrics import (
    CorrectionReport,
    as_labels,
    correction_report,
    gain_retention_curve,
)
from rarecorrect.row_mark import fingerprint_of_rows
from rarecorrect.tracing import trace_frame
from rarecorrect.training_rows import known_share, row_keys

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Labelled rows before and after a correction.

    Made by :meth:`of`.

    Attributes
    ----------
    corrector : ErrorCorrector
    y : ndarray of shape (n_rows,)
        True labels.
    reading : Reading
        What the legacy model thinks.
    strata : ndarray of shape (n_rows,) or None
        Class or segment of every row, where thresholds differ.
    trace : DataFrame
        See :meth:`rarecorrect.ErrorCorrector.trace`.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = make_blobs(3000, centers=3, cluster_std=1.5, random_state=1)
    >>> old = y[:500] != 2
    >>> model = LogisticRegression().fit(X[:500][old], y[:500][old])
    >>> corrector = ErrorCorrector(model, random_state=0).fit(X[500:2000], y[500:2000])
    >>> found = Outcome.of(corrector, X[2000:], y[2000:])
    >>> found.report.overall["net"], found.taught_share, found.calibrated_share
    (260, 0.0, 0.0)
    >>> again = Outcome.of(corrector, X[500:2000], y[500:2000])
    >>> round(again.taught_share + again.calibrated_share, 2)
    1.0
    """

    corrector: ErrorCorrector
    y: Array
    reading: Reading
    strata: Array | None
    trace: pd.DataFrame

    @classmethod
    def of(
        cls,
        corrector: ErrorCorrector,
        X: Any,
        y: npt.ArrayLike,
        *,
        segment: npt.ArrayLike | None = None,
        case_id: npt.ArrayLike | None = None,
    ) -> Outcome:
        """Ask a fitted corrector about labelled rows.

        Parameters
        ----------
        corrector : ErrorCorrector
            Fitted.
        X : array-like, frame or sparse matrix of shape (n_rows, n_columns)
        y : array-like of shape (n_rows,)
            True labels.
        segment : array-like of shape (n_rows,), optional
            As in :meth:`rarecorrect.ErrorCorrector.predict`.
        case_id : array-like of shape (n_rows,), optional
            What cases are called; default: the index of a frame, else 0, 1, ...

        Returns
        -------
        Outcome

        Raises
        ------
        ValueError
            For labels that are missing, of another kind or of another number.
        """
        labels = as_labels(y, "y")
        reading, strata = corrector._asked(X, segment)
        check_consistent_length(reading.labels, labels)
        unique_labels(corrector.classes_, labels)  # refuses a mix of kinds
        index = X.index if isinstance(X, pd.DataFrame) else None
        if case_id is not None:
            check_consistent_length(reading.labels, case_id)
            index = pd.Index(np.asarray(case_id))
        trace = trace_frame(
            corrector.rules_, reading, strata, corrector.classes_, index
        )
        return cls(corrector, labels, reading, strata, trace)

    def __len__(self) -> int:
        return len(self.y)

    @cached_property
    def right(self) -> Mask:
        """Where the legacy model is right."""
        return np.asarray(self.reading.labels == self.y)

    @property
    def changed(self) -> Mask:
        """Rows that are relabelled or sent to review."""
        return (self.trace["changed"] | self.trace["flagged"]).to_numpy()

    @cached_property
    def report(self) -> CorrectionReport:
        """Every count and share, before and after."""
        return correction_report(
            self.y,
            self.trace["before"],
            self.trace["after"],
            flagged=self.trace["flagged"].to_numpy(),
        )

    @cached_property
    def answers(self) -> CorrectionReport:
        """The same of the answers alone: a case sent to review keeps its own."""
        return correction_report(self.y, self.trace["before"], self.trace["after"])

    @property
    def score(self) -> FloatArray:
        """How wrong decisions look; where thresholds differ, the margin above them."""
        name = "score" if self.strata is None else "margin"
        return self.trace[name].to_numpy()

    @property
    def threshold(self) -> float:
        """Score above which a decision is changed; ``inf`` where none is."""
        book = self.corrector.rules_
        if self.strata is None:
            return book.threshold()
        return 0.0 if book.certified else np.inf

    @cached_property
    def mended(self) -> Mask:
        """Errors that the best rule would repair or flag, at some threshold."""
        flags = {r.name for r in self.corrector.rules_ if r.action == "flag"}
        proposed = self.trace["proposed"].to_numpy()
        good = self.trace["rule"].isin(flags).to_numpy() | (proposed == self.y)
        return np.asarray(~self.right & good.astype(bool))

    def curve(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Gain against retention at every threshold.

        Returns
        -------
        retention, gain, thresholds : ndarray of shape (n_points,)
            See :func:`~rarecorrect.metrics.gain_retention_curve`.
        """
        wrong = ~self.right
        scores = np.where(wrong & ~self.mended, -np.inf, self.score)
        return gain_retention_curve(scores, self.right, wrong)

    @cached_property
    def taught_share(self) -> float:
        """Share of the rows that rules were learnt from; after a fit from blocks about.

        Most of the right decisions that taught then are not known one by one.
        """
        share = self.corrector._taught_share(*self._keys)
        return min(share, 1 - self.calibrated_share)

    @cached_property
    def calibrated_share(self) -> float:
        """Share of the rows that set the threshold.

        Those of the fit are known one by one, those of a later ``certify`` as a whole.
        """
        Z, right = self.reading.features, self.right
        marks = {entry.fingerprint for entry in self.corrector.rules_.current}
        found = known_share(self.corrector._calibrated, *self._keys)
        if fingerprint_of_rows(Z) in marks:  # without labels all rows certify
            return 1.0
        if right.any() and fingerprint_of_rows(Z[right]) in marks:
            return max(found, float(right.mean()))
        return found

    @cached_property
    def _keys(self) -> tuple[FloatArray, Any]:
        """What rows are known by, and how exactly."""
        Z = self.reading.features
        return row_keys(Z), Z.dtype

    def explained(self, rows: Indices) -> Explanations | None:
        """Say why some rows are changed.

        Parameters
        ----------
        rows : ndarray of int
            Places of rows that are changed or flagged.

        Returns
        -------
        Explanations or None
            None for a corrector from a file that cannot explain.
        """
        if not hasattr(self.corrector, "_usual"):
            return None
        whole, strata = self.reading, self.strata
        return explanations(
            self.corrector.rules_,
            Reading(whole.labels[rows], None, whole.features[rows]),
            None if strata is None else strata[rows],
            self.corrector.classes_,
            self.trace.index[rows],
            names=self.corrector.features_.names_,
            usual=self.corrector._usual,
        )
