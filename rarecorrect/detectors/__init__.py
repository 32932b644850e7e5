"""Detectors: binary classifiers for "is this decision wrong?"."""

from rarecorrect.detectors.auto import AutoDetector
from rarecorrect.detectors.boosting import BoostingDetector
from rarecorrect.detectors.cascade import CascadeDetector
from rarecorrect.detectors.cleaned import CleanedDetector
from rarecorrect.detectors.fisher import FisherDetector
from rarecorrect.detectors.interval import IntervalDetector
from rarecorrect.detectors.logistic import LogisticDetector
from rarecorrect.detectors.trees import TreesDetector

__all__ = [
    "AutoDetector",
    "BoostingDetector",
    "CascadeDetector",
    "CleanedDetector",
    "FisherDetector",
    "IntervalDetector",
    "LogisticDetector",
    "TreesDetector",
]
