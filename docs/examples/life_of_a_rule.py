"""
The life of a rule
==================

An analyst confirms one case.  A rule is learnt from it at once, tried in the shadow,
approved by somebody else, and taken back in one step.
"""

# %%
# A model that misses card testing, and a corrector that does not know it either.

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from rarecorrect import ErrorCorrector
from rarecorrect.detectors import CascadeDetector
from rarecorrect.simulate import FEATURES, card_transactions

cards = card_transactions(60_000, random_state=0)
X, y = cards[list(FEATURES)], cards["is_fraud"]
day, kind = cards["day"], cards["fraud_type"]
trained = (day < 60) & (kind != "stolen_card")
model = HistGradientBoostingClassifier(random_state=0).fit(X[trained], y[trained])
past = (day >= 60) & (day < 100) & (kind != "card_testing")
corrector = ErrorCorrector(
    model,
    features="input",
    detector=CascadeDetector(),
    confusions=[(0, 1)],
    max_damage=0.005,
    random_state=0,
).fit(X[past], y[past])
later = day >= 105
attack = X[later & (kind == "card_testing")]


def caught(corrected):
    """Share of the later card testing that is called fraud."""
    return f"{np.mean(corrected.predict(attack)):.0%} caught"


print(caught(model), "by the model;", caught(corrector), "by the corrector")

# %%
# One case, on day 100.  In the shadow a rule changes nothing and says what it would do.

missed = (day >= 100) & (kind == "card_testing") & (model.predict(X) == 0)
case = cards.index[missed][:1]
shadow = corrector.add(
    X.loc[case], y.loc[case], name="card testing", author="ann", state="shadow"
)
would = shadow.trace(attack)["shadow_rule"] == "card testing"
print(f"{caught(shadow)}; the shadow rule would change {would.mean():.0%}")

# %%
# Ann may not approve her own rule.  Bob may, with an end date; the book is then
# certified on fresh rows, since nothing covers the new rule yet.

try:
    shadow.rules_.approve("card testing", by="ann")
except ValueError as refused:
    print(refused)
book = shadow.rules_.approve("card testing", by="bob")
book = book.with_expiry("card testing", "2126-03-31", author="bob")
fresh = (day >= 100) & (day < 105)
live = corrector.with_rules(book).certify(X[fresh], y[fresh])
print(live.rules_.certificate())
print(caught(live))

# %%
# What was done, by whom:

for event in live.rules_.history:
    print(f"{event.what:30} {event.author or '-':4} {event.n_active} active")

# %%
# Taking it back is exact: the old book is still there, with its old threshold.

before = live.rules_
while any(rule.name == "card testing" for rule in before):
    before = before.undo()
print(before.threshold() == corrector.rules_.threshold(), "-", end=" ")
print(caught(live.with_rules(before)))

# %%
# And in an emergency:

off = corrector.with_rules(corrector.rules_.disable_all())
print("as before, row by row:", np.array_equal(off.predict(X), model.predict(X)))
