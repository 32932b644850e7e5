"""FisherDetector against the formulas written out, without whitening or folding."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from rarecorrect.detectors import FisherDetector
from rarecorrect.tail_scale import TailScale
from rarecorrect.whitening import shrinkage_intensity

MIXING = np.random.default_rng(7).normal(size=(8, 8)) * [1, 10, 1, 1, 1e-2, 1, 1, 1]


def cases(n_right=600, n_errors=30, p=6, shift=1.5, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    mixing = MIXING[:p, :p] if p <= 8 else np.eye(p)
    right = rng.normal(size=(n_right, p)) @ mixing + 3
    errors = (0.5 * rng.normal(size=(n_errors, p)) + shift) @ mixing + 3
    rows = np.vstack([right, errors]).astype(dtype)
    return rows, np.arange(len(rows)) >= n_right


def two_clusters(seed=0):
    rng = np.random.default_rng(seed)
    right = rng.normal(size=(500, 4))
    far = [rng.normal(size=(n, 4)) * 0.3 + c for n, c in ((30, 5), (10, -5))]
    return np.vstack([right, *far]), np.arange(540) >= 500


def intensity(values, n, shrinkage="oas"):
    return shrinkage_intensity(
        shrinkage, values.size, values.sum(), (values**2).sum(), n
    )


def plain_fisher(right, errors, *, shrinkage="oas", kept=None):
    """Weights by the formulas of the method, with no whitening matrix in sight.

    With W W' = M, the folded weights W (W'AW + r I)^-1 W'd are (M A + r I)^-1 M d,
    and the eigenvalues of W'AW are those of M A.
    """
    n, p = errors.shape
    centre, sd = right.mean(axis=0), right.std(axis=0)
    values, vectors = np.linalg.eigh(np.corrcoef(right.T).reshape(p, p))
    amount = intensity(values, len(right), shrinkage)
    shrunk = (1 - amount) * values + amount * values.mean()
    values, vectors = shrunk[::-1][:kept], vectors[:, ::-1][:, :kept]
    m = (vectors / values) @ vectors.T / np.outer(sd, sd)
    k = values.size
    delta = errors.mean(axis=0) - centre
    weights = m @ delta
    if n > 1:
        own = m @ np.cov(errors.T, bias=True).reshape(p, p)
        level = np.trace(own) / k
        values = np.sort(np.linalg.eigvals(own).real)[::-1][:k]
        amount = intensity(values, n, shrinkage)
        ridge = 1 + amount * level + 1e-3 * (1 + level)
        weights = np.linalg.solve((1 - amount) * own + ridge * np.eye(p), weights)
    whitened_length = np.sqrt(weights @ np.linalg.pinv(m) @ weights)
    return weights / whitened_length, weights @ (centre + delta / 2) / whitened_length


def fitted(rows, is_error, **options):
    return FisherDetector(**options).fit(rows, is_error)


@pytest.mark.parametrize("n_errors", [1, 2, 5, 6, 200])
@pytest.mark.parametrize(
    "options", [{}, {"shrinkage": 0.0}, {"shrinkage": 0.5}, {"n_components": 3}]
)
def test_one_cluster_is_the_plain_formula(n_errors, options):
    rows, is_error = cases(n_errors=n_errors)
    weights, middle = plain_fisher(
        rows[~is_error],
        rows[is_error],
        shrinkage=options.get("shrinkage", "oas"),
        kept=options.get("n_components"),
    )
    detector = fitted(rows, is_error, **options)
    size = np.abs(weights).max()
    assert_allclose(detector.coef_[0], weights, rtol=1e-6, atol=1e-7 * size)
    plain = rows @ weights - middle
    assert_allclose(detector.decision_function(rows), plain, atol=1e-6)


def test_one_error_gives_its_own_whitened_direction():
    rows, is_error = cases(n_errors=1)
    detector = fitted(rows, is_error)
    white = detector.whitening_.transform(rows)
    own = white[-1] / np.linalg.norm(white[-1])
    middle = np.linalg.norm(white[-1]) / 2
    assert_allclose(detector.decision_function(rows), white @ own - middle, atol=1e-9)


def test_scores_are_one_product_with_the_folded_form():
    rows, is_error = cases()
    detector = fitted(rows, is_error)
    product = rows @ detector.coef_[0] + detector.intercept_[0]
    assert detector.coef_.shape == (1, 6)
    assert_allclose(detector.decision_function(rows), product, atol=1e-9)


def test_predict_cuts_half_way_between_the_projected_means():
    rows, is_error = cases()
    detector = fitted(rows, is_error)
    scores = detector.decision_function(rows)
    means = [scores[is_error == side].mean() for side in (False, True)]
    assert_allclose(sum(means), 0, atol=1e-9)
    assert means[1] > 0
    assert_array_equal(detector.predict(rows), scores > 0)


@pytest.mark.parametrize(
    "labels", [(0, 1), (-1, 1), ("ok", "wrong"), (False, True), (1.0, 2.0)]
)
def test_the_larger_label_marks_errors(labels):
    rows, is_error = cases(shift=5)
    y = np.array(labels)[is_error.astype(int)]
    detector = fitted(rows, y)
    assert_array_equal(detector.classes_, labels)
    assert detector.score(rows, y) == 1.0


def projections(rows, is_error, detector):
    return rows @ detector.coef_.T + detector.intercept_


def test_union_is_the_largest_tail_rank_of_the_clusters():
    rows, is_error = two_clusters()
    detector = fitted(rows, is_error, n_clusters=2, random_state=0)
    scores = projections(rows, is_error, detector)
    share = np.log(detector.cluster_weights_ / 40)
    scaled = [
        TailScale.from_scores(s[~is_error])(s) + a
        for s, a in zip(scores.T, share, strict=True)
    ]
    expected = np.max(scaled, axis=0)
    found = detector.decision_function(rows)
    assert_allclose(found - found[0], expected - expected[0], atol=1e-9)
    assert sorted(detector.cluster_weights_) == [10, 30]


def test_each_cluster_has_the_plain_direction_of_its_own_errors():
    rows, is_error = two_clusters()
    detector = fitted(rows, is_error, n_clusters=2, random_state=0)
    right, errors = rows[~is_error], rows[is_error]
    large = np.argmax(detector.cluster_weights_)
    for cluster, own in ((large, errors[:30]), (1 - large, errors[30:])):
        weights, _ = plain_fisher(right, own)
        assert_allclose(detector.coef_[cluster], weights, rtol=1e-6)


def test_two_opposite_clusters_need_two_discriminants():
    rows, is_error = two_clusters()
    one = fitted(rows, is_error).score(rows, is_error)
    two = fitted(rows, is_error, n_clusters=2, random_state=0).score(rows, is_error)
    assert one < 0.98
    assert two > 0.99


def test_nearest_asks_the_cluster_with_the_nearest_centroid():
    rows, is_error = two_clusters()
    options = {"n_clusters": 2, "random_state": 0, "dispatcher": "nearest"}
    detector = fitted(rows, is_error, **options)
    white = detector.whitening_.transform(rows)
    errors = white[is_error]
    centres = np.array([errors[:30].mean(axis=0), errors[30:].mean(axis=0)])
    if detector.cluster_weights_[0] == 10:
        centres = centres[::-1]
    nearest = np.linalg.norm(white[:, None] - centres, axis=2).argmin(axis=1)
    scores = projections(rows, is_error, detector)
    scaled = np.column_stack(
        [
            TailScale.from_scores(s[~is_error])(s) + np.log(w / 40)
            for s, w in zip(scores.T, detector.cluster_weights_, strict=True)
        ]
    )
    expected = scaled[np.arange(len(rows)), nearest]
    found = detector.decision_function(rows)
    assert_allclose(found - found[0], expected - expected[0], atol=1e-9)


def test_the_sphere_scores_directions_only():
    rows, is_error = cases(n_errors=40)
    detector = fitted(rows, is_error, sphere=True)
    white = detector.whitening_.transform(rows)
    ball = white / np.linalg.norm(white, axis=1, keepdims=True)
    right, errors = ball[~is_error], ball[is_error]
    own = np.cov(errors.T, bias=True)
    amount = intensity(np.linalg.eigvalsh(own), 40)
    own = (1 - amount) * own + amount * np.trace(own) / 6 * np.eye(6)
    spread = np.cov(right.T, bias=True) + own
    spread += 1e-3 * np.trace(spread) / 6 * np.eye(6)
    w = np.linalg.solve(spread, errors.mean(axis=0) - right.mean(axis=0))
    expected = ball @ (w / np.linalg.norm(w))
    found = detector.decision_function(rows)
    assert_allclose(found - found[0], expected - expected[0], atol=1e-8)
    along = rows[~is_error][:1] - detector.whitening_.mean
    stretched = detector.whitening_.mean + along * np.array([[1.0], [10.0]])
    near, far = detector.decision_function(stretched)
    assert_allclose(near, far)


@pytest.mark.parametrize("n_clusters", [1, 3])
@pytest.mark.parametrize("sphere", [False, True])
def test_float32_agrees_with_float64(n_clusters, sphere):
    rows, is_error = cases(n_errors=60)
    options = {"n_clusters": n_clusters, "sphere": sphere, "random_state": 0}
    wide = fitted(rows, is_error, **options).decision_function(rows)
    small = rows.astype(np.float32)
    narrow = fitted(small, is_error, **options).decision_function(small)
    assert_allclose(narrow, wide, atol=5e-3 * np.ptp(wide))
    assert np.corrcoef(narrow, wide)[0, 1] > 0.99999


def test_a_weight_is_a_repetition():
    rows, is_error = cases(n_right=100, n_errors=10)
    w = np.random.default_rng(0).integers(0, 4, size=len(rows))
    weighted = FisherDetector().fit(rows, is_error, sample_weight=w)
    repeated = fitted(np.repeat(rows, w, axis=0), np.repeat(is_error, w))
    assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-8)
    assert_allclose(weighted.intercept_, repeated.intercept_, rtol=1e-8)


def test_a_weight_is_a_repetition_with_clusters_too():
    rows, is_error = two_clusters()
    w = np.random.default_rng(0).integers(0, 4, size=len(rows))
    options = {"n_clusters": 2, "random_state": 0}
    weighted = FisherDetector(**options).fit(rows, is_error, sample_weight=w)
    repeated = fitted(np.repeat(rows, w, axis=0), np.repeat(is_error, w), **options)
    assert_allclose(
        weighted.decision_function(rows), repeated.decision_function(rows), rtol=1e-6
    )


@given(cuts=st.lists(st.integers(1, 629), min_size=1, max_size=4, unique=True))
def test_partial_fit_on_parts_is_one_fit(cuts):
    rows, is_error = cases()
    order = np.random.default_rng(1).permutation(len(rows))
    rows, is_error = rows[order], is_error[order]
    parts = FisherDetector()
    for part in np.split(np.arange(len(rows)), sorted(cuts)):
        parts.partial_fit(rows[part], is_error[part], classes=[False, True])
    whole = fitted(rows, is_error)
    assert_allclose(parts.coef_, whole.coef_, rtol=1e-7)
    assert_allclose(parts.intercept_, whole.intercept_, rtol=1e-7)


def test_partial_fit_waits_for_both_classes():
    rows, is_error = cases()
    detector = FisherDetector()
    detector.partial_fit(rows[~is_error], is_error[~is_error], classes=[False, True])
    with pytest.raises(NotFittedError):
        detector.predict(rows)
    detector.partial_fit(rows[is_error], is_error[is_error])
    assert_allclose(detector.coef_, fitted(rows, is_error).coef_, rtol=1e-7)


def test_partial_fit_refuses_labels_it_was_not_told_of():
    rows, is_error = cases()
    detector = FisherDetector().partial_fit(rows, is_error.astype(int))
    with pytest.raises(ValueError, match=r"\{7\}.*not in classes"):
        detector.partial_fit(rows, np.full(len(rows), 7))


@pytest.mark.parametrize("options", [{"n_clusters": 2}, {"sphere": True}])
def test_no_partial_fit_where_all_rows_are_needed_at_once(options):
    assert hasattr(FisherDetector(), "partial_fit")
    assert not hasattr(FisherDetector(**options), "partial_fit")


@given(
    scale=st.lists(st.floats(1e-3, 1e3), min_size=6, max_size=6),
    shift=st.floats(-100, 100),
    n_errors=st.sampled_from([1, 3, 20]),
)
def test_units_of_the_features_do_not_matter(scale, shift, n_errors):
    rows, is_error = cases(n_right=200, n_errors=n_errors)
    plain = fitted(rows, is_error).decision_function(rows)
    other = rows * scale + shift
    found = fitted(other, is_error).decision_function(other)
    assert_allclose(found, plain, rtol=1e-4, atol=1e-4 * np.ptp(plain))


def test_constant_features_change_nothing():
    rows, is_error = cases()
    wider = np.column_stack([rows, np.full(len(rows), 0.1)])
    plain = fitted(rows, is_error).decision_function(rows)
    found = fitted(wider, is_error).decision_function(wider)
    assert_allclose(found, plain, atol=1e-8)


def test_a_flag_that_only_errors_have_gives_them_away():
    rows, is_error = cases(shift=0.0)
    flagged = np.column_stack([rows, is_error])
    scores = fitted(flagged, is_error).decision_function(flagged)
    assert scores[is_error].min() > scores[~is_error].max()


def test_all_features_constant_scores_all_rows_alike():
    rows = np.ones((20, 3))
    scores = fitted(rows, np.arange(20) >= 15).decision_function(rows)
    assert_array_equal(scores, np.zeros(20))


@pytest.mark.parametrize("shrinkage", ["oas", 0.0])
def test_collinear_features_do_not_hurt(shrinkage):
    rows, is_error = cases(shift=5)
    doubled = np.column_stack([rows, rows[:, :2], rows[:, 0] - rows[:, 1]])
    detector = fitted(doubled, is_error, shrinkage=shrinkage)
    assert detector.score(doubled, is_error) == 1.0


@pytest.mark.parametrize("n_errors", [1, 5])
def test_more_features_than_rows(n_errors):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1030 + n_errors, 60))
    rows[1030:] += 1.0
    is_error = np.arange(len(rows)) >= 1030
    known = np.r_[0:30, 1030 : len(rows)]  # 30 right decisions in 60 dimensions
    scores = fitted(rows[known], is_error[known]).decision_function(rows)
    assert scores[is_error].min() > np.quantile(scores[30:1030], 0.95)


@pytest.mark.parametrize("n_errors", [1, 2, 3])
@pytest.mark.parametrize("dispatcher", ["union", "nearest"])
def test_more_clusters_than_errors(n_errors, dispatcher):
    rows, is_error = cases(n_errors=n_errors, shift=5)
    options = {"n_clusters": 9, "dispatcher": dispatcher, "random_state": 0}
    detector = fitted(rows, is_error, **options)
    assert len(detector.coef_) <= n_errors
    assert detector.predict(rows)[is_error].all()


def test_equal_errors_are_one_cluster():
    rows = cases(n_errors=1)[0]
    rows = np.vstack([rows, rows[-1:], rows[-1:]])
    detector = fitted(rows, np.arange(len(rows)) >= 600, n_clusters=3, random_state=0)
    assert detector.cluster_weights_.tolist() == [3]


@pytest.mark.parametrize("options", [{}, {"n_clusters": 3}, {"sphere": True}])
def test_the_same_seed_gives_the_same_bytes(options):
    rows, is_error = cases()
    a, b = (
        fitted(rows, is_error, random_state=3, **options).decision_function(rows)
        for _ in range(2)
    )
    assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("n_clusters", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0, 1e4, 1e6])
def test_scores_of_a_row_do_not_depend_on_its_company(n_clusters, dtype, offset):
    rows, is_error = cases()
    rows = (rows + offset).astype(dtype)  # in float32 a sum of these is all rounding
    detector = fitted(rows, is_error, n_clusters=n_clusters, random_state=0)
    whole = detector.decision_function(rows)
    for size in (1, 7):
        parts = [detector.decision_function(rows[i : i + size]) for i in range(0, 50)]
        alone = [part[0] for part in parts]
        assert_allclose(alone, whole[:50], rtol=0, atol=1e-8 * np.ptp(whole))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dispatcher": "vote"}, "'union' or 'nearest', got 'vote'"),
        ({"n_clusters": 0}, "n_clusters must be a whole number, 1 or more, got 0"),
        ({"n_components": "most"}, "'most'"),
        ({"shrinkage": 2}, "got 2"),
    ],
)
def test_wrong_parameters_are_quoted(options, message):
    with pytest.raises(ValueError, match=message):
        fitted(*cases(), **options)


def test_one_class_is_refused_by_name():
    rows, is_error = cases()
    with pytest.raises(ValueError, match=r"right decisions and errors.*1 class"):
        fitted(rows[~is_error], is_error[~is_error])
    with pytest.raises(ValueError, match=r"weights are 600 and 0"):
        FisherDetector().fit(rows, is_error, sample_weight=1.0 * ~is_error)


def test_fit_makes_no_float64_copy_of_the_whole():
    rows = np.random.default_rng(0).standard_normal((200_000, 64), dtype=np.float32)
    is_error = np.arange(len(rows)) < 100
    detector = clone(FisherDetector())
    tracemalloc.start()
    detector.fit(rows, is_error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * rows.nbytes


@pytest.mark.parametrize("value", ["two", None, 1.5, 0])
def test_the_number_of_clusters_is_a_whole_number(value):
    rows, is_error = cases()
    with pytest.raises(ValueError, match="n_clusters must be a whole number"):
        FisherDetector(n_clusters=value).fit(rows, is_error)
