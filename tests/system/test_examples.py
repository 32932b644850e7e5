"""Every script of docs/examples runs, and prints figures that can be true."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def figures(output: str, label: str) -> list[float]:
    """The numbers of the first line that starts with a label."""
    line = next(line for line in output.splitlines() if line.startswith(label))
    return [float(word) for word in line.removeprefix(label).split()]


def check_digits(output: str) -> None:
    budgets = figures(output, "max_damage")
    assert budgets == [0.01, 0.02, 0.05]
    curve, certified, damage, null, before, after, retrained = (
        figures(output, label)
        for label in (
            "curve gain", "certified gain", "realised damage", "null, mean",
            "F1 before", "F1 after", "F1 retrained",
        )
    )  # fmt: skip
    # one gain a budget, rising with it, far above permuted labels, never above one
    assert curve == sorted(curve)
    assert certified == sorted(certified)
    for i, budget in enumerate(budgets):
        assert null[i] + 0.3 < curve[i] <= 1
        assert null[i] + 0.3 < certified[i] <= 1
        assert 0 <= damage[i] <= 2 * budget  # of some 300 right test rows
        assert before[i] < after[i] < retrained[i] <= 1
    # without a class of ten, a macro-F1 loses that class and little else
    assert 0.7 < before[0] < 0.9
    assert "standard errors over 2 cases" in output
    assert "above the null control: 100% of rows" in output


CHECKS: dict[str, Callable[[str], None]] = {"digits_leave_one_out.py": check_digits}


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_runs_as_a_reader_would_run_it(name: str, tmp_path: Path) -> None:
    assert name in CHECKS, "an example without a check of its figures: write one"
    run = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, "--quick"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    CHECKS[name](run.stdout)
    assert not list(tmp_path.iterdir()), "an example leaves no files behind"


def test_there_is_an_example_for_every_check() -> None:
    assert set(CHECKS) == {path.name for path in EXAMPLES.glob("*.py")}
