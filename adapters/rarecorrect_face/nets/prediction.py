"""What a network says of faces, as the table that every protocol takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rarecorrect_face.faces import Faces
from rarecorrect_face.feature_table import FeatureTable
from rarecorrect_face.nets.network import LAYERS
from rarecorrect_face.nets.trained import TrainedNetwork


def feature_table(
    trained: TrainedNetwork,
    faces: Faces,
    layers: Sequence[str] = LAYERS,
    *,
    target: str | None = None,
    batch_size: int = 64,
) -> FeatureTable:
    """Inner layers and logits of faces, read in one pass.

    Training faces that the network has not seen get split ``"fit"``: those that were
    held out, and those of classes that it does not know.

    Parameters
    ----------
    trained : TrainedNetwork
    faces : Faces
        All classes and all splits.
    layers : sequence of str, default=LAYERS
        The logits always come along.
    target : str, optional
        Class to correct, where it is not the one that the network does not know.
    batch_size : int, default=64

    Returns
    -------
    FeatureTable

    Raises
    ------
    ValueError
        For a layer that there is not, or no layer.
    """
    logits, tables = trained.as_model(layers, batch_size=batch_size).read(faces.images)
    labels = faces.names
    unseen = np.isin(faces.ids, trained.held_out) | ~np.isin(labels, trained.classes)
    aside = unseen & (faces.split == "train")
    return FeatureTable(
        tables,
        logits,
        trained.classes,
        labels,
        np.where(aside, "fit", faces.split),
        faces.duplicate,
        faces.ids,
        target,
    )
