"""Tables of tiny networks that never saw a class, and pictures to make files of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from rarecorrect_face.feature_table import FeatureTable

NAMES = ("angry", "happy", "sad")
MakeTable = Callable[..., FeatureTable]


def make_table(
    target: str | None, *, n: int = 2400, spread: float = 1.0, seed: int = 0
) -> FeatureTable:
    """Table of a linear network of two inner layers; every 40th face is a copy."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(len(NAMES), size=n)
    centres = 2.5 * np.eye(len(NAMES), 8)
    latent = centres[codes] + spread * rng.normal(size=(n, 8))
    labels = np.array(NAMES)[codes]
    split = rng.choice(
        ["train", "fit", "calibration", "test"], n, p=[0.3, 0.2, 0.2, 0.3]
    )
    if target is not None:
        split[(split == "train") & (labels == target)] = "fit"
    seen = split == "train"
    network = LogisticRegression().fit(latent[seen], labels[seen])
    logits = latent @ network.coef_.T + network.intercept_
    if logits.shape[1] == 1:
        logits = np.hstack([-logits, logits])
    return FeatureTable(
        {
            "first": latent[:, :4].astype(np.float32),
            "second": latent[:, 4:].astype(np.float32),
        },
        logits.astype(np.float32),
        tuple(network.classes_.tolist()),
        labels,
        split,
        (np.arange(n) % 40 == 0) & (split != "train"),
        np.arange(n).astype(str),
        target,
    )


@pytest.fixture(scope="session")
def table_of() -> MakeTable:
    return make_table


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a table of all classes, and one without each of two classes."""
    folder = tmp_path_factory.mktemp("tables")
    for target in (None, "happy", "sad"):
        make_table(target).save(folder / f"{target or 'all'}.npz")
    return folder


@pytest.fixture
def picture() -> Callable[[int], NDArray[np.uint8]]:
    """Grey picture of a number: other numbers give other pixels."""

    def draw(number: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng(number)
        return rng.integers(0, 256, size=(48, 48), dtype=np.uint8)

    return draw


@pytest.fixture(scope="session")
def fer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file like FER2013's: 900 faces, each class brighter in another place."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=900)
    images = rng.integers(60, 160, size=(900, 48, 48))
    for code in range(3):
        images[labels == code, 16 * code : 16 * code + 16, :24] += 12
    path = tmp_path_factory.mktemp("data") / "fer.npz"
    np.savez(
        path,
        images=images.astype(np.uint8),
        labels=labels,
        split=rng.choice(3, size=900, p=[0.4, 0.3, 0.3]),
        class_names=np.array(["angry", "happy", "sad"]),
    )
    return path
