"""
Patch a vendor's score
======================

All that is known of the model is a column with its score.  It misses a new kind of
fraud; a rule on the bank's own columns catches it, and the vendor changes nothing.
A few seconds.
"""

# %%
# A stand-in for the vendor: trained elsewhere, on days before card testing started,
# delivered as a score from 0 to 999 beside each transaction.

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rarecorrect import ColumnModel, ErrorCorrector, load, save
from rarecorrect.simulate import FEATURES, card_transactions
from rarecorrect_tabular.column_encoder import ColumnEncoder
from rarecorrect_tabular.legacy import default_legacy

cards = card_transactions(60_000, random_state=0)
columns = list(FEATURES)
before = cards[cards["day"].between(30, 74)]
elsewhere = default_legacy(0).fit(before[columns], before["is_fraud"])
cards["vendor_score"] = (999 * elsewhere.predict_proba(cards[columns])[:, 1]).round()
month = cards[cards["day"].between(75, 104)]
later = cards[cards["day"] >= 112]

# %%
# ``ColumnModel`` reads the decision off the score.  The rule may read the score too.

vendor = ColumnModel("vendor_score", threshold=500, score_range=(0, 999))
encoder = ColumnEncoder([*columns, "time", "vendor_score"], time="time")
corrector = ErrorCorrector(
    vendor,
    features=encoder,
    detector="auto",
    confusions=[(0, 1)],
    max_damage=0.005,
    random_state=0,
).fit(month, month["is_fraud"])
sys.stdout.write(f"{corrector.rules_.certificate()}\n\n")

# %%
# What it catches in the weeks after, by kind of fraud, and what it costs.

answers = later.assign(vendor=vendor.predict(later), corrected=corrector.predict(later))
caught = answers.groupby("fraud_type")[["vendor", "corrected"]].mean()
sys.stdout.write(f"share called fraud\n{caught.round(4).to_string()}\n\n")

# %%
# The file holds the rule, the encoder and the ``ColumnModel``: nothing else is needed
# to score.

with TemporaryDirectory() as folder:
    path = Path(folder) / "fix.rarecorrect"
    save(corrector, path)
    again = load(path)
same = bool((again.predict(later) == answers["corrected"]).all())
sys.stdout.write(f"the same answers from the file: {same}\n")
