"""Modules that need an extra are collected only where it is, and marked."""

from importlib.util import find_spec

import pytest

# module, what it imports when it is tested, and the marker
_NEEDS = (
    ("adapters/rarecorrect_face/nets", "torch", "needs_torch"),
    ("rarecorrect/export/onnx.py", "skl2onnx", "needs_onnx"),
)

collect_ignore = [path for path, module, _ in _NEEDS if not find_spec(module)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let ``make test-extras`` find their doctests."""
    for item in items:
        for path, _, marker in _NEEDS:
            if path in item.path.as_posix():
                item.add_marker(marker)
