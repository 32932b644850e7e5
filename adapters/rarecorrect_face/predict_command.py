"""The command ``rarecorrect face predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pandas as pd

from rarecorrect.progress import ShownProgress
from rarecorrect.whole_file import write_whole
from rarecorrect_face.annotate import Mark, annotated
from rarecorrect_face.command_line import (
    ANY_FILE,
    ANY_FOLDER,
    EXISTING_FILE,
    device_option,
    exit_for,
    model_option,
    plainly,
)
from rarecorrect_face.face_finder import Box, open_picture, pictures_below
from rarecorrect_face.predictions import (
    SCORE,
    check_table_name,
    gather,
    prediction_table,
    write_table,
)
from rarecorrect_face.service import load_corrector, load_network, read_faces


@click.command()
@click.argument("pictures", type=click.Path(exists=True, path_type=Path))
@model_option
@click.option("--corrector", type=EXISTING_FILE, help="Of this network.")
@click.option("--out", type=ANY_FILE, help="Table of all faces: .csv or .parquet.")
@click.option("--annotated", "drawn", type=ANY_FOLDER, help="Folder for pictures.")
@click.option("--whole", is_flag=True, help="Every picture is one face.")
@device_option
def predict(
    pictures: Path,
    model: Path,
    corrector: Path | None,
    out: Path | None,
    drawn: Path | None,
    whole: bool,
    device: str,
) -> None:
    """Read the faces in a picture, or in all pictures of a folder.

    The table has a row for each face: its box, its label, the scores of all classes,
    and whether a corrector changed it and by which rule.  The exit code is 1 where a
    picture could not be read or no face was found in it.
    """
    root = pictures if pictures.is_dir() else pictures.parent
    with plainly(), ShownProgress() as progress:
        if out is not None:
            check_table_name(out)
        if drawn is not None and root.resolve().is_relative_to(drawn.resolve()):
            raise ValueError(
                f"--annotated {str(drawn)!r} holds the pictures that are read: name "
                "another folder, such as one below it"
            )
        paths = pictures_below(pictures, drawn)
        if not paths:
            raise ValueError(f"no .png, .jpg or .jpeg file in {str(pictures)!r}")
        network = load_network(model, device)
        fix = None if corrector is None else load_corrector(corrector, network)
        progress.task("finding faces", len(paths))
        found = gather(paths, root, whole=whole, on_file=progress.step)
        read = read_faces(found.images, network, fix)
        table = prediction_table(found.faces, read)
        if out is not None:
            write_table(table, out)
        if drawn is not None:
            progress.task("drawing", table["file"].nunique())
            for name, part in table.groupby("file", sort=False):
                _draw(root / str(name), part, drawn / f"{name}.png")
                progress.step(str(name))
    for text in _lines(table):
        click.echo(text)
    exit_for(f"{where}: {what}" for where, what in found.problems)


def _draw(path: Path, faces: pd.DataFrame, out: Path) -> None:
    marks = []
    for _, row in faces.iterrows():
        box = Box(*(int(row[name]) for name in Box._fields))
        marks.append(Mark(box, _label(row), bool(row["changed"])))
    picture = annotated(open_picture(path), marks)
    write_whole(out, picture.save)


def _lines(table: pd.DataFrame) -> list[str]:
    """One line for each face."""
    found = []
    for _, row in table.iterrows():
        text = f"{row['file']} · face {row['face']} · {_label(row)}"
        if row["changed"]:
            text += f" · {row['network']} before, by the rule {row['rule']!r}"
        if row["flagged"]:
            text += f" · for a person to look at, by the rule {row['rule']!r}"
        found.append(text)
    return found


def _label(row: pd.Series[Any]) -> str:
    return f"{row['label']} {row[SCORE + str(row['label'])]:.2f}"
