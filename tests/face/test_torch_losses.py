"""Losses against closed forms; samplers and pictures against what they promise."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.needs_torch

import torch.nn.functional as F  # noqa: E402
from numpy.testing import assert_allclose  # noqa: E402

from rarecorrect_face.faces import Faces  # noqa: E402
from rarecorrect_face.nets.augment import augmented, erased, mixed, moved  # noqa: E402
from rarecorrect_face.nets.losses import class_weights, loss_of, targets_of  # noqa: E402
from rarecorrect_face.nets.sampling import epoch_order  # noqa: E402
from rarecorrect_face.recipe import CHOICES, Recipe  # noqa: E402

COUNTS = torch.tensor([70, 20, 10])
LOGITS = torch.tensor([[2.0, 0.5, -1.0], [0.0, 0.0, 3.0]])
LABELS = torch.tensor([0, 1])
TARGETS = F.one_hot(LABELS, 3).float()


def loss(name, logits=LOGITS, targets=TARGETS, **choices):
    return float(loss_of(Recipe(loss=name, **choices), COUNTS)(logits, targets))


def plain():
    return float(F.cross_entropy(LOGITS, LABELS))


def test_cross_entropy_is_that_of_torch():
    assert loss("cross-entropy") == pytest.approx(plain())
    soft = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    expected = float(F.cross_entropy(LOGITS, soft))
    assert loss("cross-entropy", targets=soft) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "off"),
    [
        ("focal", {"gamma": 0.0}),
        ("class-balanced", {"beta": 0.0}),
        ("logit-adjusted", {"tau": 0.0}),
    ],
)
def test_every_loss_becomes_cross_entropy_where_it_is_off(name, off):
    assert loss(name, **off) == pytest.approx(plain())
    assert loss(name) != pytest.approx(plain(), rel=0.01)


def test_focal_in_closed_form():
    p = LOGITS.softmax(1)[torch.arange(2), LABELS]
    expected = (-((1 - p) ** 1.5) * p.log()).mean()
    assert loss("focal", gamma=1.5) == pytest.approx(float(expected))


def test_focal_has_a_slope_where_the_answer_is_certain():
    logits = torch.tensor([[100.0, 0.0, 0.0]], requires_grad=True)
    loss_of(Recipe(loss="focal", gamma=0.5), COUNTS)(logits, TARGETS[:1]).backward()
    assert logits.grad.isfinite().all()


def test_class_weights_are_inverse_to_effective_numbers():
    beta = 0.9
    effective = (1 - beta ** COUNTS.double()) / (1 - beta)
    weights = class_weights(COUNTS, beta).double()
    ratio = (weights * effective).numpy()
    assert_allclose(ratio, ratio[0], rtol=1e-6)
    assert float(weights.mean()) == pytest.approx(1)
    # near 1 a class counts as many times as it has faces
    near = class_weights(COUNTS, 1 - 1e-9).double()
    assert_allclose((near * COUNTS).numpy(), float(near[0] * 70), rtol=1e-3)


def test_logit_adjustment_adds_the_log_of_the_prior():
    prior = (COUNTS / COUNTS.sum()).log()
    expected = float(F.cross_entropy(LOGITS + 0.5 * prior, LABELS))
    assert loss("logit-adjusted", tau=0.5) == pytest.approx(expected)


@pytest.mark.parametrize("name", CHOICES["loss"])
def test_a_right_answer_costs_less_than_a_wrong_one(name):
    right, wrong = 5 * TARGETS, 5 * TARGETS.roll(1, dims=1)
    assert loss(name, logits=right) < loss(name, logits=wrong)


# --- targets --------------------------------------------------------------------------


def faces(soft=None):
    grey = np.zeros((2, 48, 48), dtype=np.uint8)
    return Faces.of(grey, [0, 1], ["happy", "sad"], ["train"] * 2, soft=soft)


def targets(soft=None, **choices):
    found = targets_of(faces(soft), Recipe(**choices))
    return found.numpy()


def test_targets_are_labels_votes_or_a_mean_of_both_smoothed():
    votes = [[0.6, 0.4], [0.5, 0.5]]
    assert_allclose(targets(label_smoothing=0.0), np.eye(2))
    assert_allclose(targets(votes, label_smoothing=0.0, soft_labels=1.0), votes)
    half = targets(votes, label_smoothing=0.0, soft_labels=0.5)
    assert_allclose(half, [[0.8, 0.2], [0.25, 0.75]])
    assert_allclose(targets(label_smoothing=0.2), [[0.9, 0.1], [0.1, 0.9]])


def test_votes_that_are_not_there_are_asked_for():
    with pytest.raises(ValueError, match=r"soft_labels=0.5 needs votes"):
        targets(soft_labels=0.5)


# --- samplers -------------------------------------------------------------------------


def test_without_a_sampler_every_face_comes_once():
    order = epoch_order(np.repeat([0, 1], [7, 3]), "none", np.random.default_rng(0))
    assert sorted(order) == list(range(10))
    assert list(order) != list(range(10))


def test_the_balanced_sampler_draws_classes_alike_and_faces_of_one_alike():
    labels = np.repeat([0, 1, 2], [8000, 1000, 60])
    order = epoch_order(labels, "class-balanced", np.random.default_rng(0))
    assert order.size == labels.size
    assert_allclose(np.bincount(labels[order]) / order.size, 1 / 3, atol=0.02)
    rare = np.bincount(order, minlength=labels.size)[-60:]
    assert rare.min() > 20 and rare.max() < 90  # 50 expected


# --- pictures -------------------------------------------------------------------------

STILL = {"flip": False, "shift": 0.0, "rotation": 0.0, "zoom": 0.0, "erasing": 0.0}


def pictures(n=64):
    return torch.rand(n, 1, 48, 48, generator=torch.Generator().manual_seed(0))


def rng():
    return np.random.default_rng(0)


def test_nothing_changes_where_nothing_is_asked_for():
    x = pictures()
    assert torch.equal(augmented(x, Recipe(**STILL), rng()), x)


def test_flipping_mirrors_about_half_of_the_faces_exactly():
    x = pictures()
    found = moved(x, Recipe(**STILL | {"flip": True}), rng())
    same = torch.isclose(found, x, atol=1e-5).all(dim=(1, 2, 3))
    mirrored = torch.isclose(found, x.flip(-1), atol=1e-5).all(dim=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 16 < int(mirrored.sum()) < 48


@pytest.mark.parametrize(
    ("choice", "largest"), [("shift", 4.0), ("rotation", 0.0), ("zoom", 0.0)]
)
def test_a_point_moves_no_further_than_asked(choice, largest):
    x = torch.zeros(200, 1, 49, 49)
    x[..., 24, 24] = 1.0  # the middle, which neither turning nor zooming moves
    amount = {"shift": 4.0, "rotation": 30.0, "zoom": 0.2}[choice]
    found = moved(x, Recipe(**STILL | {choice: amount}), rng())
    mass = found[:, 0] / found.sum(dim=(1, 2, 3))[:, None, None]
    at = torch.arange(49.0) - 24
    for moves in ((mass.sum(1) * at).sum(1), (mass.sum(2) * at).sum(1)):
        assert moves.abs().max() <= largest + 1e-3
        if largest:
            assert moves.abs().max() > largest / 2
            assert moves.min() < 0 < moves.max()


def test_turning_changes_a_bar_as_far_as_asked():
    x = torch.zeros(300, 1, 48, 48)
    x[..., 23:25, :] = 1.0
    found = moved(x, Recipe(**STILL | {"rotation": 20.0}), rng())[:, 0]
    height = torch.arange(48.0)[:, None]
    left, right = (
        (found[:, :, c] * height[:, 0]).sum(1) / found[:, :, c].sum(1) for c in (8, 39)
    )
    angle = torch.rad2deg(torch.atan2(right - left, torch.tensor(31.0)))
    assert 15 < angle.max() < 20.5 and -20.5 < angle.min() < -15


def test_erasing_covers_a_rectangle_of_some_faces_with_their_mean():
    x = pictures(400)
    found = erased(x, 0.3, rng())
    covered = (found != x)[:, 0]
    share = covered.any(dim=(1, 2)).float().mean()
    assert 0.22 < float(share) < 0.38
    for face, mask, old in zip(found[:, 0], covered, x[:, 0], strict=True):
        if mask.any():
            rows, columns = mask.any(1), mask.any(0)
            assert torch.equal(mask, rows[:, None] & columns[None, :])
            assert torch.allclose(face[mask], old.mean())
            assert 4 <= int(rows.sum()) <= 20 and 4 <= int(columns.sum()) <= 20


def test_mixing_mixes_faces_and_targets_in_the_same_shares():
    n = 50
    faces = torch.arange(float(n))[:, None, None, None].expand(n, 1, 2, 2)
    targets = torch.eye(n)
    found, shares = mixed(faces, targets, 0.5, rng())
    expected = shares @ torch.arange(float(n))
    torch.testing.assert_close(found[:, 0, 0, 0], expected)
    torch.testing.assert_close(shares.sum(1), torch.ones(n))
    assert (shares.diagonal() < 0.99).sum() > 20


def test_the_same_generator_gives_the_same_pictures():
    x = pictures()
    first, again = (augmented(x, Recipe(), rng()) for _ in range(2))
    assert torch.equal(first, again)
    other = augmented(x, Recipe(), np.random.default_rng(1))
    assert not torch.equal(first, other)
