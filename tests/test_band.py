"""Bounds at all thresholds at once, against other ways to compute them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import betaincinv

from rarecorrect.certify import Band, band_level, certified_threshold


def steck(bounds):
    """P(all order statistics of uniforms under their bounds), by Noe's recursion."""
    n = len(bounds)
    grid = np.concatenate([[0.0], bounds])
    # number of points so far: at least j after bound j
    state = np.zeros(n + 1)
    state[0] = 1.0
    for j in range(1, n + 1):
        p = (grid[j] - grid[j - 1]) / (1 - grid[j - 1])
        new = np.zeros(n + 1)
        for m, weight in enumerate(state):
            if weight:
                for more in range(n - m + 1):
                    ways = np.exp(_log_choose(n - m, more))
                    new[m + more] += weight * ways * p**more * (1 - p) ** (n - m - more)
        new[:j] = 0.0
        state = new
    return state.sum()


def _log_choose(n, k):
    from scipy.special import gammaln

    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


@pytest.mark.parametrize("n", [5, 12, 30])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_level_is_exact(n, level):
    delta = 1 - band_level(n, level)
    k = np.arange(int(0.2 * n))
    bounds = betaincinv(k + 1.0, n - k, 1 - delta)
    # those beyond the fifth are free: the bound 1 holds always
    full = np.concatenate([bounds, np.full(n - k.size, 1 - 1e-12)])
    assert_allclose(steck(full), level, atol=2e-4)


def test_levels_known_from_simulation():
    found = [1 - band_level(n, 0.95) for n in (300, 1000, 2000, 20_000)]
    assert_allclose(found, [0.0061, 0.0043, 0.0034, 0.0023], atol=2e-4)


def test_a_band_is_stricter_than_one_certificate_and_as_strict_as_many():
    scores = np.random.default_rng(0).normal(size=5000)
    band = Band.of(scores)
    one = certified_threshold(scores, 0.01)
    every = certified_threshold(scores, 0.01, 1 - 0.05 / len(band.thresholds))
    assert one.threshold < band.threshold(0.01) < every.threshold


def test_thresholds_fall_and_bounds_rise():
    for scores in (np.arange(1000.0), np.repeat([0.0, 1.0, 2.0], 400)):
        band = Band.of(scores)
        assert (np.diff(band.thresholds) <= 0).all()
        assert (np.diff(band.at_most) > 0).all()
        above = [np.sum(scores > t) for t in band.thresholds]
        assert above == band.n_above.tolist()


def test_too_few_rows_have_no_band():
    band = Band.of([1.0, 2.0])
    assert band.threshold(0.5) == np.inf and not band.thresholds.size


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="1 of 2 calibration scores are NaN"):
        Band.of([1.0, np.nan])
    with pytest.raises(ValueError, match=r"confidence_level must lie in \(0, 1\)"):
        Band.of([1.0, 2.0], 95)
