"""Pictures in scikit-learn's manner: a Display holds the numbers, and draws them.

``from_estimator`` and ``from_predictions`` draw at once, by matplotlib; the numbers are
attributes, and :meth:`plot` draws them again elsewhere.
"""

from rarecorrect.plot.alert_budget import AlertBudgetDisplay
from rarecorrect.plot.damage import DamageDisplay
from rarecorrect.plot.gain_retention import GainRetentionDisplay
from rarecorrect.plot.separability import SeparabilityDisplay

__all__ = [
    "AlertBudgetDisplay",
    "DamageDisplay",
    "GainRetentionDisplay",
    "SeparabilityDisplay",
]
