"""Sums that rows are taken out of: as exact as sums without them."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, ClassifierMixin

from rarecorrect import ErrorCorrector, FisherDetector
from rarecorrect.background import Background, Reservoir
from rarecorrect.cross_fitting import folds
from rarecorrect.decisions import judged
from rarecorrect.explain import Usual
from rarecorrect.moments import Moments
from rarecorrect.relearning import RightDecisions, relearnt
from rarecorrect.row_mark import fingerprint_of_rows
from rarecorrect.rule import KeptErrors, Rule, worth
from rarecorrect.tail_scale import TailScale
from rarecorrect.training_rows import places_of, row_keys


class SaysNo(ClassifierMixin, BaseEstimator):
    """A model that always says no."""

    classes_ = np.array(["no", "yes"])
    is_fitted_ = True

    def predict(self, X):
        return np.full(len(X), "no")


class Assigned(FisherDetector):
    """Clusters of errors that somebody else has found."""

    def _cluster(self, errors, w):
        labels = self.assigned
        return [Moments.from_rows(errors[labels == c]) for c in np.unique(labels)]


def rows_of(seed, n=10_000, p=20):
    """Correlated rows, and 4 % of errors of two kinds among them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) @ rng.normal(size=(p, p)) + rng.normal(0, 9, size=p)
    wrong = rng.random(n) < 0.04
    kinds = rng.normal(0, 3, size=(2, p))
    X[wrong] += kinds[rng.integers(0, 2, size=wrong.sum())]
    return X, np.where(wrong, "yes", "no"), rng


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_clusters", [1, 2])
@pytest.mark.parametrize("n_components", ["all", "kaiser"])
def test_forget_100_of_10_000(seed, n_clusters, n_components):
    """Equal to a refit with the same clusters and number of components."""
    X, y, rng = rows_of(seed)
    detector = FisherDetector(n_components, n_clusters, random_state=0)
    corrector = ErrorCorrector(
        SaysNo(), detector=detector, features="input", random_state=0
    ).fit(X, y)
    gone = np.zeros(len(y), dtype=bool)
    gone[rng.choice(len(y), 100, replace=False)] = True
    [rule] = corrector.forget(X[gone], y[gone]).rules_
    [before] = corrector.rules_

    right = (y == "no") & ~gone
    right[corrector.calibration_indices_] = False
    errors = (y == "yes") & ~gone
    options = {"n_components": before.detector.whitening_.matrix.shape[1]}
    other = FisherDetector(**options)
    if n_clusters > 1:
        other = Assigned(**options, n_clusters=n_clusters)
        labels = before.detector.cluster_labels_
        other.assigned = labels[~gone[y == "yes"]]
        assert 0 < labels.mean() < 1
    Z = np.vstack([X[right], X[errors]])
    other.fit(Z, np.arange(len(Z)) >= right.sum())

    values = other.whitening_.eigenvalues
    assert values.min() > 1e-6 * values.max()
    assert rule.n_errors == errors.sum() < before.n_errors
    assert rule.n_background == right.sum() < before.n_background
    scale = np.abs(other.coef_).max()
    assert np.abs(rule.detector.coef_ - other.coef_).max() < 1e-8 * scale
    moved = np.abs(before.detector.coef_ - other.coef_).max()
    assert moved > 1e-4 * scale  # the rows did count
    if n_clusters == 1:
        assert_allclose(rule.intercept, other.intercept_[0], rtol=1e-8)


@given(
    n=st.integers(2, 80),
    n_gone=st.integers(0, 80),
    seed=st.integers(0, 99),
    mean=st.sampled_from([0.0, 3.0, 1e4]),
)
def test_what_is_taken_out_was_never_in(n, n_gone, seed, mean):
    n_gone = min(n_gone, n)
    rows = np.random.default_rng(seed).normal(mean, [1.0, 0.01, 30.0], size=(n, 3))
    whole, gone = Moments.from_rows(rows), Moments.from_rows(rows[:n_gone])
    left, expected = whole.without(gone), Moments.from_rows(rows[n_gone:])
    assert left.weight == expected.weight
    assert_allclose(left.mean, expected.mean, rtol=1e-9, atol=1e-9 * (n_gone < n))
    spread = np.sqrt(whole.variance)
    # a mean is known to so many digits, and what it misses meets the spread
    lost = 1e-12 * np.outer(spread, spread) + 1e-15 * mean * np.add.outer(
        spread, spread
    )
    assert (np.abs(left.scatter - expected.scatter) <= n * n * lost + 1e-300).all()


def test_a_feature_that_only_the_forgotten_had_is_constant_again():
    """Rounding must not pass for a tiny variance: whitening would divide by it."""
    rows = np.random.default_rng(0).normal(size=(1000, 3))
    rows[:, 2] = 0.0
    rows[:7, 2] = np.arange(1.0, 8.0) / 3
    whole = Moments.from_rows(rows)
    left = whole.without(Moments.from_rows(rows[:7]))
    assert left.variance[2] == 0
    assert (left.scatter[2] == 0).all()
    errors = Moments.from_rows(rows[7:9])
    detector = FisherDetector.from_moments(left, errors)
    assert detector.coef_[0, 2] == 0
    other = FisherDetector.from_moments(Moments.from_rows(rows[7:]), errors)
    assert_allclose(detector.coef_, other.coef_, rtol=1e-8)


def test_more_than_there_is_cannot_be_taken_out():
    rows = Moments.from_rows(np.eye(3))
    with pytest.raises(ValueError, match="rows of weight 6 cannot be part of rows of"):
        rows.without(reduce(Moments.merge, [rows, rows]))


def test_means_by_label_without_some():
    rng = np.random.default_rng(0)
    Z, labels = rng.normal(5, 2, size=(90, 2)), np.repeat(["a", "b", "c"], 30)
    gone = rng.random(90) < 0.3
    gone[60:] = True
    left = Usual.of(Z, labels).without(Z[gone], labels[gone])
    expected = Usual.of(Z[~gone], labels[~gone])
    assert left.labels.tolist() == expected.labels.tolist() == ["a", "b"]
    assert left.counts.tolist() == expected.counts.tolist()
    assert_allclose(left.means, expected.means, rtol=1e-12)


def test_rare_labels_are_forgotten_where_they_are_counted(monkeypatch):
    monkeypatch.setattr("rarecorrect.background.MOST_NUMBERS", 2 * 2**2 + 4)
    rng = np.random.default_rng(0)
    Z, labels = rng.normal(size=(300, 2)), np.repeat([0, 1, 2, 3], [200, 80, 15, 5])
    known = Background.from_rows(Z, labels, np.arange(300))
    assert None in known.moments
    left = known.without(Z[::2], labels[::2])
    assert left.weight + len(left.sample) == 150
    kept = np.delete(np.arange(300), np.s_[::2])
    in_sample = places_of(row_keys(Z[kept]), row_keys(left.sample)) >= 0
    assert in_sample.sum() == len(left.sample)
    taught = kept[~in_sample]
    for name, moments in left.moments.items():
        listed = [other for other in known.moments if other is not None]
        mine = ~np.isin(labels, listed) if name is None else labels == name
        expected = Moments.from_rows(Z[taught][mine[taught]])
        assert moments.weight == expected.weight
        assert_allclose(moments.mean, expected.mean, atol=1e-12)
    gone = np.flatnonzero(labels >= 2)
    gone = gone[gone % 2 > 0]
    assert None not in left.without(Z[gone], labels[gone]).moments


def test_a_reservoir_of_all_rows_is_marked_as_what_is_left():
    Z, labels = np.arange(40.0).reshape(20, 2), np.arange(20)
    side = {"strata": labels % 2, "groups": labels // 2, "weight": labels + 1.0}
    whole = Reservoir.from_rows(Z, labels, labels, **side)
    left = whole.without(Z[[3, 5]])
    kept = np.delete(labels, [3, 5])
    assert left.mark == fingerprint_of_rows(Z[kept])
    for name in side:
        assert getattr(left, name).tolist() == side[name][kept].tolist()
    assert left.labels.tolist() == kept.tolist()
    assert whole.without(Z) is None
    part = Reservoir.from_rows(Z, labels, labels, most_rows=8)
    assert part.without(part.Z[:1]).mark == part.mark
    assert len(part.without(part.Z[:1]).labels) == 7


@pytest.mark.parametrize(("dtype", "noise"), [(np.float64, 1e-13), (np.float32, 1e-7)])
def test_rows_are_known_again_but_for_the_last_digits(dtype, noise):
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(500, 4)).astype(dtype)
    again = (Z * (1 + noise * rng.choice([-1, 1], size=Z.shape))).astype(dtype)
    order = rng.permutation(500)
    found = places_of(row_keys(again[order]), row_keys(Z), dtype)
    assert found.tolist() == order.tolist()


def test_rows_that_differ_in_whole_numbers_have_other_keys():
    grid = np.stack(np.meshgrid(*[np.arange(-3, 4.0)] * 4), axis=-1).reshape(-1, 4)
    keys = np.sort(row_keys(grid))
    assert np.diff(keys).min() > 1e-7
    found = places_of(row_keys(grid[::2]), row_keys(grid[1::2]))
    assert (found == -1).all()


@given(
    wanted=st.lists(st.integers(0, 5), max_size=12),
    known=st.lists(st.integers(0, 5), max_size=12),
)
def test_no_row_is_found_twice_and_none_is_missed(wanted, known):
    found = places_of(np.array(wanted, float), np.array(known, float))
    there = found[found >= 0]
    assert len(set(there.tolist())) == there.size
    for key in range(6):
        mine = [place for place, one in zip(found, wanted, strict=True) if one == key]
        hits = [known[place] for place in mine if place >= 0]
        assert hits == [key] * min(len(mine), known.count(key))


@pytest.mark.parametrize("keep_errors", [False, True])
def test_scores_are_those_of_detectors_that_have_not_seen_the_rows(keep_errors):
    """The sample is among the moments, and would look less wrong than new rows."""
    rng = np.random.default_rng(0)
    right, errors = rng.normal(size=(80, 9)), rng.normal(1, 1, size=(12, 9))
    rows, sample = np.vstack([right, errors]), right[:30]
    detector = FisherDetector().fit(rows, np.arange(92) >= 80)
    kept = KeptErrors(errors, np.zeros(12)) if keep_errors else None
    scale = TailScale.from_scores([0.0, 1.0])
    rule = Rule("to 1", 1, detector, scale, keys=row_keys(errors), errors=kept)
    places = np.array([3])
    known = RightDecisions(detector.moments_[0], sample, inside=True)
    found = relearnt(rule, known, 0.5, places, errors[places])

    errors = np.delete(errors, places, axis=0)
    own = np.vstack([sample, errors[: 11 * keep_errors]])
    is_error = np.arange(len(own)) >= 30
    fold = folds(is_error, None, np.random.default_rng(0))
    scores = np.empty(len(own))
    for out in (fold == f for f in range(5)):
        parts = right[30:], sample[~out[:30]], errors
        if keep_errors:
            parts = *parts[:2], errors[~out[30:]]
        n_errors = len(parts[2])
        rest = np.vstack(parts)
        other = FisherDetector().fit(rest, np.arange(len(rest)) >= len(rest) - n_errors)
        scores[out] = other.decision_function(own[out])
    expected = TailScale.from_scores(scores[:30])
    raw = np.linspace(-4, 9, 40)
    assert_allclose(found.scale(raw), expected(raw), rtol=1e-8)
    if keep_errors:
        left_out = expected(scores[30:]) + 0.5
        assert_allclose(found.left_out, left_out, rtol=1e-8)
        silent = worth(left_out, expected(scores[:30]) + 0.5, 0.5)
        assert_allclose(found.worth, silent, rtol=1e-8)
        assert silent > -np.inf
        rival = Rule("to 2", 2, None, TailScale.from_scores([0, 1e-9]), coef=np.ones(9))
        lost = judged(found, [found, rival], found.errors).left_out
        assert np.isneginf(lost).sum() > 0
        alone = judged(found, [found], found.errors).left_out
        assert (np.diff(alone) >= 0).all()
    else:
        assert np.isnan(found.left_out).all()


def test_the_number_of_components_stays():
    """Though Kaiser's rule would keep another number now."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 6))
    rows[:, :2] = rows[:, 2:4] + 0.3 * rows[:, :2]
    rows[:30] += 40 * rng.normal(size=(30, 1))
    Z = np.vstack([rows, rng.normal(1, 1, size=(10, 6))])
    detector = FisherDetector("kaiser").fit(Z, np.arange(410) >= 400)
    right = detector.moments_[0].without(Moments.from_rows(rows[:30]))
    made = detector.rebuilt(right, detector.moments_[1:], rows[:2])
    other = FisherDetector("kaiser").fit(Z[30:], np.arange(380) >= 370)
    sizes = [d.whitening_.matrix.shape[1] for d in (detector, made, other)]
    assert sizes[0] == sizes[1] < sizes[2]
    other = FisherDetector(1).fit(Z[30:], np.arange(380) >= 370)
    assert_allclose(made.coef_, other.coef_, rtol=1e-8)
    assert made.get_params() == detector.get_params()


def test_the_sphere_is_not_built_from_moments():
    Z = np.random.default_rng(0).normal(size=(60, 3))
    detector = FisherDetector(sphere=True).fit(Z, np.arange(60) > 50)
    with pytest.raises(ValueError, match="sphere=True needs rows"):
        detector.rebuilt(detector.moments_[0], detector.moments_[1:], Z)
