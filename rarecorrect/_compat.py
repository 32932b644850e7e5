"""Helpers of scikit-learn whose names begin with an underscore."""

from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "check_sample_weight",
    "moved_to_numpy",
    "namespace_and_device",
    "safe_indexing",
]

# Imported where they are needed: scikit-learn has ``move_to`` since 1.8, and nobody
# needs it who does not ask for dispatch.


def namespace_and_device(array: Any) -> tuple[Any, Any]:
    """Namespace that scikit-learn dispatches an array to, and its device."""
    from sklearn.utils._array_api import get_namespace_and_device

    xp, _, device = get_namespace_and_device(array)
    return xp, device


def moved_to_numpy(array: Any) -> Any:
    """The same numbers in NumPy, on the CPU."""
    from sklearn.utils._array_api import move_to

    xp, _ = namespace_and_device(np.empty(0))
    return move_to(array, xp=xp, device="cpu")
