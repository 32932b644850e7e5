"""Warnings of rarecorrect."""

from __future__ import annotations


class NotCertifiedWarning(UserWarning):
    """Nothing, or not everything, could be certified: the legacy answer is kept.

    Examples
    --------
    The message says what is missing, and how to get it:

    >>> import warnings
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from rarecorrect import ErrorCorrector, NotCertifiedWarning
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X[::2], y[::2])
    >>> with warnings.catch_warnings(record=True) as said:
    ...     warnings.simplefilter("always", NotCertifiedWarning)
    ...     corrector = ErrorCorrector(model, random_state=0).fit(X[1::2], y[1::2])
    >>> print(said[0].message)  # doctest: +ELLIPSIS
    not certified, the legacy answer is kept: ... pass about ... more rows, ...
    """


class RuleRefusedWarning(UserWarning):
    """A rule could not be learnt; the others go on without it.

    Examples
    --------
    Make it an error where a correction without that rule is of no use:

    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", RuleRefusedWarning)
    ...     warnings.warn("rule 'to 1' refused: ...", RuleRefusedWarning)
    Traceback (most recent call last):
    rarecorrect.exceptions.RuleRefusedWarning: rule 'to 1' refused: ...
    """


class TrainingRowsWarning(UserWarning):
    """The rows look like rows that the legacy model or a rule was learnt from.

    Examples
    --------
    A model that is right on 980 of 1,000 payments in service does not get 999 right:

    >>> import warnings
    >>> from rarecorrect import TrainingRowsWarning
    >>> from rarecorrect.training_rows import warn_about_training_rows
    >>> with warnings.catch_warnings(record=True) as said:
    ...     warnings.simplefilter("always", TrainingRowsWarning)
    ...     warn_about_training_rows(999, 1000, legacy_accuracy=0.98)
    >>> [warning.category.__name__ for warning in said]
    ['TrainingRowsWarning']
    """
