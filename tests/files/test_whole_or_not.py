"""A file is written whole or not at all, whoever saves, loads or dies meanwhile.

``python tests/files/test_whole_or_not.py 200`` kills that many saves.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from rarecorrect import ErrorCorrector
from rarecorrect.files import load, save
from rarecorrect.probe import Probe

N_KILLS = 30

# a process that has all in memory: for every line it reads, it forks one that saves
NURSERY = """
import os, sys
from rarecorrect.files import load, save
path, *sources = sys.argv[1:]
correctors = [load(source) for source in sources]
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    while child == 0:
        for corrector in correctors:
            save(corrector, path, with_estimator=True)
    print(child, flush=True)
    if line == "wait\\n":
        os.waitpid(child, 0)
"""


def sources(folder):
    """Two files, one of them larger."""
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=1000).fit(X[::2], y[::2] > 1)
    for i, detector in enumerate((None, "auto")):
        corrector = ErrorCorrector(
            model, random_state=0, max_damage=0.2, detector=detector
        ).fit(X, y)
        corrector.probe_ = Probe.of(X, model)
        save(corrector, folder / f"source-{i}.rc", with_estimator=True)
        yield folder / f"source-{i}.rc"


@contextmanager
def nursery(path, files):
    """Ask it for the number of a process that saves, and goes on until it is killed."""
    command = [sys.executable, "-c", NURSERY, str(path), *map(str, files)]
    pipe, born = subprocess.PIPE, []
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # OpenMP survives no fork
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, env=one_thread
    ) as process:

        def saver(line="wait"):
            print(line, file=process.stdin, flush=True)
            born.append(int(process.stdout.readline()))
            return born[-1]

        assert process.stdout.readline() == "ready\n"
        try:
            yield saver
        finally:
            process.kill()
            if born:
                with suppress(ProcessLookupError):
                    os.kill(born[-1], signal.SIGKILL)


def kill_savers(folder, count):
    """Kill saves at random moments; how many left a file beside, unfinished."""
    files = list(sources(folder))
    path, rng = folder / "corrector.rc", random.Random(0)
    wanted = [str(load(source).report_) for source in files]
    with nursery(path, files) as saver:
        for _ in range(count):
            born = saver()
            time.sleep(rng.uniform(0.0, 0.3))
            os.kill(born, signal.SIGKILL)
            if path.exists():
                assert str(load(path).report_) in wanted
    assert path.exists()
    return len(list(folder.glob(".*.part.corrector.rc")))


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@forks
def test_a_save_that_is_killed_leaves_a_whole_file(tmp_path):
    kill_savers(tmp_path, N_KILLS)


@forks
def test_two_that_save_and_one_that_loads(tmp_path):
    files = list(sources(tmp_path))
    path = tmp_path / "corrector.rc"
    save(load(files[0]), path, with_estimator=True)
    wanted = {str(load(source).report_) for source in files}
    with nursery(path, files) as one, nursery(path, files) as two:
        one("go"), two("go")
        seen = {str(load(path).report_) for _ in range(60)}
    assert seen == wanted


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    [small, large] = sources(tmp_path)
    before = small.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(load(large), small, with_estimator=True)
    assert small.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [small, large]


def test_a_link_stays_a_link(tmp_path):
    [small, large] = sources(tmp_path)
    link = tmp_path / "current.rc"
    link.symlink_to(small)
    save(load(large), link, with_estimator=True)
    assert link.is_symlink()
    assert str(load(small).report_) == str(load(large).report_)


def test_who_may_read_a_file_stays_the_same(tmp_path):
    [small, large] = sources(tmp_path)
    small.chmod(0o600)
    save(load(large), small, with_estimator=True)
    assert small.stat().st_mode & 0o777 == 0o600


def test_no_folder_no_file(tmp_path):
    [small, _] = sources(tmp_path)
    with pytest.raises(FileNotFoundError):
        save(load(small), tmp_path / "nowhere" / "corrector.rc", with_estimator=True)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nowhere.rc")


if __name__ == "__main__":
    import tempfile

    n_kills = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as place:
        left = kill_savers(Path(place), n_kills)
    print(f"{n_kills} saves killed, every file was whole; {left} were cut short beside")
