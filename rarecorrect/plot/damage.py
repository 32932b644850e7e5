"""The damage that was promised, next to the damage that was seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_consistent_length

from rarecorrect.metrics import as_labels, clopper_pearson
from rarecorrect.outcome import Outcome
from rarecorrect.plot._axes import INK, RED, axes_for, in_percent
from rarecorrect.promise import actions_of, deed, promised_damage

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]

ALL = "all"


class DamageDisplay:
    """Share of right decisions that was changed, in all and by class or window.

    Make it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    names : list of str
        The first is the whole.
    n_right, n_broken : ndarray of int of shape (n_names,)
        Right decisions, and those that were changed or flagged.
    promised : ndarray of shape (n_names,)
        NaN where nothing was promised.
    confidence_level : float, default=0.95
        Of the intervals, in (0, 1).
    deed : str, default="changed"
        What is done to a decision, for the axis: ``"flagged"`` where labels stay.

    Attributes
    ----------
    realised : ndarray of shape (n_names,)
        Damage; NaN where there is no right decision.
    low, high : ndarray of shape (n_names,)
        Exact interval of each (Clopper-Pearson).
    container_ : matplotlib ErrorbarContainer
        What was seen, once drawn.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> shown = DamageDisplay.from_predictions(
    ...     ["ok"] * 300, ["ok"] * 300, ["bad"] * 3 + ["ok"] * 297,
    ...     by=["Monday"] * 200 + ["Tuesday"] * 100, promised=0.01,
    ... )
    >>> shown.names, shown.realised.tolist()
    (['all', 'Monday', 'Tuesday'], [0.01, 0.015, 0.0])
    >>> shown.exceeded.tolist()
    [False, False, False]
    """

    def __init__(
        self,
        *,
        names: list[str],
        n_right: npt.NDArray[np.intp],
        n_broken: npt.NDArray[np.intp],
        promised: FloatArray,
        confidence_level: float = 0.95,
        deed: str = "changed",
    ) -> None:
        self.names = names
        self.n_right = n_right
        self.n_broken = n_broken
        self.promised = promised
        self.confidence_level = confidence_level
        self.deed = deed
        ends = [
            clopper_pearson(int(k), int(n), confidence_level)
            for k, n in zip(n_broken, n_right, strict=True)
        ]
        self.realised = np.divide(
            n_broken, n_right, out=np.full(len(names), np.nan), where=n_right > 0
        )
        self.low, self.high = np.array(ends).T

    @property
    def exceeded(self) -> Mask:
        """Where the whole interval lies above what was promised."""
        return np.asarray(self.low > self.promised)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: npt.ArrayLike,
        *,
        by: str | npt.ArrayLike = "class",
        segment: npt.ArrayLike | None = None,
        confidence_level: float = 0.95,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw what a fitted corrector changes of the right decisions on rows.

        Parameters
        ----------
        estimator : ErrorCorrector
            Fitted.
        X : array-like, frame or sparse matrix of shape (n_rows, n_columns)
            Rows that took no part in the fit.
        y : array-like of shape (n_rows,)
            True labels.
        by : "class", "segment" or array-like of shape (n_rows,), default="class"
            What rows are divided by; an array says the window of every row.
        segment : array-like of shape (n_rows,), optional
            As in :meth:`rarecorrect.ErrorCorrector.predict`.
        confidence_level : float, default=0.95
            In (0, 1).
        ax : matplotlib Axes, optional
            Default: new ones.
        **kwargs : object
            Of matplotlib's ``errorbar``.

        Returns
        -------
        DamageDisplay
        """
        outcome = Outcome.of(estimator, X, y, segment=segment)
        found = cls.of_outcome(outcome, by=by, confidence_level=confidence_level)
        return found.plot(ax, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        y_true: npt.ArrayLike,
        y_before: npt.ArrayLike,
        y_after: npt.ArrayLike,
        *,
        by: npt.ArrayLike | None = None,
        promised: float | Mapping[Any, float] = math.nan,
        flagged: npt.ArrayLike | None = None,
        confidence_level: float = 0.95,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw what was changed of right decisions.

        Parameters
        ----------
        y_true, y_before, y_after : array-like of shape (n_rows,)
            True labels, legacy decisions, corrected ones.
        by : array-like of shape (n_rows,), optional
            Window or class of every row; default: the true label.
        promised : float or mapping from window or class to float, optional
            A number was promised for the whole and for every window.
        flagged : array-like of bool of shape (n_rows,), optional
            Rows sent to review.
        confidence_level : float, default=0.95
            In (0, 1).
        ax : matplotlib Axes, optional
        **kwargs : object
            Of matplotlib's ``errorbar``.

        Returns
        -------
        DamageDisplay
        """
        true, before, after = (
            as_labels(values, name)
            for values, name in (
                (y_true, "y"),
                (y_before, "before"),
                (y_after, "after"),
            )
        )
        mask = np.zeros(len(true), bool) if flagged is None else np.asarray(flagged)
        check_consistent_length(true, before, after, mask)

        def promise(name: Hashable) -> float:
            if isinstance(promised, Mapping):
                return promised.get(name, math.nan)
            return promised

        actions = {"relabel"} if (before != after).any() else set()
        found = cls._counted(
            before == true,
            (before != after) | mask,
            true if by is None else np.asarray(by),
            promise,
            confidence_level,
            deed(actions | ({"flag"} if mask.any() else set())),
        )
        return found.plot(ax, **kwargs)

    @classmethod
    def of_outcome(
        cls,
        outcome: Outcome,
        *,
        by: str | npt.ArrayLike = "class",
        confidence_level: float = 0.95,
    ) -> Self:
        """The numbers of a corrector on labelled rows, not drawn.

        Parameters
        ----------
        outcome : Outcome
        by, confidence_level
            As in :meth:`from_estimator`.

        Returns
        -------
        DamageDisplay

        Raises
        ------
        ValueError
            For ``by="segment"`` of a corrector without segments, or another word.
        """
        report, groups = outcome.corrector.report_, np.asarray(by)
        if isinstance(by, str) and by == "class":
            groups = outcome.y
        elif isinstance(by, str):
            if by != "segment" or report.per != by or outcome.strata is None:
                raise ValueError(
                    "by must be 'class', 'segment' (with per='segment') or the window "
                    f"of every row, got {by!r}"
                )
            groups = outcome.strata
        check_consistent_length(outcome.y, groups)

        def promise(name: Hashable) -> float:
            if name is None or not isinstance(by, str):
                return promised_damage(report)  # a window is promised it as well
            return promised_damage(report, name) if by == report.per else math.nan

        return cls._counted(
            outcome.right,
            outcome.changed,
            groups,
            promise,
            confidence_level,
            deed(actions_of(outcome.corrector.rules_)),
        )

    @classmethod
    def _counted(
        cls,
        right: Mask,
        changed: Mask,
        groups: Array,
        promise: Callable[[Hashable], float],
        confidence_level: float,
        deed: str,
    ) -> Self:
        rows = {None: np.ones(len(right), dtype=bool)}
        rows |= {g: np.asarray(groups == g) for g in np.unique(groups).tolist()}
        return cls(
            names=[ALL if g is None else str(g) for g in rows],
            n_right=np.array([int((right & m).sum()) for m in rows.values()]),
            n_broken=np.array(
                [int((right & changed & m).sum()) for m in rows.values()]
            ),
            promised=np.array([promise(g) for g in rows]),
            confidence_level=confidence_level,
            deed=deed,
        )

    def plot(self, ax: Any = None, **kwargs: Any) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default: new ones.
        **kwargs : object
            Of matplotlib's ``errorbar``.

        Returns
        -------
        DamageDisplay
            The same object.
        """
        self.ax_ = axes_for(ax, self)
        self.figure_ = self.ax_.figure
        places = np.arange(len(self.names))
        wings = np.maximum(
            0, [self.realised - self.low, self.high - self.realised]
        )  # rounding
        options = {"fmt": "o", "color": RED, "capsize": 3, "label": "seen"} | kwargs
        self.container_ = self.ax_.errorbar(
            self.realised, places, xerr=wings, **options
        )
        self.ax_.plot(
            self.promised, places, "|", color=INK, markersize=18, label="promised"
        )
        self.ax_.set_yticks(places, self.names, parse_math=False)  # $ is no formula
        self.ax_.set(
            xlabel=f"right decisions {self.deed}",
            xlim=(0, None),
            ylim=(len(places) - 0.5, -0.5),
        )
        in_percent(self.ax_.xaxis)
        self.ax_.legend()
        return self
