"""Which faces an epoch sees, and in what order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.intp]


def epoch_order(
    labels: npt.NDArray[np.int64], sampler: str, rng: np.random.Generator
) -> Indices:
    """Faces of one epoch, as many as there are.

    Parameters
    ----------
    labels : ndarray of int of shape (n_faces,)
    sampler : {"none", "class-balanced"}
        ``"none"``: every face once.  ``"class-balanced"``: every class equally often,
        so that faces of a rare one come several times.
    rng : Generator

    Returns
    -------
    ndarray of int of shape (n_faces,)

    Examples
    --------
    >>> labels = np.repeat([0, 1], [990, 10])
    >>> order = epoch_order(labels, "class-balanced", np.random.default_rng(0))
    >>> bool(450 < (labels[order] == 1).sum() < 550)
    True
    """
    n = labels.size
    if sampler == "none":
        return rng.permutation(n)
    counts = np.bincount(labels)
    share = 1 / (np.count_nonzero(counts) * counts[labels])
    return rng.choice(n, size=n, p=share)
