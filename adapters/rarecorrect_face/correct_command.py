"""The command ``rarecorrect face correct``."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import rarecorrect
from rarecorrect import NotCertifiedWarning, RuleRefusedWarning
from rarecorrect.detectors import (
    CascadeDetector,
    FisherDetector,
    LogisticDetector,
    TreesDetector,
)
from rarecorrect.progress import ShownProgress
from rarecorrect_face.command_line import (
    ANY_FILE,
    EXISTING_FOLDER,
    ManyValues,
    device_option,
    exit_for,
    model_option,
    plainly,
)
from rarecorrect_face.patching import LAYERS, Patch, patch, read_labelled
from rarecorrect_face.service import load_network

_DETECTORS: dict[str, Callable[[int], Any]] = {
    "fisher": lambda seed: FisherDetector(),
    "auto": lambda seed: "auto",  # the corrector tells it the budget
    "cascade": lambda seed: CascadeDetector(random_state=seed),
    "logistic": lambda seed: LogisticDetector(),
    "trees": lambda seed: TreesDetector(random_state=seed),
}
_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)
_SHOWN = 5


@click.command(cls=ManyValues)
@model_option
@click.option(
    "--errors",
    required=True,
    type=EXISTING_FOLDER,
    help="Misread faces: <true label>/*; labels may be new to the network.",
)
@click.option(
    "--calibration",
    required=True,
    type=EXISTING_FOLDER,
    help="Faces as in service: <true label>/*, never trained on.",
)
@click.option("--out", required=True, type=ANY_FILE, help="File for the corrector.")
@click.option(
    "--max-damage",
    type=_SHARE,
    default=0.01,
    show_default=True,
    help="Largest share of right decisions that may be changed.",
)
@click.option("--confidence", type=_SHARE, default=0.95, show_default=True)
@click.option(
    "--layers",
    multiple=True,
    default=LAYERS,
    show_default=True,
    help="That detectors see, beside the logits.",
)
@click.option(
    "--detector",
    type=click.Choice(list(_DETECTORS)),
    default="fisher",
    show_default=True,
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@device_option
def correct(
    model: Path,
    errors: Path,
    calibration: Path,
    out: Path,
    max_damage: float,
    confidence: float,
    layers: tuple[str, ...],
    detector: str,
    seed: int,
    device: str,
) -> None:
    """Patch a trained network from a folder of faces that it misreads.

    The corrector is written also where nothing can be certified: it then changes
    nothing, and what is missing is said.  The exit code is 1 where some input was left
    out.
    """
    with plainly(), ShownProgress() as progress:
        network = load_network(model, device)
        progress.start("reading pictures")
        wrong, problems = read_labelled(errors)
        usual, more = read_labelled(calibration)
        progress.start("learning")
        for said in (NotCertifiedWarning, RuleRefusedWarning):  # the report has them
            warnings.simplefilter("ignore", said)
        made = patch(
            network,
            wrong,
            usual,
            layers=layers,
            detector=_DETECTORS[detector](seed),
            max_damage=max_damage,
            confidence_level=confidence,
            random_state=seed,
        )
        rarecorrect.save(made.corrector, out)
    _tell(made)
    click.echo(str(out))
    exit_for(f"{where}: left out, {what}" for where, what in [*problems, *more])


def _tell(made: Patch) -> None:
    click.echo(
        f"{made.n_errors:,} misread faces, {made.n_calibration:,} calibration faces"
    )
    if made.twice:
        click.echo(f"{made.twice:,} pictures left out: their pixels occurred before")
    if made.read_right:
        shown = ", ".join(made.read_right[:_SHOWN])
        more = ", ..." if len(made.read_right) > _SHOWN else ""
        click.echo(
            f"{len(made.read_right):,} of the errors left out: the network reads them "
            f"right ({shown}{more})"
        )
    if made.new:
        click.echo(f"new to the network: {', '.join(made.new)}")
    report = made.corrector.report_
    click.echo(str(report))
    if report.shortcoming():
        click.echo(
            "add faces as in service to the calibration folder: those that the network "
            "reads right count"
        )
