"""A switch outside of the program: the legacy model, at once and without a release."""

from __future__ import annotations

import functools
import logging
import os

VARIABLE = "RARECORRECT_DISABLE"


def is_disabled() -> bool:
    """Whether the environment says that no rule may fire.

    It is read at every call, so a running service can be switched off from inside.
    Who turns it in an emergency must not fail by a word: anything but nothing and 0
    counts as on.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_disabled() == (os.environ.get("RARECORRECT_DISABLE", "") not in ("", "0"))
    True
    """
    if os.environ.get(VARIABLE, "").strip() in ("", "0"):
        return False
    _tell_once()
    return True


@functools.cache
def _tell_once() -> None:
    logging.getLogger("rarecorrect").warning(
        "%s is set: no rule fires, the legacy answer is kept everywhere", VARIABLE
    )
