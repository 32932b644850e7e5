"""What the commands of the fraud desk have in common."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.console import Console
from rich.table import Table

from rarecorrect import load
from rarecorrect.book_file import BookFile
from rarecorrect.detectors import (
    BoostingDetector,
    CascadeDetector,
    FisherDetector,
    IntervalDetector,
    LogisticDetector,
    TreesDetector,
)
from rarecorrect_tabular.desk_model import Desk, DeskModel
from rarecorrect_tabular.desk_plan import DeskPlan
from rarecorrect_tabular.desk_survey import DeskColumns
from rarecorrect_tabular.transactions import TableWriter

NOT_ALL = 1  # exit code: the file is there, but something was left out
PATH = click.Path(path_type=Path)
DETECTORS: dict[str, Callable[[], Any]] = {
    "auto": lambda: "auto",
    "boosting": BoostingDetector,
    "cascade": CascadeDetector,
    "fisher": FisherDetector,
    "interval": IntervalDetector,
    "logistic": LogisticDetector,
    "trees": TreesDetector,
}
_TRAFFIC = "call certify(X) on recent traffic (whole days and time= for a daily budget)"
_AFTER_A_FIT = {
    "set max_damage=": "fit with a damage of ",
    "ledger=False": "fit with --no-ledger",
    _TRAFFIC: "certify whole days, with their --time",
    "certify them on labelled rows: certify(X, y)": "certify them, with a --label",
    " to certify(X, y)": " with their --label",
}
_Command = Callable[..., Any]

ALERT_UNIT = click.option(
    "--alert-unit", help="Column: customer, say; one alert a day each."
)
MODEL = click.option(
    "--model", type=PATH, help="Its trees, where it was fitted with --model."
)
_OPTIONS = (
    click.option("--data", type=PATH, required=True, help="Parquet or CSV."),
    click.option("--label", required=True, help="Column: 1 fraud, 0 none, or empty."),
    click.option("--time", required=True, help="Column: dates, or numbers of days."),
    click.option("--score-column", help="The model in service: a column of scores."),
    click.option("--model", type=PATH, help="Or its trees: .json, .ubj, .txt."),
    click.option(
        "--threshold", type=float,
        help="Lowest score of a fraud; 0.5 for scores from 0 to 1.",
    ),
    click.option("--score-range", type=(float, float), help="Of --score-column."),
    click.option("--errors", type=PATH, help="New cases; else all known errors."),
    click.option("--id", help="Column: the transaction."),
    click.option("--groups", help="Column: customer, say; rows of one are alike."),
    click.option("--decided", help="Column: 1 if declined, so without an outcome."),
    click.option(
        "--label-time", help="Column: when the label became known; empty: at once."
    ),
    click.option("--features", multiple=True, help="Column; repeatable. Else all."),
    click.option("--drop", multiple=True, help="Column that is no feature."),
    click.option(
        "--detector", type=click.Choice(list(DETECTORS)), default="auto",
        show_default=True,
    ),
    click.option("--max-damage", type=float, help="0.001 if nothing else is set."),
    click.option(
        "--clear-damage", type=float, default=0.01, show_default=True,
        help="Share of caught frauds that may be cleared.",
    ),
    click.option(
        "--alert-budget",
        help="25/day, or a share of traffic; the last day counts as a whole one.",
    ),
    ALERT_UNIT,
    click.option("--value", help="Column: amount at stake, inside every score."),
    click.option(
        "--raise-only", "direction", flag_value="raise", default="raise",
        help="Missed frauds become alerts (default).",
    ),
    click.option("--clear-only", "direction", flag_value="clear"),
    click.option("--both", "direction", flag_value="both"),
    click.option("--time-margin", type=float, default=0.0, show_default=True),
    click.option("--calibrate-from", help="First day that calibrates."),
    click.option("--trained-until", help="Last day the model in service was taught."),
    click.option("--no-ledger", is_flag=True, help="Certify once, at full confidence."),
    click.option("--seed", type=int, default=0, show_default=True),
)  # fmt: skip


def fit_options(command: _Command) -> _Command:
    """Give a command the options that say what to fit on.

    Parameters
    ----------
    command : callable

    Returns
    -------
    callable
    """
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def model_from(options: dict[str, Any]) -> DeskModel:
    """The model in service that options name.

    Parameters
    ----------
    options : dict

    Returns
    -------
    DeskModel
    """
    column, path = options["score_column"], options["model"]
    if (column is None) == (path is None):
        raise click.UsageError("give one of --score-column and --model")
    if path is not None:
        threshold = 0.5 if options["threshold"] is None else options["threshold"]
        return DeskModel.of_trees(path, threshold)
    return DeskModel.of_score(column, options["threshold"], options["score_range"])


def columns_from(options: dict[str, Any]) -> DeskColumns:
    """The roles of columns that options name.

    Parameters
    ----------
    options : dict

    Returns
    -------
    DeskColumns
    """
    names = (
        "label",
        "time",
        "id",
        "groups",
        "decided",
        "label_time",
        "alert_unit",
        "features",
        "drop",
    )
    return DeskColumns(**{name: options[name] for name in names})


def plan_from(options: dict[str, Any]) -> DeskPlan:
    """What to correct, and at what cost, as options say.

    Parameters
    ----------
    options : dict

    Returns
    -------
    DeskPlan
    """
    damage, alerts = options["max_damage"], _budget(options["alert_budget"])
    if damage is None and alerts is None:
        damage = 0.001
    plan = DeskPlan(
        direction=options["direction"],
        max_damage=damage,
        clear_damage=options["clear_damage"],
        alert_budget=alerts,
        value=options["value"],
        detector=DETECTORS[options["detector"]](),
        time_margin=options["time_margin"],
        ledger=not options["no_ledger"],
        calibrate_from=_day(options["calibrate_from"]),
        trained_until=_day(options["trained_until"]),
        seed=options["seed"],
    )
    _ = plan.cap  # refuses what is no budget
    return plan


def desk_from(corrector: Path, model: Path | None) -> Desk:
    """The corrector of a file, around its model.

    Parameters
    ----------
    corrector : Path
    model : Path or None
        Boosted trees, which the file does not hold; where fraud begins it does.

    Returns
    -------
    Desk
    """
    if not corrector.is_file():
        raise FileNotFoundError(f"no file {str(corrector)!r}")
    if model is None:
        try:
            return Desk(load(corrector))
        except ValueError as error:
            if "estimator" not in str(error):
                raise
            raise ValueError(
                f"{corrector.name!r} does not hold its trees: name them with --model"
            ) from error
    trees = DeskModel.of_trees(model, BookFile.open(corrector).threshold).model
    try:
        return Desk(load(corrector, estimator=trees))
    except ValueError as error:
        if "is not the model" not in str(error):
            raise
        raise ValueError(f"{error}; is this the file of the fit?") from error


def scorable(name: str, reasons: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Places of the rows that can be scored.

    Parameters
    ----------
    name : str
        Of the file.
    reasons : ndarray of str
        Why not, mostly "".

    Returns
    -------
    ndarray of int

    Raises
    ------
    ValueError
        If there is none.
    """
    good = np.flatnonzero(reasons == "")
    if good.size == 0:
        raise ValueError(none_scorable(name, Counter(reasons.tolist())))
    return good


def none_scorable(name: str, reasons: Counter[str]) -> str:
    """What to say of a file without a row that can be scored.

    Parameters
    ----------
    name : str
        Of the file.
    reasons : Counter of str
        Why not, of all rows.

    Returns
    -------
    str

    Examples
    --------
    >>> none_scorable("day.csv", Counter({"amount is missing": 7}))
    "no row of 'day.csv' can be scored: amount is missing (7 of 7 rows)"
    """
    reason, n = reasons.most_common(1)[0]
    return (
        f"no row of {name!r} can be scored: {reason} ({n:,} of "
        f"{reasons.total():,} rows)"
    )


@contextmanager
def plainly(*, replaces: str = "") -> Iterator[None]:
    """Say warnings and errors of bad input in one line each, without a traceback.

    A command whose ``--out`` is one of the files that it reads is refused.

    Parameters
    ----------
    replaces : str, default=""
        The option whose file ``--out`` may name all the same.
    """
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        try:
            _keep_inputs(click.get_current_context().params, replaces)
            yield
        except (ValueError, TypeError, OSError, ImportError) as error:
            raise click.UsageError(_one_line(error)) from error
        finally:
            for text in dict.fromkeys(str(one.message) for one in found):
                click.echo(f"Warning: {in_options(_one_line(text))}", err=True)


def in_options(text: str) -> str:
    """Ways out in the words of the command, as it was called.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    params = click.get_current_context().params
    if "direction" not in params:
        for words, option in _AFTER_A_FIT.items():
            text = text.replace(words, option)
        return text
    damage = "--clear-damage" if params["direction"] == "clear" else "--max-damage"
    text = text.replace("set max_damage=", f"set {damage} ")
    text = text.replace(
        _TRAFFIC,
        f"pass more {'whole days' if '/' in str(params['alert_budget']) else 'rows'}",
    )
    return text.replace("ledger=False", "--no-ledger")


def write_table(path: Path, rows: pd.DataFrame) -> None:
    """Write a frame to csv or parquet.

    Parameters
    ----------
    path : Path
    rows : DataFrame
    """
    writer = TableWriter(path)
    writer.write(rows)
    writer.close()


def show_table(rows: list[dict[str, str]]) -> None:
    """Show rows of texts: a drawn table on a terminal, plain columns in a pipe.

    Parameters
    ----------
    rows : list of dict
        With the same keys.
    """
    names, console = list(rows[0]) if rows else [], Console()
    lines = [names, *(list(row.values()) for row in rows)]
    if console.is_terminal:
        shown = Table()
        for name in names:
            shown.add_column(name, justify="right")
        for line in lines[1:]:
            shown.add_row(*line)
        console.print(shown)
        return
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (text.rjust(w) for text, w in zip(line, widths, strict=True))
        click.echo("  ".join(padded))


def _budget(text: str | None) -> float | str | None:
    if text is None or "/" in text:
        return text
    try:
        share = float(text)
    except ValueError:
        return text
    return share if share < 1 else text  # 25 without its /day is refused as it came


def _day(text: str | None) -> int | None:
    if text is None or re.fullmatch(r"-?\d+", text):
        return None if text is None else int(text)
    try:
        return int(np.datetime64(text, "D").astype(np.int64))
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no day: write a date such as 2024-05-31, or a number where "
            "times are numbers of days"
        ) from error


def _one_line(text: object) -> str:
    joined = " ".join(str(text).split())
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in joined)


def _keep_inputs(options: dict[str, Any], replaces: str) -> None:
    if (out := options.get("out")) is None:
        return
    for name, path in options.items():
        if name in ("out", replaces) or not isinstance(path, Path):
            continue
        if path.resolve() == out.resolve():
            raise ValueError(
                f"--out {str(out)!r} would overwrite what --{name} reads: name another"
            )
