"""How much is kept of a stream of rows, and what a stream cannot give."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.blocks import Block
from rarecorrect.calibration import Terms
from rarecorrect.certify import rows_needed, sidak_level, smallest_budget
from rarecorrect.hash_sample import HashSample
from rarecorrect.legacy_model import is_fitted, keeps_fitted_state

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]

MOST_CALIBRATION = 2_000_000  # .99 of a budget of .01 used, .96 of .001
MOST_BACKGROUND = 50_000
MOST_ERRORS = 100_000
MOST_KEPT = 2**24  # numbers of errors, and of the sample of right decisions
_RESERVE = 1.5
_MANY_STRATA = 1000


def check_for_blocks(params: Mapping[str, Any]) -> None:
    """Refuse parameters of a corrector that need all rows at once.

    Parameters
    ----------
    params : mapping
        As ``get_params(deep=False)`` gives it.

    Raises
    ------
    ValueError
        With the parameter and the way out.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from rarecorrect import ErrorCorrector
    >>> check_for_blocks(ErrorCorrector(LogisticRegression()).get_params(deep=False))
    Traceback (most recent call last):
        ...
    ValueError: the legacy model LogisticRegression is not fitted, and fit_blocks ...
    """
    model, features = params["estimator"], params["features"]
    if not is_fitted(model):
        raise ValueError(
            f"the legacy model {type(model).__name__} is not fitted, and fit_blocks "
            "fits none; pass a fitted model"
        )
    if not params["shuffle"]:
        raise ValueError(
            "shuffle=False holds out the last rows, and in a stream nobody knows which "
            "these are; pass blocks with a calibration_mask instead"
        )
    sources = features if isinstance(features, list | tuple) else [features]
    for source in sources:
        if hasattr(source, "transform") and not keeps_fitted_state(source):
            raise ValueError(
                f"features={type(source).__name__} is not fitted, and fit_blocks fits "
                "no transformer; fit it on a part of the rows that calibrates nothing"
            )


def check_block(block: Block, terms: Terms, *, fitting: bool) -> None:
    """Refuse columns beside a block that would not be looked at.

    Parameters
    ----------
    block : Block
    terms : Terms
    fitting : bool
        Whether rules are learnt; otherwise rows certify.

    Raises
    ------
    ValueError
        With the column and the way out.

    Examples
    --------
    >>> terms = Terms.checked(max_damage=0.1)
    >>> check_block(Block(np.zeros((2, 3))), terms, fitting=True)
    """
    budget = terms.alert_budget
    daily = budget is not None and budget.per_day is not None
    if fitting and daily and block.time is not None:
        raise ValueError(
            "fit_blocks certifies no number of alerts a day, so it looks at no time: "
            "leave it out, and pass recent blocks with it to certify_blocks"
        )
    if not fitting and block.calibration_mask is not None:
        raise ValueError(
            "all rows of certify_blocks certify, so it takes no calibration_mask: "
            "leave out the other rows"
        )


@contextmanager
def all_or_nothing(estimator: Any) -> Iterator[None]:
    """Leave an estimator as it was if something is raised in between.

    Parameters
    ----------
    estimator : object
        Whose attributes are replaced, never changed in place.

    Returns
    -------
    context manager

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> model = SimpleNamespace(seed=1)
    >>> try:
    ...     with all_or_nothing(model):
    ...         model.seed = 1 / 0
    ... except ZeroDivisionError:
    ...     model.seed
    1
    """
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:  # an interrupt too
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def calibration_sample(terms: Terms, *, stratified: bool) -> HashSample:
    """Room for the rows that calibrate: 2,000,000, or as many as a budget needs.

    Parameters
    ----------
    terms : Terms
    stratified : bool
        Whether classes or segments share the room.

    Returns
    -------
    HashSample

    Examples
    --------
    >>> room = calibration_sample(Terms.checked(max_damage=1e-6), stratified=False)
    >>> room.most == room.least > 4_500_000
    True
    """
    budgets = [] if terms.max_damage is None else [smallest_budget(terms.mixed_damage)]
    if terms.max_damage is not None and terms.legacy_accuracy is not None:
        budgets.append(smallest_budget(terms.certified_damage) * terms.legacy_accuracy)
    if terms.alert_budget is not None and terms.alert_budget.rate is not None:
        budgets.append(terms.alert_budget.rate)
    level = sidak_level(terms.first_level, _MANY_STRATA if stratified else 1)
    needed = [rows_needed(budget, level) for budget in budgets]
    least = math.ceil(_RESERVE * max(needed, default=1))
    return HashSample(max(MOST_CALIBRATION, least), least)


def offer(
    sample: HashSample,
    rows: Indices,
    hashes: npt.NDArray[np.uint64],
    kinds: Array | None,
    columns: Mapping[str, Array],
) -> None:
    """Offer some rows of a chunk to a sample; only those that may be kept are copied.

    Parameters
    ----------
    sample : HashSample
    rows : ndarray of int
        Of the chunk.
    hashes : ndarray of uint64 of shape (n_rows,)
        Of all rows of the chunk.
    kinds : ndarray of shape (n_rows,) or None
    columns : mapping of str to ndarray of shape (n_rows, ...)

    Examples
    --------
    >>> sample = HashSample(2)
    >>> hashes = np.array([7, 5, 9, 1], dtype=np.uint64)
    >>> offer(sample, np.arange(1, 4), hashes, None, {"row": np.arange(4)})
    >>> sample.columns()["row"].tolist()
    [1, 3]
    """
    own = None if kinds is None else kinds[rows]
    kept = sample.wanted(hashes[rows], own)
    rows = rows[kept]
    found = {name: values[rows] for name, values in columns.items()}
    sample.add(hashes[rows], None if own is None else own[kept], **found)
