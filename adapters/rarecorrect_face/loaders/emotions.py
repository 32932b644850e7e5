"""One name for each emotion, whatever a data set calls it."""

from __future__ import annotations

_NAMES = {"anger": "angry", "happiness": "happy", "sadness": "sad"}


def emotion(name: str) -> str:
    """Name of an emotion as FER2013 has it.

    Examples
    --------
    >>> emotion("happiness"), emotion("fear")
    ('happy', 'fear')
    """
    return _NAMES.get(name, name)
