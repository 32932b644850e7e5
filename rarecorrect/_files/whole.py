"""Whole files: opened with every byte checked, sealed, and put in place in one step."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from errno import ENOENT
from pathlib import Path
from typing import Any

import numpy.typing as npt

from rarecorrect._files.archive import (
    ARRAYS,
    MANIFEST,
    FileFormatError,
    read_arrays,
    read_json,
    unpack,
    write_arrays,
)
from rarecorrect._files.checks import check_names, is_a, require
from rarecorrect._files.corrector import FORMAT, SECTIONS, reader_of
from rarecorrect._files.reading import Reader
from rarecorrect.whole_file import write_whole

Parts = dict[str, Any]
Members = dict[str, Any]


@contextmanager
def refusing(what: str, error: type[ValueError] = FileFormatError) -> Iterator[None]:
    """Say of which file an error is; whatever its parts raise, they do not fit."""
    try:
        yield
    except FileFormatError as found:
        raise error(f"{what}: {found}") from found
    except Exception as found:  # of wrong types and values, wherever they surface
        raise error(
            f"{what}: its parts do not fit: {type(found).__name__}: {found}"
        ) from found


def open_file(path: str | os.PathLike[str]) -> Members:
    """Members of a file whose bytes give its digest."""
    with open(path, "rb") as file, refusing(os.fspath(path)):
        return dict(unpack(file))


def open_members(
    members: Mapping[str, Any], trusted: Collection[Any] | None
) -> tuple[Parts, Reader]:
    """The manifest, and the reader of what it refers to, see :class:`Reader`."""
    manifest = _checked_manifest(members)
    return manifest, reader_of(members, read_arrays(members[ARRAYS]), trusted)


def sealed(
    manifest: Parts, arrays: Mapping[str, npt.NDArray[Any]], packed: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Members of a file, first the manifest with the digests of the others."""
    members = {ARRAYS: write_arrays(arrays), **packed}
    whole = {**manifest, "sha256": _digests(members)}
    text = json.dumps(whole, sort_keys=True, allow_nan=False, indent=1)
    return {MANIFEST: text.encode(), **members}


def put(path: Path, data: bytes) -> None:
    """Put data where the path leads, whole or not at all; its folder must be there."""
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise FileNotFoundError(ENOENT, "There is no such folder", str(folder))
    write_whole(path, lambda part: part.write_bytes(data))


def _checked_manifest(members: Mapping[str, Any]) -> Parts:
    manifest = read_json(members[MANIFEST], MANIFEST)
    require(is_a(manifest, dict), "the manifest is no object")
    number, libraries = manifest.get("format"), manifest.get("written_with")
    require(type(number) is int and number >= 1, f"there is no format {number!r}")
    require(is_a(libraries, dict), "the manifest does not say what wrote it")
    if number > FORMAT:
        newer = libraries.get("rarecorrect")
        raise FileFormatError(
            f"it has format {number}, and this version reads up to {FORMAT}: install "
            f"rarecorrect {newer} or later, which wrote it"
        )
    check_names(manifest, SECTIONS)
    found = {name: data for name, data in members.items() if name != MANIFEST}
    require(
        manifest["sha256"] == _digests(found),
        "a member is not the one that its manifest was written with",
    )
    return dict(manifest)


def _digests(members: Mapping[str, Any]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
