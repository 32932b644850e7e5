"""Hot-fixes with a certificate for classifiers in service.

Wrap a trained model, show it a few cases that it gets wrong, and get a corrected model
back, without retraining, with a certified bound on the harm to what was right before.
"""

from rarecorrect.certify import Certificate, certified_threshold
from rarecorrect.column_model import ColumnModel
from rarecorrect.corrector import ErrorCorrector
from rarecorrect.detectors import FisherDetector
from rarecorrect.exceptions import (
    NotCertifiedWarning,
    RuleRefusedWarning,
    TrainingRowsWarning,
)
from rarecorrect.files import FileFormatError, load, save
from rarecorrect.rule import Rule
from rarecorrect.rulebook import RuleBook

__version__ = "0.1.0"

__all__ = [
    "Certificate",
    "ColumnModel",
    "ErrorCorrector",
    "FileFormatError",
    "FisherDetector",
    "NotCertifiedWarning",
    "Rule",
    "RuleBook",
    "RuleRefusedWarning",
    "TrainingRowsWarning",
    "certified_threshold",
    "load",
    "save",
]
