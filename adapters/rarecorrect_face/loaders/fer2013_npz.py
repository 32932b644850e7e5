"""FER2013 as one ``.npz`` file, with the FER+ votes where it has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect_face.faces import SIDE
from rarecorrect_face.files import read_arrays
from rarecorrect_face.loaders.emotions import emotion
from rarecorrect_face.loaders.gathered import Gathered

Array = npt.NDArray[Any]

_NEEDED = ("images", "labels", "split", "class_names")
_PARTS = np.array(["train", "calibration", "test"])


def looks_like(path: Path) -> bool:
    """Whether a file or folder is of this format."""
    return path.suffix == ".npz"


def gather(path: Path) -> Gathered:
    """Read all faces.

    Votes for what is none of the classes are left out; a face that got no other has
    its label for certain.

    Raises
    ------
    ValueError
        If the file is damaged or lacks an array, or the arrays do not fit.
    """
    arrays = _arrays(path)
    names = [emotion(str(name)) for name in arrays["class_names"]]
    found = Gathered(names)
    labels, split = arrays["labels"].astype(int), arrays["split"].astype(int)
    images = arrays["images"]
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise ValueError(f"images must be (n, {SIDE}, {SIDE}), got {images.shape}")
    if not len(images) == labels.size == split.size:
        raise ValueError(
            f"{len(images)} images, {labels.size} labels and {split.size} splits: "
            "there must be as many of each"
        )
    usable = (labels >= 0) & (labels < len(names)) & (split >= 0) & (split < 3)
    for row in np.flatnonzero(~usable).tolist():
        found.leave_out(f"row {row}", f"label {labels[row]}, split {split[row]}")
    kept = np.flatnonzero(usable)
    found.images = list(images[kept])
    found.labels = labels[kept].tolist()
    found.split = _PARTS[split[kept]].tolist()
    found.ids = kept.astype(str).tolist()
    if "ferplus_votes" in arrays and "ferplus_names" in arrays:
        votes = arrays["ferplus_votes"][kept]
        found.soft = _soft(votes, arrays["ferplus_names"], names, labels[kept])
    return found


def _arrays(path: Path) -> dict[str, Array]:
    try:
        arrays = read_arrays(path)
    except ValueError as error:
        raise ValueError(f"{path.name} {error}") from error
    missing = [name for name in _NEEDED if name not in arrays]
    if missing:
        raise ValueError(
            f"{path.name} lacks {', '.join(missing)}; it holds {', '.join(arrays)}"
        )
    return arrays


def _soft(votes: Array, voted: Array, names: list[str], labels: Array) -> Array:
    columns = [emotion(str(name)) for name in voted]
    counts = np.zeros((len(votes), len(names)))
    for code, name in enumerate(names):
        if name in columns:
            counts[:, code] = votes[:, columns.index(name)]
    nobody = counts.sum(axis=1) == 0
    counts[nobody, labels[nobody]] = 1
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))
