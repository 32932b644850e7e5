"""Which rules a retrained model still needs: counts, verdicts, how often they err."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from rarecorrect import ErrorCorrector
from rarecorrect.certify import Certificate
from rarecorrect.detectors import FisherDetector
from rarecorrect.features import Reading
from rarecorrect.ledger import LedgerEntry
from rarecorrect.metrics import clopper_pearson, correction_report
from rarecorrect.retirement import still_needed
from rarecorrect.rule import Rule
from rarecorrect.rulebook import RuleBook
from rarecorrect.tail_scale import TailScale

SCALE = TailScale.from_scores(np.linspace(-1, 1, 101))


def rule_on(column, to, n_features=1, **options):
    """A rule that fires where a column is 1, and not where it is 0."""
    coef = 10.0 * np.eye(n_features)[column]
    return Rule(
        f"to {to}", to, FisherDetector(), SCALE, coef=coef, intercept=-5.0, **options
    )


def certified(book, thresholds=None):
    """The book with thresholds in force, as if calibration rows had given them."""
    found = {
        stratum: Certificate(t, True, 1000, 0, 0, 0.01, 0.95)
        for stratum, t in (thresholds or {None: SCALE(0.0).item()}).items()
    }
    entry = LedgerEntry("damage", found, book.identities, "rows", 0.05)
    return book.certified_by(entry)


def one_rule(**options):
    return certified(RuleBook().extend(rule_on(0, 1, **options)))


def rows(*groups):
    """Columns of (fires, y, old label, new label), each group so many times."""
    table = np.repeat([g[1:] for g in groups], [g[0] for g in groups], axis=0)
    fires, y, old, new = table.T
    return Reading(old, None, fires[:, None].astype(float)), new, y


def judged(*groups, book=None, **options):
    """The review, and the row of its only rule."""
    review = still_needed(
        one_rule() if book is None else book, *rows(*groups), **options
    )
    [row] = review.frame.itertuples()
    return review, row


#               fires  y  old new
MADE_RIGHT = (True, 1, 0, 1)
LEFT = (True, 1, 0, 0)
BROKEN = (True, 0, 0, 0)
ELSEWHERE = (True, 2, 0, 0)
QUIET = (False, 0, 0, 0)


def test_a_rule_out_of_service_in_front_takes_no_counts():
    groups = [(20, *MADE_RIGHT), (12, *LEFT), (3, *BROKEN), (100, *QUIET)]
    idle = rule_on(0, 2, state="retired")
    book = certified(RuleBook().extend(idle, rule_on(0, 1)))
    found, alone = (still_needed(b, *rows(*groups)).frame for b in (book, one_rule()))
    pd.testing.assert_frame_equal(found, alone)


def test_counts_and_intervals_are_those_of_the_new_decisions():
    groups = [
        (20, *MADE_RIGHT),
        (12, *LEFT),
        (3, *BROKEN),
        (2, *ELSEWHERE),
        (1, True, 1, 1, 0),  # a new error of the same kind
        (5, False, 1, 0, 0),  # out of reach of the rule
        (4, True, 0, 1, 0),  # wrong before, not now: to change it would break it
        (200, *QUIET),
    ]
    review, row = judged(*groups)
    assert (row.repairs, row.breaks, row.still_wrong) == (13, 7, 2)
    assert (row.repaired_before, row.right_by_itself) == (32, 20)
    assert (review.n_rows, review.n_wrong_before, review.n_wrong) == (247, 43, 20)
    shares = {
        "gain": (13, 20),
        "damage": (7, 227),
        "better": (13, 20),
        "left": (13, 33),
    }
    for name, (count, of) in shares.items():
        assert_allclose(getattr(row, name), count / of)
        low, high = clopper_pearson(count, of)
        assert_allclose([getattr(row, f"{name}_low")], [low])
        assert_allclose([getattr(row, f"{name}_high")], [high])


def test_counts_are_those_of_a_correction_report():
    rng = np.random.default_rng(0)
    n = 2000
    y, new = rng.integers(0, 3, n), rng.integers(0, 3, n)
    fires = rng.random((n, 2)) < 0.3
    book = certified(RuleBook().extend(rule_on(0, 1, 2), rule_on(1, 2, 2)))
    Z = fires.astype(float)
    review = still_needed(book, Reading(np.zeros(n, dtype=int), None, Z), new, y)
    after = new.copy()
    hit, winner = book.fires(Z, new)
    after[hit] = np.array([1, 2])[winner]
    total = correction_report(y, new, after).overall
    found = review.frame[["repairs", "breaks", "still_wrong"]].sum()
    assert found.to_dict() == {
        "repairs": total["repaired"],
        "breaks": total["broken"],
        "still_wrong": total["changed_still_wrong"],
    }
    assert (review.frame[["repairs", "breaks", "still_wrong"]] > 0).all(axis=None)


@pytest.mark.parametrize(
    ("groups", "verdict", "reason"),
    [
        ([(6, *LEFT)], "still needed", "repairs 6 and breaks 0"),
        ([(5, *LEFT)], "cannot tell", "too few cases"),
        ([(40, *LEFT), (20, *BROKEN)], "still needed", "67 %"),
        ([(17, *MADE_RIGHT)], "retire", "17 of its 17 former repairs right by itself"),
        ([(16, *MADE_RIGHT)], "cannot tell", "too few cases"),
        # some are left, but hardly any
        ([(97, *MADE_RIGHT), (3, *LEFT)], "retire", "3 of the 100 errors"),
        # as few are left, but worth having
        ([(990, *MADE_RIGHT), (10, *LEFT)], "still needed", "repairs 10 and breaks 0"),
        # the new model is wrong in another way, where the rule cannot help
        ([(30, True, 1, 0, 2)], "retire", "gets 0 of its 30 former"),
        # breaks were granted: they retire no rule
        ([(30, *LEFT), (90, *BROKEN)], "cannot tell", "more than 1 for a repair"),
        ([(30, *BROKEN)], "cannot tell", "more than 1 for a repair"),
        ([(50, *QUIET)], "cannot tell", "breaks nothing"),
        ([(50, *ELSEWHERE)], "cannot tell", "breaks nothing"),
    ],
)
def test_verdicts(groups, verdict, reason):
    book = one_rule(from_labels=(0,))
    review, row = judged(*groups, (10, *QUIET), book=book)
    assert row.verdict == verdict
    assert reason in row.reason
    assert review.to_retire == (["to 1"] if verdict == "retire" else [])
    assert f"to 1: {verdict}; {row.reason}" in str(review)


def test_what_a_repair_is_worth_decides_with_it():
    groups = [(30, *LEFT), (90, *BROKEN)]
    assert judged(*groups, breaks_per_repair=10)[1].verdict == "still needed"
    assert judged(*groups, breaks_per_repair=3)[1].verdict == "cannot tell"
    few = judged(*groups, breaks_per_repair=3)[1].reason
    assert "too few cases" in few  # 1 in 4 repairs: just what they are worth


def test_the_share_that_may_be_left_decides():
    groups = [(100, *MADE_RIGHT), (3, *LEFT), (3, *BROKEN)]
    assert judged(*groups, most_left=0.15)[1].verdict == "retire"
    assert judged(*groups, most_left=0.05)[1].verdict == "cannot tell"
    # to be surer takes more rows
    surer = judged(*groups, most_left=0.15, confidence_level=0.999999)[1]
    assert surer.verdict == "cannot tell"


def test_a_flag_repairs_whatever_is_wrong():
    groups = [(8, *ELSEWHERE), (7, *LEFT), (3, *BROKEN), (10, *QUIET)]
    _, row = judged(*groups, book=one_rule(action="flag"))
    assert (row.repairs, row.breaks, row.still_wrong) == (15, 3, 0)


def test_thresholds_of_a_class_are_those_of_the_new_decision():
    # the rule is in force where the model says 0, and off where it says 2
    book = certified(
        RuleBook().extend(rule_on(0, 1)), {0: SCALE(0.0).item(), 2: math.inf}
    )
    groups = [(30, True, 1, 0, 2), (10, True, 1, 2, 0), (7, True, 1, 0, 0)]
    _, row = judged(*groups, book=book, per="class")
    assert (row.repaired_before, row.repairs) == (37, 17)


def test_segments_reach_the_thresholds():
    book = certified(
        RuleBook().extend(rule_on(0, 1)), {"web": SCALE(0.0).item(), "shop": math.inf}
    )
    segment = np.repeat(["web", "shop"], [12, 8])
    _, row = judged((20, *LEFT), book=book, per="segment", segment=segment)
    assert row.repairs == 12
    with pytest.raises(ValueError, match="needs segment="):
        judged((20, *LEFT), book=book, per="segment")


def test_only_active_rules_are_judged():
    book = one_rule().extend(rule_on(0, 2, state="shadow"))
    review = still_needed(book, *rows((20, *LEFT)))
    assert list(review.frame.index) == ["to 1"]
    nothing = still_needed(book.disable_all(), *rows((20, *LEFT)))
    assert nothing.frame.empty and nothing.to_retire == []
    assert "no rule is active" in str(nothing)
    assert nothing.to_dict()["rules"] == []


def test_the_record_is_json():
    review, row = judged((20, *LEFT), (10, *QUIET))
    record = json.loads(json.dumps(review.to_dict(), allow_nan=False))
    [rule] = record["rules"]
    assert (rule["name"], rule["repairs"], rule["verdict"]) == ("to 1", 20, row.verdict)
    assert rule["gain"] == 1.0 and rule["damage"] == 0.0
    quiet, _ = judged((10, *QUIET))
    assert quiet.to_dict()["rules"][0]["better_low"] is None
    assert "on 10 rows the old model is wrong 0 times" in str(quiet)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confidence_level": 1.0}, "confidence_level"),
        ({"most_left": 0}, "most_left"),
        ({"breaks_per_repair": 0}, "breaks_per_repair must be above 0, got 0"),
        ({"breaks_per_repair": math.nan}, "got nan"),
        ({"per": "class", "segment": np.zeros(3)}, "segment= was passed"),
    ],
)
def test_bad_numbers_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        judged((3, *LEFT), **options)


def test_bad_labels_are_refused():
    reading, new, y = rows((3, *LEFT))
    with pytest.raises(ValueError, match="new_labels has 2 rows, X has 3"):
        still_needed(one_rule(), reading, new[:2], y)
    with pytest.raises(ValueError, match="y has 2 rows, X has 3"):
        still_needed(one_rule(), reading, new, y[:2])
    with pytest.raises(ValueError, match=r"[Mm]ix of label"):
        still_needed(one_rule(), reading, new.astype(str), y)


def test_rules_without_a_threshold_are_refused():
    book = RuleBook().extend(rule_on(0, 1))
    with pytest.raises(ValueError, match=re.escape("certify(X, y)")):
        still_needed(book, *rows((20, *LEFT)))


# --- how often the verdicts err -------------------------------------------------------

N_TRIALS = 400
# with a true rate of 2.5 %, more than this happens in 1 of 10,000 runs
MOST_WRONG = 23


def verdicts(repair, made_right, breaks, *, n=60, seed=0):
    """Verdicts on rows drawn anew: the rule fires on about `n` of them.

    Each of these is left for the rule to repair, made right by the new model, or
    broken by the rule, with the given odds.
    """
    rng = np.random.default_rng(seed)
    odds = np.array([repair, made_right, breaks]) / (repair + made_right + breaks)
    book, found = one_rule(), []
    for size in rng.poisson(n, N_TRIALS):
        counts = rng.multinomial(size, odds)
        kinds = zip(counts.tolist(), (LEFT, MADE_RIGHT, BROKEN), strict=True)
        groups = [(count, *kind) for count, kind in kinds]
        found.append(judged(*groups, (10, *QUIET), book=book)[1].verdict)
    return pd.Series(found).value_counts()


def test_a_rule_that_repairs_as_much_as_it_breaks_is_rarely_called_needed():
    found = verdicts(1, 1, 1)
    assert found.get("still needed", 0) <= MOST_WRONG
    assert found["cannot tell"] > 0.8 * N_TRIALS


def test_a_rule_with_a_fifth_of_its_repairs_left_is_rarely_retired():
    # it breaks as much as it repairs, so that nothing else decides
    found = verdicts(1, 4, 1)
    assert found.get("retire", 0) <= MOST_WRONG


def test_clear_cases_are_told():
    assert verdicts(9, 9, 1)["still needed"] > 0.99 * N_TRIALS
    assert verdicts(1, 99, 1)["retire"] > 0.99 * N_TRIALS
    assert verdicts(1, 99, 1, n=6)["cannot tell"] > 0.99 * N_TRIALS


def test_a_model_retrained_on_one_kind_of_error_retires_its_rule_only():
    """Two kinds of errors; the new model was trained with the one, not the other."""
    rng = np.random.default_rng(0)

    def draw(n):
        y = rng.choice([0, 1, 2, 3], size=n, p=[0.46, 0.46, 0.04, 0.04])
        X = rng.normal(size=(n, 3))
        X[:, 0] += 4 * (y == 1)
        X[:, 1] += 7 * (y == 2)
        X[:, 2] += 7 * (y == 3)
        return X, y

    def without(X, y, *labels):
        kept = ~np.isin(y, labels)
        return X[kept], y[kept]

    old = LogisticRegression().fit(*without(*draw(2000), 2, 3))
    corrector = ErrorCorrector(
        old, confusions=[2, 3], max_damage=0.02, random_state=0
    ).fit(*draw(3000))
    new = RandomForestClassifier(50, random_state=0).fit(*without(*draw(3000), 3))
    X, y = draw(2000)
    reading = corrector.features_.read(X)
    review = still_needed(corrector.rules_, reading, new.predict(X), y)
    assert review.frame["verdict"].to_dict() == {
        "to 2": "retire",
        "to 3": "still needed",
    }
    # the new model never says 3: only the rule does
    assert review.frame.loc["to 3", "right_by_itself"] == 0
    kept = corrector.rules_
    for name in review.to_retire:
        kept = kept.with_state(name, "retired")
    assert [rule.name for rule in kept.active] == ["to 3"]
    assert kept.certified
