"""Whether errors can be corrected at all, and what more labels would buy."""

from rarecorrect.separability.data_needed import DataNeeded, data_needed
from rarecorrect.separability.fisher_separability import (
    FisherSeparability,
    fisher_separability,
)
from rarecorrect.separability.report import SeparabilityReport, separability_report

__all__ = [
    "DataNeeded",
    "FisherSeparability",
    "SeparabilityReport",
    "data_needed",
    "fisher_separability",
    "separability_report",
]
