"""
Attacks that no training data held
==================================

A network monitor has never seen a probe, a scan for open doors.  It is corrected from
20 probes that it missed.  KDDTest+ then holds kinds of probes that were not among them,
nor anywhere in the training file.  Needs ``RARECORRECT_DATA``, the folder with
``nsl_kdd_train20_test.parquet``; seconds.
"""

# %%
# One half of train20, without its probes, trains the monitor; the other corrects it.

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from rarecorrect import ErrorCorrector
from rarecorrect.detectors import CascadeDetector
from rarecorrect_tabular.legacy import default_legacy
from rarecorrect_tabular.loader import load_transactions

path = Path(os.environ["RARECORRECT_DATA"]) / "nsl_kdd_train20_test.parquet"
table = load_transactions(path)
attack = pd.read_parquet(path, columns=["label"])["label"].to_numpy()
kind = table.fraud_type.astype(str)
rng = np.random.default_rng(0)
first, second = np.array_split(
    rng.permutation(np.flatnonzero(table.split == "train20")), 2
)
first = first[kind[first] != "probe"]
X, _ = table.matrix(first)
monitor = default_legacy(0).fit(X[first], kind[first])

# %%
# Of the second half, 20 of the missed probes are known; the others are left out.

missed = second[(kind[second] == "probe") & (monitor.predict(X[second]) != "probe")]
known = rng.choice(missed, 20, replace=False)
month = np.concatenate([second[kind[second] != "probe"], known])
corrector = ErrorCorrector(
    monitor,
    features="input",
    detector=CascadeDetector(),
    confusions=[(label, "probe") for label in np.unique(monitor.predict(X[known]))],
    max_damage=0.01,
    random_state=0,
).fit(X[month], kind[month])
sys.stdout.write(f"{corrector.rules_.certificate()}\n\n")

# %%
# KDDTest+, by kind of probe.  A kind is new if train20 has no row of it.

test = np.flatnonzero(table.split != "train20")
answers = pd.DataFrame(
    {
        "attack": attack[test],
        "kind": kind[test],
        "before": monitor.predict(X[test]),
        "after": corrector.predict(X[test]),
    }
)
probes = answers[answers["kind"] == "probe"]
seen = set(attack[table.split == "train20"])
caught = probes.groupby("attack")["after"].agg(
    rows="size", caught=lambda labels: (labels == "probe").mean()
)
caught["new"] = [name not in seen for name in caught.index]
sys.stdout.write(f"{caught.round(3).to_string()}\n\n")

# %%
# The certificate speaks of rows like those of train20.  KDDTest+ is another world: look
# at what really happened to the decisions that were right.

right = answers["before"] == answers["kind"]
damage = (answers["after"] != answers["before"])[right].mean()
sys.stdout.write(f"right decisions changed on KDDTest+: {damage:.2%}\n")
