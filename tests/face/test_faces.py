"""Faces: what is checked, how classes leave, what a corrector learns from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rarecorrect_face.faces import Faces

Picture = Callable[[int], NDArray[np.uint8]]
NAMES = ["angry", "happy", "sad"]


@pytest.fixture
def faces(picture: Picture) -> Faces:
    images = np.stack([picture(number) for number in range(60)])
    split = ["train"] * 45 + ["calibration"] * 6 + ["test"] * 9
    return Faces.of(images, np.arange(60) % 3, NAMES, split)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((2, 48, 47), np.uint8)}, r"shape \(2, 48, 47\)"),
        ({"images": np.zeros((2, 48, 48))}, "float64"),
        ({"labels": [0, 3]}, "from 0 to 3"),
        ({"labels": [0]}, r"labels must have shape \(2,\)"),
        ({"labels": [0.0, 1.0]}, "whole numbers"),
        ({"class_names": ["a", "a", "b"]}, "must differ"),
        ({"split": ["train", "dev"]}, "got 'dev'"),
        ({"soft": [[0.5, 0.5, 0.5], [1, 0, 0]]}, "one sums to 1.5"),
        ({"soft": [[1, 0], [1, 0]]}, r"soft must have shape \(2, 3\)"),
        ({"ids": ["a"]}, "ids must have shape"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {
        "images": np.zeros((2, 48, 48), np.uint8),
        "labels": [0, 1],
        "class_names": NAMES,
        "split": ["train", "test"],
    }
    with pytest.raises(ValueError, match=message):
        Faces.of(**(given | change))


def test_copies_are_marked_only_across_splits_and_outside_training(
    picture: Picture,
) -> None:
    images = np.stack([picture(n) for n in (1, 1, 2, 2, 3, 3, 4)])
    split = ["train", "test", "test", "test", "calibration", "test", "train"]
    faces = Faces.of(images, [0] * 7, ["happy"], split)
    # a copy within the test part hides nothing that was trained on
    assert faces.duplicate.tolist() == [False, True, False, False, True, True, False]


def test_a_class_leaves_with_its_name_and_its_votes(faces: Faces) -> None:
    votes = np.tile([0.2, 0.6, 0.2], (60, 1))
    votes[0] = [0.0, 1.0, 0.0]  # labelled angry, and everybody says happy
    voted = Faces.of(
        faces.images, faces.labels, NAMES, faces.split, soft=votes, ids=faces.ids
    )
    left = voted.without("happy")
    assert left.class_names == ("angry", "sad")
    assert left.names.tolist() == [n for n in faces.names.tolist() if n != "happy"]
    assert left.soft is not None
    np.testing.assert_allclose(left.soft[0], [1.0, 0.0])
    np.testing.assert_allclose(left.soft[1:], 0.5)
    with pytest.raises(ValueError, match="no class 'joy'; there are angry, happy"):
        faces.without("joy")


def test_the_part_set_aside_is_the_same_for_every_class(faces: Faces) -> None:
    plain = faces.for_correction(fraction=0.2)
    assert (plain.split == "fit").sum() == 9
    for name in NAMES:
        roles = faces.for_correction(name, fraction=0.2)
        others = faces.names != name
        np.testing.assert_array_equal(roles.split[others], plain.split[others])
        assert name not in roles.part("train").names
        assert (roles.part("fit").names == name).sum() == 15
    outside = faces.split != "train"
    np.testing.assert_array_equal(plain.split[outside], faces.split[outside])


def test_a_thinned_class_keeps_so_many_faces(faces: Faces) -> None:
    roles = faces.for_correction("sad", n_kept=4)
    assert (roles.part("train").names == "sad").sum() == 4
    assert (roles.part("fit").names == "sad").sum() == 11
    other = faces.for_correction("sad", n_kept=4, random_state=1)
    assert (roles.split != other.split).any()


def test_fewer_faces_to_train_on(faces: Faces) -> None:
    few = faces.thinned(20)
    assert (few.split == "train").sum() == 20
    assert few.part("test").ids.tolist() == faces.part("test").ids.tolist()
    assert few.part("train").ids.tolist() != faces.part("train").ids.tolist()[:20]
    assert set(few.ids) < set(faces.ids)
    assert faces.thinned(99).ids.tolist() == faces.ids.tolist()


def test_parts_and_rows(faces: Faces) -> None:
    test = faces.part("test")
    assert len(test) == 9
    assert test.ids.tolist() == [str(i) for i in range(51, 60)]
    assert faces.take([3, 1]).ids.tolist() == ["3", "1"]
    with pytest.raises(ValueError, match="got 'dev'"):
        faces.part("dev")
