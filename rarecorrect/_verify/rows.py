"""The scores of calibration rows, by the rules in the file that can be recomputed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect._verify.reading import Claim, of, sha256

Array = npt.NDArray[Any]
DECISION, SEGMENT = "@decision", "@segment"
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class NotRecomputedError(Exception):
    """Why scores of an entry cannot be recomputed; that is said, never passed over."""


def claims_on_rows(file: Any, rows: Mapping[str, Any]) -> Iterator[Claim]:
    """Of every entry: whether its scores and those that it counted come from the rows.

    Its fingerprint is a digest of their number and of two sums over hashes of them.
    """
    Z, chosen = (
        _features(file["features"], rows),
        file["corrector"]["calibration_indices"],
    )
    parts = [np.arange(len(Z)), chosen[(chosen >= 0) & (chosen < len(Z))]]
    kinds = (np.float64, np.float32)
    places = {_mark(Z[part].astype(kind)): part for part in parts for kind in kinds}
    entries = {i: file["entries"][i] for i in file["ledger"]}
    known = [i for i, entry in entries.items() if entry["fingerprint"] in places]
    yield "rows: a certificate was made on them", bool(known), f"entries {known}"
    for i, entry in entries.items():
        claim = f"entry {i}: scores, from the rows"
        if i not in known:
            yield claim, None, "it was made on other rows"
            continue
        part = places[entry["fingerprint"]]
        said = {name: _at(rows.get(name), part) for name in (DECISION, SEGMENT)}
        try:
            found = _scores(file, entry, Z[part], said[DECISION])
        except NotRecomputedError as error:
            yield claim, None, str(error)
            continue
        yield claim, _close(found, entry["scores"]), f"{len(part)} rows"
        by = {"class": DECISION, "segment": SEGMENT}
        strata = said.get(by.get(file["corrector"]["parameters"]["per"], ""))
        for stratum, made in entry["certificates"].items():
            yield _counted(f"entry {i}{of(stratum)}: ", stratum, made, found, strata)


def _counted(
    name: str, stratum: Any, made: Any, found: Array, strata: list[Any] | None
) -> Claim:
    """Whether a certificate counted the rows of its stratum."""
    claim = name + "what was counted, from the rows"
    if stratum is not None and strata is None:
        return claim, None, f"what stratum a row is in must be passed as {SEGMENT}"
    inside = [stratum is None or one == stratum for one in strata or found]
    mine = found[np.array(inside, dtype=bool)]
    if made["unit"] != "rows" or mine.size != made["n_calibration"]:
        numbers = f"{made['n_calibration']} {made['unit']} out of {mine.size} rows"
        return claim, None, numbers + " cannot be drawn again"
    return claim, _close(mine, made["units"]), f"{mine.size} rows"


def _scores(file: Any, entry: Any, Z: Array, decisions: list[Any] | None) -> Array:
    """Largest score of the rules that an entry covers, of every row."""
    rules = {rule["digest"]: rule for rule in file["rules"]}
    if np.isposinf(entry["scores"]).any():
        raise NotRecomputedError("some rows count as alerts, whatever their score")
    found = np.full(len(Z), -np.inf)
    for name in entry["covered"]:
        place, _, digest = name.partition(":")
        rule = rules.get(digest)
        if rule is None:
            raise NotRecomputedError("a rule that it covers is no longer in the file")
        score = _score(rule, Z, decisions)
        if value := place.partition("*")[2]:
            score = np.where(np.isneginf(score), score, score + _log(Z[:, int(value)]))
        found = np.maximum(found, score)
    return found


def _log(value: Array) -> Array:
    """What an amount adds to a score; -inf where it is 0 or less."""
    return np.log(value, out=np.full(value.shape, -np.inf), where=value > 0)


def _score(rule: Any, Z: Array, decisions: list[Any] | None) -> Array:
    """On the common scale; -inf where the rule is mute, or may not act."""
    scaled = _scaled(rule["scale"], _raw(rule, Z)) + rule["log_share"]
    labels, to, relabels = rule["from_labels"], rule["to"], rule["action"] == "relabel"
    acts = np.ones(len(Z), dtype=bool)
    if decisions is not None:
        able = [labels is None or one in labels for one in decisions]
        acts = np.array(able) & ~(relabels & np.array([one == to for one in decisions]))
    elif relabels or labels is not None:
        reason = f"rule {rule['name']!r} asks for the decisions of the legacy model"
        raise NotRecomputedError(reason)
    return np.where(acts & (scaled > rule["worth"]), scaled, -np.inf)


def _raw(rule: Any, Z: Array) -> Array:
    """Of a linear rule, or of a box of conditions."""
    if rule["coef"] is not None:
        return np.asarray(Z @ rule["coef"] + rule["intercept"])
    box = rule["detector"]
    if box["is"] == "AutoDetector" and box["box_"] is not None:
        box = box["box_"]
    if box["is"] != "IntervalDetector":
        raise NotRecomputedError(f"rule {rule['name']!r} is neither linear nor a box")
    sides = [
        _scaled(side["scale"], side["sign"] * Z[:, side["column"]]) - side["offset"]
        for side in box["_sides"]
    ]
    return np.asarray(np.min(sides, axis=0))


def _scaled(scale: Any, raw: Array) -> Array:
    """Linear between knots; outside, with slopes of its own."""
    knots = scale["knots"]
    above = np.maximum(raw - knots[-1], 0.0) * scale["slope_above"]
    below = np.minimum(raw - knots[0], 0.0) * scale["slope_below"]
    return np.asarray(np.interp(raw, knots, scale["values"]) + above + below)


def _features(features: Any, rows: Mapping[str, Any]) -> Array:
    """Columns by name; holes are filled and marked as when the rules were learnt."""
    imputer, names = features["imputer"], features["names"]
    filled = imputer is None or {*names} <= {*rows}
    names = names if filled else names[: len(imputer["fill"])]
    missing = [name for name in names if name not in rows]
    if missing:
        raise ValueError(f"the rows lack the features {missing}")
    Z = np.column_stack([np.asarray(rows[name], dtype=float) for name in names])
    if filled:
        return Z
    hole, infinite = np.isnan(Z), np.isinf(Z).any(axis=1)
    Z = np.hstack([np.where(hole, imputer["fill"], Z), hole[:, imputer["missing"]]])
    Z[infinite] = np.nan
    return Z


def _mark(Z: Array) -> str:
    """Digest of the number of rows and of two sums over their hashes, modulo 2^64."""
    hashes = np.full(len(Z), Z.shape[1], dtype=np.uint64)
    for j, column in enumerate(Z.T, start=1):
        bits = (column.astype(np.float64) + 0.0).view(np.uint64)  # no -0.0
        weight = _mixed(np.array([j], dtype=np.uint64) * _GOLDEN) | np.uint64(1)
        hashes += (bits ^ (bits >> np.uint64(32))) * weight
    sums = [_mixed(h).sum(dtype=np.uint64) for h in (hashes, hashes ^ _GOLDEN)]
    return sha256(np.array([len(Z), *sums], dtype="<u8").tobytes())


def _mixed(z: Array) -> Array:
    """The last step of SplitMix64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


def _at(values: Any, part: Array) -> list[Any] | None:
    return None if values is None else np.asarray(values)[part].tolist()


def _close(found: Array, stored: Array) -> bool:
    """Equal but for the order of sums, which differs between machines."""
    return found.shape == stored.shape and bool(
        np.allclose(np.sort(found), stored, rtol=1e-9, atol=1e-9)
    )
