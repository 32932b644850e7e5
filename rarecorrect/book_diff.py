"""What differs between two rule books, to be read before one replaces the other."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import Any

from rarecorrect.in_force import InForce
from rarecorrect.rule import Rule

_FIELDS = (
    *("to", "from_labels", "action", "log_share", "worth", "n_errors"),
    *("n_background", "note", "author", "created", "expires", "approver", "digest"),
)


@dataclass(frozen=True, slots=True)
class BookDiff:
    """Changes from one book to another, as pairs of before and after.

    Attributes
    ----------
    added, removed : tuple of str
        Names of rules.
    states : dict from rule to (str, str)
        Of rules in both, as written; one that has expired is named under `fields`.
    fields : dict from rule to dict from field to pair
        Words, numbers and dates of rules in both; ``"digest"``: it decides otherwise.
    thresholds : dict from stratum to (float or None, float or None)
        Those in force, where they differ; ``None``: the legacy answer is kept.
    certificates : (str or None, str or None)
        Names of the ledger entries in force.
    value : (int or None, int or None)
        Places of the feature with the amount at stake.

    Examples
    --------
    >>> from rarecorrect.tail_scale import TailScale
    >>> rule = Rule("to 1", 1, None, TailScale.from_scores([0.0, 1.0]))
    >>> print(BookDiff.between(InForce(), InForce((rule,))))
    + to 1
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    states: dict[str, tuple[str, str]]
    fields: dict[str, dict[str, tuple[Any, Any]]]
    thresholds: dict[Hashable, tuple[float | None, float | None]]
    certificates: tuple[str | None, str | None]
    value: tuple[int | None, int | None] = (None, None)

    @classmethod
    def between(cls, before: InForce, after: InForce) -> BookDiff:
        """Compare two books.

        Parameters
        ----------
        before, after : RuleBook

        Returns
        -------
        BookDiff
        """
        old, new = ({rule.name: rule for rule in book} for book in (before, after))
        both = [(old[name], new[name]) for name in old if name in new]
        return cls(
            added=tuple(name for name in new if name not in old),
            removed=tuple(name for name in old if name not in new),
            states={a.name: (a.state, b.state) for a, b in both if a.state != b.state},
            fields={a.name: found for a, b in both if (found := _changes(a, b))},
            thresholds=_thresholds(before, after),
            certificates=(before.certificate_name, after.certificate_name),
            value=(before.value, after.value),
        )

    def __bool__(self) -> bool:
        told = (self.added, self.removed, self.states, self.fields, self.thresholds)
        return any(told) or any(a != b for a, b in (self.certificates, self.value))

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, ready for JSON.

        Returns
        -------
        dict
        """
        record = asdict(self)
        record["thresholds"] = {str(s): pair for s, pair in self.thresholds.items()}
        return record

    def __str__(self) -> str:
        lines = [f"+ {name}" for name in self.added]
        lines += [f"- {name}" for name in self.removed]
        lines += [f"~ {name}: {a} -> {b}" for name, (a, b) in self.states.items()]
        lines += [
            f"~ {name}: {field} {a!r} -> {b!r}"
            for name, found in self.fields.items()
            for field, (a, b) in found.items()
        ]
        for stratum, (a, b) in self.thresholds.items():
            where = "" if stratum is None else f" of {stratum!r}"
            lines.append(f"threshold{where}: {_level(a)} -> {_level(b)}")
        one, other = self.certificates
        if one != other:
            lines.append(f"certificate: {one or 'none'} -> {other or 'none'}")
        if self.value[0] != self.value[1]:
            pair = ["nothing" if v is None else f"feature {v}" for v in self.value]
            lines.append("at stake: " + " -> ".join(pair))
        return "\n".join(lines) or "no difference"


def _changes(a: Rule, b: Rule) -> dict[str, tuple[Any, Any]]:
    pairs = {name: (getattr(a, name), getattr(b, name)) for name in _FIELDS}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _thresholds(
    before: InForce, after: InForce
) -> dict[Hashable, tuple[float | None, float | None]]:
    strata = dict.fromkeys((*before.strata, *after.strata))
    found = {s: (before.threshold(s), after.threshold(s)) for s in strata}
    return {s: (_or_none(a), _or_none(b)) for s, (a, b) in found.items() if a != b}


def _or_none(threshold: float) -> float | None:
    return threshold if math.isfinite(threshold) else None


def _level(threshold: float | None) -> str:
    return "off" if threshold is None else f"{threshold:.4g}"
