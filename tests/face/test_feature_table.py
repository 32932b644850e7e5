"""Feature tables: files of one's own, and what is said of those that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rarecorrect_face.feature_table import FeatureTable

MakeTable = Callable[..., FeatureTable]

N = 6
OWN: dict[str, Any] = {
    "features": np.arange(12.0).reshape(N, 2),
    "logits": np.eye(N, 2),
    "labels": np.array(["happy", "sad"] * 3),
    "split": np.array(["train", "train", "fit", "fit", "test", "test"]),
}


def stored(folder: Path, **change: Any) -> Path:
    arrays = {k: v for k, v in (OWN | change).items() if v is not None}
    np.savez(folder / "own.npz", **arrays)
    return folder / "own.npz"


def test_a_table_comes_back_as_it_was(tmp_path: Path, table_of: MakeTable) -> None:
    table = table_of("happy", n=50)
    table.save(tmp_path / "t.npz")
    again = FeatureTable.load(tmp_path / "t.npz")
    assert list(again.features) == ["first", "second"]
    assert (again.classes, again.target) == (table.classes, "happy")
    np.testing.assert_array_equal(again.matrix(), table.matrix())
    for name in ("labels", "split", "duplicate", "ids", "decisions"):
        np.testing.assert_array_equal(getattr(again, name), getattr(table, name))
    assert [p.name for p in tmp_path.iterdir()] == ["t.npz"]


def test_four_arrays_are_enough(tmp_path: Path) -> None:
    table = FeatureTable.load(stored(tmp_path))
    assert table.classes == ("happy", "sad")
    assert table.unseen == ()
    assert not table.duplicate.any()
    assert table.ids.tolist() == list("012345")
    assert table.matrix().shape == (N, 4)


def test_layers_come_in_the_order_asked_for(tmp_path: Path) -> None:
    path = stored(
        tmp_path,
        features=None,
        **{"features/a": np.full((N, 1), 1.0), "features/b": np.full((N, 2), 2.0)},
    )
    table = FeatureTable.load(path)
    np.testing.assert_array_equal(table.matrix(["b", "a"])[0], [2, 2, 1])
    with pytest.raises(ValueError, match="no layer 'c'; there are a, b, logits"):
        table.matrix(["c"])
    with pytest.raises(ValueError, match="no layer is named"):
        table.matrix([])


def test_a_class_that_the_network_does_not_know(tmp_path: Path) -> None:
    labels = np.array(["happy", "sad", "angry"] * 2)
    with pytest.raises(ValueError, match="2 columns of logits for 3 labels"):
        FeatureTable.load(stored(tmp_path, labels=labels))
    path = stored(tmp_path, labels=labels, classes=np.array(["happy", "sad"]))
    assert FeatureTable.load(path).unseen == ("angry",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": None}, "lacks split"),
        ({"features": None}, "lacks features"),
        ({"labels": np.array(["a", None] * 3, dtype=object)}, "dtype=str"),
        ({"features": np.full((N, 2), np.nan)}, "features must be finite"),
        ({"logits": np.eye(N - 1, 2)}, r"logits must have shape \(6, columns\)"),
        ({"split": np.array(["dev"] * N)}, "got 'dev'"),
        ({"classes": np.array(["happy"])}, "2 columns of logits, but 1 classes"),
        ({"classes": np.array(["happy", "happy"])}, "must differ"),
        ({"target": np.array("joy")}, "no face of the class to correct, 'joy'"),
        ({"duplicate": np.zeros(2, bool)}, "duplicate must have shape"),
    ],
)
def test_what_does_not_fit_is_named(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        FeatureTable.load(stored(tmp_path, **change))
    assert str(caught.value).startswith("own.npz: ")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 half"])
def test_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read as an \.npz file"):
        FeatureTable.load(path)


def test_a_truncated_file(tmp_path: Path) -> None:
    path = stored(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"cannot be read as an \.npz file"):
        FeatureTable.load(path)


def test_names_of_files(tmp_path: Path, table_of: MakeTable) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        FeatureTable.load(tmp_path / "nowhere.npz")
    with pytest.raises(ValueError, match=r"ends in \.npz"):
        table_of("sad", n=50).save(tmp_path / "t.parquet")
