"""Make the file that every later version must load: run this once for a format.

    python tests/files/data/make.py tests/files/data

Beside ``format-N.rc`` it writes ``format-N.json``: rows, and what the corrector says.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from rarecorrect import ColumnModel, ErrorCorrector, FisherDetector
from rarecorrect._files.corrector import FORMAT
from rarecorrect.detectors import (
    BoostingDetector,
    CascadeDetector,
    CleanedDetector,
    IntervalDetector,
    LogisticDetector,
    TreesDetector,
)
from rarecorrect.files import save

DETECTORS = {
    "Fisher": FisherDetector(),
    "clusters": FisherDetector(n_clusters=2, dispatcher="nearest"),
    "sphere": FisherDetector(sphere=True),
    "logistic": LogisticDetector(),
    "box": IntervalDetector(),
    "cascade": CascadeDetector(n_stages=2),
    "trees": TreesDetector(3),
    "histograms": BoostingDetector(n_estimators=3, engine="scikit-learn"),
    "cleaned": CleanedDetector(FisherDetector()),
}


def payments(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Rows with holes, true labels, segments; frauds of a kind that no vendor knows."""
    rng = np.random.default_rng(seed)
    fraud = rng.random(n) < 0.1
    rows = pd.DataFrame(
        {
            "score": rng.random(n).round(3),
            "amount": rng.exponential(50, n).round(2) + 150 * fraud,
            "age": rng.normal(40, 10, n).round(),
            "hour": np.where(fraud, rng.normal(3, 1, n), rng.uniform(0, 24, n)),
        }
    )
    rows.loc[::9, "age"] = np.nan
    labels = np.array(["ok", "refused"])[(rows["score"] >= 0.9).astype(int)]
    return rows, np.where(fraud, "new", labels), np.array(["web", None] * (n // 2))


def corrector() -> ErrorCorrector:
    """One rule of every detector, certified within two segments, one rule undone."""
    rows, y, segment = payments(1200, 0)
    model = ColumnModel("score", threshold=0.9, classes=("ok", "refused"))
    made, rules = None, []
    for name, detector in DETECTORS.items():
        made = ErrorCorrector(
            model,
            detector=detector,
            features=["input", "logits"],
            confusions=["new"],
            per="segment",
            max_damage=0.1,
            random_state=0,
        ).fit(rows, y, segment=segment, case_id=np.arange(len(y)))
        [rule] = made.rules_
        rules.append(replace(rule, name=name, note=f"by {detector}"))
    assert made is not None
    book = made.rules_.remove("to new").extend(*rules).with_state("trees", "shadow")
    book = book.disable_all(author="ann").undo().with_expiry("sphere", "2126-03-31")
    book = book.with_state("box", "draft").approve("box", by="bob")
    made = made.with_rules(book)
    rows, y, segment = payments(800, 1)
    made.certify(rows, y, segment=segment)
    rows, y, _ = payments(60, 3)
    return made.add(rows[y == "new"], y[y == "new"], author="ann", note="a few cases")


def answers(made: ErrorCorrector, rows: pd.DataFrame, segment: np.ndarray) -> dict:
    """What a corrector says of rows, as JSON has it."""
    trace = made.trace(rows, segment=segment).astype(object)
    return {
        "predict": made.predict(rows, segment=segment).tolist(),
        "trace": trace.where(trace.notna(), None).to_dict("list"),
        "scores": {
            rule.name: rule.score(made.features_.read(rows).features).tolist()
            for rule in made.rules_
        },
        "report": str(made.report_),
        "history": [event.what for event in made.rules_.history],
        "certificates": [str(c) for c in made.report_.certificates],
        "classes": made.classes_.tolist(),
        "digests": [rule.digest for rule in made.rules_],
    }


if __name__ == "__main__":
    folder, made = Path(sys.argv[1]), corrector()
    rows, _, segment = payments(60, 2)
    said = {
        "rows": rows.astype(object).where(rows.notna(), None).to_dict("list"),
        "segment": segment.tolist(),
        **answers(made, rows, segment),
    }
    save(made, folder / f"format-{FORMAT}.rc", with_background=True)
    (folder / f"format-{FORMAT}.json").write_text(json.dumps(said, indent=1) + "\n")
