"""How well a network reads faces, and what a corrector changes about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix

from rarecorrect.metrics import (
    CorrectionReport,
    clopper_pearson,
    correction_report,
)
from rarecorrect_face.tables import share

Array = npt.NDArray[Any]
Row = dict[str, str]

FLAGGED = "flagged"  # decisions that a corrector sent to a person


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """True labels beside decisions before and after a correction.

    Attributes
    ----------
    labels, before : ndarray of str of shape (n_faces,)
        True labels and decisions of the network.
    after : ndarray of str of shape (n_faces,) or None
        Decisions of the corrector; None where there is none.
    flagged : ndarray of bool of shape (n_faces,)
        Decisions that the corrector sent to a person.
    classes : tuple of str
        All that occur or that the network knows, in its order.
    report : CorrectionReport
        Of the network with itself where there is no corrector.

    Examples
    --------
    >>> found = Evaluation.of(
    ...     ["sad", "sad", "happy"], ["sad", "happy", "happy"], ["happy", "sad"]
    ... )
    >>> found.summary()[0]
    {'': 'accuracy', 'network': '0.667'}
    >>> found.recalls()[0]
    {'class': 'happy', 'faces': '1', 'network': '1.000'}
    """

    labels: Array
    before: Array
    after: Array | None
    flagged: npt.NDArray[np.bool_]
    classes: tuple[str, ...]
    report: CorrectionReport

    @classmethod
    def of(
        cls,
        labels: Sequence[str],
        before: Sequence[str],
        classes: Sequence[str],
        *,
        after: Sequence[str] | None = None,
        flagged: npt.ArrayLike | None = None,
    ) -> Self:
        """Compare the decisions with the labels.

        Parameters
        ----------
        labels, before : sequence of str
        classes : sequence of str
            That the network knows.
        after : sequence of str, optional
            Decisions of a corrector.
        flagged : array-like of bool, optional

        Returns
        -------
        Evaluation
        """
        true, first = np.asarray(labels, dtype=str), np.asarray(before, dtype=str)
        last = None if after is None else np.asarray(after, dtype=str)
        sent = np.zeros(true.size, bool) if flagged is None else np.asarray(flagged)
        occurring = {*true.tolist(), *([] if last is None else last.tolist())}
        order = (*classes, *sorted(occurring - set(classes)))
        report = correction_report(
            true, first, first if last is None else last, flagged=sent, labels=order
        )
        return cls(true, first, last, sent, order, report)

    def summary(self) -> list[Row]:
        """Accuracy and macro-F1, and with a corrector also damage and gain."""
        total = self.report.overall
        rows = [
            self._beside("accuracy", *(total[f"accuracy_{at}"] for at in _TIMES)),
            self._beside("macro-F1", *(total[f"macro_f1_{at}"] for at in _TIMES)),
        ]
        if self.after is not None:
            right, wrong = total["right_before"], total["n"] - total["right_before"]
            parts = {
                "damage (right decisions changed)": (total["broken"], right),
                "gain (errors repaired)": (total["repaired"], wrong),
            }
            rows += [
                {"": name, "network": "", "corrected": _counted(int(n), int(of))}
                for name, (n, of) in parts.items()
            ]
        return rows

    def recalls(self) -> list[Row]:
        """Share of the faces of every class that are read right."""
        found = []
        for name, row in self.report.per_class.iterrows():
            n = int(row["support"])
            shares = [row[f"right_{at}"] / n if n else np.nan for at in _TIMES]
            beside = self._beside("", *shares)
            found.append({"class": str(name), "faces": f"{n:,}"} | beside)
            found[-1].pop("")
        return found

    def confusion(self, decisions: Array) -> list[Row]:
        """How many faces of every class (row) were read as what (column).

        Parameters
        ----------
        decisions : ndarray of str of shape (n_faces,)
            `before` or `after`.

        Returns
        -------
        list of dict
        """
        columns = list(self.classes)
        if decisions is self.after and self.flagged.any():
            decisions = np.where(self.flagged, FLAGGED, decisions)
            columns.append(FLAGGED)
        counts = confusion_matrix(self.labels, decisions, labels=columns)
        return [
            {"true": name}
            | {to: str(n) for to, n in zip(columns, row.tolist(), strict=True)}
            for name, row in zip(self.classes, counts, strict=False)
        ]

    def _beside(self, name: str, before: float, after: float) -> Row:
        row = {"": name, "network": share(before)}
        return row if self.after is None else row | {"corrected": share(after)}


_TIMES = ("before", "after")


def _counted(n: int, of: int) -> str:
    """A share with its interval, and what was counted."""
    if of == 0:
        return "-"
    low, high = clopper_pearson(n, of)
    return f"{n / of:.4f} ({low:.4f} to {high:.4f}), {n:,} of {of:,}"
