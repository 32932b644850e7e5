"""Tables that commands read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pandas as pd


def read_table(path: Path, option: str) -> pd.DataFrame:
    """A table from a file; `option` is the one that names it, for messages."""
    if not path.is_file():
        raise click.BadParameter(f"there is no file {str(path)!r}", param_hint=option)
    if path.suffix.lower() == ".csv":
        return pd.read_csv(path)
    if path.suffix.lower() in (".parquet", ".pq"):
        return pd.read_parquet(path)
    raise click.BadParameter(
        f"must be a .parquet or .csv file, got {path.name!r}", param_hint=option
    )


def check_column(table: pd.DataFrame, name: str | None, option: str) -> None:
    """Refuse the name of a column that is not there."""
    known = sorted(map(str, table.columns))
    if name is not None and name not in known:
        raise click.BadParameter(
            f"there is no column {name!r}, only {known}", param_hint=option
        )


def rows_for(corrector: Any, table: pd.DataFrame, *aside: str | None) -> Any:
    """What a corrector reads: its columns by name, or all but some in their order."""
    names = getattr(corrector, "feature_names_in_", None)
    if names is not None:
        missing = [name for name in names if name not in table]
        if missing:
            raise ValueError(f"the data lack the columns {missing}")
        return table[list(names)]
    rest = table.drop(columns=[name for name in aside if name is not None])
    n_columns = getattr(corrector, "n_features_in_", rest.shape[1])
    if rest.shape[1] != n_columns:
        raise ValueError(
            f"the corrector was fit on {n_columns} columns without names, got "
            f"{rest.shape[1]}: {list(rest.columns)}; leave the others out"
        )
    return rest.to_numpy()
