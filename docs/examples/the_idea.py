"""
The idea, in four pictures
==========================

A model decides between two kinds of cases.  A third kind shows up, and it is decided
wrongly.  Five confirmed cases are enough to cut it off, and rows that nobody has used
say where the cut may lie.
"""

# %%
# Grey cases were there when the model was trained; it decides by its dashed line.  Red
# ones are new, and all of them wrong.  Five are confirmed.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from rarecorrect import ErrorCorrector

rng = np.random.default_rng(3)
usual = rng.multivariate_normal([0, 0], [[2.0, 1.5], [1.5, 2.0]], size=4000)
new = rng.multivariate_normal([1.6, -1.6], [[0.15, 0.05], [0.05, 0.15]], size=400)
X = np.vstack([usual, new])
y = np.r_[(usual.sum(axis=1) > 0).astype(int), np.full(400, 2)]
model = LogisticRegression().fit(usual[:1000], y[:1000])
confirmed = np.arange(4000, 4005)
known = np.r_[1000:3000, confirmed]


def draw(ax, title, changed=None):
    """Scatter the cases that nobody has looked at."""
    ax.scatter(*usual[3000:].T, s=5, color="0.65", label="usual")
    ax.scatter(*new[5:].T, s=9, color="#c0392b", label="new kind")
    ax.scatter(*X[confirmed].T, s=70, color="none", edgecolor="k", label="confirmed")
    if changed is not None:
        ax.scatter(*X[changed].T, s=9, color="#2471a3", label="decision changed")
    ax.axline((0, 0), slope=-1, color="k", linestyle="--", linewidth=1)
    ax.set(title=title, xticks=[], yticks=[], xlim=(-4.5, 4.5), ylim=(-4.5, 4.5))
    ax.legend(loc="upper left", fontsize=8)


figure, ax = plt.subplots(figsize=(5, 4.2), layout="constrained")
draw(ax, "The model in service: a new kind on its line")

# %%
# The corrector finds a direction in which errors stand apart from right decisions.
# Coordinates are whitened first, so that a direction with little spread counts most:
# the new cases are not far away, but they are where no usual case is.

corrector = ErrorCorrector(
    model, features="input", confusions=[2], max_damage=0.01, random_state=0
).fit(X[known], y[known])
[rule] = corrector.rules_
unused = np.r_[3000:4000, 4005:4400]
found = corrector.trace(X)

figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
score = found["score"].where(found["score"] > -np.inf)  # where the rule may act
bins = np.linspace(score.min(), score.max(), 60)
ax.hist(score[3000:4000], bins, color="0.65", label="usual")
ax.hist(score[4005:], bins, color="#c0392b", alpha=0.7, label="new kind")
ax.axvline(corrector.rules_.threshold(), color="k", label="certified threshold")
ax.set(
    title="Scores: usual cases low, the new kind high",
    xlabel="score",
    ylabel="cases",
    yscale="log",
)
ax.legend()

# %%
# The threshold is no matter of taste.  It comes from right decisions that took no part
# in anything, by an exact rule that assumes nothing about their distribution:

print(corrector.rules_.certificate())

# %%
# Beyond the cut the label changes; everywhere else the model decides as before.

changed = unused[found["changed"].to_numpy()[unused]]
figure, ax = plt.subplots(figsize=(5, 4.2), layout="constrained")
draw(ax, "The corrected model: the new kind decided anew", changed)

# %%
# How much is repaired for how much harm, at every threshold that one could have chosen.
# The certificate holds for the one that was fixed beforehand.

from rarecorrect.metrics import gain_retention_curve

retention, gain, _ = gain_retention_curve(
    found["score"][unused], y[unused] != 2, y[unused] == 2
)
broken = found["changed"][3000:4000].mean()
repaired = found["changed"][4005:].mean()
figure, ax = plt.subplots(figsize=(5, 3.4), layout="constrained")
ax.plot(100 * (1 - retention), 100 * gain, color="#2471a3", drawstyle="steps-post")
ax.plot(100 * broken, 100 * repaired, "ko", label="the certified threshold")
ax.axvline(1, color="k", linestyle=":", label="budget")
ax.set(
    title=f"{repaired:.0%} repaired for {broken:.1%} broken",
    xlabel="right decisions changed, %",
    ylabel="new kind repaired, %",
    xlim=(-0.1, 4),
)
ax.legend()
print(f"repaired {repaired:.1%} of the new kind, changed {broken:.2%} of the usual")
