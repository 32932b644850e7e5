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


@pytest.mark.needs_boosting
def test_a_booster_is_patched(capsys):
    text = output_of("patch_xgboost.py", capsys)
    assert share_caught(text, 0) < 0.1 and share_caught(text, 1) > 0.8
    assert "was changed to 1" in text
