"""Alerts a day against the cap."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_consistent_length

from rarecorrect.alert_budget import AlertBudget, whole_days
from rarecorrect.plot._axes import BLUE, INK, RED, axes_for

Array = npt.NDArray[Any]


class AlertBudgetDisplay:
    """Number of decisions changed or flagged on every day.

    Make it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    days : ndarray of shape (n_days,)
        Rising: whole numbers, or dates.
    alerts : ndarray of int of shape (n_days,)
    cap : int, optional
        Most alerts a day.

    Attributes
    ----------
    bars_ : matplotlib BarContainer
        Once drawn.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> shown = AlertBudgetDisplay.from_predictions(
    ...     [True, True, False, True], [0.2, 0.9, 1.5, 2.0], cap=1
    ... )
    >>> shown.alerts.tolist(), shown.days_above
    ([2, 0, 1], 1)
    """

    def __init__(
        self, *, days: Array, alerts: npt.NDArray[np.intp], cap: int | None = None
    ) -> None:
        self.days = days
        self.alerts = alerts
        self.cap = cap

    @property
    def above(self) -> npt.NDArray[np.bool_]:
        """Of every day: whether it has more alerts than the cap."""
        if self.cap is None:
            return np.zeros(len(self.alerts), dtype=bool)
        return np.asarray(self.alerts > self.cap)

    @property
    def days_above(self) -> int:
        """Number of days with more alerts than the cap."""
        return int(self.above.sum())

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        time: npt.ArrayLike,
        segment: npt.ArrayLike | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the alerts of a fitted corrector; the cap is that of its budget.

        Parameters
        ----------
        estimator : ErrorCorrector
            Fitted.
        X : array-like, frame or sparse matrix of shape (n_rows, n_columns)
            All rows of whole days.
        time : array-like of shape (n_rows,)
            Days as numbers, or datetime64.
        segment : array-like of shape (n_rows,), optional
            As in :meth:`rarecorrect.ErrorCorrector.predict`.
        ax : matplotlib Axes, optional
            Default: new ones.
        **kwargs : object
            Of matplotlib's ``bar``.

        Returns
        -------
        AlertBudgetDisplay
        """
        trace = estimator.trace(X, segment=segment)
        budget = AlertBudget.parse(estimator.alert_budget)
        return cls.from_predictions(
            (trace["changed"] | trace["flagged"]).to_numpy(),
            time,
            cap=None if budget is None else budget.per_day,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        changed: npt.ArrayLike,
        time: npt.ArrayLike,
        *,
        cap: int | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the alerts of rows.

        Parameters
        ----------
        changed : array-like of bool of shape (n_rows,)
            Whether a row is an alert.
        time : array-like of shape (n_rows,)
            Days as numbers, or datetime64.
        cap : int, optional
        ax : matplotlib Axes, optional
        **kwargs : object
            Of matplotlib's ``bar``.

        Returns
        -------
        AlertBudgetDisplay
        """
        return cls.counted(changed, time, cap=cap).plot(ax, **kwargs)

    @classmethod
    def counted(
        cls, changed: npt.ArrayLike, time: npt.ArrayLike, *, cap: int | None = None
    ) -> Self:
        """The numbers, not drawn.

        Parameters
        ----------
        changed, time, cap
            As in :meth:`from_predictions`.

        Returns
        -------
        AlertBudgetDisplay
        """
        days, alerts = whole_days(time), np.asarray(changed, dtype=bool)
        check_consistent_length(days, alerts)
        found, codes = np.unique(days, return_inverse=True)
        counts = np.bincount(codes, weights=alerts, minlength=found.size)
        return cls(days=found, alerts=counts.astype(np.intp), cap=cap)

    def plot(self, ax: Any = None, **kwargs: Any) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default: new ones.
        **kwargs : object
            Of matplotlib's ``bar``.

        Returns
        -------
        AlertBudgetDisplay
            The same object.
        """
        self.ax_ = axes_for(ax, self)
        self.figure_ = self.ax_.figure
        options = {"color": np.where(self.above, RED, BLUE)} | kwargs
        self.bars_ = self.ax_.bar(self.days, self.alerts, **options)
        if self.cap is not None:
            label = f"cap {self.cap:,}"
            self.ax_.axhline(self.cap, color=INK, linestyle="--", label=label)
            self.ax_.legend()
        self.ax_.set(xlabel="day", ylabel="alerts")
        return self
