"""The promise of certificates from blocks, on a population of which all is known."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import binomtest

from rarecorrect import ColumnModel, ErrorCorrector
from rarecorrect.blocks import array_blocks
from rarecorrect.certify import allowed_exceedances
from rarecorrect.streaming import room

BUDGET, LEVEL, TRIALS = 0.05, 0.8, 150


def population(n):
    """Rows that the score decides rightly, but for a new type."""
    rng = np.random.default_rng(0)
    X = rng.standard_t(3, size=(n, 3))
    y = (X[:, 0] > 1.5).astype(int)
    new = rng.random(n) < 0.05
    X[new, 1] += 2
    y[new] = 1
    return X, y


@pytest.fixture(scope="module")
def case():
    """A corrector, the population, and the scores of its right decisions."""
    X, y = population(20_000)
    corrector = ErrorCorrector(
        ColumnModel(score=0, threshold=np.nextafter(1.5, 2)),
        features="input",
        max_damage=BUDGET,
        confidence_level=LEVEL,
        ledger=False,
        random_state=0,
    ).fit_blocks(array_blocks(*population(3000)))
    labels = (X[:, 0] > 1.5).astype(int)
    scores = corrector.rules_.decide(X, labels).score[labels == y]
    return corrector, X, y, scores


@pytest.mark.parametrize("shift", [0, 4])
def test_damage_exceeds_the_budget_as_rarely_as_promised(case, monkeypatch, shift):
    """Of 400 rows, 200 are drawn to calibrate; `shift`: a wrong rule is found out."""
    corrector, X, y, scores = case
    monkeypatch.setattr(room, "MOST_CALIBRATION", 200)
    rule = "rarecorrect.certify.thresholds.allowed_exceedances"
    monkeypatch.setattr(rule, lambda *given: allowed_exceedances(*given) + shift)
    rng, broken = np.random.default_rng(1), 0
    for _ in range(TRIALS):
        rows = rng.integers(0, len(X), 400)
        fresh = corrector.with_rules(corrector.rules_)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some of the rows taught
            fresh.certify_blocks(array_blocks(X[rows], y[rows], block_rows=150))
        certificate = fresh.rules_.certificate()
        assert certificate.n_calibration == 200
        broken += np.mean(scores > certificate.threshold) > BUDGET
    found = binomtest(int(broken), TRIALS, 1 - LEVEL, alternative="greater").pvalue
    assert (found < 1e-4) == bool(shift)
