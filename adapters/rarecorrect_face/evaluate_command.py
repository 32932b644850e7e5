"""The command ``rarecorrect face evaluate``."""

from __future__ import annotations

from pathlib import Path

import click

from rarecorrect.progress import ShownProgress
from rarecorrect_face.command_line import (
    EXISTING_FILE,
    device_option,
    exit_for,
    format_option,
    model_option,
    plainly,
    show_table,
)
from rarecorrect_face.evaluation import Evaluation
from rarecorrect_face.faces import Faces
from rarecorrect_face.loaders import load_faces
from rarecorrect_face.service import decide, load_corrector, load_network

_SPLITS = ("test", "calibration", "train")


@click.command()
@model_option
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="FER2013, RAF-DB, AffectNet, or folders.",
)
@format_option
@click.option(
    "--split", type=click.Choice(_SPLITS), default=_SPLITS[0], show_default=True
)
@click.option("--corrector", type=EXISTING_FILE, help="Of this network.")
@device_option
def evaluate(
    model: Path,
    data: Path,
    format: str,
    split: str,
    corrector: Path | None,
    device: str,
) -> None:
    """Say how well a network reads faces, before and after correction.

    Faces whose very pixels occur in another split are left out.  The exit code is 1
    where some input could not be read.
    """
    with plainly(), ShownProgress() as progress:
        network = load_network(model, device)
        fix = None if corrector is None else load_corrector(corrector, network)
        progress.start(f"reading {data.name}")
        loaded = load_faces(data, format)
        faces = _judged(loaded.faces, split, network.classes)
        read = decide(faces.images, network, fix)
        found = Evaluation.of(
            faces.names.tolist(),
            read["before"].tolist(),
            network.classes,
            after=None if fix is None else read["after"].tolist(),
            flagged=read["flagged"].to_numpy(bool),
        )
    _show(found, f"{len(faces):,} faces of the split {split}")
    exit_for([] if loaded.report.complete else [loaded.report])


def _judged(faces: Faces, split: str, classes: tuple[str, ...]) -> Faces:
    """The faces of a split without copies; says what is special about them."""
    part = faces.part(split)
    kept = part.take(~part.duplicate)
    if len(kept) == 0:
        raise ValueError(
            f"no face of the split {split!r} is left of {len(part):,}; the data have "
            f"{', '.join(sorted(set(faces.split.tolist())))}"
        )
    occurring = sorted(set(kept.names.tolist()))
    unknown = [name for name in occurring if name not in classes]
    if len(unknown) == len(occurring):
        raise ValueError(
            f"the network knows {', '.join(classes)}, the faces are of "
            f"{', '.join(occurring)}: name the classes alike"
        )
    if copies := len(part) - len(kept):
        click.echo(
            f"{copies:,} of {len(part):,} faces left out: their pixels occur in "
            "another split"
        )
    if split == "train":
        click.echo("the network may have learnt from these faces: no measure of it")
    if unknown:
        click.echo(f"unknown to the network: {', '.join(unknown)}")
    return kept


def _show(found: Evaluation, title: str) -> None:
    show_table(title, found.summary())
    show_table("Recall", found.recalls())
    show_table("Read as, by the network", found.confusion(found.before))
    if found.after is not None:
        show_table("Read as, corrected", found.confusion(found.after))
