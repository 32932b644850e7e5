"""How far errors stand apart from right decisions."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from rarecorrect.outcome import Outcome
from rarecorrect.plot._axes import (
    BLUE,
    INK,
    RED,
    axes_for,
    in_percent,
)
from rarecorrect.promise import actions_of, deed
from rarecorrect.rule_evidence import separability_verdict

FloatArray = npt.NDArray[np.float64]

_POINTS = 200
_MOST = 0.9  # share of the errors that a picture shows in their place


class SeparabilityDisplay:
    """Share of right decisions and of errors above every score.

    Two curves apart: the errors can be corrected.  One curve: they cannot, from these
    features.  Make it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    right, errors : ndarray
        Scores, high = looks wrong; ``-inf`` where no rule speaks.
    threshold : float, optional
        Above it a decision is changed, or flagged.
    verdict : str, default=""
        In words.
    deed : str, default="changed"
        What is done above the threshold: ``"flagged"`` where labels stay.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Once drawn.
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> shown = SeparabilityDisplay.from_predictions(
    ...     scores=[0.1, 0.4, 1.0, 7.0, 8.0], wrong=[False, False, False, True, True],
    ...     threshold=5.0,
    ... )
    >>> shown.shares_above
    (0.0, 1.0)
    """

    def __init__(
        self,
        *,
        right: FloatArray,
        errors: FloatArray,
        threshold: float = math.nan,
        verdict: str = "",
        deed: str = "changed",
    ) -> None:
        self.right = right
        self.errors = errors
        self.threshold = threshold
        self.verdict = verdict
        self.deed = deed

    @property
    def shares_above(self) -> tuple[float, float]:
        """Shares of right decisions and of errors above the threshold.

        NaN where there is none of a kind, or no common threshold.
        """
        if math.isnan(self.threshold):
            return math.nan, math.nan
        right, errors = (
            float(np.mean(s > self.threshold)) if s.size else math.nan
            for s in (self.right, self.errors)
        )
        return right, errors

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: npt.ArrayLike | None = None,
        *,
        segment: npt.ArrayLike | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the scores of a fitted corrector.

        Parameters
        ----------
        estimator : ErrorCorrector
            Fitted.
        X : array-like, frame or sparse matrix of shape (n_rows, n_columns), optional
            Rows that took no part in the fit.  Without: the right decisions that
            calibrated, and the errors it learnt from, each scored without itself.
        y : array-like of shape (n_rows,), optional
            True labels; with `X`.
        segment : array-like of shape (n_rows,), optional
            As in :meth:`rarecorrect.ErrorCorrector.predict`.
        ax : matplotlib Axes, optional
            Default: new ones.
        **kwargs : object
            Of matplotlib's ``plot``.

        Returns
        -------
        SeparabilityDisplay

        Raises
        ------
        ValueError
            For `X` without `y`.
        """
        if X is None:
            return cls.of_book(estimator).plot(ax, **kwargs)
        if y is None:
            raise ValueError("y is None: pass the true labels of X")
        outcome = Outcome.of(estimator, X, y, segment=segment)
        return cls.of_outcome(outcome).plot(ax, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        scores: npt.ArrayLike,
        wrong: npt.ArrayLike,
        *,
        threshold: float = math.nan,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw scores.

        Parameters
        ----------
        scores : array-like of shape (n_rows,)
            High = looks wrong.
        wrong : array-like of bool of shape (n_rows,)
            Whether the decision is wrong.
        threshold : float, optional
        ax : matplotlib Axes, optional
        **kwargs : object
            Of matplotlib's ``plot``.

        Returns
        -------
        SeparabilityDisplay
        """
        values, is_error = np.asarray(scores, dtype=float), np.asarray(wrong, bool)
        found = cls(
            right=values[~is_error], errors=values[is_error], threshold=threshold
        )
        return found.plot(ax, **kwargs)

    @classmethod
    def of_outcome(cls, outcome: Outcome) -> Self:
        """The scores of a corrector on labelled rows, not drawn.

        Parameters
        ----------
        outcome : Outcome

        Returns
        -------
        SeparabilityDisplay
        """
        return cls(
            right=outcome.score[outcome.right],
            errors=outcome.score[~outcome.right],
            threshold=outcome.threshold,
            verdict=_verdict(outcome.corrector),
            deed=deed(actions_of(outcome.corrector.rules_)),
        )

    @classmethod
    def of_book(cls, corrector: Any) -> Self:
        """The scores that a fitted corrector keeps, not drawn.

        Parameters
        ----------
        corrector : ErrorCorrector

        Returns
        -------
        SeparabilityDisplay
            Of errors left out; where thresholds differ, there is no common one.  With
            a `value` none: what was at stake in each is not kept.
        """
        check_is_fitted(corrector)
        book = corrector.rules_
        # the scores of right decisions, and the threshold, hold the amounts at stake
        left_out = [rule.left_out for rule in book.active if book.value is None]
        errors = np.concatenate([np.empty(0), *left_out])
        whole = book.strata == (None,)
        return cls(
            right=book.calibration_scores,
            errors=errors[~np.isnan(errors)],
            threshold=book.threshold() if whole else math.nan,
            verdict=_verdict(corrector),
            deed=deed(actions_of(book)),
        )

    def curves(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Shares of right decisions and of errors above every score.

        Returns
        -------
        scores : ndarray of shape (n_points,)
            Rising; errors far out, a tenth at most, lie beyond.
        right, errors : ndarray of shape (n_points,)
            Falling; NaN where there is none of a kind.
        """
        right, errors = (s[np.isfinite(s)] for s in (self.right, self.errors))
        both = np.concatenate([right, errors])
        low, high = (float(both.min()), float(both.max())) if both.size else (0.0, 1.0)
        if errors.size:  # a few that lie far out must not flatten the rest
            most = np.max(right, initial=-np.inf)
            near = [np.quantile(errors, _MOST), most, 1.2 * self.threshold]
            high = min(high, float(np.nanmax(near)))
        scores = np.linspace(low, high if high > low else low + 1, _POINTS)
        return scores, _above(self.right, scores), _above(self.errors, scores)

    def plot(self, ax: Any = None, **kwargs: Any) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default: new ones.
        **kwargs : object
            Of matplotlib's ``plot``.

        Returns
        -------
        SeparabilityDisplay
            The same object.
        """
        self.ax_ = axes_for(ax, self)
        self.figure_ = self.ax_.figure
        scores, *shares = self.curves()
        kinds = (("right decisions", self.right, BLUE), ("errors", self.errors, RED))
        for (kind, values, colour), share in zip(kinds, shares, strict=True):
            options = {"color": colour, "label": f"{values.size:,} {kind}"} | kwargs
            self.ax_.plot(scores, share, **options)
        if math.isfinite(self.threshold):
            above = f"{self.deed} above"
            self.ax_.axvline(self.threshold, color=INK, linestyle="--", label=above)
        self.ax_.set(xlabel="score: looks wrong", ylabel="share above", ylim=(0, 1.02))
        # a $ in the name of a rule is no formula
        self.ax_.set_title(self.verdict, fontsize="medium", parse_math=False)
        in_percent(self.ax_.yaxis, 0)
        self.ax_.legend()
        return self


def _verdict(corrector: Any) -> str:
    """What is said of the rules in service; of several, by their names."""
    book = corrector.rules_
    found = {rule.name: separability_verdict(rule, book) for rule in book.active}
    words = {name: text for name, text in found.items() if text}
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return "\n".join(f"{name}: {text}" for name, text in words.items())


def _above(values: FloatArray, scores: FloatArray) -> FloatArray:
    if not values.size:
        return np.full(scores.size, np.nan)
    rising = np.sort(values)
    return 1 - np.searchsorted(rising, scores, side="right") / values.size
