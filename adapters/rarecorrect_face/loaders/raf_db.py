"""RAF-DB as it is handed out: a list of labels, and a folder of aligned pictures."""

from __future__ import annotations

from pathlib import Path

from rarecorrect_face.loaders.gathered import Gathered

NAMES = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
_LIST = Path("EmoLabel", "list_patition_label.txt")  # sic
_PICTURES = Path("Image", "aligned")


def looks_like(path: Path) -> bool:
    """Whether a file or folder is of this format."""
    return (_root(path) / _LIST).is_file()


def gather(path: Path) -> Gathered:
    """Read all faces; the first part of a picture's name is its split.

    Raises
    ------
    ValueError
        If there is no list of labels.
    """
    root = _root(path)
    if not (root / _LIST).is_file():
        raise ValueError(f"{str(path)!r} has no {_LIST}")
    found = Gathered(NAMES)
    lines = (root / _LIST).read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            _add(found, root, f"{_LIST.name}, line {number}", line)
    return found


def _root(path: Path) -> Path:
    """The folder itself, or ``basic`` in it, as the archive has it."""
    return path / "basic" if (path / "basic").is_dir() else path


def _add(found: Gathered, root: Path, where: str, line: str) -> None:
    name, _, code = line.strip().partition(" ")
    split = name.partition("_")[0]
    if split not in ("train", "test") or code.strip() not in list("1234567"):
        found.leave_out(where, f"{line.strip()!r} is not like 'train_00001.jpg 5'")
        return
    picture = root / _PICTURES / f"{Path(name).stem}_aligned.jpg"
    found.add_picture(picture, int(code) - 1, split, name)
