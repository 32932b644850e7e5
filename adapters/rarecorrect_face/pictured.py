"""What the pictures of one class show: some changed faces, and the embedding."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rarecorrect_face.case import CorrectionCase, Mask
from rarecorrect_face.embedding import (
    DAMAGED,
    KEPT,
    MISSED,
    OTHER,
    REPAIRED,
    Embedded,
    embed,
)
from rarecorrect_face.feature_table import FeatureTable

N_SHOWN = 12  # of the repaired, and of the damaged
_ATTENTION, _EMBEDDING = "attention", "embedding"


class ChangedFaces(NamedTuple):
    """Some faces that a correction changed, without the pictures.

    Attributes
    ----------
    ids, labels, before : ndarray of str of shape (n_faces,)
        True classes, and decisions of the network.
    repaired : ndarray of bool of shape (n_faces,)
        Else: damaged.
    attention : ndarray of float32 of shape (n_faces, rows, columns)
    """

    ids: npt.NDArray[np.str_]
    labels: npt.NDArray[np.str_]
    before: npt.NDArray[np.str_]
    repaired: Mask
    attention: npt.NDArray[Any]


def changed_faces(
    table: FeatureTable, case: CorrectionCase, changed: Mask, *, seed: int = 0
) -> ChangedFaces | None:
    """Draw repaired and damaged test faces at random, no copies.

    Parameters
    ----------
    table : FeatureTable
    case : CorrectionCase
        Made from the table.
    changed : ndarray of bool of shape (n_test,)
        Test faces that the correction gives to the class.
    seed : int, default=0

    Returns
    -------
    ChangedFaces or None
        None if the table has no attention over a square of regions.
    """
    weights = table.features.get(_ATTENTION)
    if weights is None or math.isqrt(weights.shape[1]) ** 2 != weights.shape[1]:
        return None
    side = math.isqrt(weights.shape[1])
    rng = np.random.default_rng([seed, 11])
    kinds = kinds_of(case, changed)
    at = [
        rng.permutation(np.flatnonzero((kinds == kind) & ~case.copy))[:N_SHOWN]
        for kind in (REPAIRED, DAMAGED)
    ]
    rows = case.test[np.concatenate(at)]
    return ChangedFaces(
        table.ids[rows],
        table.labels[rows],
        case.before[rows],
        np.arange(rows.size) < at[0].size,
        weights[rows].reshape(-1, side, side),
    )


def embedded_faces(
    table: FeatureTable, case: CorrectionCase, changed: Mask, *, seed: int = 0
) -> Embedded | None:
    """Place the test faces of a case in two dimensions, no copies.

    Parameters
    ----------
    table : FeatureTable
    case : CorrectionCase
        Made from the table.
    changed : ndarray of bool of shape (n_test,)
        Test faces that the correction gives to the class.
    seed : int, default=0

    Returns
    -------
    Embedded or None
        None if the table has no layer ``"embedding"`` that can be placed.
    """
    points = table.features.get(_EMBEDDING)
    if points is None:
        return None
    kept = ~case.copy
    rows, kinds = case.test[kept], kinds_of(case, changed)[kept]
    try:
        return embed(points[rows], kinds, random_state=seed)
    except ValueError:
        return None  # too few faces, or the same embedding for all


def kinds_of(case: CorrectionCase, changed: Mask) -> npt.NDArray[np.str_]:
    """What becomes of every test face.

    Parameters
    ----------
    case : CorrectionCase
    changed : ndarray of bool of shape (n_test,)

    Returns
    -------
    ndarray of str of shape (n_test,)
        One of :data:`~rarecorrect_face.embedding.KINDS`.
    """
    right, repairable = case.right, case.repairable
    of = [right & changed, right, repairable & changed, repairable]
    return np.select(of, [DAMAGED, KEPT, REPAIRED, MISSED], OTHER)
