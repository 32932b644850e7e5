"""Which rows certify, and what their weights do."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from rarecorrect import ErrorCorrector, RuleRefusedWarning

from .helpers import fitted, quietly


class Remembering(TransformerMixin, BaseEstimator):
    """A transformer that keeps the rows it was fitted on."""

    def fit(self, rows, y=None):
        self.seen_ = np.asarray(rows)[:, 0].copy()
        return self

    def transform(self, rows):
        return np.asarray(rows)[:, 1:]


def seen_in_fit(data, side, **options):
    """Which rows the features, and so the detectors, were learnt from."""
    number = np.arange(len(data.y), dtype=float)
    X = np.column_stack([number, data.X])
    first = make_pipeline(
        FunctionTransformer(_without_first), FrozenEstimator(data.model)
    )
    options = {"features": Remembering(), "max_damage": 0.05, **options}
    corrector = ErrorCorrector(first, random_state=0, **options).fit(X, data.y, **side)
    seen = corrector.features_._transformers[0].seen_.astype(int)
    return corrector, np.isin(number, seen)


def _without_first(rows):
    return np.asarray(rows)[:, 1:]


def test_no_calibration_row_teaches(outbreak):
    corrector, seen = seen_in_fit(outbreak, {})
    right = outbreak.model.predict(outbreak.X) == outbreak.y
    assert seen[~right].all()
    assert np.sum(~seen) == corrector.report_.n_calibration
    assert corrector.rules_.certificate().n_calibration == np.sum(~seen)


def test_a_calibration_mask_says_who_calibrates(outbreak):
    mask = np.arange(1200) % 2 == 0
    corrector, seen = seen_in_fit(outbreak, {"calibration_mask": mask})
    right = outbreak.model.predict(outbreak.X) == outbreak.y
    assert_array_equal(~seen, right & mask)
    assert corrector.rules_.certificate().n_calibration == np.sum(right & mask)


@pytest.mark.parametrize("kind", [int, str, object])
@pytest.mark.parametrize("masked", [False, True])
def test_groups_never_both_teach_and_calibrate(outbreak, kind, masked):
    groups = np.random.default_rng(0).integers(0, 700, size=1200).astype(kind)
    side, in_mask = {"groups": groups}, np.ones(1200, dtype=bool)
    if masked:
        side["calibration_mask"] = in_mask = np.arange(1200) % 2 == 0
    corrector, seen = seen_in_fit(outbreak, side, max_damage=0.1)
    certificate, report = corrector.rules_.certificate(), corrector.report_
    wrong = outbreak.model.predict(outbreak.X) != outbreak.y
    assert not set(groups[~seen]) & set(groups[seen])
    assert report.n_errors == np.sum(wrong & seen) > 0
    assert report.n_apart == np.sum(wrong & ~seen) > 0
    assert certificate.unit == "groups"
    assert certificate.n_calibration == len(set(groups[~seen & ~wrong & in_mask]))


def test_a_group_of_which_the_fitted_part_was_learnt_does_not_calibrate(outbreak):
    groups = np.arange(1200) // 2 % 300  # every group comes early and late
    corrector = ErrorCorrector(
        LogisticRegression(), shuffle=False, validation_fraction=0.5, random_state=0
    )
    quietly(lambda: corrector.fit(outbreak.X, outbreak.y, groups=groups))
    assert corrector.report_.n_calibration == 0


@pytest.mark.parametrize("as_dates", [False, True])
def test_without_shuffling_the_latest_rows_calibrate(outbreak, as_dates):
    time = np.random.default_rng(0).permutation(1200)
    when = np.datetime64("2024-01-01") + time if as_dates else time / 40
    _, seen = seen_in_fit(outbreak, {"time": when}, shuffle=False)
    right = outbreak.model.predict(outbreak.X) == outbreak.y
    assert time[~seen].min() > time[seen & right].max()


def test_the_time_margin_is_taken_off_the_budget(outbreak):
    corrector = fitted(outbreak, time_margin=0.25)
    assert_allclose(corrector.rules_.certificate().max_damage, 0.05 / 1.25)


def test_sampling_weights_thin_the_calibration_rows(outbreak):
    plain = fitted(outbreak).rules_.certificate()
    equal = fitted(outbreak, side={"calibration_weight": np.full(1200, 3.0)})
    weight = np.where(np.arange(1200) % 2, 1.0, 1e-9)
    half = quietly(lambda: fitted(outbreak, side={"calibration_weight": weight}))
    assert equal.rules_.certificate() == plain
    ratio = half.rules_.certificate().n_calibration / plain.n_calibration
    assert 0.4 < ratio < 0.6


def test_sample_weight_steers_the_rules_not_the_certificate(outbreak):
    wrong = outbreak.model.predict(outbreak.X) != outbreak.y
    weight = np.where(wrong & (outbreak.y == 0), 0.0, 1.0)
    with pytest.warns(RuleRefusedWarning, match="'to 0'.*positive sample_weight"):
        corrector = fitted(outbreak, side={"sample_weight": weight})
    assert [rule.to for rule in corrector.rules_] == [1, 2]
    plain = fitted(outbreak).rules_.certificate()
    assert corrector.rules_.certificate().n_calibration == plain.n_calibration


def test_one_error_of_positive_weight_is_enough(outbreak):
    errors = np.flatnonzero(outbreak.model.predict(outbreak.X) != outbreak.y)
    weight = np.ones(1200)
    weight[errors] = 0
    weight[errors[outbreak.y[errors] == 2][0]] = 1
    corrector = fitted(outbreak, confusions=[2], side={"sample_weight": weight})
    assert corrector.rules_["to 2"].n_errors == 1
    assert corrector.rules_.certified
