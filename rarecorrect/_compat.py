"""Helpers of scikit-learn whose names begin with an underscore."""

from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = ["check_sample_weight", "safe_indexing"]
