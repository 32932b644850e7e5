"""Recompute what a saved corrector claims, from its file.

For a validator: numpy and the standard library, and no code of the fitting side.  What
is certified is Wilks' tolerance limit.  Of n scores, s_(1) the largest, let k be the
largest integer with P(Bin(n, eps) <= k) <= delta.  Changing a decision iff its score is
above a threshold t >= s_(k+1) changes more than a share eps of all such decisions with
a probability of at most delta.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from itertools import pairwise
from typing import Any

import numpy as np

from rarecorrect._verify.book import claims_of_book, source
from rarecorrect._verify.reading import Claim, digest, of, read, sha256
from rarecorrect._verify.rows import claims_on_rows

VERDICTS = {True: "PASS", False: "FAIL", None: "NOT RECOMPUTED"}
NOT_IN_A_FILE = (
    "that the scores are those of right decisions on the rows of the fingerprint",
    "that these rows are independent, and the decisions to come are like them",
    "that neither model nor rules learnt from them, and nobody chose by them",
    "that no certificate on them was left out of the ledger",
    "that the model in service is the one that was calibrated: loading asks it",
    "who wrote it: whoever changes it can seal it again, unless the root hash is known",
)


def verify(
    data: bytes, *, root: str | None = None, rows: Mapping[str, Any] | None = None
) -> list[tuple[str, str, str]]:
    """Recompute the claims of a file.

    Parameters
    ----------
    data : bytes
        The file.
    root : str, optional
        The 64 digits at the end of the file that was approved.
    rows : mapping of str to array of shape (n_rows,), optional
        Features by name, of the rows that calibrated or of all that were fitted; the
        decisions of the legacy model as "@decision", strata as "@segment".

    Returns
    -------
    list of tuple of str
        Of every claim: "PASS", "FAIL" or "NOT RECOMPUTED"; the claim; the numbers.

    Examples
    --------
    >>> verify(b"no file")[0][:2]
    ('FAIL', 'seal: it ends with sha256 of all before')
    """
    found = []
    try:
        for claim, holds, numbers in _claims(data, root, rows):
            verdict = VERDICTS[None if holds is None else bool(holds)]
            found.append((verdict, claim, numbers))
    except Exception as error:  # of whatever somebody made by hand
        found.append((VERDICTS[False], "format: it can be read", repr(error)))
    return found


def _claims(
    data: bytes, root: str | None, rows: Mapping[str, Any] | None
) -> Iterator[Claim]:
    seal, found = data[-64:].decode("ascii", "replace"), sha256(data[:-64])
    yield "seal: it ends with sha256 of all before", seal == found, found
    if root is not None:
        yield "root: it is the file that was approved", root == found, root
    file, members = read(data)
    for name in sorted({*file["sha256"], *members} - {"manifest.json"}):
        known, now = file["sha256"].get(name), sha256(members.get(name, b""))
        yield f"member {name}: sha256 as in the manifest", known == now, now
    yield from _rules(file)
    yield from _entries(file)
    yield from _spent(file)
    yield from claims_of_book(file)
    if rows is not None:
        yield from claims_on_rows(file, rows)


def _rules(file: Any) -> Iterator[Claim]:
    """The digest of what a rule decides by, which certificates name."""
    for rule in file["rules"]:
        name, labels, scale = rule["name"], rule["from_labels"], rule["scale"]
        labels = None if labels is None else list(labels)
        words = (rule["identity"], rule["action"], rule["to"], labels)
        numbers = [rule["log_share"], rule["worth"], rule["intercept"]]
        numbers += [scale["slope_above"], scale["slope_below"]]
        arrays = np.array(numbers, float), rule["coef"], scale["knots"], scale["values"]
        found = digest([repr(word) for word in words], *arrays)[:16]
        claim = f"rule {name!r}: digest of the numbers it decides by"
        yield claim, rule["digest"] == found, f"{rule['digest']}, found {found}"
        if rule["coef"] is None:
            reason = "not linear, and its digest does not hold its detector's numbers"
            yield f"rule {name!r}: the detector was the same", None, reason


def _entries(file: Any) -> Iterator[Claim]:
    """Every certificate by itself, and where its scores come from."""
    for i, entry in enumerate(file["entries"]):
        units = Counter[float]()
        for stratum, made in entry["certificates"].items():
            name, origin = f"entry {i}{of(stratum)}: ", source(file, entry, stratum)
            yield from _certificate(made, name)
            yield name + "it is in the ledger", origin is not None, f"entry {origin}"
            units.update(made["units"][made["units"] > -math.inf].tolist())
        if i in file["ledger"]:
            made_here = entry["certificates"].values()
            spent = entry["delta"]
            found = 1 - math.prod(made["confidence_level"] for made in made_here)
            found += sum(1 - made["n_confidence"] for made in made_here)
            same = not made_here or abs(found - spent) < 1e-12
            claim = f"entry {i}: delta is one less the product of its levels"
            yield claim, same, f"{spent:.9g}, found {found:.9g}"
            other = (units - Counter(entry["scores"].tolist())).total()
            claim = f"entry {i}: what was counted is among its scores"
            yield claim, other == 0, f"{entry['scores'].size} scores, {other} not there"


def _certificate(made: Any, name: str) -> Iterator[Claim]:
    """The exact rule, on the scores that were counted."""
    units, t, k, eps = (
        made[part] for part in ("units", "threshold", "n_allowed", "max_damage")
    )
    n, above = units.size, int(np.sum(units > t))
    same = (made["n_calibration"], made["n_exceeding"]) == (n, above)
    numbers = (
        f"{made['n_calibration']} and {made['n_exceeding']}, found {n} and {above}"
    )
    rising = np.array_equal(units, np.sort(units))
    yield name + "n, and how many lie above t", same and rising, numbers
    delta = 1 - made["confidence_level"]
    low, high = _tails(k, n, eps) if 0 < eps < 1 else (math.nan, math.nan)
    # the last digits of a level are rounded
    largest = k < n and low <= delta * (1 + 1e-9) and high > delta * (1 - 1e-9)
    numbers = f"k = {k}, eps = {eps:g}: {low:.6g} <= {delta:.6g} < {high:.6g}"
    yield name + "k is largest with P(Bin(n, eps) <= k) <= delta", largest, numbers
    least = float(units[-1 - k]) if 0 <= k < n else math.inf
    right = t >= least and made["certified"] == (t < math.inf)
    yield name + "threshold t >= s_(k+1)", right, f"{t:.9g} >= {least:.9g}"
    middle = least if math.isinf(least) else _above(units, least)
    claim = name + "t is half-way from s_(k+1) to the next larger score"
    yield (
        claim,
        math.isclose(t, middle, rel_tol=1e-15),
        f"{t:.17g}, found {middle:.17g}",
    )


def _above(units: Any, least: float) -> float:
    """Half-way over the first gap that rounding cannot close, or above all scores."""
    finite = units[np.isfinite(units)]
    spread = float(np.subtract(*np.quantile(finite, [0.95, 0.05]))) or float(
        np.ptp(finite)
    )
    ladder = np.unique(finite[finite >= least]).tolist()
    for low, high in pairwise(ladder):
        if high - low >= 1e-6 * spread:
            return float(low + (high - low) / 2)
    top = ladder[-1]
    return float(top + max(1e-6 * spread, 1e-6 * abs(top), 1e-12))


def _tails(k: int, n: int, eps: float) -> tuple[Decimal, Decimal]:
    """P(Bin(n, eps) <= k) and P(Bin(n, eps) <= k + 1), to 50 digits."""
    with localcontext(Context(prec=50, Emin=MIN_EMIN, Emax=MAX_EMAX)):
        p, low, high = Decimal(eps), Decimal(0), Decimal(0)
        term = (1 - p) ** n
        for i in range(min(k + 1, n) + 1):
            low, high = high, high + term
            term *= p * (n - i) / ((1 - p) * (i + 1))
        return low, high


def _spent(file: Any) -> Iterator[Claim]:
    """What all certificates on the same rows spend, where one of them is in force."""
    entries, spent = file["entries"], Counter[tuple[str, str]]()
    for i in file["ledger"]:
        spent[entries[i]["kind"], entries[i]["fingerprint"]] += entries[i]["delta"]
    last = [entries[i] for i in file["versions"][-1]["current"]]
    used = {source(file, entry, s) for entry in last for s in entry["certificates"]}
    marks = {entries[i]["fingerprint"] for i in used if i is not None}
    level = file["report"]["terms"]["confidence_level"]
    for (kind, mark), total in spent.items():
        most = 1 - level if mark in marks else 1.0
        claim = f"ledger, {kind}, rows {mark[:8]}: delta spent over all versions"
        numbers = f"{total:.6g} of {most:.6g}"
        numbers += "" if mark in marks else ", but nothing in force rests on them"
        yield claim, 0 <= total <= most + 1e-12, numbers
