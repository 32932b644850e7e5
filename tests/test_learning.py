"""From errors to rules: what is learnt, and what is judged on rows left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from rarecorrect.cross_fitting import cross_scores, fit_detector, folds
from rarecorrect.detectors import FisherDetector
from rarecorrect.learning import FittingRows, learn_rules
from rarecorrect.metrics import clopper_pearson
from rarecorrect.rule_evidence import cross_validated_gain

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(400, 3))
Y = RNG.integers(0, 3, size=400)
LABELS = np.where(np.arange(400) < 60, (Y + 1) % 3, Y)  # 60 errors
Z[:60] += 1.5


def fitting_rows(**columns):
    wrong = np.flatnonzero(LABELS != Y)
    right = np.flatnonzero(LABELS == Y)
    return FittingRows(Z, Y, LABELS, right, wrong, **columns)


DEFAULT = FisherDetector()


def learnt(detector=DEFAULT, **options):
    rules, refused = learn_rules(fitting_rows(), detector, **options)
    assert refused == []
    return rules


class Recalling(ClassifierMixin, BaseEstimator):
    """Scores 1 for rows whose first column it saw in fit, else 0."""

    seen: list  # of every fit of any copy

    def __init__(self, seen=None):
        self.seen = seen

    def __sklearn_clone__(self):
        return Recalling(self.seen)

    def fit(self, rows, y):
        self.known_ = set(rows[:, 0].tolist())
        if self.seen is not None:
            self.seen.append(y)
        return self

    def decision_function(self, rows):
        return np.array([float(v in self.known_) for v in rows[:, 0]])


@pytest.mark.parametrize("n_errors", [2, 3, 5, 30])
def test_every_row_is_scored_by_a_detector_that_did_not_see_it(n_errors):
    rows = np.arange(100.0)[:, None]
    is_error = np.arange(100) < n_errors
    assert not cross_scores(Recalling(), rows, is_error).any()
    assert Recalling().fit(rows, is_error).decision_function(rows).all()


def test_rows_of_one_group_are_left_out_together():
    groups = np.arange(120) // 4
    rows = groups[:, None].astype(float)
    is_error = np.arange(120) % 40 == 0  # three groups of errors, with right rows
    found = cross_scores(Recalling(), rows, is_error, groups=groups)
    assert not found.any()


def test_few_errors_are_left_out_one_at_a_time():
    seen = []
    is_error = np.arange(100) < 3
    cross_scores(Recalling(seen), np.arange(100.0)[:, None], is_error)
    assert len(seen) == 5
    assert sorted(3 - y.sum() for y in seen) == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("grouped", [False, True])
def test_a_single_error_cannot_be_left_out(grouped):
    is_error = np.arange(100) < (2 if grouped else 1)
    groups = np.arange(100) // 2 if grouped else None
    found = cross_scores(FisherDetector(), Z[:100], is_error, groups=groups)
    assert_array_equal(np.isnan(found), is_error)


class ByRows(FisherDetector):
    """Fits in a way of its own, as far as anybody can know."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("options", [{}, {"n_components": "kaiser", "shrinkage": 0.2}])
@pytest.mark.parametrize("n_errors", [1, 60])
def test_one_pass_scores_as_a_fit_without_each_fold_does(dtype, options, n_errors):
    rows = (100 + 10 * Z).astype(dtype)
    rows[:, 2] = rows[0, 2]  # never varies
    is_error, groups = np.arange(400) < n_errors, np.arange(400) // 2
    weight = np.arange(400.0) % 3
    weight[:2] = 1.0
    one, many = FisherDetector(**options), ByRows(**options)
    assert hasattr(one, "fit_left_out") and not hasattr(many, "fit_left_out")
    for w in (None, weight):
        found, expected = (
            cross_scores(each, rows, is_error, sample_weight=w, groups=groups)
            for each in (one, many)
        )
        assert np.isnan(found).sum() == (n_errors == 1)
        assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_fold_that_holds_all_errors_cannot_be_left_out():
    with pytest.raises(ValueError, match="positive weight"):
        FisherDetector().fit_left_out(
            Z, np.arange(400) < 3, np.minimum(np.arange(400), 3)
        )


def test_a_memory_for_noise_earns_no_gain():
    noise = replace(fitting_rows(), Z=RNG.normal(size=(400, 3)))
    tree = ExtraTreesClassifier(20, random_state=0)
    rules, _ = learn_rules(noise, tree)
    for rule in rules:
        scores = rule.scaled(rule.score(noise.Z[noise.right]))
        gain = cross_validated_gain(rule, np.quantile(scores, 0.95))[0]
        assert gain < 0.3


def test_one_rule_for_each_true_label_with_its_errors_and_background():
    for rule in learnt():
        errors = (rule.to == Y) & (LABELS != Y)
        right = (LABELS == Y) & (rule.to != LABELS)
        assert (rule.n_errors, rule.n_background) == (errors.sum(), right.sum())
        share = errors.sum() / 60 / (right.sum() / 340)
        assert_allclose(rule.log_share, np.log(share))
        assert rule.left_out.size == errors.sum()
        assert (rule.left_out[1:] >= rule.left_out[:-1]).all()


def test_flagging_compares_with_all_right_decisions():
    for rule in learnt(action="flag"):
        assert rule.n_background == 340


def left_out_scores(rule):
    """Scaled scores of errors and right decisions by detectors without them."""
    errors = np.flatnonzero((rule.to == Y) & (LABELS != Y))
    right = np.flatnonzero((LABELS == Y) & (rule.to != LABELS))
    rows = np.r_[right, errors]
    is_error = np.arange(rows.size) >= right.size
    scaled = rule.scaled(cross_scores(FisherDetector(), Z[rows], is_error))
    return scaled[is_error], scaled[~is_error]


def best_rival(rule, rules):
    """Largest score that rules with another label give the errors of a rule."""
    errors = np.flatnonzero((rule.to == Y) & (LABELS != Y))
    best = np.full(errors.size, -np.inf)
    for other in rules:
        if other.to != rule.to:
            score = other.scaled(other.score(Z[errors]))
            acts = (LABELS[errors] != other.to) & (score > other.worth)
            best[acts] = np.maximum(best, score)[acts]
    return best


def test_scale_and_left_out_scores_come_from_rows_left_out():
    rules = learnt()
    lost = 0
    for rule in rules:
        errors, right = left_out_scores(rule)
        won = errors > best_rival(rule, rules)
        lost += np.sum(~won)
        assert_allclose(rule.left_out, np.sort(np.where(won, errors, -np.inf)))
        ranks = np.exp(rule.log_share - right)  # the scale is minus the log tail rank
        body = np.argsort(right)[: right.size // 2]
        at_least = [(right >= right[i]).sum() for i in body]
        assert_allclose(ranks[body], (1 + np.array(at_least)) / (right.size + 1))

    assert 0 < lost < 60


def test_only_a_rule_with_another_label_takes_an_error_away():
    same_label = [2, (0, 2)]
    apart = [(0, 2), (1, 0), (2, 1)]  # no two of them act on the same row
    for confusions in (same_label, apart):
        for rule in learnt(confusions=confusions):
            assert np.isfinite(rule.left_out).all()
    both = learnt(confusions=[(0, 2), 1])  # where the legacy label is 0, both may act
    assert np.isneginf(both[0].left_out).any()


def test_whichever_rule_flags_an_error_it_is_flagged():
    assert all(np.isfinite(rule.left_out).all() for rule in learnt(action="flag"))


def test_a_single_error_is_not_judged_by_its_company():
    one = np.flatnonzero((Y == 2) & (LABELS != Y))[:1]
    rows = fitting_rows()
    others = rows.errors[Y[rows.errors] != 2]
    rules, _ = learn_rules(replace(rows, errors=np.r_[others, one]), DEFAULT)
    assert np.isnan(rules[-1].left_out).tolist() == [True]


def test_strata_stay_with_the_errors_that_were_left_out():
    rows = fitting_rows(strata=np.arange(400), sample_weight=np.arange(400) % 5 > 0)
    rules, _ = learn_rules(rows, DEFAULT)
    for rule in rules:
        wrong = np.flatnonzero(
            (rule.to == Y) & (LABELS != Y) & (np.arange(400) % 5 > 0)
        )
        assert_array_equal(np.sort(rule.left_out_strata), wrong)
        which = np.flatnonzero(np.isfinite(rule.left_out))
        full = rule.scaled(rule.score(Z[rule.left_out_strata[which]]))
        # left out or not, an error scores much the same, and unlike another one
        assert np.corrcoef(full, rule.left_out[which])[0, 1] > 0.9


def test_a_rule_is_mute_where_it_would_hurt_more_than_it_helps():
    for rule in learnt():
        errors, right = left_out_scores(rule)

        def index(t, errors=errors, right=right):
            """Share of all errors less share of all right decisions changed."""
            return np.sum(errors > t) / 60 - np.sum(right > t) / 340

        best = max(index(t) for t in np.r_[-np.inf, errors, right])
        assert_allclose(index(rule.worth), best)


def test_the_gain_is_the_share_of_left_out_errors_that_would_fire():
    rule = learnt()[0]
    reached = rule.left_out[np.isfinite(rule.left_out)]
    threshold = float(np.quantile(reached, 0.4))
    caught = int(np.sum(rule.left_out > max(threshold, rule.worth)))
    found = cross_validated_gain(rule, threshold)
    n = rule.left_out.size
    assert found == (caught / n, *clopper_pearson(caught, n, 0.95))
    mute = replace(rule, worth=np.inf)
    assert cross_validated_gain(mute, -np.inf)[0] == 0
    thresholds = np.where(np.arange(n) % 2, threshold, np.inf)
    half = replace(rule, worth=-np.inf)
    caught = np.sum(rule.left_out[1::2] > threshold)
    assert cross_validated_gain(half, thresholds)[0] == caught / n
    unknown = replace(rule, left_out=np.array([np.nan]))
    assert np.isnan(cross_validated_gain(unknown, threshold)).all()


def test_groups_are_never_cut_where_errors_are_in_all_of_them():
    groups = np.repeat(np.arange(12), 5)
    is_error = np.arange(60) % 5 == 0
    fold = folds(is_error, groups, np.random.default_rng(0))
    assert all(np.unique(fold[groups == g]).size == 1 for g in range(12))
    # all right decisions in one group: rows are left out
    fold = folds(is_error, np.where(is_error, groups, 99), np.random.default_rng(0))
    assert np.unique(fold[~is_error]).size == 5


def test_a_rule_is_known_by_what_it_was_learnt_from():
    one, again = learnt()[0], learnt()[0]
    assert one.identity == again.identity
    assert one.with_state("shadow").identity == one.identity
    others = [
        learnt(action="flag")[0],
        learnt(FisherDetector(shrinkage=0.5))[0],
        learnt(ExtraTreesClassifier(5))[0],
        learnt(ExtraTreesClassifier(5), random_state=1)[0],
    ]
    assert len({one.identity, *(rule.identity for rule in others)}) == 5


def test_seeds_reach_every_part_of_a_detector_and_spare_those_that_are_set():
    parts = make_pipeline(PCA(2), DecisionTreeClassifier(random_state=3))
    found = fit_detector(parts, Z, LABELS != Y, random_state=7)
    assert (found[0].random_state, found[1].random_state) == (7, 3)
    assert parts[0].random_state is None
