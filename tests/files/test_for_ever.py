"""Files of every format that there ever was load, and say what they said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rarecorrect._files.corrector import FORMAT
from rarecorrect.files import load, save

from .data.make import answers, corrector
from .helpers import members_of

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("number", [1])
def test_a_stored_file(number):
    said = json.loads((DATA / f"format-{number}.json").read_text())
    rows = pd.DataFrame(said.pop("rows")).astype(float)
    segment = np.array(said.pop("segment"), dtype=object)
    again = load(DATA / f"format-{number}.rc")
    now = json.loads(json.dumps(answers(again, rows, segment)))
    assert any(said["trace"]["changed"])  # or there would be little to compare
    for name in ("score", "margin", "tail_rank"):
        then_, now_ = (np.array(t["trace"].pop(name), float) for t in (said, now))
        np.testing.assert_allclose(now_, then_, rtol=1e-9, atol=1e-9)
    then_, now_ = said.pop("scores"), now.pop("scores")
    assert then_.keys() == now_.keys()
    for name in then_:
        np.testing.assert_allclose(now_[name], then_[name], rtol=1e-9, atol=1e-9)
    assert now == said
    assert again.rules_.background.reservoir is not None


def parts_of(stored, found):
    """Kinds of objects in a manifest, and the names of their parts."""
    if isinstance(stored, dict):
        kind = stored.get("is", "section")
        found.setdefault(kind, set()).add(tuple(sorted(stored)))
    for value in stored.values() if isinstance(stored, dict) else stored:
        if isinstance(value, dict | list):
            parts_of(value, found)
    return found


def test_what_is_written_is_what_the_format_says(tmp_path):
    """If this fails, files have changed: see the docstring of rarecorrect._files."""
    save(corrector(), tmp_path / "now.rc", with_background=True)
    paths = (DATA / f"format-{FORMAT}.rc", tmp_path / "now.rc")
    texts = [members_of(path)["manifest.json"] for path in paths]
    then, now = (json.loads(text) for text in texts)
    for manifest in (then, now):
        del manifest["written_with"]
    assert parts_of(now, {}) == parts_of(then, {})
