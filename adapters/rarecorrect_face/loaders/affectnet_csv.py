"""AffectNet, older form: ``training.csv`` and ``validation.csv`` with face boxes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rarecorrect_face.loaders.affectnet import DROPPED, NAMES
from rarecorrect_face.loaders.csv_rows import numbered_rows
from rarecorrect_face.loaders.gathered import Gathered

_PATH, _EXPRESSION = "subDirectory_filePath", "expression"
_BOX = ("face_x", "face_y", "face_width", "face_height")
# validation.csv comes without a header
_COLUMNS = [_PATH, *_BOX, "facial_landmarks", _EXPRESSION, "valence", "arousal"]
# its test part was never handed out, so the validation part tests
_SPLITS = {"training.csv": "train", "validation.csv": "test"}
_FOLDERS = (
    "",
    "Manually_Annotated_Images",
    "Manually_Annotated/Manually_Annotated_Images",
)


def looks_like(path: Path) -> bool:
    """Whether a file or folder is of this format."""
    return (path / "training.csv").is_file()


def gather(path: Path) -> Gathered:
    """Read all faces, cut out by their boxes; those of no expression are passed over.

    Raises
    ------
    ValueError
        If there is no list, or it lacks a column.
    """
    if not looks_like(path):
        raise ValueError(f"{str(path)!r} has no training.csv")
    found = Gathered(NAMES)
    for name, split in _SPLITS.items():
        if not (path / name).is_file():
            found.leave_out(name, "no such file")
            continue
        for number, row in _rows(path / name):
            _add(found, path, f"{name}, row {number}", row, split)
    return found


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        first = [cell.strip() for cell in file.readline().split(",")]
        header = first if _PATH in first else _COLUMNS
        missing = [c for c in (_PATH, *_BOX, _EXPRESSION) if c not in header]
        if missing:
            raise ValueError(f"{path.name} has no column {', '.join(missing)}")
        if header is _COLUMNS:
            file.seek(0)
        for number, row in numbered_rows(file):
            yield number, dict(zip(header, row, strict=False))


def _add(
    found: Gathered, root: Path, where: str, row: dict[str, str], split: str
) -> None:
    try:
        code, name = int(row[_EXPRESSION]), row[_PATH].strip()
        x, y, width, height = (int(float(row[column])) for column in _BOX)
    except (KeyError, ValueError) as error:
        found.leave_out(where, f"not like its header: {error}")
        return
    if code in DROPPED:
        return
    if not 0 <= code < len(NAMES):
        found.leave_out(where, f"expression {code} is not in 0 ... {DROPPED[-1]}")
    elif width < 1 or height < 1:
        found.leave_out(where, f"an empty face box, {width} x {height}")
    else:
        box = (x, y, x + width, y + height)
        found.add_picture(_picture(root, name), code, split, name, box)


def _picture(root: Path, name: str) -> Path:
    places = [root / folder / name for folder in _FOLDERS]
    return next((place for place in places if place.is_file()), places[0])
