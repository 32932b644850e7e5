"""Pictures of a run: curves, confusion matrices, changed faces, embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect_face.embedding import plot_embedding
from rarecorrect_face.faces import Faces
from rarecorrect_face.files import as_file_name
from rarecorrect_face.overlays import Tile, contact_sheet
from rarecorrect_face.protocol import RETRAINED
from rarecorrect_face.result import CaseResult

Array = npt.NDArray[Any]

_COLUMNS = 3
_LEAST_RETENTION = 0.9
_STAGES = {"before": "before", "after": "after: {}", "retrained": "retrained network"}


def pictures(
    cases: Sequence[CaseResult], faces: Faces | None = None
) -> dict[str, Callable[[Path], Any]]:
    """What draws each picture, by the name of its file.

    Parameters
    ----------
    cases : sequence of CaseResult
    faces : Faces, optional
        What the networks read, for the sheets of changed faces.

    Returns
    -------
    dict of str to callable
        From name to a function that writes to a path; of the first seed.
    """
    first = _first(cases)
    found: dict[str, Callable[[Path], Any]] = {"curves.png": partial(_curves, first)}
    for case in first:
        name = as_file_name(case.label)
        found[f"confusion-{name}.png"] = partial(_confusion, case)
        if case.embedded is not None:
            found[f"embedding-{name}.png"] = partial(_embedding, case)
        if faces is not None and case.shown is not None and case.shown.ids.size:
            found[f"attention-{name}.png"] = partial(_attention, case, faces)
    return found


def left_out(cases: Sequence[CaseResult], faces: Faces | None = None) -> list[str]:
    """Which pictures there are not, and why.

    Parameters
    ----------
    cases : sequence of CaseResult
    faces : Faces, optional
        As for :func:`pictures`.

    Returns
    -------
    list of str
    """
    notes = []
    if faces is None:
        notes.append("attention on changed faces: not drawn, there are no pictures")
    for case in _first(cases):
        if case.embedded is None:
            notes.append(
                f"{case.label}: embedding not drawn, the table has no layer "
                "'embedding' that can be placed"
            )
        if faces is None:
            continue
        if case.shown is None:
            notes.append(
                f"{case.label}: attention not drawn, the table has no layer "
                "'attention' over a square of regions"
            )
        elif case.shown.ids.size == 0:
            notes.append(
                f"{case.label}: attention not drawn, the correction repaired and "
                "damaged no test face"
            )
    return notes


def _first(cases: Sequence[CaseResult]) -> list[CaseResult]:
    return [case for case in cases if case.seed == cases[0].seed]


def _curves(cases: Sequence[CaseResult], path: Path) -> None:
    """One panel for each class, one line for each method."""
    from matplotlib.figure import Figure

    n_rows = -(-len(cases) // _COLUMNS)
    n_columns = min(len(cases), _COLUMNS)
    figure = Figure(figsize=(4 * n_columns + 2, 3.4 * n_rows), layout="constrained")
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for panel, case in zip(panels, cases, strict=False):
        for method, (retention, gain) in case.curves.items():
            style = {"color": "black", "ls": "--"} if method == RETRAINED else {}
            panel.step(retention, gain, where="post", label=method, **style)
        panel.plot([1, 0], [0, 1], color="grey", ls=":", label="by chance")
        panel.set(
            title=f"{case.label} ({case.facts['test_errors_without']} test errors)",
            xlabel="retention",
            ylabel="gain",
            xlim=(1, _LEAST_RETENTION),
            ylim=(0, 1),
        )
        panel.grid(alpha=0.3)
    for panel in panels[len(cases) :]:
        panel.axis("off")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper")
    figure.savefig(path, dpi=120)


def _confusion(case: CaseResult, path: Path) -> None:
    """Shares of every true class, before, after, and of the retrained network."""
    from matplotlib.figure import Figure

    stages = [name for name in _STAGES if name in case.confusions]
    size = 0.45 * len(case.names) + 1.2
    figure = Figure(figsize=(size * len(stages), size + 1.4), layout="constrained")
    panels = figure.subplots(1, len(stages), squeeze=False, sharey=True).ravel()
    for panel, stage in zip(panels, stages, strict=True):
        _matrix(panel, case.confusions[stage], case.names)
        panel.set_title(_STAGES[stage].format(case.facts.get("after", "")))
    panels[0].set_ylabel("true class")
    figure.suptitle(f"{case.label}: shares of the true class, in %")
    figure.savefig(path, dpi=120)


def _matrix(panel: Any, counts: Array, names: Sequence[str]) -> None:
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for (row, column), value in np.ndenumerate(shares):
        colour = "white" if value > 60 else "black"
        panel.text(
            column, row, f"{value:.0f}", ha="center", va="center", color=colour, size=8
        )
    panel.set_xticks(range(len(names)), names, rotation=60, ha="right")
    panel.set_yticks(range(len(names)), names)
    panel.set_xlabel("decision")


def _embedding(case: CaseResult, path: Path) -> None:
    assert case.embedded is not None
    shown, faces = len(case.embedded.kinds), case.facts["test_faces_without"]
    title = (
        f"Embedding of {shown:,} of {faces:,} test faces; {case.label} corrected by "
        f"{case.facts['after']}"
    )
    plot_embedding(case.embedded, path, title=title)


def _attention(case: CaseResult, faces: Faces, path: Path) -> None:
    """What the network looks at where the correction helps, and where it harms."""
    shown = case.shown
    assert shown is not None
    place = {name: i for i, name in enumerate(faces.ids.tolist())}
    tiles = [
        Tile(
            faces.images[place[name]],
            values,
            f"true {true} · was {was} · now {case.label}",
        )
        for name, true, was, values in zip(
            shown.ids.tolist(), shown.labels, shown.before, shown.attention, strict=True
        )
    ]
    n_repaired = int(shown.repaired.sum())
    parts = {"repaired": tiles[:n_repaired], "damaged": tiles[n_repaired:]}
    blocks = [
        (_heading(what, len(part), case.facts[f"{what}_after"]), part)
        for what, part in parts.items()
    ]
    contact_sheet(
        blocks,
        path,
        title=f"{case.label}: test faces that the correction changed "
        f"({case.facts['after']})",
        note="Orange: where the attention of the network lies; the correction leaves "
        "it as it is.",
    )


def _heading(what: str, n: int, of: int) -> str:
    if n < of:
        return f"{what.capitalize()}: {n} of {of:,} test faces, drawn at random"
    return f"{what.capitalize()}: {f'all {n}' if n else 'none'} of the test faces"
