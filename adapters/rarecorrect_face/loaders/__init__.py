"""Faces from files and folders; one module for each format."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from rarecorrect_face.loaders import (
    affectnet,
    affectnet_csv,
    fer2013_csv,
    fer2013_npz,
    folders,
    raf_db,
    raf_db_folders,
)
from rarecorrect_face.loaders.gathered import Gathered, Loaded, LoadReport, Problem

__all__ = ["FORMATS", "LoadReport", "Loaded", "Problem", "load_faces"]


class Format(Protocol):
    """A module that knows its format by looking, and reads it."""

    def looks_like(self, path: Path) -> bool:
        """Whether a file or folder is of this format."""
        ...

    def gather(self, path: Path) -> Gathered:
        """Read all faces; raise ValueError where nothing can be."""
        ...


# In the order in which they are tried: a folder of folders is the last guess.
FORMATS: dict[str, Format] = {
    "fer2013-npz": fer2013_npz,
    "fer2013-csv": fer2013_csv,
    "raf-db": raf_db,
    "raf-db-folders": raf_db_folders,
    "affectnet": affectnet,
    "affectnet-csv": affectnet_csv,
    "folders": folders,
}


def load_faces(
    path: str | Path, format: str = "auto", *, random_state: int = 0
) -> Loaded:
    """Read faces; what cannot be read is left out and reported.

    Parameters
    ----------
    path : str or Path
        A file or a folder.
    format : str, default="auto"
        One of ``FORMATS``; ``"auto"``: found by looking.
    random_state : int, default=0
        Of the part of training that calibrates, where the data have none.

    Returns
    -------
    faces : Faces
    report : LoadReport

    Raises
    ------
    FileNotFoundError
        If there is no such path.
    ValueError
        For an unknown format, one that cannot be told, or if no face can be read.
    """
    where = Path(path)
    if not where.exists():
        raise FileNotFoundError(f"no file or folder {str(path)!r}")
    if format not in ("auto", *FORMATS):
        raise ValueError(
            f"format must be auto or one of {', '.join(FORMATS)}, got {format!r}"
        )
    name = _found(where) if format == "auto" else format
    return FORMATS[name].gather(where).finish(name, random_state)


def _found(path: Path) -> str:
    for name, reader in FORMATS.items():
        if reader.looks_like(path):
            return name
    raise ValueError(
        f"{str(path)!r} looks like none of {', '.join(FORMATS)}; a folder must be "
        "<split>/<label>/*.png or *.jpg with splits such as train and test"
    )
