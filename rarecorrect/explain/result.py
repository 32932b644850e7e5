"""The answer: a frame, sentences, JSON or HTML."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.explain.contributions import Part

FloatArray = npt.NDArray[np.float64]

BASE = (
    "score of a decision whose features are the means of the right decisions that the "
    "rule may change"
)

_MOST_IN_HTML = 100


@dataclass(frozen=True, eq=False)
class Explanations:
    """Why cases were changed or flagged; ``print`` it.

    Made by :func:`~rarecorrect.explain.explanations`.

    Attributes
    ----------
    frame : DataFrame
        One row per case, with the index of `X`: the columns of the trace;
        ``raw_score`` and ``raw_base``: score of the rule's detector, of the case and of
        the usual right decision; ``box``: conditions of a rule that can be read;
        ``note``: what has no contributions, and why, or which stage of a cascade they
        are of; ``nearest_error``: id of the error that the rule was learnt from and
        the case resembles most, where errors and ids are kept; ``sentence``.
    parts : tuple of tuple of Part
        Contributions of every case; none where the rule is a box.
    names : tuple of str
        What the features are called.
    values, usual : ndarray of shape (n_cases, n_features)
        Features of the case, and means of the right decisions that its rule may change.

    Examples
    --------
    >>> none = np.empty((0, 0))
    >>> nothing = Explanations(pd.DataFrame(), (), (), none, none)
    >>> print(nothing)
    no case was changed or flagged
    """

    frame: pd.DataFrame
    parts: tuple[tuple[Part, ...], ...]
    names: tuple[str, ...]
    values: FloatArray
    usual: FloatArray

    @property
    def contributions(self) -> pd.DataFrame:
        """One row per case, member and feature; ``case`` is the label in the index."""
        rows = [
            (case, part.member, *term)
            for i, (case, parts) in enumerate(
                zip(self.frame.index, self.parts, strict=True)
            )
            for part in parts
            for term in self._terms(i, part)
        ]
        columns = ["case", "member", "feature", "value", "usual", "contribution"]
        return pd.DataFrame(rows, columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, ready for JSON; what is not finite becomes None.

        Returns
        -------
        dict
            "base": what contributions are counted from; "cases": one dict per case,
            with "case", the columns of the frame and "parts".
        """
        records = self.frame.to_dict("records")
        cases = [
            {
                "case": _plain(case),
                **{str(name): _plain(value) for name, value in record.items()},
                "parts": [self._part_record(i, part) for part in parts],
            }
            for i, (case, record, parts) in enumerate(
                zip(self.frame.index, records, self.parts, strict=True)
            )
        ]
        return {"base": BASE, "cases": cases}

    def __str__(self) -> str:
        if self.frame.empty:
            return "no case was changed or flagged"
        return "\n".join(self.frame["sentence"])

    def _repr_html_(self) -> str:
        if self.frame.empty:
            return f"<p>{self}</p>"
        shown = self.frame[["before", "after", "rule", "sentence"]]
        with pd.option_context("display.max_colwidth", None):
            return str(shown.to_html(escape=True, max_rows=_MOST_IN_HTML))

    def _terms(self, i: int, part: Part) -> Iterator[tuple[Any, ...]]:
        if part.contributions is not None:
            terms = (self.values[i], self.usual[i], part.contributions)
            yield from zip(self.names, *(t.tolist() for t in terms), strict=True)

    def _part_record(self, i: int, part: Part) -> dict[str, Any]:
        keys = ("feature", "value", "usual", "contribution")
        numbers = {name: _plain(getattr(part, name)) for name in _PART_NUMBERS}
        terms = [
            dict(zip(keys, map(_plain, term), strict=True))
            for term in self._terms(i, part)
        ]
        return {
            "member": part.member,
            **numbers,
            "note": part.note,
            "where": part.where,
            "contributions": terms,
        }


_PART_NUMBERS = ("adds", "score", "base")


def _plain(value: Any) -> Any:
    """A value as JSON knows it; None for what is not finite, else its text."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
