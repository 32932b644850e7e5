"""A rule book with all its versions: every rule and ledger entry is written once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Self

from rarecorrect._files.checks import check_names, is_a, require
from rarecorrect._files.reading import Reader
from rarecorrect._files.writing import Writer
from rarecorrect.background import Background
from rarecorrect.history import Event
from rarecorrect.ledger import LedgerEntry
from rarecorrect.rule import STATES, Rule
from rarecorrect.rulebook import RuleBook

Parts = dict[str, Any]

_VERSION = {
    "event": dict,
    "origin": str,
    "budgets": list,
    "features": int,
    "background": int | None,
    "rules": list,
    "current": list,
}
_MAYBE = {"value": int}  # only where amounts are in the score
_FIELDS = [field.name for field in dataclasses.fields(Rule) if field.name != "state"]


def write_book(book: RuleBook, writer: Writer, *, with_background: bool) -> Parts:
    """Rules and entries, which of them each version holds, and the ledger."""
    rules, entries, kept = _Pool(_but_for_its_state), _Pool(id), _Pool(id)
    names = _Pool(lambda made: made)

    def background(version: RuleBook) -> int | None:
        known = version.background if with_background else None
        return None if known is None else kept.place(known)

    versions = [
        {
            "event": writer.write(version.event, f"versions.{i}.event"),
            "origin": version.origin,
            "budgets": list(version.budgets),
            "features": names.place(version.feature_names),
            "background": background(version),
            "rules": [[rules.place(rule), rule.state] for rule in version.rules],
            "current": [entries.place(entry) for entry in version.current],
            **({} if version.value is None else {"value": version.value}),
        }
        for i, version in enumerate((*book.earlier, book))
    ]
    ledger = [entries.place(entry) for entry in book.entries]
    return {
        "versions": versions,
        "past": writer.write(list(book.past), "past"),
        "ledger": ledger,
        "feature_names": [list(found) for found in names],
        "rules": [
            _write_rule(
                rule if with_background else dataclasses.replace(rule, errors=None),
                writer,
                f"rules.{i}",
            )
            for i, rule in enumerate(rules)
        ],
        "entries": writer.write(list(entries), "entries"),
        "backgrounds": writer.write(list(kept), "backgrounds"),
    }


def read_book(stored: Parts, reader: Reader) -> RuleBook:
    """The last version, with those before it."""
    shelves = _Shelves.of(stored, reader)
    versions = [
        _read_version(shelves, number, version, reader)
        for number, version in enumerate(stored["versions"])
    ]
    require(versions, "there is no version of the book")
    ledger = tuple(shelves.at("entry", i) for i in stored["ledger"])
    shelves.require_that_all_is_used()
    past = reader.read(stored["past"], "past")
    require(is_a(past, list[Event]), "past are no events")
    *earlier, last = (dataclasses.replace(v, past=tuple(past)) for v in versions)
    return dataclasses.replace(last, entries=ledger, earlier=tuple(earlier))


def _read_version(
    shelves: _Shelves, number: int, version: Any, reader: Reader
) -> RuleBook:
    require(is_a(version, dict), f"version {number} is none")
    check_names(version, set(_VERSION), set(_MAYBE))
    for name, kind in (_VERSION | _MAYBE).items():
        there = name not in _MAYBE or name in version
        holds = not there or is_a(version[name], kind)
        require(holds, f"{name} of version {number} is none")
    value, n_features = version.get("value"), reader.n_features
    inside = value is None or 0 <= value < (n_features or value + 1)
    require(inside, f"version {number} weighs rows by feature {value}")
    event, place = reader.read(version["event"], "event"), version["background"]
    require(type(event) is Event, f"version {number} has no event")
    return RuleBook(
        rules=tuple(shelves.rule(*pair) for pair in version["rules"]),
        budgets=tuple(version["budgets"]),
        current=tuple(shelves.at("entry", i) for i in version["current"]),
        origin=version["origin"],
        value=value,
        feature_names=tuple(shelves.at("list of names", version["features"])),
        background=None if place is None else shelves.at("background", place),
        event=event,
    )


class _Shelves:
    """What versions are made of: each thing once, whatever version it is in."""

    def __init__(self, things: dict[str, Sequence[Any]]) -> None:
        self._things = things
        self._used: set[tuple[str, int]] = set()
        self._states: dict[tuple[int, str], Rule] = {}

    @classmethod
    def of(cls, stored: Parts, reader: Reader) -> Self:
        rules = [
            _read_rule(rule, reader, f"rules.{i}")
            for i, rule in enumerate(stored["rules"])
        ]
        entries = reader.read(stored["entries"], "entries")
        require(is_a(entries, list), "entries are no list")
        require(all(type(e) is LedgerEntry for e in entries), "an entry is none")
        kept = reader.read(stored["backgrounds"], "backgrounds")
        require(is_a(kept, list[Background]), "a background is none")
        width = reader.n_features
        other = [k.n_features for k in kept if width not in (None, k.n_features)]
        require(not other, f"a background is of {other} features, not {width}")
        names = stored["feature_names"]
        require(is_a(names, list[list[str]]), "feature_names are no lists of names")
        named = {"rule": rules, "entry": entries, "background": kept}
        return cls(named | {"list of names": names})

    def at(self, kind: str, place: Any) -> Any:
        things = self._things[kind]
        require(
            type(place) is int and 0 <= place < len(things),
            f"there is no {kind} {place!r}, only {len(things)}",
        )
        self._used.add((kind, place))
        return things[place]

    def rule(self, place: Any, state: Any) -> Rule:
        rule = self.at("rule", place)
        require(state in STATES, f"rule {place} cannot be {state!r}")
        # one object in all versions, as it was
        return self._states.setdefault((place, state), rule.with_state(state))

    def require_that_all_is_used(self) -> None:
        n_things = sum(map(len, self._things.values()))
        require(
            len(self._used) == n_things, "a rule, entry or background is in no version"
        )


class _Pool:
    """Distinct things in the order in which they came."""

    def __init__(self, key: Callable[[Any], Any]) -> None:
        self._key = key
        self._places: dict[Any, int] = {}
        self._things: list[Any] = []

    def place(self, thing: Any) -> int:
        key = self._key(thing)
        if key not in self._places:
            self._places[key] = len(self._things)
            self._things.append(thing)
        return self._places[key]

    def __iter__(self) -> Any:
        return iter(self._things)


def _but_for_its_state(rule: Rule) -> tuple[int, ...]:
    return tuple(id(getattr(rule, name)) for name in _FIELDS)


def _write_rule(rule: Rule, writer: Writer, path: str) -> Parts:
    stored = dict(writer.write(rule, path))
    del stored["state"]  # each version has its own
    return {**stored, "digest": rule.digest}


def _read_rule(stored: Any, reader: Reader, path: str) -> Rule:
    require(is_a(stored, dict), f"at {path} is no rule")
    parts = {**stored, "state": "draft"}
    digest = parts.pop("digest", None)
    rule = reader.read(parts, path)
    require(type(rule) is Rule, f"at {path} is no rule")
    require(rule.digest == digest, f"at {path} is not what {digest!r} stands for")
    require(
        rule.n_features in (None, reader.n_features),
        f"at {path} is a rule of {rule.n_features} features, not {reader.n_features}",
    )
    return rule  # type: ignore[no-any-return]
