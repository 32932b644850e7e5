"""What a network says of every face: inner layers and logits, in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.whole_file import write_whole
from rarecorrect_face.faces import SPLITS
from rarecorrect_face.files import read_arrays

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]

LOGITS = "logits"
_LAYER = "features/"
_REQUIRED = ("features", LOGITS, "labels", "split")


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTable:
    """Features and logits of faces under one network.

    It is what a network gives and what every protocol takes.  As an ``.npz`` file it
    has these arrays, none of them of type object:

    ================== =================================================== ==========
    key                what                                                required
    ================== =================================================== ==========
    features           float (n, d); or one ``features/<layer>`` per layer yes
    logits             float (n, k): one column per class known            yes
    labels             str (n,): true class                                yes
    split              str (n,): train, fit, calibration, test             yes
    classes            str (k,): names of the columns of the logits        if k is not
                                                                           the number
                                                                           of labels
    duplicate          bool (n,): the picture occurs in another split too  no
    ids                str (n,): file names; default row numbers           no
    target             str (): class to correct                            no
    ================== =================================================== ==========

    Attributes
    ----------
    features : dict of str to ndarray of float32 of shape (n_faces, n_features)
        By name of the layer.
    logits : ndarray of float32 of shape (n_faces, n_known)
    classes : tuple of str
        Classes that the network knows, as the columns of `logits`.
    labels : ndarray of str of shape (n_faces,)
        True classes, also those that the network does not know.
    split : ndarray of str of shape (n_faces,)
        ``"train"``: the network was trained on it; ``"fit"``: it was not, and a
        corrector learns from it; ``"calibration"``; ``"test"``.
    duplicate : ndarray of bool of shape (n_faces,)
    ids : ndarray of str of shape (n_faces,)
    target : str or None
        Class to correct: one that was left out or thinned.  None: the class that
        occurs among the labels and not in `classes`, if there is one.

    Raises
    ------
    ValueError
        For arrays of other shapes, values that are not finite, unknown splits.
    """

    features: Mapping[str, FloatArray]
    logits: FloatArray
    classes: tuple[str, ...]
    labels: npt.NDArray[np.str_]
    split: npt.NDArray[np.str_]
    duplicate: npt.NDArray[np.bool_]
    ids: npt.NDArray[np.str_]
    target: str | None = None

    def __post_init__(self) -> None:
        n = self.labels.size
        if not self.features:
            raise ValueError("features must name at least one layer, got none")
        for name, values in {**self.features, LOGITS: self.logits}.items():
            if values.ndim != 2 or len(values) != n:
                raise ValueError(
                    f"{name} must have shape ({n}, columns), got {values.shape}"
                )
            if not np.isfinite(values).all():
                raise ValueError(f"{name} must be finite, it holds NaN or infinity")
        for name in ("labels", "split", "duplicate", "ids"):
            if getattr(self, name).shape != (n,):
                raise ValueError(
                    f"{name} must have shape ({n},), got {getattr(self, name).shape}"
                )
        self._check_names()

    def _check_names(self) -> None:
        if len(self.classes) != self.logits.shape[1]:
            raise ValueError(
                f"{self.logits.shape[1]} columns of logits, but {len(self.classes)} "
                f"classes: {', '.join(self.classes)}"
            )
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes must differ, got {', '.join(self.classes)}")
        unknown = sorted(set(self.split.tolist()) - set(SPLITS))
        if unknown:
            raise ValueError(
                f"split must be one of {', '.join(SPLITS)}, got {unknown[0]!r}"
            )
        if self.target is not None and self.target not in set(self.labels.tolist()):
            raise ValueError(f"no face of the class to correct, {self.target!r}")

    def __len__(self) -> int:
        return self.labels.size

    @property
    def unseen(self) -> tuple[str, ...]:
        """Classes among the labels that the network does not know."""
        return tuple(sorted(set(self.labels.tolist()) - set(self.classes)))

    @property
    def decisions(self) -> npt.NDArray[np.str_]:
        """Class with the largest logit, for every face."""
        names = np.asarray(self.classes, dtype=str)
        return np.asarray(names[self.logits.argmax(axis=1)])

    def matrix(self, layers: Sequence[str] | None = None) -> FloatArray:
        """Layers side by side.

        Parameters
        ----------
        layers : sequence of str, optional
            Names of layers, or ``"logits"``.  Default: all, and the logits.

        Returns
        -------
        ndarray of float32 of shape (n_faces, n_columns)

        Raises
        ------
        ValueError
            For an unknown layer, or none at all.
        """
        known = {**self.features, LOGITS: self.logits}
        wanted = list(known) if layers is None else list(layers)
        unknown = [name for name in wanted if name not in known]
        if unknown or not wanted:
            asked = repr(unknown[0]) if unknown else "is named"
            raise ValueError(f"no layer {asked}; there are {', '.join(known)}")
        return np.hstack([known[name] for name in wanted])

    def save(self, path: str | Path) -> None:
        """Write an ``.npz`` file, whole or not at all.

        Raises
        ------
        ValueError
            If the name of the file has another ending.
        """
        if Path(path).suffix != ".npz":
            raise ValueError(f"a feature table ends in .npz, got {str(path)!r}")
        arrays: dict[str, Any] = {
            _LAYER + name: values for name, values in self.features.items()
        }
        arrays |= {
            name: getattr(self, name)
            for name in (LOGITS, "labels", "split", "duplicate", "ids")
        }
        arrays["classes"] = np.asarray(self.classes, dtype=str)
        if self.target is not None:
            arrays["target"] = np.asarray(self.target)
        write_whole(path, lambda part: np.savez_compressed(part, **arrays))

    @classmethod
    def load(cls, path: str | Path) -> FeatureTable:
        """Read an ``.npz`` file; nothing in it is executed.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is damaged, lacks an array, or holds one that does not fit.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"no file {str(path)!r}")
        try:
            return _table(read_arrays(path))
        except ValueError as error:
            raise ValueError(f"{Path(path).name}: {error}") from error


def _table(arrays: dict[str, Array]) -> FeatureTable:
    layers = {
        name.removeprefix(_LAYER): np.asarray(values, dtype=np.float32)
        for name, values in arrays.items()
        if name.startswith(_LAYER) or name == "features"
    }
    missing = [name for name in _REQUIRED if name not in {*arrays, *layers}]
    if layers and "features" in missing:
        missing.remove("features")
    if missing:
        raise ValueError(
            f"lacks {', '.join(missing)}; it holds {', '.join(arrays) or 'nothing'}"
        )
    labels = arrays["labels"].astype(str)
    n = labels.size
    return FeatureTable(
        layers,
        np.asarray(arrays[LOGITS], dtype=np.float32),
        _classes(arrays, labels),
        labels,
        arrays["split"].astype(str),
        np.asarray(arrays.get("duplicate", np.zeros(n, dtype=bool)), dtype=bool),
        arrays.get("ids", np.arange(n)).astype(str),
        str(arrays["target"]) if "target" in arrays else None,
    )


def _classes(arrays: dict[str, Array], labels: Array) -> tuple[str, ...]:
    if "classes" in arrays:
        return tuple(arrays["classes"].astype(str).tolist())
    found = tuple(sorted(set(labels.tolist())))
    n_columns = arrays[LOGITS].shape[-1]
    if len(found) != n_columns:
        raise ValueError(
            f"{n_columns} columns of logits for {len(found)} labels "
            f"({', '.join(found)}): add an array 'classes' with the columns' names"
        )
    return found
