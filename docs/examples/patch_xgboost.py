"""
Patch an XGBoost model
======================

A native booster is in service when a new kind of fraud starts: bursts of small amounts
that test stolen cards.  The frauds it missed in one month become a rule, certified on
the rest of that month; the booster stays as it is.  Needs the extra ``[boosting]``; a
few seconds.
"""

# %%
# The booster was trained on days 30 to 74; card testing starts on day 75.

import sys

import xgboost

from rarecorrect import ErrorCorrector
from rarecorrect.simulate import FEATURES, card_transactions
from rarecorrect_tabular.column_encoder import ColumnEncoder
from rarecorrect_tabular.tree_model import TreeModel

cards = card_transactions(60_000, random_state=0)
before = cards[cards["day"].between(30, 74)]
month = cards[cards["day"].between(75, 104)]
later = cards[cards["day"] >= 112]
columns = list(FEATURES)
booster = xgboost.train(
    {"objective": "binary:logistic", "nthread": 1},
    xgboost.DMatrix(before[columns], before["is_fraud"]),
    num_boost_round=100,
)

# %%
# ``TreeModel`` makes it a classifier.  The rule reads the analyst's columns and the
# booster's own margin; ``"contributions"`` and ``"leaves"`` would be more.

corrector = ErrorCorrector(
    TreeModel(booster),
    features=[ColumnEncoder([*columns, "time"], time="time"), "margin"],
    detector="auto",
    confusions=[(0, 1)],
    max_damage=0.005,
    random_state=0,
).fit(month, month["is_fraud"])
sys.stdout.write(f"{corrector.rules_.certificate()}\n\n")

# %%
# What it catches in the weeks after, by kind of fraud, and what it costs.

answers = later.assign(
    legacy=TreeModel(booster).predict(later), corrected=corrector.predict(later)
)
caught = answers.groupby("fraud_type")[["legacy", "corrected"]].agg("mean")
sys.stdout.write(f"share called fraud\n{caught.round(4).to_string()}\n\n")

# %%
# Why: in the columns that the analyst knows.

changed = later[(answers["legacy"] != answers["corrected"]).to_numpy()]
sys.stdout.write(f"{corrector.explain(changed[:2])}\n")
