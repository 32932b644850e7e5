"""The time of day, in one place: everything here is UTC."""

from __future__ import annotations

import datetime as dt


def now() -> str:
    """The time to the second, in ISO form.

    Returns
    -------
    str

    Examples
    --------
    >>> now().endswith("+00:00"), len(now())
    (True, 25)
    """
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def today() -> str:
    """The date, in ISO form: of two, the larger text is the later day.

    Returns
    -------
    str

    Examples
    --------
    >>> today() == now()[:10]
    True
    """
    return now()[:10]
