"""Rows that are forgotten: what is left is what there would be without them."""

from __future__ import annotations

import hmac
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from rarecorrect import FisherDetector, NotCertifiedWarning
from rarecorrect.certify import certified_threshold
from rarecorrect.files import load, save
from rarecorrect.tail_scale import TailScale
from rarecorrect.verify import verify

from .helpers import fitted, quietly

N = 1200


def some(data, n=60, seed=1, *, corrector=None, side=None, **_):
    """Rows to forget: errors, right decisions that taught, and some that calibrated."""
    gone = np.zeros(len(data.y), dtype=bool)
    gone[np.random.default_rng(seed).permutation(len(data.y))[:n]] = True
    groups = (side or {}).get("groups")
    if groups is not None:  # their errors taught nothing, and would without the others
        wrong = data.model.predict(data.X) != data.y
        calibrates = np.isin(groups, groups[corrector.calibration_indices_])
        gone &= ~(calibrates & np.isin(groups, groups[wrong]))
    return gone


def never_seen(data, corrector, gone, **options):
    """Fitted to the other rows, which do what they did."""
    calibrates = np.zeros(len(data.y), dtype=bool)
    calibrates[corrector.calibration_indices_] = True
    side = dict(options.pop("side", {}), calibration_mask=calibrates)
    left = {name: values[~gone] for name, values in side.items()}
    return fitted(data, rows=~gone, side=left, **options)


def with_background_of(other, corrector):
    """What a book keeps of right decisions is drawn at random: take the same."""
    known = corrector.rules_.background
    known = replace(known, origin=other.rules_.origin)
    return other.with_rules(replace(other.rules_, background=known))


def parts_of(corrector):
    """All numbers that a corrector and its book hold, by name."""
    found = {
        "taught": np.sort(corrector._taught),
        "calibrated": np.sort(corrector._calibrated),
        "usual": corrector._usual.means,
        "counts": corrector._usual.counts,
    }
    for rule in corrector.rules_:
        for name in ("coef", "intercept", "log_share", "keys"):
            found[f"{rule.name}: {name}"] = getattr(rule, name)
        for name in ("weight", "mean", "scatter"):
            for i, moments in enumerate(rule.detector.moments_):
                found[f"{rule.name}: {name} {i}"] = getattr(moments, name)
    return {name: value for name, value in found.items() if value is not None}


def scales_of(corrector):
    """What hangs on the sample that the book keeps, and on the rows that calibrated."""
    found = {}
    for rule in corrector.rules_:
        for name in ("worth", "left_out"):
            found[f"{rule.name}: {name}"] = getattr(rule, name)
        found[f"{rule.name}: scale"] = rule.scale(np.linspace(-5, 15, 50))
    for entry in corrector.rules_.entries:
        found["delta"], found["scores"] = entry.delta, entry.scores
        for stratum, made in entry.certificates.items():
            found[f"{stratum}: threshold"] = made.threshold
            found[f"{stratum}: units"] = made.units
            found[f"{stratum}: level"] = made.confidence_level
    return found


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert_allclose(value, other[name], rtol=1e-8, atol=1e-9, err_msg=name)


def counts_of(corrector):
    book = corrector.rules_
    of_rules = [
        (rule.name, rule.n_errors, rule.n_background, rule.case_ids) for rule in book
    ]
    report = corrector.report_
    of_fit = (report.n_errors, report.n_background, report.n_calibration)
    return of_rules, of_fit, [entry.fingerprint for entry in book.entries]


WAYS = {
    "as it comes": {},
    "errors kept": {"keep_errors": True},
    "flags": {"action": "flag"},
    "some pairs": {"confusions": [(0, 2), 2, 0, 1]},
    "by class": {"per": "class", "max_damage": 0.1},
    "groups": {"side": {"groups": np.arange(N) // 2}, "max_damage": 0.1},
    "fixed shrinkage": {"detector": FisherDetector(shrinkage=0.1)},
}


@pytest.fixture(params=WAYS, scope="module")
def way(request):
    return WAYS[request.param]


def test_what_is_left_is_what_there_would_be(outbreak, way):
    side = {"case_id": np.arange(N).astype(str), **way.get("side", {})}
    way = {**way, "side": side}
    corrector = fitted(outbreak, **way)
    gone = some(outbreak, corrector=corrector, **way)
    kinds = corrector.calibration_indices_, outbreak.model.predict(outbreak.X)
    assert gone[kinds[0]].any()
    assert (gone & (kinds[1] != outbreak.y)).any()
    left = corrector.forget(outbreak.X[gone], outbreak.y[gone])
    other = never_seen(outbreak, corrector, gone, **way)
    if "groups" in side:  # a group of which one row is left is a group all the same
        assert left.report_.n_calibration < corrector.report_.n_calibration
    assert counts_of(left) == counts_of(other)
    for old, new in zip(corrector.rules_, left.rules_, strict=True):
        assert new.identity != old.identity  # a digest of the errors, among others
    assert_same(parts_of(left), parts_of(other))
    assert left.rules_.certified


def test_what_was_fitted_on_the_sample_too(outbreak, way):
    """Scales are those of the book's sample: refitted, they are without a trace."""
    corrector = fitted(outbreak, **way)
    gone, again = (some(outbreak, seed=i, corrector=corrector, **way) for i in (1, 2))
    again &= ~gone
    left = corrector.forget(outbreak.X[gone], outbreak.y[gone])
    other = never_seen(outbreak, corrector, gone, **way)
    other = with_background_of(other, left)
    rows = outbreak.X[again], outbreak.y[again]
    left, other = left.forget(*rows), other.forget(*rows)
    assert_same(scales_of(left), scales_of(other))
    assert_same(parts_of(left), parts_of(other))
    new = outbreak.X_new
    assert_array_equal(left.predict(new), other.predict(new))
    assert (left.trace(new)["changed"] | left.trace(new)["flagged"]).any()
    at_once = corrector.forget(outbreak.X[gone | again], outbreak.y[gone | again])
    assert_same(scales_of(left), scales_of(at_once))


@pytest.mark.parametrize("keep_errors", [False, True])
def test_clusters_stay_as_they_are(outbreak, keep_errors):
    detector = FisherDetector(n_clusters=2, random_state=0)
    options = {"detector": detector, "keep_errors": keep_errors}
    corrector, gone = fitted(outbreak, **options), some(outbreak)
    one = corrector.forget(outbreak.X[gone], outbreak.y[gone])
    gone_later = np.flatnonzero(gone)[::2], np.flatnonzero(gone)[1::2]
    two = corrector
    for rows in gone_later:
        two = two.forget(outbreak.X[rows], outbreak.y[rows])
    for a, b, old in zip(one.rules_, two.rules_, corrector.rules_, strict=True):
        assert_allclose(a.detector.coef_, b.detector.coef_, rtol=1e-8)
        assert_array_equal(a.detector.cluster_labels_, b.detector.cluster_labels_)
        kept = np.isin(old.keys, a.keys)
        assert_array_equal(
            old.detector.cluster_labels_[kept], a.detector.cluster_labels_
        )
        assert kept.sum() < kept.size
        weights = np.bincount(a.detector.cluster_labels_)
        assert_allclose(a.detector.cluster_weights_, weights)
    assert one.rules_.certified
    assert_array_equal(one.predict(outbreak.X_new), two.predict(outbreak.X_new))


def test_a_cluster_without_errors_goes(outbreak):
    detector = FisherDetector(n_clusters=2, random_state=0)
    corrector = fitted(outbreak, detector=detector, confusions=[2])
    [rule] = corrector.rules_
    wrong = (outbreak.y == 2) & (outbreak.model.predict(outbreak.X) != 2)
    gone = np.flatnonzero(wrong)[rule.detector.cluster_labels_ == 0]
    [left] = corrector.forget(outbreak.X[gone], outbreak.y[gone]).rules_
    assert left.detector.coef_.shape == (1, 5)
    assert_allclose(left.coef, left.detector.coef_[0])
    assert left.n_errors == wrong.sum() - gone.size
    assert rule.coef is None


@pytest.fixture(scope="module")
def corrected_by(outbreak):
    """Kept errors under ids of a kind."""

    def make(case_id):
        return fitted(outbreak, keep_errors=True, side={"case_id": case_id})

    return make


@pytest.mark.parametrize(
    "ids",
    [
        np.arange(N) + 7,
        np.array([f"case {i}" for i in range(N)]),
        np.array([f"c{i}" for i in range(N)], dtype=object),
    ],
    ids=["numbers", "texts", "objects"],
)
def test_errors_that_are_kept_are_known_by_their_ids(outbreak, corrected_by, ids):
    corrector = corrected_by(ids)
    wrong = np.flatnonzero(outbreak.model.predict(outbreak.X) != outbreak.y)[:9]
    by_rows = corrector.forget(outbreak.X[wrong], outbreak.y[wrong])
    for wanted in (ids[wrong], ids[wrong].tolist()):
        by_ids = corrector.forget(case_id=wanted)
        assert_same(parts_of(by_ids), parts_of(by_rows))
        assert_same(scales_of(by_ids), scales_of(by_rows))
    with pytest.raises(ValueError, match="no rule keeps an error with the case id"):
        by_ids.forget(case_id=ids[wrong])
    alone = corrector.forget(case_id=ids[wrong[0]])
    assert alone.report_.n_errors == corrector.report_.n_errors - 1


def test_ids_alone_do_not_do_where_no_error_is_kept(outbreak):
    corrector = fitted(outbreak, side={"case_id": np.arange(N)})
    assert all(rule.errors is None for rule in corrector.rules_)
    for ids in ([3], 3, None):
        with pytest.raises(ValueError, match=r"pass the rows, forget\(X, y\)"):
            corrector.forget(case_id=ids)
    for rows in ({"X": outbreak.X[:3]}, {"y": outbreak.y[:3]}):
        with pytest.raises(ValueError, match=r"and their true labels: forget\(X, y\)"):
            corrector.forget(**rows, case_id=[0, 1, 2])


def test_rows_of_which_nothing_is_held_are_named(outbreak, corrected):
    X, y = outbreak.X[:5].copy(), outbreak.y[:5].copy()
    left = corrected.forget(X, y)
    with pytest.raises(
        ValueError, match=r"rows 0, 1, 2, 3, 4 of 5 .* forgotten before"
    ):
        left.forget(X, y)
    X[3] += 1e-3
    with pytest.raises(ValueError, match="rows 3 of 5 taught no rule"):
        corrected.forget(X, y)
    with pytest.raises(ValueError, match=r"rows 0, 1, 2, 3, 4, \.\.\. of 9 taught"):
        corrected.forget(outbreak.X[:9] + 1, outbreak.model.predict(outbreak.X[:9] + 1))
    twice = [0, 1, 2, 2]
    with pytest.raises(ValueError, match="rows 3 of 4 taught"):
        corrected.forget(outbreak.X[twice], outbreak.y[twice])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        corrected.forget(outbreak.X[:5], y[:4])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        corrected.forget(outbreak.X[:5], y, case_id=[1, 2])
    wrong = outbreak.model.predict(outbreak.X) != outbreak.y
    first = np.flatnonzero(wrong)[0]
    label = outbreak.model.predict(outbreak.X[[first]])
    with pytest.raises(
        ValueError, match="rows 0 of 1 taught"
    ):  # it was no right decision
        corrected.forget(outbreak.X[[first]], label)


def test_the_corrector_itself_stays_as_it_was(outbreak):
    corrector = fitted(outbreak)
    book, before = corrector.rules_, corrector.predict(outbreak.X_new)
    taught, usual = corrector._taught.copy(), corrector._usual.means.copy()
    left = corrector.forget(outbreak.X[:50], outbreak.y[:50], author="ann")
    assert corrector.rules_ is book
    assert corrector.report_.book is book
    assert_array_equal(corrector.predict(outbreak.X_new), before)
    assert_array_equal(corrector._taught, taught)
    assert_array_equal(corrector._usual.means, usual)
    assert left.report_.book is left.rules_
    assert left.rules_.event.author == "ann"


def test_a_rule_whose_errors_are_all_forgotten_is_gone(outbreak):
    corrector = fitted(outbreak)
    wrong = (outbreak.y == 1) & (outbreak.model.predict(outbreak.X) != 1)
    left = corrector.forget(outbreak.X[wrong], outbreak.y[wrong])
    assert [rule.name for rule in left.rules_] == ["to 0", "to 2"]
    other = never_seen(outbreak, corrector, wrong)
    assert_same(parts_of(left), parts_of(other))
    wrong = outbreak.model.predict(outbreak.X) != outbreak.y
    with pytest.warns(NotCertifiedWarning):
        left = corrector.forget(outbreak.X[wrong], outbreak.y[wrong])
    assert len(left.rules_) == 0
    legacy = outbreak.model.predict(outbreak.X_new)
    assert_array_equal(left.predict(outbreak.X_new), legacy)


# --- versions and rules added later ---------------------------------------------------


def later_errors(data, n=30):
    found = np.flatnonzero(data.y_new == 2)[:n]
    return data.X_new[found], data.y_new[found]


@pytest.mark.parametrize("keep_errors", [False, True])
def test_rules_that_were_added_forget_as_well(outbreak, keep_errors):
    options = {"confusions": [0, 1], "keep_errors": keep_errors, "max_damage": 0.1}
    gone, corrector = some(outbreak), fitted(outbreak, **options)
    wrong = outbreak.model.predict(outbreak.X) != outbreak.y
    gone &= ~wrong | (outbreak.y != 2)  # those taught nothing
    X, y = later_errors(outbreak)
    both = corrector.add(X, y, case_id=np.arange(30))
    rows = np.vstack([outbreak.X[gone], X[:9]]), np.append(outbreak.y[gone], y[:9])
    left = both.forget(*rows)
    other = never_seen(outbreak, corrector, gone, **options)
    other = with_background_of(other, left)
    other = other.add(X[9:], y[9:], case_id=np.arange(9, 30))
    assert_same(parts_of(left), parts_of(other))
    ours, theirs = left.rules_["to 2"], other.rules_["to 2"]
    assert ours.case_ids == theirs.case_ids == tuple(range(9, 30))
    raw = np.linspace(-5, 15, 50)
    assert_allclose(ours.scaled(raw), theirs.scaled(raw), rtol=1e-8)
    if keep_errors:
        assert_allclose(ours.worth, theirs.worth)
        found = ours.left_out > -np.inf
        assert_allclose(ours.left_out[found], theirs.left_out[found], rtol=1e-8)
    else:
        assert np.isnan(ours.left_out).all()
        assert ours.worth == -np.inf
    assert left.rules_.certified
    assert_allclose([e.delta for e in left.rules_.entries], [0.04, 0.005])
    assert [e.certifies for e in left.rules_.entries] == [False, True]


def test_a_single_error_is_forgotten_with_its_rule(outbreak):
    corrector = fitted(outbreak, confusions=[0, 1])
    X, y = later_errors(outbreak, 1)
    both = corrector.add(X, y)
    left = both.forget(X, y)
    assert [rule.name for rule in left.rules_] == ["to 0", "to 1"]
    for old, new in zip(corrector.rules_, left.rules_, strict=True):
        assert new is old
    assert left.rules_.certified
    assert_allclose([e.delta for e in left.rules_.entries], [0.04, 0.005])


def test_the_sample_alone_is_the_scale_of_an_added_rule(outbreak):
    corrector = fitted(outbreak, confusions=[0, 1]).add(*later_errors(outbreak))
    sample = corrector.rules_.background.sample
    taught = right_that_taught(outbreak, corrector, n=None)
    Z = corrector.features_.read(outbreak.X[taught]).features
    gone = taught[(Z[:, None] == sample).all(axis=2).any(axis=1)][:20]
    left = corrector.forget(outbreak.X[gone], outbreak.y[gone])
    old, new = corrector.rules_["to 2"], left.rules_["to 2"]
    assert_allclose(new.coef, old.coef, rtol=1e-12)
    sample = left.rules_.background.sample
    expected = TailScale.from_scores(new.score(sample))
    assert_allclose(new.scale.knots, expected.knots, rtol=1e-9)
    assert len(new.scale.knots) < len(old.scale.knots)


def test_no_version_remembers(outbreak):
    corrector = fitted(outbreak, confusions=[0, 1])
    both = corrector.add(*later_errors(outbreak), author="ann")
    book = both.rules_.with_state("to 0", "shadow").undo().remove("to 2").undo()
    edited = both.with_rules(book.remove("to 1", author="bob"))
    assert len(edited.rules_.earlier) > 2
    X, y = later_errors(outbreak)
    wrong = (outbreak.y == 1) & (outbreak.model.predict(outbreak.X) != 1)
    X = np.vstack([X[:3], outbreak.X[wrong][:3]])  # of a rule of earlier versions
    left = edited.forget(X, np.append(y[:3], outbreak.y[wrong][:3])).rules_
    assert left.earlier == left.later == ()
    for verb in (left.undo, left.redo):
        with pytest.raises(ValueError, match="nothing"):
            verb()
    told = [(e.what, e.author) for e in left.history]
    assert told[:-1] == [(e.what, e.author) for e in edited.rules_.history]
    assert told[-1][0].startswith("forget 6 rows (mark ")
    assert left.history[-1].n_rules == 2
    further = left.remove("to 0")
    assert further.undo().rules == left.rules
    assert [e.what for e in further.history][-2:] == [told[-1][0], "remove to 0"]
    with pytest.raises(ValueError, match="nothing to undo"):
        further.undo().undo()


def test_the_log_marks_rows_for_who_has_the_salt(outbreak, corrected):
    rows = outbreak.X[:2], outbreak.y[:2]

    def mark(**options):
        left = corrected.forget(*rows, **options)
        return left.rules_.event.what.removesuffix(")").split()[-1]

    ids = {"case_id": ["bob", "ann"]}
    digest = hmac.new(b"salt", b"'ann'\x1f'bob'", "sha256").hexdigest()
    assert mark(salt="salt", **ids) == digest[:16]
    assert mark(salt="salt", **ids) != mark(salt="other", **ids)
    assert mark(**ids) != mark(**ids)
    assert mark() != mark()


# --- certificates ---------------------------------------------------------------------


def test_a_certificate_is_made_again_from_the_rows_that_are_left(outbreak):
    corrector = fitted(outbreak)
    gone = corrector.calibration_indices_[::7]
    left = corrector.forget(outbreak.X[gone], outbreak.y[gone])
    own = np.setdiff1d(corrector.calibration_indices_, gone)
    assert_array_equal(np.sort(left.calibration_indices_), np.sort(own))
    for old, new in zip(corrector.rules_, left.rules_, strict=True):
        assert new is old
    read = left.features_.read(outbreak.X[own])
    scores = left.rules_.decide(read.features, read.labels).score
    expected = certified_threshold(scores, 0.05, 0.96)
    found = left.rules_.certificate()
    assert found.n_calibration == own.size
    assert found.confidence_level == expected.confidence_level == 0.96
    assert (found.threshold, found.n_allowed) == (
        expected.threshold,
        expected.n_allowed,
    )
    assert_array_equal(found.units, np.sort(scores))
    assert_array_equal(left.rules_.calibration_scores, np.sort(scores))


def test_what_was_spent_stays_spent(outbreak):
    corrector = fitted(outbreak, max_damage=0.2, confusions=[0, 1])
    X, y = later_errors(outbreak)
    both = corrector.add(X[:10], y[:10])
    gone = some(outbreak)
    gone &= outbreak.model.predict(outbreak.X) == outbreak.y
    left = both.forget(outbreak.X[gone], outbreak.y[gone])
    first, second = left.rules_.entries
    assert not first.certificates
    assert first.scores.size == 0
    assert left.rules_.current == (second,)
    assert first.fingerprint == second.fingerprint
    third = left.add(X[10:], y[10:]).rules_.entries
    assert_allclose([e.delta for e in third], [0.04, 0.005, 0.01 / 6])
    own = left.calibration_indices_
    left.certify(outbreak.X[own], outbreak.y[own])
    assert_allclose(left.rules_.entries[-1].delta, 0.01 / 6)


def test_the_certificate_in_force_is_the_one_that_is_made_again(outbreak):
    corrector = fitted(outbreak, confusions=[0, 1])
    both = corrector.add(*later_errors(outbreak))
    undone = both.with_rules(both.rules_.undo().undo())
    gone = right_that_taught(outbreak, corrector)
    left = undone.forget(outbreak.X[gone], outbreak.y[gone])
    assert [e.certifies for e in left.rules_.entries] == [True, False]
    assert_allclose([e.delta for e in left.rules_.entries], [0.04, 0.005])


def test_rows_that_are_not_finite_are_forgotten(outbreak):
    """They calibrate, and no rule can change them."""
    gone = fitted(outbreak).calibration_indices_[:20]

    def features(X):
        strange = np.isin(X[:, 0], outbreak.X[gone, 0])
        return np.column_stack([X, np.where(strange, np.inf, X[:, 1])])

    corrector = fitted(outbreak, features=[features])
    assert np.isinf(corrector.rules_.background.reservoir.Z).any(axis=1).sum() == 20
    left = corrector.forget(outbreak.X[gone], outbreak.y[gone])
    assert np.isfinite(left.rules_.background.reservoir.Z).all()


def test_too_few_rows_left_switch_the_book_off(outbreak):
    corrector = fitted(outbreak, max_damage=0.015)
    gone = corrector.calibration_indices_[:250]
    with pytest.warns(NotCertifiedWarning, match="pass about .* more rows") as said:
        left = corrector.forget(outbreak.X[gone], outbreak.y[gone])
    assert said[0].filename == __file__
    assert not left.rules_.certified
    legacy = outbreak.model.predict(outbreak.X_new)
    assert_array_equal(left.predict(outbreak.X_new), legacy)


@pytest.mark.parametrize("options", [{"reservoir": 0}, {"ledger": False}])
def test_without_rows_at_hand_certificates_go(outbreak, options):
    corrector, gone = fitted(outbreak, **options), some(outbreak)
    with pytest.warns(NotCertifiedWarning, match=r"went with rows .* certify\(X, y\)"):
        left = corrector.forget(outbreak.X[gone], outbreak.y[gone])
    assert not left.rules_.certified
    assert left.rules_.current == ()
    assert not any(entry.certificates for entry in left.rules_.entries)
    left.certify(outbreak.X_new, outbreak.y_new)
    assert 2 in left.predict(outbreak.X_new)


def test_of_a_part_of_the_rows_what_is_left_certifies(outbreak):
    corrector = fitted(outbreak, reservoir=150)
    held, gone = corrector.rules_.background.reservoir, some(outbreak)
    left = corrector.forget(outbreak.X[gone], outbreak.y[gone])
    kept = left.rules_.background.reservoir
    assert 100 < len(kept.labels) < 150
    assert kept.mark == held.mark
    assert left.rules_.certificate().n_calibration == len(kept.labels)
    known = left.features_.read(outbreak.X[gone]).features
    assert not (kept.Z[:, None] == known).all(axis=2).any()


def test_certificates_on_other_rows_are_withdrawn(outbreak):
    corrector = fitted(outbreak)
    corrector.certify(outbreak.X_new[:600], outbreak.y_new[:600])
    n_fresh = corrector.rules_.certificate().n_calibration
    left = corrector.forget(outbreak.X[:9], outbreak.y[:9])
    assert left.rules_.certificate().n_calibration not in (n_fresh, 0)
    assert_allclose([e.delta for e in left.rules_.entries], [0.04, 0.04])
    assert [e.certifies for e in left.rules_.entries] == [True, False]


def test_an_alert_budget_needs_traffic_again(outbreak):
    corrector = quietly(lambda: fitted(outbreak, alert_budget=0.6))
    assert corrector.rules_.certified
    with pytest.warns(NotCertifiedWarning, match=r"alert budget .* call certify\(X\)"):
        left = corrector.forget(outbreak.X[:9], outbreak.y[:9])
    left.certify(outbreak.X_new)
    assert left.rules_.certified


# --- what cannot forget ---------------------------------------------------------------


def right_that_taught(data, corrector, n=9):
    right = data.model.predict(data.X) == data.y
    right[corrector.calibration_indices_] = False
    return np.flatnonzero(right)[:n]


class Late(LogisticRegression):
    """Some other detector."""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"detector": Late()},
            "learnt by Late, .* remove the rule first, or fit again",
        ),
        ({"detector": "auto"}, "the book keeps ranks of features among right decisio"),
        ({"detector": FisherDetector(sphere=True)}, r"FisherDetector\(sphere=True\)"),
        ({"side": {"sample_weight": np.full(N, 2.0)}}, "learnt with weights, or from"),
        (
            {"features": ["input", StandardScaler()]},
            "StandardScaler learnt from rows of fit, and cannot forget",
        ),
    ],
    ids=["foreign", "auto", "sphere", "weights", "transformer"],
)
def test_what_cannot_forget_says_so(outbreak, options, message):
    corrector = quietly(lambda: fitted(outbreak, **options))
    taught = right_that_taught(outbreak, corrector)
    book = corrector.rules_
    with pytest.raises(ValueError, match=message):
        corrector.forget(outbreak.X[taught], outbreak.y[taught])
    assert corrector.rules_ is book
    gone = corrector.calibration_indices_[:9]  # they taught nothing
    left = corrector.forget(outbreak.X[gone], outbreak.y[gone])
    assert left.rules_.rules == book.rules
    assert left.rules_.certified


def test_weights_are_in_the_background_too(outbreak):
    weight = np.full(N, 2.0)
    corrector = fitted(outbreak, side={"sample_weight": weight}, confusions=[2])
    taught = right_that_taught(outbreak, corrector)
    bare = quietly(lambda: corrector.with_rules(corrector.rules_.remove("to 2")))
    with pytest.raises(ValueError, match="the background of the book was learnt with"):
        bare.forget(outbreak.X[taught], outbreak.y[taught])


def test_without_the_rule_that_cannot(outbreak):
    corrector = fitted(outbreak, detector=FisherDetector(sphere=True))
    corrector = corrector.add(*later_errors(outbreak))
    taught = right_that_taught(outbreak, corrector)
    rows = outbreak.X[taught], outbreak.y[taught]
    with pytest.raises(ValueError, match="sphere"):
        corrector.forget(*rows)
    book = corrector.rules_
    for name in ("to 0", "to 1", "to 2"):
        book = book.remove(name)
    left = corrector.with_rules(book).forget(*rows)
    assert [rule.name for rule in left.rules_] == ["to 2 (2)"]


def test_medians_of_missing_values_cannot_forget(outbreak):
    X = outbreak.X.copy()
    X[::9, 0] = np.nan
    data = outbreak._replace(X=X)

    class Filled(LogisticRegression):
        def predict_proba(self, X):
            return super().predict_proba(np.nan_to_num(X))

        def predict(self, X):
            return super().predict(np.nan_to_num(X))

    model = Filled().fit(outbreak.X_new, outbreak.y_new % 2)
    corrector = quietly(lambda: fitted(data, model=model))
    right = model.predict(X) == data.y
    right[corrector.calibration_indices_] = False
    with pytest.raises(ValueError, match="the medians of missing values learnt from"):
        corrector.forget(X[right][:3], data.y[right][:3])


def test_a_legacy_model_fitted_here_cannot_forget(outbreak):
    corrector = fitted(outbreak, model=clone(outbreak.model), max_damage=0.2)
    with pytest.raises(ValueError, match="the legacy model LogisticRegression learnt"):
        corrector.forget(outbreak.X[:200], outbreak.y[:200])


def test_rules_learnt_elsewhere_cannot_forget(outbreak):
    half = outbreak._replace(X=outbreak.X[600:], y=outbreak.y[600:])
    other = fitted(half, confusions=[2]).rules_
    corrector = fitted(outbreak, rows=slice(0, 600), confusions=[0])
    both = quietly(lambda: corrector.with_rules(corrector.rules_.merge(other)))
    taught = right_that_taught(outbreak, corrector)
    taught = taught[taught < 600]
    rows = outbreak.X[taught], outbreak.y[taught]
    with pytest.raises(ValueError, match="'to 2' was learnt with weights, or from oth"):
        both.forget(*rows)
    both = both.with_rules(both.rules_.remove("to 2"))
    assert len(both.forget(*rows).rules_) == 1


# --- files ----------------------------------------------------------------------------


def numbers_in(path):
    """All eight bytes of a file that may be a number."""
    data = path.read_bytes()
    return data, np.unique(
        np.concatenate(
            [
                np.frombuffer(data[i : i + (len(data) - i) // 8 * 8], dtype="u8")
                for i in range(8)
            ]
        )
    )


@pytest.mark.parametrize("keep_errors", [False, True])
def test_no_number_of_a_row_is_left_in_a_file(outbreak, tmp_path, keep_errors):
    ids = np.array([f"case-{i:04}" for i in range(N)])
    corrector = fitted(outbreak, keep_errors=keep_errors, side={"case_id": ids})
    corrector = corrector.add(*later_errors(outbreak))
    gone, path = some(outbreak), tmp_path / "fix.rc"
    Z = corrector.features_.read(outbreak.X[gone]).features
    keys = (Z @ np.sqrt(np.arange(5) + np.pi)).tolist()
    numbers = np.append(Z.ravel(), keys).view("u8")

    def traces(made):
        save(made, path, with_background=True)
        data, held = numbers_in(path)
        texts = sum(name.encode() in data for name in ids[gone])
        return np.isin(numbers, held).sum(), texts

    there = traces(corrector)
    assert min(there) > 20
    left = corrector.forget(outbreak.X[gone], outbreak.y[gone])
    assert traces(left) == (0, 0)


def test_what_was_forgotten_is_saved_verified_and_forgotten_on(outbreak, tmp_path):
    corrector = fitted(outbreak, keep_errors=True).add(*later_errors(outbreak))
    left, path = corrector.forget(outbreak.X[:50], outbreak.y[:50]), tmp_path / "fix.rc"
    save(left, path, with_background=True)
    found = verify(path.read_bytes())
    assert [claim for claim in found if claim[0] == "FAIL"] == []
    again = load(path, estimator=outbreak.model)
    assert again.rules_.history == left.rules_.history
    assert_same(parts_of(again), parts_of(left))
    rows = outbreak.X[50:90], outbreak.y[50:90]
    left, again = left.forget(*rows), again.forget(*rows)
    assert_same(parts_of(again), parts_of(left))
    assert_same(scales_of(again), scales_of(left))
    assert all(rule.errors is not None for rule in again.rules_)


def test_a_file_without_rows_knows_which_calibrated(outbreak, tmp_path):
    corrector = fitted(outbreak, keep_errors=True)
    save(corrector, tmp_path / "fix.rc")
    again = load(tmp_path / "fix.rc", estimator=outbreak.model)
    assert all(rule.errors is None for rule in again.rules_)
    taught = right_that_taught(outbreak, corrector)
    with pytest.raises(ValueError, match="load a file that was saved with_background"):
        again.forget(outbreak.X[taught], outbreak.y[taught])
    gone = corrector.calibration_indices_[:9]
    with pytest.warns(NotCertifiedWarning, match="went with rows"):
        left = again.forget(outbreak.X[gone], outbreak.y[gone])
    assert not left.rules_.certified
