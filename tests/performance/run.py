"""Benchmarks: ratios to something measured in the same run, never an assertion.

Usage: python tests/performance/run.py [--rows N] [--features P]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from rarecorrect import ErrorCorrector, FisherDetector
from rarecorrect.certify import certified_threshold
from rarecorrect.decisions import above_raw_threshold
from rarecorrect.rule import Rule
from rarecorrect.simulate import card_transactions
from rarecorrect.tail_scale import TailScale

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


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Best of some runs."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


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
    product = seconds(lambda: Z.T @ Z)
    fit = seconds(lambda: FisherDetector().fit(Z, y))
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
    print(f"FisherDetector.fit         {fit / product:.2f}")
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
    alone = seconds(lambda: model.predict(batch), 20)
    both = seconds(lambda: corrector.predict(batch), 20)
    print(f"200 trees, batch of 1,000  {1000 * alone:.2f} ms = 1")
    print(f"corrected                  {both / alone:.2f}")


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=128)
    options = parser.parse_args()
    fit_and_predict(options.rows, options.features)
    simulate()
    corrected_system()


if __name__ == "__main__":
    main()
