"""The command ``rarecorrect face explain``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import numpy.typing as npt

from rarecorrect.progress import ShownProgress
from rarecorrect.whole_file import write_whole
from rarecorrect_face.loaders.pictures import PictureError, pictures_in, read_picture
from rarecorrect_face.overlays import Tile, contact_sheet, overlay

LEFT_OUT = 1  # exit code: results are there, but some input was left out
_METHODS = ("integrated-gradients", "hires-cam", "grad-cam", "attention")
_ON_A_SHEET = 40
_SIDE = 288  # pixels of a picture of one face

Array = npt.NDArray[Any]


class _Face(NamedTuple):
    """A picture file that could be read."""

    path: Path
    name: str
    image: Array


@click.command()
@click.argument("pictures", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--model",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Trained network (.safetensors).",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the pictures.",
)
@click.option(
    "--method", type=click.Choice(_METHODS), default=_METHODS[0], show_default=True
)
@click.option("--class", "label", help="To explain; default: what the network reads.")
@click.option("--device", default="auto", show_default=True)
def explain(
    pictures: Path, model: Path, out: Path, method: str, label: str | None, device: str
) -> None:
    """Show where on a face a network sees what speaks for a class.

    PICTURES is a picture or a folder of them, each of one whole face.  What speaks for
    the class is stained orange, what speaks against it blue: one picture for each
    face, and sheets of all.  The exit code is 1 where some picture could not be read.
    """
    try:
        faces, broken = _read(pictures, out)
        if not faces and not broken:
            raise ValueError(f"no .png, .jpg or .jpeg file in {str(pictures)!r}")
        if faces:
            _explain(faces, model, out, method, label, device)
    except (ValueError, FileNotFoundError, ImportError) as error:
        raise click.UsageError(str(error)) from error
    for problem in broken:
        click.echo(problem, err=True)
    if broken:
        sys.exit(LEFT_OUT)


def _read(where: Path, out: Path) -> tuple[list[_Face], list[str]]:
    """Faces of a file or folder, and what is wrong with the other files."""
    root = where if where.is_dir() else where.parent
    faces, broken = [], []
    for path in _files(where, out):
        name = path.relative_to(root).as_posix()
        try:
            faces.append(_Face(path, name, read_picture(path)))
        except PictureError as error:
            broken.append(f"{name}: left out, {error}")
    return faces, broken


def _files(where: Path, out: Path) -> list[Path]:
    if not where.is_dir():
        return [where]
    folders = [where, *sorted(path for path in where.rglob("*") if path.is_dir())]
    found = [path for folder in folders for path in pictures_in(folder)]
    # pictures that an earlier run wrote are no faces
    return [path for path in found if not path.resolve().is_relative_to(out.resolve())]


def _explain(
    faces: Sequence[_Face],
    model: Path,
    out: Path,
    method: str,
    label: str | None,
    device: str,
) -> None:
    try:
        from rarecorrect_face.nets.checkpoint import load
        from rarecorrect_face.nets.explain import METHODS
    except ImportError as error:
        raise ImportError(
            f"explanations need torch and captum ({error}): install rarecorrect[face]"
        ) from error
    network = load(model, device=device)
    with ShownProgress() as progress:
        progress.task("explaining", len(faces))
        for number, start in enumerate(range(0, len(faces), _ON_A_SHEET), 1):
            part = faces[start : start + _ON_A_SHEET]
            images = np.stack([face.image for face in part])
            shares = network.predict_proba(images)
            read = [network.classes[code] for code in shares.argmax(axis=1)]
            maps = METHODS[method](network, images, label or read)
            tiles = [
                Tile(face.image, values, f"{face.name} · {name} {share:.2f}")
                for face, values, name, share in zip(
                    part, maps, read, shares.max(axis=1), strict=True
                )
            ]
            for face, tile in zip(part, tiles, strict=True):
                _write_picture(tile, out / f"{face.name}.{method}.png")
                click.echo(tile.label)
                progress.step(face.name)
            _write_sheet(tiles, out / f"sheet-{number}.{method}.png", method, label)


def _write_picture(tile: Tile, path: Path) -> None:
    from PIL import Image

    picture = Image.fromarray(overlay(tile.face, tile.values))
    large = picture.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    write_whole(path, large.save)


def _write_sheet(
    tiles: Sequence[Tile], path: Path, method: str, label: str | None
) -> None:
    asked = f"the class {label}" if label else "the class that the network reads"
    if method == "attention":
        title, note = "Attention, the same for all classes", "Orange: looked at most."
    elif method == "integrated-gradients":
        title, note = f"What speaks for {asked}", "Orange: for it; blue: against it."
    else:
        title, note = f"What speaks for {asked}", "Orange: for it."
    drawn = partial(
        contact_sheet, [("", tiles)], title=f"{title} ({method})", note=note
    )
    write_whole(path, drawn)
