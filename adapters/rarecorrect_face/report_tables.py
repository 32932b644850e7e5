"""All tables of a report, as texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from rarecorrect_face.benchmark import BenchmarkResult
from rarecorrect_face.methods import PEER, PRODUCT
from rarecorrect_face.protocol import ALL, RETRAINED, WITH, WITHOUT
from rarecorrect_face.statistics import (
    AGAIN,
    BEFORE,
    CERTIFIED,
    GAIN,
    MACRO_F1,
    MEAN,
    RETENTION,
    comparisons,
    not_above,
    null_verdicts,
    rows_of,
)
from rarecorrect_face.tables import TextTable, share

_OF_READING = {
    GAIN: (
        "Gain at fixed retention",
        "On the test faces' own exact curve, so that all methods are compared at equal "
        "realised damage.",
    ),
    RETENTION: (
        "Retention at fixed gain",
        "The largest share of right decisions kept by a threshold that repairs at "
        "least this share of the errors; 0: none does.",
    ),
    CERTIFIED: (
        "Certified gain",
        "What a user gets: the threshold is certified on calibration faces that took "
        "part in nothing else; the level is the largest damage promised.",
    ),
    MACRO_F1: (
        "Macro-F1",
        "Mean F1 over all classes of the test part: of the network before and after "
        "the correction at the certified threshold for this damage, and of a network "
        "trained on all classes.",
    ),
}


def result_tables(result: BenchmarkResult, found: pd.DataFrame) -> list[TextTable]:
    """All tables of a run that have rows.

    Parameters
    ----------
    result : BenchmarkResult
    found : DataFrame
        Its readings.

    Returns
    -------
    list of TextTable
    """
    tables = [
        _facts(result),
        *(reading_table(found, reading) for reading in _OF_READING),
        _comparison_table(result),
        _null_table(result, found),
        _damage_table(result),
        _copies_table(found),
        _seconds_table(result),
    ]
    return [table for table in tables if table.rows]


def reading_table(
    found: pd.DataFrame, reading: str, *, copies: str = WITHOUT
) -> TextTable:
    """One reading: a row for each class, number of errors and level.

    Parameters
    ----------
    found : DataFrame
        The readings.
    reading : str
    copies : {"without", "with"}, default="without"

    Returns
    -------
    TextTable
    """
    title, text = _OF_READING[reading]
    part = found[(found["reading"] == reading) & (found["copies"] == copies)]
    methods = _ordered(part)
    rows = []
    for (k, level), block in part.groupby(["k", "level"], sort=False):
        for label, cell in block.groupby("class", sort=False):
            n = int(cell["n_test_errors"].max())
            texts = _shares_of(cell, methods)
            rows.append([str(k), f"{level:g}", str(label), str(n), *texts])
    header = ["errors learnt", "level", "class", "test errors", *methods]
    return TextTable(title, text, header, rows)


def _shares_of(cell: pd.DataFrame, methods: Sequence[str]) -> list[str]:
    found = {
        str(row["method"]): share(*(float(row[c]) for c in ("mean", "low", "high")))
        for _, row in cell.iterrows()
    }
    return [found.get(name, "-") for name in methods]


def _ordered(part: pd.DataFrame) -> list[str]:
    """Methods in their order, what is no method last, the network as it was first."""
    names = list(dict.fromkeys(part["method"]))
    last = [name for name in (RETRAINED, AGAIN) if name in names]
    first = [BEFORE] if BEFORE in names else []
    return [*first, *(n for n in names if n not in (*first, *last)), *last]


def _facts(result: BenchmarkResult) -> TextTable:
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "errors to learn from": lambda f: f"{f['errors']:,}",
        "right decisions, unseen": lambda f: f"{f['right_unseen']:,}",
        "right, trained on": lambda f: f"{f['right_seen']:,}",
        "calibration": lambda f: f"{f['calibration']:,}",
        "test errors": lambda f: f"{f['test_errors_without']:,}",
        "with copies": lambda f: f"{f['test_errors_with']:,}",
        "accuracy before": lambda f: share(f["accuracy_without"]),
    }
    rows = [
        [case.label, str(case.seed), *(write(case.facts) for write in columns.values())]
        for case in result.cases
    ]
    return TextTable("What was corrected", "", ["class", "seed", *columns], rows)


def _comparison_table(result: BenchmarkResult) -> TextTable:
    found = comparisons(result.cases, result.plan)
    rows = [
        [
            str(row["reading"]),
            str(row["k"]),
            f"{row['damage']:g}",
            str(row["other"]),
            share(row["gain"]),
            share(row["other_gain"]),
            f"{row['difference']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})",
            share(row["share"]),
        ]
        for _, row in found.iterrows()
    ]
    header = ["gain", "errors learnt", "damage", "beside", PRODUCT, "its gain"]
    text = (
        f"Means over classes; the same draws and test faces as {PEER}'s, so that there "
        "may be fewer than above."
    )
    return TextTable(
        f"{PRODUCT} beside {PEER} and the retrained network",
        text,
        [*header, "difference", "share"],
        rows,
    )


def _null_table(result: BenchmarkResult, found: pd.DataFrame) -> TextTable:
    verdicts = null_verdicts(result.cases, found)
    rows: list[list[str]] = []
    methods: list[str] = []
    if not verdicts.empty:
        verdicts = verdicts[verdicts["class"] != MEAN]
        methods = list(dict.fromkeys(verdicts["method"]))
        for key, cell in verdicts.groupby(["class", "k", "damage"], sort=False):
            above = dict(zip(cell["method"], cell["above"], strict=True))
            first = cell.iloc[0]
            limits = [share(first["null_mean"]), share(first["null_limit"])]
            marks = ["yes" if above.get(name) else "no" for name in methods]
            rows.append([str(key[0]), str(key[1]), f"{key[2]:g}", *limits, *marks])
    behind = not_above(verdicts)
    text = (
        f"Gain on the curve of Fisher's detector with the error labels permuted "
        f"{result.plan.permutations} times. Above: the lower 95 % end of a gain lies "
        "above the largest of these, and the gain is 0.10 or more. Where the retrained "
        f"network's class score is above and {PRODUCT} is not: "
        f"{', '.join(behind) or 'nowhere'}."
    )
    header = ["class", "errors learnt", "damage", "null mean", "null limit", *methods]
    return TextTable("Null control", text, header, rows)


def _damage_table(result: BenchmarkResult) -> TextTable:
    frame = rows_of(result.cases)
    run = frame[(frame["certified"] == True) & (frame["k"] == ALL)]  # noqa: E712
    run = run[run["copies"] == WITHOUT]
    rows = []
    for key, cell in run.groupby(["class", "damage"], sort=False):
        mean = cell.groupby("method", sort=False)["realised_damage"].mean()
        beyond = (cell["realised_damage_low"] > cell["damage"]).mean()
        texts = [share(float(mean.get(name, float("nan")))) for name in _names(run)]
        rows.append([str(key[0]), f"{key[1]:g}", *texts, f"{100 * beyond:.0f} %"])
    return TextTable(
        "Realised damage",
        "At the certified thresholds, all errors learnt. Beyond: draws of all methods "
        "whose damage is above the promise at its lower 95 % end.",
        ["class", "promised", *_names(run), "beyond"],
        rows,
    )


def _copies_table(found: pd.DataFrame) -> TextTable:
    part = found[
        found["reading"].isin([GAIN, CERTIFIED])
        & (found["k"] == ALL)
        & found["method"].isin([PRODUCT, PEER, RETRAINED])
    ]
    names = list(dict.fromkeys(part["method"]))
    rows = []
    for key, cell in part.groupby(["reading", "level", "class"], sort=False):
        mean = cell.set_index(["method", "copies"])["mean"].to_dict()
        texts = [
            share(float(mean.get((name, copies), float("nan"))))
            for name in names
            for copies in (WITHOUT, WITH)
        ]
        rows.append([str(key[0]), f"{key[1]:g}", str(key[2]), *texts])
    header = [f"{name}, {copies}" for name in names for copies in (WITHOUT, WITH)]
    return TextTable(
        "Without and with copies",
        "The test part without and with the faces whose very pixels occur in another "
        "split, all errors learnt; thresholds are calibrated without them.",
        ["reading", "level", "class", *header],
        rows,
    )


def _seconds_table(result: BenchmarkResult) -> TextTable:
    frame = rows_of(result.cases)
    run = frame[frame["certified"].notna() & (frame["method"] != RETRAINED)]
    names = _names(run)
    rows = []
    for k, cell in run.groupby("k", sort=False):
        mean = cell.groupby("method")["seconds_fit"].mean()
        texts = [f"{mean[name]:.2f}" if name in mean else "-" for name in names]
        rows.append([str(k), *texts])
    return TextTable("Seconds to fit", "", ["errors learnt", *names], rows)


def _names(frame: pd.DataFrame) -> Sequence[str]:
    return list(dict.fromkeys(frame["method"]))
