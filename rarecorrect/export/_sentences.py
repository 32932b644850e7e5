"""What an exported book says of itself."""

from __future__ import annotations

from rarecorrect.rulebook import RuleBook


def sentences(book: RuleBook) -> list[str]:
    """Certificates in force, and rules that end by themselves, one line each.

    Parameters
    ----------
    book : RuleBook

    Returns
    -------
    list of str
    """
    if not book.certified:
        return ["nothing is certified, every legacy answer is kept"]
    found = []
    for kind in book.budgets:
        entry = book.entry(kind)
        for stratum, certificate in (entry.certificates if entry else {}).items():
            found.append(
                f"{certificate}" if stratum is None else f"{stratum}: {certificate}"
            )
    found += [f"{r.name}: expires {r.expires}" for r in book.active if r.expires]
    return [" ".join(line.split()) for line in found]
