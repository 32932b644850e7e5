"""Patches of a trained network: a corrector learnt from a folder of misread faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rarecorrect import ErrorCorrector
from rarecorrect_face.loaders import Problem
from rarecorrect_face.loaders.pictures import PictureError, pictures_in, read_picture

if TYPE_CHECKING:
    from rarecorrect_face.nets.trained import TrainedNetwork

LAYERS = ("embedding",)


class Labelled(NamedTuple):
    """Faces from folders named after their true labels.

    Attributes
    ----------
    images : ndarray of uint8 of shape (n_faces, 48, 48)
    labels, ids : ndarray of str of shape (n_faces,)
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.str_]
    ids: npt.NDArray[np.str_]

    def take(self, rows: npt.NDArray[Any]) -> Labelled:
        """Some of the faces, by a mask or by positions."""
        return Labelled(*(values[rows] for values in self))


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A corrector and what it was made of.

    Attributes
    ----------
    corrector : ErrorCorrector
    n_errors, n_calibration : int
        Pictures that were used, of either folder.
    read_right : tuple of str
        Pictures among the errors that the network reads right: left out.
    twice : int
        Pictures whose very pixels occurred before: left out.
    new : tuple of str
        Labels that the network does not know.
    """

    corrector: ErrorCorrector
    n_errors: int
    n_calibration: int
    read_right: tuple[str, ...]
    twice: int
    new: tuple[str, ...]


def read_labelled(folder: Path) -> tuple[Labelled, list[Problem]]:
    """Read ``<folder>/<true label>/*``; what cannot be read is reported.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    faces : Labelled
    problems : list of Problem

    Raises
    ------
    ValueError
        If no face could be read.
    """
    images, labels, ids = [], [], []
    problems: list[Problem] = []
    loose = [path.name for path in pictures_in(folder)]
    problems += [Problem(name, "not in a folder named by a label") for name in loose]
    for part in sorted(path for path in folder.iterdir() if _is_label(path)):
        pictures = pictures_in(part)
        if not pictures:
            problems.append(Problem(part.name, "no picture in it"))
        for path in pictures:
            name = f"{part.name}/{path.name}"
            try:
                images.append(read_picture(path))
            except PictureError as error:
                problems.append(Problem(name, str(error)))
                continue
            labels.append(part.name)
            ids.append(name)
    if not images:
        listed = "".join(f"\n  {where}: {what}" for where, what in problems)
        raise ValueError(
            f"no face could be read from {str(folder)!r}; it must hold <true label>/"
            f"*.png or *.jpg{listed}"
        )
    return Labelled(np.stack(images), np.array(labels), np.array(ids)), problems


def patch(
    network: TrainedNetwork,
    errors: Labelled,
    calibration: Labelled,
    *,
    layers: Sequence[str] = LAYERS,
    **options: Any,
) -> Patch:
    """Learn to correct a network from faces that it misreads.

    Rules are learnt for the labels of the errors, from these and from errors of the
    same labels among the calibration faces.  What the network reads right there
    calibrates, or is learnt from as what must stay.

    Parameters
    ----------
    network : TrainedNetwork
    errors : Labelled
        Those that the network reads right are left out: somebody chose them, so they
        do not stand for what it reads right in service.
    calibration : Labelled
        Drawn from what the network meets in service, and never trained on.
    layers : sequence of str, default=LAYERS
        That detectors see, beside the logits.
    **options
        Further parameters of :class:`~rarecorrect.ErrorCorrector`.

    Returns
    -------
    Patch

    Raises
    ------
    ValueError
        If the network reads all errors right, or has no such layer.
    """
    wrong = network.predict(errors.images) != errors.labels
    if not wrong.any():
        raise ValueError(
            f"the network reads all {wrong.size:,} pictures of the errors right: there "
            "is nothing to correct"
        )
    chosen = errors.take(wrong)
    both = Labelled(
        *(np.concatenate(pair) for pair in zip(chosen, calibration, strict=True))
    )
    fresh = _first_of_each(both.images)
    faces = both.take(fresh)
    corrector = ErrorCorrector(
        network.as_model(()),
        features=[*(f"layer:{name}" for name in layers), "logits"],
        confusions=sorted(set(chosen.labels.tolist())),
        **options,
    )
    corrector.fit(faces.images, faces.labels, case_id=faces.ids)
    n_errors = int(fresh[: len(chosen.labels)].sum())
    return Patch(
        corrector,
        n_errors,
        len(faces.labels) - n_errors,
        tuple(errors.ids[~wrong].tolist()),
        int((~fresh).sum()),
        tuple(sorted(set(faces.labels.tolist()) - set(network.classes))),
    )


def _is_label(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _first_of_each(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Mark faces whose very pixels have not occurred before."""
    flat = images.reshape(len(images), -1)
    _, first = np.unique(flat, axis=0, return_index=True)
    return np.isin(np.arange(len(images)), first)
