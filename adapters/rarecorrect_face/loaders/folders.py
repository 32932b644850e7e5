"""Pictures in folders: ``<root>/<split>/<label>/*.png`` or ``*.jpg``."""

from __future__ import annotations

from pathlib import Path

from rarecorrect_face.loaders.gathered import Gathered
from rarecorrect_face.loaders.pictures import pictures_in

_SPLITS = {
    "train": ("train", "training"),
    "calibration": ("calibration", "val", "valid", "validation", "publictest"),
    "test": ("test", "testing", "privatetest"),
}
_SPLIT_OF = {name: split for split, names in _SPLITS.items() for name in names}


def looks_like(path: Path) -> bool:
    """Whether a file or folder is of this format."""
    return path.is_dir() and any(_split_of(part) for part in _folders(path))


def gather(path: Path) -> Gathered:
    """Read all faces; folders that are empty or no split are reported.

    Raises
    ------
    ValueError
        If no folder is named like a split.
    """
    if not looks_like(path):
        raise ValueError(
            f"{str(path)!r} has no folder named like a split, such as train or test"
        )
    names = labels_in(path)
    found = Gathered(names)
    for part in _folders(path):
        split = _split_of(part)
        if split is None:
            found.leave_out(part.name, f"no split; {', '.join(_SPLIT_OF)} are")
            continue
        for folder in _folders(part):
            _add_folder(found, path, folder, names.index(folder.name), split)
    return found


def labels_in(path: Path) -> list[str]:
    """Names of the label folders in all splits, sorted."""
    parts = [part for part in _folders(path) if _split_of(part)]
    return sorted({folder.name for part in parts for folder in _folders(part)})


def _add_folder(
    found: Gathered, root: Path, folder: Path, label: int, split: str
) -> None:
    pictures = pictures_in(folder)
    if not pictures:
        found.leave_out(folder.relative_to(root).as_posix(), "no picture in it")
    for picture in pictures:
        name = picture.relative_to(root).as_posix()
        found.add_picture(picture, label, split, name)


def _folders(path: Path) -> list[Path]:
    return sorted(
        part for part in path.iterdir() if part.is_dir() and part.name[0] != "."
    )


def _split_of(folder: Path) -> str | None:
    return _SPLIT_OF.get(folder.name.lower())
