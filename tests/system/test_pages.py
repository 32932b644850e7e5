"""The code on the pages of the guide runs, and prints what the pages show."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs"
WITH_CODE = [
    "array_api.md",
    "budgets.md",
    "certificates.md",
    "detectors.md",
    "features.md",
    "larger_than_memory.md",
    "onnx.md",
    "report.md",
    "rules.md",
    "speed.md",
    "sql.md",
    "start/data_scientist.md",
    "time.md",
]


NEEDS = {"array_api.md": pytest.mark.needs_torch, "onnx.md": pytest.mark.needs_onnx}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=NEEDS.get(name, ())) for name in WITH_CODE]
)
def test_a_page_shows_what_its_code_prints(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # as array_api.md says
    failed, tried = doctest.testfile(str(PAGES / name), module_relative=False)
    assert tried > 2
    assert failed == 0


def test_every_picture_says_what_it_shows() -> None:
    """For whoever does not see it: in words, not in one."""
    pages = [PAGES.parent / "README.md", *PAGES.rglob("*.md")]
    found = [
        (str(page.relative_to(PAGES.parent)), words)
        for page in pages
        if not {"_build", "gallery"} & set(page.parts)
        for words in re.findall(r"!\[([^\]]*)\]\(", page.read_text())
    ]
    assert len(found) > 5
    assert [page for page, words in found if len(words.split()) < 6] == []


def test_every_page_with_code_is_run() -> None:
    pages = [
        page
        for folder in (".", "about", "guide", "start")
        for page in (PAGES / folder).glob("*.md")
    ]
    found = [str(p.relative_to(PAGES)) for p in pages if ">>> " in p.read_text()]
    assert sorted(found) == WITH_CODE
