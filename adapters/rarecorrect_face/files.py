"""Names of files, and archives of arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np
import numpy.typing as npt


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
