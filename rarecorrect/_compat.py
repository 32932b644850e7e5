"""The one place for scikit-learn helpers that are documented but underscored."""

from __future__ import annotations

from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import _num_samples as num_samples

__all__ = ["check_sample_weight", "num_samples", "safe_indexing"]
