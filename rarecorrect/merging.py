"""Two books into one: what may stand beside what, and what stays certified."""

from __future__ import annotations

from itertools import zip_longest

from rarecorrect.in_force import InForce
from rarecorrect.ledger import LedgerEntry
from rarecorrect.rule import Rule


def merged_rules(mine: InForce, others: InForce) -> tuple[Rule, ...]:
    """Rules of both books; those that are in both, once.

    Parameters
    ----------
    mine, others : RuleBook

    Returns
    -------
    tuple of Rule

    Raises
    ------
    ValueError
        If rules of one name decide otherwise, or differ in state or expiry.

    Examples
    --------
    >>> from rarecorrect.tail_scale import TailScale
    >>> one, two = (Rule(n, 1, None, TailScale.from_scores([0.0, 1.0])) for n in "ab")
    >>> [rule.name for rule in merged_rules(InForce((one,)), InForce((two, one)))]
    ['a', 'b']
    """
    known = {rule.name: rule for rule in mine.rules}
    for rule in others.rules:
        here = known.get(rule.name, rule)
        one, other = ((r.digest, r.state, r.expires) for r in (here, rule))
        if one != other:
            raise ValueError(
                f"rule {rule.name!r} differs between the books: {_told(here)} here, "
                f"{_told(rule)} there; see diff, then rename or remove one of them"
            )
    fresh = (rule for rule in others.rules if rule.name not in known)
    return (*mine.rules, *fresh)


def merged_names(mine: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the features that both books read; empty where neither knows.

    Parameters
    ----------
    mine, others : tuple of str

    Returns
    -------
    tuple of str

    Raises
    ------
    ValueError
        If they differ.

    Examples
    --------
    >>> merged_names((), ("amount", "hour"))
    ('amount', 'hour')
    """
    if mine and others and mine != others:
        pairs = enumerate(zip_longest(mine, others))
        place, (one, other) = next((i, pair) for i, pair in pairs if len(set(pair)) > 1)
        raise ValueError(
            f"the books read other features, {one!r} here and {other!r} there in place "
            f"{place}; merge books of the same features"
        )
    return mine or others


def merged_entries(mine: InForce, others: InForce) -> tuple[LedgerEntry, ...]:
    """The ledger of both: what either has spent is spent, and shared entries once.

    Parameters
    ----------
    mine, others : RuleBook

    Returns
    -------
    tuple of LedgerEntry

    Examples
    --------
    >>> used = InForce(entries=(LedgerEntry("damage", {}, frozenset(), "rows", 0.04),))
    >>> len(merged_entries(used, used))
    1
    """
    spent = {(entry.name, entry.delta) for entry in mine.entries}
    new = (e for e in others.entries if (e.name, e.delta) not in spent)
    return (*mine.entries, *new)


def merged_current(
    mine: InForce, others: InForce, identities: frozenset[str]
) -> tuple[LedgerEntry, ...]:
    """Of each budget, an entry that covers all that is active now, if there is one.

    Books that were certified apart are not certified together: each rule has a chance
    of its own to change a right decision.

    Parameters
    ----------
    mine, others : RuleBook
    identities : frozenset of str
        What the rules of both decide together.

    Returns
    -------
    tuple of LedgerEntry
        Of this book where neither covers all, or both do.

    Examples
    --------
    >>> entry = LedgerEntry("damage", {}, frozenset({"a", "b"}), "rows", 0.04)
    >>> both = InForce(current=(entry,))
    >>> merged_current(InForce(), both, frozenset({"a"})) == (entry,)
    True
    """
    found: dict[str, LedgerEntry] = {}
    for entry in (*mine.current, *others.current):
        held = found.setdefault(entry.kind, entry)
        if _stands(entry, identities) > _stands(held, identities):
            found[entry.kind] = entry
    return tuple(found.values())


def _stands(entry: LedgerEntry, identities: frozenset[str]) -> tuple[bool, bool]:
    covers = entry.covers(identities)
    return covers, covers and entry.certifies


def _told(rule: Rule) -> str:
    until = f" until {rule.expires}" if rule.expires else ""
    return f"{rule.state}{until} ({rule.digest[:6]})"
