"""Whether errors can be corrected at all, and what more labels would buy."""

from rarecorrect.separability.data_needed import (
    ENOUGH_TO_TELL,
    DataNeeded,
    data_needed,
    is_separable,
)
from rarecorrect.separability.fisher_separability import (
    FisherSeparability,
    fisher_separability,
)
from rarecorrect.separability.report import SeparabilityReport, separability_report

__all__ = [
    "ENOUGH_TO_TELL",
    "DataNeeded",
    "FisherSeparability",
    "SeparabilityReport",
    "data_needed",
    "fisher_separability",
    "is_separable",
    "separability_report",
]
