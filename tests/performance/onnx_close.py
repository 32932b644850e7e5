"""Rows close to the thresholds: what the ONNX graph answers, and what Python does.

Every row lies on the line between a row that fires and one that does not, at 1e-16 to
0.1 of its length from where the answer changes.  The table counts the rows with a
float64 score nearer than 1e-6 to its threshold, to its worth or to the score of another
rule that fires, and those that get another label or rule, among these and among the
others.

    python tests/performance/onnx_close.py [--rows 100000]
"""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rarecorrect import ErrorCorrector
from rarecorrect.detectors import IntervalDetector, LogisticDetector
from rarecorrect.export import to_onnx
from rarecorrect.simulate import FEATURES, card_transactions

Array = npt.NDArray[Any]

NEAR = 1e-6  # of the threshold
HALVINGS = 60


class Asked(NamedTuple):
    """Rows for a graph: features with legacy labels, or columns without."""

    rows: Array
    labels: Array | None

    def decided(self, corrector: ErrorCorrector) -> tuple[Array, Array, Array]:
        """Corrected labels, names of the rules, and who is near a threshold."""
        book, (Z, labels) = corrector.rules_, self._read(corrector)
        found = book.decide(Z, labels, labels if corrector.per == "class" else None)
        winner = np.where(found.fires, found.winner, -1)
        name = np.array([*(rule.name for rule in book.rules), ""])[winner]
        after = labels.copy()
        for i, rule in enumerate(book.rules):
            after[winner == i] = rule.to
        return after, name, _near(corrector, Z, labels, found.threshold)

    def answered(self, corrector: ErrorCorrector) -> tuple[Array, Array]:
        """The same labels and names by onnxruntime."""
        from onnxruntime import InferenceSession

        alone = self.labels is not None
        made = to_onnx(corrector, alone=alone).SerializeToString()
        inputs = {"features": self.rows, "label": self.labels}
        after, name = InferenceSession(made).run(
            ["corrected_label", "rule"], inputs if alone else {"X": self.rows}
        )
        return after, name

    def _read(self, corrector: ErrorCorrector) -> tuple[Array, Array]:
        if self.labels is not None:
            return self.rows, self.labels
        reading = corrector.features_.read(self.rows)
        return reading.features, reading.labels


def _near(
    corrector: ErrorCorrector, Z: Array, labels: Array, thresholds: Array
) -> Array:
    """Rows where rounding may decide whether a rule fires, or which of two."""
    rules = corrector.rules_.active
    scores = np.column_stack([rule.scaled(rule.score(Z)) for rule in rules])
    worth = np.array([rule.worth for rule in rules])
    limits = np.maximum(thresholds[:, None], worth)
    effective = np.column_stack([rule.effective(labels) for rule in rules])
    at_limit = effective & (np.abs(scores - limits) <= NEAR * np.abs(limits))
    speaking = np.where(effective & (scores > limits), scores, -np.inf)
    nothing = np.full(len(Z), -np.inf)  # beside a rule that is alone
    *_, second, first = np.sort(np.column_stack([nothing, nothing, speaking])).T
    with np.errstate(invalid="ignore"):  # nobody speaks
        tie = first - second <= NEAR * np.abs(first)
    return np.asarray(at_limit.any(axis=1) | tie)


def close_rows(
    corrector: ErrorCorrector, X: Array, n: int, *, alone: bool, seed: int = 0
) -> Asked:
    """Rows about the thresholds, between rows of `X`."""
    rng = np.random.default_rng(seed)
    reading = corrector.features_.read(X)
    rows = np.asarray(reading.features if alone else X, dtype=float)
    fires = Asked(rows, reading.labels if alone else None).decided(corrector)[1] != ""
    ends = []
    for label in np.unique(reading.labels):
        sides = [
            np.flatnonzero((reading.labels == label) & side) for side in (fires, ~fires)
        ]
        if all(map(len, sides)):
            ends.append([rng.choice(side, n) for side in sides])
    firing, other = np.hstack(ends)[:, rng.permutation(n * len(ends))[:n]]
    start, way = rows[other], rows[firing] - rows[other]
    labels = reading.labels[firing] if alone else None
    low, high = np.zeros(n), np.ones(n)  # it fires at `high`
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        asked = Asked(start + middle[:, None] * way, labels)
        fires = asked.decided(corrector)[1] != ""
        low, high = np.where(fires, low, middle), np.where(fires, middle, high)
    step = rng.choice([-1, 1], n) * 10.0 ** rng.uniform(-16, -1, n)
    return Asked(start + (high + step)[:, None] * way, labels)


def compared(corrector: ErrorCorrector, asked: Asked) -> dict[str, int]:
    """One line of the table."""
    after, name, near = asked.decided(corrector)
    found, said = asked.answered(corrector)
    other = (after != found) | (name != said)
    return {
        "rows": len(other),
        "changed": np.count_nonzero(name != ""),
        "near": np.count_nonzero(near),
        "near, other answer": np.count_nonzero(near & other),
        "clear, other answer": np.count_nonzero(~near & other),
    }


def main() -> None:
    """Print the table for several kinds of rules."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    n = parser.parse_args().rows
    cards = card_transactions(60_000, random_state=0)
    known, month = cards["day"] < 75, cards["day"].between(75, 104)
    X, y = cards[list(FEATURES)].to_numpy(dtype=float), cards["is_fraud"].to_numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(X[known], y[known])
    box = IntervalDetector(random_state=0)
    cases: dict[str, dict[str, Any]] = {
        "linear": {},
        "logistic": {"detector": LogisticDetector()},
        "boxes": {"detector": box, "features": "input"},
        "linear, by class": {"per": "class", "max_damage": {0: 0.01, 1: 0.2}},
        "boxes, by class": {
            "detector": box,
            "per": "class",
            "max_damage": {0: 0.01, 1: 0.2},
        },
    }
    table = {}
    for name, options in cases.items():
        corrector = ErrorCorrector(model, random_state=0, **options).fit(
            X[month], y[month]
        )
        for alone in (True, False):
            asked = close_rows(corrector, X[month], n, alone=alone)
            form = "alone" if alone else "with the model"
            table[name, form] = compared(corrector, asked)
    print(pd.DataFrame(table).T.to_string())


if __name__ == "__main__":
    main()
