"""The last layer trained anew, on embeddings of classes made equally frequent."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from rarecorrect_face.feature_table import FeatureTable
from rarecorrect_face.nets.trained import TrainedNetwork

Array = npt.NDArray[Any]


def retrain_head(
    trained: TrainedNetwork,
    table: FeatureTable,
    *,
    splits: Sequence[str] = ("train",),
    n_neighbors: int = 5,
    C: float = 1.0,
    random_state: int = 0,
) -> TrainedNetwork:
    """Fit the last layer to embeddings, rare classes filled up by SMOTE.

    Everything below the last layer stays as it is.  Classes that the network does not
    know get a logit too, if the table has faces of them in these splits.

    Parameters
    ----------
    trained : TrainedNetwork
        Left as it is.
    table : FeatureTable
        With the layer ``"embedding"``.
    splits : sequence of str, default=("train",)
        Whose faces teach.
    n_neighbors : int, default=5
        Of SMOTE: new embeddings lie between a face and one of these.
    C : float, default=1.0
        Inverse strength of the penalty on the weights.
    random_state : int, default=0

    Returns
    -------
    TrainedNetwork

    Raises
    ------
    ValueError
        If the table lacks embeddings, a class that the network knows has no faces, or
        one has too few for SMOTE.

    References
    ----------
    N. V. Chawla et al., "SMOTE: synthetic minority over-sampling technique",
    doi:10.1613/jair.953.
    """
    X, y = _embeddings(table, splits)
    new = sorted(set(y.tolist()) - set(trained.classes))
    classes = (*trained.classes, *new)
    _check_counts(y, classes, splits, n_neighbors)
    X, y = _balanced(X, y, n_neighbors, random_state)
    codes = np.array([classes.index(name) for name in y])
    model = LogisticRegression(C=C, max_iter=1000).fit(X, codes)
    network = deepcopy(trained.network)
    network.logits = _layer(model)
    network.to(next(trained.network.parameters()).device)
    return replace(trained, network=network.eval(), classes=classes)


def _embeddings(table: FeatureTable, splits: Sequence[str]) -> tuple[Array, Array]:
    if "embedding" not in table.features:
        raise ValueError(
            "the table has no layer 'embedding', only "
            f"{', '.join(table.features)}; make it with layers=['embedding']"
        )
    rows = np.isin(table.split, list(splits))
    return table.features["embedding"][rows], table.labels[rows]


def _check_counts(
    y: Array, classes: tuple[str, ...], splits: Sequence[str], n_neighbors: int
) -> None:
    for name in classes:
        count = int((y == name).sum())
        if count <= n_neighbors:
            raise ValueError(
                f"class {name!r} has {count} faces in {', '.join(splits)}; SMOTE with "
                f"n_neighbors={n_neighbors} needs {n_neighbors + 1} or more"
            )


def _balanced(
    X: Array, y: Array, n_neighbors: int, random_state: int
) -> tuple[Array, Array]:
    from imblearn.over_sampling import SMOTE

    smote = SMOTE(k_neighbors=n_neighbors, random_state=random_state)
    filled, labels = smote.fit_resample(X, y)
    return np.asarray(filled), np.asarray(labels)


def _layer(model: LogisticRegression) -> nn.Linear:
    weights, offsets = np.asarray(model.coef_), np.asarray(model.intercept_)
    if len(weights) == 1:  # two classes: one column of log-odds
        weights = np.vstack([np.zeros_like(weights), weights])
        offsets = np.append(0.0, offsets)
    layer = nn.Linear(weights.shape[1], weights.shape[0])
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights))
        layer.bias.copy_(torch.from_numpy(offsets))
    return layer
