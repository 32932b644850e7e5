"""Gain against retention, and where the threshold in force lies."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rarecorrect.metrics import gain_retention_curve
from rarecorrect.outcome import Outcome
from rarecorrect.plot._axes import INK, RED, axes_for, in_percent
from rarecorrect.promise import promised_damage

FloatArray = npt.NDArray[np.float64]

_TIMES_THE_BUDGET = 10  # what is shown of the curve


class GainRetentionDisplay:
    """Share of errors repaired against the share of right decisions kept.

    Make it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    retention : ndarray of shape (n_points,)
        Share of right decisions kept, falling from 1.
    gain : ndarray of shape (n_points,)
        Share of errors repaired (or sent to review), rising from 0.
    in_force : (float, float), optional
        Retention and gain at the threshold in force.
    promised : float, optional
        Retention that is certified.
    name : str, optional
        For the legend.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve, once drawn.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    rarecorrect.metrics.gain_retention_curve : the numbers.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> shown = GainRetentionDisplay.from_predictions(
    ...     scores=[5.0, 4.0, 4.0, 1.0],
    ...     right=[False, True, False, True],
    ...     repairable=[True, False, True, False],
    ... )
    >>> shown.retention.tolist(), shown.gain.tolist()
    ([1.0, 1.0, 0.5, 0.0], [0.0, 0.5, 1.0, 1.0])
    >>> shown.ax_.get_xlabel()
    'right decisions kept'
    """

    def __init__(
        self,
        *,
        retention: FloatArray,
        gain: FloatArray,
        in_force: tuple[float, float] | None = None,
        promised: float = math.nan,
        name: str | None = None,
    ) -> None:
        self.retention = retention
        self.gain = gain
        self.in_force = in_force
        self.promised = promised
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: npt.ArrayLike,
        *,
        segment: npt.ArrayLike | None = None,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the curve of a fitted corrector on labelled rows.

        Parameters
        ----------
        estimator : ErrorCorrector
            Fitted.
        X : array-like, frame or sparse matrix of shape (n_rows, n_columns)
            Rows that took no part in the fit: on others the curve looks better than it
            is.
        y : array-like of shape (n_rows,)
            True labels.
        segment : array-like of shape (n_rows,), optional
            As in :meth:`rarecorrect.ErrorCorrector.predict`.
        name : str, optional
        ax : matplotlib Axes, optional
            Default: new ones.
        **kwargs : object
            Of matplotlib's ``plot``.

        Returns
        -------
        GainRetentionDisplay
        """
        found = cls.of_outcome(Outcome.of(estimator, X, y, segment=segment), name=name)
        return found.plot(ax, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        scores: npt.ArrayLike,
        right: npt.ArrayLike,
        repairable: npt.ArrayLike,
        *,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the curve of scores.

        Parameters
        ----------
        scores : array-like of shape (n_rows,)
            High = change this decision.
        right, repairable : array-like of bool of shape (n_rows,)
            As in :func:`~rarecorrect.metrics.gain_retention_curve`.
        name : str, optional
        ax : matplotlib Axes, optional
        **kwargs : object
            Of matplotlib's ``plot``.

        Returns
        -------
        GainRetentionDisplay
        """
        retention, gain, _ = gain_retention_curve(scores, right, repairable)
        return cls(retention=retention, gain=gain, name=name).plot(ax, **kwargs)

    @classmethod
    def of_outcome(cls, outcome: Outcome, *, name: str | None = None) -> Self:
        """The numbers of a corrector on labelled rows, not drawn.

        Parameters
        ----------
        outcome : Outcome
        name : str, optional

        Returns
        -------
        GainRetentionDisplay
        """
        retention, gain, thresholds = outcome.curve()
        at = int(np.searchsorted(-thresholds, -outcome.threshold, side="left"))
        at = min(at, thresholds.size - 1)  # without a score nothing fires
        return cls(
            retention=retention,
            gain=gain,
            in_force=(float(retention[at]), float(gain[at])),
            promised=1 - promised_damage(outcome.corrector.report_),
            name=name,
        )

    @property
    def least_retention(self) -> float:
        """Where the picture begins: ten times what is promised to be changed, or less.

        Less where the curve ends before.
        """
        budget = 0.0 if math.isnan(self.promised) else 1 - self.promised
        realised = 0.0 if self.in_force is None else 1 - self.in_force[0]
        span = _TIMES_THE_BUDGET * max(budget, realised) or 1.0
        whole = 1.1 * (1 - float(self.retention.min()))  # rules may be mute beyond
        return max(0.0, 1 - max(min(span, whole), 1.5 * budget, 1e-6))

    def plot(self, ax: Any = None, *, name: str | None = None, **kwargs: Any) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default: new ones.
        name : str, optional
            For the legend; default: the one it was made with.
        **kwargs : object
            Of matplotlib's ``plot``.

        Returns
        -------
        GainRetentionDisplay
            The same object.
        """
        self.ax_ = axes_for(ax, self)
        self.figure_ = self.ax_.figure
        options = {"color": RED, "drawstyle": "steps-post"} | kwargs
        label = self.name if name is None else name
        (self.line_,) = self.ax_.plot(self.retention, self.gain, label=label, **options)
        if self.in_force is not None:
            self.ax_.plot(
                *self.in_force, "o", color=self.line_.get_color(), label="in force"
            )
        if not math.isnan(self.promised):
            self.ax_.axvline(
                self.promised, color=INK, linestyle="--", linewidth=1, label="promised"
            )
        self.ax_.set(
            xlabel="right decisions kept",
            ylabel="errors repaired",
            xlim=(self.least_retention, 1),
            ylim=(0, 1.02),
        )
        in_percent(self.ax_.xaxis)
        in_percent(self.ax_.yaxis, 0)
        if self.ax_.get_legend_handles_labels()[1]:
            self.ax_.legend(loc="lower left")
        return self
