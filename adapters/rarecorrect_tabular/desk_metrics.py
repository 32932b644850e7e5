"""What a fraud desk counts: alerts a day, what they find, what it saves.

All functions are pure, and rows of equal score are counted at their expected value over
all orders in which they could be reviewed, exactly: no lucky order, no shuffling.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]


def expected_top(scores: npt.ArrayLike, worth: npt.ArrayLike, k: int) -> float:
    """Worth of the `k` highest scores, expected over the orders of equal ones.

    Parameters
    ----------
    scores, worth : array-like of shape (n_rows,)
    k : int
        0 or more; of fewer rows, all.

    Returns
    -------
    float

    Examples
    --------
    The second alert is one of two rows, and one of them is a fraud:

    >>> expected_top([3, 1, 1, 0], [1, 1, 0, 0], 2)
    1.5
    """
    values, gains = _as_float(scores), _as_float(worth)
    if k >= values.size:
        return float(gains.sum())
    if k <= 0:
        return 0.0
    limit = np.partition(values, values.size - k)[values.size - k]
    above, tied = values > limit, values == limit
    share = (k - above.sum()) / tied.sum()
    return float(gains[above].sum() + share * gains[tied].sum())


def precision_at(
    scores: npt.ArrayLike, fraud: npt.ArrayLike, day: npt.ArrayLike, k: int
) -> float:
    """Share of frauds among `k` alerts a day, mean over days.

    Parameters
    ----------
    scores, fraud, day : array-like of shape (n_rows,)
    k : int
        Alerts a day, 1 or more; on a day of fewer rows, all of them.

    Returns
    -------
    float

    Examples
    --------
    >>> precision_at([3, 1, 1, 0, 2, 1], [1, 1, 0, 0, 0, 1], [0, 0, 0, 0, 1, 1], 2)
    0.625
    """
    found = _found_by_day(scores, fraud, day, k)
    alerts = np.minimum(np.unique(np.asarray(day), return_counts=True)[1], k)
    return float(np.mean(found / alerts))


def recall_at(
    scores: npt.ArrayLike,
    fraud: npt.ArrayLike,
    day: npt.ArrayLike,
    k: int,
    *,
    value: npt.ArrayLike | None = None,
) -> float:
    """Share of all frauds that `k` alerts a day find; with `value`, of their value.

    Parameters
    ----------
    scores, fraud, day : array-like of shape (n_rows,)
    k : int
    value : array-like of shape (n_rows,), optional
        Amount of every row.

    Returns
    -------
    float
        NaN without a fraud.

    Examples
    --------
    >>> fraud, day = [1, 0, 1], [0, 0, 1]
    >>> recall_at([2, 3, 1], fraud, day, 1)
    0.5
    >>> recall_at([2, 3, 1], fraud, day, 1, value=[30, 5, 90])
    0.75
    """
    worth = _worth(fraud, value)
    return _ratio(float(_found_by_day(scores, worth, day, k).sum()), worth.sum())


def card_precision_at(
    scores: npt.ArrayLike,
    fraud: npt.ArrayLike,
    day: npt.ArrayLike,
    card: npt.ArrayLike,
    k: int,
) -> float:
    """Share of cards with a fraud that day among `k` cards a day, mean over days.

    A card stands where the highest of its scores of the day does.

    Parameters
    ----------
    scores, fraud, day, card : array-like of shape (n_rows,)
    k : int
        Cards a day, 1 or more.

    Returns
    -------
    float

    Examples
    --------
    >>> card_precision_at([5, 4, 3, 1], [0, 1, 0, 1], [0] * 4, list("aabc"), 2)
    0.5
    """
    rows = {"score": scores, "fraud": fraud, "day": day, "card": card}
    frame = pd.DataFrame({name: np.asarray(part) for name, part in rows.items()})
    cards = frame.groupby(["day", "card"], as_index=False).agg(
        score=("score", "max"), fraud=("fraud", "max")
    )
    return precision_at(cards["score"], cards["fraud"], cards["day"], k)


def alerts_per_fraud(
    scores: npt.ArrayLike, fraud: npt.ArrayLike, day: npt.ArrayLike, k: int
) -> float:
    """Alerts that a desk of `k` a day reviews for every fraud that it finds.

    Parameters
    ----------
    scores, fraud, day : array-like of shape (n_rows,)
    k : int

    Returns
    -------
    float
        NaN where none is found.

    Examples
    --------
    >>> alerts_per_fraud([3, 2, 1], [0, 1, 1], [0, 0, 1], 2)
    1.5
    """
    found = float(_found_by_day(scores, fraud, day, k).sum())
    return _ratio(_n_alerts(day, k), found)


def money_saved(
    scores: npt.ArrayLike,
    fraud: npt.ArrayLike,
    day: npt.ArrayLike,
    value: npt.ArrayLike,
    k: int,
    *,
    review_cost: float = 0.0,
) -> float:
    """Value of the frauds that `k` alerts a day find, less the cost of all reviews.

    Parameters
    ----------
    scores, fraud, day, value : array-like of shape (n_rows,)
    k : int
    review_cost : float, default=0.0
        Of one alert, in the unit of `value`.

    Returns
    -------
    float

    Examples
    --------
    >>> money_saved([3, 2, 1], [1, 0, 1], [0, 0, 1], [80, 5, 20], 1, review_cost=5)
    90.0
    """
    found = _found_by_day(scores, _worth(fraud, value), day, k).sum()
    return float(found - review_cost * _n_alerts(day, k))


def average_precision(scores: npt.ArrayLike, fraud: npt.ArrayLike) -> float:
    r"""Mean precision at the frauds, expected over the orders of equal scores.

    Behind `N` rows with `P` frauds, `n` rows of one score, `p` of them frauds, add

    .. math:: \sum_{j=1}^{n} \frac{p}{n}
        \cdot \frac{P + 1 + (j - 1)(p - 1)/(n - 1)}{N + j}

    Parameters
    ----------
    scores, fraud : array-like of shape (n_rows,)

    Returns
    -------
    float
        NaN without a fraud.

    Examples
    --------
    >>> average_precision([3, 2, 1], [1, 0, 1])
    0.8333333333333333
    >>> average_precision([1, 1], [1, 0])
    0.75
    """
    values, hits = _as_float(scores), _as_float(fraud)
    order = np.argsort(-values, kind="stable")
    falling = values[order]
    begins = np.ones(values.size, dtype=bool)
    begins[1:] = falling[1:] != falling[:-1]  # a difference of infinities is NaN
    starts = np.flatnonzero(begins)
    sizes = np.diff(starts, append=values.size)
    positives = np.add.reduceat(hits[order], starts) if values.size else hits
    size, inside = np.repeat(sizes, sizes), np.repeat(positives, sizes)
    before = np.repeat(np.cumsum(positives) - positives, sizes)
    place = np.arange(values.size)
    within = place - np.repeat(starts, sizes)  # j - 1
    others = within * (inside - 1) / np.maximum(size - 1, 1)
    terms = inside / size * (before + 1 + others) / (place + 1)
    return _ratio(float(terms.sum()), hits.sum())


def day_interval(
    above: npt.ArrayLike,
    below: npt.ArrayLike,
    confidence_level: float = 0.95,
    *,
    n_draws: int = 2000,
    random_state: int = 0,
) -> tuple[float, float]:
    """Bootstrap interval of a ratio of sums over days, with whole days drawn.

    Rows of one day are alike, so an interval that takes them for independent is too
    short.

    Parameters
    ----------
    above, below : array-like of shape (n_days,)
        Such as frauds found, and all frauds, of each day.
    confidence_level : float, default=0.95
    n_draws : int, default=2000
    random_state : int, default=0

    Returns
    -------
    low, high : float
        NaN where `below` is 0 on all days.

    Examples
    --------
    >>> low, high = day_interval([3, 1, 4, 1, 5], [5, 5, 5, 5, 5])
    >>> low < 14 / 25 < high
    True
    >>> day_interval([2, 2], [4, 4])
    (0.5, 0.5)
    """
    top, bottom = _as_float(above), _as_float(below)
    if not bottom.any():
        return (np.nan, np.nan)
    rng = np.random.default_rng(random_state)
    drawn = rng.integers(top.size, size=(n_draws, top.size))
    sums = bottom[drawn].sum(axis=1)
    ratios = top[drawn].sum(axis=1)[sums > 0] / sums[sums > 0]
    tail = (1 - confidence_level) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail])
    return (float(low), float(high))


def _found_by_day(
    scores: npt.ArrayLike, worth: npt.ArrayLike, day: npt.ArrayLike, k: int
) -> FloatArray:
    values, gains = _as_float(scores), _as_float(worth)
    found = [expected_top(values[rows], gains[rows], k) for rows in _days(day)]
    return np.array(found)


def _days(day: npt.ArrayLike) -> Iterator[npt.NDArray[np.intp]]:
    """Rows of every day."""
    codes = np.unique(np.asarray(day), return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def _n_alerts(day: npt.ArrayLike, k: int) -> int:
    sizes = np.unique(np.asarray(day), return_counts=True)[1]
    return int(np.minimum(sizes, k).sum())


def _worth(fraud: npt.ArrayLike, value: npt.ArrayLike | None) -> FloatArray:
    hits = _as_float(fraud)
    return hits if value is None else hits * _as_float(value)


def _as_float(values: Any) -> FloatArray:
    return np.asarray(values, dtype=np.float64)


def _ratio(above: float, below: Any) -> float:
    return float(above / below) if below else float("nan")
