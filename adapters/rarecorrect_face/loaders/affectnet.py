"""AffectNet, newer form: pictures, and one small file for each annotation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rarecorrect_face.loaders.gathered import Gathered
from rarecorrect_face.loaders.pictures import pictures_in

NAMES = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
DROPPED = (8, 9, 10)  # none, uncertain, no face
# its test part was never handed out, so the validation part tests
_SPLITS = {"train_set": "train", "val_set": "test"}


def looks_like(path: Path) -> bool:
    """Whether a file or folder is of this format."""
    return any((path / part / "annotations").is_dir() for part in _SPLITS)


def gather(path: Path) -> Gathered:
    """Read all faces; those of no expression are passed over.

    Raises
    ------
    ValueError
        If there is neither ``train_set`` nor ``val_set``.
    """
    if not looks_like(path):
        raise ValueError(f"{str(path)!r} has no train_set/annotations")
    found = Gathered(NAMES)
    for part, split in _SPLITS.items():
        images = path / part / "images"
        if not images.is_dir():
            found.leave_out(f"{part}/images", "no such folder")
            continue
        pictures = pictures_in(images)
        if not pictures:
            found.leave_out(f"{part}/images", "no picture in it")
        for picture in pictures:
            _add(found, path, picture, split)
    return found


def _add(found: Gathered, root: Path, picture: Path, split: str) -> None:
    name = picture.relative_to(root).as_posix()
    file = picture.parent.parent / "annotations" / f"{picture.stem}_exp.npy"
    try:
        code = int(np.load(file, allow_pickle=False).item())
    except (OSError, ValueError, EOFError, TypeError) as error:
        found.leave_out(name, f"its expression {file.name} cannot be read: {error}")
        return
    if code in DROPPED:
        return
    if not 0 <= code < len(NAMES):
        found.leave_out(name, f"expression {code} is not in 0 ... {DROPPED[-1]}")
        return
    found.add_picture(picture, code, split, name)
