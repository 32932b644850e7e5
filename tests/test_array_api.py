"""Rows of other libraries and devices: the same answers, where the rows are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import array_api_strict as strict
import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rarecorrect import ErrorCorrector, FisherDetector, array_api, certify, decisions
from rarecorrect.array_api import as_numpy, beside, is_elsewhere
from rarecorrect.decisions import above_raw_threshold
from rarecorrect.detectors import IntervalDetector
from rarecorrect.rule import Rule
from rarecorrect.tail_scale import TailScale


class Library(NamedTuple):
    """Where rows are made, and how close answers come to those of float64."""

    array: Callable[[Any], Any]
    double: bool
    close: float


def on_strict(device: str) -> Callable[[Any], Any]:
    there = strict.Device(device)

    def array(values: Any) -> Any:
        values = np.asarray(values)
        if device == "no_float64" and values.dtype == np.float64:
            values = values.astype(np.float32)
        return strict.asarray(values, device=there)

    return array


def on_torch(dtype: str) -> Callable[[Any], Any]:
    def array(values: Any) -> Any:
        import torch

        values = np.asarray(values)
        return torch.asarray(
            values.astype(dtype) if values.dtype.kind == "f" else values
        )

    return array


LIBRARIES = {
    # NumPy cannot read arrays of such a device unless they are moved
    "strict": Library(on_strict("device1"), True, 1e-10),
    "strict, no float64": Library(on_strict("no_float64"), False, 1e-4),
    "torch": Library(on_torch("float64"), True, 1e-10),
    "torch, float32": Library(on_torch("float32"), True, 1e-4),
}


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.needs_torch if "torch" in name else ())
        for name in LIBRARIES
    ]
)
def library(request: pytest.FixtureRequest) -> Library:
    return LIBRARIES[request.param]


@pytest.fixture(autouse=True)
def dispatch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # scikit-learn insists
    with sklearn.config_context(array_api_dispatch=True):
        yield


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of all that was brought to NumPy."""
    shapes = []

    def spy(array: Any) -> Any:
        shapes.append(tuple(array.shape))
        return moved_to_numpy(array)

    moved_to_numpy = array_api.moved_to_numpy
    monkeypatch.setattr(array_api, "moved_to_numpy", spy)
    return shapes


def rows_of(n: int = 20_000, p: int = 12) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    y = np.arange(n) % 400 == 399
    return rng.normal(size=(n, p)) @ rng.normal(size=(p, p)) + 3 + 2 * y[:, None], y


def assert_there(found: Any, rows: Any) -> None:
    assert type(found) is type(rows)
    assert found.device == rows.device


def test_a_detector_fits_and_scores_rows_where_they_are(library, moved):
    Z, y = rows_of()
    plain = FisherDetector().fit(Z, y)
    rows = library.array(Z)
    detector = FisherDetector().fit(rows, library.array(y))
    scores = detector.decision_function(rows)
    assert max(np.prod(shape) for shape in moved) <= len(Z)  # never rows by features
    assert_there(scores, rows)
    expected = plain.decision_function(Z)
    assert_allclose(as_numpy(scores), expected, atol=library.close)
    labels = detector.predict(rows)
    assert_there(labels, rows)
    unsure = np.abs(expected) < library.close
    assert_array_equal(as_numpy(labels)[~unsure], plain.predict(Z)[~unsure])


def test_what_is_fitted_is_numpy_in_float64_and_scores_rows_of_every_library(library):
    Z, y = rows_of()
    detector = FisherDetector().fit(library.array(Z), y)
    assert type(detector.coef_) is np.ndarray
    assert detector.coef_.dtype == detector.moments_[0].scatter.dtype == np.float64
    scores = detector.decision_function(library.array(Z))
    assert "float64" in str(scores.dtype) or not library.double
    home = detector.decision_function(Z)
    assert type(home) is np.ndarray
    assert_allclose(as_numpy(scores), home, atol=library.close)


@pytest.mark.parametrize("options", [{"n_clusters": 2}, {"sphere": True}])
def test_several_clusters_and_the_sphere_work_on_the_cpu(library, options):
    Z, y = rows_of(4000)
    rows = library.array(Z)
    detector = FisherDetector(**options, random_state=0).fit(rows, library.array(y))
    plain = FisherDetector(**options, random_state=0).fit(as_numpy(rows), y)
    scores = detector.decision_function(rows)
    assert_there(scores, rows)
    assert_allclose(
        as_numpy(scores), plain.decision_function(as_numpy(rows)), atol=1e-5
    )


def test_other_detectors_work_on_the_cpu(library):
    Z, y = rows_of(4000)
    rows = library.array(Z)
    detector = IntervalDetector().fit(rows, library.array(y))
    plain = IntervalDetector().fit(as_numpy(rows), y)
    scores = detector.decision_function(rows)
    assert_there(scores, rows)
    assert_allclose(
        as_numpy(scores), plain.decision_function(as_numpy(rows)), atol=1e-6
    )


def test_weights_and_text_labels(library):
    Z, y = rows_of()
    w = np.random.default_rng(1).uniform(0.5, 1.5, size=len(Z))
    plain = FisherDetector().fit(Z, y, w)
    words = np.where(y, "wrong", "ok")
    detector = FisherDetector().fit(library.array(Z), words, library.array(w))
    size = np.abs(plain.coef_).max()
    assert_allclose(detector.coef_, plain.coef_, atol=library.close * size)
    found = detector.predict(library.array(Z))
    assert type(found) is np.ndarray
    assert set(found) == {"wrong", "ok"}


def test_learning_in_parts_is_learning_at_once(library):
    Z, y = rows_of()
    rows, whole = library.array(Z), FisherDetector().fit(library.array(Z), y)
    parts = FisherDetector()
    for part in (slice(0, 9000), slice(9000, None)):
        parts.partial_fit(rows[part, :], library.array(y[part]), classes=[False, True])
    assert_allclose(parts.coef_, whole.coef_, rtol=1e-3)


def test_one_row_that_is_not_finite_is_refused(library):
    Z, y = rows_of(500)
    Z[7, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        FisherDetector().fit(library.array(Z), y)


def test_certificates_are_those_of_numpy(library):
    rng = np.random.default_rng(0)
    # as every device holds them
    scores = rng.normal(size=3000).astype(np.float32).astype(float)
    weights = rng.uniform(0.5, 1, size=3000).astype(np.float32).astype(float)
    pairs, days = np.arange(3000) // 2, np.arange(3000) // 60

    def thresholds(at: Callable[[Any], Any]) -> list[float]:
        s = at(scores)
        strata = certify.stratified_thresholds(s, at(pairs % 2), 0.02)
        made = [
            certify.certified_threshold(s, 0.01),
            certify.certified_threshold(s, 0.01, groups=at(pairs)),
            certify.alert_threshold(s, 0.01, sampling_weight=at(weights)),
            certify.daily_threshold(s, at(days), cap=3),
            *strata.values(),
        ]
        assert all(certificate.certified for certificate in made)
        tails = certify.ScoreTails.of(s, at(days), most=1)
        band = certify.Band.of(s)
        found = [certificate.threshold for certificate in made]
        return [*found, *strata, *tails.scores, *band.thresholds]

    assert thresholds(library.array) == thresholds(np.asarray)


def test_a_nan_among_the_scores_is_refused(library):
    with pytest.raises(ValueError, match="1 of 3 calibration scores are NaN"):
        certify.certified_threshold(library.array([0.0, np.nan, 1.0]), 0.1)


@pytest.mark.parametrize("sizes", [1.0, np.geomspace(1e-3, 1e3, 12)])
def test_rows_that_fire_are_found_where_they_are(library, moved, sizes):
    Z, _ = rows_of()
    Z[5, 2], Z[6, 1] = np.nan, np.inf
    rows = library.array(Z * sizes)
    known = as_numpy(rows)
    rng, moved[:] = np.random.default_rng(1), []
    forms = rng.normal(size=(12, 3)) / np.reshape(sizes, (-1, 1))
    scales = [TailScale.from_scores(known[10:] @ w) for w in forms.T]
    rules = [
        Rule(f"to {i}", i, None, scale, coef=forms[:, i])
        for i, scale in enumerate(scales)
    ]
    labels, limits = np.arange(len(Z)) % 2, np.full(len(Z), 5.0)
    found = above_raw_threshold(rules, rows, labels, limits)
    assert max(np.prod(shape) for shape in moved) <= len(Z)  # never rows by features
    assert_array_equal(found, above_raw_threshold(rules, known, labels, limits))
    assert 10 < found.sum() < 2000


@pytest.mark.parametrize(
    "legacy",
    [
        LinearDiscriminantAnalysis(),
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
)
@pytest.mark.parametrize("features", ["auto", "input"])
def test_a_corrector_is_that_of_numpy(library, outbreak, moved, legacy, features):
    known, right = outbreak.X, outbreak.y
    old = np.flatnonzero(right != 2)[:300]
    X, y = np.tile(known[300:], (8, 1)), np.tile(right[300:], 8)
    X = X + np.random.default_rng(0).normal(scale=0.1, size=X.shape)
    plain_model = sklearn.base.clone(legacy).fit(known[old], right[old])
    plain = ErrorCorrector(plain_model, features=features, random_state=0)
    plain.fit(X, y)
    at = library.array
    with np.errstate(invalid="ignore"):  # scaling, in array-api-strict
        model = sklearn.base.clone(legacy).fit(at(known[old]), at(right[old]))
    corrector = ErrorCorrector(model, features=features, random_state=0)
    corrector.fit(at(X), at(y))
    new = outbreak.X_new
    expected, trace = plain.predict(new), plain.trace(new)
    clear = np.abs(trace["margin"].to_numpy()) > library.close * 100
    moved.clear()
    labels = corrector.predict(at(new))
    assert_there(labels, at(new))
    assert new.shape not in moved  # rows by features
    assert_array_equal(as_numpy(labels)[clear], expected[clear])
    assert trace["changed"].sum() > 20
    shares = corrector.predict_proba(at(new))
    assert_there(shares, at(new))
    assert_allclose(
        as_numpy(shares)[clear],
        plain.predict_proba(new)[clear],
        atol=max(library.close, 1e-9) * 10,
    )
    assert_there(corrector.decision_function(at(new)), at(new))
    given = corrector.rules_.certificate()
    assert given is not None
    assert given.n_calibration == plain.rules_.certificate().n_calibration
    assert abs(given.threshold - plain.rules_.certificate().threshold) < 0.01
    assert_array_equal(corrector.trace(at(new))["after"], as_numpy(labels))
    again = corrector.certify(at(new), at(outbreak.y_new)).rules_.certificate()
    assert again is not None
    n_right = np.sum(as_numpy(model.predict(at(new))) == outbreak.y_new)
    assert again.n_calibration == n_right


def test_an_unfitted_legacy_model_is_fitted_where_the_rows_are(library, outbreak):
    X, y = library.array(outbreak.X), library.array(outbreak.y)
    model = LinearDiscriminantAnalysis()
    corrector = ErrorCorrector(model, max_damage=0.1, random_state=0).fit(X, y)
    assert is_elsewhere(corrector.estimator_.coef_)
    assert_there(corrector.predict(X), X)


@pytest.mark.needs_torch
def test_without_dispatch_tensors_become_numpy():
    import torch

    Z, y = rows_of(2000)
    with sklearn.config_context(array_api_dispatch=False):
        detector = FisherDetector().fit(torch.asarray(Z), torch.asarray(y))
        scores = detector.decision_function(torch.asarray(Z))
    assert type(scores) is np.ndarray
    assert_array_equal(scores, FisherDetector().fit(Z, y).decision_function(Z))


def test_dispatch_leaves_numpy_alone():
    Z, y = rows_of(2000)
    detector = FisherDetector().fit(Z, y)
    with sklearn.config_context(array_api_dispatch=False):
        plain = FisherDetector().fit(Z, y)
    assert_array_equal(detector.coef_, plain.coef_)
    assert type(detector.predict(Z)) is np.ndarray
    assert beside(y, Z) is y


def test_nothing_of_this_is_loaded_unless_it_is_used():
    code = (
        "import sys, sklearn; sklearn.set_config(array_api_dispatch=True)\n"
        "import rarecorrect\n"
        "assert not {'torch', 'array_api_strict'} & set(sys.modules)\n"
        "import array_api_strict as xp, numpy as np\n"
        "Z = np.random.default_rng(0).normal(size=(500, 3)); Z[:5] += 4\n"
        "rows = xp.asarray(Z, device=xp.Device('device1'))\n"
        "found = rarecorrect.FisherDetector().fit(rows, np.arange(500) < 5)\n"
        "print(found.decision_function(rows).device)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "device1" in ran.stdout


def test_small_tables_are_looked_at_in_numpy(library):
    Z, _ = rows_of(decisions._FEWEST_ROWS - 1)
    rule = Rule("to 1", 1, None, TailScale.from_scores(Z[:, 0]), coef=np.eye(12)[0])
    zeros, limits = np.zeros(len(Z), dtype=int), np.full(len(Z), 3.0)
    found = above_raw_threshold([rule], library.array(Z), zeros, limits)
    known = as_numpy(library.array(Z))
    assert_array_equal(found, above_raw_threshold([rule], known, zeros, limits))
    assert found.any()
