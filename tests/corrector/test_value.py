"""What is at stake in a row, inside the score before calibration."""

import numpy as np
import pandas as pd
import pytest

from rarecorrect import ColumnModel, ErrorCorrector, load, save
from rarecorrect.certify import rows_needed
from rarecorrect.export import to_sql
from rarecorrect.verify import verify

N = 6000


def cases(rng, n=N, share=0.01):
    """Payments that a score of 0 passes; a share are frauds, two sd off."""
    fraud = rng.random(n) < share
    hint = rng.normal(size=n) + 2.0 * fraud
    amount = rng.lognormal(3.0, 1.5, size=n)
    X = pd.DataFrame({"score": 0.0, "hint": hint, "amount": amount})
    return X, fraud.astype(int)


def corrector(value="amount", **options):
    options = {"max_damage": 0.01, "random_state": 0, **options}
    model = ColumnModel("score", threshold=0.5, classes=(0, 1))
    return ErrorCorrector(model, features="input", value=value, **options)


@pytest.fixture(scope="module")
def data():
    return cases(np.random.default_rng(0))


@pytest.fixture(scope="module")
def fitted(data):
    return corrector().fit(*data)


@pytest.fixture(scope="module")
def plain(data):
    return corrector(None).fit(*data)


def test_the_score_is_that_of_the_rule_plus_the_log_of_the_amount(data, fitted, plain):
    X, _ = data
    with_value, without = fitted.trace(X), plain.trace(X)
    speaks = np.isfinite(without["score"])
    assert speaks.any()
    np.testing.assert_allclose(
        with_value["score"][speaks],
        without["score"][speaks] + np.log(X["amount"][speaks]),
    )
    assert (with_value["score"][~speaks] == -np.inf).all()


def test_expensive_cases_are_caught_first(fitted, plain):
    X, y = cases(np.random.default_rng(1), 40_000)
    caught = [
        X["amount"][(c.predict(X) == 1) & (y == 1)].sum() for c in (fitted, plain)
    ]
    assert caught[0] > 1.2 * caught[1]


def test_predict_and_trace_agree(fitted):
    X, _ = cases(np.random.default_rng(2))
    trace = fitted.trace(X)
    assert trace["changed"].any()
    np.testing.assert_array_equal(fitted.predict(X), trace["after"])


def test_a_row_is_judged_without_its_company(fitted):
    X, _ = cases(np.random.default_rng(3), 200, share=0.2)
    one_by_one = [int(fitted.predict(X.iloc[[i]])[0]) for i in range(len(X))]
    assert one_by_one == fitted.predict(X).tolist()


@pytest.mark.parametrize("amount", [0.0, -5.0, np.nan, np.inf])
def test_nothing_at_stake_changes_nothing(fitted, amount):
    X = pd.DataFrame({"score": 0.0, "hint": [50.0], "amount": [amount]})
    trace = fitted.trace(X)
    assert not trace["changed"][0]
    assert trace["score"][0] == -np.inf
    assert fitted.predict(X)[0] == 0


def test_the_unit_of_the_amount_does_not_matter(data):
    X, y = data
    scaled = X.assign(amount=X["amount"] * 100.0)
    found = corrector().fit(X, y), corrector().fit(scaled, y)
    np.testing.assert_array_equal(found[0].predict(X), found[1].predict(scaled))


def test_the_certificate_covers_the_value(fitted, plain):
    for one, other in ((fitted, plain), (plain, fitted)):
        assert one.rules_.certified
        assert not other.with_rules(one.rules_).rules_.certified
    book = fitted.rules_
    assert not book.under(book.budgets, book.origin).certified
    assert not book.under(book.budgets, book.origin, value=1).certified
    assert book.under(book.budgets, book.origin, value=book.value).certified


def test_books_of_other_values_do_not_merge(fitted, plain):
    with pytest.raises(ValueError, match="weigh rows by other features"):
        fitted.rules_.merge(plain.rules_)


def test_a_value_must_be_a_feature(data):
    with pytest.raises(ValueError, match="value='money' is none of the 3 features"):
        corrector("money").fit(*data)


def test_rules_added_later_are_certified_with_the_amounts(fitted):
    X, y = cases(np.random.default_rng(4), 3000, share=0.02)
    frauds = np.flatnonzero(y == 1)[:5]
    made = fitted.add(X.iloc[frauds], y[frauds], name="more")
    assert made.rules_.value == fitted.rules_.value
    assert made.rules_.certified
    assert made.rules_.undo().undo().certified


def test_a_file_keeps_it(fitted, tmp_path):
    X, _ = cases(np.random.default_rng(5))
    path = tmp_path / "fix.rarecorrect"
    save(fitted, path)
    again = load(path)
    assert again.value == "amount"
    pd.testing.assert_frame_equal(again.trace(X), fitted.trace(X))


def test_a_file_without_it_does_not_speak_of_it(plain, tmp_path):
    path = tmp_path / "fix.rarecorrect"
    save(plain, path)
    assert b'"value": null' not in path.read_bytes()
    assert load(path).value is None


def test_verify_recomputes_the_scores(data, fitted, tmp_path):
    X, _ = data
    path = tmp_path / "fix.rarecorrect"
    save(fitted, path)
    rows = {name: X[name].to_numpy() for name in X}
    found = verify(path.read_bytes(), rows=rows | {"@decision": np.zeros(len(X), int)})
    verdict = {claim: verdict for verdict, claim, _ in found}
    assert "FAIL" not in verdict.values()
    assert verdict["entry 0: scores, from the rows"] == "PASS"


def test_texts_that_know_one_threshold_only_are_not_written(fitted):
    with pytest.raises(ValueError, match="differs from row to row"):
        to_sql(fitted, table="t", label="l")
    assert "log(amount) is part of every score" in str(fitted.report_)


def test_explanations_name_the_threshold_with_the_amount(fitted):
    X, _ = cases(np.random.default_rng(6), share=0.05)
    frame = fitted.explain(X).frame
    assert len(frame)
    assert np.isclose(frame["score"] - frame["margin"], fitted.rules_.threshold()).all()


def test_certified_damage_holds_with_amounts():
    """Violations over 200 draws of the calibration rows stay at delta or below."""
    rng = np.random.default_rng(7)
    fitted = corrector(ledger=False).fit(*cases(rng))
    n, draws = rows_needed(0.01, 0.95) + 200, 200
    population, _ = cases(rng, 200_000, share=0.0)
    scores = fitted.rules_.decide(
        population.to_numpy(), np.zeros(len(population), dtype=int)
    ).score
    over = 0
    for _ in range(draws):
        X, y = cases(rng, n, share=0.0)
        found = fitted.with_rules(fitted.rules_).certify(X, y)
        over += np.mean(scores > found.rules_.threshold()) > 0.01
    assert over <= 0.05 * draws + 3 * np.sqrt(0.05 * 0.95 * draws)


def test_blocks_are_weighed_too(data):
    X, y = data
    blocks = [(X[i : i + 500], y[i : i + 500]) for i in range(0, len(X), 500)]
    streamed = corrector().fit_blocks(blocks)
    assert streamed.rules_.value == list(X.columns).index("amount")
    again = cases(np.random.default_rng(3))
    certified = streamed.set_params(max_damage=0.02).certify_blocks([again])
    assert certified.rules_.certified
    assert certified.trace(again[0])["changed"].any()


def test_blocks_are_not_read_for_a_value_that_is_no_feature(data):
    asked = []

    def blocks():
        for number in range(40):
            asked.append(number)
            yield data

    with pytest.raises(ValueError, match="value='money' is none of the 3 features"):
        corrector("money").fit_blocks(blocks())
    assert 0 < len(asked) < 20
