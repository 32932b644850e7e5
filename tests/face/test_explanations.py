"""What a network sees in a face: on networks of which we know where they look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from rarecorrect_face.explain_command import explain
from rarecorrect_face.overlays import overlay

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.needs_torch

from torch import nn  # noqa: E402

from rarecorrect_face.nets.checkpoint import save  # noqa: E402
from rarecorrect_face.nets.explain import (  # noqa: E402
    METHODS,
    attention,
    grad_cam,
    hires_cam,
    integrated_gradients,
)
from rarecorrect_face.nets.network import AttentionLSTM, standardised  # noqa: E402
from rarecorrect_face.nets.trained import TrainedNetwork  # noqa: E402
from rarecorrect_face.recipe import Recipe  # noqa: E402

SEEN = np.zeros((48, 48), dtype=bool)
SEEN[32:40, 8:16] = True  # one region of 6 x 6
CLASSES = ("happy", "sad")


class OneRegion(nn.Module):
    """Sad is what is bright in one region: nothing else counts."""

    size, ten_crop = "small", False

    def __init__(self, *, sees: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 1, 1, bias=False)
        self.conv3 = nn.Sequential(nn.AvgPool2d(8), nn.ReLU())
        nn.init.ones_(self.stem.weight)
        self.sees = sees  # the maps know what counts; else only what reads them does

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        faces = self.stem(standardised(x))
        if self.sees:
            faces = faces * torch.tensor(SEEN)
        sad = self.conv3(faces)[:, 0, 4, 1]
        return torch.stack([-sad, sad], dim=1)


def trained(network: nn.Module) -> TrainedNetwork:
    return TrainedNetwork(network, CLASSES, Recipe(), (), np.array([], dtype=str))


@pytest.fixture(scope="module")
def lstm() -> TrainedNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = AttentionLSTM(2)
        network.train()(torch.rand(64, 48, 48))  # means of the batch norm
    return trained(network.eval())


def faces(n: int = 4, seed: int = 0) -> np.ndarray:
    """Noise, and bright where it counts."""
    images = np.random.default_rng(seed).integers(0, 160, (n, 48, 48))
    images[:, SEEN] += 90
    return images.astype(np.uint8)


def test_integrated_gradients_lie_on_the_pixels_that_count() -> None:
    maps = integrated_gradients(trained(OneRegion(sees=False)), faces(), "sad")
    assert (maps[:, ~SEEN] == 0).all()
    assert (maps[:, SEEN].sum(axis=1) > 0).all()
    against = integrated_gradients(trained(OneRegion(sees=False)), faces(), "happy")
    np.testing.assert_allclose(against, -maps, atol=1e-6)


@pytest.mark.parametrize("label", CLASSES)
def test_integrated_gradients_sum_to_the_difference_of_logits(
    lstm: TrainedNetwork, label: str
) -> None:
    images = faces()
    model, code = lstm.as_model(()), CLASSES.index(label)
    blank = np.full((1, 48, 48), 77, dtype=np.uint8)
    logits, nothing = (model.read(x)[0][:, code] for x in (images, blank))
    errors = []
    for n_steps in (4, 256):
        maps = integrated_gradients(lstm, images, label, n_steps=n_steps)
        errors.append(np.abs(maps.sum(axis=(1, 2)) - (logits - nothing)).max())
    assert np.abs(logits - nothing).min() > 20 * errors[1]
    assert errors[1] < errors[0]


@pytest.mark.parametrize("method", [grad_cam, hires_cam])
def test_class_maps_lie_on_maps_that_count(method) -> None:
    maps = method(trained(OneRegion(sees=True)), faces(), "sad")
    far = np.ones((6, 6), dtype=bool)
    far[3:6, 0:3] = False  # a map is enlarged into its neighbours
    assert (maps[:, far.repeat(8, 0).repeat(8, 1)] == 0).all()
    assert (maps.reshape(4, -1).argmax(axis=1)[:, None] == np.flatnonzero(SEEN)).any()
    assert not method(trained(OneRegion(sees=True)), faces(), "happy").any()


def test_grad_cam_forgets_where_a_map_is_read_and_hires_cam_does_not() -> None:
    network = trained(OneRegion(sees=False))
    away = np.zeros((48, 48), dtype=bool)
    away[:16, 32:] = True
    images = faces()
    images[:, away] = 250
    assert (grad_cam(network, images, "sad")[:, away] > 0.5).any()
    assert (hires_cam(network, images, "sad")[:, away] == 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_maps_have_the_size_of_the_pictures(lstm: TrainedNetwork, method: str) -> None:
    for shape in ((3, 48, 48), (2, 40, 64), (0, 48, 48)):
        images = np.random.default_rng(0).integers(0, 256, shape)
        maps = METHODS[method](lstm, images)
        assert maps.shape == shape
        assert maps.dtype == np.float32


@pytest.mark.parametrize("method", [grad_cam, hires_cam, attention])
def test_maps_run_from_0_to_1(lstm: TrainedNetwork, method) -> None:
    maps = method(lstm, faces(), "sad")
    assert maps.min() >= 0
    assert set(maps.max(axis=(1, 2)).tolist()) <= {0.0, 1.0}


def test_attention_has_its_peak_where_the_network_looks_most(
    lstm: TrainedNetwork,
) -> None:
    images = faces(8)
    regions = lstm.attention_maps(images).reshape(8, -1).argmax(axis=1)
    row, column = np.unravel_index(
        attention(lstm, images).reshape(8, -1).argmax(axis=1), (48, 48)
    )
    np.testing.assert_array_equal(row // 8 * 6 + column // 8, regions)


@pytest.mark.parametrize("method", METHODS)
def test_the_class_is_what_the_network_reads_unless_one_is_named(
    lstm: TrainedNetwork, method: str
) -> None:
    explained, images = METHODS[method], faces(6)
    read = lstm.predict(images).tolist()
    np.testing.assert_allclose(
        explained(lstm, images), explained(lstm, images, read), atol=1e-6
    )
    one = explained(lstm, images[:1], read[0])
    np.testing.assert_allclose(one, explained(lstm, images, read)[:1], atol=1e-4)


def test_many_faces_are_explained_as_few(lstm: TrainedNetwork) -> None:
    images = faces(70)
    maps = hires_cam(lstm, images, "sad")
    np.testing.assert_allclose(
        maps[66:], hires_cam(lstm, images[66:], "sad"), atol=1e-4
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_network_is_left_as_it_was(method: str) -> None:
    network = AttentionLSTM(2, ten_crop=True).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    plain = AttentionLSTM(2)
    plain.load_state_dict(before)
    maps = METHODS[method](trained(network), faces(), "sad")
    # the plain view, also of a network that answers by ten
    expected = METHODS[method](trained(plain.eval()), faces(), "sad")
    np.testing.assert_allclose(maps, expected, atol=1e-5)
    assert network.ten_crop and network.training and network.conv3.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(p.grad is None and p.requires_grad for p in network.parameters())


def test_clear_errors(lstm: TrainedNetwork) -> None:
    for method in METHODS.values():
        with pytest.raises(ValueError, match="no class 'bored'; it has happy, sad"):
            method(lstm, faces(), "bored")
        with pytest.raises(ValueError, match=r"height, width\), got \(48, 48\)"):
            method(lstm, faces()[0])
        with pytest.raises(ValueError, match="2 classes for 4 faces"):
            method(lstm, faces(), ["sad", "happy"])
    for method in (grad_cam, hires_cam):
        with pytest.raises(ValueError, match="conv3, got 'conv4'"):
            method(lstm, faces(), layer="conv4")
    with pytest.raises(ValueError, match="n_steps must be 1 or more, got 0"):
        integrated_gradients(lstm, faces(), n_steps=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from PIL import Image

    for name, image in zip(("a.png", "a.jpg", "in/b.png"), faces(3), strict=True):
        path = tmp_path / "faces" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "faces"


@pytest.fixture
def model(lstm: TrainedNetwork, tmp_path: Path) -> Path:
    save(lstm, tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(explain, [str(argument) for argument in arguments])


@pytest.mark.parametrize("method", METHODS)
def test_the_command_draws_every_face(
    folder: Path, model: Path, lstm: TrainedNetwork, method: str
) -> None:
    from PIL import Image

    out = folder / "explained"  # inside: its pictures are no faces the next time
    command = (folder, "--model", model, "--out", out, "--method", method)
    for _ in range(2):
        found = run(*command, "--class", "sad")
        assert found.exit_code == 0, found.output
    drawn = {path.relative_to(out).as_posix() for path in out.rglob("*.png")}
    names = ("a.png", "a.jpg", "in/b.png", "sheet-1")
    assert drawn == {f"{name}.{method}.png" for name in names}
    assert found.output.count("\n") == 3
    image = np.asarray(Image.open(folder / "in/b.png"))
    expected = overlay(image, METHODS[method](lstm, image[None], "sad")[0])
    with Image.open(out / f"in/b.png.{method}.png") as picture:
        small = np.asarray(picture.resize((48, 48), Image.Resampling.BOX), dtype=float)
    # bicubic, made large and small again: the same but for sharp edges
    assert np.corrcoef(small.ravel(), expected.ravel())[0, 1] > 0.95


def test_one_picture(folder: Path, model: Path, tmp_path: Path) -> None:
    found = run(folder / "a.png", "--model", model, "--out", tmp_path / "out")
    assert found.exit_code == 0, found.output
    assert found.output.startswith("a.png · ")
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_broken_picture_is_named_and_the_rest_goes_on(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    (folder / "in" / "broken.png").write_text("no picture")
    found = run(folder, "--model", model, "--out", tmp_path / "out")
    assert found.exit_code == 1
    assert "in/broken.png: left out, UnidentifiedImageError" in found.output
    assert len(list((tmp_path / "out").rglob("*.png"))) == 4


def test_what_cannot_be_explained(folder: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "no.safetensors").write_text("no network")
    cases = {
        "no .png, .jpg or .jpeg file": (empty, "--model", model),
        "no class 'bored'; it has happy, sad": (
            *(folder, "--model", model, "--class", "bored"),
        ),
        "no.safetensors": (folder, "--model", tmp_path / "no.safetensors"),
    }
    for message, command in cases.items():
        found = run(*command, "--out", out)
        assert found.exit_code == 2
        assert message in " ".join(found.output.replace("│", "").split())
    assert not out.exists()
