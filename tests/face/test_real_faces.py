"""FER2013: what is in it, and how many of its test faces are copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rarecorrect_face.faces import Faces, duplicates
from rarecorrect_face.loaders import load_faces

pytestmark = pytest.mark.needs_data


@pytest.fixture(scope="module")
def fer(data_home: Path) -> Faces:
    faces, report = load_faces(data_home / "fer2013.npz")
    assert report.complete
    return faces


def test_parts_and_classes(fer: Faces) -> None:
    sizes = [len(fer.part(part)) for part in ("train", "calibration", "test")]
    assert sizes == [28_709, 3_589, 3_589]
    counts = np.bincount(fer.part("train").labels).tolist()
    assert counts == [3995, 436, 4097, 7215, 4830, 3171, 4965]
    assert fer.soft is not None
    agrees = fer.soft.argmax(axis=1) == fer.labels
    assert 0.6 < agrees.mean() < 0.7  # the crowd and the labels differ in a third


def test_copies_among_the_test_faces(fer: Faces) -> None:
    test = fer.part("test")
    assert (~test.duplicate[test.names == "disgust"]).sum() == 38
    # of training images alone: the shares that make these two classes look easy
    ends = np.isin(fer.split, ["train", "test"])
    copies = duplicates(fer.images[ends], fer.split[ends])
    assert copies.sum() == 288
    names = fer.names[ends]
    in_test = fer.split[ends] == "test"
    shares = {n: copies[in_test & (names == n)].mean() for n in fer.class_names}
    assert shares["surprise"] == pytest.approx(0.28, abs=0.005)
    assert shares["disgust"] == pytest.approx(0.29, abs=0.005)
    others = [
        share for name, share in shares.items() if name not in ("surprise", "disgust")
    ]
    assert max(others) < 0.1


def test_roles_for_a_class_left_out(fer: Faces) -> None:
    roles = fer.for_correction("disgust")
    training, aside = roles.part("train"), roles.part("fit")
    assert "disgust" not in training.names
    assert (aside.names == "disgust").sum() == 436
    others = (aside.names != "disgust").sum()
    assert others == pytest.approx((28_709 - 436) / 10, abs=4)
