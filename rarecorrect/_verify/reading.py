"""A file as it is: members, arrays and values, and their digests."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Claim = tuple[str, bool | None, str]  # whether it holds, None: not recomputed; numbers

# kinds that stand for one of their parts
_MADE: dict[Any, Callable[[str], Any]] = {
    "float": float,
    "date": dt.date.fromisoformat,
    "datetime": dt.datetime.fromisoformat,
}
_PARTS = {"texts": "items", "objects": "items", "numpy": "value", "segment": "value"}


def read(data: bytes) -> tuple[Any, dict[str, bytes]]:
    """The manifest, arrays in their places, and the members of the file."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        for info in infos:
            if info.file_size != info.compress_size:
                raise ValueError(f"{info.filename} is packed")
            del info.CRC  # a weaker hash than the seal: what is damaged is looked at
        members = _once((info.filename, archive.read(info)) for info in infos)
    arrays = dict(_arrays(members["arrays.safetensors"]))
    return _value(_json(members["manifest.json"]), arrays), members


def sha256(data: bytes) -> str:
    """Digest of bytes, 64 digits."""
    return hashlib.sha256(data).hexdigest()


def digest(words: list[str], *arrays: Array | None) -> str:
    """Digest of texts and arrays, each of these ended by a byte of its own."""
    parts = ["\x1f".join(map(repr, words)).encode()]
    for array in arrays:
        parts.append(
            b"none" if array is None else np.ascontiguousarray(array).tobytes()
        )
    return sha256(b"".join(part + b"\x1e" for part in parts))


def _arrays(data: bytes) -> Iterator[tuple[str, Array]]:
    """Arrays of safetensors: the length of a header, the header, the numbers."""
    start = 8 + int.from_bytes(data[:8], "little")
    for name, entry in _json(data[8:start]).items():
        kind, (first, last) = entry["dtype"], entry["data_offsets"]
        dtype = "?" if kind == "BOOL" else f"<{kind[0].lower()}{int(kind[1:]) // 8}"
        found = np.frombuffer(data[start + first : start + last], dtype)
        yield name, found.reshape(entry["shape"])


def _value(stored: Any, arrays: dict[str, Array]) -> Any:
    """What JSON stands for: itself, or an object that says what it is."""
    if isinstance(stored, list):
        return [_value(item, arrays) for item in stored]
    if not isinstance(stored, dict):
        return stored
    parts, kind = {k: _value(v, arrays) for k, v in stored.items()}, stored.get("is")
    if kind == "array":
        found = arrays[parts["name"]]
        return found.T if "by_columns" in parts else found
    if kind in _MADE:
        return _MADE[kind](parts["value"])
    if kind in ("tuple", "set", "frozenset"):
        return tuple(parts["items"])
    if kind == "dict":
        return _once(parts["items"])
    if kind == "numpy" and parts["dtype"].startswith(("datetime64", "timedelta64")):
        return np.int64(parts["value"]).view(parts["dtype"]).item()
    return parts[_PARTS[kind]] if kind in _PARTS else parts


def _json(data: bytes) -> Any:
    return json.loads(data, object_pairs_hook=_once)


def _once(pairs: Iterable[Any]) -> dict[Any, Any]:
    """Two readers may take another one of two parts with one name."""
    found: dict[Any, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} is there twice")
        found[name] = value
    return found


def of(stratum: Any) -> str:
    """Which class or segment a claim is about; of all rows nothing is said."""
    return "" if stratum is None else f", {stratum!r}"
