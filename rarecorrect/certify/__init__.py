r"""Thresholds with a certified bound on the harm they do.

A score is high where a decision looks wrong.  A corrected system changes a decision
iff its score lies strictly above a threshold :math:`t`.  Given the scores
:math:`s_{(1)} \ge s_{(2)} \ge \dots \ge s_{(n)}` of independent *right* decisions that
took no part in anything before, a budget :math:`\varepsilon` and a level
:math:`1-\delta`, Wilks' tolerance limit says: with :math:`k` the largest integer for
which :math:`P(\mathrm{Bin}(n, \varepsilon) \le k) \le \delta`, every :math:`t \ge
s_{(k+1)}` changes more than a share :math:`\varepsilon` of the right decisions in at
most a share :math:`\delta` of all calibration samples, whatever the distribution.

Scores may be of any library that scikit-learn dispatches to; they are sorted by NumPy,
on the CPU, and a certificate holds plain numbers.

References
----------
S. S. Wilks, "Determination of sample sizes for setting tolerance limits", Annals of
Mathematical Statistics 12 (1941), doi:10.1214/aoms/1177731788.
"""

from rarecorrect.certify.band import Band, band_level
from rarecorrect.certify.bounds import psi, rho
from rarecorrect.certify.budget import (
    Budget,
    budget_of,
    check_budget,
    each_share,
    largest_budget,
    smallest_budget,
)
from rarecorrect.certify.certificate import Certificate
from rarecorrect.certify.exact_rule import (
    allowed_exceedances,
    check_share,
    rows_needed,
    sidak_level,
    smallest_damage,
)
from rarecorrect.certify.from_top import LabelingPlan, from_top, plan
from rarecorrect.certify.sampling import one_per_group, thin
from rarecorrect.certify.tails import ScoreTails
from rarecorrect.certify.thresholds import (
    alert_threshold,
    certified_threshold,
    daily_threshold,
    stratified_thresholds,
)

__all__ = [
    "Band",
    "Budget",
    "Certificate",
    "LabelingPlan",
    "ScoreTails",
    "alert_threshold",
    "allowed_exceedances",
    "band_level",
    "budget_of",
    "certified_threshold",
    "check_budget",
    "check_share",
    "daily_threshold",
    "each_share",
    "from_top",
    "largest_budget",
    "one_per_group",
    "plan",
    "psi",
    "rho",
    "rows_needed",
    "sidak_level",
    "smallest_budget",
    "smallest_damage",
    "stratified_thresholds",
    "thin",
]
