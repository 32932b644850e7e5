"""The frame of a file: one zip of plain members, with a digest of every byte."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save as safetensors_bytes

Array = npt.NDArray[Any]

MANIFEST, ARRAYS = "manifest.json", "arrays.safetensors"
_SKOPS = re.compile(r"[a-z0-9-]{1,80}\.skops")
_LABEL = b"sha256:"  # of the comment that ends the file: a digest of all before it
_DIGITS = 64
_BLOCK = 2**20
_DTYPES = {
    "BOOL": "bool",
    "U8": "<u1",
    "I8": "<i1",
    "U16": "<u2",
    "I16": "<i2",
    "U32": "<u4",
    "I32": "<i4",
    "U64": "<u8",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
}


class FileFormatError(ValueError):
    """A file that does not hold what it should, or what may not be opened.

    It is damaged, made by hand, from a later version, or holds types that the caller
    does not trust; the message says which.
    """


def pack(members: Mapping[str, bytes]) -> bytes:
    """One zip of members as they are, ended by a digest of all bytes before it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            # a fixed date: the same corrector gives the same bytes
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
        archive.comment = _LABEL + b"0" * _DIGITS
    whole = buffer.getbuffer()
    digest = hashlib.sha256(whole[:-_DIGITS]).hexdigest()
    whole[-_DIGITS:] = digest.encode()
    return bytes(whole)


def unpack(file: IO[bytes]) -> dict[str, bytearray]:
    """Members of a file that is whole; each is read once, into memory of its size."""
    size = _check_digest(file)
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            _check_members(infos, size)
            return {info.filename: _read(archive, info) for info in infos}
    # RuntimeError: encrypted, or of a later version of zip than Python knows
    except (zipfile.BadZipFile, EOFError, RuntimeError) as error:
        raise FileFormatError(f"it is no zip of plain members: {error}") from error


def check_plain_zip(data: bytes | bytearray, what: str) -> None:
    """Refuse a zip within the file that would be larger when it is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_sizes(infos, len(data))
            for info in infos:
                if info.filename.endswith(".npz"):  # sparse matrices
                    check_packed_arrays(archive.read(info), f"{what}: {info.filename}")
    except zipfile.BadZipFile as error:
        raise FileFormatError(f"{what} is no zip: {error}") from error


def check_packed_arrays(data: bytes, what: str) -> None:
    """Refuse packed arrays of more than 32 times their size in the file."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        unpacked = sum(info.file_size for info in archive.infolist())
    if unpacked > max(2**20, 32 * len(data)):
        raise FileFormatError(
            f"{what} would grow from {len(data):,} to {unpacked:,} bytes"
        )


def read_arrays(data: bytes | bytearray) -> dict[str, Array]:
    """Arrays of a safetensors member, as views: no second copy in memory."""
    start, header = _header(data)
    end, found = start, {}
    for name, entry in sorted(header.items(), key=_first_byte):
        where = f"{ARRAYS}: {name!r}"
        dtype = _DTYPES.get(entry.get("dtype"))
        shape, (first, last) = entry["shape"], entry["data_offsets"]
        if dtype is None or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise FileFormatError(f"{where} is no array of numbers: {entry}")
        if not all(type(n) is int and 0 <= n < 2**48 for n in (*shape, first, last)):
            raise FileFormatError(f"{where} has a shape or place that is none: {entry}")
        count = 1
        for n in shape:  # Python's numbers do not overflow
            count *= n
        if start + first != end or last - first != count * np.dtype(dtype).itemsize:
            raise FileFormatError(f"{where} does not lie where it should: {entry}")
        end = start + last
        if end > len(data):
            raise FileFormatError(f"{where} ends behind the end of its member")
        values = np.frombuffer(data, dtype, count, start + first)
        found[name] = values.reshape(shape)
    if end != len(data):
        raise FileFormatError(f"{ARRAYS}: {len(data) - end} bytes belong to no array")
    return found


def write_arrays(arrays: Mapping[str, Array]) -> bytes:
    """Safetensors bytes of arrays of numbers."""
    return bytes(safetensors_bytes(dict(arrays)))


def read_json(data: bytes | bytearray, what: str) -> Any:
    """JSON as the standard has it: no name twice, no NaN."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise FileFormatError(f"{what} holds {twice!r} more than once")
        return found

    def no_number(text: str) -> Any:
        raise FileFormatError(f"{what} holds {text}, which is not JSON")

    try:
        return json.loads(
            data.decode(), object_pairs_hook=once, parse_constant=no_number
        )
    except FileFormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{what} is not JSON: {error}") from error


def _check_digest(file: IO[bytes]) -> int:
    """Size of a file whose last bytes are the digest of all others."""
    size = file.seek(0, io.SEEK_END)
    ending = len(_LABEL) + _DIGITS
    file.seek(max(0, size - ending))
    comment = file.read(ending)
    if not comment.startswith(_LABEL):
        raise FileFormatError(
            "it is cut short, damaged, or no file of rarecorrect: it does not end with "
            "its digest"
        )
    digest, left = hashlib.sha256(), size - _DIGITS
    file.seek(0)
    while left and (block := file.read(min(_BLOCK, left))):
        digest.update(block)
        left -= len(block)
    if digest.hexdigest().encode() != comment[-_DIGITS:]:
        raise FileFormatError("it is damaged: its bytes do not give its digest")
    return size


def _check_members(infos: list[zipfile.ZipInfo], size: int) -> None:
    names = [info.filename for info in infos]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FileFormatError(f"it holds {twice} more than once")
    for name in names:
        if name not in (MANIFEST, ARRAYS) and not _SKOPS.fullmatch(name):
            raise FileFormatError(f"it holds {name!r}, which has no place in it")
    missing = {MANIFEST, ARRAYS} - set(names)
    if missing:
        raise FileFormatError(f"it lacks {sorted(missing)}")
    _check_sizes(infos, size)


def _check_sizes(infos: list[zipfile.ZipInfo], size: int) -> None:
    """Members are stored as they are, one after the other."""
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.compress_type != zipfile.ZIP_STORED or (
            info.compress_size != info.file_size
        ):
            raise FileFormatError(
                f"{info.filename!r} is packed; members are stored as they are"
            )
        if info.header_offset < end:
            raise FileFormatError(f"{info.filename!r} overlaps another member")
        end = info.header_offset + info.file_size
    if end > size:
        raise FileFormatError(f"its members have {end:,} bytes, more than its {size:,}")


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytearray:
    data, at = bytearray(info.file_size), 0
    with archive.open(info) as member:
        while block := member.read(_BLOCK):
            data[at : at + len(block)] = block
            at += len(block)
    if at != info.file_size:
        raise FileFormatError(f"{info.filename!r} ends too early")
    return data


def _header(data: bytes | bytearray) -> tuple[int, dict[str, Any]]:
    """Where the numbers begin, and what they are."""
    length = int.from_bytes(data[:8], "little")
    start = 8 + length
    if len(data) < 8 or start > len(data):
        raise FileFormatError(f"{ARRAYS} is shorter than its header")
    header = read_json(data[8:start], ARRAYS)
    places_ok = isinstance(header, dict) and all(
        isinstance(entry, dict)
        and isinstance(entry.get("shape"), list)
        and isinstance(entry.get("data_offsets"), list)
        and len(entry["data_offsets"]) == 2
        for entry in header.values()
    )
    if not places_ok:
        raise FileFormatError(f"{ARRAYS} does not say where its arrays are")
    return start, header


def _first_byte(item: tuple[str, dict[str, Any]]) -> tuple[str, Any]:
    # what is no number is refused afterwards; here it must only sort
    first, last = item[1]["data_offsets"]
    return ("", (first, last)) if type(first) is type(last) is int else ("no", (0, 0))
