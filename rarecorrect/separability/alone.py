"""Errors that stand apart from right decisions, each for itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.separability.sphere import Sphere, products

Array = npt.NDArray[Any]


def separable_errors(
    right: Array, errors: Array, max_damage: float, alpha: float
) -> float:
    r"""Share of errors that are separable, each alone, from right decisions held out.

    From all of them but a share of `max_damage`: :math:`\langle y, x \rangle < \alpha
    \langle y, y \rangle`, whitened and with their lengths.  One half of the right
    decisions whitens, the other half is held out.

    Parameters
    ----------
    right : ndarray of shape (n_right, n_features)
        In random order.
    errors : ndarray of shape (n_errors, n_features)
    max_damage, alpha : float
        In (0, 1).

    Returns
    -------
    float

    Notes
    -----
    The dimension of right decisions is read on the unit sphere, the errors are not: a
    detector sees how far away they are, and far away in a direction that right
    decisions take too is apart.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> right, errors = rng.normal(size=(1000, 2)), np.array([[0.0, 1.0], [0.0, 9.0]])
    >>> separable_errors(right, errors, max_damage=0.01, alpha=0.8)
    0.5
    """
    half = len(right) // 2
    whitening = Sphere.of(right[:half]).whitening
    held_out = whitening.transform(right[half:])
    white = whitening.transform(errors)
    reach = alpha * np.sum(white**2, axis=1)
    # >=, so that an error at the centre is separable from none
    shares = [
        np.mean(found >= reach[part, None], axis=1)
        for part, found in products(white, held_out)
    ]
    return float(np.mean(np.concatenate(shares) <= max_damage))
