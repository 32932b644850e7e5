"""A file is there whole or not at all, and nobody else may read it meanwhile."""

from __future__ import annotations

import pytest

from rarecorrect.whole_file import write_whole


def test_what_is_being_written_is_as_private_as_what_it_replaces(tmp_path):
    path, modes = tmp_path / "notes.md", []
    path.write_text("old")
    path.chmod(0o600)

    def write(part):
        modes.append(part.stat().st_mode & 0o777)
        part.write_text("new")

    write_whole(path, write)
    assert modes == [0o600]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "new"


def test_a_failure_leaves_the_old_file_and_nothing_beside(tmp_path):
    path = tmp_path / "deep" / "notes.md"
    write_whole(path, lambda part: part.write_text("old"))

    def fail(part):
        part.write_text("half")
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        write_whole(path, fail)
    assert [file.name for file in path.parent.iterdir()] == ["notes.md"]
    assert path.read_text() == "old"
