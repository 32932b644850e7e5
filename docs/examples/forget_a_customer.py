"""
Forget a customer
=================

A person asks to be erased.  Rules, scales and certificates become what they would have
been without these rows, and undo does not bring them back.
"""

# %%
# A corrector that has learnt from some errors; three of them are Carol's.

import numpy as np
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression

from rarecorrect import ErrorCorrector

X, y = make_blobs([3000, 3000, 120], n_features=5, cluster_std=2.0, random_state=4)
old = np.flatnonzero(y[:600] != 2)
model = LogisticRegression().fit(X[old], y[old])
X_known, y_known = X[600:], y[600:]
corrector = ErrorCorrector(
    model, features="input", confusions=[2], max_damage=0.01, random_state=0
).fit(X_known, y_known)
carol = np.flatnonzero(y_known == 2)[:3]

# %%
# ``forget`` takes the rows themselves; whoever has to erase them has them.

left = corrector.forget(X_known[carol], y_known[carol], author="data protection")
[before], [after] = corrector.rules_, left.rules_
print(f"errors learnt from: {before.n_errors} -> {after.n_errors}")
print(left.rules_.certificate())

# %%
# The same as a fit without them: the coefficients are those of the other rows.

print(f"largest change of a coefficient: {np.abs(after.coef - before.coef).max():.3g}")

# %%
# The history says that something was forgotten, when and by whom; it names nobody, and
# nothing can be undone across it.

for event in left.rules_.history:
    print(event.what, "-", event.author or "nobody")
