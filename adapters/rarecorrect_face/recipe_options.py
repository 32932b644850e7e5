"""Options of a command that name choices of a training."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from rarecorrect_face.command_line import EXISTING_FILE

_OPTIONS = (
    click.option("--size", help="Of the network, such as small or base."),
    click.option("--epochs", type=click.IntRange(min=1)),
    click.option("--device", help="To train on, such as cpu or cuda."),
    click.option(
        "--recipe", type=EXISTING_FILE, help="JSON file with choices for the training."
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="Any choice of a recipe, such as loss=focal or flip=false.",
    ),
)


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command all options; it takes them as keywords for :func:`choices_of`.

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


def choices_of(
    recipe: Path | None, settings: Sequence[str], **given: Any
) -> dict[str, Any]:
    """Choices of a file, and above them those of the command line.

    Parameters
    ----------
    recipe : Path or None
        JSON file.
    settings : sequence of str
        ``"name=value"``, the value in JSON or a bare word.
    **given
        Choices that have an option of their own; None: not given.

    Returns
    -------
    dict of str to Any
        For :meth:`~rarecorrect_face.recipe.Recipe.from_dict`, which checks them.

    Raises
    ------
    ValueError
        For a file that holds no choices, a text that sets nothing, or a choice that is
        made twice.

    Examples
    --------
    >>> choices_of(None, ["loss=focal", "flip=false", "mixup=0.4"], epochs=3, size=None)
    {'loss': 'focal', 'flip': False, 'mixup': 0.4, 'epochs': 3}
    """
    found = {} if recipe is None else _from_file(recipe)
    typed: dict[str, Any] = {}
    named = {name: value for name, value in given.items() if value is not None}
    for name, value in [*map(_setting, settings), *named.items()]:
        if name in typed:
            raise ValueError(f"{name} is set twice, to {typed[name]!r} and {value!r}")
        typed[name] = value
    return found | typed


def _from_file(recipe: Path) -> dict[str, Any]:
    try:
        found = json.loads(recipe.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{recipe.name} is no JSON file: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{recipe.name} must hold choices by name")
    return found


def _setting(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise ValueError(f"--set takes NAME=VALUE, such as loss=focal; got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:  # a bare word
        return name, value
