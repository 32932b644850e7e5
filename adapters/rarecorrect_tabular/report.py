"""Result files: every row in parquet, the tables in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from rarecorrect.versions import installed_versions
from rarecorrect.whole_file import write_whole
from rarecorrect_tabular.alert_report import alert_section
from rarecorrect_tabular.benchmark import BenchmarkResult
from rarecorrect_tabular.comparison import (
    LEAST_DRAWS,
    MARGIN,
    Comparison,
    compare,
    paired_differences,
)
from rarecorrect_tabular.markdown import plus_minus, table, table_of
from rarecorrect_tabular.methods import PRODUCT, PRODUCTS
from rarecorrect_tabular.protocol import WHOLE
from rarecorrect_tabular.statistics import (
    CELL,
    FEW_POSITIVES,
    cell_means,
    later_windows,
    null_verdicts,
    separability_verdicts,
)

_PACKAGES = ("rarecorrect", "numpy", "scipy", "scikit-learn", "pandas", "xgboost")
_OF_CELL: dict[str, Callable[[Any], str]] = {
    "task": lambda r: str(r.task),
    "reading": lambda r: str(r.reading),
    "k": lambda r: str(r.k),
    "damage": lambda r: f"{r.damage:g}",
}
_NAMES = {"certified_gain": "certified gain", "curve_gain": "curve gain"}


def write_results(result: BenchmarkResult, folder: str | Path, command: str) -> None:
    """Write ``results.parquet`` and ``results.md``, each whole or not at all.

    Parameters
    ----------
    result : BenchmarkResult
    folder : str or Path
        Made if it is not there.
    command : str
        What the user typed, for the record.
    """
    out = Path(folder)
    text = results_markdown(result, command)
    rows = pd.DataFrame([*result.outcome.rows, *result.alerts])
    write_whole(out / "results.parquet", lambda p: rows.to_parquet(p, index=False))
    write_whole(out / "results.md", lambda p: p.write_text(text, encoding="utf-8"))


def results_markdown(result: BenchmarkResult, command: str) -> str:
    """All tables of a run as Markdown.

    Parameters
    ----------
    result : BenchmarkResult
    command : str

    Returns
    -------
    str
    """
    parts = [f"# Tabular benchmark: {result.data_set}", _head(result, command)]
    parts += ["## What was corrected", _facts(result)]
    parts += [_separability(result), _tuning(result)]
    for reading in dict.fromkeys(result.frame["reading"]):
        parts.append(_gain_section(result, "certified_gain", reading))
        parts.append(_gain_section(result, "curve_gain", reading))
    parts.append(_comparison_section(result))
    for name in _compared(result):
        parts += [_difference_section(result, name), _window_section(result, name)]
    parts += [_null_section(result), alert_section(result.alerts)]
    parts.append(_seconds_section(result))
    return "\n\n".join(part for part in parts if part) + "\n"


def gain_table(
    result: BenchmarkResult, column: str, reading: str, *, errors: bool = True
) -> tuple[list[str], list[list[str]]]:
    """Mean gain, one row per cell, one column per method.

    Parameters
    ----------
    result : BenchmarkResult
    column : {"certified_gain", "curve_gain"}
    reading : str
    errors : bool, default=True
        With standard errors over draws.

    Returns
    -------
    header : list of str
    rows : list of list of str
    """
    means = cell_means(result.frame, column)
    means = means[means["reading"] == reading]
    methods = _methods(result.frame)
    rows = []
    for cell, part in means.groupby(CELL, sort=False):
        _, task, _, k, damage = cell
        found = part.set_index("method")
        n = int(found["n_test_positives"].max())
        mark = " (few)" if n < FEW_POSITIVES else ""
        texts = [_mean_of(found, name, errors) for name in methods]
        rows.append([str(task), str(k), f"{damage:g}", f"{n}{mark}", *texts])
    return ["task", "k", "damage", "test errors", *methods], rows


def _records(frame: pd.DataFrame) -> Iterator[Any]:
    # pandas types the fields of a named tuple as anything a cell may hold
    return iter(frame.itertuples())


def _mean_of(found: pd.DataFrame, name: str, errors: bool) -> str:
    if name not in found.index:
        return "-"
    mean, error = (found[column].astype(float)[name] for column in ("mean", "error"))
    return plus_minus(mean, error) if errors else plus_minus(mean)


def _methods(frame: pd.DataFrame) -> list[str]:
    """Methods that were run on test rows, in their order; no controls."""
    run = frame[frame["certified"].notna()]
    return list(dict.fromkeys(run["method"]))


def _head(result: BenchmarkResult, command: str) -> str:
    plan = result.plan
    draws = ", ".join(
        f"{'all' if k is None else k}: {n}" for k, n in plan.draws.items()
    )
    weights = ""
    if result.data_set == "ulb":
        weights = (
            " Genuine rows are a sample and weigh 20.6 in the training of the legacy "
            "model, where prevalence sets its decisions; gain and damage are shares "
            "within errors and within right decisions and need no weights. The rows "
            "were split at random: in order of time the last third would hold 561 "
            "genuine rows."
        )
    notes = "".join(f"\n- {note}" for note in result.outcome.notes)
    return f"""\
`{command}`

{result.n_rows:,} rows, seed {plan.seed}, {result.seconds / 60:.1f} minutes, \
{_versions()}.

Draws for each number k of labelled cases: {draws} (retraining: at most \
{plan.retraining_draws}). Readings: {", ".join(plan.readings)}; "as seen": cases that \
nobody labelled count as right, in fit and calibration; "clean": they are taken out. \
A draw fixes the labelled cases, at most {plan.sizes.background:,} right decisions of \
the correction window to fit on, and at most {plan.sizes.calibration:,} other ones to \
calibrate on, chosen at random and treated as independent rows; it is the same for \
all methods. Retraining leaves the calibration rows out of its training, or its \
certificate would be void. Damage is measured on at most \
{plan.sizes.test_right:,} random right decisions of the test window. Labels of the \
hidden type never enter the features, at any time. The certified gain uses a \
threshold certified on calibration rows ({100 * plan.confidence_level:g} % \
confidence); the curve gain is read at equal realised damage on the test rows \
themselves. Figures are means over draws ± their standard error. The legacy model \
is gradient boosting on histograms of 255 bins, so an amount above the highest bin \
edge looks like any other such amount, to it and to retraining.{weights}{notes}"""


def _versions() -> str:
    found = installed_versions(_PACKAGES)
    return ", ".join(f"{name} {number}" for name, number in found.items())


def _facts(result: BenchmarkResult) -> str:
    return table_of(
        result.tasks,
        {
            "task": lambda t: t.name,
            "legacy training rows": lambda t: f"{t.n_legacy_rows:,}",
            "correction rows": lambda t: f"{t.n_pool_rows:,}",
            "errors in them": lambda t: f"{t.n_pool_cases:,}",
            "test rows": lambda t: f"{t.n_test_rows:,}",
            "errors among these": lambda t: f"{t.n_test_cases:,}",
            "legacy accuracy": lambda t: f"{t.accuracy:.4f}",
        },
    )


def _separability(result: BenchmarkResult) -> str:
    found = separability_verdicts(result.frame)
    return (
        "## Can these errors be corrected at all?\n\n"
        "Gain of Fisher's detector on errors left out of its fit, on fitting rows "
        "only, at the largest k, and the largest such gain of "
        f"{result.plan.permutations} permutations of the error labels. Separable: for "
        "some budget the lower nominal 95 % end lies above that limit and the gain is "
        "0.10 or more.\n\n"
    ) + table_of(
        _records(found),
        _OF_CELL
        | {
            "cross-fitted gain": lambda r: f"{r.gain:.3f}",
            "lower end": lambda r: f"{r.low:.3f}",
            "null limit": lambda r: f"{r.null_limit:.3f}",
            "verdict": lambda r: r.verdict,
        },
    )


def _tuning(result: BenchmarkResult) -> str:
    if not result.tuned:
        return ""
    return (
        "## Peers, tuned once a task\n\n"
        "By the cross-fitted gain on fitting rows of a draw that nothing is judged on, "
        f"with {result.plan.tuning_cases} labelled cases (all where there are fewer), "
        "in the first reading; the settings then hold for every k and both readings."
        "\n\n"
    ) + table_of(
        result.tuned,
        {
            "task": lambda t: t.task,
            "peer": lambda t: t.peer,
            "settings": lambda t: ", ".join(f"{k}={v}" for k, v in t.settings.items()),
            "gain": lambda t: f"{t.gain:.3f}",
            "gain at the documented ones": lambda t: f"{t.default_gain:.3f}",
        },
    )


def _gain_section(result: BenchmarkResult, column: str, reading: str) -> str:
    header, rows = gain_table(result, column, reading)
    text = f"## {_NAMES[column].capitalize()}, {reading}\n\n{table(header, rows)}"
    if any("(few)" in row[3] for row in rows):
        text += f"\n\n(few): fewer than {FEW_POSITIVES} errors in the test window."
    means = _separable_means(result, column, reading)
    return text + (f"\n\n{means}" if means else "")


def _separable_means(result: BenchmarkResult, column: str, reading: str) -> str:
    """Mean over the tasks that can be corrected, where there are several."""
    verdicts = separability_verdicts(result.frame)
    same = verdicts[verdicts["reading"] == reading]
    kept = set(same.loc[same["verdict"] == "separable", "task"])
    means = cell_means(result.frame, column)
    means = means[(means["reading"] == reading) & means["task"].isin(kept)]
    if len(kept) < 2:
        return ""
    # only cells that every separable task has, or the means would not compare
    counts = means.groupby(["k", "damage"])["task"].transform("nunique")
    means = means[counts == len(kept)]
    pooled = means.groupby("method", sort=False)["mean"].mean()
    ordered = [name for name in _methods(result.frame) if name in pooled.index]
    row = [f"{pooled[name]:.3f}" for name in ordered]
    return (
        f"Mean of the separable tasks ({', '.join(sorted(kept))}) over damage and the "
        f"k that all of them have ({', '.join(dict.fromkeys(means['k']))}):"
        "\n\n" + table(ordered, [row])
    )


def _compared(result: BenchmarkResult) -> list[str]:
    return [name for name in PRODUCTS if name in set(result.frame["method"])]


def _comparison_section(result: BenchmarkResult) -> str:
    """The methods compared, each against its peers over all separable tasks."""
    verdicts = separability_verdicts(result.frame)
    tasks = sorted(set(verdicts.loc[verdicts["verdict"] == "separable", "task"]))
    parts = []
    for name in _compared(result):
        for by in ("certified", "curve"):
            found = compare(result.outcome, name, by, tasks)
            if found is not None:
                parts.append(_comparison(found, by))
    if not parts:
        return ""
    head = (
        "## Over all cells of the separable tasks\n\n"
        "The one peer with the best mean was chosen on every second draw and is judged "
        "on the others; in every cell its own best peer likewise. Bootstrap over draws "
        "and test errors, both shared by all cells of a task. Cells with fewer than "
        f"{FEW_POSITIVES} test errors are pooled over k; {LEAST_DRAWS} draws or more. "
        "Retraining, which has fewer draws, is not among the peers here, nor is a "
        f"product other than {PRODUCT}."
    )
    return "\n\n".join([head, *parts])


def _comparison(found: Comparison, by: str) -> str:
    listed = [c for c in found.cells if c.difference < -MARGIN]
    behind = sum(c.behind for c in found.cells)
    text = (
        f"**{found.method}, {by} gain:** {found.gain:.3f} beside {found.peer_gain:.3f} "
        f"of {found.peer}: {found.difference:+.3f} ({found.low:+.3f} to "
        f"{found.high:+.3f}) over {len(found.cells)} cells. Behind the best peer of "
        f"its cell by more than {MARGIN:g}: {len(listed)} cells, significantly (.05 "
        f"over all cells): {behind}."
    )
    if not listed:
        return text
    columns: dict[str, Callable[[Any], str]] = {
        "task": lambda c: str(c.cell[1]),
        "reading": lambda c: str(c.cell[2]),
        "k": lambda c: str(c.cell[3]),
        "damage": lambda c: f"{c.cell[4]:g}",
        "best peer": lambda c: c.peer,
        "its gain": lambda c: f"{c.gain:.3f}",
        "difference": lambda c: f"{c.difference:+.3f}",
        "95 % interval": lambda c: f"{c.low:+.3f} to {c.high:+.3f}",
    }
    return f"{text}\n\n{table_of(iter(listed), columns)}"


def _difference_section(result: BenchmarkResult, name: str) -> str:
    return (
        f"## {name} minus peer, paired\n\n"
        "Same draws, same test errors; bootstrap over both. The best peer of a cell "
        "was chosen on every second draw and is judged on the others. Pooled: the mean "
        f"over k, where fewer than {FEW_POSITIVES} errors are in the test window.\n\n"
    ) + table_of(
        _records(paired_differences(result.outcome, name)),
        _OF_CELL
        | {
            "gain": lambda r: r.by,
            "peer": lambda r: r.peer,
            "difference": lambda r: f"{r.difference:+.3f}",
            "95 % interval": lambda r: f"{r.low:+.3f} to {r.high:+.3f}",
            "draws": lambda r: str(r.n_draws),
        },
    )


def _window_section(result: BenchmarkResult, name: str) -> str:
    found = later_windows(result.frame, [name])
    parts = found[found["window"] != WHOLE]
    above = [
        f"{reading}: {100 * part['share_above'].mean():.1f} %"
        for reading, part in parts.groupby("reading", sort=False)
    ]
    return (
        f"## Realised damage of {name} in later windows\n\n"
        "Means over draws whose threshold was certified. Draws above: the lower 95 % "
        "end of the realised damage is above the budget. The certificate speaks of "
        "cases like the calibration rows, which are older. Mean of these shares over "
        f"the parts of the test window: {', '.join(above)}.\n\n"
    ) + table_of(
        _records(found),
        _OF_CELL
        | {
            "window": lambda r: (
                "whole test window" if r.window == WHOLE else str(r.window)
            ),
            "certified gain": lambda r: f"{r.certified_gain:.3f}",
            "realised damage": lambda r: f"{100 * r.realised_damage:.3f} %",
            "95 % interval": lambda r: (
                f"{100 * r.realised_damage_low:.3f} to "
                f"{100 * r.realised_damage_high:.3f} %"
            ),
            "draws above": lambda r: f"{100 * r.share_above:.0f} %",
        },
    )


def _null_section(result: BenchmarkResult) -> str:
    return (
        "## Null control\n\n"
        f"{PRODUCT} after {result.plan.permutations} permutations of the error "
        "labels. Above: the lower end lies above the largest of them and the gain is "
        "0.10 or more.\n\n"
    ) + table_of(
        _records(null_verdicts(result.frame, result.outcome)),
        _OF_CELL
        | {
            "curve gain": lambda r: f"{r.gain:.3f}",
            "95 % interval": lambda r: f"{r.low:.3f} to {r.high:.3f}",
            "null mean": lambda r: f"{r.null_mean:.3f}",
            "null largest": lambda r: f"{r.null_limit:.3f}",
            "above the null": lambda r: "yes" if r.above else "no",
        },
    )


def _seconds_section(result: BenchmarkResult) -> str:
    whole = result.frame[result.frame["window"] == WHOLE]
    means = whole.groupby("method", sort=False)[["seconds_fit", "seconds_score"]].mean()
    return (
        "## Seconds\n\nMean wall clock of a fit, and of scoring all calibration and "
        "test rows.\n\n"
    ) + table_of(
        _records(means.loc[_methods(result.frame)]),
        {
            "method": lambda r: r.Index,
            "fit": lambda r: f"{r.seconds_fit:.2f}",
            "score": lambda r: f"{r.seconds_score:.2f}",
        },
    )
