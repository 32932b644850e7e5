"""What is read in pictures: a row for each face."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.whole_file import write_whole
from rarecorrect_face.face_finder import Box, find_faces, open_picture
from rarecorrect_face.faces import SIDE
from rarecorrect_face.loaders import Problem
from rarecorrect_face.loaders.pictures import PictureError, read_picture
from rarecorrect_face.service import Read

SCORE = "score_"  # before the name of a class
NO_FACE = "no face found; where the whole picture is one face, pass --whole"


class FoundFace(NamedTuple):
    """A face in a picture file.

    Attributes
    ----------
    file : str
        Name, from the folder that was asked for.
    path : Path
    number : int
        From 1, from left to right.
    box : Box
    image : ndarray of uint8 of shape (48, 48)
    """

    file: str
    path: Path
    number: int
    box: Box
    image: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Found:
    """Faces of some files, and what is wrong with the other files."""

    faces: Sequence[FoundFace]
    problems: Sequence[Problem]

    @property
    def images(self) -> npt.NDArray[np.uint8]:
        """All faces, of shape (n_faces, 48, 48)."""
        images = [face.image for face in self.faces]
        return np.array(images, dtype=np.uint8).reshape(-1, SIDE, SIDE)


def gather(
    paths: Sequence[Path],
    root: Path,
    *,
    whole: bool = False,
    on_file: Callable[[str], None] = lambda name: None,
) -> Found:
    """Find the faces of picture files; a bad file is noted and the rest goes on.

    Parameters
    ----------
    paths : sequence of Path
    root : Path
        Folder from which the files are named.
    whole : bool, default=False
        Every picture is one face.
    on_file : callable
        Told the name of every file that is done.

    Returns
    -------
    Found
    """
    faces: list[FoundFace] = []
    problems: list[Problem] = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        try:
            picture = open_picture(path)
            everything = Box(0, 0, *picture.size)
            boxes = [everything] if whole else find_faces(picture)
            for number, box in enumerate(boxes, 1):
                image = read_picture(path, box)
                faces.append(FoundFace(name, path, number, box, image))
            if not boxes:
                problems.append(Problem(name, NO_FACE))
        except PictureError as error:
            problems.append(Problem(name, f"left out, {error}"))
        on_file(name)
    return Found(faces, problems)


def prediction_table(faces: Sequence[FoundFace], read: Read) -> pd.DataFrame:
    """A row for each face.

    Parameters
    ----------
    faces : sequence of FoundFace
    read : Read
        Of the same faces.

    Returns
    -------
    DataFrame
        ``file``, ``face`` (its number), ``left``, ``top``, ``right``, ``bottom``,
        ``label``, ``network`` (its label before correction), ``changed``, ``flagged``,
        ``rule`` (that changed or flagged it) and ``score_<class>``.
    """
    trace = read.trace.reset_index(drop=True)
    acted = (trace["changed"] | trace["flagged"]).to_numpy(bool)
    where: dict[str, Any] = {
        "file": [face.file for face in faces],
        "face": [face.number for face in faces],
        **{name: [getattr(face.box, name) for face in faces] for name in Box._fields},
    }
    said = {
        "label": trace["after"].to_numpy(),
        "network": trace["before"].to_numpy(),
        "changed": trace["changed"].to_numpy(bool),
        "flagged": trace["flagged"].to_numpy(bool),
        "rule": trace["rule"].astype(object).where(acted, None),
    }
    scores = {f"{SCORE}{name}": read.scores[name].to_numpy() for name in read.scores}
    return pd.DataFrame(where | said | scores)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as the name of the file says, whole or not at all.

    Parameters
    ----------
    table : DataFrame
    path : Path
        See :func:`check_table_name`.
    """
    if path.suffix == ".csv":
        write_whole(path, lambda part: table.to_csv(part, index=False))
    else:
        write_whole(path, lambda part: table.to_parquet(part, index=False))


def check_table_name(path: Path) -> None:
    """Refuse a file that :func:`write_table` cannot write.

    Raises
    ------
    ValueError
        For another ending than ``.csv`` or ``.parquet``.
    ImportError
        If pyarrow is not installed and the ending is ``.parquet``.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"--out must end in .csv or .parquet, got {path.name!r}")
    if path.suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "parquet files need pyarrow: pip install 'rarecorrect[face]', or name "
                "a .csv file"
            ) from error
