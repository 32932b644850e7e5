"""The errors that a fraud desk learns from: those of the labels, or new cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect_tabular.desk_model import DeskModel
from rarecorrect_tabular.desk_plan import DIRECTIONS, DeskPlan
from rarecorrect_tabular.desk_survey import DeskColumns, Survey
from rarecorrect_tabular.transactions import TransactionFile, binary_labels, hashed

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]

MOST_ERRORS = 5_000


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """Errors to learn from.

    Attributes
    ----------
    rows : ndarray of int
        Places in the file; none with new cases.
    cases : DataFrame
        New cases that the model gets wrong; empty without a file of them.
    labels, groups : ndarray
        Of the cases; groups are hashed.
    hidden : ndarray of bool
        Rows of the file that are among the cases.
    n_not_wrong : int
        Cases that the model gets right.
    n_found : int
        Errors that there are.
    """

    rows: Indices
    cases: pd.DataFrame
    labels: Array
    groups: Array
    hidden: npt.NDArray[np.bool_]
    n_not_wrong: int = 0
    n_found: int = 0

    @classmethod
    def from_labels(cls, plan: DeskPlan, found: Survey) -> Self:
        """Errors that the labels of the file show.

        Parameters
        ----------
        plan : DeskPlan
        found : Survey

        Returns
        -------
        Taught

        Raises
        ------
        ValueError
            If there is none.
        """
        wanted = [label for _, label in DIRECTIONS[plan.direction]]
        rows = np.flatnonzero(found.wrong & np.isin(found.label, wanted))
        if rows.size == 0:
            raise ValueError(_nothing_wrong(plan, found))
        n_found, rng = rows.size, np.random.default_rng([plan.seed, 1])
        if rows.size > MOST_ERRORS:
            rows = np.sort(rng.choice(rows, MOST_ERRORS, replace=False))
        hidden, none = np.zeros(found.day.size, dtype=bool), np.empty(0)
        return cls(rows, pd.DataFrame(), none, none, hidden, 0, n_found)

    @classmethod
    def from_cases(
        cls,
        file: TransactionFile,
        columns: DeskColumns,
        model: DeskModel,
        plan: DeskPlan,
        found: Survey,
        features: Sequence[str],
    ) -> Self:
        """New cases from a file of their own.

        Parameters
        ----------
        file : TransactionFile
            Of the cases.
        columns : DeskColumns
        model : DeskModel
        plan : DeskPlan
        found : Survey
        features : sequence of str

        Returns
        -------
        Taught

        Raises
        ------
        ValueError
            If the model gets none of them wrong, in the direction of the plan.
        """
        wanted = [label for _, label in DIRECTIONS[plan.direction]]
        named = [columns.label, *columns.texts, *features, *model.columns]
        table = file.rows(named, texts=columns.texts)
        label, answer = binary_labels(table[columns.label]), model.answers(table)
        wrong = (label != answer) & np.isin(label, wanted) & (model.flaws(table) == "")
        if not wrong.any():
            raise ValueError(
                f"{file.path.name}: the model in service is right on all "
                f"{len(table):,} cases, or {columns.label!r} is missing; nothing to "
                f"learn in the direction {plan.direction!r}"
            )
        hidden, groups = np.zeros(found.day.size, dtype=bool), np.empty(0, np.uint64)
        if found.id is not None and columns.id is not None:
            hidden = np.isin(found.id, hashed(table[columns.id]))
        if columns.groups is not None:
            groups = hashed(table.loc[wrong, columns.groups])
        n, rows = int(wrong.sum()), np.empty(0, dtype=np.intp)
        cases = table[wrong]
        return cls(rows, cases, label[wrong], groups, hidden, len(table) - n, n)


def _nothing_wrong(plan: DeskPlan, found: Survey) -> str:
    kinds = {
        "raise": "missed fraud",
        "clear": "false alarm",
        "both": "missed fraud and no false alarm",
    }
    known = int((~np.isnan(found.label)).sum())
    return (
        f"no {kinds[plan.direction]} among {known:,} labelled rows: there is nothing "
        "to learn; pass new cases with --errors"
    )
