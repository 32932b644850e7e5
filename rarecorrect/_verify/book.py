"""What versions of a book claim: how each came about, and what is in force."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from rarecorrect._verify.reading import Claim, digest, of

_STATES = ("draft", "shadow", "active", "retired")


def claims_of_book(file: Any) -> Iterator[Claim]:
    """Every version is what its event makes of the one before, and what is in force."""
    versions = file["versions"]
    first = versions[0]["event"]["what"]
    began = first in ("fit", "empty") or first.startswith("forget ")
    yield "version 0: how it began", began, first
    yield from _covered(file, 0, [])
    yield from _counted(file, 0)
    for i, (old, new) in enumerate(pairwise(versions), 1):
        made = _follows(new["event"], old["rules"], new["rules"], file["rules"])
        what = new["event"]["what"]
        kept = what == "certify" or new["current"] == old["current"]
        kept |= what.startswith("merge ")  # the ledger of the other book came along
        claim = f"version {i}: it is version {i - 1}, but for its event"
        yield claim, made and kept, what
        yield from _covered(file, i, old["current"])
        yield from _counted(file, i)
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


def _follows(event: Any, before: Any, after: Any, rules: Any) -> bool:
    """Whether an event can have made these rules, by place and state, of those."""
    what, author = event["what"], event["author"]
    word, _, name = what.partition(" ")
    names = [rules[r]["name"] for r, _ in after]
    if what == "certify":
        return bool(after == before)
    if what == "disable all":
        return bool(
            after == [[r, "retired" if s == "active" else s] for r, s in before]
        )
    if word in ("add", "merge"):
        added, n = after[len(before) :], len(before)
        what_for = ", ".join(names[n:])
        named = name == what_for or (word == "merge" and len(added) > 0)
        return bool(after[:n] == before and named)
    if word == "remove":
        left = [[r, s] for r, s in before if rules[r]["name"] != name]
        return bool(after == left and len(left) == len(before) - 1)
    if len(after) != len(before):
        return False
    moved = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    return all(_moved(word, name, author, a, b, rules) for a, b in moved)


def _moved(word: str, name: str, author: str, old: Any, new: Any, rules: Any) -> bool:
    """Whether an event can have changed one rule so: never what it decides by."""
    (old_place, old_state), (place, state) = old, new
    rule, past = rules[place], rules[old_place]
    free = {"expire": "expires", "keep": "expires", "approve": "approver"}.get(word)
    same = all(
        np.array_equal(rule[part], past[part])
        for part in ("name", "digest", "author", "approver", "expires", "created")
        if part != free
    )
    if word in _STATES:
        return bool(place == old_place and state == word and rule["name"] == name)
    if word == "approve":
        by = rule["approver"]
        four_eyes = by == author and by.casefold() != rule["author"].casefold()
        moved = old_state in ("draft", "shadow") and state == "active"
        return bool(same and four_eyes and moved and rule["name"] == name)
    if word == "expire":
        told = f"{rule['name']} after {rule['expires']}"
        return bool(same and state == old_state and told == name)
    told = f"{rule['name']} without end"
    return bool(word == "keep" and same and state == old_state and told == name)


def _counted(file: Any, i: int) -> Iterator[Claim]:
    """What an event says of the rules of its version, and of its certificate."""
    version, rules = file["versions"][i], file["rules"]
    event, day = version["event"], version["event"]["time"][:10]
    active = [
        rules[r]["digest"]
        for r, state in version["rules"]
        if state == "active" and not "" < rules[r]["expires"] < day
    ]
    numbers = f"{event['n_active']} of {event['n_rules']}"
    same = (event["n_rules"], event["n_active"]) == (len(version["rules"]), len(active))
    yield f"version {i}: rules, and how many were in service", same, numbers
    weighed = f"*{version['value']}" if "value" in version else ""
    names = {f"{version['origin']}{weighed}:{digest}" for digest in active}
    entries = [file["entries"][place] for place in version["current"]]
    held = {
        kind: [e for e in entries if e["kind"] == kind and names <= {*e["covered"]}]
        for kind in version["budgets"]
    }
    choices = _choices(version["budgets"]) if active else []
    told = [_certificate(held, budgets) for budgets in choices] or [None]
    claim = f"version {i}: the name of its certificate"
    yield claim, event["certificate"] in told, str(told[0])


def _certificate(held: dict[str, list[Any]], budgets: list[str]) -> str | None:
    """Name of the first entry in force, if every budget has one that certifies."""
    certified = all(
        held[kind]
        and any(made["certified"] for made in held[kind][0]["certificates"].values())
        for kind in budgets
    )
    return name_of(held[budgets[0]][0]) if certified else None


def _choices(budgets: list[str]) -> list[list[str]]:
    """The budgets of a version, then one of them: the other may have been set later."""
    return [budgets, *([kind] for kind in budgets if len(budgets) > 1)]


def name_of(entry: Any) -> str:
    """Digest of what an entry certified, for which rules and on which rows."""
    found = {repr(s): made["threshold"] for s, made in entry["certificates"].items()}
    words = [entry["kind"], entry["fingerprint"], *sorted(entry["covered"])]
    strata = sorted(found)
    return digest([*words, *strata], np.array([found[s] for s in strata]))[:12]


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
            asked = _asked(file["report"]["terms"], kind, made["population"], stratum)
            claim = f"in force, {kind}{of(stratum)}: eps is no more than was asked for"
            eps = made["max_damage"]
            yield claim, eps <= asked * (1 + 1e-12), f"{eps:g} of {asked:g}"


def _asked(terms: Any, kind: str, population: str, stratum: Any) -> float:
    """The budget by the terms: of alerts; of damage, among all or by accuracy."""
    if kind == "alerts":
        rate, cap = terms["alert_budget"]["rate"], terms["alert_budget"]["per_day"]
        daily = 0.1 if population == f"more than {cap} alerts" else 0.0
        return float(daily if rate is None else rate)
    budget = terms["max_damage"]
    if isinstance(budget, dict):
        budget = budget.get(stratum, min(budget.values()))
    damage = budget / (1 + terms["time_margin"])
    if population.startswith("traffic"):
        return float(damage * terms["legacy_accuracy"])
    return float(damage + terms["contamination"])
