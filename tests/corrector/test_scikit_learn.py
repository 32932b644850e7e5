"""Grid search, cloning, metadata routing and tags."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import get_tags

from rarecorrect import ErrorCorrector, FisherDetector
from rarecorrect.metrics import correction_scorer

from .helpers import segments


def test_grid_search_over_what_there_is_to_choose(outbreak):
    grid = {
        "detector": [None, LogisticRegression()],
        "features": ["input", ["input", "logits"]],
        "max_damage": [0.05, 0.2],
    }
    search = GridSearchCV(
        ErrorCorrector(outbreak.model, random_state=0),
        grid,
        scoring=correction_scorer("gain"),
        cv=2,
    ).fit(outbreak.X, outbreak.y)
    assert search.best_params_["max_damage"] == 0.2
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.estimator_ is outbreak.model


SIDE = {
    "groups": np.arange(1200) // 2,
    "sample_weight": np.random.default_rng(0).integers(1, 4, size=1200).astype(float),
}


def test_clone_keeps_what_was_requested(outbreak):
    with sklearn.config_context(enable_metadata_routing=True):
        corrector = ErrorCorrector(outbreak.model).set_fit_request(groups=True)
        copied = clone(corrector)
        assert copied.get_metadata_routing().fit.requests["groups"] is True


def test_groups_and_weights_are_routed_through_pipelines_and_validation(outbreak):
    with sklearn.config_context(enable_metadata_routing=True):
        corrector = ErrorCorrector(outbreak.model, max_damage=0.1, random_state=0)
        corrector.set_fit_request(groups=True, sample_weight=True)
        corrector.set_score_request(sample_weight=True)
        direct = clone(corrector).fit(outbreak.X, outbreak.y, **SIDE)
        piped = Pipeline([("same", FunctionTransformer()), ("correct", corrector)])
        piped.fit(outbreak.X, outbreak.y, **SIDE)
        assert direct.rules_.certificate().unit == "groups"
        assert_array_equal(
            piped.predict(outbreak.X_new), direct.predict(outbreak.X_new)
        )
        for estimator in (corrector, piped):
            found = cross_validate(
                estimator,
                outbreak.X,
                outbreak.y,
                cv=2,
                params=SIDE,
                return_estimator=True,
            )
            for one in found["estimator"]:
                one = one[-1] if isinstance(one, Pipeline) else one
                assert one.rules_.certificate().unit == "groups"


def test_segments_are_routed_to_predict_and_score(outbreak):
    with sklearn.config_context(enable_metadata_routing=True):
        corrector = ErrorCorrector(
            outbreak.model, per="segment", max_damage=0.1, random_state=0
        )
        for method in ("fit", "predict", "score"):
            getattr(corrector, f"set_{method}_request")(segment=True)
        piped = make_pipeline(FunctionTransformer(), corrector)
        piped.fit(outbreak.X, outbreak.y, segment=segments(1200))
        after = piped.predict(outbreak.X_new, segment=segments(1200))
        share = piped.score(outbreak.X_new, outbreak.y_new, segment=segments(1200))
        assert share == np.mean(after == outbreak.y_new) > 0.7


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        HistGradientBoostingClassifier(max_iter=2),
        make_pipeline(StandardScaler(), LogisticRegression()),
        FisherDetector(),
    ],
    ids=lambda m: type(m).__name__,
)
def test_tags_around_a_frozen_model_are_those_around_the_model(outbreak, model):
    binary = outbreak.y == 2
    frozen = get_tags(ErrorCorrector(FrozenEstimator(model.fit(outbreak.X, binary))))
    plain = get_tags(ErrorCorrector(clone(model)))
    legacy = get_tags(model)
    assert frozen == plain
    assert frozen.estimator_type == "classifier"
    assert frozen._skip_test is False
    assert frozen.target_tags.required
    assert frozen.requires_fit
    assert frozen.input_tags.sparse == legacy.input_tags.sparse
    assert frozen.input_tags.allow_nan == legacy.input_tags.allow_nan
    assert frozen.classifier_tags.multi_class == legacy.classifier_tags.multi_class


def test_clone_keeps_a_fitted_transformer_and_unfits_none():
    X = np.random.default_rng(0).normal(size=(60, 3))
    fitted, unfitted = StandardScaler().fit(X), StandardScaler()
    copied = clone(ErrorCorrector(LogisticRegression(), features=[fitted, unfitted]))
    assert copied.features[0] is fitted
    assert copied.features[1] is not unfitted
