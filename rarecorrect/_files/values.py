"""Values as JSON and arrays, and back: exactly, type and value.

What JSON has stands for itself: None, bool, int, finite float, str, list.  All else is
an object that says what it ``"is"``.  Writing and reading stand side by side, in
:mod:`~rarecorrect._files.writing` and :mod:`~rarecorrect._files.reading`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

SCALAR = re.compile(
    r"bool|u?int(8|16|32|64)|float(16|32|64)|str|(datetime|timedelta)64(\[\w+\])?"
)
MOST_ROOM = 2**14  # letters; larger arrays of texts are as wide as the longest one


class Form:
    """How objects of one class are written: by the values of some of their parts.

    Parameters
    ----------
    cls : type or str
        Exactly this class, no other derived from it; its full name, where it is not
        to be imported for nothing.
    take : callable
        From an object to its parts, a dict.
    make : callable
        From the parts and their reader to the object; it refuses what could not have
        been written.
    fits : callable, optional
        Whether an object of the class can be written so; if not, skops writes it.
    """

    def __init__(
        self,
        cls: type | str,
        take: Callable[[Any], Mapping[str, Any]],
        make: Callable[[dict[str, Any], Any], Any],
        fits: Callable[[Any], bool] = lambda made: True,
    ) -> None:
        self.take, self.make, self.fits = take, make, fits
        self.cls = cls if isinstance(cls, str) else full_name(cls)
        self.kind = self.cls.rpartition(".")[2].lstrip("_")


class Packed:
    """What skops holds, left closed: it can be written again, and does nothing else.

    Parameters
    ----------
    member : str
    """

    def __init__(self, member: str) -> None:
        self.member = member

    def fit(self, *args: Any) -> Any:
        """Refuse: nobody knows what it is."""
        raise ValueError(f"{self.member} was left closed when its file was read")

    decision_function = fit


def shortly(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 100 else f"{text[:100]}..."


def full_name(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
