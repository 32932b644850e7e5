"""What versions of a book claim: how each came about, and what is in force."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from rarecorrect._verify.reading import Claim, digest

_STATES = ("draft", "shadow", "active", "retired")


def claims_of_book(file: Any) -> Iterator[Claim]:
    """Every version is what its event makes of the one before, and what is in force."""
    versions, names = file["versions"], [rule["name"] for rule in file["rules"]]
    first = versions[0]["event"]
    yield "version 0: how it began", first in ("fit", "empty"), first
    yield from _covered(file, 0, [])
    for i, (old, new) in enumerate(pairwise(versions), 1):
        made = _made(new["event"], old["rules"], new["rules"], names)
        kept = new["event"] == "certify" or new["current"] == old["current"]
        claim = f"version {i}: it is version {i - 1}, but for its event"
        yield claim, made == new["rules"] and kept, new["event"]
        yield from _covered(file, i, old["current"])
    yield from _in_force(file)


def source(file: Any, entry: Any, stratum: Any) -> int | None:
    """The entry of the ledger that a certificate is from; None if it is from none.

    Strata may be certified one by one, so one entry in force may come from several.
    """
    made = entry["certificates"][stratum]
    for i in file["ledger"]:
        one = file["entries"][i]
        known = one["certificates"].get(stratum)
        same = known and all(np.array_equal(known[name], made[name]) for name in made)
        covers = {*entry["covered"]} <= {*one["covered"]}
        if same and covers and one["kind"] == entry["kind"]:
            return int(i)
    return None


def _made(event: str, before: Any, after: Any, names: list[str]) -> Any:
    """The rules, by place and state, after an event; None if it cannot have been."""
    word, _, name = event.partition(" ")
    if event == "certify":
        return before
    if event == "disable all":
        return [[r, "retired" if s == "active" else s] for r, s in before]
    if word == "add":
        added = after[len(before) :]
        same = name == ", ".join(names[r] for r, _ in added)
        return before + added if same else None
    if name not in [names[r] for r, _ in before]:
        return None
    if word == "remove":
        return [[r, s] for r, s in before if names[r] != name]
    moved = [[r, word if names[r] == name else s] for r, s in before]
    return moved if word in _STATES else None


def _covered(file: Any, i: int, known: list[int]) -> Iterator[Claim]:
    """A version that was certified: for the rules that were in service in it.

    What several entries certified together covers what all of them did.
    """
    version = file["versions"][i]
    active = {file["rules"][r]["digest"] for r, s in version["rules"] if s == "active"}
    for place in set(version["current"]) - set(known):
        names = [name.partition(":") for name in file["entries"][place]["covered"]]
        found = {name for _, _, name in names}
        same = found == active if place in file["ledger"] else found <= active
        same &= len({origin for origin, _, _ in names}) <= 1
        claim = f"version {i}: entry {place} covers the rules in service in it"
        yield claim, same, f"{len(found)} of {len(active)}"


def _in_force(file: Any) -> Iterator[Claim]:
    """What is certified for the rules in service is what was asked for."""
    last, own, rules = file["versions"][-1], file["corrector"], file["rules"]
    found = digest([repr(own["read_from"]), repr(own["parameters"]["per"])])[:16]
    yield "in force: origin of what rules read", last["origin"] == found, found
    active = [rules[r]["digest"] for r, state in last["rules"] if state == "active"]
    names = {f"{last['origin']}:{digest}" for digest in active}
    current = [file["entries"][i] for i in last["current"]]
    for kind in last["budgets"]:
        fits = [e for e in current if e["kind"] == kind and names <= {*e["covered"]}]
        if not fits:
            yield f"in force, {kind}: nothing", True, "the legacy answer is kept"
            continue
        for stratum, made in fits[0]["certificates"].items():
            asked = _asked(file["report"]["terms"], kind, made["population"])
            claim = f"in force, {kind}, {stratum!r}: eps is no more than was asked for"
            eps = made["max_damage"]
            yield claim, eps <= asked * (1 + 1e-12), f"{eps:g} of {asked:g}"


def _asked(terms: Any, kind: str, population: str) -> float:
    """The budget by the terms: of alerts; of damage, among all or by accuracy."""
    if kind == "alerts":
        rate, cap = terms["alert_budget"]["rate"], terms["alert_budget"]["per_day"]
        daily = 0.1 if population == f"more than {cap} alerts" else 0.0
        return float(daily if rate is None else rate)
    damage = terms["max_damage"] / (1 + terms["time_margin"])
    if population.startswith("traffic"):
        return float(damage * terms["legacy_accuracy"])
    return float(damage + terms["contamination"])
