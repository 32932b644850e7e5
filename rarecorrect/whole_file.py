"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4


def write_whole(path: str | os.PathLike[str], write: Callable[[Path], Any]) -> None:
    """Let `write` make a file beside `path`, then put it in its place.

    In one step that survives a power cut: whoever reads `path` meanwhile gets the old
    file or the new one.  A link stays a link, and who may read a file stays the same.

    Parameters
    ----------
    path : str or path
        Its folder is made if it is not there.
    write : callable
        Gets the path to write to; it ends as `path` does.

    Raises
    ------
    Exception
        Whatever `write` raises; the old file stays.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "notes.md"
    ...     write_whole(file, lambda part: part.write_text("gain"))
    ...     file.read_text()
    'gain'
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{uuid4().hex}.part.{target.name}")
    try:
        beside.touch(exist_ok=False)
        if target.exists():  # before there is anything in it to read
            shutil.copymode(target, beside)
        write(beside)
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
    if os.name == "posix":  # elsewhere a folder cannot be opened
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
