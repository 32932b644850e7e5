"""AttentionLSTM: shapes, attention, what it does not look at, views."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.needs_torch

from torch import nn  # noqa: E402

from rarecorrect_face.nets.layers import in_service, read_layers  # noqa: E402
from rarecorrect_face.nets.network import LAYERS, AttentionLSTM  # noqa: E402
from rarecorrect_face.nets.views import ten_views  # noqa: E402


def faces(n=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 48, 48, generator=generator) * 255


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AttentionLSTM(7).eval()


def n_parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_small_stays_under_a_million_parameters_and_base_under_ten(network):
    assert 500_000 < n_parameters(network) < 1_000_000
    assert 5_000_000 < n_parameters(AttentionLSTM(7, "base")) < 10_000_000


@pytest.mark.parametrize("size", ["small", "base"])
def test_every_layer_has_a_row_per_face(size):
    network = AttentionLSTM(7, size).eval()
    tables = network.features(faces())
    assert list(tables) == [*LAYERS, "logits"]
    assert all(t.shape[0] == 3 and t.ndim == 2 for t in tables.values())
    assert tables["logits"].shape == (3, 7)
    assert tables["attention"].shape == (3, 36)
    assert torch.equal(tables["logits"], network(faces()))


def test_attention_sums_to_one_and_has_the_form_of_the_picture(network):
    maps = network.attention_map(faces())
    assert maps.shape == (3, 6, 6)
    assert (maps >= 0).all()
    torch.testing.assert_close(maps.sum((1, 2)), torch.ones(3))
    assert network.attention_map(torch.rand(2, 40, 64)).shape == (2, 5, 8)


def test_context_is_the_mean_of_the_states_weighted_by_attention(network):
    seen = {}
    handle = network.states.register_forward_hook(
        lambda module, inputs, output: seen.update(states=output[0])
    )
    tables = network.features(faces())
    handle.remove()
    mean = torch.einsum("nt,ntd->nd", tables["attention"], seen["states"])
    torch.testing.assert_close(tables["context"], mean)
    torch.testing.assert_close(tables["states"], seen["states"].mean(dim=1))


def test_brightness_and_contrast_do_not_count(network):
    x = faces()
    torch.testing.assert_close(network(0.3 * x + 40), network(x), rtol=1e-3, atol=1e-4)


def test_a_blank_face_gets_a_finite_answer(network):
    assert network(torch.full((2, 48, 48), 7.0)).isfinite().all()


@pytest.mark.parametrize("shape", [(3, 3, 48, 48), (48, 48), (1, 1, 1, 48, 48)])
def test_what_is_no_grey_picture_is_refused(network, shape):
    with pytest.raises(ValueError, match="faces must be grey pictures"):
        network(torch.zeros(shape))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((1,), "n_classes must be at least 2"), ((7, "huge"), "size must be one of")],
)
def test_a_network_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        AttentionLSTM(*arguments)


# --- ten views ------------------------------------------------------------------------


def test_ten_views_are_all_different_and_as_large_as_the_face():
    x = faces(1)[:, None]
    views = list(ten_views(x))
    assert len(views) == 10
    assert all(view.shape == x.shape for view in views)
    assert len({tuple(view.flatten().tolist()) for view in views}) == 10
    assert torch.equal(views[0], x)


def test_a_mirrored_face_has_the_same_ten_views():
    x = faces(1)[:, None]
    sums = [torch.stack(list(ten_views(face))).sum(0) for face in (x, x.flip(-1))]
    torch.testing.assert_close(sums[0], sums[1])


def test_ten_crop_answers_with_the_mean_over_the_views(network):
    x = faces(2)
    shares = [network(view).softmax(1) for view in ten_views(x[:, None])]
    several = AttentionLSTM(7, ten_crop=True).eval()
    several.load_state_dict(network.state_dict())
    mean = torch.stack(shares).mean(0)
    # moving a standardised face changes its mean by what left the picture
    torch.testing.assert_close(several(x).softmax(1), mean, rtol=0, atol=0.01)
    torch.testing.assert_close(several(x).exp().sum(1), torch.ones(2))
    assert not torch.allclose(several(x).softmax(1), network(x).softmax(1), atol=1e-6)
    assert several.features(x)["attention"].shape == (2, 36)
    torch.testing.assert_close(several(x), several(x.flip(-1)))


def test_ten_crop_is_left_out_of_training():
    network = AttentionLSTM(2, ten_crop=True, dropout=0.0)
    calls = []
    network.stem.register_forward_hook(lambda *_: calls.append(1))
    network(faces())
    assert len(calls) == 1
    network.eval()(faces())
    assert len(calls) == 11


# --- layers of any network ------------------------------------------------------------


def test_a_layer_that_is_called_twice_gives_the_mean():
    shared = nn.Linear(2, 2, bias=False)

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared = shared

        def forward(self, x):
            return self.shared(x) + self.shared(3 * x)

    x = torch.ones(4, 2)
    output, tables = read_layers(Twice(), x, ["shared"])
    torch.testing.assert_close(tables["shared"], 2 * shared(x))
    torch.testing.assert_close(output, 4 * shared(x))


class StepsFirst(nn.Module):
    """An LSTM that keeps its steps before the rows."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(2, 3)

    def forward(self, x):
        return self.lstm(x.transpose(0, 1))


class Last(nn.Module):
    """The last state of an LSTM."""

    def forward(self, found):
        return found[0][-1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("3", r"Sequential has no layer '3'; it has "),
        ("0", r"layer '0' must give 5 rows for 5 inputs, got \(4, 5, 3\)"),
        ("2.unused", "layer '2.unused' was not called"),
    ],
)
def test_a_layer_that_cannot_be_read_is_named(name, message):
    net = nn.Sequential(StepsFirst(), Last(), nn.Linear(3, 2))
    net[2].unused = nn.Linear(1, 1)
    with pytest.raises(ValueError, match=message):
        read_layers(net, torch.zeros(5, 4, 2), [name])


def test_no_hook_is_left_behind_when_the_network_fails():
    net = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(RuntimeError):
        read_layers(net, torch.zeros(1, 3), ["0"])
    assert not net[0]._forward_hooks


def test_in_service_leaves_every_module_as_it_was():
    net = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout())
    net[0].eval()
    with in_service(net):
        assert not net.training and not net[1].training
    assert net.training and net[1].training and not net[0].training
