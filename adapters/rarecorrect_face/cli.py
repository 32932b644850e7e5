"""The command ``rarecorrect face``."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from rarecorrect.progress import Progress, ShownProgress
from rarecorrect_face.benchmark import (
    BenchmarkResult,
    Source,
    run_benchmark,
    sources_of,
)
from rarecorrect_face.explain_command import explain
from rarecorrect_face.loaders import FORMATS, Loaded, load_faces
from rarecorrect_face.networks import make_tables, rarest, torch_network
from rarecorrect_face.plan import LEAVE_ONE_OUT, PROTOCOLS, RARE, Plan
from rarecorrect_face.report import write_results
from rarecorrect_face.report_tables import reading_table
from rarecorrect_face.statistics import CERTIFIED, readings

LEFT_OUT = 1  # exit code: results are there, but some input was left out
_QUICK_EPOCHS = 3
_QUICK_CLASSES = 2


class ManyValues(click.Command):
    """A command whose repeatable options take several values: ``--seeds 0 1 2``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write the option before every one of its values."""
        several = {
            name
            for option in self.params
            if isinstance(option, click.Option) and option.multiple
            for name in option.opts
        }
        spelt: list[str] = []
        current, n_values = "", 0
        for arg in args:
            if arg.startswith("--"):
                current, n_values = arg, 0
            elif current in several:
                spelt += [current] if n_values else []
                n_values += 1
            spelt.append(arg)
        return super().parse_args(ctx, spelt)


@click.group()
def face() -> None:
    """Pictures of faces: networks that read emotions, and their correctors."""


face.add_command(explain)


@face.command(cls=ManyValues)
@click.option(
    "--features",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Feature tables (.npz) of networks of your own, or folders of them.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    help="Faces to train networks on: FER2013, RAF-DB, AffectNet, or folders.",
)
@click.option(
    "--format",
    type=click.Choice(["auto", *FORMATS]),
    default="auto",
    show_default=True,
    help="Of --data.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for tables, pictures and checkpoints.",
)
@click.option("--classes", multiple=True, help="To correct; default: all.")
@click.option(
    "--protocol",
    type=click.Choice(PROTOCOLS),
    default=LEAVE_ONE_OUT,
    show_default=True,
    help="The network never saw the class, or few faces of it.",
)
@click.option(
    "--images",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help=f"Faces of the class that the network sees, under {RARE}.",
)
@click.option("--seeds", multiple=True, type=int, default=(0,), show_default=True)
@click.option("--quick", is_flag=True, help="Two classes, three epochs, one draw.")
@click.option("--resume", is_flag=True, help="Go on where a run was stopped.")
@click.option(
    "--background",
    type=click.IntRange(min=0),
    help="Right decisions on training faces that detectors learn from, at most.",
)
@click.option("--layers", multiple=True, help="To learn from; default: all.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--device", help="To train on, such as cpu or cuda.")
@click.option("--size", help="Of the network, such as small or base.")
@click.option("--epochs", type=click.IntRange(min=1))
@click.option(
    "--recipe",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file with choices for the training.",
)
def benchmark(
    features: tuple[Path, ...],
    data: Path | None,
    format: str,
    out: Path,
    classes: tuple[str, ...],
    protocol: str,
    images: int,
    seeds: tuple[int, ...],
    quick: bool,
    resume: bool,
    background: int | None,
    layers: tuple[str, ...],
    jobs: int,
    device: str | None,
    size: str | None,
    epochs: int | None,
    recipe: Path | None,
) -> None:
    """Leave each class out of the training of a network, correct it, test.

    From faces (--data), on which networks are trained, or from what networks of your
    own say of faces (--features).  The exit code is 1 where some input was left out.
    """
    if (data is None) == (not features):
        raise click.UsageError("give either --data or --features")
    if any(seed < 0 for seed in seeds):
        raise click.UsageError(f"seeds must be 0 or more, got {min(seeds)}")
    plan = _plan(quick, protocol, background, layers)
    loaded: Loaded | None = None
    try:
        with ShownProgress() as progress:
            if data is None:
                tables = sources_of(features)
                sources = dict.fromkeys(seeds, tables)
            else:
                progress.start(f"reading {data.name}")
                loaded = load_faces(data, format)
                choices = _choices(recipe, device=device, size=size, epochs=epochs)
                if quick:
                    choices.setdefault("epochs", _QUICK_EPOCHS)
                    classes = classes or tuple(rarest(loaded.faces, _QUICK_CLASSES))
                sources = _trained(
                    loaded,
                    out,
                    choices,
                    seeds=seeds,
                    classes=classes,
                    n_kept=images if protocol == RARE else 0,
                    resume=resume,
                    progress=progress,
                )
            result = run_benchmark(
                sources,
                plan,
                classes=classes,
                checkpoints=out / "classes",
                resume=resume,
                n_jobs=jobs,
                progress=progress,
            )
    except (ValueError, FileNotFoundError, ImportError) as error:
        raise click.UsageError(str(error)) from error
    report = "" if loaded is None else str(loaded.report)
    faces = None if loaded is None else loaded.faces
    files = write_results(result, out, _command(), report, faces=faces)
    _show(result)
    click.echo(", ".join(str(file) for file in files[:4]))
    if loaded is not None and not loaded.report.complete:
        click.echo(report, err=True)
        sys.exit(LEFT_OUT)


def _plan(
    quick: bool, protocol: str, background: int | None, layers: Sequence[str]
) -> Plan:
    choices: dict[str, Any] = {"protocol": protocol}
    if background is not None:
        choices["background"] = background
    if layers:
        choices["layers"] = tuple(layers)
    return Plan.quick(**choices) if quick else Plan(**choices)


def _choices(recipe: Path | None, **given: Any) -> dict[str, Any]:
    """Choices for the training from a file, and above them those given."""
    found: dict[str, Any] = {}
    if recipe is not None:
        try:
            found = json.loads(recipe.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{recipe.name} is no JSON file: {error}") from error
        if not isinstance(found, dict):
            raise ValueError(f"{recipe.name} must hold choices by name")
    return found | {name: value for name, value in given.items() if value is not None}


def _trained(
    loaded: Loaded,
    out: Path,
    choices: dict[str, Any],
    *,
    seeds: Sequence[int],
    resume: bool,
    progress: Progress,
    **options: Any,
) -> dict[int, list[Source]]:
    found = {}
    for seed in seeds:
        seeded = choices | {"seed": seed}
        found[seed] = make_tables(
            loaded.faces,
            torch_network(seeded, resume=resume, progress=progress),
            out,
            seed=seed,
            choices=seeded,
            resume=resume,
            **options,
        )
    return found


def _show(result: BenchmarkResult) -> None:
    found = readings(result.cases, result.plan)
    found["low"] = found["high"] = float("nan")  # the files have the intervals
    shown = reading_table(found, CERTIFIED)
    table = Table(title=shown.title)
    for name in shown.header:
        table.add_column(name)
    for row in shown.rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(table)


def _command() -> str:
    return shlex.join(["rarecorrect", *sys.argv[1:]])


if __name__ == "__main__":
    face()
