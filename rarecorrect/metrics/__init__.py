"""What a correction did: retention, damage, gain, spillover, curves and scorers.

Three label columns say everything: the true label ``y``, the decision of the legacy
model ``f`` (``before``) and the decision of the corrected system ``h`` (``after``).
A row flagged for review has ``h = FLAGGED``, which equals no label: to flag a right
decision is damage, to flag a wrong one catches it but repairs nothing.
A share whose denominator is zero is NaN, never 0 or 1.
"""

from rarecorrect.metrics.checks import as_labels
from rarecorrect.metrics.curve import gain_at_retention, gain_retention_curve
from rarecorrect.metrics.intervals import clopper_pearson
from rarecorrect.metrics.report import CorrectionReport, correction_report
from rarecorrect.metrics.scorer import correction_scorer

__all__ = [
    "CorrectionReport",
    "as_labels",
    "clopper_pearson",
    "correction_report",
    "correction_scorer",
    "gain_at_retention",
    "gain_retention_curve",
]
