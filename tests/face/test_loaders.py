"""Every format from tiny files; what is broken is named and the rest is read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rarecorrect_face.loaders import load_faces

Picture = Callable[[int], NDArray[np.uint8]]


def save(path: Path, pixels: NDArray[np.uint8]) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def large(pixels: NDArray[np.uint8], side: int = 96) -> NDArray[np.uint8]:
    """The same picture, larger and in three equal colours."""
    grown = np.kron(pixels, np.ones((side // 48, side // 48), np.uint8))
    return np.repeat(grown[:, :, None], 3, axis=2)


def save_npz(path: Path, picture: Picture, **change: Any) -> Path:
    arrays: dict[str, Any] = {
        "images": np.stack([picture(i) for i in range(4)]),
        "labels": np.array([0, 1, 1, 0], np.int8),
        "split": np.array([0, 1, 2, 0], np.int8),
        "class_names": np.array(["anger", "happy"]),
        "ferplus_votes": np.array([[8, 1, 1], [0, 9, 1], [0, 0, 10], [5, 5, 0]]),
        "ferplus_names": np.array(["anger", "happiness", "NF"]),
    }
    arrays |= change
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    return path


def test_fer2013_npz_with_votes(tmp_path: Path, picture: Picture) -> None:
    faces, report = load_faces(save_npz(tmp_path / "fer.npz", picture))
    assert (report.format, report.n_faces, report.complete) == ("fer2013-npz", 4, True)
    assert faces.class_names == ("angry", "happy")
    assert faces.split.tolist() == ["train", "calibration", "test", "train"]
    np.testing.assert_array_equal(faces.images[2], picture(2))
    assert faces.soft is not None
    # row 2 was voted no face by all: its label stands
    np.testing.assert_allclose(faces.soft, [[8 / 9, 1 / 9], [0, 1], [0, 1], [0.5, 0.5]])


def test_fer2013_npz_with_rows_that_make_no_sense(
    tmp_path: Path, picture: Picture
) -> None:
    labels = np.array([0, 7, 1, 0], np.int8)
    path = save_npz(tmp_path / "fer.npz", picture, labels=labels)
    faces, report = load_faces(path)
    assert faces.ids.tolist() == ["0", "2", "3"]
    assert faces.soft is not None and len(faces.soft) == 3
    assert report.problems == (("row 1", "label 7, split 1"),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": None}, "lacks labels; it holds images"),
        ({"labels": np.array([0])}, "4 images, 1 labels and 4 splits"),
        ({"images": np.zeros((4, 2), np.uint8)}, r"images must be \(n, 48, 48\)"),
    ],
)
def test_fer2013_npz_that_does_not_fit(
    tmp_path: Path, picture: Picture, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        load_faces(save_npz(tmp_path / "fer.npz", picture, **change))


@pytest.mark.parametrize(
    "header", ["emotion,pixels,Usage", "emotion, Usage, pixels"], ids=["plain", "icml"]
)
def test_fer2013_csv_and_its_broken_rows(
    tmp_path: Path, picture: Picture, header: str
) -> None:
    def row(emotion: str, pixels: str, usage: str) -> str:
        cells = {"emotion": emotion, "pixels": pixels, "Usage": usage}
        return ",".join(cells[name.strip()] for name in header.split(","))

    def text(number: int) -> str:
        return " ".join(map(str, picture(number).ravel()))

    lines = [
        header,
        row("3", text(0), "Training"),
        row("4", text(1), "PublicTest"),
        row("0", text(2), "PrivateTest"),
        row("9", text(3), "Training"),
        row("1", "1 2 3", "Training"),
        row("1", text(4).replace(" ", " x", 1), "Training"),
        row("1", text(4).replace(" ", " 999", 1), "Training"),
        row("1", text(5), "Holiday"),
        "1",
        "",
    ]
    path = tmp_path / "faces.csv"
    path.write_text("\n".join(lines))
    faces, report = load_faces(path)
    assert report.format == "fer2013-csv"
    assert faces.names.tolist() == ["happy", "sad", "angry"]
    assert faces.split.tolist() == ["train", "calibration", "test"]
    np.testing.assert_array_equal(faces.images[1], picture(1))
    found = dict(report.problems)
    assert list(found) == [f"row {i}" for i in range(3, 9)]
    words = ["emotion 9", "3 pixels", "invalid literal", "0 ... 255", "Holiday", "few"]
    for word, what in zip(words, found.values(), strict=True):
        assert word in what


def test_raf_db_as_it_is_handed_out(tmp_path: Path, picture: Picture) -> None:
    aligned = tmp_path / "Image" / "aligned"
    for number in range(12):
        save(aligned / f"train_{number:05d}_aligned.jpg", large(picture(number)))
    save(aligned / "test_00001_aligned.jpg", large(picture(99)))
    lines = [f"train_{n:05d}.jpg {1 + n % 2}" for n in range(12)]
    lines += ["test_00001.jpg 5", "train_00077.jpg 4", "train_00001.jpg 8", "nonsense"]
    (tmp_path / "EmoLabel").mkdir()
    (tmp_path / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines))
    faces, report = load_faces(tmp_path)
    assert report.format == "raf-db"
    assert faces.class_names[:3] == ("surprise", "fear", "disgust")
    assert faces.part("test").names.tolist() == ["sad"]
    # the set has no middle part: some of training calibrates, of every class
    assert sorted(faces.part("calibration").names) == ["fear", "surprise"]
    assert [where for where, _ in report.problems] == [
        "train_00077.jpg",
        "list_patition_label.txt, line 15",
        "list_patition_label.txt, line 16",
    ]


def test_raf_db_in_folders(tmp_path: Path, picture: Picture) -> None:
    for part in ("train", "test"):
        for code in range(1, 8):
            number = code + 10 * (part == "test")
            save(tmp_path / "DATASET" / part / str(code) / "a.png", picture(number))
    faces, report = load_faces(tmp_path)
    assert (report.format, len(faces)) == ("raf-db-folders", 14)
    assert faces.part("test").names.tolist() == [
        *("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
    ]


def test_affectnet_newer_form(tmp_path: Path, picture: Picture) -> None:
    def annotate(part: str, name: str, code: str) -> None:
        folder = tmp_path / part / "annotations"
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{name}_exp.npy", np.array(code))

    for part, name, code in [
        ("train_set", "1", "1"),
        ("train_set", "2", "9"),  # uncertain: passed over, no problem
        ("train_set", "3", "12"),
        ("val_set", "5", "7"),
    ]:
        save(tmp_path / part / "images" / f"{name}.jpg", large(picture(int(name))))
        annotate(part, name, code)
    save(tmp_path / "train_set" / "images" / "4.jpg", large(picture(4)))
    faces, report = load_faces(tmp_path)
    assert report.format == "affectnet"
    assert dict(zip(faces.ids.tolist(), faces.names.tolist(), strict=True)) == {
        "train_set/images/1.jpg": "happy",
        "val_set/images/5.jpg": "contempt",
    }
    assert faces.split.tolist() == ["train", "test"]
    assert [where for where, _ in report.problems] == [
        "train_set/images/3.jpg",
        "train_set/images/4.jpg",
    ]


def test_affectnet_older_form_cuts_faces_out(tmp_path: Path, picture: Picture) -> None:
    canvas = np.zeros((200, 200), np.uint8)
    canvas[20:68, 30:78] = picture(0)
    save(tmp_path / "Manually_Annotated_Images" / "7" / "a.png", canvas)
    header = (
        "subDirectory_filePath,face_x,face_y,face_width,face_height,"
        "facial_landmarks,expression,valence,arousal"
    )
    rows = [
        "7/a.png,30,20,48,48,0;0,6,0,0",
        "7/a.png,30,20,48,48,0;0,10,0,0",
        "7/a.png,30,20,0,48,0;0,6,0,0",
        "7/missing.png,30,20,48,48,0;0,6,0,0",
        "7/a.png,30",
    ]
    (tmp_path / "training.csv").write_text("\n".join([header, *rows]))
    (tmp_path / "validation.csv").write_text("7/a.png,0,0,48,48,0;0,0,0,0")
    faces, report = load_faces(tmp_path)
    assert report.format == "affectnet-csv"
    assert faces.names.tolist() == ["angry", "neutral"]
    assert faces.split.tolist() == ["train", "test"]
    np.testing.assert_array_equal(faces.images[0], picture(0))
    assert [where for where, _ in report.problems] == [
        "training.csv, row 2",
        "7/missing.png",
        "training.csv, row 4",
    ]


def test_folders_with_broken_and_empty_ones(tmp_path: Path, picture: Picture) -> None:
    for number, label in enumerate(["calm", "wild"] * 10):
        save(tmp_path / "train" / label / f"{number}.png", picture(number))
    save(tmp_path / "Validation" / "calm" / "a.jpg", large(picture(30)))
    save(tmp_path / "test" / "wild" / "a.PNG", picture(31))
    (tmp_path / "test" / "calm").mkdir()
    save(tmp_path / "extra" / "calm" / "a.png", picture(32))
    broken = tmp_path / "test" / "wild"
    (broken / "b.png").write_bytes(b"")
    (broken / "c.png").write_bytes(b"no picture")
    (broken / "d.png").write_bytes((broken / "a.PNG").read_bytes()[:300])
    (broken / "notes.txt").write_text("no picture either, and none is expected")
    (broken / ".hidden.png").write_bytes(b"")
    faces, report = load_faces(tmp_path)
    assert report.format == "folders"
    assert faces.class_names == ("calm", "wild")
    assert [len(faces.part(p)) for p in ("train", "calibration", "test")] == [20, 1, 1]
    assert sorted(where for where, _ in report.problems) == [
        "extra",
        "test/calm",
        "test/wild/b.png",
        "test/wild/c.png",
        "test/wild/d.png",
    ]
    assert "5 files, folders or rows left out" in str(report)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "I;16", "1"])
def test_pictures_of_every_kind(tmp_path: Path, mode: str) -> None:
    from PIL import Image

    ramp = np.tile(np.repeat(np.arange(0, 240, 5, dtype=np.uint8), 2), (96, 1))
    if mode == "I;16":
        image = Image.fromarray(ramp.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(ramp).convert(mode)
    for label in ("a", "b"):
        (tmp_path / "train" / label).mkdir(parents=True)
        image.save(tmp_path / "train" / label / "ramp.png")
    faces, report = load_faces(tmp_path)
    assert report.complete, str(report)
    across = faces.images[0].mean(axis=0)
    assert np.corrcoef(across, np.arange(48))[0, 1] > 0.9
    assert abs(across.mean() - ramp.mean()) < 25


def test_shrinking_averages(tmp_path: Path) -> None:
    fine = np.indices((480, 480)).sum(axis=0) % 2 * np.uint8(255)
    for label in ("a", "b"):
        save(tmp_path / "train" / label / "fine.png", fine.astype(np.uint8))
    faces, _ = load_faces(tmp_path)
    assert 120 < faces.images.min() <= faces.images.max() < 135


def test_without_pillow_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train" / "calm").mkdir(parents=True)
    (tmp_path / "train" / "calm" / "a.png").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"pip install 'rarecorrect\[face\]'"):
        load_faces(tmp_path)


def test_what_cannot_be_told_or_read(tmp_path: Path, picture: Picture) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_faces(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="looks like none of fer2013-npz"):
        load_faces(tmp_path)
    (tmp_path / "train" / "calm").mkdir(parents=True)
    with pytest.raises(ValueError, match="no face could be read"):
        load_faces(tmp_path)
    with pytest.raises(ValueError, match="format must be auto or one of"):
        load_faces(tmp_path, "mp4")
    for name in ("raf-db", "raf-db-folders", "affectnet", "affectnet-csv"):
        with pytest.raises(ValueError, match="has no"):
            load_faces(tmp_path, name)
    path = tmp_path / "half.npz"
    save_npz(path, picture)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"half\.npz cannot be read"):
        load_faces(path)


def test_the_part_that_calibrates_follows_the_seed(
    tmp_path: Path, picture: Picture
) -> None:
    for number in range(40):
        save(tmp_path / "train" / "ab"[number % 2] / f"{number}.png", picture(number))
    first, again, other = (
        load_faces(tmp_path, random_state=seed).faces.split.tolist()
        for seed in (0, 0, 1)
    )
    assert first == again != other
    assert first.count("calibration") == 4
