"""RAF-DB as copies have it: ``train/1`` to ``train/7``, ``test/1`` to ``test/7``."""

from __future__ import annotations

from pathlib import Path

from rarecorrect_face.loaders import folders
from rarecorrect_face.loaders.gathered import Gathered
from rarecorrect_face.loaders.raf_db import NAMES

_CODES = [str(code) for code in range(1, len(NAMES) + 1)]


def looks_like(path: Path) -> bool:
    """Whether a file or folder is of this format."""
    root = _root(path)
    return (root / "train").is_dir() and folders.labels_in(root) == _CODES


def gather(path: Path) -> Gathered:
    """Read all faces.

    Raises
    ------
    ValueError
        If folders are missing, or named otherwise.
    """
    if not looks_like(path):
        raise ValueError(f"{str(path)!r} has no folders train/1 to train/7")
    found = folders.gather(_root(path))
    found.class_names = NAMES
    return found


def _root(path: Path) -> Path:
    """The folder itself, or ``DATASET`` in it, as a widespread copy has it."""
    return path / "DATASET" if (path / "DATASET").is_dir() else path
