"""A trained network, with all that is to be known of its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect_face.nets.network import LAYERS, AttentionLSTM
from rarecorrect_face.nets.torch_model import TorchModel
from rarecorrect_face.recipe import Recipe

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Epoch:
    """What came out of one epoch.

    Attributes
    ----------
    number : int
        From 1.
    loss : float
        Mean over the training faces, as they were changed.
    accuracy : float
        On the held-out faces, of the averaged weights.
    seconds : float
    """

    number: int
    loss: float
    accuracy: float
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class TrainedNetwork:
    """A network, the names of its classes, and how it came about.

    Attributes
    ----------
    network : AttentionLSTM
        With the weights of the best epoch.
    classes : tuple of str
        Names of the columns of its logits.
    recipe : Recipe
    epochs : tuple of Epoch
        All that were trained.
    held_out : ndarray of str
        Ids of the training faces that the network did not see; they chose the epoch.

    Examples
    --------
    >>> network = AttentionLSTM(2)
    >>> trained = TrainedNetwork(network, ("happy", "sad"), Recipe(), (), np.array([]))
    >>> trained.predict_proba(np.zeros((3, 48, 48), dtype=np.uint8)).shape
    (3, 2)
    """

    network: AttentionLSTM
    classes: tuple[str, ...]
    recipe: Recipe
    epochs: tuple[Epoch, ...]
    held_out: npt.NDArray[np.str_]

    @property
    def best(self) -> Epoch | None:
        """The epoch whose weights were kept; None if there was none."""
        return best_of(self.epochs)

    def as_model(self, layers: Sequence[str] = LAYERS, **options: Any) -> TorchModel:
        """The network as a classifier of scikit-learn's kind.

        Parameters
        ----------
        layers : sequence of str, default=LAYERS
        **options
            Further parameters of
            :class:`~rarecorrect_face.nets.torch_model.TorchModel`.

        Returns
        -------
        TorchModel
        """
        return TorchModel(self.network, list(layers), classes=self.classes, **options)

    def predict_proba(self, images: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Probabilities of the classes, of shape (n, n_classes)."""
        return self.as_model().predict_proba(images)

    def predict(self, images: npt.ArrayLike) -> npt.NDArray[np.str_]:
        """Names of the most probable classes, of shape (n,)."""
        return self.as_model().predict(images)

    def attention_maps(self, images: npt.ArrayLike) -> FloatArray:
        """How much each region of a face counts, of shape (n, rows, columns)."""
        pictures = np.asarray(images)
        _, tables = self.as_model(["attention"]).read(pictures)
        shape = self.network.map_shape(*pictures.shape[-2:])
        return tables["attention"].reshape(-1, *shape)


def best_of(epochs: Sequence[Epoch]) -> Epoch | None:
    """The epoch of highest accuracy, the first of several.

    Parameters
    ----------
    epochs : sequence of Epoch

    Returns
    -------
    Epoch or None

    Examples
    --------
    >>> best_of([Epoch(1, 2.0, 0.5, 1.0), Epoch(2, 1.0, 0.5, 1.0)]).number
    1
    """
    return max(epochs, key=lambda epoch: epoch.accuracy, default=None)
