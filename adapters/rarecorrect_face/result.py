"""What one class came to, in memory and as a file to go on from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.whole_file import write_whole
from rarecorrect_face.embedding import Embedded
from rarecorrect_face.files import read_arrays
from rarecorrect_face.pictured import ChangedFaces

Array = npt.NDArray[Any]

_BY_KEY = ("hits", "curves", "confusions")
_PICTURED: dict[str, Any] = {"shown": ChangedFaces, "embedded": Embedded}


@dataclass(slots=True, eq=False)
class CaseResult:
    """Figures of one network and one class.

    Attributes
    ----------
    label : str
        The class that was corrected.
    seed : int
    names : tuple of str
        All classes, in the order of the confusion matrices.
    facts : dict of str to number
        What a reader must know to judge the figures.
    rows : list of dict
        Rows of the result table.
    hits : dict
        From (k, damage, method, "curve" or "certified") to an array of bool of shape
        (n_draws, n_test_errors): which test errors were repaired; no copies.
    curves : dict of str to ndarray of shape (2, n_points)
        From method to retention and gain at every threshold, from all errors.
    confusions : dict of str to ndarray of shape (n_classes, n_classes)
        Of test faces without copies, true class by decision.
    changed : ndarray of bool of shape (n_test,)
        Test faces that the correction of ``facts["after"]`` gives to the class.
    shown : ChangedFaces or None
        Some of them.
    embedded : Embedded or None
        Test faces in two dimensions.
    """

    label: str
    seed: int
    names: tuple[str, ...]
    facts: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    hits: dict[tuple[str, float, str, str], Array] = field(default_factory=dict)
    curves: dict[str, Array] = field(default_factory=dict)
    confusions: dict[str, Array] = field(default_factory=dict)
    changed: Array = field(default_factory=lambda: np.empty(0, dtype=bool))
    shown: ChangedFaces | None = None
    embedded: Embedded | None = None

    def save(self, path: Path, fingerprint: str) -> None:
        """Write a checkpoint that :meth:`load` accepts under the same fingerprint."""
        texts = {
            "fingerprint": fingerprint,
            "head": [self.label, self.seed, self.names, self.facts, self.rows],
            **{name: list(getattr(self, name)) for name in _BY_KEY},
            "pictured": [n for n in _PICTURED if getattr(self, n) is not None],
        }
        arrays: dict[str, Any] = {"changed": self.changed}
        for name in _BY_KEY:
            for i, values in enumerate(getattr(self, name).values()):
                arrays[f"{name}/{i}"] = values
        for name in texts["pictured"]:
            for part, values in getattr(self, name)._asdict().items():
                arrays[f"{name}/{part}"] = values
        text = np.asarray(json.dumps(texts))
        write_whole(path, lambda part: np.savez_compressed(part, text=text, **arrays))

    @classmethod
    def load(cls, path: Path, fingerprint: str) -> CaseResult | None:
        """Read a checkpoint; None if there is none, or it is of another run."""
        if not path.is_file():
            return None
        try:
            stored = read_arrays(path)
            texts = json.loads(str(stored["text"]))
            if texts["fingerprint"] != fingerprint:
                return None
            label, seed, names, facts, rows = texts["head"]
            found = cls(label, seed, tuple(names), facts, rows)
            found.changed = stored["changed"]
            for name in _BY_KEY:
                for i, key in enumerate(texts[name]):
                    whole = tuple(key) if name == "hits" else key
                    getattr(found, name)[whole] = stored[f"{name}/{i}"]
            for name in texts["pictured"]:
                kind = _PICTURED[name]
                parts = [stored[f"{name}/{part}"] for part in kind._fields]
                setattr(found, name, kind(*parts))
            return found
        except (ValueError, KeyError):
            return None  # half a checkpoint is none: the class is run again
