"""Train, evaluate, correct, predict: from the command line, on tiny networks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image

from rarecorrect_face.cli import face

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.needs_torch

import rarecorrect  # noqa: E402
from rarecorrect_face.faces import Faces  # noqa: E402
from rarecorrect_face.loaders import load_faces  # noqa: E402
from rarecorrect_face.nets.checkpoint import load, save  # noqa: E402
from rarecorrect_face.nets.network import AttentionLSTM  # noqa: E402
from rarecorrect_face.nets.trained import TrainedNetwork  # noqa: E402
from rarecorrect_face.recipe import Recipe  # noqa: E402
from rarecorrect_face.service import load_corrector, load_network, read_faces  # noqa: E402

QUICK = (
    *("--epochs", 4, "--set", "batch_size=32", "mixup=0", "ema=0.5"),
    *("warmup_epochs=0.5", "erasing=0"),
)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(face, [str(argument) for argument in arguments])


def said(result: Result) -> str:
    """What a command printed, without the frame of an error."""
    return " ".join(result.output.replace("│", "").split())


def write(faces: Faces, rows: NDArray[np.intp], folder: Path) -> None:
    for row in rows:
        path = folder / str(faces.names[row]) / f"{faces.ids[row]}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(faces.images[row]).save(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file like FER2013's; ten test faces are copies of training faces."""
    rng, n = np.random.default_rng(0), 1500
    labels = rng.integers(3, size=n)
    split = rng.choice(3, size=n, p=[0.3, 0.5, 0.2])
    images = rng.integers(60, 160, size=(n, 48, 48))
    for code in range(3):
        images[labels == code, 16 * code : 16 * code + 16, :24] += 40
    for code in range(2):
        taught, tested = (
            np.flatnonzero((labels == code) & (split == part))[:5] for part in (0, 2)
        )
        images[tested] = images[taught]
    path = tmp_path_factory.mktemp("data") / "faces.npz"
    np.savez(
        path,
        images=images.astype(np.uint8),
        labels=labels,
        split=split,
        class_names=np.array(["angry", "happy", "sad"]),
    )
    return path


@pytest.fixture(scope="module")
def network(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that knows angry and happy, and never saw sad."""
    path = tmp_path_factory.mktemp("networks") / "net.safetensors"
    found = run("train", "--data", data, "--out", path, "--without", "sad", *QUICK)
    assert found.exit_code == 0, found.output
    assert "angry, happy; accuracy 1.000 on" in found.output
    return path


@pytest.fixture(scope="module")
def folders(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders ``errors``, of 40 sad faces, and ``calibration``, of 600 of all."""
    root = tmp_path_factory.mktemp("folders")
    faces = load_faces(data).faces.part("calibration")
    sad = np.flatnonzero(faces.names == "sad")[:40]
    write(faces, sad, root / "errors")
    others = np.setdiff1d(np.arange(len(faces)), sad)[:600]
    write(faces, others, root / "calibration")
    return root


@pytest.fixture(scope="module")
def corrector(network: Path, folders: Path) -> Path:
    path = network.with_name("fix.rarecorrect")
    found = run(*correct(network, folders, path))
    assert found.exit_code == 0, found.output
    assert "40 misread faces, 600 calibration faces" in found.output
    assert "new to the network: sad" in found.output
    assert "changes at most 2 % of right decisions" in found.output
    return path


def correct(network: Path, folders: Path, out: Path) -> tuple[object, ...]:
    return (
        *("correct", "--model", network, "--errors", folders / "errors"),
        *("--calibration", folders / "calibration", "--out", out, "--max-damage", 0.02),
    )


def test_every_choice_of_a_recipe_can_be_made(data: Path, tmp_path: Path) -> None:
    recipe, out = tmp_path / "recipe.json", tmp_path / "net.safetensors"
    recipe.write_text(json.dumps({"loss": "focal", "mixup": 0.5, "epochs": 9}))
    given = ("--recipe", recipe, *QUICK, "flip=false", "--seed", 3)
    found = run("train", "--data", data, "--out", out, *given, "--size", "small")
    assert found.exit_code == 0, found.output
    made = load(out).recipe
    assert (made.loss, made.mixup, made.epochs, made.flip) == ("focal", 0, 4, False)
    assert (made.seed, made.size, made.batch_size) == (3, "small", 32)


def test_training_goes_on(data: Path, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "net.safetensors"
    out.write_bytes(network.read_bytes())
    command = ("train", "--data", data, "--out", out, "--without", "sad", *QUICK)
    refused = run(*command)
    assert refused.exit_code == 2
    assert "--resume" in said(refused)
    assert out.read_bytes() == network.read_bytes()
    found = run(*command, "--resume")
    assert found.exit_code == 0, found.output
    assert load(out).epochs == load(network).epochs
    other = run(*command, "--resume", "--seed", 5)
    assert "net.safetensors is of another recipe: seed is 0" in said(other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "los=focal"], "a recipe has no 'los'; did you mean 'loss'?"),
        (["--set", "loss=fokal"], "loss must be one of cross-entropy"),
        (["--set", "loss"], "--set takes NAME=VALUE, such as loss=focal; got 'loss'"),
        (["--set", "epochs=3", "--epochs", "4"], "epochs is set twice, to 3 and 4"),
        (["--without", "bored"], "no class 'bored'; there are angry, happy, sad"),
    ],
)
def test_choices_that_there_are_not(
    data: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    out = tmp_path / "net.safetensors"
    found = run("train", "--data", data, "--out", out, *options)
    assert found.exit_code == 2
    assert message in said(found)
    assert not out.exists()


def test_the_benchmark_takes_the_same_choices(data: Path, tmp_path: Path) -> None:
    command = ("benchmark", "--data", data, "--out", tmp_path / "out", "--set")
    assert "did you mean 'loss'?" in said(run(*command, "los=focal"))
    assert "seeds go by --seeds" in said(run(*command, "seed=3"))


def test_evaluation_leaves_copies_out(data: Path, network: Path) -> None:
    found = run("evaluate", "--model", network, "--data", data)
    assert found.exit_code == 0, found.output
    test = load_faces(data).faces.part("test")
    assert f"10 of {len(test)} faces left out" in found.output
    assert "unknown to the network: sad" in found.output
    judged = test.take(~test.duplicate)
    right = load(network).predict(judged.images) == judged.names
    assert 0.5 < right.mean() < 0.9
    assert f"accuracy {right.mean():.3f}" in said(found)
    n_sad = int((judged.names == "sad").sum())
    assert f"sad {n_sad} 0.000" in said(found)


def test_a_corrector_stands_beside_the_network(
    data: Path, network: Path, corrector: Path
) -> None:
    found = run(
        "evaluate", "--model", network, "--data", data, "--corrector", corrector
    )
    assert found.exit_code == 0, found.output
    test = load_faces(data).faces.part("test")
    faces = test.take(~test.duplicate)
    fix = rarecorrect.load(corrector, estimator=load(network).as_model(()))
    before, after = (model.predict(faces.images) for model in (load(network), fix))
    right = before == faces.names
    repaired = int((~right & (after == faces.names)).sum())
    broken = int((right & (after != before)).sum())
    assert repaired > 0.8 * (~right).sum()
    assert f"{repaired} of {(~right).sum()}" in said(found)
    assert f"{broken} of {right.sum()}" in said(found)
    shares = f"{right.mean():.3f} {(after == faces.names).mean():.3f}"
    assert f"accuracy {shares}" in said(found)


def test_faces_of_other_classes_cannot_be_judged(
    data: Path, network: Path, tmp_path: Path, folders: Path
) -> None:
    write(load_faces(data).faces, np.arange(3), tmp_path / "train")
    for folder in list((tmp_path / "train").iterdir()):
        folder.rename(folder.with_name(f"very {folder.name}"))
    command = ("evaluate", "--model", network, "--data", tmp_path)
    assert "the network knows angry, happy" in said(run(*command, "--split", "train"))
    assert "no face of the split 'test' is left of 0" in said(run(*command))


def test_a_patch_changes_what_it_learnt(
    data: Path, network: Path, corrector: Path
) -> None:
    fix = rarecorrect.load(corrector, estimator=load(network).as_model(()))
    assert [rule.to for rule in fix.rules_] == ["sad"]
    assert fix.classes_.tolist() == ["angry", "happy", "sad"]


@pytest.mark.parametrize("detector", ["auto", "trees"])
def test_detectors_get_the_budget_and_the_seed(
    network: Path, folders: Path, tmp_path: Path, detector: str
) -> None:
    out = tmp_path / "fix.rarecorrect"
    command = (*correct(network, folders, out), "--detector", detector, "--seed", 3)
    found = run(*command)
    assert found.exit_code == 0, found.output
    fix = rarecorrect.load(out, estimator=load(network).as_model(()))
    (rule,) = fix.rules_
    if detector == "auto":
        assert rule.detector.max_damage == pytest.approx(fix.max_damage, rel=0.6)
        assert rule.detector.max_damage > 0.01  # the default of the detector
    else:
        assert rule.detector.random_state == 3


def test_pictures_that_teach_nothing_are_named(
    data: Path, network: Path, folders: Path, tmp_path: Path
) -> None:
    faces = load_faces(data).faces.part("test")
    errors = tmp_path / "errors"
    happy = np.flatnonzero((faces.names == "happy") & ~faces.duplicate)[:7]
    write(faces, np.concatenate([happy, np.flatnonzero(faces.names == "sad")]), errors)
    # one of them twice, and also among the calibration faces
    for folder in (errors / "sad", tmp_path / "calibration" / "sad"):
        folder.mkdir(parents=True, exist_ok=True)
        first = sorted((errors / "sad").iterdir())[0]
        (folder / "again.png").write_bytes(first.read_bytes())
    write(faces, np.flatnonzero(faces.names == "happy")[:5], tmp_path / "calibration")
    (errors / "sad" / "broken.png").write_text("no picture")
    (errors / "empty").mkdir()
    (errors / "loose.png").write_text("no picture")
    out = tmp_path / "fix.rarecorrect"
    found = run(*correct(network, tmp_path, out))
    assert found.exit_code == 1, found.output
    assert "7 of the errors left out: the network reads them right" in found.output
    assert "2 pictures left out: their pixels occurred before" in found.output
    assert "sad/broken.png: left out, UnidentifiedImageError" in found.output
    assert "empty: left out, no picture in it" in found.output
    assert "loose.png: left out, not in a folder named by a label" in found.output
    # five right decisions certify nothing: written all the same, and what is missing
    assert "NOT CERTIFIED" in found.output
    assert "more are missing" in found.output
    assert "add faces as in service to the calibration folder" in found.output
    fix = rarecorrect.load(out, estimator=load(network).as_model(()))
    assert (fix.predict(faces.images) == load(network).predict(faces.images)).all()


def test_what_cannot_be_patched(network: Path, folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "fix.rarecorrect"
    (tmp_path / "errors").mkdir()
    (tmp_path / "calibration").symlink_to(folders / "calibration")
    assert "no face could be read from" in said(run(*correct(network, tmp_path, out)))
    happy = folders / "calibration" / "happy"
    (tmp_path / "errors" / "happy").symlink_to(happy)
    assert "reads all" in said(run(*correct(network, tmp_path, out)))
    command = (*correct(network, folders, out), "--layers", "embeding")
    assert "no layer 'embeding'; it has embedding" in said(run(*command))
    assert not out.exists()


@pytest.fixture
def pictures(data: Path, tmp_path: Path) -> Path:
    """Three pictures that are one face each, one of them in a folder."""
    faces = load_faces(data).faces.part("test")
    folder = tmp_path / "pictures"
    for name, label in {"a.png": "angry", "h.png": "happy", "in/s.png": "sad"}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        row = np.flatnonzero((faces.names == label) & ~faces.duplicate)[0]
        Image.fromarray(faces.images[row]).save(path)
    return folder


def test_the_network_reads_a_face_once(
    data: Path, network: Path, corrector: Path
) -> None:
    faces = load_faces(data).faces.part("test").images
    model = load_network(network, "cpu")
    fix = load_corrector(corrector, model)
    expected = fix.trace(faces), fix.predict_proba(faces)
    passes: list[int] = []
    hook = model.network.register_forward_hook(
        lambda _module, batch, _out: passes.append(len(batch[0]))
    )
    read = read_faces(faces, model, fix)
    hook.remove()
    assert sum(passes) == len(faces)
    pd.testing.assert_frame_equal(read.trace, expected[0])
    np.testing.assert_array_equal(read.scores.to_numpy(), expected[1])
    assert read.scores.columns.tolist() == fix.classes_.tolist()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_row_for_each_face(
    network: Path, corrector: Path, pictures: Path, tmp_path: Path, ending: str
) -> None:
    out, drawn = tmp_path / f"p.{ending}", pictures / "drawn"
    command = ("predict", pictures, "--model", network, "--whole", "--out", out)
    for _ in range(2):  # what the first run drew is no face for the second one
        found = run(*command, "--corrector", corrector, "--annotated", drawn)
        assert found.exit_code == 0, found.output
    table = pd.read_csv(out) if ending == "csv" else pd.read_parquet(out)
    assert table["file"].tolist() == ["a.png", "h.png", "in/s.png"]
    assert table["label"].tolist() == ["angry", "happy", "sad"]
    assert table["changed"].tolist() == [False, False, True]
    assert table["network"].tolist()[:2] == ["angry", "happy"]
    assert table["rule"].isna().tolist() == [True, True, False]
    scores = table[[f"score_{name}" for name in ("angry", "happy", "sad")]]
    assert scores.to_numpy().argmax(axis=1).tolist() == [0, 1, 2]
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert (table[["left", "top", "right", "bottom"]] == [0, 0, 48, 48]).all(axis=None)
    images = {p.relative_to(drawn).as_posix() for p in drawn.rglob("*.png")}
    assert images == {"a.png.png", "h.png.png", "in/s.png.png"}
    with Image.open(drawn / "a.png.png") as picture:
        assert picture.size == (480, 480)


def test_without_a_corrector_nothing_is_changed(
    network: Path, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "p.csv"
    found = run("predict", pictures / "h.png", "--model", network, "--whole")
    assert found.output.startswith("h.png · face 1 · happy 0.")
    run("predict", pictures, "--model", network, "--whole", "--out", out)
    table = pd.read_csv(out)
    assert not table["changed"].any()
    assert set(table["label"]) <= {"angry", "happy"}
    assert "score_sad" not in table


def test_a_bad_picture_is_named_and_the_rest_goes_on(
    network: Path, corrector: Path, pictures: Path, tmp_path: Path
) -> None:
    (pictures / "broken.png").write_text("no picture")
    out = tmp_path / "p.csv"
    command = ("predict", "--model", network, "--whole", "--out", out)
    found = run(*command, pictures)
    assert found.exit_code == 1
    assert "broken.png: left out, UnidentifiedImageError" in found.output
    assert len(pd.read_csv(out)) == 3
    fix = ("--corrector", corrector)
    alone = run(*command, *fix, pictures / "broken.png")
    assert alone.exit_code == 1
    assert "Warning" not in alone.output
    assert len(pd.read_csv(out)) == 0


def test_what_cannot_be_predicted(
    network: Path, corrector: Path, pictures: Path, tmp_path: Path
) -> None:
    def refused(*arguments: object) -> str:
        found = run("predict", "--whole", *arguments)
        assert found.exit_code == 2, found.output
        return said(found)

    empty, other = tmp_path / "empty", tmp_path / "other.safetensors"
    empty.mkdir()
    with torch.random.fork_rng():
        nobody = np.array([], dtype=str)
        untrained = AttentionLSTM(2)
        recipe = Recipe(size="small")
        save(TrainedNetwork(untrained, ("angry", "happy"), recipe, (), nobody), other)
        large = Recipe(size="base")
        mixed = TrainedNetwork(untrained, ("angry", "happy"), large, (), nobody)
        save(mixed, tmp_path / "mixed.safetensors")
    assert "no .png, .jpg or .jpeg file" in refused(empty, "--model", network)
    assert "not a 'base' network of 2 classes" in refused(
        pictures, "--model", tmp_path / "mixed.safetensors"
    )
    assert "is not the model that" in refused(
        pictures, "--model", other, "--corrector", corrector
    )
    assert "holds the pictures that are read" in refused(
        pictures, "--model", network, "--annotated", pictures
    )
    assert len(list(pictures.rglob("*.png"))) == 3
    out = ("--out", tmp_path / "p.xlsx")
    assert "must end in .csv or .parquet, got 'p.xlsx'" in refused(
        pictures, "--model", network, *out
    )
