"""The promise of the certificates, simulated in short; long form: `make simulate`."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

sys.path.insert(0, str(Path(__file__).parent))

from simulation import books, correctors, looking, scores, tables, trials, units
from simulation.run import run_all
from simulation.trials import Case, Trial, examine

from rarecorrect import certify
from rarecorrect.certify import thresholds
from rarecorrect.rulebook import RuleBook

QUICK = [
    case
    for module in (scores, units, looking, books, correctors)
    for case in module.cases()
    if case.quick
]


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_the_promise_is_kept_and_wrong_ways_are_found_out(case: Case) -> None:
    for finding in examine(case, case.quick):
        assert finding.as_expected, str(finding)


def test_every_scenario_has_a_short_form() -> None:
    everything = [
        c for m in (scores, units, looking, books, correctors) for c in m.cases()
    ]
    assert {c.scenario for c in QUICK} == {c.scenario for c in everything}
    assert len({c.name for c in everything}) == len(everything)


def _uniform_case() -> Case:
    once = partial(scores.uniform, 300, 0.05, 0.8)
    return Case("rows", "uniform", 300, 0.05, 0.8, once)


@pytest.mark.parametrize("shift", [-2, 2])
def test_a_rule_off_by_two_rows_is_found_out(
    monkeypatch: pytest.MonkeyPatch, shift: int
) -> None:
    exact = certify.allowed_exceedances

    def wrong(n: int, max_damage: float, confidence_level: float) -> int:
        return exact(n, max_damage, confidence_level) + shift

    k = exact(300, 0.05, 0.8)
    monkeypatch.setattr(thresholds, "allowed_exceedances", wrong)
    # the bracket must stay that of the right k
    monkeypatch.setattr(
        scores, "bracket", lambda _: tuple(binom.cdf([k - 1, k], 300, 0.05))
    )
    found = {f.form: f for f in examine(_uniform_case(), 1000)}
    assert found["half-way, bounds"].verdict == "BROKEN"


def test_a_rule_that_never_fires_is_found_out_at_every_size() -> None:
    for n in scores.SIZES:
        for eps in scores.BUDGETS:
            for level in scores.LEVELS:
                k = certify.allowed_exceedances(n, eps, level)
                share = trials.half_way(n, k, eps)
                # no violation at all in 2,000 samples must be too few
                assert k < 1 or (1 - share) ** 2000 < trials.SIGNIFICANCE


@pytest.mark.parametrize(
    ("n", "k", "eps"), [(50, 1, 0.1), (100, 4, 0.07), (20, 9, 0.6)]
)
def test_the_exact_half_way_value_agrees_with_plain_sampling(
    n: int, k: int, eps: float
) -> None:
    u = np.sort(np.random.default_rng(0).random((50_000, n)), axis=1)
    share = np.mean((u[:, k] + u[:, k - 1]) / 2 > eps)
    assert trials.half_way(n, k, eps) == pytest.approx(share, abs=0.01)
    low, high = binom.cdf([k - 1, k], n, eps)
    assert low < trials.half_way(n, k, eps) < high


def test_the_exact_share_of_a_rule_book_agrees_with_the_rows_that_fire() -> None:
    rng = np.random.default_rng(1)
    book = RuleBook().extend(*books._rules(rng))
    book, found = books._certified(book, *books._rows(1000, rng), 0.05)
    Z, labels = books._rows(200_000, rng)
    rows, winner = book.fires(Z, labels)
    decided = book.decide(Z, labels)
    np.testing.assert_array_equal(rows, np.flatnonzero(decided.fires))
    np.testing.assert_array_equal(winner, decided.winner[rows])
    assert set(winner) == {0, 1, 2, 3}
    exact = books.changed_share(book, found.threshold)
    assert rows.size / labels.size == pytest.approx(exact, abs=2e-3)


def test_no_op_rules_leave_dense_rules_as_they_are() -> None:
    rng = np.random.default_rng(2)
    dense = [
        replace(rule, coef=rng.normal(size=books.N_FEATURES))
        for rule in books._rules(rng)
    ]
    book = RuleBook().extend(*dense)
    with_idle = RuleBook().extend(*books._idle_rules(rng, "x"), *dense)
    rows = books._rows(1000, rng)
    book, found = books._certified(book, *rows, 0.05)
    with_idle, also = books._certified(with_idle, *rows, 0.05)
    assert found.threshold == pytest.approx(also.threshold, rel=1e-12)
    assert (found.n_exceeding, found.n_allowed) == (also.n_exceeding, also.n_allowed)
    assert found.n_exceeding > 0
    assert books._same_decisions(book, with_idle, rng)


def test_findings_depend_on_the_seed_and_on_nothing_else() -> None:
    case = _uniform_case()
    once = examine(case, 600, seed=3)
    assert run_all([case], 600, seed=3, n_jobs=1) == once
    assert examine(case, 600, seed=4) != once


def _fixed(violated: bool, allowed: tuple[float, float], must_fail: bool) -> Any:
    trial = Trial("form", 0.0, violated, allowed, 0, must_fail)
    case = Case("s", "t", 10, 0.1, 0.9, lambda rng: [trial])
    return examine(case, 200)[0]


@pytest.mark.parametrize(
    ("violated", "allowed", "must_fail", "verdict"),
    [
        (False, (0.0, 0.0), False, "holds"),
        (True, (0.0, 0.05), False, "BROKEN"),
        (False, (0.2, 0.3), False, "BROKEN"),
        (True, (0.0, 0.05), True, "fails, as it must"),
        (False, (0.0, 0.05), True, "NOT FOUND OUT"),
    ],
)
def test_verdicts(
    violated: bool, allowed: tuple[float, float], must_fail: bool, verdict: str
) -> None:
    finding = _fixed(violated, allowed, must_fail)
    assert finding.verdict == verdict
    assert finding.as_expected == verdict.islower()


def test_tables_are_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [_fixed(True, (0.0, 0.05), False), _fixed(True, (0.0, 0.05), True)]
    monkeypatch.setattr(tables, "as_markdown", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tables.write_tables(found, tmp_path, "command")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    tables.write_tables(found, tmp_path, "command")
    frame = pd.read_csv(tmp_path / "results.csv")
    assert frame["verdict"].tolist() == ["BROKEN", "fails, as it must"]
    text = (tmp_path / "results.md").read_text()
    assert text.count("**Not as it must be:**") == 1
    assert {p.name for p in tmp_path.iterdir()} == {"results.csv", "results.md"}
