"""FER2013 as ``fer2013.csv`` or ``icml_face_data.csv``, whose names are padded."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rarecorrect_face.faces import SIDE
from rarecorrect_face.loaders.csv_rows import numbered_rows
from rarecorrect_face.loaders.gathered import Gathered

NAMES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_SPLITS = {"Training": "train", "PublicTest": "calibration", "PrivateTest": "test"}
_COLUMNS = ("emotion", "pixels", "Usage")


def looks_like(path: Path) -> bool:
    """Whether a file or folder is of this format."""
    return path.is_file() and set(_COLUMNS) <= set(_header(path))


def gather(path: Path) -> Gathered:
    """Read all faces; a row that makes no sense is left out.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    header = _header(path)
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise ValueError(f"{path.name} has no column {', '.join(missing)}")
    at = [header.index(name) for name in _COLUMNS]
    found = Gathered(NAMES)
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        next(file)
        for number, row in numbered_rows(file):
            try:
                label, pixels, usage = (row[i].strip() for i in at)
                found.add(_image(pixels), _label(label), _split(usage), str(number))
            except (ValueError, IndexError) as error:
                found.leave_out(f"row {number}", _reason(error))
    return found


def _header(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        try:
            return [name.strip() for name in next(csv.reader(file), [])]
        except csv.Error:
            return []


def _image(text: str) -> npt.NDArray[np.uint8]:
    values = [int(value) for value in text.split()]
    if len(values) != SIDE * SIDE:
        raise ValueError(f"{len(values)} pixels, {SIDE * SIDE} are needed")
    if min(values) < 0 or max(values) > 255:
        raise ValueError("a pixel is not in 0 ... 255")
    return np.array(values, dtype=np.uint8).reshape(SIDE, SIDE)


def _label(text: str) -> int:
    label = int(text)
    if not 0 <= label < len(NAMES):
        raise ValueError(f"emotion {label} is not in 0 ... {len(NAMES) - 1}")
    return label


def _split(text: str) -> str:
    if text not in _SPLITS:
        raise ValueError(f"Usage {text!r} is none of {', '.join(_SPLITS)}")
    return _SPLITS[text]


def _reason(error: Exception) -> str:
    return "too few columns" if isinstance(error, IndexError) else str(error)
