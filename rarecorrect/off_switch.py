"""A switch outside of the program: the legacy model, at once and without a release."""

from __future__ import annotations

import functools
import logging
import os

VARIABLE = "RARECORRECT_DISABLE"
SWITCHED_OFF = (
    f"Switched off by {VARIABLE} in the environment: every answer is that of the model "
    "in service."
)


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


def refuse_while_disabled(what: str) -> None:
    """Refuse to write what would outlive the switch.

    Parameters
    ----------
    what : str
        For the error.

    Raises
    ------
    ValueError
        While the switch is on.

    Examples
    --------
    >>> refuse_while_disabled("a query")
    """
    if is_disabled():
        raise ValueError(
            f"{VARIABLE} is set: no rule is in force, and {what} written now would "
            "hold none for good; unset it to write the rules, or deploy the legacy "
            "model alone"
        )


@functools.cache
def _tell_once() -> None:
    logging.getLogger("rarecorrect").warning(
        "%s is set: no rule fires, the legacy answer is kept everywhere", VARIABLE
    )
