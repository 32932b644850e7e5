"""
Twenty alerts a day
===================

A desk can look at so many cases a day.  ``alert_budget="20/day"`` sets the threshold by
whole days: a further day is over the cap with probability 10 % at most.
"""

# %%
# Sixty days with a new kind of fraud from the first; the model has never seen it.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from rarecorrect import ErrorCorrector
from rarecorrect.simulate import FEATURES, FraudType, card_transactions

kinds = [
    FraudType("large", "high_amount", start_day=0, rate=0.004),
    FraudType("testing", "card_testing", start_day=40, rate=0.004),
]
cards = card_transactions(80_000, n_days=160, fraud_types=kinds, random_state=0)
X, y = cards[list(FEATURES)], cards["is_fraud"]
day, kind = cards["day"].to_numpy(), cards["fraud_type"].to_numpy()
old, month, later = day < 40, (day >= 40) & (day < 70), day >= 110
model = HistGradientBoostingClassifier(random_state=0).fit(X[old], y[old])

# %%
# Learn in one month, then certify the alerts of forty later days.  These need no
# labels: every changed row is an alert.

corrector = ErrorCorrector(
    model, features="input", confusions=[(0, 1)], max_damage=0.02, random_state=0
).fit(X[month], y[month])
recent = (day >= 70) & (day < 110)
corrector.set_params(alert_budget="20/day")
corrector.certify(X[recent], time=day[recent])
print(corrector.report_)

# %%
# The fifty days after that:

trace = corrector.trace(X[later])
days = np.arange(110, 160)
alerts = trace["changed"].groupby(day[later]).sum().reindex(days, fill_value=0)
new = kind[later] == "testing"
caught = trace["changed"].to_numpy()[new].mean()

figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.bar(days, alerts, color="#2471a3")
ax.axhline(20, color="k", linestyle=":", label="cap")
over = f"over the cap on {(alerts > 20).sum()} of {len(days)} days"
ax.set(title=f"Alerts: {over}", xlabel="day", ylabel="alerts a day")
ax.legend()
print(f"{over}; {caught:.0%} caught")
