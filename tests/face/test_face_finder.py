"""Faces in larger pictures, and marks on them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageFilter

from rarecorrect_face import face_finder
from rarecorrect_face.annotate import Mark, annotated
from rarecorrect_face.face_finder import Box, find_faces, open_picture, pictures_below
from rarecorrect_face.loaders import load_faces
from rarecorrect_face.loaders.pictures import PictureError

GREY = (120, 120, 120)


def scene(
    face: np.ndarray, box: Box, size: tuple[int, int] = (640, 480)
) -> Image.Image:
    """A face in a grey picture."""
    picture = Image.new("L", size, GREY[0])
    side = box.right - box.left
    picture.paste(Image.fromarray(face).resize((side, side)), (box.left, box.top))
    return picture.filter(ImageFilter.GaussianBlur(1))


@pytest.fixture(scope="module")
def faces(data_home: Path) -> np.ndarray:
    pytest.importorskip("cv2")
    return load_faces(data_home / "fer2013.npz").faces.part("test").images[:60]


@pytest.mark.parametrize("scale", [1, 5])
def test_real_faces_are_found_where_they_are(faces: np.ndarray, scale: int) -> None:
    place = Box(*(scale * value for value in (220, 140, 340, 260)))
    size, side = (640 * scale, 480 * scale), 120 * scale
    found = [find_faces(scene(face, place, size)) for face in faces[:30]]
    once = [boxes[0] for boxes in found if len(boxes) == 1]
    assert len(once) > 0.6 * len(found)  # the others look away, or are no photographs
    apart = [np.abs(np.subtract(box, place)).max() for box in once]
    assert np.median(apart) < 0.15 * side
    widths = [box.right - box.left for box in once]
    assert abs(np.median(widths) / side - 1) < 0.1


def test_two_faces_from_left_to_right(faces: np.ndarray) -> None:
    seen = [f for f in faces if find_faces(scene(f, Box(60, 60, 180, 180)))][:2]
    both = Image.new("RGB", (640, 300), GREY)
    both.paste(scene(seen[0], Box(60, 60, 180, 180), (300, 300)), (340, 0))
    both.paste(scene(seen[1], Box(60, 60, 180, 180), (300, 300)), (0, 0))
    boxes = find_faces(both)
    assert [box.left > 300 for box in boxes] == [False, True]


def test_no_face_is_said_and_the_exit_code_too(
    faces: np.ndarray, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    from rarecorrect_face.cli import face
    from rarecorrect_face.nets.checkpoint import save
    from rarecorrect_face.nets.network import AttentionLSTM
    from rarecorrect_face.nets.trained import TrainedNetwork
    from rarecorrect_face.recipe import Recipe

    with torch.random.fork_rng():
        network = AttentionLSTM(2)
    none = np.array([], dtype=str)
    model = tmp_path / "net.safetensors"
    save(TrainedNetwork(network, ("happy", "sad"), Recipe(), (), none), model)
    folder = tmp_path / "pictures"
    folder.mkdir()
    place = Box(220, 140, 340, 260)
    seen = next(f for f in faces if len(find_faces(scene(f, place))) == 1)
    scene(seen, place).save(folder / "a.png")
    Image.new("L", (300, 200), 90).save(folder / "nobody.png")
    out = tmp_path / "p.csv"
    command = ["predict", str(folder), "--model", str(model), "--out", str(out)]
    found = CliRunner().invoke(face, command)
    assert found.exit_code == 1
    assert "nobody.png: no face found" in found.output
    assert out.read_text().count("\n") == 2


def test_pictures_of_any_kind_are_opened_upright(tmp_path: Path) -> None:
    turned = Image.new("RGB", (30, 20), (200, 0, 0))
    exif = turned.getexif()
    exif[0x0112] = 6  # a quarter turn
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert open_picture(tmp_path / "turned.jpg").size == (20, 30)
    deep = Image.fromarray(np.full((5, 5), 257 * 90, dtype=np.uint16))
    deep.save(tmp_path / "deep.png")
    assert open_picture(tmp_path / "deep.png").getpixel((0, 0)) == (90, 90, 90)
    (tmp_path / "broken.png").write_bytes(b"")
    with pytest.raises(PictureError, match="UnidentifiedImageError"):
        open_picture(tmp_path / "broken.png")
    names = [path.name for path in pictures_below(tmp_path)]
    assert names == ["broken.png", "deep.png", "turned.jpg"]
    assert pictures_below(tmp_path, tmp_path) == []


@pytest.mark.parametrize("size", [(48, 48), (640, 200), (3000, 2000)])
@pytest.mark.parametrize("text", ["sad 0.50", "surprise " * 4])
def test_labels_lie_inside_the_picture(size: tuple[int, int], text: str) -> None:
    width, height = size
    places = [
        Box(0, 0, width, height),
        Box(0, 0, width // 4, height // 4),
        Box(width - width // 4, height - height // 4, width, height),
    ]
    for box in places:
        picture = annotated(Image.new("RGB", size, GREY), [Mark(box, text, True)])
        assert min(picture.size) >= min(size) and max(picture.size) >= 480
        pixels = np.asarray(picture).astype(int)
        plate = (pixels == (255, 160, 40)).all(axis=-1)
        letters = (pixels < 40).all(axis=-1)
        rows, columns = np.nonzero(letters)
        assert rows.size  # and plate is all around them
        inside = plate[
            rows.min() - 2 : rows.max() + 3, columns.min() - 2 : columns.max() + 3
        ]
        assert inside[[0, -1]].all() and inside[:, [0, -1]].all()
        assert rows.max() - rows.min() >= 6


@pytest.mark.parametrize("n_across", [2, 6, 14])
def test_labels_of_a_crowd_hide_no_face(n_across: int) -> None:
    step = 980 // n_across
    side = 2 * step // 3
    boxes = [
        Box(x, y, x + side, y + side)
        for y in range(20, 1000 - side - 20, step)
        for x in range(20, 1000 - side - 20, step)
    ]
    crowd = Image.new("RGB", (1000, 1000), GREY)
    for box in boxes:
        crowd.paste((255, 0, 255), box)
    before = np.asarray(crowd)
    marks = [Mark(box, "surprise 0.87", True) for box in boxes]
    marked = annotated(crowd, marks)
    scale = marked.width / 1000
    pixels = np.asarray(marked)
    for box in boxes:
        left, top, right, bottom = (round(scale * value) for value in box)
        inside = pixels[top + 10 : bottom - 10, left + 10 : right - 10]
        assert (inside == (255, 0, 255)).all()  # no plate, and no line but its own
    letters = (pixels < 40).all(axis=-1).sum() / len(boxes)
    assert letters > 100  # of every label: none lies over another one
    assert (before == np.asarray(crowd)).all()


def test_what_was_changed_has_another_colour() -> None:
    grey, box = Image.new("RGB", (600, 600), GREY), Box(200, 200, 400, 400)
    kept, changed = (
        annotated(grey, [Mark(box, "sad", state)]).getpixel((300, 200))
        for state in (False, True)
    )
    assert kept != changed
    assert GREY not in (kept, changed)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    face_finder._cascade.cache_clear()
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r"pip install 'rarecorrect\[face\]'"):
        find_faces(Image.new("L", (50, 50)))
