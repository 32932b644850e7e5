"""The command ``rarecorrect face train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rarecorrect.progress import ShownProgress
from rarecorrect_face.command_line import (
    ANY_FILE,
    ManyValues,
    exit_for,
    format_option,
    needing_torch,
    plainly,
)
from rarecorrect_face.faces import Faces
from rarecorrect_face.loaders import load_faces
from rarecorrect_face.recipe import Recipe
from rarecorrect_face.recipe_options import choices_of, recipe_options

_ENDING = ".safetensors"


@click.command(cls=ManyValues)
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="FER2013, RAF-DB, AffectNet, or folders.",
)
@format_option
@click.option(
    "--out",
    required=True,
    type=ANY_FILE,
    help="File for the network (.safetensors), written after every epoch.",
)
@click.option("--without", multiple=True, help="Classes that it shall not see.")
@click.option("--resume", is_flag=True, help="Go on where a training was stopped.")
@click.option("--seed", type=click.IntRange(min=0))
@recipe_options
def train(
    data: Path,
    format: str,
    out: Path,
    without: tuple[str, ...],
    resume: bool,
    **choices: Any,
) -> None:
    """Train a network to read emotions.

    It learns from the training faces.  A tenth of them is held out and chooses the
    epoch; the last line has the accuracy there.  The exit code is 1 where some input
    was left out.
    """
    with plainly():
        if out.suffix != _ENDING:
            raise ValueError(f"--out must end in {_ENDING}, got {out.name!r}")
        if out.exists() and not resume:
            raise ValueError(
                f"there is a file {str(out)!r} already: go on with it by --resume, or "
                "name another one"
            )
        recipe = Recipe.from_dict(choices_of(**choices))
        with ShownProgress() as progress:
            progress.start(f"reading {data.name}")
            loaded = load_faces(data, format)
        faces = loaded.faces
        for name in without:
            faces = faces.without(name)
        _train(faces, recipe, out, resume)
    exit_for([] if loaded.report.complete else [loaded.report])


def _train(faces: Faces, recipe: Recipe, out: Path, resume: bool) -> None:
    with needing_torch("networks"):
        from rarecorrect_face.nets.training import train as train_network
    trained = train_network(faces, recipe, checkpoint=out, resume=resume)
    best = trained.best
    if best is not None:
        click.echo(
            f"{out}: {', '.join(trained.classes)}; accuracy {best.accuracy:.3f} on "
            f"{len(trained.held_out):,} held-out training faces, epoch {best.number} "
            f"of {len(trained.epochs)}"
        )
