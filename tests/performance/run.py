"""Benchmarks: ratios to something measured in the same run, never an assertion.

Usage: python tests/performance/run.py [--rows N] [--features P]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from rarecorrect import ErrorCorrector, FisherDetector
from rarecorrect.certify import certified_threshold
from rarecorrect.decisions import above_raw_threshold
from rarecorrect.rule import Rule
from rarecorrect.simulate import card_transactions
from rarecorrect.tail_scale import TailScale

FloatArray = npt.NDArray[np.float64]
Work = Callable[[], object]

_MEMORY = """
import resource, sys
import numpy as np
from rarecorrect import FisherDetector
n, p = {rows}, {features}
Z = np.random.default_rng(0).standard_normal((n, p), dtype=np.float32)
y = np.arange(n) >= n - 100
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
if {fit}:
    FisherDetector().fit(Z, y)
print(peak(), before, Z.nbytes)
"""


def seconds(work: Work, repeats: int = 3) -> float:
    """Best of some runs."""
    return min(timed(work, repeats))


def timed(work: Work, repeats: int) -> list[float]:
    """Seconds of every run."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found


def in_turn(yardstick: Work, *works: Work, repeats: int) -> tuple[float, list[str]]:
    """Median seconds of a yardstick, and ratios of others to it, measured in turn.

    Whatever else the machine does falls on all of them.
    """
    runs = np.array(
        [[timed(work, 1)[0] for work in (yardstick, *works)] for _ in range(repeats)]
    )
    medians = np.median(runs[:, 1:] / runs[:, :1], axis=0)
    least = runs[:, 1:].min(axis=0) / runs[:, 0].min()
    pairs = zip(medians, least, strict=True)
    return float(np.median(runs[:, 0])), [f"{m:.2f} (least {x:.2f})" for m, x in pairs]


def peak_over_input(rows: int, features: int) -> float:
    """Peak memory of a fit beyond an idle process with the input, in inputs."""
    text = _MEMORY.format(rows=rows, features=features, fit=True)
    out = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True
    ).stdout
    peak, before, size = map(float, out.split())
    return 1 + (peak - before) / size


def fit_and_predict(rows: int, features: int) -> None:
    """The Fisher detector beside bare products."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((rows, features), dtype=np.float32)
    y = np.arange(rows) >= rows - 100
    product, (fit,) = in_turn(
        lambda: Z.T @ Z, lambda: FisherDetector().fit(Z, y), repeats=5
    )
    detector = FisherDetector().fit(Z, y)
    scale = TailScale.from_scores(detector.decision_function(Z[:10_000]))
    w = detector.coef_.T.astype(np.float32)
    bare = seconds(lambda: Z @ w)
    predict = seconds(lambda: detector.decision_function(Z))
    rule = Rule("to 1", 1, detector, scale, coef=detector.coef_[0])
    said, limits = np.zeros(rows, dtype=int), np.full(rows, 20.0)
    wide = Z.astype(float)
    double = seconds(lambda: wide @ detector.coef_[0])
    decide = seconds(lambda: above_raw_threshold([rule], wide, said, limits))
    print(f"rows x features            {rows:,} x {features}, float32")
    print(f"Z.T @ Z                    {product:.3f} s = 1")
    print(f"FisherDetector.fit         {fit}")
    print(f"peak memory of fit         {peak_over_input(rows, features):.2f} x input")
    print(f"Z @ w                      {bare:.3f} s = 1")
    print(f"decision_function          {predict / bare:.2f}")
    print(f"the same in float64        {double:.3f} s = 1")
    print(f"rows that a rule changes   {decide / double:.2f}")
    scores = detector.decision_function(Z)
    sort = seconds(lambda: np.sort(scores))
    certify = seconds(lambda: certified_threshold(scores, 0.001))
    print(f"sort of the scores         {sort:.3f} s = 1")
    print(f"certified_threshold        {certify / sort:.2f}")


def fit_beside_others(rows: int, features: int) -> None:
    """The Fisher detector beside classifiers that learn the same from the same rows."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((rows, features), dtype=np.float32)
    y = np.arange(rows) >= rows - 100
    fisher = seconds(lambda: FisherDetector().fit(Z, y))
    print(f"rows x features            {rows:,} x {features}, float32")
    print(f"FisherDetector.fit         {fisher:.2f} s = 1")
    others: dict[str, Any] = {
        "LDA, lsqr, shrunken": LinearDiscriminantAnalysis("lsqr", shrinkage="auto"),
        "LogisticRegression": LogisticRegression(class_weight="balanced"),
    }
    if find_spec("xgboost"):
        from xgboost import XGBClassifier

        others["XGBoost, 200 trees"] = XGBClassifier(n_estimators=200)
    else:
        print("XGBoost, 200 trees         not installed: extra [boosting]")
    for name, model in others.items():
        print(f"{name:27s}{seconds(lambda m=model: m.fit(Z, y), 1) / fisher:.1f}")


def sixteen_rules(rows: int, features: int = 256) -> None:
    """Rows that 16 linear rules change, from features and legacy labels."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((rows, features), dtype=np.float32)
    weights = rng.standard_normal((features, 16))
    single = weights.astype(np.float32)
    scale = TailScale.from_scores(rng.standard_normal(5000) * np.sqrt(features))
    rules = [
        Rule(f"to {i + 2}", i + 2, None, scale, coef=w) for i, w in enumerate(weights.T)
    ]
    labels, limits = rng.integers(0, 2, rows), np.full(rows, 10.0)

    def decide() -> object:
        return above_raw_threshold(rules, Z, labels, limits)

    bare, (plain, checked) = in_turn(
        lambda: Z @ single,
        decide,
        lambda: (decide(), np.isfinite(Z).all()),
        repeats=15,
    )
    print(f"Z @ W, {features} x 16, float32   {bare:.3f} s = 1")
    print(f"rows that rules change     {plain}")
    print(f"and a look for NaN         {checked}")


def one_row(features: int = 256, n_rules: int = 16) -> None:
    """One case at a time: medians in microseconds."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((12_000, features)), rng.integers(0, 2, 12_000)
    X[:, 0] += 3 * y
    model = LogisticRegression().fit(X[:2000], y[:2000])
    for label in range(2, 2 + n_rules):
        some = rng.choice(np.arange(2000, 12_000), 30, replace=False)
        y[some], X[some, label] = label, X[some, label] + 6
    new = list(range(2, 2 + n_rules))
    corrector = ErrorCorrector(model, features="input", random_state=0, confusions=new)
    corrector.fit(X[2000:], y[2000:])
    decide, forms = corrector.decider(), rng.standard_normal((n_rules, features))
    cases = list(zip(X[:3000], model.predict(X[:3000]), strict=True))

    def median(work: Callable[[FloatArray, int], object]) -> float:
        found = [timed(lambda c=case: work(*c), 1)[0] for case in cases]
        return 1e6 * float(np.median(found))

    bare = median(lambda z, _: forms.dot(z))
    print(f"one row, {features} x {n_rules} @ z       {bare:.1f} us")
    print(f"decider()                  {median(decide):.1f} us")
    alone = median(lambda z, _: model.predict(z[None]))
    both = median(lambda z, _: corrector.predict(z[None]))
    print(f"LogisticRegression.predict {alone:.0f} us = 1")
    print(f"corrected, checked         {both / alone:.2f}")


def importing(repeats: int = 5) -> None:
    """Seconds of CPU to import, each in a process of its own."""
    text = "from time import process_time as t; a = t(); import {}; print(t() - a)"

    def least(modules: str) -> float:
        code = [sys.executable, "-c", text.format(modules)]
        runs = [
            subprocess.run(code, capture_output=True, check=True)
            for _ in range(repeats)
        ]
        return min(float(run.stdout) for run in runs)

    others = least("sklearn.linear_model, pandas")
    print(f"import sklearn, pandas     {others:.2f} s = 1")
    print(f"import rarecorrect         {least('rarecorrect') / others:.2f}")


def simulate() -> None:
    """A million simulated transactions."""
    took = seconds(lambda: card_transactions(1_000_000, random_state=0), repeats=1)
    print(f"card_transactions(1e6)     {took:.1f} s")


def corrected_system() -> None:
    """A corrected model beside the model alone."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 20))
    y = (X[:, 0] + rng.standard_normal(20_000) > 0).astype(int)
    model = HistGradientBoostingClassifier(max_iter=200).fit(X[:5000], y[:5000])
    y[X[:, 1] > 2.3] = 2
    corrector = ErrorCorrector(model, random_state=0, confusions=[2])
    corrector.fit(X[5000:], y[5000:])
    batch = X[:1000]
    alone, (both,) = in_turn(
        lambda: model.predict(batch), lambda: corrector.predict(batch), repeats=100
    )
    print(f"200 trees, batch of 1,000  {1000 * alone:.2f} ms = 1")
    print(f"corrected                  {both}")


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=256)
    options = parser.parse_args()
    fit_and_predict(options.rows, options.features)
    fit_beside_others(options.rows // 5, options.features)
    sixteen_rules(options.rows)
    one_row()
    importing()
    simulate()
    corrected_system()


if __name__ == "__main__":
    main()
