"""What a loader has gathered so far: faces, and what was wrong with the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rarecorrect_face.faces import SIDE, Faces, stratified
from rarecorrect_face.loaders.pictures import PictureError, read_picture

_CALIBRATION_FRACTION = 0.1
_SHOWN = 20


class Problem(NamedTuple):
    """A file, folder or row that was left out, and why."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What was read, and what was not.

    Attributes
    ----------
    format : str
    n_faces : int
    problems : tuple of Problem
    """

    format: str
    n_faces: int
    problems: tuple[Problem, ...]

    @property
    def complete(self) -> bool:
        """Nothing was left out."""
        return not self.problems

    def __str__(self) -> str:
        """One line, and one for each of the first problems."""
        lines = [
            f"{self.n_faces:,} faces ({self.format}), "
            f"{len(self.problems):,} files, folders or rows left out"
        ]
        lines += [f"  {where}: {what}" for where, what in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            lines.append(f"  and {len(self.problems) - _SHOWN:,} more")
        return "\n".join(lines)


class Loaded(NamedTuple):
    """Faces, and how reading them went."""

    faces: Faces
    report: LoadReport


@dataclass(slots=True)
class Gathered:
    """Faces read one by one; a bad one is noted and the rest goes on.

    Attributes
    ----------
    class_names : sequence of str
    images, labels, split, ids : list
    problems : list of Problem
    soft : ndarray of shape (n_faces, n_classes) or None
    """

    class_names: Sequence[str]
    images: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    split: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    soft: npt.NDArray[Any] | None = None

    def add(
        self, image: npt.NDArray[np.uint8], label: int, split: str, name: str
    ) -> None:
        """Take in one face."""
        self.images.append(image)
        self.labels.append(label)
        self.split.append(split)
        self.ids.append(name)

    def add_picture(
        self,
        path: Path,
        label: int,
        split: str,
        name: str,
        box: tuple[int, int, int, int] | None = None,
    ) -> None:
        """Read one picture file, or note why it cannot be read."""
        try:
            self.add(read_picture(path, box), label, split, name)
        except PictureError as error:
            self.leave_out(name, str(error))

    def leave_out(self, where: str, what: str) -> None:
        """Note what was left out."""
        self.problems.append(Problem(where, what))

    def finish(self, name: str, random_state: int) -> Loaded:
        """Make the faces; where no part calibrates, a part of training does.

        Raises
        ------
        ValueError
            If no face could be read.
        """
        report = LoadReport(name, len(self.images), tuple(self.problems))
        if not self.images:
            raise ValueError(f"no face could be read: {report}")
        split, labels = np.array(self.split), np.array(self.labels, dtype=np.int64)
        if "calibration" not in self.split:
            rng = np.random.default_rng(random_state)
            spared = stratified(labels, split == "train", _CALIBRATION_FRACTION, rng)
            split = np.where(spared, "calibration", split)
        images = np.array(self.images, dtype=np.uint8).reshape(-1, SIDE, SIDE)
        faces = Faces.of(
            images, labels, self.class_names, split, soft=self.soft, ids=self.ids
        )
        return Loaded(faces, report)
