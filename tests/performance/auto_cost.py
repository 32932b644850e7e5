"""What `auto` and Fisher's detector cost beside one XGBoost fit on the same rows.

100 errors and 100,000 right rows of 64 features, CPU seconds on one thread, in turn.

    python tests/performance/auto_cost.py
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from rarecorrect.detectors import AutoDetector, FisherDetector

N_ERRORS, N_RIGHT, N_FEATURES, REPEATS = 100, 100_000, 64, 3


def seconds(detector: Any, Z: Any, is_error: Any) -> float:
    """CPU seconds of a fit."""
    begin = time.process_time()
    detector.fit(Z, is_error)
    return time.process_time() - begin


def main() -> None:
    """Run and print, one line a repeat."""
    from xgboost import XGBClassifier

    rng = np.random.default_rng(0)
    is_error = np.arange(N_RIGHT + N_ERRORS) >= N_RIGHT
    Z = rng.normal(size=(is_error.size, N_FEATURES)).astype(np.float32)
    Z[is_error] += 0.6 * rng.normal(size=N_FEATURES)
    with threadpool_limits(1):
        for seed in range(REPEATS):
            auto = seconds(AutoDetector(0.01, random_state=seed), Z, is_error)
            peer = seconds(XGBClassifier(n_jobs=1, random_state=seed), Z, is_error)
            fisher = seconds(FisherDetector(), Z, is_error)
            print(
                f"auto {auto:.2f} s, XGBoost {peer:.2f} s, Fisher {fisher:.3f} s: "
                f"auto {auto / peer:.2f} times XGBoost, which is {peer / fisher:.0f} "
                "times Fisher"
            )


if __name__ == "__main__":
    main()
