"""Result files: rows in parquet, readings as Markdown, LaTeX and csv, pictures."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rarecorrect.certify import rows_needed
from rarecorrect.versions import installed_versions
from rarecorrect.whole_file import write_whole
from rarecorrect_face.benchmark import BenchmarkResult
from rarecorrect_face.faces import Faces
from rarecorrect_face.methods import SLOW
from rarecorrect_face.plan import LEAVE_ONE_OUT, words
from rarecorrect_face.plots import left_out, pictures
from rarecorrect_face.protocol import RETRAINED
from rarecorrect_face.report_tables import result_tables
from rarecorrect_face.statistics import readings, rows_of

_PACKAGES = ("rarecorrect", "numpy", "scikit-learn", "xgboost", "torch")


def write_results(
    result: BenchmarkResult,
    folder: str | Path,
    command: str,
    loading: str = "",
    *,
    faces: Faces | None = None,
) -> list[Path]:
    """Write all files, each whole or not at all.

    ``results.parquet`` has every row, ``readings.csv`` the means and intervals,
    ``results.md`` and ``results.tex`` the tables.  Pictures are drawn where matplotlib
    is installed: ``curves.png`` and, for each class, ``confusion-<class>.png``,
    ``embedding-<class>.png`` and ``attention-<class>.png``, changed faces under the
    attention of the network.  Those that are left out are named in ``results.md``.

    Parameters
    ----------
    result : BenchmarkResult
    folder : str or Path
        Made if it is not there.
    command : str
        What the user typed, for the record.
    loading : str, default=""
        How reading the faces went.
    faces : Faces, optional
        What the networks read, for the pictures of changed faces.

    Returns
    -------
    list of Path
        The files written.
    """
    out, frame = Path(folder), rows_of(result.cases)
    found = readings(result.cases, result.plan)
    tables = result_tables(result, found)
    drawn = pictures(result.cases, faces) if find_spec("matplotlib") else None
    notes = _notes(result, faces, drawn is not None)
    head = "\n\n".join(filter(None, [_head(result, command), loading, notes]))
    text = "\n\n".join(["# Face benchmark", head, *(t.markdown() for t in tables)])
    latex = "\n\n".join(t.latex() for t in tables)
    writers: dict[str, Any] = {
        "results.parquet": lambda path: frame.to_parquet(path, index=False),
        "readings.csv": lambda path: found.to_csv(path, index=False),
        "results.md": lambda path: path.write_text(text + "\n", encoding="utf-8"),
        "results.tex": lambda path: path.write_text(latex + "\n", encoding="utf-8"),
    }
    writers |= drawn or {}
    for name, write in writers.items():
        write_whole(out / name, write)
    return [out / name for name in writers]


def _head(result: BenchmarkResult, command: str) -> str:
    plan = result.plan
    draws = ", ".join(f"{words(k)}: {n}" for k, n in plan.draws.items())
    what = (
        "For each class a network is trained that never saw it"
        if plan.protocol == LEAVE_ONE_OUT
        else "For each class a network is trained that saw few faces of it"
    )
    return f"""\
`{command}`

Protocol {plan.protocol}, seeds {", ".join(map(str, result.seeds))}, \
{result.seconds / 60:.1f} minutes for the corrections, {_versions()}.

{what}; a detector learns from labelled errors of the class and from right decisions \
on faces that the network was not trained on, with at most {plan.background:,} of its \
training faces added; thresholds are certified on the calibration part \
({100 * plan.confidence_level:g} % confidence); everything is judged on the test part. \
Test and calibration faces whose very pixels occur in another split are left out, but \
for the section that says so. Draws for each number of labelled errors: {draws} \
({" and ".join(SLOW)}: at most {plan.slow_draws}); a draw is the same for all methods. \
Every method is fitted once a draw, told the smallest budget. In brackets: 95 % \
intervals, exact (Clopper-Pearson, over the test faces, nominal where draws are \
averaged) for a class, a bootstrap over draws and test faces for the mean over \
classes. "{RETRAINED}": its log-odds of the class, taken as the score of a change, on \
the same decisions and at the same retention."""


def _notes(result: BenchmarkResult, faces: Faces | None, draws: bool) -> str:
    pictures_missing = (
        left_out(result.cases, faces)
        if draws
        else ["pictures: not drawn, matplotlib is not installed"]
    )
    notes = [*result.notes, *_not_certified(result), *pictures_missing]
    return "\n".join(f"- {note}" for note in notes)


def _not_certified(result: BenchmarkResult) -> list[str]:
    """Where the correction stays off for lack of calibration faces, and its way out."""
    level, lines = result.plan.confidence_level, []
    for case in result.cases:
        n = case.facts["calibration"]
        for damage in result.plan.damages:
            if n < (needed := rows_needed(damage, level)):
                lines.append(
                    f"{case.label}, seed {case.seed}: {n} right decisions to calibrate "
                    f"on certify no damage of {damage:g}, {needed} are needed; the "
                    "correction stays off, its certified gain is 0"
                )
    return lines


def _versions() -> str:
    found = installed_versions(_PACKAGES)
    return ", ".join(f"{name} {number}" for name, number in found.items())
