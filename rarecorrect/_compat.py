"""The one place for scikit-learn helpers that are documented but underscored."""

from __future__ import annotations

from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = ["check_sample_weight"]
