"""Every example of the docs runs, and says what its text says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def output_of(name, capsys):
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return capsys.readouterr().out


def share_caught(text, column):
    """Share of the card testing that is called fraud, by column."""
    (line,) = re.findall(r"^card_testing +(.+)$", text, flags=re.MULTILINE)
    return float(line.split()[column])


def test_a_vendor_score_is_patched(capsys):
    text = output_of("patch_vendor_score.py", capsys)
    assert share_caught(text, 0) < 0.1 and share_caught(text, 1) > 0.8
    assert "the same answers from the file: True" in text


def test_false_alarms_are_cleared(capsys):
    text = output_of("clear_false_alarms.py", capsys)
    found = re.findall(r"(\d+) of \d+ alarms cleared; (\d+) of \d+ caught", text)
    (cleared, lost), (as_many, lost_by_score) = ((int(a), int(b)) for a, b in found)
    assert cleared == as_many > 100 and lost < 10 < lost_by_score
    assert "changes at most 1 % of right decisions" in text


@pytest.mark.needs_boosting
def test_a_booster_is_patched(capsys):
    text = output_of("patch_xgboost.py", capsys)
    assert share_caught(text, 0) < 0.1 and share_caught(text, 1) > 0.8
    assert "was changed to 1" in text


@pytest.fixture
def real_data(data_home, monkeypatch):
    monkeypatch.setenv("RARECORRECT_DATA", str(data_home))


@pytest.mark.usefixtures("real_data")
def test_probes_of_new_kinds_are_caught(capsys):
    text = output_of("nslkdd_unseen_attacks.py", capsys)
    found = re.findall(r"^(\w+) +(\d+) +([\d.]+) +(True|False)$", text, re.MULTILINE)
    new = {name: float(share) for name, _, share, is_new in found if is_new == "True"}
    assert {"mscan", "saint"} <= set(new) and new["saint"] > 0.3
    assert "changes at most 1 % of right decisions" in text


@pytest.mark.usefixtures("real_data")
def test_card_fraud_is_counted_in_payments(capsys):
    text = output_of("ulb_reweighted.py", capsys)
    before, rows, after = (
        [float(x) for x in re.findall(r"\d+\.\d+", line)]
        for line in re.findall(r"^.*(?:payments|rows) +\d.*$", text, re.MULTILINE)[:3]
    )
    # precision among payments is less than among rows of the file; recall is the same
    assert before[1] < rows[1] - 0.1 and before[2] == rows[2]
    assert after[2] > before[2] + 0.05
    assert "changes at most 0.2 % of right decisions" in text
