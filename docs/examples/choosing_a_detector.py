"""
Choosing a detector from evidence
=================================

``detector="auto"`` fits several detectors without some of the errors, asks how far each
error that was left out lies in the tail of right decisions, and weighs by the answer.
"""

# %%
# Two kinds of errors: one that a straight cut finds, one that lies in a box.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from rarecorrect import ErrorCorrector

rng = np.random.default_rng(0)
X = rng.normal(size=(8000, 6))
y = (X[:, 0] > 0).astype(int)
model = LogisticRegression().fit(X[:2000], y[:2000])
known = np.arange(2000, 8000)
kinds = {
    "beyond a plane": X[:, 1:].sum(axis=1) > 5.5,
    "in a corner": (X[:, 1] > 1.6) & (X[:, 2] > 0.8),
}

# %%
# Evidence is a smooth count of the errors that the budget reaches, as a share of all:
# 1 is best.

figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
for ax, (name, new) in zip(axes, kinds.items(), strict=True):
    truth = np.where(new, 2, y)
    corrector = ErrorCorrector(
        model, features="input", detector="auto", confusions=[2], random_state=0
    ).fit(X[known], truth[known])
    [rule] = corrector.rules_
    candidates = rule.detector.candidates_
    names = [candidate.name for candidate in candidates]
    weights = np.array([candidate.weight for candidate in candidates])
    ax.bar(
        names,
        [candidate.evidence for candidate in candidates],
        color=np.where(weights > 0, "#2471a3", "0.75"),
    )
    ax.set(title=f"errors {name}: {rule.n_errors}", ylim=(0, 1))
    print(
        name, "-", {n: round(float(w), 2) for n, w in zip(names, weights, strict=True)}
    )
axes[0].set_ylabel("evidence (blue: used)")

# %%
# The choice sees fitting rows only.  The calibration rows see what was chosen, once,
# and so the certificate holds whatever was tried:

print(corrector.rules_.certificate())
