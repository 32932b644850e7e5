"""What one class came to, in memory and as a file to go on from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.whole_file import write_whole
from rarecorrect_face.files import read_arrays

Array = npt.NDArray[Any]


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
    """

    label: str
    seed: int
    names: tuple[str, ...]
    facts: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    hits: dict[tuple[str, float, str, str], Array] = field(default_factory=dict)
    curves: dict[str, Array] = field(default_factory=dict)
    confusions: dict[str, Array] = field(default_factory=dict)

    def save(self, path: Path, fingerprint: str) -> None:
        """Write a checkpoint that :meth:`load` accepts under the same fingerprint."""
        texts = {
            "fingerprint": fingerprint,
            "head": [self.label, self.seed, self.names, self.facts, self.rows],
            "hits": list(self.hits),
            "curves": list(self.curves),
            "confusions": list(self.confusions),
        }
        arrays = {
            f"{name}/{i}": values
            for name in ("hits", "curves", "confusions")
            for i, values in enumerate(getattr(self, name).values())
        }
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
            for name in ("hits", "curves", "confusions"):
                for i, key in enumerate(texts[name]):
                    whole = tuple(key) if name == "hits" else key
                    getattr(found, name)[whole] = stored[f"{name}/{i}"]
            return found
        except (ValueError, KeyError):
            return None  # half a checkpoint is none: the class is run again
