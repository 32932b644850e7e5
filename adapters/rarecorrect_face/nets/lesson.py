"""What a network is taught, and the faces on which its epochs are compared."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rarecorrect_face.faces import Faces
from rarecorrect_face.nets.losses import targets_of
from rarecorrect_face.recipe import Recipe


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Training faces as tensors, and held-out faces.

    Attributes
    ----------
    images : Tensor of uint8 of shape (n_faces, 1, height, width)
    targets : Tensor of shape (n_faces, n_classes)
    labels : ndarray of int of shape (n_faces,)
        Indices into `classes`.
    classes : tuple of str
        That occur among the training faces.
    held_out : Faces
        Of these classes.
    digest : str
        Of all that teaches and chooses.
    """

    images: Tensor
    targets: Tensor
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    held_out: Faces
    digest: str

    @classmethod
    def of(cls, faces: Faces, recipe: Recipe) -> Lesson:
        """Take the training faces, and those held out, of the classes that are taught.

        Parameters
        ----------
        faces : Faces
        recipe : Recipe

        Returns
        -------
        Lesson

        Raises
        ------
        ValueError
            For fewer than two classes, or too few faces to train or to compare epochs.
        """
        if not (faces.split == "fit").any():
            faces = faces.for_correction(random_state=recipe.seed)
        taught = set(faces.part("train").names.tolist())
        if len(taught) < 2:
            raise ValueError(
                "a network needs training faces of two classes or more, got "
                f"{', '.join(sorted(taught)) or 'none'}"
            )
        for name in faces.class_names:
            if name not in taught:
                faces = faces.without(name)
        training, held_out = faces.part("train"), faces.part("fit")
        if len(held_out) == 0:
            raise ValueError(
                f"no face is held out to compare epochs on: a tenth of {len(training)} "
                "training faces is none; mark some with split 'fit'"
            )
        return cls(
            torch.from_numpy(training.images)[:, None],
            targets_of(training, recipe),
            training.labels,
            faces.class_names,
            held_out,
            _digest(training, held_out),
        )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def counts(self) -> Tensor:
        """Training faces of every class."""
        return torch.from_numpy(np.bincount(self.labels, minlength=len(self.classes)))


def _digest(*parts: Faces) -> str:
    digest = blake2b(digest_size=8)
    for part in parts:
        digest.update("\n".join(part.class_names).encode())
        for array in (part.images, part.labels, part.soft):
            digest.update(b"-" if array is None else array.tobytes())
    return digest.hexdigest()
