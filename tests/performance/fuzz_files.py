"""Fuzz the loader of files: whatever a file holds, it is refused or it answers.

Usage: python tests/performance/fuzz_files.py [--seconds 600] [libFuzzer options]

Needs atheris, which is no dependency of the project: make a virtual environment for it,
``pip install atheris`` and this project in it.  Everything within a file is changed,
and its digests are made to fit again, so that the changes are looked at.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import random
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import atheris
import numpy as np
from sklearn.datasets import make_blobs
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression

with atheris.instrument_imports(include=["rarecorrect._files", "rarecorrect.files"]):
    from rarecorrect import ErrorCorrector
    from rarecorrect._files.archive import pack
    from rarecorrect.detectors import AutoDetector, BoostingDetector, TreesDetector
    from rarecorrect.files import FileFormatError, load, save
from rarecorrect.probe import Probe

X, Y = make_blobs(1500, n_features=3, centers=3, cluster_std=3.5, random_state=0)
OLD = np.flatnonzero(Y[:500] != 2)
MODEL = LogisticRegression().fit(X[OLD], Y[OLD])
DETECTORS = [
    None,
    TreesDetector(2),
    BoostingDetector(n_estimators=2, engine="scikit-learn"),
    BoostingDetector(n_estimators=2),
    AutoDetector(candidates=[("trees", ExtraTreesClassifier(2))]),
]
PARTS = (b"M", b"A", b"S", b"Z")  # manifest, arrays, a skops member, the whole zip
NASTY: list[Any] = [None, True, -1, 10**20, 1e308, "", [], {}, {"is": "skops"}]


def originals(folder: Path) -> list[dict[str, bytes]]:
    """Members of honest files."""
    found = []
    for i, detector in enumerate(DETECTORS):
        made = ErrorCorrector(
            MODEL, random_state=0, max_damage=0.1, detector=detector, confusions=[2]
        ).fit(X[500:], Y[500:])
        made.probe_ = Probe.of(X, MODEL)
        save(made, folder / f"{i}.rc", with_estimator=bool(i % 2))
        with zipfile.ZipFile(folder / f"{i}.rc") as archive:
            found.append({name: archive.read(name) for name in archive.namelist()})
    return found


def member_of(part: bytes, members: dict[str, bytes]) -> str:
    """Name of the member that a part stands for."""
    packed = [name for name in members if name.endswith(".skops")]
    names = {b"M": "manifest.json", b"A": "arrays.safetensors"}
    return names.get(part, packed[0] if packed else "manifest.json")


def file_of(data: bytes, honest: list[dict[str, bytes]]) -> bytes:
    """The file that bytes of the fuzzer stand for."""
    part, which, body = data[:1], data[1:2], data[2:]
    members = dict(honest[which[0] % len(honest)] if which else honest[0])
    if part == b"Z":
        whole = body + b"sha256:"
        return whole + hashlib.sha256(whole).hexdigest().encode()
    name = member_of(part, members)
    members[name] = body
    if name != "manifest.json":
        manifest = json.loads(members["manifest.json"])
        manifest["sha256"][name] = hashlib.sha256(body).hexdigest()
        members["manifest.json"] = json.dumps(manifest).encode()
    return pack(members)


def seeds(honest: list[dict[str, bytes]]) -> list[bytes]:
    """Bytes that stand for honest files."""
    found = []
    for i, members in enumerate(honest):
        for part in PARTS[:3]:
            name = member_of(part, members)
            found.append(part + bytes([i]) + members[name])
        found.append(b"Z" + bytes([i]) + pack(members)[:-71])
    return found


def places(stored: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    found = [at]
    if isinstance(stored, dict | list):
        inside = stored.items() if isinstance(stored, dict) else enumerate(stored)
        for key, value in inside:
            found += places(value, (*at, key))
    return found


def restructured(text: bytes, rng: random.Random) -> bytes:
    """A JSON text with a few of its parts removed, exchanged or replaced."""
    stored = json.loads(text)
    for _ in range(rng.randint(1, 3)):
        known = places(stored)
        at, other = rng.choice(known), rng.choice(known)
        if not at:
            continue
        parent, value = stored, stored
        for key in at[:-1]:
            parent = parent[key]
        for key in other:
            value = value[key]
        kind = rng.randrange(3)
        if kind == 0:
            del parent[at[-1]]
        else:
            new = copy.deepcopy(value) if kind == 1 else rng.choice(NASTY)
            parent[at[-1]] = new
    return json.dumps(stored).encode()


def mutate(data: bytes, max_size: int, rng: random.Random) -> bytes:
    """Change bytes, or in a manifest its parts."""
    if data[:1] == b"M" and rng.random() < 0.7:
        try:
            return data[:2] + restructured(data[2:], rng)[: max_size - 2]
        except (ValueError, RecursionError):
            pass
    return bytes(data[:2] + atheris.Mutate(data[2:], max(1, max_size - 2)))


def main() -> None:
    """Fuzz until the time is over, or something else than a refusal happens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    options, rest = parser.parse_known_args()
    warnings.simplefilter("ignore")
    folder = Path(tempfile.mkdtemp())
    honest = originals(folder)
    corpus = folder / "corpus"
    corpus.mkdir()
    whole = seeds(honest)
    for i, seed in enumerate(whole):
        (corpus / str(i)).write_bytes(seed)

    def change(data: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.3:  # the fuzzer forgets what was honest
            data = rng.choice(whole)
        return mutate(data, max_size, rng)

    def one(data: bytes) -> None:
        path = folder / "fuzzed.rc"
        path.write_bytes(file_of(data, honest))
        try:
            made = load(path, estimator=MODEL)
        except FileFormatError:
            return
        except ValueError as error:
            assert "is not the model" in str(error), error
            return
        made.predict(X[:50])
        made.trace(X[:50])

    limits = [f"-max_total_time={options.seconds}", "-rss_limit_mb=4096"]
    limits += ["-max_len=300000", "-timeout=20", *rest, str(corpus)]
    atheris.Setup([sys.argv[0], *limits], one, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
