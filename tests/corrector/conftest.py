"""A corrector that a file of tests shares."""

from __future__ import annotations

import pytest

from rarecorrect import blocks

from .helpers import fitted


@pytest.fixture(scope="module")
def corrected(outbreak):
    return fitted(outbreak)


@pytest.fixture
def small_chunks(monkeypatch):
    """Several chunks out of a few rows."""
    monkeypatch.setattr(blocks, "_CHUNK_ROWS", (256, 256))
