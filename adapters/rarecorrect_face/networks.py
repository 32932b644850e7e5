"""Tables of the networks of a run: trained one after the other, kept as files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from rarecorrect.progress import Progress
from rarecorrect_face.benchmark import Source
from rarecorrect_face.faces import Faces
from rarecorrect_face.feature_table import LOGITS, FeatureTable
from rarecorrect_face.files import as_file_name

# faces with their splits, class to correct, checkpoint -> what a network says of them
Network = Callable[[Faces, str | None, Path], FeatureTable]


def make_tables(
    faces: Faces,
    network: Network,
    folder: Path,
    *,
    classes: Sequence[str] = (),
    n_kept: int = 0,
    seed: int = 0,
    choices: Mapping[str, Any] | None = None,
    layers: Sequence[str] = (),
    resume: bool = False,
) -> list[Source]:
    """Train a network of all classes and one for each class, and read all faces.

    Parameters
    ----------
    faces : Faces
    network : callable
        Trains on split ``"train"`` and gives the table of all faces.
    folder : Path
        For tables and checkpoints; their names hold a digest of all that made them.
    classes : sequence of str, default=()
        Classes to correct; empty: all.
    n_kept : int, default=0
        Faces of the class that its network sees.
    seed : int, default=0
    choices : mapping, optional
        What else the network depends on, for the digest.
    layers : sequence of str, default=()
        That the network reads, for the names of the tables.
    resume : bool, default=False
        Take tables that are there already.

    Returns
    -------
    list of Source

    Raises
    ------
    ValueError
        For an unknown class.
    """
    wanted = [faces.class_names[faces.code(name)] for name in classes]
    digest = _digest(faces, n_kept, seed, choices or {})
    read = f"-{'-'.join(map(as_file_name, layers))}" if layers else ""
    found = []
    for target in [None, *(wanted or faces.class_names)]:
        of = "all-classes" if target is None else f"correct-{as_file_name(target)}"
        name = f"seed-{seed}-{of}-{digest}"
        path = folder / "tables" / f"{name}{read}.npz"
        if not (resume and path.is_file()):
            roles = faces
            if target is not None:
                roles = faces.for_correction(target, n_kept=n_kept, random_state=seed)
            checkpoint = folder / "networks" / name
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            network(roles, target, checkpoint).save(path)
        found.append(Source(path, target))
    return found


def rarest(faces: Faces, n: int) -> list[str]:
    """Names of the classes with the fewest training faces.

    Parameters
    ----------
    faces : Faces
    n : int

    Returns
    -------
    list of str
    """
    training = faces.labels[faces.split == "train"]
    counts = np.bincount(training, minlength=len(faces.class_names))
    return [faces.class_names[code] for code in np.argsort(counts, kind="stable")[:n]]


def torch_network(
    choices: Mapping[str, Any],
    *,
    layers: Sequence[str] = (),
    resume: bool = False,
    progress: Progress | None = None,
) -> Network:
    """The attention LSTM of this package.

    Parameters
    ----------
    choices : mapping
        Of its recipe, by name.
    layers : sequence of str, default=()
        To read; empty: the network's own choice.  The logits always come along.
    resume : bool, default=False
        Go on from the checkpoint of a training that was stopped.
    progress : Progress, optional

    Returns
    -------
    callable

    Raises
    ------
    ImportError
        If torch is not installed.
    ValueError
        For a choice or a layer that there is not.
    """
    try:
        from rarecorrect_face.nets.layers import check_layers
        from rarecorrect_face.nets.network import LAYERS, AttentionLSTM
        from rarecorrect_face.nets.prediction import feature_table
        from rarecorrect_face.nets.training import train
        from rarecorrect_face.recipe import Recipe
    except ImportError as error:
        raise ImportError(
            f"training a network needs torch ({error}): install rarecorrect[face], or "
            "pass the features of your own network with --features"
        ) from error
    recipe, show = Recipe.from_dict(choices), progress or Progress()
    wanted = [name for name in layers if name != LOGITS] or LAYERS
    check_layers(AttentionLSTM(2, recipe.size), wanted)

    def network(faces: Faces, target: str | None, checkpoint: Path) -> FeatureTable:
        show.task(f"training, class {target}" if target else "training", recipe.epochs)
        trained = train(
            faces,
            recipe,
            checkpoint=checkpoint,
            resume=resume,
            on_epoch=lambda epoch: show.step(f"accuracy {epoch.accuracy:.3f}"),
        )
        return feature_table(trained, faces, wanted, target=target)

    return network


def _digest(faces: Faces, n_kept: int, seed: int, choices: Mapping[str, Any]) -> str:
    found = blake2b(digest_size=6)
    texts = [faces.class_names, n_kept, seed, dict(choices)]
    found.update(json.dumps(texts, sort_keys=True).encode())
    for values in (faces.images, faces.labels, faces.split, faces.soft):
        found.update(b"" if values is None else np.ascontiguousarray(values).tobytes())
    return found.hexdigest()
