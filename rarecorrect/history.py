"""What was done to a rule book, when and by whom."""

from __future__ import annotations

from dataclasses import dataclass, field

from rarecorrect import clock


@dataclass(frozen=True, slots=True)
class Event:
    """What made one version of a book.

    Attributes
    ----------
    what : str
    author : str
        Empty where nobody said.
    n_rules, n_active : int
        Rules of the version, and those that changed predictions when it was made.
    certificate : str or None
        Name of the ledger entry that was in force then.
    time : str
        UTC, in ISO form.

    Examples
    --------
    >>> event = Event("remove to 1", "ann", 2, 1, "3f2a", "2026-03-31T08:00:00+00:00")
    >>> print(event)
    2026-03-31T08:00:00+00:00  remove to 1 by ann: 1 of 2 rules active, certificate 3f2a
    """

    what: str
    author: str = ""
    n_rules: int = 0
    n_active: int = 0
    certificate: str | None = None
    time: str = field(default_factory=clock.now)

    def __str__(self) -> str:
        by = f" by {self.author}" if self.author else ""
        held = f"certificate {self.certificate}" if self.certificate else "off"
        return (
            f"{self.time}  {self.what}{by}: {self.n_active} of {self.n_rules} rules "
            f"active, {held}"
        )
