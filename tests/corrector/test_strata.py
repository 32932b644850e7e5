"""One certificate per class or per segment: which rows are in which, which are off."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from rarecorrect import ErrorCorrector
from rarecorrect.certify import rows_needed, sidak_level

from .helpers import (
    MODEL,
    certify,
    corrector_of,
    draw,
    fit,
    fitted,
    number,
    only,
    segments,
)

# --- per class, per segment -----------------------------------------------------------


def test_per_class_certifies_every_legacy_label(outbreak):
    corrector = fitted(outbreak, per="class")
    legacy = outbreak.model.predict(outbreak.X_new)
    changed = corrector.predict(outbreak.X_new) != legacy
    for label in (0, 1):
        found = corrector.rules_.certificate(label)
        assert found.certified
        assert_allclose(found.confidence_level, sidak_level(0.96, 2))
        right = (legacy == label) & (outbreak.y_new == label)
        assert changed[right].mean() < 0.09
    assert corrector.rules_.certificate() is None
    assert corrector.predict_proba(outbreak.X_new).argmax(axis=1).max() == 2


def test_classes_that_hardly_suffice_all_get_their_rows(outbreak):
    needed = rows_needed(0.1, sidak_level(0.96, 2))
    legacy = outbreak.model.predict(outbreak.X)
    right = legacy == outbreak.y
    kept = np.flatnonzero(~right)
    for label in (0, 1):  # of which four fifths are just enough
        some = np.flatnonzero(right & (legacy == label))
        kept = np.r_[kept, some[: int(np.ceil(needed / 0.8))]]
    for seed in range(5):
        corrector = ErrorCorrector(
            outbreak.model, per="class", max_damage=0.1, random_state=seed
        ).fit(outbreak.X[kept], outbreak.y[kept])
        assert all(corrector.rules_.certificate(label).certified for label in (0, 1))


def test_per_segment_certifies_every_segment_and_leaves_unknown_ones(outbreak):
    corrector = fitted(outbreak, per="segment", side={"segment": segments(1200)})
    legacy = outbreak.model.predict(outbreak.X_new)
    known = corrector.predict(outbreak.X_new, segment=segments(1200))
    assert all(corrector.rules_.certificate(s).certified for s in ("web", "shop"))
    assert np.sum(known != legacy) > 100
    for strange in (np.array(["phone"] * 1200), np.array([None] * 1200, dtype=object)):
        found = corrector.predict(outbreak.X_new, segment=strange)
        assert_array_equal(found, legacy)
    mixed = np.where(np.arange(1200) < 600, segments(1200), "phone")
    found = corrector.predict(outbreak.X_new, segment=mixed)
    assert_array_equal(found, np.where(np.arange(1200) < 600, known, legacy))
    assert corrector.score(
        outbreak.X_new, outbreak.y_new, segment=segments(1200)
    ) == np.mean(known == outbreak.y_new)
    with pytest.raises(ValueError, match="needs segment="):
        corrector.predict(outbreak.X_new)


def test_rows_without_a_segment_are_a_segment(outbreak):
    holes = np.where(np.arange(1200) % 2, "web", None)
    corrector = fitted(outbreak, per="segment", side={"segment": holes})
    found = corrector.predict(outbreak.X_new, segment=holes)
    assert np.sum(found != outbreak.model.predict(outbreak.X_new)) > 100


# --- segments of every kind -----------------------------------------------------------


SEGMENT = np.arange(1200) % 3  # all three are in every part of the rows


def with_a_hole(values):
    found = np.asarray(values).astype(object)
    found[0] = None
    return found


def per_segment(data, segment, **options):
    corrector = corrector_of(data, per="segment", max_damage=0.1, **options)
    return corrector.fit(data.X, data.y, segment=segment)


@pytest.mark.parametrize(
    "holes",
    [
        lambda s, out: np.where(out, np.nan, s),
        lambda s, out: np.where(out, None, s),
        lambda s, out: [None if o else v for v, o in zip(s, out, strict=True)],
        lambda s, out: np.where(out, np.nan, s).astype(object),
        lambda s, out: pd.Series(s, dtype="Int64").mask(out),
        lambda s, out: pd.Series(s).astype("category").mask(out),
        lambda s, out: pl.Series(s.tolist()).set(pl.Series(out), None),
    ],
    ids=["float", "object", "list", "NaN object", "nullable", "category", "polars"],
)
def test_missing_segments_are_one_segment(outbreak, holes):
    out = np.arange(1200) % 7 < 2
    segment = holes(SEGMENT, out)
    corrector = per_segment(outbreak, segment)
    certificates = corrector.rules_.entry("damage").certificates
    assert set(certificates) == {0, 1, 2, "(missing)"}
    right = outbreak.model.predict(outbreak.X) == outbreak.y
    n_missing = corrector.rules_.certificate("(missing)").n_calibration
    assert 0.3 < n_missing / np.sum(right & out) < 0.7  # half of them calibrate
    assert {c.confidence_level for c in certificates.values()} == {sidak_level(0.96, 4)}
    changed = corrector.predict(outbreak.X_new, segment=segment) != (
        outbreak.model.predict(outbreak.X_new)
    )
    assert corrector.rules_.certificate("(missing)").certified
    assert np.sum(changed & out) > 30
    assert np.sum(changed & ~out) > 30


CONTAINERS = {
    "float": SEGMENT.astype(float),
    "int8": SEGMENT.astype(np.int8),
    "list": SEGMENT.tolist(),
    "object": SEGMENT.astype(object),
    "numpy scalars": list(SEGMENT),
    "nullable": pd.Series(SEGMENT, dtype="Int64"),
    "category": pd.Categorical(SEGMENT),
    "polars": pl.Series(SEGMENT.tolist()),
    "a hole": with_a_hole(SEGMENT),
    "a hole in floats": np.where(np.arange(1200), SEGMENT, np.nan),
    "a hole in a category": pd.Categorical(with_a_hole(SEGMENT)),
    "a new name": np.where(np.arange(1200), SEGMENT.astype(object), "new"),
    "a new kind": [pd.Timestamp("2024-01-01"), *SEGMENT[1:]],
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_segment_is_the_same_in_every_container(outbreak, kind):
    corrector = per_segment(outbreak, SEGMENT)
    expected = corrector.predict(outbreak.X_new, segment=SEGMENT)
    legacy = outbreak.model.predict(outbreak.X_new)
    known = np.array([v in (0, 1, 2) for v in CONTAINERS[kind]])
    assert np.sum(expected != legacy) > 100
    assert_array_equal(
        corrector.predict(outbreak.X_new, segment=CONTAINERS[kind]),
        np.where(known, expected, legacy),
    )


def test_names_and_numbers_may_stand_in_one_column(outbreak):
    names = np.array([0, "shop", None, 1.5], dtype=object)[np.arange(1200) % 4]
    corrector = per_segment(outbreak, names)
    certificates = corrector.rules_.entry("damage").certificates
    assert set(certificates) == {0, "shop", "(missing)", 1.5}
    before = corrector.predict(outbreak.X_new, segment=names)
    text = np.where(names == 0, "0", names)  # a word that looks like a number
    legacy = outbreak.model.predict(outbreak.X_new)
    assert np.sum((before != legacy)[names == 0]) > 10
    assert_array_equal(
        corrector.predict(outbreak.X_new, segment=text),
        np.where(names == 0, legacy, before),
    )
    again = pickle.loads(pickle.dumps(corrector))
    assert_array_equal(again.predict(outbreak.X_new, segment=names), before)


def test_a_segment_is_needed_where_segments_are_certified(outbreak):
    with pytest.raises(ValueError, match="per='segment' needs segment="):
        corrector_of(outbreak, per="segment").fit(outbreak.X, outbreak.y)


def test_a_segment_that_nothing_uses_is_refused(outbreak):
    segment = np.arange(1200) % 2
    with pytest.raises(ValueError, match=r"segment= was passed, but per=None"):
        corrector_of(outbreak).fit(outbreak.X, outbreak.y, segment=segment)
    corrector = corrector_of(outbreak).fit(outbreak.X, outbreak.y)
    with pytest.raises(ValueError, match=r"set per='segment', or leave it out"):
        corrector.predict(outbreak.X_new, segment=segment)


# --- strata that are off --------------------------------------------------------------


@pytest.fixture
def half_certified():
    """Rows of legacy label 1 are too few for a certificate of their own."""
    return fit(*draw(2500, 1, ones=0.1), per="class")


def test_a_class_without_a_certificate_is_named(half_certified):
    corrector, told = half_certified
    found = corrector.rules_.certificate(1)
    assert corrector.rules_.certificate(0).certified
    assert not found.certified
    needed = rows_needed(found.max_damage, found.confidence_level)
    words = f"class 1 ({found.n_calibration} right calibration rows, {needed} needed)"
    assert len(told) == 1
    assert told[0].startswith(f"not certified, the legacy answer is kept: {words}")
    assert f"NOT CERTIFIED    {words}" in str(corrector.report_)
    assert "it speaks        for cases like" in str(corrector.report_)
    X, _ = draw(5000, 2)
    assert not (corrector.predict(X) != MODEL.predict(X))[MODEL.predict(X) == 1].any()
    record = json.loads(json.dumps(corrector.report_.to_dict()))
    assert record["shortcoming"].startswith(words)
    assert (record["per"], record["strata"]) == ("class", ["0", "1"])


def test_rows_of_the_class_alone_complete_the_certificates(half_certified):
    corrector, _ = half_certified
    before = corrector.rules_.certificate(0)
    assert certify(corrector, *only(*draw(2000, 2), 1)) == []
    assert corrector.rules_.certificate(0) is before
    assert corrector.rules_.certificate(1).certified
    assert corrector.report_.shortcoming() == ""


def test_so_many_more_rows_certify_every_class(half_certified):
    _, told = half_certified
    more = number(r"about ([\d,]+) more rows", told[0])
    X, y = draw(2500 + more, 1, ones=0.1)
    assert fit(X, y, per="class")[1] == []


def test_a_class_in_which_no_rule_acts_is_not_missed():
    X, y = draw(2500, 1, ones=0.1)
    corrector, told = fit(X, y, per="class", confusions=[(0, 2)])
    assert not corrector.rules_.certificate(1).certified
    assert told == []
    assert corrector.report_.shortcoming() == ""


def test_segments_too_small_to_calibrate_are_named_and_counted():
    X, y = draw(3000, 1)
    segment = np.where(np.arange(3000) < 8, np.arange(3000), 99)
    corrector, told = fit(X, y, per="segment", side={"segment": segment})
    assert corrector.rules_.certificate(99).certified
    assert told[0].count("segment") == 5
    assert "and 3 more" in told[0]
    needed = number(r"\(0 right calibration rows, (\d+) needed", told[0])
    assert needed == rows_needed(0.01, 0.96 ** (1 / 9))


def test_what_rows_cannot_certify_keeps_its_certificate():
    corrector, _ = fit(*draw(4000, 1), per="class")
    fitted = corrector.rules_
    X, _ = draw(20_000, 2)
    before = corrector.predict(X)
    assert certify(corrector, *only(*draw(3000, 3), 0)) == []
    assert corrector.rules_.certificate(1) is fitted.certificate(1)
    assert corrector.rules_.certificate(0) is not fitted.certificate(0)
    ones = MODEL.predict(X) == 1
    assert_array_equal(corrector.predict(X)[ones], before[ones])
    assert np.sum(corrector.predict(X)[~ones] == 2) > 100
    assert len(corrector.report_.certificates) == 2
    assert list(corrector.rules_.entries[-1].certificates) == [0]  # what was spent
    assert corrector.rules_.undo().certificate(0) is fitted.certificate(0)


def test_too_few_rows_of_a_class_are_told_and_change_nothing_there():
    corrector, _ = fit(*draw(4000, 1), per="class")
    before = corrector.rules_.certificate(1)
    many, few = only(*draw(3000, 3), 0), only(*draw(50, 4), 1)
    told = certify(corrector, *map(np.concatenate, zip(many, few, strict=True)))
    assert len(told) == 1
    assert "right decisions with 1 at" in told[0]
    assert "right decisions with 0 at" not in told[0]
    assert told[0].endswith("the certificate in force stays")
    assert corrector.rules_.certificate(1) is before
    told = certify(corrector, *only(*draw(50, 5), 0))  # no class gets a new one
    assert len(told) == 1
    assert "right decisions with 0 at" in told[0]
    assert corrector.rules_.certificate(1) is before


def test_certificates_of_other_rules_do_not_stay_in_force():
    corrector, _ = fit(*draw(4000, 1), per="class", confusions=[2])
    louder = replace(corrector.rules_["to 2"], log_share=9.0, name="louder")
    edited = corrector.with_rules(corrector.rules_.extend(louder))
    told = certify(edited, *only(*draw(3000, 3), 0))
    assert edited.rules_.certificate(0).certified
    assert edited.rules_.certificate(1) is None
    assert edited.rules_.threshold(1) == np.inf
    assert "class 1 (0 right calibration rows" in told[0]
