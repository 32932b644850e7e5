"""A corrector that a file of tests shares."""

from __future__ import annotations

import pytest

from .helpers import fitted


@pytest.fixture(scope="module")
def corrected(outbreak):
    return fitted(outbreak)
