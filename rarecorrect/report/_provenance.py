"""Where a correction comes from, and how to take it back."""

from __future__ import annotations

from typing import Any

from rarecorrect import clock
from rarecorrect.corrector import ErrorCorrector
from rarecorrect.report._tables import Cell, Table, words
from rarecorrect.versions import installed_versions

_LIBRARIES = ("rarecorrect", "numpy", "scipy", "scikit-learn", "xgboost", "lightgbm")
_MOST_EVENTS = 200
_LONGEST_VALUE = 160


def people_table(corrector: ErrorCorrector) -> Table:
    """Who made and approved rules, and when they end."""
    head = ["Rule", "Made", "Last day", "Author", "Approved by", "Note", "Digest"]
    rows = [
        [
            words(value)
            for value in (
                *(rule.name, rule.created[:16].replace("T", " "), rule.expires),
                *(rule.author, rule.approver, rule.note, rule.digest),
            )
        ]
        for rule in corrector.rules_
    ]
    note = "A digest changes when what a rule decides changes. Times are UTC."
    return Table("People and dates", head, rows, note)


def written() -> str:
    """When, and by what."""
    version = installed_versions(["rarecorrect"]).get("rarecorrect", "")
    return f"Written on {clock.now()[:10]} by rarecorrect {version}".strip()


def provenance(corrector: ErrorCorrector) -> list[tuple[str, str]]:
    """Versions, dates and digests."""
    versions = installed_versions(_LIBRARIES)
    defaults = ErrorCorrector(None).get_params(deep=False)
    given = corrector.get_params(deep=False)
    settings = [
        f"{name}={_short(value)}"
        for name, value in given.items()
        if name != "estimator" and not _same(value, defaults[name])
    ]
    return [
        ("Report written", clock.now()),
        ("By", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("Model in service", _short(corrector.estimator_)),
        ("Settings", ", ".join(settings) or "all as by default"),
        ("Certificate", corrector.rules_.certificate_name or "none in force"),
        ("Origin", corrector.rules_.origin or "-"),
    ]


def history_table(corrector: ErrorCorrector) -> Table:
    """What was done to the book, the latest first."""
    events = corrector.rules_.history[::-1]
    rows = [
        [
            words(event.time[:19].replace("T", " ")),
            words(event.what),
            words(event.author),
            Cell(f"{event.n_active} of {event.n_rules}", event.n_active),
            Cell(event.certificate or "off", None, "mono"),
        ]
        for event in events[:_MOST_EVENTS]
    ]
    more = len(events) - len(rows)
    note = "Times are UTC." + (
        f" {more:,} earlier events are not shown." if more else ""
    )
    head = ["When", "What", "By", "Rules active", "Certificate"]
    return Table("History of the book", head, rows, note)


def ways_back(corrector: ErrorCorrector) -> list[tuple[str, str]]:
    """How to undo it: what is done, and the line that does it."""
    name = corrector.rules_.rules[0].name if corrector.rules_.rules else "NAME"
    found = [
        (
            "All rules off, the model in service alone",
            "corrector = corrector.with_rules(corrector.rules_.disable_all())",
        ),
        (
            "One rule off",
            "corrector = corrector.with_rules("
            f"corrector.rules_.with_state({name!r}, 'retired'))",
        ),
    ]
    if corrector.rules_.earlier:
        found.append(
            (
                "Back to the version before, as it was",
                "corrector = corrector.with_rules(corrector.rules_.undo())",
            )
        )
    found += [
        ("In a saved file, by a command", "rarecorrect rules disable FILE --all"),
        ("In an emergency, at once", "RARECORRECT_DISABLE=1  (in the environment)"),
    ]
    return found


def _same(value: Any, default: Any) -> bool:
    try:
        return bool(value is default or value == default)
    except (TypeError, ValueError):
        return False


def _short(value: Any) -> str:
    words = " ".join(repr(value).split())
    more = len(words) > _LONGEST_VALUE
    return f"{words[:_LONGEST_VALUE]}\N{HORIZONTAL ELLIPSIS}" if more else words
