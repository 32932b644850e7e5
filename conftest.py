"""Modules that need torch are collected only where it is, and marked."""

from importlib.util import find_spec

import pytest

_NEED_TORCH = "adapters/rarecorrect_face/nets"

collect_ignore = [] if find_spec("torch") else [_NEED_TORCH]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let ``make test-extras`` find their doctests."""
    for item in items:
        if _NEED_TORCH in item.path.as_posix():
            item.add_marker(pytest.mark.needs_torch)
