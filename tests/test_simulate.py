from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rarecorrect.simulate import (
    DEFAULT_FRAUD_TYPES,
    FEATURES,
    FraudType,
    card_transactions,
)

DAY = pd.Timedelta(days=1)


def one_type(kind: str, **params) -> FraudType:
    return FraudType("it", kind, **{"start_day": 20, "rate": 0.02} | params)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return card_transactions(60_000, random_state=0)


def test_same_seed_same_frame():
    frame = card_transactions(5_000, random_state=3)
    pd.testing.assert_frame_equal(frame, card_transactions(5_000, random_state=3))
    assert not frame.equals(card_transactions(5_000, random_state=4))


def test_rows_are_in_order_of_time_and_columns_agree(frame):
    assert len(frame) == 60_000
    assert frame["time"].is_monotonic_increasing
    assert list(frame["transaction_id"]) == list(range(60_000))
    day = (frame["time"] - pd.Timestamp("2024-01-01")) // DAY
    assert (frame["day"] == day).all()
    assert (frame["day"].min(), frame["day"].max()) == (0, 139)
    assert (frame["label_day"] == frame["day"] + 7).all()
    assert (frame["is_fraud"] == (frame["fraud_type"] != "none")).all()
    assert (frame["amount"] > 0).all()
    assert not frame.isna().any(axis=None)


def test_label_delay_moves_the_day_on_which_labels_are_known():
    frame = card_transactions(500, label_delay=12, random_state=0)
    assert (frame["label_day"] - frame["day"]).unique().tolist() == [12]


def test_features_agree_with_the_plain_definition():
    # 40 customers only, so that windows hold many rows and ties in time occur.
    types = [one_type("card_testing"), FraudType("s", "stolen_card", 0, 0.02)]
    frame = card_transactions(
        2_500, n_days=70, n_customers=40, fraud_types=types, random_state=1
    )
    for i in np.random.default_rng(0).choice(2_500, 150, replace=False):
        row, past = frame.loc[i], frame.loc[:i]
        expected = {
            "weekend": int(row["time"].day_of_week >= 5),
            "night": int(row["time"].hour < 6),
            "amount_ratio": 1.0,
            "seconds_since_last": 30 * 86_400.0,
        }
        for who in ("customer", "terminal"):
            own = past[past[f"{who}_id"] == row[f"{who}_id"]]
            for days in (1, 7, 30):
                window = own[own["time"] > row["time"] - days * DAY]
                expected[f"{who}_count_{days}d"] = len(window)
                if who == "customer":
                    expected[f"customer_mean_{days}d"] = window["amount"].mean()
            if who == "customer" and len(earlier := window.iloc[:-1]):
                expected["amount_ratio"] = row["amount"] / earlier["amount"].mean()
                pause = row["time"] - earlier["time"].iloc[-1]
                expected["seconds_since_last"] = pause.total_seconds()
        assert set(expected) | {"amount"} == set(FEATURES)
        for name, value in expected.items():
            assert row[name] == pytest.approx(value), (i, name)


@settings(max_examples=25)
@given(
    n=st.integers(1, 400),
    n_days=st.integers(1, 60),
    n_customers=st.integers(1, 30),
    n_terminals=st.integers(1, 30),
    start_day=st.integers(0, 59),
    rate=st.sampled_from([0.001, 0.05, 0.12]),
    duration=st.sampled_from([0.5, 10, 500]),
    seed=st.integers(0, 1_000),
)
def test_any_size_works_and_no_fraud_comes_before_its_day(
    n, n_days, n_customers, n_terminals, start_day, rate, duration, seed
):
    start_day = min(start_day, n_days - 1)
    types = [
        FraudType(default.kind, default.kind, start_day, rate, duration)
        for default in DEFAULT_FRAUD_TYPES
    ]
    frame = card_transactions(
        n,
        n_days=n_days,
        n_customers=n_customers,
        n_terminals=n_terminals,
        fraud_types=types,
        random_state=seed,
    )
    assert len(frame) == n
    assert frame["customer_id"].between(0, n_customers - 1).all()
    assert frame["terminal_id"].between(0, n_terminals - 1).all()
    assert frame["day"].between(0, n_days - 1).all()
    assert (frame.loc[frame["is_fraud"] == 1, "day"] >= start_day).all()
    assert np.isfinite(frame[list(FEATURES)].to_numpy(float)).all()


@pytest.mark.parametrize("default", DEFAULT_FRAUD_TYPES, ids=lambda each: each.kind)
def test_a_type_starts_on_its_day_at_about_its_rate(default):
    fraud_type = dataclasses.replace(default, start_day=40, rate=0.02)
    frame = card_transactions(30_000, fraud_types=[fraud_type], random_state=0)
    is_type = frame["fraud_type"] == fraud_type.name
    assert frame.loc[is_type, "day"].min() in (40, 41, 42)
    assert frame.loc[is_type, "day"].max() >= 138
    assert is_type[frame["day"] >= 40].mean() == pytest.approx(0.02, rel=0.2)


def test_a_later_type_leaves_earlier_frauds_alone():
    types = [
        FraudType("high", "high_amount", start_day=0, rate=0.2),
        FraudType("stolen", "stolen_card", start_day=0, rate=0.2, duration=500),
    ]
    frame = card_transactions(5_000, fraud_types=types, random_state=0)
    high = frame[frame["fraud_type"] == "high"]
    assert len(high) == 1_000
    assert high["amount"].between(300, 900).all()
    assert (frame["fraud_type"] == "stolen").sum() > 500


def test_without_fraud_types_all_is_genuine():
    frame = card_transactions(1_000, fraud_types=(), random_state=0)
    assert frame["is_fraud"].sum() == 0


def test_customers_pay_near_home_by_day_and_on_fridays_and_saturdays(frame):
    genuine = frame[frame["is_fraud"] == 0]
    visits = genuine.groupby(["customer_id", "terminal_id"]).size()
    favourites = visits.groupby("customer_id").nlargest(20).sum()
    assert 0.90 < favourites / len(genuine) < 1
    assert genuine["night"].mean() < 0.10  # a quarter of the clock
    by_weekday = genuine["time"].dt.day_of_week.value_counts()
    assert set(by_weekday.index[:2]) == {4, 5}


def test_high_amounts_are_far_above_the_usual():
    frame = card_transactions(
        20_000, fraud_types=[one_type("high_amount")], random_state=0
    )
    fraud = frame["is_fraud"] == 1
    assert frame.loc[fraud, "amount"].between(300, 900).all()
    assert (frame.loc[~fraud, "amount"] >= 300).mean() < 0.002


@pytest.mark.parametrize("duration", [10, 500])
def test_a_compromised_terminal_defrauds_everyone_for_its_duration(duration):
    types = [one_type("compromised_terminal", rate=0.05, duration=duration)]
    frame = card_transactions(20_000, fraud_types=types, random_state=0)
    frauds = frame[frame["is_fraud"] == 1]
    assert frauds["terminal_id"].nunique() >= 3
    for terminal, own in frauds.groupby("terminal_id"):
        begin = own["time"].min()
        during = frame[
            (frame["terminal_id"] == terminal)
            & (frame["time"] >= begin)
            & (frame["time"] < begin + duration * DAY)
        ]
        assert (during["is_fraud"] == 1).all()


def test_a_stolen_card_pays_four_times_as_much_in_a_third_of_the_cases():
    types = [one_type("stolen_card", duration=500)]
    frame = card_transactions(40_000, fraud_types=types, random_state=0)
    frauds = frame[frame["is_fraud"] == 1]
    begin = frame["customer_id"].map(frauds.groupby("customer_id")["time"].min())
    after = frame[frame["time"] > begin]
    assert after["is_fraud"].mean() == pytest.approx(1 / 3, abs=0.05)
    means = after.groupby(["customer_id", "is_fraud"])["amount"].mean().unstack()
    assert (means[1] / means[0]).median() == pytest.approx(4, rel=0.1)


def test_card_testing_comes_in_bursts_of_small_amounts_on_one_card():
    frame = card_transactions(
        20_000, fraud_types=[one_type("card_testing", rate=0.005)], random_state=0
    )
    frauds = frame[frame["is_fraud"] == 1]
    assert (frauds["amount"] < 5).all()
    bursts = frauds.groupby(["customer_id", "terminal_id"])
    assert bursts.size().max() <= 12
    assert bursts.size().median() >= 4
    lasts = bursts["time"].max() - bursts["time"].min()
    assert lasts.max() < pd.Timedelta(hours=1)


def caught(frame, scores, name, damage=0.001):
    """Share of the type caught where the given share of genuine rows is lost."""
    threshold = np.quantile(scores[frame["is_fraud"] == 0], 1 - damage)
    return (scores[frame["fraud_type"] == name] > threshold).mean()


def test_old_frauds_are_learnt_and_a_new_type_is_missed(frame):
    old, new = frame[frame["day"] < 75], frame[frame["day"] >= 75]
    names = list(FEATURES)
    model = HistGradientBoostingClassifier(max_iter=50, random_state=0)
    scores = model.fit(old[names], old["is_fraud"]).predict_proba(new[names])[:, 1]
    assert caught(new, scores, "high_amount") > 0.9
    assert 0.1 < caught(new, scores, "stolen_card") < 0.8
    assert caught(new, scores, "card_testing") < 0.05
    assert caught(new, scores, "compromised_terminal") < 0.05


def test_a_linear_detector_learns_the_new_type_from_twenty_cases(frame):
    seen, later = frame[frame["day"].between(75, 104)], frame[frame["day"] >= 112]
    names = list(FEATURES)
    gain = {}
    for fraud in ("card_testing", "compromised_terminal"):
        cases = seen[seen["fraud_type"] == fraud].sample(
            20, replace=True, random_state=0
        )
        rows = pd.concat([seen[seen["is_fraud"] == 0], cases])
        detector = make_pipeline(
            StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
        ).fit(rows[names], rows["fraud_type"] == fraud)
        gain[fraud] = caught(later, detector.decision_function(later[names]), fraud)
    assert gain["card_testing"] > 0.6
    assert gain["compromised_terminal"] < 0.1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"n_transactions": 0},
            "n_transactions must be an integer of 1 or more, got 0",
        ),
        ({"n_transactions": 10.5}, "n_transactions must .* got 10.5"),
        ({"n_days": 0}, "n_days must .* got 0"),
        ({"n_customers": 0}, "n_customers must .* got 0"),
        ({"n_terminals": True}, "n_terminals must .* got True"),
        ({"label_delay": -1}, "label_delay must be an integer of 0 or more, got -1"),
        (
            {"n_days": 60},
            "'card_testing' starts on day 75, after the last day, 59; pass n_days=76",
        ),
        (
            {"fraud_types": [one_type("high_amount"), one_type("stolen_card")]},
            r"distinct names, got \['it', 'it'\]",
        ),
        (
            {"fraud_types": [one_type("high_amount", rate=0.6)]},
            r"add up to 0.5 or less, got \[0.6\]",
        ),
    ],
)
def test_bad_parameters_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        card_transactions(**{"n_transactions": 100} | params)


def test_other_objects_are_no_fraud_types():
    with pytest.raises(
        TypeError, match="must hold FraudType objects, got 'high_amount'"
    ):
        card_transactions(100, fraud_types=["high_amount"])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"name": "none"}, "name must .* got 'none'"),
        (
            {"kind": "phishing"},
            r"kind must be one of \('high_amount',.* got 'phishing'",
        ),
        ({"start_day": -1}, "start_day must .* got -1"),
        ({"rate": 0.0}, r"rate must lie in \(0, 1\), got 0.0"),
        ({"rate": 1}, r"rate must lie in \(0, 1\), got 1"),
        ({"duration": 0}, "duration must be a positive number of days, got 0"),
        ({"duration": np.inf}, "duration must .* got inf"),
    ],
)
def test_a_fraud_type_checks_its_fields(params, message):
    fields = {"name": "it", "kind": "high_amount", "start_day": 0, "rate": 0.1}
    with pytest.raises(ValueError, match=message):
        FraudType(**fields | params)
