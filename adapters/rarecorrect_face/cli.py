"""The command ``rarecorrect face``: its parts, and ``benchmark``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from joblib import cpu_count

from rarecorrect.progress import Progress, ShownProgress
from rarecorrect_face.benchmark import (
    BenchmarkResult,
    Source,
    run_benchmark,
    sources_of,
)
from rarecorrect_face.command_line import (
    LEFT_OUT,
    ManyValues,
    format_option,
    plainly,
    show_table,
)
from rarecorrect_face.correct_command import correct
from rarecorrect_face.evaluate_command import evaluate
from rarecorrect_face.explain_command import explain
from rarecorrect_face.loaders import Loaded, load_faces
from rarecorrect_face.methods import METHODS, available_methods
from rarecorrect_face.networks import make_tables, rarest, torch_network
from rarecorrect_face.plan import LEAVE_ONE_OUT, PROTOCOLS, RARE, Plan
from rarecorrect_face.predict_command import predict
from rarecorrect_face.recipe_options import choices_of, recipe_options
from rarecorrect_face.report import write_results
from rarecorrect_face.report_tables import reading_table
from rarecorrect_face.statistics import CERTIFIED, readings
from rarecorrect_face.train_command import train

_QUICK_EPOCHS = 3
_QUICK_CLASSES = 2
_QUICK_FACES = 10_000


@click.group()
def face() -> None:
    """Pictures of faces: networks that read emotions, and their correctors."""


for command in (train, evaluate, correct, predict, explain):
    face.add_command(command)


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
@format_option
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
@click.option(
    "--quick",
    is_flag=True,
    help=f"Two classes, three epochs, {_QUICK_FACES:,} training faces, one draw.",
)
@click.option("--resume", is_flag=True, help="Go on where a run was stopped.")
@click.option(
    "--background",
    type=click.IntRange(min=0),
    help="Right decisions on training faces that detectors learn from, at most.",
)
@click.option(
    "--layers",
    multiple=True,
    help="To learn from, by name (conv2@4: means over 4 x 4 parts); default: all "
    "that the tables hold.",
)
@click.option(
    "--methods",
    multiple=True,
    type=click.Choice(list(METHODS)),
    help="To compare; default: all.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Classes corrected at once; default: 1, with --quick one on each processor.",
)
@recipe_options
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
    methods: tuple[str, ...],
    jobs: int | None,
    **choices: Any,
) -> None:
    """Leave each class out of the training of a network, correct it, test.

    From faces (--data), on which networks are trained, or from what networks of your
    own say of faces (--features).  The exit code is 1 where some input was left out.
    """
    _check(features, data, seeds, methods, choices)
    plan = _plan(quick, protocol, background, layers)
    loaded: Loaded | None = None
    with plainly(), ShownProgress() as progress:
        if data is None:
            tables = sources_of(features)
            sources = dict.fromkeys(seeds, tables)
        else:
            progress.start(f"reading {data.name}")
            loaded = load_faces(data, format)
            choices = choices_of(**choices)
            if quick:
                choices.setdefault("epochs", _QUICK_EPOCHS)
                classes = classes or tuple(rarest(loaded.faces, _QUICK_CLASSES))
                loaded = loaded._replace(faces=loaded.faces.thinned(_QUICK_FACES))
            sources = _trained(
                loaded,
                out,
                choices,
                seeds=seeds,
                layers=layers,
                classes=classes,
                n_kept=images if protocol == RARE else 0,
                resume=resume,
                progress=progress,
            )
        result = run_benchmark(
            sources,
            plan,
            classes=classes,
            methods={name: METHODS[name] for name in methods} or None,
            checkpoints=out / "classes",
            resume=resume,
            n_jobs=jobs or (cpu_count() if quick else 1),
            progress=progress,
        )
    _tell(result, loaded, out)


def _check(
    features: Sequence[Path],
    data: Path | None,
    seeds: Sequence[int],
    methods: Sequence[str],
    choices: dict[str, Any],
) -> None:
    """Refuse, before anything is read, what cannot be meant."""
    if (data is None) == (not features):
        raise click.UsageError("give either --data or --features")
    if any(seed < 0 for seed in seeds):
        raise click.UsageError(f"seeds must be 0 or more, got {min(seeds)}")
    if any(text.startswith("seed=") for text in choices["settings"]):
        raise click.UsageError("seeds go by --seeds, not by --set")
    missing = set(methods).intersection(available_methods()[1])
    if missing:
        raise click.UsageError(
            f"{', '.join(missing)}: not installed; pip install 'rarecorrect[boosting]'"
        )


def _plan(
    quick: bool, protocol: str, background: int | None, layers: Sequence[str]
) -> Plan:
    choices: dict[str, Any] = {"protocol": protocol}
    if background is not None:
        choices["background"] = background
    if layers:
        choices["layers"] = tuple(layers)
    return Plan.quick(**choices) if quick else Plan(**choices)


def _trained(
    loaded: Loaded,
    out: Path,
    choices: dict[str, Any],
    *,
    seeds: Sequence[int],
    layers: Sequence[str],
    resume: bool,
    progress: Progress,
    **options: Any,
) -> dict[int, list[Source]]:
    found = {}
    for seed in seeds:
        seeded = choices | {"seed": seed}
        found[seed] = make_tables(
            loaded.faces,
            torch_network(seeded, layers=layers, resume=resume, progress=progress),
            out,
            seed=seed,
            choices=seeded,
            layers=layers,
            resume=resume,
            **options,
        )
    return found


def _tell(result: BenchmarkResult, loaded: Loaded | None, out: Path) -> None:
    """Write the results and say what they are; leave where input was left out."""
    report = "" if loaded is None else str(loaded.report)
    faces = None if loaded is None else loaded.faces
    files = write_results(result, out, _command(), report, faces=faces)
    _show(result)
    click.echo(", ".join(str(file) for file in files[:4]))
    if loaded is not None and not loaded.report.complete:
        click.echo(report, err=True)
        sys.exit(LEFT_OUT)


def _show(result: BenchmarkResult) -> None:
    found = readings(result.cases, result.plan)
    found["low"] = found["high"] = float("nan")  # the files have the intervals
    shown = reading_table(found, CERTIFIED)
    rows = [dict(zip(shown.header, row, strict=True)) for row in shown.rows]
    show_table(shown.title, rows)


def _command() -> str:
    return shlex.join(["rarecorrect", *sys.argv[1:]])


if __name__ == "__main__":
    face()
