"""A trained network in service, with its corrector if it has one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

import rarecorrect
from rarecorrect_face.command_line import needing_torch

if TYPE_CHECKING:
    from rarecorrect_face.nets.trained import TrainedNetwork

Array = npt.NDArray[Any]


class Read(NamedTuple):
    """What a network and its corrector say of some faces.

    Attributes
    ----------
    trace : DataFrame
        See :func:`decide`.
    scores : DataFrame
        A column for each class.
    """

    trace: pd.DataFrame
    scores: pd.DataFrame


def load_network(path: Path, device: str) -> TrainedNetwork:
    """Load a network; see :func:`rarecorrect_face.nets.checkpoint.load`.

    Raises
    ------
    ImportError
        If torch is not installed, with the way out.
    """
    with needing_torch("networks"):
        from rarecorrect_face.nets.checkpoint import load
    return load(path, device=device)


def load_corrector(path: Path, network: TrainedNetwork) -> rarecorrect.ErrorCorrector:
    """Load a corrector of this very network.

    Raises
    ------
    ValueError
        If it is the corrector of another network, or no file of a corrector.
    """
    return rarecorrect.load(path, estimator=network.as_model(()))


def decide(
    images: Array,
    network: TrainedNetwork,
    corrector: rarecorrect.ErrorCorrector | None = None,
) -> pd.DataFrame:
    """Decisions before and after correction.

    Parameters
    ----------
    images : ndarray of uint8 of shape (n_faces, 48, 48)
    network : TrainedNetwork
    corrector : ErrorCorrector, optional
        Of this network.

    Returns
    -------
    DataFrame
        ``before``, ``after``, ``changed``, ``flagged`` and ``rule`` of every face.
    """
    if corrector is None:
        return _unchanged(network.predict(images))
    return corrector.trace(images)


def read_faces(
    images: Array,
    network: TrainedNetwork,
    corrector: rarecorrect.ErrorCorrector | None = None,
) -> Read:
    """Decisions and the scores of all classes.

    Parameters
    ----------
    images, network, corrector
        As in :func:`decide`.

    Returns
    -------
    Read
    """
    if len(images) == 0:
        classes = network.classes if corrector is None else corrector.classes_
        nobody = np.array([], dtype=str)
        return Read(_unchanged(nobody), pd.DataFrame(columns=[*classes], dtype=float))
    if corrector is not None:
        found = corrector.trace(images, scores=True)
        width = len(corrector.classes_)
        scores = found.iloc[:, -width:].set_axis(corrector.classes_, axis=1)
        return Read(found.iloc[:, :-width], scores)
    shares = network.predict_proba(images)
    labels = np.asarray(network.classes)[shares.argmax(axis=1)]
    return Read(_unchanged(labels), pd.DataFrame(shares, columns=[*network.classes]))


def _unchanged(labels: Array) -> pd.DataFrame:
    trace = pd.DataFrame({"before": labels, "after": labels}, dtype=object)
    return trace.assign(changed=False, flagged=False, rule=None)
