"""Rows on disk: those that were put there, or an error that says where."""

from __future__ import annotations

import tempfile

import numpy as np
import pytest

from rarecorrect import row_shelf as module
from rarecorrect.row_shelf import RowShelf


def read(shelf, places):
    found = [rows for _, rows in shelf.blocks(places)]
    return np.concatenate(found).ravel().tolist()


@pytest.mark.parametrize("in_memory", [1, 2**20])
def test_rows_that_are_not_kept_make_room(monkeypatch, in_memory):
    monkeypatch.setattr(module, "_IN_MEMORY", in_memory)
    with RowShelf() as shelf:
        shelf.put(np.arange(100.0)[:, None])
        places = shelf.keep(np.array([3, 50, 99]))
        assert (len(shelf), places.tolist()) == (3, [0, 1, 2])
        more = shelf.put(np.array([[7.0]]))
        assert read(shelf, np.append(places, more)) == [3.0, 50.0, 99.0, 7.0]


def test_a_full_disk_is_named(monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(module, "_IN_MEMORY", 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with RowShelf() as shelf:
        shelf.put(np.zeros((100, 10)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
        try:
            with pytest.raises(OSError, match="TMPDIR") as caught:
                shelf.put(np.zeros((1000, 10)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno is not None
    assert "8,000 bytes" in str(caught.value)
    assert tempfile.gettempdir() in str(caught.value)
