"""
A rule that reads, in the warehouse
===================================

``IntervalDetector`` finds conditions such as ``amount > 345``.  An analyst can read
them, and a database can run them: here SQLite, which comes with Python.
"""

# %%
# A model that has not seen card testing, and one month in which it misses it.

import sqlite3

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from rarecorrect import ErrorCorrector
from rarecorrect.detectors import IntervalDetector
from rarecorrect.export import to_sql
from rarecorrect.simulate import FEATURES, card_transactions

cards = card_transactions(60_000, random_state=0)
X, y, day = cards[list(FEATURES)], cards["is_fraud"], cards["day"]
before, month, later = day < 75, day.between(75, 104), day >= 112
model = HistGradientBoostingClassifier(random_state=0).fit(X[before], y[before])
corrector = ErrorCorrector(
    model,
    features="input",
    detector=IntervalDetector(random_state=0),
    confusions=[(0, 1)],
    max_damage=0.005,
    random_state=0,
).fit(X[month], y[month])
print(corrector.report_)

# %%
# The same rule as one SELECT:

query = to_sql(corrector, table="payments", label="model_says")
print(query)

# %%
# The database says of every row what ``predict`` says.

payments = X[later].assign(model_says=model.predict(X[later]))
with sqlite3.connect(":memory:") as database:
    payments.to_sql("payments", database, index=False)
    answers = pd.read_sql(query, database)["corrected_label"].to_numpy()
print("the same answers:", np.array_equal(answers, corrector.predict(X[later])))
print(f"{np.sum(answers != payments['model_says'])} rows changed")
