"""
Categories, dates and gaps
==========================

A bank's frame has texts, times and missing values.  The legacy model may read what it
likes; ``ColumnEncoder`` makes numbers of the columns that a rule reads, from right
decisions only.
"""

# %%
# Card payments with a country and a channel.  The model reads three numeric columns.
# From day 60 on, small payments from one country at night are fraud.

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from rarecorrect import ErrorCorrector
from rarecorrect_tabular.column_encoder import ColumnEncoder

rng = np.random.default_rng(0)
n = 12_000
frame = pd.DataFrame(
    {
        "time": pd.Timestamp("2026-01-01")
        + pd.to_timedelta(np.sort(rng.uniform(0, 120, n)), unit="D"),
        "amount": rng.lognormal(3, 1, n).round(2),
        "age": rng.integers(18, 90, n),
        "visits": rng.poisson(4, n),
        "country": pd.Categorical(rng.choice(["DE", "FR", "IT", "XK"], n)),
        "channel": rng.choice(["app", "web", "till"], n, p=[0.4, 0.4, 0.2]),
    }
)
frame.loc[rng.random(n) < 0.1, "age"] = np.nan
day = (frame["time"] - frame["time"].min()).dt.days
known_fraud = frame["amount"] > 150
at_night = frame["time"].dt.hour < 6
new_fraud = (day >= 60) & (frame["country"] == "XK") & at_night & (frame["amount"] < 40)
y = (known_fraud | (new_fraud & (rng.random(n) < 0.9))).astype(int)


class OnAmounts(LogisticRegression):
    """The model in service: it reads amounts and visits, and no more."""

    def fit(self, X, y):
        return super().fit(np.log(X[["amount"]].to_numpy()), y)

    def predict_proba(self, X):
        return super().predict_proba(np.log(X[["amount"]].to_numpy()))

    def predict(self, X):
        return super().predict(np.log(X[["amount"]].to_numpy()))


past, month, later = day < 60, (day >= 60) & (day < 90), day >= 90
model = OnAmounts().fit(frame[past], y[past])

# %%
# The rule reads what the model does not: country, channel, the hour of the day, and
# whether the age is missing.

encoder = ColumnEncoder(["time", "amount", "age", "country", "channel"])
corrector = ErrorCorrector(
    model, features=encoder, detector="auto", confusions=[(0, 1)], random_state=0
).fit(frame[month], y[month])
print(corrector.report_)

# %%
# What it does in the weeks after, and why.

after = pd.DataFrame(
    {
        "kind": np.where(
            new_fraud & (y == 1), "new", np.where(y == 1, "known", "none")
        ),
        "model": model.predict(frame),
        "corrected": corrector.predict(frame),
    }
)[later]
print(after.groupby("kind")[["model", "corrected"]].mean().round(3))
print(corrector.explain(frame[later & new_fraud].head(2)))
