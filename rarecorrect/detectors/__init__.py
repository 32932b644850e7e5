"""Detectors: binary classifiers for "is this decision wrong?"."""

from rarecorrect.detectors.fisher import FisherDetector

__all__ = ["FisherDetector"]
