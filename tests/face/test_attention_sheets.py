"""Sheets of changed faces: which are chosen, what is drawn, and what is left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from rarecorrect_face import plots
from rarecorrect_face.benchmark import BenchmarkResult, run_benchmark, sources_of
from rarecorrect_face.case import make_case
from rarecorrect_face.faces import Faces
from rarecorrect_face.feature_table import FeatureTable
from rarecorrect_face.methods import METHODS
from rarecorrect_face.overlays import Tile, contact_sheet, overlay
from rarecorrect_face.pictured import N_SHOWN, changed_faces
from rarecorrect_face.plan import Plan
from rarecorrect_face.report import write_results
from rarecorrect_face.result import CaseResult

MakeTable = Callable[..., FeatureTable]


def with_pictures(table: FeatureTable) -> tuple[FeatureTable, Faces]:
    """The table with attention and an embedding, and faces to its rows."""
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(36), len(table)).astype(np.float32)
    embedding = np.hstack(list(table.features.values()))
    layers = {**table.features, "attention": weights, "embedding": embedding}
    names = sorted(set(table.labels.tolist()))
    faces = Faces.of(
        rng.integers(0, 256, (len(table), 48, 48), dtype=np.uint8),
        np.searchsorted(names, table.labels),
        names,
        table.split,
        ids=table.ids,
    )
    mixed = rng.permutation(len(faces))  # faces are found by id, not by place
    return replace(table, features=layers), faces.take(mixed)


@pytest.fixture(scope="module")
def pictured(table_of: MakeTable) -> tuple[FeatureTable, Faces]:
    return with_pictures(table_of("sad", spread=1.6))


def run(table: FeatureTable, folder: Path, **options: Any) -> BenchmarkResult:
    folder.mkdir(exist_ok=True)
    table.save(folder / "table.npz")
    sources = {0: sources_of([folder / "table.npz"])}
    methods = {"Fisher": METHODS["Fisher"]}
    return run_benchmark(sources, Plan.quick(), methods=methods, **options)


def sheets(
    result: BenchmarkResult, faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, Sequence[Tile]]]:
    """Blocks of the one sheet, as they would be drawn."""
    found: list[Any] = []
    monkeypatch.setattr(
        plots, "contact_sheet", lambda blocks, path, **texts: found.extend(blocks)
    )
    plots.pictures(result.cases, faces)["attention-sad.png"](Path("unused"))
    return found


def test_the_sheet_has_repaired_and_damaged_faces_with_their_own_attention(
    pictured: tuple[FeatureTable, Faces],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table, faces = pictured
    result = run(table, tmp_path)
    (case,) = result.cases
    (first, repaired), (second, damaged) = sheets(result, faces, monkeypatch)
    n_repaired, n_damaged = (case.facts[f"{w}_after"] for w in ("repaired", "damaged"))
    assert n_repaired > N_SHOWN and n_damaged > 0
    assert first == f"Repaired: 12 of {n_repaired} test faces, drawn at random"
    assert f"{len(damaged)}" in second and len(damaged) == min(n_damaged, N_SHOWN)
    assert all(
        t.label.startswith("true sad ·") and t.label.endswith("now sad")
        for t in repaired
    )
    assert not any("true sad" in tile.label for tile in damaged)
    rows = {
        image.tobytes(): name
        for image, name in zip(faces.images, faces.ids, strict=True)
    }
    for tile in (*repaired, *damaged):
        (row,) = np.flatnonzero(table.ids == rows[tile.face.tobytes()])
        assert table.split[row] == "test" and not table.duplicate[row]
        assert tile.label == (
            f"true {table.labels[row]} · was {table.decisions[row]} · now sad"
        )
        np.testing.assert_array_equal(
            tile.values.ravel(), table.features["attention"][row]
        )


def test_what_the_sheet_counts_is_what_the_confusion_matrices_count(
    pictured: tuple[FeatureTable, Faces], tmp_path: Path
) -> None:
    (case,) = run(pictured[0], tmp_path).cases
    before, after = case.confusions["before"], case.confusions["after"]
    column = case.names.index("sad")
    assert case.facts["repaired_after"] == (after - before)[column, column]
    assert (
        case.facts["damaged_after"]
        == np.trace(before)
        - np.delete(after.diagonal(), column).sum()
        - before[column, column]
    )


def test_faces_are_drawn_at_random_and_the_same_for_a_seed(
    pictured: tuple[FeatureTable, Faces],
) -> None:
    table, _ = pictured
    case = make_case(table, "sad")
    changed = case.before[case.test] != "sad"
    one, two, other = (
        changed_faces(table, case, changed, seed=seed) for seed in (1, 1, 2)
    )
    assert one is not None and two is not None and other is not None
    assert one.ids.tolist() == two.ids.tolist() != other.ids.tolist()
    assert len(set(one.ids.tolist())) == 2 * N_SHOWN
    assert one.repaired.tolist() == [True] * N_SHOWN + [False] * N_SHOWN
    # not the first rows of the table
    assert one.ids.astype(int).max() > 1200


def test_copies_are_not_shown(pictured: tuple[FeatureTable, Faces]) -> None:
    table, _ = pictured
    copies = (np.arange(len(table)) % 2 == 0) & (table.split != "train")
    case = make_case(replace(table, duplicate=copies), "sad")
    shown = changed_faces(table, case, case.before[case.test] != "sad")
    assert shown is not None
    assert (shown.ids.astype(int) % 2 == 1).all()


def test_a_resumed_run_draws_the_same_pictures(
    pictured: tuple[FeatureTable, Faces], tmp_path: Path
) -> None:
    table, faces = pictured
    names = [f"{what}-sad.png" for what in ("attention", "embedding", "confusion")]
    drawn = []
    for resume in (False, True):
        out = tmp_path / f"resume-{resume}"
        result = run(table, tmp_path, checkpoints=tmp_path / "done", resume=resume)
        write_results(result, out, "command", faces=faces)
        drawn.append([(out / name).read_bytes() for name in names])
        assert "not drawn" not in (out / "results.md").read_text()
    assert drawn[0] == drawn[1]


def test_a_checkpoint_keeps_all_that_pictures_show(
    pictured: tuple[FeatureTable, Faces], tmp_path: Path
) -> None:
    (case,) = run(pictured[0], tmp_path).cases
    case.save(tmp_path / "case.npz", "same")
    found = CaseResult.load(tmp_path / "case.npz", "same")
    assert found is not None
    np.testing.assert_array_equal(found.changed, case.changed)
    for name in ("shown", "embedded"):
        for stored, kept in zip(getattr(found, name), getattr(case, name), strict=True):
            np.testing.assert_array_equal(stored, kept)
            assert stored.dtype == kept.dtype
    bare = replace(case, shown=None, embedded=None)
    bare.save(tmp_path / "case.npz", "same")
    again = CaseResult.load(tmp_path / "case.npz", "same")
    assert again is not None and again.shown is None and again.embedded is None


@pytest.mark.parametrize(
    ("lacks", "message"),
    [
        ("attention", "sad: attention not drawn, the table has no layer 'attention'"),
        ("embedding", "sad: embedding not drawn, the table has no layer 'embedding'"),
        ("faces", "attention on changed faces: not drawn, there are no pictures"),
    ],
)
def test_what_is_not_drawn_is_said(
    pictured: tuple[FeatureTable, Faces], tmp_path: Path, lacks: str, message: str
) -> None:
    table, faces = pictured
    layers = {n: values for n, values in table.features.items() if n != lacks}
    result = run(replace(table, features=layers), tmp_path)
    out = tmp_path / "out"
    write_results(result, out, "command", faces=None if lacks == "faces" else faces)
    text = (out / "results.md").read_text()
    assert f"- {message}" in text
    assert text.count("not drawn") == 1
    missing = {"faces": "attention"}.get(lacks, lacks)
    drawn = {path.name for path in out.glob("*-sad.png")}
    three = {f"{name}-sad.png" for name in ("attention", "embedding", "confusion")}
    assert drawn == three - {f"{missing}-sad.png"}


def test_regions_that_make_no_square_are_not_drawn(
    pictured: tuple[FeatureTable, Faces],
) -> None:
    table, _ = pictured
    weights = table.features["attention"][:, :35]
    table = replace(table, features={**table.features, "attention": weights})
    case = make_case(table, "sad")
    assert changed_faces(table, case, np.ones(case.test.size, dtype=bool)) is None


def test_where_nothing_was_changed_there_is_no_sheet(
    pictured: tuple[FeatureTable, Faces], tmp_path: Path
) -> None:
    table, faces = pictured
    kept = np.ones(len(table), dtype=bool)
    calibration = np.flatnonzero(table.split == "calibration")
    kept[calibration[20:]] = False  # too few to certify anything
    few = replace(
        table,
        features={name: values[kept] for name, values in table.features.items()},
        **{
            name: getattr(table, name)[kept]
            for name in ("logits", "labels", "split", "duplicate", "ids")
        },
    )
    result = run(few, tmp_path)
    assert not result.cases[0].changed.any()
    write_results(result, tmp_path / "out", "command", faces=faces)
    assert not (tmp_path / "out" / "attention-sad.png").exists()
    text = (tmp_path / "out" / "results.md").read_text()
    assert "sad: attention not drawn, the correction repaired and damaged no" in text


def test_an_overlay_stains_orange_for_and_blue_against() -> None:
    face = np.random.default_rng(0).integers(0, 256, (48, 48))
    values = np.zeros((6, 6))
    values[1, 1], values[4, 4] = 2.0, -1.0
    picture = overlay(face, values).astype(int)
    red, blue = picture[..., 0], picture[..., 2]
    assert (red - blue)[12, 12] > 60 and (blue - red)[36, 36] > 30
    # grey where the map is 0: the face itself
    np.testing.assert_array_equal(picture[40:, :8], face[40:, :8, None].repeat(3, 2))
    np.testing.assert_array_equal(overlay(face, 100 * values), picture)
    plain = face[:, :, None].repeat(3, axis=2)
    np.testing.assert_array_equal(overlay(face, np.zeros((48, 48))), plain)


def test_a_small_map_lies_where_its_regions_lie() -> None:
    face = np.full((40, 64), 128)
    values = np.zeros((5, 8))
    values[1, 2] = 1
    stained = np.ptp(overlay(face, values).astype(float), axis=2)
    rows, columns = np.indices(face.shape)
    centre = [np.average(place, weights=stained) for place in (rows, columns)]
    np.testing.assert_allclose(centre, (8 * 1 + 3.5, 8 * 2 + 3.5), atol=0.1)


def test_an_overlay_refuses_what_is_no_map() -> None:
    grey = np.zeros((48, 48))
    with pytest.raises(ValueError, match=r"values must have two dimensions, got \(36"):
        overlay(grey, np.zeros(36))
    with pytest.raises(ValueError, match="face must have two dimensions"):
        overlay(np.zeros((48, 48, 3)), grey)
    with pytest.raises(ValueError, match="NaN or infinity"):
        overlay(grey, np.full((6, 6), np.nan))


def test_nothing_on_a_sheet_lies_over_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, *_, **__: drawn.append(figure)
    )
    face = np.zeros((48, 48))
    long = " · ".join(["true either/or_$1$", "was a class of a long name", "now $x^"])
    blocks = [
        ("first", [Tile(face, face, f"{long} {i}") for i in range(5)]),
        ("none", []),
        ("", [Tile(face, face, "short")] * 2),
    ]
    contact_sheet(blocks, tmp_path / "sheet.png", title="title", note="note")
    (figure,) = drawn
    figure.draw_without_rendering()
    assert len(figure.axes) == 7
    boxes = [panel.get_window_extent() for panel in figure.axes]
    boxes += [panel._left_title.get_window_extent() for panel in figure.axes]
    boxes += [text.get_window_extent() for text in figure.texts if text.get_text()]
    whole = figure.bbox
    for i, box in enumerate(boxes):
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1
        assert whole.y0 <= box.y0 and box.y1 <= whole.y1
        assert not any(box.overlaps(other) for other in boxes[:i])
