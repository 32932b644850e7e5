"""Legacy models of all manners: which are in service, and labels in a column."""

from __future__ import annotations

import warnings

import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import all_estimators

from rarecorrect.legacy_model import is_fitted

from .helpers import around

# --- in service or not ----------------------------------------------------------------


class Hidden(ClassifierMixin, BaseEstimator):
    """Keeps what it learnt where scikit-learn does not look."""

    def __init__(self, path="model.bin"):
        self.path = path

    def fit(self, X, y):
        raise AssertionError("the legacy model was fitted again")

    def predict(self, X):
        return self._net.predict(X)

    def predict_proba(self, X):
        return self._net.predict_proba(X)


def hidden(net):
    model = Hidden()
    model._net = net
    return model


class Proxy(Hidden):
    """Learns nothing: the model that answers is a parameter."""

    def __init__(self, net):
        self.net = net

    @property
    def _net(self):
        return self.net


class Tagless:
    """A class that has never heard of scikit-learn."""

    def __init__(self, net):
        self.net = net

    def fit(self, X, y):
        raise AssertionError("the legacy model was fitted again")

    def predict(self, X):
        return self.net.predict(X)


IN_SERVICE = {
    "hidden": hidden,
    "proxy": Proxy,
    "tagless": Tagless,
    "frozen hidden": lambda net: FrozenEstimator(hidden(net)),
    "frozen tagless": lambda net: FrozenEstimator(Tagless(net)),
}


@pytest.mark.parametrize("kind", IN_SERVICE)
def test_a_model_that_predicts_is_never_fitted_again(outbreak, kind):
    model = IN_SERVICE[kind](outbreak.model)
    corrector = around(model).fit(outbreak.X, outbreak.y)
    assert corrector.estimator_ is model
    assert "never refitted" in str(corrector.report_)
    assert corrector.rules_.certified
    before = corrector.trace(outbreak.X_new)["before"]
    assert_array_equal(before, outbreak.model.predict(outbreak.X_new))
    assert clone(corrector).estimator is model
    found = cross_validate(
        corrector, outbreak.X, outbreak.y, cv=2, return_estimator=True
    )
    assert all(one.estimator_ is model for one in found["estimator"])
    search = GridSearchCV(corrector, {"max_damage": [0.1]}, cv=2)
    assert search.fit(outbreak.X, outbreak.y).best_estimator_.estimator_ is model
    assert type(model).__name__ in corrector._repr_html_()


@pytest.mark.parametrize("kind", ["hidden", "proxy"])
def test_parameters_of_a_model_that_may_be_in_service_are_not_set(outbreak, kind):
    corrector = around(IN_SERVICE[kind](outbreak.model))
    name = "estimator__path" if kind == "hidden" else "estimator__net"
    with pytest.raises(ValueError, match=f"{name}: the legacy model is fitted"):
        corrector.set_params(**{name: None})


def unfitted_classifiers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        for name, kind in all_estimators("classifier"):
            yield pytest.param(_made(kind), id=name)


def _made(kind):
    inner = LogisticRegression()
    for arguments in ((), (inner,), ([("inner", inner)],)):
        try:
            model = kind(*arguments)
        except TypeError:
            continue
        if getattr(model, "estimator", inner) is None:  # optional in name only
            model.set_params(estimator=inner)
        return model
    raise AssertionError(f"cannot make {kind}")


@pytest.mark.parametrize("model", list(unfitted_classifiers()))
def test_every_unfitted_classifier_is_known_to_be(outbreak, model):
    for rows in (None, outbreak.X):
        assert not is_fitted(model, rows)
        assert not is_fitted(make_pipeline(StandardScaler(), model), rows)


class Artless(ClassifierMixin, BaseEstimator):
    """Does not check that it was fitted, but names what it learns as is the custom."""

    def __init__(self, C=1.0):
        self.C = C

    def fit(self, X, y):
        self.model_ = LogisticRegression(C=self.C).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)


STACK = StackingClassifier([("a", LogisticRegression()), ("b", RidgeClassifier())])


@pytest.mark.parametrize(
    ("model", "parameter"), [(Artless(), "C"), (STACK, "cv")], ids=["artless", "stack"]
)
def test_an_unfitted_model_is_cloned_tuned_and_fitted(outbreak, model, parameter):
    corrector = around(model).fit(outbreak.X, outbreak.y)
    assert corrector.estimator_ is not model
    assert not is_fitted(model)
    assert "fitted on 84" in str(corrector.report_)
    other = clone(corrector).set_params(**{f"estimator__{parameter}": 3})
    assert getattr(other.estimator, parameter) == 3
    assert getattr(model, parameter) != 3


class InBatches(Hidden):
    """Cannot answer for a single row."""

    def predict(self, X):
        if len(X) < 2:
            raise RuntimeError("a batch needs 2 rows")
        return super().predict(X)


def test_what_cannot_be_told_is_refused_with_the_way_out(outbreak):
    model = InBatches()
    with pytest.raises(
        ValueError, match=r"InBatches is fitted.*a batch needs 2 rows.*FrozenEstimator"
    ):
        around(model).fit(outbreak.X, outbreak.y)
    model._net = outbreak.model
    with pytest.raises(ValueError, match="cannot be told whether InBatches"):
        around(model).fit(outbreak.X, outbreak.y)
    frozen = around(FrozenEstimator(model)).fit(outbreak.X, outbreak.y)
    assert frozen.rules_.certified
    assert clone(around(model)).estimator is model


class Honest(InBatches):
    """Says itself that it is not fitted."""

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_net")

    def fit(self, X, y):
        self._net = LogisticRegression().fit(X, y)
        self.classes_ = self._net.classes_
        return self


def test_a_model_that_says_that_it_is_unfitted_is_believed(outbreak):
    model = Honest()
    corrector = around(model).fit(outbreak.X, outbreak.y)
    assert corrector.estimator_ is not model
    assert not hasattr(model, "_net")
    assert clone(corrector).estimator is not model


def test_a_frozen_model_that_was_never_fitted(outbreak):
    with pytest.raises(NotFittedError):
        around(FrozenEstimator(LogisticRegression())).fit(outbreak.X, outbreak.y)


# --- labels in a column ---------------------------------------------------------------


class Columnar(Hidden):
    """Predicts a column of shape (n_rows, 1)."""

    def predict(self, X):
        return super().predict(X)[:, None]


class Scoreless(Columnar):
    """And has no scores."""

    predict_proba = property()


@pytest.mark.parametrize("kind", [Columnar, Scoreless])
def test_labels_in_a_column_are_labels(outbreak, kind):
    model = kind()
    model._net = outbreak.model
    corrector = around(model, features="input").fit(outbreak.X, outbreak.y)
    plain = around(outbreak.model, features="input").fit(outbreak.X, outbreak.y)
    assert corrector.report_.n_errors == plain.report_.n_errors
    assert_array_equal(corrector.predict(outbreak.X_new), plain.predict(outbreak.X_new))
