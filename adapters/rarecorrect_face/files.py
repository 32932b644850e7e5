"""Files that are written whole or not at all, and archives of arrays."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np
import numpy.typing as npt


def write_whole(path: str | Path, write: Callable[[Path], Any]) -> None:
    """Let `write` make a file beside `path`, then put it in its place.

    Parameters
    ----------
    path : str or Path
        Its folder is made if it is not there.
    write : callable
        Gets the path to write to; it ends as `path` does.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "notes.md"
    ...     write_whole(file, lambda part: part.write_text("gain"))
    ...     file.read_text()
    'gain'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{os.getpid()}.part.{path.name}")
    try:
        write(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def as_file_name(label: str) -> str:
    """Part of a file name that stands for a label, whatever letters it has.

    Examples
    --------
    >>> as_file_name("happy"), as_file_name("either/or")
    ('happy', 'either%2For')
    """
    return quote(label, safe="")


def read_arrays(path: str | Path) -> dict[str, npt.NDArray[Any]]:
    """All arrays of an ``.npz`` file; nothing in it is executed.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    ValueError
        If the file is damaged, no such archive, or holds an array of objects.
    """
    try:
        # opened here: numpy leaves a file that it cannot read open
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            if isinstance(stored, np.ndarray):
                raise ValueError("one array, not an archive of arrays")
            return {name: stored[name] for name in stored.files}
    except (BadZipFile, ZlibError, EOFError, OSError, ValueError) as error:
        hint = "; save texts as np.array(values, dtype=str)"
        way_out = hint if "Object arrays" in str(error) else ""
        raise ValueError(f"cannot be read as an .npz file: {error}{way_out}") from error
