"""Networks in files: tensors in safetensors, all else as JSON in its header.

Nothing in such a file is executed when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from rarecorrect.whole_file import write_whole
from rarecorrect_face.nets.devices import device_of, seeded
from rarecorrect_face.nets.network import AttentionLSTM
from rarecorrect_face.nets.trained import Epoch, TrainedNetwork
from rarecorrect_face.recipe import Recipe

FORMAT = 1
_KEY = "rarecorrect_face"
_KEPT = "network/"
_WORDS = {
    "format": int,
    "classes": list,
    "recipe": dict,
    "epochs": list,
    "held_out": list,
}

Tensors = dict[str, Tensor]


def save(trained: TrainedNetwork, path: str | Path) -> None:
    """Write a trained network, whole or not at all.

    Parameters
    ----------
    trained : TrainedNetwork
    path : str or Path

    Examples
    --------
    >>> import tempfile
    >>> trained = TrainedNetwork(
    ...     AttentionLSTM(2), ("happy", "sad"), Recipe(), (), np.array([], dtype=str)
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(trained, f"{folder}/network.safetensors")
    ...     load(f"{folder}/network.safetensors").classes
    ('happy', 'sad')
    """
    write(path, trained, {}, {})


def load(path: str | Path, *, device: str = "auto") -> TrainedNetwork:
    """Read a trained network, or the best one so far of a run under way.

    Parameters
    ----------
    path : str or Path
    device : str, default="auto"
        Where it shall compute.

    Returns
    -------
    TrainedNetwork

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, of a later format, or its tensors do not fit a network of the
        size and classes that it names.
    """
    trained, _, _ = read(path)
    trained.network.to(device_of(device))
    return trained


def write(
    path: str | Path, trained: TrainedNetwork, rest: Tensors, words: Mapping[str, Any]
) -> None:
    """Write a network with further tensors and words beside it.

    Parameters
    ----------
    path : str or Path
    trained : TrainedNetwork
    rest : dict of str to Tensor
    words : mapping from str to anything JSON can hold
    """
    tensors = {
        _KEPT + name: values for name, values in trained.network.state_dict().items()
    }
    header = {
        "format": FORMAT,
        "classes": list(trained.classes),
        "recipe": trained.recipe.to_dict(),
        "epochs": [asdict(epoch) for epoch in trained.epochs],
        "held_out": trained.held_out.tolist(),
        **words,
    }
    found = {n: values.cpu().contiguous() for n, values in {**tensors, **rest}.items()}
    write_whole(path, lambda part: save_file(found, part, {_KEY: json.dumps(header)}))


def read(path: str | Path) -> tuple[TrainedNetwork, Tensors, dict[str, Any]]:
    """Read what :func:`write` wrote; the network lies on the CPU.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    trained : TrainedNetwork
    rest : dict of str to Tensor
    words : dict

    Raises
    ------
    FileNotFoundError, ValueError
        As in :func:`load`.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no file {str(path)!r}")
    try:
        tensors, header = _opened(path)
        trained = _network(tensors, header)
    except (SafetensorError, ValueError) as error:
        raise ValueError(
            f"{Path(path).name} cannot be read as a network: {error}"
        ) from error
    rest = {name: t for name, t in tensors.items() if not name.startswith(_KEPT)}
    return trained, rest, header


def load_tensors(module: nn.Module, tensors: Tensors, prefix: str) -> None:
    """Fill a module from the tensors whose names begin with a prefix.

    Parameters
    ----------
    module : Module
    tensors : dict of str to Tensor
    prefix : str

    Raises
    ------
    ValueError
        If one is missing, too many, or of another shape.
    """
    found = {
        n.removeprefix(prefix): t
        for n, t in tensors.items()
        if prefix in n[: len(prefix)]
    }
    wanted = module.state_dict()
    for name in {**wanted, **found}:
        here = tuple(found[name].shape) if name in found else "missing"
        there = tuple(wanted[name].shape) if name in wanted else "no such tensor"
        if here != there:
            raise ValueError(f"tensor {name!r} is {here}, the network needs {there}")
    module.load_state_dict(found)


def _opened(path: str | Path) -> tuple[Tensors, dict[str, Any]]:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if _KEY not in metadata:
            raise ValueError("it holds no description; save it with this library")
        header = json.loads(metadata[_KEY])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name, kind in _WORDS.items():
        if not isinstance(header, dict) or not isinstance(header.get(name), kind):
            raise ValueError(f"its description has no proper {name!r}")
    if header["format"] > FORMAT:
        raise ValueError(
            f"its format is {header['format']}, this version knows {FORMAT}: upgrade"
        )
    return tensors, header


def _network(tensors: Tensors, header: dict[str, Any]) -> TrainedNetwork:
    recipe = Recipe.from_dict(header["recipe"])
    classes = tuple(map(str, header["classes"]))
    network = network_of(recipe, len(classes))
    try:
        load_tensors(network, tensors, _KEPT)
    except ValueError as error:
        raise ValueError(
            f"not a {recipe.size!r} network of {len(classes)} classes: {error}"
        ) from error
    try:
        epochs = tuple(Epoch(**epoch) for epoch in header["epochs"])
    except TypeError as error:
        raise ValueError(f"its epochs are no epochs: {error}") from error
    held_out = np.asarray(header["held_out"], dtype=str)
    return TrainedNetwork(network.eval(), classes, recipe, epochs, held_out)


def network_of(recipe: Recipe, n_classes: int) -> AttentionLSTM:
    """The network that a recipe describes, with weights drawn from its seed.

    Parameters
    ----------
    recipe : Recipe
    n_classes : int

    Returns
    -------
    AttentionLSTM
    """
    with seeded(recipe.seed):
        network = AttentionLSTM(
            n_classes, recipe.size, dropout=recipe.dropout, ten_crop=recipe.ten_crop
        )
    if recipe.channels_last:
        for weights in network.parameters():
            if weights.ndim == 4:
                weights.data = weights.data.to(memory_format=torch.channels_last)
    return network
