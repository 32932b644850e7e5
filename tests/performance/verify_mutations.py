"""Change one digit of a saved corrector, many times: does ``verify`` find it?

Usage: python tests/performance/verify_mutations.py [--mutations 1000]

Digits of thresholds, k, n, eps, weights and the history are changed; the digests are
left as they were, or computed again.  With all digests computed again and no root hash,
a change that leaves every claim true cannot be found: what is not found is listed by
where it was, and whether an oracle that knows the honest file calls a claim false.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import io
import json
import random
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load as arrays_of
from safetensors.numpy import save as bytes_of
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression

from rarecorrect import ErrorCorrector
from rarecorrect.certify import allowed_exceedances
from rarecorrect.files import save
from rarecorrect.verify import verify

BUDGET, MARGIN = 0.05, 0.15  # eps has many digits
MANIFEST, ARRAYS = "manifest.json", "arrays.safetensors"
FIELDS = {
    "threshold": "threshold",
    "k": "n_allowed",
    "n": "n_calibration",
    "eps": "max_damage",
}
KINDS = [*FIELDS, "weights", "history"]
Members = dict[str, bytes]
Parts = dict[str, Any]


def honest(folder: Path) -> tuple[bytes, dict[str, Any]]:
    """A corrector with a past, and its calibration rows."""
    X, y = make_blobs(3000, n_features=4, centers=3, cluster_std=3.5, random_state=0)
    old = np.flatnonzero(y[:600] != 2)
    model = LogisticRegression().fit(X[old], y[old])
    made = ErrorCorrector(model, max_damage=BUDGET, time_margin=MARGIN, random_state=0)
    made.fit(X[600:2000], y[600:2000])
    first, second, _ = [rule.name for rule in made.rules_]
    made = made.with_rules(made.rules_.with_state(first, "shadow"))
    made = made.with_rules(made.rules_.with_state(second, "retired"))
    made = made.with_rules(made.rules_.undo().with_state(first, "active"))
    made.certify(X[2000:], y[2000:]).certify(X[2000:], y[2000:])
    save(made, folder / "honest.rc")
    reading = made.features_.read(X[600:2000])
    rows = dict(zip(made.features_.names_, reading.features.T, strict=True))
    return (folder / "honest.rc").read_bytes(), {**rows, "@decision": reading.labels}


def members_of(data: bytes) -> Members:
    """Members of a file, by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(members: Members, seal: str | None = None) -> bytes:
    """A file, with its own seal or another one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
        archive.comment = b"sha256:" + b"0" * 64
    body = buffer.getvalue()[:-64]
    return body + (seal or hashlib.sha256(body).hexdigest()).encode()


def places(stored: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value that holds a digit."""
    if isinstance(stored, dict | list):
        pairs = stored.items() if isinstance(stored, dict) else enumerate(stored)
        for key, value in pairs:
            if key != "is":
                yield from places(value, (*at, key))
    elif any(c.isdigit() for c in str(stored)) and not isinstance(stored, bool):
        yield at


def other(value: Any, rng: random.Random) -> Any:
    """The same with one digit changed."""
    text = value if isinstance(value, str) else repr(value)
    digits = [i for i, c in enumerate(text) if c.isdigit()]
    while True:
        i = rng.choice(digits)
        new = text[:i] + rng.choice("0123456789".replace(text[i], "")) + text[i + 1 :]
        found = new if isinstance(value, str) else type(value)(new)
        if found != value:  # the last digit of a float may not count
            return found


def changed(manifest: Parts, arrays: Parts, kind: str, rng: random.Random) -> str:
    """Change one digit in place; say where."""
    if kind == "weights":
        name = rng.choice([n for n in arrays if n.endswith(".coef")])
        arrays[name] = arrays[name].copy()
        i = rng.randrange(arrays[name].size)
        arrays[name][i] = other(float(arrays[name][i]), rng)
        return f"{name}.{i}"
    if kind == "history":
        known = [("versions", *at) for at in places(manifest["versions"])]
        known += [("ledger", *at) for at in places(manifest["ledger"])]
        for i, entry in enumerate(manifest["entries"]):
            wanted = {n: entry[n] for n in ("delta", "fingerprint", "covered")}
            known += [("entries", i, *at) for at in places(wanted)]
        at = rng.choice(known)
    else:
        i = rng.randrange(len(manifest["entries"]))
        pairs = manifest["entries"][i]["certificates"]["items"]
        j = rng.randrange(len(pairs))
        at = ("entries", i, "certificates", "items", j, 1, FIELDS[kind])
    *path, last = at
    part: Any = manifest
    for key in path:
        part = part[key]
    part[last] = other(part[last], rng)
    return ".".join(map(str, at))


def is_false(manifest: Parts, arrays: Parts, kind: str) -> bool:
    """Whether a certificate is false, by the rule of the fitting side."""
    in_force = manifest["versions"][-1]["current"]
    for i, entry in enumerate(manifest["entries"]):
        for _, made in entry["certificates"]["items"]:
            units = np.sort(arrays[made["units"]["name"]])[::-1]
            t, eps = made["threshold"], made["max_damage"]
            k = -2
            if 0 < eps < 1:
                k = allowed_exceedances(units.size, eps, made["confidence_level"])
            counts = (made["n_calibration"], made["n_exceeding"], made["n_allowed"])
            if counts != (units.size, int((units > t).sum()), k) or t < units[k]:
                return True
            if i in in_force and eps > BUDGET / (1 + MARGIN) * (1 + 1e-12):
                return True
    return kind == "weights"  # its digest stands for other numbers


def certified_again(manifest: Parts, arrays: Parts) -> None:
    """Give every rule the digest of its numbers, and every certificate these."""
    from rarecorrect._verify.reading import digest

    for rule in manifest["rules"]:
        scale, labels = rule["scale"], rule["from_labels"]
        assert labels is None
        words = [repr(w) for w in (rule["identity"], rule["action"])]
        to = rule["to"]["value"] if isinstance(rule["to"], dict) else rule["to"]
        words += [repr(to), repr(labels)]
        worth = rule["worth"]
        worth = float(worth["value"]) if isinstance(worth, dict) else worth
        numbers = [rule["log_share"], worth, rule["intercept"]]
        numbers += [scale["slope_above"], scale["slope_below"]]
        named = [arrays[scale[n]["name"]] for n in ("knots", "values")]
        weights = arrays[rule["coef"]["name"]]
        found = digest(words, np.array(numbers), weights, *named)[:16]
        for entry in manifest["entries"]:
            items = entry["covered"]["items"]
            entry["covered"]["items"] = [
                item.replace(rule["digest"], found) for item in items
            ]
        rule["digest"] = found


def run(mutations: int) -> None:
    """All kinds, all ways."""
    with tempfile.TemporaryDirectory() as folder:
        data, rows = honest(Path(folder))
    members, root = members_of(data), data[-64:].decode()
    assert {v for v, _, _ in verify(data, root=root, rows=rows)} <= {
        "PASS",
        "NOT RECOMPUTED",
    }
    print(
        "found, of those changed: digests as they were | sealed again, root known | "
        "sealed again, no root: found, false by the oracle, false and not found"
    )
    for kind in KINDS:
        rng, found = random.Random(kind), Counter[str]()
        missed, named = Counter[str](), 0
        for _ in range(mutations):
            manifest = json.loads(members[MANIFEST])
            arrays = arrays_of(members[ARRAYS])
            where = changed(manifest, arrays, kind, rng)
            new = {**members, MANIFEST: json.dumps(manifest).encode()}
            new[ARRAYS] = bytes_of(arrays) if kind == "weights" else members[ARRAYS]
            kept = _failed(verify(packed(new, root)))
            found["as they were"] += bool(kept)
            named += any(not claim.startswith(("seal", "member")) for claim in kept)
            manifest["sha256"][ARRAYS] = hashlib.sha256(new[ARRAYS]).hexdigest()
            new[MANIFEST] = json.dumps(manifest).encode()
            lines = verify(packed(new), root=root)
            found["root"] += bool(_failed(lines))
            alone = [claim for claim in _failed(lines) if not claim.startswith("root")]
            false = is_false(manifest, arrays, kind)
            found["alone"] += bool(alone)
            found["false"] += false
            found["false, missed"] += false and not alone
            if not alone:
                missed[_without_numbers(where)] += 1
            if kind == "weights":
                sealed = copy.deepcopy(manifest)
                certified_again(sealed, arrays)
                new[MANIFEST] = json.dumps(sealed).encode()
                lines = verify(packed(new))
                found["digests of rules too"] += bool(_failed(lines))
                lines = verify(packed(new), rows=rows)
                found["digests of rules too, rows"] += bool(_failed(lines))
                honest_arrays = arrays_of(members[ARRAYS])
                large = any(
                    bool((np.abs(arrays[n] / honest_arrays[n] - 1) > 1e-6).any())
                    for n in arrays
                    if n.endswith(".coef")
                )
                found["by more than 1e-6"] += large
                found["by more than 1e-6, rows"] += large and bool(_failed(lines))
        print(f"{kind:<10} {dict(found)}, named by a claim of its own {named}")
        for where, count in missed.most_common():
            print(f"           not found, no root: {count} in {where}")


def _failed(lines: list[tuple[str, str, str]]) -> list[str]:
    return [claim for verdict, claim, _ in lines if verdict == "FAIL"]


def _without_numbers(where: str) -> str:
    return ".".join("*" if part.isdigit() else part for part in where.split("."))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=1000)
    run(parser.parse_args().mutations)
