"""Embeddings in two dimensions: what is placed, what is drawn."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rarecorrect_face.case import make_case
from rarecorrect_face.embedding import (
    DAMAGED,
    KEPT,
    KINDS,
    MISSED,
    OTHER,
    REPAIRED,
    embed,
    plot_embedding,
)
from rarecorrect_face.feature_table import FeatureTable
from rarecorrect_face.pictured import kinds_of

MakeTable = Callable[..., FeatureTable]


def two_groups(n: int = 60, seed: int = 0) -> tuple[NDArray[np.float64], list[str]]:
    """Faces of two groups far apart, of all kinds."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, 6)) + 20 * np.eye(1, 6) * (np.arange(n) % 2)[:, None]
    return points, [KINDS[i % len(KINDS)] for i in range(n)]


def test_groups_stay_apart_in_both_pictures() -> None:
    points, kinds = two_groups()
    found = embed(points, kinds)
    group = np.arange(60) % 2 == 1
    for flat in (found.pca, found.tsne):
        first, second = (flat[g].mean(axis=0) for g in (group, ~group))
        spread = max(flat[g].std(axis=0).max() for g in (group, ~group))
        assert np.linalg.norm(first - second) > 2 * spread
    assert found.explained[0] > 0.9
    assert found.kinds.tolist() == kinds


def test_the_same_seed_gives_the_same_picture() -> None:
    points, kinds = two_groups()
    one, two, other = (
        embed(points, kinds, max_faces=40, random_state=seed) for seed in (1, 1, 2)
    )
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(one.pca, other.pca)


def test_of_many_faces_the_marked_ones_are_kept() -> None:
    points = np.random.default_rng(0).normal(size=(400, 4))
    kinds = np.array([KEPT] * 250 + [OTHER] * 120 + [MISSED, REPAIRED, DAMAGED] * 10)
    found = embed(points, kinds, max_faces=100)
    counts = {kind: int((found.kinds == kind).sum()) for kind in KINDS}
    assert (counts[MISSED], counts[REPAIRED], counts[DAMAGED]) == (10, 10, 10)
    assert counts[KEPT] + counts[OTHER] == 70
    assert counts[KEPT] > counts[OTHER] > 0
    only = embed(points, np.where(kinds == OTHER, MISSED, kinds), max_faces=50)
    assert len(only.kinds) == 50
    assert set(only.kinds.tolist()) == {MISSED, REPAIRED, DAMAGED}


def test_what_became_of_every_test_face(table_of: MakeTable) -> None:
    table = table_of("sad")
    case = make_case(table, "sad")
    changed = np.arange(case.test.size) % 3 == 0
    kinds = kinds_of(case, changed)
    sad = table.labels[case.test] == "sad"
    right = table.decisions[case.test] == table.labels[case.test]
    assert sad.any() and not (sad & right).any()  # the network does not know the class
    for kind, expected in {
        REPAIRED: sad & changed,
        MISSED: sad & ~changed,
        DAMAGED: right & changed,
        KEPT: right & ~changed,
        OTHER: ~sad & ~right,
    }.items():
        np.testing.assert_array_equal(kinds == kind, expected)


def test_the_picture_counts_every_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *arguments: object, **options: object) -> None:
        drawn.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    points, kinds = two_groups(23)
    found = embed(points, kinds)
    plot_embedding(found, tmp_path / "a.png", title="5 $ a face_1$")
    (figure,) = drawn
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert [re.sub(r" \(\d+\)$", "", text) for text in texts] == list(KINDS)
    assert sum(int(text.rsplit("(")[-1][:-1]) for text in texts) == 23
    for panel, flat in zip(figure.axes, (found.pca, found.tsne), strict=True):
        for kind, points_drawn in zip(KINDS, panel.collections, strict=True):
            np.testing.assert_allclose(
                points_drawn.get_offsets(), flat[found.kinds == kind], rtol=1e-6
            )
    styles = [
        (c.get_paths()[0].vertices.shape, c.get_sizes()[0]) for c in panel.collections
    ]
    assert len(set(styles)) == len(KINDS)  # also without colours
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_clear_errors() -> None:
    points, kinds = two_groups(20)
    for message, arguments in {
        "max_faces must be 5 or more, got 4": (points, kinds, 4),
        r"five rows and two columns or more, got shape \(4, 6\)": (
            *(points[:4], kinds[:4], 9),
        ),
        r"got shape \(20, 1\)": (points[:, :1], kinds, 9),
        "not the same for all": (np.ones((20, 3)), kinds, 9),
        "must be finite": (points * np.nan, kinds, 9),
        r"kinds must have shape \(20,\), got \(19,\)": (points, kinds[1:], 9),
        "got 'odd'": (points, [*kinds[1:], "odd"], 9),
    }.items():
        embedding, of, most = arguments
        with pytest.raises(ValueError, match=message):
            embed(embedding, of, max_faces=most)
