"""
Which rows to label next
========================

A certificate of a tenth of a percent takes thousands of right decisions.  It does not
take their labels: a small random sample, and the rows that look most wrong, are enough.
"""

# %%
# A model that has never seen class 2, corrected at a budget of 1 %.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression

from rarecorrect import ErrorCorrector

X, y = make_blobs([9000, 9000, 300], cluster_std=1.5, random_state=1)
old = y[:500] != 2
model = LogisticRegression().fit(X[:500][old], y[:500][old])
corrector = ErrorCorrector(model, random_state=0).fit(X[500:2000], y[500:2000])
recent, truth = X[2000:], y[2000:]

# %%
# Now a tenth of that, on recent rows without labels.  ``label_next`` asks; somebody
# looks; until nothing is asked any more.

corrector.set_params(max_damage=0.001)
known = np.full(len(recent), np.nan)
asked = []
while (todo := corrector.label_next(recent, known)).rows.size:
    known[todo.rows] = truth[todo.rows]
    asked.append(todo.rows)

# %%
# A random sample first, then a few rows at a time; the certificate is that of all rows,
# labelled or not.

corrector.certify(recent, known)
print(corrector.rules_.certificate())
print("asked for", *map(len, asked), "rows")
labelled = sum(map(len, asked))
print(f"{labelled:,} of {len(recent):,} rows had to be labelled")

# %%
# The first rows are a random sample, which says how often the model is right.  The
# others come from the top.

score = corrector.trace(recent)["score"]
figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
for number, rows in enumerate(asked, start=1):
    at = score[rows]
    heights = np.full(len(rows), number)
    ax.scatter(at, heights, s=14, marker="|", color="#2471a3")
ax.axvline(corrector.rules_.threshold(), color="k", linestyle=":", label="threshold")
ax.set(
    title=f"{labelled:,} of {len(recent):,} labelled: at random, then from the top",
    xlabel="score: how wrong a decision looks",
    ylabel="request",
    yticks=range(1, len(asked) + 1),
)
ax.legend()
